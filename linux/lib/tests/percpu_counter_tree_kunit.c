// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of hierarchical per-CPU counters
 *
 * The shape of the tree and the placement of CPUs are pure functions and are
 * tested for machines of any size. Everything else runs on the machine at
 * hand, whose tree has nodes only with more than 16 CPUs. Build the kernel with
 * CONFIG_PERCPU_COUNTER_TREE_DEEP=y to test a tree of several levels on a small
 * machine. The more CPUs the better: the tests visit all that are online.
 *
 * With one possible CPU and on !SMP counters are always exact. The tests that
 * need no more than the API run there, too.
 */

#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/module.h>
#include <linux/percpu_counter_tree.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "../percpu_counter_tree.h"

/* Bytes after the items of a group, which must not change. */
#define GUARD	64
#define POISON	0xa5

#define MAX_GROUP	17
#define MAX_ADD		((long)PERCPU_COUNTER_TREE_MAX_ADD)

/*
 * A snapshot from before each test: a failing KUNIT_ASSERT() kills the task, so
 * none can be used while CPU hotplug is locked.
 */
static struct cpumask online;
static unsigned int nr_online;

/* Each test has a thread of its own, so this need not be undone. */
static void run_on(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current, cpumask_of(cpu)));
}

static int init_test(struct kunit *test)
{
	cpus_read_lock();
	cpumask_copy(&online, cpu_online_mask);
	nr_online = num_online_cpus();
	cpus_read_unlock();
	run_on(test, cpumask_first(&online));
	return 0;
}

/* Short names: what is tested is called on almost every line. */
static void add(struct percpu_counter_tree *c, long inc)
{
	percpu_counter_tree_add(c, inc);
}

static long precise(struct percpu_counter_tree *c)
{
	return percpu_counter_tree_precise_sum(c);
}

static long approximate(struct percpu_counter_tree *c)
{
	return percpu_counter_tree_approximate_sum(c);
}

static bool always_exact(void)
{
	return num_possible_cpus() == 1;
}

struct group {
	unsigned int n;
	struct percpu_counter_tree *c;
	struct percpu_counter_tree_level_item *items;
};

static void destroy_group(void *data)
{
	struct group *g = data;

	percpu_counter_tree_destroy_many(g->c, g->n);
	kvfree(g->items);
}

/* Counters for the time of a test, zeroed, and their items, poisoned. */
static struct group *alloc_group(struct kunit *test, unsigned int n)
{
	size_t size = percpu_counter_tree_items_size_many(n) + GUARD;
	struct group *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	g->n = n;
	g->c = kunit_kcalloc(test, n, sizeof(*g->c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, g->c);
	/* Aligned to its size or to a page, so also to a cache line. */
	size = roundup_pow_of_two(size);
	g->items = kvmalloc(size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, g->items);
	memset(g->items, POISON, size);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, destroy_group, g));
	return g;
}

static int init_lazy(struct group *g, unsigned long batch)
{
	return percpu_counter_tree_init_many_lazy(g->c, g->items, g->n, batch);
}

static int activate(struct group *g)
{
	return percpu_counter_tree_activate_many(g->c, g->n,
						 GFP_KERNEL | __GFP_NOWARN);
}

static struct percpu_counter_tree *
counters(struct kunit *test, unsigned int n, unsigned long batch)
{
	struct group *g = alloc_group(test, n);

	KUNIT_ASSERT_EQ(test, 0,
			percpu_counter_tree_init_many(g->c, g->items, n, batch,
						      GFP_KERNEL));
	return g->c;
}

/* Is the precise sum right, and the approximate one within its range? */
static bool sums_fit(struct percpu_counter_tree *c, unsigned long sum)
{
	unsigned long under = 0, over = 0;
	long error = approximate(c) - sum;

	percpu_counter_tree_approximate_accuracy_range(c, &under, &over);
	return precise(c) == (long)sum && error >= -(long)under &&
	       error <= (long)over;
}

static void expect_sums_fit(struct kunit *test, struct percpu_counter_tree *c,
			    unsigned long sum)
{
	KUNIT_EXPECT_TRUE_MSG(test, sums_fit(c, sum),
			      "expected %ld precise %ld approximate %ld", sum,
			      precise(c), approximate(c));
}

static void expect_range(struct kunit *test, struct percpu_counter_tree *c,
			 unsigned long under, unsigned long over)
{
	unsigned long u = 0, o = 0;

	percpu_counter_tree_approximate_accuracy_range(c, &u, &o);
	KUNIT_EXPECT_EQ(test, u, under);
	KUNIT_EXPECT_EQ(test, o, over);
}

static void expect_exact(struct kunit *test, struct percpu_counter_tree *c,
			 long sum)
{
	expect_range(test, c, 0, 0);
	KUNIT_EXPECT_EQ(test, approximate(c), sum);
	KUNIT_EXPECT_EQ(test, precise(c), sum);
}

