/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of the JSON interface: which resource a path names, the stable
 * short name of a member in it, and the parameters behind '?'.
 *
 *     balancers                       all
 *     balancers/app                   one; "balancer://" is not part of its name here
 *     balancers/app/members           its members
 *     balancers/app/members/ID        one of them, by its id
 *     balancers/app/members/ID/check  a health check now
 *     events, schema
 *
 * A member's own name is a URL, and httpd refuses %2F in paths (AllowEncodedSlashes),
 * so that a path has the member's id: a hash of its name, the same on every server
 * and after every restart.
 *
 * Pure.
 */
#ifndef LBX_APIPATH_H
#define LBX_APIPATH_H

#include <stddef.h>

#include "lbx_types.h"

enum { LBX_ID_SIZE = 17 };

/* The id of the member called <name>: 16 hexadecimal digits and a NUL. */
void lbx_member_id(const char *name, char id[LBX_ID_SIZE]);

enum lbx_resource {
    LBX_RES_NONE = 0, /* no such address */
    LBX_RES_ROOT,
    LBX_RES_BALANCERS,
    LBX_RES_BALANCER,
    LBX_RES_MEMBERS,
    LBX_RES_MEMBER,
    LBX_RES_CHECK,
    LBX_RES_EVENTS,
    LBX_RES_SCHEMA,
    LBX_RES_N
};

struct lbx_apipath {
    enum lbx_resource what;
    char balancer[LBX_BALANCER_MAX]; /* "balancer://app", lower case as mod_proxy has it */
    char id[LBX_ID_SIZE];
};

/* <path> is what follows ".../api/v1", decoded: "", "/", "/balancers/app". */
void lbx_apipath_parse(const char *path, struct lbx_apipath *out);

enum { LBX_WAIT_MAX = 600, LBX_WAIT_DEFAULT = 30 };

enum { LBX_Q_DRY_RUN = 1, LBX_Q_WAIT = 2, LBX_Q_TIMEOUT = 4, LBX_Q_AFTER = 8 };

struct lbx_apiquery {
    int dry_run;
    int wait;         /* wait=drained */
    uint32_t timeout; /* seconds */
    uint64_t after;   /* events: those after this number */
};

/*
 * Read "dry-run=1&wait=drained&timeout=30&after=17".  NULL: all is well, else what
 * is wrong, and *key is the parameter's name, cut to <size>.  A name that is not
 * known, is not among <allowed> (LBX_Q_ bits), or comes twice, is an error: a typing error must
 * not become a change.
 */
const char *lbx_apiquery_parse(const char *args, unsigned allowed, struct lbx_apiquery *out,
                               char *key, size_t size);

/* The revision in If-Match: "17", with its quotes.  1: found; 0: the header is * or
 * NULL, any will do; -1: it is none of ours, or a list without one. */
int lbx_etag_parse(const char *header, uint64_t *revision);

#endif
