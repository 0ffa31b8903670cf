/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learned sessions.  See sticky_learn.h.
 *
 * Bound.
 */
#include "sticky_learn.h"

#include <string.h>

#include "ap_provider.h"
#include "ap_socache.h"
#include "apr_lib.h"
#include "apr_shm.h"
#include "util_mutex.h"

#include "lbx_cookie.h"
#include "lbx_learn.h"
#include "lbx_route.h"
#include "lbx_setcookie.h"
#include "sticky_key.h"
#include "sticky_notes.h"
#include "sticky_response.h"

APLOG_USE_MODULE(lbx_sticky);

#define RETAINED_KEY "mod_lbx_sticky tables 2"
#define MUTEX_TYPE   "lbx-sticky"

enum { TABLES_MAX = 256, ALIGN = 64, STORED = 8 };

struct sticky_memory {
    struct lbx_learn *table; /* ours; NULL: in the store */
    const ap_socache_provider_t *provider;
    ap_socache_instance_t *instance;
    apr_global_mutex_t *mutex; /* NULL: the provider needs none */
    uint64_t balancer;         /* tells balancers in one store apart */
};

/* What differs most goes first: shmcb's compartments are chosen by the first byte. */
struct store_key {
    uint64_t session, balancer;
};

/* A table of our own. */
struct kept {
    uint64_t name;
    uint64_t len;
    struct lbx_learn *table;
    apr_shm_t *shm;
    int claimed; /* by a balancer of the present configuration */
};

/* What survives the module's reload: anonymous memory. */
struct retained {
    uint32_t n;
    struct kept kept[TABLES_MAX];
};

/* ------------------------------------------------------------------ */
/* Configuration                                                        */

static const char allowed_from[] =
    "cookie:NAME, header:NAME, path:NAME or expr:EXPRESSION first, "
    "then idle=TIME, sessions=64 to 100000000, store=PROVIDER[:ARGS]";

static const char *parse_source(cmd_parms *cmd, struct sticky_learning *l, const char *word)
{
    static const char *const prefix[] = {"cookie:", "header:", "path:", "expr:"};
    const char *error = NULL;

    for (unsigned i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++) {
        size_t len = strlen(prefix[i]);

        if (!ap_cstr_casecmpn(word, prefix[i], len) && word[len]) {
            l->source = (enum sticky_source)i;
            l->name = word + len;
            if (i == STICKY_FROM_EXPR) {
                l->expr = ap_expr_parse_cmd(cmd, l->name, AP_EXPR_FLAG_STRING_RESULT, &error, NULL);
            }
            return !error ? NULL
                          : apr_psprintf(cmd->pool, "%s %s: not an expression: %s", cmd->cmd->name,
                                         word, error);
        }
    }
    return apr_psprintf(cmd->pool, "%s %s: must be %s, or Off", cmd->cmd->name, word, allowed_from);
}

static int parse_idle(const char *t, uint32_t *out)
{
    apr_interval_time_t time;

    if (!apr_isdigit(*t) || ap_timeout_parameter_parse(t, &time, "s") != APR_SUCCESS
        || time < APR_USEC_PER_SEC || time > apr_time_from_sec(30 * 86400)) {
        return 0;
    }
    *out = (uint32_t)apr_time_sec(time);
    return 1;
}

static const char *parse_option(cmd_parms *cmd, struct sticky_learning *l, const char *word)
{
    char *end = NULL;

    if (!ap_cstr_casecmpn(word, "idle=", 5)) {
        return parse_idle(word + 5, &l->idle)
                   ? NULL
                   : apr_psprintf(cmd->pool, "%s %s: idle must be a time from 1s to 720h, as 30min",
                                  cmd->cmd->name, word);
    }
    if (!ap_cstr_casecmpn(word, "sessions=", 9)) {
        apr_int64_t n = apr_strtoi64(word + 9, &end, 10);

        l->sessions = (uint64_t)n;
        return *(word + 9) && !*end && n >= LBX_LEARN_MIN && n <= LBX_LEARN_MAX
                   ? NULL
                   : apr_psprintf(cmd->pool, "%s %s: sessions must be a number from %d to %d",
                                  cmd->cmd->name, word, LBX_LEARN_MIN, LBX_LEARN_MAX);
    }
    if (!ap_cstr_casecmpn(word, "store=", 6)) {
        const char *colon = ap_strchr_c(word + 6, ':');

        l->store =
            colon ? apr_pstrmemdup(cmd->pool, word + 6, (apr_size_t)(colon - word - 6)) : word + 6;
        l->store_args = colon ? colon + 1 : NULL;
        return ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, l->store, AP_SOCACHE_PROVIDER_VERSION)
                   ? NULL
                   : apr_psprintf(cmd->pool,
                                  "%s %s: store must be a loaded provider of the socache group, as "
                                  "shmcb (mod_socache_shmcb), redis or memcache",
                                  cmd->cmd->name, word);
    }
    return apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, word, allowed_from);
}

