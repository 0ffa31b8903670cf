/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which child checks: the one that holds a lock on a file without a name, which the
 * parent has opened.  The kernel takes it from a child that dies, however it dies.
 * Each generation has a file of its own, so that a new one need not wait for the last.
 *
 * Not here: what the child does with it (hc_engine).
 *
 * Bound.
 */
#ifndef HC_LEASE_H
#define HC_LEASE_H

#include "mod_lbx.h"

/* The parent, at every (re)start; closed with <p>. */
apr_status_t hc_lease_boot_open(apr_pool_t *p);

/* Try to get it; never waits.  1: this child has it. */
int hc_lease_tick_take(void);
void hc_lease_tick_give(void);

/* Has the server been reloaded since this child was made? */
int hc_lease_tick_is_old(void);

#endif
