// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost.c - the vhost-user back-end: messages of the front-end
 *
 * A message is a header of three numbers, a payload, and descriptors beside it.
 * What there is to a message is a row of a table: the size it must have, the
 * descriptors it must bring, the function that takes it. Whatever does not fit
 * its row, or has none, ends the connection with one line: there is no telling
 * what the front-end would make of an answer. The next one begins afresh.
 *
 * The numbers are in this machine's byte order: both ends are on one host.
 *
 * Of live migration nothing is offered yet. Its messages are rows to be added:
 * SET_LOG_BASE (6), SET_LOG_FD (7), SET_DEVICE_STATE_FD (42) and
 * CHECK_DEVICE_STATE (43), with feature bit 26, protocol features 1 and 19.
 */
#include "vhost.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ev.h"
#include "log.h"
#include "tap_vmem.h"
#include "util.h"

/* Header flags */
#define VERSION		1U
#define VERSION_MASK	3U
#define REPLY		4U
#define NEED_REPLY	8U

/* Protocol features */
#define PROTO_RARP	(UINT64_C(1) << 2)
#define PROTO_REPLY_ACK	(UINT64_C(1) << 3)
#define PROTO_NET_MTU	(UINT64_C(1) << 4)

#define OFFERED	(VHOST_F_CSUM | VHOST_F_GUEST_CSUM | VHOST_F_MTU |	\
		 VHOST_F_GUEST_TSO4 | VHOST_F_GUEST_TSO6 |		\
		 VHOST_F_HOST_TSO4 | VHOST_F_HOST_TSO6 |		\
		 VHOST_F_MRG_RXBUF | VHOST_F_INDIRECT_DESC |		\
		 VHOST_F_EVENT_IDX | VHOST_F_PROTOCOL |			\
		 VHOST_F_VERSION_1 | VHOST_F_GUEST_USO4 |		\
		 VHOST_F_GUEST_USO6 | VHOST_F_HOST_USO)
#define OFFERED_PROTO	(PROTO_RARP | PROTO_REPLY_ACK | PROTO_NET_MTU)

#define QUEUE_PAIRS	1U

/* In the payload of SET_VRING_KICK and its like */
#define RING_MASK	0xffU
#define RING_NO_FD	0x100U

#define MTU_MIN		68U		/* RFC 791 3.2 */
#define MTU_MAX		65535U

#define FDS_MAX		VMEM_REGIONS
#define MESSAGES	32		/* per event */

/* All that can come at once, and what stays. A guest may use up all descriptors,
 * be reset, and come again: then there have to be some for these */
#define SPARES		(FDS_MAX + 3 * VHOST_RINGS)

struct header {
	uint32_t	request, flags, size;
};

struct msg {
	struct header	h;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t n, padding;
			struct vmem_region r[VMEM_REGIONS];
		} mem;
		uint8_t	bytes[8 + VMEM_REGIONS * sizeof(struct vmem_region)];
	};
	int		fd[FDS_MAX];	/* -1: somebody has taken it */
	unsigned	nfd;
};

_Static_assert(sizeof(struct vmem_region) == 32, "wire format");
_Static_assert(sizeof(((struct msg *)0)->addr) == 40, "wire format");

struct ring {
	struct vring	v;
	int		kick, call, err;	/* eventfds, or -1 */
	uint16_t	base;
	bool		enabled;		/* by SET_VRING_ENABLE */
	bool		told_broken;
};

static struct {
	int		fd;		/* control socket, or -1 */
	uint64_t	features, proto;
	struct ring	ring[VHOST_RINGS];
	struct msg	msg;		/* being received */
	size_t		got;		/* bytes of it */
	struct log_few	told;		/* what was wrong */
	int		spare[SPARES];
	unsigned	nspare;
} dev = { .fd = -1 };

/* -------------------------------------------------------------- descriptors */

static void drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* drop_watched() - The front-end has its own descriptor of the same thing, so
 * closing ours would not end the watch */
static void drop_watched(int *fd)
{
	if (*fd >= 0)
		ev_del(*fd);
	drop_fd(fd);
}

