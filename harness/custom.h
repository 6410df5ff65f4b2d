/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the harness simulates: CPUs and their topology, per-CPU memory, atomic
 * operations with points in between at which other things may happen, boot.
 */
#ifndef _HARNESS_CUSTOM_H
#define _HARNESS_CUSTOM_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define shim_poison	__asan_poison_memory_region
#define shim_unpoison	__asan_unpoison_memory_region
#else
#define shim_poison(p, size)	((void)(p))
#define shim_unpoison(p, size)	((void)(p))
#endif

__attribute__((noreturn, format(printf, 2, 3)))
static void shim_fail(int line, const char *fmt, ...);
#define CHECK(cond, fmt, ...)						\
	do { if (!(cond)) shim_fail(__LINE__, fmt, ##__VA_ARGS__); } while (0)

/* A warning ends the test, unless it has been announced. */
static bool shim_expect_warning;
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
 * let others run in between.
 */
static _Thread_local unsigned int shim_cpu, shim_preempt, shim_locks;
static _Thread_local void (*shim_hook)(void);

static inline void shim_point(void)
{
	if (shim_hook)
		shim_hook();
}

/*
 * Acquire stands for the address dependencies that kernel code may rely on; the
 * thread sanitizer knows no fences, nor does this CPU reorder loads.
 */
#define shim_load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
/* Marked for the sanitizer of threads. */
#define data_race(x)		READ_ONCE(x)
#define READ_ONCE(x)		({ shim_point(); shim_load(&(x)); })
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_store_release(p, v)						\
	do {								\
		shim_point();						\
		__atomic_store_n(p, v, __ATOMIC_RELEASE);		\
		shim_point();						\
	} while (0)
#define smp_rmb()		barrier()

/* Atomic operation @op on *(@p), between two points. */
#define shim_rmw(op, p, ...)						\
({									\
	shim_point();							\
	__auto_type ret_ = op(p, ##__VA_ARGS__, __ATOMIC_ACQ_REL);	\
	shim_point();							\
	ret_;								\
})

/* Compare and exchange: @old is updated; whether it was done. */
#define shim_try_cmpxchg(p, old, new)					\
({									\
	shim_point();							\
	bool done_ = __atomic_compare_exchange_n(p, old, new, false,	\
				__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);	\
	shim_point();							\
	done_;								\
})

#define ATOMIC(name, type)						\
typedef struct { type counter; } name##_t;				\
static inline type name##_read(const name##_t *v)			\
{ return READ_ONCE(v->counter); }					\
static inline void name##_set(name##_t *v, type i)			\
{ WRITE_ONCE(v->counter, i); }						\
static inline type name##_add_return(type i, name##_t *v)		\
{ return shim_rmw(__atomic_add_fetch, &v->counter, i); }		\
static inline bool name##_try_cmpxchg(name##_t *v, type *old, type new)	\
{ return shim_try_cmpxchg(&v->counter, old, new); }			\
static inline void name##_add(type i, name##_t *v)			\
{ name##_add_return(i, v); }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
ATOMIC(atomic, int)
ATOMIC(atomic_long, long)
#pragma GCC diagnostic pop
#define atomic_long_try_cmpxchg_relaxed	atomic_long_try_cmpxchg

#define word_of(nr, map)	(&(map)[(nr) / 64])
#define mask_of(nr)		(1UL << (nr) % 64)
#define test_bit(nr, map)	(!!(READ_ONCE(*word_of(nr, map)) & mask_of(nr)))
#define test_and_set_bit(nr, map)					\
	(!!(shim_rmw(__atomic_fetch_or, word_of(nr, map), mask_of(nr)) & mask_of(nr)))
#define set_bit(nr, map)	((void)test_and_set_bit(nr, map))
#define clear_bit(nr, map)						\
	((void)shim_rmw(__atomic_fetch_and, word_of(nr, map), ~mask_of(nr)))

#include "dup.h"

/* Locks; what may be done at a point depends on whether one is held. */
struct shim_lock {
	pthread_mutex_t mutex;
};

typedef struct shim_lock spinlock_t;
#define DEFINE_SPINLOCK(l)	spinlock_t l = { PTHREAD_MUTEX_INITIALIZER }
#define DEFINE_MUTEX(l)		struct shim_lock l = { PTHREAD_MUTEX_INITIALIZER }

static void shim_lock(struct shim_lock *l, unsigned int preempt)
{
	pthread_mutex_lock(&l->mutex);
	shim_locks++;
	shim_preempt += preempt;
}

static void shim_unlock(struct shim_lock *l, unsigned int preempt)
{
	shim_preempt -= preempt;
	shim_locks--;
	pthread_mutex_unlock(&l->mutex);
}

#define spin_lock(l)		shim_lock(l, 1)
#define spin_unlock(l)		shim_unlock(l, 1)
#define mutex_lock(l)		shim_lock(l, 0)
#define mutex_unlock(l)		shim_unlock(l, 0)
#define preempt_disable()	(shim_preempt++)
#define preempt_enable()	(shim_preempt--)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
static void *guard_mutex(struct shim_lock *l) { mutex_lock(l); return l; }
static void guard_mutex_end(void *p) { mutex_unlock(*(struct shim_lock **)p); }
static void *guard_spinlock(spinlock_t *l) { spin_lock(l); return l; }
static void guard_spinlock_end(void *p) { spin_unlock(*(spinlock_t **)p); }
static void *guard_preempt(void) { preempt_disable(); return NULL; }
static void guard_preempt_end(void *p) { (void)p; preempt_enable(); }
static void *guard_cpus_read_lock(void) { return NULL; }
static void guard_cpus_read_lock_end(void *p) { (void)p; }
#pragma GCC diagnostic pop

/*
 * Per-CPU memory: one unit for each possible CPU, and poison in between. Below,
 * a pointer to a per-CPU variable is one into its section, and a pointer to
 * what has been allocated points into unit 0.
 */
#define SHIM_STATIC	1024
#define SHIM_SLOTS	48
#define SHIM_UNIT	(SHIM_STATIC + SHIM_SLOTS * 64 + 64)
#define DEFINE_PER_CPU(type, name)	__attribute__((section("percpu"))) type name
#define DEFINE_PER_CPU_READ_MOSTLY	DEFINE_PER_CPU

extern char __start_percpu[], __stop_percpu[];
static char *shim_arena;
static u64 shim_slots;
static size_t shim_sizes[SHIM_SLOTS];
static bool shim_fail_alloc;

static inline void *shim_ptr(const volatile void *p, unsigned int cpu)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)__start_percpu;

	BUG_ON(!(shim_load(word_of(cpu, cpu_possible.bits)) & mask_of(cpu)));
	if (at >= (uintptr_t)(__stop_percpu - __start_percpu))
		at = (uintptr_t)p - (uintptr_t)shim_arena;
	return shim_arena + (size_t)cpu * SHIM_UNIT + at;
}

static inline unsigned int shim_this_cpu(void)
{
	BUG_ON(!shim_preempt);
	return shim_cpu;
}

#define smp_processor_id()	shim_this_cpu()
#define raw_smp_processor_id()	shim_cpu
#define per_cpu_ptr(p, cpu)	((typeof(p))shim_ptr(p, cpu))
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))
#define raw_cpu_ptr(p)		per_cpu_ptr(p, shim_cpu)

