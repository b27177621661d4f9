// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp.c - datagrams both ways
 *
 * A flow is one pair of addresses and ports. One that the guest started has a
 * connected socket of its own; one that a client on the host started shares
 * the listener with all others, and its replies say from which address they
 * have to leave.
 *
 * What costs is not the bytes but the passes through the stack, so both ways
 * equal-sized datagrams of one flow travel as one: towards the host see
 * udp_out.c; towards the guest as a super-frame (USO), for which datagrams
 * that the kernel had already joined (UDP_GRO) and those that simply stood
 * behind each other in the socket are the same. The host socket is read
 * straight into the slots of the guest port. What does not fit a frame, or
 * would need a slot it has not got, is copied once and leaves by
 * send_dgram(), as fragments if it must.
 *
 * A flow between two sockets (udp_splice.c) is read in the same way, and sent
 * on by udp_out.c from where it was read.
 *
 * Nothing is queued here: what the guest has no room for stays in the socket
 * (and what that has no room for is lost, as on a wire).
 */
#include "udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "cmsg.h"
#include "cursor.h"
#include "ev.h"
#include "fwd_listen.h"
#include "guest.h"
#include "half.h"
#include "log.h"
#include "mcast.h"
#include "ns.h"
#include "send.h"
#include "sock.h"
#include "tap.h"
#include "udp_out.h"
#include "udp_splice.h"

#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#define BATCH		TAP_BATCH
#define BATCH_MIN	4		/* messages asked for at once, at least */
#define BATCH_BYTES	(512U << 10)	/* ... and about so much, that it stays in
					 * the caches and needs little memory */
#define ROUNDS		4		/* full batches per event */
#define WAITING_MAX	256		/* sockets with datagrams, but no room */

/* Flows with a socket of their own, of which those that seem to be over are
 * kept for their time-out; of four times as many, whatever they are */
#define OUT_MAX		4096U
#define FORGET_TRIES	8

#define IOV_MAX_	1024U		/* UIO_MAXIOV */
#define HDR_LEN		(ETH_HLEN_ + IP6_HLEN + UDP_HLEN)

/* Control data of a datagram: TTL, TOS, packet info, segment size */
#define CTRL_MAX	160

union ctrl {
	struct cmsghdr align;
	uint8_t buf[CTRL_MAX];
};

/* A socket for both families gives packet info in the words of each */
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) +
	       CMSG_SPACE(sizeof(struct in_pktinfo)) +
	       3 * CMSG_SPACE(sizeof(int)) <= CTRL_MAX, "control data");

/* What came with a datagram from the host */
struct rx_msg {
	union flow	*f;		/* NULL: nobody's */
	size_t		len;
	uint16_t	seg;		/* size of its segments; len if plain */
	uint8_t		ttl, tos;
	bool		cut;		/* did not fit its slot */
	bool		done;		/* sent on already */
};

static struct {
	uint32_t	idle_new, idle_stream;	/* ms */
	unsigned	batch;			/* for the next reading */
	unsigned	out_max;		/* see forget() */
	uint8_t		*copy;			/* arena, see rx_copy() */
	uint64_t	dropped;
	union ev_ref	waiting[WAITING_MAX];	/* see no_room() */
	unsigned	nwaiting;

	struct tap_slot	slot[BATCH];
	struct rx_msg	rx[BATCH];
	struct mmsghdr	rxh[BATCH];
	union sockaddr_any rx_from[BATCH];
	union ctrl	rx_ctrl[BATCH];
	struct iovec	iov[IOV_MAX_];		/* of seal() */
	struct pkt	spliced[BATCH];		/* of rx_spliced() */
} udp;

#define COPY_STRIDE	((size_t)65536)

/* timeout_of() - The kernel's idea of a UDP time-out, if it has one, in ms */
static uint32_t timeout_of(const char *path, uint32_t seconds)
{
	char buf[32];
	uint64_t v;
	ssize_t n = read_file(path, buf, sizeof(buf));

	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	if (n > 0 && parse_u64(buf, 10, 1, 86400, &v))
		seconds = (uint32_t)v;
	return seconds * 1000;
}

