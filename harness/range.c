// SPDX-License-Identifier: GPL-2.0-only
/* The range: as narrow as use allows, and reached at both ends. */
#include "harness.h"

/* --- use: the range is exactly that of the CPUs and nodes in use */

void test_use(unsigned int cpus)
{
	unsigned long b = 2UL << below(BITS_PER_LONG == 64 ? 7 : 5), under = 0, over = 0;
	unsigned int level, i;

	boot(cpus, below(2), 0);
	group_init(2, b, true);
	add_on(cpu_list[0], 0, 100 * b);
	range_is(0, 0);
	group_activate(true);
	range_is(0, 0);
	group_activate(false);
	if (cpus == 1)
		add_on(cpu_list[0], 0, 1);
	range_is(0, 0);
	for (i = 0; cpus > 1 && i < cpus; i++) {
		add_on(cpu_list[i], below(2), 0);
		under += b / 2 - 1;
		over += b / 2;
		range_is(under, over);
		/* The first word of another counter, and the second add, are for free. */
		add_on(cpu_list[i], 0, 0);
		add_on(cpu_list[i], 1, 0);
		range_is(under, over);
	}
	/* A node is used when a carry first arrives there. */
	for (level = 0; level < shape.levels; level++) {
		add_on(cpu_list[0], 0, b << 2 * level);
		under += (4 * b << 2 * level) - unit();
		over += (4 * b << 2 * level) - unit();
		range_is(under, over);
		add_on(cpu_list[0], 1, b << 2 * level);
		range_is(under, over);
		check_all();
	}
	group_destroy();
}

/* --- ends: both ends of the range are reached, and the bound is this range */

/* What nodes without a CPU add to the bound; there are some if CPU numbers have holes. */
static unsigned long bound_of_others(void)
{
	unsigned int level = 0, node, end = shape.nodes[0];
	unsigned long sum = 0;

	for (node = 0; node < shape.all_nodes; node++) {
		if (node == end)
			end += shape.nodes[++level];
		if (node_cpu[node] == U16_MAX)
			sum += (batch << 2 * (level + 1)) - unit();
	}
	return sum;
}

void test_ends(unsigned int cpus)
{
	unsigned long b = 2UL << below(BITS_PER_LONG == 64 ? 6 : 5), under, over;
	long sign, off;

	boot(cpus, below(2), 0);
	read_map();
	for (sign = -1; sign <= 1; sign += 2) {
		group_init(1, b, false);
		to_end(sign, unit());
		check_all();
		under = over = 0;
		percpu_counter_tree_approximate_accuracy_range(&group[0], &under, &over);
		off = ref[0] - percpu_counter_tree_approximate_sum(&group[0]);
		CHECK(off == (sign > 0 ? (long)under : -(long)over),
		      "batch %lu: %ld off at the end of -%lu +%lu", b, off, under, over);
		CHECK(over + bound_of_others() == percpu_counter_tree_bound(b),
		      "batch %lu: bound %lu, reached %lu", b, percpu_counter_tree_bound(b), over);
		group_destroy();

		/* Nodes that reach their threshold must not hold it. */
		group_init(1, b, false);
		to_end(sign, 0);
		check_all();
		group_destroy();
	}
	CHECK(percpu_counter_tree_bound(1UL << (BITS_PER_LONG - 2)) ==
	      percpu_counter_tree_bound(MAX_ADD), "bound of a batch that is too large");
}
