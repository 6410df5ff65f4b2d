// SPDX-License-Identifier: GPL-2.0-only
/*
 * Placement of CPUs in the tree of hierarchical per-CPU counters
 *
 * CPUs are ranked by NUMA node, last-level cache, cluster, core and number. The
 * ranking is cut into leaves of nearly equal size, and the leaves, which keep
 * that order, into nodes of the next level. Each cut is moved by up to half a
 * share to the outermost boundary there, so that carries stay in one cache, and
 * then in one NUMA node, where they can.
 *
 * INVARIANT
 *
 * No node serves more than 1.5 times its fan-out of possible CPUs or nodes,
 * whatever is known of them. For a CPU that has never been online only its
 * number, and maybe its NUMA node, is known. Such CPUs are ranked after the
 * known ones of their NUMA node. There is no boundary next to an unknown place.
 * A domain of one CPU counts as unknown, too: its other CPUs may be offline.
 *
 * All CPUs that were seen in one domain get the same new number for it.
 * Scheduler domains are not used: they change with isolation and cpusets.
 *
 * The map is written when the CPUs of the boot are online, and when a CPU that
 * comes online turns out to belong elsewhere. Counters may be in use: whatever
 * leaf and parents a carry finds, no sum and no range depends on it.
 */

#include <kunit/visibility.h>
#include <linux/cacheinfo.h>
#include <linux/cleanup.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/percpu_counter_tree.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/topology.h>

#include "percpu_counter_tree.h"

#define UNKNOWN		PERCPU_COUNTER_TREE_UNKNOWN
#define NR_DOMAINS	PERCPU_COUNTER_TREE_NR_DOMAINS

#define shape		percpu_counter_tree_shape

/* Protects what follows and the writing of the map. */
static DEFINE_MUTEX(map_mutex);
/* NULL if there was no memory: the map by number stays. */
static struct percpu_counter_tree_place *places __ro_after_init;
static u16 *units __ro_after_init;
static u16 *served_by __ro_after_init;
static u16 nr_domains;

/* Outermost kind of domain in which two CPUs differ. */
static unsigned int boundary(const struct percpu_counter_tree_place *a,
			     const struct percpu_counter_tree_place *b)
{
	unsigned int i;

	for (i = 0; i < NR_DOMAINS; i++)
		if (a->id[i] != b->id[i])
			break;
	if (i < NR_DOMAINS && (a->id[i] == UNKNOWN || b->id[i] == UNKNOWN))
		return NR_DOMAINS;
	return i;
}

/**
 * percpu_counter_tree_cut() - Choose the nodes that serve some units
 * @at: Places of CPUs.
 * @unit: Ranked units: the number of a CPU, for a node that of its first CPU.
 * @nr: Number of units.
 * @nodes: Number of nodes, enough for @nr at @fanout units per node.
 * @fanout: Units per node, at most, on average.
 * @node: Set to the node of each unit, from 0 on and without gaps. No node
 *	  gets more than @fanout * 3 / 2 units.
 *
 * Context: Any.
 */
VISIBLE_IF_KUNIT void
percpu_counter_tree_cut(const struct percpu_counter_tree_place *at,
			const u16 *unit, unsigned int nr, unsigned int nodes,
			unsigned int fanout, u16 *node)
{
	unsigned int most = fanout * 3 / 2, start = 0, i, end, next;
	unsigned int left, share, last, rank, best, gap;

	nodes = min(nodes, nr);
	for (i = 0; i < nodes; i++) {
		/* The nodes left need a unit each, and must suffice. */
		left = nodes - i - 1;
		share = DIV_ROUND_CLOSEST(nr - start, left + 1);
		end = max(start + share - share / 2,
			  nr - min(nr, left * most));
		last = min3(start + share + share / 2, start + most, nr - left);
		best = UINT_MAX;
		for (next = end; left && next <= last; next++) {
			/* Outermost first, then nearest to an equal share. */
			gap = abs((int)(next - start - share));
			rank = boundary(&at[unit[next - 1]], &at[unit[next]]);
			rank = rank << 16 | gap;
			if (rank < best) {
				best = rank;
				end = next;
			}
		}
		while (start < end)
			node[start++] = i;
	}
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_cut);

static int cmp_places(const void *a, const void *b)
{
	u16 x = *(const u16 *)a, y = *(const u16 *)b;
	unsigned int i;

	for (i = 0; i < NR_DOMAINS; i++)
		if (places[x].id[i] != places[y].id[i])
			return places[x].id[i] < places[y].id[i] ? -1 : 1;
	return x < y ? -1 : 1;
}

/*
 * @turn is 0, or for tests by how many nodes all CPUs and nodes are placed
 * further on in each level.
 */
static void write_map(unsigned int turn)
{
	unsigned int fanout = PERCPU_COUNTER_TREE_LEAF_FANOUT;
	unsigned int level, nodes, cpu, i, j, nr = 0;
	unsigned int below = 0, base = shape.first;
	u16 *entry;

	lockdep_assert_held(&map_mutex);

	for_each_possible_cpu(cpu)
		units[nr++] = cpu;
	sort(units, nr, sizeof(*units), cmp_places, NULL);

	for (level = 0; level < shape.levels; level++) {
		nodes = shape.nodes[level];
		percpu_counter_tree_cut(places, units, nr, nodes, fanout,
					served_by);
		for (i = 0; i < nr; i++) {
			entry = level ? &percpu_counter_tree_parent[below + i] :
				&per_cpu(percpu_counter_tree_leaf, units[i]);
			served_by[i] = (served_by[i] + turn) % nodes;
			/* Pairs with the lockless reads in climb(). */
			WRITE_ONCE(*entry, base + served_by[i]);
		}
		/* The units of the next level: the first CPU of each node. */
		for (i = 0, j = 0; i < nr; i++)
			if (!i || served_by[i] != served_by[i - 1])
				units[j++] = units[i];
		nr = j;
		below = base;
		base += nodes;
		fanout = PERCPU_COUNTER_TREE_FANOUT;
	}
}

