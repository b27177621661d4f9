/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_arena.h - memory of our own for back-ends to which the guest lends none
 */
#ifndef TAP_ARENA_H
#define TAP_ARENA_H

#include "tap.h"

/* In front of the headers of each slot: what a back-end puts before a frame */
#define TAP_FRONT	14
#define TAP_HDR		128		/* front and HDR_ROOM */

_Static_assert(TAP_FRONT + HDR_ROOM <= TAP_HDR, "header room");

/* Data of the slots of a whole batch, and behind it what is received */
struct tap_arena {
	uint8_t		*rx;		/* as many bytes as were asked for */
	uint8_t		*tx;
	struct iovec	iov[TAP_BATCH];
	_Alignas(64) uint8_t hdr[TAP_BATCH][TAP_HDR];
};

/* tap_arena_map() - Map it, if it is not yet, with @rx bytes for what is
 * received; always the same number. Return: 0 or -errno */
int tap_arena_map(struct tap_arena *a, size_t rx);

/* tap_arena_lend() - Slots for tap_reserve(): @n of them, each with exactly
 * @datalen bytes of room in one piece, and TAP_FRONT bytes before .hdr */
void tap_arena_lend(struct tap_arena *a, struct tap_slot *s, int n,
		    size_t datalen);

#endif /* TAP_ARENA_H */
