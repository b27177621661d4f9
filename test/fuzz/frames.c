// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frames.c - the whole machine: frames from a guest that does as it likes, a
 * network that does so too, time, and calls that fail, from input.c down to the
 * socket calls, which end in fake_net.c
 *
 * What comes out is checked as well: lengths, checksums, addresses, and that
 * the bytes of TCP streams are those of the other end, in either direction. At
 * the end everybody leaves, and nothing may be left: no flow, timer, socket,
 * held byte, kept piece, range or fragment.
 *
 * Input: what the link is like, then steps; each is a byte that says which and
 * those it takes.
 *
 * NET_WRAP: all of
 * link: -Wl,--wrap=socket,--wrap=close,--wrap=bind,--wrap=connect,--wrap=listen
 * link: -Wl,--wrap=accept4,--wrap=shutdown,--wrap=getsockname
 * link: -Wl,--wrap=setsockopt,--wrap=getsockopt,--wrap=poll,--wrap=sendmsg
 * link: -Wl,--wrap=send,--wrap=sendmmsg,--wrap=recvmsg,--wrap=recv
 * link: -Wl,--wrap=recvmmsg,--wrap=ev_add,--wrap=ev_mod,--wrap=ev_del
 * link: -Wl,--wrap=ev_wait,--wrap=ev_soon,--wrap=read_file,--wrap=getrandom
 * link: -Wl,--wrap=sock_features
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>			/* before errqueue.h: timespec */
#include <linux/errqueue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arp.h"
#include "csum.h"
#include "dhcpv6.h"
#include "fake_net.h"
#include "flow.h"
#include "frag.h"
#include "fwd_listen.h"
#include "hold.h"
#include "icmp.h"
#include "igmp.h"
#include "input.h"
#include "log.h"
#include "mcast.h"
#include "ndp.h"
#include "siphash.h"
#include "sock.h"
#include "store.h"
#include "tcp.h"
#include "tcp_accept.h"
#include "tcp_ooo.h"
#include "tcp_sack.h"
#include "udp.h"
#include "udp_splice.h"
#include "util.h"
#include "wire.h"

#define CONNS		8
#define FWD_PORT	8000
#define FRAME_LEN	(ETH_HLEN_ + 65535)

/* The guest's end of a connection */
struct conn {
	bool		used, known;	/* ours: irs was seen */
	bool		v6, inbound;
	in_port_t	gport, hport;
	union addr	peer;
	uint32_t	irs;
	uint32_t	snd, snd_max;	/* next byte to send, as offset */
	uint32_t	rcv;		/* next one expected */
};

static struct {
	struct guest	facts;
	struct fwd_conf	fwd;
	struct sock_features features;
	uint64_t	now;
	uint32_t	iss;		/* of all its connections */
	bool		odd;		/* it sent what nobody may compare */
	unsigned	lose;		/* so many segments with data */
	struct conn	conn[CONNS];
	unsigned	timers, socks;	/* what there is from the beginning */
	uint8_t		frame[FRAME_LEN];
} me;

static const char *const hosts[] = {
	"203.0.113.1", "192.0.2.1", "192.0.2.5", "239.1.2.3", "224.0.0.251",
	"255.255.255.255", "192.0.2.255", "198.51.100.9",
	"2001:db8:9::1", "fe80::1", "2001:db8::5", "ff05::1:3", "ff02::fb",
	"2001:db8::1", "fe80::7", "ff12::42",
};

const struct sock_features *__wrap_sock_features(void);

const struct sock_features *__wrap_sock_features(void)
{
	return &me.features;
}

static union addr host(unsigned n)
{
	return A(hosts[n % ARRAY_LEN(hosts)]);
}

/* ---------------------------------------------------------------- the loop */

static void (*const on_event[EV_TYPES])(union ev_ref ref, uint32_t mask) = {
	[EV_TCP]	= tcp_sock_ready,
	[EV_TCP_LISTEN]	= tcp_accept_ready,
	[EV_UDP]	= udp_sock_ready,
	[EV_UDP_LISTEN]	= udp_listen_ready,
	[EV_PING]	= icmp_sock_ready,
	[EV_MCAST]	= mcast_ready,
};

