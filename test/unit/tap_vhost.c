// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vhost.c (unit) - the guest port over virtqueues, with guests of all sorts
 *
 * The guest is test/vhost_front.c. What it does to rings and messages that no
 * guest should do stands in tap_vring.c and vhost.c.
 */
#include "tap_vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "port_contract.h"
#include "timer.h"
#include "vhost.h"
#include "vhost_front.h"

#define OFFLOADS	(VHOST_F_CSUM | VHOST_F_GUEST_CSUM |		\
			 VHOST_F_GUEST_TSO4 | VHOST_F_GUEST_TSO6 |	\
			 VHOST_F_HOST_TSO4 | VHOST_F_HOST_TSO6 |	\
			 VHOST_F_GUEST_USO4 | VHOST_F_GUEST_USO6 |	\
			 VHOST_F_HOST_USO)
#define BASIC		(VHOST_F_VERSION_1 | VHOST_F_PROTOCOL)

static struct front front;
static unsigned starts;			/* the guest has begun to listen */

/* sane() - Nothing was wrong at the other end */
static void sane(void)
{
	if (!EXPECT(!front.wrong))
		printf("# %s\n", front.wrong);
	front.wrong = NULL;
}

/* loop() - What the main loop does; how many events there were */
static int loop(void)
{
	struct ev_event ev[8];
	int i, n = ev_wait(ev, 8, 0);

	for (i = 0; i < n; i++) {
		EXPECT_EQ(ev[i].ref.type, EV_VHOST);
		starts += tap_vhost_event(ev[i].ref);
	}
	tap_flush();
	sane();
	return n;
}

static void fresh(const struct front_style *style)
{
	int back;

	front_close(&front);
	ev_init();
	clock_set(1000000);
	EXPECT_EQ(tap_vhost_init(), 0);
	tap_attach(&tap_vhost_ops);
	front_open(&front, &back);
	EXPECT_EQ(tap_vhost_attach(back), 0);
	EXPECT(!tap_served() && !tap_room() && !tap_lost());
	starts = 0;
	EXPECT(front_start(&front, style));
	loop();
	EXPECT_EQ(starts, 1);
	EXPECT(tap_served() && tap_room() && !tap_lost());
}

static size_t pop(void *buf, size_t size)
{
	size_t len;

	tap_flush();
	len = front_pop(&front, buf, size);
	if (!len) {
		loop();
		len = front_pop(&front, buf, size);
	}
	front_fill(&front, UINT32_MAX);
	loop();
	return len;
}

static bool push(const void *frame, size_t len)
{
	return front_push(&front, NULL, frame, len);
}

/* -------------------------------------------------------------- the contract */

static const struct sort {
	const char *name;
	size_t mtu;
	struct front_style style;
} sorts[] = {
	{ "as Linux: buffers of 1536 bytes, indirect, event index", 65500, {
		.features = BASIC | OFFLOADS | VHOST_F_MRG_RXBUF |
			    VHOST_F_EVENT_IDX | VHOST_F_INDIRECT_DESC,
		.num = { 256, 256 }, .rxbuf = 1536, .indirect = true,
	} },
	{ "pages, no event index, no protocol features", 65500, {
		.features = VHOST_F_VERSION_1 | OFFLOADS | VHOST_F_MRG_RXBUF,
		.num = { 1024, 128 }, .rxbuf = 4096,
	} },
	{ "no offloads", 65500, {
		.features = BASIC | VHOST_F_MRG_RXBUF,
		.num = { 512, 128 }, .rxbuf = 2048,
	} },
	{ "no mergeable buffers, as firmware", 1500, {
		.features = BASIC, .num = { 256, 128 }, .rxbuf = 1526,
		.rxparts = 2,
	} },
	{ "no mergeable buffers, but large ones", 65500, {
		.features = BASIC | OFFLOADS | VHOST_F_INDIRECT_DESC,
		.num = { 64, 128 }, .rxbuf = 65562, .rxparts = 19,
		.indirect = true,
	} },
	{ "buffers of many small parts, frames of single bytes", 3000, {
		.features = BASIC | OFFLOADS | VHOST_F_MRG_RXBUF |
			    VHOST_F_EVENT_IDX,
		.num = { 1024, 1024 }, .rxbuf = 1000, .rxparts = 31,
		.txpart = 7,
	} },
	{ "buffers that are shorter than headers", 9000, {
		.features = BASIC | OFFLOADS | VHOST_F_MRG_RXBUF,
		.num = { 1024, 128 }, .rxbuf = 13,
	} },
	{ "before virtio 1", 1500, {
		.features = 0, .num = { 256, 128 }, .rxbuf = 1526,
		.rxparts = 2,
	} },
};

