/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasta.h - the namespaces of pasta: make or join them, run the command,
 * configure the interface inside, notice the end
 *
 * Order of use: pasta_open(), then the tap device is made (tap_tun.c, inside
 * ns_call()), pasta_configure(), pasta_go(), pasta_check_exec(). The target
 * namespace is left in ns.h.
 */
#ifndef PASTA_H
#define PASTA_H

#include <stdbool.h>

#include "conf.h"

/*
 * pasta_open() - Make or join the namespaces @c asks for
 *
 * With a command (or a shell) to run, its process exists afterwards and
 * prepares itself, but waits for pasta_go(); it dies whenever we do. SIGCHLD
 * is blocked from here on. Else the named namespaces are joined: the process
 * is then in the target's user namespace and in the host's network namespace.
 * Ends the process on failure.
 */
void pasta_open(const struct conf *c);

/*
 * pasta_spawned() - The network namespace is ours and dies with us
 *
 * Then the tap device should be made persistent (TUNSETPERSIST): closing one
 * that is not waits some 15 ms or more for the kernel to take it apart, while
 * a namespace is taken apart in the background.
 */
bool pasta_spawned(void);

/*
 * pasta_configure() - Bring up loopback; prepare the tap device, and with
 * --config-net give it addresses and routes
 * @c:	guest.mac and mac_known are filled with the tap's; guest.seen6_ll with
 *	the link-local address if we gave it one
 *
 * Ends the process if the device is not there; one address or route that
 * cannot be set is a warning.
 */
void pasta_configure(struct conf *c);

/* pasta_go() - Let the command start; nothing to do without one */
void pasta_go(void);

/* pasta_check_exec() - Wait until the command runs; if it could not be
 * executed, say so and end the process. Time between pasta_go() and this is
 * time spent in parallel */
void pasta_check_exec(void);

/* pasta_watch_fd() - Readable when pasta_watch_ready() should be asked; -1 if
 * there is nothing to wait for */
int pasta_watch_fd(void);

/*
 * pasta_watch_ready() - The descriptor was readable: is it the end?
 * @status:	then set to what we should exit with
 */
bool pasta_watch_ready(int *status);

#endif /* PASTA_H */
