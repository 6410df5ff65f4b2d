/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters that are cheap to update from many CPUs and cheap to read
 *
 * An add changes a word of the local CPU. Some adds also carry to a small tree
 * of nodes, whose root is the approximate sum. Reading that is O(1), and the
 * counter declares how far it may be from the precise sum, which visits the
 * CPUs. Use this counter where many CPUs add, reads are frequent and the reader
 * has to know the error of a cheap read. Use an atomic_long_t where adds are
 * rare, and a struct percpu_counter where every reader sums.
 *
 * The cost of a counter follows its use: its range and its precise sum grow
 * with the CPUs that have added to it, not with the CPUs of the machine. A lazy
 * counter is one exact word until it is activated.
 *
 * Counters of a group share the cache lines of the tree: a group of eight needs
 * no more nodes than one counter. A group takes
 *
 * - a struct percpu_counter_tree per counter, provided by the caller;
 * - items of percpu_counter_tree_items_size_many() bytes, also provided by the
 *   caller: 128 bytes up to 16 CPUs, 2496 bytes at 512 CPUs, with cache lines
 *   of 64 bytes;
 * - once it is active, an unsigned long per counter and possible CPU.
 *
 *	items = kmalloc(percpu_counter_tree_items_size(), GFP_KERNEL);
 *	if (!items)
 *		return -ENOMEM;
 *	err = percpu_counter_tree_init(&c, items, 32, GFP_KERNEL);
 *	...
 *	percpu_counter_tree_add(&c, 1);
 *	percpu_counter_tree_approximate_min_max(&c, &approx, &min, &max);
 *	if (min > limit || (max > limit &&
 *			    percpu_counter_tree_precise_sum(&c) > limit))
 *		...
 *	percpu_counter_tree_destroy(&c);
 *	kfree(items);
 *
 * See Documentation/core-api/percpu-counter-tree.rst, and
 * lib/percpu_counter_tree.c for how it works.
 */
#ifndef _LINUX_PERCPU_COUNTER_TREE_H
#define _LINUX_PERCPU_COUNTER_TREE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/gfp_types.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/threads.h>
#include <linux/types.h>
#include <linux/unroll.h>

/*
 * The shape of the tree follows from the number of CPUs and two fan-outs, at
 * build time from NR_CPUS and at boot from nr_cpu_ids, by the same expressions.
 * A fan-out is the greatest average number of children of a node.
 */
#ifdef CONFIG_PERCPU_COUNTER_TREE_DEEP
#define PERCPU_COUNTER_TREE_LEAF_FANOUT	2
#define PERCPU_COUNTER_TREE_FANOUT	3
#else
#define PERCPU_COUNTER_TREE_LEAF_FANOUT	16
#define PERCPU_COUNTER_TREE_FANOUT	8
#endif

/* Levels of nodes between the CPUs and the root, at most. */
#define PERCPU_COUNTER_TREE_MAX_LEVELS	4

/* Nodes above @below CPUs or nodes; none where the root can serve them all. */
#define PERCPU_COUNTER_TREE_UP(below, fanout)				\
	((below) > (fanout) ? DIV_ROUND_UP(below, fanout) : 0)

/* The same at build time, level by level. */
#define PERCPU_COUNTER_TREE_CPUS	NR_CPUS
#define PERCPU_COUNTER_TREE_LEVEL1					\
	PERCPU_COUNTER_TREE_UP(PERCPU_COUNTER_TREE_CPUS,		\
			       PERCPU_COUNTER_TREE_LEAF_FANOUT)
#define PERCPU_COUNTER_TREE_LEVEL2					\
	PERCPU_COUNTER_TREE_UP(PERCPU_COUNTER_TREE_LEVEL1,		\
			       PERCPU_COUNTER_TREE_FANOUT)
#define PERCPU_COUNTER_TREE_LEVEL3					\
	PERCPU_COUNTER_TREE_UP(PERCPU_COUNTER_TREE_LEVEL2,		\
			       PERCPU_COUNTER_TREE_FANOUT)
#define PERCPU_COUNTER_TREE_LEVEL4					\
	PERCPU_COUNTER_TREE_UP(PERCPU_COUNTER_TREE_LEVEL3,		\
			       PERCPU_COUNTER_TREE_FANOUT)
