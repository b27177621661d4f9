// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of addr.c: tables of texts and what they are, socket addresses
 * there and back, prefixes against a bit-by-bit comparison
 */
#include "addr.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "check.h"
#include "util.h"

static void test_class(void)
{
	static const struct {
		const char *s;
		enum addr_class class;
		bool v4, unicast;
	} rows[] = {
		{ "0.0.0.0",		ADDR_UNSPEC,	true,	false },
		{ "0.1.2.3",		ADDR_UNSPEC,	true,	false },
		{ "1.0.0.0",		ADDR_UNICAST,	true,	true },
		{ "126.255.255.255",	ADDR_UNICAST,	true,	true },
		{ "127.0.0.1",		ADDR_LOOPBACK,	true,	true },
		{ "127.255.255.255",	ADDR_LOOPBACK,	true,	true },
		{ "::ffff:127.0.0.1",	ADDR_LOOPBACK,	true,	true },
		{ "169.253.255.255",	ADDR_UNICAST,	true,	true },
		{ "169.254.0.0",	ADDR_LINKLOCAL,	true,	true },
		{ "169.255.0.0",	ADDR_UNICAST,	true,	true },
		{ "223.255.255.255",	ADDR_UNICAST,	true,	true },
		{ "224.0.0.1",		ADDR_MULTICAST,	true,	false },
		{ "239.255.255.255",	ADDR_MULTICAST,	true,	false },
		{ "240.0.0.1",		ADDR_UNICAST,	true,	true },
		{ "255.255.255.255",	ADDR_BROADCAST,	true,	false },
		{ "::",			ADDR_UNSPEC,	false,	false },
		{ "::1",		ADDR_LOOPBACK,	false,	true },
		{ "::2",		ADDR_V4COMPAT,	false,	false },
		{ "::192.0.2.1",	ADDR_V4COMPAT,	false,	false },
		{ "fe7f::1",		ADDR_UNICAST,	false,	true },
		{ "fe80::1",		ADDR_LINKLOCAL,	false,	true },
		{ "febf::1",		ADDR_LINKLOCAL,	false,	true },
		{ "fec0::1",		ADDR_UNICAST,	false,	true },
		{ "ff02::1",		ADDR_MULTICAST,	false,	false },
		{ "2001:db8::1",	ADDR_UNICAST,	false,	true },
		{ "fd00::1",		ADDR_UNICAST,	false,	true },
	};
	unsigned i;

	group("addr_class");
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		union addr a;
		bool ok = EXPECT(addr_parse(rows[i].s, &a));

		ok &= EXPECT_EQ(addr_class(&a), rows[i].class);
		ok &= EXPECT_EQ(addr_is4(&a), rows[i].v4);
		ok &= EXPECT_EQ(addr_is_unicast(&a), rows[i].unicast);
		ok &= EXPECT_EQ(addr_is_none(&a), !strcmp(rows[i].s, "::"));
		if (!ok)
			printf("# in row %s\n", rows[i].s);
	}
}

static void test_text(void)
{
	static const char *const same[] = {
		"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1",
		"2001:db8::1", "fe80::1:2:3:4",
		"1111:2222:3333:4444:5555:6666:7777:8888",
	};
	static const char *const junk[] = {
		"", "1", "1.2.3", "127.1", "1.2.3.256", "1.2.3.4 ", " 1.2.3.4",
		"[::1]", "fe80::1%lo", "1.2.3.4.5", "01.2.3.4", ":", "1::2::3",
		"0x7f.1.1.1", "::g", "1.2.3.4/8",
	};
	char buf[ADDR_STRLEN], want[ADDR_STRLEN];
	union addr a, b;
	unsigned i;

	group("text");
	for (i = 0; i < ARRAY_LEN(same); i++) {
		bool v6 = strchr(same[i], ':');

		EXPECT(addr_parse(same[i], &a));
		EXPECT_STR(addr_str(&a, buf), same[i]);
		snprintf(want, sizeof(want), v6 ? "[%s]:%u" : "%s:%u",
			 same[i], 65535);
		EXPECT_STR(addr_port_str(&a, 65535, buf), want);
	}
	for (i = 0; i < ARRAY_LEN(junk); i++)
		if (!EXPECT(!addr_parse(junk[i], &a)))
			printf("# %s\n", junk[i]);

	EXPECT(addr_parse("::ffff:192.0.2.9", &a));
	EXPECT(addr_parse("192.0.2.9", &b));
	EXPECT(addr_eq(&a, &b));
	EXPECT_STR(addr_str(&a, buf), "192.0.2.9");

	b = addr_loopback(&a);
	EXPECT_STR(addr_str(&b, buf), "127.0.0.1");
	b = addr_loopback(&ADDR_NONE);
	EXPECT_STR(addr_str(&b, buf), "::1");
	b = addr_any(true);
	EXPECT(addr_is4(&b) && !addr_is_none(&b));
	b = addr_any(false);
	EXPECT(!addr_is4(&b) && addr_is_none(&b));
}

