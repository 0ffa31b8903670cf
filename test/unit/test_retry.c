/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_retry: every cell of the decision against a restatement of the rules as
 * sentences; what an attempt is called by the facts about it; the words of
 * LBXRetryOn; back-off and budget.
 *
 * Not here: how the facts are found out (the scenarios test_core_50 and others).
 */
#include "unit.h"

#include "lbx_retry.h"

#include <stdio.h>
#include <string.h>

static struct lbx_retry_rules of_words(const char *const *words, unsigned n)
{
    struct lbx_retry_rules r;

    lbx_retry_defaults(&r);
    r.classes = 0;
    for (unsigned i = 0; i < n; i++) {
        ck_assert_msg(lbx_retry_word(&r, words[i]), "%s is a word", words[i]);
    }
    return r;
}

/* ------------------------------------------------------------------ */
/* The decision                                                         */

static int ended(enum lbx_outcome o)
{
    return o == LBX_OUT_ANSWERED || o == LBX_OUT_CUT || o == LBX_OUT_CLIENT;
}

/* May it be repeated at all, whoever does it? */
static enum lbx_verdict repeatable(uint32_t classes, int non_idempotent,
                                   const struct lbx_retry_ask *ask)
{
    if (ended(ask->outcome)) {
        return LBX_NO_NEED;
    }
    if (!(classes & 1u << ask->outcome)) {
        return LBX_NO_CLASS;
    }
    /* what may have been done already is done again only if that is harmless,
     * or if somebody said that it is */
    if (ask->taken && !(ask->idempotent || non_idempotent)) {
        return LBX_NO_METHOD;
    }
    return ask->replayable ? LBX_TRY_OTHER : LBX_NO_BODY;
}

static enum lbx_verdict naive(uint32_t classes, int non_idempotent, const struct lbx_retry_ask *ask)
{
    enum lbx_verdict may = repeatable(classes, non_idempotent, ask);

    if (may != LBX_TRY_OTHER) {
        return may;
    }
    /* stale: twice at the same member, which costs neither the session's place,
     * nor an attempt, nor the budget */
    if (ask->outcome == LBX_OUT_STALE && ask->stale_tries < 2) {
        return LBX_TRY_SAME;
    }
    if (ask->pinned) {
        return LBX_NO_MOVE;
    }
    if (ask->more == 0) {
        return LBX_NO_ATTEMPTS;
    }
    if (ask->outcome == LBX_OUT_CONNECT || ask->outcome == LBX_OUT_STALE) {
        return LBX_TRY_OTHER;
    }
    return ask->budget_left ? LBX_TRY_OTHER : LBX_NO_BUDGET;
}

START_TEST(every_cell)
{
    unsigned cells[LBX_VERDICT_N] = {0};
    struct lbx_retry_rules rules;

    lbx_retry_defaults(&rules);
    for (uint32_t classes = 0; classes < 1u << LBX_OUTCOME_N; classes++) {
        rules.classes = classes;
        for (unsigned i = 0; i < 2u * 2 * 2 * 2 * 2 * 2 * 3 * 4; i++) {
            struct lbx_retry_ask ask = {.outcome = (enum lbx_outcome)_i,
                                        .taken = i >> 1 & 1,
                                        .idempotent = i >> 2 & 1,
                                        .replayable = i >> 3 & 1,
                                        .pinned = i >> 4 & 1,
                                        .budget_left = i >> 5 & 1,
                                        .more = i / 64 % 3,
                                        .stale_tries = i / 192};
            enum lbx_verdict want, got;

            rules.non_idempotent = i & 1;
            want = naive(classes, rules.non_idempotent, &ask);
            got = lbx_retry_decide(&rules, &ask);
            ck_assert_msg(got == want, "%s, classes %x, combination %u: %s, should be: %s",
                          lbx_outcome_name(ask.outcome), classes, i, lbx_verdict_text(got),
                          lbx_verdict_text(want));
            cells[got]++;
        }
    }
    ck_assert_int_eq(cells[LBX_NO_NEED] > 0, ended((enum lbx_outcome)_i));
    ck_assert_int_eq(cells[LBX_TRY_OTHER] > 0, !ended((enum lbx_outcome)_i));
    ck_assert_int_eq(cells[LBX_TRY_SAME] > 0, _i == LBX_OUT_STALE);
    ck_assert_uint_eq(cells[LBX_NO_MEMBER], 0); /* only who chooses can know */
}
END_TEST

