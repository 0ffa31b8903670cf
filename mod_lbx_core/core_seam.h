/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core's side of the contract between the modules (include/mod_lbx.h).
 *
 * Bound.
 */
#ifndef CORE_SEAM_H
#define CORE_SEAM_H

#include "core_conf.h"

/* Offer the optional functions.  In register_hooks. */
void core_seam_register(void);

/* Say at start what needs a sibling that is not loaded.  post_config. */
void core_seam_boot_check(const struct core_gen *gen);

/* Learn who listens.  child_init. */
void core_seam_child_init(void);

/* Does any of them want to know who was chosen, or who answers? */
int core_seam_listens_choice(void);

/* ... or what became of it? */
int core_seam_listens_outcome(void);

/* Ask the siblings where the client belongs, if any of them listens. */
int core_seam_listens_hint(void);
int core_seam_run_hint(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_hint *hint);

/* Run the siblings' hooks of these names. */
int core_seam_run_member_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param,
                               const char **error);
int core_seam_run_member_setting(apr_pool_t *p, server_rec *s, struct lbx_setting *setting,
                                 const char **error);
int core_seam_run_decided(request_rec *r, const struct lbx_decision *decision);
int core_seam_run_response(request_rec *r, const struct lbx_decision *decision);
int core_seam_run_outcome(struct lbx_report *report);

/* Why nobody can be chosen, for a log line: "http://a: in error, http://b: disabled". */
const char *core_seam_why_none(apr_pool_t *p, const struct core_set *set, uint64_t now_us);

#endif
