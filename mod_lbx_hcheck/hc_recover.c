/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How members come back.  See hc_recover.h.
 *
 * Everything that has to outlive this process stands in the members' spaces.
 *
 * Bound.
 */
#include "hc_recover.h"

#include "hc_outlier.h"
#include "hc_passive.h"
#include "lbx_hc_retry.h"

APLOG_USE_MODULE(lbx_hcheck);

static APR_OPTIONAL_FN_TYPE(lbx_members_each) * members_each;
static APR_OPTIONAL_FN_TYPE(lbx_panic_set) * panic_set;
static APR_OPTIONAL_FN_TYPE(lbx_snapshot) * snapshot;
static APR_OPTIONAL_FN_TYPE(lbx_event_add) * event_add;

/* Whoever ejects a member writes core's word first and ours then: so long we wait
 * before we take a difference for somebody's will. */
enum {
    GRACE_US = 500000,
    EACH_US = 100,
    OUT_OF_SERVICE = LBX_ADMIN_STOPPED | LBX_ADMIN_DISABLED | LBX_ADMIN_SHUTDOWN
};

void hc_recover_boot_bind(void)
{
    members_each = APR_RETRIEVE_OPTIONAL_FN(lbx_members_each);
    panic_set = APR_RETRIEVE_OPTIONAL_FN(lbx_panic_set);
    snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    event_add = APR_RETRIEVE_OPTIONAL_FN(lbx_event_add);
}

static uint32_t random_bits(void)
{
    uint32_t bits;

    ap_random_insecure_bytes(&bits, sizeof(bits));
    return bits;
}

/* ------------------------------------------------------------------ */
/* Probes                                                               */

static int wants_probes(enum lbx_hc_state state)
{
    return state == LBX_HC_EJECTED || state == LBX_HC_PROBING || state == LBX_HC_FORCED;
}

int hc_recover_due(const struct lbx_hc_member *space, uint32_t admin, uint64_t now_us)
{
    uint64_t due = atomic_load(&space->probe_us);

    return due && now_us >= due && !(admin & LBX_ADMIN_STOPPED) && wants_probes(hc_state_of(space));
}

/* Did connections fail that requests asked for, not answers? */
static int had_no_connection(const struct lbx_hc_member *space)
{
    enum lbx_hc_cause cause = (enum lbx_hc_cause)(atomic_load(&space->cause) & 0xff);

    return cause == LBX_HC_C_CONNECT || cause == LBX_HC_C_TLS;
}

int hc_recover_needs_answer(const struct lbx_hc_member *space)
{
    const struct lbx_hc_checked *last = &space->checked;
    enum lbx_hc_state state = hc_state_of(space);

    if (state == LBX_HC_DOWN) {
        return atomic_load(&space->owes) != 0;
    }
    if (!wants_probes(state)) {
        return 0;
    }
    if (had_no_connection(space)) {
        /* hanging for so long that the system's queue was full */
        return last->cause == LBX_HC_C_TIMEOUT
               && atomic_load(&last->at_us) > atomic_load(&space->since_us);
    }
    return 1;
}

void hc_recover_watch_failed(struct lbx_hc_member *space, enum lbx_hc_cause cause)
{
    enum lbx_hc_state state = hc_state_of(space);

    if (cause == LBX_HC_C_CONNECT) { /* the process that hung is not there any more */
        atomic_store(&space->owes, 0);
    } else if (state != LBX_HC_DOWN) {
        atomic_store(&space->owes, wants_probes(state) && !had_no_connection(space));
    }
}

void hc_recover_watch_begin(const struct hc_who *who, uint64_t now_us)
{
    if (hc_state_of(who->space) == LBX_HC_EJECTED) {
        hc_state_step(who, LBX_HC_PROBE, LBX_HC_C_NONE, 0, "", now_us);
    }
}

