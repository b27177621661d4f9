// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sock.c - opening host sockets, and what the kernel can do with them
 *
 * Every socket towards the host's network is born here, so that options,
 * binding and the difference between the families are written once: the
 * callers hand over a side of a flow or a rule, and get a descriptor or
 * -errno. Of options, one that only helps may fail silently; one that
 * the rules ask for (interface, address) fails the call.
 *
 * Loopback destinations are bound neither to the outbound interface nor to
 * the outbound address: they would be cut off from it.
 */
#include "sock.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "bound.h"
#include "util.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL	29
#endif

#define BACKLOG		128

/* Clamped by net.core.rmem_max. What the kernel gives by default holds less
 * than a hundred small datagrams, fewer than come in while we are away */
#define UDP_RCVBUF	(4 << 20)

/* Datagrams of strangers thrown away after connect(), at most */
#define DRAIN_MAX	1024

static struct {
	unsigned ifindex;
	unsigned multicast_if[2];		/* IPv4, IPv6 */
	bool freebind;
	char outbound_if[2][IFNAMSIZ];		/* IPv4, IPv6 */
	struct sock_features features;
} host;

static int set_int(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) ? -errno : 0;
}

/* fail() - Close @fd, which did not work out, and pass the reason on */
static int fail(int fd, int err)
{
	close(fd);
	return err;
}

static int open_sock(int family, int type, int proto)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);

	return fd < 0 ? -errno : fd;
}

static int family_of(const union addr *a)
{
	return addr_is4(a) ? AF_INET : AF_INET6;
}

static int bind_dev(int fd, const char *ifname)
{
	socklen_t len = (socklen_t)strnlen(ifname, IFNAMSIZ - 1) + 1;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, len))
		return -errno;
	return 0;
}

/* Not if_nametoindex(), which makes a socket of its own for it; 0: none */
static unsigned if_index(int fd, const char *ifname)
{
	struct ifreq r = { .ifr_ifindex = 0 };

	(void)str_copy(r.ifr_name, sizeof(r.ifr_name), ifname);
	return ioctl(fd, SIOCGIFINDEX, &r) ? 0 : (unsigned)r.ifr_ifindex;
}

static int bind_to(int fd, int family, const union addr *a, in_port_t port,
		   unsigned scope)
{
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, family, a, port, scope);

	return bind(fd, &sa.sa, len) ? -errno : 0;
}

static int connect_to(int fd, const struct side *s)
{
	union sockaddr_any sa;
	socklen_t len = addr_to_sa(&sa, family_of(&s->peer), &s->peer,
				   s->peer_port, host.ifindex);

	return connect(fd, &sa.sa, len) ? -errno : 0;
}

/* source_of() - The address to bind to for a flow's target side, or a wildcard
 * of the peer's family */
static union addr source_of(const struct side *s, bool *wild)
{
	bool v4 = addr_is4(&s->peer);

	*wild = addr_is_none(&s->ours) || addr_is_loopback(&s->peer) ||
		addr_is4(&s->ours) != v4 || !addr_is_unicast(&s->ours);
	return *wild ? addr_any(v4) : s->ours;
}

static int bind_outbound_if(int fd, const struct side *s)
{
	const char *ifname = host.outbound_if[!addr_is4(&s->peer)];

	return *ifname && !addr_is_loopback(&s->peer) ? bind_dev(fd, ifname) :
							0;
}

static bool probe(int family, int type, int level, int name, int v)
{
	int fd = open_sock(family, type, 0), ret;

	/* A family that this host does not have cannot fail us later */
	if (fd == -EAFNOSUPPORT && family == AF_INET6)
		return true;
	if (fd < 0)
		return false;
	ret = set_int(fd, level, name, v);
	close(fd);
	return !ret;
}

void sock_init(unsigned ifindex, bool freebind)
{
	struct sock_features *f = &host.features;

	host.ifindex = ifindex;
	host.freebind = freebind;

	/* TCP over IPv6 got it two releases after IPv4 */
	f->tcp_peek_off =
		probe(AF_INET, SOCK_STREAM, SOL_SOCKET, SO_PEEK_OFF, 0) &&
		probe(AF_INET6, SOCK_STREAM, SOL_SOCKET, SO_PEEK_OFF, 0);
	f->udp_gso = probe(AF_INET, SOCK_DGRAM, SOL_UDP, UDP_SEGMENT, 0);
	f->udp_gro = probe(AF_INET, SOCK_DGRAM, SOL_UDP, UDP_GRO, 1);
}

