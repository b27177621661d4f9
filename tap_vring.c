// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vring.c - virtqueues in memory of the guest
 *
 *	descriptors  [ address length flags next ] ...
 *	avail        flags idx [ head head ... ] used_event
 *	used         flags idx [ head,length ... ] avail_event
 *
 * The guest may write to any of it at any moment. So each number is read once,
 * into a variable of ours, and judged there; of a chain nothing is kept but
 * pieces of memory that are known to be mapped. Those are kept, though: what
 * was fetched and not used is at hand the next time, without a second look.
 *
 * Chains are used strictly in order. So the entry of avail to go on at is where
 * the used index stands: there is no more to know for another process that takes
 * over, even from one that crashed, and nothing of vhost-user's in-flight log is
 * needed.
 */
#include "tap_vring.h"

#include <endian.h>
#include <string.h>

#include "tap_vmem.h"
#include "util.h"

/* virtio 1.2, 2.7.5 to 2.7.8 */
#define DESC_NEXT	1U
#define DESC_WRITE	2U
#define DESC_INDIRECT	4U
#define DESC_SIZE	16U

#define AVAIL_NO_INTERRUPT	1U
#define USED_NO_NOTIFY		1U

#define OFF_FLAGS	0U
#define OFF_IDX		2U
#define OFF_RING	4U
#define USED_ELEM	8U

#define BAD_MAX		64	/* chains given back in one call */

struct desc {
	uint64_t	addr;
	uint32_t	len;
	uint16_t	flags, next;
};

_Static_assert(sizeof(struct desc) == DESC_SIZE, "descriptor");

/* ------------------------------------------------- numbers in shared memory */

static uint16_t load16(const uint8_t *p)
{
	const uint16_t *at = (const void *)p;

	return le16toh(__atomic_load_n(at, __ATOMIC_RELAXED));
}

static uint16_t load16_acquire(const uint8_t *p)
{
	const uint16_t *at = (const void *)p;

	return le16toh(__atomic_load_n(at, __ATOMIC_ACQUIRE));
}

static void store16(uint8_t *p, uint16_t value)
{
	uint16_t *at = (void *)p;

	__atomic_store_n(at, htole16(value), __ATOMIC_RELAXED);
}

static void store16_release(uint8_t *p, uint16_t value)
{
	uint16_t *at = (void *)p;

	__atomic_store_n(at, htole16(value), __ATOMIC_RELEASE);
}

static void store32(uint8_t *p, uint32_t value)
{
	uint32_t *at = (void *)p;

	__atomic_store_n(at, htole32(value), __ATOMIC_RELAXED);
}

/* What is behind has been done before what is ahead is looked at */
static void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static struct desc read_desc(const uint8_t *table, unsigned i)
{
	struct desc d;

	memcpy(&d, table + (size_t)i * DESC_SIZE, sizeof(d));
	/* From here on it is ours: never to be read again from there */
	__asm__ volatile("" : : : "memory");
	d.addr = le64toh(d.addr);
	d.len = le32toh(d.len);
	d.flags = le16toh(d.flags);
	d.next = le16toh(d.next);
	return d;
}

static uint8_t *used_elem(const struct vring *v, uint16_t i)
{
	return v->used + OFF_RING + (i & (v->num - 1)) * USED_ELEM;
}

/* Where the other side says from which entry on it wants to be woken */
static uint8_t *avail_event(const struct vring *v)
{
	return v->used + OFF_RING + v->num * USED_ELEM;
}

static uint8_t *used_event(const struct vring *v)
{
	return v->avail + OFF_RING + v->num * 2;
}

/* ---------------------------------------------------------- start and stop */

bool vring_size_ok(uint32_t num)
{
	return num && num <= VRING_MAX && !(num & (num - 1));
}

/* Find the three parts, aligned as virtio wants them; or leave it unmapped */
static void map(struct vring *v)
{
	uint8_t *desc = vmem_user(v->desc_at, (uint64_t)v->num * DESC_SIZE);
	uint8_t *avail = vmem_user(v->avail_at, OFF_RING + v->num * 2 + 2);
	uint8_t *used = vmem_user(v->used_at,
				  OFF_RING + v->num * USED_ELEM + 2);

	v->desc = NULL;
	if (!vring_size_ok(v->num) || !desc || !avail || !used)
		return;
	/* Also where they are: an offset in a file could be any */
	if ((uintptr_t)desc % 16 || (uintptr_t)avail % 2 ||
	    (uintptr_t)used % 4)
		return;
	v->desc = desc;
	v->avail = avail;
	v->used = used;
}

/* Nothing at hand, nothing known of the other side's index */
static void forget(struct vring *v, uint16_t next)
{
	v->next = v->seen = next;
	v->first = v->n = v->iov_end = 0;
	v->listening = true;		/* whatever stands there: say anew */
}

void vring_start(struct vring *v, uint16_t base)
{
	map(v);
	forget(v, base);
	v->runs = true;
	v->broken = false;
	v->told_any = false;
	v->used_idx = v->desc ? load16(v->used + OFF_IDX) : 0;
	v->told = v->used_idx;
}

uint16_t vring_stop(struct vring *v)
{
	uint16_t base = (uint16_t)(v->next - v->n);

	v->runs = false;
	v->desc = NULL;
	forget(v, base);
	return base;
}

void vring_remap(struct vring *v)
{
	bool was = v->desc;

	if (!v->runs)
		return;
	map(v);
	forget(v, (uint16_t)(v->next - v->n));
	v->told_any = false;
	if (!was && v->desc) {		/* only now can it be known */
		v->used_idx = load16(v->used + OFF_IDX);
		v->told = v->used_idx;
	}
}

