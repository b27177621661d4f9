// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_scan.c - open ports seen by sock_diag and in /proc/net, and listeners
 * that follow them between two namespaces, or wait for them; and on kernels that
 * offer less
 *
 * What looks take is made up, as the kernel's tables are of all namespaces: the
 * sockets of whatever else runs on this machine are in what it really takes.
 *
 * link: -Wl,--wrap=nl_diag_open,--wrap=nl_diag_watch,--wrap=proc_net_open
 * link: -Wl,--wrap=clock_gettime
 */
#include "fwd_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "flow.h"
#include "guest.h"
#include "log.h"
#include "nl_diag.h"
#include "ns.h"
#include "proc_net.h"
#include "sock.h"
#include "util.h"

static struct fwd_conf conf;
static struct guest facts;
static struct {
	int	diag, watch, proc;	/* errno of those calls, or 0 */
} fail;

int __wrap_nl_diag_open(void);
int __real_nl_diag_open(void);
int __wrap_nl_diag_watch(void);
int __real_nl_diag_watch(void);
int __wrap_proc_net_open(const char *table);
int __real_proc_net_open(const char *table);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_clock_gettime(clockid_t id, struct timespec *ts);

static long cost = 20;		/* us of CPU time a look takes */
static long used;		/* ... and all together, twice */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_THREAD_CPUTIME_ID)
		return __real_clock_gettime(id, ts);
	used += cost;
	*ts = (struct timespec){ used / 1000000, used % 1000000 * 1000 };
	return 0;
}

int __wrap_nl_diag_open(void)
{
	return fail.diag ? -fail.diag : __real_nl_diag_open();
}

int __wrap_nl_diag_watch(void)
{
	return fail.watch ? -fail.watch : __real_nl_diag_watch();
}

int __wrap_proc_net_open(const char *table)
{
	return fail.proc ? -fail.proc : __real_proc_net_open(table);
}

/* ------------------------------------------------- sockets, here and there */

struct want {
	int		family, kind;
	in_port_t	port, peer;
};

static int make(void *arg)
{
	const struct want *w = arg;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons(w->port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_port = htons(w->port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = w->family == AF_INET ? (struct sockaddr *)&four :
						     (struct sockaddr *)&six;
	socklen_t len = w->family == AF_INET ? sizeof(four) : sizeof(six);
	int fd = socket(w->family, w->kind | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, sa, len))
		return -errno;
	if (w->kind == SOCK_STREAM && listen(fd, 1))
		return -errno;
	four.sin_port = six.sin6_port = htons(w->peer);
	if (w->peer && connect(fd, sa, len))
		return -errno;
	return fd;
}

static int open_here(int family, int kind, in_port_t port, in_port_t peer)
{
	struct want w = { family, kind, port, peer };

	return make(&w);
}

static int open_there(int family, int kind, in_port_t port)
{
	struct want w = { family, kind, port, 0 };

	return ns_call(make, &w);
}

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
}

/* Two namespaces of ours: in the one we stay, the other is the target */
static bool two_namespaces(void)
{
	int here, there;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	lo_up();
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET))
		return false;
	lo_up();
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ns_set(there);
	return !setns(here, CLONE_NEWNET);
}

static bool is_set(const uint8_t *ports, unsigned n, unsigned a, unsigned b)
{
	unsigned i, found = 0;

	for (i = 0; i < 65536; i++)
		found += bit_test(ports, i);
	return found == n && bit_test(ports, a) && bit_test(ports, b);
}

/* -------------------------------------------------------------- both ways */

/* A member of a group, bound to its address */
static int open_member(const char *group, in_port_t port)
{
	union addr a = ADDR_NONE;
	union sockaddr_any sa;
	socklen_t len;
	int fd, family;

	EXPECT(addr_parse(group, &a));
	family = addr_is4(&a) ? AF_INET : AF_INET6;
	fd = socket(family, SOCK_DGRAM, 0);
	len = addr_to_sa(&sa, family, &a, port, 0);
	EXPECT_EQ(bind(fd, &sa.sa, len), 0);
	return fd;
}

