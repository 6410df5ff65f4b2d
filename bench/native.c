// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures time on the cores of this machine, of the library itself and of the
 * counters of bench/rivals.h, as on a machine with CPUS CPUs.
 *
 * usage: native add CPUS | native transfer | native sum DESIGN CPUS
 *
 * add: one or two threads, each on a core of its own, add 1, 16 or 512 pages
 * again and again, always upwards, to one counter as two CPUs with neighbouring
 * numbers, or to counters of two processes. The time is that of an add.
 *
 * transfer: two threads change a word in turn by compare-and-exchange; the time
 * is half of a turn of both.
 *
 * sum: the precise sums of all four counters of 10,000 processes, one process
 * after another. All that is read has been flushed from the caches before. The
 * per-CPU memory is laid out as the kernel lays it out, a unit per CPU, the
 * words of processes next to each other in it, in pages of 4 KiB; the rest of
 * an mm_struct is unused memory of its size. tree_used8 has used 8 CPUs, which
 * differ between processes.
 *
 * Each figure is the median of REPEATS, in ns; its line _spread has the lowest
 * and the highest. What two cores are needed for is left out where there is one.
 * Interrupts are not disabled and the CPU of a thread is found through a
 * thread-local word, so adds cost a little other than in a kernel.
 */
#include "harness.h"
#include "rivals.h"
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#define REPEATS		11
#define MMS		10000
/* About what an mm_struct has besides, with the configuration of this rig */
#define MM_SIZE		1472

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* @what is the name, then what else is in front of the figure. */
static void show(const char *name, const char *what, double *ns)
{
	qsort(ns, REPEATS, sizeof(*ns), by_size);
	printf("%s %s%.2f\n", name, what, ns[REPEATS / 2]);
	printf("%s_spread %s%.2f %.2f\n", name, what, ns[0], ns[REPEATS - 1]);
	fflush(stdout);
}

/* --- cores */

static int cores[2];
static unsigned int nr_cores;

/* -1 if not known */
static int topology_of(int cpu, const char *what)
{
	char path[100];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%d", &id) != 1)
			id = -1;
		fclose(f);
	}
	return id;
}

static bool same_core(int a, int b)
{
	return topology_of(a, "core_id") >= 0 &&
	       topology_of(a, "core_id") == topology_of(b, "core_id") &&
	       topology_of(a, "physical_package_id") == topology_of(b, "physical_package_id");
}

/* The first two cores that this process may use. */
static void find_cores(void)
{
	cpu_set_t set;
	int cpu;

	CHECK(!sched_getaffinity(0, sizeof(set), &set), "more CPUs than a cpu_set_t holds");
	for (cpu = 0; cpu < CPU_SETSIZE && nr_cores < 2; cpu++)
		if (CPU_ISSET(cpu, &set) && (!nr_cores || !same_core(cores[0], cpu)))
			cores[nr_cores++] = cpu;
}

static void pin(unsigned int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cores[core], &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set), "cannot use CPU %d", cores[core]);
}

static void run_as(unsigned int cpu)
{
	shim_cpu = cpu;
	shim_my_distance = shim_distance(cpu);
}

/* --- threads that begin together */

struct thread {
	pthread_t id;
	unsigned int nr;
	double ns;
};

static unsigned int nr_threads, nr_ready;
static double (*work)(unsigned int thread);

static void *run_thread(void *arg)
{
	struct thread *t = arg;

	pin(t->nr);
	run_as(t->nr);
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < nr_threads)
		cpu_relax();
	t->ns = work(t->nr);
	return NULL;
}

/* The mean of what @fn returns. */
static double run_threads(unsigned int nr, double (*fn)(unsigned int thread))
{
	struct thread t[2] = {};
	unsigned int i;
	double ns = 0;

	nr_threads = nr;
	nr_ready = 0;
	work = fn;
	for (i = 0; i < nr; i++) {
		t[i].nr = i;
		CHECK(!pthread_create(&t[i].id, NULL, run_thread, &t[i]), "no thread");
	}
	for (i = 0; i < nr; i++) {
		pthread_join(t[i].id, NULL);
		ns += t[i].ns / nr;
	}
	return ns;
}

/* --- add */

