// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vhost.c - the guest port over virtqueues in the guest's own memory
 *
 * What the guest sends is read where it lies. What it gets is written where it
 * shall lie, if that is known before: TCP data are read from the host socket
 * into chains of the guest's buffers, behind a hole for the headers, which are
 * put in front at commit.
 *
 *	slot i	  [ hole | data... ][ ...data... ][ ...data | not used ]
 *	slot i+1  [ hole | data... ] ...
 *
 * Chains are used strictly in order (tap_vring.c). So if a slot turns out to be
 * shorter than its chains, what follows it is moved forward at commit.
 *
 * Slots are lent from memory of our own, and copied, if it is not known how much
 * will come (TAP_DATA_MAX: a datagram may take one buffer or forty, and the ring
 * would be spoken for by a few of them), if we have to sum up the data ourselves,
 * and if the guest does not have a frame in several buffers. Then there may be
 * less room than was lent. Frames that find none wait here, in order, and so do
 * single short ones while there is none (rule C8); until they have gone, there
 * is no room for others. A guest that never makes room finds them gone, too.
 *
 * Kicks are asked for only if there is nothing left to do without: for frames
 * when none are left, for room when there was none. The guest is woken at the end
 * of a turn, but for TCP data, which the guest can work on meanwhile.
 */
#include "tap_vhost.h"

#include <endian.h>
#include <poll.h>
#include <string.h>

#include "log.h"
#include "pcap.h"
#include "tap_arena.h"
#include "tap_vmem.h"
#include "tap_vnet.h"
#include "timer.h"
#include "util.h"
#include "vhost.h"

/* Longest frame from the guest: a whole IPv6 packet and a VLAN tag */
#define RX_FRAME_MAX	(ETH_HLEN_ + 4 + IP6_HLEN + 65535U)
#define RX_BUDGET	((size_t)512 << 10)	/* bytes of a batch */
#define RX_SEGS_MAX	128U		/* UDP_MAX_SEGMENTS of the kernel */

/* Of the guest's memory, lent at a time unless it is a single slot: to fill more
 * would push the first of it out of the caches, and let the guest wait */
#define TX_BUDGET	((size_t)128 << 10)
#define TX_IOV		1024		/* pieces of the slots of a batch */
#define TX_PIECES	64		/* of one slot */
#define AHEAD		32		/* chains fetched at a time */

#define SHORT		1514U		/* a frame that may be an answer */
#define LATE		32		/* of them may wait */
#define WAIT_MAX	SEC		/* frames wait for room */

#define VNET_OLD	sizeof(struct virtio_net_hdr)
#define VNET_LEN	sizeof(struct virtio_net_hdr_mrg_rxbuf)

_Static_assert(VNET_LEN == 12 && VNET_OLD == 10, "vnet headers");

struct late {
	uint8_t		hdr[HDR_ROOM];
	uint8_t		data[SHORT];
	struct iovec	iov;
};

static struct {
	bool		lost;
	bool		heard;		/* the guest's side of it was up */

	/* from the guest */
	bool		backlog;	/* no kick has been asked for */
	unsigned	taken;		/* chains of the batch */

	/* to the guest */
	bool		full;		/* a kick has been asked for */
	unsigned	untold;		/* frames it was not woken for */
	struct iovec	iov[TX_IOV];
	struct tap_arena arena;

	struct tap_slot	wait[TAP_BATCH + LATE];	/* in the arena, or late */
	unsigned	wait_at, waits;
	uint64_t	wait_since;
	struct late	late[LATE];
	unsigned	nlate;

	uint64_t	rx_bad, tx_lost;
} port;

static size_t vnet_len(void)
{
	return vhost_features() & (VHOST_F_VERSION_1 | VHOST_F_MRG_RXBUF) ?
	       VNET_LEN : VNET_OLD;
}

/* Does the guest offer to do all of this? */
static bool agreed(uint64_t bits)
{
	return (vhost_features() & bits) == bits;
}

