/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap with places, and the times of checks.  See lbx_hc_sched.h.
 *
 * Pure.
 */
#include "lbx_hc_sched.h"

#include <string.h>

enum { GAP_US = 5000 }; /* between the first checks of two members */

void lbx_hc_sched_init(struct lbx_hc_sched *s, struct lbx_hc_entry *heap, uint32_t *place,
                       uint32_t cap)
{
    s->heap = heap;
    s->place = place;
    s->cap = cap;
    s->n = 0;
    memset(place, 0, cap * sizeof(*place));
}

static void put(struct lbx_hc_sched *s, uint32_t at, struct lbx_hc_entry e)
{
    s->heap[at] = e;
    s->place[e.id] = at + 1;
}

static void sift_up(struct lbx_hc_sched *s, uint32_t at, struct lbx_hc_entry e)
{
    while (at && s->heap[(at - 1) / 2].due_us > e.due_us) {
        put(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(s, at, e);
}

static void sift_down(struct lbx_hc_sched *s, uint32_t at, struct lbx_hc_entry e)
{
    for (uint32_t child = 2 * at + 1; child < s->n; child = 2 * at + 1) {
        if (child + 1 < s->n && s->heap[child + 1].due_us < s->heap[child].due_us) {
            child++;
        }
        if (s->heap[child].due_us >= e.due_us) {
            break;
        }
        put(s, at, s->heap[child]);
        at = child;
    }
    put(s, at, e);
}

static void take_out(struct lbx_hc_sched *s, uint32_t at)
{
    struct lbx_hc_entry last = s->heap[--s->n];

    s->place[s->heap[at].id] = 0;
    if (at == s->n) {
        return;
    }
    if (at && s->heap[(at - 1) / 2].due_us > last.due_us) {
        sift_up(s, at, last);
    } else {
        sift_down(s, at, last);
    }
}

void lbx_hc_sched_set(struct lbx_hc_sched *s, uint32_t id, uint64_t due_us)
{
    struct lbx_hc_entry e = {due_us, id};

    if (id >= s->cap) {
        return;
    }
    if (s->place[id]) {
        take_out(s, s->place[id] - 1);
    }
    if (due_us != LBX_HC_NEVER) {
        sift_up(s, s->n++, e);
    }
}

uint64_t lbx_hc_sched_first(const struct lbx_hc_sched *s)
{
    return s->n ? s->heap[0].due_us : LBX_HC_NEVER;
}

int lbx_hc_sched_take(struct lbx_hc_sched *s, uint64_t now_us, uint32_t *id, uint64_t *due_us)
{
    if (!s->n || s->heap[0].due_us > now_us) {
        return 0;
    }
    *id = s->heap[0].id;
    *due_us = s->heap[0].due_us;
    take_out(s, 0);
    return 1;
}

uint64_t lbx_hc_first_due(uint64_t now_us, uint64_t interval_us, uint32_t i, uint32_t n)
{
    uint64_t window = (uint64_t)n * GAP_US;

    if (window > interval_us) {
        window = interval_us;
    }
    return n ? now_us + window * i / n : now_us;
}

uint64_t lbx_hc_next_due(uint64_t due_us, uint64_t now_us, uint64_t interval_us, unsigned spread,
                         uint32_t dice)
{
    uint64_t early = interval_us / 100 * spread;
    uint64_t next = due_us + interval_us - (early ? dice % (early + 1) : 0);

    return next > now_us ? next : now_us;
}
