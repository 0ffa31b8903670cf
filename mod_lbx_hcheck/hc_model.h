/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checking thread has before it: the balancers, their members, and the
 * distinct targets of their checks.  Members that share address and check share one
 * target, whichever balancers they are in.  A member that owes an answer is asked for it
 * by a target of its own kind beside that of its check: what that finds is no concern of
 * the others that share the check.
 *
 * Read from core's snapshot, and read again when a balancer has changed; what is
 * known of a target (when it is due, what is under way) goes on.
 *
 * Not here: when a check is due (hc_engine), how it is made (hc_probe), what it means
 * (hc_verdict).
 *
 * Bound.  The thread that checks only.
 */
#ifndef HC_MODEL_H
#define HC_MODEL_H

#include "apr_hash.h"

#include "hc_state.h"
#include "hc_tls.h"
#include "lbx_hc_spec.h"

enum hc_kind { HC_KIND_CONNECT, HC_KIND_HTTP, HC_KIND_CPING };

/* What a check does, in full. */
struct hc_plan {
    const char *key; /* tells it from all others */
    enum hc_kind kind;
    int tls;
    long http;                 /* CURLOPT_HTTP_VERSION */
    const char *url;           /* what is asked, of whom, by the name the member has */
    const char *connect_to;    /* where that is really, or NULL */
    const char *uds;           /* path of the socket, or NULL */
    const char *method;        /* "GET" */
    const char *target;        /* "*", or NULL: the URL's path */
    const char *name;          /* that the certificate must be for */
    int numeric;               /* the address needs no look-up */
    const char *impossible;    /* why there is no check that could pass, or NULL */
    int once;                  /* the connection is not kept for the next one */
    const struct hc_plan *ask; /* where a connection proves nothing, or NULL */
    const struct hc_tls *ssl;
    struct lbx_hc_spec spec;
    uint64_t timeout_us;
    server_rec *server;
};

struct hc_probe; /* hc_probe.h */

struct hc_target {
    uint32_t id; /* in the schedule */
    char *key;
    const struct hc_plan *plan; /* of the last reading */
    struct hc_member *members;  /* linked by next[ask]; never empty while it is scheduled */
    struct hc_probe *running;   /* under way, or NULL */
    uint64_t due_us;            /* of the one under way, or the next */
    int fresh;                  /* the next check takes a new connection */
    int ask;                    /* goes by the ask of its members' plans; never by schedule */
    int again;                  /* asked for while one was under way */
    unsigned seen;              /* number of the reading that met it last */
    unsigned born;              /* ... that met it first */
};

/* Why a member is asked for an answer. */
enum hc_asking {
    HC_ASKING_NOT = 0,
    HC_ASKING_CHECK, /* its check has passed, which is not enough */
    HC_ASKING_PROBE  /* it is a probe */
};

struct hc_member {
    struct hc_who who;
    struct hc_set *set;
    struct hc_target *target;
    struct hc_target *asker;   /* of plan->ask, once there was a need for it */
    struct hc_member *next[2]; /* with the same target, with the same asker */
    struct lbx_hc_spec spec;
    const struct hc_plan *plan;
    const char *scheme;
    uint64_t retry_us;      /* retry= */
    uint32_t admin;         /* enum lbx_admin, as of the last reading */
    int active;             /* is checked by schedule */
    int added;              /* at run time */
    int probing;            /* the check under way or about to begin is a probe of it */
    enum hc_asking asking;  /* likewise, what its asker does */
    uint64_t not_before_us; /* no probe */
    const apr_table_t *params;
};

struct hc_set {
    struct lbx_ref ref;
    const char *name;
    server_rec *server;
    uint64_t revision;
    struct lbx_hc_set *space;
    uint32_t n;
    struct hc_member *member;
};

struct hc_model {
    apr_pool_t *pool; /* of the last reading */
    uint32_t n;
    struct hc_set *set;
    uint32_t members;
    unsigned reading; /* 1, 2, 3 ... */
    apr_hash_t *targets;
    struct hc_target **by_id;
    uint32_t id_cap;
    uint32_t id_n;
};

/* Retrieve core's functions.  post_config, after core's. */
void hc_model_boot_bind(void);

/* Nothing is in it yet; <p> lives as long as the thread. */
struct hc_model *hc_model_tick_make(apr_pool_t *p);

/* Read the balancers.  <gone> is called for each target that nobody has any more,
 * before it is freed. */
void hc_model_tick_read(struct hc_model *m, void (*gone)(void *baton, struct hc_target *t),
                        void *baton);

/* The target that asks <member>, whose plan->ask is not NULL, for an answer.  It may be a
 * new one, and have raised id_cap. */
struct hc_target *hc_model_tick_asker(struct hc_model *m, struct hc_member *member);

void hc_model_tick_free(struct hc_model *m);

/* Has a balancer changed since it was read? */
int hc_model_tick_stale(const struct hc_model *m);

#endif
