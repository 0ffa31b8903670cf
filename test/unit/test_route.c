/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of lbx_route.c: which route a request carries, in worked examples, against
 * a naive model, and with what strangers can send.
 *
 * Pure.
 */
#include "lbx_route.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

enum { ROOM = 512 };

/* Members with these routes; counts the questions. */
static int is_member(const void *baton, const char *route)
{
    static const char *const routes[] = {"r1", "r2", "b.r2", "dc.r3", "abc.r1", "x;y"};

    *(unsigned *)(uintptr_t)baton += 1;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!strcmp(route, routes[i])) {
            return 1;
        }
    }
    return 0;
}

static int is_nobody(const void *baton, const char *route)
{
    ck_assert_uint_lt(strlen(route), LBX_ROUTE_MAX);
    ck_assert_uint_gt(strlen(route), 0);
    *(unsigned *)(uintptr_t)baton += 1;
    return 0;
}

struct example {
    const char *url;
    const char *cookies;
    const char *route; /* expected; NULL: none */
    const char *from;  /* "p": the URL, "S": a cookie */
    int known;
};

/* The URL first, then the cookies: as sticky_request.c does. */
static void look_up(const struct example *e, char separator, int semicolon)
{
    unsigned asked = 0;
    struct lbx_route_search s = {.separator = separator, .known = is_member, .baton = &asked};
    char room[ROOM];

    if (!lbx_route_from_url(&s, e->url, "p", semicolon, room)) {
        lbx_route_from_cookies(&s, e->cookies, "S");
    }
    if (!e->route) {
        ck_assert_msg(!s.route, "'%s' '%s': route '%.*s', expected none", e->url, e->cookies,
                      (int)s.route_len, s.route);
        return;
    }
    ck_assert_msg(s.route && s.route_len == strlen(e->route)
                      && !memcmp(s.route, e->route, s.route_len),
                  "'%s' '%s': route '%.*s', expected '%s'", e->url, e->cookies,
                  s.route ? (int)s.route_len : 6, s.route ? s.route : "(none)", e->route);
    ck_assert_str_eq(s.from, e->from);
    ck_assert_int_eq(s.is_known, e->known);
}

