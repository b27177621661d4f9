// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of netlink.c and nl_route.c: readers on messages made by hand, all
 * of them cut short at every byte and with every byte spoiled; the dialogue
 * with a kernel played by the other end of a socket pair
 */
#include "netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "nl_route.h"
#include "util.h"

/* A message body under construction */
struct msg {
	_Alignas(8) uint8_t b[1024];
	size_t len;
};

static size_t put(struct msg *m, const void *p, size_t n)
{
	size_t at = m->len;

	memcpy(m->b + at, p, n);
	m->len += RTA_ALIGN(n);
	return at;
}

static size_t begin(struct msg *m, uint16_t type)
{
	struct rtattr rta = { .rta_len = sizeof(rta), .rta_type = type };

	return put(m, &rta, sizeof(rta));
}

static void end(struct msg *m, size_t at)
{
	uint16_t len = (uint16_t)(m->len - at);

	memcpy(m->b + at, &len, 2);
}

static void attr(struct msg *m, uint16_t type, const void *p, size_t n)
{
	struct rtattr rta = { .rta_len = (uint16_t)(sizeof(rta) + n),
			      .rta_type = type };

	put(m, &rta, sizeof(rta));
	put(m, p, n);
}

static void attr32(struct msg *m, uint16_t type, uint32_t v)
{
	attr(m, type, &v, 4);
}

static union addr A(const char *s)
{
	union addr a;

	EXPECT(addr_parse(s, &a));
	return a;
}

static void attr_addr(struct msg *m, uint16_t type, const char *s)
{
	union addr a = A(s);

	if (addr_is4(&a))
		attr(m, type, &a.w[3], 4);
	else
		attr(m, type, &a, 16);
}

/* Whatever is fed, readers must stay inside: each try is in memory of exactly
 * that size, so that the sanitizer sees a step too far */
static void spoil(const struct msg *m)
{
	static const uint8_t bad[] = { 0, 1, 3, 5, 0x7f, 0xff };
	struct nl_nexthop n;
	struct nl_ifaddr a;
	struct nl_route r;
	struct nl_link l;
	size_t len, i, k;

	for (len = 0; len <= m->len; len++) {
		uint8_t *p = malloc(len + !len);

		if (!p)
			exit(1);
		memcpy(p, m->b, len);
		for (i = 0; i <= (len == m->len ? len * sizeof(bad) : 0); i++) {
			uint8_t old = 0;

			k = i / sizeof(bad);
			if (k < len) {
				old = p[k];
				p[k] = bad[i % sizeof(bad)];
			}
			(void)nl_link_parse(p, len, &l);
			(void)nl_addr_parse(p, len, &a);
			(void)nl_nexthop_parse(p, len, &n);
			EXPECT(n.ngroup <= NL_GROUP_MAX);
			(void)nl_route_parse(p, len, &r);
			EXPECT(r.nhops <= NL_HOPS_MAX);
			EXPECT(r.metrics_len <= NL_METRICS_MAX);
			EXPECT(l.name[IFNAMSIZ - 1] == '\0');
			if (k < len)
				p[k] = old;
		}
		free(p);
	}
}

static void test_link(void)
{
	struct ifinfomsg ifi = { .ifi_type = ARPHRD_ETHER, .ifi_index = 7,
				 .ifi_flags = IFF_UP };
	struct msg m = { .len = 0 };
	struct nl_link l;

	group("link");
	put(&m, &ifi, sizeof(ifi));
	attr(&m, IFLA_IFNAME, "eth0", 5);
	attr32(&m, IFLA_MTU, 1500);
	attr32(&m, IFLA_TXQLEN, 1000);
	attr(&m, IFLA_ADDRESS, "\2\1\2\3\4\5", 6);
	EXPECT(nl_link_parse(m.b, m.len, &l));
	EXPECT_STR(l.name, "eth0");
	EXPECT_EQ(l.index, 7);
	EXPECT_EQ(l.mtu, 1500);
	EXPECT_EQ(l.txqlen, 1000);
	EXPECT(l.mac_valid && l.mac[5] == 5);
	EXPECT(!nl_link_parse(m.b, sizeof(ifi) - 1, &l));
	spoil(&m);

	/* A name without end is none */
	m.len = 0;
	put(&m, &ifi, sizeof(ifi));
	attr(&m, IFLA_IFNAME, "eth0", 4);
	EXPECT(nl_link_parse(m.b, m.len, &l));
	EXPECT_STR(l.name, "");
}

