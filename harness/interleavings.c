// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small cases in all orders, larger ones in random orders, see schedule.c.
 *
 * After each step, each counter to which no add is in progress is right, and so
 * is its range; a precise sum of another misses adds in progress and nothing
 * else. The same goes for what a context has read in several steps.
 */
#include "harness.h"

/* Add @batches * batch + @more; read a counter or all, approximately with the range. */
enum { END, ADD, SUM, SUMS, RANGE, RANGES, ACTIVATE, NO_MEMORY, REMAP };
struct op { unsigned int what, i; int batches, more; };

/* Words of CPUs: not live; live; at the end of their window, nodes in use and about to be emptied. */
enum { LAZY, NEW, USED, FULL };

#define MOST_OPS	4
/* The last CPU; one of another leaf that has the same parent as that of CPU 0. */
#define FAR		UINT_MAX
#define NEAR		(UINT_MAX - 1)

static const struct plan {
	const char *name;
	unsigned int levels, counters, state;
	struct actor {
		unsigned int cpu;
		bool interrupt;
		unsigned int moves, other_cpu;
		struct op op[MOST_OPS + 1];
	} actor[MAX_CONTEXTS];
} plans[] = {
	{ "the first add of a CPU, interrupted", 0, 1, NEW, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 0, 0, -2 } } },
		{ 1, .op = { { SUM } } },
	} },
	{ "the same, by an add to another counter", 0, 2, NEW, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 1, 1, 0 } } },
		{ 1, .op = { { RANGE, 1 }, { SUMS } } },
	} },
	{ "interrupts in interrupts", 0, 2, NEW, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 0, 2, 2 } } },
		{ 0, true, .op = { { ADD, 1, 0, 1 }, { ADD, 0, -1, 0 } } },
	} },
	{ "first adds of two CPUs, and sums", 0, 1, NEW, {
		{ 0, .op = { { ADD, 0, 1, 0 } } },
		{ 1, .op = { { ADD, 0, 2, 1 } } },
		{ 2, .op = { { SUM }, { SUM } } },
	} },
	{ "first adds of two tasks of a CPU, one moves", 0, 1, NEW, {
		{ 0, false, 2, 1, .op = { { ADD, 0, 1, 0 } } },
		{ 0, .op = { { ADD, 0, 0, 3 } } },
	} },
	{ "adds of a task that moves, others on both CPUs", 0, 1, USED, {
		{ 0, false, 2, 1, .op = { { ADD, 0, 1, 0 }, { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 0, 0, 3 } } },
		{ 1, .op = { { ADD, 0, -1, 0 } } },
	} },
	{ "first carries to a node", 1, 2, USED, {
		{ 0, .op = { { ADD, 0, 1, 0 } } },
		{ 1, .op = { { ADD, 1, 2, 0 } } },
		{ FAR, .op = { { RANGE, 1 }, { SUM, 1 } } },
	} },
	{ "first carries to a node, to one counter", 1, 1, USED, {
		{ 0, .op = { { ADD, 0, 1, 0 } } },
		{ 0, true, .op = { { ADD, 0, -1, 0 } } },
		{ 1, .op = { { ADD, 0, 2, 0 } } },
	} },
	{ "a node reaches its threshold", 1, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 1, .op = { { ADD, 0, 0, 1 }, { ADD, 0, 2, 0 }, { ADD, 0, 2, 0 } } },
		{ 2, .op = { { ADD, 0, -3, 0 }, { ADD, 0, -3, 0 } } },
	} },
	{ "a node reaches its threshold, on one CPU", 1, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 }, { ADD, 0, 3, 0 } } },
		{ 0, true, .op = { { ADD, 0, 1, 1 }, { ADD, 0, 3, 0 } } },
		{ 1, .op = { { ADD, 0, 0, 1 }, { ADD, 0, -4, 0 } } },
	} },
	{ "a node reaches its threshold on either side", 1, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 1, .op = { { ADD, 0, -3, -1 }, { ADD, 0, -3, -1 }, { ADD, 0, -3, -1 } } },
		{ 0, true, .op = { { ADD, 0, -3, 0 }, { ADD, 0, -3, 0 } } },
	} },
	{ "nodes of two levels reach their thresholds", 2, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 0, 5, 0 } } },
		{ NEAR, .op = { { ADD, 0, 0, 1 }, { ADD, 0, -5, 0 } } },
		{ FAR, .op = { { ADD, 0, 0, 1 } } },
	} },
	{ "sums during carries", 1, 1, FULL, {
		{ 0, .op = { { ADD, 0, 1, 0 } } },
		{ FAR, .op = { { ADD, 0, -1, 0 } } },
		{ 1, .op = { { SUM }, { SUM } } },
	} },
	{ "activation, and adds to a counter", 0, 1, LAZY, {
		{ 0, .op = { { ACTIVATE } } },
		{ 1, .op = { { ADD, 0, 1, 0 }, { ADD, 0, 1, 1 } } },
		{ 2, .op = { { SUM } } },
	} },
	{ "activation, interrupted by adds", 0, 2, LAZY, {
		{ 0, .op = { { ACTIVATE } } },
		{ 0, true, .op = { { ADD, 1, 1, 0 }, { ADD, 0, 0, 1 } } },
		{ 1, .op = { { RANGES }, { SUMS } } },
	} },
	{ "activation, adds to two counters, sums", 0, 2, LAZY, {
		{ 0, .op = { { ACTIVATE } } },
		{ 1, .op = { { ADD, 1, 1, 0 } } },
		{ 2, .op = { { SUMS } } },
	} },
	{ "activation, and a range", 1, 2, LAZY, {
		{ 0, .op = { { ACTIVATE } } },
		{ 1, .op = { { ADD, 0, 2, 0 }, { ADD, 1, 0, 1 } } },
		{ FAR, .op = { { RANGES }, { RANGE, 1 } } },
	} },
	{ "two activations, one without memory", 0, 2, LAZY, {
		{ 0, .op = { { ACTIVATE }, { ADD, 0, 0, 1 } } },
		{ 1, .op = { { NO_MEMORY }, { ADD, 1, 0, 1 } } },
		{ 2, .op = { { ACTIVATE } } },
	} },
	{ "first adds of two CPUs, both interrupted", 0, 2, NEW, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 0, true, .op = { { ADD, 1, 0, -2 } } },
		{ 1, .op = { { ADD, 1, 0, 1 } } },
		{ 1, true, .op = { { ADD, 0, 0, -1 } } },
	} },
	{ "activation, a first add that moves and is interrupted", 0, 1, LAZY, {
		{ 2, .op = { { ACTIVATE } } },
		{ 0, false, 1, 1, .op = { { ADD, 0, 1, 0 } } },
		{ 1, true, .op = { { ADD, 0, 0, 1 } } },
	} },
	{ "ranges during first adds", 0, 2, NEW, {
		{ 0, .op = { { ADD, 0, 0, 1 }, { ADD, 1, 0, 1 } } },
		{ 1, .op = { { ADD, 0, 0, -1 } } },
		{ 2, .op = { { RANGE, 0 }, { RANGE, 1 } } },
	} },
	{ "the map changes", 1, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 }, { ADD, 0, 3, 0 } } },
		{ 1, .op = { { ADD, 0, 1, 0 }, { ADD, 0, -3, 0 } } },
		{ FAR, .op = { { REMAP, 1 } } },
	} },
	{ "the map of two levels changes twice", 2, 1, FULL, {
		{ 0, .op = { { ADD, 0, 0, 1 } } },
		{ 1, .op = { { REMAP, 1 }, { REMAP, 2 } } },
		{ FAR, .op = { { ADD, 0, 0, 1 } } },
	} },
};

