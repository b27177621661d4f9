// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp_seg.c: sequence arithmetic near the wrap, hostile options,
 * cutting of segments against a naive twin that knows each byte's number
 */
#include "tcp_seg.h"

#include <string.h>

#include "check.h"

static void test_seq(void)
{
	static const uint32_t at[] = { 0, 1, 0x7fffffff, 0x80000000U,
				       0xffffffffU };
	unsigned i;

	group("sequence numbers");
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint32_t a = at[i];

		EXPECT(!seq_lt(a, a) && seq_le(a, a));
		EXPECT(seq_lt(a, a + 1) && !seq_lt(a + 1, a));
		EXPECT(seq_lt(a, a + 0x7fffffff) && !seq_le(a + 0x7fffffff, a));
		EXPECT_EQ(seq_max(a, a + 100), a + 100);
		EXPECT_EQ(seq_max(a + 100, a), a + 100);
	}
}

static struct seg_opts parse(const void *opt, uint8_t len)
{
	struct seg_opts o;
	struct pkt p;

	memset(&p, 0xee, sizeof(p));
	memcpy(p.tcp.opt, opt, len);
	p.tcp.optlen = len;
	seg_opts_parse(&p, &o);
	return o;
}

#define OPTS(...) parse((uint8_t[]){ __VA_ARGS__ }, \
			sizeof((uint8_t[]){ __VA_ARGS__ }))

static void test_opts(void)
{
	struct seg_opts o;
	uint8_t b[40];
	unsigned i;

	group("options");
	o = parse("", 0);
	EXPECT(o.mss == 536 && !o.has_ws);
	o = OPTS(2, 4, 5, 0xb4, 1, 3, 3, 7);
	EXPECT(o.mss == 1460 && o.has_ws && o.ws == 7);
	/* As Linux sends them */
	o = OPTS(2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3,
		 10);
	EXPECT(o.mss == 0xffd7 && o.has_ws && o.ws == 10);
	o = OPTS(3, 3, 15);
	EXPECT(o.has_ws && o.ws == 14);
	o = OPTS(3, 3, 255, 0);
	EXPECT(o.ws == 14);
	o = OPTS(0, 2, 4, 5, 0xb4);
	EXPECT_EQ(o.mss, 536);

	group("bad options");
	o = OPTS(2, 4, 0, 0);
	EXPECT_EQ(o.mss, 536);
	o = OPTS(2, 3, 5, 3, 3, 7);
	EXPECT(o.mss == 536 && o.has_ws);
	o = OPTS(2, 4, 5);
	EXPECT_EQ(o.mss, 536);
	o = OPTS(2);
	EXPECT_EQ(o.mss, 536);
	o = OPTS(9, 0, 2, 4, 5, 0xb4);
	EXPECT_EQ(o.mss, 536);
	o = OPTS(9, 1, 2, 4, 5, 0xb4);
	EXPECT_EQ(o.mss, 536);
	o = OPTS(9, 200, 2, 4, 5, 0xb4);
	EXPECT_EQ(o.mss, 536);
	for (i = 0; i < 256; i++) {
		memset(b, (int)i, sizeof(b));
		parse(b, sizeof(b));		/* ends, and inside */
	}

	group("there and back");
	for (i = 0; i <= 31; i++) {
		bool sack = i & 16;
		size_t n;

		i &= 15;
		n = seg_opts_put(b, (uint16_t)(1000 + i), (int)i - 1, sack);
		EXPECT_EQ(n, (i ? 8 : 4) + (sack ? 4 : 0));
		o = parse(b, (uint8_t)n);
		EXPECT_EQ(o.sack, sack);
		i |= sack ? 16 : 0;
		if (sack)
			continue;
		EXPECT_EQ(o.mss, 1000 + i);
		EXPECT_EQ(o.has_ws, i > 0);
		if (i)
			EXPECT_EQ(o.ws, i - 1);
	}
}

static unsigned sack_of(const uint8_t *opt, size_t n, struct seg_block *b,
			unsigned max)
{
	struct pkt p;

	memset(&p, 0, sizeof(p));
	memcpy(p.tcp.opt, opt, n);
	p.tcp.optlen = (uint8_t)n;
	return seg_sack_parse(&p, b, max);
}

