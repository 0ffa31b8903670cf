/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outliers: members that do much worse than the others over an interval, though
 * none of their failures was reason enough (LBXOutlier).
 *
 *     success-rate=1.9       below mean - 1.9 standard deviations of the success rates
 *     failure-percentage=85  so many of 100 requests failed, or more
 *     latency=3              took, on average, over 3 times as long as the median member
 *
 * Each looks at members with at least volume= requests, and only when there are
 * hosts= of them.  Envoy's definitions, the one about latency excepted.
 *
 * Not here: where the counts come from, what happens to an outlier (hc_outlier).
 *
 * Pure.
 */
#ifndef LBX_OUTLIER_H
#define LBX_OUTLIER_H

#include <stdint.h>

struct lbx_outlier {
    uint32_t rate;       /* hundredths of a standard deviation; 0: do not look */
    uint32_t percentage; /* of failures; 0: do not look */
    uint32_t latency;    /* hundredths: times the median; 0: do not look */
    uint32_t hosts;
    uint32_t volume;
    uint64_t interval_us;
    uint64_t base_us; /* how long an outlier is out at the first time */
    uint64_t max_us;
};

/* One member over one interval. */
struct lbx_outlier_in {
    uint64_t requests; /* 0 as well for one that is out already */
    uint64_t failed;
    uint64_t heads; /* answers whose head came, and how long that took together */
    uint64_t latency_us;
};

enum lbx_outlier_why {
    LBX_OUTLIER_NO = 0,
    LBX_OUTLIER_RATE,
    LBX_OUTLIER_PERCENTAGE,
    LBX_OUTLIER_LATENCY
};

/* Everything off, Envoy's numbers for the rest. */
void lbx_outlier_defaults(struct lbx_outlier *rules);

static inline int lbx_outlier_on(const struct lbx_outlier *rules)
{
    return rules->rate || rules->percentage || rules->latency;
}

/* Who of <n> is an outlier, and why.  <scratch>: room for <n> numbers. */
void lbx_outlier_find(const struct lbx_outlier *rules, const struct lbx_outlier_in *in, uint32_t n,
                      double *scratch, enum lbx_outlier_why *why);

/* How long the <times>-th ejection (1: the first) lasts at least. */
uint64_t lbx_outlier_time(const struct lbx_outlier *rules, uint32_t times);

#endif
