/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_slowstart: the curve, its steps, and members that all start slowly.
 */
#include "unit.h"

#include "lbx_slowstart.h"

enum { SECOND = 1000000 };

/* The schedule in the header. */
START_TEST(worked_example)
{
    struct lbx_slowstart s = {20 * SECOND, 100, LBX_RAMP_FULL / 10};

    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 0), 1000);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 1 * SECOND), 1000);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 2 * SECOND), 1000);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 3 * SECOND - 1), 1000);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 3 * SECOND), 1500);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 10 * SECOND), 5000);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 19 * SECOND), 9500);
    ck_assert_uint_eq(lbx_slowstart_ramp(&s, 20 * SECOND), LBX_RAMP_FULL);
}
END_TEST

START_TEST(aggression)
{
    struct lbx_slowstart fast = {20 * SECOND, 200, 1}, slow = {20 * SECOND, 50, 1};

    ck_assert_uint_eq(lbx_slowstart_ramp(&fast, 5 * SECOND), 5000); /* square root of a quarter */
    ck_assert_uint_eq(lbx_slowstart_ramp(&slow, 10 * SECOND), 2500);
}
END_TEST

/* Rises, never from 0, in no more steps than promised, ends at once without a window. */
START_TEST(properties)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 200; round++) {
        struct lbx_slowstart s = {unit_rand(&g) % (86400ull * SECOND) + 1,
                                  unit_between(&g, 10, 1000),
                                  unit_below(&g, 2) ? 0 : unit_between(&g, 1, LBX_RAMP_FULL)};
        uint32_t before = 0, steps = 0;

        for (uint32_t i = 0; i <= 400; i++) {
            uint64_t at = s.window_us / 400 * i;
            uint32_t ramp = lbx_slowstart_ramp(&s, at);

            ck_assert_uint_ge(ramp, 1);
            ck_assert_uint_ge(ramp, s.minimum);
            ck_assert_uint_le(ramp, LBX_RAMP_FULL);
            ck_assert_uint_ge(ramp, before);
            steps += ramp != before;
            before = ramp;
        }
        ck_assert_uint_le(steps, LBX_SLOWSTART_STEPS + 1);
        ck_assert_uint_eq(lbx_slowstart_ramp(&s, s.window_us), LBX_RAMP_FULL);
        ck_assert_uint_eq(lbx_slowstart_ramp(&s, UINT64_MAX), LBX_RAMP_FULL);
    }
}
END_TEST

START_TEST(all_of_them)
{
    ck_assert_uint_eq(lbx_slowstart_relative(1000, 1000), LBX_RAMP_FULL);
    ck_assert_uint_eq(lbx_slowstart_relative(1000, LBX_RAMP_FULL), 1000);
    ck_assert_uint_eq(lbx_slowstart_relative(1000, 2000), 5000);
    ck_assert_uint_eq(lbx_slowstart_relative(3000, 9500), 3000);
    ck_assert_uint_eq(lbx_slowstart_relative(1, 9500), 1);
    ck_assert_uint_eq(lbx_slowstart_relative(700, 0), 700);
}
END_TEST

TCase *case_slowstart(void)
{
    TCase *tc = tcase_create("slowstart");

    tcase_add_test(tc, worked_example);
    tcase_add_test(tc, aggression);
    tcase_add_test(tc, properties);
    tcase_add_test(tc, all_of_them);
    return tc;
}
