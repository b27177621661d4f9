// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp_out.c - datagrams to the host, and the errors that come back of them
 *
 * Runs of equal-sized datagrams leave as one, by UDP_SEGMENT, with iovecs that
 * point into the guest's frames. Should the kernel refuse that for a flow (no
 * checksum offload on the way, segments longer than the path's MTU), the same
 * datagrams go again one by one, and so do all later ones of the flow.
 *
 * An error that a send reports is as a rule that of an earlier datagram, as
 * ICMP comes late. So the error queue is emptied, the guest told, and the send
 * tried once more: an error never costs a datagram that did not cause it.
 */
#include "udp_out.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>

#include "addr.h"
#include "cmsg.h"
#include "cursor.h"
#include "guest.h"
#include "send.h"
#include "sock.h"
#include "tap.h"
#include "util.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define BATCH		TAP_BATCH
#define TX_IOV		1024		/* UIO_MAXIOV */
#define ERRORS_MAX	64		/* taken from a queue per event */

/* Control data of one message: packet info, TTL, TOS, segment size; or of an
 * entry of the error queue: the error, its sender, packet info, TTL, TOS */
#define CTRL_MAX	128
#define CTRL_ERR_MAX	256

/* ICMP and ICMPv6 as far as errors need them */
#define ICMP4_UNREACH		3
#define ICMP4_TIME_EXCEEDED	11
#define ICMP4_PARAM		12
#define ICMP6_UNREACH		1
#define ICMP6_TOO_BIG		2
#define ICMP6_PARAM		4

union ctrl {
	struct cmsghdr align;
	uint8_t buf[CTRL_MAX];
};

_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) +
	       2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)) <=
	       CTRL_MAX, "control data");

/* Messages being built for one flow's socket */
struct tx {
	union flow	*f;
	unsigned	g;		/* side of the guest, or whoever sends */
	int		fd;
	const struct listener *l; /* NULL: connected socket */
	uint8_t		ttl, tos, discover;
	unsigned	nmsg, niov;
	union sockaddr_any to;		/* unless the socket is connected: */
	socklen_t	tolen;		/* the client, or the group */
};

static struct {
	uint64_t	dropped;
	struct mmsghdr	txh[BATCH];
	union ctrl	tx_ctrl[BATCH];
	unsigned	tx_first[BATCH];	/* packet a message begins at */
	bool		tx_gso[BATCH];
	struct iovec	tx_iov[TX_IOV];
} out;

/* -------------------------------------------------------------- errors */

/* An error as it stood in a socket's queue */
struct sock_err {
	struct sock_extended_err ee;
	union addr	offender;	/* who reported it, or ADDR_NONE */
	union addr	local;		/* our address, or ADDR_NONE */
	union sockaddr_any to;		/* of the failed datagram */
	const uint8_t	*data;
	size_t		len;
};

static void read_error_ctrl(struct sock_err *e, struct msghdr *m)
{
	struct cmsghdr *c;
	uint32_t scope;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		union sockaddr_any sa;
		in_port_t port;
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (cmsg_pktinfo(c, true, &e->local, &scope))
			continue;
		if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == SOL_IPV6 &&
		      c->cmsg_type == IPV6_RECVERR))
			continue;
		if (len < sizeof(e->ee))
			continue;

		memcpy(&e->ee, CMSG_DATA(c), sizeof(e->ee));
		memset(&sa, 0, sizeof(sa));
		memcpy(&sa, CMSG_DATA(c) + sizeof(e->ee),
		       MIN(len - sizeof(e->ee), sizeof(sa)));
		if (!addr_from_sa(&sa, &e->offender, &port))
			e->offender = ADDR_NONE;
	}
}

