// SPDX-License-Identifier: GPL-2.0
/* Threads that map, use and unmap memory. */
#include "stress.h"
#include <pthread.h>

/* One thread of several that map, use and unmap their own memory. */
struct region {
	char *at;
	long bytes;
	bool shared;
};

static char *common;

static void renew(struct region *r, unsigned long *seed)
{
	int fd;

	if (r->at && !munmap(r->at, r->bytes))
		happened(UNMAP);
	r->bytes = (1 + random_below(seed, 32)) * PAGE;
	r->shared = false;
	switch (random_below(seed, 12)) {
	case 0:
	case 1:
		r->at = map(r->bytes, MAP_SHARED);
		r->shared = true;
		break;
	case 2:
	case 3:
		fd = open(DATA, O_RDWR | O_CLOEXEC);
		r->at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE, fd, 0);
		if (r->at == MAP_FAILED)
			r->at = NULL;
		close(fd);
		break;
	case 4:
		/* Room for one aligned huge page. */
		r->bytes = 2 * HUGE;
		r->at = map(r->bytes, MAP_PRIVATE);
		if (r->at)
			madvise(r->at, r->bytes, MADV_HUGEPAGE);
		break;
	default:
		r->at = map(r->bytes, MAP_PRIVATE);
		break;
	}
}

static void use(struct region *r, unsigned long *seed)
{
	unsigned long pages, first, n;
	volatile char sum = 0;
	char *moved;
	pid_t pid;

	if (!r->at) {
		renew(r, seed);
		return;
	}
	pages = r->bytes / PAGE;
	first = random_below(seed, pages);
	n = 1 + random_below(seed, pages - first);
	/* Small pieces: more events in the time there is. */
	if (n > 16)
		n = 16;

	switch (random_below(seed, 16)) {
	case 0:
		renew(r, seed);
		break;
	case 1:
		if (!madvise(r->at + first * PAGE, n * PAGE, MADV_DONTNEED))
			happened(DONTNEED);
		break;
	case 2:
		if (!r->shared && !madvise(r->at + first * PAGE, n * PAGE, MADV_FREE))
			happened(FREE);
		break;
	case 3:
	case 4:
		if (!madvise(r->at + first * PAGE, n * PAGE, MADV_PAGEOUT))
			happened(PAGEOUT);
		break;
	case 5:
		if (r->bytes >= 2 * HUGE && random_below(seed, 2) &&
		    !madvise((void *)(((uintptr_t)r->at + HUGE - 1) & -HUGE),
			     HUGE, MADV_COLLAPSE))
			happened(COLLAPSE);
		break;
	case 6:
		if (!r->shared && !madvise(r->at, r->bytes, MADV_MERGEABLE))
			happened(MERGEABLE);
		break;
	case 7:
		moved = mremap(r->at, r->bytes, r->bytes + PAGE, MREMAP_MAYMOVE);
		if (moved == MAP_FAILED)
			break;
		r->at = moved;
		/* Half of it to a place of its own and back: splits and merges. */
		moved = mremap(r->at, r->bytes + PAGE, r->bytes, MREMAP_MAYMOVE);
		if (moved != MAP_FAILED)
			happened(MREMAP);
		break;
	case 8:
		moved = map(r->bytes, MAP_PRIVATE);
		if (!moved)
			break;
		if (mremap(r->at, r->bytes, r->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			   moved) == moved) {
			r->at = moved;
			happened(MREMAP);
		} else {
			munmap(moved, r->bytes);
		}
		break;
	case 9:
		for (unsigned long i = first; i < first + n; i++)
			sum += r->at[i * PAGE];
		happened(FAULT);
		break;
	case 10:
		if (random_below(seed, 4))
			break;
		pid = fork_counted(FORK_THREADED);
		if (!pid) {
			touch(r->at + first * PAGE, n * PAGE);
			_exit(0);
		}
		wait_for(pid, "fork by a thread");
		break;
	case 11:
		madvise(common + random_below(seed, 64) * PAGE, 16 * PAGE,
			MADV_DONTNEED);
		break;
	case 12:
		touch(common + random_below(seed, 64) * PAGE, 16 * PAGE);
		break;
	default:
		touch(r->at + first * PAGE, n * PAGE);
		happened(FAULT);
		break;
	}
}

static void *mapper_thread(void *arg)
{
	unsigned long seed = (uintptr_t)arg * 2654435761 + now_ms() * 7919 + getpid();
	struct region regions[4] = { 0 };

	seed |= 1;
	for (int i = 0; i < 80 && !stopped(); i++) {
		if (!random_below(&seed, 16))
			hop(random_below(&seed, CPUS));
		use(&regions[random_below(&seed, 4)], &seed);
	}
	/* Leave some behind, for the main thread to be compared with. */
	for (int i = 0; i < 3; i++)
		if (regions[i].at)
			munmap(regions[i].at, regions[i].bytes);
	roam();
	return regions[3].at ? regions[3].at : NULL;
}

/*
 * A process that first is alone and then has threads, several times. What the
 * threads leave is still mapped at each comparison, and goes at the exit.
 */
void mapper(void)
{
	pthread_t threads[4];
	unsigned long alone = getpid() | 1;

	join_group(CGROUP "load/cgroup.procs");
	common = map(128 * PAGE, MAP_PRIVATE);
	if (!common)
		die("mmap");
	if (random_below(&alone, 2))
		madvise(common, 128 * PAGE, MADV_MERGEABLE);
	mapper_thread(NULL);
	check(0, "mapper, alone");
	for (int round = 0; round < 4 && !stopped(); round++) {
		int n = 0;

		while (n < 1 + round && n < 4 &&
		       !pthread_create(&threads[n], NULL, mapper_thread,
				       (void *)(uintptr_t)(n + 1))) {
			happened(THREAD);
			n++;
		}
		while (n--)
			pthread_join(threads[n], NULL);
		check(0, "mapper, threads");
	}
}
