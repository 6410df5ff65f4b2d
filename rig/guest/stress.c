// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that changes RSS counters at once, for a while, on CPUs that come
 * and go and with allocations that fail; at quiescent points, the counters of a
 * process are compared with what a walk over its page tables finds.
 *
 * Prints "ok - ..." and "not ok - ...", also for each kind of event, which has
 * failed if it happened not once. Looks after swap and debugfs itself; expects
 * to be the only user of the machine.
 *
 * What the kernel is not configured for is printed as skipped.
 *
 * environment: DURATION in seconds
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif

#define PAGE	4096L
#define KIB	1024L
#define MIB	(1024 * KIB)
#define HUGE	(2 * MIB)
#define CPUS	8	/* online at a time, at most */

#define SELF	"/mnt/ram/stress"
#define DATA	"/mnt/ram/data"
#define CGROUP	"/sys/fs/cgroup/"
#define DEBUGFS	"/sys/kernel/debug/"
#define FAIL_FUNCTION	DEBUGFS "fail_function/"
#define TRACING	"/sys/kernel/tracing/"
#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define KSM	"/sys/kernel/mm/ksm/"

#define THREAD_FLAGS	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
			 CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | \
			 CLONE_CHILD_CLEARTID)

#define KINDS(X)							\
	X(CHECK_SELF, "counters compared by a process itself")		\
	X(CHECK_OTHER, "counters compared from outside")		\
	X(CHECK_KNOWN, "mappings of known size compared")		\
	X(THREAD, "thread created")					\
	X(FAULT, "range of pages touched")				\
	X(UNMAP, "memory unmapped")					\
	X(MREMAP, "memory moved by mremap")				\
	X(DONTNEED, "MADV_DONTNEED")					\
	X(FREE, "MADV_FREE")						\
	X(PAGEOUT, "MADV_PAGEOUT")					\
	X(COLLAPSE, "MADV_COLLAPSE")					\
	X(MERGEABLE, "MADV_MERGEABLE")					\
	X(FORK, "fork")							\
	X(FORK_THREADED, "fork by a thread of several")			\
	X(VFORK, "vfork")						\
	X(EXEC, "exec")							\
	X(ORPHAN, "vfork child outlived its killed parent")		\
	X(WRITEV, "process_vm_writev")					\
	X(WRITEV_CLONE, "process_vm_writev while a thread is created")	\
	X(PMADVISE, "process_madvise")					\
	X(MRELEASE, "process_mrelease")					\
	X(KILLED, "process with threads killed")			\
	X(OFFLINE, "CPU taken offline")					\
	X(ONLINE, "CPU brought online")					\
	X(ISOLATED, "CPU isolated by a partition")			\
	X(FAILED_THREAD, "creation of a thread failed")			\
	X(FAILED_FORK, "fork failed")					\
	X(FAILED_MAP, "mmap or munmap failed")				\
	X(TIGHT_THREAD, "thread created at the limit of its group")	\
	X(TIGHT_FORK, "fork at the limit of its group")			\
	/* From here on counted by the kernel. */			\
	X(SWAPOUT, "page swapped out")					\
	X(SWAPIN, "page swapped in")					\
	X(KHUGEPAGED, "huge page made by khugepaged")			\
	X(MERGED, "pages shared by ksm, at most at once")		\
	X(RECLAIM, "limit of a memory cgroup reached")			\
	X(INJECTED_PAGE, "page allocation failed by injection")		\
	X(INJECTED_SLAB, "slab allocation failed by injection")		\
	X(ACTIVATED, "activation that succeeded, then or before")		\
	X(NOT_ACTIVATED, "activation that failed")

#define AS_ENUM(name, text)	name,
#define AS_TEXT(name, text)	text,
enum kind { KINDS(AS_ENUM) NR_KINDS };
static const char *const kind_text[] = { KINDS(AS_TEXT) };

/* In memory that all processes share. */
static struct shared {
	long count[NR_KINDS];
	long failures;
	long checks_retried;
	long lost;
	int stop;
	/* The CPUs that are online, or -1; the first one stays. */
	int cpus[CPUS];
} *shared;

/* What the kernel has. */
static bool have_injection, have_probes, have_kmemleak;

static char status_text[8 * KIB], smaps_text[256 * KIB];
static char stacks[4][64 * KIB] __attribute__((aligned(4096)));

