// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_rule.c - port forwarding rules: text to data and back
 *
 * One option argument is read in two steps. First its items become a list of
 * ranges and a map of excluded ports, whatever their order; then every range,
 * cut in pieces by the exclusions, is added as rules. "all", and an argument
 * made of exclusions alone, start from all ports but the ephemeral ones: their
 * rules are weak, a port that cannot be bound is none of the user's business.
 *
 * A rule that would bind what another one already binds is refused here, since
 * the kernel's "address in use" later on would not name the culprit.
 */
#include "fwd_rule.h"

#include <stdarg.h>
#include <stdio.h>

#include "util.h"

#define ITEMS_MAX	RULES_MAX
#define PIECE_MAX	96	/* characters of one item or bind part */
#define PORTS		65536

struct ports {
	in_port_t first, last;
};

struct item {
	struct ports bound;
	in_port_t target;
};

/* Everything one argument says, and where errors go */
struct parse {
	struct ruleset *rs;
	const struct rule_ctx *ctx;
	struct fwd_rule bind;		/* address and interface of all rules */
	unsigned n;
	struct item item[ITEMS_MAX];
	bool excluding;
	uint8_t excluded[PORTS / 8];
	char *err;
	size_t errsize;
};

static bool fail(struct parse *p, const char *fmt, ...) printf_like(2, 3);

static bool fail(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->errsize, fmt, ap);
	va_end(ap);
	return false;
}

/* Blanks before an item or a number are for people to read: "80, 443" */
static const char *no_blanks(const char *text)
{
	return text + strspn(text, " \t\n");
}

static bool parse_port(struct parse *p, const char *piece, const char *text,
		       in_port_t *port)
{
	uint64_t n;

	if (!parse_u64(no_blanks(text), 10, 1, PORTS - 1, &n))
		return fail(p, "'%s': '%s' is not a port, 1 to 65535 in decimal",
			    piece, text);
	*port = (in_port_t)n;
	return true;
}

static bool parse_range(struct parse *p, const char *piece, const char *text,
			struct ports *r)
{
	char first[PIECE_MAX];
	const char *dash = strchr(text, '-');
	size_t n = dash ? (size_t)(dash - text) : strlen(text);

	memcpy(first, text, n);		/* a part of @piece: it fits */
	first[n] = '\0';

	if (!parse_port(p, piece, first, &r->first))
		return false;
	r->last = r->first;
	if (dash && !parse_port(p, piece, dash + 1, &r->last))
		return false;
	if (r->first > r->last)
		return fail(p, "'%s': a range goes from the lower to the higher port",
			    piece);
	return true;
}

static bool parse_exclusion(struct parse *p, const char *piece)
{
	struct ports r;
	unsigned i;

	if (!parse_range(p, piece, piece + 1, &r))
		return false;

	for (i = r.first; i <= r.last; i++) {
		if (bit_test(p->excluded, i))
			return fail(p, "'%s': port %u is excluded twice",
				    piece, i);
		bit_set(p->excluded, i);
	}
	p->excluding = true;
	return true;
}

static bool parse_item(struct parse *p, const char *piece)
{
	char source[PIECE_MAX];
	const char *colon = strchr(piece, ':');
	struct ports to;
	struct item *it = &p->item[p->n];

	if (!*piece)
		return fail(p, "empty item in port list: give ports or ranges separated by single commas");
	if (*piece == '~')
		return parse_exclusion(p, piece);
	if (p->n == ITEMS_MAX)
		return fail(p, "'%s': more than %u items in one option",
			    piece, ITEMS_MAX);

	str_copy(source, sizeof(source), piece);
	if (colon)
		source[colon - piece] = '\0';
	if (!parse_range(p, piece, source, &it->bound))
		return false;

	it->target = it->bound.first;
	if (colon) {
		if (!parse_range(p, piece, colon + 1, &to))
			return false;
		if (to.last - to.first != it->bound.last - it->bound.first)
			return fail(p, "'%s': ranges before and after ':' must have the same length",
				    piece);
		it->target = to.first;
	}

	p->n++;
	return true;
}

