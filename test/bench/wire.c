// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wire.c - a bad wire
 *
 *	wire [-o] [-d US] [-l N] [-u N] [-r N] [-b MBIT] [-s SEED] END END
 *
 * Joins two ends, each of them PID:NAME, a tap device NAME that is made in the
 * network namespace of process PID, or the path of passt's stream socket, where
 * frames have their length in front (32 bits, big endian). Between two taps
 * super-frames pass whole, with their checksums open; with -o, or a socket at
 * one end, devices have no offloads, and frames are no longer than the MTU.
 *
 * Of 1000 frames, N are lost (-l), come twice (-u) or after one to three later
 * ones (-r); each takes US microseconds (-d), and a line can be limited to MBIT
 * (-b; 0 is no limit). All of these hold for both directions, or are a pair:
 * -l 10,0 is for frames from the first end, and for those from the second.
 *
 * Says "ready". Lines on standard input change things later, "-l 0 -d 1000",
 * and are answered so, too; "counts" is answered by one line of what the two
 * directions did so far: frames, bytes, lost, their bytes, twice, late, dropped
 * for want of memory. SIGTERM, or an end that goes away, is the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PREFIX		4U
#define FRAME_MIN	14U		/* an Ethernet header */
#define FRAME_MAX	(65535U + 64U)	/* with the virtio header */
#define STREAM		(8U * (PREFIX + FRAME_MAX))
#define CHUNK		(1U << 20)
#define CHUNKS		256U		/* of both directions */
#define FRAMES_TURN	64U		/* read from a tap, before others */
#define SOCKET_BUF	(4 << 20)
#define TXQUEUE		10000		/* what is lost, is lost by us */
#define LATE_NS		1000000U	/* with no later frames, so long */

#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

/* A frame on its way; its bytes follow */
struct frame {
	uint64_t	due;		/* ns */
	uint64_t	len;
};

#define SLOT	(sizeof(struct frame) + FRAME_MAX + 8)

struct chunk {
	struct chunk	*next;
	size_t		from, to;
	unsigned char	data[CHUNK];
};

/* Bytes in buf[from..to) have come and are not passed on */
struct stream {
	unsigned char	buf[STREAM];
	size_t		from, to;
};

struct faults {
	unsigned	delay, loss, twice, late, mbit;
};

/* One direction, from the end of the same number */
struct line {
	struct faults	f;
	struct chunk	*head, *tail;
	uint64_t	free_at;	/* when the last bit is on its way */
	unsigned char	late[FRAME_MAX];
	size_t		late_len;	/* 0 = nobody is late */
	unsigned	late_for;	/* frames to let pass */
	uint64_t	late_until;
	unsigned long long frames, bytes, lost, lost_bytes, twice, lates, over;
};

struct end {
	int		fd;
	bool		stream;
	struct stream	in, out;
};

