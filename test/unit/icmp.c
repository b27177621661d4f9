// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * icmp.c - echo flows over a socket pair in the place of the ping socket
 *
 * sock_ping() gives one end of a pair, the test plays the network at the other.
 * Error queues, and the TTL of what comes, are played by recvmsg().
 * link: -Wl,--wrap=sock_ping,--wrap=recvmsg,--wrap=send,--wrap=sock_source_moved
 */
#include "icmp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
#include "fwd.h"
#include "log.h"
#include "sock.h"
#include "util.h"
#include "wire.h"

static struct {
	int fail;			/* errno for the next sockets */
	int net;			/* our end of the last pair */
	unsigned opened;
	struct side side;
	int send_errno[4];		/* of the next sends, 0 = real */
	unsigned sends;
	int ttl;			/* of replies; 0: not told */
	const char *ours, *now;		/* the host's address: of the socket, */
	unsigned looks;			/* ... of a new one, how often asked */

	/* one entry of the error queue */
	bool queued;
	struct sock_extended_err ee;
	const char *offender;
	uint8_t quote[2000];
	size_t quoted;
} net;

int __wrap_sock_ping(const struct side *s);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t len, int flags);
ssize_t __real_send(int fd, const void *p, size_t len, int flags);

int __wrap_sock_ping(const struct side *s)
{
	int pair[2], buf = 1 << 18;

	net.side = *s;
	if (net.fail)
		return -net.fail;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
		abort();
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	net.net = pair[1];
	net.opened++;
	return pair[0];
}

bool __wrap_sock_source_moved(int fd, const struct side *s);

bool __wrap_sock_source_moved(int fd, const struct side *s)
{
	(void)fd;
	(void)s;
	net.looks++;
	return strcmp(net.ours, net.now) != 0;
}

ssize_t __wrap_send(int fd, const void *p, size_t len, int flags)
{
	unsigned i = net.sends++;

	if (fd != net.net && i < 4 && net.send_errno[i]) {
		errno = net.send_errno[i];
		return -1;
	}
	return __real_send(fd, p, len, flags);
}

/* received() - A reply, with its TTL or hop limit */
static ssize_t received(int fd, struct msghdr *m, int flags)
{
	bool v6 = !addr_is4(&net.side.peer);
	struct msghdr plain = {
		.msg_name = m->msg_name, .msg_namelen = m->msg_namelen,
		.msg_iov = m->msg_iov, .msg_iovlen = m->msg_iovlen,
	};
	ssize_t n = __real_recvmsg(fd, &plain, flags);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	m->msg_controllen = 0;
	if (n < 0 || !net.ttl)
		return n;
	c->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
	c->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
	c->cmsg_len = CMSG_LEN(sizeof(net.ttl));
	memcpy(CMSG_DATA(c), &net.ttl, sizeof(net.ttl));
	m->msg_controllen = CMSG_SPACE(sizeof(net.ttl));
	return n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	union sockaddr_any sa;
	size_t n;

	if (!(flags & MSG_ERRQUEUE))
		return received(fd, m, flags);
	if (!net.queued) {
		errno = EAGAIN;
		return -1;
	}
	net.queued = false;
	n = MIN(net.quoted, m->msg_iov[0].iov_len);
	memcpy(m->msg_iov[0].iov_base, net.quote, n);

	memset(&sa, 0, sizeof(sa));
	if (net.offender) {
		union addr a = A(net.offender);

		addr_to_sa(&sa, addr_is4(&a) ? AF_INET : AF_INET6, &a, 0, 0);
	}
	if (net.ee.ee_origin == SO_EE_ORIGIN_ICMP6) {
		c->cmsg_level = SOL_IPV6;
		c->cmsg_type = IPV6_RECVERR;
	} else {
		c->cmsg_level = SOL_IP;
		c->cmsg_type = IP_RECVERR;
	}
	c->cmsg_len = CMSG_LEN(sizeof(net.ee) + sizeof(sa));
	memcpy(CMSG_DATA(c), &net.ee, sizeof(net.ee));
	memcpy(CMSG_DATA(c) + sizeof(net.ee), &sa, sizeof(sa));
	m->msg_controllen = CMSG_SPACE(sizeof(net.ee) + sizeof(sa));
	return (ssize_t)n;
}

