// SPDX-License-Identifier: GPL-2.0-only
/* What each step does. */
#include "fuzz.h"

static void limits(unsigned int i, long *lo, long *hi)
{
	long approx = percpu_counter_tree_approximate_sum(&group[i]);
	unsigned long under = 0, over = 0;

	percpu_counter_tree_approximate_accuracy_range(&group[i], &under, &over);
	*lo = approx - over;
	*hi = approx + under;
	if (*lo > approx || *hi < approx)
		*lo = LONG_MIN, *hi = LONG_MAX;
}

/* With a value at some limit, or next to it; and with another counter. */
static void compare(const struct step *s, unsigned int i)
{
	unsigned int j = s->x % n;
	long lo, hi, lo_j, hi_j, v;

	limits(i, &lo, &hi);
	limits(j, &lo_j, &hi_j);
	v = (s->kind & 3) == 0 ? lo : (s->kind & 3) == 1 ? hi : (s->kind & 3) == 2 ? (long)ref[i] :
	    value(s, i);
	v += near(s);
	CHECK(percpu_counter_tree_approximate_compare_value(&group[i], v) == (lo > v) - (hi < v),
	      "%ld..%ld compared with %ld", lo, hi, v);
	CHECK(percpu_counter_tree_precise_compare_value(&group[i], v) ==
	      ((long)ref[i] > v) - ((long)ref[i] < v), "%ld compared with %ld", (long)ref[i], v);
	if (is_open(j))
		return;
	CHECK(percpu_counter_tree_approximate_compare(&group[i], &group[j]) ==
	      (lo > hi_j) - (hi < lo_j), "%ld..%ld compared with %ld..%ld", lo, hi, lo_j, hi_j);
	CHECK(percpu_counter_tree_precise_compare(&group[i], &group[j]) ==
	      ((long)ref[i] > (long)ref[j]) - ((long)ref[i] < (long)ref[j]),
	      "%ld compared with %ld", (long)ref[i], (long)ref[j]);
}

static const u8 steps[32] = {
	ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, SINGLE, SET, ACTIVATE,
	ACTIVATE, MIGRATE, MIGRATE, SUM, COMPARE, COMPARE, ONLINE, ONLINE, MOVE, REMAP, REUSE,
	WOBBLE, SPREAD, END, CUT, HUGE,
};

unsigned int what_of(const struct step *s)
{
	return steps[s->what % 32];
}

unsigned int cpu_of(const struct step *s)
{
	return cpu_list[nr_list > 256 ? s->cpu * nr_list / 256 : s->cpu % nr_list];
}

void new_group(u8 counters, u8 size, bool lazy)
{
	unsigned long batch_size = 1UL << (1 + size % (size < 192 ? 7 : BITS_PER_LONG - 1));

	group_init(counters % 8 < 6 ? 1 + counters % 8 : 1 + counters % MAX_N, batch_size, lazy);
	CHECK(percpu_counter_tree_bound(batch_size) == percpu_counter_tree_bound(batch),
	      "bound of a batch of %lu", batch_size);
	if (active)
		check_alignment();
}

static void activate(const struct step *s)
{
	bool may_fail = s->x & 1;

	group_activate(may_fail);
	/* Again, and this time there is memory. */
	if (may_fail && s->x & 2) {
		may_fail = false;
		group_activate(may_fail);
	}
	CHECK(active || may_fail || nest || nr_list == 1, "not activated");
	if (active)
		check_alignment();
}

static void online(const struct step *s)
{
	unsigned int cpu = cpu_of(s);

	if (!cpu_online(cpu))
		model_online(cpu);
	else if (s->x & 1)
		go_offline(cpu);
	/* Nothing is to be learnt from one that comes back. */
	else
		go_offline(cpu), model_online(cpu);
}

/* A CPU comes back in the place of another, or alone in that NUMA node. */
static void move(const struct step *s)
{
	unsigned int cpu = cpu_of(s), d;

	go_offline(cpu);
	topology[cpu] = topology[cpu_list[s->x % nr_list]];
	for (d = 1; d < NR_DOMAINS && s->kind & 0x40 && nr_cpu_ids < NR_CPUS / 2; d++)
		topology[cpu].id[d] = NR_CPUS / 2 + cpu;
	tell_topology();
	if (s->kind % 4)
		model_online(cpu);
}

/* Of a quarter of a batch or less: check_carry() says what this may cost. */
static void swing(const struct step *s, unsigned int i)
{
	long at = 0, to, size = unit();
	unsigned int k, carries = 0;

	add_and_check(i, 0);
	for (k = 0; k < 12; k++, at = to) {
		to = s->kind & 1 ? (at ? 0 : size) : (long)(s->x >> k % 4) % (size + 1);
		add_and_check(i, sign_of(s) * (to - at));
		carries += node_writes + root_writes > 0;
	}
	CHECK(!active || carries <= 1, "a swing of %ld has carried %u times", size, carries);
}

/* The same on many CPUs */
static void spread(const struct step *s, unsigned int i)
{
	unsigned int k, nr = 1 + s->cpu % min(nr_list, 64U);

	for (k = 0; k < nr; k++) {
		shim_cpu = cpu_list[(s->x + k) % nr_list];
		add_and_check(i, value(s, i));
	}
}

/* Of a new group, both ends of the range can be reached. */
static void to_the_end(const struct step *s)
{
	unsigned long under = 0, over = 0;
	long off;

	if (nr_list == 1 || nr_list > 200 || 2 * batch << 2 * shape.levels > MAX_ADD)
		return;
	group_destroy();
	group_init(n, batch, false);
	read_map();
	to_end(sign_of(s), s->x & 1 ? 0 : unit());
	percpu_counter_tree_approximate_accuracy_range(&group[0], &under, &over);
	off = ref[0] - percpu_counter_tree_approximate_sum(&group[0]);
	CHECK(s->x & 1 || off == (sign_of(s) > 0 ? (long)under : -(long)over),
	      "batch %lu: %ld off at the end of -%lu +%lu", batch, off, under, over);
}

