/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LBXManagerAccess: what may be done in a Location, whoever `Require` lets in.
 *
 * Not here: who somebody is (httpd's own directives), where a right is asked for
 * (mgr_handler, mgr_api).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_CONF_H
#define MGR_CONF_H

#include "mod_lbx.h"

/* Each includes those before it. */
enum mgr_right {
    MGR_READ = 0, /* look */
    MGR_OPERATE,  /* states and weights of members */
    MGR_ADMIN     /* balancers, adding and removing members */
};

/* create_dir_config, merge_dir_config. */
void *mgr_conf_create(apr_pool_t *p, char *dir);
void *mgr_conf_merge(apr_pool_t *p, void *base, void *add);

extern const command_rec mgr_conf_commands[];

/* The right of the request's Location; MGR_ADMIN where nothing is said, as with
 * httpd's own manager. */
enum mgr_right mgr_conf_right(request_rec *r);

/* "read", "operate" or "admin". */
const char *mgr_conf_right_name(enum mgr_right right);

#endif
