/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl_diag.h - sock_diag: which ports programs of a namespace have open
 *
 * Of TCP the listening ones, of UDP those bound but not connected; of either,
 * by number alone, whatever address and IP version they are bound to.
 */
#ifndef NL_DIAG_H
#define NL_DIAG_H

#include <stdbool.h>
#include <stdint.h>

/* nl_diag_open() - A socket to ask for the current network namespace, wherever
 * it is used later; or -errno */
int nl_diag_open(void);

/*
 * nl_diag_ports() - Add the open ports to a set
 * @fd:		from nl_diag_open()
 * @proto:	IPPROTO_TCP or IPPROTO_UDP
 * @ports:	of 65536 bits, see util.h
 * Return: 0 or -errno; some ports may be in the set even so
 */
int nl_diag_ports(int fd, uint8_t proto, uint8_t *ports);

/* nl_diag_watch() - A descriptor that is readable when such ports were closed in
 * the current network namespace, once nl_diag_hear() switched it on; or -errno.
 * Any user may have that */
int nl_diag_watch(void);

/*
 * nl_diag_hear() - Begin or end to be told
 * @tcp, @udp:	of which protocols, when @on
 * While somebody is, the kernel composes a notice for every single socket that
 * is freed in the namespace, which costs some microseconds each.
 */
void nl_diag_hear(int fd, bool tcp, bool udp, bool on);

/* nl_diag_closed() - Forget what nl_diag_watch()'s @fd has told so far.
 * Return: whether there was anything */
bool nl_diag_closed(int fd);

#endif /* NL_DIAG_H */
