/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that come and go.  See core_members.h.
 *
 * Bound.
 */
#include "core_members.h"

#include <stdlib.h>

#include "apr_strings.h"

#include "core_change.h"
#include "core_events.h"
#include "core_param.h"
#include "core_persist.h"
#include "core_store.h"
#include "core_told.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

/* A record of a member that was removed is used again so long after: no request
 * that chose the member before is then about to count itself there. */
enum { REST_S = 10 };

/* Of a child: where members made at run time live, and who may make one. */
static apr_pool_t *members_pool;
static apr_thread_mutex_t *members_mutex;

void core_members_child_init(apr_pool_t *p)
{
    apr_allocator_t *allocator;

    /* one of its own: pools of different threads share nothing with it */
    apr_allocator_create(&allocator);
    apr_pool_create_ex(&members_pool, p, NULL, allocator);
    apr_allocator_owner_set(allocator, members_pool);
    apr_pool_tag(members_pool, "lbx members");
    apr_thread_mutex_create(&members_mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

/* ------------------------------------------------------------------ */
/* What the text says                                                   */

/* A member as text, and what mod_proxy made of it. */
struct made {
    const char *url;
    const char *params; /* "key=value ..." */
    proxy_worker *worker;
    const apr_table_t *table; /* what mod_proxy does not know */
    int weight;
    enum lbx_rc rc;
};

/* mod_proxy's own directive is the only way to its parser of parameters. */
static const char *run_directive(cmd_parms *cmd, const char *args)
{
    const command_rec *c = ap_find_command("BalancerMember", proxy_module.cmds);
    const char *error;

    if (!c) {
        return "mod_proxy knows no BalancerMember";
    }
    cmd->cmd = c;
    error = c->AP_RAW_ARGS(cmd, NULL, args);
    if (error && !strncmp(error, "BalancerMember ", 15)) {
        error += 15;
    }
    return error;
}

static int has_control(const char *t)
{
    for (; *t; t++) {
        if ((unsigned char)*t < ' ' || *t == 0x7f) {
            return 1;
        }
    }
    return 0;
}

/* 1 to 65535, or none. */
static int has_port(apr_pool_t *p, const char *url)
{
    const char *bar = ap_strchr_c(url, '|');
    apr_uri_t uri;
    apr_int64_t port;

    if (apr_uri_parse(p, bar ? bar + 1 : url, &uri) != APR_SUCCESS) {
        return 0;
    }
    port = uri.port_str ? apr_atoi64(uri.port_str) : 1;
    return port >= 1 && port <= 65535;
}

static const char *check_text(apr_pool_t *p, struct made *made)
{
    const char *host = strstr(made->url, "://");

    made->rc = LBX_EVALUE;
    if (has_control(made->url) || strpbrk(made->url, " \"'\\=<>") || !host || host == made->url
        || !host[3] || !has_port(p, made->url) || !ap_cstr_casecmpn(made->url, "balancer:", 9)) {
        return apr_psprintf(p,
                            "%s: must be scheme://host[:port][/path], or "
                            "unix:/path|scheme://name for a socket",
                            core_change_shown(p, made->url));
    }
    if (strlen(made->url) >= LBX_MEMBER_MAX) {
        return apr_psprintf(p, "the URL is longer than %d bytes", LBX_MEMBER_MAX - 1);
    }
    if (has_control(made->params)) {
        return "parameters: must be printable";
    }
    if (strlen(made->params) >= LBX_PARAMS_MAX) {
        return apr_psprintf(p, "parameters: longer than %d bytes together", LBX_PARAMS_MAX - 1);
    }
    return NULL;
}

/* Words that are no parameters, and the factor to its last digit. */
static const char *check_words(apr_pool_t *p, struct made *made)
{
    const struct lbx_field *factor =
        lbx_field_find(lbx_member_fields, lbx_member_fields_n, "loadfactor");
    const char *rest = made->params;
    struct lbx_member_vals v;

    while (*rest) {
        char *word = ap_getword_conf(p, &rest);
        char *value = strchr(word, '=');

        if (!value || value == word) {
            return apr_psprintf(p, "%s: a parameter is key=value", core_change_shown(p, word));
        }
        *value++ = '\0';
        if (!ap_cstr_casecmp(word, "loadfactor")) {
            if (lbx_field_set(factor, &v, value)) {
                return apr_psprintf(p, "loadfactor=%s: must be %s", core_change_shown(p, value),
                                    factor->allowed);
            }
            made->weight = (int)v.weight;
        }
        if ((!ap_cstr_casecmp(word, "route") || !ap_cstr_casecmp(word, "redirect"))
            && lbx_field_set(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "route"), &v,
                             value)) {
            return apr_psprintf(p, "%s=%s: must be up to 63 printable characters", word,
                                core_change_shown(p, value));
        }
    }
    return NULL;
}

/* Make a worker of the text, in <p>.  NULL, or what is wrong; made->rc says of which kind. */
static const char *make_worker(apr_pool_t *p, const struct core_set *set, struct made *made)
{
    server_rec *scratch = core_conf_scratch(p, set->server);
    proxy_server_conf *conf = ap_get_module_config(scratch->module_config, &proxy_module);
    ap_directive_t directive = {.directive = "member"};
    cmd_parms cmd = {.server = scratch, .directive = &directive, .pool = p};
    const char *error = check_text(p, made);
    const char *args;
    proxy_balancer *b;

    if (!error) {
        error = check_words(p, made);
    }
    if (error) {
        return error;
    }
    args = apr_pstrcat(p, set->name, " ", made->url, " ", made->params, NULL);
    apr_pool_create(&cmd.temp_pool, p);
    error = core_param_check_words(&cmd, args);
    if (!error) {
        error = run_directive(&cmd, args);
    }
    error = error ? apr_pstrdup(p, error) : NULL;
    apr_pool_destroy(cmd.temp_pool);
    if (error) {
        made->rc = strstr(error, "unknown Worker parameter") ? LBX_EFIELD : LBX_EVALUE;
        return error;
    }
    b = &APR_ARRAY_IDX(conf->balancers, 0, proxy_balancer);
    made->worker = APR_ARRAY_IDX(b->workers, 0, proxy_worker *);
    made->worker->balancer = set->balancer;
    if (!made->worker->section_config) {
        made->worker->section_config = set->balancer->section_config;
    }
    made->table = core_told_params(p, scratch, set->name, ap_proxy_worker_name(p, made->worker));
    made->rc = LBX_OK;
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Its place in this process                                            */

/* Fill and publish the next place. */
static void take_place(apr_pool_t *p, struct core_set *set, const struct made *made,
                       struct lbx_ref ref)
{
    struct core_member *m = core_conf_place(p, set, made->worker, made->table, made->weight);

    m->ref = ref;
    m->rec = lbx_store_member(core_store(), ref);
    made->worker->s->status |= PROXY_WORKER_INITIALIZED;
    /* for those who look through mod_proxy's structures: the entry before the count */
    APR_ARRAY_IDX(set->balancer->workers, set->balancer->workers->nelts, proxy_worker *) = m->pub;
    __atomic_store_n(&set->balancer->workers->nelts, set->balancer->workers->nelts + 1,
                     __ATOMIC_RELEASE);
    set->n++;
}

/* Retired members leave mod_proxy's list.  Its entries always point to workers:
 * whoever walks along it meanwhile may see one twice, and none that is not. */
static void tidy_workers(struct core_set *set)
{
    apr_array_header_t *workers = set->balancer->workers;
    int kept = 0;

    for (int i = 0; i < workers->nelts; i++) {
        proxy_worker *w = APR_ARRAY_IDX(workers, i, proxy_worker *);
        int gone = 0;

        for (uint32_t k = 0; k < set->n; k++) {
            if (set->member[k].pub == w) {
                const struct lbx_seg_member *rec =
                    lbx_store_member(core_store(), set->member[k].ref);

                gone = !rec || rec->life != LBX_LIVE;
                break;
            }
        }
        if (!gone) {
            APR_ARRAY_IDX(workers, kept++, proxy_worker *) = w;
        }
    }
    __atomic_store_n(&workers->nelts, kept, __ATOMIC_RELEASE);
}

/* Records that this process has no member of, in the order of their coming. */
struct search {
    const struct core_set *set;
    struct found {
        struct lbx_ref ref;
        uint32_t added;
    } * found;
    unsigned n, max;
};

static int find_new(void *baton, struct lbx_ref ref, struct lbx_seg_member *rec)
{
    struct search *s = baton;

    if (rec->life == LBX_LIVE && rec->added > s->set->adds && rec->set.slot == s->set->ref.slot
        && rec->set.revision == s->set->ref.revision && s->n < s->max) {
        s->found[s->n++] = (struct found){ref, rec->added};
    }
    return 0;
}

static int by_coming(const void *a, const void *b)
{
    uint32_t x = ((const struct found *)a)->added, y = ((const struct found *)b)->added;

    return x < y ? -1 : x > y;
}

/* The member of a record, in <p>.  NULL, or why not. */
static const char *keep(apr_pool_t *p, struct core_set *set, struct lbx_ref ref)
{
    const struct lbx_seg_member *rec = lbx_store_member(core_store(), ref);
    struct made made = {.url = NULL};
    const char *error;

    if (!rec) {
        return "it is gone again";
    }
    if (set->n >= set->room) {
        return "this process has no place left";
    }
    made.url = apr_pstrdup(p, rec->name);
    made.params = apr_pstrdup(p, rec->params);
    error = make_worker(p, set, &made);
    if (!error) {
        take_place(p, set, &made, ref);
    }
    return error;
}

const char *core_members_boot_keep(apr_pool_t *p, struct core_set *set, struct lbx_ref ref)
{
    return keep(p, set, ref);
}

void core_members_req_sync_locked(struct core_set *set)
{
    uint32_t now = atomic_load(&set->rec->structure);
    struct search s = {.set = set, .max = set->room};

    if (now == set->structure || !lbx_store_set(core_store(), set->ref)) {
        return;
    }
    tidy_workers(set);
    s.found = malloc(s.max * sizeof(*s.found));
    if (!s.found) {
        return;
    }
    lbx_store_each_member(core_store(), find_new, &s);
    qsort(s.found, s.n, sizeof(*s.found), by_coming);
    for (unsigned i = 0; i < s.n; i++) {
        const char *error;

        apr_thread_mutex_lock(members_mutex);
        error = keep(members_pool, set, s.found[i].ref);
        apr_thread_mutex_unlock(members_mutex);
        set->adds = s.found[i].added;
        if (error) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, set->server,
                         LBXNO(0172) "%s: this process cannot use a member that was added: %s",
                         set->name, error);
        }
    }
    free(s.found);
    set->structure = now;
}

