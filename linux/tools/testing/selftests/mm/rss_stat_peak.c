// SPDX-License-Identifier: GPL-2.0
/*
 * Peaks of the resident set size: ru_maxrss and VmHWM.
 *
 * A peak is never 0, and never below an RSS that /proc/PID/{status,statm,stat}
 * has shown since the peak was last reset. It is not above what RSS was, unless
 * pages move between CPUs during a sum. With one thread it is exact. With more,
 * it is below the truth by no more than the range of the approximate RSS, and a
 * peak that is higher than the one recorded by more than this range is recorded
 * to the page.
 *
 * The kernel counts in parts, one per CPU. So threads touch and drop pages on
 * different CPUs. Each has a mapping of its own, whose size is the most that
 * it adds to RSS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "rss_stat.h"

#define NR_WORKERS	8
#define WORKER_STACK	(256 * 1024)
/* Pages that a thread touches before it moves on to the next CPU. */
#define RUN		13
/* Pages by which a peak exceeds what the kernel may leave out. */
#define MARGIN		64
#define NR_READS	2000
#define READS_PER_RESET	100
/* Pages that one test touches, in all of its rounds together. */
#define BUDGET		40000
#define TIMEOUT		300
/* Name under which this program only reports its own peaks, see main(). */
#define REPORTER	"rss_stat_peak_reporter"

enum job {
	JOB_FILL,
	JOB_DROP,
	JOB_CHURN,
	JOB_PEAK,
	JOB_QUIT,
};

/* The threads that touch memory, or only the main thread. */
static struct {
	pthread_barrier_t start;
	pthread_barrier_t end;
	pthread_t thread[NR_WORKERS];
	char *map[NR_WORKERS];
	long peak[NR_WORKERS];
	int nr_threads;
	/* Pages of each map. */
	long nr;
	enum job job;
	unsigned int round;
	/* Touch and drop on one CPU. */
	bool pinned;
	bool stop;
} crew;

/* What a process tells of itself, its peaks first. */
struct report {
	long maxrss;
	struct rss rss;
};

/* What a child and its parent share. */
static struct shared {
	struct report report;
	long expected;
	bool settled;
} *shared;

/* RSS of this process without the maps of the crew. */
static long quiet;
/* Pages by which an approximate RSS may be off, and which a peak may miss. */
static long error, range;

static long maxrss_of(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage))
		return -1;
	return usage.ru_maxrss * 1024 / psize();
}

static long maxrss_self(void)
{
	return maxrss_of(RUSAGE_SELF);
}

static int reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -1;
	ret = write(fd, "5", 1);
	close(fd);
	return ret == 1 ? 0 : -1;
}

