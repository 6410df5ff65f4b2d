// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of each counter at every moment: while an add to c[0] is in
 * progress, interrupted or preempted anywhere, an add to c[1] begins and
 * completes. Then what c[1] says must be right at once and from then on,
 * whatever of the group's state only the first add has yet to publish. In the
 * midst of that add another one to c[2] may do the same.
 */
#include "harness.h"

enum { INTERRUPT, OTHER_CPU, FAR_CPU, NR_ACTORS };

/* Point of the outer and of the inner add at which another one runs. */
static unsigned int outer_at, inner_at, moment;
static unsigned int actor;
static long inner[2];
static bool inner_done[3];

static void later_hook(void)
{
	void (*hook)(void) = shim_hook;
	unsigned int i;

	shim_hook = NULL;
	for (i = 1; i < 3; i++)
		if (inner_done[i])
			check_counter(i);
	shim_hook = hook;
}

static void act_on(unsigned int i, long inc)
{
	unsigned int cpu = shim_cpu, preempt = shim_preempt;

	if (actor == INTERRUPT)
		shim_preempt = 1;
	else
		shim_preempt = 0, shim_cpu = cpu_list[actor == FAR_CPU ? nr_list - 1 : min(i, nr_list - 1)];
	add(i, inc);
	shim_cpu = cpu;
	shim_preempt = preempt;
}

static void inner_hook(void)
{
	if (moment++ != inner_at) {
		later_hook();
		return;
	}
	/* The innermost add is not interrupted. */
	shim_hook = NULL;
	act_on(2, inner[0]);
	inner_done[2] = true;
	later_hook();
	shim_hook = later_hook;
}

static void outer_hook(void)
{
	unsigned int i;

	if (moment++ != outer_at)
		return;
	moment = 0;
	shim_hook = inner_hook;
	for (i = 0; i < 2; i++)
		act_on(1, inner[i]);
	inner_done[1] = true;
	shim_hook = later_hook;
	later_hook();
}

/* Words of all CPUs are live, or with more of @setup, the first nodes are in use. */
static void prepare(unsigned int setup)
{
	unsigned int i, level;

	for (i = 0; setup && i < nr_list; i++)
		for (level = 0; level < 3; level++)
			add_on(cpu_list[i], level, 0);
	for (level = 1; level < setup; level++)
		add_on(cpu_list[0], 0, batch << 2 * (level - 1));
}

static unsigned int nr_points, points[3];

/* Returns whether the outer add got as far. */
static bool check_moment(unsigned int setup, long outer)
{
	bool reached;

	group_init(3, batch, false);
	prepare(setup);
	memset(inner_done, 0, sizeof(inner_done));
	moment = 0;
	shim_cpu = cpu_list[0];
	shim_hook = outer_hook;
	add(0, outer);
	reached = shim_hook != outer_hook;
	nr_points = moment;
	shim_hook = NULL;
	check_all();
	group_destroy();
	return reached;
}

static void check_moments(unsigned int setup, long outer)
{
	unsigned int k;

	for (outer_at = 0;; outer_at++) {
		/* The inner add without one in the midst of it, and then with one at some points. */
		inner_at = UINT_MAX;
		if (!check_moment(setup, outer))
			break;
		for (k = 0; k < (full ? 3 : 1); k++) {
			inner_at = below(40);
			check_moment(setup, outer);
		}
	}
	points[min(setup, 2U)] = max(points[min(setup, 2U)], outer_at);
}

void test_contract(unsigned int cpus)
{
	static const unsigned int batches[] = { 2, 4, 8, 32 };
	unsigned int b, setup, level, round;
	int sign;
	long first[7];

	boot(cpus, false, 0);
	/* What one CPU can hold at most, or the nodes above it, and ordinary adds. */
	for (b = 0; cpus > 1 && b < ARRAY_SIZE(batches); b++) {
		batch = batches[b];
		first[0] = 3;
		first[1] = batch / 2 - 1;
		first[2] = batch;
		for (level = 0; level < 4; level++)
			first[3 + level] = (batch << 2 * (level + 1)) - unit();
		for (setup = 0; setup < shape.levels + 2; setup++)
			for (round = 0; round < (full ? 8 : 4) * NR_ACTORS; round++) {
				sign = below(2) ? 1 : -1;
				inner[0] = sign * first[below(ARRAY_SIZE(first))];
				inner[1] = below(2) ? 0 : below(2) ? first[1] : -first[1] - 1;
				actor = round % NR_ACTORS;
				check_moments(setup, sign * (long)batch <<
					      2 * below(shape.levels + 1));
			}
	}
	/* A first add, and a carry: there has been something to interrupt. */
	CHECK(cpus == 1 || (points[0] > 8 && points[1] > 3), "%u and %u points", points[0],
	      points[1]);
}
