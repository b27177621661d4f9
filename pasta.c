/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasta.c - namespaces: open, create, run the command, configure, see the end
 *
 * A command to run is cloned straight into new network, mount, PID, IPC and
 * UTS namespaces, inside a user namespace that we made for both of us: we need
 * rights over its network, it needs to be root there. While it mounts its own
 * /proc we make the tap device; a byte through a pipe lets it go. Should we
 * die before, it reads end-of-file, should we die later, the kernel kills it.
 * A second pipe, closed by a successful execve(), carries the error of a
 * failed one.
 *
 * All configuration is done from here, through a netlink socket opened inside,
 * and in an order that leaves nothing to wait for: the kernel is kept from
 * making its own link-local address, which would take it a second to verify.
 *
 * The end of a command comes as SIGCHLD, that of a process as a readable
 * pidfd, that of a bound namespace as a deleted directory entry. Where none of
 * this works, a timer looks once a second.
 */
#include "pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "isolation.h"
#include "netlink.h"
#include "nl_route.h"
#include "ns.h"
#include "sysnum.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC	(1U << 2)
#endif

#define CHILD_STACK	(128 * 1024)
#define ROUTES_MAX	4096
#define ADDRS_MAX	128
#define NODENAME_MAX	64	/* the kernel's; HOST_NAME_MAX may be POSIX's */
#define AWAIT_MAX	5000	/* times 0.2 ms */
#define TXQLEN		16384	/* more than any window of ours, in frames */
#define LO_INDEX	1	/* in every network namespace */

enum watch { WATCH_NONE, WATCH_CHILD, WATCH_PIDFD, WATCH_ENTRY, WATCH_POLL };

static struct {
	const struct conf *conf;	/* only during start */
	pid_t		child;		/* 0: none */
	int		go, result;	/* pipes to and from it */
	int		go_rd, result_wr;	/* its ends */
	sigset_t	mask;		/* as we found it, for the child */
	enum watch	watch;
	int		watch_fd;	/* -1 without */
	int		dir;		/* directory of the watched entry */
	char		entry[NAME_MAX + 1];
	_Alignas(16) uint8_t stack[CHILD_STACK];
} pasta;

/* ------------------------------------------------------------- the command */

/* What is nice to have but may be forbidden, for instance when we run in a
 * container ourselves, is left out silently */
