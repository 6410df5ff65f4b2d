/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Atomic operations of the library go to a model of memory: loads may find old
 * values. Included after kernel.h.
 */
#ifndef _HARNESS_WEAK_H
#define _HARNESS_WEAK_H

enum weak_op { WEAK_ADD, WEAK_OR, WEAK_AND, WEAK_XCHG };

#ifdef __cplusplus
extern "C" {
#endif

/* --- relacy.cc: the model; what has not been shared there is memory as usual */

unsigned long weak_load(const volatile void *p, size_t size, int order);
void weak_store(volatile void *p, size_t size, unsigned long value, int order);
unsigned long weak_rmw(enum weak_op op, volatile void *p, size_t size, unsigned long value,
		       int order);
bool weak_cmpxchg(volatile void *p, size_t size, void *old, unsigned long value, int order);
void *weak_memset(void *p, int c, size_t size);
void weak_share(void *p, size_t size);
void weak_check(bool cond, const char *what);

/* --- scene.c: what threads do */

#define WEAK_THREADS	3
void scene_boot(void);
void scene_begin(void);
void scene_thread(unsigned int thread);
extern _Thread_local unsigned int shim_cpu, shim_preempt;

#ifdef __cplusplus
}
#else

#define weak_type(p)	typeof(({ __auto_type v_ = *(p); v_; }))
#define weak_rmw_of(op, p, v, order)					\
	((weak_type(p))weak_rmw(op, p, sizeof(*(p)), (unsigned long)(v), order))

#define __atomic_load_n(p, order)	((weak_type(p))weak_load(p, sizeof(*(p)), order))
#define __atomic_store_n(p, v, order)	weak_store(p, sizeof(*(p)), (unsigned long)(v), order)
#define __atomic_fetch_add(p, v, order)	weak_rmw_of(WEAK_ADD, p, v, order)
#define __atomic_fetch_or(p, v, order)	weak_rmw_of(WEAK_OR, p, v, order)
#define __atomic_fetch_and(p, v, order)	weak_rmw_of(WEAK_AND, p, v, order)
#define __atomic_exchange_n(p, v, order)	weak_rmw_of(WEAK_XCHG, p, v, order)
#define __atomic_add_fetch(p, v, order)					\
({									\
	weak_type(p) inc_value_ = (v);					\
	weak_rmw_of(WEAK_ADD, p, inc_value_, order) + inc_value_;	\
})
#define __atomic_compare_exchange_n(p, old, v, weak, order, order_if_not)	\
	weak_cmpxchg(p, sizeof(*(p)), old, (unsigned long)(v), order)
#undef memset
#define memset		weak_memset

#endif

#endif
