/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passive rules.  See lbx_hc_eject.h.
 *
 * The window is a ring of buckets, one word each, so that a bucket can be
 * counted in and be taken over for a new time by one compare-and-swap:
 *
 *     bits 63-40  which stretch of time, counted in bucket widths since the epoch
 *     bits 39-20  requests, bits 19-0 failures; halved when full, the ratio stays
 *
 * A window of ten widths is covered by the bucket of now and the ten before it.
 *
 * Pure.
 */
#include "lbx_hc_eject.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WIDTHS = LBX_HC_BUCKETS - 1, COUNT_BITS = 20, COUNT_MASK = (1 << COUNT_BITS) - 1 };

#define STRETCH_MASK 0xffffffull

/* ------------------------------------------------------------------ */
/* Words                                                                */

/* A whole number from <least> to <most> at *t, which is moved behind it. */
static int number(const char **t, unsigned long least, unsigned long most, uint32_t *out)
{
    char *end;
    unsigned long n;

    if (**t < '0' || **t > '9') {
        return 0;
    }
    n = strtoul(*t, &end, 10);
    if (end - *t > 9 || n < least || n > most) {
        return 0;
    }
    *t = end;
    *out = (uint32_t)n;
    return 1;
}

/* "10s", "500ms", "2min", "1h"; seconds without a unit; 100ms to a day. */
static int duration(const char *t, uint64_t *us)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"", 1000000}, {"s", 1000000}, {"ms", 1000}, {"min", 60000000}, {"h", 3600000000}};
    uint32_t n;

    if (!number(&t, 1, 86400000, &n)) {
        return 0;
    }
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!strcasecmp(t, units[i].unit)) {
            *us = n * units[i].us;
            return *us >= 100000 && *us <= 86400000000ull;
        }
    }
    return 0;
}

static int set_form(struct lbx_hc_eject *rules, enum lbx_hc_eject_form form)
{
    if (rules->form != LBX_HC_EJECT_DEFAULT) {
        return 0; /* one rule, not two */
    }
    rules->form = form;
    return 1;
}

static int failures_word(struct lbx_hc_eject *rules, const char *t)
{
    return number(&t, 1, LBX_HC_EJECT_COUNT_MAX / 2, &rules->n) && *t == '/'
           && duration(t + 1, &rules->window_us) && set_form(rules, LBX_HC_EJECT_FAILURES);
}

static int ratio_word(struct lbx_hc_eject *rules, const char *t)
{
    return number(&t, 1, 100, &rules->percent) && !strcmp(t, "%")
           && set_form(rules, LBX_HC_EJECT_RATIO);
}

static int status_word(struct lbx_hc_eject *rules, const char *t)
{
    uint32_t status;

    rules->status_n = 0;
    do {
        if (rules->status_n == LBX_HC_STATUS_MAX || !number(&t, 400, 599, &status)) {
            return 0;
        }
        rules->status[rules->status_n++] = (uint16_t)status;
    } while (*t++ == ',');
    return !t[-1];
}

int lbx_hc_eject_word(struct lbx_hc_eject *rules, const char *word)
{
    const char *t = strchr(word, '=');
    size_t len = t ? (size_t)(t - word) : strlen(word);

    if (!t) {
        return !strcasecmp(word, "off") && set_form(rules, LBX_HC_EJECT_OFF);
    }
    t++;
    if (len == 11 && !strncasecmp(word, "consecutive", len)) {
        return number(&t, 1, LBX_HC_EJECT_COUNT_MAX, &rules->n) && !*t
               && set_form(rules, LBX_HC_EJECT_CONSECUTIVE);
    }
    if (len == 8 && !strncasecmp(word, "failures", len)) {
        return failures_word(rules, t);
    }
    if (len == 5 && !strncasecmp(word, "ratio", len)) {
        return ratio_word(rules, t);
    }
    if (len == 3 && !strncasecmp(word, "min", len)) {
        return number(&t, 1, LBX_HC_EJECT_COUNT_MAX / 2, &rules->min) && !*t;
    }
    if (len == 6 && !strncasecmp(word, "window", len)) {
        return duration(t, &rules->window_us);
    }
    return len == 6 && !strncasecmp(word, "status", len) && status_word(rules, t);
}

int lbx_hc_eject_whole(const struct lbx_hc_eject *rules)
{
    switch (rules->form) {
    case LBX_HC_EJECT_RATIO:
        return 1;
    case LBX_HC_EJECT_FAILURES:
        return !rules->min;
    case LBX_HC_EJECT_OFF:
        return !rules->min && !rules->window_us && !rules->status_n;
    default: /* status= alone changes what counts, not how often */
        return !rules->min && !rules->window_us
               && (rules->form == LBX_HC_EJECT_CONSECUTIVE || rules->status_n);
    }
}

/* ------------------------------------------------------------------ */
/* What counts                                                          */

static int counts(const struct lbx_hc_eject *rules, unsigned status)
{
    if (!rules->status_n) {
        return status >= 502 && status <= 504;
    }
    for (uint32_t i = 0; i < rules->status_n; i++) {
        if (rules->status[i] == status) {
            return 1;
        }
    }
    return 0;
}

