// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hierarchical per-CPU counters
 *
 * HOW IT WORKS
 *
 *	                     root
 *	                   /       \
 *	level 2       node           node          from 129 CPUs on
 *	            /  ...  \      /  ...  \
 *	level 1   leaf ... leaf  leaf ... leaf     from 17 CPUs on
 *	         / ... \
 *	level 0  CPU CPU CPU ...
 *
 * Each CPU keeps the running total of what it has added; nothing ever takes
 * from it. It also has a window, one batch wide, around what it has carried. An
 * add changes the total with one this_cpu_add_return(). If that leaves the
 * window, the window follows, and the add carries by how much it has moved: to
 * the leaf that serves the CPU. A node collects carries and, when what it
 * holds reaches its threshold (4 batches in a leaf, 4 times as much with each
 * level), hands all of it to its parent in the same compare-and-exchange that
 * empties it. What leaves the topmost nodes is added to the root. Like a node,
 * the root has a cache line of its own, since adds read what is in struct
 * percpu_counter_tree.
 *
 * The word of a CPU is 32 bits wide:
 *
 *	| total + offset, 27 bits | offset / unit, 4 bits | live |
 *
 * The windows begin where total + offset is a multiple of the batch, so the
 * offset moves them, in units of 1/16 batch or 1. Adds change the upper field
 * only. A word that is not live is not used yet: what an add does to it is
 * void. The add makes it live, and tries again.
 *
 * Adds of more than 4096, and all adds before activation, go to another word,
 * @exact, instead.
 *
 * INVARIANT
 *
 * Call what a CPU or a node holds back its residue: for a CPU, where its total
 * is in its window, from the middle; for a node, its count. Each carry is the
 * change of a total less the change of its residue, and each node passes on
 * just what it loses. So when no carry is on its way, for any history and any
 * path that carries took,
 *
 *	sum of all totals = root + sum of all residues
 *
 * The precise sum is @exact + sum of all totals. A carry on its way does not
 * change it, an add is visible to it once its one per-CPU operation is done,
 * and an offline CPU still counts. The nodes exist to make the root good: the
 * approximate sum is @exact + root.
 *
 * Totals are kept modulo 2^27. All residues together are at most 2^22, see
 * max_batch(), so the root tells which of the sums is meant: the one nearest to
 * it. Carries on their way are missing in the root. Each is what was added, at
 * most 4096, and what it took along: a batch and a threshold of each level at
 * most. There is room for 2^25: with a batch of 8 on 512 CPUs for 7,800 of the
 * largest, whose tasks are all preempted at once, and for 90 whatever the batch
 * and the number of CPUs. And there is room for 2^24 in what the CPUs add, up
 * or down, while a sum visits them, which it does with preemption disabled.
 *
 * ERROR BOUND
 *
 * With batch B, the residue of a CPU is in [-B/2, B/2 - 1]. All carries are
 * multiples of the unit U by which windows move, and a node of level l keeps
 * its count strictly between the thresholds -B * 4^l and B * 4^l, also for a
 * moment: it is changed by nothing but that compare-and-exchange. So with C
 * CPUs and n(l) nodes of level l that were ever used by the group,
 *
 *	under = C * (B/2 - 1) + sum of n(l) * (B * 4^l - U)
 *	over  = C * B/2       + sum of n(l) * (B * 4^l - U)
 *
 * and precise - under <= approximate <= precise + over. Residues of different
 * CPUs and nodes can be chosen freely, from the top down: so both ends can be
 * reached. On 512 CPUs (32 leaves, 4 nodes) with B = 8 they are 3036 and 3548
 * if all are used. Both are kept as sums and grow when a CPU adds to the group
 * for the first time, or a carry reaches a node for the first time.
 *
 * While carries are on their way, the root lacks them, and the difference to
 * the precise sum may be larger by what they hold: the adds in progress, and
 * for each what it took along from the nodes it has emptied.
 *
 * OSCILLATION
 *
 * A carry moves the window of its CPU, so that the total is an eighth of a
 * batch from the end it came from or, after a larger add, so far that the
 * reverse of the add is inside. So a count that goes on in one direction
 * carries once in 7/8 of a batch, or in B - 1 if that is less; one that turns
 * needs an eighth of a batch of net change for it, at least 1; and one that
 * goes back and forth by adds of at most B - U carries once at most. Likewise a
 * node which has passed on its count is empty, and needs another threshold's
 * worth of net change. So the root is written once per threshold of its
 * children at most, or where these are the CPUs, per eighth of a batch, however
 * a sum swings and whatever the alignment.
 *
 * The window can only be moved on the CPU whose total has left it. If the task
 * has been moved to another CPU since, or something else was added, it is left
 * where the add has put it. This costs another carry, and nothing else.
 *
 * PLACEMENT
 *
 * The number of nodes depends on nr_cpu_ids alone. Which CPUs a leaf serves,
 * and which nodes a node of the next level serves, follows the topology: CPUs
 * are ranked by NUMA node, last-level cache, cluster, core and thread, and the
 * ranking is cut where it crosses the outermost domains, so that a carry stays
 * in one cache and then in one node. At boot only the NUMA nodes are known; the
 * rest is learned once the scheduler's topology stands, and later from each CPU
 * that comes online for the first time.
 *
 * The invariant and the bound do not care which way a carry goes, so the map is
 * rewritten while counters are in use: a carry that meets half of the old map
 * and half of the new still goes to some node of each level in turn. A node
 * stays in the range once it was used, so a residue left in a node that nobody
 * uses any more is covered. This is also why CPU hotplug needs nothing.
 *
 * LIFETIME
 *
 * A counter starts without per-CPU memory: all adds go to the word @exact. It
 * stays so with one possible CPU, and until percpu_counter_tree_activate_many()
 * gives the group its per-CPU memory; failure to do that is harmless. Who adds
 * does not matter, in any phase: @exact is an atomic, and a live word is
 * changed by its own CPU only, in single instructions as far as that CPU is
 * concerned. Each add goes either to @exact or to one total, and each sum
 * includes both. So nothing has to be moved on activation, and an add by
 * whoever that straddles it is simply one of the last in @exact.
 *
 * A CPU joins with its first add: first it sets its bit in the mask of CPUs
 * that sums visit, then it makes its word live, with preemption disabled so
 * that both are the same CPU's. An add that finds its word live is visible to
 * sums, because that CPU's bit was set before; one that does not is void.
 * Whichever it was is decided by its this_cpu_add_return() alone.
 *
 * ORDERING
 *
 * A counter orders nothing but itself: all operations on words, nodes, root and
 * @exact are relaxed. Two things are ordered. Words and items are zeroed before
 * @level0 is published by smp_store_release(): adders and sums reach words
 * through an address dependency on @level0, and percpu_counter_tree_use()
 * and percpu_counter_tree_root() have a smp_rmb() before anything in the items
 * is read. And the bit of a CPU is set before its word goes live, by the same
 * CPU, by a fully ordered test_and_set_bit(): whoever knows that an add to that
 * word is complete sees the bit.
 *
 * The map is read without a lock: each entry is one u16 that always names a
 * node of the next level or the root.
 */

