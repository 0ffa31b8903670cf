/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maxconn=: how many requests a member has at once, over all processes, never
 * one more.
 *
 * A request reserves first, in its own child's column, and counts then: of all
 * that are under way together the last to reserve sees all others and gives its
 * reservation back.  Two that come at the same time may both do so; nobody can
 * ever be one too many, and a child that is killed in between leaves too many
 * counted, not too few, until its column is cleared.
 *
 * A killed child's connections are closed by the system, but the members may
 * still be working for them: those requests stay counted as ghosts for as long
 * as the member's answers usually take.
 *
 * Not here: who waits for a member that is full (lbx_queue).
 *
 * Pure.  Any thread of any process; atomics only.
 */
#ifndef LBX_LIMIT_H
#define LBX_LIMIT_H

#include "lbx_store.h"

/* How long ghosts stay, microseconds. */
enum { LBX_GHOSTS_LEAST = 20 * 1000, LBX_GHOSTS_MOST = 2000 * 1000 };

/* How many at once: <maxconn>, or its share while the member starts slowly, at
 * least 1; 0: no limit. */
static inline uint32_t lbx_limit(uint32_t maxconn, uint32_t ramp)
{
    uint64_t share = (uint64_t)maxconn * (ramp ? ramp : LBX_RAMP_FULL) / LBX_RAMP_FULL;

    return maxconn && !share ? 1 : (uint32_t)share;
}

/* Requests at the member, and ghosts. */
uint32_t lbx_limit_used(const struct lbx_store *st, uint32_t slot, const struct lbx_seg_member *rec,
                        uint64_t now_us);

/* Reserve as lbx_store_reserve does, unless <limit> (0: none) are there already.
 * 0: full.  A process without a column cannot be counted, and gets none. */
int lbx_limit_take(const struct lbx_store *st, uint32_t child, uint32_t slot,
                   const struct lbx_seg_member *rec, uint32_t limit, uint64_t now_us);

/* The process <pid> is gone: what it had at members with maxconn= stays as ghosts.
 * Parent only, before its column is cleared. */
void lbx_limit_haunt(const struct lbx_store *st, uint32_t pid, uint64_t now_us);

/* Time in which nearly all answers of the member come: 99 of 100. */
uint64_t lbx_limit_usual_us(const struct lbx_seg_member *rec);

#endif
