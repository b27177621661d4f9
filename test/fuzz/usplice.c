// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usplice.c - datagrams past the guest's link: clients of ports that are
 * forwarded into the namespace and out of it, servers that answer, and calls
 * that fail
 *
 * Each datagram that leaves is one that came, whole, the next one or a later
 * one of its sender, and goes to whom it is for, from where that one expects
 * it. Unless something failed that may cost datagrams, none is missing: also
 * when a send reported the error of another one. At the end nothing is left but
 * the listeners.
 *
 * Input: what the kernel can do, then steps; each is a byte that says which and
 * those it takes.
 *
 * link: -Wl,--wrap=socket,--wrap=close,--wrap=bind,--wrap=connect,--wrap=listen
 * link: -Wl,--wrap=accept4,--wrap=shutdown,--wrap=getsockname
 * link: -Wl,--wrap=setsockopt,--wrap=getsockopt,--wrap=poll,--wrap=sendmsg
 * link: -Wl,--wrap=send,--wrap=sendmmsg,--wrap=recvmsg,--wrap=recv
 * link: -Wl,--wrap=recvmmsg,--wrap=ev_add,--wrap=ev_mod,--wrap=ev_del
 * link: -Wl,--wrap=ev_wait,--wrap=ev_soon,--wrap=read_file,--wrap=getrandom
 * link: -Wl,--wrap=sock_features,--wrap=ns_call
 */
#include "fuzz.h"

#include <errno.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "fake_net.h"
#include "flow.h"
#include "fwd_listen.h"
#include "half.h"
#include "log.h"
#include "ns.h"
#include "siphash.h"
#include "sock.h"
#include "store.h"
#include "udp.h"
#include "udp_splice.h"
#include "util.h"
#include "wire.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define CLIENTS		16	/* 4 ports, 2 families, 2 places */
#define PORT0		5000	/* the first of the ports */
#define WAITING		256	/* segments on their way, per sender */

/* A datagram that came and has not left */
struct sent {
	uint8_t		head[16];
	uint32_t	number;		/* of net_bytes() */
	uint16_t	len, skip;	/* bytes; those of it before this one */
};

struct sender {
	struct sent	q[WAITING];
	unsigned	n;
};

static struct {
	struct sock_features features;
	struct fwd_conf	fwd;
	struct sender	client[CLIENTS], server[CLIENTS];
	uint8_t		buf[65536];
	uint32_t	serial;
	uint64_t	now;
	bool		lossy;
	bool		no_ns;
	unsigned	timers, socks;
} me;

const struct sock_features *__wrap_sock_features(void);
int __wrap_ns_call(int (*fn)(void *), void *arg);

const struct sock_features *__wrap_sock_features(void)
{
	return &me.features;
}

int __wrap_ns_call(int (*fn)(void *), void *arg)
{
	int rc;

	if (me.no_ns)
		return -EPERM;
	net()->in_ns = true;
	rc = fn(arg);
	net()->in_ns = false;
	return rc;
}

/* ---------------------------------------------------------------- what leaves */

static unsigned client_no(uint8_t pif, const union addr *a, in_port_t port)
{
	FUZZ_CHECK(addr_is_loopback(a) && port >= PORT0 && port < PORT0 + 4);
	return (port - PORT0) * 4U + (pif == PIF_NS ? 2 : 0) +
	       (addr_is4(a) ? 0 : 1);
}

static bool is_same(const struct sent *d, const uint8_t *p, size_t len)
{
	uint8_t want[16];
	size_t i, n;

	if (d->len != len)
		return false;
	memcpy(want, d->head, sizeof(want));
	for (i = 0; i < len && d->skip + i < sizeof(want); i++)
		if (p[i] != want[d->skip + i])
			return false;
	n = len - i;
	return !n || !memcmp(p + i, net_bytes(d->number + d->skip +
					      (uint32_t)i), n);
}

/* The next of them, or a later one: then those before it are lost */
static void one_left(struct sender *s, const uint8_t *p, size_t len)
{
	unsigned i;

	for (i = 0; i < s->n && !is_same(&s->q[i], p, len); i++)
		;
	FUZZ_CHECK(i < s->n);
	FUZZ_CHECK(!i || me.lossy);
	s->n -= i + 1;
	memmove(s->q, s->q + i + 1, s->n * sizeof(*s->q));
}

