/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implements include/mod_lbx.h.  See there for the contracts.
 *
 * Bound.
 */
#include "core_seam.h"

#include "apr_strings.h"

#include "core_change.h"
#include "core_events.h"
#include "core_members.h"
#include "core_store.h"
#include "core_words.h"
#include "lbx_queue.h"
#include "lbx_trial.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

APLOG_USE_MODULE(lbx_core);

APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(lbx, LBX, int, lbx_member_param,
                                    (apr_pool_t * p, server_rec *s, const struct lbx_param *param,
                                     const char **error),
                                    (p, s, param, error), OK, DECLINED)
APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(lbx, LBX, int, lbx_member_setting,
                                    (apr_pool_t * p, server_rec *s, struct lbx_setting *setting,
                                     const char **error),
                                    (p, s, setting, error), OK, DECLINED)

int core_seam_run_member_setting(apr_pool_t *p, server_rec *s, struct lbx_setting *setting,
                                 const char **error)
{
    return lbx_run_lbx_member_setting(p, s, setting, error);
}

int core_seam_run_member_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param,
                               const char **error)
{
    return lbx_run_lbx_member_param(p, s, param, error);
}

/* The hooks of requests.  APR looks an optional hook up by its name each time it is
 * run; who listens is known when a child starts. */
enum ear { EAR_HINT, EAR_DECIDED, EAR_RESPONSE, EAR_OUTCOME, EARS };

static const apr_array_header_t *ears[EARS];

void core_seam_child_init(void)
{
    static const char *const name[EARS] = {"lbx_hint", "lbx_decided", "lbx_response",
                                           "lbx_outcome"};

    for (int i = 0; i < EARS; i++) {
        ears[i] = apr_optional_hook_get(name[i]);
    }
}

/* The body of a function that runs all, as APR does. */
#define RUN_ALL(ear, name, args)                                                                   \
    const lbx_LINK_##name##_t *hook = ears[ear] ? (const void *)ears[ear]->elts : NULL;            \
                                                                                                   \
    for (int i = 0; hook && i < ears[ear]->nelts; i++) {                                           \
        int rc = hook[i].pFunc args;                                                               \
                                                                                                   \
        if (rc != OK && rc != DECLINED) {                                                          \
            return rc;                                                                             \
        }                                                                                          \
    }                                                                                              \
    return OK

LBX_HOT int core_seam_run_decided(request_rec *r, const struct lbx_decision *decision)
{
    RUN_ALL(EAR_DECIDED, lbx_decided, (r, decision));
}

LBX_HOT int core_seam_run_response(request_rec *r, const struct lbx_decision *decision)
{
    RUN_ALL(EAR_RESPONSE, lbx_response, (r, decision));
}

LBX_HOT int core_seam_run_outcome(struct lbx_report *report)
{
    RUN_ALL(EAR_OUTCOME, lbx_outcome, (report));
}

LBX_HOT int core_seam_listens_choice(void)
{
    return ears[EAR_DECIDED] || ears[EAR_RESPONSE];
}

LBX_HOT int core_seam_listens_outcome(void)
{
    return ears[EAR_OUTCOME] != NULL;
}

LBX_HOT int core_seam_listens_hint(void)
{
    return ears[EAR_HINT] != NULL;
}

LBX_HOT int core_seam_run_hint(request_rec *r, const struct lbx_hint_ask *ask,
                               struct lbx_hint *hint)
{
    RUN_ALL(EAR_HINT, lbx_hint, (r, ask, hint));
}

/* Without a health checker nobody would end what one has begun. */
static void end_verdicts(const struct core_set *set)
{
    for (uint32_t i = 0; i < set->n; i++) {
        struct lbx_seg_member *m = set->member[i].rec;

        atomic_store(&m->held, 0);
        atomic_store(&m->ramp, LBX_RAMP_FULL);
        atomic_store(&m->health, set->member[i].health);
    }
    atomic_store(&set->rec->panic, 0);
    atomic_fetch_add(&set->rec->epoch, 1);
}

