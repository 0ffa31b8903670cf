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
#include "lbx_hot.h"

/* Looking a filter up by its name costs as much as adding it. */
static ap_filter_rec_t *attempt_filter;

/* Counts body bytes whose length is known without reading them; a pipe or a socket
 * bucket has been read by the time it comes by here.  1: it has a failure. */
static int look_through(const apr_bucket_brigade *bb, apr_off_t *bytes)
{
    int failure = 0;

    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_METADATA(b)) {
            failure |= AP_BUCKET_IS_ERROR(b) || AP_BUCKET_IS_EOC(b);
        } else if (b->length != (apr_size_t)-1) {
            *bytes += (apr_off_t)b->length;
        }
    }
    return failure;
}

static int ends(const apr_bucket_brigade *bb)
{
    return !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
}

/* The first of an answer has come: whose is it?  0: the client's. */
static int hold_back(request_rec *r, struct core_request *req, int failure)
{
    struct lbx_attempt *facts = &req->attempt.facts;

    if (LBX_RARE(failure)) {
        facts->broke = 1;
        return 1;
    }
    req->attempt.head = apr_time_now();
    if (LBX_RARE(req->choice.trial)) {
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

static LBX_HOT apr_status_t filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct core_request *req = f->ctx;
    struct lbx_attempt *facts = &req->attempt.facts;
    int first = !facts->answering, failure;

    if (LBX_RARE(!req->inside)) {
        return ap_pass_brigade(f->next, bb); /* httpd's own answer */
    }
    failure = look_through(bb, &req->bytes);
    if (first && (facts->broke || facts->swallowed || hold_back(f->r, req, failure))) {
        apr_brigade_cleanup(bb);
        return APR_SUCCESS;
    }
    facts->broke |= failure != 0;
    if (ends(bb)) { /* from here on it is the client who may take its time */
        req->attempt.end = first ? req->attempt.head : apr_time_now();
        req->attempt.answer = NULL;
        core_request_req_member_done(req);
    }
    return ap_pass_brigade(f->next, bb);
}

void core_response_register(void)
{
    attempt_filter = ap_register_output_filter("LBX_ATTEMPT", filter, NULL, AP_FTYPE_RESOURCE - 1);
}

LBX_HOT void core_response_req_watch(request_rec *r, struct core_request *req)
{
    ap_add_output_filter_handle(attempt_filter, req, r, r->connection);
}