static void number_desc(const unsigned long *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu", *n);
}

/* ---- Memory ---- */

static void sizes(struct kunit *test)
{
	size_t one = percpu_counter_tree_items_size(), size;
	unsigned int n;

	KUNIT_EXPECT_EQ(test, one == 0, always_exact());
	for (n = 0; n <= 100; n++) {
		size = percpu_counter_tree_items_size_many(n);
		KUNIT_EXPECT_EQ(test, size, DIV_ROUND_UP(n, 8) * one);
		KUNIT_EXPECT_LE(test, size,
				PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(n));
	}
	/* Larger batches are reduced. */
	KUNIT_EXPECT_EQ(test, percpu_counter_tree_bound(MAX_ADD),
			percpu_counter_tree_bound(2 * MAX_ADD));
	KUNIT_EXPECT_EQ(test, percpu_counter_tree_bound(2) == 0,
			always_exact());
}

static const unsigned long refused[] = {
	0, 1, 3, 6, 96, LONG_MAX, ULONG_MAX,
};

KUNIT_ARRAY_PARAM(refused, refused, number_desc);

static void init_refused(struct kunit *test)
{
	const unsigned long batch = *(unsigned long *)test->param_value;
	struct group *g = alloc_group(test, 2);

	/* What was in the memory before must not matter to destroy. */
	memset(g->c, POISON, 2 * sizeof(*g->c));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				percpu_counter_tree_init(g->c, g->items, batch,
							 GFP_KERNEL));
#ifdef __WARN_FLAGS
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
#endif
		percpu_counter_tree_destroy(g->c);
		KUNIT_EXPECT_EQ(test, -EINVAL, init_lazy(g, batch));
		/* It counts nevertheless, but cannot be activated. */
		add(&g->c[1], 1000);
		KUNIT_EXPECT_EQ(test, always_exact() ? 0 : -EINVAL,
				activate(g));
		expect_exact(test, &g->c[1], 1000);
	}
	/* A destroyed group can be used again. */
	percpu_counter_tree_destroy_many(g->c, 2);
	percpu_counter_tree_destroy_many(g->c, 2);
	KUNIT_EXPECT_EQ(test, 0, init_lazy(g, 2));
	expect_exact(test, &g->c[1], 0);
}

/* More per-CPU memory than one allocation can have. */
static void no_memory(struct kunit *test)
{
	unsigned int n = PCPU_MIN_UNIT_SIZE / sizeof(long) + 1, i;
	struct group *g = alloc_group(test, n);

	KUNIT_ASSERT_EQ(test, 0, init_lazy(g, 8));
	add(&g->c[n - 1], -1000);
	/* A failure does not prevent another attempt. */
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, always_exact() ? 0 : -ENOMEM,
				activate(g));
	add(&g->c[n - 1], 1);
	expect_exact(test, &g->c[n - 1], -999);
	expect_exact(test, &g->c[0], 0);
}

/* A static counter that was not initialised, as in init_mm. */
static void zeroed(struct kunit *test)
{
	struct percpu_counter_tree c = {};

	add(&c, 1000);
	percpu_counter_tree_set(&c, -7);
	expect_exact(test, &c, -7);
	percpu_counter_tree_destroy(&c);
	percpu_counter_tree_destroy_many(&c, 0);
}

/* ---- The interface ---- */

static const struct limits {
	const char *name;
	long approx;
	unsigned long under, over;
	long min, max;
} limits[] = {
	{ "exact", 5, 0, 0, 5, 5 },
	{ "positive", 100, 7, 20, 80, 107 },
	{ "negative", -100, 20, 7, -107, -80 },
	{ "to LONG_MIN", LONG_MIN + 5, 1, 5, LONG_MIN, LONG_MIN + 6 },
	{ "below LONG_MIN", LONG_MIN + 5, 1, 6, LONG_MIN, LONG_MAX },
	{ "to LONG_MAX", LONG_MAX - 5, 5, 1, LONG_MAX - 6, LONG_MAX },
	{ "above LONG_MAX", LONG_MAX - 5, 6, 1, LONG_MIN, LONG_MAX },
	{ "all", 0, ULONG_MAX, ULONG_MAX, LONG_MIN, LONG_MAX },
};

KUNIT_ARRAY_PARAM_DESC(limits, limits, name);

static void min_max_range(struct kunit *test)
{
	const struct limits *l = test->param_value;
	long min = 77, max = 77;

	percpu_counter_tree_approximate_min_max_range(l->approx, l->under,
						      l->over, &min, &max);
	KUNIT_EXPECT_EQ(test, min, l->min);
	KUNIT_EXPECT_EQ(test, max, l->max);
}