static char *map_pages(long nr)
{
	char *map = mmap(NULL, nr * psize(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		rss_die("mmap of %ld pages", nr);
	return map;
}

static void touch(char *map, long nr)
{
	for (long i = 0; i < nr; i++)
		map[i * psize()] = 1;
}

static void drop(char *map, long nr)
{
	if (madvise(map, nr * psize(), MADV_DONTNEED))
		rss_die("MADV_DONTNEED");
}

/* Touch or drop @nr pages, a run of them on each CPU, from the @cpu-th on. */
static void hop_over(void (*func)(char *map, long nr), char *map, long nr,
		     long run, unsigned long cpu)
{
	for (long i = 0; i < nr; i += run) {
		rss_hop(cpu++);
		func(map + i * psize(), nr - i < run ? nr - i : run);
	}
}

static void crew_drop(int id)
{
	switch ((crew.round + id) % 3) {
	case 0:
		drop(crew.map[id], crew.nr);
		break;
	case 1:
		hop_over(drop, crew.map[id], crew.nr, crew.nr / 3 + 1, id + 1);
		break;
	case 2:
		munmap(crew.map[id], crew.nr * psize());
		crew.map[id] = map_pages(crew.nr);
		break;
	}
}

static void crew_churn(int id)
{
	unsigned int seed = id + 1;

	rss_hop(id);
	while (!__atomic_load_n(&crew.stop, __ATOMIC_RELAXED)) {
		const long nr = 1 + rand_r(&seed) % crew.nr;

		if (!crew.pinned)
			rss_hop(rand_r(&seed));
		touch(crew.map[id], nr);
		if (!crew.pinned)
			rss_hop(rand_r(&seed));
		drop(crew.map[id], nr / 3 + 1);
		drop(crew.map[id], nr);
	}
}

static void crew_work(int id)
{
	switch (crew.job) {
	case JOB_FILL:
		hop_over(touch, crew.map[id], crew.nr, RUN, id + crew.round);
		break;
	case JOB_DROP:
		crew_drop(id);
		break;
	case JOB_CHURN:
		crew_churn(id);
		break;
	case JOB_PEAK:
		crew.peak[id] = maxrss_self();
		break;
	case JOB_QUIT:
		break;
	}
}

static void *crew_thread(void *arg)
{
	const int id = (long)arg;
	enum job job;

	do {
		pthread_barrier_wait(&crew.start);
		job = crew.job;
		crew_work(id);
		pthread_barrier_wait(&crew.end);
	} while (job != JOB_QUIT);
	return NULL;
}

/* All threads begin at once. */
static void crew_begin(enum job job)
{
	crew.job = job;
	crew.stop = false;
	if (crew.nr_threads)
		pthread_barrier_wait(&crew.start);
}

static void crew_end(void)
{
	__atomic_store_n(&crew.stop, true, __ATOMIC_RELAXED);
	if (crew.nr_threads)
		pthread_barrier_wait(&crew.end);
	else
		crew_work(0);
}

static void crew_do(enum job job)
{
	crew_begin(job);
	crew_end();
}

/* How many pages the maps of the crew have together. */
static long crew_pages(void)
{
	return crew.nr * (crew.nr_threads ?: 1);
}

/* Each of @nr_threads gets its part of @nr pages, or the caller gets all. */
static int crew_start(int nr_threads, long nr)
{
	pthread_attr_t attr;
	int ret = 0;

	pthread_barrier_init(&crew.start, NULL, nr_threads + 1);
	pthread_barrier_init(&crew.end, NULL, nr_threads + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	for (long i = 0; i < nr_threads && !ret; i++)
		ret = pthread_create(&crew.thread[i], &attr, crew_thread,
				     (void *)i);
	pthread_attr_destroy(&attr);
	if (ret)
		return ret;
	ret = rss_settle();
	crew.nr_threads = nr_threads;
	crew.nr = nr / (nr_threads ?: 1) + 1;
	for (int i = 0; i < (nr_threads ?: 1); i++)
		crew.map[i] = map_pages(crew.nr);
	return ret;
}

static void crew_stop(void)
{
	if (!crew.nr_threads)
		return;
	crew_do(JOB_QUIT);
	for (int i = 0; i < crew.nr_threads; i++)
		pthread_join(crew.thread[i], NULL);
}

/* In a child, which has the maps, but not the threads. */
static void crew_forget(void)
{
	for (int i = 0; i < (crew.nr_threads ?: 1); i++)
		munmap(crew.map[i], crew.nr * psize());
	crew.nr_threads = 0;
}

/* How often a test that touches @nr pages repeats itself. */
static int nr_rounds(long nr)
{
	const long rounds = BUDGET / nr;

	return rounds < 3 ? 3 : rounds > 30 ? 30 : rounds;
}

/*
 * If the kernel does not tell, assume the largest batch for each CPU, and as
 * much again for what is above the CPUs.
 */
static void find_range(void)
{
	long one = rss_declared_error();

	if (one < 0)
		one = 2 * RSS_MAX_BATCH * sysconf(_SC_NPROCESSORS_CONF);
	/* RSS is the sum of three counters, and may be off either way. */
	error = 3 * one;
	/* With one possible CPU the counters are exact. */
	if (!error)
		return;
	/* A CPU is off by a page less on one side. And an eighth of it. */
	range = 2 * error - 3 * sysconf(_SC_NPROCESSORS_CONF);
	range += range / 8;
}

static bool is_memory_for(long nr)
{
	if (rss_read_file("/proc/meminfo"))
		return false;
	return rss_field("\nMemAvailable:") > nr;
}

/* What each test of this process begins with. */
static void setup(struct __test_metadata *_metadata, bool threads)
{
	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	rss_find_cpus();
	find_range();
	if (access("/proc/self/clear_refs", W_OK))
		SKIP(return, "no /proc/self/clear_refs");
	if (!is_memory_for(4 * (range + MARGIN)))
		SKIP(return, "not %ld MiB of memory available",
		     4 * (range + MARGIN) * psize() >> 20);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(shared, MAP_FAILED);
	if (crew_start(threads ? NR_WORKERS : 0, range + MARGIN))
		SKIP(return, "RLIMIT_MEMLOCK or RLIMIT_NPROC is too low");
	if (!threads) {
		error = 0;
		range = 0;
	}

	/* Then each CPU has a part in the counters. */
	crew_do(JOB_FILL);
	crew_do(JOB_DROP);
	quiet = rss_read_statm("/proc/self/statm");
	ASSERT_GT(quiet, 0);
}

FIXTURE(rss_stat_peak)
{
};

FIXTURE_VARIANT(rss_stat_peak)
{
	bool threads;
};

FIXTURE_VARIANT_ADD(rss_stat_peak, one_thread)
{
	.threads = false,
};

FIXTURE_VARIANT_ADD(rss_stat_peak, many_threads)
{
	.threads = true,
};

FIXTURE_SETUP(rss_stat_peak)
{
	setup(_metadata, variant->threads);
}

FIXTURE_TEARDOWN(rss_stat_peak)
{
	crew_stop();
}

/* How peaks compare with the truth. */
struct verdict {
	long nr;
	long nr_low;
	long nr_high;
	long lowest;
	long highest;
};

static void judge(struct verdict *verdict, long peak, long truth)
{
	const long diff = peak - truth;

	verdict->nr++;
	verdict->nr_low += diff < 0;
	verdict->nr_high += diff > 0;
	if (verdict->lowest > diff)
		verdict->lowest = diff;
	if (verdict->highest < diff)
		verdict->highest = diff;
}

static void expect_verdict(struct __test_metadata *_metadata,
			   const struct verdict *verdict, long lowest)
{
	TH_LOG("of %ld peaks %ld low, by up to %ld pages, %ld high, by %ld",
	       verdict->nr, verdict->nr_low, -verdict->lowest,
	       verdict->nr_high, verdict->highest);
	EXPECT_GE(verdict->lowest, lowest);
	EXPECT_EQ(verdict->nr_high, 0);
}

/*
 * All threads have filled their maps, read the peak, and drop them at once. A
 * thread lowers RSS only after it, or another one, has recorded the peak, so
 * this is exact even if the threads race.
 */
TEST_F_TIMEOUT(rss_stat_peak, recorded, TIMEOUT)
{
	const long top = quiet + crew_pages();
	struct verdict verdict = {};
	struct rss now;

	for (int i = 0; i < nr_rounds(crew_pages()); i++) {
		ASSERT_EQ(reset_peak(), 0);
		crew.round = i;
		crew_do(JOB_FILL);
		/* Now and then not, so that it is dropping that records it. */
		if (i % 2)
			crew_do(JOB_PEAK);
		crew_do(JOB_DROP);
		for (int j = 0; i % 2 && j < (crew.nr_threads ?: 1); j++)
			judge(&verdict, crew.peak[j], top);
		judge(&verdict, maxrss_self(), top);
		judge(&verdict, maxrss_of(RUSAGE_THREAD), top);
		ASSERT_EQ(rss_read(0, &now), 0);
		judge(&verdict, now.hwm, top);
		EXPECT_EQ(now.rss, quiet);
	}
	expect_verdict(_metadata, &verdict, 0);
}

/* RSS creeps up in a saw tooth. Reading /proc would record it, so do not. */
TEST_F_TIMEOUT(rss_stat_peak, creep, TIMEOUT)
{
	const long nr = 2 * range + BUDGET / 8;
	const long most = nr / 300 + 5;
	unsigned int seed = 1;
	struct verdict verdict = {};
	long have = 0, last = 0, less, peak;
	char *map;

	if (!is_memory_for(2 * nr))
		SKIP(return, "not %ld MiB of memory available",
		     2 * nr * psize() >> 20);
	map = map_pages(nr);
	ASSERT_EQ(reset_peak(), 0);
	for (unsigned int i = 0; have + most <= nr; i++) {
		long more = 1 + rand_r(&seed) % most;

		rss_hop(rand_r(&seed));
		touch(map + have * psize(), more);
		have += more;
		less = 1 + rand_r(&seed) % more;
		rss_hop(rand_r(&seed));
		drop(map + (have - less) * psize(), less);
		peak = maxrss_self();
		judge(&verdict, peak, quiet + have);
		EXPECT_GE(peak, last);
		last = peak;
		touch(map + (have - less) * psize(), less);
	}
	expect_verdict(_metadata, &verdict, -range);
	EXPECT_EQ(rss_read_statm("/proc/self/statm"), quiet + have);
	munmap(map, nr * psize());
}

/*
 * A reset sets the peak to the precise RSS, whether the approximate RSS is
 * above it or below, and later peaks are not above the truth either.
 */
TEST_F_TIMEOUT(rss_stat_peak, reset, TIMEOUT)
{
	const long nr = rss_nr_cpus * RSS_MAX_BATCH;
	struct verdict verdict = {}, later = {};
	char *map = map_pages(nr);
	struct rss now;

	for (long run = 1; run <= RSS_MAX_BATCH; run += 2) {
		/* From one CPU, but back on all. */
		rss_hop(0);
		touch(map, rss_nr_cpus * run);
		hop_over(drop, map, rss_nr_cpus * run, run, 0);
		ASSERT_EQ(reset_peak(), 0);
		judge(&verdict, maxrss_self(), quiet);
		ASSERT_EQ(rss_read(0, &now), 0);
		judge(&verdict, now.hwm, quiet);

		touch(map, run);
		drop(map, run);
		judge(&later, maxrss_self(), quiet + run);

		/* The other way round. */
		hop_over(touch, map, rss_nr_cpus * run, run, 0);
		ASSERT_EQ(reset_peak(), 0);
		rss_hop(0);
		drop(map, rss_nr_cpus * run);
		judge(&verdict, maxrss_self(), quiet + rss_nr_cpus * run);
		ASSERT_EQ(rss_read(0, &now), 0);
		judge(&verdict, now.hwm, quiet + rss_nr_cpus * run);
	}
	expect_verdict(_metadata, &verdict, 0);
	expect_verdict(_metadata, &later, -range);
	munmap(map, nr * psize());
}

static void page_out(char *map, long nr)
{
	if (madvise(map, nr * psize(), MADV_PAGEOUT))
		rss_die("MADV_PAGEOUT");
}

/* The peak is @nr pages above the quiet, and RSS has been lowered. */
static void judge_lowered(struct __test_metadata *_metadata,
			  struct verdict *verdict, long nr)
{
	struct rss now;

	judge(verdict, maxrss_self(), quiet + nr);
	ASSERT_EQ(rss_read(0, &now), 0);
	judge(verdict, now.hwm, quiet + nr);
	EXPECT_LT(now.rss, quiet + nr);
}

/* Reclaim records the peak before it lowers RSS. */
TEST_F_TIMEOUT(rss_stat_peak, reclaimed, TIMEOUT)
{
	const long nr = range + MARGIN;
	struct verdict verdict = {};
	struct rss now;
	char *map;

	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	if (rss_field("\nSwapFree:") < nr)
		SKIP(return, "no swap space");
	map = map_pages(nr);
	ASSERT_EQ(reset_peak(), 0);
	/* Where they were touched, as the LRU batch there has them. */
	hop_over(touch, map, nr, RUN, 0);
	hop_over(page_out, map, nr, RUN, 0);
	ASSERT_EQ(rss_read(0, &now), 0);
	if (!now.swap)
		SKIP(return, "may not swap");
	judge_lowered(_metadata, &verdict, nr);
	munmap(map, nr * psize());
	expect_verdict(_metadata, &verdict, 0);
}

/* So do those who take pages from a file that is mapped. */
TEST_F_TIMEOUT(rss_stat_peak, truncated, TIMEOUT)
{
	const size_t size = (range + MARGIN) * psize();
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct verdict verdict = {};
	char *map;
	int fd;

	for (int i = 0; i < 3; i++) {
		fd = i < 2 ? memfd_create("rss_stat_peak", MFD_CLOEXEC) :
			     rss_open_plain_file();
		if (i == 2 && fd < 0)
			break;
		ASSERT_GE(fd, 0);
		ASSERT_EQ(ftruncate(fd, size), 0);
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   0);
		ASSERT_NE(map, MAP_FAILED);
		ASSERT_EQ(reset_peak(), 0);
		hop_over(touch, map, range + MARGIN, RUN, i);
		ASSERT_EQ(i ? ftruncate(fd, 0) : fallocate(fd, punch, 0, size),
			  0);
		judge_lowered(_metadata, &verdict, range + MARGIN);
		munmap(map, size);
		close(fd);
	}
	expect_verdict(_metadata, &verdict, 0);
}

static long read_status(const char *path)
{
	return rss_read_file(path) ? -1 : rss_field("\nVmRSS:");
}

/* The files that show the precise RSS. */
static const struct {
	const char *name;
	long (*read)(const char *path);
} files[] = {
	{ "status", read_status },
	{ "statm", rss_read_statm },
	{ "stat", rss_read_stat },
};

/* Read it from here, or from another process. */
static long read_shown(struct __test_metadata *_metadata, int file, bool other)
{
	const pid_t self = getpid();
	char path[64];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/%s", self, files[file].name);
	if (!other)
		return files[file].read(path);
	pid = fork();
	if (!pid) {
		shared->expected = files[file].read(path);
		_exit(KSFT_PASS);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	return shared->expected;
}

/* A peak that no other event records is recorded when a file shows it. */
TEST_F_TIMEOUT(rss_stat_peak, shown, TIMEOUT)
{
	const long nr = rss_nr_cpus * RSS_MAX_BATCH;
	int wrong[ARRAY_SIZE(files)] = {};
	struct verdict verdict = {};
	char *map = map_pages(nr);
	struct rss now;
	long top, seen;

	for (int i = 0; i < 2 * (int)ARRAY_SIZE(files); i++) {
		for (long run = 1; run <= RSS_MAX_BATCH; run += 3) {
			ASSERT_EQ(reset_peak(), 0);
			hop_over(touch, map, rss_nr_cpus * run, run, i);
			top = quiet + rss_nr_cpus * run;
			seen = read_shown(_metadata, i / 2, i % 2);
			wrong[i / 2] += seen != top;
			rss_hop(0);
			drop(map, nr);
			judge(&verdict, maxrss_self(), top);
			ASSERT_EQ(rss_read(0, &now), 0);
			judge(&verdict, now.hwm, top);
		}
	}
	for (int i = 0; i < (int)ARRAY_SIZE(files); i++) {
		EXPECT_EQ(wrong[i], 0)
			TH_LOG("%s is not precise", files[i].name);
	}
	expect_verdict(_metadata, &verdict, 0);
	munmap(map, nr * psize());
}

/* The RSS that a thread's stat shows may be off, but not above the peak. */
TEST_F_TIMEOUT(rss_stat_peak, thread_stat, TIMEOUT)
{
	const long nr = rss_nr_cpus * RSS_MAX_BATCH;
	char *map = map_pages(nr);
	long seen, low = 0, high = 0, above = 0;

	for (long run = 1; run <= RSS_MAX_BATCH; run += 2) {
		const long all = rss_nr_cpus * run;

		for (int i = 0; i < 2; i++) {
			rss_hop(0);
			if (i)
				touch(map, all);
			hop_over(i ? drop : touch, map, all, run, 0);
			ASSERT_EQ(reset_peak(), 0);
			seen = rss_read_stat("/proc/thread-self/stat");
			ASSERT_GT(seen, 0);
			if (above < seen - maxrss_self())
				above = seen - maxrss_self();
			seen -= quiet + (i ? 0 : all);
			if (low > seen)
				low = seen;
			if (high < seen)
				high = seen;
			drop(map, nr);
		}
	}
	TH_LOG("off by %ld to %ld pages, above the peak by %ld, %ld allowed",
	       low, high, above, error);
	EXPECT_EQ(above, 0);
	EXPECT_GE(low, -error);
	EXPECT_LE(high, error);
	munmap(map, nr * psize());
}

static void report(struct report *report)
{
	report->maxrss = maxrss_self();
	if (rss_read(0, &report->rss))
		memset(&report->rss, 0, sizeof(report->rss));
}

/* Become a program that writes its report to @fd. */
static void exec_reporter(int fd)
{
	if (dup2(fd, STDOUT_FILENO) >= 0)
		execl("/proc/self/exe", REPORTER, NULL);
	rss_die("exec");
}

/* Returns the ru_maxrss of the child that was waited for. */
static long reap(struct __test_metadata *_metadata, pid_t pid)
{
	struct rusage usage;
	int status;

	EXPECT_EQ(wait4(pid, &status, 0, &usage), pid);
	EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
					  WEXITSTATUS(status) == KSFT_PASS);
	return usage.ru_maxrss * 1024 / psize();
}

/* A process has a peak from its start, in its first thread and with more. */
TEST_F_TIMEOUT(rss_stat_peak, first, TIMEOUT)
{
	struct report first;
	int fds[2];
	pid_t pid;

	/* A child inherits what is mapped, but not the peak. */
	crew_do(JOB_FILL);
	crew_do(JOB_DROP);
	ASSERT_EQ(pipe(fds), 0);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			report(&shared->report);
			_exit(KSFT_PASS);
		}
		EXPECT_GE(reap(_metadata, pid), shared->report.rss.hwm);
		EXPECT_GT(shared->report.maxrss, 0);
		EXPECT_GT(shared->report.rss.rss, 0);
		EXPECT_GE(shared->report.rss.hwm, shared->report.maxrss);
		EXPECT_GE(shared->report.rss.hwm, shared->report.rss.rss);
		EXPECT_LT(shared->report.rss.hwm, quiet + crew_pages() / 2);

		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			exec_reporter(fds[1]);
		EXPECT_GE(reap(_metadata, pid), 1);
		ASSERT_EQ(read(fds[0], &first, sizeof(first)), sizeof(first));
		EXPECT_GT(first.maxrss, 0);
		EXPECT_GE(first.rss.hwm, first.rss.rss);
		EXPECT_GT(first.rss.rss, 0);
	}
}

