// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of conf_host.c: reading resolv.conf, also cut and spoiled, and
 * which nameservers a guest is told; what a guest is given by hosts of all
 * kinds, which are played here
 *
 * link: -Wl,--wrap=nl_open,--wrap=nl_routes,--wrap=nl_addrs,--wrap=read_file
 * link: -Wl,--wrap=access,--wrap=if_indextoname
 */
#include "conf_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "check.h"
#include "netlink.h"

static struct resolv r;
static struct conf c;

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	EXPECT(addr_parse(s, &a));
	return a;
}

static bool is(const union addr *a, const char *s)
{
	union addr b = A(s);

	return addr_eq(a, &b);
}

static void parse(const char *text)
{
	resolv_parse(text, strlen(text), &r);
}

static void test_parse(void)
{
	unsigned i;

	group("resolv.conf");
	parse("");
	EXPECT_EQ(r.nns[0] + r.nns[1] + r.nsearch, 0);

	parse("# comment\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0\n"
	      "search a.example  b.example\tc.example\nsearch d.example\n"
	      "nameserver 192.0.2.54");
	EXPECT_EQ(r.nns[GUEST_V4], 2);
	EXPECT(is(&r.ns[GUEST_V4][0], "192.0.2.53"));
	EXPECT(is(&r.ns[GUEST_V4][1], "192.0.2.54"));
	EXPECT_EQ(r.nns[GUEST_V6], 1);
	EXPECT(is(&r.ns[GUEST_V6][0], "fe80::1"));
	EXPECT_EQ(r.nsearch, 3);
	EXPECT_STR(r.search[0], "a.example");
	EXPECT_STR(r.search[2], "c.example");

	/* What does not count */
	parse(" nameserver 192.0.2.1\nnameserver192.0.2.1\nnameserver\n"
	      "nameserver \nnameserver x\nnameserver 1.2.3\n;nameserver 1.1.1.1"
	      "\nnameservers 1.1.1.1\nsearchx a\nnameserver %eth0\n"
	      "nameserver 192.0.2.1:53\nNAMESERVER 192.0.2.1\n"
	      "nameserver 11111111111111111111111111111111111111111111111111");
	EXPECT_EQ(r.nns[0] + r.nns[1] + r.nsearch, 0);

	/* Line ends of other systems, and more after the address */
	parse("nameserver 192.0.2.1\r\nsearch a.example b\r\n"
	      "nameserver 192.0.2.2 # why\r\n");
	EXPECT_EQ(r.nns[GUEST_V4], 2);
	EXPECT_EQ(r.nsearch, 2);
	EXPECT_STR(r.search[1], "b");

	/* Three of each family, six domains */
	parse("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
	      "nameserver 192.0.2.3\nnameserver 192.0.2.4\n"
	      "search a b c d e f g h\n");
	EXPECT_EQ(r.nns[GUEST_V4], GUEST_DNS_MAX);
	EXPECT(is(&r.ns[GUEST_V4][2], "192.0.2.3"));
	EXPECT_EQ(r.nsearch, GUEST_SEARCH_MAX);

	parse("nameserver 0.0.0.0\nnameserver ::\n");
	EXPECT(is(&r.ns[GUEST_V4][0], "127.0.0.1"));
	EXPECT(is(&r.ns[GUEST_V6][0], "::1"));

	/* Nobody is there, and the guest might ask all who hear a group */
	parse("nameserver 224.0.0.251\nnameserver 255.255.255.255\n"
	      "nameserver ff02::fb\nnameserver ::10\nnameserver 192.0.2.1\n");
	EXPECT_EQ(r.nns[GUEST_V4], 1);
	EXPECT_EQ(r.nns[GUEST_V6], 0);

	/* A NUL in the middle of a line spoils that line only */
	resolv_parse("nameserver 1.1\0.1.1\nsearch a\0b\nnameserver 1.2.3.4\n",
		     50, &r);
	EXPECT_EQ(r.nns[GUEST_V4], 1);
	EXPECT_EQ(r.nsearch, 0);

	/* A name of any length is taken whole or not at all */
	for (i = 200; i < 300; i++) {
		char text[400];
		int n = snprintf(text, sizeof(text), "search %0*d z\n",
				 (int)i, 0);

		resolv_parse(text, (size_t)n, &r);
		EXPECT_EQ(r.nsearch, i < GUEST_NAME_LEN ? 2 : 1);
		EXPECT_STR(r.search[r.nsearch - 1], "z");
	}
}

