/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses a member for a request.  See core_choose.h.
 *
 * Bound.
 */
#include "core_choose.h"

#include <stdlib.h>

#include "apr_strings.h"

#include "core_lbmethod.h"
#include "core_queue.h"
#include "core_roster.h"
#include "core_seam.h"
#include "core_store.h"
#include "lbx_trial.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

APLOG_USE_MODULE(lbx_core);

static uint64_t now_us(void)
{
    return (uint64_t)apr_time_now();
}

/* ------------------------------------------------------------------ */
/* By session                                                           */

/* Is the member fit for its own session?  Draining is no obstacle. */
static int serves_session(const struct core_ask *ask, const struct core_member *m)
{
    struct lbx_ask a = {.now_us = ask->now_us, .sticky = 1, .tried = ask->tried};
    struct lbx_member_view v;

    core_store_view(m, &v);
    return lbx_eligible(&v, m->index, &a) == LBX_ELIGIBLE;
}

static int standby_of(const struct lbx_member_vals *v)
{
    return (v->admin & LBX_ADMIN_STANDBY) != 0;
}

/* The member with exactly this route that can be used, standbys last. */
static struct core_member *serving(const struct core_ask *ask, const struct core_roster *cr,
                                   const char *route)
{
    for (int standby = 0; standby <= 1; standby++) {
        for (uint32_t i = 0; i < cr->r->members; i++) {
            const struct lbx_member_vals *v = &cr->member_vals[i];

            if (standby_of(v) == standby && !strcmp(v->route, route)
                && serves_session(ask, &ask->set->member[i])) {
                return &ask->set->member[i];
            }
        }
    }
    return NULL;
}

/* The member for this route; where none can be used, for the redirect= of those
 * that have it, and so on.  Each member's redirect= is followed once, so that a
 * circle ends. */
static struct core_member *by_route(const struct core_ask *ask, const struct core_roster *cr,
                                    const char *route)
{
    uint32_t n = cr->r->members, known = 1;
    const char **routes = apr_palloc(ask->r->pool, (n + 1) * sizeof(*routes));
    char *followed = apr_pcalloc(ask->r->pool, n);

    routes[0] = route;
    for (uint32_t at = 0; at < known; at++) {
        struct core_member *m = serving(ask, cr, routes[at]);

        if (m) {
            return m;
        }
        for (uint32_t i = 0; i < n; i++) {
            const struct lbx_member_vals *v = &cr->member_vals[i];

            if (!followed[i] && *v->redirect && !strcmp(v->route, routes[at])) {
                followed[i] = 1;
                routes[known++] = v->redirect;
            }
        }
    }
    return NULL;
}

static int has_route(const struct core_roster *cr, const char *route)
{
    for (uint32_t i = 0; i < cr->r->members; i++) {
        if (*cr->member_vals[i].route && !strcmp(cr->member_vals[i].route, route)) {
            return 1;
        }
    }
    return 0;
}

struct knowledge {
    const struct core_set *set;
    const struct core_roster *cr;
};

static int known_route(const struct lbx_hint_ask *ask, const char *route)
{
    const struct knowledge *k = ask->baton;

    return has_route(k->cr, route);
}

static const char *member_name(const struct lbx_hint_ask *ask, uint32_t i)
{
    const struct knowledge *k = ask->baton;

    return k->set->member[i].name;
}

static const char *member_route(const struct lbx_hint_ask *ask, uint32_t i)
{
    const struct knowledge *k = ask->baton;

    return k->cr->member_vals[i].route;
}

