/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes.  See mgr_api_change.h.
 *
 * A body is read whole, then handed to core as one list of changes: all of it comes
 * into force, or nothing.
 *
 * Bound: httpd, APR.
 */
#include "mgr_api_change.h"

#include "apr_strings.h"
#include "http_protocol.h"

#include "lbx_json.h"
#include "mgr_api_show.h"
#include "mgr_api_wait.h"
#include "mgr_json.h"

APLOG_USE_MODULE(lbx_manager);

/* A PATCH has a few fields of, at most, a few thousand members. */
enum { BODY_MAX = 512 * 1024 };

/* What a body says, as it is read. */
struct draft {
    const struct mgr_api *api;
    apr_pool_t *p;
    const struct lbx_set_info *set;
    const char *member; /* the path's, or NULL */
    apr_array_header_t *changes;
    const char *url; /* of a member to be added */
    const char *params;
    struct check *check;
};

/* ------------------------------------------------------------------ */
/* Reading                                                              */

/* A key under "members": a name, or the id of one. */
static const char *member_name(const struct draft *d, const char *key)
{
    for (uint32_t i = 0; strlen(key) == LBX_ID_SIZE - 1 && i < d->set->n; i++) {
        char id[LBX_ID_SIZE];

        lbx_member_id(d->set->member[i].name, id);
        if (!strcmp(id, key)) {
            return d->set->member[i].name;
        }
    }
    return apr_pstrdup(d->p, key);
}

static void take_change(void *baton, const char *member, const char *field, const char *value)
{
    struct draft *d = baton;
    struct lbx_change *c = apr_array_push(d->changes);

    c->balancer = d->set->name;
    c->member = member ? member_name(d, member) : d->member;
    c->field = apr_pstrdup(d->p, field);
    c->value = apr_pstrdup(d->p, value);
    c->who = mgr_guard_who(d->api->r);
}

static void take_param(void *baton, const char *member, const char *field, const char *value)
{
    struct draft *d = baton;

    (void)member;
    if (!strcmp(field, "url")) {
        d->url = apr_pstrdup(d->p, value);
    } else {
        d->params = apr_pstrcat(d->p, d->params, *d->params ? " " : "", field, "=", value, NULL);
    }
}

static mgr_json_pair take_check;

/* Returns 1; else 0, and the answer is given. */
static int read_body(struct draft *d, enum mgr_json_body kind, int *answer)
{
    request_rec *r = d->api->r;
    struct mgr_json_error error;
    apr_size_t len;
    char *text;
    int status = mgr_guard_body(r, BODY_MAX, &text, &len);

    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE) {
        *answer = mgr_api_error(r, status, NULL, "the body is longer than %d bytes", BODY_MAX);
        return 0;
    }
    if (status != OK) {
        *answer = mgr_api_error(r, HTTP_BAD_REQUEST, NULL, "the body cannot be read");
        r->connection->keepalive = AP_CONN_CLOSE;
        return 0;
    }
    if (!mgr_json_read(kind, text, len,
                       kind == MGR_JSON_ADD     ? take_param
                       : kind == MGR_JSON_CHECK ? take_check
                                                : take_change,
                       d, &error)) {
        *answer = mgr_api_error(r, error.syntax ? HTTP_BAD_REQUEST : HTTP_UNPROCESSABLE_ENTITY,
                                error.field, "%s%s%s", error.field, *error.field ? ": " : "",
                                error.message);
        return 0;
    }
    return 1;
}

/* ------------------------------------------------------------------ */
/* What core says                                                       */

/* "... name=..." or "... name: ..." */
static int blames(const char *error, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(error, name); at; at = strstr(at + 1, name)) {
        if ((at == error || at[-1] == ' ') && (at[len] == '=' || at[len] == ':')) {
            return 1;
        }
    }
    return 0;
}

/* The field that a sentence of core's blames: "http://a: ignore-errors=maybe: must be on
 * or off".  In JSON it is written with underscores. */
