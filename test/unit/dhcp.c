// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcp.c - whole replies byte by byte, order and room of options, and all
 * manner of broken requests
 */
#include "dhcp.h"

#include "util.h"
#include "wire.h"

static uint8_t frame[66000];

/* The request to be sent */
static struct ask {
	uint8_t bootp[240];
	uint8_t opt[65000];
	struct writer w;		/* of opt */
	const char *src, *dst;
	uint16_t sport, dport;
	size_t cut, elem;
} ask;

static void opt(uint8_t code, size_t len, const void *val)
{
	wr_u8(&ask.w, code);
	wr_u8(&ask.w, (uint8_t)len);
	wr_put(&ask.w, val, len);
}

static void request(uint8_t type)
{
	static const uint8_t head[] = { 1, 1, 6, 9, 0xde, 0xad, 0xbe, 0xef,
					0, 5, 0, 0 };
	static const uint8_t magic[] = { 0x63, 0x82, 0x53, 0x63 };

	memset(&ask, 0, sizeof(ask));
	memcpy(ask.bootp, head, sizeof(head));
	memcpy(ask.bootp + 28, guest_mac, 6);
	memset(ask.bootp + 44, 'x', 192);
	memcpy(ask.bootp + 236, magic, 4);
	wr_init(&ask.w, ask.opt, sizeof(ask.opt));
	ask.src = "0.0.0.0";
	ask.dst = "255.255.255.255";
	ask.sport = 68;
	ask.dport = 67;
	if (type)
		opt(53, 1, &type);
}

static bool input(void)
{
	size_t len = 240 + ask.w.len;
	struct writer w;
	struct pkt p;

	EXPECT(wr_ok(&ask.w));
	if (ask.cut)
		len = ask.cut;
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, ask.src, ask.dst, IPPROTO_UDP, 64, 8 + len);
	wr_be16(&w, ask.sport);
	wr_be16(&w, ask.dport);
	wr_be16(&w, (uint16_t)(8 + len));
	wr_be16(&w, 0);
	wr_put(&w, ask.bootp, MIN(len, 240));
	if (len > 240)
		wr_put(&w, ask.opt, len - 240);
	EXPECT(wr_ok(&w));
	EXPECT_EQ(wire_pkt(&p, &w, ask.elem), HDR_OK);
	return dhcp_input(&p);
}

static void no_answer(void)
{
	EXPECT(input());
	EXPECT(wire_silent());
}

/* reply_to() - The fixed part as it must be; its options must be @want */
static void reply_to(const uint8_t *want, size_t len, const char *dst)
{
	union addr d = A(dst), our = A("192.0.2.1");
	static const uint8_t yiaddr[] = { 192, 0, 2, 2 };
	uint8_t fixed[240] = { 2, 1, 6, 0 };
	struct wire_frame f;
	size_t i;

	EXPECT(input());
	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_MEM(f.b, guest_mac, 6);
	EXPECT(addr_eq(&f.src, &our) && addr_eq(&f.dst, &d));
	EXPECT_EQ(f.ttl, 255);
	EXPECT_EQ(wire_be(f.l4, 2), 67);
	EXPECT_EQ(wire_be(f.l4 + 2, 2), 68);

	memcpy(fixed + 4, ask.bootp + 4, 4);		/* xid */
	memcpy(fixed + 10, ask.bootp + 10, 6);		/* flags, ciaddr */
	memcpy(fixed + 16, yiaddr, 4);
	memcpy(fixed + 24, ask.bootp + 24, 20);		/* giaddr, chaddr */
	memcpy(fixed + 236, ask.bootp + 236, 4);
	EXPECT_MEM(f.data, fixed, 240);

	if (!EXPECT_EQ(f.datalen, MAX(240 + len + 1, 300)))
		return;
	EXPECT_MEM(f.data + 240, want, len);
	EXPECT_EQ(f.data[240 + len], 255);
	for (i = 240 + len + 1; i < f.datalen; i++)
		EXPECT(!f.data[i]);
	EXPECT(wire_silent());
}

