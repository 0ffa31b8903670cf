/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled-in files.  See mgr_assets.h.
 *
 * Browsers keep them, and ask each time whether theirs is still the right one: after an
 * update of the module nobody runs an old script on a new server.
 *
 * Bound: httpd, APR.
 */
#include "mgr_assets.h"

#include "apr_strings.h"
#include "http_protocol.h"

/* Made by the Makefile of page/ and schema/: MGR_ASSETS, rows of
 * {name, bytes, how many, "\"checksum\""}. */
#include "mgr_assets_bytes.h"

static const struct asset {
    const char *name;
    const unsigned char *bytes;
    size_t len;
    const char *etag;
} assets[] = {MGR_ASSETS};

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/schema+json"},
    };
    const char *dot = strrchr(name, '.');

    for (unsigned i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (!strcmp(dot, types[i][0])) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

static int serve(request_rec *r, const struct asset *a)
{
    int rc;

    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return HTTP_METHOD_NOT_ALLOWED;
    }
    ap_set_content_type(r, type_of(a->name));
    apr_table_setn(r->headers_out, "ETag", a->etag);
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if ((rc = ap_meets_conditions(r)) != OK) {
        return rc;
    }
    ap_set_content_length(r, (apr_off_t)a->len);
    ap_rwrite(a->bytes, (int)a->len, r);
    return OK;
}

int mgr_assets_handle(request_rec *r, const char *name)
{
    for (unsigned i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (!strcmp(assets[i].name, name) && strcmp(name, "api.schema.json") != 0) {
            return serve(r, &assets[i]);
        }
    }
    return HTTP_NOT_FOUND;
}

int mgr_assets_schema(const struct mgr_api *api)
{
    for (unsigned i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (!strcmp(assets[i].name, "api.schema.json")) {
            return serve(api->r, &assets[i]);
        }
    }
    return HTTP_NOT_FOUND;
}
