// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the RSS of each process, and how far it may be below and above the precise one, with the
 * code of the documentation page. The vmlinux.h is that of the patched kernel.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "rss_read.h"

SEC("iter/task") int rss(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	char format[] = "%d %lld %llu %llu\n";
	u64 values[4] = {};

	if (!task || !task->mm || task->pid != task->tgid)
		return 0;
	values[0] = task->tgid;
	values[1] = rss_read(task->mm, MM_FILEPAGES, &values[2], &values[3]) +
		    rss_read(task->mm, MM_ANONPAGES, &values[2], &values[3]) +
		    /* An index that neither the compiler nor the verifier knows. */
		    rss_read(task->mm, MM_SHMEMPAGES - (ctx->meta->session_id >> 63), &values[2],
			     &values[3]);
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), values, sizeof(values));
	return 0;
}

char _license[] SEC("license") = "GPL";
