// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nl_neigh.c - rtnetlink: neighbours of the host, and what changes about them
 *
 * A host with hundreds of containers has thousands of neighbours on links that
 * are none of our business. So the socket has a filter, and what is not about
 * the links of interest never wakes us. A listener that is too slow loses
 * notices; the kernel says so once, and then it is for the caller to ask for
 * the whole table.
 *
 * The filter is a classic BPF program over the bytes of a datagram, numbers in
 * which are in host order, whereas the program loads big endian ones.
 */
#include "nl_neigh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "util.h"

#define READ_MAX	32		/* datagrams per call */

/* States in which the kernel would use the MAC address. Not of NUD_NOARP: the
 * link has none, or the address is multicast */
#define NUD_USABLE	(NUD_PERMANENT | NUD_REACHABLE | NUD_STALE |	\
			 NUD_DELAY | NUD_PROBE)

static struct {
	/* The kernel makes the pieces of a table as large as this */
	_Alignas(8) uint8_t buf[16 * 1024];
} nl;

/* ---------------------------------------------------------------- reading */

static bool dst_read(const struct nl_attr *a, int family, union addr *out)
{
	struct in_addr in;

	if (a->len != (family == AF_INET ? sizeof(in) : sizeof(*out)))
		return false;
	if (family == AF_INET) {
		memcpy(&in, a->data, sizeof(in));
		*out = addr_from4(in);
	} else {
		memcpy(out, a->data, sizeof(*out));
	}
	return true;
}

bool nl_neigh_parse(uint16_t type, const uint8_t *msg, size_t len,
		    struct nl_neigh *n)
{
	struct ndmsg nd;
	struct nl_attr a;
	bool mac = false;

	memset(n, 0, sizeof(*n));
	if ((type != RTM_NEWNEIGH && type != RTM_DELNEIGH) || len < sizeof(nd))
		return false;
	memcpy(&nd, msg, sizeof(nd));
	/* Those that the host answers for are neighbours of others */
	if ((nd.ndm_family != AF_INET && nd.ndm_family != AF_INET6) ||
	    nd.ndm_ifindex <= 0 || nd.ndm_flags & NTF_PROXY)
		return false;
	n->index = (unsigned)nd.ndm_ifindex;

	msg += NLMSG_ALIGN(sizeof(nd));
	len -= NLMSG_ALIGN(sizeof(nd));
	while (nl_next_attr(&msg, &len, &a)) {
		if (a.type == NDA_DST) {
			if (!dst_read(&a, nd.ndm_family, &n->addr))
				return false;
		} else if (a.type == NDA_LLADDR && a.len == sizeof(n->mac)) {
			memcpy(n->mac, a.data, sizeof(n->mac));
			mac = mac_is_station(n->mac);
		}
	}

	n->usable = type == RTM_NEWNEIGH && mac && nd.ndm_state & NUD_USABLE;
	return addr_is_unicast(&n->addr) && !addr_is_loopback(&n->addr);
}

/* Work through one datagram */
static unsigned walk(const uint8_t *p, size_t left,
		     void (*fn)(const struct nl_neigh *))
{
	unsigned met = 0;

	while (left >= NLMSG_HDRLEN) {
		struct nlmsghdr nh;
		struct nl_neigh n;
		size_t step;

		memcpy(&nh, p, sizeof(nh));
		if (nh.nlmsg_len < NLMSG_HDRLEN || nh.nlmsg_len > left)
			break;

		/* An error is no table at all, and there is none to wait for */
		if (nh.nlmsg_type == NLMSG_DONE ||
		    nh.nlmsg_type == NLMSG_ERROR)
			met |= NL_NEIGH_END;
		else if (nl_neigh_parse(nh.nlmsg_type, p + NLMSG_HDRLEN,
					nh.nlmsg_len - NLMSG_HDRLEN, &n))
			fn(&n);

		step = MIN((size_t)NLMSG_ALIGN(nh.nlmsg_len), left);
		left -= step;
		p += step;
	}
	return met;
}

unsigned nl_neigh_read(int fd, void (*fn)(const struct nl_neigh *))
{
	unsigned met = 0;
	int i;

	for (i = 0; i < READ_MAX; i++) {
		struct sockaddr_nl from = { .nl_pid = 0 };
		socklen_t sl = sizeof(from);
		ssize_t n;

		n = recvfrom(fd, nl.buf, sizeof(nl.buf),
			     MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &sl);
		if (n < 0 && errno == EINTR)
			continue;
		/* Reported once, before what did find room */
		if (n < 0 && errno == ENOBUFS) {
			met |= NL_NEIGH_LOST;
			continue;
		}
		if (n < 0)
			return met | NL_NEIGH_EMPTY;
		if ((size_t)n > sizeof(nl.buf))
			met |= NL_NEIGH_LOST;
		else if (!from.nl_pid)		/* from the kernel */
			met |= walk(nl.buf, (size_t)n, fn);
	}
	return met;
}

/* ---------------------------------------------------------------- asking */

/* Offsets in a datagram with one message */
#define AT_TYPE		4		/* struct nlmsghdr */
#define AT_FLAGS	6
#define AT_FAMILY	16		/* struct ndmsg behind it */
#define AT_INDEX	20

/* Let pass: what is no notice (the end of a table, errors), pieces of a table,
 * and notices about the links of interest. Jumps count from the next line. */
static int filter(int fd, const unsigned ifi[static 2])
{
	struct sock_filter code[] = {
		/* 0 */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 0, 10),
		/* 3 */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 8, 0),
		/* 5: the family decides on the link; a bridge's are not ours */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_FAMILY),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_INDEX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(ifi[0]), 3, 2),
		/* 10 */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_INDEX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(ifi[1]), 1, 0),
		/* 12 */
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog));
}

int nl_neigh_open(const unsigned ifi[static 2])
{
	int group = RTNLGRP_NEIGH, fd = nl_open(), e;

	if (fd < 0)
		return fd;

	/* Without the filter we are only woken too often */
	(void)filter(fd, ifi);
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		       sizeof(group))) {
		e = errno;
		close(fd);
		return -e;
	}
	return fd;
}

int nl_neigh_ask(int fd, unsigned index)
{
	struct {
		struct nlmsghdr	nh;
		struct ndmsg	nd;
		struct rtattr	rta;
		uint32_t	index;
	} req = {
		.nh = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETNEIGH,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.rta = { .rta_type = NDA_IFINDEX,
			 .rta_len = RTA_LENGTH(sizeof(req.index)) },
		.index = index,
	};

	if (!index)
		req.nh.nlmsg_len = NLMSG_LENGTH(sizeof(req.nd));
	if (send(fd, &req, req.nh.nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}
