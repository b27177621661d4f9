// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * icmp.c - echo of the guest through unprivileged ping sockets
 *
 * Each (source, destination, identifier) of the guest is a flow with a ping
 * socket of its own. The kernel builds checksum and identifier of what goes
 * out; of what comes back, the guest gets all but the identifier as it came,
 * TTL and duplicates included:
 * a real reply, or the real error (TTL exceeded, unreachable) from the
 * socket's error queue with the address of the router that sent it. So ping
 * and traceroute inside show what they would show outside; we answer nothing
 * ourselves but what the host's routing table or rules answered us.
 *
 * Everything comes and goes through one buffer: echo is never the hot path.
 */
#include "icmp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmsg.h"
#include "ev.h"
#include "guest.h"
#include "half.h"
#include "log.h"
#include "send.h"
#include "sock.h"

#define IDLE		(60 * SEC)
#define SILENT		10000U	/* ms without a reply, see has_moved() */
#define BUDGET		32	/* replies, and errors, per event */
#define TTL		255	/* of what we say ourselves, or is not known */

enum icmp4_type { ECHO4_REPLY = 0, UNREACH4 = 3, ECHO4 = 8, EXCEEDED4 = 11,
		  PARAM4 = 12 };		/* RFC 792 */
enum icmp6_type { UNREACH6 = 1, TOOBIG6, EXCEEDED6, PARAM6,
		  ECHO6 = 128, ECHO6_REPLY };	/* RFC 4443 */

/* What of the failed message an error quotes: all that fits the datagram that
 * everybody must take (RFC 1812 4.3.2.3, RFC 4443 2.4 (c)) */
#define ERROR4_MAX	(576 - IP4_HLEN)
#define ERROR6_MAX	(1280 - IP6_HLEN)

/* An ICMP error as it goes to the guest */
struct error {
	uint8_t type, code;
	uint32_t info;		/* second word: MTU */
};

static struct {
	uint8_t buf[65536];
	bool told;		/* that ping sockets are forbidden */
} state;

/* ------------------------------------------------------------------ errors */

/* error_send() - Tell the guest that its message @msg (ICMP header first, with
 * its own identifier) from @guest_addr to @dst failed */
static void error_send(const union addr *from, const struct error *e,
		       const union addr *guest_addr, const union addr *dst,
		       const uint8_t *msg, size_t len)
{
	bool v4 = addr_is4(dst);
	struct hdr_ip ip = {
		.smac = guest()->mac, .dmac = guest()->our_mac,
		.src = *guest_addr, .dst = *dst, .ttl = 1,
		.proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
	};
	uint8_t out[ERROR6_MAX], quote[HDR_ROOM];
	struct writer w;

	wr_init(&w, out, v4 ? ERROR4_MAX : ERROR6_MAX);
	wr_u8(&w, e->type);
	wr_u8(&w, e->code);
	wr_be16(&w, 0);
	wr_be32(&w, e->info);
	hdr_put_ip(quote, &ip, len);
	wr_put(&w, quote + ETH_HLEN_, v4 ? IP4_HLEN : IP6_HLEN);
	wr_put(&w, msg, MIN(len, w.size - w.len));

	if (wr_ok(&w))
		send_icmp(from, guest_addr, TTL, NULL, NULL, out, w.len);
}

/* router() - As whom we report what nobody outside did */
static union addr router(const union addr *dst)
{
	enum guest_family f = addr_is4(dst) ? GUEST_V4 : GUEST_V6;
	const union addr *our = &guest()->net[f].our;

	return addr_is4(our) == addr_is4(dst) && addr_is_unicast(our) ? *our :
									*dst;
}

