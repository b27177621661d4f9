// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * passt.c - main: the order of start, the tables, the turn
 *
 * The one place that knows everybody. Which handler an event or a timer goes
 * to stands in two constant tables; modules below never call upward, they are
 * asked. main() is a list of steps, each with its reason: what needs a
 * privilege comes first, then it is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "conf_host.h"
#include "csum.h"
#include "dhcpv6.h"
#include "ev.h"
#include "file.h"
#include "flow.h"
#include "frag.h"
#include "fwd.h"
#include "fwd_listen.h"
#include "fwd_scan.h"
#include "guest.h"
#include "half.h"
#include "hold.h"
#include "icmp.h"
#include "igmp.h"
#include "input.h"
#include "isolation.h"
#include "log.h"
#include "log_file.h"
#include "mcast.h"
#include "ndp.h"
#include "neigh.h"
#include "arp.h"
#include "ns.h"
#include "pasta.h"
#include "pcap.h"
#include "siphash.h"
#include "sock.h"
#include "stats.h"
#include "store.h"
#include "tap.h"
#include "tap_stream.h"
#include "tap_tun.h"
#include "tap_vhost.h"
#include "tcp.h"
#include "tcp_accept.h"
#include "tcp_ooo.h"
#include "tcp_sack.h"
#include "tcp_splice.h"
#include "timer.h"
#include "udp.h"
#include "udp_splice.h"
#include "usock.h"

#define EVENTS_MAX	64
#define GUESTS_MAX	16	/* looked at per turn; all but one are refused */
#define RUN_BUDGET	64U	/* flows of a list per turn */
#define LATER_MAX	64	/* that wait for a moment of rest, */
#define LATER_TURNS	32	/* ... and how long: a peer waits for its end */
#define HELD_MIN	2U	/* frames held back that may wait for others */
#define HELD_TURNS	8U	/* ... for so many turns */
#define TIMERS_MAX	256U	/* per turn: the others after the next events */
#define AWAY		(60 * SEC)	/* who is, may have been forgotten */

static struct {
	struct conf	conf;
	int		tap_fd, signal_fd, pid_fd;
	int		listen_fd;	/* where guests connect, or -1 */
	bool		served;		/* one has connected */
	bool		waiting;	/* one could not be accepted */
	bool		more;		/* there may be others */
	struct log_few	came, left;	/* what was told of that */
	unsigned long	refused;	/* when that was last told */
	unsigned	unflushed;	/* turns that held frames back */
	unsigned	delayed;	/* turns that somebody has waited in FLOW_LATER */
	bool		udp_first;	/* the last time, with room for few */
	pid_t		pid;		/* ours, as others see it */
	uid_t		uid, uid_inside;	/* on the host, in our userns */
	int		ready_fd;	/* tells the waiting parent; -1 */
	int		null_fd;	/* /dev/null, opened while it is there */
	bool		heard_out;	/* somebody may wait for the end of what
					 * we write to standard error */
	bool		end;
	int		status;		/* to exit with */
} self = { .pid_fd = -1, .listen_fd = -1, .ready_fd = -1 };

/* -------------------------------------------------------------- the guest */

/* How a virtual machine is connected */
static const struct link {
	const struct tap_ops *ops;
	int  (*init)(void);
	int  (*attach)(int fd);
	bool (*serving)(void);
	void (*detach)(void);
} stream_link = {
	&tap_stream_ops, tap_stream_init, tap_stream_attach,
	tap_stream_serving, tap_stream_detach,
}, vhost_link = {
	&tap_vhost_ops, tap_vhost_init, tap_vhost_attach,
	tap_vhost_serving, tap_vhost_detach,
};

static const struct link *the_link(void)
{
	return self.conf.vhost_user ? &vhost_link : &stream_link;
}

/* The guest has left. Its connections stay until they time out: it may have
 * been the virtual machine monitor that lost its socket, not the guest */
