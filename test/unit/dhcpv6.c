// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcpv6.c - whole answers byte by byte, each message with each server
 * identifier, identity associations, and all manner of broken requests
 */
#include "dhcpv6.h"

#include "util.h"
#include "wire.h"

#define LL		"fe80::5054:ff:fe12:3456"
#define ALL_SERVERS	"ff02::1:2"

enum msg { SOLICIT = 1, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY,
	   RELEASE, DECLINE, RECONFIGURE, INFORMATION };

/* ---- what the client sends ---- */

static uint8_t frame[70000];

static struct ask {
	uint8_t msg[66000];
	struct writer w;		/* of msg */
	const char *src, *dst;
	uint16_t sport, dport;
	size_t cut, elem;
} ask;

#define CLIENT	0, 1, 0, 3, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56
#define SERVER	0, 1, 0, 1, 0x12, 0x34, 0x56, 0x78,\
		0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55
#define OURS	0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 2
#define OTHER	0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 3
#define FAR	0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4
#define NONE	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

static const uint8_t client[] = { CLIENT };
static const uint8_t server[] = { SERVER };
static const uint8_t other_server[] = { 0, 1, 0, 1, 0x12, 0x34, 0x56, 0x78,
					0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x56 };

static void opt(uint16_t code, const void *val, size_t len)
{
	wr_be16(&ask.w, code);
	wr_be16(&ask.w, (uint16_t)len);
	wr_put(&ask.w, val, len);
}

static void bare(uint8_t type)
{
	memset(&ask, 0, sizeof(ask));
	wr_init(&ask.w, ask.msg, sizeof(ask.msg));
	wr_u8(&ask.w, type);
	wr_put(&ask.w, "\xab\xcd\xef", 3);
	ask.src = LL;
	ask.dst = ALL_SERVERS;
	ask.sport = 546;
	ask.dport = 547;
}

/* request() - With our identifier where the message must have it */
static void request(uint8_t type)
{
	bare(type);
	opt(1, client, sizeof(client));
	if (type == REQUEST || type == RENEW || type == RELEASE ||
	    type == DECLINE)
		opt(2, server, sizeof(server));
}

/* ia() - An association @id with @n addresses */
static void ia(uint8_t id, unsigned n, const uint8_t (*addr)[16])
{
	static const uint8_t times[8] = { 0, 0, 0x0e, 0x10, 0, 0, 0x15, 0x18 };

	wr_be16(&ask.w, 3);
	wr_be16(&ask.w, (uint16_t)(12 + n * 28));
	wr_be32(&ask.w, id);
	wr_put(&ask.w, times, sizeof(times));
	while (n--) {
		wr_be16(&ask.w, 5);
		wr_be16(&ask.w, 24);
		wr_put(&ask.w, *addr++, 16);
		wr_put(&ask.w, times, sizeof(times));
	}
}

static bool input(void)
{
	size_t len = ask.cut ? ask.cut - 1 : ask.w.len;
	bool v4 = !strchr(ask.dst, ':');
	struct writer w;
	struct pkt p;

	EXPECT(wr_ok(&ask.w));
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, ask.src, ask.dst, IPPROTO_UDP, v4 ? 64 : 1, 8 + len);
	wr_be16(&w, ask.sport);
	wr_be16(&w, ask.dport);
	wr_be16(&w, (uint16_t)(8 + len));
	wr_be16(&w, 0);
	wr_put(&w, ask.msg, len);
	EXPECT(wr_ok(&w));
	EXPECT_EQ(wire_pkt(&p, &w, ask.elem), HDR_OK);
	/* The transaction id is the flow, in so far as it has room there */
	wire_flow = wire_be(ask.msg + 1, 3) & 0xfffff;
	return dhcpv6_input(&p);
}

static void no_answer(void)
{
	EXPECT(input());
	EXPECT(wire_silent());
}

