// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scan.c - automatic ports: programs that open and close ports in two
 * namespaces, rules for packets, and a kernel whose answers are late, cut,
 * mixed with those of strangers, or make no sense; or that offers less
 *
 * Both ways to look are played, sock_diag and /proc, with what we have open
 * ourselves among the rest. Whatever was told meanwhile, when all is quiet each
 * side has the ports that programs of the other have, where they can be bound,
 * and none for the sake of our own; published ones listen if they are served or
 * may be. No look follows another one at once. At the end no descriptor is left.
 *
 * Input: what is automatic and what the kernel can do, then steps; each is a
 * byte that says which and those it takes.
 *
 * link: -Wl,--wrap=socket,--wrap=bind,--wrap=setsockopt,--wrap=close
 * link: -Wl,--wrap=send,--wrap=recv,--wrap=recvfrom,--wrap=pread
 * link: -Wl,--wrap=__pread_chk,--wrap=clock_gettime,--wrap=getrlimit
 * link: -Wl,--wrap=proc_net_open,--wrap=ns_call,--wrap=ev_add,--wrap=ev_del
 * link: -Wl,--wrap=sock_listen,--wrap=sock_listen_stop
 * link: -Wl,--wrap=sock_listen_again,--wrap=sock_udp_bound
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "flow.h"
#include "fwd_listen.h"
#include "fwd_scan.h"
#include "guest.h"
#include "log.h"
#include "ns.h"
#include "proc_net.h"
#include "sock.h"
#include "util.h"

#define FD0		(1 << 20)
#define FDS		256
#define PORTS		16
#define PIECE		3		/* ports in a datagram */
#define QUEUE		64		/* datagrams of an answer */
#define DGRAM		1024
#define RAW		512
#define FLOOD		1000		/* datagrams of a stranger */
#define PUBLISHED	2000		/* to 2003; lead to these: */
#define SERVED		3		/* numbers of ports, see port() */
#define EXPLICIT	8		/* a port of -T and -U */

enum { TCP, UDP, PROTOS };
enum { HOST, NS, PLACES };
enum kind { NONE, DIAG, CLOSED, TABLES, NEWS, PROC, LISTENER };
enum { V4 = 1, V6 = 2, PEER = 4 };	/* of a program's port */

struct fake_fd {
	enum kind	kind;
	bool		ns, listens;
	int		proto;
	in_port_t	port;
	unsigned	table;
	size_t		len;		/* of its text */
};

struct dgram {
	uint8_t		b[DGRAM];
	size_t		len;
	int		e;		/* no datagram, but this */
	bool		foreign;
};

/* How the next answer is not as it should be */
enum wrong { FINE, REFUSED, LATE, BROKEN, FOREIGN, JUNK, CHANGED, CUT, FLOODED,
	     WRONGS };

static struct {
	struct fake_fd	fd[FDS];
	int		fds;		/* those behind were never used */
	unsigned	open;
	uint8_t		prog[PLACES][PROTOS][PORTS];
	bool		ever[PLACES][PORTS];	/* somebody had it open */
	bool		junk;		/* told as if by the kernel */
	bool		ns;
	struct dgram	q[QUEUE];
	unsigned	nq, at;
	unsigned	flood;		/* strangers' that are ahead of it */
	enum wrong	wrong;
	uint8_t		raw[RAW];
	size_t		nraw, piece;
	char		text[8192];	/* of a table, as it was begun */
	unsigned	closed, news;	/* notices that wait */
	bool		hears, lost;
	/* What the kernel has */
	unsigned	no_diag;	/* or no answers: 2 */
	bool		no_proc, no_news, nft, iptables, packet;
	bool		knows;		/* of nft */
	int		listen_error, ns_error, watch_error;
	unsigned	listen_times;
	struct fwd_conf	conf;
	uint64_t	now;
	bool		begun;
} k;

static const char *const tables[] = {
	"tcp", "tcp6", "udp", "udp6", "ip_tables_names", "ip6_tables_names",
	"packet",
};

