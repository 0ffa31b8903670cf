/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directives.  See mgr_conf.h.
 *
 * Bound: httpd, APR.
 */
#include "mgr_conf.h"

extern module AP_MODULE_DECLARE_DATA lbx_manager_module;

struct dir_conf {
    int set;
    enum mgr_right right;
};

static const char *const names[] = {
    [MGR_READ] = "read",
    [MGR_OPERATE] = "operate",
    [MGR_ADMIN] = "admin",
};

void *mgr_conf_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(struct dir_conf));
}

void *mgr_conf_merge(apr_pool_t *p, void *base, void *add)
{
    const struct dir_conf *own = add;

    return apr_pmemdup(p, own->set ? add : base, sizeof(struct dir_conf));
}

static const char *set_access(cmd_parms *cmd, void *dir, const char *word)
{
    struct dir_conf *conf = dir;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcasecmp(word, names[i])) {
            conf->set = 1;
            conf->right = (enum mgr_right)i;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "%s %s: must be read, operate or admin", cmd->cmd->name, word);
}

const command_rec mgr_conf_commands[] = {
    AP_INIT_TAKE1("LBXManagerAccess", set_access, NULL, ACCESS_CONF,
                  "read, operate or admin: what may be done in this Location"),
    {.name = NULL},
};

enum mgr_right mgr_conf_right(request_rec *r)
{
    const struct dir_conf *conf = ap_get_module_config(r->per_dir_config, &lbx_manager_module);

    return conf && conf->set ? conf->right : MGR_ADMIN;
}

const char *mgr_conf_right_name(enum mgr_right right)
{
    return names[right];
}
