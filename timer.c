// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * timer.c - the clock of this turn, and one timer wheel for all
 *
 * Five levels of 64 slots: the tick (1 ms) a node is filed under is read as
 * five digits of base 64, and its level is the highest digit in which it
 * differs from the wheel's present tick. So all nodes of a level come before
 * all nodes of the next one, and the earliest slot is found by one bit scan
 * per level. When the wheel reaches the start of a slot above level 0, its
 * nodes are filed again and land lower; on level 0 they expire. Between two
 * occupied slots the wheel jumps, whatever the distance.
 *
 * A node may be filed earlier than it is due (see timer_set()); then it is
 * filed again instead of expiring. Its tick stays behind its deadline, with
 * one exception used as a mark: on the list of expired nodes it is due + 1.
 *
 * The clock is the kernel's monotonic one, which stands still while the host
 * sleeps, less the time in which this process did not run: stopped by a signal
 * or a debugger, frozen with its container, restored on another machine.
 * Whatever has come meanwhile waits in sockets, unread; so no silence may be
 * concluded from that time, and all deadlines move by it.
 */
#include "timer.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "util.h"

#define LEVELS		5
#define BITS		6
#define SLOTS		(1U << BITS)

/* A slot of the top level must not be mistaken for the one that the present
 * tick is in, so one slot less than a full round */
#define MAX_TICKS	((1U << BITS * LEVELS) - (1U << BITS * (LEVELS - 1)))

/* Who comes so late to the earliest timer has not been running. Then the clock
 * goes on from a little before that one: time to read what waits */
#define LATE_MAX	SEC
#define HEAR		(SEC / 2)

static struct {
	uint64_t now;			/* of this turn, in microseconds */
	uint64_t shift;			/* to add to the kernel's, modulo 2^64 */
	uint64_t lost;			/* left out by the last update */
	bool frozen;			/* a test moves the clock */

	uint64_t tick;			/* the wheel has come to here */
	uint64_t map[LEVELS];		/* occupied slots */
	struct timer *slot[LEVELS][SLOTS];
	struct timer *expired, **tail;	/* in order of expiry */
	unsigned armed;
} wheel;

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now(void)
{
	return wheel.now;
}

uint32_t clock_ms(void)
{
	return (uint32_t)(wheel.now / MSEC);
}

uint64_t clock_lost(void)
{
	return wheel.lost;
}

void clock_set(uint64_t us)
{
	wheel.frozen = us;
	wheel.shift = wheel.lost = 0;
	wheel.now = us ? us : monotonic();
}

void timer_reset(void)
{
	memset(wheel.map, 0, sizeof(wheel.map));
	memset(wheel.slot, 0, sizeof(wheel.slot));
	wheel.expired = NULL;
	wheel.tail = &wheel.expired;
	wheel.armed = 0;
	wheel.tick = wheel.now / MSEC;
}

static bool is_expired(const struct timer *t)
{
	return t->filed == t->due + 1;
}

/* level_of() - Where a node with this tick is, seen from the present one. It
 * does not change while the wheel moves within one slot of that level. */
static unsigned level_of(uint32_t filed)
{
	uint32_t diff = filed ^ (uint32_t)wheel.tick;
	unsigned level;

	if (!diff)
		return 0;
	level = (31 - (unsigned)__builtin_clz(diff)) / BITS;
	return MIN(level, LEVELS - 1);
}

static void expire(struct timer *t)
{
	t->filed = t->due + 1;
	t->next = NULL;
	t->pprev = wheel.tail;
	*wheel.tail = t;
	wheel.tail = &t->next;
}

/* file() - Into the slot for the deadline, which is not before wheel.tick */
static void file(struct timer *t)
{
	struct timer **head;
	unsigned level, s;

	if (t->due == (uint32_t)wheel.tick) {
		expire(t);
		return;
	}

	t->filed = t->due;
	level = level_of(t->filed);
	s = t->filed >> BITS * level & (SLOTS - 1);
	head = &wheel.slot[level][s];

	t->next = *head;
	t->pprev = head;
	if (t->next)
		t->next->pprev = &t->next;
	*head = t;
	wheel.map[level] |= 1ULL << s;
}

static void unlink_node(struct timer *t)
{
	if (!t->pprev)
		return;

	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;

	if (is_expired(t)) {
		if (!t->next)
			wheel.tail = t->pprev;
	} else {
		unsigned level = level_of(t->filed);
		unsigned s = t->filed >> BITS * level & (SLOTS - 1);

		if (!wheel.slot[level][s])
			wheel.map[level] &= ~(1ULL << s);
	}
	t->pprev = NULL;
}

