// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_out.c - everything TCP sends to the guest: data, flags, resets
 *
 * Data stays in the host socket until the guest has acknowledged it: it is
 * peeked straight into the room that the guest port lends, and later discarded
 * by length. So there is no retransmission buffer of our own, and a resend is
 * a peek at a lower offset.
 *
 *     consumed        snd_una          snd_nxt
 *        |  acked, but   |  in flight     |  not sent yet
 *        |  not consumed |                |
 *        [------------ host socket's receive queue ------------]
 *
 * What precedes the wanted byte is skipped by SO_PEEK_OFF, or, if it is little
 * or the kernel has no such thing, by reading it into a scratch buffer.
 *
 * What is acknowledged is consumed at once, be it ever so little: a few bytes
 * left behind keep the whole buffer they came in, and that can be most of the
 * receive window.
 */
#include "tcp_out.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "guest.h"
#include "log.h"
#include "sock.h"
#include "tap.h"
#include "tcp_seg.h"
#include "tcp_win.h"

#define BUDGET_SLOTS	8		/* super-frames per call */
#define BUDGET_BYTES	(512U << 10)

/* Peeked at a time without segmentation offload: more would push its first
 * bytes out of the caches before they are sent, and be peeked in vain if the
 * port takes less */
#define BATCH_BYTES	(192U << 10)

#define SKIP_MAX	4096U		/* bytes rather read than SO_PEEK_OFF */
#define SKIP_SCRATCH	65536U
#define SKIP_IOVS	16		/* scratch repeated: kernels without */
#define PEEK_IOVS	(SKIP_IOVS + TAP_BATCH * 2)	/* of all slots */

#define WIDEN_FROM	32U		/* KiB have come: widen() begins */
#define WIDEN_TO	(WIN_SND_MAX / 4 >> 10)	/* ... and has done its work */
#define WIDEN_RTT	5000U			/* us, of the path outside */

#define TCP_TTL		255

static struct {
	uint8_t scratch[SKIP_SCRATCH];
} out;

/* -------------------------------------------------------------- headers */

static struct side *guest_side(union flow *f)
{
	return &f->h.side[f->tcp.side];
}

/* Room in the send buffer of the host socket, bytes */
static uint32_t send_room(int fd)
{
	uint32_t m[SK_MEMINFO_VARS];
	socklen_t len = sizeof(m);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, m, &len) ||
	    len < (SK_MEMINFO_WMEM_QUEUED + 1) * sizeof(m[0]) ||
	    m[SK_MEMINFO_WMEM_QUEUED] >= m[SK_MEMINFO_SNDBUF])
		return 0;
	return m[SK_MEMINFO_SNDBUF] - m[SK_MEMINFO_WMEM_QUEUED];
}

/* The window field for the next segment; moves the right edge, never back */
static uint16_t window(struct tcp_flow *t, bool syn)
{
	uint32_t room = 0, win, edge, round;
	unsigned ws = syn || !(t->flags & TF_WSCALE) ? 0 : t->rcv_ws;

	if (t->flags & TF_ROOM_LOW && !t->hold.len) {
		room = send_room(t->sock);
		if (room >= WIN_RCV_MAX)
			t->flags &= ~(uint32_t)TF_ROOM_LOW;
	}
	win = win_to_guest(t->hold.len, hold_room(), t->flags & TF_ROOM_LOW,
			   room, t->rcv_mss, t->ooo.head);
	edge = seq_max(t->rcv_edge, t->rcv_nxt + win);

	/* RFC 7323 2.3 leaves rounding to us: up, so that it never shrinks -
	 * but with tiny segments it would never end either */
	round = t->hold.len > WIN_RCV_MAX ? 0 : (1U << ws) - 1;
	win = (edge - t->rcv_nxt + round) >> ws;
	if (win > UINT16_MAX)
		win = UINT16_MAX;
	t->rcv_edge = seq_max(t->rcv_edge, t->rcv_nxt + (win << ws));
	return (uint16_t)win;
}

