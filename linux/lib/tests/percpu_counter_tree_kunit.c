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
 * With one possible CPU and on !SMP the same tests run, and expect counters
 * that are always exact.
 */

#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/module.h>
#include <linux/percpu_counter_tree.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Seed of the random rows, to repeat a failure");

/* Bytes behind the nodes of a group that must not change. */
#define GUARD	64
#define POISON	0xa5

#define MAX_GROUP	17

#ifdef CONFIG_SMP
static unsigned int tree_levels(void)
{
	unsigned int nodes[PERCPU_COUNTER_TREE_MAX_LEVELS];

	return percpu_counter_tree_geometry(nr_cpu_ids, nodes);
}

static unsigned int tree_nodes(void)
{
	unsigned int nodes[PERCPU_COUNTER_TREE_MAX_LEVELS], level, all = 0;

	if (num_possible_cpus() == 1)
		return 0;
	percpu_counter_tree_geometry(nr_cpu_ids, nodes);
	for (level = 0; level < PERCPU_COUNTER_TREE_MAX_LEVELS; level++)
		all += nodes[level];
	return all;
}

static unsigned int head_items(void)
{
	if (num_possible_cpus() == 1)
		return 0;
	return PERCPU_COUNTER_TREE_HEAD_ITEMS(nr_cpu_ids, tree_nodes());
}

/* What a CPU holds back, read off its word. */
static long residue(struct percpu_counter_tree *c, unsigned int cpu)
{
	u32 word = *per_cpu_ptr(c->level0, cpu);

	if (!(word & PERCPU_COUNTER_TREE_LIVE))
		return 0;
	return (long)((word & (c->batch - 1)) >> PERCPU_COUNTER_TREE_SHIFT) -
	       (long)(c->batch >> (PERCPU_COUNTER_TREE_SHIFT + 1));
}

/* What all CPUs and nodes hold back. */
static unsigned long all_residues(struct percpu_counter_tree *c)
{
	unsigned int nodes = tree_nodes(), cpu, i;
	struct percpu_counter_tree_level_item *node = c->items + head_items();
	unsigned long sum = 0;

	if (!c->level0)
		return 0;
	for_each_possible_cpu(cpu)
		sum += residue(c, cpu);
	for (i = 0; i < nodes; i++)
		sum += atomic_long_read(&node[i].count[c->index]);
	return sum;
}

static void remap(unsigned int turn)
{
	percpu_counter_tree_remap(turn);
}
#else
static unsigned int tree_levels(void)
{
	return 0;
}

static long residue(struct percpu_counter_tree *c, unsigned int cpu)
{
	return 0;
}

static unsigned long all_residues(struct percpu_counter_tree *c)
{
	return 0;
}

static void remap(unsigned int turn)
{
}
#endif

static bool always_exact(void)
{
	return num_possible_cpus() == 1;
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

struct accuracy {
	unsigned long under, over;
};

static struct accuracy range_of(struct percpu_counter_tree *c)
{
	struct accuracy r = { };

	percpu_counter_tree_approximate_accuracy_range(c, &r.under, &r.over);
	return r;
}

struct group {
	unsigned int n;
	struct percpu_counter_tree *c;
	struct percpu_counter_tree_level_item *items;
};

static void free_group(void *data)
{
	struct group *g = data;

	if (g->c)
		percpu_counter_tree_destroy_many(g->c, g->n);
	kvfree(g->items);
	kvfree(g->c);
}

/* Counters for the time of a test, zeroed, and their nodes, poisoned. */
static struct group *alloc_group(struct kunit *test, unsigned int n)
{
	size_t size = percpu_counter_tree_items_size_many(n) + GUARD;
	struct group *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	g->n = n;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, free_group, g));
	g->c = kvcalloc(n, sizeof(*g->c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, g->c);
	g->items = kvmalloc(size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, g->items);
	memset(g->items, POISON, size);
	return g;
}

static int init(struct group *g, unsigned long batch)
{
	return percpu_counter_tree_init_many(g->c, g->items, g->n, batch,
					     GFP_KERNEL | __GFP_NOWARN);
}

static int init_lazy(struct group *g, unsigned long batch)
{
	return percpu_counter_tree_init_many_lazy(g->c, g->items, g->n, batch);
}

static int activate(struct percpu_counter_tree *c, unsigned int n)
{
	return percpu_counter_tree_activate_many(c, n,
						 GFP_KERNEL | __GFP_NOWARN);
}

static struct percpu_counter_tree *
counters(struct kunit *test, unsigned int n, unsigned long batch, bool lazy)
{
	struct group *g = alloc_group(test, n);
	int err = lazy ? init_lazy(g, batch) : init(g, batch);

	KUNIT_ASSERT_EQ(test, 0, err);
	return g->c;
}

/*
 * A snapshot of the online CPUs: a failing KUNIT_ASSERT() kills the task, so
 * none can be used while CPU hotplug is locked.
 */
static const struct cpumask *online_cpus(struct kunit *test)
{
	struct cpumask *cpus = kunit_kzalloc(test, cpumask_size(), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cpus);
	cpus_read_lock();
	cpumask_copy(cpus, cpu_online_mask);
	cpus_read_unlock();
	return cpus;
}

/* Each test has a thread of its own, so nobody needs to undo this. */
static void run_on(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current, cpumask_of(cpu)));
}

/* Is the precise sum right, and the approximate one within its range? */
static bool sums_fit(struct percpu_counter_tree *c, unsigned long sum)
{
	long error = approximate(c) - sum;
	struct accuracy r = range_of(c);

	return precise(c) == (long)sum && error >= -(long)r.under &&
	       error <= (long)r.over;
}

