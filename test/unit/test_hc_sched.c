/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_hc_sched: the heap against a list that is searched; the times of first and
 * next checks; and a day of checks in simulated time, with the states of their
 * members against a model that knows only the results.
 */
#include "unit.h"

#include <stdlib.h>

#include "lbx_hc_fsm.h"
#include "lbx_hc_sched.h"
#include "lbx_hc_spec.h"

enum { N = 50, SECOND = 1000000 };

static struct lbx_hc_sched s;
static struct lbx_hc_entry heap[N];
static uint32_t place[N];
static uint64_t list[N]; /* the model: when each is due */

static void fresh(void)
{
    lbx_hc_sched_init(&s, heap, place, N);
    for (int i = 0; i < N; i++) {
        list[i] = LBX_HC_NEVER;
    }
}

static uint64_t list_first(void)
{
    uint64_t first = LBX_HC_NEVER;

    for (int i = 0; i < N; i++) {
        first = list[i] < first ? list[i] : first;
    }
    return first;
}

START_TEST(heap_against_list)
{
    struct unit_rng rng = UNIT_RNG();

    fresh();
    for (int turn = 0; turn < 20000; turn++) {
        uint32_t id = (uint32_t)(unit_rand(&rng) % N);
        uint64_t due = unit_rand(&rng) % 8 ? unit_rand(&rng) % 1000 : LBX_HC_NEVER, was;

        if (unit_rand(&rng) % 3) {
            lbx_hc_sched_set(&s, id, due);
            list[id] = due;
        } else if (lbx_hc_sched_take(&s, unit_rand(&rng) % 1000, &id, &was)) {
            ck_assert_uint_eq(was, list_first());
            ck_assert_uint_eq(was, list[id]);
            list[id] = LBX_HC_NEVER;
        }
        ck_assert_uint_eq(lbx_hc_sched_first(&s), list_first());
    }
    lbx_hc_sched_set(&s, N, 1); /* no such id */
    ck_assert_uint_eq(lbx_hc_sched_first(&s), list_first());
}
END_TEST

START_TEST(first_checks)
{
    /* a few: at once */
    ck_assert_uint_eq(lbx_hc_first_due(7, 10 * SECOND, 0, 3), 7);
    ck_assert_uint_eq(lbx_hc_first_due(7, 10 * SECOND, 2, 3), 7 + 10000);
    /* many: over their interval and no longer */
    ck_assert_uint_eq(lbx_hc_first_due(0, 10 * SECOND, 9999, 10000), 9999000);
    for (uint32_t i = 1; i < 5000; i++) {
        uint64_t gap =
            lbx_hc_first_due(0, 5 * SECOND, i, 5000) - lbx_hc_first_due(0, 5 * SECOND, i - 1, 5000);

        ck_assert_uint_eq(gap, 1000);
    }
}
END_TEST

START_TEST(next_checks)
{
    struct unit_rng rng = UNIT_RNG();

    ck_assert_uint_eq(lbx_hc_next_due(100, 150, 10 * SECOND, 0, 77), 100 + 10 * SECOND);
    ck_assert_uint_eq(lbx_hc_next_due(100, 30 * SECOND, 10 * SECOND, 0, 0), 30 * SECOND);
    for (int i = 0; i < 1000; i++) {
        uint64_t next = lbx_hc_next_due(0, 0, 10 * SECOND, 20, (uint32_t)unit_rand(&rng));

        ck_assert_uint_ge(next, 8 * SECOND);
        ck_assert_uint_le(next, 10 * SECOND);
    }
}
END_TEST

/* One member of the simulated day. */
struct member {
    struct lbx_hc_spec spec;
    enum lbx_hc_state state;
    uint32_t passes, fails;
    uint64_t due, last;
    unsigned sick;    /* of 8 checks so many fail */
    uint64_t history; /* the last results, the latest lowest; 1: passed */
    uint64_t checks;
};