/* Fill the headers of @slot; its len says how much payload there is */
static void put_headers(union flow *f, struct tap_slot *slot, uint32_t seq,
			uint8_t flags, uint16_t win)
{
	const struct side *s = guest_side(f);
	const struct tap_caps *caps = tap_caps();
	struct tcp_flow *t = &f->tcp;
	uint8_t opt[MAX(SEG_OPT_SYN, SEG_OPT_SACK)];
	size_t optlen = 0, n;
	struct hdr_ip ip = {
		.smac = guest()->our_mac, .dmac = guest()->mac,
		.src = s->ours, .dst = s->peer,
		.proto = IPPROTO_TCP, .ttl = TCP_TTL,
		/* RFC 6437 3: constant in a flow, not zero, not telling */
		.flowlabel = (uint32_t)t->label << 4 | 1,
	};

	if (flags & TH_SYN) {
		bool ws = !(flags & TH_ACK) || t->flags & TF_WSCALE;
		bool sack = !(flags & TH_ACK) || t->flags & TF_SACK;

		optlen = seg_opts_put(opt, t->rcv_mss, ws ? t->rcv_ws : -1,
				      sack);
	} else if (t->flags & TF_SACK && !slot->len) {
		struct seg_block b[SEG_BLOCKS];
		unsigned k = ooo_blocks(&t->ooo, b, SEG_BLOCKS);

		if (k)
			optlen = seg_sack_put(opt, b, k);
	}
	n = hdr_put_ip(slot->hdr, &ip, TCP_HLEN + optlen + slot->len);
	n += hdr_put_tcp(slot->hdr + n, s->ours_port, s->peer_port, seq,
			 flags & TH_ACK ? t->rcv_nxt : 0, flags, win, opt,
			 optlen);
	slot->hdrlen = n;
	slot->csum_partial = caps->csum;
	slot->gso = TAP_GSO_NONE;
	if (slot->len > t->mss) {
		slot->gso = addr_is4(&s->peer) ? TAP_GSO_TCP4 : TAP_GSO_TCP6;
		slot->gso_size = t->mss;
	}
	if (!caps->csum && slot->len) {
		struct iovec cut[PEEK_IOVS];
		struct cursor c;
		size_t len;
		unsigned k;

		cur_init(&c, slot->data, slot->len);
		k = cur_iov(&c, cut, PEEK_IOVS, &len);
		hdr_seal(slot->hdr, n, cut, k, false);
		return;
	}
	hdr_seal(slot->hdr, n, NULL, 0, caps->csum);
}

/* A segment that carried an acknowledgement has gone out */
static void ack_sent(struct tcp_flow *t)
{
	t->rcv_acked = t->rcv_nxt;
	t->flags &= ~(uint32_t)(TF_ACK_DUE | TF_ACK_NOW);
}

static bool send_empty(union flow *f, uint32_t seq, uint8_t flags)
{
	struct tcp_flow *t = &f->tcp;
	struct tap_slot slot;

	if (tap_reserve(&slot, 1, HDR_ROOM, 0) != 1)
		return false;
	slot.len = 0;
	put_headers(f, &slot, seq, flags, window(t, flags & TH_SYN));
	if (tap_commit(&slot, 1, 1, true) != 1)
		return false;
	if (flags & TH_ACK)
		ack_sent(t);
	return true;
}

bool tcp_send_flags(union flow *f, uint8_t flags)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t seq = t->snd_nxt;

	if (flags & TH_SYN)
		seq = t->snd_una;	/* the same again when repeated */
	return send_empty(f, seq, flags);
}

bool tcp_send_probe(union flow *f)
{
	/* RFC 9293 3.8.4, as Linux does it: below the window, so it asks for
	 * an answer and delivers nothing */
	return send_empty(f, f->tcp.snd_una - 1, TH_ACK);
}

void tcp_send_rst_for(const struct pkt *p)
{
	struct hdr_ip ip = {
		.smac = guest()->our_mac, .dmac = p->smac,
		.src = p->dst, .dst = p->src,
		.proto = IPPROTO_TCP, .ttl = TCP_TTL,
	};
	struct tap_slot slot;
	uint32_t seq, ack;
	uint8_t flags;
	size_t n;

	if (p->tcp.flags & TH_RST || !addr_is_unicast(&p->dst))
		return;
	flags = seg_rst_for(p, &seq, &ack);
	if (tap_reserve(&slot, 1, HDR_ROOM, 0) != 1)
		return;
	n = hdr_put_ip(slot.hdr, &ip, TCP_HLEN);
	n += hdr_put_tcp(slot.hdr + n, p->dport, p->sport, seq, ack, flags, 0,
			 NULL, 0);
	slot.hdrlen = n;
	slot.len = 0;
	slot.gso = TAP_GSO_NONE;
	slot.csum_partial = tap_caps()->csum;
	hdr_seal(slot.hdr, n, NULL, 0, slot.csum_partial);
	tap_commit(&slot, 1, 1, true);
}

/* -------------------------------------------------------------- data */

/*
 * widen() - @n bytes have been taken out of the host socket for good
 *
 * The kernel sizes its receive queue, and with it the remote's window, by how
 * fast it is read, but takes what we have only peeked at for what nobody wants:
 * on long paths windows would grow slowly, or late. A low-water mark, set and
 * taken back, makes the queue that large at once: four times what has come so
 * far. On short paths it is left alone: the less waits, the more of it is still
 * in the caches.
 */
