/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer tells the client: to which member it belongs from now on.
 *
 * Bound.  Request threads.
 */
#ifndef STICKY_RESPONSE_H
#define STICKY_RESPONSE_H

#include "sticky_request.h"

/* Does the line end the session: no value, or a date in the past? */
int sticky_req_taken_back(const request_rec *r, const struct lbx_setcookie *c);

/* Core's hook of this name. */
int sticky_req_response(request_rec *r, const struct lbx_decision *decision);

#endif