/* stickysession=S|p, the separator '.', scolonpathdelim=Off. */
static const struct example examples[] = {
    {"balancer://b/", "", NULL, NULL, 0},
    {"balancer://b/", "S=abc.r1", "r1", "S", 1},
    {"balancer://b/x;p=abc.r1", "", "r1", "p", 1},
    {"balancer://b/?p=abc.r1", "", "r1", "p", 1},
    {"balancer://b/x?t=1&p=abc.r1&u=2", "", "r1", "p", 1},

    /* the URL comes first, unless only the cookie's route is known */
    {"balancer://b/?p=abc.r1", "S=abc.r2", "r1", "p", 1},
    {"balancer://b/?p=abc.zz", "S=abc.r2", "r2", "S", 1},
    {"balancer://b/?p=abc.zz", "S=abc.yy", "zz", "p", 0},
    {"balancer://b/?p=abc", "S=abc.yy", "yy", "S", 0},
    {"balancer://b/?p=", "S=abc.r2", "r2", "S", 1},

    /* each name has its place */
    {"balancer://b/?S=abc.r1", "p=abc.r2", NULL, NULL, 0},

    /* whole names, with case */
    {"balancer://b/?xp=abc.r1", "xS=abc.r2", NULL, NULL, 0},
    {"balancer://b/?px=abc.r1;Xp=abc.r1", "Sx=abc.r2", NULL, NULL, 0},
    {"balancer://b/?P=abc.r1", "s=abc.r2", NULL, NULL, 0},
    {"balancer://b/p=abc.r1", "", NULL, NULL, 0},
    {"balancer://b/x?this=bar.r2&jump=x.r1", "", NULL, NULL, 0},
    {"balancer://b/?q=p=abc.r1", "T=S=abc.r2", NULL, NULL, 0},
    {"p://p=a.r1;p=a.r1/", "", NULL, NULL, 0},

    /* several of one name: the first known route, else the first route */
    {"balancer://b/", "S=a.zz; S=b.r2", "r2", "S", 1},
    {"balancer://b/", "S=a; S=b.r2; S=c.r1", "r2", "S", 1},
    {"balancer://b/", "S=a; S=b.yy; S=c.zz", "yy", "S", 0},
    {"balancer://b/;p=a.zz?p=b.r1&p=c.r2", "", "r1", "p", 1},
    {"balancer://b/;p=a.zz?p=abcd.yy&p=e", "", "zz", "p", 0},

    /* quotes */
    {"balancer://b/", "S=\"abc.r2\"", "r2", "S", 1},
    {"balancer://b/", "T=\"; S=abc.r2", "r2", "S", 1},

    /* where a parameter ends */
    {"balancer://b/;p=abc.r2;t=1", "", "r2", "p", 1},
    {"balancer://b/x;p=abc.r2/foo", "", "r2", "p", 1},
    {"balancer://b/x;p=abc.r2?t=1", "", "r2", "p", 1},
    {"balancer://b/x;p=abc.r2&t=1", "", "r2", "p", 1},
    {"balancer://b/x;t=1;p=abc.r2", "", "r2", "p", 1},
    {"balancer://b/x;t/y;p=abc.r2/z", "", "r2", "p", 1},
    {"balancer://b/?p=abc.r2?t=1", "", "r2", "p", 1},
    {"balancer://b/?t=1?p=abc.r2", "", "r2", "p", 1},
    {"balancer://b/?p=abc.r2#t", "", "r2", "p", 1},
    {"balancer://b/#?p=abc.r2", "", NULL, NULL, 0},
    {"balancer://b/?t=1#&p=abc.r2", "", NULL, NULL, 0},
    {"balancer://b/?p=&foo=bar.r2", "", NULL, NULL, 0},
    {"balancer://b/;p=/x.r2", "", NULL, NULL, 0},
    {"balancer://b?p=abc.r2", "", "r2", "p", 1},
    {"/x?u=http://h/&p=abc.r2", "", "r2", "p", 1},

    /* the URL within a URL is not this request's */
    {"balancer://b/?u=/login;p=abc.r1", "S=abc.r2", "r2", "S", 1},

    /* encoded */
    {"balancer://b/?p=abc%2Er2", "", "r2", "p", 1},
    {"balancer://b/;p=abc%2er%32", "", "r2", "p", 1},
    {"balancer://b/?%70=abc.r2", "", "r2", "p", 1},
    {"balancer://b/?p=abc.x%3By", "", "x;y", "p", 1},
    {"balancer://b/?p=abc%26p%3Db.r1", "", "r1", "p", 1},
    {"balancer://b/?p%3Dabc.r1", "", NULL, NULL, 0},
    {"balancer://b/", "S=abc%2Er2", NULL, NULL, 0},

    /* badly encoded: left as it is */
    {"balancer://b/?p=a%.%2.%zz.%2g.r1", "", "r1", "p", 1},
    {"balancer://b/?p=a.r1%", "", "r1%", "p", 0},
    {"balancer://b/?p=a.r1%0a%00%7f", "", "r1%0a%00%7f", "p", 0},
    {"balancer://b/?p=a.r1+%C3%bc", "", "r1+\xc3\xbc", "p", 0},

    /* an id with separators of its own */
    {"balancer://b/", "S=abc.def.r1", "r1", "S", 1},
    {"balancer://b/", "S=a.b.r2", "b.r2", "S", 1},
    {"balancer://b/", "S=a.n.dc.r3", "dc.r3", "S", 1},
    {"balancer://b/", "S=a.n.dc.r3.", "n.dc.r3.", "S", 0},
    {"balancer://b/", "S=abc.def.zz", "def.zz", "S", 0},
    {"balancer://b/", "S=abc..r1", "r1", "S", 1},
    {"balancer://b/", "S=.r1", "r1", "S", 1},
    {"balancer://b/", "S=abc.r1.", "r1.", "S", 0},

    /* no route */
    {"balancer://b/?p=r1", "S=r1", NULL, NULL, 0},
    {"balancer://b/?p=abc.", "S=abc.", NULL, NULL, 0},
    {"balancer://b/?p=.", "S=.", NULL, NULL, 0},
    {"balancer://b/?p", "S", NULL, NULL, 0},
    {"", "", NULL, NULL, 0},
};

START_TEST(route_examples)
{
    look_up(&examples[_i], '.', 0);
}
END_TEST

/* scolonpathdelim=On: the same for all of the above, and ';' in the query. */
static const struct example with_semicolon[] = {
    {"balancer://b/?p=abc.r2;t=1", "", "r2", "p", 1},
    {"balancer://b/?t=1;p=abc.r2", "", "r2", "p", 1},
    {"balancer://b/x;p=abc.r2;t=1?u", "", "r2", "p", 1},
    {"balancer://b/?p=abc%3B.r2", "", "r2", "p", 1},
};

START_TEST(route_semicolon_on)
{
    look_up(&with_semicolon[_i], '.', 1);
}
END_TEST

