/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions about the answer to a check.  See hc_expr.h.
 *
 * httpd evaluates expressions about requests.  There is none here, so one is made
 * that has the answer's status and headers, and a connection from and to this
 * host, for functions that look at it.
 *
 * Bound.
 */
#include "hc_expr.h"

#include "http_core.h"
#include "http_request.h"

APLOG_USE_MODULE(lbx_hcheck);

static const char *body_of(const ap_expr_eval_ctx_t *ctx)
{
    const struct hc_answer *a =
        ctx->r ? ap_get_module_config(ctx->r->request_config, &lbx_hcheck_module) : NULL;

    return a && a->body ? a->body : "";
}

static const char *body_var(ap_expr_eval_ctx_t *ctx, const void *data)
{
    (void)data;
    return body_of(ctx);
}

static const char *hc_func(ap_expr_eval_ctx_t *ctx, const void *data, const char *arg)
{
    (void)data;
    return !ap_cstr_casecmp(arg, "body") ? body_of(ctx) : "";
}

static int lookup(ap_expr_lookup_parms *parms)
{
    if (parms->type == AP_EXPR_FUNC_VAR && !ap_cstr_casecmp(parms->name, "HC_BODY")) {
        *parms->func = body_var;
        *parms->data = NULL;
        return OK;
    }
    if (parms->type == AP_EXPR_FUNC_STRING && !ap_cstr_casecmp(parms->name, "hc")) {
        *parms->func = hc_func;
        *parms->data = "hc";
        return OK;
    }
    return ap_expr_lookup_default(parms);
}

ap_expr_info_t *hc_expr_parse(cmd_parms *cmd, const char *text, const char **error)
{
    return ap_expr_parse_cmd(cmd, text, 0, error, lookup);
}

static conn_rec *make_connection(apr_pool_t *p, server_rec *s)
{
    conn_rec *c = apr_pcalloc(p, sizeof(*c));
    apr_sockaddr_t *a = NULL;

    if (apr_sockaddr_info_get(&a, "127.0.0.1", APR_INET, 0, 0, p) != APR_SUCCESS) {
        return NULL;
    }
    c->pool = p;
    c->base_server = s;
    c->local_addr = c->client_addr = a;
    c->local_ip = c->client_ip = "127.0.0.1";
    c->notes = apr_table_make(p, 1);
    c->conn_config = ap_create_conn_config(p);
    c->log_id = "-";
    return c;
}

static request_rec *make_request(apr_pool_t *p, server_rec *s, const struct hc_answer *answer)
{
    request_rec *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->server = s;
    r->connection = make_connection(p, s);
    r->per_dir_config = s->lookup_defaults;
    r->request_config = ap_create_request_config(p);
    r->headers_in = apr_table_make(p, 1);
    r->headers_out = answer->headers;
    r->err_headers_out = apr_table_make(p, 1);
    r->subprocess_env = apr_table_make(p, 1);
    r->notes = apr_table_make(p, 1);
    r->trailers_in = apr_table_make(p, 1);
    r->trailers_out = apr_table_make(p, 1);
    r->status = answer->status;
    r->status_line = apr_psprintf(p, "%d", answer->status);
    r->method = r->the_request = "GET";
    r->method_number = M_GET;
    r->protocol = "HTTP/1.1";
    r->proto_num = HTTP_VERSION(1, 1);
    r->hostname = "localhost";
    r->uri = r->unparsed_uri = r->filename = r->canonical_filename = "/";
    r->path_info = "";
    r->log_id = "-";
    r->request_time = apr_time_now();
    r->useragent_ip = "127.0.0.1";
    r->useragent_addr = r->connection ? r->connection->client_addr : NULL;
    ap_set_module_config(r->request_config, &lbx_hcheck_module, (void *)answer);
    return r->connection ? r : NULL;
}

int hc_expr_true(apr_pool_t *p, server_rec *s, const ap_expr_info_t *expr,
                 const struct hc_answer *answer, const char **error)
{
    request_rec *r = make_request(p, s, answer);
    int found;

    *error = NULL;
    if (!r) {
        *error = "no memory";
        return 0;
    }
    found = ap_expr_exec(r, expr, error);
    return found > 0 && !*error;
}
