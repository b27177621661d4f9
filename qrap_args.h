/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qrap_args.h - the command line of QEMU, with its network replaced by ours
 */
#ifndef QRAP_ARGS_H
#define QRAP_ARGS_H

#include <stdbool.h>

#define QRAP_FD		5
#define QRAP_NETDEV	"socket,fd=5,id=hostnet0"
#define QRAP_ADDED	6	/* words we add at most */

/* qrap_args_idle() - Does QEMU only tell something about itself (help, version,
 * or what a machine of type "none" is asked), so that no guest will run? */
bool qrap_args_idle(int argc, char *const argv[]);

/* qrap_args_done() - Has this command line been through qrap_args_edit()? */
bool qrap_args_done(int argc, char *const argv[]);

/*
 * qrap_args_edit() - Take network devices out, put ours in
 * @out:	room for @argc + QRAP_ADDED + 1; ends with NULL. The words are
 *		those of @argv, or ours, which are good until the next call
 * @arch:	of QEMU, in its own spelling: for what it does without -machine
 *
 * Return: NULL, or what is wrong, in words
 */
const char *qrap_args_edit(const char **out, int argc, char *const argv[],
			   const char *arch);

#endif /* QRAP_ARGS_H */
