/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_contract.h - the guest port's contract (tap.h), as a test to include
 *
 * Runs against whatever is attached; the test that includes it says how to
 * play the guest. Frames carry an ethertype of their own, so that whatever
 * else a real link carries can be told apart, and a number.
 */
#ifndef PORT_CONTRACT_H
#define PORT_CONTRACT_H

#include "check.h"
#include "tap.h"
#include "util.h"

#define CONTRACT_TYPE	0x88b5		/* IEEE 802: local experiments */

struct contract_guest {
	/* The guest sends a frame */
	bool (*push)(const void *frame, size_t len);
	/* The next frame of CONTRACT_TYPE that the guest got: length, 0 if
	 * none came in reasonable time */
	size_t (*pop)(void *buf, size_t size);
	/* At most so much data in one frame (the MTU) */
	size_t mtu;
	/* Shorter frames come with zeros up to so many bytes */
	size_t min;
};

static uint8_t contract_buf[TAP_DATA_MAX + 64];

/* contract_hdr() - Ethernet header of frame number @n */
static inline size_t contract_hdr(uint8_t *hdr, uint8_t n)
{
	static const uint8_t mac[12] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					 2, 0, 0, 0, 0, 1 };

	memcpy(hdr, mac, sizeof(mac));
	hdr[11] = n;
	hdr[12] = CONTRACT_TYPE >> 8;
	hdr[13] = CONTRACT_TYPE & 0xff;
	return ETH_HLEN_;
}

/* contract_byte() - What stands at @off of the data of frame number @n */
static inline uint8_t contract_byte(uint8_t n, size_t off)
{
	return (uint8_t)(n * 31 + off * 7 + (off >> 8));
}

/* contract_fill() - Use @len bytes of a slot */
static inline void contract_fill(struct tap_slot *s, uint8_t n, size_t len)
{
	size_t off = 0, k;
	unsigned i;

	for (i = 0; i < s->ndata; i++) {
		uint8_t *p = s->data[i].iov_base;

		for (k = 0; k < s->data[i].iov_len && off < len; k++, off++)
			p[k] = contract_byte(n, off);
	}
	EXPECT_EQ(off, len);
	s->hdrlen = contract_hdr(s->hdr, n);
	s->len = len;
}

/* contract_same() - Is this frame number @n with @len bytes of data? */
static inline bool contract_same(const uint8_t *f, size_t flen, uint8_t n,
				 size_t len)
{
	uint8_t hdr[ETH_HLEN_];
	size_t i;

	contract_hdr(hdr, n);
	if (flen != len + ETH_HLEN_ || memcmp(f, hdr, sizeof(hdr)))
		return false;
	for (i = 0; i < len; i++) {
		if (f[ETH_HLEN_ + i] != contract_byte(n, i))
			return false;
	}
	return true;
}

/* contract_expect() - The guest's next frame is this one */
static inline void contract_expect(const struct contract_guest *g, uint8_t n,
				   size_t len)
{
	size_t got = g->pop(contract_buf, sizeof(contract_buf));

	EXPECT_EQ(got, MAX(len + ETH_HLEN_, g->min));
	for (; got > len + ETH_HLEN_; got--)
		EXPECT_EQ(contract_buf[got - 1], 0);
	EXPECT(contract_same(contract_buf, got, n, len));
}

static inline void contract_none(const struct contract_guest *g)
{
	EXPECT_EQ(g->pop(contract_buf, sizeof(contract_buf)), 0);
}

/* C1: how many, how large; all of it is writable memory and nobody else's */
static inline void contract_c1(void)
{
	static const int max[] = { 1, 2, 7, TAP_BATCH };
	static const size_t want[] = { 0, 1, 100, 1400, 4096, 4097, 60000,
				       TAP_DATA_MAX };
	struct tap_slot s[TAP_BATCH];
	unsigned m, w;

	for (m = 0; m < ARRAY_LEN(max); m++) {
		for (w = 0; w < ARRAY_LEN(want); w++) {
			int i, n = tap_reserve(s, max[m], HDR_ROOM, want[w]);

			EXPECT(n >= 1 && n <= max[m]);
			for (i = 0; i < n; i++) {
				size_t sum = 0;
				unsigned e;

				for (e = 0; e < s[i].ndata; e++) {
					sum += s[i].data[e].iov_len;
					memset(s[i].data[e].iov_base, i,
					       s[i].data[e].iov_len);
				}
				memset(s[i].hdr, i, HDR_ROOM);
				EXPECT_EQ(s[i].room, sum);
				EXPECT(i == n - 1 || s[i].room == want[w]);
				EXPECT(s[i].room <= want[w]);
				EXPECT(s[i].room || !want[w]);
			}
			for (i = 0; i < n; i++) {
				unsigned e;

				for (e = 0; e < s[i].ndata; e++) {
					uint8_t *p = s[i].data[e].iov_base;
					size_t l = s[i].data[e].iov_len;

					EXPECT(!l || (p[0] == i &&
						      p[l - 1] == i));
				}
				EXPECT(s[i].hdr[0] == i &&
				       s[i].hdr[HDR_ROOM - 1] == i);
			}
			EXPECT_EQ(tap_commit(s, n, 0, false), 0);
		}
	}
}

/* C2: one batch at a time, and a commit of nothing closes it */
static inline void contract_c2(const struct contract_guest *g)
{
	struct tap_slot s[4], t[4];
	int n, i;

	for (i = 0; i < 3; i++) {
		n = tap_reserve(s, 4, HDR_ROOM, 100);
		EXPECT(n > 0);
		EXPECT_EQ(tap_reserve(t, 4, HDR_ROOM, 100), 0);
		EXPECT_EQ(tap_commit(s, n, 0, false), 0);
	}
	contract_none(g);
}

