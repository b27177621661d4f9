// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_ack.c - what the guest acknowledges, and what follows if it does not
 *
 * The oldest byte not acknowledged moves on, the round trip is measured, holes
 * become known, windows open: all that an acknowledgement says is entered here,
 * and a loss is answered, at once where it can be seen, else when the time is
 * up. Which deadline is next, and when a connection has failed, is for tcp.c.
 */
#include "tcp_ack.h"

#include "tcp_out.h"
#include "tcp_seg.h"
#include "tcp_win.h"
#include "util.h"

#define HOLES_PER_ACK	32
#define MUCH		65536U	/* bytes not to be sent again for a guess */

void tcp_rtt_start(struct tcp_flow *t, uint32_t seq)
{
	t->flags |= TF_RTT_BUSY;
	t->rtt_seq = seq;
	t->rtt_at = (uint32_t)clock_now();
}

void tcp_rtt_end(struct tcp_flow *t, uint32_t ack)
{
	if (!(t->flags & TF_RTT_BUSY) || !seq_lt(t->rtt_seq, ack))
		return;
	t->flags &= ~(uint32_t)TF_RTT_BUSY;
	win_rtt(&t->srtt, &t->rttvar, (uint32_t)clock_now() - t->rtt_at);
}

void tcp_rto_restart(struct tcp_flow *t)
{
	bool asks = t->flags & TF_SACK && t->state == TS_OPEN &&
		    t->snd_una != t->snd_nxt;
	unsigned tries = t->retries;
	uint32_t wait;

	if (asks && !tries)
		wait = win_probe(t->srtt, t->rttvar, t->sack.head);
	else		/* the question is not one of the tries */
		wait = win_rto(t->srtt, t->rttvar, tries - asks);
	t->flags |= TF_RTO_ON;
	t->rto_at = clock_ms() + wait / (uint32_t)MSEC;
}

/* Send again, from the oldest on: @all that the guest does not have, or what it
 * says it misses. With a guest that does not say, one frame at a time */
static void recover(union flow *f, bool all)
{
	struct tcp_flow *t = &f->tcp;

	t->flags |= TF_RECOVER | (all ? TF_ALL_LOST : 0U);
	t->recover = t->snd_nxt;
	if (t->flags & TF_SACK)
		sack_start(&t->sack, t->snd_una, t->snd_nxt);
	else
		tcp_resend(f);
}

/* The guest acknowledges something new */
static void ack_advance(union flow *f, uint32_t ack)
{
	struct tcp_flow *t = &f->tcp;

	/* Not lost at all, but late: it has some of what did not go again */
	if (t->flags & TF_ALL_LOST &&
	    seq_lt(seq_max(t->sack.next, sack_high(&t->sack, t->snd_una)), ack))
		t->flags &= ~(uint32_t)TF_ALL_LOST;
	tcp_rtt_end(t, ack);
	t->snd_una = ack;
	t->retries = 0;
	sack_acked(&t->sack, ack);
	if (t->flags & TF_FIN_SENT && ack == t->snd_nxt)
		t->flags |= TF_FIN_ACKED;
	if (t->flags & TF_RECOVER && !seq_lt(ack, t->recover)) {
		t->flags &= ~(uint32_t)(TF_RECOVER | TF_ALL_LOST | TF_ASKED);
		if (t->sack.head) {
			t->flags |= TF_RECOVER;	/* there are more */
			t->recover = t->snd_nxt;
		}
	} else if (t->flags & TF_ASKED && !t->sack.head) {
		/* It had none of those behind, or would have said so. If it has
		 * more than an answer could tell, that was none, but late; so it
		 * may be anyway, and before much goes again, the next one tells */
		t->flags &= ~(uint32_t)TF_ASKED;
		if (!seq_lt(t->rtt_seq, ack)) {
			t->flags |= TF_ALL_LOST;
			sack_start(&t->sack, t->snd_una, t->snd_nxt);
			if (t->snd_nxt - ack > MUCH)
				t->holes = 1;
		}
	} else if (t->flags & TF_RECOVER && !(t->flags & TF_SACK)) {
		tcp_resend(f);		/* RFC 6582: the next hole */
	}
	tcp_rto_restart(t);
}

