// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolv.c - text files of the host: resolv.conf, and the tables of sockets in
 * /proc/net. The guest is told usable nameservers and names that are names
 *
 * Input: which file, and what the user asked for; then its text.
 *
 * link: -Wl,--wrap=pread,--wrap=__pread_chk,--wrap=warn,--wrap=info
 */
#include "fuzz.h"

#include <errno.h>
#include <unistd.h>

#include "conf_host.h"
#include "dnsname.h"
#include "proc_net.h"
#include "util.h"

#define FD	(1 << 20)

static struct in file;
static size_t piece;

ssize_t __real_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t at, size_t size);
void __wrap_warn(const char *fmt, ...);
void __wrap_info(const char *fmt, ...);

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at)
{
	if (fd != FD)
		return __real_pread(fd, buf, n, at);
	FUZZ_CHECK(n && at >= 0);
	if ((size_t)at >= file.left)
		return 0;
	n = MIN(n, file.left - (size_t)at);
	if (piece)
		n = MIN(n, piece);
	memcpy(buf, file.p + at, n);
	return (ssize_t)n;
}

/* What FORTIFY makes of it */
ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t at, size_t size)
{
	FUZZ_CHECK(n <= size);
	return __wrap_pread(fd, buf, n, at);
}

void __wrap_warn(const char *fmt, ...)
{
	(void)fmt;
}

void __wrap_info(const char *fmt, ...)
{
	(void)fmt;
}

static union addr A(const char *s)
{
	union addr a = ADDR_NONE;

	if (!addr_parse(s, &a))
		abort();
	return a;
}

static void tables(uint8_t how)
{
	static uint8_t ports[65536 / 8];

	memset(ports, 0, sizeof(ports));
	piece = how & 4 ? 100 : 0;
	FUZZ_CHECK(!proc_net_ports(FD, how & 2 ? IPPROTO_TCP : IPPROTO_UDP,
				   ports));
	FUZZ_CHECK(!bit_test(ports, 0));
}

static void told(const struct conf *c)
{
	unsigned f, i;
	uint8_t buf[600];
	struct writer w;

	for (f = 0; f < GUEST_FAMILIES; f++) {
		const struct guest_net *n = &c->guest.net[f];

		FUZZ_CHECK(n->ndns <= GUEST_DNS_MAX);
		for (i = 0; i < n->ndns; i++) {
			FUZZ_CHECK(addr_is4(&n->dns[i]) == (f == GUEST_V4));
			FUZZ_CHECK(!addr_is_loopback(&n->dns[i]) &&
				   addr_is_unicast(&n->dns[i]));
		}
	}
	FUZZ_CHECK(c->guest.nsearch <= GUEST_SEARCH_MAX);
	for (i = 0; i < c->guest.nsearch; i++) {
		const char *s = c->guest.search[i];

		FUZZ_CHECK(memchr(s, 0, GUEST_NAME_LEN) && *s);
		wr_init(&w, buf, sizeof(buf));
		if (dnsname_put(&w, s, DNSNAME_PLAIN))
			FUZZ_CHECK(w.len <= DNSNAME_MAX && !buf[w.len - 1]);
		else
			FUZZ_CHECK(!w.len);
		/* Once more, with back-pointers to the first */
		dnsname_put(&w, s, 0);
		dnsname_put(&w, s, 0);
		FUZZ_CHECK(wr_ok(&w) && w.len <= sizeof(buf));
	}
}

static void resolver(uint8_t how, const char *text, size_t len)
{
	static struct resolv r;
	static struct conf c;
	unsigned f;

	memset(&c, 0, sizeof(c));
	c.mode = how & 1 ? MODE_PASST : MODE_PASTA;
	c.guest.tell_dns = c.guest.tell_search = true;
	c.guest.net[GUEST_V4].on = !(how & 4);
	c.guest.net[GUEST_V6].on = !(how & 8);
	c.dns_none = how & 16;
	c.given_search = how & 32;
	if (how & 64) {
		c.fwd.net[GUEST_V4].dns_forward = A("192.0.2.5");
		c.fwd.net[GUEST_V6].dns_forward = A("2001:db8::5");
	}
	if (how & 2) {
		c.fwd.net[GUEST_V4].map_host_loopback = A("192.0.2.1");
		c.fwd.net[GUEST_V6].map_host_loopback = A("fe80::1");
	}
	resolv_parse(text, len, &r);
	for (f = 0; f < GUEST_FAMILIES; f++)
		FUZZ_CHECK(r.nns[f] <= GUEST_DNS_MAX);
	FUZZ_CHECK(r.nsearch <= GUEST_SEARCH_MAX);
	resolv_apply(&c, &r);
	told(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how;
	char *text;

	file = (struct in){ data, size };
	how = in_u8(&file);
	text = fuzz_dup(file.p, file.left, false);
	file.p = (const uint8_t *)text;
	if (how & 128)
		tables(how);
	else
		resolver(how, text, file.left);
	free(text);
	return 0;
}
