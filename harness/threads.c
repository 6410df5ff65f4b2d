// SPDX-License-Identifier: GPL-2.0-only
/* Real threads, for the sanitizer of threads: each owns some of the CPUs. */
#include "harness.h"
#include <unistd.h>

#define ADDERS	4	/* at most */
static struct { unsigned long done, begun; } __attribute__((aligned(64))) progress[ADDERS];
static unsigned int running, adders, reading;
/* Of the possible CPUs, each thread owns every @adders'th. */
static _Thread_local unsigned int thread, in_hook;

static void thread_hook(void)
{
	if (in_hook)
		return;
	in_hook = 1;
	if (!shim_preempt && !below(8))
		shim_cpu = cpu_list[thread + adders *
				    below(DIV_ROUND_UP(nr_list - thread, adders))];
	/* An interrupt. */
	if (!below(32)) {
		shim_preempt++;
		percpu_counter_tree_add(&group[1], below(2) ? 1 : -1);
		percpu_counter_tree_add(&group[1], 0);
		shim_preempt--;
	}
	in_hook = 0;
}

static void *adder(void *arg)
{
	unsigned int steps = full ? 30000 : 6000;
	long inc, total = 0;

	thread = (uintptr_t)arg;
	rnd_seed(test_seed + thread);
	shim_cpu = cpu_list[thread];
	shim_hook = thread_hook;
	/* Readers see the group before it is active. */
	while (__atomic_load_n(&reading, __ATOMIC_RELAXED) < 2)
		usleep(100);
	while (steps--) {
		if (steps % 4096 == 2048 - thread)
			CHECK(!percpu_counter_tree_activate_many(group, n, GFP_KERNEL), "activate");
		inc = below(below(4) ? 3 : 20 * batch);
		__atomic_fetch_add(&progress[thread].begun, inc, __ATOMIC_RELEASE);
		percpu_counter_tree_add(&group[0], inc);
		__atomic_fetch_add(&progress[thread].done, inc, __ATOMIC_RELEASE);
		inc = some_inc();
		percpu_counter_tree_add(&group[2], inc);
		total += inc;
	}
	__atomic_fetch_add(&ref[2], total, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *reader(void *arg)
{
	unsigned long before, after;
	unsigned int i, read = 0;
	long sum;

	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		for (before = i = 0; i < ADDERS; i++)
			before += __atomic_load_n(&progress[i].done, __ATOMIC_ACQUIRE);
		sum = percpu_counter_tree_precise_sum(&group[0]);
		__atomic_fetch_add(&reading, !read++, __ATOMIC_RELAXED);
		for (after = i = 0; i < ADDERS; i++)
			after += __atomic_load_n(&progress[i].begun, __ATOMIC_ACQUIRE);
		CHECK((unsigned long)sum >= before && (unsigned long)sum <= after,
		      "precise sum %ld, while it went from %lu to %lu", sum, before, after);
	}
	return arg;
}

static void *others(void *arg)
{
	long approx, min, max;
	unsigned int i;

	rnd_seed(test_seed);
	for (i = 0; __atomic_load_n(&running, __ATOMIC_ACQUIRE); i++) {
		percpu_counter_tree_approximate_min_max(&group[below(n)], &approx, &min, &max);
		if (i % 64 == 50 && __atomic_load_n(&reading, __ATOMIC_RELAXED) == 2)
			CHECK(!percpu_counter_tree_activate_many(group, n, GFP_KERNEL), "activate");
		if (i % 64 == 0)
			percpu_counter_tree_remap(i / 64);
		usleep(100);
	}
	return arg;
}

void test_threads(unsigned int cpus)
{
	unsigned int rounds = full ? 4 : 2, i;
	pthread_t tid[ADDERS + 3];

	boot(cpus, below(2), 0);
	while (rounds--) {
		group_init(3, 2UL << below(6), true);
		memset(progress, 0, sizeof(progress));
		reading = 0;
		running = adders = min(cpus, ADDERS + 0U);
		for (i = 0; i < adders + 3; i++)
			pthread_create(&tid[i], NULL, i < adders ? adder :
				       i == adders ? others : reader, (void *)(uintptr_t)i);
		for (i = 0; i < adders + 3; i++)
			pthread_join(tid[i], NULL);
		for (i = 0; i < ADDERS; i++)
			ref[0] += progress[i].done;
		/* Interrupts are not counted. */
		ref[1] = percpu_counter_tree_precise_sum(&group[1]);
		active = nr_list > 1;
		nr_here = nr_list;
		memset(was_here, 0xff, sizeof(was_here));
		nr_maps = NR_CPUS;
		check_all();
		group_destroy();
	}
}

