// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp.c: faithful ends - what a program could see over a direct
 * connection, it sees through us; and what no program may bring about
 *
 * Where each of it is tested, here unless another file is named:
 *
 *   refused			tcp_open.c; e2e hops.t, refused.t, vm_tcp.t
 *   unreachable, code kept	unreachable(), fails(); e2e hops.t (by errno)
 *   reset			tcp_close.c; behind data: last_words()
 *   RST validation		resets(); tcp_data.c (out of order)
 *   half-close			tcp_close.c; e2e tcp_cases.py, both ways
 *   abort with unread data	tcp_close.c; last_words()
 *   simultaneous close		tcp_close.c (both at once)
 *   FIN with data		tcp_close.c, both ways
 *   keep-alive			guest's: tcp_data.c (big and small); ours: idle()
 *   urgent data		from the guest: urgent(); to it: tcp_send.c
 *   SYN repeated		tcp_open.c; unchanged()
 *   SYN+ACK unchanged, never a bare SYN	unchanged()
 *   data in SYN		data_in_syn()
 *   another ISN, live flow	challenges(); tcp_open.c
 *   an old connection's ACK	old_connection()
 *   acknowledgement of what was never sent	challenges(); tcp_data.c
 *   stray segments		tcp_open.c (segments of no connection)
 *
 * link: -Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 * link: -Wl,--wrap=sock_error
 */
#include "tcp.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "sock.h"
#include "tcp_helper.h"
#include "tcp_win.h"
#include "util.h"
#include "wire.h"

static uint8_t buf[1 << 16], data[1 << 16];

static int failure;		/* of a host socket, instead of its own */

int __real_sock_error(int fd);
int __wrap_sock_error(int fd);

int __wrap_sock_error(int fd)
{
	int e = __real_sock_error(fd);

	return failure ? failure : e;
}

