// SPDX-License-Identifier: GPL-2.0
/* A process whose memory others change: before, while and after it has threads. */
#include "stress.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char *target_memory;

static int target_thread(void *unused)
{
	(void)unused;
	touch(target_memory + 384 * PAGE, 32 * PAGE);
	while (true)
		pause();
	return 0;
}

static void target(int commands, int answers)
{
	char byte;

	settle();
	/* Not what others change. */
	munlock(target_memory, 512 * PAGE);
	madvise(target_memory, 512 * PAGE, MADV_DONTNEED);
	while (read(commands, &byte, 1) == 1) {
		if (byte == 'e')
			break;
		if (byte == 't') {
			start_thread(0, target_thread, NULL);
			start_thread(1, target_thread, NULL);
			touch(target_memory + 256 * PAGE, 64 * PAGE);
			madvise(target_memory + 256 * PAGE, 32 * PAGE, MADV_DONTNEED);
		}
		if (write(answers, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static bool write_other(pid_t pid, long first, long pages)
{
	static char zeros[16 * 4096];
	bool any = false;

	for (long i = first; i < first + pages; i += 16) {
		struct iovec from = { zeros, sizeof(zeros) };
		struct iovec to = { target_memory + i * PAGE, sizeof(zeros) };

		hop(i / 16);
		if (process_vm_writev(pid, &from, 1, &to, 1, 0) > 0) {
			happened(WRITEV);
			any = true;
		}
	}
	roam();
	return any;
}

void remote(void)
{
	unsigned long seed = getpid() | 1;
	int commands[2], answers[2], pidfd;
	struct iovec some;
	char byte = 0;
	pid_t pid;

	join_group(CGROUP "load/cgroup.procs");
	target_memory = map(512 * PAGE, MAP_PRIVATE);
	if (!target_memory)
		die("mmap");
	for (int i = 0; i < 8 && !stopped(); i++) {
		if (pipe(commands) || pipe(answers))
			die("pipe");
		pid = fork_counted(FORK);
		if (!pid) {
			close(commands[1]);
			close(answers[0]);
			target(commands[0], answers[1]);
		}
		close(commands[0]);
		close(answers[1]);
		if (pid < 0)
			goto out;
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		if (write(commands[1], "a", 1) != 1 || read(answers[0], &byte, 1) != 1)
			goto killed;
		write_other(pid, 0, 64);
		check(pid, "written to, alone");
		some = (struct iovec){ target_memory, 64 * PAGE };
		if (syscall(SYS_process_madvise, pidfd, &some, 1, MADV_PAGEOUT, 0) > 0)
			happened(PMADVISE);
		check(pid, "paged out, alone");

		/* While its threads come to life, and the counters are activated. */
		if (write(commands[1], "t", 1) != 1)
			goto killed;
		if (write_other(pid, random_below(&seed, 4) * 16, 64))
			happened(WRITEV_CLONE);
		if (read(answers[0], &byte, 1) != 1)
			goto killed;
		some = (struct iovec){ target_memory + 256 * PAGE, 64 * PAGE };
		if (syscall(SYS_process_madvise, pidfd, &some, 1, MADV_PAGEOUT, 0) > 0)
			happened(PMADVISE);
		check(pid, "written to, threads");
killed:
		kill(pid, SIGKILL);
		if (byte == 't')
			happened(KILLED);
		if (!syscall(SYS_process_mrelease, pidfd, 0))
			happened(MRELEASE);
		wait_for(pid, "target");
		close(pidfd);
out:
		close(commands[1]);
		close(answers[0]);
	}
}
