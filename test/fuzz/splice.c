// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * splice.c - TCP past the guest's link: clients and servers that do as they
 * like, system calls that come up short or fail, events in any order
 *
 * The kernel's sockets and pipes are played by splice.h, with the bytes in them, so
 * every one that leaves is compared with the one that came. A connection ends
 * in one of two ways: all bytes and both ends got across, and it is closed; or
 * something failed, and both ends are reset. Whenever nothing is left to be
 * told, nothing waits that could go on. At the end nothing is left: no flow,
 * socket, pipe or timer.
 *
 * Input: steps; each is a byte that says which and those it takes. With 128,
 * events are not told yet; with 64, the last ones first.
 *
 * link: -Wl,--wrap=socket,--wrap=connect,--wrap=close,--wrap=shutdown
 * link: -Wl,--wrap=setsockopt,--wrap=getsockopt,--wrap=poll,--wrap=ioctl
 * link: -Wl,--wrap=send,--wrap=recv,--wrap=__recv_chk,--wrap=splice
 * link: -Wl,--wrap=pipe2,--wrap=fcntl,--wrap=write,--wrap=ev_add
 * link: -Wl,--wrap=ev_soon,--wrap=ns_call
 */
#include "splice.h"

#include "flow.h"
#include "fwd.h"
#include "guest.h"
#include "log.h"
#include "siphash.h"
#include "store.h"
#include "tcp_splice.h"
#include "timer.h"

/* ---------------------------------------------------------------- the loop */

/* What must hold when all has been told: nothing waits that could go on */
static void quiet(void)
{
	unsigned i, d, lent = 0, pipes = 0;
	union flow *f;

	for (f = flow_each(NULL); f; f = flow_each(f)) {
		if (f->h.type != FLOW_SPLICE)
			continue;
		for (d = 0; d < 2; d++) {
			FUZZ_CHECK((f->splice.pipe[d][0] >= 0) ==
				   !!f->splice.inpipe[d]);
			lent += !!f->splice.inpipe[d];
		}
	}
	for (i = 0; i < PIPES; i++)
		pipes += me.pipe[i].end[0] || me.pipe[i].end[1];
	FUZZ_CHECK(pipes <= lent + PIPES_STORED);

	for (i = 0; i < CONNS; i++) {
		const struct conn *c = &me.conn[i];

		if (!c->used)
			continue;
		FUZZ_CHECK(c->sock[0] >= 0 && c->sock[1] >= 0);
		for (d = 0; d < 2; d++) {
			const struct sock *s = &me.sock[c->sock[d]];
			const struct sock *o = &me.sock[c->sock[!d]];

			FUZZ_CHECK(!s->reset);
			if (s->connecting || o->connecting)
				continue;
			FUZZ_CHECK(o->sent == s->arrived || !o->room);
			FUZZ_CHECK(o->shut ||
				   !(s->eof && o->sent == s->arrived));
			FUZZ_CHECK(!o->corked || !o->room);
		}
	}
}

static bool has_event(struct sock *s, struct ev_event *e)
{
	uint32_t now = s->open && s->watched && s->edge ? state(s) : 0;

	if (!now)
		return false;
	s->edge = false;
	s->full = s->full || !s->room;	/* so does tcp_poll() */
	*e = (struct ev_event){ s->ref, now };
	return true;
}

static void tell(const struct ev_event *e)
{
	unsigned i;

	for (i = 0; i < SOCKS && e->mask & EPOLLERR; i++) {
		struct sock *s = &me.sock[i];

		if (s->open && s->watched && s->ref.u64 == e->ref.u64)
			s->reset_told = true;
	}
	splice_ready(e->ref, e->mask);
}

/* One turn: all events in order, or backwards; false if there were none */
static bool turn(bool backwards)
{
	struct ev_event ev[SOCKS];
	unsigned n = 0, i, woken;
	union flow *f;

	for (i = 0; i < SOCKS; i++)
		n += has_event(&me.sock[i], &ev[n]);
	for (i = 0; i < n; i++)
		tell(&ev[backwards ? n - 1 - i : i]);
	woken = flow_listed(FLOW_RUN);
	for (i = woken; i && (f = flow_take(FLOW_RUN)); i--)
		splice_resume(f);
	flow_reap();
	return n || woken;
}

