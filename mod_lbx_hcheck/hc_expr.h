/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions about the answer to a check: ProxyHCExpr.
 *
 * All of httpd's expressions, and of the answer: %{REQUEST_STATUS}, resp('Name'),
 * %{HC_BODY} and hc('body').
 *
 * Not here: which expressions there are (hc_conf), who asks (hc_probe).
 *
 * Bound.
 */
#ifndef HC_EXPR_H
#define HC_EXPR_H

#include "ap_expr.h"

#include "mod_lbx.h"

/* An answer. */
struct hc_answer {
    int status;
    apr_table_t *headers;
    const char *body;
};

/* While the configuration is read.  *error: what is wrong with it. */
ap_expr_info_t *hc_expr_parse(cmd_parms *cmd, const char *text, const char **error);

/* Is it true of the answer?  <error>: in <p>, when it cannot be told.  The thread
 * that checks. */
int hc_expr_true(apr_pool_t *p, server_rec *s, const ap_expr_info_t *expr,
                 const struct hc_answer *answer, const char **error);

#endif
