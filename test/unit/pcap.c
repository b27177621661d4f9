// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pcap.c (unit) - the capture file, alone and behind the port
 */
#include "pcap.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_tap.h"
#include "log.h"
#include "port_contract.h"

static char path[] = "/tmp/pcap-test-XXXXXX";
static char file[65536];

static uint32_t word(size_t at)
{
	uint32_t v;

	memcpy(&v, file + at, sizeof(v));
	return v;
}

/* A reader that stops reading for a while misses frames, and nothing else */
static void slow_reader(void)
{
	static uint8_t data[5000];
	struct iovec iov = { data, sizeof(data) };
	size_t have = 0, at, whole = 0;
	int rd, i, odd = 0;
	uint32_t len;
	ssize_t n;

	group("a FIFO: nobody waits for its reader, who gets whole records");
	EXPECT_EQ(mkfifo(path, 0600), 0);
	rd = open(path, O_RDONLY | O_NONBLOCK);
	pcap_open(path);
	EXPECT(pcap_on());
	alarm(20);
	for (i = 0; i < 100; i++)
		pcap_frame(&iov, 1, 1000 + 37 * (size_t)i);
	EXPECT(pcap_on());
	for (i = 0; i < 200; i++) {		/* read by 300 bytes, from here */
		n = read(rd, file + have, 300);
		have += n > 0 ? (size_t)n : 0;
		pcap_frame(&iov, 1, 4000);
	}
	while (have < sizeof(file) &&
	       (n = read(rd, file + have, sizeof(file) - have)) > 0)
		have += (size_t)n;
	pcap_flush();
	for (at = 24; at + 16 < have; at += 16 + len) {
		len = word(at + 8);
		odd += len != word(at + 12) || len < 1000 || len > 4663;
		whole += at + 16 + len <= have;
	}
	EXPECT(!odd && whole > 10);
	close(rd);
	alarm(0);
	unlink(path);
}

/* A file that may become no longer: the reason is told */
static void full(void)
{
	static uint8_t data[5000];
	struct iovec iov = { data, sizeof(data) };
	struct rlimit old, low;

	group("a file that is full ends the capture");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = 8192;
	pcap_open(path);
	setrlimit(RLIMIT_FSIZE, &low);
	pcap_frame(&iov, 1, 5000);
	EXPECT(pcap_on());
	pcap_frame(&iov, 1, 5000);
	EXPECT(!pcap_on());
	setrlimit(RLIMIT_FSIZE, &old);
	unlink(path);
}

int main(void)
{
	uint8_t a[14] = { 1, 2, 3 }, b[100] = { 9 }, buf[512];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct tap_frame f[4];
	struct tap_slot s[4];
	struct stat st;
	int i, fd = mkstemp(path);
	size_t at;

	close(fd);
	unlink(path);
	log_to_stderr(false);

	group("off until opened");
	EXPECT(!pcap_on());
	pcap_frame(iov, 2, 114);

	group("a file that cannot be made is no reason to stop");
	pcap_open("/nonexistent/file");
	EXPECT(!pcap_on());

	group("header, mode, frames");
	pcap_open(path);
	EXPECT(pcap_on());
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	pcap_frame(iov, 2, 114);
	pcap_frame(iov, 2, 50);			/* not all of the elements */
	EXPECT_EQ(read_file(path, file, sizeof(file)),
		  24 + 16 + 114 + 16 + 50);
	EXPECT_EQ(word(0), 0xa1b2c3d4);
	EXPECT_EQ(word(4), 2 | 4 << 16);
	EXPECT_EQ(word(8) | word(12), 0);
	EXPECT_EQ(word(16), 65535);
	EXPECT_EQ(word(20), 1);
	EXPECT(word(24) > 1600000000 && word(28) < 1000000);
	EXPECT_EQ(word(32), 114);
	EXPECT_EQ(word(36), 114);
	EXPECT_MEM(file + 40, a, sizeof(a));
	EXPECT_MEM(file + 54, b, sizeof(b));
	EXPECT_EQ(word(40 + 114 + 8), 50);
	pcap_flush();
	EXPECT(!pcap_on());

	group("what passes the port: both ways, joined slots in one, accepted");
	pcap_open(path);
	fake_reset();
	tap_attach(&fake_tap_ops);
	memset(buf, 7, sizeof(buf));
	EXPECT(fake_push(buf, 60, 0));
	EXPECT_EQ(tap_recv(f, 4), 1);
	tap_done(1);
	fake_knobs()->accept = 3;
	EXPECT_EQ(tap_reserve(s, 4, HDR_ROOM, 100), 4);
	for (i = 0; i < 4; i++) {
		contract_fill(&s[i], (uint8_t)i, 100);
		s[i].join = i == 1;
	}
	s[1].hdrlen = 0;
	EXPECT_EQ(tap_commit(s, 4, 4, false), 3);
	EXPECT_EQ(read_file(path, file, sizeof(file)),
		  24 + 3 * 16 + 60 + 214 + 114);
	at = 24;
	EXPECT_EQ(word(at + 8), 60);
	EXPECT_MEM(file + at + 16, buf, 60);
	at += 16 + 60;
	EXPECT_EQ(word(at + 8), 214);
	EXPECT(contract_same((uint8_t *)file + at + 16, 114, 0, 100));
	EXPECT_EQ((uint8_t)file[at + 16 + 114], contract_byte(1, 0));
	at += 16 + 214;
	EXPECT(contract_same((uint8_t *)file + at + 16, 114, 2, 100));

	group("a full disk ends the capture, not the program");
	pcap_open("/dev/full");
	EXPECT(!pcap_on());
	unlink(path);
	slow_reader();
	full();
	fake_reset();
	return done();
}
