// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the OOM killer of a memory cgroup kills: the task with the greatest
 * badness, which is its pages in memory and in swap, its page tables, and
 * oom_score_adj. Tasks that differ by one page, or in nothing but the order in
 * which they are looked at, tell a kernel that decides by exact figures from
 * one that decides by approximations.
 *
 * Each task brings its badness to an exact number of pages, in a way that
 * leaves an approximation of its counters below or above that number, and
 * sleeps. Then the task which has to die runs its cgroup into its limit, with
 * pages of a file that it does not map: these are not part of the RSS of any
 * process. As the task that allocates is the one that dies, the kernel has no
 * reason to look for a second victim.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "cgroup_util.h"
#include "rss_stat.h"

#define MAX_TASKS	512
#define NR_BYSTANDERS	500
#define NR_RIVALS	40
/* A task leaves so many pages of its counters on each of so many CPUs. */
#define SKEW_RUN	3
#define MAX_SKEW_CPUS	16
/* More than a task's page tables and what differs from task to task. */
#define SLACK		32
#define STACK_SIZE	(256 * 1024)
/* Seconds after which the kernel writes whole reports again. */
#define RATELIMIT	5
/* More than any limit that a test sets. */
#define FILL_MAX	(256L << 20)
/* What a task has more than another so that their ranges are apart, at most. */
#define MAX_GAP		(32L << 20)
#define TIMEOUT		120

/*
 * Which side of the truth an approximation of a task's counters is on. Lowest
 * and highest are the ends of the range, in all counters at once.
 */
enum skew {
	SKEW_NONE,
	SKEW_LOW,
	SKEW_HIGH,
	SKEW_LOWEST,
	SKEW_HIGHEST,
};

struct task {
	/* Pages that it has more than the smallest, or -1: as it is forked. */
	long more;
	int adj;
	enum skew skew;
	/* Of one thread, which is counted exactly, in any variant. */
	bool alone;
	pid_t pid;
	struct rss rss;
};

/* Memory that counts in one counter each; what is swapped out was anonymous. */
enum pool {
	POOL_ANON,
	POOL_SWAP,
	POOL_SHMEM,
	POOL_FILE,
	NR_POOLS,
};

/* The tasks of a cgroup. */
static struct {
	const char *cgroup;
	int cgroup_fd;
	int ready[2];
	bool second_thread;
	/* Tasks at the lowest end may swap. */
	bool swap;
	long batch;
	int file;
	int kmsg;
	/* Pages of the task with the least. */
	long least;
	struct task task[MAX_TASKS];
	int nr_tasks;
} crowd;

FIXTURE(rss_stat_oom)
{
	char root[PATH_MAX];
	char cgroup[PATH_MAX];
	char trace[64];
	bool enabled_memory;
};

FIXTURE_VARIANT(rss_stat_oom)
{
	bool second_thread;
};

FIXTURE_VARIANT_ADD(rss_stat_oom, one_thread)
{
	.second_thread = false,
};

FIXTURE_VARIANT_ADD(rss_stat_oom, two_threads)
{
	.second_thread = true,
};

static long badness(const struct rss *rss)
{
	return rss->rss + rss->swap + rss->pgtables;
}