/* What the guest has beyond a gap. This link does not reorder, so a gap is a
 * loss at once */
static void take_sack(union flow *f, const struct pkt *p)
{
	struct seg_block b[SEG_BLOCKS];
	struct tcp_flow *t = &f->tcp;
	unsigned n = seg_sack_parse(p, b, ARRAY_LEN(b));
	uint32_t high = sack_high(&t->sack, t->snd_una);
	bool first = !t->sack.head;

	if (!sack_take(&t->sack, t->snd_una, t->snd_nxt, b, n))
		return;
	if (!(t->flags & TF_RECOVER))
		recover(f, false);
	else if (t->flags & TF_ASKED && first)
		sack_start(&t->sack, t->snd_una, t->snd_nxt);
	/* To fill holes is no answer to what there is behind them */
	if (seq_lt(high, sack_high(&t->sack, t->snd_una)))
		t->flags &= ~(uint32_t)TF_ASKED;
	t->retries = 0;
	tcp_rto_restart(t);
}

/* What the guest threw away while its window was closed goes again at once */
static void window_opens(union flow *f)
{
	struct tcp_flow *t = &f->tcp;

	t->retries = 0;				/* those were probes */
	tcp_rto_restart(t);
	if (t->snd_una != t->snd_nxt)
		recover(f, !t->sack.head);
}

bool tcp_take_ack(union flow *f, const struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t ack = p->tcp.ack, wnd = (uint32_t)p->tcp.win << t->snd_ws;

	/* Of what was never sent, or older than any that can be on its way:
	 * RFC 5961 5 */
	if (seq_lt(t->snd_nxt, ack) || seq_lt(ack, t->snd_una - WIN_SND_MAX))
		return false;
	t->holes = HOLES_PER_ACK;
	if (seq_lt(ack, t->snd_una))
		return true;
	if (ack != t->snd_una) {
		ack_advance(f, ack);
	} else if (!seg_len(p) && wnd == t->snd_wnd && t->snd_una != t->snd_nxt &&
		   t->state == TS_OPEN && wnd &&
		   !(t->flags & (TF_RECOVER | TF_SACK))) {
		/* This link does not reorder: one duplicate means a loss */
		recover(f, false);
	}
	if (t->flags & TF_SACK && p->tcp.optlen && t->state == TS_OPEN)
		take_sack(f, p);
	if (!t->snd_wnd && wnd && t->state == TS_OPEN)
		window_opens(f);
	t->snd_wnd = wnd;
	return true;
}

/*
 * A guest with selective acknowledgements is asked by one frame for what it
 * misses; if it had said so, all of that goes once more. When that does not
 * help, or it seems to miss what it had, what it said counts no more: it may
 * have changed its mind (RFC 2018 8).
 */
enum tcp_verdict tcp_unanswered(union flow *f)
{
	struct tcp_flow *t = &f->tcp;

	t->holes = HOLES_PER_ACK;
	if (t->retries > 2 || sack_taken_back(&t->sack, t->snd_una))
		sack_free(&t->sack);
	t->flags |= TF_RECOVER;
	t->recover = t->snd_nxt;
	sack_start(&t->sack, t->snd_una, t->snd_nxt);
	if (t->flags & TF_SACK && t->sack.head) {
		t->flags |= TF_ASKED | (t->retries > 1 ? TF_ALL_LOST : 0U);
		t->flags &= ~(uint32_t)TF_RTT_BUSY;
		t->rtt_seq = sack_high(&t->sack, t->snd_una);
		return tcp_send_data(f);
	}

	if (t->flags & TF_SACK) {
		t->flags |= TF_ASKED;
		sack_filled(&t->sack, t->recover, t->snd_nxt);
	}
	/* Without room for it, the time-out is what comes next */
	return tcp_resend(f) == TCP_RESET ? TCP_RESET : TCP_OK;
}
