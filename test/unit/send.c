// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * send.c - headers and checksums of every length, fragments, full ports
 */
#include "send.h"

#include "wire.h"

#include "util.h"

static uint8_t data[66000];

/* both() - Compare UDP and ICMP datagrams of @len bytes, of one family */
static void both(const char *src, const char *dst, size_t len)
{
	union addr s = A(src), d = A(dst);
	struct wire_frame f;
	bool v4 = addr_is4(&d);

	EXPECT(send_udp(&s, 67, &d, 68, 17, 0x12345, NULL, data, len));
	wire_flow = 0x12345;
	if (EXPECT(wire_pop(&f))) {
		wire_flow = 0;
		EXPECT_MEM(f.b, guest_mac, 6);
		EXPECT(addr_eq(&f.src, &s) && addr_eq(&f.dst, &d));
		EXPECT_EQ(f.proto, IPPROTO_UDP);
		EXPECT_EQ(f.ttl, 17);
		EXPECT_EQ(wire_be(f.l4, 4), 67 << 16 | 68);
		if (EXPECT_EQ(f.datalen, len))
			EXPECT_MEM(f.data, data, len);
	}

	if (len < 8)
		return;
	EXPECT(send_icmp(&s, &d, 255, NULL, bcast_mac, data, len));
	if (EXPECT(wire_pop(&f))) {
		EXPECT_MEM(f.b, bcast_mac, 6);
		EXPECT_EQ(f.proto, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		EXPECT_EQ(f.ttl, 255);
		EXPECT_MEM(f.l4, data, 2);
		EXPECT_MEM(f.l4 + 4, data + 4, 4);
		if (EXPECT_EQ(f.datalen, len - 8))
			EXPECT_MEM(f.data, data + 8, len - 8);
	}
	EXPECT(wire_silent());
}

/* fragments() - An ICMP message of @len bytes at @mtu, put together again */
static void fragments(const char *src, const char *dst, size_t len,
		      uint16_t mtu)
{
	static uint8_t whole[66000];
	union addr s = A(src), d = A(dst);
	bool v4 = addr_is4(&d), more = true;
	struct guest g = wire_facts();
	uint8_t pseudo[40] = { 0 };
	static struct wire_frame f;
	uint32_t sum = 0, id = 0;
	size_t off = 0;

	g.mtu = mtu;
	wire_start(&g);
	EXPECT(send_icmp(&s, &d, 255, NULL, NULL, data, len));
	while (more && EXPECT(wire_pop(&f))) {
		const uint8_t *p = v4 ? f.ip + 20 : f.ip + 48;
		uint32_t word = v4 ? wire_be(f.ip + 6, 2) << 3 :
				     wire_be(f.ip + 42, 2);
		size_t n = v4 ? wire_be(f.ip + 2, 2) - 20 :
				wire_be(f.ip + 4, 2) - 8;
		uint32_t this_id = v4 ? wire_be(f.ip + 4, 2) :
					wire_be(f.ip + 44, 4);

		if (!off)
			id = this_id;
		EXPECT(id && id == this_id);
		EXPECT(f.len <= 14U + MAX(mtu, v4 ? 68 : 1280));
		EXPECT_EQ(f.proto, v4 ? IPPROTO_ICMP : IPPROTO_FRAGMENT);
		if (!v4)
			EXPECT_EQ(wire_be(f.ip + 40, 2), IPPROTO_ICMPV6 << 8);
		if (v4) {
			EXPECT(!(word & 0x20000));	/* DF */
			more = word & 0x10000;
			word &= 0xffff;
		} else {
			more = word & 1;
			word &= ~1U;
		}
		EXPECT_EQ(word, off);
		EXPECT(n && (!more || !(n % 8)));
		if (!EXPECT(off + n <= len))
			return;
		memcpy(whole + off, p, n);
		off += n;
	}
	EXPECT_EQ(off, len);
	EXPECT(wire_silent());

	if (!v4) {
		memcpy(pseudo, &s, 16);
		memcpy(pseudo + 16, &d, 16);
		pseudo[34] = (uint8_t)(len >> 8);
		pseudo[35] = (uint8_t)len;
		pseudo[39] = IPPROTO_ICMPV6;
		sum = wire_sum(pseudo, 40, 0);
	}
	EXPECT_EQ(wire_sum(whole, len, sum), 0xffff);
	EXPECT_MEM(whole + 4, data + 4, len - 4);
}

static void errors(void)
{
	union addr r4 = A("198.51.100.1"), g4 = A("192.0.2.2"),
		   o4 = A("203.0.113.9"), r6 = A("fe80::1"),
		   g6 = A("2001:db8::2"), o6 = A("2001:db8:9::9");
	struct wire_frame f;
	size_t i;

	group("ICMP errors");
	for (i = 0; i < 20; i++) {
		static const uint8_t quote[28] = {
			0x45, 0, 0, 0, 0, 0, 0x40, 0, 255, 17, 0, 0,
			192, 0, 2, 2, 203, 0, 113, 9,
			0x9c, 0x40, 0, 53, 0, 0, 0, 0,
		};
		uint8_t want[28];

		memcpy(want, quote, 28);
		want[3] = (uint8_t)(28 + i);
		want[25] = (uint8_t)(8 + i);
		EXPECT(send_icmp_error(&r4, 3, 4, 1400, &g4, 40000, &o4, 53,
				       data, i, i));
		if (!EXPECT(wire_pop(&f)))
			continue;
		EXPECT(addr_eq(&f.src, &r4) && addr_eq(&f.dst, &g4));
		EXPECT_EQ(f.proto, IPPROTO_ICMP);
		EXPECT_EQ(f.ttl, 255);
		EXPECT_EQ(wire_be(f.l4, 2), 0x0304);
		EXPECT_EQ(wire_be(f.l4 + 4, 4), 1400);
		EXPECT_EQ(f.datalen, 28 + MIN(i, 8));
		EXPECT_EQ(wire_sum(f.data, 20, 0), 0xffff);
		memcpy(want + 10, f.data + 10, 2);
		EXPECT_MEM(f.data, want, 28);
		EXPECT_MEM(f.data + 28, data, MIN(i, 8));
	}

	EXPECT(send_icmp_error(&r6, 1, 4, 0, &g6, 40000, &o6, 53, data, 1000,
			       1000));
	if (EXPECT(wire_pop(&f))) {
		EXPECT(addr_eq(&f.src, &r6) && addr_eq(&f.dst, &g6));
		EXPECT_EQ(f.proto, IPPROTO_ICMPV6);
		EXPECT_EQ(wire_be(f.l4, 2), 0x0104);
		EXPECT_EQ(f.datalen, 48 + 1000);
		EXPECT_EQ(wire_be(f.data, 4), 0x60000000);
		EXPECT_EQ(wire_be(f.data + 4, 4), 1008 << 16 | 17 << 8 | 255);
		EXPECT_MEM(f.data + 8, &g6, 16);
		EXPECT_MEM(f.data + 24, &o6, 16);
		EXPECT_EQ(wire_be(f.data + 40, 4), 40000U << 16 | 53);
		EXPECT_EQ(wire_be(f.data + 44, 4), 1008 << 16);
		EXPECT_MEM(f.data + 48, data, 1000);
	}
	EXPECT(send_icmp_error(&r6, 2, 0, 1280, &g6, 1, &o6, 2, data, 5000,
			       60000));
	if (EXPECT(wire_pop(&f))) {
		EXPECT_EQ(f.len, 14 + 1280);	/* RFC 4443 2.4 (c) */
		EXPECT_EQ(wire_be(f.l4 + 4, 4), 1280);
		EXPECT_EQ(wire_be(f.data + 4, 2), 60008);
		EXPECT_MEM(f.data + 48, data, f.datalen - 48);
	}
	EXPECT(!send_icmp_error(&r4, 3, 3, 0, &g4, 1, &o6, 2, data, 5, 5));
	EXPECT(!send_icmp_error(&r6, 1, 4, 0, &g4, 1, &o4, 2, data, 5, 5));
	EXPECT(!send_icmp_error(&r4, 3, 3, 0, &g4, 1, &o4, 2, data, 8, 65508));
	EXPECT(wire_silent());
}

static void limits(void)
{
	union addr s4 = A("192.0.2.1"), d4 = A("192.0.2.2");
	union addr s6 = A("fe80::1"), d6 = A("2001:db8::2");
	struct guest g = wire_facts();
	struct wire_frame f;
	int i;

	group("what does not fit, or finds no room");
	g.mtu = 0;
	wire_start(&g);
	EXPECT(!send_udp(&s4, 1, &d4, 2, 1, 0, NULL, data, 65508));
	EXPECT(!send_udp(&s6, 1, &d6, 2, 1, 0, NULL, data, 65488));
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 65516));
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 7));
	EXPECT(!send_udp(&s4, 1, &d6, 2, 1, 0, NULL, data, 8));
	EXPECT(!send_icmp(&s6, &d4, 1, NULL, NULL, data, 8));
	EXPECT(wire_silent());

	fake_knobs()->slots = 0;
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 8));
	fake_knobs()->slots = -1;
	fake_knobs()->accept = 0;
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 8));
	fake_knobs()->accept = -1;
	fake_knobs()->last_room = 99;
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 108));
	EXPECT(wire_silent());
	EXPECT(send_icmp(&s4, &d4, 1, NULL, NULL, data, 107));
	EXPECT(wire_pop(&f));
	fake_knobs()->last_room = 0;
	fake_knobs()->caps.max_frame = 59;
	EXPECT(!send_eth(0x0806, NULL, NULL, data, 46));
	EXPECT(!send_icmp(&s4, &d4, 1, NULL, NULL, data, 8));
	EXPECT(wire_silent());

	/* Offloads of the port are no reason to leave checksums out */
	wire_start(&g);
	fake_knobs()->caps.csum = true;
	fake_knobs()->caps.tso = fake_knobs()->caps.uso = true;
	both("192.0.2.1", "192.0.2.2", 100);

	group("slots in small pieces");
	for (i = 1; i < 80; i++) {
		wire_start(&g);
		fake_knobs()->elem = (size_t)i;
		both("192.0.2.1", "192.0.2.2", 0);
		both("192.0.2.1", "192.0.2.2", 9);
		both("fe80::1", "2001:db8::2", 300);
	}

	group("bare frames");
	wire_start(&g);
	for (i = 0; i < 100; i++) {
		size_t len = (size_t)i, j;

		EXPECT(send_eth(0x0806, NULL, NULL, data, len));
		if (!EXPECT(wire_pop(&f)))
			break;
		EXPECT_EQ(f.len, len < 46 ? 60 : 14 + len);
		EXPECT_MEM(f.b, guest_mac, 6);
		EXPECT_MEM(f.b + 14, data, len);
		for (j = 14 + len; j < f.len; j++)
			EXPECT(!f.b[j]);
	}
}

