/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_hc_spec: each word takes what it says and nothing else; what statuses,
 * streaks and intervals mean.
 */
#include "unit.h"

#include <stdio.h>

#include "lbx_hc_spec.h"

static struct lbx_hc_spec spec;
static const char *allowed;

static enum lbx_hc_word set(const char *key, const char *value)
{
    return lbx_hc_spec_set(&spec, key, value, &allowed);
}

static void fresh(void)
{
    lbx_hc_spec_defaults(&spec);
}

START_TEST(defaults_are_the_stocks)
{
    fresh();
    ck_assert_int_eq(spec.method, LBX_HC_NONE);
    ck_assert_uint_eq(spec.interval_us, 30000000);
    ck_assert_uint_eq(spec.passes, 1);
    ck_assert_uint_eq(spec.fails, 1);
    ck_assert_int_eq(spec.init, LBX_HC_INIT_UP);
}
END_TEST

START_TEST(good_and_bad_words)
{
    static const struct {
        const char *key;
        const char *good[6];
        const char *bad[8];
    } table[] = {
        {"hcmethod", {"none", "TCP", "Get", "GET11", "cping", "OPTIONS11"}, {"", "POST", "GET12"}},
        {"hcinterval",
         {"1", "100ms", "2mi", "1h", "30s"},
         {"", "99ms", "0", "1x", "-1", " 1", "1e3"}},
        {"hcfastinterval", {"1s"}, {"0", "x"}},
        {"hcdowninterval", {"1s"}, {"0", "x"}},
        {"hctimeout", {"1ms", "2"}, {"0", "0ms", "", "999999999999"}},
        {"hcpasses", {"0", "1", "1000"}, {"1001", "-1", "", "1 ", "x"}},
        {"hcfails", {"0", "1", "1000"}, {"1001", "-1", "", "1.5"}},
        {"hcuri", {"/", "/a?b=c", "status"}, {"", "/a b", "/\x01", "/a\r\nX: y"}},
        {"hcexpr", {"ok2xx"}, {""}},
        {"hctemplate", {"t"}, {""}},
        {"hcstatus",
         {"200", "200-399", "200,301-302,404"},
         {"", "99", "600", "200-", "-200", "200,", "300-200", "2xx"}},
        {"hchost", {"www.example.org", "a:8080", "[::1]:80"}, {"", "a/b", "a b", "a@b", "a\r\nb"}},
        {"hcbody", {"ready", "is ready"}, {"", "\n"}},
        {"hcport", {"1", "65535"}, {"0", "65536", "http", ""}},
        {"hcaddr", {"127.0.0.1", "::1", "host"}, {"", "a/b", "[::1]"}},
        {"hcsni", {"www.example.org"}, {"", "a:1", "a b"}},
        {"hcversion", {"1.0", "1.1", "2"}, {"", "1", "3", "2.0"}},
        {"hcinit", {"up", "DOWN", "keep"}, {"", "maybe"}},
        {"hcspread", {"0", "50"}, {"51", "5%", "", "-1"}},
        {"hcheader", {"A: b", "X-Y:"}, {"", "A", ": b", "A b: c", "A: b\r\nC: d"}},
        {"hcheader9", {"A: b"}, {"A"}},
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (int k = 0; k < 6 && table[i].good[k]; k++) {
            fresh();
            ck_assert_msg(set(table[i].key, table[i].good[k]) == LBX_HC_WORD_OK, "%s=%s",
                          table[i].key, table[i].good[k]);
        }
        for (int k = 0; k < 8 && table[i].bad[k]; k++) {
            fresh();
            allowed = NULL;
            ck_assert_msg(set(table[i].key, table[i].bad[k]) == LBX_HC_WORD_BAD, "%s=%s",
                          table[i].key, table[i].bad[k]);
            ck_assert_ptr_nonnull(allowed);
        }
    }
    ck_assert_int_eq(set("retry", "1"), LBX_HC_WORD_UNKNOWN);
    ck_assert_int_eq(set("hcheader1", "A: b"), LBX_HC_WORD_UNKNOWN);
    ck_assert_int_eq(set("hcheader10", "A: b"), LBX_HC_WORD_UNKNOWN);
    ck_assert_int_eq(set("HCMETHOD", "get"), LBX_HC_WORD_OK);
}
END_TEST

START_TEST(long_values)
{
    char text[1100];

    memset(text, 'x', sizeof(text));
    text[0] = '/';
    text[LBX_HC_URI_MAX - 1] = '\0';
    fresh();
    ck_assert_int_eq(set("hcuri", text), LBX_HC_WORD_OK);
    text[LBX_HC_URI_MAX - 1] = 'x';
    text[LBX_HC_URI_MAX] = '\0';
    ck_assert_int_eq(set("hcuri", text), LBX_HC_WORD_BAD);
}
END_TEST

START_TEST(statuses)
{
    fresh();
    for (unsigned s = 0; s < 1000; s++) {
        ck_assert_int_eq(lbx_hc_spec_status(&spec, s), s >= 200 && s <= 399);
    }
    set("hcstatus", "100,204-206,599");
    for (unsigned s = 0; s < 1000; s++) {
        ck_assert_int_eq(lbx_hc_spec_status(&spec, s),
                         s == 100 || (s >= 204 && s <= 206) || s == 599);
    }
    set("hcstatus", "401"); /* the last word counts */
    ck_assert_int_eq(lbx_hc_spec_status(&spec, 204), 0);
    ck_assert_int_eq(lbx_hc_spec_status(&spec, 401), 1);
}
END_TEST

START_TEST(timeouts)
{
    fresh();
    set("hcinterval", "10");
    ck_assert_uint_eq(lbx_hc_spec_timeout(&spec, 0), 9000000);
    ck_assert_uint_eq(lbx_hc_spec_timeout(&spec, 2000000), 2000000);
    ck_assert_uint_eq(lbx_hc_spec_timeout(&spec, 60000000), 9000000);
    set("hctimeout", "15");
    ck_assert_uint_eq(lbx_hc_spec_timeout(&spec, 2000000), 15000000);
}
END_TEST

START_TEST(intervals)
{
    enum { UP = 0, OUT = 1 };

    fresh();
    set("hcinterval", "10");
    set("hcfastinterval", "1");
    set("hcdowninterval", "60");
    set("hcfails", "3");
    set("hcpasses", "2");
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, UP, 5, 0), 10000000);
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, UP, 0, 1), 1000000);
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, UP, 0, 2), 1000000);
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, OUT, 0, 3), 60000000);
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, OUT, 1, 0), 1000000);
    spec.fast_us = spec.down_us = 0;
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, OUT, 0, 3), 10000000);
    ck_assert_uint_eq(lbx_hc_spec_interval(&spec, UP, 0, 1), 10000000);
}
END_TEST

TCase *case_hc_spec(void)
{
    TCase *tc = tcase_create("hc_spec");

    tcase_add_test(tc, defaults_are_the_stocks);
    tcase_add_test(tc, good_and_bad_words);
    tcase_add_test(tc, long_values);
    tcase_add_test(tc, statuses);
    tcase_add_test(tc, timeouts);
    tcase_add_test(tc, intervals);
    return tc;
}
