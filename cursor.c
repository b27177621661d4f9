// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cursor.c - bounded reading from scattered bytes, bounded writing
 *
 * The reader keeps one number that decides everything: the bytes left. Each
 * operation compares against it before it touches memory, so the walk over the
 * elements needs no checks of its own: as long as the elements hold what
 * cur_init() was promised, it ends inside them.
 *
 * Refusal sticks, in reader and writer alike, so that a parser or a writer of
 * an option list may run to its end and ask once.
 */
#include "cursor.h"

#include <string.h>

#include "util.h"

void cur_init(struct cursor *c, const struct iovec *iov, size_t len)
{
	*c = (struct cursor){ .iov = iov, .left = len };
}

void cur_buf(struct cursor *c, struct iovec *iov, const void *p, size_t len)
{
	/* iovecs know no const; nobody writes through a cursor */
	iov->iov_base = (void *)(uintptr_t)p;
	iov->iov_len = len;
	cur_init(c, iov, len);
}

/* advance() - Move on by @n bytes, known to be there, copying them to @dst
 * unless that is NULL */
static void advance(struct cursor *c, uint8_t *dst, size_t n)
{
	c->left -= n;

	while (n) {
		size_t chunk = MIN(c->iov->iov_len - c->off, n);

		if (dst && chunk) {
			memcpy(dst, (const uint8_t *)c->iov->iov_base + c->off,
			       chunk);
			dst += chunk;
		}

		n -= chunk;
		c->off += chunk;
		if (c->off == c->iov->iov_len) {
			c->iov++;
			c->off = 0;
		}
	}
}

/* refuse() - Check that @n bytes are left, go bad otherwise */
static bool refuse(struct cursor *c, size_t n)
{
	if (!c->bad && n <= c->left)
		return false;

	c->bad = true;
	c->left = 0;
	return true;
}

bool cur_pull(struct cursor *c, void *dst, size_t n)
{
	if (refuse(c, n))
		return false;
	advance(c, dst, n);
	return true;
}

bool cur_peek(const struct cursor *c, void *dst, size_t n)
{
	struct cursor copy = *c;

	return cur_pull(&copy, dst, n);
}

bool cur_skip(struct cursor *c, size_t n)
{
	if (refuse(c, n))
		return false;
	advance(c, NULL, n);
	return true;
}

bool cur_sub(struct cursor *c, struct cursor *sub, size_t n)
{
	if (refuse(c, n)) {
		*sub = *c;
		return false;
	}

	*sub = *c;
	sub->left = n;
	advance(c, NULL, n);
	return true;
}

void cur_trim(struct cursor *c, size_t n)
{
	c->left = MIN(c->left, n);
}

unsigned cur_iov(const struct cursor *c, struct iovec *out, unsigned max,
		 size_t *len)
{
	const struct iovec *iov = c->iov;
	size_t off = c->off, left = cur_left(c);
	unsigned n = 0;

	*len = 0;
	while (left && n < max) {
		size_t chunk = MIN(iov->iov_len - off, left);

		if (chunk) {
			out[n].iov_base = (uint8_t *)iov->iov_base + off;
			out[n].iov_len = chunk;
			n++;
			*len += chunk;
			left -= chunk;
		}
		iov++;
		off = 0;
	}
	return n;
}

void wr_init(struct writer *w, void *buf, size_t size)
{
	*w = (struct writer){ .p = buf, .size = size };
}

/* room() - Where the next @n bytes go, or NULL and sticky overflow */
static uint8_t *room(struct writer *w, size_t n)
{
	uint8_t *p;

	if (w->over || n > w->size - w->len) {
		w->over = true;
		return NULL;
	}

	p = w->p + w->len;
	w->len += n;
	return p;
}

void wr_put(struct writer *w, const void *p, size_t n)
{
	uint8_t *dst = n ? room(w, n) : NULL;

	if (dst)
		memcpy(dst, p, n);
}

void wr_u8(struct writer *w, uint8_t v)
{
	wr_put(w, &v, sizeof(v));
}

void wr_be16(struct writer *w, uint16_t v)
{
	const uint8_t b[] = { (uint8_t)(v >> 8), (uint8_t)v };

	wr_put(w, b, sizeof(b));
}

void wr_be32(struct writer *w, uint32_t v)
{
	const uint8_t b[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
			      (uint8_t)(v >> 8), (uint8_t)v };

	wr_put(w, b, sizeof(b));
}

void wr_zero(struct writer *w, size_t n)
{
	uint8_t *dst = n ? room(w, n) : NULL;

	if (dst)
		memset(dst, 0, n);
}

void wr_pad(struct writer *w, size_t len)
{
	if (len > w->len)
		wr_zero(w, len - w->len);
}
