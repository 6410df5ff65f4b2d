// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where CPUs are placed: the cut of a ranking, and the map of a machine at boot
 * and while CPUs come online, go offline and come back elsewhere.
 */
#include "harness.h"

/* --- cut: any ranking, any number of nodes */

/* Outermost kind of domain in which two units differ, if both are known there. */
static unsigned int differ(const struct percpu_counter_tree_place *a,
			   const struct percpu_counter_tree_place *b)
{
	unsigned int d;

	for (d = 0; d < NR_DOMAINS; d++)
		if (a->id[d] != b->id[d])
			return a->id[d] == UNKNOWN || b->id[d] == UNKNOWN ? NR_DOMAINS : d;
	return NR_DOMAINS;
}

/*
 * Each cut but the last leaves equal shares to both sides, moved by up to half
 * a share: no boundary there may be outside of the one at the cut, and none of
 * the same kind nearer to the share.
 */
void check_cut(const struct percpu_counter_tree_place *at, unsigned int nr, unsigned int nodes,
	       unsigned int fanout, const u16 *node)
{
	unsigned int most = fanout * 3 / 2, start, end, left, share, q, low, high;

	left = nodes = min(nodes, nr);
	CHECK(node[nr - 1] == nodes - 1, "%u units: %u of %u nodes used", nr, node[nr - 1], nodes);
	for (start = 0; start < nr; start = end) {
		for (end = start + 1; end < nr && node[end] == node[start]; end++)
			;
		CHECK(node[start] == nodes - left && end - start <= most,
		      "%u units, %u nodes, fan-out %u: node %u serves %u", nr, nodes, fanout,
		      node[start], end - start);
		if (!--left)
			return;
		share = (nr - start + (left + 1) / 2) / (left + 1);
		/* What half a share allows, and what the nodes that follow can take and need. */
		low = max(start + (share + 1) / 2, nr - min(nr, left * most));
		high = min3(start + share + share / 2, start + most, nr - left);
		CHECK(end >= low && end <= high, "%u units, %u nodes: cut %u at %u, not in %u..%u",
		      nr, nodes, nodes - left, end, low, high);
		for (q = low; q <= high; q++) {
			unsigned int mine = differ(&at[end - 1], &at[end]);
			unsigned int other = differ(&at[q - 1], &at[q]);

			CHECK(other > mine || (other == mine &&
					       abs((int)(q - start - share)) >=
					       abs((int)(end - start - share))),
			      "%u units, %u nodes: cut %u at %u, kind %u, and there is kind %u at %u",
			      nr, nodes, nodes - left, end, mine, other, q);
		}
	}
}

/* Units of which nothing is known: equal shares, up to the rounding of each. */
static void check_equal(unsigned int nr, unsigned int nodes, const u16 *node)
{
	static unsigned int serves[NR_CPUS];
	unsigned int i, lo = UINT_MAX, hi = 0;

	nodes = min(nodes, nr);
	memset(serves, 0, nodes * sizeof(*serves));
	for (i = 0; i < nr; i++)
		serves[node[i]]++;
	for (i = 0; i < nodes; i++) {
		lo = min(lo, serves[i]);
		hi = max(hi, serves[i]);
	}
	CHECK(hi - lo <= 1, "%u equal units, %u nodes: %u to %u each", nr, nodes, lo, hi);
}

static void cut_units(unsigned int units, unsigned int fanout, bool all_unknown)
{
	static struct percpu_counter_tree_place at[NR_CPUS];
	static u16 cpus[NR_CPUS], node[NR_CPUS];
	unsigned int nodes = DIV_ROUND_UP(units, fanout), i, d;

	random_places(at, units);
	for (i = 0; i < units; i++) {
		cpus[i] = i;
		for (d = all_unknown ? 0 : 1; d < NR_DOMAINS; d++)
			if (all_unknown || !below(30))
				at[i].id[d] = UNKNOWN;
	}
	if (!below(4))
		nodes += below(4);
	percpu_counter_tree_cut(at, cpus, units, nodes, fanout, node);
	check_cut(at, units, nodes, fanout, node);
	if (all_unknown)
		check_equal(units, nodes, node);
}

void test_cut(unsigned int units)
{
	unsigned int round;

	for (round = 0; round < 40; round++)
		cut_units(units, round & 1 ? LEAF_FANOUT : 1 + below(20), round >= 32);
	/* Once and for all */
	for (; units == 1 && round < min(NR_CPUS, 1100); round++)
		cut_units(round, round & 1 ? LEAF_FANOUT : FANOUT, !(round & 6));
}

