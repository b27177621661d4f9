// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dhcp.c - DHCPv4 server with one lease
 *
 * There is one guest and one address for it, so nothing is remembered: each
 * question has the same answer whatever is asked for, and no address can be
 * refused. What remains of a DHCP server is reading and writing.
 *
 * A request is read into a struct. The reply's options are first collected in
 * a table, the large ones (names) last and only as far as there is room, then
 * written in the order the client asked for. So no long search list can push
 * out a mask or gateway.
 */
#include "dhcp.h"

#include <string.h>

#include "dnsname.h"
#include "guest.h"
#include "send.h"
#include "util.h"

#define PORT_SERVER	67
#define PORT_CLIENT	68
#define TTL		255

#define OP_REQUEST	1
#define OP_REPLY	2
#define HW_ETHER	1
#define FLAG_BROADCAST	0x8000		/* RFC 2131 2 */
#define MAGIC		0x63825363U	/* RFC 2131 3 */
#define INFINITE	UINT32_MAX

#define BOOTP_MIN	300		/* RFC 951 3, RFC 1542 2.1 */

/* All that a client must be able to take is 576 bytes of IP (RFC 2131 2): less
 * IP, UDP and 240 of fixed fields and magic, and the end mark */
#define OPTIONS_MAX	307
#define REPLY_MAX	(240 + OPTIONS_MAX + 1)

enum msg_type { MSG_BOOTP, DISCOVER, OFFER, REQUEST, DECLINE, ACK };

enum option {				/* RFC 2132 */
	OPT_PAD = 0, OPT_MASK = 1, OPT_ROUTER = 3, OPT_DNS = 6,
	OPT_HOSTNAME = 12, OPT_MTU = 26, OPT_LEASE = 51, OPT_OVERLOAD = 52,
	OPT_TYPE = 53, OPT_SERVER = 54, OPT_PARAMS = 55,
	OPT_RAPID = 80,			/* RFC 4039 */
	OPT_FQDN = 81,			/* RFC 4702 */
	OPT_SEARCH = 119,		/* RFC 3397 */
	OPT_ROUTES = 121,		/* RFC 3442 */
	OPT_END = 255,
};

#define FQDN_ENCODED	0x04		/* RFC 4702 2.1: the name is in wire form */

/* BOOTP's fixed part, RFC 2131 2; all fields fall on their natural places */
struct bootp {
	uint8_t		op, htype, hlen, hops;
	uint8_t		xid[4];
	uint8_t		secs[2], flags[2];
	uint8_t		ciaddr[4], yiaddr[4], siaddr[4], giaddr[4];
	uint8_t		chaddr[16];
	uint8_t		sname[64], file[128];
	uint8_t		magic[4];
};

_Static_assert(sizeof(struct bootp) == 240, "BOOTP");

struct request {
	struct bootp	b;
	uint8_t		type;		/* enum msg_type or foreign */
	bool		rapid;
	bool		has_server;
	union addr	server;
	uint8_t		overload;
	uint8_t		params[255];
	unsigned	nparams;
};

/* One option of the reply */
struct reply_opt {
	uint8_t		code, len;
	uint8_t		val[255];
};

struct reply_opts {
	struct reply_opt o[16];
	unsigned	n;
	size_t		room;		/* bytes of the option area left */
};

static union addr read_addr(const uint8_t *p)
{
	struct in_addr in;

	memcpy(&in, p, sizeof(in));
	return addr_from4(in);
}

/* ----------------------------------------------------------------- reading */

/* option_read() - One that tells us something; false if it is malformed, or
 * there twice (which would concatenate to a wrong length, RFC 3396 5) */
static bool option_read(struct request *r, uint8_t code, struct cursor *c)
{
	size_t len = cur_left(c);
	uint8_t addr[4];

	switch (code) {
	case OPT_TYPE:				/* RFC 2132 9.6 */
		return len == 1 && !r->type && cur_pull(c, &r->type, 1) &&
		       r->type;
	case OPT_OVERLOAD:			/* RFC 2132 9.3 */
		return len == 1 && !r->overload &&
		       cur_pull(c, &r->overload, 1) &&
		       r->overload >= 1 && r->overload <= 3;
	case OPT_SERVER:			/* RFC 2132 9.7 */
		if (r->has_server || len != 4 || !cur_pull(c, addr, 4))
			return false;
		r->has_server = true;
		r->server = read_addr(addr);
		return true;
	case OPT_PARAMS:			/* RFC 2132 9.8; RFC 3396 */
		if (len > sizeof(r->params) - r->nparams)
			return false;
		cur_pull(c, r->params + r->nparams, len);
		r->nparams += (unsigned)len;
		return true;
	case OPT_RAPID:				/* RFC 4039 4 */
		r->rapid = true;
		return !len;
	default:
		return true;
	}
}