/* many() - C6 with frames in pieces, and as many of them as the ring takes */
static void many(void)
{
	struct tap_frame f[TAP_BATCH];
	unsigned sent = 0, got = 0, n_sent = 200;
	uint8_t frame[2048], back[2048];
	struct cursor c;
	int n, i;

	while (got < n_sent) {
		for (; sent < n_sent; sent++) {
			size_t len = 60 + sent % 700;

			contract_hdr(frame, (uint8_t)sent);
			for (i = 0; i < (int)len; i++)
				frame[ETH_HLEN_ + i] = contract_byte(
					(uint8_t)sent, (size_t)i);
			if (!push(frame, ETH_HLEN_ + len))
				break;
		}
		loop();
		EXPECT(tap_backlog());
		while ((n = tap_recv(f, 1 + (int)(got % 40))) > 0) {
			for (i = 0; i < n; i++, got++) {
				size_t len = 60 + got % 700;

				if (!EXPECT_EQ(f[i].len, ETH_HLEN_ + len))
					return;
				cur_init(&c, f[i].iov, f[i].len);
				EXPECT(cur_pull(&c, back, f[i].len));
				EXPECT(contract_same(back, f[i].len,
						     (uint8_t)got, len));
				EXPECT_EQ(f[i].gso_size, 0);
			}
			tap_done(n);
		}
		EXPECT(!tap_backlog());
	}
	EXPECT_EQ(got, n_sent);
	front_reap(&front);
	EXPECT_EQ(front.ring[1].next, front.ring[1].seen);
}

static void contract(void)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(sorts); i++) {
		const struct sort *s = &sorts[i];
		const struct contract_guest g = {
			.push = push, .pop = pop, .mtu = s->mtu,
		};

		fresh(&s->style);
		group(s->name);
		contract_c1();
		contract_c2(&g);
		contract_c3(&g);
		contract_c4(&g);
		contract_c5(&g);
		if (!s->style.txpart)
			contract_c6(&g);
		many();
		EXPECT(!tap_lost());
	}
}

/* -------------------------------------------------------------- offloads */

static const struct front_style linux_guest = {
	.features = BASIC | OFFLOADS | VHOST_F_MRG_RXBUF | VHOST_F_EVENT_IDX |
		    VHOST_F_INDIRECT_DESC,
	.num = { 256, 256 }, .rxbuf = 1536, .indirect = true,
};

static uint16_t vnet16(unsigned off)
{
	return (uint16_t)(front.vnet[off] | front.vnet[off + 1] << 8);
}

/* send_tcp() - A frame with @len bytes of TCP payload to the guest */
static void send_tcp(size_t len, bool v4, bool partial, uint16_t mss)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct hdr_ip ip = { .smac = mac, .dmac = mac, .proto = IPPROTO_TCP,
			     .ttl = 64 };
	struct tap_slot s;
	size_t n;

	EXPECT(addr_parse(v4 ? "192.0.2.1" : "2001:db8::1", &ip.src));
	EXPECT(addr_parse(v4 ? "192.0.2.2" : "2001:db8::2", &ip.dst));
	n = hdr_ip_len(&ip.dst) + TCP_HLEN;
	EXPECT_EQ(tap_reserve(&s, 1, n, len), 1);
	EXPECT_EQ(s.room, len);
	hdr_put_ip(s.hdr, &ip, TCP_HLEN + len);
	hdr_put_tcp(s.hdr + n - TCP_HLEN, 1, 2, 3, 4, TH_ACK, 5, NULL, 0);
	s.hdrlen = n;
	s.len = len;
	s.csum_partial = partial;
	s.gso = mss ? (v4 ? TAP_GSO_TCP4 : TAP_GSO_TCP6) : TAP_GSO_NONE;
	s.gso_size = mss;
	EXPECT_EQ(tap_commit(&s, 1, 1, false), 1);
	EXPECT_EQ(pop(contract_buf, sizeof(contract_buf)), n + len);
}