#define PERCPU_COUNTER_TREE_STATIC_NODES				\
	(PERCPU_COUNTER_TREE_LEVEL1 + PERCPU_COUNTER_TREE_LEVEL2 +	\
	 PERCPU_COUNTER_TREE_LEVEL3 + PERCPU_COUNTER_TREE_LEVEL4)

/* Counters of a group that share a node. */
#define PERCPU_COUNTER_TREE_NODE_COUNTERS	8

/*
 * The word of a CPU. Upper bits: its total plus the offset of its window. Lower
 * three bits: that offset, 1 to 4 units, or 0 if the word is not live.
 */
#define PERCPU_COUNTER_TREE_SHIFT	3
#define PERCPU_COUNTER_TREE_OFFSET	(BIT(PERCPU_COUNTER_TREE_SHIFT) - 1)

/* Larger adds bypass the words of the CPUs. This is also the largest batch. */
#define PERCPU_COUNTER_TREE_MAX_ADD	BIT(BITS_PER_LONG / 2 - 4)

/**
 * struct percpu_counter_tree_level_item - A node of the tree
 * @count: Residue of up to eight counters of a group.
 *
 * The first item of a group is its root. The next ones record which CPUs and
 * nodes the group has used. Callers provide the memory and do not look inside.
 */
struct percpu_counter_tree_level_item {
	atomic_long_t count[PERCPU_COUNTER_TREE_NODE_COUNTERS];
} ____cacheline_aligned_in_smp;

#ifdef CONFIG_SMP

/* Items before the nodes: the root and struct percpu_counter_tree_usage. */
#define PERCPU_COUNTER_TREE_HEAD_ITEMS(cpus, nodes)			\
	(1 + DIV_ROUND_UP((2 + BITS_TO_LONGS(cpus) +			\
			   BITS_TO_LONGS(nodes)) * sizeof(long),	\
			  sizeof(struct percpu_counter_tree_level_item)))
#define PERCPU_COUNTER_TREE_STATIC_ITEMS				\
	(PERCPU_COUNTER_TREE_HEAD_ITEMS(PERCPU_COUNTER_TREE_CPUS,	\
					PERCPU_COUNTER_TREE_STATIC_NODES) + \
	 PERCPU_COUNTER_TREE_STATIC_NODES)

/**
 * define PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY - Bytes of items, at most
 * @n: Counters in the group.
 *
 * A constant expression, never less than percpu_counter_tree_items_size_many().
 */
#define PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(n)			\
	(PERCPU_COUNTER_TREE_STATIC_ITEMS *				\
	 DIV_ROUND_UP(n, PERCPU_COUNTER_TREE_NODE_COUNTERS) *		\
	 sizeof(struct percpu_counter_tree_level_item))

/**
 * struct percpu_counter_tree - A hierarchical per-CPU counter
 * @level0: A word per CPU; NULL before activation.
 * @direct: What was added without going through @level0.
 * @root: What was carried all the way up: this counter's word in the first of
 *	  the group's items.
 * @batch: Carry unit of the CPUs, a power of two, shifted as their words are.
 * @flags: Index of this counter's word in a node, and whether a task has begun
 *	   to activate the group.
 *
 * Adds to an active counter read this and, as a rule, write elsewhere only.
 *
 * All members are private. A zeroed struct is a counter of value 0 that counts
 * exactly, in one word. It cannot be activated.
 */
struct percpu_counter_tree {
	unsigned long __percpu *level0;
	atomic_long_t direct;
	atomic_long_t *root;
	u32 batch;
	u32 flags;
};

/* In @flags of a counter. */
#define PERCPU_COUNTER_TREE_INDEX	(PERCPU_COUNTER_TREE_NODE_COUNTERS - 1)
#define PERCPU_COUNTER_TREE_ACTIVATING	PERCPU_COUNTER_TREE_NODE_COUNTERS

/**
 * struct percpu_counter_tree_usage - The items of a group after its root
 * @under: The range of the group, to which
 * @over: each CPU and node in @mask contributes.
 * @mask: A bit for each CPU that has added. From the next word on, a bit for
 *	  each node that has got a carry.
 */
struct percpu_counter_tree_usage {
	atomic_long_t under;
	atomic_long_t over;
	unsigned long mask[];
};

