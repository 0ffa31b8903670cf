/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The legacy form.  See mgr_action.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_action.h"

#include "http_protocol.h"

#include "lbx_form.h"
#include "lbx_legacy.h"

APLOG_USE_MODULE(lbx_manager);

/* A few times of what the page's own form has. */
enum {
    BODY_MAX = 65536,
    CHANGES_MAX = LBX_LEGACY_MEMBER_N + LBX_LEGACY_CHECK_N + LBX_LEGACY_SET_N + 1
};

struct changes {
    struct mgr_view *v;
    const char *who;
    int busy; /* nothing can be changed now */
    unsigned n;
    struct lbx_change list[CHANGES_MAX];
};

/* ------------------------------------------------------------------ */
/* From words to changes                                                */

static struct lbx_change change_of(const struct changes *c, const struct lbx_legacy_param *p,
                                   const char *field, const char *value)
{
    return (struct lbx_change){
        .balancer = c->v->set->name,
        .member = p->key[0] == 'w' ? c->v->member->name : NULL,
        .field = field,
        .value = apr_pstrdup(c->v->r->pool, value),
        .who = c->who,
    };
}

/* Would core take them?  A dry run, so that one bad value does not keep the others. */
static void consider(struct changes *c, const struct lbx_change *change, unsigned n)
{
    request_rec *r = c->v->r;
    const char *error = NULL;
    enum lbx_rc rc;

    if (c->busy) {
        return;
    }
    rc = mgr_seam()->apply_if(r->pool, r->server, 0, change, n, 1, &error);
    if (rc) {
        c->busy = rc == LBX_ELOCK;
        mgr_view_note(c->v, "Not changed: %s", error);
        return;
    }
    memcpy(&c->list[c->n], change, n * sizeof(*change));
    c->n += n;
}

/* The form shows members - 1 where nothing is set; that does not set it. */
static int is_shown_default(const struct mgr_view *v, const struct lbx_legacy_param *p,
                            const char *value)
{
    int is_set;

    return !strcmp(p->field, "maxattempts") && v->set->run.maxattempts < 0
           && !strcmp(value, apr_itoa(v->r->pool, mgr_view_attempts(v->set, &is_set)));
}

static void collect(struct changes *c, const apr_table_t *params,
                    const struct lbx_legacy_param *table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const char *text = apr_table_get(params, table[i].key);
        char value[LBX_LEGACY_VALUE], second[LBX_LEGACY_VALUE];
        struct lbx_change change[2];

        if (!text || !lbx_legacy_value(&table[i], text, value, second)) {
            continue;
        }
        if (is_shown_default(c->v, &table[i], value)) {
            continue;
        }
        change[0] = change_of(c, &table[i], table[i].field, value);
        change[1] = change_of(c, &table[i], "stickysession-path", second);
        consider(c, change, table[i].kind == LBX_LEGACY_STICKY ? 2 : 1);
    }
}

static int asks_for(const apr_table_t *params, const struct lbx_legacy_param *table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (apr_table_get(params, table[i].key)) {
            return 1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ */
/* What has no field                                                    */

/* Through the health checker; without one there is only core's word. */
static int say_health(const struct mgr_view *v, int failed)
{
    const struct mgr_seam *seam = mgr_seam();

    if (seam->check_force) {
        return seam->check_force(v->set, v->member, failed);
    }
    return seam->health_set
           && seam->health_set(v->member->view.ref, failed ? LBX_HEALTH_FAILED : 0,
                               v->member->view.ramp);
}

/* w_status_C: the word of the health checker, until its next check. */
static void set_health(struct changes *c, const char *text)
{
    struct mgr_view *v = c->v;
    int on = atol(text) != 0;
    struct lbx_event event = {.kind = "change"};

    if (on == !!(v->member->view.health & LBX_HEALTH_FAILED)) {
        return;
    }
    if (!say_health(v, on)) {
        mgr_view_note(v, "Not changed: the health checker was faster");
        return;
    }
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, v->r,
                  LBXNO(0510) "%s member %s: health-failed=%s (was %s), set by %s", v->set->name,
                  v->member->name, on ? "on" : "off", on ? "off" : "on",
                  ap_escape_logitem(v->r->pool, c->who));
    if (mgr_seam()->event_add) {
        apr_cpystrn(event.who, c->who, sizeof(event.who));
        apr_cpystrn(event.balancer, v->set->name, sizeof(event.balancer));
        apr_cpystrn(event.member, v->member->name, sizeof(event.member));
        apr_snprintf(event.text, sizeof(event.text), "health-failed: %s -> %s", on ? "off" : "on",
                     on ? "on" : "off");
        mgr_seam()->event_add(&event);
    }
}

/* b_nwrkr: begins disabled, as with httpd. */
static int add_member(struct changes *c, const char *url)
{
    struct mgr_view *v = c->v;
    const char *error = "members cannot be added";
    enum lbx_rc rc;

    if (!mgr_seam()->add) {
        mgr_view_note(v, "Not added: %s", error);
        return HTTP_BAD_REQUEST;
    }
    rc = mgr_seam()->add(v->r->pool, v->r->server, v->set->name, url, "status=+D", c->who, 0,
                         &error);
    if (rc) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r, LBXNO(0511) "not added: %s", error);
        mgr_view_note(v, "Not added: %s", error);
        return rc == LBX_ECONFLICT ? HTTP_CONFLICT
               : rc == LBX_ELOCK   ? HTTP_SERVICE_UNAVAILABLE
                                   : HTTP_BAD_REQUEST;
    }
    mgr_view_note(v, "Added, and disabled until you enable it: %s", url);
    return OK;
}

