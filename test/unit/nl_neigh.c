// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nl_neigh.c - neighbours read from messages made by hand, cut short at every
 * byte and with every byte spoiled; the filter on a socket of the real kernel;
 * datagrams that come all at once, lie about their length, or were lost
 *
 * link: -Wl,--wrap=nl_open,--wrap=setsockopt,--wrap=recvfrom
 */
#include "nl_neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "util.h"

/* ---- a netlink socket whose other end is here ---- */

static struct {
	int	sv[2];
	int	rc;			/* of nl_open() */
	bool	no_group;		/* subscribing fails */
	int	group;			/* subscribed to */
	int	fail;			/* errno of the next recvfrom() */
	unsigned pid;			/* of the sender */
} fake;

int __wrap_nl_open(void);
int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n);
int __real_setsockopt(int fd, int level, int name, const void *v, socklen_t n);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);

int __wrap_nl_open(void)
{
	if (fake.rc)
		return fake.rc;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fake.sv))
		exit(1);
	return fake.sv[0];
}

int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n)
{
	if (level != SOL_NETLINK)
		return __real_setsockopt(fd, level, name, v, n);
	EXPECT_EQ(name, NETLINK_ADD_MEMBERSHIP);
	EXPECT_EQ(n, sizeof(fake.group));
	memcpy(&fake.group, v, sizeof(fake.group));
	errno = EPERM;
	return fake.no_group ? -1 : 0;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
				  .nl_pid = fake.pid };
	ssize_t got;

	EXPECT(flags & MSG_DONTWAIT);
	if (fake.fail) {
		errno = fake.fail;
		fake.fail = 0;
		return -1;
	}
	got = __real_recvfrom(fd, buf, n, flags, NULL, NULL);
	memcpy(sa, &nl, sizeof(nl));
	*sl = sizeof(nl);
	return got;
}

/* ---- messages ---- */

static uint8_t msg[1024];
static size_t len;

static const uint8_t mac1[6] = { 2, 1, 2, 3, 4, 5 };

static void attr(uint16_t type, const void *p, size_t n)
{
	struct rtattr rta = { .rta_type = type,
			      .rta_len = (uint16_t)(sizeof(rta) + n) };

	memcpy(msg + len, &rta, sizeof(rta));
	if (n)
		memcpy(msg + len + sizeof(rta), p, n);
	len += RTA_ALIGN(sizeof(rta) + n);
}

/* body() - Address and MAC, without a message header */
static void body(int family, int index, uint16_t state, uint8_t flags,
		 const char *a, const uint8_t *mac)
{
	struct ndmsg nd = { .ndm_family = (uint8_t)family,
			    .ndm_ifindex = index, .ndm_state = state,
			    .ndm_flags = flags };
	union addr addr = ADDR_NONE;

	memset(msg, 0, sizeof(msg));
	memcpy(msg, &nd, sizeof(nd));
	len = sizeof(nd);
	EXPECT(addr_parse(a, &addr));
	if (addr_is4(&addr))
		attr(NDA_DST, &addr.w[3], 4);
	else
		attr(NDA_DST, &addr, 16);
	if (mac)
		attr(NDA_LLADDR, mac, 6);
}

static void good(void)
{
	body(AF_INET, 7, NUD_REACHABLE, 0, "192.0.2.9", mac1);
}

static bool is(const union addr *a, const char *s)
{
	union addr b = ADDR_NONE;

	return addr_parse(s, &b) && addr_eq(a, &b);
}

