/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp.h - DHCPv4 server with one lease (RFC 2131, 2132)
 */
#ifndef DHCP_H
#define DHCP_H

#include <stdbool.h>

#include "hdr.h"

/* dhcp_input() - A UDP datagram; true if it was for us (ports 68 to 67 and the
 * service is on), also when it was dropped as malformed */
bool dhcp_input(const struct pkt *p);

#endif /* DHCP_H */
