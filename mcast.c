// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mcast.c - groups: what is sent to many, from the host's network to the guest
 *
 * A guest joins a group, but says nothing of ports, while on the host a socket
 * has one. So there is one per group and port that is of use: those at which
 * the well-known groups live, those forwarded by -u, and each to which the
 * guest itself sends in a group that it has joined. They are bound to the
 * group's address. What comes in is told the guest as it was: from whom, to
 * the group, by the group's Ethernet address.
 *
 * Answers to what the guest sends to groups and broadcast addresses come from
 * others than these; such a flow of udp.c has a socket that is open to all, and
 * it is read here.
 *
 * The host's programs shall hear what the guest sends, so the kernel returns it
 * to all sockets that listen, ours among them. We know it again by a hash of
 * all that is in it, kept for a second.
 */
#include "mcast.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "cmsg.h"
#include "cursor.h"
#include "fwd.h"
#include "guest.h"
#include "log.h"
#include "send.h"
#include "siphash.h"
#include "sock.h"
#include "udp_out.h"
#include "util.h"

#define BUDGET		32		/* datagrams per event */
#define ECHOES		64		/* of ours that may come back */
#define ECHO_LIFE	SEC
#define SOURCE_LIFE	(10 * SEC)	/* of the address we send from */
#define LEAVE_DELAY	(2 * SEC)	/* RFC 3376 8.8 and 8.9 */

struct group {
	union addr	addr;		/* ADDR_NONE: free */
	struct timer	timer;
	unsigned	nports;
	bool		leaving;
};

struct member {
	int		fd;		/* -1: free */
	uint16_t	gen;
	uint16_t	group;		/* index */
	in_port_t	port, target;	/* on the host, and of the guest */
};

/* A datagram: what stands in its headers, and then the rest */
struct dgram {
	union addr	src, dst;
	in_port_t	sport, dport;
	uint8_t		data[65536];
};

#define DGRAM_HDR	offsetof(struct dgram, data)

static struct {
	struct group	group[MCAST_GROUPS_MAX];
	struct member	member[MCAST_SOCKETS_MAX];
	struct {
		uint64_t hash, until;
	} echo[ECHOES];
	unsigned	next_echo;
	bool		begun;
	struct dgram	d;
} mc;

/* Where the well-known ones live. IPv6: of any scope */
static const struct {
	uint32_t	v4, v6;
	in_port_t	port;
} service[] = {
	{ 0xe00000fb,	0xfb,		SOCK_PORT_MDNS },
	{ 0xe00000fc,	0x10003,	SOCK_PORT_LLMNR },
	{ 0xeffffffa,	0xc,		SOCK_PORT_SSDP },
	{ 0xeffffffa,	0xc,		SOCK_PORT_WSD },
};

static bool is_service(const union addr *a, unsigned i)
{
	if (addr_is4(a))
		return ntohl(a->w[3]) == service[i].v4;
	return !(a->w[0] & htonl(0xffff)) && !a->w[1] && !a->w[2] &&
	       ntohl(a->w[3]) == service[i].v6;
}

/* wanted() - A group with which sockets are of use: not one of all hosts, of
 * routers or of neighbour discovery, nor of no scope beyond the guest */
static bool wanted(const union addr *a)
{
	static const uint8_t solicited[13] = { 0xff, 2, [11] = 1, [12] = 0xff };
	uint32_t low = ntohl(a->w[3]);

	if (addr_class(a) != ADDR_MULTICAST)
		return false;
	if (addr_is4(a))		/* RFC 5771 4, RFC 3376 4.2.14 */
		return low != 0xe0000001 && low != 0xe0000002 &&
		       low != 0xe0000016;
	if ((a->b[1] & 0xf) < 2 || !memcmp(a, solicited, sizeof(solicited)))
		return false;
	return a->w[1] || a->w[2] || (low != 1 && low != 2 && low != 0x16);
}

/* -------------------------------------------------------------- groups */

