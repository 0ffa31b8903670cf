/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of lbx_cookie.c: headers and the pairs in them, and what strangers can send.
 *
 * Not here: which cookie's route wins (test_route.c).
 *
 * Pure.
 */
#include "lbx_cookie.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

/* All pairs as "name=value|", so that a table can say what is expected. */
static void read_all(const char *header, size_t len, char *to, size_t room)
{
    struct lbx_cookie_cursor c = {header, header + len};
    struct lbx_cookie cookie;
    size_t n = 0;

    to[0] = '\0';
    while (lbx_cookie_next(&c, &cookie)) {
        n += (size_t)snprintf(to + n, room - n, "%.*s=%.*s|", (int)cookie.name_len, cookie.name,
                              (int)cookie.value_len, cookie.value);
        ck_assert_uint_lt(n, room);
    }
}

static const struct {
    const char *header;
    const char *pairs;
} examples[] = {
    {"", ""},
    {"S=abc.r1", "S=abc.r1|"},
    {"a=1; S=abc.r1; b=2", "a=1|S=abc.r1|b=2|"},
    {"a=1;S=abc.r1;;b=2;", "a=1|S=abc.r1|b=2|"},

    /* one field in place of several */
    {"a=1, S=abc.r1,b=2", "a=1|S=abc.r1|b=2|"},

    /* several of one name */
    {"S=a.zz; S=b.r2", "S=a.zz|S=b.r2|"},

    /* blanks */
    {"  S = abc.r1  ; b\t=\t2\t", "S=abc.r1|b=2|"},
    {"S=a b ; c=d", "S=a b|c=d|"},
    {"junk S=abc.r1", "junk S=abc.r1|"},

    /* no name, no '=', no value */
    {"=x; S=1", "S=1|"},
    {"  = x; S=1", "S=1|"},
    {"S; T; U=", "U=|"},
    {"S", ""},
    {"S=", "S=|"},
    {"S=;T=1", "S=|T=1|"},
    {"S==a=b", "S==a=b|"},

    /* quotes */
    {"S=\"abc.r2\"", "S=abc.r2|"},
    {"S=\"abc.r2\" ; T=\"\"; U=\" x \"", "S=abc.r2|T=|U= x |"},
    {"S=\"a,b.r2\", T=1", "S=a,b.r2|T=1|"},
    {"S=\"a=b\"", "S=a=b|"},
    {"$Version=\"1\"; S=\"abc.r1\"; $Path=\"/\"", "$Version=1|S=abc.r1|$Path=/|"},

    /* quotes that protect nothing */
    {"A=\"; S=abc.r1; B=\"", "A=\"|S=abc.r1|B=\"|"},
    {"A=\"x, S=abc.r1", "A=\"x|S=abc.r1|"},
    {"A=\"x\"y, S=\"abc.r1\"", "A=\"x\"y|S=abc.r1|"},
    {"A=x\"y,z\", S=1", "A=x\"y|S=1|"},
    {"A=\"", "A=\"|"},
    {"A=\"\"\"", "A=\"\"\"|"},
};

START_TEST(cookie_examples)
{
    char pairs[256];

    read_all(examples[_i].header, strlen(examples[_i].header), pairs, sizeof(pairs));
    ck_assert_str_eq(pairs, examples[_i].pairs);
}
END_TEST

START_TEST(cookie_ends_where_the_header_ends)
{
    char pairs[64];

    read_all("S=abc.r1; T=2", 7, pairs, sizeof(pairs));
    ck_assert_str_eq(pairs, "S=abc.r|");
    read_all("S=\"abc\"", 6, pairs, sizeof(pairs));
    ck_assert_str_eq(pairs, "S=\"abc|");
    read_all("S=1", 0, pairs, sizeof(pairs));
    ck_assert_str_eq(pairs, "");
}
END_TEST

START_TEST(cookie_names_are_whole_and_have_case)
{
    const char *header = "xS=1; Sx=2; s=3; S=4";
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    struct lbx_cookie cookie;
    unsigned matches = 0;

    while (lbx_cookie_next(&c, &cookie)) {
        if (lbx_cookie_is(&cookie, "S")) {
            matches++;
            ck_assert_int_eq(*cookie.value, '4');
        }
    }
    ck_assert_uint_eq(matches, 1);
}
END_TEST

