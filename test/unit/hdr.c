// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hdr.c (unit) - what the writer writes the reader reads; what else may come
 */
#include "hdr.h"

#include <arpa/inet.h>
#include <time.h>

#include "check.h"
#include "csum.h"
#include "util.h"

static const uint8_t us[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t guest[6] = { 2, 0, 0, 0, 0, 2 };

static uint8_t frame[HDR_ROOM + 65535 + 64];
static uint8_t data[65535];

static uint64_t rnd_state = 88172645463325252;

static uint32_t rnd(uint32_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 20) % below;
}

static union addr addr(const char *s)
{
	union addr a;

	EXPECT(addr_parse(s, &a));
	return a;
}

static struct hdr_ip ip_between(const char *src, const char *dst, uint8_t proto)
{
	return (struct hdr_ip){ .smac = us, .dmac = guest, .src = addr(src),
				.dst = addr(dst), .proto = proto, .ttl = 63,
				.tos = 0xb9, .flowlabel = 0x12345 };
}

/* build() - A frame of any protocol into frame[]; returns its length */
static size_t build(const char *src, const char *dst, uint8_t proto,
		    size_t optlen, size_t len, bool partial, size_t *hdrlen)
{
	struct hdr_ip h = ip_between(src, dst, proto);
	size_t l4 = proto == IPPROTO_TCP ? TCP_HLEN + optlen : 8, n;
	static const uint8_t icmp[8] = { 8, 0, 0, 0, 0x12, 0x34, 0, 7 };
	static const uint8_t icmp6[8] = { 128, 0, 0, 0, 0x12, 0x34, 0, 7 };
	uint8_t opt[TCP_OPT_MAX];
	struct iovec iov[3];
	size_t i;

	for (i = 0; i < sizeof(opt); i++)
		opt[i] = (uint8_t)(i + 1);

	n = hdr_put_ip(frame, &h, l4 + len);
	EXPECT_EQ(n, hdr_ip_len(&h.dst));
	if (proto == IPPROTO_TCP) {
		n += hdr_put_tcp(frame + n, 1111, 2222, 0x89abcdef, 0xfedcba98,
				 TH_ACK | TH_PSH, 54321, opt, optlen);
	} else if (proto == IPPROTO_UDP) {
		n += hdr_put_udp(frame + n, 1111, 2222, len);
	} else {
		memcpy(frame + n, proto == IPPROTO_ICMP ? icmp : icmp6, 8);
		n += 8;
	}

	*hdrlen = n;
	memcpy(frame + n, data, len);
	/* In uneven pieces, as sockets fill them */
	iov[0] = (struct iovec){ data, len / 3 };
	iov[1] = (struct iovec){ data + len / 3, 0 };
	iov[2] = (struct iovec){ data + len / 3, len - len / 3 };
	hdr_seal(frame, n, iov, 3, partial);
	return n + len;
}

static enum hdr_verdict parse(struct pkt *p, struct iovec *iov, size_t len)
{
	*iov = (struct iovec){ frame, len };
	return hdr_parse(p, iov, len);
}

/* l4_sum() - Sum over pseudo header and all of L4 but @skip bytes of fields:
 * 0 if the checksum in it is right. Written without hdr_seal() or csum.c */
