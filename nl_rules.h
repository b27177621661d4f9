/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl_rules.h - may somebody else than a listening socket answer for a port?
 *
 * Whether a program of a namespace listens at a port says nothing of it if rules
 * lead packets elsewhere, or a program takes them off the wire itself.
 */
#ifndef NL_RULES_H
#define NL_RULES_H

#include <stdbool.h>

/*
 * rules_watch() - Begin to watch the current network namespace (start, while
 * there are capabilities over it)
 * Return: a descriptor that is readable when rules_news() has something to
 * read, or -1
 */
int rules_watch(void);

/* rules_news() - Read what it tells, and close it when that is enough */
void rules_news(void);

/* rules_any() - Is there anything of the kind, as far as it can be seen? */
bool rules_any(void);

/* rules_close() - For tests: forget the namespace */
void rules_close(void);

#endif /* NL_RULES_H */
