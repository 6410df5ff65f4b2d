/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading and writing files of the kernel. The including file has die(), which
 * says what failed and ends the program.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Read a file as far as there is room. Returns its length, or -1. */
static inline long try_get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (length < size - 1 &&
	       (n = read(fd, text + length, size - 1 - length)) > 0)
		length += n;
	close(fd);
	text[length] = 0;
	return n < 0 ? -1 : (long)length;
}

/* The number behind a name at the start of a line, or -1. */
static inline long number(const char *line, const char *name)
{
	while (line) {
		line += *line == '\n';
		if (!strncmp(line, name, strlen(name)))
			return strtol(line + strlen(name), NULL, 10);
		line = strchr(line, '\n');
	}
	return -1;
}

static inline bool try_put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) >= 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline void put(const char *path, const char *value)
{
	if (!try_put(path, value))
		die(path);
}

static inline void put_number(const char *path, long value)
{
	char number[32];

	snprintf(number, sizeof(number), "%ld", value);
	put(path, number);
}
