/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page.  See mgr_page.h.
 *
 * Bound: httpd, APR, mod_proxy.
 */
#include "mgr_page.h"

#include "http_core.h"
#include "http_protocol.h"

#include "lbx_legacy.h"
#include "lbx_state.h"

enum { EVENTS_SHOWN = 12 };

struct page {
    const struct mgr_view *v;
    struct lbx_markup *m;
    uint64_t now_us;
};

void mgr_page_sink(void *baton, const char *text, size_t len)
{
    ap_rwrite(text, (int)len, baton);
}

/* ------------------------------------------------------------------ */
/* Columns of the members                                               */

/* httpd's four letters: "  0 ", " 47K". */
static void write_size(struct lbx_markup *m, uint64_t bytes)
{
    char text[5];

    lbx_markup_text(m, apr_strfsize((apr_off_t)(bytes > INT64_MAX ? INT64_MAX : bytes), text));
}

static void write_hc(struct lbx_markup *m, const struct lbx_check_info *check)
{
    lbx_markup_lit(m, "<td>");
    lbx_markup_text(m, check->method);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, check->interval_us / 1000);
    lbx_markup_lit(m, "ms</td><td>");
    lbx_markup_count(m, check->passes);
    lbx_markup_lit(m, " (");
    lbx_markup_count(m, check->passes_in_row);
    lbx_markup_lit(m, ")</td><td>");
    lbx_markup_count(m, check->fails);
    lbx_markup_lit(m, " (");
    lbx_markup_count(m, check->fails_in_row);
    lbx_markup_lit(m, ")</td><td>");
    lbx_markup_text(m, check->uri);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_text(m, check->expr);
    lbx_markup_lit(m, "</td>");
}

static uint64_t seconds_since(const struct page *page, uint64_t at)
{
    return page->now_us > at && at > 1 ? (page->now_us - at) / 1000000 : 0;
}

/* " for 12 s", where it is known; not by whom: scripts take the first row with a host's
 * name or address in it for the host's. */
static const char *decision_text(const struct page *page, const struct lbx_member_info *info)
{
    uint64_t at = info->inelig == LBX_IN_DRAIN ? info->view.drain_at_us : info->decided_us;

    return info->decided_us ? apr_psprintf(page->v->r->pool, " for %" APR_UINT64_T_FMT " s",
                                           seconds_since(page, at))
                            : "";
}

/* "draining for 12 s, 3 in flight"; <check>: what the health checker says, or NULL. */
static const char *state_text(const struct page *page, const struct lbx_member_info *info,
                              const struct lbx_check_info *check)
{
    apr_pool_t *p = page->v->r->pool;
    const struct lbx_member_view *view = &info->view;
    const char *name = lbx_state_name(lbx_state_of(view, info->inelig));
    uint64_t at, s;

    switch (info->inelig) {
    case LBX_IN_DRAIN:
    case LBX_IN_DISABLED:
    case LBX_IN_STOPPED:
    case LBX_IN_RETIRED:
        name = apr_pstrcat(p, name, decision_text(page, info), NULL);
        return view->in_flight ? apr_psprintf(p, "%s, %u in flight", name, view->in_flight)
                               : apr_pstrcat(p, name, ", safe to stop", NULL);
    case LBX_IN_ERROR:
    case LBX_IN_HCFAILED:
        at = check && check->since_us ? check->since_us : view->error_at_us;
        s = seconds_since(page, at);
        return apr_psprintf(p, "%s for %" APR_UINT64_T_FMT " s%s%s%s", name, s,
                            check && *check->cause ? ": " : "", check ? check->cause : "",
                            view->held ? ", until a health check passes" : "");
    default:
        return name;
    }
}

/* What httpd's table does not have. */
static void write_more(const struct page *page, const struct lbx_member_info *info,
                       const struct lbx_check_info *check)
{
    struct lbx_markup *m = page->m;

    lbx_markup_lit(m, "<td>");
    lbx_markup_text(m, state_text(page, info, check));
    lbx_markup_lit(m, "</td><td>");
    if (info->view.run.maxconn) {
        lbx_markup_count(m, info->view.run.maxconn);
    } else {
        lbx_markup_lit(m, "none");
    }
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, info->view.failures);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, info->tally.status[5]);
    lbx_markup_lit(m, "</td>");
}

