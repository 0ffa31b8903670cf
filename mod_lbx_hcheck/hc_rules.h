/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration says about members that fail and come back: LBXEject,
 * LBXMaxEjected, LBXPanic, LBXSlowStart, LBXOutlier, and slowstart= of a member.
 * What a virtual host says wins over the main server, directive by directive.
 *
 * Not here: active checks (hc_conf), what the rules mean (lbx_hc_eject, lbx_outlier,
 * lbx_slowstart).
 *
 * Bound.  Written while the configuration is read; read-only afterwards.
 */
#ifndef HC_RULES_H
#define HC_RULES_H

#include "lbx_hc_eject.h"
#include "lbx_outlier.h"
#include "lbx_slowstart.h"
#include "mod_lbx.h"

enum hc_rule {
    HC_RULE_EJECT,
    HC_RULE_MAX_EJECTED,
    HC_RULE_PANIC,
    HC_RULE_SLOW_START,
    HC_RULE_OUTLIER,
    HC_RULE_N
};

/* Of one balancer. */
struct hc_rules {
    uint32_t given; /* bit i: enum hc_rule i was said */
    struct lbx_hc_eject eject;
    uint32_t max_ejected; /* percent */
    uint32_t panic;       /* percent; 0: off */
    struct lbx_slowstart slow;
    struct lbx_outlier outlier;

    /* settled by hc_rules_boot_build */
    struct lbx_ref set;
    const char *balancer; /* "balancer://name" */
    server_rec *server;   /* its owner */
    int forcerecovery;
    uint32_t n; /* members at the start */
};

const char *hc_rules_command(cmd_parms *cmd, void *dconf, const char *args);

#define HC_RULES_ROW(name, row, help)                                                              \
    AP_INIT_RAW_ARGS(name, hc_rules_command, (void *)(row), RSRC_CONF | ACCESS_CONF, help)

/* Rows for the module's table of commands. */
#define HC_RULES_COMMANDS                                                                          \
    HC_RULES_ROW("LBXEject", HC_RULE_EJECT,                                                        \
                 "consecutive=N, failures=N/time, ratio=P% [min=N] [window=time], or Off"),        \
        HC_RULES_ROW("LBXMaxEjected", HC_RULE_MAX_EJECTED, "Percent of the members, 1 to 100"),    \
        HC_RULES_ROW("LBXPanic", HC_RULE_PANIC, "Percent of the members, 1 to 100, or Off"),       \
        HC_RULES_ROW("LBXSlowStart", HC_RULE_SLOW_START,                                           \
                     "time [aggression=N] [minimum=P%], or Off"),                                  \
        HC_RULES_ROW("LBXOutlier", HC_RULE_OUTLIER,                                                \
                     "success-rate=N, failure-percentage=N, latency=N and their numbers, or Off")

/* For the hook lbx_member_param: slowstart=, aggression=, minimum=. */
int hc_rules_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param, const char **error);

/* The rules of all balancers, in <p>.  post_config, after core's. */
void hc_rules_boot_build(apr_pool_t *p, server_rec *main);

/* Those of a balancer; NULL: it was not there when the configuration was read. */
const struct hc_rules *hc_rules_of(struct lbx_ref set);

/* All of them: 0 to n - 1. */
unsigned hc_rules_count(void);
const struct hc_rules *hc_rules_at(unsigned i);

/* Write into a member's space what the configuration says of it.  The parent at
 * start; later the process that checks, for a member that was added. */
void hc_rules_settle(const struct hc_rules *rules, const struct lbx_member_info *info);

#endif
