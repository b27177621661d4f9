/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - the virtual link: who we are on it, who the guest is
 *
 * Plain facts, filled by the command line and the host's configuration before
 * start, and two things learned while running: the guest's MAC address and
 * the addresses it was last seen using.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define GUEST_DNS_MAX		3	/* per family */
#define GUEST_ALSO_MAX		16	/* per family */
#define GUEST_SEARCH_MAX	6
#define GUEST_NAME_LEN		256	/* domain or host name with NUL */

/* What is particular to one family; index by GUEST_V4 / GUEST_V6 */
enum guest_family { GUEST_V4, GUEST_V6, GUEST_FAMILIES };

struct guest_net {
	bool		on;		/* family in use at all */
	bool		local;		/* local mode: nothing usable on host */
	union addr	addr;		/* assigned to the guest; none if none */
	int		prefix;		/* its length: 0..32, or 64 for IPv6 */
	union addr	also[GUEST_ALSO_MAX];	/* others that were copied */
	unsigned	nalso;
	union addr	gw;		/* default gateway told; none if none */
	union addr	our;		/* us: IPv4 = gw, IPv6 = our link-local */
	union addr	dns[GUEST_DNS_MAX];	/* told to the guest */
	unsigned	ndns;
};

struct guest {
	struct guest_net net[GUEST_FAMILIES];
	uint8_t		our_mac[6];
	uint8_t		mac[6];		/* guest's; broadcast until learned */
	uint16_t	mtu;		/* 0: not told and not set */
	bool		dhcp, dhcpv6, ndp, ra;	/* services that are on */
	bool		tell_dns, tell_search;
	char		search[GUEST_SEARCH_MAX][GUEST_NAME_LEN];
	unsigned	nsearch;
	char		hostname[GUEST_NAME_LEN];	/* empty: none */
	char		fqdn[GUEST_NAME_LEN];

	/* learned (initially the assigned ones) */
	union addr	seen4, seen6, seen6_ll;
	bool		mac_known;
};

/* guest_init() - Take a copy of the facts; "seen" starts as assigned */
void guest_init(const struct guest *facts);

/* guest() - The facts as they are now; read only */
const struct guest *guest(void);

/* guest_saw() - A frame came from the guest: learn its MAC, and @src (may be
 * NULL) as the address it uses, if it is a unicast, non-loopback address */
void guest_saw(const uint8_t mac[static 6], const union addr *src);

/* guest_assigned() - DHCP or DHCPv6 answered: "seen" goes back to assigned */
void guest_assigned(enum guest_family f);

/* guest_addr_for() - Where frames for the guest go when they seem to come from
 * @src: IPv4 seen; for IPv6 the link-local address if @src is link-local and
 * it was seen, else the global one. ADDR_NONE if nothing is known */
union addr guest_addr_for(const union addr *src);

/* guest_is_self() - The guest would take @a for one of its own addresses
 * (assigned, copied from the host, or seen) */
bool guest_is_self(const union addr *a);

/* guest_forget() - The guest went away: MAC and seen as at start */
void guest_forget(void);

#endif /* GUEST_H */