static void left(struct sender *s, const struct msghdr *m)
{
	size_t len = 0, at, i, seg;
	struct cmsghdr *c;
	uint16_t v = 0;

	for (i = 0; i < (size_t)m->msg_iovlen; i++) {
		FUZZ_CHECK(len + m->msg_iov[i].iov_len <= 65535);
		memcpy(me.buf + len, m->msg_iov[i].iov_base,
		       m->msg_iov[i].iov_len);
		len += m->msg_iov[i].iov_len;
	}
	for (c = m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL; c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
			memcpy(&v, CMSG_DATA(c), sizeof(v));
	FUZZ_CHECK(!v || (me.features.udp_gso && (len + v - 1) / v <= 64));
	seg = v ? v : len;
	at = 0;
	do {
		one_left(s, me.buf + at, MIN(seg, len - at));
		at += seg;
	} while (at < len);
}

/* By a listener: as the address that the client had sent to */
static void from_us(const struct msghdr *m, const union addr *to)
{
	union addr us = ADDR_NONE;
	struct in6_pktinfo i6;
	struct in_pktinfo i4;
	struct cmsghdr *c;

	for (c = m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL; c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&i4, CMSG_DATA(c), sizeof(i4));
			us = addr_from4(i4.ipi_spec_dst);
		} else if (c->cmsg_level == SOL_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&i6, CMSG_DATA(c), sizeof(i6));
			us.in6 = i6.ipi6_addr;
		}
	}
	FUZZ_CHECK(addr_is_loopback(&us) && addr_is4(&us) == addr_is4(to));
}

static void leaves(const struct net_sock *s, const struct msghdr *m)
{
	const struct listener *l;
	union sockaddr_any sa;
	const union flow *f;
	const struct side *c;
	in_port_t port;
	union addr to;

	if (s->connected) {
		f = flow_at(s->ref);
		FUZZ_CHECK(f && f->h.type == FLOW_UDP && !m->msg_name);
		c = &f->h.side[0];
		FUZZ_CHECK(s->in_ns == (c->pif == PIF_HOST));
		FUZZ_CHECK((s->family == AF_INET) == addr_is4(&s->peer));
		FUZZ_CHECK(s->peer_port == (c->pif == PIF_NS ? 7500 : 8500) &&
			   addr_is_loopback(&s->peer) &&
			   addr_is4(&s->peer) == addr_is4(&c->peer));
		left(&me.client[client_no(c->pif, &c->peer, c->peer_port)], m);
		return;
	}
	l = listener_at(s->ref);
	FUZZ_CHECK(l && m->msg_name);
	memset(&sa, 0, sizeof(sa));
	memcpy(&sa, m->msg_name, MIN(m->msg_namelen, sizeof(sa)));
	FUZZ_CHECK(addr_from_sa(&sa, &to, &port));
	from_us(m, &to);
	left(&me.server[client_no(l->pif, &to, port)], m);
}

/* ---------------------------------------------------------------- the loop */

static bool turn(void)
{
	struct ev_event ev[64];
	int n = ev_wait(ev, ARRAY_LEN(ev), 0), i;
	struct timer *t;

	for (i = 0; i < n; i++) {
		if (ev[i].ref.type == EV_UDP)
			udp_sock_ready(ev[i].ref, ev[i].mask);
		else
			udp_listen_ready(ev[i].ref, ev[i].mask);
	}
	while ((t = timer_pop())) {
		FUZZ_CHECK(t->kind == TM_UDP);
		udp_timer(t);
	}
	udp_room();
	tap_flush();
	half_turn();
	flow_reap();
	FUZZ_CHECK(fake_idle() && !fake_pending());
	return n;
}

static void turns(unsigned n)
{
	while (n-- && turn())
		;
}

/* ---------------------------------------------------------------- steps */

static struct net_sock *pick(unsigned n, enum ev_type type)
{
	unsigned i;

