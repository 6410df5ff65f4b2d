/* SPDX-License-Identifier: GPL-2.0-only */
/* How bytes are read: a machine and a group, then steps. All bytes are valid. */
#ifndef _HARNESS_FUZZ_H
#define _HARNESS_FUZZ_H

#include "harness.h"

#define MAX_STEPS	128

/* Whole bytes, so that no machine differs. */
struct setup {
	u8 size[2], kind;		/* number of CPUs, and up to how many */
	u8 threads, cores, clusters, caches;	/* of a core, a cluster, a cache, a node */
	u8 order;			/* of CPU numbers, and bits of what is irregular */
	u8 late, seed;
	u8 counters, batch, lazy;
	u8 unused[3];
};

struct step {
	u8 what;
	u8 when;	/* the point of this step at which the next one runs; 0: alone */
	u8 cpu, counter;
	u8 kind, x;	/* of what is added, or the like */
};

/* values.c: what it adds */
int sign_of(const struct step *s);
long near(const struct step *s);
long value(const struct step *s, unsigned int i);
struct percpu_counter_tree_level_item *items_of(unsigned int i);

/* checks.c */
extern unsigned int node_writes, root_writes;
void add_and_check(unsigned int i, long inc);
bool is_open(unsigned int i);
void check_open(void);
void check_step(void);

/* steps.c */
enum {
	ADD, SET, ACTIVATE, MIGRATE, SUM, COMPARE, ONLINE, MOVE, REMAP, REUSE, WOBBLE, SPREAD, END,
	CUT, HUGE, SINGLE,
};
unsigned int what_of(const struct step *s);
unsigned int cpu_of(const struct step *s);
void new_group(u8 counters, u8 size, bool lazy);
void run(const struct step *s);

/* target.c: who runs in the midst of whom */
extern unsigned int nest;
extern bool node_written, disturbed;
void disturb(const struct step *s);

/* model.c: the map that a machine has to get */
extern bool turned;
void model_boot(void);
void model_online(unsigned int cpu);
void check_model(void);

#endif
