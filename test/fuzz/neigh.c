// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * neigh.c - neighbours of the host: a kernel whose table changes, and which
 * loses notices, is late with its answers or gives none, and a guest that asks
 * and is told
 *
 * The kernel is played as it behaves: notices pass the filter of the socket or
 * do not, fill its queue until there is no room, of which it then tells once,
 * and a table comes in pieces, with notices between them. When all has been
 * read, and what was lost asked for, we have what the kernel has; and the guest
 * has that too, of whomever it once asked for. What somebody else sends, or
 * what makes no sense, changes nothing that must not be.
 *
 * Input: steps; each is a byte that says which and those it takes.
 *
 * link: -Wl,--wrap=nl_open,--wrap=setsockopt,--wrap=recvfrom,--wrap=send
 */
#include "fuzz.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "guest.h"
#include "log.h"
#include "neigh.h"
#include "timer.h"
#include "util.h"
#include "wire.h"

#define FD		(1 << 20)
#define ADDRS		24		/* odd ones: IPv6 */
#define LINKS		3		/* 0: ours, 1: of IPv6, 2: another's */
#define QUEUE		40		/* datagrams that wait */
#define PIECE		5		/* entries of a table in a datagram */
#define DGRAM		2048

struct dgram {
	uint8_t		b[DGRAM];
	size_t		len;		/* or more than DGRAM: it was cut */
	bool		foreign, last;	/* the end of a table */
};

struct known {
	bool		here;
	bool		asked;		/* since it was told */
	uint8_t		mac[6];
};

static struct {
	struct known	has[LINKS][ADDRS];	/* the kernel */
	struct known	guest[ADDRS];	/* here: it once asked */
	struct dgram	q[QUEUE];
	unsigned	nq;
	bool		lost, congested;
	bool		begun;		/* the first table was read */
	bool		dumping;
	unsigned	dump_link;	/* index, 0: all */
	unsigned	dump_at;
	uint32_t	dump_seq;
	uint64_t	dump_began;
	struct sock_filter filter[32];
	unsigned	nfilter;
	struct neigh_conf conf;
	int		ask_error, recv_error;
	bool		weak;		/* it was told what is not so, or that
					 * there is no way to know */
	uint64_t	now;
} k;

static union addr addr(unsigned i)
{
	/* .2 and ::2 are the guest, .4 and ::4 never are neighbours */
	char text[40];

	snprintf(text, sizeof(text), i & 1 ? "2001:db8::%x" : "192.0.2.%u",
		 1 + i / 2);
	return A(text);
}

static unsigned index_of(unsigned link)
{
	static const unsigned index[LINKS] = { 2, 3, 77 };

	return index[link];
}

/* The link whose neighbour @i would be ours */
static unsigned link_of(unsigned i)
{
	unsigned want = k.conf.ifi[i & 1 ? GUEST_V6 : GUEST_V4], l;

	for (l = 0; l < LINKS && index_of(l) != want; l++)
		;
	return l;
}

/* ---------------------------------------------------------------- messages */

static size_t put_attr(uint8_t *b, uint16_t type, const void *p, size_t n)
{
	struct rtattr a = { (unsigned short)RTA_LENGTH(n), type };

	memcpy(b, &a, sizeof(a));
	memcpy(b + RTA_LENGTH(0), p, n);
	return RTA_SPACE(n);
}

/* What is so of neighbour @i on @link */
static size_t put_neigh(uint8_t *b, unsigned link, unsigned i, bool multi)
{
	const struct known *e = &k.has[link][i];
	union addr a = addr(i);
	struct in_addr in = addr_to4(&a);
	struct nlmsghdr nh = {
		.nlmsg_type = RTM_NEWNEIGH,
		.nlmsg_flags = multi ? NLM_F_MULTI : 0,
		.nlmsg_seq = multi ? k.dump_seq : 0,
	};
	struct ndmsg nd = {
		.ndm_family = i & 1 ? AF_INET6 : AF_INET,
		.ndm_ifindex = (int)index_of(link),
		.ndm_state = NUD_REACHABLE,
	};
	size_t n = NLMSG_LENGTH(sizeof(nd));

	/* What is gone may be named with all that is known of it */
	if (!e->here && e->mac[5] & 1)
		nd.ndm_state = NUD_INCOMPLETE;
	else if (!e->here)
		nh.nlmsg_type = RTM_DELNEIGH;
	memset(b, 0, n);
	memcpy(b + NLMSG_HDRLEN, &nd, sizeof(nd));
	n += i & 1 ? put_attr(b + n, NDA_DST, &a, 16) :
		     put_attr(b + n, NDA_DST, &in, 4);
	n += put_attr(b + n, NDA_LLADDR, e->mac, 6);
	nh.nlmsg_len = (uint32_t)n;
	memcpy(b, &nh, sizeof(nh));
	return NLMSG_ALIGN(n);
}

