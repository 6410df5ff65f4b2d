// SPDX-License-Identifier: GPL-2.0
/*
 * What the counting of resident pages costs, and how true it is, seen from
 * user space: prints lines "name value". Costs are differences of the time
 * stamp counter, which counts instructions where QEMU runs with -icount
 * shift=0; each is the mean of the middle half of many repeats of a known
 * piece of work. That leaves out the rounds which a timer tick or RCU got
 * into, and unlike a median does not jump between the two or three costs that
 * a fork has, depending on what the slab caches hold. A figure that cannot be
 * taken is not printed.
 *
 * Where the stack and the mappings lie must not be random: that decides how
 * many page tables a process has, and with them what a fork costs, by up to
 * 5 % from one run to the next.
 *
 * usage: figures TASKS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define TRACING	"/sys/kernel/tracing/"
#define CGROUP	"/sys/fs/cgroup/figures/"
#define KIB	1024L
#define MIB	(1024 * KIB)
#define PAGE	4096L
#define ROUNDS	500
#define RUNNING	4

static char text[256 * 1024];
static uint64_t took[ROUNDS];
static int cpus;

static void die(const char *what)
{
	printf("failed %s: %s\n", what, strerror(errno));
	exit(1);
}

#include "files.h"

/* Read a whole file into text. */
static char *get(const char *path)
{
	if (try_get(path, text, sizeof(text)) < 0)
		die(path);
	return text;
}

static long field(const char *path, const char *name)
{
	return number(get(path), name);
}

static void clear_trace(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	if (fd < 0)
		die(TRACING "trace");
	close(fd);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static uint64_t now(void)
{
	unsigned int aux;

	return __rdtscp(&aux);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The mean of the middle half of the first n of took[]. */
static uint64_t middle(int n)
{
	uint64_t sum = 0;

	qsort(took, n, sizeof(*took), compare);
	for (int i = n / 4; i < n - n / 4; i++)
		sum += took[i];
	return sum / (n - n / 4 * 2);
}

static void *map(long bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

static void touch(volatile char *p, long bytes)
{
	for (long i = 0; i < bytes; i += PAGE)
		p[i] = 1;
}

/* So that this process stays small, and single-threaded. */
static void in_child(void (*work)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		work();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void file_cost(const char *name, const char *path)
{
	char buffer[8192];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now();
		int fd = open(path, O_RDONLY);

		if (fd < 0 || read(fd, buffer, sizeof(buffer)) <= 0)
			die(path);
		close(fd);
		took[i] = now() - start;
	}
	printf("%s %lu\n", name, middle(ROUNDS));
}

static void fork_cost(const char *name, bool exec)
{
	char *argv[] = { "/rig/figures", "0", NULL }, *envp[] = { NULL };

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now();
		pid_t pid = fork();

		if (!pid) {
			if (exec)
				execve(argv[0], argv, envp);
			_exit(exec);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			die("fork");
		took[i] = now() - start;
	}
	printf("%s %lu\n", name, middle(ROUNDS));
}

/*
 * Few enough pages that most rounds see no timer tick, and that the CPU's own
 * lists of free pages serve them. The page table stays.
 */
static uint64_t fault_cost(void)
{
	const int pages = 64;
	char *p = map(pages * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);

	touch(p, pages * PAGE);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start;

		if (madvise(p, pages * PAGE, MADV_DONTNEED))
			die("madvise");
		start = now();
		touch(p, pages * PAGE);
		took[i] = (now() - start) / pages;
	}
	munmap(p, pages * PAGE);
	return middle(ROUNDS);
}

static void *sleeper(void *unused)
{
	while (true)
		pause();
	return unused;
}

static void start_sleeper(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleeper, NULL))
		die("pthread_create");
}

static void fault_cost_threaded(void)
{
	start_sleeper();
	usleep(1000);
	printf("fault_threaded %lu\n", fault_cost());
}

static atomic_int phase, finished;

/* Every other phase gives the pages back. */
static void fault_phase(char *p, int phase)
{
	if (phase % 2)
		touch(p, 64 * PAGE);
	else if (madvise(p, 64 * PAGE, MADV_DONTNEED))
		die("madvise");
	finished++;
}

static void *fault_loop(void *cpu)
{
	char *p;
	int i;

	pin((long)cpu);
	p = map(64 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);
	touch(p, 64 * PAGE);
	for (i = 0; i < ROUNDS; i++) {
		while (phase <= i)
			_mm_pause();
		fault_phase(p, i);
	}
	return NULL;
}

/*
 * Threads on as many CPUs, none of which sleeps. One that waits costs next to
 * nothing: QEMU goes on to the next CPU at a pause.
 */