/* translate() - The ICMP message that tells the guest the same; false: none */
static bool translate(const struct sock_extended_err *ee, bool v4,
		      uint8_t *type, uint8_t *code, uint32_t *info)
{
	bool too_big;

	*type = ee->ee_type;
	*code = ee->ee_code;
	*info = 0;

	switch (ee->ee_origin) {
	case SO_EE_ORIGIN_ICMP:
		too_big = ee->ee_type == ICMP4_UNREACH && ee->ee_code == 4;
		if (too_big)
			*info = ee->ee_info;
		return v4 && (ee->ee_type == ICMP4_UNREACH ||
			      ee->ee_type == ICMP4_TIME_EXCEEDED ||
			      ee->ee_type == ICMP4_PARAM);
	case SO_EE_ORIGIN_ICMP6:
		if (ee->ee_type == ICMP6_TOO_BIG)
			*info = ee->ee_info;
		return !v4 && ee->ee_type >= ICMP6_UNREACH &&
		       ee->ee_type <= ICMP6_PARAM;
	case SO_EE_ORIGIN_LOCAL:
		if (ee->ee_errno != EMSGSIZE)
			return false;
		*type = v4 ? ICMP4_UNREACH : ICMP6_TOO_BIG;
		*code = v4 ? 4 : 0;
		*info = ee->ee_info;
		return true;
	default:
		return false;
	}
}

void udp_refused(const struct pkt *p, int e)
{
	const union addr *from = e == ECONNREFUSED ? &p->dst :
						     send_router(&p->dst);
	size_t len = MIN(cur_left(&p->data), UDP_ERROR_DATA);
	uint8_t data[UDP_ERROR_DATA], type, code;

	if (!addr_is_unicast(&p->dst) || !cur_peek(&p->data, data, len) ||
	    !send_unreach_code(e, addr_is4(&p->dst), &type, &code))
		return;
	send_icmp_error(from, type, code, 0, &p->src, p->sport, &p->dst,
			p->dport, data, len, cur_left(&p->data));
}

/* tell_error() - Pass an error on to the guest, as of its own datagram */
static void tell_error(const union flow *f, const struct sock_err *e)
{
	unsigned g = udp_guest_side(f);
	const struct side *gs = &f->h.side[g], *hs = &f->h.side[!g];
	const union addr *from = &gs->ours;
	uint8_t type, code;
	uint32_t info;

	/* Nobody could tell the client of a listener, or the target of a
	 * spliced flow */
	if (udp_is_spliced(f) || !addr_is_unicast(&gs->ours) ||
	    !translate(&e->ee, addr_is4(&gs->peer), &type, &code, &info))
		return;

	/* A router on the way is named as it is; the destination itself, or
	 * this host, as what the guest knows it by */
	if (!addr_eq(&e->offender, &hs->peer)) {
		from = send_router(&gs->ours);
		if (addr_is4(&e->offender) == addr_is4(&gs->ours) &&
		    addr_is_unicast(&e->offender) &&
		    !addr_is_loopback(&e->offender) &&
		    !guest_is_self(&e->offender))
			from = &e->offender;
	}

	send_icmp_error(from, type, code, info, &gs->peer, gs->peer_port,
			&gs->ours, gs->ours_port, e->data, e->len, e->len);
}

/* error_flow() - Whose datagram it was that a listener sent in vain */
static union flow *error_flow(const struct sock_err *e,
			      const struct listener *l)
{
	union addr peer;
	in_port_t port;
	unsigned side;

	if (!l || !addr_from_sa(&e->to, &peer, &port))
		return NULL;
	return flow_find(IPPROTO_UDP, l->pif, &peer, port, &e->local,
			 l->port, &side);
}

void udp_errors(int fd, const union flow *f, const struct listener *l)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CTRL_ERR_MAX];
	} ctrl;
	uint8_t data[UDP_ERROR_DATA];
	unsigned i;

	for (i = 0; i < ERRORS_MAX; i++) {
		struct sock_err e = { .data = data };
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = {
			.msg_name = &e.to, .msg_namelen = sizeof(e.to),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &ctrl, .msg_controllen = sizeof(ctrl),
		};
		ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
		const union flow *of;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;

		e.len = (size_t)n;
		read_error_ctrl(&e, &m);
		of = f ? f : error_flow(&e, l);
		if (of)
			tell_error(of, &e);
	}
	if (i < ERRORS_MAX)
		sock_error(fd);
}