static void *idle_thread(void *arg)
{
	pause();
	return NULL;
}

/* The exact peak of a single thread is kept when there is a second one. */
TEST_F_TIMEOUT(rss_stat_peak, second_thread, TIMEOUT)
{
	const long nr = 1000;
	struct report *told = &shared->report;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			pthread_t thread;
			char *map, *more;

			crew_forget();
			if (rss_settle())
				rss_die("mlock");
			map = map_pages(nr);
			more = map_pages(rss_nr_cpus);
			quiet = rss_read_statm("/proc/self/statm");
			hop_over(touch, map, nr, RUN, i);
			if (i % 2)
				drop(map, nr);
			errno = pthread_create(&thread, NULL, idle_thread,
					       NULL);
			if (errno)
				rss_die("pthread_create");
			/* From here on the approximate RSS has a range. */
			hop_over(touch, more, rss_nr_cpus, 1, i);
			drop(map, nr);
			told->maxrss = maxrss_self();
			shared->expected = quiet + nr;
			hop_over(touch, map, nr / 2, RUN, i);
			rss_read(0, &told->rss);
			_exit(KSFT_PASS);
		}
		EXPECT_EQ(reap(_metadata, pid), told->rss.hwm);
		EXPECT_EQ(told->rss.hwm, told->maxrss);
		EXPECT_GE(told->maxrss, shared->expected);
		/* What the new thread needs and some more may come on top. */
		EXPECT_LE(told->maxrss, shared->expected +
					(i % 2 ? 0 : rss_nr_cpus + RUN));
	}
}

