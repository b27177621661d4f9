// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf.c - the command line, read by walking one table
 *
 * A row of options[] is all there is to an option: its names, its argument,
 * the modes it belongs to, the function that takes the argument and where the
 * result goes, and its line of help. getopt_long()'s own arrays are made from
 * the rows; unknown options are reported in the words of glibc, which callers
 * match on, whatever C library this is.
 *
 * The line is walked three times. First for an option that is a mode of its own.
 * Port specifications are late: they can be judged only when the address families
 * are known, and of all options they are most likely to be wrong, which is to be
 * told in the log file as well. What options say together is settled before
 * those, so that their order on the line does not matter.
 */
#include "conf.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_addr.h"
#include "conf_ports.h"
#include "conf_take.h"

#ifndef VERSION
#define VERSION "unknown version"
#endif

#define PASST	(1U << MODE_PASST)
#define PASTA	(1U << MODE_PASTA)
#define ANY	(PASST | PASTA)

#define PID_LIMIT	(1 << 22)	/* the kernel's PID_MAX_LIMIT */

static void usage(const struct conf *c, FILE *f);

/* Who asked for words on standard output must not miss some unnoticed */
_Noreturn static void end_of_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		die_perror("Cannot write to standard output");
	exit(EXIT_SUCCESS);
}

_Noreturn static void take_help(struct conf *c, const struct option_row *row,
				const char *arg)
{
	(void)row;
	(void)arg;
	usage(c, stdout);
	end_of_output();
}

static const char *mode_name(enum mode m)
{
	return m == MODE_PASTA ? "pasta" : "passt";
}

const char *conf_version(void)
{
	return VERSION;
}

_Noreturn static void take_version(struct conf *c,
				   const struct option_row *row,
				   const char *arg)
{
	(void)row;
	(void)arg;
	printf("%s %s\n"
	       "License GPLv2+: GNU GPL version 2 or later\n"
	       "<https://www.gnu.org/licenses/old-licenses/gpl-2.0.html>.\n"
	       "This is free software: you are free to change and redistribute it.\n"
	       "There is NO WARRANTY, to the extent permitted by law.\n",
	       mode_name(c->mode), conf_version());
	end_of_output();
}

/* For management tools, as the vhost-user back-end convention has it */
_Noreturn static void take_capabilities(struct conf *c,
					const struct option_row *row,
					const char *arg)
{
	(void)c;
	(void)row;
	(void)arg;
	puts("{ \"type\": \"net\" }");
	end_of_output();
}

#define TO(member)	offsetof(struct conf, member), \
			sizeof(((struct conf *)0)->member)
#define FWD(member)	offsetof(struct fwd_net, member), sizeof(union addr)
#define NOWHERE		0, 0

#define NOT_HOST	(CLASS(UNSPEC) | CLASS(MULTICAST) | CLASS(BROADCAST))

