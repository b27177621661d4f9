// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp.c and tcp_out.c: random data both ways at once over a link
 * that loses, repeats and reorders, with a port that has little room and a
 * socket that takes little. The guest is the simplest TCP there is: go back N,
 * no memory for what is out of order. In the end both sides must have all of
 * it, then the end, and nothing may be left.
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
#include "util.h"

#define ROUNDS	300
#define STEPS	100000
#define LATE	16		/* segments under way to the guest */

struct to_guest {
	uint32_t seq, ack, win;
	uint8_t flags;
	size_t len;
	uint8_t *data;
};

static struct {
	struct conn c;
	uint32_t all_out, all_in;	/* bytes to the host, to the guest */
	uint32_t una, nxt, edge;	/* the guest's sender, offsets */
	unsigned stuck;			/* steps without progress */
	uint32_t got;			/* its receiver: bytes in order */
	bool fin_got, reset;
	bool ack_due;
	uint32_t host_out, host_in;	/* the program's: written, read */
	bool host_shut, host_eof;
	struct to_guest late[LATE];
	unsigned nlate;
	unsigned loss;			/* of 100, either way */
} w;

static uint8_t data[1 << 20], buf[1 << 16];
static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

/* upto() - 1 to @most, but not over @limit */
static uint32_t upto(uint32_t limit, uint32_t most)
{
	uint32_t n = 1 + rnd(most);

	return MIN(n, limit);
}

/* from_guest() - One segment on its way: none, one or two arrive */
static void from_guest(uint8_t flags, uint32_t off, size_t len)
{
	unsigned copies = rnd(100) < w.loss ? rnd(2) * 2 : 1;

	w.c.win = rnd(4) ? (uint16_t)(2000 + rnd(60000)) :
			   (uint16_t)rnd(3000);
	while (copies--)
		guest_segment(&w.c, flags, 1 + off,
			      1 + w.got + w.fin_got, data + off, len);
}

static void guest_sends(void)
{
	uint32_t end = w.all_out + 1;	/* with the FIN */
	unsigned n = 1 + rnd(10);

	if (++w.stuck > 60) {
		w.nxt = w.una;
		w.stuck = 0;
		w.ack_due = true;
	}
	while (n-- && w.nxt < end) {
		uint32_t len = upto(w.all_out - w.nxt, 3000);
		bool fin;

		if ((int32_t)(w.edge - w.nxt) <= 0)
			break;
		len = MIN(len, w.edge - w.nxt);
		fin = w.nxt + len == w.all_out;
		from_guest(TH_ACK | (fin ? TH_FIN : 0), w.nxt, len);
		w.nxt += len + fin;
		w.ack_due = false;
	}
	if (w.ack_due)
		from_guest(TH_ACK, w.nxt, 0);
	w.ack_due = false;
	guest_go();
}

static void guest_takes(const struct to_guest *s)
{
	uint32_t old, una = s->ack - w.c.iss - 1;

	if (s->flags & TH_RST) {
		w.reset = true;
		return;
	}
	if (una > w.una && una <= w.all_out + 1) {
		w.una = una;
		w.stuck = 0;
		if (w.nxt < una)
			w.nxt = una;
	}
	if ((int32_t)(una + s->win - w.edge) > 0)
		w.edge = una + s->win;
	if (!s->len && !(s->flags & (TH_FIN | TH_SYN))) {
		if (s->seq - w.c.irs - 1 != w.got + w.fin_got)
			w.ack_due = true;
		return;
	}
	w.ack_due = true;
	old = w.got + w.fin_got - (s->seq - w.c.irs - 1);
	if (old > s->len || w.fin_got)
		return;
	EXPECT(is_pattern(s->data + old, w.got, s->len - old));
	w.got += (uint32_t)s->len - old;
	if (s->flags & TH_FIN)
		w.fin_got = true;
}

/* guest_hears() - What arrives, perhaps late, twice, or not at all */
static void guest_hears(void)
{
	const struct seg *s = &rig()->got;
	unsigned i;

	while (fake_pending()) {
		unsigned copies = 1;

		if (!EXPECT(rig_pop()))
			return;
		EXPECT(s->sum_ok);
		if (rnd(100) < w.loss)
			copies = rnd(2) * 2;
		while (copies-- && w.nlate < LATE) {
			struct to_guest *t = &w.late[w.nlate++];

			*t = (struct to_guest){
				.seq = s->seq, .ack = s->ack,
				.win = (uint32_t)s->win << 8,
				.flags = s->flags, .len = s->len,
				.data = malloc(s->len + 1),
			};
			memcpy(t->data, s->data, s->len);
		}
	}
	while (w.nlate) {
		/* The link keeps the order, most of the time */
		i = rnd(100) < w.loss ? rnd(w.nlate) : 0;
		guest_takes(&w.late[i]);
		free(w.late[i].data);
		memmove(w.late + i, w.late + i + 1,
			(--w.nlate - i) * sizeof(w.late[0]));
		if (!rnd(8))
			break;
	}
}