static LBX_APART void ask_for_hint(struct core_ask *ask, const struct core_roster *cr)
{
    const request_rec *r = ask->r;
    int whole = !r->args || ap_strchr_c(ask->url, '?') != NULL;
    struct knowledge k = {ask->set, cr};
    struct lbx_hint_ask question = {
        .balancer = ask->set->name,
        .set = ask->set->ref,
        .server = ask->set->server,
        .url = whole ? ask->url : apr_pstrcat(r->pool, ask->url, "?", r->args, NULL),
        .sticky = cr->vals.sticky,
        .sticky_path = cr->vals.sticky_path,
        .separator = ask->set->separator,
        .semicolon = ask->set->semicolon,
        .known_route = known_route,
        .n = cr->r->members,
        .member_name = member_name,
        .member_route = member_route,
        .baton = &k,
    };

    core_seam_run_hint(ask->r, &question, &ask->hint);
}

/* ------------------------------------------------------------------ */
/* The choice                                                           */

/* The roster may be gone before the request is; most have nothing to keep. */
static const char *keep(const struct core_ask *ask, const char *text)
{
    return *text ? apr_pstrdup(ask->r->pool, text) : "";
}

static LBX_HOT void take_down(struct core_choice *out, const struct core_ask *ask,
                              const struct core_roster *cr, struct core_member *m, enum lbx_why why)
{
    const struct lbx_member_vals *v = &cr->member_vals[m->index];

    out->m = m;
    out->why = why;
    out->method = cr->method;
    out->admin = v->admin;
    out->trial = lbx_trial_is_on(m->rec);
    out->route = keep(ask, v->route);
    out->sticky_name = cr->sticky ? keep(ask, cr->vals.sticky) : "";
    out->sticky_path = cr->sticky ? keep(ask, cr->vals.sticky_path) : "";
    atomic_fetch_add_explicit(&m->rec->elected, 1, memory_order_relaxed);
}

/* Reserve the member as it is in force in the roster.  0: it is full. */
static int reserve(const struct core_roster *cr, const struct core_member *m)
{
    uint32_t limit = lbx_limit(cr->member_vals[m->index].maxconn, m->rec->ramp);

    return lbx_limit_take(core_store(), core_store_child(), m->ref.slot, m->rec, limit,
                          limit ? now_us() : 0);
}

/* A member that was not chosen by our method: reserve it and charge it.  0: it is
 * full, or another request was quicker to try it out. */
static int take_elected(struct core_choice *out, const struct core_ask *ask,
                        const struct core_roster *cr, struct core_member *m, enum lbx_why why)
{
    uint32_t place = cr->r->place_of[m->index];
    int may_move = (why == LBX_WHY_ROUTE || why == LBX_WHY_REDIRECT) && !out->pinned;

    if (!reserve(cr, m)) {
        return 0;
    }
    if (may_move && !lbx_trial_take(m->rec, ask->now_us)) { /* last: nothing refuses it now */
        lbx_store_release(core_store(), core_store_child(), m->ref.slot);
        return 0;
    }
    out->charge = (struct lbx_charge){.set = ask->set->rec, .rec = m->rec};
    if (cr->method) {
        if (cr->method->wants_busy) {
            atomic_fetch_add(&ask->set->rec->busy_seq, 1);
        }
        if (place != LBX_NOT_HERE) {
            cr->method->elect(cr->r, place, &out->charge);
        }
    }
    take_down(out, ask, cr, m, why);
    return 1;
}

/* The member that the hint means, or the one that stands in for it by redirect=.
 * <known>: there is such a member, usable or not.  <own>: it is the one meant. */
static struct core_member *by_hint(struct core_ask *ask, const struct core_roster *cr, int *known,
                                   int *own)
{
    const struct lbx_hint *hint = &ask->hint;
    struct core_member *m = NULL;

    *known = *own = 0;
    if (hint->has_member && hint->member < cr->r->members) {
        const struct lbx_member_vals *v = &cr->member_vals[hint->member];

        m = &ask->set->member[hint->member];
        *known = *own = 1;
        if (serves_session(ask, m)) {
            return m;
        }
        *own = 0;
        return *v->redirect ? by_route(ask, cr, v->redirect) : NULL;
    }
    if (hint->route && *hint->route) {
        *known = has_route(cr, hint->route);
        m = by_route(ask, cr, hint->route);
        *own = m && !strcmp(cr->member_vals[m->index].route, hint->route);
    }
    return m;
}

