/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eligibility and tiers.  See lbx_eligible.h.
 *
 * Pure.
 */
#include "lbx_eligible.h"

#include "lbx_limit.h"


int lbx_error_over(const struct lbx_member_view *v, uint64_t now_us)
{
    if (!v->error_at_us || v->run.admin & LBX_ADMIN_STOPPED) {
        return 0;
    }
    return v->run.admin & LBX_ADMIN_IGNORE_ERRORS
           || (!v->held && now_us > v->error_at_us + v->retry_us);
}

uint64_t lbx_error_ends(const struct lbx_member_view *v)
{
    if (!v->error_at_us) {
        return 0;
    }
    return v->run.admin & LBX_ADMIN_STOPPED || v->held ? UINT64_MAX : v->error_at_us + v->retry_us;
}

static int was_tried(const struct lbx_ask *ask, uint32_t index)
{
    return ask->tried && ask->tried[index / 32] >> (index % 32) & 1;
}

/* Have its sessions had their time? */
static int drained(const struct lbx_member_view *v, uint64_t now_us)
{
    return v->drain_us && v->drain_at_us && now_us > v->drain_at_us + v->drain_us;
}

enum lbx_inelig lbx_eligible(const struct lbx_member_view *v, uint32_t index,
                             const struct lbx_ask *ask)
{
    static const struct {
        uint32_t bit;
        enum lbx_inelig why;
    } operator_says[] = {
        {LBX_ADMIN_STOPPED, LBX_IN_STOPPED},
        {LBX_ADMIN_DISABLED, LBX_IN_DISABLED},
        {LBX_ADMIN_SHUTDOWN, LBX_IN_SHUTDOWN},
    };

    if (v->retired) {
        return LBX_IN_RETIRED;
    }
    for (unsigned i = 0; i < sizeof(operator_says) / sizeof(operator_says[0]); i++) {
        if (v->run.admin & operator_says[i].bit) {
            return operator_says[i].why;
        }
    }
    if (v->health & LBX_HEALTH_FAILED && !v->panic) {
        return LBX_IN_HCFAILED;
    }
    if (v->error_at_us && !v->panic && !lbx_error_over(v, ask->now_us)) {
        return LBX_IN_ERROR;
    }
    if (v->run.admin & LBX_ADMIN_DRAIN && (!ask->sticky || drained(v, ask->now_us))) {
        return LBX_IN_DRAIN;
    }
    if (was_tried(ask, index)) {
        return LBX_IN_TRIED;
    }
    return ask->count && v->run.maxconn && v->in_flight >= lbx_limit(v->run.maxconn, v->ramp)
               ? LBX_IN_FULL
               : LBX_ELIGIBLE;
}

uint32_t lbx_admin_out(uint32_t admin)
{
    static const uint32_t bits[] = {LBX_ADMIN_STOPPED, LBX_ADMIN_DISABLED, LBX_ADMIN_SHUTDOWN,
                                    LBX_ADMIN_DRAIN};

    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (admin & bits[i]) {
            return bits[i];
        }
    }
    return 0;
}

const char *lbx_inelig_text(enum lbx_inelig why)
{
    static const char *const text[LBX_INELIG_N] = {
        [LBX_ELIGIBLE] = "usable",        [LBX_IN_RETIRED] = "no longer configured",
        [LBX_IN_STOPPED] = "stopped",     [LBX_IN_DISABLED] = "disabled",
        [LBX_IN_SHUTDOWN] = "shut down",  [LBX_IN_HCFAILED] = "failed its health check",
        [LBX_IN_ERROR] = "in error",      [LBX_IN_DRAIN] = "draining",
        [LBX_IN_TRIED] = "already tried", [LBX_IN_FULL] = "full",
    };

    return why < LBX_INELIG_N && text[why] ? text[why] : "unknown";
}

/* The lowest lbset above <after> that any member has; UINT32_MAX: none. */
static uint32_t next_lbset(const struct lbx_member_view *v, uint32_t n, int64_t after)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++) {
        if ((int64_t)v[i].run.lbset > after && v[i].run.lbset < best) {
            best = v[i].run.lbset;
        }
    }
    return best;
}

enum role { ROLE_MEMBER, ROLE_SPARE, ROLE_STANDBY };

static enum role role_of(const struct lbx_member_view *v)
{
    if (v->run.admin & LBX_ADMIN_SPARE) {
        return ROLE_SPARE;
    }
    return v->run.admin & LBX_ADMIN_STANDBY ? ROLE_STANDBY : ROLE_MEMBER;
}

/* Add up to <most> eligible members of one lbset and role; returns how many of
 * that role could not be used. */
static uint32_t collect(const struct lbx_member_view *v, uint32_t n, const struct lbx_ask *ask,
                        enum role role, uint32_t most, uint16_t *chosen, struct lbx_tier *tier)
{
    uint32_t unusable = 0;

    for (uint32_t i = 0; i < n && most; i++) {
        if (v[i].retired || v[i].run.lbset != tier->lbset || role_of(&v[i]) != role) {
            continue; /* nobody stands in for a member that is not configured */
        }
        if (lbx_eligible(&v[i], i, ask) == LBX_ELIGIBLE) {
            chosen[tier->n++] = (uint16_t)i;
            most--;
        } else {
            unusable++;
        }
    }
    return unusable;
}

/* When to look again, and whether recovery by force could help. */
static void look_at_errors(const struct lbx_member_view *v, uint32_t n, const struct lbx_ask *ask,
                           struct lbx_tier *tier)
{
    tier->valid_until_us = UINT64_MAX;
    tier->errors = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ends = lbx_error_ends(&v[i]);

        if (lbx_eligible(&v[i], i, ask) == LBX_IN_ERROR) {
            tier->errors += !(v[i].run.admin & LBX_ADMIN_DRAIN);
            if (ends < tier->valid_until_us) {
                tier->valid_until_us = ends;
            }
        }
    }
}

void lbx_tier_select(const struct lbx_member_view *v, uint32_t n, const struct lbx_ask *ask,
                     uint16_t *chosen, struct lbx_tier *tier)
{
    tier->n = 0;
    look_at_errors(v, n, ask, tier);
    for (tier->lbset = next_lbset(v, n, -1); tier->lbset != UINT32_MAX && !tier->n;
         tier->lbset = next_lbset(v, n, tier->lbset)) {
        uint32_t unusable = collect(v, n, ask, ROLE_MEMBER, n, chosen, tier);

        collect(v, n, ask, ROLE_SPARE, unusable, chosen, tier);
        if (!tier->n) {
            collect(v, n, ask, ROLE_STANDBY, n, chosen, tier);
        }
        if (tier->n) {
            break;
        }
    }
}