static struct vring *to_guest(void)
{
	return vhost_enabled(VHOST_TO_GUEST) ? vhost_ring(VHOST_TO_GUEST) :
					       NULL;
}

/* ---------------------------------------------------------------- the link */

static void forget_waiting(void)
{
	port.wait_at = port.waits = port.nlate = 0;
}

int tap_vhost_init(void)
{
	tap_vhost_detach();
	vmem_init();
	return tap_arena_map(&port.arena, 0);
}

int tap_vhost_attach(int fd)
{
	tap_vhost_detach();
	return vhost_attach(fd);
}

void tap_vhost_detach(void)
{
	vhost_detach();
	port.lost = port.heard = port.backlog = port.full = false;
	port.taken = port.untold = 0;
	forget_waiting();
}

bool tap_vhost_serving(void)
{
	struct pollfd p = { .fd = vhost_fd(), .events = POLLRDHUP };

	return p.fd >= 0 && !port.lost &&
	       (poll(&p, 1, 0) <= 0 || !p.revents);
}

static bool vhost_lost(void)
{
	if (!port.lost && vmem_torn()) {
		warn("vhost-user: the file of the guest's memory has become shorter: closing the connection");
		port.lost = true;
	}
	return port.lost;
}

static void vhost_caps(struct tap_caps *caps)
{
	*caps = (struct tap_caps){
		.max_frame = ETH_HLEN_ + 65535,
		.csum = agreed(VHOST_F_GUEST_CSUM),
		.tso = agreed(VHOST_F_GUEST_CSUM | VHOST_F_GUEST_TSO4 |
			      VHOST_F_GUEST_TSO6),
		.uso = agreed(VHOST_F_GUEST_CSUM | VHOST_F_GUEST_USO4 |
			      VHOST_F_GUEST_USO6),
	};
}

/* -------------------------------------------------------------- receiving */

/* segments() - Segment size of a frame of @len bytes, by what the guest says of
 * it. Return: false if it cannot be. For TCP it is of no interest: a long segment
 * is as good as several */
static bool segments(const struct virtio_net_hdr *vh, size_t len,
		     uint16_t *size)
{
	*size = 0;
	if (!agreed(VHOST_F_HOST_USO) ||
	    (vh->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) !=
	    VIRTIO_NET_HDR_GSO_UDP_L4)
		return true;
	*size = le16toh(vh->gso_size);
	/* More of them a kernel would refuse; we would send them all */
	return *size && len <= (size_t)*size * RX_SEGS_MAX + HDR_ROOM;
}

/* take() - A frame from chain @c, of which @iov are the pieces; false: it is
 * none */
static bool take(const struct vring_chain *c, struct iovec *iov,
		 struct tap_frame *f)
{
	struct virtio_net_hdr_mrg_rxbuf vh;
	size_t head = vnet_len(), done = 0;
	unsigned niov = c->niov;

	if (c->len < head + ETH_HLEN_ || c->len > head + RX_FRAME_MAX)
		return false;
	memset(&vh, 0, sizeof(vh));
	while (done < head) {
		size_t n = MIN(head - done, iov->iov_len);

		memcpy((uint8_t *)&vh + done, iov->iov_base, n);
		done += n;
		iov->iov_base = (uint8_t *)iov->iov_base + n;
		iov->iov_len -= n;
		if (!iov->iov_len) {
			iov++;
			niov--;
		}
	}
	/* From here on it is ours: never to be read again from there */
	__asm__ volatile("" : : : "memory");
	f->iov = iov;
	f->niov = niov;
	f->len = c->len - head;
	return segments(&vh.hdr, f->len, &f->gso_size);
}

/* give_back() - The guest may have what it sent; look for more of it, and ask to
 * be told if there is none */
static void give_back(struct vring *v)
{
	if (port.taken) {
		for (; port.taken; port.taken--)
			vring_use(v, 0);
		vring_publish(v);
		vhost_call(VHOST_FROM_GUEST);
	}
	port.backlog = v->n || vring_listen(v);
	if (port.backlog)
		vring_deaf(v);
}

