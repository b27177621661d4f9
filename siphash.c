// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * siphash.c - SipHash-2-4 with one random key for the process
 *
 * The keyed hash by Aumasson and Bernstein ("SipHash: a fast short-input PRF",
 * 2012), written from the paper. Whoever does not know the key cannot choose
 * addresses and ports that collide in the flow table, nor guess initial
 * sequence numbers (RFC 6528).
 */
#include "siphash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"

static struct {
	uint64_t key[2];
} sip;

void siphash_init(int fixed)
{
	if (fixed) {
		sip.key[0] = 0x0706050403020100;
		sip.key[1] = 0x0f0e0d0c0b0a0908;
		return;
	}

	/* Small requests are answered whole (getrandom(2)) */
	if (getrandom(sip.key, sizeof(sip.key), 0) != sizeof(sip.key))
		die_perror("Failed to get random bytes");
}

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void rounds(uint64_t v[static 4], unsigned n)
{
	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);

		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

uint64_t siphash_keyed(const uint64_t key[static 2], const void *data,
		       size_t len)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,	/* "somepseu" */
		key[1] ^ 0x646f72616e646f6d,	/* "dorandom" */
		key[0] ^ 0x6c7967656e657261,	/* "lygenera" */
		key[1] ^ 0x7465646279746573,	/* "tedbytes" */
	};
	const uint8_t *p = data;
	size_t left;
	uint64_t m;

	for (left = len; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		m = le64toh(m);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}

	/* The last block: what is left, and the length in the top byte */
	m = 0;
	if (left)
		memcpy(&m, p, left);
	m = le64toh(m) | (uint64_t)len << 56;
	v[3] ^= m;
	rounds(v, 2);
	v[0] ^= m;

	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const void *data, size_t len)
{
	return siphash_keyed(sip.key, data, len);
}
