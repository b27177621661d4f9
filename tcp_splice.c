// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_splice.c - TCP from socket to socket, past the guest's link
 *
 * Small exchanges are copied through one buffer: a recv() and a send(). Once a
 * read fills the buffer, the direction moves whole pages through a pipe
 * instead, without looking at them, until little comes again. A pipe is lent
 * from a store for just as long as bytes wait in it, so idle connections cost
 * two sockets and nothing else. It is only filled when empty: that it has no
 * room never has to be told from a socket that has no data. When there is no
 * pipe, or a tiny one, which the kernel gives to users who have many, what
 * cannot be sent on at once is left where it is: slower, but nobody is refused.
 *
 * Both directions are one function, move(), indexed by the side that sends.
 * Sockets are watched edge-triggered, with one epoll_ctl() in their life. What
 * a budget leaves over goes to the run list of flow.c.
 *
 * Sockets in the namespace are made there in batches and kept in store.
 *
 * A target whose queue is full answers nothing for minutes; such connections may
 * have to go before that (half.c).
 *
 * There is no idle timer: both ends are kernels of this machine, which tell
 * when a process is gone, and a connection may be quiet as long as it likes.
 */
#include "tcp_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "half.h"
#include "log.h"
#include "sock.h"
#include "store.h"
#include "timer.h"
#include "util.h"

#define EVENTS		(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define COPY_MAX	STORE_PIPE_MIN
#define BULK_MIN	(16U << 10)	/* less than this: copy the next */
#define PIPE_BYTES	(8U << 20)	/* asked for at once: a slot may hold
					 * more than one page */
#define ACK_DELAY	20U		/* ms, about the least of the kernel's */
#define NOBODY		2		/* neither side */
#define BUDGET		16		/* rounds per direction and event */

static struct {
	uint8_t		buf[COPY_MAX];
} bypass;

static void exhausted(int e)
{
	static unsigned long last;

	if (log_ratelimit(&last, 10))
		warn("Local TCP connection refused: %s", strerror(e));
}

/* ------------------------------------------------------------- the target */

static int connect_ns(const struct side *s)
{
	int fd = store_socket(IPPROTO_TCP, addr_is4(&s->peer)), rc;

	if (fd < 0)
		return fd;
	rc = sock_tcp_start(fd, s);
	if (rc && rc != -EINPROGRESS) {
		close(fd);
		return rc;
	}
	return fd;
}

/* ------------------------------------------------------------- the end */

static void finish(union flow *f, bool reset)
{
	struct splice_flow *s = &f->splice;
	unsigned d;

	for (d = 0; d < 2; d++) {
		store_pipe_back(s->pipe[d], !s->inpipe[d]);
		if (s->sock[d] < 0)
			continue;
		if (reset)
			sock_reset(s->sock[d]);
		else
			close(s->sock[d]);
		s->sock[d] = -1;
	}
	flow_close(f);
}

/* An end failed, or was reset by its peer: both shall see that */
static void fail(union flow *f, int e)
{
	if (log_shown(LOG_LVL_DEBUG))
		debug("%s: %s", flow_str(f), strerror(e));
	finish(f, true);
}

/* ------------------------------------------------------------- moving */

static bool would_block(int e)
{
	return e == EAGAIN || e == ENOBUFS || e == ENOMEM;
}

/* What a read from side @d gave; true to go on, with data */
static bool took(struct splice_flow *s, unsigned d, ssize_t n)
{
	if (n > 0)
		return true;
	s->flags[d] &= (uint16_t)~SF_READABLE;
	if (!n)
		s->flags[d] |= SF_EOF;
	return false;
}

/* Pipe to socket; 0 or an error */
static int flush_pipe(struct splice_flow *s, unsigned d)
{
	ssize_t n;

	while (s->inpipe[d]) {
		n = splice(s->pipe[d][0], NULL, s->sock[!d], NULL,
			   s->inpipe[d], SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n > 0) {
			s->inpipe[d] -= (uint32_t)n;
		} else if (n < 0 && would_block(errno)) {
			s->flags[d] |= SF_BLOCKED;
			return 0;
		} else if (n == 0 || errno != EINTR) {
			return n ? errno : EPIPE;
		}
	}
	return 0;
}

