// SPDX-License-Identifier: GPL-2.0
/*
 * The resident set size that a process and its observers are told, against
 * memory whose amount is known: /proc/PID/{status,statm,stat} and the peaks
 * ru_maxrss and VmHWM.
 *
 * The kernel counts in parts, one per CPU, and sums or approximates when it is
 * asked. So pages are touched and given back on different CPUs, by one thread
 * and by many.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "rss_stat.h"

#define MAX_PAGES	512
#define MAX_WORKERS	8
#define WORKER_STACK	(256 * 1024)
/* Pages per CPU that show a peak which leaves out what the CPUs hold. */
#define PEAK_RUN	16
#define PEAK_BYTES	(64UL << 20)

/* An operation uses other CPUs than the one before it in this list. */
enum op {
	OP_READ,
	OP_WRITE,
	OP_ZAP,
	OP_PAGEOUT,
};

/* The threads that touch memory, or nobody but the main thread. */
static struct crew {
	pthread_barrier_t start;
	pthread_barrier_t end;
	pthread_t thread[MAX_WORKERS];
	int nr_threads;
	bool hop;
	bool quit;
	char *addr;
	long nr;
	size_t step;
	enum op op;
} crew;

/* What a child tells its parent. */
struct report {
	struct rss rss[4];
	struct rusage usage;
};

static void crew_work(int id, int nr_ids)
{
	for (long i = id; i < crew.nr; i += nr_ids) {
		char *addr = crew.addr + i * crew.step;
		char *end = addr + crew.step;

		if (crew.hop)
			rss_hop(i + crew.op);
		switch (crew.op) {
		case OP_READ:
			for (; addr < end; addr += psize())
				FORCE_READ(*addr);
			break;
		case OP_WRITE:
			for (; addr < end; addr += psize())
				*(volatile char *)addr = 1;
			break;
		case OP_ZAP:
			madvise(addr, crew.step, MADV_DONTNEED);
			break;
		case OP_PAGEOUT:
			/* From where it was written, whose LRU batch has it. */
			if (crew.hop)
				rss_hop(i + OP_WRITE);
			madvise(addr, crew.step, MADV_PAGEOUT);
			break;
		}
	}
}

static void *crew_thread(void *arg)
{
	const int id = (long)arg;

	for (;;) {
		pthread_barrier_wait(&crew.start);
		if (crew.quit)
			return NULL;
		crew_work(id, crew.nr_threads);
		pthread_barrier_wait(&crew.end);
	}
}

/* Do @op to @nr pieces of @step bytes. */
static void crew_run(char *addr, long nr, size_t step, enum op op)
{
	crew.addr = addr;
	crew.nr = nr;
	crew.step = step;
	crew.op = op;
	if (!crew.nr_threads) {
		crew_work(0, 1);
		return;
	}
	pthread_barrier_wait(&crew.start);
	pthread_barrier_wait(&crew.end);
}

static int crew_start(int nr_threads)
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
	crew.nr_threads = nr_threads;
	return ret;
}

static void crew_stop(void)
{
	if (!crew.nr_threads)
		return;
	crew.quit = true;
	pthread_barrier_wait(&crew.start);
	for (int i = 0; i < crew.nr_threads; i++)
		pthread_join(crew.thread[i], NULL);
}

static long maxrss(const struct rusage *usage)
{
	return usage->ru_maxrss * 1024 / psize();
}

static long maxrss_self(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return -1;
	return maxrss(&usage);
}

/*
 * An empty file whose pages count as RssFile: on ramfs if it can be had, else
 * in the current directory, if that is neither tmpfs nor on top of one.
 */
static int open_plain_file(void)
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

FIXTURE(rss_stat)
{
	struct report *report;
	struct rss base;
	char *map;
	size_t size;
	long nr;
	int fd;
};

FIXTURE_VARIANT(rss_stat)
{
	bool hop;
	bool threads;
};

FIXTURE_VARIANT_ADD(rss_stat, one_thread)
{
	.hop = false,
	.threads = false,
};

FIXTURE_VARIANT_ADD(rss_stat, one_thread_hopping)
{
	.hop = true,
	.threads = false,
};

FIXTURE_VARIANT_ADD(rss_stat, many_threads_hopping)
{
	.hop = true,
	.threads = true,
};

