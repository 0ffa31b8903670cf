/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl is told, and what its answer is worth.  See hc_check.h.
 *
 * Bound.
 */
#include "hc_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "apr_lib.h"

#include "hc_conf.h"
#include "hc_expr.h"

APLOG_USE_MODULE(lbx_hcheck);

void hc_check_fail(struct hc_result *result, enum lbx_hc_cause cause, const char *fmt, ...)
{
    va_list args;

    result->passed = 0;
    result->cause = cause;
    va_start(args, fmt);
    apr_vsnprintf(result->text, sizeof(result->text), fmt, args);
    va_end(args);
}

/* ------------------------------------------------------------------ */
/* Before                                                               */

/* Keep <n> more bytes, as far as <most> allows. */
static void keep(char **to, size_t *have, const char *data, size_t n, size_t most)
{
    char *more;

    if (*have + n > most) {
        n = most - *have;
    }
    more = n ? realloc(*to, *have + n + 1) : NULL;
    if (more) {
        memcpy(more + *have, data, n);
        *have += n;
        more[*have] = '\0';
        *to = more;
    }
}

static int wants_body(const struct hc_plan *plan)
{
    return plan->spec.body || plan->spec.expr;
}

static size_t on_body(char *data, size_t size, size_t n, void *baton)
{
    struct hc_probe *c = baton;

    n *= size;
    if (wants_body(c->target->plan)) {
        keep(&c->body, &c->body_n, data, n, HC_BODY_MAX);
    } else {
        c->body_n += n;
    }
    c->enough = c->body_n >= HC_BODY_MAX;
    return c->enough ? 0 : n;
}

static size_t on_head(char *data, size_t size, size_t n, void *baton)
{
    struct hc_probe *c = baton;

    n *= size;
    if (n > 5 && !memcmp(data, "HTTP/", 5)) {
        c->head_n = 0; /* of an interim answer before */
    }
    if (c->target->plan->spec.expr) {
        keep(&c->head, &c->head_n, data, n, HC_HEAD_MAX);
    }
    return n;
}

static int add(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = curl_slist_append(*list, text);

    *list = more ? more : *list;
    return more != NULL;
}

static int prepare_http(struct hc_probe *c, const struct hc_plan *plan)
{
    CURL *e = c->easy;
    int ok = 1;

    curl_easy_setopt(e, CURLOPT_USERAGENT, "mod_lbx_hcheck");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, plan->http);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, plan->method);
    curl_easy_setopt(e, CURLOPT_NOBODY, plan->spec.method == LBX_HC_HEAD ? 1L : 0L);
    if (plan->target) {
        curl_easy_setopt(e, CURLOPT_REQUEST_TARGET, plan->target);
    }
    if (plan->spec.host) {
        char host[LBX_HC_HOST_MAX + 8];

        apr_snprintf(host, sizeof(host), "Host: %s", plan->spec.host);
        ok = add(&c->headers, host);
    }
    for (int i = 0; i < LBX_HC_HEADERS; i++) {
        ok = ok && (!plan->spec.header[i] || add(&c->headers, plan->spec.header[i]));
    }
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
    return ok;
}

static void set_blob(CURL *e, CURLoption option, const char *text)
{
    struct curl_blob blob = {(void *)text, strlen(text), CURL_BLOB_COPY};

    curl_easy_setopt(e, option, &blob);
}

static void prepare_tls(struct hc_probe *c, const struct hc_tls *t)
{
    CURL *e = c->easy;

    /* name and dates are looked at afterwards, as mod_ssl does */
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, t->on[HC_TLS_VERIFY] ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
    /* only what is said counts, not what the system trusts */
    curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(e, CURLOPT_CAPATH, t->text[HC_TLS_CA_PATH]);
    if (t->content[HC_TLS_CA_FILE]) {
        set_blob(e, CURLOPT_CAINFO_BLOB, t->content[HC_TLS_CA_FILE]);
    }
    if (t->text[HC_TLS_CRL_FILE]) {
        curl_easy_setopt(e, CURLOPT_CRLFILE, t->text[HC_TLS_CRL_FILE]);
    }
    if (t->content[HC_TLS_CERT]) {
        set_blob(e, CURLOPT_SSLCERT_BLOB, t->content[HC_TLS_CERT]);
        set_blob(e, CURLOPT_SSLKEY_BLOB, t->content[HC_TLS_CERT]);
    }
    if (t->given >> HC_TLS_PROTOCOL & 1) {
        curl_easy_setopt(e, CURLOPT_SSLVERSION, t->protocol);
    }
    if (t->given >> HC_TLS_CIPHERS & 1) {
        curl_easy_setopt(e, CURLOPT_SSL_CIPHER_LIST, t->text[HC_TLS_CIPHERS]);
    }
}