static void offloads(void)
{
	static const struct {
		uint64_t lack;
		bool csum, tso, uso;
	} caps[] = {
		{ 0, true, true, true },
		{ VHOST_F_GUEST_CSUM, false, false, false },
		{ VHOST_F_GUEST_TSO4, true, false, true },
		{ VHOST_F_GUEST_TSO6, true, false, true },
		{ VHOST_F_GUEST_USO4, true, true, false },
		{ VHOST_F_GUEST_USO6, true, true, false },
		/* These are what the guest may send */
		{ VHOST_F_CSUM | VHOST_F_HOST_TSO4 | VHOST_F_HOST_USO, true,
		  true, true },
	};
	struct front_style style = linux_guest;
	unsigned i;

	group("offloads as the guest offers them");
	for (i = 0; i < ARRAY_LEN(caps); i++) {
		style.features = linux_guest.features & ~caps[i].lack;
		fresh(&style);
		EXPECT_EQ(tap_caps()->csum, caps[i].csum);
		EXPECT_EQ(tap_caps()->tso, caps[i].tso);
		EXPECT_EQ(tap_caps()->uso, caps[i].uso);
		EXPECT_EQ(tap_caps()->max_frame, ETH_HLEN_ + 65535);
	}

	group("the virtio-net header of a frame to the guest");
	fresh(&linux_guest);
	send_tcp(40000, true, true, 1460);
	EXPECT_EQ(front.vnet[0], 1);		/* NEEDS_CSUM */
	EXPECT_EQ(front.vnet[1], 1);		/* GSO_TCPV4 */
	EXPECT_EQ(vnet16(2), 54);
	EXPECT_EQ(vnet16(4), 1460);
	EXPECT_EQ(vnet16(6), 34);
	EXPECT_EQ(vnet16(8), 16);
	EXPECT_EQ(front.buffers, (40000 + 54 + 12 + 1535) / 1536);
	send_tcp(1441, false, true, 1440);
	EXPECT_EQ(front.vnet[1], 4);		/* GSO_TCPV6 */
	EXPECT_EQ(vnet16(6), 54);
	EXPECT_EQ(front.buffers, 1);
	send_tcp(1440, false, true, 1440);	/* a single segment */
	EXPECT_EQ(front.vnet[1], 0);
	EXPECT_EQ(vnet16(4), 0);
	send_tcp(100, true, false, 0);
	EXPECT_EQ(front.vnet[0], 2);		/* DATA_VALID */
	style.features = linux_guest.features & ~VHOST_F_GUEST_CSUM;
	fresh(&style);
	send_tcp(100, true, false, 0);
	EXPECT_EQ(front.vnet[0], 0);
}

