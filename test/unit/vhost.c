// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost.c (unit) - messages of the front-end, good ones and others
 *
 * After each bad one the connection must have ended, no descriptor be left, and
 * the next front-end be served.
 */
#include "vhost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "ev.h"
#include "log.h"
#include "tap_vmem.h"
#include "util.h"
#include "vhost_front.h"

static struct front front;
static const struct front_style style = {
	.features = VHOST_F_VERSION_1 | VHOST_F_PROTOCOL, .num = { 64, 64 },
	.rxbuf = 2048,
};

/* Kept for the day when there are no others: UDP sockets, of which there are none
 * else */
static bool is_spare(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	       domain == AF_INET;
}

static unsigned count_fds(bool spare)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += is_spare(*e->d_name == '.' ? -1 : atoi(e->d_name)) == spare;
	if (d)
		closedir(d);
	return n;
}

static unsigned open_fds(void)
{
	return count_fds(false);
}

static void fresh(void)
{
	int back;

	front_close(&front);
	vhost_detach();
	ev_init();
	front_open(&front, &back);
	EXPECT_EQ(vhost_attach(back), 0);
}

/* ends() - What was sent ends the connection, and leaves nothing */
static void ends(const char *what)
{
	unsigned tries;
	bool alive = true;

	for (tries = 0; alive && tries < 10; tries++)
		alive = vhost_messages();
	if (!EXPECT(!alive))
		printf("# %s\n", what);
	fresh();
}

/* goes() - What was sent is fine */
static void goes(void)
{
	EXPECT(vhost_messages());
}

/* -------------------------------------------------------------- the rows */

/* What each message must have: size of payload, and descriptors */
static const struct {
	uint32_t request;
	unsigned size, nfd;
} messages[] = {
	{ GET_FEATURES, 0, 0 }, { SET_FEATURES, 8, 0 }, { SET_OWNER, 0, 0 },
	{ RESET_OWNER, 0, 0 }, { SET_MEM_TABLE, 40, 1 },
	{ SET_VRING_NUM, 8, 0 }, { SET_VRING_ADDR, 40, 0 },
	{ SET_VRING_BASE, 8, 0 }, { GET_VRING_BASE, 8, 0 },
	{ SET_VRING_KICK, 8, 1 }, { SET_VRING_CALL, 8, 1 },
	{ SET_VRING_ERR, 8, 1 }, { GET_PROTOCOL_FEATURES, 0, 0 },
	{ SET_PROTOCOL_FEATURES, 8, 0 }, { GET_QUEUE_NUM, 0, 0 },
	{ SET_VRING_ENABLE, 8, 0 }, { SEND_RARP, 8, 0 }, { NET_SET_MTU, 8, 0 },
};

/* A payload that is good for the message, as far as it can be */
static void payload(uint32_t request, uint8_t p[static 512])
{
	uint64_t *v = (void *)p;
	uint32_t *n = (void *)p;

	memset(p, 0, 512);
	if (request == SET_FEATURES)
		v[0] = VHOST_F_VERSION_1;
	if (request == SET_VRING_NUM)
		n[1] = 64;
	if (request == NET_SET_MTU)
		v[0] = 1500;
	if (request == SET_MEM_TABLE) {
		n[0] = 1;
		v[1] = 1 << 20;
		v[2] = FRONT_MEM;
	}
}

