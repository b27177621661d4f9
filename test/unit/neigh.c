// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * neigh.c - the mirror against a naive twin that a guest keeps, in random
 * histories; a full table, lost notices, and how often the guest hears of it.
 * The kernel's part is played here
 *
 * link: -Wl,--wrap=nl_neigh_open,--wrap=nl_neigh_ask,--wrap=nl_neigh_read
 */
#include "neigh.h"

#include <errno.h>

#include "nl_neigh.h"
#include "util.h"
#include "wire.h"

#define IFI4	7U
#define IFI6	9U

/* ---- the kernel ---- */

static struct {
	int		open;		/* what opening returns */
	int		ask;		/* and asking */
	unsigned	asked, index;	/* how often, for which link */
	struct nl_neigh	n[2000];	/* to be told by the next read */
	unsigned	nn;
	unsigned	met;
	unsigned	ifi[2];
} kernel;

int __wrap_nl_neigh_open(const unsigned *ifi);
int __wrap_nl_neigh_ask(int fd, unsigned index);
unsigned __wrap_nl_neigh_read(int fd, void (*fn)(const struct nl_neigh *n));

int __wrap_nl_neigh_open(const unsigned *ifi)
{
	memcpy(kernel.ifi, ifi, sizeof(kernel.ifi));
	return kernel.open;
}

int __wrap_nl_neigh_ask(int fd, unsigned index)
{
	EXPECT_EQ(fd, kernel.open);
	kernel.asked++;
	kernel.index = index;
	return kernel.ask;
}

unsigned __wrap_nl_neigh_read(int fd, void (*fn)(const struct nl_neigh *n))
{
	unsigned i, met = kernel.met;

	EXPECT_EQ(fd, kernel.open);
	for (i = 0; i < kernel.nn; i++)
		fn(&kernel.n[i]);
	kernel.nn = 0;
	kernel.met = NL_NEIGH_EMPTY;
	return met;
}

/* say() - A neighbour with MAC number @mac, or gone if that is 0 */
static void say(const union addr *a, unsigned mac)
{
	struct nl_neigh *n = &kernel.n[kernel.nn++];

	*n = (struct nl_neigh){ .addr = *a, .usable = mac,
				.index = addr_is4(a) ? IFI4 : IFI6 };
	n->mac[0] = mac ? 2 : 0;
	n->mac[4] = (uint8_t)(mac >> 8);
	n->mac[5] = (uint8_t)mac;
}

static void ready(void)
{
	union ev_ref ref = { .u64 = 0 };

	neigh_ready(ref, 1);
}

static void table_ends(void)
{
	kernel.met = NL_NEIGH_END | NL_NEIGH_EMPTY;
	ready();
}

static void tell(const union addr *a, unsigned mac)
{
	say(a, mac);
	ready();
}

/* ---- the guest ---- */

static uint64_t now;

static void move(uint64_t us)
{
	struct timer *t;

	now += us;
	clock_set(now);
	while ((t = timer_pop())) {
		EXPECT_EQ(t->kind, TM_NEIGH);
		neigh_timer(t);
	}
}

static void start_with(const struct neigh_conf *c)
{
	struct guest g = wire_facts();

	wire_start(&g);
	now += 1000 * SEC;
	clock_set(now);
	timer_reset();
	memset(&kernel, 0, sizeof(kernel));
	kernel.open = 33;
	kernel.met = NL_NEIGH_EMPTY;
	EXPECT_EQ(neigh_init(c), 33);
	EXPECT_EQ(kernel.ifi[0], c->ifi[0]);
	EXPECT_EQ(kernel.ifi[1], c->ifi[1]);
	EXPECT_EQ(kernel.asked, 1);
}

/* An empty table, and everything from there on is news */
static void start(void)
{
	struct neigh_conf c = { .ifi = { IFI4, IFI6 } };

	start_with(&c);
	table_ends();
}

/* mac_no() - Number of the MAC address told for @a, 0 for ours */
static unsigned mac_no(const union addr *a)
{
	const uint8_t *m = neigh_mac(a);

	return m ? (unsigned)m[4] << 8 | m[5] : 0;
}

static bool is_news(const char *s)
{
	union addr a, want = A(s);

	return neigh_news(&a) && addr_eq(&a, &want);
}

