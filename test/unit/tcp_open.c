// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp.c: connections come about, or do not
 *
 * The guest's segments are made by hand (tcp_helper.h), the host's end is a
 * real socket, the clock stands still unless moved.
 *
 * link: -Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 */
#include "tcp.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "tcp_helper.h"

static uint8_t buf[1 << 16];

/* over() - The guest's reset ends it, whatever the state */
static void over(struct conn *c, uint32_t seq, uint32_t ack)
{
	guest_send(c, TH_RST | TH_ACK, seq, ack, NULL, 0);
	if (c->host >= 0)
		EXPECT_EQ(host_read(c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_outbound(bool v6)
{
	struct seg *s = &rig()->got;
	struct conn c;

	group(v6 ? "outbound over IPv6" : "outbound over IPv4");
	rig_reset();
	conn_init(&c, 4000);
	c.v6 = v6;
	c.ws = 7;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT_EQ(flow_count(), 1);
	EXPECT(rig_pop());
	EXPECT_EQ(s->flags, TH_SYN | TH_ACK);
	EXPECT_EQ(s->ack, c.iss + 1);
	EXPECT_EQ(s->ws, 8);
	EXPECT_EQ(s->mss, v6 ? 65460 : 65475);
	EXPECT_EQ(s->win, 65535);
	EXPECT(s->sum_ok);
	c.irs = s->seq;
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_OPEN);
	EXPECT_EQ(rig_flow(&c)->tcp.mss, 1460);
	EXPECT_EQ(rig_flow(&c)->tcp.snd_wnd, 65535U << 7);
	/* Its program is not needed: the listener's queue has it */
	over(&c, 1, 1);
}

/* What is not offered is not used; a SYN without MSS means 536 */
static void test_bare_syn(void)
{
	struct conn c;

	group("a SYN without options");
	rig_reset();
	conn_init(&c, 4001);
	c.mss = 0;
	EXPECT(conn_open(&c, 0));
	EXPECT_EQ(rig()->got.ws, -1);
	EXPECT_EQ(rig_flow(&c)->tcp.mss, 536);
	EXPECT_EQ(rig_flow(&c)->tcp.snd_wnd, 65535);
	over(&c, 1, 1);

	group("bad SYNs");
	rig_reset();
	conn_init(&c, 0);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT_QUIET();
	conn_init(&c, 4002);
	guest_send(&c, TH_SYN | TH_FIN, 0, 0, NULL, 0);
	c.irs = 0;
	EXPECT_SEG(&c, TH_RST | TH_ACK, 0, 2, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_refused(void)
{
	struct conn c;
	unsigned i;

	for (i = 0; i < 2; i++) {
		group(i ? "refused over IPv6" : "refused over IPv4");
		rig_reset();
		conn_init(&c, 4003);
		c.v6 = i;
		c.hport = RIG_NOBODY;
		guest_send(&c, TH_SYN, 0, 0, NULL, 0);
		EXPECT(rig_pop());
		EXPECT_EQ(rig()->got.flags, TH_RST | TH_ACK);
		EXPECT_EQ(rig()->got.ack, c.iss + 1);
		EXPECT_QUIET();
		EXPECT_CLEAN();
	}
}

static void test_syn_again(void)
{
	struct conn c;
	uint32_t isn;

	group("the SYN again while connecting");
	rig_reset();
	conn_init(&c, 4004);
	c.ws = 7;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(!fake_pending());
	EXPECT_EQ(flow_count(), 1);
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_SYN | TH_ACK);
	c.irs = rig()->got.seq;
	EXPECT_QUIET();

	group("the SYN again after the answer");
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT_SEG(&c, TH_SYN | TH_ACK, 0, 1, 0);
	EXPECT_EQ(rig()->got.ws, 8);
	EXPECT(rig()->got.mss != 0);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_SYN_RCVD);

	group("another SYN instead of the ACK");
	guest_send(&c, TH_SYN, 1000, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	over(&c, 1, 0);

	group("... with no room to answer: still one of those to be given up");
	rig_reset();
	conn_init(&c, 4012);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	EXPECT_EQ(flow_listed(FLOW_HALF_MORE), 1);
	fake_knobs()->slots = 0;
	guest_send(&c, TH_SYN, 1000, 0, NULL, 0);
	EXPECT_EQ(flow_listed(FLOW_HALF_MORE), 1);
	fake_knobs()->slots = -1;
	rig_advance(SEC + 10 * MSEC);
	EXPECT_SEG(&c, TH_SYN | TH_ACK, 0, 1, 0);
	EXPECT_EQ(flow_listed(FLOW_HALF_MORE), 1);
	EXPECT_QUIET();
	over(&c, 1, 0);

	group("a new attempt from the same port while connecting");
	rig_reset();
	conn_init(&c, 4005);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	c.iss += 70000;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_SYN | TH_ACK);
	EXPECT_EQ(rig()->got.ack, c.iss + 1);
	c.irs = rig()->got.seq;
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_OPEN);

	group("a SYN into the open connection");
	guest_send(&c, TH_SYN, 5000, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_OPEN);
	rig_advance(SEC);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	/* Its sender did not expect that: RFC 9293 3.10.7.3 */
	rig_advance(MSEC);
	isn = c.irs;
	guest_send(&c, TH_RST, 1, 0, NULL, 0);
	EXPECT_EQ(flow_each(NULL) == NULL, 1);
	c.iss += 5000;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.ack, c.iss + 1);
	EXPECT(rig()->got.seq != isn);
	over(&c, 1, 0);
}

