/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.h - what the command line asks for, as plain data
 *
 * conf_parse() only reads words; nothing of the system is touched or changed
 * by it (but files named in options are not opened either). What the user left
 * open is filled in later by conf_host.c from the host's configuration.
 */
#ifndef CONF_H
#define CONF_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fwd.h"
#include "guest.h"
#include "log.h"
#include "usock.h"

enum mode { MODE_PASST, MODE_PASTA };

struct conf {
	enum mode	mode;
	bool		foreground;
	enum log_level	level;
	char		pid_file[PATH_MAX];
	char		pcap_file[PATH_MAX];
	char		log_file[PATH_MAX];	/* empty: system log */
	uint64_t	log_size;	/* bytes it may have */
	bool		runas_set;
	uid_t		uid;		/* from --runas */
	gid_t		gid;
	bool		tcp, udp, icmp;	/* protocols that are on */
	bool		freebind;
	bool		listen_always;
	unsigned	stats;		/* seconds between rows, or 0 */

	char		template_if[IFNAMSIZ];	/* -i; empty: choose */
	unsigned	template_ifi[GUEST_FAMILIES];	/* by host_fill(); 0:
							 * none, local mode */
	unsigned	template_mtu[GUEST_FAMILIES];	/* 0: not known */
	struct guest	guest;
	struct fwd_conf	fwd;
	bool		given_dns[GUEST_FAMILIES];	/* -D seen */
	bool		dns_none, given_search;
	bool		given_prefix;	/* -n or -a ADDR/LEN for IPv4 */
	bool		given_addr[GUEST_FAMILIES], given_gw[GUEST_FAMILIES];
	bool		no_map_gw;
	bool		given_map_host[GUEST_FAMILIES];	/* also "none" */
	bool		only4, only6;
	struct {			/* for conf.c to settle */
		bool	addr_len;	/* -a ADDR/LEN for IPv4 */
		bool	netmask;	/* -n */
		bool	no_copy;	/* --no-copy-routes or -addrs */
		const char *migration;	/* an option about that, or NULL */
	} said;

	/* passt */
	char		socket[USOCK_PATH_LEN];	/* empty: find one */
	int		fd;		/* connected already, or -1 */
	bool		one_off;	/* end with the first client */
	bool		vhost_user;	/* what is spoken at the socket */

	/* pasta */
	char		ns_ifname[IFNAMSIZ];	/* empty: template's or tap0 */
	uint8_t		ns_mac[6];
	bool		ns_mac_set;
	char		netns[PATH_MAX], userns[PATH_MAX];
	pid_t		target_pid;	/* operand PID, or 0 */
	char		**command;	/* operand words, or NULL */
	bool		netns_only, netns_quit;
	bool		config_net, copy_addrs[2], copy_routes[2];

	/* tests and debugging, from the environment */
	bool		tap_plain;	/* PASTA_TAP_PLAIN: no vnet header */
};

/*
 * conf_parse() - Read the command line into @c, which is overwritten
 *
 * Ends the process itself for --help, --version (exit 0) and for any error
 * (one line naming the argument and what would be right, exit 1).
 */
void conf_parse(struct conf *c, int argc, char **argv);

/* conf_ports() - Read the port specifications, which conf_parse() left alone:
 * when their errors can go where all messages go */
void conf_ports(struct conf *c, int argc, char **argv);

/* conf_version() - Of the program, as --version tells it */
const char *conf_version(void);

/* conf_print() - The start banner at info level, once all is known */
void conf_print(const struct conf *c);

#endif /* CONF_H */