const char *sticky_learn_parse(cmd_parms *cmd, const char *args, struct sticky_learning **out)
{
    struct sticky_learning *l = apr_pcalloc(cmd->pool, sizeof(*l));
    const char *word = ap_getword_conf(cmd->pool, &args), *error;

    *out = NULL;
    if (!ap_cstr_casecmp(word, "off") && !*args) {
        return NULL;
    }
    l->idle = 1800;
    l->sessions = 10000;
    error = parse_source(cmd, l, word);
    while (!error && *args) {
        error = parse_option(cmd, l, ap_getword_conf(cmd->pool, &args));
    }
    *out = l;
    return error;
}

void sticky_learn_register_mutex(apr_pool_t *p)
{
    ap_mutex_register(p, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0);
}

/* ------------------------------------------------------------------ */
/* Memory                                                               */

static struct retained *all_kept(void)
{
    struct retained *all = ap_retained_data_get(RETAINED_KEY);

    return all ? all : ap_retained_data_create(RETAINED_KEY, sizeof(*all));
}

static int make_table(server_rec *s, uint64_t name, uint64_t sessions, struct kept *out)
{
    apr_size_t len = lbx_learn_size(sessions);
    char *base;

    *out = (struct kept){.name = name, .len = len};
    if (apr_shm_create(&out->shm, len + ALIGN, NULL, s->process->pool) != APR_SUCCESS) {
        return 0;
    }
    base = apr_shm_baseaddr_get(out->shm);
    base += (ALIGN - (uintptr_t)base % ALIGN) % ALIGN;
    memset(base, 0, len);
    out->table = (struct lbx_learn *)base;
    lbx_learn_format(out->table, sessions);
    return 1;
}

/* The one that was kept, or a new one: with what the kept one knows, if only its size is
 * another. */
static struct lbx_learn *table_named(server_rec *s, uint64_t name, uint64_t sessions)
{
    struct retained *all = all_kept();
    struct kept *k = all->kept, fresh;

    while (k < all->kept + all->n && k->name != name) {
        k++;
    }
    if (k == all->kept + TABLES_MAX) {
        return NULL;
    }
    if (k == all->kept + all->n || !lbx_learn_check(k->table, k->len, sessions)) {
        if (!make_table(s, name, sessions, &fresh)) {
            return NULL;
        }
        if (k == all->kept + all->n) {
            all->n++;
        } else {
            lbx_learn_copy(fresh.table, k->table);
            apr_shm_destroy(k->shm); /* children of before have it until they end */
        }
        *k = fresh;
    }
    k->claimed = 1;
    return k->table;
}

void sticky_learn_boot_begin(void)
{
    struct retained *all = all_kept();

    for (uint32_t i = 0; i < all->n; i++) {
        all->kept[i].claimed = 0;
    }
}

void sticky_learn_boot_end(void)
{
    struct retained *all = all_kept();
    uint32_t n = 0;

    for (uint32_t i = 0; i < all->n; i++) {
        if (all->kept[i].claimed) {
            all->kept[n++] = all->kept[i];
        } else {
            apr_shm_destroy(all->kept[i].shm);
        }
    }
    all->n = n;
}

static apr_status_t open_store(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s,
                               const struct sticky_learning *l, struct sticky_memory *m)
{
    /* shmcb takes its own index, 24 bytes an entry, out of the same room */
    static struct ap_socache_hints hints = {sizeof(struct store_key), STORED + 24,
                                            apr_time_from_sec(1800)};
    const char *error;
    apr_status_t rv = APR_SUCCESS;

    m->provider =
        ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, l->store, AP_SOCACHE_PROVIDER_VERSION);
    error = m->provider->create(&m->instance, l->store_args, ptemp, p);
    if (error) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, LBXNO(0316) "LBXStickyLearn store=%s: %s",
                     l->store, error);
        return APR_EGENERAL;
    }
    if (m->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        rv = ap_global_mutex_create(&m->mutex, NULL, MUTEX_TYPE, NULL, s, p, 0);
    }
    return rv == APR_SUCCESS ? m->provider->init(m->instance, "lbx-sticky", &hints, s, p) : rv;
}

