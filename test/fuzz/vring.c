// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vring.c - a ring in memory that changes whenever it is looked at
 *
 * The source itself is part of this file, with its few ways to touch the memory
 * of the guest replaced by ours: before each number that is read, the input may
 * change any of it. So what a thread of the guest could do at a lucky moment is
 * done at a known one, and done again the next time.
 *
 * Nothing outside of mapped memory may be read, nothing but the used ring be
 * written; what is at hand lies in memory, adds up, and stays as it was found
 * until it goes back, in order, once; and no call may take for ever.
 *
 * Input: the kind of ring, then steps. In one, bytes of the input become those
 * of the memory.
 */
#include "fuzz.h"

#include <endian.h>
#include <sys/uio.h>

#include "tap_vmem.h"
#include "tap_vring.h"
#include "util.h"

#define DATA_SIZE	8192U
#define BASE		UINT64_C(0x40000000)
#define USER		UINT64_C(0x7f0000000000)
#define NUM_MAX		16U
#define FETCH_MAX	40U
#define LOOKS_MAX	((NUM_MAX + 64 + 2) * (VRING_MAX + 3))

/* All of the guest's memory, and what is not */
static struct {
	uint8_t before[64];
	_Alignas(16) uint8_t desc[16 * NUM_MAX];
	uint8_t avail[4 + 2 * NUM_MAX + 2];
	_Alignas(4) uint8_t used[4 + 8 * NUM_MAX + 2];
	_Alignas(16) uint8_t data[DATA_SIZE];
	uint8_t between[64];
	uint8_t far[512];		/* next to it for the guest only */
} mem;

#define FIRST		((uint8_t *)&mem + sizeof(mem.before))
#define FIRST_SIZE	(offsetof(__typeof__(mem), between) - sizeof(mem.before))

const unsigned fuzz_mutations = 50000;

static struct {
	struct in in;
	unsigned num;
	unsigned looks;			/* reads in this call */
	uint64_t surprises;		/* at which of them memory changes */
} see;

/* inside() - All of it is of one region */
static bool inside(const void *p, size_t n)
{
	size_t at = (uintptr_t)p - (uintptr_t)FIRST;
	size_t far = (uintptr_t)p - (uintptr_t)mem.far;

	return (at < FIRST_SIZE && n <= FIRST_SIZE - at) ||
	       (far < sizeof(mem.far) && n <= sizeof(mem.far) - far);
}

static void look(const void *p, size_t n);
static void wrote(const void *p, size_t n);

static void *look_copy(void *to, const void *from, size_t n)
{
	look(from, n);
	return memcpy(to, from, n);
}

/* Limits that a short input can reach; the arrays keep their sizes */
#undef VRING_MAX
#undef VRING_IOV
#define VRING_MAX	16
#define VRING_IOV	64

#define __atomic_load_n(p, order)	(look((p), sizeof(*(p))), *(p))
#define __atomic_store_n(p, x, order)	(wrote((p), sizeof(*(p))), \
					 (void)(*(p) = (x)))
#define memcpy(to, from, n)		look_copy((to), (from), (n))
#include "tap_vring.c"
#undef memcpy

/* put_desc() - A descriptor that may well be one, of the ring's own or of a table
 * among the data: its address is near the guest's memory */
static void put_desc(uint8_t *p)
{
	uint64_t at = BASE + in_u16(&see.in) % (FIRST_SIZE + 600);
	uint32_t len = in_u8(&see.in);
	uint8_t flags = in_u8(&see.in);
	struct desc d = { .next = htole16(in_u8(&see.in) % (NUM_MAX + 1)) };

	if (flags & 0x80)
		len *= 16;
	if (flags & 0x40)
		len *= 0x1000001;
	d.addr = htole64(at);
	d.len = htole32(len);
	d.flags = htole16(flags & 7);
	memcpy(p, &d, sizeof(d));
}

/* change() - Bytes of the input become those of the memory: @what says of which
 * part, so that a ring of sense is likely */
