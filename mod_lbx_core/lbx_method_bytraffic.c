/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytraffic: each member gets the share of bytes that its loadfactor says.
 *
 * Turns come in the smooth weighted order, as for byrequests.  A turn is
 * skipped when its member is ahead of its share of bytes by more than a usual
 * answer (lbx_fair.h).  An election is charged a usual answer at once, so that
 * concurrent requests do not all run to the member that looks idle, and is
 * corrected when the request ends.
 *
 *     loadfactor 3 1 1, equal answers     A B A C A | A B A C A
 *     loadfactor 1 1, A's answers of 3 KB and B's of 1 KB: about
 *                                         A B B B A B B B
 *
 * The first TRIES turns decide; when all their members are ahead, the one that
 * is least so is taken, and is the new measure for the others.  That bounds the
 * cost of a choice.
 *
 * Pure.
 */
#include "lbx_fair.h"
#include "lbx_method.h"
#include "lbx_hot.h"

enum {
    TRIES = 64,
    UNIT = 64,          /* bytes of one unit of work; keeps products in 64 bits */
    SMOOTH = 16,        /* the usual answer follows the last ones by 1/16 each */
    UNITS_MAX = 1 << 28 /* 16 GB: keeps reach * step in 64 bits */
};

static void charge_usual(const struct lbx_roster *r, const struct lbx_cand *c, uint64_t usual,
                         struct lbx_charge *charge)
{
    *charge = (struct lbx_charge){
        .set = r->set, .rec = c->rec, .set_step = r->step, .member_step = c->step, .units = usual};
    lbx_fair_charge(r->set, c->rec, r->step, c->step, (int64_t)usual);
}

static uint64_t usual_answer(const struct lbx_roster *r)
{
    return atomic_load_explicit(&r->set->estimate, memory_order_relaxed);
}

/* Everybody near the ticket has been tried: whoever has not, wherever. */
static int any_untried(const struct lbx_roster *r, const struct lbx_pick *p)
{
    for (uint32_t i = 0; i < r->n; i++) {
        if (!lbx_pick_barred(p, &r->cand[i])) {
            return (int)i;
        }
    }
    return -1;
}

static int choose(const struct lbx_roster *r, const struct lbx_pick *p, uint64_t usual)
{
    uint64_t clock = atomic_load_explicit(&r->set->vtime, memory_order_relaxed);
    int best = -1;
    int passed_over = 0;
    int64_t least = INT64_MAX;

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t t = atomic_fetch_add_explicit(&r->set->ticket, 1, memory_order_relaxed);
        uint32_t place = lbx_roster_at(r, t);
        const struct lbx_cand *c = &r->cand[place];
        int64_t lead;

        if (lbx_pick_barred(p, c)) {
            passed_over = 1;
            continue;
        }
        lead = lbx_fair_lead(r, c, usual);
        if (lead <= (int64_t)(usual * c->step)) {
            return (int)place;
        }
        if (lead < least) {
            least = lead;
            best = (int)place;
        }
    }
    /* All ahead: of somebody who is gone by now, not of each other. */
    if (best >= 0 && !passed_over) {
        lbx_fair_advance(r->set, clock, (uint64_t)least);
    }
    return best >= 0 ? best : any_untried(r, p);
}

static LBX_HOT int pick(const struct lbx_roster *r, const struct lbx_pick *p,
                        struct lbx_charge *charge)
{
    uint64_t usual = usual_answer(r);

    for (int i = 0; i < LBX_PICK_RETRIES; i++) {
        int place = r->n ? choose(r, p, usual) : -1;

        if (place < 0 || lbx_pick_take(p, &r->cand[place])) {
            if (place >= 0) {
                charge_usual(r, &r->cand[place], usual, charge);
            }
            return place;
        }
    }
    return -1;
}

static LBX_HOT void elect(const struct lbx_roster *r, uint32_t place, struct lbx_charge *charge)
{
    charge_usual(r, &r->cand[place], usual_answer(r), charge);
}

static LBX_HOT void done(const struct lbx_charge *charge, uint64_t bytes)
{
    uint64_t units = (bytes + UNIT - 1) / UNIT;
    uint64_t usual = atomic_load_explicit(&charge->set->estimate, memory_order_relaxed);
    int64_t off;

    units = units > UNITS_MAX ? UNITS_MAX : units;
    lbx_fair_charge(charge->set, charge->rec, charge->set_step, charge->member_step,
                    (int64_t)units - (int64_t)charge->units);

    /* A lost update only makes the estimate follow a little later. */
    off = (int64_t)units - (int64_t)usual;
    if (off / SMOOTH) {
        off /= SMOOTH;
    } else {
        off = (off > 0) - (off < 0); /* small answers have an average, too */
    }
    usual = usual ? (uint64_t)((int64_t)usual + off) : units;
    atomic_store_explicit(&charge->set->estimate, usual, memory_order_relaxed);
}

const struct lbx_method lbx_method_bytraffic = {
    .magic = LBX_METHOD_MAGIC,
    .name = "bytraffic",
    .wants_bytes = 1,
    .pick = pick,
    .elect = elect,
    .done = done,
};
