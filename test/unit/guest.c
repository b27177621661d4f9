// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guest.c - what is learned of the guest, and what must not be
 */
#include "guest.h"

#include "check.h"

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa };
static const uint8_t mac_b[6] = { 2, 0, 0, 0, 0, 0xb };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static union addr A(const char *s)
{
	union addr a;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static bool is(const union addr *a, const char *s)
{
	union addr b = *s ? A(s) : ADDR_NONE;

	return addr_eq(a, &b);
}

static void saw(const uint8_t *mac, const char *src)
{
	union addr a = A(src);

	guest_saw(mac, &a);
}

static bool goes_to(const char *src, const char *dst)
{
	union addr s = A(src), to = guest_addr_for(&s);

	return is(&to, dst);
}

static bool self(const char *s)
{
	union addr a = A(s);

	return guest_is_self(&a);
}

static void start(const char *v4, const char *v6)
{
	struct guest g = { .mtu = 1500 };

	g.net[GUEST_V4].on = g.net[GUEST_V6].on = true;
	g.net[GUEST_V4].addr = *v4 ? A(v4) : ADDR_NONE;
	g.net[GUEST_V6].addr = *v6 ? A(v6) : ADDR_NONE;
	guest_init(&g);
}

static void test_start(void)
{
	struct guest g = { .mac_known = true };

	group("at start, seen is assigned and the MAC is broadcast");
	start("192.0.2.2", "2001:db8::2");
	EXPECT_MEM(guest()->mac, broadcast, 6);
	EXPECT(!guest()->mac_known);
	EXPECT(is(&guest()->seen4, "192.0.2.2"));
	EXPECT(is(&guest()->seen6, "2001:db8::2"));
	EXPECT(is(&guest()->seen6_ll, ""));
	EXPECT(goes_to("198.51.100.1", "192.0.2.2"));
	EXPECT(goes_to("2001:db8:1::1", "2001:db8::2"));
	/* no link-local one seen yet */
	EXPECT(goes_to("fe80::1", "2001:db8::2"));
	EXPECT_EQ(guest()->mtu, 1500);

	memcpy(g.mac, mac_b, 6);
	guest_init(&g);
	EXPECT_MEM(guest()->mac, mac_b, 6);
	saw(mac_a, "192.0.2.3");
	EXPECT_MEM(guest()->mac, mac_a, 6);
	guest_forget();
	EXPECT_MEM(guest()->mac, mac_b, 6);
	EXPECT(guest()->mac_known);
}

static void test_learn(void)
{
	static const char *const refused[] = {
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.1", "224.0.0.1",
		"255.255.255.255", "::", "::1", "ff02::1", "::192.0.2.1",
		"::ffff:127.0.0.1", "::ffff:0.0.0.0",
	};
	static const uint8_t zero[6], group_mac[6] = { 1, 0, 0x5e, 0, 0, 1 };
	unsigned i;

	group("addresses and MAC are learned from frames");
	start("192.0.2.2", "2001:db8::2");
	saw(mac_a, "192.0.2.77");
	EXPECT(guest()->mac_known);
	EXPECT_MEM(guest()->mac, mac_a, 6);
	EXPECT(goes_to("198.51.100.1", "192.0.2.77"));
	saw(mac_b, "2001:db8::77");
	EXPECT_MEM(guest()->mac, mac_b, 6);
	EXPECT(goes_to("2001:db8:1::1", "2001:db8::77"));
	EXPECT(goes_to("fe80::1", "2001:db8::77"));
	saw(mac_b, "fe80::77");
	EXPECT(goes_to("fe80::1", "fe80::77"));
	EXPECT(goes_to("2001:db8:1::1", "2001:db8::77"));
	saw(mac_b, "169.254.7.7");
	EXPECT(goes_to("198.51.100.1", "169.254.7.7"));
	guest_saw(mac_a, NULL);
	EXPECT_MEM(guest()->mac, mac_a, 6);

	group("impossible sources and MACs are not learned");
	start("192.0.2.2", "2001:db8::2");
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		saw(mac_a, refused[i]);
	EXPECT(is(&guest()->seen4, "192.0.2.2"));
	EXPECT(is(&guest()->seen6, "2001:db8::2"));
	EXPECT(is(&guest()->seen6_ll, ""));
	guest_saw(zero, NULL);
	guest_saw(broadcast, NULL);
	guest_saw(group_mac, NULL);
	EXPECT_MEM(guest()->mac, mac_a, 6);
}

static void test_reset(void)
{
	group("assignment and departure reset what was learned");
	start("192.0.2.2", "");
	saw(mac_a, "192.0.2.77");
	saw(mac_a, "2001:db8::77");
	saw(mac_a, "fe80::77");
	EXPECT(self("192.0.2.2"));
	EXPECT(self("192.0.2.77"));
	EXPECT(self("2001:db8::77"));
	EXPECT(self("fe80::77"));
	EXPECT(!self("192.0.2.78"));
	EXPECT(!self("::"));
	EXPECT(!self("fe80::78"));

	guest_assigned(GUEST_V4);
	EXPECT(goes_to("198.51.100.1", "192.0.2.2"));
	EXPECT(goes_to("2001:db8:1::1", "2001:db8::77"));
	EXPECT(!self("192.0.2.77"));
	guest_assigned(GUEST_V6);
	EXPECT(goes_to("2001:db8:1::1", ""));
	EXPECT(goes_to("fe80::1", "fe80::77"));

	saw(mac_a, "192.0.2.77");
	guest_forget();
	EXPECT_MEM(guest()->mac, broadcast, 6);
	EXPECT(!guest()->mac_known);
	EXPECT(goes_to("198.51.100.1", "192.0.2.2"));
	EXPECT(goes_to("fe80::1", ""));
	EXPECT(!self("fe80::77"));

	start("", "");
	EXPECT(goes_to("198.51.100.1", ""));
	EXPECT(!self("0.0.0.0"));
}

static void test_also(void)
{
	struct guest g = { .net = { { .on = true, .nalso = 1 },
				    { .on = true, .nalso = 2 } } };

	group("addresses that were copied are the guest's own");
	g.net[GUEST_V4].also[0] = A("192.0.2.22");
	g.net[GUEST_V6].also[1] = A("2001:db8::22");
	guest_init(&g);
	EXPECT(self("192.0.2.22") && self("2001:db8::22"));
	EXPECT(!self("192.0.2.23") && !self("2001:db8::23"));
	guest_forget();
	EXPECT(self("192.0.2.22"));
	EXPECT(goes_to("198.51.100.1", ""));
}

int main(void)
{
	test_also();
	test_start();
	test_learn();
	test_reset();
	return done();
}
