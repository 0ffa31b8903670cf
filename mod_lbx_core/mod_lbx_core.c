/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module record of mod_lbx_core: which hooks, in which order, and why.
 * What they do stands in the files named here.
 *
 * Bound.
 */
#include "core_attempt.h"
#include "core_choose.h"
#include "core_conf.h"
#include "core_env.h"
#include "core_lbmethod.h"
#include "core_members.h"
#include "core_mirror.h"
#include "core_param.h"
#include "core_persist.h"
#include "core_replay.h"
#include "core_request.h"
#include "core_response.h"
#include "core_seam.h"
#include "core_store.h"
#include "core_told.h"

#include "ap_mpm.h"
#include "mpm_common.h"
#include "mod_status.h"
#include "util_mutex.h"

/* Others look at mod_proxy's balancers from here on. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf, (void)plog, (void)ptemp, (void)s;
    core_told_restore();
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    struct core_gen *gen;
    const char *error;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two passes at start: nothing is kept of it */
    }
    gen = core_conf_boot_build(pconf, s);
    if (core_store_boot_adopt(gen, s, pconf, ptemp) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    core_persist_boot_prepare(s, ptemp);
    if (!core_store_lock(s, &error)) {
        if (core_store_boot_is_cold()) {
            core_persist_boot_load(s, pconf, ptemp);
            core_members_boot_settle(gen);
        }
        core_persist_save(s, ptemp);
        core_persist_boot_save_nonces(ptemp);
        lbx_store_unlock(core_store());
    }
    core_seam_boot_check(gen);
    core_env_boot_listen();
    return core_mirror_boot_share(gen, pconf) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    core_store_child_attach(s);
    core_conf_child_init(p);
    core_members_child_init(p);
    core_choose_child_init(p);
    core_seam_child_init();
}

static void child_status(server_rec *s, pid_t pid, ap_generation_t gen, int slot,
                         mpm_child_status state)
{
    (void)gen;
    (void)slot;
    if (state == MPM_CHILD_EXITED) {
        core_store_boot_child_gone(s, pid);
    }
}

static int monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    core_store_boot_sweep(s);
    return DECLINED;
}

/* Before mod_proxy prints its structures for mod_status. */
static int before_status(request_rec *r, int flags)
{
    (void)flags;
    core_mirror_publish_server(r->server);
    return OK;
}

/* Optional hooks that are registered earlier are lost. */
static int pre_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    core_told_reset();
    /* not used; a configuration may set the stock's mutex */
    ap_mutex_register(p, "proxy-balancer-shm", NULL, APR_LOCK_DEFAULT, 0);
    core_attempt_register_optional();
    APR_OPTIONAL_HOOK(ap, status_hook, before_status, NULL, NULL, APR_HOOK_FIRST);
    return core_param_check_modules(p, plog, ptemp);
}

static void register_hooks(apr_pool_t *p)
{
    /* mod_proxy's structures must be complete when we look at them */
    static const char *const after_proxy[] = {"mod_proxy.c", NULL};

    core_seam_register();
    core_param_register();
    core_lbmethod_register(p);
    core_response_register();
    core_replay_register();
    core_attempt_register();

    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(post_config, after_proxy, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, after_proxy, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);

    proxy_hook_canon_handler(core_request_canon, NULL, NULL, APR_HOOK_FIRST);
    proxy_hook_pre_request(core_request_pre, NULL, NULL, APR_HOOK_FIRST);
    /* before every transport: ours runs them, and steps aside meanwhile */
    proxy_hook_scheme_handler(core_request_scheme, NULL, NULL, APR_HOOK_REALLY_FIRST);
    proxy_hook_post_request(core_request_post, NULL, NULL, APR_HOOK_FIRST);
}

static const command_rec commands[] = {
    CORE_PARAM_COMMANDS,
    CORE_RULES_COMMANDS,
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

AP_DECLARE_MODULE(lbx_core) = {
    STANDARD20_MODULE_STUFF, NULL,     NULL,           core_conf_create_server,
    core_conf_merge_server,  commands, register_hooks, AP_MODULE_FLAG_ALWAYS_MERGE,
};