static in_port_t port(unsigned i)
{
	return i == PORTS - 1 ? UINT16_MAX : i ? (in_port_t)(1000 + i) : 1;
}

/* --------------------------------------------------------------- descriptors */

static struct fake_fd *at(int fd)
{
	if (fd < FD0 || fd >= FD0 + FDS)
		return NULL;
	FUZZ_CHECK(k.fd[fd - FD0].kind != NONE);
	return &k.fd[fd - FD0];
}

static int add(enum kind kind)
{
	int i;

	for (i = 0; i < FDS && k.fd[i].kind != NONE; i++)
		;
	FUZZ_CHECK(i < FDS);
	k.fds = MAX(k.fds, i + 1);
	k.fd[i] = (struct fake_fd){ .kind = kind, .ns = k.ns };
	k.open++;
	return FD0 + i;
}

/* The one of @kind */
static struct fake_fd *one(enum kind kind)
{
	int i;

	for (i = 0; i < k.fds; i++)
		if (k.fd[i].kind == kind)
			return &k.fd[i];
	return NULL;
}

static struct fake_fd *listener(int place, int proto, in_port_t p)
{
	int i;

	for (i = 0; i < k.fds; i++) {
		struct fake_fd *f = &k.fd[i];

		if (f->kind == LISTENER && f->ns == (place == NS) &&
		    f->proto == proto && f->port == p)
			return f;
	}
	return NULL;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __real_socket(int family, int type, int proto);
int __wrap_socket(int family, int type, int proto);
int __real_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __real_setsockopt(int fd, int level, int opt, const void *v, socklen_t n);
int __wrap_setsockopt(int fd, int level, int opt, const void *v, socklen_t n);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __real_pread(int fd, void *buf, size_t n, off_t off);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off);
ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t off, size_t size);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_getrlimit(int what, struct rlimit *r);
int __wrap_getrlimit(int what, struct rlimit *r);
int __wrap_proc_net_open(const char *table);
int __wrap_ns_call(int (*fn)(void *), void *arg);
int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref);
int __wrap_ev_del(int fd);
int __wrap_sock_listen(uint8_t proto, const struct fwd_rule *rule,
		       in_port_t p, bool v4, bool v6);
void __wrap_sock_listen_stop(int fd);
int __wrap_sock_listen_again(int fd);
void __wrap_sock_udp_bound(int fd, uint8_t pif, bool both, bool begins);

int __wrap_close(int fd)
{
	struct fake_fd *f = at(fd);

	if (!f)
		return __real_close(fd);
	f->kind = NONE;
	k.open--;
	return 0;
}

int __wrap_socket(int family, int type, int proto)
{
	bool waits = !(type & SOCK_NONBLOCK);

	if (family != AF_NETLINK)
		return __real_socket(family, type, proto);
	if (proto == NETLINK_NETFILTER)
		return add(waits ? TABLES : NEWS);
	if (k.no_diag == 1) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	return add(waits ? DIAG : CLOSED);
}

int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct fake_fd *f = at(fd);

	if (!f)
		return __real_bind(fd, sa, len);
	errno = EPERM;
	return f->kind == NEWS && k.no_news ? -1 : 0;
}

int __wrap_setsockopt(int fd, int level, int opt, const void *v, socklen_t n)
{
	struct fake_fd *f = at(fd);

	if (!f)
		return __real_setsockopt(fd, level, opt, v, n);
	if (f->kind == CLOSED && level == SOL_NETLINK)
		k.hears = opt == NETLINK_ADD_MEMBERSHIP;
	return 0;
}

int __wrap_proc_net_open(const char *table)
{
	unsigned i;
	int fd;

	for (i = 0; strcmp(tables[i], table); i++)
		FUZZ_CHECK(i + 1 < ARRAY_LEN(tables));
	if (k.no_proc)
		return -ENOENT;
	fd = add(PROC);
	at(fd)->table = i;
	return fd;
}

