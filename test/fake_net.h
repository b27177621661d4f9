/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_net.h - the host's sockets without a kernel, for fuzzers
 *
 * Socket calls of the program end here: nothing leaves the process, all that a
 * call returns is decided by the test, and misuse (a descriptor that is closed
 * already, a destination that must not be reached) ends it. Both directions of
 * a TCP connection carry the bytes of net_bytes(), so that what arrives can be
 * compared. Tests that use this must link with what NET_WRAP in
 * test/fuzz/frames.c lists.
 */
#ifndef FAKE_NET_H
#define FAKE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "addr.h"
#include "ev.h"

#define NET_SOCKS	192
#define NET_QUEUE	8

enum net_call { NET_SOCKET, NET_BIND, NET_CONNECT, NET_ACCEPT, NET_SEND, NET_RECV,
		NET_SOCKOPT, NET_WATCH, NET_SHUTDOWN, NET_CALLS };

/* A datagram, an entry of the error queue, or a client that waits */
struct net_msg {
	union addr	peer, local;
	in_port_t	port;
	uint32_t	len;
	uint8_t		head[16];	/* its first bytes */
	uint16_t	seg;		/* UDP_GRO, if not 0 */
	uint8_t		ttl, tos;
	/* of errors */
	uint8_t		origin, type, code;
	int		e;
	uint32_t	info;
};

struct net_sock {
	bool		open, listening, connecting, connected, shut, eof;
	bool		in_ns;		/* it is in the other namespace */
	int		family, type, proto;
	union addr	peer, name;
	in_port_t	peer_port, port;
	int		error;
	union ev_ref	ref;
	bool		watched;
	uint32_t	mask, edges;	/* asked for; of EPOLLET, to be told */
	uint32_t	have;		/* bytes to read, TCP */
	uint64_t	read, sent;	/* offset in either stream */
	int64_t		peek_off;
	uint32_t	room;		/* bytes that sendmsg() takes */
	struct net_msg	q[NET_QUEUE], err[NET_QUEUE];
	unsigned	nq, nerr;
};

struct net {
	struct net_sock	sock[NET_SOCKS];
	unsigned	open;
	/* The next calls, @after so many, fail with @e */
	struct { int e; unsigned times, after; } fail[NET_CALLS];
	bool		connect_now;	/* no EINPROGRESS */
	bool		in_ns;		/* sockets are made there, now */
	bool		no_loopback;	/* nobody may be reached there */
	bool		check;		/* the guest sends net_bytes() as well */
	uint32_t	base;		/* number of the first byte of its */
	uint32_t	peek_max;	/* bytes one recvmsg() gives, 0: all */
	uint32_t	rtt;
	/* Sees each datagram that leaves, or each run of them */
	void		(*sent)(const struct net_sock *s,
				const struct msghdr *m);
	union ev_ref	last[16];	/* of sockets closed lately */
	unsigned	nlast;
};

struct net *net(void);

/* net_reset() - Sockets stay, all else is as at start */
void net_reset(void);

/* net_bytes() - The @n bytes of any stream from the one with this @number on; at
 * most 64 KiB, and good for ever. They repeat after a prime number of bytes */
const uint8_t *net_bytes(uint32_t number);

/* net_pick() - The @n-th open socket of @type that does (not) listen, counted
 * around; NULL if there is none */
struct net_sock *net_pick(unsigned n, int type, bool listening);

#endif /* FAKE_NET_H */
