// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * arp.c - who is answered, byte by byte, and who is not
 *
 * link: -Wl,--wrap=neigh_mac
 */
#include "arp.h"

#include "neigh.h"
#include "wire.h"

#define NEIGHBOUR	"192.0.2.77"

static uint8_t frame[64];
static const uint8_t neigh[6] = { 2, 0xa, 0xb, 0xc, 0xd, 0xe };
static bool neigh_there;

const uint8_t *__wrap_neigh_mac(const union addr *a);

const uint8_t *__wrap_neigh_mac(const union addr *a)
{
	union addr n = A(NEIGHBOUR);

	return neigh_there && addr_eq(a, &n) ? neigh : NULL;
}

/* packet() - An ARP packet from the guest, handed to arp_input() */
static void packet(uint16_t op, const char *spa, const char *tpa, size_t cut,
		   int at, uint8_t value, size_t elem)
{
	union addr s = A(spa), t = A(tpa);
	struct writer w;
	struct pkt p;

	wr_init(&w, frame, sizeof(frame));
	wire_eth(&w, bcast_mac, 0x0806);
	wr_be16(&w, 1);
	wr_be16(&w, 0x0800);
	wr_u8(&w, 6);
	wr_u8(&w, 4);
	wr_be16(&w, op);
	wr_put(&w, guest_mac, 6);
	wr_put(&w, s.b + 12, 4);
	wr_zero(&w, 6);
	wr_put(&w, t.b + 12, 4);
	wr_pad(&w, 60);
	if (at >= 0)
		frame[14 + at] = value;
	if (cut)
		w.len = 14 + cut;
	EXPECT_EQ(wire_pkt(&p, &w, elem), HDR_OK);
	arp_input(&p);
}

static void ask(const char *spa, const char *tpa)
{
	packet(1, spa, tpa, 0, -1, 0, 0);
}

static void answered_by(const uint8_t *mac, const char *spa, const char *tpa)
{
	union addr s = A(spa), t = A(tpa);
	uint8_t want[60] = { 0 };
	struct wire_frame f;
	struct writer w;

	wr_init(&w, want, sizeof(want));
	wr_put(&w, guest_mac, 6);
	wr_put(&w, mac, 6);
	wr_be16(&w, 0x0806);
	wr_be32(&w, 0x00010800);
	wr_be32(&w, 0x06040002);
	wr_put(&w, mac, 6);
	wr_put(&w, t.b + 12, 4);
	wr_put(&w, guest_mac, 6);
	wr_put(&w, s.b + 12, 4);
	wire_smac = mac;
	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_EQ(f.len, 60);
	EXPECT_MEM(f.b, want, 60);
	EXPECT(wire_silent());
	wire_smac = our_mac;
}

static void answered(const char *spa, const char *tpa)
{
	answered_by(our_mac, spa, tpa);
}

/* told() - The announcement of @a (RFC 5227 2.3) */
static void told(const uint8_t *mac, const char *a)
{
	union addr who = A(a);
	uint8_t want[60] = { 0 };
	struct wire_frame f;
	struct writer w;

	wr_init(&w, want, sizeof(want));
	wr_put(&w, bcast_mac, 6);
	wr_put(&w, mac, 6);
	wr_be16(&w, 0x0806);
	wr_be32(&w, 0x00010800);
	wr_be32(&w, 0x06040001);
	wr_put(&w, mac, 6);
	wr_put(&w, who.b + 12, 4);
	wr_zero(&w, 6);
	wr_put(&w, who.b + 12, 4);
	arp_tell(&who);
	wire_smac = mac;
	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_EQ(f.len, 60);
	EXPECT_MEM(f.b, want, 60);
	EXPECT(wire_silent());
	wire_smac = our_mac;
}

