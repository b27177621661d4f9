// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp*.c on a link that loses at random, in both directions, with
 * a guest that is a model: a map of the bytes that it has. Whatever is lost, all
 * arrives, in a time that shows that no step was left to chance, and little more
 * is sent again than was lost.
 *
 * link: -Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 */
#include "tcp_out.h"

#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fwd_listen.h"
#include "tcp.h"
#include "tcp_helper.h"
#include "util.h"

#define M	1000U			/* bytes of a segment */
#define WIN	(64U * 1024)

static uint8_t buf[1 << 16], data[400 * M];

static uint32_t at(uint32_t seg)
{
	return 1 + seg * M;
}

static struct {
	bool		have[400 * M];	/* bytes that the guest has */
	uint32_t	nxt, high;	/* it expects; end of what it has */
	uint64_t	seed;
	unsigned	lose;		/* percent */
	unsigned	lost, came;	/* bytes, of ours; also what came twice */
	bool		fin;
} sim;

static unsigned rnd(unsigned n)
{
	sim.seed = sim.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(sim.seed >> 33) % n;
}

static bool lose(void)
{
	return rnd(100) < sim.lose;
}

/* What the guest tells after byte @recent has come: its block first, then
 * others from anywhere */
static void sim_tell(struct conn *c, uint32_t recent)
{
	unsigned tries = 0;

	c->blocks = 0;
	for (; c->blocks < 3 && tries < 20 && sim.nxt < sim.high; tries++) {
		uint32_t a = recent, e;

		if (tries)
			a = sim.nxt + rnd(sim.high - sim.nxt);
		if (a < sim.nxt || !sim.have[a])
			continue;
		for (e = a; sim.have[e]; e++)
			;
		while (sim.have[a - 1])
			a--;
		c->block[c->blocks].start = 1 + a;
		c->block[c->blocks++].end = 1 + e;
	}
	if (!lose())
		guest_segment(c, TH_ACK, 1, 1 + sim.nxt + sim.fin, NULL, 0);
}

/* One frame from us is on its way */
static bool sim_frame(struct conn *c, uint32_t all)
{
	const struct seg *s = &rig()->got;
	uint32_t off, i;

	if (!rig_pop() || !s->sum_ok)
		return false;
	off = s->seq - c->irs - 1;
	if (!s->len && !(s->flags & TH_FIN))
		return true;
	if (lose()) {
		sim.lost += (unsigned)s->len;
		return true;
	}
	sim.came += (unsigned)s->len;
	if (off + s->len > all || !is_pattern(s->data, off, s->len))
		return false;
	for (i = off; i < off + s->len; i++)
		sim.have[i] = true;
	sim.high = MAX(sim.high, i);
	while (sim.have[sim.nxt])
		sim.nxt++;
	if (s->flags & TH_FIN && sim.nxt == all)
		sim.fin = true;
	sim_tell(c, off);
	return true;
}