static void rows(void)
{
	int fd[10], e = eventfd(0, EFD_CLOEXEC);
	unsigned i, k, before;
	uint8_t p[512];

	before = open_fds();
	fresh();
	group("every message, as it must be");
	for (i = 0; i < ARRAY_LEN(messages); i++) {
		bool mem = messages[i].request == SET_MEM_TABLE;

		payload(messages[i].request, p);
		EXPECT(front_send(&front, messages[i].request, 1, p,
				  messages[i].size, mem ? &front.memfd : &e,
				  messages[i].nfd));
		if (!EXPECT(vhost_messages()))
			printf("# request %u\n", messages[i].request);
	}

	group("sizes and descriptors that are not those of the message");
	fresh();
	for (i = 0; i < ARRAY_LEN(messages); i++) {
		static const unsigned sizes[] = { 0, 1, 4, 7, 8, 9, 12, 39, 40,
						  41, 264, 265, 500 };
		bool mem = messages[i].request == SET_MEM_TABLE;

		for (k = 0; k < 10; k++)
			fd[k] = mem ? front.memfd : e;
		for (k = 0; k < ARRAY_LEN(sizes); k++) {
			if (sizes[k] == messages[i].size)
				continue;
			payload(messages[i].request, p);
			front_send(&front, messages[i].request, 1, p, sizes[k],
				   fd, messages[i].nfd);
			ends("size");
		}
		for (k = 0; k <= 10; k++) {
			if (k == messages[i].nfd)
				continue;
			for (before = 0; mem && before < 10; before++)
				fd[before] = front.memfd;
			payload(messages[i].request, p);
			front_send(&front, messages[i].request, 1, p,
				   messages[i].size, fd, k);
			ends("descriptors");
		}
	}

	group("requests that are unknown, and headers that are none");
	for (i = 0; i < 300; i++) {
		for (k = 0; k < ARRAY_LEN(messages); k++)
			if (messages[k].request == i)
				break;
		if (k < ARRAY_LEN(messages))
			continue;
		front_send(&front, i, 1, p, 8, NULL, 0);
		ends("request");
	}
	front_send(&front, UINT32_MAX, 1, p, 8, NULL, 0);
	ends("request");
	for (i = 0; i < 16; i++) {
		if ((i & 7) == 1)
			continue;
		front_send(&front, GET_FEATURES, i, NULL, 0, NULL, 0);
		ends("flags");
	}
	{
		const uint32_t huge[3] = { SET_MEM_TABLE, 1, UINT32_MAX };

		EXPECT(write(front.fd, huge, 12) == 12);
		ends("a huge payload");
	}
	close(e);
}

static void pieces(void)
{
	const uint32_t m[] = { SET_VRING_NUM, 1, 8, 0, 128,
			       SET_VRING_NUM, 1, 8, 1, 64 };
	const uint8_t *p = (const void *)m;
	unsigned i, before;

	group("messages that come byte by byte, or two at once");
	fresh();
	before = open_fds();
	for (i = 0; i < sizeof(m); i++) {
		EXPECT_EQ(write(front.fd, p + i, 1), 1);
		goes();
	}
	EXPECT_EQ(write(front.fd, p, sizeof(m)), sizeof(m));
	goes();
	EXPECT(front_u64(&front, GET_FEATURES, 0) || true);
	ends("a request with a payload it has not");

	group("an end amidst a message, and with descriptors that nobody took");
	for (i = 1; i < 20; i++) {
		EXPECT_EQ(write(front.fd, p, i), i);
		goes();
		shutdown(front.fd, SHUT_WR);
		ends("end of stream");
	}
	EXPECT_EQ(open_fds(), before);
}

/* -------------------------------------------------------------- answers */

static uint64_t ask(uint32_t request)
{
	uint64_t v = UINT64_MAX;

	EXPECT(front_send(&front, request, 1, NULL, 0, NULL, 0));
	goes();
	EXPECT_EQ(front_answer(&front, request, &v, sizeof(v)), 8);
	return v;
}

/* acked() - With and without a wish for an answer */
static uint64_t acked(uint32_t request, uint64_t v)
{
	uint64_t got = UINT64_MAX;

	EXPECT(front_send(&front, request, 9, &v, sizeof(v), NULL, 0));
	goes();
	EXPECT_EQ(front_answer(&front, request, &got, sizeof(got)), 8);
	return got;
}

