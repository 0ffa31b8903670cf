/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on one segment, for the thread sanitizer: choices and releases of all
 * methods, rosters compiled while values change under the admin mutex, children
 * that come and go.
 *
 *     tsan_pick [rounds of each thread]
 *
 * The sanitizer finds the races; this program itself fails when requests get
 * lost, values are torn, or a choice is none.
 *
 * Not here: processes (stress_segment.c).
 */
#include "unit_lab.h"

#include <pthread.h>
#include <stdio.h>

enum { MEMBERS = 5, PICKERS = 3, DEPTH = 4, METHODS = 3 };

struct shared {
    struct lab lab[METHODS]; /* one balancer a method */
    unsigned rounds;
    _Atomic int stop;
    _Atomic unsigned bad;
};

struct worker {
    struct shared *sh;
    unsigned number;
    uint64_t picks;
    uint64_t compiled;
};

struct held {
    int used;
    uint32_t slot;
    struct lbx_charge charge;
};

static void complain(struct shared *sh, const char *what)
{
    if (!atomic_fetch_add(&sh->bad, 1)) {
        fprintf(stderr, "tsan_pick: %s\n", what);
    }
}

/* This thread's own view of a balancer: a copy of the bench with own scratch,
 * as each process has it. */
static void own_view(struct lab *mine, const struct lab *l)
{
    *mine = *l;
    mine->view = lab_must(calloc(l->n, sizeof(*mine->view)));
    mine->chosen = lab_must(calloc(l->n, sizeof(*mine->chosen)));
    mine->weights = lab_must(calloc(l->n, sizeof(*mine->weights)));
    mine->roster = NULL;
    lab_compile(mine);
}

static void drop_view(struct lab *mine)
{
    free(mine->roster);
    free(mine->weights);
    free(mine->chosen);
    free(mine->view);
}

static void end_request(struct lab *l, const struct lbx_method *m, struct held *h, uint64_t bytes)
{
    m->done(&h->charge, bytes);
    lbx_method_release(&l->store, l->child, h->slot, l->set, m->wants_busy);
    h->used = 0;
}

static void *pick_and_release(void *baton)
{
    struct worker *w = baton;
    struct unit_rng g = {w->number + 1};
    struct lab mine[METHODS];
    struct held held[METHODS][DEPTH];

    memset(held, 0, sizeof(held));
    for (int k = 0; k < METHODS; k++) {
        own_view(&mine[k], &w->sh->lab[k]);
    }
    for (unsigned i = 0; i < w->sh->rounds; i++) {
        int k = (int)unit_below(&g, METHODS);
        const struct lbx_method *m = lbx_methods[k];
        struct lab *l = &mine[k];
        struct held *h = &held[k][unit_below(&g, DEPTH)];
        int place;

        if (h->used) {
            end_request(l, m, h, unit_below(&g, 1u << 16));
        }
        if (lbx_roster_stale(l->roster, 1)) {
            lab_compile(l);
            w->compiled++;
        }
        if (unit_below(&g, 8)) {
            uint32_t tried = unit_below(&g, (1u << MEMBERS) - 1);

            place = lab_pick(l, m, unit_below(&g, 4) ? NULL : &tried, &h->charge);
        } else {
            place = (int)unit_below(&g, MEMBERS);
            lab_elect(l, m, (uint32_t)place, &h->charge);
        }
        if (place < 0) {
            complain(w->sh, "nobody was chosen");
            continue;
        }
        h->used = 1;
        h->slot = l->roster->cand[place].slot;
        w->picks++;
    }
    for (int k = 0; k < METHODS; k++) {
        for (int d = 0; d < DEPTH; d++) {
            if (held[k][d].used) {
                end_request(&mine[k], lbx_methods[k], &held[k][d], 100);
            }
        }
        drop_view(&mine[k]);
    }
    return NULL;
}

/* Everything in the values follows from one number. */
static void derive(struct lbx_member_vals *v, uint32_t number)
{
    memset(v, 0, sizeof(*v));
    v->weight = LBX_WEIGHT_MIN + number % 900;
    memset(v->route, (int)('a' + number % 26), sizeof(v->route) - 1);
    memset(v->redirect, (int)('a' + v->weight % 26), sizeof(v->redirect) - 1);
}

