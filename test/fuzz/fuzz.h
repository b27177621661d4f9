/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz.h - what the fuzz targets share
 *
 * A target is one file, test/fuzz/NAME.c, with LLVMFuzzerTestOneInput(). With
 * clang it is linked with libFuzzer (make fuzz); with any compiler it is linked
 * with replay.c, which runs it over test/fuzz/corpus/NAME/ and over inputs
 * derived from those (make check). Whatever is not as it should be ends the
 * process by abort(); nothing may be left over for the next input.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tap.h"
#include "hdr.h"
#include "tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs that `make check` derives from the corpus; a target that needs little
 * time for each may have more of them */
extern const unsigned fuzz_mutations __attribute__((weak));

#define FUZZ_CHECK(cond)						\
	do {								\
		if (!(cond))						\
			fuzz_failed(__FILE__, __LINE__, #cond);		\
	} while (0)

static inline _Noreturn void fuzz_failed(const char *file, int line,
					 const char *what)
{
	fprintf(stderr, "%s:%i: does not hold: %s\n", file, line, what);
	abort();
}

/* What is left of the input. Beyond its end there are zeros, so a target need
 * not ask; done() says when to stop */
struct in {
	const uint8_t *p;
	size_t left;
};

static inline bool in_done(const struct in *in)
{
	return !in->left;
}

static inline uint8_t in_u8(struct in *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint16_t in_u16(struct in *in)
{
	uint16_t hi = in_u8(in);

	return (uint16_t)(hi << 8 | in_u8(in));
}

static inline uint32_t in_u32(struct in *in)
{
	uint32_t hi = in_u16(in);

	return hi << 16 | in_u16(in);
}

/* in_take() - Up to @n bytes where they lie; *@n is how many there are */
static inline const uint8_t *in_take(struct in *in, size_t *n)
{
	const uint8_t *p = in->p;

	if (*n > in->left)
		*n = in->left;
	in->p += *n;
	in->left -= *n;
	return p;
}

/* fuzz_dup() - A copy that ends where its memory does, and has a NUL there if
 * @text */
static inline void *fuzz_dup(const void *p, size_t n, bool text)
{
	char *copy = malloc(n + (text || !n));

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	if (text)
		copy[n] = '\0';
	return copy;
}

/*
 * fuzz_arrives() - A frame as the port gives it, in pieces of @elem bytes (0:
 * one) that are each memory of its own; to be ended by tap_done(1)
 */
static inline enum hdr_verdict fuzz_arrives(struct pkt *p, const void *frame,
					    size_t len, size_t elem)
{
	struct tap_frame f;
	enum hdr_verdict v;

	fake_knobs()->rx_elem = elem;
	if (!fake_push(frame, len, 0) || tap_recv(&f, 1) != 1)
		abort();
	v = hdr_parse(p, f.iov, f.len);
	p->gso_size = 0;
	return v;
}

#endif /* FUZZ_H */