static void answers(void)
{
	uint64_t v = 1500;
	unsigned i;

	group("what is offered, and that no more can be had");
	fresh();
	EXPECT_EQ(ask(GET_FEATURES), VHOST_F_CSUM | VHOST_F_GUEST_CSUM |
		  VHOST_F_MTU | VHOST_F_GUEST_TSO4 | VHOST_F_GUEST_TSO6 |
		  VHOST_F_HOST_TSO4 | VHOST_F_HOST_TSO6 | VHOST_F_MRG_RXBUF |
		  VHOST_F_INDIRECT_DESC | VHOST_F_EVENT_IDX |
		  VHOST_F_PROTOCOL | VHOST_F_VERSION_1 | VHOST_F_GUEST_USO4 |
		  VHOST_F_GUEST_USO6 | VHOST_F_HOST_USO);
	EXPECT_EQ(ask(GET_PROTOCOL_FEATURES), 1 << 2 | 1 << 3 | 1 << 4);
	EXPECT_EQ(ask(GET_QUEUE_NUM), 1);
	for (i = 0; i < 64; i++) {
		uint64_t all = ask(GET_FEATURES);

		EXPECT(front_u64(&front, SET_FEATURES, UINT64_C(1) << i));
		if (all >> i & 1)
			goes();
		else
			ends("a feature");
		all = ask(GET_PROTOCOL_FEATURES);
		EXPECT(front_u64(&front, SET_PROTOCOL_FEATURES,
				 UINT64_C(1) << i));
		if (all >> i & 1)
			goes();
		else
			ends("a protocol feature");
	}

	group("acknowledgements: if wanted, and agreed to");
	fresh();
	EXPECT(front_send(&front, NET_SET_MTU, 9, &v, 8, NULL, 0));
	goes();
	EXPECT_EQ(front_answer(&front, NET_SET_MTU, &v, 8), -1);
	EXPECT(front_u64(&front, SET_PROTOCOL_FEATURES, 1 << 3 | 1 << 4));
	goes();
	EXPECT_EQ(front_answer(&front, SET_PROTOCOL_FEATURES, &v, 8), -1);
	EXPECT_EQ(acked(NET_SET_MTU, 68), 0);
	EXPECT_EQ(acked(NET_SET_MTU, 65535), 0);
	EXPECT_EQ(acked(NET_SET_MTU, 67), 1);
	EXPECT_EQ(acked(NET_SET_MTU, 65536), 1);
	EXPECT_EQ(acked(SEND_RARP, 0), 0);
	EXPECT_EQ(acked(SET_FEATURES, VHOST_F_VERSION_1), 0);
	/* One answer only, where there is one anyway */
	EXPECT(front_send(&front, GET_QUEUE_NUM, 9, NULL, 0, NULL, 0));
	goes();
	EXPECT_EQ(front_answer(&front, GET_QUEUE_NUM, &v, 8), 8);
	EXPECT_EQ(front_answer(&front, GET_QUEUE_NUM, &v, 8), -1);

	group("answers that are not read");
	for (i = 0; i < 100000 && vhost_messages(); i++)
		front_send(&front, GET_FEATURES, 1, NULL, 0, NULL, 0);
	EXPECT(i > 10 && i < 100000);
	fresh();
}

/* -------------------------------------------------------------- memory */

static void table(uint64_t guest, uint64_t size, uint64_t user, uint64_t off,
		  int fd)
{
	const struct {
		uint32_t n, padding;
		uint64_t r[4];
	} t = { 1, 0, { guest, size, user, off } };

	EXPECT(front_send(&front, SET_MEM_TABLE, 1, &t, sizeof(t), &fd, 1));
}

