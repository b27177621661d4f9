/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_host.c - what the user left open, taken from the host
 *
 * The guest is to look like the host: same address, same prefix, same gateway,
 * taken for each family from a template interface, which is the one with the
 * default route unless the user named it. A family for which the host has no
 * usable interface gets local mode: link-local addresses that are good enough
 * to talk to us, so that everything works once the host comes online.
 *
 * Nothing given on the command line is ever overwritten. The resolver's file
 * is read last, because what is told depends on the loopback mapping: an
 * address that means the host here would mean the guest itself over there.
 */
#include "conf_host.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "netlink.h"
#include "nl_route.h"

#define ROUTES_MAX	4096
#define ADDRS_MAX	128
#define RESOLV_CONF	"/etc/resolv.conf"

static const int af_of[GUEST_FAMILIES] = { AF_INET, AF_INET6 };
static const char *const family_name[GUEST_FAMILIES] = { "IPv4", "IPv6" };

/* ------------------------------------------------------------ resolv.conf */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut the next word off @p; false at the end of the line */
static bool next_word(const char **p, const char *end, const char **word,
		      size_t *len)
{
	while (*p < end && (is_blank(**p) || **p == '\r'))
		(*p)++;
	*word = *p;
	while (*p < end && !is_blank(**p) && **p != '\r')
		(*p)++;
	*len = (size_t)(*p - *word);
	return *len > 0;
}

/* Does the line start with @key and a blank? If so, move past it */
static bool keyword(const char **p, const char *end, const char *key)
{
	size_t n = strlen(key);

	if ((size_t)(end - *p) <= n || memcmp(*p, key, n) ||
	    !is_blank((*p)[n]))
		return false;
	*p += n;
	return true;
}

static void resolv_server(const char *word, size_t len, struct resolv *r)
{
	char buf[INET6_ADDRSTRLEN];
	enum guest_family f;
	const char *zone;
	union addr a;

	zone = memchr(word, '%', len);
	if (zone)
		len = (size_t)(zone - word);
	if (!len || len >= sizeof(buf))
		return;
	memcpy(buf, word, len);
	buf[len] = '\0';
	if (strlen(buf) != len || !addr_parse(buf, &a))
		return;
	f = addr_is4(&a) ? GUEST_V4 : GUEST_V6;
	/* 0.0.0.0 and :: mean "this host" to the C library */
	if (addr_class(&a) == ADDR_UNSPEC)
		a = addr_loopback(&a);
	/* Groups and the like answer nobody, and nobody is told of them by -D */
	if (!addr_is_unicast(&a))
		return;
	if (r->nns[f] < GUEST_DNS_MAX)
		r->ns[f][r->nns[f]++] = a;
}

static void resolv_search(const char *p, const char *end, struct resolv *r)
{
	const char *word;
	size_t len;

	while (r->nsearch < GUEST_SEARCH_MAX && next_word(&p, end, &word, &len)) {
		if (len >= GUEST_NAME_LEN || memchr(word, '\0', len))
			continue;
		memcpy(r->search[r->nsearch], word, len);
		r->search[r->nsearch++][len] = '\0';
	}
}

void resolv_parse(const char *text, size_t len, struct resolv *r)
{
	const char *p = text, *end = text + len, *word;
	bool searched = false;
	size_t n;

	memset(r, 0, sizeof(*r));
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		if (keyword(&p, eol, "nameserver")) {
			if (next_word(&p, eol, &word, &n))
				resolv_server(word, n, r);
		} else if (!searched && keyword(&p, eol, "search")) {
			searched = true;	/* only the first such line */
			resolv_search(p, eol, r);
		}
		p = eol == end ? end : eol + 1;
	}
}

/* Tell the guest @a, once */
static void tell(struct guest_net *net, const union addr *a)
{
	unsigned i;

	for (i = 0; i < net->ndns; i++) {
		if (addr_eq(&net->dns[i], a))
			return;
	}
	if (net->ndns < GUEST_DNS_MAX)
		net->dns[net->ndns++] = *a;
}