static int vhost_recv(struct tap_frame *f, int max)
{
	struct vring *v = vhost_ring(VHOST_FROM_GUEST);
	size_t bytes = 0;
	unsigned i, n;
	int got = 0;

	port.backlog = false;
	if (!v || port.lost || max <= 0)
		return 0;
	n = vring_fetch(v, (unsigned)max);
	for (i = 0; i < n && bytes < RX_BUDGET; i++) {
		struct vring_chain *c = vring_chain(v, i);

		if (take(c, v->iov + c->iov, &f[got]))
			got++;
		else
			port.rx_bad++;
		bytes += c->len;
	}
	port.taken = i;
	if (!vhost_enabled(VHOST_FROM_GUEST))
		got = 0;
	if (!got)			/* then tap_done() does not come */
		give_back(v);
	return got;
}

static void vhost_done(int n)
{
	struct vring *v = vhost_ring(VHOST_FROM_GUEST);

	(void)n;
	if (v)
		give_back(v);
}

static bool vhost_backlog(void)
{
	return port.backlog && !port.lost;
}

/* -------------------------------------------------------------- sending */

/* Where bytes go to */
struct dst {
	struct iovec	*iov;
	size_t		off;
};

/* put() - Write @n bytes, unless they are there already. What is moved within
 * the ring only ever moves to the front, so nothing is overwritten that is still
 * to be moved */
static void put(struct dst *d, const void *src, size_t n)
{
	const uint8_t *p = src;

	while (n) {
		uint8_t *at = (uint8_t *)d->iov->iov_base + d->off;
		size_t len = MIN(n, d->iov->iov_len - d->off);

		if (at != p)
			memmove(at, p, len);
		p += len;
		n -= len;
		d->off += len;
		if (d->off == d->iov->iov_len) {
			d->iov++;
			d->off = 0;
		}
	}
}

/* put_vnet() - The header of the frame in slots from @s, @data bytes, in @k of
 * the guest's buffers */
static void put_vnet(struct dst *d, const struct tap_slot *s, size_t data,
		     unsigned k)
{
	struct virtio_net_hdr_mrg_rxbuf vh = { .hdr = tap_vnet(s, data) };

	/* Whoever made the sum needs not be checked */
	if (!s->csum_partial && agreed(VHOST_F_GUEST_CSUM))
		vh.hdr.flags |= VIRTIO_NET_HDR_F_DATA_VALID;
	vh.hdr.hdr_len = htole16(vh.hdr.hdr_len);
	vh.hdr.gso_size = htole16(vh.hdr.gso_size);
	vh.hdr.csum_start = htole16(vh.hdr.csum_start);
	vh.hdr.csum_offset = htole16(vh.hdr.csum_offset);
	vh.num_buffers = htole16((uint16_t)k);
	put(d, &vh, vnet_len());
}

/* put_frame() - Give the frame of slots @s to @end to the guest; false if there
 * is not enough room for it now */
static bool put_frame(struct vring *v, const struct tap_slot *s,
		      const struct tap_slot *end)
{
	size_t left = vnet_len() + s->hdrlen, data = 0, have = 0;
	bool many = agreed(VHOST_F_MRG_RXBUF);
	const struct tap_slot *t;
	unsigned k = 0, i;
	struct dst d;

	for (t = s; t < end; t++)
		data += t->len;
	left += data;
	while (have < left && (many || !k)) {
		if (k == v->n && vring_fetch(v, k + AHEAD) <= k)
			return false;
		have += vring_chain(v, k++)->len;
	}
	if (have < left) {		/* nor would another be larger */
		port.tx_lost++;
		return true;
	}

	d = (struct dst){ .iov = v->iov + vring_chain(v, 0)->iov };
	put_vnet(&d, s, data, k);
	put(&d, s->hdr, s->hdrlen);
	for (t = s; t < end; t++) {
		size_t rest = t->len;

		for (i = 0; i < t->ndata && rest; i++) {
			size_t n = MIN(rest, t->data[i].iov_len);

			put(&d, t->data[i].iov_base, n);
			rest -= n;
		}
	}
	for (; k; k--) {
		size_t n = MIN(left, vring_chain(v, 0)->len);

		vring_use(v, (uint32_t)n);
		left -= n;
	}
	port.untold++;
	return true;
}

