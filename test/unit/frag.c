// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reassembly: every way to cut, mix up, repeat, bend and forge fragments.
 *
 * A datagram is built whole, cut by this file's own code, delivered, and what
 * comes out must be the whole one again, byte for byte. For random deliveries
 * there is a naive twin that keeps a list of the pieces.
 */
#include "frag.h"

#include <arpa/inet.h>
#include <stdint.h>

#include "check.h"
#include "csum.h"
#include "hdr.h"
#include "timer.h"
#include "util.h"
#include "wire.h"

#define T0	(1000 * SEC)

static struct {
	uint8_t	whole[70000];		/* the datagram as it should come out */
	size_t	hlen, len;		/* Ethernet + unfragmentable; data */
	bool	v6;
	uint16_t id;
	uint64_t rnd;
} t;

static uint32_t rnd(uint32_t n)
{
	t.rnd = t.rnd * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(t.rnd >> 33) % n;
}

static void be16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void ip4_sum(uint8_t *ip, size_t hlen)
{
	uint16_t sum;

	be16(ip + 10, 0);
	sum = csum_fold(csum_partial(ip, hlen, 0));
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* build() - A datagram of @len bytes of data behind IP; @ext: with options or
 * extension headers */
static void build(bool v6, bool ext, size_t len)
{
	uint8_t *ip = t.whole + ETH_HLEN_;
	size_t i;

	memset(t.whole, 0, sizeof(t.whole));
	memset(t.whole, 0x9a, 12);
	be16(t.whole + 12, v6 ? ETHTYPE_IP6 : ETHTYPE_IP4);
	t.v6 = v6;
	t.len = len;
	t.id++;

	if (v6) {
		t.hlen = ETH_HLEN_ + IP6_HLEN + (ext ? 24 : 0);
		ip[0] = 0x60;
		ip[6] = ext ? IPPROTO_HOPOPTS : IPPROTO_UDP;
		ip[7] = 64;
		be16(ip + 4, len + (ext ? 24 : 0));
		ip[8] = 0x20; ip[9] = 1; ip[23] = 1;
		ip[24] = 0x20; ip[25] = 1; ip[39] = 2;
		if (ext) {
			ip[40] = IPPROTO_DSTOPTS;
			ip[41] = 1;		/* 16 bytes */
			ip[42] = 1; ip[43] = 12;
			ip[56] = IPPROTO_UDP;
			ip[58] = 1; ip[59] = 4;
		}
	} else {
		t.hlen = ETH_HLEN_ + IP4_HLEN + (ext ? 8 : 0);
		ip[0] = ext ? 0x47 : 0x45;
		be16(ip + 2, t.hlen - ETH_HLEN_ + len);
		be16(ip + 4, t.id);
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		ip[12] = 192; ip[14] = 2; ip[15] = 1;
		ip[16] = 192; ip[18] = 2; ip[19] = 2;
		if (ext)
			memset(ip + 20, 1, 8);
		ip4_sum(ip, t.hlen - ETH_HLEN_);
	}
	for (i = 0; i < len; i++)
		t.whole[t.hlen + i] = (uint8_t)rnd(256);
}

/* set_id() - For IPv6, cut() writes it */
static void set_id(uint16_t id)
{
	t.id = id;
	if (!t.v6) {
		be16(t.whole + ETH_HLEN_ + 4, id);
		ip4_sum(t.whole + ETH_HLEN_, t.hlen - ETH_HLEN_);
	}
}

/* cut() - Write the fragment of @n bytes at @off; returns its frame length */
static size_t cut(uint8_t *f, size_t off, size_t n, bool more)
{
	uint8_t *ip = f + ETH_HLEN_, *p = f + t.hlen;

	memcpy(f, t.whole, t.hlen);
	if (t.v6) {
		uint8_t *next = ip + 6;

		if (*next == IPPROTO_HOPOPTS)
			next = ip + 56;
		be16(ip + 4, t.hlen - ETH_HLEN_ - IP6_HLEN + 8 + n);
		memset(p, 0, 8);
		p[0] = *next;
		*next = IPPROTO_FRAGMENT;
		be16(p + 2, off | more);
		be16(p + 6, t.id);
		p += 8;
	} else {
		be16(ip + 2, t.hlen - ETH_HLEN_ + n);
		be16(ip + 6, off / 8 | (more ? 0x2000 : 0));
		ip4_sum(ip, t.hlen - ETH_HLEN_);
	}
	if (off + n <= t.len)
		memcpy(p, t.whole + t.hlen + off, n);
	else
		memset(p, 0x55, n);
	return (size_t)(p - f) + n;
}

/* feed() - Give a frame, scattered over three elements */
static size_t feed(uint8_t *f, size_t len, struct iovec *out)
{
	size_t a = rnd((uint32_t)len + 1), b = a + rnd((uint32_t)(len - a) + 1);
	struct iovec iov[] = { { f, a }, { f + a, b - a }, { f + b, len - b } };

	return frag_input(iov, len, out);
}

static uint8_t frame[140000];
static struct iovec out;

static size_t give(size_t off, size_t n, bool more)
{
	return feed(frame, cut(frame, off, n, more), &out);
}

/* came_out() - Did the whole datagram come out with the call that gave @n? */
static bool came_out(size_t n)
{
	return EXPECT_EQ(n, t.hlen + t.len) && EXPECT_EQ(n, out.iov_len) &&
	       EXPECT_MEM(out.iov_base, t.whole, n);
}

static void start(void)
{
	static struct guest g;

	g = wire_facts();
	wire_start(&g);
	clock_set(T0);
	timer_reset();
	frag_init();
}

/* later() - What the loop does after @us */
static void later(uint64_t us)
{
	struct timer *tm;

	clock_set(clock_now() + us);
	while ((tm = timer_pop())) {
		EXPECT_EQ(tm->kind, TM_FRAG);
		frag_timer(tm);
	}
}

static void test_simple(bool v6, bool ext)
{
	size_t n, off;

	start();
	build(v6, ext, 4000);
	EXPECT_EQ(0, give(0, 1480, true));
	EXPECT_EQ(1, frag_pending());
	EXPECT_EQ(0, give(1480, 1480, true));
	came_out(give(2960, 1040, false));
	EXPECT_EQ(0, frag_pending());

	/* The same key is free again; reversed */
	EXPECT_EQ(0, give(2960, 1040, false));
	EXPECT_EQ(0, give(1480, 1480, true));
	came_out(give(0, 1480, true));

	/* A duplicate of each, same bounds and bytes, does no harm */
	for (off = 0; off < 2960; off += 1480) {
		EXPECT_EQ(0, give(off, 1480, true));
		EXPECT_EQ(0, give(off, 1480, true));
	}
	came_out(give(2960, 1040, false));
	EXPECT_EQ(0, give(2960, 1040, false));
	EXPECT_EQ(0, give(2960, 1040, false));
	EXPECT_EQ(1, frag_pending());

	/* Tiny ones, odd end, alternating from both sides */
	start();
	build(v6, ext, 8 * 200 + 3);
	for (off = 0; off < 100 * 8; off += 8) {
		EXPECT_EQ(0, give(off, 8, true));
		n = 199 * 8 - off;
		EXPECT_EQ(0, give(n, 8, true));
	}
	came_out(give(200 * 8, 3, false));

	/* The first one with eight bytes only, last of one byte */
	build(v6, ext, 9);
	EXPECT_EQ(0, give(8, 1, false));
	came_out(give(0, 8, true));

	/* Padding behind the IP length (short frames) is no data */
	EXPECT_EQ(0, give(0, 8, true));
	n = cut(frame, 8, 1, false);
	memset(frame + n, 0xee, 40);
	came_out(feed(frame, n + 40, &out));
	EXPECT_EQ(0, frag_pending());
}

/* Two datagrams at once differ by exactly one part of the key */
static void test_key(bool v6)
{
	static uint8_t other[2000];
	const size_t part4[] = { 4, 5, 9, 12, 15, 16, 19 };
	const size_t part6[] = { 8, 23, 24, 39, 44, 47 };
	size_t i, n = v6 ? ARRAY_LEN(part6) : ARRAY_LEN(part4), len;

	for (i = 0; i < n; i++) {
		start();
		build(v6, false, 1600);
		EXPECT_EQ(0, give(0, 800, true));
		len = cut(other, 800, 800, false);
		other[ETH_HLEN_ + (v6 ? part6[i] : part4[i])] ^= 1;
		EXPECT_EQ(0, feed(other, len, &out));
		EXPECT_EQ(2, frag_pending());
		came_out(give(800, 800, false));
		EXPECT_EQ(1, frag_pending());
	}
}

static void dead_after(size_t off, size_t n, bool more)
{
	EXPECT_EQ(0, give(off, n, more));
	EXPECT_EQ(0, frag_pending());

	/* All of it comes again, in vain until its time is over */
	clock_set(T0 + 29 * SEC);
	EXPECT_EQ(0, give(0, 800, true));
	EXPECT_EQ(0, give(800, 800, true));
	EXPECT_EQ(0, give(1600, 800, false));
	EXPECT_EQ(0, frag_pending());
	clock_set(T0 + 31 * SEC);
	EXPECT_EQ(0, give(0, 800, true));
	EXPECT_EQ(0, give(800, 800, true));
	came_out(give(1600, 800, false));
}

static void test_overlap(bool v6)
{
	static const struct { size_t off, n; bool more; } bad[] = {
		{ 800, 808, true },	/* one block into the next */
		{ 792, 808, true },	/* one block into the one before */
		{ 0, 808, true },	/* longer duplicate */
		{ 0, 792, true },	/* shorter duplicate */
		{ 8, 792, true },	/* inside */
		{ 0, 2400, true },	/* all over */
		{ 1600, 800, true },	/* duplicate, but not the end */
		{ 1600, 808, false },	/* two ends */
		{ 1600, 792, false },
		{ 800, 800, false },	/* ends before what is here */
		{ 2400, 8, true },	/* behind the end */
		{ 2400, 8, false },
		{ 65528, 8, false },	/* 65536 */
		{ 65528, 65480, true },
	};
	size_t i, len;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		start();
		build(v6, false, 2400);
		EXPECT_EQ(0, give(0, 800, true));
		EXPECT_EQ(0, give(1600, 800, false));
		EXPECT_EQ(1, frag_pending());
		dead_after(bad[i].off, bad[i].n, bad[i].more);
	}

	/* While the end is not known: an end before what is here, and pieces
	 * behind the end of all datagrams */
	for (i = 0; i < 5; i++) {
		start();
		build(v6, false, 2400);
		EXPECT_EQ(0, give(0, 800, true));
		EXPECT_EQ(0, give(1600, 800, true));
		EXPECT_EQ(1, frag_pending());
		if (i < 2)
			EXPECT_EQ(0, give(800 + 8 * i, 400, false));
		else if (i < 4)
			EXPECT_EQ(0, give(65528, 8, i == 2));
		else
			EXPECT_EQ(0, give(65528, 65480, true));
		EXPECT_EQ(0, frag_pending());
	}

	/* Same bounds, one byte differs, at any place */
	for (i = 0; i < 800; i += 133) {
		start();
		build(v6, false, 2400);
		EXPECT_EQ(0, give(0, 800, true));
		len = cut(frame, 0, 800, true);
		frame[len - 800 + i] ^= 0x20;
		EXPECT_EQ(0, feed(frame, len, &out));
		EXPECT_EQ(0, frag_pending());
		dead_after(800, 800, true);
	}
}