/* The first probe of a member that has just gone out. */
static void plan_first(struct lbx_hc_member *space, uint64_t now_us)
{
    uint64_t since = atomic_load(&space->since_us);
    uint64_t until = atomic_load(&space->outlier_until_us);
    uint32_t tries =
        lbx_hc_retry_begin(atomic_load(&space->tries), atomic_load(&space->back_us), since);
    uint64_t due = since + lbx_hc_retry_delay(atomic_load(&space->retry), tries, random_bits());

    if (since > now_us) {
        due = now_us; /* the clock was set back */
    }
    atomic_store(&space->tries, tries);
    atomic_store(&space->probe_us, due < until ? until : due);
}

static void plan_next(struct lbx_hc_member *space, uint64_t now_us)
{
    uint32_t tries = atomic_load(&space->tries);
    uint64_t delay;

    tries += tries < LBX_HC_RETRY_TRIES_MAX;
    delay = lbx_hc_retry_delay(atomic_load(&space->retry), tries, random_bits());
    atomic_store(&space->tries, tries);
    atomic_store(&space->probe_us, lbx_hc_retry_next(atomic_load(&space->probe_us), delay, now_us));
}

void hc_recover_watch_probed(const struct hc_who *who, int passed, enum lbx_hc_cause cause,
                             unsigned status, const char *detail, uint64_t now_us)
{
    struct lbx_hc_member *space = who->space;

    if (passed) {
        hc_state_step(who, LBX_HC_PASS, LBX_HC_C_PASSED, status, detail, now_us);
        return;
    }
    plan_next(space, now_us);
    hc_state_step(who, LBX_HC_PROBE_FAIL, cause, status, detail, now_us);
}

/* ------------------------------------------------------------------ */
/* One member                                                           */

struct round {
    const struct hc_rules *rules;
    struct lbx_hc_set *set;
    uint64_t now_us;
    uint32_t fastest; /* share of the usable member that is furthest */
    int added;        /* members were, since the balancer was met */
    int slow;         /* somebody starts slowly */
};

static void who_is(struct hc_who *who, const struct round *round, const char *name,
                   const struct lbx_member_view *v)
{
    *who = (struct hc_who){.server = round->rules->server,
                           .set = round->rules->set,
                           .member = v->ref,
                           .balancer = round->rules->balancer,
                           .name = name,
                           .space = hc_state_space(v->ref)};
}

static int has_slow_start(const struct lbx_hc_member *space)
{
    return atomic_load(&space->slow_window_us) != 0;
}

/* First sight of a record.  That of a member which was added later has to wait until
 * its settings are there. */
static int is_new(struct round *round, const struct hc_who *who)
{
    if (atomic_load(&who->space->known) == LBX_HC_SPACE_VERSION) {
        return 0;
    }
    round->added = 1;
    return 1;
}

/* Core has it out, by the stock's rule (before this module was loaded) or by ours. */
static int keeps_out(const struct lbx_member_view *v, uint64_t now_us)
{
    return v->error_at_us && !(v->run.admin & LBX_ADMIN_IGNORE_ERRORS)
           && (v->held || now_us < v->error_at_us + v->retry_us);
}

/* Core's words say what happened to requests; ours follow.  They differ when a
 * process was killed, when members were let in by force, or when they began with an
 * error or a failed check by the file. */
static void reconcile(const struct round *round, const struct hc_who *who,
                      const struct lbx_member_view *v)
{
    enum lbx_hc_state state = hc_state_of(who->space);
    int is_old = round->now_us > atomic_load(&who->space->since_us) + GRACE_US;

    if (v->health & LBX_HEALTH_FAILED && state != LBX_HC_DOWN) {
        hc_state_step(who, LBX_HC_CHECK_DOWN, LBX_HC_C_INITIAL, 0, "", round->now_us);
    } else if (state == LBX_HC_DOWN && !(v->health & LBX_HEALTH_FAILED) && is_old) {
        hc_state_again(who, round->now_us);
    } else if (keeps_out(v, round->now_us) && !lbx_hc_is_out(state)
               && round->now_us > v->error_at_us + GRACE_US) {
        hc_state_step(who, LBX_HC_EJECT, LBX_HC_C_OTHER, 0, "", round->now_us);
    } else if (!v->error_at_us && is_old && (state == LBX_HC_EJECTED || state == LBX_HC_PROBING)) {
        hc_state_step(who, LBX_HC_RECOVERED, LBX_HC_C_NOBODY, 0, "forced recovery", round->now_us);
    }
}

