/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's forms, field by field as httpd's own manager has them.  See mgr_page.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_page.h"

#include "ap_provider.h"
#include "http_core.h"

#include "lbx_legacy.h"

static void write_radio(struct lbx_markup *m, const char *key, int on, int checked)
{
    lbx_markup_lit(m, "<label for='");
    lbx_markup_text(m, key);
    lbx_markup_count(m, (uint64_t)on);
    lbx_markup_lit(m, "'>");
    lbx_markup_text(m, on ? "On" : "Off");
    lbx_markup_lit(m, "</label> <input name='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' id='");
    lbx_markup_text(m, key);
    lbx_markup_count(m, (uint64_t)on);
    lbx_markup_lit(m, "' value='");
    lbx_markup_count(m, (uint64_t)on);
    lbx_markup_lit(m, "' type=radio");
    if (checked) {
        lbx_markup_lit(m, " checked");
    }
    lbx_markup_lit(m, ">");
}

static void write_switch(struct lbx_markup *m, const char *key, int on)
{
    lbx_markup_lit(m, "<td>");
    write_radio(m, key, 1, on);
    lbx_markup_lit(m, " <br/> ");
    write_radio(m, key, 0, !on);
    lbx_markup_lit(m, "</td>\n");
}

/* A row with one field for text. */
static void write_field(struct lbx_markup *m, const char *title, const char *key, const char *value)
{
    lbx_markup_lit(m, "<tr><td>");
    lbx_markup_text(m, title);
    lbx_markup_lit(m, ":</td><td><input name='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' id='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' type=text value=\"");
    lbx_markup_text(m, value);
    lbx_markup_lit(m, "\"></td></tr>\n");
}

static void write_hidden(struct lbx_markup *m, const char *key, const char *value)
{
    lbx_markup_lit(m, "<input type=hidden name='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' id='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' value=\"");
    lbx_markup_text(m, value);
    lbx_markup_lit(m, "\">\n");
}

/* An address without a host: behind another proxy ours may not be the client's. */
static void open_form(const struct mgr_view *v, struct lbx_markup *m)
{
    lbx_markup_lit(m, "</h3>\n<form method='POST' enctype='application/x-www-form-urlencoded' "
                      "accept-charset='UTF-8' action=\"");
    lbx_markup_path(m, v->uri);
    lbx_markup_lit(m, "\">\n");
}

static void close_form(const struct mgr_view *v, struct lbx_markup *m)
{
    lbx_markup_lit(m, "</table>\n");
    if (v->member) {
        write_hidden(m, "w", mgr_view_link(v->set, v->member));
    }
    write_hidden(m, "b", mgr_view_short(v->set));
    write_hidden(m, "nonce", mgr_view_nonce(v, v->set));
    lbx_markup_lit(m, "</form>\n<hr />\n");
}

static const char *hundredths(apr_pool_t *p, uint32_t v)
{
    return apr_psprintf(p, "%u.%02u", v / 100, v % 100);
}

/* The flags of a member that are switches; the health checker's only while it is there,
 * and next to the last, as httpd has it. */
static void write_flags(const struct mgr_view *v, struct lbx_markup *m)
{
    enum { FIRST = 4, LAST = LBX_LEGACY_MEMBER_N - 1 };

    lbx_markup_lit(m, "<tr><td>Status:</td><td><table><tr>");
    for (unsigned i = FIRST; i <= LAST; i++) {
        if (i == LAST && v->hcheck) {
            lbx_markup_lit(m, "<th>HC Fail</th>");
        }
        lbx_markup_lit(m, "<th>");
        lbx_markup_text(m, lbx_legacy_member[i].title);
        lbx_markup_lit(m, "</th>");
    }
    lbx_markup_lit(m, "</tr>\n<tr>");
    for (unsigned i = FIRST; i <= LAST; i++) {
        if (i == LAST && v->hcheck) {
            write_switch(m, "w_status_C", !!(v->member->view.health & LBX_HEALTH_FAILED));
        }
        write_switch(m, lbx_legacy_member[i].key,
                     !!(v->member->view.run.admin & lbx_legacy_member[i].bit));
    }
    lbx_markup_lit(m, "</tr></table></td></tr>\n");
}

