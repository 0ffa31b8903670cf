/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thing that many threads read and one at times replaces: lent without a lock, and
 * freed by whoever gives it back last.
 *
 * Which thing is in force and how often it was lent stand in one word, so that to borrow
 * it is one atomic addition.  Who puts another in force learns by that how often the
 * old one was lent; it is free when as many have given it back.  (Split reference counts:
 * Williams, C++ Concurrency in Action, 7.2.4.)
 *
 * Not here: memory.  Things begin with a struct lbx_lent and are the caller's.
 *
 * Pure.  Threads of one process; zeroed memory is a valid start.
 */
#ifndef LBX_LEND_H
#define LBX_LEND_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Things in use at the same time: the present one and those that somebody still has. */
enum { LBX_LEND_PLACES = 64, LBX_LEND_SHIFT = 48 };

struct lbx_lent {
    /* In force: less than 0, how often it was given back.  Afterwards: how often it has
     * to be.  It passes 0 once. */
    _Atomic int64_t due;
    uint32_t place; /* 0: it was never in force */
};

struct lbx_lend {
    _Atomic uint64_t word; /* the place of the present one; in the lower bits, how often lent */
    _Atomic(struct lbx_lent *) at[LBX_LEND_PLACES]; /* [0] stays empty */
};

/* Borrow the present one; NULL: there is none. */
static inline struct lbx_lent *lbx_lend_borrow(struct lbx_lend *l)
{
    uint64_t word = atomic_fetch_add_explicit(&l->word, 1, memory_order_acquire);

    return atomic_load_explicit(&l->at[word >> LBX_LEND_SHIFT], memory_order_relaxed);
}

/* 1: nobody has it or will have it any more, the caller frees it. */
static inline int lbx_lend_give_back(struct lbx_lend *l, struct lbx_lent *it)
{
    if (atomic_fetch_sub_explicit(&it->due, 1, memory_order_acq_rel) != 1) {
        return 0;
    }
    atomic_store_explicit(&l->at[it->place], NULL, memory_order_release);
    return 1;
}

/* Put <it> in force, lent to the caller.  One thread at a time.  Returns the one before if
 * the caller has to free that, else NULL.  When all places are taken, <it> serves its
 * caller alone, and the one before stays. */
struct lbx_lent *lbx_lend_replace(struct lbx_lend *l, struct lbx_lent *it);

#endif
