// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_stream.c - the guest port over a stream socket
 *
 * Each frame is preceded by its length, 32 bits, big endian, in both
 * directions. That is all there is to the protocol: no offloads, so what makes
 * it fast is to move many frames per system call. One read takes what there is
 * and is cut to frames where it lies; one write gathers a whole batch.
 *
 *   in    [ given to input | whole frames: the backlog | part of one ]
 *   out   [ carry: must go first ] + frames of the batch, in their slots
 *
 * The carry holds what cannot be taken back: the rest of a frame that is half
 * sent, and small frames held until the end of the turn (rule C5 of tap.h).
 * All else that finds no room is refused and stays where it comes from, such
 * as TCP data in its socket. Then EPOLLOUT is asked for, and nothing is tried
 * until it comes: a guest that stops reading costs no memory and no time. Only
 * single short frames may still join the carry then: answers and signs of
 * other conversations, which come once, must not be lost because bulk data,
 * which can wait, keeps the socket full.
 *
 * A length that no frame can have means that we have lost the thread, or the
 * other end is no guest: there is no way back, so it is dropped.
 */
#include "tap_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
#include "log.h"
#include "tap_arena.h"
#include "util.h"

#define LEN		4U		/* bytes of the length field */
#define FRAME_MAX	65535U		/* Ethernet header included */

/* What one read may take, and room for one that is not complete */
#define RX_SIZE		((size_t)256 << 10)
#define RX_ARENA	(RX_SIZE + 69632)

/* A frame's rest, and the frames held behind each other */
#define HOLD_MAX	((size_t)64 << 10)
#define CARRY_SIZE	(HOLD_MAX + LEN + FRAME_MAX)
#define SHORT		1514U		/* a frame that may be an answer */

/* The kernel doubles it (and may lower it). More would let what is sent go
 * cold in the caches before the guest reads it */
#define SNDBUF		(512 << 10)

/* One write: the carry, then headers, data and padding of each frame */
#define TX_IOV		(1 + TAP_BATCH * 3)

_Static_assert(LEN <= TAP_FRONT, "length in front of the headers");

static struct {
	int		fd;		/* -1: nobody there */
	bool		lost;
	bool		full;		/* EPOLLOUT has been asked for */
	struct log_few	told;		/* why a connection had to end */

	struct tap_arena arena;
	size_t		at, end;	/* not yet given bytes of arena.rx */
	struct iovec	rx_iov[TAP_BATCH];

	uint8_t		carry[CARRY_SIZE];
	size_t		carried, carry_at;	/* end, and start, of it */
	unsigned	held;			/* whole frames in it */

	struct iovec	tx_iov[TX_IOV];
} stream = { .fd = -1 };

static const uint8_t zeros[ETH_MIN_FRAME];

/* ---------------------------------------------------------------- the link */

int tap_stream_init(void)
{
	tap_stream_detach();
	return tap_arena_map(&stream.arena, RX_ARENA);
}

/* watch() - Be told of room as well, or no longer */
static int watch(bool add, bool room)
{
	union ev_ref ref = { .type = EV_TAP };
	uint32_t mask = EPOLLIN | (room ? EPOLLOUT : 0U);

	stream.full = room;
	return add ? ev_add(stream.fd, mask, ref) :
		     ev_mod(stream.fd, mask, ref);
}

int tap_stream_attach(int fd)
{
	const int sndbuf = SNDBUF, rcvbuf = INT32_MAX / 2;
	int rc;

	tap_stream_detach();
	stream.fd = fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	rc = watch(true, false);
	if (rc)
		tap_stream_detach();
	return rc;
}

void tap_stream_detach(void)
{
	if (stream.fd >= 0)
		close(stream.fd);
	stream.fd = -1;
	stream.lost = stream.full = false;
	stream.at = stream.end = 0;
	stream.carried = stream.carry_at = 0;
	stream.held = 0;
}

bool tap_stream_serving(void)
{
	struct pollfd p = { .fd = stream.fd, .events = POLLRDHUP };

	return stream.fd >= 0 && !stream.lost &&
	       (poll(&p, 1, 0) <= 0 || !p.revents);
}

