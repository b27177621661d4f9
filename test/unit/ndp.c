// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ndp.c - advertisements byte by byte, and what is not answered
 *
 * link: -Wl,--wrap=neigh_mac
 */
#include "ndp.h"

#include "neigh.h"
#include "wire.h"

#define LL	"fe80::5054:ff:fe12:3456"
#define NEIGHBOUR "2001:db8::7"

static uint8_t frame[2200];
static const uint8_t mcast_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
static const uint8_t neigh[6] = { 2, 0xa, 0xb, 0xc, 0xd, 0xe };
static bool neigh_there;

const uint8_t *__wrap_neigh_mac(const union addr *a);

const uint8_t *__wrap_neigh_mac(const union addr *a)
{
	union addr n = A(NEIGHBOUR);

	return neigh_there && addr_eq(a, &n) ? neigh : NULL;
}

static struct ask {
	const char *src, *dst, *target;
	uint8_t type, code, hops;
	const uint8_t *opt;
	size_t optlen, cut, elem;
	bool fragment;
} ask;

static const uint8_t slla[8] = { 1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

static void ns(const char *src, const char *target)
{
	ask = (struct ask){ .src = src, .dst = "ff02::1:ff00:1", .type = 135,
			    .target = target, .hops = 255, .opt = slla,
			    .optlen = 8 };
}

static void rs(const char *src)
{
	ask = (struct ask){ .src = src, .dst = "ff02::2", .type = 133,
			    .hops = 255, .opt = slla, .optlen = 8 };
}

static bool input(void)
{
	size_t len = 8 + (ask.target ? 16 : 0) + ask.optlen;
	struct writer w;
	struct pkt p;

	if (ask.cut)
		len = ask.cut;
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, ask.src, ask.dst, IPPROTO_ICMPV6, ask.hops, len);
	wr_u8(&w, ask.type);
	wr_u8(&w, ask.code);
	wr_zero(&w, 6);
	if (ask.target) {
		union addr t = A(ask.target);

		wr_put(&w, &t, 16);
	}
	wr_put(&w, ask.opt, ask.optlen);
	w.len = 54 + len;
	EXPECT(wr_ok(&w));
	EXPECT_EQ(wire_pkt(&p, &w, ask.elem), HDR_OK);
	EXPECT(!p.fragment);
	p.fragment = ask.fragment;
	return ndp_input(&p);
}

/* na_sent() - That @target is at @mac */
static void na_sent(const uint8_t *mac, const char *target, uint8_t flag,
		    const char *dst, const uint8_t *dmac)
{
	union addr t = A(target), d = A(dst), our = A("fe80::1");
	const uint8_t flags[4] = { flag, 0, 0, 0 };
	struct wire_frame f;

	wire_smac = mac;
	if (!EXPECT(wire_pop(&f)))
		return;
	wire_smac = our_mac;
	EXPECT_EQ(f.len, 86);
	EXPECT_MEM(f.b, dmac, 6);
	EXPECT_EQ(f.ttl, 255);
	EXPECT(addr_eq(&f.src, &our) && addr_eq(&f.dst, &d));
	EXPECT_EQ(wire_be(f.l4, 2), 136 << 8);
	EXPECT_MEM(f.l4 + 4, flags, 4);
	EXPECT_MEM(f.data, &t, 16);
	EXPECT_EQ(wire_be(f.data + 16, 2), 0x0201);
	EXPECT_MEM(f.data + 18, mac, 6);
	EXPECT(wire_silent());
}

static void na_wanted(const char *target, const char *dst)
{
	EXPECT(input());
	na_sent(our_mac, target, 0xe0, dst, guest_mac);
}

static void no_answer(void)
{
	EXPECT(input());
	EXPECT(wire_silent());
}

/* ra_wanted() - With exactly these bytes from the type on, checksum apart */
static void ra_wanted(const uint8_t *want, size_t len, const char *dst,
		      const uint8_t *dmac)
{
	union addr d = A(dst), our = A("fe80::1");
	struct wire_frame f;

	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_EQ(f.len, 54 + len);
	EXPECT_MEM(f.b, dmac, 6);
	EXPECT_EQ(f.ttl, 255);
	EXPECT(addr_eq(&f.src, &our) && addr_eq(&f.dst, &d));
	f.b[54 + 2] = f.b[54 + 3] = 0;
	if (f.len == 54 + len)
		EXPECT_MEM(f.l4, want, len);
	EXPECT(wire_silent());
}

