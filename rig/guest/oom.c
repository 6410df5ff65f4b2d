// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to select the victim when a memory cgroup is out of memory,
 * per task that it has, and whether the right one is killed.
 *
 * usage: oom TASKS		tasks of one thread, and a large one
 *	  oom TASKS THREADS	tasks of several threads that have run on a CPU
 *				each; with a large one, and all being equal
 *	  oom TASKS THREADS all	both, also when the whole machine is out of
 *				memory (sysrq f kills the largest task of all)
 *	  oom TASKS THREADS group
 *				both, of what all prints
 *
 * In time, which is on a machine that others use, never kills but in the group:
 * there is no all.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "figures.h"
#include "tasks.h"

#define CGROUP		"/sys/fs/cgroup/rss_figures/"
#define KPROBES		"/sys/kernel/tracing/kprobe_events"
#define REPEATS		5
#if defined(__x86_64__) && !defined(FIGURES_IN_TIME)
#define CLOCK		"x86-tsc"
#else
#define CLOCK		"mono"
#endif

static int tasks, threads = 1;
/* Those that are left, and how many these are. */
static pid_t *pids;
static int left;
static long task_size = 3 * MIB / 2;
static bool probed, both, global;

/*
 * Touch what is missing to task_size: on how many pages of its stack and of
 * its data a task has written depends on which of its threads waits for which.
 */
static void fill_up(void)
{
	char *p = map_table();
	long size;

	while ((size = field("/proc/self/status", "VmRSS:") * KIB) < task_size) {
		touch(p, task_size - size);
		p += task_size - size;
	}
}

/* Each thread of a task on the next CPU; tasks all over the machine. */
static void more_threads(int nr)
{
	put("/proc/self/oom_score_adj", "0");
	if (threads > 1)
		pin(nr * threads % cpus);
	for (int i = 1; i < threads; i++)
		park_on(nr * threads + i);
	if (threads > 1 || both)
		fill_up();
}

/*
 * Time stamp of the first event with this name in the trace, or 0. A clock that
 * counts ns is printed as seconds, to the microsecond.
 */
static uint64_t stamp_of(const char *name)
{
	char *at = strstr(text, name);
	uint64_t stamp;

	if (!at || at[-1] != ' ' || at[-2] != ':')
		return 0;
	for (at -= 2; at > text && ((at[-1] >= '0' && at[-1] <= '9') || at[-1] == '.'); at--)
		;
	stamp = strtoull(at, &at, 10);
	return *at == '.' ? stamp * 1000000000 + strtoull(at + 1, NULL, 10) * 1000 : stamp;
}

/* What the selection cost that the trace is of, per task of so many, or 0. */
static uint64_t selection(int among)
{
	uint64_t start, end;

	get(TRACING "trace");
	start = stamp_of("select_start:");
	end = stamp_of("select_end:");
	return probed && start && end > start ? (end - start) / among : 0;
}

/* The name of a figure: short in the two usual cases. */
static const char *name_of(const char *what)
{
	static char name[64];

	if (both)
		snprintf(name, sizeof(name), "oom_%s_%d_%d_%s", global ? "global" : "memcg",
			 tasks, threads, what);
	else if (threads > 1)
		snprintf(name, sizeof(name), "oom_threads_%s", what);
	else
		snprintf(name, sizeof(name), strcmp(what, "hog") ? "oom_%s" : "oom", what);
	return name;
}

static void show(const char *what, int taken)
{
	if (in_time && tasks < 100)
		printf("reason %s: too short for the clock of the trace\n", name_of(what));
	else if (taken < (REPEATS + 1) / 2)
		printf("reason %s: %d searches were traced\n", name_of(what), taken);
	else
		printf("%s %lu\n", name_of(what), middle(taken));
}

/* Comes true later. */
static void ask_for_a_kill(void)
{
	clear_trace();
	put("/proc/sysrq-trigger", "f");
}

/*
 * Memory that grows until the group is out of it; or, for all of the machine,
 * until it is far larger than any other task.
 */
static pid_t start_hog(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "hog");
		put_number(CGROUP "cgroup.procs", getpid());
		more_threads(0);
		touch(map(512 * MIB, MAP_PRIVATE | MAP_ANONYMOUS), (global ? 32 : 512) * MIB);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		while (global)
			pause();
		_exit(0);
	}
	close(ready[1]);
	if (pid > 0 && global) {
		if (read(ready[0], &byte, 1) != 1)
			die("read");
		ask_for_a_kill();
	}
	close(ready[0]);
	return pid;
}

