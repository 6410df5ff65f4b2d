// SPDX-License-Identifier: GPL-2.0
/*
 * How far the cheap reading of resident pages is off, while a process of a few
 * threads hops over all CPUs: first it grows, then it goes up and down, then
 * one thread frees it all. What is read cheaply is the RSS in the stat file of
 * a task; VmRSS is precise. Nothing changes while they are read.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "figures.h"
#include "tasks.h"

#define WORKERS	4
#define STEPS	240
#define MOST	200

static atomic_int step, finished;
static char *memory[WORKERS];
static long pages[WORKERS], room;

/* The same numbers on each kernel. */
static unsigned int random_below(unsigned int n)
{
	static _Thread_local unsigned int state = 1;

	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

static void grow(int nr, long n)
{
	touch(memory[nr] + pages[nr] * PAGE, n * PAGE);
	pages[nr] += n;
}

static void shrink(int nr, long n)
{
	n = n < pages[nr] ? n : pages[nr];
	pages[nr] -= n;
	if (n && madvise(memory[nr] + pages[nr] * PAGE, n * PAGE, MADV_DONTNEED))
		die("madvise");
}

static void *hop(void *arg)
{
	int nr = (long)arg;

	for (int i = 1; i <= STEPS; i++) {
		unsigned int n = 1 + random_below(MOST);

		while (step < i)
			usleep(100);
		pin((i * WORKERS + nr) % cpus);
		if (i <= STEPS / 3)
			grow(nr, n);
		else if (i > STEPS * 2 / 3)
			for (int other = 0; !nr && other < WORKERS; other++)
				shrink(other, MOST);
		else if (random_below(2) && pages[nr] + n < room)
			grow(nr, n);
		else
			shrink(nr, n);
		finished++;
	}
	return NULL;
}

/* The 24th field; the second one is a name in brackets. */
static long cheap_rss(const char *stat)
{
	char *at = strrchr(get(stat), ')');

	for (int i = 2; at && i < 24; i++)
		at = strchr(at + 1, ' ');
	return at ? atol(at + 1) * PAGE / KIB : -1;
}

int main(void)
{
	char stat[64];
	pthread_t thread;

	prepare_figures();
	snprintf(stat, sizeof(stat), "/proc/self/task/%d/stat", getpid());
	room = STEPS * MOST;
	for (long nr = 0; nr < WORKERS; nr++) {
		memory[nr] = map(room * PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
		if (pthread_create(&thread, NULL, hop, (void *)nr))
			die("pthread_create");
	}
	get("/proc/self/status");
	for (int i = 1; i <= STEPS; i++) {
		int used = (i + 1) * WORKERS;

		finished = 0;
		step = i;
		while (finished < WORKERS)
			usleep(100);
		printf("hop %d %d %ld %ld\n", i, used < cpus ? used : cpus,
		       field("/proc/self/status", "VmRSS:"), cheap_rss(stat));
	}
	return 0;
}
