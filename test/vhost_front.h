/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost_front.h - the other end of vhost-user for tests: a monitor and a guest
 *
 * Written down anew, from the specifications of virtio and vhost-user, with
 * nothing taken from the program. The guest's memory are two regions that follow
 * each other there, but are mapped the other way round.
 */
#ifndef VHOST_FRONT_H
#define VHOST_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRONT_MEM	((size_t)24 << 20)
#define FRONT_BASE	UINT64_C(0x7fffff000)	/* guest address of it */
#define FRONT_USER	UINT64_C(0x4200000000)	/* "user" address of it */

/* Messages */
enum { GET_FEATURES = 1, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE,
       SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE,
       GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
       GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
       SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU };

/* Descriptors */
enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

struct front_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct front_ring {
	unsigned num;
	struct front_desc *desc;
	uint16_t *avail;		/* flags, idx, ring, used_event */
	uint16_t *used;			/* flags, idx, (id, len), avail_event */
	uint16_t next, seen;		/* entries made available, taken back */
	uint16_t free;			/* descriptor to use next */
	int kick, call;
	unsigned kicks;
};

/* How the guest is; set before front_start() */
struct front_style {
	uint64_t features;
	unsigned num[2];		/* entries of the rings */
	size_t rxbuf;			/* bytes of a buffer of the first */
	unsigned rxparts;		/* descriptors of such a buffer */
	size_t txpart;			/* bytes of a descriptor; 0: one frame */
	bool indirect;			/* chains are tables elsewhere */
};

struct front {
	int fd, memfd;			/* socket; memory */
	uint8_t *mem;
	struct front_style style;
	struct front_ring ring[2];
	size_t txat;			/* buffer of the next frame */
	uint8_t vnet[12];		/* of the last frame that came */
	unsigned buffers;		/* it came in */
	const char *wrong;		/* first thing that was, or NULL */
};

/* front_open() - Memory and a connected socket pair, one end of it given to
 * *@back */
void front_open(struct front *f, int *back);
void front_close(struct front *f);

/* front_addr() - The guest's address of a byte of .mem */
uint64_t front_addr(const struct front *f, const void *p);

/* front_send() - A message with descriptors; false if it cannot be sent */
bool front_send(struct front *f, uint32_t request, uint32_t flags,
		const void *p, size_t len, const int *fd, unsigned nfd);

/* front_u64(), front_state() - A message of one number, or two */
bool front_u64(struct front *f, uint32_t request, uint64_t v);
bool front_state(struct front *f, uint32_t request, uint32_t i, uint32_t n);

/* front_answer() - What has come back; bytes of payload, or -1 */
int front_answer(struct front *f, uint32_t request, void *p, size_t size);

/* front_mem_table() - Tell of the memory; @swap: regions in the other order */
bool front_mem_table(struct front *f, bool swap);

/* front_rings() - Lay out both rings anew, and what will be in them */
void front_rings(struct front *f);

/* front_tell() - Size, place, base and descriptors of ring @i: it runs */
bool front_tell(struct front *f, unsigned i, uint16_t base);

/* front_start() - All of it, as @style wants it, with buffers for frames */
bool front_start(struct front *f, const struct front_style *style);

/* front_fill() - Up to @n buffers for frames, as many as there are */
void front_fill(struct front *f, unsigned n);

/* front_push() - The guest sends a frame, with virtio-net header @vnet or one of
 * zeros; false if there is no room in the ring */
bool front_push(struct front *f, const void *vnet, const void *p, size_t len);

/* front_reap() - Take sent frames back; how many */
unsigned front_reap(struct front *f);

/* front_pop() - A frame that has come, or 0; its buffers are not reused until
 * front_fill() */
size_t front_pop(struct front *f, void *p, size_t size);

/* front_called() - Was the guest woken for ring @i? And forget it */
bool front_called(struct front *f, unsigned i);

#endif /* VHOST_FRONT_H */
