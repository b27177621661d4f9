// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf.c - what accepted command lines mean; test/e2e/cmdline.t has the others
 */
#include "conf.h"

#include "check.h"

#define WORDS	32

static struct conf c;

/* parse_as() - Take a command line of words separated by single blanks; '_'
 * stands for a blank inside a word */
static void parse_as(const char *name, const char *line)
{
	static char text[1024], *argv[WORDS + 1];
	char *p, *q;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	argv[argc++] = (char *)(uintptr_t)name;
	for (p = strtok(text, " "); p && argc < WORDS; p = strtok(NULL, " ")) {
		for (q = p; (q = strchr(q, '_')); )
			*q = ' ';
		argv[argc++] = p;
	}
	argv[argc] = NULL;
	conf_parse(&c, argc, argv);
	conf_ports(&c, argc, argv);
}

static void parse(const char *line)
{
	parse_as("/usr/bin/pasta", line);
}

static bool is(const union addr *a, const char *s)
{
	union addr b = ADDR_NONE;

	if (*s && !addr_parse(s, &b))
		abort();
	return addr_eq(a, &b);
}

static void test_defaults(void)
{
	static const uint8_t mac[] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
	int f, t;

	group("defaults");
	parse("123");
	EXPECT_EQ(c.mode, MODE_PASTA);
	EXPECT_EQ(c.level, LOG_LVL_INFO);
	EXPECT(!c.foreground && !c.runas_set && !c.freebind);
	EXPECT(!*c.pid_file && !*c.pcap_file && !*c.template_if);
	EXPECT(!*c.log_file);
	EXPECT_EQ(c.log_size, 1048576);
	EXPECT(c.tcp && c.udp && c.icmp);
	EXPECT(c.netns_quit && !c.netns_only && !c.config_net);
	EXPECT_EQ(c.guest.mtu, 65520);
	EXPECT_MEM(c.guest.our_mac, mac, 6);
	EXPECT(c.guest.dhcp && c.guest.dhcpv6 && c.guest.ndp && c.guest.ra);
	EXPECT(!c.guest.tell_dns && !c.guest.tell_search);
	EXPECT(c.fwd.splice && !c.fwd.host_lo_to_ns_lo && !c.no_map_gw);
	EXPECT(!c.given_prefix && !c.ns_mac_set && !c.dns_none);
	EXPECT(!c.given_search && !c.only4 && !c.only6);
	for (f = 0; f < GUEST_FAMILIES; f++) {
		EXPECT(c.guest.net[f].on && !c.given_addr[f]);
		EXPECT(!c.given_gw[f] && !c.given_dns[f]);
		EXPECT(!c.given_map_host[f]);
		EXPECT(c.copy_addrs[f] && c.copy_routes[f]);
	}
	for (t = 0; t < FWD_TABLES; t++) {
		EXPECT_EQ(c.fwd.rules[t].mode, RULES_AUTO);
		EXPECT_EQ(c.fwd.rules[t].n, 0);
	}
}

static void test_operands(void)
{
	group("operands");
	parse("123");
	EXPECT_EQ(c.target_pid, 123);
	EXPECT(!c.command);
	parse("");
	EXPECT(!c.command && !c.target_pid && !*c.netns);
	EXPECT(c.foreground);
	EXPECT_EQ(c.level, LOG_LVL_WARN);
	parse("--config-net -- ls -la --version");
	EXPECT(c.config_net && c.foreground);
	EXPECT_STR(c.command[0], "ls");
	EXPECT_STR(c.command[1], "-la");
	EXPECT_STR(c.command[2], "--version");
	EXPECT(!c.command[3]);
	EXPECT_EQ(c.level, LOG_LVL_WARN);
	parse("-d sh -q");
	EXPECT_EQ(c.level, LOG_LVL_DEBUG);
	EXPECT_STR(c.command[1], "-q");
	parse("123 456");
	EXPECT_STR(c.command[0], "123");
	EXPECT_EQ(c.target_pid, 0);
	parse("123x");
	EXPECT_STR(c.command[0], "123x");

	parse("--netns foo");
	EXPECT_STR(c.netns, "/run/netns/foo");
	EXPECT(c.netns_only && !c.foreground);
	EXPECT_EQ(c.level, LOG_LVL_INFO);
	parse("--netns=./foo");
	EXPECT_STR(c.netns, "./foo");
	parse("--userns /proc/1/ns/user --netns /proc/1/ns/net");
	EXPECT_STR(c.netns, "/proc/1/ns/net");
	EXPECT_STR(c.userns, "/proc/1/ns/user");
	EXPECT(!c.netns_only);
	parse("--userns /u --netns-only 1");
	EXPECT(c.netns_only && !*c.userns);
	parse("--netns-only --userns /u 1");
	EXPECT(!c.netns_only);
	EXPECT_STR(c.userns, "/u");
	parse("--no-netns-quit 1");
	EXPECT(!c.netns_quit);
}

