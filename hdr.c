// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hdr.c - the wire formats, read and written in one place
 *
 * Reading copies each header out of the frame (which may be guest memory)
 * into a struct on the stack, compares lengths against lengths, and moves on;
 * nothing is looked at twice. What a header claims is only ever used to shrink
 * the cursor, never to grow it, so a lie costs the liar its own bytes.
 *
 * This runs once for each frame, so the common case, headers in one piece, is
 * inlined: take() with constant sizes is a compare and a few loads.
 *
 * Addresses are judged here as well, since a frame is the only way by which a
 * loopback, unspecified or v4-mapped one could reach a socket call.
 */
#include "hdr.h"

#include <arpa/inet.h>
#include <string.h>

#include "csum.h"

struct eth_wire {
	uint8_t		dst[6], src[6];
	uint16_t	type;
};

struct ip4_wire {				/* RFC 791 3.1 */
	uint8_t		ver_ihl, tos;
	uint16_t	len, id, frag;
	uint8_t		ttl, proto;
	uint16_t	csum;
	struct in_addr	src, dst;
};

struct ip6_wire {				/* RFC 8200 3 */
	uint32_t	ver_tc_flow;
	uint16_t	len;
	uint8_t		next, hops;
	struct in6_addr	src, dst;
};

struct udp_wire {				/* RFC 768 */
	uint16_t	sport, dport, len, csum;
};

struct tcp_wire {				/* RFC 9293 3.1 */
	uint16_t	sport, dport;
	uint32_t	seq, ack;
	uint8_t		off, flags;
	uint16_t	win, csum, urg;
};

struct icmp_wire {				/* RFC 792, RFC 4443 2.1 */
	uint8_t		type, code;
	uint16_t	csum, id, seq;
};

_Static_assert(sizeof(struct eth_wire) == ETH_HLEN_, "Ethernet");
_Static_assert(sizeof(struct ip4_wire) == IP4_HLEN, "IPv4");
_Static_assert(sizeof(struct ip6_wire) == IP6_HLEN, "IPv6");
_Static_assert(sizeof(struct udp_wire) == UDP_HLEN, "UDP");
_Static_assert(sizeof(struct tcp_wire) == TCP_HLEN, "TCP");
_Static_assert(sizeof(struct icmp_wire) == ICMP_HLEN, "ICMP");

#define IP4_DF		0x4000
#define IP4_MF_OFFSET	0x3fff		/* more fragments, or an offset */
#define IP6_MF_OFFSET	0xfff9		/* the same, RFC 8200 4.5 */

#define IP6_EXT_MAX	8		/* nobody honest sends more */

/* Extension headers that netinet/in.h has no name for */
#define EXT_MOBILITY	135
#define EXT_HIP		139
#define EXT_SHIM6	140
#define EXT_TEST1	253
#define EXT_TEST2	254

#define PORT_BOOTPS	67
#define PORT_BOOTPC	68

/* Byte offsets of checksum fields in their headers */
#define TCP_CSUM_OFF	16
#define UDP_CSUM_OFF	6
#define ICMP_CSUM_OFF	2

/* take() - cur_pull(), in line for what lies in one piece */
static inline bool take(struct cursor *c, void *dst, size_t n)
{
	if (n <= c->left && n <= c->iov->iov_len - c->off) {
		memcpy(dst, (const uint8_t *)c->iov->iov_base + c->off, n);
		c->off += n;
		c->left -= n;
		return true;
	}
	return cur_pull(c, dst, n);
}

static enum hdr_verdict parse_udp(struct pkt *p)
{
	struct udp_wire u;
	size_t len;

	if (!take(&p->data, &u, sizeof(u)))
		return HDR_SHORT;

	/* In a super-frame the length is that of all segments together. The
	 * zero of RFC 2675 (jumbograms) is none of ours */
	len = ntohs(u.len);
	if (len < UDP_HLEN || len - UDP_HLEN > p->data.left)
		return HDR_SHORT;
	p->data.left = len - UDP_HLEN;

	p->sport = ntohs(u.sport);
	p->dport = ntohs(u.dport);
	return HDR_OK;
}

static enum hdr_verdict parse_tcp(struct pkt *p)
{
	struct tcp_wire t;
	size_t hlen;

	if (!take(&p->data, &t, sizeof(t)))
		return HDR_SHORT;

	hlen = (size_t)(t.off >> 4) * 4;
	if (hlen < TCP_HLEN || hlen - TCP_HLEN > p->data.left)
		return HDR_SHORT;

	p->tcp.optlen = (uint8_t)(hlen - TCP_HLEN);
	if (p->tcp.optlen && !take(&p->data, p->tcp.opt, p->tcp.optlen))
		return HDR_SHORT;

