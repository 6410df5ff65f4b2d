// SPDX-License-Identifier: GPL-2.0-only
/* A group of counters, and what its sums and its range have to be. */
#include "harness.h"

struct percpu_counter_tree *group;
struct percpu_counter_tree_level_item *items;
unsigned int n;
unsigned long batch, ref[MAX_N];
bool active;
unsigned int nr_maps, nr_here;
unsigned long was_here[BITS_TO_LONGS(NR_CPUS)];

struct add adding[MAX_DEPTH + 1];
unsigned int depth;
/* All adds that were begun, the last 64 of them. */
static struct add begun[64];
static unsigned int nr_begun;

void here(void)
{
	if (!(was_here[shim_cpu / BITS_PER_LONG] & mask_of(shim_cpu)))
		nr_here++;
	was_here[shim_cpu / BITS_PER_LONG] |= mask_of(shim_cpu);
}

void group_init_again(bool lazy)
{
	memset(items, 0xa5, percpu_counter_tree_items_size_many(n));
	memset(group, 0xa5, n * sizeof(*group));
	memset(ref, 0, sizeof(ref));
	memset(was_here, 0, sizeof(was_here));
	nr_here = 0;
	nr_maps = 1;
	active = !lazy && nr_list > 1;
	CHECK(!(lazy ? percpu_counter_tree_init_many_lazy(group, items, n, batch) :
		percpu_counter_tree_init_many(group, items, n, batch, GFP_KERNEL)), "init");
	forget_notes();
	note(lazy ? "lazy group" : "active group", n, batch);
}

void group_init(unsigned int counters, unsigned long size, bool lazy)
{
	n = counters;
	batch = size;
	group = malloc(n * sizeof(*group));
	BUG_ON(posix_memalign((void **)&items, 64, percpu_counter_tree_items_size_many(n) ?: 1));
	group_init_again(lazy);
	batch = min(size, PERCPU_COUNTER_TREE_MAX_ADD);
}

void group_destroy(void)
{
	percpu_counter_tree_destroy_many(group, n);
	CHECK(!shim_slots, "per-CPU memory leaked");
	free(group);
	free(items);
}

void group_activate(bool fail)
{
	bool outer = shim_fail_alloc;
	int ret;

	shim_fail_alloc = fail;
	ret = percpu_counter_tree_activate_many(group, n, GFP_KERNEL);
	shim_fail_alloc = outer;
	/* Another task may have activated it meanwhile. */
	CHECK(!ret || (fail && ret == -ENOMEM), "activate: %d", ret);
	active = group[n - 1].level0;
	CHECK(!active || group[0].level0, "the last counter is active, the first is not");
	note("activated", n, ret);
}

void add(unsigned int i, long inc)
{
	here();
	adding[depth++] = begun[nr_begun++ % 64] = (struct add){ i, inc };
	percpu_counter_tree_add(&group[i], inc);
	ref[i] += inc;
	depth--;
	note("added", i, inc);
}

void add_on(unsigned int cpu, unsigned int i, long inc)
{
	shim_cpu = cpu;
	add(i, inc);
}

/* As if very much had been added on one CPU, in multiples of a batch. */
void much_was_added(unsigned int cpu)
{
	unsigned long much = rnd() * batch;

	add_on(cpu, 0, 0);
	*per_cpu_ptr(group[0].level0, cpu) += much << SHIFT;
	group[0].root->counter += much;
	ref[0] += much;
}

/* --- looking inside */

unsigned long unit(void)
{
	return max(batch / 4, 1UL);
}

struct percpu_counter_tree_usage *usage_of(unsigned int i)
{
	return (void *)(items + i / 8 * (shape.first + shape.all_nodes) + 1);
}

unsigned long word_on(unsigned int cpu, unsigned int i)
{
	return group[i].level0 ? *per_cpu_ptr(group[i].level0, cpu) : 0;
}

static long position_on(unsigned int cpu, unsigned int i)
{
	return word_on(cpu, i) >> SHIFT & (batch - 1);
}

long residue_on(unsigned int cpu, unsigned int i)
{
	return word_on(cpu, i) & LIVE ? position_on(cpu, i) - (long)(batch / 2) : 0;
}

long room_on(unsigned int cpu, long sign)
{
	if (!(word_on(cpu, 0) & LIVE))
		return 0;
	return sign > 0 ? (long)batch - 1 - position_on(cpu, 0) : -position_on(cpu, 0);
}

void fill_cpu(unsigned int cpu, long sign)
{
	long room;

	while ((room = room_on(cpu, sign)))
		add_on(cpu, 0, room);
}