int __wrap_ns_call(int (*fn)(void *), void *arg)
{
	int rc;

	if (k.ns_error && k.begun)
		return -k.ns_error;
	k.ns = true;
	rc = fn(arg);
	k.ns = false;
	return rc;
}

int __wrap_ev_add(int fd, uint32_t mask, union ev_ref ref)
{
	struct fake_fd *f = at(fd);

	(void)mask;
	(void)ref;
	FUZZ_CHECK(f && (f->kind != LISTENER || f->proto == UDP || f->listens));
	return k.begun ? -k.watch_error : 0;
}

int __wrap_ev_del(int fd)
{
	FUZZ_CHECK(at(fd));
	return 0;
}

int __wrap_getrlimit(int what, struct rlimit *r)
{
	if (what != RLIMIT_NOFILE)
		return __real_getrlimit(what, r);
	*r = (struct rlimit){ 2U * FD0, 2U * FD0 };
	return 0;
}

/* A look takes a moment of CPU time */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	static uint64_t used;

	if (id != CLOCK_THREAD_CPUTIME_ID)
		return __real_clock_gettime(id, ts);
	used += 10;
	ts->tv_sec = (time_t)(used / SEC);
	ts->tv_nsec = (long)(used % SEC * 1000);
	return 0;
}

/* ----------------------------------------------------------- our own sockets */

int __wrap_sock_listen(uint8_t proto, const struct fwd_rule *rule,
		       in_port_t p, bool v4, bool v6)
{
	int pr = proto == IPPROTO_TCP ? TCP : UDP, fd;
	unsigned i;

	(void)rule;
	FUZZ_CHECK(p && v4 && v6);
	FUZZ_CHECK(!listener(k.ns, pr, p));
	for (i = 0; i < PORTS; i++)
		if (port(i) == p && k.prog[k.ns][pr][i])
			return -EADDRINUSE;
	if (k.listen_times && k.begun) {
		k.listen_times--;
		return -k.listen_error;
	}
	fd = add(LISTENER);
	at(fd)->proto = pr;
	at(fd)->port = p;
	at(fd)->listens = true;
	return fd;
}

void __wrap_sock_listen_stop(int fd)
{
	at(fd)->listens = false;
}

int __wrap_sock_listen_again(int fd)
{
	if (k.listen_times) {
		k.listen_times--;
		return -k.listen_error;
	}
	at(fd)->listens = true;
	return 0;
}

void __wrap_sock_udp_bound(int fd, uint8_t pif, bool both, bool begins)
{
	FUZZ_CHECK(at(fd)->proto == UDP && (pif == PIF_NS) == at(fd)->ns);
	(void)both;
	(void)begins;
}

/* ---------------------------------------------------------------- sock_diag */

static struct dgram *queue(int e)
{
	struct dgram *d;

	FUZZ_CHECK(k.nq < QUEUE);
	d = &k.q[k.nq++];
	d->len = 0;
	d->e = e;
	d->foreign = false;
	return d;
}

static void message(struct dgram *d, uint16_t type, uint16_t flags,
		    uint32_t seq, const void *body, size_t len)
{
	struct nlmsghdr nh = {
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(len), .nlmsg_type = type,
		.nlmsg_flags = flags, .nlmsg_seq = seq,
	};

	FUZZ_CHECK(d->len + NLMSG_SPACE(len) <= DGRAM);
	memset(d->b + d->len, 0, NLMSG_SPACE(len));
	memcpy(d->b + d->len, &nh, sizeof(nh));
	memcpy(d->b + d->len + NLMSG_HDRLEN, body, len);
	d->len += NLMSG_SPACE(len);
}

/* Is it listed? Of ours all are of both families, as IPv6 */
static bool listed(int place, int proto, unsigned i, uint8_t family)
{
	uint8_t p = k.prog[place][proto][i];
	const struct fake_fd *f = listener(place, proto, port(i));

	if (f && family == V6 && (proto == UDP || f->listens))
		return true;
	return p & family && !(p & PEER);
}