int hc_check_prepare(struct hc_probe *c, curl_opensocket_callback open, int may_keep)
{
    const struct hc_plan *plan = c->target->plan;
    CURL *e = c->easy;
    long ms = (long)(plan->timeout_us / 1000);
    enum { LONG_IDLE_US = 60000000 };

    curl_easy_setopt(e, CURLOPT_PRIVATE, (char *)c);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_URL, plan->url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms ? ms : 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms ? ms : 1L);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs holds nobody up */
#endif
    if (plan->numeric) { /* nothing to remember, and libcurl looks through all that it does */
        curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    }
    if (plan->connect_to) {
        if (!add(&c->connect_to, plan->connect_to)) {
            return 0;
        }
        curl_easy_setopt(e, CURLOPT_CONNECT_TO, c->connect_to);
    }
    if (plan->uds) {
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, plan->uds);
    }
    if (c->target->fresh || plan->kind != HC_KIND_HTTP) {
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    }
    /* before version 8, libcurl trips over the second request by prior knowledge */
    if (!may_keep || plan->once || plan->spec.interval_us > LONG_IDLE_US
        || (plan->http == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE && LIBCURL_VERSION_NUM < 0x080000)) {
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    if (plan->tls) {
        prepare_tls(c, plan->ssl);
    }
    if (plan->kind != HC_KIND_HTTP) {
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        return curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
    }
    return prepare_http(c, plan);
}

/* ------------------------------------------------------------------ */
/* After                                                                */

static int is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM
           || error == EADDRNOTAVAIL;
}

static void judge_connect(struct hc_probe *c, struct hc_result *result)
{
    char buf[80];
    long error = 0;

    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &error);
    error = c->os_error ? c->os_error : error;
    if (is_ours((int)error)) {
        result->unknown = 1;
    }
    if (error) {
        apr_strerror((apr_status_t)error, buf, sizeof(buf));
        hc_check_fail(result, LBX_HC_C_CONNECT, "%s", buf);
    } else {
        hc_check_fail(result, LBX_HC_C_CONNECT, "%s", c->error);
    }
}

struct meaning {
    CURLcode code;
    enum lbx_hc_cause cause;
};

static const struct meaning meanings[] = {
    {CURLE_COULDNT_RESOLVE_HOST, LBX_HC_C_CONNECT},
    {CURLE_GOT_NOTHING, LBX_HC_C_RESET},
    {CURLE_RECV_ERROR, LBX_HC_C_RESET},
    {CURLE_SEND_ERROR, LBX_HC_C_RESET},
    {CURLE_PARTIAL_FILE, LBX_HC_C_RESET},
    {CURLE_HTTP2, LBX_HC_C_RESET},
    {CURLE_HTTP2_STREAM, LBX_HC_C_RESET},
    {CURLE_SSL_CONNECT_ERROR, LBX_HC_C_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, LBX_HC_C_TLS},
    {CURLE_SSL_CERTPROBLEM, LBX_HC_C_TLS},
    {CURLE_SSL_CIPHER, LBX_HC_C_TLS},
    {CURLE_SSL_CACERT_BADFILE, LBX_HC_C_TLS},
    {CURLE_SSL_CRL_BADFILE, LBX_HC_C_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, LBX_HC_C_TLS},
    {CURLE_UNSUPPORTED_PROTOCOL, LBX_HC_C_BODY},
    {CURLE_WEIRD_SERVER_REPLY, LBX_HC_C_BODY},
};