static void test_addr(void)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_prefixlen = 24,
				 .ifa_index = 3, .ifa_flags = 0x80 };
	struct msg m = { .len = 0 };
	union addr want;
	struct nl_ifaddr a;

	group("address");
	put(&m, &ifa, sizeof(ifa));
	attr_addr(&m, IFA_ADDRESS, "10.8.0.5");
	attr_addr(&m, IFA_LOCAL, "10.8.0.6");
	attr32(&m, IFA_FLAGS, 0x280);
	attr32(&m, IFA_RT_PRIORITY, 100);
	EXPECT(nl_addr_parse(m.b, m.len, &a));
	want = A("10.8.0.6");
	EXPECT(addr_eq(&a.addr, &want));
	want = A("10.8.0.5");
	EXPECT(addr_eq(&a.peer, &want));
	EXPECT_EQ(a.flags, 0x280);
	EXPECT_EQ(a.metric, 100);
	EXPECT_EQ(a.prefix, 24);
	spoil(&m);

	/* Prefix too long, and an address of the wrong size */
	m.b[1] = 33;
	EXPECT(!nl_addr_parse(m.b, m.len, &a));
	m.len = 0;
	put(&m, &ifa, sizeof(ifa));
	attr_addr(&m, IFA_LOCAL, "fd00::1");
	EXPECT(!nl_addr_parse(m.b, m.len, &a));

	ifa.ifa_family = AF_INET6;
	m.len = 0;
	put(&m, &ifa, sizeof(ifa));
	attr_addr(&m, IFA_ADDRESS, "fd00::1");
	EXPECT(nl_addr_parse(m.b, m.len, &a));

	/* One that would pass for IPv4, of a prefix that IPv4 has not */
	want = A("10.8.0.6");
	m.len = 0;
	ifa.ifa_prefixlen = 112;
	put(&m, &ifa, sizeof(ifa));
	attr(&m, IFA_ADDRESS, &want, sizeof(want));
	EXPECT(!nl_addr_parse(m.b, m.len, &a));
	ifa.ifa_prefixlen = 24;
	m.len = 0;
	put(&m, &ifa, sizeof(ifa));
	attr_addr(&m, IFA_ADDRESS, "fd00::1");
	EXPECT(nl_addr_parse(m.b, m.len, &a));
	want = A("fd00::1");
	EXPECT(addr_eq(&a.addr, &want) && addr_eq(&a.peer, &want));
}

static void route_start(struct msg *m, int family, int dst_len)
{
	struct rtmsg rtm = { .rtm_family = (uint8_t)family,
			     .rtm_dst_len = (uint8_t)dst_len,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_type = RTN_UNICAST };

	memset(m, 0, sizeof(*m));
	put(m, &rtm, sizeof(rtm));
}

static void add_hop(struct msg *m, unsigned oif, uint8_t weight, uint8_t flags,
		    const char *gw)
{
	struct rtnexthop nh = { .rtnh_hops = weight, .rtnh_flags = flags,
				.rtnh_ifindex = (int)oif };
	size_t at = put(m, &nh, sizeof(nh));

	if (gw)
		attr_addr(m, RTA_GATEWAY, gw);
	end(m, at);
}

