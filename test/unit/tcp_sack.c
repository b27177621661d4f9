// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_sack.c - the scoreboard against a naive twin (a map of bytes), with
 * honest and with lying guests, and a whole recovery over a link that loses
 */
#include "tcp_sack.h"

#include "check.h"
#include "util.h"

#define SPACE	3000U

static struct {
	bool	have[SPACE];
	uint32_t base, una, nxt;
	unsigned stamp[SPACE];		/* sent again; the how many-th time */
	uint32_t mark[SPACE];
	unsigned fills, newest;
} twin;
static uint64_t seed = 9;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static void fresh(void)
{
	memset(&twin, 0, sizeof(twin));
	twin.base = rnd(2) ? 0U - rnd(SPACE) : rnd(0xffffffff);
	twin.nxt = SPACE;
}

static bool tell(struct sack *s, uint32_t start, uint32_t end)
{
	struct seg_block b = { twin.base + start, twin.base + end };

	return sack_take(s, twin.base + twin.una, twin.base + twin.nxt, &b, 1);
}

static uint32_t high_end(void)
{
	uint32_t high = SPACE;

	while (high > twin.una && !twin.have[high - 1])
		high--;
	return high;
}

/* A byte that has been sent again is missing for good when something arrived
 * that was sent later */
static bool open_at(uint32_t at, uint32_t high)
{
	return !twin.have[at] && (!twin.stamp[at] || twin.mark[at] < high ||
				  twin.stamp[at] < twin.newest);
}

/* ... and then it is as if it had not been sent again */
static void judge(void)
{
	uint32_t high = high_end(), at;

	for (at = twin.una; at < high; at++)
		if (open_at(at, high))
			twin.stamp[at] = 0;
}

static void compare(const struct sack *s)
{
	uint32_t high = high_end(), at = twin.una, end;
	struct seg_block b;
	bool is = sack_hole(s, twin.base + twin.una, &b);

	while (at < high && !open_at(at, high))
		at++;
	for (end = at; end < high && open_at(end, high); end++)
		;
	EXPECT_EQ(is, at < high);
	if (is) {
		EXPECT_EQ(b.start, twin.base + at);
		EXPECT_EQ(b.end, twin.base + end);
	}
}

static void arrived(uint32_t at)
{
	twin.newest = MAX(twin.newest, twin.stamp[at]);
}

/* Bytes [a, e) have come: what was sent before them, to fill the same hole, was
 * lost */
static bool come(uint32_t a, uint32_t e)
{
	bool isnew = false;
	uint32_t k, below;

	for (k = a; k < e; k++) {
		if (twin.have[k])
			continue;
		isnew = twin.have[k] = true;
		if (!twin.stamp[k])
			continue;
		arrived(k);
		for (below = k; below > twin.una && !twin.have[below - 1]; )
			twin.stamp[--below] = 0;
	}
	return isnew;
}

static void fill(struct sack *s)
{
	struct seg_block b;
	uint32_t k;

	if (!sack_hole(s, twin.base + twin.una, &b))
		return;
	twin.fills++;
	for (k = b.start; k != b.end; k++) {
		twin.stamp[k - twin.base] = twin.fills;
		twin.mark[k - twin.base] = twin.nxt;
	}
	sack_filled(s, b.end, twin.base + twin.nxt);
}

static void acknowledge(struct sack *s)
{
	uint32_t to = twin.una + rnd(100);

	/* Not into a hole */
	while (to < high_end() && !twin.have[to])
		to++;
	while (twin.have[to])
		to++;
	for (; twin.una < to; twin.una++)
		if (!twin.have[twin.una])
			arrived(twin.una);
	sack_acked(s, twin.base + twin.una);
}

static void random_blocks(struct sack *s)
{
	unsigned i, j;

	for (i = 0; i < 500; i++) {
		fresh();
		*s = (struct sack){ 0 };
		twin.nxt = 600;
		sack_start(s, twin.base, twin.base + twin.nxt);
		for (j = 0; j < 60 && twin.una < twin.nxt - 300; j++) {
			uint32_t a = twin.una + 1 +
				     rnd(twin.nxt - twin.una - 1);
			uint32_t e = a + 1 + rnd(MIN(200, twin.nxt - a));
			bool isnew = come(a, e);

			EXPECT_EQ(tell(s, a, e), isnew);
			judge();
			compare(s);
			if (!rnd(3))
				fill(s);
			compare(s);
			if (!rnd(4) && twin.una + 400 < twin.nxt) {
				acknowledge(s);
				judge();
			}
			compare(s);
			twin.nxt += rnd(100);
			twin.nxt = MIN(twin.nxt, SPACE - 1);
		}
		sack_free(s);
		EXPECT_EQ(sack_used(), 0);
	}
}

