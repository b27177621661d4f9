// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qrap_args.c - QEMU's command line before and after
 *
 * A table of both, in words between blanks; "~" is a blank inside of a word.
 */
#include "qrap_args.h"

#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "util.h"

#define WORDS_MAX	64
#define X		"x86_64"

#define NET		"-netdev socket,fd=5,id=hostnet0"
#define TAIL		",netdev=hostnet0,x-txburst=4096"
#define PC(slot)	NET " -device virtio-net-pci,bus=pci.0,addr=0x" slot TAIL
#define Q35(bus)	"-device virtio-net-pci,bus=pci." bus ",addr=0x0" TAIL
#define PORT(bus)	"-device pcie-root-port,id=pci." bus ",chassis=" bus
#define CCW(no)		NET " -device virtio-net-ccw,devno=fe.0." no TAIL
#define OTHER		"-device virtio-net-pci" TAIL
#define ND		" -nodefaults"

static const struct row {
	const char *arch, *before, *after;
} table[] = {
	/* Where no machine is named */
	{ X, "", PC("3") },
	{ "i386", "disk.img", PC("3") " disk.img" },
	{ "s390x", "-m 1G", CCW("0001") " -m 1G" },
	{ "aarch64", "-m 1G", NET " -m 1G " OTHER },
	{ "ppc64", "", NET " " OTHER },
	{ X, "-machine accel=kvm", PC("3") " -machine accel=kvm" },

	/* The default graphics card */
	{ X, "-nodefaults", PC("2") ND },
	{ X, "--nodefaults", PC("2") " --nodefaults" },
	{ X, "-vga none", PC("2") " -vga none" },
	{ X, "-vga std", PC("3") " -vga std" },
	{ X, "-nodefaults -vga std", PC("3") ND " -vga std" },
	{ X, "-vga std -vga none", PC("2") " -vga std -vga none" },

	/* Forms of -machine; the last one counts */
	{ "s390x", "-nodefaults -machine pc", PC("2") ND " -machine pc" },
	{ "s390x", "-nodefaults -M pc-i440fx-5.2",
	  PC("2") ND " -M pc-i440fx-5.2" },
	{ "s390x", "-nodefaults --machine pc-1.0,accel=kvm,usb=off",
	  PC("2") ND " --machine pc-1.0,accel=kvm,usb=off" },
	{ X, "-machine pc-q35-5.2,accel=kvm",
	  NET " -machine pc-q35-5.2,accel=kvm " PORT("3") " " Q35("3") },
	{ X, "-M q35", NET " -M q35 " PORT("3") " " Q35("3") },
	{ X, "-machine accel=tcg,type=q35",
	  NET " -machine accel=tcg,type=q35 " PORT("3") " " Q35("3") },
	{ X, "-machine type=s390-ccw-virtio",
	  CCW("0001") " -machine type=s390-ccw-virtio" },
	{ X, "-M s390-ccw-virtio-5.2,accel=tcg",
	  CCW("0001") " -M s390-ccw-virtio-5.2,accel=tcg" },
	{ X, "-M {\"type\":\"q35\"}",
	  NET " -M {\"type\":\"q35\"} " PORT("3") " " Q35("3") },
	{ X, "-M q35 -machine pc -machine accel=kvm -nodefaults",
	  PC("2") " -M q35 -machine pc -machine accel=kvm -nodefaults" },
	{ X, "-M virt", NET " -M virt " OTHER },
	{ X, "-M pcx", NET " -M pcx " OTHER },

	/* What goes */
	{ X, "-nodefaults -net none", PC("2") ND },
	{ X, "-net nic,model=e1000 -nodefaults -net user", PC("2") ND },
	{ X, "-nodefaults --netdev user,id=hostnet0", PC("2") ND },
	{ X, "-nodefaults -nic user,model=virtio", PC("2") ND },
	{ X, "-nodefaults -netdev {\"type\":\"tap\",\"id\":\"n\"}",
	  PC("2") ND },
	{ X, "-nodefaults -device virtio-net-pci,netdev=n", PC("2") ND },
	{ X, "-nodefaults -device virtio-net-ccw,netdev=n", PC("2") ND },
	{ X, "-nodefaults -device e1000", PC("2") ND },
	{ X, "-nodefaults -device e1000e,netdev=n", PC("2") ND },
	{ X, "-nodefaults --device rtl8139,netdev=n", PC("2") ND },
	{ X, "-nodefaults -device netdev=n,driver=rtl8139", PC("2") ND },
	{ X, "-nodefaults -device vmxnet3,netdev=n", PC("2") ND },
	{ X, "-nodefaults -device "
	     "{\"driver\":\"virtio-net-pci\",\"netdev\":\"n\"}", PC("2") ND },
	{ X, "-nodefaults -device {~'id':~'a',~'driver'~:~'e1000'~}",
	  PC("2") ND },
	{ X, "-nodefaults -device {\"x\":{\"driver\":\"y\"},\"l\":[1,\"driver\","
	     "{}],\"driver\":\"e1000e\"}", PC("2") ND },
	{ X, "-a -netdev user,id=a -device e1000,netdev=a -nodefaults "
	     "-netdev user,id=b -device rtl8139,netdev=b -b",
	  PC("2") " -a -nodefaults -b" },

	{ X, "-nodefaults -device a,driver=e1000", PC("2") ND },

	/* What stays */
	{ X, "-nodefaults -device {\"a\":\"driver\"\"e1000\"}",
	  PC("2") ND " -device {\"a\":\"driver\"\"e1000\"}" },
	{ X, "-nodefaults -device a,e1000", PC("2") ND " -device a,e1000" },
	{ X, "-nodefaults -device {\"driver\":[\"e1000\"],\"b\":1}",
	  PC("2") ND " -device {\"driver\":[\"e1000\"],\"b\":1}" },
	{ X, "-nodefaults -device {\"a\":\"driver\",\"b\":\"e1000\"}",
	  PC("2") ND " -device {\"a\":\"driver\",\"b\":\"e1000\"}" },
	{ X, "-nodefaults -device e1000x", PC("2") ND " -device e1000x" },
	{ X, "-nodefaults -device e100", PC("2") ND " -device e100" },
	{ X, "-nodefaults -device a,id=e1000",
	  PC("2") ND " -device a,id=e1000" },
	{ X, "-nodefaults -device {\"driver\":\"a\",\"id\":\"e1000\"}",
	  PC("2") ND " -device {\"driver\":\"a\",\"id\":\"e1000\"}" },
	{ X, "-nodefaults -device {\"a\":{\"driver\":\"e1000\"}}",
	  PC("2") ND " -device {\"a\":{\"driver\":\"e1000\"}}" },
	{ X, "-nodefaults -device {\"driver\":null,\"a\":\"e1000\"}",
	  PC("2") ND " -device {\"driver\":null,\"a\":\"e1000\"}" },
	{ X, "-nodefaults -device a,b=x,,netdev=y",
	  PC("2") ND " -device a,b=x,,netdev=y" },
	{ X, "-nodefaults -append -net -name -netdev -m 1",
	  PC("2") ND " -append -net -name -netdev -m 1" },
	{ X, "-nodefaults -networks x - -- -", PC("2") ND " -networks x - -- -" },
	{ X, "-nodefaults -netdev", PC("2") ND " -netdev" },
	{ X, "-nodefaults -device", PC("2") ND " -device" },
	{ X, "-nodefaults -device {", PC("2") ND " -device {" },
	{ X, "-nodefaults -device {\"driver", PC("2") ND " -device {\"driver" },
	{ X, "-nodefaults -device {'driver':'e1000\\",
	  PC("2") ND " -device {'driver':'e1000\\" },

	/* Slots: taken by those who stay only, on this bus only */
	{ X, "-nodefaults -device a,bus=pci.0,addr=0x2",
	  PC("3") ND " -device a,bus=pci.0,addr=0x2" },
	{ X, "-nodefaults -device a,addr=2 -device b,addr=0x3.0x1",
	  PC("4") ND " -device a,addr=2 -device b,addr=0x3.0x1" },
	{ X, "-nodefaults -device a,addr=0x3 -device b,bus=pci.1,addr=0x2",
	  PC("2") ND " -device a,addr=0x3 -device b,bus=pci.1,addr=0x2" },
	{ X, "-nodefaults -device e1000,addr=0x2", PC("2") ND },
	{ X, "-device a,addr=0x4 -device b,addr=3",
	  PC("5") " -device a,addr=0x4 -device b,addr=3" },
	{ X, "-nodefaults -device {\"driver\":\"a\",\"addr\":\"0x2\"}",
	  PC("3") ND " -device {\"driver\":\"a\",\"addr\":\"0x2\"}" },
	{ X, "-nodefaults -device {\"addr\":\"2.1\",\"bus\":\"pci.0\"}",
	  PC("3") ND " -device {\"addr\":\"2.1\",\"bus\":\"pci.0\"}" },
	{ X, "-nodefaults -device {\"driver\":\"a\",\"addr\":17}",
	  PC("3") ND " -device {\"driver\":\"a\",\"addr\":17}" },
	{ X, "-nodefaults -device {\"driver\":\"a\",\"addr\":2}",
	  PC("2") ND " -device {\"driver\":\"a\",\"addr\":2}" },
	{ X, "-nodefaults -device a,addr=2 -device a,addr=3 -device a,addr=4 "
	     "-device a,addr=5 -device a,addr=6 -device a,addr=7 "
	     "-device a,addr=8 -device a,addr=9",
	  PC("a") ND " -device a,addr=2 -device a,addr=3 -device a,addr=4 "
	  "-device a,addr=5 -device a,addr=6 -device a,addr=7 "
	  "-device a,addr=8 -device a,addr=9" },
	{ X, "-nodefaults -device a,addr=0x2g -device a,addr=99999999999999999 "
	     "-device a,addr=-2 -device a,addr= -device a,addr=0x20",
	  PC("2") ND " -device a,addr=0x2g -device a,addr=99999999999999999 "
	  "-device a,addr=-2 -device a,addr= -device a,addr=0x20" },

	/* Buses */
	{ X, "-M q35 -device pcie-root-port,id=pci.3",
	  NET " -M q35 -device pcie-root-port,id=pci.3 " Q35("3") },
	{ X, "-M q35 -device p,id=pci.3 -device p,id=pci.4 "
	     "-device a,bus=pci.3,addr=0x0",
	  NET " -M q35 -device p,id=pci.3 -device p,id=pci.4 "
	  "-device a,bus=pci.3,addr=0x0 " Q35("4") },
	{ X, "-M q35 -device a,bus=pci.3 -device a,bus=pci.5",
	  NET " -M q35 -device a,bus=pci.3 -device a,bus=pci.5 " PORT("4") " "
	  Q35("4") },
	{ X, "-M q35 -device a,bus=pci.1 -device a,bus=pci.2 -device a,bus=pci.",
	  NET " -M q35 -device a,bus=pci.1 -device a,bus=pci.2 "
	  "-device a,bus=pci. " PORT("3") " " Q35("3") },
	{ X, "-M q35 -device {\"driver\":\"p\",\"id\":\"pci.4\"} "
	     "-device {\"driver\":\"a\",\"bus\":\"pci.3\",\"addr\":\"0x0\"}",
	  NET " -M q35 -device {\"driver\":\"p\",\"id\":\"pci.4\"} -device "
	  "{\"driver\":\"a\",\"bus\":\"pci.3\",\"addr\":\"0x0\"} " Q35("4") },
	{ X, "-M q35 -device {\"driver\":\"e1000e\",\"bus\":\"pci.3\"}",
	  NET " -M q35 " PORT("3") " " Q35("3") },

	/* Device numbers */
	{ X, "-M s390-ccw-virtio -device a,devno=fe.0.0001",
	  CCW("0002") " -M s390-ccw-virtio -device a,devno=fe.0.0001" },
	{ X, "-M s390-ccw-virtio -device a,devno=fe.0.0002",
	  CCW("0001") " -M s390-ccw-virtio -device a,devno=fe.0.0002" },
	{ "s390x", "-device {\"driver\":\"a\",\"devno\":\"fe.0.0001\"} "
		   "-device a,devno=fe.1.0002 "
		   "-device virtio-net-ccw,devno=fe.0.0003",
	  CCW("0002") " -device {\"driver\":\"a\",\"devno\":\"fe.0.0001\"} "
	  "-device a,devno=fe.1.0002" },

	{ "s390x", "-device a,devno=fe.0.1 -device a,devno=fe.0.2 -device "
		   "a,devno=fe.0.3 -device a,devno=fe.0.4 -device a,devno=fe.0.5 "
		   "-device a,devno=fe.0.6 -device a,devno=fe.0.7 -device "
		   "a,devno=fe.0.8 -device a,devno=fe.0.9",
	  CCW("000a") " -device a,devno=fe.0.1 -device a,devno=fe.0.2 -device "
	  "a,devno=fe.0.3 -device a,devno=fe.0.4 -device a,devno=fe.0.5 "
	  "-device a,devno=fe.0.6 -device a,devno=fe.0.7 -device "
	  "a,devno=fe.0.8 -device a,devno=fe.0.9" },

	/* The MAC address that the guest had */
	{ X, "-nodefaults -device e1000,mac=52:54:00:aA:bb:01,netdev=n "
	     "-device e1000,mac=52:54:00:00:00:02",
	  PC("2") ",mac=52:54:00:aA:bb:01" ND },
	{ X, "-nodefaults -net nic,macaddr=52:54:00:00:00:01",
	  PC("2") ",mac=52:54:00:00:00:01" ND },
	{ X, "-M q35 -device {\"driver\":\"e1000\",\"mac\":\"52:54:00:00:00:01\"}",
	  NET " -M q35 " PORT("3") " " Q35("3") ",mac=52:54:00:00:00:01" },
	{ X, "-nodefaults -device e1000,mac=52:54:00:00:00:0g "
	     "-device e1000,mac=52:54:00:00:00 -device e1000,mac= "
	     "-device e1000,mac=52-54-00-00-00-01 "
	     "-device e1000,mac=52:54:00:00:00:01:02", PC("2") ND },
	{ X, "-nodefaults -device a,mac=52:54:00:00:00:01",
	  PC("2") ND " -device a,mac=52:54:00:00:00:01" },
};