static void test_spoil(void)
{
	static const char text[] = "nameserver 192.0.2.53\nsearch a b\n"
				   "nameserver fe80::1%eth0\n";
	static const char bad[] = { '\0', '\n', ' ', '%', (char)0xff, '\r' };
	size_t len, i, k;

	group("resolv.conf, spoiled");
	for (len = 0; len < sizeof(text); len++) {
		for (i = 0; i < len; i++) {
			for (k = 0; k < sizeof(bad); k++) {
				char *p = malloc(len);

				if (!p)
					exit(1);
				memcpy(p, text, len);
				p[i] = bad[k];
				resolv_parse(p, len, &r);
				free(p);
				EXPECT(r.nns[0] <= GUEST_DNS_MAX);
				EXPECT(r.nsearch <= GUEST_SEARCH_MAX);
			}
		}
	}
}

static void fresh(const char *map4)
{
	memset(&c, 0, sizeof(c));
	c.guest.net[GUEST_V4].on = true;
	c.guest.net[GUEST_V6].on = true;
	if (map4)
		c.fwd.net[GUEST_V4].map_host_loopback = A(map4);
}

static void test_apply(void)
{
	const struct guest_net *v4 = &c.guest.net[GUEST_V4];
	const struct fwd_net *fwd = &c.fwd.net[GUEST_V4];

	group("what is told");
	parse("nameserver 192.0.2.53\nnameserver 127.0.0.53\nsearch x\n");
	fresh("192.0.2.1");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 2);
	EXPECT(is(&v4->dns[0], "192.0.2.53"));
	/* The loopback one goes by the mapped address, and is behind it */
	EXPECT(is(&v4->dns[1], "192.0.2.1"));
	EXPECT(is(&fwd->dns_forward, "192.0.2.1"));
	EXPECT(is(&fwd->dns_host, "127.0.0.53"));
	EXPECT_EQ(c.guest.nsearch, 1);

	/* Nothing mapped: not reachable, so not told */
	fresh(NULL);
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 1);
	EXPECT(addr_is_none(&fwd->dns_forward));
	EXPECT(is(&fwd->dns_host, "192.0.2.53"));

	/* --dns-forward wins over the mapping; --dns-host stays */
	fresh("192.0.2.1");
	c.fwd.net[GUEST_V4].dns_forward = A("198.51.100.1");
	c.fwd.net[GUEST_V4].dns_host = A("192.0.2.99");
	resolv_apply(&c, &r);
	EXPECT(is(&v4->dns[1], "198.51.100.1"));
	EXPECT(is(&fwd->dns_host, "192.0.2.99"));

	/* The resolver is the gateway, which is mapped to loopback */
	parse("nameserver 192.0.2.1\n");
	fresh("192.0.2.1");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 1);
	EXPECT(is(&v4->dns[0], "192.0.2.1"));
	EXPECT(is(&fwd->dns_forward, "192.0.2.1"));
	EXPECT(is(&fwd->dns_host, "192.0.2.1"));

	/* Two loopback resolvers are told as one */
	parse("nameserver 127.0.0.1\nnameserver 127.0.0.53\n");
	fresh("192.0.2.1");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 1);
	EXPECT(is(&fwd->dns_host, "127.0.0.1"));

	/* -D: told as given, but the target of --dns-forward is still found */
	parse("nameserver 192.0.2.53\n");
	fresh("192.0.2.1");
	c.given_dns[GUEST_V4] = true;
	c.guest.net[GUEST_V4].dns[0] = A("127.0.0.1");
	c.guest.net[GUEST_V4].ndns = 1;
	c.fwd.net[GUEST_V4].dns_forward = A("198.51.100.1");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 1);
	EXPECT(is(&v4->dns[0], "127.0.0.1"));
	EXPECT(is(&fwd->dns_host, "192.0.2.53"));

	fresh("192.0.2.1");
	c.dns_none = true;
	c.given_search = true;
	parse("nameserver 192.0.2.53\nsearch x\n");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 0);
	EXPECT(addr_is_none(&fwd->dns_host));
	EXPECT_EQ(c.guest.nsearch, 0);

	/* Given after "none": still needs a resolver, which is not told */
	c.given_dns[GUEST_V4] = c.given_dns[GUEST_V6] = true;
	c.fwd.net[GUEST_V4].dns_forward = A("198.51.100.1");
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 0);
	EXPECT(is(&fwd->dns_host, "192.0.2.53"));

	/* A family that is off is told nothing */
	fresh(NULL);
	c.guest.net[GUEST_V4].on = false;
	resolv_apply(&c, &r);
	EXPECT_EQ(v4->ndns, 0);
}