/* error_of() - What a failed system call means to the guest; false: nothing */
static bool error_of(int err, bool v4, struct error *e)
{
	*e = (struct error){ .type = v4 ? UNREACH4 : UNREACH6 };

	switch (err) {
	case ENETUNREACH:	/* net unreachable, no route */
		return true;
	case EHOSTUNREACH:	/* host unreachable, address unreachable */
		e->code = v4 ? 1 : 3;
		return true;
	case EACCES:
	case EPERM:		/* administratively prohibited */
		e->code = v4 ? 13 : 1;
		return true;
	default:
		return false;
	}
}

/* failed() - The request in state.buf could not be sent */
static void failed(const struct pkt *p, size_t len, int err)
{
	union addr from = router(&p->dst);
	struct error e;

	if (error_of(err, addr_is4(&p->dst), &e))
		error_send(&from, &e, &p->src, &p->dst, state.buf, len);
}

/* forwardable() - Errors about a message of ours (RFC 792, RFC 4443 2.1) */
static bool forwardable(const struct sock_extended_err *ee)
{
	if (ee->ee_origin == SO_EE_ORIGIN_ICMP)
		return ee->ee_type == UNREACH4 || ee->ee_type == EXCEEDED4 ||
		       ee->ee_type == PARAM4;
	if (ee->ee_origin == SO_EE_ORIGIN_ICMP6)
		return ee->ee_type >= UNREACH6 && ee->ee_type <= PARAM6;
	return false;
}

/* error_forward() - @len bytes of the failed message are in state.buf */
static void error_forward(const union flow *f, size_t len,
			  const struct sock_extended_err *ee,
			  const union addr *offender)
{
	const struct side *s = &f->h.side[0];
	struct error e = { ee->ee_type, ee->ee_code, ee->ee_info };
	union addr from = *offender;

	if (len < ICMP_HLEN || !forwardable(ee))
		return;
	/* Only "fragmentation needed" and "packet too big" have a number */
	if (addr_is4(&s->ours) ? e.type != UNREACH4 || e.code != 4 :
				 e.type != TOOBIG6)
		e.info = 0;

	/* Addresses that mean something else to the guest than to the host */
	if (addr_eq(&from, &f->h.side[1].peer))
		from = s->ours;
	else if (addr_is4(&from) != addr_is4(&s->ours) ||
		 !addr_is_unicast(&from) || addr_is_loopback(&from) ||
		 guest_is_self(&from))
		from = router(&s->ours);

	state.buf[4] = (uint8_t)(f->icmp.id >> 8);
	state.buf[5] = (uint8_t)f->icmp.id;
	error_send(&from, &e, &s->peer, &s->ours, state.buf, len);
}

/* error_read() - One entry of the error queue; false if it is empty */
static bool error_read(const union flow *f)
{
	union {
		struct cmsghdr align;
		uint8_t b[256];
	} control;
	struct iovec iov = { state.buf, sizeof(state.buf) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(f->icmp.sock, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	struct cmsghdr *c;

	if (n < 0)
		return errno == EINTR;

	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct sock_extended_err ee;
		union sockaddr_any sa;
		union addr offender = ADDR_NONE;
		in_port_t port;
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == SOL_IPV6 &&
		      c->cmsg_type == IPV6_RECVERR))
			continue;
		if (len < sizeof(ee))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));

		/* The offender's address follows (SO_EE_OFFENDER) */
		memset(&sa, 0, sizeof(sa));
		memcpy(&sa, CMSG_DATA(c) + sizeof(ee),
		       MIN(len - sizeof(ee), sizeof(sa)));
		addr_from_sa(&sa, &offender, &port);
		error_forward(f, (size_t)n, &ee, &offender);
	}
	return true;
}

/* errors_drain() - Both places where the kernel keeps errors; an error left
 * would be reported for ever, and fail the next unrelated call */
static void errors_drain(const union flow *f)
{
	unsigned i;

	for (i = 0; i < BUDGET && error_read(f); i++)
		;
	sock_error(f->icmp.sock);
}

/* ---------------------------------------------------------------- requests */

/* set_ip() - Let the packet travel as the guest's would: as far, and cut to
 * pieces on the way or else reported as too big */
