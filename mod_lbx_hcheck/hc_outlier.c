/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outliers of an interval.  See hc_outlier.h.
 *
 * Core counts requests; what it had counted when the interval began stands in the
 * members' spaces.
 *
 * Bound.
 */
#include "hc_outlier.h"

#include "hc_passive.h"

APLOG_USE_MODULE(lbx_hcheck);

/* What a member has done since its record was made. */
static void total(const struct lbx_tally *t, struct lbx_outlier_in *sum)
{
    static const enum lbx_outcome bad[] = {LBX_OUT_CONNECT, LBX_OUT_RESET, LBX_OUT_TIMEOUT,
                                           LBX_OUT_FAILED, LBX_OUT_CUT};

    *sum = (struct lbx_outlier_in){.failed = t->status[5], .latency_us = t->latency_us};
    sum->requests = t->outcome[LBX_OUT_ANSWERED] + t->outcome[LBX_OUT_STATUS];
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sum->requests += t->outcome[bad[i]];
        sum->failed += t->outcome[bad[i]];
    }
    for (unsigned i = 0; i < LBX_LATENCY_N; i++) {
        sum->heads += t->latency[i];
    }
}

static uint64_t since(_Atomic uint64_t *seen, uint64_t now)
{
    uint64_t before = atomic_exchange(seen, now);

    return now > before ? now - before : 0;
}

/* What it has done in the interval; the next one begins. */
static void take_interval(struct lbx_hc_member *space, const struct lbx_member_info *info,
                          struct lbx_outlier_in *in)
{
    total(&info->tally, in);
    in->requests = since(&space->seen_requests, in->requests);
    in->failed = since(&space->seen_failed, in->failed);
    in->heads = since(&space->seen_heads, in->heads);
    in->latency_us = since(&space->seen_latency_us, in->latency_us);
    if (lbx_hc_is_out(hc_state_of(space)) || info->view.run.admin & LBX_ADMIN_IGNORE_ERRORS) {
        in->requests = 0;
    }
}

static const char *describe(apr_pool_t *p, const struct lbx_outlier_in *in,
                            enum lbx_outlier_why why)
{
    if (why == LBX_OUTLIER_LATENCY) {
        return apr_psprintf(p, "%lu ms on average",
                            (unsigned long)(in->latency_us / in->heads / 1000));
    }
    return apr_psprintf(p, "%lu of %lu requests failed", (unsigned long)in->failed,
                        (unsigned long)in->requests);
}

static void take_out(apr_pool_t *p, const struct hc_rules *rules, const struct hc_who *who,
                     const struct lbx_outlier_in *in, enum lbx_outlier_why why, uint64_t now_us)
{
    struct lbx_hc_member *space = who->space;
    uint32_t times = atomic_load(&space->outlier_n) + 1;
    enum lbx_hc_cause cause =
        why == LBX_OUTLIER_LATENCY ? LBX_HC_C_OUTLIER_LATENCY : LBX_HC_C_OUTLIER_RATE;

    atomic_store(&space->outlier_until_us, now_us + lbx_outlier_time(&rules->outlier, times));
    if (hc_passive_eject(rules, who, cause, 0, describe(p, in, why), 0, now_us)) {
        atomic_store(&space->outlier_n, times);
    } else {
        atomic_store(&space->outlier_until_us, 0);
    }
}

static void judge(apr_pool_t *p, const struct hc_rules *rules, const struct lbx_set_info *set,
                  int first, uint64_t now_us)
{
    struct lbx_outlier_in *in = apr_pcalloc(p, (set->n + 1) * sizeof(*in));
    enum lbx_outlier_why *why = apr_pcalloc(p, (set->n + 1) * sizeof(*why));
    double *scratch = apr_pcalloc(p, (set->n + 1) * sizeof(*scratch));

    for (uint32_t i = 0; i < set->n; i++) {
        struct lbx_hc_member *space = hc_state_space(set->member[i].view.ref);

        if (space) {
            take_interval(space, &set->member[i], &in[i]);
        }
    }
    if (first) {
        return; /* who knows how long it was */
    }
    lbx_outlier_find(&rules->outlier, in, set->n, scratch, why);
    for (uint32_t i = 0; i < set->n; i++) {
        struct hc_who who = {.server = rules->server,
                             .set = rules->set,
                             .member = set->member[i].view.ref,
                             .balancer = rules->balancer,
                             .name = set->member[i].name,
                             .space = hc_state_space(set->member[i].view.ref)};

        if (!who.space || lbx_hc_is_out(hc_state_of(who.space))) {
            continue;
        }
        if (why[i]) {
            take_out(p, rules, &who, &in[i], why[i], now_us);
        } else if (atomic_load(&who.space->outlier_n)) {
            atomic_fetch_sub(&who.space->outlier_n, 1);
        }
    }
}

void hc_outlier_watch(const struct hc_rules *rules, struct lbx_hc_set *set, uint64_t now_us)
{
    APR_OPTIONAL_FN_TYPE(lbx_snapshot) * snapshot;
    uint64_t begun = atomic_load(&set->outlier_us);
    uint64_t length = rules->outlier.interval_us;
    const apr_array_header_t *sets;
    apr_pool_t *p;

    if (!lbx_outlier_on(&rules->outlier) || (now_us < begun + length && begun <= now_us)) {
        return;
    }
    snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    atomic_store(&set->outlier_us, now_us);
    if (!snapshot || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    sets = snapshot(p, rules->server);
    for (int i = 0; i < sets->nelts; i++) {
        const struct lbx_set_info *info = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);

        if (info->ref.slot == rules->set.slot && info->ref.revision == rules->set.revision) {
            judge(p, rules, info, now_us > begun + 2 * length, now_us);
        }
    }
    apr_pool_destroy(p);
}