void mgr_page_member_name(struct lbx_markup *m, const struct lbx_member_info *info)
{
    if (info->uds) {
        lbx_markup_lit(m, "<i>");
    }
    lbx_markup_text(m, info->name);
    if (info->uds) {
        lbx_markup_lit(m, "</i>");
    }
}

static void write_link(const struct page *page, const struct lbx_set_info *set,
                       const struct lbx_member_info *info)
{
    struct lbx_markup *m = page->m;

    lbx_markup_lit(m, "<a href=\"");
    lbx_markup_path(m, page->v->uri);
    lbx_markup_lit(m, "?b=");
    lbx_markup_query(m, mgr_view_short(set));
    if (info) {
        lbx_markup_lit(m, "&amp;w=");
        lbx_markup_query(m, mgr_view_link(set, info));
    }
    lbx_markup_lit(m, "&amp;nonce=");
    lbx_markup_query(m, mgr_view_nonce(page->v, set));
    lbx_markup_lit(m, "\">");
    if (info) {
        mgr_page_member_name(m, info);
    } else {
        lbx_markup_text(m, set->name);
    }
    lbx_markup_lit(m, "</a>");
}

/* The whole row on one line. */
static void write_member(const struct page *page, const struct lbx_set_info *set,
                         const struct lbx_member_info *info)
{
    struct lbx_markup *m = page->m;
    struct lbx_check_info check;
    char status[LBX_STATUS_TEXT];

    lbx_legacy_status_text(mgr_view_status(info), status);
    lbx_markup_lit(m, "<tr>\n<td>");
    write_link(page, set, info);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_text(m, info->view.run.route);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_text(m, info->view.run.redirect);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_hundredths(m, info->view.run.weight);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, info->view.run.lbset);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_text(m, status);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, info->view.elected);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_count(m, info->view.in_flight);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_signed(m, mgr_view_load(set, info));
    lbx_markup_lit(m, "</td><td>");
    write_size(m, info->view.sent);
    lbx_markup_lit(m, "</td><td>");
    write_size(m, info->view.received);
    lbx_markup_lit(m, "</td>");
    if (page->v->hcheck) {
        mgr_seam()->check_info(page->v->r->pool, set, info, &check);
        write_hc(m, &check);
    }
    write_more(page, info, page->v->hcheck ? &check : NULL);
    lbx_markup_lit(m, "</tr>\n");
}

/* ------------------------------------------------------------------ */
/* A balancer                                                           */

static void write_sticky(struct lbx_markup *m, const struct lbx_set_vals *run)
{
    if (!*run->sticky) {
        lbx_markup_lit(m, " (None) ");
        return;
    }
    lbx_markup_text(m, run->sticky);
    if (strcmp(run->sticky, run->sticky_path) != 0) {
        lbx_markup_lit(m, "|");
        lbx_markup_text(m, run->sticky_path);
    }
}

static void write_settings(const struct page *page, const struct lbx_set_info *set)
{
    struct lbx_markup *m = page->m;
    const proxy_balancer *b = mgr_view_balancer(page->v, set);
    int is_set;

    lbx_markup_lit(m, "\n\n<table><tr><th>MaxMembers</th><th>StickySession</th>"
                      "<th>DisableFailover</th><th>Timeout</th><th>FailoverAttempts</th>"
                      "<th>Method</th><th>Path</th><th>Active</th></tr>\n<tr><td>");
    lbx_markup_count(m, set->n + set->growth);
    lbx_markup_lit(m, " [");
    lbx_markup_count(m, set->n);
    lbx_markup_lit(m, " Used]</td>\n<td>");
    write_sticky(m, &set->run);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_text(m, set->run.nofailover ? "On" : "Off");
    lbx_markup_lit(m, "</td>\n<td>");
    lbx_markup_count(m, set->run.timeout_us / 1000000);
    lbx_markup_lit(m, "</td><td>");
    lbx_markup_signed(m, mgr_view_attempts(set, &is_set));
    lbx_markup_lit(m, "</td>\n<td>");
    lbx_markup_text(m, set->run.method);
    lbx_markup_lit(m, "</td>\n<td>");
    if (*b->s->vhost) {
        lbx_markup_text(m, b->s->vhost);
        lbx_markup_lit(m, " -> ");
    }
    lbx_markup_text(m, b->s->vpath);
    lbx_markup_lit(m, "</td>\n<td>Yes</td>\n</tr>\n</table>\n<br />\n\n");
}