static void change(uint8_t what)
{
	static const struct { uint8_t *p; size_t size; } part[8] = {
		{ mem.desc, sizeof(mem.desc) }, { mem.avail, 4 },
		{ mem.avail, sizeof(mem.avail) }, { mem.used, sizeof(mem.used) },
		{ mem.desc, sizeof(mem.desc) }, { mem.desc, sizeof(mem.desc) },
		{ mem.data, NUM_MAX * 16 }, { mem.far, sizeof(mem.far) },
	};
	uint8_t *p = part[what & 7].p;
	size_t size = part[what & 7].size, n = 1 + (what >> 3 & 15);
	size_t at = in_u8(&see.in) * 2U % size;
	const uint8_t *src;

	if ((what & 7) >= 4) {
		put_desc(p + at / 16 * 16);
		return;
	}
	src = in_take(&see.in, &n);
	n = MIN(n, size - at);
	if (n)
		memcpy(p + at, src, n);
}

static void look(const void *p, size_t n)
{
	FUZZ_CHECK(inside(p, n));
	if (see.surprises >> (see.looks++ & 63) & 1)
		change(in_u8(&see.in));
	FUZZ_CHECK(see.looks < LOOKS_MAX);
}

static void wrote(const void *p, size_t n)
{
	const uint8_t *at = p;

	FUZZ_CHECK(at >= mem.used &&
		   at + n <= mem.used + 4 + 8 * see.num + 2);
}


static struct vring ring;

/* What was found when it was fetched */
static struct {
	struct vring_chain	chain[NUM_MAX];
	struct iovec		iov[VRING_IOV];
	unsigned		n, niov;
	uint16_t		base;	/* entry the ring began at */
	uint16_t		back;	/* how many have gone back since */
} model;

static void start(uint16_t base)
{
	vring_start(&ring, base);
	model.n = model.niov = 0;
	model.base = base;
	model.back = ring.used_idx;
}

/* remember() - What is at hand makes sense; what was before is still the same;
 * and what else has been fetched went back by itself */
static void remember(void)
{
	unsigned i, iov = 0;

	FUZZ_CHECK(ring.n <= see.num);
	for (i = 0; i < ring.n; i++) {
		const struct vring_chain *c = vring_chain(&ring, i);
		size_t len = 0;
		unsigned k;

		FUZZ_CHECK(c->head < see.num);
		FUZZ_CHECK(c->iov + c->niov <= ring.iov_end);
		FUZZ_CHECK(!i || c->iov == c[-1].iov + c[-1].niov);
		for (k = 0; k < c->niov; k++) {
			const struct iovec *p = &ring.iov[c->iov + k];

			FUZZ_CHECK(p->iov_len && inside(p->iov_base,
							p->iov_len));
			if (i < model.n)
				FUZZ_CHECK(!memcmp(p, &model.iov[iov],
						   sizeof(*p)));
			model.iov[iov++] = *p;
			len += p->iov_len;
		}
		FUZZ_CHECK(len == c->len);
		if (i < model.n)
			FUZZ_CHECK(c->head == model.chain[i].head &&
				   c->len == model.chain[i].len &&
				   c->niov == model.chain[i].niov);
		model.chain[i] = *c;
		FUZZ_CHECK(i + 1 < ring.n ||
			   ring.iov_end == c->iov + c->niov);
	}
	FUZZ_CHECK(ring.iov_end <= VRING_IOV);
	FUZZ_CHECK(ring.n >= model.n);
	model.n = ring.n;
	model.niov = iov;
	/* Each entry that was fetched is at hand or went back */
	FUZZ_CHECK((uint16_t)(ring.next - model.base) ==
		   (uint16_t)(ring.used_idx - model.back + ring.n));
}

/* use() - The first goes back, and the others move up */
static void use(uint32_t len)
{
	const uint8_t *entry = mem.used + 4 +
			       (ring.used_idx & (see.num - 1)) * 8;
	unsigned niov = model.chain[0].niov;
	uint32_t got[2];

	vring_use(&ring, len);
	memcpy(got, entry, sizeof(got));
	FUZZ_CHECK(le32toh(got[0]) == model.chain[0].head &&
		   le32toh(got[1]) == len);
	memmove(model.chain, model.chain + 1,
		(model.n - 1) * sizeof(model.chain[0]));
	memmove(model.iov, model.iov + niov,
		(model.niov - niov) * sizeof(model.iov[0]));
	model.n--;
	model.niov -= niov;
}

