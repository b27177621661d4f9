// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file.c - files that the user names, where others may put things in the way
 *
 * Logs, captures and PID files are often in /tmp, where everybody may have been
 * before us, and we may be root. So the path is walked by hand, part by part,
 * each opened below the one before: nobody can exchange what was looked at. A
 * symbolic link is followed only if we could have made it ourselves, or root
 * did. What is found at the end must have an owner of the same kind, and, if it
 * is a file, no other name: that might be one that is dear to us, linked here
 * by somebody else. What is not there is made, and nothing but made.
 *
 * Links in /proc, to which /dev/stdout and the like lead, have no text that
 * could be walked. They are the kernel's, and followed by it.
 *
 * In a user namespace root of the host has no number, nor has any other user
 * who is not mapped: they all look like nobody. There such an owner counts as
 * root as long as the walk has been through no directory that others may write
 * to, as it does for the /dev of a container.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"

#define LINKS_MAX	40		/* as the kernel has it */
#define TRIES		16		/* somebody makes and removes it */
#define OVERFLOW_UID	65534

#define WHY_LINK	"a symbolic link of another user is in the way"
#define WHY_OWNER	"it belongs to another user"

struct walk {
	int dir;			/* where we are */
	unsigned links;
	bool shared;			/* has been where others may write */
	bool procfs;			/* the last part is a link of /proc */
	char rest[PATH_MAX];		/* still to go */
	char name[NAME_MAX + 1];	/* the last part */
	const char *why;
};

static struct {
	bool also_set;
	uid_t also;
	bool nested;			/* in a user namespace not the first */
} file;

void file_init(bool set, uid_t also)
{
	unsigned long first, to, count;
	char map[256];

	file.also_set = set;
	file.also = also;
	file.nested = read_file("/proc/self/uid_map", map, sizeof(map)) > 0 &&
		      (sscanf(map, "%lu %lu %lu", &first, &to, &count) != 3 ||
		       first || to || count != UINT32_MAX);
}

static bool trusted(const struct walk *w, uid_t uid)
{
	if (file.nested && uid == OVERFLOW_UID && !w->shared)
		return true;
	return !uid || uid == geteuid() || (file.also_set && uid == file.also);
}

/* fail() - With a reason of our own, or that of @error */
static int fail(struct walk *w, int error, const char *why)
{
	w->why = why ? why : strerror(error);
	return -error;
}

static int go_to(struct walk *w, int fd)
{
	struct stat st;

	if (fd < 0)
		return fail(w, errno, NULL);
	if (w->dir >= 0)
		close(w->dir);
	w->dir = fd;
	if (file.nested && (fstat(fd, &st) || st.st_mode & 022))
		w->shared = true;
	return 0;
}

/* splice_text() - Put what a link says, @len bytes, before what is still to go */
static int splice_text(struct walk *w, const char *text, size_t len)
{
	size_t rest = strlen(w->rest) + 1;

	if (len + 1 + rest > sizeof(w->rest))
		return fail(w, ENAMETOOLONG, NULL);
	memmove(w->rest + len + 1, w->rest, rest);
	memcpy(w->rest, text, len);
	w->rest[len] = '/';
	return 0;
}

/* follow() - The link @fd, which the last part taken was, and says @text */
static int follow(struct walk *w, int fd, const char *text, size_t len)
{
	bool last = !*w->rest;
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return fail(w, errno, NULL);
	if (!trusted(w, st.st_uid))
		return fail(w, ELOOP, WHY_LINK);
	if (++w->links > LINKS_MAX)
		return fail(w, ELOOP, NULL);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return splice_text(w, text, len);
	w->procfs = last;
	return last ? 1 : go_to(w, openat(w->dir, w->name, O_PATH |
					  O_DIRECTORY | O_CLOEXEC));
}

/* take() - The next part of what is to go, to w->name */
static int take(struct walk *w)
{
	size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");
	const char *next = w->rest + skip + len;
	int rc = 0;

	/* Those between parts have gone with the part before */
	if (skip)
		rc = go_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (rc)
		return rc;
	if (!len)
		return fail(w, EISDIR, NULL);
	if (len > NAME_MAX)
		return fail(w, ENAMETOOLONG, NULL);
	memcpy(w->name, w->rest + skip, len);
	w->name[len] = '\0';
	next += strspn(next, "/");
	memmove(w->rest, next, strlen(next) + 1);
	return 0;
}

