/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_roster: what is compiled from views, when it must be compiled again, and
 * that the block it asks for is room enough.
 *
 * Not here: who is eligible (test_eligible.c), the order itself (test_order.c).
 */
#include "unit.h"

START_TEST(three_one_one)
{
    static const uint32_t w[] = {300, 100, 100};
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 3, w, 1);
    r = l.roster;
    ck_assert_uint_eq(r->magic, LBX_ROSTER_MAGIC);
    ck_assert_uint_eq(r->n, 3);
    ck_assert_uint_eq(r->members, 3);
    ck_assert_uint_eq(r->period, 5);
    ck_assert_uint_eq(r->errors, 0);
    ck_assert_uint_eq(r->valid_until_us, UINT64_MAX);
    ck_assert_ptr_eq(r->set, l.set);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(r->cand[i].index, i);
        ck_assert_uint_eq(r->cand[i].slot, l.ref[i].slot);
        ck_assert_ptr_eq(r->cand[i].rec, l.rec[i]);
        ck_assert_uint_eq(r->cand[i].weight, w[i] / 100);
        ck_assert_uint_eq(r->place_of[i], i);
        /* the same virtual time for its share of a period as for the whole */
        ck_assert_uint_eq(r->cand[i].step * r->cand[i].weight, r->step * r->period);
    }
    ck_assert(!memcmp(r->order, (uint16_t[]){0, 1, 0, 2, 0}, 5 * sizeof(uint16_t)));
    lab_close(&l);
}
END_TEST

START_TEST(only_the_tier_competes)
{
    static const uint32_t w[] = {100, 200, 300, 400, 500};
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 5, w, 1);
    lab_set_admin(&l, 0, LBX_ADMIN_DISABLED);
    lab_set_admin(&l, 2, LBX_ADMIN_SPARE);
    lab_set_admin(&l, 3, LBX_ADMIN_STANDBY);
    l.rec[4]->health = LBX_HEALTH_FAILED;
    r = lab_compile(&l); /* members 1; spare 2 for 0 or 4 */
    ck_assert_uint_eq(r->n, 2);
    ck_assert_uint_eq(r->period, 5);
    ck_assert_uint_eq(r->cand[0].index, 1);
    ck_assert_uint_eq(r->cand[1].index, 2);
    ck_assert_uint_eq(r->cand[1].weight, 3);
    ck_assert_ptr_eq(r->cand[1].rec, l.rec[2]);
    ck_assert_uint_eq(r->place_of[0], LBX_NOT_HERE);
    ck_assert_uint_eq(r->place_of[1], 0);
    ck_assert_uint_eq(r->place_of[2], 1);
    ck_assert_uint_eq(r->place_of[3], LBX_NOT_HERE);
    ck_assert_uint_eq(r->place_of[4], LBX_NOT_HERE);
    lab_close(&l);
}
END_TEST

START_TEST(nobody_competes)
{
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 2, NULL, 1);
    lab_set_admin(&l, 0, LBX_ADMIN_STOPPED);
    lab_set_admin(&l, 1, LBX_ADMIN_DRAIN);
    r = lab_compile(&l);
    ck_assert_uint_eq(r->n, 0);
    ck_assert_uint_eq(r->period, 0);
    ck_assert_uint_eq(r->place_of[0], LBX_NOT_HERE);
    ck_assert_uint_eq(r->place_of[1], LBX_NOT_HERE);
    for (unsigned i = 0; lbx_methods[i]; i++) {
        struct lbx_charge charge;

        ck_assert_int_eq(lab_pick(&l, lbx_methods[i], NULL, &charge), -1);
    }
    lab_close(&l);
    lab_open(&l, 0, NULL, 1); /* a balancer without members */
    ck_assert_uint_eq(l.roster->n, 0);
    lab_close(&l);
}
END_TEST

START_TEST(stale_by_epoch_and_by_time)
{
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 2, NULL, 1);
    ck_assert(!lbx_roster_stale(l.roster, UINT64_MAX));
    atomic_fetch_add(&l.set->epoch, 1);
    ck_assert(lbx_roster_stale(l.roster, 0));
    l.rec[1]->error_at_us = 100;
    lab_look(&l);
    l.view[1].retry_us = 10;
    r = lab_compile_views(&l, 105);
    ck_assert_uint_eq(r->n, 1);
    ck_assert_uint_eq(r->errors, 1);
    ck_assert(!lbx_roster_stale(r, 110));
    ck_assert(lbx_roster_stale(r, 111));
    r = lab_compile_views(&l, 111);
    ck_assert_uint_eq(r->n, 2);
    ck_assert(!lbx_roster_stale(r, UINT64_MAX));
    lab_close(&l);
}
END_TEST

