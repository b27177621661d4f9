// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp.c - the connection machine: segments in, socket events, timers
 *
 * To the guest we are the far end of its connection; to the far end, a host
 * socket is the guest. A connection is opened on the target's side first and
 * only then answered on the initiator's, so that a refusal is a refusal.
 *
 *   guest -> host  Runs of segments become one sendmsg() of scattered payload.
 *                  What the socket does not take is held (hold.c) and
 *                  acknowledged all the same: nothing within the announced
 *                  window is ever lost, so nothing is sent twice.
 *   host -> guest  Peek, send, consume when acknowledged (tcp_out.c).
 *
 * Host sockets are watched edge-triggered, with one epoll_ctl() in their life:
 * unread data waiting for the guest's window must not wake us, and a write
 * that came up short is what arms EPOLLOUT. Work left over when a budget ends
 * is put on the run list of flow.c.
 *
 * Each entry point ends in settle(): the one place that passes on ends of
 * data, acknowledges, closes and sets the timer.
 */
#include "tcp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "half.h"
#include "log.h"
#include "sock.h"
#include "tap.h"
#include "tcp_ack.h"
#include "tcp_in.h"
#include "tcp_open.h"
#include "tcp_out.h"
#include "tcp_seg.h"
#include "tcp_win.h"

#define EVENTS		(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define TIME_WAIT	(400 * MSEC)	/* two of the guest's time-outs */
#define WAITING_MAX	16384U		/* that have only this to do */
#define IDLE_MAX	(7200U * 1000)	/* ms without a segment from the guest, */
#define ENDED_MAX	(60U * 1000)	/* or once the host has ended: */
#define ALIVE_WAIT	(75U * 1000)	/* it is asked so often whether it lives, */
#define ALIVE_TRIES	9U		/* ... and this many times */

static struct {
	unsigned	waiting;	/* flows in TS_TIME_WAIT */
} run;

/* -------------------------------------------------------------- the end */

/* What a flow has besides its socket */
static void release(union flow *f)
{
	tcp_in_free(f);
	sack_free(&f->tcp.sack);
}

static void finish(union flow *f)
{
	release(f);
	if (f->tcp.sock >= 0)
		close(f->tcp.sock);
	f->tcp.sock = -1;
	if (f->tcp.state == TS_TIME_WAIT)
		run.waiting--;
	flow_close(f);
}

/* All is done, but the guest may not know (RFC 9293 3.3.2): if it sends its end
 * again, it shall not get a reset for it */
static void time_wait(union flow *f)
{
	release(f);
	close(f->tcp.sock);
	f->tcp.sock = -1;
	f->tcp.state = TS_TIME_WAIT;
	run.waiting++;
	timer_set(&f->h.timer, TM_TCP, TIME_WAIT);
}

/* The guest reset it, or is gone: the host peer must see a reset as well */
static void reset_host(union flow *f)
{
	release(f);
	if (f->tcp.sock >= 0)
		sock_reset(f->tcp.sock);
	f->tcp.sock = -1;
	flow_close(f);
}

/* The host's end failed: tell the guest, but first what came before, as on a wire:
 * many a server answers, and closes without having read all */
static void reset_guest(union flow *f)
{
	if (log_shown(LOG_LVL_DEBUG))
		debug("%s: reset", flow_str(f));
	if (f->tcp.state == TS_OPEN && !(f->tcp.flags & TF_FIN_SENT))
		tcp_send_rest(f);
	if (tcp_send_flags(f, TH_RST | TH_ACK)) {
		finish(f);
		return;
	}
	/* Without it, the guest might wait for ever: try again */
	release(f);
	if (f->tcp.sock >= 0)
		close(f->tcp.sock);
	f->tcp.sock = -1;
	f->tcp.state = TS_RESET;
	flow_wake(f);
}

void tcp_abort(union flow *f)
{
	tcp_send_flags(f, TH_RST | TH_ACK);
	reset_host(f);
}

/* -------------------------------------------------------------- timer */

static bool rto_needed(const struct tcp_flow *t)
{
	if (t->state == TS_CONNECTING)
		return false;
	if (t->snd_una != t->snd_nxt)
		return true;
	/* Data, but no window: probe (RFC 9293 3.8.6.1) */
	return t->state == TS_OPEN && !t->snd_wnd &&
	       !(t->flags & (TF_RX_DRY | TF_HOST_EOF));
}

