/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - what the program says, and to whom
 *
 * Each verb adds its own newline, and says one line whatever is in its text.
 * The _perror forms append ": " and the text of errno as it was on entry. die()
 * ends the process with status 1 and may be called during start only: after
 * isolate_syscalls() nothing may exit because of input.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

#include "util.h"

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG,
		 LOG_LVL_TRACE };

/* log_open() - Connect to the system log as @ident; never fails (without a
 * system log, messages go to standard error only) */
void log_open(const char *ident);

/*
 * log_open_file() - Write to a file, below a header, instead of the system log
 * @fd:		open for reading and writing, ours from here on
 * @limit:	bytes it may have, at least log_file_min() (log_file.h)
 * @version:	for the header
 *
 * To be called before the file system is out of reach. log_file_begin() empties
 * it once it is certain that it is ours.
 */
void log_open_file(int fd, uint64_t limit, const char *version);

/* log_process() - We are process @pid for those who read the log, not the one
 * that called log_open() */
void log_process(pid_t pid);

/* log_set_level() - Show messages up to @lvl; DEBUG and above also switch the
 * system log (not a log file) off, and on standard error prefix lines with the
 * seconds since start */
void log_set_level(enum log_level lvl);

/* log_to_stderr() - Also (or no longer) write to standard error */
void log_to_stderr(bool on);

/* log_started() - From now on the system log must not hold us up */
void log_started(void);

/* log_shown() - Whether messages of @lvl go anywhere (to skip costly text) */
bool log_shown(enum log_level lvl);

_Noreturn void die(const char *fmt, ...) printf_like(1, 2);
_Noreturn void die_perror(const char *fmt, ...) printf_like(1, 2);
void err(const char *fmt, ...) printf_like(1, 2);
void err_perror(const char *fmt, ...) printf_like(1, 2);
void warn(const char *fmt, ...) printf_like(1, 2);
void warn_perror(const char *fmt, ...) printf_like(1, 2);
void info(const char *fmt, ...) printf_like(1, 2);
void info_perror(const char *fmt, ...) printf_like(1, 2);
void debug(const char *fmt, ...) printf_like(1, 2);
void debug_perror(const char *fmt, ...) printf_like(1, 2);
void trace(const char *fmt, ...) printf_like(1, 2);

/*
 * log_ratelimit() - For messages that a peer can provoke: true at most once
 * per @seconds for the caller's static @last (0 before the first use)
 */
bool log_ratelimit(unsigned long *last, unsigned seconds);

/* log_few() - The same for what is of interest each time, unless somebody does
 * it on purpose: true LOG_FEW times in a second */
#define LOG_FEW		10U

struct log_few {
	unsigned long	last;
	unsigned	n;
};

bool log_few(struct log_few *few);

#endif /* LOG_H */
