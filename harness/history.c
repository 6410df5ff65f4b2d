// SPDX-License-Identifier: GPL-2.0-only
/* Adversarial histories: tasks that are interrupted, preempted and migrated anywhere. */
#include "harness.h"

/* --- random */

static unsigned int chance, nr_near, remaps;
/* Tasks on a CPU that may not be preempted. */
static u8 held[NR_CPUS];

static unsigned int some_cpu(void)
{
	return cpu_list[below(below(8) ? nr_near : nr_list)];
}

long some_inc(void)
{
	long b = batch, sign = below(2) ? 1 : -1;

	switch (below(20)) {
	case 0: return 0;
	case 1: return sign * (b / 2 + below(3) - 1);
	case 2: return sign * (b + (int)below(3) - 1);
	case 3: return sign * (b * 3 / 4);
	case 4: return sign * (MAX_ADD + (int)below(3) - 1);
	case 5: return sign * (4 * b * (1 + below(4)) + (int)below(3) - 1);
	case 6: return below(3) ? sign * below(16 * b) : LONG_MAX;
	case 7: return below(3) ? sign * below(16 * b) : LONG_MIN;
	case 8: return sign * ((1UL << below(BITS_PER_LONG - 1)) + (int)below(3) - 1);
	case 9: return rnd();
	case 10 ... 13: return sign;
	default: return sign * (long)below(2 * b + 1);
	}
}

static void act(bool on_this_cpu)
{
	unsigned int cpu = shim_cpu, preempt = shim_preempt, times = below(12) ? 1 : below(20);

	/* An interrupt may not be moved; others run where preemption is not disabled. */
	shim_preempt = on_this_cpu;
	if (!on_this_cpu) {
		held[cpu] += !!preempt;
		do
			shim_cpu = some_cpu();
		while (held[shim_cpu] && (shim_cpu = cpu_list[below(nr_list)], held[shim_cpu]));
	}
	while (times--)
		add(below(n), some_inc());
	if (!on_this_cpu)
		held[cpu] -= !!preempt;
	shim_cpu = cpu;
	shim_preempt = preempt;
}

static void remap(void)
{
	unsigned int turn = below(5);

	if (!remaps)
		return;
	remaps--;
	nr_maps++;
	percpu_counter_tree_remap(turn);
	note("remapped", 0, turn);
}

static unsigned int nr_held(void)
{
	unsigned int cpu, nr = !!shim_preempt;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		nr += !!held[cpu];
	return nr;
}

static void migrate(void)
{
	if (shim_preempt)
		return;
	shim_cpu = some_cpu();
	while (held[shim_cpu])
		shim_cpu = cpu_list[below(nr_list)];
	here();
}

static void random_hook(void)
{
	if (below(100) >= chance || depth > 4)
		return;
	switch (below(16)) {
	case 0 ... 5:
		migrate();
		break;
	case 6 ... 9:
		act(true);
		break;
	case 10 ... 12:
		if (nr_held() < nr_list)
			act(false);
		break;
	case 13:
		if (!shim_locks && !below(4))
			group_activate(!below(3));
		break;
	case 14:
		if (!shim_locks && !below(16))
			remap();
		break;
	default:
		check_begun(below(n));
	}
}

static void hotplug(unsigned int cpu)
{
	if (cpu_online(cpu) && below(2)) {
		go_offline(cpu);
	} else if (!cpu_online(cpu) && remaps) {
		remaps--;
		nr_maps++;
		come_online(cpu);
	}
}

static void random_step(void)
{
	unsigned int i;

	if (!below(3))
		shim_cpu = some_cpu();
	shim_hook = chance ? random_hook : NULL;
	switch (below(40)) {
	case 0:
		group_activate(below(2));
		break;
	case 1:
		remap();
		break;
	case 2:
		check_begun(below(n));
		break;
	case 3:
		shim_hook = NULL;
		i = below(n);
		ref[i] = some_inc();
		here();
		percpu_counter_tree_set(&group[i], ref[i]);
		note("set", i, ref[i]);
		break;
	case 4:
		shim_hook = NULL;
		hotplug(cpu_list[below(nr_list)]);
		break;
	default:
		add(below(n), some_inc());
	}
	shim_hook = NULL;
	CHECK(!shim_preempt && !shim_locks, "unbalanced");
}