static uint8_t frame[70000], data[65536];

static void start(void)
{
	struct guest g = wire_facts();
	static struct fwd_conf fc;

	fc.net[GUEST_V4].map_host_loopback = A("192.0.2.1");
	fc.net[GUEST_V6].map_host_loopback = A("fe80::1");
	wire_start(&g);
	fwd_init(&fc);
	timer_reset();
	flow_init();
	memset(&net, 0, sizeof(net));
	net.net = -1;
	net.ours = net.now = "198.51.100.1";
}

static void echo_as(const char *src, const char *dst, uint8_t type,
		    uint8_t code, uint8_t ttl, uint16_t id, uint16_t seq,
		    size_t len, size_t elem)
{
	union addr d = A(dst);
	struct writer w;
	struct pkt p;

	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, src, dst, addr_is4(&d) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		ttl, 8 + len);
	wr_u8(&w, type);
	wr_u8(&w, code);
	wr_be16(&w, 0);
	wr_be16(&w, id);
	wr_be16(&w, seq);
	wr_put(&w, data, len);
	EXPECT(wr_ok(&w));
	EXPECT_EQ(wire_pkt(&p, &w, elem), HDR_OK);
	icmp_input(&p);
}

static bool is6(const char *dst)
{
	return strchr(dst, ':');
}

static void echo(const char *dst, uint16_t id, uint16_t seq, size_t len)
{
	echo_as(is6(dst) ? "2001:db8::1234:2" : "192.0.2.2", dst,
		is6(dst) ? 128 : 8, 0, 64, id, seq, len, 0);
}

/* asked() - The request as the network gets it */
static bool asked(uint8_t type, uint16_t seq, size_t len)
{
	static uint8_t b[70000];
	ssize_t n = recv(net.net, b, sizeof(b), MSG_DONTWAIT);

	return EXPECT_EQ(n, 8 + len) && EXPECT_EQ(wire_be(b, 2), type << 8) &&
	       EXPECT_EQ(wire_be(b + 6, 2), seq) &&
	       EXPECT_MEM(b + 8, data, len);
}

/* events() - One turn of the loop for echo sockets */
static void events(uint32_t more)
{
	struct ev_event e[16];
	int i, n = ev_wait(e, 16, 0);

	for (i = 0; i < n; i++) {
		EXPECT_EQ(e[i].ref.type, EV_PING);
		icmp_sock_ready(e[i].ref, e[i].mask | more);
	}
	flow_reap();
}

/* answer() - The network replies under another identifier */
static void answer(uint8_t type, uint16_t seq, size_t len)
{
	static uint8_t b[70000];
	struct writer w;

	wr_init(&w, b, sizeof(b));
	wr_be16(&w, (uint16_t)(type << 8));
	wr_be16(&w, 0x1234);
	wr_be16(&w, 0xabcd);
	wr_be16(&w, seq);
	wr_put(&w, data, len);
	EXPECT_EQ(__real_send(net.net, b, w.len, 0), w.len);
}

static void replied(const char *src, const char *dst, uint16_t id, uint16_t seq,
		    size_t len)
{
	static struct wire_frame f;
	union addr s = A(src), d = A(dst);

	events(0);
	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT(addr_eq(&f.src, &s) && addr_eq(&f.dst, &d));
	EXPECT_EQ(f.ttl, net.ttl ? net.ttl : 255);
	EXPECT_EQ(wire_be(f.l4, 2), is6(dst) ? 129 << 8 : 0);
	EXPECT_EQ(wire_be(f.l4 + 4, 2), id);
	EXPECT_EQ(wire_be(f.l4 + 6, 2), seq);
	if (EXPECT_EQ(f.datalen, len))
		EXPECT_MEM(f.data, data, len);
	EXPECT(wire_silent());
}