/* The table's way. */
static void checked(struct member *m, int passed)
{
    enum lbx_hc_event event;
    uint32_t *streak = passed ? &m->passes : &m->fails;
    unsigned cell;

    m->passes = passed ? m->passes : 0;
    m->fails = passed ? 0 : m->fails;
    ++*streak;
    if (!lbx_hc_spec_decides(&m->spec, passed, *streak)) {
        return;
    }
    event = passed ? LBX_HC_PASS : LBX_HC_CHECK_DOWN;
    cell = lbx_hc_next(m->state, event);
    ck_assert_uint_ne(cell, LBX_HC_IMPOSSIBLE);
    if (cell != LBX_HC_REFUSED) {
        m->state = (enum lbx_hc_state)cell;
    }
    if (m->state == LBX_HC_SLOW) { /* no slow start today */
        m->state = (enum lbx_hc_state)lbx_hc_next(m->state, LBX_HC_RAMPED);
    }
}

/* The naive way: out when the last <fails> results were bad, in when the last <passes>
 * were good, else as before. */
static int naive_out(const struct member *m, int was_out)
{
    uint64_t fails = (1ull << m->spec.fails) - 1, passes = (1ull << m->spec.passes) - 1;

    if (m->checks >= m->spec.fails && !(m->history & fails)) {
        return 1;
    }
    if (m->checks >= m->spec.passes && (m->history & passes) == passes) {
        return 0;
    }
    return was_out;
}

static void begin_day(struct member *m, struct unit_rng *rng)
{
    lbx_hc_spec_defaults(&m->spec);
    m->spec.interval_us = (1 + unit_rand(rng) % 60) * SECOND;
    m->spec.fast_us = unit_rand(rng) % 2 ? SECOND : 0;
    m->spec.down_us = unit_rand(rng) % 2 ? 5 * SECOND : 0;
    m->spec.passes = 1 + unit_rand(rng) % 5;
    m->spec.fails = 1 + unit_rand(rng) % 5;
    m->spec.spread = unit_rand(rng) % 51;
    m->sick = unit_rand(rng) % 9;
    m->state = LBX_HC_UP;
    m->passes = m->fails = 0;
    m->history = m->checks = 0;
}

/* <hours> of checks; returns how many there were. */
static uint64_t day(unsigned hours, struct unit_rng *rng)
{
    static struct member m[N];
    uint64_t now = 0, n = 0, end = (uint64_t)hours * 3600 * SECOND;

    fresh();
    for (uint32_t i = 0; i < N; i++) {
        begin_day(&m[i], rng);
        m[i].due = lbx_hc_first_due(0, m[i].spec.interval_us, i, N);
        lbx_hc_sched_set(&s, i, m[i].due);
    }
    while ((now = lbx_hc_sched_first(&s)) < end) {
        uint32_t id;
        uint64_t due;
        int passed, was_out;
        struct member *one;

        ck_assert_int_eq(lbx_hc_sched_take(&s, now, &id, &due), 1);
        one = &m[id];
        ck_assert_uint_eq(due, one->due);
        passed = unit_rand(rng) % 8 >= one->sick;
        was_out = lbx_hc_is_out(one->state);
        one->history = one->history << 1 | (unsigned)passed;
        one->checks++;
        checked(one, passed);
        ck_assert_int_eq(lbx_hc_is_out(one->state), naive_out(one, was_out));
        one->due = lbx_hc_next_due(
            due, now,
            lbx_hc_spec_interval(&one->spec, lbx_hc_is_out(one->state), one->passes, one->fails),
            one->spec.spread, (uint32_t)unit_rand(rng));
        ck_assert_uint_gt(one->due, now);
        ck_assert_uint_le(one->due - now, one->spec.interval_us > 5ull * SECOND
                                              ? one->spec.interval_us
                                              : 5ull * SECOND);
        lbx_hc_sched_set(&s, id, one->due);
        n++;
    }
    return n;
}

START_TEST(a_day)
{
    struct unit_rng rng = UNIT_RNG();
    const char *hours = getenv("LBX_HC_HOURS"); /* the whole of it: make soak */

    ck_assert_uint_gt(day(hours ? (unsigned)atol(hours) : 2, &rng), 1000);
}
END_TEST

TCase *case_hc_sched(void)
{
    TCase *tc = tcase_create("hc_sched");

    tcase_add_test(tc, heap_against_list);
    tcase_add_test(tc, first_checks);
    tcase_add_test(tc, next_checks);
    tcase_add_test(tc, a_day);
    return tc;
}
