/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarding the manager.  See mgr_guard.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_guard.h"

#include "apr_strings.h"
#include "http_protocol.h"

enum mgr_right mgr_guard_right(request_rec *r)
{
    (void)r;
    return MGR_ADMIN;
}

/* scheme://host:port of a URL; "null" and the like are nobody's. */
static int names_us(request_rec *r, const char *url)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *at = strstr(url, "://");
    size_t len;

    if (!host || !at) {
        return 0;
    }
    at += 3;
    len = strcspn(at, "/");
    return strlen(host) == len && !strncasecmp(host, at, len);
}

int mgr_guard_same_origin(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *referer = apr_table_get(r->headers_in, "Referer");

    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) {
        return 0;
    }
    if (origin) {
        return names_us(r, origin);
    }
    return site || !referer || names_us(r, referer);
}

const char *mgr_guard_who(request_rec *r)
{
    return r->user ? r->user : r->useragent_ip;
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
