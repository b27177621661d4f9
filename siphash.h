/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * siphash.h - SipHash-2-4 with one random key for the process
 */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* siphash_init() - Draw the key from the kernel; with @fixed, a constant key
 * (tests) */
void siphash_init(int fixed);

/* siphash() - Hash @len bytes under the process key */
uint64_t siphash(const void *data, size_t len);

/* siphash_keyed() - The plain function, for its published test vectors */
uint64_t siphash_keyed(const uint64_t key[static 2], const void *data,
		       size_t len);

#endif /* SIPHASH_H */
