/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_accept.h - connections from the listeners to those who lead them on
 */
#ifndef TCP_ACCEPT_H
#define TCP_ACCEPT_H

#include <stdint.h>

#include "ev.h"

/* tcp_accept_ready() - A forwarded port has connections waiting */
void tcp_accept_ready(union ev_ref ref, uint32_t mask);

#endif /* TCP_ACCEPT_H */
