/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmp_flow.h - what the flow table holds for an echo identifier; types only
 */
#ifndef ICMP_FLOW_H
#define ICMP_FLOW_H

#include <stdint.h>

struct icmp_flow {
	int		sock;
	uint32_t	heard;		/* clock in ms of the last reply, or of
					 * a look at our address, see icmp.c */
	uint16_t	id;		/* the guest's identifier */
	uint8_t		ttl;		/* as set on the socket, 0 = not yet */
	uint8_t		cut;		/* 1: routers may cut requests */
};

#endif /* ICMP_FLOW_H */