/* The counters of a process, with lines that nothing else is on. */
struct process {
	struct percpu_counter percpu[4] __attribute__((aligned(256)));
	struct flat_counter flat8[4] __attribute__((aligned(256)));
	struct flat_counter flat32[4] __attribute__((aligned(256)));
	struct doubling_counter doubling32[4] __attribute__((aligned(256)));
	struct percpu_counter_tree tree[4] __attribute__((aligned(256)));
	struct percpu_counter_tree inactive[4] __attribute__((aligned(256)));
};

static struct process processes[2];
static unsigned long add_count;
static bool different;
static s32 percpu_batch;

static void *items_alloc(void)
{
	void *p;

	CHECK(!posix_memalign(&p, 256, percpu_counter_tree_items_size_many(4) + 256), "memory");
	return p;
}

#define define_adds(name, size, statement)				\
static double name##_##size(unsigned int thread)			\
{									\
	struct process *p = &processes[different ? thread : 0];		\
	unsigned long i;						\
	double start = now();						\
									\
	for (i = 0; i < add_count; i++) {				\
		const long inc = size;					\
									\
		statement;						\
		asm volatile("" : : : "memory");			\
	}								\
	return (now() - start) / add_count;				\
}
#define define_add(name, statement)					\
	define_adds(name, 1, statement)					\
	define_adds(name, 16, statement)				\
	define_adds(name, 512, statement)

define_add(percpu_counter, percpu_counter_add_batch(&p->percpu[1], inc, percpu_batch))
define_add(flat8, flat_add(&p->flat8[1], inc, 8))
define_add(flat32, flat_add(&p->flat32[1], inc, 32))
define_add(doubling32, doubling_add(&p->doubling32[1], inc))
define_add(tree, percpu_counter_tree_add(&p->tree[1], inc))
define_add(inactive, percpu_counter_tree_add(&p->inactive[1], inc))

#define adds_of(name)	{ #name, { name##_1, name##_16, name##_512 } }

static const struct {
	const char *name;
	double (*fn[3])(unsigned int thread);
} adders[] = {
	adds_of(percpu_counter), adds_of(flat8), adds_of(flat32), adds_of(doubling32),
	adds_of(tree), adds_of(inactive),
};

static void measure_add(const char *name, const char *design, double (*fn)(unsigned int),
			unsigned int threads)
{
	double ns[REPEATS];
	unsigned int i;
	char what[60];

	/* About 50 ms */
	add_count = 100000;
	add_count = 50e6 / run_threads(threads, fn) + 1;
	for (i = 0; i < REPEATS; i++)
		ns[i] = run_threads(threads, fn);
	snprintf(what, sizeof(what), "%s %u %s ", design, threads,
		 different ? "different" : "same");
	show(name, what, ns);
}

static void measure_adds(void)
{
	static const char *const names[] = { "add", "add16", "add512" };
	unsigned int i, size, threads;

	percpu_batch = percpu_counter_batch(nr_list);
	doubling = doubling_geometry(nr_list);
	for (i = 0; i < ARRAY_SIZE(processes); i++) {
		struct process *p = &processes[i];

		percpu_counter_init_many(p->percpu, 4);
		flat_init_many(p->flat8, 4);
		flat_init_many(p->flat32, 4);
		doubling_init_many(p->doubling32, 4);
		CHECK(!percpu_counter_tree_init_many(p->tree, items_alloc(), 4, rss_batch(4096),
						     GFP_KERNEL), "init");
		CHECK(!percpu_counter_tree_init_many_lazy(p->inactive, items_alloc(), 4,
							  rss_batch(4096)), "init");
	}
	for (size = 0; size < ARRAY_SIZE(names); size++)
		for (i = 0; i < ARRAY_SIZE(adders); i++)
			for (threads = 1; threads <= nr_cores; threads++) {
				different = false;
				measure_add(names[size], adders[i].name, adders[i].fn[size],
					    threads);
				different = true;
				if (threads > 1)
					measure_add(names[size], adders[i].name,
						    adders[i].fn[size], threads);
			}
}

/* --- transfer */

#define TURNS	200000UL

static double take_turns(unsigned int thread)
{
	static unsigned long word __attribute__((aligned(256)));
	unsigned long i, old;
	double start = now();

	for (i = 0; i < TURNS; i++)
		do
			old = thread;
		while (!__atomic_compare_exchange_n(&word, &old, !thread, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST));
	return (now() - start) / TURNS / 2;
}

