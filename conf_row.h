/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_row.h - what there is to one option: a row of the table in conf.c
 *
 * A row says all: names, argument, modes, the function that takes the argument
 * and where the result goes, and the line of help. Takers stand in conf_take.c,
 * conf_addr.c and conf_ports.c, by what they understand. Each ends the process
 * with one line, naming the option, if the argument is not what it wants.
 */
#ifndef CONF_ROW_H
#define CONF_ROW_H

#include "conf.h"

#define NAME_MAX_LEN	253		/* RFC 1035 2.3.4, as text */

struct option_row;

typedef void option_taker(struct conf *c, const struct option_row *row,
			  const char *arg);

struct option_row {
	const char	*name;
	const char	*arg;		/* NULL: takes none */
	option_taker	*take;
	size_t		off, size;	/* target in struct conf */
	unsigned	num;		/* for the taker: classes, index */
	char		letter;		/* short form, or 0 */
	bool		late;		/* judged when all others are known */
	unsigned char	modes;
	const char	*help;
};

/* target() - Where the result of @row goes */
static inline void *target(struct conf *c, const struct option_row *row)
{
	return (char *)c + row->off;
}

static inline enum guest_family family_of(const union addr *a)
{
	return addr_is4(a) ? GUEST_V4 : GUEST_V6;
}

#endif /* CONF_ROW_H */
