// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pump.c - a guest without a virtual machine
 *
 *	pump [-c BYTES] [-r MS] PATH|FD TAP
 *
 * Makes the tap device TAP in the network namespace it runs in, and carries
 * frames between it and passt's stream socket: the kernel of that namespace is
 * the guest. PATH is connected to; a number is a descriptor that was inherited.
 * Frames are preceded by their length, 32 bits, big endian. The device has no
 * offloads, as the one of QEMU on such a socket: checksums are complete in both
 * directions, and this kernel verifies what it gets.
 *
 * One system call per frame at the tap, as few as possible at the socket. What
 * the socket does not take stays in one buffer of fixed size; while that is
 * full, the tap is not read, and its own queue drops, as that of a card would.
 *
 * Says "ready" each time it is connected, with the device in place. SIGUSR1: do
 * not read the socket any more, SIGUSR2: go on; SIGHUP: drop the connection.
 * When that ends (EOF, error, SIGHUP), the end: status 0. With -r, connect
 * again after MS milliseconds instead; the device stays. With -c, a call at
 * the socket moves BYTES at most, so that frames are cut anywhere.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PREFIX		4U
#define FRAME_MIN	14U		/* an Ethernet header */
#define FRAME_MAX	65535U
#define SLOT		(PREFIX + FRAME_MAX)
#define BUF		(8U * SLOT)
#define FRAMES_TURN	64U		/* read from the tap, before others */
#define SOCKET_BUF	(4 << 20)
#define RETRY_MS	10
#define RETRY_MAX	3000

/* Bytes in buf[from..to) have come and are not passed on */
struct stream {
	unsigned char	buf[BUF];
	size_t		from, to;
};

static struct stream out, in;		/* to the socket, from it */

static struct {
	const char	*path;
	int		sock, tap, sig;
	int		again_ms;	/* -1: do not connect again */
	size_t		cut;		/* at most in one call */
	bool		deaf;		/* socket is not read */
} self = { .again_ms = -1, .cut = BUF };

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

static void tap_make(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	self.tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (self.tap < 0 || ioctl(self.tap, TUNSETIFF, &ifr))
		fail(name);
}

static void sock_use(int s)
{
	int size = SOCKET_BUF;

	setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fcntl(s, F_SETFL, O_NONBLOCK))
		fail("socket");
	self.sock = s;
	puts("ready");
	fflush(stdout);
	/* Half a frame of an earlier connection is of no use on this one */
	out.from = out.to = in.from = in.to = 0;
}

/* Return: whether the socket is connected, else errno says why not */
static bool sock_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", self.path);
	if (s < 0)
		fail("socket");
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa))) {
		close(s);
		return false;
	}
	sock_use(s);
	return true;
}

/* Not an end: nothing to do now */
static bool later(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
}

/* -------------------------------------------------------- the two ways */

static size_t room(struct stream *s)
{
	if (s->from == s->to)
		s->from = s->to = 0;
	/* Move only where that makes room for a frame */
	if (BUF - s->to < SLOT && s->to - s->from <= BUF - SLOT) {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	return BUF - s->to;
}

static void tap_read(void)
{
	unsigned n;

	for (n = 0; n < FRAMES_TURN && room(&out) >= SLOT; n++) {
		unsigned char *p = out.buf + out.to;
		ssize_t len = read(self.tap, p + PREFIX, FRAME_MAX);
		uint32_t prefix;

		if (len <= 0)
			break;
		prefix = htonl((uint32_t)len);
		memcpy(p, &prefix, PREFIX);
		out.to += PREFIX + (size_t)len;
	}
}

/* Return: whether the connection lives */
static bool sock_write(void)
{
	while (out.from < out.to) {
		size_t len = out.to - out.from;
		ssize_t n = send(self.sock, out.buf + out.from,
				 len < self.cut ? len : self.cut,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return later();
		out.from += (size_t)n;
	}
	return true;
}

/* Whole frames go to the device. It queues without limit; what it refuses (it
 * is down) is lost, as on a wire */
static void tap_write(void)
{
	while (in.to - in.from >= PREFIX) {
		uint32_t len;

		memcpy(&len, in.buf + in.from, PREFIX);
		len = ntohl(len);
		if (len < FRAME_MIN || len > FRAME_MAX) {
			fprintf(stderr, "pump: frame of %u bytes\n", len);
			exit(2);
		}
		if (in.to - in.from < PREFIX + len)
			break;
		if (write(self.tap, in.buf + in.from + PREFIX, len) < 0 &&
		    errno == EBADFD)
			fail("device");
		in.from += PREFIX + len;
	}
}

/* Return: whether the connection lives */
static bool sock_read(void)
{
	size_t space = room(&in);	/* never 0: less than a frame waits */
	ssize_t n = recv(self.sock, in.buf + in.to,
			 space < self.cut ? space : self.cut, MSG_DONTWAIT);

	if (n <= 0)
		return n && later();
	in.to += (size_t)n;
	tap_write();
	return true;
}

/* -------------------------------------------------------- life */

/* Return: whether the connection lives */
static bool signal_read(void)
{
	struct signalfd_siginfo si;

	if (read(self.sig, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return true;
	if (si.ssi_signo == SIGHUP)
		return false;
	self.deaf = si.ssi_signo == SIGUSR1;
	return true;
}

/* One round; Return: whether the connection lives */
static bool turn(void)
{
	struct pollfd p[] = {
		{ .fd = self.sock,
		  .events = (short)((self.deaf ? 0 : POLLIN) |
				    (out.from < out.to ? POLLOUT : 0)) },
		{ .fd = self.tap,
		  .events = room(&out) >= SLOT ? POLLIN : 0 },
		{ .fd = self.sig, .events = POLLIN },
	};

	if (poll(p, 3, -1) < 0)
		return later();
	if (p[2].revents && !signal_read())
		return false;
	if (p[1].revents & POLLERR)
		fail("device");		/* it, or its namespace, is gone */
	if (p[1].revents)
		tap_read();
	if (!sock_write())
		return false;
	if (self.deaf)
		return !(p[0].revents & (POLLHUP | POLLERR));
	return !(p[0].revents & (POLLIN | POLLHUP | POLLERR)) || sock_read();
}

static bool again(void)
{
	int tries;

	close(self.sock);
	if (self.again_ms < 0)
		return false;
	sleep_ms(self.again_ms);
	for (tries = 0; tries < RETRY_MAX; tries++) {
		if (sock_connect())
			return true;
		sleep_ms(RETRY_MS);
	}
	fail(self.path);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int opt;

	while ((opt = getopt(argc, argv, "c:r:")) > 0) {
		if (opt == 'c' && atoi(optarg) > 0)
			self.cut = (size_t)atoi(optarg);
		else if (opt == 'r')
			self.again_ms = atoi(optarg);
		else
			exit(1);
	}
	if (argc - optind != 2) {
		fputs("usage: pump [-c BYTES] [-r MS] PATH|FD TAP\n", stderr);
		return 1;
	}

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	self.sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (self.sig < 0)
		fail("signals");

	self.path = argv[optind];
	tap_make(argv[optind + 1]);
	if (self.path[strspn(self.path, "0123456789")] == '\0')
		sock_use(atoi(self.path));
	else if (!sock_connect())
		fail(self.path);

	do {
		while (turn())
			;
	} while (again());
	return 0;
}
