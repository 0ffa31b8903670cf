/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The suite's own directives about a balancer: LBXRetryOn and relatives.  They
 * stand in <Proxy balancer://name>, or anywhere else with the balancer's name as
 * their first argument.  What a virtual host says wins over the main server,
 * directive by directive.
 *
 * Not here: what the rules mean (lbx_retry).
 *
 * Bound.  Parent, while the configuration is read.
 */
#ifndef CORE_RULES_H
#define CORE_RULES_H

#include "httpd.h"
#include "http_config.h"

#include "lbx_retry.h"

enum { CORE_QUEUE_MAX = 256 }; /* LBXQueue without max=: others need threads, too */

struct core_rules {
    uint32_t given; /* bit i: row i of the table of directives */
    struct lbx_retry_rules retry;
    uint32_t queue_max; /* requests that may wait; 0: no LBXQueue, as many as there are threads */
    uint64_t queue_us;  /* how long */
    int queue_timed;    /* ... was given: stands in for the balancer's timeout= */
};

/* The handler of every directive; cmd->info is its row. */
const char *core_rules_command(cmd_parms *cmd, void *dconf, const char *args);

enum core_rule {
    CORE_RULE_RETRY_ON,
    CORE_RULE_NON_IDEMPOTENT,
    CORE_RULE_BODY,
    CORE_RULE_BUDGET,
    CORE_RULE_BACKOFF,
    CORE_RULE_TRY_TIMEOUT,
    CORE_RULE_QUEUE,
    CORE_RULE_N
};

#define CORE_RULES_ROW(name, row, help)                                                            \
    AP_INIT_RAW_ARGS(name, core_rules_command, (void *)(row), RSRC_CONF | ACCESS_CONF, help)

/* Rows for the module's table of commands. */
#define CORE_RULES_COMMANDS                                                                        \
    CORE_RULES_ROW("LBXRetryOn", CORE_RULE_RETRY_ON,                                               \
                   "connect-failure, stale, reset, timeout, statuses, or none"),                   \
        CORE_RULES_ROW("LBXRetryNonIdempotent", CORE_RULE_NON_IDEMPOTENT, "On or Off"),            \
        CORE_RULES_ROW("LBXRetryBody", CORE_RULE_BODY, "bytes of a body kept, e.g. 64k"),          \
        CORE_RULES_ROW("LBXRetryBudget", CORE_RULE_BUDGET, "20% [min=3], or Off"),                 \
        CORE_RULES_ROW("LBXRetryBackoff", CORE_RULE_BACKOFF, "25ms [max=250ms], or Off"),          \
        CORE_RULES_ROW("LBXTryTimeout", CORE_RULE_TRY_TIMEOUT, "time to the head, or Off"),        \
        CORE_RULES_ROW("LBXQueue", CORE_RULE_QUEUE, "max=N timeout=TIME, or Off")

/* The rules in force for a balancer of <s>, in <p>: its own, else the main
 * server's, else the defaults. */
const struct core_rules *core_rules_for(apr_pool_t *p, server_rec *s, server_rec *main,
                                        const char *balancer);

#endif