static void set(struct kunit *test)
{
	static const long values[] = { 0, -1, 1000, LONG_MAX, LONG_MIN, 5 };
	struct percpu_counter_tree *c = counters(test, 1, 8);
	unsigned int i;
	long sum;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		percpu_counter_tree_set(c, values[i]);
		expect_sums_fit(test, c, values[i]);
		sum = percpu_counter_tree_precise_sum_positive(c);
		KUNIT_EXPECT_EQ(test, sum, max(values[i], 0L));
		sum = percpu_counter_tree_approximate_sum_positive(c);
		KUNIT_EXPECT_EQ(test, sum, max(approximate(c), 0L));
		add(c, 3);
		expect_sums_fit(test, c, values[i] + 3UL);
	}
}

static int sign(long min_a, long max_a, long min_b, long max_b)
{
	return (min_a > max_b) - (max_a < min_b);
}

static void compare(struct kunit *test)
{
	struct percpu_counter_tree *a = counters(test, 1, 8);
	struct percpu_counter_tree *b = counters(test, 1, 2);
	long approx, min_a, max_a, min, max, sum;
	int ret;

	percpu_counter_tree_set(a, 100);
	percpu_counter_tree_approximate_min_max(a, &approx, &min_a, &max_a);
	for (sum = -1000; sum <= 1000; sum++) {
		percpu_counter_tree_set(b, sum);
		percpu_counter_tree_approximate_min_max(b, &approx, &min, &max);
		KUNIT_ASSERT_EQ(test, approx, approximate(b));
		KUNIT_ASSERT_TRUE(test, min <= sum && sum <= max);
		KUNIT_ASSERT_EQ(test, min == max, always_exact());

		ret = percpu_counter_tree_approximate_compare(a, b);
		KUNIT_ASSERT_EQ(test, ret, sign(min_a, max_a, min, max));
		ret = percpu_counter_tree_approximate_compare_value(a, sum);
		KUNIT_ASSERT_EQ(test, ret, sign(min_a, max_a, sum, sum));
		ret = percpu_counter_tree_precise_compare(a, b);
		KUNIT_ASSERT_EQ(test, ret, sign(100, 100, sum, sum));
		ret = percpu_counter_tree_precise_compare_value(a, sum);
		KUNIT_ASSERT_EQ(test, ret, sign(100, 100, sum, sum));
	}
}

static const unsigned long groups[] = { 1, 4, 8, 9, MAX_GROUP };

KUNIT_ARRAY_PARAM(group, groups, number_desc);

/* Before activation, after it, and after it was asked for once more */
static void lazy(struct kunit *test)
{
	struct group *g = alloc_group(test, *(long *)test->param_value);
	size_t size = percpu_counter_tree_items_size_many(g->n);
	long sums[MAX_GROUP], expected[MAX_GROUP] = {};
	unsigned int cpu, i, n, phase;

	KUNIT_ASSERT_EQ(test, 0, init_lazy(g, 4));
	for (phase = 0; phase < 3; phase++) {
		for_each_cpu(cpu, &online) {
			run_on(test, cpu);
			for (i = 0; i < g->n; i++) {
				add(&g->c[i], 7L * i - 61);
				expected[i] += 7L * i - 61;
				expect_sums_fit(test, &g->c[i], expected[i]);
			}
		}
		if (!phase)
			expect_exact(test, g->c, expected[0]);
		for (i = 0; i < g->n; i++) {
			for (n = 0; n <= g->n - i; n++) {
				memset(sums, 0, sizeof(sums));
				percpu_counter_tree_precise_sum_many(&g->c[i],
								     n, sums);
				KUNIT_EXPECT_MEMEQ(test, sums, &expected[i],
						   n * sizeof(*sums));
				if (n < MAX_GROUP)
					KUNIT_EXPECT_EQ(test, sums[n], 0);
			}
		}
		KUNIT_ASSERT_EQ(test, 0, activate(g));
	}
	KUNIT_EXPECT_NULL_MSG(test, memchr_inv((char *)g->items + size, POISON,
					       GUARD),
			      "wrote behind the items");
}

#ifdef CONFIG_SMP

static const unsigned long batches[] = { 2, 4, 8, 64 };

KUNIT_ARRAY_PARAM(batch, batches, number_desc);

/* ---- The shape of the tree and the placement of CPUs ---- */