static void drop_message(void)
{
	unsigned i;

	for (i = 0; i < dev.msg.nfd; i++)
		drop_fd(&dev.msg.fd[i]);
	dev.msg.nfd = 0;
	dev.got = 0;
}

/* take_fd() - The message's only descriptor, if it has one, takes the place of
 * @fd */
static void take_fd(struct msg *m, int *fd)
{
	drop_fd(fd);
	if (m->nfd) {
		*fd = m->fd[0];
		m->fd[0] = -1;
	}
}

static void spares_free(void)
{
	while (dev.nspare)
		close(dev.spare[--dev.nspare]);
}

/* spares_take() - As many as may still come, at once: before others have them */
static void spares_take(void)
{
	unsigned want = SPARES, i;

	for (i = 0; i < VHOST_RINGS; i++)
		want -= (dev.ring[i].kick >= 0) + (dev.ring[i].call >= 0) +
			(dev.ring[i].err >= 0);
	while (dev.nspare < want) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			break;
		dev.spare[dev.nspare++] = fd;
	}
}

/* take_event() - The same for what we will write to: we must not hang in it,
 * whatever it is */
static void take_event(struct msg *m, int *fd)
{
	int flags;

	take_fd(m, fd);
	flags = *fd < 0 ? O_NONBLOCK : fcntl(*fd, F_GETFL);
	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(*fd, F_SETFL, flags | O_NONBLOCK);
}

static void event_write(int fd)
{
	const uint64_t one = 1;

	/* If it cannot count any more, it has been told often enough */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		debug_perror("Cannot wake the guest");
}

/* -------------------------------------------------------------- handlers */

enum verdict {
	DONE,
	REFUSED,			/* told if it wants to know */
	ANSWER,				/* payload and size are in the message */
	BAD,				/* the connection ends; it was told why */
};

printf_like(1, 2)
static enum verdict bad(const char *format, ...)
{
	char text[128];
	va_list args;

	if (!log_few(&dev.told))
		return BAD;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	warn("vhost-user: %s: closing the connection", text);
	return BAD;
}

static enum verdict answer(struct msg *m, uint64_t value)
{
	m->u64 = value;
	m->h.size = sizeof(m->u64);
	return ANSWER;
}

/* ring_at() - Number @i, or NULL, and a line */
static struct ring *ring_at(uint64_t i)
{
	if (i < VHOST_RINGS)
		return &dev.ring[i];
	bad("there is no ring %llu", (unsigned long long)i);
	return NULL;
}

/* stopped() - The same, for what may not change while it runs */
static struct ring *stopped(uint64_t i)
{
	struct ring *r = ring_at(i);

	if (!r || !r->v.runs)
		return r;
	bad("ring %llu is changed while it runs", (unsigned long long)i);
	return NULL;
}

static enum verdict get_features(struct msg *m)
{
	return answer(m, OFFERED);
}

static enum verdict set_features(struct msg *m)
{
	unsigned i;

	if (m->u64 & ~OFFERED)
		return bad("features %#llx were not offered",
			   (unsigned long long)(m->u64 & ~OFFERED));
	/* What came before version 1 has the guest's byte order */
	if (!(m->u64 & VHOST_F_VERSION_1) && htole16(1) != 1)
		return bad("virtio before version 1 is not possible here");
	dev.features = m->u64;
	for (i = 0; i < VHOST_RINGS; i++) {
		dev.ring[i].v.event_idx = m->u64 & VHOST_F_EVENT_IDX;
		vring_remap(&dev.ring[i].v);
	}
	return DONE;
}

static enum verdict set_owner(struct msg *m)
{
	(void)m;
	return DONE;
}

/* Obsolete; "to disable all rings" is what is left of it */
static enum verdict reset_owner(struct msg *m)
{
	unsigned i;

	(void)m;
	for (i = 0; i < VHOST_RINGS; i++)
		dev.ring[i].enabled = false;
	return DONE;
}

static enum verdict set_mem_table(struct msg *m)
{
	const char *wrong = vmem_map(m->mem.r, m->fd, m->mem.n);
	unsigned i;

	for (i = 0; i < VHOST_RINGS; i++)
		vring_remap(&dev.ring[i].v);
	return wrong ? bad("%s", wrong) : DONE;
}

