// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp_splice.c - datagrams from socket to socket, past the guest's link
 *
 * A spliced flow is an ordinary one of udp.c: its client shares a listener
 * with others, its target has a connected socket. Just that neither end is the
 * guest. So reading in batches, joining, replies by the listener, errors and
 * time-outs are written once, there and in udp_out.c, and what is left for
 * here is to have that socket, in the namespace if the target is there, and
 * memory for datagrams that shall not depend on the guest's port.
 *
 * Ports that are forwarded both ways would send a datagram round and round,
 * each time as a new client. So the local address of each socket stands in the
 * flow table, and a client who has just that is ourselves. That is fine where
 * it ends, as for a container that uses a published port of its own; but not if
 * the target is a listener of ours again.
 */
#include "udp_splice.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "ev.h"
#include "fwd_listen.h"
#include "log.h"
#include "sock.h"
#include "store.h"
#include "util.h"

/* A datagram, or several that the kernel had joined, has less than 64 KiB.
 * Not quite a power of two, or all would begin in the same lines of caches */
#define STRIDE		((size_t)65536 + 64 * 17)

static struct {
	uint8_t		*arena;
	struct iovec	iov[TAP_BATCH];
} local;

void udp_splice_init(void)
{
	unsigned i;

	if (local.arena)
		return;

	/* Pages that are never used cost nothing */
	local.arena = mmap(NULL, TAP_BATCH * STRIDE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (local.arena == MAP_FAILED)
		die_perror("Cannot map memory for local datagrams");
	for (i = 0; i < TAP_BATCH; i++)
		local.iov[i] = (struct iovec){ local.arena + i * STRIDE,
					       TAP_DATA_MAX };
}

int udp_splice_slots(struct tap_slot *s, unsigned max)
{
	unsigned i, n = MIN(max, TAP_BATCH);

	for (i = 0; i < n; i++) {
		s[i] = (struct tap_slot){
			.data = &local.iov[i], .ndata = 1,
			.room = TAP_DATA_MAX,
		};
	}
	return (int)n;
}

/* ------------------------------------------------------------- the socket */

/* is_ourselves() - Is the client at side @s a socket of another such flow? */
static bool is_ourselves(const struct side *s)
{
	unsigned side;

	return flow_find(IPPROTO_UDP, s->pif, &s->ours, s->ours_port, &s->peer,
			 s->peer_port, &side) && side == 1;
}

/* goes_round() - Would a datagram come back to us, who would lead out again?
 * Between loopbacks that matters only if the client is ourselves already */
static bool goes_round(const union flow *f)
{
	const struct side *tgt = &f->h.side[1];
	bool ns = tgt->pif == PIF_NS;

	return ((ns && !addr_is_loopback(&tgt->peer)) ||
		is_ourselves(&f->h.side[0])) &&
	       listen_has(ns ? FWD_UDP_NS : FWD_UDP_IN, tgt->peer_port);
}

void udp_splice_refused(const union flow *f, int e)
{
	static unsigned long last;

	if (log_shown(LOG_LVL_DEBUG))
		debug("%s: %s", flow_str(f), strerror(e));
	if (e != EMFILE && e != ENFILE && e != ENOMEM && e != ENOBUFS &&
	    e != EPERM && e != ELOOP)
		return;
	if (log_ratelimit(&last, 10))
		warn("Local UDP datagrams dropped: %s", e == ELOOP ?
		     "the port is forwarded both ways" : strerror(e));
}

/* connect_socket() - A socket for the target side @s, or -errno */
static int connect_socket(struct side *s)
{
	bool v4 = addr_is4(&s->peer);
	int fd, rc;

	fd = s->pif == PIF_NS ? store_socket(IPPROTO_UDP, v4) : sock_udp_open(v4);
	if (fd < 0)
		return fd;
	rc = sock_udp_start(fd, s);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int udp_splice_open(union flow *f)
{
	struct side *tgt = &f->h.side[1], was = *tgt;
	int rc;

	if (goes_round(f))
		return -ELOOP;

	rc = connect_socket(tgt);
	if (rc >= 0 && flow_has_side(IPPROTO_UDP, tgt)) {
		/* Two forwarded ports may lead to the same one, and a client
		 * who asks at both from one port would look the same there */
		sock_udp_close(&rc, tgt);
		*tgt = was;
		tgt->ours_port = 0;
		rc = connect_socket(tgt);
	}
	if (rc >= 0) {
		f->udp.sock[1] = rc;
		rc = ev_add(rc, EPOLLIN, flow_ref(f, EV_UDP, 1));
	}
	if (rc)
		return rc;
	if (log_shown(LOG_LVL_DEBUG))
		debug("%s: new local flow", flow_str(f));
	return 0;
}
