/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole days of a balancer under simulated time: requests, probes, outages, by the
 * state table, the rules and the schedule, step by step against a naive model that
 * knows no table.
 *
 *     LBX_DAYS=100 build/test/unit hc_day       longer than the one day of every run
 *
 * What must hold besides: no request reaches a member that is out, and one that is
 * well again is in use within a probe's interval and a second.
 *
 * Not here: the bound code that does the same to httpd's members (scenarios).
 */
#include "unit.h"

#include "lbx_hc_eject.h"
#include "lbx_hc_retry.h"
#include "lbx_slowstart.h"

/* libcheck writes a mark to a file for each of its checks: millions are too many. */
#define HOLD(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            ck_abort_msg("%s", #cond);                                                             \
        }                                                                                          \
    } while (0)

enum { N = 4, STEP_US = 25000, SECOND = 1000000 };

#define DAY_US (86400ull * SECOND)

enum health { WELL, SICK, DEAD }; /* of the server: answers 503; refuses */

/* A member as the code has it. */
struct coded {
    struct lbx_hc_member m;
    int out; /* core's word */
    uint64_t slow_us;
};

/* ... and as a child would have it. */
struct naive {
    int out;
    int forced;
    int suspect;
    int probing;
    uint32_t streak;
    uint32_t tries;
    uint64_t due_us;
    uint64_t back_us;
    uint64_t slow_until_us;
};

struct day {
    struct unit_rng g;
    uint64_t now_us;
    uint64_t retry; /* as in the space */
    struct lbx_hc_eject rules;
    struct lbx_slowstart slow;
    enum health health[N];
    uint64_t turn_us[N]; /* when the server's health changes next */
    uint64_t well_us[N]; /* since when it is well */
    uint64_t probe_ends[N];
    uint64_t delay_us[N]; /* of the probe that is planned */
    struct coded c[N];
    struct naive v[N];
    uint32_t next; /* round robin */
    uint64_t requests, ejections, probes, forced;
};

/* ------------------------------------------------------------------ */
/* The code's way                                                       */

static enum lbx_hc_state state_of(const struct coded *c)
{
    return (enum lbx_hc_state)(c->m.state & 0xff);
}

static int step(struct day *d, int i, enum lbx_hc_event event)
{
    struct coded *c = &d->c[i];
    enum lbx_hc_state from = state_of(c);
    unsigned to = lbx_hc_next(from, event);

    HOLD(to != LBX_HC_IMPOSSIBLE);
    if (to == LBX_HC_REFUSED) {
        return 0;
    }
    c->m.state = to;
    if (lbx_hc_is_news(from, to)) {
        c->m.since_us = d->now_us;
    }
    if (to == LBX_HC_EJECTED && from != LBX_HC_PROBING) {
        c->out = 1;
    } else if (to == LBX_HC_FORCED) {
        c->out = 0;
    } else if (to == LBX_HC_SLOW) {
        lbx_hc_eject_clear(&c->m);
        c->m.back_us = c->slow_us = d->now_us;
        c->m.probe_us = 0;
        c->out = 0;
    }
    return 1;
}

static int code_others(const struct day *d, int but)
{
    int good = 0;

    for (int i = 0; i < N; i++) {
        good += i != but && !d->c[i].out && state_of(&d->c[i]) != LBX_HC_FORCED;
    }
    return good;
}

static void code_request(struct day *d, int i, enum lbx_hc_cause cause, int error)
{
    enum lbx_hc_event event = lbx_hc_eject_count(&d->rules, &d->c[i].m, cause, error, d->now_us);

    if (event != LBX_HC_EJECT) {
        step(d, i, event);
        return;
    }
    if (code_others(d, i)) {
        d->ejections += (uint64_t)step(d, i, event);
    } else if (step(d, i, LBX_HC_NOBODY)) {
        d->forced++;
        for (int k = 0; k < N; k++) {
            if (d->c[k].out) {
                step(d, k, LBX_HC_RECOVERED);
            }
        }
    }
}

static void code_tick(struct day *d, int i, uint32_t random)
{
    struct coded *c = &d->c[i];
    enum lbx_hc_state s = state_of(c);

    if ((s == LBX_HC_EJECTED || s == LBX_HC_FORCED) && !c->m.probe_us) {
        c->m.tries = lbx_hc_retry_begin(c->m.tries, c->m.back_us, c->m.since_us);
        d->delay_us[i] = lbx_hc_retry_delay(d->retry, c->m.tries, random);
        c->m.probe_us = c->m.since_us + d->delay_us[i];
    } else if (s != LBX_HC_EJECTED && s != LBX_HC_FORCED && s != LBX_HC_PROBING) {
        c->m.probe_us = 0;
    }
    if (s == LBX_HC_SLOW && d->now_us >= c->slow_us + d->slow.window_us) {
        step(d, i, LBX_HC_RAMPED);
    }
}