/* -------------------------------------------------------------- to the host */

/* put_ctrl() - Append one piece of control data to a message */
static void put_ctrl(struct msghdr *m, int level, int type, const void *data,
		     size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)
		((uint8_t *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

/* tx_as_client() - Listener: as whom the message leaves, and with what in its
 * header, as the socket is not this flow's alone */
static void tx_as_client(struct tx *t, struct msghdr *m)
{
	const union addr *local = &t->f->h.side[!t->g].ours;
	int ttl = t->ttl, tos = t->tos;

	/* IPv4 in its own terms, also on a socket for both families */
	if (addr_is4(local)) {
		struct in_pktinfo i = { .ipi_spec_dst = addr_to4(local) };

		put_ctrl(m, SOL_IP, IP_PKTINFO, &i, sizeof(i));
		if (ttl)
			put_ctrl(m, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
		if (tos)
			put_ctrl(m, SOL_IP, IP_TOS, &tos, sizeof(tos));
	} else {
		struct in6_pktinfo i = { .ipi6_addr = local->in6 };

		i.ipi6_ifindex = t->f->udp.scope;
		put_ctrl(m, SOL_IPV6, IPV6_PKTINFO, &i, sizeof(i));
		put_ctrl(m, SOL_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
		if (tos)
			put_ctrl(m, SOL_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	}
}

/* tx_msg() - Begin a message with the elements filled since @iov0 */
static struct msghdr *tx_msg(struct tx *t, unsigned iov0, unsigned first)
{
	unsigned i = t->nmsg++;
	struct msghdr *m = &out.txh[i].msg_hdr;

	memset(m, 0, sizeof(*m));
	m->msg_iov = &out.tx_iov[iov0];
	m->msg_iovlen = t->niov - iov0;
	m->msg_control = &out.tx_ctrl[i];
	if (t->tolen) {
		m->msg_name = &t->to;
		m->msg_namelen = t->tolen;
	}
	if (t->l)
		tx_as_client(t, m);
	out.tx_first[i] = first;
	out.tx_gso[i] = false;
	return m;
}

static void tx_segments(struct tx *t, struct msghdr *m, size_t seg)
{
	uint16_t v = (uint16_t)seg;

	put_ctrl(m, SOL_UDP, UDP_SEGMENT, &v, sizeof(v));
	out.tx_gso[t->nmsg - 1] = true;
}

/* tx_refused() - Message @i cannot be sent: tell the guest, of whom it is */
static void tx_refused(const struct tx *t, unsigned i, int e)
{
	const struct side *gs = &t->f->h.side[t->g];
	const struct msghdr *m = &out.txh[i].msg_hdr;
	struct pkt p = {
		.src = gs->peer, .dst = gs->ours,
		.sport = gs->peer_port, .dport = gs->ours_port,
	};
	size_t len = 0, k, n = (size_t)m->msg_iovlen;	/* musl: an int */

	if (udp_is_spliced(t->f))
		return;
	/* Has the host this address no more? */
	if ((e == EINVAL || e == ENETUNREACH) &&
	    t->f->udp.used - t->f->udp.heard > UDP_LOOK)
		t->f->udp.heard = t->f->udp.used - UDP_SILENT;
	for (k = 0; k < n; k++)
		len += m->msg_iov[k].iov_len;
	cur_init(&p.data, m->msg_iov, len);
	udp_refused(&p, e);
}

/*
 * tx_flush() - Send what was built
 *
 * Return: number of the packet from which on everything has to be sent again
 * one by one, because the kernel refused segmentation; -1 if all is done
 */
static int tx_flush(struct tx *t)
{
	unsigned i = 0, n = t->nmsg;
	bool again = false;

	t->nmsg = t->niov = 0;
	while (i < n) {
		int sent = sendmmsg(t->fd, out.txh + i, n - i, MSG_DONTWAIT);
		int e = errno;

		if (sent > 0) {
			i += (unsigned)sent;
			again = false;
			continue;
		}
		if (e == EINTR)
			continue;
		if (e == EAGAIN || e == ENOBUFS || e == ENOMEM) {
			out.dropped += n - i;	/* queue full: lost */
			break;
		}
		if (out.tx_gso[i] &&
		    (e == EINVAL || e == EMSGSIZE || e == EIO)) {
			t->f->udp.no_gso = true;
			udp_errors(t->fd, t->l ? NULL : t->f, t->l);
			return (int)out.tx_first[i];
		}

		/* Likely of an earlier datagram, which must not cost this one:
		 * once more, and then it is this one's own. The kernel may have
		 * queued that twice, and the guest has heard it */
		if (!again || e != EMSGSIZE || t->l)
			udp_errors(t->fd, t->l ? NULL : t->f, t->l);
		else
			udp_errors(t->fd, NULL, NULL);
		if (again) {
			tx_refused(t, i, e);
			i++;
			out.dropped++;
		}
		again = !again;
	}
	return -1;
}

/* tx_iov() - Take the payload of one datagram in; false if too scattered */
static bool tx_iov(struct tx *t, const struct cursor *c)
{
	size_t len;
	unsigned n = cur_iov(c, out.tx_iov + t->niov, TX_IOV - t->niov, &len);

	if (len != cur_left(c))
		return false;
	t->niov += n;
	return true;
}

/* tx_single() - One datagram, one message */
static void tx_single(struct tx *t, const struct cursor *c)
{
	unsigned iov0;

	if (t->nmsg == BATCH)
		tx_flush(t);
	iov0 = t->niov;
	if (!tx_iov(t, c)) {
		tx_flush(t);
		iov0 = 0;
		if (!tx_iov(t, c)) {
			out.dropped++;
			return;
		}
	}
	tx_msg(t, iov0, 0);
}

/* tx_singles() - Without segmentation: super-datagrams in pieces */
static void tx_singles(struct tx *t, const struct pkt *p, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct cursor c = p[i].data, part;
		size_t left;

		do {
			left = cur_left(&c);
			if (p[i].gso_size)
				left = MIN(left, p[i].gso_size);
			cur_sub(&c, &part, left);
			tx_single(t, &part);
		} while (cur_left(&c));
	}
	tx_flush(t);
}

static size_t pkt_seg(const struct pkt *p)
{
	size_t len = cur_left(&p->data);

	return p->gso_size ? MIN(len, p->gso_size) : len;
}

/*
 * tx_group() - How many of the @n packets @p may leave as one message: all
 * segments of one size but the last, which may be shorter
 */
static unsigned tx_group(const struct pkt *p, unsigned n, size_t *total)
{
	size_t seg = pkt_seg(p), len = cur_left(&p->data);
	unsigned i;

	*total = len;
	if (!seg)
		return 1;

	for (i = 1; i < n && !(*total % seg); i++) {
		len = cur_left(&p[i].data);
		if (!len || (p[i].gso_size ? p[i].gso_size != seg : len > seg))
			break;
		if (*total + len > UDP_GSO_MAX ||
		    *total + len > seg * UDP_SEGS_MAX)
			break;
		*total += len;
	}
	return i;
}

/* tx_groups() - With segmentation; see tx_flush() for what is returned */
static int tx_groups(struct tx *t, const struct pkt *p, unsigned n)
{
	unsigned i = 0, j;
	int refused;

	while (i < n) {
		unsigned iov0 = t->niov, k;
		struct msghdr *m;
		size_t total;

		k = tx_group(p + i, n - i, &total);
		for (j = i; j < i + k && tx_iov(t, &p[j].data); j++)
			;

		/* No room left: send what is complete and begin anew */
		if (j < i + k || t->nmsg == BATCH) {
			t->niov = iov0;
			if (!t->nmsg) {
				if (j == i) {
					out.dropped++;
					i++;
				} else {
					return (int)i;
				}
				continue;
			}
			refused = tx_flush(t);
			if (refused >= 0)
				return refused;
			continue;
		}

		m = tx_msg(t, iov0, i);
		if (total > pkt_seg(p + i))
			tx_segments(t, m, pkt_seg(p + i));
		i += k;
	}
	return tx_flush(t);
}

_Static_assert(IP_PMTUDISC_DO == IPV6_PMTUDISC_DO &&
	       IP_PMTUDISC_WANT == IPV6_PMTUDISC_WANT, "one word for both");

/* Would the host's own link carry a datagram like @p in one piece? */
static bool fits_link(const struct pkt *p)
{
	bool v4 = addr_is4(&p->dst);
	size_t len = p->gso_size ? p->gso_size : cur_left(&p->data);
	unsigned mtu = sock_features()->link_mtu[!v4];

	return !mtu || len + UDP_HLEN + (v4 ? IP4_HLEN : IP6_HLEN) <= mtu;
}

/*
 * discover_of() - What the socket must be told for datagrams like @p
 *
 * Who forbids to cut it up wants to hear that it was too big. Of IPv6 that is
 * everything which the guest has not cut up itself; then we may as well. But
 * where the link to the guest carries more than the host's, the guest's kernel
 * did not know, and programs count on theirs to cut what the link cannot carry.
 */
static uint8_t discover_of(const struct pkt *p)
{
	if (p->df && !p->fragment)
		return fits_link(p) ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT;
	return addr_is4(&p->dst) ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
}

/* set_discover() - The same from now on; not for groups, of which nobody is told
 * what is too big. @first: the socket has the kernel's default */
static void set_discover(struct tx *t, bool first)
{
	bool v4 = addr_is4(&t->f->h.side[!t->g].peer);
	struct udp_flow *u = &t->f->udp;
	int v = t->discover;

	if (u->open || udp_is_spliced(t->f) || (!first && u->discover == v))
		return;
	u->discover = t->discover;
	setsockopt(t->fd, v4 ? SOL_IP : SOL_IPV6,
		   v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &v, sizeof(v));
}

/* set_header() - Socket of the flow's own: carry the guest's TTL and TOS from
 * now on */
static void set_header(struct tx *t)
{
	const union addr *peer = &t->f->h.side[!t->g].peer;
	bool multi = addr_class(peer) == ADDR_MULTICAST;
	struct udp_flow *u = &t->f->udp;
	int ttl = t->ttl;

	if (t->tos != u->tos)
		sock_tos(t->fd, addr_is4(peer), t->tos);
	u->tos = t->tos;
	set_discover(t, !u->ttl);
	if (t->ttl == u->ttl)
		return;
	u->ttl = t->ttl;
	if (addr_is4(peer))
		setsockopt(t->fd, SOL_IP, multi ? IP_MULTICAST_TTL : IP_TTL,
			   &ttl, sizeof(ttl));
	else
		setsockopt(t->fd, SOL_IPV6, multi ? IPV6_MULTICAST_HOPS :
			   IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
}

static bool same_header(const struct pkt *a, const struct pkt *b)
{
	return a->ttl == b->ttl && a->tos == b->tos &&
	       discover_of(a) == discover_of(b);
}

void udp_out(union flow *f, const struct listener *l, const struct pkt *p,
	     unsigned n)
{
	unsigned g = l ? 1 : 0, i, k;	/* where they come from */
	const struct side *hs = &f->h.side[!g];
	struct tx t = { .f = f, .g = g, .l = l };

	t.fd = l ? l->fd : f->udp.sock[!g];
	if (l || f->udp.open)
		t.tolen = addr_to_sa(&t.to, addr_is4(&hs->peer) ? AF_INET :
				     AF_INET6, &hs->peer, hs->peer_port,
				     f->udp.scope);

	for (i = 0; i < n; i += k) {
		int refused = 0;

		t.ttl = p[i].ttl;
		t.tos = p[i].tos;
		t.discover = discover_of(p + i);
		for (k = 1; i + k < n && same_header(p + i, p + i + k); k++)
			;
		if (!l)
			set_header(&t);

		if (sock_features()->udp_gso && !f->udp.no_gso)
			refused = tx_groups(&t, p + i, k);
		if (refused >= 0)
			tx_singles(&t, p + i + refused, k - (unsigned)refused);
	}
}