static int has_answers(const char *method)
{
    return ap_cstr_casecmp(method, "NONE") && ap_cstr_casecmp(method, "TCP")
           && ap_cstr_casecmp(method, "CPING");
}

/* The method that the member is about to have: the first change, if it is one. */
static const char *method_of(const struct changes *c, unsigned before)
{
    struct lbx_check_info check;

    if (c->n > before) {
        return c->list[before].value;
    }
    return mgr_seam()->check_info(c->v->r->pool, c->v->set, c->v->member, &check) ? check.method
                                                                                  : "NONE";
}

/* Only answers of HTTP meet an expression: with another method there is none, as with
 * httpd, whose form names the first one there is. */
static void collect_checks(struct changes *c, const apr_table_t *params)
{
    unsigned before = c->n;
    apr_table_t *rest;

    if (!asks_for(params, lbx_legacy_check, LBX_LEGACY_CHECK_N)) {
        return;
    }
    if (!c->v->hcheck) {
        mgr_view_note(c->v, "Not changed: health checks need mod_lbx_hcheck, which is not loaded");
        return;
    }
    collect(c, params, lbx_legacy_check, 1);
    rest = apr_table_copy(c->v->r->pool, params);
    if ((c->n > before || apr_table_get(rest, "w_he")) && !has_answers(method_of(c, before))) {
        apr_table_setn(rest, "w_he", "");
    }
    collect(c, rest, lbx_legacy_check + 1, LBX_LEGACY_CHECK_N - 1);
}

/* ------------------------------------------------------------------ */
/* In force                                                             */

/* Is there something in it that is not about a member's state? */
static int needs_admin(const apr_table_t *params)
{
    return asks_for(params, lbx_legacy_set, LBX_LEGACY_SET_N) || apr_table_get(params, "b_wyes");
}

static void put_in_force(struct changes *c)
{
    request_rec *r = c->v->r;
    const char *error = NULL;
    enum lbx_rc rc;

    if (!c->n || c->busy) {
        return;
    }
    rc = mgr_seam()->apply(r->pool, r->server, c->list, c->n, &error);
    if (rc) {
        c->busy = rc == LBX_ELOCK;
        mgr_view_note(c->v, "Nothing was changed: %s", error);
    }
}

/* The balancer is known; the member, too, where one is meant. */
static int act(struct mgr_view *v, const apr_table_t *params, const char *who)
{
    struct changes c = {.v = v, .who = who};
    const char *add = apr_table_get(params, "b_wyes");
    const char *url = apr_table_get(params, "b_nwrkr");

    if (!mgr_seam()->apply || !mgr_seam()->apply_if) {
        mgr_view_note(v, "Nothing was changed: mod_lbx_core is not loaded");
        return OK;
    }
    if (v->member) {
        collect(&c, params, lbx_legacy_member, LBX_LEGACY_MEMBER_N);
        collect_checks(&c, params);
    }
    collect(&c, params, lbx_legacy_set, LBX_LEGACY_SET_N);
    put_in_force(&c);
    if (c.busy) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (v->member && apr_table_get(params, "w_status_C")) {
        set_health(&c, apr_table_get(params, "w_status_C"));
    }
    if (add && !strcmp(add, "1") && url && *url) {
        return add_member(&c, url);
    }
    return OK;
}

/* ------------------------------------------------------------------ */
/* The form                                                             */

/* Why nothing may be changed; NULL: go on.  Browsers say where a request comes from.  Some
 * scripts do not: they are taken at the nonce's word, but must say it to add a member. */