static void guest_gone(void)
{
	if (self.conf.mode == MODE_PASTA) {
		self.end = true;
		return;
	}
	if (!self.served)
		return;
	if (log_few(&self.left))
		info("The guest has disconnected");
	the_link()->detach();
	guest_forget();
	mcast_forget();
	udp_room();		/* what waited was for this guest, not the next */
	self.served = false;
	self.end = self.end || self.conf.one_off;
}

static void announce(void)
{
	arp_announce();
	ndp_announce();
	if (self.conf.udp)
		igmp_announce();
	/* This may be after the turn's own, with nothing to wake us for another */
	tap_flush();
}

static void guest_came(int fd)
{
	int rc = the_link()->attach(fd);

	if (rc) {
		err("Cannot serve the guest: %s", strerror(-rc));
		return;
	}
	self.served = true;
	if (tap_served())
		announce();
}

/* In namespaces of our own, the only user that has a number is ours, and in the
 * background no process has */
static void tell_peer(const char *what, const struct ucred *peer)
{
	char who[32] = "a process";

	if (peer->pid)
		(void)snprintf(who, sizeof(who), "process %i", (int)peer->pid);
	if (peer->uid == self.uid_inside)
		info("%s, %s of user %u", what, who, (unsigned)self.uid);
	else
		info("%s, %s of another user", what, who);
}

/* One at a time; but who hung up is not in the way of the next one */
static void client_ready(union ev_ref ref, uint32_t mask)
{
	struct ucred peer;
	int fd = 0, n;

	(void)ref;
	(void)mask;
	/* First, so that its descriptor is free for the next one */
	if (!the_link()->serving())
		guest_gone();
	for (n = 0; n < GUESTS_MAX; n++) {
		fd = usock_accept(self.listen_fd, &peer);
		if (fd < 0)
			break;
		if (!the_link()->serving())
			guest_gone();
		if (self.end || self.served) {
			/* Anybody who may connect could fill the log */
			if (log_ratelimit(&self.refused, 1))
				tell_peer("Refused a second guest", &peer);
			close(fd);
			continue;
		}
		if (log_few(&self.came))
			tell_peer("A guest has connected", &peer);
		guest_came(fd);
	}
	self.more = fd >= 0;
	self.waiting = fd < 0 && fd != -EAGAIN;
}

static void tap_ready(union ev_ref ref, uint32_t mask)
{
	if (mask & EPOLLOUT)
		tap_stream_writable();
	if (mask & ~(uint32_t)EPOLLOUT)
		input_ready(ref, mask);
}

/* A guest begins to listen some time after its monitor has connected, and again
 * when it has been started anew */
static void vhost_event(union ev_ref ref, uint32_t mask)
{
	(void)mask;
	if (tap_vhost_event(ref))
		announce();
}

/* -------------------------------------------------------------- the tables */

static void pasta_ready(union ev_ref ref, uint32_t mask)
{
	(void)ref;
	(void)mask;
	if (pasta_watch_ready(&self.status))
		self.end = true;
}