FIXTURE_SETUP(rss_stat)
{
	/* A huge page has its own test, which undoes this. */
	ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);

	rss_find_cpus();
	self->nr = 2 * rss_nr_cpus;
	if (self->nr < 64)
		self->nr = 64;
	if (self->nr > MAX_PAGES)
		self->nr = MAX_PAGES;
	self->size = self->nr * psize();
	self->map = MAP_FAILED;
	self->fd = -1;
	self->report = mmap(NULL, sizeof(*self->report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->report, MAP_FAILED);

	crew.hop = variant->hop;
	if (variant->threads)
		ASSERT_EQ(crew_start(MAX_WORKERS), 0);
	rss_settle();
	ASSERT_EQ(rss_read(0, &self->base), 0);
}

FIXTURE_TEARDOWN(rss_stat)
{
	crew_stop();
	if (self->map != MAP_FAILED)
		munmap(self->map, self->size);
	if (self->fd >= 0)
		close(self->fd);
	munmap(self->report, sizeof(*self->report));
}

/* Expect to have this many pages more than @base, to the page. */
#define EXPECT_RSS(base, d_anon, d_file, d_shmem, d_swap) do {		\
	struct rss __now;						\
									\
	ASSERT_EQ(rss_read(0, &__now), 0);				\
	EXPECT_EQ(__now.anon - (base)->anon, (d_anon));			\
	EXPECT_EQ(__now.file - (base)->file, (d_file));			\
	EXPECT_EQ(__now.shmem - (base)->shmem, (d_shmem));		\
	EXPECT_EQ(__now.swap - (base)->swap, (d_swap));			\
	expect_same(_metadata, &__now);					\
} while (0)

/* Expect what a mapping of the test adds: anonymous pages and cached ones. */
#define EXPECT_MAPPED(file, d_anon, d_cached)				\
	EXPECT_RSS(&self->base, d_anon, (file) ? (d_cached) : 0,	\
		   (file) ? 0 : (d_cached), 0)

/* VmRSS and /proc/self/statm tell the same as the parts of status. */
static void expect_same(struct __test_metadata *_metadata,
			const struct rss *now)
{
	unsigned long size, resident, shared;

	EXPECT_EQ(now->rss, now->anon + now->file + now->shmem);
	EXPECT_GE(now->hwm, now->rss);
	ASSERT_EQ(rss_read_file("/proc/self/statm"), 0);
	ASSERT_EQ(sscanf(rss_buf, "%lu %lu %lu", &size, &resident, &shared), 3);
	EXPECT_EQ(resident, now->rss);
	EXPECT_EQ(shared, now->file + now->shmem);
}

/*
 * Read, write, give back half, read that again, unmap. Pages of a private
 * mapping are anonymous once they are written; before, they are in the page
 * cache, or, without a file, the zero page, which nobody counts.
 */
static void check_mapping(struct __test_metadata *_metadata,
			  FIXTURE_DATA(rss_stat) *self, int flags, int fd)
{
	const bool cow = flags & MAP_PRIVATE;
	const long n = self->nr, half = n / 2;
	const long cached = cow && fd < 0 ? 0 : n;
	struct statfs fs = { .f_type = TMPFS_MAGIC };
	bool file;

	self->fd = fd;
	if (fd >= 0) {
		ASSERT_EQ(ftruncate(fd, self->size), 0);
		ASSERT_EQ(fstatfs(fd, &fs), 0);
	}
	file = fs.f_type != TMPFS_MAGIC;

	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE, flags, fd,
			 0);
	ASSERT_NE(self->map, MAP_FAILED);
	EXPECT_MAPPED(file, 0, 0);

	crew_run(self->map, n, psize(), OP_READ);
	EXPECT_MAPPED(file, 0, cached);

	crew_run(self->map, n, psize(), OP_WRITE);
	EXPECT_MAPPED(file, cow ? n : 0, cow ? 0 : n);

	crew_run(self->map, half, psize(), OP_ZAP);
	EXPECT_MAPPED(file, cow ? n - half : 0, cow ? 0 : n - half);

	crew_run(self->map, half, psize(), OP_READ);
	EXPECT_MAPPED(file, cow ? n - half : 0,
		      cow && fd >= 0 ? half : cow ? 0 : n);

	if (crew.hop)
		rss_hop(0);
	ASSERT_EQ(munmap(self->map, self->size), 0);
	self->map = MAP_FAILED;
	EXPECT_MAPPED(file, 0, 0);
}

