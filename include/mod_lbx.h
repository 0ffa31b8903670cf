/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the modules of the suite, and the only one: optional
 * functions that core offers and hooks that core runs.  Modules include no
 * other header of each other, load in any order, and do without each other.
 *
 * Calls go down (sticky, hcheck and manager call core's functions), news goes up
 * (core runs hooks that the others fill).
 *
 * Functions are retrieved in post_config or later.  Hooks are filled with
 *     APR_OPTIONAL_HOOK(lbx, lbx_hint, fn, NULL, NULL, APR_HOOK_MIDDLE);
 * "First answer wins" is returning DONE; DECLINED lets others answer.
 *
 * Bound: httpd, APR.
 */
#ifndef MOD_LBX_H
#define MOD_LBX_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "apr_hooks.h"
#include "apr_optional.h"
#include "apr_optional_hooks.h"

#include "lbx_types.h"

/* Raised when a struct or a function below changes.  A module that meets
 * another version stops the start with both numbers. */
#define LBX_SEAM_VERSION 1

/* Numbers of our log lines: unique in the suite, never used again. */
#define LBXNO(n) "LBX" #n ": "

/* Linkage of the seam's hooks: local to each module. */
#define LBX_DECLARE(type) type

APR_DECLARE_OPTIONAL_FN(int, lbx_seam_version, (void));

/* ------------------------------------------------------------------ */
/* Where does this client belong?                                       */

/* What a module needs to know of a balancer to answer. */
struct lbx_hint_ask {
    const char *balancer;    /* "balancer://name" */
    const char *url;         /* as the request came: balancer://name/path;params?query */
    const char *sticky;      /* stickysession=: the cookie; never NULL or "" */
    const char *sticky_path; /* ... and the URL parameter */
    char separator;          /* stickysessionsep=; 0: the whole value is the route */
    int semicolon;           /* scolonpathdelim= */

    /* Does a member have this route?  For telling a route from a part of the
     * session's own name. */
    int (*known_route)(const struct lbx_hint_ask *ask, const char *route);
    const void *baton; /* core's own */
};

/* The answer; strings live in r->pool. */
struct lbx_hint {
    const char *route; /* the member's route; NULL or "": a session without one */
    const char *from;  /* the name under which the session was found */
};

/* Run before the first choice for a request whose balancer has stickysession=. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_hint,
                          (request_rec * r, const struct lbx_hint_ask *ask, struct lbx_hint *hint))

/* ------------------------------------------------------------------ */
/* What is going on?                                                    */

/* One member of a snapshot. */
struct lbx_member_info {
    const char *name; /* the URL, with "unix:/path|" where it has one */
    const char *scheme;
    const char *host;
    int port;
    enum lbx_inelig inelig; /* for a request without a session, now */
    struct lbx_member_view view;
};

/* One balancer of a snapshot. */
struct lbx_set_info {
    struct lbx_ref ref;
    const char *name;  /* "balancer://name" */
    const char *scope; /* whose it is: "main", or the virtual host */
    const char *nonce;
    struct lbx_set_vals run;  /* in force */
    struct lbx_set_vals conf; /* as the file has it */
    int known_method;         /* one of the suite's; else a foreign provider */
    uint64_t requests;
    uint64_t failovers;
    uint64_t refused;
    uint64_t recoveries;
    uint32_t growth;
    uint32_t n;
    const struct lbx_member_info *member;
};

/* The balancers that <s> can use (NULL: of all servers) by value, in <p>.
 * Any process; call it at leisure, it reads every column of every member. */
APR_DECLARE_OPTIONAL_FN(const apr_array_header_t * /* of struct lbx_set_info */, lbx_snapshot,
                        (apr_pool_t * p, server_rec *s));

/* ------------------------------------------------------------------ */
/* Change it                                                            */

/* One change of one field, as text: "loadfactor"="2.5", "drain"="on". */
struct lbx_change {
    const char *balancer; /* "balancer://name" */
    const char *member;   /* the member's name, or NULL for a field of the balancer */
    const char *field;
    const char *value;
    const char *who; /* for the log: a user, an address */
};

/*
 * Put all <n> changes in force, or none.  On failure *error is one sentence, in
 * <p>, that names what was wrong and what is allowed.  Takes the admin mutex:
 * not in the request path of a proxied request.
 * LBX_ENOTFOUND, LBX_EFIELD, LBX_EVALUE, LBX_ELOCK.
 */
APR_DECLARE_OPTIONAL_FN(enum lbx_rc, lbx_apply,
                        (apr_pool_t * p, server_rec *s, const struct lbx_change *change, unsigned n,
                         const char **error));

#endif