static void (*const on_timer[TM_KINDS])(struct timer *t) = {
	[TM_TCP]	= tcp_timer,
	[TM_UDP]	= udp_timer,
	[TM_PING]	= icmp_timer,
	[TM_RA]		= ndp_timer,
	[TM_MCAST]	= mcast_timer,
	[TM_IGMP]	= igmp_timer,
	[TM_FRAG]	= frag_timer,
	[TM_LISTEN]	= listen_timer,
};

static void run(enum flow_list which)
{
	unsigned n = MIN(flow_listed(which), 64U);
	union flow *f;

	for (; n && (f = flow_take(which)); n--)
		tcp_resume(f);
}

/* As passt.c does it; false if there was nothing to do */
static bool turn(void)
{
	struct ev_event ev[64];
	struct timer *t;
	int n, i, timers = 0;
	bool busy = flow_listed(FLOW_RUN) || flow_listed(FLOW_LATER);
	uint64_t frames = input_counters()->frames;

	input_ready((union ev_ref){ .type = EV_TAP }, EPOLLIN);
	busy = busy || input_counters()->frames != frames;
	n = ev_wait(ev, ARRAY_LEN(ev), 0);
	for (i = 0; i < n; i++) {
		FUZZ_CHECK(ev[i].ref.type < EV_TYPES &&
			   on_event[ev[i].ref.type]);
		if (ev[i].ref.type != EV_TCP_LISTEN)
			on_event[ev[i].ref.type](ev[i].ref, ev[i].mask);
	}
	for (i = 0; i < n; i++)
		if (ev[i].ref.type == EV_TCP_LISTEN)
			tcp_accept_ready(ev[i].ref, ev[i].mask);
	for (; (t = timer_pop()); timers++) {
		FUZZ_CHECK(t->kind < TM_KINDS && on_timer[t->kind]);
		on_timer[t->kind](t);
		FUZZ_CHECK(timers < 10000);
	}
	run(FLOW_RUN);
	udp_room();
	if (!n)
		run(FLOW_LATER);
	tap_flush();
	flow_reap();
	return n || timers || busy;
}

/* ---------------------------------------------------------------- to the guest */

static struct conn *conn_of(const struct pkt *p)
{
	struct conn *c, *free = NULL;

	for (c = me.conn; c < me.conn + CONNS; c++) {
		if (c->used && c->gport == p->dport && c->hport == p->sport &&
		    addr_eq(&c->peer, &p->src))
			return c;
		if (!free && !c->used)
			free = c;
	}
	/* Somebody connects to the guest */
	if (!free || p->tcp.flags != TH_SYN || p->dport != FWD_PORT)
		return NULL;
	*free = (struct conn){ .used = true, .inbound = true,
			       .v6 = !addr_is4(&p->src), .gport = p->dport,
			       .hport = p->sport, .peer = p->src };
	return free;
}

/* @data: where the payload lies */
static void got_tcp(const struct pkt *p, const uint8_t *data)
{
	struct conn *c = conn_of(p);
	uint32_t len = (uint32_t)cur_left(&p->data), at, had;

	if (!c || p->tcp.flags & TH_RST)
		return;
	if (p->tcp.flags & TH_ACK && !me.odd && c->snd_max)
		FUZZ_CHECK((int32_t)(p->tcp.ack - me.iss - c->snd_max) <= 0);
	if (p->tcp.flags & TH_SYN) {
		if (c->known && c->irs == p->tcp.seq)
			return;
		c->known = true;
		c->irs = p->tcp.seq;
		c->rcv = 1;
		return;
	}
	if (!c->known)
		return;
	at = p->tcp.seq - c->irs;
	/* A probe is any byte that the guest has */
	had = (int32_t)(c->rcv - at) > 0 ? MIN(c->rcv - at, len) : 0;
	FUZZ_CHECK(!memcmp(data + had, net_bytes(at - 1 + had), len - had));
	if (len && me.lose) {		/* as if it had not come */
		me.lose--;
		return;
	}
	if ((int32_t)(at - c->rcv) > 0)
		return;
	len += !!(p->tcp.flags & TH_FIN);
	if ((int32_t)(at + len - c->rcv) > 0)
		c->rcv = at + len;
}

