// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of siphash.c: published vectors of SipHash-2-4 (the paper's
 * appendix A is the one of 15 bytes), alignments, keys
 */
#include "siphash.h"

#include <stdlib.h>

#include "check.h"

int main(void)
{
	/* Message 00 01 02 ..., key 00 01 ... 0f */
	static const uint64_t want[16] = {
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
		0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
		0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
		0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
		0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
		0xa129ca6149be45e5,
	};
	static const uint64_t key[2] = { 0x0706050403020100,
					 0x0f0e0d0c0b0a0908 };
	uint64_t a, b;
	unsigned i, k;

	group("published vectors");
	for (i = 0; i < 16; i++) {
		for (k = 0; k < 8; k++) {
			uint8_t *p = malloc(i + k + 1);
			unsigned j;

			for (j = 0; j < i; j++)
				p[k + 1 + j] = (uint8_t)j;
			EXPECT_EQ(siphash_keyed(key, p + k + 1, i), want[i]);
			free(p);
		}
	}

	group("process key");
	siphash_init(1);
	EXPECT_EQ(siphash("", 0), want[0]);
	siphash_init(0);
	a = siphash("x", 1);
	EXPECT_EQ(siphash("x", 1), a);
	siphash_init(0);
	b = siphash("x", 1);
	EXPECT(a != b);
	return done();
}