/* Where nobody uses quotes and commas, reading is splitting at ';'. */
static void naive(const char *header, char *to)
{
    for (const char *at = header; *at; at += *at == ';') {
        size_t len = strcspn(at, ";");
        const char *equals = memchr(at, '=', len);

        if (equals && equals > at) {
            memcpy(to, at, len);
            to[len] = '|';
            to += len + 1;
        }
        at += len;
    }
    *to = '\0';
}

START_TEST(cookie_agrees_with_splitting)
{
    static const char alphabet[] = "ab=;=;";
    struct unit_rng rng = UNIT_RNG();

    for (unsigned round = 0; round < 2000; round++) {
        char header[48], want[128], got[128];
        size_t len = unit_below(&rng, sizeof(header) - 1);

        for (size_t i = 0; i < len; i++) {
            header[i] = alphabet[unit_below(&rng, sizeof(alphabet) - 1)];
        }
        header[len] = '\0';
        naive(header, want);
        read_all(header, len, got, sizeof(got));
        ck_assert_msg(!strcmp(got, want), "'%s' gives '%s', not '%s'", header, got, want);
    }
}
END_TEST

/* The block has the header's size exactly: the address sanitizer sees a byte too many. */
START_TEST(cookie_stays_inside)
{
    static const char alphabet[] = "S=\"\"; ,\t\\\xff";
    struct unit_rng rng = UNIT_RNG();

    for (unsigned round = 0; round < 2000; round++) {
        size_t len = unit_below(&rng, 24);
        char *header = malloc(len ? len : 1);
        struct lbx_cookie_cursor c = {header, header + len};
        struct lbx_cookie cookie;
        const char *last = header;

        for (size_t i = 0; i < len; i++) {
            header[i] = alphabet[unit_below(&rng, sizeof(alphabet) - 1)];
        }
        while (lbx_cookie_next(&c, &cookie)) {
            ck_assert_msg(cookie.name >= last && cookie.name_len
                              && cookie.name + cookie.name_len < cookie.value
                              && cookie.value + cookie.value_len <= c.at && c.at <= c.end,
                          "round %u", round);
            last = c.at;
        }
        free(header);
    }
}
END_TEST

/* What could make a careless reader start over and over again. */
static const char *const hostile[] = {
    ";",      ",",         "\"",    "=",         " ",         "a",
    "a=",     "a=\"",      "a=\",", "a=\"x,",    "a=\"\" x,", "a=\"\" ",
    "a=\" ,", "a=\"\\\",", "a=b  ", "a=\"x\"y,", "\"=\"\"",   "a = \"b,c\" d, ",
};

START_TEST(cookie_takes_linear_time)
{
    size_t piece = strlen(hostile[_i]), len = (256 * 1024 / piece) * piece;
    char *header = malloc(len);
    struct lbx_cookie_cursor c = {header, header + len};
    struct lbx_cookie cookie;
    clock_t start = clock();
    size_t n = 0;

    for (size_t i = 0; i < len; i += piece) {
        memcpy(header + i, hostile[_i], piece);
    }
    while (lbx_cookie_next(&c, &cookie)) {
        n++;
    }
    /* Milliseconds; a quadratic reader would need tens of seconds. */
    ck_assert_msg(clock() - start < CLOCKS_PER_SEC, "'%s'", hostile[_i]);
    ck_assert_uint_le(n, len / 2);
    free(header);
}
END_TEST

TCase *case_cookie(void)
{
    TCase *tc = tcase_create("cookie");

    tcase_add_loop_test(tc, cookie_examples, 0, sizeof(examples) / sizeof(examples[0]));
    tcase_add_test(tc, cookie_ends_where_the_header_ends);
    tcase_add_test(tc, cookie_names_are_whole_and_have_case);
    tcase_add_test(tc, cookie_agrees_with_splitting);
    tcase_add_test(tc, cookie_stays_inside);
    tcase_add_loop_test(tc, cookie_takes_linear_time, 0, sizeof(hostile) / sizeof(hostile[0]));
    return tc;
}
