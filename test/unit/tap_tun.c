// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_tun.c (unit) - the tuntap back-end against a real kernel
 *
 * In a network namespace of its own, so it wants root or user namespaces, and
 * an accessible /dev/net/tun; it skips itself without. The guest is played by
 * the kernel: ordinary sockets in the namespace, which refuse what is wrong
 * with a checksum, a length or a segment size. With the argument "bench" it
 * prints what a frame costs.
 */
#include "tap_tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "csum.h"
#include "port_contract.h"

#ifndef SOL_UDP
#define SOL_UDP		17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define MTU		1500
#define PORT		4321		/* the guest's */
#define OUR_PORT	1234
#define MSS		1400
#define USO_SEGS	64		/* more are dropped: 6.18 takes 128 */

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const char our_text[2][24] = { "192.0.2.1", "2001:db8::1" };
static const char guest_text[2][24] = { "192.0.2.2", "2001:db8::2" };

static struct {
	int fd, packet, index;
	uint8_t mac[6];
	const char *name;
} dev;

static uint8_t payload[65536];		/* what is sent, both ways */

static bool write_text(const char *path, const char *text)
{
	return write_file(path, text) == 0;
}

/* isolate() - Into a network namespace of our own, or skip */
static void isolate(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();
	int fd;

	if (unshare(CLONE_NEWNET)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
			skip_all("no namespaces for us");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_text("/proc/self/uid_map", map);
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_text("/proc/self/gid_map", map);
	}

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip_all("/dev/net/tun is not for us");
	close(fd);
}

struct request {
	struct nlmsghdr n;
	uint8_t body[512];
};

static void attr(struct request *r, uint16_t type, const void *p, size_t len)
{
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(len),
			    .rta_type = type };
	uint8_t *at = (uint8_t *)r + NLMSG_ALIGN(r->n.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), p, len);
	r->n.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->n.nlmsg_len) +
				    RTA_ALIGN(a.rta_len));
}

static int netlink(uint16_t type, const void *body, size_t len,
		   struct request *r)
{
	struct { struct nlmsghdr n; struct nlmsgerr e; uint8_t x[512]; } ack;
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	r->n.nlmsg_type = type;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	memcpy(r->body, body, len);
	if (send(s, r, r->n.nlmsg_len, 0) < 0 ||
	    recv(s, &ack, sizeof(ack), 0) < (ssize_t)sizeof(ack.n))
		ack.e.error = -errno;
	close(s);
	return ack.e.error;
}

/* family_up() - Address, and a neighbour that needs no asking */
static int family_up(int family, const char *guest, const char *us)
{
	struct ifaddrmsg ia = {
		.ifa_family = (uint8_t)family,
		.ifa_prefixlen = family == AF_INET ? 24 : 64,
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = (unsigned)dev.index,
	};
	struct ndmsg nd = {
		.ndm_family = (uint8_t)family,
		.ndm_ifindex = dev.index,
		.ndm_state = NUD_PERMANENT,
	};
	size_t len = family == AF_INET ? 4 : 16;
	struct request r = { 0 };
	uint8_t a[16];
	int ret;

	r.n.nlmsg_len = NLMSG_LENGTH(sizeof(ia));
	inet_pton(family, guest, a);
	attr(&r, IFA_LOCAL, a, len);
	attr(&r, IFA_ADDRESS, a, len);
	ret = netlink(RTM_NEWADDR, &ia, sizeof(ia), &r);
	if (ret)
		return ret;

	memset(&r, 0, sizeof(r));
	r.n.nlmsg_len = NLMSG_LENGTH(sizeof(nd));
	inet_pton(family, us, a);
	attr(&r, NDA_DST, a, len);
	attr(&r, NDA_LLADDR, our_mac, 6);
	return netlink(RTM_NEWNEIGH, &nd, sizeof(nd), &r);
}

static void link_set(bool up, int mtu)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), dev.name);
	ifr.ifr_mtu = mtu;
	EXPECT_EQ(ioctl(s, SIOCSIFMTU, &ifr), 0);
	EXPECT_EQ(ioctl(s, SIOCGIFHWADDR, &ifr), 0);
	memcpy(dev.mac, ifr.ifr_hwaddr.sa_data, 6);
	ifr.ifr_flags = up ? IFF_UP : 0;
	EXPECT_EQ(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
}