static void sum_check(const struct pkt *p, const uint8_t *f, size_t len)
{
	uint8_t pseudo[40] = { 0 };
	size_t at = hdr_ip_len(&p->dst);
	uint32_t sum = 0;

	if (p->proto == IPPROTO_IGMP)
		at += (f[14] & 15U) * 4 - IP4_HLEN;
	else if (!addr_is4(&p->dst) && f[20] == IPPROTO_HOPOPTS)
		at += 8;
	if (p->proto != IPPROTO_ICMP && p->proto != IPPROTO_IGMP) {
		memcpy(pseudo, &p->src, 16);
		memcpy(pseudo + 16, &p->dst, 16);
		pseudo[34] = (uint8_t)((len - at) >> 8);
		pseudo[35] = (uint8_t)(len - at);
		pseudo[39] = p->proto;
		sum = wire_sum(pseudo, sizeof(pseudo), 0);
	}
	FUZZ_CHECK(wire_sum(f + at, len - at, sum) == 0xffff);
}

/* One frame to the guest: it must be one, whatever it was an answer to */
static void got(const uint8_t *f, size_t len, const struct fake_info *info)
{
	struct iovec iov = { (void *)(uintptr_t)f, len };
	size_t ip = 0, mtu = guest()->mtu ? guest()->mtu : 65535;
	enum hdr_verdict v;
	struct pkt p;

	FUZZ_CHECK(len >= 14);
	FUZZ_CHECK(!memcmp(f + 6, me.facts.our_mac, 6));
	v = hdr_parse(&p, &iov, len);
	FUZZ_CHECK(v == HDR_OK || v == HDR_FRAG);
	if (p.ethertype == ETHTYPE_ARP)
		return;
	ip = p.ethertype == ETHTYPE_IP4 ? wire_be(f + 16, 2) :
					  40 + wire_be(f + 18, 2);
	FUZZ_CHECK(len == 14 + ip || (len == 60 && ip < 46));
	if (p.ethertype == ETHTYPE_IP4)
		FUZZ_CHECK(wire_sum(f + 14, (f[14] & 15U) * 4, 0) == 0xffff);
	if (info->gso)
		FUZZ_CHECK(info->gso_size && info->gso_size < mtu);
	else
		FUZZ_CHECK(ip <= MAX(mtu, 1280U) || p.proto == IPPROTO_TCP);
	FUZZ_CHECK(addr_class(&p.src) != ADDR_UNSPEC || v != HDR_OK ||
		   p.proto == IPPROTO_IGMP || p.proto == IPPROTO_ICMPV6);
	if (v == HDR_FRAG)
		return;
	if (!info->gso && !info->csum_partial)
		sum_check(&p, f, 14 + ip);
	if (p.proto == IPPROTO_TCP)
		got_tcp(&p, f + 14 + ip - cur_left(&p.data));
}

static void drain(void)
{
	struct fake_info info;
	size_t len;

	while ((len = fake_pop(me.frame, sizeof(me.frame), &info)))
		got(me.frame, len, &info);
}

static void turns(unsigned n)
{
	while (n-- && turn())
		drain();
	drain();
}

/* ---------------------------------------------------------------- from the guest */

static void push(size_t len, uint16_t gso_size)
{
	if (!fake_push(me.frame, len, gso_size)) {
		turns(1);
		fake_push(me.frame, len, gso_size);
	}
}

static size_t put_ip(const union addr *dst, uint8_t proto, uint8_t ttl,
		     uint8_t tos, size_t len)
{
	bool v4 = addr_is4(dst);
	struct hdr_ip ip = {
		.smac = guest_mac, .dmac = our_mac,
		.src = me.facts.net[v4 ? GUEST_V4 : GUEST_V6].addr,
		.dst = *dst, .proto = proto, .ttl = ttl, .tos = tos,
	};

	return hdr_put_ip(me.frame, &ip, len);
}

