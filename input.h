/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.h - sort frames from the guest, hand them to their protocols
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "ev.h"

struct input_conf {
	bool tcp, udp, icmp;		/* protocols that are on */
};

struct input_counters {
	uint64_t frames;		/* all from the guest */
	uint64_t malformed;		/* truncated, lengths that do not agree */
	uint64_t ignored;		/* types nobody handles, family is off */
	uint64_t spoofed;		/* loopback or impossible addresses */
	uint64_t fragments;
};

void input_init(const struct input_conf *conf);

/* input_ready() - The guest port has frames: one batch */
void input_ready(union ev_ref ref, uint32_t mask);

const struct input_counters *input_counters(void);

#endif /* INPUT_H */
