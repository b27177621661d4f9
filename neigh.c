// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * neigh.c - the host's neighbours, so that the guest sees them as the host does
 *
 * Frames come to us whatever their destination MAC address, so this changes no
 * way that a packet takes: it makes the guest's neighbour table tell the truth.
 * The kernel is asked for its table once, and then tells us what changes. If it
 * told more than there was room for, the table is asked for again, and what is
 * not in it any more is gone.
 *
 * Each entry knows the MAC address that the guest was told, or would have been
 * if it had asked. News is where that is not what it would be told now; so a
 * neighbour that goes and comes back in the meantime is no news. One that went
 * away is news as well: we answer for it again, like for everybody. How many
 * news there are is the host's affair, how often the guest hears of them ours.
 */
#include "neigh.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "nl_neigh.h"
#include "util.h"

#define NEWS_MAX	8		/* told at once, */
#define NEWS_PAUSE	(250 * MSEC)	/* before so much time passes */
#define ASK_PAUSE	SEC		/* from one table to the next */
#define ASK_PATIENCE	(10 * SEC)	/* a table that has no end by then */

struct entry {
	union addr	addr;
	uint8_t		mac[6];
	uint8_t		told[6];	/* to the guest; 0: this and that */
	bool		here;		/* else it is gone, which is news */
	bool		news;
	uint8_t		round;		/* of the table last seen in */
};

static struct {
	struct neigh_conf conf;
	int		fd;
	struct entry	e[NEIGH_MAX];
	unsigned	n;
	unsigned	nnews;		/* entries with news */
	unsigned	next;		/* where to look for them first */

	uint8_t		round;		/* counts tables asked for */
	bool		asked;		/* one is under way, */
	bool		first;		/* the first one: nothing is news */
	bool		lost;		/* another one is wanted */
	uint64_t	asked_at;
	struct timer	ask_timer, news_timer;
	unsigned	budget;		/* of news, until: */
	uint64_t	budget_end;
} nb;

/* ---------------------------------------------------------------- the table */

static struct entry *find(const union addr *a)
{
	unsigned i;

	for (i = 0; i < nb.n; i++) {
		if (addr_eq(&nb.e[i].addr, a))
			return &nb.e[i];
	}
	return NULL;
}

/* What the guest is told of it now */
static const uint8_t *shown(const struct entry *e)
{
	return e->here ? e->mac : guest()->our_mac;
}

static void set_news(struct entry *e, bool news)
{
	nb.nnews += news;
	nb.nnews -= e->news;
	e->news = news;
}

/* The guest knows, or will ask. The last one moves to where @e is removed */
static void settle(struct entry *e)
{
	set_news(e, false);
	memcpy(e->told, shown(e), sizeof(e->told));
	if (!e->here)
		*e = nb.e[--nb.n];
}

/* After a change of @e. A guest that is not there yet has nothing in its table
 * that could be outdated */
static void changed(struct entry *e)
{
	if (nb.first || !guest()->mac_known ||
	    !memcmp(e->told, shown(e), sizeof(e->told)))
		settle(e);
	else
		set_news(e, true);
}

/* A place, if need be that of one that is gone. When all are taken, newcomers
 * are answered for like everybody else */
static struct entry *add(const union addr *a)
{
	struct entry *e = NULL;
	unsigned i;

	if (nb.n < NEIGH_MAX) {
		e = &nb.e[nb.n++];
	} else {
		for (i = 0; i < nb.n && !e; i++) {
			if (!nb.e[i].here)
				e = &nb.e[i];
		}
		if (!e)
			return NULL;
		set_news(e, false);
	}

	*e = (struct entry){ .addr = *a };
	memcpy(e->told, guest()->our_mac, sizeof(e->told));
	return e;
}

static bool never(const union addr *a)
{
	unsigned i;

	for (i = 0; i < NEIGH_NEVER_MAX; i++) {
		if (addr_eq(&nb.conf.never[i], a))
			return true;
	}
	return false;
}

static void heard(const struct nl_neigh *n)
{
	struct entry *e;

	if (n->index != nb.conf.ifi[addr_is4(&n->addr) ? GUEST_V4 : GUEST_V6] ||
	    never(&n->addr))
		return;

	e = find(&n->addr);
	if (!e && n->usable)
		e = add(&n->addr);
	if (!e)
		return;

	e->round = nb.round;
	e->here = n->usable;
	memcpy(e->mac, n->mac, sizeof(e->mac));
	changed(e);
}

