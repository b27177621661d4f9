// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dnsname.c - domain names in wire form
 *
 * A name is written label by label. With compression, before each label the
 * names written so far are searched for one that ends in what is left of the
 * new one; the dictionary is the output itself, so there is no state.
 */
#include "dnsname.h"

#include <string.h>
#include <strings.h>

#define LABEL_MAX	63
#define POINTER		0xc0
#define POINTER_MAX	0x3fff

/* label_len() - Bytes up to the next dot or the end */
static size_t label_len(const char *s)
{
	return strcspn(s, ".");
}

/* next_label() - What follows the label at @s */
static const char *next_label(const char *s)
{
	s += label_len(s);
	return *s ? s + 1 : s;
}

/* valid() - Labels of 1..63 bytes, at most 255 in all (RFC 1035 2.3.4) */
static bool valid(const char *name)
{
	size_t total = 1;

	if (!*name)
		return false;
	for (; *name; name = next_label(name)) {
		size_t n = label_len(name);

		if (!n || n > LABEL_MAX)
			return false;
		total += 1 + n;
	}
	return total <= DNSNAME_MAX;
}

/* same() - Does the name written at @pos read as @name? Pointers that we wrote
 * lead backwards only, so this ends */
static bool same(const struct writer *w, size_t base, size_t pos,
		 const char *name)
{
	for (;;) {
		size_t n = w->p[pos];

		if (n >= POINTER) {
			pos = base + ((n & ~(size_t)POINTER) << 8 |
				      w->p[pos + 1]);
			continue;
		}
		if (!n || !*name)
			return !n && !*name;
		if (n != label_len(name) ||
		    strncasecmp((const char *)w->p + pos + 1, name, n))
			return false;
		pos += 1 + n;
		name = next_label(name);
	}
}

/* find() - Where between @base and @end @name is written, or SIZE_MAX */
static size_t find(const struct writer *w, size_t base, size_t end,
		   const char *name)
{
	size_t pos = base;

	if (base == DNSNAME_PLAIN)
		return SIZE_MAX;

	while (pos < end && pos - base <= POINTER_MAX) {
		size_t n = w->p[pos];

		if (n && n < POINTER && same(w, base, pos, name))
			return pos;
		pos += n >= POINTER ? 2 : 1 + n;
	}
	return SIZE_MAX;
}

bool dnsname_put(struct writer *w, const char *name, size_t base)
{
	size_t mark = wr_mark(w), at = SIZE_MAX;

	if (!wr_ok(w) || !valid(name))
		return false;

	for (; *name; name = next_label(name)) {
		size_t n = label_len(name);

		at = find(w, base, mark, name);
		if (at != SIZE_MAX)
			break;
		wr_u8(w, (uint8_t)n);
		wr_put(w, name, n);
	}

	if (at != SIZE_MAX)
		wr_be16(w, (uint16_t)(POINTER << 8 | (at - base)));
	else
		wr_u8(w, 0);

	if (wr_ok(w))
		return true;
	wr_undo(w, mark);
	return false;
}
