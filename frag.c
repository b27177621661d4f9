// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frag.c - reassembly of the guest's IP fragments
 *
 * Each datagram being collected owns one buffer large enough for any IP
 * payload. A fragment's bytes go straight to their final place in it, and two
 * bitmaps over its 8-byte blocks (fragment offsets count in those) say which
 * blocks are there and at which of them a fragment began. That is all the
 * bookkeeping: no list of holes that a hostile guest could make long.
 *
 * The first fragment's headers are kept apart until the end and are then put
 * right in front of the data, patched as if nothing had ever been cut.
 *
 * Whatever is contradictory (overlap, two different ends, too long) kills the
 * datagram: it stays known by its key, so that the rest of its fragments are
 * dropped too, until it is old or its place is needed (RFC 5722, RFC 8200 4.5;
 * the same is done for IPv4). Places are taken from the oldest.
 *
 * Who waits in vain for an answer should know why: a datagram that is not complete
 * in time is told of, if its first fragment is here to be quoted (RFC 792, RFC
 * 4443 3.3). As many as there are places can be in that time, which is all the
 * limit that this needs.
 *
 * The buffers are mapped at start without being touched: a guest that never
 * fragments costs nothing.
 */
#include "frag.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "addr.h"
#include "csum.h"
#include "cursor.h"
#include "guest.h"
#include "hdr.h"
#include "log.h"
#include "send.h"
#include "timer.h"
#include "util.h"

#define DATAGRAMS	16
#define LIFE		(30 * SEC)

#define QUOTE_MAX	1232	/* bytes of data in an error, at most */
#define ICMP4_ECHO	8
#define ICMP4_TIME_EXCEEDED	11
#define ICMP6_TIME_EXCEEDED	3
#define REASSEMBLY	1	/* ... of which this was the time */
#define ICMP6_INFO	128	/* from here on, they are no errors */

#define IP_MAX		65535	/* total length (IPv4), payload (IPv6) */
#define BLOCKS		(65536 / 8)

/* Ethernet and what is never fragmented: IPv4 with options is 74 bytes, IPv6
 * has extension headers of its own; more of those than this has no honest use */
#define HEAD_MAX	256

/* The flags and offset field of either family */
#define IP4_MF		0x2000
#define IP4_OFF		0x1fff
#define IP6_MF		0x0001
#define IP6_OFF		0xfff8

/* What identifies a datagram: RFC 791 3.2, RFC 8200 4.5 */
struct key {
	union addr	src, dst;
	uint32_t	id;
	uint8_t		proto;		/* IPv4 only */
	bool		v4;		/* IPv6 can carry mapped addresses */
};

/* One fragment, as read */
struct piece {
	struct key	key;
	uint32_t	off, len;	/* of its data, in the datagram */
	bool		more;
	struct cursor	data;

	uint8_t		head[HEAD_MAX];	/* Ethernet to end of unfragmentable
					 * part, fragment header left out */
	uint32_t	headlen;
	uint32_t	nextat;		/* IPv6: place of the number of the
					 * fragment header, to be replaced by */
	uint8_t		next;		/* ... this */
};

/* One datagram; small, so that looking through all touches no buffer */
struct dgram {
	struct key	key;
	uint64_t	born;
	bool		used, dead;
	bool		ended;		/* the last fragment is here */
	uint32_t	end;		/* highest byte seen; if ended, length */
	uint32_t	got;		/* bytes here */
	uint32_t	headlen;	/* 0: first fragment not here */
	uint32_t	nextat;		/* of that: see struct piece */
};

struct store {
	uint8_t		have[BLOCKS / 8];
	uint8_t		start[BLOCKS / 8];
	uint8_t		head[HEAD_MAX];		/* right in front of data */
	uint8_t		data[65536];
};

static struct {
	struct dgram	d[DATAGRAMS];
	struct store	*store;		/* one each, and one for what was never
					 * in pieces */
	struct timer	timer;		/* for the oldest */
} frag;

