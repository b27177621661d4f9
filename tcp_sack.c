// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_sack.c - what the guest has received beyond a hole
 *
 * Ranges are a sorted list without overlaps. The gaps between them, below the
 * highest, are holes: the link to the guest does not reorder frames by itself,
 * so a gap is taken for a loss at once. Each hole is filled once, from the
 * lowest on; "next" is how far that got. What was sent after the last of them
 * went out tells whether they arrived: if the guest has that, and still misses
 * something from before, the repetition was lost, and it all starts over.
 */
#include "tcp_sack.h"

#include <string.h>

#include "util.h"

struct range {
	struct seg_block b;
	uint16_t	next;		/* number + 1 */
};

static struct {
	struct range	range[SACK_RANGES];
	uint16_t	free;		/* recycled ones */
	uint16_t	touched;	/* ever taken */
	unsigned	used;
} sack;

void sack_init(void)
{
	sack.free = sack.touched = 0;
	sack.used = 0;
}

static struct range *at(uint16_t number)
{
	return number ? &sack.range[number - 1] : NULL;
}

static uint16_t take(const struct seg_block *b, uint16_t next)
{
	uint16_t n = sack.free;

	if (n)
		sack.free = at(n)->next;
	else if (sack.touched < SACK_RANGES)
		n = ++sack.touched;
	else
		return 0;
	sack.used++;
	*at(n) = (struct range){ *b, next };
	return n;
}

static void give(uint16_t n)
{
	at(n)->next = sack.free;
	sack.free = n;
	sack.used--;
}

static unsigned count(const struct sack *s)
{
	unsigned n = 0;
	uint16_t i;

	for (i = s->head; i; i = at(i)->next)
		n++;
	return n;
}

/* Enter one block; true if it told something new */
static bool enter(struct sack *s, struct seg_block b)
{
	uint16_t *link = &s->head, n;
	struct range *r;

	while ((r = at(*link)) && seq_lt(r->b.end, b.start))
		link = &r->next;
	if (r && seq_le(r->b.start, b.start) && seq_le(b.end, r->b.end))
		return false;

	/* Swallow all that it touches */
	n = *link;
	while ((r = at(n)) && seq_le(r->b.start, b.end)) {
		uint16_t gone = n;

		if (seq_lt(r->b.start, b.start))
			b.start = r->b.start;
		b.end = seq_max(b.end, r->b.end);
		n = r->next;
		give(gone);
	}
	*link = n;
	if (count(s) >= SACK_PER_FLOW)
		return false;
	n = take(&b, n);
	if (!n)
		return false;
	*link = n;
	return true;
}

bool sack_take(struct sack *s, uint32_t una, uint32_t nxt,
	       const struct seg_block *b, unsigned n)
{
	bool any = false;

	for (; n; n--, b++) {
		/* Also leaves out duplicates told of by RFC 2883 */
		if (!seq_lt(b->start, b->end) || seq_le(b->start, una) ||
		    seq_lt(nxt, b->end))
			continue;
		any = enter(s, *b) || any;
	}
	return any;
}

void sack_start(struct sack *s, uint32_t una, uint32_t nxt)
{
	s->next = una;
	s->mark = nxt;
}

bool sack_hole(const struct sack *s, uint32_t una, struct seg_block *hole)
{
	uint32_t from = seq_max(una, s->next);
	const struct range *r;
	uint16_t i;

	for (i = s->head; (r = at(i)); i = r->next) {
		if (seq_lt(from, r->b.start)) {
			*hole = (struct seg_block){ from, r->b.start };
			return true;
		}
		from = seq_max(from, r->b.end);
	}
	return false;
}

void sack_filled(struct sack *s, uint32_t seq, uint32_t nxt)
{
	s->next = seq_max(s->next, seq);
	s->mark = nxt;
}

uint32_t sack_high(const struct sack *s, uint32_t una)
{
	const struct range *r;
	uint16_t i;

	for (i = s->head; (r = at(i)); i = r->next)
		una = r->b.end;
	return una;
}

bool sack_lost_again(const struct sack *s, uint32_t una)
{
	return seq_lt(s->mark, sack_high(s, una)) && seq_lt(una, s->next);
}

void sack_acked(struct sack *s, uint32_t una)
{
	struct range *r;
	uint16_t n;

	while ((r = at(n = s->head)) && seq_le(r->b.start, una)) {
		if (seq_lt(una, r->b.end)) {
			/* Not received in order after all: the guest has
			 * changed its mind, or lies */
			r->b.start = una;
			return;
		}
		s->head = r->next;
		give(n);
	}
}

void sack_free(struct sack *s)
{
	uint16_t n;

	while ((n = s->head)) {
		s->head = at(n)->next;
		give(n);
	}
}

unsigned sack_used(void)
{
	return sack.used;
}
