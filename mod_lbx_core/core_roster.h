/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process's compiled roster of each balancer: made when it is asked for
 * and the old one is out of date, shared by the threads that use it, freed when
 * the last is done.
 *
 * Errors that are over end here: a member whose retry= has passed is let in
 * when the next roster is made.
 *
 * Bound.  Request threads.  The lock is a thread mutex of this process, held by the
 * thread that compiles.
 */
#ifndef CORE_ROSTER_H
#define CORE_ROSTER_H

#include "core_conf.h"

struct core_roster {
    struct lbx_lent lent;            /* first: who frees it */
    uint32_t live;                   /* members that are not removed */
    struct lbx_roster *r;            /* who competes */
    const struct lbx_method *method; /* NULL: a foreign provider's */
    int sticky;                      /* the balancer has stickysession= */
    struct lbx_set_vals vals;        /* the balancer's, in force */
    /* Of the first r->members members: it knows no others. */
    struct lbx_member_vals *member_vals;
};

/* The current roster, to be given back; NULL: no memory.  <old_will_do>: while
 * another thread compiles, the one that it replaces is good enough, unless it
 * has no candidate. */
struct core_roster *core_roster_req_get(struct core_set *set, uint64_t now_us, int old_will_do);
void core_roster_req_put(struct core_set *set, struct core_roster *cr);

/* A roster for one request that has been at some members: the others that <cr> knows
 * compete as if those could not be used.  The caller frees it; NULL: no memory. */
struct lbx_roster *core_roster_req_without(struct core_set *set, const struct core_roster *cr,
                                           const uint32_t *tried, uint64_t now_us);

/* Recovery by force: end the errors of all members that nothing else keeps out.
 * Returns how many members can be used now, whoever has ended their errors: the caller's
 * roster, which has none, is out of date then. */
unsigned core_roster_req_recover(struct core_set *set, uint64_t now_us);

#endif
