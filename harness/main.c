// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of lib/percpu_counter_tree.c, unmodified, in userspace: any number of
 * CPUs, any topology, any history.
 *
 * usage: main fast|full TEST...
 *	  main levels		(how often cache lines of each level are written)
 *
 * Each case, that is a test with a number of CPUs and a seed, is a process of
 * its own, because the library starts once. CASE=, CPUS= and SEED= in the
 * environment choose one; all that happens follows from them.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NR_CPUS
#define NR_CPUS		8192
#endif
#define CONFIG_NR_CPUS	NR_CPUS
#define CONFIG_SMP	1
#define CONFIG_KUNIT	1

#include "stubs.h"
#include "custom.h"
#include "percpu_counter_tree.c"

#define MAX_ADD		((long)PERCPU_COUNTER_TREE_MAX_ADD)
#define NR_DOMAINS	PERCPU_COUNTER_TREE_NR_DOMAINS
#define LEVELS		PERCPU_COUNTER_TREE_MAX_LEVELS
#define MAX_N		20
#define MAX_DEPTH	40

/* The case at hand. */
static const char *test_name;
static unsigned int test_cpus;
static u64 test_seed;
static bool full;

static _Thread_local u64 rnd_state;

static u64 rnd(void)
{
	u64 x = rnd_state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static unsigned long below(unsigned long n)
{
	return rnd() % n;
}

/* What has happened, for when it fails; printed in the order of completion. */
static struct event {
	const char *what;
	unsigned int depth, cpu, i;
	long value;
} events[1 << 12];
static unsigned int nr_events;

static void note(const char *what, unsigned int depth, unsigned int i, long value)
{
	events[nr_events++ % ARRAY_SIZE(events)] =
		(struct event){ what, depth, shim_cpu, i, value };
}

/* Adds on their way, outermost first, and all that were begun, the last 64 of them. */
static struct add { unsigned int i; long inc; } adding[MAX_DEPTH + 1], begun[64];
static unsigned int depth, nr_begun;

static void show_case(void)
{
	unsigned int first = nr_events > 120 ? nr_events - 120 : 0, e;

	if (first)
		printf("# %u earlier events of this group\n", first);
	for (e = first; e < nr_events; e++) {
		const struct event *at = &events[e % ARRAY_SIZE(events)];

		printf("# %*scpu %u: %s counter %u: %ld\n", 2 * at->depth, "", at->cpu,
		       at->what, at->i, at->value);
	}
	for (e = 0; e < depth; e++)
		printf("# on its way: counter %u: %ld\n", adding[e].i, adding[e].inc);
	printf("# replay: CASE=%s CPUS=%u SEED=%llu\n", test_name, test_cpus,
	       (unsigned long long)test_seed);
	fflush(stdout);
}

static void shim_fail(int line, const char *fmt, ...)
{
	va_list ap;

	printf("# %s, %u CPUs, line %d: ", test_name, test_cpus, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	show_case();
	_exit(1);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

/* --- machines */

static unsigned int uneven(unsigned int size)
{
	return below(3) ? size : 1 + below(2 * size);
}

/* Ranked units in random domains; what @at[i] belongs to, each with numbers of its own. */
static void random_domains(struct percpu_counter_tree_domains *at, unsigned int units)
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

static struct percpu_counter_tree_domains topology[NR_CPUS];
static u16 cpu_list[NR_CPUS];	/* possible CPUs */
static unsigned int nr_list;

static void come_online(unsigned int cpu)
{
	cpumask_set_cpu(cpu, &cpu_online_now);
	if (shim_came_online)
		shim_came_online(cpu);
	if (shim_work)
		shim_work->func(shim_work);
	shim_work = NULL;
}

/* Boot with one in @late CPUs online later, or never. */
static void boot(unsigned int cpus, bool holes, unsigned int late, bool isolated)
{
	struct percpu_counter_tree_domains *at = calloc(cpus, sizeof(*at));
	unsigned int smt = 1 << below(3), cpu, i, d;
	u16 first[SHIM_DOMAINS][NR_CPUS];

	random_domains(at, cpus);
	shim_possible(cpus, holes);
	memset(first, 0xff, sizeof(first));
	for_each_possible_cpu(cpu) {
		struct shim_cpu *c = &shim_cpus[cpu];

		/* Either neighbours have neighbouring numbers or one of each core comes first. */
		i = nr_list;
		if (cpus % smt == 0)
			i = i % (cpus / smt) * smt + i / (cpus / smt);
		topology[cpu] = at[i];
		c->numa = at[i].id[0];
		c->isolated = isolated && !below(8);
		for (d = 0; d < SHIM_DOMAINS; d++) {
			u16 id = c->id[d] = at[i].id[d + 1];

			c->next[d] = cpu;
			if (first[d][id] == U16_MAX)
				first[d][id] = cpu;
			else
				swap(c->next[d], shim_cpus[first[d][id]].next[d]);
		}
		cpu_list[nr_list++] = cpu;
	}
	free(at);
	CHECK(!percpu_counter_tree_subsystem_init(), "subsystem_init");
	for (i = 0; i < cpus; i++)
		if (!i || !late || below(late))
			cpumask_set_cpu(cpu_list[i], &cpu_online_now);
	shim_sched_ready = true;
	CHECK(!shim_initcall(), "initcall");
}

/* Which CPUs each node serves, as the debugfs file says: one CPU of a node, leaf of a CPU. */
static u16 node_cpu[PERCPU_COUNTER_TREE_STATIC_NODES + 1], leaf_of[NR_CPUS];

static void read_map(void)
{
	unsigned int nodes[LEVELS], node, from, to;
	char *text = NULL, *line, *at, *save;
	size_t size;
	struct seq_file m = { open_memstream(&text, &size) };

	percpu_counter_tree_geometry(nr_cpu_ids, nodes);
	memset(node_cpu, 0xff, sizeof(node_cpu));
	memset(leaf_of, 0xff, sizeof(leaf_of));
	CHECK(!shim_file->show(&m, NULL), "debugfs file");
	fclose(m.to);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		at = strstr(line, " cpus ");
		if (sscanf(line, "node %u to", &node) != 1 || !at)
			continue;
		for (at += 6; sscanf(at, "%u", &from) == 1; at += strcspn(at, ",") + 1) {
			if (sscanf(at, "%u-%u", &from, &to) != 2)
				to = from;
			node_cpu[node] = from;
			for (; node < nodes[0] && from <= to; from++) {
				CHECK(leaf_of[from] == U16_MAX, "CPU %u has two leaves", from);
				leaf_of[from] = node;
			}
			if (!strchr(at, ','))
				break;
		}
	}
	free(text);
}

/* --- a group, and what its sums have to be */

static struct percpu_counter_tree *group;
static struct percpu_counter_tree_level_item *items;
static unsigned int n;
static unsigned long batch, ref[MAX_N];
static bool active, use_all;

/* CPUs on which an add ran at some time, and how many maps there were. */
static DECLARE_BITMAP(was_here, NR_CPUS);
static unsigned int nr_here, nr_maps;
static bool reading;

static void here(void)
{
	if (!(was_here[shim_cpu / 64] & mask_of(shim_cpu)))
		nr_here++;
	was_here[shim_cpu / 64] |= mask_of(shim_cpu);
}

static void group_init(unsigned int counters, unsigned long size, bool lazy)
{
	size_t bytes = percpu_counter_tree_items_size_many(counters);

	n = counters;
	batch = size;
	group = malloc(n * sizeof(*group));
	BUG_ON(posix_memalign((void **)&items, 64, bytes));
	memset(items, 0xa5, bytes);
	memset(group, 0xa5, n * sizeof(*group));
	memset(ref, 0, sizeof(ref));
	memset(was_here, 0, sizeof(was_here));
	nr_here = 0;
	nr_maps = 1;
	active = !lazy && nr_list > 1;
	CHECK(!(lazy ? percpu_counter_tree_init_many_lazy(group, items, n, batch) :
		percpu_counter_tree_init_many(group, items, n, batch, GFP_KERNEL)), "init");
	nr_events = 0;
	note(lazy ? "lazy group" : "active group", 0, n, batch);
}

static void group_destroy(void)
{
	percpu_counter_tree_destroy_many(group, n);
	CHECK(!shim_slots, "per-CPU memory leaked");
	free(group);
	free(items);
}

static void add(unsigned int i, long inc)
{
	here();
	adding[depth++] = begun[nr_begun++ % 64] = (struct add){ i, inc };
	percpu_counter_tree_add(&group[i], inc);
	ref[i] += inc;
	depth--;
	note("added", depth, i, inc);
}

static void add_on(unsigned int cpu, unsigned int i, long inc)
{
	shim_cpu = cpu;
	add(i, inc);
}

static void group_activate(bool fail)
{
	bool outer = shim_fail_alloc;
	int ret;

	shim_fail_alloc = fail;
	ret = percpu_counter_tree_activate_many(group, n, GFP_KERNEL);
	shim_fail_alloc = outer;
	/* Somebody else may have activated it meanwhile. */
	CHECK(!ret || (fail && ret == -ENOMEM), "activate: %d", ret);
	CHECK(ret || !fail || active || nr_list == 1, "activated without memory");
	active |= !ret && nr_list > 1;
	note("activated", depth, n, ret);
}

/* The precise sum may miss adds on their way and begun meanwhile, and nothing else. */
static bool sum_of(const struct add *open, unsigned int nr, unsigned int i, unsigned long left)
{
	if (!nr)
		return !left;
	return sum_of(open + 1, nr - 1, i, left) ||
	       (open->i == i && sum_of(open + 1, nr - 1, i, left - open->inc));
}

static void check_one(unsigned int i)
{
	unsigned int end = i + 1 + below(n - i), first = nr_begun, nr = depth;
	unsigned long base[MAX_N];
	long sums[MAX_N];
	struct add open[MAX_DEPTH + 8];

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

/* What the range may be at most: all CPUs ever seen here, and as many nodes. */
static void check_range(unsigned long under, unsigned long over)
{
	unsigned long cpus = use_all ? nr_list : nr_here, limit = 0;
	unsigned int nodes[LEVELS], level, levels = percpu_counter_tree_geometry(nr_cpu_ids, nodes);

	for (level = 0; level < levels; level++)
		limit += min(nodes[level] + 0UL, cpus * nr_maps) *
			 ((batch << 2 * (level + 1)) - 1);
	CHECK(under <= cpus * (batch / 2 - 1) + limit && over <= cpus * (batch / 2) + limit,
	      "range -%lu +%lu for %lu CPUs", under, over, cpus);
}

/* With no add on its way. */
static void check_all(void)
{
	long sums[MAX_N], approx, value, min, max;
	unsigned long under, over;
	unsigned int i;
	int sign, cmp;

	percpu_counter_tree_precise_sum_many(group, n, sums);
	for (i = 0; i < n; i++) {
		CHECK((unsigned long)sums[i] == ref[i], "counter %u is %ld, should be %ld",
		      i, sums[i], (long)ref[i]);
		under = over = 0;
		approx = percpu_counter_tree_approximate_sum(&group[i]);
		percpu_counter_tree_approximate_accuracy_range(&group[i], &under, &over);
		CHECK(active || !(under | over), "range -%lu +%lu before activation", under, over);
		CHECK(approx - (ref[i] - under) <= under + over,
		      "counter %u is %ld, approximately %ld, range -%lu +%lu", i, (long)ref[i],
		      approx, under, over);
		check_range(under, over);
	}

	i = below(n);
	value = ref[i] + (long)(below(3) ? below(5) - 2 : rnd());
	sign = (sums[i] > value) - (sums[i] < value);
	percpu_counter_tree_approximate_min_max(&group[i], &approx, &min, &max);
	CHECK(min <= sums[i] && sums[i] <= max, "%ld is not in %ld..%ld", sums[i], min, max);
	cmp = percpu_counter_tree_precise_compare_value(&group[i], value);
	CHECK(cmp == sign, "compare %ld with %ld: %d", sums[i], value, cmp);
	cmp = percpu_counter_tree_approximate_compare_value(&group[i], value);
	CHECK(!cmp || cmp == sign, "approximately compare %ld with %ld: %d", sums[i], value, cmp);
	cmp = percpu_counter_tree_precise_compare(&group[i], &group[0]);
	CHECK(cmp == (sums[i] > sums[0]) - (sums[i] < sums[0]), "compare two: %d", cmp);
}

/* --- random: adversarial histories, interrupted and migrated anywhere */

static unsigned int chance, nr_near;
static u8 held[NR_CPUS];

static unsigned int some_cpu(void)
{
	return cpu_list[below(below(8) ? nr_near : nr_list)];
}

static long some_inc(void)
{
	long b = batch, sign = below(2) ? 1 : -1;

	switch (below(20)) {
	case 0: return 0;
	case 1: return sign * (b / 2 + below(3) - 1);
	case 2: return sign * (b + (int)below(3) - 1);
	case 3: return sign * (b * 3 / 4);
	case 4: return sign * (MAX_ADD + (int)below(3) - 1);
	case 5: return sign * (4 * b * (1 + below(4)) + (int)below(3) - 1);
	case 6: return below(3) ? sign * below(16 * b) : LONG_MAX;
	case 7: return below(3) ? sign * below(16 * b) : LONG_MIN;
	case 8: return sign * ((1L << (25 + below(10))) + (int)below(3) - 1);
	case 9: return rnd();
	case 10 ... 13: return sign;
	default: return sign * (long)below(2 * b + 1);
	}
}

static void act(bool on_this_cpu)
{
	unsigned int cpu = shim_cpu, preempt = shim_preempt, times = below(12) ? 1 : below(20);

	/* An interrupt may not be moved; others run where preemption is not disabled. */
	shim_preempt = on_this_cpu;
	if (!on_this_cpu) {
		held[cpu] += !!preempt;
		do
			shim_cpu = some_cpu();
		while (held[shim_cpu] && (shim_cpu = cpu_list[below(nr_list)], held[shim_cpu]));
	}
	while (times--)
		add(below(n), some_inc());
	if (!on_this_cpu)
		held[cpu] -= !!preempt;
	shim_cpu = cpu;
	shim_preempt = preempt;
}

static unsigned int remaps;

static void remap(void)
{
	unsigned int turn = below(5);

	if (!remaps)
		return;
	remaps--;
	nr_maps++;
	percpu_counter_tree_remap(turn);
	note("remapped", depth, 0, turn);
}

static unsigned int nr_held(void)
{
	unsigned int cpu, nr = !!shim_preempt;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		nr += !!held[cpu];
	return nr;
}

static void random_hook(void)
{
	if (below(100) >= chance || depth > 4)
		return;
	switch (below(16)) {
	case 0 ... 5:
		if (shim_preempt)
			break;
		shim_cpu = some_cpu();
		if (held[shim_cpu])
			shim_cpu = cpu_list[below(nr_list)];
		while (held[shim_cpu])
			shim_cpu = cpu_list[below(nr_list)];
		here();
		break;
	case 6 ... 9:
		act(true);
		break;
	case 10 ... 12:
		if (nr_held() < nr_list)
			act(false);
		break;
	case 13:
		if (!shim_locks && !below(4))
			group_activate(!below(3));
		break;
	case 14:
		if (!shim_locks && !below(16))
			remap();
		break;
	default:
		check_one(below(n));
	}
}

static void test_random(unsigned int cpus)
{
	static const unsigned int batches[] = { 2, 4, 8, 16, 32, 64, 256, 4096, 1 << 16 };
	static const unsigned int chances[] = { 0, 2, 10, 40 };
	unsigned int rounds = 3, steps = cpus > 128 ? 60 : 200, cpu, i;

	boot(cpus, below(2), below(2) ? 4 : 0, below(2));
	while (rounds--) {
		bool lazy = below(2);

		group_init(below(4) ? 1 + below(4) : 1 + below(MAX_N),
			   batches[below(ARRAY_SIZE(batches))], lazy);
		chance = chances[below(ARRAY_SIZE(chances))];
		nr_near = 1 + below(below(2) ? min(cpus, 4U) : cpus);
		remaps = cpus > 1024 ? 2 : 8;
		check_all();
		for (i = 0; i < steps; i++) {
			if (!below(3))
				shim_cpu = some_cpu();
			shim_hook = chance ? random_hook : NULL;
			switch (below(40)) {
			case 0:
				group_activate(below(2));
				break;
			case 1:
				remap();
				break;
			case 2:
				check_one(below(n));
				break;
			case 3:
				shim_hook = NULL;
				cpu = below(n);
				ref[cpu] = some_inc();
				here();
				percpu_counter_tree_set(&group[cpu], ref[cpu]);
				note("set", 0, cpu, ref[cpu]);
				break;
			case 4:
				cpu = cpu_list[below(cpus)];
				if (!cpu_online(cpu) && remaps) {
					remaps--;
					nr_maps++;
					shim_hook = NULL;
					come_online(cpu);
				}
				break;
			default:
				add(below(n), some_inc());
			}
			shim_hook = NULL;
			CHECK(!shim_preempt && !shim_locks, "unbalanced");
			check_all();
		}
		group_destroy();
	}
}

/* --- preempted: a task in the midst of an add on each CPU, and a precise sum */

static unsigned int deepest;

/* What a CPU can add in the direction of @inc without a carry, in one add. */
static long live_room(unsigned int i, long inc)
{
	u32 word = group[0].level0 ? *per_cpu_ptr(group[0].level0, cpu_list[i]) : 0;
	long position = position_of(&group[0], word) >> SHIFT;

	if (!(word & LIVE))
		return 0;
	return inc > 0 ? min((long)(group[0].batch >> SHIFT) - 1 - position, MAX_ADD) :
			 -min(position, MAX_ADD);
}

/* Make a CPU hold back the utmost in the direction of @inc. */
static void fill_cpu(unsigned int i, long inc)
{
	long room;

	while ((room = live_room(i, inc)))
		add_on(cpu_list[i], 0, room);
}

static void preempt_hook(void)
{
	unsigned int cpu = shim_cpu, i;
	long inc = adding[0].inc, off;

	if (shim_preempt || !below(4))
		return;
	if (depth > deepest && depth < min(nr_list, MAX_DEPTH + 0U)) {
		deepest = depth;
		add_on(cpu_list[depth], 0, inc);
	}
	shim_hook = NULL;
	/* Carries on their way took along what CPUs and nodes held: let these fill again. */
	if (depth == min(nr_list, MAX_DEPTH + 0U))
		for (i = 0; i < nr_list; i++)
			fill_cpu(i, inc);
	shim_cpu = cpu;
	off = percpu_counter_tree_precise_sum(&group[0]) - ref[0];
	shim_hook = preempt_hook;
	CHECK(off % inc == 0 && off / inc >= 0 && off / inc <= depth,
	      "batch %lu: %u adds of %ld on their way, %ld seen", batch, depth, inc, off);
}

static void test_preempted(unsigned int cpus)
{
	unsigned int log, i;

	boot(cpus, false, 0, false);
	for (log = 1; log < 32; log++) {
		group_init(1, 1UL << log, false);
		for (i = 0; i < 20; i++) {
			long inc = min(16L << below(log + 1), MAX_ADD), j;

			/* All hold back the utmost, or something. */
			inc *= below(2) ? 1 : -1;
			for (j = below(2) ? nr_list : below(nr_list); j--;) {
				add_on(cpu_list[j], 0, 0);
				fill_cpu(j, inc);
			}
			shim_hook = preempt_hook;
			deepest = 0;
			add_on(cpu_list[0], 0, inc);
			shim_hook = NULL;
			check_all();
		}
		group_destroy();
	}
}

/* --- held_up: a sum changes by more than a total can tell, while it is read */

static unsigned int held_up_at;
static long held_up_by;

static void held_up_hook(void)
{
	unsigned int cpu = shim_cpu, i;

	if (held_up_at--)
		return;
	shim_hook = NULL;
	/* Three quarters of what a total holds, which looks like a quarter less. */
	for (i = 0; i < (3 << 25) / MAX_ADD; i++)
		add_on(cpu_list[i % nr_list], 0, held_up_by);
	shim_cpu = cpu;
}

static void test_held_up(unsigned int cpus)
{
	long sign, before, sum;
	unsigned int at, i;
	bool reached;

	boot(cpus, false, 0, false);
	for (sign = -1; sign <= 1; sign += 2) {
		held_up_by = sign * MAX_ADD;
		for (at = 0, reached = true; reached; at++) {
			group_init(1, 2UL << below(6), false);
			for (i = 0; i < nr_list; i++)
				add_on(cpu_list[i], 0, some_inc());
			before = ref[0];
			held_up_at = at;
			shim_hook = held_up_hook;
			sum = percpu_counter_tree_precise_sum(&group[0]);
			reached = !shim_hook;
			shim_hook = NULL;
			CHECK(sign * (sum - before) >= 0 && sign * ((long)ref[0] - sum) >= 0,
			      "precise sum %ld, while it went from %ld to %ld", sum, before,
			      (long)ref[0]);
			check_all();
			group_destroy();
		}
		CHECK(at > 2, "nothing to hold up");
	}
}

/* Windows of CPUs, and so all carries, move by units. */
static long unit(void)
{
	return max(batch / 16, 1UL);
}

/* --- use: the range is exactly that of the CPUs and nodes in use */

static void range_is(unsigned long under, unsigned long over)
{
	unsigned long u = 0, o = 0;

	percpu_counter_tree_approximate_accuracy_range(&group[0], &u, &o);
	CHECK(u == under && o == over, "range -%lu +%lu, should be -%lu +%lu", u, o, under, over);
}

static void test_use(unsigned int cpus)
{
	unsigned long b = 2UL << below(7), under = 0, over = 0;
	unsigned int nodes[LEVELS], levels, level, i;

	boot(cpus, below(2), 0, false);
	levels = percpu_counter_tree_geometry(nr_cpu_ids, nodes);
	group_init(2, b, true);
	add_on(cpu_list[0], 0, 100 * b);
	range_is(0, 0);
	group_activate(true);
	range_is(0, 0);
	group_activate(false);
	range_is(0, 0);
	for (i = 0; i < cpus; i++) {
		if (cpus == 1)
			break;
		add_on(cpu_list[i], below(2), 0);
		under += b / 2 - 1;
		over += b / 2;
		range_is(under, over);
		/* The first word of another counter, and the second add, are for free. */
		add_on(cpu_list[i], 0, 0);
		add_on(cpu_list[i], 1, 0);
		range_is(under, over);
	}
	/* A node is used when a carry first arrives there. */
	for (level = 0; level < levels && level < 3; level++) {
		add_on(cpu_list[0], 0, b << 2 * level);
		under += (4 * b << 2 * level) - unit();
		over += (4 * b << 2 * level) - unit();
		range_is(under, over);
		add_on(cpu_list[0], 1, b << 2 * level);
		range_is(under, over);
		check_all();
	}
	group_destroy();
}

/* --- ends: both ends of the range are reached */

/* Carry to an empty node until there is @room below its threshold, from a CPU at an end. */
static void fill_node(unsigned int cpu, unsigned int level, long sign, long room)
{
	long b = batch, more[3] = { 6 * b, 6 * b, 4 * b + 2 * room };
	unsigned int i;

	if (level < 2) {
		add_on(cpu, 0, sign * ((b << 2 * (level + 1)) - room));
		return;
	}
	/* Adds of 16 batches go no higher than to the second level. */
	for (i = 0; i < (level == 2 ? 1 : 3); i++) {
		add_on(cpu, 0, sign * (16 * b - room));
		add_on(cpu, 0, sign * 16 * b);
		add_on(cpu, 0, sign * 16 * b);
		add_on(cpu, 0, sign * 16 * b);
		if (level == 2)
			break;
		add_on(cpu, 0, sign * more[i]);
		add_on(cpu, 0, sign * 16 * b);
	}
}

static void to_end(long sign, long room)
{
	unsigned int nodes[LEVELS], levels, level, node, base, i;

	levels = percpu_counter_tree_geometry(nr_cpu_ids, nodes);
	for (i = 0; i < nr_list; i++)
		add_on(cpu_list[i], 0, sign > 0 ? batch / 2 - 1 : -(batch / 2));
	for (level = levels; level--;) {
		for (base = i = 0; i < level; i++)
			base += nodes[i];
		for (node = base; node < base + nodes[level]; node++)
			if (node_cpu[node] != U16_MAX)
				fill_node(node_cpu[node], level, sign, room);
	}
}

static void test_ends(unsigned int cpus)
{
	unsigned long b = 2UL << below(6), under, over;
	long sign, off;

	boot(cpus, below(2), 0, false);
	read_map();
	for (sign = -1; sign <= 1; sign += 2) {
		group_init(1, b, false);
		to_end(sign, unit());
		check_all();
		under = over = 0;
		percpu_counter_tree_approximate_accuracy_range(&group[0], &under, &over);
		off = ref[0] - percpu_counter_tree_approximate_sum(&group[0]);
		CHECK(off == (sign > 0 ? (long)under : -(long)over),
		      "batch %lu: %ld off at the end of -%lu +%lu", b, off, under, over);
		group_destroy();

		/* Nodes that reach their threshold must not hold it. */
		group_init(1, b, false);
		to_end(sign, 0);
		check_all();
		group_destroy();
	}
}

/* --- oscillation: a swing of less than a batch leaves the root alone */

static void swing(unsigned int cpu, long inc)
{
	long approx = percpu_counter_tree_approximate_sum(&group[0]), now;
	unsigned int writes = 0, i;

	for (i = 0; i < 16; i++) {
		add_on(cpu, 0, i % 2 ? -inc : inc);
		now = percpu_counter_tree_approximate_sum(&group[0]);
		writes += now != approx;
		approx = now;
	}
	CHECK(writes <= 2, "batch %lu: +-%ld from %ld wrote the root %u times in 16 adds", batch,
	      inc, (long)ref[0], writes);
}

static void test_oscillation(unsigned int cpus)
{
	static const unsigned int batches[] = { 2, 4, 8, 16, 32, 64, 256, 4096 };
	unsigned int b, s, way;

	boot(cpus, false, 0, false);
	read_map();
	/* With one CPU all adds go to the root. */
	for (b = cpus > 1 ? 0 : ARRAY_SIZE(batches); b < ARRAY_SIZE(batches); b++) {
		long size = batches[b], most = size > 16 ? size - size / 16 : size - 1;
		long incs[] = { 1, 2, size / 4, size / 2 - 1, size / 2, size / 2 + 1,
				size * 3 / 4, most, 1 + below(most) };
		long step = max(size / (full ? 64 : 16), 1L) | 1, start, sign, inc;

		for (s = 0; s < ARRAY_SIZE(incs); s++)
			for (way = 0; way < 6; way++) {
				if (incs[s] < 1 || incs[s] > most)
					continue;
				/* Nodes full or empty; up or down first; on one CPU or any. */
				sign = way % 2 ? -1 : 1;
				inc = way % 4 < 2 ? incs[s] : -incs[s];
				group_init(1, size, false);
				if (way < 4)
					to_end(sign, unit());
				for (start = 0; start < 2 * size + step; start += step) {
					swing(cpu_list[below(way < 2 ? 1 : cpus)], inc);
					add_on(cpu_list[0], 0, sign * step);
				}
				group_destroy();
			}
	}
}

/* --- placement */

static int cmp_u64(const void *a, const void *b)
{
	return (*(u64 *)a > *(u64 *)b) - (*(u64 *)a < *(u64 *)b);
}

static unsigned int distinct(u64 *keys, unsigned int nr)
{
	unsigned int i, d = 0;

	qsort(keys, nr, sizeof(*keys), cmp_u64);
	for (i = 0; i < nr; i++)
		d += !i || keys[i] != keys[i - 1];
	return d;
}

/*
 * Where a domain has some leaves for itself, each leaf touches one domain inside
 * at least, and each domain inside is touched by one leaf: so there are as many
 * pairs of both as the larger number says at least. There have to be no more.
 */
static void check_leaves(const struct percpu_counter_tree_domains *at, const u16 *leaf,
			 unsigned int units, unsigned int nodes, unsigned int domains)
{
	static u64 pairs[NR_CPUS], leaves[NR_CPUS], inside[NR_CPUS];
	static unsigned int owner[NR_CPUS];
	static bool shared[NR_CPUS];
	unsigned int d, i, first, nr;

	for (i = 0; i < units; i++)
		leaves[i] = leaf[i];
	nr = distinct(leaves, units);
	CHECK(nr == min(units, nodes), "%u of %u nodes serve %u units", nr, nodes, units);

	/* Units are ranked, so those of a domain follow each other. */
	for (d = 0; d < domains; d++) {
		#define ID(i)	(d ? at[i].id[d - 1] : 0)
		memset(owner, 0xff, sizeof(owner));
		memset(shared, 0, sizeof(shared));
		for (i = 0; i < units; i++) {
			if (owner[leaf[i]] == UINT_MAX)
				owner[leaf[i]] = ID(i);
			if (owner[leaf[i]] != ID(i))
				shared[owner[leaf[i]]] = shared[ID(i)] = true;
		}
		for (first = 0; first < units; first += nr) {
			for (nr = 0; first + nr < units && ID(first + nr) == ID(first); nr++) {
				i = first + nr;
				leaves[nr] = leaf[i];
				inside[nr] = at[i].id[d];
				pairs[nr] = (u64)leaf[i] << 16 | at[i].id[d];
			}
			if (shared[ID(first)])
				continue;
			i = max(distinct(leaves, nr), distinct(inside, nr));
			CHECK(distinct(pairs, nr) == i,
			      "%u units, %u nodes: domain %u of kind %u is split more than it must",
			      units, nodes, ID(first), d);
		}
		#undef ID
	}
}

/* Domains of the same size are shared out evenly. */
static void check_balance(unsigned int units)
{
	static struct percpu_counter_tree_domains at[NR_CPUS];
	static u16 cpus[NR_CPUS], node[NR_CPUS], serves[NR_CPUS];
	unsigned int size = 1 + below(min(units, 9U)), domains = units / size, nodes, most, i, d;

	nodes = 1 + below(domains);
	for (i = 0; i < domains * size; i++) {
		cpus[i] = i;
		for (d = 0; d < NR_DOMAINS; d++)
			at[i].id[d] = i / size;
	}
	memset(serves, 0, sizeof(serves));
	percpu_counter_tree_place(at, cpus, domains * size, nodes, node);
	for (i = 0; i < domains; i++)
		serves[node[i * size]]++;
	most = DIV_ROUND_UP(domains, nodes);
	for (i = 0; i < nodes; i++)
		CHECK(serves[i] == most || serves[i] == domains / nodes,
		      "%u domains of %u, %u nodes: node %u serves %u", domains, size, nodes, i,
		      serves[i]);
}

static void test_placement(unsigned int units)
{
	static struct percpu_counter_tree_domains at[NR_CPUS];
	static u16 cpus[NR_CPUS], node[NR_CPUS];
	unsigned int rounds = 30, nodes, i;

	for (i = 0; i < units; i++)
		cpus[i] = i;
	while (rounds--) {
		random_domains(at, units);
		nodes = below(2) ? DIV_ROUND_UP(units, 16) : 1 + below(units + 2);
		percpu_counter_tree_place(at, cpus, units, nodes, node);
		for (i = 0; i < units; i++)
			CHECK(node[i] < nodes && (i ? node[i] - node[i - 1] < 2U : !node[i]),
			      "unit %u to node %u", i, node[i]);
		check_leaves(at, node, units, nodes, NR_DOMAINS);
		check_balance(units);
	}
}

static int cmp_topology(const void *a, const void *b)
{
	unsigned int x = *(u16 *)a, y = *(u16 *)b, d;

	for (d = 0; d < NR_DOMAINS; d++)
		if (topology[x].id[d] != topology[y].id[d])
			return topology[x].id[d] < topology[y].id[d] ? -1 : 1;
	return (int)x - (int)y;
}

static void check_map(unsigned int domains)
{
	static struct percpu_counter_tree_domains at[NR_CPUS];
	unsigned int nodes[LEVELS], i;
	static u16 cpus[NR_CPUS], leaf[NR_CPUS];

	if (!percpu_counter_tree_geometry(nr_cpu_ids, nodes))
		return;
	read_map();
	memcpy(cpus, cpu_list, sizeof(cpus));
	qsort(cpus, nr_list, sizeof(*cpus), cmp_topology);
	for (i = 0; i < nr_list; i++) {
		at[i] = topology[cpus[i]];
		leaf[i] = leaf_of[cpus[i]];
		CHECK(leaf[i] != U16_MAX, "CPU %u has no leaf", cpus[i]);
	}
	check_leaves(at, leaf, nr_list, nodes[0], domains);
}

/* The same for the map, at boot and when the last CPU has come online. */
static void test_map(unsigned int cpus)
{
	bool isolated = !below(4);
	unsigned int i;

	boot(cpus, below(2), 2 + below(3), isolated);
	check_map(1);
	for (i = 0; i < cpus; i++)
		if (!cpu_online(cpu_list[i]))
			come_online(cpu_list[i]);
	check_map(isolated ? 1 : NR_DOMAINS);
}

/* --- geometry and sizes */

/* The shape for @cpus is right; returns the number of nodes. */
static unsigned int check_shape(unsigned int cpus)
{
	unsigned int nodes[LEVELS], levels, level, want = cpus, sum = 0;

	levels = percpu_counter_tree_geometry(cpus, nodes);
	for (level = 0; level < LEVELS; level++) {
		want = DIV_ROUND_UP(want, level ? PERCPU_COUNTER_TREE_FANOUT :
				    PERCPU_COUNTER_TREE_LEAF_FANOUT);
		want = want == 1 ? 0 : want;
		CHECK(nodes[level] == want && (level < levels) == !!want,
		      "%u CPUs: level %u has %u nodes", cpus, level, nodes[level]);
		sum += want;
	}
	CHECK(sum <= PERCPU_COUNTER_TREE_STATIC_NODES, "%u CPUs: %u nodes", cpus, sum);
	return sum;
}

static void test_geometry(unsigned int cpus)
{
	struct percpu_counter_tree c;
	unsigned int sum, i;

	shim_possible(cpus, false);
	CHECK(!percpu_counter_tree_subsystem_init(), "subsystem_init");
	for (i = 1; i <= NR_CPUS; i++)
		check_shape(i);
	sum = check_shape(cpus);
	for (i = 1; i <= MAX_N; i++) {
		size_t size = percpu_counter_tree_items_size_many(i);

		CHECK(size <= i * percpu_counter_tree_items_size() &&
		      size >= sum * 64 * ((i + 7) / 8) &&
		      size <= PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(i),
		      "%u counters take %zu bytes", i, size);
	}
	shim_expect_warning = true;
	for (i = 0; i < 8; i++)
		CHECK((percpu_counter_tree_init_many_lazy(&c, NULL, 1, i) == -EINVAL) ==
		      (i < 2 || i & (i - 1)), "batch %u", i);
}

/* --- threads */

#define ADDERS	4	/* at most */
static struct { unsigned long done, begun; } __attribute__((aligned(64))) progress[ADDERS];
static unsigned int running, adders;
/* Of the possible CPUs, each thread owns every @adders'th. */
static _Thread_local unsigned int thread, in_hook;

static void thread_hook(void)
{
	if (in_hook)
		return;
	in_hook = 1;
	if (!shim_preempt && !below(8))
		shim_cpu = cpu_list[thread + adders *
				    below(DIV_ROUND_UP(nr_list - thread, adders))];
	/* An interrupt. */
	if (!below(32)) {
		shim_preempt++;
		percpu_counter_tree_add(&group[1], below(2) ? 1 : -1);
		percpu_counter_tree_add(&group[1], 0);
		shim_preempt--;
	}
	in_hook = 0;
}

static void *adder(void *arg)
{
	unsigned int steps = full ? 30000 : 6000;
	long inc, total = 0;

	thread = (uintptr_t)arg;
	rnd_state = test_seed + thread;
	shim_cpu = cpu_list[thread];
	shim_hook = thread_hook;
	while (steps--) {
		inc = below(below(4) ? 3 : 20 * batch);
		__atomic_fetch_add(&progress[thread].begun, inc, __ATOMIC_RELEASE);
		percpu_counter_tree_add(&group[0], inc);
		__atomic_fetch_add(&progress[thread].done, inc, __ATOMIC_RELEASE);
		inc = some_inc();
		percpu_counter_tree_add(&group[2], inc);
		total += inc;
	}
	__atomic_fetch_add(&ref[2], total, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *reader(void *arg)
{
	unsigned long before, after;
	unsigned int i;
	long sum;

	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		for (before = i = 0; i < ADDERS; i++)
			before += __atomic_load_n(&progress[i].done, __ATOMIC_ACQUIRE);
		sum = percpu_counter_tree_precise_sum(&group[0]);
		for (after = i = 0; i < ADDERS; i++)
			after += __atomic_load_n(&progress[i].begun, __ATOMIC_ACQUIRE);
		CHECK((unsigned long)sum >= before && (unsigned long)sum <= after,
		      "precise sum %ld, while it went from %lu to %lu", sum, before, after);
	}
	return arg;
}

static void *others(void *arg)
{
	long approx, min, max;
	unsigned int i;

	rnd_state = test_seed;
	for (i = 0; __atomic_load_n(&running, __ATOMIC_ACQUIRE); i++) {
		percpu_counter_tree_approximate_min_max(&group[below(n)], &approx, &min, &max);
		if (i == 50)
			CHECK(!percpu_counter_tree_activate_many(group, n, GFP_KERNEL), "activate");
		if (i % 64 == 0)
			percpu_counter_tree_remap(i / 64);
		usleep(100);
	}
	return arg;
}

static void test_threads(unsigned int cpus)
{
	unsigned int rounds = full ? 4 : 2, i;
	pthread_t tid[ADDERS + 3];

	boot(cpus, below(2), 0, false);
	while (rounds--) {
		group_init(3, 2UL << below(6), true);
		memset(progress, 0, sizeof(progress));
		running = adders = min(cpus, ADDERS + 0U);
		for (i = 0; i < adders + 3; i++)
			pthread_create(&tid[i], NULL, i < adders ? adder :
				       i == adders ? others : reader, (void *)(uintptr_t)i);
		for (i = 0; i < adders + 3; i++)
			pthread_join(tid[i], NULL);
		for (i = 0; i < ADDERS; i++)
			ref[0] += progress[i].done;
		/* Interrupts are not counted. */
		ref[1] = percpu_counter_tree_precise_sum(&group[1]);
		active = use_all = true;
		nr_maps = NR_CPUS;
		check_all();
		group_destroy();
	}
}

/* --- levels: no test, but what tells which batch and which factor between levels to choose */

static unsigned int nr_lines, line_level[PERCPU_COUNTER_TREE_STATIC_NODES + 1];
static unsigned long writes[LEVELS + 1];

/* Each CPU in turn; one by one upwards, or by up to 64 up, and down again. */
static void count_writes(unsigned int cpus, unsigned int adds, bool swing)
{
	static long last[PERCPU_COUNTER_TREE_STATIC_NODES + 1];
	struct { unsigned int up, down; } *left = calloc(cpus, sizeof(*left));
	unsigned int i, cpu, line;

	memset(last, 0, sizeof(last));
	memset(writes, 0, sizeof(writes));
	group_init(1, batch, false);
	for (i = 0; i < cpus * adds; i++) {
		cpu = i % cpus;
		if (!left[cpu].up && !left[cpu].down)
			left[cpu].up = left[cpu].down = 1 + below(64);
		shim_cpu = cpu;
		percpu_counter_tree_add(&group[0], !swing || left[cpu].up ? 1 : -1);
		if (left[cpu].up)
			left[cpu].up--;
		else
			left[cpu].down--;
		/* The root last. No carry here is large enough to pass a node without a trace. */
		for (line = 0; line < nr_lines; line++) {
			unsigned int item = line == nr_lines - 1 ? 0 : head_items + line;
			long now = atomic_long_read(&items[item].count[0]);

			if (now != last[line])
				writes[line_level[line]]++;
			last[line] = now;
		}
	}
	group_destroy();
	free(left);
}

/* Writes to one line of each level, the root last, while each CPU adds 1000 times. */
static void show_levels(unsigned int cpus, unsigned int adds)
{
	unsigned int nodes[LEVELS + 1], levels, level, swing, i;
	unsigned long over;

	shim_possible(cpus, false);
	percpu_counter_tree_subsystem_init();
	nr_list = cpus;
	levels = percpu_counter_tree_geometry(cpus, nodes);
	for (level = 0; level < levels; level++)
		for (i = 0; i < nodes[level]; i++)
			line_level[nr_lines++] = level;
	line_level[nr_lines++] = levels;
	nodes[levels] = 1;
	for (batch = 4; batch <= 32; batch *= 2) {
		over = cpus * batch / 2;
		for (level = 0; level < levels; level++)
			over += nodes[level] *
				((batch << THRESHOLD_SHIFT * (level + 1)) - unit());
		printf("batch %2lu factor %u  over %5lu", batch, 1 << THRESHOLD_SHIFT, over);
		for (swing = 0; swing < 2; swing++) {
			count_writes(cpus, adds, swing);
			printf("  %s:", swing ? "up and down" : "up");
			for (level = 0; level <= levels; level++)
				printf(" %6lu", writes[level] * 1000 / nodes[level] / adds);
		}
		printf("\n");
	}
}

/* --- which cases there are */

static const unsigned int some[] = {
	1, 2, 3, 5, 8, 15, 16, 17, 18, 31, 32, 33, 48, 64, 65, 127, 128, 129, 130, 192, 255, 256,
	257, 384, 500, 512, 513, 768, 1023, 1024, 1025, 1500, 2047, 2048, 2049, 4097, 8191, 8192,
};

static bool is_some(unsigned int cpus, unsigned int most)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (some[i] == cpus && cpus <= most)
			return true;
	return false;
}

/*
 * In full, all up to @all and some up to @most; else some of these. Above 1024
 * CPUs all those where the size changes, which is where a leaf is added.
 */
static const struct test {
	const char *name;
	void (*run)(unsigned int cpus);
	unsigned int all, most, fast, seeds;
} tests[] = {
	{ "random", test_random, 1024, 8192, 1025, 1 },
	{ "preempted", test_preempted, 40, 257, 65, 2 },
	{ "held_up", test_held_up, 10, 33, 17, 1 },
	{ "use", test_use, 300, 8192, 1025, 1 },
	{ "ends", test_ends, 300, 8192, 8192, 2 },
	{ "oscillation", test_oscillation, 20, 513, 129, 1 },
	{ "placement", test_placement, 600, 8192, 1025, 1 },
	{ "map", test_map, 600, 8192, 1025, 2 },
	{ "geometry", test_geometry, 8192, 8192, 8192, 1 },
	{ "threads", test_threads, 0, 513, 64, 1 },
};

/* Returns whether it passed. */
static bool run_case(const struct test *test, unsigned int cpus, u64 seed)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		test_cpus = cpus;
		test_seed = seed;
		rnd_state = seed << 32 | cpus;
		alarm(300);
		test->run(cpus);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (status)
		printf("# status %#x: CASE=%s CPUS=%u SEED=%llu\n", status, test->name, cpus,
		       (unsigned long long)seed);
	return !status;
}

static u64 number(const char *name, u64 otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	unsigned int only = number("CPUS", 0), t, cpus, seeds;
	const char *chosen = getenv("CASE");
	u64 first = number("SEED", 1), seed;
	int failed = 0, a;

	if (argc > 1 && !strcmp(argv[1], "levels")) {
		show_levels(only ?: 512, 2000);
		return 0;
	}
	full = argc > 1 && !strcmp(argv[1], "full");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	__sanitizer_set_death_callback(show_case);
#endif
	for (a = 2; a < argc; a++)
		for (t = 0; t < ARRAY_SIZE(tests); t++) {
			unsigned long nr = 0;
			bool ok = true;

			if (strcmp(argv[a], tests[t].name) || (chosen && *chosen &&
							       strcmp(chosen, tests[t].name)))
				continue;
			test_name = tests[t].name;
			for (cpus = 1; ok && cpus <= NR_CPUS; cpus++) {
				if (only ? cpus != only :
				    !is_some(cpus, full ? tests[t].most : tests[t].fast) &&
				    !(full && cpus <= tests[t].all &&
				      (cpus <= 1024 || cpus % 16 < 2)))
					continue;
				seeds = full && !getenv("SEED") ? tests[t].seeds : 1;
				for (seed = first; ok && seed < first + seeds; seed++, nr++)
					ok = run_case(&tests[t], cpus, seed);
			}
			printf("%sok - %s: %lu cases\n", ok ? "" : "not ", test_name, nr);
			failed |= !ok;
		}
	return failed;
}