/* ---- a host: one link of index 7, a route and addresses of each family ---- */

static struct {
	const char	*gw[2];		/* "": a route without; NULL: none */
	struct nl_ifaddr a[2][4];
	int		na[2];
	bool		no_ipv6;
	const char	*resolv;	/* the file; NULL: there is none */
	int		asked;		/* how often it was opened */
} host;

int __wrap_nl_open(void);
int __wrap_nl_routes(int fd, int family, struct nl_route *rt, int max);
int __wrap_nl_addrs(int fd, int family, unsigned index, struct nl_ifaddr *a,
		    int max);
ssize_t __wrap_read_file(const char *path, char *buf, size_t size);
int __wrap_access(const char *path, int mode);
char *__wrap_if_indextoname(unsigned index, char *name);

int __wrap_nl_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_nl_routes(int fd, int family, struct nl_route *rt, int max)
{
	const char *gw = host.gw[family == AF_INET6];

	(void)fd;
	EXPECT(max > 1);
	if (!gw)
		return 0;
	memset(rt, 0, sizeof(*rt));
	rt->family = (uint8_t)family;
	rt->nhops = 1;
	rt->hop[0].oif = 7;
	if (*gw)
		rt->hop[0].gw = A(gw);
	return 1;
}

int __wrap_nl_addrs(int fd, int family, unsigned index, struct nl_ifaddr *a,
		    int max)
{
	int f = family == AF_INET6;

	(void)fd;
	EXPECT(index == 7 && max >= 4);
	memcpy(a, host.a[f], sizeof(host.a[f]));
	return host.na[f];
}

ssize_t __wrap_read_file(const char *path, char *buf, size_t size)
{
	size_t len;

	EXPECT_STR(path, "/etc/resolv.conf");
	host.asked++;
	if (!host.resolv)
		return -ENOENT;
	len = strlen(host.resolv);
	if (len > size - 1)
		len = size - 1;
	memcpy(buf, host.resolv, len);
	buf[len] = '\0';
	return (ssize_t)len;
}

int __wrap_access(const char *path, int mode)
{
	(void)path;
	(void)mode;
	return host.no_ipv6 ? -1 : 0;
}

char *__wrap_if_indextoname(unsigned index, char *name)
{
	EXPECT_EQ(index, 7);
	return strcpy(name, "lan0");
}

static void has(const char *s, int prefix, uint8_t scope, uint32_t flags)
{
	union addr a = A(s);
	int f = !addr_is4(&a);

	host.a[f][host.na[f]++] = (struct nl_ifaddr){
		.addr = a, .peer = a, .index = 7, .prefix = (uint8_t)prefix,
		.scope = scope, .flags = flags };
}