static void geometry(struct kunit *test)
{
	const bool deep = IS_ENABLED(CONFIG_PERCPU_COUNTER_TREE_DEEP);
	unsigned int cpus, below, fanout, level, nodes, all;
	struct percpu_counter_tree_shape s;
	bool fits;

	for (cpus = 1; cpus <= (deep ? 162 : 8192); cpus++) {
		s = percpu_counter_tree_geometry(cpus);
		below = cpus;
		fanout = deep ? 2 : 16;
		fits = true;
		all = 0;
		for (level = 0; level < ARRAY_SIZE(s.nodes); level++) {
			nodes = s.nodes[level];
			fits &= !nodes == (level >= s.levels);
			if (!nodes)
				continue;
			/* As few as can serve those below. */
			fits &= below > fanout && nodes * fanout >= below &&
				(nodes - 1) * fanout < below;
			below = nodes;
			fanout = deep ? 3 : 8;
			all += nodes;
		}
		/* The root serves the rest. */
		fits &= below <= fanout && s.all_nodes == all;
		KUNIT_ASSERT_TRUE_MSG(test, fits, "%u CPUs", cpus);
		if (cpus == CONFIG_NR_CPUS)
			KUNIT_EXPECT_EQ(test, all,
					PERCPU_COUNTER_TREE_STATIC_NODES);
	}
}

#define MAX_UNITS	400U

struct units {
	struct percpu_counter_tree_place at[MAX_UNITS];
	u16 unit[MAX_UNITS];
	u16 node[MAX_UNITS];
};

/* Two NUMA nodes of any size share no leaf, and two caches of a share none. */
static void cut_boundaries(struct kunit *test)
{
	struct units *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	const unsigned int fanout = 16;
	unsigned int half, nr, i;
	u16 *id;

	KUNIT_ASSERT_NOT_NULL(test, u);
	for (half = fanout; half <= MAX_UNITS / 2; half++) {
		nr = 2 * half;
		for (i = 0; i < nr; i++) {
			u->unit[i] = i;
			id = u->at[i].id;
			memset(id, 0xff, sizeof(u->at[i].id));
			id[PERCPU_COUNTER_TREE_NUMA] = i / half;
			if (half % fanout)
				continue;
			id[PERCPU_COUNTER_TREE_CACHE] = i / fanout;
			id[PERCPU_COUNTER_TREE_CORE] = i / 2;
		}
		percpu_counter_tree_cut(u->at, u->unit, nr,
					DIV_ROUND_UP(nr, fanout), fanout,
					u->node);
		KUNIT_ASSERT_LT(test, u->node[half - 1], u->node[half]);
		for (i = 0; i < nr && half % fanout == 0; i++)
			KUNIT_ASSERT_EQ(test, u->node[i], i / fanout);
	}
}

static const struct knowledge {
	const char *name;
	unsigned int unknown;
} knowledge[] = {
	{ "all known", 0 }, { "some known", 4 }, { "nothing known", 8 },
};

KUNIT_ARRAY_PARAM_DESC(knowledge, knowledge, name);

/* No node without units, and none with more than 1.5 times its fan-out. */
static void cut_limits(struct kunit *test)
{
	static const unsigned int fanouts[] = { 2, 3, 8, 16 };
	unsigned int trial, nr, fanout, nodes, serves, length, i, d;
	struct units *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	const struct knowledge *k = test->param_value;
	struct percpu_counter_tree_place place = {};
	struct rnd_state rnd;
	bool fits;
	u16 *id;

	KUNIT_ASSERT_NOT_NULL(test, u);
	prandom_seed_state(&rnd, 1);
	for (trial = 0; trial < 4000; trial++) {
		nr = 1 + prandom_u32_state(&rnd) % MAX_UNITS;
		fanout = fanouts[trial % ARRAY_SIZE(fanouts)];
		nodes = DIV_ROUND_UP(nr, fanout);
		/* A machine may have fewer CPUs than numbers of CPUs. */
		if (trial % 8 > 5)
			nodes += prandom_u32_state(&rnd) % (nr + 1);
		length = 1 + prandom_u32_state(&rnd) % 12;
		for (i = 0; i < nr; i++) {
			u->unit[i] = nr - 1 - i;
			d = prandom_u32_state(&rnd) % ARRAY_SIZE(place.id);
			if (prandom_u32_state(&rnd) % length == 0)
				place.id[d]++;
			id = u->at[u->unit[i]].id;
			for (d = 0; d < ARRAY_SIZE(place.id); d++) {
				id[d] = PERCPU_COUNTER_TREE_UNKNOWN;
				if (prandom_u32_state(&rnd) % 8 >= k->unknown)
					id[d] = place.id[d];
			}
		}
		memset(u->node, 0xff, sizeof(u->node));
		percpu_counter_tree_cut(u->at, u->unit, nr, nodes, fanout,
					u->node);

		fits = u->node[0] == 0;
		for (i = 1, serves = 1; i < nr; i++) {
			serves = u->node[i] == u->node[i - 1] ? serves + 1 : 1;
			fits &= serves <= fanout * 3 / 2 &&
				u->node[i] == u->node[i - 1] + (serves == 1);
		}
		fits &= u->node[nr - 1] + 1 == min(nodes, nr);
		KUNIT_ASSERT_TRUE_MSG(test, fits,
				      "trial %u, %u units, %u nodes", trial,
				      nr, nodes);
	}
}