static void test_route(void)
{
	struct { uint16_t f; uint8_t a[16]; } via = { AF_INET6, { 0xfe, 0x80 } };
	struct nl_route r;
	union addr want;
	struct msg m;
	size_t mp;
	int i;

	group("route");
	route_start(&m, AF_INET, 0);
	attr32(&m, RTA_TABLE, RT_TABLE_MAIN);
	attr_addr(&m, RTA_GATEWAY, "192.0.2.1");
	attr_addr(&m, RTA_PREFSRC, "192.0.2.2");
	attr32(&m, RTA_OIF, 2);
	attr32(&m, RTA_PRIORITY, 100);
	attr32(&m, RTA_NH_ID, 9);
	EXPECT(nl_route_parse(m.b, m.len, &r));
	want = A("192.0.2.1");
	EXPECT(r.nhops == 1 && addr_eq(&r.hop[0].gw, &want));
	EXPECT_EQ(r.hop[0].oif, 2);
	EXPECT_EQ(r.metric, 100);
	EXPECT_EQ(r.nhid, 9);
	want = A("0.0.0.0");
	EXPECT(addr_eq(&r.dst, &want));
	spoil(&m);

	/* IPv4 through an IPv6 router */
	route_start(&m, AF_INET, 8);
	attr_addr(&m, RTA_DST, "10.0.0.0");
	attr(&m, RTA_VIA, &via, 18);
	attr32(&m, RTA_OIF, 2);
	EXPECT(nl_route_parse(m.b, m.len, &r));
	want = A("fe80::");
	EXPECT(r.nhops == 1 && addr_eq(&r.hop[0].gw, &want));
	spoil(&m);

	/* A destination of the wrong size */
	route_start(&m, AF_INET, 8);
	attr_addr(&m, RTA_DST, "fd00::");
	EXPECT(!nl_route_parse(m.b, m.len, &r));

	route_start(&m, AF_INET6, 0);
	mp = begin(&m, RTA_MULTIPATH);
	add_hop(&m, 2, 0, 0, "fe80::1");
	add_hop(&m, 3, 9, RTNH_F_ONLINK, "fe80::2");
	end(&m, mp);
	EXPECT(nl_route_parse(m.b, m.len, &r));
	EXPECT_EQ(r.nhops, 2);
	EXPECT_EQ(r.hop[1].weight, 9);
	EXPECT_EQ(r.hop[1].flags, RTNH_F_ONLINK);
	spoil(&m);

	/* More next hops than there is room for */
	route_start(&m, AF_INET, 0);
	mp = begin(&m, RTA_MULTIPATH);
	for (i = 0; i < NL_HOPS_MAX + 5; i++)
		add_hop(&m, 2, 0, 0, "192.0.2.1");
	end(&m, mp);
	EXPECT(nl_route_parse(m.b, m.len, &r));
	EXPECT_EQ(r.nhops, NL_HOPS_MAX);
}

static void test_nexthop(void)
{
	struct nexthop_grp g[2] = { { .id = 1 }, { .id = 2, .weight = 4 } };
	struct nexthop_grp many[NL_GROUP_MAX + 1] = { { .id = 1 } };
	struct nhmsg nh = { .nh_family = AF_INET, .nh_flags = RTNH_F_ONLINK };
	struct msg m = { .len = 0 };
	struct nl_nexthop n;

	group("nexthop object");
	put(&m, &nh, sizeof(nh));
	attr32(&m, NHA_ID, 5);
	attr32(&m, NHA_OIF, 2);
	attr_addr(&m, NHA_GATEWAY, "192.0.2.9");
	EXPECT(nl_nexthop_parse(m.b, m.len, &n));
	EXPECT_EQ(n.id, 5);
	EXPECT_EQ(n.hop.oif, 2);
	EXPECT_EQ(n.hop.flags, RTNH_F_ONLINK);
	spoil(&m);

	m.len = 0;
	put(&m, &nh, sizeof(nh));
	attr32(&m, NHA_ID, 6);
	attr(&m, NHA_GROUP, g, sizeof(g));
	EXPECT(nl_nexthop_parse(m.b, m.len, &n));
	EXPECT_EQ(n.ngroup, 2);
	EXPECT_EQ(n.group[1].id, 2);
	EXPECT_EQ(n.group[1].weight, 4);
	spoil(&m);

	m.len = 0;
	put(&m, &nh, sizeof(nh));
	attr32(&m, NHA_ID, 6);
	attr(&m, NHA_GROUP, many, sizeof(many));
	EXPECT(nl_nexthop_parse(m.b, m.len, &n));
	EXPECT_EQ(n.ngroup, NL_GROUP_MAX);
}