int percpu_counter_tree_subsystem_init(void);
size_t percpu_counter_tree_items_size_many(unsigned int n);
unsigned long percpu_counter_tree_bound(unsigned long batch_size);
int
percpu_counter_tree_init_many_lazy(struct percpu_counter_tree *c,
				   struct percpu_counter_tree_level_item *items,
				   unsigned int n, unsigned long batch_size);
int percpu_counter_tree_activate_many(struct percpu_counter_tree *c,
				      unsigned int n, gfp_t gfp);
int percpu_counter_tree_init_many(struct percpu_counter_tree *c,
				  struct percpu_counter_tree_level_item *items,
				  unsigned int n, unsigned long batch_size,
				  gfp_t gfp);
void percpu_counter_tree_destroy_many(struct percpu_counter_tree *c,
				      unsigned int n);
void percpu_counter_tree_precise_sum_many(struct percpu_counter_tree *c,
					  unsigned int n, long *sums);
void percpu_counter_tree_carry(struct percpu_counter_tree *c, unsigned long new,
			       long inc);

/* The words of @c: if not NULL, its items can be read, too. */
static inline unsigned long __percpu *
percpu_counter_tree_level0(const struct percpu_counter_tree *c)
{
	/* Pairs with smp_store_release() in ..._activate_many(). */
	return smp_load_acquire(&c->level0);
}

/* Another bit of @flags changes when the group is activated. */
static inline unsigned int
percpu_counter_tree_index(const struct percpu_counter_tree *c)
{
	return READ_ONCE(c->flags) & PERCPU_COUNTER_TREE_INDEX;
}

/* The usage of the group of @c, which is active. */
static inline struct percpu_counter_tree_usage *
percpu_counter_tree_usage_of(const struct percpu_counter_tree *c)
{
	return (void *)(c->root - percpu_counter_tree_index(c)) +
	       sizeof(struct percpu_counter_tree_level_item);
}

/* Did adding @step, shifted, take the word of a CPU out of its window? */
static __always_inline bool
percpu_counter_tree_left_window(const struct percpu_counter_tree *c,
				unsigned long new, unsigned long step)
{
	/* The batch is a power of two: do they differ in bits from it on? */
	return (new ^ (new - step)) >= c->batch;
}

/**
 * percpu_counter_tree_add() - Add to a counter
 * @c: The counter.
 * @inc: What to add, in the caller's unit; may be negative.
 *
 * Takes no lock, allocates nothing and disables neither preemption nor
 * interrupts, except for what this_cpu operations do on some architectures, and
 * for a moment when a CPU adds to the counter for the first time.
 *
 * Context: Any but NMI.
 */
static __always_inline void
percpu_counter_tree_add(struct percpu_counter_tree *c, long inc)
{
	/* Pairs with smp_store_release() in ..._activate_many(). */
	unsigned long __percpu *level0 = READ_ONCE(c->level0);
	unsigned long step = (unsigned long)inc << PERCPU_COUNTER_TREE_SHIFT;
	unsigned long new;

	/* Unsigned: true for large negative adds, too. */
	if (unlikely(!level0 || inc + PERCPU_COUNTER_TREE_MAX_ADD >
				2 * PERCPU_COUNTER_TREE_MAX_ADD)) {
		/* No ordering: a sum promises none between adds. */
		atomic_long_add(inc, &c->direct);
		return;
	}

	new = this_cpu_add_return(*level0, step);
	if (unlikely(percpu_counter_tree_left_window(c, new, step) ||
		     !(new & PERCPU_COUNTER_TREE_OFFSET)))
		percpu_counter_tree_carry(c, new, inc);
}

/**
 * percpu_counter_tree_approximate_sum() - Read a counter in O(1)
 * @c: The counter.
 *
 * Context: Any.
 * Return: A sum which, with no add in progress, is within
 *	   percpu_counter_tree_approximate_accuracy_range() of the precise sum,
 *	   in the caller's unit.
 */
static inline long
percpu_counter_tree_approximate_sum(struct percpu_counter_tree *c)
{
	long sum = atomic_long_read(&c->direct);

	if (percpu_counter_tree_level0(c))
		sum += atomic_long_read(c->root);
	return sum;
}

/**
 * percpu_counter_tree_approximate_sum_many() - Read counters of a group in O(1)
 * @c: First of some counters that follow each other in a group.
 * @n: Number of counters.
 * @sums: Set to the approximate sum of each, as
 *	  percpu_counter_tree_approximate_sum() returns it.
 *
 * Cheaper than one by one, if @n is a constant.
 *
 * Context: Any.
 * Return: Whether the sums are exact: their range is 0, as the group is not
 *	   active.
 */