/* The CPU is chosen after the point, in one with the operation. */
#define this_cpu_op(op, pcp, ...)					\
({									\
	shim_point();							\
	__auto_type ret_ = op(raw_cpu_ptr(&(pcp)), ##__VA_ARGS__, __ATOMIC_RELAXED); \
	shim_point();							\
	ret_;								\
})
#define this_cpu_read(pcp)		this_cpu_op(__atomic_load_n, pcp)
#define this_cpu_add_return(pcp, v)	this_cpu_op(__atomic_add_fetch, pcp, v)
#define this_cpu_add(pcp, v)		((void)this_cpu_add_return(pcp, v))
#define this_cpu_try_cmpxchg(pcp, old, new)				\
({									\
	shim_point();							\
	bool done_ = __atomic_compare_exchange_n(raw_cpu_ptr(&(pcp)), old, new, \
			false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);	\
	shim_point();							\
	done_;								\
})
#define this_cpu_cmpxchg(pcp, old, new)					\
({									\
	typeof(pcp) old_ = (old);					\
	this_cpu_try_cmpxchg(pcp, &old_, new);				\
	old_;								\
})

static DEFINE_MUTEX(shim_alloc_lock);

static void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	unsigned int need = DIV_ROUND_UP(size, 64), slot, cpu;
	u64 mask = (1ULL << need) - 1;

	BUG_ON(!size || !is_power_of_2(align) || align > 64);
	if (shim_fail_alloc)
		return NULL;
	guard(mutex)(&shim_alloc_lock);
	for (slot = 0; shim_slots & mask << slot; slot++)
		BUG_ON(slot + need >= SHIM_SLOTS);
	shim_slots |= mask << slot;
	shim_sizes[slot] = size;
	for_each_possible_cpu(cpu) {
		char *p = shim_arena + SHIM_STATIC + slot * 64 + (size_t)cpu * SHIM_UNIT;

		shim_unpoison(p, size);
		memset(p, 0, size);
	}
	return shim_arena + SHIM_STATIC + slot * 64;
}