/* no_room() - Ask for a kick; false if there is something by now */
static bool no_room(struct vring *v)
{
	port.full = !vring_listen(v);
	return port.full;
}

/* put_waiting() - Give what waits to the guest, as far as there is room */
static void put_waiting(struct vring *v)
{
	unsigned end, tries = 0;

	while (port.wait_at < port.waits) {
		for (end = port.wait_at + 1;
		     end < port.waits && port.wait[end].join; end++)
			;
		if (put_frame(v, port.wait + port.wait_at, port.wait + end)) {
			port.wait_at = end;
			tries = 0;
		} else if (no_room(v) || tries++) {
			port.full = true;
			break;
		}
	}
	vring_publish(v);
	if (port.wait_at == port.waits)
		forget_waiting();
}

/* lend_late() - Room for a single short frame while there is none */
static int lend_late(struct tap_slot *s, int max, size_t hdrlen,
		     size_t datalen)
{
	struct late *l = &port.late[port.nlate];

	if (max != 1 || port.nlate == LATE || hdrlen + datalen > SHORT)
		return 0;
	l->iov = (struct iovec){ l->data, datalen };
	*s = (struct tap_slot){
		.hdr = l->hdr, .data = &l->iov, .ndata = 1, .room = datalen,
	};
	return 1;
}

/* lend_slot() - Room in chains at hand from number *@c on, described in @iov, of
 * which there are @max. Return: pieces, 0 if that is not possible */
static unsigned lend_slot(struct vring *v, unsigned *c, struct tap_slot *s,
			  struct iovec *iov, unsigned max, size_t hole,
			  size_t datalen)
{
	size_t left = datalen;
	unsigned k = 0, i;

	while ((hole || left) &&
	       (*c < v->n || vring_fetch(v, *c + AHEAD) > *c)) {
		const struct vring_chain *chain = vring_chain(v, (*c)++);
		const struct iovec *p = v->iov + chain->iov;

		for (i = 0; i < chain->niov && (hole || left); i++, p++) {
			size_t skip = MIN(hole, p->iov_len);
			size_t n = MIN(left, p->iov_len - skip);

			hole -= skip;
			if (!n)
				continue;
			if (k == max)
				goto out;
			iov[k++] = (struct iovec){
				(uint8_t *)p->iov_base + skip, n,
			};
			left -= n;
		}
	}
out:
	if (hole || (datalen && left == datalen))
		return 0;
	*s = (struct tap_slot){
		.data = iov, .ndata = k, .room = datalen - left,
	};
	if (!k)				/* headers only: an empty piece */
		iov[k++] = (struct iovec){ port.arena.tx, 0 };
	return k;
}

/* lend_ring() - Slots in the guest's memory; 0 if there is no use in that: too
 * many small pieces, or not enough of them for a frame that must be whole */
static int lend_ring(struct vring *v, struct tap_slot *s, int max,
		     size_t hdrlen, size_t datalen)
{
	unsigned used = 0, chain = 0, k;
	size_t bytes = 0;
	int n = 0;

	do {
		k = lend_slot(v, &chain, &s[n], port.iov + used,
			      MIN(TX_PIECES, TX_IOV - used),
			      vnet_len() + hdrlen, datalen);
		if (!k)
			break;
		s[n].hdr = port.arena.hdr[n] + TAP_FRONT;
		used += k;
		bytes += datalen;
	} while (s[n++].room == datalen && n < max && used < TX_IOV &&
		 bytes + datalen <= TX_BUDGET);
	if (n == 1 && s->room < datalen && (max == 1 || k == TX_PIECES))
		return 0;
	return n;
}