static void child_prepare(const struct conf *c)
{
	char name[NODENAME_MAX + 1], old[NODENAME_MAX + 1];

	/* Mounts of ours must not show up outside, those outside may here */
	(void)mount("", "/", "", MS_SLAVE | MS_REC, NULL);
	(void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    NULL);
	(void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");

	if (*c->guest.hostname) {
		(void)str_copy(name, sizeof(name), c->guest.hostname);
	} else {
		if (gethostname(old, sizeof(old)))
			*old = '\0';
		old[sizeof(old) - 1] = '\0';
		(void)str_copy(name, sizeof(name), "pasta-");
		(void)str_copy(name + 6, sizeof(name) - 6, old);
	}
	if (sethostname(name, strlen(name)))
		debug_perror("Cannot set the host name");
}

static const char *shell_path(void)
{
	const char *shell = getenv("SHELL");

	return shell && *shell ? shell : "/bin/sh";
}

static void child_exec(const struct conf *c)
{
	const char *shell = shell_path();
	char arg0[PATH_MAX + 1], *argv[2] = { arg0, NULL };

	if (c->command) {
		execvp(c->command[0], c->command);
		return;
	}

	/* The dash makes it a login shell */
	arg0[0] = '-';
	(void)str_copy(arg0 + 1, sizeof(arg0) - 1,
		       strrchr(shell, '/') ? strrchr(shell, '/') + 1 : shell);
	execvp(shell, argv);
}

/* Runs in a copy of our memory; must not return into code of the parent */
static int child_main(void *unused)
{
	const struct conf *c = pasta.conf;
	ssize_t n;
	char go;
	int e;

	(void)unused;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	close(pasta.go);
	close(pasta.result);

	child_prepare(c);

	do {
		n = read(pasta.go_rd, &go, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1);	/* nobody there any more */

	/* What the daemon waits for or ignores is not the command's business */
	sigdelset(&pasta.mask, SIGTERM);
	sigdelset(&pasta.mask, SIGQUIT);
	sigdelset(&pasta.mask, SIGCHLD);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &pasta.mask, NULL);
	isolate_undo_limits();
	(void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);

	child_exec(c);
	e = errno;
	(void)write_all(pasta.result_wr, &e, sizeof(e));
	_exit(1);
}

static int open_ns(const char *path)
{
	/* A FIFO of that name would wait for a writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		die_perror("Cannot open namespace %s", path);
	return fd;
}

static void spawn(const struct conf *c)
{
	int go[2], result[2], flags = CLONE_NEWNET | CLONE_NEWNS |
				      CLONE_NEWPID | CLONE_NEWIPC |
				      CLONE_NEWUTS | SIGCHLD;
	char path[64];

	if (!c->netns_only)
		isolate_userns();

	if (pipe2(go, O_CLOEXEC) || pipe2(result, O_CLOEXEC))
		die_perror("Cannot create pipes");
	pasta.go_rd = go[0];
	pasta.go = go[1];
	pasta.result = result[0];
	pasta.result_wr = result[1];

	pasta.child = clone(child_main, pasta.stack + sizeof(pasta.stack),
			    flags, NULL);
	if (pasta.child < 0)
		die_perror("Cannot create namespaces");
	close(go[0]);
	close(result[1]);

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pasta.child);
	ns_set(open_ns(path));

	/* Only now, or its files in /proc would be root's, as ours are now: it
	 * will have rights over us, and see us, if it uncovers the host's */
	isolate_memory();
}

void pasta_go(void)
{
	if (pasta.child <= 0)
		return;
	if (write_all(pasta.go, "", 1))
		die("The command's process has died");
	close(pasta.go);
}

void pasta_check_exec(void)
{
	const struct conf *c = pasta.conf;
	ssize_t n;
	int e = 0;

	if (pasta.child <= 0)
		return;
	do {
		n = read(pasta.result, &e, sizeof(e));
	} while (n < 0 && errno == EINTR);
	if (n == sizeof(e))
		die("Cannot execute '%s': %s",
		    c->command ? c->command[0] : shell_path(), strerror(e));
	close(pasta.result);
}

bool pasta_spawned(void)
{
	return pasta.child > 0;
}

/* ------------------------------------------------------------ the watching */

static void watch_child(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, &pasta.mask))
		die_perror("Cannot block SIGCHLD");
	/* Inherited "ignore" would reap the child before we can ask for it */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		die_perror("Cannot reset SIGCHLD");
	pasta.watch_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (pasta.watch_fd < 0)
		die_perror("Cannot watch for the end of the command");
	pasta.watch = WATCH_CHILD;
}

static void watch_poll(void)
{
	struct itimerspec its = { .it_interval.tv_sec = 1,
				  .it_value.tv_sec = 1 };

	pasta.watch_fd = timerfd_create(CLOCK_MONOTONIC,
					TFD_CLOEXEC | TFD_NONBLOCK);
	if (pasta.watch_fd < 0 ||
	    timerfd_settime(pasta.watch_fd, 0, &its, NULL))
		die_perror("Cannot create a timer");
	pasta.watch = WATCH_POLL;
}

/* Called before the namespace is opened: then whatever we open is that of the
 * process (not of one that got its number later) */
static void watch_pid(pid_t pid)
{
	pasta.watch_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pasta.watch_fd >= 0)
		pasta.watch = WATCH_PIDFD;
}

static bool entry_there(void)
{
	struct stat st;

	return !fstatat(pasta.dir, pasta.entry, &st, AT_SYMLINK_NOFOLLOW) ||
	       (errno != ENOENT && errno != ESRCH && errno != ENOTDIR);
}

/* The process that @path in procfs is about, or 0. A dead one keeps its
 * entries until its parent asks for it, a pidfd tells at once. The numbers in
 * /proc must be those of our PID namespace, though */
static pid_t procfs_pid(const char *path)
{
	char self[16] = "";
	int pid, end = 0;

	if (sscanf(path, "/proc/%d/ns/net%n", &pid, &end) != 1 || !end ||
	    path[end] || pid <= 0 ||
	    readlink("/proc/self", self, sizeof(self) - 1) < 0 ||
	    atoi(self) != getpid())
		return 0;
	return pid;
}

/* Watch for the entry @path to go away. The directory stays open, since there
 * will be no way back to it once the file system is left */
