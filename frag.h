/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frag.h - reassembly of the guest's IP fragments (RFC 791, 815, 5722, 8200)
 *
 * Bounded in datagrams, bytes and time. Old ones give way when new fragments
 * come; of one whose time is over before it is complete, the guest is told.
 * Overlapping fragments discard the datagram.
 */
#ifndef FRAG_H
#define FRAG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct timer;

/* frag_init() - Map the store; again: empty it */
void frag_init(void);

/*
 * frag_input() - Take a frame for which hdr_parse() said HDR_FRAG
 * @out:	set when this fragment completes its datagram: the whole frame,
 *		Ethernet and IP header as if it had never been fragmented
 *		(IPv6: without fragment header), flat; valid until the next call
 * Return: length of *out, or 0 if nothing is complete
 */
size_t frag_input(const struct iovec *iov, size_t len, struct iovec *out);

/* frag_timer() - The time of some may be over */
void frag_timer(struct timer *t);

/* frag_pending() - Datagrams being collected, for tests */
unsigned frag_pending(void);

#endif /* FRAG_H */
