// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * csum.c - the Internet checksum (RFC 1071)
 *
 * One's complement sums do not care about byte order (RFC 1071 2.B), nor about
 * the width in which carries are collected (2.C): all implementations add words
 * as they lie in memory into 64-bit accumulators that cannot overflow for any
 * length we meet, and fold at the end. The best one is chosen once at start
 * instead of shipping one binary per instruction set.
 *
 * In scattered data, an element that starts at an odd offset contributes its
 * sum with the two bytes swapped (2.B again).
 */
#include "csum.h"

#include <stdbool.h>
#include <string.h>

#include "util.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2
#include <immintrin.h>
#endif

/* 64-bit sum of any number of 32-bit words to 32 bits */
static uint32_t fold64(uint64_t s)
{
	s = (s >> 32) + (s & 0xffffffff);
	s = (s >> 32) + (s & 0xffffffff);
	return (uint32_t)s;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The plain one, and the tail of the others */
static uint64_t sum_scalar(const uint8_t *p, size_t len)
{
	uint64_t a = 0, b = 0;
	uint32_t w32;
	uint16_t w16;

	for (; len >= 16; p += 16, len -= 16) {
		uint64_t v = load64(p), w = load64(p + 8);

		a += (v & 0xffffffff) + (v >> 32);
		b += (w & 0xffffffff) + (w >> 32);
	}

	if (len >= 8) {
		uint64_t v = load64(p);

		a += (v & 0xffffffff) + (v >> 32);
		p += 8;
		len -= 8;
	}

	if (len >= 4) {
		memcpy(&w32, p, 4);
		b += w32;
		p += 4;
		len -= 4;
	}

	if (len >= 2) {
		memcpy(&w16, p, 2);
		a += w16;
		p += 2;
		len -= 2;
	}

	/* An odd last byte is the first of a word that ends in zero */
	if (len) {
		const uint8_t last[2] = { *p, 0 };

		memcpy(&w16, last, 2);
		b += w16;
	}
	return a + b;
}

#ifdef HAVE_AVX2
/* Below this, setting up vectors costs more than it gains */
#define AVX2_MIN	96

__attribute__((target("avx2")))
static uint64_t sum_avx2(const uint8_t *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	uint64_t lane[4];

	if (len < AVX2_MIN)
		return sum_scalar(p, len);

	/* Low and high halves of 64-bit lanes apart: no carry is ever lost */
	for (; len >= 64; p += 64, len -= 64) {
		__m256i v = _mm256_loadu_si256((const void *)p);
		__m256i w = _mm256_loadu_si256((const void *)(p + 32));

		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(w, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(w, 32));
	}

	if (len >= 32) {
		__m256i v = _mm256_loadu_si256((const void *)p);

		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		p += 32;
		len -= 32;
	}

	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((void *)lane, a);
	return lane[0] + lane[1] + lane[2] + lane[3] + sum_scalar(p, len);
}

static bool have_avx2(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2");
}
#endif /* HAVE_AVX2 */

static bool have_scalar(void)
{
	return true;
}

/* From the slowest to the fastest; a usable one follows only usable ones */
static const struct variant {
	const char *name;
	bool (*usable)(void);
	uint64_t (*sum)(const uint8_t *p, size_t len);
} variants[] = {
	{ "scalar", have_scalar, sum_scalar },
#ifdef HAVE_AVX2
	{ "avx2", have_avx2, sum_avx2 },
#endif
};

static struct {
	uint64_t (*sum)(const uint8_t *p, size_t len);
} chosen = { sum_scalar };

unsigned csum_variants(void)
{
	unsigned n = 0;

	while (n < ARRAY_LEN(variants) && variants[n].usable())
		n++;
	return n;
}

const char *csum_use(unsigned i)
{
	if (i >= csum_variants())
		return NULL;
	chosen.sum = variants[i].sum;
	return variants[i].name;
}

void csum_init(void)
{
	csum_use(csum_variants() - 1);
}

uint32_t csum_partial(const void *p, size_t len, uint32_t sum)
{
	return fold64(chosen.sum(p, len) + sum);
}

uint32_t csum_iov(const struct iovec *iov, unsigned n, uint32_t sum)
{
	uint64_t total = sum;
	bool odd = false;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint32_t s;

		if (!iov[i].iov_len)
			continue;
		s = fold64(chosen.sum(iov[i].iov_base, iov[i].iov_len));
		if (odd)
			s = (s & 0xff00ff) << 8 | (s >> 8 & 0xff00ff);
		total += s;
		odd ^= iov[i].iov_len & 1;
	}
	return fold64(total);
}

uint16_t csum_fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

uint32_t csum_pseudo(const union addr *src, const union addr *dst,
		     uint8_t proto, uint32_t len)
{
	/* The IPv4 form has 16-bit fields, the IPv6 form 32-bit ones with
	 * zeros in front: the same sum */
	uint64_t s = (uint64_t)htonl(len) + htonl(proto);
	unsigned i;

	s += (uint64_t)src->w[3] + dst->w[3];
	if (!addr_is4(src) || !addr_is4(dst))
		for (i = 0; i < 3; i++)
			s += (uint64_t)src->w[i] + dst->w[i];
	return fold64(s);
}
