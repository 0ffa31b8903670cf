/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes our picture of the balancers from mod_proxy's configuration.  See
 * core_conf.h.
 *
 * mod_proxy gives each virtual host a copy of the main server's balancers.  A
 * balancer of which the virtual host says nothing new (a ProxyPass to it is
 * nothing new) is one balancer, whoever uses it: one set, and the copies point
 * to it.  One to which the virtual host adds members or parameters is its own
 * set, with the main server's members and its own.
 *
 * Bound.  Parent only, except for core_conf_gen, the searches and core_conf_child_init.
 */
#include "core_conf.h"

#include <stdlib.h>

#include "apr_strings.h"

#include "core_param.h"
#include "core_told.h"

APLOG_USE_MODULE(lbx_core);

/* LBXQueue max=N without any time. */
enum { QUEUE_US = 5000000 };

/* Members that may be added to a balancer from one (re)start to the next, besides
 * growth=. */
enum { CORE_SPARE = 1000 };

/* Rebuilt at every (re)start before children are forked: nothing survives here. */
static struct core_gen *current_gen;

const struct core_gen *core_conf_gen(void)
{
    return current_gen;
}

/* What a server said itself. */
struct own_conf {
    server_rec *s;
    apr_array_header_t *balancers; /* proxy_balancer, by value, before the merge */
    apr_array_header_t *told;      /* struct core_told */
    apr_hash_t *rules;             /* "balancer://name" -> struct core_rules */
    apr_hash_t *params;            /* "balancer\nmember" -> apr_table_t */
};

void *core_conf_create_server(apr_pool_t *p, server_rec *s)
{
    struct own_conf *own = apr_pcalloc(p, sizeof(*own));

    own->s = s;
    own->told = apr_array_make(p, 4, sizeof(struct core_told));
    own->rules = apr_hash_make(p);
    own->params = apr_hash_make(p);
    return own;
}

apr_array_header_t *core_conf_told(server_rec *s)
{
    struct own_conf *own = ap_get_module_config(s->module_config, &lbx_core_module);

    return own->told;
}

/* Called before mod_proxy's merge, because later modules are merged first and
 * core is loaded after mod_proxy.  The merge writes into the virtual host's
 * balancers: keep copies of what it will overwrite. */
void *core_conf_merge_server(apr_pool_t *p, void *base, void *add)
{
    struct own_conf *own = add;
    proxy_server_conf *conf = ap_get_module_config(own->s->module_config, &proxy_module);

    (void)base;
    core_told_restore();
    if (!conf) {
        return own;
    }
    own->balancers = apr_array_copy(p, conf->balancers);
    for (int i = 0; i < own->balancers->nelts; i++) {
        proxy_balancer *b = &APR_ARRAY_IDX(own->balancers, i, proxy_balancer);

        b->s = apr_pmemdup(p, b->s, sizeof(*b->s));
        if (b->errstatuses) {
            b->errstatuses = apr_array_copy(p, b->errstatuses);
        }
    }
    return own;
}

apr_hash_t *core_conf_rules(server_rec *s)
{
    struct own_conf *own = ap_get_module_config(s->module_config, &lbx_core_module);

    return own->rules;
}

apr_hash_t *core_conf_params(server_rec *s)
{
    struct own_conf *own = ap_get_module_config(s->module_config, &lbx_core_module);

    return own->params;
}

