// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf_addr.c - options about addresses and names: whose, which, and what for
 *
 * An address belongs to a family, and goes where that family's go. Which kinds
 * of address an option refuses, such as loopback, stands in its row.
 */
#include "conf_addr.h"

static union addr parse_addr(const struct option_row *row, const char *arg)
{
	static const char *const words[] = {
		[ADDR_UNSPEC]	 = "an unspecified",
		[ADDR_LOOPBACK]	 = "a loopback",
		[ADDR_LINKLOCAL] = "a link-local",
		[ADDR_MULTICAST] = "a multicast",
		[ADDR_BROADCAST] = "the broadcast",
		[ADDR_V4COMPAT]	 = "an IPv4-compatible",
		[ADDR_UNICAST]	 = "a unicast",
	};
	enum addr_class class;
	union addr a;

	if (!addr_parse(arg, &a))
		die("--%s: '%.64s' is not an IPv4 or IPv6 address", row->name,
		    arg);
	class = addr_class(&a);
	if (row->num & (1U << class))
		die("--%s: '%.64s' is %s address, give one that a single host can have",
		    row->name, arg, words[class]);
	return a;
}

/* Into one of the addresses of struct fwd_net; off is within that */
void take_fwd_addr(struct conf *c, const struct option_row *row,
		   const char *arg)
{
	union addr a = parse_addr(row, arg);

	if (row->off == offsetof(struct fwd_net, outbound) &&
	    ((addr_is4(&a) && strchr(arg, ':')) ||
	     (!addr_is4(&a) && addr_is_loopback(&a))))
		die("--%s: '%.64s' is not an address to connect from: give a plain IPv4 or IPv6 address of this host",
		    row->name, arg);
	*(union addr *)(void *)((char *)&c->fwd.net[family_of(&a)] +
				row->off) = a;
}

void take_map(struct conf *c, const struct option_row *row, const char *arg)
{
	bool host = row->off == offsetof(struct fwd_net, map_host_loopback);
	union addr a;
	int f;

	if (strcmp(arg, "none")) {
		a = parse_addr(row, arg);
		take_fwd_addr(c, row, arg);
		if (host)
			c->given_map_host[family_of(&a)] = true;
		return;
	}

	for (f = 0; f < GUEST_FAMILIES; f++) {
		*(union addr *)(void *)((char *)&c->fwd.net[f] + row->off) =
			ADDR_NONE;
		if (host)
			c->given_map_host[f] = c->no_map_gw = true;
	}
}

void take_address(struct conf *c, const struct option_row *row, const char *arg)
{
	char text[ADDR_STRLEN];
	enum guest_family f;
	union addr a;
	int len;

	if (!prefix_parse(arg, &a, &len))
		die("--%s: '%.64s' is not ADDRESS or ADDRESS/LENGTH, length up to 32 for IPv4, 128 for IPv6",
		    row->name, arg);
	a = parse_addr(row, addr_str(&a, text));

	f = family_of(&a);
	c->guest.net[f].addr = a;
	c->given_addr[f] = true;
	c->copy_addrs[f] = false;
	if (f == GUEST_V6)
		return;			/* always /64: RFC 4862 5.5.3 */

	c->said.addr_len = len >= 0;
	if (c->said.addr_len)
		c->guest.net[f].prefix = len;
}

void take_netmask(struct conf *c, const struct option_row *row, const char *arg)
{
	int len = netmask_parse(arg);

	if (len < 0)
		die("--%s: '%.64s' is not a mask like 255.255.255.0, or a length from 0 to 32",
		    row->name, arg);
	c->guest.net[GUEST_V4].prefix = len;
	c->said.netmask = true;
}

void take_gateway(struct conf *c, const struct option_row *row, const char *arg)
{
	union addr a = parse_addr(row, arg);
	enum guest_family f = family_of(&a);

	c->guest.net[f].gw = a;
	c->given_gw[f] = true;
	c->copy_routes[f] = false;
}

void take_dns(struct conf *c, const struct option_row *row, const char *arg)
{
	struct guest_net *net;
	union addr a;
	int f;

	if (!strcmp(arg, "none")) {
		c->dns_none = true;
		for (f = 0; f < GUEST_FAMILIES; f++) {
			c->guest.net[f].ndns = 0;
			c->given_dns[f] = true;
			c->fwd.net[f].dns_forward = ADDR_NONE;
			c->fwd.net[f].dns_host = ADDR_NONE;
		}
		return;
	}

	a = parse_addr(row, arg);
	net = &c->guest.net[family_of(&a)];
	c->given_dns[family_of(&a)] = true;
	if (addr_class(&a) != ADDR_UNSPEC && net->ndns < GUEST_DNS_MAX)
		net->dns[net->ndns++] = a;
}

void take_search(struct conf *c, const struct option_row *row, const char *arg)
{
	static const char blanks[] = " \t\n";
	struct guest *g = &c->guest;
	size_t n;

	c->given_search = true;
	if (!strcmp(arg, "none")) {
		g->nsearch = 0;
		return;
	}

	for (;;) {
		arg += strspn(arg, blanks);
		n = strcspn(arg, blanks);
		if (!n)
			return;
		if (n > NAME_MAX_LEN + 1)	/* + 1 for a final dot */
			die("--%s: '%.64s...' is too long for a domain, at most %d characters",
			    row->name, arg, NAME_MAX_LEN);
		if (g->nsearch < GUEST_SEARCH_MAX) {
			memcpy(g->search[g->nsearch], arg, n);
			g->search[g->nsearch++][n] = '\0';
		}
		arg += n;
	}
}

void take_family(struct conf *c, const struct option_row *row, const char *arg)
{
	(void)arg;
	c->only4 = row->num == GUEST_V4;
	c->only6 = !c->only4;
}

void take_no_copy(struct conf *c, const struct option_row *row, const char *arg)
{
	bool *copy = target(c, row);

	(void)arg;
	copy[GUEST_V4] = copy[GUEST_V6] = false;
	c->said.no_copy = true;
}