START_TEST(route_semicolon_off)
{
    static const struct example off[] = {
        {"balancer://b/?p=abc.r2;t=1", "", "r2;t=1", "p", 0},
        {"balancer://b/?t=1;p=abc.r2", "", NULL, NULL, 0},
        {"balancer://b/?p=a;b.r2", "", "r2", "p", 1},
        {"balancer://b/?p=a.x;y", "", "x;y", "p", 1},
    };

    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        look_up(&off[i], '.', 0);
    }
}
END_TEST

START_TEST(route_parameter_names)
{
    static const struct {
        const char *url;
        const char *name;
        const char *value; /* NULL: there is none */
    } table[] = {
        {"/;sid=1", "sid", "1"},     {"/;si=1;s=2", "sid", NULL}, {"/;sid2=1;xsid=2", "sid", NULL},
        {"/?%73i%64=1", "sid", "1"}, {"/?%73i%6=1", "sid", NULL}, {"/?=1;=2", "", NULL},
        {"/?sid", "sid", NULL},      {"/?sid=", "sid", ""},       {"/?a%3Db=1", "a=b", "1"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct lbx_param_cursor c;
        const char *value = NULL;
        size_t len = 0;
        int found;

        lbx_param_start(&c, table[i].url, 1);
        found = lbx_param_next(&c, table[i].name, &value, &len);
        ck_assert_msg(found == !!table[i].value, "'%s'", table[i].url);
        if (found) {
            ck_assert_uint_eq(len, strlen(table[i].value));
            ck_assert_mem_eq(value, table[i].value, len);
            ck_assert(!lbx_param_next(&c, table[i].name, &value, &len));
        }
    }
}
END_TEST

START_TEST(route_separators)
{
    static const struct example whole[] = {
        {"balancer://b/?p=r1", "", "r1", "p", 1},
        {"balancer://b/", "S=\"r1\"", "r1", "S", 1},
        {"balancer://b/", "S=abc.r1", "abc.r1", "S", 1},
        {"balancer://b/", "S=x.r1", "x.r1", "S", 0},
        {"balancer://b/", "S=; S=r2", "r2", "S", 1},
        {"balancer://b/", "S=", NULL, NULL, 0},
    };
    static const struct example bang[] = {
        {"balancer://b/?p=abc!r1", "", "r1", "p", 1},
        {"balancer://b/", "S=abc.r1", NULL, NULL, 0},
        {"balancer://b/", "S=abc!b.r2", "b.r2", "S", 1},
    };

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        look_up(&whole[i], 0, 0);
    }
    for (size_t i = 0; i < sizeof(bang) / sizeof(bang[0]); i++) {
        look_up(&bang[i], '!', 0);
    }
}
END_TEST

START_TEST(route_tells_of_sessions_without_one)
{
    static const struct {
        const char *cookies;
        const char *routeless;
    } table[] = {
        {"T=1", NULL}, {"S=abc", "S"}, {"S=abc.", "S"}, {"S=", NULL}, {"S=a; S=b.r1", "S"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        unsigned asked = 0;
        struct lbx_route_search s = {.separator = '.', .known = is_member, .baton = &asked};

        lbx_route_from_cookies(&s, table[i].cookies, "S");
        ck_assert_pstr_eq(s.routeless, table[i].routeless);
    }
}
END_TEST

START_TEST(route_decodes)
{
    static const struct {
        const char *raw;
        const char *plain;
    } table[] = {
        {"", ""},
        {"abc", "abc"},
        {"%41%62%7E", "Ab~"},
        {"%2e%2E", ".."},
        {"%25%32%65", "%2e"},
        {"%", "%"},
        {"%4", "%4"},
        {"%g1%1g%%41", "%g1%1g%A"},
        {"a+b", "a+b"},
        {"%00a", "%00a"},
        {"%0D%0a", "%0D%0a"},
        {"%1f%20%7f%80", "%1f %7f\x80"},
        {"%:0%0:%@1%`1", "%:0%0:%@1%`1"},
        {"%FF", "\xff"},
    };
    char plain[64];

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t n = lbx_percent_decode(plain, table[i].raw, strlen(table[i].raw));

        ck_assert_str_eq(plain, table[i].plain);
        ck_assert_uint_eq(n, strlen(table[i].plain));
    }
    /* An escape does not reach behind the end. */
    ck_assert_uint_eq(lbx_percent_decode(plain, "%41", 2), 2);
    ck_assert_str_eq(plain, "%4");
}
END_TEST

