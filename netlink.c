/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.c - rtnetlink: ask for links, addresses, routes; change them
 *
 * Every exchange is one request and one answer that ends with NLMSG_DONE or
 * NLMSG_ERROR (single requests ask for an acknowledgement), so one function,
 * nl_dump(), does all talking. Its answers pass through readers that turn a
 * message into a plain struct and are pure, so they can be tested on any
 * bytes. Writers build a request from the same structs: copying a route is
 * read, nl_route_retarget(), write, and whatever a struct has no place for
 * (preferred source, nexthop object, encapsulation) is left behind.
 *
 * Lists are collected before they are used: a table that changes while it is
 * dumped is simply asked for again.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "util.h"

#define DUMP_TRIES	8
#define STRANGERS_MAX	256U	/* datagrams passed over per answer */

static struct {
	uint32_t seq;
	_Alignas(8) uint8_t buf[64 * 1024];
} nl;

/* A request under construction: family header, then attributes */
struct nl_req {
	union {
		struct nlmsghdr	nh;
		_Alignas(8) uint8_t b[1024];
	} u;
	bool over;
};

int nl_open(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	struct timeval tv = { .tv_sec = 5 };
	int fd, one = 1, e;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		e = errno;
		close(fd);
		return -e;
	}

	/* All of these only make it cheaper or more certain. Strict checking
	 * (Linux 4.20) has the kernel filter dumps by table and interface. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
			 sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

/* ---------------------------------------------------------------- talking */

static void req_init(struct nl_req *r, uint16_t type, uint16_t flags,
		     const void *fam, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->u.nh.nlmsg_type = type;
	r->u.nh.nlmsg_flags = NLM_F_REQUEST | flags;
	r->u.nh.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	memcpy(r->u.b + NLMSG_HDRLEN, fam, len);
}

/* Append raw bytes, padded to 4. Return: offset of where they start */
static size_t req_raw(struct nl_req *r, const void *p, size_t len)
{
	size_t at = NLMSG_ALIGN(r->u.nh.nlmsg_len);

	if (at + NLMSG_ALIGN(len) > sizeof(r->u.b)) {
		r->over = true;
		return 0;
	}
	if (len)
		memcpy(r->u.b + at, p, len);
	r->u.nh.nlmsg_len = (uint32_t)(at + NLMSG_ALIGN(len));
	return at;
}

/* Begin an attribute; more may be appended until req_end() */
static size_t req_begin(struct nl_req *r, uint16_t type)
{
	struct rtattr rta = { .rta_type = type, .rta_len = sizeof(rta) };

	return req_raw(r, &rta, sizeof(rta));
}

/* The length of attribute or next hop at @at is up to here; both have it in
 * their first two bytes */
static void req_end(struct nl_req *r, size_t at)
{
	uint16_t len = (uint16_t)(r->u.nh.nlmsg_len - at);

	if (!r->over)
		memcpy(r->u.b + at, &len, sizeof(len));
}

static void req_attr(struct nl_req *r, uint16_t type, const void *p, size_t len)
{
	struct rtattr rta = { .rta_type = type,
			      .rta_len = (uint16_t)(sizeof(rta) + len) };

	req_raw(r, &rta, sizeof(rta));
	req_raw(r, p, len);
}

static void req_u32(struct nl_req *r, uint16_t type, uint32_t v)
{
	req_attr(r, type, &v, sizeof(v));
}

static void req_addr(struct nl_req *r, uint16_t type, const union addr *a)
{
	if (addr_is4(a))
		req_attr(r, type, &a->w[3], 4);
	else
		req_attr(r, type, a, 16);
}

/*
 * Work through one datagram of an answer.
 * Return: 1 if more is to come, 0 at the end, -errno; @intr is set if the
 * kernel says that the list changed meanwhile
 */