void frag_init(void)
{
	if (!frag.store) {
		void *p = mmap(NULL, (DATAGRAMS + 1) * sizeof(struct store),
			       PROT_READ | PROT_WRITE, MAP_PRIVATE |
			       MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			die_perror("Cannot map memory for fragments");
		frag.store = p;
	}
	memset(frag.d, 0, sizeof(frag.d));
	frag.timer = (struct timer){ 0 };
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* take() - Pull @n more bytes of header into @p->head; where they are, or NULL
 * if the frame ends before or the header is longer than we keep */
static uint8_t *take(struct piece *p, struct cursor *c, uint32_t n)
{
	uint8_t *to = p->head + p->headlen;

	if (n > HEAD_MAX - p->headlen || !cur_pull(c, to, n))
		return NULL;
	p->headlen += n;
	return to;
}

static bool read_ip4(struct piece *p, struct cursor *c)
{
	uint8_t *ip = take(p, c, IP4_HLEN);
	uint32_t hlen, total, field;
	struct in_addr in;

	if (!ip || ip[0] >> 4 != 4)
		return false;

	hlen = (ip[0] & 0x0fU) * 4;
	total = be16(ip + 2);
	if (hlen < IP4_HLEN || total <= hlen)
		return false;
	if (hlen > IP4_HLEN && !take(p, c, hlen - IP4_HLEN))
		return false;

	field = be16(ip + 6);
	p->more = field & IP4_MF;
	p->off = (field & IP4_OFF) * 8;
	if (!p->more && !p->off)
		return false;

	p->key.v4 = true;
	p->key.id = be16(ip + 4);
	p->key.proto = ip[9];
	memcpy(&in, ip + 12, sizeof(in));
	p->key.src = addr_from4(in);
	memcpy(&in, ip + 16, sizeof(in));
	p->key.dst = addr_from4(in);

	p->len = total - hlen;
	return cur_sub(c, &p->data, p->len);
}

/* read_ip6() - The unfragmentable part is the IPv6 header and what routers may
 * have to look at: hop-by-hop, routing and destination options (RFC 8200 4.1) */
static bool read_ip6(struct piece *p, struct cursor *c)
{
	uint8_t *ip = take(p, c, IP6_HLEN), *ext, fh[8], next;
	uint32_t left, field;

	if (!ip || ip[0] >> 4 != 6)
		return false;

	left = be16(ip + 4);
	memcpy(&p->key.src, ip + 8, sizeof(p->key.src));
	memcpy(&p->key.dst, ip + 24, sizeof(p->key.dst));
	p->nextat = (uint32_t)(ip + 6 - p->head);
	next = ip[6];

	while (next != IPPROTO_FRAGMENT) {	/* as long as p->head has room */
		uint32_t n;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_DSTOPTS)
			return false;

		ext = take(p, c, 8);
		if (!ext)
			return false;
		n = ext[1] * 8U;
		if (left < 8 + n || (n && !take(p, c, n)))
			return false;
		left -= 8 + n;
		p->nextat = (uint32_t)(ext - p->head);
		next = ext[0];
	}

	if (left <= sizeof(fh) || !cur_pull(c, fh, sizeof(fh)))
		return false;

	field = be16(fh + 2);
	p->next = fh[0];
	p->more = field & IP6_MF;
	p->off = field & IP6_OFF;
	p->key.id = (uint32_t)be16(fh + 4) << 16 | be16(fh + 6);

	p->len = left - (uint32_t)sizeof(fh);
	return cur_sub(c, &p->data, p->len);
}

static bool read_piece(struct piece *p, const struct iovec *iov, size_t len)
{
	struct cursor c;
	uint8_t *eth;
	bool ok;

	memset(p, 0, sizeof(*p));
	cur_init(&c, iov, len);

	eth = take(p, &c, ETH_HLEN_);
	if (!eth)
		return false;

	switch (be16(eth + 12)) {
	case ETHTYPE_IP4:
		ok = read_ip4(p, &c);
		break;
	case ETHTYPE_IP6:
		ok = read_ip6(p, &c);
		break;
	default:
		ok = false;
	}

	/* Only the last may end between two blocks (RFC 8200 4.5) */
	return ok && !(p->more && p->len % 8);
}

static bool key_eq(const struct key *a, const struct key *b)
{
	return a->v4 == b->v4 && a->id == b->id && a->proto == b->proto &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst);
}

static struct store *store_of(const struct dgram *d)
{
	return &frag.store[d - frag.d];
}

/* may_tell() - No answer to groups, nor to what may be an error itself (RFC 1122
 * 3.2.2, RFC 4443 2.4 (e)) */