/* Who has ended is likely to be gone, as the kernel forgets such a one after a
 * minute, and so may be the guest that owed its FIN: we alone would be left */
static uint32_t idle_max(const struct tcp_flow *t)
{
	return t->flags & TF_FIN_ACKED ? ENDED_MAX : IDLE_MAX;
}

/* One wheel node for all deadlines: the earliest of them */
static void arm(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t idle = clock_ms() - t->active, most = idle_max(t);
	int32_t due = (int32_t)(idle < most ? most - idle :
				ALIVE_WAIT - (idle - most) % ALIVE_WAIT);

	if (!rto_needed(t))
		t->flags &= ~(uint32_t)TF_RTO_ON;
	else if (!(t->flags & TF_RTO_ON))
		tcp_rto_restart(t);
	if (t->flags & TF_RTO_ON)
		due = MIN(due, (int32_t)(t->rto_at - clock_ms()));
	if (t->flags & TF_ACK_DUE)
		due = MIN(due, (int32_t)(t->ack_at - clock_ms()));
	timer_set(&f->h.timer, TM_TCP, (uint64_t)MAX(due, 0) * MSEC);
}

/* -------------------------------------------------------------- settle */

/* Something was sent, or not; false if the flow ended */
static bool sent(union flow *f, enum tcp_verdict v)
{
	switch (v) {
	case TCP_MORE:
		flow_wake(f);
		break;
	case TCP_RESET:
		reset_guest(f);
		return false;
	case TCP_OK:
		break;
	}
	return true;
}

static void ack_policy(struct tcp_flow *t)
{
	uint32_t unacked = t->rcv_nxt - t->rcv_acked;

	if (!unacked || t->flags & TF_ACK_NOW)
		return;
	if (win_ack_now(unacked, t->rcv_mss, t->flags & TF_CHATTY)) {
		t->flags |= TF_ACK_NOW;
	} else if (!(t->flags & TF_ACK_DUE)) {
		t->flags |= TF_ACK_DUE;
		t->ack_at = clock_ms() + WIN_ACK_DELAY / (uint32_t)MSEC + 1;
	}
}

static void settle(union flow *f)
{
	struct tcp_flow *t = &f->tcp;

	ack_policy(t);
	if (tcp_can_send(f)) {
		/* Not before those who are waiting for their turn */
		if (flow_listed(FLOW_RUN))
			flow_wake(f);
		else if (!sent(f, tcp_send_data(f)))
			return;
	}
	if (t->flags & TF_GUEST_FIN && t->flags & TF_FIN_ACKED &&
	    !t->hold.len) {
		/* Nobody waits for the rest of it */
		t->state = TS_DONE;
		flow_list(f, FLOW_LATER);
		return;
	}
	/* When there is no room, one can stand for many; and it is not in the
	 * way of what cannot be repeated. One that half.c may end stays in its
	 * line: our SYN+ACK goes again anyway */
	if (t->flags & TF_ACK_NOW && t->state >= TS_SYN_RCVD &&
	    (!tap_room() || !tcp_send_flags(f, TH_ACK)) &&
	    t->state != TS_SYN_RCVD)
		flow_wake(f);
	if (t->flags & TF_GUEST_FIN && !(t->flags & TF_HOST_SHUT) &&
	    !t->hold.len) {
		t->flags |= TF_HOST_SHUT;
		if (shutdown(t->sock, SHUT_WR)) {
			reset_guest(f);
			return;
		}
	}
	arm(f);
}

/* Both ends are done: acknowledge the guest's, and close ours, which sends the
 * host peer a FIN if shutdown() has not */
static void complete(union flow *f)
{
	if (f->tcp.rcv_acked != f->tcp.rcv_nxt && !tcp_send_flags(f, TH_ACK)) {
		/* When the guest has room again; its peer need not wait */
		if (!(f->tcp.flags & TF_HOST_SHUT))
			(void)!shutdown(f->tcp.sock, SHUT_WR);
		f->tcp.flags |= TF_HOST_SHUT;
		flow_wake(f);
		return;
	}
	/* Unread bytes would turn the FIN into a reset */
	tcp_consume(f);
	if (f->tcp.flags & TF_FIN_KNOWS || run.waiting >= WAITING_MAX)
		finish(f);
	else
		time_wait(f);
}