void tap_stream_writable(void)
{
	if (stream.fd >= 0 && stream.full)
		watch(false, false);
}

/* fail() - The socket is of no use any more */
static void fail(int error)
{
	stream.lost = true;
	if (error && error != EPIPE && error != ECONNRESET &&
	    log_few(&stream.told))
		warn("Connection to the guest failed: %s", strerror(error));
}

/* ---------------------------------------------------------------- receiving */

static bool frame_length(uint32_t len)
{
	return len >= ETH_HLEN_ && len <= FRAME_MAX;
}

/* next() - Is the next frame there as a whole? Also true, as it is no use to
 * wait for more, with a length that no frame can have */
static bool next(uint32_t *len)
{
	const uint8_t *p = stream.arena.rx + stream.at;
	size_t left = stream.end - stream.at;

	if (left < LEN)
		return false;
	*len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
	return !frame_length(*len) || *len <= left - LEN;
}

/* fill() - Read what there is behind the part of a frame that is left */
static void fill(void)
{
	size_t left = stream.end - stream.at;
	ssize_t n;

	if (stream.at && left)
		memmove(stream.arena.rx, stream.arena.rx + stream.at, left);
	stream.at = 0;
	stream.end = left;

	do
		n = recv(stream.fd, stream.arena.rx + left, RX_SIZE,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		stream.end += (size_t)n;
	else if (!n || errno != EAGAIN)
		fail(n ? errno : 0);
}

static int stream_recv(struct tap_frame *f, int max)
{
	uint32_t len;
	int n = 0;

	if (stream.fd < 0 || stream.lost)
		return 0;
	if (!next(&len))
		fill();

	while (n < max && next(&len)) {
		if (!frame_length(len)) {
			if (log_few(&stream.told))
				warn("Frame length %u from the guest is not from %u to %u: closing the connection",
				     len, ETH_HLEN_, FRAME_MAX);
			stream.lost = true;
			break;
		}
		stream.rx_iov[n].iov_base = stream.arena.rx + stream.at + LEN;
		stream.rx_iov[n].iov_len = len;
		f[n] = (struct tap_frame){
			.iov = &stream.rx_iov[n], .niov = 1, .len = len,
		};
		stream.at += LEN + len;
		n++;
	}
	return n;
}

static void stream_done(int n)
{
	(void)n;			/* the next recv moves on */
}

static bool stream_backlog(void)
{
	uint32_t len;

	return stream.fd >= 0 && !stream.lost && next(&len);
}

/* ---------------------------------------------------------------- sending */

static bool stream_room(void)
{
	return stream.fd >= 0 && !stream.lost && !stream.full;
}

static int stream_reserve(struct tap_slot *s, int max, size_t hdrlen,
			  size_t datalen)
{
	if (stream.fd < 0 || stream.lost)
		return 0;
	if (stream.full && (max > 1 || hdrlen + datalen > SHORT ||
			    stream.carried + LEN + SHORT > CARRY_SIZE))
		return 0;
	tap_arena_lend(&stream.arena, s, max, datalen);
	return max;
}

/* frame_len() - With length field and padding */
static size_t frame_len(const struct tap_slot *s)
{
	return LEN + MAX(s->hdrlen + s->len, (size_t)ETH_MIN_FRAME);
}

/* elements() - How many gather() makes of the frame in @s */
static unsigned elements(const struct tap_slot *s)
{
	return 1U + (s->len > 0) + (s->hdrlen + s->len < ETH_MIN_FRAME);
}

/* gather() - The frame in @s as elements @iov; returns how many: header, data
 * and padding, the latter two where there are any */
static unsigned gather(const struct tap_slot *s, struct iovec *iov)
{
	size_t len = frame_len(s) - LEN, left = s->len;
	uint8_t *p = s->hdr - LEN;
	unsigned n = 1;

	p[0] = 0;
	p[1] = (uint8_t)(len >> 16);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	iov[0] = (struct iovec){ p, LEN + s->hdrlen };

	if (left)			/* in one piece: tap_arena_lend() */
		iov[n++] = (struct iovec){ s->data->iov_base, left };
	if (len > s->hdrlen + s->len)
		iov[n++] = (struct iovec){
			(void *)(uintptr_t)zeros, len - s->hdrlen - s->len,
		};
	return n;
}

/* carry() - Copy what is left of elements behind their first @skip bytes */
static void carry(const struct iovec *iov, unsigned n, size_t skip)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t len = iov[i].iov_len, off = MIN(skip, len);

		memcpy(stream.carry + stream.carried, p + off, len - off);
		stream.carried += len - off;
		skip -= off;
	}
}