/* Socket to empty pipe; 0 or an error */
static int fill_pipe(struct splice_flow *s, unsigned d)
{
	ssize_t n;

	do
		n = splice(s->sock[d], NULL, s->pipe[d][1], NULL, PIPE_BYTES,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return errno;
	if (n >= 0 && n < (ssize_t)BULK_MIN)
		s->flags[d] &= (uint16_t)~SF_BULK;
	/* The end, or an urgent byte ahead of it: recv() will tell */
	if (!n || !took(s, d, n))
		return 0;
	s->spoke = NOBODY;
	s->inpipe[d] = (uint32_t)n;
	return flush_pipe(s, d);
}

/* Up to @len bytes into the buffer; as recv() */
static ssize_t take(int fd, size_t len, int flags)
{
	ssize_t n;

	do
		n = recv(fd, bypass.buf, len, MSG_DONTWAIT | flags);
	while (n < 0 && errno == EINTR);
	return n;
}

/* The buffer to a socket; bytes taken, or -1 with errno */
static ssize_t give(int fd, size_t len, int flags)
{
	ssize_t n;

	do
		n = send(fd, bypass.buf, len,
			 MSG_DONTWAIT | MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 && would_block(errno) ? 0 : n;
}

/*
 * After a little from side @d. Whoever writes twice and waits for an answer
 * then, with Nagle's algorithm on, writes the second time when the first is
 * acknowledged, and that may take 40 ms: the kernel hopes for an answer for it
 * to ride on. So those who once paused like that get it at once from then on.
 */
static void acknowledge(struct splice_flow *s, unsigned d)
{
	uint32_t now = (uint32_t)(clock_now() / MSEC);
	int on = 1;

	if (s->spoke == d && now - s->spoke_at >= ACK_DELAY)
		s->flags[d] |= SF_QUICK;
	s->spoke = (uint8_t)d;
	s->spoke_at = now;
	if (s->flags[d] & SF_QUICK)
		(void)setsockopt(s->sock[d], IPPROTO_TCP, TCP_QUICKACK, &on,
				 sizeof(on));
}

/* Socket to socket, what did not fit into the pipe; 0 or an error */
static int copy(struct splice_flow *s, unsigned d)
{
	ssize_t n = take(s->sock[d], COPY_MAX, 0), sent;
	int more = 0;

	if (n < 0 && errno != EAGAIN)
		return errno;
	if (!took(s, d, n))
		return 0;

	/* A short read emptied the socket: what comes now raises an event */
	if ((size_t)n == COPY_MAX)
		s->flags[d] |= SF_BULK;
	else if (!(s->flags[d] & SF_HUP))
		s->flags[d] &= (uint16_t)~SF_READABLE;

	/* If the end has come as well, it is read next, and shutdown() sends
	 * both in one segment. But a reset would throw away what waits */
	if ((s->flags[d] & (SF_HUP | SF_FAILED)) == SF_HUP)
		more = MSG_MORE;
	sent = give(s->sock[!d], (size_t)n, more);
	if (sent == n && (size_t)n < COPY_MAX && !more)
		acknowledge(s, d);
	if (sent == n)
		return 0;
	if (sent < 0)
		return errno;

	s->inpipe[d] = (uint32_t)(n - sent);
	if (write(s->pipe[d][1], bypass.buf + sent, (size_t)(n - sent)) !=
	    n - sent)
		return ENOBUFS;
	return flush_pipe(s, d);
}

/*
 * copy_careful() - The same without a pipe, so only what the other socket
 * takes is taken from this one; or around an urgent byte, before which reads
 * stop, short or not, and which goes on as one; 0 or an error
 */
static int copy_careful(struct splice_flow *s, unsigned d)
{
	int urgent = 0;
	ssize_t n, sent;

	if (s->flags[d] & SF_URGENT)
		(void)ioctl(s->sock[d], SIOCATMARK, &urgent);
	n = take(s->sock[d], urgent ? 1 : COPY_MAX, MSG_PEEK);
	if (n < 0 && errno != EAGAIN)
		return errno;
	if (!took(s, d, n)) {
		s->flags[d] &= (uint16_t)~SF_URGENT;
		return 0;
	}
	sent = give(s->sock[!d], (size_t)n, urgent ? MSG_OOB : 0);
	if (sent < 0)
		return errno;
	if (!sent)
		s->flags[d] |= SF_BLOCKED;
	else if (take(s->sock[d], (size_t)sent, MSG_TRUNC) != sent)
		return EIO;
	return 0;
}

static int move_some(struct splice_flow *s, unsigned d)
{
	if (s->flags[d] & SF_URGENT || !store_pipe(s->pipe[d]))
		return copy_careful(s, d);
	return s->flags[d] & SF_BULK ? fill_pipe(s, d) : copy(s, d);
}

/* Move what side @d sent, and its end; 0 or an error */
static int move(union flow *f, unsigned d)
{
	struct splice_flow *s = &f->splice;
	uint16_t *flags = &s->flags[d];
	int i, e = 0;

	if (s->inpipe[d] && !(*flags & SF_BLOCKED))
		e = flush_pipe(s, d);
	for (i = 0; !e && (*flags & (SF_READABLE | SF_BLOCKED)) == SF_READABLE;
	     i++) {
		if (i == BUDGET) {
			flow_wake(f);
			return 0;
		}
		e = move_some(s, d);
	}
	if (!s->inpipe[d])
		store_pipe_back(s->pipe[d], true);
	if (e)
		return e;

	if (!s->inpipe[d] && (*flags & (SF_EOF | SF_SHUT)) == SF_EOF) {
		*flags |= SF_SHUT;
		/* With both ends done, close() says the same */
		if (!(s->flags[!d] & SF_SHUT) &&
		    shutdown(s->sock[!d], SHUT_WR))
			return errno;
	}

	/* Reset by its peer. What could be sent on was, for the rest it is too
	 * late: nobody shall wait for a reader who does not read */
	return *flags & SF_FAILED ? ECONNRESET : 0;
}

/* Both directions, that of @first before the other */
static void move_both(union flow *f, unsigned first)
{
	const struct splice_flow *s = &f->splice;
	int e;

	e = move(f, first);
	if (!e)
		e = move(f, !first);
	if (e)
		fail(f, e);
	else if (s->flags[0] & s->flags[1] & SF_SHUT)
		finish(f, false);
}

/* ------------------------------------------------------------- events */

/* An urgent byte shall stay in its place in the stream */
static void urgent(struct splice_flow *s, unsigned side)
{
	int on = 1;

	(void)setsockopt(s->sock[side], SOL_SOCKET, SO_OOBINLINE, &on,
			 sizeof(on));
	s->flags[side] |= SF_URGENT;
}

/* What an event says of @side */
static void note(struct splice_flow *s, unsigned side, uint32_t mask)
{
	uint16_t *flags = &s->flags[side];

	if (mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) &&
	    !(*flags & SF_EOF))
		*flags |= SF_READABLE;
	if (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		*flags |= SF_HUP;
	if (mask & EPOLLERR)
		*flags |= SF_FAILED;
	if (mask & EPOLLPRI)
		urgent(s, side);
	if (mask & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		s->flags[!side] &= (uint16_t)~SF_BLOCKED;
}

/* The target has answered, if only to refuse, which the next read tells; also
 * if the client's news come first, who may have sent something and reset */
static bool is_connected(const struct splice_flow *s, unsigned side,
			 uint32_t mask)
{
	struct pollfd p = { .fd = s->sock[1], .events = POLLOUT };

	if (side == 1)
		return mask & (EPOLLOUT | EPOLLERR);
	return mask & EPOLLERR && poll(&p, 1, 0) > 0;
}

void splice_ready(union ev_ref ref, uint32_t mask)
{
	union flow *f = flow_at(ref);
	unsigned side = ref.side & 1;
	struct splice_flow *s;

	if (!f || f->h.type != FLOW_SPLICE)
		return;
	s = &f->splice;

	if (!s->connected && !is_connected(s, side, mask)) {
		if (mask & EPOLLERR)
			fail(f, sock_error(s->sock[side]));
		else
			note(s, side, mask);
		return;
	}
	s->connected = true;
	half_answered(f);
	note(s, side, mask);
	move_both(f, side);
}
void splice_resume(union flow *f)
{
	if (f->h.type == FLOW_SPLICE)
		move_both(f, 0);
}

static int connect_target(const struct side *tgt, bool *pending)
{
	*pending = true;
	return tgt->pif == PIF_NS ? connect_ns(tgt) :
				    sock_tcp_connect(tgt, pending);
}

void splice_open(union flow *f, int fd)
{
	const struct side *tgt = &f->h.side[1];
	struct splice_flow *s = &f->splice;
	bool pending;
	int i, rc;

	do
		rc = connect_target(tgt, &pending);
	while (rc < 0 && half_retry(-rc));
	if (rc < 0) {
		if (log_shown(LOG_LVL_DEBUG))
			debug("%s: %s", flow_str(f), strerror(-rc));
		if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ||
		    rc == -ENOBUFS || rc == -EPERM)
			exhausted(-rc);
		sock_reset(fd);
		flow_close(f);
		return;
	}
	s->sock[0] = fd;
	s->sock[1] = rc;
	s->pipe[0][0] = s->pipe[0][1] = s->pipe[1][0] = s->pipe[1][1] = -1;
	s->connected = !pending;
	s->spoke = NOBODY;
	flow_commit(f, FLOW_SPLICE, 0);
	if (pending)
		half_enter(f);
	ev_soon();

	/* The target first: it is connected by now, most times, and then what
	 * the client sent with the connection goes out in the same turn */
	for (i = 1; i >= 0; i--) {
		rc = ev_add(s->sock[i], EVENTS,
			    flow_ref(f, EV_SPLICE, (unsigned)i));
		if (rc) {
			exhausted(-rc);
			fail(f, -rc);
			return;
		}
	}
}
