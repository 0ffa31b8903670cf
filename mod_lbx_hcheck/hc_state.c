/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a member's state.  See hc_state.h.
 *
 * Bound.
 */
#include "hc_state.h"

#include "lbx_hc_eject.h"
#include "lbx_slowstart.h"

APLOG_USE_MODULE(lbx_hcheck);

static APR_OPTIONAL_FN_TYPE(lbx_health_set) * health_set;
static APR_OPTIONAL_FN_TYPE(lbx_error_set) * error_set;
static APR_OPTIONAL_FN_TYPE(lbx_space_of_set) * space_of_set;
static APR_OPTIONAL_FN_TYPE(lbx_space_of_member) * space_of_member;
static APR_OPTIONAL_FN_TYPE(lbx_event_add) * event_add;

void hc_state_boot_bind(void)
{
    health_set = APR_RETRIEVE_OPTIONAL_FN(lbx_health_set);
    error_set = APR_RETRIEVE_OPTIONAL_FN(lbx_error_set);
    space_of_set = APR_RETRIEVE_OPTIONAL_FN(lbx_space_of_set);
    space_of_member = APR_RETRIEVE_OPTIONAL_FN(lbx_space_of_member);
    event_add = APR_RETRIEVE_OPTIONAL_FN(lbx_event_add);
}

struct lbx_hc_member *hc_state_space(struct lbx_ref member)
{
    return space_of_member ? space_of_member(member, LBX_SPACE_HCHECK) : NULL;
}

struct lbx_hc_set *hc_state_set_space(struct lbx_ref set)
{
    return space_of_set ? space_of_set(set, LBX_SPACE_HCHECK) : NULL;
}

int hc_state_hold(struct lbx_ref member, uint64_t at_us)
{
    return error_set ? error_set(member, at_us, at_us != 0) : 0;
}

void hc_state_ramp(const struct hc_who *who, uint32_t ramp)
{
    if (health_set && hc_state_of(who->space) != LBX_HC_DOWN) {
        atomic_store(&who->space->ramp, ramp);
        health_set(who->member, 0, ramp);
    }
}

void hc_state_slow(const struct lbx_hc_member *space, struct lbx_slowstart *out)
{
    out->window_us = atomic_load(&space->slow_window_us);
    out->aggression = atomic_load(&space->slow_aggression);
    out->minimum = atomic_load(&space->slow_minimum);
}

/* ------------------------------------------------------------------ */
/* What follows                                                         */

/* It is let in by a check or by the operator. */
static void let_in(const struct hc_who *who, enum lbx_hc_state to, uint64_t now_us)
{
    struct lbx_hc_member *space = who->space;
    struct lbx_slowstart slow;
    uint32_t ramp = LBX_RAMP_FULL;

    hc_state_slow(space, &slow);
    if (to == LBX_HC_SLOW) {
        ramp = lbx_slowstart_ramp(&slow, 0);
    }
    lbx_hc_eject_clear(space);
    atomic_store(&space->slow_us, now_us);
    atomic_store(&space->back_us, now_us);
    atomic_store(&space->probe_us, 0);
    hc_state_ramp(who, ramp);
    hc_state_hold(who->member, 0);
}

