/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.h - links, addresses and routes, of the host or of a namespace
 *
 * A socket made by nl_open() speaks for the namespace it was made in (use
 * ns_call() for the other one). Functions return 0 or a count on success, or
 * -errno. Replies are distrusted like any bytes from outside.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define NL_HOPS_MAX	16	/* next hops of a multipath route */
#define NL_METRICS_MAX	128	/* bytes of nested route metrics */
#define NL_GROUP_MAX	32	/* members of a nexthop group */

/* One attribute; @data points into the message, of @len bytes */
struct nl_attr {
	uint16_t	type;		/* flags masked off */
	uint16_t	len;
	const uint8_t	*data;
};

struct nl_link {
	unsigned	index, flags;	/* IFF_* */
	unsigned	mtu, txqlen;
	char		name[IFNAMSIZ];
	uint8_t		mac[6];
	bool		mac_valid;
};

struct nl_ifaddr {
	union addr	addr;
	union addr	peer;		/* far end, or equal to addr */
	unsigned	index;
	uint8_t		prefix;		/* 0..32 or 0..128 */
	uint8_t		scope;		/* RT_SCOPE_* */
	uint32_t	flags;		/* IFA_F_* */
	uint32_t	metric;		/* of its prefix route; 0: default */
};

struct nl_hop {
	union addr	gw;		/* none: destination is on the link */
	unsigned	oif;
	uint8_t		flags;		/* RTNH_F_* */
	uint16_t	weight;		/* 1..65536, less one */
};

struct nl_route {
	uint8_t		family, dst_len, type, scope, proto, tos;
	uint32_t	table, metric, nhid;
	uint32_t	flags;		/* RTM_F_* and RTNH_F_* */
	uint8_t		pref;		/* RFC 4191, IPv6 */
	union addr	dst;
	unsigned	nhops;
	struct nl_hop	hop[NL_HOPS_MAX];
	uint16_t	metrics_len;
	uint8_t		metrics[NL_METRICS_MAX];
};

/* What RTM_GETNEXTHOP tells of one nexthop object */
struct nl_nexthop {
	uint32_t	id;
	struct nl_hop	hop;
	bool		blackhole;
	unsigned	ngroup;
	struct { uint32_t id; uint16_t weight; } group[NL_GROUP_MAX];
};

/* nl_open() - A socket for the current network namespace, or -errno */
int nl_open(void);

/*
 * nl_next_attr() - Walk over attributes
 * @p, @left:	what is left of them; advanced
 * Return: false at the end, or at the first one that does not fit
 */
bool nl_next_attr(const uint8_t **p, size_t *left, struct nl_attr *a);

/*
 * nl_dump() - Send a request and hand every message of the answer to @fn
 * @req:	complete request, NLM_F_DUMP set or not; sequence is filled in
 * @fn:		gets @len bytes of message after its netlink header, and must
 *		not call this module (one buffer serves all answers)
 *
 * Return: 0 or -errno; -EINTR: the table changed meanwhile, start afresh
 */
int nl_dump(int fd, struct nlmsghdr *req,
	    void (*fn)(void *arg, uint16_t type, const uint8_t *msg,
		       size_t len),
	    void *arg);

/* Readers: one message body to a struct; false if malformed or of no use */
bool nl_link_parse(const uint8_t *msg, size_t len, struct nl_link *l);
bool nl_addr_parse(const uint8_t *msg, size_t len, struct nl_ifaddr *a);
bool nl_route_parse(const uint8_t *msg, size_t len, struct nl_route *r);
bool nl_nexthop_parse(const uint8_t *msg, size_t len, struct nl_nexthop *n);

/* nl_link_get() - Facts of a link by @name, or by @index if @name is NULL */
int nl_link_get(int fd, const char *name, unsigned index, struct nl_link *l);

/* nl_addrs() - Addresses of @family on link @index, as the kernel lists them
 * Return: how many were stored (at most @max), or -errno */
int nl_addrs(int fd, int family, unsigned index, struct nl_ifaddr *a, int max);

/*
 * nl_routes() - Unicast routes of the main table, with nexthop objects
 * resolved into plain next hops
 * Return: how many were stored (at most @max), or -errno
 */
int nl_routes(int fd, int family, struct nl_route *r, int max);

/* Changes: each is one request, acknowledged */
int nl_link_up(int fd, unsigned index);
int nl_link_mtu(int fd, unsigned index, unsigned mtu);
int nl_link_mac(int fd, unsigned index, const uint8_t mac[static 6]);
int nl_link_txqlen(int fd, unsigned index, unsigned len);

/* nl_link_no_autoaddr() - The kernel shall make no link-local address itself
 * (it would take a second to verify it) */
int nl_link_no_autoaddr(int fd, unsigned index);

/* nl_addr_add() - Usable at once, without duplicate detection */
int nl_addr_add(int fd, unsigned index, const struct nl_ifaddr *a);

/*
 * nl_addr_live() - Does the kernel take what is sent to IPv6 address @a of link
 * @index? It has been told to by nl_addr_add(), but gets to it later
 * Return: 1, 0, or -errno if it does not say
 */
int nl_addr_live(int fd, unsigned index, const union addr *a);

/* nl_route_add() - Add @r with its next hops as they are; an equal one that
 * exists is success */
int nl_route_add(int fd, const struct nl_route *r);

#endif /* NETLINK_H */
