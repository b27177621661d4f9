/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hdr.h - the wire formats: Ethernet, IPv4, IPv6, UDP, TCP, ICMP
 *
 * Reading: one frame becomes a struct pkt of plain host-order values plus a
 * cursor over what follows the L4 header. Lengths are checked against lengths
 * here, once; everything behind may rely on them. Writing: header templates
 * for frames to the guest, for either family by the addresses given.
 */
#ifndef HDR_H
#define HDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "cursor.h"

#define ETH_HLEN_		14
#define IP4_HLEN		20
#define IP6_HLEN		40
#define UDP_HLEN		8
#define TCP_HLEN		20	/* without options */
#define TCP_OPT_MAX		40
#define ICMP_HLEN		8

#define ETHTYPE_ARP		0x0806
#define ETHTYPE_IP4		0x0800
#define ETHTYPE_IP6		0x86dd

#define ETH_MIN_FRAME		60	/* without frame check sequence */

/* Room for the longest header we ever write: Ethernet, IPv6, TCP + options */
#define HDR_ROOM		(ETH_HLEN_ + IP6_HLEN + TCP_HLEN + TCP_OPT_MAX)

enum tcp_flag { TH_FIN = 1, TH_SYN = 2, TH_RST = 4, TH_PSH = 8, TH_ACK = 16,
		TH_URG = 32, TH_ECE = 64, TH_CWR = 128 };

/* One received frame, headers copied out; numbers in host order */
struct pkt {
	uint8_t		dmac[6], smac[6];
	uint16_t	ethertype;	/* ETHTYPE_* */
	uint8_t		proto;		/* IPPROTO_* after extension headers */
	uint8_t		ttl, tos;
	bool		df;		/* routers must not cut it (IPv6: never) */
	bool		l4;		/* UDP/TCP/ICMP header was read */
	bool		fragment;	/* it had an IPv6 fragment header, or was
					 * put together (the caller says so) */
	union addr	src, dst;	/* of IP */
	in_port_t	sport, dport;	/* UDP, TCP; ICMP echo: both = id */
	struct cursor	data;		/* ARP, IGMP: their message; else after
					 * the L4 header (TCP: and options) */
	union {
		struct {
			uint32_t seq, ack;
			uint16_t win;
			uint8_t	 flags;
			uint8_t	 optlen;
			uint8_t	 opt[TCP_OPT_MAX];
		} tcp;
		struct {
			uint8_t	 type, code;
			uint16_t id, seq;	/* of echo, else raw words */
		} icmp;
	};
	uint16_t	gso_size;	/* from the port: segment payload, or 0 */
};

enum hdr_verdict {
	HDR_OK,
	HDR_SHORT,		/* truncated or lying about its lengths */
	HDR_TYPE,		/* ethertype or protocol nobody handles */
	HDR_FRAG,		/* a fragment (caller may reassemble) */
	HDR_ADDR,		/* loopback or otherwise impossible address */
};

/*
 * hdr_parse() - Read a frame
 *
 * Ethernet destination is not checked. IPv4 options are skipped, IPv6
 * extension headers skipped up to a fixed number. Padding behind the IP
 * length is cut from the cursor; with @gso (the port says that the frame is a
 * super-frame) lengths still must agree. Checksums are not verified: on this
 * link the sender may leave them to "hardware".
 * Loopback source or destination is refused, multicast or broadcast source as
 * well. @p->data refers to @iov, which must stay valid.
 */
enum hdr_verdict hdr_parse(struct pkt *p, const struct iovec *iov, size_t len);

/* hdr_len() - Bytes of Ethernet + IP header for frames between these two */
static inline size_t hdr_ip_len(const union addr *dst)
{
	return ETH_HLEN_ + (addr_is4(dst) ? IP4_HLEN : IP6_HLEN);
}

/* What a frame to the guest has in common up to L4 */
struct hdr_ip {
	const uint8_t	*smac, *dmac;
	union addr	src, dst;	/* one family */
	uint8_t		proto, ttl, tos;
	bool		no_df;		/* IPv4: leave "don't fragment" off */
	uint32_t	flowlabel;	/* IPv6, host order, 20 bits */
};

/*
 * hdr_put_ip() - Write Ethernet and IP header
 * @buf:	at least hdr_ip_len() bytes
 * @l4len:	bytes of L4 header and payload
 * Return: bytes written. The IPv4 header checksum is final.
 */
size_t hdr_put_ip(uint8_t *buf, const struct hdr_ip *h, size_t l4len);

/*
 * hdr_put_tcp() - Write a TCP header with @optlen option bytes (multiple of 4);
 * returns bytes written; checksum field 0, see hdr_seal()
 */
size_t hdr_put_tcp(uint8_t *buf, in_port_t sport, in_port_t dport,
		   uint32_t seq, uint32_t ack, uint8_t flags, uint16_t win,
		   const uint8_t *opt, size_t optlen);

size_t hdr_put_udp(uint8_t *buf, in_port_t sport, in_port_t dport,
		   size_t datalen);

/*
 * hdr_seal() - Finish the L4 checksum of a frame written by the above
 * @frame:	start of the Ethernet header
 * @hdrlen:	bytes of all headers in @frame
 * @data:	payload elements that follow, @ndata of them
 * @partial:	true: store only the pseudo header sum and let the port (or the
 *		guest) finish, as for checksum offload; false: compute all
 *
 * UDP: a computed zero becomes 0xffff (RFC 768).
 */
void hdr_seal(uint8_t *frame, size_t hdrlen, const struct iovec *data,
	      unsigned ndata, bool partial);

#endif /* HDR_H */
