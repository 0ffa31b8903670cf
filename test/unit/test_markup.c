/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_markup: nothing that is text becomes markup.
 */
#include "unit.h"

#include <string.h>

#include "lbx_markup.h"

static struct lbx_markup m;
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

static const char *written(void (*write)(struct lbx_markup *, const char *), const char *text)
{
    got_len = 0;
    got[0] = '\0';
    lbx_markup_start(&m, sink, NULL);
    write(&m, text);
    lbx_markup_end(&m);
    return got;
}

START_TEST(text)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"http://a:80/x", "http://a:80/x"},
        {"<a href=\"x\">&'", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"},
        {"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "&#233;&#26085;&#128512;"},
        {"a\xff", "a&#65533;"},
        {"\xc3", "&#65533;"},                         /* cut */
        {"\xc0\xbc", "&#65533;&#65533;"},             /* '<' in two bytes */
        {"\xe0\x80\xbc", "&#65533;&#65533;&#65533;"}, /* ... in three */
        {"\xed\xa0\x80", "&#65533;&#65533;&#65533;"}, /* a surrogate */
        {"\xf5\x80\x80\x80", "&#65533;&#65533;&#65533;&#65533;"},
        {"\xef\xbf\xbf", "&#65533;&#65533;&#65533;"}, /* no character */
        {"\n\x01\x7f", "&#65533;&#65533;&#65533;"},
        {"\xc2\x85", "&#65533;"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_str_eq(written(lbx_markup_text, rows[i][0]), rows[i][1]);
    }
}
END_TEST

START_TEST(links)
{
    ck_assert_str_eq(written(lbx_markup_query, "http://a:80/x?y&z=\"<'#%+ \xc3\xa9"),
                     "http://a:80/x%3Fy%26z%3D%22%3C%27%23%25%2B%20%C3%A9");
    ck_assert_str_eq(written(lbx_markup_path, "/balancer-manager/x y"), "/balancer-manager/x%20y");
    ck_assert_str_eq(written(lbx_markup_path, "//evil.test/\"><script>"),
                     "/evil.test/%22%3E%3Cscript%3E");
    ck_assert_str_eq(written(lbx_markup_path, ""), "/");
}
END_TEST

START_TEST(numbers)
{
    got_len = 0;
    lbx_markup_start(&m, sink, NULL);
    lbx_markup_count(&m, UINT64_MAX);
    lbx_markup_lit(&m, "|");
    lbx_markup_signed(&m, INT64_MIN);
    lbx_markup_lit(&m, "|");
    lbx_markup_hundredths(&m, 105);
    lbx_markup_end(&m);
    ck_assert_str_eq(got, "18446744073709551615|-9223372036854775808|1.05");
}
END_TEST

/* Random bytes, more than the buffer holds: printable ASCII and no markup. */
START_TEST(whatever_the_bytes)
{
    struct unit_rng g = UNIT_RNG();
    static char in[3 * LBX_MARKUP_ROOM];

    for (int round = 0; round < 40; round++) {
        size_t len = unit_rand(&g) % (sizeof(in) - 1);

        for (size_t i = 0; i < len; i++) {
            in[i] = (char)(1 + unit_rand(&g) % 255);
        }
        in[len] = '\0';
        for (const char *at = written(lbx_markup_text, in); *at; at++) {
            ck_assert(*at >= ' ' && *at < 0x7f && !strchr("<>\"'", *at));
        }
        for (const char *at = written(lbx_markup_query, in); *at; at++) {
            ck_assert(*at > ' ' && *at < 0x7f && !strchr("<>\"'&=#?+", *at));
        }
    }
}
END_TEST

TCase *case_markup(void)
{
    TCase *tc = tcase_create("markup");

    tcase_add_test(tc, text);
    tcase_add_test(tc, links);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, whatever_the_bytes);
    return tc;
}