/* failed() - The guest was told so by an ICMP error quoting its request */
static void failed(const char *from, const char *dst, uint8_t type,
		   uint8_t code, uint32_t info, uint16_t id, uint16_t seq)
{
	bool v6 = is6(dst);
	union addr r = A(from), o = A(dst),
		   g = A(v6 ? "2001:db8::1234:2" : "192.0.2.2");
	size_t iplen = v6 ? 40 : 20;
	struct wire_frame f;

	if (!EXPECT(wire_pop(&f)))
		return;
	EXPECT(addr_eq(&f.src, &r) && addr_eq(&f.dst, &g));
	EXPECT_EQ(wire_be(f.l4, 2), type << 8 | code);
	EXPECT_EQ(wire_be(f.l4 + 4, 4), info);
	EXPECT(f.len <= (v6 ? 14U + 1280 : 14U + 576));
	if (!EXPECT(f.datalen >= iplen + 8))
		return;
	EXPECT_MEM(f.data + iplen - (v6 ? 16 : 4), o.b + (v6 ? 0 : 12),
		   v6 ? 16 : 4);
	EXPECT_MEM(f.data + iplen - (v6 ? 32 : 8), g.b + (v6 ? 0 : 12),
		   v6 ? 16 : 4);
	EXPECT_EQ(f.data[iplen], v6 ? 128 : 8);
	EXPECT_EQ(wire_be(f.data + iplen + 4, 2), id);
	EXPECT_EQ(wire_be(f.data + iplen + 6, 2), seq);
	EXPECT(wire_silent());
}

static void end(void)
{
	union flow *f;

	while ((f = flow_each(NULL)))
		icmp_close(f);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
	EXPECT(fake_idle());
	if (net.net >= 0)
		close(net.net);
}

