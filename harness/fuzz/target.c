// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: any bytes are a machine, a group of counters and a sequence of
 * steps, some of which run in the midst of others. What the library promises is
 * checked after each step, against the model in group.c and the one in model.c.
 */
#include "fuzz.h"

#define KEPT	__attribute__((section("kept")))

static const struct step *next, *end;
/* Steps that have others in their midst now; the points until the next one runs. */
static unsigned int nest, countdown;
/* Only points that follow a write to a node count. */
static bool after_node, node_written;
/* Others ran in the midst of the step that ended last. */
static bool disturbed;
/* Tasks on a CPU that may not be preempted. */
static u8 held[NR_CPUS];

static struct percpu_counter_tree_level_item *items_of(unsigned int i)
{
	return &items[i / 8 * (shape.first + shape.all_nodes)];
}

/* --- values */

static int sign_of(const struct step *s)
{
	return s->kind & 0x80 ? -1 : 1;
}

/* -1, 0, 1 or 2: next to where something changes */
static long near(const struct step *s)
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

static long value(const struct step *s, unsigned int i)
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

/* --- an add, and what it has written if nothing ran in its midst */

static unsigned int node_writes, root_writes;
static const struct percpu_counter_tree_level_item *root;
/* The nodes, in this order */
static const volatile atomic_long_t *written[2 * LEVELS];

/* The items of a group: its root, what it uses, and the nodes. */
static void wrote(const volatile void *p)
{
	root_writes += p >= (void *)root && p < (void *)(root + 1);
	if (p < (void *)(root + shape.first) || p >= (void *)(root + shape.first + shape.all_nodes))
		return;
	node_written = true;
	written[node_writes++ % ARRAY_SIZE(written)] = p;
}

/* When a CPU carries, what it carries, where it leaves its window, and how far that goes. */
static void check_carry(unsigned int i, long residue, long inc, long moved)
{
	long now = residue_on(shim_cpu, i), carry = inc - (now - residue), b = batch;
	long top = batch << 2 * shape.levels, u = unit();
	bool left = residue + inc < -b / 2 || residue + inc >= b / 2;
	unsigned int k;

	CHECK(left == !!(node_writes + root_writes),
	      "batch %ld: %ld added to %ld: %u writes of nodes, %u of the root", b, inc, residue,
	      node_writes, root_writes);
	if (!left) {
		CHECK(now == residue + inc, "%ld added to %ld: %ld", inc, residue, now);
		return;
	}
	CHECK(inc > 0 ? now >= u - b / 2 && now < 2 * u - b / 2 :
	      now >= b / 2 - 2 * u && now < b / 2 - u,
	      "batch %ld: %ld added to %ld: %ld is left in the window", b, inc, residue, now);
	CHECK(carry % u == 0, "batch %ld: a carry of %ld", b, carry);
	CHECK(root_writes <= 1 && node_writes <= 2 * shape.levels,
	      "%u writes of nodes, %u of the root", node_writes, root_writes);
	/* All that have passed something on are empty. */
	for (k = 0; k < node_writes; k++)
		CHECK(!written[k]->counter || (!root_writes &&
					       written[k] == written[node_writes - 1]),
		      "batch %ld: a node has passed on a carry, and kept %ld", b,
		      written[k]->counter);
	if (shape.levels)
		CHECK(!root_writes || labs(moved) >= top, "batch %ld: the root was written for %ld",
		      b, moved);
	if (labs(carry) >= top)
		CHECK(!node_writes && moved == carry, "a carry of %ld went to nodes", carry);
}

static void add_and_check(unsigned int i, long inc)
{
	bool small = group[i].level0 && inc >= -MAX_ADD && inc <= MAX_ADD;
	long residue = residue_on(shim_cpu, i), before;

	root = items_of(i);
	before = small ? group[i].root->counter : 0;
	node_writes = root_writes = 0;
	disturbed = false;
	shim_wrote = wrote;
	add(i, inc);
	shim_wrote = NULL;
	if (disturbed)
		return;
	if (small)
		check_carry(i, residue, inc, group[i].root->counter - before);
	else
		CHECK(!node_writes && !root_writes, "%ld was added to nodes", inc);
}

