// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost_front.c - the other end of vhost-user for tests
 */
#include "vhost_front.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define HALF		(FRONT_MEM / 2)
#define F_MRG		(1U << 15)
#define F_EVENT_IDX	(1U << 29)
#define F_PROTOCOL	(1U << 30)

/* Where things are: rings, tables, frames that leave, buffers for those to come
 * (across the border of the regions) */
#define AT_RING(i)	((size_t)(i) * 65536)
#define AT_TABLES	((size_t)1 << 20)
#define AT_TX(i)	((size_t)((i) < TX_MAX / 2 ? 4 : 17) << 20)
#define AT_RX		((size_t)11 << 20)
#define TX_STEP		69632U
#define TX_MAX		128U

struct header { uint32_t request, flags, size; };

/* Remember the first thing that is not as it must be */
#define NEED(cond)	need(f, cond, #cond)

static bool need(struct front *f, bool holds, const char *what)
{
	if (!holds && !f->wrong)
		f->wrong = what;
	return holds;
}


void front_open(struct front *f, int *back)
{
	int pair[2];
	uint8_t *p;

	memset(f, 0, sizeof(*f));
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	f->fd = pair[1];
	*back = pair[0];
	f->memfd = memfd_create("guest", MFD_CLOEXEC);
	NEED(ftruncate(f->memfd, (off_t)FRONT_MEM) == 0);
	/* In the guest's order: the first region is the second half of it */
	p = mmap(NULL, FRONT_MEM, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(p != MAP_FAILED);
	NEED(mmap(p, HALF, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    f->memfd, (off_t)HALF) == p);
	NEED(mmap(p + HALF, HALF, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, f->memfd, 0) == p + HALF);
	f->mem = p;
	f->ring[0].kick = f->ring[0].call = -1;
	f->ring[1].kick = f->ring[1].call = -1;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void front_close(struct front *f)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		drop(&f->ring[i].kick);
		drop(&f->ring[i].call);
	}
	drop(&f->fd);
	drop(&f->memfd);
	if (f->mem)
		munmap(f->mem, FRONT_MEM);
	f->mem = NULL;
}

uint64_t front_addr(const struct front *f, const void *p)
{
	return FRONT_BASE + (uint64_t)((const uint8_t *)p - f->mem);
}

/* -------------------------------------------------------------- messages */

bool front_send(struct front *f, uint32_t request, uint32_t flags,
		const void *p, size_t len, const int *fd, unsigned nfd)
{
	struct header h = { request, flags, (uint32_t)len };
	struct iovec iov[2] = {
		{ &h, sizeof(h) }, { (void *)(uintptr_t)p, len },
	};
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(16 * sizeof(int))];
	} control = { .buf = { 0 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfd) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfd * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfd * sizeof(int));
		memcpy(CMSG_DATA(c), fd, nfd * sizeof(int));
	}
	return sendmsg(f->fd, &m, MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + len);
}

bool front_u64(struct front *f, uint32_t request, uint64_t v)
{
	return front_send(f, request, 1, &v, sizeof(v), NULL, 0);
}

bool front_state(struct front *f, uint32_t request, uint32_t i, uint32_t n)
{
	uint32_t s[2] = { i, n };

	return front_send(f, request, 1, s, sizeof(s), NULL, 0);
}

int front_answer(struct front *f, uint32_t request, void *p, size_t size)
{
	struct header h;

	if (recv(f->fd, &h, sizeof(h), MSG_DONTWAIT) != sizeof(h))
		return -1;
	NEED(h.request == request);
	NEED(h.flags == 5);
	if (!NEED(h.size <= size) ||
	    recv(f->fd, p, h.size, MSG_DONTWAIT) != (ssize_t)h.size)
		return -1;
	return (int)h.size;
}

bool front_mem_table(struct front *f, bool swap)
{
	struct {
		uint32_t n, padding;
		uint64_t r[2][4];
	} t = { .n = 2, .r = {
		{ FRONT_BASE, HALF, FRONT_USER, HALF },
		{ FRONT_BASE + HALF, HALF, FRONT_USER + HALF, 0 },
	} };
	int fds[2] = { f->memfd, f->memfd };
	uint64_t first[4];

	if (swap) {
		memcpy(first, t.r[0], sizeof(first));
		memcpy(t.r[0], t.r[1], sizeof(first));
		memcpy(t.r[1], first, sizeof(first));
	}
	return front_send(f, SET_MEM_TABLE, 1, &t, sizeof(t), fds, 2);
}