static void answer_ports(int place, const struct inet_diag_req_v2 *r,
			 uint32_t seq)
{
	int proto = r->sdiag_protocol == IPPROTO_TCP ? TCP : UDP;
	uint16_t flags = NLM_F_MULTI;
	struct inet_diag_msg m = { .idiag_family = r->sdiag_family };
	struct dgram *d = queue(0);
	unsigned i, n = 0;

	FUZZ_CHECK(r->idiag_states ==
		   1U << (proto == TCP ? TCP_LISTEN : TCP_CLOSE));
	if (k.wrong == CHANGED)
		flags |= NLM_F_DUMP_INTR;
	for (i = 0; i < PORTS; i++) {
		if (!listed(place, proto, i,
			    r->sdiag_family == AF_INET ? V4 : V6))
			continue;
		m.id.idiag_sport = htons(port(i));
		message(d, SOCK_DIAG_BY_FAMILY, flags, seq, &m, sizeof(m));
		if (++n % PIECE == 0)
			d = queue(0);
	}
	message(d, NLMSG_DONE, flags, seq, &(int){ 0 }, sizeof(int));
}

/* Somebody else tells of all ports, or of bytes that may have our number */
static void answer_wrong(uint32_t seq)
{
	struct inet_diag_msg m = { .idiag_family = AF_INET };
	struct dgram *d;
	unsigned i;

	switch (k.wrong) {
	case REFUSED:
		d = queue(0);
		message(d, NLMSG_ERROR, 0, seq,
			&(struct nlmsgerr){ .error = -ENOENT },
			sizeof(struct nlmsgerr));
		break;
	case LATE:
		queue(EAGAIN);
		break;
	case BROKEN:
		queue(EINTR);
		queue(ENOBUFS);
		break;
	case FLOODED:
		k.flood = FLOOD;
		break;
	case CUT:
		queue(0)->len = 1 << 20;
		break;
	case FOREIGN:
		for (i = 0; i < PORTS; i++) {
			d = queue(0);
			d->foreign = true;
			m.id.idiag_sport = htons(port(i));
			message(d, SOCK_DIAG_BY_FAMILY, 0, seq, &m, sizeof(m));
		}
		break;
	case JUNK:
		d = queue(0);
		d->len = MIN(k.nraw, DGRAM);
		memcpy(d->b, k.raw, d->len);
		if (d->len >= NLMSG_HDRLEN && d->b[8] & 1)
			memcpy(d->b + offsetof(struct nlmsghdr, nlmsg_seq),
			       &seq, sizeof(seq));
		break;
	default:
		break;
	}
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct fake_fd *f = at(fd);
	struct {
		struct nlmsghdr nh;
		struct inet_diag_req_v2 r;
	} req;
	struct dgram *d;

	if (!f)
		return __real_send(fd, p, n, flags);
	k.nq = k.at = k.flood = 0;
	memcpy(&req, p, MIN(n, sizeof(req)));
	FUZZ_CHECK(req.nh.nlmsg_len == n);
	if (f->kind == TABLES) {
		d = queue(0);
		if (k.nft)
			message(d, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
				NLM_F_MULTI, req.nh.nlmsg_seq, "abcd", 4);
		message(d, NLMSG_DONE, NLM_F_MULTI, req.nh.nlmsg_seq,
			&(int){ 0 }, sizeof(int));
		return (ssize_t)n;
	}
	FUZZ_CHECK(f->kind == DIAG && n == sizeof(req));
	if (k.no_diag) {
		k.wrong = REFUSED;
		req.r.sdiag_family = AF_UNSPEC;
	}
	answer_wrong(req.nh.nlmsg_seq);
	answer_ports(f->ns, &req.r, req.nh.nlmsg_seq);
	k.wrong = FINE;
	return (ssize_t)n;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	struct fake_fd *f = at(fd);
	const struct dgram *d;

	if (!f)
		return __real_recvfrom(fd, buf, n, flags, sa, sl);
	FUZZ_CHECK(f->kind == DIAG || f->kind == TABLES);
	if (k.flood) {
		/* It must not be read for as long as it comes */
		FUZZ_CHECK(k.flood > FLOOD / 2);
		k.flood--;
		from.nl_pid = 77;
		memcpy(sa, &from, MIN(*sl, sizeof(from)));
		*sl = sizeof(from);
		return 1;
	}
	if (k.at == k.nq) {
		errno = EAGAIN;
		return -1;
	}
	d = &k.q[k.at++];
	if (d->e) {
		errno = d->e;
		return -1;
	}
	from.nl_pid = d->foreign ? 77 : 0;
	memcpy(buf, d->b, MIN(MIN(d->len, DGRAM), n));
	memcpy(sa, &from, MIN(*sl, sizeof(from)));
	*sl = sizeof(from);
	return (ssize_t)d->len;
}

