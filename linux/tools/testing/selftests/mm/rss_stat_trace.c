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

static int write_at(int dir, const char *name, const char *text)
{
	const ssize_t len = strlen(text);
	ssize_t ret;
	int fd;

	fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = write(fd, text, len);
	close(fd);
	return ret == len ? 0 : -1;
}

static void *idle_thread(void *arg)
{
	pause();
	return NULL;
}

FIXTURE_SETUP(rss_stat_trace)
{
	int tracefs;
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

	tracefs = rss_mount("tracefs");
	if (tracefs < 0)
		SKIP(return, "tracefs: %s", strerror(errno));
	snprintf(self->name, sizeof(self->name), "instances/rss_stat.%d",
		 getpid());
	ASSERT_EQ(mkdirat(tracefs, self->name, 0700), 0);
	self->instance = openat(tracefs, self->name, O_DIRECTORY | O_CLOEXEC);
	close(tracefs);
	ASSERT_GE(self->instance, 0);

	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	if (variant->second_thread)
		ASSERT_EQ(pthread_create(&self->thread, NULL, idle_thread,
					 NULL), 0);
	rss_find_cpus();
}

FIXTURE_TEARDOWN_PARENT(rss_stat_trace)
{
	int tracefs;

	if (!self->name[0])
		return;
	tracefs = rss_mount("tracefs");
	if (tracefs < 0 || unlinkat(tracefs, self->name, AT_REMOVEDIR))
		TH_LOG("%s is left in tracefs", self->name);
	close(tracefs);
}

/*
 * Touch @run pages on each CPU, then give back as many on each, by which the
 * parts that the CPUs hold grow and shrink together. Each page is an event.
 */
static void swing(char *map, long run)
{
	for (long i = 0; i < rss_nr_cpus * run; i++) {
		if (i % run == 0)
			rss_hop(i / run);
		map[i * psize()] = 1;
	}
	for (long i = 0; i < rss_nr_cpus * run; i++) {
		if (i % run == 0)
			rss_hop(i / run + 1);
		madvise(map + i * psize(), psize(), MADV_DONTNEED);
	}
}

/* All that the instance has recorded; to be freed. */
static char *read_trace(int instance)
{
	size_t room = 1 << 20, len = 0;
	char *text = malloc(room);
	ssize_t ret;
	int fd;

	fd = openat(instance, "trace", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !text)
		rss_die("trace");
	while ((ret = read(fd, text + len, room - len - 1)) > 0) {
		len += ret;
		if (len < room - 1)
			continue;
		room *= 2;
		text = realloc(text, room);
		if (!text)
			rss_die("realloc");
	}
	if (ret < 0)
		rss_die("trace");
	close(fd);
	text[len] = '\0';
	return text;
}

/* A filter for events of this thread's own memory. */
static void filter_events(struct __test_metadata *_metadata, int instance,
			  const char *which)
{
	char filter[80];

	snprintf(filter, sizeof(filter), "common_pid == %d && curr == 1 && %s",
		 (int)syscall(SYS_gettid), which);
	ASSERT_EQ(write_at(instance, "events/kmem/rss_stat/filter", filter), 0);
	ASSERT_EQ(write_at(instance, "buffer_size_kb", "256"), 0);
	ASSERT_EQ(write_at(instance, "events/kmem/rss_stat/enable", "1"), 0);
}

/*
 * Pages that come in on many CPUs and leave on one make an approximation too
 * low. It is not negative where there are no others, of files or of memory that
 * is shared.
 */
TEST_F_TIMEOUT(rss_stat_trace, not_negative, TIMEOUT)
{
	const long run = RSS_MAX_BATCH / 2 - 1;
	const long nr = run * (rss_nr_cpus < 16 ? rss_nr_cpus : 16);
	const size_t size = nr * psize();
	long nr_events = 0, nr_negative = 0;
	int fds[] = { -1, rss_open_plain_file() };
	char *map, *pos, *text;

	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	filter_events(_metadata, self->instance, "member != 1");
	for (int i = 0; i < (int)ARRAY_SIZE(fds); i++) {
		if (i && fds[i] < 0)
			break;
		if (i)
			ASSERT_EQ(ftruncate(fds[i], size), 0);
		map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | (i ? 0 : MAP_ANONYMOUS), fds[i], 0);
		ASSERT_NE(map, MAP_FAILED);
		for (long j = 0; j < nr; j++) {
			rss_hop(j / run);
			map[j * psize()] = 1;
		}
		rss_hop(0);
		for (long j = 0; j < nr; j++)
			madvise(map + j * psize(), psize(), MADV_DONTNEED);
		munmap(map, size);
	}
	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/enable", "0"),
		  0);
	text = read_trace(self->instance);
	for (pos = text; (pos = strstr(pos, " size=")); pos++) {
		nr_events++;
		nr_negative += pos[strlen(" size=")] == '-';
	}
	free(text);
	EXPECT_GE(nr_events, 2 * nr);
	EXPECT_EQ(nr_negative, 0);
}

/*
 * Pages that are touched on one CPU: with more threads than one, the size
 * changes when the CPU passes half a batch on, or more.
 */
TEST_F_TIMEOUT(rss_stat_trace, seldom, TIMEOUT)
{
	const long batch = rss_batch(rss_declared_batches());
	const long nr = 8 * batch;
	long size, last = -1, nr_events = 0, nr_changes = 0;
	char *map, *pos, *text;

	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	map = mmap(NULL, nr * psize(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(map, MAP_FAILED);
	rss_hop(0);
	filter_events(_metadata, self->instance, "member == 1");
	for (long i = 0; i < nr; i++)
		map[i * psize()] = 1;
	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/enable", "0"),
		  0);
	text = read_trace(self->instance);
	for (pos = text; (pos = strstr(pos, " size=")); pos++) {
		size = strtol(pos + strlen(" size="), NULL, 10);
		nr_events++;
		nr_changes += size != last;
		last = size;
	}
	free(text);
	EXPECT_EQ(nr_events, nr);
	EXPECT_LE(nr_changes, variant->second_thread ? nr / (batch / 2) + 1 :
						       nr);
	EXPECT_GE(nr_changes, variant->second_thread ? 1 : nr);
}

TEST_F_TIMEOUT(rss_stat_trace, size, TIMEOUT)
{
	/* Some of these stay below each batch that the kernel may have. */
	const long runs[] = { 1, 3, 4, 7, 8, 15, 16, 31, 32 };
	const int nr_runs = ARRAY_SIZE(runs);
	const size_t size = rss_nr_cpus * runs[nr_runs - 1] * psize();
	long low = 0, high = 0, nr_events = 0, nr = 0, diff;
	char *map, *pos, *line, *text;
	struct rss base;

	ASSERT_EQ(write_at(self->instance, "trace_clock", "counter"), 0);
	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(rss_read(0, &base), 0);

	filter_events(_metadata, self->instance, "member == 1");
	for (int i = 0; i < nr_runs; i++) {
		swing(map, runs[i]);
		nr += 2 * rss_nr_cpus * runs[i];
	}
	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/enable", "0"),
		  0);
	munmap(map, size);

	text = read_trace(self->instance);
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