/* --- maps */

/* Leaves that have a part of a domain of kind @d, and something else besides. */
static unsigned int crossings(unsigned int d)
{
	static u16 first_leaf[NR_CPUS + 1], first_id[NODES];
	static bool split[NR_CPUS + 1], mixed[NODES], part[NODES];
	unsigned int i, nr = 0;

	memset(first_leaf, 0xff, sizeof(first_leaf));
	memset(first_id, 0xff, sizeof(first_id));
	memset(split, 0, sizeof(split));
	memset(mixed, 0, sizeof(mixed));
	memset(part, 0, sizeof(part));
	for (i = 0; i < nr_list; i++) {
		u16 id = topology[cpu_list[i]].id[d], leaf = leaf_of[cpu_list[i]];

		if (first_leaf[id] == U16_MAX)
			first_leaf[id] = leaf;
		if (first_id[leaf] == U16_MAX)
			first_id[leaf] = id;
		split[id] |= first_leaf[id] != leaf;
		mixed[leaf] |= first_id[leaf] != id;
	}
	for (i = 0; i < nr_list; i++)
		part[leaf_of[cpu_list[i]]] |= split[topology[cpu_list[i]].id[d]];
	for (i = 0; i < shape.nodes[0]; i++)
		nr += mixed[i] && part[i];
	return nr;
}

/* What holds for any map; returns how many leaves have CPUs that are online. */
unsigned int check_map(void)
{
	unsigned int i, node, level, base = 0, units, most = LEAF_FANOUT * 3 / 2, nr = 0;
	static u16 serves[NODES];
	static bool online[NODES];

	if (!shape.levels)
		return 0;
	read_map();
	memset(serves, 0, sizeof(serves));
	memset(online, 0, sizeof(online));
	for (i = 0; i < nr_list; i++) {
		unsigned int cpu = cpu_list[i], leaf = leaf_of[cpu];

		CHECK(leaf < shape.nodes[0], "CPU %u goes to leaf %u", cpu, leaf);
		serves[leaf]++;
		nr += cpu_online(cpu) && !online[leaf];
		online[leaf] |= cpu_online(cpu);
	}
	for (level = 0, units = nr_list; level < shape.levels; level++) {
		unsigned int end = base + shape.nodes[level], used = 0;

		for (node = base; node < end; node++) {
			CHECK(serves[node] <= most, "node %u of level %u serves %u", node, level,
			      serves[node]);
			used += !!serves[node];
			if (level + 1 == shape.levels) {
				CHECK(parent_of[node] == U16_MAX, "top node %u has a parent", node);
			} else {
				CHECK(parent_of[node] >= end &&
				      parent_of[node] < end + shape.nodes[level + 1],
				      "node %u goes to node %u", node, parent_of[node]);
				serves[parent_of[node]] += !!serves[node];
			}
		}
		CHECK(used == min(shape.nodes[level], units), "%u of %u nodes of level %u used",
		      used, shape.nodes[level], level);
		units = used;
		base = end;
		most = FANOUT * 3 / 2;
	}
	return nr;
}

/* Nothing is to be learnt from a CPU whose place is known. */
static void check_stable(unsigned int cpu)
{
	unsigned long before = shim_map_writes;

	go_offline(cpu);
	come_online(cpu);
	CHECK(shim_map_writes == before, "CPU %u is back, and the map was written %lu times", cpu,
	      shim_map_writes - before);
}

/* Random topology, and all that hotplug can do. */
void test_map(unsigned int cpus)
{
	unsigned int i, cpu;

	boot(cpus, below(2), 2 + below(3));
	check_map();
	/* In any order */
	for (i = below(cpus); i < 2 * cpus; i++) {
		cpu = cpu_list[(u64)i * 7919 % cpus];
		if (!cpu_online(cpu))
			come_online(cpu);
		if (!below(1 + cpus / 4))
			check_map();
	}
	for (i = 0; i < cpus; i++)
		if (!cpu_online(cpu_list[i]))
			come_online(cpu_list[i]);
	check_map();
	for (i = 0; i < 8; i++) {
		/* Also while another one is offline */
		cpu = cpu_list[below(cpus)];
		go_offline(cpu);
		check_stable(cpu_list[below(cpus)]);
		if (!cpu_online(cpu))
			check_stable(cpu);
	}
	/* Some leave, and come back anywhere. */
	for (i = 0; i < 8; i++) {
		cpu = cpu_list[below(cpus)];
		go_offline(cpu);
		topology[cpu] = topology[cpu_list[below(cpus)]];
		tell_topology();
		come_online(cpu);
		check_map();
		check_stable(cpu);
	}
}