static void opened(struct conn *c, const char *name)
{
	static in_port_t port = 30000;

	group(name);
	rig_reset();
	conn_init(c, port++);
	EXPECT(conn_open(c, 0));
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

/* Nothing but loopback is there, so another address has no route */
static void unreachable(bool v6)
{
	const char *const to[] = { "203.0.113.9", "2001:db8:9::9" };
	const char *const from[] = { "192.0.2.2", "2001:db8::2" };
	uint8_t frame[HDR_ROOM], mac[6] = { 2, 0, 0, 0, 0, 2 };
	struct iovec iov = { frame, 0 };
	struct hdr_ip ip = { .smac = mac, .dmac = mac, .ttl = 64,
			     .proto = IPPROTO_TCP };
	struct wire_frame f;
	struct pkt p;

	group(v6 ? "unreachable over IPv6" : "unreachable over IPv4");
	rig_reset();
	EXPECT(addr_parse(from[v6], &ip.src) && addr_parse(to[v6], &ip.dst));
	iov.iov_len = hdr_put_ip(frame, &ip, TCP_HLEN);
	iov.iov_len += hdr_put_tcp(frame + iov.iov_len, 4000, 80, 0x01020304, 0,
				   TH_SYN, 1000, NULL, 0);
	EXPECT_EQ(hdr_parse(&p, &iov, iov.iov_len), HDR_OK);
	tcp_input(&p, 1);
	wire_smac = guest()->our_mac;
	if (EXPECT(wire_pop(&f))) {
		const uint8_t *l4 = f.data + (v6 ? IP6_HLEN : IP4_HLEN);

		/* As of a router: no route to there */
		EXPECT(addr_eq(&f.dst, &ip.src));
		EXPECT(!addr_eq(&f.src, &ip.dst));
		EXPECT_EQ(f.proto, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		EXPECT_EQ(wire_be(f.l4, 2), v6 ? 0x0100 : 0x0300);
		EXPECT_EQ(f.datalen, (v6 ? IP6_HLEN : IP4_HLEN) + TCP_HLEN);
		EXPECT_MEM(f.data + (v6 ? 8 : 12), frame + ETH_HLEN_ +
			   (v6 ? 8 : 12), v6 ? 32 : 8);
		EXPECT_EQ(wire_be(l4, 4), 4000U << 16 | 80);
		EXPECT_EQ(wire_be(l4 + 4, 4), 0x01020304);
	}
	EXPECT(!fake_pending());
	EXPECT_CLEAN();
}

/* A connect() that fails after a while: a router has said so, or nobody has said
 * anything, which is what the guest would have met with outside */
static void fails(bool v6)
{
	static const struct { int e, v4, v6; } row[] = {
		{ ENETUNREACH, 0x0300, 0x0100 }, { EHOSTUNREACH, 0x0301, 0x0103 },
		{ EACCES, 0x030d, 0x0101 }, { EHOSTDOWN, 0x0307, -1 },
		{ ENOPROTOOPT, 0x0302, -1 }, { ECONNREFUSED, -1, -1 },
		{ ECONNRESET, -1, -1 }, { ETIMEDOUT, 0, 0 },
	};
	struct wire_frame f;
	struct conn c;
	size_t i;

	group(v6 ? "connect() fails over IPv6" : "connect() fails over IPv4");
	for (i = 0; i < ARRAY_LEN(row); i++) {
		int want = v6 ? row[i].v6 : row[i].v4;

		rig_reset();
		conn_init(&c, 4000);
		c.v6 = v6;
		c.hport = RIG_NOBODY;
		failure = row[i].e;
		guest_send(&c, TH_SYN, 0, 0, NULL, 0);
		rig_turn(100);
		failure = 0;
		if (want < 0) {
			EXPECT(rig_pop());
			EXPECT_EQ(rig()->got.flags, TH_RST | TH_ACK);
			EXPECT_EQ(rig()->got.ack, c.iss + 1);
		} else if (want && EXPECT(wire_pop(&f))) {
			const uint8_t *l4 = f.data + (v6 ? IP6_HLEN : IP4_HLEN);

			EXPECT_EQ(f.proto, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
			EXPECT_EQ(wire_be(f.l4, 2), want);
			EXPECT_EQ(wire_be(l4, 4), 4000U << 16 | RIG_NOBODY);
			EXPECT_EQ(wire_be(l4 + 4, 4), c.iss);
			EXPECT_EQ(wire_be(l4 + 14, 2), c.win);
		}
		EXPECT_QUIET();
		EXPECT_CLEAN();
	}
}

/* What arrived before a reset is not lost with it */
static void last_words(void)
{
	struct conn c;
	int i;

	opened(&c, "an answer and a reset");
	EXPECT(host_write(&c, data, 3000));
	conn_close(&c, true);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 1460);
	EXPECT_SEG(&c, TH_ACK, 1461, 1, 1460);
	EXPECT_SEG(&c, TH_ACK, 2921, 1, 80);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 3001, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	opened(&c, "... as much as the guest has room for");
	c.win = 100;
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT(host_write(&c, data, 3000));
	conn_close(&c, true);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 100);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 101, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	/* A server that answers before it has read all */
	for (i = 0; i < 2; i++) {
		opened(&c, i ? "... found when the guest ends" :
			       "... found when the guest sends");
		guest_send(&c, TH_ACK, 1, 1, data, 100);
		EXPECT_SEG(&c, TH_ACK, 1, 101, 0);
		EXPECT(host_write(&c, data, 300));
		conn_close(&c, false);
		guest_send(&c, TH_ACK | (i ? TH_FIN : 0), 101, 1, data,
			   i ? 0 : 100);
		EXPECT(rig_pop());
		if (!rig()->got.len)		/* of what the guest sent */
			EXPECT(rig_pop());
		EXPECT_EQ(rig()->got.len, 300);
		EXPECT_EQ(rig()->got.seq, c.irs + 1);
		EXPECT(!(rig()->got.flags & TH_FIN));
		EXPECT_MEM(rig()->got.data, data, 300);
		EXPECT(rig_pop());
		EXPECT_EQ(rig()->got.flags, TH_RST | TH_ACK);
		EXPECT_EQ(rig()->got.seq, c.irs + 301);
		EXPECT_QUIET();
		EXPECT_CLEAN();
	}

	opened(&c, "no end of data precedes a reset");
	EXPECT(host_write(&c, data, 300));
	conn_close(&c, true);
	fake_knobs()->slots = 0;
	rig_turn(10);
	fake_knobs()->slots = -1;
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* RFC 5961 3.2 */
static void resets(void)
{
	struct conn c;
	int i;

	opened(&c, "resets: the very next number, or it is none");
	guest_send(&c, TH_RST, 0, 0, NULL, 0);
	guest_send(&c, TH_RST, (uint32_t)-9, 0, NULL, 0);
	guest_send(&c, TH_RST, 1 + WIN_RCV_MAX + 1000, 0, NULL, 0);
	guest_send(&c, TH_RST, 1 + (1U << 31), 0, NULL, 0);
	EXPECT_QUIET();
	guest_send(&c, TH_RST, 2, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	rig_advance(SEC);
	guest_send(&c, TH_RST, 60000, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);

	group("... answered twice a second, not more");
	rig_advance(SEC);
	for (i = 0; i < 100; i++)
		guest_send(&c, TH_RST | TH_ACK, 2 + (uint32_t)i, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	EXPECT(rig_flow(&c) != NULL);
	over(&c, 1, 1);

	opened(&c, "a reset with the number of its end");
	guest_send(&c, TH_FIN | TH_ACK, 1, 1, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 12, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 10);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	guest_send(&c, TH_RST, 10, 0, NULL, 0);
	EXPECT(rig_flow(&c) != NULL);
	guest_send(&c, TH_RST, 11, 0, NULL, 0);
	EXPECT_EQ(flow_each(NULL) == NULL, 1);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* RFC 5961 4 and 5 */
static void challenges(void)
{
	struct conn c;
	int i;

	opened(&c, "a SYN into a live connection");
	for (i = 0; i < 3; i++) {
		guest_send(&c, TH_SYN, i ? 99000U * (unsigned)i : 0, 0, NULL, 0);
		EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
		rig_advance(SEC);
	}

	group("... answered twice a second, not more");
	for (i = 0; i < 100; i++)
		guest_send(&c, TH_SYN, 5000, 0, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_QUIET();

	group("what was never sent cannot be acknowledged");
	rig_advance(SEC);
	for (i = 0; i < 100; i++)
		guest_send(&c, TH_ACK, 1, 2, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	rig_advance(SEC);
	guest_send(&c, TH_ACK, 1, 1 + (1U << 31) - 1, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);

	group("... nor what no window could hold");
	rig_advance(SEC);
	guest_send(&c, TH_ACK, 1, 0 - WIN_SND_MAX, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	rig_advance(SEC);
	guest_send(&c, TH_ACK, 1, 1 + (1U << 31) + 1, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -EAGAIN);
	guest_send(&c, TH_ACK, 1, 1 - WIN_SND_MAX, data, 10);
	EXPECT_SEG(&c, TH_ACK, 1, 11, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 10);

	group("... but a keep-alive is always answered");
	for (i = 0; i < 5; i++) {
		guest_send(&c, TH_ACK, 10, 1, NULL, 0);
		EXPECT_SEG(&c, TH_ACK, 1, 11, 0);
	}
	EXPECT_QUIET();
	over(&c, 11, 1);
}

/* Not used, nor lost: the guest sends it again (RFC 9293 3.10.7.2 has it kept,
 * which is for us to choose: what is not acknowledged was not received) */
static void data_in_syn(void)
{
	struct conn c;

	group("data in a SYN");
	rig_reset();
	conn_init(&c, 5000);
	guest_send(&c, TH_SYN, 0, 0, "early", 5);
	guest_send(&c, TH_SYN, 0, 0, "early", 5);
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_SYN | TH_ACK);
	EXPECT_EQ(rig()->got.ack, c.iss + 1);
	c.irs = rig()->got.seq;
	EXPECT_QUIET();
	guest_send(&c, TH_SYN, 0, 0, "early", 5);
	EXPECT_SEG(&c, TH_SYN | TH_ACK, 0, 1, 0);
	guest_send(&c, TH_ACK, 1, 1, "early", 5);
	EXPECT(conn_accept(&c));
	EXPECT_SEG(&c, TH_ACK, 1, 6, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 5);
	EXPECT_MEM(buf, "early", 5);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -EAGAIN);
	over(&c, 6, 1);

	group("data in a SYN+ACK");
	rig_reset();
	conn_init(&c, 0);
	EXPECT(conn_inbound(&c));
	guest_send(&c, TH_SYN | TH_ACK, 0, 1, "early", 5);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	guest_send(&c, TH_ACK, 1, 1, "early", 5);
	EXPECT_SEG(&c, TH_ACK, 1, 6, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 5);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -EAGAIN);
	over(&c, 6, 1);
}

/* raw() - The next frame, all of it; its length */
static size_t raw(uint8_t *frame, size_t size)
{
	rig_turn(20);
	return fake_pop(frame, size, NULL);
}

/* A SYN, or its answer, is the same to the last bit whenever it comes again */
static void unchanged(void)
{
	uint8_t first[200], again[200];
	uint64_t wait = SEC;
	struct conn c;
	size_t n;
	int i;

	group("SYN+ACK, again, is the same");
	rig_reset();
	conn_init(&c, 5001);
	c.ws = 7;
	c.sack = true;
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	n = raw(first, sizeof(first));
	EXPECT_EQ(n, ETH_HLEN_ + IP4_HLEN + TCP_HLEN + 12);
	EXPECT_EQ(first[ETH_HLEN_ + IP4_HLEN + 13], TH_SYN | TH_ACK);
	for (i = 0; i < 8; i++) {
		/* By the guest's SYN, by the timer */
		if (i & 1)
			guest_send(&c, TH_SYN, 0, 0, NULL, 0);
		else
			rig_advance(wait);
		wait <<= !(i & 1);
		EXPECT_EQ(raw(again, sizeof(again)), n);
		EXPECT_MEM(again, first, n);
		EXPECT_QUIET();
	}
	guest_send(&c, TH_RST, 1, 0, NULL, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	group("so is a SYN");
	rig_reset();
	conn_init(&c, 0);
	EXPECT(conn_inbound(&c));
	for (i = 0, wait = SEC; i < 4; i++, wait *= 2) {
		rig_advance(wait);
		n = raw(i ? again : first, sizeof(first));
		EXPECT_EQ(n, ETH_HLEN_ + IP4_HLEN + TCP_HLEN + 12);
		EXPECT_EQ(first[ETH_HLEN_ + IP4_HLEN + 13], TH_SYN);
		if (i)
			EXPECT_MEM(again, first, n);
	}
	guest_send(&c, TH_RST | TH_ACK, 0, 1, NULL, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

/* The guest still knows one with these ports: it is told that it is over, and
 * asked again, in no time */
static void old_connection(void)
{
	struct conn c;
	int i;

	for (i = 0; i < 2; i++) {
		uint8_t flags = i ? TH_SYN | TH_ACK : TH_ACK;
		uint32_t iss;

		group(i ? "an old SYN+ACK for our SYN" :
			  "an old connection's ACK for our SYN");
		rig_reset();
		conn_init(&c, 0);
		EXPECT(conn_inbound(&c));
		guest_send(&c, flags, 700, 0 - 1000U, NULL, 0);
		EXPECT_SEG(&c, TH_RST, 0 - 1000U, 0, 0);
		iss = c.iss;
		c.iss = 0;
		EXPECT_SEG(&c, TH_SYN, 0, 0, 0);
		c.iss = iss;
		EXPECT_QUIET();

		/* Who never stops does not make us send twice as much */
		guest_send(&c, flags, 700, 0 - 1000U, NULL, 0);
		EXPECT_SEG(&c, TH_RST, 0 - 1000U, 0, 0);
		EXPECT_QUIET();
		guest_send(&c, TH_RST, 700, 0, NULL, 0);
		guest_send(&c, TH_RST | TH_ACK, 700, 0 - 1000U, NULL, 0);
		rig_advance(600 * MSEC);
		guest_send(&c, TH_RST | TH_ACK, 700, 0 - 1000U, NULL, 0);
		EXPECT_QUIET();
		EXPECT(conn_answer(&c));
		over(&c, 1, 1);
	}
}

static void urgent(void)
{
	struct conn c;

	opened(&c, "urgent data of the guest is data");
	guest_send(&c, TH_ACK | TH_URG, 1, 1, data, 100);
	guest_send(&c, TH_ACK | TH_URG | TH_PSH, 101, 1, data + 100, 1);
	guest_send(&c, TH_ACK, 102, 1, data + 101, 100);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 201);
	EXPECT(is_pattern(buf, 0, 201));
	EXPECT_EQ(recv(c.host, buf, 1, MSG_OOB | MSG_DONTWAIT), -1);
	while (fake_pending())
		rig_pop();
	over(&c, 202, 1);
}

/* A connection may be idle for ever, as long as both ends are there. The host's
 * kernel looks after its side, if the guest's keep-alive asks for that */
static void idle(void)
{
	struct conn c;
	int i;

	opened(&c, "idle: after two hours the guest is asked whether it lives");
	for (i = 0; i < 3; i++) {
		rig_advance(7190 * SEC);
		EXPECT_QUIET();
		rig_advance(11 * SEC);
		EXPECT_SEG(&c, TH_ACK, 0, 1, 0);	/* below its window */
		EXPECT_QUIET();
		guest_send(&c, TH_ACK, 1, 1, NULL, 0);
		EXPECT_QUIET();
	}
	EXPECT_EQ(flow_count(), 1);

	group("... several times");
	rig_advance(7201 * SEC);
	for (i = 0; i < 8; i++) {
		EXPECT_SEG(&c, TH_ACK, 0, 1, 0);
		EXPECT_QUIET();
		rig_advance(70 * SEC);
		EXPECT_QUIET();
		rig_advance(5 * SEC);
	}
	EXPECT_SEG(&c, TH_ACK, 0, 1, 0);
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	rig_advance(7100 * SEC);
	EXPECT_QUIET();

	group("... and then it is gone");
	rig_advance(101 * SEC);
	for (i = 0; i < 9; i++) {
		EXPECT_SEG(&c, TH_ACK, 0, 1, 0);
		rig_advance(75 * SEC);
	}
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	opened(&c, "... after a minute if the host has ended");
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
	guest_send(&c, TH_ACK, 1, 2, NULL, 0);
	for (i = 0; i < 3; i++) {
		rig_advance(59 * SEC);
		EXPECT_QUIET();
		rig_advance(2 * SEC);
		EXPECT_SEG(&c, TH_ACK, 1, 1, 0);	/* its FIN, once more */
		guest_send(&c, TH_ACK, 1, 2, NULL, 0);
		EXPECT_QUIET();
	}
	group("... and one that knows nothing of it says so");
	rig_advance(61 * SEC);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 0);
	guest_send(&c, TH_RST, 1, 0, NULL, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	unreachable(false);
	unreachable(true);
	fails(false);
	fails(true);
	last_words();
	resets();
	challenges();
	data_in_syn();
	unchanged();
	old_connection();
	urgent();
	idle();
	listen_close_all();
	return done();
}
