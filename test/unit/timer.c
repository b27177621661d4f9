// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of timer.c: random operations and jumps of all sizes, against an
 * array of deadlines searched from end to end
 */
#include "timer.h"

#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "util.h"

#define N	200
#define HOUR	(3600 * SEC)
#define DAY	(24 * HOUR)

static struct timer nodes[N];
static uint64_t model[N];		/* tick of the deadline, 0: not armed */
static uint64_t now;

static void clock_to(uint64_t us)
{
	now = us;
	clock_set(now);
}

/* A number of any magnitude up to @max */
static uint64_t magnitude(uint64_t max)
{
	uint64_t r = (uint64_t)rand() << 31 ^ (uint64_t)rand();

	return (r >> rand() % 62) % (max + 1);
}

static void set(unsigned i, uint64_t us)
{
	timer_set(&nodes[i], (uint8_t)i, us);
	model[i] = (now + us + MSEC - 1) / MSEC;
}

static void off(unsigned i)
{
	timer_off(&nodes[i]);
	model[i] = 0;
}

static unsigned armed(void)
{
	unsigned i, n = 0;

	for (i = 0; i < N; i++)
		n += !!model[i];
	return n;
}

/* earliest() - Tick of the next deadline, UINT64_MAX if there is none */
static uint64_t earliest(void)
{
	uint64_t min = UINT64_MAX;
	unsigned i;

	for (i = 0; i < N; i++)
		if (model[i] && model[i] < min)
			min = model[i];
	return min;
}

/* expire() - Pop all that is due, in order, and nothing else */
static void expire(void)
{
	struct timer *t;
	unsigned again = 20;
	uint64_t last = 0;

	while ((t = timer_pop())) {
		unsigned i = (unsigned)(t - nodes);

		EXPECT(i < N && model[i]);
		EXPECT_EQ(t->kind, (uint8_t)i);
		EXPECT(model[i] * MSEC <= now);
		EXPECT(model[i] >= last || again < 20);
		EXPECT(!t->armed && !t->pprev);
		last = model[i];
		model[i] = 0;

		/* As handlers do: arm oneself or others while popping */
		if (again && rand() % 4 == 0) {
			again--;
			set(rand() % 2 ? i : (unsigned)rand() % N,
			    magnitude(HOUR));
		}
	}
	EXPECT(earliest() * MSEC > now || earliest() == UINT64_MAX);
}

static void check_next(void)
{
	uint64_t first = earliest();
	int ms = timer_next_ms();

	if (first == UINT64_MAX) {
		EXPECT_EQ(ms, -1);
		return;
	}
	/* Early is allowed, late is not, and -1 even less; but early wakeups
	 * must end: that is tested by sleeping exactly this long */
	EXPECT(ms >= 0);
	if (first * MSEC <= now)
		EXPECT_EQ(ms, 0);
	else
		EXPECT((uint64_t)ms <= (first * MSEC - now + MSEC - 1) / MSEC);
}

static void test_random(unsigned seed)
{
	unsigned step;

	srand(seed);
	memset(nodes, 0, sizeof(nodes));
	memset(model, 0, sizeof(model));
	/* Also where 32-bit ticks wrap: 2^32 ms are 49.7 days */
	clock_to(seed % 3 ? 1 + magnitude(60 * DAY) :
		 ((1ULL << 32) - 5000) * MSEC);
	timer_reset();

	for (step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % N;

		switch (rand() % 8) {
		case 0: case 1: case 2:
			set(i, magnitude(12 * DAY));
			break;
		case 3:
			off(i);
			break;
		case 4:
			clock_to(now + magnitude(SEC));
			break;
		case 5:
			if (rand() % 50)
				break;
			clock_to(now + magnitude(100 * DAY));
			if (rand() % 2)
				break;
			expire();
			break;
		case 6:
			expire();
			break;
		case 7:
			check_next();
			break;
		}
		EXPECT_EQ(timer_count(), armed());
	}

	while (armed()) {
		off((unsigned)rand() % N);
		clock_to(now + magnitude(SEC));
		if (rand() % 8 == 0)
			expire();
	}
	EXPECT_EQ(timer_count(), 0);
	EXPECT_EQ(timer_next_ms(), -1);
	EXPECT(!timer_pop());
}