static void happened(enum kind kind)
{
	__atomic_fetch_add(&shared->count[kind], 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

/* One write for each line: many processes print. */
static void say(const char *format, ...)
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

static void failure(const char *what)
{
	say("# failure: %s (pid %d, %s)\n", what, getpid(), strerror(errno));
	__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
}

/* What the test cannot do without. */
static void die(const char *what)
{
	failure(what);
	_exit(2);
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned long random_below(unsigned long *state, unsigned long n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % n;
}

#include "files.h"

static long field(const char *path, const char *name)
{
	if (try_get(path, smaps_text, sizeof(smaps_text)) < 0)
		return -1;
	return number(smaps_text, name);
}

/* Counters of a process in KiB. */
struct rss {
	long all, anon, file, shmem, swap;
};

static bool read_status(const char *pid, struct rss *rss)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	if (try_get(path, status_text, sizeof(status_text)) <= 0 ||
	    number(status_text, "VmRSS:") < 0)
		return false;
	rss->all = number(status_text, "VmRSS:");
	rss->anon = number(status_text, "RssAnon:");
	rss->file = number(status_text, "RssFile:");
	rss->shmem = number(status_text, "RssShmem:");
	rss->swap = number(status_text, "VmSwap:");
	return true;
}

/*
 * The same from the page tables. Memory of tmpfs is only mapped shared here;
 * what smaps says of its swap is not in the page tables and not counted.
 */
static bool read_smaps(const char *pid, struct rss *rss)
{
	bool shmem = false;
	long resident = 0;
	char path[32];
	char *line;

	*rss = (struct rss){ 0 };
	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	if (try_get(path, smaps_text, sizeof(smaps_text)) <= 0)
		return false;
	for (line = smaps_text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "Rss:", 4)) {
			resident = strtol(line + 4, NULL, 10);
			rss->all += resident;
		} else if (!strncmp(line, "Anonymous:", 10)) {
			long anon = strtol(line + 10, NULL, 10);

			rss->anon += anon;
			*(shmem ? &rss->shmem : &rss->file) += resident - anon;
		} else if (!strncmp(line, "Swap:", 5) && !shmem) {
			rss->swap += strtol(line + 5, NULL, 10);
		} else if ((*line >= '0' && *line <= '9') ||
			   (*line >= 'a' && *line <= 'f')) {
			char *end = strchrnul(line, '\n');

			shmem = memmem(line, end - line, "/dev/zero", 9) ||
				memmem(line, end - line, "/memfd:", 7);
		}
	}
	return true;
}

/*
 * Compare counters and page tables of a process that does nothing. Reclaim, ksm
 * and khugepaged go on, so the two may differ for a moment, but not for long.
 * A process that is gone needs no comparison.
 */
static bool check(pid_t pid, const char *what)
{
	struct rss before, truth, after;
	char name[16] = "self";

	if (pid)
		snprintf(name, sizeof(name), "%d", pid);
	for (int i = 0; i < 300; i++) {
		if (!read_status(name, &before) || !read_smaps(name, &truth) ||
		    !read_status(name, &after))
			return false;
		if (!memcmp(&before, &truth, sizeof(truth)) &&
		    !memcmp(&after, &truth, sizeof(truth))) {
			happened(pid ? CHECK_OTHER : CHECK_SELF);
			return true;
		}
		__atomic_fetch_add(&shared->checks_retried, 1, __ATOMIC_RELAXED);
		sleep_ms(i / 10);
	}
	say("# %s: counted %ld anon %ld file %ld shmem %ld swap %ld\n"
	    "# %s: truth   %ld anon %ld file %ld shmem %ld swap %ld\n",
	    what, after.all, after.anon, after.file, after.shmem, after.swap,
	    what, truth.all, truth.anon, truth.file, truth.shmem, truth.swap);
	errno = 0;
	failure("counters differ from page tables");
	return false;
}

