/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.h - the flow table: slots, sides, hash, generations, reap
 *
 * Each conversation that crosses us is one slot with two sides: side[0]
 * initiated it, side[1] is the target. The addresses of both are decided once
 * (fwd_target) and stored; the data path only reads them.
 *
 * Life: flow_open() takes a slot -> the owner sets up its socket ->
 * flow_commit() makes it findable -> flow_close() takes it out of hash, wheel
 * and lists, and bumps its generation -> flow_reap(), at the end of the turn,
 * recycles it. A pointer is good for the whole turn. The table never closes
 * sockets: the owner does, before flow_close().
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"
#include "fwd.h"
#include "icmp_flow.h"
#include "splice_flow.h"
#include "tcp_flow.h"
#include "timer.h"
#include "udp_flow.h"

#define FLOW_MAX	131072U

enum flow_type { FLOW_FREE, FLOW_NEW, FLOW_TCP, FLOW_SPLICE, FLOW_UDP,
		 FLOW_PING, FLOW_CLOSED };

struct flow_head {
	uint8_t		type;		/* enum flow_type */
	uint8_t		proto;		/* IPPROTO_* */
	uint8_t		hashed;		/* bit per side */
	uint8_t		list;		/* which of enum flow_list, + 1; or 0 */
	uint16_t	gen;		/* of this slot; never 0 */
	uint16_t	pad;
	uint32_t	next, prev;	/* of that list; next: free, reap */
	struct side	side[2];
	struct timer	timer;
};

union flow {
	struct flow_head	h;
	struct { struct flow_head tcp_h;    struct tcp_flow tcp; };
	struct { struct flow_head splice_h; struct splice_flow splice; };
	struct { struct flow_head udp_h;    struct udp_flow udp; };
	struct { struct flow_head icmp_h;   struct icmp_flow icmp; };
};

_Static_assert(sizeof(struct flow_head) <= 136, "flow head");
_Static_assert(sizeof(union flow) <= 256, "flow");

/* flow_init() - Map the table (untouched pages cost nothing); again: empty it */
void flow_init(void);

/*
 * flow_open() - Take a slot for a new conversation and decide its target
 * @ini:	complete initiating side
 * @target:	see fwd_target()
 * @v:		verdict; FWD_DROP too when the table is full
 * Return: a slot of type FLOW_NEW with both sides set, or NULL
 */
union flow *flow_open(uint8_t proto, const struct side *ini, in_port_t target,
		      enum fwd_verdict *v);

/* flow_commit() - It has a socket now: give it its type, and enter the sides
 * in bit mask @hash_sides so that packets can find it */
void flow_commit(union flow *f, enum flow_type type, unsigned hash_sides);

/*
 * flow_find() - Look a packet's flow up
 * @peer, @peer_port:	its source; @ours, @ours_port: its destination
 * @side:	set to the side that matched
 */
union flow *flow_find(uint8_t proto, uint8_t pif, const union addr *peer,
		      in_port_t peer_port, const union addr *ours,
		      in_port_t ours_port, unsigned *side);

/* flow_has_side() - Is there a flow with a side just like @s? With a
 * socket for each, what is sent to one could come to the other */
bool flow_has_side(uint8_t proto, const struct side *s);

/* flow_close() - See above; harmless on an already closed flow */
void flow_close(union flow *f);

/* flow_reap() - End of turn: recycle what was closed */
void flow_reap(void);

/* flow_ref() - Reference for epoll to this flow; flow_at() finds it again, or
 * NULL if the slot has been closed or reused since */
union ev_ref flow_ref(const union flow *f, enum ev_type type, unsigned side);
union flow *flow_at(union ev_ref ref);

/* flow_of_timer() - The flow that a popped timer belongs to */
union flow *flow_of_timer(struct timer *t);

/*
 * Flows with work left that no further event will announce. FLOW_RUN: data to
 * move on (edge-triggered sockets after their budget, or the guest had no
 * room), a little of it in each turn. FLOW_LATER: nobody waits for it, such as
 * closing what has ended: for a moment when there is nothing else to do.
 * FLOW_UDP_OUT is another matter: those with a socket of their own, the oldest
 * first, as some may have to go before their time. And so are FLOW_HALF,
 * FLOW_HALF_MORE and FLOW_HALF_SLOT: see half.c.
 */
enum flow_list { FLOW_RUN, FLOW_LATER, FLOW_UDP_OUT, FLOW_HALF,
		 FLOW_HALF_MORE, FLOW_HALF_SLOT, FLOW_LISTS };

/* flow_list() - Put @f at the end of a list, unless it is on it already */
void flow_list(union flow *f, enum flow_list which);

/* flow_unlist() - Take @f off the list it is on, if any */
void flow_unlist(union flow *f);

/* flow_take() - Take the first one off a list, NULL if it is empty */
union flow *flow_take(enum flow_list which);

/* flow_first(), flow_next() - Look at a list from its beginning; NULL at the end */
union flow *flow_first(enum flow_list which);
union flow *flow_next(const union flow *f);

/* flow_listed() - How many are on it */
unsigned flow_listed(enum flow_list which);

static inline void flow_wake(union flow *f)
{
	flow_list(f, FLOW_RUN);
}

/* flow_opened() - How many there have been, those that failed included */
uint64_t flow_opened(void);

/* flow_count() - Slots in use (not yet reaped included) */
unsigned flow_count(void);

/* flow_each() - All used slots in turn, for ending them all: start with NULL */
union flow *flow_each(union flow *prev);

/* flow_str() - "TCP 192.0.2.2:33 -> 198.51.100.1:80", for messages; a static
 * buffer */
const char *flow_str(const union flow *f);

#endif /* FLOW_H */
