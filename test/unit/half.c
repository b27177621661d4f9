// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of half.c: who is ended when descriptors run out, or the table is
 * full, in which order, and who is not
 *
 * Flows are made by hand, with pipes for sockets: the other end tells whether
 * it has been closed. They have the reading ends, which are never writable, as
 * sockets are that wait for an answer.
 */
#include "half.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "siphash.h"
#include "store.h"
#include "tcp_flow.h"
#include "util.h"

#define N	30

static struct fwd_conf conf;
static struct guest facts;
static union flow *flow[N];
static int other[N];
static unsigned n;

static void begin(const char *name)
{
	unsigned i;

	group(name);
	for (i = 0; i < n; i++)
		close(other[i]);
	n = 0;
	clock_set(1000 * SEC);
	timer_reset();
	flow_init();
}

static union flow *opened(uint8_t proto, uint32_t peer)
{
	struct in_addr a = { htonl(0xc0000202) }, b = { htonl(0x64000000 + peer) };
	struct side s = { .pif = PIF_GUEST };
	enum fwd_verdict v;

	s.peer = addr_from4(a);
	s.ours = addr_from4(b);
	s.peer_port = 1000;
	s.ours_port = 80;
	return flow_open(proto, &s, 80, &v);
}

/* add() - A flow of @type, and its socket: of datagrams that of the guest's */
static union flow *add(enum flow_type type, uint8_t state)
{
	union flow *f = opened(IPPROTO_TCP, n);
	int fds[2];

	if (!f || pipe(fds))
		abort();
	if (type == FLOW_TCP) {
		f->tcp.sock = fds[0];
		f->tcp.state = state;
	} else if (type == FLOW_SPLICE) {
		f->splice.sock[0] = fds[0];
		f->splice.sock[1] = dup(fds[0]);
	} else if (type == FLOW_UDP) {
		f->udp.sock[0] = -1;
		f->udp.sock[1] = fds[0];
		f->udp.used = (uint32_t)(clock_now() / MSEC);
		f->udp.seen[0] = 1;
		f->udp.waits = true;
	} else {
		f->icmp.sock = fds[0];
	}
	flow_commit(f, type, 1);
	timer_set(&f->h.timer, TM_TCP, SEC);
	flow[n] = f;
	other[n++] = fds[1];
	if (type == FLOW_UDP)
		flow_list(f, FLOW_UDP_OUT);
	else
		half_enter(f);
	return f;
}

/* lives() - Both the flow and its sockets, or neither */
static bool lives(unsigned i)
{
	struct pollfd p = { .fd = other[i], .events = POLLIN };
	bool open = poll(&p, 1, 0) == 0;

	EXPECT_EQ(open, flow[i]->h.type != FLOW_CLOSED);
	return open;
}

/* living() - How many, all of them behind those that were ended */
static unsigned living(void)
{
	unsigned i, first = 0;

	while (first < n && !lives(first))
		first++;
	for (i = first; i < n; i++)
		EXPECT(lives(i));
	return n - first;
}

static void test_order(void)
{
	static const enum flow_type type[] = {
		FLOW_TCP, FLOW_PING, FLOW_SPLICE,
	};
	unsigned i;

	begin("the oldest first");
	for (i = 0; i < N; i++)
		add(type[i % 3], TS_CONNECTING);
	EXPECT(half_retry(EMFILE));
	EXPECT_EQ(living(), N - 8);
	EXPECT(half_retry(ENOBUFS));
	EXPECT_EQ(living(), N - 16);
	EXPECT(!half_retry(ECONNREFUSED));
	EXPECT(!half_retry(EADDRNOTAVAIL));
	EXPECT(!half_retry(EAGAIN));
	EXPECT_EQ(living(), N - 16);
	EXPECT(half_retry(ENFILE));
	EXPECT_EQ(living(), N - 23);		/* the newer half stays */
	EXPECT(half_retry(ENOMEM));
	EXPECT_EQ(living(), N - 27);
	while (half_retry(EMFILE))
		;
	EXPECT_EQ(living(), 0);
	/* Nothing more to be had: no reason to try */
	EXPECT(!half_retry(EMFILE));
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(timer_count(), 0);
}

