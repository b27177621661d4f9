// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fake_tap.c - a guest port for tests
 *
 * Two queues of heap copies: what the guest sent, and what it got. Slots are
 * heap blocks as well, one for each element, freed at the next reserve; so a
 * protocol that writes past its room, or touches a slot or frame after giving
 * it back, is caught by the address sanitizer.
 */
#include "fake_tap.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

#define IN_MAX		256
#define OUT_MAX		4096

struct frame {
	uint8_t *bytes;
	struct fake_info info;
};

struct lent {				/* a slot, or a frame received */
	struct iovec *iov;
	unsigned n;
	uint8_t *hdr;
};

static struct {
	struct fake_knobs knobs;

	struct frame in[IN_MAX];
	unsigned in_head, in_n;
	struct frame out[OUT_MAX];
	unsigned out_head, out_n, held;	/* held: of out_n, the last ones */
	unsigned dropped;

	struct lent slot[TAP_BATCH], rx[TAP_BATCH];
	int slots, rxs;
} fake;

/* split() - @len bytes as blocks of at most @elem */
static void split(struct lent *l, size_t len, size_t elem)
{
	unsigned i;

	if (!elem || elem > len)
		elem = len;
	l->n = elem ? (unsigned)((len + elem - 1) / elem) : 1;
	l->iov = calloc(l->n, sizeof(*l->iov));
	l->hdr = NULL;
	if (!l->iov)
		abort();

	for (i = 0; i < l->n; i++) {
		size_t n = MIN(elem, len);

		l->iov[i].iov_base = malloc(n);
		l->iov[i].iov_len = n;
		if (n && !l->iov[i].iov_base)
			abort();
		len -= n;
	}
}

static void unsplit(struct lent *l)
{
	unsigned i;

	for (i = 0; i < l->n; i++)
		free(l->iov[i].iov_base);
	free(l->iov);
	free(l->hdr);
	*l = (struct lent){ 0 };
}

void fake_reset(void)
{
	int i;

	for (i = 0; i < TAP_BATCH; i++) {
		unsplit(&fake.slot[i]);
		unsplit(&fake.rx[i]);
	}
	for (; fake.in_n; fake.in_n--)
		free(fake.in[fake.in_head++ % IN_MAX].bytes);
	for (; fake.out_n; fake.out_n--)
		free(fake.out[fake.out_head++ % OUT_MAX].bytes);

	memset(&fake, 0, sizeof(fake));
	fake.knobs.caps.max_frame = ETH_HLEN_ + 65535;
	fake.knobs.slots = fake.knobs.accept = -1;
}

struct fake_knobs *fake_knobs(void)
{
	return &fake.knobs;
}

bool fake_push(const void *frame, size_t len, uint16_t gso_size)
{
	struct frame *f = &fake.in[(fake.in_head + fake.in_n) % IN_MAX];

	if (fake.in_n == IN_MAX)
		return false;

	f->bytes = malloc(len);
	if (len && !f->bytes)
		abort();
	if (len)
		memcpy(f->bytes, frame, len);
	f->info = (struct fake_info){ .len = len, .gso_size = gso_size };
	fake.in_n++;
	return true;
}

size_t fake_pop(void *buf, size_t size, struct fake_info *info)
{
	struct frame *f = &fake.out[fake.out_head % OUT_MAX];
	size_t len;

	if (!fake_pending())
		return 0;

	len = f->info.hdrlen + f->info.len;
	if (size && len)
		memcpy(buf, f->bytes, MIN(size, len));
	if (info)
		*info = f->info;
	free(f->bytes);
	fake.out_head++;
	fake.out_n--;
	return len;
}

unsigned fake_pending(void)
{
	return fake.out_n - fake.held;
}

bool fake_idle(void)
{
	return !fake.in_n && !fake.out_n && !fake.slots && !fake.rxs;
}

unsigned fake_dropped(void)
{
	return fake.dropped;
}

static void fake_caps(struct tap_caps *caps)
{
	*caps = fake.knobs.caps;
}

static void fake_done(int n)
{
	int i;

	(void)n;
	for (i = 0; i < fake.rxs; i++)
		unsplit(&fake.rx[i]);
	fake.rxs = 0;
}

