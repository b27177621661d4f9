// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_arena.c - memory of our own for back-ends to which the guest lends none
 *
 * One anonymous mapping that costs nothing until touched, in which data lies
 * close together, so that small frames keep using the same few pages. Batches
 * of these back-ends are synchronous, so each starts anew at the front, where
 * the cache is warm.
 */
#include "tap_arena.h"

#include <errno.h>
#include <sys/mman.h>

/* Data of slots: packed when small, else apart by 64 KiB and a page, so that
 * their first bytes do not all compete for the same cache sets */
#define ALIGN		64
#define PACK_MAX	4096
#define STRIDE		((size_t)69632)
#define TX_SIZE		(TAP_BATCH * STRIDE)

_Static_assert(TAP_DATA_MAX <= STRIDE, "slot");

int tap_arena_map(struct tap_arena *a, size_t rx)
{
	uint8_t *p;

	if (a->rx)
		return 0;
	p = mmap(NULL, rx + TX_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	/* One touched byte must not cost a huge page */
	madvise(p, rx + TX_SIZE, MADV_NOHUGEPAGE);
	a->rx = p;
	a->tx = p + rx;
	return 0;
}

void tap_arena_lend(struct tap_arena *a, struct tap_slot *s, int n,
		    size_t datalen)
{
	uint8_t *p = a->tx;
	size_t stride = STRIDE;
	int i;

	if (datalen <= PACK_MAX)
		stride = (datalen + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	for (i = 0; i < n; i++, p += stride) {
		a->iov[i] = (struct iovec){ p, datalen };
		s[i] = (struct tap_slot){
			.hdr = a->hdr[i] + TAP_FRONT,
			.data = &a->iov[i],
			.ndata = 1,
			.room = datalen,
		};
	}
}