#define pr_fmt(fmt) "percpu_counter_tree: " fmt

#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/error-injection.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/mutex.h>
#include <linux/percpu_counter_tree.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched/isolation.h>
#include <linux/sched/topology.h>
#include <linux/seq_file.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/workqueue.h>

/* Each level multiplies the threshold by 1 << THRESHOLD_SHIFT. */
#define THRESHOLD_SHIFT	2

#define SHIFT	PERCPU_COUNTER_TREE_SHIFT
#define LIVE	PERCPU_COUNTER_TREE_LIVE

/* A window is moved in units of a batch / 2^OFFSET_BITS, or 1. */
#define OFFSET_BITS	(SHIFT - 1)

/*
 * A total tells sums apart that differ by less than half of what it can hold.
 * In powers of two, room for all residues, for how far the root moves while
 * CPUs are visited, and for carries on their way.
 */
#define RESIDUE_BITS	22
#define MOVE_BITS	24
#define CARRY_BITS	25

/* In the map: carry to the root, which is the first item of a group. */
#define TO_ROOT	0

/* Nodes of each level, their sum, and the number of levels that have any. */
static unsigned int nr_nodes[PERCPU_COUNTER_TREE_MAX_LEVELS] __ro_after_init;
static unsigned int nr_all_nodes __ro_after_init;
static unsigned int nr_levels __ro_after_init;

/*
 * The range of a group that uses all CPUs and nodes is no wider than this many
 * half batches. 0 until the subsystem is ready.
 */
static unsigned long half_batches __ro_after_init;
static unsigned int nr_cpus __ro_after_init;

/* Items of a group before its nodes: root, struct percpu_counter_tree_use. */
static unsigned int head_items __ro_after_init;

/*
 * The map: leaf of a CPU, and parent of a node. Written under map_mutex. A node
 * goes by its number among the items of a group.
 */
static DEFINE_PER_CPU_READ_MOSTLY(u16, cpu_leaf) = TO_ROOT;
static u16 parent[PERCPU_COUNTER_TREE_STATIC_HEAD_ITEMS +
		  PERCPU_COUNTER_TREE_STATIC_NODES] __read_mostly;
static DEFINE_MUTEX(map_mutex);