/* ---- Sums and their range, looking inside ---- */

/* Counters that are not always exact. */
static struct percpu_counter_tree *
inexact(struct kunit *test, unsigned int n, unsigned long batch)
{
	if (always_exact())
		kunit_skip(test, "counters are exact with one possible CPU");
	return counters(test, n, batch);
}

/* What a CPU has not carried. */
static long residue(struct percpu_counter_tree *c, unsigned int cpu)
{
	unsigned long word = *per_cpu_ptr(c->level0, cpu);

	if (!(word & PERCPU_COUNTER_TREE_OFFSET))
		return 0;
	return (long)((word & (c->batch - 1)) >> PERCPU_COUNTER_TREE_SHIFT) -
	       (long)(c->batch >> (PERCPU_COUNTER_TREE_SHIFT + 1));
}

/*
 * Is what the root lacks what CPUs and nodes have not carried, to the unit? If
 * so, no carry was lost or taken twice.
 */
static bool all_carried(struct percpu_counter_tree *c)
{
	struct percpu_counter_tree_level_item *item = (void *)c->root;
	long sum = precise(c) - approximate(c);
	struct percpu_counter_tree_shape s;
	unsigned int cpu, i;

	s = percpu_counter_tree_geometry(nr_cpu_ids);
	for_each_possible_cpu(cpu)
		sum -= residue(c, cpu);
	for (i = 0; i < s.all_nodes; i++)
		sum -= atomic_long_read(&item[s.first + i].count[0]);
	return !sum;
}

/* Tells whether the window of this CPU has moved. */
static unsigned long window(struct percpu_counter_tree *c)
{
	return this_cpu_read(*c->level0) &
	       ~(c->batch - BIT(PERCPU_COUNTER_TREE_SHIFT));
}

static void restore_map(void *unused)
{
	percpu_counter_tree_remap(0);
}

static const unsigned long seeds[] = { 1, 2, 3, 4, 0 };

KUNIT_ARRAY_PARAM(seed, seeds, number_desc);

static unsigned long random_long(struct rnd_state *rnd)
{
	unsigned long v;

	prandom_bytes_state(rnd, &v, sizeof(v));
	return v;
}

/*
 * Sums wrap like a long, so unsigned arithmetic is the reference, and their
 * distance is what has to be within the range. It stays so when the map
 * changes and leaves residues in nodes that their CPUs no longer use.
 */
static void history(struct kunit *test)
{
	u32 s = *(unsigned long *)test->param_value ?: get_random_u32();
	unsigned long batch = batches[s % ARRAY_SIZE(batches)], sum = 0, inc;
	struct percpu_counter_tree *c = inexact(test, 1, batch);
	const unsigned long edges[] = {
		0, 1, batch / 2 - 1, batch / 2, batch / 2 + 1, batch - 1, batch,
		batch + 1, 4 * batch, MAX_ADD, MAX_ADD + 1, LONG_MAX, LONG_MIN,
	};
	struct rnd_state rnd;
	unsigned int step, i;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, restore_map, NULL));
	prandom_seed_state(&rnd, s);
	for (step = 0; step < 4000; step++) {
		if (step % 100 == 0)
			percpu_counter_tree_remap(step / 100);
		if (step % 32 == 0)
			run_on(test, cpumask_nth(prandom_u32_state(&rnd) %
						 nr_online, &online));
		inc = random_long(&rnd) % (2 * batch);
		if (step % 4 == 1)
			inc = edges[random_long(&rnd) % ARRAY_SIZE(edges)];
		inc = random_long(&rnd) & 1 ? inc : -inc;
		add(c, inc);
		sum += inc;
		if (step % 16 == 7) {
			/* On 32-bit kernels, totals wrap by this. */
			for (i = 0; i < 600; i++)
				add(c, MAX_ADD);
			sum += 600 * MAX_ADD;
		} else if (step % 16 == 15) {
			/* As if this CPU had carried that much. */
			inc = random_long(&rnd) & -batch;
			add(c, 0);
			this_cpu_add(*c->level0,
				     inc << PERCPU_COUNTER_TREE_SHIFT);
			atomic_long_add(inc, c->root);
			sum += inc;
		}
		expect_sums_fit(test, c, sum);
		KUNIT_ASSERT_TRUE_MSG(test, sums_fit(c, sum) && all_carried(c),
				      "seed %u step %u", s, step);
	}
}

/* Units in which windows move, and so nodes count. */
static long unit_of(long batch)
{
	return max(batch / 4, 1L);
}

/* What a node of @level, from 1 on, can keep. */
static long full(long batch, unsigned int level)
{
	return (batch << 2 * level) - unit_of(batch);
}

/* Bring the residue of this CPU to @target, without a carry. */
static void hold(struct percpu_counter_tree *c, long target)
{
	/* The first add of a CPU is special. */
	add(c, 0);
	add(c, target - residue(c, raw_smp_processor_id()));
}

