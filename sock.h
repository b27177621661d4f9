/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.h - opening host sockets, and what the kernel can do with them
 *
 * All sockets are non-blocking and close-on-exec. IPv4 endpoints get AF_INET
 * sockets, IPv6 ones AF_INET6. Sockets towards non-loopback destinations are
 * bound to the outbound interface and address if the user named one.
 */
#ifndef SOCK_H
#define SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"
#include "fwd.h"

/* Where groups are served, by several programs of a host at once */
enum sock_port {
	SOCK_PORT_SSDP	= 1900,		/* UPnP 2.0 1.3 */
	SOCK_PORT_WSD	= 3702,		/* WS-Discovery 1.1 3.1.1 */
	SOCK_PORT_MDNS	= 5353,		/* RFC 6762 3 */
	SOCK_PORT_LLMNR	= 5355,		/* RFC 4795 2 */
};

struct sock_features {
	bool tcp_peek_off;	/* SO_PEEK_OFF on TCP (Linux 6.9) */
	bool udp_gso, udp_gro;	/* UDP_SEGMENT, UDP_GRO */
	unsigned link_mtu[2];	/* IPv4, IPv6; no fact of the kernel's */
};

/* sock_init() - Probe the kernel; @ifindex is the scope of link-local IPv6
 * destinations (0: none); @freebind for listeners */
void sock_init(unsigned ifindex, bool freebind);

/* sock_multicast_if() - Interfaces (0: the kernel's choice) by which each family
 * reaches groups: for sending to them and for joining them */
void sock_multicast_if(unsigned if4, unsigned if6);

/* sock_link_mtu() - Of the links that each family leaves by (0: not known) */
void sock_link_mtu(unsigned mtu4, unsigned mtu6);

/* sock_outbound_if() - Interfaces (empty: any) that sockets of each family are
 * bound to, unless they lead to loopback addresses */
void sock_outbound_if(const char *if4, const char *if6);

const struct sock_features *sock_features(void);

/*
 * sock_tcp_connect() - Start a connection to the target side of a flow
 * @s:		peer: where to; ours: source if set
 * @pending:	set if the result comes later (EPOLLOUT)
 * Return: descriptor (TCP_NODELAY and SO_OOBINLINE set), or -errno
 */
int sock_tcp_connect(const struct side *s, bool *pending);

/* sock_tcp_connect_tos() - The same, its SYN being of @tos already */
int sock_tcp_connect_tos(const struct side *s, uint8_t tos, bool *pending);

/* sock_tcp_open() - A TCP socket (the same options set) in whatever namespace
 * this runs in, see ns_call(); or -errno */
int sock_tcp_open(bool v4);

/* sock_tcp_start() - Connect one to the target side @s, from any address; 0,
 * -EINPROGRESS (the result comes as EPOLLOUT) or -errno. It stays open */
int sock_tcp_start(int fd, const struct side *s);

/*
 * sock_udp_connect() - A socket connected to the target side of a flow
 * @s:		ours_port: wanted source port; if somebody else has it, or it
 *		would make the socket its own peer, the kernel chooses one.
 *		ours and ours_port become what its datagrams come from
 * @open:	set if the peer is a group or a broadcast address: who answers
 *		has another one, so the socket is not connected
 * Error queue (IP_RECVERR), TTL and TOS reception and UDP_GRO are switched on;
 * datagrams of strangers that came in before the connect are gone.
 * Return: descriptor, or -errno
 */
int sock_udp_connect(struct side *s, bool *open);

/* sock_udp_source() - The address that datagrams of such a socket, unless bound
 * to one, come from by now, to @s->ours */
void sock_udp_source(struct side *s);

/* sock_source_moved() - Would what connected socket @fd sends to the peer of @s
 * come from another address by now, since the host has others or other routes?
 * It keeps the one it had. Pings are like datagrams in this */
bool sock_source_moved(int fd, const struct side *s);

/*
 * sock_udp_member() - A socket that hears what is sent to @group at @port, and
 * nothing else, whoever else on this host has the port or joined the group
 * Return: descriptor, or -errno
 */
int sock_udp_member(const union addr *group, in_port_t port);

/* sock_udp_open() - The first half of it: a socket with these options, in
 * whatever namespace this runs in, see ns_call(); or -errno */
int sock_udp_open(bool v4);

/* sock_udp_start() - The second half, but for the outbound interface; 0 or
 * -errno. It stays open */
int sock_udp_start(int fd, struct side *s);

/* sock_ping() - An unprivileged echo socket connected to the target side,
 * bound to its identifier ours_port if it is free; or -errno */
int sock_ping(const struct side *s);

/*
 * sock_listen() - A listening (TCP) or bound (UDP) socket for one port
 * @rule:	address and interface; without address: both families in one
 *		AF_INET6 socket, AF_INET where IPv6 is not available
 * @v4, @v6:	families enabled
 * TCP: the same options are set, to be inherited. UDP: packet info, TTL, error
 * queue and UDP_GRO on.
 * Return: descriptor, or -errno
 */
int sock_listen(uint8_t proto, const struct fwd_rule *rule, in_port_t port,
		bool v4, bool v6);

/*
 * sock_listen_stop() - What @fd of sock_listen() (TCP) waits for is not wanted
 * now: those who connect are refused by the kernel, but the port stays ours
 * sock_listen_again() - It is wanted again; 0 or -errno
 *
 * Connections that were accepted go on; those that were not are reset. epoll
 * reports a socket that does not listen as hung up, all the time.
 */
void sock_listen_stop(int fd);
int sock_listen_again(int fd);

/* sock_udp_bound() - UDP socket @fd, as those of flows (which do it themselves),
 * begins, or is about to end, to have its port for us in the namespace of @pif,
 * and for @both families if it is one of IPv6: sockets of flows may share it. Not
 * for one that is bound to an interface: at others, somebody else may have it */
void sock_udp_bound(int fd, uint8_t pif, bool both, bool begins);

/* sock_tos() - Set type of service or traffic class of what leaves; of TCP
 * sockets the kernel keeps the two bits of ECN for itself */
void sock_tos(int fd, bool v4, uint8_t tos);

/* sock_udp_close() - Close the socket of target side @s, as connected or started
 * above, if there is one; it is -1 then */
void sock_udp_close(int *fd, const struct side *s);

/* sock_name() - The local address of a socket; @a stays if it has none */
void sock_name(int fd, union addr *a);

/* sock_share() - How many descriptors one may keep in store, up to @most: a
 * small share of those that the process may have, and one at least */
unsigned sock_share(unsigned most);

/* sock_error() - Take the pending error of a socket; 0 if none */
int sock_error(int fd);

/* sock_rtt() - The round trip of a TCP connection as the kernel knows it, us; 0
 * if it does not */
uint32_t sock_rtt(int fd);

/* sock_reset() - Close @fd so that its peer sees a reset (SO_LINGER 0) */
void sock_reset(int fd);

#endif /* SOCK_H */
