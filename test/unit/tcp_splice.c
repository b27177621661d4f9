// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_splice.c - spliced pairs on loopback, with system calls that come up
 * short, and sockets of another namespace without any privilege
 * link: -Wl,--wrap=splice,--wrap=send,--wrap=recv,--wrap=pipe2,--wrap=fcntl
 * link: -Wl,--wrap=sock_tcp_connect,--wrap=ev_add
 */
#include "tcp_splice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fwd.h"
#include "guest.h"
#include "isolation.h"
#include "log.h"
#include "ns.h"
#include "siphash.h"
#include "sock.h"
#include "store.h"
#include "timer.h"

#define LOAD	(24U << 20)	/* more than buffers on the way hold */

/* How the system misbehaves */
static struct {
	uint32_t	rnd;		/* 0: not at all */
	bool		no_pipe, small_pipe;
	size_t		most;		/* that a splice() moves; 0: all */
	int		connect, watch;	/* -errno, of the next calls */
	unsigned	fds;		/* no connection with more; 0: any */
} bad;

static uint32_t rnd(void)
{
	bad.rnd = bad.rnd * 1664525 + 1013904223;
	return bad.rnd >> 8;
}

/* One of several fates of a call over @n bytes; 0: fails with errno */
static size_t fate(size_t n)
{
	if (!bad.rnd)
		return n;
	switch (rnd() % 8) {
	case 0:
		errno = EINTR;
		return 0;
	case 1:
		return 1;
	case 2:
	case 3:
		return 1 + rnd() % n;
	default:
		return n;
	}
}

ssize_t __real_splice(int in, off64_t *io, int out, off64_t *oo, size_t n,
		      unsigned flags);
ssize_t __wrap_splice(int in, off64_t *io, int out, off64_t *oo, size_t n,
		      unsigned flags);
ssize_t __wrap_splice(int in, off64_t *io, int out, off64_t *oo, size_t n,
		      unsigned flags)
{
	if (bad.most && n > bad.most)
		n = bad.most;
	n = fate(n);
	return n ? __real_splice(in, io, out, oo, n, flags) : -1;
}

ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	n = fate(n);
	return n ? __real_send(fd, p, n, flags) : -1;
}

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	/* Not short: then the socket would be empty, which the code relies on */
	if (bad.rnd && !(rnd() % 4)) {
		errno = EINTR;
		return -1;
	}
	return __real_recv(fd, p, n, flags);
}

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long v;

	va_start(ap, cmd);
	v = va_arg(ap, long);
	va_end(ap);
	if (bad.small_pipe && cmd == F_SETPIPE_SZ) {
		errno = EPERM;
		return -1;
	}
	return __real_fcntl(fd, cmd, v);
}

/* Two pages are what an ordinary user gets who has too much in pipes */
int __real_pipe2(int p[2], int flags);
int __wrap_pipe2(int p[2], int flags);
int __wrap_pipe2(int p[2], int flags)
{
	int rc;

	if (bad.no_pipe) {
		errno = EMFILE;
		return -1;
	}
	rc = __real_pipe2(p, flags);
	if (!rc && bad.small_pipe)
		__real_fcntl(p[0], F_SETPIPE_SZ, 8192L);
	return rc;
}

static unsigned fd_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int __real_sock_tcp_connect(const struct side *s, bool *pending);
int __wrap_sock_tcp_connect(const struct side *s, bool *pending);
int __wrap_sock_tcp_connect(const struct side *s, bool *pending)
{
	if (bad.fds && fd_count() > bad.fds)
		return -EMFILE;
	return bad.connect ? bad.connect : __real_sock_tcp_connect(s, pending);
}

int __real_ev_add(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	return bad.watch ? bad.watch : __real_ev_add(fd, mask, ref);
}

/* ------------------------------------------------------------------------ */

static in_port_t port;			/* of the server */
static int server, front, front_port;	/* its socket; where clients go */

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
}

/* A window that does not grow */
static void set_rcvbuf(int fd, int v)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v));
}

static int listener(in_port_t *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT_EQ(bind(fd, (struct sockaddr *)&a, len), 0);
	EXPECT_EQ(listen(fd, 16), 0);
	EXPECT_EQ(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*p = ntohs(a.sin_port);
	return fd;
}

/* turn() - What the loop does */
static void turn(int ms)
{
	struct ev_event ev[16];
	int i, n;
	union flow *f;
	unsigned woken;

	n = ev_wait(ev, 16, flow_listed(FLOW_RUN) ? 0 : ms);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(ev[i].ref.type, EV_SPLICE);
		splice_ready(ev[i].ref, ev[i].mask);
	}
	for (woken = flow_listed(FLOW_RUN); woken && (f = flow_take(FLOW_RUN)); woken--)
		splice_resume(f);
	flow_reap();
}

