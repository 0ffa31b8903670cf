/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For scenarios only: a window on the suite's state, and a hand on it, through
 * the same seam that sibling modules use.
 *
 *     GET  /-lab     all balancers as JSON
 *     POST /-lab     balancer=...&member=...&field=...&value=...   (repeatable)
 *                    with revision=N&dry_run=1 before them: as lbx_apply_if
 *     GET  /-lab/revision?balancer://x
 *     GET  /-lab/events    the last events; ?N: those after number N
 *     GET  /-lab/checks    what mod_lbx_hcheck knows of each member
 *     POST /-lab/checks    member=...&do=now|pause|resume, in all balancers
 *     POST /-lab/manage    the form of balancer-manager, by the optional function
 *     POST /-lab/events    kind=...&who=...&balancer=...&member=...&text=...
 *
 *     GET  /-lab/cost      what a snapshot costs
 *     POST /-lab/add       balancer=...&url=...&params=...&dry_run=1
 *     POST /-lab/remove    balancer=...&member=...&dry_run=1
 *
 * Also two lbmethod providers of the kind that third parties write: "lab_last"
 * takes the last usable member, with a finder of its own; "lab_first" asks
 * mod_proxy's proxy_balancer_get_best_worker and counts how often it was told of
 * elections.
 *
 * "Define LabOldSegments" in the configuration: state of another layout is there.
 * "Define LabEnvironment": the log says which of LBX_* each request has at its end.
 *
 * Not a manager: no access control, no HTML, never installed.
 */
#include "mod_lbx.h"
#include "mod_proxy.h"

#include "ap_provider.h"
#include "apr_strings.h"
#include "http_protocol.h"
#include "util_script.h"

#include <string.h>
#include <time.h>

module AP_MODULE_DECLARE_DATA lbx_lab_module;

static APR_OPTIONAL_FN_TYPE(lbx_snapshot) * snapshot;
static APR_OPTIONAL_FN_TYPE(lbx_apply) * apply;
static APR_OPTIONAL_FN_TYPE(lbx_apply_if) * apply_if;
static APR_OPTIONAL_FN_TYPE(lbx_revision) * revision;
static APR_OPTIONAL_FN_TYPE(lbx_member_add) * member_add;
static APR_OPTIONAL_FN_TYPE(lbx_member_remove) * member_remove;
static APR_OPTIONAL_FN_TYPE(lbx_events) * events;
static APR_OPTIONAL_FN_TYPE(lbx_event_add) * event_add;
static APR_OPTIONAL_FN_TYPE(lbx_check_info) * check_info;
static APR_OPTIONAL_FN_TYPE(lbx_check_now) * check_now;
static APR_OPTIONAL_FN_TYPE(lbx_check_pause) * check_pause;
static APR_OPTIONAL_FN_TYPE(proxy_balancer_get_best_worker) * best_worker;
static APR_OPTIONAL_FN_TYPE(balancer_manage) * manage;

/* ------------------------------------------------------------------ */
/* Looking                                                              */

static const char *quoted(apr_pool_t *p, const char *t)
{
    char *out = apr_palloc(p, 6 * strlen(t) + 3), *o = out;

    *o++ = '"';
    for (; *t; t++) {
        if (*t == '"' || *t == '\\') {
            *o++ = '\\';
            *o++ = *t;
        } else if ((unsigned char)*t < ' ') {
            o += apr_snprintf(o, 7, "\\u%04x", (unsigned char)*t);
        } else {
            *o++ = *t;
        }
    }
    *o++ = '"';
    *o = '\0';
    return out;
}

static void put_vals(request_rec *r, const char *name, const struct lbx_member_vals *v)
{
    ap_rprintf(r, "\"%s\":{\"weight\":%u,\"lbset\":%u,\"admin\":%u,\"route\":%s,\"redirect\":%s}",
               name, v->weight, v->lbset, v->admin, quoted(r->pool, v->route),
               quoted(r->pool, v->redirect));
}

static void put_numbers(request_rec *r, const char *name, const uint64_t *number, unsigned n)
{
    ap_rprintf(r, "\"%s\":[", name);
    for (unsigned i = 0; i < n; i++) {
        ap_rprintf(r, "%s%" APR_UINT64_T_FMT, i ? "," : "", number[i]);
    }
    ap_rputs("],", r);
}