static void test_syn_ack_lost(void)
{
	struct conn c;
	uint64_t wait = SEC;
	int i;

	group("nobody takes our SYN+ACK");
	rig_reset();
	conn_init(&c, 4006);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	for (i = 0; i < 6; i++, wait *= 2) {
		rig_advance(wait - 5 * MSEC);
		EXPECT_QUIET();
		rig_advance(10 * MSEC);
		EXPECT_SEG(&c, TH_SYN | TH_ACK, 0, 1, 0);
		EXPECT_EQ(rig()->got.win, 65535);
		EXPECT(rig()->got.mss != 0);
	}
	rig_advance(wait - 15 * MSEC);
	EXPECT_QUIET();
	rig_advance(100 * MSEC);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("a wrong acknowledgement of our SYN+ACK");
	rig_reset();
	conn_init(&c, 4007);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	guest_send(&c, TH_ACK, 1, 5, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 5, 0, 0);
	guest_send(&c, TH_ACK, 1, 0, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 0, 0, 0);
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_SYN_RCVD);
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_OPEN);
	over(&c, 1, 1);

	group("the ACK lost, data instead");
	rig_reset();
	conn_init(&c, 4008);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	guest_send(&c, TH_ACK | TH_PSH, 1, 1, "data", 4);
	rig_advance(3 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 1, 5, 0);
	over(&c, 5, 1);
}

static void test_connecting(void)
{
	struct conn c;

	group("the server talks first, and ends, before the guest's ACK");
	rig_reset();
	conn_init(&c, 4012);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	EXPECT(conn_accept(&c));
	EXPECT(host_write(&c, "220 ready", 9));
	EXPECT(!shutdown(c.host, SHUT_WR));
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 9);
	EXPECT_MEM(rig()->got.data, "220 ready", 9);
	over(&c, 1, 11);

	group("a reset while connecting");
	rig_reset();
	conn_init(&c, 4009);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	guest_send(&c, TH_RST, 1, 0, NULL, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("no room for the SYN+ACK");
	rig_reset();
	conn_init(&c, 4010);
	fake_knobs()->slots = 0;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	rig_turn(20);
	EXPECT(!fake_pending());
	fake_knobs()->slots = -1;
	rig_advance(1001 * MSEC);
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_SYN | TH_ACK);
	c.irs = rig()->got.seq;
	over(&c, 1, 0);
}

