/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output filter of attempts.  See core_response.h.
 *
 * It stands nearest to the handler.  As long as nothing of an answer has passed,
 * an error or end-of-connection bucket is the member's failure and not yet the
 * client's: mod_proxy_http would have the client's connection closed without an
 * answer.  Afterwards everything passes: the client must see that its answer was
 * cut.
 *
 * Bound.
 */
#include "core_response.h"

#include "core_seam.h"
#include "http_protocol.h"
#include "util_filter.h"

/* Looking a filter up by its name costs as much as adding it. */
static ap_filter_rec_t *attempt_filter;

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

static int has_failure(const apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (AP_BUCKET_IS_ERROR(b) || AP_BUCKET_IS_EOC(b)) {
            return 1;
        }
    }
    return 0;
}

static int ends(const apr_bucket_brigade *bb)
{
    return !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
}

/* The first of an answer has come: whose is it?  0: the client's. */
static int hold_back(request_rec *r, struct core_request *req, const apr_bucket_brigade *bb)
{
    struct lbx_attempt *facts = &req->attempt.facts;

    if (has_failure(bb)) {
        facts->broke = 1;
        return 1;
    }
    req->attempt.head = apr_time_now();
    if (req->choice.trial) {
        core_choose_req_proved(&req->choice);
    }
    if (lbx_retry_lists(&req->ask.set->rules->retry, r->status)
        && core_request_req_another(r, req, LBX_OUT_STATUS)) {
        facts->swallowed = 1;
        return 1;
    }
    facts->answering = 1;
    core_seam_run_response(r, &req->decision);
    return 0;
}

static apr_status_t filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct core_request *req = f->ctx;
    struct lbx_attempt *facts = &req->attempt.facts;

    if (!req->inside) {
        return ap_pass_brigade(f->next, bb); /* httpd's own answer */
    }
    req->bytes += length_of(bb);
    if (!facts->answering && (facts->broke || facts->swallowed || hold_back(f->r, req, bb))) {
        apr_brigade_cleanup(bb);
        return APR_SUCCESS;
    }
    facts->broke |= has_failure(bb);
    if (ends(bb)) {
        core_request_req_member_done(req); /* the client may take its time */
    }
    return ap_pass_brigade(f->next, bb);
}

void core_response_register(void)
{
    attempt_filter = ap_register_output_filter("LBX_ATTEMPT", filter, NULL, AP_FTYPE_RESOURCE - 1);
}

void core_response_req_watch(request_rec *r, struct core_request *req)
{
    ap_add_output_filter_handle(attempt_filter, req, r, r->connection);
}
