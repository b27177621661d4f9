// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rules.c - port specifications: what is taken has ports in order, targets in
 * range, no port twice in one table in the same way, and reads the same from
 * the text that we write of it
 *
 * Input: what the surroundings allow, then specifications, a line each.
 */
#include "fuzz.h"

#include "fwd_rule.h"

static void rule_check(const struct fwd_rule *r, const struct rule_ctx *ctx)
{
	static struct ruleset again;
	const struct rule_ctx all = { true, true, true, 0, 0 };
	char text[RULE_STRLEN], small[8], err[256];

	FUZZ_CHECK(r->first && r->first <= r->last);
	FUZZ_CHECK(r->target && r->target + (r->last - r->first) <= 65535);
	FUZZ_CHECK(memchr(r->ifname, 0, sizeof(r->ifname)));
	if (!ctx->bind_ok)
		FUZZ_CHECK(addr_is_none(&r->addr) && !*r->ifname);

	FUZZ_CHECK(rule_str(r, text, sizeof(text)) == text);
	FUZZ_CHECK(strlen(text) < sizeof(text));
	rule_str(r, small, sizeof(small));
	FUZZ_CHECK(strlen(small) < sizeof(small));
	again.n = 0;
	again.mode = RULES_UNSET;
	FUZZ_CHECK(rules_parse(&again, text, &all, err, sizeof(err)));
	FUZZ_CHECK(again.n == 1 && again.rule[0].first == r->first &&
		   again.rule[0].last == r->last &&
		   again.rule[0].target == r->target &&
		   again.rule[0].v6any == r->v6any &&
		   addr_eq(&again.rule[0].addr, &r->addr) &&
		   !strcmp(again.rule[0].ifname, r->ifname));
}

static void table_check(const struct ruleset *rs, const struct rule_ctx *ctx)
{
	unsigned i;

	FUZZ_CHECK(rs->n <= RULES_MAX);
	FUZZ_CHECK(rs->mode != RULES_AUTO || ctx->auto_ok);
	FUZZ_CHECK(rs->mode != RULES_ALL || ctx->all_ok);
	FUZZ_CHECK(rs->mode != RULES_NONE || !rs->n);
	for (i = 0; i < rs->n; i++)
		rule_check(&rs->rule[i], ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ruleset rs;
	struct in in = { data, size };
	uint8_t allow = in_u8(&in);
	struct rule_ctx ctx = {
		.bind_ok = allow & 1, .auto_ok = allow & 2, .all_ok = allow & 4,
		.eph_first = allow & 8 ? 32768 : 0,
		.eph_last = allow & 8 ? 60999 : 0,
	};
	char *text = fuzz_dup(in.p, in.left, true), *line = text, *end;
	bool ok = true;

	memset(&rs, 0, sizeof(rs));
	for (; ok && line; line = end ? end + 1 : NULL) {
		char *spec, *err = malloc(128);

		end = strchr(line, '\n');
		spec = fuzz_dup(line, end ? (size_t)(end - line) : strlen(line),
				true);
		memset(err, 'x', 128);
		ok = rules_parse(&rs, spec, &ctx, err, 128);
		/* One line that says why */
		if (!ok)
			FUZZ_CHECK(memchr(err, 0, 128) && *err);
		if (ok)
			table_check(&rs, &ctx);
		free(err);
		free(spec);
	}
	free(text);
	return 0;
}
