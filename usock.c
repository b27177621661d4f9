// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usock.c - where the virtual machine connects to
 *
 * A name in the file system outlives the process that bound it. So before we
 * bind, we ask whether a socket is behind it: if so, the name is in use, and if
 * not, it is a leftover that goes. We ask by connecting with a socket of the
 * wrong type, of which the one behind it learns nothing: it might take us for
 * its guest. Only leftovers are ever removed.
 */
#include "usock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define DEFAULT_PATH	"/tmp/passt_%u.socket"
#define DEFAULT_MAX	99U
#define BACKLOG		16	/* refused ones must not wait for their turn */

static struct {
	int spare;		/* a descriptor for the day when all are in use */
	bool has_spare;
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

/* take() - Bind @fd to @sa, over a leftover; 0 or errno */
static int take(int fd, const struct sockaddr_un *sa)
{
	int e = in_use(sa);

	if (e)
		return e;
	(void)unlink(sa->sun_path);		/* if not, bind() tells why */
	return bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) ? errno : 0;
}

static void take_default(int fd, char path[static USOCK_PATH_LEN])
{
	struct sockaddr_un sa;
	unsigned i;
	int e;

	for (i = 1; i <= DEFAULT_MAX; i++) {
		snprintf(path, USOCK_PATH_LEN, DEFAULT_PATH, i);
		sa = address(path);
		e = take(fd, &sa);
		if (!e)
			return;
		if (e == EADDRINUSE || e == ENOTSOCK)
			continue;
		errno = e;			/* it would be for all */
		die_perror("Cannot bind socket %s", path);
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

		errno = take(fd, &sa);
		if (errno == EADDRINUSE)
			die("Socket %s is in use: another process serves it",
			    path);
		if (errno == ENOTSOCK)
			die("Socket %s: there is a file of that name that is no socket",
			    path);
		if (errno)
			die_perror("Cannot bind socket %s", path);
	}
	if (listen(fd, BACKLOG))
		die_perror("Cannot listen on socket %s", path);
	take_spare();
	return fd;
}

int usock_accept(int listen_fd, pid_t *pid)
{
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	struct ucred cred;
	socklen_t len = sizeof(cred);
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
	*pid = 0;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		*pid = cred.pid;
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
