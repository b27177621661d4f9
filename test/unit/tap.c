// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap.c (unit) - the port's front and the fake port, against the contract
 */
#include "tap.h"

#include "fake_tap.h"
#include "port_contract.h"

static bool push(const void *frame, size_t len)
{
	return fake_push(frame, len, 0);
}

static size_t pop(void *buf, size_t size)
{
	return fake_pop(buf, size, NULL);
}

static const struct contract_guest guest = { push, pop, 1500, 0 };

static void fresh(void)
{
	fake_reset();
	tap_attach(&fake_tap_ops);
}

static void knobs(void)
{
	static const size_t elem[] = { 0, 1, 13, 4096 };
	unsigned i;

	for (i = 0; i < ARRAY_LEN(elem); i++) {
		fresh();
		fake_knobs()->elem = elem[i];
		fake_knobs()->hold = i & 1;
		fake_knobs()->rx_elem = i ? 20 * i : 0;
		contract_run(&guest, "contract over the fake port, elements");
		EXPECT(fake_idle());
	}

	fresh();
	fake_knobs()->slots = 3;
	fake_knobs()->last_room = 50;
	contract_run(&guest, "contract over the fake port, little room");
	EXPECT(fake_idle());
}

static void refusals(void)
{
	struct tap_slot s[8];
	int i, n;

	group("what a commit does not accept was never built");
	fresh();
	fake_knobs()->accept = 3;
	n = tap_reserve(s, 8, HDR_ROOM, 100);
	EXPECT_EQ(n, 8);
	for (i = 0; i < n; i++)
		contract_fill(&s[i], (uint8_t)i, 100);
	EXPECT_EQ(tap_commit(s, n, 5, false), 3);
	EXPECT_EQ(fake_pending(), 3);
	EXPECT_EQ(tap_counters()->tx_frames, 3);
	EXPECT_EQ(tap_counters()->tx_refused, 2);
	EXPECT_EQ(tap_counters()->tx_bytes, 3 * (100 + ETH_HLEN_));

	group("no room");
	fake_knobs()->slots = 0;
	EXPECT_EQ(tap_reserve(s, 8, HDR_ROOM, 100), 0);
	fake_knobs()->slots = -1;
	EXPECT_EQ(tap_reserve(s, 8, HDR_ROOM, 100), 8);
	EXPECT_EQ(tap_commit(s, 8, 0, false), 0);

	group("a new attach starts anew");
	tap_attach(&fake_tap_ops);
	EXPECT_EQ(tap_counters()->tx_frames, 0);
	EXPECT(!tap_lost());
	fake_knobs()->lost = true;
	EXPECT(tap_lost());
	fake_knobs()->caps.uso = true;
	EXPECT(tap_caps()->uso && !tap_caps()->tso);
}

static void joins(void)
{
	struct fake_info info;
	struct tap_slot s[4];
	uint8_t buf[4096];
	int i;

	group("joined slots are one frame, accepted whole or not at all");
	fresh();
	EXPECT_EQ(tap_reserve(s, 4, HDR_ROOM, 100), 4);
	for (i = 0; i < 4; i++) {
		contract_fill(&s[i], (uint8_t)i, (size_t)(100 - i));
		s[i].join = i == 1 || i == 2;
		if (s[i].join)
			s[i].hdrlen = 0;
	}
	s[0].gso = TAP_GSO_UDP;
	s[0].gso_size = 100;
	EXPECT_EQ(tap_commit(s, 4, 4, false), 4);
	EXPECT_EQ(fake_pop(buf, sizeof(buf), &info),
		  ETH_HLEN_ + 100 + 99 + 98);
	EXPECT_EQ(info.slots, 3);
	EXPECT_EQ(info.gso, TAP_GSO_UDP);
	EXPECT_EQ(info.gso_size, 100);
	EXPECT_EQ(info.slot_len[2], 98);
	EXPECT_EQ(buf[ETH_HLEN_ + 100], contract_byte(1, 0));
	EXPECT_EQ(buf[ETH_HLEN_ + 199], contract_byte(2, 0));
	EXPECT_EQ(fake_pop(buf, sizeof(buf), &info), ETH_HLEN_ + 97);
	EXPECT_EQ(tap_counters()->tx_frames, 2);

	fake_knobs()->accept = 2;
	EXPECT_EQ(tap_reserve(s, 4, HDR_ROOM, 100), 4);
	for (i = 0; i < 4; i++) {
		contract_fill(&s[i], (uint8_t)i, 100);
		s[i].join = i >= 2;
	}
	EXPECT_EQ(tap_commit(s, 4, 4, false), 1);
	EXPECT_EQ(fake_pending(), 1);
}

int main(void)
{
	knobs();
	refusals();
	joins();
	fake_reset();
	return done();
}
