// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tasks activate a group and add to a counter each, on CPUs of one leaf, for the first time.
 * Each then checks its counter, to which nobody else adds. So does a third one, if it is told that
 * an add is complete.
 */
#include "harness.h"

#define COUNTERS	2

static struct percpu_counter_tree counters[COUNTERS];
static struct percpu_counter_tree_level_item memory[8];
static long done[COUNTERS];
static const long inc[COUNTERS] = { 9, 11 };

void scene_boot(void)
{
	boot_plain(NR_CPUS);
}

void scene_begin(void)
{
	size_t size = percpu_counter_tree_items_size_many(COUNTERS), i;

	CHECK(size <= sizeof(memory), "%zu bytes of items", size);
	percpu_counter_tree_destroy_many(counters, COUNTERS);
	/* Whatever was there before. */
	memset(memory, 0xa5, sizeof(memory));
	memset(done, 0, sizeof(done));
	percpu_counter_tree_init_many_lazy(counters, memory, COUNTERS, 4);
	for (i = 0; i < COUNTERS; i++) {
		weak_share(&counters[i].level0, sizeof(counters[i].level0));
		weak_share(&counters[i].direct, sizeof(counters[i].direct));
		weak_share(&counters[i].flags, sizeof(counters[i].flags));
		weak_share(&done[i], sizeof(done[i]));
	}
	for (i = 0; i < size; i += sizeof(long))
		weak_share((char *)memory + i, sizeof(long));
}

static void check(unsigned int i)
{
	long approx, min, max, sums[COUNTERS];

	percpu_counter_tree_precise_sum_many(counters, COUNTERS, sums);
	weak_check(sums[i] == inc[i], "precise sum");
	percpu_counter_tree_approximate_min_max(&counters[i], &approx, &min, &max);
	weak_check(min <= inc[i] && inc[i] <= max, "range");
}

void scene_thread(unsigned int thread)
{
	unsigned int i;

	shim_cpu = thread;
	if (thread == COUNTERS) {
		for (i = 0; i < COUNTERS; i++)
			if (smp_load_acquire(&done[i]))
				check(i);
		return;
	}
	weak_check(!percpu_counter_tree_activate_many(counters, COUNTERS, GFP_KERNEL), "activate");
	percpu_counter_tree_add(&counters[thread], inc[thread]);
	check(thread);
	smp_store_release(&done[thread], 1);
}
