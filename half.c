// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * half.c - flows that can be given up when there are too many
 *
 * A guest that connects to addresses where nobody answers has a socket for each
 * until the kernel gives up, after two minutes; a client that sends datagrams
 * from many addresses has a flow for each until its time-out. Both are limited
 * by descriptors or by the table, and both would be in the way of everybody
 * else. So they stand in line, the newest one last, and go when there is need.
 * Connections to which one end has agreed already stand in a second line. Not so
 * those of the loopback bypass, though their client has: a target on this
 * machine answers at once, or its program has ceased to accept, and then its
 * queue is full for minutes.
 *
 * Nobody is told: a guest whose connection goes tries again, as if a SYN was
 * lost, or is reset if it goes on; a client sees a reset. Datagrams and pings
 * simply make a new flow.
 */
#include "half.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "log.h"
#include "sock.h"

#define SLOTS_FREE	4096U	/* of the table, at the end of a turn */
#define AT_ONCE		8U	/* ended when a descriptor is needed */
#define TRIES		64U	/* flows looked at for that */
#define SILENT		30000U	/* ms without a datagram */

void half_enter(union flow *f)
{
	half_answered(f);
	flow_list(f, f->h.type == FLOW_TCP && f->tcp.state != TS_CONNECTING ?
		  FLOW_HALF_MORE : FLOW_HALF);
}

/* is_used() - Datagrams go both ways, and did so not long ago */
static bool is_used(const union flow *f)
{
	const uint8_t *seen = f->udp.seen;

	return seen[0] && seen[1] && (seen[0] > 2 || seen[1] > 2) &&
	       clock_ms() - f->udp.used < SILENT;
}

/* is_answered() - The target of a connect() has answered, of which the event is
 * still to come: many are opened in one turn, and this one is the next to be
 * whole, or gone */
static bool is_answered(const union flow *f)
{
	struct pollfd p = { .fd = -1, .events = POLLOUT };

	if (f->h.type == FLOW_SPLICE)
		p.fd = f->splice.sock[1];
	else if (f->h.type == FLOW_TCP && f->tcp.state == TS_CONNECTING)
		p.fd = f->tcp.sock;
	return poll(&p, 1, 0) > 0;
}

static void end(union flow *f)
{
	switch (f->h.type) {
	case FLOW_TCP:
		/* No data has been taken in this state */
		sock_reset(f->tcp.sock);
		break;
	case FLOW_SPLICE:
		/* Nothing has been moved: it has no pipes */
		sock_reset(f->splice.sock[0]);
		close(f->splice.sock[1]);
		break;
	case FLOW_UDP:
		sock_udp_close(&f->udp.sock[1], &f->h.side[1]);
		break;
	case FLOW_PING:
		close(f->icmp.sock);
		break;
	default:
		return;
	}
	flow_close(f);
}

/* give_up() - End up to @n flows, of @tries looked at; how many were */
static unsigned give_up(unsigned n, unsigned tries)
{
	static unsigned long last;
	unsigned ended = 0;
	union flow *f;

	while (ended < n && tries-- && ((f = flow_take(FLOW_HALF)) ||
					(f = flow_take(FLOW_HALF_MORE)))) {
		if (f->h.type == FLOW_UDP && is_used(f)) {
			flow_list(f, FLOW_HALF);
			continue;
		}
		if (is_answered(f))
			continue;
		end(f);
		ended++;
	}
	if (ended && log_ratelimit(&last, 10))
		warn("Too many flows that nobody answers: ending the oldest");
	return ended;
}

bool half_retry(int err)
{
	if (err != EMFILE && err != ENFILE && err != ENOBUFS && err != ENOMEM)
		return false;
	return give_up(AT_ONCE, TRIES);
}

bool half_turn(void)
{
	unsigned n = flow_count(), most = FLOW_MAX - SLOTS_FREE;

	return n > most && give_up(n - most, SLOTS_FREE * 2);
}
