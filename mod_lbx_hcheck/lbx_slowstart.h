/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow start: the share of its weight that a member has a while after it came
 * back.  Envoy's formula: max(minimum, (elapsed / window) ^ (1 / aggression)).
 * The share rises in LBX_SLOWSTART_STEPS steps, each of which makes every process
 * compile its members anew.
 *
 *     window 20s, aggression 1, minimum 10 %
 *     after    0s   1s   2s   3s  ...  10s  ...  19s   20s
 *     share   10%  10%  10%  15%       50%       95%  100%
 *
 * Not here: when it begins and ends (hc_recover).
 *
 * Pure.
 */
#ifndef LBX_SLOWSTART_H
#define LBX_SLOWSTART_H

#include "lbx_types.h"

enum { LBX_SLOWSTART_STEPS = 20 };

struct lbx_slowstart {
    uint64_t window_us;  /* 0: no slow start */
    uint32_t aggression; /* hundredths; above 100: fast at first */
    uint32_t minimum;    /* of LBX_RAMP_FULL, at least 1 */
};

/* The share <elapsed_us> after the return: 1 to LBX_RAMP_FULL. */
uint32_t lbx_slowstart_ramp(const struct lbx_slowstart *s, uint64_t elapsed_us);

/* The share when the fastest of the usable members is at <fastest>: while all of
 * them start slowly, slowness has nobody to spare the others for.  In whole steps,
 * not below 1. */
uint32_t lbx_slowstart_relative(uint32_t ramp, uint32_t fastest);

#endif
