/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes at run time.  See core_change.h.
 *
 * A request is worked out as drafts, one for each record it touches, and put in
 * force when all of it has been found good.
 *
 * Bound.
 */
#include "core_change.h"

#include "ap_provider.h"
#include "apr_strings.h"

#include "core_events.h"
#include "core_members.h"
#include "core_persist.h"
#include "core_store.h"
#include "core_words.h"
#include "lbx_eligible.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

enum { SHOWN_MAX = 100 };

/* What is asked for. */
struct ask {
    apr_pool_t *p;
    server_rec *s;
    uint64_t revision; /* 0: any */
    const struct lbx_change *change;
    unsigned n;
    int dry_run;
    const char **error;
    struct worded *worded; /* an entry for each change */
};

/* A change of a sibling's parameter: what was in force, and what will be.  NULL: the
 * change is of a field of ours. */
struct worded {
    const char *was;
    const char *is;
};

/* What the changes of one record come to, before they are put in force. */
struct draft {
    struct core_set *set;
    struct core_member *m; /* NULL: the balancer's own values */
    union {
        struct lbx_set_vals set;
        struct lbx_member_vals member;
    } vals;
    struct lbx_member_notes notes; /* of a member */
};

const char *core_change_shown(apr_pool_t *p, const char *text)
{
    size_t len = strlen(text);

    text = ap_escape_logitem(p, apr_pstrndup(p, text, len < SHOWN_MAX ? len : SHOWN_MAX));
    return len < SHOWN_MAX ? text : apr_pstrcat(p, text, "...", NULL);
}

void core_change_move(struct lbx_seg_set *set)
{
    atomic_fetch_add(&set->config, 1);
}

/* ------------------------------------------------------------------ */
/* Drafts                                                               */

static struct draft *draft_of(apr_array_header_t *drafts, struct core_set *set,
                              struct core_member *m)
{
    struct draft *d;

    for (int i = 0; i < drafts->nelts; i++) {
        d = &APR_ARRAY_IDX(drafts, i, struct draft);
        if (d->set == set && d->m == m) {
            return d;
        }
    }
    d = apr_array_push(drafts);
    d->set = set;
    d->m = m;
    if (m) {
        lbx_member_vals_read(m->rec, &d->vals.member);
        lbx_member_notes_read(m->rec, &d->notes);
    } else {
        lbx_set_vals_read(set->rec, &d->vals.set);
    }
    return d;
}

static const struct lbx_field *field_of(const struct draft *d, const char *name)
{
    return d->m ? lbx_field_find(lbx_member_fields, lbx_member_fields_n, name)
                : lbx_field_find(lbx_set_fields, lbx_set_fields_n, name);
}

/* "http://a: " before the field, where the request is about several records. */
static const char *whose(const struct ask *a, const struct lbx_change *c)
{
    if (a->n < 2) {
        return "";
    }
    return apr_pstrcat(a->p, c->member ? core_change_shown(a->p, c->member) : c->balancer, ": ",
                       NULL);
}

/* A parameter of a sibling's. */
static enum lbx_rc set_word(const struct ask *a, struct draft *d, unsigned i)
{
    const struct lbx_change *c = &a->change[i];
    const char *value = c->value, *was, *error;
    enum lbx_rc rc = core_words_set(a->p, d->m, &d->notes, c->field, &value, &was, &error);

    if (rc == LBX_EVALUE) {
        *a->error = apr_psprintf(a->p, "%s%s", whose(a, c), error);
    }
    a->worded[i] = (struct worded){was, value};
    return rc;
}

static enum lbx_rc set_field(const struct ask *a, struct draft *d, unsigned i)
{
    const struct lbx_change *c = &a->change[i];
    const struct lbx_field *f = field_of(d, c->field);
    enum lbx_rc rc = f || !d->m ? LBX_EFIELD : set_word(a, d, i);

    if (!f) {
        if (rc != LBX_EFIELD) {
            return rc;
        }
        *a->error = apr_psprintf(a->p, "%s%s: a %s has no field that can be changed at run time",
                                 whose(a, c), core_change_shown(a->p, c->field),
                                 d->m ? "member" : "balancer");
        return LBX_EFIELD;
    }
    if (lbx_field_set(f, &d->vals, c->value)
        || (!strcmp(f->name, "lbmethod") && !ap_lookup_provider(PROXY_LBMETHOD, c->value, "0"))) {
        *a->error = apr_psprintf(a->p, "%s%s=%s: must be %s", whose(a, c), c->field,
                                 core_change_shown(a->p, c->value), f->allowed);
        return LBX_EVALUE;
    }
    return LBX_OK;
}

