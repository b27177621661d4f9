// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_in.c - payload from the guest, on its way into the host socket
 *
 * In-order payload of a run of segments stays in the frames, and goes out by
 * one sendmsg(). What the socket does not take is held (hold.c) and counts as
 * taken: nothing within the announced window is ever lost, so nothing is sent
 * twice. What lies beyond a gap is kept (tcp_ooo.c) until that is filled.
 */
#include "tcp_in.h"

#include <errno.h>
#include <sys/socket.h>

#include "log.h"
#include "tcp_seg.h"

#define RUN_IOVS	256

/* In-order payload of the run being read, still in the frames */
static struct {
	struct iovec	iov[RUN_IOVS];
	unsigned	n;
	uint32_t	bytes;
	bool		fin;
	bool		gap;
} run;

void tcp_in_start(void)
{
	run.n = run.bytes = 0;
	run.fin = run.gap = false;
	ooo_forget();
}

uint32_t tcp_in_end(const union flow *f)
{
	return f->tcp.rcv_nxt + run.bytes + run.fin;
}

void tcp_in_reset(void)
{
	run.fin = false;
}

bool tcp_in_gap(void)
{
	return run.gap;
}

void tcp_in_free(union flow *f)
{
	hold_free(&f->tcp.hold);
	ooo_free(&f->tcp.ooo);
}

/*
 * give() - Payload to the host socket, the rest to the hold
 * Return: bytes taken, or -1 if the socket failed
 */
static ssize_t give(struct tcp_flow *t)
{
	struct msghdr msg = { .msg_iov = run.iov, .msg_iovlen = run.n };
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	struct cursor rest;
	ssize_t sent = 0;

	/* shutdown() follows at once: one segment for both */
	if (run.fin && !(t->flags & TF_FIN_ACKED))
		flags |= MSG_MORE;

	if (!t->hold.len) {
		do
			sent = sendmsg(t->sock, &msg, flags);
		while (sent < 0 && errno == EINTR);
		if (sent < 0) {
			if (errno != EAGAIN && errno != ENOBUFS &&
			    errno != ENOMEM)
				return -1;
			sent = 0;
		}
		if (sent == (ssize_t)run.bytes)
			return sent;
	}
	t->flags |= TF_BLOCKED | TF_ROOM_LOW;
	cur_init(&rest, run.iov, run.bytes);
	cur_skip(&rest, (size_t)sent);
	return sent + (ssize_t)hold_put(&t->hold, &rest);
}

/* Hand the gathered payload over, nothing else */
static bool hand_over(struct tcp_flow *t)
{
	ssize_t taken;

	if (run.bytes) {
		taken = give(t);
		if (taken < 0)
			return false;
		t->rcv_nxt += (uint32_t)taken;
		if (taken < (ssize_t)run.bytes) {
			run.fin = false;
			t->flags |= TF_ACK_NOW;
		}
		if (t->flags & TF_HEARD)
			t->flags &= ~(uint32_t)TF_CHATTY;
		t->flags |= TF_HEARD;
	}
	if (run.fin) {
		t->rcv_nxt++;
		t->flags |= TF_GUEST_FIN;
	}
	run.n = run.bytes = 0;
	run.fin = false;
	return true;
}

/* What was kept and is next in order by now */
static bool fetch_kept(struct tcp_flow *t)
{
	uint32_t want, had;
	const struct hold *h;
	unsigned i;
	bool fin;

	while (!(t->flags & TF_GUEST_FIN) &&
	       (h = ooo_next(&t->ooo, t->rcv_nxt, &fin))) {
		had = t->rcv_nxt;
		run.n = hold_iov(h, run.iov, RUN_IOVS);
		for (i = 0; i < run.n; i++)
			run.bytes += (uint32_t)run.iov[i].iov_len;
		run.fin = fin && run.bytes == h->len;
		want = had + run.bytes + run.fin;
		t->flags |= TF_ACK_NOW;
		if (!hand_over(t))
			return false;
		ooo_taken(&t->ooo, t->rcv_nxt - had);
		if (t->rcv_nxt != want)
			break;		/* no room: when there is again */
	}
	if (t->flags & TF_GUEST_FIN)
		ooo_free(&t->ooo);
	return true;
}

bool tcp_in_deliver(union flow *f)
{
	struct tcp_flow *t = &f->tcp;

	return hand_over(t) && (!t->ooo.head || fetch_kept(t));
}

