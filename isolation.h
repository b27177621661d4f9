/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolation.h - giving up what is not needed, in ordered steps
 *
 * Every step ends the process if it cannot be taken: nothing runs less
 * protected than it should. isolate_initial() comes before anything is opened,
 * isolate_final() after everything is set up, and isolate_syscalls() last.
 */
#ifndef ISOLATION_H
#define ISOLATION_H

#include <stdbool.h>
#include <sys/types.h>

struct isolate_conf {
	bool	runas;		/* uid and gid were given */
	uid_t	uid;
	gid_t	gid;
};

/* isolate_initial() - Drop capabilities that set-up does not need; raise the
 * limit of open files; open what is missing of the standard descriptors */
void isolate_initial(void);

/* isolate_undo_limits() - In a child: limit of open files and file mode mask
 * as we found them, for a program that is somebody else's */
void isolate_undo_limits(void);

/* isolate_descriptors() - Close inherited descriptors from 3 on but @keep_fd
 * (below 3: all of them) */
void isolate_descriptors(int keep_fd);

/* isolate_user() - Leave real root for nobody or the user given; leave
 * supplementary groups; from here on files of ours are nobody else's. Of
 * capabilities only the one for low ports survives */
void isolate_user(const struct isolate_conf *c);

/*
 * isolate_userns() - Move into a user namespace of our own, our ids as root
 *
 * All capabilities over what is made inside, none over anything else: sockets
 * on low ports must be bound before. For passt, and for pasta when it makes
 * the namespaces itself (pasta_open() does it).
 */
void isolate_userns(void);

/* isolate_memory() - Nobody can look into us, or steer us, whatever rights over
 * our user namespace they have: to be called before others are in it */
void isolate_memory(void);

/* isolate_mounts() - IPC, UTS and mount namespaces of our own, the last with
 * an empty read-only root: no file can be opened any more */
void isolate_mounts(void);

/*
 * isolate_pids() - Go on as the only process of a PID namespace
 *
 * In a new process, so before there are threads; descriptors are the same, but
 * an epoll instance goes on watching the old one's signals. Of signals that
 * would end a process, only those that are blocked or handled reach the first
 * of a namespace (pid_namespaces(7)).
 *
 * Return: our number where we came from; here it is 1
 */
pid_t isolate_pids(void);

/*
 * isolate_final() - No new privileges, not dumpable, no capabilities
 * @low_ports:	but for low ports, unless that is a right over the host. For the
 *		calling thread: others must not have it
 */
void isolate_final(bool low_ports);

/*
 * isolate_landlock() - Where the kernel has Landlock: no file at all, no
 * abstract socket or process of others (Linux 6.12), no device (6.10)
 * @tcp:	false: no TCP socket is bound or connected either (6.7)
 * @signals:	permit signals: the kernel counts as ours the one by which our
 *		end takes a child along (PR_SET_PDEATHSIG)
 *
 * Of the calling thread; after isolate_final().
 */
void isolate_landlock(bool tcp, bool signals);

/* Who makes system calls, and what for */
#define ISOLATE_PASST		1U
#define ISOLATE_PASTA		2U
#define ISOLATE_NS_THREAD	4U	/* makes sockets in the namespace */
#define ISOLATE_LOG_FILE	8U	/* with one of the first two, as those: */
#define ISOLATE_VHOST_USER	16U	/* maps the memory of a guest */

/*
 * isolate_syscalls() - Leave only the system calls needed from now on
 * @who:	set of the above
 *
 * Others fail with EPERM (arguments that are not permitted) or ENOSYS, so that
 * a library's idea ends no connection; those that only an exploit would make
 * end the process. Of the calling thread; the last step.
 */
void isolate_syscalls(unsigned who);

/* isolate_refused() - The name of a system call refused for the first time
 * since it was asked, or NULL: there is none (more) */
const char *isolate_refused(void);

#endif /* ISOLATION_H */
