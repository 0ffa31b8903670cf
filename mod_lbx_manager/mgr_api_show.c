/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the JSON interface.  See mgr_api_show.h.
 *
 * Why a member is in its state, and since when, is read from the last events: core and
 * the health checker tell each transition there, with its cause.
 *
 * Bound: httpd, APR.
 */
#include "mgr_api_show.h"

#include "apr_hash.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

#include "lbx_fields.h"
#include "lbx_json.h"
#include "lbx_state.h"
#include "mgr_api_wait.h"

/* The last events of one member: of its health, and what operators did for each state. */
struct last {
    const struct lbx_event *health;
    const struct lbx_event *decided[LBX_STATE_N];
};

struct showing {
    struct lbx_json json;
    const struct mgr_api *api;
    apr_hash_t *last; /* "balancer member", as long as an event has it -> struct last */
    apr_array_header_t *figures;
};

void mgr_api_show_sink(void *baton, const char *text, size_t len)
{
    ap_rwrite(text, (int)len, baton);
}

static const char *key_of(apr_pool_t *p, const char *balancer, const char *member)
{
    enum { MOST = sizeof(((struct lbx_event *)0)->member) - 1 };

    return apr_psprintf(p, "%s %.*s", balancer, (int)MOST, member);
}

static apr_hash_t *last_events(apr_pool_t *p)
{
    apr_hash_t *last = apr_hash_make(p);
    const apr_array_header_t *all = mgr_seam()->events ? mgr_seam()->events(p, 0) : NULL;

    for (int i = 0; all && i < all->nelts; i++) {
        const struct lbx_event *e = &APR_ARRAY_IDX(all, i, struct lbx_event);
        const char *key = key_of(p, e->balancer, e->member);
        struct last *l = apr_hash_get(last, key, APR_HASH_KEY_STRING);

        if (!l) {
            l = apr_pcalloc(p, sizeof(*l));
            apr_hash_set(last, key, APR_HASH_KEY_STRING, l);
        }
        if (lbx_state_of_event(e->kind, e->text) < LBX_STATE_N) {
            l->decided[lbx_state_of_event(e->kind, e->text)] = e;
        } else if (strcmp(e->kind, "change") != 0 && strcmp(e->kind, "finding") != 0) {
            l->health = e;
        }
    }
    return last;
}

/* The answer's head is sent, its body begins. */
static struct showing *begin(const struct mgr_api *api, int status)
{
    struct showing *s = apr_palloc(api->r->pool, sizeof(*s));

    s->api = api;
    s->last = last_events(api->r->pool);
    s->figures = apr_array_make(api->r->pool, 16, sizeof(struct lbx_figure));
    mgr_api_head(api->r, status);
    lbx_json_start(&s->json, mgr_api_show_sink, api->r);
    return s;
}

/* ------------------------------------------------------------------ */
/* Parts of a member                                                    */

static void show_vals(struct lbx_json *j, const struct lbx_member_vals *v)
{
    static const struct {
        const char *key;
        uint32_t bit;
    } bits[] = {
        {"ignore_errors", LBX_ADMIN_IGNORE_ERRORS},
        {"drain", LBX_ADMIN_DRAIN},
        {"shutdown", LBX_ADMIN_SHUTDOWN},
        {"disabled", LBX_ADMIN_DISABLED},
        {"stopped", LBX_ADMIN_STOPPED},
        {"standby", LBX_ADMIN_STANDBY},
        {"spare", LBX_ADMIN_SPARE},
    };

    lbx_json_hundredths(j, "loadfactor", v->weight);
    lbx_json_count(j, "lbset", v->lbset);
    lbx_json_count(j, "maxconn", v->maxconn);
    lbx_json_text(j, "route", v->route);
    lbx_json_text(j, "redirect", v->redirect);
    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        lbx_json_switch(j, bits[i].key, (v->admin & bits[i].bit) != 0);
    }
}

