/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segment's life.  See core_store.h.
 *
 * Anonymous shared memory on the process pool: no name, no file, nothing left
 * behind by a kill -9.  Its addresses are retained data, so that the next
 * generation of this module finds it; children of the old one go on counting in
 * the same memory until they end.
 *
 * Bound.
 */
#include "core_store.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_shm.h"
#include "apr_strings.h"
#include "ap_mpm.h"

#include "core_change.h"
#include "core_members.h"
#include "core_words.h"
#include "lbx_eligible.h"
#include "lbx_limit.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

/* What survives the module's reload.  Another layout has another key: state of
 * an earlier major version is left alone, not misread. */
#define KEY_WITHOUT_MAJOR "mod_lbx_core segments "
#define RETAINED_KEY      KEY_WITHOUT_MAJOR "6"

LBX_STATIC(LBX_SEG_MAJOR == 6, "RETAINED_KEY names the layout's major version");

struct retained {
    struct lbx_store store;
    uint32_t child_cap;
    uint32_t place_cap;
};

enum {
    MEMBERS_AT_LEAST = 128,
    SETS_AT_LEAST = 32,
    SPARE = 64,          /* places for members that are added until the next restart */
    CHILDREN_SPARE = 16, /* beyond two generations of the server limit */
    PLACES_MOST = 1024   /* requests of one child that can wait at once */
};

static struct retained *kept;             /* in retained data; found again at every start */
static uint32_t own_child = LBX_NO_CHILD; /* of a child process */
static int cold;

struct lbx_store *core_store(void)
{
    return &kept->store;
}

uint32_t core_store_child(void)
{
    return own_child;
}

void core_store_view(const struct core_member *m, struct lbx_member_view *out)
{
    lbx_store_view(&kept->store, m->ref, m->rec, out);
    out->retry_us = m->retry_us;
    out->drain_us = m->drain_us;
    out->panic = atomic_load_explicit(&m->set->rec->panic, memory_order_relaxed);
    if (out->retired && m->rec->retired_s) {
        out->retired = CORE_REMOVED;
    }
    if (!lbx_store_member(&kept->store, m->ref)) {
        out->retired = CORE_GONE;
        out->run = out->conf = (struct lbx_member_vals){.weight = LBX_WEIGHT_ONE};
    }
}

void core_store_note_drain(struct lbx_seg_member *rec, uint32_t admin)
{
    uint64_t never = 0;

    if (!(admin & LBX_ADMIN_DRAIN)) {
        atomic_store(&rec->drain_at_us, 0);
    } else {
        atomic_compare_exchange_strong(&rec->drain_at_us, &never, (uint64_t)apr_time_now());
    }
}

void core_store_note_decision(struct lbx_member_notes *notes, const char *who)
{
    notes->decided_us = who ? (uint64_t)apr_time_now() : 0;
    memset(notes->decided_by, 0, sizeof(notes->decided_by));
    apr_cpystrn(notes->decided_by, who ? who : "", sizeof(notes->decided_by));
}

int core_store_boot_is_cold(void)
{
    return cold;
}

/* ------------------------------------------------------------------ */
/* The admin mutex                                                      */

/* Changes take milliseconds.  Longer holds it a process that is stopped, or whose disk
 * does not answer while it writes the state (BalancerPersist). */
enum { PATIENCE_S = 2, PATIENCE_BOOT_S = 5 };

static enum lbx_rc lock_within(unsigned s)
{
    return lbx_store_lock(&kept->store, (uint64_t)apr_time_now() + s * 1000000ull);
}

enum lbx_rc core_store_lock(server_rec *s, const char **error)
{
    enum lbx_rc rc = lock_within(PATIENCE_S);

    if (rc) {
        *error = "another process is in the middle of a change, and has been for seconds: "
                 "nothing was changed";
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     LBXNO(0126) "the admin mutex cannot be had within %ds: somebody who makes a "
                                 "change does not go on; nothing was changed",
                     PATIENCE_S);
    }
    return rc;
}

/* ------------------------------------------------------------------ */
/* Memory                                                               */