static void test_agreed(void)
{
	unsigned i;

	begin("those to whom one end has agreed last, whole ones never");
	for (i = 0; i < N; i++)
		add(FLOW_TCP, TS_CONNECTING);
	for (i = 0; i < 10; i++) {
		flow[i]->tcp.state = i % 2 ? TS_SYN_RCVD : TS_SYN_SENT;
		half_enter(flow[i]);
	}
	for (i = 0; i < 5; i++) {
		flow[i]->tcp.state = TS_OPEN;
		half_answered(flow[i]);
	}
	for (i = 0; i < 3; i++)
		EXPECT(half_retry(EMFILE));
	EXPECT_EQ(flow_listed(FLOW_HALF), 3);
	EXPECT_EQ(flow_listed(FLOW_HALF_MORE), 5);

	group("... unless they are more, and then not the newest");
	EXPECT(half_retry(EMFILE));
	for (i = 0; i < N; i++)
		EXPECT_EQ(lives(i), i < 5 || i == 8 || i == 9 || i >= N - 3);
	while (half_retry(EMFILE))
		;
	for (i = 0; i < N; i++)
		EXPECT_EQ(lives(i), i < 5);

	begin("... on the loopback bypass, both ends at once");
	for (i = 0; i < N; i++)
		add(FLOW_SPLICE, 0);
	for (i = 0; i < 5; i++)
		half_answered(flow[i]);
	while (half_retry(EMFILE))
		;
	for (i = 0; i < N; i++)
		EXPECT_EQ(lives(i), i < 5);
}

/* Their connect() has come to its end, but not yet its event */
static void test_unheard(void)
{
	unsigned i;

	begin("answered in this turn");
	for (i = 0; i < 10; i++) {
		add(i % 2 ? FLOW_SPLICE : FLOW_TCP, TS_CONNECTING);
		if (i < 4)
			dup2(other[i], i % 2 ? flow[i]->splice.sock[1] :
			     flow[i]->tcp.sock);
	}
	EXPECT(half_retry(EMFILE));
	EXPECT(half_retry(EMFILE));
	EXPECT(!half_retry(EMFILE));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(flow[i]->h.type != FLOW_CLOSED, i < 4);
	for (i = 0; i < 4; i++)
		close(i % 2 ? flow[i]->splice.sock[1] : flow[i]->tcp.sock);
}

/* host_client() - A flow of a client of a forwarded port: it has no socket */
static union flow *host_client(uint32_t i)
{
	union flow *f = opened(IPPROTO_UDP, i);

	if (!f)
		abort();
	f->udp.sock[0] = f->udp.sock[1] = -1;
	f->udp.used = (uint32_t)(clock_now() / MSEC);
	flow_commit(f, FLOW_UDP, 3);
	half_enter(f);
	return f;
}

static void test_datagrams(void)
{
	unsigned i;

	begin("what has no descriptor does not go for one");
	for (i = 0; i < 5; i++)
		host_client(i);
	EXPECT(!half_retry(EMFILE));
	EXPECT(!half_retry(ENOMEM));
	EXPECT_EQ(flow_listed(FLOW_HALF_SLOT), 5);

	begin("what is in store goes first");
	for (i = 0; i < 10; i++)
		add(i % 2 ? FLOW_TCP : FLOW_UDP, TS_CONNECTING);
	flow[4]->udp.waits = false;		/* answered */
	store_prepare();
	EXPECT(half_retry(EMFILE));
	EXPECT_EQ(living(), 10);
	EXPECT(!store_release());

	group("... then datagrams that were answered, and those long ago");
	flow[6]->udp.seen[0] = flow[6]->udp.seen[1] = 3;
	flow[8]->udp.seen[0] = 0;		/* has just been opened */
	flow[8]->udp.waits = false;
	EXPECT(half_retry(EMFILE));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(lives(i), i != 4);
	clock_set(clock_now() + 30 * SEC);
	EXPECT(half_retry(EMFILE));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(lives(i), i != 4 && i != 6);

	group("... then the longer line of those without an answer");
	EXPECT_EQ(flow_listed(FLOW_UDP_OUT), 3);
	EXPECT(half_retry(EMFILE));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(lives(i), i == 7 || i == 9 ||
			  (!(i % 2) && i != 4 && i != 6));
	EXPECT(half_retry(EMFILE));
	EXPECT(!lives(0) && lives(2) && lives(7));
	EXPECT(half_retry(EMFILE));
	EXPECT(lives(2) && !lives(7) && lives(9));
	EXPECT(half_retry(EMFILE));
	EXPECT(!lives(2) && lives(8) && lives(9));

	group("... but never for another's sake those in use");
	flow[8]->udp.seen[0] = flow[8]->udp.seen[1] = 3;
	flow[8]->udp.used = (uint32_t)(clock_now() / MSEC);
	EXPECT(half_retry(EMFILE));
	EXPECT(lives(8) && !lives(9));
	EXPECT(!half_retry(EMFILE));
	EXPECT(lives(8));
}

