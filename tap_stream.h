/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_stream.h - the guest port over a stream socket (passt): QEMU's
 * "-netdev stream" and whatever else speaks it
 */
#ifndef TAP_STREAM_H
#define TAP_STREAM_H

#include "tap.h"

extern const struct tap_ops tap_stream_ops;

/* tap_stream_init() - Memory for the port; nobody is connected then, so there
 * is no room and nothing to receive. Return: 0 or -errno */
int tap_stream_init(void);

/* tap_stream_attach() - Serve the guest at the other end of @fd, a connected
 * stream socket, which is then ours; watches it as EV_TAP. Return: 0 or
 * -errno, with @fd closed and nobody served */
int tap_stream_attach(int fd);

/* tap_stream_serving() - Somebody is attached, and has not hung up (which may
 * be known here before the port is tap_lost()) */
bool tap_stream_serving(void);

/* tap_stream_detach() - The guest left, or has to: forget what is half read or
 * half written, close the socket */
void tap_stream_detach(void);

/* tap_stream_writable() - EV_TAP said EPOLLOUT: there is room again */
void tap_stream_writable(void);

#endif /* TAP_STREAM_H */
