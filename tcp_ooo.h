/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_ooo.h - what the guest sent ahead of a segment that was lost
 *
 * Bytes beyond a gap wait here until the gap is filled, so that the guest
 * repeats what is missing and nothing else. Bounded: by the pool that hold.c
 * has, by the pieces of all connections and by those of one. What finds no
 * room is lost once more.
 */
#ifndef TCP_OOO_H
#define TCP_OOO_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"
#include "hold.h"
#include "tcp_seg.h"

#define OOO_PIECES	4096U		/* of all connections */
#define OOO_PER_FLOW	256U		/* as many holes in a window */

struct ooo {				/* all zero: empty */
	uint16_t	head;		/* lowest piece, number + 1 */
	uint16_t	recent;		/* the one that grew last */
	uint32_t	turn;		/* of old blocks, the last one told */
};

/* ooo_init() - Empty the store (start, and between tests) */
void ooo_init(void);

/*
 * ooo_put() - Keep the bytes of @c, the first of which has number @seq
 * @fin:	an end of data follows them
 * What is there already stays as it came first. @c is used up.
 * Return: whether all of it is kept
 */
bool ooo_put(struct ooo *o, uint32_t seq, struct cursor *c, bool fin);

/*
 * ooo_next() - What follows @nxt, the next byte expected
 * @fin:	set to whether an end of data follows right after
 *
 * What lies before it is forgotten. Return: a queue that begins with that very
 * byte; it may have no bytes but an end. NULL if that byte is not here
 */
const struct hold *ooo_next(struct ooo *o, uint32_t nxt, bool *fin);

/* ooo_taken() - The first @n bytes of the queue just returned are not needed any
 * more; with the last one goes its end */
void ooo_taken(struct ooo *o, uint32_t n);

/* ooo_twice() - The @n bytes from @seq on came once more (RFC 2883): to be told
 * of by the next ooo_blocks() of this connection, unless ooo_forget() comes
 * first. There is one place for it: if nobody is told of a duplicate, no harm is
 * done */
void ooo_twice(const struct ooo *o, uint32_t seq, uint32_t n);
void ooo_forget(void);

/*
 * ooo_blocks() - What is here, for a SACK option
 *
 * What came twice, then the block that grew last (RFC 2018 4), then those that
 * are news to the guest, then others in turn, as an acknowledgement may have
 * been lost.
 * Return: blocks, up to @max
 */
unsigned ooo_blocks(struct ooo *o, struct seg_block *b, unsigned max);

/* ooo_news() - Is there anything that ooo_blocks() has not told of? */
bool ooo_news(const struct ooo *o);

/* ooo_free() - Forget all */
void ooo_free(struct ooo *o);

/* ooo_used() - Pieces in use, for leak checks */
unsigned ooo_used(void);

#endif /* TCP_OOO_H */