static void settle(bool backwards)
{
	unsigned n = 0;

	while (turn(backwards))
		FUZZ_CHECK(n++ < 100000);
	quiet();
}

/* ---------------------------------------------------------------- steps */

static struct sock *pick(uint8_t n)
{
	const struct conn *c = &me.conn[n / 2 % CONNS];

	return c->used ? &me.sock[c->sock[n & 1]] : NULL;
}

static void arrives(struct sock *s, uint64_t n)
{
	if (s->connecting || s->eof || s->reset || me.load + n > LOAD)
		return;
	me.load += n;
	s->arrived += n;
	s->edge = true;
}

static void connects(struct in *in)
{
	uint8_t how = in_u8(in), conn = how & 7;
	struct conn *c = &me.conn[conn];
	struct side ini = { .pif = how & 8 ? PIF_NS : PIF_HOST,
			    .peer_port = (in_port_t)(1000 + conn),
			    .ours_port = 80 };
	static uint32_t base;
	enum fwd_verdict v;
	unsigned i;
	union flow *f;
	int fd;

	if (c->used || (fd = open_sock(true)) < 0)
		return;
	ini.peer = addr_loopback(&(union addr){
		.w = { 0, 0, how & 16 ? htonl(0xffff) : 0, 0 } });
	ini.ours = addr_loopback(&ini.peer);
	f = flow_open(IPPROTO_TCP, &ini, 80, &v);
	FUZZ_CHECK(f);
	if (!(how & 32)) {
		me.fail[CONNECT].e = EINPROGRESS;
		me.fail[CONNECT].times = 1;
	}
	splice_open(f, fd);
	me.fail[CONNECT].times = 0;
	if (f->h.type != FLOW_SPLICE) {
		FUZZ_CHECK(!me.sock[fd - FD0].open);
		return;
	}
	*c = (struct conn){ .used = true, .base = base += 12345 };
	for (i = 0; i < 2; i++) {
		c->sock[i] = f->splice.sock[i] - FD0;
		me.sock[c->sock[i]].conn = conn;
		me.sock[c->sock[i]].side = i;
	}
	FUZZ_CHECK(f->splice.sock[0] == fd && c->sock[0] != c->sock[1]);
	FUZZ_CHECK(me.sock[c->sock[1]].in_ns == (ini.pif == PIF_HOST));
}

static void answers(struct in *in)
{
	struct sock *s = pick(in_u8(in) | 1);
	uint8_t how = in_u8(in);

	if (!s || !s->connecting)
		return;
	s->connecting = false;
	s->connected = !(how & 1);
	s->edge = true;
	if (how & 1) {
		s->error = how & 2 ? ECONNREFUSED : ETIMEDOUT;
		s->reset = true;
		broken(s);
	}
}

static void data(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint32_t n = in_u16(in);

	if (s)
		arrives(s, n & 0x8000 ? (n & 0x7fffU) * 32U : n);
}

static void ends(struct in *in)
{
	struct sock *s = pick(in_u8(in));

	if (!s || s->connecting || s->reset)
		return;
	s->eof = s->edge = true;
}

static void resets(struct in *in)
{
	struct sock *s = pick(in_u8(in));

	if (!s || s->connecting)
		return;
	if (!s->reset)
		s->error = ECONNRESET;
	s->reset = s->edge = true;
	broken(s);
}

static void room(struct sock *s, uint32_t n)
{
	s->room = n;
	if (n && s->full) {
		s->edge = true;
		s->full = false;
	}
}

static void has_room(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint16_t n = in_u16(in);

	/* A new socket has room, and tells of that when it is connected */
	if (s && s->sent)
		room(s, n & 0x8000 ? n * 8U : n & 1023);
}

/* Told at once: else it may be read before the code knows what it is */
static void urgent(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	struct ev_event e;
	uint64_t was;

	if (!s)
		return;
	was = s->arrived;
	arrives(s, 1U + in_u8(in));
	if (s->arrived == was)
		return;
	s->urgent = (int64_t)s->arrived - 1;
	if (has_event(s, &e))
		tell(&e);
}

