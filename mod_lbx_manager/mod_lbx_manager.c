/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of mod_lbx_manager: the balancers for people and programs.
 *
 * Table of contents:
 *     directives    mgr_conf.c
 *     handler       mgr_handler.c: SetHandler balancer-manager, SetHandler lbx-metrics
 *     errors        mgr_refusal.c: httpd's own, as JSON below /-/api/
 *     post_config   is core here, and does it speak our version?
 *     balancer_manage   mgr_action.c: the form, for other modules
 *
 * Bound: httpd, APR.
 */
#include "mgr_action.h"
#include "mgr_api.h"
#include "mgr_handler.h"
#include "mgr_refusal.h"

#include "http_core.h"

/* Exported whatever -fvisibility says, and alone in that. */
extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) lbx_manager_module;

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(lbx_seam_version) *seam_version =
        APR_RETRIEVE_OPTIONAL_FN(lbx_seam_version);

    (void)plog, (void)ptemp;
    if (seam_version && seam_version() != LBX_SEAM_VERSION) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     LBXNO(0500) "mod_lbx_manager needs version %d of the modules' contract, but "
                                 "mod_lbx_core has version %d: load modules of one build",
                     LBX_SEAM_VERSION, seam_version());
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two passes at start */
    }
    if (!seam_version) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0501) "mod_lbx_manager has nothing to do without mod_lbx_core");
    }
    return mgr_api_boot(p, s) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    mgr_action_register();
    mgr_refusal_register();
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mgr_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lbx_manager) = {
    STANDARD20_MODULE_STUFF,
    mgr_conf_create,
    mgr_conf_merge,
    NULL, /* per-server configuration */
    NULL,
    mgr_conf_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
