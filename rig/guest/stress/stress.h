/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the stress share. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif

#define PAGE	4096L
#define KIB	1024L
#define MIB	(1024 * KIB)
#define HUGE	(2 * MIB)
#define CPUS	8	/* online at a time, at most */

#define SELF	"/mnt/ram/stress"
#define DATA	"/mnt/ram/data"
#define CGROUP	"/sys/fs/cgroup/"
#define TIGHT	CGROUP "tight/"
#define APART	CGROUP "apart/"
#define DEBUGFS	"/sys/kernel/debug/"
#define FAIL_FUNCTION	DEBUGFS "fail_function/"
#define TRACING	"/sys/kernel/tracing/"
#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define KSM	"/sys/kernel/mm/ksm/"

#define THREAD_FLAGS	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
			 CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | \
			 CLONE_CHILD_CLEARTID)

#define KINDS(X)							\
	X(CHECK_SELF, "counters compared by a process itself")		\
	X(CHECK_OTHER, "counters compared from outside")		\
	X(CHECK_KNOWN, "mappings of known size compared")		\
	X(THREAD, "thread created")					\
	X(FAULT, "range of pages touched")				\
	X(UNMAP, "memory unmapped")					\
	X(MREMAP, "memory moved by mremap")				\
	X(DONTNEED, "MADV_DONTNEED")					\
	X(FREE, "MADV_FREE")						\
	X(PAGEOUT, "MADV_PAGEOUT")					\
	X(COLLAPSE, "MADV_COLLAPSE")					\
	X(MERGEABLE, "MADV_MERGEABLE")					\
	X(FORK, "fork")							\
	X(FORK_THREADED, "fork by a thread of several")			\
	X(VFORK, "vfork")						\
	X(EXEC, "exec")							\
	X(ORPHAN, "vfork child outlived its killed parent")		\
	X(WRITEV, "process_vm_writev")					\
	X(WRITEV_CLONE, "process_vm_writev while a thread is created")	\
	X(PMADVISE, "process_madvise")					\
	X(MRELEASE, "process_mrelease")					\
	X(KILLED, "process with threads killed")			\
	X(OFFLINE, "CPU taken offline")					\
	X(ONLINE, "CPU brought online")					\
	X(ISOLATED, "CPU isolated by a partition")			\
	X(FAILED_THREAD, "creation of a thread failed")			\
	X(FAILED_FORK, "fork failed")					\
	X(FAILED_MAP, "mmap or munmap failed")				\
	X(TIGHT_THREAD, "thread created at the limit of its group")	\
	X(TIGHT_FORK, "fork at the limit of its group")			\
	/* From here on counted by the kernel. */			\
	X(SWAPOUT, "page swapped out")					\
	X(SWAPIN, "page swapped in")					\
	X(KHUGEPAGED, "huge page made by khugepaged")			\
	X(MERGED, "pages shared by ksm, at most at once")		\
	X(RECLAIM, "limit of a memory cgroup reached")			\
	X(INJECTED_PAGE, "page allocation failed by injection")		\
	X(INJECTED_SLAB, "slab allocation failed by injection")		\
	X(ACTIVATED, "activation that succeeded, then or before")		\
	X(NOT_ACTIVATED, "activation that failed")

#define AS_ENUM(name, text)	name,
#define AS_TEXT(name, text)	text,
enum kind { KINDS(AS_ENUM) NR_KINDS };

/* In memory that all processes share. */
extern struct shared {
	long count[NR_KINDS];
	long failures;
	long checks_retried;
	long lost;
	int stop;
	/* The CPUs that are online, or -1; the first one stays. */
	int cpus[CPUS];
} *shared;

/* common.c */
extern char status_text[8 * KIB], smaps_text[256 * KIB];
extern char stacks[4][64 * KIB];

void happened(enum kind kind);
bool stopped(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void failure(const char *what);
void die(const char *what) __attribute__((noreturn));
void sleep_ms(long ms);
long now_ms(void);
unsigned long random_below(unsigned long *state, unsigned long n);
long field(const char *path, const char *name);
void *map(long bytes, int flags);
void touch(volatile char *p, long bytes);
void hop(unsigned long n);
void roam(void);
pid_t fork_counted(enum kind kind);
void wait_for(pid_t pid, const char *what);
void join_group(const char *procs);
void make_thread_ids(void);
bool start_thread(int i, int (*run)(void *), void *arg);
void join_thread(int i);
void settle(void);

#include "../files.h"

/* compare.c */
bool check(pid_t pid, const char *what);
int known_thread(void *unused);
void known(int threads);

/* kernel.c */
/* What the kernel has. */
extern bool have_injection, have_kmemleak;

void set_up(void);
void take_counts(long *count);
bool possible(enum kind kind);
bool no_leaks(void);

/* machine.c */
void list_cpus(void);

/* forker.c */
extern char shared_fd[16];

int executed(const char *fd);

/* What runs all the time; each is started again when it has ended. */
void hotplug(void);
void partition(void);
void forker(void);
void remote(void);
void faulty(void);
void tight_group(void);
void huge(void);
void mapper(void);
