// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_scan.c - listeners that depend on what is open on the other side
 *
 * A port that a program opens in the namespace is opened on the host, and the
 * other way round. The kernel tells nobody of a port that was opened, so we
 * look, a few times a second, which costs little (see nl_diag.c); and less
 * often, should it cost more here. Of ports that were closed there is news.
 *
 * What we have open ourselves is nobody's service, and must never be followed:
 * the two sides would open each other's ports for ever. So all that is wanted
 * is decided on one view of things, before anything is opened or closed.
 *
 * A TCP port that was published by number is bound all the time, but listens
 * only while somebody in the namespace listens at its target. Whoever waits for
 * that wants it to be there at once, so while such a port lacks its server, that
 * one table is looked at more often; and before anything is passed on that comes
 * from the namespace: it may tell somebody of the port, as FTP servers do, who
 * then should find it listening. Where packets may have another way than to
 * a listening socket (see nl_rules.c), those ports always listen.
 *
 * Some programs use a UDP port next to a TCP one, and bind it only when they
 * are asked to (iperf3). So UDP follows the numbers of TCP ports as well.
 */
#include "fwd_scan.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "bound.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_listen.h"
#include "log.h"
#include "nl_diag.h"
#include "nl_rules.h"
#include "ns.h"
#include "proc_net.h"
#include "sock.h"
#include "util.h"

#define INTERVAL_MIN	(200 * MSEC)
#define INTERVAL_MAX	(1 * SEC)
#define COST		100	/* time between, in times of what one takes */
#define SOON		(20 * MSEC)	/* after news, at least, */
#define COST_SOON	10		/* ... in times of what one takes */
#define RETRY		(1 * SEC)	/* for what could not be bound */
#define BUSY		50	/* new flows between two looks */
#define FAIL_MAX	64U	/* of these per table and time */
#define QUIET		60U	/* seconds between words about descriptors */

#define GLANCE		(25 * MSEC)	/* for servers that are awaited: of */
#define GLANCE_LATER	(100 * MSEC)	/* late, or for more than a */
#define LATER		(60 * SEC)	/* minute; at least, */
#define COST_GLANCE	300		/* ... in times of what one takes */
#define COST_TURN	50		/* ... and if something may be said; */
#define ROW		30		/* ... of those, in a row */

enum place { HOST, NS, PLACES };
#define RULES	PLACES		/* instead of a place, for news */
enum { TCP, UDP, PROTOS };

/* One side, as a place to look at */
struct view {
	int		diag;		/* or else -1, and: */
	int		proc[PROTOS][2];
	int		closed;		/* news, or -1 */
	bool		deaf;		/* for news */
	bool		on[PROTOS];	/* somebody wants to know */
	uint8_t		port[PROTOS][PORTS_BYTES];	/* others' */
	uint8_t		ours[PROTOS][PORTS_BYTES];
};

/* One rule table that follows a place */
struct follower {
	bool		on;
	bool		failed;		/* not all of it could be bound */
	bool		exhausted;	/* ... for want of descriptors */
	unsigned long	exhausted_told;
	uint64_t	tried;
	uint8_t		want[PORTS_BYTES], had[PORTS_BYTES];
	uint8_t		told[PORTS_BYTES];	/* of a failure */
};

/* Published ports that listen while they are served */
struct gate {
	bool		on;
	bool		open;		/* all of them, come what may */
	uint8_t		served[PORTS_BYTES];	/* as of the last change */
	struct listen_count n;
	unsigned long	told;
	uint64_t	tried;
	uint64_t	since;		/* the last one lost its server */
	uint64_t	took;		/* CPU time of a glance at the table */
	uint64_t	credit, turned;	/* time for glances in turns; when */
};

static struct {
	struct view	view[PLACES];
	struct follower	fol[FWD_TABLES];
	struct gate	gate;
	struct timer	timer;
	uint64_t	last, took;	/* look: when, and CPU time */
	uint64_t	due;		/* the next one */
	uint64_t	flows;		/* opened until then */
	bool		opened;
} scan;

