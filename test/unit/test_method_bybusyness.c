/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bybusyness: the schedules of its header, fewest in flight at every choice
 * against a recount, and turns by weight when idle.
 *
 * Not here: what all methods have in common (test_method.c).
 */
#include "unit.h"

#include <pthread.h>

static const struct lbx_method *const m = &lbx_method_bybusyness;
static const uint32_t three_one_one[] = {300, 100, 100};

START_TEST(worked_schedule)
{
    struct lab l;
    struct lbx_charge charge;

    lab_open(&l, 3, three_one_one, 1);
    for (const char *want = "AABCAAABCA"; *want; want++) {
        ck_assert_int_eq(lab_turn(&l, m, 0), *want - 'A');
    }
    lbx_store_reserve(&l.store, l.child, l.ref[0].slot);
    lbx_store_reserve(&l.store, l.child, l.ref[0].slot);
    lbx_store_reserve(&l.store, l.child, l.ref[2].slot);
    ck_assert_int_eq(lab_pick(&l, m, NULL, &charge), 1);
    lab_close(&l);
}
END_TEST

/* One request at a time: windows are exact, from any clock, also one that wraps. */
START_TEST(idle_windows_are_exact)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 30; round++) {
        uint32_t w[6] = {300, 100, 100};
        uint32_t n = round ? unit_between(&g, 1, 6) : 3;
        uint64_t clock = round % 2 ? 0 - (uint64_t)unit_between(&g, 1, 400) : unit_rand(&g);
        uint16_t seq[300];
        struct lab l;

        for (uint32_t i = 0; round && i < n; i++) {
            w[i] = 100 * unit_between(&g, 1, 5);
        }
        lab_open(&l, n, w, 1);
        atomic_store(&l.set->vtime, clock);
        for (uint32_t i = 0; i < n; i++) {
            atomic_store(&l.rec[i]->vtime, clock);
        }
        for (unsigned i = 0; i < 300; i++) {
            seq[i] = (uint16_t)lab_turn(&l, m, 0);
        }
        ck_assert_int_eq(lab_bad_window(l.roster, seq, 300), -1);
        lab_close(&l);
    }
}
END_TEST

enum { N = 7, KIDS = 3, HELD_MAX = 40 };

struct held {
    uint32_t place, child;
    struct lbx_charge charge;
};

/* Choices of several processes, sessions, attempts: whoever is chosen has no
 * more in flight than any other that may be. */
START_TEST(fewest_in_flight)
{
    struct unit_rng g = UNIT_RNG();
    uint32_t w[N], child[KIDS];
    struct held held[HELD_MAX];
    uint32_t n = 0;
    struct lab l;

    for (uint32_t i = 0; i < N; i++) {
        w[i] = 100 * unit_between(&g, 1, 9);
    }
    lab_open(&l, N, w, KIDS);
    child[0] = l.child;
    child[1] = lbx_store_child_claim(&l.store, 2);
    child[2] = lbx_store_child_claim(&l.store, 3);
    for (int op = 0; op < 4000; op++) {
        uint32_t what = unit_below(&g, 10);
        uint64_t seq = atomic_load(&l.set->busy_seq);

        l.child = child[unit_below(&g, KIDS)];
        if (n == HELD_MAX || (n && what < 4)) {
            uint32_t k = unit_below(&g, n);

            l.child = held[k].child;
            lab_end(&l, m, held[k].place, &held[k].charge, 0);
            held[k] = held[--n];
        } else if (what == 4) {
            held[n] = (struct held){.place = unit_below(&g, N), .child = l.child};
            lab_elect(&l, m, held[n].place, &held[n].charge);
            n++;
        } else {
            uint32_t tried = what < 7 ? unit_below(&g, (1u << N) - 1) : 0;
            uint32_t busy[N] = {0};
            int place = lab_pick(&l, m, &tried, &held[n].charge);

            ck_assert(place >= 0 && place < N);
            for (uint32_t i = 0; i < n; i++) {
                busy[held[i].place]++;
            }
            for (uint32_t i = 0; i < N; i++) {
                ck_assert_msg(tried >> i & 1 || busy[place] <= busy[i],
                              "%d has %u in flight, %u has %u", place, busy[place], i, busy[i]);
            }
            held[n].place = (uint32_t)place;
            held[n++].child = l.child;
        }
        ck_assert_uint_gt(atomic_load(&l.set->busy_seq), seq);
    }
    lab_close(&l);
}
END_TEST