/* The filter of the socket; true to let pass */
static bool passes(const uint8_t *b, size_t n)
{
	uint32_t a = 0;
	unsigned pc, size;

	for (pc = 0; pc < k.nfilter; pc++) {
		const struct sock_filter *f = &k.filter[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			size = BPF_SIZE(f->code) == BPF_W ? 4 :
			       BPF_SIZE(f->code) == BPF_H ? 2 : 1;
			if (f->k + size > n)
				return false;
			a = wire_be(b + f->k, size);
			break;
		case BPF_JMP:
			pc += (BPF_OP(f->code) == BPF_JEQ ? a == f->k :
			       !!(a & f->k)) ? f->jt : f->jf;
			break;
		default:
			return f->k;
		}
	}
	FUZZ_CHECK(!k.nfilter);
	return true;
}

/* A place at the end of the queue; NULL: there is no room, or it is told that
 * there was none */
static struct dgram *place(bool notice)
{
	if (k.nq == QUEUE) {
		if (notice && !k.congested)
			k.lost = k.congested = true;
		return NULL;
	}
	if (notice && k.congested)
		return NULL;
	memset(&k.q[k.nq], 0, sizeof(*k.q));
	return &k.q[k.nq++];
}

static void notice(unsigned link, unsigned i)
{
	uint8_t b[256];
	size_t n = put_neigh(b, link, i, false);
	struct dgram *d = passes(b, n) ? place(true) : NULL;

	if (d) {
		memcpy(d->b, b, n);
		d->len = n;
	}
}

/* The next piece of a table, if there is room for it */
static void dump_on(void)
{
	struct nlmsghdr end = { .nlmsg_len = NLMSG_LENGTH(4),
				.nlmsg_type = NLMSG_DONE,
				.nlmsg_flags = NLM_F_MULTI,
				.nlmsg_seq = k.dump_seq };
	struct dgram *d;
	unsigned n;

	if (!k.dumping || k.nq > QUEUE / 2 || !(d = place(false)))
		return;
	for (n = 0; n < PIECE && k.dump_at < LINKS * ADDRS; k.dump_at++) {
		unsigned link = k.dump_at / ADDRS, i = k.dump_at % ADDRS;

		if (!k.has[link][i].here ||
		    (k.dump_link && k.dump_link != index_of(link)))
			continue;
		d->len += put_neigh(d->b + d->len, link, i, true);
		n++;
	}
	if (!n) {
		memcpy(d->b, &end, sizeof(end));
		d->len = NLMSG_LENGTH(4);
		d->last = true;
		k.dumping = false;
	}
	FUZZ_CHECK(passes(d->b, d->len));
}

/* ---------------------------------------------------------------- calls */

int __wrap_nl_open(void);
int __real_setsockopt(int fd, int l, int name, const void *v, socklen_t n);
int __wrap_setsockopt(int fd, int l, int name, const void *v, socklen_t n);
ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);

int __wrap_nl_open(void)
{
	return FD;
}

int __wrap_setsockopt(int fd, int l, int name, const void *v, socklen_t n)
{
	const struct sock_fprog *prog = v;

	if (fd != FD)
		return __real_setsockopt(fd, l, name, v, n);
	if (l == SOL_SOCKET && name == SO_ATTACH_FILTER) {
		FUZZ_CHECK(prog->len <= ARRAY_LEN(k.filter));
		k.nfilter = prog->len;
		memcpy(k.filter, prog->filter, prog->len * sizeof(*k.filter));
	}
	return 0;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags,
			struct sockaddr *sa, socklen_t *sl)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	struct dgram d;

	if (fd != FD)
		return __real_recvfrom(fd, buf, n, flags, sa, sl);
	FUZZ_CHECK(flags & MSG_DONTWAIT && flags & MSG_TRUNC && sa);
	errno = k.recv_error ? k.recv_error : k.lost ? ENOBUFS : 0;
	if (k.recv_error)
		k.recv_error = 0;
	else
		k.lost = false;
	if (errno)
		return -1;
	if (!k.nq) {
		k.congested = false;
		errno = EAGAIN;
		return -1;
	}
	d = k.q[0];
	memmove(k.q, k.q + 1, --k.nq * sizeof(*k.q));
	if (!k.nq)
		k.congested = false;
	dump_on();
	k.begun = k.begun || d.last;
	from.nl_pid = d.foreign ? 4711 : 0;
	memcpy(buf, d.b, MIN(MIN(d.len, n), DGRAM));
	memcpy(sa, &from, MIN(*sl, sizeof(from)));
	*sl = sizeof(from);
	return (ssize_t)d.len;
}

