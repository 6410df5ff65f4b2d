// SPDX-License-Identifier: GPL-2.0-only
/* What has happened, for when it fails; printed in the order of completion. */
#include "harness.h"

static struct event {
	const char *what;
	unsigned int depth, cpu, i;
	long value;
} events[1 << 7];
static unsigned int nr_events;

void note(const char *what, unsigned int i, long value)
{
	events[nr_events++ % ARRAY_SIZE(events)] =
		(struct event){ what, depth, shim_cpu, i, value };
}

void forget_notes(void)
{
	nr_events = 0;
}

void show_notes(void)
{
	unsigned int first = nr_events > 120 ? nr_events - 120 : 0, e;

	if (first)
		printf("# %u earlier events of this group\n", first);
	for (e = first; e < nr_events; e++) {
		const struct event *at = &events[e % ARRAY_SIZE(events)];

		printf("# %*scpu %u: %s counter %u: %ld\n", 2 * at->depth, "", at->cpu,
		       at->what, at->i, at->value);
	}
	for (e = 0; e < depth; e++)
		printf("# on its way: counter %u: %ld\n", adding[e].i, adding[e].inc);
}
