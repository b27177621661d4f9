/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl_route.c - what to make of routes: choose a template, rewrite for the guest
 *
 * The decisions on routes that netlink.c has read, apart from it because they
 * talk to nobody: which interface the guest's is modelled on, and how a route
 * of that interface looks when it is a route of ours.
 */
#include "nl_route.h"

#include <linux/rtnetlink.h>
#include <string.h>

/* The heaviest living next hop of @r, not on loopback; NULL without any */
static const struct nl_hop *hop_best(const struct nl_route *r, unsigned index)
{
	const struct nl_hop *best = NULL;
	unsigned i;

	for (i = 0; i < r->nhops; i++) {
		const struct nl_hop *h = &r->hop[i];

		if (h->oif <= 1 || (index && h->oif != index) ||
		    h->flags & RTNH_F_DEAD)
			continue;
		if (!best || h->weight > best->weight)
			best = h;
	}
	return best;
}

unsigned nl_template(const struct nl_route *r, int n, unsigned index,
		     union addr *gw)
{
	const struct nl_hop *h, *spare = NULL, *any = NULL;
	int i;

	*gw = ADDR_NONE;
	for (i = 0; i < n; i++) {
		h = hop_best(&r[i], index);
		if (!h)
			continue;
		if (r[i].dst_len) {
			if (!any && addr_class(&r[i].dst) != ADDR_LINKLOCAL)
				any = h;
		} else if (!(h->flags & RTNH_F_LINKDOWN)) {
			*gw = h->gw;
			return h->oif;
		} else if (!spare) {
			spare = h;
		}
	}
	if (spare) {
		*gw = spare->gw;
		return spare->oif;
	}
	return any ? any->oif : 0;
}

bool nl_route_retarget(struct nl_route *r, unsigned from, unsigned to)
{
	unsigned i, n = 0;

	for (i = 0; i < r->nhops; i++) {
		struct nl_hop h = r->hop[i];

		if (h.oif != from)
			continue;
		h.oif = to;
		h.flags &= RTNH_F_ONLINK;	/* the rest is state */
		r->hop[n++] = h;
	}
	r->nhops = n;
	r->nhid = 0;
	r->flags = 0;
	if (r->proto == RTPROT_KERNEL || r->proto == RTPROT_RA ||
	    r->proto == RTPROT_REDIRECT)
		r->proto = RTPROT_BOOT;		/* not theirs any more */
	return n > 0;
}

void nl_route_default(struct nl_route *r, const union addr *gw,
		      unsigned index, bool onlink)
{
	memset(r, 0, sizeof(*r));
	r->family = addr_is4(gw) ? AF_INET : AF_INET6;
	r->type = RTN_UNICAST;
	r->scope = RT_SCOPE_UNIVERSE;
	r->proto = RTPROT_BOOT;
	r->table = RT_TABLE_MAIN;
	r->dst = addr_any(addr_is4(gw));
	r->nhops = 1;
	r->hop[0].gw = *gw;
	r->hop[0].oif = index;
	r->hop[0].flags = onlink ? RTNH_F_ONLINK : 0;
}