static void see(bool diag)
{
	int s[8] = {
		open_here(AF_INET, SOCK_STREAM, 1001, 0),
		open_here(AF_INET6, SOCK_STREAM, 1002, 0),
		open_here(AF_INET, SOCK_DGRAM, 1003, 0),
		open_here(AF_INET6, SOCK_DGRAM, 1004, 0),
		open_here(AF_INET, SOCK_DGRAM, 1005, 1003),	/* has a peer */
		open_member("239.1.2.3", 1006),
		open_member("ff0e::123", 1007),
		open_here(AF_INET, SOCK_STREAM, 0, 0),
	};
	uint8_t tcp[PORTS_BYTES] = { 0 }, udp[PORTS_BYTES] = { 0 };
	int fd, fd6, i;

	close(s[7]);
	if (diag) {
		fd = nl_diag_open();
		EXPECT_EQ(nl_diag_ports(fd, IPPROTO_TCP, tcp), 0);
		EXPECT_EQ(nl_diag_ports(fd, IPPROTO_UDP, udp), 0);
		close(fd);
	} else {
		fd = proc_net_open("tcp");
		fd6 = proc_net_open("tcp6");
		EXPECT_EQ(proc_net_ports(fd, IPPROTO_TCP, tcp), 0);
		EXPECT_EQ(proc_net_ports(fd6, IPPROTO_TCP, tcp), 0);
		EXPECT_EQ(proc_net_ports(fd6, IPPROTO_TCP, tcp), 0);
		close(fd);
		close(fd6);
		fd = proc_net_open("udp");
		fd6 = proc_net_open("udp6");
		EXPECT_EQ(proc_net_ports(fd, IPPROTO_UDP, udp), 0);
		EXPECT_EQ(proc_net_ports(fd6, IPPROTO_UDP, udp), 0);
		close(fd);
		close(fd6);
	}
	EXPECT(is_set(tcp, 2, 1001, 1002));
	EXPECT(is_set(udp, 2, 1003, 1004));
	for (i = 0; i < 7; i++)
		close(s[i]);
}

static bool comes(int fd)
{
	int i;

	for (i = 0; i < 1000 && !nl_diag_closed(fd); i++)
		usleep(5000);
	return i < 1000;
}

static void news(void)
{
	int fd = nl_diag_watch(), s, t;

	group("news of what was closed");
	EXPECT(fd >= 0);
	close(open_here(AF_INET, SOCK_STREAM, 1001, 0));
	usleep(50 * 1000);
	EXPECT(!nl_diag_closed(fd));
	nl_diag_hear(fd, true, true, true);
	close(open_here(AF_INET, SOCK_STREAM, 1001, 0));
	EXPECT(comes(fd));
	close(open_here(AF_INET6, SOCK_STREAM, 1001, 0));
	EXPECT(comes(fd));
	close(open_here(AF_INET, SOCK_DGRAM, 1001, 0));
	EXPECT(comes(fd));
	close(open_here(AF_INET6, SOCK_DGRAM, 1001, 0));
	EXPECT(comes(fd));

	group("... and of nothing else");
	s = open_here(AF_INET, SOCK_DGRAM, 1002, 0);
	t = open_here(AF_INET, SOCK_DGRAM, 1003, 1002);
	close(t);
	close(socket(AF_INET, SOCK_STREAM, 0));
	close(socket(AF_INET6, SOCK_DGRAM, 0));
	usleep(100 * 1000);
	EXPECT(!nl_diag_closed(fd));
	close(s);
	EXPECT(comes(fd));
	nl_diag_hear(fd, true, true, false);
	close(open_here(AF_INET, SOCK_DGRAM, 1001, 0));
	close(open_here(AF_INET, SOCK_STREAM, 1001, 0));
	usleep(50 * 1000);
	EXPECT(!nl_diag_closed(fd));

	nl_diag_hear(fd, true, false, true);
	close(open_here(AF_INET, SOCK_DGRAM, 1001, 0));
	usleep(50 * 1000);
	EXPECT(!nl_diag_closed(fd));
	close(fd);
}

