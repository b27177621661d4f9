/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl_route.h - what to make of routes: choose a template, rewrite for the guest
 */
#ifndef NL_ROUTE_H
#define NL_ROUTE_H

#include "netlink.h"

/*
 * nl_template() - Choose the interface and gateway to copy from
 * @r, @n:	as from nl_routes()
 * @index:	only consider this interface, unless 0
 * @gw:		set to the default gateway, ADDR_NONE without
 *
 * The first default route decides (one with carrier, if there is any), its
 * heaviest next hop if it has several; without default route the first
 * interface with any route that is not link-local. Return: index, 0: none
 */
unsigned nl_template(const struct nl_route *r, int n, unsigned index,
		     union addr *gw);

/*
 * nl_route_retarget() - Rewrite a route of interface @from for interface @to:
 * other next hops go, and so does what has no meaning elsewhere
 * Return: false if no next hop is on @from
 */
bool nl_route_retarget(struct nl_route *r, unsigned from, unsigned to);

/* nl_route_default() - Make the default route via @gw on @index; @onlink if
 * @gw is not within a network of the link */
void nl_route_default(struct nl_route *r, const union addr *gw,
		      unsigned index, bool onlink);

#endif /* NL_ROUTE_H */