/* --- what must be true while other adds are in progress, and when there are none */

static bool is_open(unsigned int i)
{
	unsigned int d;

	for (d = 0; d < depth; d++)
		if (adding[d].i == i)
			return true;
	return false;
}

static void check_open(void)
{
	void (*hook)(void) = shim_hook;
	unsigned int i;

	shim_hook = NULL;
	for (i = 0; i < n; i++)
		if (is_open(i))
			check_begun(i);
		else
			check_counter(i);
	shim_hook = hook;
}

/* Nothing is on its way: sum of all totals = root + sum of all residues. */
static void check_invariant(unsigned int i)
{
	const struct percpu_counter_tree_level_item *at = items_of(i);
	unsigned long sum = atomic_long_read(&group[i].direct) + group[i].root->counter;
	unsigned int node, k;

	for (k = 0; k < nr_list; k++)
		sum += residue_on(cpu_list[k], i);
	for (node = shape.first; node < shape.first + shape.all_nodes; node++)
		sum += at[node].count[i % 8].counter;
	CHECK(sum == ref[i], "counter %u is %ld, root and residues are %ld", i, (long)ref[i],
	      (long)sum);
}

static void check_bound(void)
{
	unsigned long bound = nr_list * batch / 2, under = 0, over = 0;
	unsigned int level;

	for (level = 0; level < shape.levels; level++)
		bound += shape.nodes[level] * ((batch << 2 * (level + 1)) - unit());
	if (nr_list == 1)
		bound = 0;
	percpu_counter_tree_approximate_accuracy_range(&group[n - 1], &under, &over);
	CHECK(percpu_counter_tree_bound(batch) == bound && under <= over && over <= bound,
	      "batch %lu: range -%lu +%lu, bound %lu, should be %lu", batch, under, over,
	      percpu_counter_tree_bound(batch), bound);
}

static void check_step(void)
{
	unsigned int i;

	check_all();
	check_bound();
	for (i = 0; active && i < n; i++)
		check_invariant(i);
}

/* --- comparisons */

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

/* --- steps */

enum {
	ADD, SET, ACTIVATE, MIGRATE, SUM, COMPARE, ONLINE, MOVE, REMAP, REUSE, WOBBLE, SPREAD, END,
	CUT, HUGE, SINGLE,
};
static const u8 steps[32] = {
	ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, ADD, SINGLE, SET, ACTIVATE,
	ACTIVATE, MIGRATE, MIGRATE, SUM, COMPARE, COMPARE, ONLINE, ONLINE, MOVE, REMAP, REUSE,
	WOBBLE, SPREAD, END, CUT, HUGE,
};

static unsigned int cpu_of(const struct step *s)
{
	return cpu_list[nr_list > 256 ? s->cpu * nr_list / 256 : s->cpu % nr_list];
}

/* One that nobody keeps from being preempted, from @cpu on; NR_CPUS if there is none. */
static unsigned int free_cpu(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < nr_cpu_ids && (held[cpu] || !cpu_possible(cpu)); i++)
		cpu = (cpu + 1) % nr_cpu_ids;
	return i < nr_cpu_ids ? cpu : NR_CPUS;
}

static void new_group(u8 counters, u8 size, bool lazy)
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

static void hook(void);

