/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbmethod providers, both ways: ours for whoever looks them up, and the adapter
 * that asks somebody else's.
 *
 * Bound.
 */
#ifndef CORE_LBMETHOD_H
#define CORE_LBMETHOD_H

#include "core_conf.h"

/* Register byrequests, bybusyness and bytraffic.  In register_hooks: the names
 * are looked up while the configuration is read. */
void core_lbmethod_register(apr_pool_t *p);

/* Let the foreign provider of this name choose; NULL: it found nobody, or is
 * not loaded.  The member is not reserved.  Request threads. */
struct core_member *core_lbmethod_req_foreign(struct core_set *set, proxy_balancer *b,
                                              request_rec *r, const char *name);

/* Tell the foreign provider of a choice that a session made. */
void core_lbmethod_req_elected(struct core_set *set, proxy_balancer *b, struct core_member *m,
                               const char *name);

#endif