const unsigned int nr_interleavings = ARRAY_SIZE(plans);

static const struct plan *plan;
static struct schedule schedule;
static long sign;
static bool remapped;

/* What a context reads: as it was when it began, and the adds that were in progress or begun. */
static struct reader {
	unsigned int counters, disturbed, nr;
	unsigned long base[MAX_N];
	struct add open[32];
} readers[MAX_CONTEXTS];
/* The operation that each context begins next. */
static const struct op *next[MAX_CONTEXTS];

static unsigned int cpu_of(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; cpu == NEAR && i < nr_list; i++)
		if (leaf_of[i] != leaf_of[0] && parent_of[leaf_of[i]] == parent_of[leaf_of[0]])
			return i;
	return cpu_list[min(cpu, nr_list - 1)];
}

static long inc_of(const struct op *op)
{
	return sign * (op->batches * (long)batch + op->more);
}

static void begin(unsigned int context)
{
	const struct op *op = next[context];
	struct reader *r = &readers[context];
	unsigned int k;

	if (op->what == ADD) {
		here();
		adding[depth] = (struct add){ op->i, inc_of(op) };
		for (k = 0; k < schedule.nr; k++)
			if (readers[k].counters & BIT(op->i)) {
				readers[k].disturbed |= BIT(op->i);
				readers[k].open[readers[k].nr++] = adding[depth];
			}
		depth++;
	} else if (op->what >= SUM && op->what <= RANGES) {
		memset(r, 0, sizeof(*r));
		r->counters = op->what == SUM || op->what == RANGE ? BIT(op->i) : BIT(n) - 1;
		memcpy(r->base, ref, sizeof(ref));
		for (k = 0; k < depth; k++) {
			r->disturbed |= BIT(adding[k].i);
			r->open[r->nr++] = adding[k];
		}
	}
}

