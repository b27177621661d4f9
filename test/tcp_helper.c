// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_helper.c - a guest's TCP played by hand
 *
 * Nothing here knows how a connection should go on: it puts numbers into
 * frames, takes them out again, and makes the turns of the loop in between.
 * The system calls that move data are wrapped, to have them fail or fall
 * short on demand.
 */
#include "tcp_helper.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "csum.h"
#include "fwd_listen.h"
#include "guest.h"
#include "hold.h"
#include "tcp_ooo.h"
#include "tcp_sack.h"
#include "input.h"
#include "log.h"
#include "siphash.h"
#include "sock.h"
#include "tcp.h"
#include "tcp_accept.h"
#include "util.h"

#define QUEUE	64
#define PIECES	1000

static const struct { const char *guest, *gw, *lo; } net[2] = {
	{ "192.0.2.2", "192.0.2.1", "127.0.0.1" },
	{ "2001:db8::2", "2001:db8::1", "::1" },
};

static struct rig state;
static struct fwd_conf conf;
static struct guest facts;
static int listener[2];
static unsigned fds;

static struct {
	uint8_t frame[QUEUE][66000];
	struct iovec iov[QUEUE][PIECES];
	struct pkt pkt[QUEUE];
	unsigned n;
} queue;

struct rig *rig(void)
{
	return &state;
}

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

/* ---------------------------------------------------------------- wrapped */

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
const struct sock_features *__real_sock_features(void);
const struct sock_features *__wrap_sock_features(void);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t left = (size_t)state.send_max;
	struct msghdr cut = *m;
	struct iovec iov[256];
	size_t i;

	state.sends++;
	if (state.send_errno) {
		errno = state.send_errno;
		return -1;
	}
	if (state.send_max < 0)
		return __real_sendmsg(fd, m, flags);
	if (!state.send_times) {
		errno = EAGAIN;
		return -1;
	}
	state.send_times--;
	for (i = 0; i < (size_t)m->msg_iovlen && left; i++) {
		iov[i] = m->msg_iov[i];
		if (iov[i].iov_len > left)
			iov[i].iov_len = left;
		left -= iov[i].iov_len;
	}
	cut.msg_iov = iov;
	cut.msg_iovlen = i;
	return __real_sendmsg(fd, &cut, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	state.peeks++;
	if (state.recv_errno) {
		errno = state.recv_errno;
		return -1;
	}
	return __real_recvmsg(fd, m, flags);
}

const struct sock_features *__wrap_sock_features(void)
{
	static struct sock_features f;

	f = *__real_sock_features();
	f.tcp_peek_off = f.tcp_peek_off && !state.no_peek_off;
	return &f;
}

/* ---------------------------------------------------------------- the rig */

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int host_listen(const char *addr)
{
	union sockaddr_any sa;
	union addr a = A(addr);
	int family = addr_is4(&a) ? AF_INET : AF_INET6, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = addr_to_sa(&sa, family, &a, RIG_PORT, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &sa.sa, len) || listen(fd, 128))
		abort();
	return fd;
}

bool rig_start(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	struct fwd_rule *r = &conf.rules[FWD_TCP_IN].rule[0];
	union ev_ref ref = { .type = EV_TCP_LISTEN };
	int fd, f;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	/* Queues that take much without having been tuned by the kernel */
	write_file("/proc/sys/net/ipv4/tcp_rmem", "4096 4194304 6291456");
	listener[0] = host_listen("127.0.0.1");
	listener[1] = host_listen("::1");

	for (f = 0; f < 2; f++) {
		struct fwd_net *n = &conf.net[f];
		struct guest_net *g = &facts.net[f];

		*n = (struct fwd_net){
			.map_host_loopback = A(net[f].gw),
			.map_guest_addr = ADDR_NONE, .dns_forward = ADDR_NONE,
			.dns_host = ADDR_NONE, .outbound = ADDR_NONE,
		};
		g->on = true;
		g->addr = A(net[f].guest);
		g->prefix = f ? 64 : 24;
		g->gw = g->our = A(net[f].gw);
	}
	facts.net[GUEST_V6].our = A("fe80::1");
	memcpy(facts.our_mac, "\2\0\0\0\0\1", 6);
	memcpy(facts.mac, "\2\0\0\0\0\2", 6);
	facts.mac_known = true;
	conf.rules[FWD_TCP_IN].mode = RULES_PORTS;
	conf.rules[FWD_TCP_IN].n = 1;
	*r = (struct fwd_rule){ .addr = ADDR_NONE, .first = RIG_FWD,
				.last = RIG_FWD, .target = RIG_FWD };

	state.now = 5000 * SEC;
	clock_set(state.now);
	siphash_init(1);
	csum_init();
	sock_init(0, false);
	ev_init();
	fwd_init(&conf);
	listen_all(true, true);
	rig_reset();

	/* It takes its spare descriptor when first called */
	ref.gen = 1;
	tcp_accept_ready(ref, EPOLLIN);
	fds = count_fds();
	return true;
}