/* Split at blanks, in place. Return: number of words, argv[0] included */
static int split(char *text, char **argv)
{
	int n = 1;
	char *s;

	argv[0] = text + strlen(text);
	for (s = strtok(text, " "); s; s = strtok(NULL, " ")) {
		char *c;

		for (c = s; (c = strchr(c, '~')); )
			*c = ' ';
		if (n < WORDS_MAX)
			argv[n++] = s;
	}
	return n;
}

static void edits(void)
{
	char before[1024], after[1024];
	unsigned i;

	group("before and after");
	for (i = 0; i < ARRAY_LEN(table); i++) {
		const char *out[WORDS_MAX + QRAP_ADDED + 1];
		char *in[WORDS_MAX], *want[WORDS_MAX];
		int n, m, j;

		EXPECT(str_copy(before, sizeof(before), table[i].before));
		EXPECT(str_copy(after, sizeof(after), table[i].after));
		n = split(before, in);
		m = split(after, want);
		out[0] = NULL;
		if (!EXPECT(!qrap_args_edit(out, n, in, table[i].arch)))
			continue;
		EXPECT(out[0] == in[0]);
		for (j = 1; j < m && out[j]; j++) {
			if (!EXPECT_STR(out[j], want[j]))
				printf("# row: %s\n", table[i].before);
		}
		if (!EXPECT(j == m && !out[j]))
			printf("# row: %s\n", table[i].before);
	}
}

