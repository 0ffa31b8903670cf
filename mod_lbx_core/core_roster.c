/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rosters of this process.  See core_roster.h.
 *
 * Bound.
 */
#include "core_roster.h"

#include <stdlib.h>

#include "core_events.h"
#include "core_members.h"
#include "core_store.h"
#include "lbx_trial.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

APLOG_USE_MODULE(lbx_core);

/* All members by value, as the rules want them. */
struct picture {
    struct lbx_roster_in in;
    struct lbx_member_view *view;
    struct lbx_seg_member **rec;
    uint16_t *chosen;
    uint32_t *weights;
};

static uint64_t picture_size(uint32_t n)
{
    return n
               * (sizeof(struct lbx_member_view) + sizeof(struct lbx_seg_member *)
                  + sizeof(uint32_t) + sizeof(uint16_t))
           + 64;
}

/* Of the first <n> members. */
static void take_picture(struct core_set *set, uint32_t n, void *mem, struct picture *pic)
{
    pic->view = mem;
    pic->rec = (void *)(pic->view + n);
    pic->weights = (void *)(pic->rec + n);
    pic->chosen = (void *)(pic->weights + n);
    pic->in.set = set->rec;
    pic->in.n = n;
    pic->in.view = pic->view;
    pic->in.rec = pic->rec;
    /* before the views: what changes from here on makes the roster stale */
    pic->in.epoch = atomic_load(&set->rec->epoch);
    for (uint32_t i = 0; i < n; i++) {
        struct core_member *m = &set->member[i];

        core_store_view(m, &pic->view[i]);
        pic->rec[i] = m->rec;
    }
}

/* The error of member <i> ends, unless somebody else was first. */
static int end_error(struct core_set *set, struct picture *pic, uint32_t i)
{
    struct lbx_member_view *v = &pic->view[i];
    int first;

    if (v->retry_us) { /* retry=0: always, and by all */
        lbx_trial_begin(pic->rec[i]);
    }
    first = atomic_compare_exchange_strong(&pic->rec[i]->error_at_us, &v->error_at_us, 0);

    if (first) {
        atomic_store(&pic->rec[i]->held, 0);
        atomic_fetch_add(&pic->rec[i]->retries, 1);
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, set->server,
                     LBXNO(0130) "%s: worker (%s) has been marked for retry", set->name,
                     set->member[i].name);
        core_events_note("up", "requests", set->name, set->member[i].name,
                         "asked again, the error is over");
    }
    v->trial = lbx_trial_is_on(pic->rec[i]);
    v->error_at_us = first ? 0 : atomic_load(&pic->rec[i]->error_at_us);
    return first;
}

static void end_old_errors(struct core_set *set, struct picture *pic, uint64_t now_us)
{
    for (uint32_t i = 0; i < pic->in.n; i++) {
        if (lbx_error_over(&pic->view[i], now_us)) {
            end_error(set, pic, i);
        }
    }
}

static void free_roster(struct core_roster *cr)
{
    free(cr->member_vals);
    free(cr->r);
    free(cr);
}

/* A process of an old configuration may know only members that are not in the
 * new one: rather one of those than nobody.  Not one that was taken away on purpose. */
static void allow_retired(struct picture *pic)
{
    for (uint32_t i = 0; i < pic->in.n; i++) {
        pic->view[i].retired = pic->view[i].retired >= CORE_GONE;
    }
}

/* A roster in memory of its own, to be freed; NULL: none is left. */
static struct lbx_roster *make_roster(struct picture *pic, const struct lbx_ask *ask)
{
    struct lbx_tier tier;
    uint32_t period;
    uint64_t size = lbx_roster_plan(&pic->in, ask, pic->chosen, pic->weights, &tier, &period);
    void *mem;

    if (!tier.n) {
        allow_retired(pic);
        size = lbx_roster_plan(&pic->in, ask, pic->chosen, pic->weights, &tier, &period);
    }
    mem = malloc(size);
    return mem ? lbx_roster_make(&pic->in, pic->chosen, pic->weights, &tier, period, mem) : NULL;
}

