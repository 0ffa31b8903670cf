/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that checks: one in one child, whatever happens to children.
 *
 *     each child:  wait for the lease -> read the balancers -> check, until the child
 *                  ends, dies, or the server is reloaded
 *
 * Everything that the next one has to know stands in the members' spaces: states,
 * streaks, when a check is due.  So none is lost when a child dies, and none starts
 * anew.
 *
 * Bound.
 */
#ifndef HC_ENGINE_H
#define HC_ENGINE_H

#include "mod_lbx.h"

/* The parent, at every (re)start, when core is ready. */
apr_status_t hc_engine_boot_prepare(apr_pool_t *p, server_rec *s);

/* child_init: the thread starts, and ends with <p>. */
void hc_engine_child_start(apr_pool_t *p, server_rec *s);

#endif
