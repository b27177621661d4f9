// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seg.c - the parts of TCP that have no flow: options, sequence numbers, the
 * store of bytes beyond a gap and the scoreboard of the other direction, each
 * against a map of bytes; windows and time-outs of any numbers
 *
 * Input: a step after the other, each with its numbers.
 */
#include "fuzz.h"

#include "hold.h"
#include "tcp_ooo.h"
#include "tcp_sack.h"
#include "tcp_seg.h"
#include "tcp_win.h"
#include "util.h"

#define SPACE	4096U

static struct {
	uint32_t base;			/* number of the first byte */
	uint8_t byte[SPACE];
	/* What the guest sent, its end behind this byte or -1 */
	struct ooo ooo;
	bool have[SPACE], may[SPACE];	/* kept for sure; perhaps */
	uint32_t nxt;
	bool fin[SPACE + 1];
	/* What the guest told of */
	struct sack sack;
	bool told[SPACE];
	unsigned blocks;		/* beyond some, they may be forgotten */
	uint32_t una, sent;
} twin;

static void options(struct in *in)
{
	struct pkt p = { .proto = IPPROTO_TCP };
	struct seg_block b[SEG_BLOCKS];
	struct seg_opts o;
	uint8_t out[TCP_OPT_MAX];
	size_t n = in_u8(in) % 11 * 4, len = n;
	const uint8_t *from = in_take(in, &n);
	unsigned blocks;

	p.tcp.optlen = (uint8_t)len;
	memset(p.tcp.opt, 0xff, sizeof(p.tcp.opt));
	memcpy(p.tcp.opt, from, n);
	seg_opts_parse(&p, &o);
	FUZZ_CHECK(o.mss && o.ws <= SEG_WS_MAX);
	blocks = seg_sack_parse(&p, b, SEG_BLOCKS);
	FUZZ_CHECK(blocks <= SEG_BLOCKS);

	/* What we write says the same when read */
	FUZZ_CHECK(seg_opts_put(out, o.mss, o.has_ws ? o.ws : -1, o.sack) <=
		   SEG_OPT_SYN);
	p.tcp.optlen = (uint8_t)seg_opts_put(p.tcp.opt, o.mss,
					     o.has_ws ? o.ws : -1, o.sack);
	FUZZ_CHECK(!(p.tcp.optlen % 4));
	{
		struct seg_opts again;

		seg_opts_parse(&p, &again);
		FUZZ_CHECK(again.mss == o.mss && again.has_ws == o.has_ws &&
			   again.ws == o.ws && again.sack == o.sack);
	}
	p.tcp.optlen = (uint8_t)seg_sack_put(p.tcp.opt, b, blocks);
	FUZZ_CHECK(p.tcp.optlen <= SEG_OPT_SACK);
	{
		struct seg_block again[SEG_BLOCKS];

		FUZZ_CHECK(seg_sack_parse(&p, again, SEG_BLOCKS) == blocks);
		FUZZ_CHECK(!memcmp(again, b, blocks * sizeof(*b)));
	}
}

/* Bytes before @nxt go, those behind stay, and a SYN or FIN counts as one */
static void trim(struct in *in)
{
	uint32_t len = in_u16(in) % 3000, seq = in_u32(in), nxt, end, ack, rst;
	struct pkt p = { .proto = IPPROTO_TCP };
	struct iovec iov = { twin.byte, len };
	bool some;

	p.tcp.seq = seq;
	p.tcp.flags = in_u8(in);
	nxt = seq + in_u16(in) - 32768;
	cur_init(&p.data, &iov, len);
	end = seq + seg_len(&p);
	seg_rst_for(&p, &rst, &ack);
	some = seg_trim(&p, nxt);
	FUZZ_CHECK(cur_left(&p.data) <= len);
	if (!some)
		return;
	FUZZ_CHECK(p.tcp.seq == nxt && seq_le(seq, nxt) && seq_lt(nxt, end));
	FUZZ_CHECK(nxt + seg_len(&p) == end);
}

/* ---------------------------------------------------------------- beyond */

static void ooo_arrives(struct in *in)
{
	uint32_t at = in_u16(in) % SPACE, len = in_u16(in), i;
	struct iovec iov[2];
	struct cursor c;
	bool fin = in_u8(in) % 4 == 3, all;

	len = MIN(len % (SPACE / 2), SPACE - at);
	if (at < twin.nxt)
		return;
	iov[0] = (struct iovec){ twin.byte + at, len / 2 };
	iov[1] = (struct iovec){ twin.byte + at + len / 2, len - len / 2 };
	cur_init(&c, iov, len);
	all = ooo_put(&twin.ooo, twin.base + at, &c, fin);
	for (i = at; i < at + len; i++) {
		twin.may[i] = true;
		if (all)
			twin.have[i] = true;
	}
	if (fin)
		twin.fin[at + len] = true;
}

static void ooo_check_blocks(void)
{
	struct seg_block b[OOO_PER_FLOW + 1];
	unsigned n = ooo_blocks(&twin.ooo, b, ARRAY_LEN(b)), i;
	bool in_block[SPACE] = { false };
	uint32_t j;

	FUZZ_CHECK(n <= OOO_PER_FLOW);
	for (i = 0; i < n; i++) {
		uint32_t from = b[i].start - twin.base;
		uint32_t to = b[i].end - twin.base;

		FUZZ_CHECK(from <= to && to <= SPACE + 1);
		for (j = from; j < to && j < SPACE; j++) {
			FUZZ_CHECK(twin.may[j] || twin.fin[j]);
			in_block[j] = true;
		}
	}
	for (j = twin.nxt; j < SPACE; j++)
		FUZZ_CHECK(!twin.have[j] || in_block[j]);
}

