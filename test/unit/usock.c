// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usock.c - unit tests of the socket that guests connect to: several who start
 * at once on the path of one that has died
 *
 * What else there is to it is in test/e2e/passt_life.t.
 */
#include "usock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "file.h"
#include "log.h"

#define ROUNDS	300
#define AT_ONCE	4

static char dir[] = "/tmp/usock.XXXXXX";
static struct sockaddr_un at = { .sun_family = AF_UNIX };

/* What one that has died leaves behind */
static void leftover(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(at.sun_path);
	EXPECT(!bind(fd, (const struct sockaddr *)&at, sizeof(at)));
	close(fd);
}

/* In a child: status 0 once it has the path, which ends with @end */
static void contend(int go, int done, int end)
{
	char path[USOCK_PATH_LEN], c;

	(void)snprintf(path, sizeof(path), "%s", at.sun_path);
	log_to_stderr(false);
	(void)!read(go, &c, 1);
	(void)usock_listen(path);	/* or exit(1) */
	(void)!write(done, "", 1);
	close(done);
	(void)!read(end, &c, 1);
	_exit(0);
}

/* one_round() - How many of those who start at once have the path */
static int one_round(void)
{
	int go[2], done[2], end[2], i, n = 0;
	pid_t pid[AT_ONCE];
	char c;

	leftover();
	if (pipe(go) || pipe(done) || pipe(end))
		return -1;
	for (i = 0; i < AT_ONCE; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			close(go[1]);
			close(done[0]);
			close(end[1]);
			contend(go[0], done[1], end[0]);
		}
	}
	close(go[0]);
	close(done[1]);
	close(end[0]);
	close(go[1]);			/* all at once */
	while (read(done[0], &c, 1) == 1)
		n++;
	close(done[0]);
	close(end[1]);
	for (i = 0; i < AT_ONCE; i++)
		(void)waitpid(pid[i], NULL, 0);
	return n;
}

/* Whoever looked at the leftover before another replaced it would remove that
 * one: found without the lock, in most runs of this length */
static void test_at_once(void)
{
	int wrong = 0, i;

	for (i = 0; i < ROUNDS; i++)
		wrong += one_round() != 1;
	EXPECT_EQ(wrong, 0);
}

/* Somebody who keeps the lock does not keep us from starting */
static void test_lock_held(void)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	char path[USOCK_PATH_LEN];
	struct timespec a, b;
	int i;

	EXPECT(!flock(fd, LOCK_EX));
	leftover();
	(void)snprintf(path, sizeof(path), "%s", at.sun_path);
	clock_gettime(CLOCK_MONOTONIC, &a);
	close(usock_listen(path));
	for (i = 0; i < 98; i++) {	/* it looks at so many by default */
		leftover();
		close(usock_listen(path));
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	EXPECT(b.tv_sec - a.tv_sec < 15);
	close(fd);
}

int main(void)
{
	if (!mkdtemp(dir))
		abort();
	file_init(false, 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", dir);
	alarm(120);
	group("one of several who start at once");
	test_at_once();
	group("a lock that is kept");
	test_lock_held();
	(void)unlink(at.sun_path);
	(void)rmdir(dir);
	return done();
}