/* The largest that fits, and one byte more */
static void test_oversize(bool v6, bool ext)
{
	size_t max, off, over;

	for (over = 0; over < 2; over++) {
		start();
		build(v6, ext, 60000);
		max = 65535 - (t.hlen - ETH_HLEN_ - (v6 ? IP6_HLEN : 0)) + over;
		build(v6, ext, max);
		for (off = 0; off + 32000 < max; off += 32000)
			EXPECT_EQ(0, give(off, 32000, true));
		EXPECT_EQ(1, frag_pending());
		if (over)
			EXPECT_EQ(0, give(off, max - off, false));
		else
			came_out(give(off, max - off, false));
		EXPECT_EQ(0, frag_pending());
	}
}

/* A frame cut anywhere, or with any one length lying, leaves nothing behind */
static void test_truncated(bool v6, bool ext)
{
	size_t len, n;

	start();
	build(v6, ext, 400);
	len = cut(frame, 0, 200, true);
	for (n = 0; n < len; n++)
		EXPECT_EQ(0, feed(frame, n, &out));
	EXPECT_EQ(0, frag_pending());

	/* Not a multiple of eight although more follow; no data at all */
	EXPECT_EQ(0, give(0, 203, true));
	EXPECT_EQ(0, give(0, 0, true));
	EXPECT_EQ(0, give(200, 0, false));
	EXPECT_EQ(0, frag_pending());

	/* IP says more than is there; less than its own header */
	len = cut(frame, 0, 200, true);
	be16(frame + ETH_HLEN_ + (v6 ? 4 : 2), 5000);
	EXPECT_EQ(0, feed(frame, len, &out));
	be16(frame + ETH_HLEN_ + (v6 ? 4 : 2), 7);
	EXPECT_EQ(0, feed(frame, len, &out));

	/* Wrong version, short header length, foreign ethertype */
	len = cut(frame, 0, 200, true);
	frame[ETH_HLEN_] ^= 0x20;
	EXPECT_EQ(0, feed(frame, len, &out));
	if (!v6) {
		len = cut(frame, 0, 200, true);
		frame[ETH_HLEN_] = 0x44;
		EXPECT_EQ(0, feed(frame, len, &out));
	}
	len = cut(frame, 0, 200, true);
	frame[12] = 0x86;
	frame[13] = 0xdd;
	if (!v6)
		EXPECT_EQ(0, feed(frame, len, &out));
	be16(frame + 12, ETHTYPE_ARP);
	EXPECT_EQ(0, feed(frame, len, &out));

	/* An extension header longer than the frame, than our room; a chain
	 * that never comes to the fragment */
	if (ext && v6) {
		len = cut(frame, 0, 200, true);
		frame[ETH_HLEN_ + 41] = 255;
		EXPECT_EQ(0, feed(frame, len, &out));
		build(true, true, 4000);
		len = cut(frame, 0, 3000, true);
		frame[ETH_HLEN_ + 41] = 255;
		EXPECT_EQ(0, feed(frame, len, &out));
		len = cut(frame, 0, 3000, true);
		memset(frame + ETH_HLEN_ + 40, 0, 3000);
		EXPECT_EQ(0, feed(frame, len, &out));
	}
	EXPECT_EQ(0, frag_pending());

	/* An IPv4 datagram in one piece is not ours */
	if (!v6) {
		build(false, ext, 400);
		EXPECT_EQ(0, feed(t.whole, t.hlen + t.len, &out));
	}
}