static void test_general(void)
{
	static const uint8_t mac[] = { 2, 0, 0, 0xab, 0xcd, 0xef };

	group("general options");
	parse("-f -q -p a.pcap -P b.pid -i eth0 --freebind 1");
	EXPECT(c.foreground && c.freebind);
	EXPECT_EQ(c.level, LOG_LVL_WARN);
	EXPECT_STR(c.pcap_file, "a.pcap");
	EXPECT_STR(c.pid_file, "b.pid");
	EXPECT_STR(c.template_if, "eth0");
	parse("-fqPfile --pid=other 1");
	EXPECT_STR(c.pid_file, "other");
	EXPECT(c.foreground);

	parse("-q -d 1");
	EXPECT_EQ(c.level, LOG_LVL_DEBUG);
	parse("-d -q 1");
	EXPECT_EQ(c.level, LOG_LVL_WARN);
	parse("--trace -d 1");
	EXPECT_EQ(c.level, LOG_LVL_TRACE);
	parse("-q --trace 1");
	EXPECT_EQ(c.level, LOG_LVL_TRACE);

	parse("-l a.log --log-size 0x100000000 1");
	EXPECT_STR(c.log_file, "a.log");
	EXPECT_EQ(c.log_size, 1LL << 32);
	parse("-la.log --log-file b.log --log-size 5000000 --log-size 0400000 1");
	EXPECT_STR(c.log_file, "b.log");
	EXPECT_EQ(c.log_size, 131072);
	parse("--log-size 1099511627776 1");
	EXPECT_EQ(c.log_size, 1LL << 40);

	parse("--runas 1000 1");
	EXPECT(c.runas_set);
	EXPECT_EQ(c.uid, 1000);
	EXPECT_EQ(c.gid, 1000);
	parse("--runas 1000:2000 1");
	EXPECT_EQ(c.gid, 2000);
	parse("--runas root 1");
	EXPECT_EQ(c.uid, 0);
	parse("--runas 7:root 1");
	EXPECT_EQ(c.uid, 7);
	EXPECT_EQ(c.gid, 0);

	parse("-m 1500 1");
	EXPECT_EQ(c.guest.mtu, 1500);
	parse("--mtu 0x5dc 1");
	EXPECT_EQ(c.guest.mtu, 1500);
	parse("-m 65521 -m 0 1");
	EXPECT_EQ(c.guest.mtu, 0);
	parse("-m 65521 1");
	EXPECT_EQ(c.guest.mtu, 65521);

	parse("-M 02:00:00:ab:cd:ef --ns-mac-addr 02:00:00:AB:CD:EF -I t0 1");
	EXPECT_MEM(c.guest.our_mac, mac, 6);
	EXPECT_MEM(c.ns_mac, mac, 6);
	EXPECT(c.ns_mac_set);
	EXPECT_STR(c.ns_ifname, "t0");
	parse("-M 02:00:00:ab:cd:ef 1");
	EXPECT(!c.ns_mac_set);

	parse("-H host --fqdn host.example.org 1");
	EXPECT_STR(c.guest.hostname, "host");
	EXPECT_STR(c.guest.fqdn, "host.example.org");
}