/* --- machines: what is sold, and what is made of it */

enum { ALL, NOSMT, FEW, ISOLATED, LATE, MATES, MOVED, NO_CACHEINFO, NO_MEMORY, GIVER };

static const struct machine {
	const char *name;
	unsigned int nodes, caches, cores, threads;
	/* Cores of a cluster, or 0: clusters are not told */
	unsigned int cluster;
	/* Threads of a core have neighbouring numbers. */
	bool neighbours;
	unsigned int how;
	/* Leaves that cross a node, or a cache, at most. */
	unsigned int numa, cache;
} machines[] = {
	{ "1 x 64 cores x 2",		1, 1, 64, 2, 0 },
	{ "2 x 32 cores x 2",		2, 1, 32, 2, 1 },
	{ "2 x 56 cores x 2",		2, 1, 56, 2, 1 },
	{ "2 x 120 cores x 2",		2, 1, 120, 2, 1 },
	{ "16 caches of 4 x 2",		1, 16, 4, 2, 1 },
	{ "2 x 8 caches of 8 x 2",	2, 8, 8, 2, 1 },
	{ "2 x 12 caches of 8 x 2",	2, 12, 8, 2, 1 },
	{ "8 nodes x 3 caches of 8 x 2", 8, 3, 8, 2, 1 },
	{ "2 x 8 caches of 6 x 2",	2, 8, 6, 2, 1 },
	{ "2 x 16 caches of 8 x 2",	2, 16, 8, 2, 1 },
	{ "2 x 80 cores",		2, 1, 80, 1, 1, true, NO_CACHEINFO },
	{ "4 x 32 cores in clusters",	4, 1, 32, 1, 4, true },
	{ "2 x 15 caches of 8 threads",	2, 15, 1, 8, 1, true },
	/* 15 leaves for 8 times 30 CPUs: each node needs two. */
	{ "8 x 15 cores x 2",		8, 1, 15, 2, 1, false, ALL, 1, 1 },
	{ "3 x 20 cores x 2",		3, 1, 20, 2, 0 },
	{ "2 x 120 cores x 2, nosmt",	2, 1, 120, 2, 1, false, NOSMT },
	{ "2 x 64 cores x 2, nosmt",	2, 1, 64, 2, 1, false, NOSMT },
	{ "512 CPUs, 64 of them online", 1, 1, 512, 1, 1, false, FEW },
	{ "2 x 56 x 2, some isolated",	2, 1, 56, 2, 1, false, ISOLATED },
	{ "8 caches of 16, late",	1, 8, 8, 2, 1, false, LATE },
	{ "8 caches of 16, mates apart", 1, 8, 16, 1, 1, false, MATES },
	{ "2 x 32 cores, moved",	2, 1, 32, 1, 1, false, MOVED },
	{ "2 x 8 caches of 16, moved",	2, 8, 16, 1, 1, false, MOVED },
	{ "8 caches of 16, moved",	1, 8, 16, 1, 1, false, MOVED },
	{ "2 x 8 caches of 8 x 2, isolated", 2, 8, 8, 2, 1, false, ISOLATED },
	{ "2 x 32 cores x 2, no memory", 2, 1, 32, 2, 1, true, NO_MEMORY },
	{ "8 caches of 16, giver moved", 1, 8, 16, 1, 0, false, GIVER },
	{ "40 cores, no memory",	1, 1, 40, 1, 1, true, NO_MEMORY },
	{ "2 x 120 cores x 2, no memory", 2, 1, 120, 2, 1, true, NO_MEMORY },
};
const unsigned int nr_machines = ARRAY_SIZE(machines);

