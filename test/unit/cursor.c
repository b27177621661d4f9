// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of cursor.c: random operations on random scatterings of the same
 * bytes, against an offset into a flat copy. Each element is an allocation of
 * its own, so that the sanitizer sees any byte read too many.
 */
#include "cursor.h"

#include <stdlib.h>

#include "check.h"
#include "util.h"

#define LEN	200
#define ELEMS	24

static uint8_t flat[LEN];

static unsigned scatter(struct iovec *iov)
{
	size_t off = 0;
	unsigned n;

	for (n = 0; n < ELEMS; n++) {
		size_t len = (size_t)rand() % 20;

		if (n == ELEMS - 1 || len > LEN - off)
			len = LEN - off;
		iov[n].iov_len = len;
		iov[n].iov_base = len ? malloc(len) : NULL;
		if (len)
			memcpy(iov[n].iov_base, flat + off, len);
		off += len;
	}
	return n;
}

static void check_iov(const struct cursor *c, size_t pos)
{
	struct iovec out[ELEMS];
	unsigned max = (unsigned)rand() % (ELEMS + 1), n, i;
	size_t len, seen = 0;

	n = cur_iov(c, out, max, &len);
	EXPECT(n <= max);
	for (i = 0; i < n; i++) {
		EXPECT(out[i].iov_len > 0);
		EXPECT_MEM(out[i].iov_base, flat + pos + seen, out[i].iov_len);
		seen += out[i].iov_len;
	}
	EXPECT_EQ(seen, len);
	if (max == ELEMS)
		EXPECT_EQ(len, cur_left(c));
	EXPECT(len <= cur_left(c));
}

static void walk(const struct iovec *iov)
{
	size_t pos = 0, end = (size_t)rand() % (LEN + 1);
	struct cursor c, sub;
	bool bad = false;

	cur_init(&c, iov, end);
	while (!bad) {
		size_t n = (size_t)rand() % 40;
		uint8_t buf[40] = { 0 };
		bool fits = n <= end - pos;

		EXPECT_EQ(cur_left(&c), end - pos);
		switch (rand() % 6) {
		case 0:
			EXPECT_EQ(cur_pull(&c, buf, n), fits);
			if (fits)
				EXPECT_MEM(buf, flat + pos, n);
			bad = !fits;
			pos += n;
			break;
		case 1:
			EXPECT_EQ(cur_peek(&c, buf, n), fits);
			if (fits)
				EXPECT_MEM(buf, flat + pos, n);
			break;
		case 2:
			EXPECT_EQ(cur_skip(&c, n), fits);
			bad = !fits;
			pos += n;
			break;
		case 3:
			EXPECT_EQ(cur_sub(&c, &sub, n), fits);
			EXPECT_EQ(cur_left(&sub), fits ? n : 0);
			EXPECT_EQ(cur_pull(&sub, buf, n), fits);
			EXPECT(!cur_pull(&sub, buf, 1));
			if (fits)
				EXPECT_MEM(buf, flat + pos, n);
			bad = !fits;
			pos += n;
			break;
		case 4:
			if (rand() % 8)
				break;
			n = (size_t)rand() % LEN;
			cur_trim(&c, n);
			end = MIN(end, pos + n);
			break;
		case 5:
			check_iov(&c, pos);
			break;
		}
	}

	/* Sticky */
	EXPECT_EQ(cur_left(&c), 0);
	EXPECT(!cur_pull(&c, NULL, 0));
	EXPECT(!cur_peek(&c, NULL, 0));
	EXPECT(!cur_skip(&c, 0));
	EXPECT(!cur_sub(&c, &sub, 0) && sub.bad);
}

static void test_reader(void)
{
	struct iovec iov[ELEMS], one;
	unsigned round, i, n;
	struct cursor c;
	uint8_t b;

	group("reader");
	for (i = 0; i < LEN; i++)
		flat[i] = (uint8_t)rand();
	for (round = 0; round < 3000; round++) {
		n = scatter(iov);
		walk(iov);
		for (i = 0; i < n; i++)
			free(iov[i].iov_base);
	}

	cur_buf(&c, &one, flat, 1);
	EXPECT(cur_pull(&c, &b, 1) && b == flat[0]);
	EXPECT(cur_pull(&c, NULL, 0));
	EXPECT(!cur_pull(&c, &b, SIZE_MAX));
	cur_buf(&c, &one, NULL, 0);
	EXPECT(cur_pull(&c, NULL, 0) && !cur_pull(&c, &b, 1));
}

static void test_writer(void)
{
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 'h', 'i', 0, 0 };
	struct writer w;
	uint8_t buf[12];
	size_t mark;

	group("writer");
	memset(buf, 0xee, sizeof(buf));
	wr_init(&w, buf, 11);
	wr_u8(&w, 1);
	wr_be16(&w, 0x0203);
	wr_be32(&w, 0x04050607);
	wr_put(&w, "hi", 2);
	wr_put(&w, NULL, 0);
	wr_zero(&w, 1);
	wr_pad(&w, 5);
	wr_pad(&w, 11);
	EXPECT(wr_ok(&w));
	EXPECT_EQ(w.len, 11);
	EXPECT_MEM(buf, want, 11);
	EXPECT_EQ(buf[11], 0xee);
	wr_u8(&w, 1);
	EXPECT(!wr_ok(&w));
	EXPECT_EQ(buf[11], 0xee);

	group("overflow and undo");
	wr_init(&w, buf, 6);
	wr_be32(&w, 1);
	mark = wr_mark(&w);
	wr_be32(&w, 0xffffffff);
	EXPECT(!wr_ok(&w));
	EXPECT_EQ(w.len, 4);
	wr_u8(&w, 9);				/* would fit: sticky */
	EXPECT_EQ(w.len, 4);
	wr_undo(&w, mark);
	EXPECT(wr_ok(&w));
	wr_be16(&w, 0x0809);
	EXPECT(wr_ok(&w) && w.len == 6);
	wr_put(&w, buf, SIZE_MAX);
	EXPECT(!wr_ok(&w));
	wr_undo(&w, mark);
	wr_pad(&w, 7);
	EXPECT(!wr_ok(&w));
}

int main(void)
{
	test_reader();
	test_writer();
	return done();
}
