// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd.c - the behaviour table of the translation
 *
 * A row is a configuration, an initiating side and the target that must come
 * out, written "H peer port < ours port" (G guest, H host, N namespace), or
 * "drop" or "refuse". Numbers in comments are those of the specification.
 */
#include "fwd.h"

#include <netinet/in.h>

#include "check.h"
#include "guest.h"

#define TCP	IPPROTO_TCP
#define UDP	IPPROTO_UDP
#define ICMP	IPPROTO_ICMP
#define ICMP6	IPPROTO_ICMPV6
#define G	PIF_GUEST
#define H	PIF_HOST
#define N	PIF_NS

enum {
	GW	= 1 << 0,	/* map-host-loopback is the gateway */
	DNS	= 1 << 1,	/* --dns-forward and a resolver on the net */
	DNSLO	= 1 << 2,	/* --dns-forward and a resolver on loopback */
	DNSGW	= 1 << 3,	/* resolver has the mapped address (9.3) */
	MGA	= 1 << 4,	/* --map-guest-addr */
	OUT	= 1 << 5,	/* -o, both families */
	SPLICE	= 1 << 6,	/* pasta without --no-splice */
	LO2LO	= 1 << 7,	/* --host-lo-to-ns-lo */
	NOGW	= 1 << 8,	/* no gateway at all */
	ONLY4	= 1 << 9,
	ONLY6	= 1 << 21,
	LOCAL6	= 1 << 10,	/* no IPv6 address assigned or seen */
	FRESH	= 1 << 11,	/* no guest link-local address seen yet */
	SEEN	= 1 << 12,	/* the guest uses addresses of its own */
	NOTAP	= 1 << 13,
	LOGUEST	= 1 << 14,	/* nonsense: loopback address assigned */
	MHL	= 1 << 15,	/* --map-host-loopback, an address of its own */
	MGL	= 1 << 16,	/* --map-guest-addr, the same as MHL */
	DNSMAP	= 1 << 17,	/* the resolver's stand-in is the mapped one */
	NODNS	= 1 << 18,	/* --dns-forward, but no resolver known */
	LOCAL	= 1 << 19,	/* local mode, nothing seen of the guest */
	LOCALLL	= 1 << 20,	/* ... it has shown its link-local address */
};