static void settle(void)
{
	int i;

	for (i = 0; i < 20; i++)
		turn(1);
}

/* A client that came to us; -1 if there was no target for it */
static int client(uint8_t from, in_port_t target)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)front_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct side ini = { .pif = from, .ours_port = target };
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	int c = socket(AF_INET, SOCK_STREAM, 0), fd;
	enum fwd_verdict v;
	union flow *f;

	set_rcvbuf(c, 32 << 10);
	EXPECT_EQ(connect(c, (struct sockaddr *)&to, sizeof(to)), 0);
	fd = accept4(front, &sa.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT(addr_from_sa(&sa, &ini.peer, &ini.peer_port));
	ini.ours = addr_loopback(&ini.peer);
	f = flow_open(IPPROTO_TCP, &ini, target, &v);
	if (!EXPECT(f)) {
		close(fd);
		return c;
	}
	splice_open(f, fd);
	fcntl(c, F_SETFL, O_NONBLOCK);
	return c;
}

static int served(void)
{
	struct pollfd p = { .fd = server, .events = POLLIN };
	int s;

	settle();
	if (!EXPECT(poll(&p, 1, 1000) == 1))
		return -1;
	s = accept(server, NULL, NULL);
	EXPECT(s >= 0);
	fcntl(s, F_SETFL, O_NONBLOCK);
	return s;
}

static uint8_t pattern(size_t i, unsigned salt)
{
	return (uint8_t)(i * 31 + (i >> 8) * 17 + (i >> 16) + salt);
}

/* @n bytes both ways at once, the receivers slow to start, in uneven pieces */
static void exchange(int a, int b, size_t total)
{
	int fd[2] = { a, b };
	size_t sent[2] = { 0, 0 }, got[2] = { 0, 0 };
	static uint8_t buf[100000];
	unsigned i, rounds;
	bool good = true;

	for (rounds = 0; rounds < 200000; rounds++) {
		for (i = 0; i < 2; i++) {
			size_t n = rounds * 7919 % sizeof(buf) + 1, k;
			ssize_t r;

			n = n < total - sent[i] ? n : total - sent[i];
			for (k = 0; k < n; k++)
				buf[k] = pattern(sent[i] + k, i);
			r = n ? __real_send(fd[i], buf, n, MSG_NOSIGNAL) : 0;
			sent[i] += r > 0 ? (size_t)r : 0;
			if (rounds < 200)
				continue;
			r = __real_recv(fd[i], buf, rounds % 2 ? 1000 :
					sizeof(buf), 0);
			for (k = 0; r > 0 && k < (size_t)r; k++)
				good = good && buf[k] ==
				       pattern(got[i] + k, !i);
			got[i] += r > 0 ? (size_t)r : 0;
		}
		turn(0);
		if (got[0] == total && got[1] == total)
			break;
	}
	EXPECT(good);
	EXPECT_EQ(got[0], total);
	EXPECT_EQ(got[1], total);
}

static ssize_t get(int fd)
{
	char c;
	ssize_t n;

	settle();
	n = __real_recv(fd, &c, 1, 0);
	return n < 0 ? -errno : n;
}

static void leak_free(void)
{
	settle();
	EXPECT_EQ(flow_count(), 0);
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	EXPECT_EQ(timer_count(), 0);
}

static void pair(int *c, int *s)
{
	*c = client(PIF_NS, port);
	*s = served();
}

