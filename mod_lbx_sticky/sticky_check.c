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

/* Whose balancer is it?  The main server's comes first, which virtual hosts inherit. */
static void check_server(apr_pool_t *p, server_rec *s, server_rec *main, apr_hash_t *done,
                         apr_hash_t *owners)
{
    proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);

    for (int i = 0; conf && i < conf->balancers->nelts; i++) {
        proxy_balancer *b = &APR_ARRAY_IDX(conf->balancers, i, proxy_balancer);
        const char *name = b->s->name;

        if (!apr_hash_get(done, &b->s, sizeof(b->s))) {
            apr_hash_set(done, apr_pmemdup(p, &b->s, sizeof(b->s)), sizeof(b->s), b);
            apr_hash_set(owners, apr_psprintf(p, "%pp %s", (void *)s, name), APR_HASH_KEY_STRING,
                         b);
            apr_hash_set(owners, name, APR_HASH_KEY_STRING, b);
            check_routes(p, s, b);
            check_names(p, s, main, b);
        }
    }
}

/* Directives of the main server speak of everybody's balancers, others of their own. */
static void check_spoken_of(apr_pool_t *p, server_rec *s, server_rec *main, apr_hash_t *owners)
{
    const apr_array_header_t *names = sticky_conf_names(p, s);

    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *key = s == main ? name : apr_psprintf(p, "%pp %s", (void *)s, name);

        if (!apr_hash_get(owners, key, APR_HASH_KEY_STRING)) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         LBXNO(0321) "LBXSticky... of %s: there is no such balancer%s, so this "
                                     "has no effect",
                         name,
                         apr_hash_get(owners, name, APR_HASH_KEY_STRING)
                             ? " in this virtual host, but elsewhere"
                             : "");
        }
    }
}

static const void *config_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &lbx_sticky_module);
}

void sticky_check_boot_warn(apr_pool_t *p, server_rec *main)
{
    apr_hash_t *done = apr_hash_make(p), *owners = apr_hash_make(p);

    for (server_rec *s = main; s; s = s->next) {
        check_server(p, s, main, done, owners);
    }
    check_spoken_of(p, main, main, owners);
    for (server_rec *s = main->next; s; s = s->next) {
        if (config_of(s) != config_of(main)) { /* httpd lends the main server's */
            check_spoken_of(p, s, main, owners);
        }
    }
}
