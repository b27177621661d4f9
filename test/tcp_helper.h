/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_helper.h - a guest's TCP played by hand, for the tests of tcp*.c
 *
 * A struct conn is the guest's end of one connection: numbers of segments are
 * given as offsets to the initial ones of either side, so 0 is the SYN and 1
 * the first byte. The host's end is a real socket on the loopback device of a
 * network namespace of our own; the clock moves only by rig_advance().
 *
 * Tests that use this must link with
 *	-Wl,--wrap=sendmsg,--wrap=recvmsg,--wrap=sock_features
 */
#ifndef TCP_HELPER_H
#define TCP_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_tap.h"
#include "flow.h"
#include "hdr.h"

#define RIG_PORT	7000	/* listening on the host's loopback */
#define RIG_NOBODY	7001	/* nobody there */
#define RIG_FWD		8000	/* forwarded to the guest */

struct conn {
	bool		v6;
	in_port_t	gport, hport;	/* the guest's; the other one */
	uint32_t	iss, irs;	/* the guest's initial number, ours */
	int		host;		/* socket of the host's program, or -1 */
	uint16_t	win;		/* window field to send */
	uint16_t	mss;		/* option in SYNs, 0 = none */
	int		ws;		/* option in SYNs, -1 = none */
	bool		sack;		/* option in SYNs */
	unsigned	blocks;		/* to tell of in others: offsets as ack */
	struct { uint32_t start, end; } block[4];
};

/* The segment that rig_expect() or rig_pop() took last */
struct seg {
	in_port_t	sport, dport;
	uint32_t	seq, ack;
	uint16_t	win, mss;
	int		ws;		/* -1 = no option */
	bool		sack;		/* the option of a SYN */
	unsigned	blocks;
	struct { uint32_t start, end; } block[4];
	uint8_t		flags, gso;
	uint16_t	gso_size;
	size_t		len;
	bool		sum_ok;
	uint8_t		data[65536];
};

struct rig {
	uint64_t	now;		/* us */
	ssize_t		send_max;	/* bytes each sendmsg() takes, -1 any */
	unsigned	send_times;	/* ... and so often; then EAGAIN */
	int		send_errno, recv_errno;
	unsigned	sends;		/* calls of sendmsg() */
	unsigned	peeks;		/* calls of recvmsg() */
	bool		no_peek_off;	/* an old kernel */
	size_t		piece;		/* guest's frames come in such, 0 = whole */
	struct seg	got;
};

struct rig *rig(void);

/* rig_start() - Once: the namespace; false if it cannot be had */
bool rig_start(void);

/* rig_reset() - Everything empty and at its default, for one case */
void rig_reset(void);

/* rig_mtu() - Change the link's MTU (before opening connections) */
void rig_mtu(uint16_t mtu);

/* rig_left() - What a finished case left behind; NULL if nothing */
const char *rig_left(void);

/* rig_turn() - Turns of the loop while anything is ready; waits up to @ms for
 * a first event */
void rig_turn(int ms);

/* rig_advance() - The clock goes on by @us, then rig_turn() */
void rig_advance(uint64_t us);

/* conn_init() - A fresh connection on the guest's port @gport */
void conn_init(struct conn *c, in_port_t gport);

/* guest_segment() - Queue one; guest_go() - hand over what was queued as one
 * run; guest_send() - both, for one. No turn is made. */
void guest_segment(const struct conn *c, uint8_t flags, uint32_t seq,
		   uint32_t ack, const void *data, size_t len);
void guest_go(void);
void guest_send(const struct conn *c, uint8_t flags, uint32_t seq,
		uint32_t ack, const void *data, size_t len);

/* rig_flow() - Of this connection, or NULL */
union flow *rig_flow(const struct conn *c);

/* rig_isn() - Make @isn our initial number; between SYN and its answer */
void rig_isn(const struct conn *c, uint32_t isn);

/* rig_pop() - The next segment to the guest, into rig()->got; makes turns and
 * waits a little for it, at last also by the clock: as long as an
 * acknowledgement may be delayed */
bool rig_pop(void);

/* rig_expect() - It is this one; else says why not. PSH is not compared */
const char *rig_expect(const struct conn *c, uint8_t flags, uint32_t seq,
		       uint32_t ack, size_t len);

/* rig_quiet() - Nothing for the guest, also after a turn */
bool rig_quiet(void);

/* conn_open() - The guest connects: all three segments, and c->host; with
 * @isn other than 0 as our initial number */
bool conn_open(struct conn *c, uint32_t isn);

/* conn_accept() - The program takes the next connection */
bool conn_accept(struct conn *c);

/* conn_inbound() - A client connects c->host to the forwarded port, the guest
 * gets the SYN, which also tells hport; conn_answer() - and takes it */
bool conn_inbound(struct conn *c);
bool conn_answer(struct conn *c);

/* conn_close() - Close the program's socket, with a reset if @hard */
void conn_close(struct conn *c, bool hard);

/* host_read() - What the program has to read, waiting a little: bytes, 0 at
 * the end, -errno */
ssize_t host_read(const struct conn *c, void *buf, size_t size);

/* host_write() - All of it */
bool host_write(const struct conn *c, const void *data, size_t len);

/* pattern() - Bytes of a stream from offset @off on */
void pattern(uint8_t *buf, size_t off, size_t len);
bool is_pattern(const uint8_t *buf, size_t off, size_t len);

#define EXPECT_SEG(c, flags, seq, ack, len)				\
	do {								\
		const char *why_ = rig_expect(c, flags, seq, ack, len);	\
		check_ok(!why_, __FILE__, __LINE__, why_ ? why_ : "");	\
	} while (0)

#define EXPECT_CLEAN()							\
	do {								\
		const char *why_ = rig_left();				\
		check_ok(!why_, __FILE__, __LINE__, why_ ? why_ : "");	\
	} while (0)

#define EXPECT_QUIET()	EXPECT(rig_quiet())

#endif /* TCP_HELPER_H */
