// SPDX-License-Identifier: GPL-2.0
/* Whether counters are right. */
#include "stress.h"

/* Counters of a process in KiB. */
struct rss {
	long all, anon, file, shmem, swap;
};

static bool read_status(const char *pid, struct rss *rss)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	if (try_get(path, status_text, sizeof(status_text)) <= 0 ||
	    number(status_text, "VmRSS:") < 0)
		return false;
	rss->all = number(status_text, "VmRSS:");
	rss->anon = number(status_text, "RssAnon:");
	rss->file = number(status_text, "RssFile:");
	rss->shmem = number(status_text, "RssShmem:");
	rss->swap = number(status_text, "VmSwap:");
	return true;
}

/*
 * The same from the page tables. Memory of tmpfs is only mapped shared here;
 * what smaps says of its swap is not in the page tables and not counted.
 */
static bool read_smaps(const char *pid, struct rss *rss)
{
	bool shmem = false;
	long resident = 0;
	char path[32];
	char *line;

	*rss = (struct rss){ 0 };
	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	if (try_get(path, smaps_text, sizeof(smaps_text)) <= 0)
		return false;
	for (line = smaps_text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "Rss:", 4)) {
			resident = strtol(line + 4, NULL, 10);
			rss->all += resident;
		} else if (!strncmp(line, "Anonymous:", 10)) {
			long anon = strtol(line + 10, NULL, 10);

			rss->anon += anon;
			*(shmem ? &rss->shmem : &rss->file) += resident - anon;
		} else if (!strncmp(line, "Swap:", 5) && !shmem) {
			rss->swap += strtol(line + 5, NULL, 10);
		} else if ((*line >= '0' && *line <= '9') ||
			   (*line >= 'a' && *line <= 'f')) {
			char *end = strchrnul(line, '\n');

			shmem = memmem(line, end - line, "/dev/zero", 9) ||
				memmem(line, end - line, "/memfd:", 7);
		}
	}
	return true;
}

/*
 * Compare counters and page tables of a process that does nothing. Reclaim, ksm
 * and khugepaged go on, so the two may differ for a moment, but not for long.
 * A process that is gone needs no comparison.
 */
bool check(pid_t pid, const char *what)
{
	struct rss before, truth, after;
	char name[16] = "self";

	if (pid)
		snprintf(name, sizeof(name), "%d", pid);
	for (int i = 0; i < 300; i++) {
		if (!read_status(name, &before) || !read_smaps(name, &truth) ||
		    !read_status(name, &after))
			return false;
		if (!memcmp(&before, &truth, sizeof(truth)) &&
		    !memcmp(&after, &truth, sizeof(truth))) {
			happened(pid ? CHECK_OTHER : CHECK_SELF);
			return true;
		}
		__atomic_fetch_add(&shared->checks_retried, 1, __ATOMIC_RELAXED);
		sleep_ms(i / 10);
	}
	say("# %s: counted %ld anon %ld file %ld shmem %ld swap %ld\n"
	    "# %s: truth   %ld anon %ld file %ld shmem %ld swap %ld\n",
	    what, after.all, after.anon, after.file, after.shmem, after.swap,
	    what, truth.all, truth.anon, truth.file, truth.shmem, truth.swap);
	errno = 0;
	failure("counters differ from page tables");
	return false;
}

/*
 * Memory of each kind whose size is known, touched by some threads on all CPUs;
 * nothing else of the process changes, and none of it may be reclaimed. Works
 * also where the counters could not be activated.
 */
static char *known_memory;
static int known_cpu = 32, known_done;

int known_thread(void *unused)
{
	int i;

	(void)unused;
	while (__atomic_load_n(&known_cpu, __ATOMIC_SEQ_CST) < 32 &&
	       (i = __atomic_fetch_add(&known_cpu, 1, __ATOMIC_SEQ_CST)) < 32) {
		hop(i);
		touch(known_memory + i * 2 * PAGE, 2 * PAGE);
		if (i % 4 == 3) {
			madvise(known_memory + i * 2 * PAGE, 2 * PAGE, MADV_DONTNEED);
			touch(known_memory + i * 2 * PAGE, 2 * PAGE);
		}
		__atomic_fetch_add(&known_done, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

void known(int threads)
{
	const long bytes = 32 * 2 * PAGE;
	struct rss before, after = { 0 };
	char *shmem;
	bool same;

	if (!read_status("self", &before))
		return;
	known_memory = map(bytes, MAP_PRIVATE);
	shmem = map(bytes, MAP_SHARED);
	if (!known_memory || !shmem)
		die("mmap of known mappings");
	madvise(known_memory, bytes, MADV_NOHUGEPAGE);
	mlock2(known_memory, bytes, MLOCK_ONFAULT);
	mlock2(shmem, bytes, MLOCK_ONFAULT);
	known_done = 0;
	__atomic_store_n(&known_cpu, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < threads; i++)
		start_thread(i, known_thread, NULL);
	known_thread(NULL);
	touch(shmem, bytes);
	roam();
	for (int i = 0; i < threads; i++)
		join_thread(i);
	while (__atomic_load_n(&known_done, __ATOMIC_SEQ_CST) < 32)
		sched_yield();
	read_status("self", &after);
	same = after.anon - before.anon == bytes / KIB &&
	       after.shmem - before.shmem == bytes / KIB &&
	       after.file == before.file;
	if (!same) {
		say("# known: anon %ld -> %ld, shmem %ld -> %ld, file %ld -> %ld\n",
		    before.anon, after.anon, before.shmem, after.shmem,
		    before.file, after.file);
		errno = 0;
		failure("known mappings are not counted");
	}
	happened(CHECK_KNOWN);
	check(0, "known");
	munmap(known_memory, bytes);
	munmap(shmem, bytes);
}
