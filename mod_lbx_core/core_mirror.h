/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The projection of our state into mod_proxy's own structures, for those who
 * look there: mod_status, foreign lbmethod providers, other modules.
 *
 * One way only.  What somebody else writes there is not read back; the
 * exceptions are lbstatus and context of a balancer that a foreign provider
 * manages, which are left to it.
 *
 * Bound.
 */
#ifndef CORE_MIRROR_H
#define CORE_MIRROR_H

#include "core_conf.h"

/* Put the members' and balancers' shared structs into memory that the children
 * of this generation share.  Parent, post_config, after adoption. */
apr_status_t core_mirror_boot_share(const struct core_gen *gen, apr_pool_t *pconf);

/* Write the present state of one set. */
void core_mirror_publish(struct core_set *set);

/* Write the state of every balancer that <s> shows. */
void core_mirror_publish_server(server_rec *s);

/* The status word that stock modules would show for this view. */
unsigned core_mirror_status(const struct lbx_member_view *v);

#endif
