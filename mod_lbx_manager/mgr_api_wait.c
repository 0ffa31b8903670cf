/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a drain.  See mgr_api_wait.h.
 *
 * Nobody tells us when a member's last request ends, so it is looked at: often at first,
 * then twice a second.
 *
 * Bound: httpd, APR.
 */
#include "mgr_api_wait.h"

#include <stdatomic.h>

#include "ap_mpm.h"
#include "apr_shm.h"
#include "apr_strings.h"
#include "apr_thread_cond.h"
#include "apr_thread_mutex.h"
#include "http_core.h"

enum { PLACES_MAX = 64, FIRST_MS = 20, LONGEST_MS = 500, GRACE_S = 5 };

/* When each place is free again, microseconds; 0: it is.  One for all processes of a
 * generation; what old children still hold is theirs. */
static _Atomic uint64_t *places;

apr_status_t mgr_api_wait_boot(apr_pool_t *pconf, server_rec *s)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, PLACES_MAX * sizeof(*places), NULL, pconf);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     LBXNO(0550) "no shared memory for requests that wait for a drain");
        return rv;
    }
    places = apr_shm_baseaddr_get(shm);
    for (int i = 0; i < PLACES_MAX; i++) {
        atomic_init(&places[i], 0);
    }
    return APR_SUCCESS;
}

/* A quarter of the threads of all children. */
static int places_n(void)
{
    int children = 1, threads = 1, n;

    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    n = children * (threads > 0 ? threads : 1) / 4;
    return n < 1 ? 1 : n > PLACES_MAX ? PLACES_MAX : n;
}

static apr_status_t leave(void *place)
{
    atomic_store((_Atomic uint64_t *)place, 0);
    return APR_SUCCESS;
}

int mgr_api_wait_enter(const struct mgr_api *api)
{
    request_rec *r = api->r;
    uint64_t now = (uint64_t)apr_time_now();
    uint64_t until = now + (api->query.timeout + (uint64_t)GRACE_S) * 1000000;

    for (int i = 0, n = places_n(); i < n; i++) {
        uint64_t held = atomic_load(&places[i]);

        if (held < now && atomic_compare_exchange_strong(&places[i], &held, until)) {
            apr_pool_cleanup_register(r->pool, &places[i], leave, apr_pool_cleanup_null);
            return 1;
        }
    }
    apr_table_setn(r->headers_out, "Retry-After", "5");
    mgr_api_error(r, HTTP_SERVICE_UNAVAILABLE, NULL,
                  "too many requests wait already; nothing was changed");
    return 0;
}

/* Has the client gone? */
static int client_gone(request_rec *r)
{
    apr_socket_t *sock = ap_get_conn_socket(r->connection);
    int eof = 0;

    return r->connection->aborted
           || (sock && apr_socket_atreadeof(sock, &eof) == APR_SUCCESS && eof);
}

/* Requests at the path's member now; -1: there is no such member any more. */
static int64_t in_flight(const struct mgr_api *api)
{
    apr_pool_t *p;
    const apr_array_header_t *all;
    int64_t found = -1;

    apr_pool_create(&p, api->r->pool);
    all = mgr_seam()->snapshot(p, api->r->server);
    for (int i = 0; i < all->nelts && found < 0; i++) {
        const struct lbx_set_info *set = &APR_ARRAY_IDX(all, i, struct lbx_set_info);

        for (uint32_t k = 0; !strcmp(set->name, api->path.balancer) && k < set->n; k++) {
            char id[LBX_ID_SIZE];

            lbx_member_id(set->member[k].name, id);
            if (!strcmp(id, api->path.id)) {
                found = set->member[k].view.in_flight;
            }
        }
    }
    apr_pool_destroy(p);
    return found;
}

int mgr_api_wait_drained(const struct mgr_api *api)
{
    request_rec *r = api->r;
    apr_time_t end = apr_time_now() + apr_time_from_sec(api->query.timeout);
    apr_interval_time_t pause = FIRST_MS * 1000;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *cond;
    int done = 0;

    /* nobody signals it: the pause between two looks */
    if (apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, r->pool) != APR_SUCCESS
        || apr_thread_cond_create(&cond, r->pool) != APR_SUCCESS) {
        return in_flight(api) <= 0;
    }
    apr_thread_mutex_lock(mutex);
    while (!(done = in_flight(api) <= 0)) {
        apr_time_t now = apr_time_now();
        int state = AP_MPMQ_RUNNING;

        ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
        if (now >= end || state == AP_MPMQ_STOPPING || client_gone(r)) {
            break;
        }
        apr_thread_cond_timedwait(cond, mutex, pause < end - now ? pause : end - now);
        pause = pause * 3 / 2 < LONGEST_MS * 1000 ? pause * 3 / 2 : LONGEST_MS * 1000;
    }
    apr_thread_mutex_unlock(mutex);
    return done;
}
