/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON interface's table of addresses.  See mgr_api.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_api.h"

#include <stdarg.h>

#include "apr_strings.h"
#include "http_protocol.h"

#include "lbx_json.h"
#include "mgr_api_change.h"
#include "mgr_api_show.h"
#include "mgr_api_wait.h"
#include "mgr_assets.h"
#include "mgr_metrics.h"

static const struct {
    enum lbx_resource what;
    const char *method;
    enum mgr_right right;
    unsigned query; /* parameters that have a meaning */
    int (*answer)(const struct mgr_api *api);
} table[] = {
    {LBX_RES_ROOT, "GET", MGR_READ, 0, mgr_api_show_root},
    {LBX_RES_BALANCERS, "GET", MGR_READ, 0, mgr_api_show_sets},
    {LBX_RES_BALANCER, "GET", MGR_READ, 0, mgr_api_show_set},
    {LBX_RES_BALANCER, "PATCH", MGR_ADMIN, LBX_Q_DRY_RUN, mgr_api_change_set},
    {LBX_RES_MEMBERS, "GET", MGR_READ, 0, mgr_api_show_members},
    {LBX_RES_MEMBERS, "POST", MGR_ADMIN, LBX_Q_DRY_RUN, mgr_api_change_add},
    {LBX_RES_MEMBER, "GET", MGR_READ, LBX_Q_WAIT | LBX_Q_TIMEOUT, mgr_api_show_member},
    {LBX_RES_MEMBER, "PATCH", MGR_OPERATE, LBX_Q_DRY_RUN | LBX_Q_WAIT | LBX_Q_TIMEOUT,
     mgr_api_change_member},
    {LBX_RES_MEMBER, "DELETE", MGR_ADMIN, LBX_Q_DRY_RUN | LBX_Q_WAIT | LBX_Q_TIMEOUT,
     mgr_api_change_remove},
    {LBX_RES_CHECK, "POST", MGR_OPERATE, 0, mgr_api_change_check},
    {LBX_RES_EVENTS, "GET", MGR_READ, LBX_Q_AFTER, mgr_api_show_events},
    {LBX_RES_SCHEMA, "GET", MGR_READ, 0, mgr_assets_schema},
};

enum { TABLE_N = sizeof(table) / sizeof(table[0]) };

