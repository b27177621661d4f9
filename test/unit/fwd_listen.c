// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_listen.c - listeners as the rules say, found again by their events
 */
#include "fwd_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bound.h"
#include "check.h"
#include "guest.h"
#include "log.h"
#include "ns.h"
#include "sock.h"

static struct fwd_conf conf;
static struct guest facts;

static bool own_net(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return true;
}

static void set_rules(enum fwd_table t, in_port_t first, in_port_t last,
		      in_port_t target, bool weak)
{
	struct ruleset *rs = &conf.rules[t];

	rs->mode = RULES_PORTS;
	rs->n = 1;
	rs->rule[0] = (struct fwd_rule){
		.first = first, .last = last, .target = target, .weak = weak,
	};
}

static void no_rules(void)
{
	memset(conf.rules, 0, sizeof(conf.rules));
}

static unsigned count(enum fwd_table t)
{
	uint8_t ports[PORTS_BYTES] = { 0 };
	unsigned n = 0, i;

	listen_ports(t, ports);
	for (i = 0; i < PORTS_BYTES * 8; i++)
		n += bit_test(ports, i);
	return n;
}

/* outcome() - Exit status of a process that listens as the rules say */
static int outcome(void)
{
	int st = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		log_to_stderr(false);
		fwd_init(&conf);
		listen_all(true, true);
		_exit(count(FWD_TCP_IN) ? 42 : 43);
	}
	waitpid(pid, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void ready(uint8_t type, int kind, in_port_t port, in_port_t target)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ev_event ev[4];
	const struct listener *l;
	int fd = socket(AF_INET, kind, 0);

	EXPECT_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	if (kind == SOCK_DGRAM)
		EXPECT_EQ(write(fd, "x", 1), 1);
	EXPECT_EQ(ev_wait(ev, 4, 500), 1);
	EXPECT_EQ(ev[0].ref.type, type);
	l = listener_at(ev[0].ref);
	if (EXPECT(l)) {
		EXPECT_EQ(l->port, port);
		EXPECT_EQ(l->target, target);
		EXPECT_EQ(l->pif, PIF_HOST);
		if (kind == SOCK_STREAM) {
			close(accept(l->fd, NULL, NULL));
		} else {
			char c;

			EXPECT_EQ(recv(l->fd, &c, 1, 0), 1);
		}
	}
	close(fd);
}

static int to_port(int family, uint32_t addr4, in_port_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(addr4) };
	int fd = socket(family, SOCK_STREAM, 0), rc;

	rc = family == AF_INET ?
	     connect(fd, (struct sockaddr *)&four, sizeof(four)) :
	     connect(fd, (struct sockaddr *)&six, sizeof(six));
	rc = rc ? -errno : 0;
	close(fd);
	return rc;
}

/* In the namespace: at every address of it */
static void in_namespace(void)
{
	group("in the namespace");
	no_rules();
	ns_set(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	set_rules(FWD_TCP_NS, 22001, 22002, 22001, false);
	fwd_init(&conf);
	listen_ns(true, true);
	EXPECT_EQ(count(FWD_TCP_NS), 2);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, 22001), 0);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK + 5, 22002), 0);
	EXPECT_EQ(to_port(AF_INET6, 0, 22002), 0);
	listen_close_all();
	close(ns_fd());
	ns_set(-1);
}

/* Many ports must not leave connections without descriptors */
static void follow_few(void)
{
	static uint8_t want[PORTS_BYTES], known[PORTS_BYTES];
	struct listen_failure fail[4];
	struct rlimit old, low;
	unsigned p;

	group("a set of more ports than descriptors");
	no_rules();
	fwd_init(&conf);
	listen_all(true, true);
	for (p = 21001; p <= 21100; p++) {
		bit_set(want, p);
		bit_set(known, p);
	}
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 80;
	setrlimit(RLIMIT_NOFILE, &low);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 1);
	EXPECT(listen_exhausted(fail[0].e));
	EXPECT_EQ(fail[0].port, 21001 + count(FWD_TCP_IN));
	EXPECT(count(FWD_TCP_IN) > 30 && count(FWD_TCP_IN) <= 60);
	for (p = 21001; p <= 21090; p++)
		bit_clear(want, p);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 10);
	setrlimit(RLIMIT_NOFILE, &old);
	listen_close_all();
}

