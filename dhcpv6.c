// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcpv6.c - DHCPv6 server with one address
 *
 * As with DHCPv4, there is one address for one guest, for ever: nothing is
 * remembered and the answer follows from the message alone. If several
 * identity associations (IA) want an address, one of them gets it.
 *
 * Read into a struct, decide, write. The walk through the options is three
 * levels deep: message, IA_NA, address, by a loop each; so what it costs is
 * bounded by the length of the message. An answer never exceeds the minimum
 * MTU: what may be long, the search list, gets the room that all else leaves.
 */
#include "dhcpv6.h"

#include <string.h>

#include "dnsname.h"
#include "guest.h"
#include "send.h"
#include "util.h"

#define PORT_CLIENT	546		/* RFC 8415 7.2 */
#define PORT_SERVER	547
#define HOPS		255
#define FOREVER		UINT32_MAX	/* RFC 8415 7.7 */

#define REPLY_MAX	(1280 - IP6_HLEN - UDP_HLEN)

#define DUID_LLT	1		/* RFC 8415 11.2: by MAC and time */
#define DUID_LEN	14		/* of ours */
#define DUID_MAX	128
#define HW_ETHER	1
#define EPOCH_2000	946684800	/* DUIDs count from there */

#define IAS_MAX		4		/* more than one is strange already */
#define FOREIGN_MAX	2

enum msg_type {				/* RFC 8415 7.3 */
	SOLICIT = 1, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY,
	INFORMATION_REQUEST = 11,
};

enum option {
	OPT_CLIENT = 1, OPT_SERVER = 2,	/* RFC 8415 21 */
	OPT_IA_NA = 3, OPT_IA_TA = 4, OPT_IAADDR = 5, OPT_STATUS = 13,
	OPT_DNS = 23, OPT_SEARCH = 24,	/* RFC 3646 */
	OPT_IA_PD = 25,
	OPT_FQDN = 39,			/* RFC 4704 */
};

enum status { NO_ADDRS_AVAIL = 2, NOT_ON_LINK = 4 };	/* RFC 8415 21.13 */

#define FQDN_S		0x01		/* RFC 4704 4.1: update AAAA, please */
#define FQDN_O		0x02		/* we do not as you wish */

static struct {
	uint32_t time;			/* of our DUID */
} state;

/* An IA_NA of the client, with the addresses it holds or would like */
struct ia {
	uint8_t		id[4];
	bool		ours;		/* the assigned one is among them */
	union addr	foreign[FOREIGN_MAX];
	unsigned	nforeign;	/* of those kept, the first ones */
};

struct request {
	uint8_t		type;		/* enum msg_type or foreign */
	uint8_t		xid[3];
	uint8_t		client[DUID_MAX];
	size_t		nclient;	/* 0: no identifier */
	enum { ID_NONE, ID_OURS, ID_OTHER } server;
	bool		has_ia;		/* of any kind */
	struct ia	ia[IAS_MAX];	/* IA_NA: the first ones */
	unsigned	nias;
	bool		has_fqdn;
	uint8_t		fqdn_flags;
};

/* What becomes of each IA_NA */
struct answer {
	uint8_t		type;		/* ADVERTISE, REPLY, or 0 for none */
	const struct ia	*given;		/* gets the address, or NULL */
	bool		refused;	/* one holds addresses of elsewhere */
};

/* server_id() - RFC 8415 11.2 */
static void server_id(uint8_t duid[static DUID_LEN])
{
	struct writer w;

	wr_init(&w, duid, DUID_LEN);
	wr_be16(&w, DUID_LLT);
	wr_be16(&w, HW_ETHER);
	wr_be32(&w, state.time);
	wr_put(&w, guest()->our_mac, 6);
}

void dhcpv6_init(time_t start)
{
	memset(&state, 0, sizeof(state));
	state.time = (uint32_t)(start - EPOCH_2000);	/* modulo 2^32 */
}

/* ----------------------------------------------------------------- reading */

/* option_next() - Split the next option off @c; false if it says to be longer
 * than what is around it, so none can reach into another (RFC 8415 21.1) */
static bool option_next(struct cursor *c, uint16_t *code, struct cursor *val)
{
	uint8_t h[4];

	if (!cur_pull(c, h, sizeof(h)))
		return false;
	*code = (uint16_t)(h[0] << 8 | h[1]);
	return cur_sub(c, val, (size_t)h[2] << 8 | h[3]);
}

