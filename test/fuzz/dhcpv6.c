// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcpv6.c - what the guest says to the DHCPv6 server; answers are whole, of
 * this transaction, and made of options that fit into each other
 *
 * Input: what the guest is like, then the UDP payload. A client that is meant
 * to know the server's identifier has it written in where it is all ones.
 */
#include "fuzz.h"

#include "dhcpv6.h"
#include "wire.h"

static void options_check(const uint8_t *p, size_t left)
{
	while (left) {
		size_t type, len;

		FUZZ_CHECK(left >= 4);
		type = wire_be(p, 2);
		len = wire_be(p + 2, 2);
		FUZZ_CHECK(len <= left - 4);
		if (type == 3) {		/* IA_NA has some within */
			FUZZ_CHECK(len >= 12);
			options_check(p + 4 + 12, len - 12);
		} else if (type == 5) {
			FUZZ_CHECK(len >= 24);
			options_check(p + 4 + 24, len - 24);
		}
		p += 4 + len;
		left -= 4 + len;
	}
}

static void answered(const uint8_t *request, size_t len)
{
	static struct wire_frame f;

	if (!wire_pop(&f))
		return;
	FUZZ_CHECK(f.proto == IPPROTO_UDP && len >= 4);
	FUZZ_CHECK(wire_be(f.l4, 4) == (547U << 16 | 546));
	FUZZ_CHECK(f.datalen >= 4 && !memcmp(f.data + 1, request + 1, 3));
	FUZZ_CHECK(f.data[0] == 2 || f.data[0] == 7);
	options_check(f.data + 4, f.datalen - 4);
	FUZZ_CHECK(wire_silent());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t id[14] = { 0, 1, 0, 1, 0, 0, 0, 0, 0x9a, 0x55,
					0x9a, 0x55, 0x9a, 0x55 };
	static const uint8_t ones[14] = { 255, 255, 255, 255, 255, 255, 255,
					  255, 255, 255, 255, 255, 255, 255 };
	static uint8_t frame[2000];
	struct in in = { data, size };
	struct guest g = wire_facts();
	unsigned like = in_u8(&in), elem = in_u8(&in);
	struct writer w;
	struct pkt p;
	size_t n = 1452, at;
	const uint8_t *text = in_take(&in, &n);

	g.dhcpv6 = like != 255;
	g.tell_dns = like & 1;
	g.tell_search = like & 2;
	if (like & 4)
		memcpy(g.fqdn, "guest.example.org", 18);
	g.net[GUEST_V6].dns[0] = g.net[GUEST_V6].dns[1] = A("2001:db8::53");
	g.net[GUEST_V6].ndns = like >> 3 & 1 ? 3 : 0;
	for (g.nsearch = 0; g.nsearch < 6 && like & 16; g.nsearch++)
		memcpy(g.search[g.nsearch], "some.example.org", 17);
	if (like & 32)
		g.net[GUEST_V6].addr = ADDR_NONE;

	wire_start(&g);
	dhcpv6_init(946684800);		/* where RFC 8415 counts from */
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, like & 64 ? "2001:db8::9" : "fe80::9",
		like & 128 ? "fe80::1" : "ff02::1:2", IPPROTO_UDP, 1, n + 8);
	wr_be32(&w, 546U << 16 | 547);
	wr_be16(&w, (uint16_t)(n + 8));
	wr_be16(&w, 0);
	wr_put(&w, text, n);
	for (at = 62; at + sizeof(ones) <= w.len; at++)
		if (!memcmp(frame + at, ones, sizeof(ones)))
			memcpy(frame + at, id, sizeof(id));
	wire_flow = n >= 4 ? wire_be(frame + 63, 3) & 0xfffff : 0;
	FUZZ_CHECK(fuzz_arrives(&p, frame, w.len, elem) == HDR_OK);
	FUZZ_CHECK(dhcpv6_input(&p) == g.dhcpv6);
	tap_done(1);
	answered(frame + 62, n);
	FUZZ_CHECK(!check_st()->failed);
	return 0;
}
