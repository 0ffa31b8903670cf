/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to sessions, counted in the segment, and what makes stickiness fail,
 * said once.
 *
 * Bound.
 */
#ifndef STICKY_NOTES_H
#define STICKY_NOTES_H

#include <stdatomic.h>

#include "lbx_attrs.h"
#include "sticky_conf.h"

/* In the space of a member's record.  Requests, by atomic addition. */
struct sticky_member_counts {
    _Atomic uint64_t hits;    /* requests of its sessions that it answered */
    _Atomic uint64_t taken;   /* requests of others' sessions that it answered */
    _Atomic uint64_t created; /* clients that were told to come back to it */
};

/* In the space of a balancer's record.  Requests; counters by atomic addition. */
struct sticky_set_counts {
    _Atomic uint64_t fresh;          /* requests without a session */
    _Atomic uint64_t unknown;        /* ... with a route that no member has */
    _Atomic uint64_t forged;         /* ... with a value that was not made here */
    _Atomic uint64_t expired;        /* ... with one that is too old */
    _Atomic uint32_t said;           /* findings that were told: bit (1 << enum sticky_finding) */
    struct lbx_attrs_slot app_attrs; /* of the application's cookie, as it was last set */
};

enum sticky_finding {
    STICKY_FOUND_CASE,    /* the member's cookie differs by case */
    STICKY_FOUND_UNKNOWN, /* a route that no member has */
    STICKY_FOUND_PATH,    /* a Path that does not cover the URL */
    STICKY_FOUND_OWN      /* LBXStickyCookie over a cookie that the application sets */
};

/* Functions of core.  Parent, post_config. */
void sticky_notes_boot_bind(void);

/* NULL: there is no such record any more. */
struct sticky_member_counts *sticky_notes_member(struct lbx_ref member);
struct sticky_set_counts *sticky_notes_set(struct lbx_ref set);

static inline void sticky_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Say it, unless it was said of this balancer since the server started.  <text> is one
 * sentence.  Returns whether it was new. */
int sticky_notes_find(request_rec *r, struct lbx_ref set, const char *balancer,
                      enum sticky_finding what, const char *text);

/* The manager's hook of this name. */
int sticky_notes_figures(apr_pool_t *p, const struct lbx_set_info *set,
                         const struct lbx_member_info *member, apr_array_header_t *figures);

#endif
