/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_addr.h - options about addresses and names: whose, which, and what for
 */
#ifndef CONF_ADDR_H
#define CONF_ADDR_H

#include "conf_row.h"

/* num of a row with an address has a bit for each class that is refused */
#define CLASS(c)	(1U << ADDR_##c)

/* Into a member of struct fwd_net, of the address' family; off is within that.
 * take_map() also takes "none" */
option_taker take_fwd_addr, take_map;

/* take_family() by num, the only one that is left */
option_taker take_address, take_netmask, take_gateway, take_no_copy;
option_taker take_dns, take_search, take_family;

#endif /* CONF_ADDR_H */