	p->sport = ntohs(t.sport);
	p->dport = ntohs(t.dport);
	p->tcp.seq = ntohl(t.seq);
	p->tcp.ack = ntohl(t.ack);
	p->tcp.win = ntohs(t.win);
	p->tcp.flags = t.flags;
	return HDR_OK;
}

static enum hdr_verdict parse_icmp(struct pkt *p)
{
	bool v6 = p->proto == IPPROTO_ICMPV6;
	struct icmp_wire i;

	if (!take(&p->data, &i, sizeof(i)))
		return HDR_SHORT;

	p->icmp.type = i.type;
	p->icmp.code = i.code;
	p->icmp.id = ntohs(i.id);
	p->icmp.seq = ntohs(i.seq);

	/* Echo request and reply (RFC 792, RFC 4443 4.1) */
	if (v6 ? i.type == 128 || i.type == 129 : i.type == 8 || i.type == 0)
		p->sport = p->dport = p->icmp.id;
	return HDR_OK;
}

/* parse_l4() - Read the header that @p->proto says is next */
static enum hdr_verdict parse_l4(struct pkt *p, bool v6)
{
	enum hdr_verdict v;

	switch (p->proto) {
	case IPPROTO_TCP:
		v = parse_tcp(p);
		break;
	case IPPROTO_UDP:
		v = parse_udp(p);
		break;
	case IPPROTO_ICMP:
		v = v6 ? HDR_TYPE : parse_icmp(p);
		break;
	case IPPROTO_ICMPV6:
		v = v6 ? parse_icmp(p) : HDR_TYPE;
		break;
	case IPPROTO_IGMP:
		return v6 ? HDR_TYPE : HDR_OK;
	default:
		v = HDR_TYPE;
	}

	p->l4 = v == HDR_OK;
	return v;
}

/*
 * addrs_ok() - Addresses that may stand in a frame from the guest
 *
 * Loopback never leaves a host (RFC 1122 3.2.1.3 (g), RFC 4291 2.5.3), and a
 * connection to the unspecified address would end at our own loopback.
 * *@unspec: the source is unspecified, see unspec_ok().
 */
static inline bool addrs_ok(const struct pkt *p, bool *unspec)
{
	enum addr_class c = addr_class(&p->dst);

	if (c == ADDR_LOOPBACK || c == ADDR_UNSPEC || c == ADDR_V4COMPAT)
		return false;

	c = addr_class(&p->src);
	*unspec = c == ADDR_UNSPEC;
	return c == ADDR_UNICAST || c == ADDR_LINKLOCAL || *unspec;
}

/* unspec_ok() - May this packet come from who has no address yet? DHCP
 * (RFC 2131 4.1), duplicate address detection (RFC 4861 4.3), IGMP and MLD
 * (RFC 3376 4.2.13, RFC 3590 4) */
static bool unspec_ok(const struct pkt *p)
{
	if (p->proto == IPPROTO_ICMPV6 || p->proto == IPPROTO_IGMP)
		return true;
	return p->proto == IPPROTO_UDP && addr_is4(&p->src) &&
	       !addr_to4(&p->src).s_addr &&
	       p->sport == PORT_BOOTPC && p->dport == PORT_BOOTPS;
}

static enum hdr_verdict parse_ip4(struct pkt *p)
{
	enum hdr_verdict v;
	struct ip4_wire ip;
	size_t hlen, len;
	bool unspec;

	if (!take(&p->data, &ip, sizeof(ip)) || ip.ver_ihl >> 4 != 4)
		return HDR_SHORT;

	hlen = (size_t)(ip.ver_ihl & 0xf) * 4;
	len = ntohs(ip.len);
	if (hlen < IP4_HLEN || len < hlen || len - IP4_HLEN > p->data.left)
		return HDR_SHORT;
	p->data.left = len - IP4_HLEN;		/* cuts Ethernet padding */
	if (hlen > IP4_HLEN && !cur_skip(&p->data, hlen - IP4_HLEN))
		return HDR_SHORT;

	p->proto = ip.proto;
	p->ttl = ip.ttl;
	p->tos = ip.tos;
	p->df = ip.frag & htons(IP4_DF);
	p->src = addr_from4(ip.src);
	p->dst = addr_from4(ip.dst);
	if (!addrs_ok(p, &unspec))
		return HDR_ADDR;
	if (ip.frag & htons(IP4_MF_OFFSET))
		return HDR_FRAG;

	v = parse_l4(p, false);
	if (v == HDR_OK && unspec && !unspec_ok(p))
		return HDR_ADDR;
	return v;
}

