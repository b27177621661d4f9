/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util.h - numbers, bits, strings and whole files; nothing of the network
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* For arrays of every turn or frame, of which nobody reads more than was filled:
 * the compiler clears all others first (see ZEROED in the Makefile), but these
 * are kilobytes. It took 15 to 55 ns each, 0.1 us of a turn in all */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define not_cleared	__attribute__((uninitialized))
#endif
#endif
#ifndef not_cleared
#define not_cleared
#endif

#define printf_like(fmt, args)	__attribute__((format(printf, fmt, args)))

/**
 * parse_u64() - Read a number that must fill the whole word
 * @s:		text, without blanks or sign
 * @base:	10, or 0 to accept 0x and leading-0 forms too
 * @min, @max:	accepted range, both inclusive
 * @out:	set only on success
 *
 * Return: false on junk, overflow or out of range
 */
bool parse_u64(const char *s, int base, uint64_t min, uint64_t max,
	       uint64_t *out);

/**
 * str_copy() - Copy a string, always terminated
 * Return: false if it did not fit (@dst then holds the truncated text)
 */
bool str_copy(char *dst, size_t size, const char *src);

/**
 * read_file() - Read a whole (small) file or the first @size - 1 bytes of it
 * @buf:	filled and NUL-terminated
 * Return: bytes read, or -errno
 */
ssize_t read_file(const char *path, char *buf, size_t size);

/* write_file() - Write @text to an existing file in one call; 0 or -errno */
int write_file(const char *path, const char *text);

/* write_all() - Write all of @len bytes, retrying on EINTR; 0 or -errno */
int write_all(int fd, const void *data, size_t len);

static inline void bit_set(uint8_t *map, unsigned i)
{
	map[i / 8] |= (uint8_t)(1U << (i % 8));
}

static inline void bit_clear(uint8_t *map, unsigned i)
{
	map[i / 8] &= (uint8_t)~(1U << (i % 8));
}

static inline bool bit_test(const uint8_t *map, unsigned i)
{
	return map[i / 8] & (1U << (i % 8));
}

#endif /* UTIL_H */
