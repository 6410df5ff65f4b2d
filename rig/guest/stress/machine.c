// SPDX-License-Identifier: GPL-2.0
/* What is changed for all: huge pages, CPUs that come and go, or are isolated. */
#include "stress.h"

/*
 * A few small pages where huge ones are wanted, until khugepaged has found them
 * or for some seconds, or collapsed by the process itself.
 */
void huge(void)
{
	for (int i = 0; i < 8 && !stopped(); i++) {
		char *p = map(2 * HUGE, MAP_PRIVATE), *aligned;
		long until = now_ms() + 5000, made;

		if (!p)
			die("mmap");
		aligned = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
		touch(aligned, 16 * PAGE);
		made = field(THP "khugepaged/pages_collapsed", "");
		madvise(aligned, HUGE, MADV_HUGEPAGE);
		if (i % 4 == 3 && !madvise(aligned, HUGE, MADV_COLLAPSE))
			happened(COLLAPSE);
		while (i % 4 != 3 && now_ms() < until && !stopped() &&
		       field(THP "khugepaged/pages_collapsed", "") == made)
			sleep_ms(20);
		check(0, "huge");
		madvise(aligned, 8 * PAGE, MADV_DONTNEED);
		check(0, "huge, split");
		munmap(p, 2 * HUGE);
	}
}

static const char *online_file(int cpu)
{
	static char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return path;
}

/* At boot these need not be the first ones: one thread of each core comes before the others. */
void list_cpus(void)
{
	int possible = sysconf(_SC_NPROCESSORS_CONF), cpu = 0;

	for (int i = 0; i < CPUS; i++) {
		/* The first one is online, and may have no such file. */
		while (cpu && cpu < possible && field(online_file(cpu), "") <= 0)
			cpu++;
		shared->cpus[i] = cpu < possible ? cpu++ : -1;
	}
}

static bool set_online(int cpu, bool online)
{
	const char *path = online_file(cpu);

	if (field(path, "") == online || !try_put(path, online ? "1" : "0"))
		return false;
	happened(online ? ONLINE : OFFLINE);
	return true;
}

/* CPUs come and go, in each place of a few any of all that are possible. */
void hotplug(void)
{
	int possible = sysconf(_SC_NPROCESSORS_CONF);
	unsigned long seed = now_ms() | 1;

	while (!stopped()) {
		int *place = &shared->cpus[1 + random_below(&seed, CPUS - 1)];
		int cpu = *place;

		if (cpu < 0) {
			cpu = 1 + random_below(&seed, possible - 1);
			if (set_online(cpu, true))
				__atomic_store_n(place, cpu, __ATOMIC_RELAXED);
		} else if (set_online(cpu, false)) {
			__atomic_store_n(place, -1, __ATOMIC_RELAXED);
		}
		sleep_ms(random_below(&seed, 50));
	}
}

/* A CPU is isolated, is all that a process has, and is shared again. */
void partition(void)
{
	unsigned long seed = now_ms() | 1;
	char state[64], *p = map(MIB, MAP_PRIVATE);

	if (!p)
		die("mmap");
	while (!stopped()) {
		int cpu = __atomic_load_n(&shared->cpus[1 + random_below(&seed, CPUS - 1)],
					  __ATOMIC_RELAXED);

		/* What fails, as the CPU is offline by now, is tried with another one. */
		if (cpu > 0) {
			snprintf(state, sizeof(state), "%d\n", cpu);
			try_put(APART "cpuset.cpus", state);
			try_put(APART "cpuset.cpus.partition", "isolated\n");
			if (try_get(APART "cpuset.cpus.partition", state, sizeof(state)) > 0 &&
			    !strcmp(state, "isolated\n") &&
			    try_put(APART "cgroup.procs", "0\n"))
				happened(ISOLATED);
		}
		touch(p, MIB);
		sleep_ms(random_below(&seed, 50));
		check(0, "isolated");
		join_group(CGROUP "cgroup.procs");
		try_put(APART "cpuset.cpus.partition", "member\n");
		madvise(p, MIB, MADV_DONTNEED);
	}
}
