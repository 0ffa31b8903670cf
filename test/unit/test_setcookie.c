/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_setcookie: Set-Cookie lines as browsers read them; and cookies taken out of a
 * Cookie header.
 *
 * Not here: dates.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbx_cookie.h"
#include "lbx_setcookie.h"

static const char *of(struct lbx_span s)
{
    static char text[200];

    snprintf(text, sizeof(text), "%.*s", s.at ? (int)s.len : 1, s.at ? s.at : "-");
    return text;
}

static const struct {
    const char *line;
    int good;
    const char *name, *value, *path, *domain;
    long maxage;
    int secure, httponly;
    enum lbx_samesite samesite;
} lines[] = {
    {"S=x", 1, "S", "x", "-", "-", -1, 0, 0, 0},
    {" S = x ; Path=/a ", 1, "S", "x", "/a", "-", -1, 0, 0, 0},
    {"S=\"x.r1\"; path=\"/a\"", 1, "S", "x.r1", "\"/a\"", "-", -1, 0, 0, 0},
    {"S=a=b;Secure;HTTPONLY", 1, "S", "a=b", "-", "-", -1, 1, 1, 0},
    {"S=; Max-Age=0", 1, "S", "", "-", "-", 0, 0, 0, 0},
    {"S=x; max-age=-5; Domain=.example.com", 1, "S", "x", "-", ".example.com", 0, 0, 0, 0},
    {"S=x; Max-Age=60; Max-Age=70", 1, "S", "x", "-", "-", 70, 0, 0, 0},
    {"S=x; Max-Age=99999999999999999999", 1, "S", "x", "-", "-", 1000, 0, 0, 0},
    {"S=x; Max-Age=6x", 1, "S", "x", "-", "-", -1, 0, 0, 0},
    {"S=x; Max-Age=-", 1, "S", "x", "-", "-", -1, 0, 0, 0},
    {"S=x; Max-Age", 1, "S", "x", "-", "-", -1, 0, 0, 0},
    {"S=x; SameSite=lax; Partitioned", 1, "S", "x", "-", "-", -1, 0, 0, LBX_SAMESITE_LAX},
    {"S=x; SameSite=None; Secure", 1, "S", "x", "-", "-", -1, 1, 0, LBX_SAMESITE_NONE},
    {"S=x; SameSite=STRICT", 1, "S", "x", "-", "-", -1, 0, 0, LBX_SAMESITE_STRICT},
    {"S=x; SameSite=odd", 1, "S", "x", "-", "-", -1, 0, 0, 0},
    {"S=x;;;; =;Path", 1, "S", "x", "", "-", -1, 0, 0, 0},
    {"=x; Path=/", 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0},
    {"S; Path=/", 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0},
    {"", 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0},
};

START_TEST(lines_are_read)
{
    struct lbx_setcookie c;

    ck_assert_int_eq(lbx_setcookie_read(&c, lines[_i].line), lines[_i].good);
    if (!lines[_i].good) {
        return;
    }
    ck_assert_str_eq(of(c.name), lines[_i].name);
    ck_assert_str_eq(of(c.value), lines[_i].value);
    ck_assert_str_eq(of(c.path), lines[_i].path);
    ck_assert_str_eq(of(c.domain), lines[_i].domain);
    ck_assert_int_eq(lbx_setcookie_maxage(&c, 1000), lines[_i].maxage);
    ck_assert_int_eq(c.secure, lines[_i].secure);
    ck_assert_int_eq(c.httponly, lines[_i].httponly);
    ck_assert_int_eq(c.samesite, lines[_i].samesite);
    ck_assert(lbx_span_is(&c.name, lines[_i].name));
}
END_TEST

