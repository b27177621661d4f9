/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_open.h - the first state of a connection
 */
#ifndef TCP_OPEN_H
#define TCP_OPEN_H

#include "flow.h"
#include "hdr.h"

/* ECN is between the stacks at both ends of a connection, of which there are two
 * here. To the guest there is no DSCP to carry: IP_RECVTOS tells nothing of a
 * stream. IP_PKTOPTIONS could, but only that of a client's SYN, and at the price
 * of a system call for each connection */
#define TCP_TOS_MASK	0xfc

/* tcp_open() - Fill in a new flow: its guest is on @side, its host socket is
 * @fd; @state of enum tcp_state */
void tcp_open(union flow *f, unsigned side, int fd, uint8_t state);

/* tcp_take_syn() - Learn from the guest's SYN: sequence, window, options */
void tcp_take_syn(union flow *f, const struct pkt *p);

/* tcp_take_tos() - A segment came with another type of service (or traffic
 * class) than before: what the host sends for the guest has it as well */
void tcp_take_tos(union flow *f, uint8_t tos);

/* tcp_send_unreach() - The guest's SYN @p leads nowhere, for reason @e (errno):
 * tell it so by ICMP. False if a reset is the word for it */
bool tcp_send_unreach(const struct pkt *p, int e);

#endif /* TCP_OPEN_H */