/* A table without rules: its ports come and go as a set */
/* shared() - May flows have this UDP port, in how many families? */
static int shared(in_port_t port)
{
	union addr any4 = addr_any(true), any6 = addr_any(false);

	return bound_has(false, &any4, port) + bound_has(false, &any6, port);
}

static void follow(void)
{
	static uint8_t want[PORTS_BYTES], known[PORTS_BYTES];
	struct listen_failure fail[4];
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(21003) };
	int taken = socket(AF_INET, SOCK_STREAM, 0);

	group("a set of ports to follow");
	no_rules();
	fwd_init(&conf);
	listen_all(true, true);
	bit_set(want, 21001);
	bit_set(want, 21002);
	bit_set(want, 65535);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 3);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 21001, 21001);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 65535, 65535);
	EXPECT_EQ(listen_follow(FWD_UDP_IN, want, known, fail, 4), 0);
	ready(EV_UDP_LISTEN, SOCK_DGRAM, 21002, 21002);
	EXPECT_EQ(shared(21002), 2);

	group("... what cannot be bound is told");
	EXPECT_EQ(bind(taken, (struct sockaddr *)&sa, sizeof(sa)), 0);
	EXPECT_EQ(listen(taken, 1), 0);
	bit_set(want, 21003);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 1);
	EXPECT_EQ(fail[0].port, 21003);
	EXPECT_EQ(fail[0].e, -EADDRINUSE);
	EXPECT(!listen_exhausted(fail[0].e));
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 0), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 3);
	bit_set(known, 21003);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 3);
	close(taken);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 4);

	group("... and others are closed, their places used again");
	bit_clear(want, 21001);
	bit_clear(want, 21002);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 2);
	EXPECT_EQ(count(FWD_UDP_IN), 3);
	bit_set(want, 21004);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, want, known, fail, 4), 0);
	EXPECT_EQ(count(FWD_TCP_IN), 3);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 21003, 21003);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 21004, 21004);
	listen_close_all();
	EXPECT_EQ(count(FWD_TCP_IN) + count(FWD_UDP_IN), 0);
	EXPECT_EQ(shared(21002), 0);

	group("... UDP ports on one interface are not for flows to share");
	set_rules(FWD_UDP_IN, 21002, 21002, 21002, false);
	strcpy(conf.rules[FWD_UDP_IN].rule[0].ifname, "lo");
	fwd_init(&conf);
	listen_all(true, true);
	EXPECT_EQ(count(FWD_UDP_IN), 1);
	EXPECT_EQ(shared(21002), 0);
	listen_close_all();
	no_rules();
}

static int try_bind(in_port_t port, int reuse)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : 0;
	close(fd);
	return rc;
}

/* A connection to @port: both ends */
static void get_pair(in_port_t port, int pair[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ev_event ev[4];
	const struct listener *l;
	int on = 0;
	socklen_t len = sizeof(on);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT_EQ(connect(pair[0], (struct sockaddr *)&to, sizeof(to)), 0);
	EXPECT_EQ(ev_wait(ev, 4, 500), 1);
	l = listener_at(ev[0].ref);
	pair[1] = l ? accept(l->fd, NULL, NULL) : -1;
	EXPECT(pair[1] >= 0);
	EXPECT_EQ(getsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	EXPECT(on);
}

/* gets_port() - Does a socket of a flow of IPv4 get port 22101, which is published?
 * Where it must not, the kernel would let it: a program of the same user has it */
static bool gets_port(bool both)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(22101) };
	struct side s = { .peer = addr_from4((struct in_addr){
				htonl(INADDR_LOOPBACK) }), .peer_port = 9,
			  .ours_port = 22101, .pif = PIF_HOST };
	int fd = sock_udp_open(true), other = socket(AF_INET, SOCK_DGRAM, 0);
	int on = 1;
	bool got;

	if (!both) {
		EXPECT(!setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on,
				   sizeof(on)));
		EXPECT(!bind(other, (struct sockaddr *)&sa, sizeof(sa)));
	}
	EXPECT_EQ(sock_udp_start(fd, &s), 0);
	got = s.ours_port == 22101;
	sock_udp_close(&fd, &s);
	close(other);
	return got;
}

