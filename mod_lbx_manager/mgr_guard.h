/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request comes from; its body, read to the end.
 *
 * Not here: what may be done (mgr_conf), who the user is (httpd's Require and its
 * authentication).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_GUARD_H
#define MGR_GUARD_H

#include "mgr_conf.h"

/* LBXManagerAccess of the request's Location. */
enum mgr_right mgr_guard_right(request_rec *r);

/* Whose page makes the request. */
enum mgr_origin {
    MGR_ORIGIN_OURS,
    MGR_ORIGIN_UNTOLD, /* nothing is said: a program, not a browser of today */
    MGR_ORIGIN_FOREIGN
};

/* By Sec-Fetch-Site, which no page can forge; else by Origin; else by Referer. */
enum mgr_origin mgr_guard_origin(request_rec *r);

/* False when a browser says that another site's page makes the request. */
int mgr_guard_same_origin(request_rec *r);

/* For log and events: the user, or the address. */
const char *mgr_guard_who(request_rec *r);

/* The head of every answer that is a document: no sniffing, nothing kept, no frame,
 * and nothing but our own files for scripts and styles. */
void mgr_guard_head(request_rec *r);

/* The whole body in r->pool, with a NUL behind it.  OK or an HTTP status: 413 when it
 * is longer than <limit>, 400 when it cannot be read. */
int mgr_guard_body(request_rec *r, apr_size_t limit, char **text, apr_size_t *len);

#endif
