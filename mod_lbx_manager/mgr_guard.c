/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarding the manager.  See mgr_guard.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_guard.h"

#include "apr_strings.h"
#include "apr_uri.h"
#include "http_core.h"
#include "http_protocol.h"

enum mgr_right mgr_guard_right(request_rec *r)
{
    return mgr_conf_right(r);
}

/* Is "scheme://host[:port]" where the client believes to be? */
static int is_our_origin(request_rec *r, const char *origin)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *at = strstr(origin, "://");

    return host && at && !strcasecmp(host, at + 3);
}

/* Of a Referer httpd's manager looks at the host only; so do we where a client tells
 * nothing better: scripts name the server without its port. */
static int is_our_referer(request_rec *r, const char *referer)
{
    apr_uri_t uri;

    if (apr_uri_parse(r->pool, referer, &uri) != APR_SUCCESS || !uri.hostname) {
        return 0;
    }
    return !strcasecmp(uri.hostname, ap_get_server_name(r))
           || (r->hostname && !strcasecmp(uri.hostname, r->hostname));
}

enum mgr_origin mgr_guard_origin(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *referer = apr_table_get(r->headers_in, "Referer");
    int ours;

    if (!site && !origin && !referer) {
        return MGR_ORIGIN_UNTOLD;
    }
    if (site) {
        ours = !strcmp(site, "same-origin") || !strcmp(site, "none");
    } else if (origin) {
        ours = is_our_origin(r, origin);
    } else {
        ours = is_our_referer(r, referer);
    }
    return ours ? MGR_ORIGIN_OURS : MGR_ORIGIN_FOREIGN;
}

int mgr_guard_same_origin(request_rec *r)
{
    return mgr_guard_origin(r) != MGR_ORIGIN_FOREIGN;
}

const char *mgr_guard_who(request_rec *r)
{
    return r->user ? r->user : r->useragent_ip;
}

void mgr_guard_head(request_rec *r)
{
    static const char *const head[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
         "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "same-origin"}, /* links carry nonces */
        {"Cache-Control", "no-store"},
    };

    for (unsigned i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        apr_table_setn(r->headers_out, head[i][0], head[i][1]);
    }
}

int mgr_guard_body(request_rec *r, apr_size_t limit, char **text, apr_size_t *len)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t used = 0;
    int over = 0, end = 0;
    char *room = apr_palloc(r->pool, limit + 1);

    while (!end) {
        apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ,
                                         HUGE_STRING_LEN);

        if (rv != APR_SUCCESS) {
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb) && !end;
             b = APR_BUCKET_NEXT(b)) {
            const char *data;
            apr_size_t n;

            if (APR_BUCKET_IS_EOS(b)) {
                end = 1;
            } else if (!APR_BUCKET_IS_METADATA(b)) {
                if (apr_bucket_read(b, &data, &n, APR_BLOCK_READ) != APR_SUCCESS) {
                    return HTTP_BAD_REQUEST;
                }
                over |= n > limit - used;
                if (!over) {
                    memcpy(room + used, data, n);
                    used += n;
                }
            }
        }
        apr_brigade_cleanup(bb);
    }
    room[used] = '\0';
    *text = room;
    *len = used;
    return over ? HTTP_REQUEST_ENTITY_TOO_LARGE : OK;
}