static void place_cpus(const struct machine *m)
{
	unsigned int cores = m->nodes * m->caches * m->cores, cpu, core, thread;
	bool interleaved = m->how == LATE || m->how == MATES;

	for (cpu = 0; cpu < cores * m->threads; cpu++) {
		struct percpu_counter_tree_place *at = &topology[cpu];

		core = m->neighbours ? cpu / m->threads : cpu % cores;
		thread = m->neighbours ? cpu % m->threads : cpu / cores;
		/* Numbers that tell nothing */
		if (interleaved)
			core = core % m->caches * m->cores + core / m->caches;
		at->id[PERCPU_COUNTER_TREE_CORE] = core;
		at->id[PERCPU_COUNTER_TREE_CLUSTER] = m->cluster ? core / m->cluster : cpu;
		at->id[PERCPU_COUNTER_TREE_CACHE] = core / m->cores;
		at->id[PERCPU_COUNTER_TREE_NUMA] = core / m->cores / m->caches;
		shim_cpus[cpu].no_cacheinfo = m->how == NO_CACHEINFO;
		/* Some cores of each cache, or some caches */
		shim_cpus[cpu].isolated = m->how == ISOLATED &&
			(m->caches > 1 ? core / m->cores % 2 : core % m->cores < 8);
		if (m->how == NOSMT ? thread : m->how == FEW ? cpu >= 64 :
		    m->how == LATE ? cpu && below(3) : m->how == MATES ? cpu >= m->caches :
		    m->how == GIVER && cpu >= 112 && cpu < 127)
			continue;
		cpumask_set_cpu(cpu, &cpu_online_now);
	}
}

static void all_online(void)
{
	unsigned int i;

	for (i = 0; i < nr_list; i++)
		if (!cpu_online(cpu_list[i]))
			come_online(cpu_list[i]);
}

/* Each cache is first seen from one CPU at a time, and then from all but that one. */
static void mates_apart(const struct machine *m)
{
	unsigned int i, cpus = m->caches * m->cores;

	for (i = 0; i < m->caches; i++)
		CHECK(cpu_online(i), "CPU %u", i);
	for (i = m->caches; i < cpus; i++) {
		/* Its only mate that is known */
		go_offline(i - m->caches);
		come_online(i);
	}
	check_map();
	all_online();
}

/* The last CPUs of the first half are replaced by some in another node. */
static void move_some(const struct machine *m)
{
	unsigned int half = nr_list / 2, i, other;

	for (i = 0; i < 8; i++)
		go_offline(half - 1 - i);
	for (i = 0; i < 8; i++) {
		other = nr_list - 1;
		topology[half - 1 - i] = topology[other];
		topology[half - 1 - i].id[PERCPU_COUNTER_TREE_CORE] = nr_list + i;
		topology[half - 1 - i].id[PERCPU_COUNTER_TREE_CLUSTER] = nr_list + i;
	}
	tell_topology();
	all_online();
}

void test_machines(unsigned int which)
{
	const struct machine *m = &machines[which - 1];
	unsigned int cpus = m->nodes * m->caches * m->cores * m->threads, i;
	unsigned int leaves, numa, cache, core;

	if (cpus > NR_CPUS)
		return;
	possible(cpus, false);
	place_cpus(m);
	shim_fail_alloc = m->how == NO_MEMORY;
	boot_as_set();
	shim_fail_alloc = false;
	if (m->how == NO_MEMORY)
		percpu_counter_tree_remap(1);
	check_map();
	if (m->how == LATE)
		all_online();
	if (m->how == MATES)
		mates_apart(m);
	/* The first CPU of a cache moves to another cache. */
	if (m->how == GIVER) {
		go_offline(48);
		topology[48].id[PERCPU_COUNTER_TREE_CACHE] =
			topology[127].id[PERCPU_COUNTER_TREE_CACHE];
		tell_topology();
		come_online(48);
		all_online();
	}
	if (m->how == MOVED)
		move_some(m);
	leaves = check_map();
	for (i = 0; i < 8; i++)
		if (cpu_online(cpu_list[i]))
			check_stable(cpu_list[i]);
	core = crossings(PERCPU_COUNTER_TREE_CORE);
	numa = crossings(PERCPU_COUNTER_TREE_NUMA);
	cache = crossings(PERCPU_COUNTER_TREE_CACHE);
	if (getenv("SHOW"))
		printf("# %s: %u leaves, %u of them for CPUs online, %u cross a node, %u a cache, %u a core\n",
		       m->name, shape.nodes[0], leaves, numa, cache, core);
	/* Deep trees have other leaves; threads that are not online are not known. */
	if (LEAF_FANOUT != 16)
		return;
	CHECK(numa <= m->numa && cache <= m->cache && (m->how == NOSMT || !core),
	      "%s: %u leaves cross a node, %u a cache, %u a core", m->name, numa, cache, core);
	CHECK(leaves * LEAF_FANOUT >= cpumask_weight(cpu_online_mask),
	      "%s: %u leaves for the CPUs online", m->name, leaves);
}
