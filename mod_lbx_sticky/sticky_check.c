/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings on the configuration.  See sticky_check.h.
 *
 * Looks at mod_proxy's balancers: core's picture is made only when the server really
 * starts.
 *
 * Bound.
 */
#include "sticky_check.h"

#include "mod_proxy.h"

#include "sticky_learn.h"

APLOG_USE_MODULE(lbx_sticky);

static void check_routes(apr_pool_t *p, server_rec *s, const proxy_balancer *b)
{
    apr_hash_t *seen = apr_hash_make(p);
    const char *without = NULL, *with = NULL;

    for (int i = 0; i < b->workers->nelts; i++) {
        proxy_worker *w = APR_ARRAY_IDX(b->workers, i, proxy_worker *);
        const char *name = ap_proxy_worker_name(p, w), *other;

        if (!*w->s->route) {
            without = without ? without : name;
            continue;
        }
        with = with ? with : name;
        if (w->s->status & PROXY_WORKER_HOT_STANDBY) {
            continue; /* may stand in for its namesake */
        }
        other = apr_hash_get(seen, w->s->route, APR_HASH_KEY_STRING);
        if (other) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         LBXNO(0310) "%s: %s and %s have the same route=%s: sessions of the one go "
                                     "to the other",
                         b->s->name, other, name, w->s->route);
        } else {
            apr_hash_set(seen, w->s->route, APR_HASH_KEY_STRING, name);
        }
    }
    if (*b->s->sticky && with && without) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0311) "%s: stickysession=%s, but %s has a route= and %s has none: give "
                                 "one to each member, or to none",
                     b->s->name, b->s->sticky, with, without);
    }
}

static void check_names(apr_pool_t *p, server_rec *s, server_rec *main, const proxy_balancer *b)
{
    struct sticky_rules rules = sticky_conf_rules(p, s, main, b->s->name);

    if (rules.cookie.name && *b->s->sticky && !strcmp(rules.cookie.name, b->s->sticky)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0315) "%s: LBXStickyCookie %s is the application's own cookie "
                                 "(stickysession=%s), which it would replace",
                     b->s->name, rules.cookie.name, b->s->sticky);
    }
    if (rules.learn && rules.learn->store && !strcmp(rules.learn->store, "shmcb")) {
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            LBXNO(0319) "%s: LBXStickyLearn store=shmcb: mod_socache_shmcb begins empty at "
                        "every graceful restart; without store= what was learned stays",
            b->s->name);
    }
}

void sticky_check_boot_warn(apr_pool_t *p, server_rec *main)
{
    apr_hash_t *done = apr_hash_make(p);

    for (server_rec *s = main; s; s = s->next) {
        proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);

        for (int i = 0; conf && i < conf->balancers->nelts; i++) {
            proxy_balancer *b = &APR_ARRAY_IDX(conf->balancers, i, proxy_balancer);

            if (!apr_hash_get(done, &b->s, sizeof(b->s))) {
                apr_hash_set(done, apr_pmemdup(p, &b->s, sizeof(b->s)), sizeof(b->s), b);
                check_routes(p, s, b);
                check_names(p, s, main, b);
            }
        }
    }
}
