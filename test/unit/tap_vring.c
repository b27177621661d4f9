// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vring.c (unit) - rings as they should be, and as nobody should make them
 *
 * Over a plain buffer, with a second region behind it that lies elsewhere. All
 * that is given out must lie within, however the ring looks; a thread changes it
 * meanwhile, in the end.
 */
#include "tap_vring.h"

#include <endian.h>
#include <pthread.h>

#include "check.h"
#include "tap_vmem.h"
#include "util.h"

#define SIZE		65536U
#define BASE		UINT64_C(0x100000000)
#define USER		UINT64_C(0x7f0000000000)
#define NUM		16U

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct {
	_Alignas(4096) uint8_t guard0[4096];
	struct desc desc[NUM];
	uint16_t avail[2 + NUM + 1];
	_Alignas(4) uint16_t used[2 + 4 * NUM + 1];
	_Alignas(16) struct desc table[4096];
	uint8_t data[SIZE];
	uint8_t guard1[4096];
	uint8_t far[4096];		/* second region, behind the first */
} mem;

static struct vring v;

#define FIRST		((uint8_t *)mem.desc)
#define FIRST_SIZE	(size_t)(mem.guard1 - FIRST)

static uint64_t at(const void *p)
{
	return BASE + (uint64_t)((const uint8_t *)p - FIRST);
}

static void fresh(bool to_guest, bool event_idx)
{
	const struct vmem_region a = { BASE, FIRST_SIZE, USER, 0 };
	const struct vmem_region b = { BASE + FIRST_SIZE, sizeof(mem.far),
				       USER + (1 << 30), 0 };

	memset(&mem, 0, sizeof(mem));
	vmem_unmap();
	vmem_add(&a, FIRST);
	vmem_add(&b, mem.far);
	memset(&v, 0, sizeof(v));
	v.num = NUM;
	v.to_guest = to_guest;
	v.event_idx = event_idx;
	v.desc_at = USER + at(mem.desc) - BASE;
	v.avail_at = USER + at(mem.avail) - BASE;
	v.used_at = USER + at(mem.used) - BASE;
	vring_start(&v, 0);
	EXPECT(vring_ok(&v));
}

static void set(unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		unsigned next)
{
	mem.desc[i] = (struct desc){ htole64(addr), htole32(len),
				     htole16((uint16_t)flags),
				     htole16((uint16_t)next) };
}

static void set_table(unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		      unsigned next)
{
	mem.table[i] = (struct desc){ htole64(addr), htole32(len),
				      htole16((uint16_t)flags),
				      htole16((uint16_t)next) };
}

static void avail(unsigned head)
{
	uint16_t idx = le16toh(mem.avail[1]);

	mem.avail[2 + idx % NUM] = htole16((uint16_t)head);
	mem.avail[1] = htole16((uint16_t)(idx + 1));
}

/* within() - All that is at hand lies in the regions, and adds up */
static bool within(void)
{
	unsigned i, k;

	for (i = 0; i < v.n; i++) {
		const struct vring_chain *c = vring_chain(&v, i);
		size_t len = 0;

		if (c->head >= NUM || c->iov + c->niov > VRING_IOV)
			return false;
		for (k = 0; k < c->niov; k++) {
			const uint8_t *p = v.iov[c->iov + k].iov_base;
			size_t n = v.iov[c->iov + k].iov_len;

			len += n;
			if (!(p >= FIRST && n <= FIRST_SIZE &&
			      p + n <= FIRST + FIRST_SIZE) &&
			    !(p >= mem.far && n <= sizeof(mem.far) &&
			      p + n <= mem.far + sizeof(mem.far)))
				return false;
		}
		if (len != c->len)
			return false;
	}
	return true;
}

/* is() - One chain is at hand, of so many bytes and pieces */
static bool is(size_t len, unsigned niov)
{
	return vring_fetch(&v, 4) == 1 && vring_chain(&v, 0)->len == len &&
	       vring_chain(&v, 0)->niov == niov && within();
}