static void test_prefix_text(void)
{
	static const struct {
		const char *s, *addr;
		int len;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1", -1 },
		{ "192.0.2.1/0", "192.0.2.1", 0 },
		{ "192.0.2.1/32", "192.0.2.1", 32 },
		{ "2001:db8::/128", "2001:db8::", 128 },
		{ "::/0", "::", 0 },
		{ "fe80::1", "fe80::1", -1 },
		{ "::ffff:192.0.2.1", "192.0.2.1", -1 },
		{ "::ffff:192.0.2.1/96", "192.0.2.1", 0 },
		{ "::ffff:192.0.2.1/120", "192.0.2.1", 24 },
		{ "::ffff:192.0.2.1/128", "192.0.2.1", 32 },
	};
	static const char *const junk[] = {
		"", "/", "/24", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/-1",
		"192.0.2.1/24/", "192.0.2.1/24x", "2001:db8::/129",
		"::ffff:192.0.2.1/24", "::ffff:192.0.2.1/95",
		"::ffff:192.0.2.1/129", "192.0.2.1/255.255.255.0", "x/24",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/24",
	};
	char buf[ADDR_STRLEN];
	union addr a;
	unsigned i;
	int len;

	group("prefix_parse");
	for (i = 0; i < ARRAY_LEN(good); i++) {
		EXPECT(prefix_parse(good[i].s, &a, &len));
		EXPECT_STR(addr_str(&a, buf), good[i].addr);
		EXPECT_EQ(len, good[i].len);
	}
	for (i = 0; i < ARRAY_LEN(junk); i++)
		if (!EXPECT(!prefix_parse(junk[i], &a, &len)))
			printf("# %s\n", junk[i]);

	group("netmask_parse");
	EXPECT_EQ(netmask_parse("24"), 24);
	EXPECT_EQ(netmask_parse("0"), 0);
	EXPECT_EQ(netmask_parse("32"), 32);
	EXPECT_EQ(netmask_parse("33"), -1);
	EXPECT_EQ(netmask_parse("255.255.255.255"), 32);
	EXPECT_EQ(netmask_parse("255.255.254.0"), 23);
	EXPECT_EQ(netmask_parse("128.0.0.0"), 1);
	EXPECT_EQ(netmask_parse("0.0.0.0"), 0);
	EXPECT_EQ(netmask_parse("255.0.255.0"), -1);
	EXPECT_EQ(netmask_parse("0.0.0.255"), -1);
	EXPECT_EQ(netmask_parse(""), -1);
	EXPECT_EQ(netmask_parse("-1"), -1);
	EXPECT_EQ(netmask_parse("ffffff00"), -1);
}

static void test_in_prefix(void)
{
	union addr a, b, c;
	unsigned i, round;
	int len;

	group("addr_in_prefix");
	for (round = 0; round < 300; round++) {
		for (i = 0; i < 16; i++)
			a.b[i] = (uint8_t)rand();
		c = addr_any(true);
		if (round & 1)
			memcpy(a.b, c.b, 12);
		b = a;

		/* Differ in exactly one bit, and at random behind it */
		i = (unsigned)rand() % 32 + (round & 1 ? 96 : 0);
		b.b[i / 8] ^= 0x80 >> i % 8;
		if (i / 8 < 15)
			b.b[15] = (uint8_t)rand();
		if (round & 1)
			i -= 96;
		for (len = 0; len <= (round & 1 ? 32 : 128); len++)
			EXPECT_EQ(addr_in_prefix(&a, &b, len), len <= (int)i);
	}

	addr_parse("192.0.2.1", &a);
	addr_parse("::", &b);
	addr_parse("0.0.0.0", &c);
	EXPECT(!addr_in_prefix(&a, &b, 0));
	EXPECT(addr_in_prefix(&a, &c, 0));
	EXPECT(!addr_in_prefix(&a, &a, 33));
	EXPECT(!addr_in_prefix(&a, &a, -1));
}

