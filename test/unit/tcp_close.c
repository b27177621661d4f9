// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp.c: the ways a connection ends - either side first, both at
 * once, half of it, by resets in every state, and the same ports again
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

static uint8_t buf[1 << 16], data[1 << 16];

static void opened(struct conn *c, const char *name, uint32_t isn)
{
	static in_port_t port = 30000;

	group(name);
	rig_reset();
	conn_init(c, port++);
	EXPECT(conn_open(c, isn));
}

/* gone() - Nothing is left, and the guest hears that if it asks */
static void gone(struct conn *c)
{
	union flow *f;

	conn_close(c, false);
	EXPECT_QUIET();
	f = rig_flow(c);
	if (f && EXPECT_EQ(f->tcp.state, TS_TIME_WAIT))
		rig_advance(1001 * MSEC);
	EXPECT_CLEAN();
	guest_send(c, TH_ACK, 100, 100, NULL, 0);
	EXPECT_SEG(c, TH_RST, 100, 0, 0);
	EXPECT_CLEAN();
}

static void test_host_first(uint32_t isn)
{
	struct conn c;
	int i;

	opened(&c, "the host ends, FIN on the last data", isn);
	EXPECT(host_write(&c, data, 2000));
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 1460);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1461, 1, 540);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 2002, NULL, 0);
	EXPECT_QUIET();
	EXPECT(rig_flow(&c)->tcp.flags & TF_FIN_ACKED);

	group("... the guest goes on");
	for (i = 0; i < 3; i++) {
		guest_send(&c, TH_ACK, 1 + (unsigned)i * 100, 2002, data, 100);
		EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 100);
		rig_advance(2 * MSEC);
		EXPECT_SEG(&c, TH_ACK, 2002, 101 + (unsigned)i * 100, 0);
	}
	rig_advance(59 * SEC);
	EXPECT_QUIET();
	/* It is asked whether it lives, and does */
	rig_advance(541 * SEC);
	EXPECT_SEG(&c, TH_ACK, 2001, 301, 0);
	guest_send(&c, TH_ACK, 301, 2002, NULL, 0);
	EXPECT_QUIET();

	group("... and ends as well");
	guest_send(&c, TH_FIN | TH_ACK, 301, 2002, data, 50);
	EXPECT_SEG(&c, TH_ACK, 2002, 352, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 50);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);

	group("... not knowing that we know");
	rig_advance(300 * MSEC);
	guest_send(&c, TH_FIN | TH_ACK, 351, 2002, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 2002, 352, 0);
	guest_send(&c, TH_ACK, 352, 2002, NULL, 0);
	EXPECT_QUIET();
	gone(&c);

	opened(&c, "a reset for who waits", isn);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
	guest_send(&c, TH_FIN | TH_ACK, 1, 2, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 2, 2, 0);
	guest_send(&c, TH_RST, 77, 0, NULL, 0);
	EXPECT(rig_flow(&c));
	guest_send(&c, TH_RST, 2, 0, NULL, 0);
	EXPECT(!rig_flow(&c));
	gone(&c);

	opened(&c, "the host ends, FIN alone", isn);
	EXPECT(host_write(&c, data, 100));
	EXPECT_SEG(&c, TH_ACK, 1, 1, 100);
	guest_send(&c, TH_ACK, 1, 101, NULL, 0);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 101, 1, 0);

	group("... and again, with back-off, until it is acknowledged");
	for (i = 0; i < 5; i++) {
		rig_advance(121 * SEC);
		EXPECT_SEG(&c, TH_FIN | TH_ACK, 101, 1, 0);
		EXPECT_QUIET();
	}
	guest_send(&c, TH_FIN | TH_ACK, 1, 102, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 102, 2, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	gone(&c);

	opened(&c, "data and its FIN lost", isn);
	EXPECT(host_write(&c, data, 2000));
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 1460);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1461, 1, 540);
	rig_advance(1001 * MSEC);
	EXPECT_SEG(&c, TH_ACK, 1, 1, 1460);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 1461, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1461, 1, 540);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 2001, NULL, 0);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 2001, 1, 0);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 1, 2002, NULL, 0);
	guest_send(&c, TH_FIN | TH_ACK, 1, 2002, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 2002, 2, 0);
	gone(&c);

	opened(&c, "the FIN is never acknowledged", isn);
	shutdown(c.host, SHUT_WR);
	for (i = 0; i < 16; i++) {
		EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
		rig_advance(121 * SEC);
	}
	EXPECT_SEG(&c, TH_RST | TH_ACK, 2, 1, 0);
	gone(&c);
}

