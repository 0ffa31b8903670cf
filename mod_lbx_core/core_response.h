/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a member answers, on its way to the client: decides at the first brigade
 * whether the client gets it, holds back what it must not see, counts bytes.
 *
 * Bound.  Request threads.
 */
#ifndef CORE_RESPONSE_H
#define CORE_RESPONSE_H

#include "core_request.h"

/* In register_hooks. */
void core_response_register(void);

/* Watch the answers to <r> from now on. */
void core_response_req_watch(request_rec *r, struct core_request *req);

#endif
