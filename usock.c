// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usock.c - where the virtual machine connects to
 *
 * A name in the file system outlives the process that bound it. So before we
 * bind, we ask whether a socket is behind it: if so, the name is in use, and if
 * not, it is a leftover that goes. We ask by connecting with a socket of the
 * wrong type, of which the one behind it learns nothing: it might take us for
 * its guest. Only leftovers are ever removed.
 *
 * Two of us that start at once would find the same leftover, and the later one
 * remove what the first has bound meanwhile. So they take turns, by a lock on
 * the directory. Others may lock it too: we do not wait for them for ever.
 */
#include "usock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "log.h"

#define DEFAULT_PATH	"/tmp/passt_%u.socket"
#define DEFAULT_MAX	99U
#define LOCK_TRIES	200	/* every 5 ms; it is held for less than one */
#define BACKLOG		16	/* refused ones must not wait for their turn */

static struct {
	int spare;		/* a descriptor for the day when all are in use */
	bool has_spare;
	bool waited;		/* for a lock that somebody keeps */
} state;

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)str_copy(sa.sun_path, sizeof(sa.sun_path), path);
	return sa;
}

static int unix_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die_perror("Cannot make a UNIX domain socket");
	return fd;
}

/* in_use() - Is somebody, or something, at @sa? 0 if not: then bind() may only
 * fail for other reasons. EADDRINUSE: somebody, ENOTSOCK: something; or why we
 * cannot look */
static int in_use(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, e = 0;

	if (lstat(sa->sun_path, &st))
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return ENOTSOCK;

	fd = unix_socket(SOCK_DGRAM);
	/* Any other error takes somebody who has it: EPROTOTYPE, in general */
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
	    (errno != ENOENT && errno != ECONNREFUSED && errno != EACCES))
		e = EADDRINUSE;
	close(fd);
	return e;
}

/* take_at() - Bind @fd to @sa, which is @name in @dir, over a leftover; 0 or
 * errno, EBUSY for a leftover that is not ours to remove */
static int take_at(int fd, const struct sockaddr_un *sa, int dir,
		   const char *name)
{
	struct stat here, there;
	int e = in_use(sa);

	if (e)
		return e;
	/* In the very directory: should somebody exchange it, nothing in
	 * another one goes */
	if (!fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) &&
	    S_ISSOCK(there.st_mode) && unlinkat(dir, name, 0))
		return errno == EPERM ? EBUSY : errno;
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return errno;
	if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) ||
	    lstat(sa->sun_path, &here) || here.st_ino != there.st_ino ||
	    here.st_dev != there.st_dev)
		return ESTALE;
	return 0;
}

/* lock() - Be the only one in @dir who takes a name; a descriptor that ends it
 * when closed, or -1 if that was not possible */
static int lock(int dir)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i;

	for (i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB); i++) {
		state.waited = state.waited || i == LOCK_TRIES;
		if (errno != EWOULDBLOCK || state.waited) {
			close(fd);
			return -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return fd;
}

/* take() - The same; *@why: of those errors that errno has no text for */
static int take(int fd, const struct sockaddr_un *sa, const char **why)
{
	char name[NAME_MAX + 1];
	int dir, held, e;

	dir = file_parent(sa->sun_path, name, why);
	if (dir < 0)
		return -dir;
	held = lock(dir);
	e = take_at(fd, sa, dir, name);
	close(dir);
	if (held >= 0)
		close(held);
	if (e == EADDRINUSE)
		*why = "in use: another process serves it";
	else if (e == ENOTSOCK)
		*why = "there is a file of that name that is no socket";
	else if (e == EBUSY)
		*why = "what is left of another user's socket cannot be "
		       "removed";
	else if (e == ESTALE)
		*why = "somebody has exchanged its directory";
	else
		*why = strerror(e);
	return e;
}

static void take_default(int fd, char path[static USOCK_PATH_LEN])
{
	struct sockaddr_un sa;
	const char *why;
	unsigned i;
	int e;

	for (i = 1; i <= DEFAULT_MAX; i++) {
		snprintf(path, USOCK_PATH_LEN, DEFAULT_PATH, i);
		sa = address(path);
		e = take(fd, &sa, &why);
		if (!e)
			return;
		if (e == EADDRINUSE || e == ENOTSOCK || e == EBUSY)
			continue;
		/* It would be for all */
		die("Cannot bind socket %s: %s", path, why);
	}
	die("All of " DEFAULT_PATH " to " DEFAULT_PATH " are in use: give another path with --socket",
	    1, DEFAULT_MAX);
}

/* A guest may use up all our descriptors, be reset, and come again */
static void take_spare(void)
{
	if (state.has_spare)
		return;
	state.spare = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	state.has_spare = state.spare >= 0;
}

int usock_listen(char path[static USOCK_PATH_LEN])
{
	int fd = unix_socket(SOCK_STREAM);

	if (!*path) {
		take_default(fd, path);
	} else {
		struct sockaddr_un sa = address(path);
		const char *why;

		if (take(fd, &sa, &why))
			die("Cannot bind socket %s: %s", path, why);
	}
	if (listen(fd, BACKLOG))
		die_perror("Cannot listen on socket %s", path);
	take_spare();
	return fd;
}

int usock_accept(int listen_fd, struct ucred *peer)
{
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	socklen_t len = sizeof(*peer);
	int fd, e;

	take_spare();
	fd = accept4(listen_fd, NULL, NULL, flags);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
	    state.has_spare) {
		close(state.spare);
		state.has_spare = false;
		fd = accept4(listen_fd, NULL, NULL, flags);
	}
	if (fd < 0) {
		e = errno;
		/* It looks for a descriptor first, then for a client: before
		 * somebody else takes the spare one */
		take_spare();
		return -e;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len))
		*peer = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return fd;
}

int usock_inherited(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), tlen = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &tlen))
		die_perror("--fd: %i is not an open socket", fd);
	if (type != SOCK_STREAM)
		die("--fd: %i is not a stream socket", fd);
	if (getpeername(fd, (struct sockaddr *)&ss, &len))
		die_perror("--fd: %i is not a connected socket", fd);

	/* Standard descriptors are replaced when we go to the background */
	if (fd < 3) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (copy < 0 || null < 0 || dup2(null, fd) < 0)
			die_perror("--fd: cannot move %i", fd);
		close(null);
		return copy;
	}
	/* Its other flags may be shared with whoever started us */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC))
		die_perror("--fd: cannot use %i", fd);
	return fd;
}
