// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of flow.c: slots, generations, the hash against a naive twin (a
 * plain array searched from the front), the run list, a full table
 */
#include "flow.h"

#include "check.h"
#include "guest.h"
#include "siphash.h"
#include "util.h"

#define TWINS	3000

static struct guest facts;
static struct fwd_conf conf;
static uint64_t seed = 42;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static struct side side_of(in_port_t port, bool v6)
{
	struct side s;

	memset(&s, 0, sizeof(s));
	s.peer = A(v6 ? "2001:db8::2" : "192.0.2.2");
	s.ours = A(v6 ? "2001:db8:5::1" : "198.51.100.1");
	s.peer_port = port;
	s.ours_port = 80;
	s.pif = PIF_GUEST;
	return s;
}

static union flow *open_one(in_port_t port, bool v6)
{
	struct side s = side_of(port, v6);
	enum fwd_verdict v;

	return flow_open(IPPROTO_TCP, &s, 80, &v);
}

static union flow *find(uint8_t proto, in_port_t port, bool v6)
{
	struct side s = side_of(port, v6);
	unsigned side = 7;
	union flow *f = flow_find(proto, PIF_GUEST, &s.peer, s.peer_port,
				  &s.ours, s.ours_port, &side);

	if (f)
		EXPECT_EQ(side, 0);
	return f;
}

static void start(void)
{
	timer_reset();
	flow_init();
}

static void test_life(void)
{
	union ev_ref ref;
	union flow *f, *g;

	group("one life");
	start();
	f = open_one(1000, false);
	EXPECT(f && f->h.type == FLOW_NEW && f->h.gen);
	EXPECT_EQ(flow_count(), 1);
	EXPECT_EQ(f->h.side[1].pif, PIF_HOST);
	EXPECT_EQ(f->h.side[1].peer_port, 80);
	EXPECT(!find(IPPROTO_TCP, 1000, false));	/* not before commit */
	flow_commit(f, FLOW_TCP, 1);
	EXPECT(find(IPPROTO_TCP, 1000, false) == f);
	EXPECT(!find(IPPROTO_UDP, 1000, false));
	EXPECT(!find(IPPROTO_TCP, 1001, false));
	EXPECT(!find(IPPROTO_TCP, 1000, true));
	flow_commit(f, FLOW_TCP, 1);			/* again: harmless */
	ref = flow_ref(f, EV_TCP, 1);
	EXPECT_EQ(ref.type, EV_TCP);
	EXPECT_EQ(ref.side, 1);
	EXPECT(flow_at(ref) == f);
	EXPECT(flow_of_timer(&f->h.timer) == f);
	timer_set(&f->h.timer, TM_TCP, SEC);
	flow_wake(f);
	EXPECT_EQ(flow_listed(FLOW_RUN), 1);

	group("its end");
	flow_close(f);
	flow_close(f);
	EXPECT(!find(IPPROTO_TCP, 1000, false));
	EXPECT(!flow_at(ref));
	EXPECT_EQ(timer_count(), 0);
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	EXPECT(!flow_take(FLOW_RUN));
	flow_wake(f);
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	EXPECT_EQ(flow_count(), 1);
	g = open_one(1000, false);
	EXPECT(g && g != f);				/* not before the reap */
	flow_close(g);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	EXPECT(!flow_at(ref));
	EXPECT(!flow_each(NULL));

	group("the slot again");
	g = open_one(2000, true);
	flow_commit(g, FLOW_TCP, 1);
	f = open_one(2001, true);
	EXPECT(!flow_at(ref));
	flow_close(f);
	flow_close(g);
	flow_reap();
}

static void test_more(void)
{
	union ev_ref ref = { .gen = 1 };
	unsigned side;
	union flow *f;

	start();
	group("both sides");
	f = open_one(3000, false);
	flow_commit(f, FLOW_UDP, 3);
	EXPECT(flow_find(IPPROTO_TCP, PIF_HOST, &f->h.side[1].peer,
			 f->h.side[1].peer_port, &f->h.side[1].ours,
			 f->h.side[1].ours_port, &side) == f);
	EXPECT_EQ(side, 1);
	flow_close(f);
	flow_reap();

	group("references that lie");
	ref.index = 77777;
	EXPECT(!flow_at(ref));
	ref.index = UINT32_MAX;
	EXPECT(!flow_at(ref));

	group("what may not be");
	{
		struct side s = side_of(1, false);
		enum fwd_verdict v = FWD_OK;

		s.ours = A("127.0.0.1");
		EXPECT(!flow_open(IPPROTO_TCP, &s, 80, &v));
		EXPECT(v == FWD_DROP);
		EXPECT_EQ(flow_count(), 0);
	}

	group("generations: 0 is none");
	for (side = 0; side < 70000; side++) {
		f = open_one(5, false);
		if (!EXPECT(f->h.gen))
			break;
		flow_close(f);
		flow_reap();
	}

	group("a text for messages");
	f = open_one(1000, false);
	EXPECT_STR(flow_str(f), "TCP 192.0.2.2:1000 -> 198.51.100.1:80 "
		   "(to 198.51.100.1:80)");
	flow_close(f);
	flow_reap();
}