static void dev_up(const char *name, bool plain, int mtu)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHTYPE_IP4) };

	dev.name = name;
	dev.fd = tap_tun_create(name, plain);
	EXPECT(dev.fd >= 0);
	EXPECT_EQ(tap_tun_open(dev.fd), 0);
	tap_attach(&tap_tun_ops);

	dev.index = (int)if_nametoindex(name);
	ll.sll_protocol = htons(CONTRACT_TYPE);
	ll.sll_ifindex = dev.index;
	dev.packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	EXPECT_EQ(bind(dev.packet, (struct sockaddr *)&ll, sizeof(ll)), 0);
	link_set(true, mtu);
	EXPECT_EQ(family_up(AF_INET, guest_text[0], our_text[0]), 0);
	EXPECT_EQ(family_up(AF_INET6, guest_text[1], our_text[1]), 0);
}

static void dev_down(void)
{
	close(dev.packet);
	close(dev.fd);
}

static bool push(const void *frame, size_t len)
{
	return send(dev.packet, frame, len, 0) == (ssize_t)len;
}

static size_t pop(void *buf, size_t size)
{
	struct pollfd p = { .fd = dev.packet, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 5) <= 0)
		return 0;
	n = recv(dev.packet, buf, size, MSG_DONTWAIT);
	return n < 0 ? 0 : (size_t)n;
}

static const struct contract_guest guest = { push, pop, MTU, 0 };

static int wait_in(int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	return poll(&p, 1, 500);
}

static struct hdr_ip ip_of(int v6, uint8_t proto)
{
	struct hdr_ip h = { .smac = our_mac, .dmac = dev.mac, .proto = proto,
			    .ttl = 64 };

	EXPECT(addr_parse(our_text[v6], &h.src));
	EXPECT(addr_parse(guest_text[v6], &h.dst));
	return h;
}

static int guest_socket(int v6, int type, const char *text)
{
	int family = v6 ? AF_INET6 : AF_INET;
	int s = socket(family, type | SOCK_CLOEXEC, 0);
	union sockaddr_any sa;
	union addr a;

	EXPECT(addr_parse(text, &a));
	EXPECT_EQ(bind(s, &sa.sa, addr_to_sa(&sa, family, &a, PORT, 0)), 0);
	return s;
}

static void fill(struct tap_slot *s, size_t from, size_t len)
{
	memcpy(s->data[0].iov_base, payload + from, len);
	s->len = len;
	s->data[0].iov_len = len;
}

/* put_udp() - Headers for @total bytes that start in slot @s */
static void put_udp(struct tap_slot *s, int v6, size_t total, bool partial)
{
	struct hdr_ip ip = ip_of(v6, IPPROTO_UDP);
	struct iovec all = { payload, total };

	s->hdrlen = hdr_put_ip(s->hdr, &ip, UDP_HLEN + total);
	s->hdrlen += hdr_put_udp(s->hdr + s->hdrlen, OUR_PORT, PORT, total);
	hdr_seal(s->hdr, s->hdrlen, &all, 1, partial);
	s->csum_partial = partial;
}

/* expect_datagrams() - @total bytes of payload, cut every @size */
static void expect_datagrams(int sock, size_t total, size_t size)
{
	static uint8_t buf[65536];
	size_t off = 0;

	while (off < total && wait_in(sock) > 0) {
		ssize_t n = recv(sock, buf, sizeof(buf), MSG_DONTWAIT);

		if (!EXPECT_EQ(n, MIN(size, total - off)))
			return;
		EXPECT_MEM(buf, payload + off, (size_t)n);
		off += (size_t)n;
	}
	EXPECT_EQ(off, total);
	EXPECT(recv(sock, buf, sizeof(buf), MSG_DONTWAIT) < 0);
}

