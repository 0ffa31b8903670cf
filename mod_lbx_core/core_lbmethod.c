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
static proxy_worker *find(proxy_balancer *b, request_rec *r)
{
    struct core_set *set = core_conf_set(b);
    const struct lbx_method *method = b->lbmethod->context;
    struct lbx_pick p = {core_store(), core_store_child(), NULL};
    struct core_roster *cr = set ? core_roster_req_get(set, (uint64_t)apr_time_now(), 1) : NULL;
    struct lbx_charge charge;
    proxy_worker *w = NULL;
    int place;

    (void)r;
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

void core_lbmethod_register(apr_pool_t *p)
{
    for (unsigned i = 0; lbx_methods[i]; i++) {
        proxy_balancer_method *m = apr_pcalloc(p, sizeof(*m));

        m->name = lbx_methods[i]->name;
        m->finder = find;
        m->context = (void *)lbx_methods[i];
        m->reset = reset;
        m->age = age;
        ap_register_provider(p, PROXY_LBMETHOD, m->name, "0", m);
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
