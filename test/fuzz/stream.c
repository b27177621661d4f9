// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stream.c - the stream of frames from and to a virtual machine: read in
 * pieces of any size, it is cut into the same frames; written in pieces of any
 * size, with frames held, refused and begun, the other end gets whole frames,
 * all that were accepted, in order
 *
 * Input: steps. In one, bytes of the input become those of the stream.
 *
 * link: -Wl,--wrap=recv,--wrap=sendmsg,--wrap=setsockopt,--wrap=poll
 * link: -Wl,--wrap=close,--wrap=ev_add,--wrap=ev_mod
 */
#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
#include "log.h"
#include "tap_stream.h"
#include "util.h"

#define FD		(1 << 20)
#define SENT_MAX	(8U << 20)

static struct {
	bool open;
	const uint8_t *rx;		/* what there is to read */
	size_t rx_left;
	int rx_error;			/* instead; 0 = the end */
	bool rx_ends;
	size_t room;			/* what the next calls take */
	int tx_error;
	bool wants_out;			/* EPOLLOUT is asked for */
	uint8_t *sent;			/* the stream to the guest */
	size_t sent_len, read_len;
	uint32_t built, seen;		/* numbers of frames */
	uint64_t bytes_in, frames_in;	/* taken from the stream; as frames */
} net;

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __real_setsockopt(int fd, int l, int name, const void *v, socklen_t n);
int __wrap_setsockopt(int fd, int l, int name, const void *v, socklen_t n);
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_mod(int fd, uint32_t mask, union ev_ref ref);

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	if (fd != FD)
		return __real_recv(fd, buf, n, flags);
	FUZZ_CHECK(net.open);
	if (!net.rx_left) {
		errno = net.rx_error ? net.rx_error : EAGAIN;
		net.rx_error = 0;
		return net.rx_ends ? 0 : -1;
	}
	n = MIN(n, net.rx_left);
	memcpy(buf, net.rx, n);
	net.rx += n;
	net.rx_left -= n;
	net.bytes_in += n;
	return (ssize_t)n;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t i, done = 0;

	if (fd != FD)
		return __real_sendmsg(fd, m, flags);
	FUZZ_CHECK(net.open && flags & MSG_NOSIGNAL && flags & MSG_DONTWAIT);
	if (net.tx_error || !net.room) {
		errno = net.tx_error ? net.tx_error : EAGAIN;
		net.tx_error = 0;
		return -1;
	}
	for (i = 0; i < (size_t)m->msg_iovlen && net.room; i++) {
		size_t n = MIN(m->msg_iov[i].iov_len, net.room);

		n = MIN(n, SENT_MAX - net.sent_len);
		if (n)
			memcpy(net.sent + net.sent_len, m->msg_iov[i].iov_base,
			       n);
		net.sent_len += n;
		net.room -= n;
		done += n;
	}
	return (ssize_t)done;
}

int __wrap_setsockopt(int fd, int l, int name, const void *v, socklen_t n)
{
	return fd == FD ? 0 : __real_setsockopt(fd, l, name, v, n);
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	return p->fd == FD ? 0 : __real_poll(p, n, ms);
}

int __wrap_close(int fd)
{
	if (fd != FD)
		return __real_close(fd);
	FUZZ_CHECK(net.open);
	net.open = false;
	return 0;
}

int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	FUZZ_CHECK(fd == FD && net.open && ref.type == EV_TAP);
	net.wants_out = mask & EPOLLOUT;
	return 0;
}

int __wrap_ev_mod(int fd, uint32_t mask, union ev_ref ref)
{
	return __wrap_ev_add(fd, mask, ref);
}

/* ---------------------------------------------------------------- to the guest */

/* Frames have their number in the first bytes, and go on with it */
static void fill(struct tap_slot *s, uint32_t number, size_t len)
{
	size_t i;

	s->hdrlen = 14;
	memcpy(s->hdr, &number, 4);
	memset(s->hdr + 4, (int)(number & 0xff), 10);
	s->len = MIN(len, s->room);
	FUZZ_CHECK(s->ndata == 1 && s->data->iov_len >= s->len);
	for (i = 0; i < s->len; i++)
		((uint8_t *)s->data->iov_base)[i] = (uint8_t)number;
}

