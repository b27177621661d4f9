// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replay.c - main() of a fuzz target without libFuzzer
 *
 *	NAME [FILE|DIRECTORY]...
 *
 * Runs the target over files, by default those of its corpus, then over inputs
 * that are derived from them: always the same ones, as the generator starts
 * from the same number. So `make check` finds with any compiler what is not
 * buried deep. FUZZ_MUTATIONS says how many; FUZZ_SEED starts elsewhere. An
 * input that ends the process is left in NAME.crash beside the program.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define MUTATIONS	3000		/* if the target has no other idea */
#define SIZE_MAX_	8192		/* of a derived input */
#define FILES_MAX	2048

#ifndef FUZZ_CORPUS
#define FUZZ_CORPUS	"test/fuzz/corpus"
#endif

struct input {
	uint8_t *p;
	size_t len;
};

static struct {
	struct input file[FILES_MAX];
	unsigned n;
	uint64_t seed;
	const char *self;
	const uint8_t *now;		/* what is being run */
	size_t len;
} replay;

void __sanitizer_set_death_callback(void (*fn)(void))
	__attribute__((weak));

/* The sanitizer, or a signal, is about to end us: keep what did it */
static void keep(void)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s.crash", replay.self) >=
	    (int)sizeof(path))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, replay.now, replay.len) < 0)
		return;
	close(fd);
	fprintf(stderr, "The input is in %s\n", path);
}

static void on_signal(int sig)
{
	keep();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const uint8_t *p, size_t len)
{
	uint8_t *copy = fuzz_dup(p, len, false);

	replay.now = copy;
	replay.len = len;
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

/* ---------------------------------------------------------------- files */

static bool load(const char *path)
{
	struct input *in = &replay.file[replay.n];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    replay.n == FILES_MAX)
		return false;
	in->p = malloc((size_t)st.st_size + 1);
	if (!in->p || read(fd, in->p, (size_t)st.st_size) != st.st_size)
		return false;
	in->len = (size_t)st.st_size;
	close(fd);
	replay.n++;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_dir(const char *path)
{
	struct dirent **e;
	int i, n = scandir(path, &e, NULL, by_name);
	char name[4096];

	for (i = 0; i < n; i++) {
		if (*e[i]->d_name != '.' &&
		    snprintf(name, sizeof(name), "%s/%s", path, e[i]->d_name) <
		    (int)sizeof(name))
			load(name);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
}

static void load_all(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char corpus[4096];
	struct stat st;
	int i;

	snprintf(corpus, sizeof(corpus), "%s/%s", FUZZ_CORPUS,
		 slash ? slash + 1 : argv[0]);
	if (argc < 2)
		load_dir(corpus);
	for (i = 1; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			load_dir(argv[i]);
		else if (!load(argv[i]))
			perror(argv[i]);
	}
}

/* ---------------------------------------------------------------- deriving */

/* xorshift64* (Marsaglia) */
static uint32_t rnd(uint32_t below)
{
	replay.seed ^= replay.seed >> 12;
	replay.seed ^= replay.seed << 25;
	replay.seed ^= replay.seed >> 27;
	return (uint32_t)((replay.seed * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static size_t cut_and_paste(uint8_t *b, size_t len)
{
	const struct input *from = &replay.file[rnd(replay.n)];
	size_t at = rnd((uint32_t)len + 1), n, skip;

	if (!from->len)
		return len;
	skip = rnd((uint32_t)from->len);
	n = 1 + rnd((uint32_t)(from->len - skip));
	if (n > SIZE_MAX_ - at)
		n = SIZE_MAX_ - at;
	memcpy(b + at, from->p + skip, n);
	return at + n > len ? at + n : len;
}

/* One change, of a kind that breaks parsers */
static size_t change(uint8_t *b, size_t len)
{
	static const uint8_t odd[] = { 0, 1, 2, 4, 7, 8, 0x7f, 0x80, 0xfe, 255 };
	size_t at, n;

	if (!len)
		return cut_and_paste(b, len);
	at = rnd((uint32_t)len);
	switch (rnd(8)) {
	case 0:
		b[at] ^= (uint8_t)(1U << rnd(8));
		return len;
	case 1:
		b[at] = odd[rnd(sizeof(odd))];
		return len;
	case 2:
		b[at] = (uint8_t)rnd(256);
		return len;
	case 3:
		b[at] = (uint8_t)(b[at] + rnd(9) - 4);
		return len;
	case 4:				/* shorter */
		return at;
	case 5:				/* without some in the middle */
		n = 1 + rnd((uint32_t)(len - at));
		memmove(b + at, b + at + n, len - at - n);
		return len - n;
	case 6:				/* some of it twice */
		n = 1 + rnd((uint32_t)(len - at));
		if (n > SIZE_MAX_ - len)
			return len;
		memmove(b + at + n, b + at, len - at);
		return len + n;
	default:
		return cut_and_paste(b, len);
	}
}

static void derive(unsigned long n)
{
	static uint8_t b[SIZE_MAX_];
	unsigned changes;
	size_t len;

	for (; n && replay.n; n--) {
		const struct input *in = &replay.file[rnd(replay.n)];

		len = in->len < sizeof(b) ? in->len : sizeof(b);
		memcpy(b, in->p, len);
		for (changes = 1 + rnd(6); changes; changes--)
			len = change(b, len);
		run(b, len);
	}
}

static unsigned long number(const char *variable, unsigned long otherwise)
{
	const char *s = getenv(variable);

	return s && *s ? strtoul(s, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	static const int deadly[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	unsigned long n = &fuzz_mutations ? fuzz_mutations : MUTATIONS;
	unsigned i;

	n = number("FUZZ_MUTATIONS", argc > 1 ? 0 : n);
	replay.self = argv[0];
	replay.seed = number("FUZZ_SEED", 1) * 0x9e3779b97f4a7c15ULL | 1;
	load_all(argc, argv);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep);
	else
		for (i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
			signal(deadly[i], on_signal);

	run((const uint8_t *)"", 0);
	for (i = 0; i < replay.n; i++)
		run(replay.file[i].p, replay.file[i].len);
	printf("%sok 1 - %u files\n", replay.n ? "" : "not ", replay.n);
	fflush(stdout);
	derive(n);
	printf("ok 2 - %lu inputs derived from them\n1..2\n", n);
	return replay.n ? EXIT_SUCCESS : EXIT_FAILURE;
}
