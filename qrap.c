// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qrap.c - run a QEMU that cannot connect to passt by itself
 *
 * A program of its own beside passt. It finds a passt that answers, gives the
 * connection to QEMU as an inherited descriptor and becomes QEMU: from 7.2 on
 * QEMU connects itself, with -netdev stream. Called with a descriptor number
 * and a command it changes nothing else; called in QEMU's place it also puts
 * the network device in (qrap_args.c).
 *
 * That somebody answers is seen by looking at the stream without taking from
 * it: QEMU gets it from its first byte, in step, with what passt has told the
 * guest already. What we ask leaves no trace in passt, which learns who the
 * guest is from its frames: they come from no MAC address and no IPv4 address,
 * and ask for addresses that nobody has. Only a neighbour solicitation needs a
 * source to be answered. That is a link-local address, of which passt does not
 * know the guest's before the guest has used it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "csum.h"
#include "cursor.h"
#include "hdr.h"
#include "log.h"
#include "qrap_args.h"

#define SOCKET_PATH	"/tmp/passt_%u.socket"
#define SOCKETS		99U	/* as many as passt tries */
#define ANSWER_MS	500
#define LOOK_MS		5	/* between looks at half a length */
#define RESETS		50U
#define RESET_MS	50
#define FD_MIN		3U

/* ---------------------------------------------------------------- the probe */

#define LEN_BYTES	4U	/* before each frame */
#define FRAME_MIN	14U
#define FRAME_MAX	65535U
#define ARP_FRAME	60U	/* padded to what Ethernet has at least */
#define NS_LEN		24U
#define PROBE_MAX	256U

/* 192.0.0.8, the dummy address (RFC 7600), and one of the prefix where packets
 * are thrown away (RFC 6666) */
static const uint8_t nobody4[4] = { 192, 0, 0, 8 };
static const union addr nobody6 = { .b = { 1, [15] = 8 } };
static const union addr nobody6_group = {
	.b = { 0xff, 2, [11] = 1, [12] = 0xff, [15] = 8 }
};
static const union addr source6 = { .b = { 0xfe, 0x80, [15] = 8 } };

static void put_arp(struct writer *w)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	size_t end;

	wr_be32(w, ARP_FRAME);
	end = w->len + ARP_FRAME;
	wr_put(w, all, sizeof(all));
	wr_zero(w, 6);
	wr_be16(w, ETHTYPE_ARP);
	wr_be16(w, 1);			/* RFC 826: Ethernet, */
	wr_be16(w, ETHTYPE_IP4);
	wr_u8(w, 6);
	wr_u8(w, 4);
	wr_be16(w, 1);			/* a request, */
	wr_zero(w, 6 + 4 + 6);		/* from no address (RFC 5227 2.1.1) */
	wr_put(w, nobody4, sizeof(nobody4));
	wr_pad(w, end);
}

static void put_ns(struct writer *w)
{
	static const uint8_t group[6] = { 0x33, 0x33, 0xff, 0, 0, 8 };
	uint8_t ns[NS_LEN] = { 135 };	/* RFC 4861 4.3 */
	uint16_t sum;

	memcpy(ns + 8, &nobody6, sizeof(nobody6));
	sum = csum_fold(csum_partial(ns, NS_LEN,
				     csum_pseudo(&source6, &nobody6_group,
						 IPPROTO_ICMPV6, NS_LEN)));
	memcpy(ns + 2, &sum, sizeof(sum));

	wr_be32(w, ETH_HLEN_ + IP6_HLEN + NS_LEN);
	wr_put(w, group, sizeof(group));
	wr_zero(w, 6);
	wr_be16(w, ETHTYPE_IP6);
	wr_be32(w, 6U << 28);
	wr_be16(w, NS_LEN);
	wr_u8(w, IPPROTO_ICMPV6);
	wr_u8(w, 255);
	wr_put(w, &source6, sizeof(source6));
	wr_put(w, &nobody6_group, sizeof(nobody6_group));
	wr_put(w, ns, sizeof(ns));
}

