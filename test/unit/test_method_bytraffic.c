/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytraffic: exact windows for equal answers, shares of bytes for mixed ones
 * with many requests outstanding, no burst for a member that was away, and the
 * account of charges and corrections.
 *
 * Not here: what all methods have in common (test_method.c).
 */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>

#include "lbx_fair.h"

static const struct lbx_method *const m = &lbx_method_bytraffic;
static const uint32_t three_one_one[] = {300, 100, 100};

enum { KB = 1024 };

START_TEST(worked_schedule)
{
    struct lab l;

    lab_open(&l, 3, three_one_one, 1);
    for (const char *want = "ABACAABACA"; *want; want++) {
        ck_assert_int_eq(lab_turn(&l, m, 4 * KB), *want - 'A');
    }
    lab_close(&l);
}
END_TEST

/* loadfactor 1 1, A's answers are three times B's: one of A to three of B. */
START_TEST(worked_unequal_answers)
{
    struct lab l;
    uint32_t a = 0;

    lab_open(&l, 2, NULL, 1);
    for (int i = 0; i < 100 + 400; i++) {
        struct lbx_charge charge;
        int place = lab_pick(&l, m, NULL, &charge);

        lab_end(&l, m, (uint32_t)place, &charge, place ? KB : 3 * KB);
        a += i >= 100 && place == 0;
    }
    ck_assert_uint_ge(a, 98);
    ck_assert_uint_le(a, 102);
    lab_close(&l);
}
END_TEST

START_TEST(equal_answers_make_exact_windows)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 40; round++) {
        uint32_t w[6] = {300, 100, 100};
        uint32_t n = round < 4 ? 3 : unit_between(&g, 1, 6);
        uint64_t bytes = round ? (uint64_t)1 << unit_between(&g, 0, 24) : 0;
        uint64_t clock = round % 2 ? 0 - (uint64_t)unit_between(&g, 1, 100000) : unit_rand(&g);
        uint16_t seq[300];
        struct lab l;

        for (uint32_t i = 0; round >= 4 && i < n; i++) {
            w[i] = 100 * unit_between(&g, 1, 5);
        }
        lab_open(&l, n, w, 1);
        atomic_store(&l.set->vtime, clock);
        for (uint32_t i = 0; i < n; i++) {
            atomic_store(&l.rec[i]->vtime, clock);
        }
        for (unsigned i = 0; i < 300; i++) {
            seq[i] = (uint16_t)lab_turn(&l, m, bytes);
        }
        ck_assert_msg(lab_bad_window(l.roster, seq, 300) == -1,
                      "round %d, answers of %" PRIu64 " bytes", round, bytes);
        lab_close(&l);
    }
}
END_TEST

/* The same choices wherever the clocks stand: also when they wrap half-way. */
START_TEST(clocks_may_wrap)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 10; round++) {
        struct unit_rng sizes = {unit_rand(&g)};
        struct lab a, b;
        uint64_t start = 0 - (uint64_t)unit_between(&g, 1, 200000);

        lab_open(&a, 3, three_one_one, 1);
        lab_open(&b, 3, three_one_one, 1);
        atomic_store(&b.set->vtime, start);
        for (uint32_t i = 0; i < 3; i++) {
            atomic_store(&b.rec[i]->vtime, start);
        }
        for (int i = 0; i < 500; i++) {
            uint64_t bytes = 1u << (unit_rand(&sizes) % 18);

            ck_assert_int_eq(lab_turn(&a, m, bytes), lab_turn(&b, m, bytes));
        }
        ck_assert_uint_lt(atomic_load(&b.set->vtime), start); /* it has wrapped */
        lab_close(&a);
        lab_close(&b);
    }
}
END_TEST

/* Equal answers are the usual ones before long, whatever came before. */
START_TEST(usual_answer_follows)
{
    static const uint64_t units[] = {1, 7, 15, 16, 17, 100, 16384};
    struct lab l;

    lab_open(&l, 2, NULL, 1);
    for (int from = 0; from < 7; from++) {
        for (int to = 0; to < 7; to++) {
            for (int i = 0; i < 300; i++) {
                lab_turn(&l, m, 64 * units[from]);
            }
            ck_assert_uint_eq(atomic_load(&l.set->estimate), units[from]);
            for (int i = 0; i < 300; i++) {
                lab_turn(&l, m, 64 * units[to]);
            }
            ck_assert_uint_eq(atomic_load(&l.set->estimate), units[to]);
        }
    }
    lab_turn(&l, m, UINT64_MAX - 63); /* no nonsense from a counter gone wild */
    ck_assert_uint_le(atomic_load(&l.set->estimate), 1 << 28);
    lab_close(&l);
}
END_TEST