static void measure_transfer(void)
{
	double ns[REPEATS];
	unsigned int i;

	if (nr_cores < 2)
		return;
	run_threads(2, take_turns);
	for (i = 0; i < REPEATS; i++)
		ns[i] = run_threads(2, take_turns);
	show("transfer", "", ns);
}

/* --- sum */

struct mm {
	union {
		struct percpu_counter percpu[4];
		struct percpu_counter_tree tree[4];
	};
	char rest[MM_SIZE];
	/* Of the tree, to the end */
	struct percpu_counter_tree_level_item items[];
};

static char *mms;
static size_t mm_size;

static struct mm *mm_at(unsigned int i)
{
	return (struct mm *)(mms + i * mm_size);
}

static void flush(const void *start, size_t size)
{
#ifdef __x86_64__
	const char *p;

	for (p = start; p < (const char *)start + size; p += 64)
		__builtin_ia32_clflush(p);
	__builtin_ia32_mfence();
#endif
}

static void flush_all(void)
{
#ifdef __x86_64__
	unsigned int cpu;

	flush(mms, MMS * mm_size);
	for_each_possible_cpu(cpu)
		flush(shim_arena + cpu * SHIM_UNIT, SHIM_STATIC + MMS * 4 * sizeof(long));
#else
	/* More than any cache holds */
	const size_t size = 512UL << 20;
	static char *other;

	if (!other)
		other = malloc(size);
	CHECK(other, "memory");
	memset(other, 1, size);
#endif
}

static long sum_percpu(struct mm *mm)
{
	unsigned int i;
	long sum = 0;

	for (i = 0; i < 4; i++)
		sum += percpu_counter_sum(&mm->percpu[i]);
	return sum;
}

static long sum_tree(struct mm *mm)
{
	long sums[4];

	percpu_counter_tree_precise_sum_many(mm->tree, 4, sums);
	return sums[0] + sums[1] + sums[2] + sums[3];
}

static void measure_sum(const char *design)
{
	bool tree = strcmp(design, "percpu_counter");
	unsigned int used = strcmp(design, "tree_used8") ? nr_list : 8, i, k, repeat;
	long sum, truth = 0;
	double ns[REPEATS], start;
	char what[60];

	percpu_batch = percpu_counter_batch(nr_list);
	mm_size = sizeof(struct mm) + (tree ? percpu_counter_tree_items_size_many(4) : 0);
	CHECK(!posix_memalign((void **)&mms, 4096, MMS * mm_size), "memory");
	CHECK(!madvise(shim_arena, nr_list * SHIM_UNIT, MADV_NOHUGEPAGE) || errno == EINVAL,
	      "madvise");
	for (i = 0; i < MMS; i++) {
		struct mm *mm = mm_at(i);

		if (tree)
			CHECK(!percpu_counter_tree_init_many(mm->tree, mm->items, 4,
							     rss_batch(4096), GFP_KERNEL), "init");
		else
			percpu_counter_init_many(mm->percpu, 4);
		for (k = 0; k < 4 * used; k++) {
			run_as((i * used + k / 4) % nr_list);
			if (tree)
				percpu_counter_tree_add(&mm->tree[k % 4], k);
			else
				percpu_counter_add_batch(&mm->percpu[k % 4], k, percpu_batch);
			truth += k;
		}
	}
	pin(0);
	for (repeat = 0; repeat < REPEATS; repeat++) {
		flush_all();
		sum = 0;
		start = now();
		for (i = 0; i < MMS; i++)
			sum += tree ? sum_tree(mm_at(i)) : sum_percpu(mm_at(i));
		ns[repeat] = (now() - start) / MMS;
		CHECK(sum == truth, "sums of %ld, should be %ld", sum, truth);
	}
	snprintf(what, sizeof(what), "%s %u ", design, nr_list);
	show("sum", what, ns);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned int cpus = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 2;

	if (cpus < 2 || cpus > NR_CPUS)
		what = "";
	find_cores();
	boot_plain(max(cpus, 2U));
	if (!strcmp(what, "add") && argc == 3) {
		measure_adds();
	} else if (!strcmp(what, "transfer") && argc == 2) {
		measure_transfer();
	} else if (!strcmp(what, "sum") && argc == 4) {
		measure_sum(argv[2]);
	} else {
		fprintf(stderr, "usage: native add CPUS | transfer | sum DESIGN CPUS\n");
		return 2;
	}
	return fflush(stdout) || ferror(stdout);
}