/* What the users' guide says about the defaults, one sentence a row. */
static const struct {
    enum lbx_outcome outcome;
    int taken, idempotent;
    enum lbx_verdict want;
} by_default[] = {
    {LBX_OUT_CONNECT, 0, 1, LBX_TRY_OTHER}, {LBX_OUT_CONNECT, 0, 0, LBX_TRY_OTHER},
    {LBX_OUT_STALE, 0, 0, LBX_TRY_SAME},    {LBX_OUT_STALE, 1, 1, LBX_TRY_SAME},
    {LBX_OUT_STALE, 1, 0, LBX_NO_METHOD},   {LBX_OUT_RESET, 1, 1, LBX_TRY_OTHER},
    {LBX_OUT_RESET, 1, 0, LBX_NO_METHOD},   {LBX_OUT_TIMEOUT, 1, 1, LBX_TRY_OTHER},
    {LBX_OUT_TIMEOUT, 1, 0, LBX_NO_METHOD}, {LBX_OUT_STATUS, 1, 1, LBX_NO_CLASS},
    {LBX_OUT_STATUS, 1, 0, LBX_NO_CLASS},   {LBX_OUT_FAILED, 1, 1, LBX_NO_CLASS},
    {LBX_OUT_CUT, 1, 1, LBX_NO_NEED},       {LBX_OUT_ANSWERED, 1, 1, LBX_NO_NEED},
    {LBX_OUT_CLIENT, 1, 1, LBX_NO_NEED},
};

START_TEST(defaults)
{
    struct lbx_retry_ask ask = {.outcome = by_default[_i].outcome,
                                .taken = by_default[_i].taken,
                                .idempotent = by_default[_i].idempotent,
                                .replayable = 1,
                                .more = 1,
                                .budget_left = 1};
    struct lbx_retry_rules r;

    memset(&r, 0xaa, sizeof(r));
    lbx_retry_defaults(&r);
    ck_assert_int_eq(lbx_retry_decide(&r, &ask), by_default[_i].want);
    ck_assert_uint_eq(r.body_max, 65536);
    ck_assert_uint_eq(r.budget, 50);
    ck_assert_uint_eq(r.budget_min, 10);
    ck_assert_uint_eq(r.backoff_us, 25000);
    ck_assert_uint_eq(r.backoff_max, 250000);
    ck_assert_uint_eq(r.try_us, 0);
    ck_assert_uint_eq(r.status_n, 0);
    ck_assert_int_eq(r.non_idempotent, 0);
}
END_TEST

/* ------------------------------------------------------------------ */
/* What an attempt is called                                            */

#define SENT .speaks_http = 1, .sent = 1

