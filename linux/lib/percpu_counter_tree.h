/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of the tree: which leaf serves a CPU, and the parent of each node
 *
 * Shared by lib/percpu_counter_tree*.c and their tests.
 */
#ifndef _LIB_PERCPU_COUNTER_TREE_H
#define _LIB_PERCPU_COUNTER_TREE_H

#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/percpu_counter_tree.h>
#include <linux/types.h>

#ifdef CONFIG_SMP

/*
 * A node goes by the number of its item in a group, and so does the root, which
 * is the parent of the topmost nodes, or of the CPUs where there are no nodes.
 */
#define PERCPU_COUNTER_TREE_ROOT	0

/* Leaves are level 0 here; @first is the item of the first of them. */
struct percpu_counter_tree_shape {
	unsigned int levels;
	unsigned int nodes[PERCPU_COUNTER_TREE_MAX_LEVELS];
	unsigned int all_nodes;
	unsigned int first;
};

extern struct percpu_counter_tree_shape percpu_counter_tree_shape;

/* Each entry is read and written at once, without a lock: any mix is valid. */
DECLARE_PER_CPU_READ_MOSTLY(u16, percpu_counter_tree_leaf);
extern u16 percpu_counter_tree_parent[PERCPU_COUNTER_TREE_STATIC_ITEMS];

struct percpu_counter_tree_shape
percpu_counter_tree_geometry(unsigned int cpus);

/* Kinds of domains, outermost first. */
enum {
	PERCPU_COUNTER_TREE_NUMA,
	PERCPU_COUNTER_TREE_CACHE,
	PERCPU_COUNTER_TREE_CLUSTER,
	PERCPU_COUNTER_TREE_CORE,
	PERCPU_COUNTER_TREE_NR_DOMAINS
};

#define PERCPU_COUNTER_TREE_UNKNOWN	U16_MAX

/* The domains that a CPU is in, by number. */
struct percpu_counter_tree_place {
	u16 id[PERCPU_COUNTER_TREE_NR_DOMAINS];
};

#if IS_ENABLED(CONFIG_KUNIT)
void percpu_counter_tree_cut(const struct percpu_counter_tree_place *at,
			     const u16 *unit, unsigned int nr,
			     unsigned int nodes, unsigned int fanout,
			     u16 *node);
void percpu_counter_tree_remap(unsigned int turn);
#endif

#endif /* CONFIG_SMP */

#endif /* _LIB_PERCPU_COUNTER_TREE_H */