static void *map(long bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void touch(volatile char *p, long bytes)
{
	for (long i = 0; i < bytes; i += PAGE)
		p[i] = 1;
}

/* May not succeed: the CPU may go offline. */
static void hop(unsigned long n)
{
	int cpu = __atomic_load_n(&shared->cpus[n % CPUS], __ATOMIC_RELAXED);
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void roam(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t fork_counted(enum kind kind)
{
	pid_t pid = fork();

	if (pid > 0)
		happened(kind);
	return pid;
}

/* Wait for a child which may have been killed, but may not have failed. */
static void wait_for(pid_t pid, const char *what)
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

/*
 * Threads without libc, whose creation may fail at any point. The kernel clears
 * the ids: in memory that a fork does not write-protect, so that it cannot fail.
 */
static pid_t *thread_ids;

static void make_thread_ids(void)
{
	thread_ids = map(PAGE, MAP_SHARED);
	if (!thread_ids)
		die("mmap");
	touch((char *)thread_ids, PAGE);
	memset(thread_ids, 0, 4 * sizeof(*thread_ids));
}

static bool start_thread(int i, int (*run)(void *), void *arg)
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

static void join_thread(int i)
{
	pid_t id;

	while ((id = __atomic_load_n(&thread_ids[i], __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &thread_ids[i], FUTEX_WAIT, id, NULL, NULL, 0);
}

static void settle(void)
{
	touch(smaps_text, sizeof(smaps_text));
	touch(status_text, sizeof(status_text));
	touch(stacks[0], sizeof(stacks));
	make_thread_ids();
	mlockall(MCL_CURRENT);
}

/*
 * Memory of each kind whose size is known, touched by some threads on all CPUs;
 * nothing else of the process changes, and none of it may be reclaimed. Works
 * also where the counters could not be activated.
 */
static char *known_memory;
static int known_cpu = 32, known_done;

static int known_thread(void *unused)
{
	int i;

	(void)unused;
	while (__atomic_load_n(&known_cpu, __ATOMIC_SEQ_CST) < 32 &&
	       (i = __atomic_fetch_add(&known_cpu, 1, __ATOMIC_SEQ_CST)) < 32) {
		hop(i);
		touch(known_memory + i * 2 * PAGE, 2 * PAGE);
		if (i % 4 == 3) {
			madvise(known_memory + i * 2 * PAGE, 2 * PAGE, MADV_DONTNEED);
			touch(known_memory + i * 2 * PAGE, 2 * PAGE);
		}
		__atomic_fetch_add(&known_done, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static void known(int threads)
{
	const long bytes = 32 * 2 * PAGE;
	struct rss before, after = { 0 };
	char *shmem;
	bool same;

	if (!read_status("self", &before))
		return;
	known_memory = map(bytes, MAP_PRIVATE);
	shmem = map(bytes, MAP_SHARED);
	if (!known_memory || !shmem)
		die("mmap of known mappings");
	madvise(known_memory, bytes, MADV_NOHUGEPAGE);
	mlock2(known_memory, bytes, MLOCK_ONFAULT);
	mlock2(shmem, bytes, MLOCK_ONFAULT);
	known_done = 0;
	__atomic_store_n(&known_cpu, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < threads; i++)
		start_thread(i, known_thread, NULL);
	known_thread(NULL);
	touch(shmem, bytes);
	roam();
	for (int i = 0; i < threads; i++)
		join_thread(i);
	while (__atomic_load_n(&known_done, __ATOMIC_SEQ_CST) < 32)
		sched_yield();
	read_status("self", &after);
	same = after.anon - before.anon == bytes / KIB &&
	       after.shmem - before.shmem == bytes / KIB &&
	       after.file == before.file;
	if (!same) {
		say("# known: anon %ld -> %ld, shmem %ld -> %ld, file %ld -> %ld\n",
		    before.anon, after.anon, before.shmem, after.shmem,
		    before.file, after.file);
		errno = 0;
		failure("known mappings are not counted");
	}
	happened(CHECK_KNOWN);
	check(0, "known");
	munmap(known_memory, bytes);
	munmap(shmem, bytes);
}

/* One thread of several that map, use and unmap their own memory. */
struct region {
	char *at;
	long bytes;
	bool shared;
};

static char *common;

static void renew(struct region *r, unsigned long *seed)
{
	int fd;

	if (r->at && !munmap(r->at, r->bytes))
		happened(UNMAP);
	r->bytes = (1 + random_below(seed, 32)) * PAGE;
	r->shared = false;
	switch (random_below(seed, 12)) {
	case 0:
	case 1:
		r->at = map(r->bytes, MAP_SHARED);
		r->shared = true;
		break;
	case 2:
	case 3:
		fd = open(DATA, O_RDWR | O_CLOEXEC);
		r->at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE, fd, 0);
		if (r->at == MAP_FAILED)
			r->at = NULL;
		close(fd);
		break;
	case 4:
		/* Room for one aligned huge page. */
		r->bytes = 2 * HUGE;
		r->at = map(r->bytes, MAP_PRIVATE);
		if (r->at)
			madvise(r->at, r->bytes, MADV_HUGEPAGE);
		break;
	default:
		r->at = map(r->bytes, MAP_PRIVATE);
		break;
	}
}

static void use(struct region *r, unsigned long *seed)
{
	unsigned long pages, first, n;
	volatile char sum = 0;
	char *moved;
	pid_t pid;

	if (!r->at) {
		renew(r, seed);
		return;
	}
	pages = r->bytes / PAGE;
	first = random_below(seed, pages);
	n = 1 + random_below(seed, pages - first);
	/* Small pieces: more events in the time there is. */
	if (n > 16)
		n = 16;

	switch (random_below(seed, 16)) {
	case 0:
		renew(r, seed);
		break;
	case 1:
		if (!madvise(r->at + first * PAGE, n * PAGE, MADV_DONTNEED))
			happened(DONTNEED);
		break;
	case 2:
		if (!r->shared && !madvise(r->at + first * PAGE, n * PAGE, MADV_FREE))
			happened(FREE);
		break;
	case 3:
	case 4:
		if (!madvise(r->at + first * PAGE, n * PAGE, MADV_PAGEOUT))
			happened(PAGEOUT);
		break;
	case 5:
		if (r->bytes >= 2 * HUGE && random_below(seed, 2) &&
		    !madvise((void *)(((uintptr_t)r->at + HUGE - 1) & -HUGE),
			     HUGE, MADV_COLLAPSE))
			happened(COLLAPSE);
		break;
	case 6:
		if (!r->shared && !madvise(r->at, r->bytes, MADV_MERGEABLE))
			happened(MERGEABLE);
		break;
	case 7:
		moved = mremap(r->at, r->bytes, r->bytes + PAGE, MREMAP_MAYMOVE);
		if (moved == MAP_FAILED)
			break;
		r->at = moved;
		/* Half of it to a place of its own and back: splits and merges. */
		moved = mremap(r->at, r->bytes + PAGE, r->bytes, MREMAP_MAYMOVE);
		if (moved != MAP_FAILED)
			happened(MREMAP);
		break;
	case 8:
		moved = map(r->bytes, MAP_PRIVATE);
		if (!moved)
			break;
		if (mremap(r->at, r->bytes, r->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			   moved) == moved) {
			r->at = moved;
			happened(MREMAP);
		} else {
			munmap(moved, r->bytes);
		}
		break;
	case 9:
		for (unsigned long i = first; i < first + n; i++)
			sum += r->at[i * PAGE];
		happened(FAULT);
		break;
	case 10:
		if (random_below(seed, 4))
			break;
		pid = fork_counted(FORK_THREADED);
		if (!pid) {
			touch(r->at + first * PAGE, n * PAGE);
			_exit(0);
		}
		wait_for(pid, "fork by a thread");
		break;
	case 11:
		madvise(common + random_below(seed, 64) * PAGE, 16 * PAGE,
			MADV_DONTNEED);
		break;
	case 12:
		touch(common + random_below(seed, 64) * PAGE, 16 * PAGE);
		break;
	default:
		touch(r->at + first * PAGE, n * PAGE);
		happened(FAULT);
		break;
	}
}

static void *mapper_thread(void *arg)
{
	unsigned long seed = (uintptr_t)arg * 2654435761 + now_ms() * 7919 + getpid();
	struct region regions[4] = { 0 };

	seed |= 1;
	for (int i = 0; i < 80 && !stopped(); i++) {
		if (!random_below(&seed, 16))
			hop(random_below(&seed, CPUS));
		use(&regions[random_below(&seed, 4)], &seed);
	}
	/* Leave some behind, for the main thread to be compared with. */
	for (int i = 0; i < 3; i++)
		if (regions[i].at)
			munmap(regions[i].at, regions[i].bytes);
	roam();
	return regions[3].at ? regions[3].at : NULL;
}

static void join_group(const char *procs)
{
	put_number(procs, getpid());
}

/*
 * A process that first is alone and then has threads, several times. What the
 * threads leave is still mapped at each comparison, and goes at the exit.
 */
static void mapper(void)
{
	pthread_t threads[4];
	unsigned long alone = getpid() | 1;

	join_group(CGROUP "load/cgroup.procs");
	common = map(128 * PAGE, MAP_PRIVATE);
	if (!common)
		die("mmap");
	if (random_below(&alone, 2))
		madvise(common, 128 * PAGE, MADV_MERGEABLE);
	mapper_thread(NULL);
	check(0, "mapper, alone");
	for (int round = 0; round < 4 && !stopped(); round++) {
		int n = 0;

		while (n < 1 + round && n < 4 &&
		       !pthread_create(&threads[n], NULL, mapper_thread,
				       (void *)(uintptr_t)(n + 1))) {
			happened(THREAD);
			n++;
		}
		while (n--)
			pthread_join(threads[n], NULL);
		check(0, "mapper, threads");
	}
}

/* Run as another program. */
static int executed(const char *fd)
{
	char *p;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      atoi(fd), 0);
	if (shared == MAP_FAILED)
		return 2;
	p = map(64 * PAGE, MAP_PRIVATE);
	if (p)
		touch(p, 64 * PAGE);
	happened(EXEC);
	check(0, "executed");
	return 0;
}

static char shared_fd[16];

static void exec_self(void)
{
	execl(SELF, SELF, "executed", shared_fd, NULL);
	_exit(2);
}

static pid_t vfork_counted(bool exec)
{
	pid_t pid = vfork();

	if (!pid) {
		if (exec)
			exec_self();
		_exit(0);
	}
	if (pid > 0)
		happened(VFORK);
	return pid;
}

/* A vfork child works in the memory of its parent, which dies meanwhile. */
static struct orphanage {
	int ready, done;
	pid_t parent;
} *orphanage;
static char *orphan_memory;

static int orphan_thread(void *unused)
{
	(void)unused;
	touch(orphan_memory + 256 * PAGE, 32 * PAGE);
	return 0;
}

static int orphan_child(void *unused)
{
	int i = 0;

	(void)unused;
	while (getppid() == orphanage->parent) {
		touch(orphan_memory + i * PAGE, 8 * PAGE);
		if (i % 32 == 0)
			madvise(orphan_memory, 128 * PAGE, MADV_DONTNEED);
		i = (i + 8) % 128;
		__atomic_store_n(&orphanage->ready, 1, __ATOMIC_SEQ_CST);
		sleep_ms(1);
	}
	touch(orphan_memory + 128 * PAGE, 32 * PAGE);
	check(0, "orphan, alone");
	if (start_thread(1, orphan_thread, NULL)) {
		touch(orphan_memory, 32 * PAGE);
		join_thread(1);
		check(0, "orphan, threads");
	}
	__atomic_store_n(&orphanage->done, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

static void orphan(bool threaded)
{
	pid_t parent, pid;

	orphanage->ready = orphanage->done = 0;
	parent = fork_counted(FORK);
	if (!parent) {
		orphanage->parent = getpid();
		make_thread_ids();
		orphan_memory = map(512 * PAGE, MAP_PRIVATE);
		if (!orphan_memory)
			_exit(2);
		if (threaded && start_thread(1, orphan_thread, NULL))
			join_thread(1);
		clone(orphan_child, stacks[0] + sizeof(stacks[0]),
		      CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
		_exit(2);
	}
	if (parent < 0)
		return;
	while (!__atomic_load_n(&orphanage->ready, __ATOMIC_SEQ_CST)) {
		if (waitpid(parent, NULL, WNOHANG) == parent)
			return;
		sleep_ms(1);
	}
	kill(parent, SIGKILL);
	/* The subreaper inherits the child. */
	while ((pid = waitpid(-1, NULL, 0)) > 0 || errno == EINTR)
		;
	if (__atomic_load_n(&orphanage->done, __ATOMIC_SEQ_CST))
		happened(ORPHAN);
}

static void forker(void)
{
	char *p = map(64 * PAGE, MAP_PRIVATE);
	pid_t pid;

	join_group(CGROUP "load/cgroup.procs");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!p)
		die("mmap");
	for (int i = 0; i < 16 && !stopped(); i++) {
		touch(p, 64 * PAGE);
		if (i % 4 == 0)
			madvise(p, 32 * PAGE, MADV_PAGEOUT);
		pid = fork_counted(FORK);
		if (!pid) {
			touch(p + 16 * PAGE, 32 * PAGE);
			check(0, "forked");
			if (i % 3 == 0)
				exec_self();
			_exit(0);
		}
		wait_for(pid, "fork");
		wait_for(vfork_counted(i % 2), "vfork");
		check(0, "forker");
		orphan(i % 2);
	}
}

/* A process whose memory others change: before, while and after it has threads. */
static char *target_memory;

static int target_thread(void *unused)
{
	(void)unused;
	touch(target_memory + 384 * PAGE, 32 * PAGE);
	while (true)
		pause();
	return 0;
}

static void target(int commands, int answers)
{
	char byte;

	settle();
	/* Not what others change. */
	munlock(target_memory, 512 * PAGE);
	madvise(target_memory, 512 * PAGE, MADV_DONTNEED);
	while (read(commands, &byte, 1) == 1) {
		if (byte == 'e')
			break;
		if (byte == 't') {
			start_thread(0, target_thread, NULL);
			start_thread(1, target_thread, NULL);
			touch(target_memory + 256 * PAGE, 64 * PAGE);
			madvise(target_memory + 256 * PAGE, 32 * PAGE, MADV_DONTNEED);
		}
		if (write(answers, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static bool write_other(pid_t pid, long first, long pages)
{
	static char zeros[16 * 4096];
	bool any = false;

	for (long i = first; i < first + pages; i += 16) {
		struct iovec from = { zeros, sizeof(zeros) };
		struct iovec to = { target_memory + i * PAGE, sizeof(zeros) };

		hop(i / 16);
		if (process_vm_writev(pid, &from, 1, &to, 1, 0) > 0) {
			happened(WRITEV);
			any = true;
		}
	}
	roam();
	return any;
}

static void remote(void)
{
	unsigned long seed = getpid() | 1;
	int commands[2], answers[2], pidfd;
	struct iovec some;
	char byte = 0;
	pid_t pid;

	join_group(CGROUP "load/cgroup.procs");
	target_memory = map(512 * PAGE, MAP_PRIVATE);
	if (!target_memory)
		die("mmap");
	for (int i = 0; i < 8 && !stopped(); i++) {
		if (pipe(commands) || pipe(answers))
			die("pipe");
		pid = fork_counted(FORK);
		if (!pid) {
			close(commands[1]);
			close(answers[0]);
			target(commands[0], answers[1]);
		}
		close(commands[0]);
		close(answers[1]);
		if (pid < 0)
			goto out;
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		if (write(commands[1], "a", 1) != 1 || read(answers[0], &byte, 1) != 1)
			goto killed;
		write_other(pid, 0, 64);
		check(pid, "written to, alone");
		some = (struct iovec){ target_memory, 64 * PAGE };
		if (syscall(SYS_process_madvise, pidfd, &some, 1, MADV_PAGEOUT, 0) > 0)
			happened(PMADVISE);
		check(pid, "paged out, alone");

		/* While its threads come to life, and the counters are activated. */
		if (write(commands[1], "t", 1) != 1)
			goto killed;
		if (write_other(pid, random_below(&seed, 4) * 16, 64))
			happened(WRITEV_CLONE);
		if (read(answers[0], &byte, 1) != 1)
			goto killed;
		some = (struct iovec){ target_memory + 256 * PAGE, 64 * PAGE };
		if (syscall(SYS_process_madvise, pidfd, &some, 1, MADV_PAGEOUT, 0) > 0)
			happened(PMADVISE);
		check(pid, "written to, threads");
killed:
		kill(pid, SIGKILL);
		if (byte == 't')
			happened(KILLED);
		if (!syscall(SYS_process_mrelease, pidfd, 0))
			happened(MRELEASE);
		wait_for(pid, "target");
		close(pidfd);
out:
		close(commands[1]);
		close(answers[0]);
	}
}

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

static void faulty(void)
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
#define TIGHT	CGROUP "tight/"
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

static void tight_group(void)
{
	for (int i = 0; i < 8 && !stopped(); i++)
		tighten(i % 3 == 1);
}

/*
 * A few small pages where huge ones are wanted, until khugepaged has found them
 * or for some seconds, or collapsed by the process itself.
 */
static void huge(void)
{
	for (int i = 0; i < 8 && !stopped(); i++) {
		char *p = map(2 * HUGE, MAP_PRIVATE), *aligned;
		long until = now_ms() + 5000, made;

		if (!p)
			die("mmap");
		aligned = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
		touch(aligned, 16 * PAGE);
		made = field(THP "khugepaged/pages_collapsed", "");
		madvise(aligned, HUGE, MADV_HUGEPAGE);
		if (i % 4 == 3 && !madvise(aligned, HUGE, MADV_COLLAPSE))
			happened(COLLAPSE);
		while (i % 4 != 3 && now_ms() < until && !stopped() &&
		       field(THP "khugepaged/pages_collapsed", "") == made)
			sleep_ms(20);
		check(0, "huge");
		madvise(aligned, 8 * PAGE, MADV_DONTNEED);
		check(0, "huge, split");
		munmap(p, 2 * HUGE);
	}
}

static bool set_online(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	if (field(path, "") == online || !try_put(path, online ? "1" : "0"))
		return false;
	happened(online ? ONLINE : OFFLINE);
	return true;
}

/* CPUs come and go, in each place of a few any of all that are possible. */
static void hotplug(void)
{
	int possible = sysconf(_SC_NPROCESSORS_CONF);
	unsigned long seed = now_ms() | 1;

	while (!stopped()) {
		int *place = &shared->cpus[1 + random_below(&seed, CPUS - 1)];
		int cpu = *place;

		if (cpu < 0) {
			cpu = 1 + random_below(&seed, possible - 1);
			if (set_online(cpu, true))
				__atomic_store_n(place, cpu, __ATOMIC_RELAXED);
		} else if (set_online(cpu, false)) {
			__atomic_store_n(place, -1, __ATOMIC_RELAXED);
		}
		sleep_ms(random_below(&seed, 50));
	}
}

#define APART	CGROUP "apart/"

/* A CPU is isolated, is all that a process has, and is shared again. */
static void partition(void)
{
	unsigned long seed = now_ms() | 1;
	char state[64], *p = map(MIB, MAP_PRIVATE);

	if (!p)
		die("mmap");
	while (!stopped()) {
		int cpu = __atomic_load_n(&shared->cpus[1 + random_below(&seed, CPUS - 1)],
					  __ATOMIC_RELAXED);

		/* What fails, as the CPU is offline by now, is tried with another one. */
		if (cpu > 0) {
			snprintf(state, sizeof(state), "%d\n", cpu);
			try_put(APART "cpuset.cpus", state);
			try_put(APART "cpuset.cpus.partition", "isolated\n");
			if (try_get(APART "cpuset.cpus.partition", state, sizeof(state)) > 0 &&
			    !strcmp(state, "isolated\n")) {
				happened(ISOLATED);
				try_put(APART "cgroup.procs", "0\n");
			}
		}
		touch(p, MIB);
		sleep_ms(random_below(&seed, 50));
		check(0, "isolated");
		join_group(CGROUP "cgroup.procs");
		try_put(APART "cpuset.cpus.partition", "member\n");
		madvise(p, MIB, MADV_DONTNEED);
	}
}

static struct worker {
	const char *name;
	void (*run)(void);
	pid_t pid;
} workers[] = {
	{ .name = "hotplug", .run = hotplug },
	{ .name = "partition", .run = partition },
	{ .name = "forker", .run = forker },
	{ .name = "remote", .run = remote },
	{ .name = "faulty", .run = faulty },
	{ .name = "tight", .run = tight_group },
	{ .name = "huge", .run = huge },
	{ .name = "mapper", .run = mapper },
	{ .name = "mapper", .run = mapper },
};
#define NR_WORKERS	(int)(sizeof(workers) / sizeof(*workers))

static void start(struct worker *worker)
{
	worker->pid = fork();
	if (worker->pid < 0)
		die("fork");
	if (!worker->pid) {
		prctl(PR_SET_NAME, worker->name);
		worker->run();
		_exit(0);
	}
}

/* Whether one of them ended. */
static bool reap(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return false;
	for (int i = 0; i < NR_WORKERS; i++) {
		if (workers[i].pid != pid)
			continue;
		workers[i].pid = 0;
		/* The memory cgroup may kill, nothing else. */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			shared->lost++;
		} else if (status) {
			say("# %s ended with status %#x\n", workers[i].name, status);
			failure("a worker ended badly");
		}
	}
	return true;
}

static void inject(const char *name, const char *times)
{
	static const char *const settings[][2] = {
		{ "task-filter", "Y" }, { "probability", "1" }, { "interval", "1" },
		{ "verbose", "0" }, { "ignore-gfp-wait", "N" },
	};
	char path[128];

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", name, settings[i][0]);
		put(path, settings[i][1]);
	}
	snprintf(path, sizeof(path), DEBUGFS "%s/times", name);
	put(path, times);
}

static const char *const caches[] = {
	"vm_area_struct", "mm_struct", "task_struct", "anon_vma", "anon_vma_chain",
	"maple_node", "signal_cache", "sighand_cache", "files_cache", "pid",
	"kmalloc-64", "kmalloc-128", "kmalloc-256", "kmalloc-1k", "kmalloc-4k",
	"kmalloc-cg-64", "kmalloc-cg-128", "kmalloc-cg-1k",
};

#define TIMES	"1000000000"

static void set_up_injection(void)
{
	char text[256];

	/* kmemleak's own objects are better not made to fail: it gives up. */
	put(DEBUGFS "failslab/cache-filter", "Y");
	for (unsigned int i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		snprintf(text, sizeof(text), "/sys/kernel/slab/%s/failslab", caches[i]);
		try_put(text, "1");
	}
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	inject("failslab", TIMES);
	inject("fail_page_alloc", TIMES);

	/* Each third activation, of whatever process. */
	put(FAIL_FUNCTION "inject", "percpu_counter_tree_activate_many");
	put(FAIL_FUNCTION "percpu_counter_tree_activate_many/retval", "0xfffffffffffffff4");
	put(FAIL_FUNCTION "verbose", "0");
	put(FAIL_FUNCTION "interval", "1");
	put(FAIL_FUNCTION "probability", "33");
	put(FAIL_FUNCTION "times", TIMES);
}

static void set_up(void)
{
	static const char *const probes[] = {
		"percpu_counter_tree_activate_many", "percpu_counter_tree_init_many",
	};
	char text[256];

	if (system("mkswap /dev/ram0 >/dev/null") || swapon("/dev/ram0", 0))
		die("swap");
	if (system("dd if=/dev/urandom of=" DATA " bs=4096 count=64 2>/dev/null"))
		die(DATA);
	put("/proc/sys/vm/oom_dump_tasks", "0");
	/* Warnings, but no tables of figures whenever memory is short. */
	put("/proc/sys/kernel/printk", "5");
	try_put("/proc/sys/kernel/hung_task_timeout_secs", "90");
	put(THP "enabled", "madvise");
	put(THP "khugepaged/scan_sleep_millisecs", "0");
	put(THP "khugepaged/alloc_sleep_millisecs", "0");
	put(THP "khugepaged/pages_to_scan", "512");
	put(KSM "sleep_millisecs", "0");
	put(KSM "run", "1");
	if (mkdir(CGROUP "load", 0755) || mkdir(CGROUP "tight", 0755) || mkdir(CGROUP "apart", 0755))
		die("cgroups");
	put_number(CGROUP "load/memory.max", 6 * MIB);
	put(TIGHT "memory.swap.max", "0");

	have_injection = !access(DEBUGFS "failslab", F_OK) &&
			 !access(DEBUGFS "fail_page_alloc", F_OK) &&
			 !access(FAIL_FUNCTION, F_OK);
	if (have_injection)
		set_up_injection();

	/* Both are traced: only those that fail; all are in the profile. */
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "r:stress/probe%d %s ret=$retval:s32\n", i,
			 probes[i]);
		if (!try_put(TRACING "kprobe_events", text)) {
			say("# no function %s\n", probes[i]);
			continue;
		}
		have_probes = true;
		snprintf(text, sizeof(text), TRACING "events/stress/probe%d/filter", i);
		put(text, "ret!=0");
		snprintf(text, sizeof(text), TRACING "events/stress/probe%d/enable", i);
		put(text, "1");
	}
	have_kmemleak = try_put(DEBUGFS "kmemleak", "clear");
}

static long injected(const char *times)
{
	return atol(TIMES) - field(times, "");
}

/* The counts of the kernel. */
static void take_counts(long *count)
{
	const char *entries;
	long n = 0;

	count[SWAPOUT] = field("/proc/vmstat", "pswpout ");
	count[SWAPIN] = field("/proc/vmstat", "pswpin ");
	count[KHUGEPAGED] = field(THP "khugepaged/pages_collapsed", "");
	count[RECLAIM] = field(CGROUP "load/memory.events", "max ");
	count[INJECTED_PAGE] = injected(DEBUGFS "fail_page_alloc/times");
	count[INJECTED_SLAB] = injected(DEBUGFS "failslab/times");
	count[ACTIVATED] = 0;
	if (try_get(TRACING "kprobe_profile", smaps_text, sizeof(smaps_text)) > 0)
		for (char *at = smaps_text; (at = strstr(at, "probe")); at += 6)
			count[ACTIVATED] += atol(at + 6);
	entries = "entries-in-buffer/entries-written: ";
	if (try_get(TRACING "trace", smaps_text, sizeof(smaps_text)) > 0) {
		char *at = strstr(smaps_text, entries);

		at = at ? strchr(at + strlen(entries), '/') : NULL;
		if (at)
			n = atol(at + 1);
	}
	count[ACTIVATED] -= n;
	/* What is made to fail does not reach the probes. */
	count[NOT_ACTIVATED] = n + (have_injection ? injected(FAIL_FUNCTION "times") : 0);
}

/* Whether the kernel is configured so that such events can be had or seen. */
static bool possible(enum kind kind)
{
	switch (kind) {
	case FAILED_MAP:
	case INJECTED_PAGE:
	case INJECTED_SLAB:
	case NOT_ACTIVATED:
		return have_injection;
	case ACTIVATED:
		return have_probes;
	default:
		return true;
	}
}

static bool result(bool ok, const char *name)
{
	say("%sok - %s\n", ok ? "" : "not ", name);
	return ok;
}

/* What is not reachable any more, where the counters or the mm were allocated. */
static bool no_leaks(void)
{
	static const char *const ours[] = {
		"percpu_counter_tree", "mm_init", "copy_mm", "dup_mm", "mm_alloc",
	};
	static char text[1 * MIB];
	char *entry, *next;
	bool ok = true;
	int leaks = 0;

	/* An object counts from the second scan that did not find it. */
	for (int i = 0; i < 3; i++) {
		sleep_ms(6000);
		if (!try_put(DEBUGFS "kmemleak", "scan")) {
			failure("kmemleak does not scan");
			return false;
		}
	}
	if (try_get(DEBUGFS "kmemleak", text, sizeof(text)) < 0) {
		failure("kmemleak cannot be read");
		return false;
	}
	for (entry = strstr(text, "unreferenced object"); entry; entry = next) {
		next = strstr(entry + 1, "unreferenced object");
		if (next)
			next[-1] = 0;
		leaks++;
		for (unsigned int i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
			if (!strstr(entry, ours[i]))
				continue;
			ok = false;
			break;
		}
		if (leaks <= 20)
			say("# %.480s\n", entry);
	}
	say("# kmemleak: %d objects\n", leaks);
	return ok;
}

int main(int argc, char **argv)
{
	const char *duration = getenv("DURATION");
	long began, percpu, seconds = duration ? atol(duration) : 180, last = 0;
	bool ok = true, all_ended;
	int fd, left = 0;
	long merged;

	if (argc == 3 && !strcmp(argv[1], "executed"))
		return executed(argv[2]);

	/* In a file system whose pages are never those of tmpfs. */
	if (argc == 1) {
		mkdir("/mnt/ram", 0755);
		if (mount("ramfs", "/mnt/ram", "ramfs", 0, NULL) ||
		    system("cp /proc/$PPID/exe " SELF)) {
			printf("not ok - copy of the program\n");
			return 1;
		}
		execl(SELF, SELF, "run", NULL);
		printf("not ok - exec\n");
		return 1;
	}

	fd = memfd_create("stress", 0);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)))
		return 1;
	snprintf(shared_fd, sizeof(shared_fd), "%d", fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	orphanage = map(PAGE, MAP_SHARED);
	tight = map(PAGE, MAP_SHARED);
	if (shared == MAP_FAILED || !orphanage || !tight)
		return 1;

	for (int i = 0; i < CPUS; i++)
		shared->cpus[i] = i;
	set_up();
	percpu = field("/proc/meminfo", "Percpu:");
	check(0, "before");
	began = now_ms();
	for (int i = 0; i < NR_WORKERS; i++)
		start(&workers[i]);
	while (now_ms() - began < seconds * 1000) {
		sleep_ms(50);
		while (reap())
			;
		for (int i = 0; i < NR_WORKERS; i++)
			if (!workers[i].pid)
				start(&workers[i]);
		merged = field(KSM "pages_sharing", "");
		if (merged > shared->count[MERGED])
			shared->count[MERGED] = merged;
		if ((now_ms() - began) / 10000 > last) {
			last = (now_ms() - began) / 10000;
			say("# %ld s, %ld comparisons, %ld retries, %ld failures\n",
			    last * 10, shared->count[CHECK_SELF] +
			    shared->count[CHECK_OTHER], shared->checks_retried,
			    shared->failures);
		}
	}
	shared->stop = 1;
	do {
		sleep_ms(50);
		while (reap())
			;
		left = 0;
		for (int i = 0; i < NR_WORKERS; i++)
			left += !!workers[i].pid;
	} while (left && now_ms() - began < seconds * 1000 + 180000);
	all_ended = !left;
	for (int i = 0; i < NR_WORKERS && left; i++)
		if (workers[i].pid)
			say("# still there: %s, pid %d\n", workers[i].name, workers[i].pid);
	take_counts(shared->count);
	check(0, "after");
	put(KSM "run", "2");

	say("# processes killed by the limit of their group, or for want of memory: %ld\n",
	    shared->lost);
	say("# comparisons repeated: %ld\n", shared->checks_retried);
	say("# per-CPU memory: %ld kB before, %ld kB after\n", percpu,
	    field("/proc/meminfo", "Percpu:"));
	for (int i = 0; i < NR_KINDS; i++) {
		char line[128];

		if (!possible(i)) {
			say("ok - happened: %s # SKIP not in this kernel\n", kind_text[i]);
			continue;
		}
		snprintf(line, sizeof(line), "happened: %s: %ld", kind_text[i],
			 shared->count[i]);
		ok &= result(shared->count[i] > 0, line);
	}
	ok &= result(all_ended, "all processes ended");
	if (have_kmemleak)
		ok &= result(no_leaks(), "kmemleak finds nothing of the counters");
	else
		say("ok - kmemleak # SKIP not in this kernel\n");
	ok &= result(!shared->failures, "counters equal what the page tables hold");
	return !ok;
}