static void signal_ready(union ev_ref ref, uint32_t mask)
{
	struct signalfd_siginfo si;

	(void)ref;
	(void)mask;
	if (read(self.signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		debug("Signal %u: leaving", si.ssi_signo);
		self.end = true;
		self.status = 0;
	}
}

/* What the host's neighbours have of news, to whom the guest takes it from */
static void neigh_tell(void)
{
	union addr a;

	while (neigh_news(&a)) {
		if (addr_is4(&a))
			arp_tell(&a);
		else
			ndp_tell(&a);
	}
}

static void neigh_event(union ev_ref ref, uint32_t mask)
{
	neigh_ready(ref, mask);
	neigh_tell();
}

static void neigh_due(struct timer *t)
{
	neigh_timer(t);
	neigh_tell();
}

static void (*const on_event[EV_TYPES])(union ev_ref ref, uint32_t mask) = {
	[EV_TAP]	= tap_ready,
	[EV_TAP_LISTEN]	= client_ready,
	[EV_TCP]	= tcp_sock_ready,
	[EV_TCP_LISTEN]	= tcp_accept_ready,
	[EV_SPLICE]	= splice_ready,
	[EV_UDP]	= udp_sock_ready,
	[EV_UDP_LISTEN]	= udp_listen_ready,
	[EV_PING]	= icmp_sock_ready,
	[EV_PASTA]	= pasta_ready,
	[EV_SIGNAL]	= signal_ready,
	[EV_NEIGH]	= neigh_event,
	[EV_SCAN]	= scan_ready,
	[EV_MCAST]	= mcast_ready,
	[EV_VHOST]	= vhost_event,
};

static void (*const on_timer[TM_KINDS])(struct timer *t) = {
	[TM_TCP]	= tcp_timer,
	[TM_UDP]	= udp_timer,
	[TM_PING]	= icmp_timer,
	[TM_RA]		= ndp_timer,
	[TM_NEIGH]	= neigh_due,
	[TM_SCAN]	= scan_timer,
	[TM_MCAST]	= mcast_timer,
	[TM_IGMP]	= igmp_timer,
	[TM_FRAG]	= frag_timer,
	[TM_LISTEN]	= listen_timer,
};

/* -------------------------------------------------------------- the turn */

static void run(enum flow_list which)
{
	unsigned n = MIN(flow_listed(which), RUN_BUDGET);
	union flow *f;

	for (; n && (f = flow_take(which)); n--) {
		if (f->h.type == FLOW_SPLICE)
			splice_resume(f);
		else
			tcp_resume(f);
	}
}

static bool is_guest(uint8_t type)
{
	return type == EV_TAP || type == EV_TAP_LISTEN || type == EV_VHOST;
}

/* The guest first: its acknowledgements make room. And before it, that there is
 * one: who connects to a port of its in the same turn is not to be refused */
static void guest_turn(const struct ev_event *ev, int n)
{
	bool heard = false;
	int i;

	for (i = 0; i < n; i++)
		if (ev[i].ref.type == EV_TAP_LISTEN)
			on_event[EV_TAP_LISTEN](ev[i].ref, ev[i].mask);
	for (i = 0; i < n; i++) {
		if (ev[i].ref.type == EV_VHOST)
			on_event[EV_VHOST](ev[i].ref, ev[i].mask);
		if (ev[i].ref.type != EV_TAP)
			continue;
		on_event[EV_TAP](ev[i].ref, ev[i].mask);
		heard = heard || ev[i].mask & EPOLLIN;
	}
	if (!heard && tap_backlog())
		input_ready((union ev_ref){ .type = EV_TAP }, EPOLLIN);
}

/* New connections last: who comes from the port of one that has just ended
 * shall not meet it here */
static void others_turn(const struct ev_event *ev, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		uint8_t type = ev[i].ref.type;

		if (!is_guest(type) && type != EV_TCP_LISTEN &&
		    type < EV_TYPES && on_event[type])
			on_event[type](ev[i].ref, ev[i].mask);
	}
	for (i = 0; i < n; i++)
		if (ev[i].ref.type == EV_TCP_LISTEN)
			on_event[EV_TCP_LISTEN](ev[i].ref, ev[i].mask);
}

/* Those who waited for room. Either kind may take all there is, so the other
 * one is first the next time */
static void use_room(void)
{
	self.udp_first = !self.udp_first;
	if (self.udp_first)
		udp_room();
	run(FLOW_RUN);
	if (!self.udp_first)
		udp_room();
}

/* Frames that are held may wait for more of their kind, which saves a system
 * call and a wake-up of the guest, but not for long. A single one is an answer
 * that somebody waits for */
static void flush(int events)
{
	if (events && tap_held() >= HELD_MIN && ++self.unflushed < HELD_TURNS)
		return;
	self.unflushed = 0;
	tap_flush();
}