void core_seam_boot_check(const struct core_gen *gen)
{
    for (int i = 0; i < gen->sets->nelts && !apr_optional_hook_get("lbx_outcome"); i++) {
        end_verdicts(APR_ARRAY_IDX(gen->sets, i, struct core_set *));
    }
    for (int i = 0; i < gen->sets->nelts && !apr_optional_hook_get("lbx_hint"); i++) {
        const struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        if (*set->conf.sticky) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, set->server,
                         LBXNO(0171) "%s: stickysession=%s has no effect, mod_lbx_sticky is not "
                                     "loaded",
                         set->name, set->conf.sticky);
        }
    }
}

static int lbx_seam_version(void)
{
    return LBX_SEAM_VERSION;
}

/* ------------------------------------------------------------------ */
/* For the checker, and memory for siblings                             */

/* The balancer of a member's record, to tell its users that something changed. */
static void announce(const struct lbx_seg_member *m)
{
    struct lbx_seg_set *set = lbx_store_set(core_store(), m->set);

    if (set) {
        atomic_fetch_add(&set->epoch, 1);
    }
}

static int lbx_health_set(struct lbx_ref member, uint32_t health, uint32_t ramp)
{
    struct lbx_seg_member *m = lbx_store_member(core_store(), member);
    uint32_t before, ramp_before;

    if (!m) {
        return 0;
    }
    before = atomic_exchange(&m->health, health);
    ramp_before = atomic_exchange(&m->ramp, ramp);
    if (before != health || ramp_before != ramp) {
        announce(m);
    }
    return 1;
}

static int lbx_error_set(struct lbx_ref member, uint64_t at_us, int held)
{
    struct lbx_seg_member *m = lbx_store_member(core_store(), member);
    uint64_t before;

    if (!m) {
        return 0;
    }
    if (held) {
        atomic_store(&m->held, 1);
    }
    lbx_trial_end(m); /* the health checker finds out itself */
    before = atomic_exchange(&m->error_at_us, at_us);
    if (!held) {
        atomic_store(&m->held, 0);
    }
    if (!before == !at_us) {
        return 0;
    }
    announce(m);
    return 1;
}

static void lbx_panic_set(struct lbx_ref ref, int on)
{
    struct lbx_seg_set *set = lbx_store_set(core_store(), ref);

    if (set && atomic_exchange(&set->panic, (uint32_t) !!on) != (uint32_t) !!on) {
        atomic_fetch_add(&set->epoch, 1);
    }
}

static uint32_t lbx_members_each(struct lbx_ref ref,
                                 int (*each)(void *baton, uint32_t index, const char *name,
                                             const struct lbx_member_view *view),
                                 void *baton)
{
    const struct core_gen *gen = core_conf_gen();

    for (int i = 0; gen && i < gen->sets->nelts; i++) {
        const struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);
        uint32_t n = set->n, live = 0;
        int more = 1;

        if (set->ref.slot != ref.slot || set->ref.revision != ref.revision) {
            continue;
        }
        for (uint32_t k = 0; k < n; k++) {
            struct lbx_member_view view;

            core_store_view(&set->member[k], &view);
            live += !view.retired;
            if (!view.retired && more) {
                more = each(baton, k, set->member[k].name, &view);
            }
        }
        return live;
    }
    return 0;
}

static void *lbx_space_of_set(struct lbx_ref ref, enum lbx_space whose)
{
    struct lbx_seg_set *set = lbx_store_set(core_store(), ref);

    return !set ? NULL : whose == LBX_SPACE_STICKY ? set->sticky : set->hcheck;
}

static void *lbx_space_of_member(struct lbx_ref ref, enum lbx_space whose)
{
    struct lbx_seg_member *m = lbx_store_member(core_store(), ref);

    return !m ? NULL : whose == LBX_SPACE_STICKY ? m->sticky : m->hcheck;
}

/* ------------------------------------------------------------------ */
/* Snapshot                                                             */

