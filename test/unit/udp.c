// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp.c - datagrams both ways, over the fake port and real loopback sockets
 *
 * The guest is 192.0.2.2 / 2001:db8::2; its gateways stand for the host's
 * loopback. sendmmsg() is wrapped, to count calls and messages and to refuse
 * segmentation.
 *
 * link: -Wl,--wrap=sendmmsg,--wrap=setsockopt
 */
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "csum.h"
#include "fake_tap.h"
#include "frag.h"
#include "fwd_listen.h"
#include "guest.h"
#include "log.h"
#include "siphash.h"
#include "sock.h"
#include "udp_out.h"
#include "util.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

static struct {
	unsigned calls, messages;
	int refuse_gso;			/* errno, 0 = let pass */
	int fail;			/* the same, of all */
	unsigned discovers;		/* settings of path MTU discovery, */
	int discover;			/* ... and the last one */
} wrap;

int __real_setsockopt(int fd, int level, int name, const void *v,
		      socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *v,
		      socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *v,
		      socklen_t len)
{
	if ((level == SOL_IP && name == IP_MTU_DISCOVER) ||
	    (level == SOL_IPV6 && name == IPV6_MTU_DISCOVER)) {
		wrap.discovers++;
		memcpy(&wrap.discover, v, sizeof(wrap.discover));
	}
	return __real_setsockopt(fd, level, name, v, len);
}

int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	unsigned i;

	wrap.calls++;
	if (wrap.fail) {
		errno = wrap.fail;
		return -1;
	}
	for (i = 0; i < n; i++) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&m[i].msg_hdr);

		for (; c; c = CMSG_NXTHDR(&m[i].msg_hdr, c))
			if (c->cmsg_level == SOL_UDP && wrap.refuse_gso)
				break;
		if (c)
			break;
	}
	if (n && !i) {
		errno = wrap.refuse_gso;
		return -1;
	}
	wrap.messages += i;
	return __real_sendmmsg(fd, m, i, flags);
}

static struct fwd_conf conf;
static struct guest facts = {
	.net = { { .on = true, .prefix = 24 }, { .on = true, .prefix = 64 } },
	.our_mac = { 2, 0, 0, 0, 0, 1 }, .mac = { 2, 0, 0, 0, 0, 2 },
	.mtu = 65520, .mac_known = true,
};
static uint64_t now = 1000 * SEC;

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

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

/* ------------------------------------------------------------ host's programs */

static int host_socket(const char *addr, in_port_t port)
{
	union sockaddr_any sa;
	union addr a = A(addr);
	int family = addr_is4(&a) ? AF_INET : AF_INET6, one = 1;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = addr_to_sa(&sa, family, &a, port, 0);

	setsockopt(fd, SOL_IP, IP_RECVTTL, &one, sizeof(one));
	setsockopt(fd, SOL_IP, IP_RECVTOS, &one, sizeof(one));
	setsockopt(fd, SOL_IPV6, IPV6_RECVTCLASS, &one, sizeof(one));
	if (bind(fd, &sa.sa, len))
		abort();
	return fd;
}

static void host_send(int fd, const char *addr, in_port_t port,
		      const void *data, size_t len)
{
	union sockaddr_any sa;
	union addr a = A(addr);
	socklen_t salen = addr_to_sa(&sa, addr_is4(&a) ? AF_INET : AF_INET6,
				     &a, port, 0);

	EXPECT_EQ(sendto(fd, data, len, 0, &sa.sa, salen), (ssize_t)len);
}

static in_port_t from_port;
static union addr from_addr;
static int from_ttl, from_tos;

/* host_recv() - Length of what came, -1 if nothing does */
static ssize_t host_recv(int fd, void *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t ctrl[256] __attribute__((aligned(8)));
	union sockaddr_any sa;
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_name = &sa, .msg_namelen = sizeof(sa),
			    .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = ctrl,
			    .msg_controllen = sizeof(ctrl) };
	struct cmsghdr *c;
	ssize_t n;

	if (poll(&p, 1, 100) != 1)
		return -1;
	n = recvmsg(fd, &m, 0);
	if (n < 0)
		return -1;
	addr_from_sa(&sa, &from_addr, &from_port);
	from_tos = -1;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL)
			memcpy(&from_ttl, CMSG_DATA(c), sizeof(int));
		else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS)
			from_tos = *CMSG_DATA(c);
		else if (c->cmsg_level == SOL_IPV6 &&
			 c->cmsg_type == IPV6_TCLASS)
			memcpy(&from_tos, CMSG_DATA(c), sizeof(int));
	}
	return n;
}

/* ------------------------------------------------------------ the guest */

#define PKTS	64

static struct pkt pkts[PKTS];
static struct iovec pkt_iov[PKTS][2];
static uint8_t payload[PKTS][65536];
static unsigned npkts;
static uint8_t guest_ttl = 64, guest_tos;
static bool guest_df = true, guest_cut;

/* from_guest() - Queue a datagram, its payload in two pieces */
static void from_guest(const char *src, in_port_t sport, const char *dst,
		       in_port_t dport, size_t len, uint16_t gso)
{
	struct pkt *p = &pkts[npkts];
	size_t i;

	*p = (struct pkt){ .proto = IPPROTO_UDP, .l4 = true, .ttl = guest_ttl,
			   .tos = guest_tos, .df = guest_df,
			   .fragment = guest_cut,
			   .src = A(src), .dst = A(dst),
			   .sport = sport, .dport = dport, .gso_size = gso };
	for (i = 0; i < len; i++)
		payload[npkts][i] = (uint8_t)(i * 7 + npkts);
	pkt_iov[npkts][0] = (struct iovec){ payload[npkts], len / 3 };
	pkt_iov[npkts][1] = (struct iovec){ payload[npkts] + len / 3,
					    len - len / 3 };
	cur_init(&p->data, pkt_iov[npkts], len);
	npkts++;
}