/* restart() - As when the guest or the monitor stops it and starts it again */
static void restart(bool elsewhere)
{
	uint16_t at = (uint16_t)(ring.next - ring.n);

	FUZZ_CHECK(vring_stop(&ring) == at && !vring_ok(&ring));
	FUZZ_CHECK(!vring_fetch(&ring, 1) && !vring_due(&ring) &&
		   !vring_listen(&ring));
	start(elsewhere ? in_u16(&see.in) : at);
}

static void remap(void)
{
	uint16_t at = (uint16_t)(ring.next - ring.n);

	/* What was at hand will be fetched again */
	vring_remap(&ring);
	model.n = model.niov = 0;
	FUZZ_CHECK(!ring.n && ring.next == at);
}

static void step(uint8_t op)
{
	unsigned i;

	see.looks = 0;
	see.surprises = op & 0x80 ? (uint64_t)in_u32(&see.in) * 0x100000001U :
				    0;
	switch (op & 7) {
	case 0:
	case 1:
		change(in_u8(&see.in));
		break;
	case 2:
	case 3:
		i = in_u8(&see.in) % FETCH_MAX;
		FUZZ_CHECK(vring_fetch(&ring, i) == ring.n ||
			   !vring_ok(&ring));
		break;
	case 4:
		for (i = op >> 3 & 15; i && ring.n && vring_ok(&ring); i--)
			use(in_u8(&see.in));
		if (vring_ok(&ring))
			vring_publish(&ring);
		break;
	case 5:
		(void)vring_due(&ring);
		break;
	case 6:
		if (op & 8)
			(void)vring_listen(&ring);
		else
			vring_deaf(&ring);
		break;
	default:
		if (op & 8)
			remap();
		else
			restart(op & 0x10);
	}
	see.surprises = 0;
	if (vring_ok(&ring))
		remember();
}

/* A ring that the guest may have set up, so that there is something to change */
static void set_up(uint8_t kind)
{
	const struct vmem_region a = { BASE, FIRST_SIZE, USER, 0 };
	const struct vmem_region b = { BASE + FIRST_SIZE, sizeof(mem.far),
				       USER + FIRST_SIZE, 0 };
	unsigned i;

	vmem_unmap();
	vmem_add(&a, FIRST);
	vmem_add(&b, mem.far);
	memset(&mem, 0, sizeof(mem));
	memset(&ring, 0, sizeof(ring));
	see.num = kind & 1 ? 4 : NUM_MAX;
	ring.num = see.num;
	ring.to_guest = kind & 2;
	ring.event_idx = kind & 4;
	ring.desc_at = USER;
	ring.avail_at = USER + (uint64_t)(mem.avail - FIRST);
	ring.used_at = USER + (uint64_t)(mem.used - FIRST);
	for (i = 0; i < NUM_MAX; i++) {
		struct desc d = {
			htole64(BASE + (uint64_t)(mem.data - FIRST) + i * 512),
			htole32(64),
			htole16(kind & 2 ? DESC_WRITE : 0), htole16(0),
		};

		if (kind & 8 && i % 3 != 2) {	/* three each */
			d.flags |= htole16(DESC_NEXT);
			d.next = htole16((uint16_t)(i + 1));
		}
		if (kind & 16)
			d.flags = htole16(DESC_INDIRECT);
		memcpy(mem.desc + i * sizeof(d), &d, sizeof(d));
		mem.avail[4 + 2 * i] = (uint8_t)(i % see.num);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t kind;

	see.in = (struct in){ data, size };
	kind = in_u8(&see.in);
	set_up(kind);
	start(kind & 32 ? 0xfffe : 0);
	while (!in_done(&see.in) && ring.runs) {
		step(in_u8(&see.in));
		if (!vring_ok(&ring))
			restart(false);
	}
	for (size = 0; size < sizeof(mem.before); size++)
		FUZZ_CHECK(!mem.before[size] && !mem.between[size]);
	vmem_unmap();
	return 0;
}