/* With @s, others may run at some point of what follows. */
static void disturb(const struct step *s)
{
	countdown = s->when & 0x1f;
	after_node = s->when & 0x20;
	if (after_node)
		countdown = 1 + countdown % 4;
	node_written = false;
	shim_hook = countdown && nest < 4 && next < end ? hook : NULL;
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

static void run(const struct step *s)
{
	unsigned int what = steps[s->what % 32], i = s->counter % n;
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

/*
 * The next step, in the midst of another one: by an interrupt handler on this
 * CPU, by a task on another one, or by one on this CPU if it can be preempted.
 */
static void run_between(void)
{
	const struct step *s = next++;
	unsigned int cpu = shim_cpu, preempt = shim_preempt, to;

	to = free_cpu(cpu_of(s));
	if (steps[s->what % 32] == MIGRATE) {
		if (!preempt && to < NR_CPUS) {
			shim_cpu = to;
			here();
		}
		return;
	}
	held[cpu] += !!preempt;
	to = s->cpu >= 0xe0 ? NR_CPUS : free_cpu(cpu_of(s));
	if (to < NR_CPUS) {
		shim_cpu = to;
		shim_preempt = 0;
	} else {
		shim_preempt = 1;
	}
	run(s);
	shim_cpu = cpu;
	shim_preempt = preempt;
	held[cpu] -= !!preempt;
	check_open();
}

static void hook(void)
{
	unsigned int again;

	if (after_node && !node_written)
		return;
	node_written = false;
	if (--countdown)
		return;
	shim_hook = NULL;
	if (next == end)
		return;
	/* The one after it runs here soon, too, if it says so. */
	again = next->when & 0x80 ? 1 + (next->when >> 4 & 7) : 0;
	nest++;
	run_between();
	nest--;
	disturbed = true;
	after_node = false;
	countdown = again;
	shim_hook = again ? hook : NULL;
}

/* --- the machine */

static void place(const struct setup *m, unsigned int cpus)
{
	static const unsigned int sizes[] = { 1, 1, 2, 2, 3, 4, 6, 8 };
	static struct percpu_counter_tree_place at[NR_CPUS];
	unsigned int size[NR_DOMAINS] = { 0 }, smt, i, d, at_i;

	size[3] = sizes[m->threads % 8];
	size[2] = size[3] * sizes[m->cores % 8];
	size[1] = size[2] * sizes[m->clusters % 8];
	size[0] = size[1] * sizes[m->caches % 8];
	if (m->order & 1)
		random_places(at, cpus);
	else
		for (i = 0; i < cpus; i++)
			for (d = 0; d < NR_DOMAINS; d++)
				at[i].id[d] = i / size[d];
	smt = 1 << (m->order >> 1 & 3);
	for (i = 0; i < cpus; i++) {
		struct shim_cpu *cpu = &shim_cpus[cpu_list[i]];

		/* Either neighbours have neighbouring numbers or one of each core comes first. */
		at_i = i;
		if (cpus % smt == 0)
			at_i = i % (cpus / smt) * smt + i / (cpus / smt);
		topology[cpu_list[i]] = at[at_i];
		cpu->isolated = m->order & 0x40 && i % 16 < 8;
		cpu->no_cacheinfo = m->order & 0x80 && below(2);
		/* Some, the first ones, or the first threads */
		if (!i || m->late < 64 || (m->late < 128 ? below(1 + m->late % 8) :
		    m->late < 192 ? i < m->late - 128U : at_i % smt == 0))
			cpumask_set_cpu(cpu_list[i], &cpu_online_now);
	}
}

static void boot_machine(const struct setup *m)
{
	static const unsigned int most[] = { 24, 24, 80, 80, 80, 162, 162, NR_CPUS };
	unsigned int cpus = 1 + (m->size[0] | m->size[1] << 8) % most[m->kind % 8];
	struct percpu_counter_tree_level_item item;
	struct percpu_counter_tree early;

	rnd_seed(m->seed);
	shim_expect_warning = true;
	CHECK(percpu_counter_tree_init_many_lazy(&early, &item, 1, 4) == -EINVAL, "before boot");
	shim_expect_warning = false;
	possible(cpus, m->order & 8);
	place(m, cpus);
	/* The map by number stays if there is no memory. */
	shim_fail_alloc = (m->order >> 4) % 4 == 3 && m->seed % 4 == 0;
	boot_as_set();
	shim_fail_alloc = false;
	model_boot();
	check_model();
	if (cpus <= 200)
		check_map();
}

/* --- what libFuzzer calls */

extern u64 __start_restart[], __stop_restart[];
static KEPT u64 *at_start;

/* Around what the sanitizer of addresses puts between variables. */
__attribute__((no_sanitize("address")))
static void copy(volatile u64 *to, const volatile u64 *from)
{
	size_t i;

	for (i = 0; i < (size_t)(__stop_restart - __start_restart); i++)
		to[i] = from[i];
}

static void show_case(void)
{
	show_notes();
	fflush(stdout);
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	shim_show_case = show_case;
	at_start = malloc((__stop_restart - __start_restart) * sizeof(u64));
	copy(at_start, __start_restart);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct setup m = { 0 };
	bool all;

	copy(__start_restart, at_start);
	memcpy(&m, data, min(size, sizeof(m)));
	if (size >= sizeof(m)) {
		next = (const void *)(data + sizeof(m));
		end = next + min((size - sizeof(m)) / sizeof(*next), (size_t)MAX_STEPS);
	}
	boot_machine(&m);
	new_group(m.counters, m.batch, m.lazy & 1);
	all = nr_list * n < 500;
	while (next < end) {
		const struct step *s = next++;

		if (s->cpu < 0xf0)
			shim_cpu = cpu_of(s);
		run(s);
		CHECK(!shim_preempt && !shim_locks && !shim_hotplug_held && !depth, "unbalanced");
		if (all || (end - next) % 8 == 0)
			check_step();
		else
			check_counter(s->counter % n);
	}
	check_step();
	if (nr_list <= 200)
		check_map();
	group_destroy();
	shim_shut_down();
	return 0;
}

/* --- mutations of whole steps */

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t most);

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t most, unsigned int seed)
{
	struct step *steps = (void *)(data + sizeof(struct setup)), *a, *b;
	size_t nr, room, len;

	rnd_seed(seed);
	if (size < sizeof(struct setup) + sizeof(*steps) || most < sizeof(struct setup) || !below(8))
		return LLVMFuzzerMutate(data, size, most);
	nr = (size - sizeof(struct setup)) / sizeof(*steps);
	room = (most - sizeof(struct setup)) / sizeof(*steps);
	a = &steps[below(nr)];
	b = &steps[below(nr)];
	len = 1 + below(below(4) ? 1 : nr - (max(a, b) - steps));
	switch (below(8)) {
	case 0:
		LLVMFuzzerMutate(data, sizeof(struct setup), sizeof(struct setup));
		break;
	case 1: case 2:
		LLVMFuzzerMutate((u8 *)a, sizeof(*a), sizeof(*a));
		break;
	case 3:
		((u8 *)a)[below(sizeof(*a))] = rnd();
		break;
	case 4:
		*a = (struct step){ rnd(), below(2) ? 0 : rnd(), rnd(), rnd(), rnd(), rnd() };
		break;
	case 5:		/* some from elsewhere, in between */
		if (nr + len > room)
			break;
		memmove(a + len, a, (steps + nr - a) * sizeof(*a));
		memmove(a, b >= a ? b + len : b, len * sizeof(*a));
		nr += len;
		break;
	case 6:		/* some less */
		memmove(a, a + len, (steps + nr - a - len) * sizeof(*a));
		nr -= len;
		break;
	default:	/* some from elsewhere, instead */
		memmove(a, b, len * sizeof(*a));
	}
	return sizeof(struct setup) + nr * sizeof(*steps);
}

/* Of one the machine and the first steps, of the other one the last steps. */
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t size_a, const u8 *b, size_t size_b, u8 *out,
				 size_t most, unsigned int seed)
{
	size_t head, tail;

	rnd_seed(seed);
	if (min3(size_a, size_b, most) < sizeof(struct setup))
		return 0;
	head = below((size_a - sizeof(struct setup)) / sizeof(struct step) + 1);
	tail = below((size_b - sizeof(struct setup)) / sizeof(struct step) + 1);
	head = sizeof(struct setup) + head * sizeof(struct step);
	tail *= sizeof(struct step);
	if (head + tail > most)
		return 0;
	memcpy(out, a, head);
	memcpy(out + head, b + size_b - tail, tail);
	return head + tail;
}
