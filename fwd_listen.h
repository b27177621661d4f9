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

struct listener {
	int		fd;		/* -1: free slot */
	uint16_t	gen;
	in_port_t	port;		/* bound */
	in_port_t	target;		/* after remapping */
	uint8_t		proto;
	uint8_t		pif;		/* PIF_HOST, or PIF_NS for -T and -U */
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
 * listen_ns() - The same inside the target namespace, for -T and -U: on its
 * loopback device only. To be called when ns_call() works.
 */
void listen_ns(bool v4, bool v6);

/* listener_at() - By event reference or index; NULL if gone */
const struct listener *listener_at(union ev_ref ref);
const struct listener *listener_by_index(uint32_t index);

/* listen_close_all() - For tests and the end */
void listen_close_all(void);

#endif /* FWD_LISTEN_H */