/* ----------------------------------------------------------------- looking */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void ports_minus(uint8_t *from, const uint8_t *set)
{
	uint64_t a, b;
	unsigned i;

	for (i = 0; i < PORTS_BYTES; i += sizeof(a)) {
		memcpy(&a, from + i, sizeof(a));
		memcpy(&b, set + i, sizeof(b));
		a &= ~b;
		memcpy(from + i, &a, sizeof(a));
	}
}

static enum place place_of(enum fwd_table t)
{
	return fwd_is_inbound(t) ? NS : HOST;
}

static int proto_of(enum fwd_table t)
{
	return fwd_is_tcp(t) ? TCP : UDP;
}

static enum fwd_table table_of(int proto, enum place listens_at)
{
	if (listens_at == HOST)
		return proto == TCP ? FWD_TCP_IN : FWD_UDP_IN;
	return proto == TCP ? FWD_TCP_NS : FWD_UDP_NS;
}

static int read_ports(const struct view *v, int p, uint8_t *ports)
{
	uint8_t proto = p == TCP ? IPPROTO_TCP : IPPROTO_UDP;
	int rc, rc6;

	if (v->diag >= 0)
		return nl_diag_ports(v->diag, proto, ports);
	rc = proc_net_ports(v->proc[p][0], proto, ports);
	if (v->proc[p][1] < 0)
		return rc;		/* no IPv6 here */
	rc6 = proc_net_ports(v->proc[p][1], proto, ports);
	return rc ? rc : rc6;
}

/* In the namespace it is about */
static int view_open(void *arg)
{
	static const char *const table[PROTOS][2] = {
		[TCP] = { "tcp", "tcp6" }, [UDP] = { "udp", "udp6" },
	};
	struct view *v = arg;
	int p, rc = 0;

	v->deaf = true;
	if (v == &scan.view[NS])
		v->closed = nl_diag_watch();
	v->diag = nl_diag_open();
	for (p = 0; p < PROTOS && v->diag >= 0; p++) {
		if (!v->on[p] || !read_ports(v, p, v->port[p]))
			continue;
		close_fd(v->diag);	/* a kernel without it */
		v->diag = -1;
	}
	if (v->diag >= 0)
		return 0;

	for (p = 0; p < PROTOS; p++) {
		v->proc[p][0] = proc_net_open(table[p][0]);
		v->proc[p][1] = proc_net_open(table[p][1]);
		if (v->on[p] && v->proc[p][0] < 0)
			rc = v->proc[p][0];
	}
	return rc;
}

/* flow_ports() - Add UDP ports of @ports that a flow of ours has at every address,
 * as one to a group has, since nobody else has them then */
static void flow_ports(enum place at, const uint8_t *ports, uint8_t *ours)
{
	union addr any4 = addr_any(true), any6 = addr_any(false);
	unsigned i;
	in_port_t n;

	for (i = 0; i <= UINT16_MAX; i++) {
		n = (in_port_t)i;
		if (!ports[i / 8])
			i |= 7;
		else if (bit_test(ports, i) && (bound_has(at == NS, &any4, n) ||
						bound_has(at == NS, &any6, n)))
			bit_set(ours, i);
	}
}

/* Ports of one protocol that others have open in one place. If that fails,
 * things are as they were */
static void look(enum place at, int p)
{
	static uint8_t now[PORTS_BYTES];	/* large for a stack */
	struct view *v = &scan.view[at];
	int rc;

	memset(now, 0, sizeof(now));
	rc = read_ports(v, p, now);
	if (rc) {
		debug("Cannot list open ports: %s", strerror(-rc));
		return;
	}
	memcpy(v->port[p], now, sizeof(now));

	memset(v->ours[p], 0, sizeof(v->ours[p]));
	listen_ports(table_of(p, at), v->ours[p]);
	ports_minus(v->port[p], v->ours[p]);
	if (p == UDP) {
		flow_ports(at, v->port[p], v->ours[p]);
		ports_minus(v->port[p], v->ours[p]);
	}
}

