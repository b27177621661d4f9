// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - what the program says, and to whom
 *
 * A message is formatted once into a buffer on the stack and goes out as one
 * write to standard error and one datagram to the system log, so that lines of
 * several processes never mix. The system log is spoken to directly instead of
 * through syslog(3): that one connects lazily, when our mount namespace has no
 * /dev/log any more, and it may block. Ours connects once at start. While we
 * start, it waits a little for a log daemon that is slow to take all we have
 * to tell; from then on a datagram that does not go out at once is lost. A log
 * file (log_file.c) takes the place of the system log.
 *
 * A message is one line, whatever names or words from outside are in it:
 * control characters, with which they could forge another or talk to a
 * terminal, are replaced, those of ISO 6429 in UTF-8 (C2 80 to C2 9F) as well.
 *
 * errno is left as it was, so a message never disturbs the error handling
 * around it.
 */
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log_file.h"

#define LINE_MAX_LEN	1024
#define PATIENCE_MS	100		/* once in vain, never again */

static const int priority[] = {
	[LOG_LVL_ERR]	= LOG_ERR,
	[LOG_LVL_WARN]	= LOG_WARNING,
	[LOG_LVL_INFO]	= LOG_INFO,
	[LOG_LVL_DEBUG]	= LOG_DEBUG,
	[LOG_LVL_TRACE]	= LOG_DEBUG,
};

/* In a log file */
static const char *const tag[] = {
	[LOG_LVL_ERR]	= "ERROR:",
	[LOG_LVL_WARN]	= "WARNING:",
	[LOG_LVL_INFO]	= "info:",
	[LOG_LVL_DEBUG]	= "",
	[LOG_LVL_TRACE]	= "",
};

static struct {
	const char *ident;
	int fd;				/* of the system log, or -1 */
	bool patient;			/* with it */
	enum log_level level;
	bool quiet;			/* nothing to standard error */
	pid_t pid;
	char title[LOG_FILE_TITLE_MAX];	/* of a log file, but for the number */
	struct timespec start;
} logger = { .ident = "passt", .fd = -1, .level = LOG_LVL_INFO };

void log_open(const char *ident)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX,
				  .sun_path = "/dev/log" };

	logger.ident = ident;
	logger.level = LOG_LVL_INFO;
	logger.quiet = false;
	logger.patient = true;
	logger.pid = getpid();
	clock_gettime(CLOCK_MONOTONIC, &logger.start);

	if (logger.fd >= 0)
		close(logger.fd);
	logger.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0);
	if (logger.fd < 0)
		return;

	if (connect(logger.fd, (const struct sockaddr *)&sa, sizeof(sa))) {
		close(logger.fd);
		logger.fd = -1;
	}
}

static void clean(char *text, size_t len)
{
	bool c1 = false;		/* begun by the last byte? */
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (iscntrl(c) || (c1 && c >= 0x80 && c < 0xa0))
			text[i] = '?';
		c1 = c == 0xc2;
	}
}

/* How the file begins, as long as this process writes it */
static void full_title(char *title)
{
	(void)snprintf(title, LOG_FILE_TITLE_MAX, "%.*s (%d)",
		       LOG_FILE_TITLE_MAX - 16, logger.title, (int)logger.pid);
}

void log_open_file(int fd, uint64_t limit, const char *version)
{
	char title[LOG_FILE_TITLE_MAX], exe[PATH_MAX];
	ssize_t n;

	n = readlink("/proc/self/exe", exe, sizeof(exe));
	(void)snprintf(logger.title, sizeof(logger.title), "%.16s %.64s: %.*s",
		       logger.ident, version, (int)MAX(n, 0), exe);
	clean(logger.title, strlen(logger.title));
	full_title(title);
	log_file_open(fd, limit, title);

	if (logger.fd >= 0)
		close(logger.fd);
	logger.fd = -1;
}

void log_process(pid_t pid)
{
	char title[LOG_FILE_TITLE_MAX];

	logger.pid = pid;
	full_title(title);
	log_file_title(title);
}

void log_set_level(enum log_level lvl)
{
	logger.level = lvl;
}

void log_to_stderr(bool on)
{
	logger.quiet = !on;
}

static bool to_syslog(void)
{
	return logger.fd >= 0 && logger.level < LOG_LVL_DEBUG;
}

void log_started(void)
{
	logger.patient = false;
}

