/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolation.h - giving up what is not needed, in ordered steps
 *
 * Every step ends the process if it cannot be taken: nothing runs less
 * protected than it should. isolate_initial() comes before anything is opened,
 * isolate_final() after everything is set up.
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

/*
 * isolate_mounts() - IPC, UTS and mount namespaces of our own, the last with
 * an empty read-only root: no file can be opened any more
 * @pid_ns:	also a PID namespace for the next fork(), which must follow
 *		before any ns_call()
 */
void isolate_mounts(bool pid_ns);

/*
 * isolate_final() - No new privileges, not dumpable, no capabilities
 * @low_ports:	but for low ports, unless that is a right over the host. For the
 *		calling thread: others must not have it
 */
void isolate_final(bool low_ports);

#endif /* ISOLATION_H */
