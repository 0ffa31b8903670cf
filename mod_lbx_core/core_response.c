/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters that count.  See core_response.h.
 *
 * They stand nearest to the handler, so that the counts are what the member
 * sent and got, whatever other filters make of it.
 *
 * Bound.
 */
#include "core_response.h"

#include "util_filter.h"

#define FILTER_NAME "LBX_COUNT"

/* Body bytes whose length is known without reading them; a pipe or a socket
 * bucket has been read by the time it comes by here. */
static apr_off_t length_of(const apr_bucket_brigade *bb)
{
    apr_off_t sum = 0;

    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (!APR_BUCKET_IS_METADATA(b) && b->length != (apr_size_t)-1) {
            sum += (apr_off_t)b->length;
        }
    }
    return sum;
}

static apr_status_t count_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct core_request *req = f->ctx;

    req->bytes += length_of(bb);
    return ap_pass_brigade(f->next, bb);
}

static apr_status_t count_in(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                             apr_read_type_e block, apr_off_t readbytes)
{
    struct core_request *req = f->ctx;
    apr_status_t rv = ap_get_brigade(f->next, bb, mode, block, readbytes);

    if (rv == APR_SUCCESS && mode != AP_MODE_SPECULATIVE) {
        req->bytes += length_of(bb);
    }
    return rv;
}

void core_response_register(void)
{
    ap_register_output_filter(FILTER_NAME, count_out, NULL, AP_FTYPE_RESOURCE - 1);
    ap_register_input_filter(FILTER_NAME, count_in, NULL, AP_FTYPE_RESOURCE - 1);
}

/* mod_proxy_http sees by <input_filters> == <proto_input_filters> that nobody
 * changes the body, and then streams it instead of spooling it to a file: a
 * filter that only looks must not make a difference. */
static void add_input_filter(request_rec *r, struct core_request *req)
{
    int unchanged = r->input_filters == r->proto_input_filters;
    ap_filter_t *f = ap_add_input_filter(FILTER_NAME, req, r, r->connection);

    if (unchanged) {
        r->proto_input_filters = f;
    }
}

void core_response_req_count(request_rec *r, struct core_request *req)
{
    ap_add_output_filter(FILTER_NAME, req, r, r->connection);
    add_input_filter(r, req);
}