static bool may_tell(const struct dgram *d)
{
	const struct store *s = store_of(d);
	const struct key *k = &d->key;
	uint8_t next = k->v4 ? k->proto :
			       s->head[HEAD_MAX - d->headlen + d->nextat];

	if (!guest()->net[k->v4 ? GUEST_V4 : GUEST_V6].on ||
	    !addr_is_unicast(&k->src) || !addr_is_unicast(&k->dst) ||
	    addr_is4(&k->src) != k->v4 || addr_is4(&k->dst) != k->v4)
		return false;
	if (next == IPPROTO_ICMP)
		return s->data[0] == ICMP4_ECHO;
	return next != IPPROTO_ICMPV6 || s->data[0] >= ICMP6_INFO;
}

/* give_up() - The time of @d is over */
static void give_up(struct dgram *d)
{
	uint8_t quote[QUOTE_MAX + HEAD_MAX + 8], *p = quote;
	const struct store *s = store_of(d);
	uint32_t len = d->headlen - ETH_HLEN_, i;

	d->used = false;
	if (d->dead || !d->headlen || !may_tell(d))
		return;

	/* The first fragment as it was */
	memcpy(p, s->head + HEAD_MAX - len, len);
	p += len;
	if (!d->key.v4) {
		uint8_t fh[8] = { quote[d->nextat - ETH_HLEN_], 0, 0, IP6_MF };

		quote[d->nextat - ETH_HLEN_] = IPPROTO_FRAGMENT;
		put_be16(fh + 4, d->key.id >> 16);
		put_be16(fh + 6, d->key.id & 0xffff);
		memcpy(p, fh, sizeof(fh));
		p += sizeof(fh);
	}
	for (i = 0; i < QUOTE_MAX / 8 && bit_test(s->have, i); i++, p += 8) {
		if (i && bit_test(s->start, i))
			break;			/* the next one */
		memcpy(p, s->data + i * 8, 8);
	}
	send_icmp_quote(send_router(&d->key.dst), &d->key.src,
			d->key.v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED,
			REASSEMBLY, 0, quote, (size_t)(p - quote));
}

static void expire(void)
{
	unsigned i;

	for (i = 0; i < DATAGRAMS; i++) {
		if (frag.d[i].used && clock_now() - frag.d[i].born >= LIFE)
			give_up(&frag.d[i]);
	}
}

/* arm() - Wake up when the oldest has had its time */
static void arm(void)
{
	uint64_t born = UINT64_MAX;
	unsigned i;

	for (i = 0; i < DATAGRAMS; i++) {
		if (frag.d[i].used)
			born = MIN(born, frag.d[i].born);
	}
	if (born == UINT64_MAX)
		timer_off(&frag.timer);
	else
		timer_set(&frag.timer, TM_FRAG, born + LIFE - clock_now());
}

void frag_timer(struct timer *t)
{
	(void)t;
	expire();
	arm();
}

/* lookup() - The datagram of this key; else a fresh one, in a free place or in
 * that of the oldest */
static struct dgram *lookup(const struct key *key)
{
	struct dgram *d, *best = frag.d;

	for (d = frag.d; d < frag.d + DATAGRAMS; d++) {
		if (d->used && key_eq(&d->key, key))
			return d;
		if (best->used && (!d->used || d->born < best->born))
			best = d;
	}

	*best = (struct dgram){ .used = true, .key = *key,
				.born = clock_now() };
	memset(store_of(best)->have, 0, sizeof(store_of(best)->have));
	memset(store_of(best)->start, 0, sizeof(store_of(best)->start));
	return best;
}

/* same_bytes() - Compare @n bytes at @c with those at @p */
static bool same_bytes(struct cursor c, const uint8_t *p, size_t n)
{
	uint8_t buf[512];

	while (n) {
		size_t chunk = MIN(n, sizeof(buf));

		if (!cur_pull(&c, buf, chunk) || memcmp(buf, p, chunk))
			return false;
		p += chunk;
		n -= chunk;
	}
	return true;
}

/* blocks_free() - Is nothing of [first, last) here yet? */
static bool blocks_free(const struct store *s, uint32_t first, uint32_t last)
{
	uint32_t i;

	for (i = first; i < last; i++) {
		if (bit_test(s->have, i))
			return false;
	}
	return true;
}

/*
 * duplicate() - Did exactly this fragment come before? Those are harmless, the
 * network may make them, and RFC 8200 4.5 lets us tell them from overlaps
 */
