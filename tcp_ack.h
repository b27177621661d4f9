/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_ack.h - what the guest acknowledges, and what follows if it does not
 */
#ifndef TCP_ACK_H
#define TCP_ACK_H

#include <stdbool.h>

#include "flow.h"
#include "hdr.h"
#include "tcp_out.h"

/* tcp_rtt_start() - What is sent at @seq now tells the round trip when it is
 * acknowledged; tcp_rtt_end() - it has been, by @ack */
void tcp_rtt_start(struct tcp_flow *t, uint32_t seq);
void tcp_rtt_end(struct tcp_flow *t, uint32_t ack);

/* tcp_rto_restart() - From now on, wait for an answer as long as is reasonable */
void tcp_rto_restart(struct tcp_flow *t);

/* tcp_take_ack() - Acknowledgement, SACK blocks and window of a segment. False if
 * they are impossible, and the segment is to be ignored */
bool tcp_take_ack(union flow *f, const struct pkt *p);

/* tcp_unanswered() - Data has not been acknowledged in time */
enum tcp_verdict tcp_unanswered(union flow *f);

#endif /* TCP_ACK_H */
