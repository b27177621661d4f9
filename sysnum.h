/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysnum.h - system calls newer than the headers we may be built with
 *
 * From 424 on numbers are the same on all architectures (Linux,
 * include/uapi/asm-generic/unistd.h). A kernel that does not know one says so.
 */
#ifndef SYSNUM_H
#define SYSNUM_H

#include <sys/syscall.h>

#ifndef SYS_io_uring_setup			/* Linux 5.1 */
#define SYS_io_uring_setup		425
#define SYS_io_uring_enter		426
#endif
#ifndef SYS_open_tree				/* 5.2 */
#define SYS_open_tree			428
#define SYS_move_mount			429
#define SYS_fsopen			430
#define SYS_fsconfig			431
#endif
#ifndef SYS_pidfd_open				/* 5.3 */
#define SYS_pidfd_open			434
#endif
#ifndef SYS_clone3
#define SYS_clone3			435
#endif
#ifndef SYS_pidfd_getfd				/* 5.6 */
#define SYS_pidfd_getfd			438
#endif
#ifndef SYS_close_range				/* 5.9 */
#define SYS_close_range			436
#endif
#ifndef SYS_landlock_create_ruleset		/* 5.13 */
#define SYS_landlock_create_ruleset	444
#define SYS_landlock_restrict_self	446
#endif

#endif /* SYSNUM_H */
