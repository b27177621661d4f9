/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arp.h - answer for every IPv4 address but the guest's own
 */
#ifndef ARP_H
#define ARP_H

#include "hdr.h"

/* arp_input() - An ARP packet from the guest; @p->data starts behind the
 * Ethernet header */
void arp_input(const struct pkt *p);

/* arp_tell() - Announce the MAC address of @a, ours if it is no neighbour of the
 * host's (any more): who has it in its table shall correct it */
void arp_tell(const union addr *a);

/* arp_announce() - A guest is there: ask for its address, to learn its MAC */
void arp_announce(void);

#endif /* ARP_H */
