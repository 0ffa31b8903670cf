/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled table of candidates: who competes for requests of one balancer
 * right now, in which order, at which cost.  Made when the balancer's epoch
 * moves, not for each request, so that a choice costs the same with 3 members
 * or 4,000.  Each process makes its own, and all make the same.
 *
 * Not here: who is eligible (lbx_eligible), who is chosen (the methods).
 *
 * Pure.  A roster lives in one block of memory that the caller owns.
 */
#ifndef LBX_ROSTER_H
#define LBX_ROSTER_H

#include "lbx_eligible.h"
#include "lbx_order.h"
#include "lbx_segment.h"

struct lbx_cand {
    struct lbx_seg_member *rec;
    uint32_t slot;   /* of the segment, for in-flight counts */
    uint32_t index;  /* place in the balancer */
    uint32_t weight; /* places in one period */
    uint32_t limit;  /* requests at once, 0: no limit (lbx_limit) */
    uint32_t trial;  /* it was on trial when the roster was made */
    uint64_t step;   /* virtual time of one unit of work, see lbx_fair.h */
};

struct lbx_roster {
    uint32_t magic;
    uint32_t epoch; /* of the balancer when this was made */
    uint64_t valid_until_us;
    uint32_t n;
    uint32_t period;
    uint32_t errors;    /* members kept out by nothing but an error */
    uint64_t step;      /* virtual time that one unit of work takes from all */
    uint32_t *place_of; /* candidate of the member with this index, or LBX_NOT_HERE */
    uint32_t members;   /* of the balancer, candidates or not */
    struct lbx_seg_set *set;
    struct lbx_cand *cand;
    uint16_t *order; /* order[0..period): candidates */
};

enum { LBX_ROSTER_MAGIC = 0x4c425852 };
#define LBX_NOT_HERE UINT32_MAX

/* What a roster is made of: the members in the order of the file. */
struct lbx_roster_in {
    struct lbx_seg_set *set;
    const struct lbx_member_view *view;
    struct lbx_seg_member *const *rec;
    uint32_t n;
    uint32_t epoch; /* read before the views were taken */
};

/* First half: choose the tier and measure the order.  <chosen> and <weights>
 * have room for in->n elements.  Returns the bytes that the roster takes. */
uint64_t lbx_roster_plan(const struct lbx_roster_in *in, const struct lbx_ask *ask,
                         uint16_t *chosen, uint32_t *weights, struct lbx_tier *tier,
                         uint32_t *period);

/* Second half: make the roster in <mem>, aligned for uint64_t, of the size that
 * the first half returned. */
struct lbx_roster *lbx_roster_make(const struct lbx_roster_in *in, const uint16_t *chosen,
                                   const uint32_t *weights, const struct lbx_tier *tier,
                                   uint32_t period, void *mem);

/* Must a new one be made?  Cheap: asked for every request. */
static inline int lbx_roster_stale(const struct lbx_roster *r, uint64_t now_us)
{
    return atomic_load_explicit(&r->set->epoch, memory_order_acquire) != r->epoch
           || now_us > r->valid_until_us;
}

#endif