static void expect_sums_fit(struct kunit *test, struct percpu_counter_tree *c,
			    unsigned long sum)
{
	struct accuracy r = range_of(c);

	KUNIT_EXPECT_TRUE_MSG(test, sums_fit(c, sum),
			      "expected %ld precise %ld approximate %ld range -%lu +%lu",
			      sum, precise(c), approximate(c), r.under, r.over);
}

static void expect_exact(struct kunit *test, struct percpu_counter_tree *c,
			 long sum)
{
	KUNIT_EXPECT_EQ(test, range_of(c).under, 0);
	KUNIT_EXPECT_EQ(test, range_of(c).over, 0);
	KUNIT_EXPECT_EQ(test, approximate(c), sum);
	KUNIT_EXPECT_EQ(test, precise(c), sum);
}

static void batch_desc(const unsigned long *batch, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "batch %lu", *batch);
}

static const unsigned long batches[] = {
	2, 8, 32, 256
};

KUNIT_ARRAY_PARAM(batch, batches, batch_desc);

#ifdef CONFIG_SMP

/* ---- The shape of the tree ---- */

/* Is the shape of this level right for its number of children? */
static bool level_fits(unsigned int children, unsigned int nodes,
		       unsigned int fanout)
{
	if (children <= fanout)
		return !nodes;
	return nodes < children && nodes * fanout >= children &&
	       (nodes - 1) * fanout < children;
}

static void geometry(struct kunit *test)
{
	bool deep = IS_ENABLED(CONFIG_PERCPU_COUNTER_TREE_DEEP);
	unsigned int nodes[PERCPU_COUNTER_TREE_MAX_LEVELS];
	unsigned int max_cpus = deep ? 162 : 8192;
	unsigned int cpus, level, all, before = 0;

	for (cpus = 1; cpus <= max_cpus; cpus++) {
		unsigned int levels = percpu_counter_tree_geometry(cpus, nodes);
		unsigned int fanout = deep ? 2 : 16, below = cpus;
		bool fits = true;

		all = 0;
		for (level = 0; level < levels; level++) {
			fits &= level_fits(below, nodes[level], fanout);
			fanout = deep ? 3 : 8;
			below = nodes[level];
			all += below;
		}
		/* The rest hangs on the root. */
		fits &= level_fits(below, 0, fanout);
		for (; level < PERCPU_COUNTER_TREE_MAX_LEVELS; level++)
			fits &= !nodes[level];

		KUNIT_ASSERT_TRUE_MSG(test, fits,
				      "%u CPUs: %u levels, nodes %u %u %u %u",
				      cpus, levels, nodes[0], nodes[1],
				      nodes[2], nodes[3]);
		/* Static memory is enough for NR_CPUS and so for fewer. */
		KUNIT_ASSERT_GE(test, all, before);
		before = all;
		if (cpus == PERCPU_COUNTER_TREE_CPUS)
			KUNIT_EXPECT_EQ(test, all,
					PERCPU_COUNTER_TREE_STATIC_NODES);
	}
}

/* ---- The placement of CPUs ---- */

/* CPUs of each NUMA node, and how many share what; cache 0: 1, 3, 5, 7 ... */
static const struct topology {
	const char *name;
	u16 numa[12];
	u16 cache;
	u16 cluster;
	u16 smt;
	u16 stride;
	u16 leaf_max;
} topologies[] = {
	{ "one CPU", { 1 }, 1, 1, 1, 1, 1 },
	{ "17 CPUs, one cache", { 17 }, 17, 17, 1, 1, 9 },
	{ "two nodes of 64, SMT 2", { 64, 64 }, 16, 4, 2, 1, 16 },
	{ "caches of 12, SMT 4", { 192, 192 }, 12, 4, 4, 1, 24 },
	{ "caches of 3, SMT 1", { 96 }, 3, 3, 1, 1, 18 },
	{ "uneven nodes", { 100, 3, 25 }, 8, 8, 1, 1, 25 },
	{ "uneven caches, SMT 2", { 50, 49, 29 }, 0, 2, 2, 3, 20 },
	{ "SMT 8, holes", { 40, 80, 8 }, 8, 8, 8, 5, 24 },
	{ "more nodes than leaves", { 1, 2, 3, 1, 1, 9, 1, 1, 1, 2, 1, 1 },
	  2, 1, 1, 1, 16 },
	{ "nodes without order", { 16, 1, 255, 64, 7 }, 32, 8, 2, 1, 32 },
	{ "8192 CPUs", { 2048, 2048, 2048, 2048 }, 16, 8, 2, 1, 16 },
};

KUNIT_ARRAY_PARAM_DESC(topology, topologies, name);

static bool same_domain(const struct percpu_counter_tree_domains *at,
			const u16 *cpus, unsigned int i, unsigned int domain)
{
	return at[cpus[i]].id[domain] == at[cpus[i - 1]].id[domain];
}

/*
 * Units [@i, @end) are one domain inside of which are several of @domain. Where
 * there are nodes enough, none may span two of these, and where there are not,
 * none of these may be split.
 */
static bool placed_well(const struct percpu_counter_tree_domains *at,
			const u16 *cpus, const u16 *node, unsigned int i,
			unsigned int end, unsigned int domain)
{
	unsigned int nodes = node[end - 1] - node[i] + 1;
	unsigned int nr_domains = 1, first = i, j;

	if (domain == PERCPU_COUNTER_TREE_NR_DOMAINS)
		return true;

	for (j = i + 1; j < end; j++)
		nr_domains += !same_domain(at, cpus, j, domain);

	for (j = i + 1; j < end; j++) {
		bool same = same_domain(at, cpus, j, domain);

		if (!same && nodes >= nr_domains && node[j] == node[j - 1])
			return false;
		if (same && nodes <= nr_domains && node[j] != node[j - 1])
			return false;
		if (!same && nodes > nr_domains &&
		    !placed_well(at, cpus, node, first, j, domain + 1))
			return false;
		if (!same)
			first = j;
	}
	return nodes <= nr_domains ||
	       placed_well(at, cpus, node, first, end, domain + 1);
}