/* refused() - The chain made available went back, with nothing in it */
static bool refused(unsigned head)
{
	uint16_t i = le16toh(mem.used[1]);

	if (vring_fetch(&v, 4) || !vring_ok(&v) ||
	    le16toh(mem.used[1]) != (uint16_t)(i + 1))
		return false;
	return le16toh(mem.used[2 + i % NUM * 4]) == head &&
	       !mem.used[4 + i % NUM * 4] && !mem.used[5 + i % NUM * 4];
}

static void good(void)
{
	uint64_t border = BASE + FIRST_SIZE - 10;
	unsigned i;

	group("chains as they should be");
	fresh(false, false);
	EXPECT_EQ(vring_fetch(&v, 4), 0);
	set(3, at(mem.data), 100, 0, 0);
	avail(3);
	EXPECT(is(100, 1));
	EXPECT(v.iov[0].iov_base == mem.data);
	EXPECT(is(100, 1));			/* it stays at hand */
	vring_use(&v, 7);
	EXPECT_EQ(mem.used[1], 0);		/* not yet seen */
	vring_publish(&v);
	EXPECT_EQ(le16toh(mem.used[1]), 1);
	EXPECT(le16toh(mem.used[2]) == 3 && le16toh(mem.used[4]) == 7);

	set(0, at(mem.data), 1, NEXT, 5);
	set(5, at(mem.data) + 10, 0, NEXT, 2);	/* nothing */
	set(2, at(mem.data) + 11, 2, NEXT, 4);
	set(4, at(mem.data) + 13, 3, 0, 9);	/* adjacent: one piece */
	avail(0);
	EXPECT(is(6, 2));
	vring_use(&v, 0);
	set(0, border, 30, 0, 0);		/* of both regions */
	avail(0);
	EXPECT(is(30, 2));
	EXPECT(v.iov[vring_chain(&v, 0)->iov + 1].iov_base == mem.far);
	vring_use(&v, 0);

	group("tables elsewhere");
	for (i = 0; i < VRING_MAX; i++)
		set_table(i, at(mem.data) + i * 2, 1,
			  i + 1 < VRING_MAX ? NEXT : 0, i + 1);
	set(1, at(mem.table), 16 * VRING_MAX, INDIRECT, 0);
	avail(1);
	EXPECT(is(VRING_MAX, VRING_MAX));
	vring_use(&v, 0);
	set(0, at(mem.data), 50, NEXT, 1);	/* behind others */
	set_table(0, at(mem.data) + 50, 8, 0, 0);
	avail(0);
	EXPECT(is(58, 1));
	vring_use(&v, 0);
	for (i = 0; i < 100000; i++) {		/* many times around */
		set(i % NUM, at(mem.data) + i % 999, 1 + i % 55, 0, 0);
		avail(i % NUM);
		if (!is(1 + i % 55, 1))
			break;
		vring_use(&v, 0);
		vring_publish(&v);
	}
	EXPECT_EQ(i, 100000);
}