void udp_init(void)
{
	uint8_t *copy = udp.copy;
	struct rlimit rl;

	if (!copy) {
		copy = mmap(NULL, BATCH * COPY_STRIDE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (copy == MAP_FAILED)
			die_perror("Cannot map memory for datagrams");
	}

	memset(&udp, 0, sizeof(udp));
	udp.copy = copy;
	udp.batch = BATCH_MIN;
	udp.out_max = OUT_MAX;
	if (!getrlimit(RLIMIT_NOFILE, &rl))
		udp.out_max = (unsigned)MIN(OUT_MAX, rl.rlim_cur / 8 + 1);
	udp.idle_new = timeout_of(
		"/proc/sys/net/netfilter/nf_conntrack_udp_timeout", 30);
	udp.idle_stream = timeout_of(
		"/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream", 120);
}

/* -------------------------------------------------------------- flows */

/* touch() - Datagrams came from @side */
static void touch(union flow *f, unsigned side, unsigned n)
{
	f->udp.used = clock_ms();
	if (side)
		f->udp.heard = f->udp.used;
	f->udp.seen[side] = (uint8_t)MIN(f->udp.seen[side] + n, 3U);
	f->udp.waits = udp_is_spliced(f) ? !side : side == udp_guest_side(f);
}

void udp_close(union flow *f)
{
	sock_udp_close(&f->udp.sock[1], &f->h.side[1]);
	flow_close(f);
}

static bool is_stream(const union flow *f)
{
	const uint8_t *seen = f->udp.seen;

	return seen[0] && seen[1] && (seen[0] > 1 || seen[1] > 1);
}

/*
 * forget() - Close flows that have sockets and are over, beginning with the
 * oldest, until at most @max are left
 *
 * A guest that looks up names in a row would else have as many as fit their
 * time-out.
 */
static void forget(unsigned max)
{
	unsigned i;

	for (i = 0; flow_listed(FLOW_UDP_OUT) > max && i < FORGET_TRIES; i++) {
		bool many = flow_listed(FLOW_UDP_OUT) > max * 4;
		union flow *f = flow_take(FLOW_UDP_OUT);

		if (half_is_over(f) || many)
			udp_close(f);
		else
			flow_list(f, FLOW_UDP_OUT);
	}
}

/* make_room() - After @e, could there be a descriptor now? If nothing else is to
 * be had, the oldest of our own goes */
static bool make_room(int e)
{
	union flow *f;

	if (half_retry(-e))
		return true;
	if (e != -EMFILE && e != -ENFILE)
		return false;
	f = flow_first(FLOW_UDP_OUT);
	if (f)
		udp_close(f);
	return f;
}

void udp_timer(struct timer *t)
{
	union flow *f = flow_of_timer(t);
	uint32_t idle = clock_ms() - f->udp.used;
	uint32_t limit = is_stream(f) ? udp.idle_stream : udp.idle_new;

	if (idle >= limit)
		udp_close(f);
	else
		timer_set(t, TM_UDP, (limit - idle) * MSEC);
}

static void flow_start(union flow *f, unsigned hash_sides)
{
	f->udp.used = f->udp.heard = clock_ms();
	flow_commit(f, FLOW_UDP, hash_sides);
	timer_set(&f->h.timer, TM_UDP, udp.idle_new * MSEC);
}

/* connect_target() - Its socket, with a name no other flow's has; or -errno */
static int connect_target(union flow *f)
{
	struct side *s = &f->h.side[1], was = *s;
	int fd = sock_udp_connect(s, &f->udp.open);

	if (fd >= 0 && !f->udp.open && flow_has_side(IPPROTO_UDP, s)) {
		/* The guest may have several addresses, and the peer too, as
		 * the guest sees it */
		sock_udp_close(&fd, s);
		*s = was;
		s->ours_port = 0;
		fd = sock_udp_connect(s, &f->udp.open);
	}
	return fd;
}

/* open_from_guest() - First datagram of a conversation; NULL if it cannot be */
static union flow *open_from_guest(const struct pkt *p)
{
	struct side ini = {
		.peer = p->src, .ours = p->dst,
		.peer_port = p->sport, .ours_port = p->dport,
		.pif = PIF_GUEST,
	};
	static unsigned long last;
	enum fwd_verdict v;
	union flow *f;
	int fd, e;

	if (!p->dport)
		return NULL;

	f = flow_open(IPPROTO_UDP, &ini, p->dport, &v);
	if (!f) {
		if (v == FWD_REFUSE)
			udp_refused(p, ECONNREFUSED);
		return NULL;
	}

	f->udp.sock[0] = f->udp.sock[1] = -1;
	f->udp.bound = addr_is_unicast(&f->h.side[1].ours);
	fd = connect_target(f);
	while (fd < 0 && make_room(fd))
		fd = connect_target(f);
	f->udp.no_gso = f->udp.open;
	e = fd < 0 ? -fd : 0;
	if (!e) {
		f->udp.sock[1] = fd;
		e = -ev_add(fd, EPOLLIN, flow_ref(f, EV_UDP, 1));
	}
	if (e) {
		debug("%s: no socket: %s", flow_str(f), strerror(e));
		if ((e == EMFILE || e == ENFILE) && log_ratelimit(&last, 10))
			warn("Out of sockets for UDP: %s", strerror(e));
		udp_close(f);
		udp_refused(p, e);
		return NULL;
	}

	flow_start(f, f->udp.open ? 1U : 3U);
	flow_list(f, FLOW_UDP_OUT);
	forget(udp.out_max);
	debug("%s: new flow from the guest", flow_str(f));
	return f;
}

/*
 * has_moved() - Is it for an address that this host no longer has, or no longer
 * sends from, that the guest gets no answers?
 *
 * A connected socket keeps its address, and the guest, who has one that stays,
 * may go on for ever. A flow that is answered is left alone.
 */
static bool has_moved(union flow *f)
{
	const struct side *s = &f->h.side[1];

	if (!f->udp.waits || clock_ms() - f->udp.heard < UDP_SILENT ||
	    f->udp.bound || f->udp.open || addr_is_loopback(&s->peer))
		return false;
	f->udp.heard = clock_ms();
	return sock_source_moved(f->udp.sock[1], s);
}

/* The listener whose client the flow serves; NULL if it was closed */
static const struct listener *listener_of(const union flow *f)
{
	union ev_ref ref = { .u64 = 0 };

	ref.index = f->udp.listener;
	ref.gen = f->udp.listener_gen;
	return listener_at(ref);
}

/* open_spliced() - The socket for the target; whether there is one */
static bool open_spliced(union flow *f)
{
	int rc = udp_splice_open(f);

	while (rc && make_room(rc)) {
		sock_udp_close(&f->udp.sock[1], &f->h.side[1]);
		rc = udp_splice_open(f);
	}
	if (rc)
		udp_splice_refused(f, -rc);
	return !rc;
}

/* open_from_host() - As above, for a client of listener @index */
static union flow *open_from_host(const struct side *ini, uint32_t index,
				  const struct listener *l, uint32_t scope)
{
	enum fwd_verdict v;
	union flow *f = flow_open(IPPROTO_UDP, ini, l->target, &v), *old;
	const struct side *gs;
	unsigned side;

	if (!f)
		return NULL;

	f->udp.sock[0] = f->udp.sock[1] = -1;
	gs = &f->h.side[1];
	if (udp_is_spliced(f)) {
		if (!open_spliced(f)) {
			udp_close(f);
			return NULL;
		}
		f->udp.listener = index;
		f->udp.listener_gen = l->gen;
		flow_start(f, 3U);
		flow_list(f, FLOW_UDP_OUT);
		forget(udp.out_max);
		return f;
	}

	/* Clients that the guest cannot tell apart (two addresses of the
	 * host's loopback, one port): its replies go to who spoke last. So if
	 * it was the guest, but without an answer: that may be what became of
	 * a reply to a client at the gateway's address, of whom we had no flow
	 * any more */
	old = flow_find(IPPROTO_UDP, PIF_GUEST, &gs->peer, gs->peer_port,
			&gs->ours, gs->ours_port, &side);
	if (old && old->h.type == FLOW_UDP &&
	    (side == 1 || !old->udp.seen[1]))
		udp_close(old);

	f->udp.listener = index;
	f->udp.listener_gen = l->gen;
	if (addr_class(&ini->peer) == ADDR_LINKLOCAL)
		f->udp.scope = scope;
	flow_start(f, 3U);
	half_enter(f);
	debug("%s: new flow from the host", flow_str(f));
	return f;
}

void udp_input(const struct pkt *p, unsigned n)
{
	const struct listener *l = NULL;
	union flow *f;
	unsigned g = 0;

	if (!n)
		return;
	f = flow_find(IPPROTO_UDP, PIF_GUEST, &p->src, p->sport, &p->dst,
		      p->dport, &g);
	if (f && f->udp.sock[!g] < 0)
		l = listener_of(f);	/* automatic ones come and go */
	if (f && (f->udp.sock[!g] < 0 ? !l : has_moved(f))) {
		udp_close(f);
		f = NULL;
		g = 0;
	}
	if (!f)
		f = open_from_guest(p);
	if (!f || f->h.type != FLOW_UDP || (!l && f->udp.sock[!g] < 0)) {
		udp.dropped += n;
		return;
	}
	touch(f, g, n);
	if (f->udp.open)
		mcast_sent(f, p, n);
	udp_out(f, l, p, n);
}

/* -------------------------------------------------------------- to the guest */

/* rx_flow() - Listener: the flow of a datagram; @prev is likely the same */
static union flow *rx_flow(const union sockaddr_any *from,
			   const union addr *local, uint32_t scope,
			   const struct listener *l, uint32_t index,
			   union flow *prev)
{
	struct side ini = { .ours = *local, .ours_port = l->port,
			    .pif = l->pif };
	unsigned side = 0;
	union flow *f;

	if (!addr_from_sa(from, &ini.peer, &ini.peer_port))
		return NULL;
	if (prev && !memcmp(&prev->h.side[0], &ini, sizeof(ini)))
		return prev;

	if (!addr_is_unicast(&ini.peer) || !addr_is_unicast(local))
		return NULL;
	f = flow_find(IPPROTO_UDP, l->pif, &ini.peer, ini.peer_port, local,
		      l->port, &side);
	/* That of an earlier listener at the port would not find this one */
	if (f && !side && listener_of(f) != l) {
		udp_close(f);
		f = NULL;
	}
	if (!f)
		f = open_from_host(&ini, index, l, scope);
	if (!f || f->h.type != FLOW_UDP)
		return NULL;
	/* Side 1: it came here just before the guest's own flow to the sender
	 * got its socket */
	return !side || !udp_is_spliced(f) ? f : NULL;
}

/* rx_read() - What message @i says: length, segments, TTL, our address */
static void rx_read(unsigned i, union addr *local, uint32_t *scope)
{
	struct msghdr *m = &udp.rxh[i].msg_hdr;
	struct rx_msg *rx = &udp.rx[i];
	struct cmsghdr *c;
	int v;

	rx->len = udp.rxh[i].msg_len;
	rx->seg = (uint16_t)rx->len;
	rx->ttl = UDP_TTL_DEFAULT;
	rx->tos = 0;
	rx->cut = m->msg_flags & MSG_TRUNC;
	rx->done = false;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			if (v > 0 && (size_t)v < rx->len)
				rx->seg = (uint16_t)v;
		} else if (!cmsg_header(c, &rx->ttl, &rx->tos)) {
			cmsg_pktinfo(c, false, local, scope);
		}
	}
}

