/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is which check due?  A heap of times, and the rules for the next one.
 *
 * Worked example, three checks every 10 s: the first ones at 0, 5 and 10 ms, and
 * then each 10 s after its own last, whenever that ended; with spread=10 between 9
 * and 10 s after it, so that checks which began together drift apart.  A check
 * is never later than its interval for the sake of the spread: what an interval
 * promises is kept.
 *
 * Not here: what a check is; the clock.
 *
 * Pure.
 */
#ifndef LBX_HC_SCHED_H
#define LBX_HC_SCHED_H

#include <stdint.h>

#define LBX_HC_NEVER UINT64_MAX

struct lbx_hc_entry {
    uint64_t due_us;
    uint32_t id;
};

/* <heap> has room for <cap> entries, <place> for the ids 0 to cap - 1; both are the
 * caller's. */
struct lbx_hc_sched {
    struct lbx_hc_entry *heap;
    uint32_t *place; /* of an id in the heap, plus 1; 0: not there */
    uint32_t n;
    uint32_t cap;
};

void lbx_hc_sched_init(struct lbx_hc_sched *s, struct lbx_hc_entry *heap, uint32_t *place,
                       uint32_t cap);

/* <id> is due at <due_us>, whatever was said of it before; LBX_HC_NEVER takes it out. */
void lbx_hc_sched_set(struct lbx_hc_sched *s, uint32_t id, uint64_t due_us);

/* When the first is due; LBX_HC_NEVER: nothing is. */
uint64_t lbx_hc_sched_first(const struct lbx_hc_sched *s);

/* Take out the first if it is due.  1: *id and *due_us tell which. */
int lbx_hc_sched_take(struct lbx_hc_sched *s, uint64_t now_us, uint32_t *id, uint64_t *due_us);

/* The first check of the <i>th of <n> that begin at <now_us>: a few at once, many
 * spread over no more than their interval. */
uint64_t lbx_hc_first_due(uint64_t now_us, uint64_t interval_us, uint32_t i, uint32_t n);

/* The check after one that was due at <due_us> and has ended at <now_us>.  <dice>:
 * random.  Never in the past: what was missed is not made up for. */
uint64_t lbx_hc_next_due(uint64_t due_us, uint64_t now_us, uint64_t interval_us, unsigned spread,
                         uint32_t dice);

#endif
