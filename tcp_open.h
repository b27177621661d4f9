/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_open.h - the first state of a connection
 */
#ifndef TCP_OPEN_H
#define TCP_OPEN_H

#include "flow.h"
#include "hdr.h"

/* tcp_open() - Fill in a new flow: its guest is on @side, its host socket is
 * @fd; @state of enum tcp_state */
void tcp_open(union flow *f, unsigned side, int fd, uint8_t state);

/* tcp_take_syn() - Learn from the guest's SYN: sequence, window, options */
void tcp_take_syn(union flow *f, const struct pkt *p);

#endif /* TCP_OPEN_H */
