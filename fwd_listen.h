/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd_listen.h - the listening sockets that mirror the rule tables
 *
 * One listener per bound port. Handlers learn from an event's index which one
 * it is, and from the listener which rule it serves and where it leads.
 */
#ifndef FWD_LISTEN_H
#define FWD_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"
#include "fwd.h"
#include "timer.h"

struct listener {
	int		fd;		/* -1: free slot */
	uint16_t	gen;		/* counts the uses of the slot */
	in_port_t	port;		/* bound */
	in_port_t	target;		/* after remapping */
	uint8_t		table;		/* enum fwd_table it belongs to */
	uint8_t		pif;		/* PIF_HOST, or PIF_NS for -T and -U */
	bool		shut;		/* bound, but does not listen now */
	bool		weak;		/* by a rule that was best effort */
	bool		rests;		/* not listened to for a moment */
	bool		both;		/* of IPv4 too, if it is of IPv6 */
	uint32_t	next;		/* free slot: the next one */
};

/* A set of ports, bit by bit: util.h has the functions */
#define PORTS_BYTES	(65536 / 8)

/* A port that could not be bound, and -errno */
struct listen_failure {
	in_port_t	port;
	int		e;
};

/*
 * listen_all() - Open what the rule tables ask for (start)
 *
 * A port that cannot be bound ends the program with a line naming protocol,
 * address, port and reason; for weak rules only if nothing at all could be
 * bound. @v4, @v6: families in use.
 */
void listen_all(bool v4, bool v6);

/*
 * listen_wait() - To be called before listen_all(): ports that rules publish
 * over TCP, weak ones excepted, are bound but shall not listen, so that clients
 * are refused, until listen_served() says so
 */
void listen_wait(void);

/* listen_waits() - Are there such ports? */
bool listen_waits(void);

/* What became of them */
struct listen_count {
	unsigned	shut;		/* do not listen; of these: */
	unsigned	ended;		/* did until now */
	unsigned	failed;		/* should, but cannot */
	int		e;		/* ... one reason for it, -errno */
};

/* listen_served() - Let those listen whose target port is in the set @served,
 * the others not */
void listen_served(const uint8_t served[static PORTS_BYTES],
		   struct listen_count *n);

/*
 * listen_ns() - The same inside the target namespace, for -T and -U. To be
 * called when ns_call() works.
 */
void listen_ns(bool v4, bool v6);

/* listen_ports() - Add to @ports those that listeners of table @t are bound to */
void listen_ports(enum fwd_table t, uint8_t ports[static PORTS_BYTES]);

/* listen_has() - Whether a listener of table @t is bound to @port */
bool listen_has(enum fwd_table t, in_port_t port);

/*
 * listen_follow() - Make the listeners of a table those of @want, and no others
 * @t:		one without rules of its own ("auto")
 * @want:	set of ports; each leads to its own number
 * @known:	set of ports whose failure is no news
 * @fail:	other ports that could not be bound, up to @max of them
 *
 * When descriptors or memory are short, the port that met it is the last one
 * tried, and is told of even if known. A quarter of the descriptors is left to
 * connections. Those of a listener that is closed go on.
 *
 * Return: entries of @fail in use; -errno if the namespace cannot be entered
 */
int listen_follow(enum fwd_table t, const uint8_t want[static PORTS_BYTES],
		  const uint8_t known[static PORTS_BYTES],
		  struct listen_failure *fail, unsigned max);

/* listener_at() - By index and generation of an event; NULL if gone */
const struct listener *listener_at(union ev_ref ref);

/* listen_exhausted() - Is @e (-errno) about descriptors or memory, so that it
 * has nothing to do with the one port? */
bool listen_exhausted(int e);

/* listen_spare() - Set a descriptor aside, while there are some: without it,
 * those who connect when none are left could not even be refused */
void listen_spare(void);

/* listen_failed() - A connection that waits cannot be accepted, for error number
 * @e. It would wake us for ever: refuse it, by means of that descriptor; or if
 * that is not what is missing, do not look for a moment */
void listen_failed(const struct listener *l, int e);

/* listen_timer() - The moment is over */
void listen_timer(struct timer *t);

/* listen_close_all() - For tests and the end */
void listen_close_all(void);

#endif /* FWD_LISTEN_H */