/* It was not made, the program goes on, but somebody should know, however quiet
 * it is to be: a table of ours lacks a row, or a hole has been used */
static void report_refused(void)
{
	const char *name;

	while ((name = isolate_refused()))
		err("System call %s was refused: please report this", name);
}

static void turn(void)
{
	struct ev_event ev[EVENTS_MAX] not_cleared;
	struct timer *t;
	unsigned later, expired = 0;
	bool busy;
	int n;

	later = flow_listed(FLOW_LATER);
	busy = later || self.unflushed || self.more || tap_backlog() ||
	       (flow_listed(FLOW_RUN) && tap_room());
	n = ev_wait(ev, EVENTS_MAX, busy ? 0 : timer_next_ms());
	clock_update();
	if (clock_lost() >= AWAY && guest()->mac_known)
		announce();
	if (n)
		scan_turn();
	guest_turn(ev, n);
	others_turn(ev, n);
	while (expired < TIMERS_MAX && (t = timer_pop())) {
		if (t->kind < TM_KINDS && on_timer[t->kind])
			on_timer[t->kind](t);
		expired++;
	}
	if (self.conf.stats)
		stats_turn(ev, n, expired, flow_count());
	if (tap_room())
		use_room();
	self.delayed = later ? self.delayed + 1 : 0;
	if (!n || later > LATER_MAX || self.delayed > LATER_TURNS) {
		self.delayed = 0;
		run(FLOW_LATER);
	}
	flush(n);
	flow_reap();
	report_refused();
	if (half_turn())
		flow_reap();
	if (tap_lost() || (self.waiting && !self.served)) {
		guest_gone();
		/* For one that could not be accepted for want of descriptors,
		 * of which no event will tell us again */
		self.more = self.listen_fd >= 0;
	}
	if (self.more)
		client_ready((union ev_ref){ .u64 = 0 }, EPOLLIN);
}

/* -------------------------------------------------------------- start */

/* Whoever reads from a pipe or socket waits until nobody can write any more, as
 * podman does, even if the process it started is long gone */