static void full_host(void)
{
	memset(&host, 0, sizeof(host));
	host.gw[GUEST_V4] = "192.0.2.1";
	host.gw[GUEST_V6] = "fe80::9";
	has("192.0.2.2", 24, RT_SCOPE_UNIVERSE, 0);
	has("2001:db8::2", 64, RT_SCOPE_UNIVERSE, 0);
	has("fe80::2", 64, RT_SCOPE_LINK, 0);
}

/* fill() - With these options, separated by blanks */
static void fill(const char *line)
{
	static char text[512], *argv[32];
	char *p;
	int n = 0;

	snprintf(text, sizeof(text), "/usr/bin/pasta -q %s 1", line);
	for (p = strtok(text, " "); p; p = strtok(NULL, " "))
		argv[n++] = p;
	argv[n] = NULL;
	conf_parse(&c, n, argv);
	conf_ports(&c, n, argv);
	host_fill(&c);
}

/* given() - What a family got; "" for none. True if all of it is right */
static bool given(enum guest_family f, bool local, const char *addr, int prefix,
		  const char *gw, const char *our)
{
	const struct guest_net *net = &c.guest.net[f];
	union addr none = ADDR_NONE;
	union addr want_addr = *addr ? A(addr) : none;
	union addr want_gw = *gw ? A(gw) : none;
	union addr want_our = *our ? A(our) : none;

	EXPECT_EQ(c.template_ifi[f], local ? 0 : 7);
	return EXPECT(net->on) && EXPECT_EQ(net->local, local) &&
	       EXPECT(addr_eq(&net->addr, &want_addr)) &&
	       EXPECT_EQ(net->prefix, prefix) &&
	       EXPECT(addr_eq(&net->gw, &want_gw)) &&
	       EXPECT(addr_eq(&net->our, &want_our)) &&
	       EXPECT(addr_eq(&c.fwd.net[f].map_host_loopback, &want_gw));
}

#define LOCAL4	given(GUEST_V4, true, "169.254.2.1", 16, "169.254.2.2",	\
		      "169.254.2.2")
#define LOCAL6	given(GUEST_V6, true, "", 64, "fe80::1", "fe80::1")
#define FULL4	given(GUEST_V4, false, "192.0.2.2", 24, "192.0.2.1",	\
		      "192.0.2.1")
#define FULL6	given(GUEST_V6, false, "2001:db8::2", 64, "fe80::9", "fe80::9")