static void count(struct percpu_counter_tree *c, long inc)
{
	long before = percpu_counter_tree_precise_sum(c);

	percpu_counter_tree_add(c, inc);
	CHECK(percpu_counter_tree_precise_sum(c) == (long)(before + (unsigned long)inc),
	      "%ld added to %ld: %ld", inc, before, percpu_counter_tree_precise_sum(c));
}

/* A counter that is not of the group: zeroed, with a bad batch, and without memory. */
static void single(const struct step *s)
{
	static struct percpu_counter_tree_level_item own[PERCPU_COUNTER_TREE_STATIC_ITEMS];
	bool bad = s->counter < 2 || !is_power_of_2(s->counter), many = nr_list > 1;
	struct percpu_counter_tree c = { 0 };
	unsigned long slots = shim_slots;
	int ret;

	count(&c, value(s, 0));
	shim_expect_warning = bad;
	ret = percpu_counter_tree_init_many_lazy(&c, own, 1, s->counter);
	CHECK(ret == (bad ? -EINVAL : 0), "batch %u: %d", s->counter, ret);
	ret = percpu_counter_tree_activate_many(&c, 1, GFP_KERNEL);
	CHECK(ret == (bad && many ? -EINVAL : 0), "batch %u: %d", s->counter, ret);
	shim_expect_warning = false;
	count(&c, value(s, 0));
	percpu_counter_tree_destroy(&c);

	shim_expect_warning = bad;
	ret = percpu_counter_tree_init(&c, own, s->counter, GFP_KERNEL);
	CHECK(ret == (bad ? -EINVAL : 0), "batch %u: %d", s->counter, ret);
	shim_expect_warning = false;
	count(&c, value(s, 0));
	percpu_counter_tree_destroy(&c);

	shim_fail_alloc = s->x & 1;
	CHECK(!shim_fail_alloc || shim_file->show(NULL, NULL) == -ENOMEM, "debugfs file");
	ret = percpu_counter_tree_init(&c, own, batch, GFP_KERNEL);
	CHECK(ret == (shim_fail_alloc && many ? -ENOMEM : 0), "init: %d", ret);
	shim_fail_alloc = false;
	count(&c, value(s, 0));
	percpu_counter_tree_destroy(&c);
	CHECK(shim_slots == slots, "per-CPU memory leaked");
	/* No counters */
	CHECK(!percpu_counter_tree_activate_many(NULL, 0, GFP_KERNEL), "activate none");
	percpu_counter_tree_destroy_many(NULL, 0);
}

/* CPUs as they are numbered, some of them unknown, shared out among any number of nodes. */
static void cut(const struct step *s)
{
	static struct percpu_counter_tree_place at[NR_CPUS];
	static u16 unit[NR_CPUS], node[NR_CPUS];
	unsigned int i, fanout = 1 + s->x % 20;
	unsigned int nodes = DIV_ROUND_UP(nr_list, fanout) + s->cpu % 4;

	for (i = 0; i < nr_list; i++) {
		unit[i] = i;
		at[i] = topology[cpu_list[i]];
		if (s->kind && i % s->kind == 0)
			at[i].id[s->counter % NR_DOMAINS] = UNKNOWN;
	}
	percpu_counter_tree_cut(at, unit, nr_list, nodes, fanout, node);
	check_cut(at, nr_list, nodes, fanout, node);
}

/* Only by a task that is alone, or that holds nothing that it takes here, or anywhere. */
static bool may(unsigned int what)
{
	switch (what) {
	case SET: case REUSE: case WOBBLE: case SPREAD: case END: case CUT: case HUGE: case MOVE:
	case SINGLE:
		return !nest;
	case ACTIVATE: case ONLINE: case REMAP:
		return !shim_preempt && !shim_locks && !shim_hotplug_held;
	default:
		return true;
	}
}

void run(const struct step *s)
{
	unsigned int what = what_of(s), i = s->counter % n;
	long inc;

	if (!may(what))
		what = ADD;
	here();
	switch (what) {
	case ADD:
		inc = value(s, i);
		disturb(s);
		add_and_check(i, inc);
		break;
	case SET:
		ref[i] = value(s, i);
		percpu_counter_tree_set(&group[i], ref[i]);
		note("set", i, ref[i]);
		break;
	case ACTIVATE:
		disturb(s);
		activate(s);
		break;
	case SUM:
		disturb(s);
		check_begun(i);
		break;
	case COMPARE:
		if (!is_open(i))
			compare(s, i);
		break;
	case ONLINE:
		disturb(s);
		online(s);
		shim_hook = NULL;
		check_model();
		break;
	case MOVE:
		move(s);
		check_model();
		break;
	case REMAP:
		nr_maps++;
		turned = s->x % 4;
		disturb(s);
		percpu_counter_tree_remap(s->x % 4);
		note("remapped", 0, s->x % 4);
		break;
	case REUSE:
		percpu_counter_tree_destroy_many(group, n);
		CHECK(!group[i].level0, "counter %u still has words", i);
		group_destroy();
		new_group(s->counter, s->x, s->kind & 1);
		break;
	case WOBBLE:
		swing(s, i);
		break;
	case SPREAD:
		spread(s, i);
		break;
	case END:
		to_the_end(s);
		break;
	case CUT:
		cut(s);
		break;
	case SINGLE:
		single(s);
		break;
	case HUGE:
		rnd_seed(s->x);
		if (active)
			much_was_added(shim_cpu);
		break;
	}
	shim_hook = NULL;
}
