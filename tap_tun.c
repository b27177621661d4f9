// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_tun.c - the guest port over a tuntap device
 *
 * One system call moves one frame, so frames should be large: with the
 * virtio-net header in front of each, a TCP or UDP super-frame of 64 KiB costs
 * one call, no checksums and no segmentation on either side. Without it
 * ("plain") everything still works, one MTU at a time.
 *
 * Received frames are packed one behind the other, as each is read into what is
 * left behind the last, so that small ones keep using the same few pages.
 * Batches are synchronous (written at commit, read again after done), so each
 * batch starts anew at the front, where the cache is warm.
 *
 * The vnet header of 10 bytes and the Ethernet header of 14 make 24: the IP
 * header behind is aligned.
 */
#include "tap_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "tap_arena.h"
#include "tap_vnet.h"
#include "util.h"

/* Newer than the headers we may be built with (kernel 6.2) */
#ifndef TUN_F_USO4
#define TUN_F_USO4			0x20
#define TUN_F_USO6			0x40
#endif

#define VNET_LEN	sizeof(struct virtio_net_hdr)

_Static_assert(sizeof(struct virtio_net_hdr) == 10, "legacy vnet header");

/* Longest frame taken from the device: a whole IPv6 packet and a VLAN tag. The
 * read asks for one byte more, to tell a frame that was cut */
#define RX_FRAME_MAX	(ETH_HLEN_ + 4 + IP6_HLEN + 65535)
#define RX_READ		(VNET_LEN + RX_FRAME_MAX + 1)
#define RX_ALIGN	64

/* A batch ends after this many bytes: more would only push what was read first
 * out of the caches, and keep memory for nothing */
#define RX_BUDGET	((size_t)512 << 10)
#define RX_ARENA	(RX_BUDGET + (size_t)69632)

_Static_assert(RX_READ + RX_ALIGN <= 69632, "receive slot");
_Static_assert(VNET_LEN <= TAP_FRONT, "header room");

/* One write: headers and the data of up to a batch of joined slots */
#define TX_IOV		(1 + TAP_BATCH)

static struct {
	int fd;
	bool vnet, uso, lost;
	struct iovec rx_iov[TAP_BATCH];
	struct tap_arena arena;

	/* frames dropped and why, for whoever debugs */
	uint64_t rx_bad, tx_lost, tx_busy;
} tun = { .fd = -1 };

int tap_tun_create(const char *name, bool plain)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd, e;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);

	if (!plain) {
		struct ifreq vnet = ifr;

		vnet.ifr_flags |= IFF_VNET_HDR;
		if (!ioctl(fd, TUNSETIFF, &vnet))
			return fd;
	}
	if ((plain || errno == EINVAL) && !ioctl(fd, TUNSETIFF, &ifr))
		return fd;

	e = errno;
	close(fd);
	return -e;
}

/* set_offloads() - Tell the kernel what super-frames we take; learn whether it
 * knows UDP segmentation */
static void set_offloads(void)
{
	const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 |
				  TUN_F_TSO_ECN;

	tun.uso = !ioctl(tun.fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6);
	if (!tun.uso && ioctl(tun.fd, TUNSETOFFLOAD, tso))
		debug_perror("no offload from the guest's device");
}

int tap_tun_open(int fd)
{
	int flags = fcntl(fd, F_GETFL), len = VNET_LEN;
	struct ifreq ifr = { 0 };
	int rc;

	/* This asks the descriptor, whatever namespace the device is in */
	if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr))
		return -errno;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	if ((ifr.ifr_flags & IFF_VNET_HDR) &&
	    ioctl(fd, TUNSETVNETHDRSZ, &len))
		return -errno;

	rc = tap_arena_map(&tun.arena, RX_ARENA);
	if (rc)
		return rc;

	tun.fd = fd;
	tun.uso = tun.lost = false;
	tun.rx_bad = tun.tx_lost = tun.tx_busy = 0;
	tun.vnet = ifr.ifr_flags & IFF_VNET_HDR;
	if (tun.vnet)
		set_offloads();
	debug("tap: %s, %s", ifr.ifr_name, !tun.vnet ? "no offloads" :
	      tun.uso ? "checksum, TCP and UDP segmentation offload" :
	      "checksum and TCP segmentation offload");
	return 0;
}

static void tun_caps(struct tap_caps *caps)
{
	*caps = (struct tap_caps){
		.max_frame = ETH_HLEN_ + 65535,
		.csum = tun.vnet,
		.tso = tun.vnet,
		.uso = tun.uso,
	};
}

/* gone() - Whether an error means that the device is no more: deleted, or its
 * namespace ended */
static bool gone(int error)
{
	switch (error) {
	case EBADFD:
	case EBADF:
	case ENODEV:
	case ENXIO:
		return true;
	default:
		return false;
	}
}

/* read_frame() - One frame with vnet header to @p. Return: bytes read, 0 if
 * that frame is to be ignored, -1 if there is none */