/* ia_address() - RFC 8415 21.6: address, two lifetimes that are the client's
 * wish only, and options without meaning to us, which must be sound though */
static bool ia_address(struct ia *ia, struct cursor *c)
{
	struct cursor val;
	uint16_t code;
	union addr a;

	if (!cur_pull(c, &a, sizeof(a)) || !cur_skip(c, 8))
		return false;
	while (cur_left(c)) {
		if (!option_next(c, &code, &val))
			return false;
	}
	if (addr_is_none(&a))			/* holds none */
		return true;
	if (addr_eq(&a, &guest()->net[GUEST_V6].addr))
		ia->ours = true;
	else if (ia->nforeign < FOREIGN_MAX)
		ia->foreign[ia->nforeign++] = a;
	return true;
}

/* ia_read() - RFC 8415 21.4; the times T1 and T2 are the client's wish only */
static bool ia_read(struct request *r, struct cursor *c)
{
	struct ia beyond, *ia = &beyond;
	struct cursor val;
	uint16_t code;

	if (r->nias < IAS_MAX)
		ia = &r->ia[r->nias++];
	memset(ia, 0, sizeof(*ia));
	if (!cur_pull(c, ia->id, sizeof(ia->id)) || !cur_skip(c, 8))
		return false;

	while (cur_left(c)) {
		if (!option_next(c, &code, &val) ||
		    (code == OPT_IAADDR && !ia_address(ia, &val)))
			return false;
	}
	return true;
}

/* client_read() - RFC 8415 11: opaque to us, only limited */
static bool client_read(struct request *r, struct cursor *c)
{
	size_t len = cur_left(c);

	if (r->nclient || !len || len > DUID_MAX)
		return false;
	r->nclient = len;
	return cur_pull(c, r->client, len);
}

static bool server_read(struct request *r, struct cursor *c)
{
	uint8_t duid[DUID_LEN], got[DUID_LEN];

	if (r->server != ID_NONE)
		return false;
	server_id(duid);
	r->server = cur_left(c) == DUID_LEN && cur_pull(c, got, DUID_LEN) &&
		    !memcmp(duid, got, DUID_LEN) ? ID_OURS : ID_OTHER;
	return true;
}

/* fqdn_read() - RFC 4704 4: it is not the guest who chooses the name, so only
 * the flags matter */
static bool fqdn_read(struct request *r, struct cursor *c)
{
	if (r->has_fqdn)
		return false;
	r->has_fqdn = true;
	return cur_pull(c, &r->fqdn_flags, 1);
}

/* option_read() - One that tells us something; false if it is malformed or
 * there twice but must not be (RFC 8415 21) */
static bool option_read(struct request *r, uint16_t code, struct cursor *c)
{
	switch (code) {
	case OPT_CLIENT:
		return client_read(r, c);
	case OPT_SERVER:
		return server_read(r, c);
	case OPT_IA_NA:
		r->has_ia = true;
		return ia_read(r, c);
	case OPT_IA_TA:				/* not served */
	case OPT_IA_PD:
		r->has_ia = true;
		return true;
	case OPT_FQDN:
		return fqdn_read(r, c);
	default:
		return true;
	}
}

/* request_read() - RFC 8415 8; messages of relays differ, but no such passes
 * answer_type() */
static bool request_read(struct cursor *c, struct request *r)
{
	struct cursor val;
	uint16_t code;

	memset(r, 0, sizeof(*r));
	if (!cur_pull(c, &r->type, 1) || !cur_pull(c, r->xid, sizeof(r->xid)))
		return false;
	while (cur_left(c)) {
		if (!option_next(c, &code, &val) ||
		    !option_read(r, code, &val))
			return false;
	}
	/* Who only asks for resolvers need not say who it is (16.12), and does
	 * not if it wants to stay unknown (RFC 7844 4.3.1) */
	return r->nclient || r->type == INFORMATION_REQUEST;
}

/* ---------------------------------------------------------------- deciding */

static bool any_address(const struct request *r)
{
	unsigned i;

	for (i = 0; i < r->nias; i++) {
		if (r->ia[i].ours || r->ia[i].nforeign)
			return true;
	}
	return false;
}

/* answer_type() - 0 for none: messages of servers and relays, and DECLINE and
 * RELEASE, since the address is the guest's for good */