static void set_ip(union flow *f, const struct pkt *p)
{
	bool v4 = addr_is4(&f->h.side[1].peer);
	int ttl = p->ttl, discover = p->df ? IP_PMTUDISC_WANT :
					     IP_PMTUDISC_DONT;

	if (f->icmp.ttl != p->ttl) {
		if (v4)
			setsockopt(f->icmp.sock, SOL_IP, IP_TTL, &ttl,
				   sizeof(ttl));
		else
			setsockopt(f->icmp.sock, SOL_IPV6, IPV6_UNICAST_HOPS,
				   &ttl, sizeof(ttl));
		f->icmp.ttl = p->ttl;
	}
	if (f->icmp.cut != !p->df) {
		setsockopt(f->icmp.sock, SOL_IP, IP_MTU_DISCOVER, &discover,
			   sizeof(discover));
		f->icmp.cut = !p->df;
	}
}

/* forbidden() - Say it once, and what to do about it */
static void forbidden(void)
{
	if (state.told)
		return;
	state.told = true;
	warn("Cannot open a socket for ICMP echo: the guest cannot ping. To allow it, include this group in net.ipv4.ping_group_range, e.g. sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"");
}

/* ping_open() - A new flow for this request; NULL with *@err = 0 for silence */
static union flow *ping_open(const struct pkt *p, int *err)
{
	struct side ini = {
		.pif = PIF_GUEST, .peer = p->src, .peer_port = p->icmp.id,
		.ours = p->dst, .ours_port = p->icmp.id,
	};
	bool v4 = addr_is4(&p->dst);
	enum fwd_verdict v;
	union flow *f;
	int fd, on = 1;

	f = flow_open(p->proto, &ini, p->icmp.id, &v);
	if (!f) {
		*err = v == FWD_REFUSE ? EACCES : 0;
		return NULL;
	}

	do
		fd = sock_ping(&f->h.side[1]);
	while (fd < 0 && half_retry(-fd));
	if (fd < 0) {
		*err = -fd;
		if (*err == EACCES || *err == EPERM)
			forbidden();
		else
			debug("%s: no echo socket: %s", flow_str(f),
			      strerror(*err));
		flow_close(f);
		return NULL;
	}

	setsockopt(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR,
		   &on, sizeof(on));
	setsockopt(fd, v4 ? SOL_IP : SOL_IPV6,
		   v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &on, sizeof(on));
	f->icmp = (struct icmp_flow){ .sock = fd, .id = p->icmp.id,
				      .heard = clock_ms() };
	*err = -ev_add(fd, EPOLLIN, flow_ref(f, EV_PING, 1));
	if (*err) {
		icmp_close(f);
		return NULL;
	}
	/* No peer but the guest is ever looked up */
	flow_commit(f, FLOW_PING, 1 << 0);
	return f;
}

/* has_moved() - Is there no reply because this host has, or sends from, another
 * address by now? A connected socket keeps the one it had */
static bool has_moved(union flow *f)
{
	const struct side *s = &f->h.side[1];

	if (clock_ms() - f->icmp.heard < SILENT || addr_is_loopback(&s->peer) ||
	    addr_is_unicast(&s->ours))	/* by -o */
		return false;
	f->icmp.heard = clock_ms();
	return sock_source_moved(f->icmp.sock, s);
}

/* transmit() - Send state.buf; 0 or an error that is about this request. One
 * pending from an earlier message is reported first, and is taken off by that;
 * its entry in the error queue stays for icmp_sock_ready() */
static int transmit(const union flow *f, size_t len)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		if (send(f->icmp.sock, state.buf, len,
			 MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS)
			return 0;		/* lost, as on a wire */
	}
	return errno;
}