/* Out of service by the operator, and back. */
static void follow_operator(const struct round *round, const struct hc_who *who, uint32_t admin)
{
    struct lbx_hc_member *space = who->space;
    uint32_t off = (admin & OUT_OF_SERVICE) != 0;

    if (atomic_load(&space->was_off) == off) {
        return;
    }
    atomic_store(&space->was_off, off);
    if (off) {
        return;
    }
    if (has_slow_start(space)) {
        hc_state_step(who, LBX_HC_NEWCOMER, LBX_HC_C_OPERATOR, 0, "back in service", round->now_us);
    }
    if (atomic_load(&space->probe_us)) {
        atomic_store(&space->probe_us, round->now_us);
    }
}

static void plan(const struct round *round, const struct hc_who *who)
{
    struct lbx_hc_member *space = who->space;
    enum lbx_hc_state state = hc_state_of(space);
    int wanted = wants_probes(state);

    if (!wanted && state != LBX_HC_DOWN && atomic_load(&space->owes)) {
        atomic_store(&space->owes, 0); /* it is in */
    }
    if (wanted != (atomic_load(&space->probe_us) != 0)) {
        if (wanted) {
            plan_first(space, round->now_us);
        } else {
            atomic_store(&space->probe_us, 0);
        }
    }
}

/* Its share by its own clock; 0: it takes no requests. */
static uint32_t own_share(const struct round *round, const struct hc_who *who,
                          const struct lbx_member_view *v)
{
    struct lbx_slowstart slow;
    uint64_t since = atomic_load(&who->space->slow_us);

    if (v->retired || v->run.admin & (OUT_OF_SERVICE | LBX_ADMIN_DRAIN) || v->error_at_us
        || v->health & LBX_HEALTH_FAILED) {
        return 0;
    }
    if (hc_state_of(who->space) != LBX_HC_SLOW) {
        return LBX_RAMP_FULL;
    }
    hc_state_slow(who->space, &slow);
    return lbx_slowstart_ramp(&slow, round->now_us > since ? round->now_us - since : 0);
}

static int look_at(void *baton, uint32_t index, const char *name, const struct lbx_member_view *v)
{
    struct round *round = baton;
    struct hc_who who;
    uint32_t share;

    (void)index;
    who_is(&who, round, name, v);
    if (!who.space || v->retired) {
        return 1;
    }
    if (is_new(round, &who)) {
        return 1;
    }
    reconcile(round, &who, v);
    follow_operator(round, &who, v->run.admin);
    plan(round, &who);
    round->slow |= hc_state_of(who.space) == LBX_HC_SLOW;
    share = own_share(round, &who, v);
    if (share > round->fastest) {
        round->fastest = share;
    }
    return 1;
}

/* Members that were added since the balancer was seen first: their settings, and a
 * slow start. */
static void welcome(const struct round *round)
{
    const apr_array_header_t *sets;
    apr_pool_t *p;

    if (!snapshot || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    sets = snapshot(p, round->rules->server);
    for (int i = 0; i < sets->nelts; i++) {
        const struct lbx_set_info *set = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);

        for (uint32_t k = 0; set->ref.slot == round->rules->set.slot && k < set->n; k++) {
            struct hc_who who;

            who_is(&who, round, set->member[k].name, &set->member[k].view);
            if (!who.space
                || atomic_exchange(&who.space->known, LBX_HC_SPACE_VERSION)
                       == LBX_HC_SPACE_VERSION) {
                continue;
            }
            hc_rules_settle(round->rules, &set->member[k]);
            if (has_slow_start(who.space)) {
                hc_state_step(&who, LBX_HC_NEWCOMER, LBX_HC_C_NONE, 0, "new member", round->now_us);
            }
        }
    }
    apr_pool_destroy(p);
}

/* ------------------------------------------------------------------ */
/* Slow start                                                           */