static void lives(void)
{
	static uint8_t block[100000];
	int c, s, c2, s2, i;
	unsigned fds;
	size_t n, want;

	group("data both ways, and both ends");
	pair(&c, &s);
	exchange(c, s, LOAD);
	shutdown(c, SHUT_WR);
	EXPECT_EQ(get(s), 0);
	EXPECT_EQ(get(c), -EAGAIN);
	EXPECT_EQ(__real_send(s, "x", 1, 0), 1);
	EXPECT_EQ(get(c), 1);
	close(s);
	EXPECT_EQ(get(c), 0);
	close(c);
	leak_free();

	group("calls that come up short, pipes that fill up");
	for (i = 1; i <= 3; i++) {
		pair(&c, &s);
		bad.rnd = (uint32_t)i;
		exchange(c, s, LOAD / 2);
		shutdown(s, SHUT_WR);
		EXPECT_EQ(get(c), 0);
		close(c);
		EXPECT_EQ(get(s), 0);
		bad.rnd = 0;
		close(s);
		leak_free();
	}

	group("more than a budget, and no event for the rest");
	pair(&c, &s);
	bad.most = 16384;
	for (i = 0, want = 0; i < 4; i++) {
		ssize_t r = __real_send(c, block, sizeof(block), 0);

		want += r > 0 ? (size_t)r : 0;
	}
	EXPECT(want >= 300000);
	for (n = 0, i = 0; i < 1000; i++) {
		ssize_t r;

		turn(0);
		while ((r = __real_recv(s, block, sizeof(block), 0)) > 0)
			n += (size_t)r;
	}
	EXPECT_EQ(n, want);
	bad.most = 0;
	close(c);
	close(s);
	leak_free();

	group("idle connections hold no pipe");
	pair(&c, &s);
	exchange(c, s, 1 << 20);
	fds = fd_count();
	pair(&c2, &s2);
	exchange(c2, s2, 1 << 20);
	EXPECT_EQ(fd_count(), fds + 4);
	close(c);
	close(s);
	close(c2);
	close(s2);
	leak_free();

	group("resets");
	for (i = 0; i < 4; i++) {
		pair(&c, &s);
		if (i >= 2) {
			shutdown(i & 1 ? s : c, SHUT_WR);
			EXPECT_EQ(get(i & 1 ? c : s), 0);
		}
		sock_reset(i & 1 ? s : c);
		EXPECT_EQ(get(i & 1 ? c : s), i < 2 ? -ECONNRESET : 0);
		if (i >= 2)
			EXPECT_EQ(sock_error(i & 1 ? c : s), EPIPE);
		close(i & 1 ? c : s);
		leak_free();
	}

	group("nobody listens");
	c = client(PIF_NS, 1);
	EXPECT_EQ(get(c), -ECONNRESET);
	close(c);
	leak_free();
}

