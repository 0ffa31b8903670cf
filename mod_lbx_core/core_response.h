/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between client and member: counts the bytes of an attempt, for
 * methods that share out traffic.
 *
 * Bound.  Request threads.
 */
#ifndef CORE_RESPONSE_H
#define CORE_RESPONSE_H

#include "core_request.h"

/* In register_hooks. */
void core_response_register(void);

/* Count what <r> sends and receives from now on into req->bytes. */
void core_response_req_count(request_rec *r, struct core_request *req);

#endif