static void test_local(void)
{
	group("local mode, for each family");
	full_host();
	fill("");
	EXPECT(FULL4 && FULL6);
	EXPECT(c.guest.dhcp && c.guest.dhcpv6 && c.guest.ndp && c.guest.ra);
	EXPECT_STR(c.ns_ifname, "lan0");
	memset(&host, 0, sizeof(host));
	fill("");
	EXPECT(LOCAL4 && LOCAL6);
	EXPECT(c.guest.dhcp && !c.guest.dhcpv6 && c.guest.ndp && c.guest.ra);
	EXPECT(!c.copy_addrs[0] && !c.copy_routes[0]);
	EXPECT(!c.copy_addrs[1] && !c.copy_routes[1]);
	EXPECT_STR(c.ns_ifname, "tap0");
	full_host();
	host.gw[GUEST_V4] = NULL;
	fill("");
	EXPECT(LOCAL4 && FULL6);
	EXPECT(!c.copy_addrs[GUEST_V4] && c.copy_addrs[GUEST_V6]);
	EXPECT_STR(c.ns_ifname, "lan0");
	full_host();
	host.na[GUEST_V4] = 0;		/* a route, but no address */
	fill("");
	EXPECT(LOCAL4 && FULL6);
	full_host();
	host.gw[GUEST_V6] = NULL;
	fill("");
	EXPECT(FULL4 && LOCAL6);
	full_host();
	host.na[GUEST_V6] = 1;		/* no link-local address */
	fill("");
	EXPECT(FULL4 && LOCAL6);
	full_host();
	has("fe80::3", 64, RT_SCOPE_LINK, 0);
	host.a[GUEST_V6][0] = host.a[GUEST_V6][2];	/* nothing else */
	fill("");
	EXPECT(FULL4 && LOCAL6);

	group("local mode does as it is told");
	memset(&host, 0, sizeof(host));
	fill("-a 10.0.0.5");
	given(GUEST_V4, true, "10.0.0.5", 8, "169.254.2.2", "169.254.2.2");
	fill("-a 192.0.2.7 -n 28 -g 192.0.2.14");
	given(GUEST_V4, true, "192.0.2.7", 28, "192.0.2.14", "192.0.2.14");
	EXPECT(LOCAL6);
	fill("-a 192.0.2.7/30");
	given(GUEST_V4, true, "192.0.2.7", 30, "169.254.2.2", "169.254.2.2");
	fill("-n 24");
	given(GUEST_V4, true, "169.254.2.1", 24, "169.254.2.2", "169.254.2.2");
	fill("-g 169.254.2.9");
	given(GUEST_V4, true, "169.254.2.1", 16, "169.254.2.9", "169.254.2.9");
	fill("-a fd00::5");
	given(GUEST_V6, true, "fd00::5", 64, "fe80::1", "fe80::1");
	EXPECT(c.guest.dhcpv6);
	EXPECT(LOCAL4);
	fill("-g fe80::77");
	given(GUEST_V6, true, "", 64, "fe80::77", "fe80::77");
	fill("-g fd00::77");
	given(GUEST_V6, true, "", 64, "fd00::77", "fe80::1");

	group("no IPv6 in the kernel");
	full_host();
	host.no_ipv6 = true;
	fill("");
	EXPECT(FULL4 && !c.guest.net[GUEST_V6].on);
	EXPECT(!c.guest.ndp && !c.guest.ra && !c.guest.dhcpv6);
}

static void test_template(void)
{
	group("options instead of the template's");
	full_host();
	fill("-a 10.1.2.3 -g 10.1.2.1");
	given(GUEST_V4, false, "10.1.2.3", 8, "10.1.2.1", "10.1.2.1");
	fill("-a 172.16.0.1");
	EXPECT_EQ(c.guest.net[GUEST_V4].prefix, 16);
	fill("-a 192.168.0.1");
	EXPECT_EQ(c.guest.net[GUEST_V4].prefix, 24);
	fill("-a 240.0.0.1");
	EXPECT_EQ(c.guest.net[GUEST_V4].prefix, 32);
	fill("-n 255.255.255.128");
	given(GUEST_V4, false, "192.0.2.2", 25, "192.0.2.1", "192.0.2.1");
	fill("-g 2001:db8::1");		/* then we have its own link-local */
	given(GUEST_V6, false, "2001:db8::2", 64, "2001:db8::1", "fe80::2");
	host.na[GUEST_V6] = 0;
	has("fe80::2", 64, RT_SCOPE_LINK, 0);
	fill("-a fd00::9");
	given(GUEST_V6, false, "fd00::9", 64, "fe80::9", "fe80::9");

	group("the longest prefix, and what does not count");
	full_host();
	host.na[0] = host.na[1] = 0;
	has("169.254.9.9", 30, RT_SCOPE_LINK, 0);
	has("10.0.0.1", 8, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.2", 16, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.3", 24, RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED);
	has("fe80::2", 64, RT_SCOPE_LINK, 0);
	has("2001:db8::7", 64, RT_SCOPE_UNIVERSE, IFA_F_TEMPORARY);
	has("2001:db8::8", 64, RT_SCOPE_UNIVERSE, 0);
	has("2001:db8::9", 128, RT_SCOPE_UNIVERSE, IFA_F_DADFAILED);
	fill("");
	given(GUEST_V4, false, "10.0.0.2", 16, "192.0.2.1", "192.0.2.1");
	given(GUEST_V6, false, "2001:db8::8", 64, "fe80::9", "fe80::9");

	group("no gateway: the address stays, DHCP and mapping do not");
	full_host();
	host.gw[0] = host.gw[1] = "";
	fill("");
	given(GUEST_V4, false, "192.0.2.2", 24, "", "");
	given(GUEST_V6, false, "2001:db8::2", 64, "", "fe80::2");
	EXPECT(!c.guest.dhcp && c.guest.dhcpv6 && c.guest.ra);
	fill("-g 192.0.2.1");
	EXPECT(FULL4 && c.guest.dhcp);
	host.gw[0] = "fe80::1";		/* RFC 8950 */
	fill("");
	given(GUEST_V4, false, "192.0.2.2", 24, "", "");

	group("services that were not wanted");
	full_host();
	fill("--no-dhcp --no-dhcpv6 --no-ra");
	EXPECT(!c.guest.dhcp && !c.guest.dhcpv6 && c.guest.ndp && !c.guest.ra);
	fill("--no-ndp");
	EXPECT(c.guest.dhcp && !c.guest.ndp && !c.guest.ra);
	fill("--config-net");
	EXPECT(c.guest.ndp && !c.guest.ra);
	fill("-4");
	EXPECT(FULL4 && !c.guest.net[GUEST_V6].on && !c.guest.ndp);
	fill("-6");
	EXPECT(FULL6 && !c.guest.net[GUEST_V4].on && !c.guest.dhcp);
}