void core_members_req_sync(struct core_set *set)
{
    if (members_mutex
        && atomic_load_explicit(&set->rec->structure, memory_order_acquire)
               != __atomic_load_n(&set->structure, __ATOMIC_RELAXED)) {
        apr_thread_mutex_lock(set->compiling);
        core_members_req_sync_locked(set);
        apr_thread_mutex_unlock(set->compiling);
    }
}

/* ------------------------------------------------------------------ */
/* Coming                                                               */

/* What is asked for. */
struct ask {
    apr_pool_t *p;
    server_rec *s;
    struct core_set *set;
    const char *who;
    int dry_run;
    const char **error;
};

static void fill_record(struct lbx_seg_member *rec, const struct core_member *m,
                        const struct made *made, uint32_t added)
{
    apr_cpystrn(rec->params, made->params, sizeof(rec->params));
    rec->conf = m->conf;
    lbx_member_vals_write(rec, &m->conf);
    core_store_note_drain(rec, m->conf.admin);
    rec->health = m->health;
    rec->error_at_us = m->in_error ? 1 : 0;
    rec->added = added;
}

/* Is there a place for one more?  NULL, or what to do about it. */
static const char *check_room(apr_pool_t *p, const struct core_set *set)
{
    uint32_t sets;

    if (set->n >= set->room || set->rec->adds - set->adds_boot >= set->spare) {
        return apr_psprintf(p,
                            "%s: %u members were added since the last reload, there is no place "
                            "for more until the next (apachectl graceful)",
                            set->name, set->rec->adds - set->adds_boot);
    }
    if (!lbx_store_room(core_store(), &sets)) {
        lbx_store_sweep_old_locked(core_store(), (uint32_t)apr_time_sec(apr_time_now()) - REST_S);
    }
    if (!lbx_store_room(core_store(), &sets)) {
        return apr_psprintf(p,
                            "%s: the shared memory has no place for another member; a reload "
                            "(apachectl graceful) makes room",
                            set->name);
    }
    return NULL;
}

