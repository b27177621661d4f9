// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_stream.c (unit) - frames over a stream socket, in whatever pieces
 *
 * The guest is the other end of a socket pair. What is expected of the stream
 * is written down anew here, naively: a length, a frame, nothing between.
 */
#include "tap_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
#include "log.h"
#include "port_contract.h"

static int guest = -1;			/* its end */

/* loop() - As the main loop would: room if epoll says so, and the end of turn */
static uint32_t loop(void)
{
	struct ev_event ev[4];
	uint32_t mask = 0;
	int i, n = ev_wait(ev, 4, 0);

	for (i = 0; i < n; i++) {
		EXPECT_EQ(ev[i].ref.type, EV_TAP);
		mask |= ev[i].mask;
	}
	if (mask & EPOLLOUT)
		tap_stream_writable();
	tap_flush();
	return mask;
}

/* fresh() - A new connection; @size of our socket's send buffer, 0: as it is */
static void fresh(int size)
{
	int pair[2];

	if (guest >= 0)
		close(guest);
	EXPECT_EQ(tap_stream_init(), 0);
	ev_init();
	EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	guest = pair[1];
	EXPECT_EQ(tap_stream_attach(pair[0]), 0);
	if (size)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size,
			   sizeof(size));
	tap_attach(&tap_stream_ops);
}

/* take() - Exactly @len bytes from the stream, driving the loop meanwhile */
static bool take(void *buf, size_t len)
{
	size_t got = 0;
	int idle = 0;

	while (got < len && idle < 3) {
		ssize_t n = recv(guest, (uint8_t *)buf + got, len - got,
				 MSG_DONTWAIT);

		if (!n)
			return false;
		if (n > 0)
			got += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		loop();
	}
	return got == len;
}

static size_t pop(void *buf, size_t size)
{
	uint8_t l[4];
	size_t len;

	tap_flush();
	if (!take(l, sizeof(l)))
		return 0;
	len = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 |
	      l[3];
	if (!EXPECT(len >= 60 && len <= 65535 && len <= size) ||
	    !EXPECT(take(buf, len)))
		return 0;
	return len;
}

static bool push_bytes(const void *p, size_t len)
{
	return write(guest, p, len) == (ssize_t)len;
}

static bool push(const void *frame, size_t len)
{
	uint8_t l[4] = { 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			 (uint8_t)len };

	return push_bytes(l, sizeof(l)) && push_bytes(frame, len);
}

/* ------------------------------------------------------------------ cutting */

/* number() - A small generator, the same everywhere */
static uint32_t number(void)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* number_to() - 1 to @max, and to @left at most */
static uint32_t number_to(size_t max, size_t left)
{
	uint32_t n = (uint32_t)(1 + number() % max);

	return (uint32_t)MIN(n, left);
}

#define FRAMES	3000

static uint8_t sent[64 << 20];		/* the whole stream */
static size_t length[FRAMES], start[FRAMES];

static size_t compose(void)
{
	size_t at = 0, i, k;

	for (i = 0; i < FRAMES; i++) {
		size_t len;

		switch (number() % 8) {
		case 0:
			len = 14;
			break;
		case 1:
			len = 65535 - number() % 4;
			break;
		case 2:
			len = 14 + number() % 60000;
			break;
		default:
			len = 14 + number() % 1500;
		}
		if (at + 4 + len > sizeof(sent))
			len = 14;
		length[i] = len;
		start[i] = at + 4;
		sent[at] = sent[at + 1] = 0;
		sent[at + 2] = (uint8_t)(len >> 8);
		sent[at + 3] = (uint8_t)len;
		for (k = 0; k < len; k++)
			sent[at + 4 + k] = (uint8_t)(number() >> 11);
		at += 4 + len;
	}
	return at;
}

/* drain() - Take frames as the loop does; returns the number of the next */
static unsigned drain(unsigned next)
{
	struct tap_frame f[TAP_BATCH];
	int n, i, turns = 0;

	/* An event, and then as long as there is a backlog */
	do {
		n = tap_recv(f, (int)number_to(TAP_BATCH, TAP_BATCH));
		for (i = 0; i < n; i++, next++) {
			if (!EXPECT(next < FRAMES) ||
			    !EXPECT_EQ(f[i].len, length[next]))
				return FRAMES + 1;
			EXPECT_EQ(f[i].niov, 1);
			EXPECT(!memcmp(f[i].iov->iov_base, sent + start[next],
				       f[i].len));
		}
		tap_done(n);
		turns++;
	} while (tap_backlog() && EXPECT(turns < 10000));
	return next;
}