static void parse(void)
{
	static const uint16_t usable[] = { NUD_PERMANENT, NUD_REACHABLE,
		NUD_STALE, NUD_DELAY, NUD_PROBE };
	static const uint16_t gone[] = { NUD_NONE, NUD_INCOMPLETE, NUD_FAILED,
		NUD_NOARP };
	static const char *const never[] = { "224.0.0.1", "255.255.255.255",
		"127.0.0.1", "0.0.0.0", "ff02::1", "::1", "::" };
	struct nl_neigh n;
	size_t i;

	group("neighbours of both families");
	good();
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	EXPECT(n.usable && n.index == 7 && is(&n.addr, "192.0.2.9"));
	EXPECT_MEM(n.mac, mac1, 6);
	body(AF_INET6, 3, NUD_STALE, NTF_ROUTER, "fe80::9", mac1);
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	EXPECT(n.usable && n.index == 3 && is(&n.addr, "fe80::9"));
	EXPECT_MEM(n.mac, mac1, 6);
	attr(NDA_CACHEINFO, msg, 16);
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && n.usable);

	group("who can be sent to, and who is gone");
	for (i = 0; i < ARRAY_LEN(usable); i++) {
		body(AF_INET, 7, usable[i], 0, "192.0.2.9", mac1);
		EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && n.usable);
		EXPECT(nl_neigh_parse(RTM_DELNEIGH, msg, len, &n) && !n.usable);
	}
	for (i = 0; i < ARRAY_LEN(gone); i++) {
		body(AF_INET, 7, gone[i], 0, "192.0.2.9", mac1);
		EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && !n.usable);
	}
	body(AF_INET, 7, NUD_REACHABLE, 0, "192.0.2.9", NULL);
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && !n.usable);
	for (i = 0; i < 33; i++) {		/* other kinds of links */
		body(AF_INET, 7, NUD_REACHABLE, 0, "192.0.2.9", NULL);
		attr(NDA_LLADDR, "\2\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
		     "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37", i);
		EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
		EXPECT_EQ(n.usable, i == 6);
	}
	body(AF_INET, 7, NUD_REACHABLE, 0, "192.0.2.9",
	     (const uint8_t *)"\1\0\136\0\0\1");
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && !n.usable);
	body(AF_INET, 7, NUD_REACHABLE, 0, "192.0.2.9",
	     (const uint8_t *)"\0\0\0\0\0\0");
	EXPECT(nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n) && !n.usable);

	group("what is no neighbour");
	for (i = 0; i < ARRAY_LEN(never); i++) {
		body(strchr(never[i], ':') ? AF_INET6 : AF_INET, 7,
		     NUD_REACHABLE, 0, never[i], mac1);
		EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	}
	body(AF_INET, 7, NUD_REACHABLE, NTF_PROXY, "192.0.2.9", mac1);
	EXPECT(!nl_neigh_parse(RTM_DELNEIGH, msg, len, &n));
	body(AF_BRIDGE, 7, NUD_REACHABLE, 0, "192.0.2.9", mac1);
	EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	body(AF_INET, 0, NUD_REACHABLE, 0, "192.0.2.9", mac1);
	EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	body(AF_INET6, 7, NUD_REACHABLE, 0, "192.0.2.9", mac1);
	EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	body(AF_INET, 7, NUD_REACHABLE, 0, "2001:db8::1", mac1);
	EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, len, &n));
	good();
	EXPECT(!nl_neigh_parse(RTM_NEWLINK, msg, len, &n));
	EXPECT(!nl_neigh_parse(RTM_GETNEIGH, msg, len, &n));
	EXPECT(!nl_neigh_parse(RTM_NEWNEIGH, msg, sizeof(struct ndmsg), &n));
}

/* Each try is in memory of exactly that size, for the sanitizer to see */
static void spoil(void)
{
	static const uint8_t bad[] = { 0, 1, 3, 5, 0x7f, 0xff };
	struct nl_neigh n;
	size_t cut, i, k;

	group("cut and spoiled");
	body(AF_INET6, 3, NUD_STALE, 0, "fe80::9", mac1);
	for (cut = 0; cut <= len; cut++) {
		uint8_t *p = malloc(cut + !cut);
		bool ok;

		if (!p)
			exit(1);
		memcpy(p, msg, cut);
		ok = nl_neigh_parse(RTM_NEWNEIGH, p, cut, &n);
		EXPECT_EQ(ok, cut >= 12 + 20);
		EXPECT(!ok || n.usable == (cut >= 12 + 20 + 10));
		for (i = 0; i < cut * sizeof(bad); i++) {
			uint8_t old;

			k = i / sizeof(bad);
			old = p[k];
			p[k] = bad[i % sizeof(bad)];
			if (nl_neigh_parse(RTM_NEWNEIGH, p, cut, &n))
				EXPECT(n.index && addr_is_unicast(&n.addr));
			p[k] = old;
		}
		free(p);
	}
}