static void *idle_thread(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void touch(char *addr, long nr)
{
	for (long i = 0; i < nr; i++)
		addr[i * psize()] = 1;
}

static int nr_skew_cpus(void)
{
	return rss_nr_cpus < MAX_SKEW_CPUS ? rss_nr_cpus : MAX_SKEW_CPUS;
}

/* What a task that has @more takes at most, with a skew or instead of it. */
static long pool_pages(long more)
{
	return 2 * nr_skew_cpus() * SKEW_RUN + 2 * SLACK + more;
}

/*
 * The CPUs hold parts of the counters. Pages that came in on all CPUs and are
 * not in the sum yet make it too low, pages that came in on one CPU and left
 * on all make it too high.
 */
static void skew_counters(char *pool, enum skew skew)
{
	const long run = SKEW_RUN * psize();
	const int nr = nr_skew_cpus();

	if (skew == SKEW_HIGH)
		touch(pool, nr * SKEW_RUN);
	for (int i = 0; i < nr && skew != SKEW_NONE; i++) {
		rss_hop(i);
		if (skew == SKEW_LOW)
			touch(pool + i * run, SKEW_RUN);
		else
			madvise(pool + i * run, run, MADV_DONTNEED);
	}
}

/*
 * Come to a badness of @target with at most @nr pages. A page may cost a page
 * table, so this may take more than one try. Goes on where it was.
 */
static void take_memory(char *pool, long nr, long target)
{
	static long have;
	struct rss now;
	long diff;

	for (int try = 0; try < 10; try++) {
		if (rss_read(0, &now))
			rss_die("/proc/self/status");
		diff = target - badness(&now);
		if (!diff)
			return;
		if (have + diff < 0 || have + diff > nr)
			break;
		if (diff > 0)
			touch(pool + have * psize(), diff);
		else
			madvise(pool + (have + diff) * psize(),
				-diff * psize(), MADV_DONTNEED);
		have += diff;
	}
	errno = ERANGE;
	rss_die("a badness of %ld", target);
}

/* What a CPU lacks at most, or has too much, of each counter. */
static long end_run(enum skew skew)
{
	return skew == SKEW_LOWEST ? crowd.batch / 2 - 1 : crowd.batch / 2;
}

static bool is_pool_used(enum skew skew, enum pool pool)
{
	if (pool == POOL_SWAP)
		return crowd.swap && skew == SKEW_LOWEST;
	return pool != POOL_FILE || crowd.file >= 0;
}

/* By how many pages all counters together are off, at most. */
static long end_pages(enum skew skew)
{
	long nr = 0;

	for (enum pool i = 0; i < NR_POOLS; i++)
		nr += is_pool_used(skew, i) ? end_run(skew) : 0;
	return nr * nr_skew_cpus();
}

/* What a task at an end of the range has more than the smallest. */
static long most_end_pages(void)
{
	return NR_POOLS * crowd.batch / 2 * nr_skew_cpus() + SLACK;
}

/* Memory that is in the counters before they have parts. */
static void map_pools(char *pool[NR_POOLS], enum skew skew)
{
	const size_t size = nr_skew_cpus() * end_run(skew) * psize();

	for (enum pool i = 0; i < NR_POOLS; i++) {
		const int fd = i == POOL_FILE ? crowd.file : -1;
		int flags = i < POOL_SHMEM ? MAP_PRIVATE : MAP_SHARED;

		if (!is_pool_used(skew, i))
			continue;
		flags |= fd < 0 ? MAP_ANONYMOUS : 0;
		pool[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd,
			       0);
		if (pool[i] == MAP_FAILED)
			rss_die("mmap");
		/* Its page tables are there, too. */
		touch(pool[i], size / psize());
		if (skew == SKEW_LOWEST)
			madvise(pool[i], size, MADV_DONTNEED);
	}
}

/*
 * Counters are furthest from the truth when each CPU has as much of each, or as
 * little, as it can have without passing it on. It is the first that it counts
 * for this task.
 */
static void go_to_end(char *pool[NR_POOLS], enum skew skew)
{
	const long run = end_run(skew), size = run * psize();

	for (int i = 0; i < nr_skew_cpus(); i++) {
		rss_hop(i);
		/* Anonymous pages first become what is swapped out. */
		for (enum pool j = NR_POOLS; j-- > 0;) {
			if (!is_pool_used(skew, j))
				continue;
			if (skew == SKEW_LOWEST)
				touch(pool[j] + i * size, run);
			else
				madvise(pool[j] + i * size, size,
					MADV_DONTNEED);
			if (j == POOL_SWAP)
				madvise(pool[j] + i * size, size,
					MADV_PAGEOUT);
		}
	}
}

static long count_kills(void)
{
	return cg_read_key_long(crowd.cgroup, "memory.events", "oom_kill ");
}

/* Charge pages of a file to the cgroup until the kernel kills a task. */
static void fill_cgroup(int fd)
{
	static char chunk[64 * 1024];
	const long kills = count_kills();

	for (long i = 0; i < FILL_MAX / (long)sizeof(chunk); i++)
		if (write(fd, chunk, sizeof(chunk)) < 0 ||
		    count_kills() != kills)
			return;
}

static void set_oom_score_adj(int adj)
{
	char text[16];
	int fd, len;

	len = snprintf(text, sizeof(text), "%d", adj);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != len)
		rss_die("oom_score_adj %s", text);
	close(fd);
}

/* Go on with what only this task needs; returns the memory it may take. */
static char *settle_task(long nr_pool)
{
	char *pool;

	if (rss_settle())
		rss_die("mlock");
	pool = mmap(NULL, nr_pool * psize(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool == MAP_FAILED)
		rss_die("mmap");
	return pool;
}

/* A stack for a second thread, before settle_task() */
static char *map_stack(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED)
		rss_die("mmap");
	return stack;
}

static void start_second_thread(char *stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_SIZE);
	errno = pthread_create(&thread, &attr, idle_thread, NULL);
	if (errno)
		rss_die("pthread_create");
}