static void cuts(const char *name, size_t max)
{
	size_t total = compose(), at = 0;
	unsigned next = 0;

	group(name);
	fresh(0);
	if (max < 100)
		total = start[40] + length[40];
	while (at < total && next <= FRAMES) {
		size_t n = number_to(max, total - at);
		ssize_t w = send(guest, sent + at, n, MSG_DONTWAIT);

		if (w > 0)
			at += (size_t)w;
		if (w < (ssize_t)n || number() % 3)
			next = drain(next);
	}
	next = drain(drain(next));
	EXPECT_EQ(next, max < 100 ? 41 : FRAMES);
	EXPECT(!tap_lost() && !tap_backlog());
	EXPECT_EQ(drain(next), next);
}

/* -------------------------------------------------------------- bad streams */

static void bad_length(uint32_t len)
{
	uint8_t l[4] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16),
			 (uint8_t)(len >> 8), (uint8_t)len };
	uint8_t frame[60] = { 0 };
	struct tap_frame f[4];
	struct tap_slot s;

	fresh(0);
	EXPECT(push(frame, sizeof(frame)));
	EXPECT(push_bytes(l, sizeof(l)));
	EXPECT(push_bytes(frame, sizeof(frame)));
	EXPECT_EQ(tap_recv(f, 4), 1);		/* what came before is good */
	tap_done(1);
	if (!tap_lost())
		EXPECT_EQ(tap_recv(f, 4), 0);
	EXPECT(tap_lost() && !tap_backlog() && !tap_room() && !tap_served());
	EXPECT_EQ(tap_recv(f, 4), 0);
	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, 0), 0);
	EXPECT(!tap_stream_serving());
	tap_stream_detach();
	EXPECT(!tap_served());
	EXPECT(!tap_lost());
	EXPECT_EQ(tap_recv(f, 4), 0);
}

static void bad(void)
{
	group("lengths that no frame has");
	bad_length(0);
	bad_length(1);
	bad_length(13);
	bad_length(65536);
	bad_length(0x01000000);
	bad_length(0x7fffffff);
	bad_length(0x80000000);
	bad_length(UINT32_MAX);
}

static void ends(void)
{
	static const uint8_t part[4 + 20] = { 0, 0, 0, 60 };
	struct tap_frame f[4];
	uint8_t frame[60];
	struct tap_slot s;
	int i;

	group("the end, between frames and within one");
	for (i = 0; i < 3; i++) {
		fresh(0);
		EXPECT(tap_stream_serving());
		if (i)
			EXPECT(push_bytes(part, i == 1 ? 3 : sizeof(part)));
		close(guest);
		guest = -1;
		EXPECT(!tap_stream_serving());
		EXPECT_EQ(tap_recv(f, 4), 0);
		if (!tap_lost())
			EXPECT_EQ(tap_recv(f, 4), 0);
		EXPECT(tap_lost());
	}

	group("nothing of an old connection reaches the next one");
	fresh(0);
	EXPECT(push_bytes(part, sizeof(part)));
	EXPECT_EQ(tap_recv(f, 4), 0);
	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, 10), 1);
	contract_fill(&s, 1, 10);
	EXPECT_EQ(tap_commit(&s, 1, 1, true), 1);	/* held */
	fresh(0);
	tap_flush();
	EXPECT_EQ(pop(frame, sizeof(frame)), 0);
	memset(frame, 7, sizeof(frame));
	EXPECT(push(frame, sizeof(frame)));
	EXPECT_EQ(tap_recv(f, 4), 1);
	EXPECT_EQ(f[0].len, 60);

	group("sending to who has gone");
	fresh(0);
	close(guest);
	guest = -1;
	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, 10), 1);
	contract_fill(&s, 1, 10);
	EXPECT_EQ(tap_commit(&s, 1, 1, false), 1);	/* lost on the wire */
	EXPECT(tap_lost() && !tap_room());
}

/* ------------------------------------------------------------ a full socket */

/* offer() - Up to @n frames numbered from @next; how many were accepted */
static int offer(unsigned next, int n, size_t len, bool more)
{
	struct tap_slot s[TAP_BATCH];
	int i, sent_n;

	n = tap_reserve(s, n, HDR_ROOM, len);
	for (i = 0; i < n; i++)
		contract_fill(&s[i], (uint8_t)(next + (unsigned)i), len);
	sent_n = tap_commit(s, n, n, more);
	EXPECT(sent_n >= 0 && sent_n <= n);
	if (sent_n < n)
		EXPECT(!tap_room());
	return sent_n;
}