/* Every node that can have a unit has one, in order and without gaps. */
static bool placed_in_order(const u16 *node, unsigned int units,
			    unsigned int nodes)
{
	unsigned int i;

	for (i = 1; i < units; i++)
		if (node[i] != node[i - 1] && node[i] != node[i - 1] + 1)
			return false;
	return node[0] == 0 && node[units - 1] + 1 == min(units, nodes);
}

static void placement(struct kunit *test)
{
	const struct topology *t = test->param_value;
	unsigned int units = 0, serves = 0, nodes, numa, i, j;
	struct percpu_counter_tree_domains *at;
	u16 *cpus, *node;

	for (numa = 0; numa < ARRAY_SIZE(t->numa); numa++)
		units += t->numa[numa];
	at = kunit_kcalloc(test, units * t->stride, sizeof(*at), GFP_KERNEL);
	cpus = kunit_kcalloc(test, units, sizeof(*cpus), GFP_KERNEL);
	node = kunit_kcalloc(test, units, sizeof(*node), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, at);
	KUNIT_ASSERT_NOT_NULL(test, cpus);
	KUNIT_ASSERT_NOT_NULL(test, node);

	for (numa = 0, i = 0; numa < ARRAY_SIZE(t->numa); numa++) {
		for (j = 0; j < t->numa[numa]; j++, i++) {
			u16 *id = at[i * t->stride].id;

			cpus[i] = i * t->stride;
			id[PERCPU_COUNTER_TREE_NUMA] = numa;
			id[PERCPU_COUNTER_TREE_CACHE] =
				t->cache ? j / t->cache : int_sqrt(j);
			id[PERCPU_COUNTER_TREE_CLUSTER] = j / t->cluster;
			id[PERCPU_COUNTER_TREE_CORE] = j / t->smt;
		}
	}

	/* Any number of nodes, and more nodes than units. */
	for (nodes = 1; nodes <= min(units + 3, 600U); nodes++) {
		memset(node, 0xff, units * sizeof(*node));
		percpu_counter_tree_place(at, cpus, units, nodes, node);
		KUNIT_ASSERT_TRUE_MSG(test, placed_in_order(node, units, nodes),
				      "%u units, %u nodes", units, nodes);
		KUNIT_ASSERT_TRUE_MSG(test,
				      placed_well(at, cpus, node, 0, units, 0),
				      "%u units, %u nodes", units, nodes);
	}

	/* Shares are as equal as domains allow: checked by hand per row. */
	percpu_counter_tree_place(at, cpus, units, DIV_ROUND_UP(units, 16),
				  node);
	for (i = 0, j = 0; i < units; i++) {
		if (node[i] != node[j])
			j = i;
		serves = max(serves, i - j + 1);
	}
	KUNIT_EXPECT_EQ(test, serves, t->leaf_max);
}

#endif /* CONFIG_SMP */

/* ---- Memory ---- */

static void items_size(struct kunit *test)
{
	size_t one = percpu_counter_tree_items_size(), size, last = 0;
	unsigned int n;

	static_assert(PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE ==
		      PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(1));
	KUNIT_EXPECT_EQ(test, one, percpu_counter_tree_items_size_many(1));
	KUNIT_EXPECT_EQ(test, one, percpu_counter_tree_items_size_many(8));
	KUNIT_EXPECT_EQ(test, 2 * one, percpu_counter_tree_items_size_many(9));
	for (n = 0; n <= 100; n++) {
		size = percpu_counter_tree_items_size_many(n);
		KUNIT_EXPECT_GE(test, size, last);
		KUNIT_EXPECT_LE(test, size, n * one);
		KUNIT_EXPECT_LE(test, size,
				PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(n));
		last = size;
	}
#ifdef CONFIG_SMP
	one -= (head_items() + tree_nodes()) *
	       sizeof(struct percpu_counter_tree_level_item);
#endif
	KUNIT_EXPECT_EQ(test, one, 0);
}

static const unsigned long refused[] = {
	0, 1, 3, 6, 96, LONG_MAX, ULONG_MAX,
};

KUNIT_ARRAY_PARAM(refused, refused, batch_desc);

static void init_refused(struct kunit *test)
{
	const unsigned long batch = *(unsigned long *)test->param_value;
	struct group *g = alloc_group(test, 2);

	/* What was in the memory before must not matter to destroy. */
	memset(g->c, POISON, 2 * sizeof(*g->c));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, init(g, batch));
#ifdef __WARN_FLAGS
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
#endif
		percpu_counter_tree_destroy_many(g->c, 2);
		percpu_counter_tree_destroy_many(g->c, 2);
		KUNIT_EXPECT_EQ(test, -EINVAL, init_lazy(g, batch));
		percpu_counter_tree_destroy_many(g->c, 2);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				percpu_counter_tree_init(g->c, g->items, batch,
							 GFP_KERNEL));
		percpu_counter_tree_destroy(g->c);
	}
	KUNIT_EXPECT_EQ(test, 0, init(g, 2));
}

/* More per-CPU memory than one allocation can have. */
static void init_no_memory(struct kunit *test)
{
	unsigned int n = PCPU_MIN_UNIT_SIZE / sizeof(u32) + 1;
	struct group *g = alloc_group(test, n);

	if (always_exact())
		kunit_skip(test, "needs two possible CPUs");

	KUNIT_EXPECT_EQ(test, -ENOMEM, init(g, 8));
	percpu_counter_tree_destroy_many(g->c, n);

	KUNIT_ASSERT_EQ(test, 0, init_lazy(g, 8));
	add(&g->c[n - 1], -1000);
	KUNIT_EXPECT_EQ(test, -ENOMEM, activate(g->c, n));
	add(&g->c[n - 1], 1);
	expect_exact(test, &g->c[n - 1], -999);
	expect_exact(test, &g->c[0], 0);
}