static void write_queue(struct lbx_markup *m, const struct lbx_set_info *set)
{
    lbx_markup_lit(m, "<div class='lbx-more'>Requests: ");
    lbx_markup_count(m, set->requests);
    lbx_markup_lit(m, ", waiting for a member: ");
    lbx_markup_count(m, set->waiting);
    lbx_markup_lit(m, ", moved to another member: ");
    lbx_markup_count(m, set->failovers);
    lbx_markup_lit(m, ", refused: ");
    lbx_markup_count(m, set->refused);
    lbx_markup_lit(m, "</div>\n");
}

static void write_set(const struct page *page, const struct lbx_set_info *set)
{
    struct lbx_markup *m = page->m;

    lbx_markup_lit(m, "<hr />\n<h3>LoadBalancer Status for ");
    write_link(page, set, NULL);
    lbx_markup_lit(m, " [");
    lbx_markup_text(m, mgr_view_sname(page->v->r->pool, set));
    lbx_markup_lit(m, "]</h3>\n");
    write_settings(page, set);
    lbx_markup_lit(m, "<table><tr><th>Worker URL</th><th>Route</th><th>RouteRedir</th>"
                      "<th>Factor</th><th>Set</th><th>Status</th><th>Elected</th><th>Busy</th>"
                      "<th>Load</th><th>To</th><th>From</th>");
    if (page->v->hcheck) {
        lbx_markup_lit(m, "<th>HC Method</th><th>HC Interval</th><th>Passes</th><th>Fails</th>"
                          "<th>HC uri</th><th>HC Expr</th>");
    }
    lbx_markup_lit(m, "<th>State</th><th>Limit</th><th>Failed</th><th>5xx</th></tr>\n");
    for (uint32_t i = 0; i < set->n; i++) {
        write_member(page, set, &set->member[i]);
    }
    lbx_markup_lit(m, "</table>\n");
    write_queue(m, set);
}

/* A table only where there is something to show, as with httpd. */
static void write_exprs(const struct page *page)
{
    const apr_array_header_t *all = apr_table_elts(mgr_view_exprs(page->v, page->v->r->server));
    struct lbx_markup *m = page->m;

    if (!all->nelts) {
        return;
    }
    lbx_markup_lit(m, "\n\n<table><tr><th colspan='2'>Health check cond. expressions:</th></tr>\n"
                      "<tr><th>Expr name</th><th>Expression</th></tr>\n");
    for (int i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        lbx_markup_lit(m, "<tr><td>");
        lbx_markup_text(m, e->key);
        lbx_markup_lit(m, "</td><td>");
        lbx_markup_text(m, e->val);
        lbx_markup_lit(m, "</td></tr>\n");
    }
    lbx_markup_lit(m, "</table><hr/>\n");
}

/* ------------------------------------------------------------------ */
/* The document                                                         */

/* That of httpd's own page; no module magic number tells when it changed. */
#ifdef DOCTYPE_HTML_4_01
#define DOCTYPE_OF_HTTPD DOCTYPE_HTML_4_01
#else
#define DOCTYPE_OF_HTTPD DOCTYPE_HTML_3_2
#endif

static void write_head(const struct page *page)
{
    struct lbx_markup *m = page->m;

    lbx_markup_lit(m, DOCTYPE_OF_HTTPD "<html><head><title>Balancer Manager</title>\n"
                                       "<meta name='viewport' "
                                       "content='width=device-width, initial-scale=1'>\n"
                                       "<link rel='stylesheet' type='text/css' href=\"");
    lbx_markup_path(m, apr_pstrcat(page->v->r->pool, page->v->base, "/-/lbx.css", NULL));
    lbx_markup_lit(m, "\">\n<script type='module' src=\"");
    lbx_markup_path(m, apr_pstrcat(page->v->r->pool, page->v->base, "/-/lbx.js", NULL));
    lbx_markup_lit(m, "\"></script>\n</head>\n<body><h1>Load Balancer Manager for ");
    lbx_markup_text(m, ap_get_server_name(page->v->r));
    lbx_markup_lit(m, "</h1>\n\n");
}