static void full(int sndbuf, size_t len, bool more)
{
	unsigned next = 0, got = 0;
	int n, tries;

	fresh(sndbuf);
	contract_none(&(struct contract_guest){ .pop = pop });
	while (got < 400) {
		/* Until nothing goes any more, then nothing is tried */
		for (tries = 0; next < 400 && tap_room() &&
		     EXPECT(tries < 10000); tries++) {
			n = offer(next, (int)number_to(20, 400 - next), len,
				  more);
			next += (unsigned)n;
			if (more && !n)
				tap_flush();
		}
		if (!tap_room()) {
			/* No room is announced before there is any */
			EXPECT(!(loop() & EPOLLOUT));
			EXPECT(!tap_room());
			EXPECT_EQ(offer(next, 1, len, false), 0);
			n = next < 400 ? offer(next, 1, len, more) : 0;
			EXPECT(!n || (more && len < 1500));
			next += (unsigned)n;
		}
		tap_flush();
		n = (int)number_to(30, 30);
		for (; n && got < next; n--) {
			size_t l = pop(contract_buf, sizeof(contract_buf));

			if (!EXPECT_EQ(l, MAX(len + ETH_HLEN_, 60)))
				return;
			EXPECT(contract_same(contract_buf, len + ETH_HLEN_,
					     (uint8_t)got, len));
			got++;
		}
		loop();
	}
	EXPECT_EQ(pop(contract_buf, sizeof(contract_buf)), 0);
	EXPECT(tap_room() && !tap_lost() && tap_served());
}

static void fulls(void)
{
	group("a socket that is full: whole frames in order, none twice");
	full(4608, 1400, false);
	full(4608, 60000, false);
	full(20000, 9000, false);
	full(200000, 65500, false);
	full(4608, 0, false);
	group("the same with frames that are held");
	full(4608, 40, true);
	full(20000, 1400, true);
	full(20000, 65500, true);
}

/* What cannot be repeated goes ahead of bulk data that fills the socket */
static void answers(void)
{
	static const size_t len[] = { 0, 60, 1400 };
	unsigned held, i;
	size_t n;

	group("single short frames may wait in a full socket, but not for ever");
	for (i = 0; i < ARRAY_LEN(len); i++) {
		fresh(4608);
		while (tap_room())
			EXPECT(offer(1, 1, 60000, false) == 1 || !tap_room());
		EXPECT_EQ(offer(2, 2, len[i], true), 0);
		EXPECT_EQ(offer(2, 1, 1500, true), 0);
		EXPECT_EQ(offer(2, 1, len[i], false), 0);
		for (held = 0; held < 10000 && offer(2, 1, len[i], true);)
			held++;
		EXPECT(held > 30 && held * MAX(len[i], 60) < 140000);
		while ((n = pop(contract_buf, sizeof(contract_buf))) > 60000)
			loop();
		for (; n; held--)
			n = pop(contract_buf, sizeof(contract_buf));
		EXPECT_EQ(held, 0);
		EXPECT(tap_room());
	}
}

static void silent(void)
{
	struct tap_slot s;
	int k, fd = -1;

	group("nobody connected: no room, nothing to receive, no loss");
	EXPECT_EQ(tap_stream_init(), 0);
	tap_attach(&tap_stream_ops);
	EXPECT(!tap_room() && !tap_lost() && !tap_backlog());
	EXPECT(!tap_stream_serving());
	EXPECT_EQ(tap_reserve(&s, 1, HDR_ROOM, 0), 0);
	EXPECT_EQ(tap_recv(&(struct tap_frame){ 0 }, 1), 0);
	tap_flush();
	tap_stream_writable();
	tap_stream_detach();

	group("a thousand connections leave no descriptor");
	for (k = 0; k < 1000; k++)
		fresh(0);
	tap_stream_detach();
	close(guest);
	guest = -1;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0 && fd < 10);
	close(fd);
}

int main(void)
{
	const struct contract_guest g = {
		.push = push, .pop = pop, .mtu = 65500, .min = 60,
	};

	log_set_level(LOG_LVL_ERR);
	fresh(0);
	contract_run(&g, "the contract of the port");
	cuts("a stream in large pieces", 300000);
	cuts("a stream in pieces of some packets", 5000);
	cuts("a stream in single bytes", 1);
	cuts("a stream in a few bytes", 7);
	bad();
	ends();
	fulls();
	answers();
	silent();
	return done();
}