/* Carry @amount, a multiple of the unit, from the end of the window. */
static void carry(struct percpu_counter_tree *c, long batch, int sign,
		  long amount)
{
	hold(c, sign > 0 ? batch / 2 - 1 : -batch / 2);
	add(c, sign * (amount - (batch - 2 * unit_of(batch))));
}

/* Fill all CPUs and nodes, from the top down. The counter was not used yet. */
static void saturate(struct kunit *test, struct percpu_counter_tree *c,
		     long batch, int sign)
{
	struct percpu_counter_tree_shape s;
	unsigned int level, above, cpu;
	long before;

	s = percpu_counter_tree_geometry(nr_cpu_ids);
	for (level = s.levels; level; level--) {
		for_each_cpu(cpu, &online) {
			run_on(test, cpu);
			before = approximate(c);
			carry(c, batch, sign, full(batch, level));
			if (approximate(c) == before)
				continue;
			/* It was full: it is empty now with all above it. */
			for (above = s.levels; above >= level; above--)
				carry(c, batch, sign, full(batch, above));
		}
	}
	for_each_cpu(cpu, &online) {
		run_on(test, cpu);
		hold(c, sign > 0 ? batch / 2 - 1 : -batch / 2);
	}
}

static void range_ends(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = inexact(test, 9, batch);
	long over = percpu_counter_tree_bound(batch), under, inc;
	unsigned long sum[9];
	struct rnd_state rnd;
	unsigned int i, step;

	if (nr_online != nr_cpu_ids)
		kunit_skip(test, "some CPUs are not online");

	/* The last one uses other items. */
	for (i = 0; i < 9; i = i ? 8 * i : 1) {
		saturate(test, &c[i], batch, i & 1 ? -1 : 1);
		sum[i] = precise(&c[i]);
	}
	under = over - nr_online;
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < 9; i = i ? 8 * i : 1) {
		run_on(test, cpumask_nth(i % nr_online, &online));
		expect_range(test, &c[i], under, over);
		KUNIT_EXPECT_EQ(test, (long)sum[i] - approximate(&c[i]),
				i & 1 ? -over : under);
		/* Beyond the end, carries bring it back. */
		for (step = 0; step < 200; step++) {
			expect_sums_fit(test, &c[i], sum[i]);
			inc = step ? prandom_u32_state(&rnd) % batch : 1;
			inc = i & 1 ? -inc : inc;
			add(&c[i], inc);
			sum[i] += inc;
		}
	}
}

/* The range grows with each CPU and node, not with adds, for the whole group */
static void range_follows_use(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = inexact(test, 9, batch);
	unsigned int cpu, used = 0, i;
	struct percpu_counter_tree_shape s;
	long over = 0;

	/* Adds that are too large for a word use no CPU. */
	add(&c[2], MAX_ADD + 1);
	add(&c[2], -MAX_ADD - 1);
	add(&c[2], LONG_MIN);
	expect_exact(test, &c[2], LONG_MIN);

	for_each_cpu(cpu, &online) {
		run_on(test, cpu);
		used++;
		over += batch / 2;
		for (i = 0; i < 8; i++) {
			add(&c[used % 2], -1);
			add(&c[used % 2], 1);
			expect_range(test, &c[i], over - used, over);
		}
	}
	/* The node that takes a carry counts, not those that it goes past. */
	s = percpu_counter_tree_geometry(nr_cpu_ids);
	for (i = s.levels; i; i--) {
		over += full(batch, i);
		carry(&c[i % 3], batch, 1, full(batch, i));
		expect_range(test, &c[i], over - used, over);
	}
	for (i = 0; i < 3; i++) {
		carry(&c[i], batch, 1, full(batch, s.levels));
		expect_range(test, &c[7 - i], over - used, over);
	}
	/* This one uses other items. */
	expect_exact(test, &c[8], 0);
	add(&c[8], -MAX_ADD);
	expect_sums_fit(test, &c[8], -MAX_ADD);
	add(&c[8], MAX_ADD - 1);
	KUNIT_EXPECT_NE(test, window(&c[8]), 0);
}

/* Add @step @nr times and return how often the window has moved. */
static long moves(struct percpu_counter_tree *c, long step, long nr)
{
	unsigned long last;
	long moves = 0;

	while (nr--) {
		last = window(c);
		add(c, step);
		moves += window(c) != last;
	}
	return moves;
}