static __always_inline bool
percpu_counter_tree_approximate_sum_many(struct percpu_counter_tree *c,
					 unsigned int n, long *sums)
{
	unsigned int i;

	unrolled_count(8)
	for (i = 0; i < n; i++)
		sums[i] = atomic_long_read(&c[i].direct);
	/* An earlier counter of a group is activated no later. */
	if (!percpu_counter_tree_level0(c))
		return true;
	unrolled_count(8)
	for (i = 0; i < n; i++)
		sums[i] += atomic_long_read(c[i].root);
	return false;
}

/**
 * percpu_counter_tree_approximate_accuracy_range() - Error bound of a sum
 * @c: The counter.
 * @under: Increased by how far an approximate sum of @c may be below the
 *	   precise one, in the caller's unit.
 * @over: Increased by how far an approximate sum of @c may be above the precise
 *	  one.
 *
 * Adds to both, so that ranges of several counters can be summed. The range
 * holds while no add to @c is in progress, whatever happens to other counters
 * of the group, for a sum that was read before: it gets wider when another CPU
 * begins to use the group. It is the same for all counters of a group of up to
 * eight.
 *
 * Context: Any. O(1).
 */
static inline void
percpu_counter_tree_approximate_accuracy_range(struct percpu_counter_tree *c,
					       unsigned long *under,
					       unsigned long *over)
{
	const struct percpu_counter_tree_usage *usage;

	if (!percpu_counter_tree_level0(c))
		return;
	usage = percpu_counter_tree_usage_of(c);
	*under += atomic_long_read(&usage->under);
	*over += atomic_long_read(&usage->over);
}

#else /* !CONFIG_SMP */

#define PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(n)	((n) * (size_t)0)

struct percpu_counter_tree {
	atomic_long_t count;
};

static inline int percpu_counter_tree_subsystem_init(void)
{
	return 0;
}

static inline size_t percpu_counter_tree_items_size_many(unsigned int n)
{
	return 0;
}

static inline unsigned long
percpu_counter_tree_bound(unsigned long batch_size)
{
	return 0;
}

static inline int
percpu_counter_tree_init_many_lazy(struct percpu_counter_tree *c,
				   struct percpu_counter_tree_level_item *items,
				   unsigned int n, unsigned long batch_size)
{
	bool bad = batch_size < 2 || !is_power_of_2(batch_size);
	unsigned int i;

	for (i = 0; i < n; i++)
		atomic_long_set(&c[i].count, 0);
	return WARN_ON_ONCE(bad) ? -EINVAL : 0;
}

static inline int
percpu_counter_tree_activate_many(struct percpu_counter_tree *c, unsigned int n,
				  gfp_t gfp)
{
	return 0;
}

static inline int
percpu_counter_tree_init_many(struct percpu_counter_tree *c,
			      struct percpu_counter_tree_level_item *items,
			      unsigned int n, unsigned long batch_size,
			      gfp_t gfp)
{
	return percpu_counter_tree_init_many_lazy(c, items, n, batch_size);
}

static inline void
percpu_counter_tree_destroy_many(struct percpu_counter_tree *c, unsigned int n)
{
}

static inline void percpu_counter_tree_add(struct percpu_counter_tree *c,
					   long inc)
{
	atomic_long_add(inc, &c->count);
}

static inline long
percpu_counter_tree_approximate_sum(struct percpu_counter_tree *c)
{
	return atomic_long_read(&c->count);
}

static inline void
percpu_counter_tree_precise_sum_many(struct percpu_counter_tree *c,
				     unsigned int n, long *sums)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		sums[i] = atomic_long_read(&c[i].count);
}

static inline bool
percpu_counter_tree_approximate_sum_many(struct percpu_counter_tree *c,
					 unsigned int n, long *sums)
{
	percpu_counter_tree_precise_sum_many(c, n, sums);
	return true;
}

static inline void
percpu_counter_tree_approximate_accuracy_range(struct percpu_counter_tree *c,
					       unsigned long *under,
					       unsigned long *over)
{
}

#endif /* CONFIG_SMP */

/* The same for one counter. */
#define PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE				\
	PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE_MANY(1)