static void guest_go(void)
{
	wrap.calls = wrap.messages = 0;
	udp_input(pkts, npkts);
	npkts = 0;
}

/* turn() - What the loop does with what is ready now */
static void turn(void)
{
	struct ev_event ev[16];
	struct timer *t;
	int i, n = ev_wait(ev, 16, 20);

	clock_set(now);
	for (i = 0; i < n; i++) {
		if (ev[i].ref.type == EV_UDP)
			udp_sock_ready(ev[i].ref, ev[i].mask);
		else if (ev[i].ref.type == EV_UDP_LISTEN)
			udp_listen_ready(ev[i].ref, ev[i].mask);
	}
	while ((t = timer_pop()))
		udp_timer(t);
	tap_flush();
	flow_reap();
}

static uint8_t frame[70000];
static struct fake_info about;
static struct pkt got;
static uint8_t got_data[65536];
static size_t got_len;

/* guest_recv() - The next frame; false if there is none or it is not a good
 * UDP or ICMP frame */
static bool guest_recv(void)
{
	size_t len = fake_pop(frame, sizeof(frame), &about);
	static struct iovec iov;

	if (!len)
		return false;
	iov = (struct iovec){ frame, len };
	if (hdr_parse(&got, &iov, len) == HDR_FRAG) {
		struct iovec whole;

		len = frag_input(&iov, len, &whole);
		if (!len)
			return guest_recv();
		iov = whole;
		if (hdr_parse(&got, &iov, len) != HDR_OK)
			return false;
	}
	got_len = cur_left(&got.data);
	cur_peek(&got.data, got_data, got_len);
	return true;
}

/* csum_good() - UDP checksum of the last frame, if it is complete */
static bool csum_good(void)
{
	size_t ulen = UDP_HLEN + got_len;
	uint8_t *udp = got.data.iov->iov_base;
	uint32_t sum = csum_pseudo(&got.src, &got.dst, IPPROTO_UDP,
				   (uint32_t)ulen);

	udp += got.data.off - UDP_HLEN;
	return csum_fold(csum_partial(udp, ulen, sum)) == 0;
}

/* ------------------------------------------------------------ the tests */

struct family {
	const char *guest, *gw, *lo;
};

static const struct family fam[2] = {
	{ "192.0.2.2", "192.0.2.1", "127.0.0.1" },
	{ "2001:db8::2", "2001:db8::1", "::1" },
};

static uint8_t buf[70000], data[70000];

static void pattern(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		data[i] = (uint8_t)(i * 13 + n);
}

static void out_and_in(const struct family *f)
{
	int s = host_socket(f->lo, 7000);
	in_port_t port;

	group("there and back");
	from_guest(f->guest, 4000, f->gw, 7000, 100, 0);
	guest_go();
	EXPECT_EQ(wrap.calls, 1);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 100);
	EXPECT_MEM(buf, payload[0], 100);
	EXPECT_EQ(from_port, 4000);
	EXPECT_EQ(flow_count(), 1);
	port = from_port;

	pattern(500);
	host_send(s, f->lo, port, data, 500);
	turn();
	EXPECT(guest_recv());
	EXPECT(addr_eq(&got.src, &(union addr){ .in6 = A(f->gw).in6 }));
	EXPECT(addr_eq(&got.dst, &(union addr){ .in6 = A(f->guest).in6 }));
	EXPECT_EQ(got.sport, 7000);
	EXPECT_EQ(got.dport, 4000);
	EXPECT_EQ(got.ttl, 64);
	EXPECT_EQ(got_len, 500);
	EXPECT_MEM(got_data, data, 500);
	EXPECT(csum_good());
	EXPECT_MEM(got.dmac, facts.mac, 6);
	EXPECT(!guest_recv());

	group("nothing in it");
	from_guest(f->guest, 4000, f->gw, 7000, 0, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 0);
	host_send(s, f->lo, port, "", 0);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got_len, 0);
	EXPECT(csum_good());

	group("the longest, and their fragments");
	facts.mtu = 1500;
	guest_init(&facts);
	pattern(60000);
	from_guest(f->guest, 4000, f->gw, 7000, 60000, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 60000);
	EXPECT_MEM(buf, payload[0], 60000);
	host_send(s, f->lo, port, data, 60000);
	turn();
	EXPECT(fake_pending() >= 41);
	EXPECT(guest_recv());
	EXPECT_EQ(got_len, 60000);
	EXPECT_MEM(got_data, data, 60000);
	EXPECT(csum_good());
	facts.mtu = 65520;
	guest_init(&facts);
	host_send(s, f->lo, port, data, 60000);
	turn();
	EXPECT_EQ(fake_pending(), 1);
	EXPECT(guest_recv());
	EXPECT_MEM(got_data, data, 60000);

	group("strangers are not heard");
	close(s);
	s = host_socket(f->lo, 7001);
	host_send(s, f->lo, port, "x", 1);
	turn();
	EXPECT(!fake_pending());
	close(s);
}

