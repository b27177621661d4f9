/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolation.c - giving up what is not needed, in ordered steps
 *
 * A hole in this program must be worth nothing. So it sheds, as soon as each
 * is no longer needed: capabilities, root, the user namespace it came from,
 * the file system, and at last the means to get any of it back.
 *
 * Capabilities are set with the raw system call, to need no library. In a user
 * namespace of our own we hold all of them, over nothing of the host's; they
 * go as well, but for low ports inside, where pasta has to follow the host's.
 */
#include "isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

#ifndef SYS_close_range
#define SYS_close_range	436
#endif

#define CAP_BIT(c)	(UINT64_C(1) << (c))
#define NOBODY		65534

/* For namespaces (SYS_ADMIN), links (NET_ADMIN), low ports, and --runas */
#define CAPS_SETUP	(CAP_BIT(CAP_NET_BIND_SERVICE) |		\
			 CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) |	\
			 CAP_BIT(CAP_SYS_ADMIN) |			\
			 CAP_BIT(CAP_NET_ADMIN) |			\
			 CAP_BIT(CAP_DAC_OVERRIDE))
/* Who stays root has to map it again in a namespace of its own */
#define CAPS_ROOT	CAP_BIT(CAP_SETFCAP)
/* Root of a container: opening /proc/PID/ns as well */
#define CAPS_NESTED	(CAPS_ROOT | CAP_BIT(CAP_SYS_PTRACE))

/* As we found them, for the command of pasta */
static struct {
	struct rlimit files;
	bool files_known;
	mode_t mask;
	bool mask_known;
	bool own_userns;		/* before we left the file system */
} found;

/* Keep of our permitted capabilities those in @keep */
static void caps_limit(uint64_t keep)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];
	int i;

	if (syscall(SYS_capget, &h, d))
		die_perror("Cannot read capabilities");
	for (i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(keep >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &h, d))
		die_perror("Cannot drop capabilities");
}

/* Are we in the initial user namespace? Its map is the identity */
static bool in_init_userns(void)
{
	unsigned long first, to, count;
	char buf[256];

	if (read_file("/proc/self/uid_map", buf, sizeof(buf)) < 0)
		return true;	/* no user namespaces in this kernel */
	return sscanf(buf, "%lu %lu %lu", &first, &to, &count) == 3 &&
	       !first && !to && count == UINT32_MAX;
}

static void close_from(unsigned first, unsigned last)
{
	struct rlimit rl;
	unsigned fd;

	if (first > last || !syscall(SYS_close_range, first, last, 0))
		return;
	/* Before Linux 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur > 1U << 20)
		rl.rlim_cur = 1U << 20;
	for (fd = first; fd <= last && fd < rl.rlim_cur; fd++)
		close((int)fd);
}

/* Whoever starts us without standard descriptors must not have the first files
 * we open be taken for them */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

void isolate_initial(void)
{
	uint64_t caps = CAPS_SETUP;
	struct rlimit rl;

	open_standard();
	if (!geteuid())
		caps |= in_init_userns() ? CAPS_ROOT : CAPS_NESTED;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	caps_limit(caps);

	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < rl.rlim_max) {
		found.files = rl;
		found.files_known = true;
		rl.rlim_cur = rl.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &rl))
			debug_perror("Cannot raise the limit of open files");
	}
}

void isolate_undo_limits(void)
{
	if (found.files_known)
		(void)setrlimit(RLIMIT_NOFILE, &found.files);
	if (found.mask_known)
		(void)umask(found.mask);
}

void isolate_descriptors(int keep_fd)
{
	if (keep_fd < 3) {
		close_from(3, UINT32_MAX);
		return;
	}
	if (keep_fd > 3)
		close_from(3, (unsigned)keep_fd - 1);
	close_from((unsigned)keep_fd + 1, UINT32_MAX);
}

void isolate_user(const struct isolate_conf *c)
{
	uid_t uid = c->uid;
	gid_t gid = c->gid;
	const char *whose = c->runas ? "--runas: " : "";

	found.mask = umask(0077);
	found.mask_known = true;
	if (!c->runas) {
		const struct passwd *pw;

		if (geteuid() || !in_init_userns()) {
			(void)setgroups(0, NULL);
			return;
		}
		warn("Started as root, will change to nobody");
		pw = getpwnam("nobody");
		uid = pw ? pw->pw_uid : NOBODY;
		gid = pw ? pw->pw_gid : NOBODY;
	}

	if (setgroups(0, NULL) && errno != EPERM)
		die_perror("Cannot leave supplementary groups");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		die_perror("Cannot keep capabilities");
	if (setresgid(gid, gid, gid))
		die_perror("%sCannot change to group %u", whose, gid);
	if (setresuid(uid, uid, uid))
		die_perror("%sCannot change to user %u", whose, uid);
	caps_limit(uid ? CAP_BIT(CAP_NET_BIND_SERVICE) :
		   CAPS_SETUP | CAPS_ROOT);

	/* A change of user makes /proc/self root's, but we still have to write
	 * id maps there. Undone by isolate_final() */
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

void isolate_userns(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[32];
	int rc;

	if (unshare(CLONE_NEWUSER))
		die_perror("Cannot create a user namespace");

	/* Without this the group map may not be written unprivileged; absent
	 * before Linux 3.19 */
	rc = write_file("/proc/self/setgroups", "deny");
	if (rc && rc != -ENOENT)
		die("Cannot deny setgroups: %s", strerror(-rc));
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	rc = write_file("/proc/self/uid_map", map);
	if (rc)
		die("Cannot map user %u: %s", uid, strerror(-rc));
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	rc = write_file("/proc/self/gid_map", map);
	if (rc)
		die("Cannot map group %u: %s", gid, strerror(-rc));
}

void isolate_mounts(bool pid_ns)
{
	const unsigned long opt = MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_RDONLY;
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	static const char *const at[] = { "/tmp", "/proc", "/dev" };
	unsigned i;

	found.own_userns = !in_init_userns();
	if (unshare(flags | (pid_ns ? CLONE_NEWPID : 0)))
		die_perror("Cannot detach namespaces");

	/* What we do must not reach the mounts we come from */
	if (mount("", "/", "", MS_UNBINDABLE | MS_REC, NULL))
		die_perror("Cannot make mounts private");

	/* Any directory will do to put the new root on */
	for (i = 0; i < ARRAY_LEN(at); i++) {
		if (!mount("", at[i], "tmpfs", opt, "nr_inodes=2,nr_blocks=0"))
			break;
	}
	if (i == ARRAY_LEN(at) || chdir(at[i]))
		die_perror("Cannot mount an empty root");

	/* Old and new root on top of each other: the old one, now uppermost,
	 * is what "." leads to (see pivot_root(2)) */
	if (syscall(SYS_pivot_root, ".", "."))
		die_perror("Cannot change to an empty root");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		die_perror("Cannot leave the old root");
}

void isolate_final(bool low_ports)
{
	int cap;

	/* Needs CAP_SETPCAP, which an ordinary user only has in a namespace of
	 * his own; no_new_privs makes the set meaningless anyway */
	for (cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			break;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die_perror("Cannot set no_new_privs");
	caps_limit(low_ports && found.own_userns ?
		   CAP_BIT(CAP_NET_BIND_SERVICE) : 0);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		die_perror("Cannot become undumpable");
}