/* Until the sender can send no more -> whether it was reset */
static bool stuff(int c, size_t piece)
{
	static uint8_t buf[1 << 20];
	unsigned quiet = 0;

	while (quiet < 50) {
		ssize_t n = __real_send(c, buf, piece, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return true;
		quiet = n < 0 ? quiet + 1 : 0;
		turn(0);
	}
	return false;
}

static void short_of_pipes(void)
{
	int c, s, i;

	for (i = 0; i < 4; i++) {
		group(i & 1 ? "pipes of two pages: copied" :
			      "no pipe: copied");
		store_init();
		bad.no_pipe = !(i & 1);
		bad.small_pipe = i & 1;
		pair(&c, &s);
		bad.rnd = i & 2 ? (uint32_t)i : 0;
		exchange(c, s, LOAD / 2);
		bad.rnd = 0;
		EXPECT(!stuff(c, 999));
		EXPECT_EQ(flow_listed(FLOW_RUN), 0);
		shutdown(s, SHUT_WR);
		EXPECT_EQ(get(c), 0);
		close(c);
		close(s);
		leak_free();
	}
	bad.small_pipe = false;

	group("a full receiver is waited for");
	pair(&c, &s);
	EXPECT(!stuff(c, 999));
	EXPECT_EQ(flow_listed(FLOW_RUN), 0);
	close(s);		/* unread data: a reset */
	settle();
	EXPECT(stuff(c, 1));
	close(c);
	leak_free();
}

/* Read to the end -> bytes; @e: 0 or how it failed */
static size_t read_out(int fd, int *e)
{
	static char buf[100000];
	unsigned quiet = 0;
	size_t n = 0;

	*e = EAGAIN;
	while (quiet < 50) {
		ssize_t r = __real_recv(fd, buf, sizeof(buf), 0);

		if (!r || (r < 0 && errno != EAGAIN)) {
			*e = r ? errno : 0;
			break;
		}
		n += r > 0 ? (size_t)r : 0;
		quiet = r < 0 ? quiet + 1 : 0;
		turn(0);
	}
	return n;
}

static void hard_resets(void)
{
	int c, s, e, i;
	char b[10000];

	group("a reset right behind the end of data");
	for (i = 0; i < 2; i++) {
		pair(&c, &s);
		shutdown(i ? s : c, SHUT_WR);
		sock_reset(i ? s : c);
		EXPECT_EQ(get(i ? c : s), 0);
		EXPECT_EQ(sock_error(i ? c : s), EPIPE);
		EXPECT_EQ(flow_count(), 0);
		close(i ? c : s);
		leak_free();
	}

	group("a reset behind data");
	memset(b, 'x', sizeof(b));
	pair(&c, &s);
	EXPECT_EQ(__real_send(c, b, sizeof(b), 0), (ssize_t)sizeof(b));
	sock_reset(c);
	settle();
	EXPECT_EQ(read_out(s, &e), sizeof(b));
	EXPECT_EQ(e, ECONNRESET);
	close(s);
	leak_free();

	group("a reset does not wait for a full receiver");
	for (i = 0; i < 3; i++) {
		if (i == 2)
			store_init();
		bad.no_pipe = i == 2;
		pair(&c, &s);
		EXPECT(!stuff(c, i ? 1 << 20 : 999));
		sock_reset(c);
		settle();
		EXPECT_EQ(flow_count(), 0);
		EXPECT(read_out(s, &e) > 0);
		EXPECT_EQ(e, ECONNRESET);
		close(s);
		leak_free();
	}
	bad.no_pipe = false;
}

static void urgent(void)
{
	static char big[300000];
	int c, s, e, i, on = 1;
	char b[8];

	group("urgent data");
	pair(&c, &s);
	EXPECT_EQ(__real_send(c, "ab", 2, 0), 2);
	EXPECT_EQ(__real_send(c, "X", 1, MSG_OOB), 1);
	EXPECT_EQ(__real_send(c, "cd", 2, 0), 2);
	settle();
	EXPECT_EQ(__real_recv(s, b, 8, MSG_OOB), 1);
	EXPECT_EQ(*b, 'X');
	EXPECT_EQ(__real_recv(s, b, 8, 0), 2);
	EXPECT_EQ(__real_recv(s, b, 8, 0), 2);
	EXPECT(!memcmp(b, "cd", 2));
	/* It is no news, and what follows is not left behind */
	EXPECT_EQ(__real_send(c, "ef", 2, 0), 2);
	settle();
	EXPECT_EQ(__real_recv(s, b, 8, 0), 2);
	close(c);
	EXPECT_EQ(get(s), 0);
	close(s);
	leak_free();

	group("urgent data amid bulk, and the end behind it");
	for (i = 0; i < 3; i++) {
		pair(&c, &s);
		setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
		set_rcvbuf(s, 4 << 20);
		if (i)
			settle();
		e = (int)__real_send(c, big, sizeof(big), 0);
		if (i == 2)
			turn(0);
		EXPECT_EQ(__real_send(c, "X", 1, MSG_OOB), 1);
		EXPECT_EQ(__real_send(c, "tail", 4, 0), 4);
		shutdown(c, SHUT_WR);
		EXPECT_EQ(read_out(s, &on), (size_t)e + 5);
		EXPECT_EQ(on, 0);
		on = 1;
		close(c);
		close(s);
		leak_free();
	}
}

/* The client is told at once, and nothing stays behind */
static void no_target(void)
{
	static const int errors[] = { -EMFILE, -EPERM, -ECONNREFUSED };
	unsigned fds = fd_count(), i;
	int c, s;

	group("the target cannot be had");
	for (i = 0; i < 3; i++) {
		bad.connect = errors[i];
		c = client(PIF_NS, port);
		bad.connect = 0;
		EXPECT_EQ(get(c), -ECONNRESET);
		close(c);
		leak_free();
	}
	bad.watch = -ENOSPC;
	c = client(PIF_NS, port);
	bad.watch = 0;
	EXPECT_EQ(get(c), -ECONNRESET);
	close(c);
	leak_free();
	s = accept(server, NULL, NULL);		/* it had been connected */
	close(s);
	store_init();
	EXPECT_EQ(fd_count(), fds);

	group("pipes in store from the beginning");
	store_prepare();
	EXPECT(fd_count() > fds);
	EXPECT(store_release());
	EXPECT_EQ(fd_count(), fds);
}

/* Connections to a program that has ceased to accept are given up for others,
 * the oldest first; but not the one that it would accept next */
static void queue_full(void)
{
	unsigned before = fd_count(), i;
	int c[20], new, s, full;
	in_port_t at;

	group("no descriptor: those whose target does not answer go");
	full = listener(&at);
	EXPECT_EQ(listen(full, 0), 0);
	for (i = 0; i < 20; i++)
		c[i] = client(PIF_NS, at);
	settle();
	EXPECT_EQ(flow_count(), 20);
	EXPECT_EQ(flow_listed(FLOW_HALF), 19);

	bad.fds = fd_count() + 1;	/* and client() has two */
	pair(&new, &s);
	EXPECT_EQ(flow_listed(FLOW_HALF), 11);
	EXPECT_EQ(__real_send(s, "x", 1, 0), 1);
	EXPECT_EQ(get(new), 1);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(get(c[i]), i && i < 9 ? -ECONNRESET : -EAGAIN);

	group("... all of them, in need, but whole ones never");
	bad.fds = 1;
	i = (unsigned)client(PIF_NS, port);
	bad.fds = 0;
	EXPECT_EQ(get((int)i), -ECONNRESET);
	close((int)i);
	EXPECT_EQ(flow_listed(FLOW_HALF), 0);
	EXPECT_EQ(flow_count(), 2);
	EXPECT_EQ(get(c[19]), -ECONNRESET);
	EXPECT_EQ(get(c[0]), -EAGAIN);
	EXPECT_EQ(__real_send(s, "x", 1, 0), 1);
	EXPECT_EQ(get(new), 1);
	for (i = 0; i < 20; i++)
		close(c[i]);
	close(new);
	close(s);
	close(full);
	leak_free();
	store_init();
	EXPECT_EQ(fd_count(), before);
}

static ino_t net_ino(void)
{
	struct stat st = { .st_ino = 0 };

	stat("/proc/thread-self/ns/net", &st);
	return st.st_ino;
}

static int where_am_i(void *arg)
{
	*(ino_t *)arg = net_ino();
	return 7;
}

static int give_up(void *unused)
{
	(void)unused;
	isolate_final(false);
	return 0;
}

/* The target is the namespace we were in so far; we move to another */
static void in_namespace(void)
{
	ino_t here, there, before = net_ino();
	unsigned i, fds, held;
	int c[40], s;

	group("ns_stay: calls without a privilege");
	ns_set(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	EXPECT_EQ(unshare(CLONE_NEWNET), 0);
	lo_up();
	here = net_ino();
	EXPECT(here != before);
	EXPECT_EQ(ns_call(where_am_i, &there), 7);
	EXPECT_EQ(there, before);
	EXPECT_EQ(ns_stay(), 0);
	EXPECT_EQ(ns_stay(), 0);
	EXPECT_EQ(ns_call(give_up, NULL), 0);
	isolate_final(false);
	EXPECT(unshare(CLONE_NEWNET) < 0);
	there = 0;
	EXPECT_EQ(ns_call(where_am_i, &there), 7);
	EXPECT_EQ(there, before);
	EXPECT_EQ(net_ino(), here);

	group("connections into the namespace, more than the store holds");
	close(front);
	front = listener(&port);
	front_port = port;
	fds = fd_count();
	for (held = 0; held < 2; held++) {
		union sockaddr_any sa;
		socklen_t len = sizeof(sa);

		getsockname(server, &sa.sa, &len);
		for (i = 0; i < 40; i++) {
			c[i] = client(PIF_HOST, ntohs(sa.sin.sin_port));
			s = served();
			EXPECT_EQ(__real_send(s, "x", 1, 0), 1);
			close(s);
			EXPECT_EQ(get(c[i]), 1);
			EXPECT_EQ(get(c[i]), 0);
		}
		for (i = 0; i < 40; i++)
			close(c[i]);
		leak_free();
	}
	store_init();
	EXPECT_EQ(fd_count(), fds);
}

int main(void)
{
	struct fwd_conf conf = { .splice = true, .host_lo_to_ns_lo = true };
	struct guest facts = { .net = { { .on = true }, { .on = true } } };
	unsigned fds;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		skip_all("no namespaces of our own");
	lo_up();
	log_to_stderr(false);
	clock_update();
	timer_reset();
	siphash_init(1);
	ev_init();
	sock_init(0, false);
	guest_init(&facts);
	fwd_init(&conf);
	flow_init();
	store_init();

	server = listener(&port);
	set_rcvbuf(server, 32 << 10);
	front = listener(&(in_port_t){ 0 });
	set_rcvbuf(front, 1 << 20);
	{
		union sockaddr_any sa;
		socklen_t len = sizeof(sa);

		getsockname(front, &sa.sa, &len);
		front_port = ntohs(sa.sin.sin_port);
	}
	fds = fd_count();
	lives();
	short_of_pipes();
	hard_resets();
	urgent();
	store_init();
	no_target();
	queue_full();
	EXPECT_EQ(fd_count(), fds);
	in_namespace();
	return done();
}
