/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of mod_lbx_sticky: which member a client belongs to.
 *
 * Table of contents:
 *     check_config  sticky_check.c: what will make stickiness fail
 *     post_config   is core here, and does it speak our version?  Then the balancers
 *                   with their rules and keys (sticky_members.c, sticky_key.c)
 *     lbx_hint      sticky_request.c; the order among those who answer is free
 *     lbx_response  sticky_response.c: the cookies of an answer
 *     lbx_figures   sticky_notes.c: counters for the manager
 *
 * Bound: httpd, APR.
 */
#include "sticky_check.h"
#include "sticky_learn.h"
#include "sticky_notes.h"
#include "sticky_response.h"

#include "http_core.h"

/* Exported whatever -fvisibility says, and alone in that. */
extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) lbx_sticky_module;

/* httpd starts with a rehearsal, in which everything would be said once too often. */
static int rehearsal(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
           && ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST;
}

static int check_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)p, (void)plog;
    if (!rehearsal()) {
        sticky_check_boot_warn(ptemp, s);
    }
    return OK;
}

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(lbx_seam_version) *seam_version =
        APR_RETRIEVE_OPTIONAL_FN(lbx_seam_version);

    (void)plog;
    if (seam_version && seam_version() != LBX_SEAM_VERSION) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     LBXNO(0300) "mod_lbx_sticky needs version %d of the modules' contract, but "
                                 "mod_lbx_core has version %d: load modules of one build",
                     LBX_SEAM_VERSION, seam_version());
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (rehearsal()) {
        return OK;
    }
    if (!seam_version) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0304) "mod_lbx_sticky has nothing to do without mod_lbx_core");
    }
    sticky_notes_boot_bind();
    return sticky_members_boot_build(p, ptemp, s) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    sticky_members_child_init(p);
    sticky_learn_child_init(p, s);
}

/* Optional hooks that are registered earlier are lost. */
static int pre_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog, (void)ptemp;
    sticky_learn_register_mutex(p);
    APR_OPTIONAL_HOOK(lbx, lbx_hint, sticky_req_hint, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_response, sticky_req_response, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(lbx, lbx_figures, sticky_notes_figures, NULL, NULL, APR_HOOK_MIDDLE);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    static const char *const after_core[] = {"mod_lbx_core.c", NULL};

    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, after_core, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}

static const command_rec commands[] = {
    STICKY_CONF_COMMANDS,
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

AP_DECLARE_MODULE(lbx_sticky) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per-directory configuration */
    NULL,
    sticky_conf_create_server,
    NULL, /* no merge: sticky_conf_rules looks at both servers */
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