/* A static counter that nobody has initialised, as in init_mm. */
static void zeroed(struct kunit *test)
{
	struct percpu_counter_tree c = { };

	expect_exact(test, &c, 0);
	add(&c, 1000);
	percpu_counter_tree_set(&c, -7);
	expect_exact(test, &c, -7);
	percpu_counter_tree_destroy(&c);
	percpu_counter_tree_destroy_many(&c, 0);
}

/* ---- Sums and their range ---- */

static const unsigned int seeds[] = { 1, 2, 3, 4, 0 };

static void seed_desc(const unsigned int *s, char *desc)
{
	if (*s)
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", *s);
	else
		strscpy(desc, "any seed", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(seed, seeds, seed_desc);

static long random_increment(struct rnd_state *rnd, unsigned long batch)
{
	const unsigned long edges[] = {
		0, 1, batch / 2 - 1, batch / 2, batch / 2 + 1, batch - 1, batch,
		batch + 1, 3 * batch, 4 * batch, 4096, 4097, LONG_MAX,
		LONG_MIN,
	};
	u32 r = prandom_u32_state(rnd);
	unsigned long inc;

	if (r & 1)
		inc = edges[(r >> 2) % ARRAY_SIZE(edges)];
	else if (r & 0x1f0)
		inc = prandom_u32_state(rnd) % (2 * batch);
	else
		prandom_bytes_state(rnd, &inc, sizeof(inc));
	return r & 2 ? inc : -inc;
}

/*
 * What the root lacks is what CPUs and nodes hold back, to the unit: no carry
 * was lost or taken twice, whatever has happened before.
 */
static void expect_all_carried(struct kunit *test,
			       struct percpu_counter_tree *c)
{
	KUNIT_EXPECT_EQ(test, (long)all_residues(c),
			precise(c) - approximate(c));
}

static void restore_map(void *unused)
{
	remap(0);
}

/*
 * Sums wrap like a long, so unsigned arithmetic is the reference, and their
 * distance is what has to be within the range. It stays so when the map
 * changes and leaves residues in nodes that their CPUs no longer use.
 */
static void sequential_history(struct kunit *test)
{
	u32 s = *(unsigned int *)test->param_value ?: seed ?: get_random_u32();
	unsigned long batch = batches[s % ARRAY_SIZE(batches)];
	struct percpu_counter_tree *c = counters(test, 1, batch, false);
	const struct cpumask *cpus = online_cpus(test);
	unsigned int step, cpu = cpumask_first(cpus);
	struct rnd_state rnd;
	unsigned long sum = 0;
	long inc;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, restore_map, NULL));
	prandom_seed_state(&rnd, s);
	for (step = 0; step < 4000; step++) {
		if (step % 100 == 0)
			remap(step / 100);
		if (step % 8 == 0) {
			cpu = cpumask_nth(prandom_u32_state(&rnd) %
					  cpumask_weight(cpus), cpus);
			run_on(test, cpu);
		}
		inc = random_increment(&rnd, batch);
		add(c, inc);
		sum += inc;
		if (!sums_fit(c, sum)) {
			expect_sums_fit(test, c, sum);
			KUNIT_FAIL_AND_ABORT(test,
					     "seed %u step %u CPU %u increment %ld",
					     s, step, cpu, inc);
		}
	}
	remap(0);
	expect_all_carried(test, c);
}

/* Units in which windows move, and so nodes count. */
static long unit_of(long batch)
{
	return max(batch / 16, 1L);
}

/* Bring the residue of this CPU to @target, without a carry. */
static void hold_back(struct percpu_counter_tree *c, long target)
{
	/* The first add of a CPU is special, but counts as any. */
	add(c, 0);
	add(c, target - residue(c, raw_smp_processor_id()));
}

/* Make this CPU carry just @amount batches less @less units. */
static void carry(struct percpu_counter_tree *c, long batch, int sign,
		  long amount, long less)
{
	hold_back(c, sign > 0 ? -batch / 2 : batch / 2 - 1);
	add(c, sign * ((amount + 1) * batch - (less + 1) * unit_of(batch)));
}

/*
 * Fill the leaf of this CPU, at @level 1, or what is above it. If that was full
 * already, thanks to another CPU, then the first carry has emptied it, and all
 * above it into the root.
 */
static void fill(struct percpu_counter_tree *c, long batch, int sign,
		 unsigned int level)
{
	long approx = approximate(c);

	carry(c, batch, sign, level == 1 ? 3 : 8, 0);
	if (approximate(c) != approx) {
		if (level == 1 && tree_levels() == 2)
			fill(c, batch, sign, 2);
		carry(c, batch, sign, level == 1 ? 3 : 8, 0);
	}
	carry(c, batch, sign, level == 1 ? 1 : 8, 1);
}

/*
 * Make all CPUs and the nodes of the two lowest levels hold back what they can,
 * in the direction of @sign. They are filled from the top down, so that a carry
 * for an upper node passes through empty ones. The counter has not been used
 * yet.
 */
static void saturate(struct kunit *test, struct percpu_counter_tree *c,
		     const struct cpumask *cpus, long batch, int sign)
{
	unsigned int level = always_exact() ? 0 : min(tree_levels(), 2U);
	unsigned int cpu;

	for (; level; level--) {
		for_each_cpu(cpu, cpus) {
			run_on(test, cpu);
			fill(c, batch, sign, level);
		}
	}
	if (always_exact())
		return;
	for_each_cpu(cpu, cpus) {
		run_on(test, cpu);
		hold_back(c, sign > 0 ? batch / 2 - 1 : -batch / 2);
	}
}