static void bad(void)
{
	static const uint64_t places[] = { 0, BASE - 1, BASE - 4096,
					   UINT64_MAX, UINT64_MAX - 50,
					   1ULL << 63 };
	static const uint32_t odd[] = { 1, 15, 17, 0, 16 * 4096, UINT32_MAX,
					UINT32_MAX - 15 };
	uint64_t end = BASE + FIRST_SIZE + sizeof(mem.far);
	unsigned i;

	for (i = 0; i < 2; i++) {
		unsigned w = i ? WRITE : 0;
		unsigned k;

		group(i ? "chains that cannot be, to the guest" :
			  "chains that cannot be, from the guest");
		fresh(i, false);
		for (k = 0; k < ARRAY_LEN(places); k++) {
			set(0, places[k], 100, w, 0);
			avail(0);
			EXPECT(refused(0));
			set(0, places[k], 100, INDIRECT, 0);
			avail(0);
			EXPECT(refused(0));
		}
		set(7, end - 99, 100, w, 0);
		avail(7);
		EXPECT(refused(7));
		set(7, end - 99, UINT32_MAX, w, 0);
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w ^ WRITE, 0);	/* direction */
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w | NEXT, 8);
		set(8, at(mem.data), 10, w ^ WRITE, 0);
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w | NEXT, 7);	/* loops */
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 0, w | NEXT, 8);
		set(8, at(mem.data), 0, w | NEXT, 7);
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w | NEXT, NUM);	/* outside */
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w | NEXT, UINT16_MAX);
		avail(7);
		EXPECT(refused(7));

		for (k = 0; k < ARRAY_LEN(odd); k++) {
			set_table(0, at(mem.data), 5, w, 0);
			if (odd[k] == 16 * 4096)	/* more than parts */
				for (unsigned t = 0; t < 4096; t++)
					set_table(t, at(mem.data), 1,
						  w | NEXT, t + 1);
			set(7, at(mem.table), odd[k], INDIRECT, 0);
			avail(7);
			EXPECT(refused(7));
		}
		set(7, at(mem.table), 16, INDIRECT | NEXT, 8);
		set(8, at(mem.data), 10, w, 0);
		set_table(0, at(mem.data), 5, w, 0);
		avail(7);
		EXPECT(refused(7));
		set(7, at(mem.table), 32, INDIRECT, 0);
		set_table(0, at(mem.table), 16, INDIRECT, 0);	/* nested */
		avail(7);
		EXPECT(refused(7));
		set_table(0, at(mem.data), 5, w | NEXT, 0);	/* a loop */
		avail(7);
		EXPECT(refused(7));
		set_table(0, at(mem.data), 5, w | NEXT, 2);	/* outside */
		avail(7);
		EXPECT(refused(7));
		set(7, BASE + FIRST_SIZE - 16, 32, INDIRECT, 0);
		avail(7);			/* a table in two pieces */
		EXPECT(refused(7));
		set(7, at(mem.data), 10, w, 0);
		avail(7);
		EXPECT(is(10, 1));
	}

	group("in order, though: a bad one waits for those before it");
	fresh(false, false);
	set(1, at(mem.data), 10, 0, 0);
	set(2, 0, 10, 0, 0);
	avail(1);
	avail(2);
	avail(1);
	EXPECT_EQ(vring_fetch(&v, 4), 1);
	EXPECT_EQ(mem.used[1], 0);
	vring_use(&v, 0);
	EXPECT_EQ(vring_fetch(&v, 4), 1);
	EXPECT_EQ(le16toh(mem.used[1]), 2);
	EXPECT_EQ(le16toh(mem.used[2 + 4]), 2);

	group("what stops a ring");
	for (i = 0; i < 4; i++) {
		static const uint16_t idx[] = { NUM + 1, 0x8000, 0xffff };

		fresh(false, false);
		set(0, at(mem.data), 10, 0, 0);
		if (i == 3)
			avail(NUM);
		else
			mem.avail[1] = htole16(idx[i]);
		EXPECT_EQ(vring_fetch(&v, 4), 0);
		EXPECT(!vring_ok(&v) && v.broken);
		EXPECT_EQ(vring_fetch(&v, 4), 0);
		EXPECT(!vring_listen(&v) && !vring_due(&v));
		EXPECT_EQ(vring_stop(&v), 0);
		mem.avail[1] = 0;
		vring_start(&v, 0);
		avail(0);
		EXPECT(is(10, 1));
	}

	fresh(false, false);			/* twice as many, in two steps */
	set(0, at(mem.data), 10, 0, 0);
	mem.avail[1] = htole16(NUM);
	EXPECT_EQ(vring_fetch(&v, 99), NUM);
	mem.avail[1] = htole16(NUM + 1);
	EXPECT_EQ(vring_fetch(&v, 99), NUM);
	EXPECT(!vring_ok(&v));
}