/* rx_fits() - May this leave as one frame, straight from its slot? */
static bool rx_fits(const struct rx_msg *rx, const struct tap_caps *caps)
{
	const struct side *gs;
	size_t mtu, over, max = caps->max_frame - ETH_HLEN_;

	if (!rx->f || rx->cut)
		return false;
	if (rx->seg < rx->len && (!caps->uso ||
				  rx->len > (size_t)rx->seg * UDP_SEGS_MAX))
		return false;

	gs = &rx->f->h.side[udp_guest_side(rx->f)];
	over = hdr_ip_len(&gs->peer) - ETH_HLEN_ + UDP_HLEN;
	mtu = guest()->mtu ? MIN(guest()->mtu, max) : max;
	return over + rx->seg <= mtu && over + rx->len <= MIN(max, 65535U);
}

/* rx_joins() - May @rx continue the super-datagram of @total bytes that began
 * with @head? */
static bool rx_joins(const struct rx_msg *head, size_t total,
		     const struct rx_msg *rx)
{
	if (rx->f != head->f || rx->ttl != head->ttl ||
	    rx->tos != head->tos || !rx->len || !head->seg)
		return false;
	if (total % head->seg || total + rx->len > UDP_GSO_MAX ||
	    total + rx->len > (size_t)head->seg * UDP_SEGS_MAX)
		return false;
	return rx->seg == head->seg || (rx->seg == rx->len &&
					rx->len < head->seg);
}

