/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_flow.h - what the flow table holds for TCP; types only
 *
 * Names follow RFC 9293 as seen by us on the guest's link: SND is towards the
 * guest, RCV from it.
 */
#ifndef TCP_FLOW_H
#define TCP_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "hold.h"
#include "tcp_ooo.h"
#include "tcp_sack.h"

#define TCP_CHALLENGE_MS	512U	/* a power of two, as the clock wraps */

enum tcp_state {
	TS_CONNECTING,		/* host connect() pending, guest waits */
	TS_SYN_SENT,		/* SYN sent to the guest (inbound) */
	TS_SYN_RCVD,		/* SYN+ACK sent to the guest, no ACK yet */
	TS_OPEN,		/* established; ends tracked by flags */
	TS_DONE,		/* both ends are, to be closed when there is
				 * time */
	TS_RESET,		/* over, but the guest could not be told yet */
	TS_TIME_WAIT,		/* over, but our last acknowledgement may have
				 * been lost; there is no socket any more */
};

enum tcp_flow_flag {
	TF_GUEST_FIN	= 1 << 0,	/* guest's FIN received in order */
	TF_HOST_SHUT	= 1 << 1,	/* ... and passed on by shutdown() */
	TF_HOST_EOF	= 1 << 2,	/* host's end of data was read */
	TF_FIN_SENT	= 1 << 3,	/* our FIN is the byte below snd_nxt */
	TF_FIN_ACKED	= 1 << 4,
	TF_ACK_DUE	= 1 << 5,	/* something to acknowledge, delayed */
	TF_ACK_NOW	= 1 << 6,	/* at the end of this run */
	TF_BLOCKED	= 1 << 7,	/* host socket took not all: wait for
					 * EPOLLOUT */
	TF_CHATTY	= 1 << 8,	/* request and response alternate: an
					 * ACK is likely to ride on data */
	TF_PEEK_OFF	= 1 << 9,	/* SO_PEEK_OFF is in use */
	TF_HEARD	= 1 << 10,	/* data from the guest since we last
					 * sent some */
	TF_RX_DRY	= 1 << 11,	/* nothing more to peek as of now */
	TF_RDHUP	= 1 << 12,	/* the host will send no more */
	TF_WSCALE	= 1 << 13,	/* both sides offered scaling */
	TF_RTT_BUSY	= 1 << 14,	/* a round trip is being measured */
	TF_RECOVER	= 1 << 15,	/* resending since a loss, up to recover */
	TF_ROOM_LOW	= 1 << 16,	/* host socket was full not long ago */
	TF_KEEPALIVE	= 1 << 17,	/* SO_KEEPALIVE turned on */
	TF_URGENT	= 1 << 18,	/* urgent data seen: a short read does
					 * not mean the end of data */
	TF_RTO_ON	= 1 << 19,	/* rto_at is valid */
	TF_SACK		= 1 << 20,	/* both sides offered it */
	TF_ALL_LOST	= 1 << 21,	/* resending: all up to recover that the
					 * guest has not told of */
	TF_ASKED	= 1 << 22,	/* something was sent again after a time-
					 * out: the answer tells what else is
					 * missing */
	TF_FIN_KNOWS	= 1 << 23,	/* our FIN, when it was sent first,
					 * acknowledged the guest's */
};

struct tcp_flow {
	int		sock;
	uint32_t	flags;
	uint32_t	rcv_nxt;	/* next byte expected from the guest */
	uint32_t	rcv_acked;	/* last acknowledgement sent */
	uint32_t	rcv_edge;	/* right edge of the window announced */
	uint32_t	snd_una;	/* oldest byte not acknowledged */
	uint32_t	snd_nxt;	/* next to send; never goes back */
	uint32_t	consumed;	/* sequence of the first byte still in
					 * the host socket */
	uint32_t	snd_wnd;	/* guest's window, bytes */
	uint32_t	peek_at;	/* where the kernel's peek offset points */
	uint32_t	recover;	/* snd_nxt when the loss was noticed */
	uint32_t	rtt_seq;	/* measured: this byte ...; if TF_ASKED,
					 * the most an answer acknowledges */
	uint32_t	rtt_at;		/* ... sent at this time (us) */
	uint32_t	srtt, rttvar;	/* us; srtt 0 = none yet */
	uint32_t	rto_at, ack_at;	/* deadlines (ms), valid by state */
	uint32_t	active;		/* last segment from the guest (ms) */
	struct hold	hold;		/* accepted, not yet in the socket */
	struct ooo	ooo;		/* from the guest, beyond a gap */
	struct sack	sack;		/* what the guest has beyond one */
	uint16_t	label;		/* for the IPv6 flow label */
	uint8_t		holes;		/* to be filled yet, for the guest's last
					 * acknowledgement */
	uint8_t		challenged;	/* when an impossible segment was answered
					 * last, in units of TCP_CHALLENGE_MS */
	uint16_t	mss;		/* payload of a segment to the guest */
	uint16_t	rcv_mss;	/* ... and from it, as we announced */
	uint16_t	taken;		/* KiB out of the host socket, or many */
	uint8_t		state;		/* enum tcp_state */
	uint8_t		snd_ws, rcv_ws;	/* window scales */
	uint8_t		retries;	/* of the retransmission timer */
	uint8_t		side;		/* which side of the flow is the guest */
	uint8_t		tos;		/* of the host socket, without ECN */
};

#endif /* TCP_FLOW_H */