START_TEST(weight_zero_is_no_division_by_zero)
{
    struct lab l;

    lab_open(&l, 2, (const uint32_t[]){0, 100}, 1);
    ck_assert_uint_eq(l.roster->n, 2);
    ck_assert_uint_eq(l.roster->cand[0].weight, 1);
    ck_assert_uint_eq(l.roster->cand[1].weight, 100);
    lab_close(&l);
}
END_TEST

/* Random balancers: the roster is the tier, in order, with exact counts, and
 * place_of is the inverse of index.  The block has exactly the planned size. */
START_TEST(random_rosters)
{
    struct unit_rng g = UNIT_RNG();
    struct lab l;

    lab_open(&l, 40, NULL, 1);
    for (int round = 0; round < 60; round++) {
        struct lbx_ask ask = {.now_us = 500};
        struct lbx_roster *r;
        uint16_t chosen[40];
        struct lbx_tier tier;
        uint32_t in_order[40] = {0}, here = 0;

        l.n = unit_between(&g, 1, 40);
        for (uint32_t i = 0; i < l.n; i++) {
            static const uint32_t admin[] = {
                0, 0, 0, LBX_ADMIN_SPARE, LBX_ADMIN_STANDBY, LBX_ADMIN_DISABLED, LBX_ADMIN_DRAIN};

            l.view[i].ref = l.ref[i];
            l.view[i].run.weight = round % 4 ? 100 * unit_between(&g, 1, 9)
                                             : unit_between(&g, LBX_WEIGHT_MIN, LBX_WEIGHT_MAX);
            l.view[i].run.lbset = unit_below(&g, 3);
            l.view[i].run.admin = admin[unit_below(&g, 7)];
            l.view[i].error_at_us = unit_below(&g, 4) ? 0 : unit_between(&g, 300, 500);
            l.view[i].retry_us = 100;
        }
        r = lab_compile_views(&l, 500);
        lbx_tier_select(l.view, l.n, &ask, chosen, &tier);
        ck_assert_uint_eq(r->n, tier.n);
        ck_assert_uint_eq(r->valid_until_us, tier.valid_until_us);
        ck_assert_uint_eq(r->errors, tier.errors);
        for (uint32_t k = 0; k < r->period; k++) {
            in_order[r->order[k]]++;
        }
        for (uint32_t k = 0; k < r->n; k++) {
            ck_assert_uint_eq(r->cand[k].index, chosen[k]);
            ck_assert_uint_eq(r->place_of[chosen[k]], k);
            ck_assert_uint_eq(in_order[k], r->cand[k].weight);
        }
        for (uint32_t i = 0; i < l.n; i++) {
            here += r->place_of[i] != LBX_NOT_HERE;
        }
        ck_assert_uint_eq(here, r->n);
    }
    lab_close(&l);
}
END_TEST

/* The head of lbx_roster.c: steps are off by less than 1 in 1,000. */
START_TEST(steps_keep_the_ratio)
{
    static const uint32_t sizes[] = {2, 10, 100, 1000, 4000, 20000};
    struct unit_rng g = UNIT_RNG();
    struct lbx_seg_member rec = {0};
    struct lbx_seg_set set = {0};
    struct lab l = {.n = sizes[_i], .set = &set};
    double whole;

    l.view = lab_must(calloc(l.n, sizeof(*l.view)));
    l.rec = lab_must(calloc(l.n, sizeof(*l.rec)));
    l.chosen = lab_must(calloc(l.n, sizeof(*l.chosen)));
    l.weights = lab_must(calloc(l.n, sizeof(*l.weights)));
    for (uint32_t i = 0; i < l.n; i++) {
        l.view[i].run.weight = unit_between(&g, LBX_WEIGHT_MIN, LBX_WEIGHT_MAX);
        l.rec[i] = &rec;
    }
    lab_compile_views(&l, 0);
    whole = (double)l.roster->step * l.roster->period;
    for (uint32_t i = 0; i < l.n; i++) {
        const struct lbx_cand *c = &l.roster->cand[i];
        double off = (double)c->step * c->weight / whole - 1;

        ck_assert_msg(off < 0.001 && off > -0.001, "%u members, weight %u of %u: off by %g", l.n,
                      c->weight, l.roster->period, off);
    }
    lab_close(&l);
}
END_TEST

TCase *case_roster(void)
{
    TCase *tc = tcase_create("roster");

    tcase_add_test(tc, three_one_one);
    tcase_add_test(tc, only_the_tier_competes);
    tcase_add_test(tc, nobody_competes);
    tcase_add_test(tc, stale_by_epoch_and_by_time);
    tcase_add_test(tc, weight_zero_is_no_division_by_zero);
    tcase_add_test(tc, random_rosters);
    tcase_add_loop_test(tc, steps_keep_the_ratio, 0, 6);
    return tc;
}
