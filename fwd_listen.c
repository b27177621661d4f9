// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_listen.c - the listening sockets that mirror the rule tables
 *
 * A rule is a range of ports and stays one object; each of its ports has a
 * socket, and so an entry here. The table is mapped at its full size once:
 * pages that no listener uses are never touched. Entries are addressed by
 * index from the events of their sockets; the generation tells an entry from
 * an earlier one at the same place.
 *
 * In the namespace they are open at every address, as those of the host are:
 * the namespace's own, which it shares with the host, shall lead there as well
 * as its loopback does, and to the kernel connections to these are not ones of
 * device lo. Whom they serve is decided when somebody comes: fwd.c.
 *
 * Rules are opened at start, and what they ask for and does not work ends the
 * program. Automatic tables have no rules: their ports come and go, as a set
 * that is compared with what is open.
 */
#include "fwd_listen.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "ns.h"
#include "sock.h"
#include "timer.h"

#define LISTENERS_MAX	196608U		/* limit of the specification */

#define NO_SLOT			UINT32_MAX
#define REST			(100 * MSEC)
#define IN_USE_WAIT		(300 * MSEC)	/* at start, altogether: */
#define IN_USE_STEP		(5 * MSEC)

static struct {
	struct listener *l;
	uint32_t n;			/* entries in use, or free again: */
	uint32_t free;			/* first of a list, or NO_SLOT */
	uint32_t open[FWD_TABLES];	/* how many of each */
	bool v4, v6;			/* families in use */
	bool wait;			/* see listen_wait() */
	int last_fd;			/* of the last one opened */
	int spare;			/* to get rid of a connection when
					 * descriptors have run out */
	bool has_spare;
	bool told_few;			/* see few_left() */
	int fd_max;			/* none beyond it, unless 0 */
	uint64_t waited;		/* for ports in use */
	struct timer timer;		/* of those that rest */
} table = { .free = NO_SLOT };

static uint8_t proto_of(enum fwd_table t)
{
	return fwd_is_tcp(t) ? IPPROTO_TCP : IPPROTO_UDP;
}

static uint8_t pif_of(enum fwd_table t)
{
	return fwd_is_inbound(t) ? PIF_HOST : PIF_NS;
}

static void map_table(void)
{
	size_t size = LISTENERS_MAX * sizeof(struct listener);
	void *p;

	if (table.l)
		return;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die_perror("Cannot map the table of listening sockets");
	table.l = p;
}

static void close_slot(uint32_t i)
{
	struct listener *l = &table.l[i];

	if (l->ours)
		sock_udp_bound(l->fd, l->pif, l->both, false);
	close(l->fd);
	l->fd = -1;
	table.open[l->table]--;
	l->next = table.free;
	table.free = i;
}

/* The slot a new listener will have, or NO_SLOT */
static uint32_t next_slot(void)
{
	if (table.free != NO_SLOT)
		return table.free;
	return table.n < LISTENERS_MAX ? table.n : NO_SLOT;
}

/* One table to open by its rules, and how it went. Filled inside ns_call() for
 * the namespace, where nothing may be said */
struct job {
	enum fwd_table	t;
	unsigned	bound;
	int		fd_max;		/* no ports that may fail beyond it */
	unsigned	cut;		/* first port left out for that, or 0 */
	int		weak_e;		/* of ports that may fail */
	int		e;		/* of the one that may not: */
	const struct fwd_rule *rule;
	in_port_t	port;
};

static union ev_ref ref_of(const struct listener *l)
{
	union ev_ref ref = { .u64 = 0 };

	ref.type = fwd_is_tcp((enum fwd_table)l->table) ? EV_TCP_LISTEN :
							  EV_UDP_LISTEN;
	ref.gen = l->gen;
	ref.index = (uint32_t)(l - table.l);
	return ref;
}

/* waits() - Does the port of @l depend on who is there to serve it? Automatic
 * ones are there for no other reason */
static bool waits(const struct listener *l)
{
	return table.wait && l->table == FWD_TCP_IN && !l->weak &&
	       fwd_rules(FWD_TCP_IN)->mode != RULES_AUTO;
}

/* watch() - Begin with a socket that was just made: it waits for clients, or for
 * somebody to serve them; 0 or -errno */
static int watch(struct listener *l)
{
	if (!waits(l))
		return ev_add(l->fd, EPOLLIN, ref_of(l));
	l->shut = true;
	sock_listen_stop(l->fd);
	return 0;
}

