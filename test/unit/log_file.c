// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log_file.c (unit) - the file is always a header and the last lines
 *
 * The naive twin keeps every line in memory. After each line written, what
 * follows the header in the file must be the end of the twin's text, from the
 * start of a line: so lines are whole, none is missing in between, and the last
 * one is there. This runs on whatever file system /tmp is, and on a tmpfs, with
 * the kernel's way of cutting, with one played here, and without; then with
 * calls that fail at random.
 *
 * link: -Wl,--wrap=fallocate,--wrap=pwrite,--wrap=fstatfs
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "file.h"
#include "util.h"

#define LIMIT		45000U
#define CUT		(LIMIT / 10 * 3)
#define TITLE		"pasta 1.2: /usr/bin/passt (4711)"
#define LINES		4000

/* ------------------------------------------------------- the kernel, played */

static enum { REAL, REFUSE, PLAY } collapse;
static unsigned block;			/* 0: the file system's */
static unsigned fail_one_in;		/* 0: never */
static unsigned long collapsed, refused, failed;
static bool failed_last;		/* since it was cleared */

static uint32_t rnd(uint32_t below)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

static bool fails(void)
{
	if (!fail_one_in || rnd(fail_one_in))
		return false;
	failed++;
	failed_last = true;
	errno = ENOSPC;
	return true;
}

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	if (fails())
		return -1;
	/* A part only, at times, as when a disk gets full */
	if (fail_one_in && n > 1 && !rnd(3))
		n = 1 + rnd((uint32_t)n - 1);
	return __real_pwrite(fd, buf, n, at);
}

int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs)
{
	int rc = __real_fstatfs(fd, fs);

	if (block)
		fs->f_bsize = block;
	return rc;
}

static int play(int fd, off_t len)
{
	static char buf[LIMIT];
	ssize_t n = pread(fd, buf, sizeof(buf), len);

	EXPECT(n > 0 && len % 4096 == 0);
	if (__real_pwrite(fd, buf, (size_t)n, 0) != n ||
	    ftruncate(fd, n))
		abort();
	return 0;
}

int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	int rc;

	EXPECT_EQ(mode, FALLOC_FL_COLLAPSE_RANGE);
	EXPECT_EQ(at, 0);
	if (fails())
		return -1;
	if (collapse == REFUSE) {
		refused++;
		errno = EOPNOTSUPP;
		return -1;
	}
	if (collapse == PLAY)
		rc = play(fd, len);
	else
		rc = __real_fallocate(fd, mode, at, len);
	collapsed += !rc;
	refused += !!rc;
	return rc;
}

/* ------------------------------------------------------- the twin */

static char path[64];
static char content[2 * LIMIT], *twin;
static size_t size, twin_len, twin_size;

static void forget(void)
{
	twin_len = 0;
}

static void twin_add(const char *line, size_t len)
{
	if (twin_len + len > twin_size) {
		twin_size = 2 * twin_size + len;
		twin = realloc(twin, twin_size);
		if (!twin)
			abort();
	}
	memcpy(twin + twin_len, line, len);
	twin_len += len;
}

static void load(void)
{
	ssize_t n = read_file(path, content, sizeof(content));

	size = n > 0 ? (size_t)n : 0;
}

/* body() - What follows the header, which must be right, with @when */
static const char *body(const char *when)
{
	static const char what[] = ", truncated after ";
	char *nl = memchr(content, '\n', size), *p;

	if (!EXPECT(nl))
		return content;
	EXPECT(!strncmp(content, TITLE, strlen(TITLE)));
	p = content + strlen(TITLE);
	if (!when) {
		EXPECT(*p == '\n');
		return nl + 1;
	}
	EXPECT(!strncmp(p, what, strlen(what)));
	p += strlen(what);
	EXPECT(!strncmp(p, when, strlen(when)));
	p += strlen(when);
	EXPECT(!strncmp(p, " seconds", 8));
	p += 8;
	EXPECT_EQ(strspn(p, " "), nl - p);
	return nl + 1;
}

/* same_end() - Is this the end of the twin, from the start of a line? */
static bool same_end(const char *p)
{
	size_t n = size - (size_t)(p - content);

	return n <= twin_len && !memcmp(twin + twin_len - n, p, n) &&
	       (n == twin_len || twin[twin_len - n - 1] == '\n');
}

/* line() - Write a random line of up to @max characters, also to the twin;
 * @no counts hundreds of microseconds */
static void line(unsigned no, unsigned max, char *when)
{
	static const char *const tags[] = { "ERROR:", "WARNING:", "info:", "" };
	char text[LOG_FILE_LINE_MAX], whole[LOG_FILE_LINE_MAX + 64];
	const char *tag = tags[rnd(4)];
	size_t len = rnd(max + 1), i;
	int n;

	for (i = 0; i < len; i++)
		text[i] = (char)(' ' + rnd(94));
	snprintf(when, 32, "%u.%04u", no / 10000, no % 10000);
	n = snprintf(whole, sizeof(whole), "%s: %-9s%.*s\n", when, tag,
		     (int)len, text);
	twin_add(whole, (size_t)n);
	log_file_line(when, tag, text, len);
}

