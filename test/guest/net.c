// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net.c - plain sockets for the test's guest
 *
 *	net connect ADDR PORT		standard input there, and then FIN;
 *	net listen PORT			what comes from there to standard
 *					output, until FIN. One connection.
 *	net echo PORT			send datagrams back, for ever
 *	net ask ADDR PORT SIZE...	datagrams of these sizes to an echo;
 *					"SIZE ok" or the trouble, a line each
 *
 * Unlike others of its kind, it goes on with one direction when the other has
 * ended, and says how long a failure took. Listeners serve both families.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT	60			/* seconds, for anything but an echo */

static unsigned char buf[65536], got[65536];

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

_Noreturn static void fail(const char *what, long since)
{
	fprintf(stderr, "%s: %s after %ld ms\n", what, strerror(errno),
		now() - since);
	exit(1);
}

/* What comes from @in, to its end, into @out */
static void pump(int in, int out)
{
	long t = now();
	ssize_t n, m, done;

	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (done = 0; done < n; done += m) {
			m = write(out, buf + done, (size_t)(n - done));
			if (m < 0)
				fail("write", t);
		}
	}
	if (n < 0)
		fail("read", t);
}

/* Both directions of the connection @s, each to its own end */
static int both(int s)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork", now());
	if (!pid) {
		close(1);
		pump(0, s);
		shutdown(s, SHUT_WR);
		exit(0);
	}
	pump(s, 1);
	close(1);			/* the end, for who reads it */
	if (waitpid(pid, &status, 0) != pid || status)
		return 1;
	return 0;
}

/* A socket that is connected to the address in text */
static int to(const char *addr, const char *port, int type)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	long t = now();
	int s, rc;

	a4.sin_port = a6.sin6_port = htons((unsigned short)atoi(port));
	s = socket(strchr(addr, ':') ? AF_INET6 : AF_INET, type, 0);
	if (s < 0)
		fail("socket", t);
	if (inet_pton(AF_INET6, addr, &a6.sin6_addr) == 1)
		rc = connect(s, (struct sockaddr *)&a6, sizeof(a6));
	else if (inet_pton(AF_INET, addr, &a4.sin_addr) == 1)
		rc = connect(s, (struct sockaddr *)&a4, sizeof(a4));
	else
		exit(2);
	if (rc)
		fail("connect", t);
	return s;
}

static int bound(const char *port, int type)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	int s = socket(AF_INET6, type, 0), on = 1;

	a.sin6_port = htons((unsigned short)atoi(port));
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)))
		fail("bind", now());
	return s;
}

static int accepted(const char *port)
{
	int l = bound(port, SOCK_STREAM), s;

	if (listen(l, 4))
		fail("listen", now());
	fprintf(stderr, "listening\n");
	s = accept(l, NULL, NULL);
	if (s < 0)
		fail("accept", now());
	close(l);
	return s;
}

static void echo(const char *port)
{
	int s = bound(port, SOCK_DGRAM);
	struct sockaddr_in6 a;
	socklen_t len;
	ssize_t n;

	for (;;) {
		len = sizeof(a);
		n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&a,
			     &len);
		if (n >= 0)
			sendto(s, buf, (size_t)n, 0, (struct sockaddr *)&a,
			       len);
	}
}

static void ask(int s, size_t size)
{
	struct timeval limit = { .tv_sec = 2 };
	ssize_t n;
	size_t i;

	for (i = 0; i < size; i++)
		buf[i] = (unsigned char)(size + i * 7 + i / 251);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = send(s, buf, size, 0);
	if (n == (ssize_t)size)
		n = recv(s, got, sizeof(got), 0);
	if (n < 0)
		printf("%zu %s\n", size, strerror(errno));
	else if (n != (ssize_t)size || memcmp(buf, got, size))
		printf("%zu differs, %zd came\n", size, n);
	else
		printf("%zu ok\n", size);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	int i, s;

	if (!strcmp(mode, "echo"))
		echo(argv[2]);
	alarm(LIMIT);
	if (!strcmp(mode, "listen"))
		return both(accepted(argv[2]));
	if (!strcmp(mode, "connect") && argc == 4)
		return both(to(argv[2], argv[3], SOCK_STREAM));
	if (strcmp(mode, "ask") || argc < 5)
		return 2;
	s = to(argv[2], argv[3], SOCK_DGRAM);
	for (i = 4; i < argc; i++)
		ask(s, strtoul(argv[i], NULL, 10));
	return 0;
}