/* -------------------------------------------------------------- opening */

/* May an impossible segment be answered? Two ends that each find impossible what
 * the other one says would never stop (RFC 5961 7) */
static bool may_challenge(struct tcp_flow *t)
{
	uint8_t now = (uint8_t)(clock_ms() / TCP_CHALLENGE_MS);

	if (t->challenged == now)
		return false;
	t->challenged = now;
	return true;
}

static void challenge(struct tcp_flow *t)
{
	if (may_challenge(t))
		t->flags |= TF_ACK_NOW;
}

/* Our SYN goes out once more: its answer tells nothing (Karn: RFC 6298 3) */
static void syn_again(union flow *f, uint8_t flags)
{
	f->tcp.flags &= ~(uint32_t)TF_RTT_BUSY;
	tcp_send_flags(f, flags);
}

/* The host side is connected: answer the guest's SYN */
static void connected(union flow *f)
{
	struct tcp_flow *t = &f->tcp;

	t->state = TS_SYN_RCVD;
	half_enter(f);
	if (!tcp_send_flags(f, TH_SYN | TH_ACK))
		debug("%s: no room for SYN+ACK", flow_str(f));
	tcp_rtt_start(t, t->snd_una);
	t->snd_nxt = t->snd_una + 1;
	arm(f);
}

/* A reason @e for not connecting of which the guest would hear nothing outside: we
 * are out of something, or nobody answered. It will try again */
static bool is_silent(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM ||
	       e == ETIMEDOUT;
}

/* The host's connect() failed in the end: what the guest's own would have met
 * with outside. An unreachable host is not one that refuses */
static void connect_failed(union flow *f, int e)
{
	const struct side *s = &f->h.side[0];
	struct pkt syn = {
		.src = s->peer, .dst = s->ours,
		.sport = s->peer_port, .dport = s->ours_port,
		.tcp.seq = f->tcp.rcv_nxt - 1, .tcp.flags = TH_SYN,
		.tcp.win = (uint16_t)f->tcp.snd_wnd,
	};

	if (is_silent(e) || tcp_send_unreach(&syn, e))
		finish(f);
	else
		reset_guest(f);
}

static void tcp_syn(const struct pkt *p)
{
	struct side ini = {
		.peer = p->src, .peer_port = p->sport,
		.ours = p->dst, .ours_port = p->dport, .pif = PIF_GUEST,
	};
	bool pending = false;
	enum fwd_verdict v;
	union flow *f;
	int fd;

	if (!p->sport || !p->dport || !addr_is_unicast(&p->dst))
		return;
	f = flow_open(IPPROTO_TCP, &ini, p->dport, &v);
	if (!f) {
		if (v == FWD_REFUSE)
			tcp_send_rst_for(p);
		return;
	}

	do
		fd = sock_tcp_connect_tos(&f->h.side[1],
					  p->tos & TCP_TOS_MASK, &pending);
	while (fd < 0 && half_retry(-fd));
	if (fd < 0) {
		if (log_shown(LOG_LVL_DEBUG))
			debug("%s: %s", flow_str(f), strerror(-fd));
		if (!is_silent(-fd) && !tcp_send_unreach(p, -fd))
			tcp_send_rst_for(p);
		flow_close(f);
		return;
	}
	tcp_open(f, 0, fd, TS_CONNECTING);
	f->tcp.tos = p->tos & TCP_TOS_MASK;
	ev_soon();
	tcp_take_syn(f, p);
	flow_commit(f, FLOW_TCP, 1U << 0);
	half_enter(f);
	if (ev_add(fd, EVENTS, flow_ref(f, EV_TCP, 1))) {
		reset_guest(f);
		return;
	}
	if (!pending)
		connected(f);
	else
		arm(f);
}

/* All is said and passed on, at most an acknowledgement is missing */
static bool is_over(const struct tcp_flow *t)
{
	return t->state == TS_DONE || t->state == TS_TIME_WAIT ||
	       (t->flags & TF_GUEST_FIN && t->flags & TF_FIN_SENT &&
		!t->hold.len);
}

