// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often each line of a counter is written, the words of CPUs, nodes and the
 * root, beside those of bench/rivals.h, under the same load; and whether these
 * models count right.
 */
#include "harness.h"
#include "../bench/rivals.h"

/* The lines that CPUs share, from @shared on, by kind; how often each was written. */
static struct design {
	const void *shared;
	unsigned int from[NR_KINDS], to[NR_KINDS];
	unsigned long cpu[NR_CPUS], line[2048], last;
} designs[NR_DESIGNS], *counting;

static struct percpu_counter percpu[4];
static struct flat_counter flat8[4], flat32[4];
static struct doubling_counter doubling32[4];
static struct percpu_counter_tree tree[4];
static s32 percpu_batch;

static void has(struct design *d, unsigned int kind, unsigned int from, unsigned int nr)
{
	d->from[kind] = from;
	d->to[kind] = from + nr;
}

/* One group of four of each, after boot. */
void designs_init(void)
{
	struct design *d = &designs[TREE];
	void *at;

	percpu_batch = percpu_counter_batch(nr_list);
	percpu_counter_init_many(percpu, 4);
	flat_init_many(flat8, 4);
	flat_init_many(flat32, 4);
	doubling = doubling_geometry(nr_list);
	doubling_init_many(doubling32, 4);
	at = aligned_alloc(64, percpu_counter_tree_items_size_many(4));
	CHECK(!percpu_counter_tree_init_many(tree, at, 4, rss_batch(4096), GFP_KERNEL), "init");

	d->shared = at;
	has(d, LEAVES, shape.first, shape.nodes[0]);
	has(d, UPPER_NODES, shape.first + shape.nodes[0], shape.all_nodes - shape.nodes[0]);
	d = &designs[DOUBLING32];
	d->shared = doubling32[0].items;
	if (doubling.levels > 1) {
		has(d, LEAVES, 0, doubling.nodes[0]);
		has(d, UPPER_NODES, doubling.nodes[0], doubling.all_nodes - 1 - doubling.nodes[0]);
	}
	designs[PERCPU_COUNTER].shared = &percpu[0].count;
	designs[FLAT8].shared = flat8[0].count;
	designs[FLAT32].shared = flat32[0].count;
	for (d = designs; d < designs + NR_DESIGNS; d++)
		has(d, ROOT, 0, 1);
	has(&designs[DOUBLING32], ROOT, doubling.all_nodes - 1, 1);
}

static void add_to(unsigned int design, long inc)
{
	switch (design) {
	case PERCPU_COUNTER:
		percpu_counter_add_batch(percpu, inc, percpu_batch);
		break;
	case FLAT8:
		flat_add(flat8, inc, 8);
		break;
	case FLAT32:
		flat_add(flat32, inc, 32);
		break;
	case DOUBLING32:
		doubling_add(doubling32, inc);
		break;
	case TREE:
		percpu_counter_tree_add(tree, inc);
	}
}

/* --- counting */

/* A shared line that an add writes twice in a row counts once: see bench/writes.c. */
static void count_write(const volatile void *p)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)shim_arena;
	unsigned long line = ((uintptr_t)p - (uintptr_t)counting->shared) / 64;

	if (at < (uintptr_t)nr_cpu_ids * SHIM_UNIT)
		counting->cpu[at / SHIM_UNIT]++;
	else if (line != counting->last)
		counting->line[counting->last = line]++;
}

static void add_to_all(long inc, bool count)
{
	unsigned int i;

	shim_wrote = count ? count_write : NULL;

	for (i = 0; i < NR_DESIGNS; i++) {
		counting = &designs[i];
		counting->last = ULONG_MAX;
		add_to(i, inc);
	}
}

static void sum_up(const struct design *d, double pages, struct writes *w)
{
	const unsigned long *line;
	unsigned long total, most;
	unsigned int kind, i, end;

	for (kind = 0; kind < NR_KINDS; kind++) {
		total = most = 0;
		line = kind == CPU_WORDS ? d->cpu : d->line;
		end = kind == CPU_WORDS ? nr_list : d->to[kind];
		for (i = d->from[kind]; i < end; i++) {
			total += line[i];
			most = max(most, line[i]);
		}
		w->lines[kind] = end - d->from[kind];
		w->total[kind] = total / pages;
		w->busiest[kind] = most / pages;
	}
}

/* Counts while @adds are made, after a fourth as many. */
void count_writes(unsigned int pattern, unsigned int size, unsigned long adds,
		  struct writes w[NR_DESIGNS])
{
	static struct { unsigned int up, down, adds; } at[NR_CPUS];
	/* Neighbours that share a leaf, if there are leaves */
	unsigned int users = pattern == ONE_LEAF ? min(nr_list, LEAF_FANOUT + 0U) : nr_list;
	/* In which the word of each CPU carries as often as that of another. */
	unsigned long i, round = users * DIV_ROUND_UP((unsigned long)percpu_batch, size);
	long inc = size, move;
	unsigned int cpu, d;
	u64 random;

