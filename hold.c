// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold.c - bounded byte queues from one pool
 *
 * The pool is one mapping cut into chunks of 16 KiB; a queue is a chain of
 * chunk numbers. The most recently freed chunk is used first, and when more
 * than a few are free again, their pages go back to the kernel, so that a
 * burst of slow receivers leaves no memory behind.
 */
#include "hold.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "util.h"

#define CHUNKS		(HOLD_POOL / HOLD_CHUNK)
#define KEEP_WARM	32		/* free chunks whose pages are kept */

static struct {
	uint8_t		*mem;
	uint32_t	next[CHUNKS];	/* chain: chunk number + 1 */
	uint32_t	free;		/* recycled ones */
	uint32_t	touched;	/* chunks ever taken: [0, touched) */
	uint32_t	used;
	uint32_t	warm;		/* free ones that may have pages */
} pool;

void hold_init(void)
{
	if (pool.mem)
		munmap(pool.mem, HOLD_POOL);
	memset(&pool, 0, sizeof(pool));
	pool.mem = mmap(NULL, HOLD_POOL, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool.mem == MAP_FAILED)
		die_perror("Cannot map %u bytes of queue space", HOLD_POOL);
}

static uint8_t *chunk(uint32_t number)
{
	return pool.mem + (size_t)(number - 1) * HOLD_CHUNK;
}

static uint32_t chunk_take(void)
{
	uint32_t c = pool.free;

	if (c) {
		pool.free = pool.next[c - 1];
		if (pool.warm)
			pool.warm--;
	} else if (pool.touched < CHUNKS) {
		c = ++pool.touched;
	} else {
		return 0;
	}
	pool.next[c - 1] = 0;
	pool.used++;
	return c;
}

static void chunk_give(uint32_t c)
{
	if (pool.warm < KEEP_WARM)
		pool.warm++;
	else
		madvise(chunk(c), HOLD_CHUNK, MADV_DONTNEED);
	pool.next[c - 1] = pool.free;
	pool.free = c;
	pool.used--;
}

size_t hold_put(struct hold *h, struct cursor *c)
{
	size_t done = 0, n;

	while ((n = cur_left(c))) {
		if (!h->tail || h->end == HOLD_CHUNK) {
			uint32_t fresh = chunk_take();

			if (!fresh)
				break;
			if (h->tail)
				pool.next[h->tail - 1] = fresh;
			else
				h->head = fresh;
			h->tail = fresh;
			h->end = 0;
		}
		n = MIN(n, HOLD_CHUNK - h->end);
		cur_pull(c, chunk(h->tail) + h->end, n);
		h->end = (uint16_t)(h->end + n);
		h->len += (uint32_t)n;
		done += n;
	}
	return done;
}

unsigned hold_iov(const struct hold *h, struct iovec *iov, unsigned max)
{
	uint32_t c = h->head;
	size_t off = h->off;
	unsigned n;

	for (n = 0; c && n < max; n++) {
		size_t end = c == h->tail ? h->end : HOLD_CHUNK;

		iov[n].iov_base = chunk(c) + off;
		iov[n].iov_len = end - off;
		off = 0;
		c = pool.next[c - 1];
	}
	return n;
}

void hold_drop(struct hold *h, size_t n)
{
	n = MIN(n, h->len);
	h->len -= (uint32_t)n;
	while (h->head) {
		uint32_t c = h->head;
		size_t end = c == h->tail ? h->end : HOLD_CHUNK;
		size_t here = MIN(n, end - h->off);

		h->off = (uint16_t)(h->off + here);
		n -= here;
		if (h->off < end)
			return;
		h->head = pool.next[c - 1];
		h->off = 0;
		chunk_give(c);
	}
	h->tail = 0;
	h->end = 0;
}

void hold_free(struct hold *h)
{
	hold_drop(h, h->len);
}

size_t hold_room(void)
{
	return (size_t)(CHUNKS - pool.used) * HOLD_CHUNK;
}

unsigned hold_chunks_used(void)
{
	return pool.used;
}
