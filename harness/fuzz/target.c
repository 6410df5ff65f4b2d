// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: any bytes are a machine, a group of counters and a sequence of
 * steps, some of which run in the midst of others. What the library promises is
 * checked after each step, against the model in group.c and the one in model.c.
 */
#include "fuzz.h"

#define KEPT	__attribute__((section("kept")))

static const struct step *next, *end;
/* Steps that have others in their midst now */
unsigned int nest;
/* The points until the next one runs. */
static unsigned int countdown;
/* Only points that follow a write to a node count. */
static bool after_node;
bool node_written;
/* Others ran in the midst of the step that ended last. */
bool disturbed;
/* Tasks on a CPU that may not be preempted. */
static u8 held[NR_CPUS];

static void hook(void);

/* With @s, others may run at some point of what follows. */
void disturb(const struct step *s)
{
	countdown = s->when & 0x1f;
	after_node = s->when & 0x20;
	if (after_node)
		countdown = 1 + countdown % 4;
	node_written = false;
	shim_hook = countdown && nest < 4 && next < end ? hook : NULL;
}

/* One that nobody keeps from being preempted, from @cpu on; NR_CPUS if there is none. */
static unsigned int free_cpu(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < nr_cpu_ids && (held[cpu] || !cpu_possible(cpu)); i++)
		cpu = (cpu + 1) % nr_cpu_ids;
	return i < nr_cpu_ids ? cpu : NR_CPUS;
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
	if (what_of(s) == MIGRATE) {
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
