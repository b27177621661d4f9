// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp.c: data from the guest to the host - order, holes and
 * overlaps, sockets that take little, windows, acknowledgements and when
 *
 * link: -Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 */
#include "tcp.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "hold.h"
#include "tcp_helper.h"
#include "util.h"

static uint8_t buf[1 << 20], data[1 << 20];

/* opened() - A case begins with an open connection */
static void opened(struct conn *c, const char *name, uint32_t isn)
{
	static in_port_t port = 10000;

	group(name);
	rig_reset();
	conn_init(c, port++);
	EXPECT(conn_open(c, isn));
	pattern(data, 0, sizeof(data));
}

/* over() - The guest's reset ends it */
static void over(struct conn *c, uint32_t seq, uint32_t ack)
{
	guest_send(c, TH_RST | TH_ACK, seq, ack, NULL, 0);
	EXPECT_EQ(host_read(c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* host_gets() - Just bytes [off, off + len) of the pattern come */
static bool host_gets(struct conn *c, size_t off, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = host_read(c, buf + at, len - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return is_pattern(buf, off, len) &&
	       recv(c->host, buf, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

/* send_data() - Bytes [off, off + len) of the pattern, as one segment */
static void queue_data(const struct conn *c, uint32_t off, size_t len)
{
	guest_segment(c, TH_ACK, 1 + off, 1, data + off, len);
}

static void send_data(const struct conn *c, uint32_t off, size_t len)
{
	queue_data(c, off, len);
	guest_go();
}

/* big_and_small() - Goes on behind 26001 bytes */
static void big_and_small(struct conn *c)
{
	unsigned i;

	group("super-frames");
	send_data(c, 24001, 60000);
	EXPECT_SEG(c, TH_ACK, 1, 84002, 0);
	EXPECT(host_gets(c, 26001, 58000));	/* some is known */

	group("in more pieces than one call takes");
	rig()->piece = 7;
	rig()->sends = 0;
	for (i = 0; i < 10; i++)
		queue_data(c, 84001 + i * 5000, 5000);
	guest_go();
	EXPECT(rig()->sends > 10);
	EXPECT_SEG(c, TH_ACK, 1, 134002, 0);
	EXPECT(host_gets(c, 84001, 50000));
	rig()->piece = 0;

	group("keep-alives");
	guest_send(c, TH_ACK, 134001, 1, NULL, 0);
	EXPECT_SEG(c, TH_ACK, 1, 134002, 0);
	guest_send(c, TH_ACK, 134001, 1, data + 134000, 1);
	EXPECT_SEG(c, TH_ACK, 1, 134002, 0);
	{
		int on = 0;
		socklen_t len = sizeof(on);

		getsockopt(rig_flow(c)->tcp.sock, SOL_SOCKET, SO_KEEPALIVE,
			   &on, &len);
		EXPECT(on);
	}
	EXPECT_QUIET();
	over(c, 134002, 1);
}

static void test_order(uint32_t isn)
{
	struct conn c;
	unsigned i;

	opened(&c, "in order", isn);
	send_data(&c, 0, 1000);
	EXPECT(host_gets(&c, 0, 1000));
	EXPECT(!fake_pending());
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 1, 1001, 0);

	group("a run is one call and one acknowledgement");
	rig()->sends = 0;
	for (i = 0; i < 20; i++)
		queue_data(&c, 1000 + i * 1000, 1000);
	guest_go();
	EXPECT_EQ(rig()->sends, 1);
	EXPECT_SEG(&c, TH_ACK, 1, 21001, 0);
	EXPECT_QUIET();
	EXPECT(host_gets(&c, 1000, 20000));

	group("duplicates");
	send_data(&c, 20000, 1000);
	EXPECT_SEG(&c, TH_ACK, 1, 21001, 0);
	send_data(&c, 3000, 1000);
	EXPECT_SEG(&c, TH_ACK, 1, 21001, 0);
	EXPECT_QUIET();

	group("overlaps: old and new");
	send_data(&c, 20500, 1000);
	EXPECT_SEG(&c, TH_ACK, 1, 21501, 0);
	EXPECT(host_gets(&c, 21000, 500));
	queue_data(&c, 21000, 1500);
	queue_data(&c, 22000, 1000);
	queue_data(&c, 22999, 2);
	guest_go();
	EXPECT_SEG(&c, TH_ACK, 1, 23002, 0);
	EXPECT(host_gets(&c, 21500, 1501));
	EXPECT_QUIET();

	group("a gap");
	send_data(&c, 24001, 1000);
	EXPECT_SEG(&c, TH_ACK, 1, 23002, 0);
	send_data(&c, 25001, 1000);
	EXPECT_SEG(&c, TH_ACK, 1, 23002, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -EAGAIN);
	queue_data(&c, 23001, 500);
	queue_data(&c, 24001, 500);
	queue_data(&c, 23501, 500);
	guest_go();
	/* What came beyond it was kept */
	EXPECT_SEG(&c, TH_ACK, 1, 26002, 0);
	EXPECT(host_gets(&c, 23001, 3000));
	EXPECT_QUIET();

	big_and_small(&c);
}

static void test_strange(void)
{
	struct conn c;

	opened(&c, "acknowledgement of what was never sent", 0);
	guest_send(&c, TH_ACK, 1, 100, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -EAGAIN);

	group("no ACK flag");
	guest_send(&c, 0, 1, 1, data, 10);
	EXPECT_QUIET();
	EXPECT_EQ(host_read(&c, buf, 1), -EAGAIN);

	group("an old acknowledgement");
	guest_send(&c, TH_ACK, 1, (uint32_t)-5000, data, 10);
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 1, 11, 0);
	EXPECT(host_gets(&c, 0, 10));

	group("resets out of order");
	rig_advance(SEC);
	guest_send(&c, TH_RST, 12, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 11, 0);
	guest_send(&c, TH_RST, 10, 1, NULL, 0);
	guest_send(&c, TH_RST, 11 + (8U << 20), 1, NULL, 0);
	EXPECT_QUIET();
	EXPECT(rig_flow(&c) != NULL);
	over(&c, 11, 1);

	opened(&c, "data and a reset in one run", 0);
	queue_data(&c, 0, 500);
	queue_data(&c, 500, 500);
	guest_segment(&c, TH_RST, 1001, 0, NULL, 0);
	guest_go();
	EXPECT_EQ(flow_each(NULL) == NULL, 1);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_acks(void)
{
	struct conn c;
	unsigned i;

	opened(&c, "answers carry acknowledgements", 0);
	for (i = 0; i < 50; i++) {
		guest_send(&c, TH_ACK | TH_PSH, 1 + i * 100, 1 + i * 50,
			   data + i * 100, 100);
		EXPECT(!fake_pending());
		EXPECT(host_gets(&c, i * 100, 100));
		EXPECT(host_write(&c, data, 50));
		EXPECT_SEG(&c, TH_ACK, 1 + i * 50, 101 + i * 100, 50);
		EXPECT(rig()->got.flags & TH_PSH);
		EXPECT_QUIET();
	}
	guest_send(&c, TH_ACK, 5001, 2501, NULL, 0);
	rig_advance(100 * MSEC);
	EXPECT_QUIET();

	group("without an answer, in 2 ms");
	guest_send(&c, TH_ACK | TH_PSH, 5001, 2501, data + 5000, 100);
	EXPECT_QUIET();
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 2501, 5101, 0);

	group("no more waiting then");
	for (i = 0; i < 5; i++) {
		guest_send(&c, TH_ACK, 5101 + i * 10, 2501, data, 10);
		EXPECT_SEG(&c, TH_ACK, 2501, 5111 + i * 10, 0);
	}
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 150);
	over(&c, 5151, 2501);

	opened(&c, "no room for an acknowledgement", 0);
	fake_knobs()->slots = 0;
	send_data(&c, 0, 60000);
	EXPECT(flow_listed(FLOW_RUN));
	rig_turn(0);
	EXPECT(!fake_pending());
	fake_knobs()->slots = -1;
	fake_knobs()->accept = 0;
	rig_turn(0);
	EXPECT(flow_listed(FLOW_RUN));
	fake_knobs()->accept = -1;
	rig_turn(0);
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	EXPECT_SEG(&c, TH_ACK, 1, 60001, 0);
	EXPECT_QUIET();
	EXPECT(host_gets(&c, 0, 60000));
	over(&c, 60001, 1);
}

/* edge() - Right edge of the window that the last segment announced */
static uint32_t edge(const struct conn *c)
{
	return rig()->got.ack - c->iss +
	       ((uint32_t)rig()->got.win << (c->ws >= 0 ? 8 : 0));
}

static void test_short_writes(int ws)
{
	uint32_t at = 0, right = 0;
	struct conn c;
	int i;

	group(ws < 0 ? "short writes, no scaling" : "short writes");
	rig_reset();
	conn_init(&c, (in_port_t)(9000 + ws));
	c.ws = ws;
	EXPECT(conn_open(&c, 0));
	pattern(data, 0, sizeof(data));

	/* The socket takes 100 bytes; the rest is held and acknowledged */
	rig()->send_max = 100;
	rig()->send_times = 1;
	send_data(&c, 0, 50000);
	EXPECT_SEG(&c, TH_ACK, 1, 50001, 0);
	right = edge(&c);
	EXPECT_EQ(rig_flow(&c)->tcp.hold.len, 49900);
	EXPECT(hold_chunks_used() == 4);
	EXPECT(host_gets(&c, 0, 100));

	group("more of it behind, in order");
	at = 50000;
	for (i = 0; i < 4; i++, at += 1000) {
		if (right < at + 1001)
			break;
		send_data(&c, at, 1000);
		EXPECT_SEG(&c, TH_ACK, 1, at + 1001, 0);
		/* Not a byte less; not more, but for rounding */
		EXPECT(edge(&c) >= right);
		EXPECT(edge(&c) <= right + (ws < 0 ? 0 : 255));
		right = edge(&c);
	}
	EXPECT_EQ(rig_flow(&c)->tcp.hold.len, at - 100);

	group("the socket has room again: the window opens");
	rig()->send_max = -1;
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	EXPECT_EQ(rig_flow(&c)->tcp.hold.len, 0);
	EXPECT_EQ(hold_chunks_used(), 0);
	EXPECT_SEG(&c, TH_ACK, 1, at + 1, 0);
	EXPECT(edge(&c) >= right);
	EXPECT(edge(&c) > at + 1);
	EXPECT(host_gets(&c, 100, at - 100));
	EXPECT_QUIET();

	group("a FIN waits for what is held");
	rig()->send_max = 10;
	rig()->send_times = 2;
	guest_send(&c, TH_ACK | TH_FIN, at + 1, 1, data + at, 100);
	EXPECT_SEG(&c, TH_ACK, 1, at + 102, 0);
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	EXPECT(host_gets(&c, at, 20));
	EXPECT_QUIET();
	rig()->send_max = -1;
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	rig_turn(0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 80);
	EXPECT(is_pattern(buf, at + 20, 80));
	EXPECT_EQ(host_read(&c, buf, 1), 0);
	EXPECT_SEG(&c, TH_ACK, 1, at + 102, 0);
	guest_send(&c, TH_RST | TH_ACK, at + 102, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* A real socket that is full, until the program reads */
static void test_full_socket(void)
{
	uint32_t at = 0, right, stop, read = 0;
	struct conn c;
	size_t n;

	group("a program that does not read");
	rig_reset();
	conn_init(&c, 9100);
	c.ws = 7;
	EXPECT(conn_open(&c, 0));
	right = 1 + 65535;
	for (;;) {
		uint8_t chunk[16384];

		n = MIN(sizeof(chunk), right - 1 - at);
		if (!n)
			break;
		pattern(chunk, at, n);
		guest_send(&c, TH_ACK, 1 + at, 1, chunk, n);
		at += (uint32_t)n;
		rig_turn(0);
		if (!fake_pending())
			rig_advance(2 * MSEC);
		EXPECT_SEG(&c, TH_ACK, 1, 1 + at, 0);
		EXPECT((int32_t)(edge(&c) - right) >= 0);
		right = edge(&c);
		while (fake_pending()) {
			EXPECT(rig_pop());
			EXPECT((int32_t)(edge(&c) - right) >= 0);
			right = edge(&c);
		}
		if (at > 64U << 20)
			break;
	}
	EXPECT(at < 64U << 20);
	EXPECT(rig_flow(&c)->tcp.hold.len > 0);
	EXPECT(rig_flow(&c)->tcp.hold.len <= 1U << 20);

	group("probes of its window are answered");
	guest_send(&c, TH_ACK, at, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1 + at, 0);
	EXPECT_EQ(rig()->got.win, 0);

	group("it reads at last");
	stop = at;
	while (read < stop) {
		ssize_t got = host_read(&c, buf, sizeof(buf));

		if (got <= 0 || !EXPECT(is_pattern(buf, read, (size_t)got)))
			break;
		read += (uint32_t)got;
		rig_turn(0);
	}
	EXPECT_EQ(read, stop);
	EXPECT_EQ(rig_flow(&c)->tcp.hold.len, 0);
	EXPECT(fake_pending());
	while (fake_pending()) {
		EXPECT_SEG(&c, TH_ACK, 1, 1 + at, 0);
		EXPECT((int32_t)(edge(&c) - right) >= 0);
		right = edge(&c);
	}
	EXPECT(right > at + 65536);
	over(&c, 1 + at, 1);
}

/* Rounding up must not let the window go on for ever */
static void test_tiny(void)
{
	uint32_t at = 0, right = 65536;
	struct conn c;

	group("many tiny segments to a program that does not read");
	rig_reset();
	conn_init(&c, 9101);
	c.ws = 7;
	EXPECT(conn_open(&c, 0));
	rig()->send_max = 0;
	while (at < 4U << 20 && right >= 1 + at + 250) {
		guest_send(&c, TH_ACK, 1 + at, 1, data, 250);
		at += 250;
		if (!fake_pending())
			rig_advance(2 * MSEC);
		EXPECT_SEG(&c, TH_ACK, 1, 1 + at, 0);
		right = edge(&c);
	}
	EXPECT(at < 3U << 19);
	EXPECT(at >= 60000);
	guest_send(&c, TH_RST, 1 + at, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* others() - All space is taken by others */
static void others(struct hold *h)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct cursor cur;

	while (hold_room()) {
		cur_init(&cur, &iov, MIN(sizeof(buf), hold_room()));
		if (!hold_put(h, &cur))
			break;
	}
}

/* Their receivers may never read again: who has another one goes on */
static void test_pool_gone(void)
{
	struct hold other = { 0 };
	struct conn c;
	unsigned i;

	group("others hold all there is");
	rig_reset();
	others(&other);
	conn_init(&c, 25000);
	c.ws = 7;
	EXPECT(conn_open(&c, 0));
	for (i = 0; i < 50; i++) {
		send_data(&c, i * 20000, 20000);
		EXPECT_SEG(&c, TH_ACK, 1, 1 + (i + 1) * 20000, 0);
		EXPECT((uint32_t)rig()->got.win << 8 >= 65536);
		EXPECT(host_gets(&c, i * 20000, 20000));
	}
	hold_free(&other);
	over(&c, 1 + i * 20000, 1);
}

static void test_pool(void)
{
	struct hold other = { 0 };
	struct conn c;

	opened(&c, "no space to hold anything", 0);
	others(&other);
	rig()->send_max = 300;
	rig()->send_times = 1;
	queue_data(&c, 0, 1000);
	queue_data(&c, 1000, 1000);
	guest_segment(&c, TH_ACK | TH_FIN, 2001, 1, NULL, 0);
	guest_go();
	EXPECT_SEG(&c, TH_ACK, 1, 301, 0);
	EXPECT_EQ(edge(&c), 301 + 65535);
	EXPECT(!(rig_flow(&c)->tcp.flags & TF_GUEST_FIN));
	send_data(&c, 300, 500);
	EXPECT_SEG(&c, TH_ACK, 1, 301, 0);
	hold_free(&other);
	rig()->send_max = -1;
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	EXPECT_SEG(&c, TH_ACK, 1, 301, 0);
	send_data(&c, 0, 2000);
	EXPECT_SEG(&c, TH_ACK, 1, 2001, 0);
	EXPECT(host_gets(&c, 0, 2000));
	over(&c, 2001, 1);
}

static void test_beyond(void)
{
	struct conn c;

	opened(&c, "beyond the window", 0);
	rig()->send_max = 0;
	rig()->send_times = 0;
	queue_data(&c, 0, 30000);
	queue_data(&c, 30000, 30000);
	queue_data(&c, 60000, 30000);
	guest_go();
	EXPECT_SEG(&c, TH_ACK, 1, 65536, 0);
	EXPECT_EQ(rig()->got.win, 0);
	send_data(&c, 65535, 1);
	EXPECT_SEG(&c, TH_ACK, 1, 65536, 0);
	/* An end needs no room */
	guest_send(&c, TH_ACK | TH_FIN, 65536, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 65537, 0);
	EXPECT_EQ(rig_flow(&c)->tcp.hold.len, 65535);
	rig()->send_max = -1;
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	rig_turn(0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 65535);
	EXPECT(is_pattern(buf, 0, 65535));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	EXPECT(rig_pop());
	guest_send(&c, TH_RST | TH_ACK, 65537, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_failures(void)
{
	struct conn c;

	opened(&c, "the socket fails", 0);
	rig()->send_errno = EPIPE;
	send_data(&c, 0, 1000);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	opened(&c, "the kernel is short of memory", 0);
	rig()->send_errno = ENOBUFS;
	send_data(&c, 0, 1000);
	rig()->send_errno = 0;
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 1, 1001, 0);
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	EXPECT_SEG(&c, TH_ACK, 1, 1001, 0);
	EXPECT(host_gets(&c, 0, 1000));
	over(&c, 1001, 1);

	opened(&c, "it fails with data held", 0);
	rig()->send_max = 10;
	rig()->send_times = 1;
	send_data(&c, 0, 1000);
	rig()->send_errno = ECONNRESET;
	tcp_sock_ready(flow_ref(rig_flow(&c), EV_TCP, 1), EPOLLOUT);
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1001, 0);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	test_order(0);
	test_order(0xfffffff0U);
	test_strange();
	test_acks();
	test_short_writes(7);
	test_short_writes(-1);
	test_full_socket();
	test_tiny();
	test_pool();
	test_pool_gone();
	test_beyond();
	test_failures();
	listen_close_all();
	return done();
}