/* hold() - Put @used frames behind what is carried, if they are little */
static bool hold(const struct tap_slot *s, int used)
{
	size_t len = 0;
	struct iovec iov[3];
	int i;

	for (i = 0; i < used; i++)
		len += frame_len(&s[i]);
	if (stream.carried + len > (stream.full ? CARRY_SIZE : HOLD_MAX))
		return false;
	for (i = 0; i < used; i++)
		carry(iov, gather(&s[i], iov), 0);
	stream.held += (unsigned)used;
	return true;
}

/*
 * push() - Write the carry, then elements @iov[1...n)
 *
 * Return: bytes of the latter that went; -1 if not even all of the carry did.
 * After a failure (tap_lost()) it all counts as gone
 */
static ssize_t push(unsigned n, size_t len)
{
	struct msghdr msg = { .msg_iov = stream.tx_iov, .msg_iovlen = n };
	size_t first = stream.carried - stream.carry_at;
	ssize_t sent;

	stream.tx_iov[0].iov_base = stream.carry + stream.carry_at;
	stream.tx_iov[0].iov_len = first;
	do
		sent = sendmsg(stream.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);

	if (sent < 0) {
		if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
			fail(errno);
			return (ssize_t)len;
		}
		sent = 0;
	}
	if ((size_t)sent < first + len && watch(false, true))
		fail(ENOMEM);		/* nobody would wake us */
	if ((size_t)sent < first) {
		stream.carry_at += (size_t)sent;
		return -1;
	}
	stream.carried = stream.carry_at = 0;
	stream.held = 0;
	return sent - (ssize_t)first;
}

static int stream_commit(struct tap_slot *s, int n, int used, bool more)
{
	unsigned k = 1, m;
	size_t len = 0;
	ssize_t sent;
	int i;

	(void)n;
	if (!used || stream.lost)
		return used;
	if (more && hold(s, used))
		return used;
	if (stream.full)
		return 0;

	for (i = 0; i < used; i++) {
		len += frame_len(&s[i]);
		k += gather(&s[i], stream.tx_iov + k);
	}
	sent = push(k, len);
	if (sent < 0)
		return 0;

	/* Whole frames are delivered; one that was begun has to follow */
	for (i = 0, k = 1; i < used && sent > 0; i++, k += m) {
		m = elements(&s[i]);
		if ((size_t)sent < frame_len(&s[i]))
			carry(stream.tx_iov + k, m, (size_t)sent);
		sent -= (ssize_t)frame_len(&s[i]);
	}
	return i;
}

static void stream_flush(void)
{
	if (stream.carried && stream_room())
		push(1, 0);
}

static unsigned stream_held(void)
{
	return stream.held;
}

static void stream_caps(struct tap_caps *caps)
{
	*caps = (struct tap_caps){ .max_frame = FRAME_MAX };
}

static bool stream_lost(void)
{
	return stream.lost;
}

static bool stream_served(void)
{
	return stream.fd >= 0 && !stream.lost;
}

const struct tap_ops tap_stream_ops = {
	.caps		= stream_caps,
	.recv		= stream_recv,
	.done		= stream_done,
	.reserve	= stream_reserve,
	.commit		= stream_commit,
	.flush		= stream_flush,
	.lost		= stream_lost,
	.served		= stream_served,
	.backlog	= stream_backlog,
	.room		= stream_room,
	.held		= stream_held,
};