/* ---- the dialogue ---- */

static struct {
	unsigned n;
	struct nl_neigh last;
} got;

static void heard(const struct nl_neigh *n)
{
	got.n++;
	got.last = *n;
}

static void say(uint16_t type, uint16_t flags)
{
	struct nlmsghdr nh = { .nlmsg_type = type, .nlmsg_flags = flags,
			       .nlmsg_len = (uint32_t)(sizeof(nh) + len) };
	uint8_t b[2048];

	memcpy(b, &nh, sizeof(nh));
	memcpy(b + sizeof(nh), msg, len);
	/* A filter that refuses makes no error */
	EXPECT_EQ(send(fake.sv[1], b, sizeof(nh) + len, 0), sizeof(nh) + len);
}

static unsigned hear(void)
{
	memset(&got, 0, sizeof(got));
	return nl_neigh_read(fake.sv[0], heard);
}

static void open_it(unsigned ifi4, unsigned ifi6)
{
	const unsigned ifi[2] = { ifi4, ifi6 };

	int fd = nl_neigh_open(ifi);

	EXPECT_EQ(fd, fake.sv[0]);
	EXPECT_EQ(fake.group, RTNLGRP_NEIGH);
}

static void close_it(void)
{
	close(fake.sv[0]);
	close(fake.sv[1]);
}

/* Does a notice about this get through? */
static bool passes(int family, int index)
{
	body(family, index, NUD_REACHABLE, 0,
	     family == AF_INET6 ? "fe80::9" : "192.0.2.9", mac1);
	say(RTM_NEWNEIGH, 0);
	say(RTM_DELNEIGH, 0);
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	EXPECT(got.n == 0 || got.n == 2);
	return got.n;
}

static void filter(void)
{
	int i;

	group("the filter");
	open_it(7, 0x10203);
	for (i = 1; i < 300; i++) {
		EXPECT_EQ(passes(AF_INET, i), i == 7);
		EXPECT(!passes(AF_INET6, i));
		EXPECT(!passes(AF_BRIDGE, i));
	}
	EXPECT(passes(AF_INET6, 0x10203));
	EXPECT(!passes(AF_INET, 0x10203));
	EXPECT(!passes(AF_INET6, 0x3020100));

	/* Pieces of a table, whose first message need not be of interest */
	body(AF_INET, 9, NUD_REACHABLE, 0, "192.0.2.9", mac1);
	say(RTM_NEWNEIGH, NLM_F_MULTI);
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	EXPECT_EQ(got.n, 1);
	len = 4;
	say(NLMSG_DONE, NLM_F_MULTI);
	EXPECT_EQ(hear(), NL_NEIGH_END | NL_NEIGH_EMPTY);
	len = 20;
	say(NLMSG_ERROR, 0);
	EXPECT_EQ(hear(), NL_NEIGH_END | NL_NEIGH_EMPTY);
	close_it();

	/* A family without a link has none, not all */
	open_it(0, 7);
	EXPECT(!passes(AF_INET, 7));
	EXPECT(passes(AF_INET6, 7));
	close_it();
}

