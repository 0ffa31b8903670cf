/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passive rules: which outcomes of requests count against a member, and how many
 * of them are enough (LBXEject).
 *
 *     nothing said     one connect failure; 3 timeouts, gateway errors or closed
 *                      connections in a row
 *     consecutive=N    N failures in a row, of any kind
 *     failures=N/T     N failures within T
 *     ratio=P%         P of 100 requests, when there were enough within the window
 *     off              none
 *
 * Not here: whether others are left, and what happens then (hc_passive).
 *
 * Pure.  Counts are shared by all processes: atomic operations, no lock.
 */
#ifndef LBX_HC_EJECT_H
#define LBX_HC_EJECT_H

#include "lbx_hc_fsm.h"
#include "lbx_hc_space.h"

enum lbx_hc_eject_form {
    LBX_HC_EJECT_DEFAULT = 0,
    LBX_HC_EJECT_CONSECUTIVE,
    LBX_HC_EJECT_FAILURES,
    LBX_HC_EJECT_RATIO,
    LBX_HC_EJECT_OFF
};

enum { LBX_HC_STATUS_MAX = 16, LBX_HC_EJECT_STREAK = 3, LBX_HC_EJECT_COUNT_MAX = 1000000 };

struct lbx_hc_eject {
    enum lbx_hc_eject_form form;
    uint32_t n;         /* consecutive=, failures= */
    uint32_t percent;   /* ratio= */
    uint32_t min;       /* ... of at least so many requests */
    uint64_t window_us; /* failures=, ratio= */
    uint32_t status_n;  /* 0: 502, 503, 504 */
    uint16_t status[LBX_HC_STATUS_MAX];
};

/* One word of LBXEject.  0: not one of them, or a value that is out of range. */
int lbx_hc_eject_word(struct lbx_hc_eject *rules, const char *word);

/* Are the words that were given a rule? */
int lbx_hc_eject_whole(const struct lbx_hc_eject *rules);

/* What an attempt says of the member: LBX_HC_C_NONE nothing (its connection was
 * stale, the client has gone, it is our own limit), LBX_HC_C_ANSWERED good, else why
 * it counts against it.  <error>: the stock would take the member out. */
enum lbx_hc_cause lbx_hc_eject_cause(const struct lbx_hc_eject *rules, enum lbx_outcome outcome,
                                     unsigned status, int error);

/* Count it: LBX_HC_OK, LBX_HC_FAIL or LBX_HC_EJECT.  <cause> is not LBX_HC_C_NONE. */
enum lbx_hc_event lbx_hc_eject_count(const struct lbx_hc_eject *rules, struct lbx_hc_member *m,
                                     enum lbx_hc_cause cause, int error, uint64_t now_us);

/* Begin anew: the member has been let in. */
void lbx_hc_eject_clear(struct lbx_hc_member *m);

/* Requests and failures within the window; for display and tests. */
void lbx_hc_eject_window(const struct lbx_hc_eject *rules, const struct lbx_hc_member *m,
                         uint64_t now_us, uint32_t *requests, uint32_t *failures);

/* May one more of <n> members be out, when <out> are already?  One always may. */
static inline int lbx_hc_eject_allowed(uint32_t percent, uint32_t n, uint32_t out)
{
    return !out || (uint64_t)(out + 1) * 100 <= (uint64_t)percent * n;
}

#endif
