// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp*.c on a link that loses: what is sent again, when, and that
 * it is nothing else; what the guest is told of. Segments and the clock are
 * moved by hand, so each case is one story, step by step.
 *
 * Data to the guest is in segments of M bytes, and is written so: at(3) is where
 * the fourth begins.
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
#include "tcp_sack.h"
#include "util.h"

#define M	1000U
#define WIN	(64U * 1024)

static uint8_t buf[1 << 16], data[4 << 20];

static uint32_t at(uint32_t seg)
{
	return 1 + seg * M;
}

/* ack() - The guest has all below segment @n */
static void ack(struct conn *c, uint32_t n)
{
	c->blocks = 0;
	guest_send(c, TH_ACK, 1, at(n), NULL, 0);
}

/* sack() - ... and beyond a gap, segments [a, e), and others if @b is not 0 */
static void sack2(struct conn *c, uint32_t n, uint32_t a, uint32_t e,
		  uint32_t b, uint32_t f)
{
	c->blocks = b ? 2 : 1;
	c->block[0].start = at(a);
	c->block[0].end = at(e);
	c->block[1].start = at(b);
	c->block[1].end = at(f);
	guest_send(c, TH_ACK, 1, at(n), NULL, 0);
	c->blocks = 0;
}

static void sack(struct conn *c, uint32_t n, uint32_t a, uint32_t e)
{
	sack2(c, n, a, e, 0, 0);
}

/* comes() - Just segments [a, e) are sent to the guest now */
static bool comes(const struct conn *c, uint32_t a, uint32_t e)
{
	const struct seg *s = &rig()->got;

	for (; a < e; a++) {
		if (!fake_pending())
			rig_turn(0);
		if (!fake_pending() || !rig_pop() || s->len != M ||
		    s->seq != c->irs + at(a) || !s->sum_ok ||
		    !is_pattern(s->data, at(a) - 1, M)) {
			printf("# segment %u: got %i len %zu\n", a,
			       (int)(s->seq - c->irs - 1), s->len);
			return false;
		}
	}
	return rig_quiet();
}

/* opened() - A connection with a round trip of 1 ms, and @n segments on their
 * way */
static void opened(struct conn *c, const char *name, bool with_sack, uint32_t n)
{
	static in_port_t port = 30000;
	union flow *f;

	group(name);
	rig_reset();
	conn_init(c, port++);
	c->ws = 7;
	c->mss = M;
	c->sack = with_sack;
	c->win = WIN >> 7;
	EXPECT(conn_open(c, port & 1 ? 0 : 0xfffffff0U - at(n / 2)));
	f = rig_flow(c);
	EXPECT_EQ(!!(f->tcp.flags & TF_SACK), with_sack);
	f->tcp.srtt = 1000;
	f->tcp.rttvar = 500;
	guest_send(c, TH_ACK, 1, 1, NULL, 0);	/* the window, scaled */
	EXPECT(host_write(c, data, n * M));
	EXPECT(comes(c, 0, n));
}