/* answer() - Must have exactly these options */
static void answer(uint8_t type, const uint8_t *want, size_t len)
{
	union addr src = A("fe80::1"), dst = A(ask.src);
	const uint8_t head[] = { type, 0xab, 0xcd, 0xef };
	struct wire_frame f;

	EXPECT(input());
	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_MEM(f.b, guest_mac, 6);
	EXPECT(addr_eq(&f.src, &src) && addr_eq(&f.dst, &dst));
	EXPECT_EQ(f.ttl, 255);
	EXPECT_EQ(f.proto, IPPROTO_UDP);
	EXPECT_EQ(wire_be(f.l4, 2), 547);
	EXPECT_EQ(wire_be(f.l4 + 2, 2), 546);
	EXPECT_MEM(f.data, head, 4);
	if (EXPECT_EQ(f.datalen, 4 + len))
		EXPECT_MEM(f.data + 4, want, len);
	EXPECT(wire_silent());
}

#define ANSWER(type, ...) do {						\
	static const uint8_t want_[] = { __VA_ARGS__ };			\
									\
	answer(type, want_, sizeof(want_));				\
} while (0)

/* ---- what it gets ---- */

#define SID		0, 2, 0, 14, SERVER
#define CID		0, 1, 0, 11, CLIENT
#define FOREVER		255, 255, 255, 255
#define IA(id, ...)	0, 3, 0, 40, 0, 0, 0, id, FOREVER, FOREVER,\
			0, 5, 0, 24, OURS, FOREVER, FOREVER
#define STATUS_LINK	0, 13, 0, 29, 0, 4, 'A', 'd', 'd', 'r', 'e', 's', 's',\
			' ', 'i', 's', ' ', 'n', 'o', 't', ' ', 'o', 'f', ' ',\
			't', 'h', 'i', 's', ' ', 'l', 'i', 'n', 'k'
#define STATUS_ONE	0, 13, 0, 27, 0, 2, 'T', 'h', 'e', 'r', 'e', ' ', 'i',\
			's', ' ', 'o', 'n', 'e', ' ', 'a', 'd', 'd', 'r', 'e',\
			's', 's', ' ', 'o', 'n', 'l', 'y'
#define NO_LINK(id)	0, 3, 0, 45, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 0,\
			STATUS_LINK
#define NO_ADDR(id)	0, 3, 0, 43, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 0,\
			STATUS_ONE
#define DNS		0, 23, 0, 32, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0,\
			0, 0, 0, 0, 0, 0x53, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0,\
			0, 0, 0, 0, 0, 1
#define SEARCH		0, 24, 0, 26, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e',\
			3, 'o', 'r', 'g', 0,\
			3, 'l', 'a', 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e',\
			0
#define FQDN(flags)	0, 39, 0, 12, flags, 5, 'g', 'u', 'e', 's', 't',\
			3, 'l', 'a', 'n', 0

static const uint8_t ours[1][16] = { { OURS } };
static const uint8_t other[1][16] = { { OTHER } };

static void start(const struct guest *g)
{
	wire_start(g);
	dhcpv6_init(946684800 + 0x12345678);
}

