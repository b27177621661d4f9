/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold.h - bounded byte queues from one pool
 *
 * What a host socket did not take of a segment that fits the announced window
 * waits here, so that the guest need not send it again. All queues share one
 * pool of chunks, mapped at start and touched only when used.
 */
#ifndef HOLD_H
#define HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "cursor.h"

struct hold {
	uint32_t	head, tail;	/* chunk numbers + 1; 0 = empty */
	uint32_t	len;		/* bytes queued */
	uint16_t	off, end;	/* first byte in head, end in tail */
};

#define HOLD_CHUNK	16384U
#define HOLD_POOL	(64U << 20)	/* bytes of the whole pool */

/* hold_init() - Map the pool; again: empty it */
void hold_init(void);

/* hold_put() - Append what @c has left, as far as the pool has room; advances
 * @c. Return: bytes taken */
size_t hold_put(struct hold *h, struct cursor *c);

/* hold_iov() - Describe the first bytes queued by at most @max elements.
 * Return: elements filled */
unsigned hold_iov(const struct hold *h, struct iovec *iov, unsigned max);

/* hold_drop() - Forget the first @n bytes */
void hold_drop(struct hold *h, size_t n);

/* hold_free() - Forget all */
void hold_free(struct hold *h);

/* hold_room() - Bytes the pool can still take (lower bound) */
size_t hold_room(void);

/* hold_chunks_used() - For leak checks */
unsigned hold_chunks_used(void);

#endif /* HOLD_H */
