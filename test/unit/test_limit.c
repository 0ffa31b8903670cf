/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_limit: never one too many at a member, whoever comes at the same time and
 * whoever dies in between; what a killed child leaves is counted for a while.
 *
 * Not here: how methods pass over those that are full (test_method.c).
 */
#include "unit.h"

#include <pthread.h>

#include "lbx_limit.h"

START_TEST(the_share_of_a_slow_start)
{
    ck_assert_uint_eq(lbx_limit(0, 0), 0);
    ck_assert_uint_eq(lbx_limit(0, 1), 0);
    ck_assert_uint_eq(lbx_limit(10, 0), 10); /* 0: no slow start */
    ck_assert_uint_eq(lbx_limit(10, LBX_RAMP_FULL), 10);
    ck_assert_uint_eq(lbx_limit(10, LBX_RAMP_FULL / 2), 5);
    ck_assert_uint_eq(lbx_limit(10, 1), 1);
    ck_assert_uint_eq(lbx_limit(LBX_MAXCONN_MAX, LBX_RAMP_FULL), LBX_MAXCONN_MAX);
}
END_TEST

static int take(const struct lab *l, uint32_t child, uint32_t limit)
{
    return lbx_limit_take(&l->store, child, l->ref[0].slot, l->rec[0], limit, 1);
}

START_TEST(exactly_so_many)
{
    struct lab l;

    lab_open(&l, 1, NULL, 2);
    ck_assert(take(&l, l.child, 0)); /* no limit */
    for (int i = 0; i < 3; i++) {
        ck_assert(take(&l, l.child, 4));
    }
    ck_assert(!take(&l, l.child, 4));
    ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[0].slot), 4);
    lbx_store_release(&l.store, l.child, l.ref[0].slot);
    ck_assert(take(&l, l.child, 4));
    /* who is not counted cannot be let in */
    ck_assert(!take(&l, LBX_NO_CHILD, 100));
    ck_assert(take(&l, LBX_NO_CHILD, 0));
    lab_close(&l);
}
END_TEST

static void set_maxconn(const struct lab *l, uint32_t maxconn)
{
    struct lbx_member_vals v;

    lbx_member_vals_read(l->rec[0], &v);
    v.maxconn = maxconn;
    lbx_member_vals_write(l->rec[0], &v);
}

START_TEST(ghosts_stay_for_a_while)
{
    uint64_t now = 1000000, usual = 100 * 1000;
    struct lab l;
    uint32_t other;

    lab_open(&l, 1, NULL, 3);
    other = lbx_store_child_claim(&l.store, 7);
    set_maxconn(&l, 4);
    atomic_store(&l.rec[0]->latency[6], 1000); /* up to 100 ms */
    ck_assert_uint_eq(lbx_limit_usual_us(l.rec[0]), usual);
    ck_assert(take(&l, other, 4) && take(&l, other, 4) && take(&l, l.child, 4));
    lbx_limit_haunt(&l.store, 7, now);
    lbx_store_child_clear(&l.store, 7);
    ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[0].slot), 1);
    ck_assert_uint_eq(lbx_limit_used(&l.store, l.ref[0].slot, l.rec[0], now), 3);
    ck_assert_uint_eq(lbx_limit_used(&l.store, l.ref[0].slot, l.rec[0], now + usual - 1), 3);
    ck_assert_uint_eq(lbx_limit_used(&l.store, l.ref[0].slot, l.rec[0], now + usual), 1);

    /* two deaths in a row: those of both, until the later one's are over */
    other = lbx_store_child_claim(&l.store, 8);
    ck_assert(take(&l, other, 4));
    lbx_limit_haunt(&l.store, 8, now + usual / 2);
    lbx_store_child_clear(&l.store, 8);
    ck_assert_uint_eq(lbx_limit_used(&l.store, l.ref[0].slot, l.rec[0], now + usual), 4);
    ck_assert_uint_eq(lbx_limit_used(&l.store, l.ref[0].slot, l.rec[0], now + 2 * usual), 1);
    lab_close(&l);
}
END_TEST

START_TEST(no_ghosts_without_a_limit)
{
    struct lab l;

    lab_open(&l, 1, NULL, 2);
    ck_assert(take(&l, l.child, 0));
    lbx_limit_haunt(&l.store, 1000, 1);
    ck_assert_uint_eq(l.rec[0]->ghosts, 0);
    lab_close(&l);
}
END_TEST

