/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the harness share. */
#ifndef _HARNESS_H
#define _HARNESS_H

#include "kernel.h"
#include "percpu_counter_tree.h"

#define MAX_ADD		((long)PERCPU_COUNTER_TREE_MAX_ADD)
#define SHIFT		PERCPU_COUNTER_TREE_SHIFT
/* Not 0 in the word of a CPU that is live. */
#define LIVE		PERCPU_COUNTER_TREE_OFFSET
#define NR_DOMAINS	PERCPU_COUNTER_TREE_NR_DOMAINS
#define UNKNOWN		PERCPU_COUNTER_TREE_UNKNOWN
#define LEAF_FANOUT	PERCPU_COUNTER_TREE_LEAF_FANOUT
#define FANOUT		PERCPU_COUNTER_TREE_FANOUT
#define LEVELS		PERCPU_COUNTER_TREE_MAX_LEVELS
#define NODES		PERCPU_COUNTER_TREE_STATIC_NODES
#define MAX_N		20
#define MAX_DEPTH	40

/* --- random numbers */

extern _Thread_local u64 rnd_state;

static inline void rnd_seed(u64 seed)
{
	rnd_state = seed;
}

static inline u64 rnd(void)
{
	u64 x = rnd_state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline unsigned long below(unsigned long n)
{
	return rnd() % n;
}

/* --- main.c: the case at hand */

extern bool full;
extern u64 test_seed;

/* --- notes.c: what has happened */

void note(const char *what, unsigned int i, long value);
void forget_notes(void);
void show_notes(void);

/* --- machine.c: simulated machines, and the map that the library made for them */

/* Where CPUs are in truth, in the terms of the library. */
extern struct percpu_counter_tree_place topology[NR_CPUS];
/* Possible CPUs. */
extern u16 cpu_list[NR_CPUS];
extern unsigned int nr_list;

extern struct percpu_counter_tree_shape shape;

void random_places(struct percpu_counter_tree_place *at, unsigned int units);
/* Random topology; one in @late CPUs comes online later, or never. */
void boot(unsigned int cpus, bool holes, unsigned int late);
/* The same in steps: possible CPUs, then topology[] and cpu_online_now, then this. */
void possible(unsigned int cpus, bool holes);
void boot_as_set(void);
/* All CPUs are online and in one domain. */
void boot_plain(unsigned int cpus);
/* The batch of RSS: the largest power of two from 4 to 32 that keeps to 16 MiB. */
unsigned long rss_batch(unsigned long page_size);
void come_online(unsigned int cpu);
void go_offline(unsigned int cpu);
void tell_topology(void);

/* As the debugfs file says: some CPU of each node, the leaf of each CPU. */
extern u16 node_cpu[NODES + 1], leaf_of[NR_CPUS], parent_of[NODES + 1];
void read_map(void);

/* --- group.c: a group of counters, and what its sums have to be */

extern struct percpu_counter_tree *group;
extern struct percpu_counter_tree_level_item *items;
extern unsigned int n;
extern unsigned long batch, ref[MAX_N];
extern bool active;
/* How many maps there were; the CPUs on which an add ran at some time. */
extern unsigned int nr_maps, nr_here;
extern unsigned long was_here[BITS_TO_LONGS(NR_CPUS)];

/* Adds on their way, outermost first. */
struct add { unsigned int i; long inc; };
extern struct add adding[MAX_DEPTH + 1];
extern unsigned int depth;

void group_init(unsigned int counters, unsigned long size, bool lazy);
/* Anew, in the same memory */
void group_init_again(bool lazy);
void group_destroy(void);
void group_activate(bool fail);
void here(void);
void add(unsigned int i, long inc);
void add_on(unsigned int cpu, unsigned int i, long inc);
void much_was_added(unsigned int cpu);

struct percpu_counter_tree_usage *usage_of(unsigned int i);
/* The word of a CPU; residue; what it can add towards @sign without a carry. */
unsigned long word_on(unsigned int cpu, unsigned int i);
long residue_on(unsigned int cpu, unsigned int i);
long room_on(unsigned int cpu, long sign);
/* Let a CPU, a node, or all of them, reach the end of their range, but for @room. */
void fill_cpu(unsigned int cpu, long sign);
void to_end(long sign, long room);

/* Windows of CPUs, and so all carries, move by units. */
unsigned long unit(void);
void check_alignment(void);
void range_is(unsigned long under, unsigned long over);
/* Is @left what some of @nr adds to a counter make? */
bool sum_of(const struct add *open, unsigned int nr, unsigned int i, unsigned long left);
/* One counter, to which no add is in progress. */
void check_counter(unsigned int i);
/* One or more, to which adds may be in progress. */
void check_begun(unsigned int i);
/* All, with no add in progress. */
void check_all(void);

/* --- placement.c: what holds for any cut, and for any map */

void check_cut(const struct percpu_counter_tree_place *at, unsigned int nr, unsigned int nodes,
	       unsigned int fanout, const u16 *node);
unsigned int check_map(void);

/* --- levels.c: how often lines are written, by this counter and others */

enum { PERCPU_COUNTER, FLAT8, FLAT32, DOUBLING32, TREE, NR_DESIGNS };
/* All upwards; each CPU up by at most 64 pages, or one add, and down again; up or down. */
enum { GROW, SWING, RANDOM, ONE_LEAF, NR_PATTERNS };
enum { CPU_WORDS, LEAVES, UPPER_NODES, ROOT, NR_KINDS };

/* Per page added or removed: of all lines of a kind, and of the one written most. */
struct writes {
	unsigned int lines[NR_KINDS];
	double total[NR_KINDS], busiest[NR_KINDS];
};

void designs_init(void);
void count_writes(unsigned int pattern, unsigned int size, unsigned long adds,
		  struct writes w[NR_DESIGNS]);

/* --- schedule.c: contexts that run in turns */

#define MAX_CONTEXTS	6

struct schedule {
	unsigned int nr;
	struct context_plan {
		bool interrupt;
		/* A task may be moved so often between the two. */
		unsigned int cpu, other_cpu, moves;
	} context[MAX_CONTEXTS];
	/* Before the first step: as if nothing had happened. */
	void (*reset)(void);
	/* All that a context does; its operation begins now, in a step. */
	void (*run)(unsigned int context);
	void (*begin)(unsigned int context);
	/* After each step, and the last. */
	void (*check)(void);
	void (*end)(void);
};

/* In a context: its next operation adds to, or reads, these counters, one bit each; it has. */
void op_begins(unsigned int adds, unsigned int reads);
void op_ends(void);

struct schedules { unsigned long complete, cut, states; };
struct schedules all_schedules(const struct schedule *s);
void random_schedule(const struct schedule *s);

/* --- the tests */

long some_inc(void);

void test_random(unsigned int cpus);
void test_preempted(unsigned int cpus);
void test_walk(unsigned int cpus);
void test_interleavings(unsigned int which);
void test_schedules(unsigned int cpus);
void test_contract(unsigned int cpus);
void test_use(unsigned int cpus);
void test_ends(unsigned int cpus);
void test_swings(unsigned int cpus);
void test_amortised(unsigned int cpus);
void test_cut(unsigned int units);
void test_map(unsigned int cpus);
void test_machines(unsigned int which);
void test_geometry(unsigned int cpus);
void test_lifetime(unsigned int cpus);
void test_huge(unsigned int cpus);
void test_threads(unsigned int cpus);
void test_levels(unsigned int cpus);
void test_rivals(unsigned int cpus);

extern const unsigned int nr_machines, nr_interleavings;

#endif