static void families(void)
{
	group("a UDP port is shared with flows of the families it is for");
	no_rules();
	set_rules(FWD_UDP_IN, 22101, 22101, 22101, false);
	fwd_init(&conf);
	listen_all(true, true);
	EXPECT(gets_port(true));
	listen_close_all();
	EXPECT(!gets_port(false));

	conf.rules[FWD_UDP_IN].rule[0].v6any = true;
	fwd_init(&conf);
	listen_all(true, true);
	EXPECT(!gets_port(false));
	listen_close_all();
	conf.rules[FWD_UDP_IN].rule[0].v6any = false;
	fwd_init(&conf);
	listen_all(false, true);
	EXPECT(!gets_port(false));
	listen_close_all();
	listen_all(true, false);
	EXPECT(gets_port(true));
	listen_close_all();
}

/* Published ports that listen while somebody serves their target */
static void served(void)
{
	static uint8_t set[PORTS_BYTES];
	struct listen_count n;
	struct ev_event ev[4];
	int old[2], new[2], i;
	char c = 'x';

	group("ports that wait for a server are bound, but do not listen");
	no_rules();
	set_rules(FWD_TCP_IN, 22001, 22003, 23001, false);
	set_rules(FWD_UDP_IN, 22001, 22001, 22001, false);
	fwd_init(&conf);
	EXPECT(!listen_waits());
	listen_wait();
	EXPECT(listen_waits());
	listen_all(true, true);
	EXPECT_EQ(count(FWD_TCP_IN), 3);
	for (i = 22001; i <= 22003; i++) {
		EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, (in_port_t)i),
			  -ECONNREFUSED);
		EXPECT_EQ(to_port(AF_INET6, 0, (in_port_t)i), -ECONNREFUSED);
		EXPECT_EQ(try_bind((in_port_t)i, 0), -EADDRINUSE);
		EXPECT_EQ(try_bind((in_port_t)i, 1), -EADDRINUSE);
	}
	EXPECT_EQ(ev_wait(ev, 4, 50), 0);
	ready(EV_UDP_LISTEN, SOCK_DGRAM, 22001, 22001);
	EXPECT_EQ(outcome(), 1);	/* a second one */

	group("... one is served");
	bit_set(set, 23002);
	bit_set(set, 22001);		/* nobody's target */
	listen_served(set, &n);
	EXPECT(n.shut == 2 && !n.ended && !n.failed);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 22002, 23002);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, 22001), -ECONNREFUSED);
	get_pair(22002, old);

	group("... and no more: what is connected stays");
	bit_clear(set, 23002);
	listen_served(set, &n);
	EXPECT(n.shut == 3 && n.ended == 1 && !n.failed);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, 22002), -ECONNREFUSED);
	EXPECT_EQ(ev_wait(ev, 4, 50), 0);
	EXPECT_EQ(try_bind(22002, 1), -EADDRINUSE);
	listen_served(set, &n);
	EXPECT(n.shut == 3 && !n.ended);

	group("... and again, beside its connections, old and open");
	for (i = 0; i < 3; i++) {
		bit_set(set, 23002);
		listen_served(set, &n);
		EXPECT(n.shut == 2 && !n.failed);
		get_pair(22002, new);
		close(new[1]);		/* first: it is to wait */
		close(new[0]);
		bit_clear(set, 23002);
		listen_served(set, &n);
	}
	EXPECT_EQ(write(old[0], &c, 1), 1);
	EXPECT_EQ(read(old[1], &c, 1), 1);
	close(old[0]);
	close(old[1]);
	listen_close_all();

	group("... but not those that were best effort, or automatic");
	set_rules(FWD_TCP_IN, 22001, 22003, 23001, true);
	fwd_init(&conf);
	listen_wait();
	EXPECT(!listen_waits());
	listen_all(true, true);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, 22001), 0);
	listen_close_all();
	no_rules();
	conf.rules[FWD_TCP_IN].mode = RULES_AUTO;
	fwd_init(&conf);
	listen_wait();
	listen_all(true, true);
	memset(set, 0, sizeof(set));
	bit_set(set, 22001);
	EXPECT_EQ(listen_follow(FWD_TCP_IN, set, set, NULL, 0), 0);
	EXPECT_EQ(to_port(AF_INET, INADDR_LOOPBACK, 22001), 0);
	listen_close_all();
}