/* A table in a file: as the kernel's, but with lines of all sorts */
static void junk(void)
{
	static const char head[] =
		"  sl  local_address rem_address   st\n"
		"   0: 0100007F:0035 00000000:0000 0A x\n"
		"   1: 0100007F:0036 00000000:0000 01 x\n"
		"   2: 0100007F:0000 00000000:0000 0A x\n"
		"   3: 0100007F:\n"
		"   x: 0100007F:0037 00000000:0000 0A x\n"
		"\n:::::\n"
		"   4: 0100007F0100007F0100007F0100007F0:0038 0:0 0A\n";
	static const char tail[] =
		"   5: 00000000000000000000000000000000:FFFF "
		"00000000000000000000000000000000:0000 0A\n"
		"   6: 0100007F:0040 00000000:0000 0A";	/* no end of line */
	uint8_t ports[PORTS_BYTES] = { 0 };
	int fd = memfd_create("table", MFD_CLOEXEC), i;

	EXPECT_EQ(write(fd, head, strlen(head)), (ssize_t)strlen(head));
	for (i = 0; i < 2000; i++)
		EXPECT_EQ(write(fd, "0123456789", 10), 10);
	EXPECT_EQ(write(fd, "\n", 1), 1);
	EXPECT_EQ(write(fd, tail, strlen(tail)), (ssize_t)strlen(tail));
	EXPECT_EQ(proc_net_ports(fd, IPPROTO_TCP, ports), 0);
	EXPECT(is_set(ports, 2, 0x35, 0xffff));
	close(fd);
	EXPECT(proc_net_ports(fd, IPPROTO_TCP, ports) < 0);
	EXPECT_EQ(__real_proc_net_open("no such table"), -ENOENT);
}

/* ------------------------------------------------------------ following */

static uint64_t now;

static void later(uint64_t us)
{
	struct timer *t;

	now += us;
	clock_set(now);
	while ((t = timer_pop()))
		if (EXPECT_EQ(t->kind, TM_SCAN))
			scan_timer(t);
}

static bool listens(enum fwd_table t, unsigned n, unsigned a, unsigned b)
{
	uint8_t ports[PORTS_BYTES] = { 0 };

	listen_ports(t, ports);
	return is_set(ports, n, a, b);
}

static bool nothing(enum fwd_table t)
{
	uint8_t ports[PORTS_BYTES] = { 0 }, none[PORTS_BYTES] = { 0 };

	listen_ports(t, ports);
	return !memcmp(ports, none, sizeof(none));
}

static void set_modes(enum ruleset_mode tcp_in, enum ruleset_mode udp_in,
		      enum ruleset_mode tcp_ns, enum ruleset_mode udp_ns)
{
	conf.rules[FWD_TCP_IN].mode = tcp_in;
	conf.rules[FWD_UDP_IN].mode = udp_in;
	conf.rules[FWD_TCP_NS].mode = tcp_ns;
	conf.rules[FWD_UDP_NS].mode = udp_ns;
	fwd_init(&conf);
	timer_reset();
	listen_close_all();
	listen_all(true, true);
	listen_ns(true, true);
	scan_init();
}

static void follow(void)
{
	int a, b, c, d;

	set_modes(RULES_AUTO, RULES_AUTO, RULES_AUTO, RULES_AUTO);
	EXPECT(scan_wanted());
	EXPECT(nothing(FWD_TCP_IN) && nothing(FWD_TCP_NS));

	a = open_there(AF_INET, SOCK_STREAM, 2001);
	b = open_there(AF_INET6, SOCK_STREAM, 2002);
	c = open_here(AF_INET, SOCK_STREAM, 3001, 0);
	d = open_here(AF_INET6, SOCK_DGRAM, 3002, 0);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 2, 2001, 2002));
	EXPECT(listens(FWD_UDP_IN, 2, 2001, 2002));	/* of TCP */
	EXPECT(listens(FWD_TCP_NS, 1, 3001, 3001));
	EXPECT(listens(FWD_UDP_NS, 2, 3001, 3002));
	later(SEC + 10 * MSEC);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 2, 2001, 2002));
	EXPECT(listens(FWD_TCP_NS, 1, 3001, 3001));

	close(a);
	close(c);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2002, 2002));
	EXPECT(nothing(FWD_TCP_NS));
	EXPECT(listens(FWD_UDP_NS, 1, 3002, 3002));
	close(b);
	close(d);
	later(SEC + 10 * MSEC);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_TCP_IN) && nothing(FWD_UDP_IN));
	EXPECT(nothing(FWD_TCP_NS) && nothing(FWD_UDP_NS));
}

/* A port that cannot be bound is tried again, but not all the time */
static void conflict(void)
{
	int a, b;

	set_modes(RULES_AUTO, RULES_NONE, RULES_NONE, RULES_NONE);
	a = open_here(AF_INET, SOCK_STREAM, 2001, 0);
	b = open_there(AF_INET, SOCK_STREAM, 2001);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_TCP_IN));
	close(a);
	later(500 * MSEC);
	EXPECT(nothing(FWD_TCP_IN));
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2001, 2001));
	close(b);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_TCP_IN));
}