/* skip_ext() - Past extension headers, to what @p->proto then says */
static enum hdr_verdict skip_ext(struct pkt *p)
{
	unsigned i;

	for (i = 0; i < IP6_EXT_MAX; i++) {
		uint8_t h[8];		/* each is this long at least */
		size_t len;

		switch (p->proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
		case IPPROTO_DSTOPTS:
		case EXT_MOBILITY:
		case EXT_HIP:
		case EXT_SHIM6:
		case EXT_TEST1:
		case EXT_TEST2:
			break;
		default:		/* ESP as well: hides its length */
			return HDR_OK;
		}

		if (!take(&p->data, h, sizeof(h)))
			return HDR_SHORT;

		if (p->proto == IPPROTO_FRAGMENT) {
			p->proto = h[0];
			p->fragment = true;
			/* An atomic fragment is whole: RFC 6946 4 */
			if ((h[2] << 8 | h[3]) & IP6_MF_OFFSET)
				return HDR_FRAG;
			continue;
		}

		/* RFC 8200 4.2: in units of 8, the first not counted;
		 * RFC 4302 2.2: in units of 4, two not counted */
		if (p->proto == IPPROTO_AH)
			len = ((size_t)h[1] + 2) * 4;
		else
			len = ((size_t)h[1] + 1) * 8;
		if (len < sizeof(h) || !cur_skip(&p->data, len - sizeof(h)))
			return HDR_SHORT;
		p->proto = h[0];
	}

	return HDR_TYPE;
}

static enum hdr_verdict parse_ip6(struct pkt *p)
{
	enum hdr_verdict v;
	struct ip6_wire ip;
	uint32_t word;
	bool unspec;

	if (!take(&p->data, &ip, sizeof(ip)))
		return HDR_SHORT;
	word = ntohl(ip.ver_tc_flow);
	if (word >> 28 != 6 || ntohs(ip.len) > p->data.left)
		return HDR_SHORT;
	p->data.left = ntohs(ip.len);

	p->proto = ip.next;
	p->ttl = ip.hops;
	p->df = true;
	p->tos = (uint8_t)(word >> 20);
	p->src = addr_from6(&ip.src);
	p->dst = addr_from6(&ip.dst);

	/* Mapped ones would turn into IPv4 behind our back (RFC 4942 2.2) */
	if (addr_is4(&p->src) || addr_is4(&p->dst) || !addrs_ok(p, &unspec))
		return HDR_ADDR;

	v = skip_ext(p);
	if (v == HDR_OK)
		v = parse_l4(p, true);
	if (v == HDR_OK && unspec && !unspec_ok(p))
		return HDR_ADDR;
	return v;
}

enum hdr_verdict hdr_parse(struct pkt *p, const struct iovec *iov, size_t len)
{
	struct eth_wire eth;

	cur_init(&p->data, iov, len);
	p->ethertype = 0;
	p->proto = p->ttl = p->tos = 0;
	p->df = p->l4 = p->fragment = false;
	p->src = p->dst = ADDR_NONE;
	p->sport = p->dport = 0;
	p->gso_size = 0;

	if (!take(&p->data, &eth, sizeof(eth))) {
		memset(p->dmac, 0, sizeof(p->dmac));
		memset(p->smac, 0, sizeof(p->smac));
		return HDR_SHORT;
	}
	memcpy(p->dmac, eth.dst, sizeof(p->dmac));
	memcpy(p->smac, eth.src, sizeof(p->smac));
	p->ethertype = ntohs(eth.type);

	switch (p->ethertype) {
	case ETHTYPE_IP4:
		return parse_ip4(p);
	case ETHTYPE_IP6:
		return parse_ip6(p);
	case ETHTYPE_ARP:
		return HDR_OK;
	default:
		return HDR_TYPE;
	}
}

static void put_ip4(uint8_t *buf, const struct hdr_ip *h, size_t l4len)
{
	struct ip4_wire ip = {
		.ver_ihl = 4 << 4 | IP4_HLEN / 4,
		.tos = h->tos,
		.len = htons((uint16_t)(IP4_HLEN + l4len)),
		/* id 0: meaningless unless fragmented (RFC 6864 4.1) */
		.frag = h->no_df ? 0 : htons(IP4_DF),
		.ttl = h->ttl,
		.proto = h->proto,
		.src = addr_to4(&h->src),
		.dst = addr_to4(&h->dst),
	};

	ip.csum = csum_fold(csum_partial(&ip, sizeof(ip), 0));
	memcpy(buf, &ip, sizeof(ip));
}