static void range_ends(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	const struct cpumask *cpus = online_cpus(test);
	struct percpu_counter_tree *c = counters(test, 9, batch, false);
	long approx, sum, min, max;
	struct accuracy r;
	int i, sign;

	if (!cpumask_equal(cpus, cpu_possible_mask))
		kunit_skip(test, "some possible CPUs are not online");
	if (tree_levels() > 2)
		kunit_skip(test, "more than two levels of nodes");

	for (i = 0; i < 9; i++)
		saturate(test, &c[i], cpus, batch, i & 1 ? -1 : 1);
	for (i = 0; i < 9; i++) {
		sign = i & 1 ? -1 : 1;
		sum = precise(&c[i]);
		r = range_of(&c[i]);
		percpu_counter_tree_approximate_min_max(&c[i], &approx, &min,
							&max);
		KUNIT_EXPECT_EQ_MSG(test, sign > 0 ? r.under : r.over,
				    sign * (sum - approx), "counter %d", i);
		KUNIT_EXPECT_EQ(test, sum, sign > 0 ? max : min);
		/* Beyond the end, carries bring it back. */
		add(&c[i], sign);
		expect_sums_fit(test, &c[i], sum + sign);
	}
}

/* From 0, how far can one CPU count until the root changes? */
static void rounding(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = counters(test, 2, batch, false);
	long full = batch << 2 * tree_levels(), sum;
	int sign;

	if (always_exact())
		kunit_skip(test, "counters are exact");
	run_on(test, cpumask_first(online_cpus(test)));

	for (sign = 1; sign >= -1; sign -= 2, c++) {
		for (sum = 0; !approximate(c); sum++) {
			KUNIT_ASSERT_LT(test, sum, 2 * full);
			add(c, sign);
		}
		if (tree_levels())
			KUNIT_EXPECT_GE(test, sum, full - batch / 2);
		else
			KUNIT_EXPECT_EQ(test, sum, batch / 2 + (sign < 0));
		expect_sums_fit(test, c, sign * sum);
		expect_all_carried(test, c);
	}
}

/* A sum goes far beyond what a total can hold, by the largest adds. */
static void total_wraps(struct kunit *test)
{
	struct percpu_counter_tree *c = counters(test, 2, 1L << 20, false);
	const struct cpumask *cpus = online_cpus(test);
	unsigned int i, j, cpu;
	unsigned long sum = 0;
	int sign;

	for (sign = 1; sign >= -1; sign -= 2, c++, sum = 0) {
		for (i = 0; i < 120; i++) {
			cpu = cpumask_nth(i % cpumask_weight(cpus), cpus);
			run_on(test, cpu);
			for (j = 0; j < 10000; j++)
				add(c, sign * 4096);
			add(c, sign);
			sum += sign * (10000 * 4096L + 1);
		}
		expect_sums_fit(test, c, sum);
		expect_all_carried(test, c);
		/* Larger ones do not go there. */
		add(c, LONG_MAX);
		expect_sums_fit(test, c, sum + LONG_MAX);
	}
}

/* The range grows with each CPU, not with adds, and for the whole group. */
static void follows_use(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = counters(test, 4, batch, false);
	const struct cpumask *cpus = online_cpus(test);
	unsigned int cpu, used = 0, i;
	struct accuracy r;

	if (always_exact())
		kunit_skip(test, "counters are exact");

	for_each_cpu(cpu, cpus) {
		run_on(test, cpu);
		used++;
		for (i = 0; i < 3; i++) {
			add(&c[used % 2], -1);
			add(&c[used % 2], 1);
			r = range_of(&c[i]);
			KUNIT_EXPECT_EQ(test, r.over, used * batch / 2);
			KUNIT_EXPECT_EQ(test, r.under,
					used * (batch / 2 - 1));
		}
	}
	/* Large adds go to the root: nobody holds anything back. */
	add(&c[2], 5000 * batch);
	add(&c[2], -4097);
	KUNIT_EXPECT_EQ(test, 5000 * batch - 4097, approximate(&c[2]));
	KUNIT_EXPECT_EQ(test, range_of(&c[2]).over, used * batch / 2);
}

/* Swing by @amplitude and return how often the root has changed. */
static unsigned int swing(struct percpu_counter_tree *c, long amplitude)
{
	long last = approximate(c), approx;
	unsigned int changes = 0, i;

	for (i = 0; i < 8; i++) {
		add(c, i & 1 ? -amplitude : amplitude);
		approx = approximate(c);
		changes += approx != last;
		last = approx;
	}
	return changes;
}

static void oscillation(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = counters(test, 1, batch, false);
	long most = tree_levels() ? 3 * batch : batch - unit_of(batch);
	long turn = batch << 2 * tree_levels(), last = 0;
	unsigned int changes;
	long amplitude, base;

	if (always_exact())
		kunit_skip(test, "counters are exact");
	run_on(test, cpumask_first(online_cpus(test)));

	/* Nothing around 0, where counters live. */
	for (amplitude = 1 - batch / 2; amplitude < batch / 2; amplitude++)
		KUNIT_EXPECT_EQ(test, 0, swing(c, amplitude));

	for (base = -2 * turn; base <= 2 * turn; base += batch / 8 | 1) {
		last = base;
		percpu_counter_tree_set(c, base);
		for (amplitude = -most; amplitude <= most;
		     amplitude += unit_of(batch)) {
			changes = swing(c, amplitude);
			KUNIT_ASSERT_LE_MSG(test, changes, 1,
					    "%u changes at %ld, amplitude %ld",
					    changes, base, amplitude);
		}
	}
	expect_sums_fit(test, c, last);
	expect_all_carried(test, c);
}