/* What is known of each CPU, and room to rank them; under map_mutex. */
static struct percpu_counter_tree_domains *domains __ro_after_init;
static u16 *ranked __ro_after_init;
static u16 *placed __ro_after_init;
static cpumask_t learned;

static DEFINE_SPINLOCK(activate_lock);

/**
 * percpu_counter_tree_geometry() - Shape of the tree for a number of CPUs
 * @cpus: Number of CPUs.
 * @nodes: Set to the number of nodes of each level, leaves first; an array of
 *	   PERCPU_COUNTER_TREE_MAX_LEVELS.
 *
 * Context: Any.
 * Return: The number of levels which have nodes.
 */
VISIBLE_IF_KUNIT unsigned int percpu_counter_tree_geometry(unsigned int cpus,
							   unsigned int *nodes)
{
	unsigned int level, levels = 0;

	for (level = 0; level < PERCPU_COUNTER_TREE_MAX_LEVELS; level++) {
		nodes[level] = level ?
			PERCPU_COUNTER_TREE_UP(nodes[level - 1],
					       PERCPU_COUNTER_TREE_FANOUT) :
			PERCPU_COUNTER_TREE_UP(cpus,
					       PERCPU_COUNTER_TREE_LEAF_FANOUT);
		if (nodes[level])
			levels++;
	}
	return levels;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_geometry);

struct placement {
	const struct percpu_counter_tree_domains *at;
	const u16 *cpus;
	u16 *node;
};

/* Where the units of the same domain as unit @i end; at most at @end. */
static unsigned int domain_end(const struct placement *p, unsigned int i,
			       unsigned int end, unsigned int domain)
{
	unsigned int first = i++;

	if (domain == PERCPU_COUNTER_TREE_NR_DOMAINS)
		return i;
	while (i < end &&
	       p->at[p->cpus[i]].id[domain] == p->at[p->cpus[first]].id[domain])
		i++;
	return i;
}

/*
 * Spread units [i, end), which share all domains outside of @domain, over @nr
 * nodes from @node on.
 */
static void place(const struct placement *p, unsigned int i, unsigned int end,
		  unsigned int node, unsigned int nr, unsigned int domain)
{
	unsigned int nr_domains = 0, next, share, target;

	for (next = i; next < end; next = domain_end(p, next, end, domain))
		nr_domains++;

	/* Nodes to spare: divide them by units, but at least one a domain. */
	if (nr_domains < nr && domain < PERCPU_COUNTER_TREE_NR_DOMAINS) {
		for (; i < end; i = next) {
			next = domain_end(p, i, end, domain);
			share = DIV_ROUND_CLOSEST((next - i) * nr, end - i);
			nr_domains--;
			share = clamp(share, 1U, nr - nr_domains);
			place(p, i, next, node, share, domain + 1);
			node += share;
			nr -= share;
		}
		return;
	}

	/* Else whole domains, as near to equal shares as that can be. */
	for (; i < end; node++, nr--) {
		target = i + DIV_ROUND_CLOSEST(end - i, nr);
		do {
			next = domain_end(p, i, end, domain);
			while (i < next)
				p->node[i++] = node;
			if (i < end)
				next = domain_end(p, i, end, domain);
		} while (--nr_domains >= nr && i + next <= 2 * target);
	}
}

/**
 * percpu_counter_tree_place() - Choose the nodes that serve some units
 * @at: Topology of each CPU.
 * @cpus: For each unit (a CPU or a node), the CPU that tells where; ranked.
 * @nr_units: Number of units.
 * @nr_nodes: Number of nodes to spread them over.
 * @node: Set to the node of each unit, from 0 on and in the order of units,
 *	  without gaps.
 *
 * Every node gets a unit if there are as many. No node gets units of two NUMA
 * nodes if there are as many nodes as NUMA nodes, and so on for each kind of
 * domain inside of the outer ones.
 *
 * Context: Any.
 */
VISIBLE_IF_KUNIT void
percpu_counter_tree_place(const struct percpu_counter_tree_domains *at,
			  const u16 *cpus, unsigned int nr_units,
			  unsigned int nr_nodes, u16 *node)
{
	const struct placement p = { .at = at, .cpus = cpus, .node = node };

	place(&p, 0, nr_units, 0, min(nr_units, nr_nodes), 0);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_place);

static int cmp_rank(const void *a, const void *b)
{
	u16 x = *(const u16 *)a, y = *(const u16 *)b;
	unsigned int i;

	for (i = 0; i < PERCPU_COUNTER_TREE_NR_DOMAINS; i++)
		if (domains[x].id[i] != domains[y].id[i])
			return domains[x].id[i] < domains[y].id[i] ? -1 : 1;
	return x < y ? -1 : 1;
}

/*
 * Write the map from what is known of the CPUs. @turn is 0, or for tests how
 * many nodes further on in each level all CPUs and nodes are placed.
 */