static apr_status_t add_segment(server_rec *s, uint32_t sets, uint32_t members)
{
    struct lbx_seg_plan plan = {sets, members, kept->child_cap, !kept->store.n,
                                kept->store.n ? 0 : kept->place_cap};
    apr_size_t len = lbx_seg_size(&plan) + LBX_LINE;
    apr_shm_t *shm;
    char *base;
    enum lbx_rc rc;
    apr_status_t rv = apr_shm_create(&shm, len, NULL, s->process->pool);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     LBXNO(0110) "cannot make a shared segment of %" APR_SIZE_T_FMT
                                 " bytes for %u members",
                     len, members);
        return rv;
    }
    base = apr_shm_baseaddr_get(shm);
    base += (LBX_LINE - (uintptr_t)base % LBX_LINE) % LBX_LINE;
    rc = lbx_seg_format(base, len - LBX_LINE, &plan);
    if (!rc) {
        rc = lbx_store_add(&kept->store, base, len - LBX_LINE);
    }
    if (rc) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     LBXNO(0111) "cannot use a new shared segment (reason %d)", (int)rc);
        return APR_EGENERAL;
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s,
                 LBXNO(0112) "shared segment %u: %" APR_SIZE_T_FMT
                             " bytes, room for %u balancers, %u members, %u processes",
                 kept->store.n, len, sets, members, kept->child_cap);
    return APR_SUCCESS;
}

static uint32_t twice_or(uint32_t n, uint32_t least)
{
    return 2 * n > least ? 2 * n : least;
}

/* Room for what the generation may need: everything new in the worst case. */
static apr_status_t make_room(const struct core_gen *gen, server_rec *s)
{
    uint32_t sets = 0;
    uint32_t members = kept->store.n ? lbx_store_room(&kept->store, &sets) : 0;

    if (kept->store.n && members >= gen->members + SPARE && sets >= (uint32_t)gen->sets->nelts) {
        return APR_SUCCESS;
    }
    return add_segment(s, twice_or((uint32_t)gen->sets->nelts, SETS_AT_LEAST),
                       twice_or(gen->members + SPARE, MEMBERS_AT_LEAST));
}

/* Another build of this module, with another layout, has run in this server. */
static void say_what_is_left(server_rec *s)
{
    for (int major = 1; major <= LBX_SEG_MAJOR + 9; major++) {
        char key[sizeof(RETAINED_KEY) + 4];

        apr_snprintf(key, sizeof(key), KEY_WITHOUT_MAJOR "%d", major);
        if (major != LBX_SEG_MAJOR && ap_retained_data_get(key)) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         LBXNO(0125) "another version of mod_lbx_core has run here, its state has "
                                     "another layout (%d, here %d): state begins afresh, what was "
                                     "set at run time is lost unless BalancerPersist kept it",
                         major, LBX_SEG_MAJOR);
        }
    }
}

static void find_retained(server_rec *s)
{
    int daemons = 0, threads = 0;

    kept = ap_retained_data_get(RETAINED_KEY);
    cold = !kept;
    if (!kept) {
        say_what_is_left(s);
        kept = ap_retained_data_create(RETAINED_KEY, sizeof(*kept));
        ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &daemons);
        ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &threads);
        /* more can wait with HTTP/2, whose workers come on top */
        kept->place_cap =
            (uint32_t)(threads > 8 ? threads < PLACES_MOST ? threads : PLACES_MOST : 8);
        kept->child_cap = 2 * (uint32_t)(daemons > 0 ? daemons : 1) + CHILDREN_SPARE;
    }
}

/* ------------------------------------------------------------------ */
/* Records                                                              */

/* One pass over the segments instead of a search for each member. */
struct index {
    apr_pool_t *p;
    apr_hash_t *sets;          /* "scope\nname" */
    apr_hash_t *members;       /* "slot revision name" */
    apr_array_header_t *added; /* struct lbx_ref: members added at run time */
};

struct found {
    struct lbx_ref ref;
    int wanted; /* the file has it */
};

static const char *set_key(apr_pool_t *p, const char *scope, const char *name)
{
    return apr_pstrcat(p, scope, "\n", name, NULL);
}

static const char *member_key(apr_pool_t *p, struct lbx_ref set, const char *name)
{
    return apr_psprintf(p, "%x %x %s", set.slot, set.revision, name);
}

