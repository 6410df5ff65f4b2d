/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the resident set size counters share: reading them,
 * moving over the CPUs, and keeping the test's own memory out of the figures.
 */
#ifndef _MM_RSS_STAT_H
#define _MM_RSS_STAT_H

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kselftest.h"
#include "vm_util.h"

/* A failure of the test itself, in a place that knows no test harness. */
#define rss_die(fmt, ...) do {					\
	ksft_print_msg(fmt ": %s\n", ##__VA_ARGS__, strerror(errno));	\
	_exit(KSFT_FAIL);					\
} while (0)

#define RSS_MAX_CPUS	8192
#define RSS_CPU_SETS	(RSS_MAX_CPUS / CPU_SETSIZE)

/*
 * The error that the kernel allows for in a counter, in bytes, and the batches
 * it chooses from, in pages: the largest that keeps the error within this, and
 * the smallest if none does.
 */
#define RSS_ERROR	(16L << 20)
#define RSS_MIN_BATCH	4L
#define RSS_MAX_BATCH	32L

/* What /proc/PID/status says, in pages; @pgtables is rounded down. */
struct rss {
	long hwm;
	long rss;
	long anon;
	long file;
	long shmem;
	long swap;
	long pgtables;
};

static int rss_cpus[RSS_MAX_CPUS];
static int rss_nr_cpus;
static char rss_buf[256 * 1024];

/* Read a whole file of /proc without touching memory that was not touched. */
static inline int rss_read_file(const char *path)
{
	size_t len = 0;
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do {
		ret = read(fd, rss_buf + len, sizeof(rss_buf) - 1 - len);
		if (ret > 0)
			len += ret;
	} while (ret > 0);
	close(fd);
	rss_buf[len] = '\0';
	return ret < 0 ? -1 : 0;
}

/* The field after "\nNAME:" of the file that was read, in pages. */
static inline long rss_field(const char *name)
{
	char *pos = strstr(rss_buf, name);

	if (!pos) {
		errno = ENOENT;
		rss_die("%s in /proc", name + 1);
	}
	return strtol(pos + strlen(name), NULL, 10) * 1024 / psize();
}

/* @pid 0 is the caller. Fails for a process that has no memory any more. */
static inline int rss_read(pid_t pid, struct rss *rss)
{
	char path[32] = "/proc/self/status";

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (rss_read_file(path) || !strstr(rss_buf, "\nVmRSS:"))
		return -1;
	rss->hwm = rss_field("\nVmHWM:");
	rss->rss = rss_field("\nVmRSS:");
	rss->anon = rss_field("\nRssAnon:");
	rss->file = rss_field("\nRssFile:");
	rss->shmem = rss_field("\nRssShmem:");
	rss->swap = rss_field("\nVmSwap:");
	rss->pgtables = rss_field("\nVmPTE:");
	return 0;
}

/* The resident pages in a file such as /proc/PID/statm, or -1. */
static inline long rss_read_statm(const char *path)
{
	long resident;

	if (rss_read_file(path) || sscanf(rss_buf, "%*s %ld", &resident) != 1)
		return -1;
	return resident;
}

/* The same for a file such as /proc/PID/stat. */
static inline long rss_read_stat(const char *path)
{
	char *pos;

	if (rss_read_file(path))
		return -1;
	/* The name is the second field, and this one the 24th. */
	pos = strrchr(rss_buf, ')');
	for (int i = 2; pos && i < 24; i++)
		pos = strchr(pos + 1, ' ');
	return pos ? strtol(pos, NULL, 10) : -1;
}

/* Find the CPUs which the caller may use. */
static inline void rss_find_cpus(void)
{
	cpu_set_t set[RSS_CPU_SETS];

	if (sched_getaffinity(0, sizeof(set), set))
		rss_die("sched_getaffinity");
	rss_nr_cpus = 0;
	for (int cpu = 0; cpu < RSS_MAX_CPUS; cpu++)
		if (CPU_ISSET_S(cpu, sizeof(set), set))
			rss_cpus[rss_nr_cpus++] = cpu;
}

/* Move the calling thread to the @n-th of the CPUs it may use. */
static inline void rss_hop(unsigned long n)
{
	cpu_set_t set[RSS_CPU_SETS];

	CPU_ZERO_S(sizeof(set), set);
	CPU_SET_S(rss_cpus[n % rss_nr_cpus], sizeof(set), set);
	if (sched_setaffinity(0, sizeof(set), set))
		rss_die("sched_setaffinity");
}

static inline void rss_grow_stack(void)
{
	char room[128 * 1024];

	explicit_bzero(room, sizeof(room));
}