static void udp_to_guest(int v6)
{
	int i, n, sock = guest_socket(v6, SOCK_DGRAM, guest_text[v6]);
	int size = 1 << 20;
	struct tap_slot s[TAP_BATCH];

	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));

	/* Complete checksum; then the same damaged, to know it is verified */
	n = tap_reserve(s, 2, HDR_ROOM, 1000);
	for (i = 0; i < n; i++) {
		fill(&s[i], 0, 999);
		put_udp(&s[i], v6, 999, false);
	}
	s[1].hdr[s[1].hdrlen - 1] ^= 1;
	EXPECT_EQ(tap_commit(s, n, 2, false), 2);
	expect_datagrams(sock, 999, 999);

	if (tap_caps()->csum) {
		n = tap_reserve(s, 1, HDR_ROOM, 1000);
		fill(&s[0], 0, 777);
		put_udp(&s[0], v6, 777, true);
		EXPECT_EQ(tap_commit(s, n, 1, false), 1);
		expect_datagrams(sock, 777, 777);
	}

	if (tap_caps()->uso) {
		n = tap_reserve(s, 1, HDR_ROOM, 65000);
		fill(&s[0], 0, 45 * 1400 + 300);
		put_udp(&s[0], v6, s[0].len, true);
		s[0].gso = TAP_GSO_UDP;
		s[0].gso_size = 1400;
		EXPECT_EQ(tap_commit(s, n, 1, false), 1);
		expect_datagrams(sock, 45 * 1400 + 300, 1400);

		/* As many segments as every kernel with USO takes */
		n = tap_reserve(s, 1, HDR_ROOM, 40 * USO_SEGS);
		fill(&s[0], 0, 40 * USO_SEGS);
		put_udp(&s[0], v6, s[0].len, true);
		s[0].gso = TAP_GSO_UDP;
		s[0].gso_size = 40;
		EXPECT_EQ(tap_commit(s, n, 1, false), 1);
		expect_datagrams(sock, 40 * USO_SEGS, 40);

		/* One slot each, joined; then one that needs no cutting */
		n = tap_reserve(s, 12, HDR_ROOM, 1400);
		for (i = 0; i < 10; i++) {
			fill(&s[i], (size_t)i * 1200, i == 9 ? 10 : 1200);
			s[i].join = i > 0;
		}
		put_udp(&s[0], v6, 9 * 1200 + 10, true);
		s[0].gso = TAP_GSO_UDP;
		s[0].gso_size = 1200;
		EXPECT_EQ(tap_commit(s, n, 10, false), 10);
		expect_datagrams(sock, 9 * 1200 + 10, 1200);

		n = tap_reserve(s, 1, HDR_ROOM, 1400);
		fill(&s[0], 0, 500);
		put_udp(&s[0], v6, 500, true);
		s[0].gso = TAP_GSO_UDP;
		s[0].gso_size = 1400;
		EXPECT_EQ(tap_commit(s, n, 1, false), 1);
		expect_datagrams(sock, 500, 500);
	}
	close(sock);
}

/* sum_ok() - Does the L4 checksum of a received frame hold? */
static bool sum_ok(const struct tap_frame *f)
{
	uint8_t *p = f->iov->iov_base;
	struct iovec rest;
	uint16_t had, now;
	struct pkt pkt;
	size_t l4, at;

	EXPECT_EQ(hdr_parse(&pkt, f->iov, f->len), HDR_OK);
	l4 = hdr_ip_len(&pkt.dst);
	at = l4 + (pkt.proto == IPPROTO_TCP ? 16 : 6);
	rest.iov_base = p + l4 + 8;
	rest.iov_len = f->len - l4 - 8;
	memcpy(&had, p + at, 2);
	memset(p + at, 0, 2);
	hdr_seal(p, l4 + 8, &rest, 1, false);
	memcpy(&now, p + at, 2);
	return had == now;
}

/* next_pkt() - The next frame of @proto from PORT; call tap_done(*batch) when
 * finished with it */
static bool next_pkt(struct tap_frame *f, struct pkt *p, uint8_t proto)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		int n = tap_recv(f, 1);

		if (!n && wait_in(dev.fd) <= 0)
			return false;
		if (!n)
			continue;
		if (hdr_parse(p, f->iov, f->len) == HDR_OK &&
		    p->proto == proto && p->sport == PORT)
			return true;
		tap_done(n);
	}
	return false;
}

