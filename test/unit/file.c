// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file.c (unit) - paths are walked as the kernel would, but for what others
 * have put there
 *
 * Each row names a path below a directory made here, and what must come of it.
 * As root, some of what is there is given to another user. What the kernel
 * makes of the same path is the twin of every row where no one else is in the
 * way: same file, or same errno.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "util.h"

#define OTHER	4321
#define RUNAS	1234

static char top[] = "/tmp/unit-file-XXXXXX";

static void put(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || write(fd, "old", 3) != 3)
		abort();
	close(fd);
}

static void give(const char *name, uid_t uid)
{
	if (lchown(name, uid, uid))
		abort();
}

static void link_to(const char *text, const char *name)
{
	if (symlink(text, name))
		abort();
}

static bool same(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* opens() - @path is opened, being what the kernel finds there afterwards */
static void opens(const char *path)
{
	const char *why = "?";
	int fd = file_open(path, O_WRONLY, &why);

	if (!EXPECT(fd >= 0))
		printf("# %s: %s\n", path, why);
	EXPECT(same(fd, path));
	close(fd);
}

/* refused() - ... with @error; and by the kernel as well, if it is a plain one,
 * whose text must be the reason then */
static void refused(const char *path, int error, bool plain)
{
	const char *why = NULL;
	int fd;

	if (!EXPECT_EQ(file_open(path, O_WRONLY, &why), -error))
		printf("# %s: %s\n", path, why);
	EXPECT(why && *why);
	if (!plain)
		return;
	EXPECT_STR(why, strerror(error));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	EXPECT_EQ(fd < 0 ? errno : 0, error);
}

static void test_walk(void)
{
	char path[2 * PATH_MAX];
	struct stat st;
	unsigned i;
	int fd;

	group("paths without and with links, as the kernel reads them");
	EXPECT(!mkdir("d", 0755) && !mkdir("d/e", 0755));
	put("d/e/f");
	link_to("d", "l");
	link_to("e/f", "d/lf");
	link_to("../../d/e", "d/e/up");
	snprintf(path, sizeof(path), "%s//d/", top);
	link_to(path, "abs");
	link_to("nowhere", "d/e/dangling");
	link_to("loop", "loop");
	opens("d/e/f");
	opens("./d//e/../e/./f");
	opens("l/e/f");
	opens("l/lf");
	opens("d/e/up/up/f");
	opens("abs/e/f");
	opens("abs/lf");
	snprintf(path, sizeof(path), "//%s/l/e///f", top + 1);
	opens(path);
	opens("d/e/dangling");
	EXPECT(!access("d/e/nowhere", F_OK));
	refused("loop", ELOOP, true);
	refused("loop/f", ELOOP, true);
	refused("d/e/f/g", ENOTDIR, true);
	refused("no/f", ENOENT, true);
	refused("d/e", EISDIR, true);
	refused("d/e/", EISDIR, true);
	refused("abs", EISDIR, true);
	refused("d/..", EISDIR, true);
	refused("/", EISDIR, true);

	memset(path, 'x', sizeof(path));
	path[NAME_MAX] = '\0';
	opens(path);
	path[NAME_MAX] = 'x';
	path[NAME_MAX + 1] = '\0';
	refused(path, ENAMETOOLONG, true);
	for (i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '/' : '.';
	path[sizeof(path) - 1] = '\0';
	refused(path, ENAMETOOLONG, true);

	group("links that make the path longer than any");
	for (i = 0; i < 3000; i++)
		path[i] = "/."[i % 2];
	path[3000] = '\0';
	memcpy(path, "n1", 2);
	link_to(path, "n0");
	memcpy(path, "n2", 2);
	link_to(path, "n1");
	EXPECT(!mkdir("n2", 0755));
	opens("n1/f");
	/* The kernel has no limit for the sum of them, and nobody needs it */
	refused("n0/f", ENAMETOOLONG, false);

	group("what is made: mode, and what is emptied");
	umask(0);
	fd = file_open("new", O_RDWR, &(const char *){ NULL });
	EXPECT(!fstat(fd, &st) && (st.st_mode & 07777) == 0600);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(file_open("d/e/f", O_WRONLY, &(const char *){ NULL }));
	EXPECT(!stat("d/e/f", &st) && st.st_size == 3 &&
	       (st.st_mode & 07777) == 0644);
	close(file_open("d/e/f", O_WRONLY | O_TRUNC, &(const char *){ NULL }));
	EXPECT(!stat("d/e/f", &st) && !st.st_size);
}

static void test_kinds(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), p[2];
	const char *why;
	char proc[64];

	group("what is no file");
	EXPECT_EQ(bind(s, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	refused("sock", ENXIO, false);
	opens("/dev/null");
	opens("/dev/full");
	EXPECT_EQ(mkfifo("fifo", 0600), 0);
	EXPECT_EQ(file_open("fifo", O_WRONLY | O_NONBLOCK, &why), -ENXIO);
	EXPECT(file_open("fifo", O_RDWR | O_NONBLOCK, &why) >= 0);
	opens("fifo");			/* now it has a reader */

	group("descriptors by /proc, a pipe among them");
	EXPECT_EQ(pipe(p), 0);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", p[1]);
	opens(proc);
	snprintf(proc, sizeof(proc), "/dev/fd/%d", p[1]);
	opens(proc);
	snprintf(proc, sizeof(proc), "/proc/self/cwd/new");
	opens(proc);
	EXPECT_EQ(file_open("/proc/self/fd/999", O_WRONLY, &why), -ENOENT);

	group("another name");
	put("one");
	EXPECT_EQ(link("one", "two"), 0);
	refused("one", EMLINK, false);
}

static void test_others(void)
{
	char name[NAME_MAX + 1];
	const char *why;
	int fd;

	group("things of another user: links anywhere, files at the end");
	EXPECT(!mkdir("his", 0755));
	put("his/file");
	put("his/mine");
	link_to("../new", "his/link");
	link_to("d", "hisd");
	link_to("no-such", "hisno");
	link_to("hisd/e", "through");
	EXPECT(!mkfifo("his/fifo", 0666));
	give("his", OTHER);
	give("his/file", OTHER);
	give("his/link", OTHER);
	give("his/fifo", OTHER);
	give("hisd", OTHER);
	give("hisno", OTHER);
	refused("his/file", EPERM, false);
	refused("his/fifo", EPERM, false);	/* and does not wait */
	refused("his/link", ELOOP, false);
	refused("hisd/e/f", ELOOP, false);
	refused("hisno", ELOOP, false);
	refused("through/f", ELOOP, false);
	EXPECT(access("no-such", F_OK));
	opens("his/mine");
	opens("his/new");
	EXPECT_EQ(file_parent("hisd/sock", name, &why), -ELOOP);
	fd = file_parent("his/link", name, &why);
	EXPECT(same(fd, "his"));
	EXPECT_STR(name, "link");
	EXPECT_EQ(file_parent("his/", name, &why), -EISDIR);

	group("of the user that we will be: as good as ours");
	give("his/file", RUNAS);
	give("hisd", RUNAS);
	refused("his/file", EPERM, false);
	file_init(true, RUNAS);
	opens("his/file");
	opens("hisd/e/f");
	refused("his/link", ELOOP, false);
	file_init(false, RUNAS);
	refused("his/file", EPERM, false);
}

/* As a user who sees root's things: he trusts root, and himself */
static void as_user(void)
{
	int rc;

	group("as an ordinary user");
	EXPECT(!mkdir("open", 0777) && !chmod("open", 01777));
	put("open/roots");
	EXPECT(!chmod("open/roots", 0666));
	link_to("roots", "open/link");
	put("open/his");
	EXPECT(!chmod("open/his", 0666));
	give("open/his", OTHER);
	link_to("roots", "open/hislink");
	give("open/hislink", OTHER);
	put("open/closed");
	fflush(stdout);
	EXPECT(!chmod(top, 0755));
	if (!fork()) {
		unsigned long failed = check_st()->failed;

		if (setresgid(RUNAS, RUNAS, RUNAS) ||
		    setresuid(RUNAS, RUNAS, RUNAS))
			_exit(2);
		opens("open/roots");
		opens("open/link");
		opens("open/mine");
		opens("open/mine");
		refused("open/his", EPERM, false);
		refused("open/hislink", ELOOP, false);
		refused("open/closed", EACCES, true);
		refused("cannot", EACCES, true);
		/* Where we are is of no concern to a path from the root */
		EXPECT(!mkdir("open/shut", 0700) && !chdir("open/shut") &&
		       !chmod(".", 0));
		refused("x", EACCES, true);
		opens("/dev/null");
		_exit(check_st()->failed != failed);
	}
	EXPECT(wait(&rc) > 0 && !rc);
}

int main(void)
{
	char remove[64];

	if (!mkdtemp(top) || chdir(top))
		abort();
	alarm(60);
	file_init(false, 0);
	test_walk();
	test_kinds();
	if (!geteuid()) {
		test_others();
		as_user();
	}
	snprintf(remove, sizeof(remove), "rm -r %s", top);
	EXPECT_EQ(system(remove), 0);
	return done();
}