/* The first known one among: behind the first separator, the last, the others. */
static const char *naive_cut(const char *value)
{
    const char *parts[64];
    unsigned n = 0, asked = 0;

    for (const char *p = strchr(value, '.'); p; p = strchr(p + 1, '.')) {
        parts[n++] = p + 1;
    }
    if (!n || !*parts[0]) {
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        const char *part = i == 0 ? parts[0] : i == 1 ? parts[n - 1] : parts[i - 1];

        if (is_member(&asked, part)) {
            return part;
        }
    }
    return parts[0];
}

START_TEST(route_agrees_with_a_naive_cut)
{
    static const char *const pieces[] = {".", ".", "r1", ".r2", "b", "dc", ".r3", "abc", "x"};
    struct unit_rng rng = UNIT_RNG();

    for (unsigned round = 0; round < 4000; round++) {
        char header[64] = "S=";
        unsigned asked = 0;
        struct lbx_route_search s = {.separator = '.', .known = is_member, .baton = &asked};
        size_t len = 2;
        const char *want;

        for (unsigned n = unit_below(&rng, 8); n; n--) {
            const char *piece = pieces[unit_below(&rng, sizeof(pieces) / sizeof(pieces[0]))];

            memcpy(header + len, piece, strlen(piece) + 1);
            len += strlen(piece);
        }
        want = naive_cut(header + 2);
        lbx_route_from_cookies(&s, header, "S");
        ck_assert_msg(s.route == want, "'%s' gives '%s', not '%s'", header,
                      s.route ? s.route : "(none)", want ? want : "(none)");
        ck_assert_msg(!want || s.route_len == strlen(want), "'%s'", header);
    }
}
END_TEST

/* Blocks of the exact size: the address sanitizer sees a byte too many.  The
 * answer is a part of one of them. */
START_TEST(route_stays_inside)
{
    static const char alphabet[] = "pp==;;?&&#/.%2e4\"S :";
    struct unit_rng rng = UNIT_RNG();

    for (unsigned round = 0; round < 4000; round++) {
        size_t len = unit_below(&rng, 40);
        char *text = malloc(len + 1), *room = malloc(len + 1);
        unsigned asked = 0;
        struct lbx_route_search s = {
            .separator = unit_below(&rng, 4) ? '.' : '\0', .known = is_nobody, .baton = &asked};

        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[unit_below(&rng, sizeof(alphabet) - 1)];
        }
        text[len] = '\0';
        lbx_route_from_url(&s, text, "p", unit_below(&rng, 2), room);
        ck_assert_msg(!s.route || (s.route >= room && s.route + s.route_len <= room + len),
                      "URL '%s'", text);
        s.route = NULL;
        lbx_route_from_cookies(&s, text, "p");
        ck_assert_msg(!s.route || (s.route >= text && s.route + s.route_len <= text + len),
                      "cookies '%s'", text);
        free(room);
        free(text);
    }
}
END_TEST

/* <n> bytes of <piece> after <head>; the caller frees it. */
static char *repeat(const char *head, const char *piece, size_t n)
{
    size_t start = strlen(head), step = strlen(piece);
    char *text = malloc(start + n + step + 1);

    memcpy(text, head, start);
    for (n += start; start < n; start += step) {
        memcpy(text + start, piece, step);
    }
    text[start] = '\0';
    return text;
}

static const struct {
    const char *head;
    const char *piece;
} hostile[] = {
    {"", ";"},       {"", "\""},      {"", "="},           {"", "?"},       {"", "&"},
    {"", "%"},       {"", "a"},       {"", "://"},         {"/?", ";"},     {"/?", "&p=a.b"},
    {"/", ";p=a.b"}, {"/", ";p=a"},   {"/", ";p=%2e%2E."}, {"/", ";%70="},  {"/?p=", "."},
    {"/?p=", "a."},  {"/?p=x.", "a"}, {"p=", "."},         {"p=", "a."},    {"p=x.", "a"},
    {"p=a", "%2"},   {"", "p=a.b;"},  {"", "p=a.b,"},      {"", "p=\"a.b"}, {"", "p=........;"},
};

START_TEST(route_takes_linear_time_and_few_questions)
{
    char *text = repeat(hostile[_i].head, hostile[_i].piece, 256 * 1024);
    char *room = malloc(strlen(text) + 1);

    for (int mode = 0; mode < 4; mode++) {
        unsigned asked = 0;
        struct lbx_route_search s = {
            .separator = mode & 1 ? '.' : '\0', .known = is_nobody, .baton = &asked};
        clock_t start = clock();

        lbx_route_from_url(&s, text, "p", mode & 2, room);
        ck_assert_uint_le(asked, LBX_ROUTE_TRIES);
        lbx_route_from_cookies(&s, text, "p");
        ck_assert_uint_le(asked, 2 * LBX_ROUTE_TRIES);
        /* Milliseconds; a quadratic reader would need tens of seconds. */
        ck_assert_msg(clock() - start < CLOCKS_PER_SEC, "'%s%s'", hostile[_i].head,
                      hostile[_i].piece);
    }
    free(room);
    free(text);
}
END_TEST

