// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often the shared lines of a counter of resident pages are written: the
 * leaf of a CPU, and the root, beside a model of struct percpu_counter, which
 * writes its count under a spinlock. Per page added, with all CPUs in turn.
 */
#include "harness.h"
#include <sys/wait.h>
#include <unistd.h>

struct rates {
	double leaf, root, flat;
};

static unsigned long leaf_writes, root_writes;

static void count_write(const volatile void *p)
{
	const struct percpu_counter_tree_level_item *leaves = &items[shape.first];

	if (p == group[0].root)
		root_writes++;
	else if (p >= (const void *)leaves && p < (const void *)(leaves + shape.nodes[0]))
		leaf_writes++;
}

/* The largest batch from 4 to @cap that keeps 4096 pages, 16 MiB, as the series has it. */
static unsigned long rss_batch(unsigned long cap)
{
	while (cap > 4 && percpu_counter_tree_bound(cap) > 4096)
		cap /= 2;
	return cap;
}

/* What percpu_counter_add_batch() does, with its batch. */
static bool flat_add(long *local, long inc)
{
	long most = max(32U, 2 * nr_list);

	*local += inc;
	if (labs(*local) < most)
		return false;
	*local = 0;
	return true;
}

/* Adds of @size; all upwards, or each CPU up by at most 64 pages, or one add, and down again. */
static struct rates count_writes(unsigned int size, bool swing)
{
	struct at { long flat; unsigned int up, down; } *at = calloc(nr_list, sizeof(*at)), *a;
	unsigned long adds = (unsigned long)nr_list * 64 * max(64 / size, 8U), i, flat = 0;
	double pages = (double)adds * size;
	long inc;

	group_init(1, batch, false);
	leaf_writes = root_writes = 0;
	shim_wrote = count_write;
	for (i = 0; i < adds; i++) {
		a = &at[i % nr_list];
		if (!a->up && !a->down)
			a->up = a->down = 1 + below(max(64 / size, 1U));
		inc = !swing || a->up ? size : -(long)size;
		if (a->up)
			a->up--;
		else
			a->down--;
		flat += flat_add(&a->flat, inc);
		shim_cpu = cpu_list[i % nr_list];
		percpu_counter_tree_add(&group[0], inc);
	}
	shim_wrote = NULL;
	group_destroy();
	free(at);
	return (struct rates){ leaf_writes / pages, root_writes / pages, flat / pages };
}

static const unsigned int sizes[] = { 1, 16, 512 };

static void start(unsigned int cpus, unsigned long cap)
{
	possible(cpus, false);
	memcpy(&cpu_online_now, &cpu_possible, sizeof(cpu_possible));
	boot_as_set();
	batch = rss_batch(cap);
}

/* Up to 64 CPUs, the root is written at most 1.5 times as often as the count of the other. */
void test_levels(unsigned int cpus)
{
	struct rates r;
	unsigned int s;

	/* Deep trees are for tests only. */
	if (LEAF_FANOUT != 16)
		return;
	start(cpus, 32);
	for (s = 0; cpus > 1 && s < ARRAY_SIZE(sizes); s++) {
		r = count_writes(sizes[s], false);
		CHECK(cpus > 64 || r.root <= 1.5 * r.flat,
		      "adds of %u: %f writes of the root per page, %f of a percpu_counter",
		      sizes[s], r.root, r.flat);
		/* Farther from the CPUs it is written less. */
		CHECK(!shape.levels || (r.root <= r.leaf && (sizes[s] > 1 || r.root * 4 < r.leaf)),
		      "adds of %u: %f writes of the root per page, %f of leaves", sizes[s], r.root,
		      r.leaf);
	}
	CHECK(percpu_counter_tree_bound(batch) <= 4096 || batch == 4, "batch %lu", batch);
	CHECK(batch == (cpus <= 128 ? 32 : cpus <= 257 ? 16 : 8), "batch %lu", batch);
}

static void show_rate(double rate)
{
	printf(" %7.2f", rate * 1000);
}

static void show_row(unsigned int cpus, unsigned int cap, bool swing)
{
	struct rates r;
	unsigned int s;

	start(cpus, cap);
	printf("%4u %5lu ", cpus, batch);
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		r = count_writes(sizes[s], swing);
		if (shape.levels)
			show_rate(r.leaf);
		else
			printf(" %7s", "-");
		show_rate(r.root);
		show_rate(r.flat);
		printf(" ");
	}
	printf("\n");
}

void show_levels(unsigned int cap)
{
	static const unsigned int cpus[] = { 4, 16, 32, 64, 128, 256, 512 };
	unsigned int swing, i;

	for (swing = 0; swing < 2; swing++) {
		printf("Writes per 1000 pages, batch of at most %u, all CPUs %s\n", cap,
		       swing ? "up and down by up to 64 pages or one add" : "growing");
		printf("%-10s ", "");
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			printf(" adds of %-15u ", sizes[i]);
		printf("\nCPUs batch ");
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			printf("    leaf    root percpu  ");
		printf("\n");
		for (i = 0; i < ARRAY_SIZE(cpus); i++) {
			fflush(stdout);
			if (!fork()) {
				rnd_seed(1);
				show_row(cpus[i], cap, swing);
				fflush(stdout);
				_exit(0);
			}
			wait(NULL);
		}
		printf("\n");
	}
}
