/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byrequests: the schedules of its header, exact windows, and the account of
 * sessions: what a member has had plus what it is owed is what the schedule
 * says, always.
 *
 * Not here: what all methods have in common (test_method.c).
 */
#include "unit.h"

#include <pthread.h>

static const struct lbx_method *const m = &lbx_method_byrequests;
static const uint32_t three_one_one[] = {300, 100, 100};

static int64_t credit(const struct lab *l, uint32_t i)
{
    return atomic_load(&l->rec[i]->credit);
}

START_TEST(worked_schedule)
{
    struct lab l;

    lab_open(&l, 3, three_one_one, 1);
    for (const char *want = "ABACAABACA"; *want; want++) {
        ck_assert_int_eq(lab_turn(&l, m, 0), *want - 'A');
    }
    lab_close(&l);
    lab_open(&l, 3, NULL, 1);
    for (const char *want = "ABCABCABC"; *want; want++) {
        ck_assert_int_eq(lab_turn(&l, m, 0), *want - 'A');
    }
    lab_close(&l);
}
END_TEST

START_TEST(worked_session)
{
    struct lbx_charge charge;
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    lab_elect(&l, m, 1, &charge); /* ticket 0 is A's, the session goes to B */
    ck_assert_int_eq(credit(&l, 0), 1);
    ck_assert_int_eq(credit(&l, 1), -1);
    ck_assert_int_eq(credit(&l, 2), 0);
    ck_assert_int_eq(lab_turn(&l, m, 0), 0); /* ticket 1 is B's: B owes, A is owed */
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(credit(&l, i), 0);
    }
    ck_assert_int_eq(lab_turn(&l, m, 0), 2); /* ticket 2 is C's */
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(credit(&l, i), 0);
    }
    lab_close(&l);
}
END_TEST

START_TEST(every_window_is_exact)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 30; round++) {
        uint32_t w[12] = {300, 100, 100};
        uint32_t n = round ? unit_between(&g, 1, 12) : 3;
        uint16_t seq[1000];
        struct lab l;

        for (uint32_t i = 0; round && i < n; i++) {
            w[i] = 50 * unit_between(&g, 1, 9);
        }
        lab_open(&l, n, w, 1);
        atomic_store(&l.set->ticket, unit_rand(&g) >> 20);
        for (unsigned i = 0; i < 1000; i++) {
            seq[i] = (uint16_t)lab_turn(&l, m, 0);
        }
        ck_assert_uint_le(l.roster->period, 500);
        ck_assert_int_eq(lab_bad_window(l.roster, seq, 1000), -1);
        lab_close(&l);
    }
}
END_TEST

/* Turns of each member in tickets [0, end). */
static uint64_t scheduled(const struct lbx_roster *r, uint64_t end, uint32_t place)
{
    uint64_t sum = end / r->period * r->cand[place].weight;

    for (uint32_t i = 0; i < end % r->period; i++) {
        sum += r->order[i] == place;
    }
    return sum;
}

/* Sessions and new clients in any mixture: the books balance after each. */
START_TEST(had_and_owed_is_scheduled)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 12; round++) {
        uint32_t w[8];
        uint32_t n = unit_between(&g, 2, 8);
        uint64_t had[8] = {0};
        uint32_t sessions = unit_between(&g, 1, 60); /* per cent */
        struct lab l;

        for (uint32_t i = 0; i < n; i++) {
            w[i] = 100 * unit_between(&g, 1, 5);
        }
        lab_open(&l, n, w, 1);
        for (uint64_t t = 1; t <= 300; t++) {
            int64_t sum = 0;

            if (unit_below(&g, 100) < sessions) {
                struct lbx_charge charge;
                uint32_t place = unit_below(&g, n);

                lab_elect(&l, m, place, &charge);
                had[place]++;
            } else {
                had[lab_turn(&l, m, 0)]++;
            }
            ck_assert_uint_eq(atomic_load(&l.set->ticket), t);
            for (uint32_t i = 0; i < n; i++) {
                ck_assert_int_eq((int64_t)had[i] + credit(&l, i),
                                 (int64_t)scheduled(l.roster, t, i));
                sum += credit(&l, i);
            }
            ck_assert_int_eq(sum, 0);
        }
        lab_close(&l);
    }
}
END_TEST

/* One member gets a run of sessions; new clients go elsewhere until all is even. */
START_TEST(new_sessions_even_it_out)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 30; round++) {
        uint32_t w[6];
        uint32_t n = unit_between(&g, 2, 6);
        uint32_t favourite = unit_below(&g, n), run = unit_between(&g, 1, 200), turns = 0;
        struct lbx_charge charge;
        struct lab l;

        for (uint32_t i = 0; i < n; i++) {
            w[i] = 100 * unit_between(&g, 1, 4);
        }
        lab_open(&l, n, w, 1);
        for (uint32_t i = 0; i < run; i++) {
            lab_elect(&l, m, favourite, &charge);
        }
        while (credit(&l, favourite)) {
            ck_assert_int_ne(lab_turn(&l, m, 0), favourite);
            /* each turn of its own pays one back */
            ck_assert_uint_le(++turns, (run + 1) * l.roster->period);
        }
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_int_eq(credit(&l, i), 0);
        }
        lab_close(&l);
    }
}
END_TEST

