/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp.h - datagrams both ways
 */
#ifndef UDP_H
#define UDP_H

#include "flow.h"
#include "hdr.h"

/* udp_init() - Arenas; again: empty */
void udp_init(void);

/*
 * udp_input() - Datagrams from the guest
 * @p:		@n of them, consecutive in arrival, of one flow (same addresses
 *		and ports); those with gso_size are super-datagrams
 */
void udp_input(const struct pkt *p, unsigned n);

/* udp_listen_ready() - A forwarded port has datagrams or errors */
void udp_listen_ready(union ev_ref ref, uint32_t mask);

/* udp_sock_ready() - A flow's own socket has datagrams or errors */
void udp_sock_ready(union ev_ref ref, uint32_t mask);

/* udp_room() - The guest port has room again, or nobody is there: go on with
 * sockets that had to wait for it */
void udp_room(void);

/* udp_timer() - A flow may have been idle for long enough */
void udp_timer(struct timer *t);

/* udp_close() - End a flow of this type: sockets and slot */
void udp_close(union flow *f);

#endif /* UDP_H */