/* Among equally busy ones it still goes by weight: with all requests held for
 * the same time, the totals follow the weights only as far as counts are even. */
START_TEST(never_more_than_one_apart)
{
    struct lab l;
    struct lbx_charge charge;

    lab_open(&l, 5, NULL, 1);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t least = UINT32_MAX, most = 0;

        ck_assert_int_ge(lab_pick(&l, m, NULL, &charge), 0);
        for (uint32_t k = 0; k < 5; k++) {
            uint32_t busy = lbx_store_in_flight(&l.store, l.ref[k].slot);

            least = busy < least ? busy : least;
            most = busy > most ? busy : most;
        }
        ck_assert_uint_le(most - least, 1);
    }
    lab_close(&l);
}
END_TEST

/* More processes than the short list holds. */
START_TEST(many_processes)
{
    static const uint32_t kids[] = {63, 64, 65, 100};
    struct lbx_charge charge;
    struct lab l;
    uint32_t last = 0;

    lab_open(&l, 3, NULL, kids[_i]);
    for (uint32_t pid = 2000; pid < 2000 + kids[_i] - 1; pid++) {
        last = lbx_store_child_claim(&l.store, pid);
    }
    ck_assert_uint_eq(last, kids[_i] - 1);
    lbx_store_reserve(&l.store, last, l.ref[0].slot);
    lbx_store_reserve(&l.store, 0, l.ref[1].slot);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(lab_pick(&l, m, NULL, &charge), 2);
        lab_end(&l, m, 2, &charge, 0);
    }
    lab_close(&l);
}
END_TEST

START_TEST(a_dead_child_counts_no_longer)
{
    struct lbx_charge charge;
    struct lab l;
    uint32_t dead;

    lab_open(&l, 2, NULL, 2);
    dead = lbx_store_child_claim(&l.store, 77);
    for (int i = 0; i < 10; i++) {
        lbx_store_reserve(&l.store, dead, l.ref[0].slot);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(lab_pick(&l, m, NULL, &charge), 1);
        lab_end(&l, m, 1, &charge, 0);
    }
    lbx_store_child_clear(&l.store, 77);
    ck_assert_int_eq(lab_pick(&l, m, NULL, &charge), 0);
    lab_close(&l);
}
END_TEST

/* A member that was away is preferred for a while, not for all it missed. */
START_TEST(no_burst_for_the_returning)
{
    struct lab l;
    uint32_t had = 0;

    lab_open(&l, 3, NULL, 1);
    lab_set_admin(&l, 2, LBX_ADMIN_DISABLED);
    lab_compile(&l);
    for (int i = 0; i < 3000; i++) {
        lab_turn(&l, m, 0);
    }
    lab_set_admin(&l, 2, 0);
    lab_compile(&l);
    for (int i = 0; i < 300; i++) {
        had += lab_turn(&l, m, 0) == 2;
    }
    ck_assert_uint_ge(had, 100);
    ck_assert_uint_le(had, 100 + 64 + 1); /* LBX_FAIR_REACH */
    lab_close(&l);
}
END_TEST

enum { THREADS = 4, EACH = 15000, DEPTH = 3 };

struct runner {
    struct lab *l;
    pthread_barrier_t *start;
    uint64_t had[3];
};