/* A number that both sides have open for TCP: UDP follows it to one of them, or
 * each would be closed for the sake of the other, over and over */
static void both(void)
{
	int a, b, c, i;

	set_modes(RULES_AUTO, RULES_AUTO, RULES_AUTO, RULES_AUTO);
	a = open_here(AF_INET, SOCK_STREAM, 2001, 0);
	b = open_there(AF_INET, SOCK_STREAM, 2001);
	for (i = 0; i < 3; i++) {
		later(SEC + 10 * MSEC);
		EXPECT(listens(FWD_UDP_IN, 1, 2001, 2001));
		EXPECT(nothing(FWD_UDP_NS));
	}
	close(b);
	later(SEC + 10 * MSEC);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_UDP_NS, 1, 2001, 2001));
	/* It stays where it was first; and a server is found in any case */
	b = open_there(AF_INET, SOCK_STREAM, 2001);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_UDP_IN));
	EXPECT(listens(FWD_UDP_NS, 1, 2001, 2001));
	c = open_here(AF_INET, SOCK_DGRAM, 2001, 0);
	for (i = 0; i < 3; i++) {
		later(SEC + 10 * MSEC);
		EXPECT(nothing(FWD_UDP_IN));
		EXPECT(listens(FWD_UDP_NS, 1, 2001, 2001));
	}
	close(a);
	close(b);
	close(c);
	later(SEC + 10 * MSEC);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_UDP_IN) && nothing(FWD_UDP_NS));
}

/* Explicit ports of the other direction are ours */
static void ours(void)
{
	int b;

	conf.rules[FWD_TCP_NS].n = 1;
	conf.rules[FWD_TCP_NS].rule[0] = (struct fwd_rule){
		.first = 2005, .last = 2005, .target = 4005 };
	set_modes(RULES_AUTO, RULES_AUTO, RULES_PORTS, RULES_NONE);
	b = open_there(AF_INET, SOCK_STREAM, 2006);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2006, 2006));
	EXPECT(listens(FWD_UDP_IN, 1, 2006, 2006));
	close(b);
	conf.rules[FWD_TCP_NS].n = 0;
}

/* @flows begin between two looks: whether the end of a port is told */
static void ready_or_not(unsigned flows, int told)
{
	struct side ini = { .pif = PIF_HOST };
	struct ev_event ev[4];
	enum fwd_verdict v;
	int a;

	(void)addr_parse("127.0.0.1", &ini.peer);
	ini.ours = ini.peer;
	ini.peer_port = 1;
	ini.ours_port = 1;
	a = open_there(AF_INET, SOCK_STREAM, 2009);
	while (flows--) {
		union flow *f = flow_open(IPPROTO_TCP, &ini, 99, &v);

		if (EXPECT(f))
			flow_close(f);
		flow_reap();
	}
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2009, 2009));
	while (ev_wait(ev, 4, 50))
		scan_ready(ev[0].ref, ev[0].mask);
	close(a);
	EXPECT_EQ(ev_wait(ev, 4, told ? 2000 : 100), told);
	if (told)
		scan_ready(ev[0].ref, ev[0].mask);
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_TCP_IN));
}

static void events(void)
{
	struct ev_event ev[4];
	int a, i, n;

	conf.splice = conf.host_lo_to_ns_lo = true;
	set_modes(RULES_AUTO, RULES_NONE, RULES_NONE, RULES_NONE);
	a = open_there(AF_INET, SOCK_STREAM, 2001);
	later(SEC + 10 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2001, 2001));
	now += 50 * MSEC;
	clock_set(now);
	close(a);
	n = ev_wait(ev, 4, 2000);
	EXPECT_EQ(n, 1);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(ev[i].ref.type, EV_SCAN);
		scan_ready(ev[i].ref, ev[i].mask);
	}
	EXPECT(nothing(FWD_TCP_IN));

	/* Again at once: it waits a moment */
	close(open_there(AF_INET, SOCK_STREAM, 2002));
	a = open_there(AF_INET, SOCK_STREAM, 2003);
	n = ev_wait(ev, 4, 2000);
	EXPECT_EQ(n, 1);
	scan_ready(ev[0].ref, ev[0].mask);
	EXPECT(nothing(FWD_TCP_IN));
	later(25 * MSEC);
	EXPECT(listens(FWD_TCP_IN, 1, 2003, 2003));
	scan_ready((union ev_ref){ .index = 77 }, EPOLLIN);
	close(a);

	group("with many connections: no news");
	ready_or_not(100, 0);
	group("... and again with few");
	ready_or_not(10, 1);
}

