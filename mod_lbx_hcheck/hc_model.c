/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balancers, members and targets of the checking thread.  See hc_model.h.
 *
 * Bound.
 */
#include "hc_model.h"

#include <stdlib.h>

#include "hc_conf.h"
#include "hc_plan.h"

APLOG_USE_MODULE(lbx_hcheck);

static APR_OPTIONAL_FN_TYPE(lbx_snapshot) * snapshot;
static APR_OPTIONAL_FN_TYPE(lbx_revision) * revision;

void hc_model_boot_bind(void)
{
    snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    revision = APR_RETRIEVE_OPTIONAL_FN(lbx_revision);
}

struct hc_model *hc_model_tick_make(apr_pool_t *p)
{
    struct hc_model *m = apr_pcalloc(p, sizeof(*m));

    m->targets = apr_hash_make(p);
    return m;
}

/* ------------------------------------------------------------------ */
/* Targets                                                              */

static uint32_t free_id(struct hc_model *m)
{
    uint32_t i = 0;

    if (m->id_n < m->id_cap) {
        while (m->by_id[i]) {
            i++;
        }
        return i;
    }
    m->id_cap = m->id_cap ? 2 * m->id_cap : 64;
    m->by_id = realloc(m->by_id, m->id_cap * sizeof(*m->by_id));
    if (!m->by_id) {
        abort();
    }
    for (i = m->id_n; i < m->id_cap; i++) {
        m->by_id[i] = NULL;
    }
    return m->id_n;
}

static struct hc_target *target_of(struct hc_model *m, const struct hc_plan *plan)
{
    struct hc_target *t = apr_hash_get(m->targets, plan->key, APR_HASH_KEY_STRING);

    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t || !(t->key = strdup(plan->key))) {
            abort();
        }
        t->id = free_id(m);
        t->born = m->reading;
        m->by_id[t->id] = t;
        m->id_n++;
        apr_hash_set(m->targets, t->key, APR_HASH_KEY_STRING, t);
    }
    if (t->seen != m->reading) {
        t->seen = m->reading;
        t->members = NULL;
        t->plan = plan;
    }
    return t;
}

/* The member is one of those whom <t> is about. */
static void join(struct hc_target *t, struct hc_member *member)
{
    member->next[t->ask] = t->members;
    t->members = member;
}

struct hc_target *hc_model_tick_asker(struct hc_model *m, struct hc_member *member)
{
    if (!member->asker) {
        member->asker = target_of(m, member->plan->ask);
        member->asker->ask = member->asker->fresh = 1;
        join(member->asker, member);
    }
    return member->asker;
}

/* A question that is under way goes on; others are put when there is a need. */
static void keep_asker(struct hc_model *m, struct hc_member *member)
{
    const struct hc_plan *ask = member->plan->ask;
    const struct hc_target *t =
        ask ? apr_hash_get(m->targets, ask->key, APR_HASH_KEY_STRING) : NULL;

    if (t && t->running) {
        hc_model_tick_asker(m, member);
    }
}

static void drop_unseen(struct hc_model *m, void (*gone)(void *baton, struct hc_target *t),
                        void *baton)
{
    for (uint32_t i = 0; i < m->id_cap; i++) {
        struct hc_target *t = m->by_id[i];

        if (t && t->seen != m->reading) {
            gone(baton, t);
            apr_hash_set(m->targets, t->key, APR_HASH_KEY_STRING, NULL);
            m->by_id[i] = NULL;
            m->id_n--;
            free(t->key);
            free(t);
        }
    }
}

/* ------------------------------------------------------------------ */
/* Reading                                                              */

