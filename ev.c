// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ev.c - epoll with typed references instead of pointers
 *
 * The 64 bits that epoll keeps for each descriptor are a struct ev_ref, never
 * a pointer: the owner of an event is looked up again and its generation
 * compared, so that an event for something closed earlier in the same turn
 * finds nobody. This file knows nothing about the owners.
 *
 * Going to sleep and being woken by another processor costs more than opening
 * a connection does otherwise. So ev_wait() looks again for a few microseconds
 * before it sleeps, but only while somebody said that more is to come soon
 * (ev_soon()) and looking has been paying: when events did come within that
 * time. At low rates it never spins, and neither with a single processor,
 * where it would keep the others from what we wait for.
 */
#include "ev.h"

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define EV_BATCH	64

#define SOON_NS		300000	/* for so long ev_soon() holds */
#define SPIN_NS		20000	/* longest look before sleeping */
#define NEAR_NS		60000	/* a sleep so short would have been a spin */
#define HOT_MIN		4	/* near events in a row before spinning */
#define HOT_MAX		16

static struct {
	bool open;
	bool may_spin;		/* more than one processor */
	unsigned hot;		/* how well looking again would have paid */
	bool soon;		/* ev_soon() was called */
	int64_t until;		/* and holds until then */
	int fd;
} epoll;

void ev_init(void)
{
	cpu_set_t cpus;

	if (epoll.open)
		close(epoll.fd);

	epoll.fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll.fd < 0)
		die_perror("Cannot create an epoll instance");
	epoll.open = true;
	epoll.hot = 0;
	epoll.soon = false;
	epoll.until = 0;
	epoll.may_spin = !sched_getaffinity(0, sizeof(cpus), &cpus) &&
			 CPU_COUNT(&cpus) > 1;
}

static int ctl(int op, int fd, uint32_t mask, union ev_ref ref)
{
	struct epoll_event e = { .events = mask, .data.u64 = ref.u64 };

	return epoll_ctl(epoll.fd, op, fd, &e) ? -errno : 0;
}

int ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	return ctl(EPOLL_CTL_ADD, fd, mask, ref);
}

int ev_mod(int fd, uint32_t mask, union ev_ref ref)
{
	return ctl(EPOLL_CTL_MOD, fd, mask, ref);
}

int ev_del(int fd)
{
	return ctl(EPOLL_CTL_DEL, fd, 0, (union ev_ref){ .u64 = 0 });
}

void ev_soon(void)
{
	epoll.soon = true;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Which system call epoll_wait() makes depends on the C library; this one is what
 * isolation.c allows */
static int wait_call(struct epoll_event *e, int max, int ms)
{
	return epoll_pwait(epoll.fd, e, max, ms, NULL);
}

/* Wait, with a look or two before sleeping if that has been paying; only while
 * more is expected soon */
static int wait_awake(struct epoll_event *e, int max, int ms)
{
	int64_t start = now_ns();
	int n;

	if (epoll.soon)
		epoll.until = start + SOON_NS;
	epoll.soon = false;
	if (start >= epoll.until) {
		epoll.hot = 0;
		epoll.until = 0;
		return wait_call(e, max, ms);
	}

	if (epoll.hot >= HOT_MIN) {
		do
			n = wait_call(e, max, 0);
		while (!n && now_ns() - start < SPIN_NS);
		if (n > 0) {
			epoll.hot = MIN(epoll.hot + 1, HOT_MAX);
			return n;
		}
		epoll.hot /= 2;
	}

	n = wait_call(e, max, ms);
	if (n > 0 && now_ns() - start < NEAR_NS)
		epoll.hot = MIN(epoll.hot + 1, HOT_MAX);
	else
		epoll.hot /= 2;
	return n;
}

int ev_wait(struct ev_event *ev, int max, int ms)
{
	struct epoll_event e[EV_BATCH] not_cleared;
	int i, n;

	max = MIN(max, EV_BATCH);
	if (ms && epoll.may_spin && (epoll.soon || epoll.until))
		n = wait_awake(e, max, ms);
	else
		n = wait_call(e, max, ms);
	for (i = 0; i < n; i++) {
		ev[i].ref.u64 = e[i].data.u64;
		ev[i].mask = e[i].events;
	}
	return n < 0 ? 0 : n;
}
