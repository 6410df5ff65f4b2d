// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that changes RSS counters at once, for a while, on CPUs that come
 * and go and with allocations that fail; at quiescent points, the counters of a
 * process are compared with what a walk over its page tables finds.
 *
 * Prints "ok - ..." and "not ok - ...", also for each kind of event, which has
 * failed if it happened not once. Looks after swap and debugfs itself; expects
 * to be the only user of the machine.
 *
 * What the kernel is not configured for is printed as skipped.
 *
 * environment: DURATION in seconds
 */
#include "stress.h"
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *const kind_text[] = { KINDS(AS_TEXT) };

static struct worker {
	const char *name;
	void (*run)(void);
	pid_t pid;
} workers[] = {
	{ .name = "hotplug", .run = hotplug },
	{ .name = "partition", .run = partition },
	{ .name = "forker", .run = forker },
	{ .name = "remote", .run = remote },
	{ .name = "faulty", .run = faulty },
	{ .name = "tight", .run = tight_group },
	{ .name = "huge", .run = huge },
	{ .name = "mapper", .run = mapper },
	{ .name = "mapper", .run = mapper },
};
#define NR_WORKERS	(int)(sizeof(workers) / sizeof(*workers))

static void start(struct worker *worker)
{
	worker->pid = fork();
	if (worker->pid < 0)
		die("fork");
	if (!worker->pid) {
		prctl(PR_SET_NAME, worker->name);
		worker->run();
		_exit(0);
	}
}

/* Whether one of them ended. */
static bool reap(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return false;
	for (int i = 0; i < NR_WORKERS; i++) {
		if (workers[i].pid != pid)
			continue;
		workers[i].pid = 0;
		/* The memory cgroup may kill, nothing else. */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			__atomic_fetch_add(&shared->lost, 1, __ATOMIC_RELAXED);
		} else if (status) {
			say("# %s ended with status %#x\n", workers[i].name, status);
			failure("a worker ended badly");
		}
	}
	return true;
}

static bool result(bool ok, const char *name)
{
	say("%sok - %s\n", ok ? "" : "not ", name);
	return ok;
}

int main(int argc, char **argv)
{
	const char *duration = getenv("DURATION");
	long began, percpu, seconds = duration ? atol(duration) : 180, last = 0;
	bool ok = true, all_ended;
	int fd, left = 0;
	long merged;

	if (argc == 3 && !strcmp(argv[1], "executed"))
		return executed(argv[2]);

	/* In a file system whose pages are never those of tmpfs. */
	if (argc == 1) {
		mkdir("/mnt/ram", 0755);
		if (mount("ramfs", "/mnt/ram", "ramfs", 0, NULL) ||
		    system("cp /proc/$PPID/exe " SELF)) {
			printf("not ok - copy of the program\n");
			return 1;
		}
		execl(SELF, SELF, "run", NULL);
		printf("not ok - exec\n");
		return 1;
	}

	fd = memfd_create("stress", 0);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)))
		return 1;
	snprintf(shared_fd, sizeof(shared_fd), "%d", fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return 1;

	/* Who reads a pipe may have been killed by the limit of its group. */
	signal(SIGPIPE, SIG_IGN);
	list_cpus();
	set_up();
	percpu = field("/proc/meminfo", "Percpu:");
	check(0, "before");
	began = now_ms();
	for (int i = 0; i < NR_WORKERS; i++)
		start(&workers[i]);
	while (now_ms() - began < seconds * 1000) {
		sleep_ms(50);
		while (reap())
			;
		for (int i = 0; i < NR_WORKERS; i++)
			if (!workers[i].pid)
				start(&workers[i]);
		merged = field(KSM "pages_sharing", "");
		if (merged > shared->count[MERGED])
			shared->count[MERGED] = merged;
		if ((now_ms() - began) / 10000 > last) {
			last = (now_ms() - began) / 10000;
			say("# %ld s, %ld comparisons, %ld retries, %ld failures\n",
			    last * 10, shared->count[CHECK_SELF] +
			    shared->count[CHECK_OTHER], shared->checks_retried,
			    shared->failures);
		}
	}
	shared->stop = 1;
	do {
		sleep_ms(50);
		while (reap())
			;
		left = 0;
		for (int i = 0; i < NR_WORKERS; i++)
			left += !!workers[i].pid;
	} while (left && now_ms() - began < seconds * 1000 + 180000);
	all_ended = !left;
	for (int i = 0; i < NR_WORKERS && left; i++)
		if (workers[i].pid)
			say("# still there: %s, pid %d\n", workers[i].name, workers[i].pid);
	take_counts(shared->count);
	check(0, "after");
	put(KSM "run", "2");

	say("# workers killed by the limit of their group, or for want of memory: %ld\n",
	    shared->lost);
	say("# comparisons repeated: %ld\n", shared->checks_retried);
	say("# per-CPU memory: %ld kB before, %ld kB after\n", percpu,
	    field("/proc/meminfo", "Percpu:"));
	for (int i = 0; i < NR_KINDS; i++) {
		char line[128];

		if (!possible(i)) {
			say("ok - happened: %s # SKIP not in this kernel\n", kind_text[i]);
			continue;
		}
		snprintf(line, sizeof(line), "happened: %s: %ld", kind_text[i],
			 shared->count[i]);
		ok &= result(shared->count[i] > 0, line);
	}
	ok &= result(all_ended, "all processes ended");
	if (have_kmemleak)
		ok &= result(no_leaks(), "kmemleak finds nothing of the counters");
	else
		say("ok - kmemleak # SKIP not in this kernel\n");
	ok &= result(!shared->failures,
		     "counters equal what the page tables hold, and no process failed");
	return !ok;
}
