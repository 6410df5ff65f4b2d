// SPDX-License-Identifier: GPL-2.0
/*
 * What system calls and files of /proc cost that look at resident pages, or at
 * their peak: for a process of one thread, and for one that has used all CPUs.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "figures.h"
#include "tasks.h"

/* Older headers do not have them. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif

#define CALLS		200
#define RANGES		64
#define MOVED		64
#define MOVES		50
#define CREATIONS	80
#define CREATED		16
#define BELOW		(64 * MIB)
#define GROWN		16
#define GROWTHS		250

/* The pages that all this is done to. */
static char *place, *ranges, *moved, *growing;
static struct iovec range[RANGES];
static int self;
/* What a child of this program tells another one. */
static uint64_t *gathered;

/*
 * A place for one page. The pages on both sides of it are not mapped, so that
 * mapping it merges nothing. Others further away keep the page table.
 */
static char *make_place(void)
{
	char *p = map_table();

	touch(p, 5 * PAGE);
	if (munmap(p + PAGE, 3 * PAGE))
		die("munmap");
	return p + 2 * PAGE;
}

static void touch_ranges(void)
{
	touch(ranges, 2 * RANGES * PAGE);
}

/* Called last of all preparations, so that the process is at its peak then. */
static void prepare_pages(void)
{
	place = make_place();
	ranges = map_private(2 * RANGES * PAGE);
	touch_ranges();
	moved = map_private(MOVED * PAGE);
	touch(moved, MOVED * PAGE);
	for (int i = 0; i < RANGES; i++)
		range[i] = (struct iovec){ ranges + 2 * i * PAGE, PAGE };
	self = syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0)
		die("pidfd_open");
}

static void map_and_unmap(void)
{
	if (mmap(place, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != place)
		die("mmap");
	touch(place, PAGE);
	if (munmap(place, PAGE))
		die("munmap");
}

static void dontneed(void)
{
	touch(ranges, PAGE);
	if (madvise(ranges, PAGE, MADV_DONTNEED))
		die("madvise");
}

/* One page less, while there are more and more. */
static void grow(void)
{
	touch(growing, GROWN * PAGE);
	if (madvise(growing, PAGE, MADV_DONTNEED))
		die("madvise");
	growing += GROWN * PAGE;
}

static void advise_ranges(void)
{
	if (syscall(SYS_process_madvise, self, range, RANGES, MADV_DONTNEED, 0) != RANGES * PAGE)
		die("process_madvise");
}

/*
 * To the other one of the first two nodes. All in one call, as a call waits
 * for RCU and for all CPUs, which costs several times what moving a page does.
 */
static void move(void)
{
	int node[MOVED], status[MOVED];
	void *page[MOVED];
	static int to;

	to = !to;
	for (int i = 0; i < MOVED; i++) {
		page[i] = moved + i * PAGE;
		node[i] = to;
	}
	if (syscall(SYS_move_pages, 0, MOVED, page, node, status, MPOL_MF_MOVE) ||
	    status[0] != to)
		die("move_pages");
}

/* The mean of all rounds, as only some of them take a sum. */
static uint64_t mean_cost(void (*work)(void), int rounds)
{
	uint64_t start = now();

	for (int i = 0; i < rounds; i++)
		work();
	return (now() - start) / rounds;
}

static void calls(const char *which)
{
	show_cost("dontneed", which, cost(NULL, dontneed, CALLS));
	show_cost("munmap", which, cost(NULL, map_and_unmap, CALLS));
	show_cost("madvise_64", which, cost(touch_ranges, advise_ranges, CALLS));
	touch_ranges();
	use_time();
	show_cost("rusage_self", which, cost(NULL, usage_of_process, CALLS));
	show_cost("rusage_thread", which, cost(NULL, usage_of_thread, CALLS));
}

static void single(void)
{
	prepare_pages();
	calls("");
	show_cost("stat", "", file_cost("/proc/self/stat"));
}

/* As many threads, which all run on the CPU of this one. */
static void on_one_cpu(void)
{
	for (int i = 0; i < cpus; i++)
		park_on(home);
	prepare_pages();
	*gathered = file_cost("/proc/self/stat");
}

static void on_all_cpus(void)
{
	static const char which[] = "_threaded";
	uint64_t spread;
	char *p;

	use_all_cpus();
	prepare_pages();
	spread = file_cost("/proc/self/stat");
	show_cost("stat", which, spread);
	if (cpus > 1 && *gathered)
		printf("walk_per_cpu %ld\n", (long)(spread - *gathered) / (cpus - 1));
	else if (cpus == 1)
		printf("walk_per_cpu -\n");
	show_cost("status", which, file_cost("/proc/self/status"));
	show_cost("statm", which, file_cost("/proc/self/statm"));
	calls(which);
	if (access("/sys/devices/system/node/node1", F_OK))
		printf("move_pages_threaded -\n");
	else
		show_cost("move_pages", which, cost(NULL, move, MOVES) / MOVED);
	growing = map_private(GROWN * GROWTHS * PAGE);
	show_cost("dontneed_growing", which, mean_cost(grow, GROWTHS));
	/* From here on the process stays below its peak. */
	p = map_private(BELOW);
	touch(p, BELOW);
	munmap(p, BELOW);
	show_cost("dontneed_below", which, cost(NULL, dontneed, CALLS));
}

static void *touch_a_page(void *page)
{
	touch(page, PAGE);
	return NULL;
}

/*
 * A process that creates threads, each of which touches a page and exits, on
 * whichever CPUs the scheduler takes.
 */
static void create_threads(void)
{
	pid_t pid = fork();

	if (!pid) {
		char *pages = map_private(CREATED * PAGE);
		pthread_t thread[CREATED];

		unpin();
		for (int i = 0; i < CREATED; i++)
			if (pthread_create(&thread[i], NULL, touch_a_page, pages + i * PAGE))
				_exit(1);
		for (int i = 0; i < CREATED; i++)
			pthread_join(thread[i], NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("fork");
}

int main(void)
{
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	gathered = map(PAGE, MAP_SHARED | MAP_ANONYMOUS);
	in_child(single);
	in_child(on_one_cpu);
	in_child(on_all_cpus);
	show_cost("threads", "", cost(NULL, create_threads, CREATIONS));
	return failed;
}
