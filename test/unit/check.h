/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - the least that a unit test needs, speaking TAP
 *
 *	int main(void)
 *	{
 *		group("what comes now");
 *		EXPECT(cond);
 *		EXPECT_EQ(2, f());
 *		return done();
 *	}
 *
 * Expectations that hold are counted and stay silent, so they may stand in
 * loops of millions; one that fails prints its own "not ok" line (the first
 * 50 of them) and the test goes on. Each group, and done(), print one line. A
 * test that dies before done() has no plan and so fails.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_state {
	unsigned lines;			/* TAP lines printed */
	unsigned long held, failed;	/* expectations, in all */
	unsigned long group_failed;	/* value of .failed at its start */
	unsigned long group_held;
	const char *group;
};

static inline struct check_state *check_st(void)
{
	static struct check_state st = { .group = "all" };

	return &st;
}

static inline bool check_ok(bool ok, const char *file, int line,
			    const char *text)
{
	struct check_state *st = check_st();

	if (ok) {
		st->held++;
		return true;
	}
	if (st->failed++ < 50) {
		printf("not ok %u - %s:%d: %s\n", ++st->lines, file, line,
		       text);
		fflush(stdout);
	}
	return false;
}

static inline bool check_eq(long long a, long long b, const char *file,
			    int line, const char *text)
{
	bool ok = check_ok(a == b, file, line, text);

	if (!ok && check_st()->failed <= 50) {
		printf("#   left  %lld (0x%llx)\n#   right %lld (0x%llx)\n",
		       a, (unsigned long long)a, b, (unsigned long long)b);
		fflush(stdout);
	}
	return ok;
}

static inline bool check_str(const char *a, const char *b, const char *file,
			     int line, const char *text)
{
	bool ok = check_ok(a && b && !strcmp(a, b), file, line, text);

	if (!ok && check_st()->failed <= 50) {
		printf("#   left  \"%s\"\n#   right \"%s\"\n",
		       a ? a : "(null)", b ? b : "(null)");
		fflush(stdout);
	}
	return ok;
}

static inline bool check_mem(const void *a, const void *b, size_t n,
			     const char *file, int line, const char *text)
{
	const unsigned char *p = a, *q = b;
	size_t i = 0;

	while (i < n && p[i] == q[i])
		i++;
	if (check_ok(i == n, file, line, text))
		return true;
	if (check_st()->failed <= 50) {
		printf("#   byte %zu of %zu: left 0x%02x, right 0x%02x\n",
		       i, n, p[i], q[i]);
		fflush(stdout);
	}
	return false;
}

/* All are expressions, true if the expectation held */
#define EXPECT(cond)							\
	check_ok(!!(cond), __FILE__, __LINE__, #cond)
#define EXPECT_EQ(a, b)							\
	check_eq((long long)(a), (long long)(b), __FILE__, __LINE__,	\
		 #a " == " #b)
#define EXPECT_STR(a, b)						\
	check_str(a, b, __FILE__, __LINE__, #a " is " #b)
#define EXPECT_MEM(a, b, n)						\
	check_mem(a, b, n, __FILE__, __LINE__, #a " has the bytes of " #b)

static inline void check_group_end(void)
{
	struct check_state *st = check_st();
	unsigned long n = st->held - st->group_held;
	unsigned long bad = st->failed - st->group_failed;

	if (n + bad) {
		printf("%sok %u - %s (%lu expectations)\n", bad ? "not " : "",
		       ++st->lines, st->group, n + bad);
		fflush(stdout);
	}
	st->group_held = st->held;
	st->group_failed = st->failed;
}

/* group() - Name the expectations that follow */
static inline void group(const char *name)
{
	check_group_end();
	check_st()->group = name;
}

/* done() - Print the plan; returns the exit status */
static inline int done(void)
{
	struct check_state *st = check_st();

	check_group_end();
	printf("1..%u\n", st->lines);
	fflush(stdout);
	return st->failed || !st->lines ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* skip_all() - End a test that cannot run here, before any expectation */
static inline void skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	fflush(stdout);
	exit(EXIT_SUCCESS);
}

#endif /* CHECK_H */