static void merged_out(const struct family *f)
{
	int s = host_socket(f->lo, 7000);
	size_t off;
	unsigned i;

	group("equal datagrams leave as one");
	for (i = 0; i < 20; i++)
		from_guest(f->guest, 4001, f->gw, 7000, 1400, 0);
	from_guest(f->guest, 4001, f->gw, 7000, 37, 0);
	from_guest(f->guest, 4001, f->gw, 7000, 1400, 0);
	guest_go();
	EXPECT_EQ(wrap.calls, 1);
	EXPECT_EQ(wrap.messages, 2);
	for (i = 0; i < 22; i++) {
		ssize_t want = i == 20 ? 37 : 1400;

		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), want);
		EXPECT_MEM(buf, payload[i], (size_t)want);
	}

	group("no more than fit, none that are empty");
	for (i = 0; i < 60; i++)
		from_guest(f->guest, 4001, f->gw, 7000, 1400, 0);
	from_guest(f->guest, 4001, f->gw, 7000, 0, 0);
	from_guest(f->guest, 4001, f->gw, 7000, 0, 0);
	guest_go();
	EXPECT_EQ(wrap.calls, 1);
	EXPECT_EQ(wrap.messages, 4);
	for (i = 0; i < 62; i++)
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), i < 60 ? 1400 : 0);

	group("a super-datagram");
	from_guest(f->guest, 4001, f->gw, 7000, 3000, 700);
	guest_go();
	EXPECT_EQ(wrap.messages, 1);
	for (off = 0; off < 3000; off += 700) {
		size_t want = off == 2800 ? 200 : 700;

		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), (ssize_t)want);
		EXPECT_MEM(buf, payload[0] + off, want);
	}

	group("segmentation refused");
	wrap.refuse_gso = EIO;
	for (i = 0; i < 5; i++)
		from_guest(f->guest, 4002, f->gw, 7000, 500, 0);
	from_guest(f->guest, 4002, f->gw, 7000, 1000, 300);
	guest_go();
	EXPECT_EQ(wrap.messages, 9);
	for (i = 0; i < 9; i++) {
		ssize_t want = i < 5 ? 500 : i < 8 ? 300 : 100;

		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), want);
		EXPECT_MEM(buf, payload[i < 5 ? i : 5] +
			   (i < 5 ? 0 : 300 * (i - 5)), (size_t)want);
	}
	wrap.refuse_gso = 0;
	from_guest(f->guest, 4002, f->gw, 7000, 500, 0);
	from_guest(f->guest, 4002, f->gw, 7000, 500, 0);
	guest_go();
	EXPECT_EQ(wrap.messages, 2);		/* remembered */
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 500);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 500);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), -1);
	close(s);
}

static void ttl_out(void)
{
	int s = host_socket("127.0.0.1", 7000);

	group("time to live");
	from_guest("192.0.2.2", 4003, "192.0.2.1", 7000, 10, 0);
	guest_ttl = 9;
	from_guest("192.0.2.2", 4003, "192.0.2.1", 7000, 10, 0);
	from_guest("192.0.2.2", 4003, "192.0.2.1", 7000, 10, 0);
	guest_ttl = 64;
	from_guest("192.0.2.2", 4003, "192.0.2.1", 7000, 10, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);
	EXPECT_EQ(from_ttl, 64);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);
	EXPECT_EQ(from_ttl, 9);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);
	EXPECT_EQ(from_ttl, 9);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);
	EXPECT_EQ(from_ttl, 64);

	from_ttl = 33;
	setsockopt(s, SOL_IP, IP_TTL, &from_ttl, sizeof(int));
	host_send(s, "127.0.0.1", 4003, "x", 1);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.ttl, 33);
	close(s);
}

/* What must not be cut, and what may be: told to the socket when that changes */
static void cut_or_not(const struct family *f)
{
	bool v4 = !strchr(f->gw, ':');
	int s = host_socket(f->lo, 7000);
	unsigned i, n;

	group("told to the kernel: not to be cut");
	for (i = 0; i < 4; i++) {
		guest_df = v4 ? i & 2 : true;
		guest_cut = !v4 && !(i & 2);
		for (n = 0; n < 10; n++)
			from_guest(f->guest, 4009, f->gw, 7000, 10, 0);
	}
	wrap.discovers = 0;
	guest_go();
	EXPECT_EQ(wrap.discovers, 2);
	EXPECT_EQ(wrap.discover, IP_PMTUDISC_DO);
	from_guest(f->guest, 4009, f->gw, 7000, 10, 0);
	guest_go();
	EXPECT_EQ(wrap.discovers, 2);
	guest_df = !v4;
	guest_cut = !v4;
	from_guest(f->guest, 4009, f->gw, 7000, 10, 0);
	guest_go();
	EXPECT_EQ(wrap.discovers, 3);
	EXPECT_EQ(wrap.discover, v4 ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT);
	guest_df = true;
	guest_cut = false;
	for (i = 0; i < 42; i++)
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);

	/* The link of the host takes less than the guest's */
	sock_link_mtu(128, 148);
	from_guest(f->guest, 4009, f->gw, 7000, 100, 0);
	guest_go();
	EXPECT_EQ(wrap.discover, IP_PMTUDISC_DO);
	from_guest(f->guest, 4009, f->gw, 7000, 101, 0);
	guest_go();
	EXPECT_EQ(wrap.discover, IP_PMTUDISC_WANT);
	sock_link_mtu(0, 0);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 100);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 101);
	wrap.discovers = 3;

	/* Nobody is told what was too big for a group */
	from_guest(f->guest, 4009, v4 ? "239.1.2.3" : "ff05::1:23", 7000, 10, 0);
	guest_go();
	EXPECT_EQ(wrap.discovers, 3);
	close(s);
}

static void set_tos(int fd, int v)
{
	setsockopt(fd, SOL_IP, IP_TOS, &v, sizeof(v));
	setsockopt(fd, SOL_IPV6, IPV6_TCLASS, &v, sizeof(v));
}