static void code_probed(struct day *d, int i, int passed, uint32_t random)
{
    struct coded *c = &d->c[i];

    if (passed) {
        step(d, i, LBX_HC_PASS);
        return;
    }
    c->m.tries = c->m.tries + (c->m.tries < LBX_HC_RETRY_TRIES_MAX);
    d->delay_us[i] = lbx_hc_retry_delay(d->retry, c->m.tries, random);
    c->m.probe_us = lbx_hc_retry_next(c->m.probe_us, d->delay_us[i], d->now_us);
    step(d, i, LBX_HC_PROBE_FAIL);
}

/* ------------------------------------------------------------------ */
/* The naive way                                                        */

static uint64_t naive_delay(const struct day *d, uint32_t tries, uint32_t random)
{
    static const uint64_t seconds[] = {1, 2, 4, 8, 16, 32};
    uint64_t s = tries < 6 ? seconds[tries] * SECOND : 60ull * SECOND;

    return d->retry ? d->retry - 1 : tries ? s - s / 5 * (random & 0xffff) / 0xffff : 1ull * SECOND;
}

static void naive_request(struct day *d, int i, int failed, int refused)
{
    struct naive *v = &d->v[i];
    int good = 0;

    if (!failed) {
        v->streak = 0;
        v->forced = v->suspect = 0;
        return;
    }
    v->streak++;
    if (!refused && v->streak < 3) {
        v->suspect = !v->slow_until_us && !v->forced;
        return;
    }
    for (int k = 0; k < N; k++) {
        good += k != i && !d->v[k].out && !d->v[k].forced;
    }
    v->suspect = 0;
    if (good) {
        v->out = 1;
        v->forced = 0;
    } else {
        v->forced = 1;
        for (int k = 0; k < N; k++) {
            d->v[k].forced |= d->v[k].out;
            d->v[k].probing &= !d->v[k].out;
            d->v[k].out = 0;
        }
    }
    v->slow_until_us = 0;
}

static void naive_tick(struct day *d, int i, uint32_t random)
{
    struct naive *v = &d->v[i];

    if ((v->out || v->forced) && !v->due_us) {
        int soon = v->back_us && d->now_us <= v->back_us + 10ull * SECOND;

        v->tries = !soon ? 0 : v->tries < 16 ? v->tries + 1 : 16;
        v->due_us = d->now_us + naive_delay(d, v->tries, random);
    } else if (!v->out && !v->forced) {
        v->due_us = 0;
    }
    if (v->slow_until_us && d->now_us >= v->slow_until_us) {
        v->slow_until_us = 0;
    }
}

static void naive_probed(struct day *d, int i, int passed, uint32_t random)
{
    struct naive *v = &d->v[i];

    v->probing = 0;
    if (passed && (v->out || v->forced)) {
        v->out = v->forced = v->suspect = 0;
        v->streak = 0;
        v->due_us = 0;
        v->back_us = d->now_us;
        v->slow_until_us = d->now_us + d->slow.window_us;
    } else if (!passed) {
        uint64_t delay;

        v->tries += v->tries < 16;
        delay = naive_delay(d, v->tries, random);
        v->due_us =
            v->due_us && v->due_us + delay > d->now_us ? v->due_us + delay : d->now_us + delay;
    }
}

/* ------------------------------------------------------------------ */
/* The world                                                            */

static void turn_of_fate(struct day *d, int i)
{
    if (d->now_us < d->turn_us[i]) {
        return;
    }
    if (d->health[i] == WELL) {
        d->health[i] = unit_below(&d->g, 3) ? DEAD : SICK;
        d->turn_us[i] = d->now_us + unit_between(&d->g, 100, 200000) * 1000ull;
    } else {
        d->health[i] = WELL;
        d->well_us[i] = d->now_us;
        d->turn_us[i] = d->now_us + unit_between(&d->g, 1000, 900000) * 1000ull;
    }
}

static int pick(struct day *d)
{
    for (int k = 0; k < N; k++) {
        int i = (int)(d->next++ % N);

        HOLD(d->c[i].out == d->v[i].out);
        if (!d->c[i].out) {
            return i;
        }
    }
    return -1;
}

