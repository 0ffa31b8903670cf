/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that come and go at run time.  A record in the segment is made or
 * retired by whoever is asked to; every process, whatever generation, notices by
 * a counter in the balancer's record and makes what it needs of its own: mod_proxy
 * reads "key=value ..." as it reads BalancerMember.
 *
 * Not here: fields of members that stay (core_change).
 *
 * Bound.
 */
#ifndef CORE_MEMBERS_H
#define CORE_MEMBERS_H

#include "core_conf.h"

/* Know the members that the record knows.  core_members_req_sync costs two loads
 * when there is nothing new; the other one is for who holds set->compiling. */
void core_members_req_sync(struct core_set *set);
void core_members_req_sync_locked(struct core_set *set);

/* Take the place of a member that was added in an earlier generation, at
 * set->member[set->n].  NULL, or why it cannot be made.  Parent, post_config. */
const char *core_members_boot_keep(apr_pool_t *p, struct core_set *set, struct lbx_ref ref);

/* Add a member of the last run.  Admin mutex held.  NULL, or why not.  Parent, post_config. */
const char *core_members_boot_add_locked(apr_pool_t *p, struct core_set *set, const char *url,
                                         const char *params);

/* All members that there are have their places: what comes from here on is new.
 * Parent, post_config. */
void core_members_boot_settle(const struct core_gen *gen);

/* Make what each child has of its own.  child_init. */
void core_members_child_init(apr_pool_t *p);

/* Offer the optional functions.  register_hooks. */
void core_members_register(void);

#endif
