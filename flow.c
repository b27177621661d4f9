// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow.c - the flow table: slots, sides, hash, generations, reap
 *
 * The table is one mapping, touched only where it is used; free slots are
 * chained through themselves and the most recently freed one is taken first,
 * so few conversations stay on few pages.
 *
 * The hash is open addressing with linear probing and backward-shift
 * deletion. An entry is 32 bits of the hash as a tag and the slot number with
 * its side, so that a probe rarely has to look at a flow. It starts with one
 * page and doubles by moving to the other of two mapped areas, since a sparse
 * big table would cost a page for each flow.
 *
 * Nothing here scans the whole table, and nothing here knows a protocol.
 */
#include "flow.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "siphash.h"

#define NIL		UINT32_MAX

#define HASH_MIN	512U			/* entries; 4 KiB */
#define HASH_MAX	(FLOW_MAX * 4)		/* two sides, half full */

struct entry {
	uint32_t	tag;		/* low bits choose the bucket */
	uint32_t	ref;		/* (slot << 1 | side) + 1; 0 = empty */
};

static struct {
	union flow	*slot;		/* FLOW_MAX of them */
	uint32_t	used;		/* slots ever taken: [0, used) */
	uint32_t	free;		/* list of recycled ones */
	uint32_t	reap;		/* list of closed ones */
	struct { uint32_t head, tail; unsigned n; } list[FLOW_LISTS];
	unsigned	count;
	uint64_t	opened;		/* in all */

	struct entry	*area[2];	/* one holds the hash */
	struct entry	*hash;
	uint32_t	mask;		/* entries - 1 */
	uint32_t	entries;	/* in use */
} tbl;

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die_perror("Cannot map %zu bytes for the flow table", size);
	return p;
}

void flow_init(void)
{
	const size_t area = HASH_MAX * sizeof(struct entry);
	unsigned i;

	if (tbl.slot) {
		munmap(tbl.slot, FLOW_MAX * sizeof(union flow));
		munmap(tbl.area[0], area);
		munmap(tbl.area[1], area);
	}
	memset(&tbl, 0, sizeof(tbl));
	tbl.slot = map(FLOW_MAX * sizeof(union flow));
	tbl.area[0] = map(area);
	tbl.area[1] = map(area);
	tbl.hash = tbl.area[0];
	tbl.mask = HASH_MIN - 1;
	tbl.free = tbl.reap = NIL;
	for (i = 0; i < FLOW_LISTS; i++)
		tbl.list[i].head = tbl.list[i].tail = NIL;
}

static uint32_t index_of(const union flow *f)
{
	return (uint32_t)(f - tbl.slot);
}

/* -------------------------------------------------------------- the hash */

static uint32_t key_hash(uint8_t proto, uint8_t pif, const union addr *peer,
			 in_port_t peer_port, const union addr *ours,
			 in_port_t ours_port)
{
	struct {
		union addr peer, ours;
		in_port_t peer_port, ours_port;
		uint8_t proto, pif, zero[2];
	} key = { *peer, *ours, peer_port, ours_port, proto, pif, { 0, 0 } };

	return (uint32_t)siphash(&key, sizeof(key));
}

static uint32_t side_hash(const union flow *f, unsigned side)
{
	const struct side *s = &f->h.side[side];

	return key_hash(f->h.proto, s->pif, &s->peer, s->peer_port, &s->ours,
			s->ours_port);
}

static void hash_put(uint32_t tag, uint32_t ref)
{
	uint32_t i = tag & tbl.mask;

	while (tbl.hash[i].ref)
		i = (i + 1) & tbl.mask;
	tbl.hash[i] = (struct entry){ tag, ref };
}

/* Twice the size, in the other area; the old pages go back to the kernel */
static void hash_grow(void)
{
	struct entry *old = tbl.hash;
	uint32_t i, n = tbl.mask + 1;

	tbl.hash = old == tbl.area[0] ? tbl.area[1] : tbl.area[0];
	tbl.mask = n * 2 - 1;
	for (i = 0; i < n; i++) {
		if (old[i].ref)
			hash_put(old[i].tag, old[i].ref);
	}
	madvise(old, n * sizeof(*old), MADV_DONTNEED);
}