/* ------------------------------------------------------- the tests */

/* 0, or why it cannot be opened */
static int open_log(const char *name, uint64_t limit, const char *title)
{
	const char *why;
	int fd = file_open(name, O_RDWR | O_NONBLOCK, &why);

	if (fd < 0)
		return fd;
	log_file_open(fd, limit, title);
	return 0;
}

static void open_it(const char *dir, uint64_t limit)
{
	int fd;

	snprintf(path, sizeof(path), "%s/log-file-XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		abort();
	if (__real_pwrite(fd, "old\n", 4, 0) != 4)
		abort();
	close(fd);
	EXPECT_EQ(open_log(path, limit, TITLE), 0);
	load();
	EXPECT_STR(content, "old\n");
	EXPECT_EQ(log_file_begin(), 0);
	load();
	EXPECT_STR(content, TITLE "\n");
	forget();
}

static void test_twin(const char *name, const char *dir, int how,
		      unsigned longest)
{
	unsigned long cuts = 0, done_before = collapsed + refused;
	char when[32], last[32] = "";
	size_t before, after;
	unsigned i, fell = 0;
	const char *p;

	group(name);
	collapse = how;
	open_it(dir, LIMIT);
	for (i = 0; i < LINES; i++) {
		before = size;
		line(i, longest, when);
		load();
		if (size <= before && size < LIMIT - 4000) {
			/* Up to a block more, and a line and the header */
			strcpy(last, when);
			cuts++;
			after = before - size;
			fell += after > CUT - 2600 && after < CUT + 4096 + 2600;
		}
		p = body(*last ? last : NULL);
		if (!EXPECT(size <= LIMIT) || !EXPECT(same_end(p)))
			break;
	}
	EXPECT(cuts > 3);
	EXPECT_EQ(cuts, fell);
	EXPECT_EQ(collapsed + refused - done_before, cuts);
	unlink(path);
}

/* in_order() - Are all lines from @p on some of the twin's, in its order? */
static bool in_order(const char *p)
{
	const char *q = twin, *end = twin + twin_len;
	size_t m, n;

	for (; *p; p += n) {
		n = strcspn(p, "\n") + 1;
		for (; q < end; q += m) {
			m = (size_t)((const char *)memchr(q, '\n',
					(size_t)(end - q)) - q) + 1;
			if (m == n && !memcmp(p, q, n))
				break;
		}
		if (q == end)
			return false;
		q += n;
	}
	return true;
}

/* last_is() - Is the last line that of @when? */
static bool last_is(const char *when)
{
	const char *p = content + size - 1;

	while (p > content && p[-1] != '\n')
		p--;
	return !strncmp(p, when, strlen(when)) && p[strlen(when)] == ':';
}

/* Writing may fail: still whole lines in order, only some are not there */
static void test_failing(const char *name, const char *dir, int how)
{
	unsigned long done_before = collapsed + refused, fails_before = failed;
	char when[32], *nl;
	unsigned i;

	group(name);
	collapse = how;
	open_it(dir, LIMIT);
	for (i = 0; i < LINES / 2; i++) {
		/* Often, so that putting things right fails, too; or less, so
		 * that the file gets full */
		fail_one_in = i / 250 % 2 ? 3 : 20;
		failed_last = false;
		line(i, 1000, when);
		fail_one_in = 0;
		load();

		EXPECT(size <= LIMIT);
		nl = strchr(content, '\n');
		EXPECT(failed_last || last_is(when));
		if (!size)
			continue;
		EXPECT(nl && content[size - 1] == '\n');
		EXPECT(!strncmp(content, TITLE, strlen(TITLE)));
		if (!EXPECT(nl && in_order(nl + 1)))
			break;
	}
	EXPECT(failed - fails_before > LINES / 16);
	EXPECT(collapsed + refused - done_before > 3);
	unlink(path);
}

/* What others do to the file, and what cannot be in it */
static void test_others(void)
{
	char title[LOG_FILE_TITLE_MAX], big[LIMIT], when[32];
	unsigned i;
	int fd;

	group("emptied, grown, without newlines");
	collapse = REAL;
	open_it("/tmp", LIMIT);
	line(1, 50, when);
	if (truncate(path, 0))
		abort();
	forget();
	line(2, 50, when);
	load();
	EXPECT(same_end(body(NULL)));

	memset(big, 'x', sizeof(big));
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (write(fd, big, sizeof(big)) != sizeof(big))
		abort();
	forget();
	line(3, 50, when);
	load();
	EXPECT(size <= LIMIT && same_end(body(when)));

	/* Others' lines, more than twice the limit: ours is the last */
	for (i = 0; i < sizeof(big); i += 64)
		big[i] = '\n';
	big[sizeof(big) - 1] = '\n';
	if (write(fd, big, sizeof(big)) < 0 || write(fd, big, sizeof(big)) < 0)
		abort();
	line(4, 50, when);
	load();
	(void)body(when);
	EXPECT(size <= LIMIT && last_is(when));
	close(fd);
	unlink(path);

	group("longest header and lines");
	memset(title, 't', sizeof(title));
	title[sizeof(title) - 1] = '\0';
	memset(big, 'x', sizeof(big));
	for (collapse = REFUSE; collapse <= PLAY; collapse++) {
		EXPECT_EQ(open_log(path, LIMIT, title), 0);
		EXPECT_EQ(log_file_begin(), 0);
		for (i = 0; i < 100; i++) {
			log_file_line("123456789012345678901234567.8901",
				      "ERROR:", big, 5000);
			load();
			EXPECT(size <= LIMIT && content[size - 1] == '\n');
			EXPECT(!strncmp(content, title, strlen(title)));
			EXPECT(last_is("123456789012345678901234567.8901"));
		}
	}
	unlink(path);
	collapse = REAL;
}

static void test_special(void)
{
	char dir[] = "/tmp/log-file-XXXXXX", other[64], buf[4096];
	struct stat st;
	unsigned i;
	int fd;

	group("mode, links, what is no file");
	EXPECT(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(other, sizeof(other), "%s/link", dir);
	EXPECT_EQ(open_log(dir, LIMIT, TITLE), -EISDIR);
	EXPECT_EQ(open_log("/no/such/log", LIMIT, TITLE), -ENOENT);

	umask(0);
	EXPECT_EQ(symlink("log", other), 0);
	EXPECT_EQ(open_log(other, LIMIT, TITLE), 0);
	EXPECT(log_file_on());
	log_file_line("1.0", "info:", "text", 4);
	load();
	EXPECT_STR(content, TITLE "\n1.0: info:    text\n");
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0600);
	unlink(path);

	group("somebody else's, until we begin");
	EXPECT_EQ(open_log(path, LIMIT, TITLE), 0);
	log_file_line("1.0", "ERROR:", "new", 3);
	load();
	EXPECT_STR(content, TITLE "\n1.0: ERROR:   new\n");
	EXPECT_EQ(open_log(path, LIMIT, "second"), 0);
	log_file_line("0.1", "ERROR:", "in use", 6);
	load();
	EXPECT_STR(content, TITLE "\n1.0: ERROR:   new\n0.1: ERROR:   in use\n");
	EXPECT_EQ(truncate(path, LIMIT - 5), 0);
	log_file_line("0.2", "ERROR:", "no room", 7);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_size, LIMIT - 5);
	EXPECT_EQ(log_file_begin(), 0);
	log_file_line("0.3", "info:", "mine", 4);
	load();
	EXPECT_STR(content, "second\n0.3: info:    mine\n");
	unlink(path);

	/* Nobody reads: lines get lost, we do not wait */
	EXPECT_EQ(mkfifo(path, 0600), 0);
	alarm(30);
	EXPECT_EQ(open_log(path, LIMIT, TITLE), 0);
	EXPECT_EQ(log_file_begin(), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	for (i = 0; i < 20000; i++)
		log_file_line("1.0", "", "debug", 5);
	alarm(0);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), sizeof(buf));
	buf[100] = '\0';
	EXPECT(!strncmp(buf, TITLE "\n1.0:          debug\n1.0: ",
			strlen(TITLE) + 26));
	close(fd);
	unlink(path);
	unlink(other);
	rmdir(dir);

	EXPECT_EQ(open_log("/dev/null", LIMIT, TITLE), 0);
	log_file_line("1.0", "", "x", 1);
	EXPECT_EQ(open_log("/dev/full", LIMIT, TITLE), 0);
	log_file_line("1.0", "", "x", 1);
}