static void host_acts(void)
{
	ssize_t n;

	if (w.host_out < w.all_in && rnd(3)) {
		n = send(w.c.host, data + w.host_out,
			 upto(w.all_in - w.host_out, 30000),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			w.host_out += (uint32_t)n;
	} else if (w.host_out == w.all_in && !w.host_shut) {
		shutdown(w.c.host, SHUT_WR);
		w.host_shut = true;
	}
	if (rnd(3) && !w.host_eof) {
		n = recv(w.c.host, buf, 1 + rnd(sizeof(buf)), MSG_DONTWAIT);
		if (n > 0) {
			EXPECT(is_pattern(buf, w.host_in, (size_t)n));
			w.host_in += (uint32_t)n;
		} else if (!n) {
			w.host_eof = true;
		}
	}
}

static void bad_days(void)
{
	struct fake_knobs *k = fake_knobs();
	union flow *f = rig_flow(&w.c);

	k->slots = rnd(5) ? -1 : (int)rnd(4);
	k->accept = rnd(5) ? -1 : (int)rnd(4);
	k->last_room = rnd(5) ? 0 : 1 + rnd(5000);
	k->caps.tso = k->caps.csum = rnd(2);
	rig()->send_max = rnd(3) ? -1 : (ssize_t)rnd(5000);
	rig()->send_times = rnd(3);
	rig()->piece = rnd(3) ? 0 : 5 + rnd(2000);
	/* The kernel would say so, had it been it */
	if (f && f->tcp.state == TS_OPEN && !rnd(3))
		tcp_sock_ready(flow_ref(f, EV_TCP, 1), EPOLLOUT);
}

static void round_of(unsigned no)
{
	unsigned i;

	seed = no * 7919 + 1;
	rig_reset();
	memset(&w, 0, sizeof(w));
	conn_init(&w.c, (in_port_t)(40000 + no));
	rig()->no_peek_off = rnd(2);
	w.c.ws = 0;
	w.c.iss = rnd(2) ? 0xffffffffU - rnd(100000) : rnd(UINT32_MAX);
	w.loss = rnd(3) ? rnd(20) : 0;
	w.all_out = rnd(4) ? rnd(400000) : rnd(10);
	w.all_in = rnd(4) ? rnd(400000) : rnd(10);
	w.edge = 65535;
	if (!EXPECT(conn_open(&w.c, rnd(2) ? 0xffffffffU - rnd(100000) : 0)))
		return;

	for (i = 0; i < STEPS; i++) {
		bad_days();
		host_acts();
		guest_sends();
		rig_advance(MSEC);
		guest_hears();
		/* One that does not know that all is over gets a reset */
		w.reset = w.reset && w.una < w.all_out;
		if (w.reset || (!flow_count() && w.host_eof))
			break;
		if (w.stuck > 40)
			rig_advance(SEC);	/* time-outs */
	}
	fake_knobs()->slots = fake_knobs()->accept = -1;
	rig()->send_max = -1;
	rig_turn(0);
	while (w.nlate || fake_pending()) {
		guest_hears();
		/* Its last acknowledgement may have been lost on the way */
		w.reset = w.reset && w.una < w.all_out;
	}
	if (!EXPECT(!w.reset) || !EXPECT_EQ(w.got, w.all_in) ||
	    !EXPECT(w.fin_got) || !EXPECT_EQ(w.host_in, w.all_out) ||
	    !EXPECT(w.host_eof))
		printf("# round %u step %u: loss %u out %u/%u in %u/%u\n", no,
		       i, w.loss, w.una, w.all_out, w.got, w.all_in);
	conn_close(&w.c, false);
	EXPECT_CLEAN();
}

int main(void)
{
	unsigned i;

	if (!rig_start())
		skip_all("no user namespaces");
	pattern(data, 0, sizeof(data));
	group("a bad link");
	for (i = 0; i < ROUNDS; i++)
		round_of(i);
	listen_close_all();
	return done();
}
