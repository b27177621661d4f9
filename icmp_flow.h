/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmp_flow.h - what the flow table holds for an echo identifier; types only
 */
#ifndef ICMP_FLOW_H
#define ICMP_FLOW_H

#include <stdbool.h>
#include <stdint.h>

struct icmp_flow {
	int		sock;
	uint16_t	id;		/* the guest's identifier */
	uint16_t	seq;		/* of the last reply, if answered */
	bool		answered;	/* a reply came since the last request */
	uint8_t		ttl;		/* as set on the socket, 0 = not yet */
};

#endif /* ICMP_FLOW_H */