void icmp_input(const struct pkt *p)
{
	bool v4 = p->proto == IPPROTO_ICMP;
	struct cursor c = p->data;
	size_t n = cur_left(&c);
	struct writer w;
	union flow *f;
	unsigned side;
	int err = 0;

	/* A TTL of zero is no packet any more (RFC 1812 5.3.1) */
	if (p->icmp.type != (v4 ? ECHO4 : ECHO6) || p->icmp.code || !p->ttl ||
	    addr_is4(&p->dst) != v4 || n > sizeof(state.buf) - ICMP_HLEN)
		return;

	f = flow_find(p->proto, PIF_GUEST, &p->src, p->icmp.id, &p->dst,
		      p->icmp.id, &side);
	wr_init(&w, state.buf, sizeof(state.buf));
	wr_u8(&w, p->icmp.type);
	wr_u8(&w, 0);
	wr_be16(&w, 0);			/* checksum: the kernel's */
	wr_be16(&w, p->icmp.id);	/* and this, it replaces */
	wr_be16(&w, p->icmp.seq);
	if (!cur_pull(&c, state.buf + ICMP_HLEN, n))
		return;

	if (f && has_moved(f)) {
		icmp_close(f);
		f = NULL;
	}
	if (!f)
		f = ping_open(p, &err);
	if (f) {
		set_ip(f, p);
		timer_set(&f->h.timer, TM_PING, IDLE);
		half_enter(f);
		err = transmit(f, ICMP_HLEN + n);
	}
	if (err)
		failed(p, ICMP_HLEN + n, err);
}

/* ----------------------------------------------------------------- replies */

/* ttl_of() - The TTL or hop limit that a message came with */
static uint8_t ttl_of(struct msghdr *m)
{
	uint8_t ttl = 0, tos;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		(void)cmsg_header(c, &ttl, &tos);
	return ttl ? ttl : TTL;
}

/* reply_read() - One reply to the guest, as often as it comes; false if there
 * is none */
static bool reply_read(union flow *f)
{
	const struct side *s = &f->h.side[0];
	bool v4 = addr_is4(&s->ours);
	union sockaddr_any sa = { .sa.sa_family = AF_UNSPEC };
	union {
		struct cmsghdr align;
		uint8_t b[CMSG_SPACE(sizeof(int))];
	} control;
	uint8_t *b = state.buf;
	struct iovec iov = { b, sizeof(state.buf) };
	struct msghdr m = {
		.msg_name = &sa, .msg_namelen = sizeof(sa),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	union addr from;
	in_port_t port;
	ssize_t n;

	n = recvmsg(f->icmp.sock, &m, MSG_DONTWAIT);
	if (n < 0)		/* any but EAGAIN is hereby taken off */
		return errno != EAGAIN;
	/* The kernel delivers by identifier alone, connected or not */
	if (addr_from_sa(&sa, &from, &port) &&
	    !addr_eq(&from, &f->h.side[1].peer))
		return true;
	if (n < ICMP_HLEN || b[0] != (v4 ? ECHO4_REPLY : ECHO6_REPLY) || b[1])
		return true;

	f->icmp.heard = clock_ms();
	b[4] = (uint8_t)(f->icmp.id >> 8);
	b[5] = (uint8_t)f->icmp.id;
	send_icmp(&s->ours, &s->peer, ttl_of(&m), NULL, NULL, b, (size_t)n);
	return true;
}

void icmp_sock_ready(union ev_ref ref, uint32_t mask)
{
	union flow *f = flow_at(ref);
	unsigned i;

	if (!f || f->h.type != FLOW_PING)
		return;

	for (i = 0; i < BUDGET && reply_read(f); i++)
		;
	if (mask & EPOLLERR)
		errors_drain(f);
}

void icmp_timer(struct timer *t)
{
	icmp_close(flow_of_timer(t));
}

void icmp_close(union flow *f)
{
	if (f->h.type == FLOW_CLOSED || f->h.type == FLOW_FREE)
		return;
	close(f->icmp.sock);
	flow_close(f);
}
