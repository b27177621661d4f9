// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sysfilter.c - a table of permitted system calls becomes a kernel filter
 *
 * The kernel runs the program before every system call that we make, so it has
 * to be short on the way: the number of the call is found by halving the
 * table. What is permitted whatever its arguments costs nothing at all, as the
 * kernel (since Linux 5.11) finds out once and remembers it.
 *
 * Classic BPF jumps forward only, and a conditional jump reaches no further
 * than 255 instructions. So a half that is to be skipped is skipped by the
 * unconditional one, which knows no such limit. See
 * Documentation/userspace-api/seccomp_filter.rst of the kernel.
 */
#include "sysfilter.h"

#include <endian.h>
#include <linux/seccomp.h>
#include <stdbool.h>

#define LINEAR	3U	/* calls that are not worth halving */

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define LOW_WORD	0U
#else
#define LOW_WORD	4U
#endif

struct build {
	struct sock_filter	*prog;
	size_t			n;		/* may run beyond the room */
	const struct sys_rule	*rule[SYSFILTER_RULES];	/* by number */
	size_t			nrules;
	uint32_t		wrong_args;
	uint32_t		unknown;
};

static size_t emit(struct build *b, uint16_t code, uint32_t k, uint8_t jt,
		   uint8_t jf)
{
	if (b->n < SYSFILTER_MAX)
		b->prog[b->n] = (struct sock_filter){ code, jt, jf, k };
	return b->n++;
}

/* A jump at @at lands on the next instruction to come */
static void land(struct build *b, size_t at)
{
	if (at < SYSFILTER_MAX)
		b->prog[at].k = (uint32_t)(b->n - at - 1);
}

static void ret(struct build *b, uint32_t action)
{
	emit(b, BPF_RET | BPF_K, action, 0, 0);
}

/* The first rule behind those of the call that @i is about */
static size_t next_call(const struct build *b, size_t i)
{
	uint32_t nr = b->rule[i]->nr;

	while (i < b->nrules && b->rule[i]->nr == nr)
		i++;
	return i;
}

/* One rule: what it says if it holds, else on to what follows */
static void put_rule(struct build *b, const struct sys_rule *r)
{
	size_t miss[SYSFILTER_TESTS], n = 0, i;

	for (i = 0; i < SYSFILTER_TESTS; i++) {
		const struct sys_test *t = &r->test[i];

		if (!t->mask)
			continue;
		emit(b, BPF_LD | BPF_W | BPF_ABS,
		     (uint32_t)offsetof(struct seccomp_data, args) +
		     t->arg * 8U + LOW_WORD, 0, 0);
		if (t->mask != UINT32_MAX)
			emit(b, BPF_ALU | BPF_AND | BPF_K, t->mask, 0, 0);
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, t->value, 1, 0);
		miss[n++] = emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
	}
	ret(b, r->action ? r->action : SECCOMP_RET_ALLOW);
	while (n)
		land(b, miss[--n]);
}

static bool always(const struct sys_rule *r)
{
	size_t i;

	for (i = 0; i < SYSFILTER_TESTS; i++)
		if (r->test[i].mask)
			return false;
	return true;
}

/* All rules of the call at @i: only if the number is in the accumulator */
static void put_call(struct build *b, size_t i)
{
	size_t end = next_call(b, i), skip;
	bool any = false;

	emit(b, BPF_JMP | BPF_JEQ | BPF_K, b->rule[i]->nr, 1, 0);
	skip = emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
	for (; i < end && !any; i++) {
		put_rule(b, b->rule[i]);
		any = always(b->rule[i]);
	}
	if (!any)
		ret(b, b->wrong_args);
	land(b, skip);
}

/* The calls whose first rules are in [@from, @to), a tree of halves */
static void put_calls(struct build *b, size_t from, size_t to)
{
	size_t calls = 0, i, mid = from, skip;

	for (i = from; i < to; i = next_call(b, i))
		calls++;
	if (calls <= LINEAR) {
		for (i = from; i < to; i = next_call(b, i))
			put_call(b, i);
		ret(b, b->unknown);
		return;
	}
	for (i = 0; i < calls / 2; i++)
		mid = next_call(b, mid);
	emit(b, BPF_JMP | BPF_JGE | BPF_K, b->rule[mid]->nr, 0, 1);
	skip = emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
	put_calls(b, from, mid);
	land(b, skip);
	put_calls(b, mid, to);
}

/* Those that concern @who, by number; what was first stays first */
static bool sort(struct build *b, const struct sys_rule *rules, size_t n,
		 uint32_t who)
{
	size_t i, at;

	for (i = 0; i < n; i++) {
		if (!(rules[i].who & who))
			continue;
		if (b->nrules == SYSFILTER_RULES)
			return false;
		for (at = b->nrules++; at; at--) {
			if (b->rule[at - 1]->nr <= rules[i].nr)
				break;
			b->rule[at] = b->rule[at - 1];
		}
		b->rule[at] = &rules[i];
	}
	return true;
}

size_t sysfilter_build(struct sock_filter *prog, const struct sys_rule *rules,
		       size_t n, uint32_t who, uint32_t arch,
		       uint32_t wrong_args, uint32_t unknown)
{
	struct build b = {
		.prog = prog, .wrong_args = wrong_args, .unknown = unknown,
	};

	if (!sort(&b, rules, n, who))
		return 0;
	emit(&b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch),
	     0, 0);
	emit(&b, BPF_JMP | BPF_JEQ | BPF_K, arch, 1, 0);
	ret(&b, SECCOMP_RET_KILL_PROCESS);
	emit(&b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr),
	     0, 0);
	put_calls(&b, 0, b.nrules);
	return b.n <= SYSFILTER_MAX ? b.n : 0;
}