static struct group *find(const union addr *a)
{
	unsigned i;

	for (i = 0; i < MCAST_GROUPS_MAX; i++) {
		if (addr_eq(&mc.group[i].addr, a))
			return &mc.group[i];
	}
	return NULL;
}

static struct member *member_of(const struct group *g, in_port_t port)
{
	unsigned n = (unsigned)(g - mc.group), i;

	for (i = 0; i < MCAST_SOCKETS_MAX; i++) {
		struct member *m = &mc.member[i];

		if (m->fd >= 0 && m->group == n && m->port == port)
			return m;
	}
	return NULL;
}

/* hear() - Have a socket for group @g at @port */
static void hear(struct group *g, in_port_t port, in_port_t target)
{
	union ev_ref ref = { .type = EV_MCAST };
	char str[ADDR_STRLEN];
	struct member *m;
	int fd;

	if (!port || g->nports >= MCAST_PORTS_MAX || member_of(g, port))
		return;
	for (m = mc.member; m->fd >= 0; m++) {
		if (m == &mc.member[MCAST_SOCKETS_MAX - 1])
			return;
	}

	fd = sock_udp_member(&g->addr, port);
	if (fd >= 0) {
		int rc;

		m->gen++;
		ref.index = (uint32_t)(m - mc.member);
		ref.gen = m->gen;
		rc = ev_add(fd, EPOLLIN, ref);
		if (rc) {
			close(fd);
			fd = rc;
		}
	}
	debug("Group %s: %s", addr_port_str(&g->addr, port, str),
	      fd < 0 ? strerror(-fd) : "joined for the guest");
	if (fd < 0)
		return;
	m->fd = fd;
	m->group = (uint16_t)(g - mc.group);
	m->port = port;
	m->target = target;
	g->nports++;
}

/* hear_all() - At every port known by now */
static void hear_all(struct group *g)
{
	const struct ruleset *rs = fwd_rules(FWD_UDP_IN);
	unsigned i, port;

	for (i = 0; i < ARRAY_LEN(service); i++) {
		if (is_service(&g->addr, i))
			hear(g, service[i].port, service[i].port);
	}
	for (i = 0; i < rs->n; i++) {
		const struct fwd_rule *r = &rs->rule[i];

		/* Not if restricted to some address or interface: that is not
		 * where groups are. Nor "all" ports */
		if (r->weak || *r->ifname || addr_is_unicast(&r->addr))
			continue;
		for (port = r->first; port <= r->last &&
				      g->nports < MCAST_PORTS_MAX; port++)
			hear(g, (in_port_t)port,
			     (in_port_t)(r->target + (port - r->first)));
	}
}

static void drop(struct group *g)
{
	char str[ADDR_STRLEN];
	unsigned i;

	debug("Group %s: left", addr_str(&g->addr, str));
	for (i = 0; i < MCAST_SOCKETS_MAX; i++) {
		struct member *m = &mc.member[i];

		if (m->fd < 0 || &mc.group[m->group] != g)
			continue;
		close(m->fd);
		m->fd = -1;
	}
	timer_off(&g->timer);
	g->addr = ADDR_NONE;
	g->nports = 0;
}

void mcast_forget(void)
{
	unsigned i;

	for (i = 0; i < MCAST_GROUPS_MAX; i++) {
		if (!addr_is_none(&mc.group[i].addr))
			drop(&mc.group[i]);
	}
}

void mcast_init(void)
{
	unsigned i;

	if (mc.begun)
		mcast_forget();
	mc.begun = true;
	memset(mc.group, 0, sizeof(mc.group));
	memset(mc.echo, 0, sizeof(mc.echo));
	for (i = 0; i < MCAST_SOCKETS_MAX; i++)
		mc.member[i].fd = -1;
}

