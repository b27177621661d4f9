// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fwd_rule.c - port specifications: what they mean, and which are refused
 *
 * A row is a list of arguments of one option, separated by blanks, and either
 * the rules that must come out (weak ones with a final '?'), or '!' and a word
 * that the error must contain.
 */
#include "fwd_rule.h"

#include "check.h"

enum where { T, NS, VM };	/* -t of pasta, -T, -t of passt */

static const struct rule_ctx ctxs[] = {
	[T]  = { .bind_ok = true, .auto_ok = true,
		 .eph_first = 32768, .eph_last = 60999 },
	[NS] = { .auto_ok = true, .eph_first = 32768, .eph_last = 60999 },
	[VM] = { .bind_ok = true, .all_ok = true,
		 .eph_first = 32768, .eph_last = 60999 },
};

static const struct row {
	enum where where;
	const char *args, *want;
} rows[] = {
	/* options.md 4.18: must work */
	{ T, "22", "22" },
	{ T, "22:23", "22:23" },
	{ T, "22,25", "22 25" },
	{ T, "22-80", "22-80" },
	{ T, "22-80:32-90", "22-80:32-90" },
	{ T, "192.0.2.1/22", "192.0.2.1/22" },
	{ T, "192.0.2.1%eth0/22", "192.0.2.1%eth0/22" },
	{ T, "%eth0/22", "%eth0/22" },
	{ T, "2000-5000,~3000-3010", "2000-2999 3011-5000" },
	{ T, "192.0.2.1/20-30,~25", "192.0.2.1/20-24 192.0.2.1/26-30" },
	{ T, "~20000-20010", "1-19999? 20011-32767? 61000-65535?" },
	{ T, "5555,6000-6010:7000-7010,~6005",
	  "5555 6000-6004:7000-7004 6006-6010:7006-7010" },

	/* 4.1: brackets */
	{ T, "::1/80", "[::1]/80" },
	{ T, "[::1]/80", "[::1]/80" },
	{ T, "[192.0.2.1]/80", "192.0.2.1/80" },
	{ T, "[fe80::1]%eth0/80:81", "[fe80::1]%eth0/80:81" },
	{ T, "fe80::1%eth0/80", "[fe80::1]%eth0/80" },
	{ T, "::/80", "[::]/80" },
	{ T, "0.0.0.0/80", "0.0.0.0/80" },
	{ T, "::ffff:192.0.2.1/80", "192.0.2.1/80" },
	{ T, "[::1/80", "!bracket" },
	{ T, "[/80", "!bracket" },
	{ T, "[]/80", "![]" },
	{ T, "::1]/80", "!::1]" },
	{ T, "[::1]x/80", "!bracket" },

	/* 4.2, 4.3 */
	{ T, "none", "" },
	{ T, "auto", "" },
	{ T, "all", "!all" },
	{ VM, "auto", "!auto" },
	{ VM, "all", "1-32767? 61000-65535?" },
	{ VM, "all all", "1-32767? 61000-65535?" },

	/* 4.4 */
	{ VM, "192.0.2.1/all", "192.0.2.1/1-32767? 192.0.2.1/61000-65535?" },
	{ VM, "%eth0/all", "%eth0/1-32767? %eth0/61000-65535?" },
	{ VM, "192.0.2.1/all 192.0.2.2/80",
	  "192.0.2.1/1-32767? 192.0.2.1/61000-65535? 192.0.2.2/80" },
	{ VM, "192.0.2.1/all 192.0.2.1/80", "!80" },
	{ T, "192.0.2.1/all", "!all" },
	{ T, "192.0.2.1/none", "!none" },
	{ T, "192.0.2.1/auto", "!auto" },
	{ VM, "all,80", "!all" },
	{ T, "80,none", "!none" },

	/* 4.5, 4.6 */
	{ T, "~25,20-30", "20-24 26-30" },
	{ T, "20-30,~20,~30", "21-29" },
	{ T, "20-30,~1-10", "20-30" },
	{ T, "20-30,~25,~25", "!25" },
	{ T, "20-30,~24-26,~26-28", "!26" },
	{ T, "20,30,~20", "30" },
	{ T, "20,~20", "!every" },
	{ T, "~1-65535", "!every" },
	{ T, "192.0.2.1/~5-32767", "192.0.2.1/1-4? 192.0.2.1/61000-65535?" },
	{ T, "~1-4,~6-60999", "5? 61000-65535?" },
	{ T, "~22 22:2222", "1-21? 23-32767? 61000-65535? 22:2222" },
	{ NS, "~2-60999", "1? 61000-65535?" },
	{ T, "1-65535", "1-65535" },
	{ T, "40000", "40000" },

	/* 2.9: blanks (not ' ' here) before an item or a number, not after it */
	{ T, "\t80,\t443,\n8080-\t8090:\t90-\t100,\t~\t8081-\t8089",
	  "80 443 8080:90 8090:100" },
	{ T, "%eth0/\t80", "%eth0/80" },
	{ T, "\t80/80", "!80" },
	{ T, "80\t", "!80" },
	{ T, "80\t,443", "!80" },
	{ T, "80,\t", "!empty" },
	{ T, "8\t0", "!0" },

	/* 4.7 */
	{ T, "0", "!'0'" },
	{ T, "65536", "!65536" },
	{ T, "4294967297", "!4294967297" },
	{ T, "80-79", "!80-79" },
	{ T, "", "!empty" },
	{ T, "80,", "!empty" },
	{ T, ",80", "!empty" },
	{ T, "80,,81", "!empty" },
	{ T, "80x", "!80x" },
	{ T, "0x15b3", "!0x15b3" },
	{ T, "+80", "!+80" },
	{ T, "-80", "!-80" },
	{ T, "80-", "!80-" },
	{ T, "80:", "!80:" },
	{ T, ":80", "!:80" },
	{ T, "80:81:82", "!80:81:82" },
	{ T, "80-90-100", "!80-90-100" },
	{ T, "80-90:80", "!length" },
	{ T, "80:80-90", "!length" },
	{ T, "80:0", "!80:0" },
	{ T, "80-90:65530-65540", "!65540" },
	{ T, "~", "!~" },
	{ T, "~80:81", "!~80:81" },
	{ T, "~~80", "!~~80" },
	{ T, "192.0.2.256/80", "!192.0.2.256" },
	{ T, "eth0/80", "!eth0" },
	{ T, "/80", "!nothing" },
	{ T, "%/80", "!interface" },
	{ T, "192.0.2.1%/80", "!interface" },
	{ T, "%sixteen-letters-/80", "!interface" },
	{ T, "%fifteen-letters/80", "%fifteen-letters/80" },
	{ T, "%a%b/80", "!interface" },
	{ T, "192.0.2.1/", "!empty" },
	{ T, "1/2/80", "!1" },
	{ NS, "192.0.2.1/80", "!192.0.2.1" },
	{ NS, "%eth0/80", "!%eth0" },
	{ NS, "80:81,90", "80:81 90" },
	{ T, "none,80", "!none" },
	{ T, "nonesuch", "!nonesuch" },

	/* 4.8 */
	{ T, "80 443", "80 443" },
	{ T, "none none", "" },
	{ T, "none 80", "!none" },
	{ T, "80 none", "!conflict" },
	{ T, "auto 80", "!auto" },
	{ T, "80 auto", "!conflict" },
	{ T, "none auto", "!none" },
	{ VM, "all 80", "!all" },
	{ VM, "80 all", "!conflict" },

	/* 4.9: twice the same address and port */
	{ T, "80,80", "!80" },
	{ T, "80-90,85:1", "!85" },
	{ T, "80 80:81", "!80" },
	{ T, "127.0.0.1/5555 [::1]/5555", "127.0.0.1/5555 [::1]/5555" },
	{ T, "127.0.0.1/5555 5555", "!5555" },
	{ T, "5555 ::1/5555", "!5555" },
	{ T, "::/80 0.0.0.0/80", "[::]/80 0.0.0.0/80" },
	{ T, "::/80 ::1/80", "!80" },
	{ T, "::/80 80", "!80" },
	{ T, "::/80 127.0.0.1/80", "[::]/80 127.0.0.1/80" },
	{ T, "0.0.0.0/80 127.0.0.1/80", "!80" },
	{ T, "0.0.0.0/80 ::1/80", "0.0.0.0/80 [::1]/80" },
	{ T, "%eth0/80 %eth1/80", "%eth0/80 %eth1/80" },
	{ T, "%eth0/80 %eth0/80", "!80" },
	{ T, "%eth0/80 80", "!80" },
	{ T, "%eth0/80 81", "%eth0/80 81" },
};