static bool no_news(void)
{
	union addr a;

	return !neigh_news(&a);
}

/* ---- tests ---- */

static void basics(void)
{
	union addr a4 = A("192.0.2.9"), a6 = A("2001:db8::9"), ll = A("fe80::9");
	union addr other = A("192.0.2.10");

	group("neighbours come, change and go");
	start();
	EXPECT(!neigh_mac(&a4) && no_news());
	tell(&a4, 1);
	EXPECT_EQ(mac_no(&a4), 1);
	EXPECT_EQ(mac_no(&other), 0);
	EXPECT(is_news("192.0.2.9") && no_news());
	tell(&a4, 1);
	EXPECT(no_news());
	tell(&a4, 2);
	EXPECT_EQ(mac_no(&a4), 2);
	EXPECT(is_news("192.0.2.9") && no_news());
	tell(&a6, 3);
	tell(&ll, 4);
	EXPECT(mac_no(&a6) == 3 && mac_no(&ll) == 4);
	EXPECT(!no_news() && !no_news() && no_news());
	tell(&a4, 0);
	EXPECT(!neigh_mac(&a4));
	EXPECT(is_news("192.0.2.9") && no_news());
	tell(&a4, 0);
	tell(&other, 0);
	EXPECT(no_news());

	group("what has changed back is no news");
	tell(&a6, 5);
	tell(&a6, 3);
	EXPECT(no_news());
	tell(&a6, 0);
	tell(&a6, 3);
	EXPECT(no_news());
	tell(&a4, 1);
	tell(&a4, 0);
	EXPECT(no_news());

	group("links that are none of ours");
	say(&a4, 1);
	kernel.n[0].index = IFI6;
	ready();
	EXPECT(!neigh_mac(&a4));
	say(&a6, 0);
	kernel.n[0].index = IFI4;
	ready();
	EXPECT_EQ(mac_no(&a6), 3);
	EXPECT(no_news());
	EXPECT_EQ(timer_count(), 0);
}

static void exceptions(void)
{
	struct neigh_conf c = { .ifi = { IFI4, IFI6 } };
	union addr a4 = A("192.0.2.9"), self = A("192.0.2.2");
	union addr own6 = A("2001:db8::77");

	group("addresses that always are ours");
	c.never[0] = A("192.0.2.1");
	c.never[NEIGH_NEVER_MAX - 1] = A("fe80::1");
	start_with(&c);
	table_ends();
	tell(&c.never[0], 1);
	tell(&c.never[NEIGH_NEVER_MAX - 1], 2);
	EXPECT(!neigh_mac(&c.never[0]));
	EXPECT(!neigh_mac(&c.never[NEIGH_NEVER_MAX - 1]));
	EXPECT(no_news());

	group("the guest's own addresses and MAC");
	tell(&self, 1);
	EXPECT(!neigh_mac(&self) && no_news());
	tell(&own6, 2);
	EXPECT_EQ(mac_no(&own6), 2);
	guest_saw(guest_mac, &own6);
	EXPECT(!neigh_mac(&own6) && no_news());
	say(&a4, 1);
	memcpy(kernel.n[0].mac, guest_mac, 6);
	ready();
	EXPECT(!neigh_mac(&a4));

	group("no news for nobody");
	start();
	guest_forget();
	tell(&a4, 1);
	guest_saw(guest_mac, NULL);
	EXPECT_EQ(mac_no(&a4), 1);
	EXPECT(no_news());
	tell(&a4, 2);
	guest_forget();
	EXPECT(no_news());
	guest_saw(guest_mac, NULL);
	EXPECT(no_news());
	tell(&a4, 0);
	EXPECT(is_news("192.0.2.9"));

	group("no link, no socket");
	memset(&kernel, 0, sizeof(kernel));
	c = (struct neigh_conf){ .ifi = { 0, 0 } };
	EXPECT_EQ(neigh_init(&c), -1);
	EXPECT(!neigh_mac(&a4) && no_news());
	c.ifi[1] = IFI6;
	kernel.open = -EPERM;
	EXPECT_EQ(neigh_init(&c), -1);
	EXPECT_EQ(kernel.asked, 0);
	start_with(&c);
	EXPECT_EQ(kernel.index, IFI6);
	c.ifi[0] = IFI6;
	start_with(&c);
	EXPECT_EQ(kernel.index, IFI6);
	c.ifi[0] = IFI4;
	start_with(&c);
	EXPECT_EQ(kernel.index, 0);
}