static void raw(struct in *in)
{
	size_t n = in_u16(in);
	const uint8_t *p = in_take(in, &n);

	memcpy(me.frame, p, n);
	push(n, 0);
	/* Perhaps of a connection that is also described */
	me.odd = true;
	net()->check = false;
}

/* Signed and of any size, 0 for most of them */
static uint32_t off_by(uint8_t b)
{
	int32_t n = b & 31;

	if (b < 128)
		return 0;
	if (b & 32)
		n *= 997;
	return (uint32_t)(b & 64 ? -n : n);
}

static size_t put_options(struct in *in, const struct conn *c, uint8_t flags,
			  uint8_t how, uint8_t *opt)
{
	struct seg_block b[4];
	unsigned i, n = how >> 4 & 3;

	if (flags & TH_SYN)
		return seg_opts_put(opt, how & 1 ? 1460 : in_u16(in),
				    how & 2 ? how & 15 : -1, how & 4);
	if (!(how & 1))
		return 0;
	for (i = 0; i <= n; i++) {
		b[i].start = c->irs + c->rcv + in_u16(in) * 8U;
		b[i].end = b[i].start + in_u16(in);
	}
	return seg_sack_put(opt, b, i);
}

static void segment(struct in *in)
{
	static const uint16_t lens[] = { 0, 0, 1, 100, 1460, 536, 9000, 40000 };
	struct conn *c = &me.conn[in_u8(in) % CONNS];
	uint8_t flags = in_u8(in), how = in_u8(in), opt[TCP_OPT_MAX];
	uint32_t seq = c->snd + off_by(in_u8(in)), ack;
	size_t len = lens[how >> 5], optlen, n;
	uint16_t win = how & 16 ? 0 : 65535;

	if (!c->used || (flags & TH_SYN && how & 8)) {
		unsigned h = (unsigned)(c - me.conn);
		struct conn fresh = { .used = true, .v6 = h & 1,
				      .gport = (in_port_t)(1000 + h % 4) };

		fresh.hport = (in_port_t)(80 + (how & 7));
		fresh.peer = host(fresh.v6 * 8U + (how & 3 ? 0 : how >> 2 & 3));
		*c = fresh;
		seq = 0;
		flags = TH_SYN;
	}
	if (flags & TH_SYN && seq)
		me.odd = true, net()->check = false;
	ack = c->irs + c->rcv + off_by(in_u8(in));
	optlen = put_options(in, c, flags, in_u8(in), opt);
	n = put_ip(&c->peer, IPPROTO_TCP, 64, how & 1 ? 0 : 0x10,
		   TCP_HLEN + optlen + len);
	n += hdr_put_tcp(me.frame + n, c->gport, c->hport, me.iss + seq,
			 flags & TH_ACK ? ack : 0, flags, win, opt, optlen);
	/* A SYN has number 0, the first byte 1 */
	memcpy(me.frame + n, net_bytes(seq - !(flags & TH_SYN)), len);
	push(n + len, len > 1460 ? 1400 : 0);

	seq += (uint32_t)len + !!(flags & TH_SYN) + !!(flags & TH_FIN);
	if ((int32_t)(seq - c->snd_max) > 0)
		c->snd_max = seq;
	if ((int32_t)(seq - c->snd) > 0 && seq - c->snd < 65536)
		c->snd = seq;
}

/* As a guest would answer to all that it has got */
static void acknowledge(struct in *in)
{
	struct conn *c = &me.conn[in_u8(in) % CONNS];
	size_t n;

	if (!c->used || !c->known)
		return;
	if (c->inbound && !c->snd) {
		uint8_t opt[SEG_OPT_SYN];
		size_t len = seg_opts_put(opt, 1460, 7, in_u8(in) & 1);

		n = put_ip(&c->peer, IPPROTO_TCP, 64, 0, TCP_HLEN + len);
		n += hdr_put_tcp(me.frame + n, c->gport, c->hport, me.iss,
				 c->irs + 1, TH_SYN | TH_ACK, 65535, opt, len);
		c->snd = c->snd_max = 1;
	} else {
		n = put_ip(&c->peer, IPPROTO_TCP, 64, 0, TCP_HLEN);
		n += hdr_put_tcp(me.frame + n, c->gport, c->hport,
				 me.iss + c->snd, c->irs + c->rcv, TH_ACK,
				 65535, NULL, 0);
	}
	push(n, 0);
}

