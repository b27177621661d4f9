/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_vnet.h - the virtio-net header: what offloads a frame needs
 */
#ifndef TAP_VNET_H
#define TAP_VNET_H

#include <linux/virtio_net.h>

#include "tap.h"

/* Newer than the headers we may be built with (kernel 6.2) */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

/* tap_vnet() - That of the frame that begins in slot @s, with @len bytes of data
 * in all, in host byte order */
struct virtio_net_hdr tap_vnet(const struct tap_slot *s, size_t len);

#endif /* TAP_VNET_H */