static void free_percpu(void *p)
{
	unsigned int slot = ((char *)p - shim_arena - SHIM_STATIC) / 64, cpu;

	if (!p)
		return;
	guard(mutex)(&shim_alloc_lock);
	BUG_ON(slot >= SHIM_SLOTS || !shim_sizes[slot]);
	for_each_possible_cpu(cpu)
		shim_poison((char *)p + (size_t)cpu * SHIM_UNIT, shim_sizes[slot]);
	shim_slots &= ~(((1ULL << DIV_ROUND_UP(shim_sizes[slot], 64)) - 1) << slot);
	shim_sizes[slot] = 0;
}

#define alloc_percpu_gfp(type, gfp)					\
	((type *)__alloc_percpu_gfp(sizeof(type), __alignof__(type), gfp))

static void *memblock_alloc_or_panic(size_t size, size_t align)
{
	void *p = NULL;

	BUG_ON(posix_memalign(&p, max(align, sizeof(void *)), size));
	return memset(p, 0, size);
}

#define sort(base, n, size, cmp, swap_fn)	qsort(base, n, size, cmp)

/* Topology: set by the test before boot, told as the kernel does. */
enum { SHIM_CACHE, SHIM_CLUSTER, SHIM_CORE, SHIM_DOMAINS };

static struct shim_cpu {
	u16 numa, id[SHIM_DOMAINS], next[SHIM_DOMAINS];
	bool isolated;
} shim_cpus[NR_CPUS];
static bool shim_sched_ready;

#define cpu_to_node(cpu)	((int)shim_cpus[cpu].numa)
#define housekeeping_test_cpu(cpu, type)	(!shim_cpus[cpu].isolated)
#define topology_sibling_cpumask(cpu)	shim_siblings(cpu, SHIM_CORE)
#define topology_cluster_cpumask(cpu)	shim_siblings(cpu, SHIM_CLUSTER)

static inline bool cpus_share_cache(unsigned int a, unsigned int b)
{
	return !shim_sched_ready ||
	       (shim_cpus[a].isolated && shim_cpus[b].isolated) ||
	       (!shim_cpus[a].isolated && !shim_cpus[b].isolated &&
		shim_cpus[a].id[SHIM_CACHE] == shim_cpus[b].id[SHIM_CACHE]);
}