/* bind_one() - A socket for one port of a rule, watched; 0 or -errno */
static int bind_one(enum fwd_table t, const struct fwd_rule *rule,
		    in_port_t port)
{
	uint32_t slot = next_slot(), next;
	struct listener *l;
	int fd, ret;

	if (slot == NO_SLOT)
		return -EMFILE;
	fd = sock_listen(proto_of(t), rule, port, table.v4, table.v6);
	if (fd < 0)
		return fd;

	l = &table.l[slot];
	next = l->next;
	*l = (struct listener){
		.fd = fd,
		.gen = (uint16_t)(l->gen + 1),
		.port = port,
		.target = (in_port_t)(rule->target + (port - rule->first)),
		.table = (uint8_t)t,
		.pif = pif_of(t),
		.weak = rule->weak,
		.next = next,
	};
	ret = table.fd_max && fd > table.fd_max ? -EMFILE : watch(l);
	if (ret) {
		close(fd);
		l->fd = -1;
		return ret;
	}

	l->ours = proto_of(t) == IPPROTO_UDP && !*rule->ifname;
	l->both = addr_is_none(&rule->addr) && !rule->v6any && table.v4;
	if (l->ours)
		sock_udp_bound(fd, l->pif, l->both, true);
	table.last_fd = fd;
	if (slot == table.free)
		table.free = next;
	else
		table.n++;
	table.open[t]++;
	return 0;
}

bool listen_exhausted(int e)
{
	return e == -EMFILE || e == -ENFILE || e == -ENOMEM || e == -ENOSPC ||
	       e == -ENOBUFS;
}

static unsigned long long descriptors_max(void)
{
	struct rlimit lim = { 0, 0 };

	getrlimit(RLIMIT_NOFILE, &lim);
	return lim.rlim_cur;
}

static bool has_weak(enum fwd_table t)
{
	const struct ruleset *rs = fwd_rules(t);
	unsigned i;

	for (i = 0; i < rs->n; i++)
		if (rs->rule[i].weak)
			return true;
	return false;
}

/* Ports that nobody named leave these to connections */
static long long ports_max(void)
{
	return (long long)MIN(descriptors_max() / 4 * 3, INT_MAX);
}

/* Where "all" ends if descriptors are few: the other tables with such rules
 * need some as well */
static int weak_max(enum fwd_table t)
{
	long long most = ports_max();
	int others = 0;

	while (++t < FWD_TABLES)
		others += has_weak(t);
	return table.last_fd +
	       (int)(MAX(most - table.last_fd, 0) / (others + 1));
}

/* bind_named() - As bind_one(). A port that was asked for by name and is in use
 * may be one of our predecessor, which is about to leave: podman restarts a
 * container, and us, faster than a process sees that its namespace has gone */
static int bind_named(enum fwd_table t, const struct fwd_rule *r,
		      in_port_t port)
{
	struct timespec step = { .tv_nsec = IN_USE_STEP * 1000 };
	int e;

	while ((e = bind_one(t, r, port)) == -EADDRINUSE && !r->weak &&
	       table.waited < IN_USE_WAIT) {
		nanosleep(&step, NULL);
		table.waited += IN_USE_STEP;
	}
	return e;
}

/* One port; false if no more are to be opened */
static bool open_port(struct job *j, const struct fwd_rule *r, in_port_t port)
{
	int e;

	if (r->weak && table.last_fd >= j->fd_max && j->bound) {
		j->cut = port;
		return false;
	}
	e = bind_named(j->t, r, port);
	if (!e) {
		j->bound++;
	} else if (!r->weak || listen_exhausted(e)) {
		/* Best effort is no excuse for what is not a matter of the one
		 * port */
		j->rule = r;
		j->port = port;
		j->e = e;
		return false;
	} else {
		j->weak_e = e;
	}
	return true;
}

static int open_rules(void *arg)
{
	struct job *j = arg;
	const struct ruleset *rs = fwd_rules(j->t);
	unsigned i;

	j->fd_max = weak_max(j->t);
	for (i = 0; i < rs->n; i++) {
		const struct fwd_rule *r = &rs->rule[i];
		uint32_t port;

		for (port = r->first; port <= r->last; port++)
			if (!open_port(j, r, (in_port_t)port))
				return 0;
	}
	return 0;
}

