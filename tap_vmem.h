/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_vmem.h - memory of the guest, lent to us by its virtual machine monitor,
 * and the one room where addresses that come from there are checked
 */
#ifndef TAP_VMEM_H
#define TAP_VMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMEM_REGIONS	8	/* vhost-user's baseline */

/* A region as vhost-user tells of it */
struct vmem_region {
	uint64_t	guest;		/* address of the guest's own */
	uint64_t	size;
	uint64_t	user;		/* address in the monitor */
	uint64_t	offset;		/* in the file */
};

/* vmem_init() - Be prepared for files that shrink; nothing is mapped */
void vmem_init(void);

/* vmem_map() - Map @n regions, each from a file of its own, instead of what was
 * mapped before. Return: NULL, or what is wrong, in words; then nothing is */
const char *vmem_map(const struct vmem_region *r, const int *fd, unsigned n);

/* vmem_add() - A region that is @p already, and not to be unmapped (tests) */
void vmem_add(const struct vmem_region *r, void *p);

/* vmem_unmap() - Forget all regions */
void vmem_unmap(void);

/*
 * vmem_guest() - The memory at guest address @at
 * Return: NULL if there is none; else *got is how many of @want bytes lie there
 * in one piece, at least one if any are wanted
 */
uint8_t *vmem_guest(uint64_t at, uint64_t want, uint64_t *got);

/* vmem_user() - The @len bytes at @at, an address of the monitor's, or NULL if
 * they are not all of one region */
uint8_t *vmem_user(uint64_t at, uint64_t len);

/* vmem_torn() - A file has become shorter than its region. From where that was
 * noticed on, the region is empty memory of our own */
bool vmem_torn(void);

#endif /* TAP_VMEM_H */