/*
 * In a child that is as far from the truth as it can be on up to 16 CPUs: from
 * the highest approximation to the lowest, and so far up that the new peak has
 * to be recorded. Returns the peak, and what it was and has to be.
 */
static void cross_range(long *before, long *peak, long *top)
{
	const long batch = rss_batch(rss_declared_batches());
	const long nr = rss_nr_cpus < 16 ? rss_nr_cpus : 16;
	const long high = batch / 2, low = batch - 1, step = 3 * batch / 4;
	long more = range + 1 - 3 * nr * low;
	int file = rss_open_plain_file();
	pthread_t thread;
	struct rss now;
	char *pool[3], *rest;

	if (rss_settle())
		rss_die("mlock");
	rest = map_pages(range + nr * step);
	for (int i = 0; i < 3; i++) {
		const size_t size = nr * low * psize();
		const int fd = i == 2 ? file : -1;

		if (fd >= 0 && ftruncate(fd, size))
			rss_die("ftruncate");
		pool[i] = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       (i ? MAP_SHARED : MAP_PRIVATE) |
			       (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
		if (pool[i] == MAP_FAILED)
			rss_die("mmap");
		touch(pool[i], nr * high);
	}
	/* With a second thread each CPU has a part in the counters. */
	rss_hop(0);
	errno = range ? pthread_create(&thread, NULL, idle_thread, NULL) : 0;
	if (errno)
		rss_die("pthread_create");
	for (int i = 0; i < 3; i++)
		hop_over(drop, pool[i], nr * high, high, 0);
	if (reset_peak())
		rss_die("clear_refs");
	*before = maxrss_self();
	for (int i = 0; i < 3; i++)
		hop_over(touch, pool[i], nr * low, low, 0);
	/* A CPU passes on as much as that at once. */
	for (long i = 0; more > 0; i++, more -= step) {
		rss_hop(i % nr);
		touch(rest + i * step * psize(), step);
	}
	*peak = maxrss_self();
	if (rss_read(0, &now))
		rss_die("/proc/self/status");
	*top = now.rss;
}

/* A peak above the range is recorded, a lower one may be. */
TEST_F_TIMEOUT(rss_stat_peak, across, TIMEOUT)
{
	long *told = (long *)shared;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		crew_forget();
		cross_range(&told[0], &told[1], &told[2]);
		_exit(KSFT_PASS);
	}
	reap(_metadata, pid);
	TH_LOG("peak %ld after %ld, and at most %ld", told[1], told[0],
	       told[2]);
	EXPECT_GT(told[2] - told[0], range);
	EXPECT_EQ(told[1], told[2]);
}

