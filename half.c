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
 * Two lines apart are those of datagrams. Clients of a forwarded port share its
 * socket, so their flows have a slot each but no descriptor: they go for slots
 * alone. What the guest (or a program, on the bypass) sends to has a socket
 * each, and stands in FLOW_UDP_OUT, which udp.c keeps short. Of several lines
 * the longest one is the flood, and goes first.
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
#include "store.h"
#include "util.h"

#define SLOTS_FREE	4096U	/* of the table, at the end of a turn */
#define AT_ONCE		8U	/* ended when a descriptor is needed */
#define TRIES		64U	/* flows looked at for that */
#define SILENT		30000U	/* ms without a datagram */

static enum flow_list line_of(const union flow *f)
{
	if (f->h.type == FLOW_UDP)
		return FLOW_HALF_SLOT;
	return f->h.type == FLOW_TCP && f->tcp.state != TS_CONNECTING ?
	       FLOW_HALF_MORE : FLOW_HALF;
}

void half_enter(union flow *f)
{
	flow_unlist(f);
	flow_list(f, line_of(f));
}

/* is_used() - Datagrams go both ways, and did so not long ago */
static bool is_used(const union flow *f)
{
	const uint8_t *seen = f->udp.seen;

	return seen[0] && seen[1] && (seen[0] > 2 || seen[1] > 2) &&
	       clock_ms() - f->udp.used < SILENT;
}

bool half_is_over(const union flow *f)
{
	if (f->udp.seen[0] > 2 || f->udp.seen[1] > 2)
		return clock_ms() - f->udp.used >= SILENT;
	/* The first one of a new flow is still on its way */
	return f->udp.seen[0] && !f->udp.waits;
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

/* give_up() - End up to @n flows of a line, of @tries looked at; how many were */
static unsigned give_up(enum flow_list line, unsigned n, unsigned tries)
{
	unsigned ended = 0;
	union flow *f;

	while (ended < n && tries-- && (f = flow_take(line))) {
		if (f->h.type == FLOW_UDP && is_used(f)) {
			flow_list(f, line);
			continue;
		}
		if (is_answered(f))
			continue;
		end(f);
		ended++;
	}
	return ended;
}

/* Connections and pings: first those to whom nobody has agreed */
static unsigned give_up_half(unsigned n, unsigned tries)
{
	unsigned ended = give_up(FLOW_HALF, n, tries);

	return ended + give_up(FLOW_HALF_MORE, n - ended, tries);
}

static unsigned half_length(void)
{
	return flow_listed(FLOW_HALF) + flow_listed(FLOW_HALF_MORE);
}

/* forget() - Of the oldest flows of datagrams that have sockets, end those that
 * are over: nobody misses them; how many were */
static unsigned forget(void)
{
	union flow *f = flow_first(FLOW_UDP_OUT), *next;
	unsigned i, ended = 0;

	for (i = 0; f && i < TRIES; i++, f = next) {
		next = flow_next(f);
		if (!half_is_over(f))
			continue;
		end(f);
		ended++;
	}
	return ended;
}

/* give_up_silent() - Of those, end the oldest one that had no answer yet */
static unsigned give_up_silent(void)
{
	union flow *f = flow_first(FLOW_UDP_OUT);
	unsigned i;

	for (i = 0; f && i < TRIES; i++, f = flow_next(f)) {
		if (f->udp.seen[1])
			continue;
		end(f);
		return 1;
	}
	return 0;
}

static bool tell(unsigned ended)
{
	static unsigned long last;

	if (ended && log_ratelimit(&last, 10))
		warn("Too many flows that nobody answers: ending the oldest");
	return ended;
}

/* relieve() - End some of a line, the newer half of which stays: who has just
 * come is likely to be answered next */
static unsigned relieve(enum flow_list line)
{
	if (line == FLOW_UDP_OUT)
		return give_up_silent();
	return give_up(line, MIN(AT_ONCE, (flow_listed(line) + 1) / 2), TRIES);
}

bool half_retry(int err)
{
	static const enum flow_list order[] = {
		FLOW_HALF, FLOW_UDP_OUT, FLOW_HALF_MORE,
	};
	enum flow_list longest = FLOW_HALF;
	unsigned i, ended;

	if (err != EMFILE && err != ENFILE && err != ENOBUFS && err != ENOMEM)
		return false;
	if (store_release() || forget())
		return true;
	for (i = 0; i < ARRAY_LEN(order); i++)
		if (flow_listed(order[i]) > flow_listed(longest))
			longest = order[i];
	ended = relieve(longest);
	for (i = 0; !ended && i < ARRAY_LEN(order); i++)
		ended = relieve(order[i]);
	return tell(ended);
}

bool half_turn(void)
{
	unsigned n = flow_count(), most = FLOW_MAX - SLOTS_FREE, ended = 0;
	bool slots = flow_listed(FLOW_HALF_SLOT) > half_length();

	if (n <= most)
		return false;
	n -= most;
	if (slots)
		ended = give_up(FLOW_HALF_SLOT, n, SLOTS_FREE * 2);
	ended += give_up_half(n - ended, SLOTS_FREE * 2);
	if (!slots)
		ended += give_up(FLOW_HALF_SLOT, n - ended, SLOTS_FREE * 2);
	return tell(ended);
}
