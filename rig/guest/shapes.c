// SPDX-License-Identifier: GPL-2.0
/*
 * What the loops cost with which will-it-scale finds contention, for as many
 * processes and for as many threads as there are CPUs, per page or call; and
 * what it costs to create a thread, run it and wait for its end.
 *
 * The loops are those of page_fault1 (anonymous memory), page_fault2 (a private
 * mapping of a file), page_fault3 (a shared one), brk1 and malloc1, on less
 * memory. All tasks begin a round together, and a round ends with the last one.
 * In time a figure is that of a round, in which all tasks do it at once.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "figures.h"
#include "tasks.h"

#define ROUND_PAGES	64L
#define ROUND_CALLS	16
#define IN_TIME		100
#define CREATIONS	40

/* What all tasks see. */
static struct {
	atomic_int phase, finished, ready;
} *shared;
/* One for each task: else all would wait for the locks of one. */
static _Thread_local int file;
/* Fewer where more tasks take part; the first two are to warm up. */
static int rounds;

static void map_touch_unmap(int flags, int fd)
{
	char *p = mmap(NULL, ROUND_PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	touch(p, ROUND_PAGES * PAGE);
	if (munmap(p, ROUND_PAGES * PAGE))
		die("munmap");
}

static void page_fault1(void)
{
	map_touch_unmap(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void page_fault2(void)
{
	map_touch_unmap(MAP_PRIVATE, file);
}

static void page_fault3(void)
{
	map_touch_unmap(MAP_SHARED, file);
}

/* Threads move each other's break; each call is still one up or one down. */
static void brk1(void)
{
	for (int i = 0; i < ROUND_CALLS; i++) {
		char *at = (char *)syscall(SYS_brk, 0);

		syscall(SYS_brk, at + PAGE);
		syscall(SYS_brk, at);
	}
}

static void malloc1(void)
{
	for (int i = 0; i < ROUND_CALLS; i++) {
		volatile char *p = malloc(MIB);

		if (!p)
			die("malloc");
		*p = 1;
		free((void *)p);
	}
}

static const struct shape {
	const char *name;
	void (*work)(void);
	int units;
} shapes[] = {
	{ "page_fault1", page_fault1, ROUND_PAGES },
	{ "page_fault2", page_fault2, ROUND_PAGES },
	{ "page_fault3", page_fault3, ROUND_PAGES },
	{ "brk1", brk1, 2 * ROUND_CALLS },
	{ "malloc1", malloc1, ROUND_CALLS },
};

static const struct shape *shape;

/* In time a round is so long that its beginning and its end do not count. */
static void work(void)
{
	for (int i = 0; i < (in_time ? IN_TIME : 1); i++)
		shape->work();
}

static void open_file(void)
{
	file = memfd_create("shapes", 0);
	if (file < 0 || ftruncate(file, ROUND_PAGES * PAGE))
		die("memfd_create");
}

static void *repeat(void *cpu)
{
	pin((long)cpu);
	open_file();
	shared->ready++;
	for (int i = 1; i <= rounds + 2; i++) {
		while (shared->phase < i)
			relax();
		work();
		shared->finished++;
	}
	return NULL;
}

/* One task on each CPU but that of this one, which takes its part, too. */
static void measure_shape(bool threads)
{
	int tasks = cpus, repeats = in_time ? IN_TIME : 1;
	pthread_t thread;
	pid_t pid;

	/* Threads share the table of open files; if one fails, all would wait for ever. */
	alarm(in_time ? 600 : 0);
	memset(shared, 0, sizeof(*shared));
	for (long cpu = 0; cpu < cpus; cpu++) {
		if (cpu == home)
			continue;
		if (threads) {
			if (pthread_create(&thread, NULL, repeat, (void *)cpu))
				die("pthread_create");
			continue;
		}
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			repeat((void *)cpu);
			_exit(0);
		}
		if (pid < 0)
			die("fork");
	}
	while (shared->ready < tasks - 1)
		sched_yield();
	for (int i = 1; i <= rounds + 2; i++) {
		uint64_t start = now();

		shared->finished = 0;
		shared->phase = i;
		work();
		shared->finished++;
		while (shared->finished < tasks)
			relax();
		/* Instructions are those of all CPUs, time is not. */
		if (i > 2)
			took[i - 3] = (now() - start) /
				      ((in_time ? 1 : tasks) * repeats * shape->units);
	}
	printf("%s_%s %lu\n", shape->name, threads ? "threads" : "processes",
	       middle(rounds));
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void of_processes(void)
{
	measure_shape(false);
}

static void of_threads(void)
{
	measure_shape(true);
}

static void *return_at_once(void *unused)
{
	return unused;
}

static uint64_t create_and_join(void)
{
	uint64_t start = now();
	pthread_t thread;

	if (pthread_create(&thread, NULL, return_at_once, NULL) ||
	    pthread_join(thread, NULL))
		die("pthread_create");
	return now() - start;
}

/* The first thread of a process, and then one more. */
static void threads(void)
{
	uint64_t (*cost)[2] = map(CREATIONS * sizeof(*cost), MAP_SHARED | MAP_ANONYMOUS);
	static const char *const names[] = { "thread_first", "thread_next" };

	for (int i = 0; i < CREATIONS; i++) {
		pid_t pid = fork();

		if (!pid) {
			cost[i][0] = create_and_join();
			cost[i][1] = create_and_join();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			die("fork");
	}
	for (int which = 0; which < 2; which++) {
		for (int i = 0; i < CREATIONS; i++)
			took[i] = cost[i][which];
		printf("%s %lu\n", names[which], middle(CREATIONS));
	}
}

int main(void)
{
	struct rlimit files;

	prepare_figures();
	rounds = in_time ? 9 : cpus < 8 ? 64 : cpus < 64 ? 512 / cpus : 8;
	/* A file for each thread. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	/* No heap, which would keep what malloc1 frees. */
	mallopt(M_MMAP_THRESHOLD, 128 * KIB);
	shared = map(PAGE, MAP_SHARED | MAP_ANONYMOUS);
	open_file();
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		shape = &shapes[i];
		in_child(of_processes);
		in_child(of_threads);
	}
	threads();
	return failed;
}