static void added(const struct op *op)
{
	long inc = inc_of(op);
	unsigned int k = 0;

	here();
	while (adding[k].i != op->i || adding[k].inc != inc)
		k++;
	depth--;
	memmove(&adding[k], &adding[k + 1], (depth - k) * sizeof(*adding));
	ref[op->i] += inc;
}

static void check_sums(const struct reader *r, unsigned int first, unsigned int nr,
		       const long *sums)
{
	unsigned int i;

	for (i = first; i < first + nr; i++)
		CHECK(sum_of(r->open, r->nr, i, sums[i - first] - r->base[i]),
		      "counter %u was summed: %ld, not %ld, or more by some of %u adds", i,
		      sums[i - first], (long)r->base[i], r->nr);
}

static void check_range(const struct reader *r, unsigned int i, long min, long max)
{
	CHECK(r->disturbed & BIT(i) || (min <= (long)r->base[i] && (long)r->base[i] <= max),
	      "counter %u was read: %ld to %ld, not %ld", i, min, max, (long)r->base[i]);
}

static void perform(struct reader *r, const struct op *op)
{
	unsigned long under = 0, over = 0;
	long sums[MAX_N], approx, min, max;
	unsigned int i;
	int ret;

	switch (op->what) {
	case ADD:
		op_begins(BIT(op->i), 0);
		percpu_counter_tree_add(&group[op->i], inc_of(op));
		op_ends();
		added(op);
		break;
	case SUM:
		op_begins(0, BIT(op->i));
		sums[0] = percpu_counter_tree_precise_sum(&group[op->i]);
		op_ends();
		check_sums(r, op->i, 1, sums);
		break;
	case SUMS:
		op_begins(0, BIT(n) - 1);
		percpu_counter_tree_precise_sum_many(group, n, sums);
		op_ends();
		check_sums(r, 0, n, sums);
		break;
	case RANGE:
		op_begins(0, BIT(op->i));
		percpu_counter_tree_approximate_min_max(&group[op->i], &approx, &min, &max);
		op_ends();
		check_range(r, op->i, min, max);
		break;
	case RANGES:
		op_begins(0, BIT(n) - 1);
		if (!percpu_counter_tree_approximate_sum_many(group, n, sums))
			percpu_counter_tree_approximate_accuracy_range(&group[0], &under, &over);
		op_ends();
		for (i = 0; i < n; i++)
			check_range(r, i, sums[i] - over, sums[i] + under);
		break;
	case ACTIVATE:
	case NO_MEMORY:
		op_begins(0, 0);
		shim_fail_alloc = op->what == NO_MEMORY;
		ret = percpu_counter_tree_activate_many(group, n, GFP_KERNEL);
		op_ends();
		CHECK(!ret || (ret == -ENOMEM && shim_fail_alloc), "activate: %d", ret);
		shim_fail_alloc = false;
		break;
	case REMAP:
		op_begins(0, 0);
		remapped = true;
		nr_maps++;
		percpu_counter_tree_remap(op->i);
		op_ends();
	}
	r->counters = 0;
}

static void run(unsigned int context)
{
	const struct op *op;

	for (op = plan->actor[context].op; op->what != END; op++) {
		next[context] = op;
		perform(&readers[context], op);
	}
}

static void check(void)
{
	unsigned int i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < depth && adding[k].i != i; k++)
			;
		if (k == depth)
			check_counter(i);
		else
			check_begun(i);
	}
}

static void end(void)
{
	active = group[0].level0;
	CHECK(!depth, "%u adds have not ended", depth);
	check_all();
}