static const struct row {
	unsigned conf;
	uint8_t proto, pif;
	const char *src;
	unsigned sport;
	const char *dst;
	unsigned dport;
	unsigned target;	/* 0: dport */
	const char *want;
} rows[] = {
	/* 10.1 rule 4: unchanged; source ports; -o */
	{ GW, TCP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "H 198.51.100.1 80 < 0.0.0.0 0" },
	{ GW, UDP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "H 198.51.100.1 80 < 0.0.0.0 1000" },
	{ GW, ICMP, G, "192.0.2.2", 77, "198.51.100.1", 77, 0,
	  "H 198.51.100.1 77 < 0.0.0.0 77" },
	{ GW, ICMP, G, "192.0.2.2", 0, "198.51.100.1", 0, 0,
	  "H 198.51.100.1 0 < 0.0.0.0 0" },
	{ GW, TCP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "H 2001:db8:9::1 80 < :: 0" },
	{ GW, UDP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "H 2001:db8:9::1 80 < :: 1000" },
	{ GW, ICMP6, G, "2001:db8::2", 9, "2001:db8:9::1", 9, 0,
	  "H 2001:db8:9::1 9 < :: 9" },
	{ GW, TCP, G, "fe80::2", 1000, "fe80::99", 80, 0,
	  "H fe80::99 80 < :: 0" },
	{ GW | OUT, TCP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "H 198.51.100.1 80 < 203.0.113.7 0" },
	{ GW | OUT, UDP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "H 198.51.100.1 80 < 203.0.113.7 1000" },
	{ GW | OUT, ICMP, G, "192.0.2.2", 7, "198.51.100.1", 7, 0,
	  "H 198.51.100.1 7 < 203.0.113.7 7" },
	{ GW | OUT, TCP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "H 2001:db8:9::1 80 < 2001:db8:7::7 0" },
	{ GW | OUT, UDP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "H 2001:db8:9::1 80 < 2001:db8:7::7 1000" },
	{ GW | OUT, ICMP6, G, "2001:db8::2", 7, "2001:db8:9::1", 7, 0,
	  "H 2001:db8:9::1 7 < 2001:db8:7::7 7" },
	/* any source of the guest will do, it is never visible */
	{ GW, TCP, G, "192.0.2.99", 1000, "198.51.100.1", 80, 0,
	  "H 198.51.100.1 80 < 0.0.0.0 0" },
	/* its own address, coming out of the link: the host's twin */
	{ GW, TCP, G, "192.0.2.99", 1000, "192.0.2.2", 80, 0,
	  "H 192.0.2.2 80 < 0.0.0.0 0" },

	/* 10.1 rule 2: map-host-loopback, here the gateway */
	{ GW, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ GW, UDP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 1000" },
	{ GW, ICMP, G, "192.0.2.2", 5, "192.0.2.1", 5, 0,
	  "H 127.0.0.1 5 < 0.0.0.0 5" },
	{ GW, TCP, G, "fe80::2", 1000, "fe80::1", 80, 0, "H ::1 80 < :: 0" },
	{ GW, ICMP6, G, "fe80::2", 5, "fe80::1", 5, 0, "H ::1 5 < :: 5" },
	{ GW, UDP, G, "fe80::2", 1000, "fe80::1", 80, 0,
	  "H ::1 80 < :: 1000" },
	{ GW, TCP, G, "2001:db8::2", 1000, "fe80::1", 80, 0,
	  "H ::1 80 < :: 0" },
	/* --map-host-loopback ADDR: that one, and no longer the gateway */
	{ MHL, TCP, G, "192.0.2.2", 1000, "203.0.113.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ MHL, UDP, G, "192.0.2.2", 1000, "203.0.113.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 1000" },
	{ MHL, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 192.0.2.1 80 < 0.0.0.0 0" },
	{ MHL, TCP, G, "2001:db8::2", 1000, "2001:db8::7", 80, 0,
	  "H ::1 80 < :: 0" },
	{ MHL, UDP, G, "2001:db8::2", 1000, "2001:db8::7", 80, 0,
	  "H ::1 80 < :: 1000" },
	{ MHL, UDP, G, "fe80::2", 1000, "fe80::1", 80, 0,
	  "H fe80::1 80 < :: 1000" },
	{ MHL | NOGW, ICMP6, G, "2001:db8::2", 5, "2001:db8::7", 5, 0,
	  "H ::1 5 < :: 5" },
	/* -o does not apply to loopback (improve) */
	{ GW | OUT, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ GW | OUT, UDP, G, "fe80::2", 1000, "fe80::1", 80, 0,
	  "H ::1 80 < :: 1000" },
	{ GW | OUT, ICMP, G, "192.0.2.2", 7, "192.0.2.1", 7, 0,
	  "H 127.0.0.1 7 < 0.0.0.0 7" },
	{ MHL | OUT, TCP, G, "2001:db8::2", 1000, "2001:db8::7", 80, 0,
	  "H ::1 80 < :: 0" },
	/* not mapped: the gateway is a host like others */
	{ 0, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 192.0.2.1 80 < 0.0.0.0 0" },
	{ 0, TCP, G, "fe80::2", 1000, "fe80::1", 80, 0,
	  "H fe80::1 80 < :: 0" },
	{ 0, UDP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 192.0.2.1 80 < 0.0.0.0 1000" },
	{ OUT, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 192.0.2.1 80 < 203.0.113.7 0" },
	{ 0, ICMP6, G, "fe80::2", 5, "fe80::1", 5, 0,
	  "H fe80::1 5 < :: 5" },

	/* 10.1 rule 3: map-guest-addr */
	{ MGA, TCP, G, "192.0.2.2", 1000, "169.254.1.2", 80, 0,
	  "H 192.0.2.2 80 < 0.0.0.0 0" },
	{ MGA | SEEN, UDP, G, "192.0.2.77", 1000, "169.254.1.2", 80, 0,
	  "H 192.0.2.2 80 < 0.0.0.0 1000" },
	{ MGA | OUT, TCP, G, "192.0.2.2", 1000, "169.254.1.2", 80, 0,
	  "H 192.0.2.2 80 < 203.0.113.7 0" },
	{ MGA, TCP, G, "2001:db8::2", 1000, "2001:db8::a", 80, 0,
	  "H 2001:db8::2 80 < :: 0" },
	{ MGA | LOCAL6, TCP, G, "fe80::2", 1000, "2001:db8::a", 80, 0,
	  "refuse" },
	{ 0, TCP, G, "192.0.2.2", 1000, "169.254.1.2", 80, 0,
	  "H 169.254.1.2 80 < 0.0.0.0 0" },
	{ MGA | LOGUEST, TCP, G, "192.0.2.2", 1000, "169.254.1.2", 80, 0,
	  "drop" },
	{ MGA, ICMP, G, "192.0.2.2", 5, "169.254.1.2", 5, 0,
	  "H 192.0.2.2 5 < 0.0.0.0 5" },
	{ MGA | SEEN, UDP, G, "2001:db8::77", 1000, "2001:db8::a", 80, 0,
	  "H 2001:db8::2 80 < :: 1000" },
	{ MGA | OUT, UDP, G, "2001:db8::2", 1000, "2001:db8::a", 80, 0,
	  "H 2001:db8::2 80 < 2001:db8:7::7 1000" },
	/* together with the gateway; the same address for both: rule 2 */
	{ GW | MGA, TCP, G, "192.0.2.2", 1000, "169.254.1.2", 80, 0,
	  "H 192.0.2.2 80 < 0.0.0.0 0" },
	{ GW | MGA, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ MHL | MGL, TCP, G, "192.0.2.2", 1000, "203.0.113.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ MHL | MGL, UDP, G, "2001:db8::2", 1000, "2001:db8::7", 80, 0,
	  "H ::1 80 < :: 1000" },

	/* 9.1, 10.1 rule 1: DNS */
	{ GW | DNS, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "H 198.51.100.53 53 < 0.0.0.0 1000" },
	{ GW | DNS, TCP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "H 198.51.100.53 53 < 0.0.0.0 0" },
	{ GW | DNS, TCP, G, "192.0.2.2", 1000, "192.0.2.53", 853, 0,
	  "H 198.51.100.53 853 < 0.0.0.0 0" },
	{ GW | DNS, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 853, 0,
	  "H 198.51.100.53 853 < 0.0.0.0 1000" },
	{ GW | DNS | OUT, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "H 198.51.100.53 53 < 203.0.113.7 1000" },
	{ GW | DNS, UDP, G, "2001:db8::2", 1000, "2001:db8::53", 53, 0,
	  "H 2001:db8:9::53 53 < :: 1000" },
	{ GW | DNSLO, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "H 127.0.0.53 53 < 0.0.0.0 1000" },
	{ DNSLO | OUT, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 53, 0,
	  "H ::1 53 < :: 0" },
	{ DNSLO | OUT, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 853, 0,
	  "H 127.0.0.53 853 < 0.0.0.0 1000" },
	{ GW | DNS, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 53, 0,
	  "H 2001:db8:9::53 53 < :: 0" },
	{ GW | DNS, UDP, G, "2001:db8::2", 1000, "2001:db8::53", 853, 0,
	  "H 2001:db8:9::53 853 < :: 1000" },
	{ GW | DNSLO, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 853, 0,
	  "H ::1 853 < :: 0" },
	{ DNS | OUT, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 53, 0,
	  "H 2001:db8:9::53 53 < 2001:db8:7::7 0" },
	/* options.md 8.2: the mapped address stands for the resolver, for its
	 * ports (rule 1 before rule 2), and for loopback with all others */
	{ GW | DNSMAP, UDP, G, "192.0.2.2", 1000, "192.0.2.1", 53, 0,
	  "H 127.0.0.53 53 < 0.0.0.0 1000" },
	{ GW | DNSMAP, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 853, 0,
	  "H 127.0.0.53 853 < 0.0.0.0 0" },
	{ GW | DNSMAP, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ GW | DNSMAP, ICMP, G, "192.0.2.2", 53, "192.0.2.1", 53, 0,
	  "H 127.0.0.1 53 < 0.0.0.0 53" },
	{ GW | DNSMAP, TCP, G, "fe80::2", 1000, "fe80::1", 53, 0,
	  "H 2001:db8:9::53 53 < :: 0" },
	{ GW | DNSMAP, UDP, G, "fe80::2", 1000, "fe80::1", 54, 0,
	  "H ::1 54 < :: 1000" },
	/* nobody behind it: a destination like others */
	{ GW | NODNS, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "H 192.0.2.53 53 < 0.0.0.0 1000" },
	{ GW | NODNS, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 53, 0,
	  "H 2001:db8::53 53 < :: 0" },
	/* 9.2: other ports are not mapped by it, echo neither */
	{ GW | DNS, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 54, 0,
	  "H 192.0.2.53 54 < 0.0.0.0 1000" },
	{ GW | DNSLO, TCP, G, "192.0.2.2", 1000, "192.0.2.53", 80, 0,
	  "H 192.0.2.53 80 < 0.0.0.0 0" },
	{ GW | DNSLO, ICMP, G, "192.0.2.2", 53, "192.0.2.53", 53, 0,
	  "H 192.0.2.53 53 < 0.0.0.0 53" },
	{ GW | DNSLO, TCP, G, "2001:db8::2", 1000, "2001:db8::53", 5353, 0,
	  "H 2001:db8::53 5353 < :: 0" },
	{ GW | DNSLO, ICMP6, G, "2001:db8::2", 853, "2001:db8::53", 853, 0,
	  "H 2001:db8::53 853 < :: 853" },
	/* other destinations are none of its business */
	{ GW | DNS, UDP, G, "192.0.2.2", 1000, "8.8.8.8", 53, 0,
	  "H 8.8.8.8 53 < 0.0.0.0 1000" },
	{ GW | DNS, UDP, G, "192.0.2.2", 1000, "192.0.2.1", 53, 0,
	  "H 127.0.0.1 53 < 0.0.0.0 1000" },
	/* 9.3: the resolver that has the mapped address */
	{ GW | DNSGW, UDP, G, "192.0.2.2", 1000, "192.0.2.1", 53, 0,
	  "H 192.0.2.1 53 < 0.0.0.0 1000" },
	{ GW | DNSGW, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 853, 0,
	  "H 192.0.2.1 853 < 0.0.0.0 0" },
	{ GW | DNSGW, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ GW | DNSGW, UDP, G, "fe80::2", 1000, "fe80::1", 53, 0,
	  "H fe80::1 53 < :: 1000" },
	{ GW | DNSGW, TCP, G, "fe80::2", 1000, "fe80::1", 853, 0,
	  "H fe80::1 853 < :: 0" },
	{ GW | DNSGW, UDP, G, "fe80::2", 1000, "fe80::1", 123, 0,
	  "H ::1 123 < :: 1000" },
	{ GW | DNSGW | OUT, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 53, 0,
	  "H 192.0.2.1 53 < 203.0.113.7 0" },

	/* 2.8: loopback, unspecified on the link; other impossible sources */
	{ GW, TCP, G, "192.0.2.2", 1000, "127.0.0.1", 80, 0, "drop" },
	{ GW, UDP, G, "192.0.2.2", 1000, "127.9.9.9", 80, 0, "drop" },
	{ GW, ICMP, G, "192.0.2.2", 1, "127.0.0.1", 1, 0, "drop" },
	{ GW, TCP, G, "2001:db8::2", 1000, "::1", 80, 0, "drop" },
	{ GW, ICMP6, G, "2001:db8::2", 1, "::1", 1, 0, "drop" },
	{ GW, TCP, G, "192.0.2.2", 1000, "0.0.0.0", 80, 0, "drop" },
	{ GW, UDP, G, "192.0.2.2", 1000, "0.0.0.1", 80, 0, "drop" },
	{ GW, UDP, G, "2001:db8::2", 1000, "::", 80, 0, "drop" },
	{ GW, TCP, G, "2001:db8::2", 1000, "::127.0.0.1", 80, 0, "drop" },
	{ GW, TCP, G, "2001:db8::2", 1000, "::ffff:127.0.0.1", 80, 0,
	  "drop" },
	{ GW, TCP, G, "2001:db8::2", 1000, "::ffff:0.0.0.0", 80, 0, "drop" },
	{ GW, TCP, G, "2001:db8::2", 1000, "::ffff:8.8.8.8", 80, 0, "drop" },
	{ GW, TCP, G, "192.0.2.2", 1000, "2001:db8:9::1", 80, 0, "drop" },
	{ GW, TCP, G, "127.0.0.1", 1000, "198.51.100.1", 80, 0, "drop" },
	{ GW, UDP, G, "::1", 1000, "2001:db8:9::1", 80, 0, "drop" },
	{ GW, UDP, G, "0.0.0.0", 1000, "198.51.100.1", 80, 0, "drop" },
	{ GW, UDP, G, "::", 1000, "2001:db8:9::1", 80, 0, "drop" },
	{ GW, UDP, G, "224.0.0.1", 1000, "198.51.100.1", 80, 0, "drop" },
	{ GW, UDP, G, "255.255.255.255", 1000, "198.51.100.1", 80, 0,
	  "drop" },
	{ GW, UDP, G, "ff02::1", 1000, "2001:db8:9::1", 80, 0, "drop" },
	{ GW, UDP, G, "::192.0.2.1", 1000, "2001:db8:9::1", 80, 0, "drop" },

	/* 12.11: ports and unicast; 8.6: UDP to groups goes out */
	{ GW, TCP, G, "192.0.2.2", 0, "198.51.100.1", 80, 0, "drop" },
	{ GW, TCP, G, "192.0.2.2", 1000, "198.51.100.1", 0, 0, "drop" },
	{ GW, UDP, G, "192.0.2.2", 0, "198.51.100.1", 80, 0, "drop" },
	{ GW, TCP, G, "192.0.2.2", 1000, "224.0.0.251", 80, 0, "drop" },
	{ GW, TCP, G, "192.0.2.2", 1000, "255.255.255.255", 80, 0, "drop" },
	{ GW, TCP, G, "fe80::2", 1000, "ff02::fb", 80, 0, "drop" },
	{ GW, UDP, G, "192.0.2.2", 5353, "224.0.0.251", 5353, 0,
	  "H 224.0.0.251 5353 < 0.0.0.0 5353" },
	{ GW, UDP, G, "192.0.2.2", 1000, "255.255.255.255", 9, 0,
	  "H 255.255.255.255 9 < 0.0.0.0 1000" },
	{ GW, UDP, G, "fe80::2", 5353, "ff02::fb", 5353, 0,
	  "H ff02::fb 5353 < :: 5353" },
	{ GW, ICMP, G, "192.0.2.2", 5, "224.0.0.1", 5, 0, "drop" },
	{ GW, ICMP6, G, "fe80::2", 5, "ff02::1", 5, 0, "drop" },
	{ GW, ICMP6, G, "192.0.2.2", 5, "198.51.100.1", 5, 0, "drop" },
	{ GW, ICMP, G, "fe80::2", 5, "fe80::99", 5, 0, "drop" },

	/* 2.12: a family that is off; --splice-only */
	{ GW | ONLY4, TCP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "drop" },
	{ GW | ONLY4, ICMP6, G, "fe80::2", 5, "fe80::1", 5, 0, "drop" },
	{ GW | ONLY6, UDP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "drop" },
	{ GW | DNS | ONLY6, UDP, G, "192.0.2.2", 1000, "192.0.2.53", 53, 0,
	  "drop" },
	{ GW | ONLY6, UDP, G, "2001:db8::2", 1000, "2001:db8:9::1", 80, 0,
	  "H 2001:db8:9::1 80 < :: 1000" },
	{ GW | NOTAP, TCP, G, "192.0.2.2", 1000, "198.51.100.1", 80, 0,
	  "drop" },

	/* 10.2 rule 5, 10.3: inbound, client unchanged */
	{ GW, TCP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 198.51.100.9 4000" },
	{ GW, UDP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 8080,
	  "G 192.0.2.2 8080 < 198.51.100.9 4000" },
	{ GW | SPLICE, TCP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 8080,
	  "G 192.0.2.2 8080 < 198.51.100.9 4000" },
	{ GW | SEEN, TCP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.77 80 < 198.51.100.9 4000" },
	{ GW, TCP, H, "2001:db8:9::9", 4000, "2001:db8::2", 80, 0,
	  "G 2001:db8::2 80 < 2001:db8:9::9 4000" },
	{ GW | SEEN, TCP, H, "2001:db8:9::9", 4000, "2001:db8::2", 80, 0,
	  "G 2001:db8::77 80 < 2001:db8:9::9 4000" },
	{ GW, TCP, H, "fe80::99", 4000, "fe80::5", 80, 0,
	  "G fe80::2 80 < fe80::99 4000" },
	/* before it shows a link-local address, the assigned one */
	{ GW | FRESH, TCP, H, "fe80::99", 4000, "fe80::5", 80, 0,
	  "G 2001:db8::2 80 < fe80::99 4000" },
	{ GW | FRESH, UDP, H, "::1", 4000, "::1", 80, 0,
	  "G 2001:db8::2 80 < fe80::1 4000" },
	{ GW | FRESH | LOCAL6, TCP, H, "fe80::99", 4000, "fe80::5", 80, 0,
	  "refuse" },
	{ GW | LOCAL6, TCP, H, "2001:db8:9::9", 4000, "2001:db8::2", 80, 0,
	  "refuse" },

	/* 10.2 rule 1: loopback proper, the example of 10.3 */
	{ GW, TCP, H, "127.0.0.1", 4000, "127.0.0.10", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ GW, UDP, H, "::1", 4000, "::1", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ GW, UDP, H, "127.0.0.1", 4000, "127.0.0.10", 80, 8080,
	  "G 192.0.2.2 8080 < 192.0.2.1 4000" },
	{ GW, TCP, H, "::1", 4000, "::1", 80, 81,
	  "G fe80::2 81 < fe80::1 4000" },
	{ GW | SEEN, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.77 80 < 192.0.2.1 4000" },
	{ MHL, TCP, H, "127.0.0.1", 4000, "127.0.0.10", 80, 0,
	  "G 192.0.2.2 80 < 203.0.113.1 4000" },
	{ MHL, UDP, H, "::1", 4000, "::1", 80, 0,
	  "G 2001:db8::2 80 < 2001:db8::7 4000" },
	{ MHL | NOGW, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.2 80 < 203.0.113.1 4000" },
	{ MHL, TCP, H, "127.0.0.2", 4000, "127.0.0.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ MHL | MGL, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.2 80 < 203.0.113.1 4000" },
	/* rule 2: the guest's own address, as a client on the host */
	{ GW | MGA, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 169.254.1.2 4000" },
	{ GW | MGA, TCP, H, "2001:db8::2", 4000, "2001:db8::2", 80, 0,
	  "G 2001:db8::2 80 < 2001:db8::a 4000" },
	{ MGA, UDP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 8080,
	  "G 192.0.2.2 8080 < 169.254.1.2 4000" },
	{ MGA | SEEN, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.77 80 < 169.254.1.2 4000" },
	{ MGA | NOGW, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 169.254.1.2 4000" },
	{ GW | MGA | SPLICE, UDP, H, "2001:db8::2", 4000, "2001:db8::2", 80,
	  0, "G 2001:db8::2 80 < 2001:db8::a 4000" },
	/* rule 3 */
	{ GW, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ GW | SEEN, TCP, H, "192.0.2.77", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.77 80 < 192.0.2.1 4000" },
	{ GW | MGA | SEEN, TCP, H, "192.0.2.77", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.77 80 < 192.0.2.1 4000" },
	{ GW, TCP, H, "127.0.0.2", 4000, "127.0.0.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ GW, UDP, H, "0.0.0.0", 4000, "127.0.0.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ GW, TCP, H, "2001:db8::2", 4000, "2001:db8::2", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ GW, TCP, H, "fe80::2", 4000, "fe80::2", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ GW | SEEN, UDP, H, "2001:db8::77", 4000, "2001:db8::2", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ GW, UDP, H, "::", 4000, "::1", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	/* ours is not the guest's: unchanged */
	{ GW, TCP, H, "192.0.2.1", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	/* not mapped: rule 1 does not apply, rule 3 does */
	{ 0, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ 0, UDP, H, "::1", 4000, "::1", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ 0, UDP, H, "127.0.0.1", 4000, "127.0.0.10", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ 0, TCP, H, "::1", 4000, "::1", 80, 0,
	  "G fe80::2 80 < fe80::1 4000" },
	{ MGA, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	/* rule 4: no gateway */
	{ NOGW, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0, "refuse" },
	{ NOGW, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0, "refuse" },
	{ NOGW, UDP, H, "127.0.0.9", 4000, "127.0.0.1", 80, 0, "refuse" },
	{ NOGW, UDP, H, "0.0.0.0", 4000, "127.0.0.1", 80, 0, "refuse" },
	{ NOGW | SEEN, TCP, H, "192.0.2.77", 4000, "192.0.2.2", 80, 0,
	  "refuse" },
	/* ... but over IPv6 we always have a link-local address */
	{ NOGW, TCP, H, "::1", 4000, "::1", 80, 0,
	  "G fe80::2 80 < fe80::9 4000" },
	{ NOGW, UDP, H, "2001:db8::2", 4000, "2001:db8::2", 80, 0,
	  "G fe80::2 80 < fe80::9 4000" },
	{ NOGW, TCP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 198.51.100.9 4000" },

	/* inbound that makes no sense */
	{ GW, ICMP, H, "198.51.100.9", 5, "192.0.2.2", 5, 0, "drop" },
	{ GW, UDP, H, "198.51.100.9", 0, "192.0.2.2", 80, 0, "drop" },
	{ GW, UDP, H, "224.0.0.1", 4000, "192.0.2.2", 80, 0, "drop" },
	{ GW, UDP, H, "255.255.255.255", 4000, "192.0.2.2", 80, 0, "drop" },
	{ GW, UDP, H, "::192.0.2.1", 4000, "2001:db8::2", 80, 0, "drop" },
	{ GW | ONLY4, TCP, H, "2001:db8:9::9", 4000, "2001:db8::2", 80, 0,
	  "refuse" },
	{ GW | NOTAP, TCP, H, "198.51.100.9", 4000, "192.0.2.2", 80, 0,
	  "refuse" },

	/* 7.8: no gateway, so no mapping: all goes where it is sent */
	{ NOGW, TCP, G, "192.0.2.2", 1000, "192.0.2.1", 80, 0,
	  "H 192.0.2.1 80 < 0.0.0.0 0" },
	{ NOGW, UDP, G, "fe80::2", 1000, "fe80::9", 80, 0,
	  "H fe80::9 80 < :: 1000" },

	/* 11: local mode, where mappings work all the same */
	{ LOCAL, TCP, G, "169.254.2.1", 1000, "169.254.2.2", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ LOCAL, UDP, G, "169.254.2.1", 1000, "169.254.2.2", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 1000" },
	{ LOCAL, TCP, G, "fe80::5", 1000, "fe80::1", 80, 0,
	  "H ::1 80 < :: 0" },
	{ LOCAL, UDP, G, "fe80::5", 1000, "fe80::1", 80, 0,
	  "H ::1 80 < :: 1000" },
	{ LOCAL, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 169.254.2.1 80 < 169.254.2.2 4000" },
	{ LOCAL, TCP, H, "::1", 4000, "::1", 80, 0, "refuse" },
	{ LOCALLL, TCP, H, "::1", 4000, "::1", 80, 0,
	  "G fe80::5 80 < fe80::1 4000" },
	{ LOCALLL | SPLICE, UDP, H, "::1", 4000, "::1", 80, 0,
	  "N 169.254.2.1 80 < 0.0.0.0 4000" },

	/* 10.5: loopback bypass */
	{ GW | SPLICE, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 8080,
	  "N 192.0.2.2 8080 < 0.0.0.0 0" },
	{ GW | SPLICE, UDP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 4000" },
	{ GW | SPLICE, TCP, H, "127.3.2.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	{ GW | SPLICE | SEEN, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.77 80 < 0.0.0.0 0" },
	{ GW | SPLICE, TCP, H, "::1", 4000, "::1", 80, 0,
	  "N 2001:db8::2 80 < :: 0" },
	{ SPLICE, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	{ SPLICE | NOGW, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	{ SPLICE | NOTAP, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	{ SPLICE | OUT, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	/* no address of that family inside: the other one */
	{ GW | SPLICE | LOCAL6, TCP, H, "::1", 4000, "::1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 0" },
	{ GW | SPLICE | ONLY6, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "N 2001:db8::2 80 < :: 0" },
	{ GW | ONLY6, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "refuse" },
	{ GW | SPLICE | ONLY4, UDP, H, "::1", 4000, "::1", 80, 0,
	  "N 192.0.2.2 80 < 0.0.0.0 4000" },
	{ GW | SPLICE | LO2LO, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 81,
	  "N 127.0.0.1 81 < 0.0.0.0 0" },
	{ GW | SPLICE | LO2LO, TCP, H, "127.3.2.1", 4000, "127.3.2.1", 80, 0,
	  "N 127.0.0.1 80 < 0.0.0.0 0" },
	{ GW | SPLICE | LO2LO, UDP, H, "::1", 4000, "::1", 80, 0,
	  "N ::1 80 < :: 4000" },
	/* without --host-lo-to-ns-lo and splice: never the guest's loopback */
	{ GW | LO2LO, TCP, H, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	/* a client of another address of the host is no loopback client */
	{ GW | SPLICE, TCP, H, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "G 192.0.2.2 80 < 192.0.2.1 4000" },
	{ GW | SPLICE | LO2LO, TCP, H, "198.51.100.9", 4000, "127.0.0.1", 80,
	  0, "G 192.0.2.2 80 < 198.51.100.9 4000" },
	{ GW | SPLICE, ICMP, H, "127.0.0.1", 5, "127.0.0.1", 5, 0, "drop" },

	/* 10.5: from the namespace's loopback to the host's */
	{ SPLICE, TCP, N, "127.0.0.1", 4000, "127.0.0.1", 80, 8080,
	  "H 127.0.0.1 8080 < 0.0.0.0 0" },
	{ SPLICE, UDP, N, "127.0.0.1", 4000, "127.0.0.1", 80, 8080,
	  "H 127.0.0.1 8080 < 0.0.0.0 4000" },
	{ SPLICE, TCP, N, "127.0.0.1", 4000, "127.0.0.53", 53, 0,
	  "H 127.0.0.53 53 < 0.0.0.0 0" },
	{ SPLICE, TCP, N, "::1", 4000, "::1", 80, 0, "H ::1 80 < :: 0" },
	/* by an address that it shares with the host: that one, both ends */
	{ SPLICE, TCP, N, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "H 192.0.2.2 80 < 192.0.2.2 0" },
	{ SPLICE | OUT, TCP, N, "192.0.2.2", 4000, "192.0.2.2", 80, 8080,
	  "H 192.0.2.2 8080 < 192.0.2.2 0" },
	{ SPLICE, UDP, N, "192.0.2.2", 4000, "192.0.2.2", 80, 0,
	  "H 192.0.2.2 80 < 192.0.2.2 4000" },
	{ SPLICE, TCP, N, "2001:db8::2", 4000, "2001:db8::2", 80, 0,
	  "H 2001:db8::2 80 < 2001:db8::2 0" },
	{ SPLICE, UDP, N, "::1", 4000, "2001:db8::2", 80, 0,
	  "H 2001:db8::2 80 < 2001:db8::2 4000" },
	{ SPLICE | NOTAP, TCP, N, "127.0.0.1", 4000, "192.0.2.2", 80, 0,
	  "H 192.0.2.2 80 < 192.0.2.2 0" },
	/* for processes of the namespace only, whatever they listen at */
	{ SPLICE, TCP, N, "192.0.2.2", 4000, "127.0.0.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ SPLICE, UDP, N, "2001:db8::2", 4000, "::1", 80, 0,
	  "H ::1 80 < :: 4000" },
	{ SPLICE, TCP, N, "192.0.2.2", 4000, "192.0.2.3", 80, 0,
	  "H 192.0.2.3 80 < 192.0.2.3 0" },
	{ SPLICE, TCP, N, "192.0.2.3", 4000, "192.0.2.2", 80, 0, "refuse" },
	{ SPLICE, TCP, N, "fe80::77", 4000, "2001:db8::2", 80, 0, "refuse" },
	{ SPLICE, TCP, N, "198.51.100.1", 4000, "192.0.2.2", 80, 0, "refuse" },
	{ SPLICE, TCP, N, "192.0.2.1", 4000, "192.0.2.2", 80, 0, "refuse" },
	{ SPLICE, UDP, N, "fe80::1", 4000, "2001:db8::2", 80, 0, "refuse" },
	{ SPLICE, UDP, N, "198.51.100.1", 4000, "127.0.0.1", 80, 0, "refuse" },
	{ SPLICE, UDP, N, "198.51.100.1", 4000, "0.0.0.0", 80, 0, "refuse" },
	{ SPLICE, TCP, N, "0.0.0.0", 4000, "0.0.0.0", 80, 0, "refuse" },
	/* one's own link-local address is on no link of the host's */
	{ SPLICE, TCP, N, "fe80::2", 4000, "fe80::2", 80, 0, "refuse" },
	{ SPLICE, UDP, N, "127.0.0.1", 4000, "127.255.255.255", 80, 0,
	  "H 127.255.255.255 80 < 0.0.0.0 4000" },
	{ SPLICE, UDP, N, "192.0.2.2", 4000, "255.255.255.255", 80, 0,
	  "refuse" },
	{ SPLICE, UDP, N, "::1", 4000, "::", 80, 0, "H ::1 80 < :: 4000" },
	{ OUT, TCP, N, "127.0.0.1", 4000, "127.0.0.1", 80, 0,
	  "H 127.0.0.1 80 < 0.0.0.0 0" },
	{ SPLICE, ICMP, N, "127.0.0.1", 5, "127.0.0.1", 5, 0, "drop" },
	{ SPLICE, UDP, N, "127.0.0.1", 0, "127.0.0.1", 80, 0, "drop" },
	{ SPLICE, UDP, N, "224.0.0.1", 9, "127.0.0.1", 80, 0, "refuse" },

	{ GW, TCP, PIF_NONE, "192.0.2.2", 1, "198.51.100.1", 80, 0, "drop" },
};

static union addr A(const char *s)
{
	union addr a;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static void saw(const char *s)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	union addr a = A(s);

	guest_saw(mac, &a);
}

static void set_guest(unsigned conf)
{
	struct guest g = { .mtu = 1500 };
	struct guest_net *v4 = &g.net[GUEST_V4], *v6 = &g.net[GUEST_V6];

	v4->on = !(conf & ONLY6);
	v6->on = !(conf & ONLY4);
	v4->addr = A(conf & LOGUEST ? "127.0.0.5" : "192.0.2.2");
	if (!(conf & LOCAL6))
		v6->addr = A("2001:db8::2");
	if (conf & (LOCAL | LOCALLL)) {
		v4->addr = A("169.254.2.1");
		v6->addr = ADDR_NONE;
		v4->gw = v4->our = A("169.254.2.2");
		v6->gw = v6->our = A("fe80::1");
	} else if (!(conf & NOGW)) {
		v4->gw = v4->our = A("192.0.2.1");
		v6->gw = v6->our = A("fe80::1");
	} else {
		v6->our = A("fe80::9");
	}
	guest_init(&g);
	if (conf & LOCALLL)
		saw("fe80::5");
	else if (!(conf & (FRESH | LOCAL)))
		saw("fe80::2");
	if (conf & SEEN) {
		saw("192.0.2.77");
		saw("2001:db8::77");
	}
}

static void set_fwd(unsigned conf)
{
	static struct fwd_conf c;
	struct fwd_net *v4 = &c.net[GUEST_V4], *v6 = &c.net[GUEST_V6];

	memset(&c, 0, sizeof(c));
	if (conf & GW) {
		v4->map_host_loopback = A("192.0.2.1");
		v6->map_host_loopback = A("fe80::1");
	}
	if (conf & (DNS | DNSLO)) {
		v4->dns_forward = A("192.0.2.53");
		v4->dns_host = A(conf & DNS ? "198.51.100.53" : "127.0.0.53");
		v6->dns_forward = A("2001:db8::53");
		v6->dns_host = A(conf & DNS ? "2001:db8:9::53" : "::1");
	}
	if (conf & (LOCAL | LOCALLL)) {
		v4->map_host_loopback = A("169.254.2.2");
		v6->map_host_loopback = A("fe80::1");
	}
	if (conf & MHL) {
		v4->map_host_loopback = A("203.0.113.1");
		v6->map_host_loopback = A("2001:db8::7");
	}
	if (conf & NODNS) {
		v4->dns_forward = A("192.0.2.53");
		v6->dns_forward = A("2001:db8::53");
	}
	if (conf & DNSMAP) {
		v4->dns_forward = A("192.0.2.1");
		v4->dns_host = A("127.0.0.53");
		v6->dns_forward = A("fe80::1");
		v6->dns_host = A("2001:db8:9::53");
	}
	if (conf & DNSGW) {
		v4->dns_host = A("192.0.2.1");
		v6->dns_host = A("fe80::1");
	}
	if (conf & MGA) {
		v4->map_guest_addr = A("169.254.1.2");
		v6->map_guest_addr = A("2001:db8::a");
	}
	if (conf & MGL) {
		v4->map_guest_addr = A("203.0.113.1");
		v6->map_guest_addr = A("2001:db8::7");
	}
	if (conf & OUT) {
		v4->outbound = A("203.0.113.7");
		v6->outbound = A("2001:db8:7::7");
	}
	c.splice = conf & SPLICE;
	c.host_lo_to_ns_lo = conf & LO2LO;
	c.no_tap = conf & NOTAP;
	fwd_init(&c);
}

static void describe(enum fwd_verdict v, const struct side *t, char *buf,
		     size_t size)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	if (v != FWD_OK)
		snprintf(buf, size, "%s", v == FWD_DROP ? "drop" : "refuse");
	else
		snprintf(buf, size, "%c %s %u < %s %u", "?GHN"[t->pif & 3],
			 addr_str(&t->peer, a), t->peer_port,
			 addr_str(&t->ours, b), t->ours_port);
}

static void test_rows(void)
{
	struct side ini, tgt;
	enum fwd_verdict v;
	const struct row *r;
	char got[256];

	group("documented behaviour");
	for (r = rows; r < rows + sizeof(rows) / sizeof(*rows); r++) {
		set_guest(r->conf);
		set_fwd(r->conf);
		memset(&ini, 0, sizeof(ini));
		ini.pif = r->pif;
		ini.peer = A(r->src);
		ini.peer_port = (in_port_t)r->sport;
		ini.ours = A(r->dst);
		ini.ours_port = (in_port_t)r->dport;

		memset(&tgt, 0xee, sizeof(tgt));
		v = fwd_target(r->proto, &ini, r->target ?
			       (in_port_t)r->target : ini.ours_port, &tgt);
		describe(v, &tgt, got, sizeof(got));
		if (!EXPECT(!strcmp(got, r->want)))
			printf("# row %d: wanted '%s', got '%s'\n",
			       (int)(r - rows), r->want, got);
		if (v == FWD_OK)
			EXPECT(!tgt.pad[0] && !tgt.pad[1] && !tgt.pad[2]);
	}
}

/* With nothing mapped, whatever the guest sends must stay off the host's
 * loopback: hostile bits around every special address */
static void test_guard(void)
{
	static const char *const seeds[] = {
		"127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1",
		"192.0.2.1", "192.0.2.2", "fe80::1", "2001:db8::2",
		"169.254.1.2", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
		"255.255.255.255", "224.0.0.1", "ff02::1",
	};
	static const uint8_t protos[] = { TCP, UDP, ICMP, ICMP6 };
	static const in_port_t ports[] = { 53, 80, 853, 0 };
	const unsigned nseeds = sizeof(seeds) / sizeof(*seeds);
	unsigned i, passed = 0;
	struct side ini, tgt;
	uint8_t proto;
	in_port_t port;

	group("no way to the host's loopback when nothing is mapped");
	srand(1);
	set_guest(SPLICE | MGA);
	set_fwd(SPLICE | LO2LO | DNS | MGA);
	for (i = 0; i < 500000; i++) {
		memset(&ini, 0, sizeof(ini));
		ini.pif = G;
		ini.peer = A(seeds[(unsigned)rand() % nseeds]);
		ini.ours = A(seeds[(unsigned)rand() % nseeds]);
		if (rand() & 1)
			ini.ours.b[rand() & 15] ^= (uint8_t)(1 << (rand() & 7));
		if (rand() & 1)
			ini.peer.b[rand() & 15] ^= (uint8_t)(1 << (rand() & 7));
		ini.peer_port = 1000;
		port = ini.ours_port = ports[rand() & 3];
		proto = protos[rand() & 3];
		if (fwd_target(proto, &ini, port, &tgt) != FWD_OK)
			continue;
		passed++;
		EXPECT_EQ(tgt.pif, H);
		EXPECT(addr_class(&tgt.peer) != ADDR_LOOPBACK);
		EXPECT(addr_class(&tgt.peer) != ADDR_UNSPEC);
		EXPECT(addr_class(&tgt.peer) != ADDR_V4COMPAT);
		EXPECT_EQ(addr_is4(&tgt.peer), addr_is4(&ini.peer));
		EXPECT_EQ(addr_is4(&tgt.peer), addr_is4(&tgt.ours));
		EXPECT(proto == UDP || addr_is_unicast(&tgt.peer));
	}
	EXPECT(passed > 10000);
}

/* A port forwarded both ways between the loopbacks must not feed itself */
static void test_round(void)
{
	static struct fwd_conf c;
	struct side ini = { .peer = A("127.0.0.1"), .peer_port = 4000,
			    .ours = A("127.0.0.1"), .ours_port = 80,
			    .pif = PIF_HOST };
	struct fwd_rule *in = &c.rules[FWD_TCP_IN].rule[0];
	struct fwd_rule *ns = &c.rules[FWD_TCP_NS].rule[0];
	struct side tgt;

	group("ports forwarded both ways");
	c.splice = c.host_lo_to_ns_lo = true;
	c.rules[FWD_TCP_IN].n = c.rules[FWD_TCP_NS].n = 1;
	*in = (struct fwd_rule){ .first = 80, .last = 89, .target = 180 };
	*ns = (struct fwd_rule){ .first = 180, .last = 189, .target = 80 };
	fwd_init(&c);
	EXPECT_EQ(fwd_target(TCP, &ini, 180, &tgt), FWD_REFUSE);
	EXPECT_EQ(fwd_target(TCP, &ini, 189, &tgt), FWD_REFUSE);
	EXPECT_EQ(fwd_target(TCP, &ini, 190, &tgt), FWD_OK);
	EXPECT_EQ(fwd_target(UDP, &ini, 180, &tgt), FWD_OK);

	ns->target = 90;		/* leads to somebody else */
	fwd_init(&c);
	EXPECT_EQ(fwd_target(TCP, &ini, 180, &tgt), FWD_OK);
	ns->target = 80;
	in->addr = A("192.0.2.7");	/* not on the host's loopback */
	fwd_init(&c);
	EXPECT_EQ(fwd_target(TCP, &ini, 180, &tgt), FWD_OK);
	in->addr = A("127.0.0.1");
	fwd_init(&c);
	EXPECT_EQ(fwd_target(TCP, &ini, 180, &tgt), FWD_REFUSE);
}

/* Somebody who speaks to a group, or answers one */
static void test_seen_as(void)
{
	static const struct {
		unsigned conf;
		const char *src, *as;	/* NULL: nobody */
	} t[] = {
		{ GW, "198.51.100.9", "198.51.100.9" },
		{ GW, "192.0.2.2", "192.0.2.1" },
		{ GW | MGA, "192.0.2.2", "169.254.1.2" },
		{ GW, "127.0.0.1", "192.0.2.1" },
		{ GW | NOGW, "192.0.2.2", NULL },
		{ GW, "224.0.0.251", NULL },
		{ GW, "255.255.255.255", NULL },
		{ GW, "0.0.0.0", NULL },
		{ GW, "2001:db8:9::1", "2001:db8:9::1" },
		{ GW, "fe80::77", "fe80::77" },
		{ GW, "fe80::2", "fe80::1" },
		{ GW, "2001:db8::2", "fe80::1" },
		{ GW | MGA, "2001:db8::2", "2001:db8::a" },
		{ GW, "ff02::fb", NULL },
	};
	unsigned i;

	group("as whom somebody is seen");
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		union addr src = A(t[i].src), got;

		set_guest(t[i].conf);
		set_fwd(t[i].conf);
		got = fwd_seen_as(&src);
		if (t[i].as)
			EXPECT(addr_eq(&got, &(union addr){
				       .in6 = A(t[i].as).in6 }));
		else
			EXPECT(!addr_is_unicast(&got));
	}
}

static void test_facts(void)
{
	static struct fwd_conf c;

	group("tables");
	c.rules[FWD_UDP_NS].n = 3;
	fwd_init(&c);
	EXPECT_EQ(fwd_rules(FWD_UDP_NS)->n, 3);
	EXPECT_EQ(fwd_rules(FWD_TCP_IN)->n, 0);
}

int main(void)
{
	test_rows();
	test_guard();
	test_round();
	test_seen_as();
	test_facts();
	return done();
}
