// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hierarchical per-CPU counters
 *
 *	                     root
 *	                   /       \
 *	level 2       node           node          from 129 CPUs on
 *	            /  ...  \      /  ...  \
 *	level 1   leaf ... leaf  leaf ... leaf     from 17 CPUs on
 *	         / ... \
 *	level 0  CPU CPU CPU ...
 *
 * Each CPU keeps the running total of its adds, from which nothing is ever
 * taken. It also has a window, one batch wide, which tells what it has carried:
 * an add that takes the total out of the window moves the window after it and
 * carries by how much the window moved to the leaf of the CPU. A node collects
 * carries. A carry that brings the count of the node to the threshold, which is
 * 4 batches in a leaf and 4 times as much with each level, exchanges the count
 * for 0 and takes it to the parent or the root. A carry of a threshold or more
 * goes past the node.
 *
 * The word of a CPU is an unsigned long:
 *
 *	| total + offset | offset in units, 3 bits |
 *
 * Windows begin where total + offset is a multiple of the batch. An add changes
 * the upper field with one this_cpu_add_return(). The offset is 1 to 4 units of
 * a quarter of a batch, or of 1 with a batch of 2. A word with 0 there is not
 * live yet: an add to it does not count. It makes the word live and adds again.
 *
 * Adds before activation, and those of more than 2^28 (2^12 on 32-bit kernels),
 * go to the word @direct.
 *
 * INVARIANT
 *
 * The residue of a CPU is the distance of its total from the middle of its
 * window, that of a node is its count. A carry is the change of a total less
 * the change of the residue, and becomes what a node loses. So with no
 * carry on its way, for any history and any path that carries took,
 *
 *	sum of all totals = root + sum of all residues
 *
 * The precise sum is @direct + the sum of all totals, so a carry on its way
 * does not change it, and an offline CPU counts. A total lacks the upper three
 * bits of a long. They follow from the root: the sum of totals is taken to be
 * the one nearest to it. They differ by what was added between the two reads
 * and by all residues. On 64-bit kernels that is less than 2^60, even if a
 * reader is preempted in between, as it takes more than 2^31 adds of the
 * largest size to exceed that. On 32-bit kernels it is less than 2^28 if less
 * than 2^27 is added while a sum is taken.
 *
 * ERROR BOUND
 *
 * With batch B, the residue of a CPU is in [-B/2, B/2 - 1]. Windows move by
 * multiples of the unit U, a quarter of a batch or 1, so the count of a node is
 * a multiple of U. A carry that leaves a node of level l with B * 4^l or more,
 * up or down, empties it next, so whatever the last change of the node was, it
 * left B * 4^l - U at most. With C CPUs and n(l) nodes of level l that the
 * group has used,
 *
 *	under = C * (B/2 - 1) + sum of n(l) * (B * 4^l - U)
 *	over  = C * B/2       + sum of n(l) * (B * 4^l - U)
 *
 * and precise - under <= approximate <= precise + over while no add is in
 * progress. Both ends can be reached, as residues are independent. Carries on
 * their way are missing in the root. They contain what the nodes had that they
 * emptied, and a node that is about to be emptied holds a threshold or more.
 *
 * Both are kept as sums, which grow when a CPU first adds to the group, or a
 * node first takes a carry. The range is widened before the bit is set, so a
 * task that finds the bit set can rely on the range.
 *
 * OSCILLATION
 *
 * A carry moves the window so that the total is U to 2 * U from the end behind
 * it, the lower one after a carry up. So a total that swings by a quarter of a
 * batch or less, in any steps, carries at most once. The next carry needs a net
 * change of more than U back, or of more than 2 * U in the same direction (3 *
 * U in steps of one). A node that was emptied is emptied again after a net
 * change of a threshold, or at once by another add that found it reached.
 *
 * If the task was migrated meanwhile, or another add came in between, the
 * window moves to the multiple of the batch where the total is.
 *
 * LIFETIME
 *
 * Before activation, and for ever with one possible CPU, all adds go to
 * @direct. Each add goes either to @direct or to one total, and each sum
 * contains both. So nothing has to be moved on activation, any task or
 * interrupt handler may add in any phase, and a failed activation is harmless.
 * A map change or CPU hotplug changes the path of later carries only; a node
 * stays in the range once it has been used.
 *
 * ORDERING
 *
 * A counter orders nothing but itself: operations on words, nodes, root and
 * @direct are relaxed. Three things are ordered:
 *
 * - Words and items are zeroed before @level0 is published by a release. An
 *   address dependency on @level0 leads to the words, an acquire of it, in
 *   percpu_counter_tree_level0(), to the items.
 * - The bit of a CPU is set before its words go live, and on that CPU. A reader
 *   that knows of a completed add to a word sees the bit. Setting it is a full
 *   barrier, so a task that has added to a word of a group finds its first
 *   counter active, too.
 * - The range is widened before a bit is set, which is a full barrier. An adder
 *   that finds the bit of a node set reads it with acquire.
 */

