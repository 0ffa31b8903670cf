/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core offers to the manager, retrieved once; any of it may be missing.
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_SEAM_H
#define MGR_SEAM_H

#include "mod_lbx.h"

struct mgr_seam {
    APR_OPTIONAL_FN_TYPE(lbx_snapshot) * snapshot;
    APR_OPTIONAL_FN_TYPE(lbx_events) * events;
    APR_OPTIONAL_FN_TYPE(lbx_apply) * apply;
    APR_OPTIONAL_FN_TYPE(lbx_apply_if) * apply_if;
    APR_OPTIONAL_FN_TYPE(lbx_revision) * revision;
    APR_OPTIONAL_FN_TYPE(lbx_member_add) * add;
    APR_OPTIONAL_FN_TYPE(lbx_member_remove) * remove;
    APR_OPTIONAL_FN_TYPE(lbx_health_set) * health_set;
    /* of mod_lbx_hcheck */
    APR_OPTIONAL_FN_TYPE(lbx_check_info) * check_info;
    APR_OPTIONAL_FN_TYPE(lbx_check_now) * check_now;
    APR_OPTIONAL_FN_TYPE(lbx_check_pause) * check_pause;
    APR_OPTIONAL_FN_TYPE(lbx_check_force) * check_force;
    APR_OPTIONAL_FN_TYPE(lbx_check_exprs) * check_exprs;
    APR_OPTIONAL_FN_TYPE(lbx_event_add) * event_add;
};

/* post_config, after all modules have registered theirs. */
void mgr_seam_boot(void);

/* All NULL without mod_lbx_core. */
const struct mgr_seam *mgr_seam(void);

/* The figures that siblings have for a balancer (<member> NULL) or a member are
 * pushed onto <figures> (struct lbx_figure). */
void mgr_seam_figures(apr_pool_t *p, const struct lbx_set_info *set,
                      const struct lbx_member_info *member, apr_array_header_t *figures);

#endif