static void messages(void)
{
	struct guest g = wire_facts();
	unsigned i;

	start(&g);

	group("SOLICIT");
	request(SOLICIT);
	ia(1, 0, NULL);
	ANSWER(ADVERTISE, SID, IA(1), CID);
	opt(14, "", 0);			/* rapid commit: not served */
	opt(6, "\0\27\0\30", 4);
	opt(8, "\0\0", 2);
	ANSWER(ADVERTISE, SID, IA(1), CID);
	opt(2, server, sizeof(server));
	no_answer();
	request(SOLICIT);
	opt(2, other_server, sizeof(other_server));
	no_answer();
	request(SOLICIT);
	ia(7, 1, other);		/* a wish that is not granted */
	ANSWER(ADVERTISE, SID, IA(7), CID);
	request(SOLICIT);		/* no IA nobody asked for */
	ANSWER(ADVERTISE, SID, CID);

	group("REQUEST and RENEW");
	for (i = REQUEST; i <= RENEW; i += RENEW - REQUEST) {
		request((uint8_t)i);
		ia(1, 1, ours);
		ANSWER(REPLY, SID, IA(1), CID);
		request((uint8_t)i);
		ia(255, 0, NULL);
		ANSWER(REPLY, SID, IA(255), CID);
		request((uint8_t)i);
		ia(1, 1, other);
		ANSWER(REPLY, SID, NO_LINK(1), CID);
		request((uint8_t)i);
		ANSWER(REPLY, SID, CID);
		bare((uint8_t)i);
		opt(1, client, sizeof(client));
		ia(1, 1, ours);
		no_answer();
		opt(2, other_server, sizeof(other_server));
		no_answer();
	}

	group("CONFIRM");
	request(CONFIRM);
	no_answer();			/* nothing to be confirmed */
	ia(1, 0, NULL);
	no_answer();
	ia(2, 1, ours);
	ANSWER(REPLY, SID, NO_ADDR(1), IA(2), CID);
	request(CONFIRM);
	ia(1, 1, ours);
	ANSWER(REPLY, SID, IA(1), CID);
	request(CONFIRM);
	ia(1, 1, other);
	ANSWER(REPLY, SID, NO_LINK(1), CID, STATUS_LINK);
	opt(2, server, sizeof(server));
	no_answer();
	request(CONFIRM);
	ia(1, 1, ours);
	opt(2, other_server, sizeof(other_server));
	no_answer();

	group("REBIND");
	request(REBIND);
	ia(1, 1, ours);
	ANSWER(REPLY, SID, IA(1), CID);
	opt(2, server, sizeof(server));
	ANSWER(REPLY, SID, IA(1), CID);
	request(REBIND);
	ia(1, 1, ours);
	opt(2, other_server, sizeof(other_server));
	no_answer();
	request(REBIND);
	ia(1, 1, other);
	ANSWER(REPLY, SID, 0, 3, 0, 68, 0, 0, 0, 1, FOREVER, FOREVER,
	       0, 5, 0, 24, OURS, FOREVER, FOREVER,
	       0, 5, 0, 24, OTHER, 0, 0, 0, 0, 0, 0, 0, 0, CID);

	group("INFORMATION-REQUEST");
	request(INFORMATION);
	ANSWER(REPLY, SID, CID);
	opt(2, server, sizeof(server));
	ANSWER(REPLY, SID, CID);
	request(INFORMATION);
	opt(2, other_server, sizeof(other_server));
	no_answer();
	request(INFORMATION);
	ia(1, 0, NULL);
	no_answer();
	opt(2, server, sizeof(server));
	no_answer();
	request(INFORMATION);
	opt(4, "\0\0\0\1", 4);		/* IA_TA */
	no_answer();
	request(INFORMATION);
	opt(25, "\0\0\0\1\0\0\0\0\0\0\0\0", 12);	/* IA_PD */
	no_answer();

	group("other messages");
	for (i = 0; i < 256; i++) {
		if (i == SOLICIT || (i >= REQUEST && i <= REBIND) ||
		    i == INFORMATION)
			continue;
		request((uint8_t)i);
		ia(1, 1, ours);
		no_answer();
		bare((uint8_t)i);
		opt(1, client, sizeof(client));
		no_answer();
		opt(2, server, sizeof(server));
		no_answer();
	}
}

