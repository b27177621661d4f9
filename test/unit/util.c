// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of util.c: what numbers are refused, that strings end, that files
 * larger than the buffer are cut
 */
#include "util.h"

#include <errno.h>
#include <unistd.h>

#include "check.h"

static void test_parse(void)
{
	static const char *const junk[] = {
		"", " 1", "1 ", "-1", "+1", "1x", "x", "0x", "1.0", "\t1",
		"18446744073709551616", "99999999999999999999999", "1\n",
	};
	uint64_t v = 77;
	unsigned i;

	group("parse_u64");
	for (i = 0; i < ARRAY_LEN(junk); i++) {
		EXPECT(!parse_u64(junk[i], 10, 0, UINT64_MAX, &v));
		EXPECT(!parse_u64(junk[i], 0, 0, UINT64_MAX, &v));
	}
	EXPECT_EQ(v, 77);

	EXPECT(parse_u64("0", 10, 0, 0, &v) && v == 0);
	EXPECT(parse_u64("18446744073709551615", 10, 0, UINT64_MAX, &v));
	EXPECT(v == UINT64_MAX);
	EXPECT(parse_u64("010", 10, 0, 100, &v) && v == 10);
	EXPECT(parse_u64("010", 0, 0, 100, &v) && v == 8);
	EXPECT(parse_u64("0x1F", 0, 0, 100, &v) && v == 31);
	EXPECT(!parse_u64("0x1F", 10, 0, 100, &v));
	EXPECT(parse_u64("5", 10, 5, 5, &v) && v == 5);
	EXPECT(!parse_u64("4", 10, 5, 6, &v));
	EXPECT(!parse_u64("7", 10, 5, 6, &v));
	EXPECT_EQ(v, 5);
}

static void test_str(void)
{
	char buf[5] = "xxxx";

	group("str_copy");
	EXPECT(str_copy(buf, sizeof(buf), "abcd"));
	EXPECT_STR(buf, "abcd");
	EXPECT(!str_copy(buf, sizeof(buf), "vwxyz"));
	EXPECT_STR(buf, "vwxy");
	EXPECT(str_copy(buf, 1, ""));
	EXPECT(!str_copy(buf, 1, "a"));
	EXPECT_STR(buf, "");
	EXPECT(!str_copy(buf, 0, ""));
}

static void test_files(void)
{
	char path[] = "/tmp/unit-util-XXXXXX", buf[16];
	int fd = mkstemp(path), p[2];

	group("files");
	EXPECT(fd >= 0);
	EXPECT_EQ(write_all(fd, "0123456789", 10), 0);
	close(fd);

	EXPECT_EQ(read_file(path, buf, sizeof(buf)), 10);
	EXPECT_STR(buf, "0123456789");
	EXPECT_EQ(read_file(path, buf, 11), 10);
	EXPECT_EQ(read_file(path, buf, 5), 4);
	EXPECT_STR(buf, "0123");
	EXPECT_EQ(read_file(path, buf, 1), 0);
	EXPECT_EQ(read_file(path, buf, 0), -EINVAL);

	EXPECT_EQ(write_file(path, "new"), 0);
	EXPECT_EQ(read_file(path, buf, sizeof(buf)), 3);
	EXPECT_STR(buf, "new");
	unlink(path);

	EXPECT_EQ(read_file(path, buf, sizeof(buf)), -ENOENT);
	EXPECT_STR(buf, "");
	EXPECT_EQ(write_file(path, "x"), -ENOENT);
	EXPECT_EQ(access(path, F_OK), -1);
	EXPECT_EQ(read_file("/", buf, sizeof(buf)), -EISDIR);
	EXPECT(read_file("/proc/self/status", buf, sizeof(buf)) == 15);

	EXPECT_EQ(pipe(p), 0);
	close(p[1]);
	EXPECT_EQ(write_all(p[0], "x", 1), -EBADF);
	EXPECT_EQ(write_all(p[0], "x", 0), 0);
	close(p[0]);
}

static void test_bits(void)
{
	uint8_t map[4] = { 0 };
	unsigned i;

	group("bits");
	for (i = 0; i < 32; i += 3)
		bit_set(map, i);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(bit_test(map, i), i % 3 == 0);
	for (i = 0; i < 32; i += 2)
		bit_clear(map, i);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(bit_test(map, i), i % 3 == 0 && i % 2);
}

int main(void)
{
	test_parse();
	test_str();
	test_files();
	test_bits();
	return done();
}
