/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_form: what is read, what is refused, and a naive model on random bytes.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "lbx_form.h"

static struct lbx_form f;

static const char *read_text(const char *text)
{
    return lbx_form_read(&f, text, strlen(text));
}

START_TEST(pairs)
{
    ck_assert_ptr_null(read_text("b=app&w=http%3A%2F%2Fa:80&empty=&bare&=noname&&x=1+2%3D"));
    ck_assert_uint_eq(f.n, 6);
    ck_assert_str_eq(lbx_form_get(&f, "b"), "app");
    ck_assert_str_eq(lbx_form_get(&f, "w"), "http://a:80");
    ck_assert_str_eq(lbx_form_get(&f, "empty"), "");
    ck_assert_str_eq(lbx_form_get(&f, "bare"), "");
    ck_assert_str_eq(lbx_form_get(&f, ""), "noname");
    ck_assert_str_eq(lbx_form_get(&f, "x"), "1+2=");
    ck_assert_ptr_null(lbx_form_get(&f, "B"));
    ck_assert_ptr_null(read_text(""));
    ck_assert_uint_eq(f.n, 0);
}
END_TEST

START_TEST(twice)
{
    static const char *const rows[][3] = {
        {"v=a%252Fb", "a%2Fb", "a/b"},
        {"v=a%2Fb", "a/b", "a/b"},
        {"v=50%25", "50%", "50%"},
        {"v=%2525", "%25", "%"},
        {"v=%25zz", "%zz", "%zz"},
        {"v=a=b", "a=b", "a=b"},
        {"v=%C3%A9", "\xc3\xa9", "\xc3\xa9"},
        {"%76=x", "x", "x"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_ptr_null(read_text(rows[i][0]));
        ck_assert_str_eq(lbx_form_get(&f, "v"), rows[i][1]);
        ck_assert_str_eq(lbx_form_get_twice(&f, "v"), rows[i][2]);
    }
}
END_TEST

START_TEST(refused)
{
    static const char *const rows[] = {
        "a=%00", "a=%2500", "a=%0d%0a", "a=%250a", "a\n=1",    "a=\x7f", "%00=1",      "a=%",
        "a=%1",  "a=%g0",   "a=%0g",    "a=1&a=2", "a=1&%61=", "a=x%",   "nonce=x%00", "a=\t",
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(read_text(rows[i]) != NULL, "%s", rows[i]);
        ck_assert_uint_eq(f.n, 0);
        ck_assert_ptr_null(lbx_form_get(&f, "a"));
    }
    ck_assert_ptr_nonnull(lbx_form_read(&f, "a=b\0c", 5));
    ck_assert_ptr_null(read_text("a=1&a=1"));
    ck_assert_uint_eq(f.n, 1);
}
END_TEST

START_TEST(limits)
{
    static char text[LBX_FORM_BYTES + 2];

    memset(text, 'x', sizeof(text) - 1);
    text[1] = '=';
    ck_assert_ptr_nonnull(lbx_form_read(&f, text, LBX_FORM_BYTES + 1));
    ck_assert_ptr_null(lbx_form_read(&f, text, LBX_FORM_BYTES));
    ck_assert_uint_eq(strlen(lbx_form_get(&f, "x")), LBX_FORM_BYTES - 2);
    for (int i = 0; i <= LBX_FORM_PAIRS; i++) { /* two letters a key */
        snprintf(text + 4 * i, 5, "%c%c=&", 'a' + i / 26, 'a' + i % 26);
    }
    ck_assert_ptr_null(lbx_form_read(&f, text, 4 * LBX_FORM_PAIRS));
    ck_assert_uint_eq(f.n, LBX_FORM_PAIRS);
    ck_assert_ptr_nonnull(lbx_form_read(&f, text, 4 * (LBX_FORM_PAIRS + 1)));
    /* all of it encoded, and kept twice */
    for (int i = 0; i + 3 <= LBX_FORM_BYTES - 2; i += 3) {
        memcpy(text + 2 + i, "%25", 3);
    }
    memcpy(text, "a=", 2);
    ck_assert_ptr_null(lbx_form_read(&f, text, 2 + (LBX_FORM_BYTES - 2) / 3 * 3));
}
END_TEST

/* What goes in comes out: pairs encoded at random. */
START_TEST(what_was_encoded)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 2000; round++) {
        char value[40], text[140] = "k=", *at = text + 2;
        size_t len = unit_rand(&g) % 39;

        for (size_t i = 0; i < len; i++) {
            value[i] = (char)(' ' + unit_rand(&g) % 95);
            value[i] = value[i] == '%' ? '!' : value[i]; /* "%01" would be one too much */
            if (strchr("&%", value[i]) || unit_rand(&g) % 3 == 0) {
                at += snprintf(at, 4, "%%%02x", (unsigned char)value[i]);
            } else {
                *at++ = value[i];
            }
        }
        value[len] = *at = '\0';
        ck_assert_ptr_null(read_text(text));
        ck_assert_str_eq(lbx_form_get(&f, "k"), value);
    }
}
END_TEST

START_TEST(secrets)
{
    ck_assert(lbx_form_same_secret("abc", "abc"));
    ck_assert(lbx_form_same_secret("", ""));
    ck_assert(!lbx_form_same_secret("abc", "abd"));
    ck_assert(!lbx_form_same_secret("abc", "ab"));
    ck_assert(!lbx_form_same_secret("abc", "abca"));
    ck_assert(!lbx_form_same_secret("abc", "abcabc"));
    ck_assert(!lbx_form_same_secret("abc", ""));
    ck_assert(!lbx_form_same_secret("", "a"));
}
END_TEST

TCase *case_form(void)
{
    TCase *tc = tcase_create("form");

    tcase_add_test(tc, pairs);
    tcase_add_test(tc, twice);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, what_was_encoded);
    tcase_add_test(tc, secrets);
    return tc;
}