static struct line line[2];
static struct end end[2];
static struct {
	struct chunk	*free;		/* last used first: it is in the cache */
	unsigned	chunks;
	uint64_t	seed, now;
	bool		offload;
	bool		deaf;		/* standard input has ended */
} self = { .seed = 1, .offload = true };

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void look_at_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	self.now = (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static unsigned rnd(unsigned n)
{
	self.seed = self.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(self.seed >> 33) % n;
}

/* ------------------------------------------------------------ the lines */

/* Room for a frame, or NULL */
static unsigned char *reserve(struct line *l)
{
	struct chunk *c = l->tail;

	if (!c || CHUNK - c->to < SLOT) {
		c = self.free;
		if (c)
			self.free = c->next;
		else if (self.chunks < CHUNKS && (c = malloc(sizeof(*c))))
			self.chunks++;
		else
			return NULL;
		c->next = NULL;
		c->from = c->to = 0;
		if (l->tail)
			l->tail->next = c;
		else
			l->head = c;
		l->tail = c;
	}
	return c->data + c->to + sizeof(struct frame);
}

/* What was put into the room is on its way */
static void commit(struct line *l, size_t len)
{
	struct chunk *c = l->tail;
	struct frame f = { .due = self.now, .len = len };

	if (l->f.mbit) {
		if (l->free_at > f.due)
			f.due = l->free_at;
		f.due += len * 8000U / l->f.mbit;
		l->free_at = f.due;
	}
	f.due += l->f.delay * 1000ULL;
	memcpy(c->data + c->to, &f, sizeof(f));
	c->to += (sizeof(f) + len + 7) & ~(size_t)7;
}

static void put(struct line *l, const unsigned char *p, size_t len)
{
	unsigned char *room = reserve(l);

	if (!room) {
		l->over++;
		return;
	}
	memcpy(room, p, len);
	commit(l, len);
}

static void late_goes(struct line *l)
{
	put(l, l->late, l->late_len);
	l->late_len = 0;
}

/* A frame has come; it lies where reserve() said */
static void enter(struct line *l, const unsigned char *p, size_t len)
{
	l->frames++;
	l->bytes += len;
	if (rnd(1000) < l->f.loss) {
		l->lost++;
		l->lost_bytes += len;
		return;
	}
	if (!l->late_len && rnd(1000) < l->f.late) {
		memcpy(l->late, p, len);
		l->late_len = len;
		l->late_for = 1 + rnd(3);
		l->late_until = self.now + LATE_NS;
		l->lates++;
		return;
	}
	commit(l, len);
	if (rnd(1000) < l->f.twice) {
		put(l, p, len);
		l->twice++;
	}
	if (l->late_len && !--l->late_for)
		late_goes(l);
}

static void flush(struct end *e)
{
	struct stream *s = &e->out;

	while (s->from < s->to) {
		ssize_t n = send(e->fd, s->buf + s->from, s->to - s->from,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR &&
		    errno != ENOBUFS)
			exit(0);
		if (n < 0)
			return;
		s->from += (size_t)n;
	}
	s->from = s->to = 0;
}

/* Return: false if the end has no room now */
static bool leave(struct end *e, const unsigned char *p, size_t len)
{
	uint32_t prefix = htonl((uint32_t)len);
	struct stream *s = &e->out;

	if (!e->stream) {
		/* What a device refuses (it is down) is lost */
		if (write(e->fd, p, len) < 0 && errno == EBADFD)
			exit(0);
		return true;
	}
	if (STREAM - s->to < PREFIX + len)
		flush(e);
	if (STREAM - s->to < PREFIX + len)
		return false;
	memcpy(s->buf + s->to, &prefix, PREFIX);
	memcpy(s->buf + s->to + PREFIX, p, len);
	s->to += PREFIX + len;
	return true;
}

/* Deliver what is due; Return: when the next is, or 0 */
static uint64_t deliver(struct line *l, struct end *to)
{
	struct chunk *c;
	struct frame f;

	if (l->late_len && l->late_until <= self.now)
		late_goes(l);
	while ((c = l->head)) {
		if (c->from == c->to) {
			if (c == l->tail)
				l->tail = NULL;
			l->head = c->next;
			c->next = self.free;
			self.free = c;
			continue;
		}
		memcpy(&f, c->data + c->from, sizeof(f));
		if (f.due > self.now || !leave(to, c->data + c->from +
					       sizeof(f), f.len))
			break;
		c->from += (sizeof(f) + f.len + 7) & ~(size_t)7;
	}
	flush(to);
	if (to->out.from < to->out.to)
		return 0;			/* POLLOUT will tell */
	if (l->late_len && (!c || l->late_until < f.due))
		return l->late_until;
	return c ? f.due : 0;
}

/* ------------------------------------------------------------ the ends */

static void tap_read(struct end *e, struct line *l)
{
	static unsigned char waste[FRAME_MAX];
	unsigned n;

	for (n = 0; n < FRAMES_TURN; n++) {
		unsigned char *p = reserve(l);
		ssize_t len = read(e->fd, p ? p : waste, FRAME_MAX);

		if (len < 0 && errno == EBADFD)
			exit(0);
		if (len <= 0)
			break;
		if (p)
			enter(l, p, (size_t)len);
		else
			l->over++;
	}
}

static void sock_read(struct end *e, struct line *l)
{
	struct stream *s = &e->in;
	ssize_t n;

	if (s->from) {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	n = recv(e->fd, s->buf + s->to, STREAM - s->to, MSG_DONTWAIT);
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		exit(0);
	s->to += n < 0 ? 0 : (size_t)n;
	while (s->to - s->from >= PREFIX) {
		unsigned char *p;
		uint32_t len;

		memcpy(&len, s->buf + s->from, PREFIX);
		len = ntohl(len);
		if (len < FRAME_MIN || len > FRAME_MAX) {
			fprintf(stderr, "wire: frame of %u bytes\n", len);
			exit(2);
		}
		if (s->to - s->from < PREFIX + len)
			break;
		p = reserve(l);
		if (p) {
			memcpy(p, s->buf + s->from + PREFIX, len);
			enter(l, p, len);
		} else {
			l->over++;
		}
		s->from += PREFIX + len;
	}
}

static void tap_make(struct end *e, const char *pid, const char *name)
{
	unsigned f = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char path[64];
	int ns, s;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		fail(path);
	close(ns);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (self.offload)
		ifr.ifr_flags |= IFF_VNET_HDR;
	e->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (e->fd < 0 || ioctl(e->fd, TUNSETIFF, &ifr))
		fail(name);
	if (self.offload &&
	    ioctl(e->fd, TUNSETOFFLOAD, f | TUN_F_USO4 | TUN_F_USO6) &&
	    ioctl(e->fd, TUNSETOFFLOAD, f))
		fail(name);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_qlen = TXQUEUE;
	if (s < 0 || ioctl(s, SIOCSIFTXQLEN, &ifr))
		fail(name);
	close(s);
}

static void sock_join(struct end *e, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int size = SOCKET_BUF;

	e->stream = true;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || connect(e->fd, (struct sockaddr *)&sa, sizeof(sa)))
		fail(path);
	setsockopt(e->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

/* ------------------------------------------------------------ life */

static bool set(int opt, const char *value)
{
	unsigned i, v = 0;

	for (i = 0; i < 2; i++) {
		struct faults *f = &line[i].f;
		const char *second = strchr(value, ',');

		v = (unsigned)strtoul(i && second ? second + 1 : value, NULL, 10);
		if (opt == 'd')
			f->delay = v;
		else if (opt == 'l')
			f->loss = v;
		else if (opt == 'u')
			f->twice = v;
		else if (opt == 'r')
			f->late = v;
		else if (opt == 'b')
			f->mbit = v;
		else if (opt != 's')
			return false;
	}
	if (opt == 's')
		self.seed = v;
	return true;
}

static void counts(void)
{
	const struct line *l;

	for (l = line; l < line + 2; l++)
		printf("%llu %llu %llu %llu %llu %llu %llu%c", l->frames,
		       l->bytes, l->lost, l->lost_bytes, l->twice, l->lates,
		       l->over, l == line ? ' ' : '\n');
	fflush(stdout);
}

/* Lines are short and come whole */
static void command(void)
{
	char text[256], *word, *value;
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	self.deaf = n <= 0;
	if (n <= 0)
		return;
	text[n] = '\0';
	if (!strncmp(text, "counts", 6)) {
		counts();
		return;
	}
	for (word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
		value = strtok(NULL, " \n");
		if (word[0] != '-' || !value || !set(word[1], value))
			fputs("wire: what?\n", stderr);
	}
	ready();
}

static void turn(void)
{
	uint64_t due = 0, t;
	struct timespec wait;
	struct pollfd p[3];
	unsigned i;

	look_at_clock();
	for (i = 0; i < 2; i++) {
		t = deliver(&line[i], &end[!i]);
		if (t && (!due || t < due))
			due = t;
	}
	look_at_clock();
	for (i = 0; i < 2; i++) {
		p[i].fd = end[i].fd;
		p[i].events = POLLIN;
		if (end[i].out.from < end[i].out.to)
			p[i].events |= POLLOUT;
	}
	p[2].fd = self.deaf ? -1 : STDIN_FILENO;
	p[2].events = POLLIN;
	t = due > self.now ? due - self.now : 0;
	wait.tv_sec = (time_t)(t / 1000000000U);
	wait.tv_nsec = (long)(t % 1000000000U);
	if (ppoll(p, 3, due ? &wait : NULL, NULL) < 0)
		return;
	look_at_clock();
	for (i = 0; i < 2; i++) {
		if (p[i].revents & (POLLERR | POLLHUP))
			exit(0);
		if (!(p[i].revents & POLLIN))
			continue;
		if (end[i].stream)
			sock_read(&end[i], &line[i]);
		else
			tap_read(&end[i], &line[i]);
	}
	if (p[2].revents)
		command();
}

int main(int argc, char **argv)
{
	int opt, i;

	while ((opt = getopt(argc, argv, "od:l:u:r:b:s:")) > 0) {
		if (opt == 'o')
			self.offload = false;
		else if (opt == '?' || !set(opt, optarg))
			return 1;
	}
	if (argc - optind != 2) {
		fputs("usage: wire [-o] [-d US] [-l N] [-u N] [-r N] [-b MBIT] "
		      "[-s SEED] END END\n", stderr);
		return 1;
	}
	argv += optind;
	for (i = 0; i < 2; i++)
		if (argv[i][0] == '/')
			self.offload = false;
	for (i = 0; i < 2; i++) {
		char *colon = strchr(argv[i], ':');

		if (argv[i][0] == '/') {
			sock_join(&end[i], argv[i]);
		} else if (colon) {
			*colon = '\0';
			tap_make(&end[i], argv[i], colon + 1);
		} else {
			errno = EINVAL;
			fail(argv[i]);
		}
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	ready();
	for (;;)
		turn();
}
