// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netlink.c - what the kernel, or somebody who pretends to be it, says on
 * netlink sockets: links, addresses, routes, neighbours, open ports. What is
 * made of it is in range, and can be written back; open ports are those that were
 * named, and no others
 *
 * Input: which question is asked, then datagrams, each behind its length. The
 * sequence number of the question is written into messages that have ones
 * there.
 *
 * link: -Wl,--wrap=recvfrom,--wrap=send,--wrap=recv
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "netlink.h"
#include "nl_diag.h"
#include "nl_neigh.h"
#include "nl_route.h"
#include "util.h"

#define FD	(1 << 20)

static struct {
	struct in in;
	uint32_t seq;			/* of the last question */
	unsigned written;
	uint8_t ports[65536 / 8];	/* told of, as answers to questions */
} net;

ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);

static void answer_to_us(uint8_t *b, size_t n)
{
	while (n >= NLMSG_HDRLEN) {
		struct nlmsghdr nh;
		size_t step;

		memcpy(&nh, b, sizeof(nh));
		if (nh.nlmsg_seq == UINT32_MAX) {
			nh.nlmsg_seq = net.seq;
			memcpy(b, &nh, sizeof(nh));
		}
		step = NLMSG_ALIGN((size_t)nh.nlmsg_len);
		if (step < NLMSG_HDRLEN || step > n)
			break;
		b += step;
		n -= step;
	}
}

/* Ports without a peer in a datagram that was read as a whole */
static void note_ports(const uint8_t *b, size_t n)
{
	struct inet_diag_msg d;
	struct nlmsghdr nh;

	for (; n >= NLMSG_HDRLEN; b += NLMSG_ALIGN(nh.nlmsg_len),
				  n -= NLMSG_ALIGN(nh.nlmsg_len)) {
		memcpy(&nh, b, sizeof(nh));
		if (nh.nlmsg_len < NLMSG_HDRLEN || nh.nlmsg_len > n)
			return;
		if (nh.nlmsg_seq == net.seq && nh.nlmsg_type < NLMSG_MIN_TYPE &&
		    (nh.nlmsg_type == NLMSG_DONE ||
		     nh.nlmsg_type == NLMSG_ERROR))
			return;
		if (nh.nlmsg_seq == net.seq &&
		    nh.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    nh.nlmsg_len >= NLMSG_LENGTH(sizeof(d))) {
			memcpy(&d, b + NLMSG_HDRLEN, sizeof(d));
			if (d.id.idiag_sport && !d.id.idiag_dport)
				bit_set(net.ports, ntohs(d.id.idiag_sport));
		}
		if (NLMSG_ALIGN(nh.nlmsg_len) >= n)
			return;
	}
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl)
{
	static const int errors[] = { EAGAIN, EINTR, ENOBUFS, EIO };
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	size_t len;
	const uint8_t *p;

	if (fd != FD)
		return __real_recvfrom(fd, buf, n, flags, sa, sl);
	if (in_done(&net.in)) {
		errno = EAGAIN;
		return -1;
	}
	len = in_u16(&net.in);
	if (len >= 0xfff0) {
		errno = errors[len & 3];
		return -1;
	}
	if (len & 0x8000)
		from.nl_pid = 77;
	len &= 0x7fff;
	p = in_take(&net.in, &len);
	memcpy(buf, p, MIN(len, n));
	/* The rest of the buffer is what was there before: nobody's business */
	answer_to_us(buf, MIN(len, n));
	if (len <= n && !from.nl_pid)
		note_ports(buf, len);
	if (sa) {
		memcpy(sa, &from, MIN(*sl, sizeof(from)));
		*sl = sizeof(from);
	}
	return (ssize_t)(flags & MSG_TRUNC ? len : MIN(len, n));
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	return fd == FD ? __wrap_recvfrom(fd, buf, n, flags, NULL, NULL) :
			  __real_recv(fd, buf, n, flags);
}

