/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's body, kept while it flows to a member, so that it can flow again
 * to another one.
 *
 * Bound.  Request threads.
 */
#ifndef CORE_REPLAY_H
#define CORE_REPLAY_H

#include "httpd.h"
#include "apr_buckets.h"

struct core_replay {
    apr_bucket_brigade *kept; /* what has been read so far, in memory */
    apr_bucket_brigade *next; /* what is to be given out before reading on */
    apr_off_t length;         /* of what has been read, kept or not */
    apr_off_t most;           /* LBXRetryBody */
    int ended;                /* <kept> ends with the body's end */
    int lost;                 /* longer than <most>: not kept any more */
};

/* In register_hooks. */
void core_replay_register(void);

/* Keep up to <most> bytes of the body of <r>, and count all; NULL: it has none. */
struct core_replay *core_replay_req_start(request_rec *r, uint64_t most);

/* Can what has been read be read again? */
int core_replay_ready(const struct core_replay *replay);

/* From the beginning again. */
void core_replay_req_rewind(request_rec *r, struct core_replay *replay);

#endif
