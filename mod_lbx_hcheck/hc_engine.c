/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that checks.  See hc_engine.h.
 *
 * Bound.
 */
#include "hc_engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hc_lease.h"
#include "hc_probe.h"
#include "hc_recover.h"
#include "hc_verdict.h"
#include "lbx_hc_sched.h"

APLOG_USE_MODULE(lbx_hcheck);

enum {
    WAIT_MS = 250,          /* between two looks at the lease */
    TICK_US = 100000,       /* between two looks at time's own work (hc_recover) */
    LOOK_US = 250000,       /* between two looks at what is asked of each member */
    STALE_US = 1000000,     /* between two looks at the configuration */
    REPORT_US = 10000000,   /* between two lines about ourselves, at debug */
    AT_ONCE = 64,           /* checks that begin before answers are looked at again */
    UNKNOWN_US = 1000000,   /* until a check is tried again that we could not make */
    COMPLAIN_US = 60000000, /* between two complaints about that */
    END_MS = 3000           /* a child waits so long for its thread */
};

struct engine {
    server_rec *s;
    int wake; /* eventfd: the child ends */
    _Atomic int stop;
    _Atomic int running;

    apr_pool_t *pool; /* of one reign */
    struct hc_model *model;
    struct hc_prober *prober;
    struct lbx_hc_sched sched;
    uint32_t sched_cap;
    uint32_t random;
    uint64_t tick_us, look_us, stale_us, report_us, complained_us;
    uint64_t checks, latest_us; /* since the last report */
    uint64_t late_sum_us;
};

/* ------------------------------------------------------------------ */
/* One target                                                           */

/* xorshift: for spreading only */
static uint32_t dice(struct engine *e)
{
    e->random ^= e->random << 13;
    e->random ^= e->random >> 17;
    e->random ^= e->random << 5;
    return e->random;
}

static void schedule(struct engine *e, const struct hc_target *t, uint64_t due_us)
{
    lbx_hc_sched_set(&e->sched, t->id, due_us);
}

static void settle(struct engine *e, struct hc_target *t, const struct hc_result *r,
                   uint64_t now_us)
{
    uint64_t next;

    hc_verdict_tick_apply(t, r, now_us);
    next = hc_verdict_tick_next(t, now_us, dice(e));
    if (r->unknown && next != LBX_HC_NEVER && next > now_us + UNKNOWN_US) {
        next = now_us + UNKNOWN_US;
    }
    schedule(e, t, next);
}

static void on_done(void *baton, struct hc_target *t, const struct hc_result *r)
{
    struct engine *e = baton;
    uint64_t now_us = (uint64_t)apr_time_now();

    if (r->unknown && now_us > e->complained_us + COMPLAIN_US) {
        e->complained_us = now_us;
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, t->plan->server,
                     LBXNO(0443) "checks cannot be made, members keep their state: %s (%s)",
                     r->text, t->plan->url);
    }
    settle(e, t, r, now_us);
}

static void start(struct engine *e, struct hc_target *t, uint64_t due_us, uint64_t now_us)
{
    struct hc_result r = {.unknown = 1, .began_us = now_us};

    if (t->running) {
        return;
    }
    t->due_us = due_us;
    if (t->plan->impossible) {
        r.unknown = 0;
        r.cause = LBX_HC_C_TLS;
        apr_cpystrn(r.text, t->plan->impossible, sizeof(r.text));
        settle(e, t, &r, now_us);
        return;
    }
    e->checks++;
    if (now_us > due_us) {
        e->late_sum_us += now_us - due_us;
        e->latest_us = now_us - due_us > e->latest_us ? now_us - due_us : e->latest_us;
    }
    if (!hc_probe_tick_start(e->prober, t)) {
        apr_cpystrn(r.text, "out of memory or descriptors", sizeof(r.text));
        on_done(e, t, &r);
    }
}

static void start_due(struct engine *e)
{
    uint64_t now_us = (uint64_t)apr_time_now(), due_us;
    uint32_t id;

    for (int i = 0; i < AT_ONCE && lbx_hc_sched_take(&e->sched, now_us, &id, &due_us); i++) {
        struct hc_target *t = id < e->model->id_cap ? e->model->by_id[id] : NULL;

        if (t) {
            start(e, t, due_us, now_us);
        }
    }
}

/* ------------------------------------------------------------------ */
/* All of them                                                          */

static void on_gone(void *baton, struct hc_target *t)
{
    struct engine *e = baton;

    hc_probe_tick_abort(e->prober, t);
    if (t->id < e->sched_cap) {
        schedule(e, t, LBX_HC_NEVER);
    }
}

/* Places for as many as there are ids; what is scheduled stays so. */
static void grow_schedule(struct engine *e)
{
    struct lbx_hc_sched old = e->sched;
    uint32_t cap = e->model->id_cap;

    if (cap <= e->sched_cap) {
        return;
    }
    lbx_hc_sched_init(&e->sched, calloc(cap, sizeof(*old.heap)), calloc(cap, sizeof(*old.place)),
                      cap);
    if (!e->sched.heap || !e->sched.place) {
        abort();
    }
    for (uint32_t i = 0; i < old.n; i++) {
        lbx_hc_sched_set(&e->sched, old.heap[i].id, old.heap[i].due_us);
    }
    free(old.heap);
    free(old.place);
    e->sched_cap = cap;
}