static void write_map(unsigned int turn)
{
	unsigned int units_base = 0, base = head_items, nr_units = 0;
	unsigned int level, cpu, i, j;
	u16 node;

	for_each_possible_cpu(cpu)
		ranked[nr_units++] = cpu;
	sort(ranked, nr_units, sizeof(*ranked), cmp_rank, NULL);

	for (level = 0; level < nr_levels; level++) {
		percpu_counter_tree_place(domains, ranked, nr_units,
					  nr_nodes[level], placed);
		/* Read by this_cpu_read() and READ_ONCE() in climb(). */
		for (i = 0; i < nr_units; i++) {
			node = base + (placed[i] + turn) % nr_nodes[level];
			if (level)
				WRITE_ONCE(parent[units_base + i], node);
			else
				WRITE_ONCE(per_cpu(cpu_leaf, ranked[i]), node);
		}
		/* The units of the next level: a CPU for each node in use. */
		for (i = 0, j = 0; i < nr_units; i++)
			if (!i || placed[i] != placed[i - 1])
				ranked[j++] = ranked[i];
		nr_units = j;
		units_base = base;
		base += nr_nodes[level];
	}
}

static void learn_cpu(unsigned int cpu)
{
	u16 *id = domains[cpu].id;
	unsigned int other, i;

	id[PERCPU_COUNTER_TREE_NUMA] = cpu_to_node(cpu);

	other = cpumask_first_and(topology_sibling_cpumask(cpu), &learned);
	if (other < nr_cpu_ids)
		id[PERCPU_COUNTER_TREE_CORE] =
			domains[other].id[PERCPU_COUNTER_TREE_CORE];

	other = cpumask_first_and(topology_cluster_cpumask(cpu), &learned);
	if (other < nr_cpu_ids)
		id[PERCPU_COUNTER_TREE_CLUSTER] =
			domains[other].id[PERCPU_COUNTER_TREE_CLUSTER];

	/* Isolated CPUs have no domain; to cpus_share_cache() all share one. */
	if (!housekeeping_test_cpu(cpu, HK_TYPE_DOMAIN))
		goto out;

	/* Neighbours first: most of them share a cache. */
	for (i = 1; i < nr_cpu_ids; i++) {
		other = (cpu + nr_cpu_ids - i) % nr_cpu_ids;
		if (cpumask_test_cpu(other, &learned) && cpu_online(other) &&
		    cpus_share_cache(cpu, other)) {
			id[PERCPU_COUNTER_TREE_CACHE] =
				domains[other].id[PERCPU_COUNTER_TREE_CACHE];
			break;
		}
	}

out:
	cpumask_set_cpu(cpu, &learned);
}

/* Learn the CPUs that have come online, and write the map anew. */
static void refine_map(struct work_struct *work)
{
	unsigned int cpu;

	/* No CPU is half online, so their topology is settled. */
	guard(cpus_read_lock)();
	guard(mutex)(&map_mutex);

	for_each_online_cpu(cpu)
		if (!cpumask_test_cpu(cpu, &learned))
			learn_cpu(cpu);
	write_map(0);
}

static DECLARE_WORK(refine_work, refine_map);

static int cpu_came_online(unsigned int cpu)
{
	if (!cpumask_test_cpu(cpu, &learned))
		schedule_work(&refine_work);
	return 0;
}

#if IS_ENABLED(CONFIG_KUNIT)
/* For tests: a valid map unlike the one in use; the latter again for 0. */
void percpu_counter_tree_remap(unsigned int turn)
{
	guard(mutex)(&map_mutex);

	if (nr_levels)
		write_map(turn);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_remap);
#endif

/* Bound in batches, rounded up: what to multiply with a batch size. */
static unsigned long bound_in_batches(void)
{
	return DIV_ROUND_UP(half_batches, 2);
}

