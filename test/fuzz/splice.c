// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * splice.c - TCP past the guest's link: clients and servers that do as they
 * like, system calls that come up short or fail, events in any order
 *
 * The kernel's sockets and pipes are played here, with the bytes in them, so
 * every one that leaves is compared with the one that came. A connection ends
 * in one of two ways: all bytes and both ends got across, and it is closed; or
 * something failed, and both ends are reset. Whenever nothing is left to be
 * told, nothing waits that could go on. At the end nothing is left: no flow,
 * socket, pipe or timer.
 *
 * Input: steps; each is a byte that says which and those it takes. With 128,
 * events of it are not told yet.
 *
 * link: -Wl,--wrap=socket,--wrap=connect,--wrap=close,--wrap=shutdown
 * link: -Wl,--wrap=setsockopt,--wrap=getsockopt,--wrap=poll,--wrap=ioctl
 * link: -Wl,--wrap=send,--wrap=recv,--wrap=__recv_chk,--wrap=splice
 * link: -Wl,--wrap=pipe2,--wrap=fcntl,--wrap=write,--wrap=ev_add
 * link: -Wl,--wrap=ev_soon,--wrap=ns_call
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"
#include "fwd.h"
#include "guest.h"
#include "log.h"
#include "ns.h"
#include "siphash.h"
#include "sock.h"
#include "tcp_splice.h"
#include "timer.h"
#include "util.h"

#define FD0		(1 << 20)	/* sockets; then pipes */
#define SOCKS		96
#define PIPES		24
#define CONNS		8
#define PIPE_CAP	(256U << 10)
#define PIPES_STORED	8		/* by the code, at most */
#define LOAD		(2U << 20)	/* bytes in one input */
#define ROOM		300000U
#define PERIOD		65521U		/* of the bytes of a stream, a prime */

enum call { SOCKET, CONNECT, WATCH, PIPE, PIPE_SIZE, SEND, RECV, FILL, FLUSH,
	    WRITE, SHUT, NS, CALLS };

struct sock {
	bool		open, connecting, connected, client, watched, edge;
	int		conn;		/* which of conn[], or -1 */
	unsigned	side;
	union ev_ref	ref;
	uint64_t	arrived, read;	/* the stream from its peer */
	int64_t		urgent;		/* offset of the mark, or -1 */
	bool		urgent_inline;
	bool		eof, eof_read, reset;
	bool		reset_told;
	int		error;
	uint64_t	sent;		/* the stream to its peer */
	uint32_t	room;
	bool		full;		/* tell when there is room */
	bool		shut, corked, linger;
};

struct conn {
	bool		used;
	int		sock[2];	/* -1: closed */
	bool		broken;		/* by somebody else: it may be reset */
	bool		was_reset;
	uint32_t	base;		/* first byte of its streams */
};

struct pipe {
	bool		end[2];		/* open */
	unsigned	size;
	uint8_t		*buf;
	size_t		at, have;
};

static struct {
	struct sock	sock[SOCKS];
	struct conn	conn[CONNS];
	struct pipe	pipe[PIPES];
	uint8_t		bytes[PERIOD + 65536];
	unsigned	opened;
	uint64_t	now, load;
	struct { int e; unsigned times; } fail[CALLS];
	size_t		most;		/* that a call moves; 0: all */
	bool		tiny_pipes;
} me;

static bool fails(enum call c)
{
	if (!me.fail[c].times)
		return false;
	me.fail[c].times--;
	errno = me.fail[c].e;
	return true;
}

static bool again(int e)
{
	return e == EAGAIN || e == ENOBUFS || e == ENOMEM;
}

static struct sock *sock_of(int fd)
{
	if (fd < FD0 || fd >= FD0 + SOCKS)
		return NULL;
	FUZZ_CHECK(me.sock[fd - FD0].open);
	return &me.sock[fd - FD0];
}

static struct pipe *pipe_of(int fd, unsigned end)
{
	int i = fd - FD0 - SOCKS;