/* Two words on the same field: which one is meant? */
static int contradicts(const struct lbx_change *a, const struct lbx_change *b)
{
    return !strcmp(a->field, b->field) && !strcmp(a->balancer, b->balancer)
           && !a->member == !b->member && (!a->member || !strcmp(a->member, b->member))
           && strcmp(a->value, b->value) != 0;
}

static enum lbx_rc check_alone(const struct ask *a, unsigned i)
{
    const struct lbx_change *c = &a->change[i];

    for (unsigned k = 0; k < i; k++) {
        if (contradicts(&a->change[k], c)) {
            *a->error = apr_psprintf(a->p, "%s%s: is to be %s and %s in one request", whose(a, c),
                                     core_change_shown(a->p, c->field),
                                     core_change_shown(a->p, a->change[k].value),
                                     core_change_shown(a->p, c->value));
            return LBX_EVALUE;
        }
    }
    return LBX_OK;
}

static int is_live(const struct core_set *set, const struct core_member *m)
{
    const struct lbx_seg_set *s = lbx_store_set(core_store(), set->ref);
    const struct lbx_seg_member *r = m ? lbx_store_member(core_store(), m->ref) : NULL;

    return s && s->life == LBX_LIVE && (!m || (r && r->life == LBX_LIVE));
}

static enum lbx_rc draft_change(const struct ask *a, apr_array_header_t *drafts, unsigned i)
{
    const struct lbx_change *c = &a->change[i];
    struct core_set *set = core_conf_find_set(a->s, c->balancer);
    struct core_member *m = NULL;
    enum lbx_rc rc = check_alone(a, i);

    if (rc) {
        return rc;
    }
    if (!set) {
        *a->error = apr_psprintf(a->p, "%s: no such balancer on this server",
                                 core_change_shown(a->p, c->balancer));
        return LBX_ENOTFOUND;
    }
    if (c->member && !(m = core_conf_find_member(set, c->member))) {
        *a->error = apr_psprintf(a->p, "%s: %s has no such member",
                                 core_change_shown(a->p, c->member), c->balancer);
        return LBX_ENOTFOUND;
    }
    /* this process may be older than the configuration, or somebody was faster */
    if (!is_live(set, m)) {
        *a->error = apr_psprintf(a->p, "%s: no longer configured", m ? c->member : c->balancer);
        return LBX_ESTALE;
    }
    return set_field(a, draft_of(drafts, set, m), i);
}

/* ------------------------------------------------------------------ */
/* In force                                                             */

static void log_change(const struct ask *a, const struct lbx_change *c, const char *was,
                       const char *is)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, a->s, LBXNO(0170) "%s%s%s: %s=%s (was %s), set by %s",
                 c->balancer, c->member ? " member " : "", c->member ? c->member : "", c->field, is,
                 was, c->who ? c->who : "a module");
    core_events_note("change", c->who, c->balancer, c->member, "%s: %s -> %s", c->field, was, is);
}

static int is_about(const struct lbx_change *c, const struct draft *d)
{
    return !strcmp(c->balancer, d->set->name) && !c->member == !d->m
           && (!d->m || !strcmp(c->member, d->m->name));
}

static void log_changes(const struct ask *a, const struct draft *d, const struct draft *before)
{
    for (unsigned i = 0; i < a->n; i++) {
        const struct lbx_change *c = &a->change[i];
        const struct lbx_field *f = field_of(d, c->field);
        char was[LBX_FIELD_TEXT_MAX];

        if (!is_about(c, d)) {
            continue;
        }
        if (!f && strcmp(a->worded[i].was, a->worded[i].is) != 0) {
            log_change(a, c, a->worded[i].was, a->worded[i].is);
        } else if (f && !lbx_field_same(f, &before->vals, &d->vals)) {
            log_change(a, c, lbx_field_print(f, &before->vals, was), c->value);
        }
    }
}

/* Who took a member out of service is kept with it: events are forgotten.  Another bit
 * beside the one that does it is no decision about that. */
