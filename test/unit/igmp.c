// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of igmp.c and mcast.c: what reports of the guest do, good and bad
 * ones, what is asked and when, how long groups last, and what of them reaches
 * the guest. Frames by the fake port, the clock by hand, sockets on a loopback
 * device of our own that has an address which is not loopback's.
 */
#include "igmp.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "csum.h"
#include "ev.h"
#include "fake_tap.h"
#include "flow.h"
#include "fwd.h"
#include "guest.h"
#include "mcast.h"
#include "siphash.h"
#include "sock.h"
#include "tap.h"
#include "udp.h"
#include "util.h"

#define HOST	"198.51.100.7"

static struct fwd_conf conf;
static struct guest facts = {
	.net = { { .on = true, .prefix = 24 }, { .on = true, .prefix = 64 } },
	.our_mac = { 2, 0, 0, 0, 0, 1 }, .mac = { 2, 0, 0, 0, 0, 2 },
	.mtu = 1500, .mac_known = true, .ndp = true,
};
static uint64_t now;
static unsigned asked;		/* TM_IGMP that came */

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static void set_address(const char *text)
{
	struct ifreq ifr = { .ifr_name = "lo:1" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	union addr a = A(text);
	union sockaddr_any sa;

	addr_to_sa(&sa, AF_INET, &a, 0, 0);
	ifr.ifr_addr = sa.sa;
	ioctl(fd, SIOCSIFADDR, &ifr);
	close(fd);
}

static bool own_net(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	set_address(HOST);
	return true;
}

/* turn() - What the loop does, @us later */
static void turn(uint64_t us)
{
	struct ev_event ev[16];
	struct timer *t;
	int i, n;

	now += us;
	clock_set(now);
	n = ev_wait(ev, 16, 0);
	for (i = 0; i < n; i++) {
		if (ev[i].ref.type == EV_MCAST)
			mcast_ready(ev[i].ref, ev[i].mask);
		else if (ev[i].ref.type == EV_UDP)
			udp_sock_ready(ev[i].ref, ev[i].mask);
	}
	while ((t = timer_pop())) {
		if (t->kind == TM_MCAST) {
			mcast_timer(t);
		} else if (t->kind == TM_IGMP) {
			asked++;
			igmp_timer(t);
		} else {
			udp_timer(t);
		}
	}
	tap_flush();
	flow_reap();
}

static unsigned sockets(void)
{
	unsigned n;

	mcast_count(&n);
	return n;
}

static unsigned groups(void)
{
	unsigned n;

	return mcast_count(&n);
}

static void fresh(void)
{
	clock_set(now += SEC);
	mcast_init();
	timer_reset();
	igmp_init();
	fake_reset();
	tap_attach(&fake_tap_ops);
}

/* ------------------------------------------------------------ what guests say */

static uint8_t frame[2048];

/* say_as() - The guest sends @msg */
static void say_as(const char *src, const char *dst, uint8_t ttl,
		   const void *msg, size_t len)
{
	struct hdr_ip ip = {
		.smac = facts.mac, .dmac = facts.our_mac,
		.src = A(src), .dst = A(dst), .ttl = ttl,
	};
	struct iovec iov = { frame, 0 };
	struct pkt p;

	ip.proto = addr_is4(&ip.dst) ? IPPROTO_IGMP : IPPROTO_ICMPV6;
	iov.iov_len = hdr_put_ip(frame, &ip, len);
	memcpy(frame + iov.iov_len, msg, len);
	iov.iov_len += len;
	if (hdr_parse(&p, &iov, iov.iov_len) != HDR_OK)
		return;
	if (p.proto == IPPROTO_IGMP)
		igmp_input(&p);
	else
		EXPECT(mld_input(&p));
}

static void say(const void *msg, size_t len, bool v6)
{
	if (v6)
		say_as("fe80::2", "ff02::16", 1, msg, len);
	else
		say_as("192.0.2.2", "224.0.0.22", 1, msg, len);
}

/* old() - IGMP 1 and 2, MLD 1: one group */
static void old(uint8_t type, const char *group)
{
	uint8_t m[24] = { type };
	union addr a = A(group);
	bool v6 = !addr_is4(&a);

	memcpy(m + (v6 ? 8 : 4), v6 ? a.b : a.b + 12, v6 ? 16 : 4);
	say(m, v6 ? 24 : 8, v6);
}

/* record() - IGMP 3 and MLD 2, with @n sources and @aux words */
static void record(uint8_t kind, const char *group, unsigned n, uint8_t aux)
{
	union addr a = A(group);
	bool v6 = !addr_is4(&a);
	uint8_t m[1024] = { v6 ? 143 : 0x22, [7] = 1 };
	struct writer w;

	wr_init(&w, m, sizeof(m));
	w.len = 8;
	wr_u8(&w, kind);
	wr_u8(&w, aux);
	wr_be16(&w, (uint16_t)n);
	wr_put(&w, v6 ? a.b : a.b + 12, v6 ? 16 : 4);
	wr_zero(&w, n * (v6 ? 16 : 4) + aux * 4U);
	say(m, w.len, v6);
}

/* question() - The next frame asks of @group ("::": of all); its checksums are
 * good, and it goes to the right Ethernet address */
static bool question(const char *group, const char *mac)
{
	static uint8_t f[256];
	size_t len = fake_pop(f, sizeof(f), NULL);
	union addr a = A(group), src, dst;
	bool v4;

	if (!len || memcmp(f, mac, 6))
		return false;
	v4 = f[12] == 8;
	if (v4) {
		return f[14] == 0x46 && f[22] == 1 && f[23] == 2 &&
		       !csum_fold(csum_partial(f + 14, 24, 0)) &&
		       !csum_fold(csum_partial(f + 38, 12, 0)) &&
		       !memcmp(f + 34, "\x94\4\0\0\x11", 5) &&
		       !memcmp(f + 42, a.b + 12, 4) && f[46] == 2 &&
		       f[47] == 125;
	}
	memcpy(&src, f + 22, 16);
	memcpy(&dst, f + 38, 16);
	return f[20] == 0 && f[21] == 1 && f[22] == 0xfe &&
	       !csum_fold(csum_partial(f + 62, 28, csum_pseudo(&src, &dst,
				       IPPROTO_ICMPV6, 28))) &&
	       !memcmp(f + 54, "\x3a\0\5\2\0\0\1\0\x82", 9) &&
	       !memcmp(f + 70, a.b, 16);
}

/* ------------------------------------------------------------ the tests */

struct family {
	const char *service, *plain, *other, *mac;
	uint8_t report, leave;
};

static const struct family fam[2] = {
	{ "224.0.0.251", "239.1.2.3", "239.255.255.250",
	  "\1\0\x5e\x01\2\3", 0x16, 0x17 },
	{ "ff02::fb", "ff05::1:2345", "ff05::c",
	  "\x33\x33\0\1\x23\x45", 131, 132 },
};

static void joins(const struct family *f)
{
	unsigned i;

	fresh();
	group("old reports");
	old(f->report, f->service);
	EXPECT_EQ(groups(), 1);
	EXPECT_EQ(sockets(), 1);
	old(f->report, f->service);
	old(f->report, f->plain);
	old(f->report, f->other);
	EXPECT_EQ(groups(), 3);
	EXPECT_EQ(sockets(), 1 + 0 + 2);	/* mDNS; SSDP, WS-Discovery */
	if (f == fam) {
		old(0x12, "239.9.9.9");
		EXPECT_EQ(groups(), 4);
	}

	group("who leaves is asked for others, and has left if there are none");
	EXPECT_EQ(fake_pending(), 0);
	old(f->leave, f->plain);
	EXPECT(question(f->plain, f->mac));
	old(f->leave, f->plain);
	old(f->leave, f == fam ? "239.8.8.8" : "ff05::8888");
	EXPECT_EQ(fake_pending(), 0);
	i = groups();
	turn(SEC);
	EXPECT_EQ(groups(), i);
	old(f->report, f->plain);
	turn(2 * SEC);
	EXPECT_EQ(groups(), i);
	old(f->leave, f->plain);
	turn(2 * SEC + 2 * MSEC);
	EXPECT_EQ(groups(), i - 1);

	group("forgotten without reports");
	turn((MCAST_LIFE_S - 6) * SEC);
	EXPECT_EQ(groups(), i - 1);
	old(f->report, f->service);
	turn(10 * SEC);
	EXPECT_EQ(groups(), 1);
	turn(MCAST_LIFE_S * SEC);
	EXPECT_EQ(groups(), 0);
	EXPECT_EQ(sockets(), 0);
	EXPECT_EQ(timer_count(), 0);
}

static void new_reports(const struct family *f)
{
	static const struct {
		uint8_t kind, sources;
		bool joins;
	} c[] = {
		{ 2, 0, true }, { 4, 0, true }, { 2, 3, true }, { 4, 3, true },
		{ 1, 1, true }, { 3, 1, true }, { 5, 1, true },
		{ 1, 0, false }, { 3, 0, false }, { 5, 0, false },
		{ 6, 1, false }, { 6, 0, false }, { 0, 1, false },
		{ 7, 1, false },
	};
	unsigned i;

	group("new reports");
	for (i = 0; i < ARRAY_LEN(c); i++) {
		fresh();
		record(c[i].kind, f->service, c[i].sources, (uint8_t)(i % 3));
		EXPECT_EQ(groups(), c[i].joins);
		EXPECT_EQ(fake_pending(), 0);
		record(3, f->service, 0, 0);
		EXPECT_EQ(fake_pending(), c[i].joins);
		turn(2 * SEC + 2 * MSEC);
		EXPECT_EQ(groups(), 0);
	}
	fresh();
	record(4, f->service, 0, 0);
	record(1, f->service, 0, 0);	/* as old sources go: no leave */
	record(6, f->service, 2, 0);
	turn(3 * SEC);
	EXPECT_EQ(groups(), 1);
	EXPECT_EQ(fake_pending(), 0);
}

static void refused(void)
{
	static const char *const g[] = {
		"224.0.0.1", "224.0.0.2", "224.0.0.22", "192.0.2.9",
		"127.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1",
		"ff02::2", "ff02::16", "ff02::1:ff00:2", "ff01::fb", "ff00::9",
		"fe80::1", "::", "::1", "2001:db8::5",
	};
	uint8_t m[24] = { 131 };
	unsigned i;

	group("groups that are none, or none of ours");
	fresh();
	for (i = 0; i < ARRAY_LEN(g); i++) {
		union addr a = A(g[i]);

		old(addr_is4(&a) ? 0x16 : 131, g[i]);
		record(4, g[i], 0, 0);
		record(3, g[i], 0, 0);
	}
	EXPECT_EQ(groups(), 0);
	EXPECT_EQ(fake_pending(), 0);

	group("from elsewhere");
	memcpy(m + 8, &(union addr){ .in6 = A("ff05::c").in6 }, 16);
	say_as("fe80::2", "ff05::c", 64, m, 24);
	say_as("2001:db8::2", "ff05::c", 1, m, 24);
	EXPECT_EQ(groups(), 0);
	facts.ndp = false;
	guest_init(&facts);
	say_as("fe80::2", "ff05::c", 1, m, 24);
	EXPECT_EQ(groups(), 0);
	facts.ndp = true;
	facts.net[0].on = false;
	guest_init(&facts);
	old(0x16, "224.0.0.251");
	EXPECT_EQ(groups(), 0);
	facts.net[0].on = true;
	guest_init(&facts);

	group("from who has no address yet");
	say_as("::", "ff05::c", 1, m, 24);
	EXPECT_EQ(groups(), 1);
	say_as("0.0.0.0", "224.0.0.251", 1, "\x16\0\0\0\xe0\0\0\xfb", 8);
	EXPECT_EQ(groups(), 2);
}

/* Every report cut at every length, and random bytes in it */
static void hostile(const struct family *f)
{
	bool v6 = f != fam;
	size_t one = v6 ? 20 : 8, len, i;
	uint8_t m[200] = { v6 ? 143 : 0x22, [7] = 3 };
	union addr a = A(f->service);
	unsigned seed = 1, n;

	for (i = 0; i < 3; i++) {
		uint8_t *r = m + 8 + i * one;

		r[0] = 4;
		memcpy(r + 4, v6 ? a.b : a.b + 12, v6 ? 16 : 4);
		r[4 + (v6 ? 15 : 3)] = (uint8_t)(0xf0 + i);
	}

	group("reports cut short count as far as they go");
	for (len = 0; len <= 8 + 3 * one; len++) {
		fresh();
		say(m, len, v6);
		EXPECT_EQ(groups(), len < 8 ? 0 : (len - 8) / one);
	}
	for (i = 0; i < 3; i++) {
		m[8 + i * one + 3] = 200;	/* sources that are not there */
		fresh();
		say(m, 8 + 3 * one, v6);
		EXPECT_EQ(groups(), i);
		m[8 + i * one + 3] = 0;
		m[8 + i * one + 1] = 255;	/* other data neither */
		fresh();
		say(m, 8 + 3 * one, v6);
		EXPECT_EQ(groups(), i);
		m[8 + i * one + 1] = 0;
	}
	m[6] = m[7] = 0xff;
	fresh();
	say(m, 8 + 3 * one, v6);
	EXPECT_EQ(groups(), 3);

	group("chance");
	fresh();
	for (n = 0; n < 20000; n++) {
		uint8_t r[64];

		for (i = 0; i < sizeof(r); i++) {
			seed = seed * 1103515245 + 12345;
			r[i] = i < sizeof(m) && seed & 0x70000 ?
			       m[i] : (uint8_t)(seed >> 20);
		}
		r[0] = v6 ? (uint8_t[]){ 130, 131, 132, 143 }[n % 4] :
		       (uint8_t[]){ 0x11, 0x12, 0x16, 0x17, 0x22 }[n % 5];
		if (v6)
			r[1] = 0;
		say(r, seed % sizeof(r) + 1, v6);
	}
	EXPECT(groups() <= MCAST_GROUPS_MAX);
	EXPECT(sockets() <= MCAST_SOCKETS_MAX);
	mcast_forget();
	EXPECT_EQ(groups(), 0);
	EXPECT_EQ(sockets(), 0);
}

/* guest_says() - A datagram to a group, if need be a super-datagram */
static void guest_says(const char *dst, in_port_t sport, in_port_t dport,
		       const char *text, uint16_t gso)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct pkt p = {
		.proto = IPPROTO_UDP, .l4 = true, .ttl = 9, .gso_size = gso,
		.src = A("192.0.2.2"), .dst = A(dst),
		.sport = sport, .dport = dport,
	};

	cur_init(&p.data, &iov, iov.iov_len);
	udp_input(&p, 1);
}