static struct nl_route route(const char *dst, int len, unsigned oif,
			     const char *gw)
{
	struct nl_route r = { .family = AF_INET, .dst_len = (uint8_t)len,
			      .dst = A(dst), .nhops = 1,
			      .type = RTN_UNICAST };

	r.hop[0].oif = oif;
	if (gw)
		r.hop[0].gw = A(gw);
	return r;
}

static void test_template(void)
{
	union addr gw, want;
	struct nl_route r[4];

	group("template");
	r[0] = route("127.0.0.0", 8, 1, NULL);
	r[1] = route("169.254.0.0", 16, 4, NULL);
	EXPECT_EQ(nl_template(r, 2, 0, &gw), 0);
	EXPECT(addr_is_none(&gw));

	/* Any route will do without a default one */
	r[2] = route("10.0.0.0", 8, 5, NULL);
	EXPECT_EQ(nl_template(r, 3, 0, &gw), 5);
	EXPECT(addr_is_none(&gw));

	/* The heaviest next hop, the first among equals */
	r[3] = route("0.0.0.0", 0, 6, "192.0.2.1");
	r[3].nhops = 3;
	r[3].hop[1] = (struct nl_hop){ A("192.0.2.2"), 7, 0, 5 };
	r[3].hop[2] = (struct nl_hop){ A("192.0.2.3"), 8, 0, 5 };
	EXPECT_EQ(nl_template(r, 4, 0, &gw), 7);
	want = A("192.0.2.2");
	EXPECT(addr_eq(&gw, &want));

	/* Named interface */
	EXPECT_EQ(nl_template(r, 4, 8, &gw), 8);
	EXPECT_EQ(nl_template(r, 4, 5, &gw), 5);
	EXPECT_EQ(nl_template(r, 4, 99, &gw), 0);

	/* Without carrier only if there is nothing better */
	r[0] = route("0.0.0.0", 0, 2, "192.0.2.7");
	r[0].hop[0].flags = RTNH_F_LINKDOWN;
	EXPECT_EQ(nl_template(r, 4, 0, &gw), 7);
	EXPECT_EQ(nl_template(r, 3, 0, &gw), 2);
	want = A("192.0.2.7");
	EXPECT(addr_eq(&gw, &want));
}

static void test_retarget(void)
{
	struct nl_route r = route("0.0.0.0", 0, 6, "192.0.2.1");

	group("retarget");
	r.nhid = 4;
	r.proto = RTPROT_RA;
	r.nhops = 3;
	r.hop[0].flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN;
	r.hop[1] = (struct nl_hop){ A("192.0.2.2"), 7, 0, 5 };
	r.hop[2] = (struct nl_hop){ A("192.0.2.3"), 6, 0, 3 };
	EXPECT(nl_route_retarget(&r, 6, 2));
	EXPECT_EQ(r.nhops, 2);
	EXPECT_EQ(r.hop[0].oif, 2);
	EXPECT_EQ(r.hop[0].flags, RTNH_F_ONLINK);
	EXPECT_EQ(r.hop[1].weight, 3);
	EXPECT_EQ(r.nhid, 0);
	EXPECT_EQ(r.proto, RTPROT_BOOT);
	EXPECT(!nl_route_retarget(&r, 6, 2));
}

/* ------------------------------------------------------------ the dialogue */

struct seen {
	int n;
	size_t len[8];
};

static void count(void *arg, uint16_t type, const uint8_t *p, size_t len)
{
	struct seen *s = arg;

	(void)type;
	(void)p;
	if (s->n < 8)
		s->len[s->n] = len;
	s->n++;
}

/* Stands in an answer for the number of the request */
#define SEQ	0x5e000100U