static void watch_entry(const char *path)
{
	char copy[PATH_MAX], *slash;
	struct statfs fs;

	(void)str_copy(copy, sizeof(copy), path);
	slash = strrchr(copy, '/');
	if (!slash || !slash[1] ||
	    !str_copy(pasta.entry, sizeof(pasta.entry), slash + 1))
		die("%s: not a path to a namespace", path);
	*(slash == copy ? slash + 1 : slash) = '\0';

	pasta.dir = open(copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pasta.dir < 0)
		die_perror("Cannot open namespace %s", path);

	/* procfs has no notices of vanishing entries */
	if (!fstatfs(pasta.dir, &fs) && fs.f_type != PROC_SUPER_MAGIC) {
		pasta.watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (pasta.watch_fd >= 0 &&
		    inotify_add_watch(pasta.watch_fd, copy,
				      IN_DELETE | IN_MOVED_FROM |
				      IN_DELETE_SELF) >= 0) {
			pasta.watch = WATCH_ENTRY;
			return;
		}
		debug_perror("No notices for %s", copy);
		if (pasta.watch_fd >= 0)
			close(pasta.watch_fd);
	}
	watch_poll();
}

static void drain(void)
{
	_Alignas(8) char buf[4096];
	int i;

	/* Bounded: level-triggered polling brings the rest */
	for (i = 0; i < 16 && read(pasta.watch_fd, buf, sizeof(buf)) > 0; i++)
		;
}

int pasta_watch_fd(void)
{
	return pasta.watch == WATCH_NONE ? -1 : pasta.watch_fd;
}

bool pasta_watch_ready(int *status)
{
	int st;

	*status = 0;
	switch (pasta.watch) {
	case WATCH_NONE:
		return false;
	case WATCH_PIDFD:
		return true;
	case WATCH_CHILD:
		drain();
		if (waitpid(pasta.child, &st, WNOHANG) != pasta.child)
			return false;
		*status = WIFSIGNALED(st) ? 128 + WTERMSIG(st) :
					    WEXITSTATUS(st);
		return true;
	case WATCH_ENTRY:
	case WATCH_POLL:
		drain();
		return !entry_there();
	}
	return false;
}

/* ------------------------------------------------------- joining namespaces */

static bool same_userns(int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat("/proc/self/ns/user", &b) &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int ns_nothing(void *unused)
{
	(void)unused;
	return 0;
}

static void join(const struct conf *c)
{
	char net[PATH_MAX], user[PATH_MAX] = "";
	int fd, rc;

	if (c->target_pid) {
		(void)snprintf(net, sizeof(net), "/proc/%d/ns/net",
			       c->target_pid);
		(void)snprintf(user, sizeof(user), "/proc/%d/ns/user",
			       c->target_pid);
		if (c->netns_quit)
			watch_pid(c->target_pid);
	} else {
		rc = snprintf(net, sizeof(net), "%s%s",
			      strchr(c->netns, '/') ? "" : "/run/netns/",
			      c->netns);
		if (rc >= (int)sizeof(net))
			die("%s: path too long", c->netns);
		if (c->netns_quit && procfs_pid(net))
			watch_pid(procfs_pid(net));
	}
	if (*c->userns)
		(void)str_copy(user, sizeof(user), c->userns);
	if (c->netns_only)
		*user = '\0';

	/* Both before anything changes, while we still may */
	fd = *user ? open_ns(user) : -1;
	if (c->netns_quit && pasta.watch == WATCH_NONE)
		watch_entry(net);
	ns_set(open_ns(net));

	/* Whoever is in there already has rights over us from here on */
	isolate_memory();
	if (fd >= 0) {
		if (!same_userns(fd) && setns(fd, CLONE_NEWUSER))
			die_perror("Cannot join user namespace %s", user);
		close(fd);
	}
	rc = ns_call(ns_nothing, NULL);
	if (rc < 0)
		die("Cannot enter network namespace %s: %s", net,
		    strerror(-rc));
}

void pasta_open(const struct conf *c)
{
	pasta.conf = c;
	pasta.child = 0;
	pasta.watch = WATCH_NONE;
	pasta.watch_fd = pasta.dir = -1;

	if (c->target_pid || *c->netns) {
		join(c);
		return;
	}
	watch_child();
	spawn(c);
}

/* ----------------------------------------------------------- configuration */

static int ns_nl_open(void *unused)
{
	(void)unused;
	return nl_open();
}

static void complain(const char *what, int rc)
{
	if (rc < 0)
		warn("Cannot set %s in namespace: %s", what, strerror(-rc));
}

static void add_addr(int fd, unsigned ifi, const struct nl_ifaddr *a)
{
	char buf[ADDR_STRLEN];
	int rc = nl_addr_add(fd, ifi, a);

	if (rc)
		warn("Cannot add address %s/%d in namespace: %s",
		     addr_str(&a->addr, buf), a->prefix, strerror(-rc));
}

/* RFC 4291, appendix A: link-local address with the modified EUI-64 of @mac */
static union addr eui64_ll(const uint8_t mac[static 6])
{
	union addr a = { .b = { 0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2],
				0xff, 0xfe, mac[3], mac[4], mac[5] } };

	return a;
}