/* --------------------------------------------------------------- following */

/*
 * decide() - What a table shall have
 *
 * Where both sides have a number open for TCP, and nobody has it for UDP, both
 * would open it for that, and see then that the other one is ours. So the host
 * goes first, unless it is known to fail.
 */
static void decide(enum fwd_table t)
{
	const struct view *v = &scan.view[place_of(t)];
	const struct follower *first = &scan.fol[FWD_UDP_IN];
	struct follower *w = &scan.fol[t];
	uint8_t tcp;
	unsigned i;

	memcpy(w->want, v->port[proto_of(t)], sizeof(w->want));
	if (proto_of(t) != UDP)
		return;
	for (i = 0; i < PORTS_BYTES; i++) {
		tcp = v->port[TCP][i];
		if (t != FWD_UDP_IN)
			tcp &= (uint8_t)(~first->want[i] | first->told[i]);
		w->want[i] |= tcp;
	}
	ports_minus(w->want, v->ours[UDP]);
}

/* Once for each port, until it works: who opens it over and over must not fill
 * the log. That there are too few descriptors is not about the one port */
static void tell_failure(enum fwd_table t, const struct listen_failure *f)
{
	const char *proto = proto_of(t) == TCP ? "TCP" : "UDP";
	const char *whose = place_of(t) == HOST ? "the host" : "the namespace";
	struct follower *w = &scan.fol[t];

	if (!listen_exhausted(f->e)) {
		bit_set(w->told, f->port);
		/* Open for TCP only: that is told of there */
		if (!bit_test(scan.view[place_of(t)].port[proto_of(t)],
			      f->port))
			return;
		warn("Cannot forward %s port %u of %s, as its number cannot be bound %s: %s",
		     proto, f->port, whose,
		     place_of(t) == HOST ? "in the namespace" : "here",
		     strerror(-f->e));
		return;
	}
	if (!w->exhausted && log_ratelimit(&w->exhausted_told, QUIET))
		warn("Not forwarding %s ports of %s from %u on: each takes a descriptor, and a quarter is for connections (ulimit -Hn): %s",
		     proto, whose, f->port, strerror(-f->e));
	w->exhausted = true;
}

/*
 * clear_ports() - A flow that began before its port was known to be open has the
 * number bound, alone; so it ends, and its next datagram is of another one, by
 * the listener or beside it. Return: whether it may help those in @fail
 */
static bool clear_ports(enum fwd_table t, const struct listen_failure *fail,
			int n)
{
	uint8_t pif = fwd_is_inbound(t) ? PIF_HOST : PIF_NS;
	union flow *f = NULL;
	bool any = false;
	int i;

	for (i = 0; i < n && fail[i].e != -EADDRINUSE; i++)
		;
	if (i >= n || proto_of(t) != UDP)
		return false;
	while ((f = flow_each(f))) {
		if (f->h.type != FLOW_UDP || f->h.side[1].pif != pif ||
		    f->udp.sock[1] < 0)
			continue;
		for (i = 0; i < n; i++)
			if (fail[i].port == f->h.side[1].ours_port)
				break;
		if (i == n)
			continue;
		sock_udp_close(&f->udp.sock[1], &f->h.side[1]);
		flow_close(f);
		any = true;
	}
	return any;
}

static void follow(enum fwd_table t)
{
	struct listen_failure fail[FAIL_MAX];
	static uint8_t have[PORTS_BYTES];	/* large for a stack */
	struct follower *w = &scan.fol[t];
	bool same = !memcmp(w->want, w->had, sizeof(w->want));
	int n, i;

	if (same && (!w->failed || clock_now() - w->tried < RETRY))
		return;

	w->tried = clock_now();
	n = listen_follow(t, w->want, w->told, fail, FAIL_MAX);
	if (clear_ports(t, fail, n))
		n = listen_follow(t, w->want, w->told, fail, FAIL_MAX);
	if (n < 0)
		debug("Cannot open ports in the namespace: %s", strerror(-n));
	for (i = 0; i < n; i++)
		tell_failure(t, &fail[i]);

	memset(have, 0, sizeof(have));
	listen_ports(t, have);
	ports_minus(w->told, have);
	w->failed = memcmp(have, w->want, sizeof(have));
	w->exhausted = w->exhausted && w->failed;
	memcpy(w->had, w->want, sizeof(w->had));
}