/* Make the record, complete before anybody sees it. */
static enum lbx_rc add_record(struct core_set *set, const char *name, const struct made *made,
                              struct lbx_ref *ref)
{
    struct core_member shape = {.set = set, .params = made->table};
    enum lbx_rc rc = lbx_store_make_member_locked(core_store(), set->ref, name, ref);
    struct lbx_seg_member *rec;

    if (rc) {
        return rc;
    }
    core_conf_read_member(&shape, made->weight, made->worker->s);
    rec = lbx_seg_member_at(lbx_store_segment(core_store(), ref->slot), LBX_SLOT_INDEX(ref->slot));
    core_change_move(set->rec);
    fill_record(rec, &shape, made, atomic_fetch_add(&set->rec->adds, 1) + 1);
    rec->life = LBX_LIVE;
    atomic_fetch_add(&set->rec->structure, 1);
    atomic_fetch_add(&set->rec->epoch, 1);
    core_change_move(set->rec);
    return LBX_OK;
}

/* This process is older than the configuration. */
static enum lbx_rc check_age(const struct ask *a)
{
    const struct lbx_seg_set *rec = lbx_store_set(core_store(), a->set->ref);

    if (!rec || rec->life != LBX_LIVE) {
        *a->error = apr_psprintf(a->p, "%s: no longer configured", a->set->name);
        return LBX_ESTALE;
    }
    return LBX_OK;
}

