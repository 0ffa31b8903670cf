/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The curve of slow start.  See lbx_slowstart.h.
 *
 * Pure.
 */
#include "lbx_slowstart.h"

#include <math.h>

uint32_t lbx_slowstart_ramp(const struct lbx_slowstart *s, uint64_t elapsed_us)
{
    uint32_t step, ramp;

    if (elapsed_us >= s->window_us) {
        return LBX_RAMP_FULL;
    }
    /* division first where the product would not fit */
    step = elapsed_us < UINT64_MAX / LBX_SLOWSTART_STEPS
               ? (uint32_t)(elapsed_us * LBX_SLOWSTART_STEPS / s->window_us)
               : (uint32_t)(elapsed_us / (s->window_us / LBX_SLOWSTART_STEPS + 1));
    ramp = (uint32_t)(LBX_RAMP_FULL
                      * pow((double)step / LBX_SLOWSTART_STEPS,
                            100.0 / (s->aggression ? s->aggression : 100)));
    if (ramp < s->minimum) {
        ramp = s->minimum;
    }
    return ramp < 1 ? 1 : ramp > LBX_RAMP_FULL ? LBX_RAMP_FULL : ramp;
}

uint32_t lbx_slowstart_relative(uint32_t ramp, uint32_t fastest)
{
    uint32_t step = LBX_RAMP_FULL / LBX_SLOWSTART_STEPS;

    if (fastest >= LBX_RAMP_FULL || !fastest) {
        return ramp;
    }
    if (ramp >= fastest) {
        return LBX_RAMP_FULL;
    }
    ramp = (uint32_t)((uint64_t)ramp * LBX_RAMP_FULL / fastest);
    return ramp < step ? (ramp ? ramp : 1) : ramp / step * step;
}