static void *run_turns(void *baton)
{
    struct runner *r = baton;
    struct held held[DEPTH];

    pthread_barrier_wait(r->start); /* a thread is over before the next has begun, otherwise */
    for (int i = 0; i < EACH; i++) {
        struct held *h = &held[i % DEPTH];

        if (i >= DEPTH) {
            lab_end(r->l, m, h->place, &h->charge, 0);
        }
        h->place = (uint32_t)lab_pick(r->l, m, NULL, &h->charge);
        r->had[h->place]++;
    }
    for (int i = 0; i < DEPTH; i++) {
        lab_end(r->l, m, held[i].place, &held[i].charge, 0);
    }
    return NULL;
}

START_TEST(threads_conserve)
{
    struct runner r[THREADS];
    pthread_t t[THREADS];
    uint64_t had[3] = {0};
    pthread_barrier_t start;
    struct lab l;

    pthread_barrier_init(&start, NULL, THREADS);
    lab_open(&l, 3, NULL, 1);
    for (int i = 0; i < THREADS; i++) {
        r[i] = (struct runner){&l, &start, {0}};
        ck_assert_int_eq(pthread_create(&t[i], NULL, run_turns, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        for (int k = 0; k < 3; k++) {
            had[k] += r[i].had[k];
        }
    }
    ck_assert_uint_eq(had[0] + had[1] + had[2], THREADS * EACH);
    for (int k = 0; k < 3; k++) {
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[k].slot), 0);
        ck_assert_uint_gt(had[k], 0);
    }
    /* each choice was charged once */
    ck_assert_uint_eq(atomic_load(&l.set->vtime), (uint64_t)THREADS * EACH * l.roster->step);
    pthread_barrier_destroy(&start);
    lab_close(&l);
}
END_TEST

/* Somebody else chooses and holds in the middle of our choice: it is made again. */
struct meddling {
    struct lab *l;
    int place; /* held; -1: none */
    struct lbx_charge charge;
};

static void hold_one(void *baton)
{
    struct meddling *o = baton;

    if (o->place >= 0) { /* every other time: ours are even before it chooses */
        lab_end(o->l, m, (uint32_t)o->place, &o->charge, 0);
        o->place = -1;
    } else {
        o->place = lab_pick(o->l, m, NULL, &o->charge);
    }
}

/* With two members and two requests at a time neither ever has both. */
START_TEST(a_choice_is_one_step)
{
    struct lab l;
    struct meddling other = {.l = &l, .place = -1};
    unsigned doubled = 0, choices = 0;

    lab_open(&l, 2, NULL, 1);
    unit_meddle(hold_one, &other);
    while (unit_meddled < 300) {
        struct lbx_charge charge;
        int before = unit_meddled;
        int place = lab_pick(&l, m, NULL, &charge);

        if (before != unit_meddled) { /* it was in the middle */
            choices++;
            doubled += place == other.place;
        }
        lab_end(&l, m, (uint32_t)place, &charge, 0);
    }
    unit_meddle_no_more();
    if (other.place >= 0) {
        lab_end(&l, m, (uint32_t)other.place, &other.charge, 0);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[i].slot), 0);
    }
    ck_assert_uint_gt(choices, 20);
    ck_assert_uint_eq(doubled, 0);
    lab_close(&l);
}
END_TEST

TCase *case_method_bybusyness(void)
{
    TCase *tc = tcase_create("method_bybusyness");

    tcase_add_test(tc, worked_schedule);
    tcase_add_test(tc, idle_windows_are_exact);
    tcase_add_test(tc, fewest_in_flight);
    tcase_add_test(tc, never_more_than_one_apart);
    tcase_add_loop_test(tc, many_processes, 0, 4);
    tcase_add_test(tc, a_dead_child_counts_no_longer);
    tcase_add_test(tc, no_burst_for_the_returning);
    tcase_add_test(tc, threads_conserve);
    tcase_add_test(tc, a_choice_is_one_step);
    return tc;
}
