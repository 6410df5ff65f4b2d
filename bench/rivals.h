/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters that struct percpu_counter_tree is compared with, as models:
 *
 * percpu_counter  Linux 7.3. The word of a CPU is emptied into a count when it
 *		   reaches the batch, max(32, 2 * CPUs). Count and spinlock share
 *		   a line. The lock is a plain test-and-set, and interrupts are
 *		   not disabled, as a process cannot do that.
 *
 * flat		   One shared word and a fixed batch, at its best: what a CPU
 *		   keeps is rounded to nearest, a carry is one atomic add, and
 *		   the shared word has a line of its own. The word of a CPU has
 *		   32 bits and wraps: only its distance from the nearest multiple
 *		   of the batch counts.
 *
 * doubling	   The hierarchical counters proposed for Linux in January 2026,
 *		   with batch 32: a total per CPU and node, carries rounded down.
 *		   The number of CPUs is rounded up to a power of two, and each
 *		   doubling of the CPUs below a node doubles its batch. Nodes are
 *		   chosen by the lower bits of the CPU number, and each node of
 *		   each counter is a line. The fan-outs are those that agree with
 *		   what is known of it, 3, 11, 21, 37 and 73 lines at 4, 32, 64,
 *		   256 and 512 CPUs and an error of 0 to 44,544 at 512 CPUs:
 *		   three levels, or as many as it takes for fan-outs of 8 at
 *		   most, as equal as possible, the larger ones next to the CPUs.
 *
 * Their bounds are the greatest errors that they can have, which may be less
 * than what was declared (49,152 for doubling at 512 CPUs). Adds are of less
 * than 2^30. Sums are precise with no add in progress.
 */
#ifndef _BENCH_RIVALS_H
#define _BENCH_RIVALS_H

/* --- percpu_counter */

struct percpu_counter {
	u32 lock;
	s64 count;
	void *list[2];
	s32 __percpu *counters;
};

static inline s32 percpu_counter_batch(unsigned int cpus)
{
	return max(32U, 2 * cpus);
}

static inline void percpu_counter_init_many(struct percpu_counter *c, unsigned int n)
{
	s32 __percpu *counters = __alloc_percpu_gfp(n * sizeof(s32), sizeof(s32), GFP_KERNEL);
	unsigned int i;

	for (i = 0; i < n; i++)
		c[i] = (struct percpu_counter){ .counters = counters + i };
}

