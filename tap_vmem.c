// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap_vmem.c - memory of the guest, lent to us
 *
 * The monitor hands over files, and tells what part of them is what part of the
 * guest's memory. Nothing that is read from there, or from the monitor, is used
 * as an address but through vmem_guest() and vmem_user(), which give a piece
 * that is mapped or nothing.
 *
 * A file is as long as its region when we map it. Its owner can cut it short
 * later, and to touch what is gone raises SIGBUS, in us. Then the whole region
 * is replaced by memory of our own (the whole, as with huge pages no less can
 * be), what was being done ends with zeros, and whoever asks vmem_torn() breaks
 * with such a guest. The kernel, if it finds the hole first, returns EFAULT.
 */
#include "tap_vmem.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

struct area {
	uint64_t	guest, user, size;
	uint8_t		*p;		/* what lies at .guest */
	void		*map;		/* NULL: not ours to unmap */
	size_t		map_len;
};

static struct {
	struct area	area[VMEM_REGIONS];
	unsigned	n;
	unsigned	last;		/* where something was found last */
	volatile sig_atomic_t torn;
} vmem;

/* on_sigbus() - Reached only from an access of our own, never from within a
 * change of the table */
static void on_sigbus(int sig, siginfo_t *si, void *context)
{
	uintptr_t at = (uintptr_t)si->si_addr;
	unsigned i;

	(void)context;
	for (i = 0; i < vmem.n; i++) {
		struct area *a = &vmem.area[i];

		if (!a->map || at - (uintptr_t)a->map >= a->map_len)
			continue;
		if (mmap(a->map, a->map_len, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_NORESERVE, -1, 0) == MAP_FAILED)
			break;
		vmem.torn = 1;
		return;
	}
	signal(sig, SIG_DFL);		/* happens again, and ends us */
}

void vmem_init(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	vmem_unmap();
	sa.sa_sigaction = on_sigbus;
	sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGBUS, &sa, NULL);
}

/* check() - What is wrong with a region of the file @st, or NULL */
static const char *check(const struct vmem_region *r, const struct stat *st)
{
	if (!r->size || r->guest + (r->size - 1) < r->guest ||
	    r->user + (r->size - 1) < r->user)
		return "a region that is empty or beyond all addresses";
	if (!S_ISREG(st->st_mode))
		return "memory that is not a file";
	if (r->offset > (uint64_t)st->st_size ||
	    r->size > (uint64_t)st->st_size - r->offset)
		return "a region that is larger than its file";
	return NULL;
}

const char *vmem_map(const struct vmem_region *r, const int *fd, unsigned n)
{
	unsigned i;

	vmem_unmap();
	if (n > VMEM_REGIONS)
		return "too many regions";
	for (i = 0; i < n; i++, r++) {
		struct area *a = &vmem.area[i];
		const char *wrong;
		struct stat st;
		size_t page;

		if (fstat(fd[i], &st)) {
			vmem_unmap();
			return "memory that cannot be looked at";
		}
		wrong = check(r, &st);
		if (wrong) {
			vmem_unmap();
			return wrong;
		}
		/* From the start of the file: an offset need not be where a
		 * (huge) page begins. Its end is where one ends */
		page = (size_t)MAX(st.st_blksize, 4096);
		a->map_len = (size_t)(r->offset + r->size);
		if (!(page & (page - 1)))
			a->map_len = (a->map_len + page - 1) & ~(page - 1);
		a->map = mmap(NULL, a->map_len, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_NORESERVE, fd[i], 0);
		if (a->map == MAP_FAILED) {
			vmem_unmap();
			return "memory that cannot be mapped";
		}
		a->guest = r->guest;
		a->user = r->user;
		a->size = r->size;
		a->p = (uint8_t *)a->map + r->offset;
		vmem.n = i + 1;
	}
	return NULL;
}

void vmem_add(const struct vmem_region *r, void *p)
{
	if (vmem.n < VMEM_REGIONS)
		vmem.area[vmem.n++] = (struct area){
			.guest = r->guest, .user = r->user, .size = r->size,
			.p = p,
		};
}

void vmem_unmap(void)
{
	unsigned i;

	for (i = 0; i < vmem.n; i++)
		if (vmem.area[i].map)
			munmap(vmem.area[i].map, vmem.area[i].map_len);
	vmem.n = vmem.last = 0;
	vmem.torn = 0;
}

uint8_t *vmem_guest(uint64_t at, uint64_t want, uint64_t *got)
{
	const struct area *a = &vmem.area[vmem.last];
	unsigned i;

	for (i = 0; i < vmem.n; i++) {
		if (at - a->guest < a->size) {
			*got = MIN(want, a->size - (at - a->guest));
			vmem.last = (unsigned)(a - vmem.area);
			return a->p + (at - a->guest);
		}
		if (++a == vmem.area + vmem.n)
			a = vmem.area;
	}
	return NULL;
}

uint8_t *vmem_user(uint64_t at, uint64_t len)
{
	const struct area *a;

	for (a = vmem.area; a < vmem.area + vmem.n; a++)
		if (at - a->user < a->size && len <= a->size - (at - a->user))
			return a->p + (at - a->user);
	return NULL;
}

bool vmem_torn(void)
{
	return vmem.torn;
}