static void resolv_family(struct conf *c, const struct resolv *r,
			  enum guest_family f)
{
	struct guest_net *net = &c->guest.net[f];
	struct fwd_net *fwd = &c->fwd.net[f];
	unsigned i;

	for (i = 0; i < r->nns[f] && !c->given_dns[f]; i++) {
		const union addr *a = &r->ns[f][i];

		if (!addr_is_loopback(a) &&
		    (addr_is_none(&fwd->map_host_loopback) ||
		     !addr_eq(a, &fwd->map_host_loopback))) {
			tell(net, a);
			continue;
		}

		/* The guest cannot reach this one under its own address */
		if (addr_is_none(&fwd->dns_forward)) {
			if (addr_is_none(&fwd->map_host_loopback))
				continue;
			fwd->dns_forward = fwd->map_host_loopback;
			if (addr_is_none(&fwd->dns_host))
				fwd->dns_host = *a;
		}
		tell(net, &fwd->dns_forward);
	}

	if (addr_is_none(&fwd->dns_host) && r->nns[f])
		fwd->dns_host = r->ns[f][0];
}

/* Even with "--dns none" a --dns-forward needs a resolver behind it */
static bool wants_resolver(const struct conf *c, enum guest_family f)
{
	return c->guest.net[f].on &&
	       (!c->dns_none || !addr_is_none(&c->fwd.net[f].dns_forward));
}

void resolv_apply(struct conf *c, const struct resolv *r)
{
	int f;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		if (wants_resolver(c, (enum guest_family)f))
			resolv_family(c, r, (enum guest_family)f);
	}

	if (!c->given_search) {
		memcpy(c->guest.search, r->search, sizeof(r->search));
		c->guest.nsearch = r->nsearch;
	}
}

static void host_dns(struct conf *c)
{
	const struct guest_net *net = c->guest.net;
	static struct resolv r;		/* too large for the stack */
	static char buf[32 * 1024];
	bool need = !c->given_search;
	int f;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		if (!wants_resolver(c, (enum guest_family)f))
			continue;
		if (!c->given_dns[f] ||
		    (!addr_is_none(&c->fwd.net[f].dns_forward) &&
		     addr_is_none(&c->fwd.net[f].dns_host)))
			need = true;
	}
	if (need) {
		ssize_t n = read_file(RESOLV_CONF, buf, sizeof(buf));

		if (n < 0)
			debug("Cannot read " RESOLV_CONF ": %s",
			      strerror((int)-n));
		if (n == sizeof(buf) - 1) {
			/* Not the whole file: half a line would be wrong */
			while (n && buf[n - 1] != '\n')
				n--;
		}
		resolv_parse(buf, n < 0 ? 0 : (size_t)n, &r);
		resolv_apply(c, &r);
	}

	for (f = 0; f < GUEST_FAMILIES; f++) {
		const struct fwd_net *fwd = &c->fwd.net[f];

		if (net[f].on && !addr_is_none(&fwd->dns_forward) &&
		    addr_is_none(&fwd->dns_host))
			warn("--dns-forward: " RESOLV_CONF " has no %s nameserver to lead to, give one with --dns-host",
			     family_name[f]);
	}
	if (!c->guest.tell_dns || c->dns_none)
		return;
	if (net[GUEST_V4].on && c->guest.dhcp && !net[GUEST_V4].ndns)
		warn("No IPv4 nameserver known for DHCP");
	if (net[GUEST_V6].on && (c->guest.ndp || c->guest.dhcpv6) &&
	    !net[GUEST_V6].ndns)
		warn("No IPv6 nameserver known for NDP and DHCPv6");
}

/* -------------------------------------------------------------- addresses */

/* Rank for choosing: bigger is better, 0 is useless */
static int addr_rank(const struct nl_ifaddr *a)
{
	int rank = 1 + a->prefix;

	if (a->flags & (IFA_F_DEPRECATED | IFA_F_DADFAILED) ||
	    addr_is_loopback(&a->addr))
		return 0;
	if (addr_is4(&a->addr))
		return a->scope < RT_SCOPE_LINK ? 512 + rank : rank;

	if (a->scope >= RT_SCOPE_LINK)
		return 0;
	/* Among equals rather one that stays than a temporary one */
	return 2 * rank + !(a->flags & IFA_F_TEMPORARY);
}