/*
 * Populate and lock everything that is mapped, so that the code, data and
 * stacks of the test cause no page fault while it counts, and are not
 * reclaimed. Some mappings, such as [vvar], cannot be populated and need not
 * be. Returns -1 if the caller must not lock that much memory.
 */
static inline int rss_settle(void)
{
	char *line, *next;
	struct rlimit limit;
	int ret = 0;

	if (!getrlimit(RLIMIT_MEMLOCK, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	rss_grow_stack();
	if (rss_read_file("/proc/self/maps"))
		rss_die("/proc/self/maps");
	for (line = rss_buf; *line; line = next) {
		unsigned long start, end;
		bool write;

		next = strchrnul(line, '\n');
		if (*next)
			next++;
		start = strtoul(line, &line, 16);
		end = strtoul(line + 1, &line, 16);
		if (line[1] != 'r')
			continue;
		write = line[2] == 'w';
		if (madvise((void *)start, end - start,
			    write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ))
			continue;
		if (mlock((void *)start, end - start))
			ret = -1;
	}
	return ret;
}

/* A new instance of a file system that is nowhere in the name space. */
static inline int rss_mount(const char *type)
{
	int fs, mnt = -1;

	fs = syscall(__NR_fsopen, type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return -1;
	if (!syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return mnt;
}

/*
 * An empty file whose pages count as RssFile: on ramfs if it can be had, else
 * in the current directory, if that is neither tmpfs nor on top of one.
 */
static inline int rss_open_plain_file(void)
{
	struct statfs fs;
	int dir, fd;

	dir = rss_mount("ramfs");
	if (dir < 0)
		dir = open(".", O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = openat(dir, "rss_stat.tmp", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd >= 0)
		unlinkat(dir, "rss_stat.tmp", 0);
	close(dir);
	if (fd >= 0 && (fstatfs(fd, &fs) || fs.f_type == TMPFS_MAGIC ||
			fs.f_type == OVERLAYFS_SUPER_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The number after @name in what debugfs says of the counters, or -1. */
static inline long rss_declared(const char *name)
{
	ssize_t len = -1;
	int debugfs, fd;
	char *pos;

	debugfs = rss_mount("debugfs");
	if (debugfs < 0)
		return -1;
	fd = openat(debugfs, "percpu_counter_tree", O_RDONLY | O_CLOEXEC);
	close(debugfs);
	if (fd >= 0) {
		len = read(fd, rss_buf, sizeof(rss_buf) - 1);
		close(fd);
	}
	if (len <= 0)
		return -1;
	rss_buf[len] = '\0';
	pos = strstr(rss_buf, name);
	return pos ? strtol(pos + strlen(name), NULL, 10) : -1;
}

/*
 * How far an approximate sum of one counter that all CPUs use may be from the
 * truth, in batches, or -1 if the kernel does not tell.
 */
static inline long rss_declared_batches(void)
{
	return rss_declared(" bound ");
}

/* The batch that the kernel has chosen, in pages. */
static inline long rss_batch(long batches)
{
	long batch = RSS_MAX_BATCH;

	while (batch > RSS_MIN_BATCH && batches * batch * psize() > RSS_ERROR)
		batch /= 2;
	return batch;
}

/* The same error in pages, or -1. */
static inline long rss_declared_error(void)
{
	const long batches = rss_declared_batches();

	return batches < 0 ? -1 : batches * rss_batch(batches);
}

/* Write @text to a file of tracefs. */
static inline int rss_write_at(int dir, const char *name, const char *text)
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

/* Make an instance of tracefs, open it, and put its name into @name. */
static inline int rss_open_trace(char *name, size_t size)
{
	int tracefs, instance = -1;

	tracefs = rss_mount("tracefs");
	if (tracefs < 0)
		return -1;
	snprintf(name, size, "instances/rss_stat.%d", getpid());
	if (mkdirat(tracefs, name, 0700))
		name[0] = '\0';
	else
		instance = openat(tracefs, name, O_DIRECTORY | O_CLOEXEC);
	close(tracefs);
	return instance;
}

/* Remove an instance, if there is one, when no file of it is open any more. */
static inline int rss_remove_trace(const char *name)
{
	int tracefs, ret;

	if (!name[0])
		return 0;
	tracefs = rss_mount("tracefs");
	if (tracefs < 0)
		return -1;
	ret = unlinkat(tracefs, name, AT_REMOVEDIR);
	close(tracefs);
	return ret;
}

/* All that an instance of tracefs has recorded; to be freed. */
static inline char *rss_read_trace(int instance)
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

#endif /* _MM_RSS_STAT_H */