static void fault_cost_running(void)
{
	int running = cpus < RUNNING ? cpus : RUNNING;
	char *p = map(64 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);
	pthread_t thread;

	pin(0);
	touch(p, 64 * PAGE);
	for (long i = 1; i < running; i++)
		if (pthread_create(&thread, NULL, fault_loop, (void *)(i * cpus / running)))
			die("pthread_create");
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now();

		finished = 0;
		phase++;
		fault_phase(p, i);
		while (finished < running)
			_mm_pause();
		if (i % 2)
			took[i / 2] = (now() - start) / (64 * running);
	}
	printf("fault_running %lu\n", middle(ROUNDS / 2));
}

static void events(void)
{
	uint64_t without = fault_cost(), with;
	char *line, *end;
	int shown = 0;

	if (!try_put(TRACING "events/kmem/rss_stat/enable", "1"))
		return;
	with = fault_cost();
	put(TRACING "events/kmem/rss_stat/enable", "0");
	printf("fault %lu\nevent %ld\n", without, (long)(with - without));

	/* The last events of the buffer, in full. */
	clear_trace();
	put(TRACING "events/kmem/rss_stat/enable", "1");
	touch(map(3 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS), 3 * PAGE);
	put(TRACING "events/kmem/rss_stat/enable", "0");
	for (line = get(TRACING "trace"); line && shown < 3; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		if (*line != '#' && strstr(line, "MM_ANONPAGES")) {
			printf("event_line %s\n", strstr(line, "rss_stat"));
			shown++;
		}
	}
}

/* VmRSS and its parts against mappings of known sizes. */
static void known_mappings(void)
{
	static const char *const names[] = { "VmRSS:", "RssAnon:", "RssFile:", "RssShmem:" };
	long anon = 24 * MIB, file = 4 * MIB, shmem = 8 * MIB;
	long truth[] = { anon + file + shmem, anon, file, shmem };
	long before[4];
	char *p;
	int fd;

	mkdir("/mnt/ram", 0755);
	if (system("mount -t ramfs ramfs /mnt/ram"))
		return;
	fd = open("/mnt/ram/file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, file))
		die("/mnt/ram/file");
	/* From now on only what is mapped here is new. */
	mlockall(MCL_CURRENT);
	for (int i = 0; i < 4; i++)
		before[i] = field("/proc/self/status", names[i]);
	touch(map(anon, MAP_PRIVATE | MAP_ANONYMOUS), anon);
	touch(map(shmem, MAP_SHARED | MAP_ANONYMOUS), shmem);
	p = mmap(NULL, file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap of a file");
	touch(p, file);
	for (int i = 0; i < 4; i++)
		printf("known_%.*s %ld %ld\n", (int)strlen(names[i]) - 1, names[i],
		       truth[i] / KIB, field("/proc/self/status", names[i]) - before[i]);
}

/* The peaks of a process that touched its memory from all CPUs in turn. */
static void hopping_peak(void)
{
	long each = 125 * MIB / cpus / PAGE * PAGE, before;
	struct rusage usage;
	char *p;

	mlockall(MCL_CURRENT);
	before = field("/proc/self/status", "VmRSS:");
	p = map(each * cpus, MAP_PRIVATE | MAP_ANONYMOUS);
	for (int cpu = 0; cpu < cpus; cpu++) {
		pin(cpu);
		touch(p + cpu * each, each);
	}
	munmap(p, each * cpus);
	getrusage(RUSAGE_SELF, &usage);
	printf("known_ru_maxrss %ld %ld\n", each * cpus / KIB, usage.ru_maxrss - before);
	printf("known_VmHWM %ld %ld\n", each * cpus / KIB,
	       field("/proc/self/status", "VmHWM:") - before);
}

/*
 * A number of children that only wait, each having touched a few pages, some
 * with a second thread that waits too.
 */
static pid_t *start_tasks(int tasks, bool threaded)
{
	pid_t *pids = calloc(tasks, sizeof(*pids));
	int ready[2];
	char byte;

	if (!pids || pipe(ready))
		die("pipe");
	for (int i = 0; i < tasks; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			touch(map(8 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS), 8 * PAGE);
			if (threaded)
				start_sleeper();
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			sleeper(NULL);
		}
	}
	for (int i = 0; i < tasks; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("read");
	close(ready[0]);
	close(ready[1]);
	return pids;
}

static void stop_tasks(pid_t *pids, int tasks)
{
	for (int i = 0; i < tasks; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < tasks; i++)
		waitpid(pids[i], NULL, 0);
	free(pids);
}

/* Time stamp of the only event with this name in the trace, or 0. */
static uint64_t stamp_of(const char *name)
{
	char *at = strstr(text, name);

	if (!at || at[-1] != ' ' || at[-2] != ':')
		return 0;
	for (at -= 2; at > text && at[-1] >= '0' && at[-1] <= '9'; at--)
		;
	return strtoull(at, NULL, 10);
}

/* Memory that grows until the group is out of it. */
static pid_t start_hog(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NAME, "hog");
		put_number(CGROUP "cgroup.procs", getpid());
		touch(map(512 * MIB, MAP_PRIVATE | MAP_ANONYMOUS), 512 * MIB);
		_exit(0);
	}
	return pid;
}

