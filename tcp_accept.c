// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_accept.c - connections from the listeners to those who lead them on
 *
 * What input.c is for frames, this is for accepted connections: the table of
 * flows says where they lead, and that is either the guest (tcp.c) or another
 * socket (tcp_splice.c). Where there is nobody, the client sees a reset at
 * once.
 */
#include "tcp_accept.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"
#include "fwd_listen.h"
#include "half.h"
#include "sock.h"
#include "tap.h"
#include "tcp.h"
#include "tcp_splice.h"
#include "util.h"

#define ACCEPT_BUDGET	32

static struct {
	int	accepts;	/* to try at the next event */
} run = { .accepts = 1 };

/* Of the namespace's own address and port, nobody but we would be found there,
 * who lead out again (fwd.c looks after loopback) */
static bool leads_back(const struct side *s)
{
	return s->pif == PIF_NS && !addr_is_loopback(&s->peer) &&
	       listen_has(FWD_TCP_NS, s->peer_port);
}

static void accepted(const struct listener *l, int fd,
		     const union sockaddr_any *sa)
{
	struct side ini = {
		.ours_port = l->port, .pif = l->pif,
	};
	enum fwd_verdict v;
	const struct side *g;
	union flow *f;

	if (!addr_from_sa(sa, &ini.peer, &ini.peer_port)) {
		sock_reset(fd);
		return;
	}
	ini.ours = addr_any(addr_is4(&ini.peer));
	/* Of 127/8 the very address asked for counts, see fwd.c */
	if (l->pif == PIF_NS)
		sock_name(fd, &ini.ours);
	f = flow_open(IPPROTO_TCP, &ini, l->target, &v);
	if (!f) {
		sock_reset(fd);
		return;
	}
	g = &f->h.side[1];
	if (leads_back(g)) {
		sock_reset(fd);
		flow_close(f);
		return;
	}
	if (g->pif != PIF_GUEST) {
		splice_open(f, fd);
		return;
	}
	/* Nobody is there who could listen; or another client, which looks like
	 * this one to the guest after translation */
	if (!tcp_make_way(g) || !tap_served()) {
		sock_reset(fd);
		flow_close(f);
		return;
	}
	tcp_invite(f, fd);
}

void tcp_accept_ready(union ev_ref ref, uint32_t mask)
{
	const struct listener *l = listener_at(ref);
	int i;

	(void)mask;
	if (!l)
		return;
	listen_spare();			/* in case the last one was lost */
	for (i = 0; i < run.accepts; i++) {
		union sockaddr_any sa;
		socklen_t len = sizeof(sa);
		int fd = accept4(l->fd, &sa.sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC), e = errno;

		if (fd >= 0)
			accepted(l, fd, &sa);
		else if (e == EAGAIN)
			break;
		else if (!half_retry(e))
			listen_failed(l, e);
	}
	/* Follow the load: one at a time costs no vain call */
	run.accepts = i < run.accepts ? MAX(i, 1) :
					MIN(i * 2, ACCEPT_BUDGET);
}
