/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of events, as httpd uses it: for the siblings through the seam, and
 * for what core itself has to tell.
 *
 * Bound.  Any process, any thread; never waits.
 */
#ifndef CORE_EVENTS_H
#define CORE_EVENTS_H

#include "core_conf.h"

/* Remember something: <kind> and <who> as in struct lbx_event, <member> may be
 * NULL, the text by printf's rules. */
void core_events_note(const char *kind, const char *who, const char *balancer, const char *member,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Offer the optional functions.  register_hooks. */
void core_events_register(void);

#endif