static void put_ip6(uint8_t *buf, const struct hdr_ip *h, size_t l4len)
{
	struct ip6_wire ip = {
		.ver_tc_flow = htonl(6U << 28 | (uint32_t)h->tos << 20 |
				     (h->flowlabel & 0xfffff)),
		.len = htons((uint16_t)l4len),
		.next = h->proto,
		.hops = h->ttl,
		.src = h->src.in6,
		.dst = h->dst.in6,
	};

	memcpy(buf, &ip, sizeof(ip));
}

size_t hdr_put_ip(uint8_t *buf, const struct hdr_ip *h, size_t l4len)
{
	bool v4 = addr_is4(&h->dst);
	struct eth_wire eth;

	memcpy(eth.dst, h->dmac, sizeof(eth.dst));
	memcpy(eth.src, h->smac, sizeof(eth.src));
	eth.type = htons(v4 ? ETHTYPE_IP4 : ETHTYPE_IP6);
	memcpy(buf, &eth, sizeof(eth));

	if (v4)
		put_ip4(buf + ETH_HLEN_, h, l4len);
	else
		put_ip6(buf + ETH_HLEN_, h, l4len);
	return ETH_HLEN_ + (v4 ? IP4_HLEN : IP6_HLEN);
}

size_t hdr_put_tcp(uint8_t *buf, in_port_t sport, in_port_t dport,
		   uint32_t seq, uint32_t ack, uint8_t flags, uint16_t win,
		   const uint8_t *opt, size_t optlen)
{
	struct tcp_wire t = {
		.sport = htons(sport),
		.dport = htons(dport),
		.seq = htonl(seq),
		.ack = htonl(ack),
		.off = (uint8_t)((TCP_HLEN + optlen) / 4 << 4),
		.flags = flags,
		.win = htons(win),
	};

	memcpy(buf, &t, sizeof(t));
	if (optlen)
		memcpy(buf + TCP_HLEN, opt, optlen);
	return TCP_HLEN + optlen;
}

size_t hdr_put_udp(uint8_t *buf, in_port_t sport, in_port_t dport,
		   size_t datalen)
{
	struct udp_wire u = {
		.sport = htons(sport),
		.dport = htons(dport),
		.len = htons((uint16_t)(UDP_HLEN + datalen)),
	};

	memcpy(buf, &u, sizeof(u));
	return UDP_HLEN;
}

/* pseudo() - Partial sum of the pseudo header of @frame; sets the offset of
 * the L4 header and the protocol. We wrote it, so there are no IP options */
static uint32_t pseudo(const uint8_t *frame, size_t total, size_t *l4,
		       uint8_t *proto)
{
	union addr src, dst;

	if ((frame[12] << 8 | frame[13]) == ETHTYPE_IP4) {
		struct ip4_wire ip;

		memcpy(&ip, frame + ETH_HLEN_, sizeof(ip));
		*l4 = ETH_HLEN_ + IP4_HLEN;
		*proto = ip.proto;
		if (*proto == IPPROTO_ICMP)	/* has none: RFC 792 */
			return 0;
		src = addr_from4(ip.src);
		dst = addr_from4(ip.dst);
	} else {
		struct ip6_wire ip;

		memcpy(&ip, frame + ETH_HLEN_, sizeof(ip));
		*l4 = ETH_HLEN_ + IP6_HLEN;
		*proto = ip.next;
		src = addr_from6(&ip.src);
		dst = addr_from6(&ip.dst);
	}
	return csum_pseudo(&src, &dst, *proto, (uint32_t)(total - *l4));
}

void hdr_seal(uint8_t *frame, size_t hdrlen, const struct iovec *data,
	      unsigned ndata, bool partial)
{
	size_t l4, off, total = hdrlen;
	uint8_t proto;
	uint16_t csum;
	uint32_t sum;
	unsigned i;

	for (i = 0; i < ndata; i++)
		total += data[i].iov_len;

	sum = pseudo(frame, total, &l4, &proto);
	if (proto == IPPROTO_TCP)
		off = l4 + TCP_CSUM_OFF;
	else if (proto == IPPROTO_UDP)
		off = l4 + UDP_CSUM_OFF;
	else
		off = l4 + ICMP_CSUM_OFF;

	/* Nobody offloads ICMP. Partial: folded, not complemented, as who
	 * finishes it sums over the field too */
	if (partial && (proto == IPPROTO_TCP || proto == IPPROTO_UDP)) {
		csum = (uint16_t)~csum_fold(sum);
	} else {
		memset(frame + off, 0, sizeof(csum));
		sum = csum_partial(frame + l4, hdrlen - l4, sum);
		csum = csum_fold(csum_iov(data, ndata, sum));
		if (!csum && proto == IPPROTO_UDP)
			csum = 0xffff;
	}
	memcpy(frame + off, &csum, sizeof(csum));
}