/* step() - Return: 0 to go on, 1 at the last part, or -errno */
static int step(struct walk *w, bool links)
{
	char text[PATH_MAX];
	ssize_t n;
	int fd, rc;

	rc = take(w);
	if (rc)
		return rc;
	if (!*w->rest && !links)
		return 1;
	fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return !*w->rest && errno == ENOENT ? 1 :
						      fail(w, errno, NULL);

	/* Of this very file, or an error if it is no link */
	n = readlinkat(fd, "", text, sizeof(text));
	if (n < 0 && *w->rest)
		return go_to(w, fd);
	rc = n < 0 ? 1 : follow(w, fd, text, (size_t)n);
	close(fd);
	return rc;
}

/* walk() - Until only the last part of @path is left, in w->name. With @links,
 * it is no link then, but perhaps one of /proc. Return: 0, or -errno */
static int walk(struct walk *w, const char *path, bool links)
{
	int rc = 0;

	*w = (struct walk){ .dir = -1 };
	if (!str_copy(w->rest, sizeof(w->rest), path))
		return fail(w, ENAMETOOLONG, NULL);
	if (*path && path[strlen(path) - 1] == '/')
		return fail(w, EISDIR, NULL);
	/* Where we are may be closed to us, and then is of no concern */
	if (*path != '/')
		rc = go_to(w, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	while (!rc)
		rc = step(w, links);
	return MIN(rc, 0);
}

/* acceptable() - Is what @fd is nobody else's? */
static int acceptable(struct walk *w, int fd, struct stat *st)
{
	if (fstat(fd, st))
		return fail(w, errno, NULL);
	if (S_ISLNK(st->st_mode))
		return fail(w, ELOOP, "it is a symbolic link");
	if (S_ISDIR(st->st_mode))
		return fail(w, EISDIR, NULL);
	if (S_ISSOCK(st->st_mode))
		return fail(w, ENXIO, "it is a socket");
	if (S_ISBLK(st->st_mode))
		return fail(w, ENOTSUP, "it is a block device");
	if (!trusted(w, st->st_uid))
		return fail(w, EPERM, WHY_OWNER);
	if (S_ISREG(st->st_mode) && st->st_nlink > 1)
		return fail(w, EMLINK, "it is a hard link: the same file has "
			    "another name");
	return 0;
}

/* open_old() - What is at the end of the walk already */
static int open_old(struct walk *w, int flags)
{
	struct stat want, st;
	int fd, rc;

	/* Before it is opened, which a FIFO, or a device, might notice */
	fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(w, errno, NULL);
	rc = acceptable(w, fd, &want);
	close(fd);
	if (rc)
		return rc;

	/* A file that became a FIFO meanwhile must not hold us up */
	if (S_ISREG(want.st_mode))
		flags |= O_NONBLOCK;
	fd = openat(w->dir, w->name, flags | O_NOFOLLOW);
	if (fd < 0)
		return fail(w, errno, NULL);
	rc = acceptable(w, fd, &st);
	if (!rc && (st.st_ino != want.st_ino || st.st_dev != want.st_dev))
		rc = fail(w, EAGAIN, "somebody is exchanging it");
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int open_at(struct walk *w, int flags)
{
	int fd, i;

	if (w->procfs) {
		fd = openat(w->dir, w->name, flags);
		return fd < 0 ? fail(w, errno, NULL) : fd;
	}
	for (i = 0; i < TRIES; i++) {
		fd = openat(w->dir, w->name, flags | O_NOFOLLOW | O_CREAT |
			    O_EXCL, 0600);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST) {
			/* It may be there in a place that is not ours */
			int error = errno;

			fd = open_old(w, flags);
			return fd == -ENOENT ? fail(w, error, NULL) : fd;
		}
		fd = open_old(w, flags);
		if (fd != -ENOENT && fd != -EAGAIN)
			return fd;
	}
	return fd;
}

int file_open(const char *path, int flags, const char **why)
{
	bool empty = flags & O_TRUNC;
	struct walk w;
	struct stat st;
	int fd;

	flags = (flags & ~O_TRUNC) | O_CLOEXEC | O_NOCTTY;
	fd = walk(&w, path, true);
	if (!fd)
		fd = open_at(&w, flags);
	if (w.dir >= 0)
		close(w.dir);
	if (fd >= 0 && empty && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    ftruncate(fd, 0)) {
		close(fd);
		fd = fail(&w, errno, NULL);
	}
	*why = w.why;
	return fd;
}

int file_parent(const char *path, char name[static NAME_MAX + 1],
		const char **why)
{
	struct walk w;
	int rc = walk(&w, path, false);

	*why = w.why;
	if (!rc) {
		(void)str_copy(name, NAME_MAX + 1, w.name);
		return w.dir;
	}
	if (w.dir >= 0)
		close(w.dir);
	return rc;
}