/* Does a request that came before wait for this member, or for any, so that it is
 * to have it? */
static int bespoken(const struct lbx_ahead *ahead, const struct core_roster *cr,
                    const struct core_member *m)
{
    return lbx_ahead_wants(ahead, m->ref.slot)
           || (ahead->any && cr->r->place_of[m->index] != LBX_NOT_HERE);
}

enum got { NOBODY, CHOSEN, WAITS };

static int has_session(const struct core_ask *ask)
{
    return ask->hint.has_member || (ask->hint.route && *ask->hint.route);
}

/* By its session: NOBODY of its own can be used, or it WAITS for its own. */
static LBX_HOT LBX_APART enum got choose_by_session(struct core_ask *ask,
                                                    const struct core_roster *cr,
                                                    const struct lbx_ahead *ahead,
                                                    struct core_choice *out)
{
    int known, own;
    struct core_member *m = by_hint(ask, cr, &known, &own);

    if (!m) {
        out->pinned = cr->vals.nofailover && known;
        return out->pinned ? WAITS : NOBODY;
    }
    out->pinned = cr->vals.nofailover != 0;
    if (!out->pinned && lbx_trial_is_taken(m->rec, ask->now_us)) {
        return NOBODY; /* somebody else finds out whether it is back */
    }
    if (bespoken(ahead, cr, m)
        || !take_elected(out, ask, cr, m, own ? LBX_WHY_ROUTE : LBX_WHY_REDIRECT)) {
        ask->full = 1;
        ask->target = m->ref.slot + 1;
        return ask->patient || out->pinned ? WAITS : NOBODY;
    }
    if (!cr->method) {
        core_lbmethod_req_elected(ask->set, ask->balancer, m, cr->vals.method);
    }
    return CHOSEN;
}

/* A set of members of its own, that begins as <from>. */
static uint32_t *bits_of(const struct core_ask *ask, const uint32_t *from)
{
    apr_size_t size = (ask->set->room / 32 + 1) * sizeof(uint32_t);

    return from ? apr_pmemdup(ask->r->pool, from, size) : apr_pcalloc(ask->r->pool, size);
}

static void set_bit(uint32_t *bits, uint32_t i)
{
    bits[i / 32] |= 1u << (i % 32);
}

/* The members that must not be chosen: those where the request has been, and those
 * that others wait for, who came before.  NULL: all can. */
static const uint32_t *mask_of(struct core_ask *ask, const struct lbx_ahead *ahead)
{
    uint32_t *mask;

    if (!ahead->n && !ahead->more) {
        return ask->tried;
    }
    mask = bits_of(ask, ask->tried);
    for (uint32_t i = 0; i < ask->set->n; i++) { /* at most set->room */
        if (lbx_ahead_wants(ahead, ask->set->member[i].ref.slot)) {
            set_bit(mask, i);
        }
    }
    return mask;
}

static LBX_HOT int pick_from(struct core_ask *ask, const struct core_roster *cr,
                             const struct lbx_roster *r, const uint32_t *mask,
                             struct core_choice *out)
{
    struct lbx_pick p = {core_store(), core_store_child(), mask, ask->now_us, ask->anyhow};
    int place = cr->method->pick(r, &p, &out->charge);

    if (place < 0) {
        return 0;
    }
    take_down(out, ask, cr, &ask->set->member[r->cand[place].index],
              ask->attempts ? LBX_WHY_FAILOVER : LBX_WHY_METHOD);
    return 1;
}

/* Nobody of the roster could be had: is maxconn= the reason, or a trial? */
static int was_full(const struct core_ask *ask, const struct lbx_roster *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t m = r->cand[i].index;

        if ((r->cand[i].limit || r->cand[i].trial)
            && !(ask->tried && ask->tried[m / 32] >> (m % 32) & 1)) {
            return 1;
        }
    }
    return 0;
}

