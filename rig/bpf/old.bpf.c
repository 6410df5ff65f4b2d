// SPDX-License-Identifier: GPL-2.0
/*
 * Prints an RSS counter of each process, as programs do that know percpu_counters only: WAY says
 * how. The vmlinux.h is that of the base kernel.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define MEMBER		1
#define CONSTANT	2
#define VARIABLE	3

SEC("iter/task") int old(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	char format[] = "%d %lld\n";
	u64 values[2];

	if (!task || !task->mm || task->pid != task->tgid)
		return 0;
	values[0] = task->tgid;
#if WAY == MEMBER
	values[1] = BPF_CORE_READ(task, mm, rss_stat[MM_ANONPAGES].count);
#else
	struct percpu_counter *c;

#if WAY == CONSTANT
	c = &task->mm->rss_stat[MM_ANONPAGES];
#else
	/* The upper bit is 0, which neither the compiler nor the verifier knows. */
	c = &task->mm->rss_stat[MM_ANONPAGES + (ctx->meta->session_id >> 63)];
#endif
	values[1] = BPF_CORE_READ(c, count);
#endif
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), values, sizeof(values));
	return 0;
}

char _license[] SEC("license") = "GPL";