/* ------------------------------------------------------------ published */

static bool is_refused(in_port_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ret = connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
		   errno == ECONNREFUSED;

	close(fd);
	return ret;
}

static void publish(in_port_t first, in_port_t last, in_port_t target)
{
	conf.rules[FWD_TCP_IN].n = 1;
	conf.rules[FWD_TCP_IN].rule[0] = (struct fwd_rule){
		.first = first, .last = last, .target = target };
	conf.rules[FWD_TCP_IN].mode = RULES_PORTS;
	fwd_init(&conf);
	timer_reset();
	listen_close_all();
	listen_wait();
	listen_all(true, true);
	listen_ns(true, true);
	EXPECT(scan_wanted());
	scan_init();
}

/* What events there are, to whom they are for */
static void hear(void)
{
	struct ev_event ev[4];
	int i, n, turns = 0;

	while (turns++ < 10 && (n = ev_wait(ev, 4, 200)) > 0)
		for (i = 0; i < n; i++)
			if (ev[i].ref.type == EV_SCAN)
				scan_ready(ev[i].ref, ev[i].mask);
}

static int packet_socket(void *unused)
{
	(void)unused;
	return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
}

/* One of nftables, as any tool does it that makes rules: "add table ip t" */
static int make_table(void *unused)
{
	struct step {
		struct nlmsghdr nh;
		struct nfgenmsg g;
		struct nlattr a;
		char name[4];
	} s[3] = {
		{ .nh = { .nlmsg_type = NFNL_MSG_BATCH_BEGIN },
		  .g.res_id = htons(NFNL_SUBSYS_NFTABLES) },
		{ .nh = { .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 |
					NFT_MSG_NEWTABLE,
			  .nlmsg_flags = NLM_F_CREATE | NLM_F_ACK },
		  .g.nfgen_family = AF_INET },
		{ .nh = { .nlmsg_type = NFNL_MSG_BATCH_END },
		  .g.res_id = htons(NFNL_SUBSYS_NFTABLES) },
	};
	struct { struct nlmsghdr nh; struct nlmsgerr e; } answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_NETFILTER), i;

	(void)unused;
	for (i = 0; i < 3; i++) {
		s[i].nh.nlmsg_len = sizeof(s[i]);
		s[i].nh.nlmsg_flags |= NLM_F_REQUEST;
		s[i].a = (struct nlattr){ NLA_HDRLEN + 4, 0 };
	}
	s[1].a = (struct nlattr){ NLA_HDRLEN + 2, NFTA_TABLE_NAME };
	memcpy(s[1].name, "t", 2);
	if (fd < 0 || send(fd, s, sizeof(s), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer))
		return -errno;
	close(fd);
	return answer.e.error;
}

/* looks() - How many there are in a second */
static unsigned looks(void)
{
	unsigned i, n = 0;
	struct timer *t;

	for (i = 0; i < 1000; i++) {
		now += MSEC;
		clock_set(now);
		for (; (t = timer_pop()); n++)
			scan_timer(t);
	}
	return n;
}