static int map_show(struct seq_file *m, void *unused)
{
	cpumask_var_t cpus;
	unsigned int cpu;
	u16 node, i;

	if (!alloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;

	seq_printf(m, "cpus %u nodes %u levels %u bound %lu batches\n",
		   nr_cpus, nr_all_nodes, nr_levels, bound_in_batches());

	mutex_lock(&map_mutex);
	for (node = head_items; node < head_items + nr_all_nodes; node++) {
		cpumask_clear(cpus);
		for_each_possible_cpu(cpu)
			for (i = per_cpu(cpu_leaf, cpu); i != TO_ROOT;
			     i = parent[i])
				if (i == node)
					cpumask_set_cpu(cpu, cpus);
		seq_printf(m, "node %u to ", node - head_items);
		if (parent[node] == TO_ROOT)
			seq_puts(m, "root");
		else
			seq_printf(m, "%u", parent[node] - head_items);
		seq_printf(m, " cpus %*pbl\n", cpumask_pr_args(cpus));
	}
	mutex_unlock(&map_mutex);

	free_cpumask_var(cpus);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(map);

/*
 * After sched_init_smp(), so that the topology of all CPUs brought up at boot
 * is known.
 */
static int __init percpu_counter_tree_topology_init(void)
{
	int ret;

	debugfs_create_file("percpu_counter_tree", 0444, NULL, NULL, &map_fops);

	if (!nr_levels)
		return 0;
	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN,
					"lib/percpu_counter_tree:online",
					cpu_came_online, NULL);
	refine_map(NULL);
	return min(ret, 0);
}
subsys_initcall(percpu_counter_tree_topology_init);

/**
 * percpu_counter_tree_subsystem_init() - Fix the shape of all trees
 *
 * Context: Once, at boot, after setup_nr_cpu_ids() and early_numa_node_init()
 *	    and while memblock still allocates. Panics without memory.
 * Return: Always 0.
 */
int __init percpu_counter_tree_subsystem_init(void)
{
	unsigned int base, level, cpu, i;

	/* Enough levels, and u16 holds the number of an item and of a CPU. */
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_LEVEL4 >
		     PERCPU_COUNTER_TREE_FANOUT);
	BUILD_BUG_ON(ARRAY_SIZE(parent) > U16_MAX);
	BUILD_BUG_ON(CONFIG_NR_CPUS > U16_MAX);
	/* As PERCPU_COUNTER_TREE_HEAD_ITEMS() has it. */
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_STATIC_HEAD_ITEMS > BITS_PER_LONG);
	BUILD_BUG_ON(BIT(RESIDUE_BITS) + BIT(MOVE_BITS) + BIT(CARRY_BITS) >
		     BIT(31 - SHIFT));

	nr_cpus = num_possible_cpus();
	/* A single CPU counts exactly, and uses no items. */
	if (nr_cpus > 1)
		nr_levels = percpu_counter_tree_geometry(nr_cpu_ids, nr_nodes);
	half_batches = nr_cpus;
	for (level = 0; level < nr_levels; level++) {
		half_batches += 2UL * nr_nodes[level] <<
				(THRESHOLD_SHIFT * (level + 1));
		nr_all_nodes += nr_nodes[level];
	}
	if (nr_cpus > 1)
		head_items = PERCPU_COUNTER_TREE_HEAD_ITEMS(nr_cpu_ids,
							    nr_all_nodes);
	WARN_ON(percpu_counter_tree_items_size() >
		PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE);

	pr_info("%u CPUs, %u nodes in %u levels, sums within %lu batches\n",
		nr_cpus, nr_all_nodes, nr_levels, bound_in_batches());
	if (!nr_levels)
		return 0;

	domains = memblock_alloc_or_panic(nr_cpu_ids * sizeof(*domains),
					  __alignof__(*domains));
	ranked = memblock_alloc_or_panic(2 * nr_cpu_ids * sizeof(*ranked),
					 __alignof__(*ranked));
	placed = ranked + nr_cpu_ids;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < PERCPU_COUNTER_TREE_NR_DOMAINS; i++)
			domains[cpu].id[i] = cpu;
		domains[cpu].id[PERCPU_COUNTER_TREE_NUMA] = cpu_to_node(cpu);
	}
	/* Parents of nodes that no CPU needs: any will do, see write_map() */
	for (level = 0, base = head_items; level < nr_levels; level++) {
		for (i = base; i < base + nr_nodes[level]; i++)
			parent[i] = level + 1 < nr_levels ?
				    base + nr_nodes[level] : TO_ROOT;
		base += nr_nodes[level];
	}
	write_map(0);
	return 0;
}

/**
 * percpu_counter_tree_items_size_many() - Size of the items of a group
 * @n: Counters in the group.
 *
 * Context: Any, after percpu_counter_tree_subsystem_init().
 * Return: Bytes of items which percpu_counter_tree_init_many() needs on this
 *	   machine; fixed after boot. 0 with one possible CPU.
 */
size_t percpu_counter_tree_items_size_many(unsigned int n)
{
	return (head_items + nr_all_nodes) *
	       sizeof(struct percpu_counter_tree_level_item) *
	       DIV_ROUND_UP(n, PERCPU_COUNTER_TREE_NODE_COUNTERS);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_items_size_many);

/*
 * With larger batches, residues or what a carry takes along would be too much
 * for a total.
 */
static unsigned long max_batch(void)
{
	return min(rounddown_pow_of_two(2 * BIT(RESIDUE_BITS) / half_batches),
		   PERCPU_COUNTER_TREE_MAX_ADD);
}