static const proxy_balancer *find_balancer(const apr_array_header_t *balancers, const char *name)
{
    for (int i = 0; balancers && i < balancers->nelts; i++) {
        const proxy_balancer *b = &APR_ARRAY_IDX(balancers, i, proxy_balancer);

        if (!strcmp(b->s->name, name)) {
            return b;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Whose is it?                                                         */

/* A name for a virtual host that stays the same over restarts and moves in the
 * file: where it listens and what it is called. */
static const char *vhost_name(apr_pool_t *p, const server_rec *s)
{
    const server_addr_rec *a = s->addrs;
    const char *host = s->server_hostname ? s->server_hostname : "";

    if (!a) {
        return apr_pstrcat(p, "vhost ", host, NULL);
    }
    return apr_psprintf(p, "vhost %s:%u %s", a->virthost ? a->virthost : "*",
                        (unsigned)a->host_port, host);
}

static const char *scope_of(apr_pool_t *p, const server_rec *main, const server_rec *s,
                            apr_hash_t *taken)
{
    const char *name, *unique;

    if (s == main) {
        return CORE_SCOPE_MAIN;
    }
    name = unique = apr_pstrndup(p, vhost_name(p, s), LBX_SCOPE_MAX - 16);
    for (int i = 2; apr_hash_get(taken, unique, APR_HASH_KEY_STRING); i++) {
        unique = apr_psprintf(p, "%s #%d", name, i);
    }
    apr_hash_set(taken, unique, APR_HASH_KEY_STRING, s);
    return unique;
}

/* ------------------------------------------------------------------ */
/* One balancer                                                         */

static void read_set_conf(apr_pool_t *p, struct core_set *set, const proxy_balancer *b)
{
    const proxy_balancer_shared *s = b->s;

    set->separator = s->sticky_separator;
    set->semicolon = s->scolonsep;
    set->forcerecovery = s->forcerecovery;
    set->growth = (uint32_t)b->growth;
    /* mod_proxy marks "not given" with a line feed */
    set->nonce = s->nonce_set || *s->nonce != '\n' ? apr_pstrdup(p, s->nonce) : NULL;
    set->conf.timeout_us = (uint64_t)s->timeout;
    set->conf.nofailover = s->sticky_force;
    set->conf.maxattempts = s->max_attempts_set ? s->max_attempts : -1;
    apr_cpystrn(set->conf.method, s->lbpname, sizeof(set->conf.method));
    apr_cpystrn(set->conf.sticky, s->sticky, sizeof(set->conf.sticky));
    apr_cpystrn(set->conf.sticky_path, s->sticky_path, sizeof(set->conf.sticky_path));
}

/* What the main server says of the member, and what the virtual host says over it. */
static apr_table_t *params_of(apr_pool_t *p, const struct core_set *set, const char *member,
                              server_rec *main)
{
    apr_table_t *theirs = core_told_params(p, main, set->name, member);
    apr_table_t *own = core_told_params(p, set->server, set->name, member);
    apr_table_t *both = apr_table_copy(p, theirs);

    apr_table_overlap(both, own, APR_OVERLAP_TABLES_SET);
    return both;
}

void core_conf_read_member(struct core_member *m, int weight, const proxy_worker_shared *s)
{
    const char *maxconn = apr_table_get(m->params, "maxconn");
    const char *drain = apr_table_get(m->params, "draintimeout");
    apr_time_t retry = s->retry_set ? s->retry : apr_time_from_sec(PROXY_WORKER_DEFAULT_RETRY);

    m->retry_us = (uint64_t)retry;
    m->health = s->status & LBX_HEALTH_FAILED;
    m->in_error = s->status & PROXY_WORKER_IN_ERROR;
    m->shown = s->status & (PROXY_WORKER_GENERIC | PROXY_WORKER_FREE);
    m->conf.weight = (uint32_t)(weight > 0 ? weight : s->lbfactor);
    m->conf.lbset = (uint32_t)s->lbset;
    m->drain_us = drain ? core_param_drain(drain) : 0;
    m->conf.maxconn = maxconn ? (uint32_t)apr_atoi64(maxconn) : 0;
    m->conf.admin = s->status & LBX_ADMIN_ALL;
    apr_cpystrn(m->conf.route, s->route, sizeof(m->conf.route));
    apr_cpystrn(m->conf.redirect, s->redirect, sizeof(m->conf.redirect));
}

static proxy_worker *clone_worker(apr_pool_t *p, const proxy_worker *w, proxy_balancer *b)
{
    proxy_worker *copy = apr_pmemdup(p, w, sizeof(*w));

    copy->s = apr_pmemdup(p, w->s, sizeof(*w->s));
    copy->s->was_malloced = 0;
    copy->balancer = b;
    return copy;
}

/* Errors never stick to it: whether a member may be used is decided by us
 * before a transport sees the worker. */
static proxy_worker *make_transport(apr_pool_t *p, const proxy_worker *w, proxy_balancer *b)
{
    proxy_worker *t = clone_worker(p, w, b);

    t->s->status &= ~(unsigned)(PROXY_WORKER_NOT_USABLE_BITMAP | PROXY_WORKER_DRAIN
                                | PROXY_WORKER_HOT_STANDBY | PROXY_WORKER_HOT_SPARE);
    t->s->status |= PROXY_WORKER_IGNORE_ERRORS;
    return t;
}

/* What follows from the scheme and the URL. */
static void note_transport(apr_pool_t *p, struct core_member *m)
{
    const char *scheme = m->transport->s->scheme;

    m->proxied = apr_pstrcat(p, "proxy:", m->transport->s->name_ex, NULL);
    m->proxied_len = strlen(m->proxied);
    m->name_len = strlen(m->name);
    m->tls = !strcmp(scheme, "https") || !strcmp(scheme, "wss");
    m->speaks_http = m->tls || !strcmp(scheme, "http") || !strcmp(scheme, "ws");
}

struct core_member *core_conf_place(apr_pool_t *p, struct core_set *set, proxy_worker *pub,
                                    const apr_table_t *params, int weight)
{
    struct core_member *m = &set->member[set->n];

    m->set = set;
    m->index = set->n;
    m->pub = pub;
    m->name = ap_proxy_worker_name(p, pub);
    m->transport = make_transport(p, pub, set->balancer);
    note_transport(p, m);
    m->params = params;
    core_conf_read_member(m, weight, pub->s);
    return m;
}

static apr_status_t free_members(void *baton)
{
    free(baton);
    return APR_SUCCESS;
}

/* Room for those in the file and for others: memory that nobody has written to
 * costs nothing. */
static void make_members(apr_pool_t *p, struct core_set *set, server_rec *main)
{
    proxy_balancer *b = set->balancer;
    const apr_array_header_t *workers = b->workers;

    set->room = (uint32_t)workers->nelts + set->growth + CORE_SPARE;
    set->member = ap_calloc(set->room, sizeof(*set->member));
    apr_pool_cleanup_register(p, set->member, free_members, apr_pool_cleanup_null);
    /* never to be moved: others look through it while we add */
    b->workers = apr_array_make(p, (int)set->room, sizeof(proxy_worker *));
    apr_array_cat(b->workers, workers);
    for (int i = 0; i < workers->nelts; i++) {
        proxy_worker *pub = APR_ARRAY_IDX(workers, i, proxy_worker *);
        const char *name = ap_proxy_worker_name(p, pub);
        int weight = core_told_weight(set->server, set->name, name);

        weight = weight < 0 ? core_told_weight(main, set->name, name) : weight;
        core_conf_place(p, set, pub, params_of(p, set, name, main), weight);
        set->n++;
    }
}

/* A virtual host's own version of a balancer: the inherited members, unless it
 * has BalancerInherit Off, and those that it adds. */
static void own_members(apr_pool_t *p, proxy_balancer *b, const proxy_balancer *own,
                        const proxy_server_conf *conf)
{
    apr_array_header_t *all = apr_array_make(p, 8, sizeof(proxy_worker *));
    int inherits = conf->inherit || !own->workers->nelts;

    for (int i = 0; inherits && i < b->workers->nelts; i++) {
        const proxy_worker *w = APR_ARRAY_IDX(b->workers, i, proxy_worker *);

        APR_ARRAY_PUSH(all, proxy_worker *) = clone_worker(p, w, b);
    }
    for (int i = 0; i < own->workers->nelts; i++) {
        const proxy_worker *w = APR_ARRAY_IDX(own->workers, i, proxy_worker *);
        int known = 0;

        for (int j = 0; j < all->nelts; j++) {
            known |= !strcmp(ap_proxy_worker_name(p, APR_ARRAY_IDX(all, j, proxy_worker *)),
                             ap_proxy_worker_name(p, (proxy_worker *)w));
        }
        if (!known) {
            APR_ARRAY_PUSH(all, proxy_worker *) = clone_worker(p, w, b);
        }
    }
    b->workers = all;
}

static struct core_set *new_set(apr_pool_t *p, struct core_gen *gen, server_rec *s,
                                proxy_balancer *b, const char *scope)
{
    struct core_set *set = apr_pcalloc(p, sizeof(*set));

    set->name = apr_pstrdup(p, b->s->name);
    set->name_len = strlen(set->name);
    set->scope = scope;
    set->server = s;
    set->balancer = b;
    set->copies = apr_array_make(p, 2, sizeof(proxy_balancer *));
    read_set_conf(p, set, b);
    set->rules = core_rules_for(p, s, gen->main, set->name);
    if (set->rules->queue_timed) {
        set->conf.timeout_us = set->rules->queue_us;
    } else if (set->rules->queue_max && !set->conf.timeout_us) {
        set->conf.timeout_us = QUEUE_US;
    }
    make_members(p, set, gen->main);
    gen->members += set->n + set->growth + 1; /* one for the count of repetitions */
    APR_ARRAY_PUSH(gen->sets, struct core_set *) = set;
    return set;
}

/* Does the virtual host add anything to the balancer?  <mine> is what it said
 * before the merge. */
static int says_something(server_rec *server, const proxy_balancer *mine)
{
    const proxy_balancer_shared *s = mine->s;

    return mine->workers->nelts || *s->sticky || s->timeout || s->max_attempts_set
           || s->sticky_force_set || s->scolonsep_set || s->sticky_separator_set
           || s->forcerecovery_set || s->nonce_set || mine->growth_set || mine->failontimeout_set
           || !apr_is_empty_array(mine->errstatuses) || core_told_has_method(server, s->name);
}

/* The main server's set that this copy belongs to, if it is no more than a copy. */
static struct core_set *inherited_set(const struct core_gen *gen, server_rec *s,
                                      const proxy_balancer *b, const proxy_balancer *mine)
{
    for (int i = 0; i < gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        if (set->server == gen->main && !strcmp(set->name, b->s->name)
            && (set->balancer->s == b->s || (mine && !says_something(s, mine)))) {
            return set;
        }
    }
    return NULL;
}

/* A virtual host's own version of the main server's balancer. */
static void take_over(apr_pool_t *p, server_rec *s, proxy_balancer *b, const proxy_balancer *mine,
                      const proxy_balancer *theirs)
{
    own_members(p, b, mine, ap_get_module_config(s->module_config, &proxy_module));
    if (!core_told_has_method(s, b->s->name)) { /* mod_proxy gives it byrequests then */
        apr_cpystrn(b->s->lbpname, theirs->s->lbpname, sizeof(b->s->lbpname));
        b->lbmethod = theirs->lbmethod;
    }
}

/* BalancerInherit Off: balancers that the virtual host does not mention are not
 * there for it. */
static void drop_inherited(proxy_server_conf *conf, const proxy_server_conf *main, server_rec *s)
{
    int kept = 0;

    for (int i = 0; i < conf->balancers->nelts; i++) {
        proxy_balancer *b = &APR_ARRAY_IDX(conf->balancers, i, proxy_balancer);
        const proxy_balancer *theirs = find_balancer(main->balancers, b->s->name);

        if (theirs && theirs->s == b->s) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                         LBXNO(0101) "%s: not inherited by this virtual host (BalancerInherit Off)",
                         b->s->name);
            continue;
        }
        APR_ARRAY_IDX(conf->balancers, kept++, proxy_balancer) = *b;
    }
    conf->balancers->nelts = kept;
}

static void build_server(apr_pool_t *p, struct core_gen *gen, server_rec *s, apr_hash_t *taken)
{
    proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);
    proxy_server_conf *main = ap_get_module_config(gen->main->module_config, &proxy_module);
    struct own_conf *own = ap_get_module_config(s->module_config, &lbx_core_module);
    const char *scope = scope_of(p, gen->main, s, taken);

    if (s != gen->main && conf == main) {
        return; /* no word about proxying: it uses the main server's as they are */
    }
    if (s != gen->main && conf->inherit_set && !conf->inherit) {
        drop_inherited(conf, main, s);
    }
    for (int i = 0; i < conf->balancers->nelts; i++) {
        proxy_balancer *b = &APR_ARRAY_IDX(conf->balancers, i, proxy_balancer);
        const proxy_balancer *mine = own ? find_balancer(own->balancers, b->s->name) : NULL;
        const proxy_balancer *theirs = find_balancer(main->balancers, b->s->name);
        struct core_set *set = s == gen->main ? NULL : inherited_set(gen, s, b, mine);

        if (!set) {
            if (s != gen->main && mine && theirs) {
                take_over(p, s, b, mine, theirs);
            }
            set = new_set(p, gen, s, b, scope);
        }
        /* what the main server persists is persisted for its heirs too */
        set->persist |= conf->bal_persist | main->bal_persist;
        b->context = set;
        b->workers = set->balancer->workers;
        APR_ARRAY_PUSH(set->copies, proxy_balancer *) = b;
    }
}