static void oscillation(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = inexact(test, 2, batch);
	long quarter = unit_of(batch), base, step, nr, i, carries;
	int sign;

	for (sign = 1; sign >= -1; sign -= 2, c++) {
		/* Half a batch to the first carry, then 3/4 */
		add(c, 0);
		carries = moves(c, sign, 64 * batch);
		nr = 64 * batch - batch / 2 - (sign < 0);
		KUNIT_EXPECT_EQ(test, carries,
				1 + nr / (batch > 2 ? 3 * quarter : 1));
		/* From any value, a swing of a quarter carries once at most. */
		for (base = 0; base <= 4 * batch; base++, add(c, sign)) {
			for (step = -quarter; step <= quarter; step++) {
				nr = step ? quarter / abs(step) : 0;
				for (i = 0, carries = 0; i < 8; i++)
					carries += moves(c, step, nr) +
						   moves(c, -step, nr);
				KUNIT_ASSERT_LE_MSG(test, carries, 1,
						    "base %ld step %ld",
						    sign * base, step);
			}
		}
	}
}

/* ---- Adders on all CPUs ---- */

static const struct race {
	const char *name;
	unsigned int rounds;
	unsigned int adds;
	bool lazy;
	bool remap;
	bool move;
} races[] = {
	{ "plain", 1, 4000, false, false, false },
	{ "map rewritten", 1, 4000, false, true, false },
	{ "adders moved", 1, 4000, false, false, true },
	{ "first adds", 40, 20, false, false, false },
	{ "activated by all CPUs at once", 40, 40, true, false, false },
};

KUNIT_ARRAY_PARAM_DESC(race, races, name);

struct adder {
	const struct race *race;
	struct group *g;
	struct percpu_counter_tree *own;
	struct task_struct *thread;
	struct completion *start;
	atomic_t *running;
	unsigned int cpu;
	unsigned int wrong;
	unsigned long sum;
	unsigned long own_sum;
};

/*
 * All adders add to the first counter only what is positive, so no sum of it is
 * below what one of them has added. And each adds to a counter of its own, all
 * of whose sums are as good as if it were alone.
 */
static int adder_thread(void *data)
{
	struct adder *a = data;
	struct rnd_state rnd;
	unsigned int step;
	long inc;

	prandom_seed_state(&rnd, a->cpu + 1);
	a->wrong += !!set_cpus_allowed_ptr(current, cpumask_of(a->cpu));
	wait_for_completion(a->start);

	for (step = 0; step < a->race->adds; step++) {
		if (step == a->race->adds / 4)
			a->wrong += !!activate(a->g);
		inc = prandom_u32_state(&rnd) % 64;
		add(a->g->c, inc);
		a->sum += inc;
		add(a->own, inc - 32);
		a->own_sum += inc - 32;
		a->wrong += precise(a->g->c) < (long)a->sum ||
			    !sums_fit(a->own, a->own_sum);
		if (step % 64 == 0)
			cond_resched();
	}
	atomic_dec(a->running);
	while (!kthread_should_stop())
		schedule_timeout_idle(1);
	return 0;
}

static void one_race(struct kunit *test, const struct race *race,
		     struct group *g, struct adder *a)
{
	DECLARE_COMPLETION_ONSTACK(start);
	atomic_t running = ATOMIC_INIT(nr_online);
	unsigned int turn, cpu, i, nr = 0;
	unsigned long sum = 0;

	KUNIT_ASSERT_EQ(test, 0, init_lazy(g, 4));
	if (!race->lazy)
		KUNIT_ASSERT_EQ(test, 0, activate(g));

	/* No KUNIT_ASSERT() while there are threads. */
	for_each_cpu(cpu, &online) {
		a[nr] = (struct adder){
			.race = race, .g = g, .own = &g->c[nr + 1], .cpu = cpu,
			.start = &start, .running = &running,
		};
		a[nr].thread = kthread_run(adder_thread, &a[nr],
					   "counter_adder/%u", cpu);
		if (IS_ERR(a[nr].thread))
			break;
		nr++;
	}
	KUNIT_EXPECT_EQ(test, nr, nr_online);
	atomic_sub(nr_online - nr, &running);
	complete_all(&start);

	for (turn = 1; atomic_read(&running); turn++) {
		if (race->remap)
			percpu_counter_tree_remap(turn);
		i = (turn + turn / nr) % nr;
		if (race->move)
			set_cpus_allowed_ptr(a[turn % nr].thread,
					     cpumask_of(a[i].cpu));
		usleep_range(50, 100);
	}
	for (i = 0; i < nr; i++) {
		kthread_stop(a[i].thread);
		KUNIT_EXPECT_EQ(test, 0, a[i].wrong);
		expect_sums_fit(test, a[i].own, a[i].own_sum);
		KUNIT_EXPECT_TRUE(test, all_carried(a[i].own));
		sum += a[i].sum;
	}
	expect_sums_fit(test, g->c, sum);
	KUNIT_EXPECT_TRUE(test, all_carried(g->c));
	percpu_counter_tree_destroy_many(g->c, g->n);
}

