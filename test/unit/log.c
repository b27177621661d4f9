// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of log.c: what comes out on standard error at which level, that
 * errno survives, that long messages are cut, that die() ends with status 1,
 * and what a system log of our own and a log file get to read
 *
 * link: -Wl,--wrap=connect,--wrap=poll
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char text[8192];
static int out;

/* take() - What was written to standard error since the last call */
static const char *take(void)
{
	ssize_t n = pread(out, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (ftruncate(out, 0))
		abort();
	lseek(out, 0, SEEK_SET);
	return text;
}

static void say_all(void)
{
	err("E%d", 1);
	warn("W%s", "2");
	info("I");
	debug("D");
	trace("T");
}

static void test_levels(void)
{
	double t;
	char c;

	group("levels");
	say_all();
	EXPECT_STR(take(), "E1\nW2\nI\n");
	log_set_level(LOG_LVL_ERR);
	say_all();
	EXPECT_STR(take(), "E1\n");
	EXPECT(log_shown(LOG_LVL_ERR) && !log_shown(LOG_LVL_WARN));
	log_set_level(LOG_LVL_WARN);
	say_all();
	EXPECT_STR(take(), "E1\nW2\n");

	log_set_level(LOG_LVL_DEBUG);
	debug("D");
	trace("T");
	EXPECT_EQ(sscanf(take(), "%lf: %c", &t, &c), 2);
	EXPECT(t >= 0 && t < 60 && c == 'D');
	EXPECT(strchr(text, '.') && strchr(text, '.')[5] == ':');
	EXPECT(!strchr(text, 'T'));

	log_to_stderr(false);
	say_all();
	EXPECT_STR(take(), "");
	/* Neither standard error nor, while debugging, the system log */
	EXPECT(!log_shown(LOG_LVL_ERR));
	log_to_stderr(true);
	log_set_level(LOG_LVL_INFO);
}

static void test_perror(void)
{
	char big[5000];

	group("errno");
	errno = ENOENT;
	err_perror("No %s", "luck");
	EXPECT_EQ(errno, ENOENT);
	EXPECT_STR(take(), "No luck: No such file or directory\n");
	errno = EPERM;
	warn("x");
	debug_perror("x");
	EXPECT_EQ(errno, EPERM);
	EXPECT_STR(take(), "x\n");

	group("length");
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	errno = EPERM;
	err_perror("%s", big);
	take();
	EXPECT(strlen(text) > 1000 && strlen(text) < 1100);
	EXPECT(text[strlen(text) - 1] == '\n');
	err("%.*s", 1020, big);
	take();
	EXPECT_EQ(strlen(text), 1021);
	errno = ENOENT;
	err_perror("%.*s", 1015, big);
	take();
	EXPECT_EQ(strlen(text), 1023);
	EXPECT(text[1022] == '\n' && text[1021] == 'u');
	err("%s", "");
	EXPECT_STR(take(), "\n");
}

static void test_closed(void)
{
	int fd = dup(STDERR_FILENO);

	group("closed standard error");
	close(STDERR_FILENO);
	errno = ENOENT;
	err("x");
	err_perror("x");
	EXPECT_EQ(errno, ENOENT);
	dup2(fd, STDERR_FILENO);
	close(fd);
	EXPECT_STR(take(), "");
}

/* Our own system log: connect() to anywhere goes to this address */
static struct sockaddr_un logd = { .sun_family = AF_UNIX };

int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	const struct sockaddr_un *un = (const void *)sa;

	EXPECT_STR(un->sun_path, "/dev/log");
	EXPECT_EQ(len, sizeof(*un));
	return __real_connect(fd, (const struct sockaddr *)&logd, len);
}

static const char *received(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int polls;			/* how often it was waited for */
static int reader = -1;			/* who then takes a message */

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);
int __real_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
	char c;

	polls++;
	EXPECT(timeout > 0 && timeout <= 1000);
	if (reader >= 0)
		EXPECT(recv(reader, &c, 1, 0) == 1);
	return __real_poll(p, n, timeout);
}

/* While starting, a slow reader gets all; else nobody holds us up */
static void test_patience(int fd)
{
	unsigned i, got = 0;
	char c;

	log_open("pasta");
	log_to_stderr(false);
	reader = fd;
	for (i = 0; i < 2000; i++)
		warn("%u", i);
	got = (unsigned)polls;
	while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
		got++;
	EXPECT_EQ(got, 2000);
	EXPECT(polls > 0);

	polls = 0;
	log_started();
	for (i = 0; i < 2000; i++)
		warn("more");
	EXPECT_EQ(polls, 0);

	/* Nobody reads: once in vain is enough */
	reader = -1;
	log_open("pasta");
	log_to_stderr(false);
	for (i = 0; i < 2000; i++)
		warn("more");
	EXPECT_EQ(polls, 1);
}

