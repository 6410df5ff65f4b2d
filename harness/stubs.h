/* SPDX-License-Identifier: GPL-2.0-only */
/* What the code under test mentions and the harness does without. */
#ifndef _HARNESS_STUBS_H
#define _HARNESS_STUBS_H

#define __init
#define __percpu
#define __user
#define __ro_after_init
#define __read_mostly
#define __maybe_unused		__attribute__((unused))
#define __must_check
#define __cold
#define ____cacheline_aligned		__attribute__((aligned(SMP_CACHE_BYTES)))
#define ____cacheline_aligned_in_smp	____cacheline_aligned
#define EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_GPL(sym)
#define EXPORT_SYMBOL_IF_KUNIT(sym)
#define VISIBLE_IF_KUNIT
#define KERN_INFO

typedef unsigned int gfp_t;
#define GFP_KERNEL		0u
#define GFP_ATOMIC		1u
#define __GFP_NOWARN		2u
#define __GFP_ZERO		4u
#define GFP_NOWAIT		8u
#define GFP_KERNEL_ACCOUNT	16u

/* Arguments are used, and nothing is printed. */
#define no_printk(fmt, ...)	((void)sizeof(printf(fmt, ##__VA_ARGS__)))
#define pr_info(fmt, ...)	no_printk(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info_once		pr_info
#define pr_warn			pr_info
#define pr_warn_once		pr_info
#define pr_debug		pr_info

#define might_sleep()			((void)0)
#define lockdep_assert_held(lock)	((void)(lock))
#define cond_resched()			((void)0)
#define cpu_relax()			((void)0)
#define HK_TYPE_DOMAIN			0

#endif