/* --------------------------------------------------------------- the socket */

enum verdict { ANSWERS, ABSENT, REFUSED, RESET, SILENT, STRANGE, FOREIGN,
	       FAILED };

static const char *const verdict_text[] = {
	[REFUSED]	= "nobody serves it",
	[RESET]		= "it hung up, as if another guest were connected",
	[SILENT]	= "no answer in time",
	[STRANGE]	= "what answers is no passt",
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* How long a call may block; 0 is for ever */
static void send_timeout(int fd, int ms)
{
	struct timeval t = { .tv_usec = ms * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)))
		die_perror("Cannot set the timeout of a socket");
}

static enum verdict of_errno(void)
{
	switch (errno) {
	case ENOENT:
		return ABSENT;
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	case EAGAIN:		/* nobody accepts, or takes what we say */
		return SILENT;
	default:
		return FAILED;
	}
}

static enum verdict ask(int fd)
{
	uint8_t buf[PROBE_MAX];
	struct writer w;
	ssize_t n;

	wr_init(&w, buf, sizeof(buf));
	put_arp(&w);
	put_ns(&w);
	n = send(fd, buf, w.len, MSG_NOSIGNAL);
	if (n < 0)
		return of_errno();
	return (size_t)n == w.len ? ANSWERS : SILENT;
}

/* listen_for_any() - Whatever frame comes; it stays in the socket */
static enum verdict listen_for_any(int fd)
{
	uint64_t now, end = now_ms() + ANSWER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (; (now = now_ms()) < end; sleep_ms(LOOK_MS)) {
		uint8_t b[LEN_BYTES];
		uint32_t len;
		ssize_t n;

		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		n = recv(fd, b, sizeof(b), MSG_PEEK | MSG_DONTWAIT);
		if (!n)
			return RESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return of_errno();
		if (n != (ssize_t)sizeof(b))
			continue;
		len = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
		      (uint32_t)b[2] << 8 | b[3];
		return len < FRAME_MIN || len > FRAME_MAX ? STRANGE : ANSWERS;
	}
	return SILENT;
}