	if (i < 0 || i >= 2 * PIPES || (i & 1) != (int)end)
		return NULL;
	FUZZ_CHECK(me.pipe[i / 2].end[end]);
	return &me.pipe[i / 2];
}

/* The other socket of its connection, NULL if it is in none */
static struct sock *other(const struct sock *s)
{
	int i = s->conn < 0 ? -1 : me.conn[s->conn].sock[!s->side];

	return i < 0 ? NULL : &me.sock[i];
}

static void broken(const struct sock *s)
{
	if (s->conn >= 0)
		me.conn[s->conn].broken = true;
}

/* Bytes that came to @s, from @off on: at most 64 KiB lie there */
static const uint8_t *stream(const struct sock *s, uint64_t off)
{
	return me.bytes + (me.conn[s->conn].base + s->side * 7919U + off) %
			  PERIOD;
}

static void stream_copy(const struct sock *s, uint8_t *to, size_t n)
{
	uint64_t off = s->read;
	size_t part;

	for (; n; n -= part, to += part, off += part) {
		part = MIN(n, 65536U);
		memcpy(to, stream(s, off), part);
	}
}

/* ---------------------------------------------------------------- making */

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_socket(int family, int type, int proto);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_shutdown(int fd, int how);
int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n);
int __wrap_getsockopt(int fd, int level, int name, void *v, socklen_t *n);
int __real_ioctl(int fd, unsigned long r, ...);
int __wrap_ioctl(int fd, unsigned long r, ...);
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref);
void __wrap_ev_soon(void);
int __wrap_ns_call(int (*fn)(void *), void *arg);

static int open_sock(bool client)
{
	int i;

	for (i = 0; i < SOCKS && me.sock[i].open; i++)
		;
	if (i == SOCKS) {
		errno = EMFILE;
		return -1;
	}
	me.sock[i] = (struct sock){ .open = true, .client = client,
				    .connected = client, .conn = -1,
				    .urgent = -1, .room = ROOM };
	me.opened++;
	return FD0 + i;
}

int __wrap_socket(int family, int type, int proto)
{
	(void)family;
	(void)proto;
	FUZZ_CHECK(type & SOCK_NONBLOCK && type & SOCK_CLOEXEC);
	return fails(SOCKET) ? -1 : open_sock(false);
}

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sock *s = sock_of(fd);

	(void)sa;
	(void)len;
	FUZZ_CHECK(!s->connected && !s->connecting && !s->client);
	if (fails(CONNECT)) {
		s->connecting = errno == EINPROGRESS;
		return -1;
	}
	s->connected = true;
	return 0;
}

/* Without a reset: all that came has left, and the ends were seen */
static void closes(const struct sock *s)
{
	struct conn *c = &me.conn[s->conn];
	const struct sock *o = other(s);

	if (!o) {			/* the second one, just as the first */
		FUZZ_CHECK(s->linger == c->was_reset);
		c->used = false;
		return;
	}
	c->was_reset = s->linger;
	if (s->linger) {
		FUZZ_CHECK(c->broken);
		return;
	}
	FUZZ_CHECK(s->eof_read && s->read == s->arrived && o->eof_read &&
		   o->read == o->arrived);
	FUZZ_CHECK(s->sent == o->arrived && o->sent == s->arrived);
}

int __wrap_close(int fd)
{
	struct sock *s = sock_of(fd);
	unsigned end = (unsigned)(fd - FD0 - SOCKS) & 1;
	struct pipe *p = s ? NULL : pipe_of(fd, end);

	if (p) {
		p->end[end] = false;
		return 0;
	}
	if (!s)
		return __real_close(fd);
	if (s->conn >= 0) {
		closes(s);
		me.conn[s->conn].sock[s->side] = -1;
	}
	/* Nobody was found for a client: it sees a reset */
	FUZZ_CHECK(s->conn >= 0 || !s->client || s->linger);
	s->open = false;
	me.opened--;
	return 0;
}