const struct sock_features *sock_features(void)
{
	return &host.features;
}

/* tcp_options() - An urgent byte is to stay in its place in the stream. Once it
 * has arrived it is too late: who reads before the event would miss it */
static void tcp_options(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

int sock_tcp_connect_tos(const struct side *s, uint8_t tos, bool *pending)
{
	int family = family_of(&s->peer), fd, ret;
	union addr src;
	bool wild;

	*pending = false;
	fd = open_sock(family, SOCK_STREAM, 0);
	if (fd < 0)
		return fd;

	tcp_options(fd);
	if (tos)
		sock_tos(fd, family == AF_INET, tos);
	ret = bind_outbound_if(fd, s);
	if (ret)
		return fail(fd, ret);

	src = source_of(s, &wild);
	if (!wild) {
		/* Leave the port to connect(), which knows the peer and so may
		 * use one port for many peers */
		set_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		ret = bind_to(fd, family, &src, 0, host.ifindex);
		if (ret)
			return fail(fd, ret);
	}

	ret = connect_to(fd, s);
	if (ret && ret != -EINPROGRESS)
		return fail(fd, ret);
	*pending = ret;
	return fd;
}

int sock_tcp_connect(const struct side *s, bool *pending)
{
	return sock_tcp_connect_tos(s, 0, pending);
}

int sock_tcp_open(bool v4)
{
	int fd = open_sock(v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

	if (fd >= 0)
		tcp_options(fd);
	return fd;
}

int sock_tcp_start(int fd, const struct side *s)
{
	return connect_to(fd, s);
}

/* udp_options() - What both kinds of UDP sockets need to hear of */
static void udp_options(int fd, int family)
{
	set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_RCVBUF);
	if (host.features.udp_gro)
		set_int(fd, SOL_UDP, UDP_GRO, 1);

	if (family == AF_INET6) {
		set_int(fd, SOL_IPV6, IPV6_RECVERR, 1);
		set_int(fd, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
		set_int(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
	} else {
		set_int(fd, SOL_IP, IP_RECVERR, 1);
		set_int(fd, SOL_IP, IP_RECVTTL, 1);
		set_int(fd, SOL_IP, IP_RECVTOS, 1);
	}
}

/* drain() - Before connect(), the socket may have been given datagrams of
 * anybody, which must not pass for the peer's */
static void drain(int fd)
{
	unsigned i;
	char c;

	for (i = 0; i < DRAIN_MAX; i++)
		if (recv(fd, &c, 0, MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    (errno == EAGAIN || errno == EINTR))
			break;
}

int sock_udp_open(bool v4)
{
	int family = v4 ? AF_INET : AF_INET6;
	int fd = open_sock(family, SOCK_DGRAM, 0);

	if (fd < 0)
		return fd;

	if (family == AF_INET6)
		set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	udp_options(fd, family);
	return fd;
}

static bool is_group_port(in_port_t port)
{
	return port == SOCK_PORT_SSDP || port == SOCK_PORT_WSD ||
	       port == SOCK_PORT_MDNS || port == SOCK_PORT_LLMNR;
}

/* share() - Have other sockets bind to @port as well: ours, or anybody's */
static void share(int fd, in_port_t port)
{
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (is_group_port(port))
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/* share_no_more() - Before any free port will do: one that nobody has */
static void share_no_more(int fd)
{
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
}

/* would_send_from() - The address that a socket gets for sending to the peer of
 * @s, or ADDR_NONE. It is not bound to any before or afterwards */
static union addr would_send_from(int fd, const struct side *s)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	union addr a = ADDR_NONE;

	if (!connect_to(fd, s))
		sock_name(fd, &a);
	/* Either way it has been given a port */
	(void)connect(fd, &none, sizeof(none));
	return a;
}

/* bind_at() - Bind to @a and the port of @s: alone, or else beside sockets of
 * ours if nobody else has it. The option is set before bind() only if need be,
 * as the kernel would make a group of sockets for each one */
static int bind_at(int fd, const struct side *s, const union addr *a)
{
	union addr any = addr_any(addr_is4(&s->peer));
	int family = family_of(&s->peer);
	in_port_t port = s->ours_port;
	bool ns = s->pif == PIF_NS;
	int ret = bind_to(fd, family, a, port, host.ifindex);

	share(fd, port);
	if (ret != -EADDRINUSE ||
	    !(is_group_port(port) || bound_has(ns, &any, port) ||
	      bound_has(ns, a, port)))
		return ret;
	return bind_to(fd, family, a, port, host.ifindex);
}

/*
 * bind_shared() - Bind to the port of @s, which other sockets of ours may have
 * as well: flows of one guest port to several peers, or the listener that it is
 * published by
 *
 * Ours, that is: of this process. With SO_REUSEADDR anybody on this host could
 * have it too, with a closer match, and be given what is meant for the guest,
 * and the guest could take part in ports of services of the host. SO_REUSEPORT
 * leaves those of the same user: another one like us, whose guest talks to the
 * same peer from the same port, would have our answers, or we its. Ports of
 * groups are everybody's by design, and remain so.
 *
 * If somebody else, or we, have the port at some address, it may be free, or
 * ours, at the one that the socket is going to have.
 */
static int bind_shared(int fd, const struct side *s, union addr a, bool wild)
{
	int ret = bind_at(fd, s, &a);

	if (ret != -EADDRINUSE || !wild)
		return ret;
	share_no_more(fd);
	a = would_send_from(fd, s);
	return addr_is_unicast(&a) ? bind_at(fd, s, &a) : ret;
}

/* What a socket is bound to is its own until the end: if it is connected, that
 * is the address it sends from */
void sock_udp_bound(int fd, uint8_t pif, bool both, bool begins)
{
	void (*count)(bool, const union addr *, in_port_t) =
		begins ? bound_begins : bound_ends;
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	union addr a, any4 = addr_any(true);
	in_port_t port;

	if (getsockname(fd, &sa.sa, &len) || !addr_from_sa(&sa, &a, &port))
		return;
	count(pif == PIF_NS, &a, port);
	if (both && sa.sa.sa_family == AF_INET6)
		count(pif == PIF_NS, &any4, port);
}

/* own_name() - Enter what the kernel chose as our port, and our address unless
 * @a is NULL */
static void own_name(int fd, struct side *s, union addr *a)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	union addr name;

	if (!getsockname(fd, &sa.sa, &len) &&
	    addr_from_sa(&sa, &name, &s->ours_port) && a)
		*a = name;
}

int sock_udp_start(int fd, struct side *s)
{
	int family = family_of(&s->peer), ret;
	union addr src;
	bool wild;

	/* With the peer's port as well, it would be connected with itself, and
	 * take what is meant for the peer */
	if (s->ours_port == s->peer_port) {
		src = would_send_from(fd, s);
		if (addr_eq(&src, &s->peer))
			s->ours_port = 0;
	}

	src = source_of(s, &wild);
	ret = bind_shared(fd, s, src, wild);
	/* EACCES: a privileged port, which the guest may have but not we */
	if (ret == -EADDRINUSE || ret == -EACCES) {
		share_no_more(fd);
		ret = wild ? 0 : bind_to(fd, family, &src, 0, host.ifindex);
	}
	if (ret)
		return ret;

	ret = connect_to(fd, s);
	if (ret)
		return ret;
	drain(fd);
	own_name(fd, s, &s->ours);
	sock_udp_bound(fd, s->pif, false, true);
	return 0;
}

/* pktinfo() - Let datagrams say where they were sent to */
static int pktinfo(int fd, bool v4)
{
	return v4 ? set_int(fd, SOL_IP, IP_PKTINFO, 1) :
		    set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
}

/* only_own_groups() - Not those that other sockets of this host have joined */
static void only_own_groups(int fd, bool v4)
{
	if (v4)
		set_int(fd, SOL_IP, IP_MULTICAST_ALL, 0);
	else
		set_int(fd, SOL_IPV6, IPV6_MULTICAST_ALL, 0);
}

/* send_by() - The interface for what goes to groups, unless it is bound to one */
static void send_by(int fd, const struct side *s)
{
	bool v4 = addr_is4(&s->peer), wild;
	struct ip_mreqn m = {
		.imr_ifindex = (int)host.multicast_if[!v4],
	};
	union addr src = source_of(s, &wild);

	if (*host.outbound_if[!v4])
		return;
	if (!v4) {
		set_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, m.imr_ifindex);
		return;
	}
	if (!wild)
		m.imr_address = addr_to4(&src);
	setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &m, sizeof(m));
}

/* is_free() - Has nobody the port of @s at the address that it will send from?
 * Members have it at those of groups */
static bool is_free(const struct side *s)
{
	int family = family_of(&s->peer);
	int fd = open_sock(family, SOCK_DGRAM, 0);
	union addr a;
	bool ret, wild;

	if (fd < 0)
		return false;
	set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
	ret = !bind_outbound_if(fd, s);
	send_by(fd, s);
	a = source_of(s, &wild);
	if (wild)
		a = would_send_from(fd, s);
	ret = ret && addr_is_unicast(&a) &&
	      !bind_to(fd, family, &a, s->ours_port,
		       host.multicast_if[family == AF_INET6]);
	close(fd);
	return ret;
}

/*
 * bind_open() - Bind a socket that sends to a group or broadcast address
 *
 * Answers come to its port. Where it is that of a service (the guest sends from
 * the port it sends to, as mDNS does), a program of this host may serve there
 * as well, and what is sent to that one must not end here: then, the socket is
 * bound to the group's address, by which it can send, but be sent nothing.
 * Sockets that are bound to the group's address anyway, our own member and those
 * of others like us, are in nobody's way, which takes a look beforehand and
 * SO_REUSEADDR.
 */
static int bind_open(int fd, const struct side *s)
{
	int family = family_of(&s->peer), ret;
	bool service = s->ours_port == s->peer_port, wild;
	union addr src = source_of(s, &wild);

	if (service) {
		ret = is_free(s) ? 0 : -EADDRINUSE;
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		if (!ret)
			ret = bind_to(fd, family, &src, s->ours_port,
				      host.ifindex);
		set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	} else {
		ret = bind_shared(fd, s, src, wild);
	}
	if (ret == -EADDRINUSE && service) {
		ret = bind_to(fd, family, &s->peer, s->ours_port,
			      host.multicast_if[family == AF_INET6]);
		/* IPv4 has this from send_by() */
		if (!wild && family == AF_INET6)
			setsockopt(fd, SOL_IPV6, IPV6_PKTINFO,
				   &(struct in6_pktinfo){ .ipi6_addr = src.in6 },
				   sizeof(struct in6_pktinfo));
	}
	if (ret == -EADDRINUSE || ret == -EACCES) {
		share_no_more(fd);
		ret = bind_to(fd, family, &src, 0, host.ifindex);
	}
	return ret;
}

/* The address only a socket that is connected knows: one like it */
void sock_udp_source(struct side *s)
{
	int fd = open_sock(family_of(&s->peer), SOCK_DGRAM, 0);

	if (fd < 0)
		return;
	s->ours = addr_any(addr_is4(&s->peer));
	set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
	if (!bind_outbound_if(fd, s)) {
		send_by(fd, s);
		if (!connect_to(fd, s))
			sock_name(fd, &s->ours);
	}
	close(fd);
}

bool sock_source_moved(int fd, const struct side *s)
{
	union addr was = ADDR_NONE;
	struct side now = *s;

	sock_name(fd, &was);
	sock_udp_source(&now);
	return addr_is_unicast(&now.ours) && !addr_eq(&now.ours, &was);
}

/* start_open() - Instead of connecting to a group or broadcast address */
static int start_open(int fd, struct side *s)
{
	bool v4 = addr_is4(&s->peer), wild;
	int ret;

	source_of(s, &wild);
	set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
	only_own_groups(fd, v4);
	pktinfo(fd, v4);
	send_by(fd, s);
	ret = bind_open(fd, s);
	if (ret)
		return ret;
	own_name(fd, s, NULL);
	sock_udp_bound(fd, s->pif, false, true);
	if (wild)
		sock_udp_source(s);
	return 0;
}

/* is_broadcast() - connect() was refused with EACCES: because it is to a
 * broadcast address of some network of the host's? */
static bool is_broadcast(const struct side *s)
{
	int fd = open_sock(family_of(&s->peer), SOCK_DGRAM, 0);
	bool ret;

	if (fd < 0)
		return false;
	set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
	ret = !bind_outbound_if(fd, s) && !connect_to(fd, s);
	close(fd);
	return ret;
}

static int udp_new(struct side *s, bool open)
{
	int fd = sock_udp_open(addr_is4(&s->peer)), ret;

	if (fd < 0)
		return fd;
	ret = bind_outbound_if(fd, s);
	if (!ret)
		ret = open ? start_open(fd, s) : sock_udp_start(fd, s);
	return ret ? fail(fd, ret) : fd;
}

int sock_udp_connect(struct side *s, bool *open)
{
	int fd;

	*open = !addr_is_unicast(&s->peer);
	fd = udp_new(s, *open);
	if (fd != -EACCES || *open || !is_broadcast(s))
		return fd;
	*open = true;
	return udp_new(s, true);
}

static int join(int fd, const union addr *group, unsigned ifindex)
{
	struct ip_mreqn m4 = { .imr_ifindex = (int)ifindex };
	struct ipv6_mreq m6 = { .ipv6mr_interface = ifindex };
	int ret;

	if (addr_is4(group)) {
		m4.imr_multiaddr = addr_to4(group);
		ret = setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &m4,
				 sizeof(m4));
	} else {
		m6.ipv6mr_multiaddr = group->in6;
		ret = setsockopt(fd, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &m6,
				 sizeof(m6));
	}
	return ret ? -errno : 0;
}

