/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost.h - the vhost-user back-end: messages of the front-end (the monitor of
 * a virtual machine), and what they set up: memory, features, two rings
 */
#ifndef VHOST_H
#define VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "tap_vring.h"

/* Rings, by their numbers in messages */
enum vhost_ring { VHOST_TO_GUEST, VHOST_FROM_GUEST, VHOST_RINGS };

/* Of EV_VHOST references, .index is the number of the ring that was kicked, or */
#define VHOST_CONTROL	VHOST_RINGS

/* Feature bits of the device: virtio 1.2, 5.1.3 and 6; and of vhost-user */
#define VHOST_F_CSUM		(UINT64_C(1) << 0)
#define VHOST_F_GUEST_CSUM	(UINT64_C(1) << 1)
#define VHOST_F_MTU		(UINT64_C(1) << 3)
#define VHOST_F_GUEST_TSO4	(UINT64_C(1) << 7)
#define VHOST_F_GUEST_TSO6	(UINT64_C(1) << 8)
#define VHOST_F_HOST_TSO4	(UINT64_C(1) << 11)
#define VHOST_F_HOST_TSO6	(UINT64_C(1) << 12)
#define VHOST_F_MRG_RXBUF	(UINT64_C(1) << 15)
#define VHOST_F_INDIRECT_DESC	(UINT64_C(1) << 28)
#define VHOST_F_EVENT_IDX	(UINT64_C(1) << 29)
#define VHOST_F_PROTOCOL	(UINT64_C(1) << 30)
#define VHOST_F_VERSION_1	(UINT64_C(1) << 32)
#define VHOST_F_GUEST_USO4	(UINT64_C(1) << 54)
#define VHOST_F_GUEST_USO6	(UINT64_C(1) << 55)
#define VHOST_F_HOST_USO	(UINT64_C(1) << 56)

/* vhost_attach() - Serve the front-end at the other end of @fd, a connected
 * stream socket, which is then ours; watches it, and the kicks of rings once
 * there are any, as EV_VHOST. Return: 0 or -errno, with @fd closed */
int vhost_attach(int fd);

/* vhost_detach() - Close all, forget all */
void vhost_detach(void);

/* vhost_fd() - The front-end's socket, or -1 */
int vhost_fd(void);

/* vhost_messages() - Handle what has come from the front-end. Return: false if
 * it has gone, or has to, of which the reason was told */
bool vhost_messages(void);

/* vhost_features() - What front-end and guest agreed to */
uint64_t vhost_features(void);

/* vhost_ring() - Ring @i, or NULL unless it has been started, and is sane */
struct vring *vhost_ring(enum vhost_ring i);

/* vhost_enabled() - May ring @i carry frames? If not, what the guest sends is to
 * be dropped */
bool vhost_enabled(enum vhost_ring i);

/* vhost_call() - Tell the guest what is new in ring @i, if it wants to know */
void vhost_call(enum vhost_ring i);

#endif /* VHOST_H */
