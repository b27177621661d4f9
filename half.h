/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * half.h - flows that can be given up when there are too many
 *
 * Whoever opens a flow that nobody has answered yet enters it. When slots of
 * the table, descriptors or memory run out, the oldest of them end first, so
 * that a flood of connections to nobody keeps no other one out.
 */
#ifndef HALF_H
#define HALF_H

#include <stdbool.h>

#include "flow.h"

/* half_enter() - @f is new, and nobody has answered; or is still not a whole one,
 * but more than before; or may always go, but not first as it is in use. Not for
 * datagrams with a socket of their own: FLOW_UDP_OUT */
void half_enter(union flow *f);

/* half_answered() - It is a whole one, and stays. Called for each segment */
static inline void half_answered(union flow *f)
{
	if (f->h.list >= FLOW_HALF + 1U && f->h.list <= FLOW_HALF_MORE + 1U)
		flow_unlist(f);
}

/*
 * half_retry() - Something has failed with @err, an error number; worth to be
 * tried once more? If so, there is a descriptor now, and some memory: what was
 * in store for the bypass has been closed; or if there was nothing, flows of
 * datagrams that are over; or a few that nobody has answered
 */
bool half_retry(int err);

/* half_is_over() - Is this flow of FLOW_UDP_OUT? Most likely: a question or two,
 * and the answer; or a conversation in which nothing has been said for long */
bool half_is_over(const union flow *f);

/* half_turn() - At the end of a turn: if few slots of the table are free for the
 * next one, end flows. Return: whether there are slots to be recycled */
bool half_turn(void);

#endif /* HALF_H */