static struct found *remember(apr_pool_t *p, apr_hash_t *h, const char *key, struct lbx_ref ref)
{
    struct found *f = apr_pcalloc(p, sizeof(*f));

    f->ref = ref;
    apr_hash_set(h, key, APR_HASH_KEY_STRING, f);
    return f;
}

static int index_set(void *baton, struct lbx_ref ref, struct lbx_seg_set *rec)
{
    struct index *ix = baton;

    remember(ix->p, ix->sets, set_key(ix->p, rec->scope, rec->name), ref);
    return 0;
}

static int index_member(void *baton, struct lbx_ref ref, struct lbx_seg_member *rec)
{
    struct index *ix = baton;
    const char *key = member_key(ix->p, rec->set, rec->name);

    /* one that was removed and added again has a retired record besides */
    if (rec->life == LBX_LIVE || !apr_hash_get(ix->members, key, APR_HASH_KEY_STRING)) {
        remember(ix->p, ix->members, key, ref);
    }
    if (rec->life == LBX_LIVE && rec->added) {
        APR_ARRAY_PUSH(ix->added, struct lbx_ref) = ref;
    }
    return 0;
}

/* Did the file bring anything new? */
static void move_if(struct lbx_seg_set *set, const enum lbx_merged *done, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (done[i] == LBX_MERGED_FILE || done[i] == LBX_MERGED_DROPS) {
            core_change_move(set);
            return;
        }
    }
}

static void log_merge(server_rec *s, const struct core_set *set, const char *member,
                      const struct lbx_field *f, enum lbx_merged what, const void *before,
                      const void *now, const void *run)
{
    char was[LBX_FIELD_TEXT_MAX], is[LBX_FIELD_TEXT_MAX], force[LBX_FIELD_TEXT_MAX];
    const char *of = member ? " member " : "";

    member = member ? member : "";
    switch (what) {
    case LBX_MERGED_DROPS:
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     LBXNO(0113) "%s%s%s: %s=%s from the configuration file, which was edited, "
                                 "replaces %s set at run time",
                     set->name, of, member, f->name, lbx_field_print(f, now, is),
                     lbx_field_print(f, before, was));
        break;
    case LBX_MERGED_KEEPS:
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     LBXNO(0114) "%s%s%s: %s=%s set at run time stays (configuration file: %s)",
                     set->name, of, member, f->name, lbx_field_print(f, run, force),
                     lbx_field_print(f, now, is));
        break;
    case LBX_MERGED_FILE:
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, LBXNO(0115) "%s%s%s: %s=%s from now on",
                     set->name, of, member, f->name, lbx_field_print(f, now, is));
        break;
    default:
        break;
    }
}

/* The file decides now what an operator did before. */
static void forget_decision(struct lbx_seg_member *rec)
{
    struct lbx_member_notes notes;

    lbx_member_notes_read(rec, &notes);
    core_store_note_decision(&notes, NULL);
    lbx_member_notes_write(rec, &notes);
}

static void merge_member(server_rec *s, apr_pool_t *p, const struct core_member *m)
{
    struct lbx_member_vals run, before;
    enum lbx_merged done[16];

    LBX_STATIC(LBX_MEMBER_FIELDS <= 16, "room for each field");
    lbx_member_vals_read(m->rec, &run);
    before = run;
    lbx_vals_merge(lbx_member_fields, lbx_member_fields_n, &run, &m->rec->conf, &m->conf, done);
    for (unsigned i = 0; i < lbx_member_fields_n; i++) {
        log_merge(s, m->set, m->name, &lbx_member_fields[i], done[i], &before, &m->conf, &run);
    }
    lbx_member_vals_write(m->rec, &run);
    core_store_note_drain(m->rec, run.admin);
    if (lbx_admin_out(run.admin) != lbx_admin_out(before.admin)) {
        forget_decision(m->rec);
    }
    m->rec->conf = m->conf;
    move_if(m->set->rec, done, lbx_member_fields_n);
    if (core_words_boot_merge(s, p, m)) {
        core_change_move(m->set->rec);
    }
}