static const struct option_row options[] = {
{ "debug", NULL, take_level, NOWHERE, LOG_LVL_DEBUG, 'd', 0, ANY,
  "Show debug messages, and log to standard error only" },
{ "trace", NULL, take_level, NOWHERE, LOG_LVL_TRACE, 0, 0, ANY,
  "Show debug messages, and some for every packet" },
{ "stats", "SECONDS", take_stats, NOWHERE, 0, 0, 0, ANY,
  "Count events by source: a row on standard error, at most\n"
  "every so many seconds, only after --foreground" },
{ "quiet", NULL, take_level, NOWHERE, LOG_LVL_WARN, 'q', 0, ANY,
  "Show warnings and errors only" },
{ "foreground", NULL, take_set, TO(foreground), 0, 'f', 0, ANY,
  "Do not go to background" },
{ "stderr", NULL, take_deprecated, NOWHERE, 0, 'e', 0, ANY,
  "Deprecated, no effect" },
{ "log-file", "PATH", take_str, TO(log_file), 0, 'l', 0, ANY,
  "Log to this file instead of the system log" },
{ "log-size", "BYTES", take_log_size, NOWHERE, 0, 0, 0, ANY,
  "Limit of the log file, oldest lines go (default 1048576)" },
{ "runas", "UID[:GID]", take_runas, NOWHERE, 0, 0, 0, ANY,
  "Run as this user (and group), numbers or names" },
{ "help", NULL, take_help, NOWHERE, 0, 'h', 0, ANY,
  "Show this help and exit" },
{ "version", NULL, take_version, NOWHERE, 0, 0, 0, ANY,
  "Show the version and exit" },
{ "print-capabilities", NULL, take_capabilities, NOWHERE, 0, 0, 0, ANY,
  "Show vhost-user back-end capabilities as JSON and exit" },
{ "pcap", "FILE", take_str, TO(pcap_file), 0, 'p', 0, ANY,
  "Capture frames of the guest's link into FILE" },
{ "pid", "FILE", take_str, TO(pid_file), 0, 'P', 0, ANY,
  "Write the process ID to FILE" },
{ "mtu", "N", take_mtu, NOWHERE, 0, 'm', 0, ANY,
  "MTU told to the guest, 0: none (default 65520)" },
{ "address", "ADDR[/LEN]", take_address, NOWHERE,
  NOT_HOST | CLASS(LOOPBACK) | CLASS(V4COMPAT), 'a', 0, ANY,
  "Address of the guest (default: the template interface's)" },
{ "netmask", "MASK", take_netmask, NOWHERE, 0, 'n', 0, ANY,
  "IPv4 mask or prefix length of the guest" },
{ "mac-addr", "MAC", take_mac, TO(guest.our_mac), 0, 'M', 0, ANY,
  "Our own MAC address (default 9a:55:9a:55:9a:55)" },
{ "gateway", "ADDR", take_gateway, NOWHERE, NOT_HOST | CLASS(LOOPBACK), 'g',
  0, ANY, "Default gateway of the guest (default: the host's)" },
{ "interface", "NAME", take_str, TO(template_if), 0, 'i', 0, ANY,
  "Template interface for addresses and routes" },
{ "outbound", "ADDR", take_fwd_addr, FWD(outbound),
  NOT_HOST | CLASS(V4COMPAT), 'o', 0, ANY,
  "Source address of outgoing connections" },
{ "outbound-if4", "NAME", take_str, TO(fwd.net[GUEST_V4].outbound_if), 0, 0, 0,
  ANY, "Bind outgoing IPv4 sockets to this interface" },
{ "outbound-if6", "NAME", take_str, TO(fwd.net[GUEST_V6].outbound_if), 0, 0, 0,
  ANY, "Bind outgoing IPv6 sockets to this interface" },
{ "dns", "ADDR", take_dns, NOWHERE, 0, 'D', 0, ANY,
  "Nameserver for the guest, repeatable, or 'none'" },
{ "dns-forward", "ADDR", take_fwd_addr, FWD(dns_forward),
  CLASS(UNSPEC) | CLASS(LOOPBACK) | CLASS(BROADCAST), 0, 0, ANY,
  "Address at which the guest finds the host's resolver" },
{ "dns-host", "ADDR", take_fwd_addr, FWD(dns_host),
  CLASS(UNSPEC) | CLASS(BROADCAST), 0, 0, ANY,
  "Resolver behind --dns-forward (default: resolv.conf)" },
{ "search", "LIST", take_search, NOWHERE, 0, 'S', 0, ANY,
  "Search domains for the guest, repeatable, or 'none'" },
{ "no-dhcp-dns", NULL, take_clear, TO(guest.tell_dns), 0, 0, 0, PASST,
  "Do not tell nameservers to the guest" },
{ "no-dhcp-search", NULL, take_clear, TO(guest.tell_search), 0, 0, 0, PASST,
  "Do not tell search domains to the guest" },
{ "dhcp-dns", NULL, take_set, TO(guest.tell_dns), 0, 0, 0, PASTA,
  "Tell nameservers by DHCP, DHCPv6 and NDP" },
{ "dhcp-search", NULL, take_set, TO(guest.tell_search), 0, 0, 0, PASTA,
  "Tell search domains by DHCP, DHCPv6 and NDP" },
{ "no-tcp", NULL, take_clear, TO(tcp), 0, 0, 0, ANY, "No TCP" },
{ "no-udp", NULL, take_clear, TO(udp), 0, 0, 0, ANY, "No UDP" },
{ "no-icmp", NULL, take_clear, TO(icmp), 0, 0, 0, ANY,
  "No ICMP and ICMPv6, and so no NDP" },
{ "no-dhcp", NULL, take_clear, TO(guest.dhcp), 0, 0, 0, ANY,
  "No DHCP server" },
{ "no-ndp", NULL, take_clear, TO(guest.ndp), 0, 0, 0, ANY,
  "No NDP answers, no router advertisements" },
{ "no-dhcpv6", NULL, take_clear, TO(guest.dhcpv6), 0, 0, 0, ANY,
  "No DHCPv6 server" },
{ "no-ra", NULL, take_clear, TO(guest.ra), 0, 0, 0, ANY,
  "No router advertisements" },
{ "freebind", NULL, take_set, TO(freebind), 0, 0, 0, ANY,
  "Forward ports of addresses that the host does not have yet" },
{ "map-host-loopback", "ADDR", take_map, FWD(map_host_loopback),
  NOT_HOST | CLASS(LOOPBACK), 0, 0, ANY,
  "Address that leads to the host's loopback, or 'none'\n"
  "(default: the gateway)" },
{ "no-map-gw", NULL, take_set, TO(no_map_gw), 0, 0, 0, ANY,
  "The gateway does not lead to the host's loopback" },
{ "map-guest-addr", "ADDR", take_map, FWD(map_guest_addr),
  NOT_HOST | CLASS(LOOPBACK), 0, 0, ANY,
  "Address that leads to the host at the guest's own, or 'none'" },
{ "ipv4-only", NULL, take_family, NOWHERE, GUEST_V4, '4', 0, ANY,
  "No IPv6" },
{ "ipv6-only", NULL, take_family, NOWHERE, GUEST_V6, '6', 0, ANY,
  "No IPv4" },
{ "hostname", "NAME", take_str, TO(guest.hostname), NAME_MAX_LEN, 'H', 0, ANY,
  "Host name for the guest" },
{ "fqdn", "NAME", take_str, TO(guest.fqdn), NAME_MAX_LEN, 0, 0, ANY,
  "Fully qualified domain name for the guest" },
{ "tcp-ports", "SPEC", take_ports, NOWHERE, FWD_TCP_IN, 't', true, ANY,
  "Forward TCP ports to the guest: 'none', 'auto' (pasta, its\n"
  "default), 'all' (passt) or, repeatable,\n"
  "[[ADDR][%IF]/]PORT[-PORT][:PORT[-PORT]],...,~PORT[-PORT]" },
{ "udp-ports", "SPEC", take_ports, NOWHERE, FWD_UDP_IN, 'u', true, ANY,
  "Forward UDP ports to the guest, as --tcp-ports" },
{ "tcp-ns", "SPEC", take_ports, NOWHERE, FWD_TCP_NS, 'T', true, PASTA,
  "Forward TCP ports of the namespace's loopback to the host's:\n"
  "as --tcp-ports without [ADDR][%IF]/" },
{ "udp-ns", "SPEC", take_ports, NOWHERE, FWD_UDP_NS, 'U', true, PASTA,
  "Forward UDP ports to the host, as --tcp-ns" },
{ "socket", "PATH", take_socket, TO(socket), 0, 's', 0, PASST,
  "UNIX domain socket for the virtual machine\n"
  "(default: the first free one of /tmp/passt_1.socket ...)" },
{ "socket-path", "PATH", take_socket, TO(socket), 0, 0, 0, PASST,
  "The same, in the words of vhost-user" },
{ "fd", "N", take_fd, NOWHERE, 0, 'F', 0, PASST,
  "Serve this connected stream socket, then exit" },
{ "one-off", NULL, take_set, TO(one_off), 0, '1', 0, PASST,
  "Exit when the first client goes" },
{ "vhost-user", NULL, take_set, TO(vhost_user), 0, 0, 0, PASST,
  "The socket carries the vhost-user protocol; the program is\n"
  "passt then, whatever its name" },
{ "repair-path", "PATH", take_repair_path, NOWHERE, 0, 0, 0, ANY,
  "Not available yet: socket for the repair helper; or 'none'" },
{ "migrate-exit", NULL, take_migration, NOWHERE, 0, 0, 0, PASST,
  "Not available yet: exit once migrated away" },
{ "migrate-no-linger", NULL, take_migration, NOWHERE, 0, 0, 0, PASST,
  "Not available yet: close connections once migrated away" },
{ "ns-ifname", "NAME", take_ifname, TO(ns_ifname), 0, 'I', 0, PASTA,
  "Interface name in the namespace (default: the template's)" },
{ "userns", "PATH", take_userns, TO(userns), 0, 0, 0, PASTA,
  "User namespace to join" },
{ "netns", "PATH|NAME", take_netns, TO(netns), 0, 0, 0, PASTA,
  "Network namespace to join, a name as of ip-netns(8)" },
{ "netns-only", NULL, take_netns_only, TO(netns_only), 0, 0, 0, PASTA,
  "Neither join nor create a user namespace" },
{ "no-netns-quit", NULL, take_clear, TO(netns_quit), 0, 0, 0, PASTA,
  "Stay when the network namespace file is removed" },
{ "config-net", NULL, take_set, TO(config_net), 0, 0, 0, PASTA,
  "Configure addresses and routes in the namespace" },
{ "no-copy-routes", NULL, take_no_copy, TO(copy_routes), 0, 0, 0, PASTA,
  "Deprecated: with --config-net, the default route only" },
{ "no-copy-addrs", NULL, take_no_copy, TO(copy_addrs), 0, 0, 0, PASTA,
  "Deprecated: with --config-net, one address only" },
{ "ns-mac-addr", "MAC", take_mac, TO(ns_mac), 0, 0, 0, PASTA,
  "MAC address of the interface in the namespace" },
{ "no-splice", NULL, take_clear, TO(fwd.splice), 0, 0, 0, ANY,
  "No loopback bypass: all inbound traffic uses the interface" },
{ "splice-only", NULL, take_set, TO(fwd.no_tap), 0, 0, 0, PASTA,
  "No interface: forward between loopbacks, and nothing else" },
{ "host-lo-to-ns-lo", NULL, take_set, TO(fwd.host_lo_to_ns_lo), 0, 0, 0, PASTA,
  "Host loopback traffic goes to the namespace's loopback" },
{ "listen-always", NULL, take_set, TO(listen_always), 0, 0, 0, PASTA,
  "Ports of -t listen whether or not somebody inside does" },
};