apr_status_t sticky_learn_boot_open(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s,
                                    struct sticky_set *set, const char *scope)
{
    const struct sticky_learning *l = set->rules.learn;
    struct sticky_memory *m = apr_pcalloc(p, sizeof(*m));
    apr_status_t rv = APR_SUCCESS;

    m->balancer = sticky_key_public(set->balancer);
    if (l->store) {
        rv = open_store(p, ptemp, s, l, m);
    } else {
        m->table =
            table_named(s, sticky_key_public(apr_pstrcat(ptemp, scope, "\n", set->balancer, NULL)),
                        l->sessions);
        rv = m->table ? APR_SUCCESS : APR_ENOMEM;
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     LBXNO(0317) "%s: no memory for learned sessions (LBXStickyLearn %s)",
                     set->balancer, l->name);
    }
    set->memory = m;
    return rv;
}

void sticky_learn_child_init(apr_pool_t *p, server_rec *s)
{
    const apr_array_header_t *all = sticky_members_all();

    for (int i = 0; all && i < all->nelts; i++) {
        struct sticky_memory *m = APR_ARRAY_IDX(all, i, struct sticky_set *)->memory;

        if (m && m->mutex
            && apr_global_mutex_child_init(&m->mutex, apr_global_mutex_lockfile(m->mutex), p)
                   != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         LBXNO(0318) "the mutex of LBXStickyLearn's store cannot be used by this "
                                     "child");
            m->mutex = NULL;
        }
    }
}

/* ------------------------------------------------------------------ */
/* Remembering                                                          */

static uint32_t number_of(uint64_t id)
{
    uint32_t n = (uint32_t)(id ^ id >> 32);

    return n ? n : 1;
}

static void lock(const struct sticky_memory *m)
{
    if (m->mutex) {
        apr_global_mutex_lock(m->mutex);
    }
}

static void unlock(const struct sticky_memory *m)
{
    if (m->mutex) {
        apr_global_mutex_unlock(m->mutex);
    }
}

/* <at>: when it was written to a store. */
static uint32_t recall(request_rec *r, const struct sticky_set *set, uint64_t session, uint32_t *at)
{
    const struct sticky_memory *m = set->memory;
    struct store_key key = {session, m->balancer};
    unsigned char data[STORED];
    unsigned len = sizeof(data);
    uint32_t member = 0;

    if (m->table) {
        return lbx_learn_find(m->table, session, (uint32_t)apr_time_sec(r->request_time),
                              set->rules.learn->idle);
    }
    lock(m);
    if (m->provider->retrieve(m->instance, r->server, (unsigned char *)&key, sizeof(key), data,
                              &len, r->pool)
            == APR_SUCCESS
        && len == sizeof(data)) {
        memcpy(&member, data, sizeof(member));
        memcpy(at, data + sizeof(member), sizeof(*at));
    }
    unlock(m);
    return member;
}

static void remember(request_rec *r, const struct sticky_set *set, uint64_t session,
                     uint32_t member)
{
    const struct sticky_memory *m = set->memory;
    const struct sticky_learning *l = set->rules.learn;
    struct store_key key = {session, m->balancer};
    uint32_t data[2] = {member, (uint32_t)apr_time_sec(r->request_time)};

    if (m->table) {
        lbx_learn_put(m->table, session, member, (uint32_t)apr_time_sec(r->request_time), l->idle);
        return;
    }
    lock(m);
    m->provider->store(m->instance, r->server, (unsigned char *)&key, sizeof(key),
                       apr_time_now() + apr_time_from_sec(l->idle), (unsigned char *)data,
                       sizeof(data), r->pool);
    unlock(m);
}

static void forget(request_rec *r, const struct sticky_set *set, uint64_t session)
{
    const struct sticky_memory *m = set->memory;
    struct store_key key = {session, m->balancer};

    if (m->table) {
        lbx_learn_forget(m->table, session);
        return;
    }
    lock(m);
    m->provider->remove(m->instance, r->server, (unsigned char *)&key, sizeof(key), r->pool);
    unlock(m);
}

/* ------------------------------------------------------------------ */
/* Requests and answers                                                 */

static uint64_t hash_of(const struct sticky_set *set, const char *id, size_t len)
{
    const struct lbx_token_key *key = &set->key[0];

    return len ? key->hash(id, len, key->learn) : 0;
}

