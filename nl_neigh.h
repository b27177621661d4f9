/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl_neigh.h - rtnetlink: neighbours of the host, and what changes about them
 *
 * One socket that never blocks: the kernel puts its notices there by itself,
 * and the whole table in between when asked for it. Both come through the same
 * reader, in the order in which they were true.
 */
#ifndef NL_NEIGH_H
#define NL_NEIGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct nl_neigh {
	union addr	addr;
	unsigned	index;		/* of its link */
	uint8_t		mac[6];		/* if usable */
	bool		usable;		/* it can be sent to; else it is gone */
};

/* What nl_neigh_read() met, or-ed */
enum nl_neigh_met {
	NL_NEIGH_END	= 1,		/* the table that was asked for ends */
	NL_NEIGH_LOST	= 2,		/* notices, for want of room */
	NL_NEIGH_EMPTY	= 4,		/* nothing is left for now */
};

/*
 * nl_neigh_parse() - Read the body of a message of @type
 * Return: false if it is malformed, or not about an IPv4 or IPv6 neighbour
 */
bool nl_neigh_parse(uint16_t type, const uint8_t *msg, size_t len,
		    struct nl_neigh *n);

/*
 * nl_neigh_open() - Listen, in the current network namespace
 * @ifi:	link of interest for IPv4 and for IPv6, 0 for none
 * Return: descriptor, or -errno
 */
int nl_neigh_open(const unsigned ifi[static 2]);

/* nl_neigh_ask() - Have the kernel send the table; of link @index only, if it
 * is not 0. Not again before NL_NEIGH_END. Return: 0 or -errno */
int nl_neigh_ask(int fd, unsigned index);

/* nl_neigh_read() - Hand to @fn what has come, at most so much as one turn may
 * take. Return: enum nl_neigh_met, or-ed */
unsigned nl_neigh_read(int fd, void (*fn)(const struct nl_neigh *n));

#endif /* NL_NEIGH_H */
