// SPDX-License-Identifier: GPL-2.0
/*
 * The size in the rss_stat trace event against the truth. The event reports an
 * approximation; how far that can be from the truth, the kernel declares in
 * debugfs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "rss_stat.h"

#define TIMEOUT	120
#define EVENT	"events/kmem/rss_stat/"

FIXTURE(rss_stat_trace)
{
	long error;
	pthread_t thread;
	char name[64];
	int instance;
};

FIXTURE_VARIANT(rss_stat_trace)
{
	bool second_thread;
};

FIXTURE_VARIANT_ADD(rss_stat_trace, one_thread)
{
	.second_thread = false,
};

FIXTURE_VARIANT_ADD(rss_stat_trace, two_threads)
{
	.second_thread = true,
};

static void *idle_thread(void *arg)
{
	pause();
	return NULL;
}

FIXTURE_SETUP(rss_stat_trace)
{
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");

	self->error = rss_declared_error();
	if (self->error < 0)
		SKIP(return, "the kernel declares no accuracy of rss_stat");
	/* A process of one thread is counted exactly, after a vfork(), too. */
	if (!variant->second_thread) {
		self->error = 0;
		pid = vfork();
		if (!pid)
			_exit(KSFT_PASS);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	}

	self->instance = rss_open_trace(self->name, sizeof(self->name));
	if (self->instance < 0)
		SKIP(return, "tracefs: %s", strerror(errno));

	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	if (variant->second_thread)
		ASSERT_EQ(pthread_create(&self->thread, NULL, idle_thread,
					 NULL), 0);
	rss_find_cpus();
}

FIXTURE_TEARDOWN_PARENT(rss_stat_trace)
{
	if (rss_remove_trace(self->name))
		TH_LOG("%s is left in tracefs", self->name);
}

/*
 * Touch @nr pages, or give them back, @run on each CPU from the @cpu-th on.
 * Each is an event.
 */
static void step(char *map, long nr, long run, unsigned long cpu, bool touch)
{
	for (long i = 0; i < nr; i++) {
		if (i % run == 0)
			rss_hop(cpu + i / run);
		if (touch)
			map[i * psize()] = 1;
		else
			madvise(map + i * psize(), psize(), MADV_DONTNEED);
	}
}

/* Record events of this thread's own memory, up to @nr on each CPU. */
static void record_events(struct __test_metadata *_metadata, int instance,
			  const char *which, long nr)
{
	char filter[80], kib[24];

	snprintf(filter, sizeof(filter), "common_pid == %d && curr == 1 && %s",
		 (int)syscall(SYS_gettid), which);
	ASSERT_EQ(rss_write_at(instance, EVENT "filter", filter), 0);
	/* An event takes less than 64 bytes. */
	snprintf(kib, sizeof(kib), "%ld", nr / 16 + 64);
	ASSERT_EQ(rss_write_at(instance, "buffer_size_kb", kib), 0);
	ASSERT_EQ(rss_write_at(instance, EVENT "enable", "1"), 0);
}

/*
 * Pages that come in on many CPUs, and one by one, are in parts of CPUs and
 * nodes. If they leave on one CPU and at once, past the nodes, an approximation
 * is too low. It is not negative where there are no others, of files or of
 * memory that is shared.
 */