static void published(void)
{
	long was;
	int a, b, i;

	group("published ports: what is served at start is there at once");
	a = open_there(AF_INET6, SOCK_STREAM, 2102);
	publish(2001, 2003, 2101);
	EXPECT(is_refused(2001) && !is_refused(2002) && is_refused(2003));

	group("... what comes later, within moments");
	b = open_there(AF_INET, SOCK_STREAM, 2101);
	EXPECT(looks() > 15);
	EXPECT(!is_refused(2001) && !is_refused(2002) && is_refused(2003));
	close(b);
	later(SEC);
	EXPECT(is_refused(2001) && !is_refused(2002) && is_refused(2003));

	group("... and before anything is passed on, which may tell of it");
	b = open_there(AF_INET, SOCK_STREAM, 2101);
	EXPECT(is_refused(2001));
	scan_turn();
	EXPECT(!is_refused(2001));
	close(b);
	later(SEC);
	EXPECT(is_refused(2001));

	group("... at little cost, however much that is");
	was = used;
	for (i = 0; i < 100000; i++) {
		now += MSEC / 100;
		clock_set(now);
		scan_turn();
	}
	/* Two readings of the clock each */
	EXPECT((used - was) / 2 > 10000 && (used - was) / 2 < 22000);

	group("... after a minute of waiting, a little later");
	later(2 * 60 * SEC);
	EXPECT(looks() <= 15);
	b = open_there(AF_INET, SOCK_STREAM, 2101);
	later(SEC);
	EXPECT(!is_refused(2001));

	group("... and when all are served, there is no hurry");
	close(open_there(AF_INET, SOCK_STREAM, 2103));
	publish(2001, 2002, 2101);
	EXPECT(!is_refused(2001) && !is_refused(2002));
	EXPECT(looks() <= 7);
	later(2 * 60 * SEC);
	close(b);
	later(SEC);
	EXPECT(is_refused(2001) && !is_refused(2002));
	EXPECT(looks() > 15);

	group("... nor if looks take long");
	cost = 1000;
	looks();
	EXPECT(looks() <= 7);
	cost = 20;
	looks();
	EXPECT(looks() > 15);
	close(a);

	group("... our own listeners inside serve nobody");
	conf.rules[FWD_TCP_NS].n = 1;
	conf.rules[FWD_TCP_NS].mode = RULES_PORTS;
	conf.rules[FWD_TCP_NS].rule[0] = (struct fwd_rule){
		.first = 2101, .last = 2101, .target = 9 };
	publish(2001, 2003, 2101);
	later(SEC);
	EXPECT(is_refused(2001));
	conf.rules[FWD_TCP_NS].n = 0;
	conf.rules[FWD_TCP_NS].mode = RULES_NONE;
	conf.rules[FWD_TCP_IN].n = 0;
}

/* Packets may have another way than to a socket that listens */
static void other_ways(void)
{
	int s;

	group("... nor do they wait while there is a packet socket");
	publish(2001, 2001, 2101);
	EXPECT(is_refused(2001));
	s = ns_call(packet_socket, NULL);
	EXPECT(s >= 0);
	later(SEC);
	EXPECT(!is_refused(2001));
	close(s);
	later(SEC);
	EXPECT(is_refused(2001));

	group("... or once there are rules for packets");
	EXPECT_EQ(ns_call(make_table, NULL), 0);
	hear();
	EXPECT(!is_refused(2001));
	later(SEC);
	EXPECT(!is_refused(2001));
	publish(2001, 2001, 2101);
	EXPECT(!is_refused(2001));
}

int main(void)
{
	if (!two_namespaces())
		skip_all("no network namespaces");
	now = 1000 * SEC;
	clock_set(now);
	ev_init();
	guest_init(&facts);
	sock_init(0, false);
	flow_init();
	log_to_stderr(false);

	group("ports as sock_diag lists them");
	see(true);
	group("ports as /proc/net lists them");
	see(false);
	group("a table in /proc/net with lines of all sorts");
	junk();
	news();

	group("each side follows the other");
	follow();
	group("a port that is taken");
	conflict();
	group("a number that both have");
	both();
	group("explicit ports are not followed");
	ours();
	group("events");
	events();

	published();

	group("without sock_diag: the same");
	fail.diag = EPROTONOSUPPORT;
	fail.watch = EPROTONOSUPPORT;
	follow();
	conflict();
	ours();
	published();

	group("without /proc as well: nothing, and no harm");
	fail.proc = ENOENT;
	set_modes(RULES_AUTO, RULES_AUTO, RULES_AUTO, RULES_AUTO);
	close(open_there(AF_INET, SOCK_STREAM, 2001));
	later(SEC + 10 * MSEC);
	EXPECT(nothing(FWD_TCP_IN));
	publish(2001, 2001, 2101);
	EXPECT(!is_refused(2001));
	conf.rules[FWD_TCP_IN].n = 0;
	set_modes(RULES_NONE, RULES_NONE, RULES_NONE, RULES_NONE);
	EXPECT(!scan_wanted());

	memset(&fail, 0, sizeof(fail));
	other_ways();
	conf.rules[FWD_TCP_IN].n = 0;
	return done();
}
