/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_outlier: worked examples of each rule, and what holds for all inputs.
 */
#include "unit.h"

#include "lbx_outlier.h"

enum { N = 6 };

static void find(const struct lbx_outlier *r, const struct lbx_outlier_in *in,
                 enum lbx_outlier_why *why)
{
    double scratch[N];

    lbx_outlier_find(r, in, N, scratch, why);
}

static void fill(struct lbx_outlier_in *in, uint64_t requests, uint64_t failed)
{
    for (int i = 0; i < N; i++) {
        in[i] = (struct lbx_outlier_in){requests, failed, requests - failed,
                                        (requests - failed) * 20000};
    }
}

START_TEST(off_by_default)
{
    struct lbx_outlier r;
    struct lbx_outlier_in in[N];
    enum lbx_outlier_why why[N];

    lbx_outlier_defaults(&r);
    ck_assert(!lbx_outlier_on(&r));
    fill(in, 1000, 0);
    in[2].failed = 1000;
    find(&r, in, why);
    ck_assert_int_eq(why[2], LBX_OUTLIER_NO);
}
END_TEST

/* 99 % five times and 90 % once: mean 97.5, deviation 3.35; less than 91.13 is out. */
START_TEST(by_success_rate)
{
    struct lbx_outlier r;
    struct lbx_outlier_in in[N];
    enum lbx_outlier_why why[N];

    lbx_outlier_defaults(&r);
    r.rate = 190;
    fill(in, 100, 1);
    in[4].failed = 10;
    find(&r, in, why);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(why[i], i == 4 ? LBX_OUTLIER_RATE : LBX_OUTLIER_NO);
    }
    r.rate = 230; /* 97.5 - 2.3 * 3.35 = 89.8 */
    find(&r, in, why);
    ck_assert_int_eq(why[4], LBX_OUTLIER_NO);
    r.rate = 190;
    in[4].requests = 99; /* too few to count, and five others are enough */
    find(&r, in, why);
    ck_assert_int_eq(why[4], LBX_OUTLIER_NO);
    in[3].requests = in[4].requests = 100;
    r.hosts = 7;
    find(&r, in, why);
    ck_assert_int_eq(why[4], LBX_OUTLIER_NO);
}
END_TEST

START_TEST(by_percentage)
{
    struct lbx_outlier r;
    struct lbx_outlier_in in[N];
    enum lbx_outlier_why why[N];

    lbx_outlier_defaults(&r);
    r.percentage = 85;
    fill(in, 100, 84);
    in[0].failed = 85;
    find(&r, in, why);
    ck_assert_int_eq(why[0], LBX_OUTLIER_PERCENTAGE);
    ck_assert_int_eq(why[1], LBX_OUTLIER_NO);
}
END_TEST

START_TEST(by_latency)
{
    struct lbx_outlier r;
    struct lbx_outlier_in in[N];
    enum lbx_outlier_why why[N];

    lbx_outlier_defaults(&r);
    r.latency = 300;
    fill(in, 100, 0);
    in[5].latency_us = 100 * 61000;
    in[1].latency_us = 100 * 59000;
    find(&r, in, why);
    ck_assert_int_eq(why[5], LBX_OUTLIER_LATENCY);
    ck_assert_int_eq(why[1], LBX_OUTLIER_NO);
    in[0].heads = 0; /* has answered nothing: four others and itself are not five */
    in[2].heads = 0;
    find(&r, in, why);
    ck_assert_int_eq(why[5], LBX_OUTLIER_NO);
}
END_TEST

/* Equal members are never outliers, the best one is not, and nobody without volume is. */
START_TEST(properties)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 3000; round++) {
        struct lbx_outlier r;
        struct lbx_outlier_in in[N];
        enum lbx_outlier_why why[N];
        int best = 0;

        lbx_outlier_defaults(&r);
        r.rate = unit_between(&g, 1, 300);
        r.hosts = unit_between(&g, 1, 6);
        r.latency = unit_below(&g, 2) ? 0 : unit_between(&g, 101, 500);
        fill(in, unit_between(&g, 0, 1000), 0);
        for (int i = 0; i < N; i++) {
            in[i].failed = in[0].requests / 3;
        }
        find(&r, in, why);
        for (int i = 0; i < N; i++) {
            ck_assert_int_eq(why[i], LBX_OUTLIER_NO);
        }
        for (int i = 0; i < N; i++) {
            in[i].requests = unit_below(&g, 400);
            in[i].failed = unit_below(&g, (uint32_t)in[i].requests + 1);
            in[i].heads = in[i].requests - in[i].failed;
            in[i].latency_us = in[i].heads * 1000;
            if (in[i].requests >= r.volume
                && (in[best].requests < r.volume
                    || in[i].failed * in[best].requests < in[best].failed * in[i].requests)) {
                best = i;
            }
        }
        find(&r, in, why);
        for (int i = 0; i < N; i++) {
            ck_assert(in[i].requests >= r.volume || why[i] == LBX_OUTLIER_NO);
        }
        ck_assert_int_eq(why[best], LBX_OUTLIER_NO);
    }
}
END_TEST

START_TEST(how_long)
{
    struct lbx_outlier r;

    lbx_outlier_defaults(&r);
    ck_assert_uint_eq(lbx_outlier_time(&r, 1), 30000000);
    ck_assert_uint_eq(lbx_outlier_time(&r, 3), 90000000);
    ck_assert_uint_eq(lbx_outlier_time(&r, 10), 300000000);
    ck_assert_uint_eq(lbx_outlier_time(&r, UINT32_MAX), 300000000);
}
END_TEST

TCase *case_outlier(void)
{
    TCase *tc = tcase_create("outlier");

    tcase_add_test(tc, off_by_default);
    tcase_add_test(tc, by_success_rate);
    tcase_add_test(tc, by_percentage);
    tcase_add_test(tc, by_latency);
    tcase_add_test(tc, properties);
    tcase_add_test(tc, how_long);
    return tc;
}