	if (pattern == GROW || pattern == ONE_LEAF)
		adds = DIV_ROUND_UP(adds, round) * round;
	memset(at, 0, sizeof(at));
	for (d = 0; d < NR_DESIGNS; d++) {
		memset(designs[d].cpu, 0, sizeof(designs[d].cpu));
		memset(designs[d].line, 0, sizeof(designs[d].line));
	}
	for (i = 0; i < adds / 4 + adds; i++) {
		if (pattern == RANDOM) {
			random = rnd();
			cpu = (random & U32_MAX) * nr_list >> 32;
			inc = random >> 63 ? size : -(long)size;
		} else {
			cpu = i % users;
		}
		shim_cpu = cpu;
		/* Its figures must not hang on where a CPU has begun. */
		if (at[cpu].adds % 1024 == 0 && (pattern == SWING || pattern == RANDOM || !at[cpu].adds)) {
			move = below(1024);
			add_to_all(at[cpu].adds % 2048 ? -move : move, false);
		}
		at[cpu].adds++;
		if (pattern == SWING) {
			if (!at[cpu].up && !at[cpu].down)
				at[cpu].up = at[cpu].down = 1 + below(max(64 / size, 1U));
			inc = at[cpu].up ? size : -(long)size;
			if (at[cpu].up)
				at[cpu].up--;
			else
				at[cpu].down--;
		}
		add_to_all(inc, i >= adds / 4);
	}
	shim_wrote = NULL;
	for (i = 0; i < NR_DESIGNS; i++)
		sum_up(&designs[i], (double)adds * size, &w[i]);
}

/* Up to 64 CPUs, the root is written at most 1.5 times as often as the count of the other. */
void test_levels(unsigned int cpus)
{
	static const unsigned int sizes[] = { 1, 16, 512 };
	unsigned long b = 0, adds;
	double leaf, root, other;
	struct writes w[NR_DESIGNS];
	unsigned int s;

	/* Deep trees are for tests only. */
	if (LEAF_FANOUT != 16)
		return;
	boot_plain(cpus);
	b = rss_batch(4096);
	CHECK(cpus > 1024 || percpu_counter_tree_bound(b) <= 4096, "batch %lu", b);
	CHECK(b == (cpus <= 128 ? 32 : cpus <= 257 ? 16 : 8), "batch %lu", b);
	if (cpus == 1)
		return;
	designs_init();
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		adds = (unsigned long)cpus * 64 * max(64 / sizes[s], 8U);
		count_writes(GROW, sizes[s], adds, w);
		leaf = w[TREE].total[LEAVES];
		root = w[TREE].total[ROOT];
		other = w[PERCPU_COUNTER].total[ROOT];
		CHECK(cpus > 64 || root <= 1.5 * other,
		      "adds of %u: %f writes of the root per page, %f of a percpu_counter",
		      sizes[s], root, other);
		/* Farther from the CPUs it is written less, unless no node keeps a carry. */
		CHECK(!shape.levels || sizes[s] > 16 ? root <= 1.0 / sizes[s] + 1e-9 :
		      (root <= leaf && (sizes[s] > 1 || root * 4 < leaf)),
		      "adds of %u: %f writes of the root per page, %f of leaves", sizes[s], root,
		      leaf);
	}
}

/* --- rivals: they count right, and their bounds are what they reach */

static unsigned long truth[NR_DESIGNS];

static void add_true(unsigned int design, unsigned int cpu, long inc)
{
	shim_cpu = cpu;
	add_to(design, inc);
	truth[design] += inc;
}

static void check_sum(unsigned int design, long sum)
{
	CHECK(sum == truth[design], "design %u: precise sum %ld of %ld", design, sum,
	      truth[design]);
}

static void check_sums(void)
{
	check_sum(PERCPU_COUNTER, percpu_counter_sum(percpu));
	check_sum(FLAT8, flat_sum(flat8, 8));
	check_sum(FLAT32, flat_sum(flat32, 32));
	check_sum(DOUBLING32, doubling_sum(doubling32));
	check_sum(TREE, percpu_counter_tree_precise_sum(tree));
}

/* How far the truth is above the approximate sum. */
static long missing_in(unsigned int design)
{
	const long sums[] = {
		[PERCPU_COUNTER] = percpu_counter_read(percpu),
		[FLAT8] = flat_read(flat8),
		[FLAT32] = flat_read(flat32),
		[DOUBLING32] = doubling_read(doubling32),
		[TREE] = percpu_counter_tree_approximate_sum(tree),
	};

	return truth[design] - sums[design];
}