/* In what way a child with threads ends. */
enum end {
	END_EXIT,
	END_THREAD_EXIT,
	END_KILL,
	END_EXEC,
	END_VFORK_EXEC,
	END_DROP,
	NR_ENDS,
};

static void *exit_thread(void *arg)
{
	syscall(SYS_exit_group, KSFT_PASS);
	return NULL;
}

/* With @twice, the last peak is too close to one before to be noticed early. */
static void run_child(enum end end, int nr_threads, bool twice, int fd)
{
	pthread_t thread;
	char *more;

	crew_forget();
	shared->settled = !crew_start(nr_threads, range + MARGIN);
	more = map_pages(rss_nr_cpus);
	shared->expected = rss_read_statm("/proc/self/statm") + crew_pages();
	crew_do(JOB_FILL);
	if (twice) {
		crew_do(JOB_DROP);
		crew.round++;
		crew_do(JOB_FILL);
		hop_over(touch, more, rss_nr_cpus, 1, 0);
		shared->expected += rss_nr_cpus;
	}
	switch (end) {
	case END_DROP:
		crew_do(JOB_DROP);
		break;
	case END_THREAD_EXIT:
		/* Its stack is not among what was touched. */
		if (!pthread_create(&thread, NULL, exit_thread, NULL))
			pthread_join(thread, NULL);
		break;
	case END_KILL:
		kill(getpid(), SIGKILL);
		break;
	case END_EXEC:
	case END_VFORK_EXEC:
		exec_reporter(fd);
		break;
	default:
		break;
	}
	_exit(KSFT_PASS);
}