int main(void)
{
	static const size_t sizes[] = { 65478, 65479, 65480, 65492, 65500 };
	struct guest g = wire_facts();
	unsigned i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));

	group("UDP and ICMP of all lengths");
	g.mtu = 0;
	wire_start(&g);
	for (i = 0; i < 300; i++) {
		both("192.0.2.1", "192.0.2.2", i);
		both("2001:db8::9", "2001:db8::2", i);
	}
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		both("192.0.2.1", "255.255.255.255", sizes[i]);
		if (sizes[i] + 48 <= 65535)
			both("fe80::1", "ff02::1", sizes[i]);
	}

	group("a checksum of zero is sent as all ones");
	{
		union addr s = A("192.0.2.1"), d = A("192.0.2.2");
		unsigned zeros = 0;
		struct wire_frame f;

		for (i = 0; i < 65536; i++) {
			const uint8_t v[2] = { (uint8_t)(i >> 8), (uint8_t)i };

			EXPECT(send_udp(&s, 1, &d, 2, 1, 0, NULL, v, 2));
			EXPECT(wire_pop(&f));
			zeros += wire_be(f.l4 + 6, 2) == 0xffff;
		}
		EXPECT(zeros >= 1 && zeros <= 2);
	}

	group("fragments");
	for (i = 1473; i < 1500; i++)
		fragments("8.8.8.8", "192.0.2.2", i + 8, 1500);
	for (i = 1453; i < 1480; i++)
		fragments("2600::1", "2001:db8::2", i + 8, 1500);
	fragments("8.8.8.8", "192.0.2.2", 65515, 1500);
	fragments("8.8.8.8", "192.0.2.2", 65515, 65520);
	fragments("8.8.8.8", "192.0.2.2", 3000, 68);
	fragments("8.8.8.8", "192.0.2.2", 3000, 20);
	fragments("2600::1", "2001:db8::2", 65490, 1280);
	fragments("2600::1", "2001:db8::2", 3000, 100);

	errors();
	limits();
	return done();
}
