// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd.c - the translation: from the initiating side of a flow to its target
 *
 * Three ways lead through here, one function each: from the guest to the host,
 * from a client on the host to the guest (or, in the loopback bypass, to a
 * socket in its namespace), and from inside that namespace to the host.
 * Each reads as the list of rules in the manual, first match first.
 *
 * This is also where the guest is kept away from the host's loopback: the only
 * ways there are the address that the user mapped, and a resolver that the
 * user, or the host's configuration, put there for ports of DNS. Whatever else
 * comes out of the rules as a loopback or unspecified destination is dropped,
 * however it came about.
 */
#include "fwd.h"

#include <netinet/in.h>

#include "guest.h"

#define PORT_DNS	53	/* RFC 1035 4.2 */
#define PORT_DOT	853	/* RFC 7858 3.1, RFC 9250 4.1.1 */

static struct {
	struct fwd_conf c;
} fwd;

void fwd_init(const struct fwd_conf *conf)
{
	fwd.c = *conf;
}

static const struct fwd_net *net_of(const union addr *a)
{
	return &fwd.c.net[addr_is4(a) ? GUEST_V4 : GUEST_V6];
}

static const struct guest_net *guest_net_of(const union addr *a)
{
	return &guest()->net[addr_is4(a) ? GUEST_V4 : GUEST_V6];
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* Is @mapped configured, and is @a just that? */
static bool is_mapped(const union addr *a, const union addr *mapped)
{
	return !addr_is_none(mapped) && addr_eq(a, mapped);
}

/* TCP's source port is the kernel's choice; UDP and echo keep theirs, since
 * peers know a client of theirs by it */
static in_port_t source_port(uint8_t proto, const struct side *ini)
{
	return proto == IPPROTO_TCP ? 0 : ini->peer_port;
}

/* May a frame from the guest start a flow at all? */
static bool guest_side_valid(uint8_t proto, const struct side *ini)
{
	enum addr_class dst = addr_class(&ini->ours);
	enum addr_class src = addr_class(&ini->peer);

	if (addr_is4(&ini->peer) != addr_is4(&ini->ours))
		return false;
	if ((proto == IPPROTO_ICMP && !addr_is4(&ini->ours)) ||
	    (proto == IPPROTO_ICMPV6 && addr_is4(&ini->ours)))
		return false;
	if (!guest_net_of(&ini->ours)->on)
		return false;

	/* Loopback must not appear on a link: RFC 1122 3.2.1.3, RFC 4291
	 * 2.5.3; a source is always a single host: RFC 1122 3.2.1.3 */
	if (src != ADDR_UNICAST && src != ADDR_LINKLOCAL)
		return false;
	if (has_ports(proto) && (!ini->peer_port || !ini->ours_port))
		return false;

	if (dst == ADDR_MULTICAST || dst == ADDR_BROADCAST)
		return proto == IPPROTO_UDP;	/* RFC 9293 3.9.2.3 */
	return dst == ADDR_UNICAST || dst == ADDR_LINKLOCAL;
}

/*
 * Destination on the host for what the guest sent to @dst. Return: whether it
 * is one of the two mappings that may lead to the host's loopback
 */
static bool map_outbound(uint8_t proto, const union addr *dst, in_port_t port,
			 union addr *to)
{
	const struct fwd_net *n = net_of(dst);
	bool dns = has_ports(proto) && (port == PORT_DNS || port == PORT_DOT);
	bool resolver = dns && addr_class(&n->dns_host) != ADDR_UNSPEC;

	if (resolver && is_mapped(dst, &n->dns_forward)) {
		*to = n->dns_host;
		return true;
	}

	/* The host's resolver has the mapped address: it is the one meant */
	if (resolver && is_mapped(dst, &n->map_host_loopback) &&
	    addr_eq(dst, &n->dns_host)) {
		*to = *dst;
		return false;
	}

	if (is_mapped(dst, &n->map_host_loopback)) {
		*to = addr_loopback(dst);
		return true;
	}

	*to = is_mapped(dst, &n->map_guest_addr) ? guest_net_of(dst)->addr :
						   *dst;
	return false;
}

static enum fwd_verdict from_guest(uint8_t proto, const struct side *ini,
				   in_port_t port, struct side *tgt)
{
	const union addr *out = &net_of(&ini->ours)->outbound;
	enum addr_class class;
	bool mapped;

	if (fwd.c.no_tap || !guest_side_valid(proto, ini))
		return FWD_DROP;

	mapped = map_outbound(proto, &ini->ours, port, &tgt->peer);
	class = addr_class(&tgt->peer);
	if (class == ADDR_UNSPEC)	/* mapped to an address not known */
		return addr_is_none(&tgt->peer) ? FWD_REFUSE : FWD_DROP;
	if (class == ADDR_V4COMPAT || (class == ADDR_LOOPBACK && !mapped))
		return FWD_DROP;

	tgt->pif = PIF_HOST;
	tgt->peer_port = port;
	tgt->ours = addr_any(addr_is4(&tgt->peer));
	if (class != ADDR_LOOPBACK && !addr_is_none(out))
		tgt->ours = *out;
	tgt->ours_port = source_port(proto, ini);
	return FWD_OK;
}

/* As whom the guest sees a client at @src; ADDR_NONE if nobody will do */
static union addr map_inbound(const union addr *src)
{
	const struct fwd_net *n = net_of(src);
	const struct guest_net *g = guest_net_of(src);
	union addr lo = addr_loopback(src);
	enum addr_class class = addr_class(src);

	if (addr_eq(src, &lo) && !addr_is_none(&n->map_host_loopback))
		return n->map_host_loopback;
	if (is_mapped(src, &g->addr) && !addr_is_none(&n->map_guest_addr))
		return n->map_guest_addr;

	/* The guest would not answer these, or answer itself */
	if (class == ADDR_LOOPBACK || class == ADDR_UNSPEC ||
	    guest_is_self(src))
		return g->our;
	return *src;
}

union addr fwd_seen_as(const union addr *src)
{
	return addr_is_unicast(src) ? map_inbound(src) : ADDR_NONE;
}

/* The namespace's own address for a client like @src. Without one of that
 * family the other does: sockets on both ends, nobody sees the difference, and
 * "localhost" works for clients that try ::1 first */
static union addr namespace_addr(const union addr *src)
{
	const struct guest *g = guest();
	bool v4 = addr_is4(src);
	union addr seen4 = g->net[GUEST_V4].on ? g->seen4 : ADDR_NONE;
	union addr seen6 = g->net[GUEST_V6].on ? g->seen6 : ADDR_NONE;

	if (addr_is_none(v4 ? &seen4 : &seen6))
		v4 = !v4;
	return v4 ? seen4 : seen6;
}

/* A client on the host's loopback may go to a socket of the namespace. Return:
 * whether it can; not when the namespace's address is not known yet */
static bool to_namespace(uint8_t proto, const struct side *ini, in_port_t port,
			 struct side *tgt)
{
	if (!fwd.c.splice || !addr_is_loopback(&ini->peer))
		return false;

	if (fwd.c.host_lo_to_ns_lo)
		tgt->peer = addr_loopback(&ini->peer);
	else
		tgt->peer = namespace_addr(&ini->peer);
	if (addr_is_none(&tgt->peer))
		return false;

	tgt->pif = PIF_NS;
	tgt->peer_port = port;
	tgt->ours = addr_any(addr_is4(&tgt->peer));
	tgt->ours_port = source_port(proto, ini);
	return true;
}

/* The port that @rs leads to when its loopback listener at @port is asked for;
 * 0: it has none */
static in_port_t mapped_port(const struct ruleset *rs, in_port_t port)
{
	unsigned i;

	for (i = 0; i < rs->n; i++) {
		const struct fwd_rule *r = &rs->rule[i];

		if (port < r->first || port > r->last ||
		    (*r->ifname && strcmp(r->ifname, "lo")) ||
		    addr_class(&r->addr) == ADDR_LINKLOCAL ||
		    addr_class(&r->addr) == ADDR_UNICAST)
			continue;
		return (in_port_t)(r->target + (port - r->first));
	}
	return 0;
}

/* Whether a connection to @port of the namespace's loopback comes back to us:
 * our listener there leads to another one of ours on the host, and so on, until
 * there are no descriptors left. (UDP knows its own sockets: udp_splice.c) */
static bool goes_round(uint8_t proto, in_port_t port)
{
	in_port_t back = mapped_port(fwd_rules(FWD_TCP_NS), port);

	return proto == IPPROTO_TCP && back &&
	       mapped_port(fwd_rules(FWD_TCP_IN), back);
}

static enum fwd_verdict from_host(uint8_t proto, const struct side *ini,
				  in_port_t port, struct side *tgt)
{
	enum addr_class src = addr_class(&ini->peer);

	if (!has_ports(proto) || !ini->peer_port || !port)
		return FWD_DROP;
	if (src == ADDR_MULTICAST || src == ADDR_BROADCAST ||
	    src == ADDR_V4COMPAT)
		return FWD_DROP;
	if (to_namespace(proto, ini, port, tgt))
		return addr_is_loopback(&tgt->peer) && goes_round(proto, port) ?
		       FWD_REFUSE : FWD_OK;
	if (fwd.c.no_tap || !guest_net_of(&ini->peer)->on)
		return FWD_REFUSE;

	tgt->ours = map_inbound(&ini->peer);
	if (!addr_is_unicast(&tgt->ours))
		return FWD_REFUSE;	/* no gateway to stand for the client */
	tgt->peer = guest_addr_for(&tgt->ours);
	if (!addr_is_unicast(&tgt->peer))
		return FWD_REFUSE;	/* no guest yet */

	tgt->pif = PIF_GUEST;
	tgt->peer_port = port;
	tgt->ours_port = ini->peer_port;
	return FWD_OK;
}

/* Is the client at side @s a process of the namespace? Who comes from outside
 * has neither a loopback address nor one of the namespace: see map_inbound() */
static bool is_local(const struct side *s)
{
	if (!addr_is_unicast(&s->peer))
		return false;
	return addr_is_loopback(&s->peer) || guest_is_self(&s->peer) ||
	       addr_eq(&s->peer, &s->ours);
}

/*
 * From a listener in the namespace, for its processes only. What they have
 * named is what they get: the host's loopback; or, as the namespace has the
 * host's addresses, one of these, which could otherwise not be reached from
 * inside. The socket on the host is bound to the very address as well: it is
 * the source that a process of the host would have, and if the host has no such
 * address, the attempt ends there instead of somewhere else.
 */
static enum fwd_verdict from_namespace(uint8_t proto, const struct side *ini,
				       in_port_t port, struct side *tgt)
{
	if (!has_ports(proto) || !ini->peer_port || !port)
		return FWD_DROP;
	if (!is_local(ini))
		return FWD_REFUSE;

	tgt->ours = addr_any(addr_is4(&ini->peer));
	switch (addr_class(&ini->ours)) {
	case ADDR_UNSPEC:		/* not known which */
		tgt->peer = addr_loopback(&ini->peer);
		break;
	case ADDR_LOOPBACK:		/* the very one, of 127/8 */
		tgt->peer = ini->ours;
		break;
	case ADDR_UNICAST:
		tgt->peer = tgt->ours = ini->ours;
		break;
	default:			/* link-local: not the same link */
		return FWD_REFUSE;
	}
	tgt->pif = PIF_HOST;
	tgt->peer_port = port;
	tgt->ours_port = source_port(proto, ini);
	return FWD_OK;
}

enum fwd_verdict fwd_target(uint8_t proto, const struct side *ini,
			    in_port_t target, struct side *tgt)
{
	memset(tgt, 0, sizeof(*tgt));	/* sides are hashed as bytes */

	switch ((enum pif)ini->pif) {
	case PIF_GUEST:
		return from_guest(proto, ini, target, tgt);
	case PIF_HOST:
		return from_host(proto, ini, target, tgt);
	case PIF_NS:
		return from_namespace(proto, ini, target, tgt);
	case PIF_NONE:
		break;
	}
	return FWD_DROP;
}

const struct ruleset *fwd_rules(enum fwd_table t)
{
	return &fwd.c.rules[t];
}