/* CLONE_VFORK does not imply CLONE_VM. */
static pid_t start_child(enum end end)
{
	struct clone_args args = {
		.flags = CLONE_VFORK,
		.exit_signal = SIGCHLD,
	};

	if (end != END_VFORK_EXEC)
		return fork();
	return syscall(SYS_clone3, &args, sizeof(args));
}

/* wait4() reports all that the threads of a child have touched. */
TEST_F_TIMEOUT(rss_stat_peak, child, TIMEOUT)
{
	static const char * const names[] = {
		[END_EXIT] = "exit",
		[END_THREAD_EXIT] = "exit of a thread",
		[END_KILL] = "SIGKILL",
		[END_EXEC] = "exec",
		[END_VFORK_EXEC] = "exec with CLONE_VFORK",
		[END_DROP] = "all dropped before",
	};
	struct verdict verdict[NR_ENDS] = {};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ASSERT_GE(null, 0);
	for (int i = 0; i < NR_ENDS * 6; i++) {
		const enum end end = i % NR_ENDS;
		const bool twice = i / NR_ENDS % 2 && end != END_DROP;
		long peak;
		pid_t pid;

		crew.round = i;
		pid = start_child(end);
		ASSERT_GE(pid, 0);
		if (!pid)
			run_child(end, crew.nr_threads, twice, null);
		peak = reap(_metadata, pid);
		ASSERT_TRUE(shared->settled);
		/* Another thread adds what its stack takes. */
		if (end == END_THREAD_EXIT && peak > shared->expected)
			peak = shared->expected;
		judge(&verdict[end], peak, shared->expected);
	}
	for (int i = 0; i < NR_ENDS; i++) {
		TH_LOG("%s:", names[i]);
		expect_verdict(_metadata, &verdict[i], 0);
	}
	close(null);
}

/*
 * The ru_maxrss of a child includes the peak of the mm that it had before exec,
 * which is a copy of its parent's or, after vfork(), the same. Its VmHWM is
 * that of the new mm only.
 */