static void set_and_wrap(struct kunit *test)
{
	static const long values[] = {
		0, 1, -1, 4, -4, 1000, -1000000, LONG_MAX, LONG_MIN, 5
	};
	const long batch = *(unsigned long *)test->param_value;
	const struct cpumask *cpus = online_cpus(test);
	struct percpu_counter_tree *c = counters(test, 1, batch, false);
	unsigned int cpu, i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct percpu_counter_tree *fresh =
			counters(test, 1, batch, false);

		percpu_counter_tree_set(fresh, values[i]);
		expect_sums_fit(test, fresh, values[i]);

		for_each_cpu(cpu, cpus) {
			run_on(test, cpu);
			add(c, batch / 2 * (cpu + 1));
			percpu_counter_tree_set(c, values[i]);
			expect_sums_fit(test, c, values[i]);
		}
		KUNIT_EXPECT_EQ(test, max(values[i], 0L),
				percpu_counter_tree_precise_sum_positive(c));
		KUNIT_EXPECT_EQ(test, max(approximate(c), 0L),
				percpu_counter_tree_approximate_sum_positive(c));
	}

	percpu_counter_tree_set(c, LONG_MIN / 2);
	KUNIT_EXPECT_EQ(test, 0,
			percpu_counter_tree_approximate_sum_positive(c));

	percpu_counter_tree_set(c, LONG_MAX);
	for_each_cpu(cpu, cpus) {
		run_on(test, cpu);
		add(c, 1);
	}
	expect_sums_fit(test, c, (unsigned long)LONG_MAX +
				 cpumask_weight(cpus));
	add(c, -(long)cpumask_weight(cpus));
	expect_sums_fit(test, c, LONG_MAX);
}

/* ---- Comparisons ---- */

static const struct limits {
	const char *name;
	long approx;
	unsigned long under, over;
	long min, max;
} limits[] = {
	{ "exact", 5, 0, 0, 5, 5 },
	{ "positive", 100, 7, 20, 80, 107 },
	{ "negative", -100, 20, 7, -107, -80 },
	{ "just above LONG_MIN", LONG_MIN + 5, 1, 5, LONG_MIN, LONG_MIN + 6 },
	{ "below LONG_MIN", LONG_MIN + 5, 1, 6, LONG_MIN, LONG_MAX },
	{ "just below LONG_MAX", LONG_MAX - 5, 5, 1, LONG_MAX - 6, LONG_MAX },
	{ "above LONG_MAX", LONG_MAX - 5, 6, 1, LONG_MIN, LONG_MAX },
	{ "LONG_MIN", LONG_MIN, 0, 0, LONG_MIN, LONG_MIN },
	{ "LONG_MAX", LONG_MAX, 0, 0, LONG_MAX, LONG_MAX },
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

static int sign_of(long a, long b)
{
	return (a > b) - (a < b);
}

static void expect_compare(struct kunit *test, struct percpu_counter_tree *c,
			   long v, int if_approximate, int if_precise)
{
	KUNIT_EXPECT_EQ(test, if_approximate,
			percpu_counter_tree_approximate_compare_value(c, v));
	KUNIT_EXPECT_EQ(test, if_precise,
			percpu_counter_tree_precise_compare_value(c, v));
}

static void compare_value(struct kunit *test)
{
	const long batch = *(unsigned long *)test->param_value;
	struct percpu_counter_tree *c = counters(test, 1, batch, false);
	static const long sums[] = { 0, 3, -3, 12345, -12345 };
	unsigned long under = 1000, over = 2000;
	long sum, approx, min, max;
	unsigned int i, j;

	/* The range of several counters can be summed. */
	run_on(test, cpumask_first(online_cpus(test)));
	saturate(test, c, cpumask_of(raw_smp_processor_id()), batch, 1);
	percpu_counter_tree_approximate_accuracy_range(c, &under, &over);
	percpu_counter_tree_approximate_accuracy_range(c, &under, &over);
	under = (under - 1000) / 2;
	over = (over - 2000) / 2;

	for (i = 0; i < ARRAY_SIZE(sums); i++) {
		sum = sums[i];
		percpu_counter_tree_set(c, sum);
		percpu_counter_tree_approximate_min_max(c, &approx, &min, &max);
		KUNIT_EXPECT_EQ(test, approx, approximate(c));
		KUNIT_EXPECT_EQ(test, min, approx - (long)over);
		KUNIT_EXPECT_EQ(test, max, approx + (long)under);
		KUNIT_EXPECT_EQ(test, min == max, always_exact());

		for (j = 0; j < 9; j++) {
			const long values[] = {
				LONG_MIN, min - 1, min, sum - 1, sum, sum + 1,
				max, max + 1, LONG_MAX
			};
			long v = values[j];

			expect_compare(test, c, v, (min > v) - (max < v),
				       sign_of(sum, v));
		}
	}
}

static void compare(struct kunit *test)
{
	struct percpu_counter_tree *a = counters(test, 1, 8, false);
	struct percpu_counter_tree *b = counters(test, 1, 2, false);
	long approx, min_a, max_a, min_b, max_b, sum, wide, step;
	int sign;

	run_on(test, cpumask_first(online_cpus(test)));
	percpu_counter_tree_set(a, 100);
	percpu_counter_tree_approximate_min_max(a, &approx, &min_a, &max_a);
	wide = 3 * (max_a - min_a) + 10;
	step = wide / 1000 + 1;

	for (sum = 100 - wide; sum <= 100 + wide; sum += step) {
		percpu_counter_tree_set(b, sum);
		percpu_counter_tree_approximate_min_max(b, &approx, &min_b,
							&max_b);
		sign = min_a > max_b ? 1 : max_a < min_b ? -1 : 0;
		KUNIT_ASSERT_EQ(test, sign,
				percpu_counter_tree_approximate_compare(a, b));
		KUNIT_ASSERT_EQ(test, -sign,
				percpu_counter_tree_approximate_compare(b, a));
		KUNIT_ASSERT_EQ(test, sign_of(100, sum),
				percpu_counter_tree_precise_compare(a, b));
		KUNIT_ASSERT_EQ(test, sign_of(sum, 100),
				percpu_counter_tree_precise_compare(b, a));
	}
	KUNIT_EXPECT_EQ(test, -1,
			percpu_counter_tree_approximate_compare(a, b));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_tree_approximate_compare(a, a));
}