/* Come to a size, and to what shall be wrong with the counters. */
static void grow_task(const struct task *task)
{
	const bool is_end = task->skew >= SKEW_LOWEST;
	const long target = crowd.least + task->more;
	long nr = pool_pages(task->more);
	char *stack, *pool, *ends[NR_POOLS];
	long skewed = 0;

	stack = map_stack();
	pool = settle_task(nr);
	rss_hop(0);
	if (is_end) {
		map_pools(ends, task->skew);
		take_memory(pool, nr, task->skew == SKEW_LOWEST ?
				      target - end_pages(task->skew) :
				      target + end_pages(task->skew));
	}
	if (crowd.second_thread && !task->alone)
		start_second_thread(stack);
	if (is_end) {
		go_to_end(ends, task->skew);
	} else {
		skew_counters(pool, task->skew);
		skewed = nr_skew_cpus() * SKEW_RUN;
	}
	take_memory(pool + skewed * psize(), nr - skewed, target);
}

/* A task of the cgroup: come to its size, say so, die when told to. */
static void run_task(const struct task *task)
{
	sigset_t usr1;
	int fd, sig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_oom_score_adj(task->adj);
	fd = memfd_create("rss_stat_oom", MFD_CLOEXEC);
	if (fd < 0)
		rss_die("memfd_create");
	if (task->more >= 0)
		grow_task(task);
	if (write(crowd.ready[1], "r", 1) != 1)
		rss_die("pipe");
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigwait(&usr1, &sig);
	fill_cgroup(fd);
	if (write(crowd.ready[1], "f", 1) != 1)
		rss_die("pipe");
	sigwait(&usr1, &sig);
	_exit(KSFT_FAIL);
}

/* What the smallest task has: as much as any needs for its skew. */
static void measure_least(struct __test_metadata *_metadata)
{
	struct rss now;
	int status;
	pid_t pid;

	pid = clone_into_cgroup(crowd.cgroup_fd);
	if (!pid) {
		map_stack();
		touch(settle_task(pool_pages(0)), 1);
		if (rss_read(0, &now))
			rss_die("/proc/self/status");
		if (write(crowd.ready[1], &now, sizeof(now)) != sizeof(now))
			rss_die("pipe");
		_exit(KSFT_PASS);
	}
	ASSERT_GT(pid, 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), KSFT_PASS);
	ASSERT_EQ(read(crowd.ready[0], &now, sizeof(now)), sizeof(now));
	crowd.least = badness(&now) + nr_skew_cpus() * SKEW_RUN + SLACK;
}

static bool in_first_pid_ns(void)
{
	const char *name = "\nNSpid:";
	char *pos;
	int first, second;

	if (rss_read_file("/proc/self/status"))
		return false;
	pos = strstr(rss_buf, name);
	/* Without namespaces there is no such line. */
	return !pos || sscanf(pos + strlen(name), "%d %*[ \t]%d", &first,
			      &second) < 2;
}

