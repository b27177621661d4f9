// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test: what is said to the guest from time to time (router advertisements,
 * multicast queries) goes on as before after the kernel's clock has jumped by
 * hours or months, or back: neither a burst nor silence.
 *
 * link: -Wl,--wrap=clock_gettime
 */
#include "igmp.h"
#include "mcast.h"
#include "ndp.h"

#include <time.h>

#include "util.h"
#include "wire.h"

#define HOUR	(3600 * SEC)

static uint64_t kernel = 500 * HOUR;	/* its clock, in microseconds */
static unsigned ras, queries;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(kernel / SEC);
	ts->tv_nsec = (long)(kernel % SEC * 1000);
	return 0;
}

static void turn(uint64_t us)
{
	static uint8_t frame[70000];
	struct fake_info info;
	struct timer *t;

	kernel += us;
	clock_update();
	while ((t = timer_pop())) {
		ras += t->kind == TM_RA;
		queries += t->kind == TM_IGMP;
		if (t->kind == TM_RA)
			ndp_timer(t);
		else
			igmp_timer(t);
	}
	tap_flush();
	while (fake_pop(frame, sizeof(frame), &info))
		;
}

/* live() - As the loop does, for @us */
static void live(uint64_t us)
{
	uint64_t end = kernel + us;

	ras = queries = 0;
	while (kernel < end) {
		int ms = timer_next_ms();

		turn(MIN(MAX(ms, 1) * MSEC, end - kernel));
	}
}

/* usual() - In an hour: every 200 to 600 s, and every 125 s */
static void usual(void)
{
	live(HOUR);
	EXPECT(ras >= 5 && ras <= 19);
	EXPECT(queries >= 28 && queries <= 29);
}

int main(void)
{
	static const uint64_t jumps[] = { 70 * SEC, 3 * HOUR, 24 * HOUR,
					  24 * 200 * HOUR };
	struct guest g = wire_facts();
	unsigned i;

	g.mac_known = true;
	wire_start(&g);
	clock_set(0);
	timer_reset();
	mcast_init();
	igmp_init();
	ndp_init();
	ndp_announce();
	igmp_announce();
	live(100 * SEC);		/* the first ones come early */

	group("as usual");
	usual();
	group("forwards");
	for (i = 0; i < ARRAY_LEN(jumps); i++) {
		kernel += jumps[i];
		ras = queries = 0;
		turn(MSEC);
		EXPECT_EQ(ras + queries, 0);
		usual();
	}
	group("back");
	kernel = HOUR;
	ras = queries = 0;
	turn(MSEC);
	EXPECT_EQ(ras + queries, 0);
	usual();
	return done();
}