bool front_tell(struct front *f, unsigned i, uint16_t base)
{
	struct front_ring *r = &f->ring[i];
	uint64_t user = FRONT_USER - FRONT_BASE, n = i;
	struct {
		uint32_t i, flags;
		uint64_t desc, used, avail, log;
	} a = { i, 0, user + front_addr(f, r->desc),
		user + front_addr(f, r->used), user + front_addr(f, r->avail),
		0 };

	drop(&r->kick);
	drop(&r->call);
	r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return front_state(f, SET_VRING_NUM, i, r->num) &&
	       front_state(f, SET_VRING_BASE, i, base) &&
	       front_send(f, SET_VRING_ADDR, 1, &a, sizeof(a), NULL, 0) &&
	       front_send(f, SET_VRING_KICK, 1, &n, 8, &r->kick, 1) &&
	       front_send(f, SET_VRING_CALL, 1, &n, 8, &r->call, 1);
}

/* -------------------------------------------------------------- rings */

void front_rings(struct front *f)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct front_ring *r = &f->ring[i];
		uint8_t *p = f->mem + AT_RING(i);

		memset(p, 0, 65536);
		r->num = f->style.num[i];
		r->desc = (void *)p;
		r->avail = (void *)(p + 32768);
		r->used = (void *)(p + 49152);
		r->next = r->seen = r->free = 0;
		r->kicks = 0;
	}
	f->txat = 0;
}

static bool has(const struct front *f, uint64_t feature)
{
	return f->style.features & feature;
}