/* RFC 6946: what is whole goes through, past others of its key */
static void test_atomic(bool ext)
{
	start();
	build(true, ext, 800);
	EXPECT_EQ(0, give(0, 400, true));
	came_out(give(0, 800, false));
	EXPECT_EQ(1, frag_pending());
	came_out(give(400, 400, false));
	EXPECT_EQ(0, frag_pending());
}

static void test_bounds(bool v6)
{
	uint16_t first;
	unsigned i;

	/* The 17th takes the place of the oldest, and of that only */
	start();
	build(v6, false, 1600);
	first = t.id;
	for (i = 0; i < 17; i++) {
		clock_set(T0 + i);
		set_id((uint16_t)(first + i));
		EXPECT_EQ(0, give(0, 800, true));
		EXPECT_EQ(i < 16 ? i + 1 : 16, frag_pending());
	}
	for (i = 16; i; i--) {
		set_id((uint16_t)(first + i));
		came_out(give(800, 800, false));
	}
	EXPECT_EQ(0, frag_pending());
	set_id(first);
	EXPECT_EQ(0, give(800, 800, false));

	/* Thirty seconds, counted from the first piece */
	start();
	build(v6, false, 1600);
	EXPECT_EQ(0, give(0, 400, true));
	clock_set(T0 + 29 * SEC);
	EXPECT_EQ(0, give(400, 400, true));
	EXPECT_EQ(1, frag_pending());
	clock_set(T0 + 30 * SEC);
	EXPECT_EQ(0, give(800, 800, false));
	EXPECT_EQ(1, frag_pending());
	clock_set(T0 + 60 * SEC);
	EXPECT_EQ(0, frag_pending());

	/* frag_init() empties */
	start();
	EXPECT_EQ(0, give(0, 400, true));
	EXPECT_EQ(1, frag_pending());
	frag_init();
	EXPECT_EQ(0, frag_pending());
}