static void memory(void)
{
	uint8_t many[8 + 9 * 32] = { 9 };
	int pipes[2], fd[9], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int read_only = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t got;
	unsigned i;

	group("memory that cannot be what it is said to be");
	EXPECT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	fresh();
	table(0, FRONT_MEM + 1, 0, 0, front.memfd);
	ends("longer than its file");
	table(0, 4096, 0, FRONT_MEM - 4095, front.memfd);
	ends("beyond the end of its file");
	table(0, 4096, 0, UINT64_MAX - 100, front.memfd);
	ends("an offset that wraps");
	table(0, UINT64_MAX - 100, 0, 4096, front.memfd);
	ends("a size that wraps");
	table(0, 0, 0, 0, front.memfd);
	ends("an empty region");
	table(UINT64_MAX - 4094, 4096, 0, 0, front.memfd);
	ends("beyond all addresses of the guest");
	table(0, 4096, UINT64_MAX - 4094, 0, front.memfd);
	ends("beyond all addresses of the monitor");
	table(0, 4096, 0, 0, pipes[0]);
	ends("a pipe");
	table(0, 4096, 0, 0, null);
	ends("a device");
	table(0, 4096, 0, 0, read_only);
	ends("a file that may not be written to");
	for (i = 0; i < 9; i++)
		fd[i] = front.memfd;
	front_send(&front, SET_MEM_TABLE, 1, many, sizeof(many), fd, 9);
	ends("nine regions");
	many[0] = 255;
	many[3] = 255;
	for (i = 0; i < 8; i++)
		fd[i] = front.memfd;
	front_send(&front, SET_MEM_TABLE, 1, many, 8 + 8 * 32, fd, 8);
	ends("a great many regions");

	group("addresses are found where they are, and nowhere else");
	table(UINT64_MAX - 4095, 4096, 1 << 20, 100, front.memfd);
	goes();
	EXPECT(vmem_guest(UINT64_MAX, 100, &got) && got == 1);
	EXPECT(vmem_guest(UINT64_MAX - 4095, UINT64_MAX, &got) &&
	       got == 4096);
	EXPECT(!vmem_guest(UINT64_MAX - 4096, 1, &got));
	EXPECT(!vmem_guest(0, 1, &got));
	EXPECT(vmem_user(1 << 20, 4096) && vmem_user((1 << 20) + 4095, 1));
	EXPECT(!vmem_user(1 << 20, 4097) && !vmem_user((1 << 20) + 4095, 2));
	EXPECT(!vmem_user((1 << 20) - 1, 1) && !vmem_user(0, 0));
	EXPECT(!vmem_user((1 << 20) + 1, UINT64_MAX));
	EXPECT(front_mem_table(&front, true));
	goes();
	EXPECT(!vmem_guest(UINT64_MAX, 1, &got));
	strcpy((char *)front.mem + FRONT_MEM / 2 - 3, "border");
	EXPECT(vmem_guest(FRONT_BASE + FRONT_MEM / 2 - 3, 7, &got) &&
	       got == 3);
	EXPECT(!memcmp(vmem_guest(FRONT_BASE + FRONT_MEM / 2, 4, &got), "der",
		       4));
	EXPECT(!vmem_user(FRONT_USER + FRONT_MEM / 2 - 3, 7));
	close(pipes[0]);
	close(pipes[1]);
	close(null);
	close(read_only);
}

/* -------------------------------------------------------------- rings */

/* place() - Say where ring 0 is, relative to the start of memory; does it run? */
static bool place(uint64_t desc, uint64_t avail, uint64_t used)
{
	const struct {
		uint32_t i, flags;
		uint64_t desc, used, avail, log;
	} a = { 0, 0, FRONT_USER + desc, FRONT_USER + used, FRONT_USER + avail,
		0 };

	EXPECT(front_send(&front, SET_VRING_ADDR, 1, &a, sizeof(a), NULL, 0));
	goes();
	return vhost_ring(0);
}

