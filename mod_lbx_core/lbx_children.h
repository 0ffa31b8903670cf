/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves requests, and how many are under way: each process that serves has
 * a column, with a count for each member.  What a killed process had under way
 * goes with its column.
 *
 * Pure.
 */
#ifndef LBX_CHILDREN_H
#define LBX_CHILDREN_H

#include "lbx_store.h"

#define LBX_NO_CHILD UINT32_MAX

/* A column for the process <pid>.  LBX_NO_CHILD: more processes than planned;
 * such a process serves requests without being counted. */
uint32_t lbx_store_child_claim(struct lbx_store *st, uint32_t pid);

/* The process <pid> is gone: its requests are no longer in flight.  Parent
 * only.  Returns how many requests that were. */
uint64_t lbx_store_child_clear(struct lbx_store *st, uint32_t pid);

/* Clear every child that <alive> denies.  Parent only. */
uint64_t lbx_store_child_sweep(struct lbx_store *st, int (*alive)(uint32_t pid));

/* Look for children that <alive> denies, and let it be known: their places in queues do
 * not count any more.  Any process.  Returns how many nobody knew of. */
uint32_t lbx_store_child_look(const struct lbx_store *st, int (*alive)(uint32_t pid));

/* Is the child in this column known to be gone, and not cleared yet? */
static inline int lbx_store_child_gone(struct lbx_seg_head *h, uint32_t child)
{
    const struct lbx_seg_child *c = lbx_seg_child_at(h, child);
    uint32_t gone = atomic_load_explicit(&c->gone, memory_order_relaxed);

    return gone && gone == atomic_load_explicit(&c->pid, memory_order_relaxed);
}

/* One request more or less on a member, in the column of <child>; release returns how many
 * are left there. */
void lbx_store_reserve(const struct lbx_store *st, uint32_t child, uint32_t slot);
uint32_t lbx_store_release(const struct lbx_store *st, uint32_t child, uint32_t slot);

/* Requests in flight on a member, over all children. */
uint32_t lbx_store_in_flight(const struct lbx_store *st, uint32_t slot);

#endif