/* The question for a table */
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct nlmsghdr nh;
	struct rtattr a;
	uint32_t index;

	if (fd != FD)
		return __real_send(fd, p, n, flags);
	FUZZ_CHECK(n == NLMSG_LENGTH(sizeof(struct ndmsg)) ||
		   n == NLMSG_LENGTH(sizeof(struct ndmsg)) + RTA_LENGTH(4));
	memcpy(&nh, p, sizeof(nh));
	FUZZ_CHECK(nh.nlmsg_len == n && nh.nlmsg_type == RTM_GETNEIGH &&
		   nh.nlmsg_flags == (NLM_F_REQUEST | NLM_F_DUMP));
	if (k.ask_error) {
		errno = k.ask_error;
		if (errno == EPERM)
			k.weak = true;
		k.ask_error = 0;
		return -1;
	}
	/* The kernel would refuse: one at a time */
	FUZZ_CHECK(!k.dumping || k.now - k.dump_began >= 10 * SEC);
	k.dump_began = k.now;
	k.dump_link = 0;
	if (n > NLMSG_LENGTH(sizeof(struct ndmsg))) {
		memcpy(&a, (const uint8_t *)p + n - 8, sizeof(a));
		memcpy(&index, (const uint8_t *)p + n - 4, sizeof(index));
		FUZZ_CHECK(a.rta_type == NDA_IFINDEX && a.rta_len == 8);
		k.dump_link = index;
	}
	k.dumping = true;
	k.dump_at = 0;
	k.dump_seq = nh.nlmsg_seq;
	dump_on();
	return (ssize_t)n;
}

/* ---------------------------------------------------------------- the guest */

static const uint8_t *answer(unsigned i)
{
	union addr a = addr(i);
	const uint8_t *mac = neigh_mac(&a);

	FUZZ_CHECK(!mac || (mac_is_station(mac) && !guest_is_self(&a)));
	return mac ? mac : guest()->our_mac;
}

/* That it is us again may be said once too often */
static void news(struct known *g, const uint8_t *mac)
{
	FUZZ_CHECK(!g->here || g->asked || memcmp(g->mac, mac, 6) ||
		   !memcmp(mac, guest()->our_mac, 6));
	memcpy(g->mac, mac, 6);
	g->asked = false;
}

static void tell(void)
{
	unsigned i, n = 0;
	union addr a;

	while (neigh_news(&a)) {
		FUZZ_CHECK(guest()->mac_known && !guest_is_self(&a));
		FUZZ_CHECK(++n <= 16);		/* the rate, and no more */
		for (i = 0; i < ADDRS; i++) {
			union addr b = addr(i);

			if (addr_eq(&a, &b))
				news(&k.guest[i], answer(i));
		}
	}
}

static void timers(void)
{
	struct timer *t;

	clock_set(k.now);
	while ((t = timer_pop())) {
		FUZZ_CHECK(t->kind == TM_NEIGH);
		neigh_timer(t);
		tell();
	}
}

static void turns(unsigned n)
{
	for (; n && (k.nq || k.lost); n--) {
		neigh_ready((union ev_ref){ .type = EV_NEIGH }, EPOLLIN);
		tell();
	}
}

/* ---------------------------------------------------------------- steps */

static void changes(struct in *in)
{
	unsigned i = in_u8(in) % ADDRS;
	uint8_t how = in_u8(in);
	unsigned link = (how & 3) % LINKS;
	struct known *e = &k.has[link][i];

	e->here = !(how & 4);
	memcpy(e->mac, guest_mac, 6);	/* one of them has it, too */
	e->mac[5] = (uint8_t)(e->mac[5] + (how >> 4));
	if (!(how & 8) || k.congested)
		notice(link, i);
	else				/* as if there had been no room */
		k.lost = k.congested = true;
}

