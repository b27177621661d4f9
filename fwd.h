/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd.h - the translation: from the initiating side of a flow to its target
 *
 * fwd_target() is a pure function of the configuration, the guest's facts and
 * the initiating side. Every documented address mapping is in it and nowhere
 * else; the reverse direction needs no code, since a flow stores both sides.
 */
#ifndef FWD_H
#define FWD_H

#include "addr.h"
#include "fwd_rule.h"

/* Where a side of a flow lives: on the guest's link, among the host's sockets,
 * or among sockets of the target namespace (loopback bypass of pasta) */
enum pif { PIF_NONE, PIF_GUEST, PIF_HOST, PIF_NS };

/*
 * One side of a flow, as seen from us: who is out there, and as whom we face
 * them. On the guest's link, frames to the guest carry ours -> peer; on the
 * host, our socket is bound to ours and connected to peer. An unspecified
 * "ours" leaves the choice to the kernel.
 */
struct side {
	union addr	peer, ours;
	in_port_t	peer_port, ours_port;	/* host order */
	uint8_t		pif;
	uint8_t		pad[3];
};

_Static_assert(sizeof(struct side) == 40, "struct side");

enum fwd_verdict {
	FWD_OK,
	FWD_REFUSE,		/* tell the initiator (reset, unreachable) */
	FWD_DROP,		/* silence */
};

/* Per family, index as in guest.h; ADDR_NONE = not set */
struct fwd_net {
	union addr	map_host_loopback;
	union addr	map_guest_addr;
	union addr	dns_forward, dns_host;
	union addr	outbound;	/* source of host sockets */
	char		outbound_if[IFNAMSIZ];	/* for sock_outbound_if() */
};

enum fwd_table { FWD_TCP_IN, FWD_UDP_IN, FWD_TCP_NS, FWD_UDP_NS, FWD_TABLES };

static inline bool fwd_is_tcp(enum fwd_table t)
{
	return t == FWD_TCP_IN || t == FWD_TCP_NS;
}

/* fwd_is_inbound() - From the host to the guest; else out of the namespace */
static inline bool fwd_is_inbound(enum fwd_table t)
{
	return t == FWD_TCP_IN || t == FWD_UDP_IN;
}

struct fwd_conf {
	struct fwd_net	net[2];
	bool		splice;		/* pasta: loopback bypass allowed */
	bool		host_lo_to_ns_lo;
	bool		no_tap;		/* --splice-only */
	struct ruleset	rules[FWD_TABLES];	/* -t -u -T -U */
};

void fwd_init(const struct fwd_conf *conf);

/*
 * fwd_target() - Decide the other side of a new flow
 * @proto:	IPPROTO_TCP, _UDP, _ICMP or _ICMPV6
 * @ini:	complete initiating side: for a listener, ours is the local
 *		address and port the client used
 * @target:	port after remapping for flows from listeners (from the rule),
 *		else ini->ours_port
 * @tgt:	filled when FWD_OK
 */
enum fwd_verdict fwd_target(uint8_t proto, const struct side *ini,
			    in_port_t target, struct side *tgt);

/* fwd_seen_as() - As whom the guest sees somebody on the host's side at @src;
 * not unicast if nobody will do */
union addr fwd_seen_as(const union addr *src);

/* fwd_rules() - The rule table of one direction and protocol */
const struct ruleset *fwd_rules(enum fwd_table t);

#endif /* FWD_H */
