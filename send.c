// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * send.c - one small frame to the guest
 *
 * What dhcp, ndp, arp and icmp have to say are single messages that lie in a
 * flat buffer. Here they get their checksum and their headers, one slot of the
 * guest port, and go. The checksum is computed over the caller's bytes, never
 * over the slot: that may be memory the guest is writing to.
 *
 * A message longer than the guest's MTU leaves as fragments; echo replies may
 * have any size. All eight-byte L4 headers (UDP, ICMP) stay in the first one.
 */
#include "send.h"

#include <errno.h>
#include <string.h>

#include "csum.h"
#include "guest.h"
#include "hdr.h"
#include "tap.h"
#include "util.h"

#define L4_HLEN		8	/* UDP_HLEN and ICMP_HLEN */
#define IP_MAX		65535
#define IP6_FRAG_HLEN	8
#define IP6_MIN_MTU	1280	/* RFC 8200 5 */
#define IP4_MIN_MTU	68	/* RFC 791 3.2 */
#define IP4_MIN_TAKEN	576	/* ... put together again */

#define ICMP_TTL	255
#define ICMP4_UNREACH	3
#define ICMP6_UNREACH	1

static struct {
	uint32_t frag_id;	/* of the datagram last cut to pieces */
} tx;

/* fill() - Copy to the elements of a slot, zeros behind, up to @want bytes */
static void fill(const struct tap_slot *s, const uint8_t *p, size_t len,
		 size_t want)
{
	unsigned i;

	for (i = 0; i < s->ndata && want; i++) {
		uint8_t *dst = s->data[i].iov_base;
		size_t room = MIN(s->data[i].iov_len, want);
		size_t n = MIN(room, len);

		if (n)
			memcpy(dst, p, n);
		if (room > n)
			memset(dst + n, 0, room - n);
		p += n;
		len -= n;
		want -= room;
	}
}

/* emit() - One frame, padded to Ethernet's minimum */
static bool emit(const uint8_t *hdr, size_t hdrlen, const uint8_t *data,
		 size_t len)
{
	size_t want = len;
	struct tap_slot s;
	int n;

	if (hdrlen + want < ETH_MIN_FRAME)
		want = ETH_MIN_FRAME - hdrlen;
	if (hdrlen + want > tap_caps()->max_frame)
		return false;

	n = tap_reserve(&s, 1, hdrlen, want);
	if (n < 1)
		return false;
	if (s.room < want) {
		tap_commit(&s, n, 0, true);
		return false;
	}

	memcpy(s.hdr, hdr, hdrlen);
	fill(&s, data, len, want);
	s.hdrlen = hdrlen;
	s.len = want;
	s.gso = TAP_GSO_NONE;
	s.gso_size = 0;
	s.csum_partial = false;
	s.join = false;
	return tap_commit(&s, n, 1, true) == 1;
}

