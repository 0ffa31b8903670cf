/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of active checks: directives, and the words of members.
 *
 * Not here: what the words mean (lbx_hc_spec), the rules for requests that fail
 * (hc_rules).
 *
 * Bound.  Written while the configuration is read; read-only afterwards.
 */
#ifndef HC_CONF_H
#define HC_CONF_H

#include "ap_expr.h"
#include "apr_hash.h"

#include "lbx_hc_spec.h"
#include "mod_lbx.h"

/* What one server says. */
struct hc_server {
    apr_hash_t *templates;     /* name -> apr_table_t of words */
    apr_hash_t *exprs;         /* name -> struct hc_expr */
    apr_array_header_t *named; /* the same, in the order of the file */
    apr_hash_t *tls;           /* "", "*" or "balancer://name" -> struct hc_tls (hc_tls.h) */
    apr_hash_t *rules;         /* "balancer://name" -> what hc_rules keeps */
    apr_hash_t *told;          /* "balancer\nmember" -> struct hc_told: what was said of members */
    int spread;                /* LBXHCSpread; -1: not said */
};

/* A ProxyHCExpr. */
struct hc_expr {
    const char *name;
    const char *text;
    ap_expr_info_t *parsed;
};

/* For the module record. */
void *hc_conf_create_server(apr_pool_t *p, server_rec *s);

/* A server's record; the main server's where it has none.  Never NULL. */
struct hc_server *hc_conf_server(server_rec *s);

/* The main server: what it declares is known to its virtual hosts. */
server_rec *hc_conf_main(void);

/* The expression called <name> on <s> or the main server; NULL: there is none. */
const struct hc_expr *hc_conf_expr(server_rec *s, const char *name);

/* The check that the words of a member say.  <s>: the balancer's owner.  NULL, or
 * what is wrong, in <p>. */
const char *hc_conf_spec(apr_pool_t *p, server_rec *s, const apr_table_t *words,
                         struct lbx_hc_spec *spec);

/* Once the configuration is read: do the words of each member go together, and can
 * it be checked?  OK, or an error after a line that says what is wrong. */
int hc_conf_check(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* For the hook lbx_member_setting: what httpd's own manager changes while it runs. */
int hc_conf_setting(apr_pool_t *p, server_rec *s, struct lbx_setting *setting, const char **error);

/* "GET11": the method as it is written. */
const char *hc_conf_method(const struct lbx_hc_spec *spec);

/* For the hook lbx_member_param. */
int hc_conf_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param, const char **error);

const char *hc_conf_expr_command(cmd_parms *cmd, void *dconf, const char *args);
const char *hc_conf_template_command(cmd_parms *cmd, void *dconf, const char *args);
const char *hc_conf_threads_command(cmd_parms *cmd, void *dconf, const char *arg);
const char *hc_conf_spread_command(cmd_parms *cmd, void *dconf, const char *arg);

/* Rows for the module's table of commands. */
#define HC_CONF_COMMANDS                                                                           \
    AP_INIT_RAW_ARGS("ProxyHCExpr", hc_conf_expr_command, NULL, OR_FILEINFO,                       \
                     "A name and an expression that a good answer to a check fulfils"),            \
        AP_INIT_RAW_ARGS("ProxyHCTemplate", hc_conf_template_command, NULL, OR_FILEINFO,           \
                         "A name and parameters of checks, for hctemplate="),                      \
        AP_INIT_RAW_ARGS("LBXHCTemplate", hc_conf_template_command, NULL, OR_FILEINFO,             \
                         "A name and parameters of checks, for hctemplate="),                      \
        AP_INIT_TAKE1("ProxyHCTPsize", hc_conf_threads_command, NULL, RSRC_CONF,                   \
                      "Accepted for compatibility: one thread does all checks"),                   \
        AP_INIT_TAKE1("LBXHCSpread", hc_conf_spread_command, NULL, RSRC_CONF,                      \
                      "Percent of the interval by which a check may be early, 0 to 50")

#endif