/**
 * percpu_counter_tree_init_many_lazy() - Initialise a group without allocation
 * @c: Array of counters, all set to 0.
 * @items: percpu_counter_tree_items_size_many(@n) bytes for as long as the
 *	   group lives, aligned like their type. Not touched before activation,
 *	   need not be zeroed.
 * @n: Number of counters.
 * @batch_size: Carry unit in the caller's unit: a power of two, at least 2. Is
 *		taken for less where it is more than 4096, or where the range
 *		would be more than 2^22.
 *
 * The counters can be used at once. Until percpu_counter_tree_activate_many()
 * succeeds, each is one atomic word and its approximate sum is exact.
 *
 * Context: Any. Nobody else uses the counters yet.
 * Return: 0, or -EINVAL, with a warning, if @batch_size is less than 2 or not a
 *	   power of two, or if the subsystem is not initialised yet. The
 *	   counters can be used even so, but not activated.
 */
int
percpu_counter_tree_init_many_lazy(struct percpu_counter_tree *c,
				   struct percpu_counter_tree_level_item *items,
				   unsigned int n, unsigned long batch_size)
{
	bool bad = !half_batches || batch_size < 2 ||
		   !is_power_of_2(batch_size);
	u32 batch = bad ? 0 : min(batch_size, max_batch()) << SHIFT;
	unsigned int unit_shift = ilog2(batch >> (SHIFT + OFFSET_BITS) ?: 1);
	unsigned int i;

	for (i = 0; i < n; i++) {
		c[i].level0 = NULL;
		c[i].batch = batch;
		c[i].index = i % PERCPU_COUNTER_TREE_NODE_COUNTERS;
		c[i].unit_shift = unit_shift;
		atomic_long_set(&c[i].exact, 0);
		c[i].items = items + i / PERCPU_COUNTER_TREE_NODE_COUNTERS *
				     (head_items + nr_all_nodes);
	}
	return WARN_ON_ONCE(bad) ? -EINVAL : 0;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_init_many_lazy);

/**
 * percpu_counter_tree_activate_many() - Give a group its per-CPU memory
 * @c: All counters of a group from percpu_counter_tree_init_many_lazy().
 * @n: Number of counters.
 * @gfp: How to allocate the per-CPU memory.
 *
 * The counters may be in use, by anybody. Does nothing if the group is active
 * already, or if there is only one possible CPU.
 *
 * Context: Task; as @gfp allows.
 * Return: 0; -ENOMEM: the group works on as it was; or -EINVAL, with a warning,
 *	   if it is not initialised.
 */
int percpu_counter_tree_activate_many(struct percpu_counter_tree *c,
				      unsigned int n, gfp_t gfp)
{
	size_t size = n * sizeof(*c->level0);
	u32 __percpu *level0;
	unsigned int i;

	if (!n || READ_ONCE(c->level0) || nr_cpus == 1)
		return 0;
	if (WARN_ON_ONCE(!c->batch))
		return -EINVAL;

	level0 = __alloc_percpu_gfp(size, min(roundup_pow_of_two(size),
					      SMP_CACHE_BYTES), gfp);
	if (!level0)
		return -ENOMEM;

	spin_lock(&activate_lock);
	if (!c->level0) {
		memset(c->items, 0, percpu_counter_tree_items_size_many(n));
		/* The first one first: it tells sums if the group is active. */
		for (i = 0; i < n; i++) {
			/*
			 * Pairs with the address dependencies on @level0 in
			 * percpu_counter_tree_add() and sum_some(), and with
			 * smp_rmb() in ..._use() and ..._root().
			 */
			smp_store_release(&c[i].level0, level0 + i);
		}
		level0 = NULL;
	}
	spin_unlock(&activate_lock);

	/* Somebody else was faster. */
	free_percpu(level0);
	return 0;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_activate_many);
ALLOW_ERROR_INJECTION(percpu_counter_tree_activate_many, ERRNO);

/**
 * percpu_counter_tree_init_many() - Initialise and activate a group of counters
 * @c: Array of counters, all set to 0.
 * @items: percpu_counter_tree_items_size_many(@n) bytes for as long as the
 *	   group lives, aligned like their type; need not be zeroed.
 * @n: Number of counters.
 * @batch_size: Carry unit in the caller's unit; see
 *		percpu_counter_tree_init_many_lazy().
 * @gfp: How to allocate the per-CPU memory.
 *
 * Context: Task; as @gfp allows. Nobody else uses the counters yet.
 * Return: 0; -EINVAL as percpu_counter_tree_init_many_lazy(); or -ENOMEM, with
 *	   nothing left to free.
 */