static void echoes(void)
{
	static const size_t sizes[] = { 0, 1, 56, 1400, 65492 };
	static const uint16_t ids[] = { 0, 1, 0x1234, 65535 };
	unsigned i;

	group("requests and replies");
	for (i = 0; i < ARRAY_LEN(ids); i++) {
		start();
		echo("8.8.8.8", ids[i], 7, 56);
		EXPECT(asked(8, 7, 56));
		EXPECT_EQ(net.side.ours_port, ids[i]);
		answer(0, 7, 56);
		replied("8.8.8.8", "192.0.2.2", ids[i], 7, 56);
		/* The same flow again */
		echo("8.8.8.8", ids[i], 8, 9);
		EXPECT(asked(8, 8, 9));
		answer(0, 8, 9);
		replied("8.8.8.8", "192.0.2.2", ids[i], 8, 9);
		EXPECT_EQ(net.opened, 1);
		end();
	}
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		start();
		echo("8.8.8.8", 5, 65535, sizes[i]);
		EXPECT(asked(8, 65535, sizes[i]));
		answer(0, 65535, sizes[i]);
		replied("8.8.8.8", "192.0.2.2", 5, 65535, sizes[i]);
		end();
		if (sizes[i] > 65472)
			continue;
		start();
		echo("2600::1", 5, 1, sizes[i]);
		EXPECT(asked(128, 1, sizes[i]));
		answer(129, 1, sizes[i]);
		replied("2600::1", "2001:db8::1234:2", 5, 1, sizes[i]);
		end();
	}
	for (i = 1; i < 60; i++) {
		start();
		echo_as("192.0.2.2", "8.8.8.8", 8, 0, 64, 5, 1, 100, i);
		EXPECT(asked(8, 1, 100));
		end();
	}

	group("the gateway is the host's loopback");
	start();
	echo("192.0.2.1", 5, 1, 56);
	EXPECT(addr_is_loopback(&net.side.peer));
	answer(0, 1, 56);
	replied("192.0.2.1", "192.0.2.2", 5, 1, 56);
	end();
	start();
	echo_as("fe80::2", "fe80::1", 128, 0, 64, 5, 1, 56, 0);
	EXPECT(addr_is_loopback(&net.side.peer));
	answer(129, 1, 56);
	replied("fe80::1", "fe80::2", 5, 1, 56);
	end();

	group("what is not passed on");
	start();
	echo_as("192.0.2.2", "8.8.8.8", 0, 0, 64, 5, 1, 56, 0);
	echo_as("192.0.2.2", "8.8.8.8", 13, 0, 64, 5, 1, 56, 0);
	echo_as("192.0.2.2", "8.8.8.8", 128, 0, 64, 5, 1, 56, 0);
	echo_as("192.0.2.2", "8.8.8.8", 8, 1, 64, 5, 1, 56, 0);
	echo_as("192.0.2.2", "8.8.8.8", 8, 0, 0, 5, 1, 56, 0);
	echo_as("2001:db8::1", "2600::1", 8, 0, 64, 5, 1, 56, 0);
	echo_as("2001:db8::1", "2600::1", 143, 0, 64, 5, 1, 56, 0);
	echo_as("2001:db8::1", "2600::1", 1, 0, 64, 5, 1, 56, 0);
	EXPECT_EQ(flow_count(), 0);
	EXPECT(wire_silent());
	echo("8.8.8.8", 5, 1, 56);
	answer(8, 1, 56);		/* no reply */
	answer(3, 1, 56);
	EXPECT_EQ(__real_send(net.net, "\0\0\0\0\0\0", 7, 0), 7);
	EXPECT_EQ(__real_send(net.net, "", 0, 0), 0);
	events(0);
	EXPECT(wire_silent());
	end();

	group("duplicates of either side are kept");
	start();
	for (i = 0; i < 3; i++) {
		echo("8.8.8.8", 5, 1, 56);
		EXPECT(asked(8, 1, 56));
	}
	for (i = 0; i < 3; i++) {
		static struct wire_frame f;

		answer(0, 1, 56);
		answer(0, 1, 56);
		events(0);
		EXPECT(wire_pop(&f) && wire_be(f.l4 + 6, 2) == 1);
		EXPECT(wire_pop(&f) && wire_be(f.l4 + 6, 2) == 1);
		EXPECT(wire_silent());
	}
	end();

	group("the TTL of a reply is what it came with");
	for (i = 0; i < 6; i++) {
		static const int ttl[] = { 64, 1, 255 };

		start();
		net.ttl = ttl[i % 3];
		echo(i < 3 ? "8.8.8.8" : "2600::1", 5, 1, 56);
		answer(i < 3 ? 0 : 129, 1, 56);
		replied(i < 3 ? "8.8.8.8" : "2600::1",
			i < 3 ? "192.0.2.2" : "2001:db8::1234:2", 5, 1, 56);
		end();
	}
}

static void flows(void)
{
	union ev_ref stale;
	struct timer *t;
	union flow *f;
	unsigned i;

	group("one flow per source, destination, identifier");
	start();
	for (i = 0; i < 2; i++) {
		echo("8.8.8.8", 5, 1, 56);
		echo("8.8.4.4", 5, 1, 56);
		echo("8.8.8.8", 6, 1, 56);
		echo_as("192.0.2.3", "8.8.8.8", 8, 0, 64, 5, 1, 56, 0);
		echo("2600::1", 5, 1, 56);
		EXPECT_EQ(net.opened, 5);
		EXPECT_EQ(flow_count(), 5);
	}
	end();

	group("budget of one event");
	start();
	echo("8.8.8.8", 5, 1, 56);
	for (i = 0; i < 40; i++) {
		uint8_t r[8] = { 0 };

		r[7] = (uint8_t)i;
		EXPECT_EQ(__real_send(net.net, r, 8, MSG_DONTWAIT), 8);
	}
	events(0);
	EXPECT_EQ(fake_pending(), 32);
	events(0);
	EXPECT_EQ(fake_pending(), 40);
	while (fake_pop(NULL, 0, NULL))
		;
	end();

	group("idle for a minute");
	clock_set(SEC);
	start();
	echo("8.8.8.8", 5, 1, 56);
	clock_set(40 * SEC);
	echo("8.8.8.8", 5, 2, 56);
	clock_set(62 * SEC);
	EXPECT(!timer_pop());
	clock_set(99 * SEC);
	EXPECT(!timer_pop());
	f = flow_each(NULL);
	stale = flow_ref(f, EV_PING, 1);
	clock_set(101 * SEC);
	t = timer_pop();
	if (EXPECT(t) && EXPECT_EQ(t->kind, TM_PING))
		icmp_timer(t);
	EXPECT_EQ(recv(net.net, frame, 1, MSG_DONTWAIT) >= 0, true);
	icmp_sock_ready(stale, EPOLLIN);
	icmp_close(f);			/* harmless */
	flow_reap();
	icmp_sock_ready(stale, EPOLLIN | EPOLLERR);
	EXPECT_EQ(flow_count(), 0);
	echo("8.8.8.8", 5, 2, 56);
	EXPECT_EQ(net.opened, 2);
	end();
}

