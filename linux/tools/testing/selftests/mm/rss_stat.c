// SPDX-License-Identifier: GPL-2.0
/*
 * The resident set size that a process and its observers are told, against
 * memory whose amount is known: /proc/PID/{status,statm,stat}.
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
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "rss_stat.h"

#define MAX_PAGES	512
#define MAX_WORKERS	8
#define WORKER_STACK	(256 * 1024)
#define MAX_HUGE	(32UL << 20)
#define LEAK		(96L << 10)

/* An operation uses other CPUs than the one before it in this list. */
enum op {
	OP_READ,
	OP_WRITE,
	OP_ZAP,
	OP_PAGEOUT,
};

/* The threads that touch memory, or only the main thread. */
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
	bool settled;
};

/* The memory whose amount is known, and what there was without it. */
static struct {
	struct report *report;
	struct rss base;
	char *map;
	size_t size;
	long nr;
	int fd;
} known;

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
				*addr = 1;
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

FIXTURE(rss_stat)
{
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
	known.nr = 2 * rss_nr_cpus;
	if (known.nr < 64)
		known.nr = 64;
	if (known.nr > MAX_PAGES)
		known.nr = MAX_PAGES;
	known.size = known.nr * psize();
	known.map = MAP_FAILED;
	known.fd = -1;
	known.report = mmap(NULL, sizeof(*known.report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.report, MAP_FAILED);

	crew.hop = variant->hop;
	if (variant->threads)
		ASSERT_EQ(crew_start(MAX_WORKERS), 0);
	if (rss_settle())
		SKIP(return, "RLIMIT_MEMLOCK is too low to lock the test");
	ASSERT_EQ(rss_read(0, &known.base), 0);
}

FIXTURE_TEARDOWN(rss_stat)
{
	crew_stop();
	if (known.map != MAP_FAILED)
		munmap(known.map, known.size);
	if (known.fd >= 0)
		close(known.fd);
	munmap(known.report, sizeof(*known.report));
}

/* VmRSS and /proc/self/statm tell the same as the parts of status. */
static void expect_same(struct __test_metadata *_metadata,
			const struct rss *now)
{
	unsigned long size, resident, shared;
	int nr;

	EXPECT_EQ(now->rss, now->anon + now->file + now->shmem);
	EXPECT_GE(now->hwm, now->rss);
	ASSERT_EQ(rss_read_file("/proc/self/statm"), 0);
	nr = sscanf(rss_buf, "%lu %lu %lu", &size, &resident, &shared);
	ASSERT_EQ(nr, 3);
	EXPECT_EQ(resident, now->rss);
	EXPECT_EQ(shared, now->file + now->shmem);
}

/* Expect to have this many pages more than at first, to the page. */
static void expect_rss(struct __test_metadata *_metadata, const char *when,
		       long anon, long file, long shmem, long swap)
{
	struct rss now;

	ASSERT_EQ(rss_read(0, &now), 0);
	EXPECT_EQ(now.anon - known.base.anon, anon)
		TH_LOG("RssAnon, %s", when);
	EXPECT_EQ(now.file - known.base.file, file)
		TH_LOG("RssFile, %s", when);
	EXPECT_EQ(now.shmem - known.base.shmem, shmem)
		TH_LOG("RssShmem, %s", when);
	EXPECT_EQ(now.swap - known.base.swap, swap)
		TH_LOG("VmSwap, %s", when);
	expect_same(_metadata, &now);
}

/* The same for pages of which some are anonymous and some are cached. */
static void expect_mapped(struct __test_metadata *_metadata, const char *when,
			  bool file, long anon, long cached)
{
	expect_rss(_metadata, when, anon, file ? cached : 0, file ? 0 : cached,
		   0);
}

/*
 * Read, write, give back half, read that again, unmap. Pages of a private
 * mapping are anonymous once they are written; before, they are in the page
 * cache, or, without a file, the zero page, which is not counted.
 */
static void check_mapping(struct __test_metadata *_metadata, int flags, int fd)
{
	const bool cow = flags & MAP_PRIVATE;
	const long n = known.nr, half = n / 2;
	const long cached = cow && fd < 0 ? 0 : n;
	struct statfs fs = { .f_type = TMPFS_MAGIC };
	bool file;

	known.fd = fd;
	if (fd >= 0) {
		ASSERT_EQ(ftruncate(fd, known.size), 0);
		ASSERT_EQ(fstatfs(fd, &fs), 0);
	}
	file = fs.f_type != TMPFS_MAGIC;

	known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE, flags, fd,
			 0);
	ASSERT_NE(known.map, MAP_FAILED);
	expect_mapped(_metadata, "mapped", file, 0, 0);

	crew_run(known.map, n, psize(), OP_READ);
	expect_mapped(_metadata, "read", file, 0, cached);

	crew_run(known.map, n, psize(), OP_WRITE);
	expect_mapped(_metadata, "written", file, cow ? n : 0, cow ? 0 : n);

	crew_run(known.map, half, psize(), OP_ZAP);
	expect_mapped(_metadata, "half given back", file, cow ? n - half : 0,
		      cow ? 0 : n - half);

	crew_run(known.map, half, psize(), OP_READ);
	expect_mapped(_metadata, "read again", file, cow ? n - half : 0,
		      cow && fd >= 0 ? half : cow ? 0 : n);

	if (crew.hop)
		rss_hop(0);
	ASSERT_EQ(munmap(known.map, known.size), 0);
	known.map = MAP_FAILED;
	expect_mapped(_metadata, "unmapped", file, 0, 0);
}