static void one_event(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	struct ev_event e;

	if (s && has_event(s, &e))
		tell(&e);
}

/* It may be of something that has ended, with the same slot */
static void stale(struct in *in)
{
	struct sock *s = pick(in_u8(in));
	uint8_t how = in_u8(in);
	union ev_ref ref = s ? s->ref : (union ev_ref){ .type = EV_SPLICE };

	ref.gen = (uint16_t)(ref.gen + 1 + (how & 3));
	if (flow_at(ref))
		return;			/* by chance that of a live one */
	splice_ready(ref, in_u8(in));
}

static void fail_next(struct in *in)
{
	static const int errors[] = {
		EINTR, EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE, EPIPE, EIO,
		ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOTCONN,
		EPERM, EADDRNOTAVAIL, EINVAL,
	};
	enum call c = in_u8(in) % CALLS;
	uint8_t how = in_u8(in);
	int e = errors[how & 15];

	/* What is there is there */
	if ((c == RECV || c == FILL) && e == EAGAIN)
		e = EINTR;
	me.fail[c].e = e;
	me.fail[c].times = 1U + (how >> 4);
}

static void knobs(struct in *in)
{
	uint8_t how = in_u8(in);

	me.tiny_pipes = how & 1;
	me.most = how & 2 ? 97U + (how >> 4) * 1234U : 0;
	if (how & 4)
		store_release();
	if (how & 8)
		store_prepare();
	me.now += in_u8(in) * MSEC;
	clock_set(me.now);
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		connects, answers, data, data, ends, resets, has_room, urgent,
		one_event, stale, fail_next, knobs,
	};
	uint8_t what = in_u8(in);

	steps[(what & 31) % ARRAY_LEN(steps)](in);
	if (!(what & 128))
		settle(what & 64);
}

/* ---------------------------------------------------------------- begin, end */

static void init(void)
{
	static const struct fwd_conf conf = { .splice = true,
					      .host_lo_to_ns_lo = true };
	static const struct guest facts = {
		.net = { { .on = true }, { .on = true } }
	};
	static bool begun;
	uint32_t i;

	if (begun)
		return;
	begun = true;
	log_to_stderr(false);
	siphash_init(1);
	for (i = 0; i < sizeof(me.bytes); i++)
		me.bytes[i] = (uint8_t)(i % PERIOD * 2654435761U >> 13);
	guest_init(&facts);
	fwd_init(&conf);
	flow_init();
	me.now = 5000 * SEC;
}

/* Nothing fails any more, there is room, and all are done */
static void end(void)
{
	unsigned i;

	memset(me.fail, 0, sizeof(me.fail));
	me.most = 0;
	for (i = 0; i < SOCKS; i++) {
		if (!me.sock[i].open || me.sock[i].conn < 0)
			continue;
		if (me.sock[i].connecting) {
			me.sock[i].connecting = false;
			me.sock[i].connected = me.sock[i].edge = true;
		}
		room(&me.sock[i], 2 * LOAD);
	}
	settle(false);
	for (i = 0; i < SOCKS; i++)
		if (me.sock[i].open && me.sock[i].conn >= 0)
			me.sock[i].eof = me.sock[i].edge = true;
	settle(false);
	for (i = 0; i < CONNS; i++)
		FUZZ_CHECK(!me.conn[i].used);
	FUZZ_CHECK(!flow_count() && !flow_listed(FLOW_RUN) && !timer_count());
	store_release();
	FUZZ_CHECK(!me.opened);
	for (i = 0; i < PIPES; i++)
		FUZZ_CHECK(!me.pipe[i].end[0] && !me.pipe[i].end[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data_, size_t size)
{
	struct in in = { data_, size };

	init();
	me.load = 0;
	me.now += SEC;
	clock_set(me.now);
	me.tiny_pipes = false;
	memset(me.fail, 0, sizeof(me.fail));
	me.most = 0;
	store_init();
	while (!in_done(&in))
		step(&in);
	end();
	return 0;
}