/* The naive twin: a list of pieces */
static struct {
	struct { size_t off, n; bool more; } p[600];
	unsigned n;
	bool dead;
} twin;

/* twin_give() - 1: complete, 0: not; the data is always the right one */
static int twin_give(size_t off, size_t n, bool more)
{
	size_t got = 0, end = 0;
	unsigned i;

	if (twin.dead)
		return 0;
	for (i = 0; i < twin.n; i++) {
		size_t o = twin.p[i].off, m = twin.p[i].n;

		if (o == off && m == n && twin.p[i].more == more)
			return 0;
		/* The last block is taken even if not full */
		if (off < o + (m + 7) / 8 * 8 && o < off + (n + 7) / 8 * 8)
			twin.dead = true;
		if (!twin.p[i].more && (!more || off + n > o + m))
			twin.dead = true;
		if (!more && o + m > off + n)
			twin.dead = true;
	}
	if (off + n > 65535)
		twin.dead = true;
	if (twin.dead)
		return 0;

	twin.p[twin.n].off = off;
	twin.p[twin.n].n = n;
	twin.p[twin.n++].more = more;
	for (i = 0; i < twin.n; i++) {
		got += twin.p[i].n;
		if (!twin.p[i].more)
			end = twin.p[i].off + twin.p[i].n;
	}
	return end && got == end;
}