static void write_option(struct lbx_markup *m, const char *value, int selected)
{
    lbx_markup_lit(m, "<option value='");
    lbx_markup_text(m, value);
    lbx_markup_lit(m, "' ");
    if (selected) {
        lbx_markup_lit(m, "selected");
    }
    lbx_markup_lit(m, " >");
    lbx_markup_text(m, value);
    lbx_markup_lit(m, "</option>\n");
}

/* The first one is none: httpd has no way to say that. */
static void write_exprs(const struct mgr_view *v, struct lbx_markup *m, const char *now)
{
    const apr_array_header_t *all = apr_table_elts(mgr_view_exprs(v, v->set->server));

    lbx_markup_lit(m, "<tr><td>Expr</td><td><select name='w_he'>\n");
    write_option(m, "", !*now);
    for (int i = 0; i < all->nelts; i++) {
        const char *name = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        write_option(m, name, !strcmp(name, now));
    }
    lbx_markup_lit(m, "</select>\n</td></tr>\n");
}

static void write_check_field(struct lbx_markup *m, const char *title, const char *key,
                              const char *value)
{
    lbx_markup_lit(m, "<tr><td>");
    lbx_markup_text(m, title);
    lbx_markup_lit(m, "</td><td><input name='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' id='");
    lbx_markup_text(m, key);
    lbx_markup_lit(m, "' type='text' value=\"");
    lbx_markup_text(m, value);
    lbx_markup_lit(m, "\"></td></tr>\n");
}

/* Titles as httpd has them, the bracket too. */
static void write_checks(const struct mgr_view *v, struct lbx_markup *m)
{
    static const char *const methods[] = {"NONE",  "TCP",       "OPTIONS", "HEAD", "GET",
                                          "CPING", "OPTIONS11", "HEAD11",  "GET11"};
    apr_pool_t *p = v->r->pool;
    struct lbx_check_info check;

    if (!v->hcheck || !mgr_seam()->check_info(p, v->set, v->member, &check)) {
        return;
    }
    lbx_markup_lit(m, "<tr><td colspan='2'>\n<table align='center'><tr><th>Health Check param</th>"
                      "<th>Value</th></tr>\n<tr><td>Method</td><td><select name='w_hm'>\n");
    for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], "CPING") || ap_find_linked_module("mod_proxy_ajp.c")) {
            write_option(m, methods[i], !strcmp(methods[i], check.method));
        }
    }
    lbx_markup_lit(m, "</select>\n</td></tr>\n");
    write_exprs(v, m, check.expr);
    write_check_field(m, "Interval (ms)", "w_hi",
                      apr_psprintf(p, "%" APR_UINT64_T_FMT, check.interval_us / 1000));
    write_check_field(m, "Passes trigger", "w_hp", apr_itoa(p, (int)check.passes));
    write_check_field(m, "Fails trigger)", "w_hf", apr_itoa(p, (int)check.fails));
    write_check_field(m, "HC uri", "w_hu", check.uri);
    lbx_markup_lit(m, "</table>\n</td></tr>\n");
}

static void write_member_form(const struct mgr_view *v, struct lbx_markup *m)
{
    apr_pool_t *p = v->r->pool;
    const struct lbx_member_vals *run = &v->member->view.run;

    lbx_markup_lit(m, "<h3>Edit worker settings for ");
    mgr_page_member_name(m, v->member);
    open_form(v, m);
    lbx_markup_lit(m, "<table>");
    write_field(m, "Load factor", "w_lf", hundredths(p, run->weight));
    write_field(m, "LB Set", "w_ls", apr_itoa(p, (int)run->lbset));
    write_field(m, "Route", "w_wr", run->route);
    write_field(m, "Route Redirect", "w_rr", run->redirect);
    write_flags(v, m);
    write_checks(v, m);
    lbx_markup_lit(m, "<tr><td colspan='2'><input type=submit value='Submit'></td></tr>\n");
    close_form(v, m);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ap_list_provider_names_t *)a)->provider_name,
                  ((const ap_list_provider_names_t *)b)->provider_name);
}