struct core_gen *core_conf_boot_build(apr_pool_t *p, server_rec *main)
{
    struct core_gen *gen = apr_pcalloc(p, sizeof(*gen));
    apr_hash_t *taken = apr_hash_make(p);

    core_told_restore();
    gen->main = main;
    gen->sets = apr_array_make(p, 8, sizeof(struct core_set *));
    for (server_rec *s = main; s; s = s->next) {
        build_server(p, gen, s, taken);
    }
    current_gen = gen;
    return gen;
}

server_rec *core_conf_scratch(apr_pool_t *p, server_rec *s)
{
    server_rec *scratch = apr_pmemdup(p, s, sizeof(*s));
    proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);

    /* the only way to get a vector of the right length */
    scratch->module_config = ap_create_request_config(p);
    for (module *m = ap_top_module; m; m = m->next) {
        ap_set_module_config(scratch->module_config, m, ap_get_module_config(s->module_config, m));
    }
    conf = apr_pmemdup(p, conf, sizeof(*conf));
    conf->pool = p;
    conf->balancers = apr_array_make(p, 1, sizeof(proxy_balancer));
    conf->workers = apr_array_make(p, 1, sizeof(proxy_worker));
    ap_set_module_config(scratch->module_config, &proxy_module, conf);
    ap_set_module_config(scratch->module_config, &lbx_core_module,
                         core_conf_create_server(p, scratch));
    return scratch;
}

