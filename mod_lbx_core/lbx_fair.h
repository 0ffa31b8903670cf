/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fair shares by virtual time: how far is a member ahead of its share?
 *
 * Each unit of work (a request, 64 bytes) moves the member that does it by
 * SCALE / weight and the balancer by SCALE / (sum of weights).  Members that
 * get what their weights say stay level with the balancer; a member that is
 * ahead has had more (virtual time as in weighted fair queueing: Parekh and
 * Gallager, IEEE/ACM ToN 1(3), 1993).  Only differences count, so nothing has
 * to be reset when weights or members change, and the clocks may wrap.
 *
 * A member that comes back after a long time is far behind.  It is not owed
 * what it missed: nobody may be further from the balancer than
 * LBX_FAIR_REACH units.
 *
 * Pure.  Any thread of any process; atomics only.
 */
#ifndef LBX_FAIR_H
#define LBX_FAIR_H

#include "lbx_roster.h"

enum { LBX_FAIR_REACH = 64 };

/* How far the candidate is ahead of its share, in virtual time; negative: behind.
 * Brings a member that is out of reach back into it; <unit> is the size of a
 * usual piece of work. */
int64_t lbx_fair_lead(const struct lbx_roster *r, const struct lbx_cand *c, uint64_t unit);

/* The same for a balancer's time <set> that was read before: for methods that
 * compare many candidates.  The function is only called for one out of reach. */
static inline int64_t lbx_fair_lead_at(const struct lbx_roster *r, const struct lbx_cand *c,
                                       uint64_t set, uint64_t unit)
{
    uint64_t own = atomic_load_explicit(&c->rec->vtime, memory_order_relaxed);
    int64_t reach = (int64_t)(LBX_FAIR_REACH * unit * c->step);
    int64_t lead = (int64_t)(own - set);

    return lead <= reach && lead >= -reach ? lead : lbx_fair_lead(r, c, unit);
}

/* The candidate does <units> of work; negative: it did less than was charged. */
void lbx_fair_charge(struct lbx_seg_set *set, struct lbx_seg_member *m, uint64_t set_step,
                     uint64_t member_step, int64_t units);

/* Nobody is behind: the balancer's clock moves on by <by>, so that the least
 * advanced is level again.  <from> is what the clock said before the leads were
 * taken; if it has moved since, nothing happens, and the next choice finds out. */
void lbx_fair_advance(struct lbx_seg_set *set, uint64_t from, uint64_t by);

#endif