static void write_methods(const struct mgr_view *v, struct lbx_markup *m)
{
    apr_array_header_t *all = ap_list_provider_names(v->r->pool, PROXY_LBMETHOD, "0");

    lbx_markup_lit(m, "<tr><td>LBmethod:</td><td>\n<select name='b_lbm' id='b_lbm'>");
    qsort(all->elts, (size_t)all->nelts, (size_t)all->elt_size, by_name);
    for (int i = 0; i < all->nelts; i++) {
        const char *name = APR_ARRAY_IDX(all, i, ap_list_provider_names_t).provider_name;

        lbx_markup_lit(m, "<option value='");
        lbx_markup_text(m, name);
        lbx_markup_lit(m, "'");
        if (!strcmp(name, v->set->run.method)) {
            lbx_markup_lit(m, " selected ");
        }
        lbx_markup_lit(m, ">");
        lbx_markup_text(m, name);
        lbx_markup_lit(m, "\n");
    }
    lbx_markup_lit(m, "</select>\n</td></tr>\n");
}

static void write_sticky(const struct mgr_view *v, struct lbx_markup *m)
{
    const struct lbx_set_vals *run = &v->set->run;

    lbx_markup_lit(m, "<tr><td>Sticky Session:</td><td><input name='b_ss' id='b_ss' size=64 "
                      "type=text value =\"");
    lbx_markup_text(m, run->sticky);
    if (strcmp(run->sticky, run->sticky_path) != 0) {
        lbx_markup_lit(m, "|");
        lbx_markup_text(m, run->sticky_path);
    }
    lbx_markup_lit(m, "\">&nbsp;&nbsp;&nbsp;&nbsp;(Use '-' to delete)</td></tr>\n");
}

static void write_set_form(const struct mgr_view *v, struct lbx_markup *m)
{
    apr_pool_t *p = v->r->pool;
    int is_set;

    lbx_markup_lit(m, "<h3>Edit balancer settings for ");
    lbx_markup_text(m, v->set->name);
    open_form(v, m);
    lbx_markup_lit(m, "<table>\n");
    write_methods(v, m);
    write_field(m, "Timeout", "b_tmo", apr_itoa(p, (int)(v->set->run.timeout_us / 1000000)));
    write_field(m, "Failover Attempts", "b_max", apr_itoa(p, mgr_view_attempts(v->set, &is_set)));
    lbx_markup_lit(m, "<tr><td>Disable Failover:</td>");
    write_switch(m, "b_sforce", v->set->run.nofailover != 0);
    lbx_markup_lit(m, "</tr>\n");
    write_sticky(v, m);
    if (mgr_seam()->add) {
        lbx_markup_lit(m, "<tr><td>Add New Worker:</td><td><input name='b_nwrkr' id='b_nwrkr' "
                          "size=32 type=text>&nbsp;&nbsp;&nbsp;&nbsp;Are you sure? <input "
                          "name='b_wyes' id='b_wyes' type=checkbox value='1'></td></tr>");
    }
    lbx_markup_lit(m, "<tr><td colspan=2><input type=submit value='Submit'></td></tr>\n");
    close_form(v, m);
}

void mgr_page_form(const struct mgr_view *v, struct lbx_markup *m)
{
    if (v->member) {
        write_member_form(v, m);
    } else if (v->set && v->right == MGR_ADMIN) {
        write_set_form(v, m);
    }
}