#define pr_fmt(fmt) "percpu_counter_tree: " fmt

#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/error-injection.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/percpu_counter_tree.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/unroll.h>

#include "percpu_counter_tree.h"

/* Each level multiplies the threshold by 1 << THRESHOLD_SHIFT. */
#define THRESHOLD_SHIFT	2

#define SHIFT	PERCPU_COUNTER_TREE_SHIFT
#define OFFSET	PERCPU_COUNTER_TREE_OFFSET

/* Counters that share the items of a group, and so the cache lines. */
#define COUNTERS	PERCPU_COUNTER_TREE_NODE_COUNTERS

/* RSS has four. A walk for just four is compiled apart: a third shorter. */
#define RSS_COUNTERS	4

/* All zero with one possible CPU: there is nothing to share then. */
struct percpu_counter_tree_shape percpu_counter_tree_shape __ro_after_init;
#define shape	percpu_counter_tree_shape

/* Possible CPUs; 0 until the subsystem is initialised. */
static unsigned int nr_cpus __ro_after_init;

DEFINE_PER_CPU_READ_MOSTLY(u16, percpu_counter_tree_leaf);
u16 percpu_counter_tree_parent[PERCPU_COUNTER_TREE_STATIC_ITEMS] __read_mostly;

/**
 * percpu_counter_tree_geometry() - Shape of the tree for a number of CPUs
 * @cpus: Number of CPUs, including CPU numbers that are not possible.
 *
 * Context: Any.
 * Return: The shape.
 */
struct percpu_counter_tree_shape
percpu_counter_tree_geometry(unsigned int cpus)
{
	unsigned int level, below = cpus, fanout;
	struct percpu_counter_tree_shape s = {};

	for (level = 0; level < PERCPU_COUNTER_TREE_MAX_LEVELS; level++) {
		fanout = level ? PERCPU_COUNTER_TREE_FANOUT :
				 PERCPU_COUNTER_TREE_LEAF_FANOUT;
		below = PERCPU_COUNTER_TREE_UP(below, fanout);
		if (!below)
			break;
		s.nodes[level] = below;
		s.all_nodes += below;
	}
	s.levels = level;
	s.first = PERCPU_COUNTER_TREE_HEAD_ITEMS(cpus, s.all_nodes);
	return s;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_counter_tree_geometry);

/* Equal shares of the CPUs in the order of their numbers, level by level. */
static void __init write_flat_map(void)
{
	unsigned int cpu, level, i = 0, base = shape.first, above;
	u16 *parent = percpu_counter_tree_parent;

	if (!shape.levels)
		return;
	for_each_possible_cpu(cpu)
		per_cpu(percpu_counter_tree_leaf, cpu) =
			base + i++ * shape.nodes[0] / nr_cpus;

	for (level = 0; level + 1 < shape.levels; level++) {
		above = base + shape.nodes[level];
		for (i = 0; i < shape.nodes[level]; i++)
			parent[base + i] = above + i * shape.nodes[level + 1] /
						   shape.nodes[level];
		base = above;
	}
	/* The entries of the topmost nodes are PERCPU_COUNTER_TREE_ROOT. */
}

/**
 * percpu_counter_tree_subsystem_init() - Fix the shape of all trees
 *
 * Context: Once, at boot, after setup_nr_cpu_ids() and before the first group
 *	    is initialised.
 * Return: Always 0.
 */
