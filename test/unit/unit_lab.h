/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A balancer on the bench: a segment with one set and n members, a child's
 * column, a roster, and random numbers that can be had again.
 *
 * Not here: assertions (each test's own) and anything of libcheck, because the
 * stress programs use this file too.  A bench that cannot be built aborts.
 */
#ifndef UNIT_LAB_H
#define UNIT_LAB_H

#include <stdlib.h>
#include <string.h>

#include "lbx_method.h"
#include "lbx_roster.h"
#include "lbx_store.h"
#include "lbx_vals.h"

/* Random numbers: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
struct unit_rng {
    uint64_t at;
};

static inline uint64_t unit_rand(struct unit_rng *g)
{
    uint64_t z = g->at += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* 0..n-1 */
static inline uint32_t unit_below(struct unit_rng *g, uint32_t n)
{
    return (uint32_t)(unit_rand(g) % n);
}

/* lo..hi, both included */
static inline uint32_t unit_between(struct unit_rng *g, uint32_t lo, uint32_t hi)
{
    return lo + unit_below(g, hi - lo + 1);
}

static inline void *lab_must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

static inline void lab_ok(int good)
{
    if (!good) {
        abort();
    }
}

/* Zeroed memory as a segment wants it. */
static inline void *lab_block(uint64_t len)
{
    uint64_t whole = (len + LBX_LINE - 1) / LBX_LINE * LBX_LINE;

    return memset(lab_must(aligned_alloc(LBX_LINE, whole)), 0, whole);
}

struct lab {
    void *mem;
    struct lbx_store store;
    struct lbx_ref set_ref;
    struct lbx_seg_set *set;
    uint32_t n;
    uint32_t child; /* the column of this process */
    struct lbx_ref *ref;
    struct lbx_seg_member **rec;
    struct lbx_member_view *view; /* as of the last lab_look() */
    uint16_t *chosen;             /* scratch of the compiler */
    uint32_t *weights;
    struct lbx_tier tier;
    struct lbx_roster *roster;
};

static inline void lab_set_weight(struct lab *l, uint32_t i, uint32_t hundredths)
{
    struct lbx_member_vals v;

    lbx_member_vals_read(l->rec[i], &v);
    v.weight = hundredths;
    lbx_member_vals_write(l->rec[i], &v);
}

static inline void lab_set_admin(struct lab *l, uint32_t i, uint32_t admin)
{
    struct lbx_member_vals v;

    lbx_member_vals_read(l->rec[i], &v);
    v.admin = admin;
    lbx_member_vals_write(l->rec[i], &v);
}

/* Take the views of all members. */
static inline void lab_look(struct lab *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        lbx_store_view(&l->store, l->ref[i], l->rec[i], &l->view[i]);
    }
}

/* Compile a roster from the views as they are. */
static inline struct lbx_roster *lab_compile_views(struct lab *l, uint64_t now_us)
{
    struct lbx_ask ask = {.now_us = now_us};
    struct lbx_roster_in in = {.set = l->set, .view = l->view, .rec = l->rec, .n = l->n};
    uint32_t period;
    uint64_t size;

    in.epoch = atomic_load(&l->set->epoch);
    size = lbx_roster_plan(&in, &ask, l->chosen, l->weights, &l->tier, &period);
    free(l->roster);
    l->roster = lab_must(malloc(size));
    return lbx_roster_make(&in, l->chosen, l->weights, &l->tier, period, l->roster);
}

static inline struct lbx_roster *lab_compile(struct lab *l)
{
    lab_look(l);
    return lab_compile_views(l, 1);
}

/* A bench with <n> members of <hundredths> (NULL: 100 each) and room for
 * <children>, one of which is claimed. */
