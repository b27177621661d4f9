// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fake_net.c - the host's sockets without a kernel
 *
 * Descriptors are numbers far above those of the system, so calls about others
 * go through. Readiness is computed as epoll does, by level or by edge.
 */
#include "fake_net.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#define FD0		(1 << 20)
#define ROOM		200000U
#define PERIOD		65521U		/* of net_bytes(), a prime */

static struct net state;

struct net *net(void)
{
	return &state;
}

void net_reset(void)
{
	struct net was = state;

	memset(&state, 0, sizeof(state));
	memcpy(state.sock, was.sock, sizeof(state.sock));
	state.open = was.open;
}

const uint8_t *net_bytes(uint32_t number)
{
	static uint8_t bytes[PERIOD + 65536];
	uint32_t i;

	if (!bytes[1])
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i % PERIOD * 2654435761U >> 13);
	/* Also across zero, for what is sent once more or too early */
	return bytes + (number ^ 0x80000000U) % PERIOD;
}

static _Noreturn void misuse(const char *what, int fd)
{
	fprintf(stderr, "misuse of socket %i: %s\n", fd - FD0, what);
	abort();
}

static struct net_sock *sock_of(int fd)
{
	struct net_sock *s;

	if (fd < FD0 || fd >= FD0 + NET_SOCKS)
		return NULL;
	s = &state.sock[fd - FD0];
	if (!s->open)
		misuse("it is closed", fd);
	return s;
}

struct net_sock *net_pick(unsigned n, int type, bool listening)
{
	unsigned i, found = 0;

	for (i = 0; i < 2 * NET_SOCKS; i++) {
		struct net_sock *s = &state.sock[i % NET_SOCKS];

		if (i == NET_SOCKS) {
			if (!found)
				return NULL;
			n %= found;
			found = 0;
		}
		if (s->open && s->type == type && s->listening == listening &&
		    found++ == n)
			return s;
	}
	return NULL;
}

/* Whether this call is to fail; errno is set */
static bool fails(enum net_call c)
{
	if (!state.fail[c].times)
		return false;
	if (state.fail[c].after) {
		state.fail[c].after--;
		return false;
	}
	state.fail[c].times--;
	errno = state.fail[c].e;
	return true;
}

static int open_sock(int family, int type, int proto)
{
	int i;

	for (i = 0; i < NET_SOCKS; i++) {
		struct net_sock *s = &state.sock[i];

		if (s->open)
			continue;
		*s = (struct net_sock){
			.open = true, .family = family, .type = type & 15,
			.in_ns = state.in_ns,
			.proto = proto, .peek_off = -1, .room = ROOM,
		};
		state.open++;
		return FD0 + i;
	}
	errno = EMFILE;
	return -1;
}

/* ---------------------------------------------------------------- making */

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_socket(int family, int type, int proto);
int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n);
int __wrap_getsockopt(int fd, int level, int name, void *v, socklen_t *n);
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);

int __wrap_socket(int family, int type, int proto)
{
	return fails(NET_SOCKET) ? -1 : open_sock(family, type, proto);
}

int __wrap_close(int fd)
{
	struct net_sock *s = sock_of(fd);

	if (!s)
		return __real_close(fd);
	if (s->watched)
		state.last[state.nlast++ % ARRAY_LEN(state.last)] = s->ref;
	s->open = false;
	state.open--;
	return 0;
}

static void sa_read(const struct sockaddr *sa, socklen_t len, union addr *a,
		    in_port_t *port)
{
	union sockaddr_any any;

	memset(&any, 0, sizeof(any));
	memcpy(&any, sa, MIN(len, sizeof(any)));
	if (!addr_from_sa(&any, a, port))
		misuse("an address of no family", 0);
}

static void sa_write(const struct net_sock *s, const union addr *a,
		     in_port_t port, void *sa, socklen_t *len)
{
	union sockaddr_any any;
	socklen_t n;

	/* A socket of one family has no address of the other */
	if (s->family == AF_INET && !addr_is4(a))
		n = addr_to_sa(&any, AF_INET, &(union addr){
			.w = { 0, 0, htonl(0xffff), htonl(0xc6336407) } },
			port, 0);
	else
		n = addr_to_sa(&any, s->family, a, port, 0);
	memcpy(sa, &any, MIN(n, *len));
	*len = n;
}

/* Nothing but what the configuration allows may be reached */
static void destination(const union addr *a)
{
	enum addr_class c = addr_class(a);

	if (c == ADDR_UNSPEC || c == ADDR_V4COMPAT)
		misuse("destination is unspecified", 0);
	if (c == ADDR_LOOPBACK && state.no_loopback)
		misuse("destination is the host's loopback", 0);
}