int __init percpu_counter_tree_subsystem_init(void)
{
	/* Enough levels, and a u16 holds the number of an item. */
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_LEVEL4 > PERCPU_COUNTER_TREE_FANOUT);
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_STATIC_ITEMS > U16_MAX);
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_CPUS > U16_MAX);
	BUILD_BUG_ON(PERCPU_COUNTER_TREE_MAX_ADD << SHIFT > U32_MAX);

	nr_cpus = num_possible_cpus();
	if (nr_cpus > 1)
		shape = percpu_counter_tree_geometry(nr_cpu_ids);
	WARN_ON(percpu_counter_tree_items_size() >
		PERCPU_COUNTER_TREE_ITEMS_STATIC_SIZE);
	write_flat_map();

	/* The bound is in proportion to the batch where a quarter is whole. */
	pr_info("%u CPUs, %u nodes in %u levels, sums within %lu batches\n",
		nr_cpus, shape.all_nodes, shape.levels,
		DIV_ROUND_UP(percpu_counter_tree_bound(4), 4));
	return 0;
}

/**
 * percpu_counter_tree_items_size_many() - Size of the items of a group
 * @n: Counters in the group.
 *
 * Context: Any, after percpu_counter_tree_subsystem_init().
 * Return: Bytes of items that percpu_counter_tree_init_many() needs on this
 *	   machine; fixed after boot. 0 with one possible CPU.
 */
size_t percpu_counter_tree_items_size_many(unsigned int n)
{
	return (shape.first + shape.all_nodes) *
	       sizeof(struct percpu_counter_tree_level_item) *
	       DIV_ROUND_UP(n, COUNTERS);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_items_size_many);

static unsigned long capped(unsigned long batch)
{
	return min(batch, PERCPU_COUNTER_TREE_MAX_ADD);
}

/* The unit by which windows move: a quarter of a batch, or 1. */
static unsigned long unit_of(unsigned long batch)
{
	return max(batch / 4, 1);
}

/**
 * percpu_counter_tree_bound() - Range of a counter that all CPUs use
 * @batch_size: Batch of the counter, in the caller's unit, that is valid for
 *		percpu_counter_tree_init_many().
 *
 * Context: Any, after percpu_counter_tree_subsystem_init().
 * Return: How far the approximate sum of such a counter can be from the
 *	   precise one on this machine, in the caller's unit. 0 with one
 *	   possible CPU.
 */
unsigned long percpu_counter_tree_bound(unsigned long batch_size)
{
	unsigned long batch = capped(batch_size);
	unsigned long bound, threshold = batch;
	unsigned int level;

	if (nr_cpus == 1)
		return 0;
	bound = nr_cpus * batch / 2;
	for (level = 0; level < shape.levels; level++) {
		threshold <<= THRESHOLD_SHIFT;
		bound += shape.nodes[level] * (threshold - unit_of(batch));
	}
	return bound;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_bound);

/**
 * percpu_counter_tree_init_many_lazy() - Initialise a group without allocation
 * @c: Array of counters, all set to 0.
 * @items: percpu_counter_tree_items_size_many(@n) bytes for as long as the
 *	   group lives, aligned like their type. Not touched before activation,
 *	   need not be zeroed.
 * @n: Number of counters.
 * @batch_size: Carry unit in the caller's unit: a power of two, at least 2.
 *		Reduced to 2^28 (2^12 on 32-bit kernels) if it is larger.
 *
 * The counters can be used at once. Until percpu_counter_tree_activate_many()
 * succeeds, each is one atomic word and its approximate sum is exact.
 *
 * Context: Any. The counters are not in use.
 * Return: 0, or -EINVAL, with a warning, if @batch_size is less than 2 or not a
 *	   power of two, or if the subsystem is not initialised yet. The
 *	   counters can be used even so, but not activated.
 */
int
percpu_counter_tree_init_many_lazy(struct percpu_counter_tree *c,
				   struct percpu_counter_tree_level_item *items,
				   unsigned int n, unsigned long batch_size)
{
	bool bad = !nr_cpus || batch_size < 2 || !is_power_of_2(batch_size);
	unsigned int i, index;

	for (i = 0; i < n; i++) {
		index = i % COUNTERS;
		if (i && !index)
			items += shape.first + shape.all_nodes;
		c[i].level0 = NULL;
		atomic_long_set(&c[i].direct, 0);
		c[i].root = &items->count[index];
		c[i].batch = bad ? 0 : capped(batch_size) << SHIFT;
		c[i].flags = index;
	}
	return WARN_ON_ONCE(bad) ? -EINVAL : 0;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_init_many_lazy);