/**
 * percpu_counter_tree_items_size() - Size of the items of one counter
 *
 * Context: Any, after percpu_counter_tree_subsystem_init().
 * Return: Bytes of items which percpu_counter_tree_init() needs on this
 *	   machine; fixed after boot.
 */
static inline size_t percpu_counter_tree_items_size(void)
{
	return percpu_counter_tree_items_size_many(1);
}

/**
 * percpu_counter_tree_init() - Initialise one counter to 0
 * @c: The counter.
 * @items: percpu_counter_tree_items_size() bytes, aligned like their type; need
 *	   not be zeroed.
 * @batch_size: Carry unit in the caller's unit: a power of two, at least 2.
 * @gfp: How to allocate the per-CPU memory.
 *
 * Context: Task; as @gfp allows.
 * Return: 0, or an error of percpu_counter_tree_init_many().
 */
static inline int
percpu_counter_tree_init(struct percpu_counter_tree *c,
			 struct percpu_counter_tree_level_item *items,
			 unsigned long batch_size, gfp_t gfp)
{
	return percpu_counter_tree_init_many(c, items, 1, batch_size, gfp);
}

/**
 * percpu_counter_tree_destroy() - Free what percpu_counter_tree_init() took
 * @c: The counter; may be one whose initialisation failed.
 *
 * The value is lost. Initialise the counter before it is used again.
 *
 * Context: Any in which free_percpu() may be called. The caller makes sure
 *	    that the counter is not in use.
 */
static inline void percpu_counter_tree_destroy(struct percpu_counter_tree *c)
{
	percpu_counter_tree_destroy_many(c, 1);
}

/**
 * percpu_counter_tree_approximate_sum_positive() - Read in O(1), at least 0
 * @c: The counter.
 *
 * For counts that are never negative but whose approximation may be.
 *
 * Context: Any.
 * Return: The approximate sum, or 0 if that is negative.
 */
static inline long
percpu_counter_tree_approximate_sum_positive(struct percpu_counter_tree *c)
{
	return max(percpu_counter_tree_approximate_sum(c), 0L);
}

/**
 * percpu_counter_tree_precise_sum() - Sum a counter over its CPUs
 * @c: The counter.
 *
 * Context: Any. Visits the CPUs that have added to the group.
 * Return: Everything added and set, in the caller's unit, wrapping like a
 *	   long. Adds in progress may be missed, and nothing else; on 32-bit
 *	   kernels, if less than 2^27 is added while the sum is taken.
 */
static inline long
percpu_counter_tree_precise_sum(struct percpu_counter_tree *c)
{
	long sum;

	percpu_counter_tree_precise_sum_many(c, 1, &sum);
	return sum;
}

/**
 * percpu_counter_tree_precise_sum_positive() - Sum over its CPUs, at least 0
 * @c: The counter.
 *
 * Context: Any. Visits the CPUs that have added to the group.
 * Return: The precise sum, or 0 if that is negative.
 */
static inline long
percpu_counter_tree_precise_sum_positive(struct percpu_counter_tree *c)
{
	return max(percpu_counter_tree_precise_sum(c), 0L);
}

/**
 * percpu_counter_tree_set() - Set the value of a counter
 * @c: The counter.
 * @v: The new value, in the caller's unit.
 *
 * Adds the difference to the precise sum, so adds in progress may or may not
 * be part of the new value. The caller serialises calls for one counter.
 *
 * Context: Any but NMI. Visits the CPUs that have added to the group.
 */
static inline void percpu_counter_tree_set(struct percpu_counter_tree *c,
					   long v)
{
	unsigned long sum = percpu_counter_tree_precise_sum(c);

	percpu_counter_tree_add(c, v - sum);
}

/**
 * percpu_counter_tree_approximate_min_max_range() - Limits of a precise sum
 * @approx: An approximate sum.
 * @under: How far the approximate sum may be below the precise one.
 * @over: How far the approximate sum may be above the precise one.
 * @min: Set to the least precise sum possible.
 * @max: Set to the greatest precise sum possible.
 *
 * Sums wrap like a long. Where a limit is beyond the end of a long, the precise
 * sum can be anything, and the limits are LONG_MIN and LONG_MAX.
 *
 * Context: Any.
 */