int main(void)
{
	const char *shm = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";

	group("before it is open");
	EXPECT_EQ(log_file_min(), 5 * MAX(8192, sysconf(_SC_PAGESIZE)));
	EXPECT(!log_file_on());
	EXPECT_EQ(open_log("/no/such/log", LIMIT, TITLE), -ENOENT);
	EXPECT(!log_file_on());
	EXPECT_EQ(log_file_begin(), 0);
	log_file_line("1.0", "info:", "nowhere", 7);

	test_twin("twin, disk, the kernel cuts if it can", "/tmp", REAL, 300);
	printf("# cut by the kernel: %lu times, not: %lu\n", collapsed,
	       refused);
	test_twin("twin, disk, moving", "/tmp", REFUSE, 300);
	test_twin("twin, tmpfs", shm, REAL, 300);
	test_twin("twin, tmpfs, played cuts", shm, PLAY, 300);
	test_twin("twin, long lines, moving", shm, REFUSE, 1900);
	test_twin("twin, long lines, played cuts", shm, PLAY, 1900);
	block = 1 << 20;
	test_twin("twin, blocks too large to cut", shm, REFUSE, 300);
	block = 0;
	test_failing("failing writes, moving", shm, REFUSE);
	test_failing("failing writes, played cuts", shm, PLAY);
	test_failing("failing writes, disk", "/tmp", REAL);
	test_others();
	test_special();
	free(twin);
	return done();
}