#define RA_HEAD 134, 0, 0, 0, 255, 0x80, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0
#define RA_PREFIX 3, 4, 64, 0xc0, 255, 255, 255, 255, 255, 255, 255, 255,\
	0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define RA_SLLA 1, 1, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55
#define RA_MTU 5, 1, 0, 0, 0, 0, 0xff, 0xf0
#define RA_RDNSS 25, 3, 0, 0, 255, 255, 255, 255,\
	0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53
#define RA_DNSSL 31, 5, 0, 0, 255, 255, 255, 255,\
	7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0,\
	3, 'l', 'a', 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0,\
	0, 0, 0, 0, 0, 0

static const uint8_t ra_plain[] = { RA_HEAD, RA_PREFIX, RA_SLLA, RA_MTU };
static const uint8_t ra_full[] = { RA_HEAD, RA_PREFIX, RA_SLLA, RA_MTU,
				   RA_RDNSS, RA_DNSSL };
static const uint8_t ra_search[] = { RA_HEAD, RA_PREFIX, RA_SLLA, RA_MTU,
				     RA_DNSSL };
static const uint8_t ra_dns[] = { RA_HEAD, RA_PREFIX, RA_SLLA, RA_MTU,
				  RA_RDNSS };
static const uint8_t ra_local[] = { 134, 0, 0, 0, 255, 0, 255, 255, 0, 0, 0, 0,
				    0, 0, 0, 0, RA_SLLA, RA_MTU };
static const uint8_t ra_nomtu[] = { RA_HEAD, RA_PREFIX, RA_SLLA };

static struct guest with_dns(void)
{
	struct guest g = wire_facts();

	g.tell_dns = g.tell_search = true;
	g.net[GUEST_V6].dns[0] = A("2001:db8::53");
	g.net[GUEST_V6].ndns = 1;
	strcpy(g.search[0], "example.org");
	strcpy(g.search[1], "lab.example.");
	g.nsearch = 2;
	return g;
}

static void mirrored(void)
{
	struct guest g = wire_facts();
	union addr n = A(NEIGHBOUR), n4 = A("192.0.2.7");

	group("neighbours of the host's have MAC addresses of their own");
	wire_start(&g);
	neigh_there = true;
	ns(LL, NEIGHBOUR);
	EXPECT(input());
	na_sent(neigh, NEIGHBOUR, 0xe0, LL, guest_mac);
	ns("::", NEIGHBOUR);
	ask.optlen = 0;
	no_answer();
	ns(LL, "2001:db8::8");
	na_wanted("2001:db8::8", LL);
	ndp_tell(&n);
	na_sent(neigh, NEIGHBOUR, 0xa0, "ff02::1", mcast_mac);
	neigh_there = false;
	ndp_tell(&n);
	na_sent(our_mac, NEIGHBOUR, 0xa0, "ff02::1", mcast_mac);
	ns(LL, NEIGHBOUR);
	na_wanted(NEIGHBOUR, LL);

	/* What the guest took for its own meanwhile */
	neigh_there = true;
	guest_saw(guest_mac, &n);
	no_answer();

	ndp_tell(&n4);
	g.ndp = false;
	wire_start(&g);
	ndp_tell(&n);
	g = wire_facts();
	g.net[GUEST_V6].on = false;
	wire_start(&g);
	ndp_tell(&n);
	EXPECT(wire_silent());
	neigh_there = false;
}

/* optlens() - Option @type that says to be of each length, in an area of each
 * size: what does not end with the area, or has no length, kills the message */
static void optlens(uint8_t type)
{
	static uint8_t area[2048];
	unsigned len, n;

	for (len = 0; len < 256; len++) {
		for (n = 8; n <= 64; n += 4) {
			bool ok = len && len * 8 <= n;
			size_t off;

			memset(area, 0, sizeof(area));
			area[0] = type;
			area[1] = (uint8_t)len;
			/* Sound options up to the end, if it comes there */
			for (off = len * 8; off && off < n; off += 8) {
				area[off] = 200;
				area[off + 1] = 1;
				ok = ok && off + 8 <= n;
			}
			ns(LL, "fe80::1");
			ask.opt = area;
			ask.optlen = n;
			if (ok)
				na_wanted("fe80::1", LL);
			else
				no_answer();
		}
		rs(LL);
		ask.opt = area;
		ask.optlen = 8 * len + 7;
		no_answer();
	}
}

