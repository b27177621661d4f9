// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_ooo.c - what the guest sent ahead of a segment that was lost
 *
 * A connection has a list of pieces, sorted, none of which overlap; each is a
 * queue of hold.c. A segment adds to the piece that ends where it begins, and
 * becomes a new piece otherwise, so that a loss followed by a megabyte of data
 * is one piece. Pieces that come to touch stay apart: nobody needs them joined,
 * and the blocks of a SACK option are joined on the fly.
 */
#include "tcp_ooo.h"

#include <string.h>

#include "util.h"

struct piece {
	uint32_t	seq;
	struct hold	data;
	uint16_t	next;		/* number + 1 */
	bool		fin;		/* end of data behind the last byte */
	bool		news;		/* the guest has not been told of all */
};

static struct {
	struct piece	piece[OOO_PIECES];
	uint16_t	free;		/* recycled ones */
	uint16_t	touched;	/* ever taken */
	unsigned	used;
	const struct ooo *twice_of;	/* whose duplicate, NULL = nobody's */
	struct seg_block twice;
} ooo;

void ooo_init(void)
{
	ooo.free = ooo.touched = 0;
	ooo.used = 0;
	ooo_forget();
}

static struct piece *at(uint16_t number)
{
	return number ? &ooo.piece[number - 1] : NULL;
}

static uint32_t end_of(const struct piece *p)
{
	return p->seq + p->data.len;
}

static uint16_t take(uint32_t seq)
{
	uint16_t n = ooo.free;

	if (n)
		ooo.free = at(n)->next;
	else if (ooo.touched < OOO_PIECES)
		n = ++ooo.touched;
	else
		return 0;
	ooo.used++;
	memset(at(n), 0, sizeof(struct piece));
	at(n)->seq = seq;
	return n;
}

static void give(uint16_t n)
{
	hold_free(&at(n)->data);
	at(n)->next = ooo.free;
	ooo.free = n;
	ooo.used--;
}

static unsigned count(const struct ooo *o)
{
	unsigned n = 0;
	uint16_t i;

	for (i = o->head; i; i = at(i)->next)
		n++;
	return n;
}

/* Fill a gap behind piece @prev (0: before all) with bytes from @seq on.
 * Return: number of the piece that has them, 0 without room */
static uint16_t fill(struct ooo *o, uint16_t prev, uint32_t seq,
		     struct cursor *c, size_t len)
{
	struct cursor part = *c;
	uint16_t n = prev;

	cur_trim(&part, len);
	if (!prev || end_of(at(prev)) != seq || at(prev)->fin) {
		n = count(o) < OOO_PER_FLOW ? take(seq) : 0;
		if (!n)
			return 0;
		at(n)->next = prev ? at(prev)->next : o->head;
		if (prev)
			at(prev)->next = n;
		else
			o->head = n;
	}
	o->recent = n;
	at(n)->news = true;
	return hold_put(&at(n)->data, &part) == len ? n : 0;
}

bool ooo_put(struct ooo *o, uint32_t seq, struct cursor *c, bool fin)
{
	uint16_t prev = 0, i;
	bool all = true;
	uint32_t gap;

	for (i = o->head; i && cur_left(c); prev = i, i = at(i)->next) {
		const struct piece *p = at(i);

		if (seq_lt(seq, p->seq)) {
			gap = MIN(p->seq - seq, (uint32_t)cur_left(c));
			all = fill(o, prev, seq, c, gap) && all;
			cur_skip(c, gap);
			seq += gap;
		}
		if (cur_left(c) && seq_lt(seq, end_of(p))) {
			gap = MIN(end_of(p) - seq, (uint32_t)cur_left(c));
			ooo_twice(o, seq, gap);
			cur_skip(c, gap);
			seq += gap;
			o->recent = i;
		}
	}

	/* Behind all that begin at or before it; an end alone is a piece too */
	if (!cur_left(c) && !fin)
		return all;
	for (; i && seq_le(at(i)->seq, seq); prev = i, i = at(i)->next)
		;
	gap = (uint32_t)cur_left(c);
	prev = fill(o, prev, seq, c, gap);
	cur_skip(c, gap);
	if (prev && fin && end_of(at(prev)) == seq + gap)
		at(prev)->fin = true;
	return all && prev;
}