START_TEST(how_long_answers_take)
{
    struct lab l;

    lab_open(&l, 1, NULL, 1);
    ck_assert_uint_eq(lbx_limit_usual_us(l.rec[0]), UINT64_MAX); /* nobody knows */
    atomic_store(&l.rec[0]->latency[0], 990);
    atomic_store(&l.rec[0]->latency[10], 10);
    ck_assert_uint_eq(lbx_limit_usual_us(l.rec[0]), lbx_latency_bound(0));
    atomic_store(&l.rec[0]->latency[10], 11);
    ck_assert_uint_eq(lbx_limit_usual_us(l.rec[0]), lbx_latency_bound(10));
    atomic_store(&l.rec[0]->latency[LBX_LATENCY_N - 1], 1000);
    ck_assert_uint_eq(lbx_limit_usual_us(l.rec[0]), UINT64_MAX);
    lab_close(&l);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Everybody at once                                                    */

enum { LIMIT = 3, RUNNERS = 6, ROUNDS = 20000 };

struct race {
    struct lab l;
    _Atomic int inside;
    _Atomic int most;
    _Atomic int got;
};

struct runner {
    struct race *race;
    uint32_t child;
};

static void *run(void *arg)
{
    const struct runner *me = arg;
    struct race *r = me->race;

    for (int i = 0; i < ROUNDS; i++) {
        if (take(&r->l, me->child, LIMIT)) {
            int now = atomic_fetch_add(&r->inside, 1) + 1, most = atomic_load(&r->most);

            while (now > most && !atomic_compare_exchange_weak(&r->most, &most, now)) {
            }
            atomic_fetch_add(&r->got, 1);
            atomic_fetch_sub(&r->inside, 1);
            lbx_store_release(&r->l.store, me->child, r->l.ref[0].slot);
        }
    }
    return NULL;
}

START_TEST(never_one_too_many)
{
    static struct race r;
    struct runner runner[RUNNERS];
    pthread_t thread[RUNNERS];

    lab_open(&r.l, 1, NULL, 4);
    for (uint32_t i = 0; i < RUNNERS; i++) {
        runner[i].race = &r;
        runner[i].child = i < 3 ? lbx_store_child_claim(&r.l.store, i + 1) : runner[i % 3].child;
        ck_assert(!pthread_create(&thread[i], NULL, run, &runner[i]));
    }
    for (unsigned i = 0; i < RUNNERS; i++) {
        pthread_join(thread[i], NULL);
    }
    ck_assert_int_le(r.most, LIMIT);
    ck_assert_int_gt(r.got, 0);
    ck_assert_uint_eq(lbx_store_in_flight(&r.l.store, r.l.ref[0].slot), 0);
    lab_close(&r.l);
}
END_TEST

/* All methods pass over the full, and say so when everybody is. */
START_TEST(methods_skip_the_full)
{
    for (unsigned k = 0; lbx_methods[k]; k++) {
        const struct lbx_method *m = lbx_methods[k];
        struct lbx_charge charge[6];
        uint32_t count[3] = {0};
        struct lab l;

        lab_open(&l, 3, NULL, 1);
        set_maxconn(&l, 1);
        lab_compile(&l);
        ck_assert_uint_eq(l.roster->cand[0].limit, 1);
        ck_assert_uint_eq(l.roster->cand[1].limit, 0);
        for (unsigned i = 0; i < 6; i++) {
            int place = lab_pick(&l, m, NULL, &charge[i]);

            ck_assert_int_ge(place, 0);
            count[place]++;
        }
        ck_assert_uint_eq(count[0], 1);
        l.roster->cand[1].limit = l.roster->cand[2].limit = 1;
        ck_assert_int_eq(lab_pick(&l, m, NULL, &charge[0]), -1);
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[0].slot), 1);
        lab_close(&l);
    }
}
END_TEST

TCase *case_limit(void)
{
    TCase *tc = tcase_create("limit");

    tcase_add_test(tc, the_share_of_a_slow_start);
    tcase_add_test(tc, exactly_so_many);
    tcase_add_test(tc, ghosts_stay_for_a_while);
    tcase_add_test(tc, no_ghosts_without_a_limit);
    tcase_add_test(tc, how_long_answers_take);
    tcase_add_test(tc, never_one_too_many);
    tcase_add_test(tc, methods_skip_the_full);
    return tc;
}