static void test_in_use(void)
{
	unsigned i;

	begin("what is used again is the newest");
	for (i = 0; i < 16; i++)
		add(FLOW_PING, 0);
	half_enter(flow[0]);
	EXPECT(half_retry(EMFILE));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(lives(i), !i || i > 8);

	begin("those with work to do are left alone");
	add(FLOW_TCP, TS_SYN_RCVD);
	flow_wake(flow[0]);
	EXPECT(!half_retry(EMFILE));
	half_answered(flow[0]);
	EXPECT_EQ(flow_listed(FLOW_RUN), 1);
}

/* Many hosts send a datagram each, one turn after the other. Some are in use:
 * datagrams went both ways not long ago */
static void test_table(void)
{
	uint32_t i, turn, left, ended = 0;
	union flow *used[20], *f;

	begin("a full table");
	add(FLOW_TCP, TS_CONNECTING);
	for (i = 0; i < 20; i++) {
		used[i] = host_client(i);
		used[i]->udp.seen[0] = used[i]->udp.seen[1] = 1;
		if (i >= 5)		/* else a question and its answer */
			used[i]->udp.seen[i & 1] = 3;
		if (i >= 15)
			used[i]->udp.used -= 30000;
	}
	for (turn = 1; turn <= 150; turn++) {
		for (i = 0; i < 1000; i++)
			f = host_client(turn * 1000 + i);
		left = flow_count();
		if (half_turn()) {
			flow_reap();
			ended += left - flow_count();
		}
		EXPECT(flow_count() <= FLOW_MAX - 4096);
	}
	EXPECT(ended > 0);
	EXPECT_EQ(flow_count() + ended, 150021);
	EXPECT_EQ(flow_count(), FLOW_MAX - 4096);
	EXPECT(!half_turn());
	/* The shorter line is no flood */
	EXPECT(lives(0));
	for (i = 5; i < 15; i++)
		EXPECT(used[i]->h.type == FLOW_UDP &&
		       used[i]->udp.seen[i & 1] == 3);
	EXPECT(f->h.type == FLOW_UDP);

	begin("... full of connections");
	for (i = 0; i < 10; i++)
		used[i] = host_client(i);
	for (i = 0; i < FLOW_MAX - 10; i++) {
		f = opened(IPPROTO_TCP, 1000 + i);
		if (!EXPECT(f))
			return;
		f->tcp.sock = -1;
		f->tcp.state = TS_SYN_SENT;
		flow_commit(f, FLOW_TCP, 1);
		half_enter(f);
	}
	EXPECT(half_turn());
	flow_reap();
	EXPECT_EQ(flow_count(), FLOW_MAX - 4096);
	EXPECT_EQ(flow_listed(FLOW_HALF_SLOT), 10);
}

int main(void)
{
	facts.net[GUEST_V4].on = true;
	facts.net[GUEST_V6].on = true;
	guest_init(&facts);
	fwd_init(&conf);
	siphash_init(3);
	test_order();
	test_agreed();
	test_unheard();
	test_datagrams();
	test_in_use();
	test_table();
	return done();
}