static void test_stray(void)
{
	struct conn c;

	group("segments of no connection");
	rig_reset();
	conn_init(&c, 4011);
	c.irs = 77000;
	guest_send(&c, TH_ACK, 10, 20, "abc", 3);
	EXPECT_SEG(&c, TH_RST, 20, 0, 0);
	guest_send(&c, TH_SYN | TH_ACK, 10, 20, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 20, 0, 0);
	guest_send(&c, TH_FIN | TH_ACK, 10, 20, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 20, 0, 0);
	c.irs = 0;
	guest_send(&c, TH_FIN, 10, 0, "abc", 3);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 0, 14, 0);
	guest_send(&c, 0, 10, 0, NULL, 0);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 0, 10, 0);
	guest_send(&c, TH_RST, 10, 0, NULL, 0);
	guest_send(&c, TH_RST | TH_ACK, 10, 20, NULL, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_inbound(bool v6)
{
	struct conn c;
	uint32_t iss;

	group(v6 ? "inbound over IPv6" : "inbound over IPv4");
	rig_reset();
	conn_init(&c, 0);
	c.v6 = v6;
	c.ws = 4;
	EXPECT(conn_inbound(&c));
	EXPECT_EQ(rig()->got.ws, 8);
	EXPECT_EQ(rig()->got.mss, v6 ? 65460 : 65475);
	EXPECT_QUIET();
	/* The client talks first, to nobody yet */
	EXPECT(host_write(&c, "hello", 5));
	EXPECT_QUIET();

	group("answers to our SYN that are none");
	iss = c.iss;
	guest_send(&c, TH_SYN | TH_ACK, 0, 3, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 3, 0, 0);
	/* Its old connection is no more: on with the new one */
	c.iss = 0;
	EXPECT_SEG(&c, TH_SYN, 0, 0, 0);
	c.iss = iss;
	guest_send(&c, TH_ACK, 0, 9, NULL, 0);
	EXPECT_SEG(&c, TH_RST, 9, 0, 0);
	guest_send(&c, TH_ACK, 0, 1, NULL, 0);
	guest_send(&c, TH_RST, 0, 0, NULL, 0);
	guest_send(&c, TH_RST | TH_ACK, 0, 7, NULL, 0);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.state, TS_SYN_SENT);

	group("the answer, and what the client had to say");
	guest_send(&c, TH_SYN | TH_ACK, 0, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 5);	/* acknowledges as well */
	EXPECT_MEM(rig()->got.data, "hello", 5);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.snd_wnd, 65535);
	guest_send(&c, TH_ACK, 1, 6, "world", 5);
	EXPECT_EQ(rig_flow(&c)->tcp.snd_wnd, 65535U << 4);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 5);
	EXPECT_MEM(buf, "world", 5);
	rig_advance(3 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 6, 6, 0);
	/* Once more the SYN+ACK: our ACK was lost */
	guest_send(&c, TH_SYN | TH_ACK, 0, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 6, 6, 0);
	over(&c, 6, 6);
}

static void test_inbound_fails(void)
{
	uint64_t wait = SEC;
	struct conn c;
	int i;

	group("the guest refuses");
	rig_reset();
	conn_init(&c, 0);
	EXPECT(conn_inbound(&c));
	c.iss = 0;
	guest_send(&c, TH_RST | TH_ACK, 0, 1, NULL, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("no guest is there");
	rig_reset();
	conn_init(&c, 0);
	fake_knobs()->absent = true;
	EXPECT(!conn_inbound(&c));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("the guest does not answer");
	rig_reset();
	conn_init(&c, 0);
	EXPECT(conn_inbound(&c));
	c.iss = 0;
	for (i = 0; i < 6; i++, wait *= 2) {
		rig_advance(wait - 5 * MSEC);
		EXPECT_QUIET();
		rig_advance(10 * MSEC);
		EXPECT_SEG(&c, TH_SYN, 0, 0, 0);
		EXPECT_EQ(rig()->got.ws, 8);
	}
	rig_advance(wait + 5 * MSEC);
	EXPECT(rig_pop());
	EXPECT(rig()->got.flags & TH_RST);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("the client gives up before the guest answers");
	rig_reset();
	conn_init(&c, 0);
	EXPECT(conn_inbound(&c));
	conn_close(&c, true);
	EXPECT_QUIET();
	guest_send(&c, TH_SYN | TH_ACK, 0, 1, NULL, 0);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* Both ::1 and 127.0.0.1 have one address each for the guest; to look alike,
 * two clients need the same port, of different addresses of 127/8 */
static in_port_t shared = 5555;		/* another one in each case */

static void client(struct conn *c, unsigned i)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int small = 4096;		/* most waits on our side */

	conn_init(c, RIG_FWD);
	c->host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->host, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2 + i);
	sa.sin_port = htons(shared);
	EXPECT(!bind(c->host, (struct sockaddr *)&sa, sizeof(sa)));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons(RIG_FWD);
	EXPECT(!connect(c->host, (struct sockaddr *)&sa, sizeof(sa)));
	rig_turn(50);
}

