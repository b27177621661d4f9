// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * names.c - addresses, prefixes, masks, MAC addresses, numbers and domain
 * names as text: what is read says the same when it is written and read again
 *
 * Input: one word.
 */
#include "fuzz.h"

#include "addr.h"
#include "dnsname.h"
#include "util.h"

static void addresses(const char *s)
{
	char text[ADDR_STRLEN], mac_text[MAC_STRLEN];
	union addr a, b;
	uint8_t mac[6], again[6];
	int len;

	if (addr_parse(s, &a)) {
		FUZZ_CHECK(addr_parse(addr_str(&a, text), &b));
		FUZZ_CHECK(addr_eq(&a, &b) && strlen(text) < sizeof(text));
		addr_port_str(&a, 65535, text);
		FUZZ_CHECK(strlen(text) < sizeof(text));
		(void)addr_is_unicast(&a);
	}
	if (prefix_parse(s, &a, &len)) {
		FUZZ_CHECK(len >= -1 && len <= (addr_is4(&a) ? 32 : 128));
		FUZZ_CHECK(len < 0 || addr_in_prefix(&a, &a, len));
	}
	len = netmask_parse(s);
	FUZZ_CHECK(len >= -1 && len <= 32);
	if (mac_parse(s, mac)) {
		FUZZ_CHECK(mac_parse(mac_str(mac, mac_text), again));
		FUZZ_CHECK(!memcmp(mac, again, 6));
	}
}

static void numbers(const char *s)
{
	uint64_t n;

	if (parse_u64(s, 10, 5, 70000, &n)) {
		FUZZ_CHECK(n >= 5 && n <= 70000);
		FUZZ_CHECK(strspn(s, "0123456789") == strlen(s));
	}
	if (parse_u64(s, 0, 0, UINT64_MAX, &n))
		FUZZ_CHECK(*s >= '0' && *s <= '9');
}

/* The text of a name on the wire, whose labels may end in a pointer; false if
 * it is none */
static bool unwire(const uint8_t *b, size_t len, size_t at, char *out)
{
	unsigned jumps = 0, n = 0;

	for (;;) {
		size_t l;

		if (at >= len)
			return false;
		l = b[at];
		if (l >= 0xc0) {
			if (at + 1 >= len || ++jumps > 20)
				return false;
			at = (l & 0x3f) << 8 | b[at + 1];
			continue;
		}
		if (!l)
			break;
		if (l > 63 || at + l >= len || n + l + 1 > 255)
			return false;
		memcpy(out + n, b + at + 1, l);
		n += (unsigned)l;
		out[n++] = '.';
		at += 1 + l;
	}
	out[n ? n - 1 : 0] = '\0';
	return n;
}

static void domain(const char *s)
{
	size_t base = strlen(s) % 7, first, second;
	uint8_t buf[700];
	char name[300];
	struct writer w;

	wr_init(&w, buf, sizeof(buf));
	wr_zero(&w, base);
	if (!dnsname_put(&w, "some.example.org", base))
		abort();
	first = w.len;
	if (!dnsname_put(&w, s, base)) {
		FUZZ_CHECK(w.len == first);
		return;
	}
	second = w.len;
	FUZZ_CHECK(wr_ok(&w) && second - first <= DNSNAME_MAX);
	FUZZ_CHECK(unwire(buf + base, second - base, first - base, name));
	/* But for a final dot, and the spelling of what is referred to */
	FUZZ_CHECK(!strncasecmp(name, s, strlen(name)));
	FUZZ_CHECK(!s[strlen(name)] || !strcmp(s + strlen(name), "."));
	/* Where there is no room, nothing is written */
	w.size = w.len + 1;
	if (!dnsname_put(&w, s, DNSNAME_PLAIN))
		FUZZ_CHECK(w.len == second && wr_ok(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_dup(data, size, true);

	addresses(s);
	numbers(s);
	domain(s);
	free(s);
	return 0;
}
