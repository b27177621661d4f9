// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of hold.c: queues that share a pool, each against a naive twin (a
 * flat buffer), and the pool at its end
 */
#include "hold.h"

#include "check.h"
#include "util.h"

#define QUEUES	5
#define TWIN	(1U << 20)

static struct hold h[QUEUES];
static uint8_t twin[QUEUES][TWIN];
static size_t twin_len[QUEUES];
static uint8_t src[200000];
static uint64_t seed = 3;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

/* same() - The queue describes just what its twin has */
static bool same(unsigned q)
{
	struct iovec iov[TWIN / HOLD_CHUNK + 2];
	unsigned i, n = hold_iov(&h[q], iov, ARRAY_LEN(iov));
	size_t at = 0;

	for (i = 0; i < n; i++) {
		if (!iov[i].iov_len || at + iov[i].iov_len > twin_len[q] ||
		    memcmp(iov[i].iov_base, twin[q] + at, iov[i].iov_len))
			return false;
		at += iov[i].iov_len;
	}
	return at == twin_len[q] && h[q].len == at;
}

static void put(unsigned q, size_t len)
{
	struct iovec iov[3];
	struct cursor c;
	size_t a = len / 3, i;

	for (i = 0; i < len; i++)
		src[i] = (uint8_t)rnd(256);
	memcpy(twin[q] + twin_len[q], src, len);
	twin_len[q] += len;
	iov[0] = (struct iovec){ src, a };
	iov[1] = (struct iovec){ src + a, 0 };
	iov[2] = (struct iovec){ src + a, len - a };
	cur_init(&c, iov, len);
	EXPECT_EQ(hold_put(&h[q], &c), len);
	EXPECT_EQ(cur_left(&c), 0);
}

static void drop(unsigned q, size_t len)
{
	hold_drop(&h[q], len);
	len = MIN(len, twin_len[q]);
	memmove(twin[q], twin[q] + len, twin_len[q] - len);
	twin_len[q] -= len;
}

static void test_twin(void)
{
	unsigned step, q;

	group("queues and their twins");
	hold_init();
	for (step = 0; step < 3000; step++) {
		uint32_t n = rnd(3) ? rnd(3000) : rnd(100000);

		q = rnd(QUEUES);
		if (rnd(2) && twin_len[q] + n <= TWIN)
			put(q, n);
		else
			drop(q, rnd(10) ? n : n - n % HOLD_CHUNK);
		EXPECT(same(q));
	}
	for (q = 0; q < QUEUES; q++) {
		EXPECT(same(q));
		hold_free(&h[q]);
		EXPECT_EQ(h[q].len, 0);
		EXPECT_EQ(hold_iov(&h[q], &(struct iovec){ 0 }, 1), 0);
	}
	EXPECT_EQ(hold_chunks_used(), 0);
	EXPECT_EQ(hold_room(), HOLD_POOL);
	memset(twin_len, 0, sizeof(twin_len));

	group("exact chunks");
	put(0, HOLD_CHUNK);
	EXPECT_EQ(hold_chunks_used(), 1);
	put(0, 1);
	EXPECT_EQ(hold_chunks_used(), 2);
	drop(0, HOLD_CHUNK);
	EXPECT_EQ(hold_chunks_used(), 1);
	EXPECT(same(0));
	drop(0, 1);
	EXPECT_EQ(hold_chunks_used(), 0);
	drop(0, 100);
	put(0, 5);
	EXPECT(same(0));
	hold_free(&h[0]);
	hold_free(&h[0]);
	EXPECT_EQ(hold_chunks_used(), 0);
}

static void test_end(void)
{
	struct iovec iov = { src, sizeof(src) };
	struct hold big = { 0 }, other = { 0 };
	struct cursor c;
	size_t all = 0, n;

	group("the end of the pool");
	do {
		cur_init(&c, &iov, sizeof(src));
		n = hold_put(&big, &c);
		all += n;
	} while (n == sizeof(src));
	EXPECT_EQ(all, HOLD_POOL);
	EXPECT_EQ(big.len, HOLD_POOL);
	EXPECT_EQ(cur_left(&c), sizeof(src) - n);
	EXPECT_EQ(hold_room(), 0);
	cur_init(&c, &iov, 1);
	EXPECT_EQ(hold_put(&other, &c), 0);
	EXPECT(!other.head && !other.len);
	hold_drop(&big, HOLD_CHUNK);
	EXPECT_EQ(hold_room(), HOLD_CHUNK);
	EXPECT_EQ(hold_put(&other, &c), 1);
	EXPECT_EQ(hold_room(), 0);
	hold_free(&other);
	hold_free(&big);
	EXPECT_EQ(hold_chunks_used(), 0);
	EXPECT_EQ(hold_room(), HOLD_POOL);
}

int main(void)
{
	test_twin();
	test_end();
	return done();
}
