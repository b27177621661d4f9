/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcpv6.h - DHCPv6 server with one address (RFC 8415)
 */
#ifndef DHCPV6_H
#define DHCPV6_H

#include <stdbool.h>
#include <time.h>

#include "hdr.h"

/* dhcpv6_init() - @start makes, with our MAC address, our identifier; it does
 * not change while we run */
void dhcpv6_init(time_t start);

/* dhcpv6_input() - A UDP datagram; true if it was for us (ports 546 to 547 and
 * the service is on), also when it was dropped */
bool dhcpv6_input(const struct pkt *p);

#endif /* DHCPV6_H */
