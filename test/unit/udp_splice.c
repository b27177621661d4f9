// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp_splice.c - datagrams past the guest, between two real namespaces
 *
 * The target's namespace has servers on port 6500, the host's on 7500; clients
 * find them at 6000 on the host and 7000 in the namespace. sendmmsg() is
 * wrapped to count messages, and to refuse segmentation.
 *
 * link: -Wl,--wrap=sendmmsg,--wrap=socket
 */
#include "udp_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "csum.h"
#include "fake_tap.h"
#include "fwd_listen.h"
#include "guest.h"
#include "log.h"
#include "ns.h"
#include "siphash.h"
#include "sock.h"
#include "store.h"
#include "timer.h"
#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define CLIENTS	100

static struct {
	unsigned calls, messages;
	int refuse_gso;			/* errno, 0 = let pass */
	bool no_sockets;
} wrap;

int __real_socket(int family, int type, int proto);
int __wrap_socket(int family, int type, int proto);
int __wrap_socket(int family, int type, int proto)
{
	if (wrap.no_sockets) {
		errno = EMFILE;
		return -1;
	}
	return __real_socket(family, type, proto);
}

int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	struct cmsghdr *c;
	int sent;

	wrap.calls++;
	for (c = CMSG_FIRSTHDR(&m->msg_hdr); c && wrap.refuse_gso;
	     c = CMSG_NXTHDR(&m->msg_hdr, c)) {
		if (c->cmsg_level == SOL_UDP) {
			errno = wrap.refuse_gso;
			return -1;
		}
	}
	sent = __real_sendmmsg(fd, m, n, flags);
	wrap.messages += sent > 0 ? (unsigned)sent : 0;
	return sent;
}

static struct fwd_conf conf = { .splice = true, .host_lo_to_ns_lo = true };
static struct guest facts = { .net = { { .on = true }, { .on = true } } };
static uint64_t now = 1000 * SEC;

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
}

/* ------------------------------------------------------------ programs */

static int here(void *arg)
{
	return socket(*(int *)arg, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

/* program() - A socket bound to @addr and @port */
static int program(bool in_ns, const char *addr, in_port_t port)
{
	union sockaddr_any sa;
	union addr a = A(addr);
	int family = addr_is4(&a) ? AF_INET : AF_INET6, fd;
	socklen_t len = addr_to_sa(&sa, family, &a, port, 0);
	int size = 4 << 20;

	fd = in_ns ? ns_call(here, &family) : here(&family);
	if (fd < 0 || bind(fd, &sa.sa, len))
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static in_port_t port_of(int fd)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	union addr a;
	in_port_t port = 0;

	getsockname(fd, &sa.sa, &len);
	addr_from_sa(&sa, &a, &port);
	return port;
}

static void put(int fd, const char *addr, in_port_t port, const void *data,
		size_t len)
{
	union sockaddr_any sa;
	union addr a = A(addr);
	socklen_t salen = addr_to_sa(&sa, addr_is4(&a) ? AF_INET : AF_INET6,
				     &a, port, 0);

	EXPECT_EQ(sendto(fd, data, len, 0, &sa.sa, salen), (ssize_t)len);
}

static in_port_t from_port;
static union addr from_addr;
static uint8_t buf[70000], data[70000];

/* get() - Length of what came; -1 if nothing did */
static ssize_t get(int fd)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, &sa.sa, &len);

	if (n >= 0)
		addr_from_sa(&sa, &from_addr, &from_port);
	return n;
}

/* turn() - What the loop does with what is ready now */
static void turn(void)
{
	struct ev_event ev[16];
	struct timer *t;
	int i, n = ev_wait(ev, 16, 2);

	clock_set(now);
	for (i = 0; i < n; i++) {
		if (ev[i].ref.type == EV_UDP)
			udp_sock_ready(ev[i].ref, ev[i].mask);
		else if (EXPECT_EQ(ev[i].ref.type, EV_UDP_LISTEN))
			udp_listen_ready(ev[i].ref, ev[i].mask);
	}
	while ((t = timer_pop()))
		udp_timer(t);
	flow_reap();
	EXPECT(fake_idle());
}

static void settle(void)
{
	unsigned i;

	for (i = 0; i < 10; i++)
		turn();
}

/* ------------------------------------------------------------ the tests */

struct way {
	const char *name, *lo;
	bool in;			/* into the namespace */
	in_port_t port, target;
};

