// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log_file.c - a file of lines that never exceeds its size
 *
 * Where the next line has no room, the oldest 30 % go. A new header is written
 * over the first lines of what is to stay, filled up with blanks to where the
 * next whole line begins; then all before it is dropped. Some file systems can
 * take whole blocks out of the start of a file (FALLOC_FL_COLLAPSE_RANGE), at
 * once and for whoever looks. Elsewhere what stays is moved down within the
 * file, piece by piece. Both work when nothing can be opened, renamed or
 * allocated any more.
 *
 * The length is asked for before each line, not remembered: a process forked
 * from here may have written, or somebody emptied the file. Whatever goes
 * wrong in the middle, the file starts over rather than keep half a line.
 *
 * Whoever opens the file may find that it cannot start after all, for instance
 * because another one runs already, with this very file. So the old text stays
 * until log_file_begin(); what is said before goes behind it.
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"

#define TAG_LEN		9
#define HEADER_MAX	(LOG_FILE_TITLE_MAX + 64)	/* with what was cut */

/* The header, and the lines it is written over, must fit into a piece */
_Static_assert(HEADER_MAX + LOG_FILE_LINE_MAX <= LOG_FILE_PIECE, "header");

static struct {
	int fd;				/* -1: none */
	bool regular;			/* else: no limit */
	bool begun;			/* what is in it is ours */
	uint64_t limit;
	uint64_t block;			/* of the file system, in bytes */
	char title[LOG_FILE_TITLE_MAX];
} file = { .fd = -1 };

uint64_t log_file_min(void)
{
	long page = sysconf(_SC_PAGESIZE);

	/* 30 % of this is more than a piece and a line */
	return 5 * MAX((uint64_t)LOG_FILE_PIECE, (uint64_t)MAX(page, 0));
}

