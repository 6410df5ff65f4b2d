/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the harness simulates: CPUs and their topology, per-CPU memory, atomic
 * operations with points in between at which other things may happen, boot.
 */
#ifndef _HARNESS_CUSTOM_H
#define _HARNESS_CUSTOM_H

/* Tells where, what, and by shim_show_case, if set, how it came to it; ends the process. */
__attribute__((noreturn, format(printf, 3, 4)))
void shim_fail(const char *file, int line, const char *fmt, ...);
extern void (*shim_show_case)(void);
#define CHECK(cond, fmt, ...)						\
	do { if (!(cond)) shim_fail(__FILE__, __LINE__, fmt, ##__VA_ARGS__); } while (0)

/* A warning ends the test, unless it has been announced. */
extern bool shim_expect_warning;
#define BUG_ON(cond)		CHECK(!(cond), "BUG_ON(" #cond ")")
#define WARN_ON(cond)							\
({									\
	bool warn_ = (cond);						\
	CHECK(!warn_ || shim_expect_warning, "WARN_ON(" #cond ")");	\
	warn_;								\
})
#define WARN_ON_ONCE		WARN_ON

/*
 * Points: before each atomic operation and after each that writes, the hook of
 * the test may move the task to another CPU, unless preemption is disabled, or
 * let others run in between. With SHIM_NATIVE there are none, for measuring time.
 */
extern _Thread_local unsigned int shim_cpu, shim_preempt, shim_locks;
extern _Thread_local void (*shim_hook)(void);

static inline void shim_point(void)
{
#ifndef SHIM_NATIVE
	if (shim_hook)
		shim_hook();
#endif
}

/*
 * Is told of each operation on memory that others may use, before it, and
 * before preemption is disabled: schedule.c runs others then. Some bits of a
 * word are read, written, or added to by an operation that returns nothing.
 */
enum { SHIM_NONE, SHIM_READ, SHIM_ADD, SHIM_WRITE, SHIM_LOCAL = 4 };
extern void (*shim_before)(uintptr_t at, size_t size, unsigned long bits, unsigned int how);

static inline void shim_tell(const volatile void *p, size_t size, unsigned long bits,
			     unsigned int how)
{
#ifndef SHIM_NATIVE
	if (shim_before)
		shim_before((uintptr_t)p, size, bits, how);
#endif
}

/* Is told of each write to the word of a CPU, a node, the root, or another shared word. */
extern void (*shim_wrote)(const volatile void *p);
/* Writes of u16 by WRITE_ONCE(): those of the map. */
extern unsigned long shim_map_writes;

static inline void shim_written(const volatile void *p)
{
#ifndef SHIM_NATIVE
	if (shim_wrote)
		shim_wrote(p);
#endif
}

#define shim_load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define shim_read(order, p, bits)					\
({									\
	shim_tell(p, sizeof(*(p)), bits, SHIM_READ);			\
	shim_point();							\
	__atomic_load_n(p, order);					\
})
#define READ_ONCE(x)		shim_read(__ATOMIC_RELAXED, &(x), ~0UL)
#define WRITE_ONCE(x, v)						\
	do {								\
		shim_tell(&(x), sizeof(x), ~0UL, SHIM_WRITE);		\
		if (sizeof(x) == sizeof(u16))				\
			__atomic_fetch_add(&shim_map_writes, 1, __ATOMIC_RELAXED); \
		__atomic_store_n(&(x), v, __ATOMIC_RELAXED);		\
	} while (0)
#define smp_load_acquire(p)	shim_read(__ATOMIC_ACQUIRE, p, ~0UL)
#define smp_store_release(p, v)						\
	do {								\
		shim_tell(p, sizeof(*(p)), ~0UL, SHIM_WRITE);		\
		shim_point();						\
		__atomic_store_n(p, v, __ATOMIC_RELEASE);		\
		shim_point();						\
	} while (0)

/* Not atomic, but one operation here. */
static inline void *shim_memset(void *p, int c, size_t size)
{
	shim_tell(p, size, ~0UL, SHIM_WRITE);
	return memset(p, c, size);
}
#define memset			shim_memset

/* Atomic operation @op on @bits of *(@p), between two points. */
#define shim_rmw(how, bits, op, order, p, ...)				\
({									\
	shim_tell(p, sizeof(*(p)), bits, how);				\
	shim_point();							\
	__auto_type ret_ = op(p, ##__VA_ARGS__, order);			\
	shim_written(p);						\
	shim_point();							\
	ret_;								\
})

/* Compare and exchange: @old is updated; whether it was done. */
#define shim_try_cmpxchg(order, p, old, new)				\
({									\
	shim_tell(p, sizeof(*(p)), ~0UL, SHIM_WRITE);			\
	shim_point();							\
	bool done_ = __atomic_compare_exchange_n(p, old, new, false,	\
				order, __ATOMIC_RELAXED);		\
	if (done_)							\
		shim_written(p);					\
	shim_point();							\
	done_;								\
})
#define cmpxchg(p, old, new)						\
({									\
	typeof(*(p)) cmpxchg_ = (old);					\
	shim_try_cmpxchg(__ATOMIC_SEQ_CST, p, &cmpxchg_, new);		\
	cmpxchg_;							\
})

typedef struct { long counter; } atomic_long_t;
#define atomic_long_read(v)	READ_ONCE((v)->counter)
#define atomic_long_set(v, i)						\
	do {								\
		shim_point();						\
		WRITE_ONCE((v)->counter, i);				\
		shim_written(&(v)->counter);				\
		shim_point();						\
	} while (0)
#define shim_add(how, op, order, v, i)	shim_rmw(how, ~0UL, op, order, &(v)->counter, i)
#define atomic_long_add(i, v)						\
	((void)shim_add(SHIM_ADD, __atomic_fetch_add, __ATOMIC_RELAXED, v, i))
#define atomic_long_sub(i, v)	atomic_long_add(-(i), v)
#define atomic_long_add_return(i, v)					\
	shim_add(SHIM_WRITE, __atomic_add_fetch, __ATOMIC_SEQ_CST, v, i)
#define atomic_long_add_return_relaxed(i, v)				\
	shim_add(SHIM_WRITE, __atomic_add_fetch, __ATOMIC_RELAXED, v, i)
#define atomic_long_xchg_relaxed(v, i)					\
	shim_add(SHIM_WRITE, __atomic_exchange_n, __ATOMIC_RELAXED, v, i)

#define word_of(nr, map)	(&(map)[(nr) / BITS_PER_LONG])
#define mask_of(nr)		(1UL << (nr) % BITS_PER_LONG)
#define shim_test_bit(order, nr, map)					\
	(!!(shim_read(order, word_of(nr, map), mask_of(nr)) & mask_of(nr)))
#define shim_change_bit(op, order, nr, map, arg)			\
	shim_rmw(SHIM_WRITE, mask_of(nr), op, order, word_of(nr, map), arg)
#define test_bit(nr, map)	shim_test_bit(__ATOMIC_RELAXED, nr, map)
#define test_bit_acquire(nr, map)	shim_test_bit(__ATOMIC_ACQUIRE, nr, map)
#define test_and_set_bit(nr, map)					\
	(!!(shim_change_bit(__atomic_fetch_or, __ATOMIC_SEQ_CST, nr, map, mask_of(nr)) & \
	    mask_of(nr)))
#define set_bit(nr, map)						\
	((void)shim_change_bit(__atomic_fetch_or, __ATOMIC_RELAXED, nr, map, mask_of(nr)))
#define clear_bit(nr, map)						\
	((void)shim_change_bit(__atomic_fetch_and, __ATOMIC_RELAXED, nr, map, ~mask_of(nr)))

#include "dup.h"

/* Locks; what may be done at a point depends on whether one is held. */
struct shim_lock {
	pthread_mutex_t mutex;
	bool held;
};

#define DEFINE_MUTEX(l)		struct shim_lock l = { PTHREAD_MUTEX_INITIALIZER }
#define lockdep_assert_held(l)	BUG_ON(!(l)->held)

static inline void mutex_lock(struct shim_lock *l)
{
	pthread_mutex_lock(&l->mutex);
	l->held = true;
	shim_locks++;
}

static inline void mutex_unlock(struct shim_lock *l)
{
	shim_locks--;
	l->held = false;
	pthread_mutex_unlock(&l->mutex);
}

/* Held by CPU hotplug, too: the masks of the topology do not change. */
extern unsigned int shim_hotplug_held;

static inline void *guard_mutex(struct shim_lock *l) { mutex_lock(l); return l; }
static inline void guard_mutex_end(void *p) { mutex_unlock(*(struct shim_lock **)p); }
static inline void *guard_preempt(void)
{
	shim_tell(NULL, 0, 0, SHIM_NONE);
	shim_preempt++;
	return NULL;
}
static inline void guard_preempt_end(void *p) { (void)p; shim_preempt--; }
static inline void *guard_cpus_read_lock(void) { shim_hotplug_held++; return NULL; }
static inline void guard_cpus_read_lock_end(void *p) { (void)p; shim_hotplug_held--; }

/*
 * Per-CPU memory: one unit for each possible CPU, and poison in between. Below,
 * a pointer to a per-CPU variable is one into its section, and a pointer to
 * what has been allocated points behind it, where nothing is: the distance to
 * the unit of a CPU is the same for both. With SHIM_NATIVE a unit has room for
 * many groups, and the distance is ready for the CPU of a thread.
 */
#define SHIM_STATIC	1024
#define SHIM_SLOTS	48
#ifdef SHIM_NATIVE
#define SHIM_UNIT	(1UL << 20)
#else
#define SHIM_UNIT	(SHIM_STATIC + SHIM_SLOTS * 64 + 64)
#endif
#define DEFINE_PER_CPU_READ_MOSTLY(type, name)				\
	__attribute__((section("percpu"), aligned(64))) type name
#define DECLARE_PER_CPU_READ_MOSTLY(type, name)	extern type name

extern char __start_percpu[], __stop_percpu[];
extern char *shim_arena;
extern u64 shim_slots;
extern bool shim_fail_alloc;

static inline uintptr_t shim_distance(unsigned int cpu)
{
	return (uintptr_t)shim_arena + (size_t)cpu * SHIM_UNIT - (uintptr_t)__start_percpu;
}

static inline void *shim_ptr(const volatile void *p, unsigned int cpu)
{
#ifndef SHIM_NATIVE
	BUG_ON(!(shim_load(word_of(cpu, cpu_possible.bits)) & mask_of(cpu)));
#endif
	return (void *)((uintptr_t)p + shim_distance(cpu));
}

static inline unsigned int smp_processor_id(void)
{
	BUG_ON(!shim_preempt);
	return shim_cpu;
}

#define per_cpu_ptr(p, cpu)	((typeof(p))shim_ptr(p, cpu))
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))

/* One instruction without lock prefix where there is one, as the kernel does it. */
#if defined(SHIM_NATIVE) && defined(__x86_64__)
#define shim_local_add_return(p, v)					\
({									\
	typeof(p) p_ = (p);						\
	typeof(*p_) inc_ = (v), was_ = inc_;				\
	asm volatile("xadd %0, %1" : "+r" (was_), "+m" (*p_) : : "memory", "cc"); \
	was_ + inc_;							\
})
#define shim_local_try_cmpxchg(p, old, new)				\
({									\
	typeof(p) p_ = (p);						\
	typeof(*p_) *old_p_ = (old), was_ = *old_p_, new_ = (new);	\
	bool same_;							\
	asm volatile("cmpxchg %3, %1"					\
		     : "+a" (was_), "+m" (*p_), "=@ccz" (same_) : "r" (new_) : "memory"); \
	*old_p_ = was_;							\
	same_;								\
})
#else
#define shim_local_add_return(p, v)	__atomic_add_fetch(p, v, __ATOMIC_RELAXED)
#define shim_local_try_cmpxchg(p, old, new)				\
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#endif

#ifdef SHIM_NATIVE
/* Set with shim_cpu. */
extern _Thread_local uintptr_t shim_my_distance;
#define raw_cpu_ptr(p)		((typeof(p))((uintptr_t)(p) + shim_my_distance))
#else
#define raw_cpu_ptr(p)		per_cpu_ptr(p, shim_cpu)
#endif

/* The CPU is chosen after the point, in one with the operation. */
#define shim_tell_local(how, pcp)					\
	shim_tell(&(pcp), sizeof(pcp), ~0UL, SHIM_LOCAL | (how))
#define this_cpu_read(pcp)						\
({									\
	shim_tell_local(SHIM_READ, pcp);				\
	shim_point();							\
	shim_load(raw_cpu_ptr(&(pcp)));					\
})
#define this_cpu_add_return(pcp, v)					\
({									\
	shim_tell_local(SHIM_WRITE, pcp);				\
	shim_point();							\
	typeof(&(pcp)) at_ = raw_cpu_ptr(&(pcp));			\
	__auto_type ret_ = shim_local_add_return(at_, v);		\
	shim_written(at_);						\
	shim_point();							\
	ret_;								\
})
#define this_cpu_try_cmpxchg(pcp, old, new)				\
({									\
	shim_tell_local(SHIM_WRITE, pcp);				\
	shim_point();							\
	typeof(&(pcp)) at_ = raw_cpu_ptr(&(pcp));			\
	bool done_ = shim_local_try_cmpxchg(at_, old, new);		\
	if (done_)							\
		shim_written(at_);					\
	shim_point();							\
	done_;								\
})
#define this_cpu_cmpxchg(pcp, old, new)					\
({									\
	typeof(pcp) old_ = (old);					\
	this_cpu_try_cmpxchg(pcp, &old_, new);				\
	old_;								\
})

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *p);
void *kvmalloc_array(size_t n, size_t size, gfp_t gfp);

#define sort(base, n, size, cmp, swap_fn)	qsort(base, n, size, cmp)

/*
 * Topology: set by the test, told as the kernel does. Masks have online CPUs
 * only, and none may be asked for of a CPU that is offline.
 */
enum { SHIM_CACHE, SHIM_CLUSTER, SHIM_CORE, SHIM_DOMAINS };

struct shim_cpu {
	u16 numa, id[SHIM_DOMAINS], next[SHIM_DOMAINS];
	bool isolated, no_cacheinfo;
};
extern struct shim_cpu shim_cpus[NR_CPUS];

struct cacheinfo { cpumask_t shared_cpu_map; };

#define cpu_to_node(cpu)		((int)shim_cpus[cpu].numa)
#define topology_sibling_cpumask(cpu)	shim_siblings(cpu, SHIM_CORE)
#define topology_cluster_cpumask(cpu)	shim_siblings(cpu, SHIM_CLUSTER)
/* For those who would make placement depend on it. */
#define HK_TYPE_DOMAIN			0
#define housekeeping_test_cpu(cpu, type)	(!shim_cpus[cpu].isolated)

const struct cpumask *shim_siblings(unsigned int cpu, unsigned int domain);
const struct cacheinfo *get_cpu_cacheinfo_llc(unsigned int cpu);
void shim_link(void);
void shim_possible(unsigned int cpus, bool holes);
void shim_shut_down(void);

/* Boot, CPU hotplug, debugfs. */
extern int (*shim_initcall)(void);
extern int (*shim_came_online)(unsigned int cpu);

#define late_initcall(f)						\
	__attribute__((constructor)) static void f##_set(void) { shim_initcall = f; }
#define CPUHP_AP_ONLINE_DYN	0
#define cpuhp_setup_state_nocalls_cpuslocked(state, name, up, down)	\
	({ BUG_ON(!shim_hotplug_held); shim_came_online = (up); 1; })

struct seq_file { FILE *to; };
struct file_operations { int (*show)(struct seq_file *m, void *unused); };
extern const struct file_operations *shim_file;
#define DEFINE_SHOW_ATTRIBUTE(name)					\
	static const struct file_operations name##_fops = { name##_show }
#define debugfs_create_file(name, mode, parent, data, fops)	((void)(shim_file = (fops)))
#define seq_puts(m, s)		fputs(s, (m)->to)
void seq_printf(struct seq_file *m, const char *fmt, ...);

#endif
