// SPDX-License-Identifier: GPL-2.0
/* Allocations that fail: by injection, and at the limit of a group. */
#include "stress.h"
#include <sys/wait.h>

/* Allocations of this process and its threads fail. */
static int faulty_thread(void *arg)
{
	unsigned long seed = ((uintptr_t)arg + 1) * 2654435761 + now_ms();
	char *p;

	for (int i = 0; i < 16; i++) {
		long bytes = (1 + random_below(&seed, 16)) * PAGE;

		p = map(bytes, random_below(&seed, 2) ? MAP_PRIVATE : MAP_SHARED);
		if (!p) {
			happened(FAILED_MAP);
			continue;
		}
		touch(p, bytes);
		if (bytes > 2 * PAGE && munmap(p + PAGE, PAGE))
			happened(FAILED_MAP);
		if (random_below(&seed, 4))
			munmap(p, bytes);
	}
	return 0;
}

static void faulty_process(void)
{
	pid_t pid;
	char *p;

	settle();
	p = map(64 * PAGE, MAP_PRIVATE);
	if (!p)
		_exit(2);
	/* Not on a CPU of its own: forks, threads and faults as they come. */
	for (int i = 0; i < 8; i++) {
		if (have_injection)
			put("/proc/thread-self/make-it-fail", "1");
		for (int j = 0; j < 4; j++)
			if (!start_thread(j, faulty_thread, (void *)(uintptr_t)j))
				happened(FAILED_THREAD);
		pid = fork();
		if (!pid) {
			touch(p, 64 * PAGE);
			_exit(0);
		}
		if (pid < 0)
			happened(FAILED_FORK);
		touch(p, 64 * PAGE);
		madvise(p, 64 * PAGE, MADV_DONTNEED);
		for (int j = 0; j < 4; j++)
			join_thread(j);
		while (have_injection && !try_put("/proc/thread-self/make-it-fail", "0"))
			;
		if (pid > 0)
			waitpid(pid, NULL, 0);
		check(0, "faulty");
	}
	_exit(0);
}

void faulty(void)
{
	for (int i = 0; i < 8 && !stopped(); i++) {
		pid_t pid = fork_counted(FORK);
		int status;

		if (!pid)
			faulty_process();
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			continue;
		/* A signal that cannot be delivered for want of memory kills. */
		if (WIFSIGNALED(status))
			__atomic_fetch_add(&shared->lost, 1, __ATOMIC_RELAXED);
		else if (status)
			failure("faulty process failed");
	}
}

/*
 * A group of one process that cannot be killed is at its limit; the limit grows
 * by one page at a time until a thread or a child can be created. So each
 * allocation on the way fails in turn, those of per-CPU memory too.
 */
static struct tight {
	int turn, answer, ok, free;
} *tight;
static int tight_over;

static int tight_thread(void *unused)
{
	while (!__atomic_load_n(&tight->free, __ATOMIC_SEQ_CST))
		sched_yield();
	/* Takes its share in known() of the first thread. */
	while (!__atomic_load_n(&tight_over, __ATOMIC_SEQ_CST)) {
		known_thread(unused);
		sched_yield();
	}
	return 0;
}

static void tight_process(bool by_fork)
{
	int turn = 0, seen;
	bool ok = false;
	pid_t pid = 0;

	join_group(TIGHT "cgroup.procs");
	put("/proc/self/oom_score_adj", "-1000");
	settle();
	__atomic_store_n(&tight->answer, 0, __ATOMIC_SEQ_CST);
	while (!ok && !__atomic_load_n(&tight->free, __ATOMIC_SEQ_CST)) {
		seen = __atomic_load_n(&tight->turn, __ATOMIC_SEQ_CST);
		if (seen == turn) {
			sleep_ms(1);
			continue;
		}
		turn = seen;
		if (by_fork) {
			pid = fork();
			if (!pid)
				_exit(0);
			ok = pid > 0;
		} else {
			ok = start_thread(3, tight_thread, NULL);
		}
		__atomic_store_n(&tight->ok, ok, __ATOMIC_SEQ_CST);
		__atomic_store_n(&tight->answer, turn, __ATOMIC_SEQ_CST);
	}
	while (!__atomic_load_n(&tight->free, __ATOMIC_SEQ_CST))
		sched_yield();
	/* Counted here: after a fork the answer waits for memory, too. */
	if (ok)
		happened(by_fork ? TIGHT_FORK : TIGHT_THREAD);
	if (by_fork && pid > 0)
		wait_for(pid, "fork at the limit");
	/* If the first thread found no memory for the counters, later ones may. */
	known(0);
	__atomic_store_n(&tight_over, 1, __ATOMIC_SEQ_CST);
	join_thread(3);
	known(2);
	_exit(0);
}

static void tighten(bool by_fork)
{
	long current, until, skipped;
	unsigned long seed;
	pid_t pid;
	int turn;

	put(TIGHT "memory.max", "max");
	*tight = (struct tight){ .answer = -1 };
	pid = fork_counted(FORK);
	if (!pid)
		tight_process(by_fork);
	if (pid < 0)
		return;
	until = now_ms() + 20000;
	while (__atomic_load_n(&tight->answer, __ATOMIC_SEQ_CST) < 0 && now_ms() < until)
		sleep_ms(1);
	/* Drops what CPUs hold in advance, and all that can be reclaimed. */
	put(TIGHT "memory.max", "0");
	current = field(TIGHT "memory.current", "");
	/* The first of them fail the same way each time. */
	seed = now_ms() | 1;
	skipped = random_below(&seed, 6);
	for (turn = 1; turn < 100; turn++) {
		put_number(TIGHT "memory.max", current + (turn + skipped) * PAGE);
		__atomic_store_n(&tight->turn, turn, __ATOMIC_SEQ_CST);
		/* After a fork its memory is write-protected: it may not come back. */
		until = now_ms() + (by_fork ? 300 : 20000);
		while (__atomic_load_n(&tight->answer, __ATOMIC_SEQ_CST) != turn &&
		       now_ms() < until)
			sleep_ms(1);
		if (tight->ok || tight->answer != turn)
			break;
		happened(by_fork ? FAILED_FORK : FAILED_THREAD);
	}
	put(TIGHT "memory.max", "max");
	__atomic_store_n(&tight->free, 1, __ATOMIC_SEQ_CST);
	wait_for(pid, "process at the limit");
}

void tight_group(void)
{
	tight = map(PAGE, MAP_SHARED);
	if (!tight)
		die("mmap");
	for (int i = 0; i < 8 && !stopped(); i++)
		tighten(i % 3 == 1);
}
