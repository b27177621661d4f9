/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap.h - optional capture of the guest's link into a file
 */
#ifndef PCAP_H
#define PCAP_H

#include <stddef.h>
#include <sys/uio.h>

/* pcap_open() - Start capturing into @path (created 0600, truncated); a
 * failure is reported and otherwise ignored */
void pcap_open(const char *path);

/* pcap_on() - Whether frames are wanted (to skip gathering) */
int pcap_on(void);

/* pcap_frame() - Append one whole frame */
void pcap_frame(const struct iovec *iov, unsigned n, size_t len);

/* pcap_flush() - To disk, at exit */
void pcap_flush(void);

#endif /* PCAP_H */
