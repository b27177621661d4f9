/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls.c - what hostile code within the daemon could call (LD_PRELOAD)
 *
 * Stands for epoll_pwait(). As soon as system calls are filtered, it makes those
 * that the environment variable E2E_CALLS asks for:
 *
 *	all	each there is, with arguments that are good for nothing; says how
 *		many of them were let through to the kernel (two that would end
 *		us are counted unasked, and those that are fatal left out)
 *	args	known ones with arguments that are not permitted
 *	NAME	one of those that are fatal
 *
 * Results are lines on standard error.
 */
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define LEN(a)	((int)(sizeof(a) / sizeof((a)[0])))

/* No more than this is tried: there are fewer, and the rest are x32's */
#define NR_MAX	480

static const int fatal[] = {
	SYS_execve, SYS_execveat, SYS_clone, SYS_clone3,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
	SYS_pidfd_getfd, SYS_unshare, SYS_setns, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
	SYS_open_tree, SYS_open_by_handle_at, SYS_setuid, SYS_setgid,
	SYS_setresuid, SYS_setresgid, SYS_capset, SYS_bpf,
	SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup,
	SYS_io_uring_enter, SYS_memfd_create, SYS_init_module,
	SYS_finit_module, SYS_kexec_load, SYS_add_key, SYS_request_key,
	SYS_keyctl, SYS_personality,
	/* with all bits set, PROT_EXEC is among them */
	SYS_mmap, SYS_mprotect, SYS_pkey_mprotect,
	/* nothing to refuse: they end the process, or its handlers */
	SYS_exit_group, SYS_rt_sigreturn,
#ifdef __x86_64__
	335, 336,	/* uretprobe, uprobe: filters are not asked about them */
#endif
};

static bool is_fatal(long nr)
{
	int i;

	for (i = 0; i < LEN(fatal); i++)
		if (nr == fatal[i])
			return true;
	return false;
}

static void try_all(void)
{
	int let = 2, wrong = 0;
	long nr;

	for (nr = 0; nr < NR_MAX; nr++) {
		if (is_fatal(nr) || nr == SYS_brk)
			continue;
		errno = 0;
		if (syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L) == -1 &&
		    errno == ENOSYS)
			continue;
		if (errno == EPERM)
			wrong++;	/* let through with other arguments */
		let++;
	}
	fprintf(stderr, "calls: %d, %d by their arguments\n", let, wrong);
}

/* Of mmap(), musl makes one of the other */
static void tell(const char *what, long ret)
{
	fprintf(stderr, "args: %s: %s\n", what, ret >= 0 ? "done" :
		errno == EPERM || errno == ENOMEM ? "refused" :
		errno == ENOSYS ? "unknown" : "let through");
}

static void try_args(void)
{
	struct sock_fprog prog = { .len = 0 };
	char c = 0;

	tell("packet socket", socket(17 /* AF_PACKET */, SOCK_DGRAM, 0));
	tell("raw socket", socket(AF_INET, SOCK_RAW, 1));
	tell("UNIX socket", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	tell("multipath socket", socket(AF_INET, SOCK_STREAM, 262));
	tell("socket filter", setsockopt(2, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
					 sizeof(prog)));
	tell("SO_MARK", setsockopt(2, SOL_SOCKET, SO_MARK, &c, 1));
	tell("TIOCSTI", ioctl(2, TIOCSTI, &c));
	tell("fcntl", fcntl(2, F_DUPFD, 10));
	tell("writable memory", mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	tell("prctl", syscall(SYS_prctl, 4, 1, 0, 0, 0));
	tell("kill", syscall(SYS_kill, 1, 0));
	tell("open", syscall(SYS_openat, AT_FDCWD, "/", 0, 0));
	tell("TCP socket", socket(AF_INET, SOCK_STREAM, 0));
	fprintf(stderr, "args: end\n");
}

static void try_fatal(const char *name)
{
	if (!strcmp(name, "execve"))
		syscall(SYS_execve, "/bin/sh", NULL, NULL);
	else if (!strcmp(name, "clone"))
		syscall(SYS_clone, 17, 0, 0, 0, 0);
	else if (!strcmp(name, "ptrace"))
		syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
	else if (!strcmp(name, "unshare"))
		syscall(SYS_unshare, CLONE_NEWUSER);
	else if (!strcmp(name, "mmap"))
		syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else if (!strcmp(name, "mprotect"))
		syscall(SYS_mprotect, (long)&try_fatal & ~4095L, 4096,
			PROT_READ | PROT_WRITE | PROT_EXEC);
	else if (!strcmp(name, "io_uring"))
		syscall(SYS_io_uring_setup, 1, NULL);
	fprintf(stderr, "fatal: %s: survived\n", name);
}

int epoll_pwait(int fd, struct epoll_event *e, int max, int ms,
		const sigset_t *set)
{
	static int (*real)(int, struct epoll_event *, int, int,
			   const sigset_t *);
	static const char *what;
	static bool tried;

	if (!real) {
		*(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
		what = getenv("E2E_CALLS");
	}
	if (!tried && what && syscall(SYS_getppid) < 0) {
		tried = true;
		if (!strcmp(what, "all"))
			try_all();
		else if (!strcmp(what, "args"))
			try_args();
		else
			try_fatal(what);
	}
	return real(fd, e, max, ms, set);
}