/* frag4() - Make the IPv4 header at @ip that of a fragment (RFC 791 3.2) */
static void frag4(uint8_t *ip, size_t off, bool more)
{
	uint16_t word = (uint16_t)(off / 8 | (more ? 0x2000U : 0)), sum;

	ip[4] = (uint8_t)(tx.frag_id >> 8);
	ip[5] = (uint8_t)tx.frag_id;
	ip[6] = (uint8_t)(word >> 8);
	ip[7] = (uint8_t)word;
	ip[10] = ip[11] = 0;
	sum = csum_fold(csum_partial(ip, IP4_HLEN, 0));
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* frag6() - Write the IPv6 fragment header (RFC 8200 4.5) */
static size_t frag6(uint8_t *buf, uint8_t next, size_t off, bool more)
{
	struct writer w;

	wr_init(&w, buf, IP6_FRAG_HLEN);
	wr_u8(&w, next);
	wr_u8(&w, 0);
	wr_be16(&w, (uint16_t)(off | (more ? 1U : 0)));
	wr_be32(&w, tx.frag_id);
	return w.len;
}

/* fragment() - @l4 and @data do not fit @mtu in one piece */
static bool fragment(const struct hdr_ip *h, const uint8_t *l4,
		     const uint8_t *data, size_t len, size_t mtu)
{
	bool v4 = addr_is4(&h->dst);
	size_t over = v4 ? IP4_HLEN : IP6_HLEN + IP6_FRAG_HLEN;
	/* All pieces but the last are multiples of eight */
	size_t chunk = (mtu - over) & ~(size_t)7;
	size_t total = L4_HLEN + len, off, n;

	/* RFC 6864 4: not the id of another datagram still on its way */
	if (!++tx.frag_id || !(tx.frag_id & 0xffff))
		tx.frag_id++;

	for (off = 0; off < total; off += n) {
		uint8_t buf[HDR_ROOM];
		struct hdr_ip ip = *h;
		size_t hlen, head = off ? 0 : L4_HLEN;
		bool more;

		n = MIN(chunk, total - off);
		more = off + n < total;
		ip.no_df = true;
		if (!v4)
			ip.proto = IPPROTO_FRAGMENT;

		hlen = hdr_put_ip(buf, &ip, v4 ? n : n + IP6_FRAG_HLEN);
		if (v4)
			frag4(buf + ETH_HLEN_, off, more);
		else
			hlen += frag6(buf + hlen, h->proto, off, more);

		memcpy(buf + hlen, l4, head);
		hlen += head;
		if (!emit(buf, hlen, data + (off + head - L4_HLEN), n - head))
			return false;
	}
	return true;
}

/* send_l4() - @l4 is the finished UDP or ICMP header */
static bool send_l4(const struct hdr_ip *h, const uint8_t *l4,
		    const uint8_t *data, size_t len)
{
	size_t min = addr_is4(&h->dst) ? IP4_MIN_MTU : IP6_MIN_MTU;
	size_t iplen = hdr_ip_len(&h->dst) - ETH_HLEN_ + L4_HLEN + len;
	size_t mtu = tap_caps()->max_frame;
	uint8_t buf[HDR_ROOM];
	size_t hlen;

	if (addr_is4(&h->dst) != addr_is4(&h->src))
		return false;
	/* IPv6 counts the payload only, but has to fit a frame just as well */
	if (iplen > IP_MAX || mtu < ETH_HLEN_ + min)
		return false;

	mtu -= ETH_HLEN_;
	if (guest()->mtu)
		mtu = MIN(mtu, MAX(guest()->mtu, min));
	if (iplen > mtu)
		return fragment(h, l4, data, len, mtu);

	hlen = hdr_put_ip(buf, h, L4_HLEN + len);
	memcpy(buf + hlen, l4, L4_HLEN);
	return emit(buf, hlen + L4_HLEN, data, len);
}

static struct hdr_ip ip_header(const union addr *src, const union addr *dst,
			       uint8_t proto, uint8_t ttl, const uint8_t *dmac)
{
	return (struct hdr_ip){
		.smac = guest()->our_mac,
		.dmac = dmac ? dmac : guest()->mac,
		.src = *src, .dst = *dst, .proto = proto, .ttl = ttl,
	};
}

/* udp() - A datagram below the header @h */
static bool udp(const struct hdr_ip *h, in_port_t sport, in_port_t dport,
		const void *data, size_t len)
{
	uint8_t l4[UDP_HLEN];
	uint32_t sum;
	uint16_t c;

	if (len > IP_MAX - UDP_HLEN)
		return false;

	hdr_put_udp(l4, sport, dport, len);
	l4[6] = l4[7] = 0;
	sum = csum_pseudo(&h->src, &h->dst, IPPROTO_UDP,
			  (uint32_t)(UDP_HLEN + len));
	sum = csum_partial(data, len, csum_partial(l4, sizeof(l4), sum));
	c = csum_fold(sum);
	if (!c)
		c = 0xffff;	/* zero says "none" (RFC 768) */
	memcpy(l4 + 6, &c, sizeof(c));
	return send_l4(h, l4, data, len);
}

bool send_udp(const union addr *src, in_port_t sport, const union addr *dst,
	      in_port_t dport, uint8_t ttl, uint32_t flow, const uint8_t *dmac,
	      const void *data, size_t len)
{
	struct hdr_ip h = ip_header(src, dst, IPPROTO_UDP, ttl, dmac);

	h.flowlabel = flow;
	return udp(&h, sport, dport, data, len);
}

bool send_dgram(const union addr *src, in_port_t sport, const union addr *dst,
		in_port_t dport, uint8_t ttl, uint8_t tos, const uint8_t *dmac,
		const void *data, size_t len)
{
	struct hdr_ip h = ip_header(src, dst, IPPROTO_UDP, ttl, dmac);

	h.tos = tos;
	return udp(&h, sport, dport, data, len);
}

bool send_icmp(const union addr *src, const union addr *dst, uint8_t ttl,
	       const uint8_t *smac, const uint8_t *dmac, const void *msg,
	       size_t len)
{
	bool v4 = addr_is4(dst);
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct hdr_ip h = ip_header(src, dst, proto, ttl, dmac);
	const uint8_t *data = (const uint8_t *)msg + ICMP_HLEN;
	uint8_t l4[ICMP_HLEN];
	uint32_t sum = 0;
	uint16_t c;

	if (len < ICMP_HLEN || len > IP_MAX)
		return false;

	if (smac)
		h.smac = smac;
	memcpy(l4, msg, sizeof(l4));
	l4[2] = l4[3] = 0;
	/* Only ICMPv6 includes the addresses (RFC 4443 2.3) */
	if (!v4)
		sum = csum_pseudo(src, dst, proto, (uint32_t)len);
	sum = csum_partial(l4, sizeof(l4), sum);
	c = csum_fold(csum_partial(data, len - ICMP_HLEN, sum));
	memcpy(l4 + 2, &c, sizeof(c));
	return send_l4(&h, l4, data, len - ICMP_HLEN);
}

bool send_icmp_quote(const union addr *from, const union addr *to,
		     uint8_t type, uint8_t code, uint32_t info,
		     const uint8_t *quote, size_t len)
{
	uint8_t msg[IP6_MIN_MTU - IP6_HLEN];
	struct writer w;

	wr_init(&w, msg, sizeof(msg));
	wr_u8(&w, type);
	wr_u8(&w, code);
	wr_be16(&w, 0);
	wr_be32(&w, info);
	/* As much as possible without exceeding the least size that all must
	 * take: RFC 1812 4.3.2.3, RFC 4443 2.4 (c) */
	if (addr_is4(to))
		w.size = IP4_MIN_TAKEN - IP4_HLEN;
	wr_put(&w, quote, MIN(len, w.size - w.len));

	return wr_ok(&w) &&
	       send_icmp(from, to, ICMP_TTL, NULL, NULL, msg, w.len);
}

bool send_icmp_error(const union addr *from, uint8_t type, uint8_t code,
		     uint32_t info, const union addr *src, in_port_t sport,
		     const union addr *dst, in_port_t dport, const void *data,
		     size_t len, size_t total)
{
	struct hdr_ip ip = ip_header(src, dst, IPPROTO_UDP, 255, NULL);
	uint8_t quote[HDR_ROOM + IP6_MIN_MTU];
	bool v4 = addr_is4(dst);
	size_t n;

	if (addr_is4(src) != v4 ||
	    total > IP_MAX - (v4 ? IP4_HLEN : IP6_HLEN) - UDP_HLEN)
		return false;

	n = hdr_put_ip(quote, &ip, UDP_HLEN + total);
	n += hdr_put_udp(quote + n, sport, dport, total);
	/* RFC 792: 64 bits of its data, which we read as of UDP's data */
	len = MIN(len, v4 ? 8U : IP6_MIN_MTU);
	memcpy(quote + n, data, len);
	return send_icmp_quote(from, src, type, code, info, quote + ETH_HLEN_,
			       n - ETH_HLEN_ + len);
}

const union addr *send_router(const union addr *dst)
{
	enum guest_family f = addr_is4(dst) ? GUEST_V4 : GUEST_V6;
	const union addr *our = &guest()->net[f].our;

	return addr_is4(our) == addr_is4(dst) && addr_is_unicast(our) ? our :
									dst;
}

bool send_unreach_code(int e, bool v4, uint8_t *type, uint8_t *code)
{
	*type = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
	switch (e) {		/* RFC 1122 3.2.2.1, RFC 4443 3.1 */
	case ENETUNREACH:
		*code = 0;
		return true;
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
		*code = v4 ? 1 : 3;
		return true;
	case ENOPROTOOPT:
		*code = 2;
		return v4;
	case EHOSTDOWN:
		*code = 7;
		return v4;
	case EACCES:
	case EPERM:
		*code = v4 ? 13 : 1;
		return true;
	case ECONNREFUSED:
		*code = v4 ? 3 : 4;
		return true;
	default:
		return false;
	}
}

bool send_eth(uint16_t ethertype, const uint8_t *smac, const uint8_t *dmac,
	      const void *data, size_t len)
{
	uint8_t buf[ETH_HLEN_];
	struct writer w;

	wr_init(&w, buf, sizeof(buf));
	wr_put(&w, dmac ? dmac : guest()->mac, 6);
	wr_put(&w, smac ? smac : guest()->our_mac, 6);
	wr_be16(&w, ethertype);
	return emit(buf, w.len, data, len);
}