/* C3: the first used slots, in order, with what was used of them; no others */
static inline void contract_c3(const struct contract_guest *g)
{
	const size_t len[] = { 60, 1, 200, g->mtu, 46, 1000, 0, 77 };
	struct tap_slot s[8];
	int used, i;

	for (used = 0; used <= 8; used++) {
		int n = tap_reserve(s, 8, HDR_ROOM, g->mtu);
		int sent, now = MIN(used, n);

		for (i = 0; i < n; i++)
			contract_fill(&s[i], (uint8_t)(i + 1),
				      MIN(len[i], s[i].room));
		sent = tap_commit(s, n, now, false);
		EXPECT(sent >= 0 && sent <= now);
		for (i = 0; i < sent; i++)
			contract_expect(g, (uint8_t)(i + 1), s[i].len);
		contract_none(g);
	}
}

/* C4: headers are copied at commit, nobody looks at them later */
static inline void contract_c4(const struct contract_guest *g)
{
	struct tap_slot s[4];
	int n = tap_reserve(s, 4, HDR_ROOM, 300), i, sent;

	for (i = 0; i < n; i++)
		contract_fill(&s[i], (uint8_t)(0x40 + i), s[i].room);
	sent = tap_commit(s, n, n, true);
	EXPECT_EQ(sent, n);
	for (i = 0; i < n; i++)
		memset(s[i].hdr, 0xee, HDR_ROOM);
	tap_flush();
	for (i = 0; i < sent; i++)
		contract_expect(g, (uint8_t)(0x40 + i), s[i].room);
	contract_none(g);
}

/* C5: held frames come at the flush or next commit, and stay in order */
static inline void contract_c5(const struct contract_guest *g)
{
	struct tap_slot s[3];
	uint8_t number = 1, first = 1;
	int round, i, n;

	for (round = 0; round < 6; round++) {
		bool more = round % 3 != 2;

		n = tap_reserve(s, 3, HDR_ROOM, 90);
		EXPECT(n > 0);
		for (i = 0; i < n; i++)
			contract_fill(&s[i], number++,
				      MIN((size_t)(60 + round), s[i].room));
		EXPECT_EQ(tap_commit(s, n, n, more), n);
		if (!more) {
			for (; first < number; first++) {
				size_t got = g->pop(contract_buf,
						    sizeof(contract_buf));

				EXPECT(got > ETH_HLEN_ &&
				       contract_buf[11] == first);
			}
		}
	}

	n = tap_reserve(s, 1, HDR_ROOM, 60);
	contract_fill(&s[0], number, s[0].room);
	EXPECT_EQ(tap_commit(s, n, 1, true), 1);
	tap_flush();
	contract_expect(g, number, s[0].len);
	contract_none(g);
}

/* contract_recv() - The next frames of ours: *@batch is what tap_recv() gave,
 * the return value an index into @f or -1 */
static inline int contract_recv(struct tap_frame *f, int max, int *batch)
{
	int tries, i;

	for (tries = 0; tries < 50; tries++) {
		*batch = tap_recv(f, max);
		for (i = 0; i < *batch; i++) {
			const uint8_t *p = f[i].iov->iov_base;

			if (f[i].iov->iov_len >= ETH_HLEN_ &&
			    (p[12] << 8 | p[13]) == CONTRACT_TYPE)
				return i;
		}
		if (!*batch)
			return -1;
		tap_done(*batch);
	}
	return -1;
}

/* C6: frames stay as they came until done, whatever is sent meanwhile; none
 * gets lost between batches */
static inline void contract_c6(const struct contract_guest *g)
{
	struct tap_frame f[TAP_BATCH];
	uint8_t frame[ETH_HLEN_ + 512];
	struct tap_slot s[8];
	unsigned number = 1;
	int i, n, k, first;
	struct cursor c;
	size_t j;

	for (i = 1; i <= 100; i++) {
		size_t len = 60 + (size_t)i * 4;

		contract_hdr(frame, (uint8_t)i);
		for (j = 0; j < len; j++)
			frame[ETH_HLEN_ + j] = contract_byte((uint8_t)i, j);
		EXPECT(g->push(frame, ETH_HLEN_ + len));
	}

	while ((first = contract_recv(f, 16, &n)) >= 0) {
		EXPECT(n <= 16);

		k = tap_reserve(s, 8, HDR_ROOM, 500);
		for (i = 0; i < k; i++)
			contract_fill(&s[i], 0xaa, s[i].room);
		EXPECT_EQ(tap_commit(s, k, k, false), k);

		for (i = first; i < n; i++) {
			uint8_t back[1024];

			cur_init(&c, f[i].iov, f[i].len);
			if (f[i].len > sizeof(back) ||
			    !EXPECT(cur_pull(&c, back, f[i].len)) ||
			    (back[12] << 8 | back[13]) != CONTRACT_TYPE)
				continue;
			EXPECT(contract_same(back, f[i].len, (uint8_t)number,
					     60 + number * 4));
			EXPECT_EQ(f[i].gso_size, 0);
			number++;
		}
		tap_done(n);
		for (i = 0; i < k; i++)
			contract_expect(g, 0xaa, s[i].len);
	}
	EXPECT_EQ(number, 101);
}

static inline void contract_run(const struct contract_guest *g,
				const char *name)
{
	group(name);			/* kept: a literal */
	contract_c1();
	contract_c2(g);
	contract_c3(g);
	contract_c4(g);
	contract_c5(g);
	contract_c6(g);
}

#endif /* PORT_CONTRACT_H */