int percpu_counter_tree_init_many(struct percpu_counter_tree *c,
				  struct percpu_counter_tree_level_item *items,
				  unsigned int n, unsigned long batch_size,
				  gfp_t gfp)
{
	return percpu_counter_tree_init_many_lazy(c, items, n, batch_size) ?:
	       percpu_counter_tree_activate_many(c, n, gfp);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_init_many);

/**
 * percpu_counter_tree_destroy_many() - Free the per-CPU memory of a group
 * @c: All counters of the group; may be zeroed or failed to initialise.
 * @n: Number of counters.
 *
 * The counters have to be initialised before they are used again.
 *
 * Context: Any in which free_percpu() may be called. The caller makes sure that
 *	    nobody else uses the counters any more.
 */
void percpu_counter_tree_destroy_many(struct percpu_counter_tree *c,
				      unsigned int n)
{
	unsigned int i;

	if (!n)
		return;
	free_percpu(c->level0);
	for (i = 0; i < n; i++)
		c[i].level0 = NULL;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_destroy_many);

/* A bit for each CPU that has added to the group. */
static unsigned long *cpus_of(struct percpu_counter_tree_use *use)
{
	return use->mask + BITS_TO_LONGS(head_items + nr_all_nodes);
}

static u32 offset_field(u32 word)
{
	return (word & (BIT(SHIFT) - 1)) >> 1;
}

/* Total of a CPU modulo 2^27, shifted. */
static u32 total_of(const struct percpu_counter_tree *c, u32 word)
{
	if (!(word & LIVE))
		return 0;
	return (word & -BIT(SHIFT)) -
	       (offset_field(word) << (c->unit_shift + SHIFT));
}

/* Where a total is in its window, shifted; half a batch if its residue is 0. */
static u32 position_of(const struct percpu_counter_tree *c, u32 word)
{
	return word & (c->batch - BIT(SHIFT));
}

/* @word with its window so moved that its position is @units more. */
static u32 move_window(const struct percpu_counter_tree *c, u32 word, u32 units)
{
	u32 old = offset_field(word);
	u32 change = ((old + units) & (BIT(OFFSET_BITS) - 1)) - old;

	return word + (change << (c->unit_shift + SHIFT)) + (change << 1);
}

/* Total 0, in the middle. */
static u32 first_word(const struct percpu_counter_tree *c)
{
	return move_window(c, LIVE, c->batch >> (SHIFT + c->unit_shift + 1));
}

/*
 * After an add of @step, shifted, has left the window: move it so that the
 * total is an eighth of a batch from the end it came from, or so far that the
 * reverse of the add stays inside.
 */
static u32 recentre(const struct percpu_counter_tree *c, u32 word, s32 step)
{
	s32 unit = BIT(SHIFT) << c->unit_shift, batch = c->batch;
	s32 least = c->batch / 8, want;

	if (step > 0)
		want = clamp(step, least, batch - unit) + unit - 1;
	else
		want = batch - 1 - clamp(-step, least, batch - unit);
	return move_window(c, word, (want - (s32)position_of(c, word)) >>
				    (c->unit_shift + SHIFT));
}

/* Sum up to eight counters that share a node. */
static void sum_some(struct percpu_counter_tree *c, u32 __percpu *level0,
		     unsigned int n, long *sums)
{
	const unsigned long *cpus = cpus_of(percpu_counter_tree_use(c));
	const atomic_long_t *root = percpu_counter_tree_root(c);
	u32 totals[PERCPU_COUNTER_TREE_NODE_COUNTERS];
	unsigned int i, tries = 2;
	unsigned long cpu;
	u32 *word;
	bool moved;

	/*
	 * Adds in progress may be missed: no ordering needed. Who is held up
	 * below is so for longer than loads take.
	 */
	do {
		guard(preempt)();
		for (i = 0; i < n; i++) {
			sums[i] = atomic_long_read(&root[i]);
			totals[i] = 0;
		}
		for_each_set_bit(cpu, cpus, nr_cpu_ids) {
			word = per_cpu_ptr(level0, cpu);
			for (i = 0; i < n; i++)
				totals[i] += total_of(c, READ_ONCE(word[i]));
		}
		/*
		 * If the reader was held up for thousands of the largest adds,
		 * 27 bits do not tell how far the sum has moved. It is not
		 * held up like that twice.
		 */
		moved = false;
		for (i = 0; i < n; i++)
			moved |= abs(atomic_long_read(&root[i]) - sums[i]) >
				 (long)BIT(MOVE_BITS);
	} while (unlikely(moved) && --tries);

	for (i = 0; i < n; i++) {
		totals[i] -= (u32)sums[i] << SHIFT;
		sums[i] += (s32)totals[i] >> SHIFT;
		sums[i] += atomic_long_read(&c[i].exact);
	}
}

