/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - what the tests of small protocols share: a guest, frames made by
 * hand, and a slow check of every length and checksum of what comes back
 */
#ifndef WIRE_H
#define WIRE_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "check.h"
#include "cursor.h"
#include "fake_tap.h"
#include "guest.h"
#include "hdr.h"
#include "tap.h"
#include "timer.h"

static const uint8_t our_mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t bcast_mac[6] = { 255, 255, 255, 255, 255, 255 };

/* From whom the next frame to the guest must come */
static const uint8_t *wire_smac = our_mac;
/* and with which IPv6 flow label */
static uint32_t wire_flow;

static inline union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

/* wire_facts() - A guest with everything */
static inline struct guest wire_facts(void)
{
	struct guest g;

	memset(&g, 0, sizeof(g));
	memcpy(g.our_mac, our_mac, 6);
	g.mtu = 65520;
	g.dhcp = g.dhcpv6 = g.ndp = g.ra = true;
	g.net[GUEST_V4].on = g.net[GUEST_V6].on = true;
	g.net[GUEST_V4].addr = A("192.0.2.2");
	g.net[GUEST_V4].prefix = 24;
	g.net[GUEST_V4].gw = g.net[GUEST_V4].our = A("192.0.2.1");
	g.net[GUEST_V6].addr = A("2001:db8::1234:2");
	g.net[GUEST_V6].prefix = 64;
	g.net[GUEST_V6].gw = g.net[GUEST_V6].our = A("fe80::1");
	return g;
}

static inline void wire_start(const struct guest *g)
{
	fake_reset();
	tap_attach(&fake_tap_ops);
	guest_init(g);
	guest_saw(guest_mac, NULL);
}

/* ---- frames from the guest ---- */

static inline void wire_eth(struct writer *w, const uint8_t *dst, uint16_t type)
{
	wr_put(w, dst, 6);
	wr_put(w, guest_mac, 6);
	wr_be16(w, type);
}

static inline void wire_ip(struct writer *w, const char *src, const char *dst,
			   uint8_t proto, uint8_t ttl, size_t l4len)
{
	union addr s = A(src), d = A(dst);
	bool v4 = addr_is4(&d);

	wire_eth(w, our_mac, v4 ? 0x0800 : 0x86dd);
	if (v4) {
		wr_be32(w, 0x45000000U | (uint32_t)(20 + l4len));
		wr_be32(w, 0);
		wr_u8(w, ttl);
		wr_u8(w, proto);
		wr_be16(w, 0);
		wr_put(w, s.b + 12, 4);
		wr_put(w, d.b + 12, 4);
	} else {
		wr_be32(w, 0x60000000U);
		wr_be16(w, (uint16_t)l4len);
		wr_u8(w, proto);
		wr_u8(w, ttl);
		wr_put(w, s.b, 16);
		wr_put(w, d.b, 16);
	}
}

/* wire_pkt() - Parse as input.c would, in pieces of @elem bytes (0: one) */
static inline enum hdr_verdict wire_pkt(struct pkt *p, const struct writer *w,
					size_t elem)
{
	static struct iovec iov[4096];
	unsigned n = 0;
	size_t off = 0;

	while (off < w->len) {
		size_t len = w->len - off;

		if (elem && len > elem && n < 4095)
			len = elem;
		iov[n].iov_base = w->p + off;
		iov[n++].iov_len = len;
		off += len;
	}
	return hdr_parse(p, iov, w->len);
}

/* ---- frames to the guest ---- */

static inline uint32_t wire_be(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static inline uint32_t wire_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The next frame the guest got, all of it */
struct wire_frame {
	uint8_t b[70000];
	size_t len;
	const uint8_t *ip, *l4, *data;	/* NULL for ARP */
	size_t datalen;			/* behind 8 bytes of L4 header */
	union addr src, dst;
	uint8_t proto, ttl;
};

/* wire_l4() - Checks of whole UDP, ICMP datagrams */
static inline void wire_l4(struct wire_frame *f, size_t len)
{
	uint8_t pseudo[40] = { 0 };
	uint32_t sum = 0;

	if (f->proto != IPPROTO_ICMP) {
		memcpy(pseudo, &f->src, 16);
		memcpy(pseudo + 16, &f->dst, 16);
		pseudo[34] = (uint8_t)(len >> 8);
		pseudo[35] = (uint8_t)len;
		pseudo[39] = f->proto;
		/* The prefix of mapped addresses adds up to nothing */
		sum = wire_sum(pseudo, sizeof(pseudo), 0);
	}
	EXPECT_EQ(wire_sum(f->l4, len, sum), 0xffff);
	if (f->proto == IPPROTO_UDP) {
		EXPECT_EQ(wire_be(f->l4 + 4, 2), len);
		EXPECT(wire_be(f->l4 + 6, 2) != 0);
	}
	f->data = f->l4 + 8;
	f->datalen = len - 8;
}

static inline bool wire_pop(struct wire_frame *f)
{
	struct fake_info info;
	size_t len;

	memset(f, 0, sizeof(*f));
	f->len = fake_pop(f->b, sizeof(f->b), &info);
	if (!f->len)
		return false;
	EXPECT(f->len >= 60);
	EXPECT(!info.gso && !info.csum_partial);
	EXPECT_MEM(f->b + 6, wire_smac, 6);
	if (wire_be(f->b + 12, 2) == 0x0806)
		return true;

	f->ip = f->b + 14;
	if (wire_be(f->b + 12, 2) == 0x0800) {
		struct in_addr in;

		EXPECT_EQ(f->ip[0], 0x45);
		EXPECT_EQ(f->ip[1], 0);
		EXPECT_EQ(wire_sum(f->ip, 20, 0), 0xffff);
		len = wire_be(f->ip + 2, 2);
		EXPECT(len > 20 && f->len == (len < 46 ? 60 : 14 + len));
		len -= 20;
		f->ttl = f->ip[8];
		f->proto = f->ip[9];
		memcpy(&in, f->ip + 12, 4);
		f->src = addr_from4(in);
		memcpy(&in, f->ip + 16, 4);
		f->dst = addr_from4(in);
		f->l4 = f->ip + 20;
		if (wire_be(f->ip + 6, 2) & 0x3fff)
			return true;		/* a fragment */
		EXPECT_EQ(wire_be(f->ip + 4, 4), 0x4000);
	} else {
		EXPECT_EQ(wire_be(f->b + 12, 2), 0x86dd);
		EXPECT_EQ(wire_be(f->ip, 4), 0x60000000U | wire_flow);
		len = wire_be(f->ip + 4, 2);
		EXPECT_EQ(f->len, 54 + len);
		f->proto = f->ip[6];
		f->ttl = f->ip[7];
		memcpy(&f->src, f->ip + 8, 16);
		memcpy(&f->dst, f->ip + 24, 16);
		f->l4 = f->ip + 40;
		if (f->proto == IPPROTO_FRAGMENT)
			return true;
	}
	wire_l4(f, len);
	return true;
}

/* wire_silent() - Nothing was sent */
static inline bool wire_silent(void)
{
	return !fake_pending() && fake_idle();
}

#endif /* WIRE_H */
