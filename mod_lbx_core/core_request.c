/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_proxy's hooks.  See core_request.h.
 *
 * mod_proxy's own loop over pre_request and scheme_handler runs once for us:
 * the worker that it is given is always usable, so it never sees a reason to
 * ask again.  Other attempts are made here.
 *
 * Bound.
 */
#include "core_request.h"

#include "apr_strings.h"

#include "core_env.h"
#include "core_events.h"
#include "core_queue.h"
#include "core_remote.h"
#include "core_response.h"
#include "core_roster.h"
#include "core_seam.h"
#include "core_store.h"
#include "lbx_hot.h"

APLOG_USE_MODULE(lbx_core);

#define PREFIX "balancer://"

enum { PROXY_LEN = sizeof("proxy:") - 1 };

LBX_HOT struct core_request *core_request_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &lbx_core_module);
}

/* Does <url> begin so? */
static int begins(const char *url, const char *with, apr_size_t len)
{
    return !ap_cstr_casecmpn(url, with, len);
}

/* The balancer of "balancer://name/...", written as we write it; NULL: it may be another
 * way of writing it. */
static LBX_HOT proxy_balancer *find_known(const proxy_server_conf *conf, const char *url)
{
    proxy_balancer *b = (proxy_balancer *)conf->balancers->elts;

    for (int i = 0; i < conf->balancers->nelts; i++) {
        const struct core_set *set = core_conf_set(&b[i]);

        if (set && !strncmp(url, set->name, set->name_len) && url[set->name_len] == '/'
            && !b[i].s->inactive) {
            return &b[i];
        }
    }
    return NULL;
}

/* The path stays raw: the member's own scheme canonicalises it. */
static LBX_COLD int write_canonical(request_rec *r, char *url)
{
    apr_port_t port = 0;
    const char *err;
    char *host;

    url += 9;
    err = ap_proxy_canon_netloc(r->pool, &url, NULL, NULL, &host, &port);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, LBXNO(0180) "error parsing URL %s: %s", url,
                      err);
        return HTTP_BAD_REQUEST;
    }
    r->filename = apr_pstrcat(r->pool, "proxy:" PREFIX, host, "/", url, NULL);
    return OK;
}

static LBX_HOT struct core_request *new_record(request_rec *r, proxy_balancer *b, const char *url)
{
    struct core_request *req = apr_pcalloc(r->pool, sizeof(*req));
    const char *path = ap_strchr_c(url + sizeof(PREFIX) - 1, '/');

    req->path = path ? path : "";
    req->ask.r = r;
    req->ask.set = core_conf_set(b);
    req->ask.balancer = b;
    req->ask.url = url;
    ap_set_module_config(r->request_config, &lbx_core_module, req);
    return req;
}

LBX_HOT int core_request_canon(request_rec *r, char *url)
{
    const proxy_server_conf *conf = ap_get_module_config(r->server->module_config, &proxy_module);
    const struct core_request *live;
    proxy_balancer *b;

    if (*url != 'b' && *url != 'B') {
        return DECLINED; /* a member's, each time a request goes there */
    }
    live = core_request_of(r);
    if (LBX_RARE(live && live->chosen)) {
        return DECLINED; /* likewise: it calls itself a balancer */
    }
    /* later versions of mod_proxy pass a copy */
    if (!strncmp(r->filename, "proxy:", PROXY_LEN) && !strcmp(url, r->filename + PROXY_LEN)
        && (b = find_known(conf, url))) {
        new_record(r, b, r->filename + PROXY_LEN); /* so that it need not be found again */
        return OK;
    }
    return begins(url, "balancer:", 9) ? write_canonical(r, url) : DECLINED;
}

/* ------------------------------------------------------------------ */
/* To a member                                                          */

LBX_HOT void core_request_req_member_done(struct core_request *req)
{
    apr_off_t sent = req->replay ? req->replay->length : 0;

    if (req->chosen) {
        req->chosen = 0;
        core_choose_req_done(&req->choice, (uint64_t)(req->bytes + sent));
    }
    if (LBX_RARE(req->retrying)) {
        req->retrying = 0;
        lbx_store_release(core_store(), core_store_child(), req->ask.set->retries.slot);
    }
}