static void asks(struct in *in)
{
	unsigned i = in_u8(in) % ADDRS;

	/* What it may ask for ahead of the first table is no news */
	if (!guest()->mac_known || !k.begun)
		return;
	k.guest[i].here = k.guest[i].asked = true;
	memcpy(k.guest[i].mac, answer(i), 6);
}

static void comes_goes(struct in *in)
{
	if (in_u8(in) & 1) {
		guest_forget();
		memset(k.guest, 0, sizeof(k.guest));
		tell();
	} else {
		guest_saw(guest_mac, NULL);
	}
}

/* Any bytes, from the kernel or not */
static void raw(struct in *in)
{
	uint16_t what = in_u16(in);
	size_t n = what & 1023;
	const uint8_t *p = in_take(in, &n);
	struct dgram *d = place(false);

	if (!d)
		return;
	memcpy(d->b, p, n);
	d->len = n;
	d->foreign = what & 0x8000;
	if (what & 0x4000)
		d->len = 65536;		/* cut: something is lost */
	else if (!d->foreign)
		k.weak = true;
}

static void waits(struct in *in)
{
	uint8_t n = in_u8(in);

	k.now += n & 128 ? (n & 127) * SEC / 4 : n * MSEC;
	timers();
}

static void fails(struct in *in)
{
	static const int errors[] = { EAGAIN, ENOBUFS, ENOMEM, EINTR, EPERM };
	uint8_t how = in_u8(in);

	if (how & 8)
		k.ask_error = errors[(how & 7) % ARRAY_LEN(errors)];
	else
		k.recv_error = EINTR;
}

static void step(struct in *in)
{
	static void (*const steps[])(struct in *in) = {
		changes, changes, asks, comes_goes, raw, waits, fails, asks,
	};
	uint8_t what = in_u8(in);

	steps[what % ARRAY_LEN(steps)](in);
	if (!(what & 128))
		turns(1 + (what >> 5 & 3));
}

/* ---------------------------------------------------------------- begin, end */

static void begin(struct in *in)
{
	static struct guest facts;
	uint8_t how = in_u8(in);

	memset(&k, 0, sizeof(k));
	k.now = 5000 * SEC;
	clock_set(k.now);
	timer_reset();
	facts = wire_facts();
	facts.net[GUEST_V4].addr = A("192.0.2.2");
	facts.net[GUEST_V6].addr = A("2001:db8::2");
	guest_init(&facts);
	guest_saw(guest_mac, NULL);
	k.conf.ifi[GUEST_V4] = how & 1 ? 0 : 2;
	k.conf.ifi[GUEST_V6] = how & 2 ? 3 : 2;
	k.conf.never[0] = A("192.0.2.4");
	k.conf.never[1] = A("2001:db8::4");
	if (how & 4)
		k.has[0][0] = (struct known){ .here = true, .mac = { 2, 9 } };
	if (how & 8)
		k.ask_error = ENOBUFS;
	FUZZ_CHECK(neigh_init(&k.conf) == FD);
	turns(how >> 4);
}

/* Nothing changes any more: all agree */
static void end(void)
{
	unsigned i, l;

	k.ask_error = k.recv_error = 0;
	for (i = 0; i < 200; i++) {
		turns(100);
		k.now += SEC / 4;
		timers();
	}
	FUZZ_CHECK(!k.nq && !k.lost && !k.dumping && !timer_count());
	for (i = 0; i < ADDRS; i++) {
		const uint8_t *mac = answer(i), *want = guest()->our_mac;
		union addr a = addr(i);

		l = link_of(i);
		if (l < LINKS && k.has[l][i].here && i / 2 != 3 &&
		    !guest_is_self(&a) &&
		    memcmp(k.has[l][i].mac, guest()->mac, 6))
			want = k.has[l][i].mac;
		FUZZ_CHECK(k.weak || !memcmp(mac, want, 6));
		if (k.guest[i].here)
			FUZZ_CHECK(!memcmp(k.guest[i].mac, mac, 6));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	unsigned i;

	log_to_stderr(false);
	begin(&in);
	for (i = 0; !in_done(&in) && i < 2000; i++)
		step(&in);
	end();
	return 0;
}
