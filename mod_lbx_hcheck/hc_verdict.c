/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results become verdicts.  See hc_verdict.h.
 *
 * Bound.
 */
#include "hc_verdict.h"

#include "hc_recover.h"
#include "lbx_hc_sched.h"

APLOG_USE_MODULE(lbx_hcheck);

/* ------------------------------------------------------------------ */
/* Beginning                                                            */

/* FNV-1a; never 0, which means that there is no check. */
static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261u;

    while (*text) {
        h = (h ^ (unsigned char)*text++) * 16777619u;
    }
    return h ? h : 1;
}

/* "Down until the first one has passed": the first, whatever hcpasses= says. */
static void begin_down(struct hc_member *m, uint64_t now_us)
{
    struct lbx_hc_checked *c = &m->who.space->checked;

    hc_state_step(&m->who, LBX_HC_CHECK_DOWN, LBX_HC_C_INITIAL, 0, "", now_us);
    atomic_store(&c->fails, 0);
    atomic_store(&c->passes, m->spec.passes - 1);
    atomic_store(&c->due_us, 0);
}

/* What is done by schedule may have become another check, or none.  Returns the plan. */
static uint32_t begin_plan(struct hc_member *m, uint64_t now_us)
{
    struct lbx_hc_checked *c = &m->who.space->checked;
    uint32_t before = atomic_load(&c->plan);
    uint32_t plan = m->spec.method == LBX_HC_NONE ? 0 : hash_of(m->plan->key);

    atomic_store(&c->plan, plan);
    if (!plan) {
        if (before && hc_state_of(m->who.space) == LBX_HC_DOWN) {
            hc_state_step(&m->who, LBX_HC_RESET, LBX_HC_C_OPERATOR, 0, "it is not checked any more",
                          now_us);
        }
        atomic_store(&c->due_us, 0);
    } else if (plan != before) { /* a new check begins at once, and counts from nothing */
        atomic_store(&c->due_us, 0);
        atomic_store(&c->passes, 0);
        atomic_store(&c->fails, 0);
    }
    return plan;
}

static void begin_member(struct hc_member *m, uint64_t now_us)
{
    uint32_t before = atomic_load(&m->who.space->checked.plan);

    if (!begin_plan(m, now_us)) {
        return;
    }
    if (m->spec.init == LBX_HC_INIT_DOWN || (m->spec.init == LBX_HC_INIT_KEEP && !before)) {
        begin_down(m, now_us);
    }
}

void hc_verdict_tick_begin(const struct hc_model *m, uint64_t now_us)
{
    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t k = 0; k < m->set[i].n; k++) {
            if (m->set[i].member[k].who.space) {
                begin_plan(&m->set[i].member[k], now_us);
            }
        }
    }
}

void hc_verdict_boot_begin(const struct hc_model *m, uint64_t now_us)
{
    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t k = 0; k < m->set[i].n; k++) {
            if (m->set[i].member[k].who.space) {
                begin_member(&m->set[i].member[k], now_us);
            }
        }
    }
}

/* ------------------------------------------------------------------ */
/* Results                                                              */

/* <counts>: for its streak, too. */
static void note(struct lbx_hc_checked *c, const struct hc_result *r, int counts, uint64_t now_us)
{
    atomic_fetch_add(&c->turn, 1);
    c->cause = (uint32_t)r->cause;
    apr_cpystrn(c->text, r->text, sizeof(c->text));
    atomic_fetch_add(&c->turn, 1);
    atomic_store(&c->at_us, now_us);
    atomic_store(&c->latency_us, r->latency_us);
    atomic_store(&c->status, r->status);
    atomic_store(&c->passed, (uint32_t)r->passed);
    atomic_fetch_add(&c->checks, 1);
    atomic_fetch_add(&c->failed, !r->passed);
    if (counts) {
        atomic_store(r->passed ? &c->fails : &c->passes, 0);
        atomic_fetch_add(r->passed ? &c->passes : &c->fails, 1);
    }
}

static int is_in_question(const struct hc_member *m)
{
    enum lbx_hc_state s = hc_state_of(m->who.space);

    return lbx_hc_is_out(s) || s == LBX_HC_FORCED;
}

/* <owed>: a connection is too little for it. */
static void passed(struct hc_member *m, const struct hc_result *r, int owed, uint64_t now_us)
{
    struct lbx_hc_checked *c = &m->who.space->checked;
    uint32_t n = atomic_load(&c->passes);
    char detail[64];

    if (!is_in_question(m) || (m->active && !m->probing && !lbx_hc_spec_decides(&m->spec, 1, n))) {
        return;
    }
    if (owed) {
        m->asking = m->probing || m->asking == HC_ASKING_PROBE ? HC_ASKING_PROBE : HC_ASKING_CHECK;
        return;
    }
    apr_snprintf(detail, sizeof(detail), "%s in %" APR_UINT64_T_FMT "ms",
                 m->active ? lbx_hc_method_name(m->spec.method) : "probe", r->latency_us / 1000);
    if (m->probing) {
        hc_recover_watch_probed(&m->who, 1, LBX_HC_C_PASSED, r->status, detail, now_us);
        return;
    }
    if (hc_state_step(&m->who, LBX_HC_PASS, LBX_HC_C_PASSED, r->status, detail, now_us)) {
        atomic_store(&c->changed_us, now_us);
    }
}

