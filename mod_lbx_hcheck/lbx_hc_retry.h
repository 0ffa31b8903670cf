/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is a member that is out asked again?  By a probe, never by a request.
 *
 *     retry=30 in the file:   every 30 s, to the letter
 *     no retry=:              after 1 s, then 2, 4, 8, 16, 32 and 60 s, each but the
 *                             first up to a fifth shorter, by chance
 *
 * A member that failed again soon after it had come back goes on where it was.
 *
 * Not here: who probes, and what is a pass (the engine).
 *
 * Pure.
 */
#ifndef LBX_HC_RETRY_H
#define LBX_HC_RETRY_H

#include <stdint.h>

enum {
    LBX_HC_RETRY_FIRST_US = 1000000,
    LBX_HC_RETRY_MOST_US = 60000000,
    LBX_HC_RETRY_SOON_US = 10000000, /* back for less: it was not really well */
    LBX_HC_RETRY_TRIES_MAX = 16
};

/* Microseconds to the next probe after <tries> that failed.  <retry>: retry= in
 * microseconds and one more, 0: not said (lbx_hc_space.h). */
uint64_t lbx_hc_retry_delay(uint64_t retry, uint32_t tries, uint32_t random);

/* When the next one is due, after one that was due at <due_us>: the rhythm stays,
 * however long a probe takes. */
uint64_t lbx_hc_retry_next(uint64_t due_us, uint64_t delay_us, uint64_t now_us);

/* With how many tries a new ejection at <now_us> begins.  <back_us>: when it was let
 * in last, 0: it was never out; <tries>: of that time. */
uint32_t lbx_hc_retry_begin(uint32_t tries, uint64_t back_us, uint64_t now_us);

#endif
