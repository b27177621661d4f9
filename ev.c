// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ev.c - epoll with typed references instead of pointers
 *
 * The 64 bits that epoll keeps for each descriptor are a struct ev_ref, never
 * a pointer: the owner of an event is looked up again and its generation
 * compared, so that an event for something closed earlier in the same turn
 * finds nobody. This file knows nothing about the owners.
 */
#include "ev.h"

#include <errno.h>
#include <unistd.h>

#include "log.h"

#define EV_BATCH	64

static struct {
	bool open;
	int fd;
} epoll;

void ev_init(void)
{
	if (epoll.open)
		close(epoll.fd);

	epoll.fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll.fd < 0)
		die_perror("Cannot create an epoll instance");
	epoll.open = true;
}

static int ctl(int op, int fd, uint32_t mask, union ev_ref ref)
{
	struct epoll_event e = { .events = mask, .data.u64 = ref.u64 };

	return epoll_ctl(epoll.fd, op, fd, &e) ? -errno : 0;
}

int ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	return ctl(EPOLL_CTL_ADD, fd, mask, ref);
}

int ev_mod(int fd, uint32_t mask, union ev_ref ref)
{
	return ctl(EPOLL_CTL_MOD, fd, mask, ref);
}

int ev_del(int fd)
{
	return ctl(EPOLL_CTL_DEL, fd, 0, (union ev_ref){ .u64 = 0 });
}

int ev_wait(struct ev_event *ev, int max, int ms)
{
	struct epoll_event e[EV_BATCH];
	int i, n;

	n = epoll_wait(epoll.fd, e, MIN(max, EV_BATCH), ms);
	for (i = 0; i < n; i++) {
		ev[i].ref.u64 = e[i].data.u64;
		ev[i].mask = e[i].events;
	}
	return n < 0 ? 0 : n;
}
