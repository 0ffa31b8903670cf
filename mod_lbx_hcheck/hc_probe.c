/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks by libcurl.  See hc_probe.h; hc_answer.c has the verdict.
 *
 * A check of a connection, TLS included, is a transfer that ends with the connection
 * (CONNECT_ONLY).  CPING goes on from there with its five bytes, on the socket.
 *
 * Bound.
 */
#include "hc_probe.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hc_check.h"

APLOG_USE_MODULE(lbx_hcheck);

enum { EVENTS_AT_ONCE = 256, KEEP_HANDLES = 256 };

/* libcurl asks the system about each idle connection once a second: beyond this number
 * that costs more than a new connection for each check. */
enum { REUSERS_MOST = 512 };

struct hc_prober {
    CURLM *multi;
    int poll;
    uint64_t timer_us; /* when libcurl wants to be called; 0: not at all */
    void (*done)(void *baton, struct hc_target *t, const struct hc_result *result);
    void *baton;
    apr_pool_t *scratch; /* cleared after each verdict */
    struct hc_probe *pings;
    struct hc_probe **by_fd; /* CPINGs that wait for their answer */
    int by_fd_n;
    uint32_t reusers; /* targets below this may keep their connection */
    CURL *spare[KEEP_HANDLES];
    int spares;
};