/* Only what is inside the text is read (ASan looks on), and spans lie in it. */
START_TEST(noise_is_survived)
{
    struct unit_rng g = UNIT_RNG();
    static const char some[] = "S=x;; \t\"Max-Age=Path/,";

    for (int round = 0; round < 30000; round++) {
        unsigned len = unit_below(&g, 60);
        char *line = malloc(len + 1);
        struct lbx_setcookie c;

        ck_assert_ptr_nonnull(line);
        for (unsigned i = 0; i < len; i++) {
            line[i] = some[unit_below(&g, sizeof(some) - 1)];
        }
        line[len] = '\0';
        if (lbx_setcookie_read(&c, line)) {
            const struct lbx_span *s[] = {&c.name, &c.value, &c.raw, &c.path, &c.domain, &c.maxage};

            for (unsigned i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
                ck_assert(!s[i]->at || (s[i]->at >= line && s[i]->at + s[i]->len <= line + len));
            }
            lbx_setcookie_maxage(&c, 100);
        }
        free(line);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Taken out                                                            */

static int called(const void *name, const struct lbx_cookie *cookie)
{
    return lbx_cookie_is(cookie, name);
}

static const struct {
    const char *header, *rest;
} without[] = {
    {"X=1", ""},
    {"a=1; X=2; b=3", "a=1; b=3"},
    {"X=2; b=3", "b=3"},
    {"a=1; X=2", "a=1"},
    {"a=1;X=2;b=3", "a=1;b=3"},
    {"X=1; X=2; X=3", ""},
    {"X=1; a=2; X=3", "a=2"},
    {"a=1, X=2, b=3", "a=1, b=3"},
    {"a=1; X=\"q;\"; b=3", "a=1; \"; b=3"}, /* nothing closes the quote before the ';' */
    {"a=1; X=\"q\" ; b=3", "a=1; b=3"},
    {"a=1; junk; b=3", "a=1; junk; b=3"},
    {"a=\"1\"; x=2", "a=\"1\"; x=2"},
    {"", ""},
};

START_TEST(cookies_are_taken_out)
{
    char to[100];
    size_t len = lbx_cookie_without(to, without[_i].header, called, "X");

    ck_assert_str_eq(to, without[_i].rest);
    ck_assert_uint_eq(len, strlen(to));
}
END_TEST

/* Whatever the header: the cookies left are the others, in their order. */
START_TEST(the_others_stay)
{
    struct unit_rng g = UNIT_RNG();
    static const char some[] = "X=a;, \"b=X;";

    for (int round = 0; round < 50000; round++) {
        char header[40], rest[40];
        unsigned len = unit_below(&g, sizeof(header));
        struct lbx_cookie_cursor a, b;
        struct lbx_cookie x, y;

        for (unsigned i = 0; i < len; i++) {
            header[i] = some[unit_below(&g, sizeof(some) - 1)];
        }
        header[len] = '\0';
        ck_assert_uint_le(lbx_cookie_without(rest, header, called, "X"), len);
        a = (struct lbx_cookie_cursor){header, header + len};
        b = (struct lbx_cookie_cursor){rest, rest + strlen(rest)};
        if (memchr(header, '"', len)) {
            continue; /* a quote may close another one than before */
        }
        while (lbx_cookie_next(&a, &x)) {
            if (lbx_cookie_is(&x, "X")) {
                continue;
            }
            ck_assert_msg(lbx_cookie_next(&b, &y), "'%s' -> '%s'", header, rest);
            ck_assert(x.name_len == y.name_len && !memcmp(x.name, y.name, x.name_len));
            ck_assert(x.value_len == y.value_len && !memcmp(x.value, y.value, x.value_len));
        }
        ck_assert_msg(!lbx_cookie_next(&b, &y), "'%s' -> '%s'", header, rest);
    }
}
END_TEST

START_TEST(what_names_promise)
{
    ck_assert_int_eq(lbx_setcookie_promise("__Host-S"), LBX_PROMISE_HOST);
    ck_assert_int_eq(lbx_setcookie_promise("__hOST-S"), LBX_PROMISE_HOST);
    ck_assert_int_eq(lbx_setcookie_promise("__secure-S"), LBX_PROMISE_SECURE);
    ck_assert_int_eq(lbx_setcookie_promise("__Host"), LBX_PROMISE_NOTHING);
    ck_assert_int_eq(lbx_setcookie_promise("x__Host-S"), LBX_PROMISE_NOTHING);
    ck_assert_int_eq(lbx_setcookie_promise(""), LBX_PROMISE_NOTHING);
}
END_TEST

TCase *case_setcookie(void)
{
    TCase *tc = tcase_create("setcookie");

    tcase_add_loop_test(tc, lines_are_read, 0, sizeof(lines) / sizeof(lines[0]));
    tcase_add_test(tc, noise_is_survived);
    tcase_add_loop_test(tc, cookies_are_taken_out, 0, sizeof(without) / sizeof(without[0]));
    tcase_add_test(tc, the_others_stay);
    tcase_add_test(tc, what_names_promise);
    return tc;
}
