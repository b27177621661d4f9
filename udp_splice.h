/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_splice.h - datagrams from socket to socket, past the guest's link
 *
 * The loopback bypass of pasta, for UDP: what is particular to it. The moving
 * itself is udp.c's.
 */
#ifndef UDP_SPLICE_H
#define UDP_SPLICE_H

#include <stdbool.h>

#include "flow.h"
#include "tap.h"

/* udp_splice_init() - Map that room (start; again: nothing) */
void udp_splice_init(void);

/*
 * udp_splice_open() - Connect a new flow with its target
 * @f:		from flow_open(), with a target on PIF_HOST or PIF_NS
 *
 * The socket, watched as EV_UDP of side 1, is in the flow then, and the
 * address that it has in side 1.
 *
 * Return: 0 or -errno
 */
int udp_splice_open(union flow *f);

/* udp_splice_refused() - Log that it could not be, for reason @e (errno) */
void udp_splice_refused(const union flow *f, int e);

/* udp_splice_slots() - As tap_reserve(), but room that has nothing to do with
 * the guest: it is good until the next call, there is no commit and no hdr */
int udp_splice_slots(struct tap_slot *s, unsigned max);

#endif /* UDP_SPLICE_H */
