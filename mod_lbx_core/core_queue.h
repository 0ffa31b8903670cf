/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a member: how a request sleeps in the balancer's queue, what wakes
 * it, and when it gives up.
 *
 * Not here: who is first (lbx_queue), whether there is a member (core_choose).
 *
 * Bound.  Request threads.
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "core_conf.h"
#include "lbx_queue.h"

/* Take a place in the queue, which is given back at the end of the request at the
 * latest.  0: the queue is full. */
int core_queue_req_enter(request_rec *r, struct core_set *set, struct lbx_wait *w, uint32_t target);

/* Leave it; whoever is first now is woken. */
void core_queue_req_leave(struct core_set *set, struct lbx_wait *w);

/* How a wait ended. */
enum core_waited { CORE_WAITED, CORE_WAITED_ENOUGH, CORE_WAITED_ALONE };

/* Wait until something changed or some time has passed: CORE_WAITED, try again; the
 * deadline (microseconds since the epoch) is over: CORE_WAITED_ENOUGH; the client
 * has gone: CORE_WAITED_ALONE. */
enum core_waited core_queue_req_wait(request_rec *r, struct core_set *set, const struct lbx_wait *w,
                                     uint64_t deadline_us);

/* A member has room for one more: wake who is first.  Nothing to do, mostly. */
void core_queue_req_wake(const struct core_set *set);

/* Wait before the same member is tried again.  0: the client has gone. */
int core_queue_req_pause(request_rec *r, uint64_t us);

#endif
