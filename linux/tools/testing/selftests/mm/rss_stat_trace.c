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
#include <unistd.h>

#include "kselftest_harness.h"
#include "rss_stat.h"

/* At most so many pages are touched on a CPU before the test moves on. */
#define MAX_RUN		16

FIXTURE(rss_stat_trace)
{
	unsigned long under;
	unsigned long over;
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
	int debugfs, tracefs, fd, nr;
	ssize_t len;
	char *pos;

	if (geteuid())
		SKIP(return, "needs root");

	debugfs = rss_mount("debugfs");
	if (debugfs < 0)
		SKIP(return, "debugfs: %s", strerror(errno));
	fd = openat(debugfs, "percpu_counter_tree", O_RDONLY | O_CLOEXEC);
	close(debugfs);
	if (fd < 0)
		SKIP(return, "the kernel declares no accuracy of rss_stat");
	len = read(fd, rss_buf, sizeof(rss_buf) - 1);
	close(fd);
	ASSERT_GT(len, 0);
	rss_buf[len] = '\0';
	pos = strstr(rss_buf, "rss_stat under ");
	ASSERT_NE(pos, NULL);
	nr = sscanf(pos, "rss_stat under %lu over %lu", &self->under,
		    &self->over);
	ASSERT_EQ(nr, 2);

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

/* Runs of different lengths, up on some CPUs and down on others. */
TEST_F(rss_stat_trace, size)
{
	const long nr_runs = rss_nr_cpus < 8 ? 8 : rss_nr_cpus;
	const size_t size = nr_runs * MAX_RUN * psize();
	long truth, seen, low = 0, high = 0, nr_events = 0, nr = 0;
	char filter[64], *map, *pos, *line;
	size_t room = 1 << 20, len = 0;
	char *text = malloc(room);
	struct rss base;
	ssize_t ret;
	int *step;
	int fd;

	step = calloc(2 * nr_runs * MAX_RUN, sizeof(*step));
	ASSERT_NE(text, NULL);
	ASSERT_NE(step, NULL);
	/* Only MM_ANONPAGES of this thread's own memory. */
	snprintf(filter, sizeof(filter),
		 "common_pid == %d && curr == 1 && member == 1",
		 (int)syscall(SYS_gettid));
	ASSERT_EQ(write_at(self->instance, "trace_clock", "counter"), 0);
	ASSERT_EQ(write_at(self->instance, "buffer_size_kb", "256"), 0);
	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/filter",
			   filter), 0);
	rss_settle();
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(rss_read(0, &base), 0);

	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/enable", "1"),
		  0);
	for (long i = 0; i < nr_runs; i++) {
		rss_hop(i);
		for (long j = 0; j < 1 + i % MAX_RUN; j++) {
			map[(i * MAX_RUN + j) * psize()] = 1;
			step[nr++] = 1;
		}
	}
	for (long i = 0; i < nr_runs; i++) {
		rss_hop(i * 3 + 1);
		for (long j = 0; j < 1 + i % MAX_RUN; j++) {
			madvise(map + (i * MAX_RUN + j) * psize(), psize(),
				MADV_DONTNEED);
			step[nr++] = -1;
		}
	}
	ASSERT_EQ(write_at(self->instance, "events/kmem/rss_stat/enable", "0"),
		  0);

	fd = openat(self->instance, "trace", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	while ((ret = read(fd, text + len, room - len - 1)) > 0) {
		len += ret;
		if (len < room - 1)
			continue;
		room *= 2;
		text = realloc(text, room);
		ASSERT_NE(text, NULL);
	}
	close(fd);
	ASSERT_EQ(ret, 0);
	text[len] = '\0';

	truth = base.anon;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		pos = strstr(line, "type=MM_ANONPAGES size=");
		if (!pos)
			continue;
		nr_events++;
		if (nr_events > nr)
			continue;
		truth += step[nr_events - 1];
		seen = strtol(strchr(pos, ' ') + strlen(" size="), NULL, 10);
		seen /= (long)psize();
		if (low > seen - truth)
			low = seen - truth;
		if (high < seen - truth)
			high = seen - truth;
	}
	TH_LOG("off by %ld to %ld pages, declared -%lu to %lu", low, high,
	       self->under, self->over);
	EXPECT_EQ(nr_events, nr);
	EXPECT_LE(-low, (long)self->under);
	EXPECT_LE(high, (long)self->over);
	munmap(map, size);
	free(step);
	free(text);
}

TEST_HARNESS_MAIN
