// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frag.c - fragments in any order: each byte of the payload is given by its
 * offset and by the datagram, so a datagram that was put together from wrong
 * pieces shows; what comes out are headers that can be read
 *
 * Input: steps. Most are a fragment described by numbers, some are raw frames,
 * some let time pass.
 */
#include "fuzz.h"

#include "frag.h"
#include "timer.h"
#include "util.h"

#define LEN_MAX	1500U

static uint64_t now = 1000 * SEC;

static uint8_t text(unsigned id, size_t at)
{
	return (uint8_t)((at + id * 977) * 2654435761U >> 7);
}

/* A fragment of datagram @id: header, extension headers if @ext */
static size_t put(uint8_t *b, unsigned id, size_t off, bool more, size_t len,
		  unsigned ext)
{
	struct writer w;
	size_t i;

	wr_init(&w, b, 4096);
	wr_zero(&w, 12);
	if (id & 1) {
		wr_be16(&w, ETHTYPE_IP6);
		wr_be32(&w, 0x60000000);
		wr_be16(&w, (uint16_t)(8 + len + (ext ? 8 : 0)));
		wr_u8(&w, ext ? IPPROTO_DSTOPTS : IPPROTO_FRAGMENT);
		wr_u8(&w, 64);
		for (i = 0; i < 2; i++) {
			wr_be32(&w, 0x20010db8);
			wr_zero(&w, 8);
			wr_be32(&w, (uint32_t)(i + 2));
		}
		if (ext) {
			wr_be32(&w, (uint32_t)IPPROTO_FRAGMENT << 24 | 0x0104);
			wr_zero(&w, 4);
		}
		wr_be16(&w, IPPROTO_UDP << 8);
		wr_be16(&w, (uint16_t)(off * 8 | more));
		wr_be32(&w, id);
	} else {
		wr_be16(&w, ETHTYPE_IP4);
		wr_u8(&w, ext ? 0x46 : 0x45);
		wr_u8(&w, 0);
		wr_be16(&w, (uint16_t)(20 + len + (ext ? 4 : 0)));
		wr_be16(&w, (uint16_t)id);
		wr_be16(&w, (uint16_t)(off & 0x1fff) | (more ? 0x2000 : 0));
		wr_be16(&w, 64 << 8 | IPPROTO_UDP);
		wr_be16(&w, 0);
		wr_be32(&w, 0xc0000202);
		wr_be32(&w, 0xc0000201);
		if (ext)
			wr_be32(&w, 0x01010100);
	}
	for (i = 0; i < len; i++)
		wr_u8(&w, text(id, off * 8 + i));
	FUZZ_CHECK(wr_ok(&w));
	return w.len;
}

/* A datagram of ours is complete */
static void whole(unsigned id, const struct iovec *out, size_t len,
		  unsigned ext)
{
	const uint8_t *f = out->iov_base;
	size_t at = id & 1 ? 54 : 34, i;

	if (id & 1)
		at += f[20] == IPPROTO_DSTOPTS ? 8 : 0;
	else
		at += (f[14] & 15) > 5 ? 4 : 0;
	(void)ext;
	FUZZ_CHECK(len >= at);
	for (i = at; i < len; i++)
		FUZZ_CHECK(f[i] == text(id, i - at));
}

static size_t arrive(const uint8_t *frame, size_t len, size_t elem,
		     struct iovec *out)
{
	enum hdr_verdict v;
	struct tap_frame f;
	struct pkt p;
	size_t n = 0;

	fake_knobs()->rx_elem = elem;
	if (!fake_push(frame, len, 0) || tap_recv(&f, 1) != 1)
		abort();
	v = hdr_parse(&p, f.iov, f.len);
	/* As input.c does: nothing else gets there */
	if (v == HDR_FRAG)
		n = frag_input(f.iov, f.len, out);
	if (n) {
		FUZZ_CHECK(out->iov_len == n);
		v = hdr_parse(&p, out, n);
		/* The inner protocol may be anything */
		FUZZ_CHECK(v != HDR_FRAG || p.ethertype == ETHTYPE_IP6);
	}
	tap_done(1);
	return n;
}

static void described(struct in *in, uint8_t what)
{
	unsigned id = what & 7, ext = what >> 3 & 1;
	size_t elem = what & 16 ? 7 : 0, off = in_u16(in) & 0x1fff, len;
	bool more = what & 32, evil = what & 64;
	struct iovec out;
	uint8_t frame[4096];
	size_t n;

	len = in_u8(in) * 8U;
	if (!more || evil)
		len += in_u8(in) & 7;
	len = MIN(len, LEN_MAX);
	n = put(frame, id, off, more, len, ext);
	n = arrive(frame, n, elem, &out);
	if (n)
		whole(id, &out, n, ext);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };

	fake_reset();
	tap_attach(&fake_tap_ops);
	timer_reset();
	clock_set(now);
	frag_init();
	while (!in_done(&in)) {
		uint8_t what = in_u8(&in);
		struct iovec out;

		if (what < 128) {
			described(&in, what);
		} else if (what < 192) {
			size_t n = in_u16(&in) % 2048;
			const uint8_t *p = in_take(&in, &n);
			uint8_t copy[2048];

			/* May not pass for one of ours: those have MAC
			 * addresses of zeros, but the source is another */
			memcpy(copy, p, n);
			if (n > 29)
				copy[29] |= 0x80;
			arrive(copy, n, what & 63, &out);
		} else {
			now += in_u8(&in) * SEC;
			clock_set(now);
		}
	}
	FUZZ_CHECK(frag_pending() <= 16);
	now += 31 * SEC;
	clock_set(now);
	FUZZ_CHECK(!frag_pending());
	return 0;
}