/* Sleep as told until one timer expires: exactly on time, in few wakeups */
static void test_sleep(void)
{
	static const uint64_t us[] = { 0, 1, 999, 1000, 1001, 63000, 64000,
		65000, SEC, HOUR - 1, HOUR, DAY, 12 * DAY };
	unsigned i, start;

	group("sleeping");
	for (i = 0; i < ARRAY_LEN(us); i++) {
		for (start = 0; start < 500; start++) {
			struct timer t = { 0 };
			unsigned wakeups = 0;
			uint64_t due;

			clock_to(1 + magnitude(60 * DAY));
			timer_reset();
			timer_set(&t, 7, us[i]);
			due = now + us[i];
			while (!timer_pop()) {
				int ms = timer_next_ms();

				EXPECT(ms > 0);
				if (ms <= 0 || ++wakeups > 6)
					break;
				clock_to(now + (uint64_t)ms * MSEC);
			}
			EXPECT(wakeups <= 6);
			EXPECT(now >= due && now < due + 2 * MSEC);
			EXPECT_EQ(timer_count(), 0);
		}
	}
}

/* Jumps, with the wheel full, must not take a step per tick */
static void test_jump_cost(void)
{
	struct timespec a, b;
	unsigned i, n;

	group("jumps");
	clock_gettime(CLOCK_MONOTONIC, &a);
	clock_to(1);
	timer_reset();
	memset(nodes, 0, sizeof(nodes));
	for (n = 0; n < 1000; n++) {
		for (i = 0; i < N; i++)
			timer_set(&nodes[i], 0, magnitude(12 * DAY));
		clock_to(now + 20000 * DAY);
		for (i = 0; i < N; i++)
			EXPECT(timer_pop());
		EXPECT(!timer_pop());
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	EXPECT(b.tv_sec - a.tv_sec < 10);
}

static void test_moves(void)
{
	struct timer t = { 0 }, u = { 0 };

	group("moving");
	clock_to(10 * SEC);
	timer_reset();

	/* Later, many times: expires once, at the last deadline */
	timer_set(&t, 1, SEC);
	clock_to(now + SEC / 2);
	timer_set(&t, 2, SEC);
	clock_to(now + SEC / 2);
	EXPECT(!timer_pop());
	clock_to(now + SEC / 2 - 1);
	EXPECT(!timer_pop());
	clock_to(now + 1);
	EXPECT(timer_pop() == &t && t.kind == 2);
	EXPECT(!timer_pop());

	/* Earlier: refiled */
	timer_set(&t, 1, HOUR);
	timer_set(&t, 1, 5 * MSEC);
	EXPECT_EQ(timer_next_ms(), 5);
	clock_to(now + 5 * MSEC);
	EXPECT(timer_pop() == &t);

	/* Off or moved after expiry, before being popped */
	timer_set(&t, 1, MSEC);
	timer_set(&u, 1, 2 * MSEC);
	clock_to(now + SEC);
	EXPECT_EQ(timer_next_ms(), 0);
	EXPECT(timer_pop() == &t);
	timer_set(&t, 1, 0);
	timer_off(&t);
	timer_set(&u, 3, 50 * MSEC);
	EXPECT(!timer_pop());
	EXPECT_EQ(timer_count(), 1);
	clock_to(now + 50 * MSEC);
	EXPECT(timer_pop() == &u);
	timer_off(&u);
	timer_off(&u);
	EXPECT_EQ(timer_count(), 0);

	/* The clock of a test may go back */
	timer_set(&t, 1, MSEC);
	clock_to(now + HOUR);
	EXPECT(timer_pop() == &t);
	clock_to(now - HOUR);
	timer_set(&t, 1, MSEC);
	EXPECT_EQ(timer_next_ms(), 0);
	EXPECT(timer_pop() == &t);
	timer_reset();

	/* At most about 12 days, whatever is asked for */
	timer_set(&t, 1, UINT64_MAX);
	EXPECT(timer_next_ms() > 0);
	clock_to(now + 12 * DAY);
	EXPECT(!timer_pop());
	clock_to(now + DAY / 2);
	EXPECT(timer_pop() == &t);
}

static void test_clock(void)
{
	uint64_t t;

	group("clock");
	clock_set(5);
	clock_update();
	EXPECT_EQ(clock_now(), 5);
	clock_set(0);
	t = clock_now();
	EXPECT(t > 5);
	clock_update();
	EXPECT(clock_now() >= t);
}

int main(void)
{
	unsigned seed;

	group("against the model");
	for (seed = 1; seed <= 12; seed++)
		test_random(seed);
	test_sleep();
	test_jump_cost();
	test_moves();
	test_clock();
	return done();
}