TEST_F_TIMEOUT(rss_stat_trace, not_negative, TIMEOUT)
{
	const long batch = rss_batch(rss_declared_batches());
	const long more = batch << 2 * rss_declared(" levels ");
	const long run = batch / 2 - 1;
	const long nr = run * ((rss_nr_cpus < 16 ? rss_nr_cpus : 16) - 1);
	const size_t size = (nr + more) * psize();
	/* What a page table maps is given back at once, on most machines. */
	const size_t span = psize() * psize() / sizeof(uint64_t);
	int fds[] = { -1, rss_open_plain_file() };
	long nr_events = 0, nr_expected = 0;
	char *room, *map, *pos, *text;

	if (size > span)
		SKIP(return, "nodes hold more than a page table maps");
	room = mmap(NULL, 2 * span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(room, MAP_FAILED);
	room += -(unsigned long)room & (span - 1);
	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	record_events(_metadata, self->instance, "member != 1",
		      2 * (nr + more));
	for (int i = 0; i < (int)ARRAY_SIZE(fds); i++) {
		if (i && fds[i] < 0)
			break;
		if (i)
			ASSERT_EQ(ftruncate(fds[i], size), 0);
		map = mmap(room, size, PROT_READ | PROT_WRITE,
			   MAP_FIXED | MAP_SHARED | (i ? 0 : MAP_ANONYMOUS),
			   fds[i], 0);
		ASSERT_EQ(map, room);
		step(map, nr, run, 1, true);
		step(map + nr * psize(), more, more, 0, true);
		rss_hop(0);
		ASSERT_EQ(madvise(map, size, MADV_DONTNEED), 0);
		nr_expected += nr + more + 1;
	}
	ASSERT_EQ(rss_write_at(self->instance, EVENT "enable", "0"), 0);
	text = rss_read_trace(self->instance);
	for (pos = text; (pos = strstr(pos, " size=")); pos++)
		nr_events++;
	/* More if other tasks are to run while pages are given back. */
	EXPECT_GE(nr_events, nr_expected);
	EXPECT_EQ(strstr(text, " size=-"), NULL);
	free(text);
}

/*
 * Pages that are touched on one CPU. With more threads than one, the size does
 * not change with each: it changes once in three quarters of a batch without
 * nodes, and once in 4.5 or 18 batches with one or two levels. With half of the
 * batch, or twice as much, the number of changes is not what is expected here.
 */
TEST_F_TIMEOUT(rss_stat_trace, seldom, TIMEOUT)
{
	const long batch = rss_batch(rss_declared_batches());
	const long levels = rss_declared(" levels ");
	const long nr = 12 * batch << 2 * levels;
	long size, last = 0, nr_events = 0, nr_changes = 0;
	char *map, *pos, *text;

	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	map = mmap(NULL, nr * psize(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(map, MAP_FAILED);
	record_events(_metadata, self->instance, "member == 1", nr);
	step(map, nr, nr, 0, true);
	ASSERT_EQ(rss_write_at(self->instance, EVENT "enable", "0"), 0);
	text = rss_read_trace(self->instance);
	for (pos = text; (pos = strstr(pos, " size=")); pos++) {
		size = strtol(pos + strlen(" size="), NULL, 10);
		nr_changes += nr_events && size != last;
		nr_events++;
		last = size;
	}
	free(text);
	TH_LOG("%ld pages, %ld changes, batch %ld, %ld levels", nr, nr_changes,
	       batch, levels);
	EXPECT_EQ(nr_events, nr);
	EXPECT_GE(nr_changes, self->error ? 9 : nr - 1);
	EXPECT_LE(nr_changes, self->error ? 18 : nr - 1);
}

TEST_F_TIMEOUT(rss_stat_trace, size, TIMEOUT)
{
	/*
	 * Some of these stay below each batch that the kernel may have. The
	 * last is longer than all that it may leave out.
	 */
	const long runs[] = { 1, 3, 4, 7, 8, 15, 16, 31, 32,
			      33 + self->error / rss_nr_cpus };
	const int nr_runs = ARRAY_SIZE(runs);
	const size_t size = rss_nr_cpus * runs[nr_runs - 1] * psize();
	long low = 0, high = 0, nr_events = 0, nr = 0, diff;
	char *map, *pos, *line, *text;
	struct rss base;

	ASSERT_EQ(rss_write_at(self->instance, "trace_clock", "counter"), 0);
	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(rss_read(0, &base), 0);

	record_events(_metadata, self->instance, "member == 1",
		      8 * runs[nr_runs - 1]);
	for (int i = 0; i < nr_runs; i++) {
		const long top = rss_nr_cpus * runs[i];

		/* The parts that the CPUs hold grow and shrink together. */
		step(map, top, runs[i], 0, true);
		step(map, top, runs[i], 1, false);
		nr += 2 * top;
	}
	ASSERT_EQ(rss_write_at(self->instance, EVENT "enable", "0"), 0);
	munmap(map, size);

	text = rss_read_trace(self->instance);
	line = strtok(text, "\n");
	for (int i = 0; i < nr_runs; i++) {
		const long top = rss_nr_cpus * runs[i];
		long j = 0;

		/* The j-th event is that of j pages up to the top. */
		for (; line && j < 2 * top; line = strtok(NULL, "\n")) {
			pos = strstr(line, "type=MM_ANONPAGES size=");
			if (!pos)
				continue;
			j++;
			nr_events++;
			diff = strtol(strchr(pos, ' ') + strlen(" size="), NULL,
				      10) / (long)psize();
			diff -= base.anon + (j <= top ? j : 2 * top - j);
			if (low > diff)
				low = diff;
			if (high < diff)
				high = diff;
		}
	}
	for (; line; line = strtok(NULL, "\n"))
		nr_events += !!strstr(line, "type=MM_ANONPAGES size=");
	free(text);
	TH_LOG("off by %ld to %ld pages, at most %ld declared", low, high,
	       self->error);
	EXPECT_EQ(nr_events, nr);
	EXPECT_LE(-low, self->error);
	EXPECT_LE(high, self->error);
}

TEST_HARNESS_MAIN