static bool idle(const char *text)
{
	char buf[256], *argv[WORDS_MAX];

	EXPECT(str_copy(buf, sizeof(buf), text));
	return qrap_args_idle(split(buf, argv), argv);
}

static void idles(void)
{
	static const char *const yes[] = {
		"-h", "-help", "--help", "-version", "-m 1 --version",
		"-machine none", "-M none,accel=kvm", "-M accel=kvm,type=none",
		"-S -nodefaults -machine none,accel=kvm:tcg -daemonize",
		"-machine help", "-M ?", "-device help", "-device e1000,help",
		"-device e1000,?", "-cpu help", "-netdev help", "-m 1 -cpu ?",
		"-machine pc,help", "-accel tcg,help",
	};
	static const char *const no[] = {
		"", "help", "-m 1 help", "-name help", "-append -help",
		"-append help x", "-name -version", "-drive file=help",
		"-M pc,kernel=none", "-device none", "-device a,b=help", "-machine",
		"-M pc", "-cpu max", "-h1",
	};
	unsigned i;

	group("no guest will run");
	for (i = 0; i < ARRAY_LEN(yes); i++) {
		if (!EXPECT(idle(yes[i])))
			printf("# %s\n", yes[i]);
	}
	for (i = 0; i < ARRAY_LEN(no); i++) {
		if (!EXPECT(!idle(no[i])))
			printf("# %s\n", no[i]);
	}
}

