/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_win.h - TCP policy: windows, acknowledgement moments, time-outs
 *
 * Numbers in, numbers out; no flow, no socket, no clock.
 */
#ifndef TCP_WIN_H
#define TCP_WIN_H

#include <stdbool.h>
#include <stdint.h>

/* Most we ever let a guest send ahead, and have in flight towards it, bytes */
#define WIN_RCV_MAX	(1U << 20)
#define WIN_RCV_GAP	(4U << 20)	/* while something is missing */
#define WIN_SND_MAX	(8U << 20)
#define WIN_SCALE	8		/* ours; granularity 256 bytes */

/* Retransmission, RFC 6298 with Linux' lower bound: the link is virtual */
#define WIN_RTO_FIRST	1000000U	/* us, before the first sample */
#define WIN_RTO_MIN	200000U
#define WIN_PROBE_MIN	60000U		/* more than a delayed ACK takes */
#define WIN_REPEAT_MIN	10000U		/* while acknowledgements keep coming */
#define WIN_RTO_MAX	120000000U
#define WIN_SYN_TRIES	6
#define WIN_DATA_TRIES	15

#define WIN_ACK_DELAY	1000U		/* us, longest wait for a ride */

/*
 * win_mss() - Payload of a segment between us and the guest
 * @mtu:	of the link, 0 = 1500
 * @hdr:	bytes of IP and TCP header: 40 or 60
 * @peer:	what the other end asked for, or UINT16_MAX
 */
uint16_t win_mss(uint16_t mtu, unsigned hdr, uint16_t peer);

/*
 * win_to_guest() - How many bytes beyond rcv_nxt the guest may send now
 * @held:	bytes that the host socket has not taken yet
 * @pool:	room left in the pool they are held in
 * @low:	the host socket was full not long ago
 * @sndroom:	room in its send buffer, valid if @low
 * @mss:	of the guest's segments
 * @gap:	bytes beyond a gap are kept: until it is filled, which takes the
 *		guest a round trip or three, it can go on
 *
 * Never more than can be held if the socket takes nothing at all, or, when the
 * pool is used up, than it should take; and while something is held, nothing.
 * With a full host socket only a little more than it has room for: enough to
 * run into its limit again, so that the kernel tells when there is space, but
 * not so much that all is copied twice.
 */
uint32_t win_to_guest(uint32_t held, uint64_t pool, bool low, uint32_t sndroom,
		      uint16_t mss, bool gap);

/*
 * win_ack_now() - Acknowledge at once, or may it wait for data to ride on?
 * @unacked:	bytes received since the last acknowledgement
 * @mss:	of the guest's segments
 * @chatty:	requests and responses have been alternating
 */
bool win_ack_now(uint32_t unacked, uint16_t mss, bool chatty);

/* win_rtt() - Enter one round-trip sample (us); *srtt 0 = none yet */
void win_rtt(uint32_t *srtt, uint32_t *rttvar, uint32_t sample);

/* win_rto() - Time-out in us after @retries unanswered ones */
uint32_t win_rto(uint32_t srtt, uint32_t rttvar, unsigned retries);

/*
 * win_probe() - Time-out in us until the first sign of life is asked for, with
 * a guest that will say exactly what it misses (RFC 8985 7.2)
 * @recovering:	it is saying so already, at once for every frame
 */
uint32_t win_probe(uint32_t srtt, uint32_t rttvar, bool recovering);

#endif /* TCP_WIN_H */
