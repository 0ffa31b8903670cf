/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_json: well formed and escaped, whatever the texts are; numbers are exact.
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lbx_json.h"

static struct lbx_json j;
static char got[1 << 16];
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
    lbx_json_start(&j, sink, NULL);
}

static const char *ended(void)
{
    lbx_json_end(&j);
    return got;
}

START_TEST(commas_and_nesting)
{
    start();
    lbx_json_object(&j, NULL);
    lbx_json_count(&j, "a", 1);
    lbx_json_array(&j, "b");
    lbx_json_count(&j, NULL, 2);
    lbx_json_object(&j, NULL);
    lbx_json_close(&j, '}');
    lbx_json_null(&j, NULL);
    lbx_json_close(&j, ']');
    lbx_json_switch(&j, "c", 1);
    lbx_json_text(&j, "d", NULL);
    lbx_json_close(&j, '}');
    ck_assert_str_eq(ended(), "{\"a\":1,\"b\":[2,{},null],\"c\":true,\"d\":null}\n");
}
END_TEST

static const struct {
    const char *text;
    const char *json;
} texts[] = {
    {"", "\"\""},
    {"plain", "\"plain\""},
    {"q\"b\\", "\"q\\\"b\\\\\""},
    {"a\nb\x01\x7f", "\"a\\u000ab\\u0001\\u007f\""},
    {"</script><b>&", "\"\\u003c/script\\u003e\\u003cb\\u003e\\u0026\""},
    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98\""},
    {"\xff", "\"\\ufffd\""},
    {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       /* overlong */
    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* a surrogate */
    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond the end */
    {"x\xe2\x82", "\"x\\ufffd\\ufffd\""},                     /* cut in the middle */
};

START_TEST(texts_are_escaped)
{
    char want[128];

    start();
    lbx_json_text(&j, NULL, texts[_i].text);
    snprintf(want, sizeof(want), "%s\n", texts[_i].json);
    ck_assert_str_eq(ended(), want);
}
END_TEST

START_TEST(numbers)
{
    start();
    lbx_json_array(&j, NULL);
    lbx_json_count(&j, NULL, UINT64_MAX);
    lbx_json_signed(&j, NULL, INT64_MIN);
    lbx_json_hundredths(&j, NULL, 250);
    lbx_json_hundredths(&j, NULL, 115);
    lbx_json_hundredths(&j, NULL, 100);
    lbx_json_seconds(&j, NULL, 1795839695993468);
    lbx_json_seconds(&j, NULL, 20);
    lbx_json_seconds(&j, NULL, 0);
    lbx_json_number(&j, NULL, 0.25);
    lbx_json_number(&j, NULL, NAN);
    lbx_json_number(&j, NULL, INFINITY);
    lbx_json_close(&j, ']');
    ck_assert_str_eq(ended(), "[18446744073709551615,-9223372036854775808,2.5,1.15,1,"
                              "1795839695.993468,0.00002,0,0.25,null,null]\n");
}
END_TEST

/* Longer than the buffer, in pieces of any size. */
START_TEST(long_answers)
{
    struct unit_rng g = UNIT_RNG();
    size_t want = 2;

    start();
    lbx_json_array(&j, NULL);
    for (int i = 0; i < 100; i++) {
        char text[512];
        size_t len = unit_rand(&g) % sizeof(text);

        memset(text, 'x', len);
        text[len ? len - 1 : 0] = '\0';
        lbx_json_text(&j, NULL, text);
        want += strlen(text) + 2 + (i > 0);
    }
    lbx_json_close(&j, ']');
    ended();
    ck_assert_uint_eq(got_len, want + 1);
}
END_TEST

TCase *case_json(void)
{
    TCase *tc = tcase_create("json");

    tcase_add_test(tc, commas_and_nesting);
    tcase_add_loop_test(tc, texts_are_escaped, 0, sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, long_answers);
    return tc;
}