static int is_full(const struct core_roster *cr, const struct core_member *m)
{
    uint32_t limit = lbx_limit(cr->member_vals[m->index].maxconn, m->rec->ramp);

    if (lbx_trial_is_taken(m->rec, now_us())) {
        return 1;
    }
    return limit && lbx_limit_used(core_store(), m->ref.slot, m->rec, now_us()) >= limit;
}

/* Spares, standbys and other sets stand in for those where the request has been,
 * and for those that are full. */
static LBX_COLD int pick_without(struct core_ask *ask, const struct core_roster *cr,
                                 const uint32_t *mask, struct core_choice *out)
{
    uint32_t *without = bits_of(ask, mask);
    struct lbx_roster *r;
    int got;

    for (uint32_t i = 0; i < cr->r->members; i++) {
        if (is_full(cr, &ask->set->member[i])) {
            set_bit(without, i);
        }
    }
    r = core_roster_req_without(ask->set, cr, without, now_us());
    got = r && pick_from(ask, cr, r, mask, out);
    free(r);
    return got;
}

/* Rather one that somebody tries out already than nobody. */
static int pick_anyhow(struct core_ask *ask, const struct core_roster *cr, const uint32_t *mask,
                       struct core_choice *out)
{
    int got;

    if (ask->patient || ask->only_new) {
        return 0;
    }
    ask->anyhow = 1;
    got = pick_from(ask, cr, cr->r, mask, out);
    ask->anyhow = 0;
    return got;
}

/* The roster has nobody for this request. */
static LBX_COLD int pick_elsewhere(struct core_ask *ask, const struct core_roster *cr,
                                   const uint32_t *mask, struct core_choice *out)
{
    int full = was_full(ask, cr->r);

    ask->full |= full;
    if ((ask->tried || (full && cr->r->n < cr->live)) && pick_without(ask, cr, mask, out)) {
        return 1;
    }
    return full && pick_anyhow(ask, cr, mask, out);
}

/* The choice of another module's provider. */
static LBX_COLD int take_foreign(struct core_ask *ask, const struct core_roster *cr,
                                 const struct lbx_ahead *ahead, struct core_choice *out)
{
    struct core_member *m =
        core_lbmethod_req_foreign(ask->set, ask->balancer, ask->r, cr->vals.method);

    return m && m->index < cr->r->members && !lbx_ahead_wants(ahead, m->ref.slot)
           && take_elected(out, ask, cr, m, ask->attempts ? LBX_WHY_FAILOVER : LBX_WHY_METHOD);
}

static int choose_by_method(struct core_ask *ask, const struct core_roster *cr,
                            const struct lbx_ahead *ahead, struct core_choice *out)
{
    const uint32_t *mask;

    if (LBX_RARE(ahead->any)) {
        ask->full = cr->r->n > 0;
        return 0;
    }
    if (LBX_RARE(!cr->method)) {
        return take_foreign(ask, cr, ahead, out);
    }
    mask = mask_of(ask, ahead);
    return pick_from(ask, cr, cr->r, mask, out) || pick_elsewhere(ask, cr, mask, out);
}

static unsigned attempts_allowed(const struct core_roster *cr)
{
    if (cr->vals.maxattempts >= 0) {
        return (unsigned)cr->vals.maxattempts;
    }
    return cr->live > 1 ? cr->live - 1 : 1;
}

/* A process of an earlier configuration may not know the members that are free: it
 * must not hold up those who do. */
static int is_old(const struct core_set *set)
{
    return atomic_load_explicit(&set->rec->boots, memory_order_relaxed) != set->boots;
}

