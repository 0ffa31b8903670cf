/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byrequests: each member gets the share of requests that its loadfactor says.
 *
 * A shared ticket walks through the smooth weighted order, one atomic addition
 * for a choice, whoever makes it: any window of one period that starts with any
 * request has each member exactly as often as its weight says.
 *
 *     loadfactor 3 1 1    tickets  0 1 2 3 4 | 5 6 7 8 9
 *                         chosen   A B A C A | A B A C A
 *
 * A request that comes with a session does not ask.  It takes a ticket all the
 * same: the member whose turn that was is owed one, the member it went to owes
 * one.  A member that owes gives its next turns to members that are owed, so
 * that new sessions even the load out.  The sum of all credit is zero.
 *
 *     A B C equal; ticket 0 is A's, the session goes to B    credit +1 -1  0
 *     ticket 1 is B's: B owes, A is owed                     A     0  0  0
 *     ticket 2 is C's                                        C     0  0  0
 *
 * A turn that falls on a member which this request has been at goes to the next
 * in the order; nobody owes anything for it.
 *
 * Pure.
 */
#include "lbx_method.h"
#include "lbx_hot.h"

enum {
    CREDIT_MAX = 256, /* no session load makes a member wait longer than this */
    LOOK_AHEAD = 64   /* places looked at for a creditor: bounds the cost of a choice */
};

static void charge_nothing(const struct lbx_roster *r, const struct lbx_cand *c,
                           struct lbx_charge *charge)
{
    *charge = (struct lbx_charge){.set = r->set, .rec = c->rec};
}

static int64_t credit_of(const struct lbx_cand *c)
{
    return atomic_load_explicit(&c->rec->credit, memory_order_relaxed);
}

/* One turn changes hands. */
static void hand_over(const struct lbx_cand *owed, const struct lbx_cand *owing)
{
    if (credit_of(owed) < CREDIT_MAX && credit_of(owing) > -CREDIT_MAX) {
        atomic_fetch_add_explicit(&owed->rec->credit, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&owing->rec->credit, 1, memory_order_relaxed);
    }
}

/* Somebody behind ticket <t> who is owed a turn; -1: nobody near. */
static LBX_APART int find_creditor(const struct lbx_roster *r, const struct lbx_pick *p, uint64_t t)
{
    uint32_t steps = r->period < LOOK_AHEAD ? r->period : LOOK_AHEAD;

    for (uint32_t i = 1; i <= steps; i++) {
        uint32_t place = lbx_roster_at(r, t + i);

        if (credit_of(&r->cand[place]) > 0 && !lbx_pick_barred(p, &r->cand[place])) {
            return (int)place;
        }
    }
    return -1;
}

/* The first place from ticket <t> on that the request has not been at. */
static LBX_APART int find_untried(const struct lbx_roster *r, const struct lbx_pick *p, uint64_t t)
{
    for (uint32_t i = 0; i < r->period; i++) {
        uint32_t place = lbx_roster_at(r, t + i);

        if (!lbx_pick_barred(p, &r->cand[place])) {
            return (int)place;
        }
    }
    return -1;
}

/* The candidate whose turn it is, reserved; -1: nobody, -2: somebody else was quicker. */
static int take_turn(const struct lbx_roster *r, const struct lbx_pick *p)
{
    uint64_t t = atomic_fetch_add_explicit(&r->set->ticket, 1, memory_order_relaxed);
    int turn = (int)lbx_roster_at(r, t);
    int place = turn;

    if (lbx_pick_barred(p, &r->cand[turn])) {
        place = find_untried(r, p, t + 1);
    } else if (credit_of(&r->cand[turn]) < 0) {
        int creditor = find_creditor(r, p, t);

        place = creditor >= 0 ? creditor : turn;
    }
    if (place < 0) {
        return -1;
    }
    if (!lbx_pick_take(p, &r->cand[place])) {
        return -2;
    }
    if (place != turn && !lbx_pick_barred(p, &r->cand[turn])) {
        hand_over(&r->cand[turn], &r->cand[place]);
    }
    return place;
}

static LBX_HOT int pick(const struct lbx_roster *r, const struct lbx_pick *p,
                        struct lbx_charge *charge)
{
    int place = r->n ? -2 : -1;

    for (int i = 0; i < LBX_PICK_RETRIES && place == -2; i++) {
        place = take_turn(r, p);
    }
    if (place >= 0) {
        charge_nothing(r, &r->cand[place], charge);
    }
    return place >= 0 ? place : -1;
}

static LBX_HOT void elect(const struct lbx_roster *r, uint32_t place, struct lbx_charge *charge)
{
    uint64_t t = atomic_fetch_add_explicit(&r->set->ticket, 1, memory_order_relaxed);
    uint32_t turn = lbx_roster_at(r, t);

    charge_nothing(r, &r->cand[place], charge);
    if (turn != place) {
        hand_over(&r->cand[turn], &r->cand[place]);
    }
}

static LBX_HOT void done(const struct lbx_charge *charge, uint64_t bytes)
{
    (void)charge;
    (void)bytes;
}

const struct lbx_method lbx_method_byrequests = {
    .magic = LBX_METHOD_MAGIC,
    .name = "byrequests",
    .pick = pick,
    .elect = elect,
    .done = done,
};