static bool waited_for(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* To the background: the parent stays until we are ready, and fails if we do */
static void daemon_fork(void)
{
	int pipefd[2];
	char c = '\0';
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		die_perror("Cannot make a pipe");
	pid = fork();
	if (pid < 0)
		die_perror("Cannot fork to the background");
	if (!pid) {
		close(pipefd[0]);
		self.ready_fd = pipefd[1];
		self.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (self.null_fd < 0)
			die_perror("Cannot open /dev/null");
		self.heard_out = waited_for(STDERR_FILENO);
		return;
	}

	/* It tells, and goes on; or it ends, having said why */
	close(pipefd[1]);
	while (read(pipefd[0], &c, 1) < 0 && errno == EINTR)
		;
	_exit(c == 'r' ? 0 : 1);
}

static void log_file(const struct conf *c)
{
	const char *why;
	int fd;

	if (!*c->log_file)
		return;
	/* A FIFO opened for both directions needs no reader, now or later */
	fd = file_open(c->log_file, O_RDWR | O_NONBLOCK, &why);
	if (fd < 0)
		die("Cannot open log file %s: %s", c->log_file, why);
	log_open_file(fd, c->log_size, conf_version());
}

static void log_begin(const struct conf *c)
{
	int rc = log_file_begin();

	if (rc) {
		errno = -rc;
		die_perror("Cannot empty log file %s", c->log_file);
	}
}

static void pid_file_open(const char *path)
{
	const char *why;

	if (!*path)
		return;
	self.pid_fd = file_open(path, O_WRONLY | O_TRUNC, &why);
	if (self.pid_fd < 0)
		die("Cannot open PID file %s: %s", path, why);
}

static void pid_file_write(void)
{
	char text[16];
	int n;

	if (self.pid_fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%i\n", (int)self.pid);
	if (write_all(self.pid_fd, text, (size_t)n))
		die_perror("Cannot write PID file %s", self.conf.pid_file);
	close(self.pid_fd);
}

static int make_tap(void *arg)
{
	struct conf *c = arg;

	return tap_tun_create(c->ns_ifname, c->tap_plain);
}

static void open_tap(void)
{
	struct conf *c = &self.conf;
	int rc;

	if (c->fwd.no_tap) {
		self.tap_fd = -1;
		tap_attach(NULL);
		return;
	}
	self.tap_fd = ns_call(make_tap, c);
	if (self.tap_fd == -ENOENT)
		die("No /dev/net/tun here: load the tun module, or pass the "
		    "device into this container");
	if (self.tap_fd == -EBUSY || self.tap_fd == -EINVAL)
		die("Interface %s exists already in the namespace, and %s: "
		    "choose another name with --ns-ifname", c->ns_ifname,
		    self.tap_fd == -EBUSY ? "is in use" : "is no tap device");
	if (self.tap_fd < 0) {
		errno = -self.tap_fd;
		die_perror("Cannot make the tap device %s through "
			   "/dev/net/tun", c->ns_ifname);
	}
	rc = tap_tun_open(self.tap_fd);
	if (rc) {
		errno = -rc;
		die_perror("Cannot use the tap device %s", c->ns_ifname);
	}
	if (pasta_spawned())
		ioctl(self.tap_fd, TUNSETPERSIST, 1);
	tap_attach(&tap_tun_ops);
}

static void watch(int fd, enum ev_type type, uint32_t mask)
{
	union ev_ref ref = { .u64 = 0 };
	int rc;

	if (fd < 0)
		return;
	ref.type = (uint8_t)type;
	rc = ev_add(fd, mask, ref);
	if (rc) {
		errno = -rc;
		die_perror("Cannot watch a descriptor");
	}
}

static void open_link(void)
{
	int rc = the_link()->init();

	if (rc) {
		errno = -rc;
		die_perror("Cannot map memory for frames");
	}
	tap_attach(the_link()->ops);
	/* Edge-triggered: one that cannot be accepted must not wake us again
	 * and again */
	watch(self.listen_fd, EV_TAP_LISTEN, EPOLLIN | EPOLLET);
}

/* Those that tell us to leave: in the background all that usually end a
 * process, as none of them would end the first one of a PID namespace */
static void signals_init(bool background)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	if (background) {
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGHUP);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		die_perror("Cannot block signals");
	self.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (self.signal_fd < 0)
		die_perror("Cannot make a signal descriptor");
	watch(self.signal_fd, EV_SIGNAL, EPOLLIN);
}

/* In the background, nobody else's process is there for us to see. A terminal
 * has to be able to stop and end one that is in the foreground */
static void leave_processes(const struct conf *c)
{
	if (c->foreground)
		return;
	self.pid = isolate_pids();
	log_process(self.pid);
	close(self.signal_fd);
	signals_init(true);
}

/* Mirror the template's neighbours, except where the guest knows somebody else
 * by an address of theirs. Return: descriptor to watch, or -1 */
static int neigh_open(const struct conf *c)
{
	struct neigh_conf n = { .ifi = { 0 } };
	union addr *never = n.never;
	int f;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		const struct fwd_net *fwd = &c->fwd.net[f];

		n.ifi[f] = c->guest.net[f].on ? c->template_ifi[f] : 0;
		*never++ = c->guest.net[f].our;
		*never++ = c->guest.net[f].gw;
		*never++ = c->guest.net[f].addr;
		*never++ = fwd->map_host_loopback;
		*never++ = fwd->map_guest_addr;
		*never++ = fwd->dns_forward;
	}
	return neigh_init(&n);
}

