/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How members come back: when a probe is due, slow start, the operator's return,
 * panic; and what a killed process left undone.  The process that checks calls it
 * with its tick.
 *
 *     every 100 ms or so        hc_recover_watch_tick
 *     hc_recover_due() says so  hc_recover_watch_begin, the probe, hc_recover_watch_probed
 *
 * Not here: how a probe is made (the engine), who is taken out (hc_passive).
 *
 * Bound.  One process, one thread, except where it says otherwise.
 */
#ifndef HC_RECOVER_H
#define HC_RECOVER_H

#include "hc_rules.h"
#include "hc_state.h"

/* Retrieve core's functions.  post_config, after core's. */
void hc_recover_boot_bind(void);

/* Look at all members of all balancers. */
void hc_recover_watch_tick(uint64_t now_us);

/* Is a probe of the member due?  <admin>: what the operator decided.  Any process. */
int hc_recover_due(const struct lbx_hc_member *space, uint32_t admin, uint64_t now_us);

/* Is a connection too little to let the member in?  It took requests and did not answer
 * them as it should: that of a process that hangs is made all the same, by the system.
 * Nor does it help that checks found it down since. */
int hc_recover_needs_answer(const struct lbx_hc_member *space);

/* A check or a probe has failed, for that cause; before what follows from it. */
void hc_recover_watch_failed(struct lbx_hc_member *space, enum lbx_hc_cause cause);

/* A probe begins. */
void hc_recover_watch_begin(const struct hc_who *who, uint64_t now_us);

/* ... and has ended.  The cause, status and detail of a failure, as in hc_state_step. */
void hc_recover_watch_probed(const struct hc_who *who, int passed, enum lbx_hc_cause cause,
                             unsigned status, const char *detail, uint64_t now_us);

#endif
