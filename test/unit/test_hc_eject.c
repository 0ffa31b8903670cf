/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_hc_eject: the words of LBXEject, what counts, and counting against a naive
 * model that remembers every request.
 */
#include "unit.h"

#include <stdio.h>

#include "lbx_hc_eject.h"

enum { SECOND = 1000000 };

static int words(struct lbx_hc_eject *r, const char *text)
{
    char copy[128], *at = copy, *word;
    int good = 1;

    *r = (struct lbx_hc_eject){.window_us = 0};
    snprintf(copy, sizeof(copy), "%s", text);
    while ((word = strsep(&at, " "))) {
        good = good && lbx_hc_eject_word(r, word);
    }
    return good && lbx_hc_eject_whole(r);
}

START_TEST(good_words)
{
    struct lbx_hc_eject r;

    ck_assert(words(&r, "consecutive=5"));
    ck_assert(r.form == LBX_HC_EJECT_CONSECUTIVE && r.n == 5);
    ck_assert(words(&r, "Failures=10/30s"));
    ck_assert(r.form == LBX_HC_EJECT_FAILURES && r.n == 10 && r.window_us == 30 * SECOND);
    ck_assert(words(&r, "failures=1/5") && r.window_us == 5 * SECOND);
    ck_assert(words(&r, "failures=1/500ms") && r.window_us == SECOND / 2);
    ck_assert(words(&r, "failures=1/2min") && r.window_us == 120 * SECOND);
    ck_assert(words(&r, "failures=1/24h") && r.window_us == 86400ull * SECOND);
    ck_assert(words(&r, "ratio=50% min=7 window=10s"));
    ck_assert(r.form == LBX_HC_EJECT_RATIO && r.percent == 50 && r.min == 7
              && r.window_us == 10 * SECOND);
    ck_assert(words(&r, "ratio=100%"));
    ck_assert(words(&r, "status=500,502,599") && r.status_n == 3 && r.status[2] == 599);
    ck_assert(words(&r, "status=400 consecutive=2"));
    ck_assert(words(&r, "OFF") && r.form == LBX_HC_EJECT_OFF);
}
END_TEST

START_TEST(bad_words)
{
    static const char *const bad[] = {
        "",
        "5",
        "consecutive",
        "consecutive=",
        "consecutive=0",
        "consecutive=-1",
        "consecutive=5x",
        "consecutive=9999999999",
        "consecutive=5 consecutive=6",
        "failures=5",
        "failures=5/",
        "failures=5/0s",
        "failures=5/99ms",
        "failures=5/25h",
        "failures=5/10 weeks",
        "failures=0/10s",
        "failures=5/10s min=3",
        "ratio=50",
        "ratio=0%",
        "ratio=101%",
        "ratio=50% min=0",
        "ratio=50% window=1d",
        "min=5",
        "window=10s",
        "consecutive=5 window=10s",
        "status=",
        "status=399",
        "status=600",
        "status=500,",
        "status=500;502",
        "status=400,401,402,403,404,405,406,407,408,409,410,411,412,413,414,415,416",
        "off consecutive=5",
        "off status=500",
        "offf",
        "ratios=5%",
    };
    struct lbx_hc_eject r;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!words(&r, bad[i]), "accepted: \"%s\"", bad[i]);
    }
}
END_TEST

START_TEST(what_counts)
{
    struct lbx_hc_eject r = {.n = 0};

    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, 200, 0), LBX_HC_C_ANSWERED);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, 500, 0), LBX_HC_C_ANSWERED);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, 501, 0), LBX_HC_C_ANSWERED);
    for (unsigned s = 502; s <= 504; s++) {
        ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, s, 0), LBX_HC_C_STATUS);
    }
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_STATUS, 429, 0), LBX_HC_C_STATUS);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_CONNECT, 0, 1), LBX_HC_C_CONNECT);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_CONNECT, 0, 0), LBX_HC_C_NONE);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_FAILED, 0, 1), LBX_HC_C_OTHER);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_FAILED, 0, 0), LBX_HC_C_NONE);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_STALE, 0, 0), LBX_HC_C_NONE);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_CLIENT, 0, 0), LBX_HC_C_NONE);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_RESET, 0, 0), LBX_HC_C_RESET);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_CUT, 0, 0), LBX_HC_C_RESET);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_TIMEOUT, 0, 0), LBX_HC_C_TIMEOUT);
    ck_assert(words(&r, "status=500"));
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, 500, 0), LBX_HC_C_STATUS);
    ck_assert_int_eq(lbx_hc_eject_cause(&r, LBX_OUT_ANSWERED, 502, 0), LBX_HC_C_ANSWERED);
}
END_TEST

static enum lbx_hc_event one(const struct lbx_hc_eject *r, struct lbx_hc_member *m, int failed,
                             uint64_t now_us)
{
    return lbx_hc_eject_count(r, m, failed ? LBX_HC_C_TIMEOUT : LBX_HC_C_ANSWERED, 0, now_us);
}

