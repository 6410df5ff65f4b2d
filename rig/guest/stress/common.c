// SPDX-License-Identifier: GPL-2.0
/* What all parts use. */
#include "stress.h"
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

struct shared *shared;
char status_text[8 * KIB], smaps_text[256 * KIB];
char stacks[4][64 * KIB] __attribute__((aligned(4096)));

void happened(enum kind kind)
{
	__atomic_fetch_add(&shared->count[kind], 1, __ATOMIC_RELAXED);
}

bool stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

/* One write for each line: many processes print. */
void say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(1, line, n) != n)
		_exit(3);
}

void failure(const char *what)
{
	say("# failure: %s (pid %d, %s)\n", what, getpid(), strerror(errno));
	__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
}

/* What the test cannot do without. */
void die(const char *what)
{
	failure(what);
	_exit(2);
}

void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

unsigned long random_below(unsigned long *state, unsigned long n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % n;
}

long field(const char *path, const char *name)
{
	if (try_get(path, smaps_text, sizeof(smaps_text)) < 0)
		return -1;
	return number(smaps_text, name);
}

void *map(long bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void touch(volatile char *p, long bytes)
{
	for (long i = 0; i < bytes; i += PAGE)
		p[i] = 1;
}

/* May not succeed: the CPU may go offline. */
void hop(unsigned long n)
{
	int cpu = __atomic_load_n(&shared->cpus[n % CPUS], __ATOMIC_RELAXED);
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void roam(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

pid_t fork_counted(enum kind kind)
{
	pid_t pid = fork();

	if (pid > 0)
		happened(kind);
	return pid;
}

/* Wait for a child which may have been killed, but may not have failed. */
void wait_for(pid_t pid, const char *what)
{
	int status;

	if (pid < 0)
		return;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	say("# %s: status %#x\n", what, status);
	failure("a process ended badly");
}

void join_group(const char *procs)
{
	put_number(procs, getpid());
}

/*
 * Threads without libc, whose creation may fail at any point. The kernel clears
 * the ids: in memory that a fork does not write-protect, so that it cannot fail.
 */
static pid_t *thread_ids;

void make_thread_ids(void)
{
	thread_ids = map(PAGE, MAP_SHARED);
	if (!thread_ids)
		die("mmap");
	touch((char *)thread_ids, PAGE);
	memset(thread_ids, 0, 4 * sizeof(*thread_ids));
}

bool start_thread(int i, int (*run)(void *), void *arg)
{
	pid_t pid;

	__atomic_store_n(&thread_ids[i], 1, __ATOMIC_SEQ_CST);
	pid = clone(run, stacks[i] + sizeof(stacks[i]), THREAD_FLAGS, arg,
		    &thread_ids[i], NULL, &thread_ids[i]);
	if (pid < 0) {
		thread_ids[i] = 0;
		return false;
	}
	happened(THREAD);
	return true;
}

void join_thread(int i)
{
	pid_t id;

	while ((id = __atomic_load_n(&thread_ids[i], __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &thread_ids[i], FUTEX_WAIT, id, NULL, NULL, 0);
}

void settle(void)
{
	touch(smaps_text, sizeof(smaps_text));
	touch(status_text, sizeof(status_text));
	touch(stacks[0], sizeof(stacks));
	make_thread_ids();
	mlockall(MCL_CURRENT);
}
