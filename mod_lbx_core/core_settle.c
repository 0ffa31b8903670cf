/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a choice when its attempt is over: the reservation, the method's
 * account, the member's error and trial.  The second half of core_choose.h.
 *
 * Bound.
 */
#include "core_choose.h"

#include "core_queue.h"
#include "core_store.h"
#include "lbx_trial.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

/* What the transport has counted since the last look.  Of threads that look at the same
 * time, each adds what the others have not. */
static void harvest(_Atomic int64_t *seen, int64_t now, _Atomic uint64_t *total)
{
    int64_t before = atomic_load_explicit(seen, memory_order_relaxed);

    while (now > before) {
        if (atomic_compare_exchange_weak(seen, &before, now)) {
            atomic_fetch_add_explicit(total, (uint64_t)(now - before), memory_order_relaxed);
            return;
        }
    }
}

static void harvest_both(struct core_member *m)
{
    harvest(&m->sent_seen, m->transport->s->transferred, &m->rec->sent);
    harvest(&m->received_seen, m->transport->s->read, &m->rec->received);
}

/* All threads of all children write these: not with each request, but when this child has
 * none left at the member, or <WORTH> has come together, and at the end. */
static void harvest_sometimes(struct core_member *m, uint32_t left)
{
    enum { WORTH = 65536 };
    const proxy_worker_shared *s = m->transport->s;
    int64_t sent = s->transferred - atomic_load_explicit(&m->sent_seen, memory_order_relaxed);
    int64_t received = s->read - atomic_load_explicit(&m->received_seen, memory_order_relaxed);

    if (!left || sent >= WORTH || received >= WORTH) {
        harvest_both(m);
    }
}

static apr_status_t harvest_all(void *unused)
{
    const struct core_gen *gen = core_conf_gen();

    (void)unused;
    for (int i = 0; i < gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        for (uint32_t k = 0; k < set->n; k++) {
            if (lbx_store_member(core_store(), set->member[k].ref)) {
                harvest_both(&set->member[k]);
            }
        }
    }
    return APR_SUCCESS;
}

void core_choose_child_init(apr_pool_t *p)
{
    apr_pool_pre_cleanup_register(p, NULL, harvest_all);
}

LBX_HOT void core_choose_req_done(struct core_choice *c, uint64_t bytes)
{
    struct core_member *m = c->m;
    uint32_t left = lbx_method_release(core_store(), core_store_child(), m->ref.slot, m->set->rec,
                                       c->method && c->method->wants_busy);

    if (c->method) {
        c->method->done(&c->charge, bytes);
    }
    core_queue_req_wake(m->set);
    harvest_sometimes(m, left);
}

int core_choose_req_again(struct core_choice *c)
{
    struct lbx_member_vals v;

    lbx_member_vals_read(c->m->rec, &v);
    if (!lbx_limit_take(core_store(), core_store_child(), c->m->ref.slot, c->m->rec,
                        lbx_limit(v.maxconn, c->m->rec->ramp), (uint64_t)apr_time_now())) {
        return 0;
    }
    if (c->method && c->method->wants_busy) {
        atomic_fetch_add(&c->m->set->rec->busy_seq, 1);
    }
    c->charge.units = 0;
    return 1;
}

void core_choose_req_proved(struct core_choice *c)
{
    c->trial = 0;
    if (lbx_trial_end(c->m->rec)) {
        atomic_fetch_add(&c->m->set->rec->epoch, 1);
    }
}

void core_choose_req_unproved(struct core_choice *c, enum lbx_outcome outcome)
{
    if (outcome == LBX_OUT_CLIENT) {
        lbx_trial_give_back(c->m->rec);
    } else if (outcome != LBX_OUT_TIMEOUT) {
        core_choose_req_proved(c); /* it does not hang, at least */
    }
    c->trial = 0;
}

LBX_COLD int core_choose_req_failed(const struct core_choice *c, uint64_t now, uint64_t took_us)
{
    _Atomic uint64_t *error = &c->m->rec->error_at_us;
    uint64_t before = atomic_load(error);

    atomic_fetch_add(&c->m->rec->failures, 1);
    if (c->admin & LBX_ADMIN_IGNORE_ERRORS || !lbx_store_member(core_store(), c->m->ref)) {
        return 0; /* removed meanwhile: the record may be another member's */
    }
    while (before < now && !atomic_compare_exchange_weak(error, &before, now)) {
    }
    lbx_trial_failed(c->m->rec, took_us / 1000);
    if (before) {
        return 0; /* it was out already; the failure prolongs it */
    }
    atomic_fetch_add(&c->m->set->rec->epoch, 1);
    return 1;
}

int core_choose_req_budget(const struct core_set *set)
{
    uint64_t active = 1; /* the one that asks has given its reservation back */

    for (uint32_t i = 0; i < set->n; i++) {
        active += lbx_store_in_flight(core_store(), set->member[i].ref.slot);
    }
    return lbx_retry_budget_left(&set->rules->retry, active,
                                 lbx_store_in_flight(core_store(), set->retries.slot));
}

void core_choose_req_tried(struct core_ask *ask, const struct core_choice *c)
{
    uint32_t bit = 1u << (c->m->index % 32);

    if (!ask->been) {
        apr_size_t size = (ask->set->room / 32 + 1) * sizeof(uint32_t);

        ask->been = apr_pcalloc(ask->r->pool, size);
        ask->tried = apr_pcalloc(ask->r->pool, size);
    }
    ask->been[c->m->index / 32] |= bit;
    if (ask->tried) {
        ask->tried[c->m->index / 32] |= bit;
    }
}