/* Have the "kernel" answer @len bytes at @p, and then say nothing more */
static int talk(uint8_t *p, size_t len, struct seen *s)
{
	static uint32_t seq;	/* as netlink.c counts, from 1 */
	struct { struct nlmsghdr nh; struct rtgenmsg g; } req = {
		{ .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK,
		  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP }, { 0 } };
	struct timeval tv = { .tv_usec = 20000 };
	int sv[2], rc;
	size_t i;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sv) ||
	    setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		exit(1);
	seq++;
	for (i = 0; i + 4 <= len; i += 4) {
		uint32_t v;

		memcpy(&v, p + i, 4);
		if (v == SEQ)
			memcpy(p + i, &seq, 4);
	}
	if (send(sv[1], p, len, 0) != (ssize_t)len)
		exit(1);
	memset(s, 0, sizeof(*s));
	rc = nl_dump(sv[0], &req.nh, count, s);
	close(sv[0]);
	close(sv[1]);
	return rc;
}

static size_t nlmsg(uint8_t *p, uint16_t type, uint16_t flags, uint32_t seq,
		    const void *body, size_t len)
{
	struct nlmsghdr nh = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
			       .nlmsg_type = type, .nlmsg_flags = flags,
			       .nlmsg_seq = seq };

	memset(p, 0, NLMSG_ALIGN(nh.nlmsg_len));
	memcpy(p, &nh, sizeof(nh));
	memcpy(p + NLMSG_HDRLEN, body, len);
	return NLMSG_ALIGN(nh.nlmsg_len);
}

static void test_talk(void)
{
	const uint32_t me = SEQ;
	int zero = 0, eperm = -EPERM, odd = 77;
	_Alignas(8) uint8_t b[512];
	struct seen s;
	size_t n;

	group("dialogue");
	n = nlmsg(b, RTM_NEWLINK, NLM_F_MULTI, me, "abcde", 5);
	n += nlmsg(b + n, RTM_NEWLINK, NLM_F_MULTI, me + 1, "xx", 2);
	n += nlmsg(b + n, RTM_NEWLINK, NLM_F_MULTI, me, "abc", 3);
	n += nlmsg(b + n, NLMSG_DONE, NLM_F_MULTI, me, &zero, 4);
	EXPECT_EQ(talk(b, n, &s), 0);
	EXPECT_EQ(s.n, 2);	/* not the one with a foreign number */
	EXPECT_EQ(s.len[0], 5);
	EXPECT_EQ(s.len[1], 3);

	n = nlmsg(b, RTM_NEWLINK, NLM_F_DUMP_INTR, me, "abcde", 5);
	n += nlmsg(b + n, NLMSG_DONE, NLM_F_MULTI, me, &zero, 4);
	EXPECT_EQ(talk(b, n, &s), -EINTR);

	n = nlmsg(b, NLMSG_ERROR, 0, me, &eperm, 4);
	EXPECT_EQ(talk(b, n, &s), -EPERM);
	n = nlmsg(b, NLMSG_ERROR, 0, me, &odd, 4);
	EXPECT_EQ(talk(b, n, &s), -EBADMSG);

	/* Lengths that lie: shorter than a header, longer than the datagram */
	n = nlmsg(b, RTM_NEWLINK, 0, me, "abcde", 5);
	b[0] = 3;
	EXPECT_EQ(talk(b, n, &s), -EBADMSG);
	EXPECT_EQ(s.n, 0);
	n = nlmsg(b, RTM_NEWLINK, 0, me, "abcde", 5);
	b[0] = 200;
	EXPECT_EQ(talk(b, n, &s), -EBADMSG);
	EXPECT_EQ(s.n, 0);

	/* No end in sight */
	n = nlmsg(b, RTM_NEWLINK, NLM_F_MULTI, me, "abcde", 5);
	EXPECT_EQ(talk(b, n, &s), -ETIMEDOUT);
	EXPECT_EQ(s.n, 1);
	EXPECT_EQ(talk(b, 7, &s), -ETIMEDOUT);
}

int main(void)
{
	test_link();
	test_addr();
	test_route();
	test_nexthop();
	test_template();
	test_retarget();
	test_talk();
	return done();
}
