// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dnsname.c - names in wire form: bytes, limits, compression, room
 */
#include "dnsname.h"

#include "check.h"

static uint8_t buf[70000];
static struct writer w;

static bool put(const char *name, size_t base)
{
	return dnsname_put(&w, name, base);
}

/* What was written must be the string, its NUL not included */
#define BYTES(s) do {							\
	if (EXPECT_EQ(w.len, sizeof(s) - 1))				\
		EXPECT_MEM(buf, s, sizeof(s) - 1);			\
} while (0)

/* name_of() - @n labels of @len bytes each and one of @last */
static const char *name_of(unsigned n, size_t len, size_t last)
{
	static char s[2048];
	char *p = s;

	while (n--) {
		memset(p, 'a', len);
		p += len;
		*p++ = '.';
	}
	memset(p, 'z', last);
	p[last] = '\0';
	return s;
}

static void plain(void)
{
	static const char *const none[] = { "", ".", "..", ".a", "a..", "a..b",
					    ".a.b", "a...b" };
	unsigned i;

	group("plain names");
	wr_init(&w, buf, sizeof(buf));
	EXPECT(put("example.org", DNSNAME_PLAIN));
	BYTES("\7example\3org\0");
	EXPECT(put("example.org.", DNSNAME_PLAIN));
	EXPECT(put("a", DNSNAME_PLAIN));
	EXPECT(put("a.", DNSNAME_PLAIN));
	BYTES("\7example\3org\0\7example\3org\0\1a\0\1a\0");

	group("names that are none");
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		wr_init(&w, buf, sizeof(buf));
		EXPECT(!put(none[i], DNSNAME_PLAIN));
		EXPECT(!put(none[i], 0));
		EXPECT(!w.len && wr_ok(&w));
	}
}

static void limits(void)
{
	size_t n;

	group("labels of at most 63 bytes");
	for (n = 1; n < 300; n++) {
		wr_init(&w, buf, sizeof(buf));
		EXPECT_EQ(put(name_of(0, 0, n), DNSNAME_PLAIN), n <= 63);
		EXPECT_EQ(w.len, n <= 63 ? n + 2 : 0);
		wr_init(&w, buf, sizeof(buf));
		EXPECT_EQ(put(name_of(1, n, 1), DNSNAME_PLAIN), n <= 63);
		EXPECT(wr_ok(&w));
	}

	group("names of at most 255 bytes");
	for (n = 1; n <= 63; n++) {
		wr_init(&w, buf, sizeof(buf));
		EXPECT_EQ(put(name_of(3, 63, n), DNSNAME_PLAIN), n <= 61);
		EXPECT_EQ(w.len, n <= 61 ? 194 + n : 0);
	}
	for (n = 1; n < 500; n++) {
		wr_init(&w, buf, sizeof(buf));
		EXPECT_EQ(put(name_of((unsigned)n, 1, 1), DNSNAME_PLAIN),
			  2 * n + 3 <= 255);
	}
}

static void compressed(void)
{
	size_t i;

	group("compression");
	wr_init(&w, buf, sizeof(buf));
	EXPECT(put("eng.apple.com", 0) && put("mkt.APPLE.com.", 0) &&
	       put("com", 0) && put("apple.com", 0) && put("pple.com", 0) &&
	       put("eng.apple.com", 0) && put("apple", 0) &&
	       put("eng.apple", 0) && put("x.mkt.apple.com", 0));
	BYTES("\3eng\5apple\3com\0"	/* 0: eng, 4: apple, 10: com */
	      "\3mkt\300\4"		/* 15 */
	      "\300\12"			/* 21 */
	      "\300\4"
	      "\4pple\300\12"
	      "\300\0"
	      "\5apple\0"		/* 34 */
	      "\3eng\300\42"
	      "\1x\300\17");

	group("pointers count from the base");
	wr_init(&w, buf, sizeof(buf));
	wr_put(&w, "\1b\0junk", 7);
	EXPECT(put("a.b", 7) && put("c.b", 7) && put("d", 7));
	BYTES("\1b\0junk" "\1a\1b\0" "\1c\300\2" "\1d\0");
	wr_init(&w, buf, sizeof(buf));
	EXPECT(put("a.b", DNSNAME_PLAIN) && put("a.b", DNSNAME_PLAIN));
	BYTES("\1a\1b\0\1a\1b\0");

	group("pointers have 14 bits");
	wr_init(&w, buf, sizeof(buf));
	EXPECT(put("first.one", 0));
	for (i = 0; w.len <= 0x3fff; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%zu", i);
		EXPECT(put(name, 0));
	}
	i = w.len;
	EXPECT(put("late.two", 0));
	EXPECT_EQ(w.len - i, 10);
	i = w.len;
	EXPECT(put("late.two", 0));
	EXPECT_EQ(w.len - i, 10);		/* cannot be pointed to */
	i = w.len;
	EXPECT(put("first.one", 0));
	EXPECT_EQ(w.len - i, 2);
}

static void room(void)
{
	size_t n;

	group("room");
	for (n = 0; n < 20; n++) {
		memset(buf, 0xee, sizeof(buf));
		wr_init(&w, buf, n);
		EXPECT_EQ(put("example.org", DNSNAME_PLAIN), n >= 13);
		EXPECT_EQ(w.len, n >= 13 ? 13 : 0);
		EXPECT(wr_ok(&w));		/* as if not tried */
		EXPECT_EQ(buf[n], 0xee);
		/* A shorter one may still fit */
		EXPECT_EQ(put("b.org", 0), n >= (n >= 13 ? 17 : 7));
	}
	wr_init(&w, buf, 1);
	wr_be32(&w, 0);
	EXPECT(!put("a", DNSNAME_PLAIN) && !wr_ok(&w));
}

int main(void)
{
	plain();
	limits();
	compressed();
	room();
	return done();
}