static void reply(const uint8_t *want, size_t len)
{
	reply_to(want, len, "192.0.2.2");
}

#define TYPE(t)	53, 1, t
#define MASK	1, 4, 255, 255, 255, 0
#define ROUTER	3, 4, 192, 0, 2, 1
#define DNS	6, 8, 192, 0, 2, 53, 9, 9, 9, 9
#define NAME	12, 5, 'g', 'u', 'e', 's', 't'
#define MTU	26, 2, 0xff, 0xf0
#define LEASE	51, 4, 255, 255, 255, 255
#define SERVER	54, 4, 192, 0, 2, 1
#define RAPID	80, 0
#define FQDN	81, 14, 4, 255, 255, 5, 'g', 'u', 'e', 's', 't',\
		3, 'l', 'a', 'n', 0
/* RFC 3397: the second name and the third end in parts of the first */
#define SEARCH	119, 27, 3, 'e', 'n', 'g', 5, 'a', 'p', 'p', 'l', 'e',\
		3, 'c', 'o', 'm', 0, 3, 'm', 'k', 't', 0xc0, 4,\
		1, 'b', 0xc0, 10, 0xc0, 4

static const uint8_t offer[] = { TYPE(2), MASK, ROUTER, MTU, LEASE, SERVER };
static const uint8_t ack[] = { TYPE(5), MASK, ROUTER, MTU, LEASE, SERVER };

static void messages(void)
{
	static const uint8_t rapid[] = { TYPE(5), MASK, ROUTER, MTU, LEASE,
					 SERVER, RAPID };
	static const uint8_t ours[] = { 192, 0, 2, 1 };
	static const uint8_t other[] = { 192, 0, 2, 3 };
	struct guest g = wire_facts();
	struct wire_frame f;
	union addr own = A("192.0.2.50");
	unsigned i;

	wire_start(&g);

	group("messages and their answers");
	request(1);
	EXPECT(input());
	EXPECT(wire_pop(&f));
	EXPECT_EQ(f.len, 342);
	EXPECT_EQ(wire_be(f.ip + 2, 2), 0x148);
	EXPECT_EQ(wire_be(f.l4 + 4, 2), 0x134);
	reply(offer, sizeof(offer));
	request(1);
	opt(80, 0, NULL);
	reply(rapid, sizeof(rapid));
	request(3);
	reply(ack, sizeof(ack));
	opt(80, 0, NULL);		/* means nothing here */
	reply(ack, sizeof(ack));
	request(3);
	opt(54, 4, ours);
	opt(50, 4, other);		/* whatever is asked */
	reply(ack, sizeof(ack));
	request(0);			/* BOOTP */
	reply(ack, sizeof(ack));
	wr_zero(&ask.w, 60);
	reply(ack, sizeof(ack));
	request(3);
	opt(54, 4, other);
	no_answer();
	for (i = 4; i < 256; i++) {
		request((uint8_t)i);
		no_answer();
	}
	request(2);
	no_answer();

	group("destinations");
	request(1);
	ask.bootp[10] = 0x80;
	reply_to(offer, sizeof(offer), "255.255.255.255");
	request(3);
	memcpy(ask.bootp + 12, own.b + 12, 4);	/* ciaddr */
	ask.src = "192.0.2.50";
	ask.dst = "192.0.2.1";
	reply(ack, sizeof(ack));
	request(1);
	memcpy(ask.bootp + 24, own.b + 12, 4);	/* giaddr: a relay */
	no_answer();
	memset(ask.bootp + 24, 255, 4);
	no_answer();
	memcpy(ask.bootp + 24, "\x7f\0\0\1", 4);
	no_answer();
	for (i = 24; i < 28; i++) {
		request(3);
		ask.bootp[i] = 1;
		no_answer();
	}

	group("an answer resets the address seen");
	guest_saw(guest_mac, &own);
	EXPECT(addr_eq(&guest()->seen4, &own));
	request(1);
	reply(offer, sizeof(offer));
	EXPECT(addr_eq(&guest()->seen4, &g.net[GUEST_V4].addr));

	group("not for us");
	request(1);
	ask.sport = 67;
	ask.src = "192.0.2.2";
	EXPECT(!input());
	request(1);
	ask.dport = 69;
	ask.src = "192.0.2.2";
	EXPECT(!input());
	g.dhcp = false;
	wire_start(&g);
	request(1);
	EXPECT(!input());
	g.dhcp = true;
	g.net[GUEST_V4].on = false;
	wire_start(&g);
	EXPECT(!input());
	EXPECT(wire_silent());
}