/* A method that was chosen at run time may not be loaded any more. */
static void check_method(server_rec *s, const struct core_set *set, struct lbx_set_vals *run)
{
    if (!ap_lookup_provider(PROXY_LBMETHOD, run->method, "0")) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0116) "%s: lbmethod=%s set at run time is not loaded any more, "
                                 "going back to %s",
                     set->name, run->method, set->conf.method);
        memcpy(run->method, set->conf.method, sizeof(run->method));
    }
}

static void merge_set(server_rec *s, const struct core_set *set)
{
    struct lbx_set_vals run, before;
    enum lbx_merged done[16];

    LBX_STATIC(LBX_SET_FIELDS <= 16, "room for each field");
    lbx_set_vals_read(set->rec, &run);
    before = run;
    lbx_vals_merge(lbx_set_fields, lbx_set_fields_n, &run, &set->rec->conf, &set->conf, done);
    for (unsigned i = 0; i < lbx_set_fields_n; i++) {
        log_merge(s, set, NULL, &lbx_set_fields[i], done[i], &before, &set->conf, &run);
    }
    check_method(s, set, &run);
    lbx_set_vals_write(set->rec, &run);
    set->rec->conf = set->conf;
    move_if(set->rec, done, lbx_set_fields_n);
}

/* Scripts hold the nonce: it stays as long as the record does. */
static void settle_nonce(struct core_set *set)
{
    char fresh[APR_UUID_FORMATTED_LENGTH + 1];
    apr_uuid_t uuid;

    if (set->nonce) {
        apr_cpystrn(set->rec->nonce, set->nonce, sizeof(set->rec->nonce));
    } else if (!*set->rec->nonce) {
        ap_random_insecure_bytes(uuid.data, sizeof(uuid.data));
        apr_uuid_format(fresh, &uuid);
        apr_cpystrn(set->rec->nonce, fresh, sizeof(set->rec->nonce));
    }
}

/* The record of this name in the set, kept or new; NULL: no room. */
static struct found *find_or_make(struct index *ix, const struct core_set *set, const char *name,
                                  int *made)
{
    const char *key = member_key(ix->p, set->ref, name);
    struct found *f = apr_hash_get(ix->members, key, APR_HASH_KEY_STRING);
    struct lbx_seg_member *rec;
    struct lbx_ref ref;

    *made = !f;
    if (!f) {
        if (lbx_store_new_member_locked(&kept->store, set->ref, name, &ref)) {
            return NULL;
        }
        f = remember(ix->p, ix->members, key, ref);
    }
    f->wanted = 1;
    rec = lbx_store_member(&kept->store, f->ref);
    if (rec->retired_s) { /* removed at run time: that ends here */
        forget_decision(rec);
    }
    rec->life = LBX_LIVE;
    rec->added = 0;
    rec->retired_s = 0;
    return f;
}

static apr_status_t adopt_member(server_rec *s, struct index *ix, struct core_member *m)
{
    int made;
    struct found *f = find_or_make(ix, m->set, m->name, &made);

    if (!f) {
        return APR_ENOMEM;
    }
    m->ref = f->ref;
    m->rec = lbx_store_member(&kept->store, f->ref);
    if (made) {
        core_change_move(m->set->rec);
        m->rec->conf = m->conf;
        m->rec->health = m->health;
        m->rec->error_at_us = m->in_error ? 1 : 0; /* long ago: over at the first look */
        lbx_member_vals_write(m->rec, &m->conf);
    }
    merge_member(s, ix->p, m);
    return APR_SUCCESS;
}

/* No URL begins like this name. */
static apr_status_t adopt_ledger(struct index *ix, struct core_set *set)
{
    int made;
    struct found *f = find_or_make(ix, set, "#retries", &made);

    if (f) {
        set->retries = f->ref;
    }
    return f ? APR_SUCCESS : APR_ENOMEM;
}

static int by_coming(const void *a, const void *b)
{
    uint32_t x = lbx_store_member(&kept->store, *(const struct lbx_ref *)a)->added;
    uint32_t y = lbx_store_member(&kept->store, *(const struct lbx_ref *)b)->added;

    return x < y ? -1 : x > y;
}

