// SPDX-License-Identifier: GPL-2.0
/*
 * What a process costs a tool that reads all of /proc, as ps and top do again
 * and again: the files of a sweep with many processes, less those of a sweep
 * without them, per process.
 *
 * usage: sweep PROCESSES
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "figures.h"
#include "tasks.h"

#define SWEEPS	8
#define THREADS	8

static void read_file(const char *pid, const char *name)
{
	static char contents[8192];
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY);
	/* It may be gone by now. */
	if (fd < 0)
		return;
	while (read(fd, contents, sizeof(contents)) > 0)
		;
	close(fd);
}

/* ps reads stat, status and the command line; top stat, statm and status. */
static uint64_t sweep(const char *third)
{
	uint64_t start;
	struct dirent *entry;
	DIR *proc;

	for (int i = 0; i < SWEEPS; i++) {
		start = now();
		proc = opendir("/proc");
		while (proc && (entry = readdir(proc))) {
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
				continue;
			read_file(entry->d_name, "stat");
			read_file(entry->d_name, "status");
			read_file(entry->d_name, third);
		}
		if (!proc)
			die("/proc");
		closedir(proc);
		took[i] = now() - start;
	}
	return middle(SWEEPS);
}

static void more_threads(int nr)
{
	for (int i = 1; i < THREADS; i++)
		park_on(nr * THREADS + i);
}

static void with(int processes, void (*setup)(int nr), const char *which, uint64_t ps,
		 uint64_t top)
{
	pid_t *pids = start_tasks(processes, setup);

	printf("sweep_ps%s %ld\n", which, (long)(sweep("cmdline") - ps) / processes);
	printf("sweep_top%s %ld\n", which, (long)(sweep("statm") - top) / processes);
	stop_tasks(pids, processes);
}

int main(int argc, char **argv)
{
	int processes = argc > 1 ? atoi(argv[1]) : 0;
	uint64_t ps, top;

	if (processes <= 0)
		return 0;
	prepare_figures();
	if (sem_init(&parked, 0, 0))
		die("sem_init");
	ps = sweep("cmdline");
	top = sweep("statm");
	with(processes, NULL, "", ps, top);
	with(processes, more_threads, "_threads", ps, top);
	return 0;
}
