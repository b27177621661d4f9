// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ndp.c - neighbour and router advertisements
 *
 * We are the only router on the guest's link and stand for everybody beyond
 * it: each address the guest solicits is ours, except its own; only where the
 * host knows the MAC address of who really has it, that one is told. Routers are
 * what a guest learns prefix, MTU and resolvers from, so a solicitation gets
 * an advertisement at once, and whoever missed one gets it from time to time.
 * We do not wait for a random time before we answer (RFC 4861 6.2.6): that is
 * for links on which several routers would answer together.
 *
 * Read into a struct, decide, write. An advertisement never exceeds the
 * minimum MTU, as it must not be fragmented (RFC 6980 5).
 */
#include "ndp.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "dnsname.h"
#include "guest.h"
#include "neigh.h"
#include "send.h"

enum ndp_type { ND_RS = 133, ND_RA, ND_NS, ND_NA, ND_REDIRECT };

enum ndp_option { OPT_SOURCE = 1, OPT_TARGET = 2, OPT_PREFIX = 3, OPT_MTU = 5,
		  OPT_RDNSS = 25, OPT_DNSSL = 31 };

#define HOPS		255		/* RFC 4861: never passed a router */
#define RA_MAX		(1280 - IP6_HLEN)
#define FOREVER		UINT32_MAX

#define NA_ROUTER	0x80000000U	/* RFC 4861 4.4 */
#define NA_SOLICITED	0x40000000U
#define NA_OVERRIDE	0x20000000U
#define RA_MANAGED	0x80		/* addresses are available by DHCPv6 */
#define RA_LIFETIME	65535		/* RFC 8319 4 allows this much */
#define PREFIX_FLAGS	0xc0		/* on-link, autonomous */

/* Between two unsolicited advertisements (RFC 4861 6.2.1) */
#define RA_INTERVAL_MIN	(200 * SEC)
#define RA_INTERVAL_MAX	(600 * SEC)

/* The first ones on a link come faster. And never two to all nodes in less than
 * so much time, solicited or not (RFC 4861 10) */
#define RA_INITIAL	3
#define RA_INITIAL_MAX	(16 * SEC)
#define RA_DELAY_MIN	(3 * SEC)

static const union addr all_nodes = { .b = { 0xff, 0x02, [15] = 1 } };
static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };

static struct {
	struct timer ra;
	uint64_t rnd;		/* state of the generator, never 0 */
	unsigned initial;	/* advertisements left that come faster */
	uint64_t all_at;	/* last one to all nodes, 0: none */
} state;

/* A solicitation, of either kind */
struct solicit {
	union addr target;	/* of neighbour solicitations */
	bool has_source;	/* source link-layer address option is there */
};

/* ----------------------------------------------------------------- reading */

/* options_read() - RFC 4861 4.6: a length of zero kills the whole message;
 * unknown options are skipped */
static bool options_read(struct cursor *c, struct solicit *s)
{
	while (cur_left(c)) {
		uint8_t h[2];

		if (!cur_pull(c, h, sizeof(h)) || !h[1] ||
		    !cur_skip(c, h[1] * 8U - sizeof(h)))
			return false;
		if (h[0] == OPT_SOURCE)
			s->has_source = true;
	}
	return true;
}

/* solicit_read() - Validation of RFC 4861 6.1.1 (router solicitations) and
 * 7.1.1 (neighbour solicitations); the checksum is not ours to verify */
static bool solicit_read(const struct pkt *p, struct solicit *s)
{
	struct cursor c = p->data;

	memset(s, 0, sizeof(*s));
	if (p->ttl != HOPS || p->icmp.code)
		return false;

	if (p->icmp.type == ND_NS) {
		if (!cur_pull(&c, &s->target, sizeof(s->target)) ||
		    addr_class(&s->target) == ADDR_MULTICAST)
			return false;
	}
	if (!options_read(&c, s))
		return false;

	/* Who has no address cannot ask us to remember its MAC for it */
	return !(addr_is_none(&p->src) && s->has_source);
}

/* ----------------------------------------------------------------- writing */

static void put_link_addr(struct writer *w, enum ndp_option opt,
			  const uint8_t *mac)
{
	wr_u8(w, (uint8_t)opt);
	wr_u8(w, 1);
	wr_put(w, mac, 6);
}

/* head() - Type, code 0 and no checksum yet */
static void head(struct writer *w, enum ndp_type type)
{
	wr_u8(w, (uint8_t)type);
	wr_u8(w, 0);
	wr_be16(w, 0);
}

/* put_prefix() - RFC 4861 4.6.2: for autoconfiguration (RFC 4862 5.5.3). Bits
 * behind the prefix length must be zero */