/* The figures stand still when nothing is mapped, wherever the test runs. */
TEST_F(rss_stat, quiet)
{
	for (int i = 0; i < rss_nr_cpus; i++) {
		rss_hop(i);
		EXPECT_RSS(&self->base, 0, 0, 0, 0);
	}
}

TEST_F(rss_stat, anon)
{
	check_mapping(_metadata, self, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

TEST_F(rss_stat, shared_anon)
{
	check_mapping(_metadata, self, MAP_SHARED | MAP_ANONYMOUS, -1);
}

TEST_F(rss_stat, memfd_private)
{
	int fd = memfd_create("rss_stat", MFD_CLOEXEC);

	if (fd < 0)
		SKIP(return, "memfd_create: %s", strerror(errno));
	check_mapping(_metadata, self, MAP_PRIVATE, fd);
}

TEST_F(rss_stat, memfd_shared)
{
	int fd = memfd_create("rss_stat", MFD_CLOEXEC);

	if (fd < 0)
		SKIP(return, "memfd_create: %s", strerror(errno));
	check_mapping(_metadata, self, MAP_SHARED, fd);
}

TEST_F(rss_stat, file_private)
{
	int fd = open_plain_file();

	if (fd < 0)
		SKIP(return, "no file system but tmpfs to make a file in");
	check_mapping(_metadata, self, MAP_PRIVATE, fd);
}

TEST_F(rss_stat, file_shared)
{
	int fd = open_plain_file();

	if (fd < 0)
		SKIP(return, "no file system but tmpfs to make a file in");
	check_mapping(_metadata, self, MAP_SHARED, fd);
}

TEST_F(rss_stat, populate)
{
	const int kinds[] = { MAP_PRIVATE, MAP_SHARED };

	for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++) {
		const long anon = kinds[i] == MAP_PRIVATE ? self->nr : 0;

		self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
				 kinds[i] | MAP_ANONYMOUS | MAP_POPULATE, -1,
				 0);
		ASSERT_NE(self->map, MAP_FAILED);
		EXPECT_MAPPED(false, anon, self->nr - anon);

		if (crew.hop)
			rss_hop(i);
		ASSERT_EQ(munmap(self->map, self->size), 0);
		self->map = MAP_FAILED;
		EXPECT_MAPPED(false, 0, 0);
	}
}

/* Moving pages changes nothing, shrinking gives back, growing takes later. */
TEST_F(rss_stat, mremap)
{
	const long n = self->nr, half = n / 2;
	char *target;

	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);
	crew_run(self->map, n, psize(), OP_WRITE);
	EXPECT_RSS(&self->base, n, 0, 0, 0);

	target = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(target, MAP_FAILED);
	if (crew.hop)
		rss_hop(1);
	ASSERT_EQ(mremap(self->map, self->size, self->size,
			 MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
	self->map = target;
	EXPECT_RSS(&self->base, n, 0, 0, 0);

	ASSERT_EQ(mremap(self->map, self->size, half * psize(), 0), self->map);
	EXPECT_RSS(&self->base, half, 0, 0, 0);

	target = mremap(self->map, half * psize(), self->size, MREMAP_MAYMOVE);
	ASSERT_NE(target, MAP_FAILED);
	self->map = target;
	EXPECT_RSS(&self->base, half, 0, 0, 0);

	crew_run(self->map, n, psize(), OP_WRITE);
	EXPECT_RSS(&self->base, n, 0, 0, 0);
}

/* A huge page counts as the pages it is made of, also when it is split. */
TEST_F(rss_stat, huge_page)
{
	const size_t huge = read_pmd_pagesize();
	const long nr_huge = 2, nr = nr_huge * (huge / psize());
	size_t size;
	char *map;

	if (!huge || huge > PEAK_BYTES / 2)
		SKIP(return, "no huge page of %lu MiB or less",
		     (PEAK_BYTES >> 20) / 2);
	self->size = size = (nr_huge + 1) * huge;
	self->map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);
	map = (char *)(((unsigned long)self->map + huge - 1) & ~(huge - 1));
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (madvise(map, nr_huge * huge, MADV_HUGEPAGE))
		SKIP(return, "MADV_HUGEPAGE: %s", strerror(errno));
	/* Takes the heap it needs now, so that it takes none when it counts. */
	check_huge_anon(map, nr_huge * huge, 0, huge);
	ASSERT_EQ(rss_read(0, &self->base), 0);

	crew_run(map, nr_huge, huge, OP_WRITE);
	if (!check_huge_anon(map, nr_huge * huge, nr_huge, huge))
		SKIP(return, "the kernel gave no huge pages");
	EXPECT_RSS(&self->base, nr, 0, 0, 0);

	crew_run(map, 1, huge / 2, OP_ZAP);
	EXPECT_RSS(&self->base, nr - nr / nr_huge / 2, 0, 0, 0);

	crew_run(map, nr_huge, huge, OP_ZAP);
	EXPECT_RSS(&self->base, 0, 0, 0, 0);
}

