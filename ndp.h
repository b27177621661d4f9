/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndp.h - neighbour and router advertisements (RFC 4861, 8106)
 */
#ifndef NDP_H
#define NDP_H

#include <stdbool.h>

#include "hdr.h"
#include "timer.h"

/* ndp_init() - Start the timer of unsolicited advertisements if they are on */
void ndp_init(void);

/* ndp_input() - An ICMPv6 message of types 133..137; true if it was one of
 * ours (also when it was dropped) */
bool ndp_input(const struct pkt *p);

/* ndp_timer() - Unsolicited router advertisement is due (RFC 4861 6.2.4) */
void ndp_timer(struct timer *t);

/* ndp_tell() - Advertise to all where @a is: at the MAC address of a neighbour of
 * the host's, or at ours if it is none (any more) */
void ndp_tell(const union addr *a);

/* ndp_announce() - A guest is there: solicit its address, to learn its MAC, and
 * begin to advertise ourselves as its router, a few times soon */
void ndp_announce(void);

#endif /* NDP_H */