static const struct way ways[] = {
	{ "in, IPv4", "127.0.0.1", true, 6000, 6500 },
	{ "in, IPv6", "::1", true, 6000, 6500 },
	{ "out, IPv4", "127.0.0.1", false, 7000, 7500 },
	{ "out, IPv6", "::1", false, 7000, 7500 },
};

/* reply() - The server answers with what it got last */
static void reply(int s, ssize_t n)
{
	char text[ADDR_STRLEN];
	in_port_t port = from_port;

	put(s, addr_str(&from_addr, text), port, buf, (size_t)n);
}

static void sizes(const struct way *w, int c, int s)
{
	static const size_t size[] = { 0, 1, 1472, 9000, 60000, 65507 };
	union addr lo = A(w->lo);
	size_t i, k;

	for (i = 0; i < sizeof(size) / sizeof(*size); i++) {
		for (k = 0; k < size[i]; k++)
			data[k] = (uint8_t)(k * 13 + i);
		put(c, w->lo, w->port, data, size[i]);
		settle();
		if (!EXPECT_EQ(get(s), size[i]))
			continue;
		EXPECT_MEM(buf, data, size[i]);
		EXPECT(addr_eq(&from_addr, &lo));
		EXPECT_EQ(from_port, port_of(c));
		reply(s, (ssize_t)size[i]);
		settle();
		EXPECT_EQ(get(c), size[i]);
		EXPECT_MEM(buf, data, size[i]);
		EXPECT(addr_eq(&from_addr, &lo));
		EXPECT_EQ(from_port, w->port);
	}
	EXPECT_EQ(flow_count(), 1);
	EXPECT_EQ(get(c), -1);
	EXPECT_EQ(get(s), -1);
}

/* @n datagrams one way, the last one shorter */
static unsigned batch(int from, int to, const char *lo, in_port_t port,
		      unsigned n)
{
	unsigned i, good = 0;

	for (i = 0; i < n; i++) {
		memset(data, (int)i, 1000);
		put(from, lo, port, data, i == n - 1 ? 10 : 1000);
	}
	wrap.calls = wrap.messages = 0;
	settle();
	for (i = 0; i < n; i++)
		good += get(to) == (i == n - 1 ? 10 : 1000) &&
			buf[0] == (uint8_t)i && buf[9] == (uint8_t)i;
	EXPECT_EQ(get(to), -1);
	return good;
}

static void batches(const struct way *w, int c, int s)
{
	in_port_t port = port_of(c);

	/* 4, 8, 16 are read at once, and so leave at once */
	wrap.refuse_gso = 0;
	EXPECT_EQ(batch(c, s, w->lo, w->port, 50), 50);
	EXPECT(wrap.messages < 10);
	EXPECT_EQ(batch(s, c, w->lo, port, 50), 50);
	EXPECT(wrap.messages < 10);

	wrap.refuse_gso = EIO;
	EXPECT_EQ(batch(c, s, w->lo, w->port, 50), 50);
	EXPECT_EQ(wrap.messages, 50);
	EXPECT(wrap.calls < 20);
	wrap.refuse_gso = 0;
}

/* Segments of the sender stay segments, and nobody's TTL is carried */
static void segments(const struct way *w, int c, int s)
{
	bool v4 = *w->lo != ':';
	int ttl = 3, one = 1, seg = 1000;
	union {
		struct cmsghdr align;
		uint8_t buf[256];
	} ctrl;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &ctrl,
			    .msg_controllen = sizeof(ctrl) };

	setsockopt(c, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS,
		   &ttl, sizeof(ttl));
	setsockopt(s, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVTTL :
		   IPV6_RECVHOPLIMIT, &one, sizeof(one));
	setsockopt(c, SOL_UDP, UDP_SEGMENT, &seg, sizeof(seg));
	put(c, w->lo, w->port, data, 2500);
	settle();
	EXPECT_EQ(recvmsg(s, &m, 0), 1000);
	if (EXPECT(CMSG_FIRSTHDR(&m)))
		memcpy(&ttl, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(ttl));
	EXPECT_EQ(ttl, 64);
	EXPECT_EQ(get(s), 1000);
	EXPECT_EQ(get(s), 500);
	EXPECT_EQ(get(s), -1);
}