static unsigned test_random(void)
{
	struct { size_t off, n; } list[300], swap;
	unsigned n = 0, i, j, whole = 0;
	size_t off, len = 1 + rnd(rnd(8) ? 6000 : 65000);
	bool bend = !rnd(3), seen = false;

	build(rnd(2), rnd(2), len);
	memset(&twin, 0, sizeof(twin));

	for (off = 0; off < len; off += list[n++].n) {
		size_t most = n == 298 ? len : 8 * (1 + rnd(1 + rnd(400)));

		list[n].off = off;
		list[n].n = MIN(most, len - off);
	}
	if (n < 2)
		return 0;

	for (i = n - 1; i; i--) {
		j = rnd(i + 1);
		swap = list[i];
		list[i] = list[j];
		list[j] = swap;
	}

	for (i = 0; i < n;) {
		size_t o = list[i].off, m = list[i].n, r;
		bool more = o + m < len;
		int want;

		if (!bend || rnd(n)) {
			i++;
		} else {	/* a forged one first, once or so */
			if (rnd(2))
				o = rnd((uint32_t)len) / 8 * 8;
			m = 8 * (1 + rnd(100));
			more = rnd(8);
			if (!o && !more)
				more = true;
		}
		if (o + m > len)
			continue;
		want = twin_give(o, m, more);
		r = give(o, m, more);
		if (want && more == (o + m < len) && !twin.dead)
			whole += r == t.hlen + t.len;
		EXPECT_EQ(want, r > 0);
		if (want) {
			/* A forged end may make a shorter one, whole as well */
			EXPECT_MEM((uint8_t *)out.iov_base + t.hlen,
				   t.whole + t.hlen, r - t.hlen);
			seen = true;
			break;
		}
		if (!rnd(4)) {			/* any earlier one once more */
			j = rnd(i ? i : 1);
			o = list[j].off;
			m = list[j].n;
			want = twin_give(o, m, o + m < len);
			EXPECT_EQ(want, give(o, m, o + m < len) > 0);
			if (want)
				break;
		}
	}
	if (!bend)
		EXPECT(seen);
	return whole;
}

/* told() - The guest hears that reassembly took too long; @n bytes of data are
 * quoted of the first fragment, which @frame holds */
