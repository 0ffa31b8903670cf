/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our state as mod_proxy's structures.  See core_mirror.h.
 *
 * The memory belongs to one generation: it is only a view, and an old child
 * keeps looking at its own.  Writers do not lock: two of them write the same
 * facts, a few microseconds apart.
 *
 * Bound.
 */
#include "core_mirror.h"

#include "apr_shm.h"
#include "apr_strings.h"

#include "core_members.h"
#include "core_store.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

unsigned core_mirror_status(const struct lbx_member_view *v)
{
    unsigned status = PROXY_WORKER_INITIALIZED | v->run.admin | v->health;

    return v->error_at_us ? status | PROXY_WORKER_IN_ERROR : status;
}

static apr_status_t share_set(struct core_set *set, char **at)
{
    for (uint32_t i = 0; i < set->n; i++) {
        proxy_worker_shared *shm = (void *)*at;
        apr_status_t rv = ap_proxy_share_worker(set->member[i].pub, shm, (int)i);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        shm->updated = apr_time_now();
        *at += ALIGNED_PROXY_WORKER_SHARED_SIZE;
    }
    for (int i = 0; i < set->copies->nelts; i++) {
        proxy_balancer *b = APR_ARRAY_IDX(set->copies, i, proxy_balancer *);
        proxy_balancer_shared *shm = (void *)*at;
        apr_status_t rv;

        apr_cpystrn(b->s->nonce, set->rec->nonce, sizeof(b->s->nonce));
        rv = ap_proxy_share_balancer(b, shm, i);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        b->max_workers = (int)(set->n + set->growth);
        *at += ALIGNED_PROXY_BALANCER_SHARED_SIZE;
    }
    return APR_SUCCESS;
}

apr_status_t core_mirror_boot_share(const struct core_gen *gen, apr_pool_t *pconf)
{
    apr_size_t size = 64;
    apr_shm_t *shm;
    apr_status_t rv;
    char *at;

    for (int i = 0; i < gen->sets->nelts; i++) {
        const struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        size += set->n * ALIGNED_PROXY_WORKER_SHARED_SIZE
                + (apr_size_t)set->copies->nelts * ALIGNED_PROXY_BALANCER_SHARED_SIZE;
    }
    rv = apr_shm_create(&shm, size, NULL, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, gen->main,
                     LBXNO(0140) "cannot make %" APR_SIZE_T_FMT " bytes of shared memory for "
                                 "mod_proxy's view of the members",
                     size);
        return rv;
    }
    at = apr_shm_baseaddr_get(shm);
    memset(at, 0, size);
    for (int i = 0; i < gen->sets->nelts && rv == APR_SUCCESS; i++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        rv = share_set(set, &at);
        if (rv == APR_SUCCESS) {
            core_mirror_publish(set);
        }
    }
    return rv;
}

static void publish_member(const struct core_member *m, int ours)
{
    proxy_worker_shared *s = m->pub->s;
    struct lbx_member_view v;

    core_store_view(m, &v);
    s->status = core_mirror_status(&v) | m->shown;
    s->lbfactor = (int)v.run.weight;
    s->lbset = (int)v.run.lbset;
    s->elected = v.elected;
    s->busy = v.in_flight;
    s->transferred = (apr_off_t)v.sent;
    s->read = (apr_off_t)v.received;
    s->retries = (int)v.retries;
    s->error_time = (apr_time_t)v.error_at_us;
    s->retry = (apr_interval_time_t)m->retry_us;
    apr_cpystrn(s->route, v.run.route, sizeof(s->route));
    apr_cpystrn(s->redirect, v.run.redirect, sizeof(s->redirect));
    if (ours) {
        s->lbstatus = (int)(v.load * LBX_WEIGHT_ONE);
    }
}

static void publish_balancer(proxy_balancer *b, const struct lbx_set_vals *v)
{
    proxy_balancer_method *method = ap_lookup_provider(PROXY_LBMETHOD, v->method, "0");

    if (b->max_workers < b->workers->nelts) {
        b->max_workers = b->workers->nelts;
    }
    b->s->timeout = (apr_interval_time_t)v->timeout_us;
    b->s->sticky_force = v->nofailover ? 1 : 0;
    b->s->max_attempts_set = 1;
    b->s->max_attempts = v->maxattempts >= 0     ? v->maxattempts
                         : b->workers->nelts > 1 ? b->workers->nelts - 1
                                                 : 1;
    apr_cpystrn(b->s->sticky, v->sticky, sizeof(b->s->sticky));
    apr_cpystrn(b->s->sticky_path, v->sticky_path, sizeof(b->s->sticky_path));
    if (method) {
        apr_cpystrn(b->s->lbpname, v->method, sizeof(b->s->lbpname));
        b->lbmethod = method;
    }
}

void core_mirror_publish(struct core_set *set)
{
    struct lbx_set_vals v;
    int ours;

    core_members_req_sync(set);
    lbx_set_vals_read(set->rec, &v);
    ours = lbx_method_find(v.method) != NULL;
    for (uint32_t i = 0; i < set->n; i++) {
        publish_member(&set->member[i], ours);
    }
    for (int i = 0; i < set->copies->nelts; i++) {
        publish_balancer(APR_ARRAY_IDX(set->copies, i, proxy_balancer *), &v);
    }
}

void core_mirror_publish_server(server_rec *s)
{
    proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);

    for (int i = 0; i < conf->balancers->nelts; i++) {
        struct core_set *set = core_conf_set(&APR_ARRAY_IDX(conf->balancers, i, proxy_balancer));

        if (set) {
            core_mirror_publish(set);
        }
    }
}