/* DSCP and ECN, by a flow's own socket and by a listener's */
static void tos_both_ways(const struct family *f)
{
	static const uint8_t seq[] = { 0, 0xb8, 0xb8, 0xba, 3, 2, 0, 0xff };
	int s = host_socket(f->lo, 7000);
	unsigned i;

	group("type of service, out");
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		guest_tos = seq[i];
		from_guest(f->guest, 4006, f->gw, 7000, 10 + i, 0);
	}
	guest_go();
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10 + i);
		EXPECT_EQ(from_tos, seq[i]);
	}

	group("... and in, not joined if it differs");
	fake_knobs()->caps.csum = fake_knobs()->caps.uso = true;
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		set_tos(s, seq[i]);
		host_send(s, f->lo, 4006, data, 100);
	}
	for (i = 0; i < 3; i++)
		turn();
	EXPECT_EQ(fake_pending(), 7);
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		EXPECT(guest_recv());
		EXPECT_EQ(got.tos, seq[i]);
		i += got_len == 200;
	}
	fake_knobs()->caps.csum = fake_knobs()->caps.uso = false;
	facts.mtu = 1280;
	guest_init(&facts);
	set_tos(s, 0x2e);
	host_send(s, f->lo, 4006, data, 2000);
	turn();
	EXPECT(guest_recv() && got_len == 2000);	/* in fragments */
	EXPECT_EQ(got.tos, 0x2e);
	facts.mtu = 65520;
	guest_init(&facts);
	close(s);

	group("... through a listener");
	s = host_socket(f->lo, 7102);
	set_tos(s, 0x51);
	host_send(s, f->lo, 6000, data, 10);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.tos, 0x51);
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		guest_tos = seq[i];
		guest_ttl = (uint8_t)(64 + i);
		from_guest(f->guest, 6500, f->gw, 7102, 10, 0);
	}
	guest_tos = 0;
	guest_ttl = 64;
	guest_go();
	for (i = 0; i < ARRAY_LEN(seq); i++) {
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 10);
		EXPECT_EQ(from_tos, seq[i]);
		EXPECT(!addr_is4(&from_addr) || from_ttl == 64 + (int)i);
	}
	close(s);
}

/* expect_datagrams() - The guest gets @n of @size bytes and maybe @last more,
 * in @frames frames */
static void expect_datagrams(unsigned n, size_t size, size_t last,
			     unsigned frames)
{
	size_t off = 0, total = n * size + last;

	EXPECT_EQ(fake_pending(), frames);
	while (guest_recv()) {
		EXPECT_MEM(got_data, data + off, got_len);
		off += got_len;
		if (got_len > size) {
			EXPECT_EQ(about.gso, TAP_GSO_UDP);
			EXPECT_EQ(about.gso_size, size);
			EXPECT(about.csum_partial);
			EXPECT(got_len <= UDP_GSO_MAX + 535);
		} else {
			EXPECT_EQ(about.gso, TAP_GSO_NONE);
			EXPECT(about.csum_partial || csum_good());
		}
	}
	EXPECT_EQ(off, total);
}

static void merged_in(const struct family *f)
{
	int s = host_socket(f->lo, 7000), v;
	unsigned i;

	from_guest(f->guest, 4004, f->gw, 7000, 1, 0);
	guest_go();
	pattern(sizeof(data));

	group("those in a row become one frame");
	fake_knobs()->caps.csum = fake_knobs()->caps.uso = true;
	for (i = 0; i < 40; i++)
		host_send(s, f->lo, 4004, data + 1000 * i, 1000);
	host_send(s, f->lo, 4004, data + 40000, 300);
	for (i = 0; i < 4; i++)
		turn();		/* grows its batches: 4, 8, 16 and the rest */
	expect_datagrams(40, 1000, 300, 4);

	group("nothing behind a shorter one, nor with another TTL");
	host_send(s, f->lo, 4004, data, 1000);
	host_send(s, f->lo, 4004, data, 300);
	host_send(s, f->lo, 4004, data, 300);
	v = 5;
	setsockopt(s, SOL_IP, IP_TTL, &v, sizeof(v));
	setsockopt(s, SOL_IPV6, IPV6_UNICAST_HOPS, &v, sizeof(v));
	host_send(s, f->lo, 4004, data, 300);
	turn();
	EXPECT_EQ(fake_pending(), 3);
	EXPECT(guest_recv() && got_len == 1300 && got.ttl == 64);
	EXPECT(guest_recv() && got_len == 300 && got.ttl == 64);
	EXPECT(guest_recv() && got_len == 300 && got.ttl == 5);

	group("not if their sizes grow, nor if a segment exceeds the MTU");
	host_send(s, f->lo, 4004, data, 10);
	host_send(s, f->lo, 4004, data + 10, 20);
	turn();
	EXPECT_EQ(fake_pending(), 2);
	EXPECT(guest_recv() && got_len == 10);
	EXPECT(guest_recv() && got_len == 20);
	facts.mtu = 1280;
	guest_init(&facts);
	host_send(s, f->lo, 4004, data, 1400);
	host_send(s, f->lo, 4004, data + 1400, 1400);
	host_send(s, f->lo, 4004, data + 2800, 1000);
	turn();
	EXPECT_EQ(fake_pending(), 5);
	EXPECT(guest_recv() && got_len == 1400 && csum_good());
	EXPECT(guest_recv() && got_len == 1400 && csum_good());
	EXPECT(guest_recv() && got_len == 1000 && csum_good());
	EXPECT_MEM(got_data, data + 2800, 1000);
	facts.mtu = 65520;
	guest_init(&facts);

	group("joined by the kernel");
	v = 1000;
	setsockopt(s, SOL_UDP, UDP_SEGMENT, &v, sizeof(v));
	host_send(s, f->lo, 4004, data, 40300);
	turn();
	expect_datagrams(40, 1000, 300, 1);

	group("the same for ports that cannot");
	fake_knobs()->caps.csum = fake_knobs()->caps.uso = false;
	host_send(s, f->lo, 4004, data, 40300);
	turn();
	expect_datagrams(40, 1000, 300, 41);

	group("not room for all");
	fake_knobs()->slots = 1;
	fake_knobs()->last_room = 999;
	host_send(s, f->lo, 4004, data, 1000);
	turn();
	fake_knobs()->slots = -1;
	fake_knobs()->last_room = 0;
	EXPECT(!fake_pending());
	fake_knobs()->accept = 0;
	host_send(s, f->lo, 4004, data, 1000);
	turn();
	fake_knobs()->accept = -1;
	fake_knobs()->elem = 100;
	host_send(s, f->lo, 4004, data, 1000);
	turn();
	fake_knobs()->elem = 0;
	expect_datagrams(1, 1000, 0, 1);
	close(s);
}