int __wrap_shutdown(int fd, int how)
{
	struct sock *s = sock_of(fd);
	const struct sock *o = other(s);

	FUZZ_CHECK(o && how == SHUT_WR && !s->shut);
	FUZZ_CHECK(o->eof_read && s->sent == o->arrived);
	if (s->reset || fails(SHUT)) {
		if (s->reset)
			errno = ENOTCONN;
		broken(s);
		return -1;
	}
	s->shut = true;
	s->corked = false;
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *v, socklen_t n)
{
	struct sock *s = sock_of(fd);

	FUZZ_CHECK(s && v && n);
	if (level == SOL_SOCKET && name == SO_LINGER)
		s->linger = true;
	if (level == SOL_SOCKET && name == SO_OOBINLINE)
		s->urgent_inline = true;
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *v, socklen_t *n)
{
	struct sock *s = sock_of(fd);

	FUZZ_CHECK(level == SOL_SOCKET && name == SO_ERROR);
	memcpy(v, &s->error, MIN(*n, sizeof(s->error)));
	s->error = 0;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long r, ...)
{
	const struct sock *s = sock_of(fd);
	va_list ap;
	void *v;

	va_start(ap, r);
	v = va_arg(ap, void *);
	va_end(ap);
	if (!s)
		return __real_ioctl(fd, r, v);
	FUZZ_CHECK(r == SIOCATMARK);
	*(int *)v = s->urgent >= 0 && (uint64_t)s->urgent == s->read;
	return 0;
}

/* As the kernel sees a socket now */
static uint32_t state(const struct sock *s)
{
	uint32_t now = 0;

	if (s->connecting)
		return 0;
	if (s->read < s->arrived || s->eof || s->reset)
		now |= EPOLLIN;
	if (s->room || s->reset)
		now |= EPOLLOUT;
	if (s->eof || s->reset)
		now |= EPOLLRDHUP;
	if ((s->eof && s->shut) || s->reset)
		now |= EPOLLHUP;
	if (s->error)
		now |= EPOLLERR;
	if (s->urgent >= 0)
		now |= EPOLLPRI;
	return now;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	const struct sock *s = sock_of(p->fd);

	if (!s)
		return __real_poll(p, n, ms);
	p->revents = (short)(state(s) & ((uint32_t)p->events | POLLERR |
					 POLLHUP));
	return !!p->revents;
}

int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	struct sock *s = sock_of(fd);

	FUZZ_CHECK(!s->watched && mask & (uint32_t)EPOLLET &&
		   ref.type == EV_SPLICE);
	if (fails(WATCH)) {
		errno = ENOSPC;
		return -ENOSPC;
	}
	s->watched = s->edge = true;
	s->ref = ref;
	return 0;
}

void __wrap_ev_soon(void)
{
}

int __wrap_ns_call(int (*fn)(void *), void *arg)
{
	return fails(NS) ? -EPERM : fn(arg);
}

/* ---------------------------------------------------------------- sockets */

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap___recv_chk(int fd, void *p, size_t n, size_t size, int flags);

/* How many of @n bytes can be read; or -1 with errno */
static ssize_t readable(struct sock *s, size_t n, enum call c)
{
	uint64_t left = s->arrived - s->read;

	FUZZ_CHECK(s->connected || s->reset);
	if (fails(c)) {
		if (errno != EINTR)
			broken(s);
		return -1;
	}
	if (!left) {
		errno = s->eof ? 0 : s->error;
		if (errno)
			s->error = 0;
		else if (s->eof || s->reset)
			s->eof_read = true;
		else
			errno = EAGAIN;
		return errno ? -1 : 0;
	}
	n = MIN(n, left);
	/* Reads end at the mark, or begin there */
	if (s->urgent >= 0 && s->read + n > (uint64_t)s->urgent) {
		FUZZ_CHECK(s->urgent_inline);
		if (s->read < (uint64_t)s->urgent)
			n = (size_t)((uint64_t)s->urgent - s->read);
		else if (c == FILL)
			n = 0;
	}
	return (ssize_t)n;
}

