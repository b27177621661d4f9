// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of csum.c: every implementation against the definition in RFC 1071,
 * all short lengths at all alignments, large ones, and odd pieces
 */
#include "csum.h"

#include <stdlib.h>

#include "check.h"
#include "util.h"

/* 64 KiB of TCP and more, and room for alignment */
#define BIG	70000

static uint8_t data[BIG + 32];

/* naive() - By the book: network-order words, folded at once; in the form that
 * csum_fold() returns, that is, ready to be stored */
static uint16_t naive(const uint8_t *p, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void test_lengths(void)
{
	static const size_t big[] = { 1448, 1500, 9000, 65483, 65535, BIG };
	size_t len, align, i;

	for (align = 0; align < 32; align++) {
		for (len = 0; len <= 300; len++) {
			/* A copy of its own: reading too far is seen */
			uint8_t *p = malloc(len + align + !len);

			memcpy(p + align, data, len);
			EXPECT_EQ(csum_fold(csum_partial(p + align, len, 0)),
				  naive(data, len, 0));
			free(p);
		}
		for (i = 0; i < ARRAY_LEN(big); i++)
			EXPECT_EQ(csum_fold(csum_partial(data + align,
							 big[i], 0)),
				  naive(data + align, big[i], 0));
	}
}

static void test_carries(void)
{
	uint8_t *ones = malloc(BIG);

	/* The largest sums there are, and the largest to start from */
	memset(ones, 0xff, BIG);
	EXPECT_EQ(csum_fold(csum_partial(ones, BIG, 0)), 0);
	EXPECT_EQ(csum_fold(csum_partial(ones, BIG, 0xffffffff)), 0);
	EXPECT_EQ(csum_fold(csum_partial(ones, BIG, 1)), (uint16_t)~1);
	EXPECT_EQ(csum_fold(csum_partial(ones, 1, 0xffffffff)),
		  htons(0x00ff));
	EXPECT_EQ(csum_fold(csum_partial(data, 301, 0xffffffff)),
		  naive(data, 301, 0));
	EXPECT_EQ(csum_fold(0), 0xffff);
	EXPECT_EQ(csum_fold(0xffffffff), 0);
	EXPECT_EQ(csum_fold(0x0001ffff), (uint16_t)~1);
	free(ones);
}

static void test_iov(void)
{
	unsigned round;

	for (round = 0; round < 2000; round++) {
		size_t len = 0, total = (size_t)rand() % 3000;
		uint32_t start = (uint32_t)rand() & 0xffff;
		struct iovec iov[64];
		unsigned n = 0;

		while (len < total && n < 64) {
			size_t l = (size_t)rand() % 150;

			if (l > total - len || n == 63)
				l = total - len;
			iov[n].iov_base = l ? data + len : NULL;
			iov[n++].iov_len = l;
			len += l;
		}
		EXPECT_EQ(csum_fold(csum_iov(iov, n, htons((uint16_t)start))),
			  naive(data, total, start));
	}
	EXPECT_EQ(csum_iov(NULL, 0, 0x1234), 0x1234);
}

static void test_pseudo(void)
{
	uint8_t v4[12], v6[40];
	union addr a, b;

	addr_parse("192.0.2.1", &a);
	addr_parse("198.51.100.254", &b);
	memcpy(v4, &a.w[3], 4);
	memcpy(v4 + 4, &b.w[3], 4);
	memcpy(v4 + 8, (const uint8_t[]){ 0, 17, 0xfe, 0x01 }, 4);
	EXPECT_EQ(csum_fold(csum_pseudo(&a, &b, 17, 0xfe01)),
		  naive(v4, sizeof(v4), 0));

	addr_parse("2001:db8:1:2:3:4:fffe:ffff", &a);
	addr_parse("fe80::abcd:ffff", &b);
	memcpy(v6, &a, 16);
	memcpy(v6 + 16, &b, 16);
	memcpy(v6 + 32, (const uint8_t[]){ 0, 1, 2, 3, 0, 0, 0, 6 }, 8);
	EXPECT_EQ(csum_fold(csum_pseudo(&a, &b, 6, 0x010203)),
		  naive(v6, sizeof(v6), 0));
}

int main(void)
{
	/* The example of RFC 1071 section 3 */
	static const uint8_t rfc[] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };
	unsigned i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();

	group("example");
	EXPECT_EQ(naive(rfc, sizeof(rfc), 0), htons((uint16_t)~0xddf2));
	EXPECT(csum_variants() >= 1);
	EXPECT(!csum_use(csum_variants()));

	for (i = 0; i < csum_variants(); i++) {
		group(csum_use(i));
		EXPECT_EQ(csum_fold(csum_partial(rfc, sizeof(rfc), 0)),
			  htons((uint16_t)~0xddf2));
		test_lengths();
		test_carries();
		test_iov();
	}

	group("pseudo header");
	csum_init();
	test_pseudo();
	return done();
}