/**
 * percpu_counter_tree_activate_many() - Give a group its per-CPU memory
 * @c: All counters of a group from percpu_counter_tree_init_many_lazy().
 * @n: Number of counters.
 * @gfp: How to allocate the per-CPU memory.
 *
 * The counters may be in use by any task or interrupt handler. Does nothing if
 * the group is active, if another task is about to activate it, or if there is
 * only one possible CPU.
 *
 * Context: Task; as @gfp allows.
 * Return: 0; -ENOMEM: the group works on as it was, and can be activated later;
 *	   or -EINVAL, with a warning, if it is not initialised.
 */
int percpu_counter_tree_activate_many(struct percpu_counter_tree *c,
				      unsigned int n, gfp_t gfp)
{
	size_t size = n * sizeof(*c->level0);
	unsigned long __percpu *level0;
	unsigned int i;

	/* Not 0 if the group is active or about to be. Decided by cmpxchg(). */
	if (!n || READ_ONCE(c->flags) || nr_cpus == 1)
		return 0;
	if (WARN_ON_ONCE(!c->batch))
		return -EINVAL;

	/* The index of the first counter is 0. */
	if (cmpxchg(&c->flags, 0, PERCPU_COUNTER_TREE_ACTIVATING))
		return 0;

	/* The words of a CPU lie in as few cache lines as they fit. */
	level0 = __alloc_percpu_gfp(size, min(roundup_pow_of_two(size),
					      SMP_CACHE_BYTES), gfp);
	if (!level0) {
		/* No ordering: nothing was changed. */
		WRITE_ONCE(c->flags, 0);
		return -ENOMEM;
	}

	memset(c->root, 0, percpu_counter_tree_items_size_many(n));
	/* The first one first: it tells sums if the group is active. */
	for (i = 0; i < n; i++) {
		/*
		 * Pairs with the address dependency on @level0 in
		 * percpu_counter_tree_add(), and with smp_load_acquire() in
		 * percpu_counter_tree_level0().
		 */
		smp_store_release(&c[i].level0, level0 + i);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_activate_many);
ALLOW_ERROR_INJECTION(percpu_counter_tree_activate_many, ERRNO);

/**
 * percpu_counter_tree_init_many() - Initialise and activate a group of counters
 * @c: Array of counters, all set to 0.
 * @items: percpu_counter_tree_items_size_many(@n) bytes for as long as the
 *	   group lives, aligned like their type; need not be zeroed.
 * @n: Number of counters.
 * @batch_size: Carry unit in the caller's unit; see
 *		percpu_counter_tree_init_many_lazy().
 * @gfp: How to allocate the per-CPU memory.
 *
 * Context: Task; as @gfp allows. The counters are not in use.
 * Return: 0; -EINVAL as percpu_counter_tree_init_many_lazy(); or -ENOMEM, with
 *	   nothing left to free.
 */
int percpu_counter_tree_init_many(struct percpu_counter_tree *c,
				  struct percpu_counter_tree_level_item *items,
				  unsigned int n, unsigned long batch_size,
				  gfp_t gfp)
{
	return percpu_counter_tree_init_many_lazy(c, items, n, batch_size) ?:
	       percpu_counter_tree_activate_many(c, n, gfp);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_init_many);

/**
 * percpu_counter_tree_destroy_many() - Free the per-CPU memory of a group
 * @c: All counters of the group; may be zeroed or failed to initialise.
 * @n: Number of counters.
 *
 * The values are lost. Initialise the counters before they are used again.
 *
 * Context: Any in which free_percpu() may be called. The caller makes sure that
 *	    the counters are not in use.
 */
void percpu_counter_tree_destroy_many(struct percpu_counter_tree *c,
				      unsigned int n)
{
	unsigned int i;

	if (!n)
		return;
	free_percpu(c->level0);
	for (i = 0; i < n; i++)
		c[i].level0 = NULL;
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_destroy_many);

/* Total of a CPU, shifted; @unit is what an offset of 1 adds to its word. */
static unsigned long total_of(unsigned long unit, const unsigned long *at)
{
	unsigned long word = READ_ONCE(*at), offset = word & OFFSET;

	return offset ? word - offset * unit : 0;
}

/* Of the sums that @total, shifted, can stand for, the one next to @root. */
static long nearest(unsigned long total, unsigned long root)
{
	total -= root << SHIFT;
	return ((long)total >> SHIFT) + root;
}

/* Sum up to eight counters that share a node. */
static __always_inline void sum_words(struct percpu_counter_tree *c,
				      const unsigned long __percpu *level0,
				      unsigned int n, long *sums)
{
	const unsigned long unit = (unit_of(c->batch >> SHIFT) << SHIFT) + 1;
	const unsigned long *cpus = percpu_counter_tree_usage_of(c)->mask;
	unsigned long totals[COUNTERS] __uninitialized;
	const atomic_long_t *root = c->root;
	const unsigned long *words;
	unsigned int i, base;
	unsigned long some;

	unrolled_full
	for (i = 0; i < n; i++)
		totals[i] = 0;
	for (base = 0; base < nr_cpu_ids; base += BITS_PER_LONG) {
		/* No ordering: adds that have completed are visible. */
		some = READ_ONCE(cpus[base / BITS_PER_LONG]);
		for (; some; some &= some - 1) {
			words = per_cpu_ptr(level0, base + __ffs(some));
			unrolled_full
			for (i = 0; i < n; i++)
				totals[i] += total_of(unit, &words[i]);
		}
	}
	unrolled_full
	for (i = 0; i < n; i++)
		sums[i] = nearest(totals[i], atomic_long_read(&root[i])) +
			  atomic_long_read(&c[i].direct);
}

/* Out of line, so that the walk for an mm has the registers. */
static noinline void sum_any(struct percpu_counter_tree *c,
			     const unsigned long __percpu *level0,
			     unsigned int n, long *sums)
{
	sum_words(c, level0, n, sums);
}

/**
 * percpu_counter_tree_precise_sum_many() - Sum a group in one walk
 * @c: First of some counters that follow each other in a group.
 * @n: Number of counters; one walk serves those that share a node.
 * @sums: Set to the precise sum of each, in the caller's unit; see
 *	  percpu_counter_tree_precise_sum().
 *
 * Context: Any. Visits the CPUs that have added to the group.
 */
void percpu_counter_tree_precise_sum_many(struct percpu_counter_tree *c,
					  unsigned int n, long *sums)
{
	const unsigned long __percpu *level0;
	unsigned int i, some;

	for (; n; n -= some, c += some, sums += some) {
		some = min(n, COUNTERS - percpu_counter_tree_index(c));
		/* An earlier counter of a group is activated no later. */
		level0 = percpu_counter_tree_level0(c);
		if (!level0)
			for (i = 0; i < some; i++)
				sums[i] = atomic_long_read(&c[i].direct);
		else if (some == RSS_COUNTERS)
			sum_words(c, level0, RSS_COUNTERS, sums);
		else
			sum_any(c, level0, some, sums);
	}
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_precise_sum_many);

/*
 * Mark a CPU or a node as used. The range is widened first, as others rely on
 * the bit; test_and_set_bit() is a full barrier.
 */
static void mark(struct percpu_counter_tree_usage *usage, unsigned long *mask,
		 unsigned int nr, long under, long over)
{
	atomic_long_add(under, &usage->under);
	atomic_long_add(over, &usage->over);
	if (!test_and_set_bit(nr, mask))
		return;
	/* Lost the race: the range has been widened for this bit. */
	atomic_long_sub(under, &usage->under);
	atomic_long_sub(over, &usage->over);
}

/* Make the word of this CPU live: total 0, in the middle of the window. */
static noinline void make_live(struct percpu_counter_tree *c,
			       unsigned long __percpu *level0)
{
	unsigned long old, first, half = c->batch >> (SHIFT + 1);
	struct percpu_counter_tree_usage *usage;
	unsigned int cpu;

	usage = percpu_counter_tree_usage_of(c);
	first = half << SHIFT | half / unit_of(2 * half);

	/* The bit and the word must be those of one CPU. */
	guard(preempt)();
	cpu = smp_processor_id();
	/* Set on this CPU, if at all. */
	if (!test_bit(cpu, usage->mask))
		mark(usage, usage->mask, cpu, half - 1, half);
	old = this_cpu_read(*level0);
	do {
		/* An interrupt handler on this CPU has made the word live. */
		if (old & OFFSET)
			break;
	} while (!this_cpu_try_cmpxchg(*level0, &old, first));
}

/* Where a total is in its window, shifted: half a batch if its residue is 0. */
static unsigned long position_of(const struct percpu_counter_tree *c,
				 unsigned long word)
{
	return word & (c->batch - BIT(SHIFT));
}

/*
 * @word with its window moved so that the total is a unit, and up to another,
 * from the end that is behind it.
 */
static unsigned long recentre(const struct percpu_counter_tree *c,
			      unsigned long word, bool up)
{
	unsigned int unit_shift = SHIFT + ilog2(unit_of(c->batch >> SHIFT));
	unsigned long old = word & OFFSET, new;

	new = up ? 1 : (c->batch >> unit_shift) - 2;
	new += old - (position_of(c, word) >> unit_shift);
	/* Any multiple of a batch more or less: 1 to 4. */
	new = ((new - 1) & 3) + 1;
	return word + ((new - old) << unit_shift) + new - old;
}

/*
 * Add a carry to a node, and empty the node if that brings its count to the
 * threshold. Returns what is to be carried to the parent: less than that, or 0,
 * if others added to the node in between. An exchange cannot fail, so a node
 * does not grow while many add to it.
 */
static unsigned long node_add(atomic_long_t *node, unsigned long carry,
			      long threshold)
{
	/* Relaxed: nothing is ordered by a node, see ORDERING. */
	long count = atomic_long_add_return_relaxed(carry, node);

	if (count > -threshold && count < threshold)
		return 0;
	return atomic_long_xchg_relaxed(node, 0);
}

/* Take a carry from a CPU to the root, or to the first node that keeps it. */
static void climb(struct percpu_counter_tree *c, unsigned long carry)
{
	const size_t item_size = sizeof(struct percpu_counter_tree_level_item);
	struct percpu_counter_tree_usage *usage;
	long most, threshold = c->batch >> SHIFT;
	unsigned long *used;
	atomic_long_t *node;
	u16 at;

	usage = percpu_counter_tree_usage_of(c);
	used = usage->mask + BITS_TO_LONGS(nr_cpu_ids);
	/* The leaf of any CPU will do, and any version of the map. */
	at = this_cpu_read(percpu_counter_tree_leaf);
	for (; at != PERCPU_COUNTER_TREE_ROOT;
	     at = READ_ONCE(percpu_counter_tree_parent[at])) {
		threshold <<= THRESHOLD_SHIFT;
		if ((long)carry <= -threshold || (long)carry >= threshold)
			continue;
		most = threshold - unit_of(c->batch >> SHIFT);
		/* Pairs with test_and_set_bit() in mark(). */
		if (unlikely(!test_bit_acquire(at - shape.first, used)))
			mark(usage, used, at - shape.first, most, most);
		node = (void *)c->root + at * item_size;
		carry = node_add(node, carry, threshold);
		if (!carry)
			return;
	}
	/* No ordering: a sum promises none between adds. */
	atomic_long_add(carry, c->root);
}

/**
 * percpu_counter_tree_carry() - Take a carry up the tree
 * @c: The counter.
 * @new: Word of the CPU after the add.
 * @inc: What was added.
 *
 * The slow path of percpu_counter_tree_add(), not to be called otherwise. The
 * task may have been migrated since: any path will do.
 *
 * Context: Any but NMI.
 */
void percpu_counter_tree_carry(struct percpu_counter_tree *c, unsigned long new,
			       long inc)
{
	/* Items are used from here on, see percpu_counter_tree_level0(). */
	unsigned long __percpu *level0 = percpu_counter_tree_level0(c);
	unsigned long step = (unsigned long)inc << SHIFT, next, carry;

	/* An add to a word that was not live did not count: add again. */
	while (unlikely(!(new & OFFSET))) {
		make_live(c, level0);
		new = this_cpu_add_return(*level0, step);
	}
	if (!percpu_counter_tree_left_window(c, new, step))
		return;

	next = recentre(c, new, inc > 0);
	if (this_cpu_cmpxchg(*level0, new, next) != new)
		next = new;
	/* Change of the total less change of the residue */
	carry = step + position_of(c, new - step) - position_of(c, next);
	climb(c, (long)carry >> SHIFT);
}
EXPORT_SYMBOL_GPL(percpu_counter_tree_carry);