static void race(struct kunit *test)
{
	struct group *g = alloc_group(test, nr_online + 1);
	const struct race *race = test->param_value;
	struct adder *a;
	unsigned int i;

	if (always_exact())
		kunit_skip(test, "needs two possible CPUs");
	a = kunit_kcalloc(test, nr_online, sizeof(*a), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, restore_map, NULL));
	for (i = 0; i < race->rounds; i++)
		one_race(test, race, g, a);
}

struct irq_state {
	struct percpu_counter_tree *c;
	raw_spinlock_t lock;
	atomic_long_t sum;
	long own_sum;
};

/*
 * Interrupt handlers alone add to the second counter, one at a time. Its range
 * holds whatever they interrupt.
 */
static bool add_in_interrupt(struct irq_state *s)
{
	long inc = in_hardirq() ? 3 : -2, added;

	/* Sometimes with a carry. */
	if (atomic_long_read(&s->sum) & 1)
		inc *= 9;
	add(&s->c[1], inc);
	s->own_sum += inc;
	if (!sums_fit(&s->c[1], s->own_sum))
		return false;

	add(s->c, 3);
	added = atomic_long_add_return(3, &s->sum);
	/* Even while the carry of the task is on its way. */
	return precise(s->c) >= added;
}

/* The first adds of all to a group are what has to go well again and again. */
static bool add_in_any_context(void *data)
{
	struct irq_state *s = data;
	struct percpu_counter_tree *c = s->c;
	unsigned int i, cpu;
	bool ok;

	if (!in_task()) {
		guard(raw_spinlock_irqsave)(&s->lock);
		return add_in_interrupt(s);
	}

	for (i = 1; i < 100; i *= 7) {
		add(c, i);
		atomic_long_add(i, &s->sum);
	}
	guard(raw_spinlock_irqsave)(&s->lock);
	ok = sums_fit(c, atomic_long_read(&s->sum)) && all_carried(c) &&
	     sums_fit(&c[1], s->own_sum);
	/* No CPU has used the group. */
	memset(c->root, 0, percpu_counter_tree_items_size());
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(c->level0, cpu), 0, 2 * sizeof(*c->level0));
	atomic_long_set(&s->sum, 0);
	s->own_sum = 0;
	return ok;
}

static void interrupts(struct kunit *test)
{
	struct irq_state s = { .c = inexact(test, 2, 8) };

	raw_spin_lock_init(&s.lock);
	kunit_run_irq_test(test, add_in_any_context, INT_MAX, &s);
}

#endif /* CONFIG_SMP */

#ifdef CONFIG_HOTPLUG_CPU
static void bring_online(void *data)
{
	add_cpu((unsigned long)data);
}

static void hotplug(struct kunit *test)
{
	struct percpu_counter_tree *c = counters(test, 1, 32);
	unsigned long cpu = cpumask_last(&online);

	if (nr_online == 1 || !get_cpu_device(cpu))
		kunit_skip(test, "no CPU to take offline");

	run_on(test, cpu);
	add(c, 15);
	run_on(test, cpumask_first(&online));
	if (remove_cpu(cpu))
		kunit_skip(test, "CPU %lu does not go offline", cpu);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, bring_online,
						  (void *)cpu));
	expect_sums_fit(test, c, 15);
	add(c, 1000);
	expect_sums_fit(test, c, 1015);

	kunit_release_action(test, bring_online, (void *)cpu);
	run_on(test, cpu);
	add(c, -15);
	expect_sums_fit(test, c, 1000);
}
#endif

static struct kunit_case percpu_counter_tree_cases[] = {
	KUNIT_CASE(sizes),
	KUNIT_CASE_PARAM(init_refused, refused_gen_params),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(zeroed),
	KUNIT_CASE_PARAM(min_max_range, limits_gen_params),
	KUNIT_CASE(set),
	KUNIT_CASE(compare),
	KUNIT_CASE_PARAM(lazy, group_gen_params),
#ifdef CONFIG_SMP
	KUNIT_CASE(geometry),
	KUNIT_CASE(cut_boundaries),
	KUNIT_CASE_PARAM(cut_limits, knowledge_gen_params),
	KUNIT_CASE_PARAM(history, seed_gen_params),
	KUNIT_CASE_PARAM(range_ends, batch_gen_params),
	KUNIT_CASE_PARAM(range_follows_use, batch_gen_params),
	KUNIT_CASE_PARAM(oscillation, batch_gen_params),
	KUNIT_CASE_PARAM_ATTR(race, race_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(interrupts),
#endif
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE_SLOW(hotplug),
#endif
	{}
};

static struct kunit_suite percpu_counter_tree_suite = {
	.name = "percpu_counter_tree",
	.init = init_test,
	.test_cases = percpu_counter_tree_cases,
};

kunit_test_suite(percpu_counter_tree_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of hierarchical per-CPU counters");
MODULE_LICENSE("GPL");
