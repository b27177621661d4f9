// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of the clock of timer.c: the kernel's goes on by itself while we do
 * not run, for seconds or for months, and may be an earlier one after that. No
 * timer may expire for it that would not have otherwise, none may be lost, and
 * there is no burst of them.
 *
 * The wheel asks to be looked at when a slot begins, which may be well before
 * the first timer in it is due; so where the clock goes on is not exact here.
 *
 * link: -Wl,--wrap=clock_gettime
 */
#include "timer.h"

#include <time.h>

#include "check.h"
#include "util.h"

#define MINUTE	(60 * SEC)
#define HOUR	(60 * MINUTE)
#define N	1000

static uint64_t kernel;			/* its clock, in microseconds */
static struct timer nodes[N];

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(kernel / SEC);
	ts->tv_nsec = (long)(kernel % SEC * 1000);
	return 0;
}

static void begin(void)
{
	kernel = 100 * HOUR;
	clock_set(0);
	timer_reset();
	memset(nodes, 0, sizeof(nodes));
}

/* turn() - As the loop does, @us after the last one; how many expired */
static unsigned turn(uint64_t us)
{
	unsigned n = 0;

	kernel += us;
	clock_update();
	while (timer_pop())
		n++;
	return n;
}

/* live() - Turns as the wheel wants them until the clock has gone on by @us */
static unsigned live(uint64_t us)
{
	uint64_t end = clock_now() + us;
	unsigned n = 0;

	while (clock_now() < end) {
		int ms = timer_next_ms();
		uint64_t next = ms < 0 ? end : (uint64_t)ms * MSEC;

		n += turn(MAX(MIN(next, end - clock_now()), 1U));
		EXPECT_EQ(clock_lost(), 0);
	}
	return n;
}

/* Late by what a loaded machine may make us wait: as it is */
static void test_late(void)
{
	group("a little late");
	begin();
	timer_set(&nodes[0], TM_UDP, 50 * MSEC);
	EXPECT_EQ(turn(SEC), 1);
	EXPECT_EQ(clock_lost(), 0);
	EXPECT_EQ(clock_now(), kernel);
}

/* Without timers there is nothing to come late for */
static void test_idle(void)
{
	group("nothing armed");
	begin();
	EXPECT_EQ(turn(1000 * HOUR), 0);
	EXPECT_EQ(clock_now(), kernel);
	EXPECT_EQ(clock_lost(), 0);

	group("asleep until the only timer");
	timer_set(&nodes[0], TM_RA, 10 * MINUTE);
	EXPECT_EQ(turn((uint64_t)timer_next_ms() * MSEC), 0);
	EXPECT_EQ(clock_now(), kernel);
	EXPECT_EQ(live(10 * MINUTE), 1);
}

/* Away for @us: every timer keeps what it had left */
static void test_away(uint64_t us)
{
	uint64_t before, left, i;

	begin();
	for (i = 0; i < N; i++)
		timer_set(&nodes[i], TM_TCP, 10 * SEC + i * 20 * MSEC);
	EXPECT_EQ(live(5 * SEC), 0);
	before = clock_now();
	EXPECT_EQ(turn(us), 0);
	EXPECT_EQ(clock_lost(), us - (clock_now() - before));
	/* Half a second to hear what there is, and then in their turn */
	left = 5 * SEC - (clock_now() - before);
	EXPECT(left >= SEC / 2 && left <= 5 * SEC);
	EXPECT_EQ(live(left - 10 * MSEC), 0);
	EXPECT_EQ(live(SEC), 50);
	EXPECT_EQ(live(20 * SEC), N - 50);
	EXPECT_EQ(timer_count(), 0);
}

/* Twice in a row: they expire all the same, or a machine that always lets us
 * wait would stop the time */
static void test_slow_machine(void)
{
	unsigned n = 0, i;

	group("a machine that is always late");
	begin();
	for (i = 0; i < 10; i++)
		timer_set(&nodes[i], TM_TCP, 10 * MSEC * (i + 1));
	for (i = 0; i < 25; i++)
		n += turn(3 * SEC);
	EXPECT_EQ(n, 10);
	EXPECT_EQ(turn(3 * SEC), 0);
}

/* Those that a turn had no time for are not a reason to sleep */
static void test_left_over(void)
{
	group("expired, but not taken yet");
	begin();
	timer_set(&nodes[0], TM_TCP, MSEC);
	timer_set(&nodes[1], TM_TCP, MSEC);
	kernel += 2 * MSEC;
	clock_update();
	EXPECT(timer_pop());
	EXPECT_EQ(timer_next_ms(), 0);
	kernel += HOUR;
	clock_update();
	EXPECT(clock_lost() > HOUR - 2 * SEC);
	EXPECT(timer_pop());
	EXPECT(!timer_pop());
}

/* A kernel that was started later */
static void test_back(void)
{
	uint64_t before;

	group("back");
	begin();
	timer_set(&nodes[0], TM_TCP, SEC);
	before = clock_now();
	kernel = MINUTE;
	clock_update();
	EXPECT_EQ(clock_now(), before);
	EXPECT_EQ(clock_lost(), 0);
	EXPECT_EQ(live(SEC - MSEC), 0);
	EXPECT_EQ(live(MSEC), 1);
	EXPECT_EQ(clock_now(), before + SEC);
}

int main(void)
{
	static const uint64_t us[] = { 7 * SEC, MINUTE, 3 * HOUR, 24 * HOUR,
				       100 * 24 * HOUR };
	unsigned i;

	test_late();
	test_idle();
	group("away");
	for (i = 0; i < ARRAY_LEN(us); i++)
		test_away(us[i]);
	test_slow_machine();
	test_left_over();
	test_back();
	return done();
}
