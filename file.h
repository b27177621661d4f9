/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - files that the user names, where others may put things in the way
 *
 * To be used during start only: afterwards nothing can be opened.
 */
#ifndef FILE_H
#define FILE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* file_init() - Whose files are as good as our own: those of @also, if @set,
 * which is the user that we will be. Without it: nobody's but root's */
void file_init(bool set, uid_t also);

/*
 * file_open() - Open a file to write to, or create it with mode 0600
 * @flags:	O_RDWR or O_WRONLY; O_TRUNC to empty it; O_NONBLOCK, if a FIFO
 *		has no reader
 * @why:	set on failure: what the matter is
 *
 * Symbolic links, wherever in @path, are followed if they are ours or root's.
 * What is there already is taken if it is ours or root's, and a file has no
 * other name. Return: descriptor, close-on-exec, or -errno
 */
int file_open(const char *path, int flags, const char **why);

/*
 * file_parent() - The directory that @path is in, by the same rules
 * @name:	set to the last part of @path, which may be a link
 *
 * Return: descriptor (O_PATH), or -errno
 */
int file_parent(const char *path, char name[static NAME_MAX + 1],
		const char **why);

#endif /* FILE_H */
