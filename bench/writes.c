// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts how often the cache lines of a counter are written, for a machine of
 * CPUS CPUs that are all online and in one domain: struct percpu_counter_tree
 * with the batch of RSS, and the counters of bench/rivals.h.
 *
 * usage: writes CPUS FILE
 *
 * Adds of 1, 16 or 512 pages come
 *
 * grow	   from all CPUs in turn, always upwards;
 * swing   from all CPUs in turn, each of which goes up by 1 to 64 pages (one add,
 *	   if that is larger) and down again, each time by another number of adds;
 * random  from any CPU, up or down with equal probability;
 * few	   as grow, from the first 16 CPUs only, which share a leaf.
 *
 * All counters get the same adds, 2^24 of them or, for grow and few, as many as it takes
 * for each CPU to fill the largest batch; a fourth as many come before counting
 * begins. A CPU begins with 0 to 1023 pages. For swing and random it goes up or
 * down by as many after each 1024 adds, which is not counted: the figures are
 * those of many processes. They follow from these rules and are the same each
 * time. With other random numbers, SEED=n in the environment, they differ by
 * less than 3 % or 0.000005 writes per page. Those of swing and random for the
 * roots and the upper nodes of trees, which are small, are less settled: they
 * differ by less than 8 % or 0.00012.
 *
 *	writes DESIGN CPUS PATTERN ADD KIND TOTAL BUSIEST
 *
 * are writes per page that the process adds or removes: of all lines of a kind,
 * and of the line of that kind that is written most; "-" if there is no such
 * line. A leaf is the first node above a CPU, a node one between leaves and the
 * root. Lines that are written once for each CPU, when it first adds, are left
 * out. What an add writes twice in a row counts as one write: the line of a
 * node that it brings to its threshold and empties, and that of a percpu_counter,
 * which has its lock and its count. It is more where another CPU takes the line
 * in between.
 *
 * The other lines are computed: "bound DESIGN CPUS PAGE_KIB BYTES", the error
 * of one counter that all CPUs use; "batch CPUS PAGE_KIB BATCH" of RSS; "memory
 * DESIGN CPUS SINGLE THREADED", bytes of the four counters of a process, where
 * an mm_struct has no other use for these bytes; "range CPUS USED UNDER OVER",
 * pages, when the CPUs from 0 to USED - 1 have used one counter, of 4 KiB pages,
 * and all nodes above them; "spread" is the same for USED CPUs in equal distances
 * from each other, which use as many nodes as so many can.
 */
#include "harness.h"
#include "rivals.h"

static const char *const designs[] = {
	[PERCPU_COUNTER] = "percpu_counter",
	[FLAT8] = "flat8",
	[FLAT32] = "flat32",
	[DOUBLING32] = "doubling32",
	[TREE] = "tree",
};
static const char *const patterns[] = { "grow", "swing", "random", "few" };
static const char *const kinds[] = { "cpu", "leaf", "node", "root" };
static const unsigned int sizes[] = { 1, 16, 512 };
static const unsigned int page_kib[] = { 4, 16, 64 };

static void show_writes(unsigned int cpus, unsigned int pattern, unsigned int size)
{
	struct writes w[NR_DESIGNS];
	unsigned int d, kind;

	rnd_seed(getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1);
	count_writes(pattern, size, 1UL << 24, w);
	for (d = 0; d < NR_DESIGNS; d++)
		for (kind = 0; kind < NR_KINDS; kind++) {
			if (d < DOUBLING32 && (kind == LEAVES || kind == UPPER_NODES))
				continue;
			printf("writes %s %u %s %u %s ", designs[d], cpus, patterns[pattern], size,
			       kinds[kind]);
			if (w[d].lines[kind])
				printf("%.6f %.6f\n", w[d].total[kind], w[d].busiest[kind]);
			else
				printf("- -\n");
		}
}