/* put() - Write all of it at @at; 0 or -errno */
static int put(uint64_t at, const char *data, size_t len)
{
	while (len) {
		ssize_t n = pwrite(file.fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		data += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* get() - Read up to a piece from @at; bytes read, or -errno */
static ssize_t get(uint64_t at, char *buf)
{
	ssize_t n;

	do {
		n = pread(file.fd, buf, LOG_FILE_PIECE, (off_t)at);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* header() - The first line; @when it was cut, or NULL. Returns its length */
static size_t header(char *buf, const char *when)
{
	int n;

	n = snprintf(buf, HEADER_MAX, "%s%s%.32s%s\n", file.title,
		     when ? ", truncated after " : "", when ? when : "",
		     when ? " seconds" : "");
	return n < 0 ? 0 : MIN((size_t)n, HEADER_MAX - 1U);
}

/* start_over() - Nothing but a header; returns the new length, 0 on failure */
static uint64_t start_over(const char *when)
{
	char buf[HEADER_MAX];
	size_t len = header(buf, when);

	if (ftruncate(file.fd, 0))
		return 0;
	if (!put(0, buf, len))
		return len;
	(void)!ftruncate(file.fd, 0);
	return 0;
}

/* new_header() - Write one at @at, over the lines there, filled up to where the
 * next whole line begins; 0 or -errno */
static int new_header(uint64_t at, const char *when)
{
	char buf[LOG_FILE_PIECE], head[HEADER_MAX];
	size_t len = header(head, when), next;
	ssize_t n = get(at, buf);
	const char *nl;

	if (n < 0)
		return (int)n;
	nl = (size_t)n < len ? NULL :
			       memchr(buf + len - 1, '\n', (size_t)n - len + 1);
	if (!nl)
		return -EINVAL;
	next = (size_t)(nl - buf);
	memcpy(buf, head, len - 1);
	memset(buf + len - 1, ' ', next - (len - 1));
	return put(at, buf, next + 1);
}

/* drop() - The first @cut bytes go; 0 or -errno */
static int drop(uint64_t cut)
{
	char buf[LOG_FILE_PIECE];
	uint64_t from = cut, to = 0;
	ssize_t n;
	int rc;

	if (!fallocate(file.fd, FALLOC_FL_COLLAPSE_RANGE, 0, (off_t)cut))
		return 0;

	while ((n = get(from, buf)) > 0) {
		rc = put(to, buf, (size_t)n);
		if (rc)
			return rc;
		from += (uint64_t)n;
		to += (uint64_t)n;
	}
	if (n < 0)
		return (int)n;
	return ftruncate(file.fd, (off_t)to) ? -errno : 0;
}

/* make_room() - For @len bytes behind @end, which are too many. Return: the new
 * length, 0 on failure */
static uint64_t make_room(uint64_t end, size_t len, const char *when)
{
	uint64_t cut = file.limit / 10 * 3, blocks;

	/* Somebody else's lines may have made it longer than we would */
	cut = MAX(cut, end + len - file.limit);
	blocks = (cut + file.block - 1) / file.block * file.block;
	if (blocks <= file.limit / 2)
		cut = blocks;
	if (new_header(cut, when) || drop(cut))
		return start_over(when);
	return end - cut;
}

void log_file_open(int fd, uint64_t limit, const char *title)
{
	struct statfs fs;
	struct stat st;

	if (file.fd >= 0)
		close(file.fd);
	file.fd = fd;
	file.regular = !fstat(fd, &st) && S_ISREG(st.st_mode);
	file.begun = false;
	file.limit = limit;
	file.block = !fstatfs(fd, &fs) && fs.f_bsize > 0 ?
		     (uint64_t)fs.f_bsize : 4096;
	(void)str_copy(file.title, sizeof(file.title), title);

	if (!file.regular) {
		char buf[HEADER_MAX];

		(void)!write(fd, buf, header(buf, NULL));
	}
}

int log_file_begin(void)
{
	if (!log_file_on() || !file.regular)
		return 0;
	/* Apart, as there is no log where this fails */
	if (ftruncate(file.fd, 0))
		return -errno;
	(void)start_over(NULL);
	file.begun = true;
	return 0;
}

void log_file_title(const char *title)
{
	char buf[LOG_FILE_PIECE], head[HEADER_MAX];
	const char *rest;
	size_t len;
	ssize_t n;

	if (!log_file_on())
		return;
	(void)str_copy(file.title, sizeof(file.title), title);
	len = header(head, NULL);
	if (!file.regular) {
		(void)!write(file.fd, head, len);
		return;
	}
	if (!file.begun)
		return;
	n = get(0, buf);
	rest = n > 0 && n < LOG_FILE_PIECE ? memchr(buf, '\n', (size_t)n) :
					     NULL;
	if (!rest)
		return;
	n -= ++rest - buf;
	if (put(0, head, len) || put(len, rest, (size_t)n) ||
	    ftruncate(file.fd, (off_t)len + n))
		(void)start_over(NULL);
}

bool log_file_on(void)
{
	return file.fd >= 0;
}

void log_file_line(const char *when, const char *tag, const char *text,
		   size_t len)
{
	char line[LOG_FILE_LINE_MAX];
	uint64_t end;
	off_t at;
	size_t n;
	int rc;

	if (!log_file_on())
		return;
	rc = snprintf(line, sizeof(line), "%.32s: %-*.*s", when, TAG_LEN,
		      TAG_LEN, tag);
	if (rc < 0)
		return;
	n = (size_t)rc;
	len = MIN(len, sizeof(line) - 1 - n);
	memcpy(line + n, text, len);
	n += len;
	line[n++] = '\n';

	if (!file.regular) {
		(void)!write(file.fd, line, n);
		return;
	}

	at = lseek(file.fd, 0, SEEK_END);
	if (at < 0)
		return;
	end = (uint64_t)at;
	if (!end)
		end = start_over(NULL);
	else if (end + n > file.limit)
		end = file.begun ? make_room(end, n, when) : 0;
	/* A part of a line is none: what was written of it goes again */
	if (end && put(end, line, n))
		(void)!ftruncate(file.fd, (off_t)end);
}
