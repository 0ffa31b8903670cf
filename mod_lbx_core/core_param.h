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

/* BalancerMember, ProxySet, ProxyPass and <Proxy> as this module sees them: text
 * that mod_proxy would read as a number it is not stops the start, what it would
 * read in part is a warning. mod_proxy's own handler runs afterwards. */
extern const command_rec core_param_commands[];

/* Offer the optional function by which mod_proxy asks for parameters of members
 * that it does not know.  register_hooks. */
void core_param_register(void);

#endif
