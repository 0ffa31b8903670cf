/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a member and its words to what is done: see struct hc_plan.
 *
 * Bound.
 */
#ifndef HC_PLAN_H
#define HC_PLAN_H

#include "hc_model.h"

/* The plan of a member's checks, in <p>; for one without hcmethod= that of probes: a
 * connection, CPING for AJP.  <spec>: see hc_conf_spec. */
const struct hc_plan *hc_plan_make(apr_pool_t *p, server_rec *s, const char *balancer,
                                   const struct lbx_member_info *info,
                                   const struct lbx_hc_spec *spec);

/* Do the words go together for a member of this scheme?  NULL, or what does not,
 * in <p>. */
const char *hc_plan_error(apr_pool_t *p, const char *scheme, const struct lbx_hc_spec *spec);

/* Does the scheme mean TLS? */
int hc_plan_is_tls(const char *scheme);

#endif