/* The connection that to the guest is the same as one at side @g would be */
static union flow *alike(const struct side *g)
{
	unsigned side;

	return flow_find(IPPROTO_TCP, PIF_GUEST, &g->peer, g->peer_port,
			 &g->ours, g->ours_port, &side);
}

/* What its socket has to say may be on its way to us, or have been put off */
static void catch_up(union flow *f)
{
	struct pollfd p = { .fd = f->tcp.sock, .events = POLLIN | POLLRDHUP };

	if (poll(&p, 1, 0) == 1)
		tcp_sock_ready(flow_ref(f, EV_TCP, 0), (uint32_t)p.revents);
	if (f->h.type == FLOW_TCP)
		tcp_resume(f);
}

bool tcp_make_way(const struct side *g)
{
	union flow *old = alike(g);

	if (old && !is_over(&old->tcp)) {
		catch_up(old);
		old = alike(g);
	}
	if (!old)
		return true;
	if (!is_over(&old->tcp))
		return false;
	tcp_send_flags(old, TH_ACK);
	/* Unread bytes would make a reset of its end, and what the guest sent
	 * and the client has not read yet would go with it */
	old->tcp.snd_una = old->tcp.snd_nxt;
	old->tcp.flags |= TF_FIN_ACKED;
	tcp_consume(old);
	finish(old);
	return true;
}

void tcp_invite(union flow *f, int fd)
{
	tcp_open(f, 1, fd, TS_SYN_SENT);
	ev_soon();
	flow_commit(f, FLOW_TCP, 1U << 1);
	half_enter(f);
	tcp_send_flags(f, TH_SYN);
	tcp_rtt_start(&f->tcp, f->tcp.snd_una);
	f->tcp.snd_nxt = f->tcp.snd_una + 1;
	arm(f);
}

/* -------------------------------------------------------------- guest -> host */

/* Answer to our SYN; false if the flow ended */
static bool take_synack(union flow *f, const struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;

	if (p->tcp.flags & TH_ACK && p->tcp.ack != t->snd_nxt) {
		tcp_send_rst_for(p);		/* RFC 9293 3.10.7.3 */
		/* What that has ended is an old connection with these ports:
		 * the new one need not wait for a time-out */
		if (!(p->tcp.flags & TH_RST) && may_challenge(t))
			syn_again(f, TH_SYN);
		return true;
	}
	if (p->tcp.flags & TH_RST) {
		if (!(p->tcp.flags & TH_ACK))
			return true;
		reset_host(f);			/* nobody listens there */
		return false;
	}
	if ((p->tcp.flags & (TH_SYN | TH_ACK)) != (TH_SYN | TH_ACK))
		return true;
	tcp_take_syn(f, p);
	tcp_rtt_end(t, t->snd_nxt);
	t->snd_una = t->snd_nxt;
	t->state = TS_OPEN;
	half_answered(f);
	t->retries = 0;
	/* The client has been connected for a while: its request is most likely
	 * there, and the acknowledgement can ride on it */
	t->flags &= ~(uint32_t)(TF_RTO_ON | TF_RX_DRY);
	t->flags |= TF_ACK_NOW;
	if (ev_add(t->sock, EVENTS, flow_ref(f, EV_TCP, 0))) {
		tcp_abort(f);
		return false;
	}
	return true;
}

/* The guest resets; false if the flow ended, which takes the very next number
 * (RFC 5961 3.2), or, as some systems have it, that of its end once more */
static bool take_rst(union flow *f, const struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;

	if (p->tcp.seq != tcp_in_end(f) &&
	    !(t->flags & TF_GUEST_FIN && p->tcp.seq == t->rcv_nxt - 1)) {
		if (seq_lt(t->rcv_nxt, p->tcp.seq) &&
		    seq_lt(p->tcp.seq, t->rcv_edge))
			challenge(t);
		return true;
	}
	tcp_in_reset();			/* no shutdown() will follow */
	if (tcp_in_deliver(f))
		reset_host(f);
	else
		reset_guest(f);
	return false;
}