static void datagrams(struct in *in)
{
	static const uint16_t lens[] = { 0, 1, 64, 512, 1400, 1472, 9000,
					 60000 };
	static const in_port_t ports[] = { 53, 5353, 5355, 1900, 80, 9999, 7,
					   FWD_PORT };
	union addr dst = host(in_u8(in));
	uint8_t how = in_u8(in), ports_by = in_u8(in), i;
	size_t len = lens[how & 7], n;
	in_port_t from = ports[ports_by & 7], to = ports[ports_by >> 3 & 7];
	uint8_t ttl = how & 8 ? 64 : 1;

	for (i = 0; i <= (how >> 4 & 7); i++) {
		n = put_ip(&dst, IPPROTO_UDP, ttl, ports_by >> 6, 8 + len);
		n += hdr_put_udp(me.frame + n, from, to, len);
		memset(me.frame + n, i, len);
		push(n + len, how & 128 && len > 1400 ? 700 : 0);
	}
}

static void echo(struct in *in)
{
	union addr dst = host(in_u8(in));
	uint8_t id = in_u8(in), how = in_u8(in);
	size_t len = how & 1 ? in_u16(in) % 3000 : 56, n;
	struct writer w;

	n = put_ip(&dst, addr_is4(&dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		   how & 2 ? 64 : 3, 0, 8 + len);
	wr_init(&w, me.frame + n, 4000);
	wr_u8(&w, addr_is4(&dst) ? 8 : 128);
	wr_zero(&w, 3);
	wr_be16(&w, id);
	wr_be16(&w, how);
	wr_zero(&w, len);
	push(n + 8 + len, 0);
}

/* Joins and leaves, of either family and every version */
static void membership(struct in *in)
{
	static const uint8_t v4[] = { 0x12, 0x16, 0x17, 0x22 };
	static const uint8_t v6[] = { 131, 132, 143, 143 };
	union addr group = host(in_u8(in)), dst = group;
	uint8_t how = in_u8(in);
	bool is4 = addr_is4(&group), many;
	uint8_t type = is4 ? v4[how & 3] : v6[how & 3];
	struct writer w;
	size_t n;

	many = type == 0x22 || type == 143;
	if (many)
		dst = A(is4 ? "224.0.0.22" : "ff02::16");
	wr_init(&w, me.frame + 2000, 200);
	wr_be32(&w, (uint32_t)type << 24);
	if (many) {
		wr_be32(&w, 1);
		wr_be32(&w, (uint32_t)(1 + (how >> 2) % 6) << 24);
	} else if (!is4) {
		wr_zero(&w, 4);
	}
	wr_put(&w, is4 ? &group.b[12] : group.b, is4 ? 4 : 16);
	n = put_ip(&dst, is4 ? IPPROTO_IGMP : IPPROTO_ICMPV6, 1, 0, w.len);
	if (!is4)			/* from the link-local address */
		memcpy(me.frame + 22, A("fe80::9").b, 16);
	memmove(me.frame + n, w.p, w.len);
	push(n + w.len, 0);
}

static void fragments(struct in *in)
{
	uint8_t how = in_u8(in), i;
	union addr dst = A("203.0.113.1");
	size_t len = 8U * in_u8(in);

	for (i = 0; i < 3; i++) {
		size_t n = put_ip(&dst, IPPROTO_UDP, 64, 0, len);
		uint16_t off = (uint16_t)(i * len / 8);

		if (how & 1U << i)
			continue;
		if (i < 2)
			off |= 0x2000;
		me.frame[18] = 0;
		me.frame[19] = how >> 3 & 3;
		me.frame[20] = (uint8_t)(off >> 8);
		me.frame[21] = (uint8_t)off;
		memset(me.frame + n, i, len);
		if (!i && len >= 8)
			hdr_put_udp(me.frame + n, 9, 9, 3 * len - 8);
		push(n + len, 0);
	}
}

/* ---------------------------------------------------------------- the host */

static void host_stream(struct in *in)
{
	struct net_sock *s = net_pick(in_u8(in), SOCK_STREAM, false);
	uint8_t how = in_u8(in);
	static const int errors[] = { ECONNREFUSED, ECONNRESET, ETIMEDOUT,
				      EHOSTUNREACH };

	if (!s)
		return;
	if (s->connecting) {
		s->connecting = false;
		s->edges |= EPOLLOUT;
		if (how & 64) {
			s->error = errors[how & 3];
			s->edges |= EPOLLERR | EPOLLHUP;
		}
		return;
	}
	switch (how & 3) {
	case 0:
		s->have += in_u16(in);
		s->edges |= EPOLLIN;
		break;
	case 1:
		s->eof = true;
		s->edges |= EPOLLIN | EPOLLRDHUP;
		if (s->shut)
			s->edges |= EPOLLHUP;
		break;
	case 2:
		s->room = in_u16(in) * (how & 4 ? 50U : 1U);
		if (s->room)
			s->edges |= EPOLLOUT;
		break;
	default:
		if (how & 128) {
			s->error = errors[how >> 2 & 3];
			s->edges |= EPOLLERR | EPOLLHUP;
		} else {
			s->edges |= how & 64 ? (uint32_t)EPOLLPRI : EPOLLIN;
		}
	}
}

static void host_connects(struct in *in)
{
	struct net_sock *s = net_pick(0, SOCK_STREAM, true);
	uint8_t how = in_u8(in);

	if (!s || s->nq == NET_QUEUE)
		return;
	s->q[s->nq++] = (struct net_msg){
		.peer = A(how & 1 ? "203.0.113.1" : how & 2 ? "127.0.0.1" :
			  how & 4 ? "2001:db8:9::1" : how & 8 ? "::1" :
			  how & 16 ? "192.0.2.2" : "fe80::7"),
		.local = A("198.51.100.7"),
		.port = (in_port_t)(5000 + (how >> 5)),
	};
}

static void host_datagrams(struct in *in)
{
	struct net_sock *s = net_pick(in_u8(in), SOCK_DGRAM, false);
	uint8_t how = in_u8(in), n = in_u8(in);
	struct net_msg m = { .ttl = in_u8(in), .tos = in_u8(in) };
	bool v4;

	if (!s)
		return;
	v4 = s->family == AF_INET || how & 1;
	m.peer = s->connected ? s->peer :
		 host((how >> 1 & 7) + (v4 ? 0U : 8U));
	if (how & 32)
		m.peer = addr_loopback(&m.peer);
	m.port = s->connected ? s->peer_port : (in_port_t)(5000 + (n & 1));
	m.local = s->connected ? s->name : A(v4 ? "198.51.100.7" :
					     "2001:db8:5::7");
	m.len = how & 16 ? in_u16(in) : in_u8(in);
	m.seg = how & 64 ? in_u16(in) : 0;
	m.head[0] = s->proto == IPPROTO_ICMPV6 ? 129 : 0;
	m.head[5] = n;
	if (how & 128) {
		struct net_msg e = m;

		e.origin = n & 3;
		e.type = in_u8(in) % 16;
		e.code = in_u8(in) % 16;
		e.e = n & 4 ? EMSGSIZE : ECONNREFUSED;
		e.info = in_u16(in);
		e.len = MIN(e.len, 1500U);
		if (s->nerr < NET_QUEUE)
			s->err[s->nerr++] = e;
		s->error = e.e;
		return;
	}
	for (n = 1 + n % NET_QUEUE; n && s->nq < NET_QUEUE; n--)
		s->q[s->nq++] = m;
}

static void fail_next(struct in *in)
{
	static const int errors[] = {
		EMFILE, ENOBUFS, EINTR, EAGAIN, EACCES, EPERM, EADDRINUSE,
		EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ENOMEM,
		EINVAL, EMSGSIZE, EPIPE, EIO,
	};
	uint8_t which = in_u8(in), how = in_u8(in);

	net()->fail[which % NET_CALLS].e = errors[how & 15];
	net()->fail[which % NET_CALLS].times = 1U + (how >> 4);
}

static void link_changes(struct in *in)
{
	struct fake_knobs *k = fake_knobs();
	uint8_t how = in_u8(in);

	switch (how & 7) {
	case 0:
		k->slots = (int)(how >> 3) - 1;
		break;
	case 1:
		k->accept = (int)(how >> 3) - 1;
		break;
	case 2:
		k->elem = how & 8 ? 100U * (how >> 4) + 7U : 0;
		break;
	case 3:
		k->hold = how & 8;
		me.lose = how >> 4;
		break;
	case 4:
		k->last_room = how & 8 ? 10U + (how >> 4) * 100U : 0;
		break;
	case 5:
		net()->connect_now = how & 8;
		net()->peek_max = how >> 4;
		net()->rtt = (how >> 4) * 1000U;
		break;
	case 6:
		k->absent = true;
		guest_forget();
		mcast_forget();
		udp_room();
		break;
	default:
		k->absent = false;
		arp_announce();
		ndp_announce();
		igmp_announce();
	}
}

/* An event for what is not there any more, or has nothing */
static void stale(struct in *in)
{
	uint8_t which = in_u8(in), mask = in_u8(in);
	union ev_ref ref = net()->last[which % ARRAY_LEN(net()->last)];
	struct net_sock *s = net_pick(which, SOCK_DGRAM, false);

	if (which & 128 && s && s->watched)
		ref = s->ref;
	if (ref.type < EV_TYPES && on_event[ref.type])
		on_event[ref.type](ref, mask & 31);
}

static void pass(struct in *in)
{
	uint16_t n = in_u16(in);

	/* From milliseconds to hours */
	me.now += n & 0x8000 ? (n & 0x3fff) * SEC : (n & 0x3fff) * MSEC;
	if (n & 0x4000)
		me.now += 1;
	clock_set(me.now);
	turns(4);
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		raw, segment, segment, segment, segment, acknowledge,
		acknowledge, datagrams, datagrams, echo, membership, fragments,
		host_stream, host_stream, host_stream, host_connects,
		host_datagrams, host_datagrams, fail_next, link_changes, stale,
		pass, pass,
	};
	uint8_t what = in_u8(in);

	if (what & 128)			/* several in one turn */
		what &= 127;
	else
		turns(2);
	steps[what % ARRAY_LEN(steps)](in);
}