static void consume(struct sock *s, size_t n)
{
	s->read += n;
	if (s->urgent >= 0 && s->read > (uint64_t)s->urgent)
		s->urgent = -1;
}

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	struct sock *s = sock_of(fd);
	ssize_t got = readable(s, n, RECV);

	FUZZ_CHECK(flags & MSG_DONTWAIT);
	if (got <= 0)
		return got;
	if (!(flags & MSG_TRUNC))
		stream_copy(s, p, (size_t)got);
	if (!(flags & MSG_PEEK))
		consume(s, (size_t)got);
	return got;
}

ssize_t __wrap___recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
	FUZZ_CHECK(n <= size);
	return __wrap_recv(fd, p, n, flags);
}

/* Bytes from wherever to socket @s; as send() */
static ssize_t put(struct sock *s, const uint8_t *p, size_t n, enum call c)
{
	const struct sock *o = other(s);
	size_t done, part;

	FUZZ_CHECK(o && n && (s->connected || s->reset) && !s->shut);
	if (s->reset) {
		errno = s->error ? s->error : EPIPE;
		s->error = 0;
		return -1;
	}
	if (fails(c)) {
		if (again(errno))
			s->room = 0;
		else if (errno != EINTR)
			broken(s);
		s->full = s->full || again(errno);
		return -1;
	}
	if (me.most)
		n = MIN(n, me.most);
	s->full = s->full || n > s->room;
	n = MIN(n, s->room);
	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	FUZZ_CHECK(s->sent + n <= o->arrived);
	for (done = 0; done < n; done += part) {
		part = MIN(n - done, 65536U);
		FUZZ_CHECK(!memcmp(p + done, stream(o, s->sent + done), part));
	}
	s->sent += n;
	s->room -= (uint32_t)n;
	return (ssize_t)n;
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct sock *s = sock_of(fd);
	const struct sock *o = other(s);

	FUZZ_CHECK(o && flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	/* An urgent byte stays one, and no other becomes one */
	FUZZ_CHECK(!(flags & MSG_OOB) ||
		   (n == 1 && o->urgent == (int64_t)s->sent));
	FUZZ_CHECK(o->urgent < (int64_t)s->sent || flags & MSG_OOB ||
		   o->urgent >= (int64_t)(s->sent + n));
	/* What waits to be joined would be thrown away */
	FUZZ_CHECK(!(flags & MSG_MORE && o->reset_told));
	s->corked = flags & MSG_MORE;
	return put(s, p, n, SEND);
}

/* ---------------------------------------------------------------- pipes */

int __wrap_pipe2(int p[2], int flags);
int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_splice(int from, off64_t *fo, int to, off64_t *to_off, size_t n,
		      unsigned flags);

int __wrap_pipe2(int p[2], int flags)
{
	int i;

	FUZZ_CHECK(flags & O_NONBLOCK && flags & O_CLOEXEC);
	if (fails(PIPE))
		return -1;
	for (i = 0; i < PIPES && (me.pipe[i].end[0] || me.pipe[i].end[1]); i++)
		;
	if (i == PIPES) {
		errno = EMFILE;
		return -1;
	}
	if (!me.pipe[i].buf && !(me.pipe[i].buf = malloc(PIPE_CAP)))
		abort();
	me.pipe[i] = (struct pipe){
		.end = { true, true }, .buf = me.pipe[i].buf,
		.size = me.tiny_pipes ? 8192U : 65536U,
	};
	p[0] = FD0 + SOCKS + 2 * i;
	p[1] = p[0] + 1;
	return 0;
}

int __wrap_fcntl(int fd, int cmd, ...)
{
	struct pipe *p = pipe_of(fd, 1);
	va_list ap;
	long v;

	va_start(ap, cmd);
	v = va_arg(ap, long);
	va_end(ap);
	if (!p)
		return __real_fcntl(fd, cmd, v);
	if (cmd == F_SETPIPE_SZ) {
		if (me.tiny_pipes || fails(PIPE_SIZE)) {
			errno = EPERM;
			return -1;
		}
		p->size = (unsigned)(int)v;
	}
	return (int)p->size;
}

/* Only when it is empty */
static size_t pipe_room(const struct pipe *p, size_t n)
{
	FUZZ_CHECK(!p->have && p->end[0]);
	return MIN(MIN(n, p->size), PIPE_CAP);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	struct pipe *p = pipe_of(fd, 1);
	unsigned i;

	if (!p)
		return __real_write(fd, buf, n);
	if (fails(WRITE)) {		/* whose bytes it has, is not said */
		for (i = 0; i < CONNS; i++)
			me.conn[i].broken = true;
		return -1;
	}
	n = pipe_room(p, n);
	memcpy(p->buf, buf, n);
	p->at = 0;
	p->have = n;
	return (ssize_t)n;
}

ssize_t __wrap_splice(int from, off64_t *fo, int to, off64_t *to_off, size_t n,
		      unsigned flags)
{
	struct sock *s = sock_of(from);
	struct pipe *p = s ? pipe_of(to, 1) : pipe_of(from, 0);
	ssize_t moved;

	FUZZ_CHECK(p && !fo && !to_off && flags & SPLICE_F_NONBLOCK);
	if (s) {
		n = pipe_room(p, n);
		if (me.most)
			n = MIN(n, me.most);
		moved = readable(s, n, FILL);
		if (moved <= 0)
			return moved;
		p->at = 0;
		p->have = (size_t)moved;
		stream_copy(s, p->buf, p->have);
		consume(s, p->have);
		return moved;
	}
	FUZZ_CHECK(n == p->have);
	s = sock_of(to);
	FUZZ_CHECK(s);
	moved = put(s, p->buf + p->at, n, FLUSH);
	if (moved > 0) {
		p->at += (size_t)moved;
		p->have -= (size_t)moved;
		s->corked = false;
	}
	return moved;
}

/* ---------------------------------------------------------------- the loop */

/* What must hold when all has been told: nothing waits that could go on */
static void quiet(void)
{
	unsigned i, d, lent = 0, pipes = 0;
	union flow *f;

	for (f = flow_each(NULL); f; f = flow_each(f)) {
		if (f->h.type != FLOW_SPLICE)
			continue;
		for (d = 0; d < 2; d++) {
			FUZZ_CHECK((f->splice.pipe[d][0] >= 0) ==
				   !!f->splice.inpipe[d]);
			lent += !!f->splice.inpipe[d];
		}
	}
	for (i = 0; i < PIPES; i++)
		pipes += me.pipe[i].end[0] || me.pipe[i].end[1];
	FUZZ_CHECK(pipes <= lent + PIPES_STORED);

	for (i = 0; i < CONNS; i++) {
		const struct conn *c = &me.conn[i];

		if (!c->used)
			continue;
		FUZZ_CHECK(c->sock[0] >= 0 && c->sock[1] >= 0);
		for (d = 0; d < 2; d++) {
			const struct sock *s = &me.sock[c->sock[d]];
			const struct sock *o = &me.sock[c->sock[!d]];

			FUZZ_CHECK(!s->reset);
			if (s->connecting || o->connecting)
				continue;
			FUZZ_CHECK(o->sent == s->arrived || !o->room);
			FUZZ_CHECK(o->shut ||
				   !(s->eof && o->sent == s->arrived));
			FUZZ_CHECK(!o->corked || !o->room);
		}
	}
}

static bool has_event(struct sock *s, struct ev_event *e)
{
	uint32_t now = s->open && s->watched && s->edge ? state(s) : 0;

	if (!now)
		return false;
	s->edge = false;
	*e = (struct ev_event){ s->ref, now };
	return true;
}

static void tell(const struct ev_event *e)
{
	unsigned i;

	for (i = 0; i < SOCKS && e->mask & EPOLLERR; i++) {
		struct sock *s = &me.sock[i];

		if (s->open && s->watched && s->ref.u64 == e->ref.u64)
			s->reset_told = true;
	}
	splice_ready(e->ref, e->mask);
}

/* One turn: all events in order, or backwards; false if there were none */
static bool turn(bool backwards)
{
	struct ev_event ev[SOCKS];
	unsigned n = 0, i, woken;
	union flow *f;

	for (i = 0; i < SOCKS; i++)
		n += has_event(&me.sock[i], &ev[n]);
	for (i = 0; i < n; i++)
		tell(&ev[backwards ? n - 1 - i : i]);
	woken = flow_listed(FLOW_RUN);
	for (i = woken; i && (f = flow_take(FLOW_RUN)); i--)
		splice_resume(f);
	flow_reap();
	return n || woken;
}

static void settle(bool backwards)
{
	unsigned n = 0;

	while (turn(backwards))
		FUZZ_CHECK(n++ < 100000);
	quiet();
}

/* ---------------------------------------------------------------- steps */

static struct sock *pick(uint8_t n)
{
	const struct conn *c = &me.conn[n / 2 % CONNS];

	return c->used ? &me.sock[c->sock[n & 1]] : NULL;
}

static void arrives(struct sock *s, uint64_t n)
{
	if (s->connecting || s->eof || s->reset || me.load + n > LOAD)
		return;
	me.load += n;
	s->arrived += n;
	s->edge = true;
}

static void connects(struct in *in)
{
	uint8_t how = in_u8(in), conn = how & 7;
	struct conn *c = &me.conn[conn];
	struct side ini = { .pif = how & 8 ? PIF_NS : PIF_HOST,
			    .peer_port = (in_port_t)(1000 + conn),
			    .ours_port = 80 };
	static uint32_t base;
	enum fwd_verdict v;
	unsigned i;
	union flow *f;
	int fd;

	if (c->used || (fd = open_sock(true)) < 0)
		return;
	ini.peer = addr_loopback(&(union addr){
		.w = { 0, 0, how & 16 ? htonl(0xffff) : 0, 0 } });
	ini.ours = addr_loopback(&ini.peer);
	f = flow_open(IPPROTO_TCP, &ini, 80, &v);
	FUZZ_CHECK(f);
	if (!(how & 32)) {
		me.fail[CONNECT].e = EINPROGRESS;
		me.fail[CONNECT].times = 1;
	}
	splice_open(f, fd);
	me.fail[CONNECT].times = 0;
	if (f->h.type != FLOW_SPLICE) {
		FUZZ_CHECK(!me.sock[fd - FD0].open);
		return;
	}
	*c = (struct conn){ .used = true, .base = base += 12345 };
	for (i = 0; i < 2; i++) {
		c->sock[i] = f->splice.sock[i] - FD0;
		me.sock[c->sock[i]].conn = conn;
		me.sock[c->sock[i]].side = i;
	}
	FUZZ_CHECK(f->splice.sock[0] == fd && c->sock[0] != c->sock[1]);
}

static void answers(struct in *in)
{
	struct sock *s = pick(in_u8(in) | 1);
	uint8_t how = in_u8(in);

	if (!s || !s->connecting)
		return;
	s->connecting = false;
	s->connected = !(how & 1);
	s->edge = true;
	if (how & 1) {
		s->error = how & 2 ? ECONNREFUSED : ETIMEDOUT;
		s->reset = true;
		broken(s);
	}
}

static void data(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint32_t n = in_u16(in);

	if (s)
		arrives(s, n & 0x8000 ? (n & 0x7fffU) * 32U : n);
}

static void ends(struct in *in)
{
	struct sock *s = pick(in_u8(in));

	if (!s || s->connecting || s->reset)
		return;
	s->eof = s->edge = true;
}

static void resets(struct in *in)
{
	struct sock *s = pick(in_u8(in));

	if (!s || s->connecting)
		return;
	if (!s->reset)
		s->error = ECONNRESET;
	s->reset = s->edge = true;
	broken(s);
}

static void room(struct sock *s, uint32_t n)
{
	s->room = n;
	if (n && s->full) {
		s->edge = true;
		s->full = false;
	}
}

static void has_room(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint16_t n = in_u16(in);

	if (s && !s->connecting)
		room(s, n & 0x8000 ? n * 8U : n & 1023);
}

/* Told at once: else it may be read before the code knows what it is */
static void urgent(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	struct ev_event e;
	uint64_t was;

	if (!s)
		return;
	was = s->arrived;
	arrives(s, 1U + in_u8(in));
	if (s->arrived == was)
		return;
	s->urgent = (int64_t)s->arrived - 1;
	if (has_event(s, &e))
		tell(&e);
}

static void one_event(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	struct ev_event e;

	if (s && has_event(s, &e))
		tell(&e);
}

/* It may be of something that has ended, with the same slot */
static void stale(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint8_t how = in_u8(in);
	union ev_ref ref = s ? s->ref : (union ev_ref){ .type = EV_SPLICE };

	ref.gen = (uint16_t)(ref.gen + 1 + (how & 3));
	splice_ready(ref, in_u8(in));
}

static void fail_next(struct in *in)
{
	static const int errors[] = {
		EINTR, EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE, EPIPE, EIO,
		ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOTCONN,
		EPERM, EADDRNOTAVAIL, EINVAL,
	};
	enum call c = in_u8(in) % CALLS;
	uint8_t how = in_u8(in);
	int e = errors[how & 15];

	/* What is there is there */
	if ((c == RECV || c == FILL) && e == EAGAIN)
		e = EINTR;
	me.fail[c].e = e;
	me.fail[c].times = 1U + (how >> 4);
}

static void knobs(struct in *in)
{
	uint8_t how = in_u8(in);

	me.tiny_pipes = how & 1;
	me.most = how & 2 ? 97U + (how >> 4) * 1234U : 0;
	if (how & 4)
		splice_release();
	if (how & 8)
		splice_prepare();
	me.now += in_u8(in) * MSEC;
	clock_set(me.now);
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		connects, answers, data, data, ends, resets, has_room, urgent,
		one_event, stale, fail_next, knobs,
	};
	uint8_t what = in_u8(in);

	steps[(what & 31) % ARRAY_LEN(steps)](in);
	if (!(what & 128))
		settle(what & 64);
}

