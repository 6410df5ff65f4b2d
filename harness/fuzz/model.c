// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the library can know of the places of CPUs, from what was online when,
 * and the map that follows: CPUs are ranked by what is known, and each level is
 * a cut of the ranking.
 */
#include "fuzz.h"

static struct percpu_counter_tree_place known[NR_CPUS];
static u16 next_id;
/* The map in use is one for tests. */
bool turned;

/* Does the kernel say in which domain of kind @d it is? */
static bool is_told(unsigned int cpu, unsigned int d)
{
	return cpu_online(cpu) && (d != PERCPU_COUNTER_TREE_CACHE || !shim_cpus[cpu].no_cacheinfo);
}

static unsigned int next_in(unsigned int cpu, unsigned int d)
{
	return shim_cpus[cpu].next[d - 1];
}

/* A domain of several CPUs goes by one number: one that others have, or else a new one. */
static bool meet(unsigned int cpu, unsigned int d)
{
	unsigned int other, nr = 0;
	bool changed = false;
	u16 id = UNKNOWN;

	if (!is_told(cpu, d))
		return false;
	for (other = next_in(cpu, d); other != cpu; other = next_in(other, d))
		if (is_told(other, d)) {
			id = min(id, known[other].id[d]);
			nr++;
		}
	if (!nr)
		return false;
	if (id == UNKNOWN)
		id = next_id++;
	do {
		if (is_told(other, d)) {
			changed |= known[other].id[d] != id;
			known[other].id[d] = id;
		}
		other = next_in(other, d);
	} while (other != cpu);
	return changed;
}

static bool learn(unsigned int cpu)
{
	bool changed = known[cpu].id[0] != topology[cpu].id[0];
	unsigned int d;

	if (changed)
		memset(&known[cpu], 0xff, sizeof(known[cpu]));
	known[cpu].id[0] = topology[cpu].id[0];
	for (d = 1; d < NR_DOMAINS; d++)
		changed |= meet(cpu, d);
	return changed;
}

void model_boot(void)
{
	unsigned int i;

	memset(known, 0xff, sizeof(known));
	for (i = 0; i < nr_list; i++)
		known[cpu_list[i]].id[0] = topology[cpu_list[i]].id[0];
	for (i = 0; i < nr_list; i++)
		if (cpu_online(cpu_list[i]))
			learn(cpu_list[i]);
}

/* @cpu comes online: the map is written if that tells something new. */
void model_online(unsigned int cpu)
{
	unsigned long before = shim_map_writes;
	bool changed;

	come_online(cpu);
	shim_hook = NULL;
	if (!shim_came_online)
		return;
	changed = learn(cpu);
	CHECK(changed == (before != shim_map_writes), "CPU %u came online: the map was %swritten",
	      cpu, changed ? "not " : "");
	if (changed)
		nr_maps++, turned = false;
}

static int by_place(const void *a, const void *b)
{
	const u16 *x = a, *y = b;
	unsigned int d;

	for (d = 0; d < NR_DOMAINS; d++)
		if (known[*x].id[d] != known[*y].id[d])
			return known[*x].id[d] - known[*y].id[d];
	return *x - *y;
}

void check_model(void)
{
	static struct percpu_counter_tree_place at[NR_CPUS];
	static u16 ranked[NR_CPUS], unit[NR_CPUS], node[NR_CPUS];
	unsigned int level, base = shape.first, nr = nr_list, used, i;

	if (turned || !shim_came_online)
		return;
	memcpy(ranked, cpu_list, nr * sizeof(*ranked));
	qsort(ranked, nr, sizeof(*ranked), by_place);
	for (i = 0; i < nr; i++) {
		at[i] = known[ranked[i]];
		unit[i] = per_cpu(percpu_counter_tree_leaf, ranked[i]);
	}
	for (level = 0; level < shape.levels; level++) {
		for (i = 0; i < nr; i++) {
			CHECK(unit[i] >= base && unit[i] < base + shape.nodes[level],
			      "level %u: unit %u goes to item %u", level, i, unit[i]);
			node[i] = unit[i] - base;
		}
		check_cut(at, nr, shape.nodes[level], level ? FANOUT : LEAF_FANOUT, node);
		/* The first CPU of each node goes for it. */
		for (used = i = 0; i < nr; i++)
			if (!i || node[i] != node[i - 1]) {
				unit[used] = percpu_counter_tree_parent[base + node[i]];
				at[used++] = at[i];
			}
		nr = used;
		base += shape.nodes[level];
	}
	for (i = 0; i < nr; i++)
		CHECK(unit[i] == PERCPU_COUNTER_TREE_ROOT, "top node %u goes to item %u", i, unit[i]);
}
