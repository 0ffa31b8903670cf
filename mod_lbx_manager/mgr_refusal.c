/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd's errors as JSON.  See mgr_refusal.h.
 *
 * Who may come in is decided before there is a handler: what the Location says is
 * looked up where SetHandler has put it.
 *
 * Bound: httpd, APR.
 */
#include "mgr_refusal.h"

#include "ap_expr.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "lbx_json.h"

extern module AP_MODULE_DECLARE_DATA lbx_manager_module;

#define FILTER "LBX_API_ERROR"

static ap_filter_rec_t *filter_handle;

static const char *message_of(const request_rec *r)
{
    switch (r->status) {
    case HTTP_UNAUTHORIZED:
        return "this Location asks for a user and a password";
    case HTTP_FORBIDDEN:
        return "this Location does not let the client in (Require)";
    default:
        return ap_get_status_line(r->status);
    }
}

static void to_brigade(void *baton, const char *text, size_t len)
{
    apr_brigade_write(baton, NULL, NULL, text, len);
}

/* In the place of whatever text comes. */
static apr_status_t filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    struct lbx_json *j = apr_palloc(r->pool, sizeof(*j));

    apr_brigade_cleanup(bb);
    lbx_json_start(j, to_brigade, bb);
    mgr_api_write_error(j, r->status, NULL, message_of(r));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    ap_remove_output_filter(f);
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_unset(r->headers_out, "Content-Length");
    return ap_pass_brigade(f->next, bb);
}

/* The handler that the request will have; SetHandler's word is an expression. */
static int is_ours(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *rest = strstr(r->uri, "/-/"), *handler = core->handler, *error = NULL;

    if (!rest || strncmp(rest + 3, "api/", 4) != 0 || r->proxyreq) {
        return 0;
    }
    if (core->expr_handler) {
        handler = ap_expr_str_exec(r, core->expr_handler, &error);
    }
    return !error && handler && !strcmp(handler, "balancer-manager");
}

/* A text of its own keeps ErrorDocument's address from being asked. */
static int note_request(request_rec *r)
{
    static const int statuses[] = {HTTP_BAD_REQUEST,
                                   HTTP_UNAUTHORIZED,
                                   HTTP_FORBIDDEN,
                                   HTTP_NOT_FOUND,
                                   HTTP_REQUEST_TIME_OUT,
                                   HTTP_REQUEST_ENTITY_TOO_LARGE,
                                   HTTP_INTERNAL_SERVER_ERROR,
                                   HTTP_BAD_GATEWAY,
                                   HTTP_SERVICE_UNAVAILABLE};

    if (!is_ours(r)) {
        return DECLINED;
    }
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        ap_custom_response(r, statuses[i], "\"-");
    }
    ap_set_module_config(r->request_config, &lbx_manager_module, r);
    return DECLINED;
}

static void insert(request_rec *r)
{
    if (ap_get_module_config(r->request_config, &lbx_manager_module) == r) {
        ap_add_output_filter_handle(filter_handle, NULL, r, r->connection);
    }
}

void mgr_refusal_register(void)
{
    filter_handle = ap_register_output_filter(FILTER, filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_header_parser(note_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_insert_error_filter(insert, NULL, NULL, APR_HOOK_MIDDLE);
}