/* report() - End the program if what was asked for is not there */
static void report(const struct job *j)
{
	const char *proto = proto_of(j->t) == IPPROTO_TCP ? "TCP" : "UDP";
	const char *where = pif_of(j->t) == PIF_NS ? " in the namespace" : "";
	char buf[ADDR_STRLEN];
	bool any;

	if (j->cut)
		warn("Not forwarding %s ports from %u on%s: each takes a descriptor, of which this process may have %llu (ulimit -Hn)",
		     proto, j->cut, where, descriptors_max());
	if (j->weak_e && !j->bound && !j->e)
		die("Cannot bind any %s port%s: %s", proto, where,
		    strerror(-j->weak_e));
	if (!j->e)
		return;
	if (j->e == -EMFILE)
		die("Cannot bind %s port %u%s: all %llu descriptors that this process may have are in use, each port takes one: forward fewer, or raise the limit (ulimit -Hn)",
		    proto, j->port, where, descriptors_max());
	any = addr_is_none(&j->rule->addr) && !j->rule->v6any;
	die("Cannot bind %s port %u%s, address %s%s%s: %s", proto, j->port,
	    where, any ? "any" : addr_str(&j->rule->addr, buf),
	    *j->rule->ifname ? "%" : "", j->rule->ifname, strerror(-j->e));
}

/* few_left() - Ports that were named are opened whatever is left, but who runs
 * out of descriptors later, with the first connections, should know why */
static void few_left(void)
{
	if (table.told_few || table.last_fd <= ports_max())
		return;
	table.told_few = true;
	warn("Forwarded ports leave less than a quarter of the %llu descriptors that this process may have to connections: forward fewer, or raise the limit (ulimit -Hn)",
	     descriptors_max());
}

/* -------------------------------------------------------------- at start */

void listen_all(bool v4, bool v6)
{
	struct job tcp = { .t = FWD_TCP_IN };
	struct job udp = { .t = FWD_UDP_IN };

	map_table();
	table.v4 = v4;
	table.v6 = v6;
	open_rules(&tcp);
	report(&tcp);
	open_rules(&udp);
	report(&udp);
	few_left();
}

static void open_ns(struct job *j)
{
	int rc;

	if (!fwd_rules(j->t)->n)
		return;
	rc = ns_call(open_rules, j);
	if (rc < 0)
		die("Cannot listen in the namespace: %s", strerror(-rc));
	report(j);
}

void listen_ns(bool v4, bool v6)
{
	struct job tcp = { .t = FWD_TCP_NS };
	struct job udp = { .t = FWD_UDP_NS };

	map_table();
	table.v4 = v4;
	table.v6 = v6;
	open_ns(&tcp);
	open_ns(&udp);
	few_left();
}

/* -------------------------------------------------------------- as they come */

void listen_wait(void)
{
	table.wait = true;
}

bool listen_waits(void)
{
	const struct ruleset *rs = fwd_rules(FWD_TCP_IN);
	unsigned i;

	for (i = 0; table.wait && i < rs->n; i++)
		if (!rs->rule[i].weak)
			return true;
	return false;
}

/* 0 or -errno */
static int listen_on(struct listener *l)
{
	int ret = sock_listen_again(l->fd);

	if (ret)
		return ret;
	ret = ev_add(l->fd, EPOLLIN, ref_of(l));
	if (ret)
		sock_listen_stop(l->fd);
	l->shut = ret;
	l->rests = false;
	return ret;
}

static void listen_off(struct listener *l)
{
	l->shut = true;
	(void)ev_del(l->fd);		/* or it would be reported for ever */
	sock_listen_stop(l->fd);
}

void listen_served(const uint8_t served[static PORTS_BYTES],
		   struct listen_count *n)
{
	uint32_t i;
	int e;

	memset(n, 0, sizeof(*n));
	for (i = 0; i < table.n; i++) {
		struct listener *l = &table.l[i];

		if (l->fd < 0 || !waits(l))
			continue;
		if (!bit_test(served, l->target)) {
			n->ended += !l->shut;
			if (!l->shut)
				listen_off(l);
		} else if (l->shut) {
			e = listen_on(l);
			n->failed += e != 0;
			n->e = e ? e : n->e;
		}
		n->shut += l->shut;
	}
}

void listen_ports(enum fwd_table t, uint8_t ports[static PORTS_BYTES])
{
	uint32_t i;

	for (i = 0; i < table.n; i++)
		if (table.l[i].fd >= 0 && table.l[i].table == t)
			bit_set(ports, table.l[i].port);
}

