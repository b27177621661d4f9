/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_host.h - what the user left open, taken from the host
 */
#ifndef CONF_HOST_H
#define CONF_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

/* What /etc/resolv.conf says, as far as we understand it */
struct resolv {
	union addr	ns[GUEST_FAMILIES][GUEST_DNS_MAX];
	unsigned	nns[GUEST_FAMILIES];
	char		search[GUEST_SEARCH_MAX][GUEST_NAME_LEN];
	unsigned	nsearch;
};

/*
 * host_fill() - Complete @c from the host's interfaces, routes and resolver
 *
 * Per family: template interface, address, prefix, gateway, our own address,
 * local mode where the host has nothing to offer; the default loopback
 * mapping; nameservers and search list; the name of the interface in the
 * namespace. Ends the process if the user asked for what the host lacks.
 */
void host_fill(struct conf *c);

/* resolv_parse() - Read the text of a resolv.conf; never fails, junk is
 * passed over */
void resolv_parse(const char *text, size_t len, struct resolv *r);

/*
 * resolv_apply() - Decide which nameservers of @r the guest of @c is told and
 * which one is behind --dns-forward (for tests; part of host_fill())
 */
void resolv_apply(struct conf *c, const struct resolv *r);

#endif /* CONF_HOST_H */
