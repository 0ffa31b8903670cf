/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_learn: what is remembered, for how long, who is thrown out; and many threads at
 * one table.
 *
 * Not here: where ids of sessions come from.
 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lbx_learn.h"

enum { IDLE = 100 };

static struct lbx_learn *make(uint64_t sessions)
{
    uint64_t len = lbx_learn_size(sessions);
    struct lbx_learn *t = lab_block(len);

    lbx_learn_format(t, sessions);
    ck_assert(lbx_learn_check(t, len, sessions));
    ck_assert(!lbx_learn_check(t, len - 1, sessions));
    ck_assert(!lbx_learn_check(t, len, 100 * sessions));
    return t;
}

START_TEST(remembers_and_forgets)
{
    struct lbx_learn *t = make(64);

    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000, IDLE), 0);
    lbx_learn_put(t, 7, 42, 1000, IDLE);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000, IDLE), 42);
    lbx_learn_put(t, 7, 43, 1001, IDLE); /* it moved */
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1001, IDLE), 43);
    ck_assert_uint_eq(lbx_learn_count(t), 1);
    lbx_learn_forget(t, 7);
    lbx_learn_forget(t, 7);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1001, IDLE), 0);
    ck_assert_uint_eq(lbx_learn_count(t), 0);
    free(t);
}
END_TEST

START_TEST(each_use_begins_the_time_anew)
{
    struct lbx_learn *t = make(64);

    lbx_learn_put(t, 7, 42, 1000, IDLE);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000 + IDLE, IDLE), 42);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000 + 2 * IDLE, IDLE), 42);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000 + 3 * IDLE + 1, IDLE), 0);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 900, IDLE), 42); /* a clock that is behind */
    free(t);
}
END_TEST

/* All of one bucket, by both choices. */
static uint64_t in_bucket_0(unsigned i)
{
    return (uint64_t)(i + 1) << 8;
}

START_TEST(who_was_used_longest_ago_goes)
{
    struct lbx_learn *t = make(64);

    for (unsigned i = 0; i < LBX_LEARN_WAYS; i++) {
        lbx_learn_put(t, in_bucket_0(i), 1 + i, 1000 + i, IDLE);
    }
    ck_assert_uint_eq(lbx_learn_find(t, in_bucket_0(0), 1050, IDLE), 1); /* used: not the oldest */
    lbx_learn_put(t, in_bucket_0(100), 99, 1060, IDLE);
    ck_assert_uint_eq(t->evicted, 1);
    ck_assert_uint_eq(lbx_learn_find(t, in_bucket_0(1), 1060, IDLE), 0);
    ck_assert_uint_eq(lbx_learn_find(t, in_bucket_0(0), 1060, IDLE), 1);
    ck_assert_uint_eq(lbx_learn_find(t, in_bucket_0(100), 1060, IDLE), 99);
    lbx_learn_put(t, in_bucket_0(101), 98, 2000, IDLE);
    ck_assert_uint_eq(t->evicted, 1); /* an outdated one is no loss */
    free(t);
}
END_TEST

/* Half a row is nobody's: what a killed writer leaves. */
START_TEST(half_a_row_is_nobodys)
{
    struct lbx_learn *t = make(64);
    struct lbx_learn_row *row = t->row;

    lbx_learn_put(t, 7, 42, 1000, IDLE);
    while (row->member != 42) {
        row++;
    }
    row->member = 43;
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000, IDLE), 0);
    row->member = 42;
    row->mark ^= 7 ^ (7 | 1ull << 63);
    ck_assert_uint_eq(lbx_learn_find(t, 7, 1000, IDLE), 0);
    ck_assert_uint_eq(lbx_learn_find(t, 7 | 1ull << 63, 1000, IDLE), 42); /* it says so */
    free(t);
}
END_TEST

/* As many as were asked for fit, nearly always: a map with room is the model. */
START_TEST(like_a_map)
{
    enum { N = 5000 };
    struct unit_rng g = UNIT_RNG();
    static uint64_t id[N];
    static uint32_t member[N];
    struct lbx_learn *t = make(N);
    unsigned lost = 0;

    for (unsigned i = 0; i < N; i++) {
        id[i] = unit_rand(&g);
        member[i] = 0;
    }
    for (int step = 0; step < 40000; step++) {
        unsigned i = unit_below(&g, N);

        if (unit_below(&g, 10) == 0) {
            lbx_learn_forget(t, id[i]);
            member[i] = 0;
        } else {
            member[i] = 1 + unit_below(&g, 1000);
            lbx_learn_put(t, id[i], member[i], 1000, IDLE);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        uint32_t got = lbx_learn_find(t, id[i], 1000, IDLE);

        ck_assert_msg(got == member[i] || !got, "never somebody else");
        lost += member[i] && !got;
    }
    ck_assert_uint_eq(lost, 0);
    free(t);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Threads                                                              */

enum { THREADS = 4, SESSIONS = 200, ROUNDS = 30000 };

struct shared {
    struct lbx_learn *t;
    _Atomic unsigned wrong, found;
};

/* A session's member is always one of two: anything else is a mixture. */
static void *work(void *arg)
{
    struct shared *s = arg;
    struct unit_rng g = unit_rng_of("learn_work");

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t session = 1 + unit_below(&g, SESSIONS);
        uint32_t got;

        if (unit_below(&g, 4) == 0) {
            lbx_learn_put(s->t, session, (uint32_t)(session * 2 + unit_below(&g, 2)), 1000, IDLE);
            continue;
        }
        got = lbx_learn_find(s->t, session, 1000, IDLE);
        s->found += got != 0;
        s->wrong += got && got / 2 != session;
    }
    return NULL;
}

START_TEST(never_somebody_elses_member)
{
    struct shared s = {.t = make(64)}; /* crowded: all in one bucket */
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert(!pthread_create(&thread[i], NULL, work, &s));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    ck_assert_uint_eq(s.wrong, 0);
    ck_assert_uint_gt(s.found, 0);
    free(s.t);
}
END_TEST

START_TEST(another_size)
{
    struct lbx_learn *from = make(1000), *bigger = make(4000), *smaller = make(100);
    uint64_t kept = lbx_learn_size(100) / sizeof(struct lbx_learn_row), newer = 0;

    for (uint64_t i = 1; i <= 1000; i++) {
        lbx_learn_put(from, i * 0x9e3779b97f4a7c15u, (uint32_t)i, (uint32_t)(1000 + i), 5000);
    }
    lbx_learn_copy(bigger, from);
    lbx_learn_copy(smaller, from);
    for (uint64_t i = 1; i <= 1000; i++) {
        uint64_t session = i * 0x9e3779b97f4a7c15u;

        ck_assert_uint_eq(lbx_learn_find(bigger, session, (uint32_t)(1000 + i), 0), i);
        newer += i > 1000 - kept && lbx_learn_find(smaller, session, 2000, 5000) == i;
    }
    ck_assert_uint_eq(lbx_learn_count(bigger), 1000);
    ck_assert_uint_gt(newer * 10, kept * 7); /* by far most of those used last */
    free(from);
    free(bigger);
    free(smaller);
}
END_TEST

TCase *case_learn(void)
{
    TCase *tc = tcase_create("learn");

    tcase_add_test(tc, remembers_and_forgets);
    tcase_add_test(tc, each_use_begins_the_time_anew);
    tcase_add_test(tc, who_was_used_longest_ago_goes);
    tcase_add_test(tc, half_a_row_is_nobodys);
    tcase_add_test(tc, like_a_map);
    tcase_add_test(tc, never_somebody_elses_member);
    tcase_add_test(tc, another_size);
    return tc;
}