static void judge_code(struct hc_probe *c, CURLcode code, struct hc_result *result)
{
    enum lbx_hc_cause cause = LBX_HC_C_OTHER;
    double connected = 0;

    if (code == CURLE_OPERATION_TIMEDOUT) {
        curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME, &connected);
        hc_check_fail(result, LBX_HC_C_TIMEOUT, "no %s within %" APR_UINT64_T_FMT "ms",
                      connected > 0 ? "answer" : "connection", c->target->plan->timeout_us / 1000);
        return;
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        result->unknown = 1;
    }
    for (unsigned i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        cause = meanings[i].code == code ? meanings[i].cause : cause;
    }
    hc_check_fail(result, cause, "%s", *c->error ? c->error : curl_easy_strerror(code));
}

/* The certificate of a connection that was made for this check. */
static int judge_certificate(struct hc_probe *c, struct hc_result *result)
{
    const struct hc_plan *plan = c->target->plan;
    struct curl_certinfo *info = NULL;
    const char *error = NULL;

    if (!plan->tls || curl_easy_getinfo(c->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info
        || info->num_of_certs < 1) {
        return 1;
    }
    for (const struct curl_slist *l = info->certinfo[0]; l; l = l->next) {
        if (!strncmp(l->data, "Cert:", 5)) {
            error = hc_tls_peer_error(plan->ssl, l->data + 5, plan->name);
        }
    }
    if (error) {
        hc_check_fail(result, LBX_HC_C_TLS, "%s", error);
    }
    return error == NULL;
}

static apr_table_t *parse_head(apr_pool_t *p, const char *head)
{
    apr_table_t *t = apr_table_make(p, 8);
    char *line, *state, *text = apr_pstrdup(p, head ? head : "");

    for (line = apr_strtok(text, "\r\n", &state); line; line = apr_strtok(NULL, "\r\n", &state)) {
        char *value = strchr(line, ':');

        if (value) {
            *value++ = '\0';
            while (apr_isspace(*value)) {
                value++;
            }
            apr_table_mergen(t, line, value);
        }
    }
    return t;
}

static void judge_expr(struct hc_probe *c, apr_pool_t *p, struct hc_result *result)
{
    const struct hc_plan *plan = c->target->plan;
    const struct hc_expr *e = hc_conf_expr(plan->server, plan->spec.expr);
    struct hc_answer answer = {
        .status = (int)result->status,
        .headers = parse_head(p, c->head),
        .body = c->body ? c->body : "",
    };
    const char *error = NULL;

    if (e && !hc_expr_true(p, plan->server, e->parsed, &answer, &error)) {
        hc_check_fail(result, LBX_HC_C_BODY, "%s%s%s, status %u",
                      error ? error : "expression is not true: ", error ? " in " : "",
                      plan->spec.expr, result->status);
    }
}

static void judge_answer(struct hc_probe *c, apr_pool_t *p, struct hc_result *result)
{
    const struct lbx_hc_spec *spec = &c->target->plan->spec;
    long status = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = (unsigned)status;
    if ((spec->has_status || !spec->expr) && !lbx_hc_spec_status(spec, result->status)) {
        hc_check_fail(result, LBX_HC_C_STATUS, "status %u", result->status);
    } else if (spec->body && !(c->body && strstr(c->body, spec->body))) {
        hc_check_fail(result, LBX_HC_C_BODY, "'%s' is not in the answer's body", spec->body);
    } else if (spec->expr) {
        judge_expr(c, p, result);
    }
}

void hc_check_judge(struct hc_probe *c, CURLcode code, apr_pool_t *scratch,
                    struct hc_result *result)
{
    const struct hc_plan *plan = c->target->plan;

    if (code == CURLE_WRITE_ERROR && c->enough) {
        code = CURLE_OK;
    }
    if (code == CURLE_COULDNT_CONNECT) {
        judge_connect(c, result);
    } else if (code != CURLE_OK) {
        judge_code(c, code, result);
    } else {
        result->passed = 1;
        result->cause = LBX_HC_C_PASSED;
        if (judge_certificate(c, result) && plan->kind == HC_KIND_HTTP) {
            judge_answer(c, scratch, result);
        }
    }
    result->tls = result->cause == LBX_HC_C_TLS;
}