static LBX_COLD struct core_roster *compile(struct core_set *set, uint64_t now_us)
{
    struct lbx_ask ask = {.now_us = now_us};
    struct core_roster *cr = calloc(1, sizeof(*cr));
    /* before the members are counted: one that comes now makes the roster stale */
    uint32_t epoch = atomic_load(&set->rec->epoch);
    struct picture pic;
    uint32_t n;
    void *mem;

    core_members_req_sync_locked(set);
    n = set->n;
    mem = malloc(picture_size(n));
    if (cr) {
        cr->member_vals = malloc((n ? n : 1) * sizeof(*cr->member_vals));
    }
    if (cr && cr->member_vals && mem) {
        take_picture(set, n, mem, &pic);
        pic.in.epoch = epoch;
        end_old_errors(set, &pic, now_us);
        lbx_set_vals_read(set->rec, &cr->vals);
        cr->method = lbx_method_find(cr->vals.method);
        cr->sticky = *cr->vals.sticky != '\0';
        for (uint32_t i = 0; i < n; i++) {
            cr->member_vals[i] = pic.view[i].run;
            cr->live += !pic.view[i].retired;
        }
        cr->r = make_roster(&pic, &ask);
    }
    free(mem);
    if (cr && !cr->r) {
        free_roster(cr);
        cr = NULL;
    }
    return cr;
}

LBX_STATIC(offsetof(struct core_roster, lent) == 0, "a roster begins with what lbx_lend knows");

/* The current roster, if it will do. */
static LBX_HOT struct core_roster *take_current(struct core_set *set, uint64_t now_us,
                                                int old_will_do)
{
    struct core_roster *cr = (void *)lbx_lend_borrow(&set->rosters);

    if (cr && lbx_roster_stale(cr->r, now_us) && !(old_will_do && cr->r->n)) {
        core_roster_req_put(set, cr);
        cr = NULL;
    }
    return cr;
}

/* Make <fresh> the current roster, with one user. */
static void replace_current(struct core_set *set, struct core_roster *fresh)
{
    struct core_roster *old = (void *)lbx_lend_replace(&set->rosters, &fresh->lent);

    if (old) {
        free_roster(old);
    }
}

LBX_HOT struct core_roster *core_roster_req_get(struct core_set *set, uint64_t now_us,
                                                int old_will_do)
{
    struct core_roster *cr = take_current(set, now_us, 0);

    if (cr) {
        return cr;
    }
    if (apr_thread_mutex_trylock(set->compiling) != APR_SUCCESS) {
        cr = old_will_do ? take_current(set, now_us, 1) : NULL;
        if (cr) {
            return cr;
        }
        apr_thread_mutex_lock(set->compiling);
    }
    cr = take_current(set, now_us, 0); /* somebody else may have been first */
    if (!cr) {
        cr = compile(set, now_us);
        if (cr) {
            replace_current(set, cr);
        }
    }
    apr_thread_mutex_unlock(set->compiling);
    return cr;
}

LBX_HOT void core_roster_req_put(struct core_set *set, struct core_roster *cr)
{
    if (lbx_lend_give_back(&set->rosters, &cr->lent)) {
        free_roster(cr);
    }
}

struct lbx_roster *core_roster_req_without(struct core_set *set, const struct core_roster *cr,
                                           const uint32_t *tried, uint64_t now_us)
{
    struct lbx_ask ask = {.now_us = now_us, .tried = tried};
    void *mem = malloc(picture_size(cr->r->members));
    struct lbx_roster *r = NULL;
    struct picture pic;

    if (mem) {
        take_picture(set, cr->r->members, mem, &pic);
        end_old_errors(set, &pic, now_us);
        r = make_roster(&pic, &ask);
    }
    free(mem);
    return r;
}

unsigned core_roster_req_recover(struct core_set *set, uint64_t now_us)
{
    struct lbx_ask ask = {.now_us = now_us};
    uint32_t n = set->n;
    void *mem = malloc(picture_size(n));
    struct picture pic;
    unsigned ended = 0, usable = 0;

    if (!mem) {
        return 0;
    }
    take_picture(set, n, mem, &pic);
    for (uint32_t i = 0; i < n; i++) {
        if (lbx_eligible(&pic.view[i], i, &ask) == LBX_IN_ERROR && end_error(set, &pic, i)) {
            ended++;
            ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, set->server,
                         LBXNO(0131) "%s: Forcing recovery for worker (%s)", set->name,
                         set->member[i].name);
        }
        usable += lbx_eligible(&pic.view[i], i, &ask) == LBX_ELIGIBLE;
    }
    if (usable) { /* also for one that was quicker, and has not come to it yet */
        atomic_fetch_add(&set->rec->epoch, 1);
    }
    if (ended) {
        atomic_fetch_add(&set->rec->recoveries, 1);
    }
    free(mem);
    return usable;
}
