// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sock.c - sockets as the callers ask for them, over the loopback interface
 *
 * link: -Wl,--wrap=connect
 */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "check.h"

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

/* own_net() - A network of our own, if we may */
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

static in_port_t port_of(int fd)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	in_port_t port = 0;
	union addr a;

	if (!getsockname(fd, &sa.sa, &len))
		addr_from_sa(&sa, &a, &port);
	return port;
}

static int get_int(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	getsockopt(fd, level, name, &v, &len);
	return v;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 200) == 1;
}

static struct fwd_rule any_rule(void)
{
	return (struct fwd_rule){ .addr = ADDR_NONE };
}

static void tcp(const char *to)
{
	struct side s = { .peer = A(to), .pif = PIF_HOST };
	struct fwd_rule r = any_rule();
	bool pending;
	int l, c, a, n = 0;
	char b;

	group(to);
	l = sock_listen(IPPROTO_TCP, &r, 0, true, true);
	EXPECT(l >= 0);
	s.peer_port = port_of(l);
	c = sock_tcp_connect(&s, &pending);
	EXPECT(c >= 0);
	EXPECT(fcntl(c, F_GETFL) & O_NONBLOCK);
	EXPECT(fcntl(c, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(get_int(c, IPPROTO_TCP, TCP_NODELAY), 1);
	EXPECT(readable(l));
	a = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	EXPECT(a >= 0);
	EXPECT_EQ(get_int(a, IPPROTO_TCP, TCP_NODELAY), 1);
	EXPECT_EQ(sock_error(c), 0);
	EXPECT(sock_rtt(c) > 0 && sock_rtt(c) < 1000000);
	EXPECT_EQ(sock_rtt(-1), 0);

	sock_reset(c);
	EXPECT(readable(a));
	EXPECT_EQ(read(a, &b, 1), -1);
	EXPECT_EQ(errno, ECONNRESET);
	close(a);
	close(l);

	/* Nobody there any more: refused at once or soon */
	c = sock_tcp_connect(&s, &pending);
	if (c >= 0) {
		while (!n && readable(c))
			n = sock_error(c);
		EXPECT_EQ(n, ECONNREFUSED);
		close(c);
	} else {
		EXPECT_EQ(c, -ECONNREFUSED);
	}
}

static int udp_connect(const struct side *s)
{
	struct side copy = *s;
	bool open = true;
	int fd = sock_udp_connect(&copy, &open);

	EXPECT(!open);
	if (fd >= 0)
		EXPECT_EQ(port_of(fd), copy.ours_port);
	return fd;
}

static void close_udp(int fd, const struct side *s)
{
	sock_udp_close(&fd, s);
	EXPECT_EQ(fd, -1);
}

/* udp_at() - Bound, and ready to be shared with whoever is of the same user */
static int udp_at(const char *addr, in_port_t port)
{
	union addr a = A(addr);
	int family = addr_is4(&a) ? AF_INET : AF_INET6, on = 1;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, family, &a, port, 0);

	EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	EXPECT_EQ(bind(fd, &sa.sa, len), 0);
	return fd;
}

static void udp(const char *to)
{
	struct side s = { .peer = A(to), .pif = PIF_HOST };
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	int l, m, c, d, e, f, stranger;
	struct fwd_rule r = any_rule();
	union addr from;
	in_port_t port;
	char b[8];

	group(to);
	l = sock_listen(IPPROTO_UDP, &r, 0, true, true);
	m = sock_listen(IPPROTO_UDP, &r, 0, true, true);
	EXPECT(l >= 0 && m >= 0);
	s.peer_port = port_of(l);
	s.ours_port = 40001;

	c = udp_connect(&s);
	EXPECT(c >= 0);
	EXPECT_EQ(port_of(c), 40001);
	EXPECT_EQ(write(c, "hi", 2), 2);
	EXPECT(readable(l));
	EXPECT_EQ(recvfrom(l, b, sizeof(b), 0, &sa.sa, &len), 2);
	EXPECT(addr_from_sa(&sa, &from, &port));
	EXPECT(addr_eq(&from, &s.peer));
	EXPECT_EQ(port, 40001);

	/* A second peer from the same port, and each hears its own only */
	s.peer_port = port_of(m);
	d = udp_connect(&s);
	EXPECT(d >= 0);
	EXPECT_EQ(port_of(d), 40001);
	EXPECT_EQ(sendto(l, "l", 1, 0, &sa.sa, len), 1);
	EXPECT_EQ(sendto(m, "mm", 2, 0, &sa.sa, len), 2);
	EXPECT(readable(c) && readable(d));
	EXPECT_EQ(read(c, b, sizeof(b)), 1);
	EXPECT_EQ(read(d, b, sizeof(b)), 2);

	/* A port that somebody else has, although he would share it (another of
	 * our kind of the same user, of whose flows we know nothing): another
	 * one, and it works */
	stranger = udp_at(to, 40002);
	s.ours_port = 40002;
	e = udp_connect(&s);
	EXPECT(e >= 0);
	EXPECT_EQ(write(e, "e", 1), 1);
	EXPECT(port_of(e) && port_of(e) != 40002);
	EXPECT(readable(m));

	/* The listener's port is shared while it is published */
	s.ours_port = port_of(l);
	sock_udp_bound(l, PIF_HOST, true, true);
	f = udp_connect(&s);
	EXPECT_EQ(port_of(f), port_of(l));
	close_udp(f, &s);
	sock_udp_bound(l, PIF_HOST, true, false);
	f = udp_connect(&s);
	EXPECT(f >= 0 && port_of(f) != port_of(l));
	close(f);

	/* A port of ours is nobody's once the last socket is closed */
	s.ours_port = 40001;
	close_udp(c, &s);
	f = udp_connect(&s);
	EXPECT_EQ(port_of(f), 40001);
	close_udp(f, &s);
	close_udp(d, &s);
	close(stranger);
	stranger = udp_at(to, 40001);
	f = udp_connect(&s);
	EXPECT(f >= 0 && port_of(f) != 40001);

	close(l);
	close(m);
	close(e);
	close(f);
	close(stranger);
}

static void elsewhere(void)
{
	struct side s = { .peer = A("127.0.0.1"), .peer_port = 40020,
			  .ours_port = 40021, .pif = PIF_HOST };
	int here, there, c, d;

	group("a port that we have at one address, and somebody at another");
	here = udp_at("127.0.0.2", 40021);
	sock_udp_bound(here, PIF_HOST, false, true);
	there = udp_at("127.0.0.3", 40021);
	c = udp_connect(&s);
	EXPECT_EQ(port_of(c), 40021);	/* at a third one it is free, then ours */
	s.peer_port--;
	d = udp_connect(&s);
	EXPECT_EQ(port_of(d), 40021);
	close_udp(c, &s);
	close_udp(d, &s);
	close(there);

	there = udp_at("127.0.0.1", 40021);
	c = udp_connect(&s);
	EXPECT(c >= 0 && port_of(c) != 40021);
	close(c);
	close(there);
	sock_udp_bound(here, PIF_HOST, false, false);
	close(here);
}

/* A stranger's datagram comes between bind() and connect() */
static int stranger_fd = -1;

int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (stranger_fd >= 0) {
		struct sockaddr_in to = {
			.sin_family = AF_INET, .sin_port = htons(port_of(fd)),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		int i;

		for (i = 0; i < 3; i++)
			EXPECT_EQ(sendto(stranger_fd, "lie", 3, 0,
					 (struct sockaddr *)&to, sizeof(to)),
				  3);
	}
	return __real_connect(fd, sa, len);
}

static void strangers(void)
{
	struct side s = { .peer = A("127.0.0.1"), .peer_port = 9,
			  .ours_port = 40003, .pif = PIF_HOST };
	char b[8];
	int fd;

	group("a stranger's datagrams are gone");
	stranger_fd = socket(AF_INET, SOCK_DGRAM, 0);
	fd = udp_connect(&s);
	EXPECT(fd >= 0);
	EXPECT_EQ(recv(fd, b, sizeof(b), MSG_DONTWAIT), -1);
	EXPECT_EQ(errno, EAGAIN);
	close(fd);
	close(stranger_fd);
	stranger_fd = -1;
}

static void listeners(void)
{
	struct fwd_rule r = any_rule();
	in_port_t port;
	int a, b;

	group("a taken port is refused");
	a = sock_listen(IPPROTO_UDP, &r, 0, true, true);
	port = port_of(a);
	EXPECT_EQ(sock_listen(IPPROTO_UDP, &r, port, true, true), -EADDRINUSE);
	close(a);
	a = sock_listen(IPPROTO_TCP, &r, 0, true, true);
	port = port_of(a);
	EXPECT_EQ(sock_listen(IPPROTO_TCP, &r, port, true, true), -EADDRINUSE);
	close(a);

	group("one address of each family, same port");
	r.addr = A("127.0.0.1");
	a = sock_listen(IPPROTO_TCP, &r, 0, true, true);
	port = port_of(a);
	r.addr = A("::1");
	b = sock_listen(IPPROTO_TCP, &r, port, true, true);
	EXPECT(a >= 0 && b >= 0);
	close(a);
	close(b);

	group("families switched off");
	EXPECT_EQ(sock_listen(IPPROTO_TCP, &r, 0, true, false), -EAFNOSUPPORT);
	r.addr = ADDR_NONE;
	a = sock_listen(IPPROTO_TCP, &r, 0, true, false);
	EXPECT_EQ(get_int(a, SOL_SOCKET, SO_DOMAIN), AF_INET);
	close(a);
	a = sock_listen(IPPROTO_TCP, &r, 0, false, true);
	EXPECT_EQ(get_int(a, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	EXPECT_EQ(get_int(a, SOL_IPV6, IPV6_V6ONLY), 1);
	close(a);

	group("addresses that are not here");
	r.addr = A("198.51.100.77");
	EXPECT_EQ(sock_listen(IPPROTO_TCP, &r, 0, true, true), -EADDRNOTAVAIL);
	sock_init(0, true);
	a = sock_listen(IPPROTO_TCP, &r, 0, true, true);
	EXPECT(a >= 0);
	close(a);
	sock_init(0, false);

	group("an interface");
	r.addr = ADDR_NONE;
	strcpy(r.ifname, "lo");
	a = sock_listen(IPPROTO_TCP, &r, 0, true, true);
	EXPECT(a >= 0);
	close(a);
	strcpy(r.ifname, "nowhere0");
	EXPECT_EQ(sock_listen(IPPROTO_TCP, &r, 0, true, true), -ENODEV);
}

static void outbound(bool own)
{
	struct side s = { .peer = A("127.0.0.1"), .peer_port = 9,
			  .ours = A("198.51.100.1"), .pif = PIF_HOST };
	bool pending;
	int fd;

	group("loopback destinations are left alone by -o and interface");
	sock_outbound_if("nowhere0", "");
	fd = udp_connect(&s);
	EXPECT(fd >= 0);
	close(fd);

	group("others are not");
	s.peer = A("127.0.0.1");
	s.peer.b[12] = 203;
	EXPECT_EQ(udp_connect(&s), -ENODEV);
	EXPECT_EQ(sock_tcp_connect(&s, &pending), -ENODEV);
	sock_outbound_if("", "");
	EXPECT_EQ(udp_connect(&s), -EADDRNOTAVAIL);
	EXPECT_EQ(sock_tcp_connect(&s, &pending), -EADDRNOTAVAIL);

	/* Only where nothing but lo exists it is sure to fail */
	if (own) {
		s.ours = ADDR_NONE;
		EXPECT_EQ(sock_tcp_connect(&s, &pending), -ENETUNREACH);
	}
}

static int open_connect(struct side *s)
{
	bool open = false;
	int fd = sock_udp_connect(s, &open);

	EXPECT(fd >= 0);
	EXPECT(open);
	return fd;
}

static int foreign(const char *addr, in_port_t port, bool shared)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = shared;
	union addr a = A(addr);
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, AF_INET, &a, port, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	EXPECT_EQ(bind(fd, &sa.sa, len), 0);
	return fd;
}

static void tell(int fd, const char *addr, in_port_t port)
{
	union addr a = A(addr);
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, AF_INET, &a, port, 0);

	EXPECT_EQ(sendto(fd, "x", 1, 0, &sa.sa, len), 1);
}

/* heard() - Whether something comes, which is taken */
static bool heard(int fd)
{
	char c;

	return readable(fd) && recv(fd, &c, 1, MSG_DONTWAIT) == 1;
}

static void groups(void)
{
	struct side s = { .peer = A("224.0.0.251"), .peer_port = 5353,
			  .ours_port = 5353, .pif = PIF_HOST };
	int fd, other, m, from = foreign("127.0.0.1", 40010, false);
	int lo = 1;
	/* An address that is good beyond the host */
	union addr a = A("198.51.100.7");
	struct ifreq ifr = { .ifr_name = "lo:1" };
	union sockaddr_any sa;

	addr_to_sa(&sa, AF_INET, &a, 0, 0);
	ifr.ifr_addr = sa.sa;
	EXPECT_EQ(ioctl(from, SIOCSIFADDR, &ifr), 0);
	sock_multicast_if(1, 1);
	setsockopt(from, SOL_IP, IP_MULTICAST_IF, &(struct ip_mreqn){
		   .imr_ifindex = lo }, sizeof(struct ip_mreqn));

	group("a group's service port: answers come, but not what is another's");
	fd = open_connect(&s);
	EXPECT_EQ(port_of(fd), 5353);
	EXPECT_EQ(s.ours_port, 5353);
	EXPECT(addr_eq(&s.ours, &a));
	tell(from, "127.0.0.1", 5353);
	EXPECT(heard(fd));
	other = foreign("0.0.0.0", 5353, true);
	tell(from, "127.0.0.1", 5353);
	EXPECT(heard(other));
	EXPECT(!heard(fd));
	close(fd);
	s.ours = ADDR_NONE;
	fd = open_connect(&s);
	EXPECT_EQ(port_of(fd), 5353);
	tell(from, "127.0.0.1", 5353);
	EXPECT(heard(other));
	EXPECT(!heard(fd));

	group("a member hears the group, whatever else there is");
	m = sock_udp_member(&s.peer, 5353);
	EXPECT(m >= 0);
	tell(from, "224.0.0.251", 5353);
	EXPECT(heard(m));
	EXPECT(!heard(m));
	EXPECT(!heard(fd));
	tell(fd, "224.0.0.251", 5353);
	EXPECT(heard(m));
	tell(from, "127.0.0.1", 5353);
	EXPECT(!heard(m));
	EXPECT(heard(other));
	close(m);
	close(fd);
	close(other);

	group("other ports: shared with flows of ours, never with a stranger");
	s.ours_port = 40011;
	other = foreign("0.0.0.0", 40011, false);
	fd = open_connect(&s);
	EXPECT(s.ours_port && s.ours_port != 40011);
	EXPECT_EQ(port_of(fd), s.ours_port);
	close(other);
	close(fd);

	group("broadcast");
	s = (struct side){ .peer = A("127.255.255.255"), .peer_port = 40012,
			   .ours_port = 40013, .pif = PIF_HOST };
	other = foreign("0.0.0.0", 40012, false);
	fd = open_connect(&s);
	tell(fd, "127.255.255.255", 40012);
	EXPECT(heard(other));
	tell(from, "127.0.0.1", 40013);
	EXPECT(heard(fd));
	close(other);
	close(fd);
	close(from);
	sock_multicast_if(0, 0);
}

int main(void)
{
	bool own = own_net(), pending;
	struct side s = { .peer = A("127.0.0.1"), .peer_port = 9 };
	struct rlimit old, low;
	int fd, next;

	sock_init(0, false);
	fd = dup(0);

	tcp("127.0.0.1");
	tcp("::1");
	udp("127.0.0.1");
	udp("::1");
	elsewhere();
	strangers();
	listeners();
	outbound(own);
	if (own)
		groups();

	group("out of descriptors");
	next = dup(0);
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){ (rlim_t)next, old.rlim_max };
	close(next);
	setrlimit(RLIMIT_NOFILE, &low);
	EXPECT_EQ(sock_tcp_connect(&s, &pending), -EMFILE);
	EXPECT_EQ(udp_connect(&s), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);

	group("a share of the descriptors, to keep in store");
	EXPECT_EQ(sock_share(1), 1);
	low.rlim_cur = 640;
	EXPECT(low.rlim_max < 640 || !setrlimit(RLIMIT_NOFILE, &low));
	EXPECT(low.rlim_max < 640 || sock_share(32) == 10);
	low.rlim_cur = 63;
	EXPECT(!setrlimit(RLIMIT_NOFILE, &low));
	EXPECT_EQ(sock_share(32), 1);
	setrlimit(RLIMIT_NOFILE, &old);

	group("nothing left open");
	next = dup(0);
	EXPECT_EQ(next, fd + 1);
	return done();
}
