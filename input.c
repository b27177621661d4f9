// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * input.c - sort frames from the guest, hand them to their protocols
 *
 * Frames are pulled in batches. Headers are read here, once, into struct pkt;
 * consecutive packets of one flow form a run that its protocol gets as a
 * whole, so that looking up a flow, a system call and an acknowledgement are
 * paid per run and not per packet.
 */
#include "input.h"

#include "arp.h"
#include "dhcp.h"
#include "dhcpv6.h"
#include "frag.h"
#include "guest.h"
#include "hdr.h"
#include "icmp.h"
#include "igmp.h"
#include "log.h"
#include "ndp.h"
#include "tap.h"
#include "tcp.h"
#include "udp.h"
#include "util.h"

#define WANT_MIN		4	/* frames to ask for at least */
#define DHCP_SERVER_PORT	67
#define DHCPV6_SERVER_PORT	547

static struct {
	struct input_conf	conf;
	struct input_counters	count;
	int			want;	/* frames to ask for next time */
	struct pkt		pkt[TAP_BATCH];
} in;

void input_init(const struct input_conf *conf)
{
	in.conf = *conf;
	in.count = (struct input_counters){ 0 };
	in.want = WANT_MIN;
}

const struct input_counters *input_counters(void)
{
	return &in.count;
}

static bool same_run(const struct pkt *a, const struct pkt *b)
{
	return a->proto == b->proto && a->sport == b->sport &&
	       a->dport == b->dport && addr_eq(&a->src, &b->src) &&
	       addr_eq(&a->dst, &b->dst);
}

static void udp_run(const struct pkt *p, unsigned n)
{
	/* Requests to servers of ours come one by one */
	if ((p->dport == DHCP_SERVER_PORT && dhcp_input(p)) ||
	    (p->dport == DHCPV6_SERVER_PORT && dhcpv6_input(p))) {
		if (n > 1)
			udp_run(p + 1, n - 1);
		return;
	}
	if (in.conf.udp)
		udp_input(p, n);
}

static void icmp_run(const struct pkt *p, unsigned n)
{
	for (; n; n--, p++) {
		if (p->proto == IPPROTO_ICMPV6 && ndp_input(p))
			continue;
		if (p->proto == IPPROTO_ICMPV6 && in.conf.udp && mld_input(p))
			continue;
		if (in.conf.icmp)
			icmp_input(p);
	}
}

/* For --trace */
static void trace_run(const struct pkt *p, unsigned n)
{
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];

	if (p->ethertype == ETHTYPE_ARP)
		trace("From the guest: %u x ARP", n);
	else
		trace("From the guest: %u x protocol %u, %s to %s, %zu bytes",
		      n, p->proto, addr_port_str(&p->src, p->sport, src),
		      addr_port_str(&p->dst, p->dport, dst),
		      cur_left(&p->data));
}

static void dispatch(const struct pkt *p, unsigned n)
{
	if (!n)
		return;
	if (log_shown(LOG_LVL_TRACE))
		trace_run(p, n);
	guest_saw(p->smac, p->ethertype == ETHTYPE_ARP ? NULL : &p->src);
	if (p->ethertype == ETHTYPE_ARP) {
		for (; n; n--, p++)
			arp_input(p);
		return;
	}
	switch (p->proto) {
	case IPPROTO_TCP:
		if (in.conf.tcp)
			tcp_input(p, n);
		break;
	case IPPROTO_UDP:
		udp_run(p, n);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		icmp_run(p, n);
		break;
	case IPPROTO_IGMP:
		for (; in.conf.udp && n; n--, p++)
			igmp_input(p);
		break;
	default:
		in.count.ignored += n;
	}
}

/* Whether the family of the packet is in use */
static bool family_on(const struct pkt *p)
{
	enum guest_family f = p->ethertype == ETHTYPE_IP6 ? GUEST_V6 : GUEST_V4;

	return guest()->net[f].on;
}

/* A fragment; when it completes its datagram, that goes on alone */
static void fragment(const struct tap_frame *frame)
{
	struct iovec whole;
	struct pkt p;
	size_t len = frag_input(frame->iov, frame->len, &whole);

	in.count.fragments++;
	if (len && hdr_parse(&p, &whole, len) == HDR_OK && family_on(&p)) {
		p.gso_size = 0;
		p.fragment = true;
		dispatch(&p, 1);
	}
}

/* Read one frame's headers; what is not to be handled is counted */
static enum hdr_verdict parse(struct pkt *p, const struct tap_frame *frame)
{
	enum hdr_verdict v = hdr_parse(p, frame->iov, frame->len);

	if (v == HDR_OK && !family_on(p))
		v = HDR_TYPE;
	if (v == HDR_SHORT)
		in.count.malformed++;
	else if (v == HDR_TYPE)
		in.count.ignored++;
	else if (v == HDR_ADDR)
		in.count.spoofed++;
	p->gso_size = frame->gso_size;
	return v;
}

/* Follow the load: twice as many after a full batch. Not below a few, since
 * what belongs together (an acknowledgement and a request, a response and an
 * end of data) often comes in two frames */
static void adapt(int got)
{
	if (got == in.want)
		in.want = MIN(in.want * 2, TAP_BATCH);
	else
		in.want = MAX(got, WANT_MIN);
}

void input_ready(union ev_ref ref, uint32_t mask)
{
	struct tap_frame frame[TAP_BATCH] not_cleared;
	unsigned first = 0, n = 0;
	int got, i;

	(void)ref;
	(void)mask;
	got = tap_recv(frame, in.want);
	in.count.frames += (uint64_t)got;
	for (i = 0; i < got; i++) {
		struct pkt *p = &in.pkt[n];
		enum hdr_verdict v = parse(p, &frame[i]);

		if (v != HDR_OK && v != HDR_FRAG)
			continue;
		if (n > first &&
		    (v == HDR_FRAG || !same_run(&in.pkt[first], p))) {
			dispatch(&in.pkt[first], n - first);
			first = n;
		}
		if (v == HDR_FRAG)
			fragment(&frame[i]);
		else
			n++;
	}
	dispatch(&in.pkt[first], n - first);
	tap_done(got);
	adapt(got);
}