static void configure_addrs(struct conf *c, enum guest_family f, int host,
			    int fd, unsigned ifi)
{
	static struct nl_ifaddr list[ADDRS_MAX];
	struct guest_net *net = &c->guest.net[f];
	struct nl_ifaddr own = { .addr = net->addr, .peer = net->addr,
				 .prefix = (uint8_t)net->prefix };
	bool copy = c->copy_addrs[f] && !c->given_addr[f];
	int i, n = 0, done = 0;

	if (copy && c->template_ifi[f])
		n = nl_addrs(host, f == GUEST_V4 ? AF_INET : AF_INET6,
			     c->template_ifi[f], list, ADDRS_MAX);

	for (i = 0; i < n; i++) {
		if (list[i].scope >= RT_SCOPE_LINK ||
		    list[i].flags & (IFA_F_DEPRECATED | IFA_F_DADFAILED))
			continue;
		/* The host's network manager adds the prefix route itself; if
		 * we do not copy it, the kernel has to do it */
		if (!c->copy_routes[f] || c->given_gw[f])
			list[i].flags = 0;
		/* -n is about the address that DHCP would assign */
		if (f == GUEST_V4 && c->given_prefix &&
		    addr_eq(&list[i].addr, &net->addr)) {
			list[i].prefix = (uint8_t)net->prefix;
			list[i].flags = 0;
		}
		add_addr(fd, ifi, &list[i]);
		if (net->nalso < GUEST_ALSO_MAX)
			net->also[net->nalso++] = list[i].addr;
		done++;
	}
	if (!done && !addr_is_none(&net->addr))
		add_addr(fd, ifi, &own);
}

/* Try all of @r that are left over and over, since a route may need another
 * one for its gateway. Return: how many are left */
static int add_routes(int fd, struct nl_route *r, int n, bool onlink)
{
	int left, before;
	unsigned h;

	do {
		int i;

		before = n;
		for (i = left = 0; i < n; i++) {
			for (h = 0; onlink && h < r[i].nhops; h++) {
				if (!addr_is_none(&r[i].hop[h].gw))
					r[i].hop[h].flags |= RTNH_F_ONLINK;
			}
			if (!nl_route_add(fd, &r[i]))
				continue;
			if (left != i)
				r[left] = r[i];
			left++;
		}
		n = left;
	} while (n && n < before);
	return n;
}

static void copy_routes(const struct conf *c, enum guest_family f, int host,
			int fd, unsigned ifi)
{
	const size_t size = ROUTES_MAX * sizeof(struct nl_route);
	char buf[ADDR_STRLEN];
	struct nl_route *r;
	int i, n, total;

	r = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r == MAP_FAILED) {
		warn_perror("Cannot copy routes");
		return;
	}

	total = nl_routes(host, f == GUEST_V4 ? AF_INET : AF_INET6, r,
			  ROUTES_MAX);
	if (total < 0)
		warn("Cannot read routes: %s", strerror(-total));
	for (i = n = 0; i < total; i++) {
		if ((f == GUEST_V6 && r[i].dst_len &&
		     addr_class(&r[i].dst) == ADDR_LINKLOCAL) ||
		    !nl_route_retarget(&r[i], c->template_ifi[f], ifi))
			continue;
		if (i != n)
			r[n] = r[i];
		n++;
	}

	/* A gateway that no other route leads to, since addresses differ, is
	 * still on the link: everything is */
	n = add_routes(fd, r, n, false);
	if (n)
		n = add_routes(fd, r, n, true);
	for (i = 0; i < n; i++)
		warn("Cannot copy route to %s/%d: %s",
		     addr_str(&r[i].dst, buf), r[i].dst_len,
		     strerror(-nl_route_add(fd, &r[i])));
	munmap(r, size);
}