static void rings(void)
{
	static const uint32_t sizes[] = { 0, 3, 6, 1023, 2048, 32768,
					  UINT32_MAX };
	const uint64_t end = FRONT_MEM / 2, no_fd = 0x100, other = 0x201;
	uint64_t zero = 0;
	unsigned i, before = 0;
	int pair[2], flags;

	group("numbers that no ring has");
	fresh();
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		EXPECT(front_state(&front, SET_VRING_NUM, 0, sizes[i]));
		ends("entries");
	}
	EXPECT(front_state(&front, SET_VRING_NUM, 2, 64));
	ends("ring 2");
	EXPECT(front_state(&front, SET_VRING_NUM, UINT32_MAX, 64));
	ends("ring -1");
	EXPECT(front_state(&front, SET_VRING_BASE, 0, 65536));
	ends("base");
	EXPECT(front_state(&front, SET_VRING_ENABLE, 0, 2));
	ends("enabled by 2");
	EXPECT(front_state(&front, GET_VRING_BASE, 2, 0));
	ends("base of ring 2");
	EXPECT(front_send(&front, SET_VRING_KICK, 1, &no_fd, 8, NULL, 0));
	ends("a ring to be polled");
	EXPECT(front_send(&front, SET_VRING_CALL, 1, &other, 8, &front.memfd,
			  1));
	ends("unknown bits");
	EXPECT(front_send(&front, SET_VRING_KICK, 1, &zero, 8, &front.memfd,
			  1));
	ends("kicks by a file");

	group("what may not change while a ring runs");
	EXPECT(front_start(&front, &style));
	goes();
	EXPECT(vhost_ring(0) && vhost_ring(1));
	EXPECT(front_state(&front, SET_VRING_NUM, 0, 32));
	ends("entries");
	EXPECT(front_start(&front, &style));
	EXPECT(front_state(&front, SET_VRING_BASE, 1, 0));
	ends("base");

	group("places that are in memory, and aligned");
	EXPECT(front_start(&front, &style));
	goes();
	EXPECT(place(0, 4096, 8192));
	EXPECT(!place(8, 4096, 8192) && !place(0, 4097, 8192));
	EXPECT(!place(0, 4096, 8194) && place(0, 4098, 8196));
	EXPECT(place(end - 64 * 16, 4096, 8192));
	EXPECT(!place(end - 64 * 16 + 16, 4096, 8192));
	EXPECT(place(0, end - 64 * 2 - 6, 8192));
	EXPECT(!place(0, end - 64 * 2 - 4, 8192));
	EXPECT(place(0, 4096, end - 64 * 8 - 8));
	EXPECT(!place(0, 4096, end - 64 * 8 - 4));
	EXPECT(!place(FRONT_MEM, 4096, 8192));
	EXPECT(!place(0 - FRONT_USER, 0 - FRONT_USER, 0 - FRONT_USER));
	EXPECT(place(0, 4096, 8192));

	group("descriptors are replaced, and closed");
	fresh();
	EXPECT(front_start(&front, &style));
	goes();
	before = open_fds();
	for (i = 0; i < 50; i++) {
		EXPECT(front_send(&front, SET_VRING_KICK, 1, &zero, 8,
				  &front.ring[0].kick, 1));
		EXPECT(front_send(&front, SET_VRING_CALL, 1, &zero, 8,
				  &front.ring[0].call, 1));
		EXPECT(front_send(&front, SET_VRING_ERR, 1, &zero, 8,
				  &front.ring[0].call, 1));
		goes();
	}
	EXPECT(front_send(&front, SET_VRING_CALL, 1, &no_fd, 8, NULL, 0));
	EXPECT(front_send(&front, SET_VRING_ERR, 1, &no_fd, 8, NULL, 0));
	goes();
	EXPECT_EQ(open_fds(), before - 1);	/* .call; and there was no .err */
	EXPECT(front_state(&front, GET_VRING_BASE, 0, 0));
	goes();
	EXPECT_EQ(open_fds(), before - 2);
	EXPECT(!vhost_ring(0));

	group("we do not hang in what is to wake the guest");
	EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	EXPECT(front_tell(&front, 0, 0));
	EXPECT(front_send(&front, SET_VRING_CALL, 1, &zero, 8, &pair[0], 1));
	goes();
	flags = fcntl(pair[0], F_GETFL);
	EXPECT(flags & O_NONBLOCK);
	close(pair[0]);
	close(pair[1]);
}

/* Kicks of a ring that was stopped must not be heard, although the front-end
 * still has its end of them */
static void stale(void)
{
	struct ev_event ev[4];
	const uint64_t one = 1;
	int n;

	group("kicks after the end");
	fresh();
	EXPECT(front_start(&front, &style));
	goes();
	EXPECT_EQ(write(front.ring[1].kick, &one, 8), 8);
	n = ev_wait(ev, 4, 0);
	EXPECT_EQ(n, 1);
	EXPECT_EQ(ev[0].ref.index, VHOST_FROM_GUEST);
	EXPECT_EQ(ev_wait(ev, 4, 0), 0);	/* told once, not read */
	EXPECT_EQ(write(front.ring[1].kick, &one, 8), 8);
	EXPECT_EQ(ev_wait(ev, 4, 0), 1);
	EXPECT(front_state(&front, GET_VRING_BASE, 1, 0));
	goes();
	EXPECT_EQ(write(front.ring[1].kick, &one, 8), 8);
	EXPECT_EQ(ev_wait(ev, 4, 0), 0);
	EXPECT_EQ(write(front.ring[0].kick, &one, 8), 8);
	EXPECT_EQ(ev_wait(ev, 4, 0), 1);
	vhost_detach();
	EXPECT_EQ(write(front.ring[0].kick, &one, 8), 8);
	EXPECT_EQ(ev_wait(ev, 4, 0), 0);
}