#define OPTIONS		ARRAY_LEN(options)
#define FIRST_VAL	256		/* of rows, beyond all characters */

static void usage(const struct conf *c, FILE *f)
{
	const struct option_row *row;
	char words[64];
	const char *p;
	int n;

	if (c->mode == MODE_PASTA)
		fprintf(f, "Usage: pasta [OPTION]... [COMMAND [ARG]...]\n"
			   "       pasta [OPTION]... PID\n"
			   "       pasta [OPTION]... --netns PATH|NAME\n\n"
			   "Without PID or --netns, run COMMAND, or a shell, in new namespaces.\n");
	else
		fprintf(f, "Usage: passt [OPTION]...\n");
	fprintf(f, "\nOptions:\n");

	for (row = options; row < options + OPTIONS; row++) {
		if (!(row->modes & (1U << c->mode)))
			continue;
		snprintf(words, sizeof(words), "%c%c%c --%s %s",
			 row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ',
			 row->letter ? ',' : ' ', row->name,
			 row->arg ? row->arg : "");
		fprintf(f, "  %-30s", words);
		for (p = row->help; p; p += *p == '\n') {
			n = (int)strcspn(p, "\n");
			fprintf(f, " %.*s\n", n, p);
			p += n;
			if (!*p)
				break;
			fprintf(f, "%32s", "");
		}
	}
}