static void options(void)
{
	struct guest g = wire_facts();

	g.net[GUEST_V6].dns[0] = A("2001:db8::53");
	g.net[GUEST_V6].dns[1] = A("fd00::1");
	g.net[GUEST_V6].ndns = 2;
	strcpy(g.search[0], "example.org");
	strcpy(g.search[1], "lab.example.");
	g.nsearch = 2;
	strcpy(g.hostname, "guest");

	group("nothing told unless wanted");
	start(&g);
	request(INFORMATION);
	ANSWER(REPLY, SID, CID);

	group("options and their order");
	g.tell_dns = g.tell_search = true;
	strcpy(g.fqdn, "guest.lan");
	start(&g);
	request(INFORMATION);
	ANSWER(REPLY, SID, CID, DNS, SEARCH, FQDN(0));
	request(SOLICIT);
	ia(1, 0, NULL);
	ANSWER(ADVERTISE, SID, IA(1), CID, DNS, SEARCH, FQDN(0));
	request(CONFIRM);
	ia(1, 1, ours);
	ANSWER(REPLY, SID, IA(1), CID, DNS, SEARCH, FQDN(0));
	/* Their order in the request changes nothing */
	bare(REQUEST);
	opt(39, "\0", 1);
	ia(1, 1, ours);
	opt(6, "\0\47\0\30\0\27", 6);
	opt(2, server, sizeof(server));
	opt(1, client, sizeof(client));
	ANSWER(REPLY, SID, IA(1), CID, DNS, SEARCH, FQDN(0));

	group("nothing but the status when refused");
	request(RENEW);
	ia(1, 1, other);
	ANSWER(REPLY, SID, NO_LINK(1), CID);
	request(CONFIRM);
	ia(1, 1, other);
	ANSWER(REPLY, SID, NO_LINK(1), CID, STATUS_LINK);

	group("FQDN flags");
	request(INFORMATION);
	opt(39, "\0\5guest", 7);
	ANSWER(REPLY, SID, CID, DNS, SEARCH, FQDN(0));
	request(INFORMATION);
	opt(39, "\1\1x\0", 4);
	ANSWER(REPLY, SID, CID, DNS, SEARCH, FQDN(2));
	request(INFORMATION);
	opt(39, "\4", 1);
	ANSWER(REPLY, SID, CID, DNS, SEARCH, FQDN(0));
	request(INFORMATION);
	opt(39, "\377", 1);
	ANSWER(REPLY, SID, CID, DNS, SEARCH, FQDN(2));

	group("each on its own");
	g.tell_dns = false;
	start(&g);
	request(INFORMATION);
	ANSWER(REPLY, SID, CID, SEARCH, FQDN(0));
	g.tell_dns = true;
	g.tell_search = false;
	start(&g);
	ANSWER(REPLY, SID, CID, DNS, FQDN(0));
	*g.fqdn = '\0';
	start(&g);
	ANSWER(REPLY, SID, CID, DNS);
	g.net[GUEST_V6].ndns = 0;
	g.tell_search = true;
	start(&g);
	ANSWER(REPLY, SID, CID, SEARCH);
	strcpy(g.search[0], "a..b");
	strcpy(g.search[1], ".");
	strcpy(g.fqdn, "no..name");
	start(&g);
	ANSWER(REPLY, SID, CID);
	g.nsearch = 0;
	start(&g);
	ANSWER(REPLY, SID, CID);
}

