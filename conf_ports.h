/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_ports.h - options that forward ports
 */
#ifndef CONF_PORTS_H
#define CONF_PORTS_H

#include "conf_row.h"

/* take_ports() - One -t, -u, -T or -U; num is its table, enum fwd_table */
option_taker take_ports;

/* ports_default() - What becomes of tables that no option was about: pasta
 * forwards automatically, unless the protocol is off; passt forwards nothing */
void ports_default(struct conf *c);

#endif /* CONF_PORTS_H */