static void widen(struct tcp_flow *t, uint32_t n)
{
	uint32_t before = t->taken, now = before + (n >> 10);
	int v, one = 1;

	if (before >= WIDEN_TO)
		return;
	t->taken = (uint16_t)now;		/* n is below WIN_SND_MAX */
	if (now < WIDEN_FROM || (now ^ before) <= before)
		return;				/* no power of two between */
	if (sock_rtt(t->sock) < WIDEN_RTT) {
		t->taken = WIDEN_TO;
		return;
	}
	v = (int)MIN(4 * now << 10, WIN_SND_MAX);
	if (setsockopt(t->sock, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)) ||
	    setsockopt(t->sock, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)))
		debug_perror("SO_RCVLOWAT");
}

bool tcp_consume(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t end = t->snd_una, n;

	if (t->flags & TF_FIN_ACKED)
		end--;			/* a FIN is no byte of the socket */
	if (seq_le(end, t->consumed))		/* below: our SYN is not acked */
		return true;

	for (n = end - t->consumed; n;) {
		ssize_t r = recv(t->sock, NULL, n, MSG_TRUNC | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		t->consumed += (uint32_t)r;
		n -= (uint32_t)r;
		widen(t, (uint32_t)r);
	}
	if (seq_lt(t->peek_at, t->consumed))	/* so does the kernel */
		t->peek_at = t->consumed;
	return true;
}

/* Arrange for the next peek to start at sequence @seq: by scratch elements in
 * front (@iov, returns how many), or by the kernel's peek offset */
static unsigned skip_to(struct tcp_flow *t, uint32_t seq, struct iovec *iov,
			size_t *skip)
{
	uint32_t off = seq - t->consumed;
	unsigned n = 0;

	*skip = 0;
	if (!(t->flags & TF_PEEK_OFF) &&
	    (off > SKIP_MAX || t->flags & TF_URGENT) &&
	    sock_features()->tcp_peek_off) {
		t->flags |= TF_PEEK_OFF;
		t->peek_at = seq - 1;		/* anything but seq */
	}
	if (t->flags & TF_PEEK_OFF) {
		int v = (int)off;

		if (t->peek_at != seq &&
		    setsockopt(t->sock, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)))
			debug_perror("SO_PEEK_OFF %i", v);
		t->peek_at = seq;
		return 0;
	}

	*skip = off;
	for (; off; n++) {
		iov[n].iov_base = out.scratch;
		iov[n].iov_len = MIN(off, SKIP_SCRATCH);
		off -= (uint32_t)iov[n].iov_len;
	}
	return n;
}

/*
 * peek() - Fill @slot[0..n) with bytes from sequence @seq on, @want at most;
 * it is lowered to what was asked of the socket
 * Return: bytes; 0 at the end of data; -errno, -EAGAIN without data
 */
