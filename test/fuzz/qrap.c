// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qrap.c - QEMU's command line before and after our network is in it: no more
 * words than there is room for, each one the caller's or ours, and done once
 *
 * Input: the words, each ended by a NUL or a line feed.
 */
#include "fuzz.h"

#include "qrap_args.h"

#define WORDS_MAX	64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const arch[] = { "x86_64", "aarch64", "" };
	char *text = fuzz_dup(data, size, true), *p = text;
	char *word[WORDS_MAX + 1], **line;
	const char **out, *why;
	int n = 0, m;

	for (; n < WORDS_MAX && p < text + size; n++) {
		word[n] = p;
		p += strcspn(p, "\n");
		*p++ = '\0';
	}
	if (!n) {			/* a command line begins with a name */
		free(text);
		return 0;
	}
	word[n] = NULL;
	line = fuzz_dup(word, ((size_t)n + 1) * sizeof(*word), false);
	out = malloc(((size_t)n + QRAP_ADDED + 1) * sizeof(*out));
	if (!out)
		abort();

	qrap_args_idle(n, line);
	qrap_args_done(n, line);
	why = qrap_args_edit(out, n, line, arch[size % 3]);
	if (why) {
		FUZZ_CHECK(*why);
	} else {
		for (m = 0; out[m]; m++)
			FUZZ_CHECK(m < n + QRAP_ADDED);
		FUZZ_CHECK(m <= n + QRAP_ADDED);
		line = realloc(line, ((size_t)m + 1) * sizeof(*line));
		if (!line)
			abort();
		for (n = 0; n <= m; n++)
			line[n] = (char *)(uintptr_t)out[n];
		FUZZ_CHECK(qrap_args_done(m, line));
	}
	free(out);
	free(line);
	free(text);
	return 0;
}