/* ---- nameservers: a file, options, and what comes of them ---- */

/* put() - Append to the text at @buf, of 512 bytes */
static void put(char *buf, const char *word)
{
	size_t len = strlen(buf);

	snprintf(buf + len, 512 - len, "%s%s", len ? " " : "", word);
}

/* outcome() - What is told, then what leads where, of both families, and the
 * search list: "4: A B A>B 6: ... S: a b" */
static const char *outcome(void)
{
	static const char *const title[] = { "4:", "6:" };
	static char buf[512];
	char a[ADDR_STRLEN], b[ADDR_STRLEN], pair[2 * ADDR_STRLEN + 2];
	unsigned i, f;

	*buf = '\0';
	for (f = 0; f < GUEST_FAMILIES; f++) {
		const struct fwd_net *n = &c.fwd.net[f];

		put(buf, title[f]);
		for (i = 0; i < c.guest.net[f].ndns; i++)
			put(buf, addr_str(&c.guest.net[f].dns[i], a));
		if (addr_is_none(&n->dns_forward))
			continue;
		snprintf(pair, sizeof(pair), "%s>%s",
			 addr_str(&n->dns_forward, a),
			 addr_is_none(&n->dns_host) ? "?" :
			 addr_str(&n->dns_host, b));
		put(buf, pair);
	}
	put(buf, "S:");
	for (i = 0; i < c.guest.nsearch; i++)
		put(buf, c.guest.search[i]);
	return buf;
}

#define LO	"nameserver 127.0.0.53\nnameserver ::1\n"
#define GWS	"nameserver 192.0.2.1\nnameserver fe80::9%lan0\n"
#define NET	"nameserver 198.51.100.5\nnameserver 2001:db8:5::5\n"
#define FWDS	"--dns-forward 10.0.2.3 --dns-forward fd00::3"