static void print_rules(const struct ruleset *rs, char *buf, size_t size)
{
	char text[RULE_STRLEN];
	unsigned i, n = 0;

	*buf = '\0';
	for (i = 0; i < rs->n && n < size; i++)
		n += (unsigned)snprintf(buf + n, size - n, "%s%s%s",
					i ? " " : "",
					rule_str(&rs->rule[i], text,
						 sizeof(text)),
					rs->rule[i].weak ? "?" : "");
}

static bool parse_all(struct ruleset *rs, const char *args,
		      const struct rule_ctx *ctx, char *err, size_t size)
{
	char word[128];
	size_t n;

	memset(rs, 0, sizeof(*rs));
	do {
		n = strcspn(args, " ");
		memcpy(word, args, n);
		word[n] = '\0';
		if (!rules_parse(rs, word, ctx, err, size))
			return false;
		args += n;
	} while (*args++);
	return true;
}

static void test_rows(void)
{
	static struct ruleset rs;
	char err[256], got[512];
	const struct row *r;

	group("specifications one by one");
	for (r = rows; r < rows + sizeof(rows) / sizeof(*rows); r++) {
		memset(err, 0, sizeof(err));
		if (parse_all(&rs, r->args, &ctxs[r->where], err,
			      sizeof(err)))
			print_rules(&rs, got, sizeof(got));
		else
			snprintf(got, sizeof(got), "!%s", err);

		if (*r->want == '!' ?
		    !EXPECT(*got == '!' && strstr(got + 1, r->want + 1)) :
		    !EXPECT(!strcmp(got, r->want)))
			printf("# '%s': wanted '%s', got '%s'\n", r->args,
			       r->want, got);
		EXPECT(!strchr(err, '\n'));
	}
}