/* What we send must be well-formed */
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct nlmsghdr nh;

	if (fd != FD)
		return __real_send(fd, p, n, flags);
	FUZZ_CHECK(n >= sizeof(nh));
	memcpy(&nh, p, sizeof(nh));
	FUZZ_CHECK(nh.nlmsg_len == n && n <= 1024);
	net.seq = nh.nlmsg_seq;
	net.written++;
	return (ssize_t)n;
}

static void routes(int family, uint8_t how)
{
	static struct nl_route r[8];
	int n = nl_routes(FD, family, r, ARRAY_LEN(r)), i;
	union addr gw;
	unsigned j, index;

	FUZZ_CHECK(n <= (int)ARRAY_LEN(r));
	if (n > 0) {
		index = nl_template(r, n, how & 8 ? 2 : 0, &gw);
		FUZZ_CHECK(!(how & 8) || !index || index == 2);
	}
	for (i = 0; i < n; i++) {
		FUZZ_CHECK(r[i].nhops <= NL_HOPS_MAX);
		FUZZ_CHECK(r[i].dst_len <= (family == AF_INET ? 32 : 128));
		FUZZ_CHECK(r[i].metrics_len <= NL_METRICS_MAX);
		for (j = 0; j < r[i].nhops; j++)
			if (addr_is4(&r[i].hop[j].gw))
				FUZZ_CHECK(1);
		if (nl_route_retarget(&r[i], 2, 5)) {
			for (j = 0; j < r[i].nhops; j++)
				FUZZ_CHECK(r[i].hop[j].oif == 5);
			nl_route_add(FD, &r[i]);
		}
	}
}

static void neighbour(const struct nl_neigh *n)
{
	FUZZ_CHECK(n->index && addr_is_unicast(&n->addr) &&
		   !addr_is_loopback(&n->addr));
	FUZZ_CHECK(!n->usable || mac_is_station(n->mac));
}

static void addresses(int family)
{
	static struct nl_ifaddr a[4];
	int n = nl_addrs(FD, family, 2, a, ARRAY_LEN(a)), i;

	FUZZ_CHECK(n <= (int)ARRAY_LEN(a));
	for (i = 0; i < n; i++) {
		FUZZ_CHECK(a[i].prefix <= (addr_is4(&a[i].addr) ? 32 : 128));
		FUZZ_CHECK(addr_is4(&a[i].addr) == (family == AF_INET));
		FUZZ_CHECK(a[i].index == 2);
		nl_addr_add(FD, 5, &a[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t ports[65536 / 8];
	struct nl_link l;
	uint8_t how;

	net.in = (struct in){ data, size };
	how = in_u8(&net.in);
	switch (how & 7) {
	case 0:
		if (!nl_link_get(FD, how & 8 ? "eth0" : NULL, 2, &l))
			FUZZ_CHECK(l.index && memchr(l.name, 0,
						     sizeof(l.name)));
		break;
	case 1:
		addresses(how & 8 ? AF_INET6 : AF_INET);
		break;
	case 2:
	case 3:
		routes(how & 16 ? AF_INET6 : AF_INET, how);
		break;
	case 4:
		while (!in_done(&net.in))
			if (nl_neigh_read(FD, neighbour) & NL_NEIGH_END)
				nl_neigh_ask(FD, how & 8 ? 2 : 0);
		break;
	case 5:
		memset(ports, 0, sizeof(ports));
		memset(net.ports, 0, sizeof(net.ports));
		nl_diag_ports(FD, how & 8 ? IPPROTO_TCP : IPPROTO_UDP, ports);
		FUZZ_CHECK(!bit_test(ports, 0));
		FUZZ_CHECK(!memcmp(ports, net.ports, sizeof(ports)));
		break;
	case 6:
		nl_diag_closed(FD);
		break;
	default:
		nl_addr_live(FD, 2, &(union addr){ .b = { 0x20, 1, 13 } });
		nl_link_mtu(FD, 2, 1500);
	}
	return 0;
}