static void test_sack(void)
{
	static const uint8_t two[] = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2,
				       5, 18, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 16,
				       1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t odd[] = { 5, 11, 0, 0, 0, 1, 0, 0, 0, 2, 9,
				       5, 10, 0, 0, 0, 1, 0, 0, 0, 2 };
	static const uint8_t cut[] = { 5, 18, 0, 0, 0, 1, 0, 0, 0, 2 };
	struct seg_block in[4] = { { 1, 2 }, { 0xfffffff0, 5 }, { 7, 7 },
				   { 0x01020304, 0x05060708 } }, out[5];
	uint8_t b[SEG_OPT_SACK];
	unsigned i;

	group("selective acknowledgements");
	EXPECT_EQ(sack_of(two, sizeof(two), out, 4), 2);
	EXPECT(out[0].start == 0xfffffff0 && out[0].end == 16);
	EXPECT(out[1].start == 0x01020304 && out[1].end == 0x05060708);
	EXPECT_EQ(sack_of(two, sizeof(two), out, 1), 1);
	EXPECT_EQ(sack_of(odd, sizeof(odd), out, 4), 1);
	EXPECT_EQ(sack_of(cut, sizeof(cut), out, 4), 0);
	for (i = 0; i <= 4; i++) {
		size_t n = seg_sack_put(b, in, i);

		EXPECT_EQ(n, i ? 4 + 8 * i : 0);
		EXPECT_EQ(sack_of(b, n, out, 5), i);
		EXPECT(!memcmp(in, out, i * sizeof(*in)));
	}
}

/* The twin: each of SYN, data, FIN has a number; what is at or after nxt stays,
 * if it starts right there */
static void trim(uint32_t base, int at, unsigned len, uint8_t flags)
{
	static uint8_t bytes[8] = { 10, 11, 12, 13, 14, 15, 16, 17 };
	struct iovec iov[2] = { { bytes, 3 }, { bytes + 3, 5 } };
	uint32_t nxt = base + (uint32_t)at;
	int first = !!(flags & TH_SYN), i;
	unsigned left = 0;
	bool any, gap = at < 0, fin;
	uint8_t b[8];
	struct pkt p;

	memset(&p, 0, sizeof(p));
	p.tcp.seq = base;
	p.tcp.flags = flags;
	cur_init(&p.data, iov, len);
	EXPECT_EQ(seg_len(&p), len + !!(flags & TH_SYN) + !!(flags & TH_FIN));

	for (i = 0; i < (int)len; i++)
		left += first + i >= at;
	fin = flags & TH_FIN && first + (int)len >= at;
	/* A SYN that is itself next does not occur in use */
	if (flags & TH_SYN && at == 0)
		return;
	any = !gap && (left || fin);
	EXPECT_EQ(seg_trim(&p, nxt), any);
	if (!any)
		return;
	EXPECT_EQ(p.tcp.seq, nxt);
	EXPECT_EQ(cur_left(&p.data), left);
	EXPECT_EQ(!!(p.tcp.flags & TH_FIN), fin);
	EXPECT(!(p.tcp.flags & TH_SYN));
	cur_pull(&p.data, b, left);
	EXPECT_MEM(b, bytes + len - left, left);
}

static void test_trim(void)
{
	static const uint32_t base[] = { 0, 1000, 0xfffffffcU, 0x7ffffffeU };
	unsigned i, len, flags;
	int at;

	group("cutting");
	for (i = 0; i < 4; i++)
		for (at = -3; at < 14; at++)
			for (len = 0; len <= 8; len++)
				for (flags = 0; flags < 4; flags++)
					trim(base[i], at, len,
					     (uint8_t)(flags | TH_ACK));
}

static void test_rst(void)
{
	struct iovec iov = { (void *)"abc", 3 };
	struct pkt p;
	uint32_t seq, ack;

	group("resets");
	memset(&p, 0, sizeof(p));
	p.tcp.seq = 0xfffffffeU;
	p.tcp.ack = 77;
	p.tcp.flags = TH_ACK | TH_FIN;
	cur_init(&p.data, &iov, 3);
	EXPECT_EQ(seg_rst_for(&p, &seq, &ack), TH_RST);
	EXPECT_EQ(seq, 77);
	p.tcp.flags = TH_SYN;
	cur_init(&p.data, &iov, 0);
	EXPECT_EQ(seg_rst_for(&p, &seq, &ack), TH_RST | TH_ACK);
	EXPECT(seq == 0 && ack == 0xffffffffU);
	p.tcp.flags = TH_SYN | TH_FIN;
	cur_init(&p.data, &iov, 3);
	EXPECT_EQ(seg_rst_for(&p, &seq, &ack), TH_RST | TH_ACK);
	EXPECT(seq == 0 && ack == 3);
}

int main(void)
{
	test_seq();
	test_opts();
	test_sack();
	test_trim();
	test_rst();
	return done();
}
