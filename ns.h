/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns.h - the target network namespace, as a place to run a function in
 */
#ifndef NS_H
#define NS_H

/* ns_set() - Remember @fd (or -1) as the target; the descriptor stays ours */
void ns_set(int fd);

/* ns_fd() - The descriptor given to ns_set(), -1 without a target */
int ns_fd(void);

/*
 * ns_call() - Run a function inside the target network namespace
 * @fn:		returns >= 0, or -errno. It shares our memory and descriptors
 *		(what it opens is ours) but runs as another process, so it must
 *		not exit, log through stdio state or wait for us
 * @arg:	for @fn
 *
 * The caller itself never leaves its own namespace, and is stopped meanwhile.
 * Needs CAP_SYS_ADMIN in the user namespace that owns the target.
 *
 * Return: what @fn returned, or -errno if it could not be run there
 */
int ns_call(int (*fn)(void *), void *arg);

/*
 * ns_stay() - Keep a thread in the target for all further calls of ns_call()
 *
 * They go on working without any capability then. Privileges are per thread:
 * the new one has those that the caller has now, and gives them up in an
 * ns_call(). User namespaces cannot be changed afterwards.
 *
 * Return: 0 or -errno
 */
int ns_stay(void);

#endif /* NS_H */
