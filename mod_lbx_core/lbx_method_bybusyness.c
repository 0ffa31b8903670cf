/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bybusyness: the member with the fewest requests in flight, over all
 * processes.  Among equals the one that is furthest behind its share of
 * requests (lbx_fair.h), so that an idle balancer turns by weight:
 *
 *     loadfactor 3 1 1, one request at a time     A A B C A | A A B C A
 *     in flight  2 0 1                            B
 *
 * The choice and the reservation are one step: every change of an in-flight
 * count moves set->busy_seq, and a choice stands only if the sequence has not
 * moved since the counts were read.  After RETRIES misses the last choice is
 * taken as it is: under such a load the next ones even it out.
 *
 * Looks at every candidate: the cost grows with their number and with the
 * number of processes.
 *
 * Pure.
 */
#include "lbx_fair.h"
#include "lbx_method.h"
#include "lbx_hot.h"

enum {
    RETRIES = 8,
    LIVE_MAX = 64 /* processes counted by list; beyond, every column is read */
};

/* The columns that can be other than zero. */
struct live {
    uint32_t n;
    uint32_t child[LIVE_MAX];
};

static void find_live(const struct lbx_store *st, struct live *l)
{
    uint32_t high = atomic_load_explicit(&st->seg[0]->children_high, memory_order_acquire);

    l->n = 0;
    for (uint32_t i = 0; i < high; i++) {
        if (!atomic_load_explicit(&lbx_seg_child_at(st->seg[0], i)->pid, memory_order_acquire)) {
            continue;
        }
        if (l->n == LIVE_MAX) {
            l->n = UINT32_MAX;
            return;
        }
        l->child[l->n++] = i;
    }
}

static uint32_t in_flight(const struct lbx_store *st, const struct live *l, uint32_t slot)
{
    struct lbx_seg_head *h = st->seg[slot >> LBX_SLOT_BITS];
    uint32_t index = slot & ((1u << LBX_SLOT_BITS) - 1);
    uint32_t sum = 0;

    if (l->n == UINT32_MAX) {
        return lbx_store_in_flight(st, slot);
    }
    for (uint32_t i = 0; i < l->n; i++) {
        sum += atomic_load_explicit(&lbx_seg_column(h, l->child[i])[index], memory_order_acquire);
    }
    return sum;
}

static int choose(const struct lbx_roster *r, const struct lbx_pick *p)
{
    uint64_t now = atomic_load_explicit(&r->set->vtime, memory_order_relaxed);
    struct live l;
    int best = -1;
    uint32_t fewest = UINT32_MAX;
    int64_t least = 0;

    find_live(p->store, &l);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct lbx_cand *c = &r->cand[i];
        uint32_t busy = in_flight(p->store, &l, c->slot);
        int64_t lead;

        if (busy > fewest || lbx_pick_barred(p, c)) {
            continue;
        }
        /* half a step ahead: where the member will be in the middle of this turn */
        lead = lbx_fair_lead_at(r, c, now, 1) + (int64_t)(c->step / 2);
        if (busy < fewest || lead < least) {
            fewest = busy;
            least = lead;
            best = (int)i;
        }
    }
    return best;
}

static LBX_HOT int pick(const struct lbx_roster *r, const struct lbx_pick *p,
                        struct lbx_charge *charge)
{
    for (unsigned i = 0;; i++) {
        uint64_t seq = atomic_load(&r->set->busy_seq);
        int place = r->n ? choose(r, p) : -1;
        const struct lbx_cand *c;

        if (place < 0) {
            return -1;
        }
        c = &r->cand[place];
        if (!lbx_pick_take(p, c)) {
            if (i == RETRIES) {
                return -1;
            }
            continue;
        }
        if (i == RETRIES || atomic_compare_exchange_strong(&r->set->busy_seq, &seq, seq + 1)) {
            if (i == RETRIES) {
                atomic_fetch_add(&r->set->busy_seq, 1);
            }
            lbx_fair_charge(r->set, c->rec, r->step, c->step, 1);
            *charge = (struct lbx_charge){.set = r->set, .rec = c->rec};
            return place;
        }
        lbx_method_release(p->store, p->child, c->slot, r->set, 1);
    }
}

static LBX_HOT void elect(const struct lbx_roster *r, uint32_t place, struct lbx_charge *charge)
{
    const struct lbx_cand *c = &r->cand[place];

    lbx_fair_charge(r->set, c->rec, r->step, c->step, 1);
    *charge = (struct lbx_charge){.set = r->set, .rec = c->rec};
}

static LBX_HOT void done(const struct lbx_charge *charge, uint64_t bytes)
{
    (void)charge;
    (void)bytes;
}

const struct lbx_method lbx_method_bybusyness = {
    .magic = LBX_METHOD_MAGIC,
    .name = "bybusyness",
    .wants_busy = 1,
    .pick = pick,
    .elect = elect,
    .done = done,
};