static void check_bounds(void)
{
	const long most[][2] = {
		[PERCPU_COUNTER] = { percpu_counter_bound(nr_list), percpu_counter_bound(nr_list) },
		[FLAT8] = { flat_bound(nr_list, 8) - nr_list, flat_bound(nr_list, 8) },
		[FLAT32] = { flat_bound(nr_list, 32) - nr_list, flat_bound(nr_list, 32) },
		[DOUBLING32] = { doubling_bound(nr_list), 0 },
	};
	unsigned int i;
	long missing;

	for (i = 0; i < ARRAY_SIZE(most); i++) {
		missing = missing_in(i);
		CHECK(missing <= most[i][0] && -missing <= most[i][1],
		      "design %u: %ld is missing, should be -%ld to %ld", i, missing, most[i][1],
		      most[i][0]);
	}
}

/* To the end of the range where most is missing, or least: there is the bound. */
static void check_end(bool up)
{
	const long flat_ends[] = { flat_bound(nr_list, 8), flat_bound(nr_list, 32) };
	struct doubling_item *end = doubling_root(doubling32), *item;
	unsigned int cpu, i, level;
	unsigned long below;
	long batch, most;
	u32 word;

	for (cpu = 0; cpu < nr_list; cpu++) {
		most = up ? percpu_batch - 1 : 1 - percpu_batch;
		add_true(PERCPU_COUNTER, cpu, most - *per_cpu_ptr(percpu->counters, cpu));
		for (i = FLAT8; i <= FLAT32; i++) {
			batch = i == FLAT8 ? 8 : 32;
			word = *per_cpu_ptr(i == FLAT8 ? flat8->words : flat32->words, cpu);
			most = up ? batch / 2 - 1 : -batch / 2;
			add_true(i, cpu, most - (s32)(word - flat_carried(word, batch)));
		}
	}
	for (level = doubling.levels - 1; level--;) {
		end -= doubling.nodes[level];
		for (item = end; item < end + doubling.nodes[level]; item++) {
			below = level ? doubling.batch[level - 1] : DOUBLING_BATCH;
			most = up ? doubling.batch[level] - below : 0;
			most -= item->count.counter & (doubling.batch[level] - 1);
			add_true(DOUBLING32, item - end, most);
		}
	}
	for (cpu = 0; cpu < nr_list; cpu++) {
		most = up ? DOUBLING_BATCH - 1 : 0;
		add_true(DOUBLING32, cpu, most - (*per_cpu_ptr(doubling32->level0, cpu) &
						  (DOUBLING_BATCH - 1)));
	}
	most = percpu_counter_bound(nr_list);
	CHECK(missing_in(PERCPU_COUNTER) == (up ? most : -most), "percpu_counter: %ld",
	      missing_in(PERCPU_COUNTER));
	for (i = FLAT8; i <= FLAT32; i++) {
		most = flat_ends[i - FLAT8];
		CHECK(missing_in(i) == (up ? most - nr_list : -most), "flat: %ld", missing_in(i));
	}
	CHECK(missing_in(DOUBLING32) == (up ? doubling_bound(nr_list) : 0), "doubling: %ld",
	      missing_in(DOUBLING32));
	check_sums();
}

/* What is known of the proposal that doubling stands for. */
static void check_doubling(void)
{
	static const struct { unsigned int cpus, lines; } known[] = {
		{ 4, 3 }, { 32, 11 }, { 64, 21 }, { 200, 37 }, { 256, 37 }, { 384, 73 }, { 512, 73 },
	};
	unsigned int i, lines;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		lines = doubling_geometry(known[i].cpus).all_nodes;
		CHECK(lines == known[i].lines, "%u CPUs: %u lines", known[i].cpus, lines);
	}
	CHECK(doubling_bound(512) == 44544, "doubling: %lu", doubling_bound(512));
	CHECK(doubling_geometry(8192).nodes[DOUBLING_LEVELS - 1] == 1, "levels");
}

void test_rivals(unsigned int cpus)
{
	unsigned int round, i, d;
	long inc;

	check_doubling();
	if (cpus == 1)
		return;
	boot_plain(cpus);
	designs_init();
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 1000; i++) {
			inc = (long)below(round & 1 ? 5 : 1025) - (round & 1 ? 2 : 512);
			shim_cpu = below(nr_list);
			for (d = 0; d < NR_DESIGNS; d++)
				add_true(d, shim_cpu, inc);
			check_bounds();
		}
		check_sums();
		check_end(round & 2);
	}
}