/* The gap is filled up to some byte */
static void ooo_goes_on(struct in *in)
{
	uint32_t to = twin.nxt + in_u16(in) % 512, len, i;
	const struct hold *h;
	struct iovec iov[8];
	bool fin = false;

	twin.nxt = MIN(to, SPACE);
	h = ooo_next(&twin.ooo, twin.base + twin.nxt, &fin);
	if (!h) {
		FUZZ_CHECK(twin.nxt == SPACE || !twin.have[twin.nxt]);
		return;
	}
	len = h->len;
	FUZZ_CHECK(len || fin);
	FUZZ_CHECK(twin.nxt + len <= SPACE);
	if (fin)
		FUZZ_CHECK(twin.fin[twin.nxt + len]);
	if (len) {
		unsigned n = hold_iov(h, iov, ARRAY_LEN(iov)), k;

		for (i = 0, k = 0; k < n; i += (uint32_t)iov[k++].iov_len)
			FUZZ_CHECK(!memcmp(iov[k].iov_base,
					   twin.byte + twin.nxt + i,
					   iov[k].iov_len));
		FUZZ_CHECK(i == len);
	}
	for (i = 0; i < len; i++)
		FUZZ_CHECK(twin.may[twin.nxt + i]);
	len -= len ? in_u8(in) % len : 0;
	ooo_taken(&twin.ooo, len);
	twin.nxt += len;
}

/* ---------------------------------------------------------------- told */

static void sack_arrives(struct in *in)
{
	unsigned n = in_u8(in) % (SEG_BLOCKS + 1), i;
	struct seg_block b[SEG_BLOCKS];
	uint32_t j;

	for (i = 0; i < n; i++) {
		uint32_t from = in_u16(in), to = from + in_u16(in) % 700;

		b[i] = (struct seg_block){ twin.base + from, twin.base + to };
		if (from >= to || from <= twin.una || to > twin.sent ||
		    ++twin.blocks > SACK_PER_FLOW)
			continue;
		for (j = from; j < to; j++)
			twin.told[j] = true;
	}
	sack_take(&twin.sack, twin.base + twin.una, twin.base + twin.sent, b,
		  n);
}

static void sack_holes(struct in *in)
{
	uint32_t una = twin.base + twin.una, sent = twin.base + twin.sent;
	struct seg_block hole;
	unsigned n = 1U + in_u8(in) % 16;

	FUZZ_CHECK(seq_le(una, sack_high(&twin.sack, una)) &&
		   seq_le(sack_high(&twin.sack, una), sent));
	sack_taken_back(&twin.sack, una);
	while (n-- && sack_hole(&twin.sack, una, &hole)) {
		uint32_t from = hole.start - twin.base, j;
		uint32_t to = hole.end - twin.base;

		FUZZ_CHECK(from < to && from >= twin.una && to <= twin.sent);
		for (j = from; j < to; j++)
			FUZZ_CHECK(!twin.told[j]);
		sack_filled(&twin.sack, hole.start + 1 +
			    in_u16(in) % (to - from), sent);
	}
}

static void sack_step(struct in *in, unsigned what)
{
	uint32_t n = in_u16(in);

	if (what == 0) {
		twin.sent = MIN(twin.sent + n % 1500, SPACE);
	} else if (what == 1) {
		twin.una = MIN(twin.una + n % 1500, twin.sent);
		sack_acked(&twin.sack, twin.base + twin.una);
	} else if (what == 2) {
		sack_start(&twin.sack, twin.base + twin.una,
			   twin.base + twin.sent);
	} else {
		sack_free(&twin.sack);
		memset(twin.told, 0, sizeof(twin.told));
	}
}

static void policy(struct in *in)
{
	uint32_t srtt = in_u32(in), var = in_u32(in), rto;
	unsigned tries = in_u8(in);

	win_rtt(&srtt, &var, in_u32(in));
	rto = win_rto(srtt, var, tries);
	FUZZ_CHECK(rto && rto <= WIN_RTO_MAX);
	FUZZ_CHECK(win_probe(srtt, var, tries & 1) <= WIN_RTO_MAX);
	FUZZ_CHECK(win_mss(in_u16(in), tries & 1 ? 40 : 60, in_u16(in)));
	FUZZ_CHECK(win_to_guest(in_u32(in), in_u32(in), tries & 1, in_u32(in),
				in_u16(in), tries & 2) <= WIN_RCV_GAP);
	win_ack_now(in_u32(in), in_u16(in), tries & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	static bool begun;
	unsigned i;

	if (!begun) {
		hold_init();
		ooo_init();
		sack_init();
		begun = true;
	}
	memset(&twin, 0, sizeof(twin));
	twin.base = in_u32(&in);
	for (i = 0; i < SPACE; i++)
		twin.byte[i] = (uint8_t)(i * 2654435761U >> 11);
	while (!in_done(&in)) {
		uint8_t what = in_u8(&in) % 16;

		if (what == 0)
			options(&in);
		else if (what == 1)
			trim(&in);
		else if (what == 2)
			policy(&in);
		else if (what < 6)
			ooo_arrives(&in);
		else if (what < 8)
			ooo_goes_on(&in);
		else if (what == 8)
			ooo_check_blocks();
		else if (what < 11)
			sack_arrives(&in);
		else if (what == 11)
			sack_holes(&in);
		else
			sack_step(&in, what - 12U);
	}
	ooo_free(&twin.ooo);
	sack_free(&twin.sack);
	FUZZ_CHECK(!ooo_used() && !sack_used() && !hold_chunks_used());
	return 0;
}