static void lies(struct sack *s)
{
	unsigned i;

	fresh();
	twin.una = 100;
	twin.nxt = 1000;
	EXPECT(!tell(s, 50, 90));		/* a duplicate: RFC 2883 */
	EXPECT(!tell(s, 50, 150));
	EXPECT(!tell(s, 100, 150));		/* no hole before it */
	EXPECT(!tell(s, 900, 1001));		/* never sent */
	EXPECT(!tell(s, 300, 300));
	EXPECT(!tell(s, 400, 300));
	EXPECT(!tell(s, 200, 200 + 0x80000001U));
	EXPECT_EQ(sack_used(), 0);
	EXPECT(tell(s, 101, 1000));
	EXPECT(!tell(s, 101, 1000));
	sack_acked(s, twin.base + 500);		/* in the middle of it */
	EXPECT_EQ(sack_used(), 1);
	sack_acked(s, twin.base + 1000);
	EXPECT_EQ(sack_used(), 0);

	/* More ranges than are kept: those that are there still grow */
	twin.una = 0;
	twin.nxt = SPACE;
	for (i = 0; i < 2 * SACK_PER_FLOW; i++)
		EXPECT_EQ(tell(s, i * 4 + 1, i * 4 + 2), i < SACK_PER_FLOW);
	EXPECT_EQ(sack_used(), SACK_PER_FLOW);
	EXPECT(tell(s, 1, 3));
	EXPECT(tell(s, 1, SPACE));
	EXPECT_EQ(sack_used(), 1);
	sack_free(s);
}

/*
 * A sender with a window of all the space, in segments of 10, over a link that
 * loses one in four, also of what is sent again. Return: segments sent
 */
static unsigned recovery(struct sack *s)
{
	uint32_t nxt = 0, limit = 500;
	unsigned sent = 0, idle = 0;
	bool on = false;

	fresh();
	while (twin.una < SPACE && idle < 1000) {
		struct seg_block b;
		uint32_t from, i;

		twin.nxt = nxt;
		if (on && sack_hole(s, twin.base + twin.una, &b)) {
			from = b.start - twin.base;
			sack_filled(s, b.start + 10, twin.base + nxt);
		} else if (nxt < MIN(twin.una + limit, SPACE)) {
			from = nxt;
			nxt += 10;
		} else {
			idle++;		/* the timer's business */
			from = twin.una;
			sack_start(s, twin.base + twin.una, twin.base + nxt);
		}
		twin.nxt = nxt;
		sent++;
		if (!rnd(4))
			continue;
		for (i = from; i < from + 10; i++)
			twin.have[i] = true;
		while (twin.una < SPACE && twin.have[twin.una])
			twin.una++;
		sack_acked(s, twin.base + twin.una);
		if (from > twin.una) {
			for (i = from; i < nxt && twin.have[i]; i++)
				;
			if (tell(s, from, i) && !on) {
				on = true;
				sack_start(s, twin.base + twin.una,
					   twin.base + nxt);
			}
		}
	}
	EXPECT_EQ(twin.una, SPACE);
	sack_free(s);
	return sent;
}

int main(void)
{
	struct sack s = { 0 };
	unsigned sent = 0, i;

	sack_init();
	group("blocks in any order");
	random_blocks(&s);
	group("guests that lie");
	lies(&s);
	group("holes are filled, and filled again");
	for (i = 0; i < 50; i++)
		sent += recovery(&s);
	/* 4/3 of what there is would be ideal */
	EXPECT(sent < 50 * SPACE / 10 * 3 / 2);
	printf("# %u segments for each 100\n", sent * 10 * 100 / SPACE / 50);
	EXPECT_EQ(sack_used(), 0);
	return done();
}