/* ------------------------------------------------------------------ */
/* What libcurl asks of us                                              */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *baton, void *known)
{
    struct hc_prober *pr = baton;
    struct epoll_event e = {.data.fd = fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(pr->poll, EPOLL_CTL_DEL, fd, &e);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (!known || epoll_ctl(pr->poll, EPOLL_CTL_MOD, fd, &e)) {
        epoll_ctl(pr->poll, EPOLL_CTL_ADD, fd, &e);
        curl_multi_assign(pr->multi, fd, pr);
    }
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *baton)
{
    struct hc_prober *pr = baton;

    (void)multi;
    pr->timer_us = ms < 0 ? 0 : (uint64_t)apr_time_now() + (uint64_t)ms * 1000;
    return 0;
}

static curl_socket_t on_open(void *baton, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct hc_probe *c = baton;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    if (fd < 0) {
        c->os_error = errno;
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* ------------------------------------------------------------------ */
/* Life of a check                                                      */

static CURL *take_handle(struct hc_prober *pr)
{
    return pr->spares ? pr->spare[--pr->spares] : curl_easy_init();
}

static void give_handle(struct hc_prober *pr, CURL *easy)
{
    if (pr->spares < KEEP_HANDLES) {
        curl_easy_reset(easy);
        pr->spare[pr->spares++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

static void unlink_ping(struct hc_prober *pr, struct hc_probe *c)
{
    struct epoll_event e = {.data.fd = c->fd};

    if (c->fd < 0) {
        return;
    }
    epoll_ctl(pr->poll, EPOLL_CTL_DEL, c->fd, &e);
    pr->by_fd[c->fd] = NULL;
    if (c->next_ping) {
        c->next_ping->prev_ping = c->prev_ping;
    }
    if (c->prev_ping) {
        c->prev_ping->next_ping = c->next_ping;
    } else {
        pr->pings = c->next_ping;
    }
    c->fd = -1;
}

static void free_check(struct hc_prober *pr, struct hc_probe *c)
{
    unlink_ping(pr, c);
    if (c->easy) {
        curl_multi_remove_handle(pr->multi, c->easy);
        give_handle(pr, c->easy);
    }
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->connect_to);
    free(c->body);
    free(c->head);
    free(c);
}

static void finish(struct hc_prober *pr, struct hc_probe *c, struct hc_result *result)
{
    struct hc_target *t = c->target;

    result->began_us = c->began_us;
    result->latency_us = (uint64_t)apr_time_now() - c->began_us;
    t->running = NULL;
    free_check(pr, c);
    apr_pool_clear(pr->scratch);
    pr->done(pr->baton, t, result);
}

int hc_probe_tick_start(struct hc_prober *pr, struct hc_target *t)
{
    struct hc_probe *c = calloc(1, sizeof(*c));

    if (!c) {
        return 0;
    }
    c->target = t;
    c->fd = -1;
    c->began_us = (uint64_t)apr_time_now();
    c->easy = take_handle(pr);
    if (!c->easy || !hc_check_prepare(c, on_open, t->id < pr->reusers)
        || curl_multi_add_handle(pr->multi, c->easy) != CURLM_OK) {
        free_check(pr, c);
        return 0;
    }
    t->running = c;
    return 1;
}

void hc_probe_tick_abort(struct hc_prober *pr, struct hc_target *t)
{
    if (t->running) {
        free_check(pr, t->running);
        t->running = NULL;
    }
}

/* ------------------------------------------------------------------ */
/* CPING                                                                */

static int room_for_fd(struct hc_prober *pr, int fd)
{
    if (fd >= pr->by_fd_n) {
        int n = fd + 64;
        struct hc_probe **more = realloc(pr->by_fd, (size_t)n * sizeof(*more));

        if (!more) {
            return 0;
        }
        memset(more + pr->by_fd_n, 0, (size_t)(n - pr->by_fd_n) * sizeof(*more));
        pr->by_fd = more;
        pr->by_fd_n = n;
    }
    return 1;
}

/* The connection is there: ask, and wait. */
static int begin_ping(struct hc_prober *pr, struct hc_probe *c)
{
    static const unsigned char ping[5] = {0x12, 0x34, 0, 1, 10};
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct epoll_event e = {.events = EPOLLIN};

    curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd < 0 || !room_for_fd(pr, fd)
        || send(fd, ping, sizeof(ping), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(ping)) {
        return 0;
    }
    e.data.fd = fd;
    if (epoll_ctl(pr->poll, EPOLL_CTL_ADD, fd, &e)) {
        return 0;
    }
    c->fd = fd;
    c->prev_ping = NULL;
    c->next_ping = pr->pings;
    if (pr->pings) {
        pr->pings->prev_ping = c;
    }
    pr->pings = pr->by_fd[fd] = c;
    return 1;
}

static void on_pong(struct hc_prober *pr, struct hc_probe *c)
{
    static const unsigned char pong[5] = {'A', 'B', 0, 1, 9};
    struct hc_result result = {.passed = 0};
    ssize_t n = recv(c->fd, c->pong + c->pong_n, sizeof(c->pong) - c->pong_n, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n > 0) {
        c->pong_n += (unsigned)n;
        if (c->pong_n < sizeof(pong)) {
            return;
        }
    }
    if (n <= 0) {
        hc_check_fail(&result, LBX_HC_C_RESET, "closed instead of an answer to CPING");
    } else if (memcmp(c->pong, pong, sizeof(pong))) {
        hc_check_fail(&result, LBX_HC_C_BODY, "not CPONG that answers CPING");
    } else {
        result.passed = 1;
        result.cause = LBX_HC_C_PASSED;
    }
    finish(pr, c, &result);
}

static void overdue_pings(struct hc_prober *pr, uint64_t now_us)
{
    for (struct hc_probe *c = pr->pings, *next; c; c = next) {
        next = c->next_ping;
        if (now_us >= c->began_us + c->target->plan->timeout_us) {
            struct hc_result result = {.passed = 0};

            hc_check_fail(&result, LBX_HC_C_TIMEOUT,
                          "no answer to CPING within %" APR_UINT64_T_FMT "ms",
                          c->target->plan->timeout_us / 1000);
            finish(pr, c, &result);
        }
    }
}

/* ------------------------------------------------------------------ */
/* The loop's part                                                      */

static void ended(struct hc_prober *pr, struct hc_probe *c, CURLcode code)
{
    struct hc_result result = {.passed = 0};

    hc_check_judge(c, code, pr->scratch, &result);
    if (result.passed && c->target->plan->kind == HC_KIND_CPING) {
        if (begin_ping(pr, c)) {
            return;
        }
        hc_check_fail(&result, LBX_HC_C_RESET, "closed before CPING was sent");
    }
    finish(pr, c, &result);
}

static void collect(struct hc_prober *pr)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(pr->multi, &left))) {
        struct hc_probe *c = NULL;
        CURLcode code = m->data.result;

        if (m->msg == CURLMSG_DONE) {
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
            ended(pr, c, code);
        }
    }
}

static int wait_ms(const struct hc_prober *pr, uint64_t now_us, uint64_t most_us)
{
    uint64_t us = most_us;

    if (pr->timer_us) {
        uint64_t left = pr->timer_us > now_us ? pr->timer_us - now_us : 0;

        us = left < us ? left : us;
    }
    if (pr->pings && us > 20000) { /* their time-outs are looked at, not waited for */
        us = 20000;
    }
    return (int)((us + 999) / 1000);
}

void hc_probe_tick_wait(struct hc_prober *pr, uint64_t most_us)
{
    struct epoll_event e[EVENTS_AT_ONCE];
    int n = epoll_wait(pr->poll, e, EVENTS_AT_ONCE, wait_ms(pr, (uint64_t)apr_time_now(), most_us));
    int running;

    for (int i = 0; i < n; i++) {
        int fd = e[i].data.fd;

        if (fd < pr->by_fd_n && pr->by_fd[fd]) {
            on_pong(pr, pr->by_fd[fd]);
        } else {
            curl_multi_socket_action(
                pr->multi, fd,
                (e[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0)
                    | (e[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
                    | (e[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0),
                &running);
        }
    }
    if (pr->timer_us && (uint64_t)apr_time_now() >= pr->timer_us) {
        pr->timer_us = 0;
        curl_multi_socket_action(pr->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(pr);
    if (pr->pings) {
        overdue_pings(pr, (uint64_t)apr_time_now());
    }
}

int hc_probe_tick_watch(struct hc_prober *pr, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(pr->poll, EPOLL_CTL_ADD, fd, &e) == 0;
}

void hc_probe_tick_idle(struct hc_prober *pr, uint32_t targets)
{
    pr->reusers = targets < REUSERS_MOST ? targets : REUSERS_MOST;
    curl_multi_setopt(pr->multi, CURLMOPT_MAXCONNECTS, 2 * (long)pr->reusers);
}

struct hc_prober *hc_probe_tick_open(apr_pool_t *p,
                                     void (*done)(void *baton, struct hc_target *t,
                                                  const struct hc_result *result),
                                     void *baton)
{
    struct hc_prober *pr = apr_pcalloc(p, sizeof(*pr));

    pr->done = done;
    pr->baton = baton;
    pr->poll = epoll_create1(EPOLL_CLOEXEC);
    pr->multi = pr->poll >= 0 ? curl_multi_init() : NULL;
    if (!pr->multi) {
        return NULL;
    }
    apr_pool_create(&pr->scratch, p);
    curl_multi_setopt(pr->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pr->multi, CURLMOPT_SOCKETDATA, pr);
    curl_multi_setopt(pr->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(pr->multi, CURLMOPT_TIMERDATA, pr);
    return pr;
}

void hc_probe_tick_close(struct hc_prober *pr)
{
    while (pr->spares) {
        curl_easy_cleanup(pr->spare[--pr->spares]);
    }
    curl_multi_cleanup(pr->multi);
    close(pr->poll);
    free(pr->by_fd);
}