static void follow(const struct hc_who *who, enum lbx_hc_state from, enum lbx_hc_state to,
                   uint64_t now_us)
{
    switch (to) {
    case LBX_HC_EJECTED:
        if (from != LBX_HC_PROBING) {
            atomic_fetch_add(&who->space->ejected, 1);
            hc_state_hold(who->member, now_us);
        }
        break;
    case LBX_HC_DOWN:
        atomic_store(&who->space->ramp, LBX_RAMP_FULL);
        if (health_set) {
            health_set(who->member, LBX_HEALTH_FAILED, LBX_RAMP_FULL);
        }
        hc_state_hold(who->member, 0);
        break;
    case LBX_HC_FORCED:
        if (lbx_hc_is_out(from)) {
            hc_state_hold(who->member, 0);
        }
        break;
    case LBX_HC_SLOW:
        let_in(who, to, now_us);
        break;
    case LBX_HC_UP:
        if (lbx_hc_is_out(from)) {
            let_in(who, to, now_us);
        } else if (from == LBX_HC_SLOW) {
            hc_state_ramp(who, LBX_RAMP_FULL);
        }
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ */
/* What is said                                                         */

/* kind: for lbx_event.kind; words: what happened. */
static const struct {
    const char *kind;
    const char *words;
} news[LBX_HC_STATE_N] = {
    [LBX_HC_UP] = {"up", "is up"},
    [LBX_HC_SUSPECT] = {"up", "is up"},
    [LBX_HC_EJECTED] = {"ejected", "is ejected"},
    [LBX_HC_PROBING] = {"ejected", "is ejected"},
    [LBX_HC_SLOW] = {"up", "is up and starts slowly"},
    [LBX_HC_DOWN] = {"down", "is down"},
    [LBX_HC_FORCED] = {"forced", "stays in use although it fails"},
};

static void say(const struct hc_who *who, enum lbx_hc_state from, enum lbx_hc_state to,
                enum lbx_hc_cause cause, unsigned status, const char *detail, uint64_t now_us)
{
    const char *words = news[to].words;
    struct lbx_event e = {.at_us = now_us};
    char code[16] = "";

    if (to == LBX_HC_UP && from == LBX_HC_SLOW) {
        words = "has its whole weight again";
    } else if (to == LBX_HC_SLOW && !atomic_load(&who->space->slow_window_us)) {
        words = news[LBX_HC_UP].words;
    }
    if (status) {
        apr_snprintf(code, sizeof(code), " %u", status);
    }
    apr_snprintf(e.text, sizeof(e.text), "%s (was %s)%s%s%s%s%s", words, lbx_hc_state_name(from),
                 cause || *detail ? ": " : "", lbx_hc_cause_name(cause), code,
                 cause && *detail ? ", " : "", detail);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, who->server, LBXNO(0420) "%s: member %s %s",
                 who->balancer, who->name, e.text);
    if (event_add) {
        apr_cpystrn(e.kind, news[to].kind, sizeof(e.kind));
        apr_cpystrn(e.who, "health", sizeof(e.who));
        apr_cpystrn(e.balancer, who->balancer, sizeof(e.balancer));
        apr_cpystrn(e.member, who->name, sizeof(e.member));
        event_add(&e);
    }
}

/* ------------------------------------------------------------------ */
/* The change                                                           */

/* The new state word, or 0 when the event changes nothing. */
static int change(struct lbx_hc_member *space, enum lbx_hc_event event, enum lbx_hc_state *from,
                  enum lbx_hc_state *to)
{
    uint32_t before = atomic_load(&space->state), after;

    do {
        unsigned cell = lbx_hc_next((enum lbx_hc_state)(before & 0xff), event);

        *from = (enum lbx_hc_state)(before & 0xff);
        if (cell == LBX_HC_IMPOSSIBLE) {
            return -1;
        }
        if (cell == LBX_HC_REFUSED) {
            return 0;
        }
        *to = (enum lbx_hc_state)cell;
        after = ((before & ~0xffu) + 0x100) | cell;
    } while (!atomic_compare_exchange_weak(&space->state, &before, after));
    return 1;
}

void hc_state_again(const struct hc_who *who, uint64_t now_us)
{
    follow(who, LBX_HC_PROBING, hc_state_of(who->space), now_us);
}

int hc_state_step(const struct hc_who *who, enum lbx_hc_event event, enum lbx_hc_cause cause,
                  unsigned status, const char *detail, uint64_t now_us)
{
    enum lbx_hc_state from, to;
    int changed = change(who->space, event, &from, &to);

    if (changed < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, who->server,
                     LBXNO(0421) "%s: member %s is %s, '%s' cannot happen to it: please report "
                                 "this",
                     who->balancer, who->name, lbx_hc_state_name(from), lbx_hc_event_name(event));
        return 0;
    }
    if (!changed) {
        return 0;
    }
    if (lbx_hc_is_news(from, to)) {
        atomic_store(&who->space->cause, (uint32_t)cause | status << 8);
        atomic_store(&who->space->since_us, now_us);
    }
    follow(who, from, to, now_us);
    if (lbx_hc_is_news(from, to)) {
        say(who, from, to, cause, status, detail, now_us);
    }
    if (to == LBX_HC_SLOW && !atomic_load(&who->space->slow_window_us)) {
        change(who->space, LBX_HC_RAMPED, &from, &to); /* no slow start: not worth a word */
    }
    return 1;
}