static void test_guest_first(uint32_t isn)
{
	struct conn c;

	opened(&c, "the guest ends", isn);
	guest_send(&c, TH_FIN | TH_ACK, 1, 1, data, 100);
	EXPECT_SEG(&c, TH_ACK, 1, 102, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 100);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	EXPECT_QUIET();

	group("... says so again, and has no more to say");
	guest_send(&c, TH_FIN | TH_ACK, 1, 1, data, 100);
	EXPECT_SEG(&c, TH_ACK, 1, 102, 0);
	guest_send(&c, TH_FIN | TH_ACK, 101, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 1, 102, 0);
	guest_send(&c, TH_ACK, 102, 1, data, 100);
	EXPECT_SEG(&c, TH_ACK, 1, 102, 0);
	EXPECT_QUIET();

	group("... the host goes on");
	EXPECT(host_write(&c, data, 1000));
	EXPECT_SEG(&c, TH_ACK, 1, 102, 1000);
	guest_send(&c, TH_ACK, 102, 1001, NULL, 0);
	EXPECT_QUIET();
	EXPECT(host_write(&c, data, 500));
	conn_close(&c, false);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1001, 102, 500);
	EXPECT_QUIET();
	EXPECT_EQ(flow_count(), 1);
	guest_send(&c, TH_ACK, 102, 1502, NULL, 0);
	gone(&c);

	opened(&c, "both at once", isn);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
	guest_send(&c, TH_FIN | TH_ACK, 1, 1, NULL, 0);
	EXPECT_SEG(&c, TH_ACK, 2, 2, 0);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	EXPECT_QUIET();
	guest_send(&c, TH_ACK, 2, 2, NULL, 0);
	gone(&c);

	opened(&c, "no room for the very last acknowledgement", isn);
	shutdown(c.host, SHUT_WR);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
	fake_knobs()->slots = 0;
	guest_send(&c, TH_FIN | TH_ACK, 1, 2, NULL, 0);
	rig_turn(0);
	fake_knobs()->slots = -1;
	EXPECT_SEG(&c, TH_ACK, 2, 2, 0);
	gone(&c);

	opened(&c, "open, send and end in one run", isn);
	guest_segment(&c, TH_ACK, 1, 1, data, 100);
	guest_segment(&c, TH_ACK, 101, 1, data + 100, 100);
	guest_segment(&c, TH_FIN | TH_ACK, 201, 1, NULL, 0);
	guest_segment(&c, TH_ACK, 202, 1, NULL, 0);
	guest_go();
	EXPECT_SEG(&c, TH_ACK, 1, 202, 0);
	EXPECT_QUIET();
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 200);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 0);
	conn_close(&c, false);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 202, 0);
	guest_send(&c, TH_ACK, 202, 2, NULL, 0);
	gone(&c);

	opened(&c, "a FIN and a reset in one run", isn);
	guest_segment(&c, TH_FIN | TH_ACK, 1, 1, data, 100);
	guest_segment(&c, TH_RST | TH_ACK, 102, 1, NULL, 0);
	guest_go();
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), 100);
	EXPECT_EQ(host_read(&c, buf, sizeof(buf)), -ECONNRESET);
	gone(&c);
}

/* state_of() - Bring a fresh connection to one of several states; the numbers
 * that come next */
static const char *state_of(struct conn *c, int which, uint32_t *seq,
			    uint32_t *ack)
{
	*seq = *ack = 1;
	switch (which) {
	case 0:
		opened(c, "a reset: established", 0);
		break;
	case 1:
		opened(c, "a reset: data in flight and unread", 0);
		EXPECT(host_write(c, data, 1000));
		EXPECT_SEG(c, TH_ACK, 1, 1, 1000);
		*ack = 1001;
		break;
	case 2:
		opened(c, "a reset: the guest has ended", 0);
		guest_send(c, TH_FIN | TH_ACK, 1, 1, NULL, 0);
		EXPECT_SEG(c, TH_ACK, 1, 2, 0);
		*seq = 2;
		break;
	case 3:
		opened(c, "a reset: our FIN is out", 0);
		shutdown(c->host, SHUT_WR);
		EXPECT_SEG(c, TH_FIN | TH_ACK, 1, 1, 0);
		*ack = 2;
		break;
	case 4:
		opened(c, "a reset: our FIN is acknowledged", 0);
		shutdown(c->host, SHUT_WR);
		EXPECT_SEG(c, TH_FIN | TH_ACK, 1, 1, 0);
		guest_send(c, TH_ACK, 1, 2, NULL, 0);
		*ack = 2;
		break;
	case 5:
		opened(c, "a reset: data held", 0);
		rig()->send_max = 10;
		rig()->send_times = 1;
		guest_send(c, TH_ACK, 1, 1, data, 1000);
		rig_advance(2 * MSEC);
		EXPECT_SEG(c, TH_ACK, 1, 1001, 0);
		*seq = 1001;
		break;
	default:
		return NULL;
	}
	return "";
}

