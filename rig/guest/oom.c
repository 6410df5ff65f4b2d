// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to select the victim when a memory cgroup is out of memory,
 * per task that it has, and whether the right one is killed.
 *
 * usage: oom TASKS		tasks of one thread, and a large one
 *	  oom TASKS THREADS	tasks of several threads that have run on a CPU
 *				each; with a large one, and all being equal
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "figures.h"
#include "tasks.h"

#define CGROUP		"/sys/fs/cgroup/figures/"
#define TASK_SIZE	(3 * MIB / 2)
#define REPEATS		5

static int threads = 1;
static bool probed;

/*
 * Touch what is missing to TASK_SIZE: on how many pages of its stack and of
 * its data a task has written depends on which of its threads waits for which.
 */
static void fill_up(void)
{
	char *p = map_table();
	long size;

	while ((size = field("/proc/self/status", "VmRSS:") * KIB) < TASK_SIZE) {
		touch(p, TASK_SIZE - size);
		p += TASK_SIZE - size;
	}
}

/* Each thread of a task on the next CPU; tasks all over the machine. */
static void more_threads(int nr)
{
	if (threads == 1)
		return;
	pin(nr * threads % cpus);
	for (int i = 1; i < threads; i++)
		park_on(nr * threads + i);
	fill_up();
}

/* Time stamp of the first event with this name in the trace, or 0. */
static uint64_t stamp_of(const char *name)
{
	char *at = strstr(text, name);

	if (!at || at[-1] != ' ' || at[-2] != ':')
		return 0;
	for (at -= 2; at > text && at[-1] >= '0' && at[-1] <= '9'; at--)
		;
	return strtoull(at, NULL, 10);
}

/* What the selection cost that the trace is of, per task, or 0. */
static uint64_t selection(int tasks)
{
	uint64_t start, end;

	get(TRACING "trace");
	start = stamp_of("select_start:");
	end = stamp_of("select_end:");
	return probed && start && end > start ? (end - start) / tasks : 0;
}

/* Memory that grows until the group is out of it. */
static pid_t start_hog(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NAME, "hog");
		put_number(CGROUP "cgroup.procs", getpid());
		more_threads(0);
		touch(map(512 * MIB, MAP_PRIVATE | MAP_ANONYMOUS), 512 * MIB);
		_exit(0);
	}
	return pid;
}

/* One task that is far larger than the others. */
static void one_hog(const char *name, const char *victim, int tasks)
{
	bool right = true;
	int taken = 0;

	put_number(CGROUP "memory.max", field(CGROUP "memory.current", "") + 32 * MIB);
	for (int i = 0; i < REPEATS; i++) {
		int status;
		pid_t pid;

		clear_trace();
		pid = start_hog();
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("fork");
		right &= WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		took[taken] = selection(tasks);
		taken += took[taken] > 0;
	}
	/* No process but the one that grew may have been killed. */
	right &= waitpid(-1, NULL, WNOHANG) == 0;
	if (taken)
		printf("%s %lu\n", name, middle(taken));
	printf("%s %s\n", victim, right ? "largest" : "wrong");
}

/* Whether all tasks have the same number of pages, page tables included. */
static bool are_equal(const pid_t *pids, int tasks)
{
	long first = 0;

	for (int i = 0; i < tasks; i++) {
		char path[64];
		long size;

		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		size = field(path, "VmRSS:") + number(text, "VmPTE:");
		if (!i)
			first = size;
		if (size != first)
			return false;
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

/* Tasks that are all equal; one less after each round. */
static void all_equal(const char *name, pid_t *pids, int tasks)
{
	int taken = 0;

	if (!are_equal(pids, tasks))
		return;
	for (int i = 0; i < REPEATS && i < tasks && kill_one(); i++) {
		if (waitpid(-1, NULL, 0) < 0)
			die("waitpid");
		took[taken] = selection(tasks - i);
		taken += took[taken] > 0;
	}
	if (taken)
		printf("%s %lu\n", name, middle(taken));
}

int main(int argc, char **argv)
{
	int tasks = argc > 1 ? atoi(argv[1]) : 0;
	pid_t *pids;

	if (argc > 2)
		threads = atoi(argv[2]);
	if (tasks <= 0 || threads <= 0 || mkdir(CGROUP, 0755))
		return 0;
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	put_number(CGROUP "cgroup.procs", getpid());
	pids = start_tasks(tasks, more_threads);
	put_number("/sys/fs/cgroup/cgroup.procs", getpid());
	try_put(CGROUP "memory.swap.max", "0");

	put(TRACING "trace_clock", "x86-tsc");
	probed = try_put(TRACING "kprobe_events", "p:figures/select_start out_of_memory\n") &&
		 try_put(TRACING "kprobe_events", "p:figures/select_end oom_kill_process\n") &&
		 try_put(TRACING "events/figures/enable", "1");
	if (threads == 1) {
		one_hog("oom", "oom_victim", tasks);
	} else {
		one_hog("oom_threads_hog", "oom_threads_victim", tasks);
		all_equal("oom_threads_equal", pids, tasks);
	}
	try_put(TRACING "events/figures/enable", "0");
	try_put(TRACING "kprobe_events", "-:figures/select_start\n");
	try_put(TRACING "kprobe_events", "-:figures/select_end\n");
	stop_tasks(pids, tasks);
	rmdir(CGROUP);
	return 0;
}