/* After other sizes, equal answers come back to exact windows. */
START_TEST(exact_again_after_other_sizes)
{
    static const uint64_t then[] = {64, 640, 4 * KB, 100 * KB};
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 18; round++) {
        uint16_t seq[200];
        uint32_t w[] = {100 * (uint32_t)(round / 2 + 1), 100, 100};
        struct lab l;

        lab_open(&l, 3, w, 1);
        for (int i = 0; i < 100; i++) {
            lab_turn(&l, m, round % 2 ? 1u << unit_between(&g, 0, 16) : 1);
        }
        for (int i = 0; i < 2000; i++) {
            lab_turn(&l, m, then[_i]);
        }
        for (int i = 0; i < 200; i++) {
            seq[i] = (uint16_t)lab_turn(&l, m, then[_i]);
        }
        ck_assert_msg(lab_bad_window(l.roster, seq, 200) == -1, "weight %u, estimate %" PRIu64,
                      w[0], atomic_load(&l.set->estimate));
        lab_close(&l);
    }
}
END_TEST

enum { DEPTH = 16 };

struct held {
    uint32_t place;
    uint64_t bytes;
    struct lbx_charge charge;
};

/* 1 KB to 1 MB, every order of magnitude as often as the next. */
static uint64_t mixed_size(struct unit_rng *g)
{
    uint32_t octave = unit_below(g, 10);

    return ((uint64_t)KB << octave) + unit_below(g, KB << octave);
}

static const uint32_t mixes[][8] = {
    {300, 100, 100}, {100, 100},           {100, 100, 100, 100, 100, 100, 100},
    {500, 300, 200}, {115, 100, 250, 180}, {1000, 100},
};

START_TEST(mixed_sizes_share_bytes)
{
    const uint32_t *w = mixes[_i];
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 3; round++) {
        struct held held[DEPTH];
        uint64_t got[8] = {0}, all = 0;
        uint32_t n = 0, whole = 0;
        struct lab l;

        for (; n < 8 && w[n]; n++) {
            whole += w[n];
        }
        lab_open(&l, n, w, 1);
        for (int i = 0; i < 20000; i++) {
            struct held *h = &held[i < DEPTH ? (uint32_t)i : unit_below(&g, DEPTH)];

            if (i >= DEPTH) { /* a random one of the outstanding ends */
                lab_end(&l, m, h->place, &h->charge, h->bytes);
                got[h->place] += h->bytes;
                all += h->bytes;
            }
            h->place = (uint32_t)lab_pick(&l, m, NULL, &h->charge);
            h->bytes = mixed_size(&g);
        }
        for (uint32_t i = 0; i < n; i++) {
            double share = (double)got[i] / (double)all * whole / w[i];

            ck_assert_msg(share > 0.95 && share < 1.05, "member %u has %.3f of its share", i,
                          share);
        }
        lab_close(&l);
    }
}
END_TEST

START_TEST(no_burst_for_the_returning)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 10; round++) {
        struct lab l;
        uint32_t had = 0, run = 0, longest = 0;

        lab_open(&l, 4, NULL, 1);
        lab_set_admin(&l, 3, LBX_ADMIN_DISABLED);
        lab_compile(&l);
        for (int i = 0; i < 2000; i++) {
            lab_turn(&l, m, round ? mixed_size(&g) : 8 * KB);
        }
        lab_set_admin(&l, 3, 0);
        lab_compile(&l);
        for (int i = 0; i < 400; i++) {
            int hit = lab_turn(&l, m, 8 * KB) == 3;

            had += (uint32_t)hit;
            run = hit ? run + 1 : 0;
            longest = run > longest ? run : longest;
        }
        ck_assert_uint_ge(had, 90);
        ck_assert_msg(had <= 100 + LBX_FAIR_REACH + 1, "%u of 400", had);
        ck_assert_msg(longest <= LBX_FAIR_REACH + 1, "%u in a row", longest);
        lab_close(&l);
    }
}
END_TEST

/* A member that had far too much waits for a bounded time, too. */
START_TEST(no_long_wait_after_a_giant)
{
    struct lab l;
    uint32_t waited = 0;

    lab_open(&l, 2, NULL, 1);
    for (int i = 0; i < 100; i++) {
        lab_turn(&l, m, 8 * KB);
    }
    while (lab_turn(&l, m, UINT64_C(1) << 40) != 0) { /* 1 TB from A */
    }
    while (lab_turn(&l, m, 8 * KB) != 0) {
        waited++;
        ck_assert_uint_le(waited, 20000);
    }
    ck_assert_uint_gt(waited, 2);
    lab_close(&l);
}
END_TEST