static bool is_done(const char *text)
{
	char buf[256], *argv[WORDS_MAX];

	EXPECT(str_copy(buf, sizeof(buf), text));
	return qrap_args_done(split(buf, argv), argv);
}

static void again(void)
{
	group("edited before");
	EXPECT(is_done("-m 1 " NET));
	EXPECT(is_done("-netdev a -enable-kvm " NET " -x"));
	EXPECT(!is_done("-m 1 -netdev socket,fd=6,id=hostnet0"));
	EXPECT(!is_done("-m 1 -append " NET));
	EXPECT(!is_done("-netdev"));
	EXPECT(!is_done(""));
}

#define MANY	70000

/* Devices that are @kind with a number behind, one for each */
static const char *full(const char *kind, unsigned from, unsigned to,
			const char *arch)
{
	static const char *out[2 * MANY + QRAP_ADDED + 4];
	static char text[MANY][32], *argv[2 * MANY + 3];
	static char name[] = "q", machine[] = "-M", q35[] = "q35",
		    device[] = "-device";
	int n = 0;

	argv[n++] = name;
	if (strstr(kind, "bus")) {
		argv[n++] = machine;
		argv[n++] = q35;
	}
	for (; from <= to; from++) {
		if (strstr(kind, "bus"))
			snprintf(text[from], 32, "%s%u", kind, from);
		else
			snprintf(text[from], 32, "%s%x", kind, from);
		argv[n++] = device;
		argv[n++] = text[from];
	}
	out[0] = NULL;
	return qrap_args_edit(out, n, argv, arch);
}

