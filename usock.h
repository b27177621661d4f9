/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usock.h - where the virtual machine connects to: a UNIX domain socket of a
 * name that is given or found free, or a connected one that was inherited
 */
#ifndef USOCK_H
#define USOCK_H

#include <sys/socket.h>
#include <sys/un.h>

#define USOCK_PATH_LEN	sizeof(((struct sockaddr_un *)0)->sun_path)

/*
 * usock_listen() - Make the listening socket
 * @path:	where; empty: the first of /tmp/passt_1.socket, passt_2... that is
 *		free or stale is taken, and stored here
 *
 * What is left of a socket that nobody serves is removed. Its permissions are
 * those of the process' umask. Return: descriptor, non-blocking. Ends the
 * process if the name is in use, or no socket, or cannot be bound
 */
int usock_listen(char path[static USOCK_PATH_LEN]);

/* usock_accept() - The next connection, non-blocking, or -errno
 * @peer:	who connected; process 0 and user -1 if the kernel does not tell */
int usock_accept(int listen_fd, struct ucred *peer);

/*
 * usock_inherited() - Take descriptor @fd over: any connected stream socket
 *
 * Return: it, or a duplicate of number 3 or above if it is standard input (then
 * replaced by /dev/null); close-on-exec, else as it was. Ends the process if it
 * is something else
 */
int usock_inherited(int fd);

#endif /* USOCK_H */