static void associations(void)
{
	static const uint8_t both[2][16] = { { OURS }, { OTHER } };
	static const uint8_t three[3][16] = { { FAR }, { OTHER }, { OURS } };
	static const uint8_t four[4][16] = { { OTHER }, { FAR }, { FAR },
					     { FAR } };
	static const uint8_t none[1][16] = { { NONE } };
	struct guest g = wire_facts();
	unsigned i;

	start(&g);

	group("several associations, one address");
	request(SOLICIT);
	ia(1, 0, NULL);
	ia(2, 0, NULL);
	ANSWER(ADVERTISE, SID, IA(1), NO_ADDR(2), CID);
	ia(3, 1, ours);
	ANSWER(ADVERTISE, SID, NO_ADDR(1), NO_ADDR(2), IA(3), CID);
	ia(4, 1, ours);
	ANSWER(ADVERTISE, SID, NO_ADDR(1), NO_ADDR(2), IA(3), NO_ADDR(4), CID);
	ia(5, 1, ours);			/* enough is enough */
	ANSWER(ADVERTISE, SID, NO_ADDR(1), NO_ADDR(2), IA(3), NO_ADDR(4), CID);
	request(REQUEST);
	ia(1, 1, other);
	ia(2, 0, NULL);
	ANSWER(REPLY, SID, NO_LINK(1), IA(2), CID);

	group("several addresses");
	for (i = REQUEST; i <= RENEW; i++) {
		request((uint8_t)i);
		ia(1, 2, both);
		if (i == CONFIRM)
			ANSWER(REPLY, SID, NO_LINK(1), CID, STATUS_LINK);
		else
			ANSWER(REPLY, SID, NO_LINK(1), CID);
	}
	request(SOLICIT);
	ia(1, 3, three);
	ANSWER(ADVERTISE, SID, IA(1), CID);
	request(REBIND);
	ia(1, 3, three);
	ANSWER(REPLY, SID, 0, 3, 0, 96, 0, 0, 0, 1, FOREVER, FOREVER,
	       0, 5, 0, 24, OURS, FOREVER, FOREVER,
	       0, 5, 0, 24, FAR, 0, 0, 0, 0, 0, 0, 0, 0,
	       0, 5, 0, 24, OTHER, 0, 0, 0, 0, 0, 0, 0, 0, CID);
	request(REBIND);
	ia(1, 4, four);
	ANSWER(REPLY, SID, 0, 3, 0, 96, 0, 0, 0, 1, FOREVER, FOREVER,
	       0, 5, 0, 24, OURS, FOREVER, FOREVER,
	       0, 5, 0, 24, OTHER, 0, 0, 0, 0, 0, 0, 0, 0,
	       0, 5, 0, 24, FAR, 0, 0, 0, 0, 0, 0, 0, 0, CID);
	request(REQUEST);
	ia(1, 1, none);
	ANSWER(REPLY, SID, IA(1), CID);
	request(CONFIRM);
	ia(1, 1, none);
	no_answer();

	group("what is not served");
	request(REQUEST);
	opt(4, "\0\0\0\1", 4);
	opt(25, "\0\0\0\1\0\0\0\0\0\0\0\0", 12);
	ANSWER(REPLY, SID, CID);
	ia(1, 0, NULL);
	ANSWER(REPLY, SID, IA(1), CID);
}

static void who(void)
{
	struct guest g = wire_facts();
	union addr own = A("2001:db8::77");
	unsigned i;

	start(&g);

	group("an address that was given resets the one seen");
	for (i = SOLICIT; i <= INFORMATION; i++) {
		request((uint8_t)i);
		if (i == SOLICIT || (i >= REQUEST && i <= REBIND))
			ia(1, 1, ours);
		guest_saw(guest_mac, &own);
		EXPECT(addr_eq(&guest()->seen6, &own));
		input();
		EXPECT_EQ(addr_eq(&guest()->seen6, &guest()->net[1].addr),
			  i == SOLICIT || (i >= REQUEST && i <= REBIND));
		fake_reset();
	}
	request(REQUEST);
	ia(1, 1, other);
	guest_saw(guest_mac, &own);
	input();
	EXPECT(addr_eq(&guest()->seen6, &own));
	fake_reset();

	group("from and to whom");
	request(INFORMATION);
	ask.src = "2001:db8::77";
	ANSWER(REPLY, SID, CID);
	ask.dst = "ff05::1:3";
	ANSWER(REPLY, SID, CID);
	/* To the asker, whoever else is there */
	guest_saw(our_mac, NULL);
	ANSWER(REPLY, SID, CID);
	ask.dst = "fe80::1";
	no_answer();
	ask.dst = "2001:db8::1";
	no_answer();

	group("not for us");
	request(INFORMATION);
	ask.sport = 547;
	EXPECT(!input());
	request(INFORMATION);
	ask.dport = 546;
	EXPECT(!input());
	request(INFORMATION);
	ask.src = "192.0.2.2";
	ask.dst = "192.0.2.1";
	EXPECT(!input());
	request(INFORMATION);
	g.dhcpv6 = false;
	start(&g);
	EXPECT(!input());
	g.dhcpv6 = true;
	g.net[GUEST_V6].on = false;
	start(&g);
	EXPECT(!input());
	g.net[GUEST_V6].on = true;
	g.net[GUEST_V6].addr = ADDR_NONE;
	start(&g);
	no_answer();

	group("no room in the port");
	g = wire_facts();
	start(&g);
	fake_knobs()->slots = 0;
	no_answer();

	group("the time in our identifier");
	start(&g);
	dhcpv6_init(946684800 + 0x112345678);	/* modulo 2^32 */
	ANSWER(REPLY, SID, CID);
}