/* is_foreign() - Does another user, but root, listen there? */
static bool is_foreign(int s, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	*uid = (uid_t)-1;
	if (!getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		*uid = peer.uid;
	return *uid && *uid != geteuid();
}

/* attempt() - Connect once; @fd is set if somebody answers, who is another user
 * with @foreign, and is none without it */
static enum verdict attempt(const char *path, bool foreign, int *fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	enum verdict v;
	uid_t uid;
	int s, e;

	(void)str_copy(sa.sun_path, sizeof(sa.sun_path), path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		die_perror("Cannot make a UNIX domain socket");
	send_timeout(s, ANSWER_MS);
	if (connect(s, (const struct sockaddr *)&sa, sizeof(sa)))
		v = of_errno();
	else if (is_foreign(s, &uid) != foreign)
		v = foreign ? ABSENT : FOREIGN;
	else if ((v = ask(s)) == ANSWERS)
		v = listen_for_any(s);
	if (v == ANSWERS && foreign)
		warn("%s is served by another user, number %u, who sees and "
		     "makes all traffic", path, (unsigned)uid);
	if (v == ANSWERS) {
		send_timeout(s, 0);	/* the socket's, so it would be QEMU's */
		*fd = s;
		return v;
	}
	e = errno;
	close(s);
	errno = e;
	return v;
}

/* A guest that has just gone, or has asked for something only, may be in the
 * way for a moment */
static enum verdict attempts(const char *path, bool foreign, int *fd)
{
	enum verdict v = attempt(path, foreign, fd);
	unsigned i;

	for (i = 0; v == RESET && i < RESETS; i++) {
		sleep_ms(RESET_MS);
		v = attempt(path, foreign, fd);
	}
	return v;
}

/* find_passt() - Connected to the first one that answers, or die. Anybody may
 * make sockets of these names, so those of other users are the last to try */
static int find_passt(void)
{
	char path[sizeof(SOCKET_PATH) + 8], why[128] = "";
	bool others = false;
	enum verdict v;
	unsigned i, n;
	int fd = -1;

	csum_init();
	for (n = 0; n < (others ? 2 : 1) * SOCKETS; n++) {
		i = n % SOCKETS + 1;
		(void)snprintf(path, sizeof(path), SOCKET_PATH, i);
		v = attempts(path, n >= SOCKETS, &fd);
		if (v == ANSWERS) {
			info("Connected to %s", path);
			return fd;
		}
		if (v == FOREIGN) {
			others = true;
			continue;
		}
		/* The first one is the one that was meant, most likely */
		if (v != ABSENT && !*why)
			(void)snprintf(why, sizeof(why), " (%s: %s)", path,
				       v == FAILED ? strerror(errno) :
						     verdict_text[v]);
	}
	die("No passt answers at " SOCKET_PATH " to " SOCKET_PATH
	    "%s: start one first, without --socket", 1, SOCKETS, why);
}

/* hand_over() - Let QEMU inherit @fd as @number */
static void hand_over(int fd, int number)
{
	if (fd == number ? !fcntl(fd, F_SETFD, 0) : dup2(fd, number) >= 0)
		return;
	if (errno == EBADF)
		die("Descriptor number %i: it must be below the limit of open files (ulimit -n)",
		    number);
	die_perror("Cannot use descriptor number %i", number);
}

/* ------------------------------------------------------------ which QEMU */

static struct {
	struct stat self;	/* our own file; zero if unknown */
	bool known;
} exe;

struct search {
	bool again;		/* QEMU's arguments have been edited already */
	char found[PATH_MAX];
};

static bool is_script(const char *path)
{
	char magic[3];

	return read_file(path, magic, sizeof(magic)) == 2 &&
	       !strcmp(magic, "#!");
}

/*
 * candidate() - Is @path the QEMU we look for?
 *
 * It is not if it is us by another name. Nor may it lead back to us for ever, as
 * a script does that is called "kvm" and runs "qemu-system-x86_64" when we are
 * that, or a copy of us. So who gets arguments that are edited already goes on
 * behind its own place in the list, and past scripts: that comes to an end.
 */
static void candidate(struct search *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, X_OK))
		return;
	if (exe.known && st.st_dev == exe.self.st_dev &&
	    st.st_ino == exe.self.st_ino) {
		if (s->again)
			*s->found = '\0';
		return;
	}
	if (*s->found || (s->again && is_script(path)))
		return;
	(void)str_copy(s->found, sizeof(s->found), path);
}

/* search_path() - Look at each @name in $PATH; an empty folder is this one */
static void search_path(struct search *s, const char *name)
{
	const char *dir = getenv("PATH");
	char path[PATH_MAX];

	if (!dir)
		dir = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		size_t n = strcspn(dir, ":");
		int len = snprintf(path, sizeof(path), "%.*s/%s",
				   n ? (int)MIN(n, PATH_MAX) : 1, n ? dir : ".",
				   name);

		if (len > 0 && (size_t)len < sizeof(path))
			candidate(s, path);
		if (!dir[n])
			return;
		dir += n + 1;
	}
}

/* qemu_arch() - This machine's name in QEMU's spelling */
static void qemu_arch(char *arch, size_t size)
{
	static const struct {
		const char *prefix, *arch;
	} map[] = {
		{ "i386", "i386" }, { "i486", "i386" }, { "i586", "i386" },
		{ "i686", "i386" }, { "armv8", "aarch64" }, { "arm", "arm" },
		{ "ppc64", "ppc64" },
	};
	struct utsname u;
	unsigned i;

	if (uname(&u))
		die_perror("Cannot tell which machine this is");
	(void)str_copy(arch, size, u.machine);
	for (i = 0; i < ARRAY_LEN(map); i++) {
		if (!strncmp(u.machine, map[i].prefix, strlen(map[i].prefix))) {
			(void)str_copy(arch, size, map[i].arch);
			return;
		}
	}
}

