// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pcap.c - optional capture of the guest's link into a file
 *
 * The classic libpcap format in host byte order. Each frame is one writev() of
 * record header and frame, so that the file is whole at any moment, readable
 * while we run, and complete even if we are killed. A capture is for debugging;
 * it may cost a call per frame.
 *
 * Into a FIFO, for a program that shows frames as they come, goes what there is
 * room for: the guest does not wait for a reader. The rest of a record that was
 * taken in part goes before anything else; until then frames are left out.
 *
 * Super-frames are recorded as they pass: longer than the MTU, and with
 * checksums left to "hardware", as any capture on a host with offloads shows.
 */
#include "pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "util.h"

#define PCAP_MAGIC	0xa1b2c3d4	/* microseconds */
#define PCAP_ETHERNET	1
#define PCAP_SNAPLEN	65535		/* what readers expect; we cut none */

#define PCAP_IOV	192
#define REST_MAX	(1 << 17)		/* longer than any record */

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, linktype;
};

struct record_header {
	uint32_t sec, usec, caplen, len;
};

_Static_assert(sizeof(struct file_header) == 24, "pcap");
_Static_assert(sizeof(struct record_header) == 16, "pcap");

static struct {
	int fd;				/* -1: no capture */
	bool regular;			/* a file: takes all, or is full */
	size_t left;			/* of a record, at the end of: */
	uint8_t rest[REST_MAX];
} pcap = { .fd = -1 };

/* give_up() - End the capture: a file with a hole cannot be read further */
static void give_up(const char *why)
{
	warn_perror("capture ends: %s", why);
	close(pcap.fd);
	pcap.fd = -1;
}

/* The rest of the last record; false if some of it is left over */
static bool write_rest(void)
{
	ssize_t n;

	if (!pcap.left)
		return true;
	n = write(pcap.fd, pcap.rest + REST_MAX - pcap.left, pcap.left);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		give_up("cannot write frame");
	else if (n > 0)
		pcap.left -= (size_t)n;
	return !pcap.left;
}

/* Keep what follows the first @done of the @total bytes of a record */
static void keep_rest(const struct iovec *iov, size_t done, size_t total)
{
	uint8_t *to = pcap.rest + REST_MAX - total;
	const uint8_t *end = pcap.rest + REST_MAX;

	if (total > REST_MAX) {
		errno = EMSGSIZE;
		give_up("cannot keep frame");
		return;
	}
	for (; to < end; to += iov++->iov_len)
		memcpy(to, iov->iov_base, iov->iov_len);
	pcap.left = total - done;
}

/* Open for writing only: a FIFO waits for its reader, once */
static void begin(int fd)
{
	struct stat st;

	pcap.fd = fd;
	pcap.left = 0;
	pcap.regular = !fstat(fd, &st) && S_ISREG(st.st_mode);
	if (!pcap.regular)
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

void pcap_open(const char *path)
{
	struct file_header h = {
		.magic = PCAP_MAGIC,
		.major = 2,
		.minor = 4,
		.snaplen = PCAP_SNAPLEN,
		.linktype = PCAP_ETHERNET,
	};
	const char *why;
	int fd;

	pcap_flush();

	fd = file_open(path, O_WRONLY | O_TRUNC, &why);
	if (fd < 0) {
		warn("cannot capture into %s: %s", path, why);
		return;
	}

	begin(fd);
	if (write(fd, &h, sizeof(h)) != sizeof(h))
		give_up("cannot write header");
}

int pcap_on(void)
{
	return pcap.fd >= 0;
}

void pcap_frame(const struct iovec *iov, unsigned n, size_t len)
{
	struct iovec out[1 + PCAP_IOV];
	struct record_header h;
	struct timespec now;
	size_t left = len;
	ssize_t written;
	unsigned i, o = 1;

	if (!pcap_on() || !write_rest())
		return;

	for (i = 0; i < n && left && o < ARRAY_LEN(out); i++, o++) {
		out[o] = iov[i];
		out[o].iov_len = MIN(iov[i].iov_len, left);
		left -= out[o].iov_len;
	}

	clock_gettime(CLOCK_REALTIME, &now);
	h = (struct record_header){
		.sec = (uint32_t)now.tv_sec,
		.usec = (uint32_t)(now.tv_nsec / 1000),
		.caplen = (uint32_t)(len - left),
		.len = (uint32_t)len,
	};
	out[0] = (struct iovec){ &h, sizeof(h) };

	written = writev(pcap.fd, out, (int)o);
	if (written == (ssize_t)(sizeof(h) + h.caplen))
		return;
	if (!pcap.regular && written > 0) {
		keep_rest(out, (size_t)written, sizeof(h) + h.caplen);
	} else if (pcap.regular || errno != EAGAIN) {
		if (written >= 0)
			errno = ENOSPC;
		give_up("cannot write frame");
	}
}

void pcap_flush(void)
{
	if (!pcap_on())
		return;
	(void)write_rest();
	if (!pcap_on())
		return;
	close(pcap.fd);
	pcap.fd = -1;
}