static void identifiers(void)
{
	static const uint8_t sid[] = { SID };
	uint8_t duid[300], want[4 + 300 + sizeof(sid)];
	struct guest g = wire_facts();
	struct writer w;
	size_t n;

	start(&g);
	memset(duid, 'd', sizeof(duid));

	group("client identifiers of any length");
	bare(SOLICIT);
	no_answer();
	bare(INFORMATION);
	ANSWER(REPLY, SID);
	for (n = 0; n < sizeof(duid); n++) {
		bare(INFORMATION);
		opt(1, duid, n);
		wr_init(&w, want, sizeof(want));
		wr_put(&w, sid, sizeof(sid));
		wr_be16(&w, 1);
		wr_be16(&w, (uint16_t)n);
		wr_put(&w, duid, n);
		if (n >= 1 && n <= 128)
			answer(REPLY, want, w.len);
		else
			no_answer();
	}

	group("server identifiers of any length");
	memcpy(duid, server, sizeof(server));
	for (n = 0; n < sizeof(duid); n++) {
		bare(RENEW);
		opt(1, client, sizeof(client));
		opt(2, duid, n);
		if (n == 14)
			ANSWER(REPLY, SID, CID);
		else
			no_answer();
	}
	for (n = 0; n < 14; n++) {
		memcpy(duid, server, sizeof(server));
		duid[n] ^= 1;
		bare(RENEW);
		opt(1, client, sizeof(client));
		opt(2, duid, 14);
		no_answer();
	}
}

/* The longest of everything: one datagram that any link can carry, in which
 * only names of the search list are missing */
static void room(void)
{
	static const uint8_t two[2][16] = { { OTHER }, { FAR } };
	struct guest g = wire_facts();
	uint8_t duid[128] = { 1 };
	struct wire_frame f;
	unsigned i, n, k, names;
	size_t off;

	group("long names");
	g.tell_dns = g.tell_search = true;
	for (i = 0; i < 3; i++)
		g.net[GUEST_V6].dns[i] = A("2001:db8::53");
	g.net[GUEST_V6].ndns = 3;
	for (i = 0; i < 253; i++)
		g.fqdn[i] = i % 64 == 63 ? '.' : 'f';
	g.nsearch = 6;
	for (n = 1; n < 253; n++) {
		bool has[64] = { false };

		memset(g.search, 0, sizeof(g.search));
		for (i = 0; i < 6; i++) {
			for (k = 0; k < n; k++)
				g.search[i][k] = k % 64 == 63 ? '.' : 's';
		}
		/* No name ends in two dots */
		if (n % 64 == 0)
			continue;
		start(&g);
		bare(REBIND);
		opt(1, duid, sizeof(duid));
		for (i = 0; i < 5; i++)
			ia((uint8_t)i, 2, two);
		EXPECT(input());
		if (!EXPECT(wire_pop(&f)))
			return;
		EXPECT(f.datalen <= 1232);
		names = 0;
		for (off = 4; off + 4 <= f.datalen;) {
			uint32_t code = wire_be(f.data + off, 2);
			uint32_t len = wire_be(f.data + off + 2, 2);

			EXPECT(code < 64);
			has[code & 63] = true;
			if (code == 24) {
				EXPECT_EQ(len % (n + 2), 0);
				names = len / (n + 2);
			} else if (code == 39) {
				EXPECT_EQ(len, 256);
			}
			off += 4 + len;
		}
		EXPECT_EQ(off, f.datalen);
		EXPECT(has[1] && has[2] && has[3] && has[23] && has[39]);
		/* No room that one more could use */
		EXPECT(names == 6 ||
		       f.datalen + n + 2 + (names ? 0 : 4) > 1232);
	}
}

