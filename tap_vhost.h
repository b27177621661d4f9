/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_vhost.h - the guest port over virtqueues in the guest's own memory (passt
 * --vhost-user)
 */
#ifndef TAP_VHOST_H
#define TAP_VHOST_H

#include "ev.h"
#include "tap.h"

extern const struct tap_ops tap_vhost_ops;

/* tap_vhost_init() - Memory for the port; nobody is connected then, so there is
 * no room and nothing to receive. Return: 0 or -errno */
int tap_vhost_init(void);

/* tap_vhost_attach() - Serve the front-end at the other end of @fd, which is
 * then ours. Return: 0 or -errno, with @fd closed and nobody served */
int tap_vhost_attach(int fd);

/* tap_vhost_serving() - Somebody is attached, and has not hung up (which may be
 * known here before the port is tap_lost()) */
bool tap_vhost_serving(void);

/* tap_vhost_detach() - The front-end left, or has to */
void tap_vhost_detach(void);

/* tap_vhost_event() - EV_VHOST: a message, or a kick. What frames there are is
 * for tap_backlog() to say. Return: whether the guest has just begun to listen */
bool tap_vhost_event(union ev_ref ref);

#endif /* TAP_VHOST_H */