/* Choose from one roster. */
static int choose_from(struct core_ask *ask, const struct core_roster *cr, struct core_choice *out)
{
    struct lbx_ahead ahead;

    ahead.total = ahead.any = ahead.n = 0;
    ahead.more = 0;
    if (!ask->hinted) {
        ask->hinted = 1;
        if (core_seam_listens_hint()) {
            ask_for_hint(ask, cr);
        }
    }
    ask->empty = !cr->r->n;
    ask->full = 0;
    ask->patience_us = cr->vals.timeout_us;
    ask->patient = ask->may_wait && ask->patience_us > ask->waited_us;
    ask->target = ask->tried || is_old(ask->set) ? LBX_OTHER_MEMBER : LBX_ANY_MEMBER;
    out->pinned = 0;
    if (LBX_RARE(!lbx_queue_is_empty(ask->set->rec))) {
        lbx_queue_look(core_store(), ask->set->ref, &ask->wait, &ahead);
    }
    out->sticky = cr->sticky;
    out->more = attempts_allowed(cr);
    out->more = out->more > ask->attempts ? out->more - ask->attempts : 0;
    switch (has_session(ask) ? choose_by_session(ask, cr, &ahead, out) : NOBODY) {
    case CHOSEN:
        return 1;
    case WAITS:
        return 0;
    default:
        return choose_by_method(ask, cr, &ahead, out);
    }
}

/* One try after the other: the roster at hand; one that is surely up to date;
 * members where the request has been; and, when everybody is in error and
 * forcerecovery=On, all of them. */
enum step { AT_HAND, UP_TO_DATE, WHERE_IT_WAS, RECOVERED, STEPS };

/* Does the step promise anything?  Prepares it.  While there is time to wait for
 * another member, the request does not go again where it has been. */
static int prepare(struct core_ask *ask, const struct core_choice *out, enum step step)
{
    switch (step) {
    case WHERE_IT_WAS:
        if (out->pinned || !ask->tried || ask->only_new || ask->patient) {
            return 0;
        }
        ask->tried = NULL;
        return 1;
    case RECOVERED:
        return ask->empty && !out->pinned && !ask->only_new && ask->set->forcerecovery
               && core_roster_req_recover(ask->set, now_us());
    default:
        return 1;
    }
}

static LBX_HOT int choose_now(struct core_ask *ask, struct core_choice *out, int may_wait)
{
    int got = 0;

    ask->may_wait = may_wait;
    ask->now_us = now_us();
    for (enum step step = AT_HAND; step < STEPS && !got; step++) {
        struct core_roster *cr;

        if (LBX_RARE(step) && !prepare(ask, out, step)) {
            continue;
        }
        cr = core_roster_req_get(ask->set, ask->now_us, step == AT_HAND);
        if (!cr) {
            break;
        }
        got = choose_from(ask, cr, out);
        core_roster_req_put(ask->set, cr);
    }
    if (got) {
        out->again = ask->been && ask->been[out->m->index / 32] >> (out->m->index % 32) & 1;
    }
    return got;
}

/* Why nothing came of it, for the log; and when the client may come again. */
static LBX_COLD int nobody(const struct core_ask *ask, const struct core_choice *c,
                           uint64_t waited_us, const char *queue)
{
    const char *name = ask->set->name;
    apr_pool_t *p = ask->r->pool;
    const char *waited = *queue ? queue
                         : waited_us > 1000
                             ? apr_psprintf(p, " (waited %lums)", (unsigned long)(waited_us / 1000))
                             : "";

    atomic_fetch_add(&ask->set->rec->refused, 1);
    if (c->pinned && !ask->full) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ask->r,
                      LBXNO(0160) "%s: All workers are in error state for route (%s)", name,
                      ask->hint.route ? ask->hint.route : "");
    } else if (!ask->set->n) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ask->r, LBXNO(0161) "%s: No workers in balancer",
                      name);
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ask->r, LBXNO(0162) "%s: %s: %s%s", name,
                      ask->full ? "No worker has room" : "All workers are in error state",
                      core_seam_why_none(p, ask->set, now_us()), waited);
    }
    return HTTP_SERVICE_UNAVAILABLE;
}

