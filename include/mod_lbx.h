/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the modules of the suite, and the only one: optional
 * functions that core offers and hooks that core runs.  Modules include no
 * other header of each other, load in any order, and do without each other.
 *
 * Calls go down (sticky, hcheck and manager call core's functions), news goes up
 * (core runs hooks that the others fill).
 *
 * Functions are retrieved in post_config or later.  Hooks are filled in
 * pre_config (earlier ones are lost) with
 *     APR_OPTIONAL_HOOK(lbx, lbx_hint, fn, NULL, NULL, APR_HOOK_MIDDLE);
 * "First answer wins" is returning DONE; DECLINED lets others answer.
 *
 * A module whose own post_config needs members runs it after core's:
 *     static const char *const after[] = {"mod_lbx_core.c", NULL};
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
#include "apr_strings.h"
#include "apr_tables.h"

#include "lbx_types.h"

/* Raised when a struct or a function below changes.  A module that meets
 * another version stops the start with both numbers. */
#define LBX_SEAM_VERSION 5

/* Numbers of our log lines: unique in the suite, never used again.
 * 01xx and 02xx core, 03xx sticky, 04xx hcheck, 05xx manager. */
#define LBXNO(n) "LBX" #n ": "

/* Linkage of the seam's hooks: local to each module. */
#define LBX_DECLARE(type) type

APR_DECLARE_OPTIONAL_FN(int, lbx_seam_version, (void));

/* ------------------------------------------------------------------ */
/* Directives and parameters                                            */

/* The balancer that a directive of the suite is about: its first argument, taken
 * off *args, or else the <Proxy balancer://name> it stands in.  Lower case,
 * without a path; NULL: neither. */
static inline const char *lbx_directive_balancer(cmd_parms *cmd, const char **args)
{
    const char *rest = *args;
    const char *word = ap_getword_conf(cmd->pool, &rest);
    char *name;

    if (!ap_cstr_casecmpn(word, "balancer://", 11)) {
        *args = rest;
    } else {
        word = cmd->path;
    }
    if (!word || ap_cstr_casecmpn(word, "balancer://", 11)) {
        return NULL;
    }
    name = apr_pstrndup(cmd->pool, word, 11 + strcspn(word + 11, "/"));
    ap_str_tolower(name);
    return name;
}

/* One key=value of a member that mod_proxy does not know. */
struct lbx_param {
    const char *balancer; /* "balancer://name"; NULL: a worker of no balancer */
    const char *member;   /* the member's name */
    const char *key;
    const char *value;
};

/* Is the parameter yours?  DONE: yes; *error says what is wrong with it, or stays
 * NULL.  Core keeps all accepted ones: see lbx_member_info.params.  Run while the
 * configuration is read, and when a member is added at run time. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_member_param,
                          (apr_pool_t * p, server_rec *s, const struct lbx_param *param,
                           const char **error))

/* One of these parameters of a member, at run time. */
struct lbx_setting {
    const char *balancer;
    const char *member;
    const char *scheme;        /* of the member: "https" */
    const apr_table_t *params; /* key=value of the member that mod_proxy does not know */
    const char *key;
    const char *value; /* to be put in the place of what <params> say, "" for nothing; NULL: no
                        * change, only <now> is asked for.  The hook may write it in another way */
    const char *now;   /* set by the hook: what <params> come to, written in the same way */
};

/* Can the parameter, which is yours, be changed while httpd runs?  DONE: it can, or *error
 * says why not.  A value that was changed so comes last in lbx_member_info.params.  Run in
 * any process, and at each reload for what has been changed; not in the request path. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_member_setting,
                          (apr_pool_t * p, server_rec *s, struct lbx_setting *setting,
                           const char **error))

/* ------------------------------------------------------------------ */
/* Where does this client belong?                                       */

/* What a module needs to know of a balancer to answer. */
struct lbx_hint_ask {
    const char *balancer; /* "balancer://name" */
    struct lbx_ref set;
    server_rec *server;      /* the balancer's owner */
    const char *url;         /* as the request came: balancer://name/path;params?query */
    const char *sticky;      /* stickysession=: the cookie; "" without */
    const char *sticky_path; /* ... and the URL parameter */
    char separator;          /* stickysessionsep=; 0: the whole value is the route */
    int semicolon;           /* scolonpathdelim= */

    /* Does a member have this route?  For telling a route from a part of the
     * session's own name. */
    int (*known_route)(const struct lbx_hint_ask *ask, const char *route);

    /* The members, 0 to n - 1.  Names stay as long as the process; routes until
     * the hook returns, "" for none. */
    uint32_t n;
    const char *(*member_name)(const struct lbx_hint_ask *ask, uint32_t i);
    const char *(*member_route)(const struct lbx_hint_ask *ask, uint32_t i);
    const void *baton; /* core's own */
};

/* The answer; strings live in r->pool.  With <has_member> that very member is
 * meant, whatever routes there are; else the member with the route. */
struct lbx_hint {
    const char *route; /* the member's route; NULL or "": a session without one */
    const char *from;  /* the name under which the session was found */
    int has_member;
    uint32_t member; /* index */
};

/* Run once for each request to a balancer, before the first choice.  A module
 * that hides its cookies from members takes them out of r->headers_in here. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_hint,
                          (request_rec * r, const struct lbx_hint_ask *ask, struct lbx_hint *hint))

/* A member that was chosen. */
struct lbx_decision {
    const char *balancer;
    struct lbx_ref set;
    struct lbx_ref member;
    const char *name;  /* the member's */
    const char *route; /* the member's, "" for none */
    uint32_t index;
    enum lbx_why why;
    unsigned attempt;            /* 1: the first */
    const struct lbx_hint *hint; /* what the hint hook said */
    const char *sticky;          /* stickysession= */
    const char *sticky_path;
    server_rec *server; /* the balancer's owner */
};

/* Run each time a member was chosen and reserved, before the request goes there. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_decided,
                          (request_rec * r, const struct lbx_decision *decision))

/* Run when the first of an answer has come that the client will get: its head is
 * in r->status, r->headers_out and r->err_headers_out, and can be added to. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_response,
                          (request_rec * r, const struct lbx_decision *decision))

/* ------------------------------------------------------------------ */
/* How did it go?                                                       */

/* One attempt that has ended. */
struct lbx_report {
    request_rec *r;
    struct lbx_ref set;
    struct lbx_ref member;
    uint32_t index;
    const char *balancer;
    const char *name; /* the member's */
    enum lbx_outcome outcome;
    int status;          /* of the answer, where there was one */
    const char *cause;   /* the transport's words, or "" */
    uint64_t started_us; /* when the attempt began */
    uint64_t head_us;    /* when the head of the answer had come; 0: it had not */
    uint64_t ended_us;   /* when it was over for httpd, which may wait for the client at the end */
    int error;           /* the stock's rule would take the member out */
    const char *forced;  /* why failonstatus= or failontimeout= takes it out.  Such a report comes
                         * beside the attempt's own, and counts nothing; NULL: an attempt ended */
    int ignore_errors;   /* status=+I */

    /* Set by a hook that returns DONE: this attempt took the member out, and for
     * log lines the seconds until it is asked again. */
    int out;
    unsigned long out_s;
};

/* Run after each attempt.  DECLINED by all: core applies the stock's rule, out
 * for retry= after a failure to connect.  DONE: the hook has judged. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_outcome, (struct lbx_report * report))

/* The health checker's word on a member.  <health>: enum lbx_health bits; <ramp>:
 * its share of its weight, 1 to LBX_RAMP_FULL.  Rosters are made anew when
 * something changed.  For mod_lbx_hcheck, which remembers what it said; for others only
 * where that is not loaded.  0: no such member. */
APR_DECLARE_OPTIONAL_FN(int, lbx_health_set,
                        (struct lbx_ref member, uint32_t health, uint32_t ramp));

/* Take a member out because of requests that failed (<at_us>: when, not 0), or let
 * it in again (0).  <held>: only another call lets it in, time alone does not.
 * Returns 1 if this changed whether it is out. */
APR_DECLARE_OPTIONAL_FN(int, lbx_error_set, (struct lbx_ref member, uint64_t at_us, int held));

/* While it is on, verdicts on the balancer's members do not keep requests away;
 * what the operator decided does.  Nothing else changes.  Only the process that
 * checks calls it. */
APR_DECLARE_OPTIONAL_FN(void, lbx_panic_set, (struct lbx_ref set, int on));

/* Run <each> for the members of a balancer, as they are now, until it returns 0.
 * Any process, in the request path too, but not for every request.  Returns how many
 * members there are; 0 as well when this process does not know the balancer. */
APR_DECLARE_OPTIONAL_FN(uint32_t, lbx_members_each,
                        (struct lbx_ref set,
                         int (*each)(void *baton, uint32_t index, const char *name,
                                     const struct lbx_member_view *view),
                         void *baton));

/* Memory that core keeps for a sibling in its record of a balancer (LBX_SPACE_SET
 * bytes) or of a member, zeroed when the record is made, shared by all processes
 * and kept over graceful restarts.  Aligned to 64.  Lay it out like the segment:
 * fixed widths, no pointers, atomics, a version.  NULL: no such record any more. */
enum lbx_space { LBX_SPACE_STICKY, LBX_SPACE_HCHECK };

APR_DECLARE_OPTIONAL_FN(void *, lbx_space_of_set, (struct lbx_ref set, enum lbx_space whose));
APR_DECLARE_OPTIONAL_FN(void *, lbx_space_of_member, (struct lbx_ref member, enum lbx_space whose));

/* ------------------------------------------------------------------ */
/* What is going on?                                                    */

/* One member of a snapshot. */
struct lbx_member_info {
    const char *name; /* the URL, with "unix:/path|" where it has one */
    const char *scheme;
    const char *host;
    int port;
    const char *uds; /* path of its socket, or NULL */
    void *worker;    /* proxy_worker: mod_proxy's own, for its settings; not to be written */
    const apr_table_t *params; /* key=value that mod_proxy does not know; never NULL */
    enum lbx_inelig inelig;    /* for a request without a session, now */
    int added;                 /* at run time */
    uint64_t decided_us;       /* since when an operator keeps it out of service at run time, or
                                * has removed it; 0: in service, or out by the file */
    const char *decided_by;    /* ... who that was */
    struct lbx_member_view view;
    struct lbx_tally tally;
};

/* One balancer of a snapshot. */
struct lbx_set_info {
    struct lbx_ref ref;
    const char *name;  /* "balancer://name" */
    const char *scope; /* whose it is: "main", or the virtual host */
    const char *nonce;
    server_rec *server;
    void *balancer;           /* proxy_balancer: the owner's, not to be written */
    struct lbx_set_vals run;  /* in force */
    struct lbx_set_vals conf; /* as the file has it */
    char separator;           /* stickysessionsep= */
    int semicolon;            /* scolonpathdelim= */
    int forcerecovery;
    int known_method; /* one of the suite's; else a foreign provider */
    uint64_t requests;
    uint64_t failovers;
    uint64_t refused;
    uint64_t recoveries;
    uint64_t queued;
    uint64_t queue_us;
    uint64_t overdue;
    uint32_t waiting; /* requests in the queue now */
    uint32_t growth;
    uint32_t n;
    const struct lbx_member_info *member;
};

/* The balancers that <s> can use (NULL: of all servers) by value, in <p>.
 * Any process; call it at leisure, it reads every column of every member. */
APR_DECLARE_OPTIONAL_FN(const apr_array_header_t * /* of struct lbx_set_info */, lbx_snapshot,
                        (apr_pool_t * p, server_rec *s));

/* One figure that a sibling keeps in its space, for JSON and Prometheus.  Texts are
 * constants, or live in the pool that the hook was given. */
struct lbx_figure {
    const char *name;  /* "lbx_member_checks_total"; the unit is part of it: _seconds, _bytes */
    const char *help;  /* one sentence, the same for all figures of the name */
    int counter;       /* only grows, and the name ends in "_total"; else a gauge */
    const char *label; /* what tells figures of one name apart: "result"; NULL: nothing */
    const char *value; /* ... its value: "passed" */
    double number;
};

/* The figures of a balancer (<member> is NULL; names start with lbx_balancer_) or of
 * one of its members (lbx_member_): push each of them onto <figures>, each time, zeros
 * too, and return DECLINED.  Run by the manager when somebody looks, for every member:
 * read your space, do not search.
 * mod_lbx_sticky: sticky hits and misses.  mod_lbx_hcheck: check results, ejections. */
APR_DECLARE_EXTERNAL_HOOK(lbx, LBX, int, lbx_figures,
                          (apr_pool_t * p, const struct lbx_set_info *set,
                           const struct lbx_member_info *member, apr_array_header_t *figures))

/* ------------------------------------------------------------------ */
/* Health, as mod_lbx_hcheck has it                                     */

/* Of one member.  Texts live in the pool that was given, or as long as the process. */
struct lbx_check_info {
    const char *state;      /* "up", "suspect", "ejected", "probing", "slow-start", "down", ... */
    const char *cause;      /* of that, "" for none: "no connection", "timeout", "status" ... */
    uint64_t since_us;      /* when it came to that; 0: at the start */
    uint64_t ejected;       /* how often requests took it out */
    const char *method;     /* hcmethod= as written: "GET11"; "NONE": no checks by schedule */
    const char *uri;        /* "" for none, as the next one */
    const char *expr;       /* name of the ProxyHCExpr */
    uint64_t interval_us;   /* hcinterval= */
    unsigned passes, fails; /* hcpasses=, hcfails= */
    int paused;             /* no checks, the last verdict stays */
    uint64_t at_us;         /* when the last check ended; 0: there was none */
    uint64_t due_us;        /* when the next one is; 0: none is */
    uint64_t latency_us;    /* of the last one */
    int passed;             /* the last one */
    unsigned status;        /* of its answer, or 0 */
    const char *text;       /* what was wrong with it: "Connection refused" */
    unsigned passes_in_row;
    unsigned fails_in_row;
    uint64_t checks; /* so far */
    uint64_t failed; /* ... of those */
};

/* These are mod_lbx_hcheck's: NULL when it is not loaded.  Any process. */
APR_DECLARE_OPTIONAL_FN(int, lbx_check_info,
                        (apr_pool_t * p, const struct lbx_set_info *set,
                         const struct lbx_member_info *member, struct lbx_check_info *out));

/* Check the member now, paused or not; one without checks by schedule gets a probe.
 * 0: no such member. */
APR_DECLARE_OPTIONAL_FN(int, lbx_check_now, (struct lbx_ref member));

/* No checks by schedule, and the last verdict stays; or go on.  Kept over graceful
 * restarts.  0: no such member. */
APR_DECLARE_OPTIONAL_FN(int, lbx_check_pause, (struct lbx_ref member, int on));

/* The operator's word on a member, as if so many checks had failed, or as if nothing had
 * happened: it holds until checks say otherwise.  1: that changed its state. */
APR_DECLARE_OPTIONAL_FN(int, lbx_check_force,
                        (const struct lbx_set_info *set, const struct lbx_member_info *member,
                         int down));

/* The expressions that checks can use, of <s> and the main server: name -> text, in
 * the order of the file. */
APR_DECLARE_OPTIONAL_FN(const apr_table_t *, lbx_check_exprs, (apr_pool_t * p, server_rec *s));

/* ------------------------------------------------------------------ */
/* What has happened?                                                   */

/* struct lbx_event is in lbx_types.h. */

/* Remember an event; the oldest of LBX_EVENTS_MAX is forgotten.  Any process, no
 * lock: may be called while a request is served. */
APR_DECLARE_OPTIONAL_FN(void, lbx_event_add, (const struct lbx_event *event));

/* Those after <seq> (0: all that are kept), oldest first, in <p>. */
APR_DECLARE_OPTIONAL_FN(const apr_array_header_t * /* of struct lbx_event */, lbx_events,
                        (apr_pool_t * p, uint64_t seq));

/* ------------------------------------------------------------------ */
/* Change it                                                            */

/* One change of one field, as text: "loadfactor"="2.5", "drain"="on"; or of a parameter of
 * a sibling's (lbx_member_setting): "hcinterval"="5s". */
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
 * A field given twice with different values is refused.
 * LBX_ENOTFOUND, LBX_EFIELD, LBX_EVALUE, LBX_ELOCK; LBX_ESTALE: this process is
 * older than the configuration, another one will do.
 */
APR_DECLARE_OPTIONAL_FN(enum lbx_rc, lbx_apply,
                        (apr_pool_t * p, server_rec *s, const struct lbx_change *change, unsigned n,
                         const char **error));

/* <balancer>'s revision, never the same again: moves with every change of the
 * balancer or a member, whoever makes it.  Ask for it before the snapshot that goes
 * with it.  0: no such balancer.
 *
 * lbx_apply_if refuses with LBX_ECONFLICT when it has moved (0: whatever it is; else
 * all changes must be of one balancer).  <dry_run>: everything is checked, nothing
 * changed. */
APR_DECLARE_OPTIONAL_FN(uint64_t, lbx_revision, (server_rec * s, const char *balancer));
APR_DECLARE_OPTIONAL_FN(enum lbx_rc, lbx_apply_if,
                        (apr_pool_t * p, server_rec *s, uint64_t revision,
                         const struct lbx_change *change, unsigned n, int dry_run,
                         const char **error));

/* Add a member as BalancerMember would, at run time: <url> and "key=value ..." in
 * <params>.  All processes use it at their next request.  It is kept over
 * graceful restarts, and over a stop with BalancerPersist.
 * LBX_ENOTFOUND, LBX_ECONFLICT (it exists), LBX_EFIELD, LBX_EVALUE, LBX_EFULL, LBX_ELOCK. */
APR_DECLARE_OPTIONAL_FN(enum lbx_rc, lbx_member_add,
                        (apr_pool_t * p, server_rec *s, const char *balancer, const char *url,
                         const char *params, const char *who, int dry_run, const char **error));

/* Take a member away: nobody new goes there, and its record is freed when its last
 * request is over.  One that the configuration file has comes back at the next
 * restart.  LBX_ENOTFOUND, LBX_ELOCK. */
APR_DECLARE_OPTIONAL_FN(enum lbx_rc, lbx_member_remove,
                        (apr_pool_t * p, server_rec *s, const char *balancer, const char *member,
                         const char *who, int dry_run, const char **error));

#endif
