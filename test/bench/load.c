// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load.c - load generator of bench.py
 *
 *	load sink PORT SECS		count what TCP brings: bytes ns total
 *	load source ADDR PORT SECS	send as fast as TCP takes it
 *	load usink PORT SECS		the same by datagrams: datagrams ns total
 *	load usource ADDR PORT SECS SIZE
 *	load echo PORT			TCP and UDP: send back what comes
 *	load oneshot PORT		accept, read one byte, answer it, close
 *	load rr ADDR PORT SECS		one byte there and back: p50 in ns
 *	load urr ADDR PORT SECS
 *	load crr ADDR PORT SECS		connect, one byte, answer, end: count ns
 *	load hold ADDR PORT N		N connections, each used once, kept until
 *					standard input ends
 *	load launch N COMMAND...	median wall time of a command in ns
 *
 * Rates are taken by the receiver on its own clock, from WARM after the first
 * byte for SECS. Servers say "ready" first; every mode ends with one line of
 * numbers, or a line beginning with "error".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS	1000000000ULL
#define WARM	(NS * 3 / 10)
#define LIMIT	60			/* seconds, for anything */
#define HELD	2048			/* connections of the echo server */
#define SAMPLES	1000000

static char buf[1 << 20];

_Noreturn static void fail(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static int server(int type, const char *port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port)) };
	int s = socket(AF_INET6, type, 0), one = 1, big = 4 << 20;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM)
		setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) ||
	    (type == SOCK_STREAM && listen(s, 1024)))
		fail("server");
	return s;
}