int core_conf_server_uses(const struct core_set *set, server_rec *s)
{
    proxy_server_conf *conf = ap_get_module_config(s->module_config, &proxy_module);

    for (int i = 0; i < conf->balancers->nelts; i++) {
        if (core_conf_set(&APR_ARRAY_IDX(conf->balancers, i, proxy_balancer)) == set) {
            return 1;
        }
    }
    return 0;
}

struct core_set *core_conf_find_set(server_rec *s, const char *name)
{
    for (int i = 0; current_gen && i < current_gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(current_gen->sets, i, struct core_set *);

        if (!strcmp(set->name, name) && core_conf_server_uses(set, s)) {
            return set;
        }
    }
    return NULL;
}

/* The last of that name: an earlier one was removed. */
struct core_member *core_conf_find_member(const struct core_set *set, const char *name)
{
    for (uint32_t i = set->n; i > 0; i--) {
        if (!strcmp(set->member[i - 1].name, name)) {
            return &set->member[i - 1];
        }
    }
    return NULL;
}

void core_conf_child_init(apr_pool_t *p)
{
    for (int i = 0; current_gen && i < current_gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(current_gen->sets, i, struct core_set *);

        apr_thread_mutex_create(&set->compiling, APR_THREAD_MUTEX_DEFAULT, p);
        for (int k = 0; k < set->copies->nelts; k++) {
            proxy_balancer *b = APR_ARRAY_IDX(set->copies, k, proxy_balancer *);

            /* foreign providers are called with it held */
            apr_thread_mutex_create(&b->tmutex, APR_THREAD_MUTEX_DEFAULT, p);
        }
    }
}