/* told() - What becomes of a frame of @len bytes whose sender says so */
static int told(uint8_t type, uint16_t size, size_t len, uint16_t *gso)
{
	const uint8_t vnet[12] = {
		0xff, type, 0xff, 0xff, (uint8_t)size, (uint8_t)(size >> 8),
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	struct tap_frame f;
	int n;

	EXPECT(front_push(&front, vnet, contract_buf, len));
	loop();
	n = tap_recv(&f, 1);
	*gso = n ? f.gso_size : 0;
	if (n)
		EXPECT_EQ(f.len, len);
	tap_done(n);
	EXPECT_EQ(front_reap(&front), 1);
	return n;
}

static void lies(void)
{
	struct front_style style = linux_guest;
	uint16_t gso;
	unsigned i;

	group("what a guest says of its frames is not to be believed");
	fresh(&linux_guest);
	for (i = 0; i < 256; i++)
		if ((i & 0x7f) != 5)
			EXPECT(told((uint8_t)i, 1, 60000, &gso) == 1 && !gso);
	EXPECT(told(5, 1400, 60000, &gso) == 1 && gso == 1400);
	EXPECT(told(0x85, 500, 60000, &gso) == 1 && gso == 500);
	EXPECT(told(5, 100, 12842, &gso) == 1 && gso == 100);
	EXPECT_EQ(told(5, 0, 60000, &gso), 0);
	EXPECT_EQ(told(5, 1, 60000, &gso), 0);
	EXPECT_EQ(told(5, 400, 60000, &gso), 0);
	EXPECT(told(5, 65535, 60, &gso) == 1);
	EXPECT_EQ(told(0, 0, 13, &gso), 0);	/* no Ethernet header */
	EXPECT_EQ(told(0, 0, 14, &gso), 1);
	EXPECT_EQ(told(0, 0, 14 + 4 + 40 + 65535, &gso), 1);
	EXPECT_EQ(told(0, 0, 14 + 4 + 40 + 65536, &gso), 0);
	style.features &= ~VHOST_F_HOST_USO;
	fresh(&style);
	EXPECT(told(5, 1, 60000, &gso) == 1 && !gso);
}

/* -------------------------------------------------------------- kicks and calls */

/* One frame to the guest; whether it was woken */
static bool one(uint8_t n, bool more)
{
	struct tap_slot s;

	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, 60), 1);
	contract_fill(&s, n, 60);
	EXPECT_EQ(tap_commit(&s, 1, 1, more), 1);
	return front_called(&front, 0);
}

static uint16_t *used_event(unsigned i)
{
	return front.ring[i].avail + 2 + front.ring[i].num;
}

static void wakes(void)
{
	struct front_style style = linux_guest;
	const struct contract_guest g = { .pop = pop };
	unsigned i;

	group("the guest is woken when it wants to, and at the end of a turn");
	style.features &= ~VHOST_F_EVENT_IDX;
	fresh(&style);
	(void)front_called(&front, 0);
	EXPECT(!one(1, true) && !one(2, true));
	EXPECT_EQ(tap_held(), 2);
	tap_flush();
	EXPECT(front_called(&front, 0) && !tap_held());
	tap_flush();
	EXPECT(!front_called(&front, 0));
	EXPECT(one(3, false));
	front.ring[0].avail[0] = 1;		/* NO_INTERRUPT */
	EXPECT(!one(4, false));
	front.ring[0].avail[0] = 0;
	tap_flush();
	EXPECT(!front_called(&front, 0));
	for (i = 1; i <= 4; i++)
		contract_expect(&g, (uint8_t)i, 60);

	group("the same by event index");
	fresh(&linux_guest);
	(void)front_called(&front, 0);
	*used_event(0) = 2;
	EXPECT(one(1, false));			/* the first one, always */
	EXPECT(!one(2, false) && one(3, false) && !one(4, false));
	*used_event(0) = 6;
	EXPECT(!one(5, true) && !one(6, true) && !one(7, true) &&
	       !one(8, true));
	tap_flush();
	EXPECT(front_called(&front, 0));

	group("kicks are asked for only if nothing is left to do");
	fresh(&linux_guest);
	for (i = 0; i < 2; i++) {
		struct tap_frame f[TAP_BATCH];

		front.ring[1].kicks = 0;
		EXPECT(push(contract_buf, 100));
		EXPECT_EQ(front.ring[1].kicks, 1);
		EXPECT_EQ(loop(), 1);
		EXPECT(push(contract_buf, 100));
		EXPECT_EQ(tap_recv(f, TAP_BATCH), 2);
		EXPECT(push(contract_buf, 100));	/* meanwhile */
		EXPECT_EQ(front.ring[1].kicks, 1);
		tap_done(2);
		EXPECT(tap_backlog());
		EXPECT_EQ(tap_recv(f, TAP_BATCH), 1);
		tap_done(1);
		EXPECT(!tap_backlog());
		EXPECT_EQ(loop(), 0);
		style.features = linux_guest.features & ~VHOST_F_EVENT_IDX;
		fresh(&style);			/* and now by a flag */
	}
}

/* -------------------------------------------------------------- room */

/* spend() - Reserve @n slots of unknown length and fill them, @len bytes each,
 * numbered from @first */
