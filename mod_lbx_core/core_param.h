/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What configuration files say, seen before mod_proxy makes something of it:
 * stock modules that must not be loaded beside us, values that mod_proxy would
 * take for something else, members that it would swallow, and the parameters
 * that it does not know.
 *
 * Bound.  Parent, while the configuration is read.
 */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

#include "core_conf.h"

/* OK, or an error after one line that names both modules.  pre_config. */
int core_param_check_modules(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp);

/* The directives of mod_proxy as this module sees them: text that it would read
 * as a number it is not stops the start, what it would read in part is a
 * warning.  Our handlers only look; mod_proxy's run afterwards. */
const char *core_param_member(cmd_parms *cmd, void *dconf, const char *args);
const char *core_param_values(cmd_parms *cmd, void *dconf, const char *args);

/* Those of mod_proxy that say On or Off; cmd_data: a number instead. */
const char *core_param_server(cmd_parms *cmd, void *dconf, const char *args);

/* The key=value words of a member that is added at run time: as above, but what
 * would be read in part is refused, too. */
const char *core_param_check_words(cmd_parms *cmd, const char *args);

/* Rows for the module's table of commands.  cmd_data: the directive itself names
 * what it is about. */
#define CORE_PARAM_COMMANDS                                                                        \
    AP_INIT_RAW_ARGS("BalancerMember", core_param_member, NULL, RSRC_CONF | ACCESS_CONF,           \
                     "A balancer name and scheme://server with its parameters"),                   \
        AP_INIT_RAW_ARGS("ProxySet", core_param_values, NULL, RSRC_CONF | ACCESS_CONF,             \
                         "A balancer or worker name with parameters"),                             \
        AP_INIT_RAW_ARGS("ProxyPass", core_param_values, (void *)1, RSRC_CONF | ACCESS_CONF,       \
                         "A virtual path and a URL with parameters"),                              \
        AP_INIT_RAW_ARGS("ProxyPassMatch", core_param_values, (void *)1, RSRC_CONF | ACCESS_CONF,  \
                         "A pattern and a URL with parameters"),                                   \
        AP_INIT_RAW_ARGS("<Proxy", core_param_values, (void *)1, RSRC_CONF,                        \
                         "Container for what is said about a URL"),                                \
        AP_INIT_RAW_ARGS("BalancerPersist", core_param_server, NULL, RSRC_CONF, "On or Off"),      \
        AP_INIT_RAW_ARGS("BalancerInherit", core_param_server, NULL, RSRC_CONF, "On or Off"),      \
        AP_INIT_RAW_ARGS("ProxyPassInherit", core_param_server, NULL, RSRC_CONF, "On or Off"),     \
        AP_INIT_RAW_ARGS("BalancerGrowth", core_param_server, (void *)1, RSRC_CONF,                \
                         "a whole number from 0 to 1000")

/* draintimeout= in microseconds, as it was accepted; 0: not one. */
uint64_t core_param_drain(const char *value);

/* Is the parameter one that core or a sibling knows, with a value that it takes?
 * NULL, or what is wrong with it.  Any process. */
const char *core_param_check(apr_pool_t *p, server_rec *s, const struct lbx_param *param);

/* Offer the optional function by which mod_proxy asks for parameters of members
 * that it does not know.  register_hooks. */
void core_param_register(void);

#endif