static int nl_chunk(const uint8_t *p, size_t left, uint32_t seq, bool *intr,
		    void (*fn)(void *, uint16_t, const uint8_t *, size_t),
		    void *arg)
{
	while (left >= NLMSG_HDRLEN) {
		const uint8_t *body = p + NLMSG_HDRLEN;
		struct nlmsghdr nh;
		size_t len;
		int e = 0;

		memcpy(&nh, p, sizeof(nh));
		if (nh.nlmsg_len < NLMSG_HDRLEN || nh.nlmsg_len > left)
			return -EBADMSG;
		len = nh.nlmsg_len - NLMSG_HDRLEN;

		if (nh.nlmsg_seq == seq) {
			if (nh.nlmsg_flags & NLM_F_DUMP_INTR)
				*intr = true;

			if (nh.nlmsg_type == NLMSG_DONE ||
			    nh.nlmsg_type == NLMSG_ERROR) {
				if (len >= sizeof(e))
					memcpy(&e, body, sizeof(e));
				return e > 0 || e < -4095 ? -EBADMSG : e;
			}
			if (nh.nlmsg_type >= NLMSG_MIN_TYPE && fn)
				fn(arg, nh.nlmsg_type, body, len);
		}

		if (NLMSG_ALIGN(nh.nlmsg_len) >= left)
			break;
		left -= NLMSG_ALIGN(nh.nlmsg_len);
		p += NLMSG_ALIGN(nh.nlmsg_len);
	}
	return 1;
}

