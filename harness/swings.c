// SPDX-License-Identifier: GPL-2.0-only
/* What swings does not reach a shared line, and what grows does so seldom. */
#include "harness.h"

static const volatile void *watched;
static unsigned long writes;

static void wrote(const volatile void *p)
{
	writes += p == watched;
}

static void watch(const volatile void *p)
{
	watched = p;
	writes = 0;
	shim_wrote = wrote;
}

/* --- swings: of up to a quarter of a batch, in any steps, from any value and window */

/* The word of a CPU: its window @offset units from where it is by default. */
static void put_word(unsigned int cpu, unsigned int offset, unsigned int position)
{
	unsigned long total = (below(3) - 1) * 8 * batch + position - offset * unit();

	*per_cpu_ptr(group[0].level0, cpu) =
		((total + offset * unit()) << SHIFT) | offset;
}

/* Steps from @at, always in 0..@size. */
static long next_step(unsigned int pattern, unsigned int i, long at, long size)
{
	long most = pattern < 2 ? pattern + 1 : size, to;

	/* Up and down in steps of 1 or 2, from end to end at once, or anywhere. */
	if (pattern == 3)
		return (long)below(size + 1) - at;
	if (pattern == 2)
		return i & 1 ? -at : size - at;
	to = i / DIV_ROUND_UP(size, most) & 1 ? max(at - most, 0L) : min(at + most, size);
	return to - at;
}

static void check_swing(unsigned int offset, unsigned int position, long size, long at,
			unsigned int pattern)
{
	long start = at, step;
	unsigned int i;

	put_word(cpu_list[0], offset, position);
	shim_cpu = cpu_list[0];
	watch(group[0].root);
	for (i = 0; i < 40; i++) {
		step = next_step(pattern, i, at, size);
		at += step;
		percpu_counter_tree_add(&group[0], step);
	}
	CHECK(writes <= 1, "batch %lu: a swing of %ld, pattern %u, from %ld in it, %u in a window that is %u units off, has carried %lu times",
	      batch, size, pattern, start, position, offset, writes);
}

void test_swings(unsigned int cpus)
{
	unsigned int offset, position, pattern, log;
	long size, at;

	boot(cpus, false, 0);
	for (log = 1; cpus > 1 && log <= 6; log++) {
		group_init(1, 1UL << log, false);
		size = max(batch / 4, 1UL);
		for (offset = 1; offset <= 4; offset++)
			for (position = 0; position < batch; position++)
				for (at = 0; at <= size; at++)
					for (pattern = 0; pattern < 4; pattern++)
						check_swing(offset, position, size, at, pattern);
		shim_wrote = NULL;
		group_destroy();
	}
}

/* --- amortised: carries of a CPU, and writes to the root, take net change */

/* The node, or root, to which a CPU carries; and how many levels there are below the root. */
static atomic_long_t *above(unsigned int cpu)
{
	return shape.levels ? &items[shape.first + leaf_of[cpu]].count[0] : group[0].root;
}

/* One CPU: a carry takes a net change of a quarter, or a half in the direction of the last. */
static void check_carries(unsigned int steps, long most)
{
	long total = 0, since = 0, inc, moved, least;
	unsigned int cpu = cpu_list[below(nr_list)], carries = 0;
	int last = 0;

	add_on(cpu, 0, 0);
	watch(above(cpu));
	while (steps--) {
		/* With a trend that changes. */
		inc = (long)below(2 * most + 1) - most + (steps >> 5) % 3 - 1;
		writes = 0;
		add_on(cpu, 0, inc);
		total += inc;
		if (!writes)
			continue;
		moved = total - since;
		least = (inc > 0) != (last > 0) ? batch / 4 + 1 : batch > 2 ? batch / 2 + 1 : 1;
		CHECK(!carries || labs(moved) >= least,
		      "batch %lu: a carry after a net change of %ld, should be %ld at least", batch,
		      moved, least);
		since = total;
		last = inc > 0 ? 1 : -1;
		carries++;
	}
	shim_wrote = NULL;
}