static void udp_from_guest(int v6)
{
	int one = 1400, sock = guest_socket(v6, SOCK_DGRAM, guest_text[v6]);
	const size_t total = 40 * 1400 + 55;
	bool gso = !setsockopt(sock, SOL_UDP, UDP_SEGMENT, &one, sizeof(one));
	union sockaddr_any sa;
	struct tap_frame f;
	union addr us;
	size_t off = 0;
	struct pkt p;

	EXPECT(addr_parse(our_text[v6], &us));
	addr_to_sa(&sa, v6 ? AF_INET6 : AF_INET, &us, OUR_PORT, 0);
	EXPECT_EQ(connect(sock, &sa.sa, sizeof(sa)), 0);
	EXPECT_EQ(send(sock, payload, gso ? total : 1400, 0),
		  (ssize_t)(gso ? total : 1400));

	while (off < (gso ? total : 1400) &&
	       EXPECT(next_pkt(&f, &p, IPPROTO_UDP))) {
		size_t len = cur_left(&p.data);
		static uint8_t buf[65536];

		if (tap_caps()->uso && gso) {
			EXPECT_EQ(len, total);
			EXPECT_EQ(f.gso_size, 1400);
		} else {
			EXPECT_EQ(f.gso_size, 0);
			EXPECT(len <= 1400);
			EXPECT(tap_caps()->csum || sum_ok(&f));
		}
		EXPECT(cur_pull(&p.data, buf, len));
		EXPECT_MEM(buf, payload + off, len);
		off += len;
		tap_done(1);
	}
	close(sock);
}

/* tcp_send() - One segment or super-segment to the guest */
static void tcp_send(int v6, uint32_t seq, uint32_t ack, uint8_t flags,
		     size_t from, size_t len)
{
	static const uint8_t opt[4] = { 2, 4, MSS >> 8, MSS & 0xff };
	bool partial = tap_caps()->csum;
	struct hdr_ip ip = ip_of(v6, IPPROTO_TCP);
	size_t optlen = flags & TH_SYN ? 4 : 0;
	struct tap_slot s;

	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, len), 1);
	fill(&s, from, len);
	s.hdrlen = hdr_put_ip(s.hdr, &ip, TCP_HLEN + optlen + len);
	s.hdrlen += hdr_put_tcp(s.hdr + s.hdrlen, OUR_PORT, PORT, seq, ack,
				flags, 65535, opt, optlen);
	hdr_seal(s.hdr, s.hdrlen, s.data, s.ndata, partial);
	s.csum_partial = partial;
	if (len > MSS) {
		s.gso = v6 ? TAP_GSO_TCP6 : TAP_GSO_TCP4;
		s.gso_size = MSS;
	}
	EXPECT_EQ(tap_commit(&s, 1, 1, false), 1);
}

static void tcp_both_ways(int v6)
{
	const size_t total = 40 * MSS;
	int l = guest_socket(v6, SOCK_STREAM, guest_text[v6]), c;
	uint32_t seq = 1000, base, got = 0;
	static uint8_t buf[65536];
	size_t off, largest = 0;
	struct tap_frame f;
	unsigned gso = 0;
	struct pkt p;

	EXPECT_EQ(listen(l, 1), 0);
	tcp_send(v6, seq++, 0, TH_SYN, 0, 0);
	if (!EXPECT(next_pkt(&f, &p, IPPROTO_TCP)))
		return;
	EXPECT_EQ(p.tcp.flags, TH_SYN | TH_ACK);
	EXPECT_EQ(p.tcp.ack, seq);
	EXPECT(p.tcp.optlen >= 4);
	base = p.tcp.seq + 1;
	tap_done(1);
	tcp_send(v6, seq, base, TH_ACK, 0, 0);
	if (!EXPECT(wait_in(l) > 0))
		return;
	c = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	EXPECT(c >= 0);

	for (off = 0; off < total; ) {
		size_t len = tap_caps()->tso ? total : MSS;

		tcp_send(v6, seq + (uint32_t)off, base, TH_ACK, off, len);
		EXPECT_EQ(recv(c, buf, len, MSG_WAITALL), (ssize_t)len);
		EXPECT_MEM(buf, payload + off, len);
		off += len;
	}
	seq += (uint32_t)total;

	EXPECT_EQ(send(c, payload, total, MSG_DONTWAIT), (ssize_t)total);
	while (got < total && EXPECT(next_pkt(&f, &p, IPPROTO_TCP))) {
		size_t len = cur_left(&p.data);

		if (len && p.tcp.seq == base + got) {
			largest = MAX(largest, f.len);
			gso += f.gso_size != 0;
			EXPECT(!f.gso_size || f.gso_size <= MSS);
			EXPECT(tap_caps()->csum || sum_ok(&f));
			EXPECT(cur_pull(&p.data, buf, len));
			EXPECT_MEM(buf, payload + got, len);
			got += (uint32_t)len;
		}
		tap_done(1);
		if (len)
			tcp_send(v6, seq, base + got, TH_ACK, 0, 0);
	}
	EXPECT_EQ(got, total);
	EXPECT_EQ(gso > 0, tap_caps()->tso);
	EXPECT_EQ(largest > MTU + ETH_HLEN_, tap_caps()->tso);
	close(c);
	close(l);

	/* Leave nothing behind that would come again */
	tcp_send(v6, seq, base + got, TH_RST | TH_ACK, 0, 0);
	while (tap_recv(&f, 1) > 0)
		tap_done(1);
}