static void test_addresses(void)
{
	const struct guest_net *v4 = &c.guest.net[GUEST_V4];
	const struct guest_net *v6 = &c.guest.net[GUEST_V6];

	group("addresses of the guest");
	parse("-a 10.0.2.100 --netmask=24 -g 10.0.2.2 1");
	EXPECT(is(&v4->addr, "10.0.2.100"));
	EXPECT(is(&v4->gw, "10.0.2.2"));
	EXPECT_EQ(v4->prefix, 24);
	EXPECT(c.given_prefix && c.given_addr[GUEST_V4]);
	EXPECT(c.given_gw[GUEST_V4] && !c.given_gw[GUEST_V6]);
	EXPECT(!c.given_addr[GUEST_V6]);
	EXPECT(!c.copy_addrs[GUEST_V4] && c.copy_addrs[GUEST_V6]);
	EXPECT(!c.copy_routes[GUEST_V4] && c.copy_routes[GUEST_V6]);

	parse("-n 255.255.240.0 1");
	EXPECT(c.given_prefix);
	EXPECT_EQ(v4->prefix, 20);
	parse("-a 10.0.0.1 1");
	EXPECT(!c.given_prefix);
	parse("-a 10.0.0.1/9 -a 10.0.0.2 1");
	EXPECT(!c.given_prefix);
	parse("-a 192.0.2.9/31 -a 2001:db8::9/48 -g fe80::9 1");
	EXPECT(c.given_prefix);
	EXPECT_EQ(v4->prefix, 31);
	EXPECT_EQ(v6->prefix, 64);
	EXPECT(is(&v6->addr, "2001:db8::9"));
	EXPECT(is(&v6->gw, "fe80::9"));
	parse("-a 2001:db8::9/48 -a 192.0.2.9 -n 24 1");
	EXPECT_EQ(v4->prefix, 24);
	parse("-a ::ffff:192.0.2.9/120 1");
	EXPECT(is(&v4->addr, "192.0.2.9"));
	EXPECT_EQ(v4->prefix, 24);
	parse("-a 192.0.2.1 -a 192.0.2.2 1");
	EXPECT(is(&v4->addr, "192.0.2.2"));

	parse("--config-net --no-copy-routes --no-copy-addrs 1");
	EXPECT(!c.copy_addrs[GUEST_V4] && !c.copy_addrs[GUEST_V6]);
	EXPECT(!c.copy_routes[GUEST_V4] && !c.copy_routes[GUEST_V6]);

	group("families and services");
	parse("-4 1");
	EXPECT(v4->on && !v6->on && c.only4 && !c.only6);
	EXPECT(c.guest.dhcp && !c.guest.dhcpv6 && !c.guest.ndp);
	EXPECT(!c.guest.ra);
	parse("-4 -6 1");
	EXPECT(!v4->on && v6->on && !c.only4 && c.only6);
	EXPECT(!c.guest.dhcp && c.guest.dhcpv6 && c.guest.ndp && c.guest.ra);
	parse("--no-tcp --no-udp -t none -U none 1");
	EXPECT(!c.tcp && !c.udp && c.icmp);
	parse("--no-icmp 1");
	EXPECT(!c.icmp && !c.guest.ndp && !c.guest.ra && c.guest.dhcpv6);
	parse("--no-dhcp --no-dhcpv6 --no-ra 1");
	EXPECT(!c.guest.dhcp && !c.guest.dhcpv6 && !c.guest.ra);
	EXPECT(c.guest.ndp);
	parse("--config-net 1");
	EXPECT(!c.guest.ra && c.guest.ndp && c.guest.dhcp);
	parse("--dhcp-dns --dhcp-search 1");
	EXPECT(c.guest.tell_dns && c.guest.tell_search);
}

static void test_mappings(void)
{
	const struct fwd_net *v4 = &c.fwd.net[GUEST_V4];
	const struct fwd_net *v6 = &c.fwd.net[GUEST_V6];

	group("mappings");
	parse("-o 192.0.2.7 -o 2001:db8::7 --outbound-if4 a --outbound-if6 b"
	      " 1");
	EXPECT(is(&v4->outbound, "192.0.2.7"));
	EXPECT(is(&v6->outbound, "2001:db8::7"));
	EXPECT_STR(v4->outbound_if, "a");
	EXPECT_STR(v6->outbound_if, "b");
	parse("--map-host-loopback 192.0.2.8 --map-guest-addr 2001:db8::8 1");
	EXPECT(is(&v4->map_host_loopback, "192.0.2.8"));
	EXPECT(is(&v6->map_host_loopback, ""));
	EXPECT(is(&v6->map_guest_addr, "2001:db8::8"));
	EXPECT(c.given_map_host[GUEST_V4] && !c.given_map_host[GUEST_V6]);
	EXPECT(!c.no_map_gw);
	parse("--map-host-loopback 192.0.2.8 --map-host-loopback none 1");
	EXPECT(is(&v4->map_host_loopback, ""));
	EXPECT(c.given_map_host[GUEST_V4] && c.given_map_host[GUEST_V6]);
	EXPECT(c.no_map_gw);
	parse("--map-host-loopback none --map-host-loopback 192.0.2.8 1");
	EXPECT(is(&v4->map_host_loopback, "192.0.2.8"));
	parse("--map-guest-addr 192.0.2.8 --map-guest-addr none 1");
	EXPECT(is(&v4->map_guest_addr, ""));
	EXPECT(!c.no_map_gw && !c.given_map_host[GUEST_V4]);
	parse("--no-map-gw --no-splice --host-lo-to-ns-lo 1");
	EXPECT(c.no_map_gw && !c.fwd.splice && c.fwd.host_lo_to_ns_lo);
}