/* RFC 9293 3.10.7.4 with the checks of RFC 5961; false if the flow ended */
static bool segment(union flow *f, struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;

	if (t->state == TS_DONE || t->state == TS_RESET)
		return t->state == TS_DONE;
	if (t->state == TS_TIME_WAIT) {
		if (p->tcp.flags & TH_RST && p->tcp.seq == t->rcv_nxt)
			finish(f);
		else if (!(p->tcp.flags & TH_RST) && seg_len(p))
			tcp_send_flags(f, TH_ACK);
		return false;
	}
	if (t->state == TS_SYN_SENT)
		return take_synack(f, p);

	if (p->tcp.flags & TH_RST)
		return take_rst(f, p);
	if (t->state == TS_CONNECTING) {
		/* A repeated SYN, or a new attempt from the same port */
		if ((p->tcp.flags & (TH_SYN | TH_ACK)) == TH_SYN)
			tcp_take_syn(f, p);
		return true;
	}
	if (p->tcp.flags & TH_SYN) {
		if (t->state == TS_SYN_RCVD && p->tcp.seq == t->rcv_nxt - 1)
			syn_again(f, TH_SYN | TH_ACK);
		else if (p->tcp.flags & TH_ACK)
			t->flags |= TF_ACK_NOW;	/* our last step was lost */
		else
			challenge(t);		/* RFC 5961 4 */
		return true;
	}
	if (!(p->tcp.flags & TH_ACK))
		return true;
	if (t->state == TS_SYN_RCVD && p->tcp.ack != t->snd_nxt) {
		tcp_send_rst_for(p);
		return true;
	}
	if (!tcp_take_ack(f, p)) {
		challenge(t);
		return true;
	}
	t->state = TS_OPEN;
	half_answered(f);
	if (tcp_in_take(f, p))
		return true;
	reset_guest(f);
	return false;
}

static bool is_syn(const struct pkt *p)
{
	return (p->tcp.flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN;
}

void tcp_input(const struct pkt *p, unsigned n)
{
	union flow *f = NULL;
	unsigned side, i;

	tcp_in_start();
	for (i = 0; i < n; i++) {
		struct pkt seg = p[i];

		if (!f)
			f = flow_find(IPPROTO_TCP, PIF_GUEST, &seg.src,
				      seg.sport, &seg.dst, seg.dport, &side);
		if (f && f->tcp.state == TS_DONE && is_syn(&seg)) {
			/* The port is used again: our ACK is not awaited, and
			 * would be answered by a reset of the new one */
			f->tcp.rcv_acked = f->tcp.rcv_nxt;
			tcp_consume(f);
			finish(f);
			f = NULL;
		} else if (f && f->tcp.state == TS_TIME_WAIT && is_syn(&seg)) {
			finish(f);
			f = NULL;
		}
		if (!f) {
			if (is_syn(&seg))
				tcp_syn(&seg);
			else
				tcp_send_rst_for(&seg);
			continue;
		}
		f->tcp.active = clock_ms();
		if ((seg.tos & TCP_TOS_MASK) != f->tcp.tos)
			tcp_take_tos(f, seg.tos);
		if (!segment(f, &seg)) {
			tcp_in_start();
			f = NULL;
		}
	}
	if (!f)
		return;
	if (!tcp_in_deliver(f)) {
		reset_guest(f);
		return;
	}
	/* Not on data: that has no room for what is to be told now */
	if (tcp_in_gap() && f->tcp.flags & TF_SACK)
		while (tcp_send_flags(f, TH_ACK) && ooo_news(&f->tcp.ooo))
			;
	if (f->tcp.flags & TF_URGENT)
		f->tcp.flags &= ~(uint32_t)TF_RX_DRY;
	/* After our FIN there is no window to open any more */
	if (!(f->tcp.flags & TF_FIN_ACKED) && !tcp_consume(f))
		reset_guest(f);
	else
		settle(f);
}

/* -------------------------------------------------------------- host socket */

/* The urgent byte is one like any other for us, but reads will stop before it;
 * left out of line, as by a listener that we were given, it would put all
 * offsets wrong */
static void urgent(struct tcp_flow *t)
{
	int on = 1;

	if (t->flags & TF_URGENT)
		return;
	t->flags |= TF_URGENT;
	if (setsockopt(t->sock, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)))
		debug_perror("SO_OOBINLINE");
}

