// SPDX-License-Identifier: GPL-2.0-only
/* What a step adds: next to where something changes, as often as not. */
#include "fuzz.h"

struct percpu_counter_tree_level_item *items_of(unsigned int i)
{
	return &items[i / 8 * (shape.first + shape.all_nodes)];
}

int sign_of(const struct step *s)
{
	return s->kind & 0x80 ? -1 : 1;
}

/* -1, 0, 1 or 2: next to where something changes */
long near(const struct step *s)
{
	return (s->kind >> 4 & 3) - 1;
}

/* What takes the node above this CPU on some level to its threshold, or next to it. */
static long to_threshold(const struct step *s, unsigned int i)
{
	unsigned int at, level = s->x % (shape.levels ?: 1), l;
	long count;

	if (!shape.levels || !group[i].level0)
		return 0;
	at = per_cpu(percpu_counter_tree_leaf, shim_cpu);
	for (l = 0; l < level; l++)
		at = percpu_counter_tree_parent[at];
	count = items_of(i)[at].count[i % 8].counter;
	return sign_of(s) * (long)(batch << 2 * (level + 1)) - count + near(s) * (long)unit();
}

/* If set to this, the range ends with a long, or next to it. */
static long to_limit(const struct step *s, unsigned int i)
{
	long off = ref[i] - percpu_counter_tree_approximate_sum(&group[i]);
	unsigned long under = 0, over = 0;

	percpu_counter_tree_approximate_accuracy_range(&group[i], &under, &over);
	return (sign_of(s) > 0 ? LONG_MAX - under : LONG_MIN + over) + off + near(s);
}

long value(const struct step *s, unsigned int i)
{
	long b = batch, sign = sign_of(s), residue = residue_on(shim_cpu, i);

	switch (s->kind % 16) {
	case 0: return (int8_t)s->x;
	case 1: return sign * (b / 2 + near(s));
	case 2: return sign * (b + near(s));
	case 3: return sign * ((long)unit() * (s->x % 16) + near(s));
	case 4: return sign * ((b << 2 * (s->x % 5)) + near(s));
	case 5: return sign * ((b << 2 * (s->x % 5)) + near(s) * (long)unit());
	case 6: return sign * (MAX_ADD + near(s));
	case 7: return s->x & 0x80 ? to_limit(s, i) :
			sign > 0 ? LONG_MAX - s->x : LONG_MIN + s->x;
	case 8: return sign * ((1L << s->x % (BITS_PER_LONG - 1)) + near(s));
	case 9: return (sign > 0 ? b / 2 - 1 : -b / 2) - residue + near(s);
	case 10: return -residue;
	case 11: return to_threshold(s, i);
	case 12: return -(long)ref[i];
	case 13: return sign * s->x * b;
	case 14: return sign * (s->x % (b + 1));
	default: return sign;
	}
}