static void write_server(const struct page *page)
{
    struct lbx_markup *m = page->m;
    const proxy_server_conf *conf =
        ap_get_module_config(page->v->r->server->module_config, &proxy_module);

    lbx_markup_lit(m, "<dl><dt>Server Version: ");
    lbx_markup_text(m, ap_get_server_description());
    lbx_markup_lit(m, "</dt>\n<dt>Server Built: ");
    lbx_markup_text(m, ap_get_server_built());
    lbx_markup_lit(m, "</dt>\n<dt>Balancer changes will ");
    lbx_markup_text(m, conf->bal_persist ? "" : "NOT ");
    lbx_markup_lit(m, "be persisted on restart.</dt><dt>Balancers are ");
    lbx_markup_text(m, conf->inherit ? "" : "NOT ");
    lbx_markup_lit(m, "inherited from main server.</dt><dt>ProxyPass settings are ");
    lbx_markup_text(m, conf->ppinherit ? "" : "NOT ");
    lbx_markup_lit(m, "inherited from main server.</dt></dl>\n");
}

static void write_notes(const struct page *page)
{
    const apr_array_header_t *notes = page->v->notes;

    for (int i = 0; i < notes->nelts; i++) {
        lbx_markup_lit(page->m, "<div class='lbx-note' role='status'>");
        lbx_markup_text(page->m, APR_ARRAY_IDX(notes, i, const char *));
        lbx_markup_lit(page->m, "</div>\n");
    }
}

/* Is the event about a balancer of this page? */
static int is_shown(const struct mgr_view *v, const struct lbx_event *e)
{
    for (int i = 0; i < v->sets->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(v->sets, i, struct lbx_set_info).name, e->balancer)) {
            return 1;
        }
    }
    return 0;
}

static void write_event(const struct page *page, const struct lbx_event *e)
{
    struct lbx_markup *m = page->m;
    char date[APR_RFC822_DATE_LEN];

    apr_rfc822_date(date, (apr_time_t)e->at_us);
    lbx_markup_lit(m, "<li>");
    lbx_markup_text(m, date);
    lbx_markup_lit(m, " ");
    lbx_markup_text(m, e->kind);
    lbx_markup_lit(m, " ");
    lbx_markup_text(m, e->balancer);
    lbx_markup_lit(m, " ");
    lbx_markup_text(m, e->member);
    lbx_markup_lit(m, " ");
    lbx_markup_text(m, e->text);
    lbx_markup_lit(m, " by ");
    lbx_markup_text(m, *e->who ? e->who : "a module");
    lbx_markup_lit(m, "</li>\n");
}

static void write_events(const struct page *page)
{
    const apr_array_header_t *all =
        mgr_seam()->events ? mgr_seam()->events(page->v->r->pool, 0) : NULL;
    int shown = 0;

    for (int i = all ? all->nelts - 1 : -1; i >= 0 && shown < EVENTS_SHOWN; i--) {
        const struct lbx_event *e = &APR_ARRAY_IDX(all, i, struct lbx_event);

        if (is_shown(page->v, e)) {
            if (!shown++) {
                lbx_markup_lit(page->m, "<div class='lbx-events'>Last events:<ul>\n");
            }
            write_event(page, e);
        }
    }
    if (shown) {
        lbx_markup_lit(page->m, "</ul></div>\n");
    }
}

void mgr_page_write(const struct mgr_view *v)
{
    request_rec *r = v->r;
    struct page page = {v, apr_palloc(r->pool, sizeof(struct lbx_markup)),
                        (uint64_t)apr_time_now()};

    ap_set_content_type(r, "text/html; charset=ISO-8859-1");
    lbx_markup_start(page.m, mgr_page_sink, r);
    write_head(&page);
    write_server(&page);
    write_notes(&page);
    for (int i = 0; i < v->sets->nelts; i++) {
        write_set(&page, &APR_ARRAY_IDX(v->sets, i, struct lbx_set_info));
    }
    lbx_markup_lit(page.m, "<hr />\n");
    write_exprs(&page);
    if (v->right != MGR_READ) {
        mgr_page_form(v, page.m);
    }
    write_events(&page);
    lbx_markup_lit(page.m, "</body></html>\n");
    lbx_markup_end(page.m);
}
