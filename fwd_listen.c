// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_listen.c - the listening sockets that mirror the rule tables
 *
 * A rule is a range of ports and stays one object; each of its ports has a
 * socket, and so an entry here. The table is mapped at its full size once:
 * pages that no listener uses are never touched. Entries are addressed by
 * index from the events of their sockets; the generation tells an entry from
 * an earlier one at the same place.
 */
#include "fwd_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "ns.h"
#include "sock.h"

#define LISTENERS_MAX	196608U		/* limit of the specification */

static struct {
	struct listener *l;
	uint32_t n;			/* entries in use or free again */
	uint16_t gen;			/* of the next generation of entries */
} table;

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
	table.gen = 1;
}

/* One table to open, and how it went. Filled inside ns_call() for the
 * namespace, where nothing may be said */
struct job {
	const struct ruleset *rs;
	uint8_t		proto, pif;
	bool		v4, v6;
	unsigned	bound;
	bool		no_dev;		/* not bound to the device, but to
					 * loopback addresses */
	int		weak_e;		/* of ports that may fail */
	int		e;		/* of the one that may not: */
	const struct fwd_rule *rule;
	in_port_t	port;
};

/* open_one() - One port of a rule; 0 or -errno */
static int open_one(const struct job *j, const struct fwd_rule *rule,
		    in_port_t port)
{
	union ev_ref ref = {
		.type = j->proto == IPPROTO_TCP ? EV_TCP_LISTEN : EV_UDP_LISTEN,
		.gen = table.gen,
		.index = table.n,
	};
	int fd, ret;

	if (table.n == LISTENERS_MAX)
		return -EMFILE;

	fd = sock_listen(j->proto, rule, port, j->v4, j->v6);
	if (fd < 0)
		return fd;

	ret = ev_add(fd, EPOLLIN, ref);
	if (ret) {
		close(fd);
		return ret;
	}

	table.l[table.n++] = (struct listener){
		.fd = fd,
		.gen = table.gen,
		.port = port,
		.target = (in_port_t)(rule->target + (port - rule->first)),
		.proto = j->proto,
		.pif = j->pif,
	};
	return 0;
}

/* open_lo() - One port, on the loopback of the namespace only; 0 or -errno */
static int open_lo(struct job *j, const struct fwd_rule *rule, in_port_t port)
{
	struct fwd_rule lo = *rule;
	int ret, ret6 = -EAFNOSUPPORT;

	(void)strcpy(lo.ifname, "lo");
	ret = j->no_dev ? -EPERM : open_one(j, &lo, port);
	if (ret != -EPERM)
		return ret;

	/* Binding to a device needs a capability before Linux 5.7 */
	j->no_dev = true;
	*lo.ifname = '\0';
	ret = -EAFNOSUPPORT;
	if (j->v4) {
		lo.addr = addr_any(true);
		lo.addr = addr_loopback(&lo.addr);
		ret = open_one(j, &lo, port);
	}
	if (j->v6 && (!ret || ret == -EAFNOSUPPORT)) {
		lo.addr = addr_any(false);
		lo.addr = addr_loopback(&lo.addr);
		ret6 = open_one(j, &lo, port);
	}
	return !ret && ret6 == -EAFNOSUPPORT ? 0 : ret6;
}

/* Out of descriptors or memory: not a matter of the one port, so that "best
 * effort" is no excuse */
static bool is_exhausted(int e)
{
	return e == -EMFILE || e == -ENFILE || e == -ENOMEM || e == -ENOSPC;
}

static int open_rules(void *arg)
{
	struct job *j = arg;
	unsigned i;

	for (i = 0; i < j->rs->n; i++) {
		const struct fwd_rule *r = &j->rs->rule[i];
		uint32_t port;

		for (port = r->first; port <= r->last; port++) {
			int e = j->pif == PIF_NS ?
				open_lo(j, r, (in_port_t)port) :
				open_one(j, r, (in_port_t)port);

			if (!e) {
				j->bound++;
			} else if (!r->weak || is_exhausted(e)) {
				j->rule = r;
				j->port = (in_port_t)port;
				j->e = e;
				return 0;
			} else {
				j->weak_e = e;
			}
		}
	}
	return 0;
}

/* report() - End the program if what was asked for is not there */
static void report(const struct job *j)
{
	const char *proto = j->proto == IPPROTO_TCP ? "TCP" : "UDP";
	const char *where = j->pif == PIF_NS ? " in the namespace" : "";
	char buf[ADDR_STRLEN];
	bool any;

	if (j->no_dev)
		warn("Cannot bind to device lo in the namespace: listening on "
		     "127.0.0.1 and ::1 only");
	if (j->weak_e && !j->bound && !j->e)
		die("Cannot bind any %s port%s: %s", proto, where,
		    strerror(-j->weak_e));
	if (!j->e)
		return;
	any = addr_is_none(&j->rule->addr) && !j->rule->v6any;
	die("Cannot bind %s port %u%s, address %s%s%s: %s", proto, j->port,
	    where, any ? "any" : addr_str(&j->rule->addr, buf),
	    *j->rule->ifname ? "%" : "", j->rule->ifname, strerror(-j->e));
}

void listen_all(bool v4, bool v6)
{
	struct job tcp = { .rs = fwd_rules(FWD_TCP_IN), .proto = IPPROTO_TCP,
			   .pif = PIF_HOST, .v4 = v4, .v6 = v6 };
	struct job udp = { .rs = fwd_rules(FWD_UDP_IN), .proto = IPPROTO_UDP,
			   .pif = PIF_HOST, .v4 = v4, .v6 = v6 };

	map_table();
	open_rules(&tcp);
	report(&tcp);
	open_rules(&udp);
	report(&udp);
}

static void open_ns(struct job *j)
{
	int rc;

	if (!j->rs->n)
		return;
	rc = ns_call(open_rules, j);
	if (rc < 0)
		die("Cannot listen in the namespace: %s", strerror(-rc));
	report(j);
}

void listen_ns(bool v4, bool v6)
{
	struct job tcp = { .rs = fwd_rules(FWD_TCP_NS), .proto = IPPROTO_TCP,
			   .pif = PIF_NS, .v4 = v4, .v6 = v6 };
	struct job udp = { .rs = fwd_rules(FWD_UDP_NS), .proto = IPPROTO_UDP,
			   .pif = PIF_NS, .v4 = v4, .v6 = v6 };

	map_table();
	open_ns(&tcp);
	open_ns(&udp);
}

const struct listener *listener_by_index(uint32_t index)
{
	if (index >= table.n || table.l[index].fd < 0)
		return NULL;
	return &table.l[index];
}

const struct listener *listener_at(union ev_ref ref)
{
	const struct listener *l = listener_by_index(ref.index);

	return l && l->gen == ref.gen ? l : NULL;
}

void listen_close_all(void)
{
	uint32_t i;

	for (i = 0; i < table.n; i++)
		if (table.l[i].fd >= 0)
			close(table.l[i].fd);
	table.n = 0;
	if (!++table.gen)
		table.gen = 1;
}