void rig_reset(void)
{
	uint64_t now = state.now;
	struct input_conf in = { true, true, true };
	int i, fd;

	/* Connections that no program took */
	for (i = 0; i < 2; i++)
		while ((fd = accept4(listener[i], NULL, NULL, 0)) >= 0)
			close(fd);

	memset(&state, 0, sizeof(state));
	state.now = now + 10 * SEC;
	state.send_max = -1;
	clock_set(state.now);
	timer_reset();
	flow_init();
	hold_init();
	ooo_init();
	sack_init();
	fake_reset();
	tap_attach(&fake_tap_ops);
	facts.mtu = 65520;
	guest_init(&facts);
	input_init(&in);
	queue.n = 0;
}

void rig_mtu(uint16_t mtu)
{
	facts.mtu = mtu;
	guest_init(&facts);
}

const char *rig_left(void)
{
	static char text[128];
	unsigned n;

	rig_turn(0);
	if (ooo_used() || sack_used())
		return "left: pieces beyond a gap";
	if (flow_count() || timer_count() || hold_chunks_used() ||
	    flow_listed(FLOW_RUN)) {
		snprintf(text, sizeof(text),
			 "left: %u flows %u timers %u chunks %u woken",
			 flow_count(), timer_count(), hold_chunks_used(),
			 flow_listed(FLOW_RUN));
		return text;
	}
	if (!fake_idle())
		return "left: frames";
	n = count_fds();
	if (n != fds) {
		snprintf(text, sizeof(text), "left: %i descriptors",
			 (int)n - (int)fds);
		return text;
	}
	return NULL;
}

static void run(enum flow_list which)
{
	unsigned n = flow_listed(which);
	union flow *f;

	for (; n && (f = flow_take(which)); n--)
		tcp_resume(f);
}

void rig_turn(int ms)
{
	struct ev_event ev[16];
	unsigned rounds;
	struct timer *t;
	int i, n;

	for (rounds = 0; rounds < 100; rounds++, ms = 0) {
		n = ev_wait(ev, 16, ms);
		for (i = 0; i < n; i++) {
			if (ev[i].ref.type == EV_TCP)
				tcp_sock_ready(ev[i].ref, ev[i].mask);
			else if (ev[i].ref.type == EV_TCP_LISTEN)
				tcp_accept_ready(ev[i].ref, ev[i].mask);
		}
		while ((t = timer_pop()))
			tcp_timer(t);
		run(FLOW_RUN);
		if (!n)
			run(FLOW_LATER);
		tap_flush();
		flow_reap();
		if (!n && !flow_listed(FLOW_RUN) && !flow_listed(FLOW_LATER))
			break;
	}
}

void rig_advance(uint64_t us)
{
	state.now += us;
	clock_set(state.now);
	rig_turn(0);
}

/* ---------------------------------------------------------------- the guest */

void conn_init(struct conn *c, in_port_t gport)
{
	*c = (struct conn){ .gport = gport, .hport = RIG_PORT, .host = -1,
			    .iss = 0x10000000U + gport, .win = 65535,
			    .mss = 1460, .ws = -1 };
}

static size_t put_blocks(const struct conn *c, uint8_t *opt)
{
	uint8_t *p = opt + 4;
	unsigned i;

	memcpy(opt, (uint8_t[]){ 1, 1, 5, (uint8_t)(2 + 8 * c->blocks) }, 4);
	for (i = 0; i < c->blocks; i++, p += 8) {
		uint32_t n[2] = { htonl(c->irs + c->block[i].start),
				  htonl(c->irs + c->block[i].end) };

		memcpy(p, n, 8);
	}
	return (size_t)(p - opt);
}

