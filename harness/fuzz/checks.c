// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an add has written if nothing ran in its midst, and what must be true
 * while other adds are in progress, and when there are none.
 */
#include "fuzz.h"

unsigned int node_writes, root_writes;
static const struct percpu_counter_tree_level_item *root;
/* The nodes, in this order */
static const volatile atomic_long_t *written[2 * LEVELS];

/* The items of a group: its root, what it uses, and the nodes. */
static void wrote(const volatile void *p)
{
	root_writes += p >= (void *)root && p < (void *)(root + 1);
	if (p < (void *)(root + shape.first) || p >= (void *)(root + shape.first + shape.all_nodes))
		return;
	node_written = true;
	written[node_writes++ % ARRAY_SIZE(written)] = p;
}

/* When a CPU carries, what it carries, where it leaves its window, and how far that goes. */
static void check_carry(unsigned int i, long residue, long inc, long moved)
{
	long now = residue_on(shim_cpu, i), carry = inc - (now - residue), b = batch;
	long top = batch << 2 * shape.levels, u = unit();
	bool left = residue + inc < -b / 2 || residue + inc >= b / 2;
	unsigned int k;

	CHECK(left == !!(node_writes + root_writes),
	      "batch %ld: %ld added to %ld: %u writes of nodes, %u of the root", b, inc, residue,
	      node_writes, root_writes);
	if (!left) {
		CHECK(now == residue + inc, "%ld added to %ld: %ld", inc, residue, now);
		return;
	}
	CHECK(inc > 0 ? now >= u - b / 2 && now < 2 * u - b / 2 :
	      now >= b / 2 - 2 * u && now < b / 2 - u,
	      "batch %ld: %ld added to %ld: %ld is left in the window", b, inc, residue, now);
	CHECK(carry % u == 0, "batch %ld: a carry of %ld", b, carry);
	CHECK(root_writes <= 1 && node_writes <= 2 * shape.levels,
	      "%u writes of nodes, %u of the root", node_writes, root_writes);
	/* All that have passed something on are empty. */
	for (k = 0; k < node_writes; k++)
		CHECK(!written[k]->counter || (!root_writes &&
					       written[k] == written[node_writes - 1]),
		      "batch %ld: a node has passed on a carry, and kept %ld", b,
		      written[k]->counter);
	if (shape.levels)
		CHECK(!root_writes || labs(moved) >= top, "batch %ld: the root was written for %ld",
		      b, moved);
	if (labs(carry) >= top)
		CHECK(!node_writes && moved == carry, "a carry of %ld went to nodes", carry);
}

void add_and_check(unsigned int i, long inc)
{
	bool small = group[i].level0 && inc >= -MAX_ADD && inc <= MAX_ADD;
	long residue = residue_on(shim_cpu, i), before;

	root = items_of(i);
	before = small ? group[i].root->counter : 0;
	node_writes = root_writes = 0;
	disturbed = false;
	shim_wrote = wrote;
	add(i, inc);
	shim_wrote = NULL;
	if (disturbed)
		return;
	if (small)
		check_carry(i, residue, inc, group[i].root->counter - before);
	else
		CHECK(!node_writes && !root_writes, "%ld was added to nodes", inc);
}

bool is_open(unsigned int i)
{
	unsigned int d;

	for (d = 0; d < depth; d++)
		if (adding[d].i == i)
			return true;
	return false;
}

void check_open(void)
{
	void (*hook)(void) = shim_hook;
	unsigned int i;

	shim_hook = NULL;
	for (i = 0; i < n; i++)
		if (is_open(i))
			check_begun(i);
		else
			check_counter(i);
	shim_hook = hook;
}

/* Nothing is on its way: sum of all totals = root + sum of all residues. */
static void check_invariant(unsigned int i)
{
	const struct percpu_counter_tree_level_item *at = items_of(i);
	unsigned long sum = atomic_long_read(&group[i].direct) + group[i].root->counter;
	unsigned int node, k;

	for (k = 0; k < nr_list; k++)
		sum += residue_on(cpu_list[k], i);
	for (node = shape.first; node < shape.first + shape.all_nodes; node++)
		sum += at[node].count[i % 8].counter;
	CHECK(sum == ref[i], "counter %u is %ld, root and residues are %ld", i, (long)ref[i],
	      (long)sum);
}

static void check_bound(void)
{
	unsigned long bound = nr_list * batch / 2, under = 0, over = 0;
	unsigned int level;

	for (level = 0; level < shape.levels; level++)
		bound += shape.nodes[level] * ((batch << 2 * (level + 1)) - unit());
	if (nr_list == 1)
		bound = 0;
	percpu_counter_tree_approximate_accuracy_range(&group[n - 1], &under, &over);
	CHECK(percpu_counter_tree_bound(batch) == bound && under <= over && over <= bound,
	      "batch %lu: range -%lu +%lu, bound %lu, should be %lu", batch, under, over,
	      percpu_counter_tree_bound(batch), bound);
}

void check_step(void)
{
	unsigned int i;

	check_all();
	check_bound();
	for (i = 0; active && i < n; i++)
		check_invariant(i);
}
