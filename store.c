// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * store.c - descriptors in store for the loopback bypass
 *
 * What is asked for most times is there already: for a socket of the namespace
 * two threads change places, so a batch is made at once; and a pipe of the full
 * size costs the kernel a large array. They are few (a small share of the
 * descriptors that we may have), as each is one that somebody else lacks. After
 * a shortage batches are of one socket, and grow again.
 */
#include "store.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "ns.h"
#include "sock.h"
#include "util.h"

#define PIPE_SIZE	(1 << 20)	/* all that an ordinary user may have */
#define PIPE_SMALL	(256 << 10)	/* when he has many already */
#define PIPES_MAX	8		/* in store */
#define PIPES_READY	2		/* from the start */
#define SOCKS_MAX	32		/* per kind, at most; of UDP: */
#define SOCKS_UDP	16

enum { TCP, UDP, PROTOS };

/* Sockets of one protocol */
struct shelf {
	int		sock[2][SOCKS_MAX];	/* [1]: IPv4 */
	unsigned	n[2];
	unsigned	batch, batch_max;	/* to make at once */
};

static struct {
	int		pipe[PIPES_MAX][2];
	unsigned	npipes;
	struct shelf	shelf[PROTOS];
} store;

bool store_release(void)
{
	bool any = store.npipes;
	unsigned p, v4;

	while (store.npipes) {
		store.npipes--;
		close(store.pipe[store.npipes][0]);
		close(store.pipe[store.npipes][1]);
	}
	for (p = 0; p < PROTOS; p++) {
		struct shelf *s = &store.shelf[p];

		for (v4 = 0; v4 < 2; v4++) {
			any = any || s->n[v4];
			while (s->n[v4])
				close(s->sock[v4][--s->n[v4]]);
		}
		s->batch = 1;
	}
	return any;
}

void store_init(void)
{
	static const unsigned most[PROTOS] = { SOCKS_MAX, SOCKS_UDP };
	unsigned p;

	store_release();
	for (p = 0; p < PROTOS; p++)
		store.shelf[p].batch = store.shelf[p].batch_max =
			sock_share(most[p]);
}

/* ------------------------------------------------------------------ sockets */

struct order {
	unsigned	proto, v4;
};

/* In the namespace: a batch of sockets */
static int make_socks(void *arg)
{
	const struct order *o = arg;
	struct shelf *s = &store.shelf[o->proto];
	unsigned n = s->batch;

	s->batch = MIN(n * 2, s->batch_max);
	while (s->n[o->v4] < n) {
		int fd = o->proto == TCP ? sock_tcp_open(o->v4) :
					   sock_udp_open(o->v4);

		if (fd < 0)
			return s->n[o->v4] ? 0 : fd;
		s->sock[o->v4][s->n[o->v4]++] = fd;
	}
	return 0;
}

int store_socket(uint8_t proto, bool v4)
{
	struct order o = { proto == IPPROTO_TCP ? TCP : UDP, v4 };
	struct shelf *s = &store.shelf[o.proto];
	int rc;

	if (!s->n[v4]) {
		rc = ns_call(make_socks, &o);
		if (rc < 0)
			return rc;
	}
	return s->sock[v4][--s->n[v4]];
}

/* ------------------------------------------------------------------- pipes */

void store_pipe_back(int p[2], bool empty)
{
	if (p[0] < 0)
		return;
	if (empty && store.npipes < PIPES_MAX) {
		memcpy(store.pipe[store.npipes++], p, sizeof(*store.pipe));
	} else {
		close(p[0]);
		close(p[1]);
	}
	p[0] = p[1] = -1;
}

bool store_pipe(int p[2])
{
	if (p[0] >= 0)
		return true;
	if (store.npipes) {
		memcpy(p, store.pipe[--store.npipes], sizeof(*store.pipe));
		return true;
	}
	if (pipe2(p, O_NONBLOCK | O_CLOEXEC)) {
		p[0] = p[1] = -1;
		return false;
	}
	if (fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE) >= 0 ||
	    fcntl(p[1], F_SETPIPE_SZ, PIPE_SMALL) >= 0 ||
	    fcntl(p[1], F_GETPIPE_SZ) >= (int)STORE_PIPE_MIN)
		return true;
	store_pipe_back(p, false);
	return false;
}

void store_prepare(void)
{
	int p[PIPES_READY][2], i;

	for (i = 0; i < PIPES_READY; i++) {
		p[i][0] = p[i][1] = -1;
		(void)store_pipe(p[i]);
	}
	while (i--)
		store_pipe_back(p[i], true);
}
