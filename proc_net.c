// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc_net.c - the tables of sockets in /proc/net
 *
 * A line has the local address and port, those of the peer, and the state, all
 * in hexadecimal (Documentation/networking/proc_net_tcp.rst):
 *
 *    0: 0100007F:0035 00000000:0000 0A ...
 *
 * The length of the addresses is all that tells the tables of IPv6 from those
 * of IPv4. They are printed by words of 32 bits, each as a number of this machine
 * though its bytes are in network order.
 */
#include "proc_net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

#define LINE_MAX_LEN	512	/* the kernel's have about 180 */

int proc_net_open(const char *table)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", table);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void take_line(const char *line, unsigned state, uint8_t *ports)
{
	unsigned port, st, word;
	char addr[33];
	uint8_t first;

	if (sscanf(line, " %*u: %32[0-9A-F]:%4x %*32[0-9A-F]:%*4x %2x", addr,
		   &port, &st) != 3 || sscanf(addr, "%8x", &word) != 1)
		return;
	/* Of a group: a member, no service */
	memcpy(&first, &word, 1);
	if (first >= (strlen(addr) <= 8 ? 0xe0 : 0xff))
		return;
	if (st == state && port && port <= UINT16_MAX)
		bit_set(ports, port);
}

int proc_net_ports(int fd, uint8_t proto, uint8_t *ports)
{
	/* Those of UDP are numbered as states of TCP as well */
	unsigned state = proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE;
	char buf[4096];
	size_t have = 0;
	off_t at = 0;
	ssize_t n;

	for (;;) {
		char *line = buf, *end;

		n = pread(fd, buf + have, sizeof(buf) - 1 - have, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		at += n;
		have += (size_t)n;
		buf[have] = '\0';

		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			take_line(line, state, ports);
		}

		/* The beginning of the next one */
		have = strlen(line);
		if (have > LINE_MAX_LEN)
			have = 0;
		memmove(buf, line, have);
	}
}
