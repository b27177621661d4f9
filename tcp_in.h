/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_in.h - payload from the guest, on its way into the host socket
 *
 * Segments of one flow are taken one by one and handed over as a run. Where a
 * function returns false, the host socket has failed, and the connection is to
 * be reset.
 */
#ifndef TCP_IN_H
#define TCP_IN_H

#include <stdbool.h>

#include "flow.h"
#include "hdr.h"

/* tcp_in_start() - A new run, empty */
void tcp_in_start(void);

/* tcp_in_take() - Payload and end of data of one segment: next in order, they
 * join the run; beyond a gap, they are kept. Sets TF_ACK_NOW as needed */
bool tcp_in_take(union flow *f, struct pkt *p);

/* tcp_in_end() - The sequence number that would continue the run */
uint32_t tcp_in_end(const union flow *f);

/* tcp_in_reset() - A reset follows the run: no end of data is to be passed on */
void tcp_in_reset(void);

/* tcp_in_deliver() - Hand over the run, and what was kept and follows it. What
 * the socket does not take is held and counts as taken */
bool tcp_in_deliver(union flow *f);

/* tcp_in_gap() - Has the run brought bytes beyond a gap, or some that we had? The
 * guest learns that from bare acknowledgements only */
bool tcp_in_gap(void);

/* tcp_in_drain() - The host socket has room again, for what is held */
bool tcp_in_drain(union flow *f);

/* tcp_in_free() - Forget all that is held and kept */
void tcp_in_free(union flow *f);

#endif /* TCP_IN_H */
