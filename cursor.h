/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cursor.h - bounded reading from scattered bytes, bounded writing to a buffer
 *
 * A cursor walks over an iovec it does not own, copies out what it is asked
 * for and shrinks. Nothing is ever read twice and no pointer into the source
 * escapes, so the source may be guest memory that changes under our eyes.
 * Failure is sticky: after one refused pull every further pull fails.
 *
 * A writer appends to a flat buffer. Overflow is sticky too, and a mark lets a
 * half-written option be taken back: write all, check once with wr_ok().
 */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct cursor {
	const struct iovec *iov;	/* current element */
	size_t off;			/* bytes of it already consumed */
	size_t left;			/* bytes left in all */
	bool bad;			/* a pull was refused */
};

/* cur_init() - Over the first @len bytes of @iov; @len must not exceed the sum
 * of the elements */
void cur_init(struct cursor *c, const struct iovec *iov, size_t len);

/* cur_buf() - Over one flat buffer; @iov is storage for the caller to keep */
void cur_buf(struct cursor *c, struct iovec *iov, const void *p, size_t len);

/* cur_pull() - Copy @n bytes to @dst and advance; false (and sticky) if fewer
 * are left */
bool cur_pull(struct cursor *c, void *dst, size_t n);

/* cur_peek() - As cur_pull(), without advancing and without going bad */
bool cur_peek(const struct cursor *c, void *dst, size_t n);

/* cur_skip() - Advance by @n; false (sticky) if fewer are left */
bool cur_skip(struct cursor *c, size_t n);

/* cur_sub() - Split off the next @n bytes as a cursor of their own and skip
 * them in @c; false (sticky in both) if fewer are left */
bool cur_sub(struct cursor *c, struct cursor *sub, size_t n);

/* cur_trim() - Drop bytes from the end so that at most @n are left */
void cur_trim(struct cursor *c, size_t n);

/* cur_iov() - Describe what is left as iovecs (for a socket call), at most
 * @max of them. Return: how many were filled; *len is the bytes they cover */
unsigned cur_iov(const struct cursor *c, struct iovec *out, unsigned max,
		 size_t *len);

static inline size_t cur_left(const struct cursor *c)
{
	return c->bad ? 0 : c->left;
}

struct writer {
	uint8_t *p;			/* start of the buffer */
	size_t size, len;		/* its size; bytes written */
	bool over;			/* something did not fit */
};

void wr_init(struct writer *w, void *buf, size_t size);
void wr_put(struct writer *w, const void *p, size_t n);
void wr_u8(struct writer *w, uint8_t v);
void wr_be16(struct writer *w, uint16_t v);
void wr_be32(struct writer *w, uint32_t v);
void wr_zero(struct writer *w, size_t n);

/* wr_pad() - Zeros until the length is at least @len */
void wr_pad(struct writer *w, size_t len);

static inline size_t wr_mark(const struct writer *w)
{
	return w->len;
}

/* wr_undo() - Back to a mark, forgetting an overflow that came after it */
static inline void wr_undo(struct writer *w, size_t mark)
{
	w->len = mark;
	w->over = false;
}

static inline bool wr_ok(const struct writer *w)
{
	return !w->over;
}

#endif /* CURSOR_H */