static const struct {
    int status;
    const char *code;
} codes[] = {
    {HTTP_BAD_REQUEST, "bad_request"},
    {HTTP_UNAUTHORIZED, "unauthorized"},
    {HTTP_FORBIDDEN, "forbidden"},
    {HTTP_NOT_FOUND, "not_found"},
    {HTTP_METHOD_NOT_ALLOWED, "method_not_allowed"},
    {HTTP_CONFLICT, "conflict"},
    {HTTP_PRECONDITION_FAILED, "changed_meanwhile"},
    {HTTP_REQUEST_ENTITY_TOO_LARGE, "too_large"},
    {HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"},
    {HTTP_UNPROCESSABLE_ENTITY, "invalid"},
    {HTTP_NOT_IMPLEMENTED, "not_implemented"},
    {HTTP_SERVICE_UNAVAILABLE, "busy"},
};

static const char *code_of(int status)
{
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return "error";
}

void mgr_api_head(request_rec *r, int status)
{
    r->status = status;
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy", "default-src 'none'");
}

void mgr_api_write_error(struct lbx_json *j, int status, const char *field, const char *message)
{
    lbx_json_object(j, NULL);
    lbx_json_object(j, "error");
    lbx_json_count(j, "status", (uint64_t)status);
    lbx_json_text(j, "code", code_of(status));
    lbx_json_text(j, "message", message);
    if (field && *field) {
        lbx_json_text(j, "field", field);
    }
    lbx_json_close(j, '}');
    lbx_json_close(j, '}');
    lbx_json_end(j);
}

int mgr_api_error(request_rec *r, int status, const char *field, const char *format, ...)
{
    struct lbx_json *j = apr_palloc(r->pool, sizeof(*j));
    va_list args;
    char *message;

    va_start(args, format);
    message = apr_pvsprintf(r->pool, format, args);
    va_end(args);
    ap_discard_request_body(r);
    mgr_api_head(r, status);
    apr_table_unset(r->headers_out, "ETag");
    lbx_json_start(j, mgr_api_show_sink, r);
    mgr_api_write_error(j, status, field, message);
    return OK;
}

/* Sets Allow: for the resource; returns the row for the method, or -1. */
static int find_row(request_rec *r, enum lbx_resource what)
{
    const char *allow = "";
    int found = -1;

    for (int i = 0; i < TABLE_N; i++) {
        if (table[i].what != what) {
            continue;
        }
        allow = apr_pstrcat(r->pool, allow, *allow ? ", " : "", table[i].method,
                            strcmp(table[i].method, "GET") ? "" : ", HEAD", NULL);
        if (!strcmp(table[i].method, r->method)
            || (r->header_only && !strcmp(table[i].method, "GET"))) {
            found = i;
        }
    }
    if (found < 0) {
        apr_table_setn(r->headers_out, "Allow", allow);
    }
    return found;
}

/* What must be true of a change before it is looked at.  OK: it is. */
static int refuse_change(const struct mgr_api *api, int *answer)
{
    request_rec *r = api->r;
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    if (!mgr_guard_same_origin(r)) {
        *answer =
            mgr_api_error(r, HTTP_FORBIDDEN, NULL, "another site's page asks for this change");
        return 1;
    }
    /* a form of another site cannot send it */
    if (strcmp(r->method, "DELETE") != 0
        && (len != 16 || strncasecmp(type, "application/json", len))) {
        *answer = mgr_api_error(r, HTTP_UNSUPPORTED_MEDIA_TYPE, NULL,
                                "Content-Type must be application/json");
        return 1;
    }
    return 0;
}

static int dispatch(struct mgr_api *api)
{
    static const char *const names[] = {
        [MGR_READ] = "read", [MGR_OPERATE] = "operate", [MGR_ADMIN] = "admin"};
    request_rec *r = api->r;
    char key[32];
    const char *wrong;
    int row, answer;

    if (api->path.what == LBX_RES_NONE) {
        return mgr_api_error(r, HTTP_NOT_FOUND, NULL, "there is nothing at this address");
    }
    row = find_row(r, api->path.what);
    if (row < 0) {
        return mgr_api_error(r, HTTP_METHOD_NOT_ALLOWED, NULL, "%s cannot be done here", r->method);
    }
    if (api->right < table[row].right) {
        return mgr_api_error(r, HTTP_FORBIDDEN, NULL, "LBXManagerAccess is %s here, this needs %s",
                             names[api->right], names[table[row].right]);
    }
    if ((wrong = lbx_apiquery_parse(r->args, table[row].query, &api->query, key, sizeof(key)))) {
        return mgr_api_error(r, HTTP_BAD_REQUEST, key, "%s", wrong);
    }
    if (strcmp(table[row].method, "GET") && refuse_change(api, &answer)) {
        return answer;
    }
    if (!mgr_seam()->snapshot) {
        return mgr_api_error(r, HTTP_NOT_IMPLEMENTED, NULL, "mod_lbx_core is not loaded");
    }
    return table[row].answer(api);
}

int mgr_api_handle(request_rec *r, const char *rest)
{
    struct mgr_api api = {.r = r};

    if (!strcmp(rest, "metrics")) {
        return mgr_metrics_handle(r, 0);
    }
    if (strncmp(rest, "api/", 4) != 0) {
        return mgr_assets_handle(r, rest);
    }
    rest += 4;
    api.right = mgr_guard_right(r);
    if (!strncmp(rest, "v1", 2) && (!rest[2] || rest[2] == '/')) {
        lbx_apipath_parse(rest + 2, &api.path);
    }
    return dispatch(&api);
}

apr_status_t mgr_api_boot(apr_pool_t *pconf, server_rec *s)
{
    mgr_seam_boot();
    return mgr_api_wait_boot(pconf, s);
}

const struct lbx_set_info *mgr_api_set(const struct mgr_api *api, int etag, int *answer)
{
    request_rec *r = api->r;
    const apr_array_header_t *all;

    /* before the snapshot: what comes in between is in the snapshot, too */
    if (etag && mgr_seam()->revision) {
        apr_table_setn(r->headers_out, "ETag",
                       apr_psprintf(r->pool, "\"%" APR_UINT64_T_FMT "\"",
                                    mgr_seam()->revision(r->server, api->path.balancer)));
    }
    all = mgr_seam()->snapshot(r->pool, r->server);
    for (int i = 0; i < all->nelts; i++) {
        const struct lbx_set_info *set = &APR_ARRAY_IDX(all, i, struct lbx_set_info);

        if (!strcmp(set->name, api->path.balancer)) {
            return set;
        }
    }
    *answer = mgr_api_error(r, HTTP_NOT_FOUND, NULL, "%s: no such balancer on this server",
                            api->path.balancer);
    return NULL;
}

const struct lbx_member_info *mgr_api_member(const struct mgr_api *api,
                                             const struct lbx_set_info *set, int *answer)
{
    const struct lbx_member_info *found = NULL;

    for (uint32_t i = 0; i < set->n; i++) {
        char id[LBX_ID_SIZE];

        lbx_member_id(set->member[i].name, id);
        if (strcmp(id, api->path.id) != 0) {
            continue;
        }
        if (found) { /* one in 10^19, or somebody's work */
            *answer =
                mgr_api_error(api->r, HTTP_CONFLICT, NULL,
                              "two members have this id; name them in a PATCH of %s", set->name);
            return NULL;
        }
        found = &set->member[i];
    }
    if (!found) {
        *answer = mgr_api_error(api->r, HTTP_NOT_FOUND, NULL, "%s: %s has no member with this id",
                                api->path.id, set->name);
    }
    return found;
}
