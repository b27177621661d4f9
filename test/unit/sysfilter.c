// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of sysfilter.c: programs from random tables, run by a small
 * interpreter, decide as a plain reading of the table does. And the kernel
 * agrees to load one.
 */
#include "sysfilter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "util.h"

#define ARCH	0xc0001234U
#define WRONG	(SECCOMP_RET_ERRNO | 1)
#define UNKNOWN	(SECCOMP_RET_ERRNO | 2)
#define BROKEN	0xffffffffU		/* the program is none */

static struct sock_filter prog[SYSFILTER_MAX];

/* What the kernel would do, and nothing it would not accept */
static uint32_t run(size_t n, const struct seccomp_data *d, unsigned *steps)
{
	uint32_t acc = 0;
	size_t pc;

	*steps = 0;
	for (pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &prog[pc];

		++*steps;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 || i->k + 4 > sizeof(*d))
				return BROKEN;
			memcpy(&acc, (const char *)d + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += acc == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += acc >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			return BROKEN;
		}
	}
	return BROKEN;
}

static uint32_t expected(const struct sys_rule *r, size_t n, uint32_t who,
			 const struct seccomp_data *d)
{
	bool known = false;
	size_t i, t;

	if (d->arch != ARCH)
		return SECCOMP_RET_KILL_PROCESS;
	for (i = 0; i < n; i++) {
		if (r[i].nr != (uint32_t)d->nr || !(r[i].who & who))
			continue;
		known = true;
		for (t = 0; t < SYSFILTER_TESTS; t++)
			if (((uint32_t)d->args[r[i].test[t].arg] &
			     r[i].test[t].mask) != r[i].test[t].value)
				break;
		if (t == SYSFILTER_TESTS)
			return r[i].action ? r[i].action : SECCOMP_RET_ALLOW;
	}
	return known ? WRONG : UNKNOWN;
}

static void random_rule(struct sys_rule *r)
{
	static const uint32_t masks[] = { 0, 0, UINT32_MAX, UINT32_MAX, 3, 1 };
	size_t t;

	memset(r, 0, sizeof(*r));
	r->nr = (uint32_t)rand() % 60 * (rand() % 4 ? 1 : 7);
	r->who = (uint32_t)rand() % 8;
	r->action = rand() % 4 ? 0 : SECCOMP_RET_KILL_PROCESS;
	for (t = 0; t < SYSFILTER_TESTS; t++) {
		r->test[t].arg = (uint8_t)(rand() % 6);
		r->test[t].mask = masks[(size_t)rand() % ARRAY_LEN(masks)];
		r->test[t].value = (uint32_t)rand() % 4 & r->test[t].mask;
	}
}

static void twins(void)
{
	struct sys_rule r[SYSFILTER_RULES];
	unsigned round, i, a, steps;
	struct seccomp_data d;

	group("decides as the table reads");
	for (round = 0; round < 300; round++) {
		size_t n = (size_t)rand() % 150, len;
		uint32_t who = 1U << rand() % 3;

		for (i = 0; i < n; i++)
			random_rule(&r[i]);
		len = sysfilter_build(prog, r, n, who, ARCH, WRONG, UNKNOWN);
		EXPECT(len > 0);
		for (i = 0; i < 600; i++) {
			memset(&d, 0, sizeof(d));
			d.nr = n && rand() % 4 ? (int)r[(size_t)rand() % n].nr :
						 rand();
			d.arch = rand() % 20 ? ARCH : (uint32_t)rand();
			for (a = 0; a < 6; a++)
				d.args[a] = (uint64_t)rand() << 32 |
					    (unsigned)rand() % 4;
			EXPECT_EQ(run(len, &d, &steps),
				  expected(r, n, who, &d));
		}
	}
}

/* The way to a call without conditions is the depth of a tree */
static void short_way(void)
{
	struct sys_rule r[150] = { { .nr = 0 } };
	struct seccomp_data d = { .arch = ARCH };
	unsigned i, steps, most = 0;
	size_t len;

	group("few steps");
	for (i = 0; i < ARRAY_LEN(r); i++)
		r[i] = (struct sys_rule){ .nr = 149 - i, .who = 1 };
	len = sysfilter_build(prog, r, ARRAY_LEN(r), 1, ARCH, WRONG, UNKNOWN);
	for (i = 0; i < ARRAY_LEN(r); i++) {
		d.nr = (int)i;
		EXPECT_EQ(run(len, &d, &steps), SECCOMP_RET_ALLOW);
		most = MAX(most, steps);
	}
	EXPECT(most <= 25);
}

static void no_room(void)
{
	static struct sys_rule r[SYSFILTER_RULES + 1];
	unsigned i;

	group("too much");
	for (i = 0; i < ARRAY_LEN(r); i++)
		r[i] = (struct sys_rule){ .nr = i, .who = i ? 1 : 2 };
	EXPECT(sysfilter_build(prog, r, ARRAY_LEN(r), 1, ARCH, WRONG, UNKNOWN));
	EXPECT_EQ(sysfilter_build(prog, r, ARRAY_LEN(r), 3, ARCH, WRONG,
				  UNKNOWN), 0);
	for (i = 0; i < ARRAY_LEN(r); i++)
		r[i].test[0] = r[i].test[1] = r[i].test[2] =
			(struct sys_test){ 1, 3, 1 };
	EXPECT_EQ(sysfilter_build(prog, r, ARRAY_LEN(r), 1, ARCH, WRONG,
				  UNKNOWN), 0);
	EXPECT_EQ(sysfilter_build(prog, NULL, 0, 1, ARCH, WRONG, UNKNOWN), 5);
}

#if defined(__x86_64__) || defined(__aarch64__)
#ifdef __x86_64__
#define HERE	AUDIT_ARCH_X86_64
#else
#define HERE	AUDIT_ARCH_AARCH64
#endif

/* In a process of its own: a permitted call, one with wrong arguments, one
 * that is unknown, and one that is the end */
static void kernel(void)
{
	static const struct sys_rule r[] = {
		{ SYS_exit_group, 1, 0, { { 0 } } },
		{ SYS_dup3, 1, 0, { { 2, UINT32_MAX, 0 } } },
		{ SYS_getppid, 1, SECCOMP_RET_KILL_PROCESS, { { 0 } } },
	};
	struct sock_fprog p = { .filter = prog };
	int status;

	group("in the kernel");
	fflush(stdout);
	if (!fork()) {
		p.len = (unsigned short)sysfilter_build(prog, r, ARRAY_LEN(r),
							1, HERE, WRONG,
							UNKNOWN);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
			_exit(1);
		/* Same descriptor twice: EINVAL, by the kernel itself */
		if (syscall(SYS_dup3, 1, 1, 0) != -1 || errno != EINVAL)
			_exit(2);
		if (syscall(SYS_dup3, 1, 1, 1) != -1 || errno != 1)
			_exit(3);
		if (syscall(SYS_getuid) != -1 || errno != 2)
			_exit(4);
		syscall(SYS_getppid);
		_exit(5);
	}
	EXPECT(wait(&status) > 0);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGSYS);
}
#else
static void kernel(void) { }
#endif

int main(void)
{
	srand(1);
	twins();
	short_way();
	no_room();
	kernel();
	return done();
}