static void moved(void)
{
	group("the host's address is another one: the next socket has it");
	clock_set(SEC);
	start();
	net.now = "198.51.100.2";
	echo("8.8.8.8", 5, 1, 56);
	EXPECT(asked(8, 1, 56));
	clock_set(8 * SEC);
	echo("8.8.8.8", 5, 2, 56);
	EXPECT(asked(8, 2, 56));
	answer(0, 2, 56);
	replied("8.8.8.8", "192.0.2.2", 5, 2, 56);
	clock_set(17 * SEC);			/* not without a reply for long */
	echo("8.8.8.8", 5, 3, 56);
	EXPECT(asked(8, 3, 56));
	EXPECT_EQ(net.looks, 0);
	clock_set(19 * SEC);
	echo("8.8.8.8", 5, 4, 56);
	EXPECT_EQ(net.looks, 1);
	EXPECT_EQ(net.opened, 2);
	EXPECT(asked(8, 4, 56));
	flow_reap();
	EXPECT_EQ(flow_count(), 1);

	group("or it is not: then somebody else does not answer");
	net.ours = net.now;
	clock_set(40 * SEC);
	echo("8.8.8.8", 5, 5, 56);
	EXPECT_EQ(net.looks, 2);
	EXPECT_EQ(net.opened, 2);
	EXPECT(asked(8, 5, 56));
	end();
}

static void queue(uint8_t origin, uint8_t type, uint8_t code, uint32_t info,
		  const char *offender, size_t len)
{
	static const uint8_t head[] = { 8, 0, 1, 2, 0xab, 0xcd, 0, 77 };

	memset(&net.ee, 0, sizeof(net.ee));
	net.ee.ee_origin = origin;
	net.ee.ee_type = type;
	net.ee.ee_code = code;
	net.ee.ee_info = info;
	net.offender = offender;
	memset(net.quote, 0x55, sizeof(net.quote));
	memcpy(net.quote, head, 8);
	if (origin == SO_EE_ORIGIN_ICMP6)
		net.quote[0] = 128;
	net.quoted = len;
	net.queued = true;
	/* Anything to raise an event */
	EXPECT_EQ(__real_send(net.net, "", 1, 0), 1);
	events(EPOLLERR);
}

