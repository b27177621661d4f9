/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_out.h - everything TCP sends to the guest: data, flags, resets
 *
 * These functions never end a connection: they return a verdict, and tcp.c
 * acts on it.
 */
#ifndef TCP_OUT_H
#define TCP_OUT_H

#include <stdbool.h>

#include "flow.h"
#include "hdr.h"

enum tcp_verdict {
	TCP_OK,			/* nothing more to do until an event */
	TCP_MORE,		/* budget used up, or the guest had no room */
	TCP_RESET,		/* the host socket failed */
};

/* tcp_can_send() - There may be data or an end of data that tcp_send_data()
 * could send now */
bool tcp_can_send(const union flow *f);

/*
 * tcp_send_data() - What the host socket has and the guest's window allows, up
 * to a budget; the end of data becomes a FIN. Sets TF_RX_DRY when the socket
 * has no more, TF_HOST_EOF and TF_FIN_SENT at its end.
 */
enum tcp_verdict tcp_send_data(union flow *f);

/* tcp_send_rest() - The host socket was reset: what it has received before, as far
 * as the guest's window allows. That the kernel calls what follows an end of data
 * does not make it one. Then comes the reset */
void tcp_send_rest(union flow *f);

/* tcp_resend() - Once more what is unacknowledged, from the oldest byte, one
 * frame */
enum tcp_verdict tcp_resend(union flow *f);

/* tcp_send_flags() - A segment without data: any of TH_SYN, TH_ACK, TH_FIN,
 * TH_RST. Takes care of options, window and TF_ACK_* flags. False if the port
 * had no room */
bool tcp_send_flags(union flow *f, uint8_t flags);

/* tcp_send_probe() - An empty segment below the window, which any living guest
 * acknowledges (zero window, keep-alive) */
bool tcp_send_probe(union flow *f);

/* tcp_send_rst_for() - Reset in answer to a segment of no connection */
void tcp_send_rst_for(const struct pkt *p);

/* tcp_consume() - Take out of the host socket what the guest has acknowledged.
 * False if the socket failed */
bool tcp_consume(union flow *f);

#endif /* TCP_OUT_H */
