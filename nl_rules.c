// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nl_rules.c - may somebody else than a listening socket answer for a port?
 *
 * Rules of nftables (iptables makes such as well) may redirect a port, or hand it
 * on to another host; that there is a table at all is enough to know. The kernel
 * tells of new ones whoever subscribed while he had CAP_NET_ADMIN over the
 * namespace, which is our time at start. The older kind of iptables has no news,
 * but a list of the tables that are in use, to be read through a descriptor that
 * was opened in time.
 *
 * And a program with a packet socket may be a whole network stack of its own, as
 * gVisor is. Rules are taken to stay, packet sockets come and go.
 */
#include "nl_rules.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "netlink.h"
#include "proc_net.h"
#include "util.h"

#define DRAIN_MAX	64	/* notices read per call */
#define TYPE(msg)	(NFNL_SUBSYS_NFTABLES << 8 | (msg))

enum { LEGACY4, LEGACY6, PACKET, LISTS };

static struct {
	bool	open, found;
	int	news;			/* or -1, as those: */
	int	list[LISTS];		/* of /proc/net */
} rules;

static void count_table(void *any, uint16_t type, const uint8_t *msg,
			size_t len)
{
	(void)msg;
	(void)len;
	if (type == TYPE(NFT_MSG_NEWTABLE))
		*(bool *)any = true;
}

/* Are there tables already? */
static bool has_tables(void)
{
	struct {
		struct nlmsghdr nh;
		struct nfgenmsg g;
	} req = {
		.nh = {
			.nlmsg_len = sizeof(req),
			.nlmsg_type = TYPE(NFT_MSG_GETTABLE),
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.g = { .version = NFNETLINK_V0 },
	};
	bool any = false;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_NETFILTER);

	if (fd < 0)
		return false;
	(void)nl_dump(fd, &req.nh, count_table, &any);
	close(fd);
	return any;
}

static int subscribe(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int group = NFNLGRP_NFTABLES, fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_NETFILTER);
	if (fd < 0)
		return -1;
	if (!bind(fd, (struct sockaddr *)&sa, sizeof(sa)) &&
	    !setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group)))
		return fd;
	debug_perror("Notices of packet filters");
	close(fd);
	return -1;
}

int rules_watch(void)
{
	rules_close();
	rules.open = true;
	rules.list[LEGACY4] = proc_net_open("ip_tables_names");
	rules.list[LEGACY6] = proc_net_open("ip6_tables_names");
	rules.list[PACKET] = proc_net_open("packet");
	/* In this order, so that none is missed */
	rules.news = subscribe();
	rules.found = has_tables();
	return rules.news;
}

void rules_news(void)
{
	char c;
	int i;

	/* What they say does not matter, also if some were lost (ENOBUFS) */
	for (i = 0; i < DRAIN_MAX; i++) {
		if (recv(rules.news, &c, sizeof(c), MSG_DONTWAIT) < 0 &&
		    errno == EAGAIN)
			break;
		rules.found = true;
	}
	if (!rules.found)
		return;
	close(rules.news);
	rules.news = -1;
}

/* Does a list have lines, after the first @skip? */
static bool has_lines(int fd, unsigned skip)
{
	char buf[512];
	const char *p = buf, *end;
	ssize_t n = fd < 0 ? 0 : pread(fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return false;
	for (end = buf + n; skip && p < end; skip--) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return false;
		p++;
	}
	return p < end;
}

bool rules_any(void)
{
	if (!rules.open)
		return false;
	if (has_lines(rules.list[LEGACY4], 0) ||
	    has_lines(rules.list[LEGACY6], 0))
		rules.found = true;
	return rules.found || has_lines(rules.list[PACKET], 1);
}

void rules_close(void)
{
	int i;

	for (i = 0; rules.open && i < LISTS; i++)
		if (rules.list[i] >= 0)
			close(rules.list[i]);
	if (rules.open && rules.news >= 0)
		close(rules.news);
	memset(&rules, 0, sizeof(rules));
}
