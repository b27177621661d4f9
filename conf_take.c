// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf_take.c - options that stand for themselves: switches, words, numbers
 *
 * Each function takes the argument of one or several rows of the table in
 * conf.c. None asks the system for anything, but for the names of users.
 */
#include "conf_take.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "log_file.h"

#define STATS_MAX	86400U			/* seconds, a day */
#define LOG_SIZE_MAX	(UINT64_C(1) << 40)	/* a slip of the pen, beyond */

/* Takers that serve several rows */

void take_set(struct conf *c, const struct option_row *row, const char *arg)
{
	(void)arg;
	*(bool *)target(c, row) = true;
}

void take_clear(struct conf *c, const struct option_row *row, const char *arg)
{
	(void)arg;
	*(bool *)target(c, row) = false;
}

void take_str(struct conf *c, const struct option_row *row, const char *arg)
{
	size_t max = row->num ? row->num : row->size - 1;

	if (!*arg || strlen(arg) > max)
		die("--%s: '%.64s' must have 1 to %zu characters", row->name,
		    arg, max);
	str_copy(target(c, row), row->size, arg);
}

/* A name that an interface can be given: what the kernel accepts. To it the byte
 * A0 is a blank, also within UTF-8, and some have a meaning of their own */
void take_ifname(struct conf *c, const struct option_row *row, const char *arg)
{
	static const char *const other[] = { ".", "..", "all", "default" };
	bool bad = strpbrk(arg, "%/: \t\n\v\f\r\xa0");
	size_t i;

	for (i = 0; i < ARRAY_LEN(other); i++)
		bad = bad || !strcmp(arg, other[i]);
	if (bad)
		die("--%s: '%.64s' is not a name for an interface, which has no blanks, '%%', '/' or ':', and is not 'all' or 'default'",
		    row->name, arg);
	take_str(c, row, arg);
}

void take_mac(struct conf *c, const struct option_row *row, const char *arg)
{
	uint8_t mac[6];

	if (!mac_parse(arg, mac))
		die("--%s: '%.64s' is not a MAC address like 9a:55:9a:55:9a:55",
		    row->name, arg);
	if (!mac_is_station(mac))
		die("--%s: '%.64s' is not the address of a single station",
		    row->name, arg);
	memcpy(target(c, row), mac, sizeof(mac));
	if (row->off == offsetof(struct conf, ns_mac))
		c->ns_mac_set = true;
}

/* Takers of one row, in the order of the table */

void take_level(struct conf *c, const struct option_row *row, const char *arg)
{
	enum log_level lvl = (enum log_level)row->num;

	(void)arg;
	if (lvl == LOG_LVL_DEBUG && c->level == LOG_LVL_TRACE)
		return;			/* --trace has debug in it */
	c->level = lvl;
}

void take_stats(struct conf *c, const struct option_row *row, const char *arg)
{
	uint64_t n;

	/* Looked for only so far, as callers know it */
	if (!c->foreground)
		die("--%s: give --foreground before it, since the numbers go to standard error",
		    row->name);
	if (!parse_u64(arg, 10, 1, STATS_MAX, &n))
		die("--%s: '%.64s' is not a number of seconds from 1 to %u",
		    row->name, arg, STATS_MAX);
	c->stats = (unsigned)n;
}

void take_log_size(struct conf *c, const struct option_row *row,
		   const char *arg)
{
	unsigned long long min = log_file_min(), max = LOG_SIZE_MAX;

	if (!parse_u64(arg, 0, min, max, &c->log_size))
		die("--%s: '%.64s' is not a number of bytes from %llu to %llu",
		    row->name, arg, min, max);
}

void take_deprecated(struct conf *c, const struct option_row *row, const char *arg)
{
	(void)c;
	(void)arg;
	warn("--%s has no effect and will go away", row->name);
}

static bool parse_user(struct conf *c, const char *name)
{
	const struct passwd *pw;
	uint64_t n;

	if (parse_u64(name, 10, 0, UINT32_MAX - 1, &n)) {
		c->uid = (uid_t)n;
		c->gid = (gid_t)n;
		return true;
	}
	pw = *name ? getpwnam(name) : NULL;
	if (!pw)
		return false;
	c->uid = pw->pw_uid;
	c->gid = pw->pw_gid;
	return true;
}

static bool parse_group(struct conf *c, const char *name)
{
	const struct group *gr;
	uint64_t n;

	if (parse_u64(name, 10, 0, UINT32_MAX - 1, &n)) {
		c->gid = (gid_t)n;
		return true;
	}
	gr = *name ? getgrnam(name) : NULL;
	if (!gr)
		return false;
	c->gid = gr->gr_gid;
	return true;
}

void take_runas(struct conf *c, const struct option_row *row, const char *arg)
{
	char user[256];
	const char *colon = strchr(arg, ':');
	bool fits = str_copy(user, sizeof(user), arg);

	if (fits && colon)
		user[colon - arg] = '\0';
	if (!fits || !parse_user(c, user))
		die("--%s: '%.64s' names no user: give UID[:GID] or LOGIN[:GROUP]",
		    row->name, arg);
	if (colon && !parse_group(c, colon + 1))
		die("--%s: '%.64s' names no group: give UID[:GID] or LOGIN[:GROUP]",
		    row->name, arg);
	c->runas_set = true;
}

void take_mtu(struct conf *c, const struct option_row *row, const char *arg)
{
	uint64_t n;

	if (!parse_u64(arg, 0, 0, 65521, &n))
		die("--%s: '%.64s' is not a number from 0 to 65521", row->name,
		    arg);
	c->guest.mtu = (uint16_t)n;
}

/* The later of --socket and --fd counts */
void take_socket(struct conf *c, const struct option_row *row, const char *arg)
{
	take_str(c, row, arg);
	c->fd = -1;
}

void take_fd(struct conf *c, const struct option_row *row, const char *arg)
{
	uint64_t n;

	if (!parse_u64(arg, 10, 0, INT_MAX, &n) || n == 1 || n == 2)
		die("--%s: '%.64s' is not a descriptor number, 0 or from 3 on",
		    row->name, arg);
	c->fd = (int)n;
	*c->socket = '\0';
}

void take_userns(struct conf *c, const struct option_row *row, const char *arg)
{
	take_str(c, row, arg);
	c->netns_only = false;
}

void take_netns(struct conf *c, const struct option_row *row, const char *arg)
{
	take_str(c, row, arg);
	if (!strchr(arg, '/') &&
	    snprintf(c->netns, sizeof(c->netns), "/run/netns/%s", arg) >=
	    (int)sizeof(c->netns))
		die("--%s: '%.64s...' is too long a name", row->name, arg);
}

void take_netns_only(struct conf *c, const struct option_row *row,
		     const char *arg)
{
	take_set(c, row, arg);
	*c->userns = '\0';
}

void take_migration(struct conf *c, const struct option_row *row,
		    const char *arg)
{
	(void)arg;
	c->said.migration = row->name;
}

void take_repair_path(struct conf *c, const struct option_row *row,
		      const char *arg)
{
	if (strcmp(arg, "none"))
		take_migration(c, row, arg);
}
