/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_out.h - datagrams to the host, and the errors that come back of them
 */
#ifndef UDP_OUT_H
#define UDP_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "flow.h"
#include "fwd_listen.h"
#include "hdr.h"

#define UDP_SEGS_MAX	64	/* UDP_MAX_SEGMENTS of older kernels */
#define UDP_GSO_MAX	65000	/* payload of a super-datagram */
#define UDP_TTL_DEFAULT	64	/* where the kernel does not say */
#define UDP_ERROR_DATA	1232	/* quoted at most (RFC 4443 2.4 (c)) */

/* udp_guest_side() - Which side of a flow is the guest */
static inline unsigned udp_guest_side(const union flow *f)
{
	return f->h.side[0].pif == PIF_GUEST ? 0 : 1;
}

/* udp_is_spliced() - Do both sides lie elsewhere? See udp_splice.h */
static inline bool udp_is_spliced(const union flow *f)
{
	return f->h.side[0].pif != PIF_GUEST && f->h.side[1].pif != PIF_GUEST;
}

/*
 * udp_out() - Send datagrams on: the guest's, or those of a spliced flow
 * @l:		listener to use, towards the client who started the flow there;
 *		or NULL: the flow's own socket, towards its target
 * @p:		@n of them, all of flow @f
 */
void udp_out(union flow *f, const struct listener *l, const struct pkt *p,
	     unsigned n);

/*
 * udp_errors() - Empty the error queue of a socket, and tell the guest
 * @f:		the flow it belongs to, or NULL: listener @l; without either,
 *		nobody is told
 *
 * Also clears the pending error, so that EPOLLERR cannot come back for
 * something that was seen already.
 */
void udp_errors(int fd, const union flow *f, const struct listener *l);

/* udp_refused() - The guest's datagram @p goes nowhere, for reason @e (errno):
 * tell it, unless that is our trouble and not the destination's */
void udp_refused(const struct pkt *p, int e);

#endif /* UDP_OUT_H */