static void many(void)
{
	const char *s;

	group("nothing is free");
	s = full("a,addr=", 2, 30, X);
	EXPECT(!s);
	s = full("a,addr=", 2, 31, X);
	EXPECT(s && strstr(s, "pci.0"));
	s = full("a,bus=pci.", 1, 254, X);
	EXPECT(!s);
	s = full("a,bus=pci.", 1, 300, X);
	EXPECT(s && strstr(s, "pci.3"));
	s = full("a,devno=fe.0.", 1, 65534, "s390x");
	EXPECT(!s);
	s = full("a,devno=fe.0.", 1, MANY - 1, "s390x");
	EXPECT(s && strstr(s, "number"));
}

/* The text ends at the end of a page, before one that nobody may touch: each
 * beginning of words that matter, and such with each byte made a special one */
static void ends(void)
{
	static const char *const words[] = {
		"{\"driver\":\"e1000\",\"addr\":\"0x2\",\"a\":[{}]}",
		"{'driver':'a\\'b','addr':17,'mac':'52:54:00:00:00:01'}",
		"e1000,,x=,netdev=a,addr=0x2.1,mac=52:54:00:00:00:01",
	};
	static const char special[] = "\"'\\{}[]:,=~0\x80";
	static char name[] = "q", device[] = "-device", m[] = "-M";
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i, n, at, c;
	const char *out[16];
	char *map;

	group("ends of words");
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + page, page, PROT_NONE))
		abort();
	for (i = 0; i < ARRAY_LEN(words); i++) {
		for (n = 0; n <= strlen(words[i]); n++) {
			char *s = map + page - n - 1;
			char *argv[] = { name, device, s, m, s, device, s };

			memcpy(s, words[i], n);
			s[n] = '\0';
			for (at = 0; at < n; at++) {
				for (c = 0; c < sizeof(special); c++) {
					s[at] = special[c];
					EXPECT(!qrap_args_edit(out, 7, argv,
							       X));
					(void)qrap_args_idle(7, argv);
				}
				s[at] = words[i][at];
			}
		}
	}
}

/* A word as long as the kernel takes */
static void long_word(void)
{
	static char word[128 << 10], name[] = "q", device[] = "-device";
	char *argv[] = { name, device, word };
	const char *out[16];

	group("long words");
	memset(word, 'a', sizeof(word) - 1);
	EXPECT(!qrap_args_edit(out, 3, argv, X) && out[6] == word);
	memcpy(word, "a,addr=2", 8);
	memset(word + 8, '2', sizeof(word) - 9);
	EXPECT(!qrap_args_edit(out, 3, argv, X) && out[6] == word);
	memset(word, ',', sizeof(word) - 1);
	EXPECT(!qrap_args_edit(out, 3, argv, X) && out[6] == word);
	memset(word, '{', sizeof(word) - 1);
	EXPECT(!qrap_args_edit(out, 3, argv, X) && out[6] == word);
}

int main(void)
{
	edits();
	idles();
	again();
	many();
	ends();
	long_word();
	return done();
}