static void waiting(const struct family *f)
{
	int s = host_socket(f->lo, 7000);
	struct ev_event event;

	from_guest(f->guest, 4005, f->gw, 7000, 1, 0);
	guest_go();
	pattern(7000);

	group("no room: they wait, and nothing is heard of them until there is");
	fake_knobs()->slots = 0;
	host_send(s, f->lo, 4005, data, 4000);
	turn();
	host_send(s, f->lo, 4005, data + 4000, 3000);
	EXPECT_EQ(ev_wait(&event, 1, 20), 0);
	fake_knobs()->slots = -1;
	EXPECT_EQ(ev_wait(&event, 1, 20), 0);
	udp_room();
	turn();
	EXPECT(guest_recv() && got_len == 4000);
	EXPECT(guest_recv() && got_len == 3000);
	udp_room();
	EXPECT_EQ(ev_wait(&event, 1, 0), 0);

	group("no room after all: they go on waiting");
	fake_knobs()->slots = 0;
	host_send(s, f->lo, 4005, data, 4000);
	turn();
	udp_room();
	EXPECT_EQ(ev_wait(&event, 1, 20), 0);
	fake_knobs()->slots = -1;
	udp_room();			/* reads, before others take the room */
	EXPECT(guest_recv() && got_len == 4000);

	group("a guest that leaves: they are not for the next one");
	fake_knobs()->slots = 0;
	host_send(s, f->lo, 4005, data, 4000);
	turn();
	facts.mac_known = false;
	guest_init(&facts);
	udp_room();
	facts.mac_known = true;
	guest_init(&facts);
	fake_knobs()->slots = -1;
	turn();
	EXPECT(!fake_pending());

	group("no guest: they are lost");
	facts.mac_known = false;
	guest_init(&facts);
	fake_knobs()->slots = 0;
	host_send(s, f->lo, 4005, data, 4000);
	turn();
	EXPECT_EQ(ev_wait(&event, 1, 0), 0);
	facts.mac_known = true;
	guest_init(&facts);
	fake_knobs()->slots = -1;
	udp_room();
	turn();
	EXPECT(!fake_pending());
	close(s);
}

static void inbound(const struct family *f)
{
	int s = host_socket(f->lo, 7100), s2 = host_socket(f->lo, 7101);
	unsigned i, before = flow_count();

	group("a client of a forwarded port");
	pattern(100);
	host_send(s, f->lo, 6000, data, 100);
	host_send(s, f->lo, 6000, data, 50);
	host_send(s2, f->lo, 6000, data, 60);
	turn();
	EXPECT_EQ(flow_count(), before + 2);
	EXPECT_EQ(fake_pending(), 3);
	EXPECT(guest_recv() && got_len == 100);
	EXPECT(addr_eq(&got.src, &(union addr){ .in6 = A(f->gw).in6 }));
	EXPECT(addr_eq(&got.dst, &(union addr){ .in6 = A(f->guest).in6 }));
	EXPECT_EQ(got.sport, 7100);
	EXPECT_EQ(got.dport, 6500);
	EXPECT(guest_recv() && got_len == 50);
	EXPECT(guest_recv() && got_len == 60);
	EXPECT_EQ(got.sport, 7101);

	group("the guest's replies");
	for (i = 0; i < 10; i++)
		from_guest(f->guest, 6500, f->gw, 7100, 200, 0);
	guest_go();
	EXPECT_EQ(wrap.messages, 1);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 200);
		EXPECT_MEM(buf, payload[i], 200);
		EXPECT_EQ(from_port, 6000);
		EXPECT(addr_eq(&from_addr,
			       &(union addr){ .in6 = A(f->lo).in6 }));
	}
	EXPECT_EQ(flow_count(), before + 2);

	group("a client that has gone");
	close(s);
	from_guest(f->guest, 6500, f->gw, 7100, 33, 0);
	guest_go();
	turn();
	EXPECT(guest_recv());
	EXPECT(got.icmp.type == (addr_is4(&got.src) ? 3 : 1));
	EXPECT_EQ(got.icmp.code, addr_is4(&got.src) ? 3 : 4);
	EXPECT(addr_eq(&got.src, &(union addr){ .in6 = A(f->gw).in6 }));
	from_guest(f->guest, 6500, f->gw, 7101, 44, 0);
	guest_go();
	EXPECT_EQ(host_recv(s2, buf, sizeof(buf)), 44);
	turn();
	EXPECT(!fake_pending());
	close(s2);
}