static uint64_t cpu_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * Notices of closed ports cost the kernel something for each connection of the
 * namespace that ends. So the host's are not asked for, as it has others to
 * care for, and the namespace's only while there are few connections
 */
static void choose_news(void)
{
	struct view *v = &scan.view[NS];
	bool busy = flow_opened() - scan.flows > BUSY;

	scan.flows = flow_opened();
	if (v->closed < 0 || busy == v->deaf)
		return;
	v->deaf = busy;
	nl_diag_hear(v->closed, v->on[TCP], v->on[UDP], !busy);
}

static void attend(void)
{
	static uint8_t served[PORTS_BYTES];	/* large for a stack */
	struct gate *g = &scan.gate;

	if (g->open)
		memset(served, 0xff, sizeof(served));
	else
		memcpy(served, scan.view[NS].port[TCP], sizeof(served));
	if (!memcmp(served, g->served, sizeof(served)) &&
	    (!g->n.failed || clock_now() - g->tried < RETRY))
		return;

	memcpy(g->served, served, sizeof(served));
	g->tried = clock_now();
	listen_served(served, &g->n);
	if (g->n.ended)
		g->since = clock_now();
	if (g->n.failed && log_ratelimit(&g->told, QUIET))
		warn("%u published TCP ports are served in the namespace, but we cannot listen: %s",
		     g->n.failed, strerror(-g->n.e));
}

/* When to look again, at least for what is awaited */
static void set_timer(void)
{
	const struct gate *g = &scan.gate;
	uint64_t now = clock_now(), wait;

	wait = scan.due > now ? scan.due - now : 0;
	if (g->on && g->n.shut) {
		uint64_t most = now - g->since < LATER ? GLANCE : GLANCE_LATER;

		wait = MIN(wait, MAX(most, g->took * COST_GLANCE));
	}
	timer_set(&scan.timer, TM_SCAN, wait);
}

/* Only for what is awaited */
static void glance(void)
{
	uint64_t began = cpu_clock();

	look(NS, TCP);
	scan.gate.took = cpu_clock() - began;
	attend();
	set_timer();
}

void scan_turn(void)
{
	struct gate *g = &scan.gate;
	uint64_t now = clock_now(), price = g->took * COST_TURN;

	if (!g->on || !g->n.shut)
		return;
	/* A dialogue has one for each thing that is said, a mass of data few */
	g->credit = MIN(g->credit + now - g->turned, ROW * price);
	g->turned = now;
	if (g->credit < price)
		return;
	glance();
	g->credit -= price;
}

static void scan_now(void)
{
	uint64_t began = cpu_clock();
	int at, p, t;

	choose_news();

	for (at = 0; at < PLACES; at++)
		for (p = 0; p < PROTOS; p++)
			if (scan.view[at].on[p])
				look((enum place)at, p);
	for (t = 0; t < FWD_TABLES; t++)
		if (scan.fol[t].on)
			decide((enum fwd_table)t);
	for (t = 0; t < FWD_TABLES; t++)
		if (scan.fol[t].on)
			follow((enum fwd_table)t);
	if (scan.gate.on) {
		scan.gate.open = !scan.view[NS].on[TCP] || rules_any();
		attend();
	}

	scan.took = cpu_clock() - began;
	/* If it took so long that there are no more glances, who would tell that
	 * it takes less by now? */
	scan.gate.took = MIN(scan.gate.took, scan.took);
	scan.last = clock_now();
	scan.due = scan.last +
		   MIN(MAX(scan.took * COST, INTERVAL_MIN), INTERVAL_MAX);
	set_timer();
}