	for (i = 0; i < 2 * NET_SOCKS; i++) {
		struct net_sock *s = &net()->sock[i % NET_SOCKS];

		if (s->open && s->watched && s->ref.type == type && !n--)
			return s;
	}
	return NULL;
}

/* @m gets to socket @s, as often as there is room for it */
static void comes(struct net_sock *s, struct sender *from, struct net_msg m,
		  unsigned times)
{
	unsigned parts = m.seg && m.seg < m.len ?
			 (m.len + m.seg - 1U) / m.seg : 1;

	while (times-- && s->nq < NET_QUEUE && from->n + parts <= WAITING) {
		uint32_t at = 0;

		me.serial++;
		memcpy(m.head, &me.serial, sizeof(me.serial));
		s->q[s->nq++] = m;
		do {
			struct sent *d = &from->q[from->n++];

			memcpy(d->head, m.head, sizeof(d->head));
			d->number = m.port;
			d->skip = (uint16_t)at;
			d->len = (uint16_t)(parts > 1 ?
					    MIN(m.seg, m.len - at) : m.len);
			at += d->len;
		} while (at < m.len);
	}
}

static void what_comes(struct in *in, struct net_msg *m)
{
	uint8_t how = in_u8(in);
	uint32_t n = how & 1 ? in_u16(in) : in_u8(in);

	m->ttl = 64;
	m->tos = how >> 6 & 1;
	m->len = MIN(n, 65507U);
	n = how & 2 ? in_u16(in) : 0;
	if (n && me.features.udp_gro)
		m->seg = (uint16_t)MAX(n, m->len / 60 + 1);
}

static void client(struct in *in)
{
	uint8_t who = in_u8(in), times = in_u8(in);
	struct net_sock *s = pick(who >> 4, EV_UDP_LISTEN);
	struct net_msg m = { .port = (in_port_t)(PORT0 + (who & 3)) };
	bool v4;

	if (!s)
		return;
	v4 = s->family == AF_INET || who & 4;
	m.peer = m.local = A(v4 ? "127.0.0.1" : "::1");
	what_comes(in, &m);
	comes(s, &me.client[client_no(listener_at(s->ref)->pif, &m.peer,
				      m.port)], m, 1U + times % NET_QUEUE);
}

static void server(struct in *in)
{
	uint8_t who = in_u8(in), times = in_u8(in);
	struct net_sock *s = pick(who, EV_UDP);
	const struct side *c;
	struct net_msg m = { .ttl = 64 };

	if (!s)
		return;
	c = &flow_at(s->ref)->h.side[0];
	m.peer = s->peer;
	m.port = s->peer_port;
	m.local = s->name;
	what_comes(in, &m);
	comes(s, &me.server[client_no(c->pif, &c->peer, c->peer_port)], m,
	      1U + times % NET_QUEUE);
}

/* One error of a send or read is that of a datagram before: none is lost. Not
 * so if there is no room, or no socket */
static void fail_next(struct in *in)
{
	static const int none_lost[] = { ECONNREFUSED, EIO, EMSGSIZE, EINVAL,
					 EINTR, EPERM, EHOSTUNREACH, EPIPE };
	static const int lost[] = { EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE,
				    EACCES, EPERM, EADDRNOTAVAIL };
	static const enum net_call calls[] = { NET_SOCKET, NET_BIND,
					       NET_CONNECT, NET_WATCH,
					       NET_SEND, NET_RECV };
	uint8_t how = in_u8(in);
	enum net_call c = how & 64 ? NET_RECV : NET_SEND;

	if (how & 128) {
		net()->fail[c].e = none_lost[how & 7];
		net()->fail[c].times = 1;
		net()->fail[c].after = how >> 3 & 7;
		/* The first one ends a call that sent some, and is forgotten */
		if (net()->fail[c].after) {
			net()->fail[c].times = 2;
			me.lossy = true;
		}
		return;
	}
	c = calls[(how & 63) % ARRAY_LEN(calls)];
	net()->fail[c].e = lost[in_u8(in) & 7];
	net()->fail[c].times = 1U + (how >> 6) * 5U;
	net()->fail[c].after = 0;
	me.lossy = true;
}