static void put_prefix(struct writer *w)
{
	const struct guest_net *net = &guest()->net[GUEST_V6];

	/* Nothing that is of use: none assigned, or one of this link only */
	if (addr_is_none(&net->addr) ||
	    addr_class(&net->addr) == ADDR_LINKLOCAL)
		return;

	wr_u8(w, OPT_PREFIX);
	wr_u8(w, 4);
	wr_u8(w, 64);
	wr_u8(w, PREFIX_FLAGS);
	wr_be32(w, FOREVER);		/* valid */
	wr_be32(w, FOREVER);		/* preferred */
	wr_be32(w, 0);
	wr_put(w, net->addr.b, 8);
	wr_zero(w, 8);
}

static void put_mtu(struct writer *w)
{
	if (!guest()->mtu)
		return;
	wr_u8(w, OPT_MTU);
	wr_u8(w, 1);
	wr_be16(w, 0);
	wr_be32(w, guest()->mtu);
}

/* put_rdnss() - RFC 8106 5.1 */
static void put_rdnss(struct writer *w)
{
	const struct guest_net *net = &guest()->net[GUEST_V6];
	unsigned i;

	if (!guest()->tell_dns || !net->ndns)
		return;
	wr_u8(w, OPT_RDNSS);
	wr_u8(w, (uint8_t)(1 + 2 * net->ndns));
	wr_be16(w, 0);
	wr_be32(w, FOREVER);
	for (i = 0; i < net->ndns; i++)
		wr_put(w, &net->dns[i], sizeof(net->dns[i]));
}

/* put_dnssl() - RFC 8106 5.2: plain names, zeros up to a multiple of eight.
 * Names that do not fit or are none are left out */
static void put_dnssl(struct writer *w)
{
	const struct guest *g = guest();
	size_t mark = wr_mark(w), len;
	bool any = false;
	unsigned i;

	if (!g->tell_search || !wr_ok(w))
		return;

	wr_u8(w, OPT_DNSSL);
	wr_u8(w, 0);			/* length, below */
	wr_be16(w, 0);
	wr_be32(w, FOREVER);
	for (i = 0; i < g->nsearch; i++)
		any |= dnsname_put(w, g->search[i], DNSNAME_PLAIN);

	/* RA_MAX and all before are multiples of eight, so the padding fits */
	len = (w->len - mark + 7) / 8;
	wr_pad(w, mark + len * 8);
	if (!any || !wr_ok(w)) {
		wr_undo(w, mark);
		return;
	}
	w->p[mark + 1] = (uint8_t)len;
}

static void ra_send(const union addr *dst, const uint8_t *dmac)
{
	const struct guest *g = guest();
	uint8_t buf[RA_MAX];
	struct writer w;

	wr_init(&w, buf, sizeof(buf));
	head(&w, ND_RA);		/* RFC 4861 4.2 */
	wr_u8(&w, HOPS);
	/* No promise of what we do not serve */
	wr_u8(&w, g->dhcpv6 && !addr_is_none(&g->net[GUEST_V6].addr) ?
		  RA_MANAGED : 0);
	wr_be16(&w, RA_LIFETIME);
	wr_be32(&w, 0);			/* reachable time, unspecified */
	wr_be32(&w, 0);			/* retransmit timer, unspecified */

	put_prefix(&w);
	put_link_addr(&w, OPT_SOURCE, g->our_mac);
	put_mtu(&w);
	put_rdnss(&w);
	put_dnssl(&w);

	if (wr_ok(&w))
		send_icmp(&g->net[GUEST_V6].our, dst, HOPS, NULL, dmac, buf,
			  w.len);
}

/* na_send() - Where @target is (RFC 4861 4.4). The frame comes from there, but
 * the packet from us, like a proxy's (7.2.8) */
static void na_send(const union addr *target, uint32_t flags,
		    const union addr *dst, const uint8_t *dmac)
{
	const uint8_t *mac = neigh_mac(target);
	uint8_t buf[32];
	struct writer w;

	if (!mac)
		mac = guest()->our_mac;
	wr_init(&w, buf, sizeof(buf));
	head(&w, ND_NA);
	wr_be32(&w, NA_ROUTER | NA_OVERRIDE | flags);
	wr_put(&w, target, sizeof(*target));
	put_link_addr(&w, OPT_TARGET, mac);

	if (wr_ok(&w))
		send_icmp(&guest()->net[GUEST_V6].our, dst, HOPS, mac, dmac,
			  buf, w.len);
}

/* ---------------------------------------------------------------- deciding */