static void test_dns(void)
{
	const struct guest_net *v4 = &c.guest.net[GUEST_V4];
	const struct guest_net *v6 = &c.guest.net[GUEST_V6];
	const struct fwd_net *f4 = &c.fwd.net[GUEST_V4];

	group("nameservers and domains");
	parse("-D 192.0.2.1 -D 127.0.0.1 -D 2001:db8::1 -D 1.1.1.1 -D 2.2.2.2"
	      " 1");
	EXPECT_EQ(v4->ndns, 3);
	EXPECT(is(&v4->dns[1], "127.0.0.1"));
	EXPECT(is(&v4->dns[2], "1.1.1.1"));
	EXPECT_EQ(v6->ndns, 1);
	EXPECT(c.given_dns[GUEST_V4] && c.given_dns[GUEST_V6]);
	parse("-D 0.0.0.0 1");
	EXPECT_EQ(v4->ndns, 0);
	EXPECT(c.given_dns[GUEST_V4] && !c.given_dns[GUEST_V6]);
	parse("-D 1.1.1.1 --dns-forward 192.0.2.3 --dns-host 127.0.0.53 -D"
	      " none 1");
	EXPECT(c.dns_none);
	EXPECT_EQ(v4->ndns, 0);
	EXPECT(is(&f4->dns_forward, "") && is(&f4->dns_host, ""));
	parse("-D none -D 1.1.1.1 --dns-forward 192.0.2.3 1");
	EXPECT_EQ(v4->ndns, 1);
	EXPECT(is(&f4->dns_forward, "192.0.2.3"));
	parse("--dns-forward 169.254.1.1 --dns-host 127.0.0.53 1");
	EXPECT(is(&f4->dns_host, "127.0.0.53"));

	parse("-S a.example -S b.example_c.example__ 1");
	EXPECT(c.given_search);
	EXPECT_EQ(c.guest.nsearch, 3);
	EXPECT_STR(c.guest.search[0], "a.example");
	EXPECT_STR(c.guest.search[1], "b.example");
	EXPECT_STR(c.guest.search[2], "c.example");
	parse("-S a -S none 1");
	EXPECT_EQ(c.guest.nsearch, 0);
	EXPECT(c.given_search);
	parse("-S none. 1");
	EXPECT_STR(c.guest.search[0], "none.");
	parse("-S a_b_c_d_e_f_g_h 1");
	EXPECT_EQ(c.guest.nsearch, GUEST_SEARCH_MAX);
}