static void reply_source(void)
{
	int s = host_socket("127.0.0.5", 7100);
	int s2 = host_socket("127.0.0.1", 7100);

	group("of clients that look the same, the last one gets the reply");
	host_send(s2, "127.0.0.1", 6000, "x", 1);
	turn();
	EXPECT(guest_recv());
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7100, 4, 0);
	guest_go();
	EXPECT_EQ(host_recv(s2, buf, sizeof(buf)), 4);
	close(s2);

	group("replies leave from the address the client used");
	host_send(s, "127.0.0.77", 6000, "x", 1);
	turn();
	EXPECT(guest_recv());
	EXPECT(addr_eq(&got.src, &(union addr){ .in6 = A("192.0.2.1").in6 }));
	guest_ttl = 11;
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7100, 5, 0);
	guest_ttl = 64;
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 5);
	EXPECT(addr_eq(&from_addr,
		       &(union addr){ .in6 = A("127.0.0.77").in6 }));
	EXPECT_EQ(from_ttl, 11);
	close(s);
}

/* The guest wrote to the gateway before, so to this host's loopback: with a
 * client whose flow had been given up, that was its answer */
static void looks_like_ours(void)
{
	int s = host_socket("127.0.0.5", 7120), t;

	group("a client that looks like whom the guest asked in vain");
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7120, 5, 0);
	guest_go();
	turn();
	EXPECT(guest_recv() && got.proto == IPPROTO_ICMP);
	host_send(s, "127.0.0.1", 6000, "x", 1);
	turn();
	EXPECT(guest_recv() && got.sport == 7120);
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7120, 6, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 6);
	close(s);

	group("... but not if that has answered");
	s = host_socket("127.0.0.1", 7121);
	t = host_socket("127.0.0.5", 7121);
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7121, 5, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 5);
	host_send(s, "127.0.0.1", from_port, "x", 1);
	turn();
	EXPECT(guest_recv() && got.sport == 7121);
	host_send(t, "127.0.0.1", 6000, "y", 1);
	turn();
	while (guest_recv())
		;
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7121, 6, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 6);
	EXPECT_EQ(host_recv(t, buf, sizeof(buf)), -1);
	close(s);
	close(t);
}

static void ipv4_listener(void)
{
	int s = host_socket("127.0.0.1", 7110);

	group("a listener of IPv4 only");
	host_send(s, "127.0.0.1", 6001, "x", 1);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.dport, 6501);
	from_guest("192.0.2.2", 6501, "192.0.2.1", 7110, 5, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 5);
	EXPECT_EQ(from_port, 6001);
	close(s);
	from_guest("192.0.2.2", 6501, "192.0.2.1", 7110, 5, 0);
	guest_go();
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.proto, IPPROTO_ICMP);
	EXPECT_EQ(got.icmp.type, 3);
	EXPECT_EQ(got.icmp.code, 3);
}

static void errors(const struct family *f)
{
	bool v4 = f == &fam[0];
	size_t ip = v4 ? IP4_HLEN : IP6_HLEN;
	unsigned i;
	int s;

	group("nobody there: the guest is told");
	from_guest(f->guest, 4010, f->gw, 7777, 21, 0);
	guest_go();
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.icmp.type, v4 ? 3 : 1);
	EXPECT_EQ(got.icmp.code, v4 ? 3 : 4);
	EXPECT(addr_eq(&got.src, &(union addr){ .in6 = A(f->gw).in6 }));
	EXPECT(addr_eq(&got.dst, &(union addr){ .in6 = A(f->guest).in6 }));
	EXPECT_EQ(got_data[ip] << 8 | got_data[ip + 1], 4010);
	EXPECT_EQ(got_data[ip + 2] << 8 | got_data[ip + 3], 7777);
	EXPECT_MEM(got_data + ip + 8, payload[0], 8);
	for (i = 0; i < 3; i++)
		turn();
	EXPECT(!fake_pending());

	group("an old error costs no new datagram");
	from_guest(f->guest, 4010, f->gw, 7777, 21, 0);
	guest_go();
	s = host_socket(f->lo, 7777);
	from_guest(f->guest, 4010, f->gw, 7777, 22, 0);
	from_guest(f->guest, 4010, f->gw, 7777, 23, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 22);
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 23);
	EXPECT_EQ(fake_pending(), 1);
	while (guest_recv())
		EXPECT_EQ(got.icmp.type, v4 ? 3 : 1);

	group("nor an incoming one");
	close(s);
	from_guest(f->guest, 4010, f->gw, 7777, 21, 0);
	guest_go();
	s = host_socket(f->lo, 7777);
	host_send(s, f->lo, 4010, "abc", 3);
	turn();
	turn();
	EXPECT(guest_recv());
	EXPECT(guest_recv());
	EXPECT_EQ(got.proto, IPPROTO_UDP);
	EXPECT_EQ(got_len, 3);
	close(s);

	group("what its own sending says");
	s = host_socket(f->lo, 7777);
	from_guest(f->guest, 4012, f->gw, 7777, 21, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 21);
	wrap.fail = EHOSTUNREACH;
	from_guest(f->guest, 4012, f->gw, 7777, 25, 0);
	guest_go();
	wrap.fail = 0;
	EXPECT(guest_recv());
	EXPECT_EQ(got.icmp.type, v4 ? 3 : 1);
	EXPECT_EQ(got.icmp.code, v4 ? 1 : 3);
	EXPECT(addr_eq(&got.src, &facts.net[!v4].our));
	EXPECT_EQ(got_data[ip] << 8 | got_data[ip + 1], 4012);
	EXPECT_MEM(got_data + ip + 8, payload[0], 8);
	EXPECT(!fake_pending());
	close(s);

	group("no route");
	from_guest(f->guest, 4011, v4 ? "203.0.113.5" : "2001:db8:5::5", 53,
		   30, 0);
	guest_go();
	EXPECT(guest_recv());
	EXPECT_EQ(got.icmp.type, v4 ? 3 : 1);
	EXPECT_EQ(got.icmp.code, 0);
	EXPECT(addr_eq(&got.src, &facts.net[!v4].our));
}

