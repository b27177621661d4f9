/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - how often the loop was woken, and by what, for who wonders
 */
#ifndef STATS_H
#define STATS_H

#include "ev.h"

/* stats_init() - Start from zero; a row every @seconds at most */
void stats_init(unsigned seconds);

/*
 * stats_turn() - Count what one turn of the loop brought, and write a row of
 * totals if an event woke it and the last row is old enough
 * @ev, @n:	the events
 * @timers:	how many expired
 * @flows:	how many there are
 */
void stats_turn(const struct ev_event *ev, int n, unsigned timers,
		unsigned flows);

#endif /* STATS_H */