static struct guest everything(void)
{
	struct guest g = wire_facts();

	g.tell_dns = g.tell_search = true;
	g.net[GUEST_V4].dns[0] = A("192.0.2.53");
	g.net[GUEST_V4].dns[1] = A("9.9.9.9");
	g.net[GUEST_V4].ndns = 2;
	strcpy(g.hostname, "guest");
	strcpy(g.fqdn, "guest.lan");
	strcpy(g.search[0], "eng.apple.com");
	strcpy(g.search[1], "mkt.Apple.com.");
	strcpy(g.search[2], "b.com");
	strcpy(g.search[3], "apple.com");
	g.nsearch = 4;
	return g;
}

static void options(void)
{
	static const uint8_t all[] = { TYPE(2), MASK, ROUTER, DNS, NAME, MTU,
				       LEASE, SERVER, FQDN, SEARCH };
	static const uint8_t params[] = { 119, 6, 200, 0, 255, 3, 6, 1 };
	static const uint8_t ordered[] = { TYPE(2), SEARCH, DNS, ROUTER, MASK,
					   NAME, MTU, LEASE, SERVER, FQDN };
	static const uint8_t params2[] = { 26, 53, 54 };
	static const uint8_t ordered2[] = { MTU, TYPE(2), SERVER, MASK, ROUTER,
					    DNS, NAME, LEASE, FQDN, SEARCH };
	static const uint8_t nothing[] = { TYPE(2), MASK, LEASE, SERVER };
	static const uint8_t outside[] = {
		TYPE(2), 1, 4, 255, 255, 255, 255, 3, 4, 192, 0, 2, 1,
		MTU, LEASE, SERVER,
		121, 14, 32, 192, 0, 2, 1, 0, 0, 0, 0, 0, 192, 0, 2, 1 };
	struct guest g = everything();
	unsigned i;

	group("options and their order");
	wire_start(&g);
	request(1);
	reply(all, sizeof(all));
	request(1);
	opt(55, sizeof(params), params);
	reply(ordered, sizeof(ordered));
	request(1);
	opt(55, sizeof(params2), params2);
	reply(ordered2, sizeof(ordered2));
	request(1);
	opt(55, 2, params2);		/* in two parts: RFC 3396 */
	opt(55, 1, params2 + 2);
	reply(ordered2, sizeof(ordered2));
	request(1);
	opt(55, 0, params2);
	reply(all, sizeof(all));
	{
		static uint8_t every[255];
		uint8_t *p = ask.opt;

		for (i = 0; i < 255; i++)
			every[i] = (uint8_t)(i + 1);
		request(1);
		opt(55, 255, every);
		EXPECT(p == ask.opt);
		{
			static const uint8_t asc[] = { MASK, ROUTER, DNS, NAME,
				MTU, LEASE, TYPE(2), SERVER, FQDN, SEARCH };

			reply(asc, sizeof(asc));
		}
	}

	group("options left out, and a gateway off the subnet");
	g = wire_facts();
	g.mtu = 0;
	g.net[GUEST_V4].gw = ADDR_NONE;
	g.net[GUEST_V4].ndns = 1;
	g.net[GUEST_V4].dns[0] = A("9.9.9.9");
	strcpy(g.search[0], "lan");
	g.nsearch = 1;
	wire_start(&g);
	request(1);
	reply(nothing, sizeof(nothing));
	g = wire_facts();
	g.net[GUEST_V4].prefix = 32;
	wire_start(&g);
	request(1);
	reply(outside, sizeof(outside));
	g.net[GUEST_V4].our = ADDR_NONE;
	wire_start(&g);
	no_answer();
	g = wire_facts();
	g.net[GUEST_V4].addr = ADDR_NONE;
	wire_start(&g);
	no_answer();
}