static uint16_t load(uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static bool need_event(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool kick(struct front *f, struct front_ring *r)
{
	const uint64_t one = 1;
	bool want;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (has(f, F_EVENT_IDX))
		want = need_event(load(r->used + 2 + r->num * 4), r->next,
				  (uint16_t)(r->next - 1));
	else
		want = !(load(r->used) & 1);
	if (want && r->kick >= 0)
		NEED(write(r->kick, &one, 8) == 8);
	r->kicks += want;
	return want;
}

static void make_avail(struct front_ring *r, uint16_t head)
{
	r->avail[2 + r->next % r->num] = head;
	r->next++;
	__atomic_store_n(r->avail + 1, r->next, __ATOMIC_RELEASE);
}

/* chain() - Descriptors for @len bytes at @p in pieces of @part. Return: the
 * first of them */
static uint16_t chain(struct front *f, unsigned ring, uint8_t *p, size_t len,
		      size_t part, uint16_t flags)
{
	struct front_ring *r = &f->ring[ring];
	struct front_desc *table = r->desc;
	uint16_t head = r->free, i = head;
	size_t n = 0;

	if (f->style.indirect) {
		/* One for each entry of each ring, of 128 descriptors */
		table = (void *)(f->mem + AT_TABLES +
				 (ring * 512U + head % 512U) * 2048);
		i = 0;
	}
	while (len) {
		uint64_t at = front_addr(f, p);

		n = MIN(part, len);
		len -= n;
		table[i] = (struct front_desc){
			at, (uint32_t)n, flags, 0,
		};
		p += n;
		if (len) {
			table[i].flags |= D_NEXT;
			table[i].next = f->style.indirect ?
				(uint16_t)(i + 1) :
				(uint16_t)((i + 1U) % r->num);
		}
		i = f->style.indirect ? (uint16_t)(i + 1) :
					(uint16_t)((i + 1U) % r->num);
	}
	if (f->style.indirect) {
		r->desc[head] = (struct front_desc){
			front_addr(f, table), i * 16U, D_INDIRECT, 0,
		};
		i = (uint16_t)((head + 1U) % r->num);
	}
	r->free = i;
	return head;
}

void front_fill(struct front *f, unsigned n)
{
	struct front_ring *r = &f->ring[0];
	unsigned parts = MAX(f->style.rxparts, 1U);
	unsigned max = f->style.indirect ? r->num : r->num / parts;
	size_t size = f->style.rxbuf;

	while (n-- && (uint16_t)(r->next - r->seen) < max) {
		size_t at = AT_RX + r->next % max * size;
		uint16_t head = chain(f, 0, f->mem + at, size,
				      (size + parts - 1) / parts, D_WRITE);

		memset(f->mem + at, 0xa5, size);
		make_avail(r, head);
		kick(f, r);
	}
}

bool front_push(struct front *f, const void *vnet, const void *p, size_t len)
{
	struct front_ring *r = &f->ring[1];
	size_t head = f->style.features >> 32 & 1 || has(f, F_MRG) ? 12 : 10;
	size_t part = f->style.txpart ? f->style.txpart : len + head;
	size_t parts = f->style.indirect ? 1 : (len + head + part - 1) / part;
	unsigned max = (unsigned)MIN(r->num / parts, TX_MAX);
	uint8_t *at = f->mem + AT_TX(f->txat % TX_MAX) +
		      f->txat % (TX_MAX / 2) * TX_STEP;

	front_reap(f);
	if ((uint16_t)(r->next - r->seen) >= max)
		return false;
	memset(at, 0, head);
	if (vnet)
		memcpy(at, vnet, head);
	memcpy(at + head, p, len);
	f->txat++;
	make_avail(r, chain(f, 1, at, len + head, part, 0));
	kick(f, r);
	return true;
}

/* used() - What the other side has given back: descriptor and length */
static bool used(struct front_ring *r, uint32_t elem[2])
{
	if (load(r->used + 1) == r->seen)
		return false;
	memcpy(elem, r->used + 2 + r->seen % r->num * 4, 8);
	r->seen++;
	return true;
}

unsigned front_reap(struct front *f)
{
	struct front_ring *r = &f->ring[1];
	uint32_t elem[2];
	unsigned n = 0;

	for (; used(r, elem); n++) {
		NEED(elem[0] == r->avail[2 + (uint16_t)(r->seen - 1) % r->num]);
		NEED(elem[1] == 0);
	}
	return n;
}

size_t front_pop(struct front *f, void *p, size_t size)
{
	struct front_ring *r = &f->ring[0];
	unsigned parts = MAX(f->style.rxparts, 1U), i;
	unsigned max = f->style.indirect ? r->num : r->num / parts;
	size_t head = f->style.features >> 32 & 1 || has(f, F_MRG) ? 12 : 10;
	size_t got = 0;
	uint32_t elem[2];
	uint16_t n = 1;

	for (i = 0; i < n; i++) {
		const uint8_t *at = f->mem + AT_RX +
				    r->seen % max * f->style.rxbuf;
		size_t skip = i ? 0 : head, len;

		if (!used(r, elem)) {
			NEED(i == 0);
			return 0;
		}
		/* In order, and not more than there is */
		NEED(elem[0] == r->avail[2 + (uint16_t)(r->seen - 1) % r->num]);
		if (!NEED(elem[1] <= f->style.rxbuf && elem[1] > skip))
			return 0;
		if (!i) {
			memcpy(f->vnet, at, head);
			if (head == 12)
				memcpy(&n, at + 10, 2);
			NEED(n >= 1 && (n == 1 || has(f, F_MRG)));
		}
		/* Only the last may have room left; nothing behind is touched */
		if (i + 1 < n)
			NEED(elem[1] == f->style.rxbuf);
		len = elem[1] - skip;
		if (!NEED(got + len <= size))
			return 0;
		memcpy((uint8_t *)p + got, at + skip, len);
		got += len;
	}
	f->buffers = n;
	return got;
}

bool front_called(struct front *f, unsigned i)
{
	uint64_t v;

	return read(f->ring[i].call, &v, 8) == 8;
}

bool front_start(struct front *f, const struct front_style *style)
{
	bool good;

	f->style = *style;
	front_rings(f);
	front_fill(f, UINT32_MAX);
	good = front_send(f, SET_OWNER, 1, NULL, 0, NULL, 0) &&
	       front_u64(f, SET_FEATURES, style->features) &&
	       front_mem_table(f, false) && front_tell(f, 0, 0) &&
	       front_tell(f, 1, 0);
	if (has(f, F_PROTOCOL))
		good = good && front_state(f, SET_VRING_ENABLE, 0, 1) &&
		       front_state(f, SET_VRING_ENABLE, 1, 1);
	return good;
}