int sock_udp_member(const union addr *group, in_port_t port)
{
	bool v4 = addr_is4(group);
	unsigned ifindex = host.multicast_if[!v4];
	const char *ifname = host.outbound_if[!v4];
	int fd = sock_udp_open(v4), ret;

	if (fd < 0)
		return fd;
	set_int(fd, SOL_UDP, UDP_GRO, 0);
	only_own_groups(fd, v4);
	/* Everybody's, and with each of our own sockets at the port */
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (*ifname) {
		ifindex = if_index(fd, ifname);
		if (!ifindex)
			return fail(fd, -ENODEV);
	}

	/* To the address of the group: nothing that others wait for comes here.
	 * What comes before the join has nobody to come from */
	ret = bind_to(fd, v4 ? AF_INET : AF_INET6, group, port, ifindex);
	if (!ret)
		ret = join(fd, group, ifindex);
	return ret ? fail(fd, ret) : fd;
}

int sock_ping(const struct side *s)
{
	int family = family_of(&s->peer), fd, ret;
	union addr src;
	bool wild;

	fd = open_sock(family, SOCK_DGRAM, family == AF_INET ? IPPROTO_ICMP :
							       IPPROTO_ICMPV6);
	if (fd < 0)
		return fd;

	ret = bind_outbound_if(fd, s);
	if (ret)
		return fail(fd, ret);

	/* Ping sockets are made with address reuse on, and the kernel delivers
	 * by identifier alone: two with one identifier would steal each
	 * other's replies */
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);

	src = source_of(s, &wild);
	ret = bind_to(fd, family, &src, s->ours_port, host.ifindex);
	if (ret == -EADDRINUSE)
		ret = bind_to(fd, family, &src, 0, host.ifindex);
	if (!ret)
		ret = connect_to(fd, s);
	return ret ? fail(fd, ret) : fd;
}

