/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_net.h - the tables of sockets in /proc/net
 */
#ifndef PROC_NET_H
#define PROC_NET_H

#include <stdint.h>

/* proc_net_open() - A table of the current network namespace ("tcp", "udp6");
 * descriptor, which belongs to that namespace for ever, or -errno */
int proc_net_open(const char *table);

/*
 * proc_net_ports() - Add the ports to a set at which programs listen (TCP), or
 * that are bound and have no peer (UDP)
 * @fd:		from proc_net_open()
 * @proto:	IPPROTO_TCP or IPPROTO_UDP
 * @ports:	of 65536 bits, see util.h
 * Return: 0 or -errno. Lines that make no sense are passed over.
 */
int proc_net_ports(int fd, uint8_t proto, uint8_t *ports);

#endif /* PROC_NET_H */
