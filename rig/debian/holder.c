// SPDX-License-Identifier: GPL-2.0
/*
 * A process whose resident pages are known to the page, whoever reads them. It
 * grows and shrinks while its threads hop over the CPUs, then has PEAK KiB, and
 * from then on RSS KiB, of which 24 MiB are pages of files or of shared memory.
 * All of this is checked by a walk over its page tables.
 *
 * usage: holder THREADS HOPS RSS PEAK [STATUS]
 *   STATUS  to exit with; else it prints "ready" and waits
 */
#define _GNU_SOURCE
#include "../guest/figures.h"
#include "../guest/tasks.h"

#define SHARED	(24 * MIB)
#define IN_FILE	(16 * MIB)
#define MOST	(4 * MIB)

static int hops;
static sem_t finished;

static void *hop(void *arg)
{
	long nr = (long)arg;
	unsigned int seed = nr;
	char *memory = map(MOST, MAP_PRIVATE | MAP_ANONYMOUS);
	long has = 0;

	for (int i = 0; i < hops; i++) {
		long want = rand_r(&seed) % (MOST / PAGE) * PAGE;

		pin((i + nr) % cpus);
		if (want > has)
			touch(memory + has, want - has);
		else if (want < has && madvise(memory + want, has - want, MADV_DONTNEED))
			die("madvise");
		has = want;
	}
	sem_post(&finished);
	return nr ? sleeper(NULL) : NULL;
}

/* May map more than is touched, where the page cache has large folios: all of it is. */
static void touch_file(long bytes)
{
	char path[] = "/var/tmp/holder.XXXXXX";
	int fd = mkstemp(path);
	char *p;

	if (fd < 0 || unlink(path) || ftruncate(fd, bytes))
		die(path);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap of a file");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	touch(p, bytes);
}

static long walk(const char *name)
{
	return field("/proc/self/smaps_rollup", name) * KIB;
}

static long shared_pages(void)
{
	return walk("Rss:") - walk("Anonymous:");
}

static void touch_some(char *p, long bytes, const char *what)
{
	errno = ERANGE;
	if (bytes < 0)
		die(what);
	touch(p, bytes);
}

int main(int argc, char **argv)
{
	char *shmem, *anon, *more;
	long threads, rss, peak;
	pthread_t thread;

	prepare_figures();
	if (argc < 5)
		die("usage: holder THREADS HOPS RSS PEAK [STATUS]");
	threads = atol(argv[1]);
	hops = atoi(argv[2]);
	rss = atol(argv[3]) * KIB;
	peak = atol(argv[4]) * KIB;
	unpin();
	/* So that all code and data are there, and only what is mapped from now on is new. */
	if (mlockall(MCL_CURRENT) || munlockall())
		die("mlockall");

	for (long nr = 1; nr < threads; nr++)
		if (pthread_create(&thread, NULL, hop, (void *)nr))
			die("pthread_create");
	hop(NULL);
	for (long nr = 0; nr < threads; nr++)
		while (sem_wait(&finished))
			;

	shmem = map(SHARED, MAP_SHARED | MAP_ANONYMOUS);
	anon = map(rss, MAP_PRIVATE | MAP_ANONYMOUS);
	more = map(peak, MAP_PRIVATE | MAP_ANONYMOUS);
	touch_file(IN_FILE);
	touch_some(shmem, SHARED - shared_pages(), "more than SHARED is in files");
	touch_some(anon, rss - walk("Rss:"), "RSS is too small");
	touch_some(more, peak - walk("Rss:"), "PEAK is too small");
	if (walk("Rss:") != peak)
		die("a walk does not find the peak");
	munmap(more, peak);
	if (walk("Rss:") != rss || shared_pages() != SHARED)
		die("a walk does not find RSS");
	if (argc > 5)
		return atoi(argv[5]);
	puts("ready");
	sleeper(NULL);
}
