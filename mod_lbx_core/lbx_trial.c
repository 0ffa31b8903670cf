/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials.  See lbx_trial.h.
 *
 * Pure.
 */
#include "lbx_trial.h"

void lbx_trial_failed(struct lbx_seg_member *m, uint64_t took_ms)
{
    uint32_t ms = took_ms < UINT32_MAX ? (uint32_t)took_ms : UINT32_MAX;

    atomic_store(&m->slow_ms, ms >= LBX_TRIAL_SLOW_MS ? ms : 0);
    atomic_store(&m->trial_us, 0);
}

void lbx_trial_begin(struct lbx_seg_member *m)
{
    uint64_t none = 0;

    if (atomic_load(&m->slow_ms)) {
        atomic_compare_exchange_strong(&m->trial_us, &none, 1);
    }
}

int lbx_trial_take(struct lbx_seg_member *m, uint64_t now_us)
{
    uint64_t until = atomic_load(&m->trial_us);
    uint64_t wait = 2000ull * atomic_load(&m->slow_ms);

    if (!until) {
        return 1;
    }
    wait = wait < LBX_TRIAL_LEAST_US ? LBX_TRIAL_LEAST_US : wait;
    return until <= now_us && atomic_compare_exchange_strong(&m->trial_us, &until, now_us + wait);
}

void lbx_trial_give_back(struct lbx_seg_member *m)
{
    uint64_t until = atomic_load(&m->trial_us);

    if (until > 1) {
        atomic_compare_exchange_strong(&m->trial_us, &until, 1);
    }
}

int lbx_trial_end(struct lbx_seg_member *m)
{
    atomic_store(&m->slow_ms, 0);
    return atomic_exchange(&m->trial_us, 0) != 0;
}
