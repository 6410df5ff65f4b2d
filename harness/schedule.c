// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts, each with a stack of its own, that run in turns: in all orders, or
 * in random ones.
 *
 * A context is a task, or an interrupt handler of a CPU. It stops before each
 * operation on memory that others may use, and before it disables preemption.
 * A step is such an operation and what follows, up to the next one. At each
 * stop, any of these may go on:
 *
 * - a task, unless an interrupt handler runs on its CPU, or another task there
 *   has disabled preemption; also on another CPU to which it may be moved,
 *   while it has not disabled preemption itself, as often as the case says;
 * - an interrupt handler, once, at any time; it runs to its end before what it
 *   has interrupted goes on, and others may interrupt it.
 *
 * COMPLETE AND BOUNDED
 *
 * all_schedules() reaches every state that any order of the steps leads to, and
 * has it checked. It goes through the orders depth first, each from the start,
 * with two reductions.
 *
 * Sleep sets: of the orders that differ only in steps which do not depend on
 * each other, one is completed. A step that was tried in a state is not tried
 * again after others that do not depend on it, as this leads to a state that
 * was reached before. An order of which nothing else is left is given up. Steps
 * depend on each other if
 *
 * - they are of one context;
 * - they use the same bits of a word, unless both read, or both add and do not
 *   look at the result;
 * - the other one has to wait on its CPU: one begins an interrupt handler, or
 *   disables preemption;
 * - one begins or ends an add, the other ends or begins a read of the counter:
 *   what a read has to return depends on their order.
 *
 * Constants: no context stops where it reads what none writes, unless it may be
 * moved and the operation is one on its CPU, nor at an entry of the map that
 * only it uses. Which words are written is learnt: all begins anew when another
 * one turns out to be. A first write cannot be missed, as up to there nothing
 * has depended on when the word was read.
 *
 * Bounded are the contexts and their operations, which a case names, and moves
 * of a task, one or two. Memory is sequentially consistent: each operation takes
 * effect at once, a memset() as a whole.
 */
#include "harness.h"

#define MAX_STEPS	400
#define MAX_CHOICES	(2 * MAX_CONTEXTS)

struct step {
	unsigned int context, cpu, from;
	/* Counters, one bit each */
	unsigned int adds, reads;
	bool begins, ends, interrupts, disables;
	/* The operation */
	uintptr_t at;
	size_t size;
	unsigned long bits;
	unsigned int how;
};

static struct context {
	void *stack[5];
	const struct context_plan *plan;
	unsigned int cpu, preempt, locks, moves, adds, reads, order;
	bool fails, started, done, begins;
} contexts[MAX_CONTEXTS], *me;

static const struct schedule *schedule;
static bool at_random;
/* The step at hand, and those before it. */
static struct step now, trail[MAX_STEPS];
static unsigned int nr_steps, nr_interrupts;
/* Activation has zeroed the items of the group. */
static bool zeroed;

/* --- operations of contexts */

void op_begins(unsigned int adds, unsigned int reads)
{
	me->adds = adds;
	me->reads = reads;
	me->begins = true;
}

static void before(uintptr_t at, size_t size, unsigned long bits, unsigned int how);

static void op_begins_now(void)
{
	me->begins = false;
	now.begins = true;
	shim_before = NULL;
	schedule->begin(me - contexts);
	shim_before = before;
}

void op_ends(void)
{
	now.ends = true;
}

/* --- stacks */

#define BARE	static noinline __attribute__((no_sanitize("address")))

static void *explorer[5];

/* Not in the function that jumps are made to, which the compiler does not allow. */
BARE void jump_to(void **to)
{
	__builtin_longjmp(to, 1);
}

BARE void switch_stack(void **from, void **to)
{
	if (!__builtin_setjmp(from))
		jump_to(to);
}

BARE void make_context(unsigned int i);

/* All contexts live on one stack. Each has the room that the next one leaves, and never returns. */
BARE void leave_room(unsigned int i)
{
	char room[128 << 10];

	asm volatile("" : : "r" (room));
	make_context(i);
	asm volatile("" : : "r" (room));
}

BARE void make_context(unsigned int i)
{
	if (i == MAX_CONTEXTS)
		jump_to(explorer);
	if (!__builtin_setjmp(contexts[i].stack))
		leave_room(i + 1);
	for (;;) {
		schedule->run(i);
		me->done = true;
		switch_stack(me->stack, explorer);
	}
}