TEST_F_TIMEOUT(rss_stat_peak, exec, TIMEOUT)
{
	char *const argv[] = { REPORTER, NULL };
	const long nr = 2 * quiet;
	posix_spawn_file_actions_t actions;
	char *map = map_pages(nr);
	struct report told;
	int fds[2];
	pid_t pid;

	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(posix_spawn_file_actions_init(&actions), 0);
	ASSERT_EQ(posix_spawn_file_actions_adddup2(&actions, fds[1],
						   STDOUT_FILENO), 0);
	hop_over(touch, map, nr, RUN, 0);

	/* A copy of what is mapped. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_reporter(fds[1]);
	EXPECT_GE(reap(_metadata, pid), nr);
	ASSERT_EQ(read(fds[0], &told, sizeof(told)), sizeof(told));
	EXPECT_GE(told.maxrss, nr);
	EXPECT_LT(told.rss.hwm, nr);
	EXPECT_GE(told.rss.hwm, told.rss.rss);

	/* posix_spawn() shares the mm, whose peak is over. */
	EXPECT_GE(rss_read_statm("/proc/self/statm"), quiet + nr);
	drop(map, nr);
	ASSERT_EQ(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv,
			      environ), 0);
	EXPECT_GE(reap(_metadata, pid), quiet + nr);
	ASSERT_EQ(read(fds[0], &told, sizeof(told)), sizeof(told));
	EXPECT_GE(told.maxrss, quiet + nr);
	EXPECT_LT(told.rss.hwm, nr);
	EXPECT_GE(told.rss.hwm, told.rss.rss);

	/* A copy does not have that peak. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_reporter(fds[1]);
	EXPECT_LT(reap(_metadata, pid), nr);
	ASSERT_EQ(read(fds[0], &told, sizeof(told)), sizeof(told));
	EXPECT_LT(told.maxrss, nr);

	EXPECT_GE(maxrss_of(RUSAGE_CHILDREN), quiet + nr);
	posix_spawn_file_actions_destroy(&actions);
	munmap(map, nr * psize());
}

/* Tools read RSS, then the peak, and expect that this is not lower. */
FIXTURE(rss_stat_peak_order)
{
};

FIXTURE_VARIANT(rss_stat_peak_order)
{
	long (*shown)(void);
	long (*peak)(void);
};

static long shown_status(void)
{
	return read_status("/proc/self/status");
}

static long shown_statm(void)
{
	return rss_read_statm("/proc/self/statm");
}

static long shown_stat(void)
{
	return rss_read_stat("/proc/self/stat");
}

static long shown_thread_stat(void)
{
	return rss_read_stat("/proc/thread-self/stat");
}

static long peak_status(void)
{
	return rss_read_file("/proc/self/status") ? -1 : rss_field("\nVmHWM:");
}

FIXTURE_VARIANT_ADD(rss_stat_peak_order, statm_maxrss)
{
	.shown = shown_statm,
	.peak = maxrss_self,
};

FIXTURE_VARIANT_ADD(rss_stat_peak_order, status_hwm)
{
	.shown = shown_status,
	.peak = peak_status,
};

FIXTURE_VARIANT_ADD(rss_stat_peak_order, stat_maxrss)
{
	.shown = shown_stat,
	.peak = maxrss_self,
};

FIXTURE_VARIANT_ADD(rss_stat_peak_order, thread_stat_hwm)
{
	.shown = shown_thread_stat,
	.peak = peak_status,
};

FIXTURE_SETUP(rss_stat_peak_order)
{
	setup(_metadata, true);
}

FIXTURE_TEARDOWN(rss_stat_peak_order)
{
	crew_stop();
}

/* A peak is not below any RSS, or any peak, that was read before it. */
TEST_F_TIMEOUT(rss_stat_peak_order, churn, TIMEOUT)
{
	long inverted = 0, below = 0, worst = 0, zero = 0, sank = 0;
	long shown, peak, most = 0, last = 0;

	crew_begin(JOB_CHURN);
	for (int i = 0; i < NR_READS; i++) {
		if (i % READS_PER_RESET == 0) {
			ASSERT_EQ(reset_peak(), 0);
			last = 0;
			most = 0;
		}
		shown = variant->shown();
		if (most < shown)
			most = shown;
		peak = variant->peak();
		inverted += peak < shown;
		below += peak < most;
		if (worst < most - peak)
			worst = most - peak;
		zero += shown <= 0 || peak <= 0;
		sank += peak < last;
		last = peak;
	}
	crew_end();
	TH_LOG("%ld of %d peaks below the RSS read before, %ld below any",
	       inverted, NR_READS, below);
	TH_LOG("by up to %ld pages", worst);
	EXPECT_EQ(inverted, 0);
	EXPECT_EQ(below, 0);
	EXPECT_EQ(zero, 0);
	EXPECT_EQ(sank, 0);
}

FIXTURE(rss_stat_peak_race)
{
};

FIXTURE_SETUP(rss_stat_peak_race)
{
	setup(_metadata, true);
}

FIXTURE_TEARDOWN(rss_stat_peak_race)
{
	crew_stop();
}

/*
 * No peak is above the sum of all maps. The threads are pinned, because a walk
 * over the CPUs may count pages twice if they are dropped on a CPU that it has
 * visited and touched again on one that it has not.
 */
TEST_F_TIMEOUT(rss_stat_peak_race, limit, TIMEOUT)
{
	const long top = quiet + crew_pages();
	long maxrss, shown, zero = 0, high = 0;
	struct rss now;

	crew.pinned = true;
	crew_begin(JOB_CHURN);
	for (int i = 0; i < NR_READS; i++) {
		if (i % READS_PER_RESET == 0)
			ASSERT_EQ(reset_peak(), 0);
		maxrss = maxrss_self();
		shown = rss_read_stat("/proc/thread-self/stat");
		ASSERT_EQ(rss_read(0, &now), 0);
		zero += maxrss <= 0 || shown <= 0 || now.hwm <= 0;
		high += maxrss > top || shown > top || now.hwm > top;
	}
	crew_end();
	EXPECT_EQ(zero, 0);
	EXPECT_EQ(high, 0);
}