void tcp_sock_ready(union ev_ref ref, uint32_t mask)
{
	union flow *f = flow_at(ref);
	struct tcp_flow *t;

	if (!f || f->tcp.state >= TS_DONE)
		return;
	t = &f->tcp;

	if (mask & EPOLLERR ||
	    (t->state == TS_CONNECTING && mask & EPOLLHUP)) {
		int e = sock_error(t->sock);

		if (log_shown(LOG_LVL_DEBUG))
			debug("%s: %s", flow_str(f), strerror(e));
		if (t->state == TS_CONNECTING)
			connect_failed(f, e);
		else
			reset_guest(f);
		return;
	}
	if (mask & EPOLLPRI)
		urgent(t);
	if (mask & (EPOLLRDHUP | EPOLLHUP))
		t->flags |= TF_RDHUP;
	if (mask & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP))
		t->flags &= ~(uint32_t)TF_RX_DRY;
	if (t->state == TS_CONNECTING) {
		if (mask & EPOLLOUT)
			connected(f);
		return;
	}
	if (mask & EPOLLOUT && t->flags & TF_BLOCKED && !tcp_in_drain(f)) {
		reset_guest(f);
		return;
	}
	/* An end of data that the guest has most likely no use for: new
	 * connections of this turn go first */
	if (t->flags & TF_GUEST_FIN && !t->hold.len)
		flow_wake(f);
	else
		settle(f);
}

void tcp_resume(union flow *f)
{
	if (f->h.type != FLOW_TCP)
		return;
	if (f->tcp.state == TS_RESET)
		reset_guest(f);
	else if (f->tcp.state == TS_DONE)
		complete(f);
	else if (!tcp_can_send(f) || sent(f, tcp_send_data(f)))
		settle(f);
}

/* -------------------------------------------------------------- deadlines */

/* Nothing came back in time; false if the flow ended */
static bool timed_out(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	unsigned limit = t->state == TS_OPEN ? WIN_DATA_TRIES : WIN_SYN_TRIES;

	/* A closed window may stay so while probes are answered: RFC 9293
	 * 3.8.6.1 */
	if (t->retries >= limit && t->snd_una != t->snd_nxt &&
	    (t->snd_wnd || t->state != TS_OPEN ||
	     clock_ms() - t->active > 2 * (WIN_RTO_MAX / MSEC))) {
		debug("%s: the guest does not answer", flow_str(f));
		tcp_abort(f);
		return false;
	}
	if (t->retries < UINT8_MAX)
		t->retries++;
	switch (t->state) {
	case TS_SYN_SENT:
		syn_again(f, TH_SYN);
		break;
	case TS_SYN_RCVD:
		syn_again(f, TH_SYN | TH_ACK);
		break;
	case TS_OPEN:
		if (t->snd_una == t->snd_nxt || !t->snd_wnd) {
			tcp_send_probe(f);
			break;
		}
		if (!sent(f, tcp_unanswered(f)))
			return false;
		break;
	}
	tcp_rto_restart(t);
	return true;
}

void tcp_timer(struct timer *timer)
{
	union flow *f = flow_of_timer(timer);
	struct tcp_flow *t = &f->tcp;
	uint32_t idle;

	if (t->state == TS_DONE)
		return;				/* on its way out */
	if (t->state == TS_TIME_WAIT) {
		finish(f);
		return;
	}
	if (t->state == TS_RESET) {
		reset_guest(f);
		return;
	}
	if (t->flags & TF_ACK_DUE && (int32_t)(t->ack_at - clock_ms()) <= 0) {
		/* Nothing to ride on came: do not wait the next time */
		t->flags &= ~(uint32_t)(TF_CHATTY | TF_ACK_DUE);
		t->flags |= TF_ACK_NOW;
	}
	if (t->flags & TF_RTO_ON && (int32_t)(t->rto_at - clock_ms()) <= 0 &&
	    rto_needed(t) && !timed_out(f))
		return;
	idle = clock_ms() - t->active;
	if (idle >= idle_max(t) + ALIVE_TRIES * ALIVE_WAIT) {
		debug("%s: the guest is gone", flow_str(f));
		tcp_abort(f);
		return;
	}
	if (idle >= idle_max(t) && t->state == TS_OPEN)
		tcp_send_probe(f);
	settle(f);
}
