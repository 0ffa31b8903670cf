/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passive verdicts.  See hc_passive.h.
 *
 * A member is out when core's record says so: who sets that word first has
 * ejected it.  Our state follows, and if this process is killed in between, the
 * process that checks makes it follow.
 *
 * Bound.
 */
#include "hc_passive.h"

#include "lbx_hc_retry.h"

APLOG_USE_MODULE(lbx_hcheck);

static APR_OPTIONAL_FN_TYPE(lbx_members_each) * members_each;

void hc_passive_boot_bind(void)
{
    members_each = APR_RETRIEVE_OPTIONAL_FN(lbx_members_each);
}

/* ------------------------------------------------------------------ */
/* The others                                                           */

enum { OUT_OF_SERVICE = LBX_ADMIN_STOPPED | LBX_ADMIN_DISABLED | LBX_ADMIN_SHUTDOWN };

static int same(struct lbx_ref a, struct lbx_ref b)
{
    return a.slot == b.slot && a.revision == b.revision;
}

static int count_member(void *baton, uint32_t index, const char *name,
                        const struct lbx_member_view *v)
{
    struct hc_census *c = baton;
    const struct lbx_hc_member *space = hc_state_space(v->ref);
    int is_but = same(v->ref, c->but);

    (void)index, (void)name;
    if (v->retired || !space) {
        return 1;
    }
    c->n++;
    if (is_but) {
        c->out_us = v->error_at_us;
    }
    c->ejected += v->error_at_us && v->held;
    if (v->run.admin & OUT_OF_SERVICE) {
        return 1;
    }
    c->serving++;
    if (v->health & LBX_HEALTH_FAILED || v->error_at_us) {
        return 1;
    }
    c->usable++;
    c->good += !is_but && !(v->run.admin & LBX_ADMIN_DRAIN) && hc_state_of(space) != LBX_HC_FORCED
               && !lbx_hc_is_out(hc_state_of(space));
    return 1;
}

void hc_passive_count(const struct hc_rules *rules, struct lbx_ref but, struct hc_census *out)
{
    *out = (struct hc_census){.but = but};
    if (members_each) {
        members_each(rules->set, count_member, out);
    }
}

struct release {
    const struct hc_rules *rules;
    uint64_t now_us;
};

static int release_member(void *baton, uint32_t index, const char *name,
                          const struct lbx_member_view *v)
{
    const struct release *rel = baton;
    struct hc_who who = {.server = rel->rules->server,
                         .set = rel->rules->set,
                         .member = v->ref,
                         .balancer = rel->rules->balancer,
                         .name = name,
                         .space = hc_state_space(v->ref)};

    (void)index;
    if (who.space && v->error_at_us && v->held) {
        hc_state_step(&who, LBX_HC_RECOVERED, LBX_HC_C_NOBODY, 0, "", rel->now_us);
    }
    return 1;
}

/* Nobody is left but members that fail: the one that still serves goes on, and as
 * core's forcerecovery= would have it, the others are tried again, too. */
static void nobody_left(const struct hc_rules *rules, const struct hc_who *who,
                        enum lbx_hc_cause cause, unsigned status, const char *detail,
                        uint64_t now_us)
{
    struct release rel = {rules, now_us};

    if (hc_state_step(who, LBX_HC_NOBODY, cause, status, detail, now_us)) {
        members_each(rules->set, release_member, &rel);
    }
}

/* ------------------------------------------------------------------ */
/* Out                                                                  */

/* No more than LBXMaxEjected, although others may be at it in this moment. */
static int claim(const struct hc_rules *rules, const struct hc_who *who, uint64_t now_us)
{
    struct hc_census c;

    if (!hc_state_hold(who->member, now_us)) {
        return 0; /* somebody else was first */
    }
    hc_passive_count(rules, who->member, &c);
    if (lbx_hc_eject_allowed(rules->max_ejected, c.n, c.ejected - (c.ejected > 0))) {
        return 1;
    }
    hc_state_hold(who->member, 0);
    return 0;
}

int hc_passive_eject(const struct hc_rules *rules, const struct hc_who *who,
                     enum lbx_hc_cause cause, unsigned status, const char *detail, int sure,
                     uint64_t now_us)
{
    int forced = hc_state_of(who->space) == LBX_HC_FORCED;
    struct hc_census c;

    hc_passive_count(rules, who->member, &c);
    if (c.out_us) {
        return 0;
    }
    if (!c.good && rules->forcerecovery && (!sure || forced)) {
        if (!forced) {
            nobody_left(rules, who, cause, status, detail, now_us);
        }
        return 0;
    }
    if (!lbx_hc_eject_allowed(rules->max_ejected, c.n, c.ejected)) {
        hc_state_step(who, LBX_HC_FAIL, cause, status, detail, now_us);
        return 0;
    }
    if (!claim(rules, who, now_us)) {
        return 0;
    }
    hc_state_step(who, LBX_HC_EJECT, cause, status, detail, now_us);
    return 1;
}

/* ------------------------------------------------------------------ */
/* One attempt                                                          */

/* retry=0: whoever says so wants the member asked at once, always. */
static int never_out(const struct lbx_hc_member *space)
{
    return atomic_load_explicit(&space->retry, memory_order_relaxed) == 1;
}

static void judge(const struct hc_rules *rules, const struct hc_who *who, struct lbx_report *report)
{
    uint64_t retry = atomic_load_explicit(&who->space->retry, memory_order_relaxed);
    enum lbx_hc_cause cause = report->forced
                                  ? LBX_HC_C_FORCED
                                  : lbx_hc_eject_cause(&rules->eject, report->outcome,
                                                       (unsigned)report->status, report->error);
    enum lbx_hc_event event = LBX_HC_EJECT;
    const char *detail = report->forced ? report->forced : report->cause;
    unsigned status = cause == LBX_HC_C_STATUS ? (unsigned)report->status : 0;

    if (cause == LBX_HC_C_NONE) {
        return;
    }
    if (!report->forced) {
        event =
            lbx_hc_eject_count(&rules->eject, who->space, cause, report->error, report->ended_us);
    }
    if (event == LBX_HC_OK) {
        if (hc_state_of(who->space) != LBX_HC_UP) {
            hc_state_step(who, event, cause, 0, "", report->ended_us);
        }
    } else if (event == LBX_HC_FAIL || never_out(who->space)) {
        hc_state_step(who, LBX_HC_FAIL, cause, status, detail ? detail : "", report->ended_us);
    } else {
        report->out = hc_passive_eject(rules, who, cause, status, detail ? detail : "",
                                       report->forced != NULL, report->ended_us);
        report->out_s =
            (unsigned long)((retry ? retry - 1 : LBX_HC_RETRY_FIRST_US) / APR_USEC_PER_SEC);
    }
}

int hc_passive_req_outcome(struct lbx_report *report)
{
    const struct hc_rules *rules = hc_rules_of(report->set);
    struct hc_who who = {.server = report->r->server,
                         .set = report->set,
                         .member = report->member,
                         .balancer = report->balancer,
                         .name = report->name};

    who.space = rules ? hc_state_space(report->member) : NULL;
    if (!who.space) {
        return DECLINED; /* a process older than the configuration: the stock's rule */
    }
    if (!report->ignore_errors) {
        judge(rules, &who, report);
    }
    return DONE;
}
