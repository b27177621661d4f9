/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_sack.h - what the guest has received beyond a hole (RFC 2018, RFC 6675)
 *
 * The scoreboard of a connection: which ranges the guest has told of, which
 * holes are to be filled next, and whether what filled them was lost as well.
 * Numbers only; sending is the caller's.
 */
#ifndef TCP_SACK_H
#define TCP_SACK_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp_seg.h"

#define SACK_RANGES	8192U		/* of all connections */
#define SACK_PER_FLOW	256U

struct sack {				/* all zero: nothing is known */
	uint16_t	head;		/* lowest range, number + 1 */
	uint16_t	stamp;		/* number of the last repetition */
	uint16_t	newest;		/* ... of the last that arrived */
	uint32_t	next;		/* above all ranges: sent again so far */
	uint32_t	mark;		/* ... before this byte was sent first */
};

/* sack_init() - Empty the store (start, and between tests) */
void sack_init(void);

/*
 * sack_take() - Enter blocks that came with an acknowledgement
 * @una, @nxt:	oldest byte not acknowledged, next one to be sent
 * Blocks that do not lie between them are none. When there is no room, what
 * is known stays.
 * Return: whether anything is new
 */
bool sack_take(struct sack *s, uint32_t una, uint32_t nxt,
	       const struct seg_block *b, unsigned n);

/* sack_start() - Begin to fill holes, from the oldest: all that is known to be
 * missing is to be sent (again). @nxt as above */
void sack_start(struct sack *s, uint32_t una, uint32_t nxt);

/*
 * sack_hole() - The next range to be sent again: not since sack_start(), or lost
 * once more, as something that was sent after it has arrived
 * @una:	oldest byte not acknowledged
 * Return: false if there is none for now
 */
bool sack_hole(const struct sack *s, uint32_t una, struct seg_block *hole);

/* sack_high() - The end of what the guest has told of; @una if of nothing */
uint32_t sack_high(const struct sack *s, uint32_t una);

/* sack_filled() - The range from sack_hole(), or what follows all ranges, has
 * been sent again up to @seq; @nxt as above */
void sack_filled(struct sack *s, uint32_t seq, uint32_t nxt);

/* sack_acked() - Forget what lies below @una */
void sack_acked(struct sack *s, uint32_t una);

/* sack_taken_back() - The guest has told of the very byte that it acknowledges
 * as the next one it expects */
bool sack_taken_back(const struct sack *s, uint32_t una);

/* sack_free() - Forget all */
void sack_free(struct sack *s);

/* sack_used() - Ranges in use, for leak checks */
unsigned sack_used(void);

#endif /* TCP_SACK_H */