/*
 * next_slot() - Earliest occupied slot
 * @tick:	set to the tick it starts at
 *
 * Return: false if the wheel is empty
 */
static bool next_slot(unsigned *level, unsigned *s, uint64_t *tick)
{
	unsigned l, shift, here, ahead;
	uint64_t map;

	for (l = 0; l < LEVELS; l++)
		if (wheel.map[l])
			break;
	if (l == LEVELS)
		return false;

	shift = BITS * l;
	here = wheel.tick >> shift & (SLOTS - 1);
	/* Our own slot is always empty, so no shift by 64 here: 1 <= ahead */
	map = wheel.map[l];
	if (here)
		map = map >> here | map << (SLOTS - here);
	ahead = (unsigned)__builtin_ctzll(map);

	*level = l;
	*s = (here + ahead) & (SLOTS - 1);
	*tick = ((wheel.tick >> shift) + ahead) << shift;
	return true;
}

/* believable() - The time is @now; or another, if that cannot be: the wheel is
 * looked at when its earliest timer is due, unless we did not run */
static uint64_t believable(uint64_t now)
{
	uint64_t tick, due = wheel.now;
	unsigned level, s;

	if ((int64_t)(now - wheel.now) < 0)
		return wheel.now;		/* restored elsewhere */
	if (!wheel.expired) {
		if (!next_slot(&level, &s, &tick))
			return now;
		due = MAX(due, tick * MSEC);
	}
	if (now - wheel.now <= LATE_MAX || now - LATE_MAX <= due)
		return now;
	/* Twice in a row it is the machine that is slow: get on */
	if (wheel.lost)
		return due;
	return MAX(wheel.now, due - MIN(due, HEAR));
}

void clock_update(void)
{
	uint64_t now, then;

	if (wheel.frozen)
		return;

	now = monotonic() + wheel.shift;
	then = believable(now);
	wheel.shift += then - now;
	wheel.lost = now > then ? now - then : 0;
	wheel.now = then;
}

/* advance() - Bring the wheel to the time of this turn, one occupied slot after
 * the other; what is due moves to the list of expired nodes */
static void advance(void)
{
	uint64_t target = wheel.now / MSEC, tick;
	unsigned level, s;

	if (target <= wheel.tick)
		return;

	while (next_slot(&level, &s, &tick) && tick <= target) {
		struct timer *t = wheel.slot[level][s], *next;

		wheel.slot[level][s] = NULL;
		wheel.map[level] &= ~(1ULL << s);
		wheel.tick = tick;

		for (; t; t = next) {
			next = t->next;
			file(t);
		}
	}
	wheel.tick = target;
}

void timer_set(struct timer *t, uint8_t kind, uint64_t us)
{
	uint64_t due;

	/* First, so that distances below are from now, not from wherever the
	 * wheel stood last */
	advance();
	if (!wheel.tail)
		wheel.tail = &wheel.expired;

	us = MIN(us, (uint64_t)(MAX_TICKS - 1) * MSEC);
	due = (wheel.now + us + MSEC - 1) / MSEC;
	if (due < wheel.tick)			/* a test set the clock back */
		due = wheel.tick;

	t->kind = kind;
	wheel.armed += !t->armed;
	t->armed = true;

	/* Later than filed: the wheel finds out when the slot comes up. For a
	 * timer moved at each packet, this is all that is ever done. */
	if (t->pprev && !is_expired(t) &&
	    (uint32_t)due - (uint32_t)wheel.tick >=
	    t->filed - (uint32_t)wheel.tick) {
		t->due = (uint32_t)due;
		return;
	}

	unlink_node(t);
	t->due = (uint32_t)due;
	file(t);
}

void timer_off(struct timer *t)
{
	unlink_node(t);
	wheel.armed -= t->armed;
	t->armed = false;
}

int timer_next_ms(void)
{
	unsigned level, s;
	uint64_t tick;

	if (wheel.expired)
		return 0;
	if (!next_slot(&level, &s, &tick))
		return -1;
	if (tick * MSEC <= wheel.now)
		return 0;
	return (int)((tick * MSEC - wheel.now + MSEC - 1) / MSEC);
}

struct timer *timer_pop(void)
{
	struct timer *t;

	advance();
	t = wheel.expired;
	if (t)
		timer_off(t);
	return t;
}

unsigned timer_count(void)
{
	return wheel.armed;
}
