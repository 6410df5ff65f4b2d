// SPDX-License-Identifier: GPL-2.0
/* Processes that are created in each way there is, some of them to be killed. */
#include "stress.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Run as another program. */
int executed(const char *fd)
{
	char *p;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      atoi(fd), 0);
	if (shared == MAP_FAILED)
		return 2;
	p = map(64 * PAGE, MAP_PRIVATE);
	if (p)
		touch(p, 64 * PAGE);
	happened(EXEC);
	check(0, "executed");
	return 0;
}

char shared_fd[16];

static void exec_self(void)
{
	execl(SELF, SELF, "executed", shared_fd, NULL);
	_exit(2);
}

static pid_t vfork_counted(bool exec)
{
	pid_t pid = vfork();

	if (!pid) {
		if (exec)
			exec_self();
		_exit(0);
	}
	if (pid > 0)
		happened(VFORK);
	return pid;
}

/* A vfork child works in the memory of its parent, which dies meanwhile. */
static struct orphanage {
	int ready, done;
	pid_t parent;
} *orphanage;
static char *orphan_memory;

static int orphan_thread(void *unused)
{
	(void)unused;
	touch(orphan_memory + 256 * PAGE, 32 * PAGE);
	return 0;
}

static int orphan_child(void *unused)
{
	int i = 0;

	(void)unused;
	while (getppid() == orphanage->parent) {
		touch(orphan_memory + i * PAGE, 8 * PAGE);
		if (i % 32 == 0)
			madvise(orphan_memory, 128 * PAGE, MADV_DONTNEED);
		i = (i + 8) % 128;
		__atomic_store_n(&orphanage->ready, 1, __ATOMIC_SEQ_CST);
		sleep_ms(1);
	}
	touch(orphan_memory + 128 * PAGE, 32 * PAGE);
	check(0, "orphan, alone");
	if (start_thread(1, orphan_thread, NULL)) {
		touch(orphan_memory, 32 * PAGE);
		join_thread(1);
		check(0, "orphan, threads");
	}
	__atomic_store_n(&orphanage->done, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

static void orphan(bool threaded)
{
	pid_t parent, pid;

	orphanage->ready = orphanage->done = 0;
	parent = fork_counted(FORK);
	if (!parent) {
		orphanage->parent = getpid();
		make_thread_ids();
		orphan_memory = map(512 * PAGE, MAP_PRIVATE);
		if (!orphan_memory)
			_exit(2);
		if (threaded && start_thread(1, orphan_thread, NULL))
			join_thread(1);
		clone(orphan_child, stacks[0] + sizeof(stacks[0]),
		      CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
		_exit(2);
	}
	if (parent < 0)
		return;
	while (!__atomic_load_n(&orphanage->ready, __ATOMIC_SEQ_CST)) {
		if (waitpid(parent, NULL, WNOHANG) == parent)
			return;
		sleep_ms(1);
	}
	kill(parent, SIGKILL);
	/* The subreaper inherits the child. */
	while ((pid = waitpid(-1, NULL, 0)) > 0 || errno == EINTR)
		;
	if (__atomic_load_n(&orphanage->done, __ATOMIC_SEQ_CST))
		happened(ORPHAN);
}

void forker(void)
{
	char *p = map(64 * PAGE, MAP_PRIVATE);
	pid_t pid;

	join_group(CGROUP "load/cgroup.procs");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	orphanage = map(PAGE, MAP_SHARED);
	if (!p || !orphanage)
		die("mmap");
	for (int i = 0; i < 16 && !stopped(); i++) {
		touch(p, 64 * PAGE);
		if (i % 4 == 0)
			madvise(p, 32 * PAGE, MADV_PAGEOUT);
		pid = fork_counted(FORK);
		if (!pid) {
			touch(p + 16 * PAGE, 32 * PAGE);
			check(0, "forked");
			if (i % 3 == 0)
				exec_self();
			_exit(0);
		}
		wait_for(pid, "fork");
		wait_for(vfork_counted(i % 2), "vfork");
		check(0, "forker");
		orphan(i % 2);
	}
}