/* After the round of looking: how far the others are is known now. */
static int ramp_up(void *baton, uint32_t index, const char *name, const struct lbx_member_view *v)
{
    struct round *round = baton;
    struct lbx_slowstart slow;
    struct hc_who who;
    uint32_t ramp;

    (void)index;
    who_is(&who, round, name, v);
    if (!who.space || v->retired || hc_state_of(who.space) != LBX_HC_SLOW) {
        return 1;
    }
    hc_state_slow(who.space, &slow);
    if (round->now_us >= atomic_load(&who.space->slow_us) + slow.window_us) {
        hc_state_step(&who, LBX_HC_RAMPED, LBX_HC_C_NONE, 0, "", round->now_us);
        return 1;
    }
    ramp = own_share(round, &who, v);
    if (!ramp) {
        return 1;
    }
    ramp = lbx_slowstart_relative(ramp, round->fastest);
    if (ramp != atomic_load(&who.space->ramp) || ramp != v->ramp) {
        hc_state_ramp(&who, ramp);
    }
    return 1;
}

/* ------------------------------------------------------------------ */
/* Panic                                                                */

static void say_panic(const struct hc_rules *rules, const struct hc_census *c, int on,
                      uint64_t now_us)
{
    struct lbx_event e = {.at_us = now_us};

    apr_snprintf(e.text, sizeof(e.text),
                 on ? "panic: %u of %u members are usable, verdicts are ignored (LBXPanic %u%%)"
                    : "the panic is over: %u of %u members are usable (LBXPanic %u%%)",
                 c->usable, c->serving, rules->panic);
    ap_log_error(APLOG_MARK, on ? APLOG_WARNING : APLOG_NOTICE, 0, rules->server,
                 LBXNO(0422) "%s: %s", rules->balancer, e.text);
    if (event_add) {
        apr_cpystrn(e.kind, "panic", sizeof(e.kind));
        apr_cpystrn(e.who, "health", sizeof(e.who));
        apr_cpystrn(e.balancer, rules->balancer, sizeof(e.balancer));
        event_add(&e);
    }
}

static void mind_panic(const struct hc_rules *rules, struct lbx_hc_set *set, uint64_t now_us)
{
    uint32_t was = atomic_load(&set->panic), is;
    struct hc_census c;

    if (!rules->panic && !was) {
        return;
    }
    hc_passive_count(rules, (struct lbx_ref){0, 0}, &c);
    is = rules->panic && c.serving && (uint64_t)c.usable * 100 < (uint64_t)rules->panic * c.serving;
    if (panic_set) {
        panic_set(rules->set, (int)is); /* again and again: core may have forgotten */
    }
    if (is != was) {
        atomic_store(&set->panic, is);
        atomic_store(&set->panic_us, now_us);
        say_panic(rules, &c, (int)is, now_us);
    }
}

/* ------------------------------------------------------------------ */
/* All of them                                                          */

/* Is it the balancer's turn?  A look at a member takes about a microsecond: large
 * balancers are looked at less often, 10,000 members every second. */
static int is_its_turn(const struct hc_rules *rules, struct lbx_hc_set *set, uint64_t now_us)
{
    uint64_t looked = atomic_load(&set->looked_us);

    if (looked <= now_us && now_us < looked + EACH_US * rules->n) {
        return 0;
    }
    atomic_store(&set->looked_us, now_us);
    return 1;
}

void hc_recover_watch_tick(uint64_t now_us)
{
    for (unsigned i = 0; members_each && i < hc_rules_count(); i++) {
        const struct hc_rules *rules = hc_rules_at(i);
        struct round round = {
            .rules = rules, .set = hc_state_set_space(rules->set), .now_us = now_us};

        if (!round.set || !is_its_turn(rules, round.set, now_us)) {
            continue; /* no longer configured: an old process; or looked at just now */
        }
        members_each(rules->set, look_at, &round);
        if (round.added) {
            welcome(&round);
        }
        if (round.slow) {
            members_each(rules->set, ramp_up, &round);
        }
        mind_panic(rules, round.set, now_us);
        hc_outlier_watch(rules, round.set, now_us);
    }
}