/* The request's pool is cleaned up. */
static LBX_HOT apr_status_t let_go(void *baton)
{
    struct core_request *req = baton;

    core_request_req_member_done(req);
    if (req->next) {
        core_choose_req_done(req->next, 0);
        req->next = NULL;
    }
    return APR_SUCCESS;
}

/* proxy:scheme://host:port/path in r->filename, and the URL in it in *url, as the
 * member's scheme wants them. */
static LBX_HOT int rewrite(request_rec *r, const struct core_request *req, char **url)
{
    const struct core_member *m = req->choice.m;
    apr_size_t path_size = strlen(req->path) + 1;
    int rc;

    r->filename = apr_palloc(r->pool, m->proxied_len + path_size);
    memcpy(r->filename, m->proxied, m->proxied_len);
    memcpy(r->filename + m->proxied_len, req->path, path_size);
    /* as mod_proxy calls it: for a part of r->filename */
    rc = proxy_run_canon_handler(r, r->filename + PROXY_LEN);
    if (rc != OK && rc != DECLINED) {
        return rc;
    }
    *url = r->filename + PROXY_LEN;
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, LBXNO(0181) "%s: worker (%s) rewritten to %s",
                  req->ask.set->name, m->name, *url);
    return OK;
}

/* Tell the siblings who it is, now and when the answer comes. */
static LBX_HOT void announce_choice(request_rec *r, struct core_request *req)
{
    const struct core_choice *c = &req->choice;

    if (!core_seam_listens_choice()) {
        return;
    }
    req->decision = (struct lbx_decision){
        .balancer = req->ask.set->name,
        .set = req->ask.set->ref,
        .member = c->m->ref,
        .name = c->m->name,
        .route = c->route,
        .index = c->m->index,
        .why = c->why,
        .attempt = req->ask.attempts + 1,
        .hint = &req->ask.hint,
        .sticky = c->sticky_name,
        .sticky_path = c->sticky_path,
        .server = req->ask.set->server,
    };
    core_seam_run_decided(r, &req->decision);
}

/* Choose a member and point the request at it. */
static int go_to_member(request_rec *r, struct core_request *req, char **url)
{
    int rc = core_choose_req(&req->ask, &req->choice);

    if (rc != OK) {
        return rc;
    }
    req->chosen = 1;
    core_env_req_member(r, req);
    announce_choice(r, req);
    return rewrite(r, req, url);
}

static proxy_balancer *find_balancer(request_rec *r, proxy_server_conf *conf, const char *url)
{
    proxy_balancer *b = find_known(conf, url);

    return b || !begins(url, PREFIX, sizeof(PREFIX) - 1)
               ? b
               : ap_proxy_get_balancer(r->pool, conf, url, 1);
}

/* The record of a request that comes for the first time: its balancer is known. */
static struct core_request *untouched(request_rec *r, const proxy_balancer *b, const char *url)
{
    struct core_request *req = core_request_of(r);

    return req && !b && req->ask.r == r && req->ask.url == url && !req->choice.m ? req : NULL;
}

LBX_HOT int core_request_pre(proxy_worker **worker, proxy_balancer **balancer, request_rec *r,
                             proxy_server_conf *conf, char **url)
{
    struct core_request *req = untouched(r, *balancer, *url);
    struct core_set *set;
    int rc;

    *worker = NULL;
    if (req) {
        *balancer = req->ask.balancer;
    } else if (!*balancer && !(*balancer = find_balancer(r, conf, *url))) {
        return DECLINED;
    }
    set = core_conf_set(*balancer);
    if (!set || !set->rec) {
        return DECLINED;
    }
    if (!req) {
        req = new_record(r, *balancer, *url);
    }
    apr_pool_cleanup_register(r->pool, req, let_go, apr_pool_cleanup_null);
    atomic_fetch_add_explicit(&set->rec->requests, 1, memory_order_relaxed);
    rc = go_to_member(r, req, url);
    if (req->chosen) {
        *worker = req->choice.m->transport;
        req->replay = core_replay_req_start(r, set->rules->retry.body_max);
        core_response_req_watch(r, req);
    } else {
        core_env_req_result(r, req);
    }
    return rc;
}