static void neighbours(void)
{
	static const uint8_t zero[8] = { 1, 0 };
	static const uint8_t long_opt[8] = { 1, 2 };
	static const uint8_t huge[8] = { 1, 255 };
	static const uint8_t dup[24] = { 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0,
					 0, 0, 0, 0, 99, 1 };
	static uint8_t full[2040] = { 99, 255 };
	struct guest g = wire_facts();
	union addr ll = A(LL);
	unsigned i;

	wire_start(&g);
	guest_saw(guest_mac, &ll);

	group("neighbour solicitations are answered for all");
	ns(LL, "fe80::1");
	na_wanted("fe80::1", LL);
	ns("2001:db8::1234:2", "2001:db8::77");
	na_wanted("2001:db8::77", "2001:db8::1234:2");
	ns(LL, "2600::");
	na_wanted("2600::", LL);
	ask.optlen = 0;
	na_wanted("2600::", LL);
	ask.dst = "fe80::1";
	na_wanted("2600::", LL);
	ns(LL, "fe80::1");
	ask.opt = dup;
	ask.optlen = sizeof(dup);
	na_wanted("fe80::1", LL);
	ns(LL, "fe80::1");
	for (i = 1; i < 90; i++) {
		ask.elem = i;
		na_wanted("fe80::1", LL);
	}

	group("not for the guest's own, nor from ::");
	ns(LL, "2001:db8::1234:2");
	no_answer();
	ns(LL, LL);
	no_answer();
	ns("::", "fe80::1");
	ask.optlen = 0;
	no_answer();
	ask.optlen = 8;
	no_answer();

	group("malformed solicitations");
	ns(LL, "ff02::1");
	no_answer();
	ns(LL, "fe80::1");
	ask.code = 1;
	no_answer();
	for (i = 0; i < 255; i++) {
		ns(LL, "fe80::1");
		ask.hops = (uint8_t)i;
		no_answer();
	}
	for (i = 8; i < 32; i++) {
		ns(LL, "fe80::1");
		ask.cut = i;
		if (i != 24)
			no_answer();
	}
	ns(LL, "fe80::1");
	ask.opt = zero;
	no_answer();
	ask.opt = long_opt;
	no_answer();
	ask.opt = huge;
	no_answer();
	ask.opt = full;
	ask.optlen = 1900;
	no_answer();
	optlens(1);
	optlens(99);
	ns(LL, "fe80::1");
	ask.fragment = true;		/* RFC 6980 */
	no_answer();
	rs(LL);
	ask.fragment = true;
	no_answer();
}

