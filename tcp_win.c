// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_win.c - TCP policy: windows, acknowledgement moments, time-outs
 *
 * The one rule that decides throughput is in win_to_guest(): what the guest
 * sends within the announced window is never dropped for want of space, so it
 * is never sent twice, and never waits for a retransmission timer.
 */
#include "tcp_win.h"

#include "util.h"

#define WIN_MSS_MIN	48U		/* no guest sends less on purpose */
#define WIN_SLACK	(64U << 10)	/* beyond the host socket's room */

uint16_t win_mss(uint16_t mtu, unsigned hdr, uint16_t peer)
{
	unsigned mss = (mtu ? mtu : 1500U) - hdr;

	/* The IPv4 total length counts all headers, 16 bits */
	mss = MIN(mss, UINT16_MAX - 60U);
	return (uint16_t)MAX(MIN(mss, peer), WIN_MSS_MIN);
}

uint32_t win_to_guest(uint32_t held, uint64_t pool, bool low, uint32_t sndroom,
		      uint16_t mss, bool gap)
{
	uint32_t floor = MAX(WIN_SLACK, 2U * mss);
	uint32_t win = gap ? WIN_RCV_GAP : WIN_RCV_MAX;
	uint32_t least = low ? MIN(sndroom, floor) : floor;

	if (held)
		return 0;
	if (low)
		win = MIN(win, MAX(sndroom, floor));

	/* Others use the pool as well: an eighth of what is left. But who does
	 * not need it shall not wait for those who have it all */
	return (uint32_t)MIN(win, MAX(pool / 8, least));
}

bool win_ack_now(uint32_t unacked, uint16_t mss, bool chatty)
{
	/* RFC 9293 3.8.6.3: at least every second full-sized segment; a super
	 * segment is many */
	return !chatty || unacked >= 2U * MIN(mss, 4096);
}

void win_rtt(uint32_t *srtt, uint32_t *rttvar, uint32_t sample)
{
	sample = MAX(MIN(sample, WIN_RTO_MAX), 1);
	if (!*srtt) {				/* RFC 6298 2.2 */
		*srtt = sample;
		*rttvar = sample / 2;
		return;
	}
	*rttvar = *rttvar - *rttvar / 4 +	/* RFC 6298 2.3 */
		  (*srtt > sample ? *srtt - sample : sample - *srtt) / 4;
	*srtt = *srtt - *srtt / 8 + sample / 8;
	*srtt = MAX(*srtt, 1);
}

uint32_t win_rto(uint32_t srtt, uint32_t rttvar, unsigned retries)
{
	uint64_t rto = srtt ? srtt + 4ULL * rttvar : WIN_RTO_FIRST;

	rto = MAX(rto, WIN_RTO_MIN) << MIN(retries, 16);
	return (uint32_t)MIN(rto, WIN_RTO_MAX);
}

uint32_t win_probe(uint32_t srtt, uint32_t rttvar, bool recovering)
{
	uint32_t floor = recovering ? WIN_REPEAT_MIN : WIN_PROBE_MIN;
	uint64_t probe = 2ULL * srtt + 4ULL * rttvar;

	if (!srtt)
		return WIN_RTO_FIRST;
	return (uint32_t)MIN(MAX(probe, floor), win_rto(srtt, rttvar, 0));
}
