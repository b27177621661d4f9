// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bound.c - which addresses and ports UDP sockets of ours are bound to
 *
 * SO_REUSEPORT lets sockets of all processes of a user have one port. We want
 * it for our own alone, and the kernel cannot be asked whose they are. But the
 * first one to be bound has address and port to itself; so as long as one of
 * ours has just these, or the port at every address, nobody else does.
 *
 * A host has few addresses, so each that is in use has a row of counters, one
 * for each port. Pages that are never used cost nothing.
 */
#include "bound.h"

#include <stdint.h>

static struct {
	struct {
		union addr addr;
		bool ns;
		uint32_t n;		/* sockets in all; 0: free */
	} row[BOUND_ADDRS];
	uint32_t n[BOUND_ADDRS][UINT16_MAX + 1];
} bound;

/* The row of @a, or else a free one if @add; BOUND_ADDRS: none */
static unsigned find(bool ns, const union addr *a, bool add)
{
	unsigned i, none = BOUND_ADDRS;

	for (i = 0; i < BOUND_ADDRS; i++) {
		if (!bound.row[i].n)
			none = none < i ? none : i;
		else if (bound.row[i].ns == ns && addr_eq(&bound.row[i].addr, a))
			return i;
	}
	return add ? none : BOUND_ADDRS;
}

void bound_begins(bool ns, const union addr *a, in_port_t port)
{
	unsigned i = find(ns, a, true);

	if (i == BOUND_ADDRS)
		return;
	bound.row[i].addr = *a;
	bound.row[i].ns = ns;
	bound.row[i].n++;
	bound.n[i][port]++;
}

void bound_ends(bool ns, const union addr *a, in_port_t port)
{
	unsigned i = find(ns, a, false);

	if (i == BOUND_ADDRS || !bound.n[i][port])
		return;
	bound.row[i].n--;
	bound.n[i][port]--;
}

bool bound_has(bool ns, const union addr *a, in_port_t port)
{
	unsigned i = find(ns, a, false);

	return i != BOUND_ADDRS && bound.n[i][port];
}
