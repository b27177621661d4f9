/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysfilter.h - a table of permitted system calls becomes a kernel filter
 */
#ifndef SYSFILTER_H
#define SYSFILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFILTER_TESTS	3	/* of arguments, per rule */
#define SYSFILTER_RULES	192	/* that concern one of those who may */
#define SYSFILTER_MAX	1024	/* instructions of a program */

/* Is (argument @arg & @mask) == @value? The low 32 bits of it, which is all
 * that the kernel looks at of an int. A mask of 0 with value 0 always holds */
struct sys_test {
	uint8_t		arg;		/* 0 to 5 */
	uint32_t	mask;
	uint32_t	value;
};

/* One way to use one system call: all of its tests hold */
struct sys_rule {
	uint32_t	nr;
	uint32_t	who;		/* set of those who may, own bits */
	uint32_t	action;		/* SECCOMP_RET_x; 0 is "allow" */
	struct sys_test	test[SYSFILTER_TESTS];
};

/*
 * sysfilter_build() - Make the program for one of those who may
 * @prog:	room for SYSFILTER_MAX instructions
 * @rules, @n:	in any order; those of one call are tried in the order they have
 * @who:	rules count that have one of these bits
 * @arch:	AUDIT_ARCH_x of this machine; other calls end the process
 * @wrong_args:	action where a call has rules, but none holds
 * @unknown:	action for all other calls
 *
 * Return: number of instructions; 0 if there is no room
 */
size_t sysfilter_build(struct sock_filter *prog, const struct sys_rule *rules,
		       size_t n, uint32_t who, uint32_t arch,
		       uint32_t wrong_args, uint32_t unknown);

#endif /* SYSFILTER_H */