static void close_flows(void)
{
	union flow *f = NULL;

	while ((f = flow_each(f)))
		udp_close(f);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
}

static uint64_t sysctl_s(const char *name, uint64_t v)
{
	FILE *f = fopen(name, "r");
	unsigned long n;

	if (f && fscanf(f, "%lu", &n) == 1)
		v = n;
	if (f)
		fclose(f);
	return v;
}

static void timeouts(void)
{
	uint64_t once = sysctl_s(
		"/proc/sys/net/netfilter/nf_conntrack_udp_timeout", 30);
	uint64_t stream = sysctl_s(
		"/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream", 120);
	int s = host_socket("127.0.0.1", 7000);

	group("forgotten without a reply");
	from_guest("192.0.2.2", 4020, "192.0.2.1", 7000, 1, 0);
	guest_go();
	now += (once - 1) * SEC;
	turn();
	EXPECT_EQ(flow_count(), 1);
	from_guest("192.0.2.2", 4020, "192.0.2.1", 7000, 1, 0);
	guest_go();
	now += (once - 1) * SEC;
	turn();
	EXPECT_EQ(flow_count(), 1);
	now += SEC + 5 * MSEC;
	turn();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);

	group("with one, later");
	from_guest("192.0.2.2", 4020, "192.0.2.1", 7000, 1, 0);
	from_guest("192.0.2.2", 4020, "192.0.2.1", 7000, 1, 0);
	guest_go();
	host_send(s, "127.0.0.1", 4020, "x", 1);
	turn();
	EXPECT(guest_recv());
	now += (stream - 1) * SEC;
	turn();
	EXPECT_EQ(flow_count(), 1);
	now += SEC + 5 * MSEC;
	turn();
	EXPECT_EQ(flow_count(), 0);
	close(s);
}

/* follow() - Ports forwarded from now on, as automatic forwarding does it: @port
 * alone, or none if that is 0 */
static unsigned follow(in_port_t port)
{
	static const uint8_t known[PORTS_BYTES];
	static uint8_t want[PORTS_BYTES];
	struct listen_failure fail[1];
	int n;

	memset(want, 0, sizeof(want));
	if (port)
		bit_set(want, port);
	n = listen_follow(FWD_UDP_IN, want, known, fail, 1);
	return n < 0 || n;
}

static void opened_again(const struct family *f)
{
	int s = host_socket(f->lo, 7120);

	group("a server comes back: its clients are answered as before");
	EXPECT_EQ(follow(6010), 0);
	host_send(s, f->lo, 6010, "x", 1);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(follow(0), 0);
	EXPECT_EQ(follow(6010), 0);
	host_send(s, f->lo, 6010, "y", 1);
	turn();
	EXPECT(guest_recv());
	from_guest(f->guest, 6010, f->gw, 7120, 5, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 5);
	EXPECT_EQ(from_port, 6010);

	group("it may also speak first");
	EXPECT_EQ(follow(0), 0);
	from_guest(f->guest, 6010, f->gw, 7120, 6, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 6);
	EXPECT_EQ(from_port, 6010);
	close(s);
	close_flows();
}

static void broadcast_in(void)
{
	int s = host_socket("127.0.0.1", 7130), on = 1;

	group("who asks all is answered by one");
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	host_send(s, "127.255.255.255", 6000, "x", 1);
	turn();
	EXPECT(guest_recv());
	EXPECT_EQ(got.sport, 7130);
	from_guest("192.0.2.2", 6500, "192.0.2.1", 7130, 5, 0);
	guest_go();
	EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 5);
	EXPECT_EQ(from_port, 6000);
	close(s);
}

/* host_address() - The host gets an address, instead of that of the same name;
 * what has no closer route is sent from the first one */
static void host_address(const char *name, const char *addr)
{
	struct ifreq r = { .ifr_name = "" };
	struct sockaddr_in *in = (void *)&r.ifr_addr;
	struct rtentry rt = { .rt_flags = RTF_UP, .rt_dev = r.ifr_name };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	union addr a = A(addr);

	strcpy(r.ifr_name, name);
	in->sin_family = AF_INET;
	in->sin_addr = addr_to4(&a);
	EXPECT(!ioctl(fd, SIOCSIFADDR, &r));
	in->sin_addr.s_addr = INADDR_BROADCAST;		/* /32 */
	EXPECT(!ioctl(fd, SIOCSIFNETMASK, &r));
	rt.rt_dst.sa_family = rt.rt_genmask.sa_family = AF_INET;
	strcpy(r.ifr_name, "lo");
	EXPECT(!ioctl(fd, SIOCADDRT, &rt) || errno == EEXIST);
	close(fd);
}

/* source_is() - Does the only flow there is send from @addr and @port? */
static bool source_is(const char *addr, in_port_t port)
{
	union flow *f = flow_each(NULL);
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	union addr a, want = A(addr);
	in_port_t p;

	return f && flow_count() == 1 &&
	       !getsockname(f->udp.sock[1], &sa.sa, &len) &&
	       addr_from_sa(&sa, &a, &p) && addr_eq(&a, &want) && p == port;
}

