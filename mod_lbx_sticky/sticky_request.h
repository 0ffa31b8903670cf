/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mod_lbx_sticky does for one request.
 *
 * Not here: how the texts are read (lbx_route.h, lbx_cookie.h).
 *
 * Bound: httpd, APR.
 */
#ifndef STICKY_REQUEST_H
#define STICKY_REQUEST_H

#include "mod_lbx.h"

/* Answers core's lbx_hint: DONE with a route, known to a member or not, when the
 * URL or a cookie has one; DECLINED otherwise: a session without a route is no
 * session. */
int sticky_req_hint(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_hint *hint);

#endif