static void show_trail(void);
static void (*show_case)(void);

BARE void make_contexts(void)
{
	if (me)
		return;
	show_case = shim_show_case;
	shim_show_case = show_trail;
	if (!__builtin_setjmp(explorer))
		leave_room(0);
}

/* --- where a context stops */

/* Which contexts read and write a word, or an entry of the map. */
static struct place {
	uintptr_t at;
	unsigned int read, written;
} places[1 << 12];
static bool learnt;

static struct place *place_of(uintptr_t at)
{
	struct place *p = &places[at * 0x9e3779b97f4a7c15 >> 20 & (ARRAY_SIZE(places) - 1)];

	while (p->at && p->at != at)
		if (++p == places + ARRAY_SIZE(places))
			p = places;
	p->at = at;
	return p;
}

static bool is_shared(uintptr_t at, size_t size)
{
	const struct place *p = place_of(at);
	unsigned int users = p->read | p->written;

	return p->written && (size != sizeof(u16) || users & (users - 1));
}

static void learn(uintptr_t at, size_t size, unsigned int how)
{
	unsigned int self = 1U << (me - contexts);
	size_t each = min(size, sizeof(long)), i;

	for (i = 0; i < size; i += each) {
		bool was = is_shared(at + i, each);
		struct place *p = place_of(at + i);

		if (how == SHIM_READ)
			p->read |= self;
		else
			p->written |= self;
		learnt |= is_shared(at + i, each) && !was;
	}
}

static bool shares_cpu(const struct context_plan *a, const struct context_plan *b)
{
	return a->cpu == b->cpu || a->cpu == b->other_cpu || a->other_cpu == b->cpu ||
	       a->other_cpu == b->other_cpu;
}

/* May other tasks run before this one disables preemption, or may it be moved? */
static bool may_be_preempted(void)
{
	unsigned int i;

	for (i = 0; i < schedule->nr; i++)
		if (me->plan != &schedule->context[i] && !schedule->context[i].interrupt &&
		    shares_cpu(me->plan, &schedule->context[i]))
			return true;
	return me->moves;
}

static uintptr_t on_this_cpu(uintptr_t at)
{
	return (uintptr_t)shim_ptr((void *)at, shim_cpu);
}

static void before(uintptr_t at, size_t size, unsigned long bits, unsigned int how)
{
	bool local = how & SHIM_LOCAL, stop;

	how &= ~SHIM_LOCAL;
	if (at_random || me->begins || (local && me->moves))
		stop = true;
	else if (how == SHIM_NONE)
		stop = may_be_preempted();
	else
		stop = size > sizeof(long) ||
		       is_shared(local ? on_this_cpu(at) : at, size);
	if (stop)
		switch_stack(me->stack, explorer);
	if (local)
		at = on_this_cpu(at);
	if (!at_random && how != SHIM_NONE)
		learn(at, size, how);
	if (how == SHIM_WRITE && size > sizeof(long))
		zeroed = true;
	CHECK(zeroed || at - (uintptr_t)items >= percpu_counter_tree_items_size_many(n),
	      "items are used before they are zeroed");
	if (!stop)
		return;
	now.at = at;
	now.size = size;
	now.bits = bits;
	now.how = how;
	if (me->begins)
		op_begins_now();
}

/* Let a context go on to where it stops next. */
static void resume(struct context *c)
{
	me = c;
	shim_cpu = c->cpu;
	shim_preempt = c->preempt;
	shim_locks = c->locks;
	shim_fail_alloc = c->fails;
	shim_before = before;
	switch_stack(explorer, c->stack);
	shim_before = NULL;
	c->preempt = shim_preempt;
	c->locks = shim_locks;
	c->fails = shim_fail_alloc;
	shim_preempt = shim_locks = shim_fail_alloc = 0;
}

/* --- steps */

static bool can_run(const struct context *c, unsigned int cpu)
{
	const struct context *o;

	if (c->plan->interrupt && !c->started)
		return true;
	for (o = contexts; o < contexts + schedule->nr; o++) {
		if (o == c || o->cpu != cpu)
			continue;
		if (o->plan->interrupt) {
			if (o->started && !o->done &&
			    (!c->plan->interrupt || o->order > c->order))
				return false;
		} else if (!c->plan->interrupt && o->preempt) {
			return false;
		}
	}
	return true;
}