static void hash_add(const union flow *f, unsigned side)
{
	if (tbl.entries * 2 > tbl.mask && tbl.mask + 1 < HASH_MAX)
		hash_grow();
	hash_put(side_hash(f, side), (index_of(f) << 1 | side) + 1);
	tbl.entries++;
}

static void hash_del(const union flow *f, unsigned side)
{
	uint32_t ref = (index_of(f) << 1 | side) + 1;
	uint32_t i = side_hash(f, side) & tbl.mask, j;

	while (tbl.hash[i].ref != ref) {
		if (!tbl.hash[i].ref)
			return;
		i = (i + 1) & tbl.mask;
	}

	/* Close the gap: pull back whoever may move to it */
	for (j = (i + 1) & tbl.mask; tbl.hash[j].ref; j = (j + 1) & tbl.mask) {
		uint32_t home = tbl.hash[j].tag & tbl.mask;

		if (((j - home) & tbl.mask) >= ((j - i) & tbl.mask)) {
			tbl.hash[i] = tbl.hash[j];
			i = j;
		}
	}
	tbl.hash[i].ref = 0;
	tbl.entries--;
}

static bool side_is(const struct side *s, uint8_t pif, const union addr *peer,
		    in_port_t peer_port, const union addr *ours,
		    in_port_t ours_port)
{
	return s->peer_port == peer_port && s->ours_port == ours_port &&
	       s->pif == pif && addr_eq(&s->peer, peer) &&
	       addr_eq(&s->ours, ours);
}

union flow *flow_find(uint8_t proto, uint8_t pif, const union addr *peer,
		      in_port_t peer_port, const union addr *ours,
		      in_port_t ours_port, unsigned *side)
{
	uint32_t tag = key_hash(proto, pif, peer, peer_port, ours, ours_port);
	uint32_t i;

	for (i = tag & tbl.mask; tbl.hash[i].ref; i = (i + 1) & tbl.mask) {
		uint32_t ref = tbl.hash[i].ref - 1;
		union flow *f;

		if (tbl.hash[i].tag != tag)
			continue;
		f = &tbl.slot[ref >> 1];
		if (f->h.proto != proto ||
		    !side_is(&f->h.side[ref & 1], pif, peer, peer_port, ours,
			     ours_port))
			continue;
		*side = ref & 1;
		return f;
	}
	return NULL;
}

bool flow_has_side(uint8_t proto, const struct side *s)
{
	unsigned side;

	return flow_find(proto, s->pif, &s->peer, s->peer_port, &s->ours,
			 s->ours_port, &side);
}

/* -------------------------------------------------------------- the slots */

union flow *flow_open(uint8_t proto, const struct side *ini, in_port_t target,
		      enum fwd_verdict *v)
{
	struct side tgt = { 0 };
	union flow *f;
	uint16_t gen;

	*v = fwd_target(proto, ini, target, &tgt);
	if (*v != FWD_OK)
		return NULL;

	if (tbl.free != NIL) {
		f = &tbl.slot[tbl.free];
		tbl.free = f->h.next;
	} else if (tbl.used < FLOW_MAX) {
		f = &tbl.slot[tbl.used++];
	} else {
		*v = FWD_DROP;
		return NULL;
	}

	gen = (uint16_t)(f->h.gen + 1);
	memset(f, 0, sizeof(*f));
	f->h.gen = gen ? gen : 1;
	f->h.type = FLOW_NEW;
	f->h.proto = proto;
	f->h.next = f->h.prev = NIL;
	f->h.side[0] = *ini;
	f->h.side[1] = tgt;
	tbl.count++;
	tbl.opened++;
	return f;
}

void flow_commit(union flow *f, enum flow_type type, unsigned hash_sides)
{
	unsigned side;

	f->h.type = (uint8_t)type;
	for (side = 0; side < 2; side++) {
		if (!(hash_sides & ~(unsigned)f->h.hashed & 1U << side))
			continue;
		hash_add(f, side);
		f->h.hashed |= (uint8_t)(1U << side);
	}
}

