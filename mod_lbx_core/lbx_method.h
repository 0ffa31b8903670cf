/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A method (lbmethod=) ranks the candidates of a roster: a const table and pure
 * functions.  One method a file, lbx_method_<name>.c, which opens with a worked
 * schedule; the unit test has the same one.
 *
 * Not here: who is a candidate (lbx_eligible), what a request is.
 *
 * Pure.  No lock: any thread of any process, and a caller may be killed at any
 * instruction.
 */
#ifndef LBX_METHOD_H
#define LBX_METHOD_H

#include "lbx_children.h"
#include "lbx_hot.h"
#include "lbx_limit.h"
#include "lbx_roster.h"
#include "lbx_trial.h"

/* One choice: what the method may look at besides the roster. */
struct lbx_pick {
    const struct lbx_store *store;
    uint32_t child;        /* the column to reserve in */
    const uint32_t *tried; /* as in struct lbx_ask */
    uint64_t now_us;
    int anyhow; /* members on trial as well, whoever tries them */
};

/* What a request owes its method when it ends; the caller keeps it, whatever
 * becomes of the roster. */
struct lbx_charge {
    struct lbx_seg_set *set;
    struct lbx_seg_member *rec;
    uint64_t set_step;
    uint64_t member_step;
    uint64_t units; /* charged at the election */
};

struct lbx_method {
    uint32_t magic;
    const char *name;
    int wants_bytes; /* <done> needs the size of the answer */
    int wants_busy;  /* every change of in-flight moves set->busy_seq */

    /* Choose a candidate and reserve it: its in-flight count is one higher.
     * Returns its place in the roster, or -1: everybody has been tried or is full. */
    int (*pick)(const struct lbx_roster *r, const struct lbx_pick *p, struct lbx_charge *charge);

    /* The candidate was taken without asking (its session).  Not reserved here. */
    void (*elect)(const struct lbx_roster *r, uint32_t place, struct lbx_charge *charge);

    /* The request is over; <bytes> went through in both directions. */
    void (*done)(const struct lbx_charge *charge, uint64_t bytes);
};

enum { LBX_METHOD_MAGIC = 0x4c42584d };

extern const struct lbx_method lbx_method_byrequests;
extern const struct lbx_method lbx_method_bybusyness;
extern const struct lbx_method lbx_method_bytraffic;

/* All methods of the suite, NULL at the end. */
extern const struct lbx_method *const lbx_methods[];

/* The method called <name>, or NULL: somebody else's. */
const struct lbx_method *lbx_method_find(const char *name);

enum { LBX_PICK_RETRIES = 8 /* of a choice that somebody else was quicker to take */ };

/* Has the request been at this candidate, has that maxconn= requests, or does somebody
 * find out whether it is back? */
static inline int lbx_pick_barred(const struct lbx_pick *p, const struct lbx_cand *c)
{
    return (LBX_RARE(p->tried) && p->tried[c->index / 32] >> (c->index % 32) & 1)
           || (LBX_RARE(c->trial) && !p->anyhow && lbx_trial_is_taken(c->rec, p->now_us))
           || (c->limit && lbx_limit_used(p->store, c->slot, c->rec, p->now_us) >= c->limit);
}

/* Reserve the candidate.  0: it has become full meanwhile, or somebody else tries it. */
static inline int lbx_pick_take(const struct lbx_pick *p, const struct lbx_cand *c)
{
    if (!lbx_limit_take(p->store, p->child, c->slot, c->rec, c->limit, p->now_us)) {
        return 0;
    }
    if (!LBX_RARE(c->trial) || lbx_trial_take(c->rec, p->now_us) || p->anyhow) {
        return 1;
    }
    lbx_store_release(p->store, p->child, c->slot);
    return 0;
}

/* The place of the order that ticket <t> stands for. */
static inline uint32_t lbx_roster_at(const struct lbx_roster *r, uint64_t t)
{
    return r->order[t % r->period];
}

/* Release a reservation; <busy>: the method's wants_busy.  Returns how many are left in
 * the column of <child>. */
uint32_t lbx_method_release(const struct lbx_store *st, uint32_t child, uint32_t slot,
                            struct lbx_seg_set *set, int busy);

#endif
