/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes and threads that have touched some memory and only wait from then
 * on. Include figures.h first.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>

static inline void *sleeper(void *unused)
{
	while (true)
		pause();
	return unused;
}

static inline void start_sleeper(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleeper, NULL))
		die("pthread_create");
}

static sem_t parked;

static inline void *park(void *cpu)
{
	pin((long)cpu);
	touch(map(2 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS), 2 * PAGE);
	sem_post(&parked);
	return sleeper(NULL);
}

/* Another thread, which has touched memory on that CPU when this returns. */
static inline void park_on(int cpu)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, park, (void *)(long)(cpu % cpus)))
		die("pthread_create");
	while (sem_wait(&parked))
		;
}

/*
 * An idle CPU keeps the page tables of the thread that it ran last, and each
 * flush of the TLB looks at all such CPUs until the kernel takes them out of
 * the process's mask, which may happen at any time. Free page tables twice:
 * the first time the CPUs leave them, the second time they leave the mask.
 */
static inline void leave_tables(void)
{
	for (int i = 0; i < 2; i++) {
		char *p = map_table();

		touch(p, PAGE);
		if (munmap(p, TABLE))
			die("munmap");
	}
}

/* A thread for each CPU, which has run there. For a process without any. */
static inline void use_all_cpus(void)
{
	for (int i = 0; i < cpus; i++)
		park_on(i);
	leave_tables();
}

/*
 * A number of children, each having touched a few pages; setup is what else
 * each does before it waits, and gets its number.
 */
static inline pid_t *start_tasks(int tasks, void (*setup)(int nr))
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
			if (setup)
				setup(i);
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

static inline void stop_tasks(pid_t *pids, int tasks)
{
	for (int i = 0; i < tasks; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < tasks; i++)
		waitpid(pids[i], NULL, 0);
	free(pids);
}