static void told(size_t n)
{
	size_t hlen = t.hlen - ETH_HLEN_ + (t.v6 ? 8 : 0);
	struct wire_frame f;

	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT_EQ(f.proto, t.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	EXPECT_EQ(wire_be(f.l4, 2), t.v6 ? 0x0301 : 0x0b01);
	EXPECT_EQ(wire_be(f.l4 + 4, 4), 0);
	EXPECT_MEM(f.ip + (t.v6 ? 24 : 16),
		   t.whole + ETH_HLEN_ + (t.v6 ? 8 : 12), t.v6 ? 16 : 4);
	EXPECT_EQ(f.datalen, MIN(hlen + n, t.v6 ? 1232 : 548));
	EXPECT_MEM(f.data, frame + ETH_HLEN_, f.datalen);
	EXPECT(wire_silent());
}

static void test_told(bool v6, bool ext)
{
	unsigned i, n;

	start();
	build(v6, ext, 3000);
	EXPECT_EQ(0, give(0, 400, true));
	later(29 * SEC);
	EXPECT(wire_silent());
	later(SEC);
	told(400);
	EXPECT_EQ(timer_count(), 0);

	/* That one and no other, up to the limits */
	start();
	EXPECT_EQ(0, give(800, 400, true));
	EXPECT_EQ(0, give(0, 408, true));
	later(30 * SEC);
	told(408);
	EXPECT_EQ(0, give(400, 400, true));
	EXPECT_EQ(0, give(0, 400, true));
	later(30 * SEC);
	told(400);
	EXPECT_EQ(0, give(0, 2000, true));
	later(31 * SEC);
	told(2000);

	/* Also when other fragments come first */
	EXPECT_EQ(0, give(0, 400, true));
	clock_set(clock_now() + 30 * SEC);
	set_id((uint16_t)(t.id + 1));
	EXPECT_EQ(0, give(800, 400, true));
	set_id((uint16_t)(t.id - 1));
	cut(frame, 0, 400, true);
	told(400);

	/* One after the other */
	start();
	EXPECT_EQ(0, give(0, 8, true));
	later(10 * SEC);
	set_id((uint16_t)(t.id + 1));
	EXPECT_EQ(0, give(0, 16, true));
	later(20 * SEC);
	set_id((uint16_t)(t.id - 1));
	cut(frame, 0, 8, true);
	told(8);
	later(10 * SEC);
	set_id((uint16_t)(t.id + 1));
	cut(frame, 0, 16, true);
	told(16);

	/* Nothing to quote, contradictory, complete */
	start();
	EXPECT_EQ(0, give(400, 400, true));
	later(30 * SEC);
	EXPECT_EQ(0, give(0, 400, true));
	EXPECT_EQ(0, give(200, 400, true));
	later(30 * SEC);
	EXPECT_EQ(0, give(0, 2000, true));
	came_out(give(2000, 1000, false));
	EXPECT_EQ(timer_count(), 0);
	later(30 * SEC);
	EXPECT(wire_silent());

	/* Not more than there are places */
	for (i = 0; i < 1000; i++) {
		later(SEC / 100);
		set_id((uint16_t)i);
		EXPECT_EQ(0, give(0, 400, true));
	}
	later(60 * SEC);
	for (n = 0; fake_pop(frame, sizeof(frame), NULL); n++)
		;
	EXPECT_EQ(n, 16);
}

/* Groups, and what may be an error, are not answered */
static void test_untold(bool v6)
{
	static const uint8_t proto[2] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
	uint8_t *ip = t.whole + ETH_HLEN_, *dst = ip + (v6 ? 24 : 16);
	unsigned i;

	start();
	for (i = 0; i < 4; i++) {
		build(v6, false, 3000);
		if (i == 0)
			*dst = v6 ? 0xff : 224;
		if (i == 1)				/* nobody's source */
			memset(ip + (v6 ? 8 : 12), 0, v6 ? 16 : 4);
		if (i >= 2) {
			ip[v6 ? 6 : 9] = proto[v6];
			t.whole[t.hlen] = i == 2 ? 3 : v6 ? 128 : 8;
		}
		EXPECT_EQ(0, give(0, 400, true));
		later(30 * SEC);
		if (i < 3)
			EXPECT(wire_silent());
		else
			told(400);			/* an echo request */
	}
}

int main(void)
{
	unsigned i, whole = 0;
	int v6, ext;

	csum_init();
	t.rnd = 42;

	for (v6 = 0; v6 < 2; v6++) {
		for (ext = 0; ext < 2; ext++) {
			group(v6 ? "IPv6, in order, reversed, repeated, tiny" :
				   "IPv4, in order, reversed, repeated, tiny");
			test_simple(v6, ext);
			group("the largest, and larger");
			test_oversize(v6, ext);
			group("truncated and lying");
			test_truncated(v6, ext);
		}
		group("the key");
		test_key(v6);
		group("overlaps and other contradictions");
		test_overlap(v6);
		group("sixteen datagrams, thirty seconds");
		test_bounds(v6);
	}
	for (v6 = 0; v6 < 2; v6++) {
		group(v6 ? "IPv6: told when it takes too long" :
			   "IPv4: told when it takes too long");
		test_told(v6, false);
		test_told(v6, true);
		test_untold(v6);
	}
	group("atomic fragments");
	test_atomic(false);
	test_atomic(true);

	group("random order against the naive twin");
	start();
	for (i = 0; i < 3000; i++) {
		clock_set(T0 + i * 40 * SEC);
		whole += test_random();
	}
	EXPECT(whole > 1500);

	return done();
}