static void find_qemu(struct search *s, const char *arch)
{
	char name[80];

	if (!exe.known)
		die("Cannot see which program this is by /proc/self/exe: name QEMU on the command line, behind a descriptor number");
	(void)snprintf(name, sizeof(name), "qemu-system-%s", arch);
	search_path(s, "kvm");
	search_path(s, "qemu-kvm");
	search_path(s, name);
	candidate(s, "/usr/libexec/qemu-kvm");
	if (!*s->found)
		die("No QEMU found: there is no kvm, qemu-kvm or %s in PATH, and no /usr/libexec/qemu-kvm",
		    name);
}

static _Noreturn void become(const char *path, const char *const *argv)
{
	union {
		const char *const *given;
		char *const *taken;	/* execv() does not write either */
	} u = { argv };

	execv(path, u.taken);
	die_perror("Cannot run %s", path);
}

/* ------------------------------------------------------------ the two forms */

/* qrap FDNUM COMMAND [ARGS]: argv begins with the command */
static _Noreturn void run_command(int number, const char *const *argv)
{
	struct search s = { .again = false };

	if (strchr(argv[0], '/'))
		(void)str_copy(s.found, sizeof(s.found), argv[0]);
	else
		search_path(&s, argv[0]);
	if (!*s.found)
		die("No command %s in PATH: give the name of a QEMU program",
		    argv[0]);
	hand_over(find_passt(), number);
	become(s.found, argv);
}

/* Through a script that leads back to us, with the connection made before */
static bool been_here(int argc, char *const argv[])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return qrap_args_done(argc, argv) &&
	       !getpeername(QRAP_FD, (struct sockaddr *)&ss, &len);
}

static _Noreturn void run_in_place(int argc, char *const argv[])
{
	struct search s = { .again = been_here(argc, argv) };
	const char **words, *error;
	char arch[66];
	int i;

	qemu_arch(arch, sizeof(arch));
	find_qemu(&s, arch);
	words = calloc((size_t)argc + QRAP_ADDED + 1, sizeof(*words));
	if (!words)
		die_perror("Cannot hold %i arguments", argc);
	if (s.again || qrap_args_idle(argc, argv)) {
		for (i = 0; i < argc; i++)
			words[i] = argv[i];
	} else {
		error = qrap_args_edit(words, argc, argv, arch);
		if (error)
			die("Cannot edit QEMU's arguments: %s", error);
		hand_over(find_passt(), QRAP_FD);
	}
	/* What QEMU does depends on its name: as "kvm" it uses KVM */
	words[0] = s.found;
	become(s.found, words);
}

/* A word of digits only: anything else is for QEMU */
static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

int main(int argc, char **argv)
{
	const char *const *words = (const char *const *)argv;
	const char *base;
	uint64_t number;

	exe.known = !stat("/proc/self/exe", &exe.self);
	base = argc && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 :
	       argc ? argv[0] : "qrap";
	if (argc < 2 && !strcmp(base, "qrap"))
		die("Usage: qrap FDNUM QEMU_COMMAND [ARGS], or qrap QEMU_ARGS, or as any other name in QEMU's place");
	if (argc < 2 || !is_number(argv[1]))
		run_in_place(argc, argv);

	if (!parse_u64(argv[1], 10, FD_MIN, INT_MAX, &number))
		die("Descriptor number %s: it must be from %u to %i", argv[1],
		    FD_MIN, INT_MAX);
	if (argc < 3)
		die("Behind the descriptor number %s a command is missing: give the name of a QEMU program",
		    argv[1]);
	run_command((int)number, words + 2);
}
