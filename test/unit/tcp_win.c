// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of tcp_win.c: the numbers of the policy, and the bounds that hold
 * whatever goes in
 */
#include "tcp_win.h"

#include "check.h"
#include "util.h"

static uint64_t seed = 9;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static void test_mss(void)
{
	unsigned mtu, peer;

	group("segment size");
	EXPECT_EQ(win_mss(1500, 40, UINT16_MAX), 1460);
	EXPECT_EQ(win_mss(1500, 60, UINT16_MAX), 1440);
	EXPECT_EQ(win_mss(0, 40, UINT16_MAX), 1460);
	EXPECT_EQ(win_mss(65520, 60, UINT16_MAX), 65460);
	EXPECT_EQ(win_mss(1500, 40, 536), 536);
	EXPECT_EQ(win_mss(1500, 40, 1), 48);
	for (mtu = 68; mtu <= 65535; mtu += 7)
		for (peer = 0; peer <= 65535; peer += 4369) {
			unsigned m = win_mss((uint16_t)mtu, 40,
					     (uint16_t)peer);

			/* Fits the total length with the longest headers */
			EXPECT(m >= 48 && m <= 65535 - 60);
			EXPECT(m <= MAX(mtu - 40, 48U));
			EXPECT(m <= MAX(peer, 48U));
		}
}

static void test_window(void)
{
	unsigned i;

	group("window");
	EXPECT_EQ(win_to_guest(0, 64 << 20, false, 0, 1460, false), WIN_RCV_MAX);
	EXPECT_EQ(win_to_guest(0, 64 << 20, false, 0, 1460, true), WIN_RCV_GAP);
	EXPECT_EQ(win_to_guest(0, 8 << 20, false, 0, 1460, true), 1 << 20);
	EXPECT_EQ(win_to_guest(1, 64 << 20, false, 0, 1460, true), 0);
	EXPECT_EQ(win_to_guest(1, 64 << 20, false, 0, 1460, false), 0);
	EXPECT_EQ(win_to_guest(0, 800000, false, 0, 1460, false), 100000);
	EXPECT_EQ(win_to_guest(0, 80000, true, 5000, 1460, false), 10000);
	EXPECT_EQ(win_to_guest(0, 80000, true, 20000, 1460, false), 20000);
	/* Without any space left, what the socket should take */
	EXPECT_EQ(win_to_guest(1, 0, false, 0, 1460, false), 0);
	EXPECT_EQ(win_to_guest(0, 0, false, 0, 1460, false), 65536);
	EXPECT_EQ(win_to_guest(0, 0, true, 5000, 1460, false), 5000);
	EXPECT_EQ(win_to_guest(0, 0, true, 0, 1460, false), 0);
	EXPECT_EQ(win_to_guest(0, 64 << 20, true, 200000, 1460, false), 200000);
	EXPECT(win_to_guest(0, 64 << 20, true, 0, 1460, false) >= 2 * 1460);
	EXPECT(win_to_guest(0, 64 << 20, true, 0, 65460, false) >= 2 * 65460);
	for (i = 0; i < 100000; i++) {
		uint32_t pool = rnd(64 << 20), w;
		uint32_t room = rnd(8 << 20);
		bool low = rnd(2), gap = rnd(2);

		w = win_to_guest(rnd(2) ? 0 : rnd(1 << 20), pool, low, room,
				 (uint16_t)rnd(65476), gap);
		EXPECT(w <= (gap ? WIN_RCV_GAP : WIN_RCV_MAX) &&
		       (w <= pool || w <= (low ? room : 2 * 65476U)));
	}
}

static void test_ack(void)
{
	group("acknowledgements");
	EXPECT(win_ack_now(1, 1460, false));
	EXPECT(!win_ack_now(1, 1460, true));
	EXPECT(!win_ack_now(2919, 1460, true));
	EXPECT(win_ack_now(2920, 1460, true));
	EXPECT(win_ack_now(8192, 65460, true));
}

static void test_rto(void)
{
	uint32_t srtt = 0, var = 0, last = 0;
	unsigned i;

	group("round trips: RFC 6298");
	EXPECT_EQ(win_rto(0, 0, 0), WIN_RTO_FIRST);
	win_rtt(&srtt, &var, 800000);
	EXPECT(srtt == 800000 && var == 400000);
	EXPECT_EQ(win_rto(srtt, var, 0), 2400000);
	win_rtt(&srtt, &var, 400000);
	EXPECT(srtt == 750000 && var == 400000);
	for (i = 0; i < 200; i++)
		win_rtt(&srtt, &var, 1000);
	EXPECT(srtt < 1100 && var < 100);
	EXPECT_EQ(win_rto(srtt, var, 0), WIN_RTO_MIN);
	win_rtt(&srtt, &var, 0);
	EXPECT(srtt);

	group("back-off");
	for (i = 0; i < 300; i++) {
		uint32_t rto = win_rto(srtt, var, i);

		EXPECT(rto >= last && rto <= WIN_RTO_MAX);
		if (i && i < 9)
			EXPECT_EQ(rto, 2 * last);
		last = rto;
	}
	EXPECT_EQ(last, WIN_RTO_MAX);
	EXPECT_EQ(win_rto(UINT32_MAX, UINT32_MAX, 255), WIN_RTO_MAX);

	group("any samples");
	srtt = var = 0;
	for (i = 0; i < 100000; i++) {
		win_rtt(&srtt, &var, rnd(2) ? rnd(1000) : rnd(UINT32_MAX));
		EXPECT(srtt >= 1 && srtt <= WIN_RTO_MAX && var <= WIN_RTO_MAX);
	}
}

int main(void)
{
	test_mss();
	test_window();
	test_ack();
	test_rto();
	return done();
}