/* find() - Option @code of a reply: its length, or -1 */
static int find(const struct wire_frame *f, uint8_t code, const uint8_t **val)
{
	size_t i = 240;
	int found = -1;

	while (i < f->datalen && f->data[i] != 255) {
		if (f->data[i] == code) {
			EXPECT_EQ(found, -1);
			found = f->data[i + 1];
			*val = f->data + i + 2;
		}
		i += 2U + f->data[i + 1];
	}
	EXPECT(i < f->datalen);
	return found;
}

static void room(void)
{
	static const uint8_t params[] = { 119, 81, 12 };
	static const uint8_t must[] = { 1, 3, 6, 26, 51, 53, 54, 121 };
	struct guest g = everything();
	struct wire_frame f;
	const uint8_t *val = NULL;
	unsigned i, j, n;

	group("long names push out nothing that matters");
	g.net[GUEST_V4].prefix = 32;
	g.net[GUEST_V4].ndns = 3;
	for (n = 0; n < 256; n++) {
		memset(g.hostname, 0, sizeof(g.hostname));
		memset(g.hostname, 'h', n);
		g.nsearch = 6;
		for (i = 0; i < 6; i++) {
			for (j = 0; j < 40; j++)
				g.search[i][j] = (char)('a' + i);
			g.search[i][j] = 0;
		}
		wire_start(&g);
		request(1);
		opt(55, 3, params);
		EXPECT(input());
		if (!EXPECT(wire_pop(&f)))
			return;
		/* RFC 2131 2: what every client can take */
		EXPECT(f.datalen <= 548);
		for (i = 0; i < sizeof(must); i++)
			EXPECT(find(&f, must[i], &val) > 0);
		if (find(&f, 12, &val) >= 0)
			EXPECT_EQ(find(&f, 12, &val), n);
		else
			EXPECT(!n || n > 230);
		/* Whole names only */
		if (find(&f, 119, &val) >= 0)
			EXPECT_EQ(find(&f, 119, &val) % 42, 0);
		if (n == 10)
			EXPECT_EQ(find(&f, 119, &val), 5 * 42);
	}

	group("names that are none");
	g = everything();
	strcpy(g.search[0], "a..b");
	strcpy(g.search[1], ".");
	strcpy(g.search[2], "b.com");
	memset(g.search[3], 'x', 64);
	memset(g.fqdn, 'x', 255);
	wire_start(&g);
	request(1);
	EXPECT(input());
	EXPECT(wire_pop(&f));
	EXPECT_EQ(find(&f, 119, &val), 7);
	EXPECT_EQ(find(&f, 81, &val), -1);
}

/* optlens() - Every option with every length, there and cut short */
static void optlens(void)
{
	static const uint8_t ours[255] = { 192, 0, 2, 1 };
	struct guest g = wire_facts();
	unsigned code, len;

	group("options of every length");
	wire_start(&g);
	for (code = 1; code < 255; code++) {
		for (len = 0; len < 256; len++) {
			bool ok = true;

			if (code == 53 || code == 52)	/* 192 as a value */
				ok = false;
			else if (code == 54)
				ok = len == 4;
			else if (code == 80)
				ok = !len;
			request(code == 53 ? 0 : 3);
			opt((uint8_t)code, len, ours);
			if (ok)
				reply(ack, sizeof(ack));
			else
				no_answer();
			if (!len)
				continue;
			request(code == 53 ? 0 : 3);
			wr_u8(&ask.w, (uint8_t)code);
			wr_u8(&ask.w, (uint8_t)len);
			wr_put(&ask.w, ours, len - 1);
			no_answer();
		}
		request(3);
		wr_u8(&ask.w, (uint8_t)code);
		no_answer();
	}

	group("fixed fields of every value");
	for (code = 0; code < 3; code++) {	/* op, htype, hlen */
		for (len = 0; len < 256; len++) {
			request(1);
			if (ask.bootp[code] == len)
				continue;
			ask.bootp[code] = (uint8_t)len;
			no_answer();
		}
	}
	for (code = 236; code < 240; code++) {
		for (len = 0; len < 256; len++) {
			request(1);
			if (ask.bootp[code] == len)
				continue;
			ask.bootp[code] = (uint8_t)len;
			no_answer();
		}
	}

	group("oversized requests");
	request(1);
	wr_zero(&ask.w, 60000);
	reply(offer, sizeof(offer));
	opt(61, 255, ours);
	while (ask.w.len < 64000)
		opt(61, 255, ours);
	reply(offer, sizeof(offer));
	while (ask.w.len < 64900)
		opt(55, 1, ours);
	no_answer();
}

