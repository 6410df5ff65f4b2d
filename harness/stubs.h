/* SPDX-License-Identifier: GPL-2.0-only */
/* What the code under test mentions and the harness does without. */
#ifndef _HARNESS_STUBS_H
#define _HARNESS_STUBS_H

#define __init
#define __percpu
#define __uninitialized
#define __ro_after_init
#define __read_mostly
#define unrolled_full
#define unrolled_count(n)
#define ____cacheline_aligned		__attribute__((aligned(SMP_CACHE_BYTES)))
#define ____cacheline_aligned_in_smp	____cacheline_aligned
#define EXPORT_SYMBOL_GPL(sym)
#define ALLOW_ERROR_INJECTION(sym, type)
#define EXPORT_SYMBOL_IF_KUNIT(sym)
#define VISIBLE_IF_KUNIT

typedef unsigned int gfp_t;
#define GFP_KERNEL		0u

/* Arguments are used, and nothing is printed. */
#define no_printk(fmt, ...)	((void)sizeof(printf(fmt, ##__VA_ARGS__)))
#define pr_info(fmt, ...)	no_printk(pr_fmt(fmt), ##__VA_ARGS__)

#endif
