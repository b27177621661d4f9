/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns.c - run a function in the target network namespace
 *
 * A socket belongs for ever to the namespace in which it was made, so all it
 * takes to have sockets in the container is to make them there. Entering with
 * the daemon itself would need privileges over the host's namespace to come
 * back. So a child enters: it shares memory and descriptors with us (nothing
 * is copied, what it opens is open here) and we are suspended until it is
 * gone (CLONE_VFORK), hence no locks and no races. It sends no signal at its
 * end, so nobody who waits for SIGCHLD is woken.
 *
 * Entering takes a capability, so once we give them up there must be somebody
 * inside already: a thread whose network namespace is the target, and who
 * sleeps until it is handed a function. The caller waits for it as well, so
 * the rules are the same, and it needs no more rights than to make a socket
 * where it is. It ends with us.
 */
#include "ns.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_STACK	(64 * 1024)

static struct {
	int	fd_plus_1;		/* so that all zero means none */
	int	(*fn)(void *);
	void	*arg;
	int	ret;
	bool	resident;		/* by the thread, not by a child */
	sem_t	go, done;
	_Alignas(16) uint8_t stack[NS_STACK];
} ns;

void ns_set(int fd)
{
	ns.fd_plus_1 = fd + 1;
}

int ns_fd(void)
{
	return ns.fd_plus_1 - 1;
}

static int ns_child(void *unused)
{
	(void)unused;

	if (setns(ns_fd(), CLONE_NEWNET))
		ns.ret = -errno;
	else
		ns.ret = ns.fn(ns.arg);
	return 0;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))	/* a signal */
		;
}

int ns_call(int (*fn)(void *), void *arg)
{
	pid_t pid;

	if (ns_fd() < 0)
		return -EBADF;

	ns.fn = fn;
	ns.arg = arg;
	ns.ret = -EINTR;	/* stays if the child is killed on its way */

	if (ns.resident) {
		sem_post(&ns.go);
		wait_for(&ns.done);
		return ns.ret;
	}

	pid = clone(ns_child, ns.stack + sizeof(ns.stack),
		    CLONE_VM | CLONE_VFORK | CLONE_FILES, NULL);
	if (pid < 0)
		return -errno;

	while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	return ns.ret;
}

static void *resident(void *unused)
{
	(void)ns_child(unused);
	for (;;) {
		sem_post(&ns.done);
		wait_for(&ns.go);
		ns.ret = ns.fn(ns.arg);
	}
	return NULL;
}

static int ns_nothing(void *unused)
{
	(void)unused;
	return 0;
}

int ns_stay(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int e;

	if (ns_fd() < 0)
		return -EBADF;
	if (ns.resident)
		return 0;

	ns.fn = ns_nothing;
	if (sem_init(&ns.go, 0, 0) || sem_init(&ns.done, 0, 0))
		return -errno;
	e = pthread_attr_init(&attr);
	if (!e)
		e = pthread_attr_setstack(&attr, ns.stack, sizeof(ns.stack));
	if (!e)
		e = pthread_create(&thread, &attr, resident, NULL);
	if (e)
		return -e;
	wait_for(&ns.done);
	ns.resident = true;	/* also if it failed: its stack is in use */
	return ns.ret;
}
