/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_attrs: what is remembered of a cookie; halves of two are nothing; which URLs a
 * path covers.
 *
 * Not here: how a Set-Cookie line is read (test_setcookie).
 */
#include "unit.h"

#include <pthread.h>
#include <string.h>

#include "lbx_attrs.h"

static struct lbx_attrs like(unsigned i)
{
    struct lbx_attrs a = {.flags = (uint8_t)i, .httponly = i & 1, .tls = i / 2 & 1};

    memset(a.domain, 'a' + (int)(i % 26), i % (LBX_ATTRS_DOMAIN + 1));
    memset(a.path, 'A' + (int)(i % 26), i % (LBX_ATTRS_PATH + 1));
    return a;
}

static int same(const struct lbx_attrs *a, const struct lbx_attrs *b)
{
    return a->flags == b->flags && a->httponly == b->httponly && a->tls == b->tls
           && !strcmp(a->domain, b->domain) && !strcmp(a->path, b->path);
}

START_TEST(the_last_one_is_remembered)
{
    struct lbx_attrs_slot slot = {0};
    struct lbx_attrs found;

    ck_assert(!lbx_attrs_recall(&slot, &found));
    for (unsigned i = 0; i < 256; i++) {
        struct lbx_attrs a = like(i);

        lbx_attrs_keep(&slot, &a);
        ck_assert(lbx_attrs_recall(&slot, &found) && same(&found, &a));
    }
}
END_TEST

START_TEST(half_of_one_and_half_of_another_is_not_known)
{
    struct lbx_attrs_slot one = {0}, two = {0};
    struct lbx_attrs a = like(60), b = like(61), found;

    lbx_attrs_keep(&one, &a);
    lbx_attrs_keep(&two, &b);
    for (int cut = 0; cut < LBX_ATTRS_WORDS; cut++) { /* a writer was killed there */
        uint64_t before = one.word[cut];

        one.word[cut] = two.word[cut];
        ck_assert_int_eq(lbx_attrs_recall(&one, &found), one.word[cut] == before);
        one.word[cut] = before;
    }
    one.word[0] = two.word[0];
    lbx_attrs_keep(&one, &a);
    ck_assert(lbx_attrs_recall(&one, &found) && same(&found, &a));
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };

static struct lbx_attrs_slot shared;

static void *work(void *wrong)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct lbx_attrs a = like(i % 50), found;

        lbx_attrs_keep(&shared, &a);
        if (lbx_attrs_recall(&shared, &found)) {
            a = like(found.flags);
            atomic_fetch_add((_Atomic unsigned *)wrong, !same(&found, &a));
        }
    }
    return NULL;
}

START_TEST(many_at_once)
{
    pthread_t thread[THREADS];
    _Atomic unsigned wrong = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert(!pthread_create(&thread[i], NULL, work, &wrong));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static const struct {
    const char *path, *uri;
    int covers;
} urls[] = {
    {"/", "/", 1},         {"/", "/x", 1},         {"/app", "/app", 1},  {"/app", "/app/x", 1},
    {"/app", "/apple", 0}, {"/app/", "/app/x", 1}, {"/app/", "/app", 0}, {"/App", "/app", 0},
    {"/app/x", "/app", 0}, {"", "/", 0},
};

START_TEST(urls_of_a_path)
{
    for (unsigned i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        ck_assert_msg(lbx_attrs_covers(urls[i].path, urls[i].uri) == urls[i].covers, "%s %s",
                      urls[i].path, urls[i].uri);
    }
}
END_TEST

static const struct {
    const char *domain, *host;
    int fit;
} hosts[] = {
    {"", "www.a.example", 1},
    {"", NULL, 1},
    {"a.example", "a.example", 1},
    {"a.example", "www.A.example", 1},
    {".a.example", "www.a.example", 1},
    {"a.example", "b.example", 0},
    {"a.example", "wwwa.example", 0},
    {"www.a.example", "a.example", 0},
    {"a.example", "", 0},
    {"a.example", NULL, 0},
    {".", "a.example", 0},
    {"0.0.1", "127.0.0.1", 0},
    {"127.0.0.1", "127.0.0.1", 1},
    {"1", "[::1]", 0},
};

START_TEST(hosts_of_a_domain)
{
    for (unsigned i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct lbx_attrs a = {.path = "/"};

        strcpy(a.domain, hosts[i].domain); /* style-ok: the table's are short */
        ck_assert_msg(lbx_attrs_fit(&a, hosts[i].host, "/x", 0) == hosts[i].fit, "%s %s",
                      hosts[i].domain, hosts[i].host);
        ck_assert(!lbx_attrs_fit(&a, hosts[i].host, "/x", 1));
        a.tls = 1;
        ck_assert_int_eq(lbx_attrs_fit(&a, hosts[i].host, "/x", 1), hosts[i].fit);
        a.path[1] = 'y';
        ck_assert(!lbx_attrs_fit(&a, hosts[i].host, "/x", 1));
    }
}
END_TEST

TCase *case_attrs(void)
{
    TCase *tc = tcase_create("attrs");

    tcase_add_test(tc, the_last_one_is_remembered);
    tcase_add_test(tc, half_of_one_and_half_of_another_is_not_known);
    tcase_add_test(tc, many_at_once);
    tcase_add_test(tc, urls_of_a_path);
    tcase_add_test(tc, hosts_of_a_domain);
    return tc;
}