static void say_failed(const struct hc_member *m, const struct hc_result *r, int counts)
{
    char what[64];

    apr_snprintf(what, sizeof(what), counts ? "check, %u in a row" : "probe, an answer is wanted",
                 atomic_load(&m->who.space->checked.fails));
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, m->who.server,
                 LBXNO(0442) "%s: member %s failed a %s: %s: %s", m->who.balancer, m->who.name,
                 what, lbx_hc_cause_name(r->cause), r->text);
}

static void failed(struct hc_member *m, const struct hc_result *r, uint64_t now_us)
{
    struct lbx_hc_checked *c = &m->who.space->checked;
    uint32_t n = atomic_load(&c->fails);

    say_failed(m, r, 1);
    hc_recover_watch_failed(m->who.space, r->cause);
    if (m->active && lbx_hc_spec_decides(&m->spec, 0, n)) {
        if (hc_state_step(&m->who, LBX_HC_CHECK_DOWN, r->cause, 0, r->text, now_us)) {
            atomic_store(&c->changed_us, now_us);
        }
    } else if (m->probing) {
        hc_recover_watch_probed(&m->who, 0, r->cause, 0, r->text, now_us);
    }
}

static void checked(struct hc_member *m, const struct hc_result *r, uint64_t now_us)
{
    int owed = m->plan->ask && (m->asking || hc_recover_needs_answer(m->who.space));

    note(&m->who.space->checked, r, 1, now_us);
    if (r->passed) {
        passed(m, r, owed, now_us);
    } else {
        failed(m, r, now_us);
    }
}

/* The member was asked for an answer.  That is no check of those that hcfails= and
 * hcpasses= count: it may let the member in, and takes nobody out. */
static void asked(struct hc_member *m, const struct hc_result *r, uint64_t now_us)
{
    char detail[64];

    note(&m->who.space->checked, r, !m->active, now_us);
    if (r->passed) {
        apr_snprintf(detail, sizeof(detail), "probe in %" APR_UINT64_T_FMT "ms",
                     r->latency_us / 1000);
        hc_recover_watch_probed(&m->who, 1, LBX_HC_C_PASSED, r->status, detail, now_us);
        return;
    }
    say_failed(m, r, !m->active);
    hc_recover_watch_failed(m->who.space, r->cause);
    if (m->asking == HC_ASKING_PROBE) {
        hc_recover_watch_probed(&m->who, 0, r->cause, 0, r->text, now_us);
    }
}

static void apply_asked(struct hc_target *t, const struct hc_result *r, uint64_t now_us)
{
    for (struct hc_member *m = t->members; m; m = m->next[t->ask]) {
        if (!r->unknown && m->asking) {
            asked(m, r, now_us);
        }
        m->asking = HC_ASKING_NOT;
    }
}

static void apply_checked(struct hc_target *t, const struct hc_result *r, uint64_t now_us)
{
    t->fresh = r->tls || !r->passed;
    for (struct hc_member *m = t->members; m; m = m->next[t->ask]) {
        if (!r->unknown && (m->active || m->probing)) {
            checked(m, r, now_us);
        }
        m->probing = 0;
        t->fresh |= hc_state_of(m->who.space) != LBX_HC_UP;
    }
}

void hc_verdict_tick_apply(struct hc_target *t, const struct hc_result *r, uint64_t now_us)
{
    if (t->ask) {
        apply_asked(t, r, now_us);
    } else {
        apply_checked(t, r, now_us);
    }
}

/* ------------------------------------------------------------------ */
/* The next one                                                         */

int hc_verdict_tick_active(const struct hc_target *t)
{
    for (const struct hc_member *m = t->members; m && !t->ask; m = m->next[0]) {
        if (m->active && !atomic_load(&m->who.space->checked.paused)) {
            return 1;
        }
    }
    return 0;
}

static uint64_t interval_for(const struct hc_member *m)
{
    const struct lbx_hc_checked *c = &m->who.space->checked;

    return lbx_hc_spec_interval(&m->spec, is_in_question(m), atomic_load(&c->passes),
                                atomic_load(&c->fails));
}

uint64_t hc_verdict_tick_next(const struct hc_target *t, uint64_t now_us, uint32_t dice)
{
    uint64_t interval = LBX_HC_NEVER, next;

    for (const struct hc_member *m = t->members; m && !t->ask; m = m->next[0]) {
        if (m->active && !atomic_load(&m->who.space->checked.paused)) {
            uint64_t own = interval_for(m);

            interval = own < interval ? own : interval;
        }
    }
    if (interval == LBX_HC_NEVER) {
        return LBX_HC_NEVER;
    }
    next = lbx_hc_next_due(t->due_us, now_us, interval, t->plan->spec.spread, dice);
    for (struct hc_member *m = t->members; m; m = m->next[0]) {
        atomic_store(&m->who.space->checked.due_us, m->active ? next : 0);
    }
    return next;
}