static const char *field_of(const struct draft *d, const char *error)
{
    char *field = NULL;

    for (int i = 0; !field && d->changes && i < d->changes->nelts; i++) {
        const struct lbx_change *c = &APR_ARRAY_IDX(d->changes, i, struct lbx_change);

        if (blames(error, c->field)) {
            field = apr_pstrdup(d->p, c->field);
        }
    }
    for (const char *at = d->params; !field && at && *at;) { /* "key=value key=value" */
        const char *pair = ap_getword_white(d->p, &at);
        const char *key = apr_pstrndup(d->p, pair, strcspn(pair, "="));

        if (blames(error, key)) {
            field = apr_pstrdup(d->p, key);
        }
    }
    if (!field && d->url && strstr(error, d->url)) {
        return "url";
    }
    for (char *ch = field; ch && *ch; ch++) {
        *ch = *ch == '-' ? '_' : *ch;
    }
    return field;
}

static int refused(const struct draft *d, enum lbx_rc rc, const char *error, int conditional)
{
    request_rec *r = d->api->r;
    const char *field = rc == LBX_EFIELD || rc == LBX_EVALUE ? field_of(d, error) : NULL;
    int status = HTTP_INTERNAL_SERVER_ERROR;

    switch (rc) {
    case LBX_ENOTFOUND:
        status = HTTP_NOT_FOUND;
        break;
    case LBX_EFIELD:
    case LBX_EVALUE:
        status = HTTP_UNPROCESSABLE_ENTITY;
        break;
    case LBX_ECONFLICT:
        status = conditional ? HTTP_PRECONDITION_FAILED : HTTP_CONFLICT;
        break;
    case LBX_EFULL:
        status = HTTP_CONFLICT;
        break;
    case LBX_ESTALE:
    case LBX_ELOCK:
        status = HTTP_SERVICE_UNAVAILABLE;
        apr_table_setn(r->headers_out, "Retry-After", "1");
        break;
    default:
        break;
    }
    return mgr_api_error(r, status, field, "%s",
                         error && *error ? error : "the change was refused");
}

/* If-Match.  *revision: 0 for "whatever it is".  Returns 1; else 0 and the answer. */
static int condition(const struct mgr_api *api, uint64_t *revision, int *answer)
{
    request_rec *r = api->r;
    const char *header = apr_table_get(r->headers_in, "If-Match");
    int found = lbx_etag_parse(header, revision);

    if (!found) {
        *revision = 0;
        return 1;
    }
    if (found > 0 && *revision && !mgr_seam()->revision) {
        *answer = mgr_api_error(r, HTTP_NOT_IMPLEMENTED, NULL, "this core has no revisions");
        return 0;
    }
    if (found < 0 || *revision == 0
        || mgr_seam()->revision(r->server, api->path.balancer) != *revision) {
        *answer = mgr_api_error(r, HTTP_PRECONDITION_FAILED, NULL,
                                "%s has changed since: read it again", api->path.balancer);
        return 0;
    }
    return 1;
}

/* A browser's request carries the balancer's nonce: the page that our script stands in has
 * it, other pages do not.  Programs need none: no browser sends application/json for
 * another site without asking us first. */
static int condition_nonce(const struct mgr_api *api, const struct lbx_set_info *set, int *answer)
{
    const apr_table_t *in = api->r->headers_in;
    const char *given = apr_table_get(in, "X-LBX-Nonce");
    unsigned char differs = 0;
    size_t len = strlen(set->nonce);

    if (!*set->nonce || (!apr_table_get(in, "Sec-Fetch-Site") && !apr_table_get(in, "Origin"))) {
        return 1;
    }
    if (given && strlen(given) == len) {
        for (size_t i = 0; i < len; i++) { /* all of it, whatever is found: time tells nothing */
            differs |= (unsigned char)(given[i] ^ set->nonce[i]);
        }
    }
    if (!given || strlen(given) != len || differs) {
        *answer = mgr_api_error(api->r, HTTP_FORBIDDEN, NULL,
                                "a browser's request needs the balancer's nonce in X-LBX-Nonce");
        return 0;
    }
    return 1;
}

static enum lbx_rc apply(const struct draft *d, uint64_t revision, const char **error)
{
    const struct mgr_seam *core = mgr_seam();
    const struct lbx_change *list = (const struct lbx_change *)d->changes->elts;
    unsigned n = (unsigned)d->changes->nelts;

    *error = "";
    if (core->apply_if) {
        return core->apply_if(d->p, d->api->r->server, revision, list, n, d->api->query.dry_run,
                              error);
    }
    return core->apply(d->p, d->api->r->server, list, n, error);
}

/* ------------------------------------------------------------------ */
/* PATCH                                                                */

