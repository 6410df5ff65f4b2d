// SPDX-License-Identifier: GPL-2.0-only
/* Sizes and alignment; activation, destruction; adds and batches that are too large. */
#include "harness.h"

/* --- geometry */

/* The shape for @cpus is right; returns the number of nodes. */
static unsigned int check_shape(unsigned int cpus)
{
	struct percpu_counter_tree_shape s = percpu_counter_tree_geometry(cpus);
	unsigned int level, want = cpus, sum = 0;

	for (level = 0; level < LEVELS; level++) {
		want = DIV_ROUND_UP(want, level ? FANOUT : LEAF_FANOUT);
		want = want == 1 ? 0 : want;
		CHECK(s.nodes[level] == want && (level < s.levels) == !!want,
		      "%u CPUs: level %u has %u nodes", cpus, level, s.nodes[level]);
		sum += want;
	}
	CHECK(sum == s.all_nodes && sum <= NODES, "%u CPUs: %u nodes", cpus, sum);
	return sum;
}

void test_geometry(unsigned int cpus)
{
	static struct percpu_counter_tree_level_item item;
	struct percpu_counter_tree c;
	unsigned int sum, i;

	shim_possible(cpus, false);
	CHECK(!percpu_counter_tree_subsystem_init(), "subsystem_init");
	for (i = 1; i <= NR_CPUS; i++)
		check_shape(i);
	sum = check_shape(cpus);
	for (i = 1; i <= MAX_N; i++) {
		size_t size = percpu_counter_tree_items_size_many(i);

		CHECK(size <= i * percpu_counter_tree_items_size() &&
		      size >= sum * 64 * ((i + 7) / 8) &&
		      size <= PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(i),
		      "%u counters take %zu bytes", i, size);
	}
	CHECK(cpus > 1 || !percpu_counter_tree_items_size(), "one CPU takes items");
	shim_expect_warning = true;
	for (i = 0; i < 8; i++)
		CHECK((percpu_counter_tree_init_many_lazy(&c, &item, 1, i) == -EINVAL) ==
		      (i < 2 || i & (i - 1)), "batch %u", i);
	if (cpus == 1)
		return;
	percpu_counter_tree_init_many_lazy(&c, &item, 1, 3);
	CHECK(percpu_counter_tree_activate_many(&c, 1, GFP_KERNEL) == -EINVAL,
	      "a counter that is not initialised was activated");
}

/* --- lifetime */

static unsigned int moment, act_at;
static bool second_fails;

/* In the midst of an activation: another task tries, too, and adds to all counters. */
static void activation_hook(void)
{
	unsigned long slots = shim_slots;
	bool outer = shim_fail_alloc;
	unsigned int i;

	if (moment++ != act_at)
		return;
	shim_hook = NULL;
	for (i = 0; i < n; i++)
		add_on(cpu_list[i % nr_list], i, 100 * batch + i);
	shim_fail_alloc = second_fails;
	i = percpu_counter_tree_activate_many(group, n, GFP_KERNEL);
	shim_fail_alloc = outer;
	/* Before the other one's claim, this one is the first. */
	CHECK(!i || second_fails, "second activation: %d", (int)i);
	CHECK(!slots || shim_slots == slots, "a second activation has allocated memory");
	for (i = 0; i < n; i++) {
		add_on(cpu_list[i % nr_list], i, 3);
		check_counter(i);
	}
	check_begun(0);
}

static bool check_activation(unsigned int counters, bool fails)
{
	bool reached;
	int ret;

	group_init(counters, 8, true);
	add_on(cpu_list[0], 0, -5);
	moment = 0;
	shim_hook = activation_hook;
	shim_fail_alloc = fails;
	ret = percpu_counter_tree_activate_many(group, n, GFP_KERNEL);
	shim_fail_alloc = false;
	reached = !shim_hook;
	shim_hook = NULL;
	CHECK(!ret || (fails && ret == -ENOMEM), "activate: %d", ret);
	active = group[0].level0;
	CHECK(active || fails, "not activated");
	check_all();
	/* Whatever has happened, it can be activated now. */
	group_activate(false);
	CHECK(active, "not activated after a failure");
	check_alignment();
	check_all();
	ret = shim_slots == 0;
	group_activate(true);
	CHECK(!ret && active, "activated again");
	group_destroy();
	return reached;
}

