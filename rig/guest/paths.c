// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs on paths that look at resident pages or at their peak and are
 * not in figures.c and calls.c: exec and vfork of processes that have or had
 * threads, calls right after RSS has grown, and files of /proc that are read or
 * written less often.
 */
#define _GNU_SOURCE
#include "figures.h"
#include "tasks.h"

#define CALLS	200
#define GROWTHS	16
/*
 * More than approximate RSS has to grow by until a peak takes a precise sum: an
 * eighth of the range of three counters, 10.3 MiB at 255 CPUs with 4 KiB pages.
 */
#define GROWTH	(16 * MIB)

static const char threaded[] = "_threaded";
static char **again, *none[] = { NULL };
static char *grown;

static void event_threaded(void)
{
	static const char event[] = TRACING "events/kmem/rss_stat/enable";
	uint64_t without, with;

	start_sleeper();
	usleep(1000);
	without = fault_cost();
	if (!try_put(event, "1"))
		return;
	with = fault_cost();
	put(event, "0");
	printf("event_threaded %ld\n", (long)(with - without));
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("a child");
}

static void *return_at_once(void *unused)
{
	return unused;
}

/* Its threads have gone, but its counters keep their per-CPU memory. */
static void exec_threaded(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (!pid) {
		if (!pthread_create(&thread, NULL, return_at_once, NULL) &&
		    !pthread_join(thread, NULL))
			execve(again[0], again, none);
		_exit(1);
	}
	wait_for(pid);
}

static void vfork_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execve(again[0], again, none);
		_exit(1);
	}
	wait_for(pid);
}

static void vfork_exit(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	wait_for(pid);
}

static void clear_refs(void)
{
	put("/proc/self/clear_refs", "5");
}

static void paths(const char *which)
{
	show_cost("vfork_exec", which, cost(NULL, vfork_exec, CALLS));
	show_cost("oom_score", which, file_cost("/proc/self/oom_score"));
	show_cost("clear_refs", which, cost(NULL, clear_refs, CALLS));
}

static void single(void)
{
	show_cost("exec", threaded, cost(NULL, exec_threaded, CALLS));
	paths("");
}

static void on_all_cpus(void)
{
	use_all_cpus();
	show_cost("vfork_exit", threaded, cost(NULL, vfork_exit, CALLS));
	paths(threaded);
}

static void grow(void)
{
	grown = map_private(GROWTH);
	touch(grown, GROWTH);
}

static void dontneed(void)
{
	if (madvise(grown, PAGE, MADV_DONTNEED))
		die("madvise");
}

/* Each in a process of its own, as nothing may be freed while RSS grows. */
static void grown_cost(const char *name, void (*work)(void))
{
	use_all_cpus();
	use_time();
	show_cost(name, "_grown_threaded", cost(grow, work, GROWTHS));
}

static void rusage_self_grown(void)
{
	grown_cost("rusage_self", usage_of_process);
}

static void rusage_thread_grown(void)
{
	grown_cost("rusage_thread", usage_of_thread);
}

static void dontneed_grown(void)
{
	grown_cost("dontneed", dontneed);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	again = this_program();
	in_child(single);
	in_child(on_all_cpus);
	in_child(event_threaded);
	if (PAGE > 4096) {
		printf("rusage_self_grown_threaded -\nrusage_thread_grown_threaded -\n"
		       "dontneed_grown_threaded -\n");
		return failed;
	}
	in_child(rusage_self_grown);
	in_child(rusage_thread_grown);
	in_child(dontneed_grown);
	return failed;
}
