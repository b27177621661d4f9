// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats.c - rows come when they are due and something happened, and add up
 */
#include "stats.h"

#include <unistd.h>

#include "check.h"
#include "timer.h"

#define T0	(1000 * SEC)

static FILE *out;
static char text[32768];

/* What was written since the last call */
static const char *said(void)
{
	size_t n;

	rewind(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	if (ftruncate(fileno(out), 0) || lseek(fileno(out), 0, SEEK_SET))
		abort();
	return text;
}

static unsigned lines(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static unsigned words(const char *s, const char *end)
{
	unsigned n = 0;

	for (; s < end; s++)
		n += *s != ' ' && (s[1] == ' ' || s[1] == '\n');
	return n;
}

static void turn(uint64_t at, int type, int n, unsigned timers)
{
	struct ev_event ev[4] = { 0 };
	int i;

	for (i = 0; i < n; i++)
		ev[i].ref.type = (uint8_t)type;
	clock_set(T0 + at);
	stats_turn(ev, n, timers, n ? 12 : 0);
}

/* The number below @heading in the row that follows the headings of @s */
static long long below(const char *s, const char *heading)
{
	const char *row = strchr(s, '\n') + 1, *p;
	unsigned i;

	p = strstr(s, heading);
	if (!p || p > row)
		return -1;
	for (i = words(s, p); i; i--) {
		row += strspn(row, " ");
		row += strcspn(row, " ");
	}
	return atoll(row);
}

int main(void)
{
	const char *s;
	int kept = dup(STDERR_FILENO), i;

	out = tmpfile();
	if (!out || kept < 0)
		skip_all("no temporary file");
	dup2(fileno(out), STDERR_FILENO);

	group("when");
	clock_set(T0);
	stats_init(3);
	turn(1, EV_TCP, 2, 0);
	turn(3 * SEC - 1, EV_TCP, 1, 1);
	EXPECT_STR(said(), "");
	turn(4 * SEC, 0, 0, 1);		/* a time-out is no event */
	EXPECT_STR(said(), "");
	turn(5 * SEC, EV_UDP, 4, 2);
	s = said();
	EXPECT_EQ(lines(s), 2);

	group("what");
	EXPECT_EQ(below(s, " tcp "), 3);
	EXPECT_EQ(below(s, " udp "), 4);
	EXPECT_EQ(below(s, " tap "), 0);
	EXPECT_EQ(below(s, " timer "), 4);
	EXPECT_EQ(below(s, " flows\n"), 12);
	/* a column for each kind of event, one for timers, one for flows: who
	 * adds a kind adds its name */
	EXPECT_EQ(words(s, strchr(s, '\n')), EV_TYPES - 1 + 2);
	EXPECT_EQ(words(strchr(s, '\n') + 1, s + strlen(s)), EV_TYPES + 1);
	EXPECT_EQ(strchr(s, '\n') - s + 1, (long)strlen(strchr(s, '\n') + 1));
	turn(6 * SEC, EV_TYPES + 7, 1, 0);	/* nobody's */
	turn(7 * SEC, EV_TAP, 1, 0);
	EXPECT_STR(said(), "");
	turn(8 * SEC, EV_TAP, 1, 0);	/* 3 s after the last row */
	s = said();
	EXPECT_EQ(lines(s), 1);
	EXPECT_EQ(atoi(s), 2);

	group("headings every 20 rows");
	for (i = 0; i < 18; i++)
		turn((uint64_t)(11 + 3 * i) * SEC, EV_TAP, 1, 0);
	EXPECT_EQ(lines(said()), 18);
	turn(100 * SEC, EV_TAP, 1, 0);
	s = said();
	EXPECT_EQ(lines(s), 2);
	EXPECT_EQ(below(s, " tap "), 21);

	dup2(kept, STDERR_FILENO);
	return done();
}