/* seal() - Checksum of a frame that nobody will finish for us; the slot's
 * elements are longer than the data in them */
static void seal(const struct tap_slot *s)
{
	struct cursor c;
	unsigned n;
	size_t len;

	cur_init(&c, s->data, s->len);
	n = cur_iov(&c, udp.iov, IOV_MAX_, &len);
	hdr_seal(s->hdr, s->hdrlen, udp.iov, n, false);
}

/* rx_head() - Headers of the frame in slot @s, with @total bytes of payload in
 * it and the slots that continue it */
static void rx_head(struct tap_slot *s, const struct rx_msg *rx, size_t total,
		    bool partial)
{
	const struct side *gs = &rx->f->h.side[udp_guest_side(rx->f)];
	struct hdr_ip ip = {
		.smac = guest()->our_mac, .dmac = guest()->mac,
		.src = gs->ours, .dst = gs->peer,
		.proto = IPPROTO_UDP, .ttl = rx->ttl, .tos = rx->tos,
	};

	s->hdrlen = hdr_put_ip(s->hdr, &ip, UDP_HLEN + total);
	s->hdrlen += hdr_put_udp(s->hdr + s->hdrlen, gs->ours_port,
				 gs->peer_port, total);
	s->gso = total > rx->seg ? TAP_GSO_UDP : TAP_GSO_NONE;
	s->gso_size = total > rx->seg ? rx->seg : 0;
	s->csum_partial = partial;
	if (partial)
		hdr_seal(s->hdr, s->hdrlen, NULL, 0, true);
	else
		seal(s);
}

