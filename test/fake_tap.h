/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_tap.h - a guest port for tests: frames in, frames out, and bad days
 *
 * Attach fake_tap_ops, push what the guest sends, pop what it gets. The knobs
 * make it play every back-end. Each slot and each received frame is memory of
 * its own and of exact size, so that a sanitizer sees every byte too far.
 */
#ifndef FAKE_TAP_H
#define FAKE_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tap.h"

struct fake_knobs {
	struct tap_caps	caps;
	int	slots;		/* at most so many from one reserve, -1 = any */
	size_t	last_room;	/* the last slot has no more, 0 = as asked */
	size_t	elem;		/* longest element of a slot, 0 = one piece */
	size_t	rx_elem;	/* the same for frames from the guest */
	int	accept;		/* slots that each commit accepts, -1 = all */
	bool	hold;		/* frames with `more` wait for a flush */
	bool	lost;
	bool	absent;		/* there is no guest now */
};

/* What was said about a frame besides its bytes */
struct fake_info {
	size_t		hdrlen, len;	/* of the frame: headers, data */
	uint8_t		gso;		/* enum tap_gso */
	uint16_t	gso_size;
	bool		csum_partial;
	unsigned	slots;		/* 1, more if others were joined */
	size_t		slot_len[TAP_BATCH];
};

extern const struct tap_ops fake_tap_ops;

/* fake_reset() - Empty, knobs as for a port without limits and offloads
 * (max_frame as tun has it) */
void fake_reset(void);

/* fake_knobs() - To be changed at will between calls */
struct fake_knobs *fake_knobs(void);

/* fake_push() - The guest sends a frame; false if 256 are waiting */
bool fake_push(const void *frame, size_t len, uint16_t gso_size);

/* fake_pop() - The next frame that the guest got: its length, or 0 if there is
 * none. At most @size bytes are copied; @info may be NULL */
size_t fake_pop(void *buf, size_t size, struct fake_info *info);

/* fake_pending() - Frames that fake_pop() would give */
unsigned fake_pending(void);

/* fake_idle() - Nothing waits either way, nothing is reserved or lent out */
bool fake_idle(void);

/* fake_dropped() - Frames that came while 4096 were waiting to be popped */
unsigned fake_dropped(void);

#endif /* FAKE_TAP_H */