/* -------------------------------------------------------------- poverty */

/* hog() - Open all that can be; how many in all, with @n there already */
static unsigned hog(int *fd, unsigned n, unsigned max)
{
	while (n < max && (fd[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	return n;
}

/* As many descriptors as a front-end can bring */
static void bring_all(void)
{
	struct {
		uint32_t n, padding;
		uint64_t r[8][4];
	} t = { 8, 0, { { 0 } } };
	const uint64_t ring[] = { 0, 1 };
	int fd[8];
	unsigned i;

	for (i = 0; i < 8; i++) {
		t.r[i][0] = t.r[i][2] = (uint64_t)i << 20;
		t.r[i][1] = 4096;
		fd[i] = front.memfd;
	}
	for (i = 0; i < 2; i++) {
		EXPECT(front_send(&front, SET_VRING_CALL, 1, &ring[i], 8,
				  &front.ring[i].call, 1));
		EXPECT(front_send(&front, SET_VRING_ERR, 1, &ring[i], 8,
				  &front.ring[i].call, 1));
		EXPECT(front_send(&front, SET_VRING_KICK, 1, &ring[i], 8,
				  &front.ring[i].kick, 1));
	}
	EXPECT(front_send(&front, SET_MEM_TABLE, 1, &t, sizeof(t), fd, 8));
}

static void poor(void)
{
	const struct rlimit few = { 128, 128 };
	static int fd[256];
	int pair[2];
	unsigned n, i;

	group("no descriptors, but those that are kept for front-ends");
	fresh();
	EXPECT(front_start(&front, &style));
	goes();
	EXPECT(!setrlimit(RLIMIT_NOFILE, &few));
	for (n = i = 0; i < 3; i++) {
		EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				     pair), 0);
		n = hog(fd, n, ARRAY_LEN(fd));
		bring_all();
		goes();
		vhost_detach();
		n = hog(fd, n, ARRAY_LEN(fd));
		close(front.fd);
		front.fd = pair[0];
		EXPECT_EQ(vhost_attach(pair[1]), 0);
		close(fd[--n]);		/* for the next pair */
	}
	EXPECT(n > 16);
	while (n)
		close(fd[--n]);
	fresh();
	EXPECT_EQ(count_fds(true), 14);
}

/* -------------------------------------------------------------- anything */

static uint32_t number(void)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void anything(void)
{
	unsigned before, i, k, lives = 0;

	group("twenty thousand messages that are half right");
	fresh();
	before = open_fds();
	for (i = 0; i < 20000; i++) {
		unsigned row = number() % ARRAY_LEN(messages);
		int fd[8];
		uint8_t p[512];
		unsigned size = messages[row].size, nfd = messages[row].nfd;

		payload(messages[row].request, p);
		for (k = number() % 3; k; k--)
			p[number() % 40] = (uint8_t)number();
		if (!(number() % 16))
			size = number() % 300;
		if (!(number() % 16))
			nfd = number() % 4;
		for (k = 0; k < 8; k++)
			fd[k] = number() % 4 ? front.memfd : front.fd;
		front_send(&front, messages[row].request, 1 | (number() & 8),
			   p, size, fd, nfd);
		if (!(number() % 8))
			(void)front_start(&front, &style);
		while (recv(front.fd, p, sizeof(p), MSG_DONTWAIT) > 0)
			;
		if (vhost_messages())
			lives++;
		else
			fresh();
	}
	EXPECT(lives > 2000 && lives < 19000);
	fresh();
	EXPECT_EQ(open_fds(), before);
	EXPECT(front_start(&front, &style));
	goes();
	EXPECT(vhost_ring(0) && vhost_ring(1) && vhost_enabled(0));
}

int main(void)
{
	unsigned before;

	log_set_level(LOG_LVL_ERR);
	front.fd = front.memfd = -1;
	front.ring[0].kick = front.ring[0].call = -1;
	front.ring[1].kick = front.ring[1].call = -1;
	ev_init();
	before = open_fds();
	rows();
	pieces();
	answers();
	memory();
	rings();
	stale();
	anything();
	poor();
	front_close(&front);
	vhost_detach();
	group("no descriptor is left");
	EXPECT_EQ(open_fds(), before);
	return done();
}