/* Notices: whether there are */
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	struct fake_fd *f = at(fd);
	unsigned *left;

	if (!f)
		return __real_recv(fd, buf, n, flags);
	FUZZ_CHECK((f->kind == CLOSED || f->kind == NEWS) &&
		   flags & MSG_DONTWAIT);
	left = f->kind == NEWS ? &k.news : &k.closed;
	if (!*left) {
		errno = EAGAIN;
		return -1;
	}
	--*left;
	if (k.lost) {
		k.lost = false;
		errno = ENOBUFS;
		return -1;
	}
	memset(buf, 0, n);
	return (ssize_t)n;
}

/* ------------------------------------------------------------------- /proc */

static void render(struct fake_fd *f)
{
	int proto = f->table / 2 == 0 ? TCP : UDP;
	bool v6 = f->table & 1;
	const char *zero = v6 ? "00000000000000000000000000000000" : "00000000";
	size_t n = 0;
	unsigned i;

	if (f->table >= 4) {
		n += (size_t)sprintf(k.text, f->table == 6 ?
				     "sk       RefCnt Type Proto\n%s" : "%s",
				     (f->table == 6 ? k.packet : k.iptables) ?
				     "filter\n" : "");
		f->len = n;
		return;
	}
	n += (size_t)sprintf(k.text, "  sl  local_address rem_address   st\n");
	for (i = 0; i < PORTS; i++) {
		uint8_t p = k.prog[f->ns][proto][i];

		if (k.wrong == JUNK && i == 5) {
			memcpy(k.text + n, k.raw, k.nraw);
			n += k.nraw;
			k.text[n++] = '\n';
		}
		if (p & PEER && p & (v6 ? V6 : V4))
			n += (size_t)sprintf(k.text + n,
					     "%4u: %s:%04X %s:0009 01 0\n", i,
					     zero, port(i), zero);
		if (listed(f->ns, proto, i, v6 ? V6 : V4))
			n += (size_t)sprintf(k.text + n,
					     "%4u: %s:%04X %s:0000 %s 0\n", i,
					     zero, port(i), zero,
					     proto == TCP ? "0A" : "07");
	}
	k.wrong = FINE;
	f->len = n;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off)
{
	struct fake_fd *f = at(fd);

	if (!f)
		return __real_pread(fd, buf, n, off);
	FUZZ_CHECK(f->kind == PROC && n && off >= 0);
	if (k.wrong == LATE || k.wrong == BROKEN) {
		errno = k.wrong == LATE ? EINTR : ENOMEM;
		k.wrong = FINE;
		return -1;
	}
	if (!off)
		render(f);
	if ((size_t)off >= f->len)
		return 0;
	n = MIN(n, f->len - (size_t)off);
	if (k.piece && f->table < 4)	/* short lists come at once */
		n = MIN(n, k.piece);
	memcpy(buf, k.text + off, n);
	return (ssize_t)n;
}

/* What FORTIFY makes of it */
ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t off, size_t size)
{
	FUZZ_CHECK(n <= size);
	return __wrap_pread(fd, buf, n, off);
}

/* ------------------------------------------------------------------- steps */