/* rx_frames() - Build frames from the first @n messages, in their slots */
static void rx_frames(unsigned n, const struct tap_caps *caps)
{
	unsigned i, j;

	for (i = 0; i < n; i = j) {
		const struct rx_msg *head = &udp.rx[i];
		size_t total = head->len;

		udp.slot[i].len = head->len;
		udp.slot[i].join = false;
		for (j = i + 1; j < n && caps->uso; j++) {
			struct tap_slot *s = &udp.slot[j];

			if (!rx_joins(head, total, &udp.rx[j]))
				break;
			total += udp.rx[j].len;
			s->hdrlen = 0;
			s->len = udp.rx[j].len;
			s->join = true;
			s->gso = TAP_GSO_NONE;
			s->gso_size = 0;
			s->csum_partial = false;
		}
		rx_head(&udp.slot[i], head, total, caps->csum);
	}
}

/* rx_copy() - Save messages @from to @n from their slots: those cannot be sent
 * in place, and go back now */
static void rx_copy(unsigned from, unsigned n)
{
	unsigned i;

	for (i = from; i < n; i++) {
		struct rx_msg *rx = &udp.rx[i];
		struct cursor c;

		if (!rx->f || rx->cut) {
			rx->f = NULL;
			continue;
		}
		cur_init(&c, udp.slot[i].data, rx->len);
		cur_pull(&c, udp.copy + i * COPY_STRIDE, rx->len);
	}
}

/* rx_copied() - Send what rx_copy() saved, segment by segment */
static void rx_copied(unsigned from, unsigned n)
{
	unsigned i;

	for (i = from; i < n; i++) {
		const struct rx_msg *rx = &udp.rx[i];
		const uint8_t *p = udp.copy + i * COPY_STRIDE;
		const struct side *gs;
		size_t left = rx->len;

		if (!rx->f) {
			udp.dropped += !rx->done;
			continue;
		}
		gs = &rx->f->h.side[udp_guest_side(rx->f)];
		do {
			size_t len = MIN(left, rx->seg);

			if (!send_dgram(&gs->ours, gs->ours_port, &gs->peer,
					gs->peer_port, rx->ttl, rx->tos, NULL,
					p, len))
				udp.dropped++;
			p += len;
			left -= len;
		} while (left);
	}
}