static void many(const struct way *w, int s)
{
	static int c[CLIENTS];
	unsigned i, j, good = 0;
	ssize_t n;

	for (i = 0; i < CLIENTS; i++)
		c[i] = program(!w->in, w->lo, 0);
	for (j = 0; j < 3; j++) {
		for (i = 0; i < CLIENTS; i++) {
			uint32_t tag[2] = { i, j };

			put(c[i], w->lo, w->port, tag, sizeof(tag));
		}
	}
	settle();
	while ((n = get(s)) >= 0)
		reply(s, n);
	settle();
	for (j = 0; j < 3; j++) {
		for (i = 0; i < CLIENTS; i++) {
			uint32_t tag[2] = { i, j };

			good += get(c[i]) == sizeof(tag) &&
				!memcmp(buf, tag, sizeof(tag)) &&
				from_port == w->port;
		}
	}
	EXPECT_EQ(good, 3 * CLIENTS);
	EXPECT_EQ(flow_count(), CLIENTS + 1);
	for (i = 0; i < CLIENTS; i++) {
		EXPECT_EQ(get(c[i]), -1);
		close(c[i]);
	}
}

/* quiet() - No event comes back for ever */
static void quiet(void)
{
	struct ev_event ev[16];

	settle();
	EXPECT_EQ(ev_wait(ev, 16, 0), 0);
}

static void refusals(const struct way *w)
{
	int c = program(!w->in, w->lo, 0), s;

	put(c, w->lo, w->port, "x", 1);
	quiet();
	EXPECT_EQ(flow_count(), 1);
	put(c, w->lo, w->port, "y", 1);
	put(c, w->lo, w->port, "z", 1);
	quiet();

	/* An old error costs no datagram */
	put(c, w->lo, w->port, "z", 1);
	settle();
	s = program(w->in, w->lo, w->target);
	put(c, w->lo, w->port, "a", 1);
	settle();
	EXPECT_EQ(get(s), 1);
	EXPECT_EQ(*buf, 'a');

	/* The client has gone */
	close(c);
	reply(s, 1);
	quiet();
	reply(s, 1);
	quiet();
	close(s);

	/* The target's own port for source: never connected with itself */
	c = program(!w->in, w->lo, w->target);
	put(c, w->lo, w->port, "b", 1);
	settle();
	EXPECT_EQ(get(c), -1);
	s = program(w->in, w->lo, w->target);
	put(c, w->lo, w->port, "c", 1);
	settle();
	EXPECT_EQ(get(s), 1);
	EXPECT_EQ(*buf, 'c');
	EXPECT(from_port != w->target);
	close(c);
	close(s);

	/* No socket: dropped, and the next one tries again */
	store_init();
	udp_splice_init();
	s = program(w->in, w->lo, w->target);
	c = program(!w->in, w->lo, 0);
	wrap.no_sockets = true;
	put(c, w->lo, w->port, "d", 1);
	quiet();
	EXPECT_EQ(get(s), -1);
	wrap.no_sockets = false;
	put(c, w->lo, w->port, "e", 1);
	quiet();
	EXPECT_EQ(get(s), 1);
	EXPECT_EQ(*buf, 'e');
	close(c);
	close(s);
}

/* 30 seconds at first, 120 once there was an answer and more */
static void timeouts(const struct way *w)
{
	int c = program(!w->in, w->lo, 0), s = program(w->in, w->lo, w->target);

	put(c, w->lo, w->port, "x", 1);
	put(c, w->lo, w->port, "y", 1);
	settle();
	EXPECT_EQ(flow_count(), 1);
	now += 29 * SEC;
	turn();
	EXPECT_EQ(flow_count(), 1);
	now += 2 * SEC;
	turn();
	EXPECT_EQ(flow_count(), 0);

	put(c, w->lo, w->port, "x", 1);
	put(c, w->lo, w->port, "y", 1);
	settle();
	while (get(s) > 0)
		;
	reply(s, 1);
	settle();
	EXPECT_EQ(get(c), 1);
	now += 119 * SEC;
	turn();
	EXPECT_EQ(flow_count(), 1);
	now += 2 * SEC;
	turn();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
	close(c);
	close(s);
}

static void expire(void)
{
	now += 200 * SEC;
	turn();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
}

/* ask() - @n clients one after the other, each once; how many are heard, and have
 * their answers if the server is to @answer */
static unsigned ask(const struct way *w, int s, unsigned n, bool answer)
{
	unsigned good = 0, i;
	int c;

	for (i = 0; i < n; i++) {
		c = program(!w->in, w->lo, 0);
		put(c, w->lo, w->port, &i, sizeof(i));
		turn();
		if (get(s) != sizeof(i) || memcmp(buf, &i, sizeof(i))) {
			close(c);
			continue;
		}
		if (answer) {
			reply(s, sizeof(i));
			turn();
		}
		good += !answer || get(c) == sizeof(i);
		close(c);
	}
	return good;
}