/*
 * A total that leaves its window by a multiple of a unit is always at the same
 * place in the next one. From there, each add of a multiple of a unit that
 * leaves the window carries just this. What reaches the threshold of a node
 * passes it and leaves it empty: so nodes can be filled from above.
 */
void to_end(long sign, long room)
{
	unsigned int level, node, base, i;

	for (node = 0; node < shape.all_nodes; node++) {
		if (node_cpu[node] == U16_MAX)
			continue;
		/* Past all nodes, whatever they hold */
		add_on(node_cpu[node], 0, 0);
		add_on(node_cpu[node], 0, -residue_on(node_cpu[node], 0));
		add_on(node_cpu[node], 0, sign * (2 * batch << 2 * shape.levels));
	}
	base = shape.all_nodes;
	for (level = shape.levels; level--;) {
		base -= shape.nodes[level];
		for (node = base; node < base + shape.nodes[level]; node++)
			if (node_cpu[node] != U16_MAX)
				add_on(node_cpu[node], 0,
				       sign * ((batch << 2 * (level + 1)) - room));
	}
	for (i = 0; i < nr_list; i++) {
		add_on(cpu_list[i], 0, 0);
		fill_cpu(cpu_list[i], sign);
	}
}

/* --- what must be true */

void range_is(unsigned long under, unsigned long over)
{
	unsigned long u = 0, o = 0;

	percpu_counter_tree_approximate_accuracy_range(&group[0], &u, &o);
	CHECK(u == under && o == over, "range -%lu +%lu, should be -%lu +%lu", u, o, under, over);
}

/* The words of a CPU take as few cache lines as they can. */
void check_alignment(void)
{
	unsigned long first = (unsigned long)per_cpu_ptr(group[0].level0, cpu_list[0]);
	unsigned long last = (unsigned long)per_cpu_ptr(group[n - 1].level0, cpu_list[0]);
	unsigned long lines = DIV_ROUND_UP(n * sizeof(long), 64);

	CHECK((last + sizeof(long) - 1) / 64 - first / 64 + 1 == lines,
	      "words of %u counters take %lu cache lines, not %lu", n,
	      (last + sizeof(long) - 1) / 64 - first / 64 + 1, lines);
}

/* The range is what the CPUs and nodes that are marked as used may hold. */
static void check_usage(unsigned int i)
{
	const struct percpu_counter_tree_usage *usage = usage_of(i);
	const unsigned long *nodes = usage->mask + BITS_TO_LONGS(nr_cpu_ids);
	unsigned long under = 0, over = 0, u = 0, o = 0, most;
	struct percpu_counter_tree_level_item *item = (void *)usage - sizeof(*item);
	unsigned int cpu, node, level = 0, end = shape.nodes[0], used = 0;

	for (cpu = 0; cpu < BITS_TO_LONGS(nr_cpu_ids) * BITS_PER_LONG; cpu++) {
		bool is = usage->mask[cpu / BITS_PER_LONG] & mask_of(cpu);

		CHECK(!is || (cpu < nr_cpu_ids && was_here[cpu / BITS_PER_LONG] & mask_of(cpu)),
		      "CPU %u is used, but nothing was added there", cpu);
		CHECK(is || cpu >= nr_cpu_ids || !cpu_possible(cpu) || !(word_on(cpu, i) & LIVE),
		      "CPU %u is in use, but not marked so", cpu);
		under += is * (batch / 2 - 1);
		over += is * (batch / 2);
	}
	for (node = 0; node < BITS_TO_LONGS(shape.all_nodes) * BITS_PER_LONG; node++) {
		bool is = nodes[node / BITS_PER_LONG] & mask_of(node);

		CHECK(!is || node < shape.all_nodes, "node %u is used", node);
		if (node >= shape.all_nodes)
			continue;
		if (node == end)
			end += shape.nodes[++level], used = 0;
		CHECK(is || !item[shape.first + node].count[i % 8].counter,
		      "node %u is in use, but not marked so", node);
		used += is;
		CHECK(used <= nr_here * nr_maps, "%u nodes used on level %u, by %u CPUs", used,
		      level, nr_here);
		most = (batch << 2 * (level + 1)) - unit();
		CHECK((unsigned long)labs(item[shape.first + node].count[i % 8].counter) <= most,
		      "node %u of level %u holds %ld", node, level + 1,
		      item[shape.first + node].count[i % 8].counter);
		under += is * most;
		over += is * most;
	}
	percpu_counter_tree_approximate_accuracy_range(&group[i], &u, &o);
	CHECK(u == under && o == over, "range -%lu +%lu, should be -%lu +%lu", u, o, under, over);
}