static int change(const struct mgr_api *api, const struct lbx_set_info *set,
                  const struct lbx_member_info *m)
{
    struct draft d = {.api = api,
                      .p = api->r->pool,
                      .set = set,
                      .member = m ? m->name : NULL,
                      .changes = apr_array_make(api->r->pool, 8, sizeof(struct lbx_change))};
    uint64_t revision;
    const char *error;
    int answer, drained = -1;
    enum lbx_rc rc;

    if (!condition_nonce(api, set, &answer) || !condition(api, &revision, &answer)
        || !read_body(&d, m ? MGR_JSON_OF_MEMBER : MGR_JSON_OF_SET, &answer)) {
        return answer;
    }
    if (!mgr_seam()->apply_if && (api->query.dry_run || !mgr_seam()->apply)) {
        return mgr_api_error(api->r, HTTP_NOT_IMPLEMENTED, NULL, "this core cannot do it");
    }
    if (api->query.wait && !api->query.dry_run && !mgr_api_wait_enter(api)) {
        return OK;
    }
    if ((rc = apply(&d, revision, &error))) {
        return refused(&d, rc, error, revision != 0);
    }
    if (api->query.wait && !api->query.dry_run) {
        drained = mgr_api_wait_drained(api);
    }
    return mgr_api_show_after(api, drained ? HTTP_OK : HTTP_ACCEPTED, drained);
}

int mgr_api_change_set(const struct mgr_api *api)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 0, &answer);

    return set ? change(api, set, NULL) : answer;
}

int mgr_api_change_member(const struct mgr_api *api)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 0, &answer);
    const struct lbx_member_info *m = set ? mgr_api_member(api, set, &answer) : NULL;

    return m ? change(api, set, m) : answer;
}

/* ------------------------------------------------------------------ */
/* POST, DELETE                                                         */

int mgr_api_change_add(const struct mgr_api *api)
{
    request_rec *r = api->r;
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 0, &answer);
    struct draft d = {.api = api, .p = r->pool, .set = set, .params = ""};
    struct mgr_api after = *api;
    const char *error = "";
    uint64_t revision;
    enum lbx_rc rc;

    if (!set || !condition_nonce(api, set, &answer) || !condition(api, &revision, &answer)
        || !read_body(&d, MGR_JSON_ADD, &answer)) {
        return answer;
    }
    if (!mgr_seam()->add) {
        return mgr_api_error(r, HTTP_NOT_IMPLEMENTED, NULL, "this core cannot add members");
    }
    rc = mgr_seam()->add(r->pool, r->server, set->name, d.url, d.params, mgr_guard_who(r),
                         api->query.dry_run, &error);
    if (rc) {
        return refused(&d, rc, error, 0);
    }
    if (api->query.dry_run) {
        return mgr_api_show_after(api, HTTP_OK, -1);
    }
    after.path.what = LBX_RES_MEMBER;
    lbx_member_id(d.url, after.path.id);
    apr_table_setn(r->headers_out, "Location",
                   apr_pstrcat(r->pool, r->uri, r->uri[strlen(r->uri) - 1] == '/' ? "" : "/",
                               after.path.id, NULL));
    return mgr_api_show_after(&after, HTTP_CREATED, -1);
}

static int show_removed(const struct mgr_api *api, const char *name, int removed, int drained)
{
    struct lbx_json *j = apr_palloc(api->r->pool, sizeof(*j));

    mgr_api_head(api->r, removed || api->query.dry_run ? HTTP_OK : HTTP_ACCEPTED);
    lbx_json_start(j, mgr_api_show_sink, api->r);
    lbx_json_object(j, NULL);
    lbx_json_seconds(j, "now", (uint64_t)apr_time_now());
    if (api->query.dry_run) {
        lbx_json_switch(j, "dry_run", 1);
    }
    lbx_json_text(j, "name", name);
    lbx_json_switch(j, "removed", removed);
    if (drained >= 0) {
        lbx_json_switch(j, "drained", drained);
    }
    lbx_json_close(j, '}');
    lbx_json_end(j);
    return OK;
}

/* DELETE with wait=drained: out of the choice first, away when nobody is there any more.
 * Returns as mgr_api_wait_drained, or -1 and the answer. */
