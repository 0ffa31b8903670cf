/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the text of the configuration says that mod_proxy's structures do not
 * keep: a loadfactor to the last digit, whether an lbmethod was given at all.
 * And the members that mod_proxy would take for others.
 *
 * Bound.  Parent, while the configuration is read.
 */
#ifndef CORE_TOLD_H
#define CORE_TOLD_H

#include "mod_proxy.h"

struct core_told {
    const char *balancer; /* lower case, without a path */
    const char *member;   /* as mod_proxy names the worker; NULL: lbmethod= was given */
    uint32_t weight;      /* hundredths, 0: not given */
};

/* BalancerMember is about to be handled by mod_proxy, which takes http://h/app
 * for the member http://h, and any Unix socket for any other with the same URL.
 * Hides the members that it must not see until core_told_restore(). */
void core_told_member(cmd_parms *cmd, const char *args);

/* lbmethod= is given for a balancer. */
void core_told_method(cmd_parms *cmd, const char *balancer);

/* Make hidden members visible again.  Before anybody looks at them. */
void core_told_restore(void);

/* Nothing is hidden when a configuration begins.  pre_config. */
void core_told_reset(void);

/* The name of the balancer in <text>, lower case, without a path, or NULL. */
const char *core_told_balancer(apr_pool_t *p, const char *text);

/* The key=value of a member that mod_proxy does not know, as <s> gives them: made
 * at the first call, while the configuration is read. */
apr_table_t *core_told_params(apr_pool_t *p, server_rec *s, const char *balancer,
                              const char *member);

/* The factor of a member as <s> gives it, in hundredths; 0: it gives none; -1: it
 * does not speak of the member. */
int core_told_weight(server_rec *s, const char *balancer, const char *member);

/* Does <s> give the balancer an lbmethod? */
int core_told_has_method(server_rec *s, const char *balancer);

#endif
