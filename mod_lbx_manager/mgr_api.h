/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON interface below <Location>/-/api/v1/: which address and method leads where,
 * errors, and what all answers have in common.
 *
 * Not here: what an answer shows (mgr_api_show), changes (mgr_api_change), waiting
 * (mgr_api_wait).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_API_H
#define MGR_API_H

#include "mgr_guard.h"
#include "mgr_seam.h"
#include "lbx_apipath.h"

/* One request, looked at once. */
struct mgr_api {
    request_rec *r;
    struct lbx_apipath path;
    struct lbx_apiquery query;
    enum mgr_right right;
};

/* post_config, second pass. */
apr_status_t mgr_api_boot(apr_pool_t *pconf, server_rec *s);

/* <rest>: what follows <Location>/-/, decoded.  Returns as a handler does. */
int mgr_api_handle(request_rec *r, const char *rest);

/* Answer {"error":{"status","code","message","field"}}; <field> NULL or "": none.
 * Returns OK for the handler. */
int mgr_api_error(request_rec *r, int status, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The text of such an error, whole. */
struct lbx_json;
void mgr_api_write_error(struct lbx_json *j, int status, const char *field, const char *message);

/* The head of every answer that is JSON. */
void mgr_api_head(request_rec *r, int status);

/* The snapshot's balancer that the path names; NULL: none, and *answer is the
 * handler's result.  With <etag> its revision becomes the answer's ETag. */
const struct lbx_set_info *mgr_api_set(const struct mgr_api *api, int etag, int *answer);

/* The member that the path names, likewise. */
const struct lbx_member_info *mgr_api_member(const struct mgr_api *api,
                                             const struct lbx_set_info *set, int *answer);

#endif
