/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balancers of this generation of the configuration, as each process knows
 * them: built once after the files were read, not changed afterwards (the
 * fields of children excepted).  mod_proxy parses the directives; this is what
 * we make of them.
 *
 * Not here: shared state (core_store), what happens to a request.
 *
 * Bound.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include "mod_proxy.h"

#include "core_rules.h"
#include "lbx_lend.h"
#include "lbx_method.h"
#include "mod_lbx.h"

extern module AP_MODULE_DECLARE_DATA lbx_core_module;

struct core_roster;

/* What each request wants to know comes first. */
struct core_member {
    const char *name; /* the URL, with "unix:/path|" where it has one */
    apr_size_t name_len;
    const char *proxied; /* "proxy:" and its URL, for r->filename */
    apr_size_t proxied_len;
    struct core_set *set;
    struct lbx_seg_member *rec; /* set by core_store at adoption, and <ref> */
    struct lbx_ref ref;
    uint32_t index;      /* place in the balancer */
    uint8_t speaks_http; /* http, https, ws, wss */
    uint8_t tls;

    /* The one that requests are run with.  Its <s> belongs to this process and
     * is always usable, so that what transports and mod_proxy write into a
     * status word decides nothing. */
    proxy_worker *transport;

    /* In balancer->workers, for everybody who looks there.  Its <s> is a
     * projection of our state (core_mirror), never read as truth. */
    proxy_worker *pub;

    uint64_t retry_us;
    uint64_t drain_us;           /* draintimeout= */
    struct lbx_member_vals conf; /* as the file has it */
    const apr_table_t *params;   /* key=value that mod_proxy does not know */
    uint32_t health;             /* with which a new member begins (status=+C) */
    uint32_t in_error;           /* ... and an error that the first request ends (status=+E) */
    uint32_t shown;              /* status letters without effect: G and F */

    /* Byte counts of <transport> that have been added to the record: of each child, and
     * written by all its threads. */
    _Atomic int64_t sent_seen;
    _Atomic int64_t received_seen;
};

/* Likewise. */
struct core_set {
    const char *name; /* "balancer://name" */
    apr_size_t name_len;
    struct lbx_seg_set *rec; /* set by core_store at adoption, and <ref> */
    struct lbx_ref ref;
    const struct core_rules *rules;
    uint32_t boots; /* of the record, when this generation began */

    /* Members stay where they are as long as the process: one that was removed leaves
     * a retired place.  Those that are added take the places behind the others; <n>
     * moves when one is complete, and may do so at any time: who needs it twice takes
     * it once. */
    _Atomic uint32_t n;
    struct core_member *member;
    uint32_t room;      /* places in all */
    uint32_t structure; /* of the record, as this process knows it (core_members) */

    uint32_t adds;
    uint32_t adds_boot; /* when this generation began */
    uint32_t spare;     /* places behind <n> then */

    /* A record whose in-flight count is the number of repetitions under way. */
    struct lbx_ref retries;

    server_rec *server;
    const char *scope;          /* whose: SCOPE_MAIN, or the virtual host's identity */
    proxy_balancer *balancer;   /* the owner's */
    apr_array_header_t *copies; /* proxy_balancer *: the owner's and each heir's */
    int persist;
    char separator;
    int semicolon;
    int forcerecovery;
    uint32_t growth;
    const char *nonce; /* from the file; NULL: we make one, "": switched off */
    struct lbx_set_vals conf;

    /* Of each child, and written by all its threads: far from what they only read. */
    struct lbx_lend rosters; /* struct core_roster */

    /* Held by the thread that makes the next roster.  Made in child_init. */
    apr_thread_mutex_t *compiling;
};

struct core_gen {
    server_rec *main;
    apr_array_header_t *sets; /* struct core_set * */
    uint32_t members;         /* of all sets, growth included */
};

#define CORE_SCOPE_MAIN "main"

/* What the text of a server's configuration says: struct core_told. */
apr_array_header_t *core_conf_told(server_rec *s);

/* Likewise the rules: "balancer://name" -> struct core_rules. */
apr_hash_t *core_conf_rules(server_rec *s);

/* Likewise parameters of members: "balancer\nmember" -> apr_table_t. */
apr_hash_t *core_conf_params(server_rec *s);

/* create_server_config, merge_server_config: remember what each virtual host
 * said itself, before mod_proxy merges the main server into it. */
void *core_conf_create_server(apr_pool_t *p, server_rec *s);
void *core_conf_merge_server(apr_pool_t *p, void *base, void *add);

/* Build the generation from mod_proxy's configuration.  Parent, post_config,
 * after mod_proxy's.  Everything lives in <p>. */
struct core_gen *core_conf_boot_build(apr_pool_t *p, server_rec *main);

/* Fill the next place of <set> with the member that <pub> is, without publishing
 * it.  <params>: what mod_proxy does not know; <weight>: its factor in hundredths, 0
 * for mod_proxy's figure. */
struct core_member *core_conf_place(apr_pool_t *p, struct core_set *set, proxy_worker *pub,
                                    const apr_table_t *params, int weight);

/* What mod_proxy's structure and <m>'s params say of a member, into <m>. */
void core_conf_read_member(struct core_member *m, int weight, const proxy_worker_shared *s);

/* The same server for a parser of directives that must not change it: mod_proxy's
 * part and ours are empty.  Any process. */
server_rec *core_conf_scratch(apr_pool_t *p, server_rec *s);

/* Make what each child has of its own.  child_init. */
void core_conf_child_init(apr_pool_t *p);

/* The current generation; NULL before post_config. */
const struct core_gen *core_conf_gen(void);

/* Does the server have a balancer of this set? */
int core_conf_server_uses(const struct core_set *set, server_rec *s);

/* The balancer called "balancer://name" as <s> knows it, and its member; NULL: none. */
struct core_set *core_conf_find_set(server_rec *s, const char *name);
struct core_member *core_conf_find_member(const struct core_set *set, const char *name);

/* The set of a balancer that mod_proxy found, or NULL. */
static inline struct core_set *core_conf_set(const proxy_balancer *b)
{
    return b ? b->context : NULL;
}

#endif