/* ---- Groups ---- */

static void group_desc(const unsigned int *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "group of %u", *n);
}

static const unsigned int groups[] = { 1, 4, 8, 9, MAX_GROUP };

KUNIT_ARRAY_PARAM(group, groups, group_desc);

static void neighbours(struct kunit *test)
{
	const unsigned int n = *(unsigned int *)test->param_value;
	const struct cpumask *cpus = online_cpus(test);
	struct group *g = alloc_group(test, n);
	size_t size = percpu_counter_tree_items_size_many(n);
	unsigned long expected[MAX_GROUP] = { };
	unsigned int used, i;
	long sums[MAX_GROUP];

	KUNIT_ASSERT_EQ(test, 0, init(g, 8));
	/* Full nodes of one counter are nothing to those that come later. */
	for (used = 0; used < n; used++) {
		KUNIT_EXPECT_EQ(test, 0, approximate(&g->c[used]));
		saturate(test, &g->c[used], cpus, 8, used & 1 ? -1 : 1);
		expected[used] = precise(&g->c[used]);
		add(&g->c[used], used);
		expected[used] += used;
		for (i = 0; i < n; i++)
			expect_sums_fit(test, &g->c[i], expected[i]);
	}

	percpu_counter_tree_precise_sum_many(g->c, n, sums);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, expected[i], sums[i]);
	percpu_counter_tree_precise_sum_many(&g->c[n / 2], n - n / 2, sums);
	for (i = n / 2; i < n; i++)
		KUNIT_EXPECT_EQ(test, expected[i], sums[i - n / 2]);

	KUNIT_EXPECT_NULL_MSG(test, memchr_inv((char *)g->items + size, POISON,
					       GUARD),
			      "wrote behind the nodes");
}

static void lazy(struct kunit *test)
{
	const unsigned int n = *(unsigned int *)test->param_value;
	const struct cpumask *cpus = online_cpus(test);
	struct percpu_counter_tree *c = counters(test, n, 4, true);
	unsigned int cpu, i;
	unsigned long sum = 0;

	for_each_cpu(cpu, cpus) {
		run_on(test, cpu);
		sum += 3;
		for (i = 0; i < n; i++) {
			add(&c[i], 3 + i);
			add(&c[i], -(long)i);
			expect_exact(test, &c[i], sum);
		}
	}

	KUNIT_ASSERT_EQ(test, 0, activate(c, n));
	for_each_cpu(cpu, cpus) {
		run_on(test, cpu);
		for (i = 0; i < n; i++) {
			expect_sums_fit(test, &c[i], sum);
			add(&c[i], 61);
			expect_sums_fit(test, &c[i], sum + 61);
		}
		sum += 61;
		/* A second time changes nothing. */
		KUNIT_EXPECT_EQ(test, 0, activate(c, n));
	}
	KUNIT_EXPECT_EQ(test, range_of(&c[n - 1]).over == 0, always_exact());
}

/* ---- Adders on all CPUs ---- */

static const struct race_row {
	const char *name;
	unsigned int rounds;
	unsigned int adds;
	bool lazy;
	bool remap;
} races[] = {
	{ "plain", 2, 10000, false, false },
	{ "map rewritten", 2, 10000, false, true },
	{ "activated by all CPUs at once", 50, 200, true, false },
};

KUNIT_ARRAY_PARAM_DESC(race, races, name);

#define RACE_COUNTERS	9
#define RACE_BATCH	4

struct race {
	const struct race_row *row;
	struct percpu_counter_tree *c;
	wait_queue_head_t start;
	bool started;
	atomic_t running;
};

struct adder {
	struct race *race;
	struct task_struct *thread;
	struct rnd_state rnd;
	unsigned long sums[RACE_COUNTERS];
	unsigned long missed;
	int err;
};

static bool may_start(struct race *r)
{
	return READ_ONCE(r->started) || kthread_should_stop();
}

/*
 * All adders add to the first counter only what is positive, so no sum of it is
 * below what one of them has added.
 */