static void routers(void)
{
	struct guest g = wire_facts();
	unsigned i;

	group("router advertisements");
	wire_start(&g);
	rs(LL);
	EXPECT(input());
	EXPECT_EQ(54 + sizeof(ra_plain), 118);	/* measured */
	ra_wanted(ra_plain, sizeof(ra_plain), LL, guest_mac);
	rs("::");
	ask.optlen = 0;
	EXPECT(input());
	ra_wanted(ra_plain, sizeof(ra_plain), "ff02::1", mcast_mac);

	g = with_dns();
	wire_start(&g);
	rs(LL);
	EXPECT(input());
	EXPECT_EQ(54 + sizeof(ra_full), 182);	/* measured */
	ra_wanted(ra_full, sizeof(ra_full), LL, guest_mac);

	g.net[GUEST_V6].ndns = 0;
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_search, sizeof(ra_search), LL, guest_mac);
	g.net[GUEST_V6].ndns = 1;
	g.tell_dns = false;
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_search, sizeof(ra_search), LL, guest_mac);
	g.tell_dns = true;
	g.tell_search = false;
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_dns, sizeof(ra_dns), LL, guest_mac);
	g.tell_search = true;
	strcpy(g.search[0], "bad..name");
	strcpy(g.search[1], "");
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_dns, sizeof(ra_dns), LL, guest_mac);

	group("local mode has no prefix, --mtu 0 no MTU");
	g = wire_facts();
	g.mtu = 0;
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_nomtu, sizeof(ra_nomtu), LL, guest_mac);
	g = wire_facts();
	g.net[GUEST_V6].local = true;
	g.net[GUEST_V6].addr = ADDR_NONE;
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_local, sizeof(ra_local), LL, guest_mac);
	/* ...but for an address that was given to it nevertheless */
	g.net[GUEST_V6].addr = A("2001:db8::1234:2");
	wire_start(&g);
	EXPECT(input());
	ra_wanted(ra_plain, sizeof(ra_plain), LL, guest_mac);

	group("six long names: as many as 1280 bytes hold");
	g = with_dns();
	g.nsearch = 6;
	for (i = 0; i < 6; i++) {
		unsigned j;

		for (j = 0; j < 253; j++)
			g.search[i][j] = j % 50 == 49 ? '.' : (char)('a' + i);
		g.search[i][253] = 0;
	}
	wire_start(&g);
	EXPECT(input());
	{
		struct wire_frame f;

		EXPECT(wire_pop(&f));
		EXPECT(f.len <= 14 + 1280 && f.len > 1000);
		/* 4 names of 255 bytes and 8 of header, in units of 8 */
		EXPECT_EQ(f.l4[89], (4 * 255 + 8 + 7) / 8);
		EXPECT_EQ(f.l4[88], 31);
	}

	group("malformed router solicitations, and none wanted");
	g = wire_facts();
	wire_start(&g);
	rs(LL);
	ask.hops = 64;
	no_answer();
	rs(LL);
	ask.code = 7;
	no_answer();
	rs("::");
	no_answer();			/* with a link-layer address */
	for (i = 9; i < 16; i++) {
		rs(LL);
		ask.cut = i;
		no_answer();
	}
	for (i = 134; i <= 137; i++) {
		rs(LL);
		ask.type = (uint8_t)i;
		no_answer();
	}
	rs(LL);
	ask.type = 143;			/* MLD */
	EXPECT(!input());
	ask.type = 128;
	EXPECT(!input());
	g.ra = false;
	wire_start(&g);
	rs(LL);
	no_answer();
	ns(LL, "fe80::1");
	na_wanted("fe80::1", LL);
	g.ndp = false;
	wire_start(&g);
	no_answer();
}

static void announcements(void)
{
	static const uint8_t want[78] = {
		0x52, 0x54, 0, 0x12, 0x34, 0x56,
		0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 24, 58, 255,
		0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 2,
		135, 0, 0, 0, 0, 0, 0, 0,
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 2,
	};
	struct guest g = wire_facts();
	struct wire_frame f;

	group("announcement");
	timer_reset();
	g.ra = false;
	wire_start(&g);
	ndp_init();
	ndp_announce();
	if (EXPECT(wire_pop(&f))) {
		EXPECT_EQ(f.len, 78);
		f.b[56] = f.b[57] = 0;
		EXPECT_MEM(f.b, want, 78);
	}
	EXPECT(wire_silent());
	guest_forget();
	ndp_announce();
	if (EXPECT(wire_pop(&f)))
		EXPECT_MEM(f.b, bcast_mac, 6);
	g.net[GUEST_V6].addr = ADDR_NONE;
	wire_start(&g);
	ndp_announce();
	EXPECT(wire_silent());
	/* Local mode, with an address given */
	g = wire_facts();
	g.ra = false;
	g.net[GUEST_V6].local = true;
	wire_start(&g);
	ndp_announce();
	EXPECT(wire_pop(&f));
	EXPECT(wire_silent());

	group("no announcement");
	g.ra = true;
	g.ndp = false;			/* --no-ndp: not this one either */
	wire_start(&g);
	ndp_announce();
	g = wire_facts();
	g.net[GUEST_V6].on = false;
	wire_start(&g);
	ndp_announce();
	rs(LL);
	no_answer();
	EXPECT_EQ(timer_count(), 0);
}

/* due() - Move the clock until the next advertisement to all is due, let it be
 * sent; seconds that took, 0 for none within @max */
static unsigned due(unsigned max)
{
	uint64_t begin = clock_now();
	struct timer *t = NULL;

	while (!t && clock_now() - begin < max * SEC) {
		clock_set(clock_now() + 10 * MSEC);
		t = timer_pop();
	}
	if (!t)
		return 0;
	EXPECT_EQ(t->kind, TM_RA);
	ndp_timer(t);
	return (unsigned)((clock_now() - begin + SEC / 2) / SEC);
}

static void all_wanted(void)
{
	ra_wanted(ra_plain, sizeof(ra_plain), "ff02::1", mcast_mac);
}