static int client(int type, const char *addr, const char *port)
{
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sa4 = { .sin_family = AF_INET };
	bool v6 = strchr(addr, ':');
	int s = socket(v6 ? AF_INET6 : AF_INET, type, 0), one = 1;

	sa4.sin_port = sa6.sin6_port = htons((uint16_t)atoi(port));
	if (s < 0 || inet_pton(v6 ? AF_INET6 : AF_INET, addr,
			       v6 ? (void *)&sa6.sin6_addr :
				    (void *)&sa4.sin_addr) != 1 ||
	    connect(s, v6 ? (void *)&sa6 : (void *)&sa4,
		    v6 ? sizeof(sa6) : sizeof(sa4)))
		fail("connect");
	if (type == SOCK_STREAM)
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

static int accept_one(int l)
{
	int one = 1, s = accept(l, NULL, NULL);

	if (s < 0)
		fail("accept");
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

/* Count bytes or datagrams; both kinds end when time is over or all is quiet */
static void sink(int type, const char *port, double secs)
{
	uint64_t span = (uint64_t)(secs * 1e9), t0 = 0, from = 0, t = 0;
	uint64_t in = 0, total = 0;
	struct timeval quiet = { .tv_sec = 3 };
	int s = server(type, port);

	ready();
	if (type == SOCK_STREAM)
		s = accept_one(s);
	for (;;) {
		ssize_t n = recv(s, buf, sizeof(buf), 0);
		uint64_t v = type == SOCK_STREAM ? (uint64_t)n : 1;

		if (n <= 0)
			break;
		t = now();
		total += v;
		if (!t0) {
			t0 = t;
			setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &quiet,
				   sizeof(quiet));
		}
		if (from)
			in += v;
		else if (t - t0 >= WARM)
			from = t;
		if (from && t - from >= span)
			break;
	}
	printf("%llu %llu %llu\n", (unsigned long long)in,
	       (unsigned long long)(from ? t - from : 1),
	       (unsigned long long)total);
}

static void source(int type, const char *addr, const char *port, double secs,
		   size_t size)
{
	uint64_t end = now() + (uint64_t)(secs * 1e9) + WARM + NS / 5;
	int s = client(type, addr, port);

	while (now() < end) {
		if (send(s, buf, size, 0) > 0)
			continue;
		/* A refused datagram is not the end: its port may come */
		if (type == SOCK_STREAM || errno != ECONNREFUSED)
			break;
	}
	puts("0");
}

static void echo(const char *port)
{
	static struct pollfd p[HELD];
	nfds_t n = 2, i;

	p[0].fd = server(SOCK_STREAM, port);
	p[1].fd = server(SOCK_DGRAM, port);
	p[0].events = p[1].events = POLLIN;
	ready();

	for (;;) {
		if (poll(p, n, -1) < 0)
			fail("poll");
		if (p[0].revents && n < HELD) {
			p[n].fd = accept_one(p[0].fd);
			p[n].revents = 0;
			p[n++].events = POLLIN;
		}
		if (p[1].revents) {
			struct sockaddr_storage sa;
			socklen_t sl = sizeof(sa);
			ssize_t len = recvfrom(p[1].fd, buf, sizeof(buf), 0,
					       (struct sockaddr *)&sa, &sl);

			if (len >= 0)
				sendto(p[1].fd, buf, (size_t)len, 0,
				       (struct sockaddr *)&sa, sl);
		}
		for (i = 2; i < n; i++) {
			ssize_t len;

			if (!p[i].revents)
				continue;
			len = recv(p[i].fd, buf, sizeof(buf), 0);
			if (len > 0 &&
			    send(p[i].fd, buf, (size_t)len, 0) == len)
				continue;
			close(p[i].fd);
			p[i--] = p[--n];
		}
	}
}

static void oneshot(const char *port)
{
	int l = server(SOCK_STREAM, port);

	ready();
	for (;;) {
		int s = accept_one(l);

		if (recv(s, buf, 1, 0) == 1)
			send(s, buf, 1, 0);
		close(s);
	}
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void rr(int type, const char *addr, const char *port, double secs)
{
	uint64_t *lat = malloc(SAMPLES * sizeof(*lat)), start = now(), t = 0, u;
	int s = client(type, addr, port);
	size_t n = 0;

	while (lat && n < SAMPLES && t < start + (uint64_t)(secs * 1e9)) {
		t = now();
		if (send(s, buf, 1, 0) != 1 || recv(s, buf, 1, 0) != 1)
			fail("rr");
		u = now() - t;
		/* The first ones find caches and neighbours cold */
		if (t - start > WARM / 3)
			lat[n++] = u;
	}
	if (!n)
		fail("rr: nothing");
	qsort(lat, n, sizeof(*lat), by_value);
	printf("%llu %zu\n", (unsigned long long)lat[n / 2], n);
}

static void crr(const char *addr, const char *port, double secs)
{
	uint64_t start = now(), t = start, n = 0;

	for (; t < start + (uint64_t)(secs * 1e9); t = now(), n++) {
		int s = client(SOCK_STREAM, addr, port);

		if (send(s, buf, 1, 0) != 1 || recv(s, buf, 1, 0) != 1 ||
		    recv(s, buf, 1, 0) != 0)
			fail("crr");
		close(s);
	}
	printf("%llu %llu\n", (unsigned long long)n,
	       (unsigned long long)(t - start));
}

static void hold(const char *addr, const char *port, int n)
{
	int *s = calloc((size_t)n, sizeof(*s)), i;

	for (i = 0; s && i < n; i++) {
		s[i] = client(SOCK_STREAM, addr, port);
		if (send(s[i], buf, 1, 0) != 1 || recv(s[i], buf, 1, 0) != 1)
			fail("hold");
	}
	ready();
	while (read(STDIN_FILENO, buf, 1) > 0)
		;
	puts("0");
}

static void launch(int n, char **argv)
{
	uint64_t *took = calloc((size_t)n, sizeof(*took)), t;
	int i, status;

	for (i = 0; took && i < n; i++) {
		t = now();
		if (!fork()) {
			int null = open("/dev/null", O_RDWR);

			dup2(null, 0);
			dup2(null, 1);
			execvp(argv[0], argv);
			_exit(127);
		}
		if (wait(&status) < 0 || status)
			fail("launch");
		took[i] = now() - t;
	}
	qsort(took, (size_t)n, sizeof(*took), by_value);
	printf("%llu\n", (unsigned long long)took[n / 2]);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	const char *m = argc > 2 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	alarm(LIMIT);

	if (!strcmp(m, "echo"))
		echo(argv[2]);
	else if (!strcmp(m, "oneshot"))
		oneshot(argv[2]);
	else if (!strcmp(m, "sink") && argc > 3)
		sink(SOCK_STREAM, argv[2], atof(argv[3]));
	else if (!strcmp(m, "usink") && argc > 3)
		sink(SOCK_DGRAM, argv[2], atof(argv[3]));
	else if (!strcmp(m, "source") && argc > 4)
		source(SOCK_STREAM, argv[2], argv[3], atof(argv[4]), 1 << 17);
	else if (!strcmp(m, "usource") && argc > 5)
		source(SOCK_DGRAM, argv[2], argv[3], atof(argv[4]),
		       (size_t)atoi(argv[5]));
	else if (!strcmp(m, "rr") && argc > 4)
		rr(SOCK_STREAM, argv[2], argv[3], atof(argv[4]));
	else if (!strcmp(m, "urr") && argc > 4)
		rr(SOCK_DGRAM, argv[2], argv[3], atof(argv[4]));
	else if (!strcmp(m, "crr") && argc > 4)
		crr(argv[2], argv[3], atof(argv[4]));
	else if (!strcmp(m, "hold") && argc > 4)
		hold(argv[2], argv[3], atoi(argv[4]));
	else if (!strcmp(m, "launch") && argc > 3)
		launch(atoi(argv[2]), argv + 3);
	else
		fail("usage");
	return 0;
}
