// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of bound.c: sockets that come and go, against a naive twin; and
 * more addresses than there is room for
 */
#include "bound.h"

#include "check.h"

#define ADDRS	5U
#define PORTS	7U

static uint64_t seed = 5;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

/* Of these two are the unspecified ones, and the last port the highest */
static union addr addr_no(unsigned i)
{
	union addr a = addr_any(!i);

	if (i > 1)
		a.b[15] = (uint8_t)i;
	return a;
}

static in_port_t port_no(unsigned i)
{
	return (in_port_t)(UINT16_MAX - i);
}

static void twin(void)
{
	static unsigned n[2][ADDRS][PORTS];
	unsigned i, ns, a, p, wrong = 0;

	group("counts like its twin");
	for (i = 0; i < 20000; i++) {
		union addr addr;

		ns = rnd(2);
		a = rnd(ADDRS);
		p = rnd(PORTS);
		addr = addr_no(a);
		if (rnd(2)) {
			bound_begins(ns, &addr, port_no(p));
			n[ns][a][p]++;
		} else {
			bound_ends(ns, &addr, port_no(p));
			n[ns][a][p] -= n[ns][a][p] > 0;
		}
		wrong += bound_has(ns, &addr, port_no(p)) != (n[ns][a][p] > 0);
	}
	for (ns = 0; ns < 2; ns++)
		for (a = 0; a < ADDRS; a++)
			for (p = 0; p < PORTS; p++) {
				union addr addr = addr_no(a);
				in_port_t port = port_no(p);

				wrong += bound_has(ns, &addr, port) !=
					 (n[ns][a][p] > 0);
				while (n[ns][a][p]--)
					bound_ends(ns, &addr, port);
				wrong += bound_has(ns, &addr, port);
			}
	EXPECT_EQ(wrong, 0);
}

static void many(void)
{
	unsigned i, wrong = 0;

	group("addresses beyond the limit are not known, others stay");
	for (i = 2; i < BOUND_ADDRS + 3; i++) {
		union addr a = addr_no(i);

		bound_begins(false, &a, 53);
		wrong += bound_has(false, &a, 53) != (i < BOUND_ADDRS + 2);
	}
	for (i = BOUND_ADDRS + 2; i >= 2; i--) {
		union addr a = addr_no(i);

		bound_ends(false, &a, 53);
		wrong += bound_has(false, &a, 53);
	}
	EXPECT_EQ(wrong, 0);

	group("and there is room again");
	for (i = 2; i < BOUND_ADDRS + 2; i++) {
		union addr a = addr_no(i + 99);

		bound_begins(true, &a, 53);
		wrong += !bound_has(true, &a, 53) || bound_has(false, &a, 53);
	}
	EXPECT_EQ(wrong, 0);
}

int main(void)
{
	twin();
	many();
	return done();
}