static void close_flows(void)
{
	union flow *f = NULL;

	while ((f = flow_each(f)))
		udp_close(f);
	flow_reap();
}

static void bounds(void)
{
	struct ruleset *rs = &conf.rules[FWD_UDP_IN];
	char name[32];
	unsigned i;

	group("no more groups than fit");
	fresh();
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "239.7.%u.%u", i / 200, i % 200);
		old(0x16, name);
	}
	EXPECT_EQ(groups(), MCAST_GROUPS_MAX);
	EXPECT_EQ(sockets(), 0);

	for (i = 0; i < 100; i++)
		guest_says("239.7.0.5", 4000, (in_port_t)(7000 + i), "x", 0);
	EXPECT_EQ(sockets(), MCAST_PORTS_MAX);
	close_flows();

	group("nor more sockets, however many ports are forwarded");
	rs->n = 2;
	rs->rule[0] = (struct fwd_rule){ .addr = A("127.0.0.1"), .first = 9,
					 .last = 9, .target = 9 };
	rs->rule[1] = (struct fwd_rule){ .first = 20000, .last = 29999,
					 .target = 30000 };
	fwd_init(&conf);
	fresh();
	old(0x16, "239.7.1.1");
	EXPECT_EQ(sockets(), MCAST_PORTS_MAX);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "239.8.0.%u", i);
		old(0x16, name);
	}
	EXPECT_EQ(groups(), 61);
	EXPECT_EQ(sockets(), MCAST_SOCKETS_MAX);
	mcast_forget();
	EXPECT_EQ(sockets(), 0);
	rs->n = 0;
	fwd_init(&conf);
}

