/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log_file.h - a file of lines that never exceeds its size
 *
 * Nothing here fails for long or ends the process: a line that cannot be
 * written is lost. Lines are whole, in the order written, below a header.
 */
#ifndef LOG_FILE_H
#define LOG_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_FILE_PIECE		8192U	/* read and written at a time */
#define LOG_FILE_LINE_MAX	2048U	/* with time, tag and newline */
#define LOG_FILE_TITLE_MAX	(PATH_MAX + 256)

/* log_file_min() - The least size, in bytes, that leaves room to cut */
uint64_t log_file_min(void);

/*
 * log_file_open() - Have lines written to a file, in place of the one before
 * @fd:		open for reading and writing, and ours from here on; what might
 *		not take a line at once (a FIFO) is not to wait for it
 * @limit:	bytes it may have, at least log_file_min()
 * @title:	first line, up to LOG_FILE_TITLE_MAX - 1 characters
 *
 * What is not a regular file (a FIFO, a terminal, /dev/null) is neither emptied
 * nor limited.
 */
void log_file_open(int fd, uint64_t limit, const char *title);

/* log_file_begin() - Empty it, and write the header; 0 or -errno. Lines from
 * before that are among those that go */
int log_file_begin(void);

/* log_file_title() - Another first line, while the file has few: else it comes
 * when some are cut. To what is not a regular file it is just written */
void log_file_title(const char *title);

/* log_file_on() - Whether a file is open */
bool log_file_on(void);

/*
 * log_file_line() - Append "@when: @tag@text" and a newline
 * @when:	seconds since start, as text
 * @tag:	filled up with blanks to nine characters
 * @text:	@len bytes, none of them a newline; cut if too long for a line
 *
 * If the file would become too long, about 30 % are cut from its start, and
 * the header says so. System calls: lseek, pread64, pwrite64, fallocate,
 * ftruncate, and write if it is no regular file; no memory is allocated.
 */
void log_file_line(const char *when, const char *tag, const char *text,
		   size_t len);

#endif /* LOG_FILE_H */