void guest_segment(const struct conn *c, uint8_t flags, uint32_t seq,
		   uint32_t ack, const void *data, size_t len)
{
	uint8_t *b = queue.frame[queue.n], opt[40];
	struct iovec *iov = queue.iov[queue.n];
	struct hdr_ip ip = {
		.smac = facts.mac, .dmac = facts.our_mac,
		.src = A(net[c->v6].guest), .dst = A(net[c->v6].gw),
		.proto = IPPROTO_TCP, .ttl = 64,
	};
	size_t optlen = 0, n, at, piece = state.piece;

	if (queue.n == QUEUE)
		abort();
	if (flags & TH_SYN && c->mss) {
		memcpy(opt, (uint8_t[]){ 2, 4, (uint8_t)(c->mss >> 8),
					 (uint8_t)c->mss }, 4);
		optlen = 4;
	}
	if (flags & TH_SYN && c->ws >= 0) {
		memcpy(opt + optlen, (uint8_t[]){ 1, 3, 3, (uint8_t)c->ws }, 4);
		optlen += 4;
	}
	if (flags & TH_SYN && c->sack) {
		memcpy(opt + optlen, (uint8_t[]){ 1, 1, 4, 2 }, 4);
		optlen += 4;
	}
	if (!(flags & TH_SYN) && c->blocks)
		optlen = put_blocks(c, opt);
	n = hdr_put_ip(b, &ip, TCP_HLEN + optlen + len);
	n += hdr_put_tcp(b + n, c->gport, c->hport, c->iss + seq,
			 flags & TH_ACK ? c->irs + ack : 0, flags, c->win, opt,
			 optlen);
	if (len)
		memcpy(b + n, data, len);
	len += n;
	if (!piece || len / piece >= PIECES)
		piece = len;
	for (at = 0; at < len; at += piece)
		*iov++ = (struct iovec){ b + at, MIN(piece, len - at) };
	if (hdr_parse(&queue.pkt[queue.n], queue.iov[queue.n], len) != HDR_OK)
		abort();
	queue.n++;
}

void guest_go(void)
{
	unsigned n = queue.n;

	queue.n = 0;
	tcp_input(queue.pkt, n);
}

void guest_send(const struct conn *c, uint8_t flags, uint32_t seq,
		uint32_t ack, const void *data, size_t len)
{
	guest_segment(c, flags, seq, ack, data, len);
	guest_go();
}

union flow *rig_flow(const struct conn *c)
{
	union addr g = A(net[c->v6].guest), gw = A(net[c->v6].gw);
	unsigned side;

	return flow_find(IPPROTO_TCP, PIF_GUEST, &g, c->gport, &gw, c->hport,
			 &side);
}

void rig_isn(const struct conn *c, uint32_t isn)
{
	union flow *f = rig_flow(c);

	if (!f || f->tcp.state != TS_CONNECTING)
		abort();
	f->tcp.snd_una = f->tcp.snd_nxt = isn;
	f->tcp.consumed = f->tcp.peek_at = isn + 1;
}

static bool sum_good(const struct pkt *p, uint8_t *frame, size_t len)
{
	size_t ip = hdr_ip_len(&p->dst), l4 = len - ip;
	uint32_t sum = csum_pseudo(&p->src, &p->dst, IPPROTO_TCP,
				   (uint32_t)l4);

	return !csum_fold(csum_partial(frame + ip, l4, sum));
}

static void read_options(struct seg *s, const struct pkt *p)
{
	const uint8_t *o = p->tcp.opt, *end = o + p->tcp.optlen;

	for (; o < end && *o; o += *o == 1 ? 1 : o[1]) {
		unsigned i;

		if (*o == 2)
			s->mss = (uint16_t)(o[2] << 8 | o[3]);
		if (*o == 3)
			s->ws = o[2];
		s->sack = s->sack || *o == 4;
		if (*o != 5)
			continue;
		for (i = 0; i < (o[1] - 2U) / 8 && i < 4; i++) {
			uint32_t n[2];

			memcpy(n, o + 2 + i * 8, 8);
			s->block[i].start = ntohl(n[0]);
			s->block[i].end = ntohl(n[1]);
			s->blocks = i + 1;
		}
	}
}