/* An option of the host socket that is needed only once in a while */
static void keep_alive(struct tcp_flow *t)
{
	int on = 1;

	if (t->flags & TF_KEEPALIVE)
		return;
	t->flags |= TF_KEEPALIVE;
	if (setsockopt(t->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)))
		debug_perror("SO_KEEPALIVE");
}

/* What lies beyond the window we announced is not for us: RFC 9293 3.10.7.4.
 * A bare FIN at its edge is: it needs no room */
static void cut_to_window(struct tcp_flow *t, struct pkt *p)
{
	uint32_t room = t->rcv_edge - p->tcp.seq;

	if (seq_lt(t->rcv_edge, p->tcp.seq))
		room = 0;
	if (cur_left(&p->data) <= room)
		return;
	cur_trim(&p->data, room);
	p->tcp.flags &= (uint8_t)~TH_FIN;
	t->flags |= TF_ACK_NOW;
}

/* A segment beyond a gap: what is missing will come again. Only a guest that
 * can be told what we have would not send this again as well */
static void keep(struct tcp_flow *t, struct pkt *p)
{
	bool fin;

	t->flags |= TF_ACK_NOW;
	cut_to_window(t, p);
	fin = p->tcp.flags & TH_FIN;
	if (!cur_left(&p->data) && !fin)
		return;
	if (seq_lt(t->rcv_edge, p->tcp.seq))
		return;
	(void)ooo_put(&t->ooo, p->tcp.seq, &p->data, fin);
	run.gap = true;
}

/* Bytes before @end, the next expected, came again: a guest that is told can see
 * that it took a delay for a loss (RFC 2883) */
static void duplicate(struct tcp_flow *t, const struct pkt *p, uint32_t end)
{
	size_t n = cur_left(&p->data);

	if (!n || !seq_lt(p->tcp.seq, end))
		return;
	ooo_twice(&t->ooo, p->tcp.seq,
		  (uint32_t)MIN(n, (size_t)(end - p->tcp.seq)));
	run.gap = true;
}

bool tcp_in_take(union flow *f, struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t end = tcp_in_end(f);

	if (!seg_len(p)) {
		/* A bare ACK below the window asks for an answer (keep-alive);
		 * above it we have lost something */
		if (p->tcp.seq != end)
			t->flags |= TF_ACK_NOW;
		/* It wants to know whether the peer lives: so do we, then */
		if (p->tcp.seq == end - 1)
			keep_alive(t);
		return true;
	}
	if (p->tcp.seq == end - 1 && seg_len(p) == 1)
		keep_alive(t);
	duplicate(t, p, end);
	if (t->flags & TF_GUEST_FIN || run.fin) {
		t->flags |= TF_ACK_NOW;
		return true;
	}
	if (seq_lt(end, p->tcp.seq) && !(p->tcp.flags & TH_SYN)) {
		keep(t, p);
		return true;
	}
	if (!seg_trim(p, end)) {
		t->flags |= TF_ACK_NOW;
		return true;
	}
	cut_to_window(t, p);
	while (cur_left(&p->data)) {
		size_t len;

		run.n += cur_iov(&p->data, run.iov + run.n, RUN_IOVS - run.n,
				 &len);
		cur_skip(&p->data, len);
		run.bytes += (uint32_t)len;
		if (cur_left(&p->data)) {
			uint32_t want = t->rcv_nxt + run.bytes;

			if (!hand_over(t))
				return false;
			if (t->rcv_nxt != want)
				return true;
		}
	}
	if (p->tcp.flags & TH_FIN)
		run.fin = true;
	return true;
}

bool tcp_in_drain(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	struct iovec iov[64] not_cleared;

	while (t->hold.len) {
		struct msghdr msg = {
			.msg_iov = iov,
			.msg_iovlen = hold_iov(&t->hold, iov, ARRAY_LEN(iov)),
		};
		ssize_t n = sendmsg(t->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS ||
			      errno == ENOMEM))
			return true;
		if (n < 0)
			return false;
		hold_drop(&t->hold, (size_t)n);
	}
	t->flags &= ~(uint32_t)TF_BLOCKED;
	t->flags |= TF_ACK_NOW;			/* the window opens */
	tcp_in_start();
	return tcp_in_deliver(f);
}
