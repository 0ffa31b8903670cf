/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes at run time: of one field or of many at once, all or nothing, with the
 * revision that they were based on.
 *
 * Not here: members that come and go (core_member), what a field takes
 * (lbx_vals), who may change what (the manager).
 *
 * Bound.
 */
#ifndef CORE_CHANGE_H
#define CORE_CHANGE_H

#include "core_conf.h"

/* Somebody's text as it may stand in a log line or a message: control characters
 * escaped, and not for ever. */
const char *core_change_shown(apr_pool_t *p, const char *text);

/* The revision moves.  Admin mutex held.  Around a change, before and after: who
 * asked for it in between has seen neither state for certain. */
void core_change_move(struct lbx_seg_set *set);

/* Offer the optional functions.  register_hooks. */
void core_change_register(void);

#endif