bool rig_pop(void)
{
	static uint8_t frame[70000];
	struct seg *s = &state.got;
	struct fake_info info;
	struct iovec iov = { frame, 0 };
	struct pkt p;
	int i;

	for (i = 0; i < 20 && !fake_pending(); i++) {
		rig_turn(i ? 10 : 0);
		/* Perhaps a delayed acknowledgement */
		if (i == 1 && !fake_pending())
			rig_advance(2 * MSEC);
	}
	iov.iov_len = fake_pop(frame, sizeof(frame), &info);
	if (!iov.iov_len || hdr_parse(&p, &iov, iov.iov_len) != HDR_OK ||
	    p.proto != IPPROTO_TCP)
		return false;

	*s = (struct seg){
		.sport = p.sport, .dport = p.dport, .seq = p.tcp.seq,
		.ack = p.tcp.ack, .win = p.tcp.win, .flags = p.tcp.flags,
		.gso = info.gso, .gso_size = info.gso_size, .ws = -1,
		.len = cur_left(&p.data),
	};
	s->sum_ok = info.csum_partial || sum_good(&p, frame, iov.iov_len);
	cur_pull(&p.data, s->data, s->len);
	read_options(s, &p);
	return true;
}

const char *rig_expect(const struct conn *c, uint8_t flags, uint32_t seq,
		       uint32_t ack, size_t len)
{
	const struct seg *s = &state.got;
	static char text[200];

	if (!rig_pop())
		return "no segment";
	if (s->sport == c->hport && s->dport == c->gport && s->sum_ok &&
	    (s->flags & ~TH_PSH) == flags && s->seq == c->irs + seq &&
	    s->ack == (flags & TH_ACK ? c->iss + ack : 0) && s->len == len)
		return NULL;
	snprintf(text, sizeof(text), "got %u>%u flags %x seq %i ack %i len %zu"
		 "%s, not flags %x seq %i ack %i len %zu", s->sport, s->dport,
		 s->flags, (int)(s->seq - c->irs), (int)(s->ack - c->iss),
		 s->len, s->sum_ok ? "" : " BAD SUM", flags, (int)seq,
		 (int)ack, len);
	return text;
}

bool rig_quiet(void)
{
	rig_turn(0);
	return !fake_pending();
}

bool conn_accept(struct conn *c)
{
	struct pollfd p = { .fd = listener[c->v6], .events = POLLIN };

	if (poll(&p, 1, 1000) != 1)
		return false;
	c->host = accept4(p.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return c->host >= 0;
}

bool conn_open(struct conn *c, uint32_t isn)
{
	guest_send(c, TH_SYN, 0, 0, NULL, 0);
	if (isn)
		rig_isn(c, isn);
	if (!rig_pop() || state.got.flags != (TH_SYN | TH_ACK) ||
	    state.got.ack != c->iss + 1)
		return false;
	c->irs = state.got.seq;
	guest_send(c, TH_ACK, 1, 1, NULL, 0);
	return conn_accept(c) && !fake_pending();
}

bool conn_inbound(struct conn *c)
{
	union sockaddr_any sa;
	union addr a = A(net[c->v6].lo);
	int family = c->v6 ? AF_INET6 : AF_INET;
	socklen_t len = addr_to_sa(&sa, family, &a, RIG_FWD, 0);

	c->gport = RIG_FWD;
	c->host = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->host, &sa.sa, len) || !rig_pop() ||
	    state.got.flags != TH_SYN || state.got.dport != RIG_FWD)
		return false;
	c->irs = state.got.seq;
	c->hport = state.got.sport;
	return true;
}

bool conn_answer(struct conn *c)
{
	guest_send(c, TH_SYN | TH_ACK, 0, 1, NULL, 0);
	return !rig_expect(c, TH_ACK, 1, 1, 0);
}

void conn_close(struct conn *c, bool hard)
{
	if (c->host < 0)
		return;
	if (hard)
		sock_reset(c->host);
	else
		close(c->host);
	c->host = -1;
}

ssize_t host_read(const struct conn *c, void *buf, size_t size)
{
	struct pollfd p = { .fd = c->host, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 200) != 1)
		return -EAGAIN;
	n = recv(c->host, buf, size, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

bool host_write(const struct conn *c, const void *data, size_t len)
{
	return send(c->host, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* ---------------------------------------------------------------- bytes */

static uint8_t byte_at(size_t off)
{
	return (uint8_t)((off * 2654435761U) >> 13);
}

void pattern(uint8_t *buf, size_t off, size_t len)
{
	while (len--)
		*buf++ = byte_at(off++);
}

bool is_pattern(const uint8_t *buf, size_t off, size_t len)
{
	for (; len; len--)
		if (*buf++ != byte_at(off++))
			return false;
	return true;
}