static void turn(void)
{
	unsigned rounds = 0;
	struct timer *t;

	if (k.closed)
		scan_ready((union ev_ref){ .type = EV_SCAN, .index = NS },
			   EPOLLIN);
	if (k.news)
		scan_ready((union ev_ref){ .type = EV_SCAN, .index = PLACES },
			   EPOLLIN);
	while ((t = timer_pop())) {
		FUZZ_CHECK(t->kind == TM_SCAN && rounds++ < 2);
		scan_timer(t);
	}
}

static void waits(unsigned ms)
{
	while (ms) {
		unsigned step = MIN(ms, ms > 200 ? 100U : 25U);

		k.now += step * MSEC;
		clock_set(k.now);
		turn();
		ms -= step;
	}
}

/* A program opens a port, or all that it had there are closed */
static void program(struct in *in)
{
	uint8_t what = in_u8(in), which = in_u8(in);
	int place = what & 1, proto = what >> 1 & 1;
	unsigned i = which % PORTS;
	uint8_t *p = &k.prog[place][proto][i];

	if (*p && what & 4) {
		if (place == NS && k.hears && !(*p & PEER) && one(CLOSED))
			k.closed++;
		k.lost = k.closed && what & 8;
		*p = 0;
	} else if (!*p && !(what & 4) && !listener(place, proto, port(i))) {
		*p = which >> 4 & 3 ? which >> 4 & 3 : V4;
		k.ever[place][i] = true;
		if (proto == UDP && which & 64)
			*p |= PEER;
	}
}

static void is_wrong(struct in *in)
{
	uint8_t how = in_u8(in);
	size_t n = in_u8(in);
	const uint8_t *p;

	k.wrong = (enum wrong)(how % WRONGS);
	if (k.wrong != JUNK)
		return;
	k.junk = true;
	p = in_take(in, &n);
	memcpy(k.raw, p, n);
	k.nraw = n;
}

static void fails(struct in *in)
{
	static const int errors[] = { EMFILE, EACCES, EADDRINUSE, ENOMEM };
	uint8_t how = in_u8(in);

	k.listen_error = errors[how & 3];
	k.listen_times = how >> 2 & 7;
	k.ns_error = how & 32 ? EAGAIN : 0;
	k.watch_error = how & 64 ? ENOSPC : 0;
	k.piece = how & 128 ? 7 : 0;
}

/* Other ways for packets */
static void ways(struct in *in)
{
	uint8_t how = in_u8(in);

	k.packet = how & 1;
	k.iptables = k.iptables || (how & 14) == 2;
	if ((how & 14) != 4 || k.nft)
		return;
	k.nft = true;
	k.knows = one(NEWS);
	k.news += k.knows;
}

static void connections(struct in *in)
{
	struct side ini = { .pif = PIF_HOST, .peer_port = 1, .ours_port = 1 };
	unsigned n = in_u8(in);
	enum fwd_verdict v;

	(void)addr_parse("127.0.0.1", &ini.peer);
	ini.ours = ini.peer;
	while (n--) {
		union flow *f = flow_open(IPPROTO_TCP, &ini, 99, &v);

		if (f)
			flow_close(f);
		flow_reap();
	}
}

static void passes(struct in *in)
{
	uint8_t n = in_u8(in);

	waits(n & 128 ? (n & 127U) * 20 : n);
}

/* Nothing is followed that never was there, whoever says so */
static void never(void)
{
	unsigned place, i;

	for (place = 0; place < PLACES && !k.junk; place++) {
		for (i = 0; i < PORTS; i++) {
			if (k.ever[!place][i] ||
			    (place == NS && i == EXPLICIT))
				continue;
			FUZZ_CHECK(!listener((int)place, TCP, port(i)) &&
				   !listener((int)place, UDP, port(i)));
		}
	}
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		program, passes, is_wrong, fails, ways, connections,
	};
	uint8_t what = in_u8(in);

	steps[(what & 127) % ARRAY_LEN(steps)](in);
	if (!(what & 128))
		waits(25);
	never();
}

/* -------------------------------------------------------------- begin, end */