static int spend(unsigned first, int n, size_t len)
{
	struct tap_slot s[TAP_BATCH];
	int i;

	n = tap_reserve(s, n, HDR_ROOM, TAP_DATA_MAX);
	for (i = 0; i < n; i++)
		contract_fill(&s[i], (uint8_t)(first + (unsigned)i), len);
	return tap_commit(s, n, n, true);
}

static const struct front_style small_guest = {
	.features = BASIC | OFFLOADS | VHOST_F_MRG_RXBUF,
	.num = { 16, 16 }, .rxbuf = 1536,
};

/* expect_next() - The next frame to come; buffers are given @n at a time */
static void expect_next(uint8_t number, size_t len, unsigned n)
{
	size_t got = 0;
	unsigned tries;

	for (tries = 0; !got && tries < 64; tries++) {
		got = front_pop(&front, contract_buf, sizeof(contract_buf));
		if (got)
			break;
		front_fill(&front, n);
		loop();
	}
	EXPECT(contract_same(contract_buf, got, number, len));
}

static void rooms(void)
{
	struct tap_slot s[TAP_BATCH];
	unsigned i, n;

	group("frames that find no room wait, and go in order");
	for (n = 1; n <= 16; n += 5) {
		fresh(&small_guest);
		EXPECT_EQ(spend(0, 64, 4000), 64);
		EXPECT(!tap_room());
		EXPECT_EQ(tap_reserve(s, 2, HDR_ROOM, 0), 0);
		EXPECT_EQ(tap_reserve(s, 1, HDR_ROOM, 1500), 0);
		for (i = 0; i < 32; i++)	/* answers, behind them */
			(void)one((uint8_t)(64 + i), true);
		EXPECT_EQ(tap_reserve(s, 1, HDR_ROOM, 60), 0);
		for (i = 0; i < 64; i++)
			expect_next((uint8_t)i, 4000, n);
		for (i = 0; i < 32; i++)
			expect_next((uint8_t)(64 + i), 60, n);
		front_fill(&front, 1);
		loop();
		EXPECT(tap_room());
		EXPECT_EQ(front_pop(&front, contract_buf, 100), 0);
	}

	group("an empty ring: no room until there is a kick");
	fresh(&small_guest);
	EXPECT_EQ(tap_reserve(s, 64, 54, 1400), 16);
	EXPECT_EQ(tap_commit(s, 16, 0, false), 0);
	EXPECT_EQ(tap_reserve(s, 64, 54, 1400), 16);
	for (i = 0; i < 16; i++)
		contract_fill(&s[i], (uint8_t)i, 1400);
	EXPECT_EQ(tap_commit(s, 16, 16, false), 16);
	EXPECT(tap_room());
	EXPECT_EQ(tap_reserve(s, 64, 54, 1400), 0);
	EXPECT(!tap_room());
	loop();
	EXPECT(!tap_room());
	for (i = 0; i < 16; i++)
		expect_next((uint8_t)i, 1400, 0);
	front.ring[0].kicks = 0;
	front_fill(&front, 3);
	EXPECT(front.ring[0].kicks > 0);
	EXPECT(!tap_room());
	loop();
	EXPECT(tap_room());
	EXPECT_EQ(tap_reserve(s, 64, 54, 1400), 3);
	EXPECT_EQ(tap_commit(s, 3, 0, false), 0);
	/* The last of them may have less */
	EXPECT_EQ(tap_reserve(s, 64, 54, 1500), 2);
	EXPECT(s[0].room == 1500 && s[1].room == 1536 - 54 - 12);
	EXPECT_EQ(tap_commit(s, 2, 0, false), 0);

	group("a single frame that must be whole waits for the rest of its room");
	fresh(&small_guest);
	EXPECT_EQ(tap_reserve(s, 64, 54, 1400), 16);
	for (i = 0; i < 15; i++)
		contract_fill(&s[i], (uint8_t)i, 1400);
	EXPECT_EQ(tap_commit(s, 16, 15, false), 15);
	EXPECT_EQ(tap_reserve(s, 1, 54, 3000), 1);
	EXPECT_EQ(s[0].room, 3000);
	contract_fill(&s[0], 15, 3000);
	EXPECT_EQ(tap_commit(s, 1, 1, true), 1);
	EXPECT(!tap_room());
	for (i = 0; i < 16; i++)
		expect_next((uint8_t)i, i < 15 ? 1400 : 3000, 1);

	group("what can never fit, or waits too long, is lost");
	fresh(&small_guest);
	EXPECT_EQ(spend(0, 2, 60000), 2);	/* 16 x 1536 is less */
	loop();
	EXPECT(!tap_room());
	clock_set(1000000 + SEC + 2);
	loop();
	EXPECT(tap_room());
	(void)one(7, false);
	expect_next(7, 60, 0);
}