static void test_resets(void)
{
	uint32_t seq, ack;
	struct conn c;
	int i;

	/* By the guest */
	for (i = 0; state_of(&c, i, &seq, &ack); i++) {
		int e = 0;
		socklen_t len = sizeof(e);

		guest_send(&c, TH_RST | TH_ACK, seq, ack, NULL, 0);
		usleep(1000);
		getsockopt(c.host, SOL_SOCKET, SO_ERROR, &e, &len);
		/* After its end it is told with the closest there is */
		EXPECT(e == ECONNRESET || (i == 2 && e == EPIPE));
		EXPECT_QUIET();
		gone(&c);
	}
	/* By the host */
	for (i = 0; state_of(&c, i, &seq, &ack); i++) {
		rig()->send_max = -1;
		conn_close(&c, true);
		EXPECT_SEG(&c, TH_RST | TH_ACK, ack, seq, 0);
		EXPECT_QUIET();
		gone(&c);
	}
	/* From above */
	for (i = 0; state_of(&c, i, &seq, &ack); i++) {
		tcp_abort(rig_flow(&c));
		flow_reap();
		EXPECT_SEG(&c, TH_RST | TH_ACK, ack, seq, 0);
		EXPECT_QUIET();
		gone(&c);
	}

	group("the guest sends to a program that is gone");
	rig_reset();
	conn_init(&c, 31000);
	EXPECT(conn_open(&c, 0));
	conn_close(&c, false);
	EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
	guest_send(&c, TH_ACK, 1, 2, data, 100);
	/* Its first data may be acknowledged before the reset comes */
	EXPECT(rig_pop());
	if (!(rig()->got.flags & TH_RST))
		EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_RST | TH_ACK);
	gone(&c);

	group("what a program did not read is not lost on the guest");
	rig_reset();
	conn_init(&c, 31001);
	EXPECT(conn_open(&c, 0));
	guest_send(&c, TH_ACK, 1, 1, data, 100);
	conn_close(&c, false);			/* a reset, by the kernel */
	EXPECT(rig_pop());
	EXPECT_EQ(rig()->got.flags, TH_RST | TH_ACK);
	gone(&c);
}

/* A guest that reuses the ports while we are not done with them */
static void test_ports_again(void)
{
	struct conn c, old;
	int i;

	for (i = 0; i < 2; i++) {
		opened(&c, i ? "the same ports after the guest's FIN" :
			       "the same ports after our FIN", 0);
		if (i) {
			guest_send(&c, TH_FIN | TH_ACK, 1, 1, NULL, 0);
			EXPECT_SEG(&c, TH_ACK, 1, 2, 0);
		} else {
			shutdown(c.host, SHUT_WR);
			EXPECT_SEG(&c, TH_FIN | TH_ACK, 1, 1, 0);
		}
		old = c;
		rig_advance(SEC / 10);
		while (fake_pending())
			rig_pop();
		c.iss += 100000;
		guest_send(&c, TH_SYN, 0, 0, NULL, 0);
		EXPECT(rig_pop());
		EXPECT_EQ(rig()->got.flags, TH_ACK);
		guest_send(&old, TH_RST, i ? 2 : 1, 0, NULL, 0);
		EXPECT_EQ(flow_each(NULL) == NULL, 1);
		usleep(1000);
		conn_close(&old, false);
		flow_reap();
		c.host = -1;
		rig_advance(MSEC);
		EXPECT(conn_open(&c, 0));
		guest_send(&c, TH_RST, 1, 0, NULL, 0);
		gone(&c);
	}
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	test_host_first(0);
	test_host_first(0xffffffffU);
	test_guest_first(0);
	test_guest_first(0xfffffffeU);
	test_resets();
	test_ports_again();
	listen_close_all();
	return done();
}