static ssize_t peek(struct tcp_flow *t, uint32_t seq, struct tap_slot *slot,
		    int n, uint32_t *want)
{
	struct iovec iov[PEEK_IOVS];
	struct msghdr msg = { .msg_iov = iov };
	size_t skip, left = *want;
	unsigned k = skip_to(t, seq, iov, &skip), j;
	ssize_t got;
	int i;

	for (i = 0; i < n && left; i++) {
		for (j = 0; j < slot[i].ndata && left; j++) {
			if (k == ARRAY_LEN(iov))
				break;
			iov[k] = slot[i].data[j];
			if (iov[k].iov_len > left)
				iov[k].iov_len = left;
			left -= iov[k++].iov_len;
		}
	}
	msg.msg_iovlen = k;
	*want -= (uint32_t)left;	/* more pieces than we can describe */

	do
		got = recvmsg(t->sock, &msg, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (t->flags & TF_PEEK_OFF)
		t->peek_at = seq + (uint32_t)got;
	if ((size_t)got > skip)
		return got - (ssize_t)skip;

	/* Behind skipped bytes the end is not told apart from "not yet" */
	if (skip && (!(t->flags & TF_RDHUP) || t->flags & TF_URGENT))
		return -EAGAIN;
	return 0;
}

/* Headers of a segment with data */
static uint32_t data_hdrlen(const union flow *f)
{
	const struct side *s = &f->h.side[f->tcp.side];

	return (uint32_t)hdr_ip_len(&s->peer) + TCP_HLEN;
}

/* The payload of one frame: as many whole segments as the port may take */
static uint32_t chunk_size(const union flow *f)
{
	const struct tap_caps *caps = tap_caps();
	uint32_t mss = f->tcp.mss, max;

	if (!caps->tso)
		return mss;
	max = caps->max_frame - data_hdrlen(f);
	max = MIN(max, TAP_DATA_MAX - IP4_HLEN - TCP_HLEN);
	return max < mss ? max : max / mss * mss;
}

/* Our FIN is out. Whoever acknowledges it has seen the acknowledgement that it
 * carried as well */
static void fin_sent(struct tcp_flow *t)
{
	t->flags |= TF_HOST_EOF | TF_FIN_SENT;
	if (t->flags & TF_GUEST_FIN)
		t->flags |= TF_FIN_KNOWS;
}

/*
 * send_range() - Peek at @seq and send up to @limit bytes in up to @frames
 * @sent:	sequence space accepted by the port, FIN included
 */
static enum tcp_verdict send_range(union flow *f, uint32_t seq, uint32_t limit,
				   int frames, uint32_t *sent)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t chunk = chunk_size(f), at = 0;
	struct tap_slot slot[TAP_BATCH] not_cleared;
	bool fin = false;
	int n, used = 0, done, i;
	uint16_t win;
	ssize_t got;

	*sent = 0;
	n = (int)MIN((limit + chunk - 1) / chunk, (uint32_t)frames);
	n = tap_reserve(slot, n, data_hdrlen(f), MIN(chunk, limit));
	if (!n)
		return TCP_MORE;
	limit = MIN(limit, (uint32_t)(n - 1) * chunk + (uint32_t)slot[n - 1].room);

	got = peek(t, seq, slot, n, &limit);
	if (got <= 0) {
		tap_commit(slot, n, 0, false);
		if (got < 0 && got != -EAGAIN)
			return TCP_RESET;
		t->flags |= TF_RX_DRY;
		if (!got)
			t->flags |= TF_HOST_EOF;
		return TCP_OK;
	}
	if (got < (ssize_t)limit && !(t->flags & TF_URGENT)) {
		t->flags |= TF_RX_DRY;
		/* All there was, and the end was announced: FIN rides along */
		fin = t->flags & TF_RDHUP && seq == t->snd_nxt;
	}

	win = window(t, false);
	for (; at < (uint32_t)got; used++) {
		uint8_t flags = TH_ACK;

		slot[used].len = MIN((uint32_t)got - at, chunk);
		if (at + slot[used].len == (uint32_t)got)
			flags |= TH_PSH | (fin ? TH_FIN : 0);
		put_headers(f, &slot[used], seq + at, flags, win);
		at += (uint32_t)slot[used].len;
	}
	done = tap_commit(slot, n, used, false);
	for (i = 0; i < done; i++)
		*sent += (uint32_t)slot[i].len;
	if (done)
		ack_sent(t);
	if (done < used) {
		t->flags &= ~(uint32_t)TF_RX_DRY;
		return TCP_MORE;
	}
	if (fin) {
		fin_sent(t);
		++*sent;
	}
	return TCP_OK;
}

/* Bytes that may be sent now: by the guest's window and by our means */
static uint32_t send_window(const struct tcp_flow *t)
{
	uint32_t flight = t->snd_nxt - t->snd_una;
	uint32_t room = MIN(t->snd_wnd, WIN_SND_MAX);

	if (!sock_features()->tcp_peek_off)
		room = MIN(room, SKIP_IOVS * SKIP_SCRATCH -
			   (t->snd_una - t->consumed));
	return room > flight ? room - flight : 0;
}

/* What the guest misses, and is next to be sent again. After a time-out it is
 * all that it has not told of */
static bool next_hole(const struct tcp_flow *t, struct seg_block *b)
{
	if (sack_hole(&t->sack, t->snd_una, b))
		return true;
	b->start = seq_max(t->sack.next, sack_high(&t->sack, t->snd_una));
	b->end = t->recover;
	return t->flags & TF_ALL_LOST && seq_lt(b->start, b->end);
}

bool tcp_can_send(const union flow *f)
{
	const struct tcp_flow *t = &f->tcp;
	struct seg_block b;

	if (t->flags & TF_RECOVER && t->flags & TF_SACK && t->holes &&
	    next_hole(t, &b))
		return t->state == TS_OPEN;
	if (t->state != TS_OPEN || t->flags & TF_FIN_SENT)
		return false;
	if (t->flags & TF_HOST_EOF)
		return true;
	return !(t->flags & TF_RX_DRY) && send_window(t);
}

/* Send again, up to the budget, which is lowered by it. To fill holes of a byte
 * each, as a guest could make them, costs frames and no budget: so they are
 * counted, and the next acknowledgement is waited for */