static void put_member(request_rec *r, const struct lbx_member_info *m)
{
    const struct lbx_member_view *v = &m->view;

    ap_rprintf(
        r,
        "{\"name\":%s,\"added\":%d,\"retired\":%u,\"host\":%s,\"port\":%d,\"inelig\":%d,\"health\":%u,"
        "\"error_at_us\":%" APR_UINT64_T_FMT ",\"retry_us\":%" APR_UINT64_T_FMT
        ",\"retries\":%u,\"in_flight\":%u,\"elected\":%" APR_UINT64_T_FMT
        ",\"sent\":%" APR_UINT64_T_FMT ",\"received\":%" APR_UINT64_T_FMT
        ",\"failures\":%" APR_UINT64_T_FMT ",\"load\":%" APR_INT64_T_FMT ",",
        quoted(r->pool, m->name), m->added, v->retired, quoted(r->pool, m->host), m->port,
        (int)m->inelig, v->health, v->error_at_us, v->retry_us, v->retries, v->in_flight,
        v->elected, v->sent, v->received, v->failures, v->load);
    ap_rprintf(r, "\"ramp\":%u,", v->ramp);
    put_numbers(r, "outcome", m->tally.outcome, LBX_OUTCOME_N);
    put_numbers(r, "retried", m->tally.retried, LBX_OUTCOME_N);
    put_numbers(r, "status", m->tally.status, LBX_CLASS_N);
    put_numbers(r, "latency", m->tally.latency, LBX_LATENCY_N);
    put_numbers(r, "latency_us", &m->tally.latency_us, 1);
    put_vals(r, "run", &v->run);
    ap_rputs(",", r);
    put_vals(r, "conf", &v->conf);
    ap_rputs("}", r);
}

static void put_set(request_rec *r, const struct lbx_set_info *s)
{
    ap_rprintf(
        r,
        "{\"name\":%s,\"scope\":%s,\"nonce\":%s,\"method\":%s,\"timeout_us\":%" APR_UINT64_T_FMT
        ",\"maxattempts\":%d,\"nofailover\":%u,\"sticky\":%s,"
        "\"requests\":%" APR_UINT64_T_FMT ",\"failovers\":%" APR_UINT64_T_FMT
        ",\"refused\":%" APR_UINT64_T_FMT ",\"recoveries\":%" APR_UINT64_T_FMT
        ",\"queued\":%" APR_UINT64_T_FMT ",\"overdue\":%" APR_UINT64_T_FMT
        ",\"waiting\":%u,\"growth\":%u,\"members\":[",
        quoted(r->pool, s->name), quoted(r->pool, s->scope), quoted(r->pool, s->nonce),
        quoted(r->pool, s->run.method), s->run.timeout_us, s->run.maxattempts, s->run.nofailover,
        quoted(r->pool, s->run.sticky), s->requests, s->failovers, s->refused, s->recoveries,
        s->queued, s->overdue, s->waiting, s->growth);
    for (uint32_t i = 0; i < s->n; i++) {
        ap_rputs(i ? "," : "", r);
        put_member(r, &s->member[i]);
    }
    ap_rputs("]}", r);
}

static int look(request_rec *r)
{
    const apr_array_header_t *all = snapshot(r->pool, r->args ? r->server : NULL);

    ap_set_content_type(r, "application/json");
    ap_rputs("{\"balancers\":[", r);
    for (int i = 0; i < all->nelts; i++) {
        ap_rputs(i ? "," : "", r);
        put_set(r, &APR_ARRAY_IDX(all, i, struct lbx_set_info));
    }
    ap_rputs("]}\n", r);
    return OK;
}

/* What a snapshot costs: microseconds of the process's CPU time for each of ?N. */
static int look_at_cost(request_rec *r)
{
    int n = r->args ? (int)apr_atoi64(r->args) : 100;
    struct timespec from, to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < n; i++) {
        apr_pool_t *p;

        apr_pool_create(&p, r->pool);
        snapshot(p, NULL);
        apr_pool_destroy(p);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"us\":%.1f}\n",
               ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3)
                   / n);
    return OK;
}

static int look_at_events(request_rec *r)
{
    const apr_array_header_t *all =
        events(r->pool, r->args ? (uint64_t)apr_atoi64(r->args) : (uint64_t)0);

    ap_set_content_type(r, "application/json");
    ap_rputs("{\"events\":[", r);
    for (int i = 0; i < all->nelts; i++) {
        const struct lbx_event *e = &APR_ARRAY_IDX(all, i, struct lbx_event);

        ap_rprintf(r,
                   "%s{\"seq\":%" APR_UINT64_T_FMT ",\"at_us\":%" APR_UINT64_T_FMT
                   ",\"kind\":%s,\"who\":%s,\"balancer\":%s,\"member\":%s,\"text\":%s}",
                   i ? "," : "", e->seq, e->at_us, quoted(r->pool, e->kind),
                   quoted(r->pool, e->who), quoted(r->pool, e->balancer),
                   quoted(r->pool, e->member), quoted(r->pool, e->text));
    }
    ap_rputs("]}\n", r);
    return OK;
}