static void show_tally(struct lbx_json *j, const struct lbx_tally *t)
{
    lbx_json_object(j, "attempts");
    for (int i = 0; i < LBX_OUTCOME_N; i++) {
        lbx_json_count(j, lbx_attempt_name(i), t->outcome[i]);
    }
    lbx_json_close(j, '}');
    lbx_json_object(j, "retried");
    for (int i = 0; i < LBX_OUTCOME_N; i++) {
        if (t->retried[i]) {
            lbx_json_count(j, lbx_attempt_name(i), t->retried[i]);
        }
    }
    lbx_json_close(j, '}');
    lbx_json_object(j, "responses");
    for (unsigned i = 1; i < LBX_CLASS_N; i++) {
        lbx_json_count(j, lbx_class_name(i), t->status[i]);
    }
    lbx_json_count(j, lbx_class_name(0), t->status[0]);
    lbx_json_close(j, '}');
    lbx_json_object(j, "latency");
    lbx_json_seconds(j, "seconds", t->latency_us);
    lbx_json_array(j, "buckets");
    for (int i = 0; i < LBX_LATENCY_N; i++) {
        lbx_json_count(j, NULL, t->latency[i]);
    }
    lbx_json_close(j, ']');
    lbx_json_close(j, '}');
}

/* "lbx_member_checks_total" of siblings as {"checks_total": {"passed": 3}}. */
static void show_figures(struct showing *s, const struct lbx_set_info *set,
                         const struct lbx_member_info *m)
{
    struct lbx_json *j = &s->json;
    const char *prefix = m ? "lbx_member_" : "lbx_balancer_";
    const char *open = NULL; /* the name whose object is open */

    apr_array_clear(s->figures);
    mgr_seam_figures(s->api->r->pool, set, m, s->figures);
    lbx_json_object(j, "figures");
    for (int i = 0; i < s->figures->nelts; i++) {
        const struct lbx_figure *f = &APR_ARRAY_IDX(s->figures, i, struct lbx_figure);
        const char *name = f->name;

        if (open && (!f->label || strcmp(open, f->name) != 0)) {
            lbx_json_close(j, '}');
            open = NULL;
        }
        name += strncmp(name, prefix, strlen(prefix)) ? 0 : strlen(prefix);
        if (f->label && !open) {
            lbx_json_object(j, name);
            open = f->name;
        }
        lbx_json_number(j, f->label ? f->value : name, f->number);
    }
    if (open) {
        lbx_json_close(j, '}');
    }
    lbx_json_close(j, '}');
}

static void show_event_short(struct lbx_json *j, const char *key, const struct lbx_event *e)
{
    lbx_json_object(j, key);
    lbx_json_seconds(j, "at", e->at_us);
    lbx_json_text(j, "kind", e->kind);
    lbx_json_text(j, "who", e->who);
    lbx_json_text(j, "text", e->text);
    lbx_json_close(j, '}');
}

/* What an operator did that the member is in this state since then; NULL: it was the file.
 * When and who is kept with the member: the event may be forgotten. */
static const struct lbx_event *decision(struct showing *s, const struct lbx_member_info *m,
                                        const struct lbx_event *last, uint64_t since)
{
    struct lbx_event *e;

    if (!m->decided_us) {
        return NULL;
    }
    if (last && last->at_us >= since) {
        return last;
    }
    e = apr_pcalloc(s->api->r->pool, sizeof(*e));
    e->at_us = m->decided_us;
    apr_cpystrn(e->kind, "change", sizeof(e->kind));
    apr_cpystrn(e->who, m->decided_by, sizeof(e->who));
    apr_cpystrn(e->text, "set at run time", sizeof(e->text));
    return e;
}

