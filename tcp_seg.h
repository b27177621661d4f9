/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_seg.h - segment arithmetic and options; pure
 */
#ifndef TCP_SEG_H
#define TCP_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hdr.h"

/* Sequence numbers compare modulo 2^32 (RFC 9293 3.4) */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

#define SEG_WS_MAX	14	/* RFC 7323 2.3 */
#define SEG_MSS_DEFAULT	536	/* RFC 9293 3.7.1 */
#define SEG_OPT_SYN	12	/* bytes seg_opts_put() writes at most */
#define SEG_BLOCKS	4	/* of a SACK option, at most */
#define SEG_OPT_SACK	(4 + 8 * SEG_BLOCKS)	/* bytes of it */

struct seg_opts {
	uint16_t	mss;	/* SEG_MSS_DEFAULT if absent or nonsense */
	bool		has_ws;
	bool		sack;	/* selective acknowledgements are welcome */
	uint8_t		ws;	/* at most SEG_WS_MAX */
};

/* Received beyond a gap: from @start up to, not including, @end */
struct seg_block {
	uint32_t	start, end;
};

/* seg_opts_parse() - Read the options of a SYN; malformed ones end the list */
void seg_opts_parse(const struct pkt *p, struct seg_opts *o);

/* seg_opts_put() - MSS, window scale unless @ws is negative, and whether
 * selective acknowledgements are welcome; returns bytes written, a multiple of
 * 4, at most SEG_OPT_SYN */
size_t seg_opts_put(uint8_t *buf, uint16_t mss, int ws, bool sack);

/* seg_sack_parse() - The blocks of a segment's SACK option, up to @max, as
 * they are: nothing has been checked */
unsigned seg_sack_parse(const struct pkt *p, struct seg_block *b,
			unsigned max);

/* seg_sack_put() - A SACK option with @n blocks, up to SEG_BLOCKS; returns bytes
 * written, a multiple of 4 */
size_t seg_sack_put(uint8_t *buf, const struct seg_block *b, unsigned n);

/* seg_len() - Sequence space the segment takes: data, SYN and FIN */
uint32_t seg_len(const struct pkt *p);

/*
 * seg_trim() - Cut what lies before @nxt off the front of a segment
 *
 * A SYN or FIN outside of what is left is cleared. Return: true if anything
 * is left that starts exactly at @nxt (data, FIN), false if the segment is
 * empty, all old, or leaves a gap.
 */
bool seg_trim(struct pkt *p, uint32_t nxt);

/* seg_rst_for() - Numbers of the reset that answers a segment of no connection
 * (RFC 9293 3.10.7.1); returns its flags */
uint8_t seg_rst_for(const struct pkt *p, uint32_t *seq, uint32_t *ack);

#endif /* TCP_SEG_H */