static ssize_t read_frame(uint8_t *p)
{
	size_t room = RX_READ;
	ssize_t n;

	if (!tun.vnet) {
		p += VNET_LEN;
		room -= VNET_LEN;
	}

	n = read(tun.fd, p, room);
	if (n < 0) {
		/* EINVAL: the kernel could not describe the frame, and has
		 * dropped it; EFAULT: how a vanishing device is reported to
		 * whoever was reading, as our buffer is good */
		if (errno == EINVAL || errno == EINTR)
			return 0;
		if (errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS)
			tun.lost = true;
		return -1;
	}
	if (!n) {
		tun.lost = true;
		return -1;
	}

	if ((size_t)n == room) {		/* cut short */
		tun.rx_bad++;
		return 0;
	}
	return tun.vnet ? n : n + (ssize_t)VNET_LEN;
}

static int tun_recv(struct tap_frame *f, int max)
{
	uint8_t *p = tun.arena.rx;
	int n = 0, tries;

	for (tries = 0; tries < max && p < tun.arena.rx + RX_BUDGET; tries++) {
		ssize_t len = read_frame(p);
		struct virtio_net_hdr vh;

		if (len < 0)
			break;
		if ((size_t)len < VNET_LEN + ETH_HLEN_) {
			tun.rx_bad++;
			continue;
		}

		tun.rx_iov[n].iov_base = p + VNET_LEN;
		tun.rx_iov[n].iov_len = (size_t)len - VNET_LEN;
		f[n].iov = &tun.rx_iov[n];
		f[n].niov = 1;
		f[n].len = (size_t)len - VNET_LEN;
		f[n].gso_size = 0;
		if (tun.vnet) {
			memcpy(&vh, p, sizeof(vh));
			if (vh.gso_type & ~VIRTIO_NET_HDR_GSO_ECN)
				f[n].gso_size = vh.gso_size;
		}

		n++;
		p += ((size_t)len + RX_ALIGN - 1) & ~(size_t)(RX_ALIGN - 1);
	}
	return n;
}

static void tun_done(int n)
{
	(void)n;				/* the next recv starts over */
}

static int tun_reserve(struct tap_slot *s, int max, size_t hdrlen,
		       size_t datalen)
{
	(void)hdrlen;				/* room for any, always */
	tap_arena_lend(&tun.arena, s, max, datalen);
	return max;
}

/* gather() - The elements of the frame in slots @s to @end into @iov[1...];
 * returns their number, *len is the bytes, all of the headers included */
static int gather(const struct tap_slot *s, const struct tap_slot *end,
		  struct iovec *iov, size_t *len)
{
	int n = 0;

	for (; s < end; s++) {
		size_t left = s->len;
		unsigned i;

		for (i = 0; i < s->ndata && left && n < TX_IOV - 1; i++, n++) {
			iov[n] = s->data[i];
			iov[n].iov_len = MIN(iov[n].iov_len, left);
			left -= iov[n].iov_len;
			*len += iov[n].iov_len;
		}
	}
	return n;
}

/* write_frame() - The frame in slots @s to @end; false if it must wait */
static bool write_frame(const struct tap_slot *s, const struct tap_slot *end)
{
	struct iovec iov[TX_IOV] = { { s->hdr, s->hdrlen } };
	size_t len = 0;
	int n = 1;

	n += gather(s, end, iov + 1, &len);
	if (tun.vnet) {
		struct virtio_net_hdr vh = tap_vnet(s, len);

		memcpy(s->hdr - VNET_LEN, &vh, sizeof(vh));
		iov[0].iov_base = s->hdr - VNET_LEN;
		iov[0].iov_len += VNET_LEN;
	}

	while (writev(tun.fd, iov, n) < 0) {
		switch (errno) {
		case EINTR:
			continue;
		case EAGAIN:
		case ENOBUFS:
		case ENOMEM:
			tun.tx_busy++;
			return false;
		default:
			/* Lost, as on a wire: the link may be down (EIO) */
			tun.lost |= gone(errno);
			tun.tx_lost++;
			return true;
		}
	}
	return true;
}

static int tun_commit(struct tap_slot *s, int n, int used, bool more)
{
	int i = 0;

	(void)n;
	(void)more;				/* nothing gained by waiting */

	while (i < used) {
		int end = i + 1;

		while (end < used && s[end].join)
			end++;
		if (!write_frame(s + i, s + end))
			break;
		i = end;
	}
	return i;
}

static void tun_flush(void)
{
}

static bool tun_lost(void)
{
	return tun.lost;
}

const struct tap_ops tap_tun_ops = {
	.caps		= tun_caps,
	.recv		= tun_recv,
	.done		= tun_done,
	.reserve	= tun_reserve,
	.commit		= tun_commit,
	.flush		= tun_flush,
	.lost		= tun_lost,
};
