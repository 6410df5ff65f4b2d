// SPDX-License-Identifier: GPL-2.0-only
/* Others add to a node between the add of a carry that reaches the threshold and the exchange. */
#include "harness.h"

#define MOST	4

/* Steps, of which 4 are a threshold. Each that reaches it has the next one in between if nested. */
static const struct plan {
	int add[MOST];
	bool nested;
} plans[] = {
	{ { 0 } },			/* nothing in between */
	{ { 1 } },			/* reached twice, the second one empties */
	{ { -1 } },			/* below the threshold again */
	{ { -2, -2 } },			/* 0: nothing is left to carry */
	{ { -3, -3 } },			/* as far on the other side */
	{ { 1, 1 } },			/* emptied, and begun anew: less than a threshold */
	{ { 1, -1 } },			/* the same on the other side */
	{ { 1, 3, 1, 1 } },		/* emptied twice and begun anew */
	{ { 1, 1 }, true },		/* reached three times */
	{ { 1, -2 }, true },		/* below again, for two adds that found it reached */
	{ { 1, 1, 1, -3 }, true },
};

static const struct plan *plan;
static unsigned int next, level;
static u16 others[NR_CPUS];
static unsigned int nr_others, outer_cpu;
static bool same_cpu, between;
static int sign;
static atomic_long_t *node, *parent;
static unsigned long parent_writes;

static long step_size(void)
{
	return batch << 2 * level;
}

/* Carry @steps from the end of a window: exactly that leaves it. */
static void carry(unsigned int cpu, long steps)
{
	long s = steps > 0 ? 1 : -1;

	shim_cpu = cpu;
	add(0, 0);
	fill_cpu(cpu, s);
	add(0, steps * step_size() - s * (long)(batch - 2 * unit()));
}

static void wrote_node(const volatile void *p)
{
	parent_writes += p == parent;
	/* The next point is the one after this operation. */
	if (p == node && labs(node->counter) >= 4 * step_size() && next < MOST && plan->add[next])
		between = true;
}

static void between_hook(void)
{
	unsigned int cpu = shim_cpu, preempt = shim_preempt;

	if (!between)
		return;
	between = false;
	do {
		int steps = sign * plan->add[next++];

		if (!plan->nested)
			shim_hook = NULL, shim_wrote = NULL;
		shim_preempt = same_cpu;
		carry(same_cpu ? outer_cpu : others[next % nr_others], steps);
	} while (next < MOST && plan->add[next]);
	shim_cpu = cpu;
	shim_preempt = preempt;
	if (!plan->nested) {
		/* Writes of the parent by others are not counted, see expected(). */
		shim_wrote = wrote_node;
		shim_hook = between_hook;
	}
}

/* What the parent gets in all, in steps, and how often by the outer add and nested ones. */
static int expected(unsigned int *writes)
{
	int count = 4, up = 0;
	unsigned int i;

	*writes = 0;
	for (i = 0; i < MOST && plan->add[i]; i++) {
		count += plan->add[i];
		if (!plan->nested && abs(count) >= 4)
			up += count, count = 0;
	}
	*writes = !!count;
	return up + count;
}

static void check_plan(void)
{
	unsigned int writes, at, l;
	int want = expected(&writes);

	group_init(1, batch, false);
	carry(outer_cpu, sign * 3);
	for (at = leaf_of[outer_cpu], l = 0; l < level; l++)
		at = parent_of[at];
	node = &items[shape.first + at].count[0];
	parent = parent_of[at] == U16_MAX ? group[0].root :
		 &items[shape.first + parent_of[at]].count[0];
	CHECK(node->counter == sign * 3 * step_size() && !parent->counter, "node has %ld",
	      node->counter);
	fill_cpu(outer_cpu, sign);
	next = 0;
	between = false;
	parent_writes = 0;
	shim_cpu = outer_cpu;
	shim_wrote = wrote_node;
	shim_hook = between_hook;
	add(0, sign * (step_size() - (long)(batch - 2 * unit())));
	shim_hook = NULL;
	shim_wrote = NULL;
	CHECK(next == MOST || !plan->add[next], "plan %zu: not between", plan - plans);
	CHECK(!node->counter, "plan %zu, level %u: the node has kept %ld", plan - plans, level + 1,
	      node->counter);
	CHECK(parent->counter == sign * want * step_size(),
	      "plan %zu, level %u: the parent has got %ld, not %ld", plan - plans, level + 1,
	      parent->counter, sign * want * step_size());
	CHECK(parent_writes == writes, "plan %zu, level %u: %lu writes of the parent, not %u",
	      plan - plans, level + 1, parent_writes, writes);
	check_all();
	group_destroy();
}

void test_between(unsigned int cpus)
{
	unsigned int log, i, at, l, mine;

	boot(cpus, false, 0);
	read_map();
	outer_cpu = cpu_list[below(nr_list)];
	for (level = 0; level < shape.levels; level++) {
		for (mine = leaf_of[outer_cpu], l = 0; l < level; l++)
			mine = parent_of[mine];
		for (nr_others = i = 0; i < nr_list; i++) {
			for (at = leaf_of[cpu_list[i]], l = 0; l < level; l++)
				at = parent_of[at];
			if (at == mine && cpu_list[i] != outer_cpu)
				others[nr_others++] = cpu_list[i];
		}
		for (log = 1; log <= 6; log++) {
			batch = 1UL << log;
			if (8 * step_size() > MAX_ADD)
				break;
			for (plan = plans; plan < plans + ARRAY_SIZE(plans); plan++)
				for (sign = -1; sign <= 1; sign += 2)
					for (i = 0; i < 2; i++) {
						same_cpu = i || !nr_others;
						check_plan();
					}
		}
	}
}