static void request(struct day *d)
{
    int i = pick(d);
    int refused, failed;

    HOLD(i >= 0); /* forcerecovery: somebody always is there */
    HOLD(!lbx_hc_is_out(state_of(&d->c[i])));
    refused = d->health[i] == DEAD;
    failed = d->health[i] != WELL;
    d->requests++;
    code_request(d, i,
                 refused  ? LBX_HC_C_CONNECT
                 : failed ? LBX_HC_C_STATUS
                          : LBX_HC_C_ANSWERED,
                 refused);
    naive_request(d, i, failed, refused);
}

/* A probe takes a while, and tells how the server was when it began: a sick one
 * accepts connections. */
static void probe(struct day *d, int i, uint32_t random)
{
    struct coded *c = &d->c[i];

    if (d->probe_ends[i]) {
        if (d->now_us < d->probe_ends[i]) {
            return;
        }
        code_probed(d, i, d->health[i] != DEAD, random);
        naive_probed(d, i, d->health[i] != DEAD, random);
        d->probe_ends[i] = 0;
    } else if (c->m.probe_us && d->now_us >= c->m.probe_us) {
        if (state_of(c) == LBX_HC_EJECTED) {
            step(d, i, LBX_HC_PROBE);
            d->v[i].probing = 1;
        }
        d->probes++;
        d->probe_ends[i] = d->now_us + unit_below(&d->g, 500000);
    }
}

static void compare(const struct day *d, int i)
{
    const struct coded *c = &d->c[i];
    const struct naive *v = &d->v[i];
    enum lbx_hc_state s = state_of(c);
    enum lbx_hc_state want = v->out             ? (v->probing ? LBX_HC_PROBING : LBX_HC_EJECTED)
                             : v->forced        ? LBX_HC_FORCED
                             : v->slow_until_us ? LBX_HC_SLOW
                             : v->suspect       ? LBX_HC_SUSPECT
                                                : LBX_HC_UP;

    if (s != want) {
        ck_abort_msg("at %" PRIu64 " member %d is %s, not %s", d->now_us, i, lbx_hc_state_name(s),
                     lbx_hc_state_name(want));
    }
    HOLD(c->m.probe_us == v->due_us);
    HOLD(c->m.streak == v->streak);
    HOLD(c->out == v->out);
    /* within an interval and a second of its return it is back */
    if (d->health[i] == WELL && c->out) {
        HOLD(d->now_us <= d->well_us[i] + d->delay_us[i] + SECOND);
    }
}

static void play(struct day *d, uint64_t until_us)
{
    while (d->now_us < until_us) {
        for (int i = 0; i < N; i++) {
            uint32_t random = (uint32_t)unit_rand(&d->g);

            turn_of_fate(d, i);
            probe(d, i, random);
            code_tick(d, i, random);
            naive_tick(d, i, random);
            compare(d, i);
        }
        if (!unit_below(&d->g, 4)) {
            request(d);
            for (int i = 0; i < N; i++) {
                uint32_t random = (uint32_t)unit_rand(&d->g);

                code_tick(d, i, random);
                naive_tick(d, i, random);
                compare(d, i);
            }
        }
        d->now_us += STEP_US;
    }
}

static void whole_days(uint64_t retry_us, struct unit_rng g)
{
    const char *days = getenv("LBX_DAYS");
    static struct day d;

    d = (struct day){.g = g, .now_us = 1700000000ull * SECOND};
    d.retry = retry_us ? retry_us + 1 : 0;
    d.slow = (struct lbx_slowstart){30 * SECOND, 100, LBX_RAMP_FULL / 10};
    for (int i = 0; i < N; i++) {
        d.c[i].m.retry = d.retry;
        d.turn_us[i] = d.now_us + unit_below(&d.g, 60) * (uint64_t)SECOND;
    }
    play(&d, d.now_us + (days ? strtoull(days, NULL, 10) : 1) * DAY_US / 2);
    /* the day was worth it */
    ck_assert_uint_gt(d.requests, 400000);
    ck_assert_uint_gt(d.ejections, 50);
    ck_assert_uint_gt(d.probes, 100);
}

START_TEST(half_a_day_backing_off)
{
    whole_days(0, UNIT_RNG());
}
END_TEST

START_TEST(half_a_day_to_the_letter)
{
    whole_days(30ull * SECOND, UNIT_RNG());
}
END_TEST

TCase *case_hc_day(void)
{
    TCase *tc = tcase_create("hc_day");

    tcase_add_test(tc, half_a_day_backing_off);
    tcase_add_test(tc, half_a_day_to_the_letter);
    return tc;
}
