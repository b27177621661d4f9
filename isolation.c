/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolation.c - giving up what is not needed, in ordered steps
 *
 * A hole in this program must be worth nothing. So it sheds, as soon as each
 * is no longer needed: capabilities, root, the user namespace it came from,
 * the file system, the sight of other processes, and at last the means to get
 * any of it back: what remains are the system calls in the table at the end.
 *
 * Capabilities are set with the raw system call, to need no library. In a user
 * namespace of our own we hold all of them, over nothing of the host's; they
 * go as well, but for low ports inside, where pasta has to follow the host's.
 */
#include "isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "log.h"
#include "sysfilter.h"
#include "sysnum.h"
#include "util.h"

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

void isolate_memory(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		die_perror("Cannot become undumpable");
}

void isolate_mounts(void)
{
	const unsigned long opt = MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_RDONLY;
	static const char *const at[] = { "/tmp", "/proc", "/dev" };
	unsigned i;

	found.own_userns = !in_init_userns();
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS))
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

pid_t isolate_pids(void)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		die_perror("Cannot make a pipe");
	if (unshare(CLONE_NEWPID))
		die_perror("Cannot create a PID namespace");
	pid = fork();
	if (pid < 0)
		die_perror("Cannot fork into a PID namespace");
	/* The new one cannot know by which number others know it */
	if (pid)
		_exit(write_all(fd[1], &pid, sizeof(pid)) ? 1 : 0);

	if (read(fd[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
		die_perror("Cannot learn the process number");
	close(fd[0]);
	close(fd[1]);
	return pid;
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
	isolate_memory();
}

/* ---------------------------------------------------------------- Landlock */

/* Of linux/landlock.h, which may be older than the kernel we run on. All that
 * the running kernel knows is denied: there is no rule that allows a thing */
struct landlock_denied {
	uint64_t	fs, net, scoped;
};

#define LANDLOCK_VERSION	1U	/* flag: ask for it */
#define LANDLOCK_NET_TCP	3U	/* bind and connect */
#define LANDLOCK_SCOPE_UNIX	1U	/* abstract sockets of others */
#define LANDLOCK_SCOPES		3U	/* ... and signals to them */

void isolate_landlock(bool tcp, bool signals)
{
	/* Rights to files, by version of the interface: bits [0, n) */
	static const uint8_t fs_rights[] = { 0, 13, 14, 15, 15, 16 };
	struct landlock_denied d = { .fs = 0 };
	long v, fd;

	v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	if (v < 1) {
		debug("No Landlock in this kernel");
		return;
	}
	v = MIN(v, 6);
	d.fs = (UINT64_C(1) << fs_rights[MIN(v, 5)]) - 1;
	if (v >= 4 && !tcp)
		d.net = LANDLOCK_NET_TCP;
	if (v >= 6)
		d.scoped = signals ? LANDLOCK_SCOPE_UNIX : LANDLOCK_SCOPES;

	/* Members that an older kernel does not know are zero: it allows that */
	fd = syscall(SYS_landlock_create_ruleset, &d, sizeof(d), 0);
	if (fd < 0)
		die_perror("Cannot make a Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, fd, 0))
		die_perror("Cannot enforce the Landlock ruleset");
	close((int)fd);
}

/* ------------------------------------------------------------ system calls */

#define P	ISOLATE_PASST
#define N	ISOLATE_PASTA
#define T	ISOLATE_NS_THREAD
#define L	ISOLATE_LOG_FILE
#define V	ISOLATE_VHOST_USER

#define TEST(a, v)		{ (a), UINT32_MAX, (uint32_t)(v) }
#define BITS(a, m, v)		{ (a), (uint32_t)(m), (uint32_t)(v) }

#define ANY(call, who)		{ SYS_##call, who, 0, { { 0 } } }
#define ARG(call, who, a, v)	{ SYS_##call, who, 0, { TEST(a, v) } }
#define OPT(call, who, level, name)					\
	{ SYS_##call, who, 0, { TEST(1, level), TEST(2, name) } }
#define SOCK(who, family, type, proto)					\
	{ SYS_socket, who, 0,						\
	  { TEST(0, family), BITS(1, ~(SOCK_NONBLOCK | SOCK_CLOEXEC), type), \
	    TEST(2, proto) } }
#define SET(who, level, name)	OPT(setsockopt, who, level, name)
#define GET(who, level, name)	OPT(getsockopt, who, level, name)
/* What nobody but an exploit calls: no second try for it */
#define KILL(call)							\
	{ SYS_##call, P | N | T, SECCOMP_RET_KILL_PROCESS, { { 0 } } }
#define KILL_BITS(call, a, m)						\
	{ SYS_##call, P | N | T, SECCOMP_RET_KILL_PROCESS, { BITS(a, m, m) } }

#ifndef SYS_poll			/* not on younger architectures */
#define SYS_poll	SYS_ppoll
#endif

/*
 * All that is left to do once everything is set up. P: passt, N: pasta, T: its
 * thread in the namespace, which only makes sockets; L: with a log file; V: with
 * vhost-user. What is called for each packet has no conditions: the kernel then
 * remembers that, and does not even run the filter.
 *
 * Which of two calls a function makes is the C library's choice, and the one we
 * run with need not be the one we were built with: glibc's fstat() has been
 * either. Both are allowed then.
 */
static const struct sys_rule rules[] = {
	/* Packets and bytes */
	ANY(read, P | N), ANY(write, P | N), ANY(writev, P | N),
	ANY(recvfrom, P | N), ANY(recvmsg, P | N), ANY(recvmmsg, P | N),
	ANY(sendto, P | N), ANY(sendmsg, P | N), ANY(sendmmsg, P | N),
	ANY(splice, N),

	/* The turn. The clock is asked where the vDSO has none, the call is
	 * restarted after a stop, rt_sigreturn ends refuse(), below */
	ANY(epoll_pwait, P | N), ANY(epoll_ctl, P | N | T), ANY(poll, P | N),
	ANY(clock_gettime, P | N), ANY(restart_syscall, P | N | T),
	ANY(rt_sigreturn, P | N | T), ANY(exit_group, P | N | T),
	ARG(madvise, P | N, 2, MADV_DONTNEED),
	ANY(futex, N | T),			/* both wait for each other */
	ANY(wait4, N),				/* for the command */
	ANY(newfstatat, N | V),			/* is the namespace there? */
	ARG(dup3, P | N, 1, STDERR_FILENO),	/* to /dev/null, once */
	{ SYS_prlimit64, N | T, 0, { TEST(0, 0), TEST(2, 0) } },	/* ask */

	/* Log file; and tables of ports in /proc, opened before */
	ANY(pread64, N | L), ANY(pwrite64, L), ANY(lseek, L), ANY(ftruncate, L),
	ARG(fallocate, L, 1, FALLOC_FL_COLLAPSE_RANGE),

	/* Memory of a guest, and what becomes of it if its file gets shorter */
	ARG(mmap, V, 2, PROT_READ | PROT_WRITE), ANY(munmap, V),
	ANY(fstat, V), ARG(fcntl, V, 1, F_GETFL), ARG(fcntl, V, 1, F_SETFL),
	ARG(rt_sigaction, V, 0, SIGBUS),

	/* The life of a socket. Port 0 and addresses are for fwd.c to decide */
	SOCK(P | N | T, AF_INET, SOCK_STREAM, 0),
	SOCK(P | N | T, AF_INET6, SOCK_STREAM, 0),
	SOCK(P | N | T, AF_INET, SOCK_DGRAM, 0),
	SOCK(P | N | T, AF_INET6, SOCK_DGRAM, 0),
	SOCK(P | N, AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
	SOCK(P | N, AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6),
	ANY(bind, P | N | T), ANY(connect, P | N), ANY(listen, N | T),
	ANY(accept4, P | N), ANY(shutdown, P | N), ANY(close, P | N | T),
	ANY(getsockname, P | N | T),
	ARG(ioctl, P | N | T, 1, SIOCGIFINDEX), ARG(ioctl, N, 1, SIOCATMARK),

	ARG(pipe2, N, 1, O_NONBLOCK | O_CLOEXEC),
	ARG(fcntl, N, 1, F_SETPIPE_SZ), ARG(fcntl, N, 1, F_GETPIPE_SZ),

	SET(P | N | T, IPPROTO_TCP, TCP_NODELAY),
	SET(P | N, IPPROTO_TCP, TCP_QUICKACK),
	SET(P | N, SOL_SOCKET, SO_PEEK_OFF),
	SET(P | N, SOL_SOCKET, SO_RCVLOWAT),
	SET(P | N, SOL_SOCKET, SO_LINGER),
	SET(P | N | T, SOL_SOCKET, SO_OOBINLINE),
	SET(P | N, SOL_SOCKET, SO_KEEPALIVE),
	SET(P | N | T, SOL_SOCKET, SO_REUSEADDR),
	SET(P | N | T, SOL_SOCKET, SO_REUSEPORT),
	SET(P | N | T, SOL_SOCKET, SO_RCVBUF),
	SET(P, SOL_SOCKET, SO_SNDBUF),		/* of a guest that comes */
	SET(P | N, SOL_SOCKET, SO_BROADCAST),
	SET(P | N | T, SOL_SOCKET, SO_BINDTODEVICE),
	SET(P | N | T, SOL_UDP, UDP_GRO),

	SET(P | N, SOL_IP, IP_BIND_ADDRESS_NO_PORT),
	SET(P | N | T, SOL_IP, IP_RECVERR),
	SET(P | N | T, SOL_IP, IP_RECVTTL),
	SET(P | N | T, SOL_IP, IP_RECVTOS),
	SET(P | N | T, SOL_IP, IP_PKTINFO),
	SET(P | N | T, SOL_IP, IP_FREEBIND),
	SET(P | N | T, SOL_IP, IP_MULTICAST_ALL),
	SET(P | N, SOL_IP, IP_MULTICAST_IF),
	SET(P | N, SOL_IP, IP_MULTICAST_TTL),
	SET(P | N, SOL_IP, IP_ADD_MEMBERSHIP),
	SET(P | N, SOL_IP, IP_TTL),
	SET(P | N, SOL_IP, IP_TOS),
	SET(P | N, SOL_IP, IP_MTU_DISCOVER),	/* may it be cut? */

	SET(P | N | T, SOL_IPV6, IPV6_V6ONLY),
	SET(P | N | T, SOL_IPV6, IPV6_RECVERR),
	SET(P | N | T, SOL_IPV6, IPV6_RECVHOPLIMIT),
	SET(P | N | T, SOL_IPV6, IPV6_RECVTCLASS),
	SET(P | N | T, SOL_IPV6, IPV6_RECVPKTINFO),
	SET(P | N | T, SOL_IPV6, IPV6_FREEBIND),
	SET(P | N | T, SOL_IPV6, IPV6_MULTICAST_ALL),
	SET(P | N, SOL_IPV6, IPV6_MULTICAST_IF),
	SET(P | N, SOL_IPV6, IPV6_MULTICAST_HOPS),
	SET(P | N, SOL_IPV6, IPV6_ADD_MEMBERSHIP),
	SET(P | N, SOL_IPV6, IPV6_UNICAST_HOPS),
	SET(P | N, SOL_IPV6, IPV6_TCLASS),
	SET(P | N, SOL_IPV6, IPV6_PKTINFO),
	SET(P | N, SOL_IPV6, IPV6_MTU_DISCOVER),

	SET(N, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP),	/* closed ports */
	SET(N, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP),

	GET(P | N, SOL_SOCKET, SO_ERROR),
	GET(P | N, SOL_SOCKET, SO_MEMINFO),
	GET(P | N, IPPROTO_TCP, TCP_INFO),
	GET(P, SOL_SOCKET, SO_PEERCRED),

	/* Libraries may try, and do without. Of brk() 0 is "no" */
	{ SYS_brk, P | N | T, SECCOMP_RET_ERRNO | 0, { { 0 } } },

	/* Other programs, processes, names, privileges, code */
	KILL(execve), KILL(execveat), KILL(clone), KILL(clone3),
#ifdef SYS_fork
	KILL(fork), KILL(vfork),
#endif
	KILL(ptrace), KILL(process_vm_readv), KILL(process_vm_writev),
	KILL(pidfd_getfd), KILL(unshare), KILL(setns), KILL(mount),
	KILL(umount2), KILL(pivot_root), KILL(chroot), KILL(move_mount),
	KILL(fsopen), KILL(fsconfig), KILL(open_tree),
	KILL(open_by_handle_at), KILL(setuid), KILL(setgid), KILL(setresuid),
	KILL(setresgid), KILL(capset), KILL(bpf), KILL(perf_event_open),
	KILL(userfaultfd), KILL(io_uring_setup), KILL(io_uring_enter),
	KILL(memfd_create), KILL(init_module), KILL(finit_module),
	KILL(kexec_load), KILL(add_key), KILL(request_key), KILL(keyctl),
	KILL(personality), KILL_BITS(mmap, 2, PROT_EXEC),
	KILL_BITS(mprotect, 2, PROT_EXEC), KILL_BITS(pkey_mprotect, 2, PROT_EXEC),
};
#undef P
#undef N
#undef T
#undef L
#undef V

/* Where the result of a refused call goes, in what a handler of signals sees */
#if defined(__x86_64__)
#define MACHINE		AUDIT_ARCH_X86_64
#define RESULT(uc)	((uc)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define MACHINE		AUDIT_ARCH_AARCH64
#define RESULT(uc)	((uc)->uc_mcontext.regs[0])
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE		AUDIT_ARCH_RISCV64
#define RESULT(uc)	((uc)->uc_mcontext.__gregs[10])
#endif

#define NR_KEPT		512U		/* calls whose refusal is remembered */

/* Numbers of calls that were refused, until somebody asks */
static struct {
	atomic_bool	news;
	atomic_bool	seen[NR_KEPT];
	bool		told[NR_KEPT];
} refused;

/* The names of system calls, made from the system's headers */
static const struct {
	const char	*name;
	unsigned	nr;
} names[] = {
#include "syscall_names.h"
};

#ifdef RESULT
/* A call was not made. What it "returns" is the caller's to handle; the next
 * turn will say so. Runs in the middle of anything: no system calls here */
static void refuse(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	unsigned nr = (unsigned)si->si_syscall;

	(void)sig;
	RESULT(uc) = (unsigned long)-(long)si->si_errno;
	if (nr >= NR_KEPT)
		nr = NR_KEPT - 1;
	atomic_store(&refused.seen[nr], true);
	atomic_store(&refused.news, true);
}
#endif

const char *isolate_refused(void)
{
	unsigned nr, i;

	if (!atomic_load_explicit(&refused.news, memory_order_relaxed))
		return NULL;
	atomic_store(&refused.news, false);
	for (nr = 0; nr < NR_KEPT; nr++) {
		if (!atomic_load(&refused.seen[nr]) || refused.told[nr])
			continue;
		refused.told[nr] = true;
		atomic_store(&refused.news, true);	/* more, perhaps */
		for (i = 0; i < ARRAY_LEN(names); i++)
			if (names[i].nr == nr)
				return names[i].name;
		return "of a number unknown here";
	}
	return NULL;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#endif

void isolate_syscalls(unsigned who)
{
#if defined(SANITIZED)
	(void)who;
	(void)rules;
	(void)refuse;
	debug("System calls are not filtered: the sanitizers make many");
#elif !defined(MACHINE)
	(void)who;
	warn("System calls are not filtered: this machine's are not known");
#else
	struct sigaction sa = { .sa_flags = SA_SIGINFO };
	static struct sock_filter code[SYSFILTER_MAX];
	struct sock_fprog prog = { .filter = code };
	size_t n;

	sa.sa_sigaction = refuse;
	if (sigaction(SIGSYS, &sa, NULL))
		die_perror("Cannot handle refused system calls");
	n = sysfilter_build(code, rules, ARRAY_LEN(rules), who, MACHINE,
			    SECCOMP_RET_TRAP | EPERM, SECCOMP_RET_TRAP | ENOSYS);
	if (!n)
		die("The filter of system calls has no room");
	prog.len = (unsigned short)n;

	/* Without the flag, old kernels slow every branch down: a measure
	 * against programs that run code from strangers within a sandbox. Even
	 * older ones do not know it */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) &&
	    (errno != EINVAL ||
	     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)))
		die_perror("Cannot filter system calls");
#endif
}