static void pop(struct ooo *o)
{
	uint16_t n = o->head;

	if (o->recent == n)
		o->recent = 0;
	o->head = at(n)->next;
	give(n);
}

static void drop(struct piece *p, uint32_t n)
{
	hold_drop(&p->data, n);
	p->seq += n;
}

const struct hold *ooo_next(struct ooo *o, uint32_t nxt, bool *fin)
{
	struct piece *p;

	while ((p = at(o->head)) && seq_le(p->seq, nxt)) {
		drop(p, MIN(nxt - p->seq, p->data.len));
		*fin = p->fin && p->seq == nxt;
		if (p->seq == nxt && (p->data.len || p->fin))
			return &p->data;
		pop(o);
	}
	return NULL;
}

void ooo_taken(struct ooo *o, uint32_t n)
{
	struct piece *p = at(o->head);

	if (!p)
		return;
	drop(p, MIN(n, p->data.len));
	if (!p->data.len)
		pop(o);
}

/* Pieces from number @i on that touch, as one block, which is empty for an end
 * of data alone */
struct joined {
	struct seg_block b;
	bool	recent, news;
	uint16_t next;
};

static struct joined join(const struct ooo *o, uint16_t i)
{
	struct joined j = { .b = { at(i)->seq, 0 } };

	do {
		j.b.end = end_of(at(i));
		j.recent = j.recent || i == o->recent;
		j.news = j.news || at(i)->news;
		i = at(i)->next;
	} while (i && at(i)->seq == j.b.end);
	j.next = i;
	return j;
}

static void told(uint16_t from, uint16_t to)
{
	for (; from != to; from = at(from)->next)
		at(from)->news = false;
}

void ooo_twice(const struct ooo *o, uint32_t seq, uint32_t n)
{
	ooo.twice_of = o;
	ooo.twice = (struct seg_block){ seq, seq + n };
}

void ooo_forget(void)
{
	ooo.twice_of = NULL;
}

unsigned ooo_blocks(struct ooo *o, struct seg_block *b, unsigned max)
{
	struct joined j;
	unsigned n = 0, round, twice;
	uint32_t turn = o->turn;
	uint16_t i;

	if (ooo.twice_of == o) {
		b[n++] = ooo.twice;
		ooo_forget();
	}
	twice = n;

	/* 0: the recent one, 1: news, 2 and 3: the others, going round */
	for (round = 0; round < 4; round++) {
		for (i = o->head; i && n < max; i = j.next) {
			j = join(o, i);
			if (j.b.start == j.b.end)
				continue;
			if (j.recent ? round != 0 : j.news ? round != 1 :
			    round != (seq_lt(turn, j.b.start) ? 2 : 3))
				continue;
			b[n++] = j.b;
			if (round >= 2)
				o->turn = j.b.start;
		}
	}
	for (i = o->head; i; i = j.next) {
		unsigned k;

		j = join(o, i);
		for (k = twice; k < n && b[k].start != j.b.start; k++)
			;
		if (k < n || j.b.start == j.b.end)
			told(i, j.next);
	}
	return n;
}

bool ooo_news(const struct ooo *o)
{
	uint16_t i;

	for (i = o->head; i && !at(i)->news; i = at(i)->next)
		;
	return i;
}

void ooo_free(struct ooo *o)
{
	while (o->head)
		pop(o);
	o->recent = 0;
	if (ooo.twice_of == o)
		ooo_forget();
}

unsigned ooo_used(void)
{
	return ooo.used;
}