static void malformed(void)
{
	static const uint8_t v[8] = { 1, 2, 3, 4 };
	static const uint8_t good[] = { 53, 1, 3, 54, 4, 192, 0, 2, 1,
					61, 7, 1, 2, 3, 4, 5, 6, 7, 255 };
	struct guest g = wire_facts();
	unsigned i;

	group("malformed requests");
	wire_start(&g);
	for (i = 1; i < 240; i++) {
		request(1);
		ask.cut = i;
		no_answer();
	}
	request(0);
	wr_put(&ask.w, good, sizeof(good));
	for (i = 240; i <= 240 + sizeof(good); i++) {
		/* Fine without options, and where one ends */
		bool whole = i == 240 || i == 243 || i == 249 || i >= 258;

		ask.cut = i;
		if (whole)
			reply(ack, sizeof(ack));
		else
			no_answer();
	}
	for (i = 1; i < 90; i++) {
		request(1);
		ask.elem = i;
		reply(offer, sizeof(offer));
	}
	for (i = 0; i < 3; i++) {		/* op, htype, hlen */
		request(1);
		ask.bootp[i]++;
		no_answer();
	}
	for (i = 236; i < 240; i++) {
		request(1);
		ask.bootp[i] ^= 0x10;
		no_answer();
	}
	request(1);
	opt(53, 1, v);			/* twice */
	no_answer();
	request(0);
	opt(53, 0, v);
	no_answer();
	request(0);
	opt(53, 2, v);
	no_answer();
	request(0);
	opt(53, 1, "");
	no_answer();
	for (i = 0; i < 8; i++) {
		request(3);
		opt(54, i, v);
		no_answer();
	}
	request(1);
	opt(80, 1, v);
	no_answer();
	request(1);
	wr_u8(&ask.w, 61);
	wr_u8(&ask.w, 255);		/* more than there is */
	wr_zero(&ask.w, 100);
	no_answer();
	request(1);
	{
		static const uint8_t all[255] = { 1 };

		opt(55, 255, all);
		opt(55, 1, all);
		no_answer();
	}
	request(1);
	wr_zero(&ask.w, 10);		/* padding */
	wr_u8(&ask.w, 255);
	wr_u8(&ask.w, 53);		/* and junk behind the end */
	reply(offer, sizeof(offer));

	group("options in file and sname (overload)");
	request(0);
	opt(52, 1, "\1");
	memset(ask.bootp + 44, 0, 192);
	memcpy(ask.bootp + 108, "\65\1\1\377", 4);
	reply(offer, sizeof(offer));
	request(0);
	opt(52, 1, "\3");
	memset(ask.bootp + 44, 0, 192);
	memcpy(ask.bootp + 44, "\65\1\1\377", 4);
	reply(offer, sizeof(offer));
	memcpy(ask.bootp + 108, "\65\1\1\377", 4);
	no_answer();
	request(1);
	opt(52, 1, "\4");
	no_answer();
	request(1);
	opt(52, 1, "\2");		/* sname: 64 times 'x' */
	no_answer();
}

int main(void)
{
	messages();
	options();
	room();
	optlens();
	malformed();
	return done();
}
