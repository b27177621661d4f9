/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.h - the one kind of address: 16 bytes, IPv4 as v4-mapped IPv6
 *
 * Only hdr, csum, sock, netlink and the protocols that belong to one family
 * know about IP versions; everybody else passes these around by value or
 * const pointer. All-zero bytes are the IPv6 unspecified address and serve as
 * "not set"; the IPv4 unspecified address is ::ffff:0.0.0.0.
 */
#ifndef ADDR_H
#define ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union addr {
	uint8_t		b[16];
	uint32_t	w[4];
	struct in6_addr	in6;
};

/* Room for any address as text with brackets, port and NUL: "[...]:65535" */
#define ADDR_STRLEN	(INET6_ADDRSTRLEN + 8)

/* An address that never compares equal to a usable one */
#define ADDR_NONE	((union addr){ .w = { 0, 0, 0, 0 } })

enum addr_class {
	ADDR_UNSPEC,		/* ::, 0.0.0.0 (and the rest of 0/8) */
	ADDR_LOOPBACK,		/* ::1, 127/8 */
	ADDR_LINKLOCAL,		/* fe80::/10, 169.254/16 */
	ADDR_MULTICAST,		/* ff00::/8, 224/4 */
	ADDR_BROADCAST,		/* 255.255.255.255 */
	ADDR_V4COMPAT,		/* ::a.b.c.d (deprecated, never valid here) */
	ADDR_UNICAST,		/* anything else */
};

/* addr_from4() - From an IPv4 address in network byte order */
static inline union addr addr_from4(struct in_addr in)
{
	union addr a = { .w = { 0, 0, htonl(0xffff), in.s_addr } };

	return a;
}

static inline union addr addr_from6(const struct in6_addr *in6)
{
	union addr a;

	memcpy(&a, in6, sizeof(a));
	return a;
}

static inline bool addr_is4(const union addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == htonl(0xffff);
}

static inline struct in_addr addr_to4(const union addr *a)
{
	return (struct in_addr){ .s_addr = a->w[3] };
}

static inline bool addr_eq(const union addr *a, const union addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* addr_is_none() - True for the "not set" value ADDR_NONE (also ::) */
static inline bool addr_is_none(const union addr *a)
{
	return !a->w[0] && !a->w[1] && !a->w[2] && !a->w[3];
}

/* addr_class() - What kind of address; v4-mapped ones by their IPv4 rules */
enum addr_class addr_class(const union addr *a);

static inline bool addr_is_loopback(const union addr *a)
{
	return addr_class(a) == ADDR_LOOPBACK;
}

/* addr_is_unicast() - Usable as an endpoint: not unspecified, multicast or
 * broadcast (loopback and link-local pass) */
bool addr_is_unicast(const union addr *a);

/* addr_loopback() - 127.0.0.1 for @like of IPv4, else ::1 */
union addr addr_loopback(const union addr *like);

/* addr_any() - 0.0.0.0 (mapped) or :: */
union addr addr_any(bool v4);

/* addr_parse() - Text without brackets or zone to address; v4-mapped text is
 * taken as IPv4. Return: false if it is neither family */
bool addr_parse(const char *s, union addr *a);

/* prefix_parse() - "ADDR[/LEN]"; *len is -1 without /LEN, and at most 32 (v4)
 * or 128. A v4-mapped ADDR takes /96../128, converted to 0..32.
 * Return: false on junk */
bool prefix_parse(const char *s, union addr *a, int *len);

/* netmask_parse() - "255.255.255.0" (contiguous) or "24"; 0..32 or -1 */
int netmask_parse(const char *s);

/* addr_in_prefix() - Same network of @len bits (IPv4: 0..32)? */
bool addr_in_prefix(const union addr *a, const union addr *net, int len);

/* addr_str() - Text into @buf of ADDR_STRLEN bytes, IPv4 dotted; returns it */
const char *addr_str(const union addr *a, char *buf);

/* addr_port_str() - "192.0.2.1:80" or "[2001:db8::1]:80"; @port host order */
const char *addr_port_str(const union addr *a, in_port_t port, char *buf);

union sockaddr_any {
	struct sockaddr		sa;
	struct sockaddr_in	sin;
	struct sockaddr_in6	sin6;
};

/* addr_from_sa() - Read a socket address of either family (v4-mapped IPv6
 * becomes IPv4); @port in host order. Return: false for other families */
bool addr_from_sa(const union sockaddr_any *sa, union addr *a, in_port_t *port);

/*
 * addr_to_sa() - Fill a socket address
 * @family:	AF_INET (address must be IPv4), AF_INET6 (IPv4 stays v4-mapped;
 *		0.0.0.0 becomes ::)
 * @port:	host order
 * @scope:	interface index for link-local IPv6, else 0
 * Return: its length
 */
socklen_t addr_to_sa(union sockaddr_any *sa, int family, const union addr *a,
		     in_port_t port, uint32_t scope);

/* mac_parse() - Exactly "aa:bb:cc:dd:ee:ff"; mac_str() needs 18 bytes */
bool mac_parse(const char *s, uint8_t mac[static 6]);
const char *mac_str(const uint8_t mac[static 6], char *buf);

/* mac_is_station() - Not a group address (IEEE 802), nor all zeros */
bool mac_is_station(const uint8_t mac[static 6]);
#define MAC_STRLEN	18

#endif /* ADDR_H */
