// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * util.c - numbers, strings and whole files
 *
 * The drawer for what every floor needs and what knows nothing of the network.
 * It calls nobody, not even the log: failures are returned, as false or as a
 * negative errno, and the caller says what it was trying to do.
 */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool parse_u64(const char *s, int base, uint64_t min, uint64_t max,
	       uint64_t *out)
{
	unsigned long long v;
	char *end;

	/* strtoull() would take blanks and signs, and negate silently */
	if (*s < '0' || *s > '9')
		return false;

	errno = 0;
	v = strtoull(s, &end, base);
	if (errno || *end || v < min || v > max)
		return false;

	*out = v;
	return true;
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);

	if (!size)
		return false;
	if (len < size) {
		memcpy(dst, src, len + 1);
		return true;
	}

	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return false;
}

ssize_t read_file(const char *path, char *buf, size_t size)
{
	size_t got = 0;
	int fd, ret = 0;

	if (!size)
		return -EINVAL;
	buf[0] = '\0';

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	/* Files in /proc come in pieces, so read until nothing is left */
	while (got < size - 1) {
		ssize_t n = read(fd, buf + got, size - 1 - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ret = -errno;
		if (n <= 0)
			break;
		got += (size_t)n;
	}

	close(fd);
	buf[got] = '\0';
	return ret ? ret : (ssize_t)got;
}

int write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd, ret = 0;
	ssize_t n;

	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	/* One call, as files like /proc/PID/uid_map accept no second one */
	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);

	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -EIO;

	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