int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct net_sock *s = sock_of(fd);

	if (fails(NET_BIND))
		return -1;
	sa_read(sa, len, &s->name, &s->port);
	return 0;
}

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct net_sock *s = sock_of(fd);

	if (sa->sa_family == AF_UNSPEC) {
		s->connected = false;
		return 0;
	}
	sa_read(sa, len, &s->peer, &s->peer_port);
	destination(&s->peer);
	if (fails(NET_CONNECT))
		return -1;
	if (addr_is_none(&s->name) || addr_class(&s->name) == ADDR_UNSPEC)
		addr_parse(addr_is4(&s->peer) ? "198.51.100.7" :
						"2001:db8:5::7", &s->name);
	if (!s->port)
		s->port = (in_port_t)(40000 + fd - FD0);
	s->connected = true;
	if (s->type != SOCK_STREAM || state.connect_now)
		return 0;
	s->connecting = true;
	errno = EINPROGRESS;
	return -1;
}

int __wrap_listen(int fd, int backlog)
{
	(void)backlog;
	sock_of(fd)->listening = true;
	return 0;
}

int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct net_sock *s = sock_of(fd), *t;
	struct net_msg m;
	int new;

	if (!s->listening)
		misuse("accept4() on what does not listen", fd);
	if (fails(NET_ACCEPT))
		return -1;
	if (!s->nq) {
		errno = EAGAIN;
		return -1;
	}
	new = open_sock(s->family, SOCK_STREAM | flags, 0);
	if (new < 0)
		return -1;
	m = s->q[0];
	memmove(s->q, s->q + 1, --s->nq * sizeof(*s->q));
	t = sock_of(new);
	t->peer = m.peer;
	t->peer_port = m.port;
	t->name = m.local;
	t->port = s->port;
	t->connected = true;
	if (sa)
		sa_write(t, &m.peer, m.port, sa, len);
	return new;
}

int __wrap_shutdown(int fd, int how)
{
	struct net_sock *s = sock_of(fd);

	if (fails(NET_SHUTDOWN))
		return -1;
	s->shut = s->shut || how == SHUT_WR;
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	const struct net_sock *s = sock_of(fd);

	sa_write(s, &s->name, s->port, sa, len);
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n)
{
	struct net_sock *s = sock_of(fd);
	int value = 0;

	if (fails(NET_SOCKOPT))
		return -1;
	memcpy(&value, v, MIN(n, sizeof(value)));
	if (level == SOL_SOCKET && name == SO_PEEK_OFF)
		s->peek_off = value;
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *v, socklen_t *n)
{
	struct net_sock *s = sock_of(fd);
	struct tcp_info info = { .tcpi_rtt = state.rtt };

	memset(v, 0, *n);
	if (level == SOL_SOCKET && name == SO_ERROR) {
		memcpy(v, &s->error, MIN(*n, sizeof(s->error)));
		s->error = 0;
	} else if (level == IPPROTO_TCP && name == TCP_INFO) {
		memcpy(v, &info, MIN(*n, sizeof(info)));
	}
	return 0;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	const struct net_sock *s = sock_of(p->fd);

	if (!s)
		return __real_poll(p, n, ms);
	p->revents = 0;
	if (s->have || s->eof)
		p->revents |= POLLIN;
	if (s->eof)
		p->revents |= POLLRDHUP;
	if (s->error)
		p->revents |= POLLERR;
	p->revents = (short)(p->revents & (p->events | POLLERR));
	return !!p->revents;
}

/* ---------------------------------------------------------------- sending */

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);

static size_t stream_send(struct net_sock *s, const uint8_t *p, size_t n)
{
	n = MIN(n, s->room);
	if (state.check &&
	    memcmp(p, net_bytes(state.base + (uint32_t)s->sent), n))
		misuse("it is sent what the guest did not send", 0);
	s->sent += n;
	s->room -= (uint32_t)n;
	return n;
}

