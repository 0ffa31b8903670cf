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

#include "core_response.h"
#include "core_roster.h"

APLOG_USE_MODULE(lbx_core);

#define PREFIX "balancer://"

struct core_request *core_request_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &lbx_core_module);
}

int core_request_canon(request_rec *r, char *url)
{
    apr_port_t port = 0;
    const char *err;
    char *host;

    if (ap_cstr_casecmpn(url, "balancer:", 9)) {
        return DECLINED;
    }
    url += 9;
    err = ap_proxy_canon_netloc(r->pool, &url, NULL, NULL, &host, &port);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, LBXNO(0180) "error parsing URL %s: %s", url,
                      err);
        return HTTP_BAD_REQUEST;
    }
    /* The path stays raw: the member's own scheme canonicalises it. */
    r->filename = apr_pstrcat(r->pool, "proxy:" PREFIX, host, "/", url, NULL);
    return OK;
}

/* ------------------------------------------------------------------ */
/* To a member                                                          */

static apr_status_t let_go(void *baton)
{
    struct core_request *req = baton;

    if (req->chosen) {
        req->chosen = 0;
        core_choose_req_done(&req->choice, (uint64_t)req->bytes);
    }
    return APR_SUCCESS;
}

static struct core_request *new_record(request_rec *r, struct core_set *set, proxy_balancer *b,
                                       const char *url)
{
    struct core_request *req = apr_pcalloc(r->pool, sizeof(*req));
    const char *path = ap_strchr_c(url + sizeof(PREFIX) - 1, '/');

    req->path = path ? apr_pstrdup(r->pool, path) : "";
    req->ask.r = r;
    req->ask.set = set;
    req->ask.balancer = b;
    req->ask.url = ap_strchr_c(url, '?') || !r->args
                       ? apr_pstrdup(r->pool, url)
                       : apr_pstrcat(r->pool, url, "?", r->args, NULL);
    ap_set_module_config(r->request_config, &lbx_core_module, req);
    apr_pool_cleanup_register(r->pool, req, let_go, apr_pool_cleanup_null);
    return req;
}

/* proxy:scheme://host:port/path in r->filename, the URL in *url, both as the
 * member's scheme wants them. */
static int rewrite(request_rec *r, const struct core_request *req, char **url)
{
    char *target = apr_pstrcat(r->pool, req->choice.m->transport->s->name_ex, req->path, NULL);
    int rc;

    r->filename = apr_pstrcat(r->pool, "proxy:", target, NULL);
    rc = proxy_run_canon_handler(r, target);
    if (rc != OK && rc != DECLINED) {
        return rc;
    }
    *url = apr_pstrdup(r->pool, r->filename + sizeof("proxy:") - 1);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, LBXNO(0181) "%s: worker (%s) rewritten to %s",
                  req->ask.set->name, req->choice.m->name, *url);
    return OK;
}

static void tell_environment(request_rec *r, const struct core_request *req)
{
    const struct core_choice *c = &req->choice;
    const struct lbx_hint *hint = &req->ask.hint;

    apr_table_setn(r->subprocess_env, "BALANCER_NAME", req->ask.set->name);
    apr_table_setn(r->subprocess_env, "BALANCER_WORKER_NAME", c->m->transport->s->name_ex);
    apr_table_setn(r->subprocess_env, "BALANCER_WORKER_ROUTE", c->route);
    if (c->why == LBX_WHY_REDIRECT || (c->sticky && c->why != LBX_WHY_ROUTE)) {
        apr_table_setn(r->subprocess_env, "BALANCER_ROUTE_CHANGED", "1");
    }
    if (hint->route && hint->from) {
        apr_table_setn(r->notes, "session-sticky", hint->from);
        apr_table_setn(r->notes, "session-route", hint->route);
        apr_table_setn(r->subprocess_env, "BALANCER_SESSION_STICKY", hint->from);
        apr_table_setn(r->subprocess_env, "BALANCER_SESSION_ROUTE", hint->route);
    }
}

/* Choose a member and point the request at it. */
static int go_to_member(request_rec *r, struct core_request *req, char **url)
{
    int rc = core_choose_req(&req->ask, &req->choice);

    if (rc != OK) {
        return rc;
    }
    req->chosen = 1;
    req->bytes = 0;
    tell_environment(r, req);
    return rewrite(r, req, url);
}