void test_random(unsigned int cpus)
{
	static const unsigned long batches[] = {
		2, 4, 8, 16, 32, 64, 256, 4096, 1 << 16, MAX_ADD, 4 * MAX_ADD,
	};
	static const unsigned int chances[] = { 0, 2, 10, 40 };
	unsigned int rounds = 3, steps, i;

	boot(cpus, below(2), below(2) ? 4 : 0);
	while (rounds--) {
		bool lazy = below(2);

		group_init(below(4) ? 1 + below(4) : 1 + below(MAX_N),
			   batches[below(ARRAY_SIZE(batches))], lazy);
		chance = chances[below(ARRAY_SIZE(chances))];
		nr_near = 1 + below(below(2) ? min(cpus, 4U) : cpus);
		remaps = cpus > 1024 ? 2 : 8;
		steps = cpus > 128 ? 60 : 200;
		check_all();
		for (i = 0; i < steps; i++) {
			random_step();
			check_all();
		}
		group_destroy();
	}
}

/* --- preempted: a task in the midst of an add on each CPU, and a precise sum */

static unsigned int deepest;

static void preempt_hook(void)
{
	unsigned int cpu = shim_cpu, i;
	long inc = adding[0].inc, off;

	if (shim_preempt || !below(4))
		return;
	if (depth > deepest && depth < min(nr_list, MAX_DEPTH + 0U)) {
		deepest = depth;
		add_on(cpu_list[depth], 0, inc);
	}
	shim_hook = NULL;
	/* Carries on their way contain what CPUs and nodes had: let these fill again. */
	if (depth == min(nr_list, MAX_DEPTH + 0U))
		for (i = 0; i < nr_list; i++)
			fill_cpu(cpu_list[i], inc);
	shim_cpu = cpu;
	off = percpu_counter_tree_precise_sum(&group[0]) - ref[0];
	shim_hook = preempt_hook;
	CHECK(off % inc == 0 && off / inc >= 0 && off / inc <= depth,
	      "batch %lu: %u adds of %ld on their way, %ld seen", batch, depth, inc, off);
}

void test_preempted(unsigned int cpus)
{
	unsigned int log, i, j;
	long inc;

	boot(cpus, false, 0);
	for (log = 1; 1L << log <= MAX_ADD; log++) {
		group_init(1, 1UL << log, false);
		for (i = 0; i < 20; i++) {
			/* All hold back the utmost, or something. */
			inc = min(16L << below(log + 1), MAX_ADD);
			inc *= below(2) ? 1 : -1;
			for (j = below(2) ? nr_list : below(nr_list); j--;) {
				add_on(cpu_list[j], 0, 0);
				fill_cpu(cpu_list[j], inc);
			}
			shim_hook = preempt_hook;
			deepest = 0;
			add_on(cpu_list[0], 0, inc);
			shim_hook = NULL;
			check_all();
		}
		group_destroy();
	}
}

/* --- walk: others add as much as they can, while a precise sum is read */

static unsigned int stop_at, moves;
static long move_by;
static bool apart;

static void walk_hook(void)
{
	unsigned int cpu = shim_cpu, i, at;

	if (stop_at--)
		return;
	shim_hook = NULL;
	for (i = 0; i < moves; i++) {
		/* Everywhere, or first where it is read last. */
		at = apart ? nr_list - 1 - (u64)i * nr_list / moves : i % nr_list;
		add_on(cpu_list[at], 0, move_by);
	}
	shim_cpu = cpu;
}

/* Returns whether the walk got as far as @at. */
static bool check_walk(unsigned int at)
{
	long before, sum;
	bool reached;
	unsigned int i;

	group_init(1, 2UL << below(6), false);
	apart = below(2);
	for (i = 0; i < nr_list; i++)
		add_on(cpu_list[i], 0, some_inc());
	before = ref[0];
	stop_at = at;
	shim_hook = walk_hook;
	sum = percpu_counter_tree_precise_sum(&group[0]);
	reached = !shim_hook;
	shim_hook = NULL;
	/* Some of the moves are missed, and nothing else is wrong. */
	sum -= before;
	CHECK(!reached || (sum % move_by == 0 && sum / move_by >= 0 && sum / move_by <= moves),
	      "%u adds of %ld during a walk: it saw %ld", moves, move_by, sum);
	check_all();
	group_destroy();
	return reached;
}

void test_walk(unsigned int cpus)
{
	unsigned int at, round;

	boot(cpus, false, 0);
	for (round = 0; cpus > 1 && round < 4; round++) {
		move_by = (round & 1 ? -1 : 1) * (round & 2 ? MAX_ADD : 1000);
		/* On 32-bit kernels, less than 2^27 in all. */
		moves = BITS_PER_LONG == 64 ? 5000 : (1U << 27) / MAX_ADD - 1;
		for (at = 0; check_walk(at); at++)
			;
		CHECK(at > 2, "nothing to stop");
	}
}
