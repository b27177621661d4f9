/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_flow.h - what the flow table holds for a spliced pair; types only
 */
#ifndef SPLICE_FLOW_H
#define SPLICE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum splice_flags {			/* of what comes from a side */
	SF_READABLE	= 1U << 0,	/* its socket may have something */
	SF_BULK		= 1U << 1,	/* worth a pipe */
	SF_BLOCKED	= 1U << 2,	/* the other socket is full */
	SF_HUP		= 1U << 3,	/* an end was announced: read up to it */
	SF_EOF		= 1U << 4,	/* it has sent its last byte */
	SF_SHUT		= 1U << 5,	/* and the other side was told */
	SF_FAILED	= 1U << 6,	/* it was reset */
	SF_URGENT	= 1U << 7,	/* an urgent byte is in the stream */
	SF_QUICK	= 1U << 8,	/* it waits for acknowledgements */
};

struct splice_flow {
	int		sock[2];	/* per side */
	int		pipe[2][2];	/* from side i: read and write end; lent
					 * while bytes wait, else -1 */
	uint32_t	inpipe[2];	/* bytes waiting in each */
	uint32_t	spoke_at;	/* ms: the last small read, and whose */
	uint16_t	flags[2];	/* enum splice_flags */
	uint8_t		spoke;
	bool		connected;
};

#endif /* SPLICE_FLOW_H */