static void rule(enum fwd_table t, in_port_t first, in_port_t last,
		 in_port_t target)
{
	k.conf.rules[t].mode = RULES_PORTS;
	k.conf.rules[t].n = 1;
	k.conf.rules[t].rule[0] = (struct fwd_rule){
		.first = first, .last = last, .target = target };
}

static void restart(void)
{
	timer_reset();
	fwd_init(&k.conf);
	listen_close_all();
}

static void begin(struct in *in)
{
	uint8_t how = in_u8(in), kernel = in_u8(in);
	unsigned t;

	memset(&k, 0, sizeof(k));
	k.now = 5000 * SEC;
	clock_set(k.now);
	flow_init();
	for (t = 0; t < FWD_TABLES; t++)
		k.conf.rules[t].mode = how & 1U << t ? RULES_AUTO : RULES_NONE;
	if (how & 16)
		rule(FWD_TCP_IN, PUBLISHED, PUBLISHED + 3, port(SERVED));
	if (how & 32)
		rule(FWD_TCP_NS, port(EXPLICIT), port(EXPLICIT), 80);
	if (how & 64)
		rule(FWD_UDP_NS, port(EXPLICIT), port(EXPLICIT), 80);
	k.no_diag = kernel & 1 ? 1 + (kernel >> 1 & 1) : 0;
	k.no_proc = kernel & 4;
	k.no_news = kernel & 8;
	k.nft = k.knows = kernel & 16;
	restart();
	if (how & 16)
		listen_wait();
	listen_all(true, true);
	listen_ns(true, true);
	scan_init();
	k.begun = true;
}

static bool is_open(int place, int proto, unsigned i)
{
	uint8_t p = k.prog[place][proto][i];

	return p && !(p & PEER);
}

/* What table @t, for ports of @from, must have by now */
static void followed(enum fwd_table t, int from, int proto)
{
	static uint8_t have[PORTS_BYTES];
	bool on = k.conf.rules[t].mode == RULES_AUTO &&
		  !(k.no_diag && k.no_proc);
	unsigned i;

	memset(have, 0, sizeof(have));
	listen_ports(t, have);
	for (i = 0; on && i < PORTS; i++) {
		bool want = is_open(from, proto, i) ||
			    (proto == UDP && is_open(from, TCP, i) &&
			     !listener(from, UDP, port(i)));

		if (k.prog[!from][proto][i])
			want = false;		/* has it already */
		FUZZ_CHECK(bit_test(have, port(i)) == want);
		bit_clear(have, port(i));
	}
	if (k.conf.rules[t].mode == RULES_PORTS)
		return;
	for (i = 0; i < PORTS_BYTES; i++)
		FUZZ_CHECK(!have[i]);
}

static void published(void)
{
	bool all = k.knows || (k.no_diag && k.no_proc) ||
		   (!k.no_proc && (k.iptables || k.packet));
	unsigned i;

	for (i = 0; i < 4; i++) {
		const struct fake_fd *f = listener(HOST, TCP,
						   (in_port_t)(PUBLISHED + i));

		FUZZ_CHECK(f);
		FUZZ_CHECK(f->listens ==
			   (all || is_open(NS, TCP, SERVED + i)));
	}
}

static void end(void)
{
	k.wrong = FINE;
	k.listen_times = 0;
	k.listen_error = k.ns_error = k.watch_error = 0;
	waits(3000);
	FUZZ_CHECK(!k.closed && !k.news);
	followed(FWD_TCP_IN, NS, TCP);
	followed(FWD_UDP_IN, NS, UDP);
	followed(FWD_TCP_NS, HOST, TCP);
	followed(FWD_UDP_NS, HOST, UDP);
	if (k.conf.rules[FWD_TCP_IN].mode == RULES_PORTS)
		published();

	memset(&k.conf, 0, sizeof(k.conf));
	restart();
	scan_init();
	FUZZ_CHECK(!k.open && !timer_count());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest facts;
	struct in in = { data, size };
	unsigned i;

	log_to_stderr(false);
	guest_init(&facts);
	begin(&in);
	for (i = 0; !in_done(&in) && i < 64; i++)
		step(&in);
	end();
	return 0;
}