static const struct {
    const char *what;
    struct lbx_attempt facts;
    enum lbx_outcome want;
    int taken;
} pictures[] = {
    {"all is well", {SENT, .got_bytes = 1, .answering = 1}, LBX_OUT_ANSWERED, 1},
    {"a 404 of the member", {SENT, .got_bytes = 1, .rc = 0, .answering = 1}, LBX_OUT_ANSWERED, 1},
    {"a 403 by a filter", {.speaks_http = 1, .rc = 403}, LBX_OUT_ANSWERED, 1},
    {"a bad request", {.speaks_http = 1, .rc = 400}, LBX_OUT_ANSWERED, 1},
    {"refused", {.speaks_http = 1, .rc = 503, .connect_failed = 1}, LBX_OUT_CONNECT, 0},
    {"no address", {.speaks_http = 1, .rc = 500}, LBX_OUT_CONNECT, 0},
    {"TLS failed", {.speaks_http = 1, .rc = 503, .fresh = 1}, LBX_OUT_CONNECT, 0},
    {"refused, AJP", {.rc = 503, .connect_failed = 1}, LBX_OUT_CONNECT, 0},
    {"closed, reused", {SENT, .rc = 502}, LBX_OUT_STALE, 1},
    {"closed, reused, unread", {SENT, .rc = 502, .unread = 1}, LBX_OUT_STALE, 0},
    {"closed, reused, EOC only", {SENT, .rc = 0, .broke = 1}, LBX_OUT_STALE, 1},
    {"broke while writing, reused",
     {.speaks_http = 1, .rc = 502, .write_failed = 1},
     LBX_OUT_STALE,
     1},
    {"broke while writing, fresh",
     {.speaks_http = 1, .rc = 503, .write_failed = 1, .fresh = 1},
     LBX_OUT_RESET,
     1},
    {"closed, fresh", {SENT, .rc = 502, .fresh = 1}, LBX_OUT_RESET, 1},
    {"closed, fresh, unread", {SENT, .rc = 502, .fresh = 1, .unread = 1}, LBX_OUT_RESET, 1},
    {"closed, reused, unsent", {SENT, .rc = 502, .unsent = 1}, LBX_OUT_STALE, 0},
    {"closed, fresh, unsent", {SENT, .rc = 502, .fresh = 1, .unsent = 1}, LBX_OUT_RESET, 0},
    {"half a head, reused", {SENT, .rc = 502, .got_bytes = 1}, LBX_OUT_RESET, 1},
    {"half a head, unread", {SENT, .rc = 502, .got_bytes = 1, .unread = 1}, LBX_OUT_RESET, 1},
    {"garbage, as an answer that broke", {SENT, .got_bytes = 1, .broke = 1}, LBX_OUT_RESET, 1},
    {"timeout", {SENT, .rc = 502, .timed_out = 1}, LBX_OUT_TIMEOUT, 1},
    {"timeout, fresh", {SENT, .rc = 504, .fresh = 1}, LBX_OUT_TIMEOUT, 1},
    {"timeout in the head", {SENT, .rc = 502, .got_bytes = 1, .timed_out = 1}, LBX_OUT_TIMEOUT, 1},
    {"timeout, AJP", {.rc = 504}, LBX_OUT_TIMEOUT, 1},
    {"listed", {SENT, .got_bytes = 1, .swallowed = 1}, LBX_OUT_STATUS, 1},
    {"listed, then it broke",
     {SENT, .got_bytes = 1, .swallowed = 1, .broke = 1},
     LBX_OUT_STATUS,
     1},
    {"cut", {SENT, .got_bytes = 1, .answering = 1, .broke = 1}, LBX_OUT_CUT, 1},
    {"cut, and the client too",
     {SENT, .answering = 1, .broke = 1, .client_gone = 1},
     LBX_OUT_CLIENT,
     1},
    {"the client left while it waited", {SENT, .rc = 502, .client_gone = 1}, LBX_OUT_CLIENT, 1},
    {"another transport: reset", {.rc = 502}, LBX_OUT_RESET, 1},
    {"another transport: unavailable", {.rc = 503}, LBX_OUT_RESET, 1},
    {"another transport: failed", {.rc = 500}, LBX_OUT_FAILED, 1},
    {"another transport: broke", {.rc = 0, .broke = 1}, LBX_OUT_FAILED, 1},
    {"another transport: cut", {.answering = 1, .broke = 1}, LBX_OUT_CUT, 1},
    {"another transport: fine", {.answering = 1}, LBX_OUT_ANSWERED, 1},
};

START_TEST(outcomes)
{
    enum lbx_outcome got = lbx_attempt_outcome(&pictures[_i].facts);

    ck_assert_msg(got == pictures[_i].want, "%s: %s, not %s", pictures[_i].what,
                  lbx_outcome_name(got), lbx_outcome_name(pictures[_i].want));
    ck_assert_msg(lbx_attempt_taken(&pictures[_i].facts, got) == pictures[_i].taken,
                  "%s: taken or not", pictures[_i].what);
}
END_TEST

/* Whatever the facts: what must never be said about them. */
START_TEST(outcomes_of_any_facts)
{
    static const int codes[] = {0, 400, 403, 404, 500, 502, 503, 504};
    unsigned seen[LBX_OUTCOME_N] = {0};

    for (unsigned i = 0; i < 8u << 13; i++) {
        unsigned b = i >> 3;
        struct lbx_attempt a = {.rc = codes[i & 7],
                                .speaks_http = b & 1,
                                .connect_failed = b >> 1 & 1,
                                .write_failed = b >> 2 & 1,
                                .sent = b >> 3 & 1,
                                .fresh = b >> 4 & 1,
                                .got_bytes = b >> 5 & 1,
                                .timed_out = b >> 6 & 1,
                                .swallowed = b >> 7 & 1,
                                .answering = b >> 8 & 1,
                                .broke = b >> 9 & 1,
                                .client_gone = b >> 10 & 1,
                                .unread = b >> 11 & 1,
                                .unsent = b >> 12 & 1};
        enum lbx_outcome o = lbx_attempt_outcome(&a);

        seen[o]++;
        if (a.answering || a.client_gone) { /* nothing that could be repeated */
            ck_assert(o == LBX_OUT_ANSWERED || o == LBX_OUT_CUT || o == LBX_OUT_CLIENT);
        }
        if (o == LBX_OUT_STALE) { /* only an idle connection that never answered */
            ck_assert(a.speaks_http && !a.fresh && !a.got_bytes && !a.timed_out);
        }
        if (o == LBX_OUT_CONNECT) {
            ck_assert(a.connect_failed || !a.sent);
        } else if (!lbx_attempt_taken(&a, o)) {
            ck_assert((o == LBX_OUT_STALE && (a.unread || a.unsent))
                      || (o == LBX_OUT_RESET && a.unsent));
        }
        ck_assert(o != LBX_OUT_STATUS || a.swallowed);
        ck_assert(o != LBX_OUT_FAILED || !a.speaks_http);
    }
    for (unsigned o = 0; o < LBX_OUTCOME_N; o++) {
        ck_assert_msg(seen[o] > 0, "no facts give %s", lbx_outcome_name((enum lbx_outcome)o));
    }
}
END_TEST