static void test_run_list(void)
{
	union flow *f[100];
	unsigned i, n = 0;

	group("the run list");
	start();
	for (i = 0; i < 100; i++)
		f[i] = open_one((in_port_t)(i + 1), false);
	for (i = 0; i < 100; i++)
		flow_wake(f[i]);
	flow_wake(f[50]);
	EXPECT_EQ(flow_listed(FLOW_RUN), 100);
	flow_close(f[0]);
	flow_close(f[99]);
	flow_close(f[33]);
	EXPECT_EQ(flow_listed(FLOW_RUN), 97);
	EXPECT(flow_take(FLOW_RUN) == f[1]);
	flow_wake(f[1]);				/* to the end */
	for (i = 2; i < 99; i++)
		if (i != 33)
			EXPECT(flow_take(FLOW_RUN) == f[i]);
	EXPECT(flow_take(FLOW_RUN) == f[1]);
	EXPECT(!flow_take(FLOW_RUN));
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);

	group("two lists");
	flow_wake(f[10]);
	flow_wake(f[11]);
	flow_list(f[12], FLOW_LATER);
	flow_list(f[10], FLOW_LATER);
	EXPECT_EQ(flow_listed(FLOW_RUN), 1);
	EXPECT_EQ(flow_listed(FLOW_LATER), 2);
	EXPECT(flow_take(FLOW_LATER) == f[12]);
	flow_wake(f[10]);
	EXPECT(!flow_take(FLOW_LATER));
	EXPECT(flow_take(FLOW_RUN) == f[11]);
	EXPECT(flow_take(FLOW_RUN) == f[10]);
	EXPECT(!flow_take(FLOW_RUN));

	group("all of them");
	flow_reap();
	for (f[0] = NULL; (f[0] = flow_each(f[0]));) {
		flow_close(f[0]);
		n++;
	}
	EXPECT_EQ(n, 97);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
}

static void test_twin(void)
{
	static struct { union flow *f; in_port_t port; bool v6; } t[TWINS];
	unsigned step, n = 0, i;

	group("the hash and its twin");
	start();
	for (step = 0; step < 100000; step++) {
		in_port_t port = (in_port_t)(1 + rnd(2000));
		bool v6 = rnd(2);
		union flow *f;

		for (i = 0; i < n; i++)
			if (t[i].port == port && t[i].v6 == v6)
				break;
		f = find(IPPROTO_TCP, port, v6);
		EXPECT(f == (i < n ? t[i].f : NULL));
		if (i < n && (rnd(2) || n > 2500)) {
			flow_close(f);
			t[i] = t[--n];
		} else if (i == n && n < TWINS) {
			f = open_one(port, v6);
			flow_commit(f, FLOW_TCP, 1 | rnd(2) << 1);
			t[n].f = f;
			t[n].port = port;
			t[n++].v6 = v6;
		}
		if (!rnd(10)) {
			flow_reap();
			EXPECT_EQ(flow_count(), n);
		}
	}
	while (n)
		flow_close(t[--n].f);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
}

static void test_full(void)
{
	struct side s = side_of(1, false);
	enum fwd_verdict v;
	unsigned i, bad = 0;
	union flow *f;

	group("a full table");
	start();
	for (i = 0; i < FLOW_MAX; i++) {
		s.peer_port = (in_port_t)(1 + i % 60000);
		s.ours_port = (in_port_t)(1 + i / 60000);
		f = flow_open(IPPROTO_TCP, &s, 80, &v);
		if (!EXPECT(f))
			break;
		/* The other sides are all the same: nobody looks for them */
		flow_commit(f, FLOW_TCP, 1);
	}
	EXPECT_EQ(flow_count(), FLOW_MAX);
	v = FWD_OK;
	EXPECT(!flow_open(IPPROTO_TCP, &s, 80, &v));
	EXPECT(v == FWD_DROP);
	for (i = 0; i < FLOW_MAX; i++) {
		unsigned side;

		s.peer_port = (in_port_t)(1 + i % 60000);
		s.ours_port = (in_port_t)(1 + i / 60000);
		f = flow_find(IPPROTO_TCP, PIF_GUEST, &s.peer, s.peer_port,
			      &s.ours, s.ours_port, &side);
		bad += !f || f->h.side[0].peer_port != s.peer_port;
	}
	EXPECT_EQ(bad, 0);
	for (f = NULL; (f = flow_each(f));)
		flow_close(f);
	flow_reap();
	EXPECT_EQ(flow_count(), 0);
	f = open_one(1, false);
	EXPECT(f);
}

int main(void)
{
	int i;

	siphash_init(1);
	facts.net[GUEST_V4].on = facts.net[GUEST_V6].on = true;
	facts.net[GUEST_V4].addr = A("192.0.2.2");
	facts.net[GUEST_V6].addr = A("2001:db8::2");
	guest_init(&facts);
	for (i = 0; i < 2; i++) {
		conf.net[i].map_host_loopback = conf.net[i].map_guest_addr =
			conf.net[i].dns_forward = conf.net[i].dns_host =
			conf.net[i].outbound = ADDR_NONE;
	}
	fwd_init(&conf);
	clock_set(100 * SEC);
	test_life();
	test_more();
	test_run_list();
	test_twin();
	test_full();
	return done();
}