/* rx_setup() - Message headers for @n slots */
static void rx_setup(unsigned n, bool names)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		udp.rxh[i].msg_hdr = (struct msghdr){
			.msg_name = names ? &udp.rx_from[i] : NULL,
			.msg_namelen = names ? sizeof(udp.rx_from[i]) : 0,
			.msg_iov = udp.slot[i].data,
			.msg_iovlen = MIN(udp.slot[i].ndata, IOV_MAX_),
			.msg_control = &udp.rx_ctrl[i],
			.msg_controllen = sizeof(udp.rx_ctrl[i]),
		};
	}
}

/* no_room() - The guest takes nothing now: its datagrams may wait in the socket,
 * of which nothing is heard until udp_room(). If nobody is there, or too many
 * wait already, they are lost, as on a wire */
static void no_room(int fd, union ev_ref ref)
{
	unsigned i;
	char c;

	if (guest()->mac_known && udp.nwaiting < WAITING_MAX &&
	    !ev_mod(fd, 0, ref)) {
		udp.waiting[udp.nwaiting++] = ref;
		return;
	}
	for (i = 0; i < BATCH; i++, udp.dropped++)
		if (recv(fd, &c, 0, MSG_DONTWAIT) < 0)
			break;
}

/* rx_whose() - Fill in length, flow and so on of @n messages */
static void rx_whose(unsigned n, union flow *f, const struct listener *l,
		     uint32_t index)
{
	union flow *prev = NULL, *from;
	unsigned i;

	for (i = 0; i < n; i++) {
		union addr local = ADDR_NONE;
		uint32_t scope = 0;

		rx_read(i, &local, &scope);
		if (!f)
			prev = rx_flow(&udp.rx_from[i], &local, scope, l,
				       index, prev);
		from = f ? f : prev;
		udp.rx[i].f = from;
		if (from)
			touch(from, udp_is_spliced(from) ? !l :
							   !udp_guest_side(from), 1);
	}
}

/* rx_spliced() - Send on those of @n messages that are not for the guest: from
 * the listener to the target, or back */
static void rx_spliced(unsigned n, bool from_listener)
{
	unsigned i, j, k;

	for (i = 0; i < n; i = j) {
		union flow *f = udp.rx[i].f;
		const struct listener *to = NULL;

		j = i + 1;
		if (!f || !udp_is_spliced(f))
			continue;
		/* A later one of the batch was given its descriptor */
		if (f->h.type != FLOW_UDP) {
			udp.rx[i].f = NULL;
			continue;
		}
		for (j = i, k = 0; j < n && udp.rx[j].f == f; j++) {
			struct rx_msg *rx = &udp.rx[j];
			struct pkt *p = &udp.spliced[k];

			rx->f = NULL;
			if (rx->cut)
				continue;
			rx->done = true;
			cur_init(&p->data, udp.slot[j].data, rx->len);
			p->gso_size = rx->seg < rx->len ? rx->seg : 0;
			p->ttl = UDP_TTL_DEFAULT;
			p->tos = rx->tos;
			k++;
		}
		if (!from_listener)
			to = listener_of(f);
		if (from_listener || to)
			udp_out(f, to, udp.spliced, k);
		else
			udp.dropped += k;
	}
}

/* rx_reserve() - Room for what comes next; *@apart: it is not the guest's, and
 * needs no commit, as this is (or may be) for others. 0: there is none */
static int rx_reserve(const union flow *f, const struct listener *l,
		      bool *apart)
{
	int n;

	*apart = f ? udp_is_spliced(f) : l->pif != PIF_HOST;
	if (!*apart) {
		n = tap_reserve(udp.slot, (int)udp.batch, HDR_LEN,
				TAP_DATA_MAX);
		if (n > 0 || f || ns_fd() < 0)
			return n;
		*apart = true;
	}
	return udp_splice_slots(udp.slot, udp.batch);
}

/* Ask for twice of what there was, so that a lonely datagram does not pay for a
 * big batch, and a flood soon has one */
static void rx_adapt(unsigned got)
{
	unsigned bytes = 0, i;

	for (i = 0; i < got; i++)
		bytes += udp.rxh[i].msg_len;
	udp.batch = MIN(MIN(BATCH, got * 2), BATCH_BYTES / (bytes / got + 1));
	udp.batch = MAX(BATCH_MIN, udp.batch);
}

