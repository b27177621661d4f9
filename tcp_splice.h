/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_splice.h - TCP from socket to socket, past the guest's link
 *
 * The loopback bypass of pasta: both ends are sockets of ours, one on the
 * host, one in the namespace.
 */
#ifndef TCP_SPLICE_H
#define TCP_SPLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"
#include "flow.h"

/*
 * splice_open() - Connect an accepted connection with its target
 * @f:		from flow_open(), with a target on PIF_HOST or PIF_NS
 * @fd:		accepted socket; ours from here on
 *
 * If the target cannot be reached, now or later, @fd is closed with a reset.
 */
void splice_open(union flow *f, int fd);

/* splice_ready() - EV_SPLICE: one of the two sockets has news */
void splice_ready(union ev_ref ref, uint32_t mask);

/* splice_resume() - From the run list: a budget had ended */
void splice_resume(union flow *f);

#endif /* TCP_SPLICE_H */