static int drain_first(const struct mgr_api *api, const struct lbx_set_info *set, const char *name,
                       int *answer)
{
    struct draft d = {.api = api,
                      .p = api->r->pool,
                      .set = set,
                      .member = name,
                      .changes = apr_array_make(api->r->pool, 1, sizeof(struct lbx_change))};
    const char *error;
    enum lbx_rc rc;

    if (!mgr_api_wait_enter(api)) {
        *answer = OK;
        return -1;
    }
    take_change(&d, NULL, "disabled", "on");
    if ((rc = apply(&d, 0, &error))) {
        *answer = refused(&d, rc, error, 0);
        return -1;
    }
    return mgr_api_wait_drained(api);
}

int mgr_api_change_remove(const struct mgr_api *api)
{
    request_rec *r = api->r;
    int answer, drained = -1;
    const struct lbx_set_info *set = mgr_api_set(api, 0, &answer);
    const struct lbx_member_info *m = set ? mgr_api_member(api, set, &answer) : NULL;
    const struct draft d = {.api = api, .p = r->pool, .set = set};
    const char *error = "";
    uint64_t revision;
    enum lbx_rc rc;

    if (!m || !condition_nonce(api, set, &answer) || !condition(api, &revision, &answer)) {
        return answer;
    }
    if (!mgr_seam()->remove) {
        return mgr_api_error(r, HTTP_NOT_IMPLEMENTED, NULL, "this core cannot remove members");
    }
    if (api->query.wait && !api->query.dry_run) {
        drained = drain_first(api, set, m->name, &answer);
        if (drained <= 0) {
            return drained ? answer : show_removed(api, m->name, 0, 0);
        }
    }
    rc = mgr_seam()->remove(r->pool, r->server, set->name, m->name, mgr_guard_who(r),
                            api->query.dry_run, &error);
    return rc ? refused(&d, rc, error, 0)
              : show_removed(api, m->name, !api->query.dry_run, drained);
}

/* ------------------------------------------------------------------ */
/* Health checks                                                        */

struct check {
    int now;
    int pause; /* -1: not said */
};

static void take_check(void *baton, const char *member, const char *field, const char *value)
{
    struct check *c = ((struct draft *)baton)->check;

    (void)member;
    if (!strcmp(field, "now")) {
        c->now = 1;
    } else {
        c->pause = !strcmp(value, "on");
    }
}

static void tell_pause(const struct mgr_api *api, const struct lbx_set_info *set,
                       const struct lbx_member_info *m, int on)
{
    struct lbx_event e = {.kind = "change"};
    const char *who = mgr_guard_who(api->r);

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, api->r->server,
                 LBXNO(0551) "%s member %s: health checks %s, set by %s", set->name, m->name,
                 on ? "paused" : "go on", who);
    if (mgr_seam()->event_add) {
        apr_cpystrn(e.who, who, sizeof(e.who));
        apr_cpystrn(e.balancer, set->name, sizeof(e.balancer));
        apr_cpystrn(e.member, m->name, sizeof(e.member));
        apr_cpystrn(e.text, on ? "health checks paused" : "health checks go on", sizeof(e.text));
        mgr_seam()->event_add(&e);
    }
}

int mgr_api_change_check(const struct mgr_api *api)
{
    int answer;
    const struct lbx_set_info *set = mgr_api_set(api, 0, &answer);
    const struct lbx_member_info *m = set ? mgr_api_member(api, set, &answer) : NULL;
    struct check check = {.pause = -1};
    struct draft d = {.api = api, .p = api->r->pool, .set = set, .check = &check};
    struct mgr_api after = *api;

    if (!m || !condition_nonce(api, set, &answer) || !read_body(&d, MGR_JSON_CHECK, &answer)) {
        return answer;
    }
    if (!mgr_seam()->check_now || !mgr_seam()->check_pause) {
        return mgr_api_error(api->r, HTTP_NOT_IMPLEMENTED, NULL, "mod_lbx_hcheck is not loaded");
    }
    if (check.pause >= 0 && mgr_seam()->check_pause(m->view.ref, check.pause)) {
        tell_pause(api, set, m, check.pause);
    }
    if (check.now) {
        mgr_seam()->check_now(m->view.ref);
    }
    after.path.what = LBX_RES_MEMBER;
    return mgr_api_show_after(&after, check.now ? HTTP_ACCEPTED : HTTP_OK, -1);
}