/*
 * rx_batch() - Move one batch from a socket to the guest, or whom it is for
 *
 * Return: true if there may be more
 */
static bool rx_batch(int fd, union flow *f, const struct listener *l,
		     union ev_ref ref)
{
	const struct tap_caps *caps;
	int n, got, e;
	unsigned i;
	bool apart;

	n = rx_reserve(f, l, &apart);
	if (n <= 0) {
		no_room(fd, ref);
		return false;
	}

	rx_setup((unsigned)n, !f);
	got = recvmmsg(fd, udp.rxh, (unsigned)n, MSG_DONTWAIT, NULL);
	e = errno;
	if (got <= 0) {
		if (!apart)
			tap_commit(udp.slot, n, 0, true);
		if (!got || e == EAGAIN)
			return false;
		udp_errors(fd, f, l);
		return true;
	}

	rx_whose((unsigned)got, f, l, ref.index);
	rx_spliced((unsigned)got, l);
	i = 0;
	if (!apart) {
		caps = tap_caps();
		while (i < (unsigned)got && rx_fits(&udp.rx[i], caps))
			i++;
		rx_frames(i, caps);
	}
	rx_copy(i, (unsigned)got);
	if (!apart)
		udp.dropped += i - (unsigned)tap_commit(udp.slot, n, (int)i,
							true);
	rx_copied(i, (unsigned)got);

	rx_adapt((unsigned)got);
	return got == n;
}

void udp_listen_ready(union ev_ref ref, uint32_t mask)
{
	const struct listener *l = listener_at(ref);
	unsigned i;

	if (!l)
		return;
	if (mask & (EPOLLERR | EPOLLHUP))
		udp_errors(l->fd, NULL, l);
	if (!(mask & EPOLLIN))
		return;
	for (i = 0; i < ROUNDS && rx_batch(l->fd, NULL, l, ref); i++)
		;
}

void udp_sock_ready(union ev_ref ref, uint32_t mask)
{
	union flow *f = flow_at(ref);
	unsigned i;
	int fd;

	if (!f || f->h.type != FLOW_UDP || ref.side > 1)
		return;
	fd = f->udp.sock[ref.side];
	if (fd < 0)
		return;
	if (mask & (EPOLLERR | EPOLLHUP))
		udp_errors(fd, f, NULL);
	if (!(mask & EPOLLIN))
		return;
	if (f->udp.open) {
		touch(f, 1, 1);
		mcast_answers(f);
		return;
	}
	for (i = 0; i < ROUNDS && rx_batch(fd, f, NULL, ref); i++)
		;
}

/* go_on() - With a socket that had to wait, if it is still there */
static void go_on(union ev_ref ref)
{
	const struct listener *l = NULL;
	union flow *f = NULL;

	if (ref.type == EV_UDP)
		f = flow_at(ref);
	else
		l = listener_at(ref);

	if (f && f->h.type == FLOW_UDP && f->udp.sock[ref.side] >= 0) {
		(void)ev_mod(f->udp.sock[ref.side], EPOLLIN, ref);
		udp_sock_ready(ref, EPOLLIN);
	} else if (l) {
		(void)ev_mod(l->fd, EPOLLIN, ref);
		udp_listen_ready(ref, EPOLLIN);
	}
}

void udp_room(void)
{
	union ev_ref was[WAITING_MAX] not_cleared;
	unsigned n = udp.nwaiting, i;

	/* Read here and now: the room may be gone by the time of an event.
	 * Without a guest they are only to be emptied */
	memcpy(was, udp.waiting, n * sizeof(*was));
	udp.nwaiting = 0;
	for (i = 0; i < n && (tap_room() || !guest()->mac_known); i++)
		go_on(was[i]);

	/* Those that must wait again come behind those that did not get to it;
	 * at most one for each that went on, so there is room */
	n -= i;
	memmove(udp.waiting + n, udp.waiting,
		udp.nwaiting * sizeof(*udp.waiting));
	memcpy(udp.waiting, was + i, n * sizeof(*was));
	udp.nwaiting += n;
}
