/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send.h - one small frame to the guest: replies of dhcp, ndp, arp, icmp
 *
 * Each returns false if the port had no room or the datagram does not fit; the
 * frame then counts as lost on the wire.
 */
#ifndef SEND_H
#define SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

/*
 * send_udp() - A datagram, checksum included
 * @sport, @dport: in host order
 * @ttl, @flow:	of the IP header; the flow label (20 bits, in host order) only
 *		of IPv6
 * @dmac:	NULL = the guest's MAC
 */
bool send_udp(const union addr *src, in_port_t sport, const union addr *dst,
	      in_port_t dport, uint8_t ttl, uint32_t flow, const uint8_t *dmac,
	      const void *data, size_t len);

/* send_dgram() - The same, of @tos (or traffic class), with flow label 0 */
bool send_dgram(const union addr *src, in_port_t sport, const union addr *dst,
		in_port_t dport, uint8_t ttl, uint8_t tos, const uint8_t *dmac,
		const void *data, size_t len);

/*
 * send_icmp() - An ICMP or ICMPv6 message, by the family of @dst
 * @msg:	from the type byte on; its checksum field is filled in a copy
 * @smac:	NULL = our MAC
 * @dmac:	NULL = the guest's MAC
 */
bool send_icmp(const union addr *src, const union addr *dst, uint8_t ttl,
	       const uint8_t *smac, const uint8_t *dmac, const void *msg,
	       size_t len);

/*
 * send_icmp_error() - Tell the guest that a datagram of its failed
 * @from:	who reports
 * @type, @code:	ICMP or ICMPv6 by family of @dst
 * @info:	second word of the message in host order (MTU), else 0
 * @src, @sport: the guest's end of the failed datagram, quoted
 * @dst, @dport: the other end, quoted
 * @data, @len:	start of its payload (8 bytes quoted for IPv4, as many as fit
 *		1280 bytes for IPv6: RFC 4443 2.4 (c))
 * @total:	length of the whole UDP payload, for the quoted headers
 */
bool send_icmp_error(const union addr *from, uint8_t type, uint8_t code,
		     uint32_t info, const union addr *src, in_port_t sport,
		     const union addr *dst, in_port_t dport, const void *data,
		     size_t len, size_t total);

/*
 * send_icmp_quote() - The same, about any packet of the guest's
 * @to:		the guest, who sent it
 * @quote, @len: the packet from its IP header on, or the beginning of it; cut to
 *		what a message of its family may quote
 */
bool send_icmp_quote(const union addr *from, const union addr *to,
		     uint8_t type, uint8_t code, uint32_t info,
		     const uint8_t *quote, size_t len);

/* send_router() - As whom we report what nobody outside did, of a packet to
 * @dst: our address on the link, or @dst itself without one */
const union addr *send_router(const union addr *dst);

/* send_unreach_code() - The message for reason @e (errno) why a destination
 * cannot be reached; false if that is our trouble and not the destination's */
bool send_unreach_code(int e, bool v4, uint8_t *type, uint8_t *code);

/* send_eth() - A bare frame of @ethertype (ARP), padded to 60 bytes; @smac and
 * @dmac as for send_icmp() */
bool send_eth(uint16_t ethertype, const uint8_t *smac, const uint8_t *dmac,
	      const void *data, size_t len);

#endif /* SEND_H */