static void configure_routes(const struct conf *c, enum guest_family f,
			     int host, int fd, unsigned ifi)
{
	const struct guest_net *net = &c->guest.net[f];
	struct nl_route r;
	bool onlink;
	int rc;

	if (c->copy_routes[f] && !c->given_gw[f] && c->template_ifi[f]) {
		copy_routes(c, f, host, fd, ifi);
		return;
	}
	if (addr_is_none(&net->gw))
		return;

	onlink = addr_class(&net->gw) != ADDR_LINKLOCAL &&
		 (addr_is_none(&net->addr) ||
		  !addr_in_prefix(&net->gw, &net->addr, net->prefix));
	if (f == GUEST_V4 && addr_class(&net->gw) == ADDR_LINKLOCAL)
		onlink = true;
	nl_route_default(&r, &net->gw, ifi, onlink);
	rc = nl_route_add(fd, &r);
	if (rc)
		warn("Cannot add %s default route in namespace: %s",
		     f == GUEST_V4 ? "IPv4" : "IPv6", strerror(-rc));
}

/* The kernel makes IPv6 addresses work in its own time, without duplicate
 * detection as well: on a busy machine that is some milliseconds later. But
 * whoever hears that we are ready may send something at once */
static void await_addrs(int fd, unsigned ifi)
{
	static struct nl_ifaddr list[ADDRS_MAX];
	static const struct timespec wait = { .tv_nsec = 200000 };
	int n = nl_addrs(fd, AF_INET6, ifi, list, ADDRS_MAX), i = 0, left;

	for (left = AWAIT_MAX; i < n && left; left--) {
		if (nl_addr_live(fd, ifi, &list[i].addr))
			i++;
		else
			(void)nanosleep(&wait, NULL);
	}
	if (i < n)
		debug("IPv6 addresses in namespace are late");
}

static void configure_net(struct conf *c, int fd, const struct nl_link *l)
{
	int f, rc, host;

	if (c->guest.mtu)
		complain("MTU", nl_link_mtu(fd, l->index, c->guest.mtu));
	if (c->guest.net[GUEST_V6].on) {
		rc = nl_link_no_autoaddr(fd, l->index);
		if (rc)
			debug("addr_gen_mode: %s", strerror(-rc));
	}
	rc = nl_link_up(fd, l->index);
	if (rc)
		die("Cannot bring up %s: %s", l->name, strerror(-rc));

	host = nl_open();
	if (host < 0)
		die("Cannot open a netlink socket: %s", strerror(-host));

	if (c->guest.net[GUEST_V6].on) {
		struct nl_ifaddr ll = { .prefix = 64, .scope = RT_SCOPE_LINK };

		ll.addr = ll.peer = eui64_ll(c->guest.mac);
		c->guest.seen6_ll = ll.addr;
		add_addr(fd, l->index, &ll);
	}
	for (f = 0; f < GUEST_FAMILIES; f++) {
		if (!c->guest.net[f].on)
			continue;
		configure_addrs(c, (enum guest_family)f, host, fd, l->index);
		configure_routes(c, (enum guest_family)f, host, fd, l->index);
	}
	close(host);
	if (c->guest.net[GUEST_V6].on)
		await_addrs(fd, l->index);
}

void pasta_configure(struct conf *c)
{
	int rc, fd = ns_call(ns_nl_open, NULL);
	struct nl_link l;

	if (fd < 0)
		die("Cannot open a netlink socket in the namespace: %s",
		    strerror(-fd));

	rc = nl_link_up(fd, LO_INDEX);
	complain("loopback up", rc);
	if (c->fwd.no_tap) {
		close(fd);
		return;
	}

	rc = nl_link_get(fd, c->ns_ifname, 0, &l);
	if (rc)
		die("Interface %s in namespace: %s", c->ns_ifname,
		    strerror(-rc));

	complain("queue length", nl_link_txqlen(fd, l.index, TXQLEN));
	if (c->ns_mac_set) {
		rc = nl_link_mac(fd, l.index, c->ns_mac);
		if (rc)
			die("Cannot set MAC address of %s: %s", c->ns_ifname,
			    strerror(-rc));
		memcpy(l.mac, c->ns_mac, sizeof(l.mac));
	}
	memcpy(c->guest.mac, l.mac, sizeof(c->guest.mac));
	c->guest.mac_known = true;

	if (c->config_net)
		configure_net(c, fd, &l);
	close(fd);
}
