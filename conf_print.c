// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf_print.c - the start banner: the configuration as it came out
 *
 * For people who wonder what was derived from the host. At least one embedding
 * program reads the addresses from it, after the words "assign:" and
 * "router:", so these stay as they are.
 */
#include "conf.h"

static void print_list(const char *title, const union addr *a, unsigned n)
{
	char buf[ADDR_STRLEN];
	unsigned i;

	if (n)
		info("%s:", title);
	for (i = 0; i < n; i++)
		info("    %s", addr_str(&a[i], buf));
}

static void print_net4(const struct guest *g)
{
	const struct guest_net *net = &g->net[GUEST_V4];
	uint32_t mask = net->prefix ? ~0U << (32 - net->prefix) : 0;
	union addr m = addr_from4((struct in_addr){ htonl(mask) });
	char buf[ADDR_STRLEN];

	info(g->dhcp ? "DHCP:" : "IPv4:");
	if (!addr_is_none(&net->addr)) {
		info("    assign: %s", addr_str(&net->addr, buf));
		info("    mask: %s", addr_str(&m, buf));
	}
	if (!addr_is_none(&net->gw))
		info("    router: %s", addr_str(&net->gw, buf));
	if (g->tell_dns)
		print_list("DNS", net->dns, net->ndns);
}

static void print_net6(const struct guest *g)
{
	const struct guest_net *net = &g->net[GUEST_V6];
	char buf[ADDR_STRLEN];

	info("%s:", g->ndp ? g->dhcpv6 ? "NDP/DHCPv6" : "NDP" :
			     g->dhcpv6 ? "DHCPv6" : "IPv6");
	if (!addr_is_none(&net->addr))
		info("    assign: %s", addr_str(&net->addr, buf));
	if (!addr_is_none(&net->gw))
		info("    router: %s", addr_str(&net->gw, buf));
	if (!addr_is_none(&net->our))
		info("    our link-local: %s", addr_str(&net->our, buf));
	if (g->tell_dns)
		print_list("DNS", net->dns, net->ndns);
}

/* The addresses that lead to somebody else; @own: the guest's */
static void print_maps(const struct fwd_net *net, const union addr *own)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];
	union addr lo;

	if (!addr_is_none(&net->map_host_loopback)) {
		lo = addr_loopback(&net->map_host_loopback);
		info("Host loopback %s is seen as %s", addr_str(&lo, a),
		     addr_str(&net->map_host_loopback, b));
	}
	if (!addr_is_none(&net->map_guest_addr) && !addr_is_none(own))
		info("Host address %s, also the guest's, is seen as %s",
		     addr_str(own, a), addr_str(&net->map_guest_addr, b));
	if (!addr_is_none(&net->dns_forward) && !addr_is_none(&net->dns_host))
		info("DNS to %s goes to %s", addr_str(&net->dns_forward, a),
		     addr_str(&net->dns_host, b));
}

static void print_mapping(const struct guest *g, const struct fwd_conf *fwd)
{
	char a[ADDR_STRLEN];
	unsigned i;

	for (i = 0; i < GUEST_FAMILIES; i++) {
		const struct fwd_net *net = &fwd->net[i];

		if (*net->outbound_if)
			info("Outbound interface: %s", net->outbound_if);
		if (!addr_is_none(&net->outbound))
			info("Outbound address: %s",
			     addr_str(&net->outbound, a));
		if (g->net[i].on)
			print_maps(net, &g->net[i].addr);
	}
}

static void print_rules(const struct fwd_conf *fwd)
{
	static const char *const titles[] = {
		[FWD_TCP_IN] = "Inbound TCP forwarding",
		[FWD_UDP_IN] = "Inbound UDP forwarding",
		[FWD_TCP_NS] = "Outbound TCP forwarding",
		[FWD_UDP_NS] = "Outbound UDP forwarding",
	};
	char text[RULE_STRLEN];
	unsigned i, t;

	for (t = 0; t < FWD_TABLES; t++) {
		bool is_auto = fwd->rules[t].mode == RULES_AUTO;

		if (is_auto || fwd->rules[t].n)
			info("%s:", titles[t]);
		if (is_auto)
			info("    auto");
		for (i = 0; i < fwd->rules[t].n; i++)
			info("    %s", rule_str(&fwd->rules[t].rule[i], text,
						sizeof(text)));
	}
}

static void print_template(const struct conf *c)
{
	static const char *const families[] = { "IPv4", "IPv6" };
	char name[IF_NAMESIZE];
	int f;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		if (!c->guest.net[f].on)
			continue;
		if (!c->template_ifi[f])
			info("Template interface for %s: none", families[f]);
		else if (if_indextoname(c->template_ifi[f], name))
			info("Template interface for %s: %s", families[f],
			     name);
	}
}

static void print_guest(const struct conf *c)
{
	const struct guest *g = &c->guest;
	char mac[MAC_STRLEN];
	unsigned i;

	print_template(c);
	if (*c->ns_ifname)
		info("Namespace interface: %s", c->ns_ifname);
	info("Our MAC address: %s", mac_str(g->our_mac, mac));

	if (g->net[GUEST_V4].on)
		print_net4(g);
	if (g->net[GUEST_V6].on)
		print_net6(g);
	if (g->tell_search && g->nsearch) {
		info("Search domains:");
		for (i = 0; i < g->nsearch; i++)
			info("    %s", g->search[i]);
	}
	print_mapping(g, &c->fwd);
}

void conf_print(const struct conf *c)
{
	if (c->fwd.no_tap)
		info("No interface in the namespace: loopback only");
	else
		print_guest(c);
	print_rules(&c->fwd);
	if (c->mode != MODE_PASST || !*c->socket)
		return;
	info("Socket bound at %s; for QEMU:", c->socket);
	if (c->vhost_user) {
		info("    -chardev socket,id=c0,path=%s -netdev vhost-user,id=n0,chardev=c0 -device virtio-net-pci,netdev=n0",
		     c->socket);
		info("    -object memory-backend-memfd,id=m0,share=on,size=SIZE -numa node,memdev=m0");
	} else {
		info("    -netdev stream,id=n0,server=off,addr.type=unix,addr.path=%s -device virtio-net-pci,netdev=n0",
		     c->socket);
	}
}