int main(void)
{
	union ev_ref ref = { .type = EV_TCP_LISTEN, .index = 0 };
	struct rlimit old, low;
	int fd, i;

	if (!own_net())
		skip_all("no network namespace");

	ev_init();
	guest_init(&facts);
	sock_init(0, false);

	group("ranges become listeners");
	fd = dup(0);
	close(fd);
	set_rules(FWD_TCP_IN, 20001, 20010, 30001, false);
	set_rules(FWD_UDP_IN, 20005, 20005, 20005, false);
	fwd_init(&conf);
	listen_all(true, true);
	EXPECT_EQ(count(FWD_TCP_IN), 10);
	EXPECT_EQ(count(FWD_UDP_IN), 1);
	EXPECT_EQ(count(FWD_TCP_NS), 0);
	ref.index = UINT32_MAX;
	EXPECT(!listener_at(ref));
	ref.index = 0;

	group("events lead to them");
	ready(EV_TCP_LISTEN, SOCK_STREAM, 20001, 30001);
	ready(EV_TCP_LISTEN, SOCK_STREAM, 20010, 30010);
	ready(EV_UDP_LISTEN, SOCK_DGRAM, 20005, 20005);

	group("a taken port");
	EXPECT_EQ(outcome(), 1);
	set_rules(FWD_TCP_IN, 20008, 20012, 20008, true);
	conf.rules[FWD_UDP_IN].n = 0;
	EXPECT_EQ(outcome(), 42);
	set_rules(FWD_TCP_IN, 20003, 20006, 20003, true);
	EXPECT_EQ(outcome(), 1);
	no_rules();
	EXPECT_EQ(outcome(), 42);	/* what it inherited */

	group("closed: events of before find nobody");
	ref.gen = 1;
	EXPECT(listener_at(ref));
	listen_close_all();
	EXPECT_EQ(count(FWD_TCP_IN), 0);
	EXPECT(!listener_at(ref));
	EXPECT_EQ(outcome(), 43);
	set_rules(FWD_TCP_IN, 20001, 20001, 20001, false);
	fwd_init(&conf);
	listen_all(true, true);
	EXPECT_EQ(count(FWD_TCP_IN), 1);
	EXPECT(!listener_at(ref));
	listen_close_all();

	follow();
	follow_few();
	in_namespace();
	families();
	served();

	group("out of descriptors: an error, but some are enough of \"all\"");
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){ (rlim_t)fd + 4, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &low);
	set_rules(FWD_TCP_IN, 20001, 20100, 20001, true);
	EXPECT_EQ(outcome(), 42);
	set_rules(FWD_TCP_IN, 20001, 20100, 20001, false);
	EXPECT_EQ(outcome(), 1);
	setrlimit(RLIMIT_NOFILE, &old);

	group("nothing left open");
	i = dup(0);
	EXPECT_EQ(i, fd);
	return done();
}
