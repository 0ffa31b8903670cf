/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member whose failure kept a request waiting comes back on trial: when its error is
 * over by time, one request of all processes finds out, and the others go elsewhere
 * until that one has got an answer.
 *
 *     error, after a time-out of 2 s    slow_ms = 2000
 *     retry= is over                    trial_us = 1: whoever takes the member is the one
 *     taken at T                        trial_us = T + 4 s; nobody else before that
 *     it answers                        trial_us = slow_ms = 0: all
 *     it fails                          error again
 *     the one that tried is lost        at T + 4 s the next one
 *
 * Members that fail at once (a refused connection) have no trial: nobody waits for them.
 *
 * Not here: when an error is over (lbx_eligible), where the others go (core_choose).
 *
 * Pure.  Any thread of any process; atomics only.
 */
#ifndef LBX_TRIAL_H
#define LBX_TRIAL_H

#include "lbx_segment.h"

enum {
    LBX_TRIAL_SLOW_MS = 50,      /* a failure that took longer kept somebody waiting */
    LBX_TRIAL_LEAST_US = 1000000 /* so long others wait for the one that tries, at least */
};

/* The member failed, after so long. */
void lbx_trial_failed(struct lbx_seg_member *m, uint64_t took_ms);

/* Its error is about to end.  Call it before others can see that. */
void lbx_trial_begin(struct lbx_seg_member *m);

static inline int lbx_trial_is_on(const struct lbx_seg_member *m)
{
    return atomic_load_explicit(&m->trial_us, memory_order_relaxed) != 0;
}

/* Does somebody try the member already? */
static inline int lbx_trial_is_taken(const struct lbx_seg_member *m, uint64_t now_us)
{
    return atomic_load_explicit(&m->trial_us, memory_order_relaxed) > now_us;
}

/* Be the one that tries.  0: somebody else is; 1 also when there is no trial. */
int lbx_trial_take(struct lbx_seg_member *m, uint64_t now_us);

/* The one that tried went away without an answer: the next may. */
void lbx_trial_give_back(struct lbx_seg_member *m);

/* It has answered.  0: it was not on trial. */
int lbx_trial_end(struct lbx_seg_member *m);

#endif