START_TEST(route_of_the_url_stands)
{
    unsigned asked = 0;
    struct lbx_route_search s = {.known = is_member, .baton = &asked};
    char room[ROOM];

    ck_assert_int_eq(lbx_route_from_url(&s, "/;p=r1", "p", 0, room), 1);
    ck_assert_int_eq(lbx_route_from_cookies(&s, "S=nobody", "S"), 1);
    ck_assert_str_eq(s.route, "r1");
    ck_assert_str_eq(s.from, "p");
}
END_TEST

START_TEST(route_of_the_cookie_survives_a_hostile_url)
{
    char *url = repeat("/?p=x", ".a", 4096);
    char *room = malloc(strlen(url) + 1);
    struct example e = {url, "S=abc.r1", "r1", "S", 1};
    unsigned asked = 0;
    struct lbx_route_search s = {.separator = '.', .known = is_member, .baton = &asked};

    ck_assert_int_eq(lbx_route_from_url(&s, e.url, "p", 0, room), 0);
    ck_assert_int_eq(lbx_route_from_cookies(&s, e.cookies, "S"), 1);
    ck_assert_uint_eq(s.route_len, strlen(e.route));
    ck_assert_str_eq(s.route, e.route);
    free(room);
    free(url);
}
END_TEST

/* A long id in front of the route costs no questions; a route's limit is exact. */
START_TEST(route_lengths)
{
    char *id = repeat("S=x", ".0123456789", 4000);
    char header[8192];
    unsigned asked = 0;
    struct lbx_route_search s = {.separator = '.', .known = is_member, .baton = &asked};

    snprintf(header, sizeof(header), "%s.dc.r3", id);
    ck_assert_int_eq(lbx_route_from_cookies(&s, header, "S"), 1);
    ck_assert_str_eq(s.route, "dc.r3");
    ck_assert_uint_lt(asked, 10);
    free(id);

    for (size_t len = LBX_ROUTE_MAX - 2; len <= LBX_ROUTE_MAX; len++) {
        struct lbx_route_search t = {.separator = '.', .known = is_nobody, .baton = &asked};

        asked = 0;
        snprintf(header, sizeof(header), "S=a.%0*d", (int)len, 7);
        ck_assert_int_eq(lbx_route_from_cookies(&t, header, "S"), 0);
        ck_assert_uint_eq(asked, len < LBX_ROUTE_MAX);
        ck_assert_uint_eq(t.route_len, len);
    }
    /* The longest route between two separators. */
    for (size_t len = LBX_ROUTE_MAX - 2; len <= LBX_ROUTE_MAX; len++) {
        struct lbx_route_search t = {.separator = '.', .known = is_nobody, .baton = &asked};

        asked = 0;
        snprintf(header, sizeof(header), "S=%0100d.a.%0*d.b", 0, (int)len - 2, 7);
        lbx_route_from_cookies(&t, header, "S");
        ck_assert_uint_eq(asked, len < LBX_ROUTE_MAX ? 2 : 1);
    }
}
END_TEST

TCase *case_route(void)
{
    TCase *tc = tcase_create("route");
    int n = sizeof(examples) / sizeof(examples[0]);

    tcase_add_loop_test(tc, route_examples, 0, n);
    tcase_add_loop_test(tc, route_semicolon_on, 0,
                        sizeof(with_semicolon) / sizeof(with_semicolon[0]));
    tcase_add_test(tc, route_semicolon_off);
    tcase_add_test(tc, route_parameter_names);
    tcase_add_test(tc, route_separators);
    tcase_add_test(tc, route_tells_of_sessions_without_one);
    tcase_add_test(tc, route_decodes);
    tcase_add_test(tc, route_agrees_with_a_naive_cut);
    tcase_add_test(tc, route_stays_inside);
    tcase_add_loop_test(tc, route_takes_linear_time_and_few_questions, 0,
                        sizeof(hostile) / sizeof(hostile[0]));
    tcase_add_test(tc, route_of_the_url_stands);
    tcase_add_test(tc, route_of_the_cookie_survives_a_hostile_url);
    tcase_add_test(tc, route_lengths);
    return tc;
}