static void neighbours(void)
{
	struct guest g = wire_facts();
	union addr n = A(NEIGHBOUR), n6 = A("2001:db8::77");

	group("neighbours of the host's have MAC addresses of their own");
	wire_start(&g);
	neigh_there = true;
	ask("192.0.2.2", NEIGHBOUR);
	answered_by(neigh, "192.0.2.2", NEIGHBOUR);
	ask("0.0.0.0", NEIGHBOUR);
	answered_by(neigh, "0.0.0.0", NEIGHBOUR);
	ask("192.0.2.2", "192.0.2.78");
	answered("192.0.2.2", "192.0.2.78");
	told(neigh, NEIGHBOUR);
	neigh_there = false;
	ask("192.0.2.2", NEIGHBOUR);
	answered("192.0.2.2", NEIGHBOUR);
	told(our_mac, NEIGHBOUR);

	/* What the guest took for its own meanwhile */
	neigh_there = true;
	guest_saw(guest_mac, &n);
	ask("0.0.0.0", NEIGHBOUR);
	EXPECT(wire_silent());

	arp_tell(&n6);
	g.net[GUEST_V4].on = false;
	wire_start(&g);
	arp_tell(&n);
	EXPECT(wire_silent());
	neigh_there = false;
}

int main(void)
{
	static const char *const foreign[] = {
		"192.0.2.1", "192.0.2.77", "8.8.8.8", "10.0.0.1",
		"169.254.1.1", "255.255.255.255",
	};
	struct guest g = wire_facts();
	struct wire_frame f;
	unsigned i;

	wire_start(&g);

	group("every address but the guest's is answered for");
	for (i = 0; i < 6; i++) {
		ask("192.0.2.2", foreign[i]);
		answered("192.0.2.2", foreign[i]);
		ask("0.0.0.0", foreign[i]);	/* a probe */
		answered("0.0.0.0", foreign[i]);
	}
	for (i = 1; i < 60; i++) {
		packet(1, "192.0.2.2", "8.8.8.8", 0, -1, 0, i);
		answered("192.0.2.2", "8.8.8.8");
	}
	packet(1, "192.0.2.2", "8.8.8.8", 28, -1, 0, 0);
	answered("192.0.2.2", "8.8.8.8");

	group("its own is not, nor are announcements and replies");
	ask("0.0.0.0", "192.0.2.2");
	ask("192.0.2.2", "192.0.2.2");
	ask("192.0.2.9", "192.0.2.9");
	packet(2, "192.0.2.2", "192.0.2.1", 0, -1, 0, 0);
	packet(0, "192.0.2.2", "192.0.2.1", 0, -1, 0, 0);
	packet(3, "192.0.2.2", "192.0.2.1", 0, -1, 0, 0);
	EXPECT(wire_silent());

	group("malformed packets are not");
	for (i = 1; i < 28; i++)
		packet(1, "192.0.2.2", "192.0.2.1", i, -1, 0, 0);
	for (i = 0; i < 8; i++) {
		static const uint8_t good[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
		unsigned v;

		for (v = 0; v < 256; v++) {
			if (v != good[i])
				packet(1, "192.0.2.2", "192.0.2.1", 0, (int)i,
				       (uint8_t)v, 0);
		}
	}
	EXPECT(wire_silent());

	neighbours();
	wire_start(&g);

	group("an address the guest gave itself is its own");
	{
		union addr own = A("192.0.2.50");

		guest_saw(guest_mac, &own);
		ask("0.0.0.0", "192.0.2.50");
		ask("0.0.0.0", "192.0.2.2");
		EXPECT(wire_silent());
	}

	group("announcement");
	wire_start(&g);
	arp_announce();
	if (EXPECT(wire_pop(&f))) {
		static const uint8_t want[60] = {
			255, 255, 255, 255, 255, 255,
			0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55, 8, 6,
			0, 1, 8, 0, 6, 4, 0, 1,
			0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55, 192, 0, 2, 1,
			255, 255, 255, 255, 255, 255, 192, 0, 2, 2,
		};

		EXPECT_EQ(f.len, 60);
		EXPECT_MEM(f.b, want, 60);
	}

	group("no address, no IPv4, no room");
	g.net[GUEST_V4].addr = ADDR_NONE;
	wire_start(&g);
	arp_announce();
	EXPECT(wire_silent());
	g = wire_facts();
	fake_knobs()->slots = 0;
	ask("192.0.2.2", "8.8.8.8");
	EXPECT(wire_silent());
	g.net[GUEST_V4].on = false;
	wire_start(&g);
	arp_announce();
	ask("192.0.2.2", "8.8.8.8");
	EXPECT(wire_silent());
	return done();
}
