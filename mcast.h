/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast.h - groups: what is sent to many, from the host's network to the guest
 *
 * What the guest has joined, see igmp.h, becomes memberships of sockets here.
 */
#ifndef MCAST_H
#define MCAST_H

#include <stdbool.h>

#include "ev.h"
#include "flow.h"
#include "hdr.h"
#include "timer.h"

#define MCAST_GROUPS_MAX	64
#define MCAST_PORTS_MAX		32	/* per group */
#define MCAST_SOCKETS_MAX	256

/* Seconds between questions whether a group is still wanted (RFC 3376 8.2,
 * RFC 9777 9.2), and how long none of them may be answered (8.4, 9.4) */
#define MCAST_QUERY_S		125
#define MCAST_LIFE_S		(2 * MCAST_QUERY_S + 10)

/* mcast_init() - No groups */
void mcast_init(void);

/* mcast_join() - The guest wants, or still wants, what is sent to @group */
void mcast_join(const union addr *group);

/*
 * mcast_leave() - Somebody in the guest has left the group
 *
 * As others may be left it goes on for two seconds, unless mcast_join() comes.
 * Return: whether that has to be asked now
 */
bool mcast_leave(const union addr *group);

/* mcast_forget() - The guest is gone: out of all groups */
void mcast_forget(void);

/* mcast_mac() - The Ethernet address of a group, or of broadcasts */
void mcast_mac(const union addr *group, uint8_t mac[static 6]);

/*
 * mcast_sent() - Datagrams of the guest are about to leave by flow @f, which is
 * an open one (udp_flow.h)
 *
 * If it has joined the group, it hears on the port they go to from now on. The
 * kernel lets all sockets of this host hear them, ours too, but the guest must
 * not.
 */
void mcast_sent(union flow *f, const struct pkt *p, unsigned n);

/* mcast_answers() - An open flow's socket has datagrams from whoever */
void mcast_answers(const union flow *f);

/* mcast_ready() - A group's socket has datagrams */
void mcast_ready(union ev_ref ref, uint32_t mask);

/* mcast_timer() - A group was not asked for again */
void mcast_timer(struct timer *t);

/* mcast_count() - Groups joined; *@sockets: sockets for them */
unsigned mcast_count(unsigned *sockets);

#endif /* MCAST_H */