static void modules_init(const struct conf *c)
{
	struct input_conf in = { c->tcp, c->udp, c->icmp };

	clock_update();
	timer_reset();
	guest_init(&c->guest);
	flow_init();
	hold_init();
	ooo_init();
	sack_init();
	listen_spare();
	store_init();
	udp_init();
	udp_splice_init();
	mcast_init();
	igmp_init();
	frag_init();
	input_init(&in);
	ndp_init();
	dhcpv6_init(time(NULL));
	stats_init(c->stats);
	watch(neigh_open(c), EV_NEIGH, EPOLLIN);
}

/* For the loopback bypass there must be a way to make sockets in the namespace
 * later on, when no privilege is left. Return: whether a thread is there */
static bool stay_in_ns(const struct conf *c)
{
	bool need = scan_wanted();
	int t, rc;

	for (t = 0; t < FWD_TABLES; t++)
		need = need || c->fwd.rules[t].n;
	if (!need)
		return false;
	store_prepare();
	rc = ns_stay();
	if (rc) {
		errno = -rc;
		die_perror("Cannot stay in the namespace");
	}
	return true;
}

/* The thread that stays there. It may have to bind a port below 1024 that a
 * program of the host opens later on */
static int isolate_in_ns(void *conf)
{
	const struct conf *c = conf;

	isolate_final(c->fwd.rules[FWD_TCP_NS].mode == RULES_AUTO ||
		      c->fwd.rules[FWD_UDP_NS].mode == RULES_AUTO);
	isolate_landlock(c->tcp, c->mode == MODE_PASTA && pasta_spawned());
	isolate_syscalls(ISOLATE_NS_THREAD);
	return 0;
}

/* The last of what we could still do but need not */
static void shut(const struct conf *c, unsigned who)
{
	isolate_final(false);
	isolate_landlock(c->tcp, c->mode == MODE_PASTA && pasta_spawned());
	isolate_syscalls(who | (*c->log_file ? ISOLATE_LOG_FILE : 0));
}

/* In the background, the terminal is somebody else's; what can go wrong now is
 * still said there */
static void detach(void)
{
	if (self.ready_fd < 0)
		return;
	setsid();
	dup2(self.null_fd, STDIN_FILENO);
	dup2(self.null_fd, STDOUT_FILENO);
}

/* What the environment waits for: from here on all works */
static void tell_ready(void)
{
	pid_file_write();
	if (self.ready_fd < 0)
		return;
	if (self.conf.level < LOG_LVL_DEBUG || self.heard_out) {
		/* With a flag, as musl makes dup2() of it otherwise */
		dup3(self.null_fd, STDERR_FILENO, O_CLOEXEC);
		log_to_stderr(false);
	}
	close(self.null_fd);
	/* Ended by somebody who does not want us any more */
	if (write(self.ready_fd, "r", 1) != 1)
		die_perror("The process that started this one is gone");
	close(self.ready_fd);
}

/* What came and went, for those who debug */
static void report(void)
{
	const struct input_counters *in = input_counters();
	const struct tap_counters *tap = tap_counters();

	debug("From the guest: %llu frames; dropped: %llu malformed, %llu of "
	      "other kinds, %llu with impossible addresses; %llu fragments",
	      (unsigned long long)in->frames, (unsigned long long)in->malformed,
	      (unsigned long long)in->ignored, (unsigned long long)in->spoofed,
	      (unsigned long long)in->fragments);
	debug("To the guest: %llu frames, %llu bytes; no room for %llu",
	      (unsigned long long)tap->tx_frames,
	      (unsigned long long)tap->tx_bytes,
	      (unsigned long long)tap->tx_refused);
}

