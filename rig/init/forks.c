// SPDX-License-Identifier: GPL-2.0
/*
 * A thread on each CPU touches memory, then a thousand processes are created and end, in each of
 * which a second thread touches memory. RSS must be what follows from that. As the first process of
 * a kernel that has run its KUnit tests (rig/kunit) it then ends the machine, in the way that
 * kunit.py has asked the kernel for.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 1000
#define MOST_THREADS 64
#define TOUCHED (1 << 20)

static pthread_barrier_t barrier;
static int errors;

static void error(const char *format, ...)
{
	va_list args;

	errors++;
	printf("forks: not ok - ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void die(const char *what)
{
	error("%s", what);
	exit(1);
}

#include "../guest/files.h"

/* The value of a line of /proc/PID/status, in KiB; -1 if there is none. */
static long status(const char *pid, const char *name)
{
	char path[32], text[8192];

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	return try_get(path, text, sizeof(text)) < 0 ? -1 : number(text, name);
}

/* This program has a few pages, and at least one. */
static int plausible(long rss)
{
	return rss > 0 && rss < 64 * 1024;
}

static void *touch(void *cpu)
{
	char *memory = MAP_FAILED;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((long)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		error("no thread runs on CPU %ld", (long)cpu);
	memory = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_barrier_wait(&barrier);
	/* Before that the first process reads what it has, with all stacks in use. */
	pthread_barrier_wait(&barrier);
	if (memory != MAP_FAILED)
		memset(memory, 1, TOUCHED);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	munmap(memory, TOUCHED);
	return NULL;
}

static int threads(void)
{
	long before, most, page = sysconf(_SC_PAGESIZE) / 1024, i, n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[MOST_THREADS];

	if (n > MOST_THREADS)
		n = MOST_THREADS;
	pthread_barrier_init(&barrier, NULL, n + 1);
	for (i = 0; i < n; i++) {
		if (pthread_create(&thread[i], NULL, touch, (void *)i)) {
			error("thread %ld could not be created", i);
			return 0;
		}
	}
	pthread_barrier_wait(&barrier);
	before = status("self", "RssAnon:");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	most = status("self", "RssAnon:");
	pthread_barrier_wait(&barrier);
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);

	/* Up to one more page of each stack. */
	most -= before + n * (TOUCHED / 1024);
	if (most < 0 || most > (n + 1) * page)
		error("%ld threads touch 1 MiB each: RssAnon grows by that and %ld KiB", n, most);
	most = status("self", "RssAnon:") - before;
	/* Less of the stacks */
	if (most < -n * 4 * page || most > (n + 1) * page)
		error("%ld threads end: RssAnon is %ld KiB more than before", n, most);
	return n;
}

static void *touch_some(void *memory)
{
	memset(memory, 1, TOUCHED / 8);
	return NULL;
}

static int child(void)
{
	long before, grown, page = sysconf(_SC_PAGESIZE) / 1024;
	char *memory = mmap(NULL, TOUCHED / 8, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	before = status("self", "RssAnon:");
	if (memory == MAP_FAILED || pthread_create(&thread, NULL, touch_some, memory) ||
	    pthread_join(thread, NULL))
		return 1;
	grown = status("self", "RssAnon:") - before - TOUCHED / 8 / 1024;
	/* And the second stack, and what the C library needs for it. */
	return before <= 0 || grown < 0 || grown > 16 * page ? 2 : 0;
}

static int processes(void)
{
	int i, end;

	for (i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (!pid) {
			execl("/proc/self/exe", "child", NULL);
			_exit(126);
		}
		if (pid < 0 || waitpid(pid, &end, 0) != pid || end) {
			error("process %d ends with %#x", i, pid < 0 ? 0 : end);
			break;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	int i, how = RB_POWER_OFF, n_threads, n_processes;
	long rss;

	if (!strcmp(argv[0], "child"))
		return child();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		if (mount("proc", "/proc", "proc", 0, NULL))
			error("/proc is not mounted");
	}
	/* The kernel leaves what follows a "--" in its command line to its first process. */
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "kunit_shutdown=reboot"))
			how = RB_AUTOBOOT;
	}

	n_threads = threads();
	n_processes = processes();
	rss = status("1", "VmRSS:");
	if (!plausible(rss))
		error("VmRSS is %ld kB", rss);
	printf("forks: %s - %d processes, %d threads, VmRSS %ld kB, pages of %ld KiB\n",
	       errors ? "not ok" : "ok", n_processes, n_threads, rss, sysconf(_SC_PAGESIZE) / 1024);
	fflush(stdout);
	if (getpid() != 1)
		return !!errors;
	sync();
	reboot(how);
	return 1;
}
