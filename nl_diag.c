// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nl_diag.c - sock_diag: which ports programs of a namespace have open
 *
 * Asked for listening sockets alone, the kernel looks at nothing else: this
 * takes some 20 us, whereas printing /proc/net/tcp walks the hash table of all
 * connections of the host and takes milliseconds.
 *
 * A socket bound to the address of a group hears that, and is no service that
 * one could connect to. (Such as those of mcast.c, of whichever process.)
 *
 * It also tells, to whoever wants to know, of every socket that is freed
 * (Linux 4.5). A filter leaves those that had a port and no peer. There is no
 * such news of sockets that begin to listen.
 */
#include "nl_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "log.h"
#include "netlink.h"
#include "util.h"

#define DRAIN_MAX	256	/* notices read per call */

int nl_diag_open(void)
{
	/* The kernel answers at once; this is for the case that it does not */
	struct timeval tv = { .tv_usec = 100 * 1000 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void take_port(void *ports, uint16_t type, const uint8_t *msg,
		      size_t len)
{
	struct inet_diag_msg d;
	uint8_t first;

	if (type != SOCK_DIAG_BY_FAMILY || len < sizeof(d))
		return;
	memcpy(&d, msg, sizeof(d));
	memcpy(&first, d.id.idiag_src, 1);
	if (first >= (d.idiag_family == AF_INET ? 0xe0 : 0xff))
		return;			/* a member of a group */
	if (d.id.idiag_sport && !d.id.idiag_dport)
		bit_set(ports, ntohs(d.id.idiag_sport));
}

static int ask(int fd, uint8_t family, uint8_t proto, uint8_t *ports)
{
	struct {
		struct nlmsghdr nh;
		struct inet_diag_req_v2 r;
	} req = {
		.nh = {
			.nlmsg_len = sizeof(req),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.r = {
			.sdiag_family = family,
			.sdiag_protocol = proto,
			/* UDP has two of TCP's states: with a peer
			 * (TCP_ESTABLISHED), and without */
			.idiag_states = 1U << (proto == IPPROTO_TCP ?
					       TCP_LISTEN : TCP_CLOSE),
		},
	};

	return nl_dump(fd, &req.nh, take_port, ports);
}

int nl_diag_ports(int fd, uint8_t proto, uint8_t *ports)
{
	int rc4 = ask(fd, AF_INET, proto, ports);
	int rc6 = ask(fd, AF_INET6, proto, ports);

	/* A kernel without IPv6 */
	return rc4 ? rc4 : rc6 == -ENOENT ? 0 : rc6;
}

/* Offsets in a notice: struct nlmsghdr, then struct inet_diag_msg */
#define AT_SPORT	(NLMSG_HDRLEN + \
			 offsetof(struct inet_diag_msg, id.idiag_sport))
#define AT_DPORT	(NLMSG_HDRLEN + \
			 offsetof(struct inet_diag_msg, id.idiag_dport))

static int filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_SPORT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_DPORT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog));
}

int nl_diag_watch(void)
{
	/* Without a name of its own it would count as the sender, the kernel */
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int fd, e;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	if (filter(fd) || bind(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		e = errno;
		close(fd);
		return -e;
	}
	return fd;
}

void nl_diag_hear(int fd, bool tcp, bool udp, bool on)
{
	static const struct { int group; bool tcp; } groups[] = {
		{ SKNLGRP_INET_TCP_DESTROY, true },
		{ SKNLGRP_INET6_TCP_DESTROY, true },
		{ SKNLGRP_INET_UDP_DESTROY, false },
		{ SKNLGRP_INET6_UDP_DESTROY, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(groups); i++) {
		if (!(groups[i].tcp ? tcp : udp))
			continue;
		/* Without it, closed ports are found by looking */
		if (setsockopt(fd, SOL_NETLINK,
			       on ? NETLINK_ADD_MEMBERSHIP :
				    NETLINK_DROP_MEMBERSHIP,
			       &groups[i].group, sizeof(groups[i].group)))
			debug_perror("Notices of closed ports");
	}
}

bool nl_diag_closed(int fd)
{
	bool any = false;
	ssize_t n;
	char c;
	int i;

	/* What they say does not matter, also if some were lost (ENOBUFS) */
	for (i = 0; i < DRAIN_MAX; i++) {
		n = recv(fd, &c, sizeof(c), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		any = true;
	}
	return any;
}