/* Concurrent requests do not all run to the member that looks idle. */
START_TEST(elections_are_charged_at_once)
{
    struct lab l;
    uint32_t had[4] = {0};

    lab_open(&l, 4, NULL, 1);
    for (int i = 0; i < 40; i++) {
        lab_turn(&l, m, 8 * KB);
    }
    for (int i = 0; i < 400; i++) { /* all outstanding */
        struct lbx_charge charge;

        had[lab_pick(&l, m, NULL, &charge)]++;
        ck_assert_uint_eq(charge.units, 8 * KB / 64);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(had[i], 100);
    }
    lab_close(&l);
}
END_TEST

/* When a request has ended, its member has been charged for its bytes exactly,
 * sessions and changes of the roster in between included. */
START_TEST(charges_are_corrected)
{
    struct unit_rng g = UNIT_RNG();
    struct lab l;
    struct held held[DEPTH];
    uint64_t set = 0, own[3] = {0};

    lab_open(&l, 3, three_one_one, 1);
    for (int i = 0; i < 2000; i++) {
        struct held *h = &held[i % DEPTH];

        if (i >= DEPTH) {
            lab_end(&l, m, h->place, &h->charge, h->bytes);
        }
        if (i == 1000) {
            lab_set_weight(&l, 1, 700);
            lab_compile(&l);
        }
        h->bytes = unit_between(&g, 1, 2000);
        h->place = unit_below(&g, 3);
        lab_elect(&l, m, h->place, &h->charge); /* no choice: nothing brings members back */
        set += (h->bytes + 63) / 64 * l.roster->step;
        own[h->place] += (h->bytes + 63) / 64 * l.roster->cand[h->place].step;
    }
    for (int i = 0; i < DEPTH; i++) {
        lab_end(&l, m, held[i].place, &held[i].charge, held[i].bytes);
    }
    ck_assert_uint_eq(atomic_load(&l.set->vtime), set);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(atomic_load(&l.rec[i]->vtime), own[i]);
    }
    lab_close(&l);
}
END_TEST

/* Sessions take their member's share. */
START_TEST(new_sessions_even_it_out)
{
    struct lab l;
    uint32_t had[3] = {0};

    lab_open(&l, 3, NULL, 1);
    for (int i = 0; i < 900; i++) {
        if (i % 4 == 0) { /* every fourth request belongs to A */
            struct lbx_charge charge;

            lab_elect(&l, m, 0, &charge);
            lab_end(&l, m, 0, &charge, 8 * KB);
            had[0]++;
        } else {
            had[lab_turn(&l, m, 8 * KB)]++;
        }
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_ge(had[i], 295);
        ck_assert_uint_le(had[i], 305);
    }
    lab_close(&l);
}
END_TEST

/* Weights without a common measure must not cost more as time goes on: about
 * one turn a choice, and the shares stay. */
START_TEST(rounding_does_not_pile_up)
{
    struct unit_rng g = UNIT_RNG();
    uint32_t w[100];
    uint64_t before;
    struct lab l;

    for (uint32_t i = 0; i < 100; i++) {
        w[i] = unit_between(&g, LBX_WEIGHT_MIN, LBX_WEIGHT_MAX);
    }
    lab_open(&l, 100, w, 1);
    lab_turn(&l, m, 64);
    for (uint32_t k = 0; k < 100; k++) { /* as if millions of requests had passed, all fair */
        const struct lbx_cand *c = &l.roster->cand[k];

        lbx_fair_charge(l.set, c->rec, l.roster->step, c->step, 64 * (int64_t)c->weight);
    }
    before = atomic_load(&l.set->ticket);
    for (int i = 0; i < 3000; i++) {
        lab_turn(&l, m, 64);
    }
    ck_assert_msg(atomic_load(&l.set->ticket) - before < 3000 * 3 / 2, "%" PRIu64 " turns",
                  atomic_load(&l.set->ticket) - before);
    lab_close(&l);
}
END_TEST

/* Turns that <picks> choices take. */
static uint64_t turns_of(struct lab *l, int picks, uint64_t bytes)
{
    uint64_t before = atomic_load(&l->set->ticket);

    for (int i = 0; i < picks; i++) {
        lab_turn(l, m, bytes);
    }
    return atomic_load(&l->set->ticket) - before;
}

/* All that are left may have had more than their share, when the one that had
 * too little goes away: among them nobody is ahead, and a choice costs no more
 * than before. */