START_TEST(every_name_and_text)
{
    for (unsigned i = 0; i < LBX_OUTCOME_N; i++) {
        ck_assert_str_ne(lbx_outcome_name((enum lbx_outcome)i), "unknown");
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(lbx_outcome_name((enum lbx_outcome)i),
                             lbx_outcome_name((enum lbx_outcome)j));
        }
        ck_assert_msg(!strpbrk(lbx_outcome_name((enum lbx_outcome)i), ":, "),
                      "LBX_TRIES uses these characters itself");
    }
    for (unsigned i = 0; i < LBX_VERDICT_N; i++) {
        const char *text = lbx_verdict_text((enum lbx_verdict)i);

        ck_assert_str_ne(text, "unknown");
        ck_assert_int_eq(!strncmp(text, "not retried: ", 13), i > LBX_TRY_SAME);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(text, lbx_verdict_text((enum lbx_verdict)j));
        }
    }
    ck_assert_ptr_nonnull(lbx_outcome_name(LBX_OUTCOME_N));
    ck_assert_ptr_nonnull(lbx_verdict_text(LBX_VERDICT_N));
}
END_TEST

/* ------------------------------------------------------------------ */
/* LBXRetryOn                                                           */

START_TEST(words_are_classes)
{
    static const struct {
        const char *word;
        enum lbx_outcome class;
    } words[] = {{"connect-failure", LBX_OUT_CONNECT},
                 {"stale", LBX_OUT_STALE},
                 {"reset", LBX_OUT_RESET},
                 {"timeout", LBX_OUT_TIMEOUT},
                 {"400", LBX_OUT_STATUS},
                 {"599", LBX_OUT_STATUS},
                 {"503", LBX_OUT_STATUS}};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct lbx_retry_rules r = of_words(&words[i].word, 1);

        ck_assert_uint_eq(r.classes, 1u << words[i].class);
        ck_assert_uint_eq(r.status_n, words[i].class == LBX_OUT_STATUS);
    }
}
END_TEST

START_TEST(other_words_are_refused)
{
    static const char *const words[] = {
        "",     "none",         "status",  "answered", "failed",
        "cut",  "client-gone",  "Reset",   "399",      "600",
        "0",    "50",           "5033",    "503 ",     " 503",
        "50x",  "-503",         "+503",    "5O3",      "resets",
        "rese", "conn-failure", "unknown", "503,504",  "99999999999999999999"};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct lbx_retry_rules r, before;

        memset(&r, 0, sizeof(r));
        lbx_retry_defaults(&r);
        before = r;
        ck_assert_msg(!lbx_retry_word(&r, words[i]), "\"%s\" is no word", words[i]);
        ck_assert_mem_eq(&r, &before, sizeof(r));
    }
}
END_TEST

