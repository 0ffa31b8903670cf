/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbmethod providers.  See core_lbmethod.h.
 *
 * Bound.
 */
#include "core_lbmethod.h"

#include "ap_provider.h"

#include "core_mirror.h"
#include "core_roster.h"
#include "core_store.h"

APLOG_USE_MODULE(lbx_core);

/* ------------------------------------------------------------------ */
/* Ours, for others                                                     */

/* A choice without a request of ours: nothing stays reserved. */
static proxy_worker *find_by(const struct lbx_method *method, const proxy_balancer *b)
{
    struct core_set *set = core_conf_set(b);
    struct lbx_pick p = {core_store(), core_store_child(), NULL, (uint64_t)apr_time_now(), 0};
    struct core_roster *cr = set ? core_roster_req_get(set, (uint64_t)apr_time_now(), 1) : NULL;
    struct lbx_charge charge;
    proxy_worker *w = NULL;
    int place;

    if (!cr) {
        return NULL;
    }
    place = method->pick(cr->r, &p, &charge);
    if (place >= 0) {
        const struct lbx_cand *c = &cr->r->cand[place];

        lbx_method_release(p.store, p.child, c->slot, set->rec, method->wants_busy);
        method->done(&charge, 0);
        w = set->member[c->index].pub;
    }
    core_roster_req_put(set, cr);
    return w;
}

/* Whoever calls a finder may have another method in the balancer: which one is
 * meant is in the function. */
static proxy_worker *find_byrequests(proxy_balancer *b, request_rec *r)
{
    (void)r;
    return find_by(&lbx_method_byrequests, b);
}

static proxy_worker *find_bybusyness(proxy_balancer *b, request_rec *r)
{
    (void)r;
    return find_by(&lbx_method_bybusyness, b);
}

static proxy_worker *find_bytraffic(proxy_balancer *b, request_rec *r)
{
    (void)r;
    return find_by(&lbx_method_bytraffic, b);
}

/* The shares of all members start over.  Counters go on. */
static apr_status_t reset(proxy_balancer *b, server_rec *s)
{
    struct core_set *set = core_conf_set(b);

    (void)s;
    for (uint32_t i = 0; set && i < set->n; i++) {
        atomic_store(&set->member[i].rec->credit, 0);
        atomic_store(&set->member[i].rec->vtime, atomic_load(&set->rec->vtime));
    }
    return APR_SUCCESS;
}

static apr_status_t age(proxy_balancer *b, server_rec *s)
{
    (void)b;
    (void)s;
    return APR_SUCCESS;
}

static const proxy_balancer_method providers[] = {
    {.name = "byrequests", .finder = find_byrequests, .reset = reset, .age = age},
    {.name = "bybusyness", .finder = find_bybusyness, .reset = reset, .age = age},
    {.name = "bytraffic", .finder = find_bytraffic, .reset = reset, .age = age},
};

void core_lbmethod_register(apr_pool_t *p)
{
    for (unsigned i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        ap_register_provider(p, PROXY_LBMETHOD, providers[i].name, "0", &providers[i]);
    }
}

/* ------------------------------------------------------------------ */
/* Others, for us                                                       */

static struct core_member *member_of(const struct core_set *set, const proxy_worker *w)
{
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->member[i].pub == w) {
            return &set->member[i];
        }
    }
    return NULL;
}

struct core_member *core_lbmethod_req_foreign(struct core_set *set, proxy_balancer *b,
                                              request_rec *r, const char *name)
{
    proxy_balancer_method *method = ap_lookup_provider(PROXY_LBMETHOD, name, "0");
    proxy_worker *w;

    if (!method || !method->finder) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, LBXNO(0150) "%s: lbmethod %s is not loaded",
                      set->name, name);
        return NULL;
    }
    /* Providers expect the stock's calling convention: fresh structures, and the
     * balancer's thread mutex held. */
    core_mirror_publish(set);
    PROXY_THREAD_LOCK(b);
    w = method->finder(b, r);
    PROXY_THREAD_UNLOCK(b);
    return w ? member_of(set, w) : NULL;
}

void core_lbmethod_req_elected(struct core_set *set, proxy_balancer *b, struct core_member *m,
                               const char *name)
{
    proxy_balancer_method *method = ap_lookup_provider(PROXY_LBMETHOD, name, "0");

    if (method && method->updatelbstatus) {
        PROXY_THREAD_LOCK(b);
        method->updatelbstatus(b, m->pub, set->server);
        PROXY_THREAD_UNLOCK(b);
    }
}