/* The peak is one that can have been, and one above its range is recorded. */
static void expect_next_peak(struct __test_metadata *_metadata,
			     struct verdict *verdict, char *map, long room,
			     int round)
{
	const long peak = maxrss_self();
	const long nr = peak - quiet + range + MARGIN;

	EXPECT_GE(peak, quiet);
	EXPECT_LE(peak, quiet + crew_pages());
	ASSERT_LE(nr, room);
	hop_over(touch, map, nr, RUN, round);
	drop(map, nr);
	judge(verdict, maxrss_self(), quiet + nr);
}

/* A reset that races with new peaks does not hide later ones. */
TEST_F_TIMEOUT(rss_stat_peak_race, reset, TIMEOUT)
{
	const long room = crew_pages() + range + MARGIN;
	struct verdict verdict = {};
	char *map = map_pages(room);

	crew.pinned = true;
	for (int i = 0; i < nr_rounds(room); i++) {
		crew_begin(JOB_CHURN);
		for (int j = 0; j < 50; j++)
			ASSERT_EQ(reset_peak(), 0);
		crew_end();
		expect_next_peak(_metadata, &verdict, map, room, i);
	}
	expect_verdict(_metadata, &verdict, 0);
	munmap(map, room * psize());
}

/*
 * While all threads read the peak, their maps are dropped and it is reset. It
 * does not come back as one below which no other is recorded.
 */
TEST_F_TIMEOUT(rss_stat_peak_race, reset_late, TIMEOUT)
{
	const long room = 4 * (range + MARGIN);
	struct verdict verdict = {};
	char *map = map_pages(room);

	if (!is_memory_for(2 * room))
		SKIP(return, "not %ld MiB of memory available",
		     2 * room * psize() >> 20);
	for (int i = 0; i < crew.nr_threads; i++)
		munmap(crew.map[i], crew.nr * psize());
	crew.nr = 3 * (range + MARGIN) / crew.nr_threads;
	for (int i = 0; i < crew.nr_threads; i++)
		crew.map[i] = map_pages(crew.nr);

	for (int i = 0; i < nr_rounds(room); i++) {
		crew.round = i;
		crew_do(JOB_FILL);
		crew_begin(JOB_PEAK);
		usleep(1000);
		for (int j = 0; j < crew.nr_threads; j++)
			drop(crew.map[j], crew.nr);
		ASSERT_EQ(reset_peak(), 0);
		crew_end();
		expect_next_peak(_metadata, &verdict, map, room, i);
	}
	expect_verdict(_metadata, &verdict, 0);
	munmap(map, room * psize());
}

/* KSM lowers RSS without a look at the peak. */
FIXTURE(rss_stat_peak_ksm)
{
	bool zero_pages;
};

static long read_number(const char *path)
{
	return rss_read_file(path) ? -1 : atol(rss_buf);
}

FIXTURE_SETUP(rss_stat_peak_ksm)
{
	if (access("/sys/kernel/mm/ksm/run", W_OK) ||
	    read_number("/sys/kernel/mm/ksm/run"))
		SKIP(return, "no KSM, or it is in use");
	self->zero_pages = read_number("/sys/kernel/mm/ksm/use_zero_pages");
	setup(_metadata, false);
}

FIXTURE_TEARDOWN(rss_stat_peak_ksm)
{
	int fd;

	ksm_stop();
	fd = open("/sys/kernel/mm/ksm/use_zero_pages", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!self->zero_pages && write(fd, "0", 1) != 1)
		TH_LOG("use_zero_pages: %s", strerror(errno));
	close(fd);
}

/* The peak until there was a second thread is kept, even so. */
TEST_F_TIMEOUT(rss_stat_peak_ksm, second_thread, TIMEOUT)
{
	struct report *told = &shared->report;
	const long nr = 500;
	pid_t pid;

	ASSERT_EQ(ksm_use_zero_pages(), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		pthread_t thread;
		char *map;

		if (rss_settle())
			rss_die("mlock");
		map = map_pages(nr);
		if (madvise(map, nr * psize(), MADV_MERGEABLE))
			rss_die("MADV_MERGEABLE");
		shared->expected = rss_read_statm("/proc/self/statm") + nr;
		for (long i = 0; i < nr; i++)
			map[i * psize()] = 0;
		errno = pthread_create(&thread, NULL, idle_thread, NULL);
		if (errno)
			rss_die("pthread_create");
		for (int i = 0; i < 20 && ksm_get_self_zero_pages() < nr; i++)
			ksm_start();
		told->maxrss = maxrss_self();
		rss_read(0, &told->rss);
		_exit(KSFT_PASS);
	}
	reap(_metadata, pid);
	/* The stack of the thread needs a few. */
	EXPECT_LT(told->rss.rss, shared->expected - nr / 2);
	EXPECT_GE(told->maxrss, shared->expected);
}

int main(int argc, char **argv)
{
	struct report told;

	if (strcmp(argv[0], REPORTER))
		return test_harness_run(argc, argv);
	report(&told);
	return write(STDOUT_FILENO, &told, sizeof(told)) != sizeof(told);
}