/* ---------------------------------------------------------------- begin, end */

static void listeners(void)
{
	static const enum fwd_table tables[] = { FWD_TCP_IN, FWD_UDP_IN };
	unsigned i;

	for (i = 0; i < ARRAY_LEN(tables); i++) {
		struct ruleset *rs = &me.fwd.rules[tables[i]];

		rs->mode = RULES_PORTS;
		rs->n = 1;
		rs->rule[0] = (struct fwd_rule){
			.addr = ADDR_NONE, .first = FWD_PORT, .last = FWD_PORT,
			.target = FWD_PORT,
		};
	}
}

static void configure(struct in *in)
{
	static const uint16_t mtus[] = { 1500, 65520, 1280, 0 };
	uint8_t how = in_u8(in), caps = in_u8(in);
	struct tap_caps *c;
	unsigned f;

	me.facts = wire_facts();
	me.facts.mtu = mtus[how & 3];
	me.facts.net[GUEST_V6].addr = A("2001:db8::2");
	memset(&me.fwd, 0, sizeof(me.fwd));
	for (f = 0; f < GUEST_FAMILIES; f++) {
		struct fwd_net *n = &me.fwd.net[f];

		if (how & 4)
			n->map_host_loopback = A(f ? "fe80::1" : "192.0.2.1");
		if (how & 8)
			n->map_guest_addr = A(f ? "2001:db8::7" : "192.0.2.7");
		if (how & 16) {
			n->dns_forward = A(f ? "2001:db8::5" : "192.0.2.5");
			n->dns_host = A(f ? "2001:db8:9::53" : "203.0.113.53");
		}
		if (how & 32)
			n->outbound = A(f ? "2001:db8:5::7" : "198.51.100.7");
	}
	listeners();
	me.features = (struct sock_features){
		.tcp_peek_off = how & 64, .udp_gso = how & 128,
		.udp_gro = how & 128, .link_mtu = { 1500, 1500 },
	};
	me.iss = caps & 128 ? 0xffffff00U : 0x10000000U;
	fake_reset();
	tap_attach(&fake_tap_ops);
	c = &fake_knobs()->caps;
	c->csum = caps & 1;
	c->tso = caps & 1 && caps & 2;
	c->uso = caps & 1 && caps & 4;
	if (caps & 8)
		c->max_frame = 1514;
	fake_knobs()->rx_elem = caps & 16 ? 60 : 0;
	tap_attach(&fake_tap_ops);
}