static void test_syslog(void)
{
	char dir[] = "/tmp/unit-log-XXXXXX", want[100];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	group("system log");
	EXPECT(mkdtemp(dir));
	snprintf(logd.sun_path, sizeof(logd.sun_path), "%s/log", dir);
	EXPECT_EQ(bind(fd, (const struct sockaddr *)&logd, sizeof(logd)), 0);

	log_open("pasta");
	log_to_stderr(false);
	EXPECT(log_shown(LOG_LVL_INFO) && !log_shown(LOG_LVL_DEBUG));
	info("hello %d", 1);
	/* Facility daemon is 3, levels are 3 to 6 */
	snprintf(want, sizeof(want), "<30>pasta[%d]: hello 1", (int)getpid());
	EXPECT_STR(received(fd), want);
	errno = EPERM;
	err_perror("x");
	snprintf(want, sizeof(want), "<27>pasta[%d]: x: %s", (int)getpid(),
		 strerror(EPERM));
	EXPECT_STR(received(fd), want);
	EXPECT_STR(take(), "");

	alarm(20);
	test_patience(fd);
	alarm(0);
	close(fd);
	errno = ENOENT;
	warn("nobody there");
	EXPECT_EQ(errno, ENOENT);

	unlink(logd.sun_path);
	log_open("passt");			/* nobody to connect to */
	warn("x");
	EXPECT_STR(take(), "x\n");
	log_to_stderr(false);
	EXPECT(!log_shown(LOG_LVL_ERR));
	log_to_stderr(true);
	rmdir(dir);
}

/* What is in the file besides its times, which are taken out and must grow */
static const char *filed(const char *path)
{
	unsigned long long sec, frac, last = 0;
	static char raw[sizeof(text)];
	char *in, *to = text;
	int n;

	read_file(path, raw, sizeof(raw));
	for (in = raw; *in; *to++ = *in++) {
		n = 0;
		if ((in > raw && in[-1] != '\n') ||
		    sscanf(in, "%llu.%4llu:%n", &sec, &frac, &n) != 2 || !n)
			continue;
		EXPECT(10000 * sec + frac >= last && sec < 60);
		EXPECT(in[n - 6] == '.');
		last = 10000 * sec + frac;
		*to++ = 'T';
		in += n - 1;
	}
	*to = '\0';
	return text;
}

static void test_file(void)
{
	char dir[] = "/tmp/unit-log-XXXXXX", path[64], want[500], exe[300];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	group("log file");
	exe[n > 0 ? n : 0] = '\0';
	EXPECT(mkdtemp(dir));
	snprintf(logd.sun_path, sizeof(logd.sun_path), "%s/syslog", dir);
	EXPECT_EQ(bind(fd, (const struct sockaddr *)&logd, sizeof(logd)), 0);
	log_open("pasta");
	info("still to the system log");
	EXPECT(strstr(received(fd), "still to the system log"));
	take();

	snprintf(path, sizeof(path), "%s/file", dir);
	log_open_file(open(path, O_RDWR | O_CREAT, 0600), 1 << 20, "1.\n2");
	say_all();
	EXPECT_STR(take(), "E1\nW2\nI\n");
	EXPECT_STR(received(fd), "");
	log_to_stderr(false);
	EXPECT(log_shown(LOG_LVL_INFO) && !log_shown(LOG_LVL_DEBUG));
	errno = EPERM;
	warn_perror("not\nERROR: %s", "\033[2J\x7f\t\xc3\xa4"
		    "\xc2\x9b" "2J\xc2\xa9\xc2\xc2\x80");
	log_set_level(LOG_LVL_DEBUG);
	EXPECT(log_shown(LOG_LVL_DEBUG) && !log_shown(LOG_LVL_TRACE));
	debug("D");
	log_set_level(LOG_LVL_WARN);
	info("no");
	log_to_stderr(true);
	errno = ENOENT;
	err("%s", "");
	EXPECT_EQ(errno, ENOENT);
	EXPECT_STR(take(), "\n");
	EXPECT_STR(received(fd), "");

	snprintf(want, sizeof(want), "pasta 1.?2: %s (%d)\nT: ERROR:   E1\n"
		 "T: WARNING: W2\nT: info:    I\n"
		 "T: WARNING: not?ERROR: ?[2J??\xc3\xa4\xc2?2J\xc2\xa9\xc2\xc2?"
		 ": %s\n"
		 "T:          D\nT: ERROR:   \n", exe, (int)getpid(),
		 strerror(EPERM));
	EXPECT_STR(filed(path), want);

	log_set_level(LOG_LVL_INFO);
	unlink(path);
	unlink(logd.sun_path);
	rmdir(dir);
	close(fd);
}

static void test_die(bool with_errno)
{
	int status = 0;
	pid_t pid;

	group("die");
	pid = fork();
	if (!pid) {
		errno = EINVAL;
		if (with_errno)
			die_perror("Bye");
		die("Bye");
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	EXPECT_STR(take(), with_errno ? "Bye: Invalid argument\n" : "Bye\n");
}

int main(void)
{
	char path[] = "/tmp/unit-log-XXXXXX";
	struct log_few few = { 0 };
	unsigned long last = 0;
	unsigned told = 0, i;
	int saved = dup(STDERR_FILENO);

	out = mkstemp(path);
	unlink(path);
	dup2(out, STDERR_FILENO);

	/* First without any system log: an address that does not exist */
	strcpy(logd.sun_path, "/tmp/no/such/log");
	log_open("test");
	test_levels();
	test_perror();
	test_closed();
	test_syslog();
	test_die(false);
	test_die(true);
	test_file();

	group("log_ratelimit");
	EXPECT(log_ratelimit(&last, 1000));
	EXPECT(!log_ratelimit(&last, 1000));
	EXPECT(log_ratelimit(&last, 0));

	group("log_few");
	for (i = 0; i < 1000; i++)
		told += log_few(&few);
	EXPECT(told >= LOG_FEW && told <= 2 * LOG_FEW);	/* in two seconds? */
	few.last = 1;
	EXPECT(log_few(&few));

	dup2(saved, STDERR_FILENO);
	return done();
}