bool log_shown(enum log_level lvl)
{
	return lvl <= logger.level &&
	       (!logger.quiet || to_syslog() || log_file_on());
}

/* since_start() - Text "%.4f" without floating point */
static void since_start(char *buf, size_t size)
{
	struct timespec now;
	int64_t ns;

	/* Not clock_now(): while a slow turn is debugged, true times count */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!logger.start.tv_sec && !logger.start.tv_nsec)
		logger.start = now;

	ns = (int64_t)(now.tv_sec - logger.start.tv_sec) * 1000000000 +
	     (now.tv_nsec - logger.start.tv_nsec);
	(void)snprintf(buf, size, "%lld.%04lld", (long long)(ns / 1000000000),
		       (long long)(ns % 1000000000 / 100000));
}

static void send_syslog(const char *data, size_t len)
{
	struct pollfd p = { .fd = logger.fd, .events = POLLOUT };

	if (send(logger.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    errno != EAGAIN || !logger.patient)
		return;
	if (poll(&p, 1, PATIENCE_MS) == 1)
		(void)!send(logger.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		logger.patient = false;
}

/* emit() - One line of @len bytes, newline included, to whom it concerns */
static void emit(enum log_level lvl, const char *line, size_t len)
{
	char out[LINE_MAX_LEN + 64], when[32];
	int n = 0;

	since_start(when, sizeof(when));
	if (!logger.quiet) {
		if (logger.level >= LOG_LVL_DEBUG)
			n = snprintf(out, sizeof(out), "%s: ", when);
		memcpy(out + n, line, len);
		(void)!write_all(STDERR_FILENO, out, (size_t)n + len);
	}

	log_file_line(when, tag[lvl], line, len - 1);

	if (to_syslog()) {
		/* RFC 3164 style, without the time, which the daemon adds; the
		 * newline stays away */
		n = snprintf(out, sizeof(out), "<%d>%.16s[%d]: ",
			     LOG_DAEMON | priority[lvl], logger.ident,
			     (int)logger.pid);
		memcpy(out + n, line, len - 1);
		send_syslog(out, (size_t)n + len - 1);
	}
}

/* say() - Format and send out; @error is an errno to append, or 0 for none */
static void say(enum log_level lvl, int error, const char *fmt, va_list ap)
	printf_like(3, 0);
static void say(enum log_level lvl, int error, const char *fmt, va_list ap)
{
	char line[LINE_MAX_LEN];
	size_t len;
	int n;

	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	if (n < 0)
		return;
	len = MIN((size_t)n, sizeof(line) - 2);

	if (error) {
		n = snprintf(line + len, sizeof(line) - 1 - len, ": %s",
			     strerror(error));
		if (n > 0)
			len = MIN(len + (size_t)n, sizeof(line) - 2);
	}

	clean(line, len);
	line[len++] = '\n';
	emit(lvl, line, len);
}

/*
 * The verbs differ in level and errno only, but each needs its own varargs
 * frame: one macro instead of eleven copies.
 */
#define VERB(name, lvl, error)						\
	void name(const char *fmt, ...)					\
	{								\
		int saved = errno;					\
		va_list ap;						\
									\
		if (log_shown(lvl)) {					\
			va_start(ap, fmt);				\
			say(lvl, error, fmt, ap);			\
			va_end(ap);					\
		}							\
		errno = saved;						\
	}

VERB(err, LOG_LVL_ERR, 0)
VERB(err_perror, LOG_LVL_ERR, saved)
VERB(warn, LOG_LVL_WARN, 0)
VERB(warn_perror, LOG_LVL_WARN, saved)
VERB(info, LOG_LVL_INFO, 0)
VERB(info_perror, LOG_LVL_INFO, saved)
VERB(debug, LOG_LVL_DEBUG, 0)
VERB(debug_perror, LOG_LVL_DEBUG, saved)
VERB(trace, LOG_LVL_TRACE, 0)

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LVL_ERR, 0, fmt, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

void die_perror(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	say(LOG_LVL_ERR, saved, fmt, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

bool log_ratelimit(unsigned long *last, unsigned seconds)
{
	struct timespec now;
	unsigned long t;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t = (unsigned long)now.tv_sec + 1;	/* 0 is "never" */
	if (*last && t - *last < seconds)
		return false;

	*last = t;
	return true;
}

bool log_few(struct log_few *few)
{
	if (log_ratelimit(&few->last, 1))
		few->n = 0;
	return few->n++ < LOG_FEW;
}
