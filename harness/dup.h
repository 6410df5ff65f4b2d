/* SPDX-License-Identifier: GPL-2.0-only */
/* Small things that mean what they mean in the kernel. */
#ifndef _HARNESS_DUP_H
#define _HARNESS_DUP_H

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define BITS_PER_LONG	__LONG_WIDTH__
#define BITS_PER_BYTE	8
#define SMP_CACHE_BYTES	64

#define unlikely(x)		__builtin_expect(!!(x), 0)
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#define noinline		__attribute__((noinline))
#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax()		__builtin_ia32_pause()
#else
#define cpu_relax()		asm volatile("" : : : "memory")
#endif
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_CLOSEST(n, d)	(((n) + (d) / 2) / (d))
#define BIT(n)			(1UL << (n))
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]
#define BUILD_BUG_ON(cond)	((void)sizeof(char[1 - 2 * !!(cond)]))

#define compare_(a, b, op)						\
({									\
	__auto_type a_ = (a);						\
	__auto_type b_ = (b);						\
	a_ op b_ ? a_ : b_;						\
})
#define min(a, b)		compare_(a, b, <)
#define max(a, b)		compare_(a, b, >)
#define min3(a, b, c)		min(min(a, b), c)
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define swap(a, b)		do { typeof(a) t_ = (a); (a) = (b); (b) = t_; } while (0)

#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))
#define ilog2(n)		(BITS_PER_LONG - 1 - __builtin_clzl(n))
#define order_base_2(n)		((n) > 1 ? ilog2((n) - 1) + 1 : 0)
#define roundup_pow_of_two(n)	(1UL << order_base_2((unsigned long)(n)))
#define __ffs(n)		((unsigned int)__builtin_ctzl(n))

/* IS_ENABLED(CONFIG_X): 1 if CONFIG_X is defined to 1, 0 if it is not defined. */
#define enabled_1		0, 1
#define enabled_third(a, b, c, ...)	c
#define enabled_pick(...)	enabled_third(__VA_ARGS__, 0, 0)
#define enabled_paste(x)	enabled_pick(0, enabled_##x)
#define IS_ENABLED(x)		enabled_paste(x)

/* guard(name)(arguments): guard_name() now, guard_name_end() at the end of the block. */
#define guard_paste(a, b)	a##b
#define guard_line(a, b)	guard_paste(a, b)
#define guard(name)							\
	__attribute__((cleanup(guard_##name##_end), unused))		\
	void *guard_line(guard_at_, __LINE__) = guard_##name

/* Bitmaps and CPU masks; test_and_set_bit() and the like are in custom.h. */
static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long bit)
{
	while (bit < size) {
		unsigned long word = READ_ONCE(map[bit / BITS_PER_LONG]) >> bit % BITS_PER_LONG;

		if (word)
			return min(bit + __ffs(word), size);
		bit = (bit | (BITS_PER_LONG - 1)) + 1;
	}
	return size;
}

#define find_first_bit(map, size)	find_next_bit(map, size, 0)
#define for_each_set_bit(bit, map, size)				\
	for ((bit) = find_next_bit(map, size, 0); (bit) < (size);	\
	     (bit) = find_next_bit(map, size, (bit) + 1))
#define bitmap_zero(map, n)	memset(map, 0, BITS_TO_LONGS(n) * sizeof(long))

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int size)
{
	unsigned int bit, weight = 0;

	for_each_set_bit(bit, map, size)
		weight++;
	return weight;
}

typedef struct cpumask { DECLARE_BITMAP(bits, NR_CPUS); } cpumask_t;
typedef struct cpumask *cpumask_var_t;

extern unsigned int nr_cpu_ids;
extern struct cpumask cpu_possible, cpu_online_now;
#define cpu_possible_mask	((const struct cpumask *)&cpu_possible)
#define cpu_online_mask		((const struct cpumask *)&cpu_online_now)

#define cpumask_test_cpu(cpu, m)	test_bit(cpu, (m)->bits)
#define cpumask_set_cpu(cpu, m)		set_bit(cpu, (m)->bits)
#define cpumask_clear_cpu(cpu, m)	clear_bit(cpu, (m)->bits)
#define cpumask_clear(m)		bitmap_zero((m)->bits, nr_cpu_ids)
#define cpumask_weight(m)		bitmap_weight((m)->bits, nr_cpu_ids)
#define cpumask_next(cpu, m)						\
	((unsigned int)find_next_bit((m)->bits, nr_cpu_ids, (unsigned int)(cpu) + 1))
#define cpumask_first(m)		cpumask_next(-1, m)
#define cpumask_pr_args(m)		nr_cpu_ids, (m)->bits
#define for_each_cpu(cpu, m)						\
	for ((cpu) = cpumask_first(m); (unsigned int)(cpu) < nr_cpu_ids;	\
	     (cpu) = cpumask_next(cpu, m))
#define for_each_possible_cpu(cpu)	for_each_cpu(cpu, cpu_possible_mask)
#define for_each_online_cpu(cpu)	for_each_cpu(cpu, cpu_online_mask)
#define cpu_possible(cpu)		cpumask_test_cpu(cpu, cpu_possible_mask)
#define cpu_online(cpu)			cpumask_test_cpu(cpu, cpu_online_mask)
#define num_possible_cpus()		cpumask_weight(cpu_possible_mask)
#define zalloc_cpumask_var(m, gfp)					\
	((*(m) = shim_fail_alloc ? NULL : calloc(1, sizeof(**(m)))) != NULL)
#define free_cpumask_var(m)		free(m)

#endif