static const struct nl_ifaddr *addr_best(const struct nl_ifaddr *a, int n)
{
	const struct nl_ifaddr *best = NULL;
	int i;

	for (i = 0; i < n; i++) {
		if (addr_rank(&a[i]) > (best ? addr_rank(best) : 0))
			best = &a[i];
	}
	return best;
}

static const struct nl_ifaddr *addr_linklocal(const struct nl_ifaddr *a, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (addr_class(&a[i].addr) == ADDR_LINKLOCAL)
			return &a[i];
	}
	return NULL;
}

/* Netmask for an IPv4 address that came without: by class */
static int class_prefix(const union addr *a)
{
	uint8_t first = a->b[12];

	return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

static union addr addr_const(const char *s)
{
	union addr a = ADDR_NONE;

	(void)addr_parse(s, &a);
	return a;
}

/* Nothing on the host to be modelled on: addresses for us two only */
static void fill_local(struct conf *c, enum guest_family f)
{
	struct guest_net *net = &c->guest.net[f];
	bool v4 = f == GUEST_V4;

	c->template_ifi[f] = 0;
	net->local = true;
	c->copy_addrs[f] = c->copy_routes[f] = false;

	if (!c->given_addr[f]) {
		net->addr = v4 ? addr_const("169.254.2.1") : ADDR_NONE;
		if (!v4 || !c->given_prefix)
			net->prefix = v4 ? 16 : 64;
	}
	if (!c->given_gw[f])
		net->gw = addr_const(v4 ? "169.254.2.2" : "fe80::1");
}

/* Take addresses of interface @ifi; false if it has none of any use */
static bool fill_template(struct conf *c, enum guest_family f, int fd,
			  unsigned ifi, const union addr *gw)
{
	static struct nl_ifaddr a[ADDRS_MAX];
	struct guest_net *net = &c->guest.net[f];
	const struct nl_ifaddr *best, *ll = NULL;
	int n = nl_addrs(fd, af_of[f], ifi, a, ADDRS_MAX);
	struct nl_link link;

	best = n > 0 ? addr_best(a, n) : NULL;
	if (f == GUEST_V6 && n > 0)
		ll = addr_linklocal(a, n);
	if ((!best && !c->given_addr[f]) || (f == GUEST_V6 && !ll))
		return false;

	c->template_ifi[f] = ifi;
	if (!nl_link_get(fd, NULL, ifi, &link))
		c->template_mtu[f] = link.mtu;
	if (!c->given_addr[f]) {
		net->addr = best->addr;
		if (f == GUEST_V4 && !c->given_prefix)
			net->prefix = best->prefix;
	}
	/* An IPv4 route through an IPv6 router has no gateway to tell */
	if (!c->given_gw[f] && addr_is4(gw) == (f == GUEST_V4))
		net->gw = *gw;
	net->our = ll ? ll->addr : ADDR_NONE;
	return true;
}

/* The name the user gave for a template of family @f, or an empty string */
static const char *asked_if(const struct conf *c, enum guest_family f)
{
	return *c->template_if ? c->template_if : c->fwd.net[f].outbound_if;
}

static bool fill_family(struct conf *c, enum guest_family f, int fd,
			struct nl_route *routes)
{
	unsigned want = 0, ifi;
	union addr gw;
	int n;

	if (*asked_if(c, f)) {
		want = if_nametoindex(asked_if(c, f));
		if (!want)
			die_perror("Interface %s", asked_if(c, f));
	}

	n = nl_routes(fd, af_of[f], routes, ROUTES_MAX);
	if (n < 0) {
		debug("%s routes: %s", family_name[f], strerror(-n));
		n = 0;
	}
	ifi = nl_template(routes, n, want, &gw);
	if (!ifi)
		ifi = want;	/* without routes, but asked for */

	return ifi && fill_template(c, f, fd, ifi, &gw);
}

/* What follows from the addresses now known */
static void derive(struct conf *c, enum guest_family f)
{
	struct guest_net *net = &c->guest.net[f];
	struct fwd_net *fwd = &c->fwd.net[f];

	if (f == GUEST_V4) {
		if (c->given_addr[f] && !c->given_prefix)
			net->prefix = class_prefix(&net->addr);
		net->our = net->gw;
	} else {
		net->prefix = 64;
		if (addr_class(&net->gw) == ADDR_LINKLOCAL)
			net->our = net->gw;
		else if (addr_is_none(&net->our))
			net->our = addr_const("fe80::1");
	}

	if (!c->given_map_host[f] && !c->no_map_gw)
		fwd->map_host_loopback = net->gw;
}

static void check_asked(const struct conf *c)
{
	const struct guest_net *net = c->guest.net;
	int f;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		const char *out = c->fwd.net[f].outbound_if;

		/* With -i it has not been looked at */
		if (net[f].on && *out && !if_nametoindex(out))
			die_perror("--outbound-if%c: %s", f == GUEST_V4 ? '4' :
				   '6', out);
		if (!net[f].on || !net[f].local)
			continue;
		if (*c->fwd.net[f].outbound_if && !*c->template_if)
			die("Interface %s has no usable %s address",
			    c->fwd.net[f].outbound_if, family_name[f]);
		/* With an address of its own the family can do without */
		if ((c->only4 || c->only6) && !c->given_addr[f])
			die("External interface not usable for %s",
			    family_name[f]);
	}
	if (*c->template_if && (!net[GUEST_V4].on || net[GUEST_V4].local) &&
	    (!net[GUEST_V6].on || net[GUEST_V6].local))
		die("Interface %s has no usable address", c->template_if);
}

