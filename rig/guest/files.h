/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing to files of the kernel. Who includes this has die(), which says what
 * failed and ends the program.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool try_put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) >= 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void put(const char *path, const char *value)
{
	if (!try_put(path, value))
		die(path);
}

static void put_number(const char *path, long value)
{
	char number[32];

	snprintf(number, sizeof(number), "%ld", value);
	put(path, number);
}