static const struct option_row *row_of(int val)
{
	size_t i;

	if (val >= FIRST_VAL)
		return &options[val - FIRST_VAL];
	for (i = 0; i < OPTIONS; i++)
		if (options[i].letter == val)
			return &options[i];
	return NULL;
}

static void check_mode(const struct conf *c, const struct option_row *row)
{
	if (!(row->modes & (1U << c->mode)))
		die("--%s: this option belongs to %s, not to %s", row->name,
		    mode_name(c->mode == MODE_PASTA ? MODE_PASST : MODE_PASTA),
		    mode_name(c->mode));
}

/* @word begins with no option's name, or with several */
static void complain_name(const char *word)
{
	size_t len = strcspn(word, "="), i, n = 0;

	for (i = 0; len > 2 && i < OPTIONS; i++)
		n += !strncmp(options[i].name, word + 2, len - 2);
	fprintf(stderr, n ? "option '%s' is ambiguous; possibilities:" :
			"unrecognized option '%s'", word);
	for (i = 0; n && i < OPTIONS; i++)
		if (!strncmp(options[i].name, word + 2, len - 2))
			fprintf(stderr, " '--%s'", options[i].name);
	fputc('\n', stderr);
}

/* What is wrong, where getopt_long() gave @val instead of an option */
static void complain(char **argv, int val)
{
	const struct option_row *row = optopt ? row_of(optopt) : NULL;
	const char *what = "";

	if (val == ':')
		what = "requires an argument";
	else if (row)
		what = "doesn't allow an argument";

	fprintf(stderr, "%s: ", argv[0]);
	if (optopt && optopt < FIRST_VAL && val == ':') {
		fprintf(stderr, "option %s -- '%c'\n", what, optopt);
	} else if (optopt && optopt < FIRST_VAL) {
		fprintf(stderr, "invalid option -- '%c'\n", optopt);
	} else if (row) {
		fprintf(stderr, "option '--%s' %s\n", row->name, what);
	} else {
		complain_name(argv[optind - 1]);
	}
}