START_TEST(statuses_are_listed_once_and_there_is_an_end)
{
    struct lbx_retry_rules r;
    char word[16];

    lbx_retry_defaults(&r);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LBX_RETRY_STATUSES_MAX; i++) {
            snprintf(word, sizeof(word), "%d", 500 + i);
            ck_assert(lbx_retry_word(&r, word));
        }
        ck_assert_uint_eq(r.status_n, LBX_RETRY_STATUSES_MAX);
    }
    ck_assert(!lbx_retry_word(&r, "404"));
    ck_assert(lbx_retry_word(&r, "500") && lbx_retry_word(&r, "reset"));
    for (int status = 0; status < 1000; status++) {
        ck_assert_int_eq(lbx_retry_lists(&r, status),
                         status >= 500 && status < 500 + LBX_RETRY_STATUSES_MAX);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Back-off and budget                                                  */

START_TEST(backoff_stays_within_its_bounds)
{
    struct unit_rng g = UNIT_RNG();

    for (int i = 0; i < 100000; i++) {
        struct lbx_retry_rules r = {.backoff_us = unit_below(&g, 100000)};
        unsigned n = unit_below(&g, 100);
        uint64_t most, got;

        r.backoff_max = r.backoff_us + unit_below(&g, 900000);
        most = r.backoff_us;
        for (unsigned k = 1; k < n && k < 40 && most < r.backoff_max; k++) {
            most += r.backoff_us << k; /* base * (1 + 2 + 4 + ...) */
        }
        most = n && most < r.backoff_max ? most : n ? r.backoff_max : 0;
        got = lbx_retry_backoff(&r, n, (uint32_t)unit_rand(&g));
        ck_assert_msg(got <= most || (n == 0 && got <= r.backoff_max),
                      "attempt %u, base %" PRIu64 ", max %" PRIu64 ": %" PRIu64, n, r.backoff_us,
                      r.backoff_max, got);
    }
}
END_TEST

START_TEST(backoff_is_full_jitter)
{
    struct lbx_retry_rules r;
    struct unit_rng g = UNIT_RNG();
    static const uint64_t most[] = {0, 25000, 75000, 175000, 250000, 250000};

    lbx_retry_defaults(&r);
    for (unsigned n = 1; n < sizeof(most) / sizeof(most[0]); n++) {
        uint64_t low = UINT64_MAX, high = 0, sum = 0;

        for (int i = 0; i < 10000; i++) {
            uint64_t got = lbx_retry_backoff(&r, n, (uint32_t)unit_rand(&g));

            low = got < low ? got : low;
            high = got > high ? got : high;
            sum += got;
        }
        ck_assert_uint_lt(low, most[n] / 50);
        ck_assert_uint_gt(high, most[n] - most[n] / 50);
        ck_assert_uint_le(high, most[n]);
        ck_assert_uint_gt(sum / 10000, most[n] * 45 / 100);
        ck_assert_uint_lt(sum / 10000, most[n] * 55 / 100);
    }
    ck_assert_uint_le(lbx_retry_backoff(&r, UINT32_MAX, UINT32_MAX), 250000);
    r.backoff_us = r.backoff_max = 0;
    ck_assert_uint_eq(lbx_retry_backoff(&r, 1, UINT32_MAX), 0);
    ck_assert_uint_eq(lbx_retry_backoff(&r, 50, UINT32_MAX), 0);
}
END_TEST

START_TEST(budget)
{
    struct lbx_retry_rules r;

    for (uint32_t percent = 0; percent <= 100; percent++) {
        for (uint32_t min = 0; min < 6; min++) {
            lbx_retry_defaults(&r);
            r.budget = percent;
            r.budget_min = min;
            for (uint64_t active = 0; active < 120; active += 7) {
                uint64_t most = active * percent / 100 > min ? active * percent / 100 : min;

                for (uint64_t retries = 0; retries < 30; retries++) {
                    ck_assert_int_eq(!!lbx_retry_budget_left(&r, active, retries),
                                     percent == 0 || retries < most);
                }
            }
        }
    }
}
END_TEST

START_TEST(budget_of_large_numbers)
{
    struct lbx_retry_rules r;

    lbx_retry_defaults(&r);
    ck_assert(lbx_retry_budget_left(&r, 1000000, 499999));
    ck_assert(!lbx_retry_budget_left(&r, 1000000, 500000));
    ck_assert(lbx_retry_budget_left(&r, 0, 9) && !lbx_retry_budget_left(&r, 0, 10));
    r.budget = 0;
    ck_assert(lbx_retry_budget_left(&r, 0, UINT64_MAX));
}
END_TEST

TCase *case_retry(void)
{
    TCase *tc = tcase_create("retry");

    tcase_add_loop_test(tc, every_cell, 0, LBX_OUTCOME_N);
    tcase_add_loop_test(tc, defaults, 0, sizeof(by_default) / sizeof(by_default[0]));
    tcase_add_loop_test(tc, outcomes, 0, sizeof(pictures) / sizeof(pictures[0]));
    tcase_add_test(tc, outcomes_of_any_facts);
    tcase_add_test(tc, every_name_and_text);
    tcase_add_test(tc, words_are_classes);
    tcase_add_test(tc, other_words_are_refused);
    tcase_add_test(tc, statuses_are_listed_once_and_there_is_an_end);
    tcase_add_test(tc, backoff_stays_within_its_bounds);
    tcase_add_test(tc, backoff_is_full_jitter);
    tcase_add_test(tc, budget);
    tcase_add_test(tc, budget_of_large_numbers);
    return tc;
}
