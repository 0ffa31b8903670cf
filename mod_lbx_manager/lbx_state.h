/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One word for what a member is doing, and the names of outcomes and answer classes,
 * as JSON and metrics show them.
 *
 * Not here: who decides it (core, the health checker).
 *
 * Pure.
 */
#ifndef LBX_STATE_H
#define LBX_STATE_H

#include "lbx_types.h"

enum lbx_state {
    LBX_STATE_UP = 0,
    LBX_STATE_SLOWSTART, /* takes requests, not its full share yet */
    LBX_STATE_FULL,      /* has maxconn= requests */
    LBX_STATE_DRAINING,  /* only its own sessions */
    LBX_STATE_ERROR,     /* requests failed */
    LBX_STATE_UNHEALTHY, /* health checks failed */
    LBX_STATE_DISABLED,
    LBX_STATE_STOPPED,
    LBX_STATE_SHUTDOWN,
    LBX_STATE_RETIRED, /* removed, its last requests are still going on */
    LBX_STATE_N
};

enum lbx_state lbx_state_of(const struct lbx_member_view *v, enum lbx_inelig inelig);

const char *lbx_state_name(enum lbx_state state);

/* Decided by the operator, rather than by failures. */
int lbx_state_is_admin(enum lbx_state state);

/* The state that an event made, by its kind and text ("change", "disabled: off -> on"), if
 * an operator decided it; else LBX_STATE_N. */
enum lbx_state lbx_state_of_event(const char *kind, const char *text);

/* "active", "standby" or "spare". */
const char *lbx_role_name(uint32_t admin);

/* "answered", "connect-failure" ...: LBXRetryOn's words where there is one. */
const char *lbx_attempt_name(enum lbx_outcome outcome);

/* "1xx" to "5xx", "other" for 0. */
const char *lbx_class_name(unsigned i);

#endif
