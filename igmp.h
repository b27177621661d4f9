/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * igmp.h - IGMP and MLD: which groups the guest wants to hear
 */
#ifndef IGMP_H
#define IGMP_H

#include <stdbool.h>

#include "hdr.h"
#include "timer.h"

/* igmp_init() - Start over */
void igmp_init(void);

/* igmp_announce() - A guest may be there: ask it now, and from now on */
void igmp_announce(void);

/* igmp_input() - An IGMP message (IPv4) */
void igmp_input(const struct pkt *p);

/* mld_input() - An ICMPv6 message; true if it was one of MLD's */
bool mld_input(const struct pkt *p);

/* igmp_timer() - Time to ask again */
void igmp_timer(struct timer *t);

#endif /* IGMP_H */