static int is_live(const struct core_set *set, const char *name, struct lbx_ref *ref)
{
    return !lbx_store_find_member_locked(core_store(), set->ref, name, ref)
           && lbx_store_member(core_store(), *ref)->life == LBX_LIVE;
}

static enum lbx_rc add_locked(const struct ask *a, const char *name, const struct made *made)
{
    struct lbx_ref ref;
    enum lbx_rc rc = check_age(a);

    if (rc) {
        return rc;
    }
    if (is_live(a->set, name, &ref)) {
        *a->error = apr_psprintf(a->p, "%s: is a member of %s already", name, a->set->name);
        return LBX_ECONFLICT;
    }
    *a->error = check_room(a->p, a->set);
    if (*a->error || a->dry_run) {
        return *a->error ? LBX_EFULL : LBX_OK;
    }
    rc = add_record(a->set, name, made, &ref);
    if (!rc) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, a->s, LBXNO(0173) "%s member %s: added by %s, %s",
                     a->set->name, name, a->who ? a->who : "a module",
                     *made->params ? made->params : "without parameters");
        core_events_note("added", a->who, a->set->name, name, "%s", made->params);
        core_persist_save(a->s, a->p);
    }
    return rc;
}

static enum lbx_rc find_set(struct ask *a, const char *balancer)
{
    a->set = core_conf_find_set(a->s, balancer);
    if (!a->set) {
        *a->error = apr_psprintf(a->p, "%s: no such balancer on this server",
                                 core_change_shown(a->p, balancer));
        return LBX_ENOTFOUND;
    }
    core_members_req_sync(a->set);
    return LBX_OK;
}