/**
 * percpu_counter_tree_precise_sum_many() - Sum a group in one walk
 * @c: First of some counters that follow each other in a group.
 * @n: Number of counters; one walk serves those that share a node.
 * @sums: Set to the precise sum of each, in the caller's unit; see
 *	  percpu_counter_tree_precise_sum().
 *
 * Totals are kept in few bits. So in the time of one walk, with preemption
 * disabled, what CPUs add must be less than 2^24, up as well as down.
 *
 * Context: Any. Visits the CPUs that have added to the group.
 */
void percpu_counter_tree_precise_sum_many(struct percpu_counter_tree *c,
					  unsigned int n, long *sums)
{
	u32 __percpu *level0;
	unsigned int i, some;

	for (; n; n -= some, c += some, sums += some) {
		some = PERCPU_COUNTER_TREE_NODE_COUNTERS - c->index;
		some = min(some, n);
		/* Pairs with smp_store_release() in ..._activate_many(). */
		level0 = READ_ONCE(c->level0);
		if (level0) {
			sum_some(c, level0, some, sums);
			continue;
		}
		for (i = 0; i < some; i++)
			sums[i] = atomic_long_read(&c[i].exact);
	}
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_precise_sum_many);

/* Mark a CPU or a node as used, if it is not, and make the range fit. */
static void mark(struct percpu_counter_tree_use *use, unsigned long *mask,
		 unsigned int nr, long under, long over)
{
	if (test_bit(nr, mask) || test_and_set_bit(nr, mask))
		return;
	atomic_long_add(under, &use->under);
	atomic_long_add(over, &use->over);
}

/* The first add of this CPU to this counter was void. */
static noinline void make_live(struct percpu_counter_tree *c)
{
	struct percpu_counter_tree_use *use = percpu_counter_tree_use(c);
	long half = c->batch >> (SHIFT + 1);
	u32 old;

	guard(preempt)();
	mark(use, cpus_of(use), smp_processor_id(), half - 1, half);
	old = this_cpu_read(*c->level0);
	do {
		/* An interrupt was faster. */
		if (old & LIVE)
			break;
	} while (!this_cpu_try_cmpxchg(*c->level0, &old, first_word(c)));
}

/*
 * Add a carry to a node, and empty the node if that makes it reach its
 * threshold. Returns what is to be carried to the parent. Wraps like a long.
 */
static unsigned long node_add(atomic_long_t *node, unsigned long carry,
			      long threshold)
{
	long old = atomic_long_read(node), new;
	unsigned long up;

	/* Relaxed: nothing is ordered by a node, see ORDERING. */
	do {
		up = old + carry;
		new = up;
		if (new <= -threshold || new >= threshold)
			new = 0;
		else
			up = 0;
	} while (!atomic_long_try_cmpxchg_relaxed(node, &old, new));

	return up;
}

/* The first carry to a node. */
static noinline void mark_node(struct percpu_counter_tree *c, u16 node,
			       long threshold)
{
	struct percpu_counter_tree_use *use = percpu_counter_tree_use(c);
	long most = threshold - (1L << c->unit_shift);

	mark(use, use->mask, node, most, most);
}

static void climb(struct percpu_counter_tree *c, unsigned long carry)
{
	const struct percpu_counter_tree_use *use = percpu_counter_tree_use(c);
	long threshold = c->batch >> SHIFT;
	/* Any CPU's leaf will do, and any version of the map. */
	u16 node = this_cpu_read(cpu_leaf);

	for (; node != TO_ROOT; node = READ_ONCE(parent[node])) {
		threshold <<= THRESHOLD_SHIFT;
		if (unlikely(!test_bit(node, use->mask)))
			mark_node(c, node, threshold);
		carry = node_add(&c->items[node].count[c->index], carry,
				 threshold);
		if (!carry)
			return;
	}
	/* No ordering: a sum promises none between adds. */
	atomic_long_add(carry, &c->items[node].count[c->index]);
}

/**
 * percpu_counter_tree_carry() - Take a carry up the tree
 * @c: The counter.
 * @new: Word of the CPU after the add.
 * @inc: What was added.
 *
 * The slow path of percpu_counter_tree_add(), not to be called by others. The
 * task may have moved to another CPU since: any path will do.
 *
 * Context: Any but NMI.
 */
void percpu_counter_tree_carry(struct percpu_counter_tree *c, u32 new, long inc)
{
	u32 step = (u32)inc << SHIFT, next;
	s32 carry;

	if (unlikely(!(new & LIVE))) {
		make_live(c);
		percpu_counter_tree_add(c, inc);
		return;
	}

	next = recentre(c, new, step);
	if (this_cpu_cmpxchg(*c->level0, new, next) != new)
		next = new;
	carry = step + position_of(c, new - step) - position_of(c, next);
	climb(c, carry >> SHIFT);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_carry);
