/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of mod_lbx_sticky: which member a client belongs to.
 *
 * Table of contents:
 *     post_config   is core here, and does it speak our version?
 *     lbx_hint      sticky_request.c; the order among those who answer is free
 *
 * Bound: httpd, APR.
 */
#include "sticky_request.h"

#include "http_core.h"

/* Exported whatever -fvisibility says, and alone in that. */
extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) lbx_sticky_module;

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(lbx_seam_version) *seam_version =
        APR_RETRIEVE_OPTIONAL_FN(lbx_seam_version);

    (void)p, (void)plog, (void)ptemp;
    if (seam_version && seam_version() != LBX_SEAM_VERSION) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     LBXNO(0300) "mod_lbx_sticky needs version %d of the modules' contract, but "
                                 "mod_lbx_core has version %d: load modules of one build",
                     LBX_SEAM_VERSION, seam_version());
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    /* httpd starts with a rehearsal, in which this would be said once too often. */
    if (!seam_version && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0304) "mod_lbx_sticky has nothing to do without mod_lbx_core");
    }
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_hint, sticky_req_hint, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lbx_sticky) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per-directory configuration */
    NULL,
    NULL, /* per-server configuration */
    NULL,
    NULL, /* directives: stickysession= and its companions are core's */
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
