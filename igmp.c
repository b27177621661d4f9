// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * igmp.c - IGMP and MLD: which groups the guest wants to hear
 *
 * Towards the guest we are the multicast router of its link: all versions of
 * its reports (IGMP 1 to 3, RFC 3376; MLD 1 and 2, RFC 9777) are taken for what
 * matters here, that somebody wants a group, or no longer does; the sources
 * wanted are the guest's own matter. We ask at its coming, then every two
 * minutes, and when somebody leaves, whether others remain. mcast.c keeps what
 * was said. Towards the host's network the kernel speaks for its sockets.
 *
 * The questions carry the router alert option, without which switches inside
 * the guest may not take them for what they are, so their IP headers are made
 * here.
 */
#include "igmp.h"

#include <string.h>

#include "addr.h"
#include "csum.h"
#include "cursor.h"
#include "guest.h"
#include "mcast.h"
#include "send.h"
#include "util.h"

enum igmp_type { IGMP_QUERY = 0x11, IGMP_REPORT1 = 0x12, IGMP_REPORT2 = 0x16,
		 IGMP_LEAVE = 0x17, IGMP_REPORT3 = 0x22 };
enum mld_type { MLD_QUERY = 130, MLD_REPORT1, MLD_DONE, MLD_REPORT2 = 143 };

/* Kinds of group records, RFC 3376 4.2.12 */
enum record { IS_IN = 1, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK };

/* Answers shall come within a second: there is one guest, no crowd. What stands
 * in queries: tenths of a second, milliseconds; robustness variable */
#define RESPONSE_DS	10
#define RESPONSE_MS	1000
#define QRV		2

#define IP4_RA_HLEN	24		/* IPv4 header with router alert */
#define IGMP_QUERY_LEN	12
#define MLD_QUERY_LEN	28
#define HBH_LEN		8

static struct {
	struct timer	timer;
} igmp;

void igmp_init(void)
{
	igmp.timer = (struct timer){ 0 };
}

/* -------------------------------------------------------------- questions */

/* query4() - IGMPv3 about @group, or all if it is ADDR_NONE */
static void query4(const union addr *group)
{
	bool all = addr_is_none(group);
	union addr dst = addr_from4((struct in_addr){ htonl(0xe0000001) });
	const union addr *our = &guest()->net[GUEST_V4].our;
	struct in_addr to, about = { 0 }, from = { 0 };
	uint8_t buf[IP4_RA_HLEN + IGMP_QUERY_LEN], mac[6];
	struct writer w;
	uint16_t sum;

	if (!all) {
		dst = *group;
		about = addr_to4(group);
	}
	if (addr_is4(our))
		from = addr_to4(our);
	to = addr_to4(&dst);

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, 4 << 4 | IP4_RA_HLEN / 4);
	wr_u8(&w, 0xc0);			/* RFC 3376 4 */
	wr_be16(&w, sizeof(buf));
	wr_be32(&w, 0x4000);			/* id 0, "don't fragment" */
	wr_u8(&w, 1);
	wr_u8(&w, IPPROTO_IGMP);
	wr_be16(&w, 0);
	wr_put(&w, &from, sizeof(from));
	wr_put(&w, &to, sizeof(to));
	wr_be32(&w, 0x94040000);		/* RFC 2113 2.1 */

	wr_u8(&w, IGMP_QUERY);
	wr_u8(&w, RESPONSE_DS);
	wr_be16(&w, 0);
	wr_put(&w, &about, sizeof(about));
	wr_u8(&w, QRV);
	wr_u8(&w, MCAST_QUERY_S);
	wr_be16(&w, 0);				/* no sources */

	sum = csum_fold(csum_partial(buf, IP4_RA_HLEN, 0));
	memcpy(buf + 10, &sum, sizeof(sum));
	sum = csum_fold(csum_partial(buf + IP4_RA_HLEN, IGMP_QUERY_LEN, 0));
	memcpy(buf + IP4_RA_HLEN + 2, &sum, sizeof(sum));
	mcast_mac(&dst, mac);
	send_eth(ETHTYPE_IP4, NULL, mac, buf, sizeof(buf));
}

