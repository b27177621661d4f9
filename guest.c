// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guest.c - the virtual link: who we are on it, who the guest is
 *
 * The facts are copied once at start and never change. What is learned from
 * frames stands beside them: a MAC address, one IPv4 address, one link-local
 * and one global IPv6 address. The guest may claim any source address it
 * likes, so learning only takes addresses that can be an endpoint on a link;
 * nothing of trust hangs on them, they merely say where frames go.
 */
#include "guest.h"

#include "log.h"

static struct {
	struct guest g;
	uint8_t start_mac[6];		/* to fall back to when it leaves */
	bool start_known;
} state;

static void reset_seen(void)
{
	state.g.seen4 = state.g.net[GUEST_V4].addr;
	state.g.seen6 = state.g.net[GUEST_V6].addr;
	state.g.seen6_ll = ADDR_NONE;
	if (addr_class(&state.g.seen6) == ADDR_LINKLOCAL)
		state.g.seen6_ll = state.g.seen6;
}

void guest_init(const struct guest *facts)
{
	state.g = *facts;
	if (!facts->mac_known)
		memset(state.g.mac, 0xff, sizeof(state.g.mac));
	memcpy(state.start_mac, state.g.mac, sizeof(state.start_mac));
	state.start_known = facts->mac_known;
	reset_seen();
}

const struct guest *guest(void)
{
	return &state.g;
}

static void learn_mac(const uint8_t *mac)
{
	char buf[MAC_STRLEN];

	if (state.g.mac_known && !memcmp(mac, state.g.mac, 6))
		return;
	if (!mac_is_station(mac))
		return;

	memcpy(state.g.mac, mac, 6);
	state.g.mac_known = true;
	debug("guest has MAC address %s", mac_str(mac, buf));
}

static void learn(union addr *seen, const union addr *src)
{
	char buf[ADDR_STRLEN];

	if (addr_eq(seen, src))
		return;
	*seen = *src;
	debug("guest uses address %s", addr_str(src, buf));
}

void guest_saw(const uint8_t mac[static 6], const union addr *src)
{
	enum addr_class class;

	learn_mac(mac);
	if (!src)
		return;

	class = addr_class(src);
	if (class != ADDR_UNICAST && class != ADDR_LINKLOCAL)
		return;

	if (addr_is4(src))
		learn(&state.g.seen4, src);
	else if (class == ADDR_LINKLOCAL)
		learn(&state.g.seen6_ll, src);
	else
		learn(&state.g.seen6, src);
}

void guest_assigned(enum guest_family f)
{
	if (f == GUEST_V4)
		state.g.seen4 = state.g.net[GUEST_V4].addr;
	else
		state.g.seen6 = state.g.net[GUEST_V6].addr;
}

union addr guest_addr_for(const union addr *src)
{
	if (addr_is4(src))
		return state.g.seen4;
	/* Until it has shown one of link scope, the other one is as near */
	if (addr_class(src) == ADDR_LINKLOCAL &&
	    !addr_is_none(&state.g.seen6_ll))
		return state.g.seen6_ll;
	return state.g.seen6;
}

bool guest_is_self(const union addr *a)
{
	const struct guest_net *n;
	unsigned i;

	if (addr_is_none(a))
		return false;

	n = &state.g.net[addr_is4(a) ? GUEST_V4 : GUEST_V6];
	for (i = 0; i < n->nalso; i++)
		if (addr_eq(a, &n->also[i]))
			return true;
	return addr_eq(a, &state.g.net[GUEST_V4].addr) ||
	       addr_eq(a, &state.g.net[GUEST_V6].addr) ||
	       addr_eq(a, &state.g.seen4) || addr_eq(a, &state.g.seen6) ||
	       addr_eq(a, &state.g.seen6_ll);
}

void guest_forget(void)
{
	memcpy(state.g.mac, state.start_mac, sizeof(state.g.mac));
	state.g.mac_known = state.start_known;
	reset_seen();
}