/* ------------------------------------------------------------------ */
/* At the member                                                        */

/* RFC 9110, 9.2.2: repeating it has the same effect as making it once. */
static int idempotent(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET: /* and HEAD */
    case M_PUT:
    case M_DELETE:
    case M_OPTIONS:
    case M_TRACE:
        return 1;
    default:
        return 0;
    }
}

/* Does a repetition because of this count for LBXRetryBudget?  Not where nothing can
 * pile up: a refused or stale connection has cost nobody work, and of a member that is
 * out by now no more requests can come than it had. */
static int spares_budget(const struct core_request *req, enum lbx_outcome outcome)
{
    return outcome == LBX_OUT_CONNECT || outcome == LBX_OUT_STALE
           || atomic_load_explicit(&req->choice.m->rec->error_at_us, memory_order_relaxed) != 0;
}

static LBX_COLD enum lbx_verdict verdict_on(request_rec *r, struct core_request *req,
                                            enum lbx_outcome outcome)
{
    struct lbx_retry_ask ask = {
        .outcome = outcome,
        .taken = lbx_attempt_taken(&req->attempt.facts, outcome),
        .idempotent = idempotent(r),
        /* what did not go out is still where mod_proxy_http put it */
        .replayable = outcome == LBX_OUT_CONNECT || core_replay_ready(req->replay),
        .pinned = req->choice.pinned,
        .stale_tries = req->stale_tries,
        .more = req->choice.more,
        .budget_left = spares_budget(req, outcome) || core_choose_req_budget(req->ask.set),
    };

    return lbx_retry_decide(&req->ask.set->rules->retry, &ask);
}

/* The next member, reserved.  An answer is given up only for a new one, at once. */
static LBX_COLD struct core_choice *choose_next(struct core_request *req, enum lbx_verdict verdict,
                                                enum lbx_outcome outcome)
{
    struct core_choice *next = apr_pmemdup(req->ask.r->pool, &req->choice, sizeof(*next));

    if (verdict == LBX_TRY_SAME) {
        next->again = 1;
        if (core_choose_req_again(next)) {
            return next;
        }
    }
    core_choose_req_tried(&req->ask, &req->choice);
    req->ask.only_new = req->ask.no_wait = outcome == LBX_OUT_STATUS;
    return core_choose_req(&req->ask, next) == OK ? next : NULL;
}

LBX_COLD int core_request_req_another(request_rec *r, struct core_request *req,
                                      enum lbx_outcome outcome)
{
    enum lbx_verdict verdict = verdict_on(r, req, outcome);

    req->next = verdict <= LBX_TRY_SAME ? choose_next(req, verdict, outcome) : NULL;
    req->verdict = verdict <= LBX_TRY_SAME && !req->next ? LBX_NO_MEMBER : verdict;
    return req->next != NULL;
}

/* Does this outcome take the member out?  The stock's rule: it did not take the
 * request, or its transport failed. */
static int is_error(const struct core_request *req, enum lbx_outcome outcome)
{
    if (req->attempt.facts.pool_full) {
        return 0; /* our own limit, not the member's fault */
    }
    return outcome == LBX_OUT_CONNECT || outcome == LBX_OUT_FAILED
           || (outcome == LBX_OUT_RESET && !req->attempt.facts.speaks_http);
}

static LBX_COLD void log_attempt(request_rec *r, const struct core_request *req,
                                 enum lbx_outcome outcome, const struct lbx_report *report, long ms)
{
    const struct core_member *m = req->choice.m;
    const char *cause = report->cause;
    int level = report->out ? APLOG_ERR : outcome == LBX_OUT_STALE ? APLOG_INFO : APLOG_WARNING;

    if (outcome == LBX_OUT_STATUS) {
        cause = apr_itoa(r->pool, req->status);
    }
    ap_log_rerror(APLOG_MARK, level, 0, r,
                  LBXNO(0182) "%s: attempt %u at %s ended after %ldms: %s %s; %s%s", m->set->name,
                  req->ask.attempts, m->name, ms, lbx_outcome_name(outcome), cause,
                  lbx_verdict_text(req->verdict),
                  report->out ? apr_psprintf(r->pool, "; disabling worker for (%s:%hu) for %lus",
                                             m->transport->s->hostname_ex, m->transport->s->port,
                                             report->out_s)
                              : "");
}

