/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the result of a check means for the members that share it: streaks, verdicts,
 * and when the next one is due.
 *
 * Not here: the states themselves (lbx_hc_fsm), the log of their changes (hc_state),
 * probes' schedules (hc_recover).
 *
 * Bound.  The thread that checks only, except for _boot_.
 */
#ifndef HC_VERDICT_H
#define HC_VERDICT_H

#include "hc_probe.h"

/* How the members begin: hcinit=, and what an edited file means for the last verdict.
 * The parent at a (re)start. */
void hc_verdict_boot_begin(const struct hc_model *m, uint64_t now_us);

/* Checks that were changed at run time begin anew; a member that is checked no more is
 * not down any more. */
void hc_verdict_tick_begin(const struct hc_model *m, uint64_t now_us);

/* A check has ended. */
void hc_verdict_tick_apply(struct hc_target *t, const struct hc_result *result, uint64_t now_us);

/* When the next check of <t> is due, after one that was due at t->due_us. */
uint64_t hc_verdict_tick_next(const struct hc_target *t, uint64_t now_us, uint32_t dice);

/* Is a member of <t> checked by schedule? */
int hc_verdict_tick_active(const struct hc_target *t);

#endif