static void dialogue(void)
{
	const unsigned ifi[2] = { 7, 7 };
	uint8_t b[2048], big[20000] = { 0 };
	unsigned i, all = 0, met = 0;
	struct nlmsghdr nh;
	size_t off = 0;

	group("what comes together, and in any number");
	open_it(7, 7);
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	good();
	for (i = 0; i < 5; i++) {
		nh = (struct nlmsghdr){ .nlmsg_type = RTM_NEWNEIGH,
			.nlmsg_flags = NLM_F_MULTI,
			.nlmsg_len = (uint32_t)(sizeof(nh) + len) };
		memcpy(b + off, &nh, sizeof(nh));
		memcpy(b + off + sizeof(nh), msg, len);
		off += sizeof(nh) + NLMSG_ALIGN(len);
	}
	send(fake.sv[1], b, off, 0);
	hear();
	EXPECT_EQ(got.n, 5);

	/* The third says to be longer than all, or shorter than its header */
	for (i = 0; i < 18; i++) {
		uint32_t lie = i < 16 ? i : i == 16 ? 4000 : UINT32_MAX;

		memcpy(b + 2 * (sizeof(nh) + NLMSG_ALIGN(len)), &lie, 4);
		send(fake.sv[1], b, off, 0);
		hear();
		EXPECT_EQ(got.n, 2);
	}
	send(fake.sv[1], b, 7, MSG_DONTWAIT);
	send(fake.sv[1], b, 15, MSG_DONTWAIT);
	hear();
	EXPECT_EQ(got.n, 0);

	group("budget");
	good();
	for (i = 0; i < 5; i++) {
		say(RTM_NEWNEIGH, 0);
		say(RTM_NEWNEIGH, 0);
		all += 2;
	}
	for (i = 0; i < 10 && !(met & NL_NEIGH_EMPTY); i++) {
		met = hear();
		all -= got.n;
	}
	EXPECT_EQ(all, 0);

	group("losses");
	say(RTM_NEWNEIGH, 0);
	fake.fail = ENOBUFS;
	EXPECT_EQ(hear(), NL_NEIGH_LOST | NL_NEIGH_EMPTY);
	EXPECT_EQ(got.n, 1);
	fake.fail = EINTR;
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	fake.fail = EBADF;
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	big[4] = NLMSG_DONE;		/* longer than any that we let pass */
	EXPECT_EQ(send(fake.sv[1], big, sizeof(big), 0), sizeof(big));
	EXPECT_EQ(hear(), NL_NEIGH_LOST | NL_NEIGH_EMPTY);
	EXPECT_EQ(got.n, 0);

	group("not from the kernel");
	say(RTM_NEWNEIGH, 0);
	fake.pid = 4711;
	EXPECT_EQ(hear(), NL_NEIGH_EMPTY);
	EXPECT_EQ(got.n, 0);
	fake.pid = 0;

	group("asking");
	EXPECT_EQ(nl_neigh_ask(fake.sv[0], 0), 0);
	EXPECT_EQ(recv(fake.sv[1], b, sizeof(b), MSG_DONTWAIT), 16 + 12);
	memcpy(&nh, b, sizeof(nh));
	EXPECT_EQ(nh.nlmsg_type, RTM_GETNEIGH);
	EXPECT_EQ(nh.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	EXPECT_EQ(nl_neigh_ask(fake.sv[0], 9), 0);
	EXPECT_EQ(recv(fake.sv[1], b, sizeof(b), MSG_DONTWAIT), 16 + 12 + 8);
	memcpy(&i, b + 32, 4);
	EXPECT_EQ(i, 9);
	close(fake.sv[1]);
	EXPECT_EQ(nl_neigh_ask(fake.sv[0], 9), -ECONNREFUSED);
	close(fake.sv[0]);

	group("no socket, no subscription");
	fake.rc = -EMFILE;
	EXPECT_EQ(nl_neigh_open(ifi), -EMFILE);
	fake.rc = 0;
	fake.no_group = true;
	EXPECT_EQ(nl_neigh_open(ifi), -EPERM);
	/* It is closed (what the filter refuses would seem to be sent) */
	EXPECT_EQ(send(fake.sv[1], big, 20, MSG_NOSIGNAL), -1);
	close(fake.sv[1]);
}

int main(void)
{
	parse();
	spoil();
	filter();
	dialogue();
	return done();
}