/* Those online of the CPUs that share a domain with @cpu, and itself. */
static const struct cpumask *shim_siblings(unsigned int cpu, unsigned int domain)
{
	static struct cpumask masks[SHIM_DOMAINS];
	struct cpumask *mask = &masks[domain];
	unsigned int other = cpu;

	cpumask_clear(mask);
	do {
		if (other == cpu || cpu_online(other))
			cpumask_set_cpu(other, mask);
		other = shim_cpus[other].next[domain];
	} while (other != cpu);
	return mask;
}

/* Boot, CPU hotplug, work, debugfs. */
static int (*shim_initcall)(void);
static int (*shim_came_online)(unsigned int cpu);
struct work_struct { void (*func)(struct work_struct *work); };
static struct work_struct *shim_work;

#define subsys_initcall(f)						\
	__attribute__((constructor)) static void f##_set(void) { shim_initcall = f; }
#define CPUHP_AP_ONLINE_DYN	0
#define cpuhp_setup_state_nocalls(state, name, up, down)	(shim_came_online = (up), 1)
#define DECLARE_WORK(w, f)	struct work_struct w = { f }
#define schedule_work(w)	((void)(shim_work = (w)))

struct seq_file { FILE *to; };
struct file_operations { int (*show)(struct seq_file *m, void *unused); };
static const struct file_operations *shim_file;
#define DEFINE_SHOW_ATTRIBUTE(name)					\
	static const struct file_operations name##_fops = { name##_show }
#define debugfs_create_file(name, mode, parent, data, fops)	((void)(shim_file = (fops)))
#define seq_puts(m, s)		fputs(s, (m)->to)

/* Knows %u, %lu and %*pbl. */
static void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	unsigned int bit, size, from;
	const unsigned long *map;
	const char *sep = "";
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			fputc(*fmt, m->to);
		} else if (*++fmt == 'u') {
			fprintf(m->to, "%u", va_arg(ap, unsigned int));
		} else if (*fmt == 'l') {
			fmt++;
			fprintf(m->to, "%lu", va_arg(ap, unsigned long));
		} else {
			BUG_ON(strncmp(fmt, "*pbl", 4));
			fmt += 3;
			size = va_arg(ap, unsigned int);
			map = va_arg(ap, const unsigned long *);
			for_each_set_bit(bit, map, size) {
				for (from = bit; bit + 1 < size && test_bit(bit + 1, map);)
					bit++;
				fprintf(m->to, from < bit ? "%s%u-%u" : "%s%u", sep, from, bit);
				sep = ",";
			}
		}
	}
	va_end(ap);
}

/*
 * Have @cpus possible CPUs, none of them booted yet; with @holes, about every
 * third CPU number does not exist.
 */
static void shim_possible(unsigned int cpus, bool holes)
{
	unsigned int cpu = 0;

	for (; cpus; cpu++)
		if (!holes || cpu * 7 % 3 != 1 || NR_CPUS - cpu <= cpus) {
			cpu_possible.bits[cpu / 64] |= mask_of(cpu);
			cpus--;
		}
	nr_cpu_ids = cpu;
	shim_cpu = find_first_bit(cpu_possible.bits, cpu);
	BUG_ON(__stop_percpu - __start_percpu > SHIM_STATIC);
	shim_arena = mmap(NULL, (size_t)cpu * SHIM_UNIT, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	BUG_ON(shim_arena == MAP_FAILED);
	for_each_possible_cpu(cpu) {
		memcpy(shim_ptr(__start_percpu, cpu), __start_percpu,
		       __stop_percpu - __start_percpu);
		shim_poison(shim_arena + (size_t)cpu * SHIM_UNIT + SHIM_STATIC,
			    SHIM_UNIT - SHIM_STATIC);
	}
}

#endif