/* What is in memory and what is in swap, as /proc/self/pagemap has it. */
static void count_pages(struct __test_metadata *_metadata, const char *map,
			long nr, long *present, long *swapped)
{
	static uint64_t entry[MAX_PAGES];
	const size_t len = nr * sizeof(*entry);
	const off_t off = (unsigned long)map / psize() * sizeof(*entry);
	int fd;

	ASSERT_LE(nr, MAX_PAGES);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, entry, len, off), len);
	close(fd);
	*present = *swapped = 0;
	for (long i = 0; i < nr; i++) {
		*present += !!(entry[i] & PM_PRESENT);
		*swapped += !!(entry[i] & PM_SWAP);
	}
}

TEST_F(rss_stat, swap)
{
	long present = 0, swapped = 0;
	const long n = self->nr;
	char *pos;

	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	pos = strstr(rss_buf, "SwapFree:");
	if (!pos || strtoul(pos + 9, NULL, 10) * 1024 < self->size)
		SKIP(return, "no swap space");

	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);

	/* First take it back in, then throw it away where it is. */
	for (int round = 0; round < 2; round++) {
		crew_run(self->map, n, psize(), OP_WRITE);
		EXPECT_RSS(&self->base, n, 0, 0, 0);

		/* Reclaim does what it can. */
		for (int try = 0; try < 10 && swapped < n; try++) {
			crew_run(self->map, n, psize(), OP_PAGEOUT);
			count_pages(_metadata, self->map, n, &present,
				    &swapped);
		}
		EXPECT_GT(swapped, 0);
		EXPECT_EQ(present + swapped, n);
		EXPECT_RSS(&self->base, present, 0, 0, swapped);

		if (!round)
			crew_run(self->map, n, psize(), OP_READ);
		else
			crew_run(self->map, n, psize(), OP_ZAP);
		count_pages(_metadata, self->map, n, &present, &swapped);
		EXPECT_EQ(present, round ? 0 : n);
		EXPECT_RSS(&self->base, present, 0, 0, swapped);
	}
}

/* Returns in the parent, with the exit status and usage of the child. */
static void reap(struct __test_metadata *_metadata,
		 FIXTURE_DATA(rss_stat) *self, pid_t pid, int code)
{
	int status;

	ASSERT_EQ(wait4(pid, &status, 0, &self->report->usage), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), code);
}

/* A child starts with its parent's anonymous pages and copies what it writes */
TEST_F(rss_stat, fork)
{
	const long n = self->nr, half = n / 2;
	struct report *report = self->report;
	struct rss before;
	pid_t pid;

	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);
	crew_run(self->map, n, psize(), OP_WRITE);
	ASSERT_EQ(rss_read(0, &before), 0);
	EXPECT_EQ(before.anon - self->base.anon, n);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		crew.nr_threads = 0;
		rss_read(0, &report->rss[0]);
		rss_settle();
		rss_read(0, &report->rss[1]);
		crew_run(self->map, n, psize(), OP_WRITE);
		rss_read(0, &report->rss[2]);
		crew_run(self->map, half, psize(), OP_ZAP);
		rss_read(0, &report->rss[3]);
		_exit(KSFT_PASS);
	}
	reap(_metadata, self, pid, KSFT_PASS);

	EXPECT_EQ(report->rss[0].anon, before.anon);
	EXPECT_EQ(report->rss[0].swap, before.swap);
	EXPECT_EQ(report->rss[2].anon, report->rss[1].anon);
	EXPECT_EQ(report->rss[2].rss, report->rss[1].rss);
	EXPECT_EQ(report->rss[3].anon, report->rss[2].anon - half);
	EXPECT_EQ(report->rss[3].rss, report->rss[2].rss - half);
	EXPECT_RSS(&before, 0, 0, 0, 0);
}