static int vhost_reserve(struct tap_slot *s, int max, size_t hdrlen,
			 size_t datalen)
{
	struct vring *v = to_guest();
	int n = 0;

	if (!v || port.lost)
		return 0;
	if (!port.full && !vring_fetch(v, AHEAD) &&
	    !(vring_listen(v) && vring_fetch(v, AHEAD)))
		port.full = true;
	if (port.full)
		return lend_late(s, max, hdrlen, datalen);
	if (datalen < TAP_DATA_MAX && !pcap_on() &&
	    agreed(VHOST_F_MRG_RXBUF | VHOST_F_GUEST_CSUM))
		n = lend_ring(v, s, max, hdrlen, datalen);
	if (!n) {
		n = max;
		tap_arena_lend(&port.arena, s, n, datalen);
	}
	return n;
}

/* wait_for() - Slots @s to @end come later */
static void wait_for(const struct tap_slot *s, const struct tap_slot *end)
{
	if (!port.waits)
		port.wait_since = clock_now();
	for (; s < end && port.waits < ARRAY_LEN(port.wait); s++) {
		if (s->hdr == port.late[port.nlate % LATE].hdr)
			port.nlate++;
		port.wait[port.waits++] = *s;
	}
}

static int vhost_commit(struct tap_slot *s, int n, int used, bool more)
{
	struct vring *v = to_guest();
	int i = 0, end;

	(void)n;
	if (!v || port.lost || !used)
		return used;
	for (; i < used; i = end) {
		for (end = i + 1; end < used && s[end].join; end++)
			;
		if (port.waits || port.full || !put_frame(v, s + i, s + end))
			wait_for(s + i, s + end);
	}
	vring_publish(v);
	if (port.waits && !port.full)
		put_waiting(v);		/* or ask for room */
	if (!more && port.untold) {
		vhost_call(VHOST_TO_GUEST);
		port.untold = 0;
	}
	return used;
}

static void vhost_flush(void)
{
	if (port.untold)
		vhost_call(VHOST_TO_GUEST);
	port.untold = 0;
	if (port.waits && clock_now() - port.wait_since > WAIT_MAX) {
		port.tx_lost += port.waits - port.wait_at;
		forget_waiting();
		port.full = false;
	}
}

static unsigned vhost_held(void)
{
	return port.untold;
}

static bool vhost_room(void)
{
	return !port.full && !port.lost && to_guest();
}

static bool vhost_served(void)
{
	return !port.lost && to_guest();
}

/* -------------------------------------------------------------- events */

/* room_again() - There may be */
static void room_again(void)
{
	struct vring *v = to_guest();

	port.full = false;
	if (!v)
		return;
	vring_deaf(v);
	put_waiting(v);
}

bool tap_vhost_event(union ev_ref ref)
{
	struct vring *v = vhost_ring(VHOST_FROM_GUEST);
	bool heard;

	if (ref.index == VHOST_FROM_GUEST) {
		port.backlog = v;
		if (v)
			vring_deaf(v);
		return false;
	}
	if (ref.index == VHOST_TO_GUEST) {
		room_again();
		return false;
	}

	/* Rings may have been started, stopped, moved: look everywhere */
	port.lost = !vhost_messages() || port.lost;
	port.backlog = vhost_ring(VHOST_FROM_GUEST);
	room_again();
	heard = vhost_served();
	if (heard == port.heard)
		return false;
	port.heard = heard;
	return heard;
}

const struct tap_ops tap_vhost_ops = {
	.caps		= vhost_caps,
	.recv		= vhost_recv,
	.done		= vhost_done,
	.reserve	= vhost_reserve,
	.commit		= vhost_commit,
	.flush		= vhost_flush,
	.lost		= vhost_lost,
	.served		= vhost_served,
	.backlog	= vhost_backlog,
	.room		= vhost_room,
	.held		= vhost_held,
};