/* ----------------------------------------------------------------- fetching */

/* add() - Append @len bytes at guest address @at to a chain */
static bool add(struct vring *v, struct vring_chain *c, uint64_t at,
		uint32_t len)
{
	while (len) {
		struct iovec *last = v->iov + v->iov_end - !!c->niov;
		uint64_t got;
		uint8_t *p = vmem_guest(at, len, &got);

		if (!p)
			return false;
		if (c->niov && (uint8_t *)last->iov_base + last->iov_len == p) {
			last->iov_len += got;
		} else {
			if (v->iov_end == VRING_IOV)
				return false;
			v->iov[v->iov_end++] = (struct iovec){ p, got };
			c->niov++;
		}
		c->len += got;
		at += got;
		len -= (uint32_t)got;
	}
	return true;
}

/* walk() - Fill @c from the descriptors that begin at @head; false: not a
 * chain. No more parts than VRING_MAX are looked at, so that loops end */
static bool walk(struct vring *v, uint16_t head, struct vring_chain *c)
{
	const uint8_t *table = v->desc;
	unsigned size = v->num, parts = 0;
	bool inner = false;
	uint16_t i = head;
	uint64_t got;

	*c = (struct vring_chain){ .iov = v->iov_end, .head = head };
	while (i < size && parts < VRING_MAX) {
		struct desc d = read_desc(table, i);

		if (d.flags & DESC_INDIRECT) {
			if (inner || d.flags & DESC_NEXT || d.len % DESC_SIZE)
				return false;
			table = vmem_guest(d.addr, d.len, &got);
			if (!table || got < d.len)
				return false;
			size = d.len / DESC_SIZE;
			inner = true;
			i = 0;
			continue;
		}
		if (!(d.flags & DESC_WRITE) == v->to_guest ||
		    !add(v, c, d.addr, d.len))
			return false;
		if (!(d.flags & DESC_NEXT))
			return true;
		i = d.next;
		parts++;
	}
	return false;
}

/* compact() - Move what is at hand to the front */
static void compact(struct vring *v)
{
	unsigned at, i;

	if (!v->n) {
		v->first = v->iov_end = 0;
		return;
	}
	if (!v->first)
		return;
	at = v->chain[v->first].iov;
	memmove(v->chain, v->chain + v->first, v->n * sizeof(v->chain[0]));
	memmove(v->iov, v->iov + at, (v->iov_end - at) * sizeof(v->iov[0]));
	for (i = 0; i < v->n; i++)
		v->chain[i].iov -= at;
	v->first = 0;
	v->iov_end -= at;
}

/* is_new() - Is there an entry that was not fetched yet? */
static bool is_new(struct vring *v)
{
	if (v->seen == v->next) {
		v->seen = load16_acquire(v->avail + OFF_IDX);
		/* More than fit besides those at hand: it has lost count, or
		 * means us harm */
		if ((uint16_t)(v->seen - v->next) + v->n > v->num)
			v->broken = true;
	}
	return !v->broken && v->seen != v->next;
}

unsigned vring_fetch(struct vring *v, unsigned want)
{
	unsigned bad = 0;

	if (!vring_ok(v))
		return 0;
	if (!v->n || v->first + v->n > VRING_MAX ||
	    v->iov_end > VRING_IOV - VRING_MAX)
		compact(v);

	while (v->n < want && v->first + v->n < ARRAY_LEN(v->chain) &&
	       bad < BAD_MAX && is_new(v)) {
		struct vring_chain *c = vring_chain(v, v->n);
		unsigned mark = v->iov_end;
		uint16_t head = load16(v->avail + OFF_RING +
				       (v->next & (v->num - 1)) * 2);

		if (head >= v->num) {
			v->broken = true;
			break;
		}
		if (walk(v, head, c)) {
			v->n++;
			v->next++;
			continue;
		}

		/* It may just be too much besides the others; and if not, they
		 * go back before it */
		v->iov_end = mark;
		if (v->n)
			break;
		v->n++;
		v->next++;
		vring_use(v, 0);
		compact(v);
		bad++;
	}
	if (bad)
		vring_publish(v);
	return v->n;
}

/* -------------------------------------------------------------------- using */

void vring_use(struct vring *v, uint32_t len)
{
	uint8_t *p = used_elem(v, v->used_idx);

	store32(p, v->chain[v->first].head);
	store32(p + 4, len);
	v->used_idx++;
	v->first++;
	v->n--;
}

void vring_publish(struct vring *v)
{
	store16_release(v->used + OFF_IDX, v->used_idx);
}

bool vring_due(struct vring *v)
{
	uint16_t old = v->told, event;

	if (!vring_ok(v) || v->used_idx == old)
		return false;
	v->told = v->used_idx;
	full_barrier();
	if (!v->event_idx)
		return !(load16(v->avail + OFF_FLAGS) & AVAIL_NO_INTERRUPT);
	if (!v->told_any) {
		v->told_any = true;
		return true;
	}
	event = load16(used_event(v));
	return (uint16_t)(v->used_idx - event - 1) <
	       (uint16_t)(v->used_idx - old);
}

bool vring_listen(struct vring *v)
{
	if (!vring_ok(v))
		return false;
	if (v->event_idx)
		store16(avail_event(v), v->next);
	else
		store16(v->used + OFF_FLAGS, 0);
	v->listening = true;
	full_barrier();
	return is_new(v);
}

void vring_deaf(struct vring *v)
{
	/* With an event index it is enough not to move that on */
	if (vring_ok(v) && v->listening && !v->event_idx)
		store16(v->used + OFF_FLAGS, USED_NO_NOTIFY);
	v->listening = false;
}
