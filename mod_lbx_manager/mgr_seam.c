/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core's functions.  See mgr_seam.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_seam.h"

APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(lbx, LBX, int, lbx_figures,
                                    (apr_pool_t * p, const struct lbx_set_info *set,
                                     const struct lbx_member_info *member,
                                     apr_array_header_t *figures),
                                    (p, set, member, figures), OK, DECLINED)

static struct mgr_seam seam; /* filled in each generation */

void mgr_seam_boot(void)
{
    seam.snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    seam.events = APR_RETRIEVE_OPTIONAL_FN(lbx_events);
    seam.apply = APR_RETRIEVE_OPTIONAL_FN(lbx_apply);
    seam.apply_if = APR_RETRIEVE_OPTIONAL_FN(lbx_apply_if);
    seam.revision = APR_RETRIEVE_OPTIONAL_FN(lbx_revision);
    seam.add = APR_RETRIEVE_OPTIONAL_FN(lbx_member_add);
    seam.remove = APR_RETRIEVE_OPTIONAL_FN(lbx_member_remove);
    seam.health_set = APR_RETRIEVE_OPTIONAL_FN(lbx_health_set);
    seam.check_info = APR_RETRIEVE_OPTIONAL_FN(lbx_check_info);
    seam.check_now = APR_RETRIEVE_OPTIONAL_FN(lbx_check_now);
    seam.check_pause = APR_RETRIEVE_OPTIONAL_FN(lbx_check_pause);
    seam.check_force = APR_RETRIEVE_OPTIONAL_FN(lbx_check_force);
    seam.check_exprs = APR_RETRIEVE_OPTIONAL_FN(lbx_check_exprs);
    seam.event_add = APR_RETRIEVE_OPTIONAL_FN(lbx_event_add);
}

const struct mgr_seam *mgr_seam(void)
{
    return &seam;
}

void mgr_seam_figures(apr_pool_t *p, const struct lbx_set_info *set,
                      const struct lbx_member_info *member, apr_array_header_t *figures)
{
    lbx_run_lbx_figures(p, set, member, figures);
}