/* One task that is far larger than the others. */
static void one_hog(void)
{
	bool right = true;
	int taken = 0;

	put_number(CGROUP "memory.max", field(CGROUP "memory.current", "") +
		   (global ? 512 : 32) * MIB);
	for (int i = 0; i < REPEATS; i++) {
		int status;
		pid_t pid;

		clear_trace();
		pid = start_hog();
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("fork");
		right &= WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		took[taken] = selection(left);
		taken += took[taken] > 0;
	}
	/* No process but the one that grew may have been killed. */
	right &= waitpid(-1, NULL, WNOHANG) == 0;
	show("hog", taken);
	if (both)
		printf("%s %s\n", name_of("victim"), right ? "largest" : "wrong");
	else
		printf("oom%s_victim %s\n", threads > 1 ? "_threads" : "",
		       right ? "largest" : "wrong");
}

/* Whether all tasks have the same number of pages, page tables included. */
static bool are_equal(void)
{
	long first = 0;

	for (int i = 0; i < left; i++) {
		char path[64];
		long size;

		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		size = field(path, "VmRSS:") + number(text, "VmPTE:");
		if (!i)
			first = size;
		if (size != first) {
			printf("reason %s: a task has %ld KiB, the first one %ld\n",
			       name_of("equal"), size, first);
			return false;
		}
	}
	return true;
}

/*
 * Lower the limit of the group to a page less than it has, so that the write
 * to memory.max kills a task. The first writes may only return what the CPUs
 * have charged in advance.
 */
static bool kill_one(void)
{
	long killed = field(CGROUP "memory.events", "oom_kill ");

	for (int i = 0; i < 10; i++) {
		clear_trace();
		put_number(CGROUP "memory.max", field(CGROUP "memory.current", "") - PAGE);
		if (field(CGROUP "memory.events", "oom_kill ") > killed)
			return true;
	}
	return false;
}

/* A task has been killed. */
static void forget_one(void)
{
	pid_t pid = waitpid(-1, NULL, 0);

	for (int i = 0; i < left; i++)
		if (pids[i] == pid) {
			pids[i] = pids[--left];
			return;
		}
	die("waitpid");
}

/* Tasks that are all equal; one less after each round. */
static void all_equal(void)
{
	int taken = 0;

	if (!are_equal())
		return;
	for (int i = 0; i < REPEATS && left; i++) {
		if (global)
			ask_for_a_kill();
		else if (!kill_one())
			break;
		forget_one();
		took[taken] = selection(left + 1);
		taken += took[taken] > 0;
	}
	show("equal", taken);
}

int main(int argc, char **argv)
{
	char parent[64];
	bool all;

	if (argc > 1)
		tasks = atoi(argv[1]);
	if (argc > 2)
		threads = atoi(argv[2]);
	both = argc > 3;
	all = !in_time && both && !strcmp(argv[3], "all");
	/* Many tasks have to fit. */
	if (tasks > 1000)
		task_size = MIB;
	if (tasks <= 0 || threads <= 0)
		return 0;
	if (mkdir(CGROUP, 0755))
		die(CGROUP);
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	if (all) {
		snprintf(parent, sizeof(parent), "/proc/%d/oom_score_adj", getppid());
		put(parent, "-1000");
		put("/proc/1/oom_score_adj", "-1000");
		put("/proc/self/oom_score_adj", "-1000");
	}
	put_number(CGROUP "cgroup.procs", getpid());
	pids = start_tasks(tasks, more_threads);
	left = tasks;
	put_number("/sys/fs/cgroup/cgroup.procs", getpid());
	try_put(CGROUP "memory.swap.max", "0");

	put(TRACING "trace_clock", CLOCK);
	probed = try_put(KPROBES, "p:rss_figures/select_start out_of_memory\n") &&
		 try_put(KPROBES, "p:rss_figures/select_end oom_kill_process\n") &&
		 (!in_time || try_put(TRACING "events/rss_figures/filter",
				      "comm == \"hog\" || comm == \"oom\"")) &&
		 try_put(TRACING "events/rss_figures/enable", "1");
	if (!probed)
		printf("reason %s: the kernel does not let it probe the selection\n",
		       name_of("*"));
	for (int i = 0; i <= all; i++) {
		global = i;
		one_hog();
	}
	/* The group last: its limit makes the kernel take pages from some tasks. */
	for (int i = all; i >= 0 && (both || threads > 1); i--) {
		global = i;
		all_equal();
	}
	try_put(TRACING "events/rss_figures/enable", "0");
	try_put(KPROBES, "-:rss_figures/select_start\n");
	try_put(KPROBES, "-:rss_figures/select_end\n");
	stop_tasks(pids, left);
	rmdir(CGROUP);
	return 0;
}
