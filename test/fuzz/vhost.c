// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost.c - a front-end and a guest that say, and write, what they like
 *
 * Messages go over a socket, with descriptors beside them; rings and buffers
 * lie in a file that both ends have mapped, and that may become shorter. All
 * that is lent or received is touched, so that memory which is not there would
 * end the process. Whatever happens, the next front-end is served, and no
 * descriptor is left.
 *
 * Input: the kind of guest, then steps.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ev.h"
#include "log.h"
#include "tap_vhost.h"
#include "timer.h"
#include "util.h"
#include "vhost.h"
#include "vhost_front.h"

#define OFFLOADS	(VHOST_F_CSUM | VHOST_F_GUEST_CSUM |		\
			 VHOST_F_GUEST_TSO4 | VHOST_F_GUEST_TSO6 |	\
			 VHOST_F_HOST_TSO4 | VHOST_F_HOST_TSO6 |	\
			 VHOST_F_GUEST_USO4 | VHOST_F_GUEST_USO6 |	\
			 VHOST_F_HOST_USO)

static struct front front = {
	.fd = -1, .memfd = -1, .ring = { { .kick = -1, .call = -1 },
					 { .kick = -1, .call = -1 } },
};
static struct in in;
static uint64_t now;
static bool torn;			/* the file is short: hands off */
static volatile uint8_t sink;

/* open_fds() - How many there are, of those that there can be here */
static unsigned open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void loop(void)
{
	struct ev_event ev[8];
	int i, k, n;

	for (k = 0; k < 20 && (n = ev_wait(ev, 8, 0)) > 0; k++)
		for (i = 0; i < n; i++) {
			FUZZ_CHECK(ev[i].ref.type == EV_VHOST);
			(void)tap_vhost_event(ev[i].ref);
		}
	tap_flush();
}

/* connect_front() - A new one, with a guest of kind @kind; as the main loop does
 * when it finds that the one before is lost */
static void connect_front(uint8_t kind)
{
	struct front_style style = {
		.features = VHOST_F_VERSION_1, .num = { 16, 16 },
		.rxbuf = kind & 1 ? 256 : 1536,
		.rxparts = kind & 2 ? 3 : 1, .txpart = kind & 2 ? 13 : 0,
		.indirect = kind & 4,
	};
	int back;

	if (kind & 4)
		style.features |= VHOST_F_INDIRECT_DESC;
	if (kind & 8)
		style.features |= VHOST_F_MRG_RXBUF;
	if (kind & 16)
		style.features |= VHOST_F_EVENT_IDX;
	if (kind & 32)
		style.features |= OFFLOADS;
	if (kind & 64)
		style.features |= VHOST_F_PROTOCOL;
	tap_vhost_detach();
	front_close(&front);
	front_open(&front, &back);
	torn = false;
	FUZZ_CHECK(!tap_vhost_attach(back));
	if (kind & 128)
		return;			/* says nothing yet */
	FUZZ_CHECK(front_start(&front, &style));
	loop();
	FUZZ_CHECK(tap_served() && tap_room() && !tap_lost());
}

/* message() - Any request, any size, any descriptors; and payload that often is
 * near what could be */
static void message(void)
{
	uint32_t request = in_u8(&in) % 24, flags = 1;
	uint8_t how = in_u8(&in);
	size_t n = in_u8(&in), want = n;
	uint8_t payload[256] = { 0 };
	const uint8_t *from = in_take(&in, &want);
	int fd[10], i, nfd = how & 7, e;

	memcpy(payload, from, want);
	if (how & 0x40)
		flags = in_u8(&in);
	if (how & 0x20)
		flags |= 8;		/* answer, please */
	e = how & 0x10 ? front.memfd : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	FUZZ_CHECK(e >= 0);
	for (i = 0; i < 10; i++)
		fd[i] = e;
	(void)front_send(&front, request, flags, payload, n, fd,
			 (unsigned)nfd);
	if (how & 0x80)			/* not in one piece */
		(void)!write(front.fd, payload, want % 13);
	if (e != front.memfd)
		close(e);
}

/* scribble() - The guest writes into ring or buffers */
static void scribble(void)
{
	uint8_t what = in_u8(&in);
	uint8_t *ring = front.mem + (what & 1) * 65536U;
	size_t n = 2U << (what >> 4 & 3), at = in_u8(&in);
	const uint8_t *from;
	struct front_desc d;

	if (torn)
		return;
	switch (what >> 1 & 7) {
	case 0:				/* a descriptor */
		d.addr = FRONT_BASE + in_u32(&in) % (FRONT_MEM + 4096);
		d.len = in_u16(&in);
		d.flags = in_u8(&in) & 7;
		d.next = in_u8(&in) % 20;
		memcpy(ring + at % 20 * sizeof(d), &d, sizeof(d));
		return;
	case 1:				/* the index */
		ring[32768 + 2] += at;
		return;
	case 2:
		ring += 32768;
		break;
	case 3:
		ring += 49152;
		break;
	case 4:				/* indirect tables */
		ring = front.mem + (1 << 20) + (what & 1) * 512U * 2048;
		break;
	case 5:				/* frames from the guest */
		ring = front.mem + (4 << 20);
		break;
	default:
		break;
	}
	from = in_take(&in, &n);
	memcpy(ring + at, from, n);
}