/* All of it must be there to be read */
static size_t dgram_send(const uint8_t *p, size_t n)
{
	size_t i, sum = 0;

	for (i = 0; i < n; i += 64)
		sum += p[i];
	if (n)
		sum += p[n - 1];
	return n + (sum & 0);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct net_sock *s = sock_of(fd);
	size_t i, done = 0;

	(void)flags;
	if (m->msg_name) {
		union addr a;
		in_port_t port;

		sa_read(m->msg_name, m->msg_namelen, &a, &port);
		destination(&a);
	}
	if (fails(NET_SEND))
		return -1;
	if (s->type == SOCK_STREAM && (s->connecting || s->shut))
		misuse("data when none can be sent", fd);
	if (s->type == SOCK_STREAM && !s->room) {
		errno = EAGAIN;
		return -1;
	}
	for (i = 0; i < (size_t)m->msg_iovlen; i++)
		done += s->type == SOCK_STREAM ?
			stream_send(s, m->msg_iov[i].iov_base,
				    m->msg_iov[i].iov_len) :
			dgram_send(m->msg_iov[i].iov_base,
				   m->msg_iov[i].iov_len);
	if (state.sent && s->type == SOCK_DGRAM)
		state.sent(s, m);
	return (ssize_t)done;
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	return __wrap_sendmsg(fd, &m, flags);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		ssize_t r = __wrap_sendmsg(fd, &m[i].msg_hdr, flags);

		if (r < 0)
			return i ? (int)i : -1;
		m[i].msg_len = (unsigned)r;
	}
	return (int)n;
}

/* ---------------------------------------------------------------- receiving */

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
		    struct timespec *t);

/* Fill elements; bytes are those of a stream from @number on, if they are not
 * those of @head. Return: how many had room */
static size_t scatter(struct msghdr *m, uint32_t number, size_t len,
		      const uint8_t *head)
{
	size_t i, done = 0;

	for (i = 0; i < (size_t)m->msg_iovlen; i++) {
		size_t n = MIN(m->msg_iov[i].iov_len, len - done);

		memcpy(m->msg_iov[i].iov_base,
		       net_bytes(number + (uint32_t)done), n);
		if (head && !done)
			memcpy(m->msg_iov[i].iov_base, head, MIN(n, 16U));
		done += n;
	}
	return done;
}

static ssize_t stream_recv(struct net_sock *s, struct msghdr *m, size_t n,
			   int flags)
{
	uint64_t from = flags & MSG_PEEK && s->peek_off > 0 ?
			(uint64_t)s->peek_off : 0;
	size_t left = from < s->have ? s->have - (size_t)from : 0;

	if (!left) {
		errno = s->error ? s->error : EAGAIN;
		return s->eof && !s->error ? 0 : -1;
	}
	if (!(flags & MSG_PEEK)) {
		n = MIN(n, left);
		s->have -= (uint32_t)n;
		s->read += n;
		if (s->peek_off >= 0)
			s->peek_off = MAX(s->peek_off - (int64_t)n, 0);
		return (ssize_t)n;
	}
	if (state.peek_max)
		left = MIN(left, state.peek_max);
	left = scatter(m, (uint32_t)(s->read + from), left, NULL);
	if (s->peek_off >= 0)
		s->peek_off += (int64_t)left;
	return (ssize_t)left;
}

static void put(struct msghdr *m, size_t *at, int level, int type,
		const void *p, size_t n)
{
	struct cmsghdr c = { .cmsg_level = level, .cmsg_type = type,
			     .cmsg_len = CMSG_LEN(n) };
	uint8_t *to;

	if (*at + CMSG_SPACE(n) > m->msg_controllen) {
		m->msg_flags |= MSG_CTRUNC;
		return;
	}
	to = (uint8_t *)m->msg_control + *at;
	memcpy(to, &c, sizeof(c));
	memcpy(to + CMSG_LEN(0), p, n);
	*at += CMSG_SPACE(n);
}

/* What the kernel says of a datagram: IPv4 in its terms but for packet info */
static void control(const struct net_sock *s, const struct net_msg *q,
		    struct msghdr *m)
{
	bool v4 = addr_is4(&q->peer);
	int ttl = q->ttl, tos = q->tos, seg = q->seg;
	struct in_pktinfo i4 = { .ipi_spec_dst = addr_to4(&q->local),
				 .ipi_addr = addr_to4(&q->local) };
	struct in6_pktinfo i6 = { .ipi6_addr = q->local.in6 };
	size_t at = 0;