START_TEST(ahead_of_the_absent_only)
{
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    turns_of(&l, 100, 8 * KB);
    for (int i = 0; i < 40; i++) { /* sessions of A and B */
        struct lbx_charge charge;

        lab_elect(&l, m, i % 2, &charge);
        lab_end(&l, m, i % 2, &charge, 8 * KB);
    }
    lab_set_admin(&l, 2, LBX_ADMIN_DISABLED);
    lab_compile(&l);
    turns_of(&l, 100, 8 * KB);
    ck_assert_uint_le(turns_of(&l, 1000, 8 * KB), 1100);
    lab_set_admin(&l, 2, 0);
    lab_compile(&l);
    turns_of(&l, 300, 8 * KB); /* it catches up */
    ck_assert_uint_le(turns_of(&l, 1000, 8 * KB), 1100);
    lab_close(&l);
}
END_TEST

/* A retry may have to take one that is ahead; the clock of all does not follow. */
START_TEST(a_retry_does_not_move_the_clock)
{
    uint32_t tried = 1u << 1 | 1u << 2;
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    turns_of(&l, 99, 8 * KB);
    for (int i = 0; i < 20; i++) {
        uint64_t before = atomic_load(&l.set->vtime);
        struct lbx_charge charge;

        ck_assert_int_eq(lab_pick(&l, m, &tried, &charge), 0);
        ck_assert_uint_eq(atomic_load(&l.set->vtime) - before, charge.units * l.roster->step);
        lab_end(&l, m, 0, &charge, 8 * KB);
    }
    lab_close(&l);
}
END_TEST

/* Two of three sent something huge: their debt is cut at the reach, and the
 * third one's credit as well, which does not leave everybody ahead. */
START_TEST(ahead_after_giants)
{
    struct lbx_charge charge;
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    turns_of(&l, 100, 8 * KB);
    for (uint32_t i = 0; i < 2; i++) {
        lab_elect(&l, m, i, &charge);
        lab_end(&l, m, i, &charge, UINT64_C(1) << 33);
    }
    turns_of(&l, 3000, 8 * KB);
    ck_assert_uint_le(turns_of(&l, 1000, 8 * KB), 1100);
    lab_close(&l);
}
END_TEST

enum { THREADS = 4, EACH = 3000 };

struct runner {
    struct lab *l;
    uint64_t seed;
    uint64_t had[3];
};

static void *run_turns(void *baton)
{
    struct runner *r = baton;
    struct unit_rng g = {r->seed};

    for (int i = 0; i < EACH; i++) {
        uint64_t bytes = mixed_size(&g);

        r->had[lab_turn(r->l, m, bytes)] += bytes;
    }
    return NULL;
}

START_TEST(threads_share_bytes)
{
    struct unit_rng g = UNIT_RNG();
    struct runner r[THREADS];
    pthread_t t[THREADS];
    uint64_t had[3] = {0}, all;
    struct lab l;

    lab_open(&l, 3, three_one_one, 1);
    for (int i = 0; i < THREADS; i++) {
        r[i] = (struct runner){&l, unit_rand(&g), {0}};
        ck_assert_int_eq(pthread_create(&t[i], NULL, run_turns, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        for (int k = 0; k < 3; k++) {
            had[k] += r[i].had[k];
        }
    }
    all = had[0] + had[1] + had[2];
    for (int k = 0; k < 3; k++) {
        double share = (double)had[k] * 500 / (double)all / three_one_one[k];

        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[k].slot), 0);
        ck_assert_msg(share > 0.95 && share < 1.05, "member %d has %.3f of its share", k, share);
    }
    lab_close(&l);
}
END_TEST

TCase *case_method_bytraffic(void)
{
    TCase *tc = tcase_create("method_bytraffic");

    tcase_add_test(tc, worked_schedule);
    tcase_add_test(tc, worked_unequal_answers);
    tcase_add_test(tc, equal_answers_make_exact_windows);
    tcase_add_test(tc, clocks_may_wrap);
    tcase_add_test(tc, usual_answer_follows);
    tcase_add_loop_test(tc, exact_again_after_other_sizes, 0, 4);
    tcase_add_loop_test(tc, mixed_sizes_share_bytes, 0, sizeof(mixes) / sizeof(mixes[0]));
    tcase_add_test(tc, no_burst_for_the_returning);
    tcase_add_test(tc, no_long_wait_after_a_giant);
    tcase_add_test(tc, elections_are_charged_at_once);
    tcase_add_test(tc, charges_are_corrected);
    tcase_add_test(tc, new_sessions_even_it_out);
    tcase_add_test(tc, rounding_does_not_pile_up);
    tcase_add_test(tc, ahead_of_the_absent_only);
    tcase_add_test(tc, a_retry_does_not_move_the_clock);
    tcase_add_test(tc, ahead_after_giants);
    tcase_add_test(tc, threads_share_bytes);
    return tc;
}
