// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * addr.c - the one kind of address
 *
 * Sixteen bytes carry both families: an IPv4 address is its v4-mapped IPv6
 * address (RFC 4291 2.5.5.2). Here is all that looks inside them: text in both
 * directions, classes, prefixes, socket addresses. Text is parsed strictly, by
 * inet_pton(): no "127.1", no zones, no brackets, no blanks.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "util.h"

static enum addr_class class4(uint32_t a)
{
	if (a >> 24 == 0)			/* RFC 1122 3.2.1.3 */
		return ADDR_UNSPEC;
	if (a >> 24 == 127)
		return ADDR_LOOPBACK;
	if (a >> 16 == 0xa9fe)			/* RFC 3927 */
		return ADDR_LINKLOCAL;
	if (a >> 28 == 0xe)			/* RFC 5771 */
		return ADDR_MULTICAST;
	if (a == 0xffffffff)
		return ADDR_BROADCAST;
	return ADDR_UNICAST;
}

enum addr_class addr_class(const union addr *a)
{
	if (addr_is4(a))
		return class4(ntohl(a->w[3]));

	if (a->b[0] == 0xff)			/* RFC 4291 2.4 */
		return ADDR_MULTICAST;
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80)
		return ADDR_LINKLOCAL;

	if (a->w[0] || a->w[1] || a->w[2])
		return ADDR_UNICAST;
	if (!a->w[3])
		return ADDR_UNSPEC;
	if (a->w[3] == htonl(1))
		return ADDR_LOOPBACK;
	return ADDR_V4COMPAT;			/* RFC 4291 2.5.5.1 */
}

bool addr_is_unicast(const union addr *a)
{
	switch (addr_class(a)) {
	case ADDR_LOOPBACK:
	case ADDR_LINKLOCAL:
	case ADDR_UNICAST:
		return true;
	case ADDR_UNSPEC:
	case ADDR_MULTICAST:
	case ADDR_BROADCAST:
	case ADDR_V4COMPAT:
		break;
	}
	return false;
}

union addr addr_loopback(const union addr *like)
{
	if (addr_is4(like))
		return addr_from4((struct in_addr){ htonl(INADDR_LOOPBACK) });
	return addr_from6(&in6addr_loopback);
}

union addr addr_any(bool v4)
{
	if (v4)
		return addr_from4((struct in_addr){ htonl(INADDR_ANY) });
	return addr_from6(&in6addr_any);
}

bool addr_parse(const char *s, union addr *a)
{
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, s, &in) == 1)
		*a = addr_from4(in);
	else if (inet_pton(AF_INET6, s, &in6) == 1)
		*a = addr_from6(&in6);		/* mapped text is IPv4 */
	else
		return false;
	return true;
}

bool prefix_parse(const char *s, union addr *a, int *len)
{
	const char *slash = strchr(s, '/');
	uint64_t min = 0, max = 128, v;
	char text[INET6_ADDRSTRLEN];
	union addr addr;
	bool mapped;

	if (!slash) {
		if (!addr_parse(s, a))
			return false;
		*len = -1;
		return true;
	}

	if ((size_t)(slash - s) >= sizeof(text))
		return false;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (!addr_parse(text, &addr))
		return false;

	/* ::ffff:192.0.2.1/120 counts from the front of the mapped form */
	mapped = addr_is4(&addr) && strchr(text, ':');
	if (mapped)
		min = 96;
	else if (addr_is4(&addr))
		max = 32;
	if (!parse_u64(slash + 1, 10, min, max, &v))
		return false;

	*len = (int)(v - min);
	*a = addr;
	return true;
}

int netmask_parse(const char *s)
{
	struct in_addr in;
	uint32_t host;
	uint64_t v;

	if (parse_u64(s, 10, 0, 32, &v))
		return (int)v;
	if (inet_pton(AF_INET, s, &in) != 1)
		return -1;

	host = ~ntohl(in.s_addr);
	if (host & (host + 1))			/* not ones at the end only */
		return -1;
	return 32 - __builtin_popcount(host);
}

bool addr_in_prefix(const union addr *a, const union addr *net, int len)
{
	unsigned bits, bytes;

	if (addr_is4(a) != addr_is4(net))
		return false;
	if (len < 0 || len > (addr_is4(a) ? 32 : 128))
		return false;

	bits = (unsigned)len + (addr_is4(a) ? 96 : 0);
	bytes = bits / 8;
	if (memcmp(a->b, net->b, bytes))
		return false;

	bits %= 8;
	return !bits || !((a->b[bytes] ^ net->b[bytes]) >> (8 - bits));
}

const char *addr_str(const union addr *a, char *buf)
{
	if (addr_is4(a))
		inet_ntop(AF_INET, &a->w[3], buf, ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a, buf, ADDR_STRLEN);
	return buf;
}

const char *addr_port_str(const union addr *a, in_port_t port, char *buf)
{
	char text[ADDR_STRLEN];

	addr_str(a, text);
	snprintf(buf, ADDR_STRLEN, addr_is4(a) ? "%.45s:%u" : "[%.45s]:%u",
		 text, (unsigned)port);
	return buf;
}

bool addr_from_sa(const union sockaddr_any *sa, union addr *a, in_port_t *port)
{
	switch (sa->sa.sa_family) {
	case AF_INET:
		*a = addr_from4(sa->sin.sin_addr);
		*port = ntohs(sa->sin.sin_port);
		return true;
	case AF_INET6:
		*a = addr_from6(&sa->sin6.sin6_addr);
		*port = ntohs(sa->sin6.sin6_port);
		return true;
	default:
		return false;
	}
}

/* wants_scope() - Has the address a meaning on one link only (RFC 4007 4)? */
static bool wants_scope(const union addr *a)
{
	if (addr_is4(a))
		return false;
	if (a->b[0] == 0xff)
		return (a->b[1] & 0xf) <= 2;
	return addr_class(a) == ADDR_LINKLOCAL;
}

socklen_t addr_to_sa(union sockaddr_any *sa, int family, const union addr *a,
		     in_port_t port, uint32_t scope)
{
	memset(sa, 0, sizeof(*sa));

	if (family == AF_INET) {
		sa->sin.sin_family = AF_INET;
		sa->sin.sin_port = htons(port);
		sa->sin.sin_addr = addr_to4(a);
		return sizeof(sa->sin);
	}

	sa->sin6.sin6_family = AF_INET6;
	sa->sin6.sin6_port = htons(port);
	/* ::ffff:0.0.0.0 cannot be bound to both families, :: can */
	if (!addr_is4(a) || a->w[3])
		sa->sin6.sin6_addr = a->in6;
	if (wants_scope(a))
		sa->sin6.sin6_scope_id = scope;
	return sizeof(sa->sin6);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool mac_parse(const char *s, uint8_t mac[static 6])
{
	uint8_t m[6];
	unsigned i;

	if (strlen(s) != MAC_STRLEN - 1)
		return false;

	for (i = 0; i < sizeof(m); i++, s += 3) {
		int hi = hex_digit(s[0]), lo = hex_digit(s[1]);

		if (hi < 0 || lo < 0 || s[2] != (i < 5 ? ':' : '\0'))
			return false;
		m[i] = (uint8_t)(hi << 4 | lo);
	}

	memcpy(mac, m, sizeof(m));
	return true;
}

const char *mac_str(const uint8_t mac[static 6], char *buf)
{
	snprintf(buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return buf;
}

bool mac_is_station(const uint8_t mac[static 6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero));
}
