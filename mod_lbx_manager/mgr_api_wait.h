/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a drain to be done: ?wait=drained&timeout=seconds.
 *
 * A request that waits occupies a thread.  A quarter of all threads may wait, at least
 * one; who comes then is told to come again.  Places are kept in shared memory, each
 * with the time at which it is free again by itself: a killed child leaves none behind.
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_API_WAIT_H
#define MGR_API_WAIT_H

#include "mgr_api.h"

/* post_config: the places. */
apr_status_t mgr_api_wait_boot(apr_pool_t *pconf, server_rec *s);

/* A place for a request of api->query.timeout seconds, given back at its end.  0: there is
 * none, and the answer, 503 with Retry-After, is given. */
int mgr_api_wait_enter(const struct mgr_api *api);

/* Until the path's member has no request in flight, or is no more: 1; or the timeout is
 * over or the client gone: 0. */
int mgr_api_wait_drained(const struct mgr_api *api);

#endif