/* The member's own answer may be the error; httpd will write another in its place. */
static LBX_COLD void look_for_override(request_rec *r, struct core_request *req, int rc)
{
    struct lbx_attempt *facts = &req->attempt.facts;

    if (apr_table_get(r->notes, "proxy-error-override")) {
        req->status = rc;
        facts->rc = 0;
        facts->swallowed = lbx_retry_lists(&req->ask.set->rules->retry, rc);
    }
}

static enum lbx_outcome outcome_of(request_rec *r, struct core_request *req, int rc)
{
    req->status = r->status;
    if (LBX_RARE(rc >= HTTP_BAD_REQUEST)) {
        look_for_override(r, req, rc);
    }
    return lbx_attempt_outcome(&req->attempt.facts);
}

/* Is anything to be said of the attempt?  Of an answer that has been passed on, logs at most
 * can tell; an error document may ask for what led to it. */
static int is_notable(enum lbx_outcome outcome, int rc)
{
    return LBX_RARE(outcome != LBX_OUT_ANSWERED || rc != OK) || core_env_is_heard();
}

/* What became of the attempt, for log lines and log formats.  A client that is slow to take
 * the end of an answer is not part of it. */
static void take_note(request_rec *r, struct core_request *req, enum lbx_outcome outcome,
                      const struct lbx_report *report)
{
    apr_time_t end = req->attempt.end ? req->attempt.end : apr_time_now();
    long ms = (long)((end - req->attempt.started) / 1000);

    core_env_req_attempt(r, req, outcome, ms);
    if (LBX_RARE(outcome == LBX_OUT_STALE)) {
        req->stale_tries++;
    }
    if (LBX_RARE(outcome != LBX_OUT_ANSWERED && outcome != LBX_OUT_CLIENT)) {
        log_attempt(r, req, outcome, report, ms);
    }
}

/* The stock's rules on answers, for those that the client will not see. */
static void judge_unseen(request_rec *r, const struct core_request *req, enum lbx_outcome outcome);