/* -------------------------------------------------------------- in the ring */

static void moves(void)
{
	static const size_t len[] = { 4000, 1, 1500, 3999, 0, 1470, 1471, 4000 };
	const struct contract_guest g = { .pop = pop };
	struct tap_slot s[8];
	unsigned round, i;

	group("short slots: what follows is moved, nothing is left out");
	fresh(&linux_guest);
	for (round = 0; round < 40; round++) {
		int n = tap_reserve(s, 8, ETH_HLEN_ + round % 3, 4000);

		EXPECT_EQ(n, 8);
		for (i = 0; i < 8; i++)
			contract_fill(&s[i], (uint8_t)(round + i),
				      len[(round + i) % 8]);
		EXPECT_EQ(tap_commit(s, n, 8, false), 8);
		for (i = 0; i < 8; i++)
			contract_expect(&g, (uint8_t)(round + i),
					len[(round + i) % 8]);
	}

	group("a frame is written where it shall lie");
	fresh(&linux_guest);
	EXPECT_EQ(tap_reserve(s, 1, ETH_HLEN_, 4000), 1);
	EXPECT_EQ(s[0].ndata, 3);
	contract_fill(&s[0], 9, 4000);
	EXPECT_EQ(tap_commit(s, 1, 1, false), 1);
	contract_expect(&g, 9, 4000);
	EXPECT_EQ(tap_reserve(s, 4, ETH_HLEN_, TAP_DATA_MAX), 4);
	EXPECT_EQ(s[0].ndata, 1);		/* not so: in our own memory */
	EXPECT_EQ(tap_commit(s, 4, 0, false), 0);

	group("slots that are joined are one frame");
	EXPECT_EQ(tap_reserve(s, 3, HDR_ROOM, TAP_DATA_MAX), 3);
	for (i = 0; i < 3; i++) {
		memset(s[i].data->iov_base, (int)(1 + i), 1400);
		s[i].len = 1400;
		s[i].hdrlen = i ? 0 : contract_hdr(s[0].hdr, 1);
		s[i].join = i;
	}
	EXPECT_EQ(tap_commit(s, 3, 3, true), 3);
	EXPECT_EQ(pop(contract_buf, sizeof(contract_buf)), ETH_HLEN_ + 4200);
	EXPECT(contract_buf[ETH_HLEN_] == 1 &&
	       contract_buf[ETH_HLEN_ + 1400] == 2 &&
	       contract_buf[ETH_HLEN_ + 4199] == 3);
}

/* -------------------------------------------------------------- changes */

/* flows() - A frame each way */
static void flows(void)
{
	const struct contract_guest g = { .pop = pop };
	struct tap_frame f;

	(void)one(1, false);
	contract_expect(&g, 1, 60);
	memset(contract_buf, 3, 100);
	EXPECT(push(contract_buf, 100));
	loop();
	EXPECT_EQ(tap_recv(&f, 1), 1);
	EXPECT_EQ(f.len, 100);
	tap_done(1);
	EXPECT_EQ(front_reap(&front), 1);
}

/* base() - Stop ring @i; where it stands */
static uint16_t base(unsigned i)
{
	uint32_t answer[2] = { 77, 77 };

	EXPECT(front_state(&front, GET_VRING_BASE, i, 0));
	loop();
	EXPECT_EQ(front_answer(&front, GET_VRING_BASE, answer,
			       sizeof(answer)), 8);
	EXPECT_EQ(answer[0], i);
	return (uint16_t)answer[1];
}