static int adder_thread(void *data)
{
	struct adder *a = data;
	struct race *r = a->race;
	unsigned int step, i;
	long inc;

	wait_event_idle(r->start, may_start(r));

	for (step = 0; step < r->row->adds; step++) {
		if (r->row->lazy && step == r->row->adds / 4)
			a->err = activate(r->c, RACE_COUNTERS);
		for (i = 0; i < RACE_COUNTERS; i++) {
			inc = prandom_u32_state(&a->rnd) % (8 * RACE_BATCH);
			if (i)
				inc -= 4 * RACE_BATCH;
			add(&r->c[i], inc);
			a->sums[i] += inc;
		}
		if (precise(r->c) < (long)a->sums[0])
			a->missed++;
		if (step % 64 == 0)
			cond_resched();
	}
	atomic_dec(&r->running);

	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

KUNIT_DEFINE_ACTION_WRAPPER(stop_thread, kthread_stop, struct task_struct *);

static void one_race(struct kunit *test, const struct cpumask *cpus,
		     const struct race_row *row)
{
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	unsigned int nr = cpumask_weight(cpus), turn = 0, cpu, i, j = 0;
	struct adder *a = kunit_kcalloc(test, nr, sizeof(*a), GFP_KERNEL);
	unsigned long sum;

	KUNIT_ASSERT_NOT_NULL(test, r);
	KUNIT_ASSERT_NOT_NULL(test, a);
	r->row = row;
	r->c = counters(test, RACE_COUNTERS, RACE_BATCH, row->lazy);
	init_waitqueue_head(&r->start);
	atomic_set(&r->running, nr);

	for_each_cpu(cpu, cpus) {
		a[j].race = r;
		prandom_seed_state(&a[j].rnd, cpu + 1);
		a[j].thread = kthread_run_on_cpu(adder_thread, &a[j], cpu,
						 "counter_adder/%u");
		KUNIT_ASSERT_FALSE(test, IS_ERR(a[j].thread));
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, stop_thread,
							  a[j].thread));
		j++;
	}

	WRITE_ONCE(r->started, true);
	wake_up_all(&r->start);
	while (atomic_read(&r->running)) {
		if (row->remap)
			remap(++turn);
		schedule_timeout_uninterruptible(!row->remap);
	}
	for (j = 0; j < nr; j++)
		kunit_release_action(test, stop_thread, a[j].thread);

	for (j = 0; j < nr; j++) {
		KUNIT_EXPECT_EQ(test, 0, a[j].err);
		KUNIT_EXPECT_EQ(test, 0, a[j].missed);
	}
	for (i = 0; i < RACE_COUNTERS; i++) {
		for (sum = 0, j = 0; j < nr; j++)
			sum += a[j].sums[i];
		expect_sums_fit(test, &r->c[i], sum);
		expect_all_carried(test, &r->c[i]);
	}
}

static void race(struct kunit *test)
{
	const struct race_row *row = test->param_value;
	const struct cpumask *cpus = online_cpus(test);
	unsigned int i;

	if (row->remap)
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action(test, restore_map, NULL));
	for (i = 0; i < row->rounds; i++)
		one_race(test, cpus, row);
}

struct irq_state {
	struct percpu_counter_tree *c;
	atomic_long_t added;
	atomic_long_t balance;
};

/* One addition to each of two counters, from any context. */
static bool add_in_any_context(void *data)
{
	struct irq_state *s = data;
	long inc = in_hardirq() ? 3 : in_softirq() ? 11 : 1, added;

	add(&s->c[0], inc);
	added = atomic_long_add_return(inc, &s->added);

	add(&s->c[1], added & 1 ? inc : -2 * inc);
	atomic_long_add(added & 1 ? inc : -2 * inc, &s->balance);

	/* Even while the carry of whom this interrupts is on its way. */
	return precise(&s->c[0]) >= added;
}

static void interrupts(struct kunit *test)
{
	struct irq_state s = { .c = counters(test, 2, 4, false) };

	kunit_run_irq_test(test, add_in_any_context, 200000, &s);
	expect_sums_fit(test, &s.c[0], atomic_long_read(&s.added));
	expect_sums_fit(test, &s.c[1], atomic_long_read(&s.balance));
	expect_all_carried(test, &s.c[0]);
	expect_all_carried(test, &s.c[1]);
}

#ifdef CONFIG_HOTPLUG_CPU
static void bring_online(void *data)
{
	add_cpu((unsigned long)data);
}

static void hotplug(struct kunit *test)
{
	const struct cpumask *cpus = online_cpus(test);
	struct percpu_counter_tree *c = counters(test, 1, 32, false);
	unsigned long cpu = cpumask_last(cpus), sum = 15;

	if (cpu == cpumask_first(cpus) || !get_cpu_device(cpu))
		kunit_skip(test, "no CPU to take offline");

	run_on(test, cpu);
	add(c, 15);
	run_on(test, cpumask_first(cpus));
	if (remove_cpu(cpu))
		kunit_skip(test, "CPU %lu does not go offline", cpu);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, bring_online,
						  (void *)cpu));
	expect_sums_fit(test, c, sum);
	add(c, 1000);
	sum += 1000;
	expect_sums_fit(test, c, sum);

	kunit_release_action(test, bring_online, (void *)cpu);
	expect_sums_fit(test, c, sum);
	run_on(test, cpu);
	add(c, -15);
	expect_sums_fit(test, c, sum - 15);
}
#endif

static struct kunit_case percpu_counter_tree_cases[] = {
#ifdef CONFIG_SMP
	KUNIT_CASE(geometry),
	KUNIT_CASE_PARAM(placement, topology_gen_params),
#endif
	KUNIT_CASE(items_size),
	KUNIT_CASE_PARAM(init_refused, refused_gen_params),
	KUNIT_CASE(init_no_memory),
	KUNIT_CASE(zeroed),
	KUNIT_CASE_PARAM(sequential_history, seed_gen_params),
	KUNIT_CASE_PARAM(range_ends, batch_gen_params),
	KUNIT_CASE_PARAM(rounding, batch_gen_params),
	KUNIT_CASE(total_wraps),
	KUNIT_CASE_PARAM(follows_use, batch_gen_params),
	KUNIT_CASE_PARAM(oscillation, batch_gen_params),
	KUNIT_CASE_PARAM(set_and_wrap, batch_gen_params),
	KUNIT_CASE_PARAM(min_max_range, limits_gen_params),
	KUNIT_CASE_PARAM(compare_value, batch_gen_params),
	KUNIT_CASE(compare),
	KUNIT_CASE_PARAM(neighbours, group_gen_params),
	KUNIT_CASE_PARAM(lazy, group_gen_params),
	KUNIT_CASE_PARAM_ATTR(race, race_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(interrupts),
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE_SLOW(hotplug),
#endif
	{}
};

static struct kunit_suite percpu_counter_tree_suite = {
	.name = "percpu_counter_tree",
	.test_cases = percpu_counter_tree_cases,
};

kunit_test_suite(percpu_counter_tree_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of hierarchical per-CPU counters");
MODULE_LICENSE("GPL");
