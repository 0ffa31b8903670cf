/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping in the queue.  See core_queue.h.
 *
 * Where the system has futexes, a request sleeps on a word of the balancer's
 * record with a bit that stands for its ticket, and who makes room wakes just the
 * bits of those who are first.  What comes unannounced (a member's error ends by
 * time, a health check passes, the client goes away, another child dies) is looked for
 * every STEP_MS.
 * No value that others read is changed by sleeping.
 *
 * Bound.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POLLRDHUP, syscall */
#endif
#include "core_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "apr_portable.h"
#include "apr_strings.h"

#include "core_store.h"
#include "lbx_children.h"

enum { STEP_MS = 20, STEPS = 5 };

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* Wait for <ms> at most; 0: the client has gone.  One that only closes its sending
 * side looks the same, and is taken for gone.  A stream of an HTTP/2 connection has
 * no socket of its own. */
static int client_stays(request_rec *r, int ms)
{
    apr_socket_t *sock = r->connection->master ? NULL : ap_get_conn_socket(r->connection);
    struct pollfd pfd = {.fd = -1, .events = POLLRDHUP};

    if (sock) {
        apr_os_sock_get(&pfd.fd, sock);
    }
    return poll(&pfd, 1, ms) <= 0 && !r->connection->aborted;
}

static uint32_t bit_of(uint64_t ticket)
{
    return 1u << ticket % 32;
}

#ifdef __linux__
static void sleep_on(_Atomic uint32_t *bell, uint32_t heard, uint64_t ticket, uint64_t until_us)
{
    /* absolute, by the clock of apr_time_now() */
    struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000) * 1000};

    syscall(SYS_futex, bell, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, heard, &until, NULL,
            bit_of(ticket));
}

static void ring(_Atomic uint32_t *bell, uint32_t bits)
{
    atomic_fetch_add(bell, 1);
    syscall(SYS_futex, bell, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
}
#else
static void sleep_on(_Atomic uint32_t *bell, uint32_t heard, uint64_t ticket, uint64_t until_us)
{
    uint64_t now = (uint64_t)apr_time_now();

    (void)ticket;
    if (until_us > now && atomic_load(bell) == heard) {
        poll(NULL, 0, until_us - now < 2000 ? 1 : 2);
    }
}

static void ring(_Atomic uint32_t *bell, uint32_t bits)
{
    (void)bits;
    atomic_fetch_add(bell, 1);
}
#endif

static apr_status_t give_back(void *baton)
{
    lbx_queue_leave(core_store(), baton);
    return APR_SUCCESS;
}

int core_queue_req_enter(request_rec *r, struct core_set *set, struct lbx_wait *w, uint32_t target)
{
    struct lbx_ahead ahead;

    if (!lbx_queue_enter(core_store(), w, set->ref, target)) {
        return 0;
    }
    if (set->rules->queue_max) {
        lbx_queue_look(core_store(), set->ref, w, &ahead);
        if (ahead.total >= set->rules->queue_max) {
            lbx_queue_leave(core_store(), w);
            return 0;
        }
    }
    apr_pool_cleanup_register(r->pool, w, give_back, apr_pool_cleanup_null);
    return 1;
}

void core_queue_req_leave(struct core_set *set, struct lbx_wait *w)
{
    if (w->place) {
        lbx_queue_leave(core_store(), w);
        core_queue_req_wake(set);
    }
}

/* A process that has ended and that the parent has not asked about yet still has its
 * number; the system tells by a letter. */
static int has_ended(uint32_t pid)
{
    char path[32], stat[64];
    const char *name;
    ssize_t n;
    int fd;

    if (kill((pid_t)pid, 0) && errno == ESRCH) {
        return 1;
    }
    apr_snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    n = read(fd, stat, sizeof(stat) - 1);
    close(fd);
    stat[n > 0 ? n : 0] = '\0';
    name = strrchr(stat, ')'); /* "123 (apache2) S 1 ..." */
    return name && name[1] == ' ' && (name[2] == 'Z' || name[2] == 'X');
}

static int goes_on(uint32_t pid)
{
    return !has_ended(pid);
}

/* Has another child died, and the parent has not noticed yet?  Looks now and then only,
 * whoever asks. */
static int look_for_gone(uint64_t now_us)
{
    enum { EACH_US = 50000 };
    _Atomic uint64_t *next_us = &core_store()->seg[0]->look_us;
    uint64_t due = atomic_load_explicit(next_us, memory_order_relaxed);

    if ((now_us < due && due <= now_us + EACH_US)
        || !atomic_compare_exchange_strong(next_us, &due, now_us + EACH_US)) {
        return 0;
    }
    return lbx_store_child_look(core_store(), goes_on) > 0;
}

enum core_waited core_queue_req_wait(request_rec *r, struct core_set *set, const struct lbx_wait *w,
                                     uint64_t deadline_us)
{
    uint32_t epoch = atomic_load(&set->rec->epoch);
    uint32_t heard = atomic_load(&set->rec->queue_bell);

    for (int i = 0; i < STEPS; i++) {
        uint64_t now = (uint64_t)apr_time_now();
        uint64_t step = now + STEP_MS * 1000;

        if (look_for_gone(now)) {
            core_queue_req_wake(set);
            break;
        }

        if (!client_stays(r, 0)) {
            return CORE_WAITED_ALONE;
        }
        if (now >= deadline_us) {
            return CORE_WAITED_ENOUGH;
        }
        sleep_on(&set->rec->queue_bell, heard, w->ticket, step < deadline_us ? step : deadline_us);
        if (atomic_load(&set->rec->queue_bell) != heard || atomic_load(&set->rec->epoch) != epoch) {
            break;
        }
    }
    return CORE_WAITED;
}

void core_queue_req_wake(const struct core_set *set)
{
    uint64_t ticket[LBX_QUEUE_TARGETS];
    uint32_t n, bits = 0;

    if (lbx_queue_is_empty(set->rec)) {
        return;
    }
    n = lbx_queue_heads(core_store(), set->ref, ticket, LBX_QUEUE_TARGETS);
    for (uint32_t i = 0; i < n; i++) {
        bits |= bit_of(ticket[i]);
    }
    if (bits) {
        ring(&set->rec->queue_bell, bits);
    }
}

int core_queue_req_pause(request_rec *r, uint64_t us)
{
    return client_stays(r, (int)((us + 999) / 1000));
}