/* query6() - The same, MLDv2 */
static void query6(const union addr *group)
{
	static const union addr all_nodes = { .b = { 0xff, 2, [15] = 1 } };
	static const uint8_t alert[HBH_LEN] = {
		IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0	/* RFC 2711 2.1, PadN */
	};
	const union addr *dst = addr_is_none(group) ? &all_nodes : group;
	const union addr *our = &guest()->net[GUEST_V6].our;
	uint8_t buf[IP6_HLEN + HBH_LEN + MLD_QUERY_LEN], mac[6];
	uint8_t *msg = buf + IP6_HLEN + HBH_LEN;
	struct writer w;
	uint32_t sum;
	uint16_t c;

	if (addr_class(our) != ADDR_LINKLOCAL)
		return;			/* others are not heeded */
	wr_init(&w, buf, sizeof(buf));
	wr_be32(&w, 6U << 28);
	wr_be16(&w, HBH_LEN + MLD_QUERY_LEN);
	wr_u8(&w, IPPROTO_HOPOPTS);
	wr_u8(&w, 1);
	wr_put(&w, our, sizeof(*our));
	wr_put(&w, dst, sizeof(*dst));
	wr_put(&w, alert, sizeof(alert));

	wr_u8(&w, MLD_QUERY);
	wr_u8(&w, 0);
	wr_be16(&w, 0);
	wr_be16(&w, RESPONSE_MS);
	wr_be16(&w, 0);
	wr_put(&w, group, sizeof(*group));	/* ADDR_NONE: about all */
	wr_u8(&w, QRV);
	wr_u8(&w, MCAST_QUERY_S);
	wr_be16(&w, 0);

	sum = csum_pseudo(our, dst, IPPROTO_ICMPV6, MLD_QUERY_LEN);
	c = csum_fold(csum_partial(msg, MLD_QUERY_LEN, sum));
	memcpy(msg + 2, &c, sizeof(c));
	mcast_mac(dst, mac);
	send_eth(ETHTYPE_IP6, NULL, mac, buf, sizeof(buf));
}

void igmp_announce(void)
{
	if (guest()->net[GUEST_V4].on)
		query4(&ADDR_NONE);
	if (guest()->net[GUEST_V6].on && guest()->ndp)
		query6(&ADDR_NONE);
	timer_set(&igmp.timer, TM_IGMP, MCAST_QUERY_S * SEC);
}

void igmp_timer(struct timer *t)
{
	(void)t;
	igmp_announce();
}

/* -------------------------------------------------------------- answers */

static void leave(const union addr *group)
{
	if (!mcast_leave(group))
		return;
	if (addr_is4(group))
		query4(group);
	else
		query6(group);
}

/* pull_group() - An address of the family at hand, @v4 or not */
static bool pull_group(struct cursor *c, bool v4, union addr *group)
{
	struct in_addr a;

	if (!v4)
		return cur_pull(c, group, sizeof(*group)) && !addr_is4(group);
	if (!cur_pull(c, &a, sizeof(a)))
		return false;
	*group = addr_from4(a);
	return true;
}

/* records() - The @n group records of a report, as far as they are there */
static void records(struct cursor *c, unsigned n, bool v4)
{
	for (; n; n--) {
		uint8_t h[4];		/* kind, words of other data, sources */
		union addr group;
		unsigned sources;

		if (!cur_pull(c, h, sizeof(h)) || !pull_group(c, v4, &group))
			return;
		sources = (unsigned)(h[2] << 8 | h[3]);
		if (!cur_skip(c, (size_t)sources * (v4 ? 4 : 16) +
				 (size_t)h[1] * 4))
			return;

		switch (h[0]) {
		case IS_EX:
		case TO_EX:
			mcast_join(&group);
			break;
		case IS_IN:
		case TO_IN:
		case ALLOW:
			if (sources)
				mcast_join(&group);
			else if (h[0] == TO_IN)
				leave(&group);
			break;
		default:		/* BLOCK: some sources less */
			break;
		}
	}
}

void igmp_input(const struct pkt *p)
{
	struct cursor c = p->data;
	union addr group;
	uint8_t h[8];

	/* Of type and code; what follows depends: the group, or how many */
	if (!addr_is4(&p->dst) || p->fragment || !cur_peek(&c, h, sizeof(h)) ||
	    !cur_skip(&c, 4))
		return;

	switch (h[0]) {
	case IGMP_REPORT1:
	case IGMP_REPORT2:
		if (pull_group(&c, true, &group))
			mcast_join(&group);
		break;
	case IGMP_LEAVE:
		if (pull_group(&c, true, &group))
			leave(&group);
		break;
	case IGMP_REPORT3:
		if (cur_skip(&c, 4))
			records(&c, (unsigned)(h[6] << 8 | h[7]), true);
		break;
	default:		/* questions of another router: we go on asking */
		break;
	}
}

bool mld_input(const struct pkt *p)
{
	struct cursor c = p->data;
	union addr group;

	if ((p->icmp.type < MLD_QUERY || p->icmp.type > MLD_DONE) &&
	    p->icmp.type != MLD_REPORT2)
		return false;
	/* RFC 9777 7.4: only from this very link, and not in pieces. Who has no
	 * address yet sends from the unspecified one */
	if (!guest()->ndp || p->ttl != 1 || p->icmp.code || p->fragment ||
	    (addr_class(&p->src) != ADDR_LINKLOCAL && !addr_is_none(&p->src)))
		return true;

	if (p->icmp.type == MLD_REPORT2)
		records(&c, p->icmp.seq, false);
	else if (p->icmp.type != MLD_QUERY && pull_group(&c, false, &group)) {
		if (p->icmp.type == MLD_REPORT1)
			mcast_join(&group);
		else
			leave(&group);
	}
	return true;
}