void mcast_join(const union addr *group)
{
	enum guest_family f = addr_is4(group) ? GUEST_V4 : GUEST_V6;
	struct group *g;

	if (!wanted(group) || !guest()->net[f].on)
		return;
	g = find(group);
	if (!g) {
		g = find(&ADDR_NONE);
		if (!g)
			return;			/* more than we care for */
		*g = (struct group){ .addr = *group };
	}
	g->leaving = false;
	hear_all(g);
	timer_set(&g->timer, TM_MCAST, MCAST_LIFE_S * SEC);
}

bool mcast_leave(const union addr *group)
{
	struct group *g = addr_is_none(group) ? NULL : find(group);

	if (!g || g->leaving)
		return false;
	g->leaving = true;
	timer_set(&g->timer, TM_MCAST, LEAVE_DELAY);
	return true;
}

void mcast_timer(struct timer *t)
{
	drop(container_of(t, struct group, timer));
}

unsigned mcast_count(unsigned *sockets)
{
	unsigned n = 0, i;

	for (*sockets = 0, i = 0; i < MCAST_SOCKETS_MAX; i++)
		*sockets += mc.member[i].fd >= 0;
	for (i = 0; i < MCAST_GROUPS_MAX; i++)
		n += !addr_is_none(&mc.group[i].addr);
	return n;
}

/* -------------------------------------------------------------- our own */

/* hash_of() - Of the datagram in mc.d with @len bytes of data. Structs on the
 * stack are not compared: that one is static and has no padding but zeros */
static uint64_t hash_of(size_t len)
{
	return siphash(&mc.d, DGRAM_HDR + len);
}

/* remember() - That the datagram in mc.d will come back to us */
static void remember(size_t len)
{
	unsigned i = mc.next_echo++ % ECHOES;

	mc.echo[i].hash = hash_of(len);
	mc.echo[i].until = clock_now() + ECHO_LIFE;
}

/* is_ours() - Is this one of those? Each comes once, so that who sends the same
 * from the same address and port, on this host, is heard as well */
static bool is_ours(size_t len)
{
	uint64_t hash = hash_of(len);
	unsigned i;

	for (i = 0; i < ECHOES; i++) {
		if (mc.echo[i].until >= clock_now() &&
		    mc.echo[i].hash == hash) {
			mc.echo[i].until = 0;
			return true;
		}
	}
	return false;
}

void mcast_sent(union flow *f, const struct pkt *p, unsigned n)
{
	uint32_t period = (uint32_t)(clock_now() / SOURCE_LIFE);
	struct side *s = &f->h.side[1];
	struct group *g = find(&s->peer);
	bool back = s->ours_port == s->peer_port;	/* to this very socket */
	unsigned i;

	if (g)
		hear(g, s->peer_port, s->peer_port);
	if (addr_class(&s->peer) == ADDR_MULTICAST)
		back = g && member_of(g, s->peer_port);
	if (!back)
		return;

	/* The flow may live longer than the host's address */
	if (!f->udp.bound && f->udp.named != period)
		sock_udp_source(s);
	f->udp.named = period;

	mc.d.src = s->ours;
	mc.d.sport = s->ours_port;
	mc.d.dst = s->peer;
	mc.d.dport = s->peer_port;
	for (i = 0; i < n; i++) {
		struct cursor c = p[i].data;
		size_t len;

		do {
			len = cur_left(&c);
			if (p[i].gso_size)
				len = MIN(len, p[i].gso_size);
			if (!cur_pull(&c, mc.d.data, len))
				break;
			remember(len);
		} while (cur_left(&c));
	}
}

/* -------------------------------------------------------------- to the guest */

void mcast_mac(const union addr *group, uint8_t mac[static 6])
{
	static const uint8_t v4[6] = { 1, 0, 0x5e }, v6[6] = { 0x33, 0x33 };

	if (addr_class(group) != ADDR_MULTICAST) {
		memset(mac, 0xff, 6);
	} else if (addr_is4(group)) {		/* RFC 1112 6.4 */
		memcpy(mac, v4, 3);
		memcpy(mac + 3, group->b + 13, 3);
		mac[3] &= 0x7f;
	} else {				/* RFC 2464 7 */
		memcpy(mac, v6, 2);
		memcpy(mac + 2, group->b + 12, 4);
	}
}