/* RFC 4861 6.2.4: the first three */
static void initial(void)
{
	struct guest g = wire_facts();
	struct wire_frame f;
	unsigned i, s;

	group("advertisements to a guest that comes");
	clock_set(50 * SEC);
	timer_reset();
	wire_start(&g);
	ndp_init();
	for (i = 0; i < 3; i++) {
		if (i != 1)
			guest_forget();	/* heard of or not */
		ndp_announce();
		EXPECT(wire_pop(&f));
		EXPECT_EQ(f.len, 78);
		all_wanted();
		EXPECT_EQ(due(700), 16);
		all_wanted();
		if (i == 2)
			break;		/* the next guest comes */
		EXPECT_EQ(due(700), 16);
		all_wanted();
		guest_saw(guest_mac, NULL);
		s = due(700);
		EXPECT(s >= 200 && s <= 600);
		all_wanted();
		EXPECT_EQ(timer_count(), 1);
	}
	guest_forget();
	ndp_announce();
	EXPECT(wire_pop(&f));
	all_wanted();
	EXPECT(due(700) && due(700) && EXPECT_EQ(timer_count(), 1));
	EXPECT(wire_pop(&f) && wire_pop(&f) && wire_silent());
	s = due(700);
	EXPECT(s >= 200 && s <= 600);
	EXPECT(wire_silent());		/* nobody there */
}

/* RFC 4861 6.2.6: at least 3 s between answers to all */
static void answers_to_all(void)
{
	struct guest g = wire_facts();
	struct wire_frame f;
	unsigned i, s;

	group("solicitations from ::, and how often all are answered");
	clock_set(100 * SEC);
	timer_reset();
	wire_start(&g);
	ndp_init();
	ndp_announce();
	EXPECT(wire_pop(&f));
	all_wanted();

	/* The guest came up after that one */
	rs("::");
	ask.optlen = 0;
	EXPECT(input());
	all_wanted();
	for (i = 0; i < 100; i++) {
		clock_set(clock_now() + 10 * MSEC);
		EXPECT(input());
		EXPECT(wire_silent());
		EXPECT(!timer_pop());
	}
	EXPECT_EQ(due(700), 2);		/* 3, one of which has passed */
	all_wanted();
	EXPECT(input());
	EXPECT(wire_silent());

	/* Who has an address gets its answer at once */
	rs(LL);
	for (i = 0; i < 10; i++) {
		EXPECT(input());
		ra_wanted(ra_plain, sizeof(ra_plain), LL, guest_mac);
	}
	EXPECT_EQ(due(700), 3);
	all_wanted();
	s = due(700);
	EXPECT(s >= 200 && s <= 600);
	all_wanted();

	/* One that was sent anyway counts */
	rs("::");
	ask.optlen = 0;
	EXPECT(input());
	EXPECT(wire_silent());
	EXPECT_EQ(due(700), 3);
	all_wanted();
	EXPECT_EQ(timer_count(), 1);
	clock_set(clock_now() + 3 * SEC);
	EXPECT(!timer_pop());
	EXPECT(input());
	all_wanted();
}

static void timers(void)
{
	struct guest g = wire_facts();
	uint64_t now = SEC, last = now;
	unsigned i, same = 0;
	uint64_t gap = 0;
	struct timer *t;

	group("unsolicited advertisements");
	clock_set(now);
	timer_reset();
	wire_start(&g);
	ndp_init();
	EXPECT_EQ(timer_count(), 1);
	for (i = 0; i < 20; i++) {
		do {
			now += SEC;
			clock_set(now);
			t = timer_pop();
		} while (!t && now - last < 700 * SEC);
		if (!EXPECT(t) || !EXPECT_EQ(t->kind, TM_RA))
			return;
		EXPECT(now - last >= 200 * SEC && now - last <= 602 * SEC);
		same += now - last == gap;
		gap = now - last;
		last = now;
		ndp_timer(t);
		EXPECT_EQ(timer_count(), 1);
		ra_wanted(ra_plain, sizeof(ra_plain), "ff02::1", mcast_mac);
		if (i == 10) {
			guest_forget();
			ndp_timer(t);
			EXPECT(wire_silent());
			guest_saw(guest_mac, NULL);
		}
	}
	EXPECT(same < 10);

	timer_reset();
	g.ra = false;
	wire_start(&g);
	ndp_init();
	EXPECT_EQ(timer_count(), 0);
}

int main(void)
{
	neighbours();
	mirrored();
	routers();
	announcements();
	initial();
	answers_to_all();
	timers();
	return done();
}