static void truncated(void)
{
	static const uint8_t whole[] = { RENEW, 0xab, 0xcd, 0xef,
		0, 1, 0, 11, CLIENT,				/* to 19 */
		0, 2, 0, 14, SERVER,				/* to 37 */
		0, 3, 0, 52, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8,
		0, 5, 0, 24, OURS, 0, 0, 0, 9, 0, 0, 0, 9,
		0, 13, 0, 2, 0, 0, 0, 13, 0, 2, 0, 0,		/* to 93 */
		0, 39, 0, 1, 0, 0, 99, 0, 0 };			/* 98, 102 */
	struct guest g = wire_facts();
	unsigned i;

	start(&g);
	group("truncated at every length");
	for (i = 0; i <= sizeof(whole); i++) {
		bare(0);
		wr_init(&ask.w, ask.msg, sizeof(ask.msg));
		wr_put(&ask.w, whole, sizeof(whole));
		ask.cut = i + 1;
		if (i == 37)
			ANSWER(REPLY, SID, CID);
		else if (i == 93 || i == 98 || i == 102)
			ANSWER(REPLY, SID, IA(1), CID);
		else
			no_answer();
	}
	group("in pieces");
	for (i = 1; i < 120; i++) {
		bare(0);
		wr_init(&ask.w, ask.msg, sizeof(ask.msg));
		wr_put(&ask.w, whole, sizeof(whole));
		ask.elem = i;
		ANSWER(REPLY, SID, IA(1), CID);
	}
}

/* nested() - REQUEST with an IA that has one inner option of @code that says
 * to have @says bytes, and has @has */
static void nested(uint16_t code, uint16_t says, size_t has)
{
	request(REQUEST);
	wr_be16(&ask.w, 3);
	wr_be16(&ask.w, (uint16_t)(12 + 4 + has));
	wr_be32(&ask.w, 1);
	wr_zero(&ask.w, 8);
	wr_be16(&ask.w, code);
	wr_be16(&ask.w, says);
	wr_zero(&ask.w, has);
}