/* The figures stand still when nothing is mapped, wherever the test runs. */
TEST_F(rss_stat, quiet)
{
	for (int i = 0; i < rss_nr_cpus; i++) {
		rss_hop(i);
		expect_rss(_metadata, "quiet", 0, 0, 0, 0);
	}
}

TEST_F(rss_stat, anon)
{
	check_mapping(_metadata, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

TEST_F(rss_stat, shared_anon)
{
	check_mapping(_metadata, MAP_SHARED | MAP_ANONYMOUS, -1);
}

TEST_F(rss_stat, memfd_private)
{
	int fd = memfd_create("rss_stat", MFD_CLOEXEC);

	if (fd < 0)
		SKIP(return, "memfd_create: %s", strerror(errno));
	check_mapping(_metadata, MAP_PRIVATE, fd);
}

TEST_F(rss_stat, memfd_shared)
{
	int fd = memfd_create("rss_stat", MFD_CLOEXEC);

	if (fd < 0)
		SKIP(return, "memfd_create: %s", strerror(errno));
	check_mapping(_metadata, MAP_SHARED, fd);
}

TEST_F(rss_stat, file_private)
{
	int fd = rss_open_plain_file();

	if (fd < 0)
		SKIP(return, "no file system but tmpfs to make a file in");
	check_mapping(_metadata, MAP_PRIVATE, fd);
}

TEST_F(rss_stat, file_shared)
{
	int fd = rss_open_plain_file();

	if (fd < 0)
		SKIP(return, "no file system but tmpfs to make a file in");
	check_mapping(_metadata, MAP_SHARED, fd);
}

TEST_F(rss_stat, populate)
{
	const int kinds[] = { MAP_PRIVATE, MAP_SHARED };

	for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++) {
		const long anon = kinds[i] == MAP_PRIVATE ? known.nr : 0;

		known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE,
				 kinds[i] | MAP_ANONYMOUS | MAP_POPULATE, -1,
				 0);
		ASSERT_NE(known.map, MAP_FAILED);
		expect_mapped(_metadata, "populated", false, anon,
			      known.nr - anon);

		if (crew.hop)
			rss_hop(i);
		ASSERT_EQ(munmap(known.map, known.size), 0);
		known.map = MAP_FAILED;
		expect_mapped(_metadata, "unmapped", false, 0, 0);
	}
}