static uint16_t l4_sum(size_t len)
{
	bool v4 = frame[12] == 8;
	size_t at = v4 ? 34 : 54, i;
	uint8_t proto = v4 ? frame[23] : frame[20];
	uint32_t sum = 0;

	if (proto != IPPROTO_ICMP) {
		for (i = v4 ? 26 : 22; i < at; i += 2)
			sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
		sum += proto + (uint32_t)(len - at);
	}
	for (i = at; i < len; i++)
		sum += (i - at) & 1 ? frame[i] : (uint32_t)(frame[i] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static const struct combo {
	const char *src, *dst;
	uint8_t proto;
} combos[] = {
	{ "192.0.2.1", "198.51.100.2", IPPROTO_TCP },
	{ "192.0.2.1", "198.51.100.2", IPPROTO_UDP },
	{ "192.0.2.1", "198.51.100.2", IPPROTO_ICMP },
	{ "2001:db8::1", "fe80::2", IPPROTO_TCP },
	{ "2001:db8::1", "fe80::2", IPPROTO_UDP },
	{ "2001:db8::1", "fe80::2", IPPROTO_ICMPV6 },
};

static void check_pkt(const struct combo *c, size_t optlen, size_t len,
		      size_t total)
{
	bool v4 = !strchr(c->src, ':');
	union addr src = addr(c->src), dst = addr(c->dst);
	static uint8_t back[65535];
	struct iovec iov;
	struct pkt p;
	size_t i;

	if (!EXPECT_EQ(parse(&p, &iov, total), HDR_OK))
		return;
	EXPECT_MEM(p.smac, us, 6);
	EXPECT_MEM(p.dmac, guest, 6);
	EXPECT_EQ(p.ethertype, v4 ? ETHTYPE_IP4 : ETHTYPE_IP6);
	EXPECT_EQ(p.proto, c->proto);
	EXPECT_EQ(p.ttl, 63);
	EXPECT_EQ(p.tos, 0xb9);
	EXPECT(p.df && p.l4);
	EXPECT(addr_eq(&p.src, &src) && addr_eq(&p.dst, &dst));
	EXPECT_EQ(cur_left(&p.data), len);
	EXPECT(cur_pull(&p.data, back, len));
	EXPECT_MEM(back, data, len);

	if (c->proto == IPPROTO_ICMP || c->proto == IPPROTO_ICMPV6) {
		EXPECT_EQ(p.icmp.id, 0x1234);
		EXPECT_EQ(p.icmp.seq, 7);
		EXPECT(p.sport == 0x1234 && p.dport == 0x1234);
		return;
	}
	EXPECT(p.sport == 1111 && p.dport == 2222);
	if (c->proto != IPPROTO_TCP)
		return;
	EXPECT_EQ(p.tcp.seq, 0x89abcdef);
	EXPECT_EQ(p.tcp.ack, 0xfedcba98);
	EXPECT_EQ(p.tcp.win, 54321);
	EXPECT_EQ(p.tcp.flags, TH_ACK | TH_PSH);
	EXPECT_EQ(p.tcp.optlen, optlen);
	for (i = 0; i < optlen; i++)
		EXPECT_EQ(p.tcp.opt[i], i + 1);
}

static void round_trip(void)
{
	static const size_t lens[] = { 0, 1, 2, 17, 1000, 1459, 65400 };
	unsigned c, l;
	size_t o;

	group("put, then parse: all protocols, families, lengths");
	for (c = 0; c < ARRAY_LEN(combos); c++) {
		for (l = 0; l < ARRAY_LEN(lens); l++) {
			for (o = 0; o <= TCP_OPT_MAX; o += 4) {
				const struct combo *b = &combos[c];
				size_t hl, n;

				n = build(b->src, b->dst, b->proto, o, lens[l],
					  false, &hl);
				EXPECT_EQ(l4_sum(n), 0);
				check_pkt(b, o, lens[l], n);
				/* Padding behind the packet is not data */
				check_pkt(b, o, lens[l], n + 37);
				if (b->proto != IPPROTO_TCP)
					break;
			}
		}
	}
}

static void wire_image(void)
{
	static const uint8_t ip4[20] = {
		0x45, 0xb9, 0x00, 0x1d, 0x00, 0x00, 0x40, 0x00, 0x3f, 0x11,
		0, 0, 192, 0, 2, 1, 198, 51, 100, 2 };
	static const uint8_t ip6[8] = { 0x6b, 0x91, 0x23, 0x45, 0x00, 0x09,
					17, 63 };
	struct hdr_ip h = ip_between("192.0.2.1", "198.51.100.2", IPPROTO_UDP);
	size_t n, hl;
	uint32_t sum = 0;
	unsigned i;

	group("bytes on the wire");
	for (i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip4[i] << 8 | ip4[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	EXPECT_EQ(hdr_put_ip(frame, &h, 9), 34);
	EXPECT_MEM(frame, guest, 6);
	EXPECT_MEM(frame + 6, us, 6);
	EXPECT_MEM(frame + 12, "\x08\x00", 2);
	EXPECT_MEM(frame + 14, ip4, 10);
	EXPECT_MEM(frame + 26, ip4 + 12, 8);
	EXPECT_EQ(frame[24] << 8 | frame[25], ~sum & 0xffff);
	h.no_df = true;
	hdr_put_ip(frame, &h, 9);
	EXPECT_EQ(frame[20], 0);

	h = ip_between("2001:db8::1", "2001:db8::2", IPPROTO_UDP);
	EXPECT_EQ(hdr_put_ip(frame, &h, 9), 54);
	EXPECT_MEM(frame + 12, "\x86\xdd", 2);
	EXPECT_MEM(frame + 14, ip6, 8);

	group("checksum zero is sent as 0xffff by UDP (RFC 768)");
	data[0] = data[1] = 0;
	n = build("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 0, 2, false, &hl);
	memcpy(data, frame + n - 4, 2);	/* what is missing to all ones */
	n = build("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 0, 2, false, &hl);
	EXPECT_EQ(frame[n - 4], 0xff);
	EXPECT_EQ(frame[n - 3], 0xff);
	EXPECT_EQ(l4_sum(n), 0);

	group("partial: pseudo header only, finished by summing all of L4");
	for (i = 0; i < ARRAY_LEN(combos); i++) {
		const struct combo *c = &combos[i];
		uint16_t csum;
		size_t off;

		n = build(c->src, c->dst, c->proto, 8, 333, true, &hl);
		if (c->proto == IPPROTO_TCP || c->proto == IPPROTO_UDP) {
			size_t l4 = c->src[3] == '.' ? 34 : 54;

			EXPECT(l4_sum(n) != 0);
			off = l4 + (c->proto == IPPROTO_TCP ? 16 : 6);
			csum = csum_fold(csum_partial(frame + l4, n - l4, 0));
			memcpy(frame + off, &csum, 2);
		}
		EXPECT_EQ(l4_sum(n), 0);
	}
}

/* verdict() - Build UDP, change one byte, parse */
static enum hdr_verdict verdict(int v6, size_t at, uint8_t value)
{
	struct iovec iov;
	struct pkt p;
	size_t n, hl;

	n = v6 ? build("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 0, 20, false,
		       &hl) :
		 build("192.0.2.1", "192.0.2.2", IPPROTO_UDP, 0, 20, false,
		       &hl);
	frame[at] = value;
	return parse(&p, &iov, n);
}

static void lies(void)
{
	struct iovec iov;
	struct pkt p;
	size_t n, hl, i;

	group("lengths that lie");
	EXPECT_EQ(verdict(0, 14, 0x44), HDR_SHORT);	/* header too short */
	EXPECT_EQ(verdict(0, 14, 0x65), HDR_SHORT);	/* version */
	EXPECT_EQ(verdict(0, 14, 0x4f), HDR_SHORT);	/* header too long */
	EXPECT_EQ(verdict(0, 17, 49), HDR_SHORT);	/* one byte too long */
	EXPECT_EQ(verdict(0, 17, 19), HDR_SHORT);	/* less than header */
	EXPECT_EQ(verdict(0, 17, 27), HDR_SHORT);	/* no room for UDP */
	EXPECT_EQ(verdict(0, 17, 47), HDR_SHORT);	/* cuts UDP */
	EXPECT_EQ(verdict(0, 39, 7), HDR_SHORT);	/* UDP length */
	EXPECT_EQ(verdict(0, 39, 0), HDR_SHORT);
	EXPECT_EQ(verdict(0, 39, 29), HDR_SHORT);
	EXPECT_EQ(verdict(0, 39, 28), HDR_OK);
	EXPECT_EQ(verdict(0, 39, 8), HDR_OK);
	EXPECT_EQ(verdict(1, 14, 0x40), HDR_SHORT);
	EXPECT_EQ(verdict(1, 19, 29), HDR_SHORT);
	EXPECT_EQ(verdict(1, 19, 27), HDR_SHORT);
	EXPECT_EQ(verdict(1, 19, 0), HDR_SHORT);	/* no jumbograms */
	EXPECT_EQ(verdict(1, 59, 29), HDR_SHORT);
	EXPECT_EQ(verdict(1, 59, 8), HDR_OK);

	n = build("192.0.2.1", "192.0.2.2", IPPROTO_TCP, 4, 3, false, &hl);
	frame[34 + 12] = 4 << 4;
	EXPECT_EQ(parse(&p, &iov, n), HDR_SHORT);
	frame[34 + 12] = 7 << 4;
	EXPECT_EQ(parse(&p, &iov, n), HDR_SHORT);
	for (i = 0; i < ARRAY_LEN(combos); i++) {
		size_t k;

		n = build(combos[i].src, combos[i].dst, combos[i].proto, 12, 9,
			  false, &hl);
		for (k = 0; k < n; k++)
			EXPECT_EQ(parse(&p, &iov, k), HDR_SHORT);
	}

	group("types nobody handles");
	EXPECT_EQ(verdict(0, 13, 1), HDR_TYPE);
	EXPECT_EQ(verdict(0, 23, 132), HDR_TYPE);	/* SCTP */
	EXPECT_EQ(verdict(0, 23, IPPROTO_ICMPV6), HDR_TYPE);
	EXPECT_EQ(verdict(1, 20, IPPROTO_ICMP), HDR_TYPE);
	EXPECT_EQ(verdict(1, 20, IPPROTO_ESP), HDR_TYPE);
	EXPECT_EQ(verdict(1, 20, IPPROTO_NONE), HDR_TYPE);

	group("IPv4 fragments, options");
	EXPECT_EQ(verdict(0, 20, 0x20), HDR_FRAG);
	EXPECT_EQ(verdict(0, 21, 0x01), HDR_FRAG);
	EXPECT_EQ(verdict(0, 20, 0x00), HDR_OK);
	EXPECT_EQ(verdict(0, 20, 0x80), HDR_OK);	/* reserved bit */
	n = build("192.0.2.1", "192.0.2.2", IPPROTO_UDP, 0, 20, false, &hl);
	memmove(frame + 38, frame + 34, n - 34);
	frame[14] = 0x46;
	frame[17] = (uint8_t)(frame[17] + 4);
	EXPECT_EQ(parse(&p, &iov, n + 4), HDR_OK);
	EXPECT(p.dport == 2222 && cur_left(&p.data) == 20);

	n = build("192.0.2.1", "192.0.2.2", IPPROTO_UDP, 0, 20, false, &hl);
	frame[20] = 0;
	EXPECT_EQ(parse(&p, &iov, n), HDR_OK);
	EXPECT(!p.df);

	group("ARP is passed on");
	frame[12] = 8;
	frame[13] = 6;
	EXPECT_EQ(parse(&p, &iov, 42), HDR_OK);
	EXPECT(p.ethertype == ETHTYPE_ARP && !p.l4 &&
	       cur_left(&p.data) == 28);
}

static enum hdr_verdict from_to(const char *src, const char *dst, uint8_t proto,
				in_port_t sport, in_port_t dport)
{
	struct iovec iov;
	struct pkt p;
	size_t n, hl;

	n = build(src, dst, proto, 0, 20, false, &hl);
	if (proto == IPPROTO_UDP || proto == IPPROTO_TCP) {
		uint8_t *l4 = frame + (strchr(src, ':') ? 54 : 34);

		l4[0] = (uint8_t)(sport >> 8);
		l4[1] = (uint8_t)sport;
		l4[2] = (uint8_t)(dport >> 8);
		l4[3] = (uint8_t)dport;
	}
	return parse(&p, &iov, n);
}

static void addresses(void)
{
	static const struct {
		const char *src, *dst;
		enum hdr_verdict v;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.2", HDR_OK },
		{ "192.0.2.1", "255.255.255.255", HDR_OK },
		{ "192.0.2.1", "224.0.0.251", HDR_OK },
		{ "169.254.1.1", "169.254.2.2", HDR_OK },
		{ "127.0.0.1", "192.0.2.2", HDR_ADDR },
		{ "192.0.2.1", "127.0.0.1", HDR_ADDR },
		{ "192.0.2.1", "127.255.255.254", HDR_ADDR },
		{ "192.0.2.1", "0.0.0.0", HDR_ADDR },
		{ "192.0.2.1", "0.1.2.3", HDR_ADDR },
		{ "0.0.0.0", "192.0.2.2", HDR_ADDR },
		{ "224.0.0.1", "192.0.2.2", HDR_ADDR },
		{ "255.255.255.255", "192.0.2.2", HDR_ADDR },
		{ "2001:db8::1", "ff02::1", HDR_OK },
		{ "fe80::1", "fe80::2", HDR_OK },
		{ "::1", "2001:db8::2", HDR_ADDR },
		{ "2001:db8::1", "::1", HDR_ADDR },
		{ "2001:db8::1", "::", HDR_ADDR },
		{ "::", "2001:db8::2", HDR_ADDR },
		{ "ff02::1", "2001:db8::2", HDR_ADDR },
		{ "::192.0.2.1", "2001:db8::2", HDR_ADDR },
		{ "2001:db8::1", "::192.0.2.1", HDR_ADDR },
	};
	struct iovec iov;
	struct pkt p;
	size_t n, hl;
	unsigned i;
	int end;

	group("addresses");
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		EXPECT_EQ(from_to(rows[i].src, rows[i].dst, IPPROTO_UDP, 9, 9),
			  rows[i].v);
		EXPECT_EQ(from_to(rows[i].src, rows[i].dst, IPPROTO_TCP, 9, 9),
			  rows[i].v);
	}

	group("no address yet: DHCP and NDP only");
	EXPECT_EQ(from_to("0.0.0.0", "255.255.255.255", IPPROTO_UDP, 68, 67),
		  HDR_OK);
	EXPECT_EQ(from_to("0.0.0.0", "255.255.255.255", IPPROTO_UDP, 67, 68),
		  HDR_ADDR);
	EXPECT_EQ(from_to("0.0.0.1", "255.255.255.255", IPPROTO_UDP, 68, 67),
		  HDR_ADDR);
	EXPECT_EQ(from_to("0.0.0.0", "255.255.255.255", IPPROTO_TCP, 68, 67),
		  HDR_ADDR);
	EXPECT_EQ(from_to("0.0.0.0", "192.0.2.1", IPPROTO_ICMP, 0, 0),
		  HDR_ADDR);
	EXPECT_EQ(from_to("::", "ff02::1", IPPROTO_ICMPV6, 0, 0), HDR_OK);
	EXPECT_EQ(from_to("::", "ff02::1", IPPROTO_UDP, 68, 67), HDR_ADDR);

	group("v4-mapped addresses in IPv6 are no way to loopback");
	for (end = 0; end < 2; end++) {
		n = build("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 0, 20,
			  false, &hl);
		memset(frame + 22 + end * 16, 0, 10);
		memset(frame + 32 + end * 16, 0xff, 2);
		memcpy(frame + 34 + end * 16, "\x7f\0\0\1", 4);
		EXPECT_EQ(parse(&p, &iov, n), HDR_ADDR);
		memcpy(frame + 34 + end * 16, "\xc0\0\2\1", 4);
		EXPECT_EQ(parse(&p, &iov, n), HDR_ADDR);
	}
}

/* with_ext() - Parse IPv6 UDP behind extension headers: @ext is their bytes,
 * @first the type of the first one */
static enum hdr_verdict with_ext(struct pkt *p, uint8_t first,
				 const uint8_t *ext, size_t extlen)
{
	static struct iovec iov;
	size_t n, hl, plen;

	n = build("2001:db8::1", "2001:db8::2", IPPROTO_UDP, 0, 20, false,
		  &hl);
	memmove(frame + 54 + extlen, frame + 54, n - 54);
	memcpy(frame + 54, ext, extlen);
	plen = n - 54 + extlen;
	frame[18] = (uint8_t)(plen >> 8);
	frame[19] = (uint8_t)plen;
	frame[20] = first;
	return parse(p, &iov, n + extlen);
}

static void extensions(void)
{
	static const uint8_t kinds[] = { 0, 43, 60, 135, 139, 140, 253, 254 };
	uint8_t ext[8 * 16] = { 0 };
	struct pkt p;
	unsigned i;

	group("IPv6 extension headers");
	for (i = 0; i < sizeof(kinds); i++) {
		memset(ext, 0, sizeof(ext));
		ext[0] = IPPROTO_UDP;
		EXPECT_EQ(with_ext(&p, kinds[i], ext, 8), HDR_OK);
		EXPECT(p.proto == IPPROTO_UDP && p.dport == 2222 &&
		       cur_left(&p.data) == 20);
		ext[1] = 2;
		EXPECT_EQ(with_ext(&p, kinds[i], ext, 24), HDR_OK);
		EXPECT(p.dport == 2222);
		ext[1] = 200;
		EXPECT_EQ(with_ext(&p, kinds[i], ext, 24), HDR_SHORT);
	}

	memset(ext, 0, sizeof(ext));
	ext[0] = IPPROTO_UDP;
	ext[1] = 4;					/* 24 bytes */
	EXPECT_EQ(with_ext(&p, IPPROTO_AH, ext, 24), HDR_OK);
	EXPECT(p.dport == 2222);

	group("IPv6 fragments; an atomic one is whole (RFC 6946)");
	memset(ext, 0, sizeof(ext));
	ext[0] = IPPROTO_UDP;
	ext[7] = 77;
	EXPECT_EQ(with_ext(&p, IPPROTO_FRAGMENT, ext, 8), HDR_OK);
	EXPECT(p.fragment);
	EXPECT(p.dport == 2222);
	ext[3] = 0x06;					/* reserved bits */
	EXPECT_EQ(with_ext(&p, IPPROTO_FRAGMENT, ext, 8), HDR_OK);
	ext[3] = 0x01;
	EXPECT_EQ(with_ext(&p, IPPROTO_FRAGMENT, ext, 8), HDR_FRAG);
	ext[3] = 0x08;
	EXPECT_EQ(with_ext(&p, IPPROTO_FRAGMENT, ext, 8), HDR_FRAG);
	ext[2] = 0x80;
	ext[3] = 0;
	EXPECT_EQ(with_ext(&p, IPPROTO_FRAGMENT, ext, 8), HDR_FRAG);

	group("a chain has an end");
	memset(ext, 0, sizeof(ext));
	for (i = 0; i < 16; i++)
		ext[i * 8] = i == 15 ? IPPROTO_UDP : 60;
	EXPECT_EQ(with_ext(&p, 60, ext + 8 * 9, 8 * 7), HDR_OK);
	EXPECT_EQ(with_ext(&p, 60, ext, 8 * 16), HDR_TYPE);
}

/* mutate() - One random frame, damaged, in random pieces of exact size */
static void mutate(void)
{
	const struct combo *c = &combos[rnd(ARRAY_LEN(combos))];
	struct iovec iov[8], out[8];
	uint8_t *piece[8];
	size_t n, hl, len, at, got;
	unsigned k, flips, pieces;
	struct pkt p;

	n = build(c->src, c->dst, c->proto, 4 * rnd(11), rnd(100), rnd(2), &hl);
	for (flips = rnd(6); flips; flips--)
		frame[rnd((uint32_t)(rnd(2) ? n : 24))] ^=
			(uint8_t)(1U << rnd(8));
	if (!rnd(4))				/* a random chain of headers */
		frame[20] = (uint8_t[]){ 0, 43, 44, 51, 60, 135 }[rnd(6)];
	len = rnd(3) ? n : rnd((uint32_t)n + 1);

	pieces = 1 + rnd(8);
	for (at = 0, k = 0; k < pieces; k++) {
		size_t chunk = k == pieces - 1 ? len - at :
			       rnd((uint32_t)(len - at) + 1);

		piece[k] = malloc(chunk);
		if (chunk)
			memcpy(piece[k], frame + at, chunk);
		iov[k] = (struct iovec){ piece[k], chunk };
		at += chunk;
	}

	if (hdr_parse(&p, iov, len) == HDR_OK) {
		static uint8_t back[65536];

		EXPECT(cur_left(&p.data) <= len);
		EXPECT(p.ethertype == ETHTYPE_ARP ||
			       p.proto == IPPROTO_IGMP || p.l4);
		EXPECT(p.proto != IPPROTO_TCP || p.tcp.optlen <= TCP_OPT_MAX);
		cur_iov(&p.data, out, 8, &got);
		EXPECT_EQ(got, cur_left(&p.data));
		EXPECT(cur_pull(&p.data, back, cur_left(&p.data)));
	}
	for (k = 0; k < pieces; k++)
		free(piece[k]);
}

static void speed(void)
{
	static const char *name[] = { "TCP4", "UDP4", "", "TCP6", "UDP6" };
	struct timespec a, b;
	struct iovec iov;
	struct pkt p;
	size_t n, hl;
	unsigned c;
	long i;

	for (c = 0; c < 5; c++) {
		unsigned long keep = 0;

		if (c == 2)
			continue;
		n = build(combos[c].src, combos[c].dst, combos[c].proto, 12,
			  64, false, &hl);
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (i = 0; i < 5000000; i++)
			keep += parse(&p, &iov, n) + p.dport;
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("# parse %s: %.1f ns (%lu)\n", name[c],
		       ((double)(b.tv_sec - a.tv_sec) * 1e9 +
			(double)(b.tv_nsec - a.tv_nsec)) / 5e6, keep);
	}
}

int main(int argc, char **argv)
{
	size_t i;

	csum_init();
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rnd(256);

	if (argc > 1 && !strcmp(argv[1], "bench")) {
		speed();
		return EXIT_SUCCESS;
	}

	round_trip();
	wire_image();
	lies();
	addresses();
	extensions();

	group("no damage does harm");
	for (i = 0; i < 300000; i++)
		mutate();
	return done();
}
