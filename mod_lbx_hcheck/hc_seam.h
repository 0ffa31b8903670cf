/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the module offers to others: what is known of a member's health, checks on
 * demand, pauses, figures.
 *
 * Bound.  Any process.
 */
#ifndef HC_SEAM_H
#define HC_SEAM_H

#include "mod_lbx.h"

/* Offer the optional functions.  register_hooks. */
void hc_seam_register(void);

/* For the hook lbx_figures. */
int hc_seam_figures(apr_pool_t *p, const struct lbx_set_info *set,
                    const struct lbx_member_info *member, apr_array_header_t *figures);

#endif
