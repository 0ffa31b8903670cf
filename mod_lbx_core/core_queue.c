/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a member.  See core_queue.h.
 *
 * The wait is a poll of the client's connection, so that a client who goes away
 * frees the thread at once.  In between, the balancer's epoch tells whether
 * another try makes sense; an error that ends by time does so unannounced, hence
 * a try each RETRY_MS at the latest.
 *
 * Bound.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POLLRDHUP */
#endif
#include "core_queue.h"

#include <poll.h>

#include "apr_portable.h"

enum { STEP_MS = 10, RETRY_MS = 100 };

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* Sleep for <ms>; 0: the client has gone.  One that only closes its sending side
 * looks the same, and is taken for gone.  A stream of an HTTP/2 connection has no
 * socket of its own. */
static int client_stays(request_rec *r, int ms)
{
    apr_socket_t *sock = r->connection->master ? NULL : ap_get_conn_socket(r->connection);
    struct pollfd pfd = {.fd = -1, .events = POLLRDHUP};

    if (sock) {
        apr_os_sock_get(&pfd.fd, sock);
    }
    return poll(&pfd, 1, ms) <= 0 && !r->connection->aborted;
}

int core_queue_req_wait(request_rec *r, struct core_set *set, uint64_t deadline_us)
{
    uint32_t epoch = atomic_load(&set->rec->epoch);

    for (int waited = 0; waited < RETRY_MS; waited += STEP_MS) {
        uint64_t now = (uint64_t)apr_time_now();
        uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;

        if (!left_ms || !client_stays(r, left_ms < STEP_MS ? (int)left_ms : STEP_MS)) {
            return 0;
        }
        if (atomic_load(&set->rec->epoch) != epoch) {
            break;
        }
    }
    return 1;
}

int core_queue_req_pause(request_rec *r, uint64_t us)
{
    return client_stays(r, (int)((us + 999) / 1000));
}
