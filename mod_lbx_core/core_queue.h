/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until a member can be had (the balancer's timeout=).
 *
 * Each request waits on its own: no shared value is changed, so that nothing is
 * left behind by a child that dies meanwhile, and nobody else's wait is
 * touched.
 *
 * Bound.  Request threads.
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "core_conf.h"

/* Wait until something changed or some time has passed.  1: try again; 0: the
 * deadline (microseconds since the epoch) is over or the client has gone. */
int core_queue_req_wait(request_rec *r, struct core_set *set, uint64_t deadline_us);

/* Wait before the same member is tried again.  0: the client has gone. */
int core_queue_req_pause(request_rec *r, uint64_t us);

#endif
