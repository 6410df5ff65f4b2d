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

/* model.c: the map that a machine has to get */
extern bool turned;
void model_boot(void);
void model_online(unsigned int cpu);
void check_model(void);

#endif