/* ------------------------------------------------------------------ */
/* Changing                                                             */

/* The pairs of a form as a table; NULL: it is none. */
static apr_table_t *read_form(request_rec *r)
{
    apr_table_t *form = apr_table_make(r->pool, 8);
    apr_array_header_t *pairs;

    if (ap_parse_form_data(r, NULL, &pairs, -1, 65536) != OK) {
        return NULL;
    }
    for (int i = 0; i < pairs->nelts; i++) {
        ap_form_pair_t *pair = &APR_ARRAY_IDX(pairs, i, ap_form_pair_t);
        apr_off_t len;
        apr_size_t got;
        char *text;

        apr_brigade_length(pair->value, 1, &len);
        got = (apr_size_t)len;
        text = apr_pcalloc(r->pool, got + 1);
        apr_brigade_flatten(pair->value, text, &got);
        apr_table_setn(form, pair->name, text);
    }
    return form;
}

static void take(const apr_table_t *form, const char *key, char *to, apr_size_t size)
{
    const char *text = apr_table_get(form, key);

    apr_cpystrn(to, text ? text : "", size);
}

static int add_event(request_rec *r)
{
    const apr_table_t *form = read_form(r);
    struct lbx_event e = {.seq = 0};

    if (!form) {
        return HTTP_BAD_REQUEST;
    }
    take(form, "kind", e.kind, sizeof(e.kind));
    take(form, "who", e.who, sizeof(e.who));
    take(form, "balancer", e.balancer, sizeof(e.balancer));
    take(form, "member", e.member, sizeof(e.member));
    take(form, "text", e.text, sizeof(e.text));
    event_add(&e);
    ap_set_content_type(r, "application/json");
    ap_rputs("{\"rc\":0}\n", r);
    return OK;
}

static int manage_form(request_rec *r)
{
    apr_table_t *form = read_form(r);

    if (!form || !manage) {
        return HTTP_NOT_IMPLEMENTED;
    }
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"rc\":%d}\n", (int)manage(r, form));
    return OK;
}

/* A request to change something. */
struct order {
    apr_array_header_t *changes;
    int conditional;
    uint64_t revision;
    int dry_run;
};

/* Form pairs in order; "value" ends one change. */
static int read_changes(request_rec *r, struct order *o)
{
    apr_array_header_t *pairs;
    struct lbx_change c = {.who = "the scenario"};

    if (ap_parse_form_data(r, NULL, &pairs, -1, 65536) != OK) {
        return 0;
    }
    for (int i = 0; i < pairs->nelts; i++) {
        ap_form_pair_t *pair = &APR_ARRAY_IDX(pairs, i, ap_form_pair_t);
        apr_off_t len;
        apr_size_t got;
        char *text;

        apr_brigade_length(pair->value, 1, &len);
        got = (apr_size_t)len;
        text = apr_pcalloc(r->pool, got + 1);
        apr_brigade_flatten(pair->value, text, &got);
        if (!strcmp(pair->name, "balancer")) {
            c.balancer = text;
            c.member = NULL;
        } else if (!strcmp(pair->name, "member")) {
            c.member = *text ? text : NULL;
        } else if (!strcmp(pair->name, "field")) {
            c.field = text;
        } else if (!strcmp(pair->name, "value")) {
            c.value = text;
            APR_ARRAY_PUSH(o->changes, struct lbx_change) = c;
        } else if (!strcmp(pair->name, "revision")) {
            o->conditional = 1;
            o->revision = (uint64_t)apr_atoi64(text);
        } else if (!strcmp(pair->name, "dry_run")) {
            o->conditional = 1;
            o->dry_run = *text == '1';
        }
    }
    return 1;
}

static int answer(request_rec *r, enum lbx_rc rc, const char *error)
{
    r->status = rc ? HTTP_UNPROCESSABLE_ENTITY : HTTP_OK;
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"rc\":%d,\"error\":%s}\n", (int)rc, quoted(r->pool, error));
    return OK;
}

static int change(request_rec *r)
{
    struct order o = {.changes = apr_array_make(r->pool, 4, sizeof(struct lbx_change))};
    const struct lbx_change *list;
    const char *error = "";
    enum lbx_rc rc;

    if (!read_changes(r, &o)) {
        return HTTP_BAD_REQUEST;
    }
    list = (struct lbx_change *)o.changes->elts;
    if (o.conditional) {
        rc = apply_if(r->pool, r->server, o.revision, list, (unsigned)o.changes->nelts, o.dry_run,
                      &error);
    } else {
        rc = apply(r->pool, r->server, list, (unsigned)o.changes->nelts, &error);
    }
    return answer(r, rc, error);
}