START_TEST(debts_are_bounded)
{
    struct lbx_charge charge;
    struct lab l;
    uint32_t turns = 0;
    int64_t sum = 0;

    lab_open(&l, 3, three_one_one, 1);
    for (int i = 0; i < 5000; i++) {
        lab_elect(&l, m, 2, &charge);
    }
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_le(credit(&l, i), 256);
        ck_assert_int_ge(credit(&l, i), -256);
        sum += credit(&l, i);
    }
    ck_assert_int_lt(credit(&l, 2), -200);
    ck_assert_int_eq(sum, 0);
    while (lab_turn(&l, m, 0) != 2) { /* no longer than 256 of its own turns */
        ck_assert_uint_le(++turns, 257 * l.roster->period);
    }
    lab_close(&l);
}
END_TEST

/* A creditor that left the tier is nobody's reason to go on waiting. */
START_TEST(a_creditor_out_of_reach)
{
    struct lbx_charge charge;
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    lab_elect(&l, m, 1, &charge); /* A +1, B -1 */
    lab_set_admin(&l, 0, LBX_ADMIN_DISABLED);
    lab_compile(&l);
    for (int i = 0; i < 10; i++) {
        int first = lab_turn(&l, m, 0), second = lab_turn(&l, m, 0);

        ck_assert_int_eq(first + second, 1); /* B and C in turns */
        ck_assert_int_ne(first, second);
    }
    ck_assert_int_eq(credit(&l, 0), 1);
    lab_close(&l);
}
END_TEST

START_TEST(a_tried_turn_costs_nobody_anything)
{
    uint32_t tried = 1;
    struct lbx_charge charge;
    struct lab l;

    lab_open(&l, 3, three_one_one, 1);
    ck_assert_int_eq(lab_pick(&l, m, &tried, &charge), 1); /* A's turn: next in the order */
    lab_end(&l, m, 1, &charge, 0);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(credit(&l, i), 0);
    }
    for (const char *want = "BACA"; *want; want++) {
        ck_assert_int_eq(lab_turn(&l, m, 0), *want - 'A');
    }
    lab_close(&l);
}
END_TEST

enum { THREADS = 4, EACH = 5 * 8001 };

struct runner {
    struct lab *l;
    pthread_barrier_t *start;
    uint64_t had[3];
};

static void *run_turns(void *baton)
{
    struct runner *r = baton;

    pthread_barrier_wait(r->start); /* a thread is over before the next has begun, otherwise */
    for (int i = 0; i < EACH; i++) {
        r->had[lab_turn(r->l, m, 0)]++;
    }
    return NULL;
}

START_TEST(threads_share_exactly)
{
    struct runner r[THREADS];
    pthread_t t[THREADS];
    uint64_t had[3] = {0};
    pthread_barrier_t start;
    struct lab l;

    pthread_barrier_init(&start, NULL, THREADS);
    lab_open(&l, 3, three_one_one, 1);
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
    for (uint32_t k = 0; k < 3; k++) {
        ck_assert_uint_eq(had[k], scheduled(l.roster, (uint64_t)THREADS * EACH, k));
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[k].slot), 0);
    }
    pthread_barrier_destroy(&start);
    lab_close(&l);
}
END_TEST

/* Somebody else's requests, in the middle of ours. */
struct meddling {
    struct lab *l;
    uint64_t had[3];
};

static void choose_some(void *baton)
{
    struct meddling *o = baton;
    struct lbx_charge charge;

    for (int i = 0; i < 3; i++) {
        o->had[lab_turn(o->l, m, 0)]++;
    }
    lab_elect(o->l, m, 1, &charge);
    lab_end(o->l, m, 1, &charge, 0);
    o->had[1]++;
}

START_TEST(books_balance_whoever_meddles)
{
    struct lab l;
    struct meddling other = {&l, {0}};
    uint64_t had[3] = {0}, t;

    lab_open(&l, 3, three_one_one, 1);
    unit_meddle(choose_some, &other);
    while (unit_meddled < 200) {
        had[lab_turn(&l, m, 0)]++;
    }
    unit_meddle_no_more();
    t = atomic_load(&l.set->ticket);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq((int64_t)(had[i] + other.had[i]) + credit(&l, i),
                         (int64_t)scheduled(l.roster, t, i));
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[i].slot), 0);
    }
    lab_close(&l);
}
END_TEST

TCase *case_method_byrequests(void)
{
    TCase *tc = tcase_create("method_byrequests");

    tcase_add_test(tc, worked_schedule);
    tcase_add_test(tc, worked_session);
    tcase_add_test(tc, every_window_is_exact);
    tcase_add_test(tc, had_and_owed_is_scheduled);
    tcase_add_test(tc, new_sessions_even_it_out);
    tcase_add_test(tc, debts_are_bounded);
    tcase_add_test(tc, a_creditor_out_of_reach);
    tcase_add_test(tc, a_tried_turn_costs_nobody_anything);
    tcase_add_loop_test(tc, threads_share_exactly, 0, 4); /* it takes luck to see a race */
    tcase_add_test(tc, books_balance_whoever_meddles);
    return tc;
}