static void show_state(struct showing *s, const struct lbx_set_info *set,
                       const struct lbx_member_info *m)
{
    enum lbx_state state = lbx_state_of(&m->view, m->inelig);
    const struct last *last =
        apr_hash_get(s->last, key_of(s->api->r->pool, set->name, m->name), APR_HASH_KEY_STRING);
    uint64_t since = state == LBX_STATE_ERROR      ? m->view.error_at_us
                     : state == LBX_STATE_DRAINING ? m->view.drain_at_us
                     : lbx_state_is_admin(state)   ? m->decided_us
                                                   : 0;
    const struct lbx_event *e = lbx_state_is_admin(state)
                                    ? decision(s, m, last ? last->decided[state] : NULL, since)
                                : last ? last->health
                                       : NULL;
    struct lbx_json *j = &s->json;

    lbx_json_text(j, "state", lbx_state_name(state));
    if (since || e) {
        lbx_json_seconds(j, "since", since ? since : e->at_us);
    } else {
        lbx_json_null(j, "since"); /* longer than the events go back */
    }
    if (e) {
        show_event_short(j, "cause", e);
    } else {
        lbx_json_null(j, "cause");
    }
    lbx_json_text(j, "role", lbx_role_name(m->view.run.admin));
    lbx_json_switch(j, "usable", m->inelig == LBX_ELIGIBLE);
    lbx_json_switch(j, "safe_to_stop",
                    lbx_state_is_admin(state) && state != LBX_STATE_SHUTDOWN && !m->view.in_flight);
    if (m->view.error_at_us && !m->view.held) {
        lbx_json_seconds(j, "retry_at", m->view.error_at_us + m->view.retry_us);
    } else {
        lbx_json_null(j, "retry_at");
    }
    lbx_json_hundredths(j, "ramp_percent", m->view.ramp);
}

static void show_health(struct showing *s, const struct lbx_set_info *set,
                        const struct lbx_member_info *m)
{
    struct lbx_json *j = &s->json;
    struct lbx_check_info c;

    if (!mgr_seam()->check_info || !mgr_seam()->check_info(s->api->r->pool, set, m, &c)) {
        lbx_json_null(j, "health");
        return;
    }
    lbx_json_object(j, "health");
    lbx_json_text(j, "state", c.state);
    lbx_json_text(j, "cause", c.cause);
    lbx_json_seconds(j, "since", c.since_us);
    lbx_json_count(j, "ejected", c.ejected);
    lbx_json_text(j, "method", c.method);
    lbx_json_text(j, "uri", c.uri);
    lbx_json_text(j, "expr", c.expr);
    lbx_json_seconds(j, "interval", c.interval_us);
    lbx_json_count(j, "passes", c.passes);
    lbx_json_count(j, "fails", c.fails);
    lbx_json_switch(j, "paused", c.paused);
    lbx_json_count(j, "checks", c.checks);
    lbx_json_count(j, "failed", c.failed);
    lbx_json_seconds(j, "last_at", c.at_us);
    lbx_json_seconds(j, "next_at", c.due_us);
    lbx_json_seconds(j, "last_seconds", c.latency_us);
    lbx_json_switch(j, "last_passed", c.passed);
    lbx_json_count(j, "last_status", c.status);
    lbx_json_text(j, "last_text", c.text ? c.text : "");
    lbx_json_close(j, '}');
}

static void show_params(struct lbx_json *j, const apr_table_t *params)
{
    static const char hidden[] = "secret";
    const apr_array_header_t *rows = apr_table_elts(params);

    lbx_json_object(j, "params");
    for (int i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (e->key && !strstr(e->key, hidden)) {
            lbx_json_text(j, e->key, e->val);
        }
    }
    lbx_json_close(j, '}');
}

static void show_member(struct showing *s, const char *key, const struct lbx_set_info *set,
                        const struct lbx_member_info *m)
{
    struct lbx_json *j = &s->json;
    char id[LBX_ID_SIZE];

    lbx_member_id(m->name, id);
    lbx_json_object(j, key);
    lbx_json_text(j, "id", id);
    lbx_json_text(j, "name", m->name);
    lbx_json_text(j, "scheme", m->scheme);
    lbx_json_text(j, "host", m->host);
    lbx_json_signed(j, "port", m->port);
    lbx_json_text(j, "socket", m->uds);
    show_state(s, set, m);
    show_vals(j, &m->view.run);
    lbx_json_object(j, "configured");
    show_vals(j, &m->view.conf);
    lbx_json_close(j, '}');
    lbx_json_switch(j, "added", m->added);
    lbx_json_count(j, "in_flight", m->view.in_flight);
    lbx_json_count(j, "elected", m->view.elected);
    lbx_json_count(j, "failures", m->view.failures);
    lbx_json_count(j, "bytes_sent", m->view.sent);
    lbx_json_count(j, "bytes_received", m->view.received);
    lbx_json_signed(j, "load", m->view.load);
    show_tally(j, &m->tally);
    show_figures(s, set, m);
    show_health(s, set, m);
    show_params(j, m->params);
    lbx_json_close(j, '}');
}