/* When the last process that checked wanted to do the next one; 0: nobody knows. */
static uint64_t promised(const struct hc_target *t)
{
    uint64_t due = 0;

    for (const struct hc_member *m = t->members; m; m = m->next[t->ask]) {
        uint64_t own = m->active ? atomic_load(&m->who.space->checked.due_us) : 0;

        due = own && (!due || own < due) ? own : due;
    }
    return due;
}

static void schedule_new(struct engine *e, uint64_t now_us)
{
    uint32_t n = 0, i = 0;

    for (uint32_t id = 0; id < e->model->id_cap; id++) {
        const struct hc_target *t = e->model->by_id[id];

        n += t && t->born == e->model->reading;
    }
    for (uint32_t id = 0; id < e->model->id_cap; id++) {
        struct hc_target *t = e->model->by_id[id];
        uint64_t due;

        if (!t || t->running) {
            continue;
        }
        if (!hc_verdict_tick_active(t)) {
            schedule(e, t, LBX_HC_NEVER);
        } else if (t->born == e->model->reading || !e->sched.place[id]) {
            due = promised(t);
            if (due <= now_us || due > now_us + t->plan->spec.interval_us) {
                due = lbx_hc_first_due(now_us, t->plan->spec.interval_us, i, n);
            }
            i++;
            schedule(e, t, due);
        }
    }
}

static void read_all(struct engine *e, uint64_t now_us)
{
    struct rlimit files = {.rlim_cur = 1024};

    hc_model_tick_read(e->model, on_gone, e);
    hc_verdict_tick_begin(e->model, now_us);
    grow_schedule(e);
    schedule_new(e, now_us);
    getrlimit(RLIMIT_NOFILE, &files);
    hc_probe_tick_idle(e->prober, files.rlim_cur < 2048       ? (uint32_t)files.rlim_cur / 2
                                  : files.rlim_cur > 1u << 20 ? 1u << 20
                                                              : (uint32_t)files.rlim_cur - 1024);
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, e->s,
                 LBXNO(0444) "health checks: %u balancers, %u members, %u targets", e->model->n,
                 e->model->members, e->model->id_n);
}

static void ask(struct engine *e, struct hc_member *m, uint64_t now_us)
{
    struct hc_target *t = hc_model_tick_asker(e->model, m);

    grow_schedule(e);
    if (!t->running && !e->sched.place[t->id]) {
        schedule(e, t, now_us);
    }
}

/* A probe, or for a member without a check what is asked for now.  Returns: it is made
 * by the member's target. */
static int probe(struct hc_member *m)
{
    if (m->plan->ask && hc_recover_needs_answer(m->who.space)) {
        m->asking = HC_ASKING_PROBE;
        return 0;
    }
    m->probing = 1;
    return 1;
}

/* What others ask of us: probes of members that requests took out, checks on demand,
 * pauses that are over. */
static void look_at(struct engine *e, struct hc_member *m, uint64_t now_us)
{
    struct lbx_hc_checked *c = &m->who.space->checked;
    uint32_t asked = atomic_load_explicit(&c->asked, memory_order_relaxed);
    int now = asked != atomic_load_explicit(&c->asked_done, memory_order_relaxed);

    if (now) {
        atomic_store(&c->asked_done, asked);
    }
    if (hc_recover_due(m->who.space, m->admin, now_us) && now_us >= m->not_before_us) {
        m->not_before_us = now_us + UNKNOWN_US;
        now |= probe(m);
        m->target->fresh = 1;
        hc_recover_watch_begin(&m->who, now_us);
    }
    if (now && !m->active && !m->target->running) {
        now = probe(m);
    }
    if (m->asking) {
        ask(e, m, now_us);
    }
    if (now && !m->target->running) {
        schedule(e, m->target, now_us);
    } else if (m->active && !m->target->running && !e->sched.place[m->target->id]
               && !atomic_load_explicit(&c->paused, memory_order_relaxed)) {
        schedule(e, m->target, now_us);
    }
}

static void look(struct engine *e, uint64_t now_us)
{
    for (uint32_t i = 0; i < e->model->n; i++) {
        for (uint32_t k = 0; k < e->model->set[i].n; k++) {
            if (e->model->set[i].member[k].target) {
                look_at(e, &e->model->set[i].member[k], now_us);
            }
        }
    }
    e->look_us = now_us + LOOK_US;
}

static void report(struct engine *e, uint64_t now_us)
{
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, e->s,
                 LBXNO(0445) "health checks: %" APR_UINT64_T_FMT
                             " begun in %ds, the latest %" APR_UINT64_T_FMT
                             "ms late, %" APR_UINT64_T_FMT "us on average",
                 e->checks, (int)(REPORT_US / 1000000), e->latest_us / 1000,
                 e->checks ? e->late_sum_us / e->checks : 0);
    e->checks = e->latest_us = e->late_sum_us = 0;
    e->report_us = now_us + REPORT_US;
}