/* Nobody waits for the answer any more. */
static LBX_COLD int left_alone(const struct core_ask *ask, uint64_t waited_us)
{
    atomic_fetch_add(&ask->set->rec->refused, 1);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, ask->r,
                  LBXNO(0163) "%s: the client has gone while its request waited (%lums)",
                  ask->set->name, (unsigned long)(waited_us / 1000));
    return HTTP_SERVICE_UNAVAILABLE;
}

/* An error that comes of load is over by itself. */
static void invite_again(const struct core_ask *ask, uint64_t wait_us)
{
    unsigned long s = (unsigned long)((wait_us + 999999) / 1000000);

    atomic_fetch_add(&ask->set->rec->overdue, 1);
    apr_table_setn(ask->r->err_headers_out, "Retry-After",
                   apr_psprintf(ask->r->pool, "%lu", s ? s : 1));
}

/* A member whose error is over counts as new. */
static void forgive(struct core_ask *ask)
{
    for (uint32_t i = 0; ask->tried && i < ask->set->n; i++) {
        struct lbx_member_view v;

        core_store_view(&ask->set->member[i], &v);
        if (!v.error_at_us && !(v.run.admin & LBX_ADMIN_IGNORE_ERRORS)) {
            ask->tried[i / 32] &= ~(1u << (i % 32));
        }
    }
}

/* Nobody can be had now: take a place in the queue, or keep it.  0: there is none. */
static int queue_up(struct core_ask *ask)
{
    if (ask->wait.place) {
        lbx_queue_aim(core_store(), &ask->wait, ask->target);
        return 1;
    }
    if (!core_queue_req_enter(ask->r, ask->set, &ask->wait, ask->target)) {
        return 0;
    }
    atomic_fetch_add(&ask->set->rec->queued, 1);
    return 1;
}

/* Wait for somebody until the balancer's time is over.  Returns as core_choose_req. */
static LBX_COLD int wait_for(struct core_ask *ask, struct core_choice *out)
{
    uint64_t start = now_us(), waited;
    uint64_t deadline = start + ask->patience_us - ask->waited_us;
    const char *queue = "";
    enum core_waited how = CORE_WAITED;
    int got = 0;

    while (!got && how == CORE_WAITED) {
        int new_here = !ask->wait.place;

        if (!queue_up(ask)) {
            queue = apr_psprintf(ask->r->pool, " (%u wait already)",
                                 lbx_queue_length(core_store(), ask->set->ref));
            got = choose_now(ask, out, 0); /* a session moves rather than be refused */
            break;
        }
        if (!new_here) { /* else: look again, now that there is a place */
            how = core_queue_req_wait(ask->r, ask->set, &ask->wait, deadline);
            forgive(ask);
        }
        got = how != CORE_WAITED_ALONE && choose_now(ask, out, how == CORE_WAITED);
    }
    core_queue_req_leave(ask->set, &ask->wait);
    waited = now_us() - start;
    ask->waited_us += waited;
    atomic_fetch_add(&ask->set->rec->queue_us, waited);
    if (got) {
        return OK;
    }
    if (how == CORE_WAITED_ALONE) {
        return left_alone(ask, ask->waited_us);
    }
    invite_again(ask, ask->patience_us);
    return nobody(ask, out, ask->waited_us, queue);
}

LBX_HOT int core_choose_req(struct core_ask *ask, struct core_choice *out)
{
    lbx_queue_begin(&ask->wait, core_store_child());
    if (choose_now(ask, out, !ask->no_wait)) {
        return OK;
    }
    if (ask->no_wait) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (ask->patient) {
        return wait_for(ask, out);
    }
    if (ask->full) {
        invite_again(ask, 0);
    }
    return nobody(ask, out, 0, "");
}
