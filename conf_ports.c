// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf_ports.c - options that forward ports
 *
 * The grammar of their arguments is that of fwd_rule.c. Here is what depends on
 * the rest of the line: the mode, protocols and families that are off.
 */
#include "conf_ports.h"

#include <stdio.h>

/* Ephemeral ports, left out by "all" and exclusions (fallback: RFC 6335 6) */
static void ephemeral(struct rule_ctx *ctx)
{
	unsigned first, last;
	char buf[32];

	ctx->eph_first = 49152;
	ctx->eph_last = 65535;
	if (read_file("/proc/sys/net/ipv4/ip_local_port_range", buf,
		      sizeof(buf)) <= 0 ||
	    sscanf(buf, "%u %u", &first, &last) != 2 ||
	    !first || first > last || last > 65535)
		return;
	ctx->eph_first = (in_port_t)first;
	ctx->eph_last = (in_port_t)last;
}

void take_ports(struct conf *c, const struct option_row *row, const char *arg)
{
	enum fwd_table t = (enum fwd_table)row->num;
	bool tcp = fwd_is_tcp(t);
	struct rule_ctx ctx = { .bind_ok = fwd_is_inbound(t),
				.auto_ok = c->mode == MODE_PASTA,
				.all_ok = c->mode == MODE_PASST };
	struct ruleset *rs = &c->fwd.rules[t];
	const struct fwd_rule *r;
	char err[256], text[RULE_STRLEN];
	unsigned i = rs->n;

	ephemeral(&ctx);
	if (!rules_parse(rs, arg, &ctx, err, sizeof(err)))
		die("--%s: %s", row->name, err);

	if (rs->mode != RULES_NONE && !(tcp ? c->tcp : c->udp))
		die("--%s: '%.64s' needs a protocol that --no-%s turns off: give 'none'",
		    row->name, arg, tcp ? "tcp" : "udp");
	for (; i < rs->n; i++) {
		r = &rs->rule[i];
		if (addr_is_none(&r->addr) && !r->v6any)
			continue;
		if (!c->guest.net[family_of(&r->addr)].on)
			die("--%s: '%s' has an address of the family that --ipv%d-only turns off",
			    row->name, rule_str(r, text, sizeof(text)),
			    c->only4 ? 4 : 6);
	}
}

void ports_default(struct conf *c)
{
	struct ruleset *rs;
	bool on;
	int t;

	for (t = 0; t < FWD_TABLES; t++) {
		rs = &c->fwd.rules[t];
		if (rs->mode != RULES_UNSET)
			continue;
		on = fwd_is_tcp((enum fwd_table)t) ? c->tcp : c->udp;
		rs->mode = c->mode == MODE_PASTA && on ? RULES_AUTO :
							 RULES_NONE;
	}
}
