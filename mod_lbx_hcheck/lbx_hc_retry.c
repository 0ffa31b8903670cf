/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule of probes.  See lbx_hc_retry.h.
 *
 * Pure.
 */
#include "lbx_hc_retry.h"

/* Not more often than this, whatever retry= says. */
enum { LEAST_US = 100000 };

uint64_t lbx_hc_retry_delay(uint64_t retry, uint32_t tries, uint32_t random)
{
    uint64_t delay = LBX_HC_RETRY_FIRST_US;

    if (retry) {
        return retry - 1 < LEAST_US ? LEAST_US : retry - 1;
    }
    for (uint32_t i = 0; i < tries && delay < LBX_HC_RETRY_MOST_US; i++) {
        delay *= 2;
    }
    if (delay > LBX_HC_RETRY_MOST_US) {
        delay = LBX_HC_RETRY_MOST_US;
    }
    return tries ? delay - delay / 5 * (random & 0xffff) / 0xffff : delay;
}

uint64_t lbx_hc_retry_next(uint64_t due_us, uint64_t delay_us, uint64_t now_us)
{
    return due_us && due_us + delay_us > now_us ? due_us + delay_us : now_us + delay_us;
}

uint32_t lbx_hc_retry_begin(uint32_t tries, uint64_t back_us, uint64_t now_us)
{
    if (!back_us || now_us > back_us + LBX_HC_RETRY_SOON_US) {
        return 0;
    }
    return tries < LBX_HC_RETRY_TRIES_MAX ? tries + 1 : tries;
}