static void moved(void)
{
	unsigned i;

	group("the host has lost its address: so have old flows");
	host_address("lo:1", "198.51.100.1");
	from_guest("192.0.2.2", 4030, "203.0.113.5", 7000, 1, 0);
	guest_go();
	EXPECT(source_is("198.51.100.1", 4030));
	host_address("lo:1", "198.51.100.2");
	now += 2 * SEC;
	turn();
	for (i = 0; i < 2; i++) {		/* lost, but it tells */
		from_guest("192.0.2.2", 4030, "203.0.113.5", 7000, 1, 0);
		guest_go();
	}
	flow_reap();
	EXPECT(source_is("198.51.100.2", 4030));

	group("it sends from another address: so do flows without answers");
	host_address("lo:1", "198.51.100.3");
	host_address("lo:2", "198.51.100.2");
	for (i = 0; i < 9; i++, now += SEC) {
		turn();
		from_guest("192.0.2.2", 4030, "203.0.113.5", 7000, 1, 0);
		guest_go();
	}
	EXPECT(source_is("198.51.100.2", 4030));
	for (i = 0; i < 3; i++, now += SEC) {
		turn();
		from_guest("192.0.2.2", 4030, "203.0.113.5", 7000, 1, 0);
		guest_go();
	}
	flow_reap();
	EXPECT(source_is("198.51.100.3", 4030));
	while (guest_recv())
		;
	close_flows();
}

static unsigned open_files(void)
{
	unsigned n = 0, i;

	for (i = 0; i < 40000; i++)
		n += fcntl((int)i, F_GETFD) >= 0;
	return n;
}

/* Many questions from a port each: the first @answered of them get answers */
static void questions(int s, unsigned n, unsigned answered)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		in_port_t port = (in_port_t)(20000 + i);

		from_guest("192.0.2.2", port, "192.0.2.1", 7000, 20, 0);
		guest_go();
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 20);
		EXPECT_EQ(from_port, port);
		if (i >= answered)
			continue;
		host_send(s, "127.0.0.1", port, &port, sizeof(port));
		turn();
		EXPECT(guest_recv() && got.dport == port);
		EXPECT_MEM(got_data, &port, sizeof(port));
	}
}

static void sockets(void)
{
	int s = host_socket("127.0.0.1", 7000);
	unsigned before = open_files(), n;

	/* An eighth of what we may have: 64 + 1 */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 512, 512 });
	udp_init();

	group("look-ups in a row: a bounded number of sockets");
	for (n = 0; n < 3; n++)
		from_guest("192.0.2.2", 19000, "192.0.2.1", 7000, 1, 0);
	guest_go();
	for (n = 0; n < 3; n++)
		EXPECT_EQ(host_recv(s, buf, sizeof(buf)), 1);
	host_send(s, "127.0.0.1", 19000, "a", 1);
	turn();
	EXPECT(guest_recv());
	questions(s, 1000, 1000);
	n = open_files() - before;
	EXPECT(n >= 65 && n <= 67);

	group("a conversation goes on");
	host_send(s, "127.0.0.1", 19000, "b", 1);
	turn();
	EXPECT(guest_recv() && got.dport == 19000);
	close_flows();

	group("those that wait for answers may be more, but not any number");
	questions(s, 200, 0);
	EXPECT_EQ(open_files() - before, 200);
	questions(s, 400, 0);
	flow_reap();
	n = open_files() - before;
	EXPECT(n >= 260 && n <= 262);

	group("out of descriptors: the oldest make room");
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 300, 512 });
	close_flows();
	questions(s, 400, 0);
	EXPECT(open_files() <= 300);
	flow_reap();
	close_flows();
	EXPECT_EQ(open_files(), before);
	close(s);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 512, 512 });
	udp_init();
}

static void start(void)
{
	struct ruleset *rs = &conf.rules[FWD_UDP_IN];
	unsigned i;

	for (i = 0; i < 2; i++) {
		facts.net[i].addr = A(fam[i].guest);
		facts.net[i].gw = A(fam[i].gw);
		facts.net[i].our = A(i ? "fe80::1" : fam[i].gw);
		conf.net[i].map_host_loopback = A(fam[i].gw);
	}
	rs->mode = RULES_PORTS;
	rs->n = 2;
	rs->rule[0] = (struct fwd_rule){ .first = 6000, .last = 6000,
					 .target = 6500 };
	rs->rule[1] = (struct fwd_rule){ .addr = A("127.0.0.1"), .first = 6001,
					 .last = 6001, .target = 6501 };
	csum_init();
	siphash_init(0);
	clock_set(now);
	timer_reset();
	flow_init();
	frag_init();
	guest_init(&facts);
	fwd_init(&conf);
	ev_init();
	sock_init(0, false);
	udp_init();
	fake_reset();
	tap_attach(&fake_tap_ops);
	listen_all(true, true);
}

int main(void)
{
	unsigned i;
	int fd;

	if (!own_net())
		skip_all("no network namespace");
	if (getenv("TEST_DEBUG")) {
		log_to_stderr(true);
		log_set_level(LOG_LVL_DEBUG);
	}
	start();
	fd = dup(0);
	close(fd);

	for (i = 0; i < 2; i++) {
		out_and_in(&fam[i]);
		merged_out(&fam[i]);
		waiting(&fam[i]);
		merged_in(&fam[i]);
		inbound(&fam[i]);
		errors(&fam[i]);
		group("all can be ended");
		close_flows();
	}
	ttl_out();
	for (i = 0; i < 2; i++) {
		tos_both_ways(&fam[i]);
		cut_or_not(&fam[i]);
	}
	reply_source();
	looks_like_ours();
	ipv4_listener();
	broadcast_in();
	close_flows();
	for (i = 0; i < 2; i++)
		opened_again(&fam[i]);
	/* The listeners there were at start are closed */
	fd = dup(0);
	close(fd);

	group("all can be ended");
	close_flows();
	timeouts();
	sockets();
	moved();

	group("nothing left");
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
	EXPECT(!fake_pending());
	EXPECT(fake_idle());
	EXPECT_EQ(dup(0), fd);
	return done();
}