const uint8_t *neigh_mac(const union addr *a)
{
	struct entry *e = find(a);

	/* Who asks ahead of the news has heard what is so right now. Should it
	 * be again as it was told before, that is news, too */
	if (e && e->news)
		memset(e->told, 0, sizeof(e->told));

	if (!e || !e->here || guest_is_self(a))
		return NULL;
	/* It would take such frames for its own, looping */
	if (!memcmp(e->mac, guest()->mac, sizeof(e->mac)))
		return NULL;
	return e->mac;
}

/* ---------------------------------------------------------------- the kernel */

static void ask(void)
{
	const unsigned *ifi = nb.conf.ifi;
	unsigned one = 0;
	int rc;

	if (!ifi[GUEST_V4] || !ifi[GUEST_V6] || ifi[GUEST_V4] == ifi[GUEST_V6])
		one = MAX(ifi[GUEST_V4], ifi[GUEST_V6]);

	nb.round++;
	nb.asked_at = clock_now();
	rc = nl_neigh_ask(nb.fd, one);
	nb.asked = !rc;
	nb.lost = false;
	if (rc == -EAGAIN || rc == -ENOBUFS || rc == -ENOMEM || rc == -EINTR) {
		nb.lost = true;
		timer_set(&nb.ask_timer, TM_NEIGH, ASK_PAUSE);
	} else if (rc) {
		debug("Cannot ask for neighbours: %s", strerror(-rc));
		nb.first = false;
	}
}

/* Those that are not in the table of this round are gone */
static void table_ends(void)
{
	unsigned i;

	nb.asked = false;
	for (i = nb.n; i--;) {
		struct entry *e = &nb.e[i];

		if (!e->here || e->round == nb.round)
			continue;
		e->here = false;
		changed(e);
	}
	nb.first = false;
}

/* Something was lost: ask, but not all the time */
static void ask_again(void)
{
	uint64_t ago = clock_now() - nb.asked_at;

	if (nb.asked && ago < ASK_PATIENCE)
		return;			/* at its end */
	if (ago >= ASK_PAUSE)
		ask();
	else
		timer_set(&nb.ask_timer, TM_NEIGH, ASK_PAUSE - ago);
}

void neigh_ready(union ev_ref ref, uint32_t mask)
{
	unsigned met;

	(void)ref;
	(void)mask;
	met = nl_neigh_read(nb.fd, heard);
	if (met & NL_NEIGH_END && nb.asked)
		table_ends();
	if (met & NL_NEIGH_LOST) {
		debug("Notices about neighbours were lost");
		nb.lost = true;
	}
	if (!nb.lost)
		return;
	/* Until all has been read the kernel keeps quiet about further losses.
	 * Perhaps it just was, to the last one: no event would tell */
	if (met & NL_NEIGH_EMPTY)
		ask_again();
	else
		timer_set(&nb.ask_timer, TM_NEIGH, ASK_PAUSE);
}

void neigh_timer(struct timer *t)
{
	if (t == &nb.ask_timer && nb.lost)
		neigh_ready((union ev_ref){ .type = EV_NEIGH }, 0);
}

int neigh_init(const struct neigh_conf *c)
{
	/* The wheel is, or will be, emptied: the nodes are in no list */
	memset(&nb, 0, sizeof(nb));
	nb.conf = *c;
	nb.fd = -1;
	if (!c->ifi[GUEST_V4] && !c->ifi[GUEST_V6])
		return -1;

	nb.fd = nl_neigh_open(c->ifi);
	if (nb.fd < 0) {
		debug("Cannot watch neighbours: %s", strerror(-nb.fd));
		return -1;
	}
	nb.first = true;
	ask();
	return nb.fd;
}

/* ---------------------------------------------------------------- the guest */

static void forget_news(void)
{
	unsigned i;

	for (i = nb.n; i--;) {
		if (nb.e[i].news)
			settle(&nb.e[i]);
	}
}

bool neigh_news(union addr *a)
{
	if (!guest()->mac_known)
		forget_news();

	while (nb.nnews) {
		struct entry *e;

		if (clock_now() >= nb.budget_end) {
			nb.budget = NEWS_MAX;
			nb.budget_end = clock_now() + NEWS_PAUSE;
		}
		if (!nb.budget) {
			timer_set(&nb.news_timer, TM_NEIGH,
				  nb.budget_end - clock_now());
			return false;
		}

		/* In turn, or one that changes all the time would be told of
		 * and no other */
		nb.next = nb.next + 1 < nb.n ? nb.next + 1 : 0;
		e = &nb.e[nb.next];
		if (!e->news)
			continue;
		*a = e->addr;
		settle(e);
		if (guest_is_self(a))
			continue;
		nb.budget--;
		return true;
	}
	return false;
}
