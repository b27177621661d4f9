// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vnet.c - the virtio-net header: what offloads a frame needs
 *
 * The kernel's tap and a guest's virtio-net driver are told of partial
 * checksums and of segments to be cut in the same words, by a header in front
 * of each frame. What those words are for a slot of the guest port stands here.
 */
#include "tap_vnet.h"

#include "hdr.h"

static uint8_t gso_type(const struct tap_slot *s)
{
	switch ((enum tap_gso)s->gso) {
	case TAP_GSO_TCP4:
		return VIRTIO_NET_HDR_GSO_TCPV4;
	case TAP_GSO_TCP6:
		return VIRTIO_NET_HDR_GSO_TCPV6;
	case TAP_GSO_UDP:
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	case TAP_GSO_NONE:
		break;
	}
	return VIRTIO_NET_HDR_GSO_NONE;
}

struct virtio_net_hdr tap_vnet(const struct tap_slot *s, size_t len)
{
	struct virtio_net_hdr vh = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	const uint8_t *h = s->hdr;
	bool v4 = (h[12] << 8 | h[13]) == ETHTYPE_IP4;

	/* Also if the frame is plain: the kernel makes this much of the buffer
	 * contiguous, and with 0 tries to have all of it so */
	vh.hdr_len = (uint16_t)s->hdrlen;

	if (s->csum_partial) {
		uint8_t proto = v4 ? h[ETH_HLEN_ + 9] : h[ETH_HLEN_ + 6];

		vh.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vh.csum_start = ETH_HLEN_ + (v4 ? IP4_HLEN : IP6_HLEN);
		vh.csum_offset = proto == IPPROTO_TCP ? 16 : 6;
	}

	if (len > s->gso_size && s->gso_size)
		vh.gso_type = gso_type(s);
	if (vh.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		vh.gso_size = s->gso_size;
	return vh;
}