FIXTURE_SETUP(rss_stat_oom)
{
	sigset_t usr1;

	crowd.cgroup_fd = -1;
	if (geteuid())
		SKIP(return, "needs root");
	if (cg_find_unified_root(self->root, sizeof(self->root), NULL) ||
	    cg_read_strstr(self->root, "cgroup.controllers", "memory"))
		SKIP(return, "no memory controller in a cgroup v2 hierarchy");
	if (!rss_read_file("/proc/sys/vm/panic_on_oom") && atoi(rss_buf) == 2)
		SKIP(return, "vm.panic_on_oom is 2");
	if (cg_read_strstr(self->root, "cgroup.subtree_control", "memory")) {
		if (cg_write(self->root, "cgroup.subtree_control", "+memory"))
			SKIP(return, "the memory controller cannot be enabled");
		self->enabled_memory = true;
	}
	ASSERT_LT(snprintf(self->cgroup, sizeof(self->cgroup),
			   "%.*s/rss_stat_oom.%d", PATH_MAX - 32, self->root,
			   getpid()), sizeof(self->cgroup));
	crowd.cgroup = self->cgroup;
	ASSERT_EQ(cg_create(self->cgroup), 0);
	crowd.cgroup_fd = dirfd_open_opath(self->cgroup);
	ASSERT_GE(crowd.cgroup_fd, 0);
	/* A kernel without swap has no such file. */
	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	if (cg_write(self->cgroup, "memory.swap.max", "0") &&
	    rss_field("\nSwapTotal:"))
		SKIP(return, "memory.swap.max cannot be set");
	/* A kernel that does not tell may have any. */
	crowd.batch = rss_batch(rss_declared_batches());
	crowd.file = rss_open_plain_file();
	if (crowd.file >= 0)
		ASSERT_EQ(ftruncate(crowd.file, MAX_SKEW_CPUS * RSS_MAX_BATCH *
						psize()), 0);
	/* The log has the PIDs of the first namespace. */
	crowd.kmsg = -1;
	if (in_first_pid_ns())
		crowd.kmsg = open("/dev/kmsg",
				  O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ASSERT_EQ(pipe(crowd.ready), 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	rss_find_cpus();
	/* Files come from here, so that they are not charged to the cgroup. */
	ASSERT_EQ(rss_settle(), 0);
	crowd.second_thread = variant->second_thread;
	measure_least(_metadata);
}

FIXTURE_TEARDOWN_PARENT(rss_stat_oom)
{
	if (rss_remove_trace(self->trace))
		TH_LOG("%s is left in tracefs", self->trace);
	if (self->cgroup[0])
		cg_destroy(self->cgroup);
	if (self->enabled_memory)
		cg_write(self->root, "cgroup.subtree_control", "-memory");
}

static struct task *add_task(long more, enum skew skew, int adj)
{
	struct task *task = &crowd.task[crowd.nr_tasks++];

	task->more = more;
	task->skew = skew;
	task->adj = adj;
	task->alone = false;
	return task;
}

/* Start the tasks in their order and wait until they are as they shall be. */
static void start_tasks(struct __test_metadata *_metadata)
{
	struct pollfd poll_ready = {
		.fd = crowd.ready[0],
		.events = POLLIN,
	};
	char buf[MAX_TASKS];

	for (int i = 0; i < crowd.nr_tasks; i++) {
		const pid_t pid = clone_into_cgroup(crowd.cgroup_fd);

		if (!pid)
			run_task(&crowd.task[i]);
		ASSERT_GT(pid, 0);
		crowd.task[i].pid = pid;
	}
	for (int nr_ready = 0; nr_ready < crowd.nr_tasks;) {
		ASSERT_EQ(waitpid(-1, NULL, WNOHANG), 0);
		if (poll(&poll_ready, 1, 100) == 1)
			nr_ready += read(crowd.ready[0], buf, sizeof(buf));
	}
	for (int i = 0; i < crowd.nr_tasks; i++) {
		struct task *task = &crowd.task[i];

		if (task->more < 0)
			continue;
		ASSERT_EQ(rss_read(task->pid, &task->rss), 0);
		ASSERT_EQ(badness(&task->rss), crowd.least + task->more);
	}
}

/* The task that the kernel looks at last: it goes by this list. */
static struct task *find_last(struct __test_metadata *_metadata)
{
	char path[PATH_MAX + 16], *line;
	struct task *last = NULL;

	snprintf(path, sizeof(path), "%s/cgroup.procs", crowd.cgroup);
	EXPECT_EQ(rss_read_file(path), 0);
	for (line = strtok(rss_buf, "\n"); line; line = strtok(NULL, "\n"))
		for (int i = 0; i < crowd.nr_tasks; i++)
			if (crowd.task[i].pid == atoi(line))
				last = &crowd.task[i];
	EXPECT_NE(last, NULL);
	return last;
}

/* Three sizes at @pos, in KiB, are those of a task. */
static void expect_sizes(struct __test_metadata *_metadata, const char *pos,
			 const char *format, const struct rss *rss)
{
	long anon, file, shmem;
	int nr;

	ASSERT_NE(pos, NULL);
	nr = sscanf(pos, format, &anon, &file, &shmem);
	ASSERT_EQ(nr, 3);
	EXPECT_EQ(anon * 1024 / psize(), rss->anon);
	EXPECT_EQ(file * 1024 / psize(), rss->file);
	EXPECT_EQ(shmem * 1024 / psize(), rss->shmem);
}

/* The next record of the kernel log, or NULL. */
static char *read_log(void)
{
	static char record[2048];
	ssize_t len;

	do {
		len = read(crowd.kmsg, record, sizeof(record) - 1);
	} while (len < 0 && (errno == EPIPE || errno == EINVAL));
	if (len <= 0)
		return NULL;
	record[len] = '\0';
	return record;
}

/*
 * What the kernel log says of the task that it has killed. This was the task
 * that ran then, so it had not begun to give its memory back.
 */
static void expect_log(struct __test_metadata *_metadata,
		       const struct task *victim)
{
	const char *name = "Killed process ";
	char *record, *pos;
	bool found = false;

	while ((record = read_log())) {
		pos = strstr(record, name);
		if (!pos || atoi(pos + strlen(name)) != victim->pid)
			continue;
		expect_sizes(_metadata, strstr(pos, "anon-rss:"),
			     "anon-rss:%ldkB, file-rss:%ldkB, shmem-rss:%ldkB",
			     &victim->rss);
		found = true;
	}
	EXPECT_TRUE(found);
}

/* No more memory than the tasks have, or @limit. */
static void set_limit(struct __test_metadata *_metadata, long limit)
{
	if (crowd.swap)
		ASSERT_EQ(cg_write_numeric(crowd.cgroup, "memory.swap.max",
					   cg_read_long(crowd.cgroup,
							"memory.swap.current")),
			  0);
	if (!limit)
		limit = cg_read_long(crowd.cgroup, "memory.current");
	ASSERT_EQ(cg_write_numeric(crowd.cgroup, "memory.max", limit), 0);
}

static void end_tasks(struct __test_metadata *_metadata)
{
	ASSERT_EQ(cg_write(crowd.cgroup, "memory.max", "max"), 0);
	if (crowd.swap)
		ASSERT_EQ(cg_write(crowd.cgroup, "memory.swap.max", "max"), 0);
	ASSERT_EQ(cg_killall(crowd.cgroup), 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	crowd.nr_tasks = 0;
}

/*
 * Run the tasks that were added, let @victim hit the limit and expect that it
 * dies, alone. It is the one that the kernel looks at last if it is NULL.
 */
static void expect_victim(struct __test_metadata *_metadata, long limit,
			  struct task *victim)
{
	struct pollfd filled = {
		.fd = crowd.ready[0],
		.events = POLLIN,
	};
	int status;
	long kills;
	pid_t pid;
	char c;

	if (limit)
		set_limit(_metadata, limit);
	start_tasks(_metadata);
	if (!victim)
		victim = find_last(_metadata);
	kills = count_kills();
	ASSERT_GE(kills, 0);
	if (!limit)
		set_limit(_metadata, limit);
	if (crowd.kmsg >= 0)
		lseek(crowd.kmsg, 0, SEEK_END);

	ASSERT_EQ(kill(victim->pid, SIGUSR1), 0);
	pid = waitpid(-1, &status, 0);
	ASSERT_GT(pid, 0);
	/* When another has died it stops, if it does not die as well. */
	while (pid != victim->pid && !waitpid(victim->pid, NULL, WNOHANG)) {
		if (poll(&filled, 1, 100) != 1)
			continue;
		ASSERT_EQ(read(crowd.ready[0], &c, 1), 1);
		break;
	}
	EXPECT_EQ(pid, victim->pid) {
		for (int i = 0; i < crowd.nr_tasks; i++)
			if (crowd.task[i].pid == pid)
				TH_LOG("task %d died instead of %ld", i,
				       (long)(victim - crowd.task));
	}
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG), 0);
	EXPECT_EQ(count_kills(), kills + 1);
	if (pid == victim->pid && crowd.kmsg >= 0 && victim->more >= 0)
		expect_log(_metadata, victim);
	end_tasks(_metadata);
}

/* The one that has the most, wherever it stands. */
TEST_F_TIMEOUT(rss_stat_oom, biggest, TIMEOUT)
{
	const int nr = 4;

	for (int pos = 0; pos < nr; pos++) {
		for (int i = 0; i < nr; i++)
			add_task(i == pos ? 256 : 16 * i, SKEW_NONE, 0);
		expect_victim(_metadata, 0, &crowd.task[pos]);
	}
}

/* One page more is enough, whatever an approximation says. */
TEST_F_TIMEOUT(rss_stat_oom, bigger_by_a_page, TIMEOUT)
{
	const enum skew skews[][2] = {
		{ SKEW_NONE, SKEW_NONE },
		{ SKEW_LOW, SKEW_HIGH },
		{ SKEW_HIGH, SKEW_LOW },
	};
	struct task *victim;

	for (int i = 0; i < 2 * (int)ARRAY_SIZE(skews); i++) {
		const enum skew *skew = skews[i / 2];

		if (i % 2)
			add_task(0, skew[1], 0);
		victim = add_task(1, skew[0], 0);
		if (i % 2 == 0)
			add_task(0, skew[1], 0);
		expect_victim(_metadata, 0, victim);
	}
}

/* Of equal ones the last, whatever an approximation says. */
TEST_F_TIMEOUT(rss_stat_oom, equal, TIMEOUT)
{
	const int nr = 3;

	for (int high = -1; high < nr; high++) {
		for (int i = 0; i < nr; i++)
			add_task(0, high < 0 ? SKEW_NONE :
				    i == high ? SKEW_HIGH : SKEW_LOW, 0);
		expect_victim(_metadata, 0, NULL);
	}
}

/*
 * Two tasks that are a page apart, or equal: one that is counted exactly, and
 * one whose counters are as far from the truth as they can be.
 */
static void check_end(struct __test_metadata *_metadata, enum skew skew,
		      long diff)
{
	const long more = most_end_pages();
	struct task *exact, *end;

	for (int i = 0; i < 2; i++) {
		if (i)
			end = add_task(more, skew, 0);
		exact = add_task(more + diff, SKEW_NONE, 0);
		exact->alone = true;
		if (!i)
			end = add_task(more, skew, 0);
		expect_victim(_metadata, 0, !diff ? NULL :
					    diff > 0 ? exact : end);
	}
}

TEST_F_TIMEOUT(rss_stat_oom, lowest, TIMEOUT)
{
	check_end(_metadata, SKEW_LOWEST, -1);
}

TEST_F_TIMEOUT(rss_stat_oom, highest, TIMEOUT)
{
	check_end(_metadata, SKEW_HIGHEST, 1);
}

/* Swap is a counter that can be too low as well. */
TEST_F_TIMEOUT(rss_stat_oom, lowest_equal, TIMEOUT)
{
	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	if (rss_field("\nSwapFree:") < 2 * most_end_pages())
		SKIP(return, "no swap space");
	crowd.swap = true;
	ASSERT_EQ(cg_write(crowd.cgroup, "memory.swap.max", "max"), 0);
	check_end(_metadata, SKEW_LOWEST, 0);
}

/* Returns whether @record is the row of @task in the table of all tasks. */
static bool check_row(struct __test_metadata *_metadata, const char *record,
		      const struct task *task)
{
	long rss, anon, file, shmem, pgtables, swap;
	char *pos = strstr(record, ";[");
	int nr, pid;

	if (!pos)
		return false;
	nr = sscanf(pos, ";[%d] %*d %*d %*d %ld %ld %ld %ld %ld %ld", &pid,
		    &rss, &anon, &file, &shmem, &pgtables, &swap);
	if (nr != 7 || pid != task->pid)
		return false;
	EXPECT_EQ(rss, task->rss.rss);
	EXPECT_EQ(anon, task->rss.anon);
	EXPECT_EQ(file, task->rss.file);
	EXPECT_EQ(shmem, task->rss.shmem);
	EXPECT_EQ(pgtables / psize(), task->rss.pgtables);
	EXPECT_EQ(swap, task->rss.swap);
	return true;
}

/* What the log says until the memory of @victim was reaped. */
static void expect_report(struct __test_metadata *_metadata,
			  const struct task *victim, const struct task *other)
{
	const char *name = "oom_reaper: reaped process ";
	int nr_rows = 0;
	char *record, *pos;
	struct rss now;

	for (int i = 0; i < 1000;) {
		record = read_log();
		if (!record) {
			usleep(10000);
			i++;
			continue;
		}
		nr_rows += check_row(_metadata, record, victim);
		nr_rows += check_row(_metadata, record, other);
		pos = strstr(record, name);
		if (!pos || atoi(pos + strlen(name)) != victim->pid)
			continue;
		ASSERT_EQ(rss_read(victim->pid, &now), 0);
		EXPECT_LT(now.rss, victim->rss.rss);
		expect_sizes(_metadata, strstr(pos, "anon-rss:"),
			     "anon-rss:%ldkB, file-rss:%ldkB, shmem-rss:%ldkB",
			     &now);
		EXPECT_EQ(nr_rows, 2);
		return;
	}
	EXPECT_TRUE(false)
		TH_LOG("the victim was not reaped");
}

/*
 * The table of tasks, the trace event, and what is left when the memory of the
 * victim was reaped. It is traced, so that it stops before it gives up its
 * memory itself.
 */
TEST_F_TIMEOUT(rss_stat_oom, report, TIMEOUT)
{
	const int stopped = SIGTRAP | PTRACE_EVENT_EXIT << 8;
	struct task *victim, *other;
	int instance, status;
	char *text, line[64];

	if (crowd.kmsg < 0)
		SKIP(return, "no /dev/kmsg, or other PIDs there");
	if (rss_read_file("/proc/sys/vm/oom_dump_tasks") || !atoi(rss_buf))
		SKIP(return, "vm.oom_dump_tasks is 0");
	instance = rss_open_trace(self->trace, sizeof(self->trace));
	if (instance < 0)
		SKIP(return, "tracefs: %s", strerror(errno));
	ASSERT_EQ(rss_write_at(instance, "events/oom/mark_victim/enable", "1"),
		  0);
	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	crowd.swap = rss_field("\nSwapFree:") >= 2 * most_end_pages();
	if (crowd.swap)
		ASSERT_EQ(cg_write(crowd.cgroup, "memory.swap.max", "max"), 0);

	other = add_task(most_end_pages(), SKEW_HIGHEST, 0);
	victim = add_task(most_end_pages() + 1, SKEW_LOWEST, 0);
	start_tasks(_metadata);
	EXPECT_NE(victim->rss.file, victim->rss.shmem);
	set_limit(_metadata, 0);
	sleep(RATELIMIT + 1);
	lseek(crowd.kmsg, 0, SEEK_END);
	ASSERT_EQ(ptrace(PTRACE_SEIZE, victim->pid, 0, PTRACE_O_TRACEEXIT), 0);
	ASSERT_EQ(kill(victim->pid, SIGUSR1), 0);
	ASSERT_EQ(waitpid(-1, &status, 0), victim->pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(status >> 8, stopped);
	expect_report(_metadata, victim, other);
	/* It is dying, so that SIGKILL does not wake it. */
	ASSERT_EQ(ptrace(PTRACE_CONT, victim->pid, 0, 0), 0);

	text = rss_read_trace(instance);
	snprintf(line, sizeof(line), "mark_victim: pid=%d ", victim->pid);
	EXPECT_NE(strstr(text, line), NULL);
	expect_sizes(_metadata, strstr(text, "anon-rss="),
		     "anon-rss=%ldkB file-rss:%ldkB shmem-rss:%ldkB",
		     &victim->rss);
	free(text);
	close(instance);
	end_tasks(_metadata);
}

/* More candidates than one would want to keep in mind, a page apart. */
TEST_F_TIMEOUT(rss_stat_oom, many_rivals, TIMEOUT)
{
	const int positions[] = { 0, NR_RIVALS / 2, NR_RIVALS - 1 };

	for (int i = 0; i < (int)ARRAY_SIZE(positions); i++) {
		for (int j = 0; j < NR_RIVALS; j++) {
			if (j == positions[i])
				add_task(NR_RIVALS, SKEW_LOW, 0);
			else
				add_task(j * 7 % NR_RIVALS,
					 j % 2 ? SKEW_HIGH : SKEW_LOW, 0);
		}
		expect_victim(_metadata, 0, &crowd.task[positions[i]]);
	}
}

/* One big task in a crowd of small ones. */
TEST_F_TIMEOUT(rss_stat_oom, bystanders, TIMEOUT)
{
	struct task *victim;

	for (int i = 0; i < NR_BYSTANDERS / 2; i++)
		add_task(-1, SKEW_NONE, 0);
	victim = add_task(256, SKEW_LOW, 0);
	for (int i = 0; i < NR_BYSTANDERS / 2; i++)
		add_task(-1, SKEW_NONE, 0);
	expect_victim(_metadata, 0, victim);
}

/* Never one with an oom_score_adj of -1000, and the next biggest instead. */
TEST_F_TIMEOUT(rss_stat_oom, protected, TIMEOUT)
{
	struct task *victim;

	add_task(256, SKEW_NONE, -1000);
	victim = add_task(64, SKEW_NONE, 0);
	add_task(63, SKEW_HIGH, 0);
	expect_victim(_metadata, 0, victim);

	add_task(0, SKEW_NONE, 0);
	victim = add_task(64, SKEW_LOW, 0);
	add_task(256, SKEW_HIGH, -1000);
	expect_victim(_metadata, 0, victim);
}

/* If there is no other, none dies, and the one that needs memory gets none. */
TEST_F_TIMEOUT(rss_stat_oom, all_protected, TIMEOUT)
{
	struct pollfd filled = {
		.fd = crowd.ready[0],
		.events = POLLIN,
	};
	struct task *filler;
	long kills;

	add_task(64, SKEW_NONE, -1000);
	filler = add_task(0, SKEW_NONE, -1000);
	start_tasks(_metadata);
	kills = count_kills();
	set_limit(_metadata, 0);
	ASSERT_EQ(kill(filler->pid, SIGUSR1), 0);
	while (!waitpid(-1, NULL, WNOHANG) && poll(&filled, 1, 100) != 1)
		;
	EXPECT_EQ(filled.revents, POLLIN);
	EXPECT_EQ(count_kills(), kills);
	end_tasks(_metadata);
}

/* More than the ranges of two tasks that have used the same few CPUs. */
static long gap_pages(void)
{
	const long gap = 2 * NR_POOLS * rss_declared_error();
	const long most = MAX_GAP / psize();

	return gap > 0 && gap < most ? gap : most;
}

/*
 * Run the tasks, let @filler hit the limit, and kill the first two tasks while
 * the kernel chooses. A kernel that does not pause between its scans has chosen
 * by then, and nothing is tested: returns -1. Otherwise how many tasks it has
 * killed.
 */
static long exit_meanwhile(struct __test_metadata *_metadata,
			   struct task *filler)
{
	struct pollfd filled = {
		.fd = crowd.ready[0],
		.events = POLLIN,
	};
	const char *events = "memory.events";
	long kills, ooms;
	bool chosen;

	start_tasks(_metadata);
	set_limit(_metadata, 0);
	kills = count_kills();
	ooms = cg_read_key_long(crowd.cgroup, events, "oom ");
	EXPECT_EQ(kill(filler->pid, SIGUSR1), 0);
	for (int i = 0; i < 1000; i++) {
		if (cg_read_key_long(crowd.cgroup, events, "oom ") != ooms)
			break;
		usleep(10000);
	}
	usleep(300000);
	chosen = count_kills() != kills;
	for (int i = 0; i < 2; i++)
		kill(crowd.task[i].pid, SIGKILL);
	while (!waitpid(filler->pid, NULL, WNOHANG) &&
	       poll(&filled, 1, 100) != 1)
		;
	return chosen ? -1 : count_kills() - kills;
}

/*
 * The largest two exit. Of the others, one has a page less than another, but
 * more than the lower end of its range, and is not killed.
 */
TEST_F_TIMEOUT(rss_stat_oom, exiting, TIMEOUT)
{
	const long more = most_end_pages();
	struct task *less, *victim;
	long kills;

	add_task(more + gap_pages(), SKEW_NONE, 0);
	add_task(more + gap_pages(), SKEW_NONE, 0);
	victim = add_task(more + 1, SKEW_LOWEST, 0);
	less = add_task(more, SKEW_NONE, 0);
	less->alone = true;
	kills = exit_meanwhile(_metadata, victim);
	EXPECT_EQ(waitpid(less->pid, NULL, WNOHANG), 0);
	end_tasks(_metadata);
	if (kills < 0)
		SKIP(return, "the kernel had chosen before");
	EXPECT_GT(kills, 0);
}

/* All candidates exit, so that the task which needs memory gets theirs. */
TEST_F_TIMEOUT(rss_stat_oom, all_exiting, TIMEOUT)
{
	const long gap = gap_pages();
	struct task *filler;
	long kills;

	add_task(gap, SKEW_NONE, 0);
	add_task(gap, SKEW_NONE, 0);
	filler = add_task(0, SKEW_NONE, -1000);
	kills = exit_meanwhile(_metadata, filler);
	if (!kills)
		EXPECT_GT(cg_read_long(crowd.cgroup, "memory.current"),
			  cg_read_long(crowd.cgroup, "memory.max") -
			  gap * (long)psize());
	end_tasks(_metadata);
	if (kills < 0)
		SKIP(return, "the kernel had chosen before");
}

/*
 * oom_score_adj is in thousandths of the limit, each rounded down to pages. A
 * task with @adj against one that has as much more, or less, by a page: with
 * it the comparison is exact, too. It is worth more than the approximations are
 * off, with 4 KiB pages and a dozen CPUs.
 */
static void check_adj(struct __test_metadata *_metadata, int adj)
{
	const long limit = 64L << 20 > 2048L * psize() ? 64L << 20 :
						       2048L * psize();
	const long worth = adj * (limit / psize() / 1000);

	for (int i = 0; i < 12; i++) {
		const long diff = i / 2 % 3 - 1;
		const long more = worth > 0 ? worth + diff : 0;
		struct task *plain, *adjusted;
		const bool plain_first = i % 2;

		if (plain_first)
			plain = add_task(more, SKEW_LOW, 0);
		adjusted = add_task(worth > 0 ? 0 : -worth - diff,
				    SKEW_HIGH, adj);
		if (!plain_first)
			plain = add_task(more, SKEW_LOW, 0);
		plain->alone = i >= 6;
		expect_victim(_metadata, limit, diff > 0 ? plain :
						diff < 0 ? adjusted : NULL);
	}
}

TEST_F_TIMEOUT(rss_stat_oom, oom_score_adj_raises, TIMEOUT)
{
	check_adj(_metadata, 64);
}

TEST_F_TIMEOUT(rss_stat_oom, oom_score_adj_lowers, TIMEOUT)
{
	check_adj(_metadata, -64);
}

TEST_HARNESS_MAIN
