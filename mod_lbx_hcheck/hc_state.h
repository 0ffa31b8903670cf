/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a member's state and what follows from them: core is told, one
 * line is logged, one event remembered.  The only place that does.
 *
 * Not here: which change is due (hc_passive for requests, the engine for checks,
 * hc_recover for time).
 *
 * Bound.
 */
#ifndef HC_STATE_H
#define HC_STATE_H

#include "lbx_hc_fsm.h"
#include "lbx_hc_space.h"
#include "lbx_slowstart.h"
#include "mod_lbx.h"

/* A member, as much as is needed to change it and to speak of it. */
struct hc_who {
    server_rec *server; /* whose log */
    struct lbx_ref set;
    struct lbx_ref member;
    const char *balancer; /* "balancer://name" */
    const char *name;     /* the member's */
    struct lbx_hc_member *space;
};

/* Retrieve core's functions.  post_config, after core's. */
void hc_state_boot_bind(void);

/* The space of a member or balancer; NULL: there is no such record (any more). */
struct lbx_hc_member *hc_state_space(struct lbx_ref member);
struct lbx_hc_set *hc_state_set_space(struct lbx_ref set);

/* Tell core that the member is out since <at_us>, held until somebody ends it, or in
 * again (0).  Returns 1 when that changed something.  hc_state_step does what a change
 * of state needs; this is for who has to be first. */
int hc_state_hold(struct lbx_ref member, uint64_t at_us);

/* Tell core the member's share.  The process that checks. */
void hc_state_ramp(const struct hc_who *who, uint32_t ramp);

/* Its slow start, as the configuration has it. */
void hc_state_slow(const struct lbx_hc_member *space, struct lbx_slowstart *out);

static inline enum lbx_hc_state hc_state_of(const struct lbx_hc_member *space)
{
    return (enum lbx_hc_state)(atomic_load_explicit(&space->state, memory_order_relaxed) & 0xff);
}

/*
 * Let <event> happen to a member at <now_us>.  <status> of an answer, or 0;
 * <detail>: more about the cause, or "".  Any process for the events of requests,
 * the one that checks for the others.  Returns 1 when the state changed.
 */
int hc_state_step(const struct hc_who *who, enum lbx_hc_event event, enum lbx_hc_cause cause,
                  unsigned status, const char *detail, uint64_t now_us);

/* Tell core once more what the state means: it seems not to know. */
void hc_state_again(const struct hc_who *who, uint64_t now_us);

#endif