START_TEST(nothing_said)
{
    struct lbx_hc_eject r = {.n = 0};
    struct lbx_hc_member m = {.streak = 0};

    ck_assert_int_eq(lbx_hc_eject_count(&r, &m, LBX_HC_C_CONNECT, 1, 5), LBX_HC_EJECT);
    lbx_hc_eject_clear(&m);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 0, 5), LBX_HC_OK);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_EJECT);
    lbx_hc_eject_clear(&m);
    ck_assert_int_eq(one(&r, &m, 1, 5), LBX_HC_FAIL);
    r.form = LBX_HC_EJECT_OFF;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(lbx_hc_eject_count(&r, &m, LBX_HC_C_CONNECT, 1, 5), LBX_HC_FAIL);
    }
}
END_TEST

/* A window forgets what is older than it and a tenth more, and nothing that is not older
 * than it. */
START_TEST(the_window_slides)
{
    struct lbx_hc_eject r;
    struct lbx_hc_member m = {.streak = 0};
    uint64_t t = 1700000000ull * SECOND;

    ck_assert(words(&r, "failures=2/10s"));
    ck_assert_int_eq(one(&r, &m, 1, t), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 1, t + 11 * SECOND), LBX_HC_FAIL);
    ck_assert_int_eq(one(&r, &m, 1, t + 21 * SECOND), LBX_HC_EJECT);
    lbx_hc_eject_clear(&m);
    ck_assert_int_eq(one(&r, &m, 1, t + 21 * SECOND), LBX_HC_FAIL);
}
END_TEST

/* Full buckets keep the ratio. */
START_TEST(a_full_bucket)
{
    struct lbx_hc_eject r;
    struct lbx_hc_member m = {.streak = 0};
    uint32_t all, bad;

    ck_assert(words(&r, "ratio=99% min=1000 window=24h"));
    for (unsigned i = 0; i < 1200000; i++) {
        one(&r, &m, i % 4 == 0, 12345);
    }
    lbx_hc_eject_window(&r, &m, 12345, &all, &bad);
    ck_assert_uint_gt(all, 500000);
    ck_assert_uint_lt(all, 1 << 20);
    ck_assert_uint_ge(bad, all / 4 - 2);
    ck_assert_uint_le(bad, all / 4 + 2);
}
END_TEST

/* Everything that was counted, with its time. */
struct remembered {
    uint64_t at[4096];
    int failed[4096];
    unsigned n;
};

/* How many of the last <width> microseconds, and failures among them. */
static void naive(const struct remembered *all, uint64_t now_us, uint64_t width, unsigned *requests,
                  unsigned *failures)
{
    *requests = *failures = 0;
    for (unsigned i = 0; i < all->n; i++) {
        if (all->at[i] + width > now_us) {
            ++*requests;
            *failures += (unsigned)all->failed[i];
        }
    }
}

/* The window never counts less than its length, nor more than a tenth above it. */
START_TEST(random_against_naive)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 40; round++) {
        static struct remembered all;
        struct lbx_hc_eject r = {.form = LBX_HC_EJECT_RATIO, .percent = 1 + unit_below(&g, 100)};
        struct lbx_hc_member m = {.streak = 0};
        uint64_t now_us = unit_rand(&g) >> 12;

        r.min = 1 + unit_below(&g, 50);
        r.window_us = 10 * (uint64_t)unit_between(&g, 10000, 5000000);
        all.n = 0;
        for (int i = 0; i < 1000; i++) {
            int failed = !unit_below(&g, 3);
            enum lbx_hc_event event = one(&r, &m, failed, now_us);
            unsigned least, most, least_bad, most_bad;
            uint32_t got, got_bad;

            all.at[all.n] = now_us;
            all.failed[all.n++] = failed;
            naive(&all, now_us, r.window_us, &least, &least_bad);
            naive(&all, now_us, r.window_us + r.window_us / 10, &most, &most_bad);
            lbx_hc_eject_window(&r, &m, now_us, &got, &got_bad);
            ck_assert_uint_ge(got, least);
            ck_assert_uint_le(got, most);
            ck_assert_uint_ge(got_bad, least_bad);
            ck_assert_uint_le(got_bad, most_bad);
            ck_assert_int_eq(event, !failed ? LBX_HC_OK
                                    : got >= r.min && got_bad * 100 >= r.percent * got
                                        ? LBX_HC_EJECT
                                        : LBX_HC_FAIL);
            now_us += unit_below(&g, (uint32_t)(r.window_us / (1 + unit_below(&g, 100))));
        }
    }
}
END_TEST

START_TEST(how_many_may_be_out)
{
    ck_assert(lbx_hc_eject_allowed(1, 2, 0));
    ck_assert(!lbx_hc_eject_allowed(50, 2, 1));
    ck_assert(lbx_hc_eject_allowed(50, 4, 1));
    ck_assert(!lbx_hc_eject_allowed(50, 4, 2));
    ck_assert(lbx_hc_eject_allowed(100, 4, 3));
    ck_assert(!lbx_hc_eject_allowed(99, 4, 3));
}
END_TEST

TCase *case_hc_eject(void)
{
    TCase *tc = tcase_create("hc_eject");

    tcase_add_test(tc, good_words);
    tcase_add_test(tc, bad_words);
    tcase_add_test(tc, what_counts);
    tcase_add_test(tc, nothing_said);
    tcase_add_test(tc, the_window_slides);
    tcase_add_test(tc, a_full_bucket);
    tcase_add_test(tc, random_against_naive);
    tcase_add_test(tc, how_many_may_be_out);
    return tc;
}