static void malformed(void)
{
	static const uint8_t junk[400];
	struct guest g = wire_facts();
	unsigned n;

	start(&g);

	group("options of every length");
	for (n = 0; n < 300; n++) {
		request(REQUEST);
		opt(3, junk, n);
		/* Inside there are options of code 0 and no bytes */
		if (n >= 12 && n % 4 == 0)
			ANSWER(REPLY, SID, IA(0), CID);
		else
			no_answer();
		nested(5, (uint16_t)n, n);
		/* The address is ::, and options of code 0 may follow */
		if (n >= 24 && n % 4 == 0)
			ANSWER(REPLY, SID, IA(1), CID);
		else
			no_answer();
		request(INFORMATION);
		opt(39, junk, n);
		if (n)
			ANSWER(REPLY, SID, CID);
		else
			no_answer();
		request(INFORMATION);
		opt(1000, junk, n);
		ANSWER(REPLY, SID, CID);
	}

	group("options that reach into others");
	for (n = 0; n < 300; n++) {
		/* Out of an address, though there is room in its IA */
		request(REQUEST);
		wr_be16(&ask.w, 3);
		wr_be16(&ask.w, 12 + 4 + 24 + 4 + 8 + 4 + 300);
		wr_be32(&ask.w, 1);
		wr_zero(&ask.w, 8);
		wr_be16(&ask.w, 5);
		wr_be16(&ask.w, 24 + 4 + 8);
		wr_zero(&ask.w, 24);
		wr_be16(&ask.w, 13);
		wr_be16(&ask.w, (uint16_t)n);
		wr_zero(&ask.w, 8);
		opt(99, junk, 300);
		if (n == 0 || n == 4 || n == 8)
			ANSWER(REPLY, SID, IA(1), CID);
		else
			no_answer();
		nested(5, (uint16_t)n, 24);
		if (n == 24)
			ANSWER(REPLY, SID, IA(1), CID);
		else
			no_answer();
		/* What is inside must not end outside, though there is room */
		nested(99, (uint16_t)(8 + n), 8);
		opt(99, junk, 300);
		if (n)
			no_answer();
		else
			ANSWER(REPLY, SID, IA(1), CID);
		request(INFORMATION);
		wr_be16(&ask.w, 99);
		wr_be16(&ask.w, (uint16_t)n);
		wr_zero(&ask.w, 8);
		/* 4 and 0: the rest reads as options of code 0 */
		if (n == 0 || n == 4 || n == 8)
			ANSWER(REPLY, SID, CID);
		else
			no_answer();
	}
	request(INFORMATION);
	wr_be16(&ask.w, 99);
	wr_be16(&ask.w, 65535);
	wr_zero(&ask.w, 100);
	no_answer();

	group("options that are there twice");
	request(INFORMATION);
	opt(1, client, sizeof(client));
	no_answer();
	request(RENEW);
	opt(2, server, sizeof(server));
	no_answer();
	request(RENEW);
	opt(2, other_server, sizeof(other_server));
	no_answer();
	request(INFORMATION);
	opt(39, "\0", 1);
	opt(39, "\0", 1);
	no_answer();
	request(INFORMATION);
	opt(6, "", 0);
	opt(6, "", 0);
	ANSWER(REPLY, SID, CID);

	group("options in options in options");
	request(REQUEST);
	for (n = 2000; n; n--) {	/* each says to hold all that follow */
		wr_be16(&ask.w, n & 1 ? 5 : 3);
		wr_be16(&ask.w, (uint16_t)(n * 28 - 4));
		wr_zero(&ask.w, 24);
	}
	ANSWER(REPLY, SID, IA(0), CID);
	request(SOLICIT);
	for (n = 0; n < 4000; n++)
		ia(1, 0, NULL);
	ANSWER(ADVERTISE, SID, IA(1), NO_ADDR(1), NO_ADDR(1), NO_ADDR(1), CID);
}

/* Whatever bytes are wrong: an answer is a good datagram, or there is none */
static void random_bytes(void)
{
	struct guest g = wire_facts();
	uint32_t rnd = 12345;
	struct wire_frame f;
	unsigned i, k;

	start(&g);
	group("random changes");
	for (i = 0; i < 20000; i++) {
		request((uint8_t)(i % 11 + 1));
		ia(1, 1, ours);
		ia(2, 1, other);
		opt(39, "\1\1x\0", 4);
		for (k = 0; k < 1 + i % 5; k++) {
			rnd = rnd * 1664525 + 1013904223;
			ask.msg[(rnd >> 8) % ask.w.len] = (uint8_t)(rnd >> 24);
		}
		EXPECT(input());
		if (wire_pop(&f)) {
			EXPECT(f.datalen >= 4 && f.datalen <= 1232);
			EXPECT(f.data[0] == ADVERTISE || f.data[0] == REPLY);
		}
		EXPECT(wire_silent());
	}
}

int main(void)
{
	messages();
	options();
	associations();
	who();
	identifiers();
	room();
	truncated();
	malformed();
	random_bytes();
	return done();
}