static void reset(void)
{
	unsigned int k, i;

	if (remapped)
		percpu_counter_tree_remap(0);
	remapped = false;
	if (group) {
		percpu_counter_tree_destroy_many(group, n);
		CHECK(!shim_slots, "per-CPU memory leaked");
	}
	group_init_again(plan->state == LAZY);
	memset(readers, 0, sizeof(readers));
	if (plan->state == LAZY)
		for (i = 0; i < n; i++)
			add_on(cpu_list[0], i, 100 + i);
	for (k = 0; k < schedule.nr; k++) {
		if (schedule.context[k].moves) {
			shim_cpu = schedule.context[k].other_cpu;
			here();
		}
		for (i = 0; plan->state >= USED && i < n; i++)
			add_on(schedule.context[k].cpu, i, 0);
	}
	if (plan->state == FULL)
		to_end(sign, unit());
}

static void prepare(const struct plan *p)
{
	const struct actor *a = p->actor;
	unsigned int k;

	plan = p;
	memset(&schedule, 0, sizeof(schedule));
	for (k = 0; k < MAX_CONTEXTS && a[k].op[0].what; k++)
		schedule.context[k] = (struct context_plan){
			a[k].interrupt, cpu_of(a[k].cpu), cpu_of(a[k].moves ? a[k].other_cpu : a[k].cpu),
			a[k].moves,
		};
	schedule.nr = k;
	schedule.reset = reset;
	schedule.run = run;
	schedule.begin = begin;
	schedule.check = check;
	schedule.end = end;
}

void test_interleavings(unsigned int which)
{
	static const unsigned int cpus[] = { 3, LEAF_FANOUT + 1, LEAF_FANOUT * FANOUT + 1 };
	struct schedules count, sum = { 0 };
	unsigned int log;

	boot_plain(cpus[plans[which - 1].levels]);
	read_map();
	prepare(&plans[which - 1]);
	for (log = 1; log <= (full ? 5 : 3); log += full ? 1 : 2) {
		for (sign = -1; sign <= 1; sign += 2) {
			group_init(plan->counters, 1UL << log, true);
			count = all_schedules(&schedule);
			sum.complete += count.complete;
			sum.cut += count.cut;
			sum.states += count.states;
			group_destroy();
		}
	}
	printf("# %s: %lu schedules, %lu given up, %lu states\n", plan->name, sum.complete, sum.cut,
	       sum.states);
}

/* --- random orders of random operations */

static int some_of(int most)
{
	return (int)below(2 * most + 1) - most;
}

static void make_plan(struct plan *p)
{
	unsigned int nr = 2 + below(MAX_CONTEXTS - 1), cpus[3], k, o, what;
	bool map = false, changes;

	*p = (struct plan){ .counters = 1 + below(3), .state = below(4) };
	for (k = 0; k < ARRAY_SIZE(cpus); k++)
		cpus[k] = below(2) ? k : below(nr_list);
	for (k = 0; k < nr; k++) {
		struct actor *a = &p->actor[k];

		a->cpu = cpus[below(ARRAY_SIZE(cpus))];
		a->other_cpu = cpus[below(ARRAY_SIZE(cpus))];
		a->interrupt = !below(3);
		a->moves = a->interrupt ? 0 : below(3);
		/* The mutex of the map is one of a thread. */
		changes = !map && !a->interrupt && !below(4);
		map |= changes;
		for (o = 0; o < 1 + below(3); o++) {
			what = below(3) ? ADD : SUM + below(REMAP - ADD);
			if (what == REMAP && !changes)
				what = ADD;
			if ((what == ACTIVATE || what == NO_MEMORY) && a->interrupt)
				what = SUMS;
			a->op[o] = (struct op){
				what, what == REMAP ? below(3) : below(p->counters),
				below(2) ? 0 : some_of(below(4) ? 3 : 20), some_of(2),
			};
		}
	}
}

void test_schedules(unsigned int cpus)
{
	unsigned int rounds = full ? 1000 : 200, i;
	struct plan made;

	boot(cpus, below(2), 0);
	read_map();
	while (rounds--) {
		make_plan(&made);
		prepare(&made);
		sign = 1;
		group_init(made.counters, 2UL << below(6), true);
		for (i = 0; i < 5; i++)
			random_schedule(&schedule);
		group_destroy();
	}
}
