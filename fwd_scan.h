/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd_scan.h - listeners that depend on what is open on the other side
 */
#ifndef FWD_SCAN_H
#define FWD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"
#include "timer.h"

/* scan_wanted() - Is any rule table automatic, or listen_waits()? */
bool scan_wanted(void);

/*
 * scan_init() - Be able to look at the ports of both namespaces, and look for
 * the first time (start, when ns_call() works)
 *
 * The daemon does without what is not possible here, and says so.
 */
void scan_init(void);

/* scan_turn() - Something has come, and is going to be passed on: does it tell of
 * a port that is awaited? */
void scan_turn(void);

/* scan_timer(), scan_ready() - It is time to look again; a port was closed */
void scan_timer(struct timer *t);
void scan_ready(union ev_ref ref, uint32_t mask);

#endif /* FWD_SCAN_H */
