// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcp.c - what the guest says to the DHCP server; answers must be whole, of
 * the right ports, and their options end where they say
 *
 * Input: what the guest is like, then the UDP payload.
 */
#include "fuzz.h"

#include "dhcp.h"
#include "wire.h"

static void answered(const uint8_t *request, size_t len)
{
	static struct wire_frame f;
	size_t i = 240;

	if (!wire_pop(&f))
		return;
	FUZZ_CHECK(f.proto == IPPROTO_UDP && f.datalen >= 300);
	FUZZ_CHECK(wire_be(f.l4, 4) == (67 << 16 | 68));
	FUZZ_CHECK(f.data[0] == 2 && len >= 240);
	FUZZ_CHECK(!memcmp(f.data + 4, request + 4, 4));
	/* The options end where they say */
	while (f.data[i] != 255) {
		i += f.data[i] ? 2U + f.data[i + 1] : 1;
		FUZZ_CHECK(i < f.datalen);
	}
	FUZZ_CHECK(wire_silent());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[2000];
	struct in in = { data, size };
	struct guest g = wire_facts();
	unsigned like = in_u8(&in), elem = in_u8(&in);
	struct writer w;
	struct pkt p;
	size_t n = 1472;
	const uint8_t *text = in_take(&in, &n);

	g.dhcp = like != 255;
	g.tell_dns = like & 1;
	g.tell_search = like & 2;
	g.mtu = like & 4 ? 65520 : like & 8 ? 576 : 0;
	if (like & 16) {
		memcpy(g.hostname, "guest", 6);
		memcpy(g.fqdn, "guest.example.org", 18);
	}
	g.net[GUEST_V4].dns[0] = g.net[GUEST_V4].dns[1] = A("192.0.2.53");
	g.net[GUEST_V4].ndns = like >> 5 & 1 ? 3 : 0;
	for (g.nsearch = 0; g.nsearch < 6 && like & 64; g.nsearch++)
		memcpy(g.search[g.nsearch], "some.example.org", 17);
	if (like & 128)
		g.net[GUEST_V4].gw = ADDR_NONE;

	wire_start(&g);
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, "0.0.0.0", "255.255.255.255", IPPROTO_UDP, 64, n + 8);
	wr_be32(&w, 68 << 16 | 67);
	wr_be16(&w, (uint16_t)(n + 8));
	wr_be16(&w, 0);
	wr_put(&w, text, n);
	FUZZ_CHECK(fuzz_arrives(&p, frame, w.len, elem) == HDR_OK);
	FUZZ_CHECK(dhcp_input(&p) == g.dhcp);
	tap_done(1);
	answered(text, n);
	FUZZ_CHECK(!check_st()->failed);
	return 0;
}