/* over() - All has arrived; nothing more is sent, and the guest resets */
static void over(struct conn *c, uint32_t n)
{
	ack(c, n);
	EXPECT(!(rig_flow(c)->tcp.flags & TF_RECOVER));
	EXPECT_EQ(sack_used(), 0);
	rig_advance(10 * SEC);
	EXPECT_QUIET();
	guest_send(c, TH_RST | TH_ACK, 1, at(n), NULL, 0);
	EXPECT_EQ(host_read(c, buf, sizeof(buf)), -ECONNRESET);
	conn_close(c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();
}

/* more() - The host has segments [a, e) for the guest */
static void more(struct conn *c, uint32_t a, uint32_t e)
{
	EXPECT(host_write(c, data + at(a) - 1, (e - a) * M));
	EXPECT(comes(c, a, e));
}

static void test_holes(void)
{
	struct conn c;

	opened(&c, "one segment lost", true, 10);
	sack(&c, 2, 3, 4);
	EXPECT(comes(&c, 2, 3));
	sack(&c, 2, 3, 6);
	sack(&c, 2, 3, 10);
	EXPECT_QUIET();
	over(&c, 10);

	opened(&c, "several holes", true, 12);
	sack(&c, 0, 2, 3);
	EXPECT(comes(&c, 0, 2));
	sack(&c, 0, 2, 4);
	EXPECT_QUIET();
	sack2(&c, 0, 9, 10, 5, 8);
	EXPECT_EQ(rig_pop() && rig()->got.seq == c.irs + at(4), 1);
	EXPECT(comes(&c, 8, 9));
	ack(&c, 4);				/* the first one is closed */
	EXPECT_QUIET();
	sack(&c, 8, 9, 10);
	EXPECT_QUIET();
	sack(&c, 10, 11, 12);
	EXPECT(comes(&c, 10, 11));
	over(&c, 12);

	opened(&c, "new data goes on meanwhile", true, 10);
	sack(&c, 0, 1, 10);
	EXPECT(comes(&c, 0, 1));
	more(&c, 10, 20);
	sack(&c, 10, 11, 20);			/* all in order, but one more */
	EXPECT(comes(&c, 10, 11));
	over(&c, 20);

	opened(&c, "a window that is full is no reason not to fill", true, 64);
	EXPECT(host_write(&c, data + 64 * M, 20 * M));
	rig_turn(0);
	while (fake_pending())
		rig_pop();
	sack(&c, 0, 1, 60);
	EXPECT(comes(&c, 0, 1));
	guest_send(&c, TH_RST | TH_ACK, 1, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

static void test_lost_again(void)
{
	struct conn c;

	opened(&c, "what was sent again is lost: later new data tells", true, 10);
	sack(&c, 4, 5, 10);
	EXPECT(comes(&c, 4, 5));
	more(&c, 10, 12);
	sack(&c, 4, 5, 11);
	EXPECT(comes(&c, 4, 5));
	sack(&c, 4, 5, 12);			/* sent before the last try */
	EXPECT_QUIET();
	more(&c, 12, 13);
	sack(&c, 4, 5, 13);
	EXPECT(comes(&c, 4, 5));
	over(&c, 13);

	opened(&c, "... a later repetition tells", true, 10);
	sack(&c, 0, 1, 2);
	EXPECT(comes(&c, 0, 1));
	sack2(&c, 0, 3, 10, 1, 2);
	EXPECT(comes(&c, 2, 3));
	sack(&c, 0, 1, 10);
	EXPECT(comes(&c, 0, 1));
	over(&c, 10);

	opened(&c, "... the end of the same hole tells", true, 10);
	sack(&c, 0, 4, 10);
	EXPECT(comes(&c, 0, 4));
	sack(&c, 0, 3, 10);
	EXPECT(comes(&c, 0, 3));
	over(&c, 10);

	opened(&c, "... nothing tells but time", true, 10);
	sack(&c, 4, 5, 10);
	EXPECT(comes(&c, 4, 5));
	rig_advance(8 * MSEC);
	EXPECT_QUIET();
	rig_advance(4 * MSEC);
	EXPECT(comes(&c, 4, 5));
	rig_advance(190 * MSEC);
	EXPECT_QUIET();
	rig_advance(20 * MSEC);
	EXPECT(comes(&c, 4, 5));
	over(&c, 10);
}

/* sent_again() - Segments [@from, ...) come: where they end */
static uint32_t sent_again(struct conn *c, uint32_t from)
{
	do {
		while (fake_pending() && rig_pop())
			from += EXPECT_EQ(rig()->got.seq, c->irs + at(from));
	} while (!rig_quiet());
	return from;
}

/* What looks like an answer may be of what was on its way: the next
 * acknowledgement tells, before all of a large window goes again */
static void test_late(void)
{
	const uint32_t n = 900;
	struct conn c;
	uint32_t e;
	int lost;

	for (lost = 0; lost < 2; lost++) {
		opened(&c, lost ? "... or lost" : "a large window, late", true, 10);
		c.win = 1U << 13;
		guest_send(&c, TH_ACK, 1, 1, NULL, 0);
		EXPECT(host_write(&c, data + 10 * M, (n - 10) * M));
		EXPECT_EQ(sent_again(&c, 10), n);
		rig_advance(65 * MSEC);
		EXPECT(comes(&c, 0, 1));
		ack(&c, 1);
		e = sent_again(&c, 1);
		EXPECT(e > 10 && e < 300);
		ack(&c, lost ? e : e + 1);
		if (lost)
			EXPECT_EQ(sent_again(&c, e), n);
		EXPECT_QUIET();
		over(&c, n);
	}
}

static void test_tail(void)
{
	struct conn c;

	opened(&c, "a hole, its repetition, and the last ones", true, 10);
	sack(&c, 0, 1, 5);
	EXPECT(comes(&c, 0, 1));
	rig_advance(12 * MSEC);
	EXPECT(comes(&c, 0, 1));
	ack(&c, 5);
	EXPECT(comes(&c, 5, 10));
	over(&c, 10);

	opened(&c, "... which were only late", true, 10);
	sack(&c, 0, 1, 5);
	EXPECT(comes(&c, 0, 1));
	rig_advance(12 * MSEC);
	EXPECT(comes(&c, 0, 1));
	sack(&c, 0, 1, 8);
	ack(&c, 8);
	EXPECT_QUIET();
	over(&c, 10);

	opened(&c, "... of several holes, not all of which are filled", true, 10);
	sack2(&c, 0, 2, 3, 4, 5);
	EXPECT_EQ(rig_pop() && rig()->got.seq == c.irs + at(0), 1);
	EXPECT_EQ(rig_pop() && rig()->got.seq == c.irs + at(1), 1);
	EXPECT(comes(&c, 3, 4));
	rig_advance(12 * MSEC);
	EXPECT_EQ(rig_pop() && rig()->got.seq == c.irs + at(0), 1);
	EXPECT_EQ(rig_pop() && rig()->got.seq == c.irs + at(1), 1);
	EXPECT(comes(&c, 3, 4));
	sack(&c, 0, 1, 3);
	EXPECT(comes(&c, 0, 1));		/* sent before 1: lost again */
	sack(&c, 0, 1, 5);
	EXPECT_QUIET();
	ack(&c, 5);
	EXPECT(comes(&c, 5, 10));
	over(&c, 10);

	opened(&c, "the last one lost", true, 5);
	ack(&c, 4);
	rig_advance(55 * MSEC);
	EXPECT_QUIET();
	rig_advance(10 * MSEC);
	EXPECT(comes(&c, 4, 5));
	over(&c, 5);

	opened(&c, "all lost: one asks, then the others follow", true, 20);
	rig_advance(65 * MSEC);
	EXPECT(comes(&c, 0, 1));
	rig_advance(10 * MSEC);
	EXPECT_QUIET();
	ack(&c, 1);
	EXPECT(comes(&c, 1, 20));
	over(&c, 20);

	opened(&c, "... all late: its answer is not the first one", true, 20);
	rig_advance(65 * MSEC);
	EXPECT(comes(&c, 0, 1));
	ack(&c, 3);
	EXPECT_QUIET();
	rig_advance(65 * MSEC);			/* but the rest of them is lost */
	EXPECT(comes(&c, 3, 4));
	ack(&c, 4);
	EXPECT(comes(&c, 4, 20));
	over(&c, 20);

	test_late();

	opened(&c, "the last ones lost, but not the very last", true, 20);
	ack(&c, 10);
	rig_advance(65 * MSEC);
	EXPECT(comes(&c, 10, 11));
	sack(&c, 11, 19, 20);
	EXPECT(comes(&c, 11, 19));
	sack(&c, 11, 12, 20);			/* one of them again */
	EXPECT(comes(&c, 11, 12));
	over(&c, 20);

	opened(&c, "the question was lost as well", true, 5);
	rig_advance(65 * MSEC);
	EXPECT(comes(&c, 0, 1));
	rig_advance(190 * MSEC);
	EXPECT_QUIET();
	rig_advance(20 * MSEC);
	EXPECT(comes(&c, 0, 1));
	ack(&c, 1);
	EXPECT(comes(&c, 1, 5));
	over(&c, 5);
}

static void test_lies(void)
{
	struct conn c;
	unsigned i;

	opened(&c, "D-SACK: news of the past", true, 10);
	ack(&c, 5);
	sack(&c, 5, 2, 3);
	EXPECT_QUIET();
	sack2(&c, 5, 1, 2, 6, 10);		/* together with a hole */
	EXPECT(comes(&c, 5, 6));
	sack2(&c, 5, 7, 8, 6, 10);		/* within the other block */
	EXPECT_QUIET();
	over(&c, 10);

	opened(&c, "blocks that cannot be", true, 10);
	sack(&c, 5, 9, 11);			/* never sent */
	sack(&c, 5, 8, 7);
	sack(&c, 5, 8, 8);
	sack(&c, 5, 5, 8);			/* no gap before it */
	sack(&c, 5, 6, 6 + 3000000);
	sack(&c, 5, 2, 7);
	EXPECT_QUIET();
	EXPECT_EQ(sack_used(), 0);
	over(&c, 10);

	opened(&c, "a guest that tells more and more", true, 60);
	for (i = 0; i < 1000; i++)
		sack2(&c, 0, 1 + i % 57, 2 + i % 57, 1 + i * 7 % 58,
		      2 + i * 7 % 58);
	EXPECT(sack_used() <= SACK_PER_FLOW);
	while (fake_pending())
		rig_pop();
	over(&c, 60);

	opened(&c, "one that takes it back", true, 10);
	sack(&c, 2, 4, 10);
	EXPECT(comes(&c, 2, 4));
	rig_advance(12 * MSEC);
	EXPECT(comes(&c, 2, 4));
	for (i = 1; i < 3; i++) {
		rig_advance((200 * MSEC) << i);
		while (fake_pending())
			rig_pop();
	}
	rig_advance(2 * SEC);
	EXPECT(comes(&c, 2, 3));
	ack(&c, 3);
	EXPECT(comes(&c, 3, 10));		/* also what it had once */
	over(&c, 10);

	opened(&c, "... as a cumulative acknowledgement shows", true, 10);
	sack(&c, 2, 4, 10);
	EXPECT(comes(&c, 2, 4));
	ack(&c, 5);				/* and no more of 5 to 10 */
	rig_advance(3 * SEC);
	while (fake_pending())
		rig_pop();
	rig_advance(10 * SEC);
	EXPECT(fake_pending());
	while (fake_pending())
		rig_pop();
	over(&c, 10);
}

/* A guest can make each byte a hole, and open all of them with one frame: what
 * that is answered with has to be bounded */
static void test_tiny_holes(void)
{
	struct conn c;
	uint32_t i;
	unsigned n;

	opened(&c, "many tiny holes", true, 10);
	for (i = 0; i < 240; i += 4) {
		unsigned k;

		c.blocks = 4;
		for (k = 0; k < 4; k++) {
			c.block[k].start = 3 + 4 * (i + k);
			c.block[k].end = c.block[k].start + 2;
		}
		guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	}
	while (!rig_quiet())
		rig_pop();
	for (i = 1; i < 10; i++) {
		/* Lost again, all of them, as what was sent later has come */
		more(&c, 9 + i, 10 + i);
		c.blocks = 1;
		c.block[0].start = at(9 + i);
		c.block[0].end = at(10 + i);
		guest_send(&c, TH_ACK, 1, 1, NULL, 0);
		c.blocks = 0;
		for (n = 0; !rig_quiet(); n++)
			rig_pop();
		EXPECT(n > 0 && n <= 33);
	}

	group("... are filled nevertheless");
	for (n = 0; n < 300 && rig_flow(&c)->tcp.flags & TF_RECOVER; n++) {
		uint32_t una = rig_flow(&c)->tcp.snd_una - c.irs;

		guest_send(&c, TH_ACK, 1, MIN(una + 4, at(19)), NULL, 0);
		while (!rig_quiet())
			rig_pop();
	}
	over(&c, 19);
}

static void test_old_guest(void)
{
	struct conn c;

	opened(&c, "a guest without selective acknowledgements", false, 10);
	ack(&c, 2);
	EXPECT_QUIET();
	ack(&c, 2);
	EXPECT(comes(&c, 2, 3));
	ack(&c, 2);
	EXPECT_QUIET();
	ack(&c, 6);				/* partial: the next hole */
	EXPECT(comes(&c, 6, 7));
	ack(&c, 8);
	EXPECT(comes(&c, 8, 9));
	over(&c, 10);

	opened(&c, "... whose blocks do not count", false, 10);
	sack(&c, 2, 3, 4);
	EXPECT_QUIET();
	EXPECT_EQ(sack_used(), 0);
	over(&c, 10);

	opened(&c, "... with all lost", false, 5);
	rig_advance(190 * MSEC);
	EXPECT_QUIET();
	rig_advance(20 * MSEC);
	EXPECT(comes(&c, 0, 1));
	ack(&c, 1);
	EXPECT(comes(&c, 1, 2));
	ack(&c, 2);
	EXPECT(comes(&c, 2, 3));
	over(&c, 5);
}

static void test_end(void)
{
	struct conn c;

	opened(&c, "the end of data lost", true, 3);
	ack(&c, 3);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, at(3), 1, 0);
	rig_advance(65 * MSEC);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, at(3), 1, 0);
	rig_advance(190 * MSEC);
	EXPECT_QUIET();
	rig_advance(20 * MSEC);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, at(3), 1, 0);
	guest_send(&c, TH_ACK, 1, at(3) + 1, NULL, 0);
	guest_send(&c, TH_RST | TH_ACK, 1, at(3) + 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	opened(&c, "the last data, and the end that it carried", true, 3);
	EXPECT(host_write(&c, data + 3 * M, 2 * M));
	shutdown(c.host, SHUT_WR);
	rig_turn(10);
	while (fake_pending())
		rig_pop();
	ack(&c, 3);
	rig_advance(65 * MSEC);
	EXPECT(comes(&c, 3, 4));
	ack(&c, 4);
	EXPECT_SEG(&c, TH_ACK, at(4), 1, M);
	if (!(rig()->got.flags & TH_FIN))
		EXPECT_SEG(&c, TH_FIN | TH_ACK, at(5), 1, 0);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, at(5) + 1, NULL, 0);
	EXPECT_QUIET();
	guest_send(&c, TH_RST | TH_ACK, 1, at(5) + 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	opened(&c, "the end arrives, what was before it does not", true, 3);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, at(3), 1, 0);
	c.blocks = 1;
	c.block[0].start = at(2);
	c.block[0].end = at(3) + 1;
	guest_send(&c, TH_ACK, 1, at(1), NULL, 0);
	EXPECT(comes(&c, 1, 2));
	c.blocks = 0;
	guest_send(&c, TH_ACK, 1, at(3) + 1, NULL, 0);
	EXPECT_QUIET();
	guest_send(&c, TH_RST | TH_ACK, 1, at(3) + 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

static void test_window(void)
{
	struct conn c;
	unsigned i;

	opened(&c, "the window closes while there are holes", true, 10);
	sack(&c, 2, 3, 5);
	EXPECT(comes(&c, 2, 3));
	c.win = 0;
	sack(&c, 2, 3, 6);
	while (fake_pending())
		rig_pop();
	for (i = 0; i < 5; i++) {		/* probes, no data */
		rig_advance(121 * SEC);
		EXPECT_SEG(&c, TH_ACK, at(2) - 1, 1, 0);
		EXPECT_QUIET();
		sack(&c, 2, 3, 6);
	}
	c.win = WIN >> 7;
	sack(&c, 2, 3, 6);			/* open: at once */
	EXPECT(comes(&c, 2, 3));
	sack(&c, 6, 8, 10);
	EXPECT(comes(&c, 6, 8));
	over(&c, 10);
}

static void test_tries(void)
{
	uint64_t wait = 200 * MSEC;
	struct conn c;
	unsigned i;

	opened(&c, "back-off, and the limit of tries", true, 3);
	rig_advance(55 * MSEC);
	EXPECT_QUIET();
	rig_advance(10 * MSEC);
	EXPECT(comes(&c, 0, 1));
	rig()->now -= 5 * MSEC;
	for (i = 0; i < 6; i++, wait *= 2) {
		rig_advance(wait - 10 * MSEC);
		EXPECT_QUIET();
		rig_advance(15 * MSEC);
		EXPECT(comes(&c, 0, 1));
		rig()->now -= 5 * MSEC;
	}
	for (; i < 14; i++) {
		rig_advance(121 * SEC);
		EXPECT(comes(&c, 0, 1));
	}
	rig_advance(121 * SEC);
	EXPECT_SEG(&c, TH_RST | TH_ACK, at(3), 1, 0);
	EXPECT_EQ(host_read(&c, buf, 1), -ECONNRESET);
	conn_close(&c, false);
	EXPECT_QUIET();
	EXPECT_CLEAN();

	opened(&c, "any progress starts the count anew", true, 40);
	for (i = 0; i < 40; i++) {
		rig_advance(121 * SEC);
		EXPECT(fake_pending());
		while (fake_pending())
			rig_pop();
		ack(&c, i + 1);
		while (fake_pending())
			rig_pop();
	}
	over(&c, 40);
}

/* What the guest hears of what it sent */
static bool told(const struct conn *c, uint32_t nxt, unsigned blocks)
{
	const char *why = rig_expect(c, TH_ACK, 1, nxt, 0);

	if (why)
		printf("# %s\n", why);
	return !why && rig()->got.blocks == blocks;
}

static bool block_is(const struct conn *c, unsigned i, uint32_t from,
		     uint32_t to)
{
	return rig()->got.block[i].start == c->iss + from &&
	       rig()->got.block[i].end == c->iss + to;
}

static void from_guest(const struct conn *c, uint32_t n, uint8_t flags)
{
	guest_segment(c, TH_ACK | flags, at(n), 1, data + at(n) - 1, M);
}

static void test_guest_loses(void)
{
	struct conn c;
	unsigned i;

	opened(&c, "what comes beyond a gap is told", true, 0);
	from_guest(&c, 1, 0);
	guest_go();
	EXPECT(told(&c, 1, 1) && block_is(&c, 0, at(1), at(2)));
	EXPECT_QUIET();
	from_guest(&c, 2, 0);
	from_guest(&c, 3, 0);
	guest_go();
	EXPECT(told(&c, 1, 1) && block_is(&c, 0, at(1), at(4)));
	EXPECT_QUIET();

	group("many gaps in one run: as many as it takes");
	for (i = 0; i < 9; i++)
		from_guest(&c, 5 + 2 * i, 0);
	guest_go();
	EXPECT(told(&c, 1, 4) && block_is(&c, 0, at(21), at(22)));
	EXPECT(told(&c, 1, 4) && told(&c, 1, 4));
	EXPECT_QUIET();

	group("... and filled");
	for (i = 0; i < 10; i++)
		from_guest(&c, i ? 2 + 2 * i : 0, 0);
	guest_go();
	while (fake_pending())
		EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.ack, c.iss + at(22));
	EXPECT_EQ(rig()->got.blocks, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 22 * M);
	EXPECT(is_pattern(buf, 0, 22 * M));

	group("an acknowledgement that was lost is repeated, with what came twice");
	from_guest(&c, 21, 0);
	guest_go();
	EXPECT(told(&c, at(22), 1) && block_is(&c, 0, at(21), at(22)));
	EXPECT_QUIET();
	guest_segment(&c, TH_ACK, at(20) + 5, 1, data, 2 * M);
	guest_go();
	EXPECT(told(&c, at(22) + 5, 1) && block_is(&c, 0, at(20) + 5, at(22)));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 5);
	guest_segment(&c, TH_ACK, at(22) + 5, 1, data + at(22) + 4, M - 5);
	guest_go();
	EXPECT(told(&c, at(23), 0));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), M - 5);

	group("... beyond a gap as well, before the block that it is in");
	from_guest(&c, 25, 0);
	from_guest(&c, 26, 0);
	guest_go();
	EXPECT(told(&c, at(23), 1));
	from_guest(&c, 25, 0);
	guest_go();
	EXPECT(told(&c, at(23), 2) && block_is(&c, 0, at(25), at(26)) &&
	       block_is(&c, 1, at(25), at(27)));
	from_guest(&c, 23, 0);
	from_guest(&c, 24, 0);
	guest_go();
	EXPECT(told(&c, at(27), 0));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 4 * M);
	EXPECT_QUIET();

	group("an end beyond a gap");
	from_guest(&c, 28, TH_FIN);
	guest_go();
	EXPECT(told(&c, at(27), 1));
	EXPECT_EQ(host_read(&c, buf, 1), -EAGAIN);
	from_guest(&c, 27, 0);
	guest_go();
	EXPECT(told(&c, at(29) + 1, 0));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 2 * M);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	guest_send(&c, TH_RST | TH_ACK, at(29) + 1, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	opened(&c, "what came twice is not told on data, which has no room", true, 0);
	c.win = 0;
	guest_send(&c, TH_ACK, 1, 1, data, M);
	EXPECT(told(&c, at(1), 0));
	EXPECT(host_write(&c, data, 10));
	rig_turn(20);
	EXPECT_QUIET();
	c.win = WIN >> 7;
	from_guest(&c, 0, 0);
	guest_go();
	EXPECT(told(&c, at(1), 1) && block_is(&c, 0, 1, at(1)));
	EXPECT_SEG(&c, TH_ACK, 1, at(1), 10);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), M);
	guest_send(&c, TH_RST | TH_ACK, at(1), 11, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	opened(&c, "a guest that cannot be told", false, 0);
	from_guest(&c, 1, 0);
	guest_go();
	EXPECT(told(&c, 1, 0));
	from_guest(&c, 0, 0);
	guest_go();
	EXPECT(told(&c, at(2), 0));
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 2 * M);
	guest_send(&c, TH_RST | TH_ACK, at(2), 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

/* Who offers what */
static void test_offers(void)
{
	struct conn c;
	int i;

	for (i = 0; i < 2; i++) {
		group(i ? "offered, answered" : "not offered, not answered");
		rig_reset();
		conn_init(&c, (in_port_t)(29000 + i));
		c.sack = i;
		guest_send(&c, TH_SYN, 0, 0, NULL, 0);
		EXPECT(rig_pop());
		EXPECT_EQ(rig()->got.sack, i);
		guest_send(&c, TH_RST | TH_ACK, 1, 0, NULL, 0);
		rig_turn(0);
		while (fake_pending())
			rig_pop();
		rig_reset();
		conn_init(&c, (in_port_t)(29010 + i));
		c.sack = i;
		EXPECT(conn_inbound(&c));
		EXPECT(rig()->got.sack);
		EXPECT(conn_answer(&c));
		EXPECT_EQ(!!(rig_flow(&c)->tcp.flags & TF_SACK), i);
		guest_send(&c, TH_RST | TH_ACK, 1, 1, NULL, 0);
		conn_close(&c, false);
		EXPECT_CLEAN();
	}
}

/* The opening tells the round trip, so that a loss right behind it does not
 * take a second */
static void test_first(void)
{
	struct conn c;

	group("the round trip of our SYN");
	rig_reset();
	conn_init(&c, RIG_FWD);
	c.sack = true;
	EXPECT(conn_inbound(&c));
	rig_advance(5 * MSEC);
	EXPECT(conn_answer(&c));
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 5000);
	EXPECT(host_write(&c, data, M));
	EXPECT(comes(&c, 0, 1));
	rig_advance(55 * MSEC);
	EXPECT_QUIET();
	rig_advance(10 * MSEC);
	EXPECT(comes(&c, 0, 1));
	guest_send(&c, TH_RST | TH_ACK, 1, at(1), NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	group("... and if it was sent twice");
	rig_reset();
	conn_init(&c, RIG_FWD);
	EXPECT(conn_inbound(&c));
	rig_advance(SEC + 5 * MSEC);
	EXPECT_SEG(&c, TH_SYN, 0, 0, 0);
	EXPECT(conn_answer(&c));
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 0);
	guest_send(&c, TH_RST | TH_ACK, 1, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();

	group("... and of our answer");
	rig_reset();
	conn_init(&c, 28000);
	guest_send(&c, TH_SYN, 0, 0, NULL, 0);
	EXPECT(rig_pop());
	c.irs = rig()->got.seq;
	rig_advance(7 * MSEC);
	guest_send(&c, TH_ACK, 1, 1, NULL, 0);
	EXPECT_EQ(rig_flow(&c)->tcp.srtt, 7000);
	EXPECT(conn_accept(&c));
	guest_send(&c, TH_RST | TH_ACK, 1, 1, NULL, 0);
	conn_close(&c, false);
	EXPECT_CLEAN();
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	test_holes();
	test_lost_again();
	test_tail();
	test_lies();
	test_tiny_holes();
	test_old_guest();
	test_end();
	test_window();
	test_tries();
	test_guest_loses();
	test_offers();
	test_first();
	listen_close_all();
	return done();
}