/* Moving pages changes nothing, shrinking gives back, growing takes later. */
TEST_F(rss_stat, mremap)
{
	const long n = known.nr, half = n / 2;
	char *target;

	known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.map, MAP_FAILED);
	crew_run(known.map, n, psize(), OP_WRITE);
	expect_rss(_metadata, "written", n, 0, 0, 0);

	target = mmap(NULL, known.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(target, MAP_FAILED);
	if (crew.hop)
		rss_hop(1);
	ASSERT_EQ(mremap(known.map, known.size, known.size,
			 MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
	known.map = target;
	expect_rss(_metadata, "moved", n, 0, 0, 0);

	ASSERT_EQ(mremap(known.map, known.size, half * psize(), 0), known.map);
	expect_rss(_metadata, "shrunk", half, 0, 0, 0);

	target = mremap(known.map, half * psize(), known.size, MREMAP_MAYMOVE);
	ASSERT_NE(target, MAP_FAILED);
	known.map = target;
	expect_rss(_metadata, "grown", half, 0, 0, 0);

	crew_run(known.map, n, psize(), OP_WRITE);
	expect_rss(_metadata, "written again", n, 0, 0, 0);
}

/* A huge page counts as the pages it is made of, also when it is split. */
TEST_F(rss_stat, huge_page)
{
	const size_t huge = read_pmd_pagesize();
	const long nr_huge = 2, nr = nr_huge * (huge / psize());
	size_t size;
	char *map;

	if (!huge || huge > MAX_HUGE)
		SKIP(return, "no huge page of %lu MiB or less", MAX_HUGE >> 20);
	size = (nr_huge + 1) * huge;
	known.size = size;
	known.map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.map, MAP_FAILED);
	map = (char *)(((unsigned long)known.map + huge - 1) & ~(huge - 1));
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (madvise(map, nr_huge * huge, MADV_HUGEPAGE))
		SKIP(return, "MADV_HUGEPAGE: %s", strerror(errno));
	/* Takes the heap it needs now, so that it takes none when it counts. */
	check_huge_anon(map, nr_huge * huge, 0, huge);
	ASSERT_EQ(rss_read(0, &known.base), 0);

	crew_run(map, nr_huge, huge, OP_WRITE);
	if (!check_huge_anon(map, nr_huge * huge, nr_huge, huge))
		SKIP(return, "the kernel gave no huge pages");
	expect_rss(_metadata, "written", nr, 0, 0, 0);

	crew_run(map, 1, huge / 2, OP_ZAP);
	expect_rss(_metadata, "half given back", nr - nr / nr_huge / 2, 0, 0,
		   0);

	crew_run(map, nr_huge, huge, OP_ZAP);
	expect_rss(_metadata, "all given back", 0, 0, 0, 0);
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
	*present = 0;
	*swapped = 0;
	for (long i = 0; i < nr; i++) {
		*present += !!(entry[i] & PM_PRESENT);
		*swapped += !!(entry[i] & PM_SWAP);
	}
}

TEST_F(rss_stat, swap)
{
	long present = 0, swapped = 0;
	const long n = known.nr;

	ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
	if (rss_field("\nSwapFree:") < n)
		SKIP(return, "no swap space");

	known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.map, MAP_FAILED);

	/* First take it back in, then throw it away where it is. */
	for (int round = 0; round < 2; round++) {
		crew_run(known.map, n, psize(), OP_WRITE);
		expect_rss(_metadata, "written", n, 0, 0, 0);

		/* Reclaim does what it can. */
		for (int try = 0; try < 10 && swapped < n; try++) {
			crew_run(known.map, n, psize(), OP_PAGEOUT);
			count_pages(_metadata, known.map, n, &present,
				    &swapped);
		}
		EXPECT_GT(swapped, 0);
		EXPECT_EQ(present + swapped, n);
		expect_rss(_metadata, "paged out", present, 0, 0, swapped);

		crew_run(known.map, n, psize(), round ? OP_ZAP : OP_READ);
		count_pages(_metadata, known.map, n, &present, &swapped);
		EXPECT_EQ(present, round ? 0 : n);
		expect_rss(_metadata, round ? "thrown away" : "back in",
			   present, 0, 0, swapped);
	}
}

