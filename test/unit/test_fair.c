/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_fair: leads and charges in virtual time, the reach on both sides, clocks
 * that wrap.
 *
 * Not here: what the methods make of a lead (test_method_by*.c).
 */
#include "unit.h"

#include "lbx_fair.h"

static const uint32_t three_one_one[] = {300, 100, 100};

START_TEST(level_at_the_start)
{
    struct lab l;

    lab_open(&l, 3, three_one_one, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(lbx_fair_lead(l.roster, &l.roster->cand[i], 1), 0);
    }
    lab_close(&l);
}
END_TEST

/* A period of work by the weights brings everybody back to level. */
START_TEST(level_after_a_period)
{
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 3, three_one_one, 1);
    r = l.roster;
    for (uint32_t i = 0; i < r->period; i++) {
        const struct lbx_cand *c = &r->cand[r->order[i]];

        lbx_fair_charge(l.set, c->rec, r->step, c->step, 7);
        if (i + 1 < r->period) {
            ck_assert(lbx_fair_lead(r, &r->cand[0], 7) || lbx_fair_lead(r, &r->cand[1], 7));
        }
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(lbx_fair_lead(r, &r->cand[i], 7), 0);
    }
    lab_close(&l);
}
END_TEST

START_TEST(a_charge_can_be_taken_back)
{
    struct lab l;
    struct lbx_roster *r;

    lab_open(&l, 3, three_one_one, 1);
    r = l.roster;
    lbx_fair_charge(l.set, l.rec[1], r->step, r->cand[1].step, 5);
    ck_assert_int_gt(lbx_fair_lead(r, &r->cand[1], 100), 0);
    ck_assert_int_lt(lbx_fair_lead(r, &r->cand[0], 100), 0);
    lbx_fair_charge(l.set, l.rec[1], r->step, r->cand[1].step, -5);
    ck_assert_uint_eq(atomic_load(&l.set->vtime), 0);
    ck_assert_uint_eq(atomic_load(&l.rec[1]->vtime), 0);
    lab_close(&l);
}
END_TEST

/* Nobody is further off than REACH units, and stays where it was brought. */
START_TEST(the_reach_bounds_both_sides)
{
    for (int side = 0; side < 2; side++) {
        for (uint64_t unit = 0; unit < 4; unit++) {
            struct lab l;
            struct lbx_cand *c;
            int64_t reach;

            lab_open(&l, 3, three_one_one, 1);
            c = &l.roster->cand[2];
            reach = (int64_t)(LBX_FAIR_REACH * (unit ? unit : 1) * c->step);
            atomic_store(&l.set->vtime, 1u << 30);
            atomic_store(&c->rec->vtime, (1u << 30) + (side ? (uint64_t)reach : -(uint64_t)reach));
            ck_assert_int_eq(lbx_fair_lead(l.roster, c, unit), side ? reach : -reach);
            /* one further */
            atomic_fetch_add(&c->rec->vtime, side ? 1 : (uint64_t)-1);
            ck_assert_int_eq(lbx_fair_lead(l.roster, c, unit), side ? reach : -reach);
            ck_assert_int_eq((int64_t)(c->rec->vtime - l.set->vtime), side ? reach : -reach);
            /* far away */
            atomic_store(&c->rec->vtime, side ? UINT64_MAX / 4 : 0);
            atomic_store(&l.set->vtime, side ? 0 : UINT64_MAX / 4);
            ck_assert_int_eq(lbx_fair_lead(l.roster, c, unit), side ? reach : -reach);
            ck_assert_int_eq((int64_t)(c->rec->vtime - l.set->vtime), side ? reach : -reach);
            lab_close(&l);
        }
    }
}
END_TEST

/* Random work against whole numbers without a limit, from a clock that wraps. */
START_TEST(random_work_against_naive)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 40; round++) {
        uint32_t w[5];
        uint32_t n = unit_between(&g, 1, 5);
        struct lab l;
        struct lbx_roster *r;
        __int128 set = 0, own[5] = {0};
        uint64_t start = 0 - (unit_rand(&g) >> unit_between(&g, 8, 60));

        for (uint32_t i = 0; i < n; i++) {
            w[i] = unit_between(&g, LBX_WEIGHT_MIN, LBX_WEIGHT_MAX);
        }
        lab_open(&l, n, w, 1);
        r = l.roster;
        atomic_store(&l.set->vtime, start);
        for (uint32_t i = 0; i < n; i++) {
            atomic_store(&l.rec[i]->vtime, start);
        }
        for (int op = 0; op < 200; op++) {
            uint32_t i = unit_below(&g, n);
            int64_t units = (int64_t)unit_below(&g, 2000) - 500;
            uint64_t unit = unit_between(&g, 1, 100);
            int64_t reach = (int64_t)(LBX_FAIR_REACH * unit * r->cand[i].step);

            lbx_fair_charge(l.set, l.rec[i], r->step, r->cand[i].step, units);
            set += (__int128)units * (__int128)r->step;
            own[i] += (__int128)units * (__int128)r->cand[i].step;
            if (own[i] - set > reach) {
                own[i] = set + reach;
            } else if (own[i] - set < -reach) {
                own[i] = set - reach;
            }
            ck_assert_int_eq(lbx_fair_lead(r, &r->cand[i], unit), (int64_t)(own[i] - set));
        }
        lab_close(&l);
    }
}
END_TEST

START_TEST(advances_only_from_where_it_was_read)
{
    struct lab l;

    lab_open(&l, 1, NULL, 1);
    atomic_store(&l.set->vtime, UINT64_MAX - 1);
    lbx_fair_advance(l.set, UINT64_MAX - 1, 5);
    ck_assert_uint_eq(atomic_load(&l.set->vtime), 3);
    lbx_fair_advance(l.set, UINT64_MAX - 1, 5);
    ck_assert_uint_eq(atomic_load(&l.set->vtime), 3);
    lab_close(&l);
}
END_TEST

TCase *case_fair(void)
{
    TCase *tc = tcase_create("fair");

    tcase_add_test(tc, level_at_the_start);
    tcase_add_test(tc, level_after_a_period);
    tcase_add_test(tc, a_charge_can_be_taken_back);
    tcase_add_test(tc, the_reach_bounds_both_sides);
    tcase_add_test(tc, random_work_against_naive);
    tcase_add_test(tc, advances_only_from_where_it_was_read);
    return tc;
}