static void decide(const struct ask *a, struct draft *d, const struct draft *before)
{
    const char *who = a->change[0].who;
    uint32_t out = lbx_admin_out(d->vals.member.admin);

    if (out != lbx_admin_out(before->vals.member.admin)) {
        core_store_note_decision(&d->notes, !out ? NULL : who ? who : "a module");
    }
}

/* Put a draft in force, and log what is different by it. */
static void commit(const struct ask *a, struct draft *d)
{
    struct draft before = *d;

    if (d->m) {
        lbx_member_vals_read(d->m->rec, &before.vals.member);
        decide(a, d, &before);
        lbx_member_vals_write(d->m->rec, &d->vals.member);
        lbx_member_notes_write(d->m->rec, &d->notes);
        core_store_note_drain(d->m->rec, d->vals.member.admin);
    } else {
        lbx_set_vals_read(d->set->rec, &before.vals.set);
        lbx_set_vals_write(d->set->rec, &d->vals.set);
    }
    atomic_fetch_add(&d->set->rec->epoch, 1);
    log_changes(a, d, &before);
}

/* Has the one balancer that the changes are of the revision they are based on? */
static enum lbx_rc check_revision(const struct ask *a, const apr_array_header_t *drafts)
{
    const struct core_set *set;

    if (!a->revision || !drafts->nelts) {
        return LBX_OK;
    }
    set = APR_ARRAY_IDX(drafts, 0, struct draft).set;
    for (int i = 1; i < drafts->nelts; i++) {
        if (APR_ARRAY_IDX(drafts, i, struct draft).set != set) {
            *a->error = "changes that are based on a revision must be of one balancer";
            return LBX_EVALUE;
        }
    }
    if (atomic_load(&set->rec->config) != a->revision) {
        *a->error = apr_psprintf(a->p, "%s: changed by somebody else meanwhile", set->name);
        return LBX_ECONFLICT;
    }
    return LBX_OK;
}

static enum lbx_rc apply_locked(const struct ask *a)
{
    apr_array_header_t *drafts = apr_array_make(a->p, (int)a->n, sizeof(struct draft));
    enum lbx_rc rc = LBX_OK;

    for (unsigned i = 0; i < a->n && !rc; i++) {
        rc = draft_change(a, drafts, i);
    }
    if (!rc) {
        rc = check_revision(a, drafts);
    }
    if (rc || a->dry_run) {
        return rc;
    }
    for (int i = 0; i < drafts->nelts; i++) {
        struct draft *d = &APR_ARRAY_IDX(drafts, i, struct draft);

        core_change_move(d->set->rec);
        commit(a, d);
        core_change_move(d->set->rec);
    }
    core_persist_save(a->s, a->p);
    return LBX_OK;
}

/* Of members that were added a moment ago in another process. */
static void know_members(const struct ask *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        if (!i || strcmp(a->change[i].balancer, a->change[i - 1].balancer) != 0) {
            struct core_set *set = core_conf_find_set(a->s, a->change[i].balancer);

            if (set) {
                core_members_req_sync(set);
            }
        }
    }
}

static enum lbx_rc lbx_apply_if(apr_pool_t *p, server_rec *s, uint64_t revision,
                                const struct lbx_change *change, unsigned n, int dry_run,
                                const char **error)
{
    struct ask a = {p, s,       revision, change,
                    n, dry_run, error,    apr_pcalloc(p, (n ? n : 1) * sizeof(struct worded))};
    enum lbx_rc rc;

    know_members(&a);
    rc = core_store_lock(s, error);
    if (rc) {
        return rc;
    }
    rc = apply_locked(&a);
    lbx_store_unlock(core_store());
    return rc;
}

static enum lbx_rc lbx_apply(apr_pool_t *p, server_rec *s, const struct lbx_change *change,
                             unsigned n, const char **error)
{
    return lbx_apply_if(p, s, 0, change, n, 0, error);
}

static uint64_t lbx_revision(server_rec *s, const char *balancer)
{
    const struct core_set *set = core_conf_find_set(s, balancer);

    return set && lbx_store_set(core_store(), set->ref) ? atomic_load(&set->rec->config) : 0;
}

void core_change_register(void)
{
    APR_REGISTER_OPTIONAL_FN(lbx_apply);
    APR_REGISTER_OPTIONAL_FN(lbx_apply_if);
    APR_REGISTER_OPTIONAL_FN(lbx_revision);
}