/* ------------------------------------------------------------------ */
/* A balancer                                                           */

static void show_set_vals(struct lbx_json *j, const struct lbx_set_vals *v)
{
    lbx_json_text(j, "lbmethod", v->method);
    lbx_json_seconds(j, "timeout", v->timeout_us);
    lbx_json_signed(j, "maxattempts", v->maxattempts);
    lbx_json_switch(j, "nofailover", v->nofailover != 0);
    lbx_json_text(j, "stickysession", v->sticky);
    lbx_json_text(j, "stickysession_path", v->sticky_path);
}

static void show_members(struct showing *s, const struct lbx_set_info *set)
{
    lbx_json_array(&s->json, "members");
    for (uint32_t i = 0; i < set->n; i++) {
        show_member(s, NULL, set, &set->member[i]);
    }
    lbx_json_close(&s->json, ']');
}

static void show_set(struct showing *s, const char *key, const struct lbx_set_info *set)
{
    const struct mgr_api *api = s->api;
    struct lbx_json *j = &s->json;

    lbx_json_object(j, key);
    lbx_json_text(j, "name", set->name + 11); /* behind "balancer://" */
    lbx_json_text(j, "scope", set->scope);
    if (api->right >= MGR_OPERATE) {
        lbx_json_text(j, "nonce", set->nonce);
    }
    show_set_vals(j, &set->run);
    lbx_json_object(j, "configured");
    show_set_vals(j, &set->conf);
    lbx_json_close(j, '}');
    lbx_json_count(j, "requests", set->requests);
    lbx_json_count(j, "failovers", set->failovers);
    lbx_json_count(j, "refused", set->refused);
    lbx_json_count(j, "recoveries", set->recoveries);
    lbx_json_object(j, "queue");
    lbx_json_count(j, "waiting", set->waiting);
    lbx_json_count(j, "queued", set->queued);
    lbx_json_count(j, "overdue", set->overdue);
    lbx_json_seconds(j, "seconds", set->queue_us);
    lbx_json_close(j, '}');
    lbx_json_count(j, "growth", set->growth);
    show_figures(s, set, NULL);
    show_members(s, set);
    lbx_json_close(j, '}');
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

static void begin_document(struct showing *s)
{
    lbx_json_object(&s->json, NULL);
    lbx_json_seconds(&s->json, "now", (uint64_t)apr_time_now());
}

static int end_document(struct showing *s)
{
    lbx_json_close(&s->json, '}');
    lbx_json_end(&s->json);
    return OK;
}

int mgr_api_show_root(const struct mgr_api *api)
{
    static const char *const names[] = {
        [MGR_READ] = "read", [MGR_OPERATE] = "operate", [MGR_ADMIN] = "admin"};
    struct showing *s = begin(api, HTTP_OK);
    struct lbx_json *j = &s->json;

    begin_document(s);
    lbx_json_count(j, "version", 1);
    lbx_json_text(j, "server", ap_get_server_name(api->r));
    lbx_json_text(j, "access", names[api->right]);
    lbx_json_object(j, "resources");
    lbx_json_text(j, "balancers", "balancers");
    lbx_json_text(j, "events", "events");
    lbx_json_text(j, "schema", "schema");
    lbx_json_close(j, '}');
    lbx_json_array(j, "latency_bounds"); /* seconds; the last bucket has none */
    for (unsigned i = 0; i < LBX_LATENCY_N - 1; i++) {
        lbx_json_seconds(j, NULL, lbx_latency_bound(i));
    }
    lbx_json_close(j, ']');
    return end_document(s);
}

int mgr_api_show_sets(const struct mgr_api *api)
{
    const apr_array_header_t *all = mgr_seam()->snapshot(api->r->pool, api->r->server);
    struct showing *s = begin(api, HTTP_OK);

    begin_document(s);
    lbx_json_array(&s->json, "balancers");
    for (int i = 0; i < all->nelts; i++) {
        show_set(s, NULL, &APR_ARRAY_IDX(all, i, struct lbx_set_info));
    }
    lbx_json_close(&s->json, ']');
    return end_document(s);
}

static int show_one_set(const struct mgr_api *api, int status, int drained)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 1, &answer);
    struct showing *s;

    if (!set) {
        return answer;
    }
    s = begin(api, status);
    begin_document(s);
    if (api->query.dry_run) {
        lbx_json_switch(&s->json, "dry_run", 1);
    }
    (void)drained;
    show_set(s, "balancer", set);
    return end_document(s);
}