#if IS_ENABLED(CONFIG_KUNIT)
/* For tests: a valid map unlike the one in use; the latter again for 0. */
void percpu_counter_tree_remap(unsigned int turn)
{
	guard(mutex)(&map_mutex);

	if (places)
		write_map(turn);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_remap);
#endif

/* Give all CPUs of @mask, which are online, one domain; is that a change? */
static bool join(unsigned int cpu, unsigned int domain,
		 const struct cpumask *mask)
{
	bool changed = false;
	unsigned int other;
	u16 id = UNKNOWN;

	if (!mask || cpumask_weight(mask) < 2)
		return false;
	/* What @cpu has may be from a place where it was before. */
	for_each_cpu(other, mask)
		if (other != cpu)
			id = min(id, places[other].id[domain]);
	if (id == UNKNOWN)
		id = nr_domains++ % UNKNOWN;
	for_each_cpu(other, mask) {
		changed |= places[other].id[domain] != id;
		places[other].id[domain] = id;
	}
	return changed;
}

/* Learn the place of a CPU that is online; is it another than before? */
static bool learn(unsigned int cpu)
{
	const struct cacheinfo *llc = get_cpu_cacheinfo_llc(cpu);
	u16 *id = places[cpu].id, node = cpu_to_node(cpu);
	bool changed = id[PERCPU_COUNTER_TREE_NUMA] != node;

	/* What is known of another place is of no use here. */
	if (changed)
		memset(id, 0xff, sizeof(places[cpu].id));
	id[PERCPU_COUNTER_TREE_NUMA] = node;
	changed |= join(cpu, PERCPU_COUNTER_TREE_CACHE,
			llc ? &llc->shared_cpu_map : NULL);
	changed |= join(cpu, PERCPU_COUNTER_TREE_CLUSTER,
			topology_cluster_cpumask(cpu));
	changed |= join(cpu, PERCPU_COUNTER_TREE_CORE,
			topology_sibling_cpumask(cpu));
	return changed;
}

/* Called by CPU hotplug, which holds the masks of all CPUs still. */
static int came_online(unsigned int cpu)
{
	guard(mutex)(&map_mutex);

	if (learn(cpu))
		write_map(0);
	return 0;
}

static int map_show(struct seq_file *m, void *unused)
{
	const u16 *parent = percpu_counter_tree_parent;
	unsigned int cpu, node;
	cpumask_var_t cpus;
	u16 at;

	if (!zalloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;

	seq_printf(m, "cpus %u nodes %u levels %u bound %lu batches\n",
		   num_possible_cpus(), shape.all_nodes, shape.levels,
		   DIV_ROUND_UP(percpu_counter_tree_bound(4), 4));

	mutex_lock(&map_mutex);
	for (node = 0; node < shape.all_nodes; node++) {
		cpumask_clear(cpus);
		for_each_possible_cpu(cpu)
			for (at = per_cpu(percpu_counter_tree_leaf, cpu);
			     at != PERCPU_COUNTER_TREE_ROOT; at = parent[at])
				if (at == shape.first + node)
					cpumask_set_cpu(cpu, cpus);
		seq_printf(m, "node %u to ", node);
		if (parent[shape.first + node] == PERCPU_COUNTER_TREE_ROOT)
			seq_puts(m, "root");
		else
			seq_printf(m, "%u",
				   parent[shape.first + node] - shape.first);
		seq_printf(m, " cpus %*pbl\n", cpumask_pr_args(cpus));
	}
	mutex_unlock(&map_mutex);

	free_cpumask_var(cpus);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(map);

/* After device_initcall(), which learns the caches of the CPUs. */
static int __init topology_init(void)
{
	struct percpu_counter_tree_place *all;
	unsigned int cpu, i;
	int ret;

	debugfs_create_file("percpu_counter_tree", 0444, NULL, NULL, &map_fops);

	if (!shape.levels)
		return 0;
	all = kvmalloc_array(nr_cpu_ids, sizeof(*all) + 2 * sizeof(*units),
			     GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	units = (u16 *)(all + nr_cpu_ids);
	served_by = units + nr_cpu_ids;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < NR_DOMAINS; i++)
			all[cpu].id[i] = UNKNOWN;
		all[cpu].id[PERCPU_COUNTER_TREE_NUMA] = cpu_to_node(cpu);
	}

	guard(cpus_read_lock)();
	ret = cpuhp_setup_state_nocalls_cpuslocked(CPUHP_AP_ONLINE_DYN,
						   "lib/pcpu_ctr_tree:online",
						   came_online, NULL);
	guard(mutex)(&map_mutex);
	/* From here on percpu_counter_tree_remap() writes the map. */
	places = all;
	for_each_online_cpu(cpu)
		learn(cpu);
	write_map(0);
	return min(ret, 0);
}
late_initcall(topology_init);
