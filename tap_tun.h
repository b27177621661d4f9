/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_tun.h - the guest port over a tuntap device (pasta)
 */
#ifndef TAP_TUN_H
#define TAP_TUN_H

#include <stdbool.h>

#include "tap.h"

extern const struct tap_ops tap_tun_ops;

/*
 * tap_tun_create() - Make the device in the network namespace of the caller
 * @name:	interface name. A persistent tap device of that name is joined, as
 *		some who start us make it themselves, if nobody else has it
 * @plain:	do without the virtio-net header (no offloads)
 *
 * Runs inside ns_call(). Return: descriptor, or -errno (-ENOENT: no
 * /dev/net/tun, -EACCES / -EPERM: not allowed, -EBUSY: somebody has that one,
 * -EINVAL: a device of another kind has the name)
 */
int tap_tun_create(const char *name, bool plain);

/* tap_tun_open() - Serve the device behind @fd from now on: maps the arenas,
 * learns from the kernel which offloads it has. Return: 0 or -errno */
int tap_tun_open(int fd);

#endif /* TAP_TUN_H */
