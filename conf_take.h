/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_take.h - options that stand for themselves: switches, words, numbers
 */
#ifndef CONF_TAKE_H
#define CONF_TAKE_H

#include "conf_row.h"

/* Into any member of the right type; take_str() takes up to num characters, or
 * what fits */
option_taker take_set, take_clear, take_str, take_ifname, take_mac;

/* Of one row each; take_level() by num */
option_taker take_level, take_stats, take_log_size, take_runas, take_mtu;
option_taker take_socket, take_fd, take_userns, take_netns, take_netns_only;

/* Accepted for old callers, with a warning */
option_taker take_deprecated;

/* Of migration, which is not there yet: refused later on, but "--repair-path
 * none" */
option_taker take_migration, take_repair_path;

#endif /* CONF_TAKE_H */