int core_request_pre(proxy_worker **worker, proxy_balancer **balancer, request_rec *r,
                     proxy_server_conf *conf, char **url)
{
    struct core_request *req;
    struct core_set *set;
    int rc;

    *worker = NULL;
    if (!*balancer
        && (ap_cstr_casecmpn(*url, PREFIX, sizeof(PREFIX) - 1)
            || !(*balancer = ap_proxy_get_balancer(r->pool, conf, *url, 1)))) {
        return DECLINED;
    }
    set = core_conf_set(*balancer);
    if (!set || !set->rec) {
        return DECLINED;
    }
    req = new_record(r, set, *balancer, *url);
    atomic_fetch_add_explicit(&set->rec->requests, 1, memory_order_relaxed);
    rc = go_to_member(r, req, url);
    if (req->chosen) {
        *worker = req->choice.m->transport;
        if (req->choice.method && req->choice.method->wants_bytes) {
            core_response_req_count(r, req);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ */
/* At the member                                                        */

static void log_failed(request_rec *r, const struct core_request *req, int rc, int again)
{
    const struct core_member *m = req->choice.m;
    int out = core_choose_req_failed(&req->choice, (uint64_t)apr_time_now());

    if (out) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      LBXNO(0182) "%s: disabling worker for (%s:%hu) for %lus after status %d "
                                  "of attempt %u%s",
                      m->set->name, m->transport->s->hostname_ex, m->transport->s->port,
                      (unsigned long)(m->retry_us / APR_USEC_PER_SEC), rc, req->attempts,
                      again ? ", trying another" : "");
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      LBXNO(0183) "%s: worker (%s) failed with status %d in attempt %u%s",
                      m->set->name, m->name, rc, req->attempts, again ? ", trying another" : "");
    }
}

/* One attempt at the present member, by whichever module speaks its scheme. */
static int attempt(request_rec *r, struct core_request *req, proxy_server_conf *conf, char *url,
                   const char *proxyname, apr_port_t proxyport)
{
    int rc;

    req->attempts = ++req->ask.attempts;
    req->inside = 1;
    rc = proxy_run_scheme_handler(r, req->choice.m->transport, conf, url, proxyname, proxyport);
    req->inside = 0;
    return rc;
}

/* The stock's rules: 503 is a member that did not take the request, which may
 * go elsewhere; 500 is the member's fault, but the request is spent.  Returns
 * whether another member may be tried. */
static int judge(request_rec *r, struct core_request *req, int rc)
{
    int again;

    if (rc == OK || apr_table_get(r->notes, "proxy-error-override")
        || (rc != HTTP_SERVICE_UNAVAILABLE && rc != HTTP_INTERNAL_SERVER_ERROR)) {
        return 0;
    }
    again = rc == HTTP_SERVICE_UNAVAILABLE && req->choice.more && !req->choice.pinned;
    log_failed(r, req, rc, again);
    return again;
}

int core_request_scheme(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                        const char *proxyname, apr_port_t proxyport)
{
    struct core_request *req = core_request_of(r);
    int rc, again;

    if (!req || req->inside || !req->choice.m || worker != req->choice.m->transport) {
        return DECLINED;
    }
    if (!req->chosen) {
        /* a ProxyRemote failed, and mod_proxy turns to the member directly */
        core_choose_req_again(&req->choice);
        req->chosen = 1;
    }
    do {
        rc = attempt(r, req, conf, url, proxyname, proxyport);
        again = judge(r, req, rc);
        let_go(req);
        if (again) {
            core_choose_req_tried(&req->ask, &req->choice);
            again = go_to_member(r, req, &url) == OK;
            if (again) {
                atomic_fetch_add(&req->ask.set->rec->failovers, 1);
                ap_proxy_initialize_worker(req->choice.m->transport, r->server, conf->pool);
            }
        }
    } while (again);
    return rc;
}

/* ------------------------------------------------------------------ */
/* Afterwards                                                           */

static void force_error(request_rec *r, const struct core_request *req, const char *reason)
{
    const struct core_member *m = req->choice.m;

    if (req->choice.admin & LBX_ADMIN_IGNORE_ERRORS) {
        return;
    }
    core_choose_req_failed(&req->choice, (uint64_t)apr_time_now());
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  LBXNO(0184) "%s: Forcing worker (%s) into error state due to %s", m->set->name,
                  m->name, reason);
}

int core_request_post(proxy_worker *worker, proxy_balancer *balancer, request_rec *r,
                      proxy_server_conf *conf)
{
    struct core_request *req = core_request_of(r);
    const apr_array_header_t *statuses = balancer->errstatuses;

    (void)worker;
    (void)conf;
    if (!req || !req->choice.m) {
        return DECLINED;
    }
    let_go(req);
    for (int i = 0; statuses && i < statuses->nelts; i++) {
        if (r->status == APR_ARRAY_IDX(statuses, i, int)) {
            force_error(r, req,
                        apr_psprintf(r->pool,
                                     "status code %d matching 'failonstatus' balancer parameter",
                                     r->status));
            break;
        }
    }
    if (balancer->failontimeout && apr_table_get(r->notes, "proxy_timedout")) {
        force_error(r, req, "timeout and 'failontimeout' parameter being set");
    }
    return OK;
}
