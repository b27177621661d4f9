// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of conf_host.c: reading resolv.conf, also cut and spoiled, and
 * which nameservers a guest is told
 */
#include "conf_host.h"

#include "check.h"

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

int main(void)
{
	test_parse();
	test_spoil();
	test_apply();
	return done();
}
