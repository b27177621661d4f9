/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bound.h - which addresses and ports UDP sockets of ours are bound to
 *
 * An entry is what the kernel compares when it has to decide whether another
 * socket may have the same: namespace, address (any of a family being one of
 * its own) and port.
 */
#ifndef BOUND_H
#define BOUND_H

#include <netinet/in.h>
#include <stdbool.h>

#include "addr.h"

#define BOUND_ADDRS	64U	/* different ones at a time that are known */

/* bound_begins() - One more socket has @a and @port; @ns: in the namespace
 * bound_ends() - One less. Ends without beginnings are ignored */
void bound_begins(bool ns, const union addr *a, in_port_t port);
void bound_ends(bool ns, const union addr *a, in_port_t port);

/* bound_has() - Is there one? If addresses are too many, no */
bool bound_has(bool ns, const union addr *a, in_port_t port);

#endif /* BOUND_H */