/* The host's gateways, which are mapped by default: 192.0.2.1 and fe80::9 */
static const struct {
	const char *file, *opts, *want;
} dns[] = {
	/* 8.1, 8.4: told unchanged */
	{ NET "search a.example b\n", "",
	  "4: 198.51.100.5 6: 2001:db8:5::5 S: a.example b" },
	{ NET, FWDS, "4: 198.51.100.5 10.0.2.3>198.51.100.5 "
		     "6: 2001:db8:5::5 fd00::3>2001:db8:5::5 S:" },
	/* 8.2: loopback, by the mapping, by --dns-forward, or not at all */
	{ LO, "", "4: 192.0.2.1 192.0.2.1>127.0.0.53 6: fe80::9 fe80::9>::1 "
		  "S:" },
	{ LO, FWDS, "4: 10.0.2.3 10.0.2.3>127.0.0.53 6: fd00::3 fd00::3>::1 "
		    "S:" },
	{ LO, "--no-map-gw " FWDS,
	  "4: 10.0.2.3 10.0.2.3>127.0.0.53 6: fd00::3 fd00::3>::1 S:" },
	{ LO, "--no-map-gw", "4: 6: S:" },
	{ LO, "--map-host-loopback none", "4: 6: S:" },
	{ LO, "--map-host-loopback 10.9.9.9",
	  "4: 10.9.9.9 10.9.9.9>127.0.0.53 6: fe80::9 fe80::9>::1 S:" },
	{ LO, "--no-map-gw --map-host-loopback fd00::9",
	  "4: 6: fd00::9 fd00::9>::1 S:" },
	{ LO, "--no-map-gw --dns-forward 10.0.2.3",
	  "4: 10.0.2.3 10.0.2.3>127.0.0.53 6: S:" },
	/* ... the mapped address itself; without a mapping it is a host */
	{ GWS, "", "4: 192.0.2.1 192.0.2.1>192.0.2.1 6: fe80::9 "
		   "fe80::9>fe80::9 S:" },
	{ GWS, FWDS, "4: 10.0.2.3 10.0.2.3>192.0.2.1 6: fd00::3 "
		     "fd00::3>fe80::9 S:" },
	{ GWS, "--no-map-gw", "4: 192.0.2.1 6: fe80::9 S:" },
	{ GWS, "--map-host-loopback 10.9.9.9",
	  "4: 192.0.2.1 6: fe80::9 fe80::9>fe80::9 S:" },
	/* One of each: all that can be reached */
	{ "nameserver 198.51.100.5\n" LO, "",
	  "4: 198.51.100.5 192.0.2.1 192.0.2.1>127.0.0.53 6: fe80::9 "
	  "fe80::9>::1 S:" },
	{ "nameserver 198.51.100.5\n" LO, FWDS,
	  "4: 198.51.100.5 10.0.2.3 10.0.2.3>198.51.100.5 6: fd00::3 "
	  "fd00::3>::1 S:" },
	{ LO "nameserver 127.0.0.1\n", "--dns-host 198.51.100.7",
	  "4: 192.0.2.1 192.0.2.1>198.51.100.7 6: fe80::9 fe80::9>::1 S:" },
	/* 8.6: nothing there, or nothing in it */
	{ NULL, "", "4: 6: S:" },
	{ "", FWDS, "4: 10.0.2.3>? 6: fd00::3>? S:" },
	/* 8.7: as given, whatever it is; the other family from the file */
	{ LO "search x\n", "-D 127.0.0.1", "4: 127.0.0.1 6: fe80::9 "
					   "fe80::9>::1 S: x" },
	{ LO, "-D 192.0.2.1 -D ::1", "4: 192.0.2.1 6: ::1 S:" },
	{ NET, "-D 10.1.1.1 -D 10.1.1.2 -D 10.1.1.3 -D 10.1.1.4",
	  "4: 10.1.1.1 10.1.1.2 10.1.1.3 6: 2001:db8:5::5 S:" },
	{ NET, "-D 0.0.0.0 -D ff02::1", "4: 6: ff02::1 S:" },
	{ NET "search x\n", "-D none", "4: 6: S: x" },
	{ NET, "-D 10.1.1.1 -D none -D 10.1.1.2", "4: 10.1.1.2 6: S:" },
	{ NET, FWDS " -D none", "4: 6: S:" },
	/* ... but the file says what is behind --dns-forward */
	{ NET, "-D 10.1.1.1 -D fd00::1 " FWDS,
	  "4: 10.1.1.1 10.0.2.3>198.51.100.5 6: fd00::1 "
	  "fd00::3>2001:db8:5::5 S:" },
	{ LO, "-D 10.1.1.1 -S none --dns-forward 10.0.2.3 -4",
	  "4: 10.1.1.1 10.0.2.3>127.0.0.53 6: S:" },
	{ NET, "-D none " FWDS, "4: 10.0.2.3>198.51.100.5 6: "
				"fd00::3>2001:db8:5::5 S:" },
	/* One family only */
	{ LO, "-4", "4: 192.0.2.1 192.0.2.1>127.0.0.53 6: S:" },
	{ LO, "-6", "4: 6: fe80::9 fe80::9>::1 S:" },
	/* -S */
	{ NET "search x y\n", "-S a -S b", "4: 198.51.100.5 6: 2001:db8:5::5 "
					   "S: a b" },
	{ NET "search x y\n", "-S none", "4: 198.51.100.5 6: 2001:db8:5::5 "
					 "S:" },
	{ NET "search x y\n", "-S a -S none -S none.", "4: 198.51.100.5 6: "
						       "2001:db8:5::5 S: none." },
	{ NET "domain d\nsearch\nsearch a b c d e f g h\nsearch i\n", "",
	  "4: 198.51.100.5 6: 2001:db8:5::5 S: a b c d e f" },
};