static void questions(void)
{
	unsigned i;

	group("asked at first, and every two minutes");
	fresh();
	igmp_announce();
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(fake_pending(), 2);
		EXPECT(question("0.0.0.0", "\1\0\x5e\0\0\1"));
		EXPECT(question("::", "\x33\x33\0\0\0\1"));
		turn((MCAST_QUERY_S - 1) * SEC);
		EXPECT_EQ(fake_pending(), 0);
		turn(SEC + 2 * MSEC);
	}
	EXPECT_EQ(asked, 5);

	group("of families that are on");
	fresh();
	facts.ndp = false;
	guest_init(&facts);
	igmp_announce();
	EXPECT(question("0.0.0.0", "\1\0\x5e\0\0\1"));
	EXPECT_EQ(fake_pending(), 0);
	facts.ndp = true;
	guest_init(&facts);
	timer_reset();
}

/* ------------------------------------------------------------ datagrams */

static int program(const char *group, in_port_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1, t = 9;
	union addr any = addr_any(true), a = A(group);
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, AF_INET, &any, port, 0);
	struct ip_mreqn m = { .imr_ifindex = 1 };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &m, sizeof(m));
	setsockopt(fd, SOL_IP, IP_MULTICAST_TTL, &t, sizeof(t));
	setsockopt(fd, SOL_IP, IP_TTL, &t, sizeof(t));
	m.imr_multiaddr = addr_to4(&a);
	EXPECT_EQ(setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)), 0);
	EXPECT_EQ(bind(fd, &sa.sa, len), 0);
	return fd;
}