static void test_modes(void)
{
	static struct ruleset rs;
	char err[256];

	group("modes");
	memset(&rs, 0, sizeof(rs));
	EXPECT_EQ(rs.mode, RULES_UNSET);
	EXPECT(rules_parse(&rs, "none", &ctxs[T], err, sizeof(err)));
	EXPECT_EQ(rs.mode, RULES_NONE);
	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, "auto", &ctxs[T], err, sizeof(err)));
	EXPECT_EQ(rs.mode, RULES_AUTO);
	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, "all", &ctxs[VM], err, sizeof(err)));
	EXPECT_EQ(rs.mode, RULES_ALL);
	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, "1:2", &ctxs[T], err, sizeof(err)));
	EXPECT_EQ(rs.mode, RULES_PORTS);
	EXPECT_EQ(rs.rule[0].target, 2);
	EXPECT(!rs.rule[0].v6any);
	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, "::/1", &ctxs[T], err, sizeof(err)));
	EXPECT(rs.rule[0].v6any);
}

static void test_limits(void)
{
	static struct ruleset rs;
	static const struct rule_ctx no_eph = { .bind_ok = true,
						.all_ok = true };
	char text[4096] = "", err[256], tiny[8];
	size_t n = 0;
	unsigned i;

	group("limits");
	for (i = 1; i <= RULES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u",
				      i > 1 ? "," : "", 2 * i);
	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, text, &ctxs[T], err, sizeof(err)));
	EXPECT_EQ(rs.n, RULES_MAX);
	EXPECT(!rules_parse(&rs, "9999", &ctxs[T], err, sizeof(err)));

	snprintf(text + n, sizeof(text) - n, ",9999");
	memset(&rs, 0, sizeof(rs));
	EXPECT(!rules_parse(&rs, text, &ctxs[T], err, sizeof(err)));

	/* One range cut into too many pieces */
	n = (size_t)snprintf(text, sizeof(text), "1-2000");
	for (i = 1; i <= RULES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",~%u",
				      2 * i);
	memset(&rs, 0, sizeof(rs));
	EXPECT(!rules_parse(&rs, text, &ctxs[T], err, sizeof(err)));

	memset(text, '1', 300);
	text[300] = '\0';
	memset(&rs, 0, sizeof(rs));
	EXPECT(!rules_parse(&rs, text, &ctxs[T], err, sizeof(err)));
	text[299] = '/';
	EXPECT(!rules_parse(&rs, text, &ctxs[T], err, sizeof(err)));
	EXPECT(!rules_parse(&rs, text, &ctxs[T], tiny, sizeof(tiny)));
	EXPECT(strlen(tiny) < sizeof(tiny));

	memset(&rs, 0, sizeof(rs));
	EXPECT(rules_parse(&rs, "all", &no_eph, err, sizeof(err)));
	EXPECT_EQ(rs.n, 1);
	EXPECT_EQ(rs.rule[0].first, 1);
	EXPECT_EQ(rs.rule[0].last, 65535);
}

/* Random text of the grammar's own characters: no crash, and what is accepted
 * reads back as the same rules */
static void test_random(void)
{
	static const char chars[] = "0123456789,-:~/%[].eal";
	static struct ruleset rs, again;
	char text[40], err[256], str[RULE_STRLEN];
	unsigned i, k, j, n, accepted = 0;

	group("random text, and the way back");
	srand(1);
	for (i = 0; i < 200000; i++) {
		n = (unsigned)rand() % 12;
		for (k = 0; k < n; k++)
			text[k] = chars[(unsigned)rand() % (sizeof(chars) - 1)];
		text[n] = '\0';

		memset(&rs, 0, sizeof(rs));
		if (!rules_parse(&rs, text, &ctxs[T], err, sizeof(err)))
			continue;
		accepted++;
		for (j = 0; j < rs.n; j++) {
			rule_str(&rs.rule[j], str, sizeof(str));
			memset(&again, 0, sizeof(again));
			rs.rule[j].weak = false;
			if (!EXPECT(rules_parse(&again, str, &ctxs[T], err,
						sizeof(err))) ||
			    !EXPECT_EQ(again.n, 1) ||
			    !EXPECT(!memcmp(&again.rule[0], &rs.rule[j],
					    sizeof(rs.rule[j]))))
				printf("# '%s' from '%s'\n", str, text);
		}
	}
	EXPECT(accepted > 1000);
}

int main(void)
{
	test_rows();
	test_modes();
	test_limits();
	test_random();
	return done();
}