bool listen_has(enum fwd_table t, in_port_t port)
{
	uint32_t i;

	for (i = 0; table.open[t] && i < table.n; i++)
		if (table.l[i].fd >= 0 && table.l[i].table == t &&
		    table.l[i].port == port)
			return true;
	return false;
}

/* Ports to open, and how it went */
struct follow {
	enum fwd_table	t;
	uint8_t		open[PORTS_BYTES];
	const uint8_t	*known;
	struct listen_failure *fail;
	unsigned	n, max;
};

static int open_ports(void *arg)
{
	struct follow *w = arg;
	unsigned i, port;
	int e;

	for (i = 0; i < PORTS_BYTES; i++) {
		for (port = i * 8; w->open[i] && port < i * 8 + 8; port++) {
			struct fwd_rule r = {
				.first = (in_port_t)port,
				.last = (in_port_t)port,
				.target = (in_port_t)port,
			};

			if (!bit_test(w->open, port))
				continue;
			e = bind_one(w->t, &r, (in_port_t)port);
			if (!e)
				continue;
			if (w->n < w->max && (listen_exhausted(e) ||
					      !bit_test(w->known, port)))
				w->fail[w->n++] = (struct listen_failure){
					(in_port_t)port, e };
			if (listen_exhausted(e))
				return 0;
		}
	}
	return 0;
}

int listen_follow(enum fwd_table t, const uint8_t want[static PORTS_BYTES],
		  const uint8_t known[static PORTS_BYTES],
		  struct listen_failure *fail, unsigned max)
{
	static struct follow w;		/* large for a stack */
	uint8_t any = 0;
	uint32_t i;
	int rc = 0;

	w.t = t;
	w.known = known;
	w.fail = fail;
	w.n = 0;
	w.max = max;
	memcpy(w.open, want, sizeof(w.open));
	for (i = 0; i < table.n; i++) {
		const struct listener *l = &table.l[i];

		if (l->fd < 0 || l->table != t)
			continue;
		if (bit_test(want, l->port))
			bit_clear(w.open, l->port);
		else
			close_slot(i);
	}

	for (i = 0; i < PORTS_BYTES; i++)
		any |= w.open[i];
	table.fd_max = (int)ports_max();
	if (any)
		rc = pif_of(t) == PIF_NS ? ns_call(open_ports, &w) :
					   open_ports(&w);
	table.fd_max = 0;
	return rc < 0 ? rc : (int)w.n;
}

const struct listener *listener_at(union ev_ref ref)
{
	const struct listener *l;

	if (ref.index >= table.n)
		return NULL;
	l = &table.l[ref.index];
	return l->fd >= 0 && !l->shut && l->gen == ref.gen ? l : NULL;
}

void listen_spare(void)
{
	/* Any will do, but not a duplicate of a listener: that would keep its
	 * port when it is closed */
	if (!table.has_spare)
		table.spare = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	table.has_spare = table.spare >= 0;
}

/* shed() - Refuse one; false if it is not for want of a descriptor that it could
 * not be accepted */
static bool shed(const struct listener *l)
{
	int fd;

	if (!table.has_spare)
		return false;
	close(table.spare);
	table.has_spare = false;
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		sock_reset(fd);
	listen_spare();
	return fd >= 0;
}

void listen_failed(const struct listener *l, int e)
{
	bool none = e == EMFILE || e == ENFILE;
	uint32_t i = (uint32_t)(l - table.l);
	static unsigned long last;

	if (e == ECONNABORTED || e == EINTR)
		return;				/* that one is gone */
	if (log_ratelimit(&last, 10))
		warn("%s: refusing TCP connections",
		     none ? "Out of file descriptors" : strerror(e));
	if (none && shed(l))
		return;
	if (table.l[i].rests || ev_mod(l->fd, 0, ref_of(l)))
		return;
	table.l[i].rests = true;
	if (!table.timer.armed)
		timer_set(&table.timer, TM_LISTEN, REST);
}

void listen_timer(struct timer *t)
{
	uint32_t i;

	(void)t;
	for (i = 0; i < table.n; i++) {
		struct listener *l = &table.l[i];

		if (l->fd < 0 || !l->rests)
			continue;
		l->rests = false;
		(void)ev_mod(l->fd, EPOLLIN, ref_of(l));
	}
}

void listen_close_all(void)
{
	uint32_t i;

	for (i = 0; i < table.n; i++)
		if (table.l[i].fd >= 0)
			close_slot(i);
	table.last_fd = 0;
	table.wait = false;
}