/* Take @f off the list it is on */
static void list_del(union flow *f)
{
	unsigned which = f->h.list - 1U;

	if (f->h.prev == NIL)
		tbl.list[which].head = f->h.next;
	else
		tbl.slot[f->h.prev].h.next = f->h.next;
	if (f->h.next == NIL)
		tbl.list[which].tail = f->h.prev;
	else
		tbl.slot[f->h.next].h.prev = f->h.prev;
	f->h.next = f->h.prev = NIL;
	f->h.list = 0;
	tbl.list[which].n--;
}

void flow_close(union flow *f)
{
	unsigned side;

	if (f->h.type == FLOW_CLOSED || f->h.type == FLOW_FREE)
		return;
	for (side = 0; side < 2; side++) {
		if (f->h.hashed & 1U << side)
			hash_del(f, side);
	}
	f->h.hashed = 0;
	timer_off(&f->h.timer);
	if (f->h.list)
		list_del(f);
	f->h.type = FLOW_CLOSED;
	f->h.next = tbl.reap;
	tbl.reap = index_of(f);
}

void flow_reap(void)
{
	while (tbl.reap != NIL) {
		union flow *f = &tbl.slot[tbl.reap];

		tbl.reap = f->h.next;
		f->h.type = FLOW_FREE;
		f->h.next = tbl.free;
		tbl.free = index_of(f);
		tbl.count--;
	}
}

union ev_ref flow_ref(const union flow *f, enum ev_type type, unsigned side)
{
	union ev_ref ref = { .u64 = 0 };

	ref.type = (uint8_t)type;
	ref.side = (uint8_t)side;
	ref.gen = f->h.gen;
	ref.index = index_of(f);
	return ref;
}

union flow *flow_at(union ev_ref ref)
{
	union flow *f;

	if (ref.index >= tbl.used)
		return NULL;
	f = &tbl.slot[ref.index];
	if (f->h.gen != ref.gen || f->h.type == FLOW_FREE ||
	    f->h.type == FLOW_CLOSED)
		return NULL;
	return f;
}

union flow *flow_of_timer(struct timer *t)
{
	return container_of(t, union flow, h.timer);
}

/* -------------------------------------------------------------- the lists */

void flow_list(union flow *f, enum flow_list which)
{
	uint32_t i = index_of(f);

	if (f->h.list == which + 1U || f->h.type == FLOW_CLOSED)
		return;
	if (f->h.list)
		list_del(f);
	f->h.list = (uint8_t)(which + 1);
	f->h.prev = tbl.list[which].tail;
	f->h.next = NIL;
	if (f->h.prev == NIL)
		tbl.list[which].head = i;
	else
		tbl.slot[f->h.prev].h.next = i;
	tbl.list[which].tail = i;
	tbl.list[which].n++;
}

void flow_unlist(union flow *f)
{
	if (f->h.list)
		list_del(f);
}

union flow *flow_first(enum flow_list which)
{
	uint32_t i = tbl.list[which].head;

	return i == NIL ? NULL : &tbl.slot[i];
}

union flow *flow_next(const union flow *f)
{
	return f->h.next == NIL ? NULL : &tbl.slot[f->h.next];
}

union flow *flow_take(enum flow_list which)
{
	union flow *f = flow_first(which);

	if (f)
		list_del(f);
	return f;
}

unsigned flow_listed(enum flow_list which)
{
	return tbl.list[which].n;
}

unsigned flow_count(void)
{
	return tbl.count;
}

uint64_t flow_opened(void)
{
	return tbl.opened;
}

union flow *flow_each(union flow *prev)
{
	uint32_t i;

	for (i = prev ? index_of(prev) + 1 : 0; i < tbl.used; i++) {
		union flow *f = &tbl.slot[i];

		if (f->h.type != FLOW_FREE && f->h.type != FLOW_CLOSED)
			return f;
	}
	return NULL;
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		return "?";
	}
}

const char *flow_str(const union flow *f)
{
	static char text[4 * ADDR_STRLEN + 32];
	const struct side *a = &f->h.side[0], *b = &f->h.side[1];
	char sa[ADDR_STRLEN], da[ADDR_STRLEN], ta[ADDR_STRLEN];

	snprintf(text, sizeof(text), "%s %s -> %s (to %s)",
		 proto_name(f->h.proto),
		 addr_port_str(&a->peer, a->peer_port, sa),
		 addr_port_str(&a->ours, a->ours_port, da),
		 addr_port_str(&b->peer, b->peer_port, ta));
	return text;
}
