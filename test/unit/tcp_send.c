// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp_out.c: data from the host to the guest - segments, the
 * guest's window, losses, time-outs, ports without room, kernels without
 * SO_PEEK_OFF
 *
 * link: -Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 */
#include "tcp_out.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "tcp.h"
#include "tcp_helper.h"
#include "util.h"

static uint8_t buf[1 << 16], data[8 << 20];
static bool old_kernel;

static void opened(struct conn *c, const char *name, uint32_t isn)
{
	static in_port_t port = 20000;

	group(name);
	rig_reset();
	rig()->no_peek_off = old_kernel;
	conn_init(c, port++);
	c->ws = 7;
	EXPECT(conn_open(c, isn));
}

static void over(struct conn *c, uint32_t seq, uint32_t ack)
{
	guest_send(c, TH_RST | TH_ACK, seq, ack, NULL, 0);
	EXPECT_EQ(host_read(c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* ack() - The guest has all below @off, and room for @win more */
static void ack(struct conn *c, uint32_t off, uint32_t win)
{
	c->win = (uint16_t)(win >> 7);
	guest_send(c, TH_ACK, 1, 1 + off, NULL, 0);
}

/* bytes() - Segments come with bytes [from, to), none longer than @max, none
 * twice; -1 or the number of them */
static int bytes(struct conn *c, uint32_t from, uint32_t to, size_t max)
{
	struct seg *s = &rig()->got;
	int n = 0;

	for (; from < to; n++) {
		if (!rig_pop() || s->seq != c->irs + 1 + from || !s->len ||
		    !s->sum_ok || s->len > max || s->len > to - from ||
		    !is_pattern(s->data, from, s->len)) {
			printf("# at %u: seq %i len %zu\n", from,
			       (int)(s->seq - c->irs - 1), s->len);
			return -1;
		}
		from += (uint32_t)s->len;
	}
	return n;
}

static void test_segments(uint32_t isn)
{
	struct conn c;
	int i;

	opened(&c, "cut to segments", isn);
	EXPECT(host_write(&c, data, 10000));
	for (i = 0; i < 6; i++) {
		EXPECT_SEG(&c, TH_ACK, 1 + 1460 * (unsigned)i, 1, 1460);
		EXPECT(!(rig()->got.flags & TH_PSH));
		EXPECT(is_pattern(rig()->got.data, 1460 * (size_t)i, 1460));
	}
	EXPECT_SEG(&c, TH_ACK, 8761, 1, 1240);
	EXPECT(rig()->got.flags & TH_PSH);
	EXPECT_QUIET();
	ack(&c, 10000, 65536);
	EXPECT_QUIET();
	EXPECT_EQ(rig_flow(&c)->tcp.consumed, rig_flow(&c)->tcp.snd_una);

	group("cut by the port");
	fake_knobs()->caps.tso = fake_knobs()->caps.csum = true;
	ack(&c, 10000, 1U << 20);
	EXPECT(host_write(&c, data + 10000, 190000));
	EXPECT_EQ(bytes(&c, 10000, 200000, 65535), 3);
	EXPECT_EQ(rig()->got.gso, TAP_GSO_TCP4);
	EXPECT_EQ(rig()->got.gso_size, 1460);
	EXPECT_QUIET();
	ack(&c, 200000, 1U << 20);

	group("in small pieces of memory");
	fake_knobs()->elem = 100;
	EXPECT(host_write(&c, data + 200000, 150000));
	EXPECT(bytes(&c, 200000, 350000, 65535) > 0);
	EXPECT_QUIET();
	ack(&c, 350000, 1U << 20);
	over(&c, 1, 350001);
}

static void test_window(void)
{
	struct conn c;
	unsigned i;

	opened(&c, "the guest's window", 0);
	ack(&c, 0, 5120);
	EXPECT(host_write(&c, data, 20000));
	EXPECT_EQ(bytes(&c, 0, 5120, 1460), 4);
	EXPECT_QUIET();
	ack(&c, 1460, 5120);
	EXPECT(bytes(&c, 5120, 6580, 1460) > 0);
	EXPECT_QUIET();

	group("shrunk, then closed");
	ack(&c, 5120, 1024);
	EXPECT_QUIET();
	ack(&c, 6580, 0);
	EXPECT_QUIET();

	group("probes, with back-off");
	for (i = 0; i < 20; i++) {
		uint64_t t = MIN((200 * MSEC) << MIN(i, 12), 120 * SEC);

		rig_advance(t - 20 * MSEC);
		EXPECT_QUIET();
		rig_advance(40 * MSEC);
		EXPECT_SEG(&c, TH_ACK, 6580, 1, 0);
		EXPECT_QUIET();
		ack(&c, 6580, 0);
		rig_advance(0);
		rig()->now -= 20 * MSEC;
	}

	group("open again");
	ack(&c, 6580, 65536);
	EXPECT(bytes(&c, 6580, 20000, 1460) > 0);
	EXPECT_QUIET();
	rig_advance(100 * MSEC);
	EXPECT_QUIET();
	ack(&c, 20000, 65536);
	over(&c, 1, 20001);

	opened(&c, "closed with data in flight, which the guest drops", 0);
	EXPECT(host_write(&c, data, 4000));
	EXPECT_EQ(bytes(&c, 0, 4000, 1460), 3);
	ack(&c, 1460, 0);
	for (i = 0; i < 30; i++) {
		rig_advance(121 * SEC);
		EXPECT_SEG(&c, TH_ACK, 1460, 1, 0);
		EXPECT_QUIET();
		ack(&c, 1460, 0);
	}
	ack(&c, 1460, 65536);
	EXPECT_EQ(bytes(&c, 1460, 2920, 1460), 1);
	EXPECT_QUIET();
	ack(&c, 2920, 65536);
	EXPECT_EQ(bytes(&c, 2920, 4000, 1460), 1);
	ack(&c, 4000, 65536);
	over(&c, 1, 4001);

	opened(&c, "closed, and the guest is gone", 0);
	EXPECT(host_write(&c, data, 4000));
	EXPECT_EQ(bytes(&c, 0, 4000, 1460), 3);
	ack(&c, 1460, 0);
	for (i = 0; i < 20; i++) {
		rig_advance(121 * SEC);
		if (!flow_count())
			break;
		EXPECT_SEG(&c, TH_ACK, 1460, 1, 0);
	}
	EXPECT_SEG(&c, TH_RST | TH_ACK, 4001, 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

static void test_timeout(void)
{
	uint64_t wait = 200 * MSEC;
	struct conn c;
	unsigned i;

	opened(&c, "a lost segment: time-out and back-off", 0);
	/* Get a round trip of 1 ms known; here, that of the SYN took none */
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 1);
	rig_flow(&c)->tcp.srtt = 0;
	for (i = 0; i < 5; i++) {
		EXPECT(host_write(&c, data + i * 100, 100));
		EXPECT_SEG(&c, TH_ACK, 1 + i * 100, 1, 100);
		rig_advance(MSEC);
		ack(&c, i * 100 + 100, 65536);
	}
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 1000);
	EXPECT(host_write(&c, data + 500, 3000));
	EXPECT_EQ(bytes(&c, 500, 3500, 1460), 3);
	for (i = 0; i < 4; i++, wait *= 2) {
		rig_advance(wait - 5 * MSEC);
		EXPECT_QUIET();
		rig_advance(10 * MSEC);
		EXPECT_EQ(bytes(&c, 500, 1960, 1460), 1);
		EXPECT_QUIET();
		rig()->now -= 5 * MSEC;		/* no drift */
	}

	group("Karn: no sample of what was sent twice");
	rig()->now += 5 * MSEC;
	ack(&c, 1960, 65536);
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 1000);
	EXPECT_EQ(rig_flow(&c)->tcp.retries, 0);

	group("partial acknowledgements show the next hole");
	EXPECT_EQ(bytes(&c, 1960, 3420, 1460), 1);
	EXPECT_QUIET();
	ack(&c, 3420, 65536);
	EXPECT_EQ(bytes(&c, 3420, 3500, 1460), 1);
	EXPECT_QUIET();
	ack(&c, 3500, 65536);
	EXPECT(!(rig_flow(&c)->tcp.flags & TF_RECOVER));
	rig_advance(10 * SEC);
	EXPECT_QUIET();

	group("nothing ever comes back");
	EXPECT(host_write(&c, data + 3500, 100));
	EXPECT_SEG(&c, TH_ACK, 3501, 1, 100);
	for (i = 0; i < 15; i++) {
		rig_advance(121 * SEC);
		EXPECT_SEG(&c, TH_ACK, 3501, 1, 100);
	}
	rig_advance(121 * SEC);
	EXPECT_SEG(&c, TH_RST | TH_ACK, 3601, 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

static void test_fast(void)
{
	struct conn c;

	opened(&c, "a duplicate acknowledgement means a loss", 0);
	EXPECT(host_write(&c, data, 10000));
	EXPECT_EQ(bytes(&c, 0, 10000, 1460), 7);
	c.win = 512;
	ack(&c, 2920, 65536);
	EXPECT_QUIET();
	ack(&c, 2920, 65536);
	EXPECT_EQ(bytes(&c, 2920, 4380, 1460), 1);
	EXPECT_QUIET();
	ack(&c, 2920, 65536);
	ack(&c, 2920, 65536);
	EXPECT_QUIET();				/* once only */
	ack(&c, 5840, 65536);			/* another hole */
	EXPECT_EQ(bytes(&c, 5840, 7300, 1460), 1);
	EXPECT_QUIET();
	ack(&c, 10000, 65536);
	EXPECT_QUIET();

	group("but not with data, a new window, or nothing in flight");
	ack(&c, 10000, 65536);
	EXPECT_QUIET();
	EXPECT(host_write(&c, data + 10000, 1000));
	EXPECT_EQ(bytes(&c, 10000, 11000, 1460), 1);
	ack(&c, 10000, 32768);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 10001, "x", 1);
	rig_advance(2 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 11001, 2, 0);
	EXPECT_QUIET();
	EXPECT_EQ(host_read(&c, buf, 1), 1);
	over(&c, 2, 11001);
}

static void test_no_room(void)
{
	struct fake_knobs *k = fake_knobs();
	uint32_t at = 0;
	struct conn c;
	unsigned i;

	opened(&c, "a port that takes less than was built", 0);
	k->accept = 3;
	EXPECT(host_write(&c, data, 30000));
	EXPECT(bytes(&c, 0, 30000, 1460) > 0);
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	EXPECT_QUIET();
	ack(&c, 30000, 65536);
	at = 30000;

	group("... that has room for little");
	k->accept = -1;
	for (i = 0; i < 20; i++, at += 5000) {
		k->slots = i % 4 < 2 ? (int)(i % 4) : -1;
		k->last_room = i % 5 * 300;
		k->caps.tso = i % 3;
		EXPECT(host_write(&c, data + at, 5000));
		rig_turn(0);
		if (!k->slots) {
			EXPECT_QUIET();
			EXPECT_EQ(flow_listed(FLOW_RUN), 1);
		}
		k->slots = -1;
		EXPECT(bytes(&c, at, at + 5000, 65535) > 0);
		EXPECT_QUIET();
		ack(&c, at + 5000, 65536);
	}
	k->last_room = 0;

	group("no room for the FIN");
	k->slots = 0;
	shutdown(c.host, SHUT_WR);
	rig_turn(20);
	EXPECT(!fake_pending());
	k->slots = -1;
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1 + at, 1, 0);
	ack(&c, at + 1, 65536);
	over(&c, 1, at + 2);

	opened(&c, "no room for a reset", 0);
	k->slots = 0;
	conn_close(&c, true);
	rig_turn(20);
	EXPECT(!fake_pending());
	EXPECT_EQ(flow_count(), 1);
	guest_send(&c, TH_ACK, 1, 1, "more", 4);
	EXPECT(!fake_pending());
	k->slots = -1;
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* Far ahead: acknowledged bytes are skipped or consumed, resends look back */
static void test_far(void)
{
	struct conn c;
	uint32_t at;
	int tso;

	for (tso = 0; tso < 2; tso++) {
		uint32_t all = 800000;
		ssize_t n = 0;

		opened(&c, "much in flight", 0);
		fake_knobs()->caps.tso = tso;
		ack(&c, 0, 4U << 20);
		for (at = 0; at < all; at += (uint32_t)n) {
			n = send(c.host, data + at, all - at, MSG_DONTWAIT);
			if (n < 0)
				break;
			if (bytes(&c, at, at + (uint32_t)n, 65535) <= 0)
				break;
		}
		all = at;
		EXPECT(all > 300000);
		EXPECT_EQ(rig_flow(&c)->tcp.snd_nxt, c.irs + 1 + all);
		ack(&c, 50000, 4U << 20);
		ack(&c, 50000, 4U << 20);
		EXPECT_EQ(bytes(&c, 50000, 50000 + (tso ? 64240U : 1460), 65535),
			  1);
		EXPECT(host_write(&c, data + all, 1000));
		EXPECT_EQ(bytes(&c, all, all + 1000, 65535), 1);
		rig_advance(SEC + 10 * MSEC);
		EXPECT_EQ(bytes(&c, 50000, 50000 + (tso ? 64240U : 1460), 65535),
			  1);
		ack(&c, all + 1000, 4U << 20);
		EXPECT_QUIET();
		EXPECT(host_write(&c, data + all + 1000, 1000));
		EXPECT_EQ(bytes(&c, all + 1000, all + 2000, 65535), 1);
		EXPECT_EQ(!!(rig_flow(&c)->tcp.flags & TF_PEEK_OFF),
			  !rig()->no_peek_off);
		ack(&c, all + 2000, 4U << 20);

		group("many small ones");
		rig()->peeks = 0;
		for (at = all + 2000; at < all + 12000; at += 100) {
			EXPECT(host_write(&c, data + at, 100));
			EXPECT_EQ(bytes(&c, at, at + 100, 65535), 1);
			ack(&c, at + 100, 4U << 20);
		}
		EXPECT_QUIET();
		over(&c, 1, at + 1);
	}
}

static void test_urgent(void)
{
	struct conn c;
	uint32_t at;

	opened(&c, "urgent data is data", 0);
	EXPECT(host_write(&c, data, 100));
	EXPECT_EQ(bytes(&c, 0, 100, 1460), 1);
	ack(&c, 100, 65536);
	EXPECT(host_write(&c, data + 100, 100));
	EXPECT_EQ(send(c.host, data + 200, 100, MSG_OOB), 100);
	EXPECT(host_write(&c, data + 300, 100));
	shutdown(c.host, SHUT_WR);
	for (at = 100; at < 400 && rig_pop() && rig()->got.len;) {
		EXPECT_EQ(rig()->got.seq, c.irs + 1 + at);
		EXPECT(is_pattern(rig()->got.data, at, rig()->got.len));
		at += (uint32_t)rig()->got.len;
		ack(&c, at, 65536);
	}
	EXPECT_EQ(at, 400);
	if (!(rig()->got.flags & TH_FIN))
		EXPECT_SEG(&c, TH_FIN | TH_ACK, 401, 1, 0);
	EXPECT_QUIET();
	ack(&c, 401, 65536);
	over(&c, 1, 402);
}

/* Read on the guest's account, before the event that tells of the urgent byte */
static void test_urgent_unseen(void)
{
	struct conn c;

	opened(&c, "an urgent byte that was not announced yet", 0);
	ack(&c, 0, 128);
	EXPECT(host_write(&c, data, 128));
	EXPECT_SEG(&c, TH_ACK, 1, 1, 128);
	EXPECT_EQ(send(c.host, data + 128, 1, MSG_OOB), 1);
	EXPECT(host_write(&c, data + 129, 49));
	ack(&c, 128, 65536);
	EXPECT(bytes(&c, 128, 178, 1460) > 0);
	EXPECT_QUIET();
	ack(&c, 178, 65536);
	EXPECT_QUIET();
	over(&c, 1, 179);
}

static void test_failures(void)
{
	struct conn c;

	opened(&c, "the socket fails", 0);
	rig()->recv_errno = EIO;
	EXPECT(host_write(&c, data, 100));
	EXPECT_SEG(&c, TH_RST | TH_ACK, 1, 1, 0);
	conn_close(&c, false);
	rig()->recv_errno = 0;
	EXPECT_QUIET();
	EXPECT_CLEAN();

}

int main(void)
{
	int i;

	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	for (i = 0; i < 2; i++) {
		old_kernel = i;
		test_segments(0);
		test_segments(0xffffe000U);
		test_window();
		test_timeout();
		test_fast();
		test_no_room();
		test_far();
		test_urgent();
	test_urgent_unseen();
		test_failures();
	}
	listen_close_all();
	return done();
}
