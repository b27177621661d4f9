/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmsg.h - what a socket says of a datagram besides its bytes
 */
#ifndef CMSG_H
#define CMSG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "addr.h"

/*
 * cmsg_pktinfo() - Our address, from packet info of either kind
 * @dst:	IPv4: take the packet's destination, which is all that the
 *		kernel fills in for errors, and not the address to reply from,
 *		which differs for broadcasts
 * @scope:	interface, set for IPv6
 * Return: false if @c is neither kind
 */
bool cmsg_pktinfo(const struct cmsghdr *c, bool dst, union addr *local,
		  uint32_t *scope);

/* cmsg_header() - The same for TTL or hop limit, TOS or traffic class */
bool cmsg_header(const struct cmsghdr *c, uint8_t *ttl, uint8_t *tos);

#endif /* CMSG_H */