/* What else came with a datagram */
struct about {
	ssize_t	len;		/* -1: an error instead */
	uint8_t	ttl, tos;
	union addr to, local;	/* where to; our address, the same if it was to
				 * us alone (if the socket tells) */
};

/* take() - The next datagram of a socket to mc.d, without destination; false
 * if there is none */
static bool take(int fd, struct about *a)
{
	union {
		struct cmsghdr align;
		uint8_t buf[160];
	} ctrl;
	union sockaddr_any from = { .sa.sa_family = AF_UNSPEC };
	struct iovec iov = { mc.d.data, sizeof(mc.d.data) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &ctrl, .msg_controllen = sizeof(ctrl),
	};
	struct cmsghdr *c;
	uint32_t scope;

	*a = (struct about){ .ttl = UDP_TTL_DEFAULT };
	a->len = recvmsg(fd, &m, MSG_DONTWAIT);
	if (a->len < 0)		/* any but EAGAIN is hereby taken off */
		return errno != EAGAIN;
	if (!addr_from_sa(&from, &mc.d.src, &mc.d.sport) ||
	    m.msg_flags & MSG_TRUNC)
		a->len = -1;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (cmsg_header(c, &a->ttl, &a->tos))
			continue;
		cmsg_pktinfo(c, true, &a->to, &scope);
		cmsg_pktinfo(c, false, &a->local, &scope);
	}
	return true;
}

/* give() - What take() got to the guest at @dst */
static void give(const struct about *a, const union addr *dst, in_port_t port)
{
	union addr src = fwd_seen_as(&mc.d.src);
	uint8_t mac[6];

	mcast_mac(dst, mac);
	if (addr_is_unicast(&src) && mc.d.sport)
		send_dgram(&src, mc.d.sport, dst, port, a->ttl, a->tos, mac,
			   mc.d.data, (size_t)a->len);
}

void mcast_ready(union ev_ref ref, uint32_t mask)
{
	const struct member *m;
	const struct group *g;
	struct about a;
	unsigned i;

	(void)mask;
	if (ref.index >= MCAST_SOCKETS_MAX)
		return;
	m = &mc.member[ref.index];
	if (m->fd < 0 || m->gen != ref.gen)
		return;
	g = &mc.group[m->group];
	for (i = 0; i < BUDGET && take(m->fd, &a); i++) {
		mc.d.dst = g->addr;
		mc.d.dport = m->port;
		if (a.len >= 0 && !is_ours((size_t)a.len))
			give(&a, &g->addr, m->target);
	}
}

/* answer() - To one whom only the guest asked; its own Ethernet address */
static void answer(const union flow *f, const struct about *a)
{
	const struct side *gs = &f->h.side[0];
	union addr src = fwd_seen_as(&mc.d.src);

	if (addr_is_unicast(&src) && mc.d.sport)
		send_dgram(&src, mc.d.sport, &gs->peer, gs->peer_port, a->ttl,
			   a->tos, NULL, mc.d.data, (size_t)a->len);
}

void mcast_answers(const union flow *f)
{
	const struct side *gs = &f->h.side[0], *hs = &f->h.side[1];
	struct about a;
	unsigned i;

	for (i = 0; i < BUDGET && take(f->udp.sock[1], &a); i++) {
		if (a.len < 0)
			continue;
		if (addr_eq(&a.to, &a.local)) {
			answer(f, &a);
			continue;
		}
		/* A broadcast, by whoever has the port in common. Not one to
		 * another address than the flow's, which has its own */
		if (!addr_eq(&a.to, &hs->peer))
			continue;
		mc.d.dst = hs->peer;
		mc.d.dport = hs->ours_port;
		if (!is_ours((size_t)a.len))
			give(&a, &gs->ours, gs->peer_port);
	}
}