static void receive(int max)
{
	struct tap_frame f[TAP_BATCH];
	int i, n = tap_recv(f, max);
	unsigned k;

	FUZZ_CHECK(n >= 0 && n <= max);
	for (i = 0; i < n; i++) {
		size_t len = 0;

		for (k = 0; k < f[i].niov; k++) {
			const uint8_t *p = f[i].iov[k].iov_base;

			len += f[i].iov[k].iov_len;
			if (f[i].iov[k].iov_len)
				sink = (uint8_t)(p[0] +
						 p[f[i].iov[k].iov_len - 1]);
		}
		FUZZ_CHECK(len == f[i].len && len >= 14);
	}
	if (n)
		tap_done(n);
}

/* deliver() - Frames to the guest, built as protocols do */
static void deliver(void)
{
	struct tap_slot s[TAP_BATCH];
	size_t hdrlen = 42 + in_u8(&in) % 60, datalen = in_u16(&in);
	int max = 1 + in_u8(&in) % TAP_BATCH, used, i;
	uint8_t how = in_u8(&in);
	int n = tap_reserve(s, max, hdrlen, datalen);
	unsigned k;

	FUZZ_CHECK(n >= 0 && n <= max);
	if (!n)
		return;
	used = how % (n + 1);
	for (i = 0; i < used; i++) {
		size_t left = how & 0x40 ? s[i].room / 2 : s[i].room, have = 0;

		memset(s[i].hdr, 0x11, hdrlen);
		s[i].hdrlen = hdrlen;
		s[i].len = left;
		s[i].gso = TAP_GSO_NONE;
		s[i].gso_size = 0;
		s[i].csum_partial = s[i].join = false;
		if (how & 0x80 && i && tap_caps()->uso) {
			s[i].join = true;
			s[i].hdrlen = 0;
		}
		for (k = 0; k < s[i].ndata; k++) {
			have += s[i].data[k].iov_len;
			memset(s[i].data[k].iov_base, 0x22,
			       s[i].data[k].iov_len);
		}
		FUZZ_CHECK(have >= s[i].room && (s[i].room || !datalen));
	}
	FUZZ_CHECK(tap_commit(s, n, used, how & 0x20) <= used);
}

static void step(uint8_t op)
{
	uint8_t frame[256];
	size_t n = op;

	switch (op & 15) {
	case 0:
	case 1:
		message();
		loop();
		break;
	case 2:
		message();		/* the next one comes with it */
		break;
	case 3:
	case 4:
	case 5:
		scribble();
		break;
	case 6:
		if (torn || !front.ring[1].desc)
			break;
		memset(frame, op, sizeof(frame));
		(void)front_push(&front, NULL, frame, 14 + n % 200);
		break;
	case 7:
	case 8:
		(void)!write(front.ring[op & 1].kick,
			     &(uint64_t){ 1 }, 8);
		loop();
		break;
	case 9:
		receive(1 + in_u8(&in) % TAP_BATCH);
		break;
	case 10:
	case 11:
		deliver();
		break;
	case 12:
		now += in_u16(&in) * (SEC / 1000);
		clock_set(now);
		loop();
		break;
	case 13:
		if (op & 0x10 && !torn && front.memfd >= 0) {
			torn = true;
			(void)!ftruncate(front.memfd, in_u8(&in) * 65536);
		}
		break;
	default:
		if (op & 0x10)
			connect_front(in_u8(&in));
		else
			loop();
	}
	if (tap_lost())
		connect_front(in_u8(&in) & 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned fds;

	in = (struct in){ data, size };
	now = 1000000;
	clock_set(now);
	if (!fds) {
		log_to_stderr(false);
		ev_init();
		FUZZ_CHECK(!tap_vhost_init());
		tap_attach(&tap_vhost_ops);
		connect_front(0);
		tap_vhost_detach();
		front_close(&front);
		fds = open_fds();
	}
	connect_front(in_u8(&in) & 0x7f);
	while (!in_done(&in))
		step(in_u8(&in));
	connect_front(0);
	tap_vhost_detach();
	front_close(&front);
	FUZZ_CHECK(open_fds() == fds);
	return 0;
}