static void begin(struct in *in)
{
	static const struct input_conf all = { true, true, true };

	net_reset();
	me.now += SEC;
	clock_set(me.now);
	timer_reset();
	configure(in);
	net()->check = true;
	net()->base = 0;
	net()->no_loopback = !(me.fwd.net[0].map_host_loopback.w[3]);
	memset(me.conn, 0, sizeof(me.conn));
	me.odd = false;
	me.lose = 0;
	sock_init(2, false);
	sock_multicast_if(2, 2);
	fwd_init(&me.fwd);
	guest_init(&me.facts);
	guest_saw(guest_mac, NULL);
	flow_init();
	hold_init();
	ooo_init();
	sack_init();
	udp_init();
	store_init();
	udp_splice_init();
	mcast_init();
	igmp_init();
	frag_init();
	input_init(&all);
	ndp_init();
	dhcpv6_init(946684800);
	listen_all(true, true);
	listen_spare();
	arp_announce();
	ndp_announce();
	igmp_announce();
	turns(4);
	me.timers = timer_count();
	me.socks = net()->open;
}

/* Nobody says anything any more, and hours go by */
static void end(void)
{
	unsigned i, sockets;

	memset(net()->fail, 0, sizeof(net()->fail));
	fake_knobs()->slots = fake_knobs()->accept = -1;
	fake_knobs()->absent = false;
	for (i = 0; i < NET_SOCKS; i++)
		net()->sock[i].nq = net()->sock[i].nerr = 0;
	turns(64);
	for (i = 0; i < 64 && flow_count(); i++) {
		me.now += 600 * SEC;
		clock_set(me.now);
		turns(16);
	}
	me.now += 600 * SEC;
	clock_set(me.now);
	turns(16);
	listen_spare();

	FUZZ_CHECK(!flow_count() && !flow_listed(FLOW_RUN) &&
		   !flow_listed(FLOW_LATER) && !flow_listed(FLOW_UDP_OUT));
	FUZZ_CHECK(!hold_chunks_used() && !ooo_used() && !sack_used());
	FUZZ_CHECK(!mcast_count(&sockets) && !sockets);
	FUZZ_CHECK(!frag_pending() && fake_idle());
	FUZZ_CHECK(timer_count() == me.timers && net()->open == me.socks);
	listen_close_all();
	FUZZ_CHECK(net()->open == 1);		/* the spare one */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 0);
	static bool begun;

	if (!begun) {
		log_to_stderr(false);
		siphash_init(1);
		csum_init();
		me.now = 5000 * SEC;
		begun = true;
	}
	begin(&in);
	while (!in_done(&in))
		step(&in);
	end();
	/* The lowest free descriptor is what it was */
	close(fd);
	FUZZ_CHECK(fcntl(STDERR_FILENO, F_DUPFD, 0) == fd);
	close(fd);
	return 0;
}
