/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_hc_retry: when a member that is out is asked again.
 */
#include "unit.h"

#include "lbx_hc_retry.h"

enum { SECOND = 1000000 };

START_TEST(explicit_to_the_letter)
{
    for (uint32_t tries = 0; tries < 20; tries++) {
        ck_assert_uint_eq(lbx_hc_retry_delay(30 * SECOND + 1, tries, tries * 7919), 30 * SECOND);
        ck_assert_uint_eq(lbx_hc_retry_delay(3600ull * SECOND + 1, tries, 5), 3600ull * SECOND);
    }
    ck_assert_uint_eq(lbx_hc_retry_delay(1, 0, 0), 100000);
}
END_TEST

START_TEST(backing_off)
{
    static const uint64_t most[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

    for (uint32_t tries = 0; tries < 9; tries++) {
        uint64_t longest = most[tries] * SECOND, shortest = longest - longest / 5;

        ck_assert_uint_eq(lbx_hc_retry_delay(0, tries, 0), longest);
        ck_assert_uint_le(lbx_hc_retry_delay(0, tries, 0xffff), longest);
        ck_assert_uint_ge(lbx_hc_retry_delay(0, tries, 0xffff), tries ? shortest : longest);
        ck_assert_uint_le(lbx_hc_retry_delay(0, tries, 0xffff), tries ? shortest + 1 : longest);
    }
    ck_assert_uint_eq(lbx_hc_retry_delay(0, UINT32_MAX, 0), 60 * SECOND);
}
END_TEST

START_TEST(the_rhythm_stays)
{
    ck_assert_uint_eq(lbx_hc_retry_next(100, 30, 105), 130);
    ck_assert_uint_eq(lbx_hc_retry_next(100, 30, 130), 160);
    ck_assert_uint_eq(lbx_hc_retry_next(100, 30, 500), 530);
    ck_assert_uint_eq(lbx_hc_retry_next(0, 30, 500), 530);
}
END_TEST

START_TEST(soon_again)
{
    ck_assert_uint_eq(lbx_hc_retry_begin(5, 0, 100 * SECOND), 0);
    ck_assert_uint_eq(lbx_hc_retry_begin(5, 100 * SECOND, 111 * SECOND), 0);
    ck_assert_uint_eq(lbx_hc_retry_begin(5, 100 * SECOND, 101 * SECOND), 6);
    ck_assert_uint_eq(lbx_hc_retry_begin(16, 100 * SECOND, 101 * SECOND), 16);
}
END_TEST

TCase *case_hc_retry(void)
{
    TCase *tc = tcase_create("hc_retry");

    tcase_add_test(tc, explicit_to_the_letter);
    tcase_add_test(tc, backing_off);
    tcase_add_test(tc, the_rhythm_stays);
    tcase_add_test(tc, soon_again);
    return tc;
}
