/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request may do and where it comes from; its body, read to the end.
 *
 * Not here: who the user is (httpd's Require and its authentication).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_GUARD_H
#define MGR_GUARD_H

#include "mod_lbx.h"

enum mgr_right { MGR_READ = 0, MGR_OPERATE, MGR_ADMIN };

/* LBXManagerAccess of the request's Location. */
enum mgr_right mgr_guard_right(request_rec *r);

/* False when a browser says that another site's page makes the request. */
int mgr_guard_same_origin(request_rec *r);

/* For log and events: the user, or the address. */
const char *mgr_guard_who(request_rec *r);

/* The whole body in r->pool, with a NUL behind it.  OK or an HTTP status: 413 when it
 * is longer than <limit>, 400 when it cannot be read. */
int mgr_guard_body(request_rec *r, apr_size_t limit, char **text, apr_size_t *len);

#endif
