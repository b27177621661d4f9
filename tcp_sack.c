// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_sack.c - what the guest has received beyond a hole
 *
 * Ranges are a sorted list without overlaps. The gap in front of each is a hole:
 * the link to the guest does not reorder frames by itself, so a gap is taken for
 * a loss at once. Each hole is filled once, from the lowest on, and remembers
 * when: which byte was the next to be sent first, and after how many other
 * repetitions. If the guest then has something that was sent later, but not
 * that, the repetition was lost as well, and this hole is open again.
 */
#include "tcp_sack.h"

#include <string.h>

#include "util.h"

struct range {
	struct seg_block b;
	uint32_t	filled;		/* of the hole in front: sent again */
	uint32_t	mark;		/* ... before this byte was sent first */
	uint16_t	stamp;		/* ... as which repetition, 0 = none */
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
	*at(n) = (struct range){ .b = *b, .next = next };
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

/* Repetitions are numbered modulo 2^16: there are few at a time, and to take an
 * old one for new costs one in vain */
static bool older(uint16_t a, uint16_t b)
{
	return (int16_t)(a - b) < 0;
}

/* The guest has what this hole was filled with */
static void arrived(struct sack *s, uint16_t stamp)
{
	if (older(s->newest, stamp))
		s->newest = stamp;
}

/* Holes that were filled before something that has arrived are open again */
static void judge(struct sack *s, uint32_t una)
{
	uint32_t high = sack_high(s, una), from = una;
	struct range *r;
	uint16_t i;

	for (i = s->head; (r = at(i)); i = r->next) {
		if (seq_lt(from, r->filled) &&
		    (seq_lt(r->mark, high) || older(r->stamp, s->newest)))
			r->filled = from;
		from = r->b.end;
	}
}

/*
 * covered() - Bytes from @fresh on, of hole @h, are news from the guest
 * What was sent again before them, in the same hole, should be there as well:
 * if it is not, it was lost. That is what lies in front of @fresh, if anything
 */
static void covered(struct sack *s, struct range *h, uint32_t fresh,
		    uint32_t una)
{
	if (!seq_lt(fresh, h->filled))
		return;
	if (h->stamp)
		arrived(s, h->stamp);
	h->filled = una;
}

/* Enter one block; true if it told something new */
static bool enter(struct sack *s, struct seg_block b, uint32_t una)
{
	struct range tail = { .filled = s->next, .mark = s->mark }, hole;
	uint16_t *link = &s->head, n;
	uint32_t fresh = b.start;
	struct range *r, after;

	while ((r = at(*link)) && seq_lt(r->b.end, b.start))
		link = &r->next;
	if (r && seq_le(r->b.start, b.start) && seq_le(b.end, r->b.end))
		return false;
	hole = r ? *r : tail;
	if (!r || seq_lt(b.start, r->b.start))
		covered(s, &hole, fresh, una);

	/* Swallow all that it touches */
	n = *link;
	while ((r = at(n)) && seq_le(r->b.start, b.end)) {
		uint16_t gone = n;

		if (seq_lt(r->b.start, b.start))
			b.start = r->b.start;
		else
			covered(s, r, fresh, una);
		fresh = seq_max(fresh, r->b.end);
		b.end = seq_max(b.end, r->b.end);
		n = r->next;
		give(gone);
	}
	/* Behind it there may be the rest of a hole */
	after = at(n) ? *at(n) : tail;
	if (seq_lt(fresh, b.end))
		covered(s, &after, fresh, una);
	*link = n;
	if (count(s) >= SACK_PER_FLOW)
		return false;
	n = take(&b, n);
	if (!n)
		return false;
	*link = n;
	at(n)->filled = hole.filled;
	at(n)->mark = hole.mark;
	at(n)->stamp = hole.stamp;
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
		any = enter(s, *b, una) || any;
	}
	if (any)
		judge(s, una);
	return any;
}

void sack_start(struct sack *s, uint32_t una, uint32_t nxt)
{
	struct range *r;
	uint16_t i;

	s->next = una;
	s->mark = nxt;
	s->newest = s->stamp;
	for (i = s->head; (r = at(i)); i = r->next)
		r->filled = una;
}

bool sack_hole(const struct sack *s, uint32_t una, struct seg_block *hole)
{
	const struct range *r;
	uint32_t from = una;
	uint16_t i;

	for (i = s->head; (r = at(i)); i = r->next) {
		from = seq_max(from, r->filled);
		if (seq_lt(from, r->b.start)) {
			*hole = (struct seg_block){ from, r->b.start };
			return true;
		}
		from = r->b.end;
	}
	return false;
}

void sack_filled(struct sack *s, uint32_t seq, uint32_t nxt)
{
	struct range *r;
	uint16_t i;

	if (!++s->stamp)
		s->stamp = 1;
	for (i = s->head; (r = at(i)); i = r->next) {
		if (seq_lt(r->b.start, seq))
			continue;
		r->filled = seq;
		r->mark = nxt;
		r->stamp = s->stamp;
		return;
	}
	s->next = seq;
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

void sack_acked(struct sack *s, uint32_t una)
{
	uint16_t head = s->head;
	struct range *r;
	uint16_t n;

	s->next = seq_max(s->next, una);
	while ((r = at(n = s->head)) && seq_le(r->b.start, una)) {
		if (r->stamp && seq_le(r->b.start, r->filled))
			arrived(s, r->stamp);
		if (seq_lt(una, r->b.end)) {
			/* Not received in order after all: the guest has
			 * changed its mind, or lies */
			r->b.start = una;
			r->filled = una;
			break;
		}
		s->head = r->next;
		give(n);
	}
	if (head != s->head)
		judge(s, una);
}

bool sack_taken_back(const struct sack *s, uint32_t una)
{
	return s->head && seq_le(at(s->head)->b.start, una);
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