static int is_whole(const struct lbx_member_vals *v)
{
    for (size_t i = 1; i + 1 < sizeof(v->route); i++) {
        if (v->route[i] != v->route[0] || v->redirect[i] != v->redirect[0]) {
            return 0;
        }
    }
    return !*v->route || v->redirect[0] == (char)('a' + v->weight % 26);
}

static void *change_values(void *baton)
{
    struct worker *w = baton;
    struct unit_rng g = {w->number + 100};

    while (!atomic_load(&w->sh->stop)) {
        struct lab *l = &w->sh->lab[unit_below(&g, METHODS)];
        struct lbx_member_vals v;

        derive(&v, unit_below(&g, 1u << 20));
        if (lbx_store_lock(&l->store, UINT64_MAX)) {
            complain(w->sh, "the admin mutex cannot be had");
            break;
        }
        lbx_member_vals_write(l->rec[unit_below(&g, MEMBERS)], &v);
        atomic_fetch_add(&l->set->epoch, 1);
        lbx_store_unlock(&l->store);
    }
    return NULL;
}

static void *look_and_come_and_go(void *baton)
{
    struct worker *w = baton;
    struct unit_rng g = {w->number + 200};

    while (!atomic_load(&w->sh->stop)) {
        struct lab *l = &w->sh->lab[unit_below(&g, METHODS)];
        uint32_t i = unit_below(&g, MEMBERS);
        struct lbx_member_view v;
        uint32_t pid = 5000 + w->number, child;

        lbx_store_view(&l->store, l->ref[i], l->rec[i], &v);
        if (!is_whole(&v.run)) {
            complain(w->sh, "torn values");
        }
        if (lbx_store_member(&l->store, l->ref[i]) != l->rec[i]) {
            complain(w->sh, "a good handle was refused");
        }
        child = lbx_store_child_claim(&l->store, pid);
        if (child == LBX_NO_CHILD) {
            complain(w->sh, "no column for a child");
            continue;
        }
        lbx_store_reserve(&l->store, child, l->ref[i].slot);
        if (lbx_store_child_clear(&l->store, pid) != 1) {
            complain(w->sh, "a dead child's request was not found");
        }
    }
    return NULL;
}

static int conserved(struct shared *sh)
{
    int good = 1;

    for (int k = 0; k < METHODS; k++) {
        struct lab *l = &sh->lab[k];
        int64_t credit = 0;

        for (uint32_t i = 0; i < MEMBERS; i++) {
            good &= !lbx_store_in_flight(&l->store, l->ref[i].slot);
            credit += atomic_load(&l->rec[i]->credit);
        }
        good &= !credit;
    }
    return good;
}

int main(int argc, char **argv)
{
    static struct shared sh;
    struct worker w[PICKERS + 3];
    pthread_t t[PICKERS + 3];
    uint64_t picks = 0, compiled = 0;

    sh.rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
    for (int k = 0; k < METHODS; k++) {
        lab_open(&sh.lab[k], MEMBERS, NULL, 4);
    }
    for (unsigned i = 0; i < PICKERS + 3; i++) {
        void *(*run)(void *) = i < PICKERS        ? pick_and_release
                               : i == PICKERS + 2 ? look_and_come_and_go
                                                  : change_values;

        w[i] = (struct worker){.sh = &sh, .number = i};
        lab_ok(!pthread_create(&t[i], NULL, run, &w[i]));
    }
    for (unsigned i = 0; i < PICKERS + 3; i++) {
        if (i == PICKERS) {
            atomic_store(&sh.stop, 1);
        }
        pthread_join(t[i], NULL);
        picks += w[i].picks;
        compiled += w[i].compiled;
    }
    if (!conserved(&sh)) {
        complain(&sh, "in-flight counts or credits are not zero at the end");
    }
    if (!compiled) {
        complain(&sh, "no roster was compiled anew: nothing was tested");
    }
    printf("tsan_pick: %llu choices, %llu rosters, %u complaints\n", (unsigned long long)picks,
           (unsigned long long)compiled, atomic_load(&sh.bad));
    for (int k = 0; k < METHODS; k++) {
        lab_close(&sh.lab[k]);
    }
    return atomic_load(&sh.bad) ? 1 : 0;
}