/* What the host looks like, and the ports it is asked to lend */
static void prepare(struct conf *c)
{
	host_fill(c);
	csum_init();
	siphash_init(0);
	ev_init();
	signals_init(false);
	sock_init(c->template_ifi[GUEST_V6], c->freebind);
	sock_multicast_if(c->template_ifi[GUEST_V4], c->template_ifi[GUEST_V6]);
	sock_link_mtu(c->template_mtu[GUEST_V4], c->template_mtu[GUEST_V6]);
	sock_outbound_if(c->fwd.net[GUEST_V4].outbound_if,
			 c->fwd.net[GUEST_V6].outbound_if);
	fwd_init(&c->fwd);
	if (c->mode == MODE_PASTA && !c->listen_always)
		listen_wait();
	listen_all(c->guest.net[GUEST_V4].on, c->guest.net[GUEST_V6].on);
}

/* The namespace, the device in it, its addresses and routes; the command
 * starts while we shut the door behind us */
static void start_pasta(struct conf *c)
{
	bool ns_stays;

	pasta_open(c);
	open_tap();
	pasta_configure(c);
	listen_ns(c->guest.net[GUEST_V4].on, c->guest.net[GUEST_V6].on);
	modules_init(c);
	watch(self.tap_fd, EV_TAP, EPOLLIN);
	watch(pasta_watch_fd(), EV_PASTA, EPOLLIN);
	if (scan_wanted())
		scan_init();
	leave_processes(c);
	conf_print(c);

	pasta_go();
	isolate_mounts();
	ns_stays = stay_in_ns(c);
	pasta_check_exec();
	if (ns_stays)
		ns_call(isolate_in_ns, c);
	detach();
	shut(c, ISOLATE_PASTA);
	tell_ready();
	/* The terminal is the command's from here on */
	if (pasta_spawned() && c->level < LOG_LVL_DEBUG)
		log_to_stderr(false);
	if (!c->fwd.no_tap)
		announce();
}

/* The socket is there already, and whoever connects meanwhile waits */
static void start_passt(const struct conf *c)
{
	modules_init(c);
	open_link();
	self.uid = geteuid();
	isolate_userns();
	self.uid_inside = geteuid();
	leave_processes(c);
	conf_print(c);
	isolate_mounts();
	detach();
	shut(c, ISOLATE_PASST | (c->vhost_user ? ISOLATE_VHOST_USER : 0));
	tell_ready();
	if (c->fd >= 0) {
		guest_came(c->fd);
		/* There will be no other */
		if (!self.served) {
			self.end = true;
			self.status = EXIT_FAILURE;
		}
	}
}

int main(int argc, char **argv)
{
	struct conf *c = &self.conf;
	struct isolate_conf iso;

	signal(SIGXFSZ, SIG_IGN);	/* a full log or capture: an error */
	/* Nothing inherited but what is needed to set up */
	isolate_initial();
	conf_parse(c, argc, argv);
	isolate_descriptors(c->fd);
	if (c->fd >= 0)
		c->fd = usock_inherited(c->fd);
	log_open(c->mode == MODE_PASTA ? "pasta" : "passt");
	log_set_level(c->level);

	/* Before any descriptor or child that a fork would not carry over */
	if (!c->foreground)
		daemon_fork();
	self.pid = getpid();
	log_process(self.pid);

	/* With the caller's rights: files the user named. The log first, so
	 * that errors are in it, those of ports as well, but not emptied before
	 * we know that no other instance runs with all the same files; and
	 * whoever sees the PID file can connect already */
	file_init(c->runas_set, c->uid);
	log_file(c);
	conf_ports(c, argc, argv);
	if (c->mode == MODE_PASST && c->fd < 0)
		self.listen_fd = usock_listen(c->socket);
	log_begin(c);
	pid_file_open(c->pid_file);
	if (*c->pcap_file)
		pcap_open(c->pcap_file);

	/* Never as real root from here on */
	iso = (struct isolate_conf){ c->runas_set, c->uid, c->gid };
	isolate_user(&iso);
	prepare(c);
	if (c->mode == MODE_PASTA)
		start_pasta(c);
	else
		start_passt(c);

	log_started();
	while (!self.end)
		turn();
	report();
	pcap_flush();
	return self.status;
}
