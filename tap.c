// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap.c - the guest port: one front for all back-ends
 *
 * Everybody sends and receives through here and nobody knows which back-end
 * is attached. The front adds what all of them need and none should have of
 * its own: counters, the capture file, and the guard of the contract's rule
 * that only one batch is outstanding.
 */
#include "tap.h"

#include "log.h"
#include "pcap.h"
#include "util.h"

/* Elements of one captured frame: headers, and data of each joined slot */
#define CAPTURE_IOV	(1 + TAP_BATCH * 2)

static struct {
	const struct tap_ops *ops;
	struct tap_caps caps;
	struct tap_counters count;
	int reserved;			/* slots of the outstanding batch */
} tap;

/* No back-end: nothing comes, nothing can go, and no end of it */

static void none_caps(struct tap_caps *caps)
{
	*caps = (struct tap_caps){ 0 };
}

static int none_recv(struct tap_frame *f, int max)
{
	(void)f;
	(void)max;
	return 0;
}

static void none_done(int n)
{
	(void)n;
}

static int none_reserve(struct tap_slot *s, int max, size_t hdrlen,
			size_t datalen)
{
	(void)s;
	(void)max;
	(void)hdrlen;
	(void)datalen;
	return 0;
}

static int none_commit(struct tap_slot *s, int n, int used, bool more)
{
	(void)s;
	(void)n;
	(void)used;
	(void)more;
	return 0;
}

static void none_flush(void)
{
}

static bool none_lost(void)
{
	return false;
}

static const struct tap_ops none = {
	.caps		= none_caps,
	.recv		= none_recv,
	.done		= none_done,
	.reserve	= none_reserve,
	.commit		= none_commit,
	.flush		= none_flush,
	.lost		= none_lost,
};

void tap_attach(const struct tap_ops *ops)
{
	if (!ops)
		ops = &none;
	tap.ops = ops;
	tap.count = (struct tap_counters){ 0 };
	tap.reserved = 0;
	ops->caps(&tap.caps);
}

const struct tap_caps *tap_caps(void)
{
	/* Asked anew: a guest that reconnects may negotiate otherwise */
	tap.ops->caps(&tap.caps);
	return &tap.caps;
}

int tap_recv(struct tap_frame *f, int max)
{
	int i, n = tap.ops->recv(f, MIN(max, TAP_BATCH));

	for (i = 0; i < n; i++) {
		tap.count.rx_bytes += f[i].len;
		if (pcap_on())
			pcap_frame(f[i].iov, f[i].niov, f[i].len);
	}
	tap.count.rx_frames += (uint64_t)n;
	return n;
}

void tap_done(int n)
{
	if (n)
		tap.ops->done(n);
}

int tap_reserve(struct tap_slot *s, int max, size_t hdrlen, size_t datalen)
{
	/* A second batch would be built over the first one (C2) */
	if (tap.reserved || max <= 0)
		return 0;

	tap.reserved = tap.ops->reserve(s, MIN(max, TAP_BATCH),
					MIN(hdrlen, HDR_ROOM),
					MIN(datalen, TAP_DATA_MAX));
	return tap.reserved;
}

/* capture() - Record the frame made of slots @s up to before @end */
static void capture(const struct tap_slot *s, const struct tap_slot *end)
{
	struct iovec iov[CAPTURE_IOV];
	size_t len = s->hdrlen;
	unsigned n = 1, i;

	iov[0] = (struct iovec){ s->hdr, s->hdrlen };

	for (; s < end; s++) {
		size_t left = s->len;

		for (i = 0; i < s->ndata && left && n < CAPTURE_IOV; i++) {
			iov[n] = s->data[i];
			iov[n].iov_len = MIN(iov[n].iov_len, left);
			left -= iov[n].iov_len;
			len += iov[n++].iov_len;
		}
	}

	pcap_frame(iov, n, len);
}

int tap_commit(struct tap_slot *s, int n, int used, bool more)
{
	int i, accepted;

	tap.reserved = 0;
	accepted = tap.ops->commit(s, n, used, more);
	tap.count.tx_refused += (uint64_t)(used - accepted);
	if (used && log_shown(LOG_LVL_TRACE))
		trace("To the guest: %i of %i frames, the first %zu + %zu bytes",
		      accepted, used, s->hdrlen, s->len);

	for (i = 0; i < accepted; i++) {
		int end = i + 1;

		tap.count.tx_bytes += s[i].hdrlen + s[i].len;
		if (s[i].join)
			continue;

		tap.count.tx_frames++;
		if (!pcap_on())
			continue;
		while (end < accepted && s[end].join)
			end++;
		capture(s + i, s + end);
	}
	return accepted;
}

void tap_flush(void)
{
	tap.ops->flush();
}

unsigned tap_held(void)
{
	return tap.ops->held ? tap.ops->held() : 0;
}

bool tap_lost(void)
{
	return tap.ops->lost();
}

bool tap_served(void)
{
	return !tap.ops->served || tap.ops->served();
}

bool tap_backlog(void)
{
	return tap.ops->backlog && tap.ops->backlog();
}

bool tap_room(void)
{
	return !tap.ops->room || tap.ops->room();
}

const struct tap_counters *tap_counters(void)
{
	return &tap.count;
}