/* ------------------------------------------------------------------ */
/* The thread                                                           */

static int must_end(const struct engine *e)
{
    return atomic_load(&e->stop) || hc_lease_tick_is_old();
}

static void turn(struct engine *e)
{
    uint64_t now_us = (uint64_t)apr_time_now(), first;

    if (now_us >= e->stale_us) {
        e->stale_us = now_us + STALE_US;
        if (hc_model_tick_stale(e->model)) {
            read_all(e, now_us);
        }
    }
    if (now_us >= e->tick_us) {
        hc_recover_watch_tick(now_us);
        e->tick_us = now_us + TICK_US;
    }
    if (now_us >= e->look_us) {
        look(e, now_us);
    }
    if (now_us >= e->report_us) {
        report(e, now_us);
    }
    start_due(e);
    now_us = (uint64_t)apr_time_now();
    first = lbx_hc_sched_first(&e->sched);
    first = first < e->tick_us ? first : e->tick_us;
    hc_probe_tick_wait(e->prober, first > now_us ? first - now_us : 0);
}

static void forget(struct engine *e)
{
    for (uint32_t i = 0; i < e->model->id_cap; i++) {
        if (e->model->by_id[i]) {
            hc_probe_tick_abort(e->prober, e->model->by_id[i]);
        }
    }
    hc_probe_tick_close(e->prober);
    hc_model_tick_free(e->model);
    free(e->sched.heap);
    free(e->sched.place);
    e->sched = (struct lbx_hc_sched){.n = 0};
    e->sched_cap = 0;
}

/* From the lease to the end. */
static void reign(struct engine *e)
{
    uint64_t now_us = (uint64_t)apr_time_now();

    e->model = hc_model_tick_make(e->pool);
    e->prober = hc_probe_tick_open(e->pool, on_done, e);
    if (!e->prober || !hc_probe_tick_watch(e->prober, e->wake)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, e->s,
                     LBXNO(0446) "no health checks: out of memory or descriptors");
        return;
    }
    e->random = (uint32_t)now_us | 1;
    e->tick_us = e->look_us = e->stale_us = 0;
    e->report_us = now_us + REPORT_US;
    read_all(e, now_us);
    while (!must_end(e)) {
        turn(e);
    }
    forget(e);
}

static void *run(void *baton)
{
    struct engine *e = baton;
    struct pollfd wake = {.fd = e->wake, .events = POLLIN};

    pthread_setname_np(pthread_self(), "lbx-hcheck");
    while (!must_end(e)) {
        if (hc_lease_tick_take()) {
            apr_pool_create(&e->pool, NULL);
            apr_pool_tag(e->pool, "lbx_hcheck_engine");
            reign(e);
            apr_pool_destroy(e->pool);
            hc_lease_tick_give();
            break;
        }
        poll(&wake, 1, WAIT_MS);
    }
    atomic_store(&e->running, 0);
    return NULL;
}

/* The child ends.  A thread that does not is left behind; the process is about to go. */
static apr_status_t end(void *baton)
{
    struct engine *e = baton;
    uint64_t one = 1;

    atomic_store(&e->stop, 1);
    if (write(e->wake, &one, sizeof(one)) < 0) {
        return APR_SUCCESS;
    }
    for (int ms = 0; ms < END_MS && atomic_load(&e->running); ms += 5) {
        poll(NULL, 0, 5);
    }
    return APR_SUCCESS;
}

void hc_engine_child_start(apr_pool_t *p, server_rec *s)
{
    struct engine *e = calloc(1, sizeof(*e)); /* outlives <p>, if the thread does */
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;

    if (!e || (e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0
        || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s, LBXNO(0447) "no health checks in this child");
        free(e);
        return;
    }
    e->s = s;
    atomic_store(&e->running, 1);
    sigfillset(&all); /* signals are the MPM's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, run, e)) {
        atomic_store(&e->running, 0);
    }
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    apr_pool_pre_cleanup_register(p, e, end);
}

static void nobody_gone(void *baton, struct hc_target *t)
{
    (void)baton;
    (void)t;
}

apr_status_t hc_engine_boot_prepare(apr_pool_t *p, server_rec *s)
{
    struct hc_model *model;
    apr_pool_t *scratch;
    apr_status_t rv = hc_lease_boot_open(p);

    if (rv) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     LBXNO(0448) "cannot make the file whose lock says which child checks");
        return rv;
    }
    hc_model_boot_bind();
    apr_pool_create(&scratch, p);
    model = hc_model_tick_make(scratch);
    hc_model_tick_read(model, nobody_gone, NULL);
    hc_verdict_boot_begin(model, (uint64_t)apr_time_now());
    hc_model_tick_free(model);
    apr_pool_destroy(scratch);
    return APR_SUCCESS;
}