static int fake_recv(struct tap_frame *f, int max)
{
	int n;

	fake_done(fake.rxs);

	for (n = 0; n < max && fake.in_n; n++, fake.in_n--) {
		struct frame *in = &fake.in[fake.in_head++ % IN_MAX];
		struct lent *l = &fake.rx[n];
		size_t off = 0;
		unsigned i;

		split(l, in->info.len, fake.knobs.rx_elem);
		for (i = 0; i < l->n; i++) {
			if (l->iov[i].iov_len)
				memcpy(l->iov[i].iov_base, in->bytes + off,
				       l->iov[i].iov_len);
			off += l->iov[i].iov_len;
		}
		free(in->bytes);

		f[n] = (struct tap_frame){
			.iov = l->iov,
			.niov = l->n,
			.len = in->info.len,
			.gso_size = in->info.gso_size,
		};
	}

	fake.rxs = n;
	return n;
}

static int fake_reserve(struct tap_slot *s, int max, size_t hdrlen,
			size_t datalen)
{
	int i;

	(void)hdrlen;				/* the contract says HDR_ROOM */

	/* Not at commit: the front still reads them, for a capture */
	for (i = 0; i < TAP_BATCH; i++)
		unsplit(&fake.slot[i]);

	if (fake.knobs.slots >= 0)
		max = MIN(max, fake.knobs.slots);

	for (i = 0; i < max; i++) {
		struct lent *l = &fake.slot[i];
		size_t room = datalen;

		if (i == max - 1 && fake.knobs.last_room)
			room = MIN(room, fake.knobs.last_room);
		split(l, room, fake.knobs.elem);
		l->hdr = malloc(HDR_ROOM);
		if (!l->hdr)
			abort();

		s[i] = (struct tap_slot){
			.hdr = l->hdr,
			.data = l->iov,
			.ndata = l->n,
			.room = room,
		};
	}

	fake.slots = max;
	return max;
}

/* deliver() - The frame in slots @s to @end reaches the guest */
static void deliver(const struct tap_slot *s, const struct tap_slot *end,
		    bool hold)
{
	struct frame *f = &fake.out[(fake.out_head + fake.out_n) % OUT_MAX];
	const struct tap_slot *t;
	uint8_t *p;

	if (fake.out_n == OUT_MAX) {
		fake.dropped++;
		return;
	}

	f->info = (struct fake_info){
		.hdrlen = s->hdrlen,
		.gso = s->gso,
		.gso_size = s->gso_size,
		.csum_partial = s->csum_partial,
	};
	for (t = s; t < end; t++) {
		f->info.slot_len[f->info.slots++] = t->len;
		f->info.len += t->len;
	}

	p = f->bytes = malloc(f->info.hdrlen + f->info.len);
	if (!p)
		abort();
	memcpy(p, s->hdr, s->hdrlen);
	p += s->hdrlen;

	for (t = s; t < end; t++) {
		size_t left = t->len;
		unsigned i;

		for (i = 0; i < t->ndata && left; i++) {
			size_t n = MIN(t->data[i].iov_len, left);

			memcpy(p, t->data[i].iov_base, n);
			p += n;
			left -= n;
		}
		if (left)			/* more than there is room */
			abort();
	}

	fake.out_n++;
	if (hold)
		fake.held++;
}

static void fake_flush(void)
{
	fake.held = 0;
}

static int fake_commit(struct tap_slot *s, int n, int used, bool more)
{
	bool hold = more && fake.knobs.hold;
	int i = 0, limit = used;

	if (n != fake.slots || used > n)	/* C2 */
		abort();
	if (fake.knobs.accept >= 0)
		limit = MIN(used, fake.knobs.accept);
	if (!hold)
		fake_flush();

	while (i < used) {
		int end = i + 1;

		while (end < used && s[end].join)
			end++;
		if (end > limit)
			break;
		deliver(s + i, s + end, hold);
		i = end;
	}

	fake.slots = 0;
	return i;
}

static bool fake_lost(void)
{
	return fake.knobs.lost;
}

static bool fake_served(void)
{
	return !fake.knobs.absent;
}

const struct tap_ops fake_tap_ops = {
	.caps		= fake_caps,
	.recv		= fake_recv,
	.done		= fake_done,
	.reserve	= fake_reserve,
	.commit		= fake_commit,
	.flush		= fake_flush,
	.lost		= fake_lost,
	.served		= fake_served,
};
