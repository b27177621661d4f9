/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh.h - the host's neighbours, so that the guest sees them as the host does
 *
 * A mirror of the host's neighbour table: up to 512 entries of the template
 * interface. Whoever is not in it is behind us, with our MAC address.
 */
#ifndef NEIGH_H
#define NEIGH_H

#include "addr.h"
#include "ev.h"
#include "guest.h"
#include "timer.h"

#define NEIGH_MAX	512
#define NEIGH_NEVER_MAX	16

struct neigh_conf {
	unsigned	ifi[GUEST_FAMILIES];	/* template; 0: none */
	/* Addresses that mean something else to the guest than to the host,
	 * and so are ours whoever has them over there; ADDR_NONE is skipped */
	union addr	never[NEIGH_NEVER_MAX];
};

/*
 * neigh_init() - Start over, and subscribe in the current network namespace
 * Return: descriptor to be watched for neigh_ready(); -1 if there is nothing to
 * mirror, or no way to
 */
int neigh_init(const struct neigh_conf *c);

/* neigh_ready() - The kernel has something to say. neigh_news() may follow */
void neigh_ready(union ev_ref ref, uint32_t mask);

/* neigh_timer() - Something had to wait. neigh_news() may follow */
void neigh_timer(struct timer *t);

/* neigh_mac() - MAC address of a neighbour of the host's, as an answer for the
 * guest; NULL if @a is none, or is the guest's own address, or one that always is
 * ours */
const uint8_t *neigh_mac(const union addr *a);

/*
 * neigh_news() - Take an address about which the guest should be told, because
 * neigh_mac() changed
 * Return: false if there is none for now; those beyond the permitted rate come
 * later, after neigh_timer()
 */
bool neigh_news(union addr *a);

#endif /* NEIGH_H */
