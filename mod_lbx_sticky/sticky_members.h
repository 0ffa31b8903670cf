/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balancers of this generation with their rules and keys, and which member an id
 * in a cookie stands for.
 *
 * A member's identity is its route= where it has one, else its name: the same on every
 * node that is configured alike, and after every restart.  Its automatic route, for
 * what is readable, is a hash of that.
 *
 * Bound.
 */
#ifndef STICKY_MEMBERS_H
#define STICKY_MEMBERS_H

#include "sticky_conf.h"

enum { STICKY_ROUTE_TEXT = 17, STICKY_NOBODY = UINT32_MAX };

/* Make the table of balancers.  Parent, post_config, after core's. */
apr_status_t sticky_members_boot_build(apr_pool_t *p, apr_pool_t *ptemp, server_rec *main);

/* Make what each child has of its own.  child_init. */
void sticky_members_child_init(apr_pool_t *p);

/* The balancers of this generation: struct sticky_set *. */
const apr_array_header_t *sticky_members_all(void);

/* The balancer, or NULL: nothing is known of it. */
struct sticky_set *sticky_members_set(struct lbx_ref set);

/* Under which a member is known, in <room> if need be. */
const char *sticky_members_identity(const char *route, const char *name, apr_pool_t *p);

/* The route in force: <route>, or the automatic one, in <room>. */
const char *sticky_members_route(const char *route, const char *name, char room[STICKY_ROUTE_TEXT]);

/* Who has this id under key <k>; STICKY_NOBODY.  Request threads. */
uint32_t sticky_members_req_by_id(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                  unsigned k, uint64_t id);

/* A member's number for memory that nodes share: a hash of its identity. */
uint64_t sticky_members_public(const char *route, const char *name);

/* Who has this number, as <shorten> makes one of the hash; STICKY_NOBODY.  Request
 * threads. */
uint32_t sticky_members_req_by_number(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                      uint32_t number, uint32_t (*shorten)(uint64_t hash));

/* Who has this route, automatic ones included; STICKY_NOBODY.  Request threads. */
uint32_t sticky_members_req_by_route(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                     const char *route, size_t len);

#endif