enum lbx_hc_cause lbx_hc_eject_cause(const struct lbx_hc_eject *rules, enum lbx_outcome outcome,
                                     unsigned status, int error)
{
    switch (outcome) {
    case LBX_OUT_ANSWERED:
        return counts(rules, status) ? LBX_HC_C_STATUS : LBX_HC_C_ANSWERED;
    case LBX_OUT_CONNECT:
        return error ? LBX_HC_C_CONNECT : LBX_HC_C_NONE;
    case LBX_OUT_FAILED:
        return error ? LBX_HC_C_OTHER : LBX_HC_C_NONE;
    case LBX_OUT_RESET:
    case LBX_OUT_CUT:
        return LBX_HC_C_RESET;
    case LBX_OUT_TIMEOUT:
        return LBX_HC_C_TIMEOUT;
    case LBX_OUT_STATUS: /* LBXRetryOn has it */
        return LBX_HC_C_STATUS;
    default:
        return LBX_HC_C_NONE;
    }
}

/* ------------------------------------------------------------------ */
/* Counting                                                             */

static uint64_t stretch(const struct lbx_hc_eject *rules, uint64_t now_us)
{
    uint64_t width = rules->window_us / WIDTHS;

    return now_us / (width ? width : 1);
}

/* One request more in the bucket of now. */
static void add(const struct lbx_hc_eject *rules, struct lbx_hc_member *m, int failed,
                uint64_t now_us)
{
    uint64_t at = stretch(rules, now_us);
    _Atomic uint64_t *bucket = &m->bucket[at % LBX_HC_BUCKETS];
    uint64_t before = atomic_load_explicit(bucket, memory_order_relaxed), after;

    at &= STRETCH_MASK;
    do {
        uint64_t all = before >> COUNT_BITS & COUNT_MASK;
        uint64_t bad = before & COUNT_MASK;

        if (before >> (2 * COUNT_BITS) != at) {
            all = bad = 0;
        }
        if (all == COUNT_MASK) {
            all /= 2;
            bad /= 2;
        }
        after = at << (2 * COUNT_BITS) | (all + 1) << COUNT_BITS | (bad + (uint64_t)failed);
    } while (!atomic_compare_exchange_weak(bucket, &before, after));
}

void lbx_hc_eject_window(const struct lbx_hc_eject *rules, const struct lbx_hc_member *m,
                         uint64_t now_us, uint32_t *requests, uint32_t *failures)
{
    uint64_t now = stretch(rules, now_us);

    *requests = *failures = 0;
    for (unsigned i = 0; i < LBX_HC_BUCKETS; i++) {
        uint64_t b = atomic_load_explicit(&m->bucket[i], memory_order_relaxed);

        if (((now - (b >> (2 * COUNT_BITS))) & STRETCH_MASK) <= WIDTHS) {
            *requests += (uint32_t)(b >> COUNT_BITS & COUNT_MASK);
            *failures += (uint32_t)(b & COUNT_MASK);
        }
    }
}

static int too_many(const struct lbx_hc_eject *rules, struct lbx_hc_member *m, uint64_t now_us)
{
    uint32_t requests, failures;

    lbx_hc_eject_window(rules, m, now_us, &requests, &failures);
    if (rules->form == LBX_HC_EJECT_FAILURES) {
        return failures >= rules->n;
    }
    return requests >= rules->min
           && (uint64_t)failures * 100 >= (uint64_t)rules->percent * requests;
}

enum lbx_hc_event lbx_hc_eject_count(const struct lbx_hc_eject *rules, struct lbx_hc_member *m,
                                     enum lbx_hc_cause cause, int error, uint64_t now_us)
{
    int failed = cause != LBX_HC_C_ANSWERED;
    uint32_t streak = 0;

    if (failed) {
        streak = atomic_fetch_add(&m->streak, 1) + 1;
    } else if (atomic_load_explicit(&m->streak, memory_order_relaxed)) {
        atomic_store(&m->streak, 0);
    }
    if (rules->form == LBX_HC_EJECT_RATIO || (failed && rules->form == LBX_HC_EJECT_FAILURES)) {
        add(rules, m, failed, now_us);
    }
    if (!failed) {
        return LBX_HC_OK;
    }
    switch (rules->form) {
    case LBX_HC_EJECT_OFF:
        return LBX_HC_FAIL;
    case LBX_HC_EJECT_CONSECUTIVE:
        return streak >= rules->n ? LBX_HC_EJECT : LBX_HC_FAIL;
    case LBX_HC_EJECT_DEFAULT:
        return error || streak >= LBX_HC_EJECT_STREAK ? LBX_HC_EJECT : LBX_HC_FAIL;
    default:
        return too_many(rules, m, now_us) ? LBX_HC_EJECT : LBX_HC_FAIL;
    }
}

void lbx_hc_eject_clear(struct lbx_hc_member *m)
{
    atomic_store(&m->streak, 0);
    for (unsigned i = 0; i < LBX_HC_BUCKETS; i++) {
        atomic_store(&m->bucket[i], 0);
    }
}
