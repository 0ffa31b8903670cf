/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to one request: mod_proxy's hooks.
 *
 *     canon_handler   balancer://name/path is well formed
 *     pre_request     choose and reserve a member, rewrite the URL for it
 *     scheme_handler  run the real handler; when it failed and may be repeated,
 *                     choose another member and run it there
 *     post_request    failonstatus, failontimeout
 *
 * Not here: who is chosen (core_choose), what comes back (core_response).
 *
 * Bound.  Request threads.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "core_attempt.h"
#include "core_choose.h"
#include "core_replay.h"

/* The record of a request, in its pool, from the first choice on. */
struct core_request {
    struct core_ask ask;       /* what to choose for; knows where the request has been */
    struct core_choice choice; /* the present member */
    struct core_choice *next;  /* the one after it, reserved; NULL: none */
    struct core_replay *replay;
    const char *path;         /* of the balancer's URL: "/path?query" */
    const char *tries;        /* LBX_TRIES */
    apr_off_t bytes;          /* of this attempt's answer; core_response counts */
    enum lbx_verdict verdict; /* on the present attempt */
    int chosen;               /* <choice> holds a reservation */
    int retrying;             /* counted as a repetition */
    int told;                 /* the environment says how it fared */
    int inside;               /* the real scheme handler runs: ours steps aside */
    int over;                 /* the last word, when mod_proxy may ask for another; or 0 */
    int status;               /* of the answer to the present attempt */
    unsigned stale_tries;     /* attempts that a stale connection ended */
    unsigned repeats;         /* attempts at a member where the request had been */

    struct core_attempt attempt; /* the present one */
    struct core_attempt_saved saved;
    struct lbx_decision decision; /* <choice> as siblings see it */
};

int core_request_canon(request_rec *r, char *url);
int core_request_pre(proxy_worker **worker, proxy_balancer **balancer, request_rec *r,
                     proxy_server_conf *conf, char **url);
int core_request_scheme(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                        const char *proxyname, apr_port_t proxyport);
int core_request_post(proxy_worker *worker, proxy_balancer *balancer, request_rec *r,
                      proxy_server_conf *conf);

/* The record of <r>, or NULL: not one of ours. */
struct core_request *core_request_of(request_rec *r);

/* The present attempt came to <outcome>: is there another?  Chooses and reserves
 * its member. */
int core_request_req_another(request_rec *r, struct core_request *req, enum lbx_outcome outcome);

/* The member has done its part: give the reservation back. */
void core_request_req_member_done(struct core_request *req);

#endif
