// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of lib/percpu_counter_tree*.c, unmodified, in userspace: any number of
 * CPUs, any topology, any history.
 *
 * usage: main quick|fast|full TEST...
 *
 * Each case, that is a test with a number of CPUs and a seed, is a process of
 * its own, because the library starts once. CASE=, CPUS= and SEED= in the
 * environment choose one; all that happens follows from them.
 */
#include "harness.h"
#include <sys/wait.h>
#include <unistd.h>

/* The case at hand. */
static const char *test_name;
static unsigned int test_cpus;
u64 test_seed;
bool full;

static void show_case(void)
{
	show_notes();
	printf("# replay: CASE=%s CPUS=%u SEED=%llu\n", test_name, test_cpus,
	       (unsigned long long)test_seed);
	fflush(stdout);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

/* --- which cases there are */

static const unsigned int some[] = {
	1, 2, 3, 5, 8, 15, 16, 17, 18, 31, 32, 33, 48, 64, 65, 127, 128, 129, 130, 192, 255, 256,
	257, 384, 500, 512, 513, 768, 864, 900, 1000, 1023, 1024, 1025, 1500, 2047, 2048, 2049,
	4097, 8191, 8192,
};

static bool is_some(unsigned int cpus, unsigned int most)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (some[i] == cpus && cpus <= most)
			return true;
	return false;
}

/*
 * In full, all up to @all and some up to @most; else some up to @fast, or up to
 * @quick. Above 1024 CPUs all those where the size changes, which is where a
 * leaf is added. Not numbers of CPUs, but just numbers, for those with @up_to.
 */
static const struct test {
	const char *name;
	void (*run)(unsigned int cpus);
	unsigned int all, most, fast, quick, seeds;
	const unsigned int *up_to;
} tests[] = {
	{ "contract", test_contract, 40, 257, 64, 33, 1 },
	{ "swings", test_swings, 2, 2, 2, 2, 1 },
	{ "amortised", test_amortised, 64, 1025, 257, 257, 2 },
	{ "ends", test_ends, 300, 8192, 8192, 1025, 2 },
	{ "use", test_use, 300, 8192, 1025, 257, 1 },
	{ "lifetime", test_lifetime, 64, 1025, 129, 129, 1 },
	{ "huge", test_huge, 64, 1025, 129, 129, 1 },
	{ "walk", test_walk, 10, 130, 65, 65, 1 },
	{ "cut", test_cut, 600, 8192, 1025, 1025, 1 },
	{ "machines", test_machines, UINT_MAX, UINT_MAX, UINT_MAX, UINT_MAX, 1, &nr_machines },
	{ "map", test_map, 300, 2049, 1025, 1025, 2 },
	{ "geometry", test_geometry, 8192, 8192, 8192, 1025, 1 },
	{ "levels", test_levels, 0, 512, 512, 129, 1 },
	{ "rivals", test_rivals, 130, 8192, 1025, 129, 1 },
	{ "interleavings", test_interleavings, UINT_MAX, UINT_MAX, UINT_MAX, UINT_MAX, 1,
	  &nr_interleavings },
	{ "schedules", test_schedules, 20, 129, 65, 33, 2 },
	{ "preempted", test_preempted, 40, 257, 65, 33, 2 },
	{ "random", test_random, 1024, 8192, 1025, 257, 1 },
	{ "threads", test_threads, 0, 513, 64, 17, 1 },
};

enum { QUICK, FAST, FULL };

static bool is_case(const struct test *t, unsigned int cpus, unsigned int how)
{
	const unsigned int most[] = { t->quick, t->fast, t->most };

	return t->up_to || is_some(cpus, most[how]) ||
	       (how == FULL && cpus <= t->all && (cpus <= 1024 || cpus % 16 < 2));
}

/* Returns whether it passed. */
static bool run_case(const struct test *test, unsigned int cpus, u64 seed)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		test_cpus = cpus;
		test_seed = seed;
		rnd_seed(seed << 32 | cpus);
		alarm(300);
		test->run(cpus);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (status)
		printf("# status %#x: CASE=%s CPUS=%u SEED=%llu\n", status, test->name, cpus,
		       (unsigned long long)seed);
	return !status;
}

static u64 number(const char *name, u64 otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

/* Returns whether there were cases, if a user has not chosen others, and all passed. */
static bool run_test(const struct test *t, unsigned int how)
{
	unsigned int only = number("CPUS", 0), last = t->up_to ? *t->up_to : NR_CPUS;
	unsigned int seeds = how == FULL && !getenv("SEED") ? t->seeds : 1, cpus;
	u64 first = number("SEED", 1), seed;
	unsigned long nr = 0;
	bool ok = true;

	test_name = t->name;
	for (cpus = 1; ok && cpus <= last; cpus++) {
		if (only ? cpus != only : !is_case(t, cpus, how))
			continue;
		for (seed = first; ok && seed < first + seeds; seed++, nr++)
			ok = run_case(t, cpus, seed);
	}
	if (!nr && only)
		return true;
	ok &= nr > 0;
	printf("%sok - %s: %lu cases\n", ok ? "" : "not ", test_name, nr);
	return ok;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "", *chosen = getenv("CASE");
	int failed = 0, a;
	unsigned int t;

	full = !strcmp(how, "full");
	shim_show_case = show_case;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	__sanitizer_set_death_callback(show_case);
#endif
	for (a = 2; a < argc; a++) {
		for (t = 0; t < ARRAY_SIZE(tests); t++)
			if (!strcmp(argv[a], tests[t].name))
				break;
		if (t == ARRAY_SIZE(tests)) {
			printf("not ok - %s: there is no such test\n", argv[a]);
			failed = 1;
		} else if (!chosen || !*chosen || !strcmp(chosen, argv[a])) {
			failed |= !run_test(&tests[t], full ? FULL :
					    strcmp(how, "quick") ? FAST : QUICK);
		}
	}
	return failed;
}
