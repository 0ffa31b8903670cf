/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of mod_lbx_hcheck: who is alive?
 *
 * Table of contents:
 *     directives       hc_conf.c (active checks), hc_rules.c (requests that fail, recovery),
 *                      hc_tls.c (looks at SSLProxy...)
 *     lbx_member_param hc_conf.c (hc...= of a member)
 *                      hc_rules.c (slowstart= and relatives)
 *     lbx_outcome      hc_passive.c: what a request says of its member
 *     check_config     hc_conf.c: do the words of each member go together?
 *     post_config      is core here, and does it speak our version?
 *     lbx_figures      hc_seam.c, with the optional functions for managers
 *     child_init       hc_engine.c: the thread that checks, in one of the children
 *
 * Bound: httpd, APR.
 */
#include "hc_conf.h"

#include "http_core.h"

#include "hc_engine.h"
#include "hc_passive.h"
#include "hc_recover.h"
#include "hc_rules.h"
#include "hc_seam.h"
#include "hc_state.h"
#include "hc_tls.h"

/* Exported whatever -fvisibility says, and alone in that. */
extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) lbx_hcheck_module;

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(lbx_seam_version) *seam_version =
        APR_RETRIEVE_OPTIONAL_FN(lbx_seam_version);

    (void)p, (void)plog, (void)ptemp;
    if (seam_version && seam_version() != LBX_SEAM_VERSION) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     LBXNO(0400) "mod_lbx_hcheck needs version %d of the modules' contract, but "
                                 "mod_lbx_core has version %d: load modules of one build",
                     LBX_SEAM_VERSION, seam_version());
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two passes at start */
    }
    if (!seam_version) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0401) "mod_lbx_hcheck has nothing to do without mod_lbx_core");
    }
    hc_state_boot_bind();
    hc_passive_boot_bind();
    hc_recover_boot_bind();
    hc_rules_boot_build(p, s);
    if (seam_version && hc_engine_boot_prepare(p, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    if (APR_RETRIEVE_OPTIONAL_FN(lbx_seam_version)) {
        hc_engine_child_start(p, s);
    }
}

/* Optional hooks that are registered earlier are lost. */
static int pre_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)p, (void)plog, (void)ptemp;
    APR_OPTIONAL_HOOK(lbx, lbx_member_param, hc_conf_param, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_member_param, hc_rules_param, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_member_setting, hc_conf_setting, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_figures, hc_seam_figures, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_outcome, hc_passive_req_outcome, NULL, NULL, APR_HOOK_MIDDLE);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    static const char *const after_core[] = {"mod_lbx_core.c", NULL};

    (void)p;
    hc_seam_register();
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(hc_conf_check, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, after_core, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, after_core, NULL, APR_HOOK_MIDDLE);
}

static const command_rec commands[] = {
    HC_CONF_COMMANDS,
    HC_RULES_COMMANDS,
    HC_TLS_COMMANDS,
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

AP_DECLARE_MODULE(lbx_hcheck) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per-directory configuration */
    NULL,
    hc_conf_create_server,
    NULL,
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
