// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ndp.c - solicitations, ARP and whatever else comes as ICMPv6 of these types:
 * answers are whole, and never claim the guest's own address
 *
 * Input: what the guest is like, hop limit and addresses, then the message.
 *
 * link: -Wl,--wrap=neigh_mac
 */
#include "fuzz.h"

#include "arp.h"
#include "ndp.h"
#include "neigh.h"
#include "timer.h"
#include "wire.h"

static const uint8_t other[6] = { 0x52, 0x54, 0, 9, 9, 9 };

const uint8_t *__wrap_neigh_mac(const union addr *a);

/* Some have one: it does not matter which */
const uint8_t *__wrap_neigh_mac(const union addr *a)
{
	return a->b[15] & 1 ? other : NULL;
}

static void answers(void)
{
	static struct wire_frame f;

	while (fake_pending()) {
		union addr claimed = ADDR_NONE;

		wire_smac = f.b + 6;
		FUZZ_CHECK(wire_pop(&f));
		FUZZ_CHECK(!memcmp(f.b + 6, our_mac, 6) ||
			   !memcmp(f.b + 6, other, 6));
		if (!f.ip) {
			struct in_addr in;

			memcpy(&in, f.b + 28, sizeof(in));
			claimed = addr_from4(in);
		} else if (f.l4[0] == 136) {
			FUZZ_CHECK(f.ttl == 255);
			memcpy(&claimed, f.data, 16);
		}
		FUZZ_CHECK(!guest_is_self(&claimed));
	}
	FUZZ_CHECK(!check_st()->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const from[] = { "::", "fe80::9", "2001:db8::9" };
	static const char *const to[] = { "ff02::2", "fe80::1",
					  "ff02::1:ff00:1", "2001:db8::1" };
	static uint64_t now = 1000 * SEC;
	static uint8_t frame[2000];
	struct in in = { data, size };
	struct guest g = wire_facts();
	unsigned like = in_u8(&in), ends = in_u8(&in), elem = in_u8(&in);
	bool fragment = ends & 64, arp = ends & 128;
	struct writer w;
	struct timer *t;
	struct pkt p;
	size_t n = 1460;
	const uint8_t *text = in_take(&in, &n);

	g.ndp = like != 255;
	g.ra = like & 1;
	g.tell_dns = g.tell_search = like & 2;
	g.mtu = like & 4 ? 1280 : 0;
	g.net[GUEST_V6].dns[0] = g.net[GUEST_V6].dns[1] = A("2001:db8::53");
	g.net[GUEST_V6].ndns = like & 8 ? 3 : 0;
	for (g.nsearch = 0; g.nsearch < 6 && like & 16; g.nsearch++)
		memcpy(g.search[g.nsearch], "some.example.org", 17);

	clock_set(now += 10 * SEC);
	timer_reset();
	wire_start(&g);
	ndp_init();
	wr_init(&w, frame, sizeof(frame));
	if (arp) {
		wire_eth(&w, bcast_mac, ETHTYPE_ARP);
	} else {
		wire_ip(&w, from[(ends & 3) % 3], to[ends >> 2 & 3],
			IPPROTO_ICMPV6, ends & 32 ? 64 : 255, n);
	}
	wr_put(&w, text, n);
	if (fuzz_arrives(&p, frame, w.len, elem) == HDR_OK) {
		p.fragment = fragment;
		if (arp)
			arp_input(&p);
		else
			ndp_input(&p);
	}
	tap_done(1);
	answers();
	/* What that brought about, and what comes by itself */
	clock_set(now += (like >> 5) * SEC);
	while ((t = timer_pop()))
		ndp_timer(t);
	answers();
	FUZZ_CHECK(wire_silent());
	return 0;
}