static void tables(void)
{
	struct neigh_conf c = { .ifi = { IFI4, IFI6 } };
	union addr a = A("192.0.2.9"), b = A("192.0.2.10"), d = A("fe80::9");
	unsigned i;

	group("the first table is no news");
	start_with(&c);
	tell(&a, 1);
	tell(&b, 2);
	EXPECT(mac_no(&a) == 1 && no_news());
	table_ends();
	EXPECT(mac_no(&a) == 1 && mac_no(&b) == 2 && no_news());
	EXPECT_EQ(timer_count(), 0);

	group("notices were lost: the table again, and who is not in it is gone");
	move(2 * SEC);
	kernel.met = NL_NEIGH_LOST;	/* more is to be read before */
	ready();
	EXPECT_EQ(kernel.asked, 1);
	ready();
	EXPECT_EQ(kernel.asked, 2);
	tell(&a, 3);
	tell(&d, 4);
	EXPECT_EQ(mac_no(&b), 2);
	table_ends();
	EXPECT(!neigh_mac(&b) && mac_no(&a) == 3 && mac_no(&d) == 4);
	for (i = 0; i < 3; i++)
		EXPECT(!no_news());
	EXPECT(no_news());

	group("not all the time");
	for (i = 0; i < 1500; i++) {
		kernel.met = NL_NEIGH_LOST | NL_NEIGH_EMPTY;
		ready();
		move(MSEC);
	}
	EXPECT_EQ(kernel.asked, 3);	/* and that one has no end yet */
	EXPECT_EQ(timer_count(), 0);
	table_ends();
	move(SEC + 2 * MSEC);
	EXPECT_EQ(kernel.asked, 4);
	table_ends();
	move(100 * SEC);
	EXPECT_EQ(kernel.asked, 4);
	EXPECT_EQ(timer_count(), 0);
	table_ends();			/* one that nobody asked for */
	EXPECT(!neigh_mac(&a));		/* gone with the table before */

	group("one that never ends, one that cannot be asked for");
	kernel.met = NL_NEIGH_LOST | NL_NEIGH_EMPTY;
	ready();
	EXPECT_EQ(kernel.asked, 5);
	move(11 * SEC);
	kernel.met = NL_NEIGH_LOST | NL_NEIGH_EMPTY;
	ready();
	EXPECT_EQ(kernel.asked, 6);
	table_ends();
	move(11 * SEC);
	kernel.ask = -ENOBUFS;
	kernel.met = NL_NEIGH_LOST | NL_NEIGH_EMPTY;
	ready();
	EXPECT_EQ(kernel.asked, 7);
	move(SEC + 2 * MSEC);
	EXPECT_EQ(kernel.asked, 8);
	kernel.ask = -EPERM;
	move(SEC + 2 * MSEC);
	EXPECT_EQ(kernel.asked, 9);
	move(100 * SEC);
	EXPECT_EQ(kernel.asked, 9);
	EXPECT_EQ(timer_count(), 0);
}

static union addr nth(unsigned i)
{
	union addr a = A(i & 1 ? "10.0.0.0" : "fd00::");

	a.b[14] = (uint8_t)(i >> 8);
	a.b[15] = (uint8_t)i;
	return a;
}