static enum verdict set_vring_num(struct msg *m)
{
	struct ring *r = stopped(m->state.index);

	if (!r)
		return BAD;
	if (!vring_size_ok(m->state.num))
		return bad("a ring of %u entries: powers of two to %u are possible",
			   m->state.num, VRING_MAX);
	r->v.num = m->state.num;
	return DONE;
}

static enum verdict set_vring_addr(struct msg *m)
{
	struct ring *r = ring_at(m->addr.index);

	if (!r)
		return BAD;
	r->v.desc_at = m->addr.desc;
	r->v.avail_at = m->addr.avail;
	r->v.used_at = m->addr.used;
	vring_remap(&r->v);
	return DONE;
}

static enum verdict set_vring_base(struct msg *m)
{
	struct ring *r = stopped(m->state.index);

	if (!r)
		return BAD;
	if (m->state.num > UINT16_MAX)
		return bad("ring %u cannot begin at entry %u", m->state.index,
			   m->state.num);
	r->base = (uint16_t)m->state.num;
	return DONE;
}

static enum verdict get_vring_base(struct msg *m)
{
	struct ring *r = ring_at(m->state.index);

	if (!r)
		return BAD;
	if (r->v.runs)
		r->base = vring_stop(&r->v);
	drop_watched(&r->kick);
	drop_fd(&r->call);
	m->state.num = r->base;
	m->h.size = sizeof(m->state);
	return ANSWER;
}

/* ring_fd() - Whose descriptor comes with a message, or does not */
static struct ring *ring_fd(const struct msg *m)
{
	return ring_at(m->u64 & ~(uint64_t)RING_NO_FD);
}

static enum verdict set_vring_kick(struct msg *m)
{
	struct ring *r = ring_fd(m);
	union ev_ref ref = { .type = EV_VHOST };
	int rc;

	if (!r)
		return BAD;
	drop_watched(&r->kick);
	take_fd(m, &r->kick);
	if (r->kick < 0)
		return bad("a ring without kicks, to be polled, is not possible");
	ref.index = (uint32_t)(r - dev.ring);
	/* Edge-triggered: a kick is news, there is no need to read it */
	rc = ev_add(r->kick, EPOLLIN | EPOLLET, ref);
	if (rc)
		return bad("kicks cannot be watched: %s", strerror(-rc));
	if (!r->v.runs) {
		r->told_broken = false;
		r->v.to_guest = ref.index == VHOST_TO_GUEST;
		vring_start(&r->v, r->base);
	}
	return DONE;
}

static enum verdict set_vring_call(struct msg *m)
{
	struct ring *r = ring_fd(m);

	if (!r)
		return BAD;
	take_event(m, &r->call);
	/* Something may have been told to the one before, in vain */
	if (r->v.runs)
		event_write(r->call);
	return DONE;
}

static enum verdict set_vring_err(struct msg *m)
{
	struct ring *r = ring_fd(m);

	if (!r)
		return BAD;
	take_event(m, &r->err);
	return DONE;
}

static enum verdict set_vring_enable(struct msg *m)
{
	struct ring *r = ring_at(m->state.index);

	if (!r)
		return BAD;
	if (m->state.num > 1)
		return bad("ring %u enabled by %u: 0 and 1 are possible",
			   m->state.index, m->state.num);
	r->enabled = m->state.num;
	return DONE;
}

static enum verdict get_protocol_features(struct msg *m)
{
	return answer(m, OFFERED_PROTO);
}

static enum verdict set_protocol_features(struct msg *m)
{
	if (m->u64 & ~OFFERED_PROTO)
		return bad("protocol features %#llx were not offered",
			   (unsigned long long)(m->u64 & ~OFFERED_PROTO));
	dev.proto = m->u64;
	return DONE;
}

static enum verdict get_queue_num(struct msg *m)
{
	return answer(m, QUEUE_PAIRS);
}

/* For those who have to tell a network of a guest's new place; we have none, and
 * learn addresses from what it sends */
static enum verdict send_rarp(struct msg *m)
{
	(void)m;
	return DONE;
}

/* What the guest is told by its device; all that IP knows is fine with us */
static enum verdict net_set_mtu(struct msg *m)
{
	return m->u64 >= MTU_MIN && m->u64 <= MTU_MAX ? DONE : REFUSED;
}

