// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * arp.c - answer for every IPv4 address but the guest's own
 *
 * The guest's link has two ends, and all the world is behind ours: whatever
 * address the guest asks for, the frames for it must come to us (proxy ARP,
 * RFC 1027). That we answer its probe for an address that it was not assigned
 * is meant: on the host's side that address belongs to somebody else. Where the
 * host knows that somebody's MAC address, the guest gets to know it as well.
 *
 * Read into a struct, decide, write: only arp_input() is not pure.
 */
#include "arp.h"

#include "guest.h"
#include "neigh.h"
#include "send.h"

#define ARP_HW_ETHER	1
#define ARP_REQUEST	1
#define ARP_REPLY	2
#define ARP_LEN		28	/* of a packet for Ethernet and IPv4 */

static const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };

struct arp {
	uint16_t op;
	uint8_t sha[6], tha[6];		/* hardware: sender's, target's */
	union addr spa, tpa;		/* protocol: sender's, target's */
};

/* read16() - Big endian number */
static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* arp_read() - False if it is not ARP for Ethernet and IPv4 (RFC 826) */
static bool arp_read(struct cursor *c, struct arp *a)
{
	struct in_addr spa, tpa;
	uint8_t h[8];

	if (!cur_pull(c, h, sizeof(h)) || !cur_pull(c, a->sha, 6) ||
	    !cur_pull(c, &spa, 4) || !cur_pull(c, a->tha, 6) ||
	    !cur_pull(c, &tpa, 4))
		return false;
	if (read16(h) != ARP_HW_ETHER || read16(h + 2) != ETHTYPE_IP4 ||
	    h[4] != 6 || h[5] != 4)
		return false;

	a->op = read16(h + 6);
	a->spa = addr_from4(spa);
	a->tpa = addr_from4(tpa);
	return true;
}

/* mac_of() - Behind which MAC address the guest shall see @a */
static const uint8_t *mac_of(const union addr *a)
{
	const uint8_t *mac = neigh_mac(a);

	return mac ? mac : guest()->our_mac;
}

/* arp_send() - The frame comes from who it speaks for */
static bool arp_send(const struct arp *a, const uint8_t *dmac)
{
	uint8_t buf[ARP_LEN];
	struct writer w;

	wr_init(&w, buf, sizeof(buf));
	wr_be16(&w, ARP_HW_ETHER);
	wr_be16(&w, ETHTYPE_IP4);
	wr_u8(&w, 6);
	wr_u8(&w, 4);
	wr_be16(&w, a->op);
	wr_put(&w, a->sha, 6);
	wr_put(&w, a->spa.b + 12, 4);
	wr_put(&w, a->tha, 6);
	wr_put(&w, a->tpa.b + 12, 4);
	return wr_ok(&w) && send_eth(ETHTYPE_ARP, a->sha, dmac, buf, w.len);
}

/* arp_wanted() - Shall we answer? */
static bool arp_wanted(const struct arp *a)
{
	/* Replies are good for learning the MAC, which input did already */
	if (a->op != ARP_REQUEST)
		return false;
	/* An announcement asks nobody (RFC 5227 2.3) */
	if (addr_eq(&a->spa, &a->tpa))
		return false;
	/* Conflict detection of its own address has to pass (RFC 5227 2.1.1),
	 * that of any other fails on purpose */
	return !guest_is_self(&a->tpa);
}

void arp_input(const struct pkt *p)
{
	struct cursor c = p->data;
	struct arp ask, answer;

	if (!guest()->net[GUEST_V4].on || !arp_read(&c, &ask) ||
	    !arp_wanted(&ask))
		return;

	/* RFC 826: swap, fill in, send to the new target hardware address */
	answer = (struct arp){ .op = ARP_REPLY, .spa = ask.tpa,
			       .tpa = ask.spa };
	memcpy(answer.sha, mac_of(&ask.tpa), 6);
	memcpy(answer.tha, ask.sha, 6);
	arp_send(&answer, ask.sha);
}

void arp_tell(const union addr *a)
{
	struct arp tell = { .op = ARP_REQUEST, .spa = *a, .tpa = *a };

	if (!guest()->net[GUEST_V4].on || !addr_is4(a))
		return;
	memcpy(tell.sha, mac_of(a), 6);		/* RFC 5227 2.3 */
	arp_send(&tell, bcast);
}

void arp_announce(void)
{
	const struct guest_net *net = &guest()->net[GUEST_V4];
	struct arp ask = { .op = ARP_REQUEST, .spa = net->our,
			   .tpa = net->addr };

	if (!net->on || !addr_is4(&net->our) || !addr_is4(&net->addr))
		return;

	memcpy(ask.sha, guest()->our_mac, 6);
	memcpy(ask.tha, bcast, 6);
	arp_send(&ask, bcast);
}