static void tell(int fd, const char *group, in_port_t port, const char *text)
{
	union sockaddr_any sa;
	union addr a = A(group);
	socklen_t len = addr_to_sa(&sa, AF_INET, &a, port, 0);

	EXPECT_EQ(sendto(fd, text, strlen(text), 0, &sa.sa, len),
		  (ssize_t)strlen(text));
}

/* heard() - The guest hears @text, from and to whom it should */
static bool heard(const char *src, in_port_t sport, const char *dst,
		  in_port_t dport, const char *mac, const char *text)
{
	static uint8_t f[2048], data[2048];
	struct iovec iov = { f, 0 };
	union addr s = A(src), d = A(dst);
	struct pkt p;

	turn(MSEC);
	iov.iov_len = fake_pop(f, sizeof(f), NULL);
	if (!iov.iov_len || hdr_parse(&p, &iov, iov.iov_len) != HDR_OK)
		return false;
	return p.proto == IPPROTO_UDP && addr_eq(&p.src, &s) &&
	       addr_eq(&p.dst, &d) && p.sport == sport && p.dport == dport &&
	       !memcmp(p.dmac, mac, 6) && p.ttl == 9 &&
	       cur_left(&p.data) == strlen(text) &&
	       cur_pull(&p.data, data, strlen(text)) &&
	       !memcmp(data, text, strlen(text));
}

