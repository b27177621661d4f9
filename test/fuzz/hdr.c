// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hdr.c - headers of a frame: what is accepted lies within the frame, in one
 * piece or in many, where a slow second reader finds it too; no address that
 * must not reach a socket gets by; and what we write we can read
 *
 * Input: length of pieces, then the frame.
 */
#include "fuzz.h"

#include <arpa/inet.h>

#include "util.h"

/* Whether @a may stand in a frame that is handled */
static void addr_check(const struct pkt *p)
{
	enum addr_class s = addr_class(&p->src), d = addr_class(&p->dst);

	FUZZ_CHECK(d != ADDR_LOOPBACK && d != ADDR_UNSPEC &&
		   d != ADDR_V4COMPAT);
	FUZZ_CHECK(s == ADDR_UNICAST || s == ADDR_LINKLOCAL ||
		   s == ADDR_UNSPEC);
	FUZZ_CHECK(addr_is4(&p->src) == (p->ethertype == ETHTYPE_IP4));
	FUZZ_CHECK(addr_is4(&p->dst) == (p->ethertype == ETHTYPE_IP4));
}

static size_t be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Where the payload of IP begins, and its end, read naively; the frame has
 * been accepted, so all that is looked at must be there */
static size_t payload(const uint8_t *f, size_t len, size_t *end)
{
	size_t at = 14;
	uint8_t next;

	if (be16(f + 12) == ETHTYPE_IP4) {
		*end = at + be16(f + at + 2);
		return at + (size_t)(f[at] & 15) * 4;
	}
	*end = at + 40 + be16(f + at + 4);
	next = f[at + 6];
	at += 40;
	while (next != IPPROTO_TCP && next != IPPROTO_UDP &&
	       next != IPPROTO_ICMPV6) {
		size_t n = next == IPPROTO_FRAGMENT ? 8 :
			   next == IPPROTO_AH ? ((size_t)f[at + 1] + 2) * 4 :
						((size_t)f[at + 1] + 1) * 8;

		FUZZ_CHECK(at + n <= len);
		next = f[at];
		at += n;
	}
	return at;
}

static void accepted(const struct pkt *p, const uint8_t *f, size_t len)
{
	size_t end = len, at = 14, left = cur_left(&p->data);
	struct cursor c = p->data;
	uint8_t *copy;

	if (p->ethertype != ETHTYPE_ARP) {
		addr_check(p);
		at = payload(f, len, &end);
	}
	if (p->l4 && p->proto == IPPROTO_TCP) {
		FUZZ_CHECK(p->tcp.optlen == (f[at + 12] >> 4) * 4 - 20);
		FUZZ_CHECK(p->sport == be16(f + at));
		at += 20U + p->tcp.optlen;
	} else if (p->l4 && p->proto == IPPROTO_UDP) {
		end = at + be16(f + at + 4);
		FUZZ_CHECK(p->dport == be16(f + at + 2));
		at += 8;
	} else if (p->l4) {
		at += 8;
	}
	FUZZ_CHECK(at <= end && end <= len && left == end - at);
	copy = fuzz_dup(f + at, left, false);
	FUZZ_CHECK(cur_pull(&c, copy, left));
	FUZZ_CHECK(!memcmp(copy, f + at, left));
	free(copy);
}

/* Frames to the guest, from what was read of one from it */
static void write_back(const struct pkt *p)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct hdr_ip ip = {
		.smac = mac, .dmac = p->smac, .src = p->dst, .dst = p->src,
		.proto = p->proto, .ttl = 64, .tos = p->tos,
	};
	size_t ihl = hdr_ip_len(&p->src), n, data = MIN(cur_left(&p->data), 900);
	uint8_t *b = malloc(HDR_ROOM + 1000);
	struct cursor c = p->data;
	struct iovec iov[2];
	struct pkt q;

	if (!b)
		abort();
	n = ihl + (p->proto == IPPROTO_UDP ? UDP_HLEN : TCP_HLEN) +
	    (p->proto == IPPROTO_UDP ? 0 : p->tcp.optlen);
	FUZZ_CHECK(n <= HDR_ROOM);
	FUZZ_CHECK(hdr_put_ip(b, &ip, n - ihl + data) == ihl);
	if (p->proto == IPPROTO_UDP)
		hdr_put_udp(b + ihl, p->dport, p->sport, data);
	else
		hdr_put_tcp(b + ihl, p->dport, p->sport, p->tcp.ack,
			    p->tcp.seq, p->tcp.flags, p->tcp.win, p->tcp.opt,
			    p->tcp.optlen);
	cur_pull(&c, b + n, data);
	iov[0] = (struct iovec){ b + n, data / 3 };
	iov[1] = (struct iovec){ b + n + data / 3, data - data / 3 };
	hdr_seal(b, n, iov, 2, false);
	iov[0] = (struct iovec){ b, n + data };
	if (addr_is_unicast(&p->dst) && addr_class(&p->src) != ADDR_UNSPEC) {
		FUZZ_CHECK(hdr_parse(&q, iov, n + data) == HDR_OK);
		FUZZ_CHECK(q.sport == p->dport && q.dport == p->sport);
		FUZZ_CHECK(addr_eq(&q.src, &p->dst) && q.tos == p->tos);
		FUZZ_CHECK(cur_left(&q.data) == data);
	}
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	size_t elem = in_u8(&in), len = in.left;
	enum hdr_verdict v, w;
	struct iovec iov;
	uint8_t *flat;
	struct pkt p, q;

	fake_reset();
	tap_attach(&fake_tap_ops);
	v = fuzz_arrives(&p, in.p, len, elem);
	flat = fuzz_dup(in.p, len, false);
	iov = (struct iovec){ flat, len };
	w = hdr_parse(&q, &iov, len);

	FUZZ_CHECK(v == w && p.proto == q.proto && p.sport == q.sport);
	FUZZ_CHECK(cur_left(&p.data) == cur_left(&q.data));
	FUZZ_CHECK(cur_left(&p.data) <= len);
	if (v == HDR_FRAG)
		addr_check(&p);
	if (v == HDR_OK) {
		accepted(&p, flat, len);
		if (p.l4 && (p.proto == IPPROTO_UDP || p.proto == IPPROTO_TCP))
			write_back(&p);
	}
	tap_done(1);
	free(flat);
	return 0;
}