/* ---------------------------------------------------------------- begin, end */

static void init(void)
{
	static const struct fwd_conf conf = { .splice = true,
					      .host_lo_to_ns_lo = true };
	static const struct guest facts = {
		.net = { { .on = true }, { .on = true } }
	};
	static bool begun;
	uint32_t i;

	if (begun)
		return;
	begun = true;
	log_to_stderr(false);
	siphash_init(1);
	for (i = 0; i < sizeof(me.bytes); i++)
		me.bytes[i] = (uint8_t)(i % PERIOD * 2654435761U >> 13);
	guest_init(&facts);
	fwd_init(&conf);
	flow_init();
	me.now = 5000 * SEC;
}

/* Nothing fails any more, there is room, and all are done */
static void end(void)
{
	unsigned i;

	memset(me.fail, 0, sizeof(me.fail));
	me.most = 0;
	for (i = 0; i < SOCKS; i++) {
		if (!me.sock[i].open || me.sock[i].conn < 0)
			continue;
		if (me.sock[i].connecting) {
			me.sock[i].connecting = false;
			me.sock[i].connected = me.sock[i].edge = true;
		}
		room(&me.sock[i], 2 * LOAD);
	}
	settle(false);
	for (i = 0; i < SOCKS; i++)
		if (me.sock[i].open && me.sock[i].conn >= 0)
			me.sock[i].eof = me.sock[i].edge = true;
	settle(false);
	for (i = 0; i < CONNS; i++)
		FUZZ_CHECK(!me.conn[i].used);
	FUZZ_CHECK(!flow_count() && !flow_listed(FLOW_RUN) && !timer_count());
	splice_release();
	FUZZ_CHECK(!me.opened);
	for (i = 0; i < PIPES; i++)
		FUZZ_CHECK(!me.pipe[i].end[0] && !me.pipe[i].end[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data_, size_t size)
{
	struct in in = { data_, size };

	init();
	me.load = 0;
	me.now += SEC;
	clock_set(me.now);
	me.tiny_pipes = false;
	memset(me.fail, 0, sizeof(me.fail));
	me.most = 0;
	splice_init();
	while (!in_done(&in))
		step(&in);
	end();
	return 0;
}