/* Members that were added at run time stay, behind those of the file. */
static void adopt_added(server_rec *s, apr_pool_t *p, struct index *ix, struct core_set *set)
{
    for (int i = 0; i < ix->added->nelts; i++) {
        struct lbx_ref ref = APR_ARRAY_IDX(ix->added, i, struct lbx_ref);
        const struct lbx_seg_member *rec = lbx_store_member(&kept->store, ref);
        const char *error;

        if (!rec->added || rec->set.slot != set->ref.slot
            || rec->set.revision != set->ref.revision) {
            continue;
        }
        error = core_members_boot_keep(p, set, ref);
        if (error) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         LBXNO(0122) "%s: the member %s, which was added at run time, cannot be "
                                     "kept: %s",
                         set->name, rec->name, error);
        } else {
            struct found *f = apr_hash_get(ix->members, member_key(ix->p, set->ref, rec->name),
                                           APR_HASH_KEY_STRING);

            f->wanted = 1;
            merge_member(s, ix->p, &set->member[set->n - 1]);
        }
    }
}

static apr_status_t adopt_set(server_rec *s, apr_pool_t *p, struct index *ix, struct core_set *set)
{
    const char *key = set_key(ix->p, set->scope, set->name);
    struct found *f = apr_hash_get(ix->sets, key, APR_HASH_KEY_STRING);
    apr_status_t rv;

    if (!f) {
        struct lbx_ref ref;

        if (lbx_store_new_set_locked(&kept->store, set->scope, set->name, &ref)) {
            return APR_ENOMEM;
        }
        f = remember(ix->p, ix->sets, key, ref);
        set->rec = lbx_store_set(&kept->store, ref);
        set->rec->conf = set->conf;
        set->rec->config = (uint64_t)apr_time_now(); /* no number of an earlier life */
        lbx_set_vals_write(set->rec, &set->conf);
    }
    if (set->n > LBX_MEMBERS_MAX) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, LBXNO(0121) "%s: %u members, at most %d",
                     set->name, set->n, LBX_MEMBERS_MAX);
        return APR_EINVAL;
    }
    f->wanted = 1;
    set->ref = f->ref;
    set->rec = lbx_store_set(&kept->store, f->ref);
    set->rec->life = LBX_LIVE;
    set->rec->persist = (uint32_t)set->persist;
    set->boots = atomic_fetch_add(&set->rec->boots, 1) + 1;
    merge_set(s, set);
    settle_nonce(set);
    rv = adopt_ledger(ix, set);
    for (uint32_t i = 0; i < set->n && rv == APR_SUCCESS; i++) {
        rv = adopt_member(s, ix, &set->member[i]);
    }
    if (rv == APR_SUCCESS) {
        adopt_added(s, p, ix, set);
    }
    return rv;
}

/* What the file has no more: nobody new goes there, and the slot is free when
 * the last request is over. */
static void retire_rest(const struct index *ix)
{
    apr_hash_index_t *i;

    for (i = apr_hash_first(ix->p, ix->members); i; i = apr_hash_next(i)) {
        struct found *f = apr_hash_this_val(i);
        struct lbx_seg_member *m = lbx_store_member(&kept->store, f->ref);

        if (!f->wanted && m && m->life != LBX_RETIRED) {
            struct lbx_seg_set *set = lbx_store_set(&kept->store, m->set);

            m->life = LBX_RETIRED;
            if (set) {
                core_change_move(set);
            }
        }
    }
    for (i = apr_hash_first(ix->p, ix->sets); i; i = apr_hash_next(i)) {
        struct found *f = apr_hash_this_val(i);
        struct lbx_seg_set *set = lbx_store_set(&kept->store, f->ref);

        if (!f->wanted && set) {
            set->life = LBX_RETIRED;
            atomic_fetch_add(&set->epoch, 1);
        }
    }
}

/* Old children look again, too. */
static void announce(const struct core_gen *gen)
{
    for (int i = 0; i < gen->sets->nelts; i++) {
        atomic_fetch_add(&APR_ARRAY_IDX(gen->sets, i, struct core_set *)->rec->epoch, 1);
    }
}