static void full(void)
{
	unsigned i, n;
	union addr a;

	group("notices were lost, and no event tells that all has been read");
	start();
	table_ends();
	kernel.met = NL_NEIGH_LOST;
	move(2 * SEC);
	ready();
	EXPECT_EQ(kernel.asked, 1);
	move(SEC + 2 * MSEC);
	EXPECT_EQ(kernel.asked, 2);

	group("a full table");
	start();
	for (i = 0; i < 700; i++) {
		a = nth(i);
		say(&a, i + 1);
	}
	ready();
	for (i = 0; i < 700; i++) {
		a = nth(i);
		EXPECT_EQ(mac_no(&a), i < NEIGH_MAX ? i + 1 : 0);
	}
	/* One goes, one comes in its place, told or not */
	a = nth(100);
	tell(&a, 0);
	a = nth(600);
	tell(&a, 9);
	EXPECT_EQ(mac_no(&a), 9);
	a = nth(601);
	tell(&a, 9);
	EXPECT(!neigh_mac(&a));
	/* Those that are there may change */
	a = nth(511);
	tell(&a, 8);
	EXPECT_EQ(mac_no(&a), 8);
	for (n = i = 0; i < 700; i++) {
		a = nth(i);
		n += !!neigh_mac(&a);
	}
	EXPECT_EQ(n, NEIGH_MAX);

	group("how often the guest hears of them");
	for (n = i = 0; i < 64 * 250; i++) {
		unsigned once = 0;

		while (neigh_news(&a)) {
			once++;
			n++;
		}
		EXPECT(once <= 8);
		EXPECT(n <= 8 * (1 + i / 249));
		EXPECT_EQ(n == 512, timer_count() == 0);
		move(MSEC);
	}
	EXPECT_EQ(n, 512);
	EXPECT(no_news());

	group("all go");
	for (i = 0; i < 700; i++) {
		a = nth(i);
		say(&a, 0);
	}
	ready();
	for (n = i = 0; i < 20000; i++) {
		while (neigh_news(&a)) {
			EXPECT(!neigh_mac(&a));
			n++;
		}
		move(MSEC);
	}
	EXPECT_EQ(n, 512);
	for (i = 0; i < 700; i++) {
		a = nth(i);
		tell(&a, i + 1);
		EXPECT_EQ(mac_no(&a), i < NEIGH_MAX ? i + 1 : 0);
	}
}

#define KEYS 60

/* What each knows: @truth who is there, @view the guest, which now and then asks
 * for all, and is told of those again that it asked for ahead of news */
static void twin(void)
{
	unsigned truth[KEYS] = { 0 }, view[KEYS] = { 0 }, i, k, step, told = 0;
	bool asked[KEYS] = { false };
	uint32_t rnd = 4711;
	union addr a;

	group("random histories");
	start();
	for (step = 0; step < 200000; step++) {
		rnd = rnd * 1664525 + 1013904223;
		k = (rnd >> 8) % KEYS;
		a = nth(k);
		switch (rnd >> 28) {
		case 0:			/* a table instead of notices */
			if (step % 16)
				break;
			move(2 * SEC);
			kernel.met = NL_NEIGH_LOST | NL_NEIGH_EMPTY;
			ready();
			truth[k] = 0;
			for (i = 0; i < KEYS; i++) {
				a = nth(i);
				if (truth[i])
					say(&a, truth[i]);
			}
			ready();
			table_ends();
			break;
		case 1: case 2: case 3: case 4:
			truth[k] = 0;
			tell(&a, 0);
			break;
		case 5: case 6: case 7:
			move(rnd % 40 * MSEC);
			break;
		case 8: case 9:
			while (neigh_news(&a)) {
				for (i = 0; i < KEYS; i++) {
					union addr b = nth(i);

					if (addr_eq(&a, &b))
						break;
				}
				if (!EXPECT(i < KEYS))
					return;
				EXPECT(view[i] != truth[i] || asked[i]);
				asked[i] = false;
				view[i] = mac_no(&a);
				told++;
			}
			break;
		default:
			truth[k] = 1 + (rnd >> 4) % 3;
			tell(&a, truth[k]);
		}
		for (i = 0; i < KEYS && step % 64 == 0; i++) {
			a = nth(i);
			asked[i] = asked[i] || view[i] != truth[i];
			view[i] = mac_no(&a);
			EXPECT_EQ(view[i], truth[i]);
		}
	}
	for (step = 0; step < 20; step++) {
		move(260 * MSEC);
		while (neigh_news(&a)) {
			for (i = 0; i < KEYS; i++) {
				union addr b = nth(i);

				if (addr_eq(&a, &b))
					view[i] = mac_no(&a);
			}
		}
	}
	for (i = 0; i < KEYS; i++)
		EXPECT_EQ(view[i], truth[i]);
	EXPECT(told > 1000);
	EXPECT_EQ(timer_count(), 0);
}

int main(void)
{
	basics();
	exceptions();
	tables();
	full();
	twin();
	return done();
}
