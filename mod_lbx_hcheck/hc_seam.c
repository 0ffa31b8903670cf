/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health for others.  See hc_seam.h and mod_lbx.h.
 *
 * Bound.
 */
#include "hc_seam.h"

#include "hc_conf.h"
#include "hc_state.h"

APLOG_USE_MODULE(lbx_hcheck);

/* What the checking process writes while we read: once more if it did. */
static const char *read_text(apr_pool_t *p, struct lbx_hc_checked *c)
{
    char text[LBX_HC_TEXT_MAX];

    for (int i = 0; i < 8; i++) {
        uint32_t before = atomic_load(&c->turn);

        memcpy(text, c->text, sizeof(text));
        text[sizeof(text) - 1] = '\0';
        if (!(before & 1) && atomic_load(&c->turn) == before) {
            break;
        }
    }
    return apr_pstrdup(p, text);
}

static int lbx_check_info(apr_pool_t *p, const struct lbx_set_info *set,
                          const struct lbx_member_info *member, struct lbx_check_info *out)
{
    struct lbx_hc_member *space = hc_state_space(member->view.ref);
    struct lbx_hc_checked *c;
    struct lbx_hc_spec spec;

    memset(out, 0, sizeof(*out));
    if (!space) {
        return 0;
    }
    c = &space->checked;
    if (hc_conf_spec(p, set->server, member->params, &spec)) {
        lbx_hc_spec_defaults(&spec);
    }
    out->state = lbx_hc_state_name(hc_state_of(space));
    out->cause = lbx_hc_cause_name((enum lbx_hc_cause)(atomic_load(&space->cause) & 0xff));
    out->since_us = atomic_load(&space->since_us);
    out->ejected = atomic_load(&space->ejected);
    out->method = hc_conf_method(&spec);
    out->uri = spec.uri ? spec.uri : "";
    out->expr = spec.expr ? spec.expr : "";
    out->interval_us = spec.interval_us;
    out->passes = spec.passes;
    out->fails = spec.fails;
    out->paused = atomic_load(&c->paused) != 0;
    out->at_us = atomic_load(&c->at_us);
    out->due_us = atomic_load(&c->due_us);
    out->latency_us = atomic_load(&c->latency_us);
    out->passed = atomic_load(&c->passed) != 0;
    out->status = atomic_load(&c->status);
    out->text = read_text(p, c);
    out->passes_in_row = atomic_load(&c->passes);
    out->fails_in_row = atomic_load(&c->fails);
    out->checks = atomic_load(&c->checks);
    out->failed = atomic_load(&c->failed);
    return 1;
}

static int lbx_check_now(struct lbx_ref member)
{
    struct lbx_hc_member *space = hc_state_space(member);

    if (space) {
        atomic_fetch_add(&space->checked.asked, 1);
    }
    return space != NULL;
}

static int lbx_check_pause(struct lbx_ref member, int on)
{
    struct lbx_hc_member *space = hc_state_space(member);

    if (space) {
        atomic_store(&space->checked.paused, on != 0);
    }
    return space != NULL;
}

static int lbx_check_force(const struct lbx_set_info *set, const struct lbx_member_info *member,
                           int down)
{
    const struct hc_who who = {
        .server = set->server,
        .set = set->ref,
        .member = member->view.ref,
        .balancer = set->name,
        .name = member->name,
        .space = hc_state_space(member->view.ref),
    };

    return who.space
           && hc_state_step(&who, down ? LBX_HC_CHECK_DOWN : LBX_HC_RESET, LBX_HC_C_OPERATOR, 0, "",
                            (uint64_t)apr_time_now());
}

static const apr_table_t *lbx_check_exprs(apr_pool_t *p, server_rec *s)
{
    apr_table_t *t = apr_table_make(p, 4);
    server_rec *from[] = {hc_conf_main(), s};

    for (int i = 0; i < 2; i++) {
        const apr_array_header_t *all = hc_conf_server(from[i])->named;

        for (int k = 0; k < all->nelts; k++) {
            const struct hc_expr *e = APR_ARRAY_IDX(all, k, const struct hc_expr *);

            apr_table_set(t, e->name, e->text);
        }
    }
    return t;
}

static void push(apr_array_header_t *figures, const char *name, const char *help, int counter,
                 const char *label, const char *value, double number)
{
    APR_ARRAY_PUSH(figures, struct lbx_figure) = (struct lbx_figure){
        .name = name,
        .help = help,
        .counter = counter,
        .label = label,
        .value = value,
        .number = number,
    };
}

int hc_seam_figures(apr_pool_t *p, const struct lbx_set_info *set,
                    const struct lbx_member_info *member, apr_array_header_t *figures)
{
    struct lbx_hc_member *space = member ? hc_state_space(member->view.ref) : NULL;
    struct lbx_hc_checked *c;
    uint64_t failed;

    (void)p, (void)set;
    if (!space) {
        return DECLINED;
    }
    c = &space->checked;
    failed = atomic_load(&c->failed);
    push(figures, "lbx_member_checks_total", "Health checks and probes, by result.", 1, "result",
         "passed", (double)(atomic_load(&c->checks) - failed));
    push(figures, "lbx_member_checks_total", "Health checks and probes, by result.", 1, "result",
         "failed", (double)failed);
    push(figures, "lbx_member_check_latency_seconds", "How long the last health check took.", 0,
         NULL, NULL, (double)atomic_load(&c->latency_us) / 1e6);
    push(figures, "lbx_member_ejections_total", "How often failed requests took the member out.", 1,
         NULL, NULL, (double)atomic_load(&space->ejected));
    return DECLINED;
}

void hc_seam_register(void)
{
    APR_REGISTER_OPTIONAL_FN(lbx_check_info);
    APR_REGISTER_OPTIONAL_FN(lbx_check_now);
    APR_REGISTER_OPTIONAL_FN(lbx_check_pause);
    APR_REGISTER_OPTIONAL_FN(lbx_check_force);
    APR_REGISTER_OPTIONAL_FN(lbx_check_exprs);
}
