/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration says of sessions, for each balancer: the directives
 * LBXSticky..., and what is made of them when all files are read.
 *
 * A directive stands in <Proxy balancer://name>, has the balancer's name as its first
 * argument, or speaks of every balancer of its server.  What is said of one balancer
 * wins over what is said of all, and a virtual host over the main server.
 *
 * Not here: keys (sticky_key), requests.
 *
 * Bound.
 */
#ifndef STICKY_CONF_H
#define STICKY_CONF_H

#include "ap_expr.h"

#include "lbx_setcookie.h"
#include "lbx_token.h"
#include "mod_lbx.h"

extern module AP_MODULE_DECLARE_DATA lbx_sticky_module;

enum sticky_rule {
    STICKY_AUTO,
    STICKY_COOKIE,
    STICKY_REWRITE,
    STICKY_LEARN,
    STICKY_KEY,
    STICKY_RULES
};

struct sticky_learning;
struct sticky_memory;

/* Of a cookie of our own: the companion's, or LBXStickyCookie's. */
struct sticky_cookie {
    const char *name; /* NULL: no such cookie */
    const char *domain;
    const char *path;
    int secure; /* -1: as the connection is */
    int httponly;
    enum lbx_samesite samesite;
    uint32_t maxage; /* seconds; 0: with the browser's session */
    struct lbx_token_life life;
    int indirect; /* the member does not see it, and it is set only when it has to be */
    int preserve; /* one that the member sets itself is left alone */
    int nocache;  /* an answer that sets it is for one client only */
    int plain;
    ap_expr_info_t *cond; /* if=; NULL: always */
};

struct sticky_rules {
    uint32_t given; /* bit (1 << enum sticky_rule) */
    int auto_on;
    int auto_plain;
    const char *auto_name; /* NULL: made of the application's */
    struct sticky_cookie cookie;
    int rewrite;
    struct sticky_learning *learn;  /* NULL: not */
    const apr_array_header_t *keys; /* const char *: texts, the present one first */
};

/* A balancer of this generation, as requests want it. */
struct sticky_set {
    struct lbx_ref ref;
    const char *balancer;
    server_rec *server;
    struct sticky_rules rules;
    unsigned keys_n; /* 1 at least */
    const struct lbx_token_key *key;
    struct sticky_memory *memory; /* of learned sessions; NULL: none */

    /* of each child: who has which id (sticky_members) */
    apr_thread_mutex_t *mutex;
    uint32_t ids_n;
    struct sticky_id *ids;
};

void *sticky_conf_create_server(apr_pool_t *p, server_rec *s);

/* The handler of every directive; cmd->info is its row. */
const char *sticky_conf_command(cmd_parms *cmd, void *dconf, const char *args);

#define STICKY_CONF_ROW(name, row, help)                                                           \
    AP_INIT_RAW_ARGS(name, sticky_conf_command, (void *)(row), RSRC_CONF | ACCESS_CONF, help)

#define STICKY_CONF_COMMANDS                                                                       \
    STICKY_CONF_ROW("LBXStickyAuto", STICKY_AUTO, "On [name=COOKIE] [plain], or Off"),             \
        STICKY_CONF_ROW("LBXStickyCookie", STICKY_COOKIE, "a name with options, or Off"),          \
        STICKY_CONF_ROW("LBXStickyRewrite", STICKY_REWRITE, "On or Off"),                          \
        STICKY_CONF_ROW("LBXStickyLearn", STICKY_LEARN, "where the id is, and options, or Off"),   \
        STICKY_CONF_ROW("LBXStickyKey", STICKY_KEY, "a secret or file:PATH, and previous= ones")

/* The balancers (const char *) that directives in <s> name. */
const apr_array_header_t *sticky_conf_names(apr_pool_t *p, server_rec *s);

/* What is in force for a balancer of <s>, in <p>. */
struct sticky_rules sticky_conf_rules(apr_pool_t *p, server_rec *s, server_rec *main,
                                      const char *balancer);

#endif
