/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual time of members and balancers.  See lbx_fair.h.
 *
 * Pure.
 */
#include "lbx_fair.h"

int64_t lbx_fair_lead(const struct lbx_roster *r, const struct lbx_cand *c, uint64_t unit)
{
    uint64_t set = atomic_load_explicit(&r->set->vtime, memory_order_relaxed);
    uint64_t own = atomic_load_explicit(&c->rec->vtime, memory_order_relaxed);
    int64_t reach = (int64_t)(LBX_FAIR_REACH * (unit ? unit : 1) * c->step);
    int64_t lead = (int64_t)(own - set);
    int64_t bound = lead > reach ? reach : lead < -reach ? -reach : lead;

    /* Somebody else may have moved it meanwhile: then it is in reach already. */
    if (bound != lead) {
        atomic_compare_exchange_strong(&c->rec->vtime, &own, set + (uint64_t)bound);
    }
    return bound;
}

void lbx_fair_charge(struct lbx_seg_set *set, struct lbx_seg_member *m, uint64_t set_step,
                     uint64_t member_step, int64_t units)
{
    atomic_fetch_add_explicit(&set->vtime, set_step * (uint64_t)units, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->vtime, member_step * (uint64_t)units, memory_order_relaxed);
}

void lbx_fair_advance(struct lbx_seg_set *set, uint64_t from, uint64_t by)
{
    atomic_compare_exchange_strong(&set->vtime, &from, from + by);
}