/* Adds of 1 carry once in three quarters of a batch: that is what the quarter costs. */
static void check_growth(long sign)
{
	unsigned long most = batch > 2 ? batch * 3 / 4 : 1, carries = 0;
	unsigned int cpu = cpu_list[0], i;

	add_on(cpu, 0, 0);
	watch(above(cpu));
	for (i = 0; i < 40 * most; i++) {
		writes = 0;
		add_on(cpu, 0, sign);
		carries += !!writes;
		CHECK(writes <= 2, "batch %lu: %lu writes of a leaf by one add", batch, writes);
	}
	CHECK(carries <= 40 + 1, "batch %lu: %lu carries, should be 40", batch, carries);
	shim_wrote = NULL;
}

/* All CPUs: each write of the root moves it by a threshold; the sum of moves is net change. */
static void check_root(unsigned int steps)
{
	long threshold = shape.levels ? batch << 2 * shape.levels : 1, before, after, moved = 0;
	long drift = (int)below(3) - 1;

	watch(group[0].root);
	before = atomic_long_read(group[0].root);
	while (steps--) {
		unsigned long was = writes;

		add_on(cpu_list[below(nr_list)], 0, (int)below(2 * batch + 1) - (int)batch +
		       drift * (long)batch);
		after = atomic_long_read(group[0].root);
		CHECK(writes == was || labs(after - before) >= threshold,
		      "batch %lu: the root was written for a change of %ld", batch, after - before);
		moved += labs(after - before);
		before = after;
	}
	CHECK(writes <= moved / threshold, "batch %lu: %lu writes of the root", batch, writes);
	shim_wrote = NULL;
}

/* All CPUs swing, with all nodes at an end: each may carry once, and that is all. */
static void check_all_swing(long sign)
{
	static long at[NR_CPUS];
	long size = batch / 4, to;
	unsigned int round, i;

	memset(at, 0, sizeof(at));
	to_end(sign, unit());
	watch(group[0].root);
	for (round = 0; round < 20; round++)
		for (i = 0; i < nr_list; i++) {
			to = below(size + 1);
			add_on(cpu_list[i], 0, sign * (to - at[i]));
			at[i] = to;
		}
	CHECK(writes <= nr_list, "batch %lu: %u CPUs swing, %lu writes of the root", batch,
	      nr_list, writes);
	shim_wrote = NULL;
}

/* A node that has passed on a carry is empty. */
static void check_emptied(long sign)
{
	unsigned int cpu = cpu_list[0], node = leaf_of[cpu], steps = 2000;

	if (!shape.levels)
		return;
	while (parent_of[node] != U16_MAX)
		node = parent_of[node];
	watch(group[0].root);
	while (steps--) {
		writes = 0;
		add_on(cpu, 0, sign * (long)(1 + below(batch)));
		CHECK(!writes || !items[shape.first + node].count[0].counter,
		      "batch %lu: node %u has kept %ld", batch, node,
		      items[shape.first + node].count[0].counter);
	}
	shim_wrote = NULL;
}

static unsigned long node_writes;

static void wrote_node_or_root(const volatile void *p)
{
	const void *nodes = &items[shape.first], *end = &items[shape.first + shape.all_nodes];

	node_writes += p >= nodes && p < end;
	writes += p == group[0].root;
}

/* What no node would keep goes straight to the root. */
static void check_past(long sign)
{
	long top = batch << 2 * shape.levels;
	unsigned int cpu = cpu_list[0], i;

	if (3 * top > MAX_ADD)
		return;
	add_on(cpu, 0, 0);
	node_writes = writes = 0;
	shim_wrote = wrote_node_or_root;
	for (i = 0; i < 20; i++)
		add_on(cpu, 0, sign * (long)(top + batch + below(top)));
	CHECK(!node_writes && writes == 20, "batch %lu: %lu writes of nodes, %lu of the root",
	      batch, node_writes, writes);
	shim_wrote = NULL;
}

void test_amortised(unsigned int cpus)
{
	unsigned int log, round;

	boot(cpus, below(2), 0);
	read_map();
	for (log = 1; cpus > 1 && log <= 6; log++) {
		for (round = 0; round < 4; round++) {
			long sign = round & 1 ? -1 : 1;

			group_init(1, 1UL << log, false);
			check_carries(600, 1 + below(round < 2 ? 2 : 2 * batch));
			group_destroy();

			group_init(1, 1UL << log, false);
			check_growth(sign);
			check_root(1000);
			check_past(sign);
			check_emptied(sign);
			group_destroy();

			if (BITS_PER_LONG == 32 && log > 5)
				continue;
			group_init(1, 1UL << log, false);
			check_all_swing(sign);
			group_destroy();
		}
	}
}