/* Services that make no sense with what we have to offer are off */
static void fill_services(struct conf *c)
{
	const struct guest_net *v4 = &c->guest.net[GUEST_V4];
	const struct guest_net *v6 = &c->guest.net[GUEST_V6];
	struct guest *g = &c->guest;

	g->dhcp = g->dhcp && v4->on && !addr_is_none(&v4->gw);
	g->ndp = g->ndp && v6->on;
	g->dhcpv6 = g->dhcpv6 && v6->on && !addr_is_none(&v6->addr);
	g->ra = g->ra && g->ndp && !c->config_net;
}

/* Kernel without IPv6 (or with it off on the command line): nothing to do */
static bool has_ipv6(void)
{
	return !access("/proc/sys/net/ipv6", F_OK);
}

void host_fill(struct conf *c)
{
	const size_t size = ROUTES_MAX * sizeof(struct nl_route);
	struct nl_route *routes;
	int f, fd = nl_open();

	if (fd < 0)
		die("Cannot open a netlink socket: %s", strerror(-fd));
	/* Given back at once, and only touched as far as there are routes */
	routes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (routes == MAP_FAILED)
		die_perror("Cannot map memory for routes");

	c->guest.net[GUEST_V4].on = !c->only6;
	c->guest.net[GUEST_V6].on = !c->only4 && (c->only6 || has_ipv6());

	for (f = 0; f < GUEST_FAMILIES; f++) {
		if (!c->guest.net[f].on)
			continue;
		c->guest.net[f].local = false;
		if (!c->fwd.no_tap &&
		    !fill_family(c, (enum guest_family)f, fd, routes))
			fill_local(c, (enum guest_family)f);
		derive(c, (enum guest_family)f);
	}
	munmap(routes, size);
	close(fd);

	if (!c->fwd.no_tap)
		check_asked(c);
	fill_services(c);
	host_dns(c);

	if (c->mode == MODE_PASTA && !c->fwd.no_tap && !*c->ns_ifname) {
		unsigned ifi = c->template_ifi[GUEST_V4];

		if (!ifi)
			ifi = c->template_ifi[GUEST_V6];
		if (!ifi || !if_indextoname(ifi, c->ns_ifname))
			(void)str_copy(c->ns_ifname, sizeof(c->ns_ifname),
				       "tap0");
	}
}
