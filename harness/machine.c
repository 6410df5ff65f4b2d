// SPDX-License-Identifier: GPL-2.0-only
/* Simulated machines, and the map that the library made for them. */
#include "harness.h"

struct percpu_counter_tree_place topology[NR_CPUS];
u16 cpu_list[NR_CPUS];
unsigned int nr_list;
_Thread_local u64 rnd_state;
struct percpu_counter_tree_shape shape;

static unsigned int uneven(unsigned int size)
{
	return below(3) ? size : 1 + below(2 * size);
}

/* Ranked units in random domains; what @at[i] belongs to, each with numbers of its own. */
void random_places(struct percpu_counter_tree_place *at, unsigned int units)
{
	unsigned int size[NR_DOMAINS], end[NR_DOMAINS] = { 0 }, i, d;
	u16 id[NR_DOMAINS] = { 0 };

	size[0] = 1 + units / (1 + below(12));
	size[1] = 1 + below(size[0]);
	size[2] = 1 + below(size[1]);
	size[3] = 1 << below(4);
	for (i = 0; i < units; i++)
		for (d = 0; d < NR_DOMAINS; d++) {
			if (i == end[d]) {
				id[d] += i > 0;
				end[d] = min(i + uneven(size[d]), d ? end[d - 1] : units);
			}
			at[i].id[d] = id[d];
		}
}

void possible(unsigned int cpus, bool holes)
{
	unsigned int cpu;

	shim_possible(cpus, holes);
	nr_list = 0;
	for_each_possible_cpu(cpu)
		cpu_list[nr_list++] = cpu;
}

void boot_plain(unsigned int cpus)
{
	possible(cpus, false);
	memcpy(&cpu_online_now, &cpu_possible, sizeof(cpu_possible));
	boot_as_set();
}

unsigned long rss_batch(unsigned long page_size)
{
	unsigned long batch = 32;

	while (batch > 4 && percpu_counter_tree_bound(batch) > (16 << 20) / page_size)
		batch /= 2;
	return batch;
}

/* Let the simulated kernel know what is in topology[]. */
void tell_topology(void)
{
	unsigned int i, d;

	for (i = 0; i < nr_list; i++) {
		struct shim_cpu *c = &shim_cpus[cpu_list[i]];

		c->numa = topology[cpu_list[i]].id[0];
		for (d = 0; d < SHIM_DOMAINS; d++)
			c->id[d] = topology[cpu_list[i]].id[d + 1];
	}
	shim_link();
}

void boot_as_set(void)
{
	tell_topology();
	CHECK(!percpu_counter_tree_subsystem_init(), "subsystem_init");
	if (nr_list > 1)
		shape = percpu_counter_tree_geometry(nr_cpu_ids);
	CHECK(shim_initcall() == (shim_fail_alloc && shape.levels ? -ENOMEM : 0), "initcall");
	CHECK(!shim_hotplug_held && !shim_locks, "unbalanced");
}

void boot(unsigned int cpus, bool holes, unsigned int late)
{
	struct percpu_counter_tree_place *at = calloc(cpus, sizeof(*at));
	unsigned int smt = 1 << below(3), no_cacheinfo = below(4), i, at_i;

	random_places(at, cpus);
	possible(cpus, holes);
	for (i = 0; i < cpus; i++) {
		/* Either neighbours have neighbouring numbers or one of each core comes first. */
		at_i = i;
		if (cpus % smt == 0)
			at_i = i % (cpus / smt) * smt + i / (cpus / smt);
		topology[cpu_list[i]] = at[at_i];
		shim_cpus[cpu_list[i]].isolated = !below(8);
		shim_cpus[cpu_list[i]].no_cacheinfo = !no_cacheinfo && below(2);
		if (!i || !late || below(late))
			cpumask_set_cpu(cpu_list[i], &cpu_online_now);
	}
	free(at);
	boot_as_set();
}

/* With hotplug locked, the kernel sets the masks first, and then calls. */
void come_online(unsigned int cpu)
{
	shim_hotplug_held++;
	cpumask_set_cpu(cpu, &cpu_online_now);
	if (shim_came_online)
		CHECK(!shim_came_online(cpu), "came_online");
	shim_hotplug_held--;
}

void go_offline(unsigned int cpu)
{
	shim_hotplug_held++;
	cpumask_clear_cpu(cpu, &cpu_online_now);
	shim_hotplug_held--;
}

u16 node_cpu[NODES + 1], leaf_of[NR_CPUS], parent_of[NODES + 1];

/* Is what the file says what carries will find? */
static void check_tables(void)
{
	unsigned int i, at;

	for (i = 0; shape.levels && i < nr_list; i++) {
		at = per_cpu(percpu_counter_tree_leaf, cpu_list[i]);
		CHECK(at == shape.first + leaf_of[cpu_list[i]], "CPU %u goes to item %u",
		      cpu_list[i], at);
	}
	for (i = 0; i < shape.all_nodes; i++) {
		at = percpu_counter_tree_parent[shape.first + i];
		CHECK(at == (parent_of[i] == U16_MAX ? PERCPU_COUNTER_TREE_ROOT :
			     shape.first + parent_of[i]), "node %u goes to item %u", i, at);
	}
}

void read_map(void)
{
	unsigned int node, from, to;
	char *text = NULL, *line, *at, *save;
	size_t size;
	struct seq_file m = { open_memstream(&text, &size) };

	memset(node_cpu, 0xff, sizeof(node_cpu));
	memset(leaf_of, 0xff, sizeof(leaf_of));
	memset(parent_of, 0xff, sizeof(parent_of));
	CHECK(!shim_file->show(&m, NULL), "debugfs file");
	fclose(m.to);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		at = strstr(line, " cpus ");
		if (sscanf(line, "node %u to %u", &node, &to) == 2)
			parent_of[node] = to;
		if (sscanf(line, "node %u to", &node) != 1 || !at)
			continue;
		for (at += 6; sscanf(at, "%u", &from) == 1; at += strcspn(at, ",") + 1) {
			if (sscanf(at, "%u-%u", &from, &to) != 2)
				to = from;
			node_cpu[node] = from;
			for (; node < shape.nodes[0] && from <= to; from++) {
				CHECK(leaf_of[from] == U16_MAX, "CPU %u has two leaves", from);
				leaf_of[from] = node;
			}
			if (!strchr(at, ','))
				break;
		}
	}
	free(text);
	check_tables();
}