static void errors(void)
{
	group("errors from outside");
	start();
	echo("8.8.8.8", 5, 77, 56);
	queue(SO_EE_ORIGIN_ICMP, 11, 0, 0, "198.51.100.1", 64);
	failed("198.51.100.1", "8.8.8.8", 11, 0, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 99, "198.51.100.1", 8);
	failed("198.51.100.1", "8.8.8.8", 3, 1, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP, 3, 4, 1400, "198.51.100.1", 1800);
	failed("198.51.100.1", "8.8.8.8", 3, 4, 1400, 5, 77);
	queue(SO_EE_ORIGIN_ICMP, 3, 2, 0, "8.8.8.8", 64);
	failed("8.8.8.8", "8.8.8.8", 3, 2, 0, 5, 77);
	/* From whom the guest must not or cannot hear */
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 0, "192.0.2.2", 64);
	failed("192.0.2.1", "8.8.8.8", 3, 1, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 0, "127.0.0.1", 64);
	failed("192.0.2.1", "8.8.8.8", 3, 1, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 0, NULL, 64);
	failed("192.0.2.1", "8.8.8.8", 3, 1, 0, 5, 77);
	/* Nothing to tell */
	queue(SO_EE_ORIGIN_ICMP, 5, 1, 0, "198.51.100.1", 64);
	queue(SO_EE_ORIGIN_ICMP, 4, 0, 0, "198.51.100.1", 64);
	queue(SO_EE_ORIGIN_LOCAL, 3, 1, 0, "198.51.100.1", 64);
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 0, "198.51.100.1", 7);
	queue(SO_EE_ORIGIN_ICMP, 3, 1, 0, "198.51.100.1", 0);
	EXPECT(wire_silent());
	end();

	start();
	echo("2600::1", 5, 77, 56);
	queue(SO_EE_ORIGIN_ICMP6, 3, 0, 0, "2001:db8:5::1", 64);
	failed("2001:db8:5::1", "2600::1", 3, 0, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP6, 2, 0, 1400, "2001:db8:5::1", 2000);
	failed("2001:db8:5::1", "2600::1", 2, 0, 1400, 5, 77);
	queue(SO_EE_ORIGIN_ICMP6, 1, 3, 0, "2001:db8::1234:2", 64);
	failed("fe80::1", "2600::1", 1, 3, 0, 5, 77);
	queue(SO_EE_ORIGIN_ICMP6, 137, 3, 0, "2001:db8:5::1", 64);
	EXPECT(wire_silent());
	end();

	group("errors of the host itself");
	start();
	net.fail = ENETUNREACH;
	echo("8.8.8.8", 5, 77, 56);
	failed("192.0.2.1", "8.8.8.8", 3, 0, 0, 5, 77);
	echo("2600::1", 5, 77, 2000);
	failed("fe80::1", "2600::1", 1, 0, 0, 5, 77);
	net.fail = EHOSTUNREACH;
	echo("8.8.8.8", 5, 77, 2000);
	failed("192.0.2.1", "8.8.8.8", 3, 1, 0, 5, 77);
	net.fail = EMFILE;
	echo("8.8.8.8", 5, 77, 56);
	EXPECT(wire_silent());
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	net.fail = 0;
	net.sends = 0;
	net.send_errno[0] = EHOSTUNREACH;	/* pending from before */
	echo("8.8.8.8", 5, 77, 56);
	EXPECT(asked(8, 77, 56));
	EXPECT(wire_silent());
	net.sends = 0;
	net.send_errno[1] = EPERM;
	echo("8.8.8.8", 5, 77, 56);
	failed("192.0.2.1", "8.8.8.8", 3, 13, 0, 5, 77);
	net.sends = 0;
	net.send_errno[0] = EAGAIN;
	echo("8.8.8.8", 5, 77, 56);
	EXPECT(wire_silent());
	end();
}

/* What is said when ping sockets are forbidden, and how often */
static void forbidden(void)
{
	static char text[4096];
	int fds[2], err = dup(2);
	ssize_t n;
	char *p;

	group("ping sockets forbidden");
	start();
	if (err < 0 || pipe(fds))
		abort();
	log_to_stderr(true);
	fflush(stderr);
	dup2(fds[1], 2);
	net.fail = EACCES;
	echo("8.8.8.8", 5, 77, 56);
	failed("192.0.2.1", "8.8.8.8", 3, 13, 0, 5, 77);
	echo("2600::1", 5, 77, 56);
	failed("fe80::1", "2600::1", 1, 1, 0, 5, 77);
	fflush(stderr);
	dup2(err, 2);
	close(err);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	EXPECT(n > 0);
	p = strstr(text, "net.ipv4.ping_group_range");
	EXPECT(p);
	p = strchr(text, '\n');
	EXPECT(p && !p[1]);		/* one line */
	flow_reap();
	end();
}

int main(void)
{
	unsigned i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + (i >> 8));
	ev_init();
	clock_set(SEC);
	echoes();
	flows();
	moved();
	errors();
	forbidden();
	return done();
}