static uint8_t answer_type(const struct request *r)
{
	switch (r->type) {
	case SOLICIT:				/* RFC 8415 16.2, 18.3.1 */
		return r->server == ID_NONE ? ADVERTISE : 0;
	case REQUEST:				/* 16.4, 18.3.2 */
	case RENEW:				/* 16.6, 18.3.4 */
		return r->server == ID_OURS ? REPLY : 0;
	case CONFIRM:				/* 16.5; without one 18.3.3 */
		return r->server == ID_NONE && any_address(r) ? REPLY : 0;
	case REBIND:
		/* 16.7, 18.3.5: it goes to all servers, and should name none;
		 * one that names us means us nevertheless */
		return r->server != ID_OTHER ? REPLY : 0;
	case INFORMATION_REQUEST:		/* 16.12, 18.3.6 */
		return r->server != ID_OTHER && !r->has_ia ? REPLY : 0;
	default:
		return 0;
	}
}

/* ia_refused() - It holds what is not of this link (RFC 8415 18.3.2, 18.3.3,
 * and RENEW likewise). In SOLICIT that is a hint, and REBIND has a way of its
 * own, see put_ia() */
static bool ia_refused(const struct request *r, const struct ia *ia)
{
	return ia->nforeign && (r->type == REQUEST || r->type == RENEW ||
				r->type == CONFIRM);
}

/* decide() - The address goes to the IA that knows it, else to the first */
static void decide(const struct request *r, struct answer *a)
{
	unsigned i;

	*a = (struct answer){ .type = answer_type(r) };
	for (i = 0; i < r->nias; i++) {
		const struct ia *ia = &r->ia[i];

		if (ia_refused(r, ia))
			a->refused = true;
		else if (!a->given || (ia->ours && !a->given->ours))
			a->given = ia;
	}
}

/* ----------------------------------------------------------------- writing */

/* opt_begin() - Code and room for the length, which opt_end() fills in */
static size_t opt_begin(struct writer *w, enum option code)
{
	wr_be16(w, (uint16_t)code);
	wr_be16(w, 0);
	return wr_mark(w);
}

static void opt_end(struct writer *w, size_t begin)
{
	size_t len = w->len - begin;

	if (!wr_ok(w))
		return;
	w->p[begin - 2] = (uint8_t)(len >> 8);
	w->p[begin - 1] = (uint8_t)len;
}

static void put_opt(struct writer *w, enum option code, const void *val,
		    size_t len)
{
	size_t begin = opt_begin(w, code);

	wr_put(w, val, len);
	opt_end(w, begin);
}

/* put_status() - RFC 8415 21.13 */
static void put_status(struct writer *w, enum status status)
{
	const char *text = status == NOT_ON_LINK ?
			   "Address is not of this link" :
			   "There is one address only";
	size_t begin = opt_begin(w, OPT_STATUS);

	wr_be16(w, (uint16_t)status);
	wr_put(w, text, strlen(text));
	opt_end(w, begin);
}

/* put_address() - RFC 8415 21.6 */
static void put_address(struct writer *w, const union addr *a,
			uint32_t lifetime)
{
	size_t begin = opt_begin(w, OPT_IAADDR);

	wr_put(w, a, sizeof(*a));
	wr_be32(w, lifetime);		/* preferred */
	wr_be32(w, lifetime);		/* valid */
	opt_end(w, begin);
}

/* put_ia() - RFC 8415 21.4: with the address, or why not */
static void put_ia(struct writer *w, const struct request *r,
		   const struct answer *a, const struct ia *ia)
{
	uint32_t t = ia == a->given ? FOREVER : 0;
	size_t begin = opt_begin(w, OPT_IA_NA);
	unsigned i;

	wr_put(w, ia->id, sizeof(ia->id));
	wr_be32(w, t);			/* T1 */
	wr_be32(w, t);			/* T2 */

	if (ia == a->given)
		put_address(w, &guest()->net[GUEST_V6].addr, FOREVER);
	/* RFC 8415 18.3.5: what may no longer be used has no life left */
	for (i = 0; i < ia->nforeign && r->type == REBIND; i++)
		put_address(w, &ia->foreign[i], 0);

	if (ia_refused(r, ia))
		put_status(w, NOT_ON_LINK);
	else if (ia != a->given)
		put_status(w, NO_ADDRS_AVAIL);	/* 18.3.2, 18.3.9 */
	opt_end(w, begin);
}