static enum tcp_verdict send_holes(union flow *f, int frames, uint32_t *budget)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t keep = t->flags & (TF_RX_DRY | TF_HOST_EOF), sent;
	uint32_t fin = t->snd_nxt - !!(t->flags & TF_FIN_SENT);
	enum tcp_verdict v = TCP_OK;
	struct seg_block b;

	while (v == TCP_OK && t->holes && next_hole(t, &b)) {
		if (!*budget) {
			v = TCP_MORE;
			break;
		}
		t->flags &= ~(uint32_t)TF_RTT_BUSY;	/* Karn: RFC 6298 3 */
		if (b.start == fin) {
			sent = send_empty(f, fin, TH_FIN | TH_ACK);
			v = sent ? TCP_OK : TCP_MORE;
		} else {
			if (seq_lt(fin, b.end))
				b.end = fin;
			v = send_range(f, b.start,
				       MIN(b.end - b.start, *budget), frames,
				       &sent);
		}
		if (!sent && v == TCP_OK)
			v = TCP_RESET;		/* it should be there */
		*budget -= MIN(*budget, sent);
		t->holes -= !!sent;
		sack_filled(&t->sack, b.start + sent, t->snd_nxt);
	}
	t->flags = (t->flags & ~(uint32_t)(TF_RX_DRY | TF_HOST_EOF)) | keep;
	return v;
}

enum tcp_verdict tcp_send_data(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t chunk = chunk_size(f), sent, room;
	/* It shall not end within a frame that could have been full */
	uint32_t budget = BUDGET_BYTES / chunk * chunk;
	int frames = tap_caps()->tso ? BUDGET_SLOTS :
		     (int)MIN(BATCH_BYTES / chunk + 1, TAP_BATCH);

	if (t->flags & TF_RECOVER && t->flags & TF_SACK) {
		enum tcp_verdict v = send_holes(f, frames, &budget);

		if (v != TCP_OK)
			return v;
	}
	if (t->flags & TF_FIN_SENT)
		return TCP_OK;
	while (!(t->flags & (TF_RX_DRY | TF_HOST_EOF)) &&
	       (room = send_window(t))) {
		enum tcp_verdict v;

		if (!budget)
			return TCP_MORE;
		v = send_range(f, t->snd_nxt, MIN(room, budget), frames,
			       &sent);
		if (sent && !(t->flags & (TF_RTT_BUSY | TF_ASKED))) {
			t->flags |= TF_RTT_BUSY;
			t->rtt_seq = t->snd_nxt;
			t->rtt_at = (uint32_t)clock_now();
		}
		if (sent && t->flags & TF_HEARD)
			t->flags = (t->flags & ~(uint32_t)TF_HEARD) | TF_CHATTY;
		t->snd_nxt += sent;
		budget -= MIN(budget, sent);
		if (v != TCP_OK)
			return v;
	}

	if (t->flags & TF_HOST_EOF && !(t->flags & TF_FIN_SENT)) {
		if (!tcp_send_flags(f, TH_FIN | TH_ACK))
			return TCP_MORE;
		fin_sent(t);
		t->snd_nxt++;
	}
	return TCP_OK;
}

void tcp_send_rest(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t room, sent;

	t->flags &= ~(uint32_t)TF_RX_DRY;
	while (!(t->flags & (TF_RX_DRY | TF_HOST_EOF)) &&
	       (room = send_window(t))) {
		enum tcp_verdict v = send_range(f, t->snd_nxt,
						MIN(room, BATCH_BYTES),
						BUDGET_SLOTS, &sent);

		t->snd_nxt += sent;
		if (v != TCP_OK || !sent)
			break;
	}
}

enum tcp_verdict tcp_resend(union flow *f)
{
	struct tcp_flow *t = &f->tcp;
	uint32_t keep = t->flags & (TF_RX_DRY | TF_HOST_EOF), sent;
	uint32_t data = t->snd_nxt - t->snd_una;
	enum tcp_verdict v;

	t->flags &= ~(uint32_t)TF_RTT_BUSY;	/* Karn: RFC 6298 3 */
	t->rtt_seq = t->snd_una + 1;
	if (t->flags & TF_FIN_SENT && !--data)
		return send_empty(f, t->snd_una, TH_FIN | TH_ACK) ? TCP_OK :
								    TCP_MORE;
	if (!data)
		return TCP_OK;
	v = send_range(f, t->snd_una, data, 1, &sent);
	t->rtt_seq = t->snd_una + sent;
	t->flags = (t->flags & ~(uint32_t)(TF_RX_DRY | TF_HOST_EOF)) | keep;
	return v;
}