static bool is_interrupted(const struct context *c)
{
	const struct context *o;

	for (o = contexts; o < contexts + schedule->nr; o++)
		if (o->plan->interrupt && o->started && !o->done && o->cpu == c->cpu)
			return true;
	return false;
}

/* What may go on, and where. */
static unsigned int choices(struct step *to)
{
	unsigned int nr = 0, other;
	struct context *c;

	for (c = contexts; c < contexts + schedule->nr; c++) {
		if (c->done)
			continue;
		if (can_run(c, c->cpu))
			to[nr++] = (struct step){ c - contexts, c->cpu };
		other = c->cpu ^ c->plan->cpu ^ c->plan->other_cpu;
		if (c->moves && !c->preempt && !is_interrupted(c) && can_run(c, other))
			to[nr++] = (struct step){ c - contexts, other };
	}
	return nr;
}

static void take(struct step *step)
{
	struct context *c = &contexts[step->context];
	unsigned int preempt = c->preempt;

	now = (struct step){ step->context, step->cpu, c->cpu, c->adds, c->reads };
	if (!c->started) {
		now.interrupts = c->plan->interrupt;
		c->started = true;
		c->order = nr_interrupts++;
	}
	c->moves -= c->cpu != step->cpu;
	c->cpu = step->cpu;
	resume(c);
	now.disables = c->preempt && !preempt;
	trail[nr_steps++ % MAX_STEPS] = *step = now;
}

/* Each context stands before its first step. */
static void start(void)
{
	struct context *c;
	unsigned int i;

	schedule->reset();
	nr_steps = nr_interrupts = 0;
	zeroed = group[0].level0;
	for (i = 0; i < schedule->nr; i++) {
		c = &contexts[i];
		c->plan = &schedule->context[i];
		c->cpu = c->plan->cpu;
		c->moves = c->plan->moves;
		c->preempt = c->locks = c->fails = c->started = c->done = 0;
		resume(c);
	}
}

static const char *name_of(const struct step *s, char *to, size_t size)
{
	unsigned long item = (s->at - (uintptr_t)items) / sizeof(*items);
	unsigned long in_item = s->at % sizeof(*items) / sizeof(long), i, cpu;
	size_t bytes = percpu_counter_tree_items_size_many(n);

	if (s->how == SHIM_NONE)
		return "preemption";
	if (s->at - (uintptr_t)items < bytes) {
		item %= shape.first + shape.all_nodes;
		if (s->size > sizeof(long))
			return "all items";
		if (!item)
			snprintf(to, size, "root of counter %lu", in_item);
		else if (item >= shape.first)
			snprintf(to, size, "node %lu of counter %lu", item - shape.first, in_item);
		else if (item > 1 || in_item > 1)
			snprintf(to, size, "used CPUs or nodes, bits %lx", s->bits);
		else
			return in_item ? "over" : "under";
		return to;
	}
	for (i = 0; i < n; i++) {
		if (s->at == (uintptr_t)&group[i].level0)
			snprintf(to, size, "level0 of counter %lu", i);
		else if (s->at == (uintptr_t)&group[i].direct)
			snprintf(to, size, "direct of counter %lu", i);
		else if (s->at == (uintptr_t)&group[i].flags)
			snprintf(to, size, "flags of counter %lu", i);
		else
			continue;
		return to;
	}
	cpu = (s->at - (uintptr_t)shim_arena) / SHIM_UNIT;
	if (cpu < nr_cpu_ids && s->size == sizeof(u16))
		snprintf(to, size, "leaf of CPU %lu", cpu);
	else if (cpu < nr_cpu_ids && group[0].level0)
		snprintf(to, size, "word %zu of CPU %lu",
			 (s->at - (uintptr_t)per_cpu_ptr(group[0].level0, cpu)) / sizeof(long), cpu);
	else
		snprintf(to, size, "%#lx", (unsigned long)s->at);
	return to;
}

static void show_trail(void)
{
	static const char *const how[] = { "disables", "reads", "adds to", "writes" };
	char name[80];
	unsigned int i;

	/* If a context has failed, its step has not ended. */
	for (i = nr_steps - min(nr_steps, MAX_STEPS + 0U); i < nr_steps + !!shim_before; i++) {
		const struct step *s = i < nr_steps ? &trail[i % MAX_STEPS] : &now;

		printf("# %c%s on CPU %u %s %s%s%s\n", 'A' + s->context,
		       schedule->context[s->context].interrupt ? " (interrupt)" : "", s->cpu,
		       how[s->how], name_of(s, name, sizeof(name)), s->begins ? ", begins" : "",
		       s->ends ? ", ends" : "");
	}
	show_case();
}