static bool duplicate(const struct dgram *d, const struct piece *p)
{
	const struct store *s = store_of(d);
	uint32_t first = p->off / 8, last = (p->off + p->len + 7) / 8, i;

	if (p->off + p->len > IP_MAX || !bit_test(s->start, first))
		return false;
	for (i = first + 1; i < last; i++) {
		if (!bit_test(s->have, i) || bit_test(s->start, i))
			return false;
	}
	/* The old one ended here as well */
	if (last < BLOCKS && bit_test(s->have, last) &&
	    !bit_test(s->start, last))
		return false;
	if (p->more ? d->ended && p->off + p->len == d->end :
	    !d->ended || p->off + p->len != d->end)
		return false;

	return same_bytes(p->data, s->data + p->off, p->len);
}

/* fits() - No contradiction between this fragment and what is here? */
static bool fits(const struct dgram *d, const struct piece *p)
{
	uint32_t end = p->off + p->len;

	/* The family's own limit counts headers, too: see finish() */
	if (end > IP_MAX)
		return false;
	if (d->ended && (!p->more || end > d->end))
		return false;
	if (!p->more && end < d->end)
		return false;
	return blocks_free(store_of(d), p->off / 8, (end + 7) / 8);
}

static void store_piece(struct dgram *d, struct piece *p)
{
	uint32_t first = p->off / 8, last = (p->off + p->len + 7) / 8, i;
	struct store *s = store_of(d);

	cur_pull(&p->data, s->data + p->off, p->len);
	bit_set(s->start, first);
	for (i = first; i < last; i++)
		bit_set(s->have, i);

	d->got += p->len;
	d->end = MAX(d->end, p->off + p->len);
	d->ended |= !p->more;

	if (!p->off) {
		memcpy(s->head + HEAD_MAX - p->headlen, p->head, p->headlen);
		d->headlen = p->headlen;
		d->nextat = p->nextat;
		/* RFC 8200 4.5: only the first one's next header counts */
		if (p->nextat)
			s->head[HEAD_MAX - p->headlen + p->nextat] = p->next;
	}
}

/* finish() - Patch the headers in front of @len bytes of data; false if the
 * whole exceeds what a header can say */
static bool finish(struct store *s, uint32_t headlen, uint32_t len,
		   struct iovec *out)
{
	uint8_t *eth = s->head + HEAD_MAX - headlen, *ip = eth + ETH_HLEN_;
	uint32_t hlen = headlen - ETH_HLEN_;
	uint16_t sum;

	if (ip[0] >> 4 == 4) {
		if (hlen + len > IP_MAX)
			return false;
		put_be16(ip + 2, hlen + len);
		put_be16(ip + 6, 0);
		put_be16(ip + 10, 0);
		sum = csum_fold(csum_partial(ip, hlen, 0));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		if (hlen - IP6_HLEN + len > IP_MAX)
			return false;
		put_be16(ip + 4, hlen - IP6_HLEN + len);
	}

	out->iov_base = eth;
	out->iov_len = headlen + len;
	return true;
}

/* whole() - An "atomic" fragment is all of its datagram and has nothing to do
 * with others of the same key (RFC 6946) */
static size_t whole(struct piece *p, struct iovec *out)
{
	struct store *s = &frag.store[DATAGRAMS];

	cur_pull(&p->data, s->data, p->len);
	memcpy(s->head + HEAD_MAX - p->headlen, p->head, p->headlen);
	s->head[HEAD_MAX - p->headlen + p->nextat] = p->next;
	return finish(s, p->headlen, p->len, out) ? out->iov_len : 0;
}

size_t frag_input(const struct iovec *iov, size_t len, struct iovec *out)
{
	struct piece p;
	struct dgram *d;

	expire();
	if (!read_piece(&p, iov, len))
		return 0;
	if (!p.off && !p.more)
		return whole(&p, out);

	d = lookup(&p.key);
	if (d->dead || duplicate(d, &p))
		return 0;
	if (!fits(d, &p)) {
		d->dead = true;
		return 0;
	}

	store_piece(d, &p);
	if (!frag.timer.armed)
		arm();
	if (!d->ended || d->got < d->end)
		return 0;

	if (!finish(store_of(d), d->headlen, d->end, out)) {
		d->dead = true;
		return 0;
	}
	/* Its bytes stay until the next call, as promised */
	d->used = false;
	arm();
	return out->iov_len;
}

unsigned frag_pending(void)
{
	unsigned i, n = 0;

	expire();
	for (i = 0; i < DATAGRAMS; i++)
		n += frag.d[i].used && !frag.d[i].dead;
	return n;
}
