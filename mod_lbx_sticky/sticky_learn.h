/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LBXStickyLearn: sessions are learned from what members answer, and remembered in
 * shared memory, or in a cache that several nodes share.
 *
 * Ids of sessions are neither stored nor logged: a keyed hash stands for them.
 *
 * Bound.
 */
#ifndef STICKY_LEARN_H
#define STICKY_LEARN_H

#include "sticky_request.h"

/* Where the id of a session stands. */
enum sticky_source { STICKY_FROM_COOKIE, STICKY_FROM_HEADER, STICKY_FROM_PATH, STICKY_FROM_EXPR };

struct sticky_learning {
    enum sticky_source source;
    const char *name;     /* of the cookie, header or parameter */
    ap_expr_info_t *expr; /* STICKY_FROM_EXPR */
    uint32_t idle;        /* seconds */
    uint64_t sessions;    /* of a table of our own */
    const char *store;    /* provider of ap_socache; NULL: a table of our own */
    const char *store_args;
};

/* Parse the directive's arguments.  NULL, or what is wrong; *out is NULL for Off. */
const char *sticky_learn_parse(cmd_parms *cmd, const char *args, struct sticky_learning **out);

/* The type of our mutex is known to the Mutex directive.  pre_config. */
void sticky_learn_register_mutex(apr_pool_t *p);

/* Find or make the memory of a balancer.  Parent, post_config.  Between begin and end:
 * tables that nobody has asked for are given back. */
void sticky_learn_boot_begin(void);
void sticky_learn_boot_end(void);
apr_status_t sticky_learn_boot_open(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s,
                                    struct sticky_set *set, const char *scope);
void sticky_learn_child_init(apr_pool_t *p, server_rec *s);

/* Whose is the session of this request?  Fills q->session and q->member. */
void sticky_learn_req_find(request_rec *r, const struct lbx_hint_ask *ask,
                           struct sticky_session *q);

/* Remember what the answer says. */
void sticky_learn_req_answer(request_rec *r, struct sticky_session *q,
                             const struct lbx_decision *d);

#endif
