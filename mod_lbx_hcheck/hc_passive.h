/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passive verdicts: what the outcome of each request says of its member.
 *
 * Not here: the rules (lbx_hc_eject), how a member comes back (hc_recover).
 *
 * Bound.  Request threads of all processes.
 */
#ifndef HC_PASSIVE_H
#define HC_PASSIVE_H

#include "mod_lbx.h"

#include "hc_rules.h"
#include "hc_state.h"

/* The members of a balancer, counted. */
struct hc_census {
    uint32_t n;       /* in the configuration */
    uint32_t serving; /* ... and in service, as the operator has it */
    uint32_t usable;  /* ... and taking requests */
    uint32_t good;    /* ... not only because nobody else is left; without <but> */
    uint32_t ejected; /* out by passive rules */
    uint64_t out_us;  /* since when <but> is out; 0: it is not */
    struct lbx_ref but;
};

/* Retrieve core's functions.  post_config, after core's. */
void hc_passive_boot_bind(void);

/* Count them; <but> may be {0, 0}.  Looks at each of them. */
void hc_passive_count(const struct hc_rules *rules, struct lbx_ref but, struct hc_census *out);

/* Take the member out, if the rules about the others allow it.  Any process.
 * <sure>: even when nobody else is left.  1: it was done. */
int hc_passive_eject(const struct hc_rules *rules, const struct hc_who *who,
                     enum lbx_hc_cause cause, unsigned status, const char *detail, int sure,
                     uint64_t now_us);

/* The hook lbx_outcome. */
int hc_passive_req_outcome(struct lbx_report *report);

#endif
