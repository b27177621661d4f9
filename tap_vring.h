/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_vring.h - virtqueues in memory of the guest: split rings of virtio 1
 *
 * The caller tells where a ring is, starts it, has chains of buffers fetched,
 * and uses them one after the other, always in the order in which the guest
 * made them available:
 *
 *	vring_fetch(v, n)	chains at hand: vring_chain(v, 0...)
 *	vring_use(v, len)	the first of them goes back, with len bytes
 *	vring_publish(v)	the guest sees it
 *	vring_due(v)		and wants to be told (once)
 *
 * Whatever stands in a ring, nothing outside of mapped memory is touched, and
 * every call ends soon. What is not possible at all stops the ring: vring_ok().
 */
#ifndef TAP_VRING_H
#define TAP_VRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define VRING_MAX	1024	/* entries of a ring, and of a chain */
#define VRING_IOV	4096	/* pieces of all chains at hand */

struct vring_chain {
	size_t		len;		/* bytes of all its pieces */
	uint32_t	iov;		/* where they begin, in .iov */
	uint16_t	niov, head;
};

struct vring {
	/* Set by the caller while the ring does not run */
	uint32_t	num;		/* entries, a power of two */
	uint64_t	desc_at, avail_at, used_at;	/* for vmem_user() */
	bool		to_guest;	/* we write to its buffers, not read */
	bool		event_idx;	/* VIRTIO_F_EVENT_IDX */

	bool		runs, broken;
	const uint8_t	*desc;		/* NULL: not mapped */
	uint8_t		*avail, *used;
	uint16_t	next;		/* entry of avail to fetch next */
	uint16_t	seen;		/* its index when last looked at */
	uint16_t	used_idx;
	uint16_t	told;		/* .used_idx when it was last due */
	bool		told_any;
	bool		listening;	/* kicks are welcome */

	unsigned	first, n;	/* chains at hand */
	unsigned	iov_end;
	struct vring_chain chain[2 * VRING_MAX];
	struct iovec	iov[VRING_IOV];
};

/* vring_size_ok() - Can a ring have so many entries? */
bool vring_size_ok(uint32_t num);

/* vring_start() - Go on at entry @base of the avail ring; see vring_ok() */
void vring_start(struct vring *v, uint16_t base);

/* vring_stop() - Return: the entry to go on at */
uint16_t vring_stop(struct vring *v);

/* vring_remap() - Memory has been mapped anew, or .event_idx has changed */
void vring_remap(struct vring *v);

/* vring_ok() - It runs, lies in memory, and made sense so far */
static inline bool vring_ok(const struct vring *v)
{
	return v->runs && v->desc && !v->broken;
}

/*
 * vring_fetch() - Have up to @want chains at hand, as far as there is room
 *
 * Chains that cannot be (no such memory, the wrong direction, more than
 * VRING_MAX parts) go back unused when it is their turn. Return: how many are at
 * hand. Pointers to chains and pieces are good until the next call.
 */
unsigned vring_fetch(struct vring *v, unsigned want);

/* vring_chain() - Number @i of those at hand */
static inline struct vring_chain *vring_chain(struct vring *v, unsigned i)
{
	return &v->chain[v->first + i];
}

/* vring_use() - The first chain at hand is the guest's again, @len bytes of it
 * written to; it will see that after vring_publish() */
void vring_use(struct vring *v, uint32_t len);
void vring_publish(struct vring *v);

/* vring_due() - Does the guest want to be told of what it has not been told? */
bool vring_due(struct vring *v);

/* vring_listen() - Ask for kicks. Return: whether there is something to be
 * fetched already, for which none may come */
bool vring_listen(struct vring *v);

/* vring_deaf() - No kicks are needed for now */
void vring_deaf(struct vring *v);

#endif /* TAP_VRING_H */