/* --- all orders */

static struct frame {
	struct step choice[MAX_CHOICES], asleep[MAX_CHOICES];
	unsigned int nr, at, nr_asleep;
} frames[MAX_STEPS];
static unsigned int nr_frames;

/* After @a, @b has to wait. */
static bool holds_up(const struct step *a, const struct step *b)
{
	if (a->interrupts)
		return b->cpu == a->cpu || b->from == a->cpu;
	return a->disables && b->cpu == a->cpu && !schedule->context[b->context].interrupt;
}

static bool depends(const struct step *a, const struct step *b)
{
	if (a->context == b->context || holds_up(a, b) || holds_up(b, a))
		return true;
	if ((a->adds & b->reads || a->reads & b->adds) &&
	    ((a->begins && b->ends) || (a->ends && b->begins)))
		return true;
	if (a->at + a->size <= b->at || b->at + b->size <= a->at || !(a->bits & b->bits))
		return false;
	return a->how != b->how || a->how == SHIM_WRITE;
}

static bool is_asleep(const struct frame *f, const struct step *s)
{
	unsigned int i;

	for (i = 0; i < f->nr_asleep; i++)
		if (f->asleep[i].context == s->context && f->asleep[i].cpu == s->cpu)
			return true;
	return false;
}

/* Returns whether there is a choice left, from @at on. */
static bool choose(struct frame *f, unsigned int at)
{
	for (f->at = at; f->at < f->nr; f->at++)
		if (!is_asleep(f, &f->choice[f->at]))
			return true;
	return false;
}

static bool new_frame(struct schedules *count)
{
	struct frame *f = &frames[nr_frames], *last = f - 1;
	unsigned int i;

	CHECK(nr_frames < MAX_STEPS, "too many steps");
	f->nr = choices(f->choice);
	f->nr_asleep = 0;
	for (i = 0; nr_frames && i < last->nr_asleep; i++)
		if (!depends(&last->asleep[i], &last->choice[last->at]))
			f->asleep[f->nr_asleep++] = last->asleep[i];
	if (!f->nr) {
		for (i = 0; i < schedule->nr; i++)
			CHECK(contexts[i].done, "context %u cannot go on", i);
		schedule->end();
		count->complete++;
		return false;
	}
	if (!choose(f, 0)) {
		count->cut++;
		return false;
	}
	nr_frames++;
	return true;
}

static bool next_choice(void)
{
	for (; nr_frames; nr_frames--) {
		struct frame *f = &frames[nr_frames - 1];

		f->asleep[f->nr_asleep++] = f->choice[f->at];
		if (choose(f, f->at + 1))
			return true;
	}
	return false;
}

struct schedules all_schedules(const struct schedule *s)
{
	struct schedules count = { 0 };
	struct step rest[MAX_CHOICES];
	unsigned int d, known;

	schedule = s;
	at_random = false;
	make_contexts();
	memset(places, 0, sizeof(places));
	nr_frames = 0;
	do {
		learnt = false;
		/* The last choice is another one than before. */
		known = nr_frames ? nr_frames - 1 : 0;
		start();
		for (d = 0; !learnt; d++) {
			if (d == nr_frames && !new_frame(&count))
				break;
			take(&frames[d].choice[frames[d].at]);
			if (d >= known) {
				schedule->check();
				count.states++;
			}
		}
		/* A context is left at its end only. */
		while (choices(rest))
			take(rest);
		if (learnt) {
			count = (struct schedules){ 0 };
			nr_frames = 0;
		}
	} while (learnt || next_choice());
	return count;
}

/* --- random orders */

void random_schedule(const struct schedule *s)
{
	struct step choice[MAX_CHOICES];
	unsigned int nr, at = 0, i, last = 0, stay = below(8);

	schedule = s;
	at_random = true;
	make_contexts();
	for (start(); (nr = choices(choice)); take(&choice[at]), schedule->check()) {
		at = below(nr);
		for (i = 0; i < nr && below(8) < stay; i++)
			if (choice[i].context == last)
				at = i;
		last = choice[at].context;
	}
	schedule->end();
}
