/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmp.h - echo of the guest through unprivileged ping sockets
 */
#ifndef ICMP_H
#define ICMP_H

#include "flow.h"
#include "hdr.h"

/* icmp_input() - An ICMP or ICMPv6 message; only echo requests are acted on */
void icmp_input(const struct pkt *p);

/* icmp_sock_ready() - An echo socket has a reply or an error */
void icmp_sock_ready(union ev_ref ref, uint32_t mask);

/* icmp_timer() - A flow may have been idle for long enough */
void icmp_timer(struct timer *t);

/* icmp_close() - End a flow of this type: socket and slot */
void icmp_close(union flow *f);

#endif /* ICMP_H */
