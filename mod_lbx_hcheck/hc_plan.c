/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check does.  See hc_plan.h.
 *
 * Bound.
 */
#include "hc_plan.h"

#include <curl/curl.h>

#include "hc_conf.h"
#include "mod_proxy.h"

enum { OTHER = 0, HTTP, AJP };

struct scheme {
    const char *name;
    int speaks;
    int tls;
    int h2;
    int port;
};

static const struct scheme schemes[] = {
    {"http", HTTP, 0, 0, 80}, {"https", HTTP, 1, 0, 443}, {"ws", HTTP, 0, 0, 80},
    {"wss", HTTP, 1, 0, 443}, {"h2c", HTTP, 0, 1, 80},    {"h2", HTTP, 1, 1, 443},
    {"ajp", AJP, 0, 0, 8009}, {NULL, OTHER, 0, 0, 0},
};

static const struct scheme *scheme_of(const char *name)
{
    const struct scheme *s = schemes;

    while (s->name && ap_cstr_casecmp(s->name, name)) {
        s++;
    }
    return s;
}

int hc_plan_is_tls(const char *scheme)
{
    return scheme_of(scheme)->tls;
}

static int is_http(enum lbx_hc_method method)
{
    return method == LBX_HC_OPTIONS || method == LBX_HC_HEAD || method == LBX_HC_GET;
}

const char *hc_plan_error(apr_pool_t *p, const char *scheme, const struct lbx_hc_spec *spec)
{
    const struct scheme *s = scheme_of(scheme);
    const char *method = lbx_hc_method_name(spec->method);

    if (is_http(spec->method) && s->speaks != HTTP && !spec->port) {
        return apr_psprintf(p,
                            "hcmethod=%s: a member that speaks %s is checked by TCP%s, or by "
                            "HTTP at another port (hcport=)",
                            method, scheme, s->speaks == AJP ? " or CPING" : "");
    }
    if (spec->method == LBX_HC_CPING && s->speaks != AJP) {
        return apr_psprintf(p, "hcmethod=CPING: only for ajp:// members, not for %s://", scheme);
    }
    if (spec->body && spec->method != LBX_HC_GET) {
        return apr_psprintf(p, "hcbody=%s: only with hcmethod=GET or GET11, not %s", spec->body,
                            method);
    }
    if (spec->has_status && !is_http(spec->method)) {
        return apr_psprintf(p, "hcstatus=: only with a method of HTTP, not hcmethod=%s", method);
    }
    return NULL;
}