void sock_multicast_if(unsigned if4, unsigned if6)
{
	host.multicast_if[0] = if4;
	host.multicast_if[1] = if6;
}

void sock_link_mtu(unsigned mtu4, unsigned mtu6)
{
	host.features.link_mtu[0] = mtu4;
	host.features.link_mtu[1] = mtu6;
}

void sock_outbound_if(const char *if4, const char *if6)
{
	str_copy(host.outbound_if[0], IFNAMSIZ, if4);
	str_copy(host.outbound_if[1], IFNAMSIZ, if6);
}

/* listen_family() - Which family to open, and whether IPv6 alone */
static int listen_family(const struct fwd_rule *rule, bool v4, bool v6,
			 bool *only6)
{
	*only6 = false;
	if (!addr_is_none(&rule->addr) || rule->v6any) {
		if (addr_is4(&rule->addr))
			return v4 ? AF_INET : -EAFNOSUPPORT;
		*only6 = true;
		return v6 ? AF_INET6 : -EAFNOSUPPORT;
	}
	if (!v6)
		return v4 ? AF_INET : -EAFNOSUPPORT;
	*only6 = !v4;
	return AF_INET6;
}

static void listen_options(int fd, int family, uint8_t proto, bool only6)
{
	bool both = family == AF_INET6 && !only6;

	if (family == AF_INET6)
		set_int(fd, SOL_IPV6, IPV6_V6ONLY, only6);
	if (host.freebind) {
		if (family == AF_INET6)
			set_int(fd, SOL_IPV6, IPV6_FREEBIND, 1);
		if (family == AF_INET || both)
			set_int(fd, SOL_IP, IP_FREEBIND, 1);
	}

	if (proto == IPPROTO_TCP) {
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		tcp_options(fd);	/* to be inherited */
		return;
	}

	/* A socket for both families reports TTL and errors of IPv4 datagrams
	 * in the form of IPv4, packet info in both: only its own says from which
	 * address to answer what went to a broadcast one */
	udp_options(fd, family);
	only_own_groups(fd, family == AF_INET);
	if (both) {
		udp_options(fd, AF_INET);
		only_own_groups(fd, true);
		pktinfo(fd, true);
	}
	pktinfo(fd, family == AF_INET);
}