static enum lbx_rc lbx_member_add(apr_pool_t *p, server_rec *s, const char *balancer,
                                  const char *url, const char *params, const char *who, int dry_run,
                                  const char **error)
{
    struct ask a = {p, s, NULL, who, dry_run, error};
    struct made made = {.url = url, .params = params ? params : ""};
    enum lbx_rc rc = find_set(&a, balancer);
    const char *wrong = rc ? NULL : make_worker(p, a.set, &made);

    if (wrong) {
        *error = wrong;
        rc = made.rc;
    }
    if (rc) {
        return rc;
    }
    rc = core_store_lock(s, error);
    if (rc) {
        return rc;
    }
    rc = add_locked(&a, ap_proxy_worker_name(p, made.worker), &made);
    lbx_store_unlock(core_store());
    core_members_req_sync(a.set);
    return rc;
}

const char *core_members_boot_add_locked(apr_pool_t *p, struct core_set *set, const char *url,
                                         const char *params)
{
    struct made made = {.url = url, .params = params};
    const char *error = make_worker(p, set, &made);
    struct lbx_ref ref;

    if (!error && is_live(set, ap_proxy_worker_name(p, made.worker), &ref)) {
        error = "the configuration file has it now";
    }
    error = error ? error : check_room(p, set);
    if (!error && add_record(set, ap_proxy_worker_name(p, made.worker), &made, &ref)) {
        error = "there is no record for it";
    }
    if (!error) {
        take_place(p, set, &made, ref);
    }
    return error;
}

void core_members_boot_settle(const struct core_gen *gen)
{
    for (int i = 0; i < gen->sets->nelts; i++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);

        set->adds = set->adds_boot = set->rec->adds;
        set->structure = set->rec->structure;
        set->spare = set->room - set->n;
    }
}

/* ------------------------------------------------------------------ */
/* Going                                                                */

static enum lbx_rc remove_locked(const struct ask *a, const char *member)
{
    enum lbx_rc rc = check_age(a);
    struct lbx_member_notes notes;
    struct lbx_seg_member *rec;
    struct lbx_ref ref;

    if (rc) {
        return rc;
    }
    if (!is_live(a->set, member, &ref)) {
        *a->error = apr_psprintf(a->p, "%s: %s has no such member", core_change_shown(a->p, member),
                                 a->set->name);
        return LBX_ENOTFOUND;
    }
    if (a->dry_run) {
        return LBX_OK;
    }
    rec = lbx_store_member(core_store(), ref);
    core_change_move(a->set->rec);
    lbx_member_notes_read(rec, &notes);
    core_store_note_decision(&notes, a->who ? a->who : "a module");
    lbx_member_notes_write(rec, &notes);
    rec->retired_s = (uint32_t)apr_time_sec(apr_time_now());
    rec->life = LBX_RETIRED;
    atomic_fetch_add(&a->set->rec->structure, 1);
    atomic_fetch_add(&a->set->rec->epoch, 1);
    core_change_move(a->set->rec);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, a->s, LBXNO(0174) "%s member %s: removed by %s%s",
                 a->set->name, member, a->who ? a->who : "a module",
                 rec->added ? ""
                            : "; the configuration file has it, it comes back at the next "
                              "reload");
    core_events_note("removed", a->who, a->set->name, member, "%s",
                     rec->added ? "it had been added at run time"
                                : "comes back at the next reload: it is in the configuration file");
    core_persist_save(a->s, a->p);
    return LBX_OK;
}

static enum lbx_rc lbx_member_remove(apr_pool_t *p, server_rec *s, const char *balancer,
                                     const char *member, const char *who, int dry_run,
                                     const char **error)
{
    struct ask a = {p, s, NULL, who, dry_run, error};
    enum lbx_rc rc = find_set(&a, balancer);

    if (rc) {
        return rc;
    }
    rc = core_store_lock(s, error);
    if (rc) {
        return rc;
    }
    rc = remove_locked(&a, member);
    lbx_store_unlock(core_store());
    core_members_req_sync(a.set);
    return rc;
}

void core_members_register(void)
{
    APR_REGISTER_OPTIONAL_FN(lbx_member_add);
    APR_REGISTER_OPTIONAL_FN(lbx_member_remove);
}
