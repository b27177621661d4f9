// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options.c - command lines: whatever the words are, either they are taken or
 * the program would end, with a message; and what was taken is in range
 *
 * Input: the words, each ended by a NUL or a line feed.
 *
 * link: -Wl,--wrap=exit,--wrap=die,--wrap=die_perror,--wrap=warn
 * link: -Wl,--wrap=getpwnam,--wrap=getgrnam,--wrap=getopt_long
 */
#include "fuzz.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"

#define WORDS_MAX	40

static jmp_buf ended;

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);
_Noreturn void __wrap_die(const char *fmt, ...) printf_like(1, 2);
_Noreturn void __wrap_die_perror(const char *fmt, ...) printf_like(1, 2);
void __wrap_warn(const char *fmt, ...) printf_like(1, 2);
int __real_getopt_long(int argc, char *const *argv, const char *letters,
		       const struct option *longs, int *index);
int __wrap_getopt_long(int argc, char *const *argv, const char *letters,
		       const struct option *longs, int *index);
struct passwd *__wrap_getpwnam(const char *name);
struct group *__wrap_getgrnam(const char *name);

static bool parsing;

_Noreturn void __wrap_exit(int status)
{
	if (!parsing)
		__real_exit(status);
	longjmp(ended, 1);
}

/* One line of text, whatever was in the argument */
static void printf_like(1, 0)
message(const char *fmt, va_list args)
{
	char text[4096];

	int n = vsnprintf(text, sizeof(text), fmt, args);

	FUZZ_CHECK(n > 10 && n < 2000);
}

_Noreturn void __wrap_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(fmt, args);
	va_end(args);
	longjmp(ended, 1);
}

_Noreturn void __wrap_die_perror(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(fmt, args);
	va_end(args);
	longjmp(ended, 1);
}

void __wrap_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(fmt, args);
	va_end(args);
}

/* Without the pages of help that would be printed */
int __wrap_getopt_long(int argc, char *const *argv, const char *letters,
		       const struct option *longs, int *index)
{
	int val;

	opterr = 0;
	val = __real_getopt_long(argc, argv, letters, longs, index);
	if (val == 'h' || val == '?' || val == ':')
		longjmp(ended, 1);
	for (; val != -1 && longs->name; longs++)
		if (longs->val == val && (!strcmp(longs->name, "help") ||
					  !strcmp(longs->name, "version")))
			longjmp(ended, 1);
	return val;
}

/* Not the files of this machine */
struct passwd *__wrap_getpwnam(const char *name)
{
	static struct passwd pw = { .pw_uid = 1000, .pw_gid = 1000 };

	return *name == 'u' ? &pw : NULL;
}

struct group *__wrap_getgrnam(const char *name)
{
	static struct group gr = { .gr_gid = 1000 };

	return *name == 'g' ? &gr : NULL;
}

static void net_check(const struct conf *c, enum guest_family f)
{
	const struct guest_net *n = &c->guest.net[f];
	const struct fwd_net *w = &c->fwd.net[f];
	bool v4 = f == GUEST_V4;

	FUZZ_CHECK(n->ndns <= GUEST_DNS_MAX && n->nalso <= GUEST_ALSO_MAX);
	FUZZ_CHECK(n->prefix >= 0 && n->prefix <= (v4 ? 32 : 128));
	FUZZ_CHECK(addr_is_none(&n->addr) ||
		   (addr_is4(&n->addr) == v4 && addr_is_unicast(&n->addr) &&
		    !addr_is_loopback(&n->addr)));
	FUZZ_CHECK(addr_is_none(&n->gw) || addr_is4(&n->gw) == v4);
	FUZZ_CHECK(addr_is_none(&w->map_host_loopback) ||
		   addr_is4(&w->map_host_loopback) == v4);
	FUZZ_CHECK(addr_is_none(&w->outbound) || addr_is4(&w->outbound) == v4);
	FUZZ_CHECK(memchr(w->outbound_if, 0, sizeof(w->outbound_if)));
}

static void conf_check(const struct conf *c)
{
	unsigned i;

	net_check(c, GUEST_V4);
	net_check(c, GUEST_V6);
	FUZZ_CHECK(c->guest.net[GUEST_V4].on || c->guest.net[GUEST_V6].on);
	FUZZ_CHECK(c->guest.nsearch <= GUEST_SEARCH_MAX);
	for (i = 0; i < c->guest.nsearch; i++)
		FUZZ_CHECK(memchr(c->guest.search[i], 0, GUEST_NAME_LEN));
	FUZZ_CHECK(memchr(c->socket, 0, sizeof(c->socket)));
	FUZZ_CHECK(memchr(c->pid_file, 0, sizeof(c->pid_file)));
	FUZZ_CHECK(memchr(c->log_file, 0, sizeof(c->log_file)));
	FUZZ_CHECK(memchr(c->ns_ifname, 0, sizeof(c->ns_ifname)));
	for (i = 0; i < FWD_TABLES; i++)
		FUZZ_CHECK(c->fwd.rules[i].n <= RULES_MAX);
}

static void parse(int n, char **words)
{
	static struct conf c;

	parsing = true;
	if (!setjmp(ended)) {
		conf_parse(&c, n, words);
		conf_ports(&c, n, words);
		conf_check(&c);
	}
	parsing = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_dup(data, size, true), *p = text;
	char *word[WORDS_MAX + 1], **copy;
	int n = 0;

	for (; n < WORDS_MAX && p < text + size; n++) {
		word[n] = p;
		p += strcspn(p, "\n");
		*p++ = '\0';
	}
	word[n] = NULL;
	/* getopt_long() sorts it; and its end is the end of its memory */
	copy = fuzz_dup(word, ((size_t)n + 1) * sizeof(*word), false);
	parse(n, copy);
	free(copy);
	free(text);
	return 0;
}
