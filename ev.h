/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ev.h - epoll with typed references instead of pointers
 *
 * A reference says what became ready: its type chooses the handler in passt.c,
 * index and generation find the flow or listener, side tells which socket of
 * it. Handlers check the generation, so a stale event finds nobody.
 */
#ifndef EV_H
#define EV_H

#include <stdint.h>
#include <sys/epoll.h>

enum ev_type {
	EV_NONE, EV_TAP, EV_TAP_LISTEN, EV_TCP, EV_TCP_LISTEN, EV_SPLICE, EV_UDP,
	EV_UDP_LISTEN, EV_PING, EV_PASTA, EV_SIGNAL, EV_NEIGH, EV_SCAN,
	EV_MCAST, EV_VHOST, EV_TYPES,
};

union ev_ref {
	struct {
		uint8_t		type, side;
		uint16_t	gen;
		uint32_t	index;
	};
	uint64_t u64;
};

_Static_assert(sizeof(union ev_ref) == 8, "epoll data");

struct ev_event {
	union ev_ref	ref;
	uint32_t	mask;
};

/* ev_init() - Make the epoll instance; die() if the kernel has none left */
void ev_init(void);

/* ev_add(), ev_mod() - Watch @fd for @mask (EPOLLIN, EPOLLET...); 0 or -errno.
 * Closing a descriptor ends the watch by itself if it was never duplicated */
int ev_add(int fd, uint32_t mask, union ev_ref ref);
int ev_mod(int fd, uint32_t mask, union ev_ref ref);
int ev_del(int fd);

/* ev_soon() - A conversation of several short messages has begun, more will most
 * likely follow at once: ev_wait() may be reluctant to sleep */
void ev_soon(void);

/* ev_wait() - Wait at most @ms milliseconds (-1: for ever); fills up to @max
 * events and returns how many, 0 on time-out or EINTR */
int ev_wait(struct ev_event *ev, int max, int ms);

#endif /* EV_H */
