/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csum.h - the Internet checksum (RFC 1071), fast path chosen once at start
 *
 * Sums are unfolded 32-bit partial sums over 16-bit words *in memory order*,
 * so the folded result is stored as is, without byte swapping.
 */
#ifndef CSUM_H
#define CSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "addr.h"

/* csum_init() - Choose the best implementation this CPU has */
void csum_init(void);

/* csum_partial() - Add @len bytes at @p (any alignment) to partial sum @sum;
 * @p starts at an even offset of the summed data */
uint32_t csum_partial(const void *p, size_t len, uint32_t sum);

/* csum_iov() - The same over @n elements, odd lengths in between included */
uint32_t csum_iov(const struct iovec *iov, unsigned n, uint32_t sum);

/* csum_fold() - To 16 bits and complemented: ready to be stored in a header */
uint16_t csum_fold(uint32_t sum);

/* csum_pseudo() - Partial sum of the pseudo header of either family
 * (RFC 9293 3.1, RFC 8200 8.1); @len is the L4 length in host order */
uint32_t csum_pseudo(const union addr *src, const union addr *dst,
		     uint8_t proto, uint32_t len);

/* For tests: number of implementations usable on this CPU, and their names;
 * csum_use() makes number @i the current one */
unsigned csum_variants(void);
const char *csum_use(unsigned i);

#endif /* CSUM_H */
