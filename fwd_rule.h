/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd_rule.h - port forwarding rules as plain data
 *
 * One rule is one range of consecutive ports bound in one way and mapped to an
 * equally long range of target ports; a range stays one object, however long.
 * The text form is that of the options -t, -u, -T and -U.
 */
#ifndef FWD_RULE_H
#define FWD_RULE_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define RULES_MAX	255		/* per table */
#define RULE_STRLEN	(ADDR_STRLEN + IFNAMSIZ + 32)	/* for rule_str() */

struct fwd_rule {
	union addr	addr;		/* ADDR_NONE: every address, both
					 * families in one socket */
	char		ifname[IFNAMSIZ];	/* empty: any interface */
	in_port_t	first, last;	/* bound ports, host order */
	in_port_t	target;		/* port that @first maps to */
	bool		weak;		/* best effort ("all", exclusions) */
	bool		v6any;		/* addr is an explicit "::": IPv6 only */
};

enum ruleset_mode {
	RULES_UNSET, RULES_NONE, RULES_AUTO, RULES_ALL, RULES_PORTS,
};

struct ruleset {
	enum ruleset_mode mode;
	unsigned	n;
	struct fwd_rule	rule[RULES_MAX];
};

/* What the parser needs to know of its surroundings */
struct rule_ctx {
	bool		bind_ok;	/* ADDR/, %IF/ prefixes (-t, -u) */
	bool		auto_ok, all_ok;
	in_port_t	eph_first, eph_last;	/* ephemeral ports, left out by
						 * "all"; 0,0 = none */
};

/*
 * rules_parse() - Add one option argument (the whole grammar of the manual:
 * none, auto, all, [ADDR][%IF]/, lists, ranges, remaps, exclusions)
 * @rs:		table, zeroed before the first option
 * @err:	on failure, one line naming the offending piece and what would be
 *		right
 * Return: false on error, @rs is then undefined
 */
bool rules_parse(struct ruleset *rs, const char *spec,
		 const struct rule_ctx *ctx, char *err, size_t errsize);

/* rule_str() - Text of one rule in the same grammar, e.g.
 * "192.0.2.1%eth0/22-80:32-90" */
const char *rule_str(const struct fwd_rule *r, char *buf, size_t size);

#endif /* FWD_RULE_H */
