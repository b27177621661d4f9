// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ev.c - references go in and come out, with the mask of what is ready
 */
#include "ev.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
	       (now.tv_nsec - since->tv_nsec) / 1000000;
}

int main(void)
{
	union ev_ref a = { .type = EV_TCP, .side = 1, .gen = 7, .index = 99 };
	union ev_ref b = { .type = EV_UDP, .gen = 0xffff,
			   .index = 0xfffffffe };
	struct ev_event ev[8];
	struct timespec t;
	int p[2], q[2], i;

	ev_init();
	ev_init();			/* a second one takes its place */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, q))
		skip_all("no sockets");

	group("time-out");
	clock_gettime(CLOCK_MONOTONIC, &t);
	EXPECT_EQ(ev_wait(ev, 8, 0), 0);
	EXPECT_EQ(ev_wait(ev, 8, 20), 0);
	ev_soon();			/* it still sleeps, and wakes in time */
	EXPECT_EQ(ev_wait(ev, 8, 20), 0);
	EXPECT(elapsed_ms(&t) >= 39);

	group("reference and mask");
	EXPECT_EQ(ev_add(p[0], EPOLLIN, a), 0);
	EXPECT_EQ(ev_add(q[0], EPOLLIN | EPOLLET, b), 0);
	EXPECT_EQ(ev_wait(ev, 8, 0), 0);
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_EQ(ev_wait(ev, 8, 100), 1);
	EXPECT_EQ(ev[0].ref.u64, a.u64);
	EXPECT_EQ(ev[0].ref.index, 99);
	EXPECT_EQ(ev[0].mask, EPOLLIN);
	EXPECT_EQ(ev_wait(ev, 8, 0), 1);	/* level: still there */

	group("edge, and no more than asked for");
	EXPECT_EQ(write(q[1], "x", 1), 1);
	EXPECT_EQ(ev_wait(ev, 1, 0), 1);
	EXPECT_EQ(ev_wait(ev, 8, 0) + ev_wait(ev, 8, 0), 3);
	EXPECT_EQ(ev_wait(ev, 8, 0), 1);
	EXPECT_EQ(ev[0].ref.u64, a.u64);

	group("change, remove, errors");
	EXPECT_EQ(ev_mod(p[0], EPOLLOUT, b), 0);
	EXPECT_EQ(ev_wait(ev, 8, 0), 1);
	EXPECT_EQ(ev[0].ref.u64, b.u64);
	EXPECT_EQ(ev[0].mask, EPOLLOUT);
	EXPECT(ev_add(p[0], EPOLLIN, a) < 0);
	EXPECT_EQ(ev_del(p[0]), 0);
	EXPECT(ev_del(p[0]) < 0);
	EXPECT(ev_add(-1, EPOLLIN, a) < 0);
	EXPECT_EQ(ev_wait(ev, 8, 0), 0);

	group("closing ends the watch");
	EXPECT_EQ(ev_add(p[0], EPOLLIN, a), 0);
	close(p[0]);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(ev_wait(ev, 8, 0), 0);
	return done();
}
