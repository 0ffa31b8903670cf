/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_prom: the text format, with labels that try to break out of it.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "lbx_prom.h"

static struct lbx_prom p;
static struct lbx_prom_who who;
static char got[1 << 20];
static size_t got_len;

static void sink(void *baton, const char *text, size_t len)
{
    (void)baton;
    ck_assert_uint_lt(got_len + len, sizeof(got));
    memcpy(got + got_len, text, len);
    got_len += len;
    got[got_len] = '\0';
}

static void start(void)
{
    got_len = 0;
    got[0] = '\0';
    lbx_prom_start(&p, sink, NULL);
    lbx_prom_who_clear(&who);
}

static const char *ended(void)
{
    lbx_prom_end(&p);
    return got;
}

START_TEST(a_family)
{
    start();
    lbx_prom_family(&p, "lbx_x_total", "counter", "How many\nor \\ few");
    lbx_prom_who_add(&who, "balancer", "app");
    lbx_prom_who_add(&who, "member", "http://a\"b\\c\nd\x01");
    lbx_prom_count(&p, "lbx_x_total", NULL, &who, "class", "2\"xx", 17);
    lbx_prom_count(&p, "lbx_x", "_count", &who, NULL, NULL, UINT64_MAX);
    ck_assert_str_eq(
        ended(),
        "# HELP lbx_x_total How many\\nor \\\\ few\n# TYPE lbx_x_total counter\n"
        "lbx_x_total{balancer=\"app\",member=\"http://a\\\"b\\\\c\\nd?\",class=\"2\\\"xx\"} 17\n"
        "lbx_x_count{balancer=\"app\",member=\"http://a\\\"b\\\\c\\nd?\"} "
        "18446744073709551615\n");
}
END_TEST

START_TEST(without_labels)
{
    start();
    lbx_prom_count(&p, "a", NULL, &who, NULL, NULL, 0);
    lbx_prom_count(&p, "b", NULL, &who, "le", "+Inf", 10);
    lbx_prom_seconds(&p, "c", "_sum", &who, 1234567);
    lbx_prom_seconds(&p, "c", "_sum", &who, 5);
    lbx_prom_number(&p, "d", &who, NULL, NULL, 2.5);
    lbx_prom_number(&p, "d", &who, NULL, NULL, NAN);
    lbx_prom_number(&p, "d", &who, NULL, NULL, -INFINITY);
    ck_assert_str_eq(ended(),
                     "a 0\nb{le=\"+Inf\"} 10\nc_sum 1.234567\nc_sum 0.000005\nd 2.5\nd NaN\n"
                     "d -Inf\n");
}
END_TEST

/* A value that does not fit is cut, and what was escaped stays whole. */
START_TEST(long_labels)
{
    static char quotes[2 * LBX_PROM_WHO];

    memset(quotes, '"', sizeof(quotes) - 1);
    start();
    lbx_prom_who_add(&who, "a", quotes);
    lbx_prom_who_add(&who, "b", "no room for it");
    lbx_prom_count(&p, "x", NULL, &who, NULL, NULL, 1);
    ended();
    ck_assert_uint_le(who.len, LBX_PROM_WHO);
    ck_assert_str_eq(got + got_len - 7, "\\\"\"} 1\n");
    ck_assert_ptr_null(strstr(got, "b="));
}
END_TEST

START_TEST(many_lines)
{
    start();
    for (uint64_t i = 0; i < 10000; i++) {
        lbx_prom_count(&p, "a_name_of_some_length", NULL, &who, NULL, NULL, i);
    }
    ended();
    for (uint64_t i = 0; i < 10000; i++) {
        static char *at;
        char *end;

        at = i ? at : got;
        ck_assert_int_eq(strncmp(at, "a_name_of_some_length ", 22), 0);
        ck_assert_uint_eq(strtoull(at + 22, &end, 10), i);
        at = end + 1;
    }
}
END_TEST

TCase *case_prom(void)
{
    TCase *tc = tcase_create("prom");

    tcase_add_test(tc, a_family);
    tcase_add_test(tc, without_labels);
    tcase_add_test(tc, long_labels);
    tcase_add_test(tc, many_lines);
    return tc;
}