/* first() - Now the guest has its SYN */
static void first(struct conn *c)
{
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_SYN);
	EXPECT_EQ(rig()->got.sport, shared);
	c->hport = shared;
	c->irs = rig()->got.seq;
}

static void test_alike(void)
{
	struct conn c[2];

	group("two clients that look alike");
	rig_reset();
	client(&c[0], 0);
	client(&c[1], 1);
	first(&c[0]);
	EXPECT_QUIET();
	EXPECT_EQ(host_read(&c[1], buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c[1], false);
	EXPECT(conn_answer(&c[0]));
	over(&c[0], 1, 1);
}

/* The first one has ended, and so has the guest, but the client shall get all */
static void test_alike_ended(void)
{
	static const uint8_t long_answer[60000];
	struct conn c[2];
	size_t all = 0;
	ssize_t n;

	group("one that looks alike, while an answer is held");
	rig_reset();
	shared++;
	client(&c[0], 0);
	first(&c[0]);
	EXPECT(conn_answer(&c[0]));
	shutdown(c[0].host, SHUT_WR);
	EXPECT_SEG(&c[0], TH_FIN | TH_ACK, 1, 1, 0);
	rig()->send_max = 0;
	guest_send(&c[0], TH_FIN | TH_ACK, 1, 1, "an answer", 9);
	EXPECT_SEG(&c[0], TH_ACK, 2, 11, 0);
	client(&c[1], 1);
	EXPECT_EQ(host_read(&c[1], buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c[1], false);
	EXPECT_QUIET();
	rig()->send_max = -1;
	tcp_sock_ready(flow_ref(rig_flow(&c[0]), EV_TCP, 0), EPOLLOUT);
	rig_turn(0);
	EXPECT_EQ(host_read(&c[0], buf, sizeof(buf)), 9);
	EXPECT_EQ(host_read(&c[0], buf, sizeof(buf)), 0);
	while (fake_pending())
		rig_pop();
	guest_send(&c[0], TH_ACK, 11, 2, NULL, 0);
	rig_turn(0);
	rig_advance(SEC);
	conn_close(&c[0], false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("... while an acknowledgement is missing");
	rig_reset();
	shared++;
	client(&c[0], 0);
	first(&c[0]);
	EXPECT(conn_answer(&c[0]));
	EXPECT(host_write(&c[0], "a request", 9));
	shutdown(c[0].host, SHUT_WR);
	while (EXPECT(rig_pop()) && !(rig()->got.flags & TH_FIN))
		;
	guest_send(&c[0], TH_FIN | TH_ACK, 1, 1, long_answer,
		   sizeof(long_answer));
	EXPECT_SEG(&c[0], TH_ACK, 11, 2 + sizeof(long_answer), 0);
	client(&c[1], 1);
	while ((n = host_read(&c[0], buf, sizeof(buf))) > 0)
		all += (size_t)n;
	EXPECT_EQ(n, 0);
	EXPECT_EQ(all, sizeof(long_answer));
	conn_close(&c[0], false);
	EXPECT_SEG(&c[0], TH_ACK, 11, 2 + sizeof(long_answer), 0);
	first(&c[1]);
	EXPECT(conn_answer(&c[1]));
	over(&c[1], 1, 1);
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	test_outbound(false);
	test_outbound(true);
	test_bare_syn();
	test_refused();
	test_syn_again();
	test_syn_ack_lost();
	test_connecting();
	test_stray();
	test_inbound(false);
	test_inbound(true);
	test_inbound_fails();
	test_alike();
	test_alike_ended();
	listen_close_all();
	return done();
}