/* /proc/self/stat has the sum, too. */
TEST_F(rss_stat, stat)
{
	const long n = self->nr;
	long seen;
	char *pos;

	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);
	for (enum op op = OP_WRITE; op <= OP_ZAP; op++) {
		crew_run(self->map, n, psize(), op);

		ASSERT_EQ(rss_read_file("/proc/self/stat"), 0);
		pos = strrchr(rss_buf, ')');
		ASSERT_NE(pos, NULL);
		/* The name is the second field, and this one the 24th. */
		for (int i = 2; i < 24; i++) {
			pos = strchr(pos + 1, ' ');
			ASSERT_NE(pos, NULL);
		}
		seen = strtol(pos, NULL, 10);
		EXPECT_EQ(seen - self->base.rss, op == OP_WRITE ? n : 0);
	}
}

/* Enough pages for each CPU to hold some, but not more memory than is fair. */
static void map_peak(struct __test_metadata *_metadata,
		     FIXTURE_DATA(rss_stat) *self)
{
	long nr_runs = rss_nr_cpus;

	if (nr_runs < 4)
		nr_runs = 4;
	if (nr_runs > PEAK_BYTES / psize() / PEAK_RUN)
		nr_runs = PEAK_BYTES / psize() / PEAK_RUN;
	self->nr = nr_runs * PEAK_RUN;
	self->size = self->nr * psize();
	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->map, MAP_FAILED);
	ASSERT_EQ(rss_read(0, &self->base), 0);
}

/* Do @op to all of it, a run of pages on each CPU. */
static void peak_run(FIXTURE_DATA(rss_stat) *self, enum op op)
{
	crew_run(self->map, self->nr / PEAK_RUN, PEAK_RUN * psize(), op);
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

/* The peak is what was mapped at most, to the page, and stays that. */
TEST_F(rss_stat, peak)
{
	struct rss now;
	long peak;

	map_peak(_metadata, self);
	ASSERT_EQ(reset_peak(), 0);
	for (int i = 0; i < 3; i++) {
		peak_run(self, OP_WRITE);
		ASSERT_EQ(rss_read(0, &now), 0);
		peak = now.rss;
		EXPECT_EQ(peak - self->base.rss, self->nr);
		EXPECT_EQ(now.hwm, peak);
		EXPECT_EQ(maxrss_self(), peak);

		peak_run(self, OP_ZAP);
		ASSERT_EQ(rss_read(0, &now), 0);
		EXPECT_EQ(now.rss, self->base.rss);
		EXPECT_EQ(now.hwm, peak);
		EXPECT_EQ(maxrss_self(), peak);
	}
}

/* A peak that is reset starts from what is mapped now, neither more nor less */
TEST_F(rss_stat, peak_reset)
{
	struct rss now;

	map_peak(_metadata, self);
	for (int i = 0; i < 3; i++) {
		/* From one CPU, back on all, and the other way round. */
		memset(self->map, 1, self->size);
		ASSERT_EQ(reset_peak(), 0);
		ASSERT_EQ(rss_read(0, &now), 0);
		EXPECT_EQ(now.rss - self->base.rss, self->nr);
		EXPECT_EQ(now.hwm, now.rss);

		peak_run(self, OP_ZAP);
		ASSERT_EQ(reset_peak(), 0);
		ASSERT_EQ(rss_read(0, &now), 0);
		EXPECT_EQ(now.rss, self->base.rss);
		EXPECT_EQ(now.hwm, now.rss);
		EXPECT_EQ(maxrss_self(), now.rss);

		peak_run(self, OP_WRITE);
		ASSERT_EQ(madvise(self->map, self->size, MADV_DONTNEED), 0);
		ASSERT_EQ(rss_read(0, &now), 0);
		EXPECT_EQ(now.hwm, self->base.rss + self->nr);
	}
}

/* A child that does nothing has a peak, and one that did much keeps it. */
TEST_F(rss_stat, peak_of_child)
{
	struct report *report = self->report;
	struct rusage children;
	pid_t pid;

	map_peak(_metadata, self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		rss_read(0, &report->rss[0]);
		report->rss[1].hwm = maxrss_self();
		_exit(KSFT_PASS);
	}
	reap(_metadata, self, pid, KSFT_PASS);
	EXPECT_GT(report->rss[0].rss, 0);
	EXPECT_GE(report->rss[0].hwm, report->rss[0].rss);
	EXPECT_GE(report->rss[1].hwm, report->rss[0].hwm);
	EXPECT_GE(maxrss(&report->usage), report->rss[0].hwm);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		crew.nr_threads = 0;
		peak_run(self, OP_WRITE);
		rss_read(0, &report->rss[0]);
		peak_run(self, OP_ZAP);
		rss_read(0, &report->rss[1]);
		_exit(KSFT_PASS);
	}
	reap(_metadata, self, pid, KSFT_PASS);
	EXPECT_GE(report->rss[0].rss, self->nr);
	EXPECT_GE(report->rss[1].hwm, report->rss[0].rss);
	EXPECT_GE(maxrss(&report->usage), report->rss[0].rss);

	ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &children), 0);
	EXPECT_GE(maxrss(&children), report->rss[0].rss);
}

