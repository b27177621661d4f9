// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fail.c - to be preloaded: what the kernel may answer on a bad day
 *
 * FAIL_PAGE names a file of a page, shared with the test:
 *	[0]	error number with which calls on sockets of the internet fail;
 *		0: none does
 *	[1]	every which call fails: 1 is all of them
 *	[2]	which calls, the sum of 1: socket(), 2: bind() and connect(),
 *		4: accept4(), 8: send*(), 16: epoll_ctl(ADD)
 *	[3]	how many have failed
 *	[4]	seconds by which CLOCK_MONOTONIC is ahead
 * Such sockets are known by having been made here, as asking the kernel for the
 * family might be a system call that is forbidden by then. Messages go to the
 * C library, not to the kernel: musl's are not quite what the kernel takes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FDS	(1 << 20)

enum { SOCKET = 1, NAME = 2, ACCEPT = 4, SEND = 8, WATCH = 16 };

static volatile int64_t *page;
static uint8_t inet[FDS];
static unsigned long calls;
static int (*clock_real)(clockid_t id, struct timespec *ts);
static ssize_t (*sendmsg_real)(int fd, const struct msghdr *m, int flags);
static int (*sendmmsg_real)(int fd, struct mmsghdr *m, unsigned n, int flags);

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAIL_PAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = MAP_FAILED;

	clock_real = (int (*)(clockid_t, struct timespec *))
		dlsym(RTLD_NEXT, "clock_gettime");
	sendmsg_real = (ssize_t (*)(int, const struct msghdr *, int))
		dlsym(RTLD_NEXT, "sendmsg");
	sendmmsg_real = (int (*)(int, struct mmsghdr *, unsigned, int))
		dlsym(RTLD_NEXT, "sendmmsg");
	if (fd >= 0) {
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p != MAP_FAILED)
		page = p;
}

static int fails(int which)
{
	int64_t e = page ? page[0] : 0;

	if (!e || !(page[2] & which) || ++calls % (unsigned long)page[1])
		return 0;
	page[3]++;
	errno = (int)e;
	return 1;
}

static int is_inet(int fd)
{
	return fd >= 0 && fd < FDS && inet[fd];
}

static void note(long fd, int yes)
{
	if (fd >= 0 && fd < FDS)
		inet[fd] = (uint8_t)yes;
}

int socket(int domain, int type, int proto)
{
	int ours = domain == AF_INET || domain == AF_INET6;
	long fd;

	if (ours && fails(SOCKET))
		return -1;
	fd = syscall(SYS_socket, domain, type, proto);
	note(fd, ours);
	return (int)fd;
}

int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	long s;

	if (is_inet(fd) && fails(ACCEPT))
		return -1;
	s = syscall(SYS_accept4, fd, sa, len, flags);
	note(s, is_inet(fd));
	return (int)s;
}

int close(int fd)
{
	note(fd, 0);
	return (int)syscall(SYS_close, fd);
}

int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (is_inet(fd) && fails(NAME))
		return -1;
	return (int)syscall(SYS_bind, fd, sa, len);
}

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (is_inet(fd) && fails(NAME))
		return -1;
	return (int)syscall(SYS_connect, fd, sa, len);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	if (is_inet(fd) && fails(SEND))
		return -1;
	return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (is_inet(fd) && fails(SEND))
		return -1;
	return sendmsg_real(fd, m, flags);
}

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	if (is_inet(fd) && fails(SEND))
		return -1;
	return sendmmsg_real(fd, m, n, flags);
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *e)
{
	if (op == EPOLL_CTL_ADD && is_inet(fd) && fails(WATCH))
		return -1;
	return (int)syscall(SYS_epoll_ctl, ep, op, fd, e);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = clock_real ? clock_real(id, ts) : -1;

	if (!rc && id == CLOCK_MONOTONIC && page)
		ts->tv_sec += (time_t)page[4];
	return rc;
}
