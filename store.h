/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - descriptors in store for the loopback bypass
 *
 * Sockets of the namespace, which are made several at a time since it takes
 * another thread, and pipes, which are lent. Whoever runs out of descriptors
 * for something better has them closed: half_retry().
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

/* store_init() - Nothing in store (start, and between tests) */
void store_init(void);

/* store_prepare() - The bypass may be needed: put the first pipes in store. The
 * kernel limits pages in pipes per user, so later there may only be small ones */
void store_prepare(void);

/* store_release() - Descriptors have run out: close what is there. Return:
 * whether that was anything */
bool store_release(void);

/* store_socket() - A socket of the namespace, of IPPROTO_TCP or IPPROTO_UDP as
 * sock_tcp_open() or sock_udp_open() makes it; or -errno */
int store_socket(uint8_t proto, bool v4);

/* store_pipe() - An empty pipe for @p unless it has one, which holds
 * STORE_PIPE_MIN bytes at least; whether it has one then */
#define STORE_PIPE_MIN	(32U << 10)
bool store_pipe(int p[2]);

/* store_pipe_back() - It is not needed any more: kept if @empty; @p is -1 */
void store_pipe_back(int p[2], bool empty);

#endif /* STORE_H */