static void ns_input(const struct pkt *p)
{
	struct solicit s;

	if (!solicit_read(p, &s))
		return;
	/* Duplicate address detection (RFC 4862 5.4.3): an answer would say
	 * that the address is taken */
	if (addr_is_none(&p->src) || guest_is_self(&s.target))
		return;
	na_send(&s.target, NA_SOLICITED, &p->src, p->smac);
}

/* xorshift: seeded once, since no system call for randomness is allowed later */
static uint64_t rnd(void)
{
	state.rnd ^= state.rnd << 13;
	state.rnd ^= state.rnd >> 7;
	state.rnd ^= state.rnd << 17;
	return state.rnd;
}

/* ra_later() - RFC 4861 6.2.4: uniformly distributed between the limits, except
 * that the first ones come early */
static void ra_later(void)
{
	uint64_t us = RA_INTERVAL_MIN +
		      rnd() % (RA_INTERVAL_MAX - RA_INTERVAL_MIN + 1);

	timer_set(&state.ra, TM_RA, state.initial ? RA_INITIAL_MAX : us);
}

/* ra_all() - To all nodes; starts the interval until the next one */
static void ra_all(void)
{
	state.all_at = clock_now();
	if (state.initial)
		state.initial--;
	ra_send(&all_nodes, all_nodes_mac);
	ra_later();
}

static void rs_input(const struct pkt *p)
{
	struct solicit s;
	uint64_t since;

	if (!guest()->ra || !solicit_read(p, &s))
		return;

	/* RFC 4861 6.2.6: to the asker if it has an address, else to all, but
	 * then not too often */
	if (!addr_is_none(&p->src)) {
		ra_send(&p->src, p->smac);
		return;
	}
	since = clock_now() - state.all_at;
	if (!state.all_at || since >= RA_DELAY_MIN)
		ra_all();
	else
		timer_set(&state.ra, TM_RA, RA_DELAY_MIN - since);
}

bool ndp_input(const struct pkt *p)
{
	if (p->proto != IPPROTO_ICMPV6 || p->icmp.type < ND_RS ||
	    p->icmp.type > ND_REDIRECT)
		return false;
	/* RFC 6980 5: nothing of this may come in fragments */
	if (!guest()->ndp || !guest()->net[GUEST_V6].on || p->fragment)
		return true;

	if (p->icmp.type == ND_NS)
		ns_input(p);
	else if (p->icmp.type == ND_RS)
		rs_input(p);
	/* Else the guest plays router or answers: nothing to learn from */
	return true;
}

void ndp_tell(const union addr *a)
{
	if (!guest()->ndp || !guest()->net[GUEST_V6].on || addr_is4(a))
		return;
	na_send(a, 0, &all_nodes, all_nodes_mac);	/* RFC 4861 7.2.6 */
}

/* ns_announce() - Ask for the guest's address */
static void ns_announce(void)
{
	const struct guest_net *net = &guest()->net[GUEST_V6];
	uint8_t buf[24];
	struct writer w;

	if (addr_is_none(&net->addr))
		return;

	/* RFC 4861 4.3. To the address itself: we do not want to know whether
	 * it is free, but the MAC of who has it, by the answer's source */
	wr_init(&w, buf, sizeof(buf));
	head(&w, ND_NS);
	wr_be32(&w, 0);
	wr_put(&w, &net->addr, sizeof(net->addr));
	send_icmp(&net->our, &net->addr, HOPS, NULL, NULL, buf, w.len);
}

void ndp_announce(void)
{
	if (!guest()->ndp || !guest()->net[GUEST_V6].on)
		return;
	ns_announce();

	if (!guest()->ra)
		return;
	/* RFC 4861 6.2.4: a link on which nobody has heard of us yet. Who would
	 * not hear us now will when the next ones come */
	state.initial = RA_INITIAL;
	ra_all();
	/* Nor does this one delay the answer to who then asks: it most likely
	 * came before his interface was up */
	state.all_at = 0;
}

void ndp_init(void)
{
	const struct guest *g = guest();

	/* The wheel has been emptied before, so the node is in no list */
	memset(&state, 0, sizeof(state));
	if (getrandom(&state.rnd, sizeof(state.rnd), GRND_NONBLOCK) !=
	    sizeof(state.rnd) || !state.rnd)
		state.rnd = clock_now() | 1;

	if (g->ndp && g->ra && g->net[GUEST_V6].on)
		ra_later();
}

void ndp_timer(struct timer *t)
{
	(void)t;
	/* Nobody there would hear it */
	if (guest()->mac_known || state.initial)
		ra_all();
	else
		ra_later();
}
