/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document in XML.  See mgr_xml.h.
 *
 * httpd's has loadfactor twice, and so has this one.  Times are whole where httpd shows
 * the last three digits only: acquire, ping and connectiontimeout in milliseconds,
 * flushwait in microseconds, the others in seconds.
 *
 * Bound: httpd, APR, mod_proxy.
 */
#include "mgr_xml.h"

#include "ap_mpm.h"
#include "http_protocol.h"

#include "lbx_legacy.h"
#include "mgr_page.h"

struct writer {
    const struct mgr_view *v;
    struct lbx_markup *m;
};

/* One element on one line; <indent> and <name> are literals. */
#define ELEMENT(w, indent, name, content)                                                          \
    do {                                                                                           \
        lbx_markup_lit((w)->m, indent "<httpd:" name ">");                                         \
        content;                                                                                   \
        lbx_markup_lit((w)->m, "</httpd:" name ">\n");                                             \
    } while (0)

#define OF_SET(w, name, content)    ELEMENT(w, "      ", name, content)
#define OF_MEMBER(w, name, content) ELEMENT(w, "          ", name, content)
#define TEXT(t)                     lbx_markup_text(w->m, t)
#define COUNT(n)                    lbx_markup_count(w->m, (uint64_t)(n))
#define SIGNED(n)                   lbx_markup_signed(w->m, (int64_t)(n))
#define ON_OFF(on)                  lbx_markup_text(w->m, (on) ? "On" : "Off")
#define SECONDS(t)                  lbx_markup_count(w->m, (uint64_t)apr_time_sec(t))
#define MILLISECONDS(t)             lbx_markup_count(w->m, (uint64_t)apr_time_as_msec(t))

/* Connections a process keeps, as mod_proxy completes them at a member's first use: as
 * many as it has threads, none for a process with one thread. */
static void write_pool(const struct writer *w, const proxy_worker_shared *s)
{
    int threads = 0, min = 0, smax = 0, max = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    if (threads > 1) {
        max = s->hmax > 0 ? s->hmax : threads;
        smax = s->smax >= 0 && s->smax <= max ? s->smax : max;
        min = s->min <= smax ? s->min : smax;
    }
    OF_MEMBER(w, "min", SIGNED(min));
    OF_MEMBER(w, "smax", SIGNED(smax));
    OF_MEMBER(w, "max", SIGNED(max));
}

/* What mod_proxy knows of a connection to the member, before its figures ... */
static void write_limits(const struct writer *w, const proxy_worker_shared *s)
{
    write_pool(w, s);
    OF_MEMBER(w, "ttl", SECONDS(s->ttl));
    if (s->timeout_set) {
        OF_MEMBER(w, "timeout", SECONDS(s->timeout));
    }
    if (s->acquire_set) {
        OF_MEMBER(w, "acquire", MILLISECONDS(s->acquire));
    }
    if (s->recv_buffer_size_set) {
        OF_MEMBER(w, "recv_buffer_size", COUNT(s->recv_buffer_size));
    }
    if (s->io_buffer_size_set) {
        OF_MEMBER(w, "io_buffer_size", COUNT(s->io_buffer_size));
    }
    if (s->keepalive_set) {
        OF_MEMBER(w, "keepalive", ON_OFF(s->keepalive));
    }
}

/* ... and behind them. */
static void write_transport(const struct writer *w, const proxy_worker_shared *s)
{
    static const char *const flush[] = {
        [flush_off] = "Off", [flush_on] = "On", [flush_auto] = "Auto"};

    if (!strcmp(s->scheme, "ajp")) {
        OF_MEMBER(w, "flushpackets", TEXT(flush[s->flush_packets]));
        if (s->flush_packets == flush_auto) {
            OF_MEMBER(w, "flushwait", COUNT(s->flush_wait));
        }
        if (s->ping_timeout_set) {
            OF_MEMBER(w, "ping", MILLISECONDS(s->ping_timeout));
        }
    }
    if (s->disablereuse_set) {
        OF_SET(w, "disablereuse", ON_OFF(s->disablereuse));
    }
    if (s->conn_timeout_set) {
        OF_MEMBER(w, "connectiontimeout", MILLISECONDS(s->conn_timeout));
    }
    if (s->retry_set) {
        OF_MEMBER(w, "retry", SECONDS(s->retry));
    }
}