static void show_bounds(unsigned int cpus, unsigned long kib)
{
	unsigned long batch = rss_batch(kib << 10);
	const unsigned long bounds[] = {
		[PERCPU_COUNTER] = percpu_counter_bound(cpus),
		[FLAT8] = flat_bound(cpus, 8),
		[FLAT32] = flat_bound(cpus, 32),
		[DOUBLING32] = doubling_bound(cpus),
		[TREE] = percpu_counter_tree_bound(batch),
	};
	unsigned int d;

	for (d = 0; d < NR_DESIGNS; d++)
		printf("bound %s %u %lu %lu\n", designs[d], cpus, kib, bounds[d] * kib << 10);
	printf("batch %u %lu %lu\n", cpus, kib, batch);
}

static void show_memory(unsigned int cpus)
{
	size_t flat = 4 * sizeof(struct flat_counter) + 64 + 4 * sizeof(u32) * cpus;
	size_t nodes = doubling_geometry(cpus).all_nodes * sizeof(struct doubling_item);
	size_t tree = 4 * sizeof(struct percpu_counter_tree) +
		      percpu_counter_tree_items_size_many(4);
	const size_t single[] = {
		[PERCPU_COUNTER] = 4 * (sizeof(struct percpu_counter) + sizeof(s32) * cpus),
		[FLAT8] = flat,
		[FLAT32] = flat,
		[DOUBLING32] = 4 * (sizeof(struct doubling_counter) + nodes + sizeof(long) * cpus),
		[TREE] = tree,
	};
	unsigned int d;

	for (d = 0; d < NR_DESIGNS; d++)
		printf("memory %s %u %zu %zu\n", designs[d], cpus, single[d],
		       single[d] + (d == TREE ? 4 * sizeof(long) * cpus : 0));
}

/* Of one counter that every (of / used)th CPU has used, with all nodes above. */
static void show_range(const char *name, unsigned int cpus, unsigned int used, unsigned int of)
{
	unsigned long under = 0, over = 0, batch = rss_batch(4096);
	struct percpu_counter_tree c;
	unsigned int n, i;
	void *items;

	items = aligned_alloc(64, percpu_counter_tree_items_size());
	CHECK(!percpu_counter_tree_init(&c, items, batch, GFP_KERNEL), "init");
	for (n = 0; n < used; n++) {
		shim_cpu = n * of / used;
		/* Each node passes on what it has got, up to the root. */
		for (i = 0; i < 2 << 2 * shape.levels; i++)
			percpu_counter_tree_add(&c, batch);
	}
	percpu_counter_tree_approximate_accuracy_range(&c, &under, &over);
	printf("%s %u %u %lu %lu\n", name, cpus, used, under, over);
	CHECK(used < cpus || over == percpu_counter_tree_bound(batch), "range %lu", over);
	percpu_counter_tree_destroy(&c);
	free(items);
}

static void show_ranges(unsigned int cpus)
{
	unsigned int used;

	for (used = 1; used < cpus; used *= 2) {
		show_range("range", cpus, used, used);
		show_range("spread", cpus, used, cpus);
	}
	show_range("range", cpus, cpus, cpus);
	show_range("spread", cpus, cpus, cpus);
}

int main(int argc, char **argv)
{
	unsigned int cpus = argc == 3 ? strtoul(argv[1], NULL, 10) : 0, pattern, s;

	if (cpus < 2 || cpus > NR_CPUS) {
		fprintf(stderr, "usage: writes CPUS FILE, with 2 to %u CPUs\n", NR_CPUS);
		return 2;
	}
	if (!freopen(argv[2], "w", stdout)) {
		perror(argv[2]);
		return 1;
	}
	boot_plain(cpus);
	designs_init();
	for (pattern = 0; pattern < NR_PATTERNS; pattern++)
		for (s = 0; s < ARRAY_SIZE(sizes); s++)
			show_writes(cpus, pattern, sizes[s]);
	for (s = 0; s < ARRAY_SIZE(page_kib); s++)
		show_bounds(cpus, page_kib[s]);
	show_memory(cpus);
	show_ranges(cpus);
	if (fclose(stdout)) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