/* put_dns() - RFC 3646 3 */
static void put_dns(struct writer *w)
{
	const struct guest_net *net = &guest()->net[GUEST_V6];

	if (guest()->tell_dns && net->ndns)
		put_opt(w, OPT_DNS, net->dns,
			MIN(net->ndns, GUEST_DNS_MAX) * sizeof(net->dns[0]));
}

/* put_search() - RFC 3646 4: names that fit, but for @keep bytes at the end.
 * They must not be compressed (RFC 8415 10) */
static void put_search(struct writer *w, size_t keep)
{
	const struct guest *g = guest();
	uint8_t buf[REPLY_MAX];
	struct writer names;
	unsigned i;

	if (!g->tell_search || w->len + keep + 4 > w->size)
		return;
	wr_init(&names, buf, w->size - w->len - keep - 4);
	for (i = 0; i < g->nsearch; i++)
		dnsname_put(&names, g->search[i], DNSNAME_PLAIN);
	if (names.len)
		put_opt(w, OPT_SEARCH, buf, names.len);
}

/* put_names() - Search list and the guest's own name. The former may be long,
 * so the latter is made before */
static void put_names(struct writer *w, const struct request *r)
{
	uint8_t fqdn[1 + DNSNAME_MAX];
	bool named = false;
	struct writer f;

	wr_init(&f, fqdn, sizeof(fqdn));
	/* RFC 4704 4.1: we update nothing, and say so to who wants it */
	wr_u8(&f, r->fqdn_flags & FQDN_S ? FQDN_O : 0);
	if (*guest()->fqdn)
		named = dnsname_put(&f, guest()->fqdn, DNSNAME_PLAIN);

	put_search(w, named ? 4 + f.len : 0);
	if (named)
		put_opt(w, OPT_FQDN, fqdn, f.len);
}

static void answer_write(struct writer *w, const struct request *r,
			 const struct answer *a)
{
	uint8_t duid[DUID_LEN];
	unsigned i;

	wr_u8(w, a->type);
	wr_put(w, r->xid, sizeof(r->xid));

	server_id(duid);
	put_opt(w, OPT_SERVER, duid, sizeof(duid));
	for (i = 0; i < r->nias; i++)
		put_ia(w, r, a, &r->ia[i]);
	if (r->nclient)
		put_opt(w, OPT_CLIENT, r->client, r->nclient);

	/* Who has to start over, gets the rest then. The status of CONFIRM is
	 * that of the message (RFC 8415 18.3.3) */
	if (a->refused) {
		if (r->type == CONFIRM)
			put_status(w, NOT_ON_LINK);
		return;
	}
	put_dns(w);
	put_names(w, r);
}

bool dhcpv6_input(const struct pkt *p)
{
	const struct guest_net *net = &guest()->net[GUEST_V6];
	struct cursor c = p->data;
	uint8_t buf[REPLY_MAX];
	struct request req;
	struct answer ans;
	struct writer w;
	uint32_t flow;

	if (!guest()->dhcpv6 || !net->on || p->proto != IPPROTO_UDP ||
	    addr_is4(&p->dst) || p->sport != PORT_CLIENT ||
	    p->dport != PORT_SERVER)
		return false;

	/* RFC 8415 18.4: we invited nobody to send unicast. And without an
	 * address of its own, or an address for it, nobody can be answered */
	if (addr_class(&p->dst) != ADDR_MULTICAST ||
	    !addr_is_unicast(&p->src) || addr_is_none(&net->addr) ||
	    !request_read(&c, &req))
		return true;
	decide(&req, &ans);
	if (!ans.type)
		return true;

	wr_init(&w, buf, sizeof(buf));
	answer_write(&w, &req, &ans);
	if (!wr_ok(&w))
		return true;

	/* Who only asks for resolvers may well use another address */
	if (ans.given)
		guest_assigned(GUEST_V6);
	/* A conversation is a flow (RFC 6437 2) */
	flow = (uint32_t)(req.xid[0] << 16 | req.xid[1] << 8 | req.xid[2]);
	send_udp(&net->our, PORT_SERVER, &p->src, PORT_CLIENT, HOPS, flow,
		 p->smac, buf, w.len);
	return true;
}
