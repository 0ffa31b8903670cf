/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this member take this request, and if not, why: the only place that
 * answers, and which members compete for a request (the tier).
 *
 * Not here: who of the tier is chosen (the methods), who changes a state.
 *
 * Pure.  A view is a snapshot; the answer may be stale when it is used, which
 * is accepted.
 */
#ifndef LBX_ELIGIBLE_H
#define LBX_ELIGIBLE_H

#include "lbx_types.h"

struct lbx_ask {
    uint64_t now_us;
    int sticky;            /* the request belongs to the member: draining is no obstacle */
    int count;             /* mind maxconn=, too: not for rosters, which outlive a count */
    const uint32_t *tried; /* bit i: the request has been at member i; NULL: nowhere yet */
};

/* Is the member's error over at <now_us>?  True as well for status +I, whose
 * errors do not count.  A stopped member is never tried again. */
int lbx_error_over(const struct lbx_member_view *v, uint64_t now_us);

/* When the error ends; UINT64_MAX when time alone does not end it, 0 without an error. */
uint64_t lbx_error_ends(const struct lbx_member_view *v);

/* LBX_ELIGIBLE, or the first reason against it.  <index> is the member's place
 * in its balancer, for ask->tried. */
enum lbx_inelig lbx_eligible(const struct lbx_member_view *v, uint32_t index,
                             const struct lbx_ask *ask);

/* Which of the operator's bits keeps a member with these bits out of service: of several the
 * one that an administrator would want to hear of.  0: none, it is in service. */
uint32_t lbx_admin_out(uint32_t admin);

/* One line for a log or a page; never NULL. */
const char *lbx_inelig_text(enum lbx_inelig why);

struct lbx_tier {
    uint32_t n;              /* members that compete */
    uint32_t lbset;          /* of this set */
    uint64_t valid_until_us; /* look again then: an error will be over; UINT64_MAX: never */
    uint32_t errors;         /* members kept out by nothing but an error */
};

/*
 * Who competes: the members of the lowest lbset that has anybody; spares, in
 * the order of the file, one for each member of the set that cannot be used;
 * standbys when there is nobody else.  A member that is both counts as a spare.
 *
 * <chosen> has room for <n> indices.
 */
void lbx_tier_select(const struct lbx_member_view *v, uint32_t n, const struct lbx_ask *ask,
                     uint16_t *chosen, struct lbx_tier *tier);

#endif