static void bases(void)
{
	unsigned i;

	group("stopped and started where it was, also by another process");
	fresh(false, true);
	for (i = 0; i < 8; i++) {
		set(i, at(mem.data), 10 + i, 0, 0);
		avail(i);
	}
	EXPECT_EQ(vring_fetch(&v, 6), 6);
	vring_use(&v, 0);
	vring_use(&v, 0);
	vring_publish(&v);
	EXPECT_EQ(vring_stop(&v), 2);
	EXPECT(!vring_ok(&v) && !vring_fetch(&v, 4));
	vring_start(&v, le16toh(mem.used[1]));	/* what another would know */
	for (i = 2; i < 8; i++) {
		EXPECT(vring_fetch(&v, 1) == 1 &&
		       vring_chain(&v, 0)->head == i);
		vring_use(&v, 0);
	}
	vring_publish(&v);
	EXPECT_EQ(le16toh(mem.used[1]), 8);
	EXPECT(vring_due(&v) && !vring_due(&v));

	group("mapped anew, with chains at hand");
	avail(1);
	EXPECT_EQ(vring_fetch(&v, 1), 1);
	vring_remap(&v);
	EXPECT_EQ(v.n, 0);
	EXPECT(is(11, 1));
	vmem_unmap();
	vring_remap(&v);
	EXPECT(!vring_ok(&v) && !vring_fetch(&v, 1));
}

/* -------------------------------------------------------------- anything */

static uint32_t number(void)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Numbers that are nearly right, mostly */
static void scramble(void)
{
	static const uint32_t lens[] = { 0, 1, 15, 16, 32, 4096, 16384, 65536,
					 UINT32_MAX };
	unsigned i = number() % NUM, t = number() % 8;
	uint64_t addr = BASE + number() % (FIRST_SIZE + 8192);

	if (!(number() % 8))
		addr = (uint64_t)number() << 32 | number();
	if (!(number() % 4))
		addr = at(mem.table) + number() % 4 * 16;
	set(i, addr, lens[number() % 9], number() % 8, number() % (NUM + 1));
	set_table(t, addr, lens[number() % 9], number() % 8, number() % 9);
	if (!(number() % 64))
		((uint8_t *)mem.desc)[number() % sizeof(mem.desc)] =
			(uint8_t)number();
}

static bool stop_it;

static void *meanwhile(void *arg)
{
	uint32_t x = 88172645U;

	(void)arg;
	while (!__atomic_load_n(&stop_it, __ATOMIC_RELAXED)) {
		uint8_t *p = (uint8_t *)mem.desc;
		size_t n = sizeof(mem.desc);

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if (x & 1 << 20) {
			p = (uint8_t *)mem.table;
			n = 8 * sizeof(struct desc);
		}
		__atomic_store_n(p + x % n, (uint8_t)(x >> 24 & 0x1f),
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

static void anything(const char *name, unsigned rounds)
{
	unsigned i, fetched = 0, breaks = 0;

	group(name);
	fresh(false, true);
	for (i = 0; i < rounds; i++) {
		unsigned k = number() % 8;

		scramble();
		if (number() % 64)
			avail(number() % NUM);
		else if (!(number() % 16))
			mem.avail[1] = htole16((uint16_t)number());
		if (le16toh(mem.avail[1]) - le16toh(mem.used[1]) > 12) {
			vring_fetch(&v, 32);
			if (!EXPECT(within()))
				break;
			for (fetched += v.n; v.n && k; k--)
				vring_use(&v, number());
			vring_publish(&v);
			vring_due(&v);
			if (vring_listen(&v))
				vring_deaf(&v);
		}
		if (!vring_ok(&v) || !(number() % 4096)) {
			breaks++;
			(void)vring_stop(&v);
			mem.avail[1] = mem.used[1];
			v.to_guest = number() & 1;
			vring_start(&v, le16toh(mem.used[1]));
		}
	}
	for (i = 0; i < sizeof(mem.guard0); i++)
		if (mem.guard0[i] || mem.guard1[i])
			break;
	EXPECT_EQ(i, sizeof(mem.guard0));
	EXPECT(fetched > rounds / 100);
	EXPECT(breaks > 10);
}

int main(void)
{
	pthread_t thread;

	good();
	bad();
	bases();
	anything("whatever stands in a ring", 400000);
	EXPECT(!pthread_create(&thread, NULL, meanwhile, NULL));
	anything("and while it changes", 200000);
	__atomic_store_n(&stop_it, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return done();
}