/* A process keeps its ru_maxrss when it starts another program. */
TEST_F(rss_stat, peak_over_exec)
{
	struct report *report = self->report;
	pid_t pid;

	map_peak(_metadata, self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		const int null = open("/dev/null", O_WRONLY);

		crew.nr_threads = 0;
		peak_run(self, OP_WRITE);
		rss_read(0, &report->rss[0]);
		if (null < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		    dup2(null, STDERR_FILENO) < 0)
			_exit(KSFT_FAIL);
		/* It prints its usage. */
		execl("/proc/self/exe", "rss_stat", "-h", NULL);
		_exit(KSFT_FAIL);
	}
	reap(_metadata, self, pid, KSFT_SKIP);
	EXPECT_GE(report->rss[0].rss, self->nr);
	EXPECT_GE(maxrss(&report->usage), report->rss[0].rss);
}

static struct {
	long nr_running;
	size_t size;
	int rounds;
} race;

static void *race_thread(void *arg)
{
	unsigned long n = (long)arg;
	char *map;

	for (int i = 0; i < race.rounds; i++, n++) {
		rss_hop(n);
		map = mmap(NULL, race.size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED)
			break;
		memset(map, 1, race.size);
		rss_hop(n + 1);
		munmap(map, race.size);
	}
	__atomic_sub_fetch(&race.nr_running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* No peak is below a VmRSS that was shown before, while threads swing. */
TEST(rss_stat_peak_race)
{
	long shown = 0, short_hwm = 0, short_maxrss = 0, nr_read = 0, diff;
	pthread_t thread[MAX_WORKERS];
	bool running = true;
	struct rss now;

	rss_find_cpus();
	rss_settle();
	race.nr_running = MAX_WORKERS;
	race.size = 16 * psize();
	race.rounds = 100;
	for (long i = 0; i < MAX_WORKERS; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, race_thread,
					 (void *)i), 0);
	/* Once more when all have ended. */
	while (running) {
		running = __atomic_load_n(&race.nr_running, __ATOMIC_ACQUIRE);
		ASSERT_EQ(rss_read(0, &now), 0);
		if (shown < now.rss)
			shown = now.rss;
		diff = shown - now.hwm;
		if (short_hwm < diff)
			short_hwm = diff;
		diff = shown - maxrss_self();
		if (short_maxrss < diff)
			short_maxrss = diff;
		nr_read++;
	}
	for (int i = 0; i < MAX_WORKERS; i++)
		pthread_join(thread[i], NULL);
	TH_LOG("at most %ld pages in %ld reads", shown, nr_read);
	EXPECT_EQ(short_hwm, 0);
	EXPECT_EQ(short_maxrss, 0);
}

TEST_HARNESS_MAIN
