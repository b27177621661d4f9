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

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WS = 3 };
enum { OPT_MSS_LEN = 4, OPT_WS_LEN = 3 };

void seg_opts_parse(const struct pkt *p, struct seg_opts *o)
{
	const uint8_t *opt = p->tcp.opt;
	size_t left = p->tcp.optlen, len;

	*o = (struct seg_opts){ .mss = SEG_MSS_DEFAULT };
	for (; left; opt += len, left -= len) {
		if (opt[0] == OPT_END)
			return;
		len = 1;
		if (opt[0] == OPT_NOP)
			continue;
		if (left < 2 || opt[1] < 2 || opt[1] > left)
			return;
		len = opt[1];
		if (opt[0] == OPT_MSS && len == OPT_MSS_LEN) {
			uint16_t mss = (uint16_t)(opt[2] << 8 | opt[3]);

			if (mss)
				o->mss = mss;
		} else if (opt[0] == OPT_WS && len == OPT_WS_LEN) {
			o->has_ws = true;
			o->ws = opt[2] > SEG_WS_MAX ? SEG_WS_MAX : opt[2];
		}
	}
}

size_t seg_opts_put(uint8_t *buf, uint16_t mss, int ws)
{
	buf[0] = OPT_MSS;
	buf[1] = OPT_MSS_LEN;
	buf[2] = (uint8_t)(mss >> 8);
	buf[3] = (uint8_t)mss;
	if (ws < 0)
		return OPT_MSS_LEN;
	buf[4] = OPT_NOP;
	buf[5] = OPT_WS;
	buf[6] = OPT_WS_LEN;
	buf[7] = (uint8_t)ws;
	return SEG_OPT_SYN;
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