static void count(struct core_request *req, enum lbx_outcome outcome)
{
    struct lbx_seg_member *t = req->choice.m->rec;
    uint64_t head = (uint64_t)(req->attempt.head - req->attempt.started);
    unsigned bucket = 0;

    atomic_fetch_add_explicit(&t->outcome[outcome], 1, memory_order_relaxed);
    if (!req->attempt.head) {
        return;
    }
    while (head > lbx_latency_bound(bucket)) {
        bucket++;
    }
    atomic_fetch_add_explicit(&t->latency[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->latency_us, head, memory_order_relaxed);
    if (outcome == LBX_OUT_ANSWERED || outcome == LBX_OUT_STATUS || outcome == LBX_OUT_CUT) {
        unsigned class = (unsigned)req->status / 100;

        atomic_fetch_add_explicit(&t->status[class < LBX_CLASS_N ? class : 0], 1,
                                  memory_order_relaxed);
    }
}

static LBX_COLD void take_out(const struct core_request *req, struct lbx_report *report)
{
    const struct core_member *m = req->choice.m;

    report->out = core_choose_req_failed(&req->choice, report->ended_us,
                                         report->ended_us - report->started_us);
    report->out_s = (unsigned long)(m->retry_us / APR_USEC_PER_SEC);
    if (report->out) {
        core_events_note("down", "requests", m->set->name, m->name, "%s %s; out for %lus",
                         lbx_outcome_name(report->outcome), report->cause, report->out_s);
    }
}

/* An answer has consequences only if somebody draws them. */
static int needs_judgement(const struct core_request *req, enum lbx_outcome outcome)
{
    return LBX_RARE(outcome != LBX_OUT_ANSWERED || req->choice.trial)
           || core_seam_listens_outcome();
}

/* Let the attempt have its consequences for the member: those that a sibling draws, else
 * the stock's. */
static LBX_APART void judge(request_rec *r, struct core_request *req, enum lbx_outcome outcome,
                            struct lbx_report *report)
{
    const struct core_member *m = req->choice.m;

    *report = (struct lbx_report){
        .r = r,
        .set = m->set->ref,
        .member = m->ref,
        .index = m->index,
        .balancer = m->set->name,
        .name = m->name,
        .outcome = outcome,
        .status = outcome == LBX_OUT_ANSWERED || outcome == LBX_OUT_STATUS ? req->status : 0,
        .cause = req->attempt.cause ? req->attempt.cause : "",
        .started_us = (uint64_t)req->attempt.started,
        .head_us = (uint64_t)req->attempt.head,
        .ended_us = (uint64_t)apr_time_now(),
        .error = is_error(req, outcome),
        .ignore_errors = (req->choice.admin & LBX_ADMIN_IGNORE_ERRORS) != 0,
    };
    if (core_seam_run_outcome(report) == DONE) {
        atomic_fetch_add(&m->rec->failures, (uint64_t)report->error);
    } else if (report->error) {
        take_out(req, report);
        return;
    }
    if (LBX_RARE(req->choice.trial)) {
        core_choose_req_unproved(&req->choice, outcome);
    }
}

/* One attempt at the present member, by whichever module speaks its scheme, through its
 * own proxy if it has one. */
static int attempt(request_rec *r, struct core_request *req, proxy_server_conf *conf, char *url)
{
    struct core_remote way = {.name = NULL};
    int rc;

    req->attempt.started = (apr_time_t)req->ask.now_us; /* it was chosen just now */
    if (LBX_RARE(req->ask.attempts++)) {
        memset(&req->attempt, 0, sizeof(req->attempt));
        req->attempt.started = apr_time_now();
    }
    req->bytes = 0;
    req->next = NULL;
    req->verdict = LBX_NO_NEED;
    req->inside = 1;
    if (LBX_RARE(conf->proxies->nelts)) {
        core_remote_req_way(r, conf, url, &way);
    }
    rc = core_attempt_req_run(&req->attempt, r, req->choice.m, conf, url, way.name, way.port,
                              req->ask.set->rules->retry.try_us, !idempotent(r));
    req->inside = 0;
    return rc;
}

/* Turn to the next member.  0: the client has gone, or the URL does not suit. */
static LBX_COLD int turn_to_next(request_rec *r, struct core_request *req, proxy_server_conf *conf,
                                 enum lbx_outcome outcome, char **url)
{
    const struct lbx_retry_rules *rules = &req->ask.set->rules->retry;
    uint64_t pause = 0;
    int spared = spares_budget(req, outcome); /* of the member that is being left */

    core_attempt_req_restore(r, &req->saved);
    if (outcome != LBX_OUT_CONNECT) {
        core_replay_req_rewind(r, req->replay);
    }
    if (req->next->again && outcome != LBX_OUT_STALE) {
        uint32_t random;

        ap_random_insecure_bytes(&random, sizeof(random));
        pause = lbx_retry_backoff(rules, ++req->repeats, random);
    }
    req->choice = *req->next;
    req->chosen = 1;
    req->next = NULL;
    if (pause && !core_queue_req_pause(r, pause)) {
        return 0;
    }
    if (!spared) {
        req->retrying = 1;
        lbx_store_reserve(core_store(), core_store_child(), req->ask.set->retries.slot);
    }
    atomic_fetch_add(&req->ask.set->rec->failovers, 1);
    ap_proxy_initialize_worker(req->choice.m->transport, r->server, conf->pool);
    core_env_req_member(r, req);
    announce_choice(r, req);
    return rewrite(r, req, url) == OK;
}

/* What the client is told when no attempt brought an answer. */
static int final_word(const struct core_request *req, int rc)
{
    const struct lbx_attempt *facts = &req->attempt.facts;

    if (facts->broke && !facts->answering) {
        return HTTP_BAD_GATEWAY; /* what mod_proxy_http tried to pass was held back */
    }
    return rc;
}

static LBX_HOT LBX_APART int run_attempts(request_rec *r, struct core_request *req,
                                          proxy_server_conf *conf, char *url)
{
    enum lbx_outcome outcome;
    int rc, again;

    core_attempt_req_save(r, &req->saved);
    do {
        struct lbx_report report;

        rc = attempt(r, req, conf, url);
        outcome = outcome_of(r, req, rc);
        core_request_req_member_done(req);
        count(req, outcome);
        if (needs_judgement(req, outcome)) {
            judge(r, req, outcome, &report);
        }
        again = LBX_RARE(outcome != LBX_OUT_ANSWERED && outcome != LBX_OUT_CLIENT)
                && (req->next || core_request_req_another(r, req, outcome));
        if (is_notable(outcome, rc)) {
            take_note(r, req, outcome, &report);
        }
        if (again) {
            atomic_fetch_add_explicit(&req->choice.m->rec->retried[outcome], 1,
                                      memory_order_relaxed);
            judge_unseen(r, req, outcome);
            again = turn_to_next(r, req, conf, outcome, &url);
        }
    } while (again);
    rc = final_word(req, rc);
    if (is_notable(outcome, rc)) {
        core_env_req_result(r, req);
    }
    req->over = rc == HTTP_BAD_GATEWAY ? rc : 0;
    return rc;
}

/* Runs within itself: the real handler is looked for by asking all. */
LBX_HOT int core_request_scheme(request_rec *r, proxy_worker *worker, proxy_server_conf *conf,
                                char *url, const char *proxyname, apr_port_t proxyport)
{
    struct core_request *req = core_request_of(r);

    (void)proxyname;
    (void)proxyport; /* of the first member: see core_remote.h */
    if (!req || req->inside || !req->choice.m) {
        return DECLINED;
    }
    if (req->over) {
        return req->over; /* mod_proxy tries other ways to the first member */
    }
    return worker == req->choice.m->transport ? run_attempts(r, req, conf, url) : DECLINED;
}

/* ------------------------------------------------------------------ */
/* Afterwards                                                           */

static LBX_COLD void force_error(request_rec *r, const struct core_request *req, const char *reason)
{
    const struct core_member *m = req->choice.m;
    struct lbx_report report = {
        .r = r,
        .set = m->set->ref,
        .member = m->ref,
        .index = m->index,
        .balancer = m->set->name,
        .name = m->name,
        .outcome = LBX_OUT_FAILED,
        .status = r->status,
        .cause = reason,
        .ended_us = (uint64_t)apr_time_now(),
        .error = 1,
        .forced = reason,
    };

    if (req->choice.admin & LBX_ADMIN_IGNORE_ERRORS) {
        return;
    }
    if (core_seam_run_outcome(&report) != DONE
        && core_choose_req_failed(&req->choice, report.ended_us,
                                  report.ended_us - (uint64_t)req->attempt.started)) {
        core_events_note("down", "requests", m->set->name, m->name, "%s", reason);
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  LBXNO(0184) "%s: Forcing worker (%s) into error state due to %s", m->set->name,
                  m->name, reason);
}

static LBX_HOT void judge_status(request_rec *r, const struct core_request *req, int status)
{
    const apr_array_header_t *statuses = req->ask.balancer->errstatuses;

    for (int i = 0; statuses && i < statuses->nelts; i++) {
        if (status == APR_ARRAY_IDX(statuses, i, int)) {
            force_error(r, req,
                        apr_psprintf(r->pool,
                                     "status code %d matching 'failonstatus' balancer parameter",
                                     status));
            break;
        }
    }
}

static void judge_timeout(request_rec *r, const struct core_request *req)
{
    if (req->ask.balancer->failontimeout && apr_table_get(r->notes, "proxy_timedout")) {
        force_error(r, req, "timeout and 'failontimeout' parameter being set");
    }
}

static void judge_unseen(request_rec *r, const struct core_request *req, enum lbx_outcome outcome)
{
    if (outcome == LBX_OUT_STATUS) {
        judge_status(r, req, req->status);
    }
    judge_timeout(r, req);
}

LBX_HOT int core_request_post(proxy_worker *worker, proxy_balancer *balancer, request_rec *r,
                              proxy_server_conf *conf)
{
    struct core_request *req = core_request_of(r);

    (void)worker;
    (void)balancer;
    (void)conf;
    if (!req || !req->choice.m) {
        return DECLINED;
    }
    core_request_req_member_done(req);
    judge_status(r, req, r->status);
    judge_timeout(r, req);
    return OK;
}