static apr_status_t adopt_all(struct core_gen *gen, server_rec *s, apr_pool_t *p, apr_pool_t *ptemp)
{
    struct index ix = {ptemp, apr_hash_make(ptemp), apr_hash_make(ptemp),
                       apr_array_make(ptemp, 16, sizeof(struct lbx_ref))};
    apr_status_t rv = APR_SUCCESS;

    lbx_store_each_set(&kept->store, index_set, &ix);
    lbx_store_each_member(&kept->store, index_member, &ix);
    qsort(ix.added->elts, (size_t)ix.added->nelts, sizeof(struct lbx_ref), by_coming);
    for (int i = 0; i < gen->sets->nelts && rv == APR_SUCCESS; i++) {
        rv = adopt_set(s, p, &ix, APR_ARRAY_IDX(gen->sets, i, struct core_set *));
    }
    if (rv == APR_SUCCESS) {
        retire_rest(&ix);
        core_members_boot_settle(gen);
        announce(gen);
    }
    return rv;
}

/* A server without its state is better than none: the segments are left to the processes
 * of before. */
static apr_status_t lock_or_begin_afresh(const struct core_gen *gen, server_rec *s)
{
    apr_status_t rv;

    if (!lock_within(PATIENCE_BOOT_S)) {
        return APR_SUCCESS;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 LBXNO(0117) "the admin mutex cannot be had within %ds: somebody who makes a "
                             "change does not go on; shared state begins afresh",
                 PATIENCE_BOOT_S);
    memset(&kept->store, 0, sizeof(kept->store));
    cold = 1;
    rv = make_room(gen, s);
    return rv == APR_SUCCESS && lock_within(PATIENCE_BOOT_S) ? APR_EGENERAL : rv;
}

apr_status_t core_store_boot_adopt(struct core_gen *gen, server_rec *s, apr_pool_t *p,
                                   apr_pool_t *ptemp)
{
    apr_status_t rv;

    find_retained(s);
    if (kept->store.n) {
        core_store_boot_sweep(s);
    } else if ((rv = make_room(gen, s)) != APR_SUCCESS) {
        return rv;
    }
    if ((rv = lock_or_begin_afresh(gen, s)) != APR_SUCCESS) {
        return rv;
    }
    lbx_store_sweep_locked(&kept->store);
    rv = make_room(gen, s);
    if (rv == APR_SUCCESS) {
        rv = adopt_all(gen, s, p, ptemp);
    }
    lbx_store_unlock(&kept->store);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     LBXNO(0118) "no shared record for each of %d balancers and %u members",
                     gen->sets->nelts, gen->members);
    }
    return rv;
}

/* ------------------------------------------------------------------ */
/* Children                                                             */

void core_store_child_attach(server_rec *s)
{
    /* -X: this process was here before the restart */
    lbx_store_child_clear(&kept->store, (uint32_t)getpid());
    own_child = lbx_store_child_claim(&kept->store, (uint32_t)getpid());
    if (own_child == LBX_NO_CHILD) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0119) "more than %u processes: requests of this one are not counted "
                                 "as in flight",
                     kept->child_cap);
    }
}

static void log_cleared(server_rec *s, uint64_t n, const char *whose)
{
    if (n) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     LBXNO(0120) "%s ended with %lu requests in flight, they are not counted "
                                 "any more",
                     whose, (unsigned long)n);
    }
}

void core_store_boot_child_gone(server_rec *s, pid_t pid)
{
    if (kept && kept->store.n) {
        lbx_limit_haunt(&kept->store, (uint32_t)pid, (uint64_t)apr_time_now());
        log_cleared(s, lbx_store_child_clear(&kept->store, (uint32_t)pid), "a child");
    }
}

static int is_alive(uint32_t pid)
{
    int alive = !kill((pid_t)pid, 0) || errno == EPERM;

    if (!alive) {
        lbx_limit_haunt(&kept->store, pid, (uint64_t)apr_time_now());
    }
    return alive;
}

void core_store_boot_sweep(server_rec *s)
{
    if (kept && kept->store.n) {
        log_cleared(s, lbx_store_child_sweep(&kept->store, is_alive), "an unnoticed child");
    }
}