int sock_listen(uint8_t proto, const struct fwd_rule *rule, in_port_t port,
		bool v4, bool v6)
{
	int type = proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	bool only6, wild = addr_is_none(&rule->addr);
	unsigned scope = host.ifindex;
	int family, fd, ret;
	union addr a;

	family = listen_family(rule, v4, v6, &only6);
	if (family < 0)
		return family;

	fd = open_sock(family, type, 0);
	if (fd == -EAFNOSUPPORT && family == AF_INET6 && wild && v4) {
		family = AF_INET;
		fd = open_sock(family, type, 0);
	}
	if (fd < 0)
		return fd;

	listen_options(fd, family, proto, only6);
	if (*rule->ifname) {
		ret = bind_dev(fd, rule->ifname);
		if (ret)
			return fail(fd, ret);
		scope = if_index(fd, rule->ifname);
	}

	a = wild ? addr_any(family == AF_INET) : rule->addr;
	ret = bind_to(fd, family, &a, port, scope);
	if (!ret && proto == IPPROTO_TCP && listen(fd, BACKLOG))
		ret = -errno;
	if (ret)
		return fail(fd, ret);

	/* Only now: a second program that wants the port must fail to bind it,
	 * but flows that the guest starts from this port should keep it */
	if (proto == IPPROTO_UDP)
		share(fd, port);
	return fd;
}