static int come_or_go(request_rec *r, int add)
{
    const apr_table_t *form = read_form(r);
    const char *balancer = form ? apr_table_get(form, "balancer") : NULL;
    const char *url = form ? apr_table_get(form, add ? "url" : "member") : NULL;
    int dry_run = form && apr_table_get(form, "dry_run");
    const char *error = "";
    enum lbx_rc rc;

    if (!balancer || !url) {
        return HTTP_BAD_REQUEST;
    }
    rc = add ? member_add(r->pool, r->server, balancer, url, apr_table_get(form, "params"),
                          "the scenario", dry_run, &error)
             : member_remove(r->pool, r->server, balancer, url, "the scenario", dry_run, &error);
    return answer(r, rc, rc ? error : "");
}

static int look_at_revision(request_rec *r)
{
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"revision\":%" APR_UINT64_T_FMT "}\n",
               revision(r->server, r->args ? r->args : ""));
    return OK;
}

/* ------------------------------------------------------------------ */
/* Checks                                                               */

static void put_check(request_rec *r, const struct lbx_set_info *s, const struct lbx_member_info *m)
{
    struct lbx_check_info c;

    check_info(r->pool, s, m, &c);
    ap_rprintf(r,
               "{\"balancer\":%s,\"name\":%s,\"port\":%d,\"state\":%s,\"cause\":%s,"
               "\"method\":%s,\"uri\":%s,\"expr\":%s,\"interval_us\":%" APR_UINT64_T_FMT
               ",\"passes\":%u,\"fails\":%u,\"paused\":%d,\"at_us\":%" APR_UINT64_T_FMT
               ",\"due_us\":%" APR_UINT64_T_FMT ",\"latency_us\":%" APR_UINT64_T_FMT
               ",\"passed\":%d,\"status\":%u,\"text\":%s,\"passes_in_row\":%u,"
               "\"fails_in_row\":%u,\"checks\":%" APR_UINT64_T_FMT ",\"failed\":%" APR_UINT64_T_FMT
               "}",
               quoted(r->pool, s->name), quoted(r->pool, m->name), m->port,
               quoted(r->pool, c.state), quoted(r->pool, c.cause), quoted(r->pool, c.method),
               quoted(r->pool, c.uri), quoted(r->pool, c.expr), c.interval_us, c.passes, c.fails,
               c.paused, c.at_us, c.due_us, c.latency_us, c.passed, c.status,
               quoted(r->pool, c.text), c.passes_in_row, c.fails_in_row, c.checks, c.failed);
}

static void steer_check(const struct lbx_member_info *m, const char *what)
{
    if (!strcmp(what, "now")) {
        check_now(m->view.ref);
    } else {
        check_pause(m->view.ref, !strcmp(what, "pause"));
    }
}

static int checks(request_rec *r)
{
    const apr_array_header_t *all = snapshot(r->pool, NULL);
    const apr_table_t *form = r->method_number == M_POST ? read_form(r) : NULL;
    const char *comma = "";

    if (!check_info) {
        return HTTP_NOT_IMPLEMENTED;
    }
    ap_set_content_type(r, "application/json");
    ap_rputs("{\"members\":[", r);
    for (int i = 0; i < all->nelts; i++) {
        const struct lbx_set_info *s = &APR_ARRAY_IDX(all, i, struct lbx_set_info);

        for (uint32_t k = 0; k < s->n; k++) {
            if (form && !strcmp(s->member[k].name, apr_table_get(form, "member"))) {
                steer_check(&s->member[k], apr_table_get(form, "do"));
            }
            ap_rputs(comma, r);
            put_check(r, s, &s->member[k]);
            comma = ",";
        }
    }
    ap_rputs("]}\n", r);
    return OK;
}

static int handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "lbx-lab")) {
        return DECLINED;
    }
    if (!snapshot || !apply || !apply_if || !revision || !member_add || !member_remove || !events
        || !event_add) {
        return HTTP_NOT_IMPLEMENTED;
    }
    if (!strcmp(r->uri, "/-lab/events")) {
        return r->method_number == M_POST ? add_event(r) : look_at_events(r);
    }
    if (!strcmp(r->uri, "/-lab/add") || !strcmp(r->uri, "/-lab/remove")) {
        return come_or_go(r, r->uri[6] == 'a');
    }
    if (!strcmp(r->uri, "/-lab/cost")) {
        return look_at_cost(r);
    }
    if (!strcmp(r->uri, "/-lab/manage")) {
        return manage_form(r);
    }
    if (!strcmp(r->uri, "/-lab/revision")) {
        return look_at_revision(r);
    }
    if (!strcmp(r->uri, "/-lab/checks")) {
        return checks(r);
    }
    return r->method_number == M_POST ? change(r) : look(r);
}

