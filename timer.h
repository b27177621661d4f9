/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.h - the clock of this turn, and one timer wheel for all
 *
 * The loop calls clock_update() once after waiting; everybody else reads that
 * stored time, so a turn has one time. A timer is a node inside the object it
 * belongs to, filed in a hierarchical wheel of 1 ms ticks. Moving a deadline
 * later only stores it: the wheel files the node again when the old slot comes
 * up. The wheel calls nobody; the loop pulls expired nodes by timer_pop() and
 * dispatches on their kind.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define MSEC	1000ULL
#define SEC	1000000ULL

/* Who set a timer; passt.c has one handler for each */
enum timer_kind { TM_NONE, TM_TCP, TM_UDP, TM_PING, TM_RA,
		  TM_NEIGH, TM_SCAN, TM_MCAST, TM_IGMP, TM_FRAG, TM_LISTEN,
		  TM_KINDS };

struct timer {
	struct timer *next, **pprev;	/* slot list; pprev NULL = not filed */
	uint32_t due;			/* wheel tick of the deadline */
	uint32_t filed;			/* tick it is filed under */
	uint8_t kind;			/* of whoever set it, for dispatch */
	bool armed;
};

/* clock_update() - Take the monotonic clock as the time of this turn, without
 * the time in which we did not run. When timers are armed, the loop must not
 * sleep longer than timer_next_ms() says */
void clock_update(void);

/* clock_lost() - How much of it the last update left out, in microseconds */
uint64_t clock_lost(void);

/* clock_now() - Time of this turn, in microseconds, never going back */
uint64_t clock_now(void);

/* clock_ms() - The same in milliseconds; it wraps */
uint32_t clock_ms(void);

/* clock_set() - For tests: freeze the clock at @us; clock_update() then does
 * nothing until clock_set(0) */
void clock_set(uint64_t us);

/* timer_reset() - Empty the wheel (start, and between tests) */
void timer_reset(void);

/*
 * timer_set() - Arm or move
 * @t:		zeroed before the first use
 * @kind:	returned with the node when it expires
 * @us:		from now; rounded up to the next tick, at most about 12 days
 */
void timer_set(struct timer *t, uint8_t kind, uint64_t us);

/* timer_off() - Disarm and unlink: the memory may be reused afterwards */
void timer_off(struct timer *t);

/* timer_next_ms() - How long the loop may sleep: milliseconds until the next
 * filed node may expire, 0 if one has, -1 if there is none */
int timer_next_ms(void);

/* timer_pop() - Next node whose deadline has come, disarmed and unlinked; NULL
 * when there is none. Robust against forward jumps of any size */
struct timer *timer_pop(void);

/* timer_count() - Armed nodes, for leak checks in tests */
unsigned timer_count(void);

#endif /* TIMER_H */