/* A child starts with its parent's anonymous pages and copies what it writes */
TEST_F(rss_stat, fork)
{
	const long n = known.nr, half = n / 2;
	struct report *report = known.report;
	struct rss before;
	int status;
	pid_t pid;

	known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.map, MAP_FAILED);
	crew_run(known.map, n, psize(), OP_WRITE);
	ASSERT_EQ(rss_read(0, &before), 0);
	EXPECT_EQ(before.anon - known.base.anon, n);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		crew.nr_threads = 0;
		rss_read(0, &report->rss[0]);
		report->settled = !rss_settle() &&
				  !munlock(known.map, known.size);
		rss_read(0, &report->rss[1]);
		crew_run(known.map, n, psize(), OP_WRITE);
		rss_read(0, &report->rss[2]);
		crew_run(known.map, half, psize(), OP_ZAP);
		rss_read(0, &report->rss[3]);
		_exit(KSFT_PASS);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), KSFT_PASS);
	ASSERT_TRUE(report->settled);

	EXPECT_EQ(report->rss[0].anon, before.anon);
	EXPECT_EQ(report->rss[0].swap, before.swap);
	EXPECT_EQ(report->rss[2].anon, report->rss[1].anon);
	EXPECT_EQ(report->rss[2].rss, report->rss[1].rss);
	EXPECT_EQ(report->rss[3].anon, report->rss[2].anon - half);
	EXPECT_EQ(report->rss[3].rss, report->rss[2].rss - half);
	expect_rss(_metadata, "after fork", n, 0, 0, 0);
}

/* /proc/self/stat has the sum, too. */
TEST_F(rss_stat, stat)
{
	const long n = known.nr;
	long seen;

	known.map = mmap(NULL, known.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(known.map, MAP_FAILED);
	for (enum op op = OP_WRITE; op <= OP_ZAP; op++) {
		crew_run(known.map, n, psize(), op);

		seen = rss_read_stat("/proc/self/stat");
		EXPECT_EQ(seen - known.base.rss, op == OP_WRITE ? n : 0);
	}
}

static void *end_thread(void *arg)
{
	return NULL;
}

FIXTURE(rss_stat_freed)
{
};

FIXTURE_SETUP(rss_stat_freed)
{
}

FIXTURE_TEARDOWN(rss_stat_freed)
{
}

/*
 * Per-CPU memory of processes goes when they do. These would leave behind
 * LEAK bytes for each CPU, if it were a word for each of four counters. The
 * figure is that of the whole machine, which may do other things.
 */
TEST_F_TIMEOUT(rss_stat_freed, threads, 300)
{
	const long nr = LEAK / (4 * sizeof(long));
	const long leak = LEAK / 1024 * sysconf(_SC_NPROCESSORS_CONF);
	long before, more = 0;
	pthread_t thread;
	pid_t pid;

	for (int try = 0; try < 3; try++) {
		ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
		if (!strstr(rss_buf, "\nPercpu:"))
			SKIP(return, "/proc/meminfo has no Percpu");
		before = rss_field("\nPercpu:");
		for (long i = 0; i < nr; i++) {
			pid = fork();
			ASSERT_GE(pid, 0);
			if (!pid)
				_exit(pthread_create(&thread, NULL, end_thread,
						     NULL));
			ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		}
		ASSERT_EQ(rss_read_file("/proc/meminfo"), 0);
		more = (rss_field("\nPercpu:") - before) * psize() / 1024;
		if (more < leak / 2)
			break;
	}
	TH_LOG("%ld KiB more after %ld processes", more, nr);
	EXPECT_LT(more, leak / 2);
}

TEST_HARNESS_MAIN
