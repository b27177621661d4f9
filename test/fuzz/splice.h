/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.h - the kernel of splice.c: sockets and pipes with bytes in them
 *
 * What a call returns is decided by the target, through me; what must hold of a
 * call by itself, or of the bytes that it moves, is checked here. Sockets are
 * numbers far above those of the system, so calls about others go through.
 */
#ifndef FUZZ_SPLICE_H
#define FUZZ_SPLICE_H

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
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
	bool		reset_told, in_ns;
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
	bool		tiny_pipes, in_ns;
} me;

/* shortage() - Who waits for an answer may be given up for others (half.c) */
static void shortage(void)
{
	unsigned i;

	for (i = 0; i < SOCKS; i++) {
		const struct sock *s = &me.sock[i];

		if (s->open && s->connecting && s->conn >= 0)
			me.conn[s->conn].broken = true;
	}
}

static bool fails(enum call c)
{
	int e = me.fail[c].e;

	if (!me.fail[c].times)
		return false;
	me.fail[c].times--;
	if (e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM)
		shortage();
	errno = e;
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
		shortage();
		errno = EMFILE;
		return -1;
	}
	me.sock[i] = (struct sock){ .open = true, .client = client,
				    .connected = client, .conn = -1,
				    .in_ns = me.in_ns,
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
		FUZZ_CHECK(s->linger == c->was_reset || s->connecting);
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
	int rc;

	if (fails(NS))
		return -EPERM;
	me.in_ns = true;
	rc = fn(arg);
	me.in_ns = false;
	return rc;
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

#endif /* FUZZ_SPLICE_H */