static void changes(void)
{
	struct tap_frame f[4];
	struct tap_slot s[4];
	int back;

	group("memory is mapped anew while rings run");
	fresh(&linux_guest);
	flows();
	EXPECT_EQ(tap_reserve(s, 4, HDR_ROOM, 9000), 4);	/* fetched */
	EXPECT_EQ(tap_commit(s, 4, 0, false), 0);
	EXPECT(front_mem_table(&front, true));
	loop();
	flows();

	group("rings that stop, and go on where they were");
	EXPECT_EQ(tap_reserve(s, 4, HDR_ROOM, 9000), 4);
	EXPECT_EQ(tap_commit(s, 4, 0, false), 0);
	EXPECT(push(contract_buf, 90) && push(contract_buf, 91));
	EXPECT_EQ(base(0), 2);			/* used, not fetched */
	EXPECT_EQ(base(1), 2);
	EXPECT(!tap_room() && !tap_served() && !tap_lost());
	EXPECT_EQ(tap_recv(f, 4), 0);
	EXPECT_EQ(tap_reserve(s, 1, HDR_ROOM, 0), 0);
	EXPECT(front_tell(&front, 0, 2) && front_tell(&front, 1, 2));
	loop();
	EXPECT_EQ(starts, 2);			/* it is told of us again */
	EXPECT(tap_backlog());
	EXPECT_EQ(tap_recv(f, 4), 2);
	EXPECT(f[0].len == 90 && f[1].len == 91);
	tap_done(2);
	EXPECT_EQ(front_reap(&front), 2);
	flows();

	group("a guest that starts anew, with other features");
	(void)base(0);
	(void)base(1);
	front.style = sorts[1].style;
	front_rings(&front);
	front_fill(&front, UINT32_MAX);
	EXPECT(front_u64(&front, SET_FEATURES, front.style.features) &&
	       front_mem_table(&front, false) && front_tell(&front, 0, 0) &&
	       front_tell(&front, 1, 0));
	loop();
	flows();

	group("disabled rings carry nothing, and what is sent is dropped");
	fresh(&linux_guest);
	EXPECT(front_state(&front, SET_VRING_ENABLE, 0, 0) &&
	       front_state(&front, SET_VRING_ENABLE, 1, 0));
	loop();
	EXPECT(!tap_room());
	EXPECT_EQ(tap_reserve(s, 1, HDR_ROOM, 0), 0);
	EXPECT(push(contract_buf, 90));
	loop();
	EXPECT_EQ(tap_recv(f, 4), 0);
	EXPECT_EQ(front_reap(&front), 1);
	EXPECT(front_state(&front, SET_VRING_ENABLE, 0, 1) &&
	       front_state(&front, SET_VRING_ENABLE, 1, 1));
	loop();
	flows();

	group("a front-end that goes, and the next one");
	EXPECT(tap_vhost_serving());
	EXPECT_EQ(spend(0, 64, 60000), 64);	/* many wait */
	close(front.fd);
	front.fd = -1;
	EXPECT(!tap_vhost_serving());
	loop();
	EXPECT(tap_lost() && !tap_room() && !tap_served() && !tap_backlog());
	tap_vhost_detach();
	EXPECT(!tap_lost());
	front_close(&front);
	front_open(&front, &back);
	EXPECT_EQ(tap_vhost_attach(back), 0);
	EXPECT(front_start(&front, &sorts[3].style));
	loop();
	EXPECT_EQ(front_pop(&front, contract_buf, sizeof(contract_buf)), 0);
	flows();

	group("memory that shrinks below us");
	fresh(&linux_guest);
	flows();
	EXPECT(push(contract_buf, 90));
	loop();
	EXPECT_EQ(ftruncate(front.memfd, 0), 0);
	(void)tap_recv(f, 4);
	EXPECT(tap_lost());
	EXPECT_EQ(tap_reserve(s, 1, HDR_ROOM, 0), 0);
	tap_vhost_detach();
	EXPECT(!tap_lost());
	fresh(&linux_guest);
	flows();
}

int main(void)
{
	log_set_level(LOG_LVL_ERR);
	front.fd = front.memfd = -1;
	front.ring[0].kick = front.ring[0].call = -1;
	front.ring[1].kick = front.ring[1].call = -1;
	contract();
	offloads();
	lies();
	wakes();
	rooms();
	moves();
	changes();
	front_close(&front);
	return done();
}
