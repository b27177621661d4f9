/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_flow.h - what the flow table holds for UDP; types only
 */
#ifndef UDP_FLOW_H
#define UDP_FLOW_H

#include <stdbool.h>
#include <stdint.h>

/* When to look whether our address is still the right one: after so many ms
 * without an answer, or since the last look if nothing can be sent; see .heard */
#define UDP_SILENT	10000U
#define UDP_LOOK	1000U

struct udp_flow {
	int		sock[2];	/* per side: own connected socket, or -1
					 * (guest side; shared listener) */
	uint32_t	listener;	/* side 0 on the host: its listener */
	uint32_t	scope;		/* ... interface of a link-local client */
	uint32_t	named;		/* to a group: when its source was looked
					 * up, in units of mcast.c */
	uint32_t	used;		/* clock in ms of the last datagram, */
	uint32_t	heard;		/* of the last one of the target, or of
					 * a look at our address, see udp.c;
					 * long ago if that is to be done */
	uint8_t		seen[2];	/* datagrams from each side, up to 3 */
	uint8_t		ttl;		/* as set on the target's socket; */
	uint8_t		tos;		/* ttl 0: none of these was yet */
	uint8_t		discover;	/* IP_PMTUDISC_*, or the same of IPv6 */
	uint16_t	listener_gen;	/* ... and generation of it */
	bool		no_gso;		/* kernel refused UDP_SEGMENT here */
	bool		waits;		/* the last one was the guest's, or that
					 * of the client of a spliced flow */
	bool		bound;		/* to an address by -o */
	bool		open;		/* to a group or broadcast address: the
					 * socket is not connected */
};

#endif /* UDP_FLOW_H */