/* Cut at commas; every piece fits a small buffer or is junk */
static bool parse_items(struct parse *p, const char *s)
{
	char piece[PIECE_MAX];
	size_t n;

	for (;;) {
		n = strcspn(s, ",");
		if (n >= sizeof(piece))
			return fail(p, "'%.32s...': not a port or port range",
				    s);
		memcpy(piece, s, n);
		piece[n] = '\0';
		if (!parse_item(p, no_blanks(piece)))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

static bool parse_bind_addr(struct parse *p, char *text)
{
	size_t n = strlen(text);
	char inner[PIECE_MAX];

	str_copy(inner, sizeof(inner), text);
	if (*text == '[') {
		if (text[n - 1] != ']')
			return fail(p, "'%s': no closing bracket after the address",
				    text);
		inner[n - 1] = '\0';
		memmove(inner, inner + 1, n - 1);
	}

	if (!addr_parse(inner, &p->bind.addr))
		return fail(p, "'%s': not an IPv4 or IPv6 address to bind to",
			    text);
	p->bind.v6any = addr_is_none(&p->bind.addr);
	return true;
}

/* What stands before the slash: ADDR, %IF or ADDR%IF */
static bool parse_bind(struct parse *p, const char *s, size_t len)
{
	char text[PIECE_MAX], *percent;

	if (len >= sizeof(text))
		return fail(p, "'%.32s...': not an address or %%interface to bind to",
			    s);
	memcpy(text, s, len);
	text[len] = '\0';

	if (!p->ctx->bind_ok)
		return fail(p, "'%s/': no address or interface possible here, give ports only",
			    text);
	if (!len)
		return fail(p, "nothing before '/': give an address or %%interface");

	percent = strchr(text, '%');
	if (percent) {
		if (!percent[1] ||
		    !str_copy(p->bind.ifname, sizeof(p->bind.ifname),
			      percent + 1))
			return fail(p, "'%s': an interface name has 1 to %d characters",
				    text, IFNAMSIZ - 1);
		if (strpbrk(percent + 1, "% \t"))
			return fail(p, "'%s': '%s' is not an interface name",
				    text, percent + 1);
		*percent = '\0';
	}

	return !*text || parse_bind_addr(p, text);
}

static bool is_any(const struct fwd_rule *r)
{
	union addr any = addr_any(addr_is4(&r->addr));

	return addr_eq(&r->addr, &any);
}

/* Would the kernel refuse to bind both for the same port? */
static bool same_place(const struct fwd_rule *a, const struct fwd_rule *b)
{
	bool both_a = addr_is_none(&a->addr) && !a->v6any;
	bool both_b = addr_is_none(&b->addr) && !b->v6any;

	if (*a->ifname && *b->ifname && strcmp(a->ifname, b->ifname))
		return false;
	if (both_a || both_b)
		return true;
	if (addr_is4(&a->addr) != addr_is4(&b->addr))
		return false;
	return is_any(a) || is_any(b) || addr_eq(&a->addr, &b->addr);
}

static bool add_rule(struct parse *p, unsigned first, unsigned last,
		     unsigned target)
{
	char new[RULE_STRLEN], old[RULE_STRLEN];
	const struct fwd_rule *o;
	struct fwd_rule r = p->bind;
	unsigned i;

	r.first = (in_port_t)first;
	r.last = (in_port_t)last;
	r.target = (in_port_t)target;

	for (i = 0; i < p->rs->n; i++) {
		o = &p->rs->rule[i];
		if (r.first > o->last || o->first > r.last ||
		    !same_place(&r, o))
			continue;
		return fail(p, "'%s' binds port %u, and so does '%s': name each port once",
			    rule_str(&r, new, sizeof(new)),
			    MAX(r.first, o->first),
			    rule_str(o, old, sizeof(old)));
	}

	if (p->rs->n == RULES_MAX)
		return fail(p, "more than %u port ranges in all: use fewer, longer ranges",
			    RULES_MAX);
	p->rs->rule[p->rs->n++] = r;
	return true;
}

/* The pieces of one range that the exclusions leave over */
static bool add_pieces(struct parse *p, const struct item *it)
{
	unsigned last = it->bound.last, a, b;

	for (a = it->bound.first; a <= last; a = b + 1) {
		b = a;
		if (bit_test(p->excluded, a))
			continue;
		while (b < last && !bit_test(p->excluded, b + 1))
			b++;
		if (!add_rule(p, a, b, it->target + (a - it->bound.first)))
			return false;
	}
	return true;
}

/* Every port but the excluded and the ephemeral ones, as far as possible */
static bool add_all(struct parse *p)
{
	static const struct item all = { { 1, PORTS - 1 }, 1 };
	unsigned i;

	if (p->ctx->eph_first)
		for (i = p->ctx->eph_first; i <= p->ctx->eph_last; i++)
			bit_set(p->excluded, i);
	p->bind.weak = true;
	return add_pieces(p, &all);
}

static const char *mode_word(enum ruleset_mode mode)
{
	switch (mode) {
	case RULES_NONE:
		return "none";
	case RULES_AUTO:
		return "auto";
	case RULES_ALL:
		return "all";
	default:
		return "specific ports";
	}
}

static bool set_mode(struct parse *p, enum ruleset_mode mode, const char *spec)
{
	enum ruleset_mode old = p->rs->mode;

	if (old != RULES_UNSET && old != mode)
		return fail(p, "'%s' conflicts with '%s' given before for the same option",
			    spec, mode_word(old));
	p->rs->mode = mode;
	return true;
}

static bool parse_word(struct parse *p, const char *spec,
		       enum ruleset_mode mode)
{
	bool again = p->rs->mode == mode;

	if (mode == RULES_AUTO && !p->ctx->auto_ok)
		return fail(p, "'auto' is not possible here: name the ports, or 'none'%s",
			    p->ctx->all_ok ? " or 'all'" : "");
	if (mode == RULES_ALL && !p->ctx->all_ok)
		return fail(p, "'all' is not possible here: name the ports, or 'none'%s",
			    p->ctx->auto_ok ? " or 'auto'" : "");
	if (!set_mode(p, mode, spec))
		return false;
	return mode != RULES_ALL || again || add_all(p);
}

static bool parse_ports(struct parse *p, const char *spec)
{
	const char *slash = strchr(spec, '/'), *items = spec;
	unsigned before = p->rs->n, i;

	if (slash) {
		if (!parse_bind(p, spec, (size_t)(slash - spec)))
			return false;
		items = slash + 1;
	}

	if (!set_mode(p, RULES_PORTS, spec))
		return false;
	if (slash && !strcmp(items, "all")) {
		if (!p->ctx->all_ok)
			return fail(p, "'%s': 'all' is not possible here, name the ports",
				    spec);
		return add_all(p);
	}

	if (slash && (!strcmp(items, "none") || !strcmp(items, "auto")))
		return fail(p, "'%s': '%s' stands alone, without address or %%interface",
			    spec, items);

	if (!parse_items(p, items))
		return false;
	if (!p->n && !add_all(p))
		return false;
	for (i = 0; i < p->n; i++)
		if (!add_pieces(p, &p->item[i]))
			return false;

	if (p->rs->n == before)
		return fail(p, "'%s' excludes every port it names", spec);
	return true;
}

bool rules_parse(struct ruleset *rs, const char *spec,
		 const struct rule_ctx *ctx, char *err, size_t errsize)
{
	struct parse p = { .rs = rs, .ctx = ctx, .err = err,
			   .errsize = errsize };

	if (!strcmp(spec, "none"))
		return parse_word(&p, spec, RULES_NONE);
	if (!strcmp(spec, "auto"))
		return parse_word(&p, spec, RULES_AUTO);
	if (!strcmp(spec, "all"))
		return parse_word(&p, spec, RULES_ALL);
	return parse_ports(&p, spec);
}

const char *rule_str(const struct fwd_rule *r, char *buf, size_t size)
{
	char addr[ADDR_STRLEN] = "", bound[16], target[16] = "";
	unsigned len = r->last - r->first;
	bool some = !addr_is_none(&r->addr) || r->v6any;
	bool six = some && !addr_is4(&r->addr);

	if (some)
		addr_str(&r->addr, addr);
	snprintf(bound, sizeof(bound), len ? "%u-%u" : "%u", r->first,
		 r->last);
	if (r->target != r->first)
		snprintf(target, sizeof(target), len ? ":%u-%u" : ":%u",
			 r->target, r->target + len);

	snprintf(buf, size, "%s%s%s%s%s%s%s%s", six ? "[" : "", addr,
		 six ? "]" : "", *r->ifname ? "%" : "", r->ifname,
		 some || *r->ifname ? "/" : "", bound, target);
	return buf;
}
