/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What log formats and filters can know of a request: BALANCER_* as in the stock,
 * LBX_* beside them, where somebody may read them.
 *
 * Bound.  Request threads.  Runs for each request: counts instructions.
 */
#ifndef CORE_ENV_H
#define CORE_ENV_H

#include "core_request.h"

/* Finds out who reads LBX_*; post_config.  They are made when an answer has been passed on:
 * what is left then are logs, of which httpd's read what the configuration names, and pages
 * of mod_include that the answer was included in. */
void core_env_boot_listen(void);

/* Does anybody read LBX_* of requests that ended well? */
int core_env_is_heard(void);

/* The present member. */
void core_env_req_member(request_rec *r, const struct core_request *req);

/* One more attempt for LBX_TRIES. */
void core_env_req_attempt(request_rec *r, struct core_request *req, enum lbx_outcome outcome,
                          long ms);

/* How the request fared, whatever came of it. */
void core_env_req_result(request_rec *r, struct core_request *req);

#endif