/* With no carry on its way, the root and all residues make what was added to words. */
static void check_residues(unsigned int i)
{
	struct percpu_counter_tree_level_item *item = (void *)usage_of(i) - sizeof(*item);
	unsigned long sum = item->count[i % 8].counter + group[i].direct.counter;
	unsigned int cpu, node;

	for (cpu = 0; cpu < nr_list; cpu++)
		sum += residue_on(cpu_list[cpu], i);
	for (node = 0; node < shape.all_nodes; node++)
		sum += item[shape.first + node].count[i % 8].counter;
	CHECK(sum == ref[i], "root and residues of counter %u make %ld, should be %ld", i, sum,
	      (long)ref[i]);
}

void check_counter(unsigned int i)
{
	long sum = percpu_counter_tree_precise_sum(&group[i]), approx, min, max, v;
	unsigned long under = 0, over = 0;
	int sign, cmp;

	CHECK((unsigned long)sum == ref[i], "counter %u is %ld, should be %ld", i, sum,
	      (long)ref[i]);
	approx = percpu_counter_tree_approximate_sum(&group[i]);
	percpu_counter_tree_approximate_accuracy_range(&group[i], &under, &over);
	CHECK(group[0].level0 || !(under | over), "range -%lu +%lu before activation", under, over);
	CHECK(approx - (ref[i] - under) <= under + over,
	      "counter %u is %ld, approximately %ld, range -%lu +%lu", i, sum, approx, under, over);
	percpu_counter_tree_approximate_min_max(&group[i], &approx, &min, &max);
	CHECK(min <= sum && sum <= max, "%ld is not in %ld..%ld", sum, min, max);

	CHECK(percpu_counter_tree_approximate_sum_positive(&group[i]) == max(approx, 0L) &&
	      percpu_counter_tree_precise_sum_positive(&group[i]) == max(sum, 0L),
	      "%ld or %ld is not positive", approx, sum);

	v = sum + (long)(below(4) ? below(5) - 2 : rnd());
	sign = (sum > v) - (sum < v);
	cmp = percpu_counter_tree_precise_compare_value(&group[i], v);
	CHECK(cmp == sign, "compare %ld with %ld: %d", sum, v, cmp);
	cmp = percpu_counter_tree_approximate_compare_value(&group[i], v);
	CHECK(!cmp || cmp == sign, "approximately compare %ld with %ld: %d", sum, v, cmp);

	if (group[i].level0)
		check_residues(i);
}

bool sum_of(const struct add *open, unsigned int nr, unsigned int i, unsigned long left)
{
	if (!nr)
		return !left;
	return sum_of(open + 1, nr - 1, i, left) ||
	       (open->i == i && sum_of(open + 1, nr - 1, i, left - open->inc));
}

/* The precise sum may miss adds on their way and begun meanwhile, and nothing else. */
void check_begun(unsigned int i)
{
	unsigned int end = i + 1 + below(n - i), first = nr_begun, nr = depth;
	unsigned long base[MAX_N];
	long sums[MAX_N];
	struct add open[MAX_DEPTH + 8];
	static bool reading;

	if (reading)
		return;
	memcpy(base, ref, sizeof(base));
	memcpy(open, adding, depth * sizeof(*open));
	reading = true;
	percpu_counter_tree_precise_sum_many(&group[i], end - i, sums + i);
	reading = false;
	if (nr_begun - first > 8)
		return;
	for (; first < nr_begun; first++)
		open[nr++] = begun[first % 64];
	for (; i < end; i++)
		CHECK(sum_of(open, nr, i, sums[i] - base[i]),
		      "counter %u is %ld, should be %ld, or more by some of %u adds", i, sums[i],
		      (long)base[i], nr);
}

void check_all(void)
{
	long sums[MAX_N], approx[MAX_N];
	unsigned int i;
	int cmp;

	percpu_counter_tree_precise_sum_many(group, n, sums);
	for (i = 0; i < n; i++) {
		CHECK((unsigned long)sums[i] == ref[i], "counter %u is %ld, should be %ld", i,
		      sums[i], (long)ref[i]);
		check_counter(i);
		if (active && (i % 8 == 0 || i == n - 1))
			check_usage(i);
	}
	CHECK(percpu_counter_tree_approximate_sum_many(group, n, approx) == !active,
	      "approximate sums are exact, or not");
	for (i = 0; i < n; i++)
		CHECK(approx[i] == percpu_counter_tree_approximate_sum(&group[i]),
		      "counter %u is approximately %ld", i, approx[i]);
	i = below(n);
	cmp = percpu_counter_tree_precise_compare(&group[i], &group[0]);
	CHECK(cmp == (sums[i] > sums[0]) - (sums[i] < sums[0]), "compare two: %d", cmp);
}