static void test_dns(void)
{
	size_t i;

	group("nameservers, from the file to what is told");
	log_to_stderr(false);
	for (i = 0; i < sizeof(dns) / sizeof(*dns); i++) {
		full_host();
		host.resolv = dns[i].file;
		fill(dns[i].opts);
		if (!EXPECT(!strcmp(outcome(), dns[i].want)))
			printf("# %s: wanted '%s', got '%s'\n", dns[i].opts,
			       dns[i].want, outcome());
	}

	group("the file is not opened when nobody needs it");
	full_host();
	host.resolv = NET;
	fill("-D 10.1.1.1 -D fd00::1 -S none");
	fill("-D none -S a.example");
	fill("-4 -D 10.1.1.1 -S none");
	fill("-D none -S none --dns-forward 10.0.2.3 --dns-host 10.1.1.1");
	EXPECT_EQ(host.asked, 0);
	fill("-D 10.1.1.1 -S none");
	fill("-D none");
	fill("-D none -S none --dns-forward 10.0.2.3");
	EXPECT_EQ(host.asked, 3);
}

static void test_large(void)
{
	static char text[64 * 1024];
	static const char first[] = "nameserver 198.51.100.5\nsearch a\n";
	static const char last[] = "nameserver 192.0.2.111";
	size_t at, cut;

	group("a file that is too large");
	for (cut = 12; cut <= sizeof(last); cut++) {
		/* 32 KiB are read: up to here of the last line */
		at = 32 * 1024 - 1 - cut;
		memset(text, '#', sizeof(text));
		memcpy(text, first, sizeof(first) - 1);
		text[at - 1] = '\n';
		memcpy(text + at, last, sizeof(last) - 1);
		text[sizeof(text) - 1] = '\0';
		full_host();
		host.resolv = text;
		fill("-4");
		EXPECT_STR(outcome(), "4: 198.51.100.5 6: S: a");
	}
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "search ", 7);
	fill("-4");			/* one line */
	EXPECT_STR(outcome(), "4: 6: S:");

	/* Within bounds, lines may be as long as they like */
	memset(text + 7, ' ', 30000);
	memcpy(text + 30000, "a b\n", 5);
	fill("-4");
	EXPECT_STR(outcome(), "4: 6: S: a b");
}

int main(void)
{
	test_parse();
	test_spoil();
	test_apply();
	test_local();
	test_template();
	test_dns();
	test_large();
	return done();
}
