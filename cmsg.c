// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmsg.c - what a socket says of a datagram besides its bytes
 *
 * Control messages of recvmsg(), in the words of this program. A socket for
 * both families gives those of IPv4 datagrams as IPv4 has them, except for
 * packet info, so both are asked for one after the other, whatever the socket.
 */
#include "cmsg.h"

#include <netinet/in.h>
#include <string.h>

bool cmsg_pktinfo(const struct cmsghdr *c, bool dst, union addr *local,
		  uint32_t *scope)
{
	if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo i;

		memcpy(&i, CMSG_DATA(c), sizeof(i));
		*local = addr_from4(dst ? i.ipi_addr : i.ipi_spec_dst);
		return true;
	}
	if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo i;

		memcpy(&i, CMSG_DATA(c), sizeof(i));
		*local = addr_from6(&i.ipi6_addr);
		*scope = i.ipi6_ifindex;
		return true;
	}
	return false;
}

bool cmsg_header(const struct cmsghdr *c, uint8_t *ttl, uint8_t *tos)
{
	int v;

	if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
		*tos = *CMSG_DATA(c);		/* a byte, alone of its kind */
		return true;
	}
	if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL) &&
	    !(c->cmsg_level == SOL_IPV6 && (c->cmsg_type == IPV6_HOPLIMIT ||
					    c->cmsg_type == IPV6_TCLASS)))
		return false;
	memcpy(&v, CMSG_DATA(c), sizeof(v));
	*(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS ?
	  tos : ttl) = (uint8_t)v;
	return true;
}
