// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats.c - how often the loop was woken, and by what, for who wonders
 *
 * A column for each kind of event source, and one for timers, all totals since
 * the start; and one for the flows that there are now, which tells of leaks.
 * Rows go to standard error as they are, whatever is logged where: they are
 * made for a terminal, or for a script that knows the columns by their
 * headings. No timer is set for them, since waking up in order to tell why we
 * woke up would be all that an idle program tells.
 */
#include "stats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "timer.h"
#include "util.h"

#define HEADINGS_EVERY	20	/* rows */
#define WIDTH		11	/* of a column: the longest name, and a blank */
#define DIGITS_MAX	21	/* of a counter, and a blank */

static const char *const names[EV_TYPES] = {
	[EV_TAP]	= "tap",
	[EV_TAP_LISTEN]	= "tap-listen",
	[EV_TCP]	= "tcp",
	[EV_TCP_LISTEN]	= "tcp-listen",
	[EV_SPLICE]	= "splice",
	[EV_UDP]	= "udp",
	[EV_UDP_LISTEN]	= "udp-listen",
	[EV_PING]	= "ping",
	[EV_PASTA]	= "pasta",
	[EV_SIGNAL]	= "signal",
	[EV_NEIGH]	= "neigh",
	[EV_SCAN]	= "scan",
	[EV_MCAST]	= "mcast",
	[EV_VHOST]	= "vhost",
};

static struct {
	uint64_t interval, last;	/* microseconds */
	unsigned rows;
	uint64_t events[EV_TYPES], timers;
} stats;

void stats_init(unsigned seconds)
{
	memset(&stats, 0, sizeof(stats));
	stats.interval = seconds * SEC;
	stats.last = clock_now();
}

/* Room for any number in each of the columns, the newline and the final NUL */
struct line {
	char text[(EV_TYPES + 2) * DIGITS_MAX + 2];
	size_t len;
};

static void end(struct line *l)
{
	l->text[l->len++] = '\n';
	(void)write_all(STDERR_FILENO, l->text, l->len);
}

static void headings(void)
{
	struct line l = { .len = 0 };
	int t;

	for (t = 0; t < EV_TYPES; t++)
		if (names[t])
			l.len += (size_t)sprintf(l.text + l.len, "%*s", WIDTH,
						 names[t]);
	l.len += (size_t)sprintf(l.text + l.len, "%*s%*s", WIDTH, "timer", WIDTH,
				 "flows");
	end(&l);
}

static void number(struct line *l, uint64_t n)
{
	l->len += (size_t)sprintf(l->text + l->len, " %*llu", WIDTH - 1,
				  (unsigned long long)n);
}

static void row(unsigned flows)
{
	struct line l = { .len = 0 };
	int t;

	if (!(stats.rows++ % HEADINGS_EVERY))
		headings();
	for (t = 0; t < EV_TYPES; t++)
		if (names[t])
			number(&l, stats.events[t]);
	number(&l, stats.timers);
	number(&l, flows);
	end(&l);
}

void stats_turn(const struct ev_event *ev, int n, unsigned timers,
		unsigned flows)
{
	int i;

	for (i = 0; i < n; i++)
		if (ev[i].ref.type < EV_TYPES)
			stats.events[ev[i].ref.type]++;
	stats.timers += timers;

	if (n <= 0 || clock_now() - stats.last < stats.interval)
		return;
	stats.last = clock_now();
	row(flows);
}