/* ------------------------------------------------------------------- start */

bool scan_wanted(void)
{
	int t;

	for (t = 0; t < FWD_TABLES; t++)
		if (fwd_rules((enum fwd_table)t)->mode == RULES_AUTO)
			return true;
	return listen_waits();
}

static void open_place(enum place at)
{
	struct view *v = &scan.view[at];
	bool lost = false;
	int rc, t;

	memset(v->proc, 0xff, sizeof(v->proc));		/* none: -1 */
	v->diag = v->closed = -1;
	if (!v->on[UDP] && !v->on[TCP])
		return;
	rc = at == HOST ? view_open(v) : ns_call(view_open, v);
	if (!rc) {
		if (v->closed >= 0)
			ev_add(v->closed, EPOLLIN,
			       (union ev_ref){ .type = EV_SCAN, .index = at });
		return;
	}

	v->on[TCP] = v->on[UDP] = false;
	for (t = 0; t < FWD_TABLES; t++) {
		lost = lost || (scan.fol[t].on &&
				place_of((enum fwd_table)t) == at);
		if (place_of((enum fwd_table)t) == at)
			scan.fol[t].on = false;
	}
	if (lost)
		warn("No automatic forwarding of ports of %s, as they cannot be listed: %s",
		     at == HOST ? "the host" : "the namespace", strerror(-rc));
}

static int watch_rules(void *unused)
{
	(void)unused;
	return rules_watch();
}

/* Published ports: they are shut until the first look */
static void open_gate(void)
{
	struct gate *g = &scan.gate;
	int fd;

	fd = ns_call(watch_rules, NULL);
	if (fd >= 0)
		ev_add(fd, EPOLLIN, (union ev_ref){ .type = EV_SCAN,
						    .index = RULES });
	g->since = clock_now();
	listen_served(g->served, &g->n);
}

static void close_all(void)
{
	int at, p;

	for (at = 0; at < PLACES; at++) {
		struct view *v = &scan.view[at];

		for (p = 0; p < PROTOS; p++) {
			close_fd(v->proc[p][0]);
			close_fd(v->proc[p][1]);
		}
		close_fd(v->diag);
		close_fd(v->closed);
	}
	rules_close();
}

void scan_init(void)
{
	int t;

	if (scan.opened)
		close_all();
	memset(&scan, 0, sizeof(scan));
	scan.opened = true;
	for (t = 0; t < FWD_TABLES; t++) {
		struct view *v = &scan.view[place_of((enum fwd_table)t)];

		if (fwd_rules((enum fwd_table)t)->mode != RULES_AUTO)
			continue;
		scan.fol[t].on = true;
		v->on[TCP] = true;		/* UDP wants to know as well */
		v->on[UDP] = v->on[UDP] || proto_of((enum fwd_table)t) == UDP;
	}
	scan.gate.on = listen_waits();
	if (scan.gate.on)
		scan.view[NS].on[TCP] = true;
	open_place(HOST);
	open_place(NS);
	if (scan.gate.on)
		open_gate();
	if (scan.view[HOST].on[TCP] || scan.view[NS].on[TCP] || scan.gate.on)
		scan_now();
}

void scan_timer(struct timer *t)
{
	(void)t;
	if (clock_now() < scan.due)
		glance();
	else
		scan_now();
}

void scan_ready(union ev_ref ref, uint32_t mask)
{
	uint64_t since = clock_now() - scan.last;
	uint64_t soon = MIN(MAX(scan.took * COST_SOON, SOON), INTERVAL_MAX);

	(void)mask;
	if (ref.index == RULES) {
		rules_news();
		scan_now();
		return;
	}
	if (ref.index >= PLACES || !nl_diag_closed(scan.view[ref.index].closed))
		return;
	if (since >= soon)
		scan_now();
	else if (clock_now() + soon - since < scan.due) {
		scan.due = clock_now() + soon - since;
		set_timer();
	}
}
