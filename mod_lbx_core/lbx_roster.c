/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles rosters.  See lbx_roster.h.
 *
 * Pure.
 */
#include "lbx_roster.h"

#include "lbx_limit.h"

#include <string.h>

/* One unit of work moves a member's virtual time by SCALE / weight and the
 * balancer's by SCALE / period.  With the least common multiple as the scale
 * both are whole numbers.  Weights that have none below this limit get a
 * multiple of the period: the balancer's step is exact and a member's rounded
 * down (by less than 1 in 1,000 for any weights that loadfactor= can express),
 * so that no time makes everybody look ahead of the balancer. */
#define SCALE_MAX (1u << 28)

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;

    while (y) {
        uint64_t t = x % y;

        x = y;
        y = t;
    }
    return a / x * b;
}

static uint64_t scale_of(const uint32_t *weights, uint32_t n, uint32_t period)
{
    uint64_t scale = period ? period : 1;

    for (uint32_t i = 0; i < n && scale <= SCALE_MAX; i++) {
        scale = common_multiple(scale, weights[i]);
    }
    return scale <= SCALE_MAX ? scale : SCALE_MAX / period * period;
}

static uint64_t up8(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

/* Where the parts of a roster begin in its block. */
struct parts {
    uint64_t cand, place_of, order, total;
};

static struct parts lay_out(uint32_t members, uint32_t n, uint32_t period)
{
    struct parts p;

    p.cand = up8(sizeof(struct lbx_roster));
    p.place_of = up8(p.cand + n * sizeof(struct lbx_cand));
    p.order = up8(p.place_of + members * sizeof(uint32_t));
    /* scratch of the order stands behind it */
    p.total = up8(p.order + period * sizeof(uint16_t)) + up8(n * sizeof(uint16_t))
              + n * sizeof(struct lbx_order_stream);
    return p;
}

uint64_t lbx_roster_plan(const struct lbx_roster_in *in, const struct lbx_ask *ask,
                         uint16_t *chosen, uint32_t *weights, struct lbx_tier *tier,
                         uint32_t *period)
{
    lbx_tier_select(in->view, in->n, ask, chosen, tier);
    for (uint32_t i = 0; i < tier->n; i++) {
        const struct lbx_member_view *v = &in->view[chosen[i]];

        weights[i] = (uint32_t)((uint64_t)v->run.weight * v->ramp / LBX_RAMP_FULL);
        if (!weights[i]) {
            weights[i] = 1; /* a share too small to say; never a division by zero */
        }
    }
    *period = tier->n ? lbx_order_reduce(weights, tier->n) : 0;
    return lay_out(in->n, tier->n, *period).total;
}

static void fill_candidates(struct lbx_roster *r, const struct lbx_roster_in *in,
                            const uint16_t *chosen, const uint32_t *weights)
{
    uint64_t scale = scale_of(weights, r->n, r->period);

    r->step = r->period ? scale / r->period : 0;
    memset(r->place_of, 0xff, in->n * sizeof(r->place_of[0]));
    for (uint32_t i = 0; i < r->n; i++) {
        struct lbx_cand *c = &r->cand[i];

        c->index = chosen[i];
        c->rec = in->rec[c->index];
        c->slot = in->view[c->index].ref.slot;
        c->weight = weights[i];
        c->limit = lbx_limit(in->view[c->index].run.maxconn, in->view[c->index].ramp);
        c->trial = in->view[c->index].trial;
        c->step = scale / weights[i];
        r->place_of[c->index] = i;
    }
}

struct lbx_roster *lbx_roster_make(const struct lbx_roster_in *in, const uint16_t *chosen,
                                   const uint32_t *weights, const struct lbx_tier *tier,
                                   uint32_t period, void *mem)
{
    struct parts p = lay_out(in->n, tier->n, period);
    char *base = mem;
    struct lbx_roster *r = mem;
    char *scratch = base + up8(p.order + period * sizeof(uint16_t));

    memset(r, 0, sizeof(*r));
    r->magic = LBX_ROSTER_MAGIC;
    r->epoch = in->epoch;
    r->valid_until_us = tier->valid_until_us;
    r->n = tier->n;
    r->period = period;
    r->errors = tier->errors;
    r->members = in->n;
    r->set = in->set;
    r->cand = (void *)(base + p.cand);
    r->place_of = (void *)(base + p.place_of);
    r->order = (void *)(base + p.order);
    fill_candidates(r, in, chosen, weights);
    if (r->n) {
        lbx_order_fill(weights, r->n, r->order, period, (void *)scratch,
                       (void *)(scratch + up8(r->n * sizeof(uint16_t))));
    }
    return r;
}
