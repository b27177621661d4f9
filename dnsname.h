/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsname.h - domain names in wire form (RFC 1035 3.1), for the options of
 * DHCP, DHCPv6 and router advertisements
 */
#ifndef DNSNAME_H
#define DNSNAME_H

#include "cursor.h"

#define DNSNAME_MAX	255	/* bytes on the wire (RFC 1035 2.3.4) */
#define DNSNAME_PLAIN	SIZE_MAX

/*
 * dnsname_put() - Append @name ("example.org", a final dot is fine)
 * @base:	names from this mark of the writer on may be referred to by
 *		back-pointers counted from there (RFC 1035 4.1.4), and there is
 *		nothing else; DNSNAME_PLAIN = no compression
 * Return: false if it is no name, or did not fit; nothing is written then
 */
bool dnsname_put(struct writer *w, const char *name, size_t base);

#endif /* DNSNAME_H */