int nl_dump(int fd, struct nlmsghdr *req,
	    void (*fn)(void *, uint16_t, const uint8_t *, size_t), void *arg)
{
	unsigned strangers = 0;
	bool intr = false;
	ssize_t n;
	int rc;

	req->nlmsg_seq = ++nl.seq;
	if ((req->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		req->nlmsg_flags |= NLM_F_ACK;

	do {
		n = send(fd, req, req->nlmsg_len, 0);	/* to the kernel */
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	do {
		struct sockaddr_nl from = { 0 };
		socklen_t sl = sizeof(from);

		n = recvfrom(fd, nl.buf, sizeof(nl.buf), MSG_TRUNC,
			     (struct sockaddr *)&from, &sl);
		if (n < 0 && errno == EINTR) {
			rc = 1;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if ((size_t)n > sizeof(nl.buf))
			return -EMSGSIZE;
		/* Not from the kernel, but from root in the namespace, who
		 * could keep us here for ever */
		if (from.nl_pid) {
			if (++strangers > STRANGERS_MAX)
				return -EBUSY;
			rc = 1;
			continue;
		}
		rc = nl_chunk(nl.buf, (size_t)n, req->nlmsg_seq, &intr, fn,
			      arg);
	} while (rc == 1);

	return rc ? rc : intr ? -EINTR : 0;
}

static int req_do(int fd, struct nl_req *r)
{
	if (r->over)
		return -EMSGSIZE;
	return nl_dump(fd, &r->u.nh, NULL, NULL);
}

/* ---------------------------------------------------------------- reading */

bool nl_next_attr(const uint8_t **p, size_t *left, struct nl_attr *a)
{
	struct rtattr rta;
	size_t step;

	if (*left < sizeof(rta))
		return false;
	memcpy(&rta, *p, sizeof(rta));
	if (rta.rta_len < sizeof(rta) || rta.rta_len > *left)
		return false;

	a->type = rta.rta_type & NLA_TYPE_MASK;
	a->len = (uint16_t)(rta.rta_len - sizeof(rta));
	a->data = *p + sizeof(rta);

	step = MIN(RTA_ALIGN((size_t)rta.rta_len), *left);
	*p += step;
	*left -= step;
	return true;
}

static bool attr_u32(const struct nl_attr *a, uint32_t *v)
{
	if (a->len != sizeof(*v))
		return false;
	memcpy(v, a->data, sizeof(*v));
	return true;
}

static bool bytes_addr(const uint8_t *p, size_t len, union addr *a)
{
	struct in_addr in;

	if (len == sizeof(in)) {
		memcpy(&in, p, sizeof(in));
		*a = addr_from4(in);
		return true;
	}
	if (len == sizeof(*a)) {
		memcpy(a, p, sizeof(*a));
		return true;
	}
	return false;
}

/* An address that must be of @family: 4 bytes only count for IPv4, and a mapped
 * one of IPv6, which would pass for IPv4 with a prefix of up to 128, not at all */
static bool attr_addr(const struct nl_attr *a, int family, union addr *out)
{
	union addr addr;

	if (a->len != (family == AF_INET ? 4 : 16) ||
	    !bytes_addr(a->data, a->len, &addr) ||
	    addr_is4(&addr) != (family == AF_INET))
		return false;
	*out = addr;
	return true;
}

bool nl_link_parse(const uint8_t *msg, size_t len, struct nl_link *l)
{
	struct ifinfomsg ifi;
	struct nl_attr a;

	memset(l, 0, sizeof(*l));
	if (len < sizeof(ifi))
		return false;
	memcpy(&ifi, msg, sizeof(ifi));
	if (ifi.ifi_index <= 0)
		return false;
	l->index = (unsigned)ifi.ifi_index;
	l->flags = ifi.ifi_flags;

	msg += NLMSG_ALIGN(sizeof(ifi));
	len -= NLMSG_ALIGN(sizeof(ifi));
	while (nl_next_attr(&msg, &len, &a)) {
		if (a.type == IFLA_IFNAME && a.len &&
		    a.len <= sizeof(l->name) && !a.data[a.len - 1])
			memcpy(l->name, a.data, a.len);
		else if (a.type == IFLA_MTU)
			(void)attr_u32(&a, &l->mtu);
		else if (a.type == IFLA_TXQLEN)
			(void)attr_u32(&a, &l->txqlen);
		else if (a.type == IFLA_ADDRESS && a.len == sizeof(l->mac)) {
			memcpy(l->mac, a.data, sizeof(l->mac));
			l->mac_valid = ifi.ifi_type == ARPHRD_ETHER;
		}
	}
	return true;
}

bool nl_addr_parse(const uint8_t *msg, size_t len, struct nl_ifaddr *out)
{
	union addr local = ADDR_NONE, peer = ADDR_NONE;
	struct ifaddrmsg ifa;
	struct nl_attr a;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(ifa))
		return false;
	memcpy(&ifa, msg, sizeof(ifa));
	if (ifa.ifa_family != AF_INET && ifa.ifa_family != AF_INET6)
		return false;
	if (ifa.ifa_prefixlen > (ifa.ifa_family == AF_INET ? 32 : 128))
		return false;
	out->index = ifa.ifa_index;
	out->prefix = ifa.ifa_prefixlen;
	out->scope = ifa.ifa_scope;
	out->flags = ifa.ifa_flags;

	msg += NLMSG_ALIGN(sizeof(ifa));
	len -= NLMSG_ALIGN(sizeof(ifa));
	while (nl_next_attr(&msg, &len, &a)) {
		if (a.type == IFA_LOCAL)
			(void)attr_addr(&a, ifa.ifa_family, &local);
		else if (a.type == IFA_ADDRESS)
			(void)attr_addr(&a, ifa.ifa_family, &peer);
		else if (a.type == IFA_FLAGS)
			(void)attr_u32(&a, &out->flags);
		else if (a.type == IFA_RT_PRIORITY)
			(void)attr_u32(&a, &out->metric);
	}

	/* IFA_ADDRESS is the far end where there is one, else our address */
	out->addr = addr_is_none(&local) ? peer : local;
	out->peer = addr_is_none(&peer) ? local : peer;
	return !addr_is_none(&out->addr);
}

/* RTA_VIA: a gateway of the other family */
static bool via_addr(const struct nl_attr *a, union addr *gw)
{
	uint16_t family;

	if (a->len < sizeof(family))
		return false;
	memcpy(&family, a->data, sizeof(family));
	if (a->len - sizeof(family) != (family == AF_INET ? 4 : 16))
		return false;
	return bytes_addr(a->data + sizeof(family), a->len - sizeof(family),
			  gw);
}

/* The attributes of a next hop that stand in the route or in RTA_MULTIPATH */
static void hop_attr(const struct nl_attr *a, int family, struct nl_hop *h)
{
	if (a->type == RTA_GATEWAY)
		(void)attr_addr(a, family, &h->gw);
	else if (a->type == RTA_VIA)
		(void)via_addr(a, &h->gw);
}

static bool multipath_parse(const struct nl_attr *mp, struct nl_route *r)
{
	const uint8_t *p = mp->data;
	size_t left = mp->len;

	while (left >= sizeof(struct rtnexthop)) {
		struct nl_hop *h = &r->hop[r->nhops];
		struct rtnexthop nh;
		struct nl_attr a;
		const uint8_t *q;
		size_t qleft;

		memcpy(&nh, p, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left ||
		    nh.rtnh_ifindex < 0)
			return false;
		if (r->nhops == NL_HOPS_MAX)
			return true;		/* enough of them */

		memset(h, 0, sizeof(*h));
		h->oif = (unsigned)nh.rtnh_ifindex;
		h->flags = nh.rtnh_flags;
		h->weight = nh.rtnh_hops;
		q = p + sizeof(nh);
		qleft = nh.rtnh_len - sizeof(nh);
		while (nl_next_attr(&q, &qleft, &a))
			hop_attr(&a, r->family, h);
		r->nhops++;

		if (RTNH_ALIGN((size_t)nh.rtnh_len) >= left)
			break;
		left -= RTNH_ALIGN((size_t)nh.rtnh_len);
		p += RTNH_ALIGN((size_t)nh.rtnh_len);
	}
	return true;
}

static bool route_attr(const struct nl_attr *a, struct nl_route *r,
		       struct nl_hop *single)
{
	switch (a->type) {
	case RTA_DST:
		return attr_addr(a, r->family, &r->dst);
	case RTA_OIF:
		return attr_u32(a, &single->oif);
	case RTA_PRIORITY:
		return attr_u32(a, &r->metric);
	case RTA_TABLE:
		return attr_u32(a, &r->table);
	case RTA_NH_ID:
		return attr_u32(a, &r->nhid);
	case RTA_PREF:
		if (a->len)
			r->pref = a->data[0];
		return true;
	case RTA_METRICS:
		if (a->len <= sizeof(r->metrics)) {
			memcpy(r->metrics, a->data, a->len);
			r->metrics_len = a->len;
		}
		return true;
	case RTA_MULTIPATH:
		return multipath_parse(a, r);
	default:
		hop_attr(a, r->family, single);
		return true;
	}
}

bool nl_route_parse(const uint8_t *msg, size_t len, struct nl_route *r)
{
	struct nl_hop single = { .oif = 0 };
	struct nl_attr a;
	struct rtmsg rtm;

	memset(r, 0, sizeof(*r));
	if (len < sizeof(rtm))
		return false;
	memcpy(&rtm, msg, sizeof(rtm));
	if (rtm.rtm_family != AF_INET && rtm.rtm_family != AF_INET6)
		return false;
	if (rtm.rtm_dst_len > (rtm.rtm_family == AF_INET ? 32 : 128))
		return false;

	r->family = rtm.rtm_family;
	r->dst_len = rtm.rtm_dst_len;
	r->type = rtm.rtm_type;
	r->scope = rtm.rtm_scope;
	r->proto = rtm.rtm_protocol;
	r->tos = rtm.rtm_tos;
	r->table = rtm.rtm_table;
	r->flags = rtm.rtm_flags;
	r->dst = addr_any(r->family == AF_INET);

	msg += NLMSG_ALIGN(sizeof(rtm));
	len -= NLMSG_ALIGN(sizeof(rtm));
	while (nl_next_attr(&msg, &len, &a)) {
		if (!route_attr(&a, r, &single))
			return false;
	}

	if (!r->nhops && single.oif) {
		single.flags = (uint8_t)rtm.rtm_flags;
		r->hop[r->nhops++] = single;
	}
	return true;
}

static bool group_parse(const struct nl_attr *a, struct nl_nexthop *n)
{
	size_t i, max = a->len / sizeof(struct nexthop_grp);

	if (a->len % sizeof(struct nexthop_grp))
		return false;
	for (i = 0; i < max && n->ngroup < NL_GROUP_MAX; i++) {
		struct nexthop_grp g;

		memcpy(&g, a->data + i * sizeof(g), sizeof(g));
		n->group[n->ngroup].id = g.id;
		/* The byte after the weight is its upper half since 6.12 */
		n->group[n->ngroup++].weight =
			(uint16_t)(g.weight |
				   a->data[i * sizeof(g) + 5] << 8);
	}
	return true;
}

bool nl_nexthop_parse(const uint8_t *msg, size_t len, struct nl_nexthop *n)
{
	struct nl_attr a;
	struct nhmsg nh;
	bool ok = true;

	memset(n, 0, sizeof(*n));
	if (len < sizeof(nh))
		return false;
	memcpy(&nh, msg, sizeof(nh));
	n->hop.flags = (uint8_t)nh.nh_flags;

	msg += NLMSG_ALIGN(sizeof(nh));
	len -= NLMSG_ALIGN(sizeof(nh));
	while (ok && nl_next_attr(&msg, &len, &a)) {
		if (a.type == NHA_ID)
			ok = attr_u32(&a, &n->id);
		else if (a.type == NHA_OIF)
			ok = attr_u32(&a, &n->hop.oif);
		else if (a.type == NHA_GATEWAY)
			ok = bytes_addr(a.data, a.len, &n->hop.gw);
		else if (a.type == NHA_GROUP)
			ok = group_parse(&a, n);
		else if (a.type == NHA_BLACKHOLE)
			n->blackhole = true;
	}
	return ok && n->id;
}

/* ------------------------------------------------------------------ lists */

static void link_cb(void *arg, uint16_t type, const uint8_t *msg, size_t len)
{
	struct nl_link *l = arg;

	if (type == RTM_NEWLINK && !l->index)
		(void)nl_link_parse(msg, len, l);
}

int nl_link_get(int fd, const char *name, unsigned index, struct nl_link *l)
{
	struct ifinfomsg ifi = { .ifi_index = (int)index };
	struct nl_req r;
	int rc;

	req_init(&r, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	if (name)
		req_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	req_u32(&r, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (r.over)
		return -ENAMETOOLONG;

	memset(l, 0, sizeof(*l));
	rc = nl_dump(fd, &r.u.nh, link_cb, l);
	if (!rc && !l->index)
		return -ENODEV;
	return rc;
}

struct addr_list {
	struct nl_ifaddr *a;
	unsigned index;
	int family, n, max;
};

static void addr_cb(void *arg, uint16_t type, const uint8_t *msg, size_t len)
{
	struct addr_list *list = arg;
	struct nl_ifaddr a;

	if (type == RTM_NEWADDR && list->n < list->max &&
	    nl_addr_parse(msg, len, &a) && a.index == list->index &&
	    addr_is4(&a.addr) == (list->family == AF_INET))
		list->a[list->n++] = a;
}

int nl_addrs(int fd, int family, unsigned index, struct nl_ifaddr *a, int max)
{
	struct ifaddrmsg ifa = { .ifa_family = (uint8_t)family,
				 .ifa_index = index };
	struct addr_list list = { a, index, family, 0, max };
	struct nl_req r;
	int i, rc = -EINTR;

	for (i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		list.n = 0;
		req_init(&r, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
		rc = nl_dump(fd, &r.u.nh, addr_cb, &list);
	}
	return rc && rc != -EINTR ? rc : list.n;
}

struct route_list {
	struct nl_route *r;
	int family, n, max;
};

static void route_cb(void *arg, uint16_t type, const uint8_t *msg, size_t len)
{
	struct route_list *list = arg;
	struct nl_route *r = &list->r[list->n];

	if (type != RTM_NEWROUTE || list->n >= list->max)
		return;
	if (!nl_route_parse(msg, len, r) || r->family != list->family ||
	    r->table != RT_TABLE_MAIN || r->type != RTN_UNICAST ||
	    r->flags & RTM_F_CLONED || (!r->nhops && !r->nhid))
		return;
	list->n++;
}

static void nexthop_cb(void *arg, uint16_t type, const uint8_t *msg, size_t len)
{
	struct nl_nexthop *n = arg;

	if (type == RTM_NEWNEXTHOP && !n->id &&
	    !nl_nexthop_parse(msg, len, n))
		n->id = 0;
}

static int nexthop_get(int fd, uint32_t id, struct nl_nexthop *n)
{
	struct nhmsg nh = { .nh_family = AF_UNSPEC };
	struct nl_req r;
	int rc;

	req_init(&r, RTM_GETNEXTHOP, 0, &nh, sizeof(nh));
	req_u32(&r, NHA_ID, id);
	memset(n, 0, sizeof(*n));
	rc = nl_dump(fd, &r.u.nh, nexthop_cb, n);
	return rc ? rc : n->id ? 0 : -ENOENT;
}

/* Where the kernel only told the id of a nexthop object (it tells more unless
 * net.ipv4.nexthop_compat_mode is off), ask what is behind it */
static void route_resolve(int fd, struct nl_route *r)
{
	struct nl_nexthop top, member;
	unsigned i;

	if (r->nhops || nexthop_get(fd, r->nhid, &top) || top.blackhole)
		return;

	if (!top.ngroup && top.hop.oif) {
		r->hop[r->nhops++] = top.hop;
		return;
	}

	for (i = 0; i < top.ngroup && r->nhops < NL_HOPS_MAX; i++) {
		if (nexthop_get(fd, top.group[i].id, &member) ||
		    member.blackhole || !member.hop.oif)
			continue;	/* groups of groups do not exist */
		member.hop.weight = top.group[i].weight;
		r->hop[r->nhops++] = member.hop;
	}
}

int nl_routes(int fd, int family, struct nl_route *routes, int max)
{
	struct rtmsg rtm = { .rtm_family = (uint8_t)family,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_type = RTN_UNICAST };
	struct route_list list = { routes, family, 0, max };
	int i, n, rc = -EINTR;
	struct nl_req r;

	for (i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		list.n = 0;
		req_init(&r, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
		rc = nl_dump(fd, &r.u.nh, route_cb, &list);
	}
	if (rc == -ENOENT)		/* no such table: no routes */
		return 0;
	if (rc && rc != -EINTR)
		return rc;

	for (i = n = 0; i < list.n; i++) {
		if (routes[i].nhid)
			route_resolve(fd, &routes[i]);
		routes[i].nhid = 0;
		if (!routes[i].nhops)
			continue;
		if (i != n)
			routes[n] = routes[i];
		n++;
	}
	return n;
}

/* ---------------------------------------------------------------- changes */

static void req_link(struct nl_req *r, unsigned index, unsigned flags)
{
	struct ifinfomsg ifi = { .ifi_index = (int)index, .ifi_flags = flags,
				 .ifi_change = flags };

	req_init(r, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
}

int nl_link_up(int fd, unsigned index)
{
	struct nl_req r;

	req_link(&r, index, IFF_UP);
	return req_do(fd, &r);
}

int nl_link_mtu(int fd, unsigned index, unsigned mtu)
{
	struct nl_req r;

	req_link(&r, index, 0);
	req_u32(&r, IFLA_MTU, mtu);
	return req_do(fd, &r);
}

int nl_link_mac(int fd, unsigned index, const uint8_t mac[static 6])
{
	struct nl_req r;

	req_link(&r, index, 0);
	req_attr(&r, IFLA_ADDRESS, mac, 6);
	return req_do(fd, &r);
}

int nl_link_txqlen(int fd, unsigned index, unsigned len)
{
	struct nl_req r;

	req_link(&r, index, 0);
	req_u32(&r, IFLA_TXQLEN, len);
	return req_do(fd, &r);
}

int nl_link_no_autoaddr(int fd, unsigned index)
{
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	size_t spec, inet6;
	struct nl_req r;

	req_link(&r, index, 0);
	spec = req_begin(&r, IFLA_AF_SPEC | NLA_F_NESTED);
	inet6 = req_begin(&r, AF_INET6 | NLA_F_NESTED);
	req_attr(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	req_end(&r, inet6);
	req_end(&r, spec);
	return req_do(fd, &r);
}

int nl_addr_add(int fd, unsigned index, const struct nl_ifaddr *a)
{
	bool v4 = addr_is4(&a->addr);
	struct ifaddrmsg ifa = { .ifa_family = v4 ? AF_INET : AF_INET6,
				 .ifa_prefixlen = a->prefix,
				 .ifa_scope = a->scope, .ifa_index = index };
	struct nl_req r;
	int rc;

	req_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
	req_addr(&r, IFA_LOCAL, &a->addr);
	req_addr(&r, IFA_ADDRESS,
		 addr_is_none(&a->peer) ? &a->addr : &a->peer);
	if (v4 && a->prefix < 31 &&
	    (addr_is_none(&a->peer) || addr_eq(&a->peer, &a->addr))) {
		union addr brd = a->addr;

		brd.w[3] |= htonl(UINT32_MAX >> a->prefix);
		req_addr(&r, IFA_BROADCAST, &brd);
	}
	req_u32(&r, IFA_FLAGS, (a->flags & IFA_F_NOPREFIXROUTE) | IFA_F_NODAD);
	if (a->metric)
		req_u32(&r, IFA_RT_PRIORITY, a->metric);

	rc = req_do(fd, &r);
	return rc == -EEXIST ? 0 : rc;
}

static void local_cb(void *arg, uint16_t type, const uint8_t *msg, size_t len)
{
	struct rtmsg rtm;

	if (type != RTM_NEWROUTE || len < sizeof(rtm))
		return;
	memcpy(&rtm, msg, sizeof(rtm));
	*(bool *)arg = rtm.rtm_type == RTN_LOCAL;
}

int nl_addr_live(int fd, unsigned index, const union addr *a)
{
	struct rtmsg rtm = { .rtm_family = AF_INET6, .rtm_dst_len = 128 };
	bool local = false;
	struct nl_req r;
	int rc;

	req_init(&r, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	req_addr(&r, RTA_DST, a);
	if (addr_class(a) == ADDR_LINKLOCAL)
		req_u32(&r, RTA_OIF, index);
	rc = nl_dump(fd, &r.u.nh, local_cb, &local);
	if (rc == -ENETUNREACH || rc == -EHOSTUNREACH)
		return 0;
	return rc ? rc : local;
}

static void req_gw(struct nl_req *r, int family, const union addr *gw)
{
	struct { uint16_t family; uint8_t a[16]; } via = { AF_INET6, { 0 } };

	if (addr_is_none(gw))
		return;
	if (addr_is4(gw) == (family == AF_INET)) {
		req_addr(r, RTA_GATEWAY, gw);
	} else {			/* RFC 8950: IPv4 via an IPv6 router */
		memcpy(via.a, gw, sizeof(via.a));
		req_attr(r, RTA_VIA, &via, sizeof(via));
	}
}

static void req_multipath(struct nl_req *r, const struct nl_route *rt)
{
	size_t mp = req_begin(r, RTA_MULTIPATH);
	unsigned i;

	for (i = 0; i < rt->nhops; i++) {
		const struct nl_hop *h = &rt->hop[i];
		struct rtnexthop nh = {
			.rtnh_len = sizeof(nh), .rtnh_flags = h->flags,
			.rtnh_hops = (uint8_t)MIN(h->weight, 255),
			.rtnh_ifindex = (int)h->oif,
		};
		size_t at = req_raw(r, &nh, sizeof(nh));

		req_gw(r, rt->family, &h->gw);
		req_end(r, at);
	}
	req_end(r, mp);
}

int nl_route_add(int fd, const struct nl_route *rt)
{
	struct rtmsg rtm = {
		.rtm_family = rt->family, .rtm_dst_len = rt->dst_len,
		.rtm_tos = rt->tos, .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = rt->proto, .rtm_scope = rt->scope,
		.rtm_type = rt->type,
	};
	struct nl_req r;
	int rc;

	if (!rt->nhops || rt->nhops > NL_HOPS_MAX)
		return -EINVAL;
	if (rt->nhops == 1)
		rtm.rtm_flags = rt->hop[0].flags;

	req_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rtm,
		 sizeof(rtm));
	if (rt->dst_len)
		req_addr(&r, RTA_DST, &rt->dst);
	if (rt->metric)
		req_u32(&r, RTA_PRIORITY, rt->metric);
	if (rt->pref && rt->family == AF_INET6)
		req_attr(&r, RTA_PREF, &rt->pref, 1);
	if (rt->metrics_len)
		req_attr(&r, RTA_METRICS | NLA_F_NESTED, rt->metrics,
			 rt->metrics_len);
	if (rt->nhops == 1) {
		req_gw(&r, rt->family, &rt->hop[0].gw);
		req_u32(&r, RTA_OIF, rt->hop[0].oif);
	} else {
		req_multipath(&r, rt);
	}

	rc = req_do(fd, &r);
	return rc == -EEXIST ? 0 : rc;
}