/* -------------------------------------------------------------- the table */

enum fds { NONE, ONE, REGIONS };	/* ONE: unless the payload says none */

static const struct row {
	const char	*name;
	enum verdict	(*take)(struct msg *m);
	uint8_t		size;		/* of the payload; REGIONS: at least */
	uint8_t		fds;
} rows[] = {
	[1]  = { "GET_FEATURES", get_features, 0, NONE },
	[2]  = { "SET_FEATURES", set_features, 8, NONE },
	[3]  = { "SET_OWNER", set_owner, 0, NONE },
	[4]  = { "RESET_OWNER", reset_owner, 0, NONE },
	[5]  = { "SET_MEM_TABLE", set_mem_table, 8, REGIONS },
	[8]  = { "SET_VRING_NUM", set_vring_num, 8, NONE },
	[9]  = { "SET_VRING_ADDR", set_vring_addr, 40, NONE },
	[10] = { "SET_VRING_BASE", set_vring_base, 8, NONE },
	[11] = { "GET_VRING_BASE", get_vring_base, 8, NONE },
	[12] = { "SET_VRING_KICK", set_vring_kick, 8, ONE },
	[13] = { "SET_VRING_CALL", set_vring_call, 8, ONE },
	[14] = { "SET_VRING_ERR", set_vring_err, 8, ONE },
	[15] = { "GET_PROTOCOL_FEATURES", get_protocol_features, 0, NONE },
	[16] = { "SET_PROTOCOL_FEATURES", set_protocol_features, 8, NONE },
	[17] = { "GET_QUEUE_NUM", get_queue_num, 0, NONE },
	[18] = { "SET_VRING_ENABLE", set_vring_enable, 8, NONE },
	[19] = { "SEND_RARP", send_rarp, 8, NONE },
	[20] = { "NET_SET_MTU", net_set_mtu, 8, NONE },
};

static const struct row *row_of(uint32_t request)
{
	return request < ARRAY_LEN(rows) && rows[request].take ?
	       &rows[request] : NULL;
}

/* check_header() - All that can be said before the payload has come */
static bool check_header(const struct header *h)
{
	const struct row *row = row_of(h->request);

	if ((h->flags & VERSION_MASK) != VERSION || h->flags & REPLY) {
		bad("flags %#x, not those of a request", h->flags);
		return false;
	}
	if (!row) {
		bad("unknown request %u", h->request);
		return false;
	}
	if (row->fds == REGIONS ?
	    h->size >= row->size && h->size <= sizeof(dev.msg.bytes) :
	    h->size == row->size)
		return true;
	bad("%s with %u bytes of payload", row->name, h->size);
	return false;
}

/* check_payload() - Do payload and descriptors go together? */
static bool check_payload(const struct row *row, const struct msg *m)
{
	unsigned want = 0;

	if (row->fds == ONE)
		want = !(m->u64 & RING_NO_FD);
	if (row->fds == REGIONS) {
		want = m->mem.n;
		if (want > VMEM_REGIONS || m->h.size !=
		    row->size + want * sizeof(struct vmem_region)) {
			bad("%s with %u bytes of payload for %u regions",
			    row->name, m->h.size, want);
			return false;
		}
	}
	if (m->nfd == want)
		return true;
	bad("%s with %u descriptors, not %u", row->name, m->nfd, want);
	return false;
}

static bool reply(struct msg *m)
{
	struct iovec iov[2] = {
		{ &m->h, sizeof(m->h) }, { m->bytes, m->h.size },
	};
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t len = sizeof(m->h) + m->h.size;

	m->h.flags = VERSION | REPLY;
	if (sendmsg(dev.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	bad("an answer is not read");
	return false;
}

static bool handle(void)
{
	struct msg *m = &dev.msg;
	const struct row *row = row_of(m->h.request);
	bool ack = m->h.flags & NEED_REPLY;
	enum verdict v;

	if (!row || !check_payload(row, m))
		return false;
	v = row->take(m);
	trace("vhost-user: %s: %u", row->name, v);
	if (v == BAD)
		return false;
	ack = ack && dev.proto & PROTO_REPLY_ACK;
	if (v != ANSWER && ack)
		answer(m, v);
	return v == ANSWER || ack ? reply(m) : true;
}

/* -------------------------------------------------------------- receiving */

/* take_fds() - Descriptors that came along; false: more than any message has, or
 * than we can open */
static bool take_fds(struct msghdr *h)
{
	struct msg *m = &dev.msg;
	struct cmsghdr *c;
	bool over = h->msg_flags & MSG_CTRUNC;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (m->nfd < FDS_MAX) {
				m->fd[m->nfd++] = fd;
			} else {
				close(fd);
				over = true;
			}
		}
	}
	if (over)
		bad("more descriptors than can be taken");
	return !over;
}

