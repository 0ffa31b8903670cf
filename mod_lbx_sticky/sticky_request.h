/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says of its session: which member it belongs to.
 *
 * Not here: how the texts are read (lbx_route, lbx_cookie, lbx_token), what the answer
 * gets (sticky_response).
 *
 * Bound.  Request threads.
 */
#ifndef STICKY_REQUEST_H
#define STICKY_REQUEST_H

#include "sticky_members.h"

/* Who sets which cookie. */
enum sticky_mode {
    STICKY_READS,       /* nobody of us: routes in the application's sessions only */
    STICKY_ACCOMPANIES, /* one beside the application's */
    STICKY_INSERTS,     /* LBXStickyCookie */
    STICKY_LEARNS,      /* the application, and we remember (sticky_learn) */
    STICKY_REWRITES     /* the application's, with the route in it */
};

/* For LBX_STICKY_RESULT. */
enum sticky_result {
    STICKY_NONE,    /* no session */
    STICKY_MATCH,   /* its member answered */
    STICKY_UNKNOWN, /* a route that no member has */
    STICKY_FORGED,
    STICKY_EXPIRED
};

/* Of one request, in its pool; NULL in the request's configuration: none. */
struct sticky_session {
    struct sticky_set *set;
    enum sticky_mode mode;
    enum sticky_result result;
    const char *app; /* the application's cookie, "" without */
    const char *own; /* ours; NULL: none */
    char separator;
    int has_app;             /* the request has a session of the application */
    int had_own;             /* ... and a cookie called <own> */
    int ours;                /* the member was found by our cookie */
    uint32_t member;         /* whose session it is; STICKY_NOBODY */
    struct lbx_token *token; /* the value that said so; NULL: none, or a plain one */
    uint32_t issued;
    uint32_t seen;
    uint64_t session;      /* STICKY_LEARNS: what stands for it; 0: none */
    uint32_t known;        /* ... and the member's number that was remembered; 0: none */
    uint32_t known_at;     /* ... when that was written to a store, seconds */
    const char *app_value; /* STICKY_REWRITES: the application's value of this session */
    int app_quoted;        /* ... and it is in quotes */
};

/* The session of <r>, or NULL. */
struct sticky_session *sticky_req_session(request_rec *r);

/* Core's hook of this name. */
int sticky_req_hint(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_hint *hint);

/* What stands for a cookie of this balancer in our values. */
uint64_t sticky_req_context(const struct sticky_session *q);

#endif