int mgr_api_show_set(const struct mgr_api *api)
{
    return show_one_set(api, HTTP_OK, -1);
}

int mgr_api_show_members(const struct mgr_api *api)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 1, &answer);
    struct showing *s;

    if (!set) {
        return answer;
    }
    s = begin(api, HTTP_OK);
    begin_document(s);
    show_members(s, set);
    return end_document(s);
}

static int show_one_member(const struct mgr_api *api, int status, int drained)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 1, &answer);
    const struct lbx_member_info *m = set ? mgr_api_member(api, set, &answer) : NULL;
    struct showing *s;

    if (!m) {
        return answer;
    }
    s = begin(api, status);
    begin_document(s);
    if (api->query.dry_run) {
        lbx_json_switch(&s->json, "dry_run", 1);
    }
    if (drained >= 0) {
        lbx_json_switch(&s->json, "drained", drained);
    }
    show_member(s, "member", set, m);
    return end_document(s);
}

/* With wait=drained: when nothing is in flight any more. */
int mgr_api_show_member(const struct mgr_api *api)
{
    int answer, drained;
    const struct lbx_set_info *set;
    const struct lbx_member_info *m;

    if (!api->query.wait) {
        return show_one_member(api, HTTP_OK, -1);
    }
    set = mgr_api_set(api, 0, &answer);
    m = set ? mgr_api_member(api, set, &answer) : NULL;
    if (!m) {
        return answer;
    }
    if (!lbx_state_is_admin(lbx_state_of(&m->view, m->inelig))) {
        return mgr_api_error(api->r, HTTP_CONFLICT, NULL,
                             "%s takes new requests: it would never be drained", m->name);
    }
    if (!mgr_api_wait_enter(api)) {
        return OK;
    }
    drained = mgr_api_wait_drained(api);
    return show_one_member(api, drained ? HTTP_OK : HTTP_ACCEPTED, drained);
}

int mgr_api_show_after(const struct mgr_api *api, int status, int drained)
{
    return api->path.what == LBX_RES_MEMBER ? show_one_member(api, status, drained)
                                            : show_one_set(api, status, drained);
}

int mgr_api_show_events(const struct mgr_api *api)
{
    const apr_array_header_t *all =
        mgr_seam()->events ? mgr_seam()->events(api->r->pool, api->query.after) : NULL;
    struct showing *s = begin(api, HTTP_OK);
    struct lbx_json *j = &s->json;

    begin_document(s);
    lbx_json_array(j, "events");
    for (int i = 0; all && i < all->nelts; i++) {
        const struct lbx_event *e = &APR_ARRAY_IDX(all, i, struct lbx_event);

        lbx_json_object(j, NULL);
        lbx_json_count(j, "seq", e->seq);
        lbx_json_seconds(j, "at", e->at_us);
        lbx_json_text(j, "kind", e->kind);
        lbx_json_text(j, "who", e->who);
        lbx_json_text(j, "balancer",
                      strncmp(e->balancer, "balancer://", 11) ? e->balancer : e->balancer + 11);
        lbx_json_text(j, "member", e->member);
        lbx_json_text(j, "text", e->text);
        lbx_json_close(j, '}');
    }
    lbx_json_close(j, ']');
    return end_document(s);
}