static void read_member(struct hc_model *m, struct hc_set *set, struct hc_member *to,
                        const struct lbx_member_info *info)
{
    apr_pool_t *p = m->pool;
    const char *error = hc_conf_spec(p, set->server, info->params, &to->spec);

    if (!error) {
        error = hc_plan_error(p, info->scheme, &to->spec);
    }
    if (error) { /* configtest has refused it; a member added at run time is left */
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, set->server,
                     LBXNO(0449) "%s member %s is not checked: %s", set->name, info->name, error);
        lbx_hc_spec_defaults(&to->spec);
    }
    to->set = set;
    to->who.server = set->server;
    to->who.set = set->ref;
    to->who.member = info->view.ref;
    to->who.balancer = set->name;
    to->who.name = apr_pstrdup(p, info->name);
    to->who.space = hc_state_space(info->view.ref);
    to->scheme = apr_pstrdup(p, info->scheme);
    to->params = apr_table_copy(p, info->params);
    to->retry_us = info->view.retry_us;
    to->admin = info->view.run.admin;
    to->added = info->added;
    to->active = to->spec.method != LBX_HC_NONE && !(to->admin & LBX_ADMIN_STOPPED);
    to->plan = hc_plan_make(p, set->server, set->name, info, &to->spec);
    if (!to->who.space) {
        to->active = 0;
        return;
    }
    to->target = target_of(m, to->plan);
    join(to->target, to);
    keep_asker(m, to);
}

static void read_set(struct hc_model *m, struct hc_set *to, const struct lbx_set_info *info)
{
    to->ref = info->ref;
    to->name = apr_pstrdup(m->pool, info->name);
    to->server = info->server;
    to->space = hc_state_set_space(info->ref);
    to->n = info->n;
    to->member = apr_pcalloc(m->pool, (info->n ? info->n : 1) * sizeof(*to->member));
    for (uint32_t i = 0; i < info->n; i++) {
        read_member(m, to, &to->member[i], &info->member[i]);
    }
    m->members += info->n;
}

/* As of before the members are read: a change in between is seen next time.  A
 * generation's balancers stay the same, only their members change.  <all>: the
 * balancers, or NULL: those of the last reading. */
static const uint64_t *revisions_of(const apr_array_header_t *all, const struct hc_model *m,
                                    apr_pool_t *p)
{
    uint32_t n = all ? (uint32_t)all->nelts : m->n;
    uint64_t *found = apr_pcalloc(p, (n + 1) * sizeof(*found));

    for (uint32_t i = 0; revision && i < n; i++) {
        found[i] = all ? revision(APR_ARRAY_IDX(all, i, struct lbx_set_info).server,
                                  APR_ARRAY_IDX(all, i, struct lbx_set_info).name)
                       : revision(m->set[i].server, m->set[i].name);
    }
    return found;
}

void hc_model_tick_read(struct hc_model *m, void (*gone)(void *baton, struct hc_target *t),
                        void *baton)
{
    apr_pool_t *old = m->pool, *scratch;
    const apr_array_header_t *all;
    const uint64_t *before;

    apr_pool_create(&m->pool, NULL);
    apr_pool_tag(m->pool, "lbx_hcheck_model");
    apr_pool_create(&scratch, m->pool);
    m->reading++;
    m->members = 0;
    before = revisions_of(m->n ? NULL : snapshot(scratch, NULL), m, scratch);
    all = snapshot(scratch, NULL);
    m->n = (uint32_t)all->nelts;
    m->set = apr_pcalloc(m->pool, (m->n ? m->n : 1) * sizeof(*m->set));
    for (uint32_t i = 0; i < m->n; i++) {
        const struct lbx_set_info *info = &APR_ARRAY_IDX(all, i, struct lbx_set_info);

        m->set[i].revision = before[i];
        read_set(m, &m->set[i], info);
    }
    apr_pool_destroy(scratch);
    drop_unseen(m, gone, baton);
    if (old) {
        apr_pool_destroy(old);
    }
}

void hc_model_tick_free(struct hc_model *m)
{
    for (uint32_t i = 0; i < m->id_cap; i++) {
        if (m->by_id[i]) {
            free(m->by_id[i]->key);
            free(m->by_id[i]);
        }
    }
    free(m->by_id);
    if (m->pool) {
        apr_pool_destroy(m->pool);
    }
}

int hc_model_tick_stale(const struct hc_model *m)
{
    for (uint32_t i = 0; revision && i < m->n; i++) {
        if (revision(m->set[i].server, m->set[i].name) != m->set[i].revision) {
            return 1;
        }
    }
    return 0;
}
