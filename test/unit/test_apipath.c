/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_apipath: addresses, ids, parameters, If-Match.
 */
#include "unit.h"

#include <string.h>

#include "lbx_apipath.h"

START_TEST(ids)
{
    char a[LBX_ID_SIZE], b[LBX_ID_SIZE];

    lbx_member_id("", a);
    ck_assert_str_eq(a, "cbf29ce484222325"); /* FNV-1a's own start: it is in scripts */
    lbx_member_id("http://10.0.0.1:8080", a);
    lbx_member_id("http://10.0.0.2:8080", b);
    ck_assert_str_ne(a, b);
    lbx_member_id("http://10.0.0.1:8080", b);
    ck_assert_str_eq(a, b);
}
END_TEST

#define ID "0123456789abcdef"

static const struct {
    const char *path;
    enum lbx_resource what;
    const char *balancer;
    const char *id;
} paths[] = {
    {"", LBX_RES_ROOT, "", ""},
    {"/", LBX_RES_ROOT, "", ""},
    {"//", LBX_RES_ROOT, "", ""},
    {"/balancers", LBX_RES_BALANCERS, "", ""},
    {"/balancers/", LBX_RES_BALANCERS, "", ""},
    {"/balancers//", LBX_RES_BALANCERS, "", ""},
    {"/balancerss", LBX_RES_NONE, "", ""},
    {"/balancers/App", LBX_RES_BALANCER, "balancer://app", ""},
    {"/balancers/app/", LBX_RES_BALANCER, "balancer://app", ""},
    {"/balancers/app/x", LBX_RES_NONE, NULL, ""},
    {"/balancers/app/members", LBX_RES_MEMBERS, "balancer://app", ""},
    {"/balancers/app/members/" ID, LBX_RES_MEMBER, "balancer://app", ID},
    {"/balancers/app/members/" ID "/", LBX_RES_MEMBER, "balancer://app", ID},
    {"/balancers/app/members/" ID "/check", LBX_RES_CHECK, "balancer://app", ID},
    {"/balancers/app/members/" ID "/check/x", LBX_RES_NONE, NULL, NULL},
    {"/balancers/app/members/0123456789abcde", LBX_RES_NONE, NULL, ""},
    {"/balancers/app/members/0123456789abcdefg", LBX_RES_NONE, NULL, ""},
    {"/balancers/app/members/0123456789ABCDEF", LBX_RES_NONE, NULL, ""},
    {"/events", LBX_RES_EVENTS, "", ""},
    {"/events/1", LBX_RES_NONE, "", ""},
    {"/schema", LBX_RES_SCHEMA, "", ""},
};

START_TEST(addresses)
{
    struct lbx_apipath p;

    lbx_apipath_parse(paths[_i].path, &p);
    ck_assert_msg(p.what == paths[_i].what, "%s: %d", paths[_i].path, p.what);
    if (paths[_i].balancer) {
        ck_assert_str_eq(p.balancer, paths[_i].balancer);
    }
    if (paths[_i].id) {
        ck_assert_str_eq(p.id, paths[_i].id);
    }
}
END_TEST

START_TEST(long_names)
{
    char path[300] = "/balancers/";
    struct lbx_apipath p;

    memset(path + 11, 'x', LBX_BALANCER_MAX - 12);
    lbx_apipath_parse(path, &p);
    ck_assert_int_eq(p.what, LBX_RES_BALANCER);
    ck_assert_uint_eq(strlen(p.balancer), LBX_BALANCER_MAX - 1);
    path[strlen(path)] = 'x';
    lbx_apipath_parse(path, &p);
    ck_assert_int_eq(p.what, LBX_RES_NONE);
}
END_TEST

enum { ALL = LBX_Q_DRY_RUN | LBX_Q_WAIT | LBX_Q_TIMEOUT | LBX_Q_AFTER };

START_TEST(parameters)
{
    struct lbx_apiquery q;
    char key[8];

    ck_assert_ptr_null(lbx_apiquery_parse(NULL, 0, &q, key, sizeof(key)));
    ck_assert_uint_eq(q.timeout, LBX_WAIT_DEFAULT);
    ck_assert_ptr_null(
        lbx_apiquery_parse("dry-run=1&wait=drained&timeout=7&after=12", ALL, &q, key, sizeof(key)));
    ck_assert(q.dry_run && q.wait && q.timeout == 7 && q.after == 12);
    ck_assert_ptr_null(lbx_apiquery_parse("&timeout=0&", ALL, &q, key, sizeof(key)));
    ck_assert_uint_eq(q.timeout, 0);
}
END_TEST