/* What the other end has as a whole: those accepted, in order, unharmed */
static void look(void)
{
	const uint8_t *p = net.sent + net.read_len;
	size_t left = net.sent_len - net.read_len;

	while (left >= 4) {
		size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 |
			     (size_t)p[2] << 8 | p[3], i;
		uint32_t number;

		FUZZ_CHECK(len >= 60 && len <= 65535);
		if (len > left - 4)
			break;
		memcpy(&number, p + 4, 4);
		FUZZ_CHECK(number == net.seen++);
		for (i = 8; i < len; i++)
			FUZZ_CHECK(p[4 + i] == (uint8_t)number ||
				   (!p[4 + i] && len == 60));
		p += 4 + len;
		left -= 4 + len;
		net.read_len += 4 + len;
	}
}

static void build(struct in *in)
{
	int max = 1 + in_u8(in) % TAP_BATCH, n, i, used, taken;
	size_t len = in_u16(in);
	bool more = in_u8(in) & 1;
	struct tap_slot s[TAP_BATCH];

	if (len & 1)
		len %= 200;
	len = MIN(len, 65535U - 14);
	n = tap_reserve(s, max, 14, MAX(len, 1U));
	FUZZ_CHECK(n >= 0 && n <= max && (net.open || !n));
	if (!n)
		return;
	used = in_u8(in) % (n + 1);
	for (i = 0; i < used; i++)
		fill(&s[i], net.built + (uint32_t)i, len);
	taken = tap_commit(s, n, used, more);
	FUZZ_CHECK(taken >= 0 && taken <= used);
	net.built += (uint32_t)taken;
	look();
}

/* ---------------------------------------------------------------- from it */

static void receive(int max)
{
	struct tap_frame f[TAP_BATCH];
	int n = tap_recv(f, max), i;

	FUZZ_CHECK(n <= max);
	for (i = 0; i < n; i++) {
		size_t j, len = 0;
		unsigned sum = 0;

		for (j = 0; j < f[i].niov; j++) {
			size_t k;

			for (k = 0; k < f[i].iov[j].iov_len; k++)
				sum += ((uint8_t *)f[i].iov[j].iov_base)[k];
			len += f[i].iov[j].iov_len;
		}
		FUZZ_CHECK(len == f[i].len && len >= 14 && len <= 65535);
		FUZZ_CHECK(sum <= 255 * len);
		net.frames_in += 4 + len;
	}
	FUZZ_CHECK(net.frames_in <= net.bytes_in);
	tap_done(n);
}

static void attach(void)
{
	tap_stream_detach();
	FUZZ_CHECK(!net.open);
	net.open = true;
	net.sent_len = net.read_len = 0;
	net.built = net.seen = 0;
	net.bytes_in = net.frames_in = 0;
	FUZZ_CHECK(!tap_stream_attach(FD));
}

static void step(struct in *in)
{
	static const int errors[] = { EAGAIN, EINTR, ECONNRESET, ENOBUFS,
				      EPIPE, EIO };
	uint8_t what = in_u8(in);
	size_t n;

	switch (what % 8) {
	case 0:
	case 1:
		n = in_u16(in);
		net.rx = in_take(in, &n);
		net.rx_left = n;
		receive(1 + what / 8);
		break;
	case 2:
		receive(TAP_BATCH);
		break;
	case 3:
		net.room = in_u16(in) * (what & 64 ? 64U : 1U);
		if (net.wants_out && net.room)
			tap_stream_writable();
		break;
	case 4:
		build(in);
		break;
	case 5:
		tap_flush();
		look();
		break;
	case 6:
		net.tx_error = errors[what / 8 % ARRAY_LEN(errors)];
		if (what & 128) {
			net.rx_error = net.tx_error;
			net.rx_ends = what & 64;
		}
		break;
	default:
		if (tap_lost())
			attach();
	}
	(void)tap_stream_serving();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	unsigned i;

	if (!net.sent) {
		net.sent = malloc(SENT_MAX);
		if (!net.sent || tap_stream_init())
			abort();
		log_to_stderr(false);
	}
	tap_attach(&tap_stream_ops);
	net.rx_left = 0;
	net.rx_error = net.tx_error = 0;
	net.rx_ends = false;
	net.room = 100000;
	attach();
	while (!in_done(&in) && net.sent_len < SENT_MAX / 4)
		step(&in);

	/* With room, all that was accepted gets there */
	net.rx_left = 0;
	net.tx_error = 0;
	for (i = 0; i < 8 && !tap_lost(); i++) {
		net.room = SENT_MAX / 8;
		tap_stream_writable();
		tap_flush();
		look();
	}
	FUZZ_CHECK(tap_lost() || net.seen == net.built);
	tap_stream_detach();
	FUZZ_CHECK(!net.open);
	return 0;
}