/* ------------------------------------------------------------------ */
/* Providers                                                            */

static proxy_worker *find_last(proxy_balancer *b, request_rec *r)
{
    proxy_worker *found = NULL;

    (void)r;
    for (int i = 0; i < b->workers->nelts; i++) {
        proxy_worker *w = APR_ARRAY_IDX(b->workers, i, proxy_worker *);

        if (PROXY_WORKER_IS_USABLE(w)) {
            found = w;
        }
    }
    return found;
}

static int prefer_first(proxy_worker *current, proxy_worker *best, void *baton)
{
    (void)current;
    (void)baton;
    return best == NULL;
}

static proxy_worker *find_first(proxy_balancer *b, request_rec *r)
{
    return best_worker(b, r, prefer_first, NULL);
}

static apr_status_t count_election(proxy_balancer *b, proxy_worker *elected, server_rec *s)
{
    (void)b;
    elected->s->lbstatus++;
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "lab_first was told of %s", elected->s->name_ex);
    return APR_SUCCESS;
}

static const proxy_balancer_method lab_last = {.name = "lab_last", .finder = find_last};
static const proxy_balancer_method lab_first = {
    .name = "lab_first", .finder = find_first, .updatelbstatus = count_election};

/* "Define LabOldSegments": as if a version with another layout had run before. */
static int pretend_history(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)p, (void)plog, (void)ptemp, (void)s;
    if (ap_exists_config_define("LabOldSegments")
        && !ap_retained_data_get("mod_lbx_core segments 1")) {
        ap_retained_data_create("mod_lbx_core segments 1", 64);
    }
    return OK;
}

static int add_name(void *names, const char *key, const char *value)
{
    (void)value;
    APR_ARRAY_PUSH((apr_array_header_t *)names, const char *) = key;
    return 1;
}

/* As one sees it who looks neither in a log's format nor in a log's hook. */
static apr_status_t tell_environment(void *baton)
{
    request_rec *r = baton;
    apr_array_header_t *names = apr_array_make(r->pool, 8, sizeof(const char *));

    apr_table_do(add_name, names, r->subprocess_env, "LBX_ATTEMPTS", "LBX_QUEUE_MS", "LBX_TRIES",
                 "LBX_HEADER_MS", "BALANCER_NAME", NULL);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, r->server, "at the end of %s: %s.", r->uri,
                 apr_array_pstrcat(r->pool, names, ' '));
    return APR_SUCCESS;
}

static int look_at_its_end(request_rec *r)
{
    if (ap_exists_config_define("LabEnvironment")) {
        apr_pool_cleanup_register(r->pool, r, tell_environment, apr_pool_cleanup_null);
    }
    return DECLINED;
}

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)p;
    (void)plog;
    (void)ptemp;
    (void)s;
    snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    apply = APR_RETRIEVE_OPTIONAL_FN(lbx_apply);
    apply_if = APR_RETRIEVE_OPTIONAL_FN(lbx_apply_if);
    revision = APR_RETRIEVE_OPTIONAL_FN(lbx_revision);
    member_add = APR_RETRIEVE_OPTIONAL_FN(lbx_member_add);
    member_remove = APR_RETRIEVE_OPTIONAL_FN(lbx_member_remove);
    events = APR_RETRIEVE_OPTIONAL_FN(lbx_events);
    event_add = APR_RETRIEVE_OPTIONAL_FN(lbx_event_add);
    check_info = APR_RETRIEVE_OPTIONAL_FN(lbx_check_info);
    check_now = APR_RETRIEVE_OPTIONAL_FN(lbx_check_now);
    check_pause = APR_RETRIEVE_OPTIONAL_FN(lbx_check_pause);
    best_worker = APR_RETRIEVE_OPTIONAL_FN(proxy_balancer_get_best_worker);
    manage = APR_RETRIEVE_OPTIONAL_FN(balancer_manage);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, PROXY_LBMETHOD, "lab_last", "0", &lab_last);
    ap_register_provider(p, PROXY_LBMETHOD, "lab_first", "0", &lab_first);
    ap_hook_post_config(pretend_history, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(look_at_its_end, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

AP_DECLARE_MODULE(lbx_lab) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE,
};
