// SPDX-License-Identifier: GPL-2.0
/*
 * What the counting of resident pages costs a process, and how true it is,
 * seen from user space.
 *
 * Where the stack and the mappings lie must not be random: that decides how
 * many page tables a process has, and with them what a fork costs, by up to
 * 5 % from one run to the next.
 *
 * usage: figures [TASKS]	without TASKS only how true it is
 */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/resource.h>

#include "figures.h"
#include "tasks.h"

#define RUNNING	4

static void fork_cost(const char *name, bool exec)
{
	char **argv = this_program(), *envp[] = { NULL };

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
			relax();
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
			relax();
		/* Instructions are those of all CPUs, time is not. */
		if (i % 2)
			took[i / 2] = (now() - start) / (64 * (in_time ? 1 : running));
	}
	printf("fault_running %lu\n", middle(ROUNDS / 2));
}

static void events(void)
{
	uint64_t without = fault_cost(), with;
	char *line, *end;
	int shown = 0;

	if (!try_put(TRACING "events/kmem/rss_stat/enable", "1")) {
		printf("fault %lu\n", without);
		return;
	}
	with = fault_cost();
	put(TRACING "events/kmem/rss_stat/enable", "0");
	printf("fault %lu\nevent %ld\n", without, (long)(with - without));

	/* The last events of the buffer, in full: if no other process adds any. */
	if (in_time)
		return;
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

	/* In a file system that this process alone sees, and that ends with it. */
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("ramfs", "/mnt", "ramfs", 0, NULL))
		die("mount of a ramfs");
	fd = open("/mnt/file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, file))
		die("/mnt/file");
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

/* Unused objects in the slab caches belong to no process. */
static void shrink_slabs(void)
{
	if (system("for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done 2>/dev/null"))
		return;
}

static void second_thread(int unused)
{
	(void)unused;
	start_sleeper();
}

static pid_t *weigh(const char *which, int tasks, void (*setup)(int nr))
{
	long percpu, slab;
	pid_t *pids;

	shrink_slabs();
	percpu = field("/proc/meminfo", "Percpu:");
	slab = field("/proc/meminfo", "Slab:");
	pids = start_tasks(tasks, setup);
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
	pid_t *single = weigh("", tasks, NULL);
	pid_t *threaded = weigh("_threaded", tasks, second_thread);

	stop_tasks(single, tasks);
	stop_tasks(threaded, tasks);
}

/* What one process asks the per-CPU allocator for, on all CPUs: to the byte. */
static void percpu_asked(const char *which, void (*setup)(int nr))
{
	const char *const event = TRACING "events/percpu/percpu_alloc_percpu/enable";
	long bytes = 0;
	char *line;

	clear_trace();
	if (in_time)
		put(TRACING "events/percpu/percpu_alloc_percpu/filter", "comm == \"figures\"");
	if (!try_put(event, "1"))
		return;
	stop_tasks(start_tasks(1, setup), 1);
	put(event, "0");
	for (line = get(TRACING "trace"); line; line = strchr(line, '\n')) {
		char *size, *end;

		line += strspn(line, "\n ");
		end = strchr(line, '\n');
		size = strstr(line, " size=");
		if (!strncmp(line, "figures-", 8) && size && size < end)
			bytes += atol(size + 6);
	}
	printf("percpu_asked%s %ld\n", which, bytes * sysconf(_SC_NPROCESSORS_CONF));
}

static void costs(int tasks)
{
	printf("cpus %d\n", cpus);
	if (try_get("/sys/kernel/slab/mm_struct/object_size", text, sizeof(text)) > 0)
		printf("mm_struct %ld\n", number(text, ""));

	/* First what costs little, before there are many pages to choose from. */
	printf("status %lu\n", file_cost("/proc/self/status"));
	printf("statm %lu\n", file_cost("/proc/self/statm"));
	fork_cost("fork", false);
	fork_cost("fork_exec", true);
	in_child(fault_cost_threaded);
	in_child(fault_cost_running);
	in_child(events);
	percpu_asked("", NULL);
	percpu_asked("_threaded", second_thread);
	memory(tasks);
}

int main(int argc, char **argv)
{
	int tasks = argc > 1 ? atoi(argv[1]) : 0;

	/* The one that fork_cost() executes. */
	if (argc > 1 && tasks <= 0)
		return 0;
	prepare_figures();
	if (tasks)
		costs(tasks);
	in_child(known_mappings);
	in_child(hopping_peak);
	return failed;
}