/* A sanitizer's shadow memory does not count */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED	1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED	0
#endif

/* resident_kib() - Exact, where statm is off by some hundred KiB */
static long resident_kib(void)
{
	char text[2048], *rss;

	if (read_file("/proc/self/smaps_rollup", text, sizeof(text)) <= 0)
		return 0;
	rss = strstr(text, "Rss:");
	return rss ? strtol(rss + 4, NULL, 10) : 0;
}

static void creation(void)
{
	int fd, kept;
	long before;

	group("creation");
	fd = tap_tun_create("taken", false);
	EXPECT(fd >= 0);
	EXPECT_EQ(tap_tun_create("taken", false), -EBUSY);
	EXPECT_EQ(tap_tun_create("taken", true), -EBUSY);
	EXPECT_EQ(tap_tun_create("a/b", false), -EINVAL);
	EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	kept = tap_tun_create("kept", false);
	EXPECT_EQ(ioctl(kept, TUNSETPERSIST, 1), 0);
	close(kept);
	kept = tap_tun_create("kept", false);	/* joined */
	EXPECT(kept >= 0);
	EXPECT_EQ(tap_tun_create("kept", false), -EBUSY);
	EXPECT_EQ(ioctl(kept, TUNSETPERSIST, 0), 0);
	close(kept);
	EXPECT_EQ(tap_tun_create("lo", false), -EINVAL);
	resident_kib();			/* touches pages itself */
	before = resident_kib();
	EXPECT_EQ(tap_tun_open(fd), 0);
	if (!SANITIZED)
		EXPECT(resident_kib() - before < 64);
	EXPECT(tap_tun_open(STDIN_FILENO) < 0);
	close(fd);
}

static void delete_dev(void)
{
	struct ifinfomsg ii = { .ifi_index = dev.index };
	struct request r = { 0 };

	r.n.nlmsg_len = NLMSG_LENGTH(sizeof(ii));
	EXPECT_EQ(netlink(RTM_DELLINK, &ii, sizeof(ii), &r), 0);
}

static void endings(bool plain)
{
	struct tap_frame f;
	struct tap_slot s;
	int n;

	group("link down: lost as on a wire");
	dev_up("end0", plain, MTU);
	link_set(false, MTU);
	n = tap_reserve(&s, 1, HDR_ROOM, 100);
	contract_fill(&s, 1, 100);
	EXPECT_EQ(tap_commit(&s, n, 1, false), 1);
	EXPECT(!tap_lost());
	while (tap_recv(&f, 1) > 0)
		tap_done(1);
	EXPECT(!tap_lost());

	group("device gone: lost for good, seen by reading");
	delete_dev();
	EXPECT_EQ(tap_recv(&f, 1), 0);
	EXPECT(tap_lost());
	dev_down();

	group("device gone: seen by writing");
	dev_up("end1", plain, MTU);
	EXPECT(!tap_lost());
	delete_dev();
	n = tap_reserve(&s, 1, HDR_ROOM, 100);
	contract_fill(&s, 1, 100);
	EXPECT_EQ(tap_commit(&s, n, 1, false), 1);
	EXPECT(tap_lost());
	dev_down();
}

