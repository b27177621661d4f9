// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_open.c - the first state of a connection
 *
 * What a connection starts from: our initial sequence number, the sizes of
 * segments, the window scales, and what the other end says of these in its SYN.
 * And what its SYN is told if it leads nowhere.
 */
#include "tcp_open.h"

#include <errno.h>

#include "guest.h"
#include "send.h"
#include "siphash.h"
#include "sock.h"
#include "tcp_seg.h"
#include "tcp_win.h"
#include "util.h"

static uint32_t initial_seq(const struct side *s)
{
	/* RFC 6528: keyed hash of the endpoints plus a clock; 32 ns per step */
	return (uint32_t)siphash(s, sizeof(*s)) +
	       (uint32_t)(clock_now() * 1000 / 32);
}

void tcp_open(union flow *f, unsigned side, int fd, uint8_t state)
{
	const struct side *s = &f->h.side[side];
	struct tcp_flow *t = &f->tcp;
	unsigned hdr = (addr_is4(&s->peer) ? IP4_HLEN : IP6_HLEN) + TCP_HLEN;

	t->sock = fd;
	t->state = state;
	t->side = (uint8_t)side;
	t->flags = TF_CHATTY | TF_RX_DRY;	/* dry until an event says */
	t->snd_una = t->snd_nxt = initial_seq(s);
	t->consumed = t->peek_at = t->snd_una + 1;
	t->label = (uint16_t)(t->snd_una * 0x9e3779b1U >> 16);
	t->rcv_mss = t->mss = win_mss(guest()->mtu, hdr, UINT16_MAX);
	t->rcv_ws = WIN_SCALE;
	t->active = clock_ms();
	t->challenged = (uint8_t)(t->active / TCP_CHALLENGE_MS - 1);
}

void tcp_take_syn(union flow *f, const struct pkt *p)
{
	struct tcp_flow *t = &f->tcp;
	struct seg_opts o;

	seg_opts_parse(p, &o);
	t->mss = MIN(t->mss, MAX(o.mss, 48));
	t->flags &= ~(uint32_t)(TF_WSCALE | TF_SACK);
	if (o.sack)
		t->flags |= TF_SACK;
	t->snd_ws = 0;
	if (o.has_ws) {
		t->flags |= TF_WSCALE;
		t->snd_ws = o.ws;
	}
	t->snd_wnd = p->tcp.win;	/* unscaled in a SYN: RFC 7323 2.2 */
	t->rcv_nxt = t->rcv_acked = t->rcv_edge = p->tcp.seq + 1;
}

void tcp_take_tos(union flow *f, uint8_t tos)
{
	struct tcp_flow *t = &f->tcp;

	t->tos = tos & TCP_TOS_MASK;
	sock_tos(t->sock, addr_is4(&f->h.side[!t->side].peer), t->tos);
}

bool tcp_send_unreach(const struct pkt *p, int e)
{
	struct hdr_ip ip = {
		.smac = guest()->mac, .dmac = guest()->our_mac,
		.src = p->src, .dst = p->dst,
		.proto = IPPROTO_TCP, .ttl = 64,
	};
	uint8_t quote[HDR_ROOM], type, code;
	size_t n;

	if (e == ECONNREFUSED ||
	    !send_unreach_code(e, addr_is4(&p->dst), &type, &code))
		return false;
	/* Without options, which nobody needs to find the connection */
	n = hdr_put_ip(quote, &ip, TCP_HLEN);
	n += hdr_put_tcp(quote + n, p->sport, p->dport, p->tcp.seq, 0, TH_SYN,
			 p->tcp.win, NULL, 0);
	send_icmp_quote(send_router(&p->dst), &p->src, type, code, 0,
			quote + ETH_HLEN_, n - ETH_HLEN_);
	return true;
}
