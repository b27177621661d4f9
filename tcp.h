/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp.h - the connection machine: segments in, socket events, timers
 */
#ifndef TCP_H
#define TCP_H

#include <stdbool.h>

#include "flow.h"
#include "hdr.h"

/*
 * tcp_input() - Segments from the guest
 * @p:		@n of them, consecutive in arrival, of one flow (same addresses
 *		and ports)
 */
void tcp_input(const struct pkt *p, unsigned n);

/* tcp_make_way() - Side @g is to be the guest's of a new connection: end one that
 * looks the same to it, if all was said. False if it goes on */
bool tcp_make_way(const struct side *g);

/* tcp_invite() - Offer a new flow, the socket of which is @fd, to the guest: its
 * side 1 */
void tcp_invite(union flow *f, int fd);

/* tcp_sock_ready() - A connection's host socket (edge-triggered) */
void tcp_sock_ready(union ev_ref ref, uint32_t mask);

/* tcp_timer() - One of a connection's deadlines may have come */
void tcp_timer(struct timer *t);

/* tcp_resume() - Go on with a flow from the run list */
void tcp_resume(union flow *f);

/* tcp_abort() - End a flow of this type at once, resetting both ends */
void tcp_abort(union flow *f);

#endif /* TCP_H */
