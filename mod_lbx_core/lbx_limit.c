/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts requests at members with maxconn=.  See lbx_limit.h.
 *
 * Pure.
 */
#include "lbx_limit.h"

#include "lbx_children.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

uint32_t lbx_limit_used(const struct lbx_store *st, uint32_t slot, const struct lbx_seg_member *rec,
                        uint64_t now_us)
{
    uint32_t ghosts = atomic_load(&rec->ghosts);

    if (ghosts && now_us >= atomic_load(&rec->ghosts_until_us)) {
        ghosts = 0;
    }
    return lbx_store_in_flight(st, slot) + ghosts;
}

LBX_HOT int lbx_limit_take(const struct lbx_store *st, uint32_t child, uint32_t slot,
                           const struct lbx_seg_member *rec, uint32_t limit, uint64_t now_us)
{
    if (limit && child == LBX_NO_CHILD) {
        return 0;
    }
    lbx_store_reserve(st, child, slot);
    if (!limit || lbx_limit_used(st, slot, rec, now_us) <= limit) {
        return 1;
    }
    lbx_store_release(st, child, slot);
    return 0;
}

uint64_t lbx_limit_usual_us(const struct lbx_seg_member *rec)
{
    uint64_t all = 0, sum = 0;
    unsigned i;

    for (i = 0; i < LBX_LATENCY_N; i++) {
        all += atomic_load_explicit(&rec->latency[i], memory_order_relaxed);
    }
    for (i = 0; all && i < LBX_LATENCY_N; i++) {
        sum += atomic_load_explicit(&rec->latency[i], memory_order_relaxed);
        if (sum >= all - all / 100) {
            return lbx_latency_bound(i);
        }
    }
    return UINT64_MAX;
}

struct haunt {
    const struct lbx_store *st;
    uint32_t child;
    uint64_t now_us;
};

static int haunt(void *baton, struct lbx_ref ref, struct lbx_seg_member *m)
{
    const struct haunt *h = baton;
    struct lbx_seg_head *seg = lbx_store_segment(h->st, ref.slot);
    uint32_t n = atomic_load(&lbx_seg_column(seg, h->child)[LBX_SLOT_INDEX(ref.slot)]);
    uint64_t stay = lbx_limit_usual_us(m);
    struct lbx_member_vals v;

    lbx_member_vals_read(m, &v);
    if (n && v.maxconn) {
        uint32_t before = h->now_us < m->ghosts_until_us ? m->ghosts : 0;

        stay = stay < LBX_GHOSTS_LEAST ? LBX_GHOSTS_LEAST : stay;
        /* the time first: read in between, too many are counted, never too few */
        atomic_store(&m->ghosts_until_us,
                     h->now_us + (stay > LBX_GHOSTS_MOST ? LBX_GHOSTS_MOST : stay));
        atomic_store(&m->ghosts, before + n);
    }
    return 0;
}

void lbx_limit_haunt(const struct lbx_store *st, uint32_t pid, uint64_t now_us)
{
    struct lbx_seg_head *h = st->seg[0];
    uint32_t high = atomic_load(&h->children_high);

    for (uint32_t i = 0; pid && i < high; i++) {
        if (atomic_load(&lbx_seg_child_at(h, i)->pid) == pid) {
            struct haunt baton = {st, i, now_us};

            lbx_store_each_member(st, haunt, &baton);
        }
    }
}
