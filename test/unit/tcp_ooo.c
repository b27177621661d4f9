// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_ooo.c - segments in any order, overlapping, across the wrap of sequence
 * numbers, against a naive twin: a byte array with a map of what is there
 */
#include "tcp_ooo.h"

#include "check.h"
#include "util.h"

#define SPACE	20000U

static uint8_t text[SPACE];		/* what byte each number has */
static struct {
	bool	have[SPACE];
	uint32_t base, nxt;		/* sequence number of text[0] */
	int	fin;			/* end behind this byte, or -1 */
} twin;
static uint64_t seed = 5;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static bool put(struct ooo *o, uint32_t at, uint32_t len, bool fin)
{
	struct iovec iov[2] = { { text + at, len / 3 },
				{ text + at + len / 3, len - len / 3 } };
	struct cursor c;
	uint32_t i;
	bool all;

	cur_init(&c, iov, len);
	all = ooo_put(o, twin.base + at, &c, fin);
	for (i = at; all && i < at + len; i++)
		twin.have[i] = true;
	if (all && fin)
		twin.fin = (int)(at + len);
	return all;
}

/* Take what follows the next byte, and compare */
static void get(struct ooo *o)
{
	struct iovec iov[8];
	const struct hold *h;
	bool fin = false;

	while ((h = ooo_next(o, twin.base + twin.nxt, &fin))) {
		unsigned n = hold_iov(h, iov, ARRAY_LEN(iov)), i;
		uint32_t len = 0;

		for (i = 0; i < n; i++) {
			EXPECT(!memcmp(text + twin.nxt + len, iov[i].iov_base,
				       iov[i].iov_len));
			len += (uint32_t)iov[i].iov_len;
		}
		EXPECT(len == h->len);
		/* Now and then only a part of it */
		if (len > 1 && !rnd(3)) {
			len = 1 + rnd(len - 1);
			fin = false;
		}
		for (i = 0; i < len; i++)
			EXPECT(twin.have[twin.nxt + i]);
		twin.nxt += len;
		if (fin)
			EXPECT_EQ(twin.fin, (int)twin.nxt);
		ooo_taken(o, len);
	}
	EXPECT(twin.nxt == SPACE || !twin.have[twin.nxt]);
}

/* The blocks are just the runs of the twin's map */
static void compare(struct ooo *o)
{
	struct seg_block b[OOO_PER_FLOW + 1];
	unsigned n, i, runs = 0;
	uint32_t at, end;

	ooo_forget();				/* see twice() */
	n = ooo_blocks(o, b, ARRAY_LEN(b));
	for (at = twin.nxt; at < SPACE; at = end + 1) {
		for (end = at; end < SPACE && twin.have[end]; end++)
			;
		if (end == at)
			continue;
		runs++;
		for (i = 0; i < n; i++)
			if (b[i].start == twin.base + at &&
			    b[i].end == twin.base + end)
				break;
		EXPECT(i < n);
	}
	EXPECT_EQ(n, runs);
}

static void fresh(void)
{
	memset(&twin, 0, sizeof(twin));
	twin.fin = -1;
	twin.base = rnd(2) ? 0U - rnd(SPACE) : rnd(0xffffffff);
}

/* Told of once for sure, and again when there is room */
static void news(struct ooo *o)
{
	struct seg_block b[4];
	unsigned i, j, seen[8] = { 0 };

	group("what is news is told first, then the others in turn");
	fresh();
	for (i = 0; i < 8; i++)
		put(o, 100 * i + 100, 10, false);
	EXPECT_EQ(ooo_blocks(o, b, 4), 4);
	EXPECT_EQ(b[0].start, twin.base + 800);
	for (j = 0; j < 4; j++)
		seen[(b[j].start - twin.base) / 100 - 1]++;
	EXPECT(ooo_news(o));
	put(o, 50, 10, false);
	ooo_blocks(o, b, 4);
	EXPECT_EQ(b[0].start, twin.base + 50);
	for (j = 1; j < 4; j++)
		seen[(b[j].start - twin.base) / 100 - 1]++;
	EXPECT(ooo_news(o));
	ooo_blocks(o, b, 4);
	for (j = 1; j < 4; j++)
		seen[(b[j].start - twin.base) / 100 - 1]++;
	EXPECT(!ooo_news(o));
	for (i = 0; i < 8; i++)
		EXPECT(seen[i]);

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(ooo_blocks(o, b, 4), 4);
		EXPECT_EQ(b[0].start, twin.base + 50);
		for (j = 1; j < 4; j++)
			seen[(b[j].start - twin.base) / 100 - 1]++;
	}
	for (i = 0; i < 8; i++)
		EXPECT_EQ(seen[i], 3);

	put(o, 210, 10, false);
	EXPECT(ooo_news(o));
	EXPECT_EQ(ooo_blocks(o, b, 1), 1);
	EXPECT(b[0].start == twin.base + 200 && b[0].end == twin.base + 220);
	EXPECT(!ooo_news(o));
	ooo_free(o);
}