/* options_read() - Walk one field of options. An end mark is not insisted on */
static bool options_read(struct request *r, struct cursor *c)
{
	while (cur_left(c)) {
		uint8_t code, len;
		struct cursor val;

		if (!cur_pull(c, &code, 1))
			return false;
		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			break;
		if (!cur_pull(c, &len, 1) || !cur_sub(c, &val, len) ||
		    !option_read(r, code, &val))
			return false;
	}
	return true;
}

static bool request_read(struct cursor *c, struct request *r)
{
	static const uint8_t magic[4] = { MAGIC >> 24, MAGIC >> 16 & 0xff,
					  MAGIC >> 8 & 0xff, MAGIC & 0xff };
	static const uint8_t none[4];
	struct iovec iov;
	struct cursor in;

	memset(r, 0, sizeof(*r));
	if (!cur_pull(c, &r->b, sizeof(r->b)) || r->b.op != OP_REQUEST ||
	    r->b.htype != HW_ETHER || r->b.hlen != 6 ||
	    memcmp(r->b.magic, magic, sizeof(magic)) || !options_read(r, c))
		return false;
	/* Behind a relay is another link, for which we have no address to give
	 * (RFC 2131 4.3.1). Ours would be the relay's own */
	if (memcmp(r->b.giaddr, none, sizeof(none)))
		return false;

	/* RFC 2131 4.1: the options field first, then file, then sname */
	if (r->overload & 1) {
		cur_buf(&in, &iov, r->b.file, sizeof(r->b.file));
		if (!options_read(r, &in))
			return false;
	}
	if (r->overload & 2) {
		cur_buf(&in, &iov, r->b.sname, sizeof(r->b.sname));
		if (!options_read(r, &in))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- deciding */

/* answer_type() - 0 for none (DECLINE, RELEASE, INFORM and other's messages) */
static uint8_t answer_type(const struct request *r)
{
	switch (r->type) {
	case MSG_BOOTP:				/* RFC 1534 2 */
		return ACK;
	case DISCOVER:				/* RFC 2131 4.3.1, RFC 4039 3.1 */
		return r->rapid ? ACK : OFFER;
	case REQUEST:				/* RFC 2131 4.3.2 */
		if (r->has_server &&
		    !addr_eq(&r->server, &guest()->net[GUEST_V4].our))
			return 0;		/* it took another's offer */
		return ACK;
	default:
		return 0;
	}
}

/* add() - Collect an option, if there is room for it and its two bytes */
static void add(struct reply_opts *r, uint8_t code, const void *val, size_t len)
{
	struct reply_opt *o = &r->o[r->n];

	if (r->n == ARRAY_LEN(r->o) || len > sizeof(o->val) ||
	    len + 2 > r->room)
		return;
	o->code = code;
	o->len = (uint8_t)len;
	if (len)
		memcpy(o->val, val, len);
	r->room -= len + 2;
	r->n++;
}

static void add_be32(struct reply_opts *r, uint8_t code, uint32_t v)
{
	v = htonl(v);
	add(r, code, &v, sizeof(v));
}

static void add_addr(struct reply_opts *r, uint8_t code, const union addr *a)
{
	add(r, code, a->b + 12, 4);
}

/* add_routing() - Mask, gateway, and if that is off the subnet, how to reach
 * it nevertheless */
static void add_routing(struct reply_opts *r)
{
	const struct guest_net *net = &guest()->net[GUEST_V4];
	uint32_t mask = 0;
	uint8_t routes[14];
	struct writer w;

	if (net->prefix > 0)
		mask = UINT32_MAX << (32 - MIN(net->prefix, 32));
	add_be32(r, OPT_MASK, mask);		/* RFC 2132 3.3 */

	if (!addr_is4(&net->gw))
		return;
	add_addr(r, OPT_ROUTER, &net->gw);	/* RFC 2132 3.5 */
	if (addr_in_prefix(&net->gw, &net->addr, net->prefix))
		return;

	/* RFC 3442: gateway/32 on link, then default by the gateway */
	wr_init(&w, routes, sizeof(routes));
	wr_u8(&w, 32);
	wr_put(&w, net->gw.b + 12, 4);
	wr_be32(&w, 0);
	wr_u8(&w, 0);
	wr_put(&w, net->gw.b + 12, 4);
	add(r, OPT_ROUTES, routes, w.len);
}

static void add_dns(struct reply_opts *r)
{
	const struct guest_net *net = &guest()->net[GUEST_V4];
	uint8_t list[4 * GUEST_DNS_MAX];
	struct writer w;
	unsigned i;

	if (!guest()->tell_dns || !net->ndns)
		return;
	wr_init(&w, list, sizeof(list));
	for (i = 0; i < net->ndns && i < GUEST_DNS_MAX; i++)
		wr_put(&w, net->dns[i].b + 12, 4);
	add(r, OPT_DNS, list, w.len);		/* RFC 2132 3.8 */
}

/* add_names() - What may be long, and so comes when all else has its place */
static void add_names(struct reply_opts *r)
{
	const struct guest *g = guest();
	uint8_t buf[255];
	struct writer w;
	unsigned i;

	if (*g->hostname)			/* RFC 2132 3.14 */
		add(r, OPT_HOSTNAME, g->hostname, strlen(g->hostname));

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, FQDN_ENCODED);
	wr_be16(&w, 0xffff);			/* RCODE1, RCODE2: RFC 4702 2.2 */
	if (*g->fqdn && dnsname_put(&w, g->fqdn, DNSNAME_PLAIN))
		add(r, OPT_FQDN, buf, w.len);

	if (!g->tell_search || r->room < 2)
		return;
	wr_init(&w, buf, MIN(sizeof(buf), r->room - 2));
	for (i = 0; i < g->nsearch; i++)	/* RFC 3397 2 */
		dnsname_put(&w, g->search[i], 0);
	if (w.len)
		add(r, OPT_SEARCH, buf, w.len);
}

static void collect(struct reply_opts *r, const struct request *req,
		    uint8_t type)
{
	const struct guest *g = guest();
	uint16_t mtu = htons(g->mtu);

	r->n = 0;
	r->room = OPTIONS_MAX;
	add(r, OPT_TYPE, &type, 1);
	add_addr(r, OPT_SERVER, &g->net[GUEST_V4].our);
	add_be32(r, OPT_LEASE, INFINITE);
	add_routing(r);
	add_dns(r);
	if (g->mtu)				/* RFC 2132 5.1 */
		add(r, OPT_MTU, &mtu, sizeof(mtu));
	if (req->type == DISCOVER && req->rapid)
		add(r, OPT_RAPID, NULL, 0);
	add_names(r);
}

/* ----------------------------------------------------------------- writing */

/* put_option() - The collected option @code, if there is one left */
static void put_option(struct writer *w, struct reply_opts *r, uint8_t code)
{
	unsigned i;

	for (i = 0; i < r->n; i++) {
		struct reply_opt *o = &r->o[i];

		if (o->code != code)
			continue;
		wr_u8(w, o->code);
		wr_u8(w, o->len);
		wr_put(w, o->val, o->len);
		o->code = OPT_PAD;		/* once only */
	}
}

/* put_options() - The type first unless the client says where it wants it,
 * then in the client's order, then the rest ascending */
static void put_options(struct writer *w, struct reply_opts *r,
			const struct request *req)
{
	unsigned i;

	if (!memchr(req->params, OPT_TYPE, req->nparams))
		put_option(w, r, OPT_TYPE);
	for (i = 0; i < req->nparams; i++) {
		/* 0 marks what has been written */
		if (req->params[i] != OPT_PAD)
			put_option(w, r, req->params[i]);
	}
	for (i = 1; i < OPT_END; i++)
		put_option(w, r, (uint8_t)i);
	wr_u8(w, OPT_END);
}

static void reply_write(struct writer *w, struct reply_opts *opts,
			const struct request *req)
{
	struct bootp b = req->b;

	/* RFC 2131 4.3.1, table 3; flags, ciaddr, chaddr as asked */
	b.op = OP_REPLY;
	b.hops = 0;
	memset(b.secs, 0, sizeof(b.secs));
	memcpy(b.yiaddr, guest()->net[GUEST_V4].addr.b + 12, 4);
	memset(b.siaddr, 0, sizeof(b.siaddr));
	memset(b.sname, 0, sizeof(b.sname));
	memset(b.file, 0, sizeof(b.file));

	wr_put(w, &b, sizeof(b));
	put_options(w, opts, req);
	wr_pad(w, BOOTP_MIN);
}

/* destination() - RFC 2131 4.1. The MAC is the asker's in any case: it need
 * not answer ARP yet */
static union addr destination(const struct request *r)
{
	static const uint8_t bcast[4] = { 255, 255, 255, 255 };

	if (r->b.flags[0] & FLAG_BROADCAST >> 8)
		return read_addr(bcast);
	return guest()->net[GUEST_V4].addr;
}

bool dhcp_input(const struct pkt *p)
{
	const struct guest_net *net = &guest()->net[GUEST_V4];
	struct cursor c = p->data;
	uint8_t buf[REPLY_MAX], type;
	struct reply_opts opts;
	struct request req;
	struct writer w;
	union addr dst;

	if (!guest()->dhcp || !net->on || p->proto != IPPROTO_UDP ||
	    !addr_is4(&p->dst) || p->sport != PORT_CLIENT ||
	    p->dport != PORT_SERVER)
		return false;

	/* Without an address of our own there is nobody to answer */
	if (!addr_is4(&net->addr) || !addr_is4(&net->our) ||
	    !request_read(&c, &req))
		return true;
	type = answer_type(&req);
	if (!type)
		return true;

	collect(&opts, &req, type);
	wr_init(&w, buf, sizeof(buf));
	reply_write(&w, &opts, &req);
	if (!wr_ok(&w))
		return true;

	guest_assigned(GUEST_V4);
	dst = destination(&req);
	send_udp(&net->our, PORT_SERVER, &dst, PORT_CLIENT, TTL, 0, p->smac,
		 buf, w.len);
	return true;
}