/*
 * Others may bind the port of a socket that allows reuse and does not listen.
 * One that ever listened and does not allow it keeps them out, but in turn could
 * not listen beside its own connections, which have the port as well.
 */
void sock_listen_stop(int fd)
{
	(void)shutdown(fd, SHUT_RD);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
}

int sock_listen_again(int fd)
{
	int ret;

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!listen(fd, BACKLOG))
		return 0;
	ret = -errno;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return ret;
}

void sock_tos(int fd, bool v4, uint8_t tos)
{
	if (v4)
		set_int(fd, SOL_IP, IP_TOS, tos);
	else
		set_int(fd, SOL_IPV6, IPV6_TCLASS, tos);
}

void sock_udp_close(int *fd, const struct side *s)
{
	if (*fd < 0)
		return;
	sock_udp_bound(*fd, s->pif, false, false);
	close(*fd);
	*fd = -1;
}

void sock_name(int fd, union addr *a)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	union addr name;
	in_port_t port;

	if (!getsockname(fd, &sa.sa, &len) && addr_from_sa(&sa, &name, &port))
		*a = name;
}

unsigned sock_share(unsigned most)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return 1;
	return (unsigned)MAX(MIN(r.rlim_cur / 64, most), 1U);
}

int sock_error(int fd)
{
	socklen_t len;
	int e = 0;

	len = sizeof(e);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len))
		return errno;
	return e;
}

uint32_t sock_rtt(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_rtt;
}

void sock_reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}