/* What came again is told once, of the connection it came in, before others */
static void twice(struct ooo *o, struct ooo *other)
{
	struct seg_block b[4];

	group("what came twice");
	fresh();
	put(o, 100, 10, false);
	put(o, 100, 10, false);
	put(o, 200, 10, false);
	EXPECT_EQ(ooo_blocks(other, b, 4), 0);
	EXPECT_EQ(ooo_blocks(o, b, 4), 3);
	EXPECT(b[0].start == twin.base + 100 && b[0].end == twin.base + 110);
	EXPECT_EQ(b[1].start, twin.base + 200);
	EXPECT(!ooo_news(o));
	EXPECT_EQ(ooo_blocks(o, b, 4), 2);

	/* One that looks like a block is none that was told */
	put(o, 300, 10, false);
	put(o, 300, 10, false);
	EXPECT_EQ(ooo_blocks(o, b, 1), 1);
	EXPECT(ooo_news(o));

	ooo_twice(o, twin.base, 7);
	EXPECT_EQ(ooo_blocks(o, b, 4), 4);
	EXPECT(b[0].start == twin.base && b[0].end == twin.base + 7);
	ooo_twice(o, twin.base, 7);
	ooo_free(o);
	EXPECT_EQ(ooo_blocks(o, b, 4), 0);
}

int main(void)
{
	struct ooo o = { 0 }, other = { 0 };
	struct seg_block b[4];
	unsigned i, j;
	bool fin;

	hold_init();
	ooo_init();
	for (i = 0; i < SPACE; i++)
		text[i] = (uint8_t)rnd(256);

	group("random segments");
	for (i = 0; i < 1000; i++) {
		fresh();
		for (j = 0; j < 60 && twin.nxt < SPACE; j++) {
			uint32_t at = twin.nxt + rnd(SPACE - twin.nxt);

			if (rnd(2))
				at = twin.nxt + rnd(MIN(2000, SPACE - twin.nxt));
			put(&o, at, rnd(MIN(900, SPACE - at) + 1), false);
			if (!rnd(4))
				get(&o);
			if (twin.nxt < SPACE)
				compare(&o);
		}
		ooo_free(&o);
	}
	EXPECT_EQ(ooo_used(), 0);
	EXPECT_EQ(hold_chunks_used(), 0);

	group("an end of data");
	fresh();
	EXPECT(put(&o, 10, 5, true));
	EXPECT(!ooo_next(&o, twin.base, &fin));
	EXPECT(put(&o, 0, 10, false));
	get(&o);
	EXPECT_EQ(twin.nxt, 15);
	EXPECT(!o.head);
	fresh();
	EXPECT(put(&o, 10, 0, true));		/* alone */
	EXPECT_EQ(ooo_blocks(&o, b, 4), 0);
	EXPECT(put(&o, 3, 7, false));
	EXPECT_EQ(ooo_blocks(&o, b, 4), 1);
	EXPECT(ooo_next(&o, twin.base + 3, &fin) && !fin);
	ooo_taken(&o, 7);
	EXPECT(ooo_next(&o, twin.base + 10, &fin) && fin);
	ooo_free(&o);
	fresh();
	EXPECT(put(&o, 10, 5, false));		/* behind what is there */
	EXPECT(put(&o, 10, 5, true));
	EXPECT(ooo_next(&o, twin.base + 10, &fin));
	EXPECT(fin);
	ooo_free(&o);

	group("the block that grew last comes first");
	fresh();
	put(&o, 100, 10, false);
	put(&o, 200, 10, false);
	put(&o, 300, 10, false);
	put(&o, 210, 5, false);
	EXPECT_EQ(ooo_blocks(&o, b, 2), 2);
	EXPECT(b[0].start == twin.base + 200 && b[0].end == twin.base + 215);
	EXPECT(b[1].start == twin.base + 100);
	put(&o, 105, 2, false);			/* a repetition counts as well */
	ooo_forget();
	ooo_blocks(&o, b, 1);
	EXPECT_EQ(b[0].start, twin.base + 100);
	ooo_free(&o);

	news(&o);
	twice(&o, &other);

	group("bounds: of a connection, of all, of the pool");
	fresh();
	for (i = 0; i < OOO_PER_FLOW; i++)
		EXPECT(put(&o, i * 10 + 5, 5, false));
	EXPECT(!put(&o, i * 10 + 5, 5, false));
	EXPECT(put(&o, 0, 5, false) == false);
	EXPECT(put(&o, 10, 5, false));		/* to the end of one */
	EXPECT_EQ(ooo_used(), OOO_PER_FLOW);
	EXPECT(put(&other, 5, 5, false));
	ooo_free(&o);
	ooo_free(&other);
	EXPECT_EQ(ooo_used(), 0);
	EXPECT_EQ(hold_chunks_used(), 0);
	return done();
}
