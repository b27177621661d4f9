// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_seg.c - segment arithmetic and options; pure
 *
 * Everything that can be said about one TCP segment without knowing its
 * connection: the options of a SYN, the sequence space it takes, what is left
 * of it after cutting off what was already received, and which reset would
 * answer it.
 */
#include "tcp_seg.h"

#include <string.h>

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WS = 3, OPT_SACK_OK = 4,
       OPT_SACK = 5 };
enum { OPT_MSS_LEN = 4, OPT_WS_LEN = 3, OPT_SACK_OK_LEN = 2,
       OPT_BLOCK_LEN = 8 };

/* Step to the next option of a list; false at its end, or where it makes no
 * sense. Bytes of padding are options as well */
static bool next_opt(const uint8_t **opt, size_t *left, size_t *len)
{
	*opt += *len;
	*left -= *len;
	if (!*left || **opt == OPT_END)
		return false;
	*len = 1;
	if (**opt == OPT_NOP)
		return true;
	if (*left < 2 || (*opt)[1] < 2 || (*opt)[1] > *left)
		return false;
	*len = (*opt)[1];
	return true;
}

void seg_opts_parse(const struct pkt *p, struct seg_opts *o)
{
	const uint8_t *opt = p->tcp.opt;
	size_t left = p->tcp.optlen, len = 0;

	*o = (struct seg_opts){ .mss = SEG_MSS_DEFAULT };
	while (next_opt(&opt, &left, &len)) {
		if (opt[0] == OPT_MSS && len == OPT_MSS_LEN) {
			uint16_t mss = (uint16_t)(opt[2] << 8 | opt[3]);

			if (mss)
				o->mss = mss;
		} else if (opt[0] == OPT_WS && len == OPT_WS_LEN) {
			o->has_ws = true;
			o->ws = opt[2] > SEG_WS_MAX ? SEG_WS_MAX : opt[2];
		} else if (opt[0] == OPT_SACK_OK && len == OPT_SACK_OK_LEN) {
			o->sack = true;
		}
	}
}

size_t seg_opts_put(uint8_t *buf, uint16_t mss, int ws, bool sack)
{
	size_t n = OPT_MSS_LEN;

	buf[0] = OPT_MSS;
	buf[1] = OPT_MSS_LEN;
	buf[2] = (uint8_t)(mss >> 8);
	buf[3] = (uint8_t)mss;
	if (ws >= 0) {
		buf[n++] = OPT_NOP;
		buf[n++] = OPT_WS;
		buf[n++] = OPT_WS_LEN;
		buf[n++] = (uint8_t)ws;
	}
	if (sack) {
		buf[n++] = OPT_NOP;
		buf[n++] = OPT_NOP;
		buf[n++] = OPT_SACK_OK;
		buf[n++] = OPT_SACK_OK_LEN;
	}
	return n;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 24);
	*p++ = (uint8_t)(v >> 16);
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

unsigned seg_sack_parse(const struct pkt *p, struct seg_block *b, unsigned max)
{
	const uint8_t *opt = p->tcp.opt, *at;
	size_t left = p->tcp.optlen, len = 0;
	unsigned n = 0;

	while (next_opt(&opt, &left, &len)) {
		if (opt[0] != OPT_SACK || len % OPT_BLOCK_LEN != 2)
			continue;
		for (at = opt + 2; at < opt + len && n < max;
		     at += OPT_BLOCK_LEN)
			b[n++] = (struct seg_block){ get32(at), get32(at + 4) };
	}
	return n;
}

size_t seg_sack_put(uint8_t *buf, const struct seg_block *b, unsigned n)
{
	uint8_t *p = buf;

	if (!n)
		return 0;
	*p++ = OPT_NOP;
	*p++ = OPT_NOP;
	*p++ = OPT_SACK;
	*p++ = (uint8_t)(2 + OPT_BLOCK_LEN * n);
	for (; n; n--, b++)
		p = put32(put32(p, b->start), b->end);
	return (size_t)(p - buf);
}

uint32_t seg_len(const struct pkt *p)
{
	return (uint32_t)cur_left(&p->data) + !!(p->tcp.flags & TH_SYN) +
	       !!(p->tcp.flags & TH_FIN);
}

bool seg_trim(struct pkt *p, uint32_t nxt)
{
	uint32_t old;

	if (seq_lt(nxt, p->tcp.seq))		/* a gap before it */
		return false;
	if (p->tcp.flags & TH_SYN && p->tcp.seq != nxt) {
		p->tcp.flags &= (uint8_t)~TH_SYN;
		p->tcp.seq++;
	}
	old = nxt - p->tcp.seq;
	if (old > cur_left(&p->data)) {		/* even a FIN is old */
		p->tcp.flags &= (uint8_t)~TH_FIN;
		cur_trim(&p->data, 0);
		return false;
	}
	cur_skip(&p->data, old);
	p->tcp.seq = nxt;
	return cur_left(&p->data) || p->tcp.flags & TH_FIN;
}

uint8_t seg_rst_for(const struct pkt *p, uint32_t *seq, uint32_t *ack)
{
	if (p->tcp.flags & TH_ACK) {
		*seq = p->tcp.ack;
		*ack = 0;
		return TH_RST;
	}
	*seq = 0;
	*ack = p->tcp.seq + seg_len(p);
	return TH_RST | TH_ACK;
}