static void error_comes(struct in *in)
{
	uint8_t who = in_u8(in);
	struct net_sock *s = pick(who & 63, who & 64 ? EV_UDP : EV_UDP_LISTEN);

	if (!s || s->nerr == NET_QUEUE)
		return;
	s->err[s->nerr++] = (struct net_msg){
		.peer = A(s->family == AF_INET ? "127.0.0.1" : "::1"),
		.local = A(s->family == AF_INET ? "127.0.0.1" : "::1"),
		.port = PORT0, .len = who, .e = ECONNREFUSED,
		.origin = s->family == AF_INET ? 2 : 3, .type = 3, .code = 3,
	};
	if (who & 128)
		s->error = ECONNREFUSED;
}

static void pass(struct in *in)
{
	uint8_t n = in_u8(in);

	turns(64);
	me.now += n & 128 ? (n & 127U) * 2 * SEC : n * MSEC;
	clock_set(me.now);
	turns(4);
}

static void shortage(struct in *in)
{
	uint8_t how = in_u8(in);

	me.no_ns = how & 1;
	me.lossy = me.lossy || me.no_ns;
	if (how & 2)
		store_release();
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		client, server, client, server, fail_next, error_comes, pass,
		shortage,
	};
	uint8_t what = in_u8(in);

	steps[what % ARRAY_LEN(steps)](in);
	if (!(what & 128))
		turns(2);
}

/* ---------------------------------------------------------------- begin, end */

static void listeners(void)
{
	static const struct {
		enum fwd_table table;
		in_port_t port, target;
	} rules[] = { { FWD_UDP_IN, 8000, 8500 }, { FWD_UDP_NS, 7000, 7500 } };
	unsigned i;

	memset(&me.fwd, 0, sizeof(me.fwd));
	me.fwd.splice = me.fwd.host_lo_to_ns_lo = true;
	for (i = 0; i < ARRAY_LEN(rules); i++) {
		struct ruleset *rs = &me.fwd.rules[rules[i].table];

		rs->mode = RULES_PORTS;
		rs->n = 1;
		rs->rule[0] = (struct fwd_rule){
			.addr = ADDR_NONE, .first = rules[i].port,
			.last = rules[i].port, .target = rules[i].target,
		};
	}
}

static void begin(struct in *in)
{
	struct guest facts = wire_facts();
	uint8_t how = in_u8(in);

	net_reset();
	me.now += SEC;
	clock_set(me.now);
	timer_reset();
	fake_reset();
	tap_attach(&fake_tap_ops);
	me.features = (struct sock_features){ .udp_gso = how & 1,
					      .udp_gro = how & 2 };
	me.lossy = me.no_ns = false;
	memset(me.client, 0, sizeof(me.client));
	memset(me.server, 0, sizeof(me.server));
	sock_init(2, false);
	ns_set(0);			/* there is one */
	listeners();
	fwd_init(&me.fwd);
	guest_init(&facts);
	if (how & 4)
		guest_saw(guest_mac, NULL);
	flow_init();
	udp_init();
	store_init();
	udp_splice_init();
	listen_all(true, true);
	net()->sent = leaves;
	me.timers = timer_count();
	me.socks = net()->open;
}

static void end(void)
{
	unsigned i;

	memset(net()->fail, 0, sizeof(net()->fail));
	me.no_ns = false;
	turns(1000);
	for (i = 0; i < CLIENTS; i++)
		FUZZ_CHECK(me.lossy ||
			   (!me.client[i].n && !me.server[i].n));
	for (i = 0; i < 4; i++) {
		me.now += 600 * SEC;
		clock_set(me.now);
		turns(4);
		turn();
	}
	store_release();
	FUZZ_CHECK(!flow_count() && !flow_listed(FLOW_UDP_OUT) &&
		   !flow_listed(FLOW_HALF));
	FUZZ_CHECK(timer_count() == me.timers && net()->open == me.socks);
	listen_close_all();
	FUZZ_CHECK(!net()->open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };

	if (!me.now) {
		log_to_stderr(false);
		siphash_init(1);
		me.now = 5000 * SEC;
	}
	begin(&in);
	while (!in_done(&in))
		step(&in);
	end();
	return 0;
}
