/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the programs here take figures, which they print as lines "name value".
 * Costs are differences of the time stamp counter (on arm64, of the timer),
 * which counts instructions where QEMU runs with -icount shift=0, or of the time
 * in ns if FIGURES_IN_TIME is defined. Each is the mean of the middle half of
 * many repeats of a known piece of work. That leaves out the rounds which a
 * timer tick or RCU got into, and unlike a median does not jump between the two
 * or three costs that a fork has, depending on what the slab caches hold.
 * With FIGURES_IN_TIME the machine is a real one that others use, too: the
 * programs trace in an instance that the caller makes, and leave the rest of
 * the machine alone.
 * A figure that cannot be taken is not printed. One that makes no sense on
 * this machine is printed as "-".
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef FIGURES_IN_TIME
static const bool in_time = true;
static long page_size;
#define PAGE	page_size
#define TRACING	"/sys/kernel/tracing/instances/rss_figures/"
#else
#ifdef __x86_64__
#include <x86intrin.h>
#endif
static const bool in_time;
#define PAGE	4096L
#define TRACING	"/sys/kernel/tracing/"
#endif

#define KIB	1024L
#define MIB	(1024 * KIB)
#define TABLE	(PAGE / 8 * PAGE)
#define ROUNDS	500
#define WARM_UP	10

/* Whether a child has: what main() returns. */
static int failed;
static char text[255 * 1024];
static uint64_t took[ROUNDS];
/* The CPUs that may be used, for up to 8192 of them. */
static cpu_set_t allowed[8];
/* How many these are, and which of them the programs run on. */
static int cpus, home;

static inline void die(const char *what)
{
	printf("failed %s: %s\n", what, strerror(errno));
	exit(1);
}

#include "files.h"

/* Read a whole file into text. */
static inline char *get(const char *path)
{
	if (try_get(path, text, sizeof(text)) < 0)
		die(path);
	return text;
}

static inline long field(const char *path, const char *name)
{
	return number(get(path), name);
}

static inline void clear_trace(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	if (fd < 0)
		die(TRACING "trace");
	close(fd);
}

/* To one of the CPUs that may be used, which are counted from 0. */
static inline void pin(int nr)
{
	cpu_set_t set[8];
	int cpu = 0;

	while (!CPU_ISSET_S(cpu, sizeof(allowed), allowed) || nr--)
		cpu++;
	CPU_ZERO_S(sizeof(set), set);
	CPU_SET_S(cpu, sizeof(set), set);
	if (sched_setaffinity(0, sizeof(set), set))
		die("sched_setaffinity");
}

static inline void unpin(void)
{
	if (sched_setaffinity(0, sizeof(allowed), allowed))
		die("sched_setaffinity");
}

static inline uint64_t now(void)
{
#ifdef FIGURES_IN_TIME
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
#elif defined(__aarch64__)
	uint64_t count;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	return count;
#else
	unsigned int aux;

	return __rdtscp(&aux);
#endif
}

/* Wait a little; in QEMU another CPU goes on at once. */
static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("yield" : : : "memory");
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

static inline int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The mean of the middle half of the first n of took[]. */
static inline uint64_t middle(int n)
{
	uint64_t sum = 0;

	qsort(took, n, sizeof(*took), compare);
	for (int i = n / 4; i < n - n / 4; i++)
		sum += took[i];
	return sum / (n - n / 4 * 2);
}

static inline void *map(long bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

/* Memory that one page table serves, and nothing else is in that. */
static inline char *map_table(void)
{
	char *p = map(2 * TABLE, MAP_PRIVATE | MAP_ANONYMOUS);
	long before = -(uintptr_t)p % TABLE;

	munmap(p, before);
	munmap(p + before + TABLE, TABLE - before);
	return p + before;
}

static inline char *map_private(long bytes)
{
	return map(bytes, MAP_PRIVATE | MAP_ANONYMOUS);
}

static inline void touch(volatile char *p, long bytes)
{
	for (long i = 0; i < bytes; i += PAGE)
		p[i] = 1;
}

/* So that this process stays small, and single-threaded. */
static inline void in_child(void (*work)(void))
{
	int status = 1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		work();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		failed = 1;
}

/* Open, read and close a file of /proc. */
static inline uint64_t file_cost(const char *path)
{
	char buffer[8192];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now();
		int fd = open(path, O_RDONLY);

		if (fd < 0 || read(fd, buffer, sizeof(buffer)) <= 0)
			die(path);
		close(fd);
		took[i] = now() - start;
	}
	return middle(ROUNDS);
}

/*
 * Few enough pages that most rounds see no timer tick, and that the CPU's own
 * lists of free pages serve them. The page table stays.
 */
static inline uint64_t fault_cost(void)
{
	const int pages = 64;
	char *p = map(pages * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);

	touch(p, pages * PAGE);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start;

		if (madvise(p, pages * PAGE, MADV_DONTNEED))
			die("madvise");
		start = now();
		touch(p, pages * PAGE);
		took[i] = (now() - start) / pages;
	}
	munmap(p, pages * PAGE);
	return middle(ROUNDS);
}

static inline void usage_of_process(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		die("getrusage");
}

static inline void usage_of_thread(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage))
		die("getrusage");
}

/* What work costs each time, without what has to be done before. */
static inline uint64_t cost(void (*before)(void), void (*work)(void), int rounds)
{
	for (int i = -WARM_UP; i < rounds; i++) {
		uint64_t start;

		if (before)
			before();
		start = now();
		work();
		if (i >= 0)
			took[i] = now() - start;
	}
	return middle(rounds);
}

static inline void show_cost(const char *name, const char *which, uint64_t value)
{
	printf("%s%s %lu\n", name, which, value);
}

/*
 * Run for a few timer ticks in user mode: what getrusage() costs depends on
 * whether a tick has ever found the process there.
 */
static inline void use_time(void)
{
	uint64_t start = now();

	while (now() - start < 12 * 1000 * 1000)
		;
}

/* Arguments with which a program executes itself again, to end at once. */
static inline char **this_program(void)
{
	static char *argv[] = { text, "0", NULL };
	ssize_t length = readlink("/proc/self/exe", text, sizeof(text) - 1);

	if (length < 0)
		die("/proc/self/exe");
	text[length] = 0;
	return argv;
}

/*
 * Every program begins with this. The first CPU is left to the chores of the
 * kernel.
 */
static inline void prepare_figures(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef FIGURES_IN_TIME
	page_size = sysconf(_SC_PAGESIZE);
#endif
	if (sched_getaffinity(0, sizeof(allowed), allowed))
		die("sched_getaffinity");
	cpus = CPU_COUNT_S(sizeof(allowed), allowed);
	home = cpus > 1;
	pin(home);
	memset(took, 1, sizeof(took));
}
