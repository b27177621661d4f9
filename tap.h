/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.h - the guest port: one front for all back-ends
 *
 * Frames from the guest are pulled by tap_recv() in batches. Frames to the
 * guest are built in place: somebody has room (tap_reserve), the protocol
 * fills it, and says how much it used (tap_commit).
 *
 * Contract, tested against every back-end (test/unit/port_contract.h):
 * C1  tap_reserve() returns 0..max slots, each with at least one byte of room
 *     and at most datalen, all but the last exactly datalen. 0 = no room now.
 * C2  At most one batch is outstanding. Every reserve that returned slots is
 *     closed by exactly one commit (used may be 0).
 * C3  tap_commit() takes the first `used` slots in order, gives the others
 *     back, and returns how many were accepted; the rest count as never built.
 *     Accepted means delivered, or lost as on a wire.
 * C4  hdr is never guest memory; the back-end copies it at commit.
 * C5  With `more`, a back-end may hold frames back until tap_flush() or the
 *     next commit without it; order is always kept.
 * C6  Frames given by tap_recv() stay valid until tap_done(); reserve and
 *     commit are allowed in between.
 * C7  While tap_backlog(), frames wait in here that no event will announce.
 * C8  After a reserve that gave nothing, or a commit that accepted less than
 *     all, tap_room() is false until the loop has been woken by an event of
 *     the port; so whoever waits for room need not ask again and again. A
 *     single short frame, to be held (C5), may be accepted even so.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hdr.h"

#define TAP_BATCH	64	/* frames per batch, either way, at most */

/* Payload bytes of one frame, whatever the offloads: an IP packet's limit */
#define TAP_DATA_MAX	65535

enum tap_gso { TAP_GSO_NONE, TAP_GSO_TCP4, TAP_GSO_TCP6, TAP_GSO_UDP };

struct tap_caps {
	uint32_t max_frame;	/* longest frame to the guest, with headers */
	bool csum;		/* L4 checksums may be left partial */
	bool tso;		/* TCP segmentation, both families */
	bool uso;		/* UDP segmentation, both families */
};

/* A frame from the guest; Ethernet header first */
struct tap_frame {
	const struct iovec *iov;
	unsigned	niov;
	size_t		len;
	uint16_t	gso_size;	/* of its segments, 0 = plain frame */
};

/* Room for one frame to the guest */
struct tap_slot {
	uint8_t		*hdr;		/* HDR_ROOM private bytes */
	struct iovec	*data;		/* where the payload goes; write only.
					 * The caller may set iov_base/iov_len
					 * to point elsewhere only in slots of
					 * which it commits none */
	unsigned	ndata;
	size_t		room;		/* bytes of data */

	/* filled by the caller before commit */
	size_t		hdrlen, len;	/* bytes used of hdr and of data */
	uint16_t	gso_size;	/* segment payload when gso is set */
	uint8_t		gso;		/* enum tap_gso */
	bool		csum_partial;	/* hdr_seal() was called so */
	bool		join;		/* no frame of its own: the data
					 * continues the slot before (only for
					 * ports with uso; hdrlen 0) */
};

struct tap_ops {
	void (*caps)(struct tap_caps *caps);
	int  (*recv)(struct tap_frame *f, int max);
	void (*done)(int n);
	int  (*reserve)(struct tap_slot *s, int max, size_t hdrlen,
			size_t datalen);
	int  (*commit)(struct tap_slot *s, int n, int used, bool more);
	void (*flush)(void);
	bool (*lost)(void);
	bool (*served)(void);		/* NULL: always */
	bool (*backlog)(void);		/* NULL: never */
	bool (*room)(void);		/* NULL: always */
	unsigned (*held)(void);		/* NULL: none */
};

struct tap_counters {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_refused;
};

/* tap_attach() - Choose the back-end, NULL for no guest port at all; resets
 * counters and capture is kept */
void tap_attach(const struct tap_ops *ops);

/* tap_caps() - Facts of the port; stable between two tap_attach() calls or
 * reconnects of the guest */
const struct tap_caps *tap_caps(void);

/* tap_recv() - Up to @max (at most TAP_BATCH) frames from the guest; 0 = none
 * now */
int tap_recv(struct tap_frame *f, int max);

/* tap_done() - The @n frames of the last tap_recv() are finished with */
void tap_done(int n);

/*
 * tap_reserve() - Ask for room
 * @s:		filled; stays valid until commit
 * @max:	1..TAP_BATCH
 * @hdrlen:	header bytes the frames will have at most (<= HDR_ROOM)
 * @datalen:	payload bytes wanted per frame, 0..TAP_DATA_MAX; the latter: as
 *		much as may come, which is not known before
 */
int tap_reserve(struct tap_slot *s, int max, size_t hdrlen, size_t datalen);

/* tap_commit() - See C3; @n is what tap_reserve() returned */
int tap_commit(struct tap_slot *s, int n, int used, bool more);

/* tap_flush() - Hand over what was held back: before sleeping, at the latest */
void tap_flush(void);

/* tap_held() - Frames that wait for a flush (or for room, after it) */
unsigned tap_held(void);

/* tap_lost() - The guest's end has gone: this device, or this connection */
bool tap_lost(void);

/* tap_served() - Is there a guest at the other end? If not, one may come yet */
bool tap_served(void);

/* tap_backlog() - See C7: ask tap_recv() again before sleeping */
bool tap_backlog(void);

/* tap_room() - See C8: whether it makes sense to try and send data */
bool tap_room(void);

const struct tap_counters *tap_counters(void);

#endif /* TAP_H */