static inline void percpu_counter_lock(struct percpu_counter *c)
{
	u32 free = 0;

	while (!__atomic_compare_exchange_n(&c->lock, &free, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		while (shim_load(&c->lock))
			cpu_relax();
		free = 0;
	}
}

static inline void percpu_counter_unlock(struct percpu_counter *c)
{
	__atomic_store_n(&c->lock, 0, __ATOMIC_RELEASE);
}

/* Lock, count and unlock are taken for one write of their line. */
static noinline void percpu_counter_add_batch(struct percpu_counter *c, long amount, s32 batch)
{
	s32 count = this_cpu_read(*c->counters), *word;

	do {
		if (unlikely(labs(count + amount) >= batch)) {
			percpu_counter_lock(c);
			word = raw_cpu_ptr(c->counters);
			count = *word;
			c->count += count + amount;
			shim_written(&c->count);
			*word -= count;
			shim_written(word);
			percpu_counter_unlock(c);
			return;
		}
	} while (!this_cpu_try_cmpxchg(*c->counters, &count, count + amount));
}

static inline long percpu_counter_read(struct percpu_counter *c)
{
	return READ_ONCE(c->count);
}

static struct cpumask cpu_dying;

static noinline unsigned int next_online_or_dying(unsigned int cpu)
{
	unsigned long word;

	while (++cpu < nr_cpu_ids) {
		word = cpu_online_now.bits[cpu / BITS_PER_LONG] |
		       cpu_dying.bits[cpu / BITS_PER_LONG];
		word >>= cpu % BITS_PER_LONG;
		if (word)
			return cpu + __ffs(word);
		cpu |= BITS_PER_LONG - 1;
	}
	return nr_cpu_ids;
}

static noinline long percpu_counter_sum(struct percpu_counter *c)
{
	unsigned int cpu;
	long sum;

	percpu_counter_lock(c);
	sum = c->count;
	for (cpu = next_online_or_dying(-1); cpu < nr_cpu_ids; cpu = next_online_or_dying(cpu))
		sum += *per_cpu_ptr(c->counters, cpu);
	percpu_counter_unlock(c);
	return sum;
}

static inline unsigned long percpu_counter_bound(unsigned int cpus)
{
	return (unsigned long)cpus * (percpu_counter_batch(cpus) - 1);
}

/* --- flat */

struct flat_counter {
	u32 __percpu *words;
	atomic_long_t *count;
};

/* One line for the counts of up to eight counters. */
static inline void flat_init_many(struct flat_counter *c, unsigned int n)
{
	u32 __percpu *words = __alloc_percpu_gfp(n * sizeof(u32), sizeof(u32), GFP_KERNEL);
	atomic_long_t *count = aligned_alloc(64, 64);
	unsigned int i;

	memset(count, 0, 64);
	for (i = 0; i < n; i++)
		c[i] = (struct flat_counter){ words + i, count + i };
}

/* What a CPU has carried when its word is @word. */
static inline u32 flat_carried(u32 word, u32 batch)
{
	return (word + batch / 2) & -batch;
}

static noinline void flat_carry(struct flat_counter *c, s32 carry)
{
	atomic_long_add((long)carry, c->count);
}

static __always_inline void flat_add(struct flat_counter *c, long inc, u32 batch)
{
	u32 new = this_cpu_add_return(*c->words, (u32)inc);
	s32 carry = flat_carried(new, batch) - flat_carried(new - inc, batch);

	if (unlikely(carry))
		flat_carry(c, carry);
}

static inline long flat_read(struct flat_counter *c)
{
	return atomic_long_read(c->count);
}

static inline long flat_sum(struct flat_counter *c, u32 batch)
{
	long sum = flat_read(c);
	unsigned int cpu;
	u32 word;

	for_each_online_cpu(cpu) {
		word = *per_cpu_ptr(c->words, cpu);
		sum += (s32)(word - flat_carried(word, batch));
	}
	return sum;
}

static inline unsigned long flat_bound(unsigned int cpus, u32 batch)
{
	return (unsigned long)cpus * batch / 2;
}

/* --- doubling */

#define DOUBLING_BATCH		32UL
#define DOUBLING_LEVELS		5

struct doubling_item {
	atomic_long_t count;
} ____cacheline_aligned;

struct doubling_counter {
	unsigned long __percpu *level0;
	struct doubling_item *items;
};

/* Levels above the CPUs, the last of which is the root. */
struct doubling_shape {
	unsigned int levels, nodes[DOUBLING_LEVELS], all_nodes;
	unsigned long batch[DOUBLING_LEVELS];
};

static inline struct doubling_shape doubling_geometry(unsigned int cpus)
{
	unsigned int order = order_base_2(cpus), most = max(3U, DIV_ROUND_UP(order, 3U)), bits;
	struct doubling_shape s = {};
	unsigned int level, below = order;

	for (level = 0; level < most && below; level++) {
		bits = (order + most - 1 - level) / most;
		below -= bits;
		s.nodes[level] = 1 << below;
		s.batch[level] = DOUBLING_BATCH << (order - below);
		s.all_nodes += s.nodes[level];
	}
	s.levels = level;
	return s;
}

static struct doubling_shape doubling;

/* After doubling is set. */
static inline void doubling_init_many(struct doubling_counter *c, unsigned int n)
{
	unsigned long __percpu *level0 = __alloc_percpu_gfp(n * sizeof(long), sizeof(long),
							    GFP_KERNEL);
	size_t size = doubling.all_nodes * sizeof(struct doubling_item);
	unsigned int i;

	for (i = 0; i < n; i++) {
		c[i].level0 = level0 + i;
		c[i].items = aligned_alloc(64, size);
		memset(c[i].items, 0, size);
	}
}

static inline struct doubling_item *doubling_root(struct doubling_counter *c)
{
	return &c->items[doubling.all_nodes - 1];
}

/* What an add of @inc that resulted in @new carries. */
static inline long doubling_carried(unsigned long new, long inc, unsigned long batch)
{
	return (new & -batch) - ((new - inc) & -batch);
}

static noinline void doubling_carry(struct doubling_counter *c, long carry)
{
	struct doubling_item *item = c->items;
	unsigned int level, cpu = shim_cpu;
	long new;

	for (level = 0; level + 1 < doubling.levels; level++) {
		new = atomic_long_add_return(carry, &item[cpu & (doubling.nodes[level] - 1)].count);
		carry = doubling_carried(new, carry, doubling.batch[level]);
		if (!carry)
			return;
		item += doubling.nodes[level];
	}
	atomic_long_add(carry, &item->count);
}

static __always_inline void doubling_add(struct doubling_counter *c, long inc)
{
	unsigned long new = this_cpu_add_return(*c->level0, (unsigned long)inc);
	long carry = doubling_carried(new, inc, DOUBLING_BATCH);

	if (unlikely(carry))
		doubling_carry(c, carry);
}

static inline long doubling_read(struct doubling_counter *c)
{
	return atomic_long_read(&doubling_root(c)->count);
}

static inline long doubling_sum(struct doubling_counter *c)
{
	unsigned long sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += *per_cpu_ptr(c->level0, cpu);
	return sum;
}

/* How far a sum may be too low; it is never too high. */
static inline unsigned long doubling_bound(unsigned int cpus)
{
	struct doubling_shape s = doubling_geometry(cpus);
	unsigned long bound = cpus * (DOUBLING_BATCH - 1), below = DOUBLING_BATCH;
	unsigned int level;

	for (level = 0; level + 1 < s.levels; level++) {
		bound += s.nodes[level] * (s.batch[level] - below);
		below = s.batch[level];
	}
	return bound;
}

#endif