static inline void
percpu_counter_tree_approximate_min_max_range(long approx, unsigned long under,
					      unsigned long over, long *min,
					      long *max)
{
	unsigned long below = (unsigned long)approx - LONG_MIN;
	unsigned long above = LONG_MAX - (unsigned long)approx;

	if (over > below || under > above) {
		*min = LONG_MIN;
		*max = LONG_MAX;
		return;
	}
	*min = approx - over;
	*max = approx + under;
}

/**
 * percpu_counter_tree_approximate_min_max() - Read a counter and its limits
 * @c: The counter.
 * @approx: Set to the approximate sum.
 * @min: Set to the least precise sum possible.
 * @max: Set to the greatest precise sum possible.
 *
 * Context: Any. O(1).
 */
static inline void
percpu_counter_tree_approximate_min_max(struct percpu_counter_tree *c,
					long *approx, long *min, long *max)
{
	unsigned long under = 0, over = 0;

	*approx = percpu_counter_tree_approximate_sum(c);
	percpu_counter_tree_approximate_accuracy_range(c, &under, &over);
	percpu_counter_tree_approximate_min_max_range(*approx, under, over,
						      min, max);
}

/**
 * percpu_counter_tree_approximate_compare_value() - Compare in O(1)
 * @c: The counter.
 * @v: The value to compare with.
 *
 * Context: Any.
 * Return: While no add is in progress, 1 if the precise sum of @c is greater
 *	   than @v, -1 if it is less, 0 if the approximate sum cannot tell.
 */
static inline int
percpu_counter_tree_approximate_compare_value(struct percpu_counter_tree *c,
					      long v)
{
	long approx, min, max;

	percpu_counter_tree_approximate_min_max(c, &approx, &min, &max);
	return (min > v) - (max < v);
}

/**
 * percpu_counter_tree_approximate_compare() - Compare two counters in O(1)
 * @a: A counter.
 * @b: Another counter.
 *
 * Context: Any.
 * Return: While no add is in progress, 1 if the precise sum of @a is greater
 *	   than that of @b, -1 if it is less, 0 if the approximate sums cannot
 *	   tell.
 */
static inline int
percpu_counter_tree_approximate_compare(struct percpu_counter_tree *a,
					struct percpu_counter_tree *b)
{
	long approx, min_a, max_a, min_b, max_b;

	percpu_counter_tree_approximate_min_max(a, &approx, &min_a, &max_a);
	percpu_counter_tree_approximate_min_max(b, &approx, &min_b, &max_b);
	return (min_a > max_b) - (max_a < min_b);
}

/**
 * percpu_counter_tree_precise_compare_value() - Compare with a value
 * @c: The counter.
 * @v: The value to compare with.
 *
 * Walks the CPUs only where the approximate sum cannot tell. While adds are in
 * progress it can be wrong by what they carry, which may be more than they add:
 * compare percpu_counter_tree_precise_sum() where that matters.
 *
 * Context: Any.
 * Return: While no add is in progress, 1 if the precise sum of @c is greater
 *	   than @v, -1 if it is less, 0 if they are equal.
 */
static inline int
percpu_counter_tree_precise_compare_value(struct percpu_counter_tree *c, long v)
{
	int ret = percpu_counter_tree_approximate_compare_value(c, v);
	long sum;

	if (ret)
		return ret;
	sum = percpu_counter_tree_precise_sum(c);
	return (sum > v) - (sum < v);
}

/**
 * percpu_counter_tree_precise_compare() - Compare two counters
 * @a: A counter.
 * @b: Another counter.
 *
 * Walks the CPUs only where the approximate sums cannot tell. See
 * percpu_counter_tree_precise_compare_value() for adds in progress.
 *
 * Context: Any.
 * Return: While no add is in progress, 1 if the precise sum of @a is greater
 *	   than that of @b, -1 if it is less, 0 if they are equal.
 */
static inline int
percpu_counter_tree_precise_compare(struct percpu_counter_tree *a,
				    struct percpu_counter_tree *b)
{
	int ret = percpu_counter_tree_approximate_compare(a, b);
	long sum_a, sum_b;

	if (ret)
		return ret;
	sum_a = percpu_counter_tree_precise_sum(a);
	sum_b = percpu_counter_tree_precise_sum(b);
	return (sum_a > sum_b) - (sum_a < sum_b);
}

#endif /* _LINUX_PERCPU_COUNTER_TREE_H */
