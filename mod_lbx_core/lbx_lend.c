/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts another thing in force.  See lbx_lend.h.
 *
 * Pure.
 */
#include "lbx_lend.h"

#define LENT_MASK ((1ull << LBX_LEND_SHIFT) - 1)

/* A place that nobody has; 0: none. */
static uint32_t free_place(struct lbx_lend *l)
{
    for (uint32_t i = 1; i < LBX_LEND_PLACES; i++) {
        if (!atomic_load_explicit(&l->at[i], memory_order_acquire)) {
            return i;
        }
    }
    return 0;
}

struct lbx_lent *lbx_lend_replace(struct lbx_lend *l, struct lbx_lent *it)
{
    struct lbx_lent *old;
    uint64_t word;
    int64_t lent;

    it->place = free_place(l);
    atomic_store(&it->due, it->place ? 0 : 1);
    if (!it->place) {
        return NULL;
    }
    atomic_store_explicit(&l->at[it->place], it, memory_order_relaxed);
    word = atomic_exchange_explicit(&l->word, (uint64_t)it->place << LBX_LEND_SHIFT | 1,
                                    memory_order_acq_rel);
    old = atomic_load_explicit(&l->at[word >> LBX_LEND_SHIFT], memory_order_relaxed);
    lent = (int64_t)(word & LENT_MASK);
    if (!old || atomic_fetch_add_explicit(&old->due, lent, memory_order_acq_rel) + lent) {
        return NULL;
    }
    atomic_store_explicit(&l->at[old->place], NULL, memory_order_release);
    return old;
}