/* read_some() - Up to @n bytes to @p. Return: more than 0, 0: later, -1: never */
static ssize_t read_some(void *p, size_t n)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { p, n };
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got;

	do
		got = recvmsg(dev.fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got <= 0)
		return -1;
	return take_fds(&h) ? got : -1;
}

/* receive() - Go on with a message. Return: 1 when it is whole, 0: wait, -1: the
 * front-end has gone, or has to */
static int receive(void)
{
	struct msg *m = &dev.msg;
	const size_t head = sizeof(m->h);
	ssize_t n;

	while (dev.got < head) {
		n = read_some((uint8_t *)&m->h + dev.got, head - dev.got);
		if (n <= 0)
			return (int)n;
		dev.got += (size_t)n;
		if (dev.got == head && !check_header(&m->h))
			return -1;
	}
	while (dev.got < head + m->h.size) {
		n = read_some(m->bytes + dev.got - head,
			      head + m->h.size - dev.got);
		if (n <= 0)
			return (int)n;
		dev.got += (size_t)n;
	}
	return 1;
}

bool vhost_messages(void)
{
	unsigned i;
	int rc = 1;

	spares_free();
	for (i = 0; i < MESSAGES && rc > 0; i++) {
		rc = receive();
		if (rc > 0 && !handle())
			rc = -1;
		else if (rc > 0)
			drop_message();
	}
	if (rc < 0)
		drop_message();
	spares_take();
	return rc >= 0;
}

/* -------------------------------------------------------------- the device */

int vhost_attach(int fd)
{
	union ev_ref ref = { .type = EV_VHOST };
	unsigned i;
	int rc;

	for (i = 0; i < VHOST_RINGS && dev.fd < 0; i++)
		dev.ring[i].kick = dev.ring[i].call = dev.ring[i].err = -1;
	vhost_detach();
	dev.fd = fd;
	spares_take();
	ref.index = VHOST_CONTROL;
	rc = ev_add(fd, EPOLLIN, ref);
	if (rc)
		vhost_detach();
	return rc;
}

void vhost_detach(void)
{
	unsigned i;

	if (dev.fd < 0)
		return;
	drop_message();
	for (i = 0; i < VHOST_RINGS; i++) {
		struct ring *r = &dev.ring[i];

		drop_watched(&r->kick);
		drop_fd(&r->call);
		drop_fd(&r->err);
		r->base = 0;
		r->enabled = false;
		memset(&r->v, 0, offsetof(struct vring, chain));
	}
	vmem_unmap();
	drop_watched(&dev.fd);
	dev.features = dev.proto = 0;
	spares_take();
}

int vhost_fd(void)
{
	return dev.fd;
}

uint64_t vhost_features(void)
{
	return dev.features;
}

struct vring *vhost_ring(enum vhost_ring i)
{
	struct ring *r = &dev.ring[i];

	if (vring_ok(&r->v))
		return &r->v;
	if (r->v.broken && !r->told_broken) {
		r->told_broken = true;
		if (log_few(&dev.told))
			warn("The guest has put nonsense into its ring %u, which stops",
			     i);
		event_write(r->err);
	}
	return NULL;
}

bool vhost_enabled(enum vhost_ring i)
{
	return dev.ring[i].enabled || !(dev.features & VHOST_F_PROTOCOL);
}

void vhost_call(enum vhost_ring i)
{
	if (vring_due(&dev.ring[i].v))
		event_write(dev.ring[i].call);
}