static const char *refusal(const struct mgr_view *v, const struct lbx_form *f)
{
    const char *nonce = lbx_form_get(f, "nonce");

    switch (mgr_guard_origin(v->r)) {
    case MGR_ORIGIN_FOREIGN:
        return "the request comes from another site's page";
    case MGR_ORIGIN_UNTOLD:
        if (lbx_form_get(f, "b_wyes") || (v->set && !*v->set->nonce)) {
            return "the request does not say where it comes from (Referer)";
        }
        break;
    case MGR_ORIGIN_OURS:
        break;
    }
    if (!v->set) {
        return lbx_form_get(f, "b") ? "there is no such balancer here" : NULL;
    }
    if (*v->set->nonce && (!nonce || !lbx_form_same_secret(v->set->nonce, nonce))) {
        return "the nonce is not the balancer's; load the page again";
    }
    if (lbx_form_get(f, "w") && !v->member) {
        return "there is no such member";
    }
    return NULL;
}

static apr_table_t *values(apr_pool_t *p, const struct lbx_form *f)
{
    apr_table_t *params = apr_table_make(p, (int)f->n + 1);

    for (unsigned i = 0; i < f->n; i++) {
        int once = !strcmp(f->pair[i].key, "b_nwrkr");

        apr_table_setn(params, f->pair[i].key, once ? f->pair[i].value : f->pair[i].twice);
    }
    return params;
}

static void select_by_form(struct mgr_view *v, const struct lbx_form *f, int *xml)
{
    *xml = lbx_form_get(f, "xml") != NULL;
    mgr_view_select(v, lbx_form_get(f, "b"), lbx_form_get(f, "w"));
    if (v->set && !v->member) { /* a client that encodes twice */
        mgr_view_select(v, lbx_form_get(f, "b"), lbx_form_get_twice(f, "w"));
    }
}

static int refuse(struct mgr_view *v, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r, LBXNO(0512) "nothing was changed: %s", why);
    mgr_view_note(v, "Nothing was changed: %s", why);
    return OK;
}

int mgr_action_post(struct mgr_view *v, int *xml)
{
    request_rec *r = v->r;
    struct lbx_form *f = apr_palloc(r->pool, sizeof(*f));
    apr_table_t *params;
    const char *why;
    apr_size_t len;
    char *body;
    int rc = mgr_guard_body(r, BODY_MAX, &body, &len);

    if (rc != OK) {
        return rc;
    }
    if ((why = lbx_form_read(f, body, len))) {
        return refuse(v, apr_pstrcat(r->pool, "the form cannot be read: ", why, NULL));
    }
    select_by_form(v, f, xml);
    if ((why = refusal(v, f))) {
        return refuse(v, why);
    }
    if (!v->set) {
        return OK;
    }
    params = values(r->pool, f);
    if (v->right == MGR_READ || (v->right < MGR_ADMIN && needs_admin(params))) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      LBXNO(0513) "nothing was changed: LBXManagerAccess is %s here",
                      mgr_conf_right_name(v->right));
        return HTTP_FORBIDDEN;
    }
    rc = act(v, params, mgr_guard_who(r));
    mgr_view_again(v);
    return rc == HTTP_CONFLICT ? HTTP_BAD_REQUEST : rc;
}

void mgr_action_get(struct mgr_view *v, int *xml)
{
    struct lbx_form *f = apr_palloc(v->r->pool, sizeof(*f));

    *xml = 0;
    if (v->r->args && !lbx_form_read(f, v->r->args, strlen(v->r->args))) {
        select_by_form(v, f, xml);
    }
}

/* ------------------------------------------------------------------ */
/* For other modules                                                    */

/* As httpd's, without nonce and origin: the caller is one of us.  A member that exists
 * already is no mistake: who registers itself does so again and again. */
static apr_status_t balancer_manage(request_rec *r, apr_table_t *params)
{
    const char *b = apr_table_get(params, "b"), *w = apr_table_get(params, "w");
    struct mgr_view *v = apr_palloc(r->pool, sizeof(*v));
    int rc;

    mgr_view_start_all(v, r);
    mgr_view_select(v, b, w);
    if (!v->set || (w && !v->member)) {
        return HTTP_BAD_REQUEST;
    }
    rc = act(v, params, "a module");
    return rc == OK || rc == HTTP_CONFLICT ? APR_SUCCESS : HTTP_BAD_REQUEST;
}

void mgr_action_register(void)
{
    APR_REGISTER_OPTIONAL_FN(balancer_manage);
}