/* The path in a member's name, "" without. */
static const char *path_of(const char *name)
{
    const char *bar = strstr(name, "|"), *host = strstr(bar ? bar : name, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;

    return path ? path : "";
}

static const char *join(apr_pool_t *p, const char *path, const char *uri)
{
    apr_size_t n = strlen(path);

    if (!uri) {
        return n ? path : "/";
    }
    while (n && path[n - 1] == '/') {
        n--;
    }
    if (*uri == '?') {
        return apr_psprintf(p, "%.*s%s%s", (int)n, path, n ? "" : "/", uri);
    }
    while (uri[0] == '/' && uri[1] == '/') {
        uri++;
    }
    return apr_psprintf(p, "%.*s%s%s", (int)n, path, *uri == '/' ? "" : "/", uri);
}

/* In a URL: IPv6 addresses in brackets. */
static const char *bracketed(apr_pool_t *p, const char *host)
{
    return strchr(host, ':') && *host != '[' ? apr_pstrcat(p, "[", host, "]", NULL) : host;
}

static int is_numeric(const char *host)
{
    return strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

static void plan_where(apr_pool_t *p, struct hc_plan *plan, const struct lbx_member_info *info,
                       int tls)
{
    const struct lbx_hc_spec *spec = &plan->spec;
    const char *name = bracketed(p, spec->sni ? spec->sni : info->host);
    int port = info->port ? info->port : scheme_of(info->scheme)->port;
    const char *path = plan->kind == HC_KIND_HTTP ? join(p, path_of(info->name), spec->uri) : "/";

    plan->numeric = is_numeric(spec->addr ? spec->addr : info->host);
    plan->name = spec->sni ? spec->sni : info->host;
    plan->url = apr_psprintf(p, "%s://%s:%d%s", tls ? "https" : "http", name, port, path);
    if (spec->addr || spec->port || spec->sni) {
        plan->connect_to = apr_psprintf(p, "%s:%d:%s:%d", name, port,
                                        bracketed(p, spec->addr ? spec->addr : info->host),
                                        spec->port ? spec->port : port);
    } else {
        plan->uds = info->uds;
    }
}

static long http_version(const struct lbx_hc_spec *spec, const struct scheme *s)
{
    unsigned v = spec->version ? spec->version : s->h2 ? 20 : spec->method_version;

    if (v == 20) {
        return s->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    }
    return v == 11 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_1_0;
}

/* Everything that makes a difference to what is sent or what is expected. */
static const char *key_of(apr_pool_t *p, const struct hc_plan *plan)
{
    const struct lbx_hc_spec *s = &plan->spec;
    const char *key, *status = "", *headers = "";

    for (int i = 0; i < LBX_HC_HEADERS; i++) {
        headers = s->header[i] ? apr_pstrcat(p, headers, s->header[i], "\n", NULL) : headers;
    }
    for (unsigned i = 0; s->has_status && i < sizeof(s->status) / sizeof(s->status[0]); i++) {
        status = apr_psprintf(p, "%s%x.", status, s->status[i]);
    }
#define OR_NOT(t) ((t) ? (t) : "-")
    key =
        apr_psprintf(p,
                     "%d %s %s %s %s %s %s %ld\n%s\n%s\n%s\n%s\n%s"
                     "%" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT
                     " %" APR_UINT64_T_FMT " %u",
                     plan->kind, plan->url, OR_NOT(plan->connect_to), OR_NOT(plan->uds),
                     OR_NOT(plan->method), OR_NOT(plan->target), OR_NOT(plan->impossible),
                     plan->http, OR_NOT(s->host), OR_NOT(s->body), OR_NOT(s->expr), status, headers,
                     s->interval_us, s->fast_us, s->down_us, plan->timeout_us, s->spread);
    if (s->expr) { /* the same name can mean something else to another server */
        const struct hc_expr *e = hc_conf_expr(plan->server, s->expr);

        key = apr_pstrcat(p, key, "\n", e ? e->text : "", NULL);
    }
    for (int i = 0; plan->tls && i < HC_TLS_WORD_N; i++) {
        key = apr_pstrcat(p, key, "\n", plan->ssl->given >> i & 1 ? plan->ssl->text[i] : "", NULL);
    }
    return key;
}

static struct hc_plan *make(apr_pool_t *p, server_rec *s, const char *balancer,
                            const struct lbx_member_info *info, const struct lbx_hc_spec *spec)
{
    static const char *const method[LBX_HC_METHOD_N] = {
        [LBX_HC_OPTIONS] = "OPTIONS", [LBX_HC_HEAD] = "HEAD", [LBX_HC_GET] = "GET"};
    const struct scheme *scheme = scheme_of(info->scheme);
    const proxy_worker_shared *w = ((proxy_worker *)info->worker)->s;
    uint64_t member_us = w->timeout_set ? (uint64_t)w->timeout : 0;
    struct hc_plan *plan = apr_pcalloc(p, sizeof(*plan));

    plan->spec = *spec;
    plan->server = s;
    plan->kind = is_http(spec->method)                                  ? HC_KIND_HTTP
                 : spec->method == LBX_HC_CPING                         ? HC_KIND_CPING
                 : spec->method == LBX_HC_NONE && scheme->speaks == AJP ? HC_KIND_CPING
                                                                        : HC_KIND_CONNECT;
    plan->method = method[spec->method];
    plan->target = spec->method == LBX_HC_OPTIONS ? "*" : NULL;
    plan->tls = scheme->tls;
    plan->http = http_version(spec, scheme);
    plan->timeout_us = lbx_hc_spec_timeout(spec, member_us);
    plan_where(p, plan, info, scheme->tls);
    if (plan->tls) {
        plan->ssl = hc_tls_for(p, s, balancer);
        if (!plan->ssl->on[HC_TLS_ENGINE]) {
            plan->impossible = "SSLProxyEngine is not On, no request can be sent there";
        }
    }
    return plan;
}

/* The system accepts connections for a process that hangs.  So a member that took
 * requests and left them without an answer is sent one itself, where requests go, not
 * to whoever stands in for it in checks; any answer will do. */
static const struct hc_plan *ask_instead(apr_pool_t *p, server_rec *s, const char *balancer,
                                         const struct lbx_member_info *info,
                                         const struct lbx_hc_spec *spec)
{
    struct lbx_hc_spec ask = *spec;
    struct hc_plan *plan;

    if (scheme_of(info->scheme)->speaks != HTTP
        || (spec->method != LBX_HC_NONE && spec->method != LBX_HC_TCP)) {
        return NULL;
    }
    ask.method = LBX_HC_OPTIONS;
    ask.method_version = 11;
    ask.body = ask.expr = ask.addr = ask.sni = NULL;
    ask.port = 0;
    ask.has_status = 1;
    memset(ask.status, 0xff, sizeof(ask.status));
    plan = make(p, s, balancer, info, &ask);
    plan->once = 1;
    plan->key = apr_pstrcat(p, key_of(p, plan), "\nasked", NULL);
    return plan;
}

const struct hc_plan *hc_plan_make(apr_pool_t *p, server_rec *s, const char *balancer,
                                   const struct lbx_member_info *info,
                                   const struct lbx_hc_spec *spec)
{
    struct hc_plan *plan = make(p, s, balancer, info, spec);

    plan->ask = ask_instead(p, s, balancer, info, spec);
    plan->key = key_of(p, plan);
    return plan;
}
