/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one request to the page is about: the balancers it sees, the one it named, the
 * addresses that its links lead to.
 *
 * Not here: how that is written (mgr_page, mgr_xml).
 *
 * Bound: httpd, APR, mod_proxy.
 */
#ifndef MGR_VIEW_H
#define MGR_VIEW_H

#include "mod_proxy.h"

#include "mgr_guard.h"
#include "mgr_seam.h"

struct mgr_view {
    request_rec *r;
    enum mgr_right right;
    const char *uri;                      /* the address that was asked for */
    const char *base;                     /* ... without the balancer's name: where "/-/" begins */
    const char *only;                     /* of .../NAME: "balancer://NAME"; NULL: all are shown */
    const apr_array_header_t *sets;       /* struct lbx_set_info: those that are shown */
    const struct lbx_set_info *set;       /* b=, or NULL */
    const struct lbx_member_info *member; /* w=, or NULL */
    int hcheck;                           /* mod_lbx_hcheck is loaded */
    apr_array_header_t *notes;            /* const char *: what the user must be told */
};

/* Look at the balancers of the request's server. */
void mgr_view_start(struct mgr_view *v, request_rec *r);

/* Likewise, whatever the address: <r> need not be a request to the page. */
void mgr_view_start_all(struct mgr_view *v, request_rec *r);

/* Once more, after a change; what was selected is found again. */
void mgr_view_again(struct mgr_view *v);

/* b= and w=.  A member can be named without the "unix:/path|" in front, and may have
 * more of a path behind it. */
void mgr_view_select(struct mgr_view *v, const char *b, const char *w);

void mgr_view_note(struct mgr_view *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For links and forms.  Who may only read gets one that is good for nothing. */
const char *mgr_view_nonce(const struct mgr_view *v, const struct lbx_set_info *set);

/* The balancer as the request's server has it: its virtual host and path. */
const proxy_balancer *mgr_view_balancer(const struct mgr_view *v, const struct lbx_set_info *set);

/* "app" of "balancer://app". */
const char *mgr_view_short(const struct lbx_set_info *set);

/* How links name a member. */
const char *mgr_view_link(const struct lbx_set_info *set, const struct lbx_member_info *m);

/* The expressions that checks of <s>'s balancers can use: name -> text. */
const apr_table_t *mgr_view_exprs(const struct mgr_view *v, server_rec *s);

/* The name that httpd's manager shows in brackets. */
const char *mgr_view_sname(apr_pool_t *p, const struct lbx_set_info *set);

/* Failover attempts in force; *set: somebody has set them. */
int mgr_view_attempts(const struct lbx_set_info *set, int *is_set);

/* "Load": the method's own figure. */
int64_t mgr_view_load(const struct lbx_set_info *set, const struct lbx_member_info *m);

/* mod_proxy's status word. */
uint32_t mgr_view_status(const struct lbx_member_info *m);

#endif