enum walk { WALK_MODE, WALK_EARLY, WALK_LATE };

/* The mode is what an option says, else what we are called as */
static void look_for_mode(struct conf *c, const struct option_row *row)
{
	if (row && row->off == offsetof(struct conf, vhost_user))
		c->mode = MODE_PASST;
}

/* One walk over the line, taking the options that are to be taken in it */
static void walk(struct conf *c, int argc, char **argv, enum walk which)
{
	struct option longs[OPTIONS + 1] = { 0 };
	char letters[2 * OPTIONS + 3], *p = letters;
	const struct option_row *row;
	size_t i;
	int val;

	*p++ = '+';			/* stop at COMMAND: its options are its own */
	*p++ = ':';			/* we complain */
	for (i = 0; i < OPTIONS; i++) {
		row = &options[i];
		longs[i].name = row->name;
		longs[i].has_arg = row->arg ? required_argument : no_argument;
		longs[i].val = FIRST_VAL + (int)i;
		if (!row->letter)
			continue;
		*p++ = row->letter;
		if (row->arg)
			*p++ = ':';
	}
	*p = '\0';

	optind = 0;			/* start afresh, also in a second walk */
	while ((val = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		row = val == '?' || val == ':' ? NULL : row_of(val);
		if (which == WALK_MODE) {
			look_for_mode(c, row);
			continue;
		}
		if (!row) {
			complain(argv, val);
			usage(c, stderr);
			exit(EXIT_FAILURE);
		}
		check_mode(c, row);
		if (row->late == (which == WALK_LATE))
			row->take(c, row, optarg);
	}
}

static enum mode mode_from(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (strstr(name, "pasta"))
		return MODE_PASTA;
	if (strstr(name, "passt"))
		return MODE_PASST;
	die("Called as '%s': call me passt or pasta, so that I know what to do",
	    name);
}

static void defaults(struct conf *c)
{
	static const uint8_t mac[] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
	struct guest *g = &c->guest;
	int f;

	c->level = LOG_LVL_INFO;
	c->log_size = 1 << 20;
	c->tcp = c->udp = c->icmp = true;
	c->netns_quit = true;
	c->fd = -1;
	c->fwd.splice = c->mode == MODE_PASTA;

	memcpy(g->our_mac, mac, sizeof(g->our_mac));
	g->mtu = 65520;
	g->dhcp = g->dhcpv6 = g->ndp = g->ra = true;
	g->tell_dns = g->tell_search = c->mode == MODE_PASST;
	for (f = 0; f < GUEST_FAMILIES; f++) {
		g->net[f].on = true;
		c->copy_addrs[f] = c->copy_routes[f] = true;
	}
	g->net[GUEST_V6].prefix = 64;
}

/* Without an interface there is no link, nobody on it who could ask, and no
 * address but loopback. Options about these are not refused: some callers give
 * them always, and let the user add --splice-only */
static void splice_only(struct conf *c)
{
	struct guest *g = &c->guest;
	int f;

	if (!c->fwd.splice)
		die("--splice-only: not possible together with --no-splice, which turns off all that is left");
	c->fwd.host_lo_to_ns_lo = true;
	c->icmp = false;
	g->mtu = 0;
	g->dhcp = g->dhcpv6 = g->ndp = g->ra = false;
	g->tell_dns = g->tell_search = false;
	c->dns_none = c->given_search = true;	/* nothing to look up */
	for (f = 0; f < GUEST_FAMILIES; f++)
		c->fwd.net[f].dns_forward = ADDR_NONE;
}

/* What the early options mean together */
static void settle(struct conf *c)
{
	struct guest *g = &c->guest;
	struct guest_net *v4 = &g->net[GUEST_V4];

	if (c->said.netmask && c->said.addr_len)
		die("--netmask: --address has a prefix length already, give one of both");
	c->given_prefix = c->said.netmask || c->said.addr_len;

	if (c->said.no_copy && !c->config_net)
		die("--no-copy-routes, --no-copy-addrs: only possible together with --config-net");

	if (c->said.migration && !c->vhost_user)
		die("--%s: only possible together with --vhost-user",
		    c->said.migration);
	if (c->said.migration)
		die("--%s: migration is not available in this version: leave it out",
		    c->said.migration);

	if (c->fwd.no_tap)
		splice_only(c);

	v4->on = !c->only6;
	g->net[GUEST_V6].on = !c->only4;
	g->ndp = g->ndp && c->icmp && g->net[GUEST_V6].on;
	g->ra = g->ra && g->ndp && !c->config_net;
	g->dhcpv6 = g->dhcpv6 && g->net[GUEST_V6].on;
	g->dhcp = g->dhcp && v4->on;

	/* RFC 791 3.2, RFC 8200 5 */
	if (g->mtu && g->mtu < 68 && v4->on)
		warn("MTU %u is below the minimum of IPv4, 68", g->mtu);
	if (g->mtu && g->mtu < 1280 && g->net[GUEST_V6].on)
		warn("MTU %u is below the minimum of IPv6, 1280", g->mtu);
}

static void operands(struct conf *c, int n, char **word)
{
	uint64_t pid;

	if (*c->netns) {
		if (n)
			die("'%s': no command or PID possible together with --netns",
			    *word);
		c->netns_only = c->netns_only || !*c->userns;
		return;
	}

	if (n == 1 && **word && !(*word)[strspn(*word, "0123456789")]) {
		if (!parse_u64(*word, 10, 1, PID_LIMIT, &pid))
			die("'%s': not a process ID, 1 to %d", *word,
			    PID_LIMIT);
		c->target_pid = (pid_t)pid;
		return;
	}

	if (*c->userns)
		die("--userns: give the PID or --netns to join as well; a command gets a new user namespace");
	c->command = n ? word : NULL;
	c->foreground = true;		/* the terminal stays with it */
	if (c->level == LOG_LVL_INFO)
		c->level = LOG_LVL_WARN;
}

void conf_parse(struct conf *c, int argc, char **argv)
{
	const char *plain = getenv("PASTA_TAP_PLAIN");

	memset(c, 0, sizeof(*c));
	c->mode = mode_from(argc ? argv[0] : "");
	c->tap_plain = plain && !strcmp(plain, "1");
	walk(c, argc, argv, WALK_MODE);
	defaults(c);

	walk(c, argc, argv, WALK_EARLY);
	settle(c);

	if (c->mode == MODE_PASTA) {
		operands(c, argc - optind, argv + optind);
		return;
	}
	if (optind < argc)
		die("'%s': passt takes options only, no other words",
		    argv[optind]);
	c->one_off = c->one_off || c->fd >= 0;
}

void conf_ports(struct conf *c, int argc, char **argv)
{
	walk(c, argc, argv, WALK_LATE);
	ports_default(c);
}