/* After destruction, nothing is left that leads to what was freed. */
static void check_destroy(unsigned int counters)
{
	static const struct percpu_counter_tree zero[4];
	struct percpu_counter_tree zeroed[4];
	unsigned int i;

	group_init(counters, 16, false);
	for (i = 0; i < n; i++)
		add_on(cpu_list[i % nr_list], i, 1000 * i);
	percpu_counter_tree_destroy_many(group, n);
	CHECK(!shim_slots, "per-CPU memory leaked");
	for (i = 0; i < n; i++) {
		unsigned long under = 0, over = 0;

		CHECK(!group[i].level0, "counter %u still has words", i);
		percpu_counter_tree_add(&group[i], 1);
		percpu_counter_tree_precise_sum(&group[i]);
		percpu_counter_tree_approximate_accuracy_range(&group[i], &under, &over);
		CHECK(!(under | over), "range -%lu +%lu after destruction", under, over);
	}
	group_destroy();
	percpu_counter_tree_destroy_many(NULL, 0);

	/* Zeroed counters count, exactly. */
	memcpy(zeroed, zero, sizeof(zeroed));
	percpu_counter_tree_add(&zeroed[1], -7);
	CHECK(percpu_counter_tree_precise_sum(&zeroed[1]) == -7 &&
	      percpu_counter_tree_approximate_sum(&zeroed[1]) == -7, "a zeroed counter");
	percpu_counter_tree_destroy_many(zeroed, 4);
}

void test_lifetime(unsigned int cpus)
{
	unsigned int counters, fails;

	boot(cpus, below(2), 0);
	for (counters = 1; counters <= MAX_N; counters++) {
		check_destroy(counters);
		for (fails = 0; cpus > 1 && fails < 4; fails++) {
			second_fails = fails & 2;
			for (act_at = 0; check_activation(counters, fails & 1); act_at++)
				;
			CHECK(act_at > 2, "nothing to interrupt");
		}
	}
}

/* --- huge: what may not go through the words of CPUs does not, and all else does */

void test_huge(unsigned int cpus)
{
	static const unsigned long batches[] = {
		2, 64, MAX_ADD / 2, MAX_ADD, 2 * MAX_ADD, 1UL << (BITS_PER_LONG - 1),
	};
	unsigned int b, i, k;
	long direct;

	boot(cpus, below(2), 0);
	for (b = 0; b < ARRAY_SIZE(batches); b++) {
		const long incs[] = {
			MAX_ADD, -MAX_ADD, MAX_ADD - 1, 1 - MAX_ADD, MAX_ADD + 1, -MAX_ADD - 1,
			LONG_MAX, LONG_MIN, LONG_MIN + 1, LONG_MAX - MAX_ADD, LONG_MIN + MAX_ADD,
			LONG_MIN + 2 * MAX_ADD, 4 * MAX_ADD, 1L << (BITS_PER_LONG - 4),
		};

		group_init(2, batches[b], false);
		for (k = 0; k < 3; k++)
			for (i = 0; i < ARRAY_SIZE(incs); i++) {
				bool huge = incs[i] > MAX_ADD || incs[i] < -MAX_ADD;

				direct = atomic_long_read(&group[1].direct);
				add_on(cpu_list[below(cpus)], 1, incs[i]);
				CHECK(cpus == 1 || (direct !=
				      atomic_long_read(&group[1].direct)) == huge,
				      "%ld was added to the wrong word", incs[i]);
				check_all();
			}
		if (cpus == 1) {
			group_destroy();
			continue;
		}
		/* The batch is what the range says, and what carries. */
		CHECK(group[0].batch >> SHIFT == batch, "batch %lu is %lu", batches[b],
		      (unsigned long)group[0].batch >> SHIFT);
		/* Words take any number of the largest adds. */
		for (k = 0; k < 1000; k++)
			add_on(cpu_list[0], 0, k % 10 ? MAX_ADD : -MAX_ADD);
		check_all();
		for (k = 0; k < 8; k++) {
			much_was_added(cpu_list[below(cpus)]);
			check_all();
		}
		group_destroy();
	}
}