static uint64_t from_cookies(const struct sticky_set *set, const char *header, const char *name)
{
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    struct lbx_cookie cookie;

    while (lbx_cookie_next(&c, &cookie)) {
        if (lbx_cookie_is(&cookie, name) && cookie.value_len) {
            return hash_of(set, cookie.value, cookie.value_len);
        }
    }
    return 0;
}

static uint64_t from_path(request_rec *r, const struct lbx_hint_ask *ask,
                          const struct sticky_set *set, const char *name)
{
    struct lbx_param_cursor c;
    const char *value;
    size_t len;
    char *room;

    lbx_param_start(&c, ask->url, ask->semicolon);
    if (!lbx_param_next(&c, name, &value, &len)) {
        return 0;
    }
    room = apr_palloc(r->pool, len + 1);
    return hash_of(set, room, lbx_percent_decode(room, value, len));
}

/* The session in the request; 0: none. */
static uint64_t session_of(request_rec *r, const struct lbx_hint_ask *ask,
                           const struct sticky_set *set)
{
    const struct sticky_learning *l = set->rules.learn;
    const char *text = NULL, *error = NULL;

    switch (l->source) {
    case STICKY_FROM_COOKIE:
        text = apr_table_get(r->headers_in, "Cookie");
        return text ? from_cookies(set, text, l->name) : 0;
    case STICKY_FROM_HEADER:
        text = apr_table_get(r->headers_in, l->name);
        break;
    case STICKY_FROM_PATH:
        return ask->url ? from_path(r, ask, set, l->name) : 0;
    case STICKY_FROM_EXPR:
        text = ap_expr_str_exec(r, l->expr, &error);
        break;
    }
    return text && !error ? hash_of(set, text, strlen(text)) : 0;
}

void sticky_learn_req_find(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q)
{
    uint32_t member;

    q->session = session_of(r, ask, q->set);
    member = q->session ? recall(r, q->set, q->session, &q->known_at) : 0;
    if (member) {
        q->member = sticky_members_req_by_number(q->set, ask, member, number_of);
        q->ours = q->member != STICKY_NOBODY;
        q->result = q->ours ? STICKY_MATCH : STICKY_UNKNOWN;
    }
    q->known = member;
}

/* Sessions that the answer begins or ends. */
struct answer {
    request_rec *r;
    const struct sticky_session *q;
    uint64_t begun;
    int ended;
};

static int look(void *baton, const char *key, const char *value)
{
    struct answer *a = baton;
    struct lbx_setcookie c;

    (void)key;
    if (lbx_setcookie_read(&c, value) && lbx_span_is(&c.name, a->q->set->rules.learn->name)) {
        uint64_t session = hash_of(a->q->set, c.value.at, c.value.len);

        if (session && !sticky_req_taken_back(a->r, &c)) {
            a->begun = session;
        } else if (a->q->session) {
            forget(a->r, a->q->set, a->q->session);
            a->begun = 0;
            a->ended = 1;
        }
    }
    return 1;
}

static void learn(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d,
                  uint64_t session, uint32_t member)
{
    struct sticky_member_counts *counts = sticky_notes_member(d->member);

    remember(r, q->set, session, member);
    if (counts) {
        sticky_count(&counts->created);
    }
}

void sticky_learn_req_answer(request_rec *r, struct sticky_session *q, const struct lbx_decision *d)
{
    const struct sticky_learning *l = q->set->rules.learn;
    uint32_t member = number_of(sticky_members_public(d->route, d->name));
    int chosen_by_client = l->source == STICKY_FROM_PATH || l->source == STICKY_FROM_EXPR;
    struct answer a = {.r = r, .q = q};
    const char *header;

    if (l->source == STICKY_FROM_COOKIE) {
        apr_table_do(look, &a, r->headers_out, "Set-Cookie", NULL);
        apr_table_do(look, &a, r->err_headers_out, "Set-Cookie", NULL);
    } else if (l->source == STICKY_FROM_HEADER
               && (header = apr_table_get(r->headers_out, l->name))) {
        a.begun = hash_of(q->set, header, strlen(header));
    }
    /* What no member has set is learned only where no member can set it: a stranger's
     * made-up ids are not to throw out sessions.  One that moved is remembered beside a
     * new one, too: its client may have sent several requests. */
    if (q->session && !a.ended && q->known != member && (q->known || chosen_by_client)) {
        learn(r, q, d, q->session, member);
    }
    if (a.begun) {
        learn(r, q, d, a.begun, member);
    } else if (q->session && q->known == member && l->store
               && apr_time_sec(r->request_time) > q->known_at + l->idle / 8) {
        remember(r, q->set, q->session, member); /* its time begins anew */
    }
}