static void write_figures(const struct writer *w, const struct lbx_set_info *set,
                          const struct lbx_member_info *info)
{
    const struct lbx_member_view *view = &info->view;
    char status[LBX_STATUS_TEXT], date[APR_RFC822_DATE_LEN];

    lbx_legacy_status_text(mgr_view_status(info), status);
    OF_MEMBER(w, "status", TEXT(status));
    if (view->error_at_us > 1) { /* 1: configured in error, without a time */
        apr_rfc822_date(date, (apr_time_t)view->error_at_us);
        OF_MEMBER(w, "error_time", TEXT(date));
    }
    OF_MEMBER(w, "retries", COUNT(view->retries));
    OF_MEMBER(w, "lbstatus", SIGNED(mgr_view_load(set, info)));
    OF_MEMBER(w, "loadfactor", lbx_markup_hundredths(w->m, view->run.weight));
    OF_MEMBER(w, "transferred", COUNT(view->sent));
    OF_MEMBER(w, "read", COUNT(view->received));
    OF_MEMBER(w, "elected", COUNT(view->elected));
    OF_MEMBER(w, "route", TEXT(view->run.route));
    OF_MEMBER(w, "redirect", TEXT(view->run.redirect));
    OF_MEMBER(w, "busy", COUNT(view->in_flight));
    OF_MEMBER(w, "lbset", COUNT(view->run.lbset));
}

static void write_member(const struct writer *w, const struct lbx_set_info *set,
                         const struct lbx_member_info *info)
{
    const proxy_worker_shared *s = ((const proxy_worker *)info->worker)->s;

    lbx_markup_lit(w->m, "        <httpd:worker>\n");
    OF_MEMBER(w, "name", TEXT(info->name));
    OF_MEMBER(w, "scheme", TEXT(info->scheme));
    OF_MEMBER(w, "hostname", TEXT(info->host));
    OF_MEMBER(w, "loadfactor", lbx_markup_hundredths(w->m, info->view.run.weight));
    OF_MEMBER(w, "port", COUNT(info->port));
    write_limits(w, s);
    write_figures(w, set, info);
    write_transport(w, s);
    lbx_markup_lit(w->m, "        </httpd:worker>\n");
}

static void write_set(const struct writer *w, const struct lbx_set_info *set)
{
    int is_set, attempts = mgr_view_attempts(set, &is_set);

    lbx_markup_lit(w->m, "    <httpd:balancer>\n");
    OF_SET(w, "name", TEXT(set->name));
    OF_SET(w, "nonce", TEXT(mgr_view_nonce(w->v, set)));
    if (*set->run.sticky) {
        OF_SET(w, "stickysession", TEXT(set->run.sticky));
        OF_SET(w, "nofailover", ON_OFF(set->run.nofailover));
    }
    OF_SET(w, "timeout", SECONDS(set->run.timeout_us));
    if (is_set) {
        OF_SET(w, "maxattempts", SIGNED(attempts));
    }
    OF_SET(w, "lbmethod", TEXT(set->run.method));
    if (*set->run.sticky) {
        OF_SET(w, "scolonpathdelim", ON_OFF(set->semicolon));
    }
    lbx_markup_lit(w->m, "      <httpd:workers>\n");
    for (uint32_t i = 0; i < set->n; i++) {
        write_member(w, set, &set->member[i]);
    }
    lbx_markup_lit(w->m, "      </httpd:workers>\n    </httpd:balancer>\n");
}

void mgr_xml_write(const struct mgr_view *v)
{
    request_rec *r = v->r;
    struct writer w = {v, apr_palloc(r->pool, sizeof(struct lbx_markup))};

    ap_set_content_type(r, "text/xml");
    lbx_markup_start(w.m, mgr_page_sink, r);
    lbx_markup_lit(w.m, "<?xml version='1.0' encoding='UTF-8' ?>\n"
                        "<httpd:manager xmlns:httpd='http://httpd.apache.org'>\n"
                        "  <httpd:balancers>\n");
    for (int i = 0; i < v->sets->nelts; i++) {
        write_set(&w, &APR_ARRAY_IDX(v->sets, i, struct lbx_set_info));
    }
    lbx_markup_lit(w.m, "  </httpd:balancers>\n</httpd:manager>");
    lbx_markup_end(w.m);
}
