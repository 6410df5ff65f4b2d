// SPDX-License-Identifier: GPL-2.0
/* What is asked of the kernel before, and what it has counted and found afterwards. */
#include "stress.h"
#include <sys/stat.h>
#include <sys/swap.h>

bool have_injection, have_kmemleak;
static bool have_probes, have_thp;

static void inject(const char *name, const char *times)
{
	static const char *const settings[][2] = {
		{ "task-filter", "Y" }, { "probability", "1" }, { "interval", "1" },
		{ "verbose", "0" }, { "ignore-gfp-wait", "N" },
	};
	char path[128];

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", name, settings[i][0]);
		put(path, settings[i][1]);
	}
	snprintf(path, sizeof(path), DEBUGFS "%s/times", name);
	put(path, times);
}

static const char *const caches[] = {
	"vm_area_struct", "mm_struct", "task_struct", "anon_vma", "anon_vma_chain",
	"maple_node", "signal_cache", "sighand_cache", "files_cache", "pid",
	"kmalloc-64", "kmalloc-128", "kmalloc-256", "kmalloc-1k", "kmalloc-4k",
	"kmalloc-cg-64", "kmalloc-cg-128", "kmalloc-cg-1k",
};

#define TIMES	"1000000000"

static void set_up_injection(void)
{
	char text[256];

	/* kmemleak's own objects are better not made to fail: it gives up. */
	put(DEBUGFS "failslab/cache-filter", "Y");
	for (unsigned int i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		snprintf(text, sizeof(text), "/sys/kernel/slab/%s/failslab", caches[i]);
		try_put(text, "1");
	}
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	inject("failslab", TIMES);
	inject("fail_page_alloc", TIMES);

	/* Each third activation, of whatever process. */
	put(FAIL_FUNCTION "inject", "percpu_counter_tree_activate_many");
	put(FAIL_FUNCTION "percpu_counter_tree_activate_many/retval", "0xfffffffffffffff4");
	put(FAIL_FUNCTION "verbose", "0");
	put(FAIL_FUNCTION "interval", "1");
	put(FAIL_FUNCTION "probability", "33");
	put(FAIL_FUNCTION "times", TIMES);
}

void set_up(void)
{
	static const char *const probes[] = {
		"percpu_counter_tree_activate_many", "percpu_counter_tree_init_many",
	};
	char text[256];

	if (system("mkswap /dev/ram0 >/dev/null") || swapon("/dev/ram0", 0))
		die("swap");
	if (system("dd if=/dev/urandom of=" DATA " bs=4096 count=64 2>/dev/null"))
		die(DATA);
	put("/proc/sys/vm/oom_dump_tasks", "0");
	/* Warnings, but no tables of figures whenever memory is short. */
	put("/proc/sys/kernel/printk", "5");
	/* Of a machine that may have other work. */
	try_put("/proc/sys/kernel/hung_task_timeout_secs", "600");
	have_thp = !access(THP, F_OK);
	if (have_thp) {
		put(THP "enabled", "madvise");
		put(THP "khugepaged/scan_sleep_millisecs", "0");
		put(THP "khugepaged/alloc_sleep_millisecs", "0");
		put(THP "khugepaged/pages_to_scan", "512");
	}
	put(KSM "sleep_millisecs", "0");
	put(KSM "run", "1");
	if (mkdir(CGROUP "load", 0755) || mkdir(TIGHT, 0755) || mkdir(APART, 0755))
		die("cgroups");
	put_number(CGROUP "load/memory.max", 6 * MIB);
	put(TIGHT "memory.swap.max", "0");

	have_injection = !access(DEBUGFS "failslab", F_OK) &&
			 !access(DEBUGFS "fail_page_alloc", F_OK) &&
			 !access(FAIL_FUNCTION, F_OK);
	if (have_injection)
		set_up_injection();

	/* Both are traced: only those that fail; all are in the profile. */
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "r:stress/probe%d %s ret=$retval:s32\n", i,
			 probes[i]);
		if (!try_put(TRACING "kprobe_events", text)) {
			say("# no function %s\n", probes[i]);
			continue;
		}
		have_probes = true;
		snprintf(text, sizeof(text), TRACING "events/stress/probe%d/filter", i);
		put(text, "ret!=0");
		snprintf(text, sizeof(text), TRACING "events/stress/probe%d/enable", i);
		put(text, "1");
	}
	have_kmemleak = try_put(DEBUGFS "kmemleak", "clear");
}

static long injected(const char *times)
{
	return atol(TIMES) - field(times, "");
}

/* The counts of the kernel. */
void take_counts(long *count)
{
	const char *entries;
	long n = 0;

	count[SWAPOUT] = field("/proc/vmstat", "pswpout ");
	count[SWAPIN] = field("/proc/vmstat", "pswpin ");
	count[KHUGEPAGED] = field(THP "khugepaged/pages_collapsed", "");
	count[RECLAIM] = field(CGROUP "load/memory.events", "max ");
	count[INJECTED_PAGE] = injected(DEBUGFS "fail_page_alloc/times");
	count[INJECTED_SLAB] = injected(DEBUGFS "failslab/times");
	count[ACTIVATED] = 0;
	if (try_get(TRACING "kprobe_profile", smaps_text, sizeof(smaps_text)) > 0)
		for (char *at = smaps_text; (at = strstr(at, "probe")); at += 6)
			count[ACTIVATED] += atol(at + 6);
	entries = "entries-in-buffer/entries-written: ";
	if (try_get(TRACING "trace", smaps_text, sizeof(smaps_text)) > 0) {
		char *at = strstr(smaps_text, entries);

		at = at ? strchr(at + strlen(entries), '/') : NULL;
		if (at)
			n = atol(at + 1);
	}
	count[ACTIVATED] -= n;
	/* What is made to fail does not reach the probes. */
	count[NOT_ACTIVATED] = n + (have_injection ? injected(FAIL_FUNCTION "times") : 0);
}

/* Whether the kernel is configured so that such events can be had or seen. */
bool possible(enum kind kind)
{
	switch (kind) {
	case FAILED_MAP:
	case INJECTED_PAGE:
	case INJECTED_SLAB:
	case NOT_ACTIVATED:
		return have_injection;
	case ACTIVATED:
		return have_probes;
	case COLLAPSE:
	case KHUGEPAGED:
		return have_thp;
	default:
		return true;
	}
}

/* What is not reachable any more, where the counters or the mm were allocated. */
bool no_leaks(void)
{
	static const char *const ours[] = {
		"percpu_counter_tree", "mm_init", "copy_mm", "dup_mm", "mm_alloc",
	};
	static char text[1 * MIB];
	char *entry, *next;
	bool ok = true;
	int leaks = 0;

	/* An object counts from the second scan that did not find it. */
	for (int i = 0; i < 3; i++) {
		sleep_ms(6000);
		if (!try_put(DEBUGFS "kmemleak", "scan")) {
			failure("kmemleak does not scan");
			return false;
		}
	}
	if (try_get(DEBUGFS "kmemleak", text, sizeof(text)) < 0) {
		failure("kmemleak cannot be read");
		return false;
	}
	for (entry = strstr(text, "unreferenced object"); entry; entry = next) {
		next = strstr(entry + 1, "unreferenced object");
		if (next)
			next[-1] = 0;
		leaks++;
		for (unsigned int i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
			if (!strstr(entry, ours[i]))
				continue;
			ok = false;
			break;
		}
		if (leaks <= 20)
			say("# %.480s\n", entry);
	}
	say("# kmemleak: %d objects\n", leaks);
	return ok;
}