static void test_sa(void)
{
	union sockaddr_any sa;
	union addr a, b;
	in_port_t port = 0;

	group("socket addresses");
	addr_parse("192.0.2.1", &a);
	EXPECT_EQ(addr_to_sa(&sa, AF_INET, &a, 4660, 3), sizeof(sa.sin));
	EXPECT_EQ(sa.sin.sin_port, htons(4660));
	EXPECT_EQ(sa.sin.sin_addr.s_addr, htonl(0xc0000201));
	EXPECT(addr_from_sa(&sa, &b, &port) && addr_eq(&a, &b));
	EXPECT_EQ(port, 4660);

	EXPECT_EQ(addr_to_sa(&sa, AF_INET6, &a, 1, 3), sizeof(sa.sin6));
	EXPECT(IN6_IS_ADDR_V4MAPPED(&sa.sin6.sin6_addr));
	EXPECT_EQ(sa.sin6.sin6_scope_id, 0);
	EXPECT(addr_from_sa(&sa, &b, &port) && addr_eq(&a, &b));

	a = addr_any(true);
	addr_to_sa(&sa, AF_INET6, &a, 1, 3);
	EXPECT(IN6_IS_ADDR_UNSPECIFIED(&sa.sin6.sin6_addr));

	addr_parse("fe80::1", &a);
	addr_to_sa(&sa, AF_INET6, &a, 1, 3);
	EXPECT_EQ(sa.sin6.sin6_scope_id, 3);
	addr_parse("ff02::1", &a);
	addr_to_sa(&sa, AF_INET6, &a, 1, 3);
	EXPECT_EQ(sa.sin6.sin6_scope_id, 3);
	addr_parse("2001:db8::1", &a);
	addr_to_sa(&sa, AF_INET6, &a, 1, 3);
	EXPECT_EQ(sa.sin6.sin6_scope_id, 0);
	EXPECT(addr_from_sa(&sa, &b, &port) && addr_eq(&a, &b));

	sa.sa.sa_family = AF_UNIX;
	EXPECT(!addr_from_sa(&sa, &b, &port));
}

static void test_mac(void)
{
	static const char *const junk[] = {
		"", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:f", "aa:bb:cc:dd:ee:fff",
		"aa-bb-cc-dd-ee-ff", "ag:bb:cc:dd:ee:ff", "a:bb:cc:dd:ee:ff:",
		"aa:bb:cc:dd:ee:ff ", "aabb:cc:dd:ee:ff:", ":aa:bb:cc:dd:ee:f",
		"+a:bb:cc:dd:ee:ff", " a:bb:cc:dd:ee:ff",
	};
	static const uint8_t want[6] = { 0, 0x1a, 0xbc, 0xde, 0xf0, 0xff };
	char buf[MAC_STRLEN];
	uint8_t mac[6];
	unsigned i;

	group("MAC");
	EXPECT(mac_parse("00:1A:bc:De:f0:ff", mac));
	EXPECT_MEM(mac, want, 6);
	EXPECT_STR(mac_str(mac, buf), "00:1a:bc:de:f0:ff");
	for (i = 0; i < ARRAY_LEN(junk); i++)
		EXPECT(!mac_parse(junk[i], mac));
	EXPECT_MEM(mac, want, 6);

	EXPECT(mac_is_station(want));
	memset(mac, 0, sizeof(mac));
	EXPECT(!mac_is_station(mac));
	mac[5] = 1;
	EXPECT(mac_is_station(mac));
	mac[0] = 1;				/* a group */
	EXPECT(!mac_is_station(mac));
	memset(mac, 0xff, sizeof(mac));
	EXPECT(!mac_is_station(mac));
}

int main(void)
{
	test_class();
	test_text();
	test_prefix_text();
	test_in_prefix();
	test_sa();
	test_mac();
	return done();
}