static const struct {
    const char *args;
    const char *key;
} bad[] = {
    {"dryrun=1", "dryrun"},
    {"dry-run", "dry-run"},
    {"dry-run=yes", "dry-run"},
    {"dry-run=", "dry-run"},
    {"dry-run=1&dry-run=1", "dry-run"},
    {"wait=1", "wait"},
    {"wait=drainedx", "wait"},
    {"timeout=601", "timeout"},
    {"timeout=-1", "timeout"},
    {"timeout=1e3", "timeout"},
    {"after=x", "after"},
    {"after=99999999999999999999", "after"},
    {"=1", ""},
    {"a-name-too-long-for-it=1", "a-name-too-lon"},
    {"after=1&x", "x"},
    {"wait=drained=1", "wait"},
};

START_TEST(bad_parameters)
{
    struct lbx_apiquery q;
    char key[15];

    ck_assert_msg(lbx_apiquery_parse(bad[_i].args, ALL, &q, key, sizeof(key)) != NULL, "%s",
                  bad[_i].args);
    ck_assert_str_eq(key, bad[_i].key);
}
END_TEST

START_TEST(parameters_that_mean_nothing_here)
{
    struct lbx_apiquery q;
    char key[15];

    ck_assert_ptr_nonnull(lbx_apiquery_parse("wait=drained", ALL & ~LBX_Q_WAIT, &q, key, 15));
    ck_assert_ptr_null(lbx_apiquery_parse("wait=drained", LBX_Q_WAIT, &q, key, 15));
}
END_TEST

START_TEST(etags)
{
    uint64_t r = 0;

    ck_assert_int_eq(lbx_etag_parse(NULL, &r), 0);
    ck_assert_int_eq(lbx_etag_parse("*", &r), 0);
    ck_assert_int_eq(lbx_etag_parse("\"17\"", &r), 1);
    ck_assert_uint_eq(r, 17);
    ck_assert_int_eq(lbx_etag_parse(" \"18\" ", &r), 1);
    ck_assert_uint_eq(r, 18);
    ck_assert_int_eq(lbx_etag_parse("17", &r), -1);
    ck_assert_int_eq(lbx_etag_parse("W/\"17\"", &r), -1); /* weak: not for changes */
    ck_assert_int_eq(lbx_etag_parse("\"1\", \"2\"", &r), -1);
    ck_assert_int_eq(lbx_etag_parse("\"\"", &r), -1);
    ck_assert_int_eq(lbx_etag_parse("\"", &r), -1);
    ck_assert_int_eq(lbx_etag_parse("", &r), -1);
}
END_TEST

/* Whatever comes: no crash, and strings that end. */
START_TEST(anything)
{
    static const char alphabet[] = "/balncersmvtid0123456789abcdef-=&%.\x01\xff";
    struct unit_rng g = UNIT_RNG();

    for (int i = 0; i < 20000; i++) {
        struct lbx_apipath p;
        struct lbx_apiquery q;
        char text[200], key[9];
        size_t n = unit_rand(&g) % sizeof(text);

        for (size_t k = 0; k < n; k++) {
            text[k] = alphabet[unit_rand(&g) % (sizeof(alphabet) - 1)];
        }
        text[n ? n - 1 : 0] = '\0';
        lbx_apipath_parse(text, &p);
        ck_assert(p.what < LBX_RES_N && memchr(p.balancer, 0, sizeof(p.balancer))
                  && memchr(p.id, 0, sizeof(p.id)));
        lbx_apiquery_parse(text, ALL, &q, key, sizeof(key));
        ck_assert_ptr_nonnull(memchr(key, 0, sizeof(key)));
    }
}
END_TEST

TCase *case_apipath(void)
{
    TCase *tc = tcase_create("apipath");

    tcase_add_test(tc, ids);
    tcase_add_loop_test(tc, addresses, 0, sizeof(paths) / sizeof(paths[0]));
    tcase_add_test(tc, long_names);
    tcase_add_test(tc, parameters);
    tcase_add_loop_test(tc, bad_parameters, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, parameters_that_mean_nothing_here);
    tcase_add_test(tc, etags);
    tcase_add_test(tc, anything);
    return tc;
}