/* @all bytes to a guest that gets and says only some; Return: ms it took */
static unsigned sim_run(struct conn *c, uint32_t all)
{
	uint32_t written = 0;
	unsigned ms = 0;
	bool shut = false;

	while (rig_flow(c) && ms < 1000000 &&
	       !(rig_flow(c)->tcp.flags & TF_FIN_ACKED)) {
		unsigned n;

		if (written < all) {
			ssize_t w = send(c->host, data + written, all - written,
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			written += w > 0 ? (uint32_t)w : 0;
		} else if (!shut) {
			shut = !shutdown(c->host, SHUT_WR);
		}
		rig_turn(0);
		for (n = 0; fake_pending() && n < 60; n++)
			if (!EXPECT(sim_frame(c, all)))
				return 0;
		rig_advance(MSEC);
		ms++;
		guest_go();
	}
	return ms;
}

static void test_random(const char *name, unsigned percent, unsigned most_ms)
{
	unsigned sum = 0, worst = 0, again = 0, lost = 0, i;

	group(name);
	for (i = 0; i < 40; i++) {
		uint32_t all = (1 + i * 9) * M + i;
		struct conn c;
		unsigned ms;

		memset(&sim, 0, sizeof(sim));
		sim.seed = i;
		sim.lose = percent;
		rig_reset();
		conn_init(&c, (in_port_t)(27000 + i));
		c.ws = 7;
		c.mss = M;
		c.sack = true;
		c.win = WIN >> 7;
		EXPECT(conn_open(&c, rnd(0xffffffff)));
		guest_send(&c, TH_ACK, 1, 1, NULL, 0);
		ms = sim_run(&c, all);
		EXPECT_EQ(sim.nxt, all);
		EXPECT(sim.fin);
		sum += ms;
		worst = MAX(worst, ms);
		lost += sim.lost;
		again += sim.lost + sim.came - all;
		c.blocks = 0;
		guest_send(&c, TH_RST | TH_ACK, 1, 1 + all + 1, NULL, 0);
		conn_close(&c, false);
		EXPECT_CLEAN();
	}
	printf("# %u ms each, %u ms the worst; %u KiB lost, %u sent again\n",
	       sum / i, worst, lost >> 10, again >> 10);
	EXPECT(sum / i <= most_ms);
	EXPECT(again <= lost * 2);
}

/* What we tell the guest; false if it is not true */
static bool sim_told(const struct conn *c, bool *has, uint32_t *acked,
		     const bool *sent, uint32_t all)
{
	const struct seg *s = &rig()->got;
	uint32_t ack, i, b;

	if (!rig_pop() || s->len || (s->flags & ~TH_PSH) != TH_ACK)
		return false;
	if (lose())
		return true;
	ack = s->ack - c->iss - 1;
	if (ack > all * M + 1 || (ack <= all * M && ack % M))
		return false;
	*acked = MAX(*acked, ack);
	for (b = 0; b < s->blocks; b++) {
		uint32_t from = s->block[b].start - c->iss - 1;
		uint32_t to = s->block[b].end - c->iss - 1;

		if (from % M || to % M || to > all * M || from >= to)
			return false;
		for (i = from / M; i < to / M; i++) {
			if (!sent[i])
				return false;
			has[i] = true;
		}
	}
	return true;
}

/* A guest whose segments are lost, doubled and mixed up; it sends again only
 * what it was not told of. Return: segments that came in vain */
static unsigned sim_guest(struct conn *c, uint32_t all, unsigned *rounds)
{
	bool has[256] = { false }, sent[256] = { false };
	uint32_t acked = 0, got = 0, i;
	unsigned vain = 0;

	for (*rounds = 0; acked <= all * M && *rounds < 1000; ++*rounds) {
		uint32_t first = acked / M;

		for (i = first; i < MIN(first + 40, all); i++) {
			uint32_t n = rnd(4) ? i :
				     first + rnd(MIN(40, all - first));

			if (has[n] || lose())
				continue;
			vain += sent[n];
			sent[n] = true;
			guest_segment(c, TH_ACK | (n + 1 == all ? TH_FIN : 0),
				      at(n), 1, data + at(n) - 1, M);
			if (!rnd(8))
				guest_go();
		}
		if (acked == all * M)		/* only the end is missing */
			guest_segment(c, TH_ACK | TH_FIN, at(all), 1, NULL, 0);
		guest_go();
		rig_advance(MSEC);
		while (fake_pending())
			if (!EXPECT(sim_told(c, has, &acked, sent, all)))
				return vain;
		for (;;) {
			ssize_t n = recv(c->host, buf, sizeof(buf),
					 MSG_DONTWAIT);

			if (n <= 0)
				break;
			EXPECT(is_pattern(buf, got, (size_t)n));
			got += (uint32_t)n;
		}
	}
	EXPECT_EQ(got, all * M);
	EXPECT_EQ(host_read(c, buf, 1), 0);
	return vain;
}

static void test_random_guest(void)
{
	unsigned vain = 0, rounds = 0, worst = 0, i;

	group("a guest that loses at random");
	for (i = 0; i < 200; i++) {
		struct conn c;

		memset(&sim, 0, sizeof(sim));
		sim.seed = i;
		sim.lose = i % 40;
		rig_reset();
		conn_init(&c, (in_port_t)(26000 + i));
		c.sack = true;
		c.iss = rnd(0xffffffff);
		EXPECT(conn_open(&c, 0));
		vain += sim_guest(&c, 1 + i, &rounds);
		worst = MAX(worst, rounds);
		guest_send(&c, TH_RST | TH_ACK, at(1 + i) + 1, 1, NULL, 0);
		conn_close(&c, false);
		rig_advance(2 * SEC);
		while (fake_pending())
			rig_pop();
		EXPECT_CLEAN();
	}
	printf("# %u rounds the worst, %u segments in vain\n", worst, vain);
	EXPECT(worst < 60);
	EXPECT(vain < 200 * 100 / 3);
}

int main(void)
{
	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	test_random("nothing lost", 0, 20);
	test_random("1 % lost at random, both ways", 1, 100);
	test_random("5 % lost at random, both ways", 5, 200);
	test_random("20 % lost at random, both ways", 20, 1000);
	test_random("30 % lost at random, both ways", 30, 5000);
	test_random_guest();
	listen_close_all();
	return done();
}