/* Descriptors are for others as well */
static void few_descriptors(const struct way *w)
{
	int s = program(w->in, w->lo, w->target), fd;
	struct rlimit old;

	getrlimit(RLIMIT_NOFILE, &old);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 256, old.rlim_max });
	udp_init();
	store_init();
	udp_splice_init();

	group("questions in a row: an eighth of the descriptors");
	EXPECT_EQ(ask(w, s, 200, true), 200);
	EXPECT(flow_count() >= 32 && flow_count() <= 34);
	expire();

	group("... half of them, if no answers come");
	EXPECT_EQ(ask(w, s, 400, false), 400);
	EXPECT(flow_count() >= 120 && flow_count() <= 134);
	expire();

	group("... with none left: first those in store, then the oldest flows");
	store_init();
	udp_splice_init();
	EXPECT_EQ(ask(w, s, 1, false), 1);
	fd = dup(s);
	close(fd);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)fd + 12,
						   old.rlim_max });
	EXPECT_EQ(ask(w, s, 100, false), 100);
	EXPECT(flow_count() >= 5 && flow_count() <= 13);
	EXPECT_EQ(ask(w, s, 100, true), 100);
	setrlimit(RLIMIT_NOFILE, &old);
	close(s);
	expire();
	udp_init();
	store_init();
	udp_splice_init();
	EXPECT(!store_release());
}

/* A port forwarded both ways: told from a client by our own address */
static void both_ways(void)
{
	struct ev_event ev[16];
	unsigned i;
	int c;

	for (i = 0; i < 4; i++) {
		c = program(i & 1, i & 2 ? "127.0.0.1" : "::1", 0);
		put(c, i & 2 ? "127.0.0.1" : "::1", 8000, "round", 5);
		settle();
		EXPECT_EQ(ev_wait(ev, 16, 0), 0);
		EXPECT_EQ(flow_count(), i + 1);
		close(c);
	}
}

/* The guest's port has no room: local clients do not care */
static void no_tap(void)
{
	const struct way *w = &ways[0];
	int c = program(false, w->lo, 0), s = program(true, w->lo, w->target);

	fake_knobs()->slots = 0;
	put(c, w->lo, w->port, "x", 1);
	settle();
	EXPECT_EQ(get(s), 1);
	reply(s, 1);
	settle();
	EXPECT_EQ(get(c), 1);
	fake_reset();
	close(c);
	close(s);
}

static void rule(enum fwd_table t, in_port_t port, in_port_t target)
{
	struct ruleset *rs = &conf.rules[t];

	rs->rule[rs->n++] = (struct fwd_rule){ .addr = ADDR_NONE, .first = port,
					       .last = port, .target = target };
}

static void start(void)
{
	rule(FWD_UDP_IN, 6000, 6500);
	rule(FWD_UDP_IN, 8000, 8000);
	rule(FWD_UDP_NS, 7000, 7500);
	rule(FWD_UDP_NS, 8000, 8000);
	csum_init();
	siphash_init(1);
	clock_set(now);
	timer_reset();
	flow_init();
	guest_init(&facts);
	fwd_init(&conf);
	ev_init();
	sock_init(0, false);
	udp_init();
	store_init();
	udp_splice_init();
	fake_reset();
	tap_attach(&fake_tap_ops);
	listen_all(true, true);
	listen_ns(true, true);
}

int main(void)
{
	const struct way *w;
	int fd, c, s;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		skip_all("no namespaces of our own");
	lo_up();
	ns_set(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	if (unshare(CLONE_NEWNET))
		skip_all("no second namespace");
	lo_up();
	log_to_stderr(getenv("TEST_DEBUG"));
	if (getenv("TEST_DEBUG"))
		log_set_level(LOG_LVL_DEBUG);
	start();
	fd = dup(0);
	close(fd);

	for (w = ways; w < ways + 4; w++) {
		group(w->name);
		c = program(!w->in, w->lo, 0);
		s = program(w->in, w->lo, w->target);
		sizes(w, c, s);
		batches(w, c, s);
		segments(w, c, s);
		many(w, s);
		close(c);
		close(s);
		expire();
		refusals(w);
		expire();
		timeouts(w);
	}
	few_descriptors(&ways[0]);
	few_descriptors(&ways[2]);
	group("a port forwarded both ways");
	both_ways();
	expire();
	group("no room at the guest's port");
	no_tap();
	expire();

	group("nothing left");
	store_init();
	udp_splice_init();
	EXPECT_EQ(dup(0), fd);
	return done();
}