	if (s->family == AF_INET)
		put(m, &at, SOL_IP, IP_PKTINFO, &i4, sizeof(i4));
	else
		put(m, &at, SOL_IPV6, IPV6_PKTINFO, &i6, sizeof(i6));
	if (v4) {
		put(m, &at, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
		put(m, &at, SOL_IP, IP_TOS, &q->tos, 1);
	} else {
		put(m, &at, SOL_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
		put(m, &at, SOL_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	}
	/* The kernel joins up to 128 */
	if (seg && seg < (int)(q->len / 128 + 1))
		seg = (int)(q->len / 128 + 1);
	if (seg)
		put(m, &at, SOL_UDP, UDP_GRO, &seg, sizeof(seg));
	m->msg_controllen = at;
}

static void error_control(const struct net_msg *q, struct msghdr *m)
{
	bool v4 = addr_is4(&q->peer);
	struct {
		struct sock_extended_err ee;
		union sockaddr_any offender;
	} e = { .ee = {
		.ee_errno = (uint32_t)q->e, .ee_origin = q->origin,
		.ee_type = q->type, .ee_code = q->code, .ee_info = q->info,
	} };
	socklen_t n = addr_to_sa(&e.offender, v4 ? AF_INET : AF_INET6,
				 &q->local, 0, 0);
	size_t at = 0;

	put(m, &at, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &e,
	    sizeof(e.ee) + n);
	m->msg_controllen = at;
}

static ssize_t dgram_recv(struct net_sock *s, struct msghdr *m, int flags)
{
	bool errors = flags & MSG_ERRQUEUE;
	struct net_msg *q = errors ? s->err : s->q, one;
	unsigned *n = errors ? &s->nerr : &s->nq;
	size_t len;

	m->msg_flags = 0;
	if (!*n) {
		errno = s->error && !errors ? s->error : EAGAIN;
		if (!errors)
			s->error = 0;
		return -1;
	}
	one = *q;
	memmove(q, q + 1, --*n * sizeof(*q));
	len = scatter(m, one.port, one.len, one.head);
	if (len < one.len)
		m->msg_flags |= MSG_TRUNC;
	if (m->msg_name)
		sa_write(s, &one.peer, one.port, m->msg_name, &m->msg_namelen);
	if (errors)
		error_control(&one, m);
	else
		control(s, &one, m);
	return (ssize_t)len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct net_sock *s = sock_of(fd);

	if (fails(NET_RECV))
		return -1;
	return s->type == SOCK_STREAM ? stream_recv(s, m, 0, flags) :
					dgram_recv(s, m, flags);
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct net_sock *s = sock_of(fd);

	if (fails(NET_RECV))
		return -1;
	return s->type == SOCK_STREAM ? stream_recv(s, &m, n, flags) :
					dgram_recv(s, &m, flags);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
		    struct timespec *t)
{
	unsigned i;

	(void)t;
	for (i = 0; i < n; i++) {
		ssize_t r = __wrap_recvmsg(fd, &m[i].msg_hdr, flags);

		if (r < 0)
			return i ? (int)i : -1;
		m[i].msg_len = (unsigned)r;
	}
	return (int)n;
}

/* ---------------------------------------------------------------- readiness */

int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_mod(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_del(int fd);
int __wrap_ev_wait(struct ev_event *ev, int max, int ms);
void __wrap_ev_soon(void);
ssize_t __wrap_read_file(const char *path, char *buf, size_t size);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);

int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	struct net_sock *s = sock_of(fd);

	if (s->watched)
		misuse("watched twice", fd);
	if (fails(NET_WATCH))
		return -errno;
	s->watched = true;
	s->mask = mask;
	s->ref = ref;
	/* What holds already is told first */
	s->edges = (s->have ? (uint32_t)EPOLLIN : 0) |
		   (s->eof ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0) |
		   (s->connecting ? 0 : (uint32_t)EPOLLOUT);
	return 0;
}

int __wrap_ev_mod(int fd, uint32_t mask, union ev_ref ref)
{
	struct net_sock *s = sock_of(fd);

	if (!s->watched)
		misuse("changed, but not watched", fd);
	if (fails(NET_WATCH))
		return -errno;
	s->mask = mask;
	s->ref = ref;
	return 0;
}

int __wrap_ev_del(int fd)
{
	sock_of(fd)->watched = false;
	return 0;
}

static uint32_t ready(struct net_sock *s)
{
	uint32_t now = 0;

	if (s->mask & (uint32_t)EPOLLET) {
		now = s->edges;
		s->edges = 0;
	} else {
		now = (s->nq ? (uint32_t)EPOLLIN : 0) |
		      (s->nerr || s->error ? (uint32_t)EPOLLERR : 0);
	}
	return now & (s->mask | EPOLLERR | EPOLLHUP);
}

int __wrap_ev_wait(struct ev_event *ev, int max, int ms)
{
	int n = 0;
	unsigned i;

	(void)ms;
	for (i = 0; i < NET_SOCKS && n < max; i++) {
		struct net_sock *s = &state.sock[i];
		uint32_t mask;

		if (!s->open || !s->watched)
			continue;
		mask = ready(s);
		if (mask)
			ev[n++] = (struct ev_event){ s->ref, mask };
	}
	return n;
}

void __wrap_ev_soon(void)
{
}

/* Nothing of this machine, and the same each time */
ssize_t __wrap_read_file(const char *path, char *buf, size_t size)
{
	(void)path;
	(void)buf;
	(void)size;
	return -ENOENT;
}

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags)
{
	(void)flags;
	memset(buf, 0x55, n);
	return (ssize_t)n;
}