static void traffic(bool plain)
{
	dev_up("tap0", plain, MTU);
	EXPECT_EQ(tap_caps()->csum, !plain);
	EXPECT_EQ(tap_caps()->tso, !plain);
	EXPECT(!plain || !tap_caps()->uso);

	contract_run(&guest, plain ? "contract over tun, plain" :
		     "contract over tun, vnet header");
	group(plain ? "traffic, plain" : "traffic, offloads");
	udp_to_guest(0);
	udp_to_guest(1);
	udp_from_guest(0);
	udp_from_guest(1);
	tcp_both_ways(0);
	tcp_both_ways(1);
	dev_down();
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* bench_send() - Cost of @frames UDP frames of @len bytes to a guest that does
 * not listen on that port; the guest's part is in it up to its UDP layer */
static void bench_send(const char *what, size_t len, uint16_t gso_size,
		       int batch, int frames)
{
	int sock = guest_socket(0, SOCK_DGRAM, guest_text[0]), small = 1, i;
	struct tap_slot s[TAP_BATCH];
	double start = cpu_us(), us;
	int sent = 0;

	/* The socket's full buffer drops it at the last moment */
	setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	while (sent < frames) {
		int n = tap_reserve(s, batch, HDR_ROOM, len);

		for (i = 0; i < n; i++) {
			s[i].len = len;
			put_udp(&s[i], 0, len, tap_caps()->csum);
			s[i].gso = gso_size ? TAP_GSO_UDP : TAP_GSO_NONE;
			s[i].gso_size = gso_size;
		}
		sent += tap_commit(s, n, n, false);
	}
	us = cpu_us() - start;
	printf("# to guest, %-28s %8.2f us/frame %6.2f Gb/s\n", what,
	       us / sent, (double)sent * (double)len * 8e-3 / us);
	close(sock);
}

/* bench_recv() - Cost of reading frames that a raw socket sent */
static void bench_recv(const char *what, size_t len, int batch, int frames)
{
	struct tap_frame f[TAP_BATCH];
	int got = 0, i, k;
	double us = 0;

	contract_hdr(contract_buf, 1);
	while (got < frames) {
		double start;

		for (i = 0; i < batch; i++)
			push(contract_buf, len + ETH_HLEN_);
		start = cpu_us();
		k = tap_recv(f, TAP_BATCH);
		us += cpu_us() - start;
		tap_done(k);
		got += k ? k : frames;
	}
	printf("# from guest, %-26s %8.2f us/frame %6.2f Gb/s\n", what,
	       us / got, (double)got * (double)len * 8e-3 / us);
}

static void bench(bool plain)
{
	printf("# %s\n", plain ? "plain" : "vnet header");
	dev_up("bench0", plain, 65520);
	bench_send("64 B, batch 64", 64, 0, 64, 500000);
	if (tap_caps()->uso)
		bench_send("64 x 64 B USO", 64 * 64, 64, 1, 30000);
	bench_send("1400 B, batch 1", 1400, 0, 1, 300000);
	bench_send("1400 B, batch 64", 1400, 0, 64, 300000);
	bench_send("65000 B", 65000, 0, 1, 30000);
	if (tap_caps()->uso) {
		bench_send("45 x 1400 B USO", 45 * 1400, 1400, 1, 30000);
		bench_send("45 x 1400 B USO, batch 8", 45 * 1400, 1400, 8,
			   30000);
	}
	bench_recv("64 B, batch 1", 64, 1, 200000);
	bench_recv("64 B, batch 64", 64, 64, 200000);
	bench_recv("1400 B, batch 1", 1400, 1, 200000);
	bench_recv("1400 B, batch 64", 1400, 64, 200000);
	bench_recv("65000 B, batch 1", 65000, 1, 20000);
	bench_recv("65000 B, batch 16", 65000, 16, 20000);
	dev_down();
}

int main(int argc, char **argv)
{
	size_t i;

	isolate();
	csum_init();
	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8) * 13);

	if (argc > 1 && !strcmp(argv[1], "bench")) {
		bench(false);
		bench(true);
		return EXIT_SUCCESS;
	}

	creation();
	traffic(false);
	traffic(true);
	endings(false);
	endings(true);
	return done();
}