static void test_ports(void)
{
	const struct ruleset *rs = c.fwd.rules;
	int t;

	group("ports");
	parse("-t 8080:80 -u 192.0.2.1%eth0/53 -T 5432 -U 123-125:1123-1125"
	      " -t 22 1");
	EXPECT_EQ(rs[FWD_TCP_IN].n, 2);
	EXPECT_EQ(rs[FWD_TCP_IN].rule[0].first, 8080);
	EXPECT_EQ(rs[FWD_TCP_IN].rule[0].target, 80);
	EXPECT(addr_is_none(&rs[FWD_TCP_IN].rule[0].addr));
	EXPECT(is(&rs[FWD_UDP_IN].rule[0].addr, "192.0.2.1"));
	EXPECT_STR(rs[FWD_UDP_IN].rule[0].ifname, "eth0");
	EXPECT_EQ(rs[FWD_TCP_NS].rule[0].first, 5432);
	EXPECT_EQ(rs[FWD_UDP_NS].rule[0].last, 125);
	EXPECT_EQ(rs[FWD_UDP_NS].rule[0].target, 1123);
	EXPECT_EQ(rs[FWD_UDP_NS].mode, RULES_PORTS);
	parse("-t none -u none -T none -U none --no-tcp 1");
	EXPECT_EQ(rs[FWD_TCP_IN].mode, RULES_NONE);
	EXPECT_EQ(rs[FWD_TCP_IN].n, 0);
	parse("--no-tcp -U 53 1");
	EXPECT_EQ(rs[FWD_TCP_IN].mode, RULES_NONE);
	EXPECT_EQ(rs[FWD_TCP_NS].mode, RULES_NONE);
	EXPECT_EQ(rs[FWD_UDP_IN].mode, RULES_AUTO);
	EXPECT_EQ(rs[FWD_UDP_NS].mode, RULES_PORTS);
	parse("--no-udp -t auto -T auto -T auto 1");
	EXPECT_EQ(rs[FWD_TCP_IN].mode, RULES_AUTO);
	EXPECT_EQ(rs[FWD_TCP_NS].mode, RULES_AUTO);
	EXPECT_EQ(rs[FWD_UDP_IN].mode, RULES_NONE);
	EXPECT_EQ(rs[FWD_UDP_NS].mode, RULES_NONE);
	parse_as("passt", "");
	for (t = 0; t < FWD_TABLES; t++)
		EXPECT_EQ(rs[t].mode, RULES_NONE);
	/* late: judged by options that stand after it */
	parse("-t [::1]/80 -4 -6 1");
	EXPECT_EQ(rs[FWD_TCP_IN].n, 1);
	EXPECT(!rs[FWD_TCP_IN].rule[0].weak);
	/* weak ones leave out the ephemeral ports of this system */
	parse("-t ~1-9 1");
	EXPECT(rs[FWD_TCP_IN].n >= 1);
	EXPECT_EQ(rs[FWD_TCP_IN].rule[0].first, 10);
	EXPECT(rs[FWD_TCP_IN].rule[0].weak);
}

static void test_callers(void)
{
	group("command lines of callers (interfaces.md 8)");
	parse("--config-net -t 8080-8080:80-80 -u none --dns-forward"
	      " 169.254.1.1 -T none -U none --no-map-gw --quiet --netns /n"
	      " --map-guest-addr 169.254.1.2");
	EXPECT_STR(c.netns, "/n");
	EXPECT(c.no_map_gw && c.config_net && c.netns_only);
	EXPECT_EQ(c.fwd.rules[FWD_TCP_IN].rule[0].target, 80);
	EXPECT(is(&c.fwd.net[GUEST_V4].map_guest_addr, "169.254.1.2"));

	log_set_level(LOG_LVL_ERR);	/* --stderr warns */
	parse("--stderr --ns-ifname=tap0 --mtu=65520 --config-net"
	      " --address=10.0.2.100 --netmask=24 --gateway=10.0.2.2"
	      " --dns-forward=10.0.2.3 --no-map-gw --ipv4-only"
	      " --tcp-ports=none --udp-ports=none 4711");
	log_set_level(LOG_LVL_INFO);
	EXPECT_EQ(c.target_pid, 4711);
	EXPECT_STR(c.ns_ifname, "tap0");

	parse("-q --ipv4-only -a 10.0.2.0 -n 24 -g 10.0.2.2 --dns-forward"
	      " 10.0.2.3 -m 1500 --no-ndp --no-dhcpv6 --no-dhcp -P FILE 1");
	EXPECT_EQ(c.guest.mtu, 1500);
	EXPECT_STR(c.pid_file, "FILE");

	group("unambiguous abbreviations");
	parse("--config --foreg --netns=x");
	EXPECT(c.config_net && c.foreground);
}

int main(void)
{
	log_set_level(LOG_LVL_INFO);
	test_defaults();
	test_operands();
	test_general();
	test_addresses();
	test_mappings();
	test_dns();
	test_ports();
	test_callers();

	group("environment");
	setenv("PASTA_TAP_PLAIN", "1", 1);
	parse("1");
	EXPECT(c.tap_plain);
	setenv("PASTA_TAP_PLAIN", "0", 1);
	parse("1");
	EXPECT(!c.tap_plain);
	return done();
}