static void oom(int tasks)
{
	bool probed, right = true;
	int taken = 0;
	pid_t *pids;

	if (mkdir(CGROUP, 0755))
		return;
	put_number(CGROUP "cgroup.procs", getpid());
	pids = start_tasks(tasks, false);
	put_number("/sys/fs/cgroup/cgroup.procs", getpid());
	put_number(CGROUP "memory.max", field(CGROUP "memory.current", "") + 32 * MIB);
	try_put(CGROUP "memory.swap.max", "0");

	put(TRACING "trace_clock", "x86-tsc");
	probed = try_put(TRACING "kprobe_events", "p:figures/select_start out_of_memory\n") &&
		 try_put(TRACING "kprobe_events", "p:figures/select_end oom_kill_process\n") &&
		 try_put(TRACING "events/figures/enable", "1");
	for (int i = 0; i < 5; i++) {
		uint64_t start, end;
		int status;
		pid_t pid;

		clear_trace();
		pid = start_hog();
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("fork");
		right &= WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		get(TRACING "trace");
		start = stamp_of("select_start:");
		end = stamp_of("select_end:");
		if (probed && start && end > start)
			took[taken++] = end - start;
	}
	try_put(TRACING "events/figures/enable", "0");
	/* Nobody but the process that grew may have been killed. */
	right &= waitpid(-1, NULL, WNOHANG) == 0;
	if (taken)
		printf("oom %lu\n", middle(taken) / tasks);
	printf("oom_victim %s\n", right ? "largest" : "wrong");
	stop_tasks(pids, tasks);
}

/* What lies unused in the slab caches is nobody's memory. */
static void shrink_slabs(void)
{
	if (system("for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done 2>/dev/null"))
		return;
}

static pid_t *weigh(const char *which, int tasks, bool threaded)
{
	long percpu, slab;
	pid_t *pids;

	shrink_slabs();
	percpu = field("/proc/meminfo", "Percpu:");
	slab = field("/proc/meminfo", "Slab:");
	pids = start_tasks(tasks, threaded);
	shrink_slabs();
	percpu = field("/proc/meminfo", "Percpu:") - percpu;
	slab = field("/proc/meminfo", "Slab:") - slab;
	printf("percpu%s %ld\n", which, percpu * KIB / tasks);
	printf("slab%s %ld\n", which, slab * KIB / tasks);
	return pids;
}

/*
 * What the kernel as a whole needs for a process, in bytes. Neither kind of
 * process may find the per-CPU memory that the other one has left behind.
 */
static void memory(int tasks)
{
	pid_t *single = weigh("", tasks, false);
	pid_t *threaded = weigh("_threaded", tasks, true);

	stop_tasks(single, tasks);
	stop_tasks(threaded, tasks);
}

/* What one process asks the per-CPU allocator for, on all CPUs: to the byte. */
static void percpu_asked(bool threaded)
{
	const char *const event = TRACING "events/percpu/percpu_alloc_percpu/enable";
	long bytes = 0;
	char *line;

	clear_trace();
	if (!try_put(event, "1"))
		return;
	stop_tasks(start_tasks(1, threaded), 1);
	put(event, "0");
	for (line = get(TRACING "trace"); line; line = strchr(line, '\n')) {
		char *size, *end;

		line += strspn(line, "\n ");
		end = strchr(line, '\n');
		size = strstr(line, " size=");
		if (!strncmp(line, "figures-", 8) && size && size < end)
			bytes += atol(size + 6);
	}
	printf("percpu_asked%s %ld\n", threaded ? "_threaded" : "",
	       bytes * sysconf(_SC_NPROCESSORS_CONF));
}

int main(int argc, char **argv)
{
	int tasks = argc > 1 ? atoi(argv[1]) : 0;
	long size;

	if (tasks <= 0)
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	printf("cpus %d\n", cpus);
	size = field("/sys/kernel/slab/mm_struct/object_size", "");
	if (size > 0)
		printf("mm_struct %ld\n", size);

	/* First what costs little, before there are many pages to choose from. */
	pin(cpus > 1);
	memset(took, 1, sizeof(took));
	file_cost("status", "/proc/self/status");
	file_cost("statm", "/proc/self/statm");
	fork_cost("fork", false);
	fork_cost("fork_exec", true);
	in_child(fault_cost_threaded);
	in_child(fault_cost_running);
	in_child(events);
	percpu_asked(false);
	percpu_asked(true);
	memory(tasks);
	in_child(known_mappings);
	in_child(hopping_peak);
	oom(tasks);
	return 0;
}