static void describe_member(apr_pool_t *p, struct lbx_member_info *info,
                            const struct core_member *m, uint64_t now_us)
{
    struct lbx_ask ask = {.now_us = now_us, .count = 1};
    struct lbx_member_notes notes;

    info->name = m->name;
    info->scheme = m->transport->s->scheme;
    info->host = m->transport->s->hostname_ex;
    info->port = m->transport->s->port;
    info->uds = *m->transport->s->uds_path ? m->transport->s->uds_path : NULL;
    info->worker = m->pub;
    lbx_member_notes_read(m->rec, &notes);
    info->params = core_words_params(p, m, &notes);
    info->decided_us = notes.decided_us;
    info->decided_by = notes.decided_us ? apr_pstrdup(p, notes.decided_by) : "";
    info->added = (int)m->rec->added;
    core_store_view(m, &info->view);
    lbx_store_tally(m->rec, &info->tally);
    info->inelig = lbx_eligible(&info->view, m->index, &ask);
}

/* A member that was removed is shown until its last request is over. */
static int is_there(const struct core_member *m)
{
    const struct lbx_seg_member *rec = lbx_store_member(core_store(), m->ref);

    return rec && (rec->life == LBX_LIVE || lbx_store_in_flight(core_store(), m->ref.slot));
}

static void describe_set(apr_pool_t *p, struct lbx_set_info *info, const struct core_set *set)
{
    uint64_t now_us = (uint64_t)apr_time_now();
    uint32_t n = set->n;
    struct lbx_member_info *member = apr_pcalloc(p, (n ? n : 1) * sizeof(*member));

    info->ref = set->ref;
    info->name = set->name;
    info->scope = set->scope;
    info->nonce = apr_pstrdup(p, set->rec->nonce);
    info->server = set->server;
    info->balancer = set->balancer;
    info->separator = set->separator;
    info->semicolon = set->semicolon;
    info->forcerecovery = set->forcerecovery;
    lbx_set_vals_read(set->rec, &info->run);
    info->conf = set->conf;
    info->known_method = lbx_method_find(info->run.method) != NULL;
    info->requests = set->rec->requests;
    info->failovers = set->rec->failovers;
    info->refused = set->rec->refused;
    info->recoveries = set->rec->recoveries;
    info->queued = set->rec->queued;
    info->queue_us = set->rec->queue_us;
    info->overdue = set->rec->overdue;
    info->waiting = lbx_queue_length(core_store(), set->ref);
    info->growth = set->growth;
    info->member = member;
    for (uint32_t i = 0; i < n; i++) {
        if (is_there(&set->member[i])) {
            describe_member(p, &member[info->n++], &set->member[i], now_us);
        }
    }
}

static const apr_array_header_t *lbx_snapshot(apr_pool_t *p, server_rec *s)
{
    const struct core_gen *gen = core_conf_gen();
    apr_array_header_t *all = apr_array_make(p, 8, sizeof(struct lbx_set_info));

    for (int i = 0; gen && i < gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        if (!s || core_conf_server_uses(set, s)) {
            core_members_req_sync(set);
            describe_set(p, apr_array_push(all), set);
        }
    }
    return all;
}

const char *core_seam_why_none(apr_pool_t *p, const struct core_set *set, uint64_t now_us)
{
    enum { MOST = 8 };
    struct lbx_ask ask = {.now_us = now_us, .count = 1};
    const char *text = "";
    unsigned told = 0, more = 0;

    for (uint32_t i = 0; i < set->n; i++) {
        struct lbx_member_view v;

        if (!is_there(&set->member[i])) {
            continue;
        }
        if (told == MOST) {
            more++;
            continue;
        }
        core_store_view(&set->member[i], &v);
        text = apr_pstrcat(p, text, told++ ? ", " : "", set->member[i].name, " ",
                           lbx_inelig_text(lbx_eligible(&v, i, &ask)), NULL);
    }
    return more ? apr_psprintf(p, "%s and %u more", text, more) : text;
}

void core_seam_register(void)
{
    core_events_register();
    core_change_register();
    core_members_register();
    APR_REGISTER_OPTIONAL_FN(lbx_seam_version);
    APR_REGISTER_OPTIONAL_FN(lbx_snapshot);
    APR_REGISTER_OPTIONAL_FN(lbx_health_set);
    APR_REGISTER_OPTIONAL_FN(lbx_error_set);
    APR_REGISTER_OPTIONAL_FN(lbx_panic_set);
    APR_REGISTER_OPTIONAL_FN(lbx_members_each);
    APR_REGISTER_OPTIONAL_FN(lbx_space_of_set);
    APR_REGISTER_OPTIONAL_FN(lbx_space_of_member);
}