static ssize_t got(int fd)
{
	char b[100];

	return recv(fd, b, sizeof(b), MSG_DONTWAIT);
}

static void both_ways(void)
{
	static const char mac[] = "\1\0\x5e\0\0\xfb", g[] = "224.0.0.251";
	static const char mac2[] = "\1\0\x5e\x7f\xff\xfa";
	int s = program(g, 5353);

	group("to the guest");
	fresh();
	tell(s, g, 5353, "early");
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	old(0x16, g);
	tell(s, g, 5353, "announce");
	EXPECT(heard(HOST, 5353, g, 5353, mac, "announce"));
	tell(s, g, 5354, "other port");
	tell(s, HOST, 5353, "unicast");
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	while (got(s) >= 0)
		;

	group("not what it sent itself, but what others do");
	guest_says(g, 5353, 5353, "query", 0);
	EXPECT_EQ(got(s), 5);
	guest_says(g, 5353, 5353, "abcdefghij", 4);
	EXPECT_EQ(got(s), 4);
	EXPECT_EQ(got(s), 4);
	EXPECT_EQ(got(s), 2);
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	tell(s, g, 5353, "query");
	tell(s, g, 5353, "query");
	EXPECT(heard(HOST, 5353, g, 5353, mac, "query"));
	EXPECT(heard(HOST, 5353, g, 5353, mac, "query"));
	EXPECT_EQ(fake_pending(), 0);

	group("the same when the host has another address");
	set_address("198.51.100.8");
	now += 11 * SEC;
	clock_set(now);
	guest_says(g, 5353, 5353, "moved", 0);
	EXPECT_EQ(got(s), 5);
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	set_address(HOST);

	group("the same at once: one is its own");
	now += 11 * SEC;
	clock_set(now);
	guest_says(g, 5353, 5353, "twice", 0);
	tell(s, g, 5353, "twice");
	EXPECT(heard(HOST, 5353, g, 5353, mac, "twice"));
	EXPECT_EQ(fake_pending(), 0);
	close(s);

	group("at ports that it sends to itself");
	s = program("239.255.255.250", 4711);
	old(0x16, "239.255.255.250");
	tell(s, "239.255.255.250", 4711, "x");
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	guest_says("239.255.255.250", 4000, 4711, "hello", 0);
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);
	tell(s, "239.255.255.250", 4711, "y");
	EXPECT(heard(HOST, 4711, "239.255.255.250", 4711, mac2, "y"));

	group("answers, by unicast");
	tell(s, HOST, 4000, "answer");
	EXPECT(heard(HOST, 4711, "192.0.2.2", 4000, (char *)facts.mac,
		     "answer"));
	tell(s, "239.255.255.250", 4000, "not for us");
	turn(MSEC);
	EXPECT_EQ(fake_pending(), 0);

	group("the host's own address, which is the guest's too");
	facts.net[0].addr = A(HOST);
	guest_init(&facts);
	tell(s, "239.255.255.250", 4711, "z");
	EXPECT(heard("192.0.2.1", 4711, "239.255.255.250", 4711, mac2, "z"));
	close(s);

	group("all gone");
	close_flows();
	mcast_forget();
	EXPECT_EQ(groups(), 0);
	EXPECT_EQ(timer_count(), 0);
}

int main(void)
{
	unsigned i;
	int fd;

	if (!own_net())
		skip_all("no network namespace");
	facts.net[0].addr = A("192.0.2.2");
	facts.net[0].our = facts.net[0].gw = A("192.0.2.1");
	facts.net[1].addr = A("2001:db8::2");
	facts.net[1].our = A("fe80::1");
	now = 1000 * SEC;
	clock_set(now);
	timer_reset();
	csum_init();
	siphash_init(0);
	flow_init();
	guest_init(&facts);
	fwd_init(&conf);
	ev_init();
	sock_init(1, false);
	sock_multicast_if(1, 1);
	udp_init();
	fd = dup(0);
	close(fd);

	for (i = 0; i < 2; i++) {
		joins(&fam[i]);
		new_reports(&fam[i]);
		hostile(&fam[i]);
	}
	refused();
	bounds();
	questions();
	both_ways();

	group("nothing left");
	EXPECT(fake_idle());
	EXPECT_EQ(dup(0), fd);
	return done();
}
