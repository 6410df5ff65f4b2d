// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to swap a page out and in again, for a process of one thread
 * and for one that has used all CPUs; and how many updates of resident pages
 * are made by another task, where processes compete for memory. Needs swap.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "figures.h"
#include "tasks.h"

#define PAGES		256
#define SWAPS		20
#define CGROUP		"/sys/fs/cgroup/swap/"
#define RIVALS		4
#define RIVAL_SIZE	(4 * MIB)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

static void swap_cost(const char *which)
{
	uint64_t in[SWAPS];
	char *p = map(PAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);

	for (int i = 0; i < SWAPS; i++) {
		uint64_t start;

		touch(p, PAGES * PAGE);
		start = now();
		if (madvise(p, PAGES * PAGE, MADV_PAGEOUT))
			die("MADV_PAGEOUT");
		took[i] = (now() - start) / PAGES;
		if (field("/proc/self/status", "VmSwap:") < PAGES * PAGE / KIB * 9 / 10)
			die("pages were not swapped out");
		start = now();
		touch(p, PAGES * PAGE);
		in[i] = (now() - start) / PAGES;
	}
	printf("swap_out%s %lu\n", which, middle(SWAPS));
	memcpy(took, in, sizeof(in));
	printf("swap_in%s %lu\n", which, middle(SWAPS));
}

static void single(void)
{
	swap_cost("");
}

static void on_all_cpus(void)
{
	for (int i = 0; i < cpus; i++)
		park_on(i);
	swap_cost("_threaded");
}

static void compete(int nr)
{
	char *p = map(RIVAL_SIZE, MAP_PRIVATE | MAP_ANONYMOUS);

	pin(nr % cpus);
	put_number(CGROUP "cgroup.procs", getpid());
	for (int i = 0; i < 2; i++)
		touch(p, RIVAL_SIZE);
}

/*
 * In a group with room for half of what its processes touch. The event says of
 * each update whether it is the current task's own memory.
 */
static void remote_updates(void)
{
	const char *const event = TRACING "events/kmem/rss_stat/enable";
	long own = 0, others = 0;
	char line[512];
	FILE *trace;

	if (mkdir(CGROUP, 0755))
		die(CGROUP);
	put_number(CGROUP "memory.max", RIVALS * RIVAL_SIZE / 2);
	put(TRACING "buffer_size_kb", "8192");
	clear_trace();
	if (!try_put(event, "1"))
		return;
	stop_tasks(start_tasks(RIVALS, compete), RIVALS);
	put(event, "0");
	trace = fopen(TRACING "trace", "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		own += strstr(line, " curr=1 ") != NULL;
		others += strstr(line, " curr=0 ") != NULL;
	}
	if (trace)
		fclose(trace);
	clear_trace();
	put(TRACING "buffer_size_kb", "1408");
	rmdir(CGROUP);
	printf("remote_updates %ld %ld\n", others, own + others);
}

int main(void)
{
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	in_child(single);
	in_child(on_all_cpus);
	in_child(remote_updates);
	return failed;
}