static inline void lab_open(struct lab *l, uint32_t n, const uint32_t *hundredths,
                            uint32_t children)
{
    struct lbx_seg_plan plan = {2, n ? n : 1, children, 0, 8};
    uint64_t len = lbx_seg_size(&plan);

    memset(l, 0, sizeof(*l));
    l->n = n;
    l->mem = lab_block(len);
    l->ref = lab_must(calloc(n + 1, sizeof(l->ref[0])));
    l->rec = lab_must(calloc(n + 1, sizeof(l->rec[0])));
    l->view = lab_must(calloc(n + 1, sizeof(l->view[0])));
    l->chosen = lab_must(calloc(n + 1, sizeof(l->chosen[0])));
    l->weights = lab_must(calloc(n + 1, sizeof(l->weights[0])));
    lab_ok(lbx_seg_format(l->mem, len, &plan) == LBX_OK);
    lab_ok(lbx_store_add(&l->store, l->mem, len) == LBX_OK);
    lab_ok(lbx_store_new_set_locked(&l->store, "main", "bench", &l->set_ref) == LBX_OK);
    l->set = lab_must(lbx_store_set(&l->store, l->set_ref));
    l->child = lbx_store_child_claim(&l->store, 1000);
    lab_ok(l->child != LBX_NO_CHILD);
    for (uint32_t i = 0; i < n; i++) {
        char name[3] = {(char)('A' + i % 26), (char)('a' + i / 26 % 26), '\0'};

        lab_ok(lbx_store_new_member_locked(&l->store, l->set_ref, name, &l->ref[i]) == LBX_OK);
        l->rec[i] = lab_must(lbx_store_member(&l->store, l->ref[i]));
        lab_set_weight(l, i, hundredths ? hundredths[i] : LBX_WEIGHT_ONE);
    }
    lab_compile(l);
}

static inline void lab_close(struct lab *l)
{
    free(l->roster);
    free(l->weights);
    free(l->chosen);
    free(l->view);
    free(l->rec);
    free(l->ref);
    free(l->mem);
}

static inline int lab_pick(struct lab *l, const struct lbx_method *m, const uint32_t *tried,
                           struct lbx_charge *charge)
{
    struct lbx_pick p = {.store = &l->store, .child = l->child, .tried = tried};

    return m->pick(l->roster, &p, charge);
}

/* A session goes to <place>, as the request path does it. */
static inline void lab_elect(struct lab *l, const struct lbx_method *m, uint32_t place,
                             struct lbx_charge *charge)
{
    m->elect(l->roster, place, charge);
    lbx_store_reserve(&l->store, l->child, l->roster->cand[place].slot);
    if (m->wants_busy) {
        atomic_fetch_add(&l->set->busy_seq, 1);
    }
}

/* The request at <place> ends with <bytes>. */
static inline void lab_end(struct lab *l, const struct lbx_method *m, uint32_t place,
                           const struct lbx_charge *charge, uint64_t bytes)
{
    m->done(charge, bytes);
    lbx_method_release(&l->store, l->child, l->roster->cand[place].slot, l->set, m->wants_busy);
}

/* One request after the other: choose, answer, end.  Returns the place or -1. */
static inline int lab_turn(struct lab *l, const struct lbx_method *m, uint64_t bytes)
{
    struct lbx_charge charge;
    int place = lab_pick(l, m, NULL, &charge);

    if (place >= 0) {
        lab_end(l, m, (uint32_t)place, &charge, bytes);
    }
    return place;
}

/* Is every window of one period in seq[0..len) exact: each candidate as often
 * as its weight says?  Returns the start of the first bad window, or -1. */
static inline int64_t lab_bad_window(const struct lbx_roster *r, const uint16_t *seq, uint32_t len)
{
    uint32_t *count = lab_must(calloc(r->n, sizeof(*count)));
    uint32_t wrong = r->n; /* candidates whose count is not their weight */
    int64_t bad = -1;

    for (uint32_t i = 0; i < len && bad < 0; i++) {
        wrong -= ++count[seq[i]] == r->cand[seq[i]].weight;
        wrong += count[seq[i]] == r->cand[seq[i]].weight + 1;
        if (i + 1 < r->period) {
            continue;
        }
        if (wrong) {
            bad = (int64_t)i + 1 - r->period;
        } else {
            uint16_t out = seq[i + 1 - r->period];

            wrong++;
            count[out]--;
        }
    }
    free(count);
    return bad;
}

#endif
